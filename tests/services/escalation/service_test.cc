// ListDeadlines and WatchEscalations as a client sees them.
#include "services/escalation/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>

#include "absl/strings/escaping.h"
#include "common/error/error.h"
#include "services/escalation/core/explain.h"
#include "services/escalation/edge_rules.h"
#include "tests/services/escalation/world.h"

namespace hotline::escalation {
namespace {

using error::Reason;

class ServiceTest : public testing::Test {
 protected:
  void SetUp() override { world_.Restart(); }

  absl::StatusOr<v1::ListDeadlinesResponse> List(const v1::ListDeadlinesRequest& request) {
    std::optional<absl::StatusOr<v1::ListDeadlinesResponse>> answer;
    world_.alive->service().ListDeadlines(
        CallContext{.now = world_.now()}, request,
        [&](absl::StatusOr<v1::ListDeadlinesResponse> response) { answer = std::move(response); });
    world_.executor->Run();
    EXPECT_TRUE(answer.has_value());
    return *std::move(answer);
  }
  absl::StatusOr<v1::ExplainDeadlineResponse> Explain(const v1::ExplainDeadlineRequest& request) {
    std::optional<absl::StatusOr<v1::ExplainDeadlineResponse>> answer;
    world_.alive->service().ExplainDeadline(
        CallContext{.now = world_.now()}, request,
        [&](absl::StatusOr<v1::ExplainDeadlineResponse> response) { answer = std::move(response); });
    world_.executor->Run();
    EXPECT_TRUE(answer.has_value());
    return *std::move(answer);
  }
  Reason ReasonOf(const v1::ListDeadlinesRequest& request) { return error::ReasonOf(List(request).status()); }
  // All pages of `request`, put together.
  std::vector<v1::Deadline> ListAll(v1::ListDeadlinesRequest request) {
    std::vector<v1::Deadline> all;
    for (int page = 0; page < 1000; ++page) {
      const auto response = List(request);
      EXPECT_TRUE(response.ok()) << response.status();
      if (!response.ok()) break;
      all.insert(all.end(), response->deadlines().begin(), response->deadlines().end());
      if (response->next_page_token().empty()) break;
      request.set_page_token(response->next_page_token());
    }
    return all;
  }

  // A watch whose messages are taken as they come.
  struct Watch {
    std::unique_ptr<MessageStream> stream;
    std::vector<v1::WatchEscalationsResponse> messages;
    absl::Status status;
    bool ended = false;
    void Pull() {
      stream->Next([this](absl::StatusOr<SharedMessage> message) {
        if (!message.ok()) {
          status = message.status();
          ended = true;
          return;
        }
        if (*message == nullptr) {
          ended = true;
          return;
        }
        messages.emplace_back();
        EXPECT_TRUE(messages.back().ParseFromString(**message));
        Pull();
      });
    }
    std::vector<int64_t> sequences() const {
      std::vector<int64_t> all;
      for (const auto& message : messages) {
        for (const auto& record : message.escalations()) all.push_back(record.sequence());
      }
      return all;
    }
  };
  std::unique_ptr<Watch> Open(int64_t start, std::string identity = {}) {
    v1::WatchEscalationsRequest request;
    request.set_start_sequence(start);
    auto stream = world_.alive->service().WatchEscalations(
        CallContext{.now = world_.now(), .identity = std::move(identity)}, request);
    EXPECT_TRUE(stream.ok()) << stream.status();
    auto watch = std::make_unique<Watch>();
    watch->stream = *std::move(stream);
    watch->Pull();
    world_.executor->Run();
    return watch;
  }

  World world_;
};

TEST_F(ServiceTest, ListsTheNextDueFirstAndPages) {
  EventMaker& make = world_.ledger.make;
  for (int64_t id = 1; id <= 40; ++id) {
    world_.ledger.Append(make.Offered(id, world_.now()));
    if (id % 4 == 0) world_.ledger.Append(make.Received(id, world_.now()));
    if (id % 8 == 0) world_.ledger.Append(make.Accepted(id, world_.now(), "110"));
    if (id % 16 == 0) world_.ledger.Append(make.Suspended(id, world_.now()));
    world_.Advance(absl::Seconds(1));
  }
  const auto all = ListAll({});
  EXPECT_EQ(all.size(), 40u);
  for (int page_size : {1, 3, 7, 39, 40, 41, 500}) {
    v1::ListDeadlinesRequest request;
    request.set_page_size(page_size);
    const auto paged = ListAll(request);
    ASSERT_EQ(paged.size(), all.size()) << page_size;
    for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(paged[i].order_id(), all[i].order_id());
  }
  for (size_t i = 1; i < all.size(); ++i) {
    EXPECT_LE(all[i - 1].clock_state(), all[i].clock_state());
    if (all[i - 1].clock_state() == all[i].clock_state()) {
      EXPECT_LE(FromProto(all[i - 1].due_time()), FromProto(all[i].due_time()));
    }
  }
  EXPECT_EQ(all[0].order_number(), "12345-20260921-1");
  EXPECT_EQ(all[0].clock(), type::v1::CLOCK_KIND_PEER_RECEIPT);
  EXPECT_EQ(all[0].duty_party(), "110");
  EXPECT_EQ(all[0].order_state(), type::v1::ORDER_STATE_OFFERED);
  EXPECT_EQ(all.back().clock_state(), v1::CLOCK_STATE_PAUSED);

  v1::ListDeadlinesRequest stopped;
  stopped.set_include_stopped(true);
  stopped.set_page_size(9);
  const auto with_stopped = ListAll(stopped);
  EXPECT_EQ(with_stopped.size(), 40u + 10u + 5u);
  std::set<std::string> distinct;
  for (const auto& d : with_stopped) distinct.insert(absl::StrCat(d.order_id(), "/", d.clock()));
  EXPECT_EQ(distinct.size(), with_stopped.size());

  v1::ListDeadlinesRequest soon;
  *soon.mutable_due_before_time() = ToProto(Start() + absl::Seconds(70));
  // Orders 1 to 10 (those offered in the first ten seconds) but 4 and 8, which were received.
  EXPECT_EQ(ListAll(soon).size(), 8u);

  v1::ListDeadlinesRequest one;
  one.set_order_id(FormatOrderId(8));
  EXPECT_EQ(ListAll(one).size(), 1u);
  one.set_include_stopped(true);
  one.set_page_size(2);
  EXPECT_EQ(ListAll(one).size(), 3u);
  one.set_order_id("12345-20260921-8");
  EXPECT_EQ(ListAll(one).size(), 3u);
  one.set_order_id("12345-20260921-999");
  EXPECT_EQ(ListAll(one).size(), 0u);

  v1::ListDeadlinesRequest party;
  party.set_duty_party("110");
  EXPECT_EQ(ListAll(party).size(), 40u);
  party.set_duty_party("119");
  EXPECT_EQ(ListAll(party).size(), 0u);
}

// It named the order, its deadline and its clock.
TEST_F(ServiceTest, APageTokenTellsNothingOfWhatIsHidden) {
  std::set<int64_t> hidden;
  for (int64_t id = 1; id <= 40; ++id) {
    type::v1::Event offered = world_.ledger.make.Offered(id, world_.now());
    if (id % 2 == 0 || id > 30) {
      offered.set_restricted(true);
      hidden.insert(id);
    }
    world_.ledger.Append(offered);
    world_.Advance(absl::Seconds(1));
  }
  for (const char* party : {"", "110"}) {
    v1::ListDeadlinesRequest request;
    request.set_duty_party(party);
    request.set_page_size(1);
    std::vector<int64_t> seen;
    do {
      const auto page = List(request);
      ASSERT_TRUE(page.ok()) << page.status();
      ASSERT_EQ(page->deadlines_size(), 1) << "what goes on has something to show";
      seen.push_back(*ParseOrderId(page->deadlines(0).order_id()));
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    EXPECT_EQ(seen.size(), 15u);
    EXPECT_EQ(seen.back(), 29);
  }
  v1::ListDeadlinesRequest one;
  one.set_order_id(FormatOrderId(2));
  one.set_page_size(1);
  one.set_include_stopped(true);
  EXPECT_EQ(List(one)->deadlines_size(), 0);
  EXPECT_EQ(List(one)->next_page_token(), "");
  // Nor where a page ends because it has looked at enough.
  ListQuery query{
      .now = world_.now(), .limit = 100, .scan_limit = 11, .may_know = [&](const OrderClocks& order) {
        return !hidden.contains(order.id);
      }};
  int count = 0;
  for (std::optional<ListKey> next = ListKey(); next.has_value();) {
    query.after = *next;
    const auto page = world_.alive->store().reader().List(query);
    ASSERT_TRUE(page.ok()) << page.status();
    count += static_cast<int>(page->rows.size());
    next = page->next;
    EXPECT_FALSE(next.has_value() && hidden.contains(next->order_id));
  }
  EXPECT_EQ(count, 15);
}

TEST_F(ServiceTest, LampsAreOfTheTimeOfTheAnswer) {
  world_.ledger.Append(world_.ledger.make.Registered(1, world_.now(), type::v1::URGENCY_URGENT));
  world_.ledger.Append(world_.ledger.make.Accepted(1, world_.now()));
  world_.Advance(absl::Seconds(10));
  const auto lamp = [&] { return List({})->deadlines(0).lamp(); };
  EXPECT_EQ(lamp(), v1::LAMP_GREEN);
  world_.Advance(absl::Seconds(1800));
  EXPECT_EQ(lamp(), v1::LAMP_YELLOW);
  EXPECT_EQ(List({})->deadlines(0).rung(), type::v1::RUNG_REMIND);
  world_.Advance(absl::Seconds(1800));
  EXPECT_EQ(lamp(), v1::LAMP_RED);
  const auto response = *List({});
  EXPECT_EQ(response.deadlines(0).rung(), type::v1::RUNG_URGE);
  EXPECT_TRUE(response.deadlines(0).breached());
  EXPECT_EQ(response.deadlines(0).urgency(), type::v1::URGENCY_URGENT);
  EXPECT_EQ(response.watermark(), 4);
  EXPECT_EQ(FromProto(response.server_time()), world_.now());
}

TEST_F(ServiceTest, BadRequestsAreToldApart) {
  for (int64_t id = 1; id <= 3; ++id) world_.ledger.Append(world_.ledger.make.Offered(id, world_.now()));
  world_.Advance(absl::Seconds(1));
  v1::ListDeadlinesRequest request;
  request.set_page_size(-1);
  EXPECT_EQ(ReasonOf(request), Reason::ERROR_REASON_PAGE_SIZE_INVALID);
  request.set_page_size(501);
  EXPECT_EQ(ReasonOf(request), Reason::ERROR_REASON_PAGE_SIZE_INVALID);
  request.set_page_size(1);
  request.set_page_token("nonsense");
  EXPECT_EQ(ReasonOf(request), Reason::ERROR_REASON_PAGE_TOKEN_INVALID);
  request.clear_page_token();
  request.set_page_token(List(request)->next_page_token());
  EXPECT_TRUE(List(request).ok());
  // The unit in it, which stands last, is no text.
  std::string token;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(request.page_token(), &token));
  request.set_page_token(absl::WebSafeBase64Escape(absl::string_view(token + std::string("a\0b", 3))));
  EXPECT_EQ(ReasonOf(request), Reason::ERROR_REASON_PAGE_TOKEN_INVALID);
  request.set_page_token(absl::WebSafeBase64Escape(absl::string_view(token)));
  EXPECT_TRUE(List(request).ok());
  request.set_include_stopped(true);  // another filter
  EXPECT_EQ(ReasonOf(request), Reason::ERROR_REASON_PAGE_TOKEN_INVALID);
  request.Clear();
  request.set_duty_party(std::string(65, 'x'));
  EXPECT_EQ(ReasonOf(request), Reason::ERROR_REASON_TEXT_TOO_LONG);
  request.Clear();
  request.set_order_id("\x01");
  EXPECT_EQ(ReasonOf(request), Reason::ERROR_REASON_TEXT_INVALID);
  request.Clear();
  request.mutable_due_before_time()->set_nanos(-1);
  EXPECT_EQ(ReasonOf(request), Reason::ERROR_REASON_TIME_INVALID);

  v1::WatchEscalationsRequest watch;
  watch.set_start_sequence(-1);
  EXPECT_EQ(error::ReasonOf(world_.alive->service().WatchEscalations({}, watch).status()),
            Reason::ERROR_REASON_SEQUENCE_OUT_OF_RANGE);
  watch.set_start_sequence(0);
  watch.mutable_heartbeat_interval()->set_seconds(61);
  EXPECT_EQ(error::ReasonOf(world_.alive->service().WatchEscalations({}, watch).status()),
            Reason::ERROR_REASON_FIELD_INVALID);
}

// The calendar spoke of an amount, which is no field of the request.
TEST_F(ServiceTest, ADeadlineTooFarToExplainIsToldAsSuch) {
  config::v1::EscalationConfig config;
  config.set_policy_file(HOTLINE_SOURCE_DIR "/deploy/policy/wuqia.yaml");
  config.set_calendars_file(HOTLINE_SOURCE_DIR "/deploy/calendars/wuqia.yaml");
  auto rules = LoadRules(config, "");
  ASSERT_TRUE(rules.ok()) << rules.status();
  rules->parties = {.site = "12345", .peers = {"110"}};
  world_.deadlines = std::make_unique<Deadlines>(std::vector<Publication>{*std::move(rules)});
  world_.Restart();
  EventMaker& make = world_.ledger.make;
  const auto explain = [this](int64_t id) {
    v1::ExplainDeadlineRequest request;
    request.set_order_id(FormatOrderId(id));
    return Explain(request).status();
  };
  const std::vector<absl::Duration> until = {absl::Hours(24 * 300), absl::Hours(24 * 1500),
                                             absl::Hours(24 * 365 * 230)};
  for (size_t i = 0; i < until.size(); ++i) {
    const auto id = static_cast<int64_t>(i) + 1;
    world_.ledger.Append(make.Registered(id, world_.now()));
    world_.ledger.Append(make.Accepted(id, world_.now()));
    world_.ledger.Append(make.Dispatched(id, world_.now()));
    world_.Advance(absl::Seconds(1));
    world_.ledger.Append(make.Extended(id, world_.now(), Start() + until[i]));
    world_.ledger.Append(make.Suspended(id, world_.now()));
    world_.Advance(absl::Seconds(1));
    const absl::Status status = explain(id);
    if (i == 0) {
      EXPECT_TRUE(status.ok()) << status;
      continue;
    }
    EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_TIME_INVALID) << status;
    EXPECT_EQ(error::FieldOf(status), "clock");
  }
}

TEST_F(ServiceTest, WithoutAKindTheDeadlineThatRunsIsExplained) {
  EventMaker& make = world_.ledger.make;
  const absl::Time at = world_.now() + absl::Milliseconds(400);
  world_.ledger.Append(make.Offered(1, at));
  world_.ledger.Append(make.Received(1, at));
  world_.Advance(absl::Seconds(1));
  v1::ExplainDeadlineRequest request;
  request.set_order_id(FormatOrderId(1));
  const auto answer = Explain(request);
  ASSERT_TRUE(answer.ok()) << "there is no FINISH";
  const v1::ClockDerivation& derivation = answer->derivation();
  EXPECT_EQ(derivation.clock(), type::v1::CLOCK_KIND_PEER_ACCEPTANCE) << "the other one has stopped";
  // Its ends are as far apart as the limit.
  ASSERT_TRUE(derivation.has_limit());
  const absl::Time start = FromProto(derivation.limit().start_time());
  EXPECT_GT(start, FromProto(derivation.start_time()));
  EXPECT_THAT(answer->text_zh(),
              testing::HasSubstr("起算：" + absl::FormatTime("%Y年%m月%d日%H:%M:%S", start, Beijing())));
}

TEST_F(ServiceTest, OfAPartyThatNobodyKnowsItIsNotSaidThatNothingIsDue) {
  v1::ListDeadlinesRequest request;
  EXPECT_TRUE(List(request).ok());
  request.set_duty_party("rensheju");
  EXPECT_TRUE(List(request).ok());
  request.set_duty_party("nosuch");
  EXPECT_EQ(ReasonOf(request), type::v1::ERROR_REASON_UNIT_UNKNOWN);
}

TEST_F(ServiceTest, WhoAsksForAClockThatIsNotThereIsToldWhichAre) {
  EventMaker& make = world_.ledger.make;
  world_.ledger.Append(make.Offered(1, world_.now()));
  world_.Advance(absl::Seconds(1));
  v1::ExplainDeadlineRequest request;
  request.set_order_id(FormatOrderId(1));
  request.set_clock(type::v1::CLOCK_KIND_FINISH);
  const absl::Status none = Explain(request).status();
  EXPECT_EQ(error::ReasonOf(none), type::v1::ERROR_REASON_CLOCK_NOT_FOUND);
  EXPECT_THAT(std::string(none.message()), testing::HasSubstr("those it has: peer-receipt"));
  EXPECT_THAT(error::ChineseOf(none),
              testing::HasSubstr("现有时限：" + ClockNameZh(type::v1::CLOCK_KIND_PEER_RECEIPT)));
}

TEST_F(ServiceTest, WatchGivesHistoryThenWhatComes) {
  EventMaker& make = world_.ledger.make;
  for (int64_t id = 1; id <= 700; ++id) world_.ledger.Append(make.Offered(id, world_.now()));
  world_.Advance(absl::Seconds(61));
  ASSERT_EQ(world_.ledger.log().size(), 1400u);
  world_.Restart();  // the ring is empty: all of it is read from the store
  world_.Advance(absl::Seconds(1));
  const auto all = Open(1);
  const auto late = Open(1301);
  const auto live = Open(0);
  EXPECT_EQ(all->sequences().size(), 700u);
  EXPECT_EQ(late->sequences().size(), 100u);
  EXPECT_EQ(live->sequences().size(), 0u);
  world_.ledger.Append(make.Offered(5000, world_.now()));
  world_.Advance(absl::Seconds(61));
  for (const Watch* watch : {all.get(), late.get(), live.get()}) {
    ASSERT_FALSE(watch->sequences().empty());
    EXPECT_EQ(watch->sequences().back(), 1402);
    EXPECT_EQ(watch->messages.back().watermark(), 1402);  // of a heartbeat
  }
  EXPECT_EQ(all->sequences().size(), 701u);
  const std::vector<int64_t> sequences = all->sequences();
  EXPECT_TRUE(std::is_sorted(sequences.begin(), sequences.end()));
  for (const auto& message : live->messages) {
    if (message.escalations_size() == 0) continue;
    EXPECT_EQ(message.escalations(0).order_id(), FormatOrderId(5000));
    EXPECT_EQ(message.escalations(0).escalation().rung(), type::v1::RUNG_URGE);
  }
  const auto beyond = Open(9999);
  EXPECT_EQ(error::ReasonOf(beyond->status), Reason::ERROR_REASON_SEQUENCE_OUT_OF_RANGE);
  world_.alive->service().Drain();
  world_.executor->Run();
  EXPECT_TRUE(all->ended);
  EXPECT_TRUE(all->status.ok());
  EXPECT_TRUE(all->messages.back().draining());
}

// From memory, and from the store.
TEST_F(ServiceTest, ARungFromBeforeItsOrderWasRestrictedIsForTheClearedAlone) {
  EventMaker& make = world_.ledger.make;
  world_.ledger.Append(make.Offered(1, world_.now()));
  world_.ledger.Append(make.Offered(2, world_.now()));
  world_.Advance(absl::Seconds(61));
  ASSERT_EQ(Open(1)->sequences().size(), 2u);
  type::v1::Event restricted = make.Received(1, world_.now());
  restricted.set_restricted(true);
  world_.ledger.Append(restricted);
  world_.Advance(absl::Seconds(1));
  const auto disclosed = [this] {
    std::vector<std::string> orders;
    for (const type::v1::Event& event : world_.ledger.log()) {
      if (!event.has_disclosed()) continue;
      EXPECT_EQ(event.disclosed().kind(), type::v1::DISCLOSURE_KIND_WATCH);
      EXPECT_EQ(event.disclosed().role(), "supervisor");
      orders.push_back(event.order_id());
    }
    return orders;
  };
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    if (restarted) {
      world_.Restart();
      world_.Advance(absl::Seconds(1));
    }
    const std::vector<std::string> before = disclosed();
    const auto uncleared = Open(1);
    ASSERT_EQ(uncleared->sequences().size(), 1u);
    for (const auto& message : uncleared->messages) {
      for (const auto& record : message.escalations()) EXPECT_EQ(record.order_id(), FormatOrderId(2));
    }
    EXPECT_EQ(disclosed(), before);
    // To whoever needs to know it is shown, once that is on record.
    world_.ledger.refuse_calls = 1;
    const auto unrecorded = Open(1, "12345/supervisor");
    EXPECT_TRUE(unrecorded->ended);
    EXPECT_TRUE(unrecorded->sequences().empty());
    const auto cleared = Open(1, "12345/supervisor");
    EXPECT_EQ(cleared->sequences().size(), 2u);
    ASSERT_EQ(disclosed().size(), before.size() + 1);
    EXPECT_EQ(disclosed().back(), FormatOrderId(1));
  }
}

}  // namespace
}  // namespace hotline::escalation
