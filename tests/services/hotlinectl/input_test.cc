#include "services/hotlinectl/core/input.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace hotline::hotlinectl {
namespace {

TEST(InputTest, AFolderIsAnErrorAndNoAbort) {
  const std::string folder = std::filesystem::temp_directory_path().string();
  for (const std::string& path : {folder, folder + "/no such file"}) {
    std::string bytes;
    const std::optional<Failure> failure = ReadInput(path, 100, &bytes);
    ASSERT_TRUE(failure.has_value());
    EXPECT_EQ(ExitCodeOf(*failure), kExitUsage);
    EXPECT_EQ(DescribeFailure(*failure, Language::kEnglish), "error: cannot read " + path + "\n");
    EXPECT_EQ(FailureMessage(*failure, Language::kChinese), "无法读取 " + path);
  }
}

TEST(InputTest, NoMoreThanItsBoundIsRead) {
  const std::string path = (std::filesystem::temp_directory_path() / "hotline_input_test").string();
  std::ofstream(path, std::ios::binary) << std::string(1 << 20, 'x') << '\n';
  std::string bytes;
  EXPECT_FALSE(ReadInput(path, (1 << 20) + 1, &bytes).has_value());
  EXPECT_EQ(bytes.size(), (1u << 20) + 1);
  std::optional<Failure> failure = ReadInput(path, 1 << 20, &bytes);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(FailureMessage(*failure, Language::kEnglish), path + " is larger than 1 MiB");
  EXPECT_EQ(FailureMessage(*failure, Language::kChinese), path + " 超过 1 MiB");
  std::filesystem::remove(path);
  failure = ReadInput("/dev/zero", 1 << 20, &bytes);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(ExitCodeOf(*failure), kExitUsage);
}

}  // namespace
}  // namespace hotline::hotlinectl
