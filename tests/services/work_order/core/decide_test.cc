// Commands: the whole table, and what a change consists of.
#include "services/work_order/core/decide.h"

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/sha256.h"
#include "common/contract/alarm.h"
#include "common/error/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/work_order/core/order.h"
#include "tests/services/work_order/core/world.h"

namespace hotline::work_order {
namespace {

using error::Reason;
using exchange::v1::MirrorBody;
using type::v1::Command;
using type::v1::OrderState;
using type::v1::WorkOrder;

const std::map<std::string, OrderState> kStates = {
    {"REG", type::v1::ORDER_STATE_REGISTERED}, {"OFF", type::v1::ORDER_STATE_OFFERED},
    {"RCV", type::v1::ORDER_STATE_RECEIVED},   {"UND", type::v1::ORDER_STATE_UNDERSTOOD},
    {"ACC", type::v1::ORDER_STATE_ACCEPTED},   {"RET", type::v1::ORDER_STATE_RETURNED},
    {"RCL", type::v1::ORDER_STATE_RECALLED},   {"DIS", type::v1::ORDER_STATE_DISPATCHED},
    {"SIG", type::v1::ORDER_STATE_SIGNED},     {"PRO", type::v1::ORDER_STATE_IN_PROGRESS},
    {"REP", type::v1::ORDER_STATE_REPLIED},    {"CAL", type::v1::ORDER_STATE_CALLED_BACK},
    {"RDO", type::v1::ORDER_STATE_REDO},       {"CLO", type::v1::ORDER_STATE_CLOSED},
    {"CAN", type::v1::ORDER_STATE_CANCELLED},  {"ARC", type::v1::ORDER_STATE_ARCHIVED}};

const std::map<std::string, Act> kActNames = {{"offer", Act::kOffer},
                                              {"accept", Act::kAccept},
                                              {"return", Act::kReturn},
                                              {"recall", Act::kRecall},
                                              {"dispatch", Act::kDispatch},
                                              {"sign", Act::kSign},
                                              {"assist", Act::kAssist},
                                              {"progress", Act::kProgress},
                                              {"extend", Act::kExtend},
                                              {"suspend", Act::kSuspend},
                                              {"resume", Act::kResume},
                                              {"finish", Act::kFinish},
                                              {"callback", Act::kCallBack},
                                              {"redo", Act::kRedo},
                                              {"close", Act::kClose},
                                              {"cancel", Act::kCancel},
                                              {"archive", Act::kArchive},
                                              {"remind", Act::kRemind},
                                              {"urge", Act::kUrge},
                                              {"doubt", Act::kDoubt},
                                              {"keep", Act::kKeep},
                                              {"vaccept", Act::kVoiceAccepts},
                                              {"vreturn", Act::kVoiceReturns},
                                              {"vkeep", Act::kVoiceKeeps},
                                              {"alarm", Act::kAlarm},
                                              {"partners", Act::kCallPartners},
                                              {"dispute", Act::kDispute},
                                              {"rule", Act::kRule},
                                              {"reopen", Act::kReopen},
                                              {"contact", Act::kContact},
                                              {"ask", Act::kAskExtension},
                                              {"grant", Act::kGrantExtension},
                                              {"unitback", Act::kReturnFromUnit},
                                              {"reassign", Act::kReassign},
                                              {"move", Act::kMoveDeadline},
                                              {"ack", Act::kAcknowledge},
                                              {"notify", Act::kNotify},
                                              {"accuse", Act::kAccuse}};

// Rows are commands, columns the state before. A cell is the state after, `=` for unchanged, `s` for
// WRONG_STATE, `h` for NOT_HOLDER, `p` for EXTENSION_PENDING (nothing was asked for).

// At the site that registered the order and never pushed it.
constexpr char kLocal[] = R"(
           REG ACC DIS SIG PRO REP CAL RDO CLO CAN ARC
  offer    OFF OFF OFF OFF OFF  s   s   s   s   s   s
  accept   ACC  s   s   s   s   s   s   s   s   s   s
  return    s   s   s   s   s   s   s   s   s   s   s
  recall    s   s   s   s   s   s   s   s   s   s   s
  dispatch  s  DIS  s   s   s   s   s   s   s   s   s
  sign      s   s  SIG  s   s   s   s  SIG  s   s   s
  assist    s   s   =   =   =   s   s   =   s   s   s
  progress  s  PRO  s  PRO PRO  s   s  PRO  s   s   s
  extend    s   =   =   =   =   s   s   =   s   s   s
  suspend   s   =   =   =   =   s   s   =   s   s   s
  resume    s   s   s   s   s   s   s   s   s   s   s
  finish    s  REP  s  REP REP  s   s  REP  s   s   s
  callback  s   s   s   s   s  CAL CAL  s   s   s   s
  redo      s   s   s   s   s  RDO RDO  s   s   s   s
  close     s   s   s   s   s  CLO CLO  s   s   s   s
  cancel   CAN CAN  s   s   s   s   s   s   s   s   s
  archive   s   s   s   s   s   s   s   s  ARC ARC  s
  remind    =   =   =   =   =   =   =   =   s   s   s
  urge      =   =   =   =   =   =   =   =   s   s   s
  doubt     s   s   s   s   s   s   s   s   s   s   s
  keep      s   s   s   s   s   s   s   s   s   s   s
  vaccept   s   s   s   s   s   s   s   s   s   s   s
  vreturn   s   s   s   s   s   s   s   s   s   s   s
  vkeep     s   s   s   s   s   s   s   s   s   s   s
  alarm     s   s   s   s   s   s   s   s   s   s   s
  partners  =   =   =   =   =   =   =   =   s   s   s
  dispute   s   s   s   s   s   s   s   s   s   s   s
  rule      =   =   =   =   =   s   s   =   s   s   s
  reopen    s   s   s   s   s   s   s   s  RDO  s   s
  contact   s   =   =   =   =   s   s   =   s   s   s
  ask       s   =   =   =   =   s   s   =   s   s   s
  grant     s   p   p   p   p   s   s   p   s   s   s
  unitback  s   s  ACC ACC ACC  s   s   s   s   s   s
  reassign  s   s  DIS DIS DIS  s   s   s   s   s   s
  move      =   =   =   =   =   =   =   =   s   s   s
  ack       s   s   s   s   s   s   s   s   s   s   s
  notify    =   =   =   =   =   =   =   =   s   s   s
  accuse    =   =  ACC ACC ACC  =   =   =   s   s   s
)";

// At the site that registered the order and pushed it.
constexpr char kGiver[] = R"(
           OFF RCV UND ACC DIS SIG PRO REP CAL RDO CLO ARC RET RCL
  offer     s   s   s   h   h   h   h   h   s   h   s   s  OFF OFF
  accept    s   s   h   h   h   h   h   h   s   h   s   s  ACC ACC
  return    h   h   h   h   h   h   h   h   h   h   h   h   h   h
  recall    =   =   =   s   s   s   s   s   s   s   s   s   s   s
  dispatch  s   s   s   h   h   h   h   h   s   h   s   s   s   s
  sign      s   s   s   h   h   h   h   h   s   h   s   s   s   s
  assist    s   s   s   h   h   h   h   h   s   h   s   s   s   s
  progress  s   s   s   h   h   h   h   h   s   h   s   s   s   s
  extend    s   s   s   h   h   h   h   h   s   h   s   s   s   s
  suspend   s   s   s   h   h   h   h   h   s   h   s   s   s   s
  resume    s   s   s   h   h   h   h   h   s   h   s   s   s   s
  finish    s   s   s   h   h   h   h   h   s   h   s   s   s   s
  callback  s   s   s   s   s   s   s  CAL CAL  s   s   s   s   s
  redo      s   s   s   s   s   s   s  RDO RDO  s   s   s   s   s
  close     s   s   s   s   s   s   s  CLO CLO  s   s   s   s   s
  cancel    s   s   s   h   h   h   h   h   s   h   s   s  CAN CAN
  archive   s   s   s   s   s   s   s   s   s   s  ARC  s   s   s
  remind    =   =   =   =   =   =   =   =   =   =   s   s   =   =
  urge      =   =   =   =   =   =   =   =   =   =   s   s   =   =
  doubt     =   =   =   s   s   s   s   s   s   s   s   s   s   s
  keep      s   s   s   s   s   s   s   s   s   s   s   s   s   s
  vaccept   =   =   =   s   s   s   s   s   s   s   s   s   s   s
  vreturn   =   =   =   s   s   s   s   s   s   s   s   s   s   s
  vkeep     =   =   =   s   s   s   s   s   s   s   s   s   s   s
  alarm     =   =   =   =   =   =   =   =   =   =   s   s   =   =
  partners  =   =   =   h   h   h   h   h   =   h   s   s   =   =
  dispute   s   s   h   h   h   h   h   h   s   h   s   s  ACC  s
  rule      s   s   h   h   h   h   h   h   s   h   s   s   =   =
  reopen    s   s   s   s   s   s   s   s   s   s  RDO  s   s   s
  contact   s   s   s   h   h   h   h   h   s   h   s   s   s   s
  ask       s   s   s   h   h   h   h   h   s   h   s   s   s   s
  grant     s   s   s   h   h   h   h   h   s   h   s   s   s   s
  unitback  s   s   s   h   h   h   h   h   s   h   s   s   s   s
  reassign  s   s   s   h   h   h   h   h   s   h   s   s   s   s
  move      =   =   =   =   =   =   =   =   =   =   s   s   =   =
  ack       s   s   s   s   s   s   s   s   s   s   s   s   s   s
  notify    =   =   =   =   =   =   =   =   =   =   s   s   =   =
  accuse    =   =   =   =   =   =   =   =   =   =   s   s   =   =
)";

// At the site that the order was pushed to.
constexpr char kReceiver[] = R"(
           UND ACC DIS SIG PRO REP CAL RDO CLO ARC RET RCL
  offer     h  OFF OFF OFF OFF  s   h   s   h   h   h   h
  accept   ACC  s   s   s   s   s   s   s   s   s   s   s
  return   RET RET  s   s   s   s   s   s   s   s   s   s
  recall    h   h   h   h   h   h   h   h   h   h   h   h
  dispatch  h  DIS  s   s   s   s   h   s   h   h   h   h
  sign      h   s  SIG  s   s   s   h  SIG  h   h   h   h
  assist    h   s   =   =   =   s   h   =   h   h   h   h
  progress  h  PRO  s  PRO PRO  s   h  PRO  h   h   h   h
  extend    h   =   =   =   =   s   h   =   h   h   h   h
  suspend   h   =   =   =   =   s   h   =   h   h   h   h
  resume    h   s   s   s   s   s   h   s   h   h   h   h
  finish    h  REP  s  REP REP  s   h  REP  h   h   h   h
  callback  h   h   h   h   h   h   h   h   h   h   h   h
  redo      h   h   h   h   h   h   h   h   h   h   h   h
  close     h   h   h   h   h   h   h   h   h   h   h   h
  cancel    h   h   h   h   h   h   h   h   h   h   h   h
  archive   s   s   s   s   s   s   s   s  ARC  s   s   s
  remind    =   =   =   =   =   =   =   =   s   s   =   =
  urge      =   =   =   =   =   =   =   =   s   s   =   =
  doubt     h   h   h   h   h   h   h   h   h   h   h   h
  keep      h   h   h   h   h   h   h   h   h   h   h   h
  vaccept  ACC  s   s   s   s   s   s   s   s   s   s   s
  vreturn   =   s   s   s   s   s   s   s   s   s   s   s
  vkeep     =   s   s   s   s   s   s   s   s   s   s   s
  alarm     h   h   h   h   h   h   h   h   h   h   h   h
  partners  h   =   =   =   =   =   h   =   h   h   h   h
  dispute  RET  s   s   s   s   s   s   s   s   s   s   s
  rule      =   =   =   =   =   s   s   =   s   s   s   s
  reopen    h   h   h   h   h   h   h   h   h   h   h   h
  contact   h   =   =   =   =   s   h   =   h   h   h   h
  ask       h   =   =   =   =   s   h   =   h   h   h   h
  grant     h   p   p   p   p   s   h   p   h   h   h   h
  unitback  h   s  ACC ACC ACC  s   h   s   h   h   h   h
  reassign  h   s  DIS DIS DIS  s   h   s   h   h   h   h
  move      =   =   =   =   =   =   =   =   s   s   =   =
  ack       s   s   s   s   s   s   s   s   s   s   s   s
  notify    =   =   =   =   =   =   =   =   s   s   =   =
  accuse    =   =  ACC ACC ACC  =   =   =   s   s   s   s
)";

// At the site that pushed the order, got it back and took it up itself.
constexpr char kTakenUpAgain[] = R"(
           ACC DIS SIG PRO REP CAL RDO CLO CAN ARC
  offer    OFF OFF OFF OFF  s   s   s   s   s   s
  accept    s   s   s   s   s   s   s   s   s   s
  return    h   h   h   h   h   h   h   h   h   h
  recall    s   s   s   s   s   s   s   s   s   s
  dispatch DIS  s   s   s   s   s   s   s   s   s
  sign      s  SIG  s   s   s   s  SIG  s   s   s
  assist    s   =   =   =   s   s   =   s   s   s
  progress PRO  s  PRO PRO  s   s  PRO  s   s   s
  extend    =   =   =   =   s   s   =   s   s   s
  suspend   =   =   =   =   s   s   =   s   s   s
  resume    s   s   s   s   s   s   s   s   s   s
  finish   REP  s  REP REP  s   s  REP  s   s   s
  callback  s   s   s   s  CAL CAL  s   s   s   s
  redo      s   s   s   s  RDO RDO  s   s   s   s
  close     s   s   s   s  CLO CLO  s   s   s   s
  cancel   CAN  s   s   s   s   s   s   s   s   s
  archive   s   s   s   s   s   s   s  ARC ARC  s
  remind    =   =   =   =   =   =   =   s   s   s
  urge      =   =   =   =   =   =   =   s   s   s
  doubt     s   s   s   s   s   s   s   s   s   s
  keep      s   s   s   s   s   s   s   s   s   s
  vaccept   s   s   s   s   s   s   s   s   s   s
  vreturn   s   s   s   s   s   s   s   s   s   s
  vkeep     s   s   s   s   s   s   s   s   s   s
  alarm     =   =   =   =   =   =   =   s   s   s
  partners  =   =   =   =   =   =   =   s   s   s
  dispute   s   s   s   s   s   s   s   s   s   s
  rule      =   =   =   =   s   s   =   s   s   s
  reopen    s   s   s   s   s   s   s  RDO  s   s
  contact   =   =   =   =   s   s   =   s   s   s
  ask       =   =   =   =   s   s   =   s   s   s
  grant     p   p   p   p   s   s   p   s   s   s
  unitback  s  ACC ACC ACC  s   s   s   s   s   s
  reassign  s  DIS DIS DIS  s   s   s   s   s   s
  move      =   =   =   =   =   =   =   s   s   s
  ack       s   s   s   s   s   s   s   s   s   s
  notify    =   =   =   =   =   =   =   s   s   s
  accuse    =  ACC ACC ACC  =   =   =   s   s   s
)";

struct Column {
  std::string state;
  WorkOrder order;
  Site site;
};

// An order that only its own site works on, in `state`: never pushed, or pushed and returned.
Column LocalIn(const std::string& state, bool returned = false) {
  static const std::map<std::string, std::vector<Act>> kPaths = {
      {"REG", {}},
      {"ACC", {Act::kAccept}},
      {"DIS", {Act::kAccept, Act::kDispatch}},
      {"SIG", {Act::kAccept, Act::kDispatch, Act::kSign}},
      {"PRO", {Act::kAccept, Act::kDispatch, Act::kSign, Act::kProgress}},
      {"REP", {Act::kAccept, Act::kDispatch, Act::kSign, Act::kFinish}},
      {"CAL", {Act::kAccept, Act::kDispatch, Act::kSign, Act::kFinish, Act::kCallBack}},
      {"RDO", {Act::kAccept, Act::kDispatch, Act::kSign, Act::kFinish, Act::kRedo}},
      {"CLO", {Act::kAccept, Act::kFinish, Act::kClose}},
      {"CAN", {Act::kCancel}},
      {"ARC", {Act::kAccept, Act::kFinish, Act::kClose, Act::kArchive}}};
  World world;
  const std::string id = world.Register(0, SampleContent(), returned);
  if (returned) {
    world.Settle();
    world.Do(1, Act::kReturn, world.Twin(0, id));
    world.Settle();
  }
  for (const Act act : kPaths.at(state)) world.Do(0, act, id);
  EXPECT_EQ(world.fault(), "");
  return {state, world.Order(0, id), world.site(0)};
}

// An order that 12345 pushed to 110, in `state`, as 12345 (`at` 0) or 110 (1) has it.
Column SharedIn(const std::string& state, int at) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  if (state == "RCV") {
    world.Deliver(0);
    world.Receipt(0);
  } else if (state != "OFF") {
    world.Settle();
    const std::string twin = world.Twin(0, id);
    const auto receiver = [&](std::initializer_list<Act> acts) {
      for (const Act act : acts) world.Do(1, act, twin);
      world.Settle();
    };
    if (state == "ACC") receiver({Act::kAccept});
    if (state == "RET") receiver({Act::kReturn});
    if (state == "DIS") receiver({Act::kAccept, Act::kDispatch});
    if (state == "SIG") receiver({Act::kAccept, Act::kDispatch, Act::kSign});
    if (state == "PRO") receiver({Act::kAccept, Act::kDispatch, Act::kSign, Act::kProgress});
    if (state == "RCL") world.Do(0, Act::kRecall, id);
    if (state == "REP" || state == "CAL" || state == "RDO" || state == "CLO" || state == "ARC") {
      receiver({Act::kAccept, Act::kDispatch, Act::kSign, Act::kFinish});
      if (state == "CAL") world.Do(0, Act::kCallBack, id);
      if (state == "RDO") world.Do(0, Act::kRedo, id);
      if (state == "CLO" || state == "ARC") world.Do(0, Act::kClose, id);
    }
    world.Settle();
    if (state == "ARC") {
      world.Do(0, Act::kArchive, id);
      world.Do(1, Act::kArchive, twin);
    }
  }
  EXPECT_EQ(world.fault(), "");
  return {state, world.Order(at, at == 0 ? id : world.Twin(0, id)), world.site(at)};
}

const absl::Time kNow = absl::FromUnixSeconds(1'796'000'000);

std::string Outcome(const Column& column, Act act) {
  Command command = MakeCommand(act, column.order.id(), column.site.hotline == "110" ? "12345" : "110", kNow);
  FitTo(column.order, &command);
  const absl::StatusOr<Change> change = Decide(&column.order, command, NewOrder(), column.site, kNow);
  if (!change.ok()) {
    switch (error::ReasonOf(change.status())) {
      case Reason::ERROR_REASON_WRONG_STATE:
        return "s";
      case Reason::ERROR_REASON_NOT_HOLDER:
        return "h";
      case Reason::ERROR_REASON_EXTENSION_PENDING:
        return "p";
      default:
        return std::string(change.status().message());
    }
  }
  EXPECT_EQ(Unsound(change->after, column.site), "");
  EXPECT_FALSE(change->creates);
  if (change->after.state() == column.order.state()) {
    // Named when a row moves a state to itself, as progress in IN_PROGRESS does.
    return "=";
  }
  for (const auto& [name, state] : kStates) {
    if (state == change->after.state()) return name;
  }
  return "?";
}

template <typename Make>
void CheckTable(const std::string& text, Make make) {
  std::istringstream lines(text);
  std::string line;
  std::vector<Column> columns;
  int rows = 0;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string word;
    if (columns.empty()) {
      while (words >> word) {
        columns.push_back(make(word));
        ASSERT_EQ(columns.back().order.state(), kStates.at(word)) << word;
      }
      continue;
    }
    if (!(words >> word)) continue;
    const Act act = kActNames.at(word);
    ++rows;
    for (const Column& column : columns) {
      std::string expected;
      ASSERT_TRUE(words >> expected);
      if (expected == column.state) expected = "=";
      EXPECT_EQ(Outcome(column, act), expected) << word << " in " << column.state;
    }
  }
  EXPECT_EQ(rows, kActs);
}

TEST(DecideTable, OrderNeverPushed) {
  CheckTable(kLocal, [](const std::string& state) { return LocalIn(state); });
}
TEST(DecideTable, OrderTakenUpAgainAfterAReturn) {
  CheckTable(kTakenUpAgain, [](const std::string& state) { return LocalIn(state, true); });
}
TEST(DecideTable, AtTheGiver) {
  CheckTable(kGiver, [](const std::string& state) { return SharedIn(state, 0); });
}
TEST(DecideTable, AtTheReceiver) {
  CheckTable(kReceiver, [](const std::string& state) { return SharedIn(state, 1); });
}

absl::StatusOr<Change> Try(const WorkOrder& order, const Command& command, const Site& site) {
  return Decide(&order, command, NewOrder(), site, kNow);
}

Reason ReasonOfTry(const WorkOrder& order, const Command& command, const Site& site) {
  return error::ReasonOf(Try(order, command, site).status());
}

// Both desks press at once, and one is later: that the other party is the holder explains nothing, as the
// receiver never holds what it accepts.
TEST(Decide, WhoComesTooLateIsToldWhatBecameOfTheOrder) {
  for (const auto& [state, chinese] : {std::pair("RET", "已退回"), {"RCL", "已撤回"}}) {
    const Column column = SharedIn(state, 1);
    const absl::Status late =
        Try(column.order, MakeCommand(Act::kAccept, column.order.id(), "12345", kNow), column.site).status();
    EXPECT_EQ(error::ReasonOf(late), Reason::ERROR_REASON_WRONG_STATE) << state;
    EXPECT_THAT(error::ChineseOf(late),
                testing::StartsWith(absl::StrCat("工单状态为“", chinese, "”，不能受理")));
  }
  // Who may never do it is told who may.
  const Column column = SharedIn("UND", 0);
  const absl::Status never =
      Try(column.order, MakeCommand(Act::kReturn, column.order.id(), "110", kNow), column.site).status();
  EXPECT_EQ(error::ReasonOf(never), Reason::ERROR_REASON_NOT_HOLDER);
  EXPECT_THAT(error::ChineseOf(never), testing::StartsWith("只有接收方110可以退回；"));
  // And the giver who cannot do it yet.
  const absl::Status early =
      Try(column.order, MakeCommand(Act::kAccept, column.order.id(), "110", kNow), column.site).status();
  EXPECT_EQ(error::ReasonOf(early), Reason::ERROR_REASON_NOT_HOLDER);
  EXPECT_THAT(error::ChineseOf(early), testing::StartsWith("只有接收方110可以受理；"));
}

TEST(Decide, SuspendedOrderIsNotFinishedNorSuspendedAgain) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  world.Do(0, Act::kAccept, id);
  world.Do(0, Act::kSuspend, id);
  const WorkOrder order = world.Order(0, id);
  EXPECT_TRUE(order.facts().suspended());
  EXPECT_EQ(ReasonOfTry(order, MakeCommand(Act::kFinish, id, "110", kNow), world.site(0)),
            Reason::ERROR_REASON_SUSPENDED);
  EXPECT_EQ(ReasonOfTry(order, MakeCommand(Act::kSuspend, id, "110", kNow), world.site(0)),
            Reason::ERROR_REASON_SUSPENDED);
  world.Do(0, Act::kResume, id);
  EXPECT_FALSE(world.Order(0, id).facts().suspended());
  EXPECT_FALSE(world.Order(0, id).facts().has_review_time());
  world.Do(0, Act::kFinish, id);
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, SuspensionEndsWithTheWork) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  world.Do(0, Act::kAccept, id);
  world.Do(0, Act::kSuspend, id);
  world.Do(0, Act::kCancel, id);
  EXPECT_FALSE(world.Order(0, id).facts().suspended());
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, ChecksComeInOrder) {
  const Column closed = LocalIn("CLO");
  Command command = MakeCommand(Act::kSign, closed.order.id(), "110", kNow);
  command.mutable_header()->set_expected_version(1);
  command.mutable_header()->set_request_id("x");
  command.mutable_signature()->set_unit(std::string(33, 'x'));
  EXPECT_EQ(ReasonOfTry(closed.order, command, closed.site), Reason::ERROR_REASON_REQUEST_ID_INVALID);
  command.mutable_header()->set_request_id("12345678");
  EXPECT_EQ(ReasonOfTry(closed.order, command, closed.site), Reason::ERROR_REASON_TEXT_TOO_LONG);
  command.mutable_signature()->set_unit("nosuch");
  EXPECT_EQ(error::ReasonOf(Decide(nullptr, command, NewOrder(), closed.site, kNow).status()),
            Reason::ERROR_REASON_ORDER_NOT_FOUND);
  EXPECT_EQ(ReasonOfTry(closed.order, command, closed.site), Reason::ERROR_REASON_STALE_VERSION);
  command.mutable_header()->set_expected_version(closed.order.version());
  EXPECT_EQ(ReasonOfTry(closed.order, command, closed.site), Reason::ERROR_REASON_WRONG_STATE);
  const Column dispatched = LocalIn("DIS");
  command.mutable_header()->clear_expected_version();
  EXPECT_EQ(ReasonOfTry(dispatched.order, command, dispatched.site), Reason::ERROR_REASON_UNIT_NOT_ASSIGNED);
}

TEST(Decide, RegistrationNamesNoOrderAndOthersDo) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  Command registration = MakeRegistration(SampleContent(), "110");
  registration.mutable_header()->set_order_id(id);
  absl::Status status = Try(world.Order(0, id), registration, world.site(0)).status();
  EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_FIELD_INVALID);
  EXPECT_EQ(error::FieldOf(status), "header.order_id");
  status =
      Decide(nullptr, MakeCommand(Act::kAccept, "", "110", kNow), NewOrder(), world.site(0), kNow).status();
  EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_FIELD_REQUIRED);
  EXPECT_EQ(error::FieldOf(status), "header.order_id");
  registration.mutable_header()->clear_order_id();
  registration.mutable_header()->set_expected_version(1);
  status = Decide(nullptr, registration, NewOrder(), world.site(0), kNow).status();
  EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_STALE_VERSION);
}

// It was told as pushed, and then the peer refused the offer (X-OFFER-4).
TEST(Decide, AContentFitsAnOffer) {
  World world;
  type::v1::OrderContent content = SampleContent();
  // Fields of a later release, which no other bound holds.
  std::string* later = content.GetReflection()->MutableUnknownFields(&content)->AddLengthDelimited(9999);
  *later = std::string(200 << 10, 'x');
  const size_t rest = content.ByteSizeLong() - later->size();
  later->resize((224 << 10) - rest);
  ASSERT_EQ(content.ByteSizeLong(), size_t{224} << 10);
  const auto id = world.Execute(0, MakeRegistration(content, "110"));
  ASSERT_TRUE(id.ok()) << id.status();
  world.Settle();
  EXPECT_EQ(world.Order(0, *id).state(), type::v1::ORDER_STATE_UNDERSTOOD);
  later->push_back('x');
  const auto refused = world.Execute(0, MakeRegistration(content, "110"));
  EXPECT_EQ(error::ReasonOf(refused.status()), Reason::ERROR_REASON_TEXT_TOO_LONG);
  EXPECT_EQ(error::FieldOf(refused.status()), "content");
  EXPECT_EQ(error::FieldOf(world.Execute(0, MakeRegistration(content, "")).status()), "registration.content");
  EXPECT_NE(error::ChineseOf(refused.status()).find("超过224 KiB"), std::string::npos);
}

TEST(Decide, OnlyTheEscalationServiceEscalates) {
  const Column open = LocalIn("ACC");
  Command command = MakeCommand(Act::kUrge, open.order.id(), "110", kNow);
  command.mutable_header()->mutable_actor()->set_account("1001");
  const absl::Status status = Try(open.order, command, open.site).status();
  EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_FIELD_INVALID);
  EXPECT_EQ(error::FieldOf(status), "header.actor.account");
}

TEST(Decide, PushOfANewOrderIsOneChange) {
  World world;
  type::v1::OrderContent content = SampleContent();
  content.set_urgency(type::v1::URGENCY_EMERGENCY);
  content.mutable_caller()->set_secret(true);
  const NewOrder fresh = {
      .id = "0000000000001", .number = "12345-20261123-000001", .content_salt = "0123456789abcdef"};
  Command command = MakeRegistration(content, "110");
  command.set_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  const absl::StatusOr<Change> change = Decide(nullptr, command, fresh, world.site(0), kNow);
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_TRUE(change->creates);
  EXPECT_EQ(change->content, content.SerializeAsString());
  const WorkOrder& order = change->after;
  EXPECT_EQ(order.id(), fresh.id);
  EXPECT_EQ(order.number(), fresh.number);
  EXPECT_EQ(order.state(), type::v1::ORDER_STATE_OFFERED);
  EXPECT_EQ(order.custody().holder(), "12345");
  EXPECT_EQ(order.custody().epoch(), 1);
  EXPECT_EQ(order.origin_hotline(), "12345");
  EXPECT_EQ(order.version(), 1);
  EXPECT_EQ(order.title(), content.title());
  EXPECT_TRUE(order.facts().secret());
  EXPECT_EQ(order.content_digest(), Sha256({fresh.content_salt, change->content}));
  EXPECT_EQ(order.handoff().id(), "12345-0000000000001-1");
  EXPECT_EQ(order.handoff().kind(), type::v1::HANDOFF_KIND_ORDER_PUSH);
  EXPECT_EQ(FromProto(order.handoff().confirm_by_time()), kNow + absl::Minutes(3));
  EXPECT_EQ(change->event.offered().registered().content_digest(), order.content_digest());
  EXPECT_EQ(change->event.offered().handoff().id(), order.handoff().id());
  EXPECT_EQ(change->event.traceparent(), command.traceparent());
  EXPECT_EQ(change->event.actor().hotline(), "12345");
  EXPECT_EQ(change->event.actor().seat(), "07");
  // Nothing that the caller said or is, anywhere in the log.
  const std::string log = change->event.SerializeAsString();
  for (const std::string& personal :
       {content.title(), content.text(), content.caller().name(), content.caller().phone()}) {
    EXPECT_EQ(log.find(personal), std::string::npos);
  }
  ASSERT_EQ(change->envelopes.size(), 1u);
  EXPECT_EQ(change->envelopes[0].peer, "110");
  EXPECT_EQ(change->envelopes[0].kind, exchange::v1::ENVELOPE_KIND_OFFER);
  exchange::v1::OfferBody body;
  ASSERT_TRUE(body.ParseFromString(change->envelopes[0].body));
  EXPECT_EQ(body.content(), "");
  EXPECT_EQ(body.content_salt(), fresh.content_salt);
  EXPECT_EQ(body.custody().epoch(), 1);
}

// Who holds the order, in which epoch, after each step.
struct Held {
  std::string holder;
  int64_t epoch;
  bool operator==(const Held& other) const { return holder == other.holder && epoch == other.epoch; }
};
void PrintTo(const Held& held, std::ostream* out) { *out << held.holder << "@" << held.epoch; }
Held HeldBy(const WorkOrder& order) { return {order.custody().holder(), order.custody().epoch()}; }

TEST(Custody, LocalWorkNeverMovesIt) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  for (const Act act : {Act::kAccept, Act::kDispatch, Act::kSign, Act::kFinish, Act::kCallBack, Act::kRedo,
                        Act::kProgress, Act::kFinish, Act::kClose, Act::kArchive}) {
    world.Do(0, act, id);
    EXPECT_EQ(HeldBy(world.Order(0, id)), (Held{"12345", 1}));
  }
  EXPECT_EQ(world.fault(), "");
}

TEST(Custody, FollowsAHandedOverOrderThereAndBack) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  world.Settle();
  const std::string twin = world.Twin(0, id);
  const auto step = [&](int at, Act act, Held expected) {
    world.Do(at, act, at == 0 ? id : twin);
    world.Settle();
    EXPECT_EQ(HeldBy(world.Order(0, id)), expected) << static_cast<int>(act);
    EXPECT_EQ(HeldBy(world.Order(1, twin)), expected) << static_cast<int>(act);
  };
  EXPECT_EQ(HeldBy(world.Order(1, twin)), (Held{"12345", 1}));
  step(1, Act::kAccept, {"110", 2});
  step(1, Act::kDispatch, {"110", 2});
  step(1, Act::kSign, {"110", 2});
  step(1, Act::kFinish, {"110", 2});
  step(0, Act::kRedo, {"110", 2});
  step(1, Act::kFinish, {"110", 2});
  step(0, Act::kCallBack, {"12345", 3});
  step(0, Act::kCallBack, {"12345", 3});
  step(0, Act::kRedo, {"110", 4});
  step(1, Act::kProgress, {"110", 4});
  step(1, Act::kFinish, {"110", 4});
  step(0, Act::kClose, {"12345", 5});
  EXPECT_EQ(world.Order(0, id).facts().redo_count(), 2);
  EXPECT_EQ(world.Order(1, twin).facts().redo_count(), 2);
  EXPECT_EQ(world.fault(), "");
}

TEST(Custody, AReturnedOfferStaysWithTheGiver) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  world.Settle();
  world.Do(1, Act::kReturn, world.Twin(0, id));
  world.Settle();
  EXPECT_EQ(HeldBy(world.Order(0, id)), (Held{"12345", 1}));
  EXPECT_EQ(HeldBy(world.Order(1, world.Twin(0, id))), (Held{"12345", 1}));
}

TEST(Custody, AReturnAfterAcceptanceMovesItBack) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  world.Settle();
  const std::string twin = world.Twin(0, id);
  world.Do(1, Act::kAccept, twin);
  world.Do(1, Act::kReturn, twin);
  EXPECT_EQ(HeldBy(world.Order(1, twin)), (Held{"12345", 3}));
  world.Settle();
  EXPECT_EQ(HeldBy(world.Order(0, id)), (Held{"12345", 3}));
  // And then the site's own work, its reply and a redo are its own.
  for (const Act act : {Act::kAccept, Act::kFinish, Act::kRedo, Act::kFinish, Act::kClose}) {
    world.Do(0, act, id);
    EXPECT_EQ(HeldBy(world.Order(0, id)), (Held{"12345", 3}));
    EXPECT_TRUE(world.Owed(0).empty()) << "nobody at the peer works on it any more";
  }
  EXPECT_EQ(world.Order(1, twin).state(), type::v1::ORDER_STATE_RETURNED);
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, EveryMoveOfASharedOrderOwesOneMirror) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  world.Settle();
  const std::string twin = world.Twin(0, id);
  const auto owes = [&](int at, Act act, size_t mirrors) {
    world.Do(at, act, at == 0 ? id : twin);
    EXPECT_EQ(world.Owed(at).size(), mirrors) << static_cast<int>(act);
    for (const exchange::v1::Envelope& envelope : world.Owed(at)) {
      EXPECT_EQ(envelope.kind(), exchange::v1::ENVELOPE_KIND_MIRROR);
      EXPECT_EQ(envelope.handoff_id(), world.Order(0, id).handoff().id());
      MirrorBody body;
      ASSERT_TRUE(body.ParseFromString(envelope.body()));
      EXPECT_EQ(body.state(), world.Order(at, at == 0 ? id : twin).state());
      EXPECT_EQ(body.reply().internal_reply(), "");
      EXPECT_EQ(body.call_back().note(), "");
      EXPECT_EQ(body.event().sequence(), 0);
      EXPECT_EQ(body.event().order_number(), "");
      EXPECT_EQ(body.event().actor().seat(), "");
      EXPECT_EQ(body.event().actor().account(), "1001");
    }
    world.Settle();
    EXPECT_EQ(world.Order(0, id).state(), world.Order(1, twin).state());
  };
  owes(1, Act::kAccept, 1);
  owes(1, Act::kExtend, 1);
  owes(1, Act::kContact, 1);
  owes(1, Act::kSuspend, 1);
  owes(1, Act::kResume, 1);
  owes(1, Act::kDispatch, 1);
  owes(1, Act::kAssist, 1);
  owes(1, Act::kSign, 1);
  owes(1, Act::kProgress, 1);
  owes(1, Act::kRemind, 0);
  owes(0, Act::kUrge, 0);
  owes(1, Act::kFinish, 1);
  owes(0, Act::kCallBack, 1);
  owes(0, Act::kRedo, 1);
  owes(1, Act::kFinish, 1);
  owes(0, Act::kClose, 1);
  world.Do(0, Act::kArchive, id);
  EXPECT_TRUE(world.Owed(0).empty());
  EXPECT_EQ(world.Order(1, twin).state(), type::v1::ORDER_STATE_CLOSED) << "filing is each site's own affair";
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, InternalTextAndNotesStayAtHome) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  world.Settle();
  const std::string twin = world.Twin(0, id);
  world.Do(1, Act::kAccept, twin);
  world.Do(1, Act::kFinish, twin);
  world.Settle();
  world.Do(0, Act::kCallBack, id);
  world.Settle();
  EXPECT_EQ(world.Order(1, twin).reply().internal_reply(), "约谈了负责人")
      << "a mirror from the origin must not erase it";
  EXPECT_EQ(world.Order(0, id).reply().internal_reply(), "");
  EXPECT_EQ(world.Order(0, id).reply().public_reply(), "已责令停工");
  EXPECT_EQ(world.Order(0, id).call_back().note(), "来电人表示满意");
  EXPECT_EQ(world.Order(1, twin).call_back().note(), "");
  EXPECT_EQ(world.Order(1, twin).call_back().satisfaction(), 4);
  world.Do(0, Act::kRedo, id);
  world.Settle();
  world.Do(1, Act::kProgress, twin);
  world.Settle();
  EXPECT_EQ(world.Order(0, id).call_back().note(), "来电人表示满意");
  world.Do(1, Act::kFinish, twin);
  world.Settle();
  EXPECT_FALSE(world.Order(0, id).has_call_back()) << "it was about the earlier reply";
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, SignaturesAreKeptByUnit) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  world.Do(0, Act::kAccept, id);
  world.Do(0, Act::kDispatch, id);
  world.Do(0, Act::kAssist, id);
  EXPECT_EQ(world.Order(0, id).state(), type::v1::ORDER_STATE_DISPATCHED);
  EXPECT_FALSE(world.Order(0, id).units(0).has_sign_time());
  EXPECT_EQ(world.Order(0, id).units(1).handler(), "1001");
  EXPECT_EQ(world.LastEvent(0).signed_().unit(), "water");
  world.Do(0, Act::kSign, id);
  EXPECT_TRUE(world.Order(0, id).units(0).has_sign_time());
  EXPECT_EQ(world.LastEvent(0).signed_().unit(), "housing")
      << "the event names the unit even if the command left it to us";
}

// A second signature took the first one's place, and one that was in time became one that was not.
TEST(Decide, AnAssistingUnitSignsOnceAndIsDoneOnce) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  const auto assisting = [&]() -> const type::v1::UnitTask& { return world.Order(0, id).units(1); };
  const auto assist = [&] { return error::ReasonOf(world.Try(0, Act::kAssist, id).status()); };
  const auto done = [&] {
    Command command = MakeCommand(Act::kProgress, id, "110", world.now());
    command.mutable_progress()->set_unit("water");
    command.mutable_progress()->set_part_done(true);
    return world.Execute(0, command).status();
  };
  world.Do(0, Act::kAccept, id);
  world.Do(0, Act::kDispatch, id);
  world.Do(0, Act::kAssist, id);
  const absl::Time signed_at = FromProto(assisting().sign_time());
  world.Pass(absl::Hours(1));
  EXPECT_EQ(assist(), Reason::ERROR_REASON_WRONG_STATE);
  world.Do(0, Act::kSign, id);
  EXPECT_EQ(assist(), Reason::ERROR_REASON_WRONG_STATE);
  EXPECT_EQ(FromProto(assisting().sign_time()), signed_at);
  ASSERT_TRUE(done().ok());
  const absl::Time done_at = FromProto(assisting().finish_time());
  world.Pass(absl::Hours(1));
  ASSERT_TRUE(done().ok());
  EXPECT_EQ(FromProto(assisting().finish_time()), done_at);

  // To be done again: once more, and once.
  world.Do(0, Act::kFinish, id);
  world.Do(0, Act::kRedo, id);
  EXPECT_FALSE(assisting().has_sign_time());
  EXPECT_EQ(assisting().handler(), "");
  EXPECT_TRUE(world.Order(0, id).units(0).has_sign_time());
  world.Do(0, Act::kAssist, id);
  EXPECT_GT(FromProto(assisting().sign_time()), signed_at);
  EXPECT_EQ(assist(), Reason::ERROR_REASON_WRONG_STATE);
  world.Do(0, Act::kSign, id);
  ASSERT_TRUE(done().ok());
  EXPECT_GT(FromProto(assisting().finish_time()), done_at);
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, ExtensionsOnlyGrow) {
  Column open = LocalIn("ACC");
  Command command = MakeCommand(Act::kExtend, open.order.id(), "110", kNow);
  const absl::StatusOr<Change> change = Try(open.order, command, open.site);
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->after.facts().extension_count(), 1);
  const absl::Status status = Try(change->after, command, open.site).status();
  EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_TIME_INVALID);
  EXPECT_EQ(error::FieldOf(status), "extension.until_time");
}

// Found by ExchangeLaw: the next attempt began with an extension that its receiver knew nothing of.
TEST(Decide, AnExtensionEndsWithTheReturn) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  world.Settle();
  const std::string twin = world.Twin(0, id);
  world.Do(1, Act::kAccept, twin);
  world.Do(1, Act::kExtend, twin);
  world.Settle();
  EXPECT_EQ(world.Order(0, id).facts().extension_count(), 1);
  world.Do(1, Act::kReturn, twin);
  world.Settle();
  EXPECT_EQ(world.Order(0, id).facts().extension_count(), 0);
  EXPECT_FALSE(world.Order(0, id).facts().has_extend_until_time());
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, AnExtensionIsAskedForThenDecided) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  world.Settle();
  const std::string twin = world.Twin(0, id);
  world.Do(1, Act::kAccept, twin);
  world.Do(1, Act::kDispatch, twin);
  world.Settle();
  world.Do(1, Act::kAskExtension, twin);
  EXPECT_TRUE(world.Owed(1).empty()) << "what is asked for moves nothing";
  EXPECT_EQ(world.Order(1, twin).extension_request().unit(), "housing")
      << "the lead unit's, if the actor names none";
  EXPECT_EQ(world.Order(1, twin).extension_request().account(), "1001");
  EXPECT_FALSE(world.Order(1, twin).extension_request().last_minute());
  EXPECT_EQ(error::ReasonOf(world.Try(1, Act::kAskExtension, twin).status()),
            Reason::ERROR_REASON_EXTENSION_PENDING);
  world.Do(1, Act::kGrantExtension, twin);
  EXPECT_FALSE(world.Order(1, twin).has_extension_request());
  EXPECT_EQ(world.Order(1, twin).facts().extension_count(), 1);
  EXPECT_EQ(world.LastEvent(1).extension_decided().request().length().value(), 3);
  world.Settle();
  EXPECT_EQ(world.Order(0, id).facts().extension_count(), 1) << "the origin's clock moves too";
  EXPECT_EQ(error::ReasonOf(world.Try(1, Act::kAskExtension, twin).status()),
            Reason::ERROR_REASON_EXTENSION_LIMIT);
  world.mutable_site(1)->extensions_per_order = 2;
  world.Do(1, Act::kAskExtension, twin);
  world.Do(1, Act::kSign, twin);
  world.Do(1, Act::kFinish, twin);
  EXPECT_FALSE(world.Order(1, twin).has_extension_request()) << "it ends with the work";
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, AnExtensionIsRefusedAfterTheLimitAndMarkedInTheLastTenth) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  world.Do(0, Act::kAccept, id);
  world.Do(0, Act::kDispatch, id);
  Command remind = MakeCommand(Act::kRemind, id, "110", world.now());
  remind.mutable_escalation()->set_duty_party("housing");
  ToProto(world.now() + absl::Hours(10), remind.mutable_escalation()->mutable_due_time());
  ToProto(world.now() + absl::Hours(9), remind.mutable_escalation()->mutable_last_tenth_time());
  ASSERT_TRUE(world.Execute(0, remind).ok());
  const WorkOrder reminded = world.Order(0, id);
  const absl::Time due = FromProto(reminded.facts().finish_due_time());
  const auto ask = [&](absl::Time at) {
    return Decide(&reminded, MakeCommand(Act::kAskExtension, id, "110", at), NewOrder(), world.site(0), at);
  };
  EXPECT_FALSE(ask(due - absl::Hours(2))->after.extension_request().last_minute());
  EXPECT_TRUE(ask(due - absl::Hours(1))->after.extension_request().last_minute()) << "half open";
  EXPECT_EQ(ask(due - absl::Hours(1))->after.facts().last_minute_count(), 1);
  EXPECT_TRUE(ask(due - absl::Nanoseconds(1)).ok());
  EXPECT_EQ(error::ReasonOf(ask(due).status()), Reason::ERROR_REASON_EXTENSION_TOO_LATE);
  Command until = MakeCommand(Act::kAskExtension, id, "110", world.now());
  until.mutable_extension_request()->clear_length();
  ToProto(due, until.mutable_extension_request()->mutable_until_time());
  EXPECT_EQ(
      error::FieldOf(Decide(&reminded, until, NewOrder(), world.site(0), due - absl::Hours(3)).status()),
      "extension_request.until_time");
  // A notice that only settles the day takes back nothing; one that moves it does.
  Command move = MakeCommand(Act::kMoveDeadline, id, "110", world.now());
  move.mutable_deadline_move()->set_duty_party("housing");
  for (const absl::Duration by : {absl::ZeroDuration(), absl::Hours(24)}) {
    ToProto(due + by, move.mutable_deadline_move()->mutable_new_due_time());
    const absl::StatusOr<Change> moved = Decide(&reminded, move, NewOrder(), world.site(0), world.now());
    ASSERT_TRUE(moved.ok()) << moved.status();
    EXPECT_EQ(moved->after.facts().has_last_tenth_time(), by == absl::ZeroDuration());
    EXPECT_EQ(FromProto(moved->after.facts().finish_due_time()), due + by);
  }
  // A rung of a clock that another unit had says nothing of this one's.
  remind.mutable_escalation()->set_duty_party("water");
  ToProto(due + absl::Hours(5), remind.mutable_escalation()->mutable_due_time());
  ASSERT_TRUE(world.Execute(0, remind).ok());
  EXPECT_EQ(FromProto(world.Order(0, id).facts().finish_due_time()), due);
  world.Do(0, Act::kSuspend, id);
  EXPECT_FALSE(world.Order(0, id).facts().has_finish_due_time()) << "nobody knows until it is resumed";
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, ARequestWhoseTimeHasPassedNeedsAnotherTime) {
  Column open = LocalIn("ACC");
  Command ask = MakeCommand(Act::kAskExtension, open.order.id(), "110", kNow);
  ask.mutable_extension_request()->clear_length();
  ToProto(kNow + absl::Hours(1), ask.mutable_extension_request()->mutable_until_time());
  WorkOrder asked = Try(open.order, ask, open.site)->after;
  Command grant = MakeCommand(Act::kGrantExtension, open.order.id(), "110", kNow);
  const auto decide = [&] { return Decide(&asked, grant, NewOrder(), open.site, kNow + absl::Hours(2)); };
  EXPECT_EQ(error::FieldOf(decide().status()), "extension_decision.until_time");
  ToProto(kNow + absl::Hours(3), grant.mutable_extension_decision()->mutable_until_time());
  ASSERT_TRUE(decide().ok());
  EXPECT_EQ(FromProto(decide()->after.facts().extend_until_time()), kNow + absl::Hours(3));
  grant.mutable_extension_decision()->set_approved(false);
  grant.mutable_extension_decision()->clear_until_time();
  grant.mutable_extension_decision()->set_note("理由不充分");
  ASSERT_TRUE(decide().ok());
  EXPECT_EQ(decide()->after.facts().extension_count(), 0);
  EXPECT_FALSE(decide()->after.has_extension_request());
  // As an earlier release let it be asked for.
  grant.mutable_extension_decision()->set_approved(true);
  for (const int days : {366, 367}) {
    ToProto(kNow + absl::Hours(2) + absl::Hours(24) * days,
            asked.mutable_extension_request()->mutable_until_time());
    EXPECT_EQ(decide().ok(), days == 366) << decide().status();
  }
  EXPECT_EQ(error::FieldOf(decide().status()), "extension_decision.until_time");
}

// Whoever had registered something else under it silenced an alarm, a rung or a notice: REQUEST_ID_REUSED.
TEST(Decide, AnIdThatAServiceDerivesIsNoClients) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  const auto refused = [&](Command command, const std::string& request_id) {
    command.mutable_header()->set_request_id(request_id);
    FitTo(world.Order(0, id), &command);
    const absl::Status status =
        Decide(&world.Order(0, id), command, NewOrder(), world.site(0), world.now()).status();
    const bool by_id = error::FieldOf(status) == "header.request_id";
    EXPECT_EQ(by_id, error::ReasonOf(status) == Reason::ERROR_REASON_REQUEST_ID_INVALID) << status;
    EXPECT_EQ(by_id, error::ChineseOf(status).find("由系统服务专用") != std::string::npos) << status;
    return by_id;
  };
  const Command alarm = ReceiptAlarm(id, world.Order(0, id).handoff().offer_time());
  for (const std::string& derived : {alarm.header().request_id(), "escalate/" + id + "/receipt/1/urge",
                                     "move/" + id + "/finish/3/2", "notify/" + id + "/finish/3/urge/1",
                                     "retention/" + id + "/7", "ack/" + id + "/3/1/2", "disclose/" + id}) {
    EXPECT_TRUE(refused(MakeRegistration(SampleContent(), ""), derived)) << derived;
    EXPECT_TRUE(refused(MakeRegistration(SampleContent(), "110"), derived)) << derived;
    EXPECT_TRUE(refused(MakeCommand(Act::kRecall, id, "", world.now()), derived)) << derived;
  }
  // What hotlinectl and a desk make is theirs.
  for (const char* own : {"file-0123456789abcdef0123456789abcdef-1", "alarms/000001", "0193a5c0/escalate/1",
                          "request/000001/110"}) {
    EXPECT_FALSE(refused(MakeRegistration(SampleContent(), ""), own)) << own;
  }
  // The services go on.
  EXPECT_FALSE(refused(alarm, alarm.header().request_id()));
  for (const Act act : {Act::kRemind, Act::kUrge, Act::kDoubt, Act::kMoveDeadline, Act::kNotify}) {
    EXPECT_FALSE(refused(MakeCommand(act, id, "", world.now()), "escalate/" + id + "/receipt/1/urge"));
  }
  EXPECT_FALSE(refused(MakeCommand(Act::kAcknowledge, id, "", world.now()), "ack/" + id + "/3/1/2"));
  Command shown = MakeCommand(Act::kProgress, id, "", world.now());
  shown.mutable_disclosure()->set_kind(type::v1::DISCLOSURE_KIND_CONTENT);
  shown.mutable_disclosure()->set_role("supervisor");
  EXPECT_FALSE(refused(shown, "disclose/" + id));
  EXPECT_TRUE(refused(shown, "ack/" + id + "/3/1/2"));
  EXPECT_EQ(world.fault(), "");
}

// A rung of escalation's on `id`, of the clock of `unit`.
Command CloseReturn(const std::string& id, const std::string& unit, absl::Time due) {
  Command command = MakeCommand(Act::kUrge, id, "110", due);
  command.mutable_header()->set_request_id(
      absl::StrCat("escalate/close/", unit, "/", absl::ToUnixSeconds(due)));
  command.mutable_escalation()->set_clock(type::v1::CLOCK_KIND_UNIT_RETURN);
  command.mutable_escalation()->set_rung(type::v1::RUNG_CLOSE_RETURN);
  command.mutable_escalation()->set_duty_party(unit);
  ToProto(due, command.mutable_escalation()->mutable_due_time());
  return command;
}

TEST(Decide, AUnitReturnsInTheTimeForItOnly) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  world.Do(0, Act::kAccept, id);
  const auto dispatch = [&](const std::string& unit) {
    Command command = MakeCommand(Act::kDispatch, id, "110", world.now());
    command.mutable_unit_dispatch()->set_lead_unit(unit);
    command.mutable_unit_dispatch()->clear_assist_units();
    return world.Execute(0, command).status();
  };
  ASSERT_TRUE(dispatch("housing").ok());
  const absl::Time first = world.now() + absl::Hours(1);
  world.Pass(absl::Hours(2));
  ASSERT_TRUE(world.Execute(0, CloseReturn(id, "housing", first)).ok());
  EXPECT_TRUE(world.Order(0, id).facts().unit_return_closed());
  EXPECT_EQ(world.Order(0, id).facts().urge_count(), 0) << "nobody is urged";
  EXPECT_FALSE(world.Order(0, id).facts().overdue());
  EXPECT_EQ(error::ReasonOf(world.Try(0, Act::kReturnFromUnit, id).status()),
            Reason::ERROR_REASON_RETURN_WINDOW_OVER);
  // The desk can still give it to another, who has its own time.
  world.Do(0, Act::kReassign, id);
  EXPECT_FALSE(world.Order(0, id).facts().unit_return_closed());
  world.Do(0, Act::kReturnFromUnit, id);
  ASSERT_TRUE(dispatch("housing").ok());
  // A rung that crossed the dispatch, even to the same unit, is of the time before it.
  ASSERT_TRUE(world.Execute(0, CloseReturn(id, "housing", first + absl::Minutes(1))).ok());
  ASSERT_TRUE(world.Execute(0, CloseReturn(id, "water", world.now() + absl::Hours(1))).ok());
  EXPECT_FALSE(world.Order(0, id).facts().unit_return_closed());
  world.Do(0, Act::kReturnFromUnit, id);
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, AnAssistingUnitReportsItsPartDone) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  world.Do(0, Act::kAccept, id);
  Command dispatch = MakeCommand(Act::kDispatch, id, "110", world.now());
  dispatch.mutable_unit_dispatch()->set_lead_unit("housing");
  dispatch.mutable_unit_dispatch()->clear_assist_units();
  dispatch.mutable_unit_dispatch()->add_assist_units("water");
  ASSERT_TRUE(world.Execute(0, dispatch).ok());
  const auto report = [&](const std::string& unit, bool done) {
    Command command = MakeCommand(Act::kProgress, id, "110", world.now());
    command.mutable_progress()->set_unit(unit);
    command.mutable_progress()->set_part_done(done);
    return world.Execute(0, command).status();
  };
  EXPECT_EQ(error::ReasonOf(report("", false)), Reason::ERROR_REASON_WRONG_STATE)
      << "the lead has not signed";
  EXPECT_EQ(error::ReasonOf(report("chengguan", true)), Reason::ERROR_REASON_UNIT_NOT_ASSIGNED);
  ASSERT_TRUE(report("water", false).ok());
  EXPECT_FALSE(world.Order(0, id).units(1).has_finish_time());
  EXPECT_EQ(world.Order(0, id).state(), type::v1::ORDER_STATE_DISPATCHED);
  ASSERT_TRUE(report("water", true).ok());
  EXPECT_TRUE(world.Order(0, id).units(1).has_finish_time());
  EXPECT_EQ(world.Order(0, id).state(), type::v1::ORDER_STATE_DISPATCHED) << "that is the lead's to move";
  world.Do(0, Act::kSign, id);
  EXPECT_EQ(error::FieldOf(report("housing", true)), "progress.part_done");
  ASSERT_TRUE(report("housing", false).ok());
  EXPECT_EQ(world.Order(0, id).state(), type::v1::ORDER_STATE_IN_PROGRESS);
  world.Do(0, Act::kFinish, id);
  world.Do(0, Act::kRedo, id);
  EXPECT_FALSE(world.Order(0, id).units(1).has_finish_time()) << "to be done again";
  EXPECT_EQ(world.fault(), "");
}

// A unit's desktop names its unit beside the request (`hotline-unit`), and it signed, reported, returned and
// finished as the lead unit.
TEST(Decide, WhoActsForAUnitDoesThatUnitsWork) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  const auto by = [&](Act act, const std::string& unit, bool part_done = false) {
    Command command = MakeCommand(act, id, "110", world.now());
    command.mutable_header()->mutable_actor()->set_unit(unit);
    if (part_done) command.mutable_progress()->set_part_done(true);
    return Decide(&world.Order(0, id), command, NewOrder(), world.site(0), world.now());
  };
  const auto refused = [&](Act act, const std::string& unit) {
    const absl::Status status = by(act, unit).status();
    EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_UNIT_NOT_ASSIGNED) << status;
    return error::ChineseOf(status);
  };
  // No unit is at work: it is the desk's, whoever sits there.
  world.Do(0, Act::kAccept, id);
  for (const Act act : {Act::kProgress, Act::kContact, Act::kFinish}) {
    const auto change = by(act, "housing");
    ASSERT_TRUE(change.ok()) << change.status();
    EXPECT_EQ(change->event.progressed().unit(), "");
    EXPECT_EQ(change->after.last_contact().unit(), "");
    EXPECT_EQ(change->after.reply().unit(), "");
  }

  // `housing` leads, `water` assists.
  world.Do(0, Act::kDispatch, id);
  for (const char* unit : {"housing", ""}) {
    const auto signature = by(Act::kSign, unit);
    ASSERT_TRUE(signature.ok()) << signature.status();
    EXPECT_EQ(signature->after.state(), type::v1::ORDER_STATE_SIGNED);
    EXPECT_EQ(signature->event.signed_().unit(), "housing");
    const auto returned = by(Act::kReturnFromUnit, unit);
    ASSERT_TRUE(returned.ok()) << returned.status();
    EXPECT_EQ(returned->event.unit_returned().unit(), "housing");
  }
  const auto assist = by(Act::kSign, "water");
  ASSERT_TRUE(assist.ok()) << assist.status();
  EXPECT_EQ(assist->after.state(), type::v1::ORDER_STATE_DISPATCHED);
  EXPECT_FALSE(assist->after.units(0).has_sign_time());
  EXPECT_TRUE(assist->after.units(1).has_sign_time());
  EXPECT_EQ(assist->event.signed_().unit(), "water");
  EXPECT_EQ(refused(Act::kReturnFromUnit, "water"), "单位water为协办单位，只有主办单位可以退单");
  for (const Act act : {Act::kSign, Act::kProgress, Act::kContact, Act::kReturnFromUnit}) {
    EXPECT_EQ(refused(act, "chengguan"), "单位chengguan不是本工单的主办或协办单位");
  }

  world.Do(0, Act::kSign, id);
  refused(Act::kFinish, "chengguan");
  refused(Act::kAskExtension, "chengguan");
  for (const char* unit : {"housing", "water", ""}) {
    const auto progress = by(Act::kProgress, unit);
    ASSERT_TRUE(progress.ok()) << progress.status();
    EXPECT_EQ(progress->event.progressed().unit(), unit);
    EXPECT_EQ(progress->after.state(), std::string(unit) == "water" ? type::v1::ORDER_STATE_SIGNED
                                                                    : type::v1::ORDER_STATE_IN_PROGRESS);
    const auto contact = by(Act::kContact, unit);
    ASSERT_TRUE(contact.ok()) << contact.status();
    EXPECT_EQ(contact->after.last_contact().unit(), unit);
    EXPECT_EQ(contact->event.contacted().unit(), unit);
    const auto finish = by(Act::kFinish, unit);
    ASSERT_TRUE(finish.ok()) << finish.status();
    EXPECT_EQ(finish->after.reply().unit(), unit);
    EXPECT_EQ(finish->event.replied().reply().unit(), unit);
  }
  const auto part = by(Act::kProgress, "water", /*part_done=*/true);
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_TRUE(part->after.units(1).has_finish_time());
  EXPECT_EQ(error::FieldOf(by(Act::kProgress, "housing", /*part_done=*/true).status()), "progress.part_done");
}

// A unit that only assisted, or none that is on the order, signed, reported, returned and replied as the lead
// unit.
TEST(Decide, NobodyWorksInAnotherUnitsName) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  struct Row {
    Act act;
    void (*name)(Command& command, const std::string& unit);
  };
  const auto expect = [&](const Row& row) {
    Command command = MakeCommand(row.act, id, "110", world.now());
    row.name(command, "housing");
    const auto by = [&](const char* unit) {
      command.mutable_header()->mutable_actor()->set_unit(unit);
      return Decide(&world.Order(0, id), command, NewOrder(), world.site(0), world.now()).status();
    };
    for (const char* unit : {"water", "chengguan"}) {
      const absl::Status refused = by(unit);
      EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_FIELD_INVALID)
          << refused << command.DebugString();
      EXPECT_EQ(error::FieldOf(refused), "header.actor.unit");
      EXPECT_EQ(error::ChineseOf(refused),
                "字段 header.actor.unit：与所填单位不一致，不得以其他单位名义办理");
    }
    // A desk acts for units.
    for (const char* unit : {"housing", ""}) EXPECT_TRUE(by(unit).ok()) << by(unit) << command.DebugString();
  };
  world.Do(0, Act::kAccept, id);
  // `housing` leads, `water` assists.
  world.Do(0, Act::kDispatch, id);
  expect({Act::kSign, [](Command& c, const std::string& unit) { c.mutable_signature()->set_unit(unit); }});
  expect({Act::kReturnFromUnit,
          [](Command& c, const std::string& unit) { c.mutable_unit_return()->set_unit(unit); }});
  expect({Act::kContact,
          [](Command& c, const std::string& unit) { c.mutable_caller_contact()->set_unit(unit); }});
  world.Do(0, Act::kSign, id);
  expect({Act::kProgress, [](Command& c, const std::string& unit) { c.mutable_progress()->set_unit(unit); }});
  expect({Act::kFinish, [](Command& c, const std::string& unit) {
            c.mutable_completion()->mutable_reply()->set_unit(unit);
          }});
  // Nor does the lead unit say that another one's part is done.
  Command part = MakeCommand(Act::kProgress, id, "110", world.now());
  part.mutable_header()->mutable_actor()->set_unit("housing");
  part.mutable_progress()->set_unit("water");
  part.mutable_progress()->set_part_done(true);
  EXPECT_EQ(error::FieldOf(world.Execute(0, part).status()), "header.actor.unit");
  part.mutable_header()->mutable_actor()->set_unit("water");
  EXPECT_TRUE(world.Execute(0, part).ok());
  EXPECT_EQ(world.fault(), "");
}

// It granted itself more time, by an extension or by doing its work once more, stopped its time, ruled itself
// free, called back on its own work and closed it.
TEST(Decide, NoUnitJudgesItsOwnWork) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  const auto by = [&](Act act, const std::string& unit) {
    Command command = MakeCommand(act, id, "110", world.now());
    command.mutable_header()->mutable_actor()->set_unit(unit);
    return Decide(&world.Order(0, id), command, NewOrder(), world.site(0), world.now()).status();
  };
  const auto expect = [&](std::initializer_list<Act> acts, const std::string& chinese) {
    for (const Act act : acts) {
      for (const char* unit : {"housing", "water"}) {
        const absl::Status status = by(act, unit);
        EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_FIELD_INVALID) << status;
        EXPECT_EQ(error::FieldOf(status), "header.actor.unit");
        EXPECT_EQ(error::ChineseOf(status), absl::StrCat("字段 header.actor.unit：", chinese));
      }
      for (const char* unit : {"", "chengguan"}) {
        const absl::Status status = by(act, unit);
        EXPECT_TRUE(status.ok()) << status;
      }
    }
  };
  world.Do(0, Act::kAccept, id);
  world.Do(0, Act::kDispatch, id);
  expect({Act::kExtend}, "延期由平台审批，承办单位不得自行延期");
  expect({Act::kReassign}, "改派由平台办理，承办单位应当退单");
  expect({Act::kSuspend}, "挂起由平台审批，承办单位不得自行挂起");
  expect({Act::kRule}, "裁定由平台登记，承办单位不得自行裁定");
  world.Do(0, Act::kSuspend, id);
  EXPECT_TRUE(by(Act::kResume, "housing").ok()) << "its time runs again";
  world.Do(0, Act::kResume, id);
  world.Do(0, Act::kAskExtension, id);
  expect({Act::kGrantExtension}, "延期由平台审批，承办单位不得自行审批");
  world.Do(0, Act::kGrantExtension, id);
  world.Do(0, Act::kSign, id);
  world.Do(0, Act::kFinish, id);
  expect({Act::kCallBack}, "回访由平台负责，承办单位不得自行回访");
  expect({Act::kClose}, "办结由平台确认，承办单位不得自行办结");
  expect({Act::kRedo}, "重办由平台提出，承办单位不得自行重办");
  world.Do(0, Act::kClose, id);
  expect({Act::kReopen}, "重新办理由平台提出，承办单位不得自行重新办理");
  EXPECT_EQ(world.fault(), "");

  // Asked for by a unit while the desk has the order.
  const std::string own = world.Register(0, SampleContent(), false);
  world.Do(0, Act::kAccept, own);
  Command ask = MakeCommand(Act::kAskExtension, own, "110", world.now());
  ask.mutable_header()->mutable_actor()->set_unit("water");
  ASSERT_TRUE(world.Execute(0, ask).ok());
  Command grant = MakeCommand(Act::kGrantExtension, own, "110", world.now());
  grant.mutable_header()->mutable_actor()->set_unit("water");
  EXPECT_EQ(error::FieldOf(world.Execute(0, grant).status()), "header.actor.unit");
  world.Do(0, Act::kGrantExtension, own);
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, AReplyIsOfAUnitThatIsAtWork) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  world.Do(0, Act::kAccept, id);
  const auto finish = [&](const std::string& unit) {
    Command command = MakeCommand(Act::kFinish, id, "110", world.now());
    command.mutable_completion()->mutable_reply()->set_unit(unit);
    return Decide(&world.Order(0, id), command, NewOrder(), world.site(0), world.now()).status();
  };
  EXPECT_TRUE(finish("chengguan").ok()) << "no unit is at work: the desk says whose it is";
  world.Do(0, Act::kDispatch, id);
  world.Do(0, Act::kSign, id);
  EXPECT_EQ(error::ReasonOf(finish("chengguan")), Reason::ERROR_REASON_UNIT_NOT_ASSIGNED);
  for (const char* unit : {"", "housing", "water"}) EXPECT_TRUE(finish(unit).ok()) << unit;
}

TEST(Decide, WhatHasPassedBeforeASuspensionHasPassed) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  world.Do(0, Act::kAccept, id);
  world.Do(0, Act::kDispatch, id);
  Command urge = MakeCommand(Act::kUrge, id, "110", world.now());
  urge.mutable_escalation()->set_duty_party("housing");
  ASSERT_TRUE(world.Execute(0, urge).ok());
  EXPECT_EQ(error::ReasonOf(world.Try(0, Act::kAskExtension, id).status()),
            Reason::ERROR_REASON_EXTENSION_TOO_LATE);
  world.Do(0, Act::kSuspend, id);
  EXPECT_TRUE(world.Order(0, id).facts().has_finish_due_time());
  world.Do(0, Act::kResume, id);
  EXPECT_EQ(error::ReasonOf(world.Try(0, Act::kAskExtension, id).status()),
            Reason::ERROR_REASON_EXTENSION_TOO_LATE);
  world.Do(0, Act::kExtend, id);
  EXPECT_FALSE(world.Order(0, id).facts().has_finish_due_time()) << "the desk may still give more";
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, AnExtensionNeverTakesTimeAway) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  world.Do(0, Act::kAccept, id);
  world.Do(0, Act::kDispatch, id);
  const auto extend = [&](absl::Time until) {
    Command command = MakeCommand(Act::kExtend, id, "110", world.now());
    ToProto(until, command.mutable_extension()->mutable_until_time());
    return Decide(&world.Order(0, id), command, NewOrder(), world.site(0), world.now()).status();
  };
  const absl::Time due = world.now() + absl::Hours(10);
  Command remind = MakeCommand(Act::kRemind, id, "110", world.now());
  remind.mutable_escalation()->set_duty_party("housing");
  ToProto(due, remind.mutable_escalation()->mutable_due_time());
  ASSERT_TRUE(world.Execute(0, remind).ok());
  EXPECT_EQ(error::ReasonOf(extend(due)), Reason::ERROR_REASON_TIME_INVALID);
  EXPECT_EQ(error::FieldOf(extend(due)), "extension.until_time");
  EXPECT_TRUE(extend(due + absl::Hours(1)).ok());
  // Nor does a decision on what was asked for.
  world.Do(0, Act::kAskExtension, id);
  Command grant = MakeCommand(Act::kGrantExtension, id, "110", world.now());
  ToProto(due - absl::Hours(1), grant.mutable_extension_decision()->mutable_until_time());
  EXPECT_EQ(error::FieldOf(world.Execute(0, grant).status()), "extension_decision.until_time");
  // Where a length ends is escalation's to reckon: until a rung tells, no time can be compared with it.
  world.Do(0, Act::kGrantExtension, id);
  EXPECT_EQ(error::FieldOf(extend(due + absl::Hours(1))), "extension.until_time");
  EXPECT_NE(error::ChineseOf(extend(due + absl::Hours(1))).find("按时长"), std::string::npos);
  world.mutable_site(0)->extensions_per_order = 2;
  Command ask = MakeCommand(Act::kAskExtension, id, "110", world.now());
  EXPECT_TRUE(Decide(&world.Order(0, id), ask, NewOrder(), world.site(0), world.now()).ok());
  ask.mutable_extension_request()->clear_length();
  ToProto(due + absl::Hours(1), ask.mutable_extension_request()->mutable_until_time());
  EXPECT_EQ(error::FieldOf(world.Execute(0, ask).status()), "extension_request.until_time");
  remind.mutable_header()->set_request_id("escalate/again");
  ToProto(due + absl::Hours(72), remind.mutable_escalation()->mutable_due_time());
  ASSERT_TRUE(world.Execute(0, remind).ok());
  EXPECT_FALSE(extend(due + absl::Hours(72)).ok());
  EXPECT_TRUE(extend(due + absl::Hours(73)).ok());
  // What is to be done again has a deadline of its own, which what was granted before says nothing of.
  for (const Act act : {Act::kSign, Act::kFinish, Act::kRedo}) world.Do(0, act, id);
  EXPECT_TRUE(extend(due - absl::Hours(1)).ok()) << extend(due - absl::Hours(1));
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, UnitsReturnOnceThenARulingSaysWho) {
  World world;
  world.mutable_site(0)->free_returns_per_unit = 1;
  world.mutable_site(0)->free_returns_per_order = 2;
  const std::string id = world.Register(0, SampleContent(), false);
  world.Do(0, Act::kAccept, id);
  const auto dispatch = [&](const std::string& unit) {
    Command command = MakeCommand(Act::kDispatch, id, "110", world.now());
    command.mutable_unit_dispatch()->set_lead_unit(unit);
    command.mutable_unit_dispatch()->clear_assist_units();
    return world.Execute(0, command).status();
  };
  ASSERT_TRUE(dispatch("housing").ok());
  world.Do(0, Act::kSign, id);
  world.Do(0, Act::kReturnFromUnit, id);
  EXPECT_EQ(world.Order(0, id).state(), type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_EQ(world.Order(0, id).units_size(), 0);
  EXPECT_EQ(world.LastEvent(0).unit_returned().unit(), "housing");
  ASSERT_EQ(world.Order(0, id).unit_moves_size(), 1);
  EXPECT_FALSE(world.Order(0, id).unit_moves(0).has_end_time());
  ASSERT_TRUE(dispatch("housing").ok());
  EXPECT_TRUE(world.Order(0, id).unit_moves(0).has_end_time());
  EXPECT_EQ(error::ReasonOf(world.Try(0, Act::kReturnFromUnit, id).status()),
            Reason::ERROR_REASON_RETURN_LIMIT);
  // Whose the order is not is not told of another unit's returns, whichever of the two it names.
  for (const char* named : {"", "dianli", "housing"}) {
    Command stranger = MakeCommand(Act::kReturnFromUnit, id, "110", world.now());
    stranger.mutable_header()->mutable_actor()->set_unit("dianli");
    stranger.mutable_unit_return()->set_unit(named);
    EXPECT_EQ(error::ReasonOf(world.Execute(0, stranger).status()),
              named == std::string_view("housing") ? Reason::ERROR_REASON_FIELD_INVALID
                                                   : Reason::ERROR_REASON_UNIT_NOT_ASSIGNED)
        << named;
  }
  world.Do(0, Act::kReassign, id);
  EXPECT_EQ(world.Order(0, id).units(0).unit(), "chengguan");
  EXPECT_EQ(world.Order(0, id).unit_moves(1).ground(), type::v1::RETURN_GROUND_UNSPECIFIED);
  EXPECT_EQ(error::FieldOf(world.Try(0, Act::kReassign, id).status()),
            "unit_reassignment.dispatch.lead_unit");
  world.Do(0, Act::kReturnFromUnit, id);
  ASSERT_TRUE(dispatch("water").ok());
  EXPECT_EQ(error::ReasonOf(world.Try(0, Act::kReturnFromUnit, id).status()),
            Reason::ERROR_REASON_RETURN_LIMIT)
      << "two of the order";
  // kRule names housing.
  world.Do(0, Act::kRule, id);
  world.Do(0, Act::kReturnFromUnit, id);
  EXPECT_EQ(error::ReasonOf(dispatch("water")), Reason::ERROR_REASON_RULED);
  ASSERT_TRUE(dispatch("housing").ok());
  EXPECT_EQ(error::ReasonOf(world.Try(0, Act::kReturnFromUnit, id).status()), Reason::ERROR_REASON_RULED);
  EXPECT_EQ(error::ReasonOf(world.Try(0, Act::kReassign, id).status()), Reason::ERROR_REASON_RULED);
  EXPECT_EQ(world.Order(0, id).facts().unit_return_count(), 3);
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, WhatARungCameToIsOnRecord) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  world.Do(0, Act::kAccept, id);
  world.Do(0, Act::kUrge, id);
  world.Do(0, Act::kAcknowledge, id);
  EXPECT_EQ(world.LastEvent(0).rung_acknowledged().rung(), type::v1::RUNG_URGE);
  Command lost = MakeCommand(Act::kNotify, id, "110", world.now());
  lost.mutable_notification_report()->set_unreachable(true);
  ASSERT_TRUE(world.Execute(0, lost).ok());
  EXPECT_TRUE(world.Order(0, id).facts().rung_unreached());
  world.Do(0, Act::kNotify, id);
  EXPECT_FALSE(world.Order(0, id).facts().rung_unreached());
  for (const Act act : {Act::kMoveDeadline, Act::kNotify}) {
    Command command = MakeCommand(act, id, "110", world.now());
    command.mutable_header()->mutable_actor()->set_account("1001");
    EXPECT_EQ(error::FieldOf(world.Execute(0, command).status()), "header.actor.account");
  }
  world.Do(0, Act::kContact, id);
  EXPECT_TRUE(world.Order(0, id).facts().has_first_contact_time());
  EXPECT_EQ(world.Order(0, id).last_contact().note(), "已电话联系来电人");
  EXPECT_EQ(world.LastEvent(0).contacted().note(), "") << "it may be personal";
  Command supervise = MakeCommand(Act::kUrge, id, "110", world.now());
  supervise.mutable_escalation()->set_rung(type::v1::RUNG_SUPERVISE);
  ASSERT_TRUE(world.Execute(0, supervise).ok());
  EXPECT_EQ(world.Order(0, id).facts().supervise_count(), 1);
  EXPECT_EQ(world.Order(0, id).facts().urge_count(), 1);
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, NoContactIsOlderThanTheOrder) {
  World world;
  const auto contact = [&](int at, const std::string& id, absl::Time time) {
    Command command = MakeCommand(Act::kContact, id, "110", world.now());
    ToProto(time, command.mutable_caller_contact()->mutable_contact_time());
    return Decide(&world.Order(at, id), command, NewOrder(), world.site(at), world.now()).status();
  };
  const auto expect_refused = [&](int at, const std::string& id, absl::Time time) {
    const absl::Status refused = contact(at, id, time);
    EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_TIME_INVALID) << refused;
    EXPECT_EQ(error::FieldOf(refused), "caller_contact.contact_time");
    EXPECT_EQ(error::ChineseOf(refused), "字段 caller_contact.contact_time：早于工单登记时间三天以上");
  };
  const std::string own = world.Register(0, SampleContent(), false);
  world.Do(0, Act::kAccept, own);
  world.Pass(absl::Hours(1));
  const absl::Time registered = FromProto(world.Order(0, own).register_time());
  EXPECT_TRUE(contact(0, own, registered).ok());
  EXPECT_TRUE(contact(0, own, registered - absl::Hours(72)).ok()) << "it was typed in after an outage";
  expect_refused(0, own, registered - absl::Hours(72) - absl::Nanoseconds(1));
  expect_refused(0, own, registered - absl::Hours(24 * 365));

  // An order that was long on its way: the desks may have spoken of it by telephone.
  const std::string given = world.Register(0, SampleContent(), true);
  const absl::Time offered = FromProto(world.Order(0, given).handoff().offer_time());
  world.Pass(absl::Hours(1));
  world.Settle();
  const std::string taken = world.Twin(0, given);
  world.Do(1, Act::kAccept, taken);
  EXPECT_GT(FromProto(world.Order(1, taken).register_time()), offered + absl::Minutes(30));
  EXPECT_TRUE(contact(1, taken, offered - absl::Hours(72)).ok());
  expect_refused(1, taken, offered - absl::Hours(72) - absl::Nanoseconds(1));
  // Passed back, it is known by the handoff that it came by.
  world.Settle();
  Command back = MakeCommand(Act::kOffer, taken, "12345", world.now());
  back.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_DISPATCH_FIRST);
  ASSERT_TRUE(world.Execute(1, back).ok());
  world.Settle();
  const std::string again = world.Twin(1, taken);
  world.Do(0, Act::kAccept, again);
  EXPECT_TRUE(contact(0, again, offered - absl::Hours(72)).ok());
  expect_refused(0, again, offered - absl::Hours(72) - absl::Nanoseconds(1));
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, TheLadderOnlyAddsFacts) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  world.Do(0, Act::kRemind, id);
  EXPECT_EQ(world.Order(0, id).facts().remind_count(), 1);
  EXPECT_FALSE(world.Order(0, id).facts().overdue());
  world.Do(0, Act::kUrge, id);
  EXPECT_EQ(world.Order(0, id).facts().urge_count(), 1);
  EXPECT_TRUE(world.Order(0, id).facts().overdue());
  EXPECT_EQ(world.LastEvent(0).escalated().rung(), type::v1::RUNG_URGE);
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, AnOrderCanBePushedAgainAndAgain) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  for (int attempt = 1; attempt <= 12; ++attempt) {
    world.Settle();
    EXPECT_EQ(world.Order(0, id).handoff().attempt(), attempt);
    EXPECT_EQ(world.Order(0, id).past_handoffs_size(), attempt - 1);
    world.Do(1, Act::kReturn, world.Twin(0, id));
    world.Settle();
    world.Do(0, Act::kOffer, id);
    EXPECT_FALSE(world.Order(0, id).handoff().has_returned());
  }
  ASSERT_EQ(world.Order(0, id).past_handoffs_size(), 12);
  for (int i = 0; i < 12; ++i) {
    const type::v1::Handoff& past = world.Order(0, id).past_handoffs(i);
    EXPECT_EQ(past.attempt(), i + 1);
    EXPECT_EQ(past.id(), HandoffId("12345", id, i + 1));
    EXPECT_EQ(past.to_hotline(), "110");
    EXPECT_NE(past.to_number(), "");
    EXPECT_TRUE(past.has_end_time());
    EXPECT_EQ(past.returned().ground(), type::v1::RETURN_GROUND_NOT_OUR_DUTY);
    EXPECT_EQ(past.has_offer_time(), i >= 12 - kWholePastHandoffs) << "of the oldest, what identifies them";
    EXPECT_EQ(past.returned().reason().empty(), i < 12 - kWholePastHandoffs);
  }
  EXPECT_EQ(world.Orders(1).size(), 12u) << "each attempt is an order of its own at the receiver";
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, AnOfferWhoseEndIsNotKnownIsKeptWhole) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  WorkOrder order = world.Order(0, id);
  const type::v1::Handoff open = order.handoff();
  ASSERT_FALSE(open.has_end_time());
  for (int i = 0; i < kWholePastHandoffs + 3; ++i) {
    KeepPastHandoff(&order);
    *order.mutable_handoff() = open;
  }
  EXPECT_EQ(order.past_handoffs(0).SerializeAsString(), open.SerializeAsString()) << "it may be taken up";
}

// What is forgotten is still counted at its taker.
TEST(Decide, AnOrderIsHandedOverSoManyTimesAndNoMore) {
  World world;
  const std::string id = world.Register(0, SampleContent(), true);
  world.Settle();
  world.Do(1, Act::kReturn, world.Twin(0, id));
  world.Settle();
  WorkOrder order = world.Order(0, id);
  const Command push = MakeCommand(Act::kOffer, id, "110", world.now());
  while (HandoffCount(order) < kMaxHandoffs - 1) *order.add_past_handoffs() = order.handoff();
  const absl::StatusOr<Change> last = Decide(&order, push, NewOrder(), world.site(0), world.now());
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->after.past_handoffs_size(), kMaxHandoffs - 1);
  EXPECT_EQ(Unsound(last->after, world.site(0)), "");
  EXPECT_LT(last->after.ByteSizeLong(), size_t{64} << 10);
  *order.add_past_handoffs() = order.handoff();
  const absl::Status refused = Decide(&order, push, NewOrder(), world.site(0), world.now()).status();
  EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_LIST_INVALID);
  EXPECT_EQ(error::FieldOf(refused), "header.order_id");
  EXPECT_NE(error::ChineseOf(refused).find("256"), std::string::npos);
}

// It gave the whole order away, where the incident was to stay open.
TEST(Decide, APartnerIsCalledToAnOrderAtWorkNotGivenIt) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  const auto push = [&](const std::string& order, type::v1::HandoffKind kind) {
    Command command = MakeCommand(Act::kOffer, order, "110", world.now());
    command.mutable_offer()->set_kind(kind);
    return Decide(&world.Order(0, order), command, NewOrder(), world.site(0), world.now()).status();
  };
  constexpr type::v1::HandoffKind kHelp[] = {type::v1::HANDOFF_KIND_POLICE_ASSIST,
                                             type::v1::HANDOFF_KIND_PARTNER_FANOUT};
  for (const auto kind : kHelp) EXPECT_TRUE(push(id, kind).ok()) << "nobody works on it";
  for (const Act act : {Act::kAccept, Act::kDispatch, Act::kSign, Act::kProgress}) {
    world.Do(0, act, id);
    for (const auto kind : kHelp) {
      const absl::Status status = push(id, kind);
      EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_FIELD_INVALID);
      EXPECT_EQ(error::FieldOf(status), "offer.kind");
      EXPECT_NE(error::ChineseOf(status).find("联动"), std::string::npos);
    }
    EXPECT_TRUE(push(id, type::v1::HANDOFF_KIND_ORDER_PUSH).ok());
  }
  // The order of a partner that gave it back goes to the next one.
  Command call = MakeRegistration(SampleContent(), "110");
  call.mutable_registration()->set_parent_order_id(id);
  call.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_PARTNER_FANOUT);
  const absl::StatusOr<std::string> partners = world.Execute(0, call);
  ASSERT_TRUE(partners.ok()) << partners.status();
  world.Settle();
  world.Do(1, Act::kReturn, world.Twin(0, *partners));
  world.Settle();
  world.Do(0, Act::kAccept, *partners);
  EXPECT_TRUE(push(*partners, type::v1::HANDOFF_KIND_PARTNER_FANOUT).ok());
  EXPECT_EQ(world.fault(), "");
}

TEST(Decide, WhoActsForWhomIsNotTheClientsToSay) {
  World world;
  const std::string id = world.Register(0, SampleContent(), false);
  Command accept = MakeCommand(Act::kAccept, id, "", world.now());
  accept.mutable_header()->mutable_actor()->set_hotline("110");
  accept.mutable_header()->mutable_actor()->set_acting_hotline("110");
  ASSERT_TRUE(world.Execute(0, accept).ok());
  EXPECT_EQ(world.LastEvent(0).actor().hotline(), "12345");
  EXPECT_EQ(world.LastEvent(0).actor().acting_hotline(), "");
}

TEST(Unsound, NamesWhatIsWrong) {
  const Column good = SharedIn("ACC", 1);
  ASSERT_EQ(Unsound(good.order, good.site), "");
  const auto broken = [&](auto change) {
    WorkOrder order = good.order;
    change(order);
    return Unsound(order, good.site);
  };
  EXPECT_NE(broken([](WorkOrder& o) { o.clear_id(); }), "");
  EXPECT_NE(broken([](WorkOrder& o) { o.clear_number(); }), "");
  EXPECT_NE(broken([](WorkOrder& o) { o.clear_state(); }), "");
  EXPECT_NE(broken([](WorkOrder& o) { o.set_state(static_cast<OrderState>(77)); }), "");
  EXPECT_NE(broken([](WorkOrder& o) { o.clear_version(); }), "");
  EXPECT_NE(broken([](WorkOrder& o) { o.clear_origin_hotline(); }), "");
  EXPECT_NE(broken([](WorkOrder& o) { o.clear_content_digest(); }), "");
  EXPECT_NE(broken([](WorkOrder& o) { o.mutable_custody()->clear_holder(); }), "");
  EXPECT_NE(broken([](WorkOrder& o) { o.mutable_custody()->set_holder("911"); }), "");
  EXPECT_NE(broken([](WorkOrder& o) { o.mutable_custody()->set_holder("12345"); }), "")
      << "accepted here, held there";
  EXPECT_NE(broken([](WorkOrder& o) { o.mutable_custody()->set_epoch(0); }), "");
  EXPECT_NE(broken([](WorkOrder& o) {
              o.clear_handoff();
              o.set_state(type::v1::ORDER_STATE_OFFERED);
            }),
            "");
  EXPECT_NE(broken([](WorkOrder& o) { o.mutable_handoff()->set_to_hotline("911"); }), "");
  EXPECT_NE(broken([](WorkOrder& o) { o.mutable_handoff()->clear_accept_time(); }), "");
  EXPECT_NE(broken([](WorkOrder& o) { o.mutable_facts()->set_suspended(true); }), "");
  EXPECT_NE(broken([](WorkOrder& o) { o.mutable_facts()->set_recall_requested(true); }), "")
      << "not the giver";
  EXPECT_NE(broken([](WorkOrder& o) { o.mutable_reply(); }), "");
  EXPECT_NE(broken([](WorkOrder& o) { o.set_state(type::v1::ORDER_STATE_REPLIED); }), "");
  EXPECT_NE(broken([](WorkOrder& o) { o.set_state(type::v1::ORDER_STATE_DISPATCHED); }), "");
  EXPECT_NE(broken([](WorkOrder& o) { o.add_units()->set_unit("housing"); }), "") << "no lead";
  EXPECT_NE(broken([](WorkOrder& o) {
              while (o.past_handoffs_size() <= kMaxHandoffs) o.add_past_handoffs();
            }),
            "");
}

}  // namespace
}  // namespace hotline::work_order
