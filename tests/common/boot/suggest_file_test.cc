// Files of the model that cannot be read are not the absence of a model.
#include "common/boot/suggest_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "common/error/error.h"
#include "tests/support/sql_scratch.h"

namespace hotline::boot {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class SuggestFileTest : public testing::Test {
 protected:
  SuggestFileTest() {
    fs::create_directory(suggest());
    fs::copy_file(HOTLINE_SOURCE_DIR "/deploy/catalogue/suggest/terms.yaml", terms());
    std::ofstream(examples()) << R"({"id": "a", "text": "路灯坏了", "hotline": "12345"})"
                              << "\n";
  }

  fs::path suggest() const { return folder_ / "suggest"; }
  fs::path terms() const { return suggest() / "terms.yaml"; }
  fs::path examples() const { return suggest() / "examples.jsonl"; }
  absl::Status Load() const { return LoadSuggestFiles(folder_.string()).status(); }
  // `path` is told in both languages.
  void ExpectWrong(const fs::path& path) const {
    const absl::Status status = Load();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path.string()));
    EXPECT_THAT(error::ChineseOf(status), HasSubstr(path.string()));
  }
  // There, and nobody can open it, root neither.
  void Dangle(const fs::path& path) const {
    fs::remove_all(path);
    fs::create_symlink(folder_ / "none", path);
  }

  const ScratchFolder scratch_;
  const fs::path folder_ = scratch_.path();
};

TEST_F(SuggestFileTest, WithoutTheFolderThereIsNoModel) {
  EXPECT_TRUE(Load().ok()) << Load();
  fs::remove_all(suggest());
  EXPECT_EQ(Load().code(), absl::StatusCode::kNotFound);
}

TEST_F(SuggestFileTest, ExamplesThatCannotBeReadAreAnError) {
  Dangle(examples());
  ExpectWrong(examples());
  // What a site adds is no less needed.
  Dangle(suggest() / "examples-own.jsonl");
  fs::remove(examples());
  ExpectWrong(suggest() / "examples-own.jsonl");
}

TEST_F(SuggestFileTest, WithoutExamplesNoModelIsMade) {
  fs::remove(examples());
  ExpectWrong(suggest());
}

TEST_F(SuggestFileTest, TermsThatCannotBeReadAreAnError) {
  Dangle(terms());
  ExpectWrong(terms());
  fs::remove(terms());
  ExpectWrong(terms());
  std::ofstream(terms()) << "concepts: [";
  ExpectWrong(terms());
}

TEST_F(SuggestFileTest, AFolderThatCannotBeListedIsAnError) {
  Dangle(suggest());
  ExpectWrong(suggest());
  fs::remove(suggest());
  std::ofstream(suggest()) << "no folder";
  ExpectWrong(suggest());
}

}  // namespace
}  // namespace hotline::boot
