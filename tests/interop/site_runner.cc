// Two sites for clients in other languages: starts them, prints `{"12345": {"dispatch": "host:port", …},
// "110": {…}}` on one line, and ends them when standard input closes.
#include <stdio.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/site.h"

int main() {
  using hotline::test::Service;
  hotline::test::TwoSites sites;
  const absl::Status started = sites.StartAll();
  if (!started.ok()) {
    fprintf(stderr, "site_runner: %s\n", started.ToString().c_str());
    return 1;
  }
  std::string line = "{";
  for (const hotline::test::Site* site : {&sites.a, &sites.b}) {
    absl::StrAppend(&line, line == "{" ? "\"" : ", \"", site->hotline(), "\": {");
    for (const Service service : hotline::test::kServices) {
      absl::StrAppend(&line, service == Service::kWorkOrder ? "\"" : ", \"", hotline::test::NameOf(service),
                      "\": \"", site->address(service), "\"");
    }
    absl::StrAppend(&line, "}");
  }
  printf("%s}\n", line.c_str());
  fflush(stdout);
  char buffer[256];
  while (read(STDIN_FILENO, buffer, sizeof(buffer)) > 0) {
  }
  return 0;
}
