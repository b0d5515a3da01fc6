// Orders of several units: the lead and each assisting unit have clocks of their own, and the lead unit has
// so long to return the order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/boot/config.h"
#include "services/escalation/core/explain.h"
#include "tests/services/escalation/world.h"

namespace hotline::escalation {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Pair;
using type::v1::CLOCK_KIND_FINISH;
using type::v1::CLOCK_KIND_SIGN;
using type::v1::CLOCK_KIND_UNIT_RETURN;

constexpr int64_t kId = 7;

config::v1::Policy WithReturns() {
  config::v1::Policy policy = TestPolicy();
  config::v1::DeadlineRule* rule = policy.add_rules();
  rule->set_clock(CLOCK_KIND_UNIT_RETURN);
  rule->set_limit_s(900);
  return policy;
}

class AssistClocksTest : public testing::Test {
 protected:
  absl::Time At(int64_t seconds) const { return Start() + absl::Seconds(seconds); }
  void Use(const type::v1::Event& event) { order_ = Apply(order_, event, deadlines_, "12345"); }
  void Dispatch(int64_t at) {
    Use(make_.Registered(kId, At(at)));
    Use(make_.Accepted(kId, At(at)));
    Use(make_.Dispatched(kId, At(at), "chengguan", {"shuiwu", "huanbao"}));
  }
  // `<kind>:<duty>` of the live clocks, `+` behind an assisting unit's.
  std::vector<std::string> Live() const {
    std::vector<std::string> live;
    for (const OrderClock& clock : order_.clocks) {
      if (clock.live()) {
        live.push_back(absl::StrCat(clock.kind, ":", clock.duty_party, clock.assist_unit.empty() ? "" : "+"));
      }
    }
    return live;
  }
  const OrderClock& Clock(type::v1::ClockKind kind, const std::string& assist = "") const {
    const OrderClock* found = nullptr;
    for (const OrderClock& clock : order_.clocks) {
      if (clock.kind == kind && clock.assist_unit == assist) found = &clock;
    }
    EXPECT_NE(found, nullptr);
    static const OrderClock none;
    return found == nullptr ? none : *found;
  }

  EventMaker make_;
  Deadlines deadlines_{TestPolicy()};
  OrderClocks order_;
};

TEST_F(AssistClocksTest, EachUnitSignsAndFinishesByItself) {
  Dispatch(0);
  EXPECT_THAT(Live(), ElementsAre("3:chengguan", "3:huanbao+", "3:shuiwu+", "4:chengguan", "4:huanbao+",
                                  "4:shuiwu+"));
  Use(make_.Signed(kId, At(10), "shuiwu"));
  EXPECT_THAT(Live(), ElementsAre("3:chengguan", "3:huanbao+", "4:chengguan", "4:huanbao+", "4:shuiwu+"));
  Use(make_.Signed(kId, At(20)));
  EXPECT_THAT(Live(), ElementsAre("3:huanbao+", "4:chengguan", "4:huanbao+", "4:shuiwu+"));
  // A part that is done is signed for too.
  const type::v1::Event done = make_.PartDone(kId, At(30), "huanbao");
  EXPECT_TRUE(Concerns(done));
  Use(done);
  EXPECT_THAT(Live(), ElementsAre("4:chengguan", "4:shuiwu+"));
  EXPECT_FALSE(Clock(CLOCK_KIND_FINISH, "huanbao").breached);
  // Too late is too late, whatever the lead unit does.
  Use(make_.PartDone(kId, At(3600), "shuiwu"));
  EXPECT_TRUE(Clock(CLOCK_KIND_FINISH, "shuiwu").breached);
  EXPECT_THAT(Live(), ElementsAre("4:chengguan"));
  EXPECT_FALSE(Clock(CLOCK_KIND_FINISH).breached);
}

TEST_F(AssistClocksTest, TheLeadUnitsReplyEndsThemAllAndARedoArmsThemAnew) {
  Dispatch(0);
  Use(make_.Signed(kId, At(20)));
  Use(make_.Replied(kId, At(100)));
  EXPECT_THAT(Live(), IsEmpty());
  Use(make_.Redone(kId, At(200)));
  EXPECT_THAT(Live(), ElementsAre("4:chengguan", "4:huanbao+", "4:shuiwu+"));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH, "shuiwu").due, At(200 + 3600));
}

TEST_F(AssistClocksTest, WhoAssistedTheUnitThatReturnsItHasNothingToDoAnyMore) {
  Dispatch(0);
  type::v1::Event returned = make_.Make(kId, type::v1::ORDER_STATE_ACCEPTED, At(50));
  returned.mutable_unit_returned()->set_unit("chengguan");
  Use(returned);
  EXPECT_THAT(Live(), ElementsAre("4:chengguan"));
  Use(make_.Dispatched(kId, At(60), "zhujianju", {"chengguan"}));
  EXPECT_THAT(Live(), ElementsAre("3:zhujianju", "3:chengguan+", "4:zhujianju", "4:chengguan+"));
  // One that assisted and does no more, after a reassignment.
  type::v1::Event reassigned = make_.Make(kId, type::v1::ORDER_STATE_DISPATCHED, At(70));
  reassigned.mutable_reassigned()->mutable_dispatch()->set_lead_unit("shuiwu");
  Use(reassigned);
  EXPECT_THAT(Live(), ElementsAre("3:shuiwu", "4:shuiwu"));
}

TEST_F(AssistClocksTest, AnExtensionIsTheOrdersAndShortensNothing) {
  Dispatch(0);
  Use(make_.Extended(kId, At(10), At(5000)));
  for (const char* unit : {"", "shuiwu", "huanbao"}) EXPECT_EQ(Clock(CLOCK_KIND_FINISH, unit).due, At(5000));
  Use(make_.Extended(kId, At(20), At(4000)));
  for (const char* unit : {"", "shuiwu", "huanbao"}) EXPECT_EQ(Clock(CLOCK_KIND_FINISH, unit).due, At(5000));
}

TEST_F(AssistClocksTest, RequestIdsOfTheLeadAreAsBeforeAndTellTheOthersApart) {
  Dispatch(0);
  const auto id = [&](const std::string& unit) {
    return RungCommand(order_, Clock(CLOCK_KIND_FINISH, unit), type::v1::RUNG_DISCIPLINE, deadlines_)
        .header()
        .request_id();
  };
  EXPECT_THAT(id(""), MatchesRegex("escalate/[0-9A-Z]{13}/finish/3/discipline"));
  EXPECT_THAT(id("shuiwu"), MatchesRegex("escalate/[0-9A-Z]{13}/finish/3\\.[0-9a-f]{8}/discipline"));
  EXPECT_NE(id("shuiwu"), id("huanbao"));
  // With the longest clock, rung and arming event that there are, an id has at most 64 characters.
  OrderClock clock = Clock(CLOCK_KIND_FINISH, "shuiwu");
  clock.armed_by = 999'999'999'999;
  EXPECT_LE(RungCommand(order_, clock, type::v1::RUNG_DISCIPLINE, deadlines_).header().request_id().size(),
            64u);
  const type::v1::Escalation escalation =
      RungCommand(order_, Clock(CLOCK_KIND_FINISH, "shuiwu"), type::v1::RUNG_URGE, deadlines_).escalation();
  EXPECT_EQ(escalation.duty_party(), "shuiwu");
  EXPECT_EQ(escalation.assist_unit(), "shuiwu");
  EXPECT_FALSE(escalation.has_last_tenth_time()) << "that is for extensions, which the lead asks for";
  Use(make_.Escalated(kId, At(3600), escalation));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH, "shuiwu").rung, type::v1::RUNG_URGE);
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).rung, type::v1::RUNG_UNSPECIFIED);
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH, "huanbao").rung, type::v1::RUNG_UNSPECIFIED);
  const auto derivation = Explain(order_, Clock(CLOCK_KIND_FINISH, "shuiwu"), deadlines_);
  ASSERT_TRUE(derivation.ok()) << derivation.status();
  EXPECT_THAT(ExplainInChinese(*derivation), testing::HasSubstr("责任方shuiwu（协办）"));
}

TEST_F(AssistClocksTest, TheTimeForAReturnEndsWithoutABreach) {
  deadlines_ = Deadlines(WithReturns());
  Dispatch(0);
  const OrderClock& clock = Clock(CLOCK_KIND_UNIT_RETURN);
  EXPECT_EQ(clock.next_rung, type::v1::RUNG_CLOSE_RETURN);
  EXPECT_EQ(clock.next, At(900));
  Use(make_.Escalated(kId, At(901),
                      RungCommand(order_, clock, type::v1::RUNG_CLOSE_RETURN, deadlines_).escalation()));
  EXPECT_EQ(Clock(CLOCK_KIND_UNIT_RETURN).state, v1::CLOCK_STATE_STOPPED);
  EXPECT_FALSE(Clock(CLOCK_KIND_UNIT_RETURN).breached);
  EXPECT_EQ(LampAt(Clock(CLOCK_KIND_UNIT_RETURN), At(1000)), v1::LAMP_GREEN);
  // Of a unit that returned in time nothing is closed.
  Use(make_.Dispatched(kId, At(1000), "chengguan"));
  type::v1::Event returned = make_.Make(kId, type::v1::ORDER_STATE_ACCEPTED, At(1100));
  returned.mutable_unit_returned()->set_unit("chengguan");
  Use(returned);
  EXPECT_EQ(Clock(CLOCK_KIND_UNIT_RETURN).state, v1::CLOCK_STATE_STOPPED);
  EXPECT_EQ(Clock(CLOCK_KIND_UNIT_RETURN).rung, type::v1::RUNG_UNSPECIFIED);
}

// A policy may give assisting units limits of their own, or none.
TEST_F(AssistClocksTest, APolicyTellsLeadAndAssistApart) {
  config::v1::Policy policy = TestPolicy();
  const auto put_first = [&](type::v1::ClockKind clock, config::v1::UnitRole role, int64_t limit_s) {
    config::v1::DeadlineRule rule;
    rule.set_clock(clock);
    rule.set_role(role);
    rule.set_limit_s(limit_s);
    const config::v1::Policy before = policy;
    policy.clear_rules();
    *policy.add_rules() = rule;
    for (const config::v1::DeadlineRule& one : before.rules()) *policy.add_rules() = one;
  };
  put_first(CLOCK_KIND_FINISH, config::v1::UNIT_ROLE_ASSIST, 1800);
  put_first(CLOCK_KIND_SIGN, config::v1::UNIT_ROLE_LEAD, 300);
  EXPECT_THAT(boot::CheckPolicy(policy), IsEmpty());
  deadlines_ = Deadlines(policy);
  Dispatch(0);
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH).due, At(3600));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH, "shuiwu").due, At(1800));
  EXPECT_EQ(Clock(CLOCK_KIND_SIGN).due, At(300));
  EXPECT_EQ(Clock(CLOCK_KIND_SIGN, "shuiwu").due, At(1200)) << "the rule for both is left to it";

  // Published, it moves the clocks of those that it is for.
  put_first(CLOCK_KIND_FINISH, config::v1::UNIT_ROLE_ASSIST, 1900);
  deadlines_ = deadlines_.With({.number = 2, .time = At(10), .policy = policy});
  const auto moved = MovedTo(order_, Clock(CLOCK_KIND_FINISH, "shuiwu"), 2, deadlines_);
  ASSERT_TRUE(moved.has_value());
  EXPECT_EQ(moved->due, At(1900));
  EXPECT_FALSE(MovedTo(order_, Clock(CLOCK_KIND_FINISH), 2, deadlines_).has_value());
  type::v1::Event event = make_.Make(kId, type::v1::ORDER_STATE_UNSPECIFIED, At(20));
  *event.mutable_deadline_moved() =
      MoveCommand(order_, Clock(CLOCK_KIND_FINISH, "shuiwu"), *moved, deadlines_).deadline_move();
  Use(event);
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH, "shuiwu").due, At(1900));
  EXPECT_EQ(Clock(CLOCK_KIND_FINISH, "shuiwu").rule.rule, moved->rule.rule);

  // Without a rule for them they have no clock.
  config::v1::Policy lead_only;
  lead_only.set_version("lead-only");
  config::v1::DeadlineRule* rule = lead_only.add_rules();
  rule->set_clock(CLOCK_KIND_FINISH);
  rule->set_role(config::v1::UNIT_ROLE_LEAD);
  rule->set_limit_s(600);
  deadlines_ = Deadlines(lead_only);
  order_ = OrderClocks();
  Dispatch(100);
  EXPECT_THAT(Live(), ElementsAre("4:chengguan"));
}

// The same through the real store: each clock's rungs, once each, and after kills.
TEST(AssistClocksInTheStore, EachClimbsItsOwnLadderOnce) {
  World world;
  world.policy = WithReturns();
  world.Restart();
  world.ledger.Append(world.ledger.make.Registered(1, world.now()));
  world.ledger.Append(world.ledger.make.Accepted(1, world.now()));
  world.ledger.Append(world.ledger.make.Dispatched(1, world.now(), "chengguan", {"huanbao", "shuiwu"}));
  world.Advance(absl::Seconds(700));
  world.Restart();
  world.ledger.Append(world.ledger.make.Signed(1, world.now(), "shuiwu"));
  world.ledger.Append(world.ledger.make.Signed(1, world.now()));
  world.Advance(absl::Seconds(1200));
  world.Restart();
  world.ledger.Append(world.ledger.make.PartDone(1, world.now(), "shuiwu"));
  world.Advance(absl::Hours(2));
  const auto key = [](int clock, int rung, const char* unit) {
    return absl::StrCat("1/", clock, "/3/", rung, unit[0] == '\0' ? "" : "/", unit);
  };
  constexpr int kRemind = type::v1::RUNG_REMIND;
  constexpr int kUrge = type::v1::RUNG_URGE;
  EXPECT_THAT(
      world.ledger.Rungs(),
      testing::UnorderedElementsAre(
          Pair(key(CLOCK_KIND_SIGN, kRemind, ""), 1), Pair(key(CLOCK_KIND_SIGN, kRemind, "huanbao"), 1),
          Pair(key(CLOCK_KIND_SIGN, kRemind, "shuiwu"), 1), Pair(key(CLOCK_KIND_SIGN, kUrge, "huanbao"), 1),
          Pair(key(CLOCK_KIND_FINISH, kRemind, ""), 1), Pair(key(CLOCK_KIND_FINISH, kRemind, "huanbao"), 1),
          Pair(key(CLOCK_KIND_FINISH, kRemind, "shuiwu"), 1), Pair(key(CLOCK_KIND_FINISH, kUrge, ""), 1),
          Pair(key(CLOCK_KIND_FINISH, kUrge, "huanbao"), 1),
          Pair(key(CLOCK_KIND_UNIT_RETURN, type::v1::RUNG_CLOSE_RETURN, ""), 1)));

  // Listed page by page, each once.
  std::set<std::string> listed;
  v1::ListDeadlinesRequest request;
  request.set_include_stopped(true);
  request.set_page_size(1);
  int pages = 0;
  do {
    absl::StatusOr<v1::ListDeadlinesResponse> page = absl::UnknownError("no answer");
    world.alive->service().ListDeadlines(
        {.now = world.now()}, request,
        [&](absl::StatusOr<v1::ListDeadlinesResponse> answer) { page = std::move(answer); });
    world.executor->Run();
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::Deadline& deadline : page->deadlines()) {
      EXPECT_TRUE(listed
                      .insert(absl::StrCat(deadline.clock(), "/", deadline.armed_by_sequence(), "/",
                                           deadline.assist_unit()))
                      .second);
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty() && ++pages < 20);
  EXPECT_EQ(listed.size(), 8u);
}

}  // namespace
}  // namespace hotline::escalation
