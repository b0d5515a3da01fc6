// Runs hotlinectl and hears what it says.
#ifndef TESTS_OPERATION_CTL_H_
#define TESTS_OPERATION_CTL_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/site.h"

namespace hotline::test {

struct Said {
  int exit = -1;
  std::string out;  // standard output, whole
  std::string err;
};

// Any program.
inline Said RunProgram(const TemporaryFolder& folder, const std::vector<std::string>& arguments) {
  static int runs = 0;
  const std::string log = absl::StrCat(folder.path(), "/ctl-", ++runs, ".log");
  auto process = Process::Start(arguments, log);
  EXPECT_TRUE(process.ok()) << process.status();
  Said said;
  for (;;) {
    const absl::StatusOr<std::string> line = (*process)->WaitForLine("", absl::Seconds(60));
    if (!line.ok()) break;
    absl::StrAppend(&said.out, *line, "\n");
  }
  said.exit = (*process)->Wait(absl::Seconds(60));
  said.err = ReadFile(log);
  return said;
}

inline Said RunCtl(const TemporaryFolder& folder, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), BuildFolder() + "/services/hotlinectl/hotlinectl");
  return RunProgram(folder, arguments);
}

// At a site's own addresses.
inline Said RunCtl(const TemporaryFolder& folder, Site& site, std::vector<std::string> arguments) {
  std::vector<std::string> all = {"--dispatch",   site.address(Service::kDispatch),
                                  "--work-order", site.address(Service::kWorkOrder),
                                  "--escalation", site.address(Service::kEscalation)};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return RunCtl(folder, std::move(all));
}

}  // namespace hotline::test

#endif  // TESTS_OPERATION_CTL_H_
