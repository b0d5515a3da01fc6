// Two sites that only files join, and a tool that copies them carelessly.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "tests/support/desk.h"

namespace hotline::test {
namespace {

using dispatch::v1::DispatchService;
using testing::SizeIs;

class SpoolTest : public testing::Test {
 protected:
  SpoolTest() {
    sites_.a.config().mutable_dispatch()->set_emergency_receipt_s(1);
    EXPECT_TRUE(sites_.UseKeys().ok());
    for (Site* site : {&sites_.a, &sites_.b}) {
      config::v1::PeerConfig& config = *site->config().mutable_peers(0);
      config.clear_address();
      config.mutable_spool()->set_out_directory(Out(*site));
      config.mutable_spool()->set_in_directory(In(*site));
      config.mutable_spool()->set_scan_interval_ms(20);
      config.mutable_spool()->set_resend_after_s(1);
    }
  }

  std::string Path(const std::string& name) { return absl::StrCat(sites_.folder.path(), "/", name); }
  std::string Out(const Site& site) { return Path(absl::StrCat("spool/", site.hotline(), "/out")); }
  std::string In(const Site& site) { return Path(absl::StrCat("spool/", site.hotline(), "/in")); }

  std::unique_ptr<Process> Run(const std::vector<std::string>& argv) {
    auto process = Process::Start(argv, Path("copy.log"));
    EXPECT_TRUE(process.ok()) << process.status();
    return *std::move(process);
  }

  // One way from `from` to `to`, until what is returned goes.
  std::unique_ptr<Process> Copy(const Site& from, const Site& to, int seed) {
    auto process = Run({absl::StrCat(HOTLINE_SOURCE_DIR, "/tests/e2e/careless_copy.sh"), Out(from), In(to),
                        Path(absl::StrCat("kept-", from.hotline())), absl::StrCat(seed)});
    EXPECT_TRUE(process->WaitForLine("READY", absl::Seconds(20)).ok());
    return process;
  }

  static std::vector<dispatch::v1::LinkStatus> Links(Site& site) {
    const auto response = Must(site.dispatch(), &DispatchService::Stub::ListLinks, {});
    return {response.links().begin(), response.links().end()};
  }

  TwoSites sites_;
};

TEST_F(SpoolTest, OrdersAndTheirStatusTravelByFilesThatAreCopiedCarelessly) {
  ASSERT_TRUE(sites_.StartAll().ok());
  const auto there = Copy(sites_.a, sites_.b, 1);
  const auto back = Copy(sites_.b, sites_.a, 2);

  constexpr int kOrders = 16;
  std::vector<std::string> handoffs;
  for (int i = 0; i < kOrders; ++i) {
    dispatch::v1::PushWorkOrderRequest push = MakePush(i, "110");
    // Both lanes.
    if (i % 8 == 0) push.mutable_content()->set_urgency(type::v1::URGENCY_EMERGENCY);
    handoffs.push_back(Push(sites_.a, push).order().handoff().id());
  }
  ASSERT_TRUE(Eventually([&] { return ListAll(sites_.b).size() == kOrders; }, absl::Seconds(120)));
  for (const type::v1::WorkOrder& order : ListAll(sites_.b)) Accept(sites_.b, order.id());
  ASSERT_TRUE(Eventually(
      [&] {
        const std::vector<type::v1::WorkOrder> orders = ListAll(sites_.a);
        return std::all_of(orders.begin(), orders.end(), [](const type::v1::WorkOrder& order) {
          return order.custody().holder() == "110";
        });
      },
      absl::Seconds(120)));

  std::map<std::string, int> arrived;
  for (const type::v1::WorkOrder& order : ListAll(sites_.b)) ++arrived[order.handoff().id()];
  EXPECT_THAT(arrived, SizeIs(kOrders));
  for (const std::string& handoff : handoffs) EXPECT_EQ(arrived[handoff], 1) << handoff;

  for (Site* site : {&sites_.a, &sites_.b}) {
    EXPECT_TRUE(Eventually(
        [&] {
          const auto links = Links(*site);
          return std::all_of(links.begin(), links.end(), [](const dispatch::v1::LinkStatus& link) {
            return link.up() && link.acknowledged_sequence() == link.outgoing_sequence();
          });
        },
        absl::Seconds(120)));
    for (const dispatch::v1::LinkStatus& link : Links(*site)) {
      EXPECT_EQ(link.transport(), dispatch::v1::LINK_TRANSPORT_SPOOL);
      EXPECT_TRUE(link.has_peer_known_time());
      EXPECT_EQ(link.last_error(), "");
    }
    EXPECT_TRUE(Verify(*site).intact());
  }
}

TEST_F(SpoolTest, ProcessesMayDieAndNobodyMayCopyForAWhile) {
  ASSERT_TRUE(sites_.a.StartAll().ok());
  // No bundle of 110 has ever been seen, and nobody copies: the offer waits in a file.
  const auto pushed = Push(sites_.a, MakePush(1, "110"));
  EXPECT_EQ(pushed.status(), dispatch::v1::DELIVERY_STATUS_QUEUED);
  ASSERT_TRUE(Eventually([&] { return !std::filesystem::is_empty(Out(sites_.a)); }));
  sites_.a.KillAll();
  ASSERT_TRUE(sites_.StartAll().ok());
  dispatch::v1::PushWorkOrderRequest emergency = MakePush(2, "110");
  emergency.mutable_content()->set_urgency(type::v1::URGENCY_EMERGENCY);
  EXPECT_TRUE(Push(sites_.a, emergency).telephone_required());

  const auto there = Copy(sites_.a, sites_.b, 3);
  const auto back = Copy(sites_.b, sites_.a, 4);
  ASSERT_TRUE(Eventually([&] { return ListAll(sites_.b).size() == 2; }, absl::Seconds(120)));
  sites_.b.Kill(Service::kDispatch);
  ASSERT_TRUE(sites_.b.Start(Service::kDispatch).ok());
  for (const type::v1::WorkOrder& order : ListAll(sites_.b)) Accept(sites_.b, order.id());
  ASSERT_TRUE(Eventually([&] { return Get(sites_.a, pushed.order().id()).custody().holder() == "110"; },
                         absl::Seconds(120)));
  EXPECT_THAT(ListAll(sites_.b), SizeIs(2));
  EXPECT_EQ(sites_.a.Terminate(Service::kDispatch), 0);
  EXPECT_EQ(sites_.b.Terminate(Service::kDispatch), 0);
}

}  // namespace
}  // namespace hotline::test
