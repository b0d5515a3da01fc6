#include "services/hotlinectl/core/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "common/base/text.h"
#include "hotline/type/v1/work_order.pb.h"
#include "services/hotlinectl/core/order_form.h"

namespace hotline::hotlinectl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Parsed {
  absl::StatusOr<Arguments> arguments;
  Language language = Language::kEnglish;
};

Parsed Parse(const std::vector<std::string>& words, std::map<std::string, std::string> environment = {}) {
  Language language = Language::kEnglish;
  auto arguments = ParseArguments(
      words, [&](const std::string& name) { return environment[name]; }, &language);
  return {std::move(arguments), language};
}

std::string Message(const Parsed& parsed) { return std::string(ToStd(parsed.arguments.status().message())); }

TEST(ArgumentsTest, AnActionStandsBeforeTheOrder) {
  const Parsed parsed = Parse({"partners", "push", "7", "--to", "119,120"});
  ASSERT_TRUE(parsed.arguments.ok()) << parsed.arguments.status();
  EXPECT_EQ(parsed.arguments->action, "push");
  EXPECT_EQ(parsed.arguments->operand, "7");
  EXPECT_EQ(parsed.arguments->Text("to"), "119,120");
  EXPECT_FALSE(Parse({"partners", "push", "7", "8"}).arguments.ok());
}

TEST(ArgumentsTest, APushWithoutATargetIsForTheSiteToRoute) {
  const Parsed parsed = Parse({"push", "--title", "x", "--danger", "no", "--agreement", "agreed"});
  ASSERT_TRUE(parsed.arguments.ok()) << parsed.arguments.status();
  EXPECT_FALSE(parsed.arguments->Has("to"));
  const Parsed offline = Parse({"suggest", "停水了"});
  ASSERT_TRUE(offline.arguments.ok()) << offline.arguments.status();
  EXPECT_EQ(offline.arguments->operand, "停水了");
  EXPECT_FALSE(offline.arguments->site_named);
  EXPECT_TRUE(Parse({"suggest", "--file", "f", "--site", "110"}).arguments->site_named);
  EXPECT_EQ(Parse({"suggest", "evaluate"}).arguments->action, "evaluate");
  const Parsed diff = Parse({"catalogue", "diff", "v1", "v2"});
  ASSERT_TRUE(diff.arguments.ok());
  EXPECT_EQ(diff.arguments->operand + diff.arguments->peer, "v1v2");
}

TEST(ArgumentsTest, CalendarTakesFiles) {
  const Parsed parsed =
      Parse({"calendar", "preview", "a.json", "--document", "n", "b.ics", "--issued", "2026-11-04"});
  ASSERT_TRUE(parsed.arguments.ok()) << parsed.arguments.status();
  EXPECT_EQ(parsed.arguments->action, "preview");
  EXPECT_EQ(parsed.arguments->files, (std::vector<std::string>{"a.json", "b.ics"}));
  EXPECT_TRUE(Parse({"calendar", "list"}).arguments.ok());
  EXPECT_TRUE(Parse({"calendar", "publish", "a.yaml", "--digest", "d", "--note", "n"}).arguments.ok());
  EXPECT_NE(Message(Parse({"calendar", "publish", "a.yaml", "--digest", "d"})).find("--note"),
            std::string::npos);
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"calendar"},
           {"calendar", "show"},
           {"calendar", "preview"},
           {"calendar", "list", "a.yaml"},
           {"calendar", "preview", "a.yaml", "--note", "n"},
           {"calendar", "list", "--limit", "3"},
           {"calendar", "preview", "a.json", "--issued", "gestern"},
           {"calendar", "publish", "a.yaml", "--digest", "d", "--note", "n", "--limit", "3"}}) {
    EXPECT_FALSE(Parse(words).arguments.ok()) << words.back();
  }
}

TEST(ArgumentsTest, WrongUse) {
  const struct {
    std::vector<std::string> words;
    std::string message;
  } kCases[] = {
      {{}, "no command given"},
      {{"pish"}, "unknown command `pish`; did you mean `push`?\n"},
      {{"psuh"}, "unknown command `psuh`; did you mean `push`?\n"},
      {{"pushh"}, "unknown command `pushh`; did you mean `push`?\n"},
      {{"pus"}, "unknown command `pus`; did you mean `push`?\n"},
      {{"hsup"}, "unknown command `hsup`\n"},
      {{""}, "unknown command ``\n"},
      {{"push", "--titel", "x"}, "`push` has no flag `--titel`; did you mean `--title`?\n"},
      {{"push", "--titel=x"}, "`push` has no flag `--titel`; did you mean `--title`?\n"},
      {{"push", "--timout", "3s"}, "`push` has no flag `--timout`; did you mean `--timeout`?\n"},
      {{"--jsn", "list"}, "`hotlinectl` has no flag `--jsn`; did you mean `--json`?\n"},
      {{"show"}, "`show` needs the id or number of an order"},
      {{"show", "1", "2"}, "`show` does not take `2`"},
      {{"links", "x"}, "`links` does not take `x`"},
      {{"show", "1", "--nosuch"}, "`show` has no flag `--nosuch`\n"},
      {{"--nosuch"}, "`hotlinectl` has no flag `--nosuch`"},
      {{"list", "--limit"}, "flag `--limit` needs a value"},
      {{"push", "--name", "--secret"}, "flag `--name` needs a value"},
      {{"push", "--text", "--anonymous", "--title", "x"}, "one that begins with -- is given as --text=VALUE"},
      {{"accept", "1", "--note", "--"}, "flag `--note` needs a value"},
      {{"list", "--limit", "-1"}, "`--limit` is not a whole number"},
      {{"list", "--limit", "9999999999999999999999"}, "`--limit` is not a whole number"},
      {{"list", "--state", "nosuch"}, "`--state` must be one of: registered, offered,"},
      {{"list", "--state", "signed,nosuch"}, "`--state` must be one of"},
      {{"list", "--from", "yesterday"}, "`--from` is not a time"},
      {{"list", "--unit", "a", "--unit", "b"}, "flag `--unit` was given twice"},
      {{"list", "--json=yes"}, "flag `--json` takes no value"},
      {{"list", "--lang", "fr"}, "`--lang` must be one of: zh, en"},
      {{"list", "--timeout", "soon"}, "`--timeout` is not a duration such as 500ms, 10s, 2m, 48h or 2d"},
      {{"due-soon", "--within", "48"}, "`--within` needs a unit, such as 48h or 2d"},
      {{"due-soon", "--within=0"}, "`--within` needs a unit"},
      {{"due-soon", "--within", " 48 "}, "`--within` needs a unit"},
      {{"due-soon", "--within", "soon"}, "`--within` is not a duration"},
      {{"callback", "1"}, "`callback` needs --reached, or a --note if nobody was reached"},
      {{"callback", "1", "--note", " "}, "`callback` needs --reached"},
      {{"callback", "1", "--settled", "--satisfaction", "5"}, "`callback` needs --reached"},
      {{"similar", "1", "--phone", "2"}, "goes by the order's own content: leave out `--phone`"},
      {{"similar", "1", "--text", "x", "--limit", "3"}, "leave out `--text`"},
      {{"recall", "1"}, "`recall` needs the flag `--reason`"},
      {{"confirm", "1"}, "`confirm` needs the flag `--code`"},
      {{"partners", "1"}, "`partners` needs push or list before the order"},
      {{"partners", "list"}, "`partners` needs the id or number of an order"},
      {{"partners", "push", "1"}, "`partners` needs the flag `--to`"},
      {{"extend", "1", "--until", "+2h", "--ground", "x"}, "`extend` needs the flag `--approved-by`"},
      {{"push", "1"}, "`push` needs the flag `--to`"},
      {{"push", "--title", "x", "--danger", "perhaps"}, "`--danger` must be one of: yes, no"},
      {{"suggest"}, "`suggest` needs a text"},
      {{"suggest", "停水了", "--file", "f"}, "`suggest` needs a text"},
      {{"suggest", "examples"}, "`suggest` needs a text"},
      {{"suggest", "examples", "export"}, "--out"},
      {{"suggest", "停水了", "--out", "f"}, "--out"},
      {{"catalogue"}, "`catalogue` needs `check`"},
      {{"catalogue", "print"}, "`catalogue` needs `check`"},
      {{"catalogue", "diff", "a"}, "`catalogue diff` needs two versions or files"},
      {{"catalogue", "check", "a"}, "`catalogue check` does not take `a`"},
      {{"catalogue", "show", "A1", "A2"}, "`catalogue show` does not take `A2`"},
      {{"catalogue", "reload", "--file", "f"}, "`catalogue reload` has no flag `--file`"},
      {{"catalogue", "show", "--out", "f"}, "`catalogue show` has no flag `--out`"},
      {{"push", "1", "--file", "f"}, "`--file` cannot be given with an order"},
      {{"push", "1", "--to", "110", "--title", "x"}, "keeps its content: leave out `--title`"},
      {{"push", "--rejects", "f", "--to", "110"}, "`--rejects` goes only with `--file`"},
      {{"push", "--file", "f", "--request-id", "abcdefgh"}, "`--request-id` cannot be given with `--file`"},
      {{"push", "--to", "110", "--lat", "39.7"}, "`push` needs the flag `--lon`"},
      {{"push", "--to", "110", "--lat", "north", "--lon", "1"}, "`--lat` is not a number"},
      {{"completion", "fish"}, "`completion` needs `bash` or `zsh`"},
      {{"link"}, "`link` needs `status` or `reconcile`"},
      {{"link", "reconcile"}, "`link reconcile` needs a peer"},
      {{"link", "status", "--repair"}, "`link status` has no flag `--repair`"},
      {{"link", "reconcile", "110", "119"}, "`link` does not take `119`"},
      {{"policy", "preview", "new.yaml"}, "is given with `--file new.yaml`"},
      {{"policy", "publish", "new.yaml", "--digest", "d", "--note", "n"}, "is given with `--file new.yaml`"},
      {{"help", "pish"}, "unknown command `pish`; did you mean `push`?\n"},
      {{"evidence"}, "`evidence` needs `export` or `verify`"},
      {{"evidence", "print", "1"}, "`evidence` needs `export` or `verify`"},
      {{"evidence", "export"}, "`evidence export` needs the id or number of an order"},
      {{"evidence", "verify"}, "`evidence verify` needs a file"},
      {{"evidence", "verify", "f", "g"}, "`evidence` does not take `g`"},
      {{"evidence", "verify", "f", "--out", "g"}, "`--out` goes only with `evidence export`"},
      {{"evidence", "export", "1", "--public-keys", "d"}, "`--public-keys` goes only with `evidence verify`"},
      {{"evidence", "verify", "f", "--public-key", "110"}, "`--public-key` must be PARTY=FILE"},
      {{"evidence", "verify", "f", "--public-key", "=f"}, "`--public-key` must be PARTY=FILE"},
      {{"links", "--ca", "f"}, "--ca, --cert and --key go together"},
  };
  for (const auto& c : kCases) {
    const Parsed parsed = Parse(c.words);
    ASSERT_FALSE(parsed.arguments.ok()) << c.message;
    EXPECT_TRUE(absl::IsInvalidArgument(parsed.arguments.status()));
    EXPECT_THAT(Message(parsed), HasSubstr(c.message));
    EXPECT_THAT(Message(parsed), HasSubstr("hotlinectl help"));
  }
}

TEST(ArgumentsTest, APageHasBetweenOneAndFiveHundred) {
  const auto limit = [](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"policy", "preview"});
    return Parse(flags).arguments->PageLimit(20);
  };
  EXPECT_EQ(limit({}), 20);
  EXPECT_EQ(limit({"--limit", "7"}), 7);
  EXPECT_EQ(limit({"--limit", "0"}), 500) << "all that one page can hold";
  EXPECT_EQ(limit({"--limit", "501"}), 500);
  EXPECT_EQ(limit({"--limit", "4294967316"}), 500);
}

TEST(ArgumentsTest, SpeaksTheLanguageAskedForEvenWhenWrong) {
  EXPECT_EQ(Message(Parse({"nosuch", "--lang", "zh"})), "没有命令“nosuch”\n请看：hotlinectl help");
  EXPECT_EQ(Message(Parse({"pish", "--lang=zh"})), "没有命令“pish”，是否应为“push”？\n请看：hotlinectl help");
  // The words as help lists them, both of which are taken; the choices of a few flags have no Chinese.
  EXPECT_THAT(Message(Parse({"push", "--type", "x", "--lang", "zh"})), HasSubstr("“--type”的值应为："));
  EXPECT_THAT(Message(Parse({"push", "--type", "x", "--lang", "zh"})), HasSubstr("help/求助, "));
  EXPECT_THAT(Message(Parse({"push", "--type", "x"})), HasSubstr("help, "));
  EXPECT_THAT(Message(Parse({"list", "--lang", "fr"}, {{"LANG", "zh_CN"}})), HasSubstr("应为：zh, en"));
  EXPECT_EQ(Parse({"--lang", "en", "links"}, {{"LANG", "zh_CN.UTF-8"}}).language, Language::kEnglish);
}

TEST(ArgumentsTest, LanguageOfTheEnvironment) {
  EXPECT_EQ(Parse({"links"}, {{"LANG", "zh_CN.UTF-8"}}).language, Language::kChinese);
  EXPECT_EQ(Parse({"links"}, {{"LANG", "zh_CN.UTF-8"}, {"LC_ALL", "C"}}).language, Language::kEnglish);
  EXPECT_EQ(Parse({"links"}, {{"LC_ALL", "zh"}, {"LANG", "en_US"}}).language, Language::kChinese);
  EXPECT_EQ(Parse({"links"}).language, Language::kEnglish);
}

TEST(ArgumentsTest, AddressesByFlagSiteEnvironmentAndDefault) {
  const auto defaults = Parse({"links"}).arguments;
  ASSERT_TRUE(defaults.ok());
  EXPECT_EQ(defaults->dispatch, "127.0.0.1:12301");
  EXPECT_EQ(defaults->work_order, "127.0.0.1:12302");
  EXPECT_EQ(defaults->escalation, "127.0.0.1:12303");
  const auto chosen = Parse({"--site", "110", "links", "--work-order=h:1"},
                            {{"HOTLINE_DISPATCH", "x:1"}, {"HOTLINE_ESCALATION", "y:2"}})
                          .arguments;
  ASSERT_TRUE(chosen.ok());
  EXPECT_EQ(chosen->dispatch, "127.0.0.1:11001");
  EXPECT_EQ(chosen->work_order, "h:1");
  EXPECT_EQ(chosen->escalation, "127.0.0.1:11003");
  const auto environment = Parse({"links"}, {{"HOTLINE_DISPATCH", "x:1"}}).arguments;
  ASSERT_TRUE(environment.ok());
  EXPECT_EQ(environment->dispatch, "x:1");
}

TEST(ArgumentsTest, CertificatesComeFromFlagsOrFromTheEnvironmentAndNotFromBoth) {
  const std::map<std::string, std::string> environment = {
      {"HOTLINE_CA", "ca"}, {"HOTLINE_CERT", "cert"}, {"HOTLINE_KEY", "key"}};
  const auto given = Parse({"health", "--service", "dispatch"}, environment).arguments;
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_EQ(given->ca_file + given->cert_file + given->key_file, "cacertkey");
  EXPECT_EQ(given->Text("service"), "dispatch");
  const auto flags = Parse({"health", "--ca", "a", "--cert", "b", "--key", "c"}, environment).arguments;
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->ca_file + flags->cert_file + flags->key_file, "abc");
  EXPECT_FALSE(Parse({"health", "--ca", "a"}, environment).arguments.ok());
  EXPECT_FALSE(Parse({"health"}, {{"HOTLINE_CA", "ca"}}).arguments.ok());
  EXPECT_FALSE(Parse({"health", "--service", "postgres"}).arguments.ok());
}

TEST(ArgumentsTest, ReadsACommand) {
  const auto arguments = Parse({"--json", "finish", "110-20261123-000001", "--disposition", "已解决",
                                "--reply=已处理", "--contacted", "--account", "0417", "--timeout", "3"})
                             .arguments;
  ASSERT_TRUE(arguments.ok()) << arguments.status();
  EXPECT_EQ(arguments->command->id, CommandId::kFinish);
  EXPECT_EQ(arguments->operand, "110-20261123-000001");
  EXPECT_EQ(arguments->Word<type::v1::Disposition>("disposition"), type::v1::DISPOSITION_RESOLVED);
  EXPECT_EQ(arguments->Text("reply"), "已处理");
  EXPECT_TRUE(arguments->Has("contacted"));
  EXPECT_FALSE(arguments->Has("substantiated"));
  EXPECT_TRUE(arguments->json);
  EXPECT_EQ(arguments->account, "0417");
  EXPECT_EQ(arguments->timeout, absl::Seconds(3));
}

TEST(ArgumentsTest, AskedForAsTheyAreThese) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"due-soon"},
                                             {"due-soon", "--within", "48h"},
                                             {"due-soon", "--within", "2d"},
                                             {"callback", "1", "--reached"},
                                             {"callback", "1", "--note", "无人接听"},
                                             {"similar", "1", "--limit", "3"},
                                             {"similar", "--phone", "2", "--text", "x"},
                                             {"list", "--from", "-3d"},
                                             {"similar", "--text", "x", "--lat", "-1", "--lon", "-2"}}) {
    const Parsed parsed = Parse(words);
    EXPECT_TRUE(parsed.arguments.ok()) << testing::PrintToString(words) << parsed.arguments.status();
  }
}

TEST(ArgumentsTest, RepeatedFlagsAndDashes) {
  const auto list = Parse({"list", "--state", "signed,in-progress", "--state", "已答复"}).arguments;
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->All("state").size(), 3u);
  // Behind `--` nothing is a flag, and behind `=` a value may begin with dashes.
  const auto show = Parse({"show", "--", "--odd"}).arguments;
  ASSERT_TRUE(show.ok());
  EXPECT_EQ(show->operand, "--odd");
  const auto note = Parse({"accept", "1", "--note=--ok"}).arguments;
  ASSERT_TRUE(note.ok());
  EXPECT_EQ(note->Text("note"), "--ok");
}

TEST(ArgumentsTest, EvidenceDoesTwoThings) {
  const auto verify =
      Parse({"evidence", "verify", "--public-key", "110=a.pub", "x.hev", "--public-key=12345=b.pub"});
  ASSERT_TRUE(verify.arguments.ok()) << verify.arguments.status();
  EXPECT_EQ(verify.arguments->action, "verify");
  EXPECT_EQ(verify.arguments->operand, "x.hev");
  EXPECT_EQ(verify.arguments->All("public-key"), (std::vector<std::string>{"110=a.pub", "12345=b.pub"}));
  const auto exported = Parse({"evidence", "export", "12345-20261123-000007", "--out", "x.hev"});
  ASSERT_TRUE(exported.arguments.ok()) << exported.arguments.status();
  EXPECT_EQ(exported.arguments->operand, "12345-20261123-000007");
}

TEST(ArgumentsTest, AccountOfWhoActs) {
  EXPECT_EQ(Parse({"links"}).arguments->account, "hotlinectl");
  EXPECT_EQ(Parse({"links"}, {{"USER", "li"}}).arguments->account, "li");
  EXPECT_EQ(Parse({"links"}, {{"USER", "li"}, {"HOTLINE_ACCOUNT", "0417"}}).arguments->account, "0417");
}

// Whoever works for a unit acts for it in every command, and `--unit` is somebody else's but where a unit
// speaks for itself.
TEST(ArgumentsTest, UnitOfWhoActs) {
  const auto unit = [](std::vector<std::string> words, const std::string& environment = "") {
    const Parsed parsed = Parse(words, {{"HOTLINE_UNIT", environment}, {"HOTLINE_ACCOUNT", "0417"}});
    EXPECT_TRUE(parsed.arguments.ok()) << parsed.arguments.status();
    if (!parsed.arguments.ok()) return std::string("?");
    const type::v1::Actor actor = ActorOf(*parsed.arguments);
    EXPECT_EQ(actor.account(), "0417");
    return actor.unit();
  };
  const std::vector<std::string> finish = {"finish", "7", "--disposition", "resolved", "--reply", "x"};
  EXPECT_EQ(unit(finish), "");
  EXPECT_EQ(unit(finish, "zhujianju"), "zhujianju");
  std::vector<std::string> for_unit = finish;
  for_unit.insert(for_unit.end(), {"--for-unit", "chengguan"});
  EXPECT_EQ(unit(for_unit, "zhujianju"), "chengguan");
  EXPECT_EQ(unit({"push", "--file", "f"}, "zhujianju"), "zhujianju");
  EXPECT_EQ(unit({"dispatch", "7", "--unit", "chengguan"}, "zhujianju"), "zhujianju");
  const std::vector<std::string> ask = {"ask-extension", "7", "--working-days", "2", "--ground", "x"};
  std::vector<std::string> ask_for = ask;
  ask_for.insert(ask_for.end(), {"--unit", "chengguan"});
  EXPECT_EQ(unit(ask, "zhujianju"), "zhujianju");
  EXPECT_EQ(unit(ask_for, "zhujianju"), "chengguan");
}

TEST(ArgumentsTest, HelpIsGivenToWhoIsLost) {
  EXPECT_TRUE(Parse({"--help"}).arguments->help);
  EXPECT_TRUE(Parse({"-h", "push"}).arguments->help);
  EXPECT_TRUE(Parse({"push", "--help"}).arguments->help);
  for (Language language : {Language::kEnglish, Language::kChinese}) {
    const std::string help = HelpText(language);
    for (const CommandSpec& command : Commands()) {
      EXPECT_THAT(help, HasSubstr(StrCat("  ", command.name)));
      const std::string one = CommandHelpText(command, language);
      for (const FlagSpec& flag : command.flags) EXPECT_THAT(one, HasSubstr(StrCat("--", flag.name)));
    }
    for (int code = 0; code <= 9; ++code) EXPECT_THAT(help, HasSubstr(StrCat("\n  ", code, "  ")));
    // What an order at work cannot be pushed as.
    EXPECT_THAT(CommandHelpText(Commands().front(), language), HasSubstr("hotlinectl partners push"));
    // What a file may do after its requests were forgotten.
    EXPECT_THAT(CommandHelpText(Commands().front(), language), HasSubstr("link reconcile"));
  }
}

// A word that a flag takes.
std::string Fitting(const FlagSpec& flag) {
  switch (flag.kind) {
    case ValueKind::kSwitch:
      return "";
    case ValueKind::kInteger:
    case ValueKind::kNumber:
      return "1";
    case ValueKind::kDuration:
      return "5s";
    case ValueKind::kTime:
      return "2026-12-01 09:00";
    case ValueKind::kWord: {
      const std::string words = FlagWords(flag, " ");
      return words.substr(0, words.find(' '));
    }
    case ValueKind::kAddress:
      return "127.0.0.1:1";
    default:
      return flag.name == "public-key" ? "110=key.pub" : "x";
  }
}

// The line of a command's help that explains the flag.
std::string HelpLine(const CommandSpec& command, const FlagSpec& flag) {
  std::istringstream help(CommandHelpText(command, Language::kEnglish));
  const std::string begin = StrCat("  --", flag.name);
  for (std::string line; std::getline(help, line);) {
    if (line.starts_with(begin + " ") || line == begin) return line;
  }
  return "";
}

// `words` with the flag.
std::vector<std::string> With(std::vector<std::string> words, const FlagSpec& flag) {
  words.push_back(StrCat("--", flag.name));
  if (const std::string value = Fitting(flag); !value.empty()) words.push_back(value);
  return words;
}

// A command line that does `action` and is in order, with as little as that takes. Empty if there is none.
std::vector<std::string> InOrder(const CommandSpec& command, const std::string& action) {
  constexpr std::string_view kNeeded[] = {"reason",   "reference",   "digest", "note", "to",  "period",
                                          "ruled-by", "reported-by", "state",  "out",  "file"};
  const std::vector<std::string> fitting = FlagsOf(command, action);
  const auto fits = [&](std::string_view name) {
    return std::find(fitting.begin(), fitting.end(), name) != fitting.end();
  };
  std::vector<std::string> words = {std::string(command.name)};
  if (action != "TEXT" && action != "--file") {
    for (absl::string_view word : absl::StrSplit(action, ' ')) words.emplace_back(word);
  }
  for (const FlagSpec& flag : command.flags) {
    const bool needed = std::find(std::begin(kNeeded), std::end(kNeeded), flag.name) != std::end(kNeeded) ||
                        (flag.name == "ground" && action == "rule");
    if (needed && fits(flag.name)) words = With(std::move(words), flag);
  }
  for (int operands = 0; operands <= 2; ++operands) {
    if (Parse(words).arguments.ok()) return words;
    words.emplace_back("x");
  }
  return {};
}

// Each flag with each action of each command that does several things: taken exactly where the help says so.
TEST(ArgumentsTest, HelpTellsWhichFlagsGoWithWhat) {
  int refused = 0;
  for (const CommandSpec& command : Commands()) {
    for (const std::string& action : ActionsOf(command)) {
      SCOPED_TRACE(StrCat(command.name, " ", action));
      const std::vector<std::string> base = InOrder(command, action);
      ASSERT_FALSE(base.empty());
      for (const FlagSpec& flag : command.flags) {
        const std::string line = HelpLine(command, flag);
        ASSERT_NE(line, "") << "--" << flag.name;
        const size_t only = line.rfind("with: ");
        std::set<std::string> told;
        if (only != std::string::npos) {
          for (absl::string_view one : absl::StrSplit(line.substr(only + 6), ", ")) told.emplace(one);
        }
        const bool promised = told.empty() || told.contains(action);
        if (std::find(base.begin(), base.end(), StrCat("--", flag.name)) != base.end()) {
          EXPECT_TRUE(promised) << "--" << flag.name;
          continue;
        }
        const Parsed parsed = Parse(With(base, flag));
        EXPECT_EQ(parsed.arguments.ok(), promised) << "--" << flag.name << ": " << line;
        refused += parsed.arguments.ok() ? 0 : 1;
      }
    }
  }
  EXPECT_GT(refused, 100);
  // The others take each of their flags, as `Reader` asks nothing but the flag's kind of them.
  for (const CommandSpec& command : Commands()) {
    for (const FlagSpec& flag : command.flags) EXPECT_NE(HelpLine(command, flag), "") << flag.name;
  }
}

TEST(ArgumentsTest, WhatAMachinesConfigurationSaysGivesWayToWhatIsNamed) {
  for (const char* action : {"create", "list"}) {
    const Parsed parsed = Parse({"backup", action, "--config", "site.yaml"});
    ASSERT_TRUE(parsed.arguments.ok()) << parsed.arguments.status();
    EXPECT_EQ(parsed.arguments->Text("config"), "site.yaml");
    EXPECT_FALSE(parsed.arguments->work_order_named || parsed.arguments->escalation_named);
  }
  const Parsed by_flag = Parse({"--work-order", "h:1", "backup", "list"});
  EXPECT_TRUE(by_flag.arguments->work_order_named);
  EXPECT_FALSE(by_flag.arguments->escalation_named);
  EXPECT_TRUE(Parse({"backup", "list"}, {{"HOTLINE_ESCALATION", "h:1"}}).arguments->escalation_named);
  const Parsed by_site = Parse({"--site", "110", "backup", "list"});
  EXPECT_TRUE(by_site.arguments->work_order_named && by_site.arguments->escalation_named);
  // Half of a backup is restored by name alone.
  EXPECT_EQ(Parse({"backup", "restore", "b", "--only", "work_order"}).arguments->Text("only"), "work_order");
  EXPECT_FALSE(Parse({"backup", "restore", "b", "--only", "dispatch"}).arguments.ok());
  EXPECT_FALSE(Parse({"backup", "create", "--only", "work_order"}).arguments.ok());
}

TEST(ArgumentsTest, FlagsAreNamedOnce) {
  for (const CommandSpec& command : Commands()) {
    std::map<std::string_view, int> count;
    for (const FlagSpec& flag : command.flags) ++count[flag.name];
    for (const FlagSpec& flag : GlobalFlags()) ++count[flag.name];
    for (const auto& [name, times] : count) EXPECT_EQ(times, 1) << command.name << " --" << name;
  }
}

TEST(ArgumentsTest, CompletionKnowsEveryCommandAndFlag) {
  for (const char* shell : {"bash", "zsh"}) {
    const std::string script = CompletionScript(shell, Language::kEnglish);
    for (const CommandSpec& command : Commands()) {
      EXPECT_THAT(script, HasSubstr(StrCat("    ", command.name, ")"))) << shell;
      for (const FlagSpec& flag : command.flags)
        EXPECT_THAT(script, HasSubstr(StrCat("--", flag.name))) << shell;
    }
    for (const FlagSpec& flag : GlobalFlags())
      EXPECT_THAT(script, HasSubstr(StrCat("--", flag.name))) << shell;
    EXPECT_THAT(script, HasSubstr("not-our-duty"));
    EXPECT_THAT(script, Not(HasSubstr("@")));
  }
}

TEST(FlagTest, Times) {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  const auto beijing = [](std::string_view text) { return ParseTime(text, std::nullopt); };
  EXPECT_EQ(beijing("2026-11-23T09:30:00+08:00"),
            absl::FromCivil(absl::CivilSecond(2026, 11, 23, 1, 30, 0), absl::UTCTimeZone()));
  EXPECT_EQ(beijing("2026-11-23T01:30:00Z"), beijing("2026-11-23 09:30"));
  EXPECT_EQ(beijing("2026-11-23T09:30"), beijing("2026-11-23 09:30:00"));
  EXPECT_EQ(beijing("2026-11-23"), beijing("2026-11-23 00:00"));
  EXPECT_EQ(ParseTime("+2h", now), now + absl::Hours(2));
  EXPECT_EQ(ParseTime("-3d", now), now - absl::Hours(72));
  for (const char* bad :
       {"", "+", "+2h", "2026-13-01", "infinite-future", "2026-11-23T09", "99999-01-01", "-1"}) {
    EXPECT_EQ(beijing(bad), std::nullopt) << bad;
  }
  for (const char* bad : {"+h", "+d", "-5", "+1x", "+99999999999d", "+--1h"}) {
    if (std::string_view(bad) == "-5") continue;  // five seconds ago
    EXPECT_EQ(ParseTime(bad, now), std::nullopt) << bad;
  }
}

TEST(FlagTest, Values) {
  EXPECT_EQ(ParseDuration("10"), absl::Seconds(10));
  EXPECT_EQ(ParseDuration("1m30s"), absl::Seconds(90));
  EXPECT_EQ(ParseDuration("3d"), absl::Hours(72));
  EXPECT_EQ(ParseDuration("d"), std::nullopt);
  EXPECT_EQ(ParseDuration("99999999999d"), std::nullopt);
  EXPECT_EQ(ParseDuration("-1s"), std::nullopt);
  EXPECT_EQ(ParseDuration("inf"), std::nullopt);
  EXPECT_EQ(ParseInteger("007"), 7);
  EXPECT_EQ(ParseInteger("+7"), std::nullopt);
  EXPECT_EQ(ParseInteger(""), std::nullopt);
  EXPECT_EQ(ParseNumber("39.71"), 39.71);
  EXPECT_EQ(ParseNumber("nan"), std::nullopt);
  EXPECT_EQ(ParseNumber("1e999"), std::nullopt);
  EXPECT_EQ(ParseBoolean("是"), true);
  EXPECT_EQ(ParseBoolean("No"), false);
  EXPECT_EQ(ParseBoolean("maybe"), std::nullopt);
}

// A field that a service refused is of use to a person only by the flag that they gave.
TEST(ArgumentsTest, WhatAChangeIsRefusedForIsAFlagOfIt) {
  // What work_order's checks name, and the command that sends it.
  const std::pair<std::string_view, std::string_view> fields[] = {
      {"acceptance.note", "accept"},
      {"handoff_return.ground", "return"},
      {"handoff_return.reason", "return"},
      {"handoff_return.legal_basis", "return"},
      {"handoff_return.proposed_unit", "return"},
      {"handoff_return.proposed_item", "return"},
      {"handoff_return.proposed_hotline", "return"},
      {"recall.reason", "recall"},
      {"confirm_by_voice.code", "confirm"},
      {"confirm_by_voice.outcome", "confirm"},
      {"confirm_by_voice.spoken_with", "confirm"},
      {"confirm_by_voice.note", "confirm"},
      {"offer.scene.request", "refer-from-scene"},
      {"offer.scene.guidance", "refer-from-scene"},
      {"offer.scene.asked_of", "refer-from-scene"},
      {"offer.scene.wanted_unit", "refer-from-scene"},
      {"scene_arrival.outcome", "arrival"},
      {"scene_arrival.unit", "arrival"},
      {"scene_arrival.arrive_time", "arrival"},
      {"scene_arrival.note", "arrival"},
      {"partner_call.to_hotlines", "partners"},
      {"partner_call.kind", "partners"},
      {"partner_call.note", "partners"},
      {"unit_dispatch.lead_unit", "dispatch"},
      {"unit_dispatch.assist_units", "dispatch"},
      {"unit_dispatch.note", "dispatch"},
      {"signature.unit", "sign"},
      {"progress.note", "progress"},
      {"progress.unit", "progress"},
      {"completion.reply.disposition", "finish"},
      {"completion.reply.public_reply", "finish"},
      {"completion.reply.internal_reply", "finish"},
      {"completion.reply.contact_time", "finish"},
      {"completion.reply.unresolved_reason", "finish"},
      {"completion.reply.unit", "finish"},
      {"call_back_record.call_back.settled", "callback"},
      {"call_back_record.call_back.satisfaction", "callback"},
      {"call_back_record.call_back.note", "callback"},
      {"redo_demand.reason", "redo"},
      {"closure.note", "close"},
      {"merger.into_order_id", "merge"},
      {"merger.reason", "merge"},
      {"separation.reason", "unmerge"},
      {"cancellation.reason", "cancel"},
      {"suspension.reason", "suspend"},
      {"suspension.review_time", "suspend"},
      {"suspension.approved_by", "suspend"},
      {"resumption.note", "resume"},
      {"extension.until_time", "extend"},
      {"extension.ground", "extend"},
      {"extension.approved_by", "extend"},
      {"archival.note", "archive"},
      {"dispute.reason", "dispute"},
      {"ruling.to_hotline", "rule"},
      {"ruling.unit", "rule"},
      {"ruling.ground", "rule"},
      {"ruling.reference", "rule"},
      {"ruling.ruled_by", "rule"},
      {"reopening.reason", "reopen"},
      {"caller_contact.contact_time", "contact"},
      {"caller_contact.unit", "contact"},
      {"caller_contact.note", "contact"},
      {"extension_request.until_time", "ask-extension"},
      {"extension_request.ground", "ask-extension"},
      {"extension_decision.until_time", "decide-extension"},
      {"extension_decision.note", "decide-extension"},
      {"unit_return.unit", "unit-return"},
      {"unit_return.ground", "unit-return"},
      {"unit_return.reason", "unit-return"},
      {"unit_return.legal_basis", "unit-return"},
      {"unit_return.proposed_unit", "unit-return"},
      {"unit_reassignment.dispatch.lead_unit", "reassign"},
      {"unit_reassignment.dispatch.assist_units", "reassign"},
      {"unit_reassignment.dispatch.note", "reassign"},
      {"unit_reassignment.reason", "reassign"},
      {"accusation.units", "accuse"},
      {"accusation.reason", "accuse"},
      {"accusation.dispatch.lead_unit", "accuse"},
      {"accusation.dispatch.assist_units", "accuse"},
      {"accusation.dispatch.note", "accuse"},
      {"rung_acknowledgement.clock", "acknowledge"},
      {"rung_acknowledgement.rung", "acknowledge"},
      {"rung_acknowledgement.until_time", "acknowledge"},
      {"rung_acknowledgement.note", "acknowledge"},
      {"hold_placement.reason", "hold"},
      {"hold_placement.reference", "hold"},
      {"hold_release.reason", "hold"},
      {"filter.states", "list"},
      {"filter.type", "list"},
      {"filter.urgency", "list"},
      {"filter.unit", "list"},
      {"filter.hotline", "list"},
      {"filter.caller_phone", "list"},
      {"filter.parent_id", "list"},
      {"filter.register_start_time", "list"},
      {"filter.register_end_time", "list"},
      {"unit_dispatch.assist_units[2]", "dispatch"},
      {"accusation.units[0]", "accuse"},
      {"filter.states[1]", "list"},
      {"header.expected_version", "accept"},
      {"header.request_id", "accept"},
  };
  for (const auto& [path, name] : fields) {
    const CommandSpec* command = FindCommand(name);
    ASSERT_NE(command, nullptr) << name;
    const std::string_view flag = FlagForPath(path);
    EXPECT_TRUE(std::any_of(command->flags.begin(), command->flags.end(),
                            [&](const FlagSpec& one) { return one.name == flag; }))
        << path << ": " << name << " has no --" << flag;
  }
  for (const char* path : {"header.actor.account", "header.actor.unit"}) {
    EXPECT_TRUE(std::any_of(GlobalFlags().begin(), GlobalFlags().end(), [&](const FlagSpec& one) {
      return one.name == FlagForPath(path);
    })) << path;
  }
  EXPECT_EQ(FlagForPath("suspension.review_time"), "review");
  EXPECT_EQ(FlagForPath("extension.until_time"), "until");
  EXPECT_EQ(FlagForPath("accusation.dispatch.lead_unit"), "to");
}

}  // namespace
}  // namespace hotline::hotlinectl
