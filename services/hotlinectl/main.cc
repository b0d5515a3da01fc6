// hotlinectl: the command line a person and a script use, and the example of a client. See `hotlinectl help`.
#include <stdlib.h>  // setenv

#include <cstdlib>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "services/hotlinectl/client.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/console.h"
#include "services/hotlinectl/core/arguments.h"

int main(int argc, char** argv) {
  using namespace hotline;              // NOLINT(google-build-using-namespace)
  using namespace hotline::hotlinectl;  // NOLINT(google-build-using-namespace)
  // gRPC's own lines about a connection that fails say in English alone what is said below in plain words.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  Language language;
  const auto arguments = ParseArguments(
      std::vector<std::string>(argv + 1, argv + argc),
      [](const std::string& name) {
        const char* value = std::getenv(name.c_str());
        return std::string(value == nullptr ? "" : value);
      },
      &language);
  Console console(language, arguments.ok() && arguments->json);
  if (!arguments.ok()) return console.Fail({.status = arguments.status(), .usage = true});
  if (arguments->help) {
    console.Out(arguments->command == nullptr ? HelpText(language)
                                              : CommandHelpText(*arguments->command, language));
    return console.Finish(kExitOk);
  }
  Client client(*arguments);
  Session session{*arguments, console, client, SystemClock()->Now()};
  return console.Finish(Run(session));
}
