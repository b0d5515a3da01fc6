#include "services/hotlinectl/core/input.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace hotline::hotlinectl {
namespace {

TEST(InputTest, AFolderIsAnErrorAndNoAbort) {
  const std::string folder = std::filesystem::temp_directory_path().string();
  const auto bytes = ReadInput(folder, 100, Language::kChinese);
  EXPECT_EQ(bytes.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(std::string(bytes.status().message()), "无法读取 " + folder);
  EXPECT_EQ(ReadInput(folder + "/no such file", 100, Language::kEnglish).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(InputTest, NoMoreThanItsBoundIsRead) {
  const std::string path = (std::filesystem::temp_directory_path() / "hotline_input_test").string();
  std::ofstream(path, std::ios::binary) << std::string(1 << 20, 'x') << '\n';
  EXPECT_EQ(ReadInput(path, (1 << 20) + 1, Language::kEnglish)->size(), (1u << 20) + 1);
  EXPECT_EQ(std::string(ReadInput(path, 1 << 20, Language::kEnglish).status().message()),
            path + " is larger than 1 MiB");
  std::filesystem::remove(path);
  EXPECT_EQ(ReadInput("/dev/zero", 1 << 20, Language::kEnglish).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace hotline::hotlinectl
