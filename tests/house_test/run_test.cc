// What tests/run makes of its options: a slip must not start the whole suite, which takes some twenty
// minutes. It runs here with a setup.sh of its own, whose first step ends it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/sql_scratch.h"

namespace hotline {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kSetup[] = R"(
hotline_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
hotline_logs=$hotline_root/logs
bold='' red='' green='' yellow='' plain=''
say() { :; }
warn() { :; }
die() { echo "died: $*"; exit 1; }
hotline_end_child() { :; }
hotline_packages() { echo "packages: $*"; exit 0; }
)";

class RunTest : public testing::Test {
 protected:
  RunTest() {
    fs::create_directories(folder_ / "deploy/lib");
    fs::create_directories(folder_ / "tests");
    fs::copy(fs::path(HOTLINE_SOURCE_DIR) / "tests/run", folder_ / "tests/run");
    std::ofstream(folder_ / "deploy/lib/setup.sh") << kSetup;
  }

  // What it says with these options.
  std::string Run(const std::string& options) const {
    const std::string command =
        "bash '" + (folder_ / "tests/run").string() + "' " + options + " 2>&1 </dev/null";
    FILE* const output = popen(command.c_str(), "r");
    std::string said;
    for (int c = fgetc(output); c != EOF; c = fgetc(output)) said += static_cast<char>(c);
    pclose(output);
    return said;
  }

  const ScratchFolder scratch_;
  const fs::path folder_ = scratch_.path();
};

TEST_F(RunTest, RefusesOptionsThatDoNotGoTogether) {
  for (const auto& [options, why] :
       {std::pair{"--sim-first 7", "--sim-first goes with --sim"},
        std::pair{"--fuzz-seconds 5", "--fuzz-seconds goes with --fuzz"},
        std::pair{"--asan --tsan", "--asan and --tsan"}, std::pair{"--soak 3 --bench", "--soak and --bench"},
        std::pair{"--sim 5 --year", "--year and --sim"},
        std::pair{"--bench --crash-minutes 1", "--crash-minutes and --bench"},
        std::pair{"--filter x --sim 5", "--filter and --sim"}}) {
    EXPECT_THAT(Run(options), StartsWith(std::string("died: ") + why)) << options;
  }
}

TEST_F(RunTest, TakesThoseThatDo) {
  for (const char* options : {"", "--asan --filter x", "--asan --asan", "--asan --sim 7 --sim-first 3",
                              "--year 9", "--clang --crash-minutes 1"}) {
    EXPECT_THAT(Run(options), StartsWith("packages: build demo test")) << options;
  }
  EXPECT_THAT(Run("--fuzz --fuzz-seconds 5 --filter x"), StartsWith("packages: build test"));
}

// They sign, and openssl makes the keys.
TEST_F(RunTest, BenchesGetWhatMakesTheirKeys) {
  EXPECT_THAT(Run("--bench --filter idle"), HasSubstr("packages: build demo"));
}

}  // namespace
}  // namespace hotline
