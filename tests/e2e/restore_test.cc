// A site that was restored from an old backup: what it has lost, its peer gives back; nothing is doubled, and
// what it did before it noticed is kept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "tests/support/desk.h"

namespace hotline::test {
namespace {

using dispatch::v1::DispatchService;
using testing::ElementsAre;
using testing::IsEmpty;

class RestoreTest : public testing::Test {
 protected:
  RestoreTest() {
    EXPECT_TRUE(sites_.UseKeys().ok());
    for (Site* site : {&sites_.a, &sites_.b}) site->config().mutable_dispatch()->set_backoff_max_ms(200);
  }

  std::string Data(const Site& site) { return site.folder() + "/work_order"; }
  std::string Backup(const Site& site) { return sites_.folder.path() + "/backup-" + site.hotline(); }
  // With the site's processes down: a copy of its stores as they are.
  void TakeBackup(Site& site) {
    site.KillAll();
    std::filesystem::copy(Data(site), Backup(site), std::filesystem::copy_options::recursive);
    ASSERT_TRUE(site.StartAll().ok());
  }
  void Restore(Site& site) {
    site.KillAll();
    std::filesystem::remove_all(Data(site));
    std::filesystem::copy(Backup(site), Data(site), std::filesystem::copy_options::recursive);
  }

  static std::vector<dispatch::v1::LinkStatus> Links(Site& site) {
    const auto response = Must(site.dispatch(), &DispatchService::Stub::ListLinks, {});
    return {response.links().begin(), response.links().end()};
  }
  // Both sites have acknowledged all that the other has, in both lanes.
  bool Quiet() {
    for (Site* site : {&sites_.a, &sites_.b}) {
      for (const auto& link : Links(*site)) {
        if (!link.up() || link.recovering() || link.acknowledged_sequence() != link.outgoing_sequence())
          return false;
      }
    }
    return true;
  }
  std::string Push(int n, type::v1::Urgency urgency = type::v1::URGENCY_NORMAL) {
    dispatch::v1::PushWorkOrderRequest request = MakePush(n, "110");
    request.mutable_content()->set_urgency(urgency);
    return test::Push(sites_.a, request).order().handoff().id();
  }
  // Handoff id → state, of every order of a site.
  static std::map<std::string, std::string> States(Site& site) {
    std::map<std::string, std::string> states;
    for (const type::v1::WorkOrder& order : ListAll(site)) {
      const bool first =
          states.emplace(order.handoff().id(), type::v1::OrderState_Name(order.state())).second;
      EXPECT_TRUE(first) << order.handoff().id() << " has two orders at " << site.hotline();
    }
    return states;
  }
  void ExpectSound() {
    EXPECT_EQ(States(sites_.a), States(sites_.b));
    EXPECT_THAT(Verify(sites_.a).fault(), IsEmpty());
    EXPECT_THAT(Verify(sites_.b).fault(), IsEmpty());
  }

  TwoSites sites_;
};

TEST_F(RestoreTest, TheGiverGetsItsOwnHistoryBackFromItsPeer) {
  ASSERT_TRUE(sites_.StartAll().ok());
  std::set<std::string> pushed;
  for (int n = 0; n < 3; ++n) pushed.insert(Push(n));
  ASSERT_TRUE(Eventually([&] { return Quiet() && States(sites_.b).size() == 3; }));
  TakeBackup(sites_.a);

  // The history that will be lost: pushes, an emergency, and what the peer did with them.
  for (int n = 3; n < 6; ++n) pushed.insert(Push(n));
  pushed.insert(Push(6, type::v1::URGENCY_EMERGENCY));
  ASSERT_TRUE(Eventually([&] { return States(sites_.b).size() == 7; }));
  for (const type::v1::WorkOrder& order : ListAll(sites_.b)) Accept(sites_.b, order.id());
  ASSERT_TRUE(Eventually([&] { return Quiet(); }));
  const std::map<std::string, std::string> before = States(sites_.b);
  std::map<std::string, std::string> numbers;
  for (const type::v1::WorkOrder& order : ListAll(sites_.a)) numbers[order.handoff().id()] = order.number();

  sites_.b.KillAll();  // so that the restored site takes new pushes before it hears how far behind it is
  Restore(sites_.a);
  ASSERT_TRUE(sites_.a.StartAll().ok());
  const std::string fresh = Push(7);
  EXPECT_EQ(ListAll(sites_.a).size(), 4u);
  ASSERT_TRUE(sites_.b.StartAll().ok());

  ASSERT_TRUE(Eventually([&] { return Quiet() && States(sites_.b).size() == 8; }))
      << Links(sites_.a)[0].DebugString();
  ASSERT_TRUE(Eventually([&] { return States(sites_.a) == States(sites_.b); }));
  ExpectSound();
  for (const auto& [handoff, state] : before) EXPECT_EQ(States(sites_.a)[handoff], state) << handoff;
  EXPECT_TRUE(States(sites_.a).contains(fresh));
  int renumbered = 0;
  for (const type::v1::WorkOrder& order : ListAll(sites_.a)) {
    if (!numbers.contains(order.handoff().id()) || order.number() == numbers[order.handoff().id()]) continue;
    ++renumbered;
    EXPECT_EQ(order.handoff().from_number(), numbers[order.handoff().id()]) << "the peer knows it by that";
  }
  // The push after the restore took the number of one, and that one perhaps the number of the emergency,
  // which comes back by the other lane.
  EXPECT_GE(renumbered, 1);
  EXPECT_LE(renumbered, 2);
  int64_t recovered = 0;
  for (const auto& link : Links(sites_.a)) recovered += link.recovered_count();
  EXPECT_EQ(recovered, 4);
}

TEST_F(RestoreTest, TheTakerGetsBackWhatItSaidAndDoesNotSayItTwice) {
  ASSERT_TRUE(sites_.StartAll().ok());
  Push(0);
  ASSERT_TRUE(Eventually([&] { return Quiet() && States(sites_.b).size() == 1; }));
  TakeBackup(sites_.b);

  for (int n = 1; n < 4; ++n) Push(n);
  ASSERT_TRUE(Eventually([&] { return States(sites_.b).size() == 4; }));
  std::map<std::string, std::string> numbers;
  for (const type::v1::WorkOrder& order : ListAll(sites_.b)) {
    numbers[order.handoff().id()] = order.number();
    Accept(sites_.b, order.id());
  }
  ASSERT_TRUE(Eventually([&] { return Quiet(); }));
  const std::map<std::string, std::string> before = States(sites_.a);

  Restore(sites_.b);
  ASSERT_TRUE(sites_.b.StartAll().ok());
  ASSERT_TRUE(Eventually([&] { return Quiet() && States(sites_.b) == before; }))
      << Links(sites_.b)[0].DebugString();
  ExpectSound();
  EXPECT_EQ(States(sites_.a), before) << "the giver has heard nothing new";
  for (const type::v1::WorkOrder& order : ListAll(sites_.b)) {
    EXPECT_EQ(order.number(), numbers[order.handoff().id()])
        << "an order keeps the number that the peer was told";
  }
}

}  // namespace
}  // namespace hotline::test
