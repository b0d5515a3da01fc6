// Versions of the catalogue in dispatch, and what a push without a target comes to.
#include "services/dispatch/router.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "common/boot/catalogue_file.h"
#include "common/error/error.h"
#include "services/dispatch/routing/phrase_reader.h"
#include "tests/support/steps.h"

namespace hotline::dispatch {
namespace {

using catalogue::Catalogue;
using catalogue::CatalogueSet;
using error::Reason;
using Set = std::shared_ptr<const CatalogueSet>;

config::v1::Catalogue Message() {
  static const config::v1::Catalogue message =
      (*boot::LoadCatalogue(std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue/wuqia.yaml"))->message();
  return message;
}

// The shipped version, and one that began later and has other units.
config::v1::Catalogue Later() {
  config::v1::Catalogue message = Message();
  message.set_version("wuqia-2027-1");
  message.set_first_date("2027-01-01");
  message.mutable_items(0)->mutable_units(0)->set_unit("chengguan");
  return message;
}

Set SetOf(std::vector<config::v1::Catalogue> messages) {
  std::vector<std::shared_ptr<const Catalogue>> versions;
  for (config::v1::Catalogue& message : messages) versions.push_back(*Catalogue::Create(std::move(message)));
  return *CatalogueSet::Create(std::move(versions));
}

const absl::Time kNow = absl::FromCivil(absl::CivilHour(2026, 11, 27, 4), absl::UTCTimeZone());
const absl::Time kNextYear = absl::FromCivil(absl::CivilHour(2027, 3, 1, 4), absl::UTCTimeZone());

class RouterTest : public testing::Test {
 protected:
  RouterTest() { Use("110", SetOf({Message()})); }

  void Use(const std::string& hotline, Set set) {
    next_ = set;
    router_ = *Router::Create(
        hotline, [this] { return next_; },
        [this](const std::shared_ptr<const Catalogue>&) {
          ++readers_made_;
          return std::make_shared<const routing::PhraseReader>();
        },
        config::v1::Policy());
  }
  static type::v1::Command Push(const std::string& text) {
    type::v1::Command command;
    type::v1::OrderContent* content = command.mutable_registration()->mutable_content();
    content->set_type(type::v1::ORDER_TYPE_HELP);
    content->set_channel(type::v1::CHANNEL_PHONE);
    content->set_urgency(type::v1::URGENCY_NORMAL);
    content->set_title("来电");
    content->set_text(text);
    command.mutable_offer();
    return command;
  }
  absl::Status Route(type::v1::Command* command, absl::Time now = kNow, type::v1::RouteFacts facts = {}) {
    return router_->Route(facts, "", now, command);
  }

  absl::StatusOr<Set> next_;
  int readers_made_ = 0;
  std::unique_ptr<Router> router_;
};

// Notes which versions were prepared, in their order.
class NotingReader final : public routing::TextReader {
 public:
  NotingReader(std::string version, std::vector<std::string>* prepared)
      : version_(std::move(version)), prepared_(prepared) {}
  void Prepare() const override {
    if (std::find(prepared_->begin(), prepared_->end(), version_) == prepared_->end())
      prepared_->push_back(version_);
  }
  routing::Reading Read(const Catalogue&, absl::CivilDay, const routing::Source&) const override {
    return {};
  }

 private:
  const std::string version_;
  std::vector<std::string>* const prepared_;
};

TEST(RouterPrepareTest, AStartWaitsForNoReaderAndTheOneInForceIsFirst) {
  std::vector<std::string> prepared;
  const auto router = Router::Create(
      "110",
      [] {
        return SetOf({Later(), Message()});
      },
      [&](const std::shared_ptr<const Catalogue>& version) {
        return std::make_shared<NotingReader>(version->version(), &prepared);
      },
      config::v1::Policy());
  ASSERT_TRUE(router.ok());
  EXPECT_TRUE(prepared.empty());
  (*router)->Prepare(kNextYear);
  EXPECT_EQ(prepared, (std::vector<std::string>{"wuqia-2027-1", Message().version()}));
  prepared.clear();
  ASSERT_TRUE((*router)->Reload(kNow).ok());
  EXPECT_EQ(prepared, (std::vector<std::string>{Message().version(), "wuqia-2027-1"}));
}

TEST(RouterPrepareTest, AReloadWaitsForTheReaderInForceAlone) {
  std::vector<std::string> prepared;
  config::v1::Catalogue expired = Message();
  expired.set_version("wuqia-2020-1");
  expired.set_first_date("2020-01-01");
  expired.set_last_date("2023-12-31");
  test::Steps reloader(kNow);
  const auto router = Router::Create(
      "110",
      [&] {
        return SetOf({expired, Message(), Later()});
      },
      [&](const std::shared_ptr<const Catalogue>& version) {
        return std::make_shared<NotingReader>(version->version(), &prepared);
      },
      config::v1::Policy());
  ASSERT_TRUE(router.ok());
  const std::vector<std::string> all = {Message().version(), "wuqia-2020-1", "wuqia-2027-1"};
  (*router)->PrepareOn(&reloader, reloader.clock());
  reloader.RunDue();
  EXPECT_EQ(prepared, all);
  prepared.clear();
  ASSERT_TRUE((*router)->Reload(kNow).ok());
  EXPECT_EQ(prepared, std::vector<std::string>{Message().version()}) << "it answers before the others are";
  // What is asked for meanwhile, as another reload, waits for one more at most.
  EXPECT_TRUE(reloader.RunOne());
  size_t before_it = 0;
  reloader.Post([&] { before_it = prepared.size(); });
  reloader.RunDue();
  EXPECT_EQ(before_it, 2u);
  EXPECT_EQ(prepared, all);
}

// Each repeat of a reload that nobody had waited for to the end trained the same model once more.
TEST(RouterPrepareTest, WhatIsLoadedFromTheSameFilesIsNotPreparedAgain) {
  class DigestReader final : public routing::TextReader {
   public:
    DigestReader(std::string made_from, int* prepared)
        : made_from_(std::move(made_from)), prepared_(prepared) {}
    void Prepare() const override {
      if (!std::exchange(done_, true)) ++*prepared_;
    }
    std::string MadeFrom() const override { return made_from_; }
    routing::Reading Read(const Catalogue&, absl::CivilDay, const routing::Source&) const override {
      return {};
    }

   private:
    const std::string made_from_;
    int* const prepared_;
    mutable bool done_ = false;
  };
  int prepared = 0;
  std::string made_from = "a";
  const auto router = Router::Create(
      "110", [] { return SetOf({Message()}); },
      [&](const std::shared_ptr<const Catalogue>&) {
        return std::make_shared<DigestReader>(made_from, &prepared);
      },
      config::v1::Policy());
  ASSERT_TRUE(router.ok());
  test::Steps reloader(kNow);
  std::vector<std::string> in_force;
  (*router)->PrepareOn(&reloader, reloader.clock(),
                       [&](const std::string& version) { in_force.push_back(version); });
  EXPECT_TRUE(in_force.empty()) << "not before it is prepared";
  reloader.RunDue();
  EXPECT_EQ(prepared, 1);
  ASSERT_TRUE((*router)->Reload(kNow).ok());
  EXPECT_EQ(prepared, 1);
  made_from = "b";
  ASSERT_TRUE((*router)->Reload(kNow).ok());
  EXPECT_EQ(prepared, 2);
  EXPECT_EQ(in_force, std::vector<std::string>(3, Message().version())) << "each time";
}

TEST(RouterPrepareTest, AReloadThatTheEndOfTheProcessInterruptsChangesNothing) {
  // As one that was told to stop.
  class StoppedReader final : public routing::TextReader {
   public:
    bool IsPrepared() const override { return false; }
    routing::Reading Read(const Catalogue&, absl::CivilDay, const routing::Source&) const override {
      return {};
    }
  };
  std::vector<std::string> prepared;
  bool stopped = false;
  const auto router = Router::Create(
      "110", [&] { return SetOf({stopped ? Later() : Message()}); },
      [&](const std::shared_ptr<const Catalogue>& version) -> std::shared_ptr<const routing::TextReader> {
        if (stopped) return std::make_shared<StoppedReader>();
        return std::make_shared<NotingReader>(version->version(), &prepared);
      },
      config::v1::Policy());
  ASSERT_TRUE(router.ok());
  stopped = true;
  EXPECT_EQ(error::ReasonOf((*router)->Reload(kNextYear).status()), Reason::ERROR_REASON_DRAINING);
  EXPECT_EQ((*router)->counters().reloads.load(), 0) << "it was counted as done before it was";
  EXPECT_EQ((*router)->Get({}, kNextYear)->catalogue().version(), Message().version());
  EXPECT_TRUE((*router)->IsPrepared(kNextYear));
}

TEST_F(RouterTest, APushWithoutATargetGoesWhereTheAnnexSays) {
  type::v1::Command command = Push("包工头跑了，工资没发");
  ASSERT_TRUE(Route(&command).ok());
  const type::v1::RouteRecord& route = command.registration().route();
  EXPECT_EQ(route.hotline(), "12345");
  EXPECT_EQ(route.kind(), type::v1::HANDOFF_KIND_ORDER_PUSH);
  EXPECT_EQ(route.item().item(), "A2");
  EXPECT_EQ(route.item().version(), "wuqia-2024-6");
  EXPECT_EQ(route.lead_unit(), "rensheju");
  EXPECT_FALSE(route.chosen_by_person());
  EXPECT_FALSE(route.against_advice());
  EXPECT_EQ(route.advice().rule(), type::v1::LADDER_RULE_CLEAR_DUTY);
  EXPECT_NE(route.advice().legal_basis().find("附件一(2)"), std::string::npos);
  // What the client sent stays as it was: a repeat of the request must be the same.
  EXPECT_FALSE(command.registration().content().has_catalogue());
  EXPECT_EQ(command.offer().to_hotline(), "");
}

TEST_F(RouterTest, WhatAPersonChoseAgainstTheAdviceIsRecorded) {
  type::v1::Command command = Push("包工头跑了，工资没发");
  command.mutable_offer()->set_to_hotline("12345");
  command.mutable_registration()->mutable_content()->mutable_catalogue()->set_item("A13");
  command.mutable_registration()->mutable_content()->set_lead_unit("sifaju");
  ASSERT_TRUE(router_->Route({}, "只想问律师", kNow, &command).ok());
  const type::v1::RouteRecord& route = command.registration().route();
  EXPECT_TRUE(route.chosen_by_person());
  EXPECT_TRUE(route.against_advice());
  EXPECT_EQ(route.advice().item().item(), "A2");
  EXPECT_EQ(route.item().item(), "A13");
  EXPECT_EQ(route.item().version(), "wuqia-2024-6");
  EXPECT_EQ(route.lead_unit(), "sifaju");
  EXPECT_EQ(route.reason(), "只想问律师");
  // To another hotline than advised.
  command = Push("包工头跑了，工资没发");
  command.mutable_offer()->set_to_hotline("119");
  ASSERT_TRUE(Route(&command).ok());
  EXPECT_TRUE(command.registration().route().against_advice());
  // As advised.
  command = Push("包工头跑了，工资没发");
  command.mutable_offer()->set_to_hotline("12345");
  ASSERT_TRUE(Route(&command).ok());
  EXPECT_FALSE(command.registration().route().against_advice());
}

TEST_F(RouterTest, WhatOnlyAPersonCanSayIsAsked) {
  type::v1::Command command = Push("你们帮帮忙");
  const absl::Status unclear = Route(&command);
  EXPECT_EQ(unclear.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(error::ReasonOf(unclear), Reason::ERROR_REASON_ROUTE_UNDECIDED);
  EXPECT_EQ(error::FieldOf(unclear), "offer.to_hotline");
  EXPECT_NE(error::ChineseOf(unclear).find("有没有人受伤"), std::string::npos);
  // Asked and answered: the two agreed.
  type::v1::RouteFacts facts;
  facts.set_agreement(type::v1::AGREEMENT_STATE_AGREED);
  facts.set_agreed_hotline("12345");
  facts.set_agreed_by("1001与2002");
  facts.set_agreement_reason("属公共服务");
  ASSERT_TRUE(Route(&command, kNow, facts).ok());
  EXPECT_EQ(command.registration().route().hotline(), "12345");
  EXPECT_EQ(command.registration().route().kind(), type::v1::HANDOFF_KIND_THREE_WAY);
  EXPECT_EQ(command.registration().route().advice().rule(), type::v1::LADDER_RULE_AGREEMENT);
  EXPECT_EQ(command.registration().route().facts().agreed_by(), "1001与2002");
  facts.clear_agreed_by();
  EXPECT_EQ(error::FieldOf(Route(&command, kNow, facts)), "facts.agreed_by");
}

TEST_F(RouterTest, OwnMattersAndDangerStay) {
  type::v1::Command command = Push("餐馆里打起来了，有人受伤");
  EXPECT_EQ(error::ReasonOf(Route(&command)), Reason::ERROR_REASON_OWN_MATTER);
  Use("12345", SetOf({Message()}));
  command = Push("餐馆里打起来了，有人受伤");
  ASSERT_TRUE(Route(&command).ok());
  EXPECT_EQ(command.registration().route().hotline(), "110");
  EXPECT_TRUE(command.registration().route().advice().emergency());
  command = Push("路灯坏了");
  EXPECT_EQ(error::ReasonOf(Route(&command)), Reason::ERROR_REASON_OWN_MATTER);
}

TEST_F(RouterTest, AnUrgencyLeftOpenIsAsTheTextSays) {
  Use("12345", SetOf({Message()}));
  const auto route = [this](const std::string& text, const std::string& target = "") {
    type::v1::Command command = Push(text);
    command.mutable_registration()->mutable_content()->clear_urgency();
    command.mutable_offer()->set_to_hotline(target);
    EXPECT_TRUE(Route(&command).ok()) << text;
    EXPECT_EQ(command.registration().content().urgency(), type::v1::URGENCY_UNSPECIFIED)
        << "what the client sent stays";
    EXPECT_FALSE(command.registration().route().against_advice()) << text;
    return command.registration().route();
  };
  EXPECT_EQ(route("我家着火了，人还在里面出不来").urgency(), type::v1::URGENCY_EMERGENCY);
  EXPECT_EQ(route("我家着火了，人还在里面出不来", "110").urgency(), type::v1::URGENCY_EMERGENCY);
  const type::v1::RouteRecord clue = route("他扬言要把煤气罐抱到大厅点了");
  EXPECT_EQ(clue.kind(), type::v1::HANDOFF_KIND_STABILITY_CLUE);
  EXPECT_EQ(clue.urgency(), type::v1::URGENCY_URGENT);
  EXPECT_EQ(route("你们帮帮忙", "110").urgency(), type::v1::URGENCY_NORMAL) << "nothing was read";
}

// work_order takes the route's where it is more: -1 would become none, and be refused as one left open.
TEST_F(RouterTest, WhatIsNoUrgencyReachesWhoRefusesIt) {
  for (const int wrong : {-1, 99}) {
    type::v1::Command command = Push("工资没发");
    command.mutable_offer()->set_to_hotline("12345");
    command.mutable_registration()->mutable_content()->set_urgency(static_cast<type::v1::Urgency>(wrong));
    ASSERT_TRUE(Route(&command).ok());
    ASSERT_TRUE(command.registration().has_route());
    EXPECT_EQ(command.registration().route().urgency(), wrong);
  }
}

// Advice that keeps out the unit accused must know which it is. A push is left to work_order.
TEST(RouterUnitsTest, AnAccusedUnitIsOneOfTheSitesList) {
  config::v1::UnitList units;
  units.add_units()->set_code("rensheju");
  const Set set = SetOf({Message()});
  const auto router = *Router::Create(
      "12345", [&set]() -> absl::StatusOr<Set> { return set; },
      [](const auto&) { return std::make_shared<const routing::PhraseReader>(); }, config::v1::Policy(),
      units);
  v1::SuggestRouteRequest request;
  request.set_text("工资没发，人社局的人不管");
  request.add_accused_units("rensheju");
  const auto advised = router->Suggest(request, kNow);
  ASSERT_TRUE(advised.ok()) << advised.status();
  EXPECT_NE(advised->decision().lead_unit(), "rensheju");
  request.set_accused_units(0, "Rensheju");
  const absl::Status refused = router->Suggest(request, kNow).status();
  EXPECT_EQ(error::ReasonOf(refused), Reason::ERROR_REASON_UNIT_UNKNOWN);
  EXPECT_EQ(error::FieldOf(refused), "accused_units[0]");
  type::v1::Command command;
  command.mutable_registration()->mutable_content()->set_text("有人打架，拿刀砍人");
  command.mutable_registration()->mutable_content()->add_accused_units("Rensheju");
  EXPECT_TRUE(router->Route({}, "", kNow, &command).ok());
  EXPECT_TRUE(command.registration().has_route());
}

TEST_F(RouterTest, NoFormSlowsAnEmergencyAndWhoKnowsBetterSaysSo) {
  Use("12345", SetOf({Message()}));
  type::v1::Command command = Push("餐馆里打起来了，有人受伤");
  ASSERT_TRUE(Route(&command).ok());
  EXPECT_EQ(command.registration().route().urgency(), type::v1::URGENCY_EMERGENCY);
  EXPECT_TRUE(command.registration().route().against_advice());
  command = Push("他扬言要把煤气罐抱到大厅点了");
  ASSERT_TRUE(Route(&command).ok());
  EXPECT_EQ(command.registration().route().urgency(), type::v1::URGENCY_URGENT);
  EXPECT_TRUE(command.registration().route().against_advice());
  // What was stated as more stays.
  command.mutable_registration()->mutable_content()->set_urgency(type::v1::URGENCY_EMERGENCY);
  ASSERT_TRUE(Route(&command).ok());
  EXPECT_EQ(command.registration().route().urgency(), type::v1::URGENCY_EMERGENCY);
  EXPECT_FALSE(command.registration().route().against_advice());
  // A person who names the target decides, on record.
  command = Push("餐馆里打起来了，有人受伤");
  command.mutable_offer()->set_to_hotline("110");
  ASSERT_TRUE(Route(&command).ok());
  EXPECT_EQ(command.registration().route().urgency(), type::v1::URGENCY_NORMAL);
  EXPECT_TRUE(command.registration().route().against_advice());
  EXPECT_EQ(router_->counters().against_advice, 3);
  // And one who says that there is no danger.
  command = Push("餐馆里打起来了，有人受伤");
  type::v1::RouteFacts facts;
  facts.set_danger(type::v1::ANSWER_NO);
  ASSERT_TRUE(Route(&command, kNow, facts).ok());
  EXPECT_EQ(command.registration().route().urgency(), type::v1::URGENCY_NORMAL);
  EXPECT_FALSE(command.registration().route().against_advice());
}

// Title and text together are longer than what may be asked about.
TEST_F(RouterTest, AnOrderAsLongAsItMayBeIsRouted) {
  type::v1::Command command = Push("包工头跑了，工资没发");
  std::string& text = *command.mutable_registration()->mutable_content()->mutable_text();
  for (int i = 10; i < 8000; ++i) text += "啊";
  std::string title;
  for (int i = 0; i < 100; ++i) title += "电";
  command.mutable_registration()->mutable_content()->set_title(title);
  ASSERT_TRUE(Route(&command).ok());
  EXPECT_EQ(command.registration().route().hotline(), "12345");
  EXPECT_EQ(command.registration().route().item().item(), "A2");
}

TEST_F(RouterTest, TheUnitThatTheAnnexLeavesOpenIsLeftOpen) {
  type::v1::Command command = Push("工地外墙没系安全绳");
  ASSERT_TRUE(Route(&command).ok());
  EXPECT_EQ(command.registration().route().item().item(), "A8");
  EXPECT_EQ(command.registration().route().lead_unit(), "");
  // Nor is an accused one filled in.
  command = Push("工资没发，人社局的人不管");
  command.mutable_registration()->mutable_content()->add_accused_units("rensheju");
  ASSERT_TRUE(Route(&command).ok());
  EXPECT_EQ(command.registration().route().item().item(), "A2");
  EXPECT_EQ(command.registration().route().lead_unit(), "");
}

TEST_F(RouterTest, ItemsAndVersionsAreThoseThatHold) {
  Use("110", SetOf({Message(), Later()}));
  type::v1::Command command = Push("占道经营");
  ASSERT_TRUE(Route(&command).ok());
  EXPECT_EQ(command.registration().route().item().version(), "wuqia-2024-6");
  EXPECT_EQ(command.registration().route().lead_unit(), "zhujianju");
  command = Push("占道经营");
  ASSERT_TRUE(Route(&command, kNextYear).ok());
  EXPECT_EQ(command.registration().route().item().version(), "wuqia-2027-1");
  EXPECT_EQ(command.registration().route().lead_unit(), "chengguan");
  // By the version that the order names.
  command = Push("占道经营");
  command.mutable_registration()->mutable_content()->mutable_catalogue()->set_item("A1");
  command.mutable_registration()->mutable_content()->mutable_catalogue()->set_version("wuqia-2024-6");
  ASSERT_TRUE(Route(&command, kNextYear).ok());
  EXPECT_EQ(command.registration().route().lead_unit(), "zhujianju");
  command.mutable_registration()->mutable_content()->mutable_catalogue()->set_version("none");
  EXPECT_EQ(error::ReasonOf(Route(&command)), Reason::ERROR_REASON_CATALOGUE_VERSION_UNKNOWN);
  EXPECT_EQ(error::FieldOf(Route(&command)), "content.catalogue.version");
  command.mutable_registration()->mutable_content()->mutable_catalogue()->clear_version();
  command.mutable_registration()->mutable_content()->mutable_catalogue()->set_item("A23");
  EXPECT_EQ(error::ReasonOf(Route(&command)), Reason::ERROR_REASON_ITEM_UNKNOWN);
  EXPECT_EQ(error::FieldOf(Route(&command)), "content.catalogue.item");

  v1::SuggestRouteRequest request;
  request.set_text("占道经营");
  EXPECT_EQ(router_->Suggest(request, kNow)->catalogue_version(), "wuqia-2024-6");
  request.set_catalogue_version("wuqia-2027-1");
  EXPECT_EQ(router_->Suggest(request, kNextYear)->suggestions(0).advice().lead_unit(), "chengguan");
  request.set_catalogue_version("none");
  EXPECT_EQ(error::ReasonOf(router_->Suggest(request, kNow).status()),
            Reason::ERROR_REASON_CATALOGUE_VERSION_UNKNOWN);
  EXPECT_EQ(error::FieldOf(router_->Suggest(request, kNow).status()), "catalogue_version");
  v1::GetCatalogueRequest wanted;
  wanted.set_version("none");
  EXPECT_EQ(error::FieldOf(router_->Get(wanted, kNow).status()), "version");
  const auto got = router_->Get({}, kNextYear);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->catalogue().version(), "wuqia-2027-1");
  ASSERT_EQ(got->versions_size(), 2);
  EXPECT_TRUE(got->versions(1).in_force());
}

TEST_F(RouterTest, WithoutACatalogueInForceNothingIsAdvised) {
  const absl::Time before = absl::FromCivil(absl::CivilHour(2020, 1, 1, 0), absl::UTCTimeZone());
  EXPECT_EQ(error::ReasonOf(router_->Suggest({}, before).status()), Reason::ERROR_REASON_NO_CATALOGUE);
  type::v1::Command command = Push("工资没发");
  EXPECT_TRUE(Route(&command, before).ok());
  EXPECT_FALSE(command.registration().has_route());
}

TEST_F(RouterTest, AWrongFileLeavesWhatWasLoaded) {
  next_ = error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "items", "x.yaml:3:1: is required",
                          "x.yaml:3:1: 必填");
  const auto reloaded = router_->Reload(kNow);
  EXPECT_EQ(error::ReasonOf(reloaded.status()), Reason::ERROR_REASON_CATALOGUE_INVALID);
  EXPECT_NE(error::ChineseOf(reloaded.status()).find("x.yaml:3:1"), std::string::npos);
  EXPECT_EQ(router_->Get({}, kNow)->catalogue().version(), "wuqia-2024-6");
}

// What a reader is made from may have changed beside the catalogue.
TEST_F(RouterTest, AReloadMakesReadersAnew) {
  EXPECT_EQ(readers_made_, 1);
  next_ = SetOf({Message(), Later()});
  ASSERT_TRUE(router_->Reload(kNow).ok());
  EXPECT_EQ(readers_made_, 3);
}

// Versions come and go under eight threads that route and ask: every answer is of one version, whole, and
// none fails.
TEST_F(RouterTest, ReloadsUnderLoadWithoutAnError) {
  const Set one = SetOf({Message()});
  config::v1::Catalogue other = Message();
  other.set_version("wuqia-2024-6b");
  other.mutable_items(0)->mutable_units(0)->set_unit("chengguan");
  const Set both = SetOf({Message(), other});
  std::atomic<bool> stop{false};
  std::atomic<int64_t> errors{0}, answers{0}, later{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      v1::SuggestRouteRequest request;
      request.set_text("占道经营");
      while (!stop) {
        type::v1::Command command = Push("占道经营");
        const bool routed = router_->Route({}, "", kNow, &command).ok();
        const type::v1::RouteRecord& route = command.registration().route();
        const bool new_version = route.item().version() == "wuqia-2024-6b";
        const bool whole = route.lead_unit() == (new_version ? "chengguan" : "zhujianju");
        later += new_version;
        if (!routed || !whole || !router_->Suggest(request, kNow).ok() || !router_->Get({}, kNow).ok())
          ++errors;
        ++answers;
      }
    });
  }
  int64_t reloads = 0;
  while (reloads < 200 || answers < 400 || later == 0) {
    next_ = reloads % 2 == 0 ? both : one;
    if (!router_->Reload(kNow).ok()) ++errors;
    ++reloads;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(errors, 0);
  EXPECT_GT(later, 0);
}

}  // namespace
}  // namespace hotline::dispatch
