#include "services/dispatch/service.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "common/base/text.h"
#include "common/boot/catalogue_file.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "services/dispatch/routing/phrase_reader.h"
#include "tests/services/dispatch/fakes.h"
#include "tests/support/steps.h"

namespace hotline::dispatch {
namespace {

using error::Reason;

class DispatchServiceTest : public testing::Test {
 protected:
  DispatchServiceTest() {
    DispatchOptions options;
    options.hotline = "12345";
    service_ = std::make_unique<DispatchService>(&ledger_, std::map<std::string, Peer*>{{"110", &peer_}},
                                                 &notary_, &steps_, steps_.clock(), options);
    service_->Start();
    steps_.RunDue();
  }
  ~DispatchServiceTest() override { steps_.Clear(); }

  CallContext Call() {
    CallContext call;
    call.now = steps_.clock()->Now();
    call.deadline = call.now + absl::Seconds(30);
    return call;
  }
  void LinkUp() {
    while (!peer_.questions.empty()) Take(peer_.questions).done(Standing());
  }
  // Takes the pull of a lane out of the ledger's calls.
  Held<workorder::v1::PullOutboxRequest, workorder::v1::PullOutboxResponse> TakePull(
      exchange::v1::Lane lane) {
    auto& pulls = ledger_.pulls;
    const auto it = std::find_if(pulls.begin(), pulls.end(),
                                 [lane](const auto& pull) { return pull.request.lane() == lane; });
    auto call = std::move(*it);
    pulls.erase(it);
    return call;
  }

  v1::PushWorkOrderRequest NewPush(type::v1::Urgency urgency) {
    v1::PushWorkOrderRequest request;
    request.mutable_content()->set_urgency(urgency);
    request.mutable_offer()->set_to_hotline("110");
    return request;
  }
  void Push(v1::PushWorkOrderRequest request) {
    service_->PushWorkOrder(
        Call(), std::move(request),
        [this](absl::StatusOr<v1::PushWorkOrderResponse> response) { pushed_ = std::move(response); });
  }
  // work_order commits the oldest batch, with one order. Without a time it was offered long ago.
  void Commit(type::v1::Urgency urgency, absl::Time offered = absl::UnixEpoch()) {
    auto call = Take(ledger_.executes);
    workorder::v1::ExecuteResponse response;
    auto* order = response.add_results()->mutable_order();
    order->set_urgency(urgency);
    order->mutable_handoff()->set_to_hotline("110");
    order->mutable_handoff()->set_link_sequence(1);
    *order->mutable_handoff()->mutable_offer_time() = ToTimestamp(offered);
    call.done(std::move(response));
  }
  // Whatever is sent to work_order next, all of it alarms.
  void ExpectAlarms(int count) {
    int alarms = 0;
    while (!ledger_.executes.empty()) {
      auto call = Take(ledger_.executes);
      workorder::v1::ExecuteResponse noted;
      for (const type::v1::Command& command : call.request.commands()) {
        EXPECT_TRUE(command.has_alarm());
        ++alarms;
        noted.add_results();
      }
      call.done(noted);
    }
    EXPECT_EQ(alarms, count);
  }

  test::Steps steps_{absl::FromUnixSeconds(1'795'000'000)};
  FakeLedger ledger_;
  FakePeer peer_;
  const Notary notary_{"12345", {}, {}};
  std::unique_ptr<DispatchService> service_;
  std::optional<absl::StatusOr<v1::PushWorkOrderResponse>> pushed_;
};

TEST_F(DispatchServiceTest, AnOrdinaryPushIsAnsweredWithItsCommit) {
  Push(NewPush(type::v1::URGENCY_NORMAL));
  EXPECT_FALSE(pushed_.has_value());
  Commit(type::v1::URGENCY_NORMAL);
  ASSERT_TRUE(pushed_.has_value() && pushed_->ok());
  EXPECT_EQ((*pushed_)->status(), v1::DELIVERY_STATUS_QUEUED);
  EXPECT_FALSE((*pushed_)->telephone_required());
}

// Routing cannot say where to: only work_order knows whether it is a push that was committed before.
TEST_F(DispatchServiceTest, APushWithoutATargetIsAskedUnlessItIsARepeat) {
  const auto loaded = boot::LoadCatalogues(std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue");
  ASSERT_TRUE(loaded.ok());
  const auto router = Router::Create(
      "12345", [&] { return loaded; },
      [](const auto&) { return std::make_shared<const routing::PhraseReader>(); }, config::v1::Policy());
  ASSERT_TRUE(router.ok());
  DispatchOptions options;
  options.hotline = "12345";
  options.router = router->get();
  // What the one before was to do later goes with it.
  steps_.Clear();
  service_ = std::make_unique<DispatchService>(&ledger_, std::map<std::string, Peer*>{{"110", &peer_}},
                                               &notary_, &steps_, steps_.clock(), options);
  v1::PushWorkOrderRequest request = NewPush(type::v1::URGENCY_NORMAL);
  request.mutable_offer()->clear_to_hotline();
  request.mutable_content()->set_text("你们帮帮忙");
  Push(request);
  workorder::v1::ExecuteResponse refused;
  *refused.add_results()->mutable_error() = error::ToProto(error::Required("offer.to_hotline"));
  Take(ledger_.executes).done(refused);
  ASSERT_TRUE(pushed_.has_value());
  EXPECT_EQ(error::ReasonOf(pushed_->status()), Reason::ERROR_REASON_ROUTE_UNDECIDED);

  Push(request);
  Commit(type::v1::URGENCY_NORMAL);
  EXPECT_TRUE(pushed_->ok());

  // Where it is clear, work_order gets the route beside what the client sent.
  request.mutable_content()->set_text("有人打架，拿刀砍人");
  Push(request);
  EXPECT_EQ(ledger_.executes.front().request.commands(0).registration().route().hotline(), "110");
  EXPECT_EQ(ledger_.executes.front().request.commands(0).offer().to_hotline(), "");
  Commit(type::v1::URGENCY_NORMAL);

  // Read as an emergency, it goes ahead of what waits, whatever the form said.
  v1::PushWorkOrderRequest calm = request;
  calm.mutable_content()->set_text("路灯坏了");
  calm.mutable_offer()->set_to_hotline("110");
  for (int i = 0; i < 3; ++i) Push(calm);
  EXPECT_EQ(ledger_.executes.size(), 1u) << "the others wait";
  Push(request);
  ASSERT_EQ(ledger_.executes.size(), 2u);
  EXPECT_EQ(ledger_.executes.back().request.commands(0).registration().route().urgency(),
            type::v1::URGENCY_EMERGENCY);
  for (int i = 0; i < 8; ++i) {
    if (!ledger_.executes.empty()) Commit(type::v1::URGENCY_NORMAL);
    steps_.Advance(absl::Milliseconds(100));
  }
  EXPECT_TRUE(ledger_.executes.empty());
  steps_.Clear();
  service_.reset();
}

// Refuses a number, and finds by text.
struct PickyFinder final : OrderFinder {
  void FindSimilarOrders(const CallContext&, workorder::v1::FindSimilarOrdersRequest request,
                         Done<workorder::v1::FindSimilarOrdersResponse> done) override {
    asked.push_back(request.content().caller().phone());
    if (!asked.back().empty()) return done(error::BadField(Reason::ERROR_REASON_PHONE_INVALID, "", "", ""));
    workorder::v1::FindSimilarOrdersResponse found;
    found.add_similar_orders();
    done(std::move(found));
  }
  std::vector<std::string> asked;
};

TEST_F(DispatchServiceTest, AHalfTypedNumberHidesNothingThatIsAlike) {
  const auto loaded = boot::LoadCatalogues(std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue");
  const auto router = Router::Create(
      "12345", [&] { return loaded; },
      [](const auto&) { return std::make_shared<const routing::PhraseReader>(); }, config::v1::Policy());
  ASSERT_TRUE(router.ok());
  PickyFinder finder;
  DispatchOptions options;
  options.hotline = "12345";
  options.router = router->get();
  options.finder = &finder;
  steps_.Clear();
  service_ = std::make_unique<DispatchService>(&ledger_, std::map<std::string, Peer*>{{"110", &peer_}},
                                               &notary_, &steps_, steps_.clock(), options);
  v1::SuggestRouteRequest question;
  question.set_text("路灯坏了");
  question.set_caller_phone("09");
  question.set_find_similar(true);
  std::optional<absl::StatusOr<v1::SuggestRouteResponse>> advised;
  service_->SuggestRoute(Call(), question, [&](auto response) { advised = std::move(response); });
  ASSERT_TRUE(advised.has_value() && advised->ok());
  EXPECT_EQ((*advised)->similar().similar_orders_size(), 1);
  EXPECT_EQ(finder.asked, (std::vector<std::string>{"09", ""}));
}

// A reader whose model takes its time.
class SlowReader final : public routing::TextReader {
 public:
  void Prepare() const override { prepared_ = true; }
  bool IsPrepared() const override { return prepared_; }
  routing::Reading Read(const catalogue::Catalogue& catalogue, absl::CivilDay day,
                        const routing::Source& source) const override {
    return phrases_.Read(catalogue, day, source);
  }

 private:
  const routing::PhraseReader phrases_{};
  mutable std::atomic<bool> prepared_{false};
};

// A site whose model of advice is still made.
class SlowModelTest : public DispatchServiceTest {
 protected:
  SlowModelTest() {
    const auto shipped =
        boot::LoadCatalogue(std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue/wuqia.yaml");
    config::v1::Catalogue later = (*shipped)->message();
    later.set_version(kLater);
    later.set_first_date("2027-01-01");
    const auto set =
        catalogue::CatalogueSet::Create({*shipped, *catalogue::Catalogue::Create(std::move(later))});
    router_ = *Router::Create(
        "12345", [set] { return set; },
        [this](const std::shared_ptr<const catalogue::Catalogue>& version) {
          return readers_[version->version()] = std::make_shared<const SlowReader>();
        },
        config::v1::Policy());
    DispatchOptions options;
    options.hotline = "12345";
    options.router = router_.get();
    options.reloader = &reloader_;
    // What the one before was to do later goes with it.
    steps_.Clear();
    service_ = std::make_unique<DispatchService>(&ledger_, std::map<std::string, Peer*>{{"110", &peer_}},
                                                 &notary_, &steps_, steps_.clock(), options);
    router_->PrepareOn(&reloader_, steps_.clock());
  }
  ~SlowModelTest() override {
    steps_.Clear();
    service_.reset();
  }
  // Only advice can say where it goes.
  v1::PushWorkOrderRequest Open(type::v1::Urgency urgency = type::v1::URGENCY_NORMAL) {
    v1::PushWorkOrderRequest request = NewPush(urgency);
    request.mutable_offer()->clear_to_hotline();
    request.mutable_content()->set_text("我在网上被诈骗了三万块钱");
    return request;
  }

  // A version that is not in force yet.
  static constexpr char kLater[] = "wuqia-2027-1";

  test::Steps reloader_{absl::FromUnixSeconds(1'795'000'000)};
  std::map<std::string, std::shared_ptr<const SlowReader>> readers_;  // by version
  std::unique_ptr<Router> router_;
};

TEST_F(SlowModelTest, WhoWaitsForAdviceWaitsForTheVersionInForceAlone) {
  ASSERT_EQ(readers_.size(), 2u);
  std::optional<bool> later_was_prepared;
  v1::SuggestRouteRequest question;
  question.set_text("路灯坏了");
  service_->SuggestRoute(Call(), question, [&](const absl::StatusOr<v1::SuggestRouteResponse>& response) {
    EXPECT_TRUE(response.ok()) << response.status();
    later_was_prepared = readers_[kLater]->IsPrepared();
  });
  EXPECT_FALSE(later_was_prepared.has_value());
  reloader_.RunDue();
  EXPECT_EQ(later_was_prepared, false);
  EXPECT_TRUE(readers_[kLater]->IsPrepared());
}

TEST_F(SlowModelTest, OnlyWhatAdviceAloneCanSendWaitsForItsModel) {
  // With its target, and in an emergency, at once.
  Push(NewPush(type::v1::URGENCY_NORMAL));
  EXPECT_EQ(ledger_.executes.size(), 1u);
  Commit(type::v1::URGENCY_NORMAL);
  v1::PushWorkOrderRequest open = NewPush(type::v1::URGENCY_EMERGENCY);
  open.mutable_offer()->clear_to_hotline();
  open.mutable_content()->set_text("有人打架，拿刀砍人");
  Push(open);
  EXPECT_EQ(ledger_.executes.size(), 1u);
  Commit(type::v1::URGENCY_EMERGENCY);
  // Its alarm, as no link is up.
  ASSERT_EQ(ledger_.executes.size(), 1u);
  workorder::v1::ExecuteResponse noted;
  noted.add_results();
  Take(ledger_.executes).done(noted);

  open.mutable_content()->set_urgency(type::v1::URGENCY_NORMAL);
  open.mutable_content()->set_text("我在网上被诈骗了三万块钱");
  Push(open);
  std::optional<absl::StatusOr<v1::SuggestRouteResponse>> suggested;
  v1::SuggestRouteRequest question;
  question.set_text("路灯坏了");
  service_->SuggestRoute(Call(), question, [&](auto response) { suggested = std::move(response); });
  std::optional<absl::StatusOr<v1::BatchPushWorkOrdersResponse>> batched;
  v1::BatchPushWorkOrdersRequest batch;
  *batch.add_requests() = open;
  service_->BatchPushWorkOrders(Call(), batch, [&](auto response) { batched = std::move(response); });
  EXPECT_TRUE(ledger_.executes.empty());
  EXPECT_FALSE(suggested.has_value());
  reloader_.RunDue();
  ASSERT_TRUE(suggested.has_value() && suggested->ok());
  ASSERT_EQ(ledger_.executes.size(), 1u) << "the push: an emergency was there a moment ago";
  Commit(type::v1::URGENCY_NORMAL);
  ASSERT_EQ(ledger_.executes.size(), 1u) << "the batch";
  Commit(type::v1::URGENCY_NORMAL);
  EXPECT_TRUE(batched.has_value());

  // Now it is there.
  Push(open);
  EXPECT_EQ(ledger_.executes.size(), 1u);
  Commit(type::v1::URGENCY_NORMAL);
}

TEST_F(SlowModelTest, ADrainEndsTheWaitForTheModel) {
  std::vector<absl::Status> answers;
  const auto ask = [&] {
    v1::SuggestRouteRequest question;
    question.set_text("路灯坏了");
    service_->SuggestRoute(Call(), question, [&](auto response) { answers.push_back(response.status()); });
  };
  ask();
  EXPECT_TRUE(answers.empty());
  service_->Drain();
  ask();
  ASSERT_EQ(answers.size(), 2u);
  for (const absl::Status& status : answers) {
    EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_DRAINING);
  }
  reloader_.RunDue();
  EXPECT_EQ(answers.size(), 2u);
}

TEST_F(SlowModelTest, ABatchWithAnEmergencyWaitsForNothing) {
  v1::BatchPushWorkOrdersRequest batch;
  *batch.add_requests() = Open();
  service_->BatchPushWorkOrders(Call(), batch, [](auto) {});
  EXPECT_TRUE(ledger_.executes.empty());
  *batch.add_requests() = Open(type::v1::URGENCY_EMERGENCY);
  service_->BatchPushWorkOrders(Call(), batch, [](auto) {});
  ASSERT_EQ(ledger_.executes.size(), 1u);
  EXPECT_EQ(ledger_.executes.front().request.commands(0).registration().content().urgency(),
            type::v1::URGENCY_EMERGENCY);
  Commit(type::v1::URGENCY_EMERGENCY);
  EXPECT_EQ(ledger_.executes.size(), 2u) << "what came with it, and the alarm, as no link is up";
}

TEST_F(SlowModelTest, NoMoreWaitForTheModelThanTheQueueHolds) {
  DispatchOptions options;
  options.hotline = "12345";
  options.router = router_.get();
  options.reloader = &reloader_;
  options.batcher.queue_limit = 2;
  steps_.Clear();
  service_ = std::make_unique<DispatchService>(&ledger_, std::map<std::string, Peer*>{{"110", &peer_}},
                                               &notary_, &steps_, steps_.clock(), options);
  std::vector<absl::Status> answers;
  const auto import = [&](int count) {
    v1::BatchPushWorkOrdersRequest batch;
    for (int i = 0; i < count; ++i) *batch.add_requests() = Open();
    service_->BatchPushWorkOrders(Call(), batch,
                                  [&](auto response) { answers.push_back(response.status()); });
  };
  import(2);
  EXPECT_TRUE(answers.empty());
  EXPECT_EQ(service_->waiting_imports(), 2);
  import(3);
  ASSERT_EQ(answers.size(), 1u) << "before the model is there";
  EXPECT_EQ(error::ReasonOf(answers[0]), Reason::ERROR_REASON_OVERLOADED);
  EXPECT_EQ(service_->rejected_commands(), 3);
  Push(Open());
  ASSERT_TRUE(pushed_.has_value());
  EXPECT_EQ(error::ReasonOf(pushed_->status()), Reason::ERROR_REASON_OVERLOADED);
  pushed_.reset();
  Push(Open(type::v1::URGENCY_EMERGENCY));
  EXPECT_FALSE(pushed_.has_value());
  Commit(type::v1::URGENCY_EMERGENCY);
  EXPECT_TRUE(pushed_.has_value() && pushed_->ok());
  ExpectAlarms(1);
  reloader_.RunDue();
  EXPECT_EQ(service_->waiting_imports(), 0);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(ledger_.executes.size(), 1u);
    Commit(type::v1::URGENCY_NORMAL);
  }
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_TRUE(answers[1].ok());
}

TEST_F(SlowModelTest, WhatNobodyWaitsForAnyMoreIsNotCommitted) {
  CallContext call;
  call.now = steps_.clock()->Now();
  call.deadline = call.now + absl::Seconds(1);
  std::optional<absl::Status> status;
  service_->PushWorkOrder(call, Open(), [&](auto response) { status = response.status(); });
  // The model is there before the timer of the call has run.
  steps_.clock()->Advance(absl::Seconds(2));
  reloader_.RunDue();
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(*status, error::AdviceNotReady());
  EXPECT_TRUE(ledger_.executes.empty());
  steps_.RunDue();
}

TEST_F(SlowModelTest, WhoCannotWaitForTheModelHearsSoBeforeItsDeadline) {
  CallContext call;
  call.now = steps_.clock()->Now();
  call.deadline = call.now + absl::Seconds(15);
  std::vector<absl::Status> answers;
  const auto note = [&](const auto& response) { answers.push_back(response.status()); };
  v1::SuggestRouteRequest question;
  question.set_text("路灯坏了");
  service_->SuggestRoute(call, question, note);
  service_->PushWorkOrder(call, Open(), note);
  v1::BatchPushWorkOrdersRequest batch;
  for (int i = 0; i < 2; ++i) *batch.add_requests() = Open();
  service_->BatchPushWorkOrders(call, batch, note);
  // One that can is still served.
  call.deadline += absl::Minutes(1);
  std::optional<absl::Status> patient;
  service_->SuggestRoute(call, question, [&](const auto& response) { patient = response.status(); });
  EXPECT_EQ(service_->waiting_imports(), 5);
  steps_.Advance(absl::Milliseconds(14'400));
  EXPECT_TRUE(answers.empty());
  steps_.Advance(absl::Milliseconds(200));
  ASSERT_EQ(answers.size(), 3u);
  for (const absl::Status& status : answers) EXPECT_EQ(status, error::AdviceNotReady());
  EXPECT_EQ(service_->waiting_imports(), 1);
  reloader_.RunDue();
  ASSERT_TRUE(patient.has_value());
  EXPECT_TRUE(patient->ok()) << *patient;
  EXPECT_TRUE(ledger_.executes.empty());
  EXPECT_EQ(answers.size(), 3u);
}

TEST_F(DispatchServiceTest, AUnitThatTheMetadataNamesActs) {
  CallContext call = Call();
  call.unit = "gonganju";
  const auto unit_of_last = [this] {
    return ledger_.executes.back().request.commands(0).header().actor().unit();
  };
  v1::PushWorkOrderRequest push = NewPush(type::v1::URGENCY_NORMAL);
  service_->PushWorkOrder(call, push, [](auto) {});
  EXPECT_EQ(unit_of_last(), "gonganju");
  Commit(type::v1::URGENCY_NORMAL);
  // What the request itself says goes before.
  push.mutable_header()->mutable_actor()->set_unit("rensheju");
  service_->PushWorkOrder(call, push, [](auto) {});
  EXPECT_EQ(unit_of_last(), "rensheju");
  Commit(type::v1::URGENCY_NORMAL);
  type::v1::Command progress;
  progress.mutable_progress()->set_note("到场");
  service_->Execute(call, progress, [](auto) {});
  EXPECT_EQ(unit_of_last(), "gonganju");
  Commit(type::v1::URGENCY_NORMAL);
  v1::PushToPartnersRequest partners;
  partners.mutable_partner_call()->add_to_hotlines("110");
  service_->PushToPartners(call, partners, [](auto) {});
  EXPECT_EQ(unit_of_last(), "gonganju");
  Commit(type::v1::URGENCY_NORMAL);
  EXPECT_EQ(unit_of_last(), "gonganju") << "of the partner's own order";
  Commit(type::v1::URGENCY_NORMAL);
}

// Cleared is who is named in the configuration, and who has a role by certificate; in every answer.
TEST_F(DispatchServiceTest, WhoIsClearedByRoleIsShownAnIncidentAsAnyOrder) {
  for (const bool cleared : {true, false}) {
    CallContext call = Call();
    if (cleared) call.identity = "12345/supervisor";
    const auto title = [&](const type::v1::WorkOrder& order) { EXPECT_EQ(order.title() == "矿井", cleared); };
    const auto commit = [&] {
      workorder::v1::ExecuteResponse response;
      type::v1::WorkOrder& order = *response.add_results()->mutable_order();
      order.set_title("矿井");
      order.set_registered_by("1001");
      order.mutable_facts()->set_restricted(true);
      order.mutable_handoff()->set_to_hotline("110");
      order.mutable_handoff()->set_link_sequence(1);
      Take(ledger_.executes).done(response);
    };
    type::v1::Command progress;
    progress.mutable_header()->mutable_actor()->set_account("2002");
    progress.mutable_progress()->set_note("到场");
    service_->Execute(call, progress, [&](auto result) { title(result->order()); });
    commit();
    v1::PushToPartnersRequest partners;
    partners.mutable_header()->mutable_actor()->set_account("2002");
    partners.mutable_partner_call()->add_to_hotlines("110");
    bool answered = false;
    service_->PushToPartners(call, partners, [&](auto response) {
      answered = true;
      ASSERT_TRUE(response.ok());
      title(response->order());
      title(response->results(0).response().order());
    });
    commit();
    commit();
    EXPECT_TRUE(answered);
  }
}

TEST_F(DispatchServiceTest, AnUrgencyLeftOpenIsNormalWhereNothingIsAdvised) {
  Push(NewPush(type::v1::URGENCY_UNSPECIFIED));
  const auto& registration = ledger_.executes.front().request.commands(0).registration();
  EXPECT_EQ(registration.route().urgency(), type::v1::URGENCY_NORMAL);
  EXPECT_FALSE(registration.route().has_advice());
  EXPECT_EQ(registration.content().urgency(), type::v1::URGENCY_UNSPECIFIED) << "what the client sent stays";
  Commit(type::v1::URGENCY_NORMAL);
}

TEST_F(DispatchServiceTest, WithoutACatalogueNothingIsAdvised) {
  std::optional<absl::Status> status;
  service_->SuggestRoute(Call(), {}, [&](auto response) { status = response.status(); });
  EXPECT_EQ(error::ReasonOf(*status), Reason::ERROR_REASON_NO_CATALOGUE);
  service_->ReloadCatalogue(Call(), {}, [&](auto response) { status = response.status(); });
  EXPECT_EQ(error::ReasonOf(*status), Reason::ERROR_REASON_NO_CATALOGUE);
  service_->GetCatalogue(Call(), {}, [&](auto response) { status = response.status(); });
  EXPECT_EQ(error::ReasonOf(*status), Reason::ERROR_REASON_NO_CATALOGUE);
}

TEST_F(DispatchServiceTest, AnEmergencyWithTheLinkDownSaysTelephoneAtOnce) {
  Push(NewPush(type::v1::URGENCY_EMERGENCY));
  Commit(type::v1::URGENCY_EMERGENCY);
  ASSERT_TRUE(pushed_.has_value() && pushed_->ok());
  EXPECT_TRUE((*pushed_)->telephone_required());
  EXPECT_EQ((*pushed_)->status(), v1::DELIVERY_STATUS_QUEUED);
  EXPECT_NE((*pushed_)->advice().find("电话"), std::string::npos);
}

TEST_F(DispatchServiceTest, AnEmergencyWaitsForTheReceiptUnasked) {
  LinkUp();
  Push(NewPush(type::v1::URGENCY_EMERGENCY));
  Commit(type::v1::URGENCY_EMERGENCY);
  EXPECT_FALSE(pushed_.has_value());
  steps_.Advance(absl::Seconds(11));
  ASSERT_TRUE(pushed_.has_value() && pushed_->ok());
  EXPECT_TRUE((*pushed_)->telephone_required());
}

// What the commit took counts: somebody waits from the call on.
TEST_F(DispatchServiceTest, AnEmergencyHearsWithinTheLimitOfItsCall) {
  LinkUp();
  Push(NewPush(type::v1::URGENCY_EMERGENCY));
  steps_.Advance(absl::Seconds(3));
  Commit(type::v1::URGENCY_EMERGENCY);
  steps_.Advance(absl::Milliseconds(6'900));
  EXPECT_FALSE(pushed_.has_value());
  steps_.Advance(absl::Milliseconds(100));
  ASSERT_TRUE(pushed_.has_value() && pushed_->ok());
  EXPECT_TRUE((*pushed_)->telephone_required());
}

TEST_F(DispatchServiceTest, WhoeverWaitsIsAnsweredBeforeItsDeadline) {
  LinkUp();
  for (const absl::Duration patience : {absl::Seconds(1), absl::Seconds(8)}) {
    const absl::Duration kept = std::min(patience / 5, absl::Milliseconds(500));
    v1::PushWorkOrderRequest request = NewPush(type::v1::URGENCY_NORMAL);
    request.mutable_receipt_wait()->set_seconds(30);
    CallContext call = Call();
    call.deadline = call.now + patience;
    pushed_.reset();
    service_->PushWorkOrder(call, request, [this](absl::StatusOr<v1::PushWorkOrderResponse> response) {
      pushed_ = std::move(response);
    });
    Commit(type::v1::URGENCY_NORMAL);
    steps_.Advance(patience - kept - absl::Milliseconds(100));
    EXPECT_FALSE(pushed_.has_value()) << patience;
    steps_.Advance(absl::Milliseconds(100));
    EXPECT_TRUE(pushed_.has_value()) << patience;
    steps_.Advance(absl::Seconds(1));
  }
}

// Deadlines of calls are times of a clock that may be set while a call is under way.
TEST_F(DispatchServiceTest, AClockThatIsSetBackLeavesTheClientItsAnswer) {
  test::SetClock wall(steps_.clock());
  DispatchOptions options;
  options.hotline = "12345";
  steps_.Clear();
  service_.reset();
  ledger_.pulls.clear();
  peer_.questions.clear();
  // What the one before was to do later goes with it.
  steps_.Clear();
  service_ = std::make_unique<DispatchService>(&ledger_, std::map<std::string, Peer*>{{"110", &peer_}},
                                               &notary_, &steps_, &wall, options);
  service_->Start();
  steps_.RunDue();
  LinkUp();
  CallContext call;
  call.now = wall.Now();
  call.deadline = call.now + absl::Seconds(4);
  service_->PushWorkOrder(
      call, NewPush(type::v1::URGENCY_EMERGENCY),
      [this](absl::StatusOr<v1::PushWorkOrderResponse> response) { pushed_ = std::move(response); });
  wall.Set(-absl::Seconds(9));
  Commit(type::v1::URGENCY_EMERGENCY);
  EXPECT_FALSE(pushed_.has_value());
  steps_.Advance(absl::Seconds(4));
  ASSERT_TRUE(pushed_.has_value() && pushed_->ok());
  EXPECT_TRUE((*pushed_)->telephone_required());
  steps_.Clear();
  service_.reset();
}

TEST_F(DispatchServiceTest, AReceiptInTimeIsReturned) {
  LinkUp();
  v1::PushWorkOrderRequest request = NewPush(type::v1::URGENCY_NORMAL);
  request.mutable_receipt_wait()->set_seconds(5);
  Push(std::move(request));
  Commit(type::v1::URGENCY_NORMAL);
  EXPECT_FALSE(pushed_.has_value());
  workorder::v1::PullOutboxResponse response;
  response.set_acknowledged_through(1);
  TakePull(exchange::v1::LANE_ORDINARY).done(std::move(response));
  ASSERT_TRUE(pushed_.has_value() && pushed_->ok());
  EXPECT_EQ((*pushed_)->status(), v1::DELIVERY_STATUS_RECEIVED);
}

// Of 1,000 emergencies that came in bulk and were received in 12 ms, 85 were on record as late for good.
TEST_F(DispatchServiceTest, AnEmergencyOfABatchIsAnsweredWithItsReceipt) {
  LinkUp();
  v1::BatchPushWorkOrdersRequest request;
  *request.add_requests() = NewPush(type::v1::URGENCY_EMERGENCY);
  request.mutable_requests(0)->mutable_receipt_wait()->set_nanos(1);
  std::optional<v1::BatchPushWorkOrdersResponse> got;
  service_->BatchPushWorkOrders(
      Call(), request,
      [&](absl::StatusOr<v1::BatchPushWorkOrdersResponse> response) { got = *std::move(response); });
  Commit(type::v1::URGENCY_EMERGENCY, steps_.clock()->Now());
  steps_.Advance(absl::Milliseconds(60));
  EXPECT_FALSE(got.has_value());
  workorder::v1::PullOutboxResponse response;
  response.set_acknowledged_through(1);
  TakePull(exchange::v1::LANE_EMERGENCY).done(std::move(response));
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->results(0).response().status(), v1::DELIVERY_STATUS_RECEIVED);
  EXPECT_FALSE(got->results(0).response().telephone_required());
  steps_.Advance(absl::Seconds(11));
  ExpectAlarms(0);
}

TEST_F(DispatchServiceTest, AnEmergencyOfABatchHearsOfTheTelephoneAtTheLimit) {
  LinkUp();
  v1::BatchPushWorkOrdersRequest request;
  *request.add_requests() = NewPush(type::v1::URGENCY_EMERGENCY);
  std::optional<v1::BatchPushWorkOrdersResponse> got;
  service_->BatchPushWorkOrders(
      Call(), request,
      [&](absl::StatusOr<v1::BatchPushWorkOrdersResponse> response) { got = *std::move(response); });
  Commit(type::v1::URGENCY_EMERGENCY, steps_.clock()->Now());
  steps_.Advance(absl::Milliseconds(9'900));
  EXPECT_FALSE(got.has_value());
  steps_.Advance(absl::Milliseconds(100));
  ASSERT_TRUE(got.has_value());
  EXPECT_TRUE(got->results(0).response().telephone_required());
  steps_.Advance(absl::Milliseconds(100));
  ExpectAlarms(1);
}

TEST_F(DispatchServiceTest, WhoeverIsSentToTheTelephoneEarlyIsNotLateYet) {
  // No link is up.
  Push(NewPush(type::v1::URGENCY_EMERGENCY));
  Commit(type::v1::URGENCY_EMERGENCY, steps_.clock()->Now());
  ASSERT_TRUE(pushed_.has_value() && pushed_->ok());
  EXPECT_TRUE((*pushed_)->telephone_required());
  steps_.Advance(absl::Milliseconds(9'900));
  ExpectAlarms(0);
  steps_.Advance(absl::Milliseconds(200));
  ExpectAlarms(1);
  steps_.Advance(absl::Seconds(11));
  ExpectAlarms(0);
}

TEST_F(DispatchServiceTest, WhatIsReceivedWithinTheLimitRaisesNoAlarmHoweverShortTheWait) {
  LinkUp();
  v1::PushWorkOrderRequest request = NewPush(type::v1::URGENCY_EMERGENCY);
  request.mutable_receipt_wait();
  Push(std::move(request));
  Commit(type::v1::URGENCY_EMERGENCY, steps_.clock()->Now());
  steps_.Advance(absl::Milliseconds(60));
  ASSERT_TRUE(pushed_.has_value() && pushed_->ok());
  EXPECT_TRUE((*pushed_)->telephone_required()) << "nobody else will say it";
  ExpectAlarms(0);
  workorder::v1::PullOutboxResponse response;
  response.set_acknowledged_through(1);
  TakePull(exchange::v1::LANE_EMERGENCY).done(std::move(response));
  steps_.Advance(absl::Seconds(11));
  ExpectAlarms(0);
}

TEST_F(DispatchServiceTest, BadPushesAreRefusedBeforeTheyLeave) {
  v1::PushWorkOrderRequest request = NewPush(type::v1::URGENCY_NORMAL);
  request.mutable_receipt_wait()->set_seconds(31);
  Push(request);
  EXPECT_EQ(error::FieldOf(pushed_->status()), "receipt_wait");
  request.clear_receipt_wait();
  request.mutable_header()->set_order_id("12345-20261123-000001");
  Push(request);
  EXPECT_EQ(error::FieldOf(pushed_->status()), "content");
  request.clear_content();
  request.mutable_header()->clear_order_id();
  Push(request);
  EXPECT_EQ(error::ReasonOf(pushed_->status()), Reason::ERROR_REASON_FIELD_REQUIRED);
  EXPECT_TRUE(ledger_.executes.empty());
}

// The log keeps it for good.
TEST_F(DispatchServiceTest, AReasonForTheRouteIsAtMostFiveHundredCharacters) {
  const auto push = [this](const std::string& reason) {
    v1::PushWorkOrderRequest request = NewPush(type::v1::URGENCY_NORMAL);
    request.set_route_reason(reason);
    pushed_.reset();
    Push(std::move(request));
  };
  const auto times = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += "因";
    return text;
  };
  push(times(501));
  EXPECT_EQ(error::ReasonOf(pushed_->status()), Reason::ERROR_REASON_TEXT_TOO_LONG);
  EXPECT_EQ(error::FieldOf(pushed_->status()), "route_reason");
  EXPECT_NE(error::ChineseOf(pushed_->status()), "");
  for (const std::string& text : {std::string("a\0b", 3), std::string("\xff")}) {
    push(text);
    EXPECT_EQ(error::ReasonOf(pushed_->status()), Reason::ERROR_REASON_TEXT_INVALID);
    EXPECT_EQ(error::FieldOf(pushed_->status()), "route_reason");
  }
  EXPECT_TRUE(ledger_.executes.empty());
  push(times(500));
  EXPECT_EQ(ledger_.executes.size(), 1u);
  Commit(type::v1::URGENCY_NORMAL);
  EXPECT_TRUE(pushed_->ok());
}

TEST_F(DispatchServiceTest, ABatchWaitsForNoReceiptWhateverItSays) {
  LinkUp();
  v1::BatchPushWorkOrdersRequest request;
  *request.add_requests() = NewPush(type::v1::URGENCY_NORMAL);
  request.mutable_requests(0)->mutable_receipt_wait()->set_seconds(99);
  std::optional<v1::BatchPushWorkOrdersResponse> got;
  service_->BatchPushWorkOrders(
      Call(), request,
      [&](absl::StatusOr<v1::BatchPushWorkOrdersResponse> response) { got = *std::move(response); });
  ASSERT_EQ(ledger_.executes.size(), 1u);
  Commit(type::v1::URGENCY_NORMAL);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->results(0).response().status(), v1::DELIVERY_STATUS_QUEUED);
}

TEST_F(DispatchServiceTest, ABatchGivesEachItsOutcomeInOrder) {
  v1::BatchPushWorkOrdersRequest request;
  *request.add_requests() = NewPush(type::v1::URGENCY_NORMAL);
  request.add_requests();
  std::optional<v1::BatchPushWorkOrdersResponse> got;
  service_->BatchPushWorkOrders(
      Call(), request,
      [&](absl::StatusOr<v1::BatchPushWorkOrdersResponse> response) { got = *std::move(response); });
  Commit(type::v1::URGENCY_NORMAL);
  ASSERT_TRUE(got.has_value());
  ASSERT_EQ(got->results_size(), 2);
  EXPECT_TRUE(got->results(0).has_response());
  EXPECT_EQ(error::FieldOf(error::FromProto(got->results(1).error())), "requests[1].content");
}

// A site that reads what comes in bulk apart from what serves calls.
class ImportTest : public DispatchServiceTest {
 protected:
  ImportTest() { Restart({}); }
  ~ImportTest() override {
    steps_.Clear();
    importer_.Clear();
    service_.reset();
  }
  void Restart(BatcherOptions batcher, Router* router = nullptr) {
    DispatchOptions options;
    options.hotline = "12345";
    options.batcher = batcher;
    options.router = router;
    options.importer = &importer_;
    // What the one before was to do later goes with it.
    steps_.Clear();
    service_ = std::make_unique<DispatchService>(&ledger_, std::map<std::string, Peer*>{{"110", &peer_}},
                                                 &notary_, &steps_, steps_.clock(), options);
  }
  void Import(std::initializer_list<type::v1::Urgency> urgencies,
              absl::Duration patience = absl::Seconds(30)) {
    v1::BatchPushWorkOrdersRequest request;
    for (const type::v1::Urgency urgency : urgencies) *request.add_requests() = NewPush(urgency);
    CallContext call = Call();
    call.deadline = call.now + patience;
    service_->BatchPushWorkOrders(call, std::move(request),
                                  [this](absl::StatusOr<v1::BatchPushWorkOrdersResponse> response) {
                                    imported_.push_back(std::move(response));
                                  });
  }
  type::v1::Urgency FirstUrgency(size_t batch) {
    return ledger_.executes[batch].request.commands(0).registration().content().urgency();
  }

  test::Steps importer_{absl::FromUnixSeconds(1'795'000'000)};
  std::vector<absl::StatusOr<v1::BatchPushWorkOrdersResponse>> imported_;
};

// Three clients that pushed 256 long texts at once held an emergency up for seven seconds.
TEST_F(ImportTest, APushWaitsForNoImport) {
  Import({type::v1::URGENCY_NORMAL, type::v1::URGENCY_NORMAL});
  EXPECT_TRUE(ledger_.executes.empty()) << "nothing is read on the caller's thread";
  EXPECT_EQ(service_->waiting_imports(), 2);
  Push(NewPush(type::v1::URGENCY_URGENT));
  ASSERT_EQ(ledger_.executes.size(), 1u);
  EXPECT_EQ(FirstUrgency(0), type::v1::URGENCY_URGENT);
  Commit(type::v1::URGENCY_URGENT);
  EXPECT_TRUE(pushed_->ok());
  EXPECT_TRUE(imported_.empty());
  importer_.RunDue();
  EXPECT_EQ(service_->waiting_imports(), 0);
  while (!ledger_.executes.empty()) Commit(type::v1::URGENCY_NORMAL);
  ASSERT_EQ(imported_.size(), 1u);
  ASSERT_TRUE(imported_[0].ok());
  for (const v1::BatchPushResult& result : imported_[0]->results()) EXPECT_TRUE(result.has_response());
}

TEST_F(ImportTest, AnEmergencyOfABatchGoesFirstAndHasTheWay) {
  Import({type::v1::URGENCY_NORMAL, type::v1::URGENCY_EMERGENCY});
  ASSERT_EQ(ledger_.executes.size(), 1u) << "it does not wait for the importer";
  EXPECT_EQ(FirstUrgency(0), type::v1::URGENCY_EMERGENCY);
  Push(NewPush(type::v1::URGENCY_NORMAL));
  EXPECT_EQ(ledger_.executes.size(), 1u) << "what is ordinary makes way";
  Commit(type::v1::URGENCY_EMERGENCY);
  ASSERT_EQ(ledger_.executes.size(), 2u) << "the push, and the alarm, as no link is up";
  Commit(type::v1::URGENCY_NORMAL);
  EXPECT_TRUE(pushed_->ok());
  workorder::v1::ExecuteResponse noted;
  noted.add_results();
  Take(ledger_.executes).done(noted);
  EXPECT_TRUE(imported_.empty());
  importer_.RunDue();
  ASSERT_EQ(ledger_.executes.size(), 1u);
  Commit(type::v1::URGENCY_NORMAL);
  ASSERT_EQ(imported_.size(), 1u);
  ASSERT_TRUE(imported_[0].ok());
  EXPECT_EQ(imported_[0]->results(0).response().order().urgency(), type::v1::URGENCY_NORMAL);
  EXPECT_EQ(imported_[0]->results(1).response().order().urgency(), type::v1::URGENCY_EMERGENCY);
}

TEST_F(ImportTest, NoTextIsReadWhileAnEmergencyHasYetToLeave) {
  Import({type::v1::URGENCY_NORMAL, type::v1::URGENCY_NORMAL});
  Push(NewPush(type::v1::URGENCY_EMERGENCY));
  importer_.RunDue();
  EXPECT_EQ(service_->waiting_commands(), 1) << "the first of the batch was read, the second was not";
  Commit(type::v1::URGENCY_EMERGENCY);
  importer_.RunDue();
  // The two, and the alarm.
  EXPECT_EQ(ledger_.executes.size() + static_cast<size_t>(service_->waiting_commands()), 3u);
}

// Each would hold the rest of its batch up for 50 ms, of hundreds for seconds.
TEST_F(ImportTest, WhatAdviceAloneFindsToBeAnEmergencyHoldsNothingUp) {
  const auto loaded = boot::LoadCatalogues(std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue");
  ASSERT_TRUE(loaded.ok());
  const auto router = Router::Create(
      "12345", [&] { return loaded; },
      [](const auto&) { return std::make_shared<const routing::PhraseReader>(); }, config::v1::Policy());
  ASSERT_TRUE(router.ok());
  Restart({}, router->get());
  v1::BatchPushWorkOrdersRequest batch;
  for (const char* text : {"有人打架，拿刀砍人", "路灯坏了", "有人打架，拿刀砍人", "路灯坏了"}) {
    v1::PushWorkOrderRequest& request = *batch.add_requests();
    request = NewPush(type::v1::URGENCY_NORMAL);
    request.mutable_offer()->clear_to_hotline();
    request.mutable_content()->set_text(text);
  }
  service_->BatchPushWorkOrders(Call(), batch, [](auto) {});
  importer_.RunDue();
  // The first is on its way, which nobody has answered, and the others have been read.
  EXPECT_EQ(service_->waiting_imports(), 0);
  ASSERT_GE(ledger_.executes.size(), 1u);
  EXPECT_EQ(ledger_.executes[0].request.commands(0).registration().route().urgency(),
            type::v1::URGENCY_EMERGENCY);
  EXPECT_EQ(FirstUrgency(0), type::v1::URGENCY_NORMAL) << "as the form says";
  service_->Drain();
  steps_.Clear();
  service_.reset();
}

TEST_F(ImportTest, WhatNobodyWaitsForAnyMoreIsNotRead) {
  Import({type::v1::URGENCY_NORMAL}, absl::Seconds(1));
  steps_.Advance(absl::Seconds(2));
  importer_.RunDue();
  ASSERT_EQ(imported_.size(), 1u);
  EXPECT_EQ(error::ReasonOf(imported_[0].status()), Reason::ERROR_REASON_OVERLOADED);
  EXPECT_GT(error::RetryDelayOf(imported_[0].status()), absl::ZeroDuration());
  EXPECT_TRUE(ledger_.executes.empty());
}

// Such a batch was answered after its client had gone, who never heard of its emergency.
TEST_F(ImportTest, ABatchThatRunsOutOfTimeStillTellsOfItsEmergencies) {
  Import({type::v1::URGENCY_NORMAL, type::v1::URGENCY_EMERGENCY, type::v1::URGENCY_NORMAL});
  Commit(type::v1::URGENCY_EMERGENCY);
  ExpectAlarms(1);
  steps_.Advance(absl::Seconds(30) - absl::Milliseconds(300));
  EXPECT_TRUE(imported_.empty());
  importer_.RunDue();
  ASSERT_EQ(imported_.size(), 1u);
  ASSERT_TRUE(imported_[0].ok());
  EXPECT_TRUE(imported_[0]->results(1).response().telephone_required());
  for (const int i : {0, 2}) {
    EXPECT_EQ(error::ReasonOf(error::FromProto(imported_[0]->results(i).error())),
              Reason::ERROR_REASON_OVERLOADED);
  }
  EXPECT_TRUE(ledger_.executes.empty());
  EXPECT_EQ(service_->waiting_imports(), 0);
}

TEST_F(ImportTest, NoMoreWaitThanTheQueueHolds) {
  BatcherOptions small;
  small.queue_limit = 2;
  Restart(small);
  for (int i = 0; i < 2; ++i) Import({type::v1::URGENCY_NORMAL, type::v1::URGENCY_NORMAL});
  ASSERT_EQ(imported_.size(), 1u);
  EXPECT_EQ(error::ReasonOf(imported_[0].status()), Reason::ERROR_REASON_OVERLOADED);
  EXPECT_GT(error::RetryDelayOf(imported_[0].status()), absl::ZeroDuration());
  importer_.RunDue();
  Import({type::v1::URGENCY_NORMAL});
  EXPECT_EQ(imported_.size(), 1u) << "there is room again";
}

TEST_F(ImportTest, ADrainAnswersWhatHasNotBeenRead) {
  Import({type::v1::URGENCY_NORMAL});
  Import({type::v1::URGENCY_NORMAL, type::v1::URGENCY_EMERGENCY});
  Commit(type::v1::URGENCY_EMERGENCY);
  EXPECT_TRUE(imported_.empty());
  service_->Drain();
  Import({type::v1::URGENCY_NORMAL});
  ASSERT_EQ(imported_.size(), 3u);
  // That with the emergency was to go first, and what has been sent is told.
  ASSERT_TRUE(imported_[0].ok());
  EXPECT_EQ(error::ReasonOf(error::FromProto(imported_[0]->results(0).error())),
            Reason::ERROR_REASON_DRAINING);
  EXPECT_TRUE(imported_[0]->results(1).has_response());
  for (size_t i = 1; i < 3; ++i) {
    EXPECT_EQ(error::ReasonOf(imported_[i].status()), Reason::ERROR_REASON_DRAINING) << i;
  }
  importer_.RunDue();
  EXPECT_EQ(imported_.size(), 3u);
}

TEST_F(DispatchServiceTest, OfAnEmergencyItIsToldHowFarTheClocksAreApart) {
  LinkUp();
  const auto deliver = [&](exchange::v1::Lane lane) {
    exchange::v1::DeliverRequest request;
    request.set_protocol_version(1);
    request.set_from_hotline("110");
    request.set_to_hotline("12345");
    request.set_lane(lane);
    request.add_envelopes()->set_sequence(1);
    CallContext call = Call();
    call.identity = "110/dispatch";
    service_->Deliver(call, request, [](absl::StatusOr<exchange::v1::DeliverResponse>) {});
    return Take(ledger_.inboxes).request;
  };
  EXPECT_FALSE(deliver(exchange::v1::LANE_EMERGENCY).has_clock_skew()) << "nothing was measured yet";
  TakePull(exchange::v1::LANE_EMERGENCY).done(workorder::v1::PullOutboxResponse());
  ASSERT_EQ(peer_.deliveries.size(), 1u);
  exchange::v1::DeliverResponse measured;
  *measured.mutable_receipt() = exchange::v1::LinkReceipt();
  *measured.mutable_arrive_time() = ToTimestamp(steps_.clock()->Now() + absl::Seconds(90));
  *measured.mutable_answer_time() = measured.arrive_time();
  Take(peer_.deliveries).done(measured);
  const workorder::v1::ApplyInboxRequest emergency = deliver(exchange::v1::LANE_EMERGENCY);
  EXPECT_EQ(emergency.clock_skew().seconds(), 90);
  EXPECT_TRUE(emergency.has_clock_uncertainty());
  EXPECT_FALSE(deliver(exchange::v1::LANE_ORDINARY).has_clock_skew());
}

TEST_F(DispatchServiceTest, OnlyAPeerThatIsWhoItSaysMayDeliver) {
  exchange::v1::DeliverRequest request;
  request.set_protocol_version(kProtocolVersion);
  request.set_from_hotline("110");
  request.set_to_hotline("12345");
  std::optional<absl::Status> answer;
  const auto deliver = [&](const CallContext& call, const exchange::v1::DeliverRequest& request) {
    answer.reset();
    service_->Deliver(call, request, [&](absl::StatusOr<exchange::v1::DeliverResponse> response) {
      answer = response.status();
    });
  };
  CallContext call = Call();
  deliver(call, request);
  EXPECT_EQ(ledger_.inboxes.size(), 1u);
  call.identity = "110/dispatch";
  deliver(call, request);
  EXPECT_EQ(ledger_.inboxes.size(), 2u);
  call.identity = "119/dispatch";
  deliver(call, request);
  EXPECT_EQ(error::ReasonOf(*answer), Reason::ERROR_REASON_PEER_UNKNOWN);
  call.identity = "";
  exchange::v1::DeliverRequest stranger = request;
  stranger.set_from_hotline("119");
  deliver(call, stranger);
  EXPECT_EQ(error::ReasonOf(*answer), Reason::ERROR_REASON_PEER_UNKNOWN);
  exchange::v1::DeliverRequest newer = request;
  newer.set_protocol_version(2);
  deliver(call, newer);
  EXPECT_EQ(error::ReasonOf(*answer), Reason::ERROR_REASON_PROTOCOL_VERSION_UNSUPPORTED);
  exchange::v1::DeliverRequest large = request;
  for (int i = 0; i < 513; ++i) large.add_envelopes();
  deliver(call, large);
  EXPECT_EQ(error::ReasonOf(*answer), Reason::ERROR_REASON_BATCH_TOO_LARGE);
}

TEST_F(DispatchServiceTest, WhoIsTakenForAnotherSaysWhoItIs) {
  exchange::v1::GetLinkRequest request;
  request.set_protocol_version(kProtocolVersion);
  request.set_from_hotline("110");
  request.set_to_hotline("999");
  std::optional<absl::Status> answer;
  service_->GetLink(Call(), request, [&](const auto& response) { answer = response.status(); });
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(error::ReasonOf(*answer), Reason::ERROR_REASON_PEER_UNKNOWN);
  EXPECT_EQ(error::FieldOf(*answer), "to_hotline");
  EXPECT_EQ(std::string(answer->message()), "this is 12345, not '999'");
  EXPECT_EQ(error::ToProto(*answer).SerializeAsString().find("110"), std::string::npos)
      << "it did nothing wrong";
}

TEST_F(DispatchServiceTest, APeerThatSaysWhatItOffersIsTakenAtItsWord) {
  const auto compare = [this] {
    v1::ReconcileLinkRequest request;
    request.set_peer("110");
    std::optional<absl::Status> answer;
    service_->ReconcileLink(Call(), request, [&](const auto& response) { answer = response.status(); });
    return answer;
  };
  EXPECT_TRUE(service_->reconciler().Compares("110")) << "it has said nothing yet";
  exchange::v1::GetLinkResponse greeting = Standing();
  greeting.add_capabilities("backfill");
  while (!peer_.questions.empty()) Take(peer_.questions).done(greeting);
  EXPECT_FALSE(service_->reconciler().Compares("110"));
  const auto refused = compare();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(*refused, error::PeerDoesNotOffer("110"));
}

TEST_F(DispatchServiceTest, AnEmergencyWaitsForItsOwnLane) {
  LinkUp();
  Push(NewPush(type::v1::URGENCY_EMERGENCY));
  Commit(type::v1::URGENCY_EMERGENCY);
  workorder::v1::PullOutboxResponse response;
  response.set_acknowledged_through(1);
  TakePull(exchange::v1::LANE_ORDINARY).done(response);
  EXPECT_FALSE(pushed_.has_value());
  TakePull(exchange::v1::LANE_EMERGENCY).done(response);
  ASSERT_TRUE(pushed_.has_value() && pushed_->ok());
  EXPECT_EQ((*pushed_)->status(), v1::DELIVERY_STATUS_RECEIVED);
}

TEST_F(DispatchServiceTest, AGreetingNamesVersionsAndCapabilities) {
  exchange::v1::GetLinkRequest request;
  request.set_from_hotline("110");
  request.set_to_hotline("12345");
  request.set_protocol_version(2);
  std::optional<absl::StatusOr<exchange::v1::GetLinkResponse>> answer;
  const auto ask = [&] {
    service_->GetLink(Call(), request, [&](absl::StatusOr<exchange::v1::GetLinkResponse> response) {
      answer = std::move(response);
    });
  };
  ask();
  EXPECT_EQ(error::ReasonOf(answer->status()), Reason::ERROR_REASON_PROTOCOL_VERSION_UNSUPPORTED);
  // The list is what counts, if there is one.
  request.set_protocol_version(1);
  request.add_supported_versions(99);
  answer.reset();
  ask();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(error::ReasonOf(answer->status()), Reason::ERROR_REASON_PROTOCOL_VERSION_UNSUPPORTED);
  request.set_protocol_version(2);
  request.clear_supported_versions();
  request.add_supported_versions(1);
  request.add_supported_versions(2);
  ask();
  workorder::v1::ListLinkCursorsResponse cursors;
  for (const exchange::v1::Lane lane : kLanes) {
    auto* link = cursors.add_links();
    link->set_peer("110");
    link->set_lane(lane);
    link->set_outgoing_sequence(lane * 10);
  }
  Take(ledger_.cursors).done(cursors);
  ASSERT_TRUE(answer->ok());
  EXPECT_EQ((*answer)->protocol_version(), 1);
  ASSERT_EQ((*answer)->lanes_size(), 2);
  EXPECT_EQ((*answer)->lanes(1).outgoing_sequence(), 20);
  EXPECT_EQ((*answer)->outgoing_sequence(), 10);
  // This site has no key, so that it signs with nothing.
  EXPECT_EQ(std::vector<std::string>((*answer)->capabilities().begin(), (*answer)->capabilities().end()),
            (std::vector<std::string>{"backfill", "reconcile"}));
  const auto& said = peer_.questions.front().request.capabilities();
  EXPECT_EQ(std::vector<std::string>(said.begin(), said.end()),
            (std::vector<std::string>{"backfill", "reconcile"}));
}

// A peer that came back was left alone for up to ten seconds, as only a delivery of its own woke the link.
TEST_F(DispatchServiceTest, AGreetingWakesTheLinksOfThatPeer) {
  while (!peer_.questions.empty()) {
    Take(peer_.questions).done(absl::UnavailableError("connection refused"));
  }
  exchange::v1::GetLinkRequest request;
  request.set_from_hotline("119");
  request.set_to_hotline("12345");
  request.set_protocol_version(kProtocolVersion);
  service_->GetLink(Call(), request, [](const absl::StatusOr<exchange::v1::GetLinkResponse>&) {});
  steps_.RunDue();
  EXPECT_TRUE(peer_.questions.empty()) << "who is no peer wakes nothing";
  request.set_from_hotline("110");
  service_->GetLink(Call(), request, [](const absl::StatusOr<exchange::v1::GetLinkResponse>&) {});
  steps_.RunDue();
  EXPECT_EQ(peer_.questions.size(), std::size(kLanes));
}

TEST_F(DispatchServiceTest, AWatchIsSilentForAMinuteAtMost) {
  v1::WatchHandoffsRequest request;
  request.mutable_heartbeat_interval()->set_seconds(61);
  const absl::Status refused = service_->WatchHandoffs(Call(), request).status();
  EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_FIELD_INVALID) << "as of every watch";
  EXPECT_EQ(error::FieldOf(refused), "heartbeat_interval");
}

TEST_F(DispatchServiceTest, AWatchOfAHandoffsIdIsRefused) {
  v1::WatchHandoffsRequest request;
  request.set_order_id("12345-0000000000001-1");
  const absl::Status refused = service_->WatchHandoffs(Call(), request).status();
  EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_FIELD_INVALID);
  EXPECT_EQ(error::FieldOf(refused), "order_id");
}

TEST_F(DispatchServiceTest, WatchesGetWhatTheLogGets) {
  ASSERT_EQ(ledger_.reads.size(), 1u);
  workorder::v1::ReadEventsResponse head;
  head.set_head_sequence(7);
  Take(ledger_.reads).done(head);
  steps_.RunDue();
  auto stream = service_->WatchHandoffs(Call(), {});
  ASSERT_TRUE(stream.ok());
  std::optional<v1::WatchHandoffsResponse> got;
  (*stream)->Next([&](absl::StatusOr<SharedMessage> message) {
    got.emplace();
    ASSERT_TRUE(got->ParseFromString(**message));
  });
  steps_.RunDue();
  ASSERT_EQ(ledger_.reads.size(), 1u);
  EXPECT_EQ(ledger_.reads.front().request.start_sequence(), 8);
  workorder::v1::ReadEventsResponse news;
  for (int64_t sequence : {8, 9}) {
    type::v1::Event event;
    event.set_sequence(sequence);
    if (sequence == 9) event.set_handoff_id("12345-0000000000001-1");
    news.add_events(event.SerializeAsString());
  }
  Take(ledger_.reads).done(news);
  steps_.RunDue();
  ASSERT_TRUE(got.has_value());
  ASSERT_EQ(got->events_size(), 1) << "an order that was never pushed is no handoff";
  EXPECT_EQ(got->events(0).sequence(), 9);
  EXPECT_EQ(got->watermark(), 9);
}

// Neither the call nor the partners' orders say themselves how urgent the incident is.
TEST_F(DispatchServiceTest, PartnersOfAnEmergencyAreCalledAsOne) {
  const auto incident = [this](type::v1::Urgency urgency) {
    workorder::v1::ExecuteResponse response;
    type::v1::WorkOrder& order = *response.add_results()->mutable_order();
    order.set_id("0000000000001");
    order.set_urgency(urgency);
    Take(ledger_.executes).done(response);
  };
  v1::PushToPartnersRequest partners;
  partners.mutable_header()->set_order_id("0000000000001");
  partners.mutable_partner_call()->add_to_hotlines("110");
  for (const auto urgency : {type::v1::URGENCY_URGENT, type::v1::URGENCY_EMERGENCY}) {
    service_->PushToPartners(Call(), partners, [](auto) {});
    ASSERT_EQ(ledger_.executes.size(), 1u);
    EXPECT_FALSE(ledger_.executes.front().request.emergency()) << "nobody has said so yet";
    incident(urgency);
    ASSERT_EQ(ledger_.executes.size(), 1u);
    EXPECT_EQ(ledger_.executes.front().request.emergency(), urgency == type::v1::URGENCY_EMERGENCY);
    Commit(type::v1::URGENCY_URGENT);
  }
}

TEST_F(DispatchServiceTest, AnOrderThatTheLogRegisteredAsAnEmergencyIsKnownToBeOne) {
  workorder::v1::ReadEventsResponse head;
  Take(ledger_.reads).done(head);
  workorder::v1::ReadEventsResponse news;
  for (int64_t sequence : {1, 2, 3}) {
    type::v1::Event event;
    event.set_sequence(sequence);
    event.set_order_id(StrCat("000000000000", sequence));
    event.set_order_number(StrCat("12345-20261118-00000", sequence));
    if (sequence == 1) event.mutable_registered()->set_urgency(type::v1::URGENCY_EMERGENCY);
    if (sequence == 2) event.mutable_registered()->set_urgency(type::v1::URGENCY_URGENT);
    if (sequence == 3) {
      event.mutable_understood()->mutable_registered()->set_urgency(type::v1::URGENCY_EMERGENCY);
    }
    news.add_events(event.SerializeAsString());
  }
  Take(ledger_.reads).done(news);
  for (const auto& [order, emergency] : {std::pair("0000000000001", true),
                                         {"12345-20261118-000001", true},
                                         {"0000000000002", false},
                                         {"0000000000003", true},
                                         {"12345-20261118-000003", true},
                                         {"0000000000004", false}}) {
    v1::PushWorkOrderRequest push;
    push.mutable_header()->set_order_id(order);
    push.mutable_offer()->set_to_hotline("110");
    Push(push);
    ASSERT_EQ(ledger_.executes.size(), 1u);
    EXPECT_EQ(ledger_.executes.front().request.emergency(), emergency) << order;
    Commit(type::v1::URGENCY_URGENT);
    v1::PushToPartnersRequest partners;
    partners.mutable_header()->set_order_id(order);
    partners.mutable_partner_call()->add_to_hotlines("110");
    service_->PushToPartners(Call(), partners, [](auto) {});
    ASSERT_EQ(ledger_.executes.size(), 1u);
    EXPECT_EQ(ledger_.executes.front().request.emergency(), emergency) << order;
    Take(ledger_.executes).done(error::WorkOrderUnreachable("connection refused"));
  }
}

TEST_F(DispatchServiceTest, WhoseCallersAreGoneAreNotCommitted) {
  const size_t before = ledger_.executes.size();
  Push(NewPush(type::v1::URGENCY_NORMAL));
  Push(NewPush(type::v1::URGENCY_NORMAL));
  ASSERT_EQ(ledger_.executes.size(), before + 2) << "as many as may be under way";
  Push(NewPush(type::v1::URGENCY_NORMAL));
  type::v1::Command progress;
  progress.mutable_header()->set_order_id("0000000000001");
  progress.mutable_progress();
  std::optional<absl::StatusOr<workorder::v1::CommandResult>> executed;
  service_->Execute(Call(), std::move(progress), [&](auto result) { executed = std::move(result); });
  std::optional<absl::StatusOr<v1::PushToPartnersResponse>> partners;
  v1::PushToPartnersRequest incident;
  incident.mutable_header()->set_request_id("partners-1");
  incident.mutable_partner_call()->add_to_hotlines("119");
  service_->PushToPartners(Call(), std::move(incident), [&](auto result) { partners = std::move(result); });
  EXPECT_EQ(service_->waiting_commands(), 3);
  pushed_.reset();
  steps_.clock()->Advance(absl::Seconds(31));
  Commit(type::v1::URGENCY_NORMAL);
  EXPECT_EQ(service_->waiting_commands(), 0);
  EXPECT_EQ(ledger_.executes.size(), before + 1) << "nothing more left";
  EXPECT_EQ(service_->rejected_commands(), 3);
  ASSERT_TRUE(executed.has_value() && partners.has_value());
  EXPECT_EQ(error::ReasonOf(executed->status()), Reason::ERROR_REASON_OVERLOADED);
  EXPECT_EQ(error::ReasonOf(partners->status()), Reason::ERROR_REASON_OVERLOADED);
}

// Who accepted an emergency was told to come again, as ordinary pushes had filled the queue.
TEST_F(DispatchServiceTest, WhoAcceptsAnEmergencyPassesAFullQueue) {
  DispatchOptions options;
  options.hotline = "12345";
  options.batcher.queue_limit = 2;
  steps_.Clear();
  ledger_.reads.clear();
  service_ = std::make_unique<DispatchService>(&ledger_, std::map<std::string, Peer*>{{"110", &peer_}},
                                               &notary_, &steps_, steps_.clock(), options);
  service_->Start();
  steps_.RunDue();
  Take(ledger_.reads).done(workorder::v1::ReadEventsResponse());
  type::v1::Event event;
  event.set_sequence(1);
  event.set_order_id("0000000000001");
  event.set_order_number("12345-20261118-000001");
  event.mutable_registered()->set_urgency(type::v1::URGENCY_EMERGENCY);
  workorder::v1::ReadEventsResponse news;
  news.add_events(event.SerializeAsString());
  Take(ledger_.reads).done(news);
  while (!service_->full()) Push(NewPush(type::v1::URGENCY_NORMAL));
  const size_t sent = ledger_.executes.size();
  std::optional<absl::StatusOr<workorder::v1::CommandResult>> accepted;
  const auto accept = [&](const char* order) {
    type::v1::Command command;
    command.mutable_header()->set_order_id(order);
    command.mutable_acceptance();
    accepted.reset();
    service_->Execute(Call(), std::move(command), [&](auto result) { accepted = std::move(result); });
  };
  accept("0000000000002");
  ASSERT_TRUE(accepted.has_value());
  EXPECT_EQ(error::ReasonOf(accepted->status()), Reason::ERROR_REASON_OVERLOADED);
  // Nobody waits for how it goes on.
  type::v1::Command progress;
  progress.mutable_header()->set_order_id("0000000000001");
  progress.mutable_progress();
  accepted.reset();
  service_->Execute(Call(), std::move(progress), [&](auto result) { accepted = std::move(result); });
  ASSERT_TRUE(accepted.has_value());
  EXPECT_EQ(error::ReasonOf(accepted->status()), Reason::ERROR_REASON_OVERLOADED);
  for (const char* order : {"0000000000001", "12345-20261118-000001"}) {
    accept(order);
    EXPECT_FALSE(accepted.has_value()) << order;
    ASSERT_EQ(ledger_.executes.size(), sent + 1) << order;
    EXPECT_TRUE(ledger_.executes.back().request.emergency());
    EXPECT_TRUE(ledger_.executes.back().request.commands(0).has_acceptance());
    auto call = std::move(ledger_.executes.back());
    ledger_.executes.pop_back();
    workorder::v1::ExecuteResponse executed;
    executed.add_results();
    call.done(executed);
    ASSERT_TRUE(accepted.has_value()) << order;
    EXPECT_TRUE(accepted->ok()) << order;
  }
}

TEST_F(DispatchServiceTest, TheLaneOfEmergenciesMayHaveAConnectionOfItsOwn) {
  FakePeer own;
  DispatchOptions options;
  options.hotline = "12345";
  options.emergency_peers = {{"110", &own}};
  steps_.Clear();
  peer_.questions.clear();
  service_ = std::make_unique<DispatchService>(&ledger_, std::map<std::string, Peer*>{{"110", &peer_}},
                                               &notary_, &steps_, steps_.clock(), options);
  service_->Start();
  steps_.RunDue();
  EXPECT_EQ(peer_.questions.size(), 1u);
  EXPECT_EQ(own.questions.size(), 1u);
  ledger_.pulls.clear();
  Take(own.questions).done(Standing());
  ASSERT_EQ(ledger_.pulls.size(), 1u);
  EXPECT_EQ(ledger_.pulls.front().request.lane(), exchange::v1::LANE_EMERGENCY);
  // It goes before its peer does.
  steps_.Clear();
  service_.reset();
}

// A work_order that was set back to a backup has a shorter log: what it writes next was skipped in silence.
TEST_F(DispatchServiceTest, ALogThatWasSetBackIsFollowedFromItsNewHead) {
  const auto head_is = [this](int64_t head) {
    workorder::v1::ReadEventsResponse response;
    response.set_head_sequence(head);
    Take(ledger_.reads).done(response);
    steps_.RunDue();
  };
  head_is(7);
  // A client has been told of more than the watches have.
  service_->Execute(Call(), {}, [](absl::StatusOr<workorder::v1::CommandResult>) {});
  workorder::v1::ExecuteResponse executed;
  executed.add_results()->set_event_sequence(9);
  Take(ledger_.executes).done(executed);
  const auto old = service_->WatchHandoffs(Call(), {});
  std::optional<absl::Status> ended;
  (*old)->Next([&](absl::StatusOr<SharedMessage> message) { ended = message.status(); });
  steps_.RunDue();
  // Follower and stream ask from 8 and 10 on; the log ends at 3.
  while (!ledger_.reads.empty() && ledger_.reads.front().request.start_sequence() != 1) {
    auto read = Take(ledger_.reads);
    read.done(error::SequenceOutOfRange(read.request.start_sequence(), 3));
  }
  steps_.RunDue();
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(error::ReasonOf(*ended), Reason::ERROR_REASON_SEQUENCE_OUT_OF_RANGE);
  ASSERT_EQ(ledger_.reads.size(), 1u);
  EXPECT_EQ(ledger_.reads.front().request.start_sequence(), 1);
  head_is(3);
  const auto stream = service_->WatchHandoffs(Call(), {});
  std::optional<v1::WatchHandoffsResponse> got;
  (*stream)->Next([&](absl::StatusOr<SharedMessage> message) {
    ASSERT_TRUE(message.ok()) << message.status();
    got.emplace();
    ASSERT_TRUE(got->ParseFromString(**message));
  });
  steps_.RunDue();
  ASSERT_EQ(ledger_.reads.size(), 1u);
  EXPECT_EQ(ledger_.reads.front().request.start_sequence(), 4);
  type::v1::Event event;
  event.set_sequence(4);
  event.set_handoff_id("12345-0000000000001-1");
  workorder::v1::ReadEventsResponse news;
  news.add_events(event.SerializeAsString());
  Take(ledger_.reads).done(news);
  steps_.RunDue();
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->events(0).sequence(), 4);
}

class ReloadTest : public testing::Test {
 protected:
  ReloadTest() {
    const auto loaded = boot::LoadCatalogues(std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue");
    router_ = *Router::Create(
        "12345", [loaded] { return loaded; },
        [](const auto&) { return std::make_shared<const routing::PhraseReader>(); }, config::v1::Policy());
    DispatchOptions options;
    options.hotline = "12345";
    options.router = router_.get();
    options.reloader = &reloader_;
    service_ = std::make_unique<DispatchService>(&ledger_, std::map<std::string, Peer*>{}, &notary_, &steps_,
                                                 steps_.clock(), options);
  }
  ~ReloadTest() override { steps_.Clear(); }

  void Reload(absl::Duration timeout = absl::Seconds(30)) {
    CallContext call;
    call.now = steps_.clock()->Now();
    call.deadline = call.now + timeout;
    service_->ReloadCatalogue(call, {}, [this](absl::StatusOr<v1::ReloadCatalogueResponse> response) {
      answers_.push_back(response.status());
    });
  }

  test::Steps steps_{absl::FromUnixSeconds(1'795'000'000)};
  test::Steps reloader_{absl::FromUnixSeconds(1'795'000'000)};
  FakeLedger ledger_;
  const Notary notary_{"12345", {}, {}};
  std::unique_ptr<Router> router_;
  std::unique_ptr<DispatchService> service_;
  std::vector<absl::Status> answers_;
};

TEST_F(ReloadTest, WhoAsksBeforeAReloadBeginsSharesIt) {
  for (int i = 0; i < 3; ++i) Reload();
  EXPECT_TRUE(answers_.empty());
  reloader_.RunDue();
  ASSERT_EQ(answers_.size(), 3u);
  for (const absl::Status& status : answers_) EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(router_->counters().reloads.load(), 1);
  Reload();
  reloader_.RunDue();
  EXPECT_EQ(answers_.size(), 4u);
  EXPECT_EQ(router_->counters().reloads.load(), 2);
}

TEST_F(ReloadTest, NothingIsReloadedForWhoNoLongerWaits) {
  Reload(absl::Seconds(1));
  steps_.Advance(absl::Seconds(2));
  reloader_.RunDue();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(router_->counters().reloads.load(), 0);
}

TEST_F(ReloadTest, ADrainDoesNotWaitForWhatHasNotBegun) {
  Reload();
  Reload();
  service_->Drain();
  Reload();
  ASSERT_EQ(answers_.size(), 3u);
  for (const absl::Status& status : answers_) {
    EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_DRAINING);
  }
  reloader_.RunDue();
  EXPECT_EQ(router_->counters().reloads.load(), 0);
}

}  // namespace
}  // namespace hotline::dispatch
