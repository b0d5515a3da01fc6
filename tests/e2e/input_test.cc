// Bad input over the wire: each kind has its own reason and names its field, in Chinese too, and leaves no
// trace.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "tests/support/desk.h"

namespace hotline::test {
namespace {

using dispatch::v1::DispatchService;
using dispatch::v1::PushWorkOrderRequest;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using workorder::v1::WorkOrderService;

struct BadPush {
  const char* name;
  std::function<void(PushWorkOrderRequest*)> spoil;
  const char* reason;
  const char* field;
};

std::string Repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

void SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  out->set_seconds(absl::ToUnixSeconds(time));
}

std::vector<BadPush> BadPushes() {
  const auto content = [](auto spoil) {
    return [spoil](PushWorkOrderRequest* push) { spoil(push->mutable_content()); };
  };
  using Content = type::v1::OrderContent;
  return {
      {"TypeUnknown", content([](Content* c) { c->set_type(static_cast<type::v1::OrderType>(99)); }),
       "ENUM_INVALID", "content.type"},
      {"TypeUnset", content([](Content* c) { c->clear_type(); }), "FIELD_REQUIRED", "content.type"},
      {"ChannelUnknown", content([](Content* c) { c->set_channel(static_cast<type::v1::Channel>(-1)); }),
       "ENUM_INVALID", "content.channel"},
      {"UrgencyUnknown", content([](Content* c) { c->set_urgency(static_cast<type::v1::Urgency>(4)); }),
       "ENUM_INVALID", "content.urgency"},
      {"KindUnknown",
       [](PushWorkOrderRequest* push) {
         push->mutable_offer()->set_kind(static_cast<type::v1::HandoffKind>(77));
       },
       "ENUM_INVALID", "offer.kind"},
      {"TitleEmpty", content([](Content* c) { c->clear_title(); }), "FIELD_REQUIRED", "content.title"},
      {"TitleTooLong", content([](Content* c) { c->set_title(Repeat("路", 101)); }), "TEXT_TOO_LONG",
       "content.title"},
      {"TextEmpty", content([](Content* c) { c->clear_text(); }), "FIELD_REQUIRED", "content.text"},
      {"TextTooLong", content([](Content* c) { c->set_text(Repeat("水", 8001)); }), "TEXT_TOO_LONG",
       "content.text"},
      {"TextWithNul", content([](Content* c) { c->set_text(std::string("a\0b", 3)); }), "TEXT_INVALID",
       "content.text"},
      {"TitleWithLineBreak", content([](Content* c) { c->set_title("一\n二"); }), "TEXT_INVALID",
       "content.title"},
      {"CallerMissing", content([](Content* c) { c->clear_caller(); }), "FIELD_REQUIRED", "content.caller"},
      {"PhoneWithLetter", content([](Content* c) { c->mutable_caller()->set_phone("12a"); }), "PHONE_INVALID",
       "content.caller.phone"},
      {"PhoneTooLong", content([](Content* c) { c->mutable_caller()->set_phone(Repeat("1", 21)); }),
       "PHONE_INVALID", "content.caller.phone"},
      {"ContactPhonePlusInside",
       content([](Content* c) { c->mutable_caller()->set_contact_phone("86+139"); }), "PHONE_INVALID",
       "content.caller.contact_phone"},
      {"AnonymousWithName", content([](Content* c) { c->mutable_caller()->set_anonymous(true); }),
       "FIELD_INVALID", "content.caller.name"},
      {"LatitudeTooLarge",
       content([](Content* c) { c->mutable_place()->mutable_manual_coordinates()->set_latitude(91); }),
       "COORDINATES_INVALID", "content.place.manual_coordinates"},
      {"LongitudeNotANumber", content([](Content* c) {
         c->mutable_place()->mutable_automatic_coordinates()->set_longitude(
             std::numeric_limits<double>::quiet_NaN());
       }),
       "COORDINATES_INVALID", "content.place.automatic_coordinates"},
      {"HappensTomorrow",
       content([](Content* c) { SetTime(absl::Now() + absl::Hours(24), c->mutable_occur_time()); }),
       "TIME_INVALID", "content.occur_time"},
      {"TimeMalformed", content([](Content* c) { c->mutable_occur_time()->set_nanos(-5); }), "TIME_INVALID",
       "content.occur_time"},
      {"UnitUnknown", content([](Content* c) { c->set_lead_unit("nosuch"); }), "UNIT_UNKNOWN",
       "content.lead_unit"},
      {"AssistingUnitTwice", content([](Content* c) {
         c->add_assist_units("water");
         c->add_assist_units("water");
       }),
       "LIST_INVALID", "content.assist_units[1]"},
      {"TooManyAttachments", content([](Content* c) {
         for (int i = 0; i < 33; ++i) c->add_attachments()->set_uri("https://files.example/1");
       }),
       "LIST_INVALID", "content.attachments"},
      {"AttachmentHashShort", content([](Content* c) {
         c->add_attachments()->set_uri("https://files.example/1");
         c->mutable_attachments(0)->set_sha256("short");
       }),
       "FIELD_INVALID", "content.attachments[0].sha256"},
      {"TargetUnknown", [](PushWorkOrderRequest* push) { push->mutable_offer()->set_to_hotline("911"); },
       "TARGET_UNKNOWN", "offer.to_hotline"},
      {"TargetMissing", [](PushWorkOrderRequest* push) { push->mutable_offer()->clear_to_hotline(); },
       "FIELD_REQUIRED", "offer.to_hotline"},
      {"NoteTooLong", [](PushWorkOrderRequest* push) { push->mutable_offer()->set_note(Repeat("注", 501)); },
       "TEXT_TOO_LONG", "offer.note"},
      {"RequestIdMissing", [](PushWorkOrderRequest* push) { push->mutable_header()->clear_request_id(); },
       "REQUEST_ID_INVALID", "header.request_id"},
      {"RequestIdTooShort", [](PushWorkOrderRequest* push) { push->mutable_header()->set_request_id("x"); },
       "REQUEST_ID_INVALID", "header.request_id"},
      {"RequestIdWithSpace",
       [](PushWorkOrderRequest* push) { push->mutable_header()->set_request_id("has a space"); },
       "REQUEST_ID_INVALID", "header.request_id"},
      {"ContentMissing", [](PushWorkOrderRequest* push) { push->clear_content(); }, "FIELD_REQUIRED",
       "content"},
      {"OfferMissing", [](PushWorkOrderRequest* push) { push->clear_offer(); }, "FIELD_REQUIRED",
       "offer.to_hotline"},
      {"WaitTooLong", [](PushWorkOrderRequest* push) { push->mutable_receipt_wait()->set_seconds(31); },
       "TIME_INVALID", "receipt_wait"},
  };
}

// Site 12345 alone, with a list of units.
class InputTest : public testing::Test {
 protected:
  void SetUp() override {
    config::v1::Unit* unit = sites_.a.units().add_units();
    sites_.a.units().set_version("1");
    unit->set_code("water");
    unit->set_display_name("供排水公司");
    unit = sites_.a.units().add_units();
    unit->set_code("market");
    unit->set_display_name("市场监督管理局");
    unit->add_aliases("市监局");
    const absl::Status started = sites_.a.StartAll();
    ASSERT_TRUE(started.ok()) << started.message();
  }

  void ExpectRich(const RichError& error) {
    EXPECT_EQ(error.domain, "hotline");
    EXPECT_EQ(error.locale, "zh-CN");
    EXPECT_THAT(error.chinese, Not(IsEmpty()));
  }

  void ExpectNothingWritten() {
    EXPECT_THAT(ListAll(site_), IsEmpty());
    const auto verdict = Verify(site_);
    EXPECT_TRUE(verdict.intact()) << verdict.fault();
    EXPECT_EQ(verdict.event_count(), 0);
    EXPECT_EQ(verdict.envelope_count(), 0);
  }

  TwoSites sites_;
  Site& site_ = sites_.a;
};

// Else a name, or a code that was mistyped, shows nothing, as if there were no orders.
TEST_F(InputTest, AListOfAUnitThatNobodyKnowsIsRefused) {
  auto created = For<workorder::v1::CreateWorkOrderRequest>("");
  *created.mutable_registration()->mutable_content() = MakeContent(1);
  created.mutable_registration()->mutable_content()->set_lead_unit("market");
  Must(site_.work_order(), &WorkOrderService::Stub::CreateWorkOrder, created);
  workorder::v1::ListWorkOrdersRequest request;
  for (const char* unit : {"nosuch", "市监局"}) {
    request.mutable_filter()->set_unit(unit);
    const RichError error = MustFail(site_.work_order(), &WorkOrderService::Stub::ListWorkOrders, request);
    EXPECT_EQ(error.reason, "UNIT_UNKNOWN");
    EXPECT_EQ(error.field, "filter.unit");
    ExpectRich(error);
  }
  request.mutable_filter()->set_unit("water");
  EXPECT_EQ(Must(site_.work_order(), &WorkOrderService::Stub::ListWorkOrders, request).orders_size(), 0);
  // One that has left the list has its orders still.
  site_.units().mutable_units()->RemoveLast();
  EXPECT_EQ(site_.Terminate(Service::kWorkOrder), 0);
  ASSERT_TRUE(site_.Start(Service::kWorkOrder).ok());
  request.mutable_filter()->set_unit("market");
  EXPECT_EQ(Must(site_.work_order(), &WorkOrderService::Stub::ListWorkOrders, request).orders_size(), 1);
  request.mutable_filter()->add_states(type::v1::ORDER_STATE_CLOSED);
  EXPECT_EQ(Must(site_.work_order(), &WorkOrderService::Stub::ListWorkOrders, request).orders_size(), 0);
}

TEST_F(InputTest, EachBadPushHasItsReasonAndField) {
  for (const BadPush& bad : BadPushes()) {
    SCOPED_TRACE(bad.name);
    PushWorkOrderRequest push = MakePush(1, "110");
    bad.spoil(&push);
    const RichError error = MustFail(site_.dispatch(), &DispatchService::Stub::PushWorkOrder, push);
    EXPECT_EQ(error.code, grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(error.reason, bad.reason);
    EXPECT_EQ(error.field, bad.field);
    ExpectRich(error);
  }
  ExpectNothingWritten();
}

TEST_F(InputTest, GoodOneOfABatchIsNotTouchedByBadOnes) {
  dispatch::v1::BatchPushWorkOrdersRequest batch;
  const std::vector<BadPush> expected = BadPushes();
  for (const BadPush& bad : expected) {
    PushWorkOrderRequest push = MakePush(1, "110");
    bad.spoil(&push);
    if (std::string(bad.name) == "WaitTooLong") continue;  // ignored in batches
    *batch.add_requests() = push;
  }
  const int good = batch.requests_size();
  *batch.add_requests() = MakePush(2, "110");
  const auto answer = Must(site_.dispatch(), &DispatchService::Stub::BatchPushWorkOrders, batch);
  ASSERT_EQ(answer.results_size(), good + 1);
  for (int i = 0; i < good; ++i) {
    const RichError error = Rich(answer.results(i).error());
    EXPECT_EQ(error.reason, expected[static_cast<size_t>(i)].reason) << i;
    EXPECT_EQ(error.field, absl::StrCat("requests[", i, "].", expected[static_cast<size_t>(i)].field));
    EXPECT_FALSE(answer.results(i).has_response());
  }
  EXPECT_TRUE(answer.results(good).has_response());
  EXPECT_THAT(ListAll(site_), SizeIs(1));

  dispatch::v1::BatchPushWorkOrdersRequest large;
  for (int i = 0; i < 257; ++i) *large.add_requests() = MakePush(i, "110");
  const RichError error = MustFail(site_.dispatch(), &DispatchService::Stub::BatchPushWorkOrders, large);
  EXPECT_EQ(error.code, grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(error.reason, "BATCH_TOO_LARGE");
  EXPECT_THAT(ListAll(site_), SizeIs(1));
}

// Bytes that no well-behaved client can send.
TEST_F(InputTest, InvalidUtf8IsNamed) {
  const struct {
    const char* field;
    std::string marker;
  } kFields[] = {{"content.text", "marker-in-text"},
                 {"content.title", "marker-in-title"},
                 {"content.caller.name", "marker-in-name"}};
  for (const auto& bad : kFields) {
    SCOPED_TRACE(bad.field);
    PushWorkOrderRequest push = MakePush(1, "110");
    if (bad.marker == "marker-in-text") push.mutable_content()->set_text(bad.marker);
    if (bad.marker == "marker-in-title") push.mutable_content()->set_title(bad.marker);
    if (bad.marker == "marker-in-name") push.mutable_content()->mutable_caller()->set_name(bad.marker);
    // A lone continuation byte, an overlong form, and a surrogate, in the same length.
    const std::string spoiled = std::string("\x80\xc0\xaf\xed\xa0\x80", 6) + bad.marker.substr(6);
    const std::string bytes = absl::StrReplaceAll(push.SerializeAsString(), {{bad.marker, spoiled}});
    grpc::Slice slice(bytes);
    grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::GenericStub stub(site_.NewChannelTo(Service::kDispatch));
    Call call;
    grpc::CompletionQueue queue;
    auto reader =
        stub.PrepareUnaryCall(&call, "/hotline.dispatch.v1.DispatchService/PushWorkOrder", request, &queue);
    grpc::Status status;
    reader->StartCall();
    reader->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    const RichError error = Rich(status);
    EXPECT_EQ(error.code, grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_EQ(error.reason, "TEXT_INVALID");
    EXPECT_EQ(error.field, bad.field);
    ExpectRich(error);
  }
  ExpectNothingWritten();
}

TEST_F(InputTest, MalformedBytesAreRefused) {
  grpc::Slice slice(std::string("\x0a\xff\xff\xff\xff\x0fgarbage"));
  grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  grpc::GenericStub stub(site_.NewChannelTo(Service::kDispatch));
  Call call;
  grpc::CompletionQueue queue;
  auto reader =
      stub.PrepareUnaryCall(&call, "/hotline.dispatch.v1.DispatchService/PushWorkOrder", request, &queue);
  grpc::Status status;
  reader->StartCall();
  reader->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_FALSE(status.ok());
  ExpectNothingWritten();
}

TEST_F(InputTest, CommandsInWrongStateOrOnStaleOrdersChangeNothing) {
  const type::v1::WorkOrder order = Push(site_, MakePush(1, "110")).order();
  const std::string before = Get(site_, order.id()).SerializeAsString();

  auto sign = For<workorder::v1::SignWorkOrderRequest>(order.id());
  RichError error = MustFail(site_.work_order(), &WorkOrderService::Stub::SignWorkOrder, sign);
  EXPECT_EQ(error.code, grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(error.reason, "WRONG_STATE");
  ExpectRich(error);

  auto recall = For<dispatch::v1::RecallHandoffRequest>(order.id());
  recall.mutable_recall()->set_reason("误推");
  recall.mutable_header()->set_expected_version(order.version() + 5);
  error = MustFail(site_.dispatch(), &DispatchService::Stub::RecallHandoff, recall);
  EXPECT_EQ(error.code, grpc::StatusCode::ABORTED);
  EXPECT_EQ(error.reason, "STALE_VERSION");
  ExpectRich(error);

  recall = For<dispatch::v1::RecallHandoffRequest>(order.id());
  error = MustFail(site_.dispatch(), &DispatchService::Stub::RecallHandoff, recall);
  EXPECT_EQ(error.reason, "FIELD_REQUIRED");
  EXPECT_EQ(error.field, "recall.reason");

  recall = For<dispatch::v1::RecallHandoffRequest>("0000000000000");
  recall.mutable_recall()->set_reason("误推");
  error = MustFail(site_.dispatch(), &DispatchService::Stub::RecallHandoff, recall);
  EXPECT_EQ(error.code, grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(error.reason, "ORDER_NOT_FOUND");
  ExpectRich(error);

  workorder::v1::GetWorkOrderRequest get;
  get.set_order_id("12345-20260101-999999");
  error = MustFail(site_.work_order(), &WorkOrderService::Stub::GetWorkOrder, get);
  EXPECT_EQ(error.reason, "ORDER_NOT_FOUND");

  EXPECT_EQ(Get(site_, order.id()).SerializeAsString(), before);
  EXPECT_EQ(Verify(site_).event_count(), 1);
}

}  // namespace
}  // namespace hotline::test
