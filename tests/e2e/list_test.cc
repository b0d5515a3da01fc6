// Lists: filters hold together, pages are stable, absurd ones are refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "tests/support/desk.h"

namespace hotline::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using workorder::v1::ListWorkOrdersRequest;
using workorder::v1::WorkOrderService;

class ListTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::Status started = site_.StartAll();
    ASSERT_TRUE(started.ok()) << started.message();
  }

  std::string Create(const std::function<void(type::v1::OrderContent*)>& change = nullptr) {
    auto request = For<workorder::v1::CreateWorkOrderRequest>("");
    *request.mutable_registration()->mutable_content() = MakeContent(1);
    request.mutable_registration()->mutable_content()->set_type(type::v1::ORDER_TYPE_HELP);
    if (change != nullptr) change(request.mutable_registration()->mutable_content());
    return Must(site_.work_order(), &WorkOrderService::Stub::CreateWorkOrder, request).order().id();
  }

  std::vector<std::string> Ids(const ListWorkOrdersRequest& request) {
    std::vector<std::string> ids;
    ListWorkOrdersRequest page = request;
    do {
      const auto answer = Must(site_.work_order(), &WorkOrderService::Stub::ListWorkOrders, page);
      for (const type::v1::WorkOrder& order : answer.orders()) {
        EXPECT_FALSE(order.has_content());
        ids.push_back(order.id());
      }
      page.set_page_token(answer.next_page_token());
    } while (!page.page_token().empty() && !HasFailure());
    return ids;
  }

  TwoSites sites_;
  Site& site_ = sites_.a;
};

TEST_F(ListTest, PagesAreNewestFirstAndStableUnderInserts) {
  std::vector<std::string> ids;
  for (int i = 0; i < 7; ++i) ids.insert(ids.begin(), Create());
  ListWorkOrdersRequest request;
  request.set_page_size(3);
  std::vector<std::string> listed;
  do {
    const auto answer = Must(site_.work_order(), &WorkOrderService::Stub::ListWorkOrders, request);
    for (const type::v1::WorkOrder& order : answer.orders()) listed.push_back(order.id());
    EXPECT_LE(answer.orders_size(), 3);
    request.set_page_token(answer.next_page_token());
    Create();  // must not shift the pages
  } while (!request.page_token().empty());
  EXPECT_EQ(listed, ids);
}

TEST_F(ListTest, FiltersHoldTogether) {
  const absl::Time begin = absl::Now();
  const std::string plain = Create();
  const std::string urgent = Create([](type::v1::OrderContent* content) {
    content->set_urgency(type::v1::URGENCY_URGENT);
    content->set_type(type::v1::ORDER_TYPE_REPORT);
    content->mutable_caller()->set_phone("+86-908-462-1234");
  });
  const std::string with_unit =
      Create([](type::v1::OrderContent* content) { content->set_lead_unit("water"); });
  const std::string pushed = Push(site_, MakePush(0, "110")).order().id();  // a complaint

  ListWorkOrdersRequest request;
  request.mutable_filter()->add_states(type::v1::ORDER_STATE_OFFERED);
  EXPECT_THAT(Ids(request), ElementsAre(pushed));
  request.Clear();
  request.mutable_filter()->set_type(type::v1::ORDER_TYPE_REPORT);
  EXPECT_THAT(Ids(request), ElementsAre(urgent));
  request.mutable_filter()->set_urgency(type::v1::URGENCY_NORMAL);
  EXPECT_THAT(Ids(request), IsEmpty());
  request.Clear();
  request.mutable_filter()->set_unit("water");
  EXPECT_THAT(Ids(request), ElementsAre(with_unit));
  request.Clear();
  request.mutable_filter()->set_hotline("110");
  EXPECT_THAT(Ids(request), ElementsAre(pushed));
  request.Clear();
  request.mutable_filter()->set_caller_phone("+869084621234");
  EXPECT_THAT(Ids(request), ElementsAre(urgent));
  request.mutable_filter()->set_caller_phone("+86908462123");
  EXPECT_THAT(Ids(request), IsEmpty()) << "the number is matched exactly";
  request.Clear();
  request.mutable_filter()->mutable_register_start_time()->set_seconds(absl::ToUnixSeconds(begin) - 5);
  request.mutable_filter()->add_states(type::v1::ORDER_STATE_REGISTERED);
  EXPECT_THAT(Ids(request), UnorderedElementsAre(plain, urgent, with_unit));
  request.mutable_filter()->mutable_register_end_time()->set_seconds(absl::ToUnixSeconds(begin) - 3600);
  EXPECT_THAT(Ids(request), IsEmpty());
}

TEST_F(ListTest, AbsurdPagesAreRefused) {
  for (int i = 0; i < 3; ++i) Create();
  ListWorkOrdersRequest request;
  for (const int size : {-1, 501, 100000}) {
    request.set_page_size(size);
    const RichError error = MustFail(site_.work_order(), &WorkOrderService::Stub::ListWorkOrders, request);
    EXPECT_EQ(error.code, grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(error.reason, "PAGE_SIZE_INVALID");
    EXPECT_EQ(error.field, "page_size");
  }
  request.set_page_size(1);
  const std::string token =
      Must(site_.work_order(), &WorkOrderService::Stub::ListWorkOrders, request).next_page_token();
  ASSERT_FALSE(token.empty());
  std::vector<ListWorkOrdersRequest> bad(2, request);
  bad[0].set_page_token("made up");
  bad[1].set_page_token(token);
  bad[1].mutable_filter()->set_type(type::v1::ORDER_TYPE_REPORT);  // the token is another filter's
  for (const ListWorkOrdersRequest& one : bad) {
    const RichError error = MustFail(site_.work_order(), &WorkOrderService::Stub::ListWorkOrders, one);
    EXPECT_EQ(error.code, grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(error.reason, "PAGE_TOKEN_INVALID");
    EXPECT_EQ(error.field, "page_token");
  }
  request.Clear();
  request.mutable_filter()->set_caller_phone("-");
  EXPECT_EQ(MustFail(site_.work_order(), &WorkOrderService::Stub::ListWorkOrders, request).reason,
            "PHONE_INVALID")
      << "not the whole site";
  request.Clear();
  request.mutable_filter()->mutable_register_start_time()->set_nanos(-5);
  EXPECT_EQ(MustFail(site_.work_order(), &WorkOrderService::Stub::ListWorkOrders, request).reason,
            "TIME_INVALID");
  request.Clear();
  request.mutable_filter()->add_states(static_cast<type::v1::OrderState>(99));
  EXPECT_EQ(MustFail(site_.work_order(), &WorkOrderService::Stub::ListWorkOrders, request).reason,
            "ENUM_INVALID");
}

}  // namespace
}  // namespace hotline::test
