#include "services/work_order/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "absl/container/flat_hash_set.h"
#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "common/exchange/chain.h"
#include "common/sql/faulty.h"
#include "common/sql/sqlite.h"
#include "services/work_order/service.h"
#include "services/work_order/similar_orders.h"
#include "tests/support/sql_scratch.h"
#include "tests/support/steps.h"

namespace hotline::work_order {
namespace {

using error::Reason;

type::v1::OrderContent Lamp(type::v1::Urgency urgency) {
  type::v1::OrderContent content;
  content.set_type(type::v1::ORDER_TYPE_HELP);
  content.set_channel(type::v1::CHANNEL_PHONE);
  content.set_urgency(urgency);
  content.set_title("路灯不亮");
  content.set_text("小区门口的路灯坏了三天");
  content.mutable_caller()->set_anonymous(true);
  return content;
}

// What a peer that knows no order here would send: bodies that cannot be
// understood are answered, and the cursor moves.
std::vector<exchange::v1::Envelope> BadOffers(int count) {
  std::vector<exchange::v1::Envelope> envelopes;
  std::string hash = ChainStart();
  for (int64_t sequence = 1; sequence <= count; ++sequence) {
    exchange::v1::Envelope& envelope = envelopes.emplace_back();
    envelope.set_sequence(sequence);
    envelope.set_kind(exchange::v1::ENVELOPE_KIND_OFFER);
    envelope.set_handoff_id(StrCat("110-000000000000", sequence, "-1"));
    envelope.set_body("not an offer");
    envelope.set_previous_hash(hash);
    hash = EnvelopeHash(envelope);
    envelope.set_hash(hash);
  }
  return envelopes;
}

// One site on a real store, whose commits can be made to fail; the committer
// runs when the test says so.
class EngineTest : public testing::Test {
 protected:
  EngineTest() { Open(); }
  ~EngineTest() override { Close(); }

  void Open(int queue_limit = 100) {
    auto database = sql::OpenSqlite({.path = StrCat(folder_.path(), "/", file_)});
    ASSERT_TRUE(database.ok()) << database.status();
    auto store =
        Store::OpenOn(sql::MakeFaulty(*std::move(database), [this](int64_t) { return fault_; }), "12345");
    ASSERT_TRUE(store.ok()) << store.status();
    auto reader = (*store)->NewReader();
    ASSERT_TRUE(reader.ok());
    EngineOptions options;
    options.site.hotline = "12345";
    options.site.peers = peers_;
    options.queue_limit = queue_limit;
    options.emergency_room = 1;
    options.ring_items = 4;
    options.draw_salt = [this] {
      if (in_batch_) std::exchange(in_batch_, nullptr)();
      return std::string(16, 's');
    };
    auto engine = Engine::Create(*std::move(store), std::move(options), steps_.clock(), &steps_);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    service_ = std::make_unique<WorkOrderService>(engine_.get(), *std::move(reader), &steps_, &steps_,
                                                  steps_.clock());
  }
  void Close() {
    steps_.Clear();
    service_.reset();
    engine_.reset();
  }
  void Reopen() {
    Close();
    Open();
  }

  static type::v1::Command NewPush(const std::string& request_id,
                                   type::v1::Urgency urgency = type::v1::URGENCY_NORMAL) {
    type::v1::Command command;
    command.mutable_header()->set_request_id(request_id);
    command.mutable_header()->mutable_actor()->set_account("1001");
    command.mutable_offer()->set_to_hotline("110");
    *command.mutable_registration()->mutable_content() = Lamp(urgency);
    return command;
  }

  // By a caller who asked for secrecy.
  static type::v1::Command SecretPush(const std::string& request_id) {
    type::v1::Command command = NewPush(request_id);
    type::v1::Caller& caller = *command.mutable_registration()->mutable_content()->mutable_caller();
    caller.Clear();
    caller.set_name("阿依努尔");
    caller.set_phone("139-0000-1234");
    caller.set_secret(true);
    return command;
  }

  using Result = absl::StatusOr<workorder::v1::CommandResult>;
  // Waits in the queue until Commit().
  std::shared_ptr<std::optional<Result>> Submit(type::v1::Command command) {
    auto slot = std::make_shared<std::optional<Result>>();
    service_->Execute({}, std::move(command), [slot](Result result) { *slot = std::move(result); });
    return slot;
  }
  void Commit() {
    while (engine_->RunBatch()) {
    }
    steps_.RunDue();
  }
  Result Run(type::v1::Command command) {
    const auto slot = Submit(std::move(command));
    Commit();
    return slot->has_value() ? **slot : Result(absl::InternalError("no answer"));
  }
  // As another release took it.
  void SetFingerprint(const std::string& request_id, const std::string& fingerprint) {
    Close();
    {
      auto database = sql::OpenSqlite({.path = StrCat(folder_.path(), "/", file_)});
      ASSERT_TRUE(database.ok()) << database.status();
      auto connection = (*database)->OpenWriter();
      ASSERT_TRUE(connection.ok());
      ASSERT_TRUE((*connection)->Begin().ok());
      auto update = (*connection)->Prepare("UPDATE request SET fingerprint = ?1 WHERE request_id = ?2");
      ASSERT_TRUE(update.ok()) << update.status();
      (*update)->BindBlob(1, fingerprint);
      (*update)->BindText(2, request_id);
      ASSERT_TRUE((*update)->Run().ok());
      ASSERT_TRUE((*connection)->Commit().ok());
    }
    Open();
  }
  type::v1::Command On(const std::string& order_id, const std::string& request_id) {
    type::v1::Command command;
    command.mutable_header()->set_request_id(request_id);
    command.mutable_header()->set_order_id(order_id);
    command.mutable_header()->mutable_actor()->set_account("1001");
    return command;
  }
  std::string Verify() {
    std::string fault = "no answer";
    service_->VerifyLog({}, {}, [&](absl::StatusOr<workorder::v1::VerifyLogResponse> response) {
      fault = response.ok() ? response->fault() : std::string(response.status().message());
    });
    steps_.RunDue();
    return fault;
  }
  // The next one after `after`; the first of a lane if that is none.
  static exchange::v1::Envelope Envelope(exchange::v1::EnvelopeKind kind, const std::string& handoff_id,
                                         const std::string& body, const exchange::v1::Envelope& after = {}) {
    exchange::v1::Envelope envelope;
    envelope.set_sequence(after.sequence() + 1);
    envelope.set_kind(kind);
    envelope.set_handoff_id(handoff_id);
    envelope.set_body(body);
    envelope.set_previous_hash(after.sequence() > 0 ? after.hash() : LaneStart(exchange::v1::LANE_ORDINARY));
    envelope.set_hash(EnvelopeHash(envelope));
    return envelope;
  }
  bool Apply(const std::string& peer, const exchange::v1::Envelope& envelope) {
    workorder::v1::ApplyInboxRequest request;
    request.set_peer(peer);
    *request.add_envelopes() = envelope;
    int64_t through = 0;
    engine_->ApplyInbox({}, request, [&](absl::StatusOr<workorder::v1::ApplyInboxResponse> response) {
      if (response.ok()) through = response->receipt().received_through();
    });
    Commit();
    return through == envelope.sequence();
  }
  // `peer` hands back what this site has lost.
  void Recover(const std::string& peer, const exchange::v1::Envelope& envelope,
               exchange::v1::Lane lane = exchange::v1::LANE_ORDINARY) {
    workorder::v1::RecoverRequest request;
    request.set_peer(peer);
    request.set_lane(lane);
    request.set_proven(true);
    *request.add_envelopes() = envelope;
    absl::Status status = absl::InternalError("no answer");
    engine_->Recover({}, request, [&](absl::StatusOr<workorder::v1::RecoverResponse> response) {
      status = response.status();
    });
    Commit();
    ASSERT_TRUE(status.ok()) << status;
  }
  absl::StatusOr<workorder::v1::PullOutboxResponse> Pull(int64_t after, int64_t received_through = 0,
                                                         const std::string& hash = "") {
    workorder::v1::PullOutboxRequest request;
    request.set_peer("110");
    request.set_after_sequence(after);
    request.set_limit(100);
    request.mutable_receipt()->set_received_through(received_through);
    request.mutable_receipt()->set_head_hash(hash);
    absl::StatusOr<workorder::v1::PullOutboxResponse> got = absl::InternalError("no answer");
    engine_->PullOutbox({}, request, [&](absl::StatusOr<workorder::v1::PullOutboxResponse> response) {
      got = std::move(response);
    });
    Commit();
    return got;
  }

  ScratchFolder folder_;
  std::string file_ = "work_order.db";
  test::Steps steps_{absl::FromUnixSeconds(1'795'000'000)};
  sql::Fault fault_ = sql::Fault::kNone;
  absl::flat_hash_set<std::string> peers_ = {"110"};  // from the next Open on
  // Called once, while the next new order is decided.
  std::function<void()> in_batch_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<WorkOrderService> service_;
};

TEST_F(EngineTest, AnswersOnlyAfterTheCommit) {
  const auto slot = Submit(NewPush("request-1"));
  EXPECT_FALSE(slot->has_value());
  EXPECT_EQ(engine_->head_sequence(), 0);
  Commit();
  ASSERT_TRUE(slot->has_value() && (*slot)->ok()) << (*slot)->status();
  EXPECT_EQ((**slot)->order().number(), "12345-20261118-000001");
  EXPECT_EQ((**slot)->order().handoff().link_sequence(), 1);
  EXPECT_EQ(engine_->head_sequence(), 1);
  EXPECT_EQ(Verify(), "");
}

TEST_F(EngineTest, SameRequestSameAnswerAlsoAfterRestart) {
  const Result first = Run(NewPush("request-1"));
  ASSERT_TRUE(first.ok());
  for (int i = 0; i < 2; ++i) {
    const Result again = Run(NewPush("request-1"));
    ASSERT_TRUE(again.ok());
    EXPECT_TRUE(again->replayed());
    EXPECT_EQ(again->order().SerializeAsString(), first->order().SerializeAsString());
    EXPECT_EQ(again->event_sequence(), first->event_sequence());
    Reopen();
  }
  EXPECT_EQ(engine_->head_sequence(), 1);
}

TEST_F(EngineTest, SameRequestInOneBatchIsDecidedOnce) {
  const auto first = Submit(NewPush("request-1"));
  const auto second = Submit(NewPush("request-1"));
  Commit();
  ASSERT_TRUE((*first)->ok() && (*second)->ok());
  EXPECT_EQ((**first)->order().id(), (**second)->order().id());
  EXPECT_TRUE((**second)->replayed());
  EXPECT_EQ(engine_->head_sequence(), 1);
}

// The catalogue may have been reloaded between two tries, or may have none in
// force any more.
TEST_F(EngineTest, ARepeatIsTheSameHoweverItIsRoutedNow) {
  type::v1::Command command = NewPush("request-1");
  command.mutable_registration()->mutable_route()->set_hotline(command.offer().to_hotline());
  command.mutable_offer()->clear_to_hotline();
  // As dispatch does, by the ledger.
  const auto run = [this](const type::v1::Command& one) {
    workorder::v1::ExecuteRequest request;
    *request.add_commands() = one;
    Result result = absl::InternalError("no answer");
    engine_->Execute({}, std::move(request), [&](absl::StatusOr<workorder::v1::ExecuteResponse> response) {
      if (!response.ok()) {
        result = response.status();
      } else {
        result = response->results(0);
      }
    });
    Commit();
    return result;
  };
  const Result first = run(command);
  ASSERT_TRUE(first.ok()) << first.status();
  command.mutable_registration()->mutable_route()->mutable_item()->set_item("A9");
  const Result second = run(command);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(second->replayed());
  EXPECT_EQ(second->order().id(), first->order().id());
  command.mutable_registration()->clear_route();
  EXPECT_TRUE(Run(command).ok());
}

TEST_F(EngineTest, AnotherBodyUnderTheSameRequestIsRefused) {
  ASSERT_TRUE(Run(NewPush("request-1")).ok());
  type::v1::Command other = NewPush("request-1");
  other.mutable_registration()->mutable_content()->set_title("另一件事");
  EXPECT_EQ(error::ReasonOf(Run(other).status()), Reason::ERROR_REASON_REQUEST_ID_REUSED);
  EXPECT_EQ(engine_->head_sequence(), 1);
}

TEST_F(EngineTest, ARefusedCommandLeavesNothingAndItsBatchGoesOn) {
  type::v1::Command bad = NewPush("request-1");
  bad.mutable_registration()->mutable_content()->clear_title();
  const auto refused = Submit(bad);
  const auto good = Submit(NewPush("request-2"));
  Commit();
  EXPECT_EQ(error::FieldOf((*refused)->status()), "content.title");
  ASSERT_TRUE((*good)->ok());
  EXPECT_EQ((**good)->order().number(), "12345-20261118-000001") << "a refused order takes no number";
  EXPECT_EQ(Verify(), "");
}

// What a column of text does not hold ended the commit, with everybody's
// commands in it.
TEST_F(EngineTest, WhatTheStoreCannotHoldIsRefusedAndItsBatchGoesOn) {
  const std::string nul("request\0-1", 10);
  const auto first = Submit(NewPush("request-0"));
  const auto bad_request = Submit(NewPush(nul));
  const auto bad_order = Submit(On(nul, "request-2"));
  const auto last = Submit(NewPush("request-3"));
  Commit();
  EXPECT_TRUE((*first)->ok()) << (*first)->status();
  EXPECT_EQ(error::ReasonOf((*bad_request)->status()), Reason::ERROR_REASON_REQUEST_ID_INVALID);
  EXPECT_EQ(error::FieldOf((*bad_order)->status()), "header.order_id");
  EXPECT_TRUE((*last)->ok()) << (*last)->status();
  EXPECT_TRUE(engine_->healthy());

  std::vector<exchange::v1::Envelope> envelopes = BadOffers(2);
  envelopes[0].set_traceparent(nul);  // in no hash
  const auto apply = [&](int index) {
    workorder::v1::ApplyInboxRequest request;
    request.set_peer("110");
    *request.add_envelopes() = envelopes[static_cast<size_t>(index)];
    absl::StatusOr<workorder::v1::ApplyInboxResponse> got = absl::InternalError("no answer");
    engine_->ApplyInbox({}, request, [&](absl::StatusOr<workorder::v1::ApplyInboxResponse> response) {
      got = std::move(response);
    });
    Commit();
    return got;
  };
  const auto taken = apply(0);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->receipt().received_through(), 1);
  envelopes[1].set_handoff_id(nul);
  envelopes[1].set_hash(EnvelopeHash(envelopes[1]));
  EXPECT_EQ(error::FieldOf(apply(1).status()), "envelopes[0].handoff_id");
  EXPECT_TRUE(engine_->healthy());
  EXPECT_EQ(Verify(), "");
}

TEST_F(EngineTest, AFailedCommitUndoesTheWholeBatchAndSaysSo) {
  ASSERT_TRUE(Run(NewPush("request-1")).ok());
  fault_ = sql::Fault::kDiskFull;
  const auto first = Submit(NewPush("request-2"));
  const auto second = Submit(NewPush("request-3"));
  Commit();
  EXPECT_EQ(error::ReasonOf((*first)->status()), Reason::ERROR_REASON_DISK_FULL);
  EXPECT_EQ(error::ReasonOf((*second)->status()), Reason::ERROR_REASON_DISK_FULL);
  EXPECT_EQ(engine_->head_sequence(), 1);
  EXPECT_FALSE(engine_->healthy());
  EXPECT_EQ(error::ReasonOf(engine_->last_failure()), Reason::ERROR_REASON_DISK_FULL) << "as the log says it";
  fault_ = sql::Fault::kNone;
  const Result again = Run(NewPush("request-2"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->order().number(), "12345-20261118-000002");
  EXPECT_TRUE(engine_->healthy());
  EXPECT_EQ(Verify(), "");
}

TEST_F(EngineTest, WhatIsOwedToAPeerThatWasTakenOutIsKnown) {
  ASSERT_TRUE(Run(NewPush("request-1")).ok());
  ASSERT_TRUE(Run(NewPush("request-2", type::v1::URGENCY_EMERGENCY)).ok());
  EXPECT_TRUE(engine_->OwedToFormerPeers().empty()) << "it is a peer";
  Close();
  peers_ = {"119"};
  Open();
  EXPECT_EQ(engine_->OwedToFormerPeers(), (std::map<std::string, int64_t>{{"110", 2}}));
}

TEST_F(EngineTest, ACommitThatSucceedsAndReportsFailureIsFoundByTheRetry) {
  fault_ = sql::Fault::kFailAfterCommit;
  const absl::Status failed = Run(NewPush("request-1")).status();
  EXPECT_EQ(error::ReasonOf(failed), Reason::ERROR_REASON_STORE_FAILED);
  EXPECT_EQ(error::ChineseOf(failed).find("未生效"), std::string::npos) << "it is there";
  EXPECT_NE(error::ChineseOf(failed).find("结果未知"), std::string::npos);
  fault_ = sql::Fault::kNone;
  EXPECT_FALSE(Run(NewPush("request-2")).ok()) << "nothing is written before the store is opened again";
  const absl::Status early = Run(NewPush("request-1")).status();
  EXPECT_NE(error::ChineseOf(early).find("结果未知"), std::string::npos) << "nobody knows yet";
  Reopen();
  const Result again = Run(NewPush("request-1"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->replayed());
  EXPECT_EQ(engine_->head_sequence(), 1);
  EXPECT_EQ(Verify(), "");
}

// A client tries again by itself, and what it shows is the last answer.
TEST_F(EngineTest, WhoRepeatsARequestInDoubtIsNotToldThatNothingWasDone) {
  const auto says = [](const Result& result) { return error::ChineseOf(result.status()); };
  fault_ = sql::Fault::kFailBeforeCommit;
  const auto first = Submit(NewPush("request-1"));
  const auto second = Submit(NewPush("request-2"));
  Commit();
  for (const auto& one : {first, second}) EXPECT_NE(says(**one).find("结果未知"), std::string::npos);
  fault_ = sql::Fault::kNone;
  for (const char* request : {"request-1", "request-2", "request-1"}) {
    const Result again = Run(NewPush(request));
    EXPECT_EQ(error::ReasonOf(again.status()), Reason::ERROR_REASON_STORE_FAILED);
    EXPECT_NE(says(again).find("结果未知"), std::string::npos) << request;
  }
  EXPECT_NE(says(Run(NewPush("request-3"))).find("未生效"), std::string::npos) << "it was refused at once";
  Reopen();
  EXPECT_TRUE(Run(NewPush("request-1")).ok());
}

TEST_F(EngineTest, FollowersAreToldWhatIsToBeKeptOfAnOrderAsItIsNow) {
  type::v1::Command plain = NewPush("request-1", type::v1::URGENCY_URGENT);
  plain.clear_offer();
  const Result registered = Run(plain);
  ASSERT_TRUE(registered.ok()) << registered.status();
  type::v1::Command clue = On(registered->order().id(), "request-2");
  clue.mutable_offer()->set_to_hotline("110");
  clue.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_STABILITY_CLUE);
  ASSERT_TRUE(Run(clue).ok());
  ASSERT_TRUE(Run(SecretPush("request-3")).ok());
  ASSERT_TRUE(Run(NewPush("request-4")).ok());
  const auto kept = [&](bool asked) {
    workorder::v1::ReadEventsRequest request;
    request.set_start_sequence(1);
    request.set_limit(10);
    request.set_with_discretions(asked);
    std::string text;
    engine_->ReadEvents({}, request, [&](absl::StatusOr<workorder::v1::ReadEventsResponse> response) {
      ASSERT_TRUE(response.ok()) << response.status();
      EXPECT_EQ(response->events_size(), 4);
      for (const auto& one : response->discretions()) {
        text += StrCat(one.sequence(), one.restricted() ? " restricted" : "", one.veiled() ? " veiled" : "",
                       "; ");
      }
    });
    steps_.RunDue();
    return text;
  };
  // The first event is of before the order was restricted.
  constexpr char kKept[] = "1 restricted; 2 restricted; 3 veiled; ";
  EXPECT_EQ(kept(true), kKept) << "from memory";
  EXPECT_EQ(kept(false), "");
  Reopen();
  EXPECT_EQ(kept(true), kKept) << "from the store";
  EXPECT_EQ(kept(false), "");
}

TEST_F(EngineTest, AHistoryTellsNotWhoASecretCallerIs) {
  const Result pushed = Run(SecretPush("request-1"));
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  type::v1::Command recall = On(pushed->order().id(), "request-2");
  recall.mutable_recall()->set_reason("阿依努尔（13900001234）要求撤回");
  ASSERT_TRUE(Run(recall).ok());
  const auto history = [&](const std::string& account) {
    workorder::v1::ListOrderEventsRequest request;
    request.set_order_id(pushed->order().id());
    std::string reason = "no answer";
    service_->ListOrderEvents({.account = account}, request,
                              [&](absl::StatusOr<workorder::v1::ListOrderEventsResponse> response) {
                                ASSERT_TRUE(response.ok()) << response.status();
                                ASSERT_EQ(response->events_size(), 2);
                                reason = response->events(1).recall_requested().recall().reason();
                              });
    steps_.RunDue();
    return reason;
  };
  EXPECT_EQ(history("1001"), "阿依努尔（13900001234）要求撤回") << "whoever registered it knows";
  for (const char* account : {"", "2002"}) EXPECT_EQ(history(account), "＊＊＊（＊＊＊）要求撤回");
}

TEST_F(EngineTest, ToFindASecretCallerByTheNumberIsRecorded) {
  const Result pushed = Run(SecretPush("request-1"));
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  const auto list = [&](const std::string& account, const std::string& phone) {
    workorder::v1::ListWorkOrdersRequest request;
    request.mutable_filter()->set_caller_phone(phone);
    int count = -1;
    service_->ListWorkOrders({.now = steps_.clock()->Now(), .account = account}, request,
                             [&](absl::StatusOr<workorder::v1::ListWorkOrdersResponse> response) {
                               ASSERT_TRUE(response.ok()) << response.status();
                               count = response->orders_size();
                             });
    steps_.RunDue();
    Commit();
    return count;
  };
  EXPECT_EQ(list("1001", ""), 1);
  EXPECT_EQ(list("2002", "139-0000-1234"), 0);
  EXPECT_EQ(engine_->head_sequence(), 1) << "nobody learned anything";
  EXPECT_EQ(list("1001", "139-0000-1234"), 1);
  EXPECT_EQ(engine_->head_sequence(), 2) << "who the caller is was shown";
}

// Only who was shown the caller too was on record.
TEST_F(EngineTest, ARestrictedOrderIsShownToNobodyWithoutARecord) {
  engine_->set_on_commit([this](const Committed& committed) { service_->Publish(committed.events); });
  type::v1::Command clue = NewPush("request-1", type::v1::URGENCY_URGENT);
  clue.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_STABILITY_CLUE);
  type::v1::OrderContent& content = *clue.mutable_registration()->mutable_content();
  content.add_accused_units("gonganju");
  content.mutable_caller()->Clear();
  content.mutable_caller()->set_name("阿依努尔");
  content.mutable_caller()->set_phone("139-0000-1234");
  const Result pushed = Run(clue);
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  const std::string id = pushed->order().id();
  int64_t head = engine_->head_sequence();
  const CallContext call{
      .now = steps_.clock()->Now(), .identity = "12345/supervisor", .account = "2002", .unit = "gonganju"};
  const auto expect_recorded = [&](type::v1::DisclosureKind kind) {
    ASSERT_EQ(engine_->head_sequence(), ++head) << kind;
    const auto rows = engine_->store().reader().ReadEvents(head, 1);
    ASSERT_TRUE(rows.ok()) << rows.status();
    type::v1::Event event;
    ASSERT_TRUE(event.ParseFromString(rows->front().bytes));
    EXPECT_EQ(event.disclosed().kind(), kind);
    EXPECT_EQ(event.order_id(), id);
    EXPECT_EQ(event.actor().account(), "2002");
  };

  workorder::v1::GetWorkOrderRequest get;
  get.set_order_id(id);
  absl::StatusOr<workorder::v1::GetWorkOrderResponse> got = absl::InternalError("no answer");
  service_->GetWorkOrder(call, get, [&](auto response) { got = std::move(response); });
  steps_.RunDue();
  EXPECT_FALSE(got.ok()) << "it is recorded before it is shown";
  Commit();
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->order().content().text(), content.text());
  EXPECT_EQ(got->order().content().caller().name(), "") << "nor after";
  EXPECT_EQ(got->order().content().caller().phone(), "");
  EXPECT_EQ(got->order().version(), 2);
  expect_recorded(type::v1::DISCLOSURE_KIND_CONTENT);

  int listed = -1;
  service_->ListWorkOrders(call, {},
                           [&](auto response) { listed = response.ok() ? response->orders_size() : -2; });
  steps_.RunDue();
  Commit();
  EXPECT_EQ(listed, 1);
  expect_recorded(type::v1::DISCLOSURE_KIND_LIST);

  workorder::v1::FindSimilarOrdersRequest find;
  *find.mutable_content() = content;
  find.mutable_content()->mutable_caller()->clear_phone();
  int alike = -1;
  service_->FindSimilarOrders(
      call, find, [&](auto response) { alike = response.ok() ? response->similar_orders_size() : -2; });
  steps_.RunDue();
  Commit();
  EXPECT_EQ(alike, 1);
  expect_recorded(type::v1::DISCLOSURE_KIND_LIST);

  workorder::v1::WatchWorkOrdersRequest watch;
  watch.set_start_sequence(1);
  watch.set_order_id(id);
  auto stream = service_->WatchWorkOrders(call, watch);
  ASSERT_TRUE(stream.ok()) << stream.status();
  bool seen = false;
  (*stream)->Next([&](absl::StatusOr<SharedMessage> message) { seen = message.ok(); });
  steps_.RunDue();
  EXPECT_FALSE(seen);
  Commit();
  EXPECT_TRUE(seen);
  expect_recorded(type::v1::DISCLOSURE_KIND_WATCH);
  EXPECT_EQ(Verify(), "");
}

// A desk that lists a clue every few seconds wrote the whole order once more each time, and after a day
// nobody could ask who had been accountable before.
TEST_F(EngineTest, WhatIsShownOftenIsStillToldWhoHeldIt) {
  type::v1::Command clue = NewPush("request-1", type::v1::URGENCY_URGENT);
  clue.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_STABILITY_CLUE);
  const Result pushed = Run(clue);
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  const absl::Time then = steps_.clock()->Now();
  steps_.clock()->Advance(absl::Minutes(1));
  constexpr int kBatches = 41;
  constexpr int kShowings = 500;
  for (int batch = 0; batch < kBatches; ++batch) {
    workorder::v1::ExecuteRequest request;
    for (int i = 0; i < kShowings; ++i) {
      *request.add_commands() = On(pushed->order().id(), StrCat("disclose/", batch, "-", i));
      request.mutable_commands(i)->mutable_disclosure()->set_kind(type::v1::DISCLOSURE_KIND_LIST);
    }
    bool recorded = false;
    engine_->Execute({}, std::move(request), [&](absl::StatusOr<workorder::v1::ExecuteResponse> response) {
      recorded = response.ok() && !response->results(0).has_error();
    });
    Commit();
    ASSERT_TRUE(recorded);
  }
  ASSERT_EQ(engine_->head_sequence(), 1 + kBatches * kShowings) << "each showing is an event";
  const auto known = engine_->store().reader().FindRequest("disclose/0-0");
  ASSERT_TRUE(known.ok()) << known.status();
  EXPECT_FALSE(known->has_value()) << "nobody asks for it again";

  const CallContext call{.now = steps_.clock()->Now(), .account = "1001"};
  workorder::v1::WhoHoldsRequest who;
  who.set_order_id(pushed->order().id());
  who.mutable_at_time()->set_seconds(absl::ToUnixSeconds(then));
  absl::StatusOr<workorder::v1::WhoHoldsResponse> held = absl::InternalError("no answer");
  service_->WhoHolds(call, who, [&](auto response) { held = std::move(response); });
  steps_.RunDue();
  Commit();
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_EQ(held->holder(), "12345");
  workorder::v1::GetCustodyChainRequest ask;
  ask.set_order_id(pushed->order().id());
  absl::StatusOr<workorder::v1::GetCustodyChainResponse> chain = absl::InternalError("no answer");
  service_->GetCustodyChain(call, ask, [&](auto response) { chain = std::move(response); });
  steps_.RunDue();
  Commit();
  ASSERT_TRUE(chain.ok()) << chain.status();
  ASSERT_EQ(chain->tenures_size(), 1);
  EXPECT_EQ(absl::FromUnixSeconds(chain->tenures(0).from_time().seconds()), then);
}

// By the token of an empty page whose number it is could be asked.
TEST_F(EngineTest, APageTokenTellsNothingOfWhatIsHidden) {
  ASSERT_TRUE(Run(SecretPush("request-1")).ok());
  type::v1::Command clue = NewPush("request-2", type::v1::URGENCY_URGENT);
  clue.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_STABILITY_CLUE);
  ASSERT_TRUE(Run(clue).ok());
  steps_.clock()->Set(steps_.clock()->Now() + absl::Seconds(1));
  type::v1::Command open = SecretPush("request-3");
  open.mutable_registration()->mutable_content()->mutable_caller()->set_secret(false);
  const Result shown = Run(open);
  ASSERT_TRUE(shown.ok()) << shown.status();
  const auto list = [&](const std::string& account, const workorder::v1::ListFilter& filter) {
    workorder::v1::ListWorkOrdersRequest request;
    *request.mutable_filter() = filter;
    request.set_page_size(1);
    std::string text;
    service_->ListWorkOrders({.now = steps_.clock()->Now(), .account = account}, request,
                             [&](absl::StatusOr<workorder::v1::ListWorkOrdersResponse> response) {
                               ASSERT_TRUE(response.ok()) << response.status();
                               for (const auto& order : response->orders()) text += order.id();
                               if (!response->next_page_token().empty()) text += " and more";
                             });
    steps_.RunDue();
    Commit();
    return text;
  };
  workorder::v1::ListFilter by_number;
  by_number.set_caller_phone("139-0000-1234");
  EXPECT_EQ(list("2002", by_number), shown->order().id());
  EXPECT_EQ(list("1001", by_number), shown->order().id() + " and more");
  *by_number.mutable_register_end_time() = shown->order().register_time();
  EXPECT_EQ(list("2002", by_number), "");
  workorder::v1::ListFilter urgent;
  urgent.set_urgency(type::v1::URGENCY_URGENT);
  EXPECT_EQ(list("2002", urgent), "");
  urgent.clear_urgency();
  urgent.set_type(type::v1::ORDER_TYPE_HELP);
  EXPECT_EQ(list("2002", urgent), shown->order().id() + " and more") << "the secret caller's, unnamed";
}

// What may not be known took the place of what may.
TEST_F(EngineTest, WhatIsHiddenTakesNoPlaceAmongSimilarOrders) {
  const auto here = [](type::v1::OrderContent* content) {
    content->mutable_place()->set_township_code("653024100");
  };
  type::v1::Command plain = NewPush("request-1");
  here(plain.mutable_registration()->mutable_content());
  const Result open = Run(plain);
  ASSERT_TRUE(open.ok()) << open.status();
  type::v1::Command clue = NewPush("request-2", type::v1::URGENCY_URGENT);
  clue.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_STABILITY_CLUE);
  here(clue.mutable_registration()->mutable_content());
  ASSERT_TRUE(Run(clue).ok());
  workorder::v1::FindSimilarOrdersRequest request;
  *request.mutable_content() = Lamp(type::v1::URGENCY_NORMAL);
  here(request.mutable_content());
  request.set_limit(1);
  std::string found;
  service_->FindSimilarOrders({.now = steps_.clock()->Now(), .account = "2002"}, request,
                              [&](absl::StatusOr<workorder::v1::FindSimilarOrdersResponse> response) {
                                ASSERT_TRUE(response.ok()) << response.status();
                                for (const auto& one : response->similar_orders()) found += one.order().id();
                              });
  steps_.RunDue();
  EXPECT_EQ(found, open->order().id());
}

TEST_F(EngineTest, AFilterThatCannotBeMeantIsRefused) {
  const auto refused = [&](const std::function<void(workorder::v1::ListFilter*)>& set) {
    workorder::v1::ListWorkOrdersRequest request;
    set(request.mutable_filter());
    std::string why = "no answer";
    service_->ListWorkOrders({}, request,
                             [&](absl::StatusOr<workorder::v1::ListWorkOrdersResponse> response) {
                               why = StrCat(error::ReasonName(error::ReasonOf(response.status())), " ",
                                            error::FieldOf(response.status()));
                             });
    steps_.RunDue();
    return why;
  };
  using Filter = workorder::v1::ListFilter;
  EXPECT_EQ(refused([](Filter* filter) { filter->set_caller_phone("-"); }),
            "PHONE_INVALID filter.caller_phone");
  EXPECT_EQ(refused([](Filter* filter) { filter->mutable_register_start_time()->set_nanos(-5); }),
            "TIME_INVALID filter.register_start_time");
  EXPECT_EQ(
      refused([](Filter* filter) { filter->mutable_register_end_time()->set_seconds(int64_t{1} << 62); }),
      "TIME_INVALID filter.register_end_time");
}

TEST_F(EngineTest, LaterOrdersOfTheSameCallerAreSaidToBe) {
  const auto matter = [](const std::string& request_id, const std::string& phone, bool secret) {
    type::v1::Command command = NewPush(request_id);
    type::v1::OrderContent& content = *command.mutable_registration()->mutable_content();
    content.set_title("北门路口水管爆了");
    content.set_text("北门路口自来水管爆了，路都淹了");
    content.mutable_place()->set_township_code("653024100");
    content.mutable_caller()->Clear();
    content.mutable_caller()->set_phone(phone);
    content.mutable_caller()->set_secret(secret);
    return command;
  };
  const Result first = Run(matter("request-1", "0908-1000001", false));
  ASSERT_TRUE(first.ok()) << first.status();
  const Result later = Run(matter("request-2", "09081000001", false));
  ASSERT_TRUE(later.ok()) << later.status();
  const Result secret = Run(matter("request-3", "0908-1000001", true));
  ASSERT_TRUE(secret.ok()) << secret.status();
  const Result other = Run(matter("request-4", "0908-1000002", false));
  ASSERT_TRUE(other.ok()) << other.status();
  const auto same = [&](const std::string& account) {
    workorder::v1::FindSimilarOrdersRequest request;
    request.set_order_id(first->order().id());
    std::set<std::string> ids;
    service_->FindSimilarOrders({.now = steps_.clock()->Now(), .account = account}, request,
                                [&](absl::StatusOr<workorder::v1::FindSimilarOrdersResponse> response) {
                                  ASSERT_TRUE(response.ok()) << response.status();
                                  EXPECT_EQ(response->similar_orders_size(), 3);
                                  EXPECT_EQ(response->earlier_orders_size(), 0);
                                  for (const auto& similar : response->similar_orders()) {
                                    if (similar.same_caller()) ids.insert(similar.order().id());
                                  }
                                });
    steps_.RunDue();
    Commit();
    return ids;
  };
  const int64_t head = engine_->head_sequence();
  EXPECT_EQ(same("2002"), std::set<std::string>{later->order().id()});
  EXPECT_EQ(engine_->head_sequence(), head);
  EXPECT_EQ(same("1001"), (std::set<std::string>{later->order().id(), secret->order().id()}));
  EXPECT_EQ(engine_->head_sequence(), head + 1) << "who the secret caller is was shown";
}

TEST_F(EngineTest, OnlyACommitShowsThatTheStoreIsHealthyAgain) {
  ASSERT_TRUE(Run(NewPush("request-1")).ok());
  fault_ = sql::Fault::kFailAfterCommit;
  EXPECT_FALSE(Run(NewPush("request-2")).ok());
  fault_ = sql::Fault::kNone;
  ASSERT_FALSE(engine_->healthy());
  // Neither of these needs one.
  EXPECT_TRUE(Run(NewPush("request-1")).ok());
  EXPECT_FALSE(engine_->healthy()) << "after a repeated request";
  type::v1::Command nothing = NewPush("request-3");
  nothing.mutable_registration()->mutable_content()->clear_title();
  EXPECT_FALSE(Run(nothing).ok());
  EXPECT_FALSE(engine_->healthy()) << "after a refused command";
  // Nor does asking help: a failed sync is for good.
  engine_->Probe();
  Commit();
  EXPECT_FALSE(engine_->healthy()) << "after a probe";
  Reopen();
  EXPECT_TRUE(Run(NewPush("request-4")).ok());
  EXPECT_TRUE(engine_->healthy());
}

// At night nobody pushes.
TEST_F(EngineTest, AProbeFindsOutThatADiskHasRoomAgain) {
  for (const bool with_peers : {true, false}) {
    Close();
    if (!with_peers) peers_.clear();
    Open();
    type::v1::Command command = NewPush(StrCat("request-", with_peers));
    if (!with_peers) command.clear_offer();
    fault_ = sql::Fault::kDiskFull;
    EXPECT_FALSE(Run(command).ok());
    ASSERT_FALSE(engine_->healthy());
    engine_->Probe();
    Commit();
    EXPECT_FALSE(engine_->healthy()) << "it is still full";
    EXPECT_EQ(error::ReasonOf(engine_->last_failure()), Reason::ERROR_REASON_DISK_FULL);
    fault_ = sql::Fault::kNone;
    const int64_t written = engine_->store().stats().wal_bytes;
    const int64_t head = engine_->head_sequence();
    engine_->Probe();
    Commit();
    EXPECT_TRUE(engine_->healthy()) << "nobody asked for anything";
    EXPECT_GT(engine_->store().stats().wal_bytes, written) << "a commit that writes nothing needs no room";
    EXPECT_EQ(engine_->head_sequence(), head);
    EXPECT_TRUE(engine_->store().reader().HeldOrders(10)->empty());
    EXPECT_EQ(Verify(), "");
  }
  engine_->Drain();
  engine_->Probe();
  EXPECT_FALSE(engine_->RunBatch()) << "what is stopping asks no more";
}

TEST_F(EngineTest, WhatNeverWentThroughMemoryIsGivenFromTheStore) {
  ASSERT_TRUE(Run(NewPush("request-1")).ok());
  fault_ = sql::Fault::kFailAfterCommit;
  EXPECT_FALSE(Run(NewPush("request-2")).ok());
  ASSERT_EQ(engine_->head_sequence(), 2) << "it is in the store all the same";
  EXPECT_EQ(Pull(1)->envelopes_size(), 1);
  workorder::v1::ReadEventsRequest read;
  read.set_start_sequence(2);
  read.set_limit(10);
  int events = -1;
  engine_->ReadEvents({}, read, [&events](absl::StatusOr<workorder::v1::ReadEventsResponse> response) {
    events = response.ok() ? response->events_size() : -1;
  });
  steps_.RunDue();
  EXPECT_EQ(events, 1);
}

TEST_F(EngineTest, AFullQueueRefusesWithRetryAndKeepsRoomForEmergencies) {
  Close();
  Open(/*queue_limit=*/1);
  const auto first = Submit(NewPush("request-1"));
  const auto second = Submit(NewPush("request-2"));
  ASSERT_TRUE(second->has_value());
  EXPECT_EQ(error::ReasonOf((*second)->status()), Reason::ERROR_REASON_OVERLOADED);
  EXPECT_GT(error::RetryDelayOf((*second)->status()), absl::ZeroDuration());
  const auto emergency = Submit(NewPush("request-3", type::v1::URGENCY_EMERGENCY));
  EXPECT_FALSE(emergency->has_value());
  Commit();
  ASSERT_TRUE((*first)->ok() && (*emergency)->ok());
  EXPECT_LT((**emergency)->order().id(), (**first)->order().id()) << "the emergency is decided first";
}

// The call of partners to an emergency names the order alone.
TEST_F(EngineTest, WhatDispatchKnowsToBeAnEmergencyHasTheRoomToo) {
  Close();
  Open(/*queue_limit=*/1);
  const auto first = Submit(NewPush("request-1"));
  absl::StatusOr<workorder::v1::ExecuteResponse> answer = absl::InternalError("no answer");
  const auto execute = [&](bool emergency) {
    workorder::v1::ExecuteRequest request;
    *request.add_commands() = NewPush("request-2");
    request.set_emergency(emergency);
    engine_->Execute({}, std::move(request), [&](absl::StatusOr<workorder::v1::ExecuteResponse> response) {
      answer = std::move(response);
    });
  };
  execute(false);
  EXPECT_EQ(error::ReasonOf(answer.status()), Reason::ERROR_REASON_OVERLOADED);
  execute(true);
  Commit();
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_TRUE((*first)->ok());
  EXPECT_LT(answer->results(0).event_sequence(), (**first)->event_sequence()) << "it is decided first";
}

TEST_F(EngineTest, AnEmergencyGoesAheadOfTheRestOfTheBatchUnderWay) {
  const auto first = Submit(NewPush("request-1"));
  const auto second = Submit(NewPush("request-2"));
  const auto third = Submit(NewPush("request-3"));
  std::shared_ptr<std::optional<Result>> emergency;
  in_batch_ = [&] { emergency = Submit(NewPush("request-4", type::v1::URGENCY_EMERGENCY)); };
  ASSERT_TRUE(engine_->RunBatch());
  EXPECT_TRUE(first->has_value());
  EXPECT_FALSE(second->has_value());
  Commit();
  ASSERT_TRUE(emergency->has_value() && second->has_value() && third->has_value());
  ASSERT_TRUE((*emergency)->ok() && (*second)->ok() && (*third)->ok());
  EXPECT_EQ((**emergency)->event_sequence(), 2);
  EXPECT_EQ((**second)->event_sequence(), 3);
  EXPECT_EQ((**third)->event_sequence(), 4);
  EXPECT_EQ(engine_->counters().queue_length, 0);
}

TEST_F(EngineTest, ABatchThatAnEmergencyPartedFailsWithTheCommitOfItsFirstPart) {
  workorder::v1::ExecuteRequest request;
  for (const char* id : {"request-1", "request-2", "request-3"}) *request.add_commands() = NewPush(id);
  std::optional<absl::StatusOr<workorder::v1::ExecuteResponse>> answer;
  const auto execute = [&] {
    engine_->Execute({}, request, [&](absl::StatusOr<workorder::v1::ExecuteResponse> response) {
      answer = std::move(response);
    });
  };
  std::shared_ptr<std::optional<Result>> emergency;
  in_batch_ = [&] { emergency = Submit(NewPush("request-4", type::v1::URGENCY_EMERGENCY)); };
  fault_ = sql::Fault::kDiskFull;
  execute();
  ASSERT_TRUE(engine_->RunBatch());
  fault_ = sql::Fault::kNone;
  Commit();
  ASSERT_TRUE(answer.has_value() && emergency->has_value());
  EXPECT_EQ(error::ReasonOf(answer->status()), Reason::ERROR_REASON_DISK_FULL);
  EXPECT_FALSE((*emergency)->ok());
  EXPECT_EQ(engine_->head_sequence(), 0);
  EXPECT_EQ(engine_->counters().queue_length, 0);
  execute();
  Commit();
  ASSERT_TRUE(answer->ok());
  EXPECT_EQ((*answer)->results_size(), 3);
  for (const auto& result : (*answer)->results()) EXPECT_FALSE(result.has_error() || result.replayed());
  EXPECT_EQ(Verify(), "");
}

// Its first part is in the commit that failed, or is committed: that nothing was done nobody can say.
TEST_F(EngineTest, OfABatchThatAnEmergencyPartedNobodyIsToldThatNothingWasDone) {
  for (const sql::Fault fault : {sql::Fault::kFailBeforeCommit, sql::Fault::kDiskFull}) {
    Close();
    file_ = StrCat("parted-", static_cast<int>(fault), ".db");
    fault_ = sql::Fault::kNone;
    Open();
    workorder::v1::ExecuteRequest request;
    for (const char* id : {"request-1", "request-2", "request-3"}) *request.add_commands() = NewPush(id);
    std::optional<absl::StatusOr<workorder::v1::ExecuteResponse>> answer;
    engine_->Execute({}, request, [&](absl::StatusOr<workorder::v1::ExecuteResponse> response) {
      answer = std::move(response);
    });
    std::shared_ptr<std::optional<Result>> emergency;
    in_batch_ = [&] { emergency = Submit(NewPush("request-4", type::v1::URGENCY_EMERGENCY)); };
    // The disk is full when the rest comes.
    if (fault != sql::Fault::kDiskFull) fault_ = fault;
    ASSERT_TRUE(engine_->RunBatch());
    fault_ = fault;
    Commit();
    ASSERT_TRUE(answer.has_value() && emergency->has_value());
    EXPECT_EQ((*emergency)->ok(), fault == sql::Fault::kDiskFull);
    EXPECT_EQ(error::ChineseOf(answer->status()).find("未生效"), std::string::npos) << answer->status();
    EXPECT_NE(error::ChineseOf(answer->status()).find("结果未知"), std::string::npos) << answer->status();
  }
}

TEST_F(EngineTest, TheOutboxIsGivenFromMemoryAndFromTheStoreAlike) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Run(NewPush(StrCat("request-", i))).ok());
  const auto all = Pull(0);
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->envelopes_size(), 10);
  const auto tail = Pull(8);
  ASSERT_TRUE(tail.ok());
  ASSERT_EQ(tail->envelopes_size(), 2);
  EXPECT_EQ(tail->envelopes(0).SerializeAsString(), all->envelopes(8).SerializeAsString());
  std::string hash = ChainStart();
  for (const auto& envelope : all->envelopes()) {
    EXPECT_EQ(envelope.previous_hash(), hash);
    hash = EnvelopeHash(envelope);
    EXPECT_EQ(envelope.hash(), hash);
  }
  EXPECT_EQ(error::ReasonOf(Pull(11).status()), Reason::ERROR_REASON_SEQUENCE_OUT_OF_RANGE);
  EXPECT_EQ(error::FieldOf(Pull(11).status()), "after_sequence");
  // What a peer's Backfill asks for is read by this.
  workorder::v1::ReadInboxRequest inbox;
  inbox.set_peer("110");
  inbox.set_after_sequence(1);
  inbox.set_limit(1);
  absl::Status beyond;
  engine_->ReadInbox({}, inbox, [&](auto response) { beyond = response.status(); });
  steps_.RunDue();
  EXPECT_EQ(error::ReasonOf(beyond), Reason::ERROR_REASON_SEQUENCE_OUT_OF_RANGE);
  EXPECT_EQ(error::FieldOf(beyond), "after_sequence");
}

TEST_F(EngineTest, AReceiptMarksEveryOfferUpToIt) {
  std::vector<std::string> ids;
  for (int i = 0; i < 10; ++i) ids.push_back(Run(NewPush(StrCat("request-", i)))->order().id());
  const auto all = Pull(0);
  const auto pulled = Pull(7, 7, all->envelopes(6).hash());
  ASSERT_TRUE(pulled.ok()) << pulled.status();
  EXPECT_EQ(pulled->acknowledged_through(), 7);
  EXPECT_EQ(pulled->envelopes_size(), 3);
  for (int i = 0; i < 10; ++i) {
    const auto order = engine_->store().reader().FindOrder(*ParseOrderId(ids[static_cast<size_t>(i)]));
    EXPECT_EQ((*order)->state(), i < 7 ? type::v1::ORDER_STATE_RECEIVED : type::v1::ORDER_STATE_OFFERED) << i;
  }
  EXPECT_EQ(engine_->head_sequence(), 17);
  // An older receipt changes nothing; one of what this store does not know
  // calls for recovery.
  EXPECT_EQ(Pull(7, 3, all->envelopes(2).hash())->acknowledged_through(), 7);
  EXPECT_EQ(error::ReasonOf(Pull(7, 8, std::string(32, 'x')).status()), Reason::ERROR_REASON_LINK_BEHIND);
  EXPECT_EQ(error::ReasonOf(Pull(7, 11, std::string(32, 'x')).status()), Reason::ERROR_REASON_LINK_BEHIND);
  EXPECT_EQ(engine_->head_sequence(), 17);
  EXPECT_EQ(Verify(), "");
}

// An offer by 110 that is understood.
exchange::v1::Envelope GoodOffer() {
  exchange::v1::OfferBody body;
  type::v1::Handoff& handoff = *body.mutable_handoff();
  handoff.set_id("110-00000000000AB-1");
  handoff.set_attempt(1);
  handoff.set_from_hotline("110");
  handoff.set_to_hotline("12345");
  handoff.set_from_number("110-20261118-000001");
  body.set_origin_hotline("110");
  body.set_content_salt(std::string(16, 't'));
  body.mutable_custody()->set_holder("110");
  body.mutable_custody()->set_epoch(1);
  body.mutable_custody()->mutable_hold_time()->set_seconds(1'795'000'000);
  body.set_content(Lamp(type::v1::URGENCY_NORMAL).SerializeAsString());
  exchange::v1::Envelope envelope;
  envelope.set_kind(exchange::v1::ENVELOPE_KIND_OFFER);
  envelope.set_handoff_id(handoff.id());
  envelope.set_body(body.SerializeAsString());
  return envelope;
}

// What was answered repeated all of it: too large for a message, it stopped the
// lane for good.
TEST_F(EngineTest, WhatAPeerWritesAtLengthIsNotRepeated) {
  constexpr size_t kLong = 1 << 20;
  workorder::v1::ApplyInboxRequest request;
  request.set_peer("110");
  for (int i = 0; i < 3; ++i) {
    exchange::v1::Envelope& unknown = *request.add_envelopes();
    unknown.set_kind(static_cast<exchange::v1::EnvelopeKind>(42));
    unknown.set_handoff_id(std::string(kLong, 'x'));
  }
  *request.add_envelopes() = GoodOffer();
  std::string hash = ChainStart();
  for (int i = 0; i < request.envelopes_size(); ++i) {
    exchange::v1::Envelope& envelope = *request.mutable_envelopes(i);
    envelope.set_traceparent(std::string(60'000, 'x'));
    envelope.set_sequence(i + 1);
    envelope.set_previous_hash(hash);
    hash = EnvelopeHash(envelope);
    envelope.set_hash(hash);
  }
  int64_t through = -1;
  engine_->ApplyInbox({}, request, [&](absl::StatusOr<workorder::v1::ApplyInboxResponse> response) {
    through = response.ok() ? response->receipt().received_through() : -2;
  });
  Commit();
  ASSERT_EQ(through, 4);
  const auto owed = Pull(0);
  ASSERT_TRUE(owed.ok()) << owed.status();
  ASSERT_EQ(owed->envelopes_size(), 4);
  for (const exchange::v1::Envelope& answer : owed->envelopes()) {
    EXPECT_LE(answer.handoff_id().size(), 128u);
    EXPECT_EQ(answer.traceparent(), "");
  }
  EXPECT_EQ(owed->envelopes(2).kind(), exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD);
  EXPECT_EQ(owed->envelopes(3).kind(), exchange::v1::ENVELOPE_KIND_UNDERSTOOD);
  const auto events = engine_->store().reader().ReadEvents(1, 2);
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_EQ(events->size(), 1u);
  EXPECT_LT(events->front().bytes.size(), 4000u) << "nor in the log";
  // And what it wrote is handed back in parts that fit into a message.
  const auto read = [&](int64_t after) {
    workorder::v1::ReadInboxRequest inbox;
    inbox.set_peer("110");
    inbox.set_after_sequence(after);
    inbox.set_limit(100);
    int size = -1;
    engine_->ReadInbox({}, inbox, [&](absl::StatusOr<workorder::v1::ReadInboxResponse> response) {
      if (response.ok()) size = response->envelopes_size();
    });
    steps_.RunDue();
    return size;
  };
  EXPECT_EQ(read(0), 1);
  EXPECT_EQ(read(2), 2);
  EXPECT_EQ(Verify(), "");
}

// 110 takes the order up, and reports `count` times at length.
std::vector<exchange::v1::Envelope> LongReports(const std::string& handoff_id, int count, size_t bytes) {
  std::vector<exchange::v1::Envelope> envelopes;
  const auto add = [&](exchange::v1::EnvelopeKind kind, const google::protobuf::MessageLite& body) {
    const std::string previous = envelopes.empty() ? ChainStart() : envelopes.back().hash();
    exchange::v1::Envelope& envelope = envelopes.emplace_back();
    envelope.set_sequence(static_cast<int64_t>(envelopes.size()));
    envelope.set_kind(kind);
    envelope.set_handoff_id(handoff_id);
    envelope.set_body(body.SerializeAsString());
    envelope.set_previous_hash(previous);
    envelope.set_hash(EnvelopeHash(envelope));
  };
  exchange::v1::UnderstoodBody understood;
  understood.set_to_number("110-20261118-000001");
  add(exchange::v1::ENVELOPE_KIND_UNDERSTOOD, understood);
  exchange::v1::MirrorBody mirror;
  mirror.set_state(type::v1::ORDER_STATE_ACCEPTED);
  mirror.mutable_custody()->set_holder("110");
  mirror.mutable_custody()->set_epoch(2);
  mirror.mutable_custody()->mutable_hold_time()->set_seconds(1'795'000'000);
  mirror.mutable_event()->mutable_accepted();
  add(exchange::v1::ENVELOPE_KIND_MIRROR, mirror);
  mirror.set_state(type::v1::ORDER_STATE_IN_PROGRESS);
  for (int i = 0; i < count; ++i) {
    mirror.mutable_event()->mutable_progressed()->set_note(StrCat(i, std::string(bytes, 'x')));
    add(exchange::v1::ENVELOPE_KIND_MIRROR, mirror);
  }
  return envelopes;
}

// What a peer wrote made the order's history too large for a message, for good.
TEST_F(EngineTest, AnOrderOfWhichAPeerReportedAtLengthIsReadInParts) {
  constexpr int kReports = 300;
  constexpr size_t kPart = 2 << 20;
  const Result pushed = Run(NewPush("request-1"));
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  for (exchange::v1::Envelope& envelope : LongReports(pushed->order().handoff().id(), kReports, 30'000)) {
    workorder::v1::ApplyInboxRequest request;
    request.set_peer("110");
    *request.add_envelopes() = std::move(envelope);
    engine_->ApplyInbox({}, std::move(request),
                        [](absl::StatusOr<workorder::v1::ApplyInboxResponse> response) {
                          ASSERT_TRUE(response.ok()) << response.status();
                        });
    Commit();
  }
  workorder::v1::ListOrderEventsRequest request;
  request.set_order_id(pushed->order().id());
  int64_t events = 0;
  int parts = 0;
  for (bool more = true; more; ++parts) {
    more = false;
    service_->ListOrderEvents({}, request,
                              [&](absl::StatusOr<workorder::v1::ListOrderEventsResponse> response) {
                                ASSERT_TRUE(response.ok()) << response.status();
                                ASSERT_FALSE(response->events().empty());
                                EXPECT_LE(response->ByteSizeLong(), kPart + 4096);
                                events += response->events_size();
                                request.set_before_sequence(response->events(0).sequence());
                                more = response->events(0).previous_order_sequence() != 0;
                              });
    steps_.RunDue();
  }
  EXPECT_EQ(events, kReports + 3) << "offered, understood and accepted before them";
  EXPECT_GE(parts, 4);
  workorder::v1::GetCustodyChainRequest chain;
  chain.set_order_id(pushed->order().id());
  int tenures = 0;
  service_->GetCustodyChain({.now = steps_.clock()->Now()}, chain,
                            [&](absl::StatusOr<workorder::v1::GetCustodyChainResponse> response) {
                              ASSERT_TRUE(response.ok()) << response.status();
                              tenures = response->tenures_size();
                            });
  steps_.RunDue();
  EXPECT_EQ(tenures, 2) << "from its registration on";
}

TEST_F(EngineTest, AListOfLargeOrdersEndsByBytes) {
  std::vector<std::string> ids;
  for (int i = 0; i < 20; ++i) {
    const Result pushed = Run(NewPush(StrCat("request-", i)));
    ASSERT_TRUE(pushed.ok()) << pushed.status();
    ids.push_back(pushed->order().id());
  }
  ASSERT_TRUE(engine_->store().Begin().ok());
  for (const std::string& id : ids) {
    type::v1::WorkOrder order = **engine_->store().reader().FindOrder(*ParseOrderId(id));
    order.mutable_reply()->set_public_reply(std::string(250 << 10, 'x'));
    ASSERT_TRUE(engine_->store().UpdateOrder(*ParseOrderId(id), order).ok());
  }
  ASSERT_TRUE(engine_->store().Commit().ok());
  workorder::v1::ListWorkOrdersRequest request;
  std::vector<std::string> listed;
  do {
    service_->ListWorkOrders({.now = steps_.clock()->Now()}, request,
                             [&](absl::StatusOr<workorder::v1::ListWorkOrdersResponse> response) {
                               ASSERT_TRUE(response.ok()) << response.status();
                               EXPECT_LE(response->ByteSizeLong(), size_t{2} << 20);
                               for (const auto& order : response->orders()) listed.push_back(order.id());
                               request.set_page_token(response->next_page_token());
                             });
    steps_.RunDue();
  } while (!request.page_token().empty() && !HasFailure());
  std::reverse(ids.begin(), ids.end());
  EXPECT_EQ(listed, ids);
}

// One list that finds little held up every other read of the site.
TEST_F(EngineTest, AListThatFindsLittleLetsOtherReadsGoAhead) {
  constexpr int kOrders = 1600;
  std::vector<std::string> ids;
  std::vector<std::shared_ptr<std::optional<Result>>> slots;
  for (int i = 0; i < kOrders; ++i) {
    slots.push_back(Submit(NewPush(StrCat("request-", i))));
    if (slots.size() < 80 && i + 1 < kOrders) continue;
    Commit();
    for (const auto& slot : slots) {
      ASSERT_TRUE(slot->has_value() && (*slot)->ok());
      ids.push_back((**slot)->order().id());
    }
    slots.clear();
  }
  const std::string& first = *std::min_element(ids.begin(), ids.end());
  const std::string& last = *std::max_element(ids.begin(), ids.end());
  // The newest and the oldest have what is looked for.
  ASSERT_TRUE(engine_->store().Begin().ok());
  for (const std::string& id : {first, last}) {
    type::v1::WorkOrder order = **engine_->store().reader().FindOrder(*ParseOrderId(id));
    order.set_urgency(type::v1::URGENCY_URGENT);
    ASSERT_TRUE(engine_->store().UpdateOrder(*ParseOrderId(id), order).ok());
  }
  ASSERT_TRUE(engine_->store().Commit().ok());

  CallContext call{.now = steps_.clock()->Now(), .deadline = steps_.clock()->Now() + absl::Seconds(5)};
  workorder::v1::ListWorkOrdersRequest request;
  request.mutable_filter()->set_urgency(type::v1::URGENCY_URGENT);
  std::string heard;
  const auto list = [&] {
    service_->ListWorkOrders(call, request,
                             [&](absl::StatusOr<workorder::v1::ListWorkOrdersResponse> response) {
                               if (!response.ok()) {
                                 heard += StrCat("code ", static_cast<int>(response.status().code()), ";");
                                 return;
                               }
                               heard += "list";
                               for (const auto& order : response->orders()) heard += StrCat(" ", order.id());
                               heard += response->next_page_token().empty() ? ";" : " and more;";
                               request.set_page_token(response->next_page_token());
                             });
  };
  const auto get = [&] {
    workorder::v1::GetWorkOrderRequest one;
    one.set_order_id(first);
    service_->GetWorkOrder(call, one,
                           [&](const absl::StatusOr<workorder::v1::GetWorkOrderResponse>& response) {
                             heard += response.ok() ? "get;" : "failed;";
                           });
  };
  list();
  get();
  steps_.RunDue();
  EXPECT_EQ(heard, StrCat("get;list ", last, " ", first, ";"));

  // A page ends where it would without slices.
  heard.clear();
  request.set_page_size(1);
  list();
  steps_.RunDue();
  list();
  steps_.RunDue();
  EXPECT_EQ(heard, StrCat("list ", last, " and more;list ", first, ";"));

  // It ends with who waits for it.
  heard.clear();
  request.clear_page_token();
  list();
  steps_.Post([&] { steps_.clock()->Advance(absl::Seconds(6)); });
  get();
  steps_.RunDue();
  EXPECT_EQ(heard, StrCat("get;code ", static_cast<int>(absl::StatusCode::kDeadlineExceeded), ";"));
}

TEST_F(EngineTest, AnOfferByTheOtherLaneIsAnsweredThere) {
  exchange::v1::Envelope offer = GoodOffer();
  offer.set_sequence(1);
  offer.set_previous_hash(LaneStart(exchange::v1::LANE_EMERGENCY));
  offer.set_hash(EnvelopeHash(offer));
  workorder::v1::ApplyInboxRequest request;
  request.set_peer("110");
  request.set_lane(exchange::v1::LANE_EMERGENCY);
  *request.add_envelopes() = offer;
  engine_->ApplyInbox({}, request, [](absl::StatusOr<workorder::v1::ApplyInboxResponse> response) {
    EXPECT_TRUE(response.ok()) << response.status();
  });
  Commit();
  EXPECT_EQ(engine_->head_sequence(), 0) << "no order";
  EXPECT_EQ(Pull(0)->envelopes_size(), 0);
  const auto rows =
      engine_->store().reader().ReadOutbox({.peer = "110", .lane = exchange::v1::LANE_EMERGENCY}, 0, 10);
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(rows->front().envelope.kind(), exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD);
  EXPECT_EQ(rows->front().envelope.seen_sequence(), 1);
}

// It entered the log as 1970.
TEST_F(EngineTest, AReceiptThatNamesNoTimeIsOfNow) {
  ASSERT_TRUE(Run(NewPush("request-1")).ok());
  const auto owed = Pull(0);
  ASSERT_EQ(owed->envelopes_size(), 1);
  ASSERT_TRUE(Pull(1, 1, owed->envelopes(0).hash()).ok());
  ASSERT_EQ(engine_->head_sequence(), 2);
  const auto events = engine_->store().reader().ReadEvents(2, 1);
  ASSERT_TRUE(events.ok()) << events.status();
  type::v1::Event event;
  ASSERT_TRUE(event.ParseFromString(events->front().bytes));
  EXPECT_EQ(event.received().receive_time().seconds(), absl::ToUnixSeconds(steps_.clock()->Now()));
}

// Who left it out of the request, and named it beside it as for a read, did all
// the work.
TEST_F(EngineTest, AnAccusedUnitIsKnownByWhatItsClientSaysBesideTheRequest) {
  type::v1::Command registration = NewPush("request-1");
  registration.clear_offer();
  registration.mutable_registration()->mutable_content()->add_accused_units("gongan");
  const Result registered = Run(registration);
  ASSERT_TRUE(registered.ok()) << registered.status();
  const std::string id = registered->order().id();
  type::v1::Command accept = On(id, "request-2");
  accept.mutable_acceptance();
  ASSERT_TRUE(Run(accept).ok());
  const auto report = [&](const std::string& unit, const std::string& request_id) {
    type::v1::Command progress = On(id, request_id);
    progress.mutable_progress()->set_note("已到现场");
    Result result = absl::InternalError("no answer");
    service_->Execute({.unit = unit}, progress, [&](Result answer) { result = std::move(answer); });
    Commit();
    return result;
  };
  const absl::Status refused = report("gongan", "request-3").status();
  EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_UNIT_RECUSED);
  EXPECT_EQ(error::FieldOf(refused), "header.actor.unit");
  const Result other = report("minzheng", "request-4");
  ASSERT_TRUE(other.ok()) << other.status();
  const auto events = engine_->store().reader().ReadEvents(other->event_sequence(), 1);
  ASSERT_TRUE(events.ok()) << events.status();
  type::v1::Event event;
  ASSERT_TRUE(event.ParseFromString(events->front().bytes));
  EXPECT_EQ(event.actor().unit(), "minzheng");
}

// An assisting unit's desktop signed and reported as the lead unit.
TEST_F(EngineTest, AUnitNamedBesideTheRequestDoesItsOwnWork) {
  type::v1::Command registration = NewPush("request-1");
  registration.clear_offer();
  const Result registered = Run(registration);
  ASSERT_TRUE(registered.ok()) << registered.status();
  const std::string id = registered->order().id();
  type::v1::Command accept = On(id, "request-2");
  accept.mutable_acceptance();
  ASSERT_TRUE(Run(accept).ok());
  type::v1::Command dispatch = On(id, "request-3");
  dispatch.mutable_unit_dispatch()->set_lead_unit("zhujianju");
  dispatch.mutable_unit_dispatch()->add_assist_units("shijianju");
  ASSERT_TRUE(Run(dispatch).ok());
  const auto sign = [&](const std::string& unit, const std::string& request_id) {
    type::v1::Command signature = On(id, request_id);
    signature.mutable_signature();
    Result result = absl::InternalError("no answer");
    service_->Execute({.unit = unit}, signature, [&](Result answer) { result = std::move(answer); });
    Commit();
    return result;
  };
  const Result assist = sign("shijianju", "request-4");
  ASSERT_TRUE(assist.ok()) << assist.status();
  EXPECT_EQ(assist->order().state(), type::v1::ORDER_STATE_DISPATCHED);
  EXPECT_FALSE(assist->order().units(0).has_sign_time());
  EXPECT_TRUE(assist->order().units(1).has_sign_time());
  EXPECT_EQ(error::ReasonOf(sign("chengguan", "request-5").status()), Reason::ERROR_REASON_UNIT_NOT_ASSIGNED);
  const Result lead = sign("zhujianju", "request-6");
  ASSERT_TRUE(lead.ok()) << lead.status();
  EXPECT_EQ(lead->order().state(), type::v1::ORDER_STATE_SIGNED);
}

TEST_F(EngineTest, AnEmergencyPartsADeliveryAndTheRestIsAppliedAfterIt) {
  workorder::v1::ApplyInboxRequest request;
  request.set_peer("110");
  for (exchange::v1::Envelope& envelope : BadOffers(4)) *request.add_envelopes() = std::move(envelope);
  int64_t through = -1;
  engine_->ApplyInbox({}, request, [&](absl::StatusOr<workorder::v1::ApplyInboxResponse> response) {
    through = response.ok() ? response->receipt().received_through() : -2;
  });
  std::shared_ptr<std::optional<Result>> emergency;
  in_batch_ = [&] { emergency = Submit(NewPush("request-1", type::v1::URGENCY_EMERGENCY)); };
  ASSERT_TRUE(engine_->RunBatch());
  EXPECT_EQ(through, -1) << "one is applied, three wait";
  EXPECT_EQ(engine_->counters().envelopes_in, 1);
  ASSERT_TRUE(emergency->has_value() && (*emergency)->ok()) << "in the same commit";
  Commit();
  EXPECT_EQ(through, 4);
  EXPECT_EQ(engine_->counters().envelopes_in, 4);
  EXPECT_EQ(engine_->counters().envelopes_doubled, 0);
  EXPECT_EQ(Verify(), "");
}

// It was said to have been received in 1970.
TEST_F(EngineTest, AReceiptForNothingNamesNoTime) {
  const auto receipt = [this](const exchange::v1::Envelope* envelope) {
    workorder::v1::ApplyInboxRequest request;
    request.set_peer("110");
    if (envelope != nullptr) *request.add_envelopes() = *envelope;
    exchange::v1::LinkReceipt told;
    engine_->ApplyInbox({}, request, [&](absl::StatusOr<workorder::v1::ApplyInboxResponse> response) {
      ASSERT_TRUE(response.ok()) << response.status();
      told = response->receipt();
    });
    Commit();
    return told;
  };
  const exchange::v1::LinkReceipt none = receipt(nullptr);
  EXPECT_FALSE(none.has_receive_time());
  EXPECT_EQ(none.head_hash(), LaneStart(exchange::v1::LANE_ORDINARY));
  EXPECT_EQ(Pull(0)->incoming().received_through(), 0);
  EXPECT_FALSE(Pull(0)->incoming().has_receive_time());
  const exchange::v1::Envelope recall =
      Envelope(exchange::v1::ENVELOPE_KIND_RECALL, "110-0000000000001-1", "");
  const exchange::v1::LinkReceipt one = receipt(&recall);
  EXPECT_EQ(one.received_through(), 1);
  EXPECT_EQ(one.receive_time().seconds(), absl::ToUnixSeconds(steps_.clock()->Now()));
}

TEST_F(EngineTest, AnInboxIsAppliedInSequenceOnce) {
  std::vector<exchange::v1::Envelope> envelopes = BadOffers(4);
  const auto apply = [&](std::vector<int> indexes) {
    workorder::v1::ApplyInboxRequest request;
    request.set_peer("110");
    for (int index : indexes) *request.add_envelopes() = envelopes[static_cast<size_t>(index)];
    absl::StatusOr<workorder::v1::ApplyInboxResponse> got = absl::InternalError("no answer");
    engine_->ApplyInbox({}, request, [&](absl::StatusOr<workorder::v1::ApplyInboxResponse> response) {
      got = std::move(response);
    });
    Commit();
    return got;
  };
  EXPECT_EQ(apply({1})->receipt().received_through(), 0) << "a gap";
  EXPECT_EQ(apply({0, 1})->receipt().received_through(), 2);
  EXPECT_EQ(apply({0, 1, 2})->receipt().received_through(), 3) << "what is known is skipped";
  EXPECT_EQ(apply({})->receipt().head_hash(), envelopes[2].hash());
  EXPECT_EQ(Pull(0)->envelopes_size(), 3) << "each was answered once";
  envelopes[3].set_body("forged");
  EXPECT_EQ(error::ReasonOf(apply({3}).status()), Reason::ERROR_REASON_LINK_FORKED);
  envelopes[2].set_hash(std::string(32, 'x'));
  EXPECT_EQ(error::ReasonOf(apply({2}).status()), Reason::ERROR_REASON_LINK_FORKED);
  EXPECT_EQ(Verify(), "");
}

// A peer once sent, before what was new, garbage under numbers that had been
// received: what it signed of the whole was kept, and the evidence failed for
// no fault of this site.
TEST_F(EngineTest, ABatchIsKeptOnlyIfWhatItRepeatsIsWhatCame) {
  const std::vector<exchange::v1::Envelope> good = BadOffers(6);
  const auto apply = [&](std::vector<exchange::v1::Envelope> envelopes) {
    workorder::v1::ApplyInboxRequest request;
    request.set_peer("110");
    for (exchange::v1::Envelope& envelope : envelopes) *request.add_envelopes() = std::move(envelope);
    request.mutable_batch()->set_statement("signed");
    absl::StatusOr<workorder::v1::ApplyInboxResponse> got = absl::InternalError("no answer");
    engine_->ApplyInbox({}, request, [&](absl::StatusOr<workorder::v1::ApplyInboxResponse> response) {
      got = std::move(response);
    });
    Commit();
    return got;
  };
  const auto batches = [&] {
    const LaneKey key{.peer = "110", .lane = exchange::v1::LANE_ORDINARY};
    const auto kept = engine_->store().reader().ReadBatches(key, 1, 6);
    EXPECT_TRUE(kept.ok()) << kept.status();
    return kept.ok() ? static_cast<int>(kept->size()) : -1;
  };
  ASSERT_EQ(apply({good[0], good[1], good[2]})->receipt().received_through(), 3);
  EXPECT_EQ(batches(), 1);

  // The head is right, the one before it is not.
  exchange::v1::Envelope garbage = good[1];
  garbage.set_body("garbage");
  const auto altered = apply({garbage, good[2], good[3]});
  EXPECT_EQ(error::ReasonOf(altered.status()), Reason::ERROR_REASON_LINK_FORKED);
  garbage.set_hash(EnvelopeHash(garbage));
  const auto unchained = apply({garbage, good[2], good[3]});
  EXPECT_EQ(error::ReasonOf(unchained.status()), Reason::ERROR_REASON_LINK_FORKED);
  const auto gap = apply({good[0], good[2], good[3]});
  EXPECT_EQ(error::ReasonOf(gap.status()), Reason::ERROR_REASON_LINK_FORKED);
  EXPECT_EQ(apply({})->receipt().received_through(), 3) << "nothing was applied";
  EXPECT_EQ(batches(), 1);

  EXPECT_EQ(apply({good[1], good[2], good[3]})->receipt().received_through(), 4);
  EXPECT_EQ(batches(), 2);
  // Of what is known whole nothing is kept, whatever it holds.
  EXPECT_EQ(apply({garbage})->receipt().received_through(), 4);
  EXPECT_EQ(batches(), 2);
  EXPECT_EQ(Verify(), "");
}

// It may have been restored from an older backup, and have offered the order
// once more since that was made.
TEST_F(EngineTest, ARestartedSiteGivesNoIdOfAHandoffAgain) {
  std::vector<std::string> ids;
  for (const std::string request : {"request-1", "request-2"}) {
    type::v1::Command command = NewPush(request);
    command.clear_offer();
    const Result registered = Run(command);
    ASSERT_TRUE(registered.ok()) << registered.status();
    ids.push_back(registered->order().id());
  }
  const auto offer = [this](const std::string& id, const std::string& request) {
    type::v1::Command command = On(id, request);
    command.mutable_offer()->set_to_hotline("110");
    const Result offered = Run(command);
    EXPECT_TRUE(offered.ok()) << offered.status();
    return offered.ok() ? offered->order().handoff() : type::v1::Handoff();
  };
  EXPECT_EQ(offer(ids[0], "offer-0001").id(), StrCat("12345-", ids[0], "-1"));
  Reopen();
  const type::v1::Handoff later = offer(ids[1], "offer-0002");
  EXPECT_GT(later.attempt(), 1);
  EXPECT_EQ(later.id(), StrCat("12345-", ids[1], "-", later.attempt()));
  EXPECT_EQ(Verify(), "");
}

// A recovery numbers anew what was committed here since the loss. A backup from
// before that recovery knows it by its old number: it comes back, and is
// neither told nor logged once more.
TEST_F(EngineTest, WhatAnEarlierRecoveryNumberedAnewIsThereOnce) {
  const Result pushed = Run(NewPush("push-0001"));
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  type::v1::Command voice = On(pushed->order().id(), "voice-0001");
  voice.mutable_confirm_by_voice()->set_code(pushed->order().handoff().spoken_code());
  voice.mutable_confirm_by_voice()->set_outcome(type::v1::VOICE_OUTCOME_PEER_ACCEPTS);
  voice.mutable_confirm_by_voice()->set_spoken_with("2001");
  const Result confirmed = Run(voice);
  ASSERT_TRUE(confirmed.ok()) << confirmed.status();
  const auto before = Pull(0);
  ASSERT_EQ(before->envelopes_size(), 2);

  // As the peer has them: behind something that this store has lost.
  workorder::v1::RecoverRequest request;
  request.set_peer("110");
  request.set_proven(true);
  exchange::v1::Envelope* lost = request.add_envelopes();
  lost->set_handoff_id("110-0000000000001-1");
  lost->set_kind(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD);
  for (const exchange::v1::Envelope& envelope : before->envelopes()) *request.add_envelopes() = envelope;
  std::string hash = LaneStart(exchange::v1::LANE_ORDINARY);
  for (int i = 0; i < request.envelopes_size(); ++i) {
    exchange::v1::Envelope* envelope = request.mutable_envelopes(i);
    envelope->set_sequence(i + 1);
    envelope->set_previous_hash(hash);
    hash = EnvelopeHash(*envelope);
    envelope->set_hash(hash);
  }
  absl::StatusOr<workorder::v1::RecoverResponse> recovered = absl::InternalError("no answer");
  engine_->Recover({}, request, [&](absl::StatusOr<workorder::v1::RecoverResponse> response) {
    recovered = std::move(response);
  });
  Commit();
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->outgoing_sequence(), 3);
  EXPECT_EQ(recovered->renumbered(), 0);
  EXPECT_EQ(recovered->orders(), 0) << "no event";
  EXPECT_EQ(engine_->head_sequence(), confirmed->event_sequence());
  const auto order = engine_->store().reader().FindOrder(*ParseOrderId(pushed->order().id()));
  EXPECT_EQ((*order)->handoff().link_sequence(), 2);
  // Who asks again must not wait for the receipt of what has the old number
  // now.
  const Result again = Run(NewPush("push-0001"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->replayed());
  EXPECT_EQ(again->order().handoff().link_sequence(), 2);
  EXPECT_EQ(Verify(), "");
}

// 110 offered an order, which this site accepted and passed on to 119. Then an
// old backup is restored that knows nothing of it; and 110 had no word of it
// yet, so that it cannot say what this site had made of its offer.
class LostOrderTest : public EngineTest {
 protected:
  void SetUp() override {
    peers_ = {"110", "119"};
    Reopen();
    exchange::v1::OfferBody body;
    type::v1::Handoff& handoff = *body.mutable_handoff();
    handoff.set_id("110-0000000000001-1");
    handoff.set_from_hotline("110");
    handoff.set_to_hotline("12345");
    handoff.set_from_number("110-20261123-000001");
    handoff.set_attempt(1);
    body.set_origin_hotline("110");
    body.mutable_custody()->set_holder("110");
    body.mutable_custody()->set_epoch(1);
    body.mutable_custody()->mutable_hold_time()->set_seconds(1'795'000'000);
    body.set_content_salt(std::string(16, 'p'));
    body.set_content(NewPush("").registration().content().SerializeAsString());
    offer_ = Envelope(exchange::v1::ENVELOPE_KIND_OFFER, handoff.id(), body.SerializeAsString());
    ASSERT_TRUE(Apply("110", offer_));
    lost_id_ = OnlyOrder().id();
    ASSERT_NE(lost_id_, "");
    type::v1::Command accept = On(lost_id_, "accept-0001");
    accept.mutable_acceptance();
    ASSERT_TRUE(Run(accept).ok());
    type::v1::Command pass_on = On(lost_id_, "pass-on-0001");
    pass_on.mutable_offer()->set_to_hotline("119");
    const Result passed_on = Run(pass_on);
    ASSERT_TRUE(passed_on.ok()) << passed_on.status();
    onward_id_ = passed_on->order().handoff().id();
    const LaneKey key{.peer = "119", .lane = exchange::v1::LANE_ORDINARY};
    const auto rows = engine_->store().reader().ReadOutbox(key, 0, 10);
    ASSERT_TRUE(rows.ok() && rows->size() == 1);
    onward_ = (*rows)[0].envelope;
    Close();
    file_ = "restored.db";
    steps_.Advance(absl::Minutes(1));
    Open();
  }

  type::v1::WorkOrder OnlyOrder() {
    const auto orders = engine_->store().reader().OrdersBetween(0, INT64_MAX, 10);
    EXPECT_TRUE(orders.ok() && orders->size() == 1);
    return orders.ok() && orders->size() == 1 ? (*orders)[0] : type::v1::WorkOrder();
  }
  // It is the order of both handoffs, also for 119, and for whoever compares.
  void ExpectPassedOn(const exchange::v1::Envelope& told_before = {}) {
    const type::v1::WorkOrder order = OnlyOrder();
    EXPECT_EQ(order.handoff().id(), onward_id_);
    EXPECT_EQ(order.inbound().id(), offer_.handoff_id());
    EXPECT_EQ(order.state(), type::v1::ORDER_STATE_OFFERED);
    EXPECT_EQ(order.custody().holder(), "12345");
    exchange::v1::UnderstoodBody understood;
    understood.set_to_number("119-20261123-000001");
    understood.set_to_order_id("0000000000009");
    ASSERT_TRUE(Apply("119", Envelope(exchange::v1::ENVELOPE_KIND_UNDERSTOOD, onward_id_,
                                      understood.SerializeAsString(), told_before)));
    EXPECT_EQ(OnlyOrder().state(), type::v1::ORDER_STATE_UNDERSTOOD);
    workorder::v1::ReadDigestsRequest request;
    request.set_peer("119");
    request.set_recount(true);
    exchange::v1::DigestRange& all = *request.add_ranges();
    all.set_giver("12345");
    all.set_last_order_id(INT64_MAX);
    absl::StatusOr<workorder::v1::ReadDigestsResponse> read = absl::InternalError("no answer");
    engine_->ReadDigests({}, request, [&](absl::StatusOr<workorder::v1::ReadDigestsResponse> response) {
      read = std::move(response);
    });
    Commit();
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_EQ(read->answers(0).items_size(), 1);
    EXPECT_EQ(read->answers(0).items(0).handoff_id(), onward_id_);
    EXPECT_FALSE(engine_->RunBatch()) << "the sums are right";
    EXPECT_EQ(Verify(), "");
  }

  exchange::v1::Envelope offer_;
  exchange::v1::Envelope onward_;
  std::string lost_id_;
  std::string onward_id_;
};

TEST_F(LostOrderTest, IsOneWithWhatWasMadeOfTheOfferSince) {
  ASSERT_TRUE(Apply("110", offer_));
  EXPECT_NE(OnlyOrder().id(), lost_id_);
  Recover("119", onward_);
  ExpectPassedOn();
}

TEST_F(LostOrderTest, IsMadeOfTheOfferWhereItIsKnownBeforeItIsPlayedBack) {
  // 119 had said something that comes again only after 110's offer.
  onward_.set_seen_sequence(1);
  onward_.set_hash(EnvelopeHash(onward_));
  Recover("119", onward_);
  ASSERT_TRUE(Apply("110", offer_));
  EXPECT_EQ(OnlyOrder().id(), lost_id_);
  const exchange::v1::Envelope told =
      Envelope(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, "12345-0000000000001-1", "");
  ASSERT_TRUE(Apply("119", told));
  ExpectPassedOn(told);
  EXPECT_EQ(OnlyOrder().id(), lost_id_);
}

// What 119 gives back comes in parts, and 110 offers meanwhile: what a part had not shown the next one does.
TEST_F(LostOrderTest, IsMadeOfTheOfferAlsoWhereALaterPartBringsIt) {
  exchange::v1::Envelope other =
      Envelope(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, "119-0000000000001-1", "");
  other.set_seen_sequence(1);
  other.set_hash(EnvelopeHash(other));
  Recover("119", other);
  const exchange::v1::Envelope nonsense =
      Envelope(exchange::v1::ENVELOPE_KIND_OFFER, "110-0000000000002-1", "not an offer");
  ASSERT_TRUE(Apply("110", nonsense)) << "with what has come back it was looked for";
  onward_ = Envelope(exchange::v1::ENVELOPE_KIND_OFFER, onward_.handoff_id(), onward_.body(), other);
  onward_.set_seen_sequence(1);
  onward_.set_hash(EnvelopeHash(onward_));
  Recover("119", onward_);
  ASSERT_TRUE(Apply(
      "110", Envelope(exchange::v1::ENVELOPE_KIND_OFFER, offer_.handoff_id(), offer_.body(), nonsense)));
  EXPECT_EQ(OnlyOrder().id(), lost_id_);
  const exchange::v1::Envelope told =
      Envelope(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, "12345-0000000000001-1", "");
  ASSERT_TRUE(Apply("119", told));
  ExpectPassedOn(told);
}

// However many offers come while a long history is played back, none of them reads it anew.
TEST_F(LostOrderTest, IsKnownWithoutReadingWhatCameBackOnceMore) {
  onward_.set_seen_sequence(1);
  onward_.set_hash(EnvelopeHash(onward_));
  Recover("119", onward_);
  const exchange::v1::Envelope nonsense =
      Envelope(exchange::v1::ENVELOPE_KIND_OFFER, "110-0000000000002-1", "not an offer");
  ASSERT_TRUE(Apply("110", nonsense));
  // Whoever reads it finds a gap now.
  const LaneKey key{.peer = "119", .lane = exchange::v1::LANE_ORDINARY};
  ASSERT_TRUE(engine_->store().Begin().ok());
  ASSERT_TRUE(engine_->store().TruncateOutbox(key, 0).ok());
  ASSERT_TRUE(engine_->store().Commit().ok());
  ASSERT_TRUE(Apply(
      "110", Envelope(exchange::v1::ENVELOPE_KIND_OFFER, offer_.handoff_id(), offer_.body(), nonsense)));
  EXPECT_EQ(OnlyOrder().id(), lost_id_);
}

// All of an order goes by one lane: whoever offers by the other does not mean it.
TEST_F(LostOrderTest, IsLookedForInItsOwnLaneAlone) {
  onward_.set_seen_sequence(1);
  onward_.set_previous_hash(LaneStart(exchange::v1::LANE_EMERGENCY));
  onward_.set_hash(EnvelopeHash(onward_));
  Recover("119", onward_, exchange::v1::LANE_EMERGENCY);
  ASSERT_TRUE(Apply("110", offer_));
  EXPECT_NE(OnlyOrder().id(), lost_id_);
}

// 110 calls back what it offered. This site had accepted it, and learns that from 119 only later.
TEST_F(LostOrderTest, IsNotRecalledBeforeItsPassingOnIsPlayedBack) {
  ASSERT_TRUE(Apply("110", offer_));
  ASSERT_EQ(OnlyOrder().state(), type::v1::ORDER_STATE_UNDERSTOOD);
  onward_.set_seen_sequence(1);
  onward_.set_hash(EnvelopeHash(onward_));
  Recover("119", onward_);
  ASSERT_EQ(OnlyOrder().state(), type::v1::ORDER_STATE_UNDERSTOOD) << "it waits for what 119 had said";
  exchange::v1::RecallBody recall;
  recall.set_reason("来电人撤回");
  ASSERT_TRUE(Apply("110", Envelope(exchange::v1::ENVELOPE_KIND_RECALL, offer_.handoff_id(),
                                    recall.SerializeAsString(), offer_)));
  EXPECT_EQ(OnlyOrder().state(), type::v1::ORDER_STATE_UNDERSTOOD);
  const auto owed = Pull(0);
  ASSERT_TRUE(owed.ok()) << owed.status();
  ASSERT_GT(owed->envelopes_size(), 0);
  const exchange::v1::Envelope& answer = owed->envelopes(owed->envelopes_size() - 1);
  EXPECT_EQ(answer.kind(), exchange::v1::ENVELOPE_KIND_RECALL_REFUSED);
  EXPECT_EQ(answer.handoff_id(), offer_.handoff_id());
  exchange::v1::RecallRefusedBody refused;
  ASSERT_TRUE(refused.ParseFromString(answer.body()));
  EXPECT_EQ(refused.state(), type::v1::ORDER_STATE_ACCEPTED);
  const exchange::v1::Envelope told =
      Envelope(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, "12345-0000000000001-1", "");
  ASSERT_TRUE(Apply("119", told));
  ExpectPassedOn(told);
}

// Since the backup 110 was called to an incident.
class RecoverTest : public EngineTest {
 protected:
  void SetUp() override {
    peers_ = {"110", "119"};
    Reopen();
    type::v1::Command incident = NewPush("incident-0001");
    incident.clear_offer();
    const Result registered = Run(incident);
    ASSERT_TRUE(registered.ok()) << registered.status();
    incident_ = registered->order();
    Backup("incident.db");
    ASSERT_TRUE(Run(Call("call-0001", "110")).ok());
    type::v1::Command part = NewPush("call-0001/110");
    part.mutable_registration()->clear_content();
    part.mutable_registration()->set_parent_order_id(incident_.id());
    part.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_PARTNER_FANOUT);
    const Result called = Run(part);
    ASSERT_TRUE(called.ok()) << called.status();
    part_ = called->order();
    ASSERT_EQ(part_.parent_id(), incident_.id());
    const LaneKey key{.peer = "110", .lane = exchange::v1::LANE_ORDINARY};
    const auto rows = engine_->store().reader().ReadOutbox(key, 0, 10);
    ASSERT_TRUE(rows.ok() && rows->size() == 1);
    offer_ = (*rows)[0].envelope;
  }

  void Backup(const std::string& name) {
    ASSERT_TRUE(engine_->store().CopyTo(StrCat(folder_.path(), "/", name)).ok());
  }
  void Restore(const std::string& name) {
    Close();
    file_ = name;
    Open();
  }
  type::v1::Command Call(const std::string& request_id, const std::string& hotline) {
    type::v1::Command command = On(incident_.id(), request_id);
    command.mutable_partner_call()->add_to_hotlines(hotline);
    return command;
  }
  type::v1::WorkOrder Order(const std::string& id) {
    const auto order = engine_->store().reader().FindOrder(ParseOrderId(id).value_or(0));
    EXPECT_TRUE(order.ok() && order->has_value());
    return order.ok() && order->has_value() ? **order : type::v1::WorkOrder();
  }
  type::v1::Event LastEvent(const type::v1::WorkOrder& order) {
    const auto rows = engine_->store().reader().ReadEvents(order.last_event_sequence(), 1);
    type::v1::Event event;
    EXPECT_TRUE(rows.ok() && rows->size() == 1 && event.ParseFromString((*rows)[0].bytes));
    return event;
  }

  type::v1::WorkOrder incident_;
  type::v1::WorkOrder part_;
  exchange::v1::Envelope offer_;
};

// By the number it found none, as if nobody had been called.
TEST_F(RecoverTest, PartnersOrdersAreFoundByTheNumberOfTheIncidentToo) {
  const auto list = [this](const std::string& parent_id) {
    workorder::v1::ListWorkOrdersRequest request;
    request.mutable_filter()->set_parent_id(parent_id);
    std::string found = "no answer";
    service_->ListWorkOrders(
        {}, request, [&](absl::StatusOr<workorder::v1::ListWorkOrdersResponse> response) {
          found = response.ok() ? "" : std::string(error::ReasonName(error::ReasonOf(response.status())));
          if (!response.ok()) return;
          for (const auto& order : response->orders()) found += order.id();
        });
    steps_.RunDue();
    return found;
  };
  EXPECT_EQ(list(incident_.id()), part_.id());
  EXPECT_EQ(list(incident_.number()), part_.id());
  EXPECT_EQ(list("12345-20200101-000001"), "ORDER_NOT_FOUND");
}

TEST_F(RecoverTest, APartnersOrderFindsItsIncident) {
  steps_.Advance(absl::Minutes(1));
  Restore("incident.db");
  ASSERT_EQ(Order(incident_.id()).partner_count(), 0);
  Recover("110", offer_);
  EXPECT_EQ(Order(part_.id()).parent_id(), incident_.id());
  EXPECT_EQ(Order(part_.id()).parent_number(), incident_.number());
  const type::v1::WorkOrder incident = Order(incident_.id());
  EXPECT_EQ(incident.partner_count(), 1);
  const type::v1::Event event = LastEvent(incident);
  ASSERT_TRUE(event.has_partners_called());
  EXPECT_EQ(event.partners_called().to_hotlines(0), "110");
  EXPECT_TRUE(event.recovered());
  EXPECT_EQ(event.actor().account(), "service/work_order");
  // The desk, which has seen its call vanish, calls again.
  const absl::Status again = Run(Call("call-0002", "110")).status();
  EXPECT_EQ(error::ReasonOf(again), Reason::ERROR_REASON_LIST_INVALID);
  EXPECT_EQ(error::FieldOf(again), "partner_call.to_hotlines[0]");
  EXPECT_NE(error::ChineseOf(again).find(part_.number()), std::string::npos);
  EXPECT_TRUE(Run(Call("call-0003", "119")).ok());
  // And what becomes of it is told to the incident.
  exchange::v1::NotUnderstoodBody body;
  body.set_kind(exchange::v1::ENVELOPE_KIND_OFFER);
  ASSERT_TRUE(Apply("110", Envelope(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, offer_.handoff_id(),
                                    body.SerializeAsString())));
  ASSERT_EQ(Order(incident_.id()).partner_outcomes_size(), 1);
  EXPECT_EQ(Order(incident_.id()).partner_outcomes(0).order_id(), part_.id());
  EXPECT_EQ(Order(incident_.id()).partner_count(), 2) << "found once";
  EXPECT_TRUE(Run(Call("call-0004", "110")).ok()) << "it has none any more";
  EXPECT_EQ(Verify(), "");
}

// The incident is lost, and its number was given to another matter.
TEST_F(RecoverTest, APartnersOrderIsNotBoundToWhatHasTheNumberNow) {
  // The same is reported once more; or, by a clock that was set back, something else.
  for (const bool later : {true, false}) {
    steps_.clock()->Advance(later ? absl::Minutes(1) : -absl::Minutes(30));
    Restore(later ? "later.db" : "earlier.db");
    type::v1::Command other = NewPush("other-0001");
    other.clear_offer();
    if (!later) other.mutable_registration()->mutable_content()->set_title("井盖缺失");
    const Result registered = Run(other);
    ASSERT_TRUE(registered.ok()) << registered.status();
    ASSERT_EQ(registered->order().number(), incident_.number());
    ASSERT_EQ(registered->order().id() > part_.id(), later);
    Recover("110", offer_);
    EXPECT_EQ(Order(part_.id()).parent_id(), "");
    EXPECT_EQ(Order(part_.id()).parent_number(), incident_.number());
    EXPECT_EQ(Order(registered->order().id()).partner_count(), 0);
    EXPECT_EQ(Verify(), "");
  }
}

// The incident was lost too, and comes back behind its partner's order.
TEST_F(RecoverTest, APartnersOrderLooksForItsIncidentAgain) {
  exchange::v1::OfferBody body;
  ASSERT_TRUE(body.ParseFromString(offer_.body()));
  body.mutable_handoff()->set_id(StrCat("12345-", incident_.id(), "-1"));
  body.mutable_handoff()->set_to_hotline("119");
  body.mutable_handoff()->set_from_number(incident_.number());
  body.clear_parent_number();
  body.set_content_salt(std::string(16, 'i'));
  Restore("empty.db");  // of before the first order
  Recover("110", offer_);
  EXPECT_EQ(Order(part_.id()).parent_id(), "");
  Recover("119", Envelope(exchange::v1::ENVELOPE_KIND_OFFER, body.handoff().id(), body.SerializeAsString()));
  EXPECT_EQ(Order(incident_.id()).number(), incident_.number());
  exchange::v1::UnderstoodBody understood;
  understood.set_to_number("110-20261123-000001");
  ASSERT_TRUE(Apply("110", Envelope(exchange::v1::ENVELOPE_KIND_UNDERSTOOD, offer_.handoff_id(),
                                    understood.SerializeAsString())));
  EXPECT_EQ(Order(part_.id()).parent_id(), incident_.id());
  EXPECT_EQ(Order(incident_.id()).partner_count(), 1);
  EXPECT_EQ(LastEvent(Order(incident_.id())).actor().hotline(), "12345");
  EXPECT_EQ(Verify(), "");
}

// What is owed between a recovery and the peer's redelivery.
TEST_F(EngineTest, WhatWasSeenGoesNotBackWhileHistoryComesAgain) {
  workorder::v1::RecoverRequest request;
  request.set_peer("110");
  exchange::v1::Envelope* lost = request.add_envelopes();
  lost->set_sequence(1);
  lost->set_handoff_id("110-0000000000001-1");
  lost->set_kind(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD);
  lost->set_seen_sequence(5);
  lost->set_previous_hash(LaneStart(exchange::v1::LANE_ORDINARY));
  lost->set_hash(EnvelopeHash(*lost));
  absl::StatusOr<workorder::v1::RecoverResponse> recovered = absl::InternalError("no answer");
  engine_->Recover({}, request, [&](absl::StatusOr<workorder::v1::RecoverResponse> response) {
    recovered = std::move(response);
  });
  Commit();
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  ASSERT_TRUE(Run(NewPush("request-1")).ok());
  ASSERT_TRUE(Run(NewPush("request-2")).ok());
  const auto pulled = Pull(0);
  ASSERT_TRUE(pulled.ok()) << pulled.status();
  ASSERT_EQ(pulled->envelopes_size(), 3);
  for (const exchange::v1::Envelope& envelope : pulled->envelopes()) {
    EXPECT_EQ(envelope.seen_sequence(), 5) << envelope.sequence();
  }
}

// Earlier releases told requests apart in other ways, and did not always write
// into a command the unit that the call's metadata names.
TEST_F(EngineTest, ARequestRepeatedAcrossAnUpgradeIsTheSame) {
  const Result pushed = Run(NewPush("request-1"));
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  type::v1::Command other = NewPush("request-2");
  other.mutable_header()->mutable_actor()->set_unit("gonganju");
  ASSERT_TRUE(Run(other).ok());
  SetFingerprint("request-1", Sha256({NewPush("request-1").SerializeAsString()}));
  SetFingerprint("request-2", Sha256({other.SerializeAsString()}));

  type::v1::Command named = NewPush("request-1");
  EXPECT_TRUE(Run(named).ok());
  named.mutable_header()->mutable_actor()->set_unit("gonganju");
  const Result again = Run(named);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->replayed());
  EXPECT_EQ(again->order().id(), pushed->order().id());
  EXPECT_TRUE(Run(other).ok());
  other.mutable_header()->mutable_actor()->set_unit("rensheju");
  EXPECT_EQ(error::ReasonOf(Run(other).status()), Reason::ERROR_REASON_REQUEST_ID_REUSED);
}

// A signature without a unit is not that of the unit that comes later.
TEST_F(EngineTest, ARequestOfOneUnitIsNotThatOfAnother) {
  ASSERT_TRUE(Run(NewPush("request-1")).ok());
  type::v1::Command named = NewPush("request-1");
  named.mutable_header()->mutable_actor()->set_unit("gonganju");
  EXPECT_EQ(error::ReasonOf(Run(named).status()), Reason::ERROR_REASON_REQUEST_ID_REUSED);
  named.mutable_header()->set_request_id("request-2");
  ASSERT_TRUE(Run(named).ok());
  EXPECT_EQ(error::ReasonOf(Run(NewPush("request-2")).status()), Reason::ERROR_REASON_REQUEST_ID_REUSED);
  named.mutable_header()->mutable_actor()->set_unit("rensheju");
  EXPECT_EQ(error::ReasonOf(Run(named).status()), Reason::ERROR_REASON_REQUEST_ID_REUSED);
}

// What is asked for and cannot be is told as what it is.
TEST_F(EngineTest, BoundsAreToldAsTheyAre) {
  ASSERT_TRUE(Run(NewPush("request-1")).ok());
  absl::Status status;
  workorder::v1::GetWorkOrderRequest get;
  get.set_order_id(std::string(3000, 'a'));
  service_->GetWorkOrder({}, get, [&](absl::StatusOr<workorder::v1::GetWorkOrderResponse> response) {
    status = response.status();
  });
  steps_.RunDue();
  EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_TEXT_TOO_LONG) << status;
  EXPECT_EQ(error::FieldOf(status), "order_id");
  for (const int limit : {-1, 0, 1001}) {
    workorder::v1::ReadEventsRequest read;
    read.set_start_sequence(1);
    read.set_limit(limit);
    engine_->ReadEvents({}, read, [&](absl::StatusOr<workorder::v1::ReadEventsResponse> response) {
      status = response.status();
    });
    EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_PAGE_SIZE_INVALID) << status;
    EXPECT_EQ(error::ChineseOf(status), "字段 limit：应在1到1000之间");
  }
}

// An answer that the log is intact is worth what was looked at.
TEST_F(EngineTest, AVerificationLooksAtSomething) {
  for (int i = 1; i <= 3; ++i) ASSERT_TRUE(Run(NewPush(StrCat("request-", i))).ok());
  const auto verify = [this](int64_t start, int64_t end) {
    workorder::v1::VerifyLogRequest request;
    request.set_start_sequence(start);
    request.set_end_sequence(end);
    std::string told = "no answer";
    service_->VerifyLog({}, request, [&](absl::StatusOr<workorder::v1::VerifyLogResponse> response) {
      told = response.ok() ? StrCat(response->intact() ? "intact " : "broken ", response->event_count())
                           : error::FieldOf(response.status());
    });
    steps_.RunDue();
    return told;
  };
  EXPECT_EQ(verify(3, 2), "end_sequence");
  EXPECT_EQ(verify(2, 2), "intact 1");
  EXPECT_EQ(verify(2, 0), "intact 2");
  EXPECT_EQ(verify(0, 1), "intact 1");
}

TEST_F(EngineTest, AVerificationOfAStretchTellsTheHeadOfTheLog) {
  for (int i = 1; i <= 3; ++i) ASSERT_TRUE(Run(NewPush(StrCat("request-", i))).ok());
  const auto head = [this](int64_t end) {
    workorder::v1::VerifyLogRequest request;
    request.set_end_sequence(end);
    std::pair<int64_t, std::string> told;
    service_->VerifyLog({}, request, [&](absl::StatusOr<workorder::v1::VerifyLogResponse> response) {
      ASSERT_TRUE(response.ok()) << response.status();
      told = {response->head_sequence(), response->head_hash()};
    });
    steps_.RunDue();
    return told;
  };
  EXPECT_EQ(head(0).first, 3);
  EXPECT_EQ(head(1), head(0));
}

// Asked for what it might have lost, the peer sends what is here, of which no
// receipt is on record: dispatch once asked for ever for what the receipt had
// changed, and it had changed nothing.
TEST_F(EngineTest, WhatIsNotLostIsAcknowledgedByAReceipt) {
  const Result pushed = Run(NewPush("request-1"));
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  ASSERT_TRUE(Run(NewPush("request-2")).ok());
  const auto before = Pull(0);
  ASSERT_EQ(before->envelopes_size(), 2);
  workorder::v1::RecoverRequest request;
  request.set_peer("110");
  *request.add_envelopes() = before->envelopes(0);
  absl::StatusOr<workorder::v1::RecoverResponse> recovered = absl::InternalError("no answer");
  engine_->Recover({}, request, [&](absl::StatusOr<workorder::v1::RecoverResponse> response) {
    recovered = std::move(response);
  });
  Commit();
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->outgoing_sequence(), 2);
  EXPECT_EQ(Pull(0)->acknowledged_through(), 0);
  EXPECT_EQ(Pull(1, 1, before->envelopes(0).hash())->acknowledged_through(), 1);
  const auto order = engine_->store().reader().FindOrder(*ParseOrderId(pushed->order().id()));
  EXPECT_TRUE((*order)->handoff().has_receive_time());
  EXPECT_EQ(Verify(), "");
}

TEST_F(EngineTest, LongPollsAreAnsweredByACommitByTimeAndByADrain) {
  const auto read = [&](int64_t start, int64_t wait_s) {
    auto slot = std::make_shared<std::optional<absl::StatusOr<workorder::v1::ReadEventsResponse>>>();
    workorder::v1::ReadEventsRequest request;
    request.set_start_sequence(start);
    request.set_limit(10);
    request.mutable_wait()->set_seconds(wait_s);
    engine_->ReadEvents({}, request, [slot](auto response) { *slot = std::move(response); });
    return slot;
  };
  const auto by_commit = read(1, 10);
  EXPECT_FALSE(by_commit->has_value());
  ASSERT_TRUE(Run(NewPush("request-1")).ok());
  ASSERT_TRUE(by_commit->has_value());
  EXPECT_EQ((**by_commit)->events_size(), 1);
  const auto by_time = read(2, 1);
  steps_.Advance(absl::Milliseconds(800));
  EXPECT_FALSE(by_time->has_value());
  steps_.Advance(absl::Milliseconds(600));
  ASSERT_TRUE(by_time->has_value());
  EXPECT_EQ((**by_time)->events_size(), 0);
  const auto by_drain = read(2, 30);
  engine_->Drain();
  EXPECT_TRUE(by_drain->has_value());
  EXPECT_EQ(error::ReasonOf(Run(NewPush("request-2")).status()), Reason::ERROR_REASON_DRAINING);
  EXPECT_EQ(error::ReasonOf((*read(9, 0))->status()), Reason::ERROR_REASON_SEQUENCE_OUT_OF_RANGE);
}

// An order that was never pushed has no handoff: it is no less an order.
TEST_F(EngineTest, AWatchShowsOrdersThatStayHere) {
  engine_->set_on_commit([this](const Committed& committed) { service_->Publish(committed.events); });
  workorder::v1::WatchWorkOrdersRequest request;
  request.set_start_sequence(1);
  auto stream = service_->WatchWorkOrders({}, request);
  ASSERT_TRUE(stream.ok()) << stream.status();
  std::vector<int64_t> seen;
  const std::function<void()> next = [&] {
    (*stream)->Next([&](absl::StatusOr<SharedMessage> message) {
      if (!message.ok()) return;
      workorder::v1::WatchWorkOrdersResponse response;
      ASSERT_TRUE(response.ParseFromString(**message));
      for (const auto& event : response.events()) seen.push_back(event.sequence());
      next();
    });
  };
  next();
  steps_.RunDue();
  type::v1::Command here = NewPush("request-1");
  here.clear_offer();
  ASSERT_TRUE(Run(here).ok());
  ASSERT_TRUE(Run(NewPush("request-2")).ok());
  EXPECT_EQ(seen, (std::vector<int64_t>{1, 2}));
}

TEST_F(EngineTest, AWatchOfANumberIsRefused) {
  const Result pushed = Run(NewPush("request-1"));
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  workorder::v1::WatchWorkOrdersRequest request;
  request.set_order_id(pushed->order().number());
  const absl::Status refused = service_->WatchWorkOrders({}, request).status();
  EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_FIELD_INVALID);
  EXPECT_EQ(error::FieldOf(refused), "order_id");
}

TEST_F(EngineTest, ReadsOfEventsFitIntoAMessage) {
  type::v1::Command registration = NewPush("request-0");
  registration.clear_offer();
  const Result registered = Run(registration);
  ASSERT_TRUE(registered.ok()) << registered.status();
  const std::string id = registered->order().id();
  type::v1::Command accept = On(id, "request-1");
  accept.mutable_acceptance();
  ASSERT_TRUE(Run(accept).ok());
  std::string note;
  for (int i = 0; i < 2000; ++i) note += "长";
  constexpr int kNotes = 500;
  for (int i = 0; i < kNotes; i += 50) {
    for (int j = i; j < i + 50; ++j) {
      type::v1::Command progress = On(id, StrCat("progress-", j));
      progress.mutable_progress()->set_note(note);
      Submit(progress);
    }
    Commit();
  }
  ASSERT_EQ(engine_->head_sequence(), 2 + kNotes);
  int reads = 0;
  for (int64_t start = 1; start <= engine_->head_sequence(); ++reads) {
    workorder::v1::ReadEventsRequest request;
    request.set_start_sequence(start);
    request.set_limit(1000);
    absl::StatusOr<workorder::v1::ReadEventsResponse> got = absl::InternalError("no answer");
    engine_->ReadEvents({}, request, [&](auto response) { got = std::move(response); });
    steps_.RunDue();
    ASSERT_TRUE(got.ok()) << got.status();
    ASSERT_GT(got->events_size(), 0);
    EXPECT_LE(got->ByteSizeLong(), size_t{3} << 20);
    start += got->events_size();
  }
  EXPECT_GE(reads, 2);
}

TEST_F(EngineTest, VerifyFindsAnAlteredEvent) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Run(NewPush(StrCat("request-", i))).ok());
  ASSERT_EQ(Verify(), "");
  Close();
  {
    auto database = sql::OpenSqlite({.path = folder_.path() + "/work_order.db"});
    ASSERT_TRUE(database.ok());
    auto connection = (*database)->OpenWriter();
    ASSERT_TRUE(connection.ok());
    ASSERT_TRUE((*connection)->Begin().ok());
    auto statement = (*connection)->Prepare("UPDATE event SET bytes = substr(bytes, 2) WHERE sequence = 3");
    ASSERT_TRUE(statement.ok()) << statement.status();
    ASSERT_TRUE((*statement)->Step().ok());
    ASSERT_TRUE((*connection)->Commit().ok());
  }
  Open();
  EXPECT_EQ(Verify(), "event 3 does not continue the chain");
}

// A long log kept the readers' thread busy for whoever had gone long ago.
TEST_F(EngineTest, VerificationEndsWithTheCallThatAskedForIt) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Run(NewPush(StrCat("request-", i))).ok());
  absl::StatusOr<workorder::v1::VerifyLogResponse> verified = absl::InternalError("no answer");
  CallContext call;
  call.now = steps_.clock()->Now();
  call.deadline = call.now + absl::Seconds(1);
  const auto begin = [&] {
    steps_.RunDue();
    service_->VerifyLog(call, {}, [&](absl::StatusOr<workorder::v1::VerifyLogResponse> response) {
      verified = std::move(response);
    });
    ASSERT_TRUE(steps_.RunOne()) << "the events";
    EXPECT_EQ(verified.status().message(), "no answer") << "links and orders are still to come";
  };
  begin();
  steps_.clock()->Advance(absl::Milliseconds(999));
  steps_.RunDue();
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_TRUE(verified->intact());
  verified = absl::InternalError("no answer");
  call.deadline = steps_.clock()->Now() + absl::Seconds(1);
  begin();
  steps_.clock()->Advance(absl::Milliseconds(1001));
  ASSERT_TRUE(steps_.RunOne());
  EXPECT_EQ(verified.status().code(), absl::StatusCode::kDeadlineExceeded);
}

// Whoever broke off and asked again left several walks on the thread that answers all reads.
TEST_F(EngineTest, OneVerificationIsUnderWayAtATime) {
  ASSERT_TRUE(Run(NewPush("request-1")).ok());
  absl::StatusOr<workorder::v1::VerifyLogResponse> first = absl::InternalError("no answer");
  service_->VerifyLog({}, {}, [&](absl::StatusOr<workorder::v1::VerifyLogResponse> response) {
    first = std::move(response);
  });
  ASSERT_TRUE(steps_.RunOne()) << "the events";
  absl::Status second;
  service_->VerifyLog({}, {}, [&](auto response) { second = response.status(); });
  EXPECT_EQ(error::ReasonOf(second), Reason::ERROR_REASON_OVERLOADED);
  EXPECT_EQ(error::RetryDelayOf(second), absl::Minutes(1));
  EXPECT_EQ(second.message(),
            "another verification is under way; one that was given up goes on until its time is over");
  EXPECT_EQ(error::ChineseOf(second), "另一次校验正在进行；已放弃的校验会持续到其时限结束，请稍后再试");
  steps_.RunDue();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(Verify(), "") << "it is over";
}

// A server waits for its calls before it ends.
TEST_F(EngineTest, ADrainEndsAVerification) {
  ASSERT_TRUE(Run(NewPush("request-1")).ok());
  absl::StatusOr<workorder::v1::VerifyLogResponse> verified = absl::InternalError("no answer");
  service_->VerifyLog({}, {}, [&](absl::StatusOr<workorder::v1::VerifyLogResponse> response) {
    verified = std::move(response);
  });
  ASSERT_TRUE(steps_.RunOne()) << "the events";
  service_->Drain();
  steps_.RunDue();
  EXPECT_EQ(error::ReasonOf(verified.status()), Reason::ERROR_REASON_DRAINING);
}

// The first to ask does not wait until all that is open has been read, nor do other reads wait behind it.
TEST_F(EngineTest, SimilarOrdersAreIndexedInSlices) {
  constexpr int kOpen = 300;
  type::v1::OrderContent oldest = Lamp(type::v1::URGENCY_NORMAL);
  oldest.set_title("井盖缺失");
  oldest.set_text("北门十字路口的井盖不见了，车轮陷了进去");
  for (int first = 0; first < kOpen; first += 50) {
    for (int i = first; i < first + 50; ++i) {
      type::v1::Command command = NewPush(StrCat("request-", i));
      if (i == 0) *command.mutable_registration()->mutable_content() = oldest;
      Submit(std::move(command));
    }
    Commit();
  }
  ASSERT_EQ(engine_->head_sequence(), kOpen);
  const auto reader = engine_->store().NewReader();
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto orders = (*reader)->OrdersBetween(0, INT64_MAX, 1);
  ASSERT_TRUE(orders.ok() && orders->size() == 1);
  const int64_t oldest_id = ParseOrderId((*orders)[0].id()).value_or(0);
  SimilarOrders similar(reader->get(), &steps_);
  EXPECT_EQ(similar.bytes(), 0u) << "it costs nothing before it is used";
  const Sketch query = SketchOf(oldest, steps_.clock()->Now());
  absl::StatusOr<SimilarOrders::Found> found = similar.Find(query, 0);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found->incomplete);
  EXPECT_TRUE(found->likely.empty()) << "no more than two slices were read";
  const size_t begun = similar.bytes();
  EXPECT_GT(begun, 0u);

  // The rest is read in the background, others between.
  steps_.clock()->Advance(absl::Seconds(1));
  int slices = 0;
  while (steps_.RunOne()) ++slices;
  EXPECT_GE(slices, 5);
  EXPECT_GT(similar.bytes(), begun);
  found = similar.Find(query, 0);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_FALSE(found->incomplete);
  ASSERT_FALSE(found->likely.empty());
  EXPECT_EQ(found->likely[0].id, oldest_id) << "the last that was read";
  steps_.Clear();
}

// Ids never go back, and lists by time left out all that came until its time had come, and of that time for
// good.
TEST_F(EngineTest, AListByTimeIsRightAfterTheClockWasAhead) {
  const auto registered = [this](absl::Time from, absl::Time to) {
    workorder::v1::ListFilter filter;
    filter.mutable_register_start_time()->set_seconds(absl::ToUnixSeconds(from));
    filter.mutable_register_end_time()->set_seconds(absl::ToUnixSeconds(to));
    int64_t next = 0;
    const auto orders = engine_->store().reader().List(filter, 0, {.limit = 10, .scan_limit = 100}, &next);
    EXPECT_TRUE(orders.ok()) << orders.status();
    std::set<std::string> ids;
    for (const type::v1::WorkOrder& order : *orders) ids.insert(order.id());
    return ids;
  };
  constexpr absl::Duration kDay = absl::Hours(24);
  const absl::Time today = steps_.clock()->Now();
  const std::string before = Run(NewPush("request-1"))->order().id();
  steps_.clock()->Advance(300 * kDay);
  const std::string ahead = Run(NewPush("request-2"))->order().id();
  steps_.clock()->Advance(absl::Hours(1) - 300 * kDay);
  const std::string after = Run(NewPush("request-3"))->order().id();
  steps_.clock()->Advance(kDay);
  const std::string tomorrow = Run(NewPush("request-4"))->order().id();
  ASSERT_GT(after, ahead);
  // Once more, back to before what came after the first time.
  steps_.clock()->Advance(300 * kDay);
  const std::string ahead_again = Run(NewPush("request-6"))->order().id();
  steps_.clock()->Set(today + absl::Minutes(30));
  const std::string after_again = Run(NewPush("request-7"))->order().id();
  ASSERT_GT(after_again, tomorrow);
  for (const bool later : {false, true}) {
    EXPECT_EQ(registered(today, today + kDay), (std::set<std::string>{before, after, after_again})) << later;
    EXPECT_EQ(registered(today + kDay, today + 2 * kDay), std::set<std::string>{tomorrow}) << later;
    EXPECT_EQ(registered(today + 300 * kDay, today + 301 * kDay), std::set<std::string>{ahead}) << later;
    EXPECT_EQ(registered(today + 301 * kDay, today + 302 * kDay), std::set<std::string>{ahead_again})
        << later;
    EXPECT_EQ(registered(today, today + 400 * kDay).size(), later ? 7u : 6u);
    if (later) break;
    steps_.clock()->Advance(310 * kDay);
    ASSERT_TRUE(Run(NewPush("request-5")).ok());
  }
}

// What a peer does not understand moves nothing and is in no log of events: the operator is told.
TEST_F(EngineTest, WhatAPeerHasRefusedIsHandedToWhoeverLogsIt) {
  std::vector<Refusal> refusals;
  engine_->set_on_commit([&refusals](const Committed& committed) {
    refusals.insert(refusals.end(), committed.refusals.begin(), committed.refusals.end());
  });
  const Result pushed = Run(NewPush("request-1"));
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  const std::string handoff_id = pushed->order().handoff().id();
  exchange::v1::NotUnderstoodBody body;
  body.set_kind(exchange::v1::ENVELOPE_KIND_MIRROR);
  body.set_reason("WRONG_STATE");
  body.set_sequence(2);
  const exchange::v1::Envelope known =
      Envelope(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, handoff_id, body.SerializeAsString());
  ASSERT_TRUE(Apply("110", known));
  const exchange::v1::Envelope unknown =
      Envelope(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, "张三", body.SerializeAsString(), known);
  ASSERT_TRUE(Apply("110", unknown));
  ASSERT_EQ(refusals.size(), 2u);
  EXPECT_EQ(refusals[0].peer, "110");
  EXPECT_EQ(refusals[0].handoff_id, handoff_id);
  EXPECT_EQ(refusals[0].body.kind(), exchange::v1::ENVELOPE_KIND_MIRROR);
  EXPECT_EQ(refusals[0].body.sequence(), 2);
  EXPECT_EQ(refusals[0].body.reason(), "WRONG_STATE");
  EXPECT_EQ(refusals[1].handoff_id, "") << "what names no handoff may name anything";
  EXPECT_EQ(engine_->counters().envelopes_refused, 2);
  EXPECT_EQ(engine_->head_sequence(), 1) << "nothing moved";
  // An offer goes back to the desk, which is no matter for the operator.
  ASSERT_TRUE(Apply("110", Envelope(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, handoff_id, "", unknown)));
  EXPECT_EQ(engine_->head_sequence(), 2);
  EXPECT_EQ(refusals.size(), 2u);
}

TEST_F(EngineTest, NumbersStartAnewEachDayAndNeverGoBack) {
  EXPECT_EQ(Run(NewPush("request-1"))->order().number(), "12345-20261118-000001");
  steps_.clock()->Advance(absl::Hours(24));
  EXPECT_EQ(Run(NewPush("request-2"))->order().number(), "12345-20261119-000001");
  steps_.clock()->Advance(-absl::Hours(24));
  EXPECT_EQ(Run(NewPush("request-3"))->order().number(), "12345-20261119-000002");
  Reopen();
  EXPECT_EQ(Run(NewPush("request-4"))->order().number(), "12345-20261119-000003");
}

}  // namespace
}  // namespace hotline::work_order
