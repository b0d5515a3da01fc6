// `hotlinectl suggest --file … --json` on lines as strangers' programs write them: each is answered in its
// place, or said to be bad there, and the answers are JSON whatever came in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "tests/support/process.h"
#include "tests/support/site.h"

namespace hotline::test {
namespace {

using google::protobuf::Struct;
using testing::IsEmpty;

class SuggestFileTest : public testing::Test {
 protected:
  // Answers to a file that holds `bytes`; each line of the output has to be an object.
  std::vector<Struct> Answer(const std::string& bytes) {
    const std::string path = folder_.path() + "/lines.jsonl";
    std::ofstream(path, std::ios::binary) << bytes;
    auto process =
        Process::Start({BuildFolder() + "/services/hotlinectl/hotlinectl", "suggest", "--catalogue",
                        std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue", "--file", path, "--json"},
                       log());
    EXPECT_TRUE(process.ok()) << process.status();
    std::vector<Struct> answers;
    if (!process.ok()) return answers;
    while (true) {
      const auto line = (*process)->WaitForLine("", absl::Seconds(120));
      if (!line.ok()) break;
      EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(*line, &answers.emplace_back()).ok()) << *line;
    }
    exit_ = (*process)->Wait(absl::Seconds(20));
    return answers;
  }
  // The exit code of another command.
  int Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), Program());
    auto process = Process::Start(arguments, log());
    EXPECT_TRUE(process.ok()) << process.status();
    return process.ok() ? (*process)->Wait(absl::Seconds(120)) : -1;
  }
  static std::string Program() { return BuildFolder() + "/services/hotlinectl/hotlinectl"; }
  static std::string Catalogue() { return std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue"; }
  static std::string Text(const Struct& answer, const std::string& field) {
    const auto found = answer.fields().find(field);
    return found == answer.fields().end() ? "" : found->second.string_value();
  }
  std::string log() const { return folder_.path() + "/hotlinectl.log"; }
  std::string Log() const {
    std::ifstream file(log(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  TemporaryFolder folder_;
  int exit_ = -1;
};

TEST_F(SuggestFileTest, EveryLineIsAnsweredInItsPlace) {
  // A line, the id that its answer has, and its hotline, or what is wrong with it.
  struct Line {
    std::string bytes;
    std::string id;
    std::string outcome;
  };
  const std::vector<Line> lines = {
      {"\xef\xbb\xbf{\"id\":\"bom\",\"text\":\"工地半夜还在打桩\"}", "bom", "12345"},
      {"{\"id\":7,\"text\":\"隔壁有人拿刀砍人\"}\r", "7", "110"},
      {"{\"id\":\"same\",\"text\":\"路灯坏了\",\"channel\":\"no "
       "such\",\"received_by\":\"119\",\"place\":[{}]}",
       "same", "12345"},
      {"{\"id\":\"same\",\"text\":\"路灯坏了\"}", "same", "12345"},
      {"{\"id\":\"empty\",\"text\":\"\"}", "empty", "unclear"},
      {"{\"id\":\"blank\",\"text\":\"  \\u3000 \\n\\t\"}", "blank", "unclear"},
      {"{\"id\":\"nul\",\"text\":\"a\\u0000b\"}", "nul", "unclear"},
      {"{\"id\":\"q\\\"\\n\\\\\\u0001\",\"text\":\"🔥🔥🔥\"}", "q\"\n\\\x01", "unclear"},
      {"{\"id\":\"ug\",\"text\":\"كوچىدا چىراغ بۇزۇلدى\"}", "ug", "unclear"},
      {"{\"id\":\"kk\",\"text\":\"Жарык өчүп калды\"}", "kk", "unclear"},
      {absl::StrCat("{\"id\":\"much\",\"text\":\"", std::string(60000, 'x'), "\"}"), "much", "unclear"},
      {absl::StrCat("{\"id\":\"long\",\"text\":\"", std::string(66000, 'x'), "\"}"), "long",
       "has a text of more than 64 KiB"},
      {"{\"id\":\"gbk\",\"text\":\"\xcb\xae\xb9\xdc\xb1\xac\xc1\xcb\"}", "", "is not UTF-8 (a file in GBK?)"},
      {"{\"id\":\"half\",\"text\":", "", "is no JSON object"},
      {"{\"id\":\"surrogate\",\"text\":\"\\ud83d\"}", "", "is no JSON object"},
      {absl::StrCat("{\"id\":\"deep\",\"text\":\"x\",\"d\":", std::string(5000, '['), std::string(5000, ']'),
                    "}"),
       "", "is no JSON object"},
      {"[1,2]", "", "is no JSON object"},
      {"null", "", "is no JSON object"},
      {"{\"text\":\"x\"}", "", "needs an `id`"},
      {"{\"id\":null,\"text\":\"x\"}", "", "needs an `id`"},
      {"{\"id\":\"number\",\"text\":5}", "number", "needs a `text`"},
      {"{\"id\":\"last\",\"text\":\"停水了\"}", "last", "12345"},
  };
  std::string bytes;
  for (const Line& line : lines) absl::StrAppend(&bytes, line.bytes, &line == &lines.back() ? "" : "\n");
  const std::vector<Struct> answers = Answer(bytes);
  EXPECT_EQ(exit_, 3) << "some lines are bad";
  ASSERT_EQ(answers.size(), lines.size());
  for (size_t n = 0; n < lines.size(); ++n) {
    SCOPED_TRACE(absl::StrCat("line ", n + 1));
    const Struct& answer = answers[n];
    const auto& id = answer.fields().at("id");
    if (id.has_number_value()) {
      EXPECT_EQ(absl::StrCat(id.number_value()), lines[n].id);
    } else {
      EXPECT_EQ(id.string_value(), lines[n].id);
    }
    if (const std::string error = Text(answer, "error"); !error.empty()) {
      EXPECT_EQ(error, lines[n].outcome);
      EXPECT_NE(Text(answer, "error_zh"), "");
      EXPECT_EQ(answer.fields().at("line").number_value(), static_cast<double>(n + 1));
      EXPECT_NE(Log().find(absl::StrCat("line ", n + 1, ": ", error)), std::string::npos) << Log();
      continue;
    }
    EXPECT_EQ(Text(answer, "hotline"), lines[n].outcome);
    const double confidence = answer.fields().at("confidence").number_value();
    EXPECT_TRUE(confidence >= 0 && confidence <= 1) << confidence;
    EXPECT_TRUE(answer.fields().at("emergency").has_bool_value());
    EXPECT_TRUE(answer.fields().at("units").has_list_value());
    EXPECT_TRUE(answer.fields().at("why").has_struct_value());
    if (lines[n].outcome == "unclear") {
      EXPECT_THAT(answer.fields().at("items").list_value().values(), IsEmpty());
    }
  }
  // Who heard it changes nothing.
  EXPECT_EQ(answers[2].DebugString(), answers[3].DebugString());
}

TEST_F(SuggestFileTest, BlankLinesAreNoQuestionsAndAnEmptyFileHasNoAnswers) {
  EXPECT_THAT(Answer(""), IsEmpty());
  EXPECT_EQ(exit_, 0);
  const std::vector<Struct> answers = Answer("\n \r\n{\"id\":\"one\",\"text\":\"停水了\"}\n\n");
  EXPECT_EQ(exit_, 0);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(Text(answers[0], "id"), "one");
}

// What is given on the command line is judged as a line of a file is.
TEST_F(SuggestFileTest, ATextThatCannotBeReadIsRefusedInBothLanguages) {
  for (const auto& [text, english, chinese] :
       {std::tuple(std::string("\xcb\xae\xb9\xdc\xb1\xac\xc1\xcb"), "is not UTF-8", "不是 UTF-8"),
        {std::string(66000, 'x'), "more than 64 KiB", "超过 64 KiB"}}) {
    EXPECT_EQ(Run({"suggest", "--catalogue", Catalogue(), text, "--json"}), 2);
    EXPECT_NE(Log().find(english), std::string::npos) << Log();
    EXPECT_NE(Log().find(chinese), std::string::npos) << Log();
  }
}

TEST_F(SuggestFileTest, AFolderInPlaceOfAFileIsToldAndNotDiedOf) {
  EXPECT_EQ(Run({"suggest", "evaluate", "--catalogue", Catalogue(), "--file", folder_.path()}), 2) << Log();
  EXPECT_EQ(Run({"suggest", "--catalogue", Catalogue(), "--file", folder_.path()}), 2) << Log();
  EXPECT_EQ(Run({"catalogue", "check", "--file", Catalogue() + "/wuqia.yaml", "--directory", folder_.path()}),
            2)
      << Log();
  EXPECT_EQ(Run({"directory", "import", "--file", folder_.path(), "--reported-by", "desk", "--escalation",
                 "127.0.0.1:1"}),
            2)
      << Log();
  EXPECT_EQ(Run({"refer-from-scene", "--request", "push", "--guidance", "x", "--title", "x", "--text", "x",
                 "--type", "help", "--photo", "a.jpg=" + folder_.path(), "--dispatch", "127.0.0.1:1"}),
            2)
      << Log();
  EXPECT_NE(Log().find("cannot read " + folder_.path()), std::string::npos) << Log();
}

// /dev/full is a disk without room.
TEST_F(SuggestFileTest, AnAnswerThatIsLostIsAFailure) {
  auto process = Process::Start({"/bin/sh", "-c", "exec \"$0\" help > /dev/full", Program()}, log());
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_EQ((*process)->Wait(absl::Seconds(60)), 1);
  EXPECT_NE(Log().find("standard output cannot be written"), std::string::npos) << Log();
}

}  // namespace
}  // namespace hotline::test
