// Retention: what is over goes when its time has passed, what is held, at work or owed to a peer stays, and
// the log verifies before and after.
#include "services/work_order/retention.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>

#include "common/base/id.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "common/exchange/chain.h"
#include "common/sql/sqlite.h"
#include "services/work_order/engine.h"
#include "services/work_order/service.h"
#include "tests/support/sql_scratch.h"
#include "tests/support/steps.h"

namespace hotline::work_order {
namespace {

using error::Reason;

constexpr absl::Duration kDay = absl::Hours(24);
constexpr int kDays = 200;

class RetentionTest : public testing::Test {
 protected:
  RetentionTest() { Open(); }
  ~RetentionTest() override { Close(); }

  void Open() {
    auto database = sql::OpenSqlite({.path = StrCat(folder_.path(), "/", file_)});
    EXPECT_TRUE(database.ok()) << database.status();
    auto store = Store::OpenOn(*std::move(database), "12345");
    EXPECT_TRUE(store.ok()) << store.status();
    auto reader = (*store)->NewReader();
    auto own = (*store)->NewReader();
    look_ = *(*store)->NewReader();
    EngineOptions options;
    options.site.hotline = "12345";
    options.site.peers.insert(peers_.begin(), peers_.end());
    options.queue_limit = 1;  // one that waits is enough to overload it
    options.draw_salt = [] { return std::string(16, 's'); };
    engine_ = *Engine::Create(*std::move(store), std::move(options), steps_.clock(), &steps_);
    service_ = std::make_unique<WorkOrderService>(engine_.get(), *std::move(reader), &steps_, &steps_,
                                                  steps_.clock());
    RetentionOptions periods;
    periods.hotline = "12345";
    periods.peers = peers_;
    periods.content_days = kDays;
    periods.erase_strays = [this](std::vector<int64_t> places, absl::AnyInvocable<void(absl::Status)> done) {
      engine_->EraseStrays(std::move(places), std::move(done));
    };
    periods.on_run = [this](int64_t erased) { runs_.push_back(erased); };
    periods.on_failure = [this](const absl::Status& status) { failures_.push_back(error::ReasonOf(status)); };
    retention_ = std::make_unique<Retention>(engine_.get(), *std::move(own), &steps_, steps_.clock(),
                                             std::move(periods));
  }
  void Close() {
    steps_.Clear();
    retention_.reset();
    service_.reset();
    look_.reset();
    engine_.reset();
  }

  // Everything that is ready runs, the committer too.
  void Settle() {
    do {
      steps_.RunDue();
    } while (engine_->RunBatch());
    steps_.RunDue();
  }
  // The copy of an order that came from the peer and goes back to it, due to be erased but for what is owed.
  std::string ReturnedCopy() {
    Offer("13900000001");
    const auto orders = look_->ScanOrders(0, 10);
    EXPECT_TRUE(orders.ok() && orders->size() == 1);
    const std::string copy = orders->front().id();
    type::v1::Command give_back = On(copy);
    give_back.mutable_handoff_return()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
    give_back.mutable_handoff_return()->set_reason("属公安职责");
    EXPECT_TRUE(Run(*service_, give_back).ok());
    PassDays(kDays + 1);
    return copy;
  }
  // Day by day, as the job looks at the clock.
  void PassDays(int days) {
    for (int i = 0; i < days; ++i) {
      steps_.clock()->Advance(kDay);
      Settle();
    }
  }

  using Result = absl::StatusOr<workorder::v1::CommandResult>;
  template <typename Target>
  Result Run(Target& target, type::v1::Command command) {
    std::optional<Result> answer;
    if (command.header().request_id().empty()) {
      command.mutable_header()->set_request_id(StrCat("request-", ++requests_));
    }
    if (command.header().actor().account().empty())
      command.mutable_header()->mutable_actor()->set_account("1001");
    target.Execute({.now = steps_.clock()->Now()}, std::move(command),
                   [&](Result result) { answer = std::move(result); });
    Settle();
    return answer.value_or(Result(absl::InternalError("no answer")));
  }
  static type::v1::Command On(const std::string& order) {
    type::v1::Command command;
    command.mutable_header()->set_order_id(order);
    return command;
  }
  static type::v1::OrderContent Lamp(const std::string& phone) {
    type::v1::OrderContent content;
    content.set_type(type::v1::ORDER_TYPE_HELP);
    content.set_channel(type::v1::CHANNEL_PHONE);
    content.set_urgency(type::v1::URGENCY_NORMAL);
    content.set_title("路灯不亮");
    content.set_text("小区门口的路灯坏了三天");
    content.mutable_caller()->set_name("王小明");
    content.mutable_caller()->set_phone(phone);
    return content;
  }
  // The id of a new order, registered here by a caller.
  std::string Register() {
    type::v1::Command command;
    *command.mutable_registration()->mutable_content() = Lamp("13900000001");
    const Result result = Run(*service_, command);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->order().id() : "";
  }
  void Cancel(const std::string& order) {
    type::v1::Command command = On(order);
    command.mutable_cancellation()->set_reason("重复");
    EXPECT_TRUE(Run(*service_, command).ok());
  }
  std::string Closed() {
    const std::string order = Register();
    Cancel(order);
    return order;
  }
  type::v1::WorkOrder Read(const std::string& order) { return **look_->FindOrder(*ParseOrderId(order)); }
  std::string ContentOf(const std::string& order) { return *look_->FindContent(*ParseOrderId(order)); }
  bool Erased(const std::string& order) { return Read(order).has_erase_time(); }
  std::string Verify() {
    std::string fault = "no answer";
    service_->VerifyLog({}, {}, [&](absl::StatusOr<workorder::v1::VerifyLogResponse> response) {
      fault = response.ok() ? response->fault() : std::string(response.status().message());
    });
    Settle();
    return fault;
  }
  // 110 offers an order of a caller with this number, by a handoff of this id or one of its own.
  void Offer(const std::string& phone, const std::string& id = "") {
    exchange::v1::OfferBody body;
    type::v1::Handoff& handoff = *body.mutable_handoff();
    ++offers_;
    handoff.set_id(id.empty() ? StrCat("110-000000000000", offers_, "-1") : id);
    handoff.set_from_hotline("110");
    handoff.set_to_hotline("12345");
    handoff.set_from_number(StrCat("110-20260105-00000", offers_));
    handoff.set_attempt(1);
    body.set_origin_hotline("110");
    body.mutable_custody()->set_holder("110");
    body.mutable_custody()->set_epoch(1);
    body.mutable_custody()->mutable_hold_time()->set_seconds(absl::ToUnixSeconds(steps_.clock()->Now()));
    body.set_content_salt(std::string(16, 'p'));
    body.set_content(Lamp(phone).SerializeAsString());
    Deliver(exchange::v1::ENVELOPE_KIND_OFFER, handoff.id(), body.SerializeAsString());
  }
  // 110's envelope `offers_`.
  void Deliver(exchange::v1::EnvelopeKind kind, const std::string& handoff_id, std::string bytes) {
    exchange::v1::Envelope envelope;
    envelope.set_sequence(offers_);
    envelope.set_kind(kind);
    envelope.set_handoff_id(handoff_id);
    envelope.set_body(std::move(bytes));
    envelope.set_previous_hash(offers_ == 1 ? LaneStart(exchange::v1::LANE_ORDINARY) : offered_hash_);
    envelope.set_hash(EnvelopeHash(envelope));
    offered_hash_ = envelope.hash();
    workorder::v1::ApplyInboxRequest request;
    request.set_peer("110");
    *request.add_envelopes() = std::move(envelope);
    absl::Status status = absl::InternalError("no answer");
    engine_->ApplyInbox({}, request, [&](auto response) { status = response.status(); });
    Settle();
    EXPECT_TRUE(status.ok()) << status;
  }
  // 110 has all that is owed to it.
  void Acknowledge() {
    workorder::v1::PullOutboxRequest request;
    request.set_peer("110");
    const LaneKey key{.peer = "110", .lane = exchange::v1::LANE_ORDINARY};
    const auto owed = look_->ReadOutbox(key, 0, 100);
    ASSERT_TRUE(owed.ok() && !owed->empty());
    request.mutable_receipt()->set_received_through(owed->back().envelope.sequence());
    request.mutable_receipt()->set_head_hash(owed->back().envelope.hash());
    absl::Status status = absl::InternalError("no answer");
    engine_->PullOutbox({}, request, [&](auto response) { status = response.status(); });
    Settle();
    EXPECT_TRUE(status.ok()) << status;
  }
  operation::v1::RunRetentionResponse RunNow() {
    operation::v1::RunRetentionResponse answer;
    retention_->RunRetention({.now = steps_.clock()->Now()}, {}, [&](auto response) {
      EXPECT_TRUE(response.ok()) << response.status();
      if (response.ok()) answer = *response;
    });
    Settle();
    return answer;
  }
  int ByCaller() {
    workorder::v1::ListFilter filter;
    filter.set_caller_phone("13900000001");
    int64_t next = 0;
    return static_cast<int>((*look_->List(filter, 0, {.limit = 100, .scan_limit = 1000}, &next)).size());
  }

  ScratchFolder folder_;
  std::string file_ = "work_order.db";
  std::set<std::string> peers_ = {"110"};
  test::Steps steps_{absl::FromCivil(absl::CivilHour(2026, 1, 5, 12), Beijing())};
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Reader> look_;
  std::unique_ptr<WorkOrderService> service_;
  std::unique_ptr<Retention> retention_;
  std::vector<int64_t> runs_;
  std::vector<Reason> failures_;
  int requests_ = 0;
  int offers_ = 0;
  std::string offered_hash_;
};

TEST_F(RetentionTest, WhatIsOverGoesAfterItsTimeAndTheLogStands) {
  const std::string over = Closed();
  const std::string open = Register();
  retention_->Start();
  Settle();
  EXPECT_EQ(runs_, std::vector<int64_t>{0});
  EXPECT_EQ(ByCaller(), 2);
  PassDays(kDays);
  EXPECT_FALSE(Erased(over)) << "they have only just passed";
  PassDays(1);
  ASSERT_TRUE(Erased(over));
  EXPECT_EQ(ContentOf(over), "");
  EXPECT_EQ(Read(over).title(), "");
  EXPECT_EQ(Read(over).content_salt(), "");
  EXPECT_EQ(Read(over).content_digest().size(), 32u) << "the log goes on saying what there was";
  EXPECT_EQ(Read(over).state(), type::v1::ORDER_STATE_CANCELLED);
  EXPECT_FALSE(Erased(open)) << "nobody has finished it";
  EXPECT_NE(ContentOf(open), "");
  EXPECT_EQ(ByCaller(), 1) << "the number leads to what is left only";
  EXPECT_EQ(Verify(), "");
  EXPECT_EQ(retention_->erased(), 1);
  // Not once more, and nothing of it is left in the file.
  EXPECT_EQ(RunNow().erased_count(), 0);
  type::v1::Command reopen = On(over);
  reopen.mutable_offer()->set_to_hotline("110");
  EXPECT_EQ(error::ReasonOf(Run(*service_, reopen).status()), Reason::ERROR_REASON_CONTENT_ERASED);
}

TEST_F(RetentionTest, WhatIsLookedAtGoesInItsTimeToo) {
  const std::string over = Closed();
  retention_->Start();
  PassDays(kDays);
  type::v1::Command look = On(over);
  look.mutable_disclosure()->set_kind(type::v1::DISCLOSURE_KIND_CONTENT);
  ASSERT_TRUE(Run(*service_, look).ok());
  EXPECT_FALSE(Erased(over));
  PassDays(1);
  EXPECT_TRUE(Erased(over)) << "to be shown is no change";
  EXPECT_EQ(ContentOf(over), "");
  EXPECT_EQ(Verify(), "");
  EXPECT_EQ(RunNow().erased_count(), 0);
}

TEST_F(RetentionTest, AHoldKeepsAnOrderUntilItIsReleased) {
  const std::string held = Closed();
  const std::string other = Closed();
  type::v1::Command place = On(held);
  place.mutable_hold_placement()->set_reason("行政复议");
  EXPECT_EQ(error::ReasonOf(Run(*retention_, place).status()), Reason::ERROR_REASON_FIELD_REQUIRED);
  place.mutable_hold_placement()->set_reference("恰法〔2026〕12号");
  const Result placed = Run(*retention_, place);
  ASSERT_TRUE(placed.ok()) << placed.status();
  EXPECT_EQ(placed->order().title(), "") << "who holds an order need not see it";
  EXPECT_EQ(error::ReasonOf(Run(*retention_, place).status()), Reason::ERROR_REASON_LEGAL_HOLD);
  PassDays(kDays + 1);
  EXPECT_EQ(RunNow().erased_count(), 1);
  EXPECT_TRUE(Erased(other));
  EXPECT_FALSE(Erased(held));
  operation::v1::ListHoldsResponse holds;
  retention_->ListHolds({}, {}, [&](auto response) { holds = *response; });
  Settle();
  ASSERT_EQ(holds.orders_size(), 1);
  EXPECT_EQ(holds.orders(0).legal_hold().reference(), "恰法〔2026〕12号");

  type::v1::Command release = On(held);
  release.mutable_hold_release()->set_reason("已结案");
  ASSERT_TRUE(Run(*retention_, release).ok());
  EXPECT_EQ(error::ReasonOf(Run(*retention_, release).status()), Reason::ERROR_REASON_NOT_HELD);
  // The release is a change: the time begins again, so that nobody loses what he was just given back.
  EXPECT_EQ(RunNow().erased_count(), 0);
  PassDays(kDays + 1);
  EXPECT_EQ(RunNow().erased_count(), 1);
  EXPECT_TRUE(Erased(held));
  EXPECT_EQ(Verify(), "");
}

// Who holds an order need not be one who may know of what.
TEST_F(RetentionTest, AnAnswerAboutAHoldTellsNothingElseThatWasWritten) {
  const std::string held = Register();
  type::v1::Command accept = On(held);
  accept.mutable_acceptance();
  ASSERT_TRUE(Run(*service_, accept).ok());
  type::v1::Command finish = On(held);
  finish.mutable_completion()->mutable_reply()->set_disposition(type::v1::DISPOSITION_RESOLVED);
  finish.mutable_completion()->mutable_reply()->set_public_reply("已向王小明说明");
  const Result finished = Run(*service_, finish);
  ASSERT_TRUE(finished.ok()) << finished.status();
  const type::v1::WorkOrder order = Read(held);
  type::v1::Command place = On(held);
  place.mutable_hold_placement()->set_reason("行政复议");
  place.mutable_hold_placement()->set_reference("恰法〔2026〕12号");
  const Result placed = Run(*retention_, place);
  ASSERT_TRUE(placed.ok()) << placed.status();
  operation::v1::ListHoldsResponse holds;
  retention_->ListHolds({}, {}, [&](auto response) { holds = *response; });
  Settle();
  ASSERT_EQ(holds.orders_size(), 1);
  for (const type::v1::WorkOrder* answer : {&placed->order(), &holds.orders(0)}) {
    EXPECT_EQ(answer->number(), order.number());
    EXPECT_EQ(answer->legal_hold().reason(), "行政复议");
    EXPECT_EQ(answer->reply().public_reply(), "");
    EXPECT_EQ(answer->content_salt(), "");
  }
  EXPECT_NE(Read(held).reply().public_reply(), "");
}

TEST_F(RetentionTest, WhatIsWrittenAfterAnErasureGoesInItsTurn) {
  const std::string over = Closed();
  const std::string other = Closed();
  PassDays(kDays + 1);
  EXPECT_EQ(RunNow().erased_count(), 2);
  PassDays(1);
  type::v1::Command place = On(over);
  place.mutable_hold_placement()->set_reason("当事人王小明申请行政复议");
  place.mutable_hold_placement()->set_reference("恰法〔2026〕12号");
  ASSERT_TRUE(Run(*retention_, place).ok());
  const int64_t held_at = Read(over).last_event_sequence();
  type::v1::Command release = On(over);
  release.mutable_hold_release()->set_reason("已结案");
  ASSERT_TRUE(Run(*retention_, release).ok());
  const auto reason_of = [&](int64_t sequence) {
    type::v1::Event event;
    EXPECT_TRUE(event.ParseFromString((*look_->ReadEvents(sequence, 1))[0].bytes));
    return event.hold_placed().reason();
  };
  PassDays(kDays);
  EXPECT_NE(reason_of(held_at), "");
  PassDays(1);
  EXPECT_EQ(RunNow().erased_count(), 1) << "the other has nothing new";
  EXPECT_EQ(reason_of(held_at), "");
  EXPECT_EQ(Verify(), "") << "the later erasure attests what the earlier one did too";
  PassDays(kDays + 1);
  EXPECT_EQ(RunNow().erased_count(), 0);
}

TEST_F(RetentionTest, WhatIsOwedToAPeerStays) {
  const std::string copy = ReturnedCopy();
  EXPECT_EQ(RunNow().erased_count(), 0);
  EXPECT_NE(ContentOf(copy), "");
  // Nothing else kept it.
  Acknowledge();
  EXPECT_EQ(RunNow().erased_count(), 1);
  EXPECT_TRUE(Erased(copy));
  EXPECT_EQ(ContentOf(copy), "");
  EXPECT_EQ(Verify(), "");
}

// It kept the order for good, though nobody delivers it.
TEST_F(RetentionTest, WhatIsOwedToAFormerPeerGoes) {
  const std::string copy = ReturnedCopy();
  EXPECT_EQ(RunNow().erased_count(), 0) << "110 has not acknowledged it";
  Close();
  peers_.clear();
  Open();
  EXPECT_EQ(RunNow().erased_count(), 1);
  EXPECT_TRUE(Erased(copy));
  EXPECT_EQ(Verify(), "");
  // It is configured again.
  Close();
  peers_ = {"110"};
  Open();
  workorder::v1::PullOutboxRequest pull;
  pull.set_peer("110");
  pull.set_limit(10);
  absl::Status refused;
  engine_->PullOutbox({}, pull, [&](auto response) { refused = response.status(); });
  Settle();
  EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_CONTENT_ERASED);
}

// Ids never go back, and what was registered after the clock had been ahead was not looked at before that
// time.
TEST_F(RetentionTest, WhatIsOverGoesInTimeThoughTheClockWasAhead) {
  const absl::Time right = steps_.clock()->Now();
  steps_.clock()->Set(right + 400 * kDay);
  const std::string ahead = Closed();
  steps_.clock()->Set(right + kDay);
  const std::string over = Closed();
  ASSERT_GT(over, ahead);
  PassDays(kDays);
  EXPECT_EQ(RunNow().erased_count(), 0);
  PassDays(1);
  const std::string young = Closed();
  EXPECT_EQ(RunNow().erased_count(), 1);
  EXPECT_TRUE(Erased(over));
  EXPECT_FALSE(Erased(ahead));
  EXPECT_FALSE(Erased(young));
}

// Each time it erased at the first look, which nothing brings back.
TEST_F(RetentionTest, AClockThatLeaptErasesNothing) {
  const std::string over = Closed();
  retention_->Start();
  PassDays(2);
  const absl::Time right = steps_.clock()->Now();
  runs_.clear();
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again);
    failures_.clear();
    Close();
    steps_.clock()->Set(right + 400 * kDay);
    Open();
    retention_->Start();
    // What happens by the wrong clock does not bear it out, nor does another start.
    Closed();
    for (int looks = 0; looks < 3; ++looks) {
      steps_.clock()->Advance(absl::Minutes(5));
      Settle();
    }
    EXPECT_FALSE(Erased(over));
    EXPECT_EQ(failures_.size(), 1u) << "told once a day";
    EXPECT_EQ(runs_, std::vector<int64_t>());
  }
  // It is set right: the job goes on, and erases when it is time.
  failures_.clear();
  Close();
  steps_.clock()->Set(right + kDay);
  Open();
  retention_->Start();
  Register();
  PassDays(kDays - 3);
  EXPECT_FALSE(Erased(over));
  EXPECT_EQ(failures_, std::vector<Reason>());
  PassDays(1);
  EXPECT_TRUE(Erased(over));
  // While it works, too.
  const std::string later = Closed();
  PassDays(1);
  steps_.clock()->Set(steps_.clock()->Now() + 500 * kDay);
  Settle();
  EXPECT_FALSE(Erased(later));
  EXPECT_EQ(failures_.size(), 1u);
  // A person has looked at the time.
  EXPECT_GT(RunNow().erased_count(), 0);
  EXPECT_TRUE(Erased(later));
  EXPECT_EQ(Verify(), "");
}

// A busy site erased on the second day: its own events bore the wrong clock out.
TEST_F(RetentionTest, DaysOfEventsByAWrongClockEraseNothing) {
  const std::string over = Closed();
  retention_->Start();
  PassDays(2);
  Close();
  steps_.clock()->Set(steps_.clock()->Now() + 400 * kDay);
  Open();
  retention_->Start();
  for (int days = 0; days < 3; ++days) {
    Register();
    PassDays(1);
  }
  EXPECT_FALSE(Erased(over));
  EXPECT_EQ(failures_.size(), 4u) << "told on each day";
}

TEST_F(RetentionTest, ASiteThatStoodStillErasesAfterAWeek) {
  const std::string over = Closed();
  PassDays(kDays + 1);
  retention_->Start();
  Settle();
  PassDays(6);
  EXPECT_FALSE(Erased(over));
  EXPECT_EQ(failures_.size(), 7u);
  PassDays(1);
  EXPECT_TRUE(Erased(over));
  EXPECT_EQ(failures_.size(), 7u);
}

TEST_F(RetentionTest, ASiteThatWasOffAtNightErasesInTheMorning) {
  const std::string over = Closed();
  PassDays(kDays - 9);
  Register();
  PassDays(10);
  Close();
  Open();
  retention_->Start();
  Settle();
  EXPECT_TRUE(Erased(over));
  EXPECT_EQ(failures_, std::vector<Reason>());
}

TEST_F(RetentionTest, OnlyTheJobErases) {
  const std::string over = Closed();
  PassDays(kDays + 1);
  type::v1::Command erase = On(over);
  erase.mutable_erasure()->mutable_unchanged_since_time()->set_seconds(
      absl::ToUnixSeconds(steps_.clock()->Now()));
  EXPECT_EQ(error::ReasonOf(Run(*service_, erase).status()), Reason::ERROR_REASON_FIELD_INVALID);
  // And not what has changed since it looked.
  erase.mutable_header()->mutable_actor()->set_account("service/retention");
  erase.mutable_erasure()->mutable_unchanged_since_time()->set_seconds(1);
  EXPECT_EQ(error::ReasonOf(Run(*service_, erase).status()), Reason::ERROR_REASON_RETENTION_RUNNING);
  const std::string open = Register();
  erase = On(open);
  erase.mutable_header()->mutable_actor()->set_account("service/retention");
  erase.mutable_erasure()->mutable_unchanged_since_time()->set_seconds(
      absl::ToUnixSeconds(steps_.clock()->Now() + kDay));
  EXPECT_EQ(error::ReasonOf(Run(*service_, erase).status()), Reason::ERROR_REASON_WRONG_STATE);
}

// It was not tried again before the next day, and nobody heard of it.
TEST_F(RetentionTest, ARunThatFailsIsToldAndTriedAgain) {
  const std::string over = Closed();
  const std::string open = Register();
  retention_->Start();
  PassDays(kDays);
  type::v1::Command waits = On(open);
  waits.mutable_header()->set_request_id("request-waits");
  waits.mutable_header()->mutable_actor()->set_account("1001");
  waits.mutable_acceptance();
  service_->Execute({.now = steps_.clock()->Now()}, waits,
                    [](const Result& result) { EXPECT_TRUE(result.ok()) << result.status(); });
  runs_.clear();
  steps_.clock()->Advance(kDay);
  steps_.RunDue();
  EXPECT_EQ(failures_, std::vector<Reason>{Reason::ERROR_REASON_OVERLOADED});
  EXPECT_EQ(runs_, std::vector<int64_t>());
  Settle();
  EXPECT_FALSE(Erased(over));
  for (int looks = 0; looks < 3; ++looks) {
    steps_.clock()->Advance(absl::Minutes(5));
    Settle();
  }
  EXPECT_TRUE(Erased(over));
  EXPECT_EQ(runs_, std::vector<int64_t>{1}) << "and then not before the next day";
  EXPECT_EQ(failures_.size(), 1u);
  EXPECT_EQ(Verify(), "");
}

// It kept all later ones from being erased.
TEST_F(RetentionTest, WhatCannotBeErasedIsPassedOverAndTold) {
  const std::string broken = Closed();
  const std::string over = Closed();
  Close();
  {
    auto database = sql::OpenSqlite({.path = folder_.path() + "/work_order.db"});
    ASSERT_TRUE(database.ok()) << database.status();
    auto connection = (*database)->OpenWriter();
    ASSERT_TRUE(connection.ok());
    ASSERT_TRUE((*connection)->Begin().ok());
    auto statement = (*connection)->Prepare("UPDATE event SET bytes = x'ff' WHERE sequence = 1");
    ASSERT_TRUE(statement.ok()) << statement.status();
    ASSERT_TRUE((*statement)->Step().ok());
    ASSERT_TRUE((*connection)->Commit().ok());
  }
  Open();
  retention_->Start();
  PassDays(kDays + 1);
  EXPECT_TRUE(Erased(over));
  EXPECT_FALSE(Erased(broken));
  EXPECT_EQ(runs_.back(), 1);
  EXPECT_EQ(failures_, std::vector<Reason>{Reason::ERROR_REASON_INTERNAL});
  const auto ran = RunNow();
  EXPECT_EQ(ran.erased_count(), 0);
  EXPECT_EQ(ran.failed_count(), 1);
  EXPECT_TRUE(ran.done());
}

// No order goes with it, and it stayed for ever.
TEST_F(RetentionTest, AnOfferThatWasNotUnderstoodGoesAfterItsTime) {
  const LaneKey key{.peer = "110", .lane = exchange::v1::LANE_ORDINARY};
  const auto sent = [&](int64_t sequence) {
    const auto rows = look_->ReadInbox(key, sequence - 1, 1);
    EXPECT_TRUE(rows.ok() && rows->size() == 1) << rows.status();
    return rows.ok() && !rows->empty() ? rows->front() : EnvelopeRow();
  };
  Offer("不详");
  ASSERT_EQ(sent(1).order_id, 0) << "no phone number";
  retention_->Start();
  PassDays(100);
  Offer("不知道");
  PassDays(kDays - 100);
  EXPECT_NE(sent(1).envelope.body().find("王小明"), std::string::npos) << "it has only just passed";
  PassDays(1);
  EXPECT_EQ(sent(1).envelope.body(), "");
  EXPECT_NE(sent(1).erased_leaf, "");
  EXPECT_NE(sent(2).envelope.body().find("王小明"), std::string::npos) << "not its time";
  EXPECT_EQ(Verify(), "");
  PassDays(100);
  EXPECT_EQ(sent(2).envelope.body(), "");
  EXPECT_EQ(Verify(), "");
  // A peer that lost it cannot have it back.
  workorder::v1::ReadInboxRequest request;
  request.set_peer("110");
  request.set_limit(10);
  absl::Status refused;
  engine_->ReadInbox({}, request, [&](auto response) { refused = response.status(); });
  Settle();
  EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_CONTENT_ERASED);
  Offer("13900000002");
  EXPECT_NE(sent(3).order_id, 0) << "the link goes on";
  Offer("13900000002", "12345-0000000000009-1");
  EXPECT_EQ(sent(4).order_id, 0) << "named as if it were this site's own";
  exchange::v1::MirrorBody mirror;
  mirror.mutable_reply()->set_public_reply("已向王小明说明");
  ++offers_;
  Deliver(exchange::v1::ENVELOPE_KIND_MIRROR, "12345-0000000000001-1", mirror.SerializeAsString());
  EXPECT_EQ(sent(5).order_id, 0) << "whatever it is";
  PassDays(kDays + 1);
  EXPECT_EQ(sent(5).envelope.body(), "");
  EXPECT_EQ(Verify(), "");
}

// What it had written to a peer came back before the peer's offer did, and was nobody's.
TEST_F(RetentionTest, WhatComesBackBeforeItsOrderGoesWithIt) {
  ASSERT_TRUE(engine_->store().CopyTo(folder_.path() + "/restored.db").ok());
  Offer("13900000001");
  const auto only = [this] {
    const auto orders = look_->ScanOrders(0, 10);
    EXPECT_TRUE(orders.ok() && orders->size() == 1);
    return orders->front();
  };
  type::v1::Command accept = On(only().id());
  accept.mutable_acceptance();
  ASSERT_TRUE(Run(*service_, accept).ok());
  type::v1::Command progress = On(only().id());
  progress.mutable_progress()->set_note("已联系王小明");
  ASSERT_TRUE(Run(*service_, progress).ok());
  const LaneKey key{.peer = "110", .lane = exchange::v1::LANE_ORDINARY};
  const auto written_now = [&]() -> std::vector<EnvelopeRow> {
    auto rows = look_->ReadOutbox(key, 0, 100);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return *std::move(rows);
  };
  const std::vector<EnvelopeRow> written = written_now();
  ASSERT_GE(written.size(), 2u);
  Close();
  file_ = "restored.db";
  Open();
  workorder::v1::RecoverRequest request;
  request.set_peer("110");
  request.set_proven(true);
  for (const EnvelopeRow& row : written) *request.add_envelopes() = row.envelope;
  absl::Status recovered = absl::InternalError("no answer");
  engine_->Recover({}, request, [&](auto response) { recovered = response.status(); });
  Settle();
  ASSERT_TRUE(recovered.ok()) << recovered;
  for (const EnvelopeRow& row : written_now()) ASSERT_EQ(row.order_id, 0);
  offers_ = 0;
  Offer("13900000001");
  const int64_t id = *ParseOrderId(only().id());
  for (const EnvelopeRow& row : written_now()) EXPECT_EQ(row.order_id, id);
  ASSERT_TRUE(engine_->store().Begin().ok());
  ASSERT_TRUE(engine_->store().Erase(id, only().last_event_sequence()).ok());
  ASSERT_TRUE(engine_->store().Commit().ok());
  for (const EnvelopeRow& row : written_now()) EXPECT_EQ(row.envelope.body(), "");
}

TEST_F(RetentionTest, ManyOffersThatWereNotUnderstoodGoInOneRun) {
  for (int i = 0; i < 9; ++i) Offer("不详");
  const LaneKey key{.peer = "110", .lane = exchange::v1::LANE_ORDINARY};
  int64_t after = 0;
  // Looked at in parts.
  std::vector<size_t> found;
  do {
    const auto places = look_->FindStrays(absl::InfiniteFuture(), 4, &after);
    ASSERT_TRUE(places.ok()) << places.status();
    found.push_back(places->size());
  } while (after != 0);
  EXPECT_EQ(found, (std::vector<size_t>{4, 4, 1}));
  PassDays(kDays + 1);
  EXPECT_TRUE(RunNow().done());
  const auto rows = look_->ReadInbox(key, 0, 100);
  ASSERT_TRUE(rows.ok()) << rows.status();
  for (const EnvelopeRow& row : *rows) EXPECT_NE(row.erased_leaf, "");
  EXPECT_EQ(Verify(), "");
}

// What was published stayed in memory as it had been said.
TEST_F(RetentionTest, WhatWasErasedIsNotReadFromMemory) {
  engine_->set_on_commit([this](const Committed& committed) { service_->Publish(committed.events); });
  Closed();
  PassDays(kDays + 1);
  workorder::v1::ReadEventsRequest read;
  read.set_start_sequence(1);
  read.set_limit(10);
  const auto reason = [&](int64_t sequence) {
    type::v1::Event event;
    engine_->ReadEvents({}, read, [&](absl::StatusOr<workorder::v1::ReadEventsResponse> response) {
      ASSERT_TRUE(response.ok() && response->events_size() >= sequence);
      ASSERT_TRUE(event.ParseFromString(response->events(static_cast<int>(sequence) - 1)));
    });
    Settle();
    return event.cancelled().reason();
  };
  EXPECT_EQ(reason(2), "重复");
  EXPECT_EQ(RunNow().erased_count(), 1);
  EXPECT_EQ(reason(2), "");
  workorder::v1::WatchWorkOrdersRequest watch;
  watch.set_start_sequence(1);
  auto stream = service_->WatchWorkOrders({}, watch);
  ASSERT_TRUE(stream.ok()) << stream.status();
  workorder::v1::WatchWorkOrdersResponse seen;
  (*stream)->Next([&](absl::StatusOr<SharedMessage> message) {
    ASSERT_TRUE(message.ok()) << message.status();
    ASSERT_TRUE(seen.ParseFromString(**message));
  });
  Settle();
  ASSERT_EQ(seen.events_size(), 3);
  EXPECT_EQ(seen.events(0).registered().caller_hash(), "");
  EXPECT_TRUE(seen.events(1).has_cancelled());
  EXPECT_EQ(seen.events(1).cancelled().reason(), "");
  EXPECT_EQ(Verify(), "");
}

TEST_F(RetentionTest, ACopyThatWasErasedIsLikeNothing) {
  Offer("13900000001");
  const auto orders = look_->ScanOrders(0, 10);
  ASSERT_TRUE(orders.ok() && orders->size() == 1);
  const std::string copy = orders->front().id();
  type::v1::Command give_back = On(copy);
  give_back.mutable_handoff_return()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
  give_back.mutable_handoff_return()->set_reason("属公安职责");
  const Result returned = Run(*service_, give_back);
  ASSERT_TRUE(returned.ok()) << returned.status();
  Acknowledge();
  const auto alike = [&] {
    workorder::v1::FindSimilarOrdersRequest request;
    *request.mutable_content() = Lamp("");
    int count = -1;
    service_->FindSimilarOrders({.now = steps_.clock()->Now()}, request,
                                [&](absl::StatusOr<workorder::v1::FindSimilarOrdersResponse> response) {
                                  ASSERT_TRUE(response.ok()) << response.status();
                                  count = response->similar_orders_size();
                                });
    Settle();
    return count;
  };
  EXPECT_EQ(alike(), 1);
  PassDays(kDays + 1);
  EXPECT_EQ(RunNow().erased_count(), 1);
  ASSERT_TRUE(Erased(copy));
  EXPECT_EQ(alike(), 0);
}

TEST_F(RetentionTest, ManyGoInOneRun) {
  for (int i = 0; i < 100; ++i) Closed();
  PassDays(kDays + 1);
  operation::v1::GetRetentionResponse before;
  retention_->GetRetention({.now = steps_.clock()->Now()}, {}, [&](auto response) { before = *response; });
  Settle();
  EXPECT_EQ(before.due_count(), 100);
  const auto ran = RunNow();
  EXPECT_EQ(ran.erased_count(), 100);
  EXPECT_TRUE(ran.done());
  EXPECT_EQ(Verify(), "");
}

}  // namespace
}  // namespace hotline::work_order
