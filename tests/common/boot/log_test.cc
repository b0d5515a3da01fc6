#include "common/boot/log.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

namespace hotline::log {
namespace {

TEST(LogTest, ALineIsOneJsonObject) {
  EXPECT_EQ(JsonLine(absl::FromUnixMicros(1'795'392'000'000'001), Level::kInfo, "dispatch", "12345",
                     "link is up", {{"peer", "110"}, {"sequence", 42}, {"share", 0.5}, {"up", true}},
                     "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            R"({"ts":"2026-11-23T00:00:00.000001Z","level":"info","service":"dispatch","hotline":"12345",)"
            R"("msg":"link is up","trace":"4bf92f3577b34da6a3ce929d0e0e4736","peer":"110","sequence":42,)"
            R"("share":0.5,"up":true})");
  EXPECT_EQ(JsonLine(absl::UnixEpoch(), Level::kError, "", "", "x", {}, ""),
            R"({"ts":"1970-01-01T00:00:00.000000Z","level":"error","msg":"x"})");
}

TEST(LogTest, ValuesCannotBreakALine) {
  EXPECT_EQ(
      JsonLine(absl::UnixEpoch(), Level::kWarn, "", "", "a\"b\\c\nd\te\x01", {{"乌恰", "\xff"}, {"n", NAN}},
               "t"),
      R"({"ts":"1970-01-01T00:00:00.000000Z","level":"warn","msg":"a\"b\\c\nd\u0009e\u0001","trace":"t",)"
      R"_("乌恰":"(not UTF-8)","n":null})_");
  const std::string huge(1'000'000, 'x');
  EXPECT_LT(JsonLine(absl::UnixEpoch(), Level::kWarn, "", "", huge, {{"a", huge}, {"b", huge}}, huge).size(),
            5000u);
}

TEST(LogTest, WritesToAFileFromTheLevelOn) {
  std::string pattern = (std::filesystem::temp_directory_path() / "hotline-log-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  const std::string path = pattern + "/x.log";
  ASSERT_TRUE(Configure({.service = "s", .hotline = "h", .level = Level::kWarn, .file = path}).ok());
  testing::internal::CaptureStderr();
  Info("not this");
  Warn("this {}", {{"n", 1}});
  const std::string shown = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(Configure({}).ok());
  std::ifstream file(path);
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  EXPECT_NE(line.find(R"("level":"warn","service":"s","hotline":"h","msg":"this {}","n":1})"),
            std::string::npos)
      << line;
  EXPECT_EQ(shown, line + "\n") << "what a supervisor keeps has it too";
  EXPECT_FALSE(std::getline(file, line));
  std::filesystem::remove_all(pattern);
  EXPECT_FALSE(Configure({.file = "/proc/none/x.log"}).ok());
}

// Else its lines went, until the next start, where nobody finds them.
TEST(LogTest, AFileThatIsRemovedOrMovedIsMadeAgain) {
  namespace fs = std::filesystem;
  std::string pattern = (fs::temp_directory_path() / "hotline-log-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  const std::string path = pattern + "/logs/x.log";
  const auto lines = [&] {
    std::ifstream file(path);
    std::string all;
    for (std::string line; std::getline(file, line);) all += line + "\n";
    return all;
  };
  const std::function<void()> ways[] = {[&] { fs::remove(path); }, [&] { fs::rename(path, path + ".1"); },
                                        [&] { fs::remove_all(pattern + "/logs"); },
                                        [&] {
                                          fs::rename(path, path + ".2");
                                          std::ofstream(path) << "another's\n";
                                        }};
  for (const std::function<void()>& take_away : ways) {
    // The first line after the start looks.
    ASSERT_TRUE(Configure({.file = path}).ok());
    take_away();
    Warn("here");
    Warn("and here");
    EXPECT_NE(lines().find("\"msg\":\"here\""), std::string::npos);
    EXPECT_NE(lines().find("\"msg\":\"and here\""), std::string::npos);
  }
  EXPECT_NE(lines().find("another's"), std::string::npos) << "it is written to, not over";
  // Where none can be made the service goes on.
  ASSERT_TRUE(Configure({.file = path}).ok());
  fs::remove_all(pattern);
  std::ofstream(pattern) << "a file";
  Warn("nowhere");
  ASSERT_TRUE(Configure({}).ok());
  fs::remove_all(pattern);
}

TEST(LogTest, RotatedFilesGoWhenTheyAreOldEnough) {
  namespace fs = std::filesystem;
  std::string pattern = (fs::temp_directory_path() / "hotline-log-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  const auto age = [&](const std::string& name, int days) {
    std::ofstream(pattern + "/" + name) << "line\n";
    fs::last_write_time(pattern + "/" + name,
                        fs::file_time_type::clock::now() - std::chrono::hours(24) * days);
  };
  for (const char* name : {"x.1.log", "x.2.log", "x.old.log", "y.1.log", "x.3.txt"}) age(name, 200);
  age("x.4.log", 170);
  ASSERT_TRUE(Configure({.file = pattern + "/x.log", .keep_days = 180}).ok());
  ASSERT_TRUE(Configure({}).ok());
  for (const char* gone : {"x.1.log", "x.2.log"}) EXPECT_FALSE(fs::exists(pattern + "/" + gone)) << gone;
  for (const char* kept : {"x.4.log", "x.log", "x.old.log", "y.1.log", "x.3.txt"}) {
    EXPECT_TRUE(fs::exists(pattern + "/" + kept)) << kept;
  }
  fs::remove_all(pattern);
}

}  // namespace
}  // namespace hotline::log
