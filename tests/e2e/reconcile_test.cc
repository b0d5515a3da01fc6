// Two sites compare what they share: they name exactly what is not alike, and set right what can be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "common/base/id.h"
#include "common/sql/sqlite.h"
#include "tests/support/desk.h"

namespace hotline::test {
namespace {

using dispatch::v1::DispatchService;
using testing::IsEmpty;

// With the site's processes down: alters its store behind their back.
void Alter(const Site& site, const std::string& statement) {
  auto database = sql::OpenSqlite({.path = site.folder() + "/work_order/work_order.db"});
  ASSERT_TRUE(database.ok()) << database.status();
  auto writer = (*database)->OpenWriter();
  ASSERT_TRUE(writer.ok() && (*writer)->Begin().ok());
  auto prepared = (*writer)->Prepare(statement);
  ASSERT_TRUE(prepared.ok() && (*prepared)->Run().ok() && (*writer)->Commit().ok()) << statement;
}

dispatch::v1::ReconcileLinkResponse Reconcile(Site& site, const std::string& peer, bool repair) {
  dispatch::v1::ReconcileLinkRequest request;
  request.set_peer(peer);
  request.set_repair(repair);
  request.set_recount(true);
  dispatch::v1::ReconcileLinkResponse response;
  Call call(absl::Seconds(30));
  const grpc::Status status = site.dispatch().ReconcileLink(&call, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

TEST(ReconcileTest, NamesExactlyWhatDiffersAndRepairsWhatCanBe) {
  TwoSites sites;
  ASSERT_TRUE(sites.UseKeys().ok());
  for (Site* site : {&sites.a, &sites.b}) site->config().mutable_dispatch()->set_backoff_max_ms(200);
  ASSERT_TRUE(sites.StartAll().ok());
  for (int n = 0; n < 12; ++n) Push(sites.a, MakePush(n, "110"));
  ASSERT_TRUE(Eventually([&] { return ListAll(sites.b).size() == 12; }));
  const std::vector<type::v1::WorkOrder> theirs = ListAll(sites.b);
  const type::v1::WorkOrder offered = theirs[3];
  const type::v1::WorkOrder accepted = theirs[7];
  Accept(sites.b, accepted.id());
  ASSERT_TRUE(Eventually([&] {
    const auto same = Reconcile(sites.a, "110", /*repair=*/false);
    return same.handoff_count() == 12 && same.differences().empty();
  }));
  EXPECT_EQ(Reconcile(sites.b, "12345", /*repair=*/false).difference_count(), 0);

  // 110 loses an order that it has only received, 12345 one that 110 has accepted.
  sites.a.KillAll();
  sites.b.KillAll();
  Alter(sites.b, absl::StrCat("DELETE FROM work_order WHERE id = ", *ParseOrderId(offered.id())));
  // `<giver>-<order id>-<attempt>`
  const std::string lost = accepted.handoff().id().substr(std::string("12345-").size(), 13);
  Alter(sites.a, absl::StrCat("DELETE FROM work_order WHERE id = ", *ParseOrderId(lost)));
  ASSERT_TRUE(sites.StartAll().ok());
  ASSERT_TRUE(Eventually([&] {
    const auto links = Must(sites.a.dispatch(), &DispatchService::Stub::ListLinks, {});
    return std::all_of(links.links().begin(), links.links().end(),
                       [](const auto& link) { return link.up(); });
  }));

  const auto found = Reconcile(sites.a, "110", /*repair=*/false);
  ASSERT_EQ(found.differences_size(), 2) << found.DebugString();
  EXPECT_EQ(found.difference_count(), 2);
  std::map<std::string, dispatch::v1::HandoffDifference> differences;
  for (const auto& one : found.differences()) differences[one.handoff_id()] = one;
  const auto& there = differences[offered.handoff().id()];
  EXPECT_EQ(there.kind(), dispatch::v1::DIFFERENCE_KIND_MISSING_THERE);
  EXPECT_THAT(there.view_there(), IsEmpty());
  EXPECT_THAT(there.view_here(), testing::HasSubstr("offered"));
  const auto& here = differences[accepted.handoff().id()];
  EXPECT_EQ(here.kind(), dispatch::v1::DIFFERENCE_KIND_MISSING_HERE);
  EXPECT_THAT(here.view_there(), testing::HasSubstr("accepted"));

  const auto repaired = Reconcile(sites.a, "110", /*repair=*/true);
  EXPECT_EQ(repaired.difference_count(), 1) << repaired.DebugString();
  for (const auto& one : repaired.differences()) {
    EXPECT_EQ(one.repaired(), one.handoff_id() == offered.handoff().id()) << one.DebugString();
  }
  EXPECT_EQ(ListAll(sites.b).size(), 12u);
  EXPECT_EQ(Reconcile(sites.b, "12345", /*repair=*/true).difference_count(), 1) << "left to people";
}

}  // namespace
}  // namespace hotline::test
