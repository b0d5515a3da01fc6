#include "common/contract/peek.h"

#include <gtest/gtest.h>

#include <string>

#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "hotline/dispatch/v1/dispatch_service.pb.h"
#include "hotline/type/v1/event.pb.h"

namespace hotline {
namespace {

using dispatch::v1::PushWorkOrderRequest;
using type::v1::Event;
using type::v1::OrderContent;

constexpr int kUrgency[] = {PushWorkOrderRequest::kContentFieldNumber, OrderContent::kUrgencyFieldNumber};

// `block`: how many bytes come at a time.
std::optional<uint64_t> UrgencyOf(const std::string& bytes, int block) {
  google::protobuf::io::ArrayInputStream input(bytes.data(), static_cast<int>(bytes.size()), block);
  return PeekVarint(input, kUrgency);
}

PushWorkOrderRequest Push(type::v1::Urgency urgency) {
  PushWorkOrderRequest request;
  request.mutable_header()->set_request_id("request-1");
  request.mutable_content()->set_title("路灯不亮");
  request.mutable_content()->set_text(std::string(3000, 'x'));
  request.mutable_content()->set_urgency(urgency);
  request.mutable_content()->mutable_caller()->set_phone("13900000000");
  request.mutable_offer()->set_to_hotline("110");
  return request;
}

TEST(PeekTest, FindsWhatAParserFinds) {
  Event event;
  event.set_sequence(77);
  event.set_order_id("0000000000ABC");
  event.set_handoff_id("12345-0000000000ABC-1");
  event.mutable_offered()->mutable_handoff()->set_id("other");
  const std::string bytes = event.SerializeAsString();
  EXPECT_EQ(PeekVarint(bytes, Event::kSequenceFieldNumber), 77u);
  EXPECT_EQ(PeekBytes(bytes, Event::kOrderIdFieldNumber), event.order_id());
  EXPECT_EQ(PeekBytes(bytes, Event::kHandoffIdFieldNumber), event.handoff_id());
  EXPECT_EQ(PeekVarint(bytes, Event::kSentSequenceFieldNumber), std::nullopt);
  EXPECT_EQ(PeekBytes("", Event::kOrderIdFieldNumber), std::nullopt);
  // The last one counts.
  Event later;
  later.set_sequence(78);
  later.set_order_id("0000000000ABD");
  EXPECT_EQ(PeekVarint(bytes + later.SerializeAsString(), Event::kSequenceFieldNumber), 78u);
  EXPECT_EQ(PeekBytes(bytes + later.SerializeAsString(), Event::kOrderIdFieldNumber), later.order_id());
}

TEST(PeekTest, ReadsNothingOutOfWhatIsNoMessage) {
  Event event;
  event.set_sequence(77);
  event.set_order_id("0000000000ABC");
  const std::string bytes = event.SerializeAsString();
  for (size_t size = 1; size < bytes.size(); ++size) {
    const std::string_view part = std::string_view(bytes).substr(0, size);
    Event parsed;
    const bool whole = parsed.ParseFromArray(part.data(), static_cast<int>(part.size()));
    EXPECT_EQ(PeekVarint(part, Event::kSequenceFieldNumber).has_value(), whole) << size;
    EXPECT_EQ(PeekBytes(part, Event::kOrderIdFieldNumber).has_value(), whole && !parsed.order_id().empty())
        << size;
  }
  EXPECT_EQ(PeekBytes(std::string("\x12\xff\xff\xff\xff\x0fxyz"), Event::kOrderIdFieldNumber), std::nullopt);
  EXPECT_EQ(PeekVarint(bytes + std::string(1, '\0') + "tail", Event::kSequenceFieldNumber), std::nullopt);
}

TEST(PeekTest, FollowsAPathThroughMessagesInPieces) {
  const std::string bytes = Push(type::v1::URGENCY_EMERGENCY).SerializeAsString();
  for (const int block : {-1, 1, 7, 1000}) {
    EXPECT_EQ(UrgencyOf(bytes, block), static_cast<uint64_t>(type::v1::URGENCY_EMERGENCY)) << block;
  }
  PushWorkOrderRequest without;
  without.mutable_header()->set_order_id("0000000000ABC");
  EXPECT_EQ(UrgencyOf(without.SerializeAsString(), -1), std::nullopt);
  // Parts of one message are merged, the last value counts.
  EXPECT_EQ(UrgencyOf(bytes + Push(type::v1::URGENCY_NORMAL).SerializeAsString(), 64),
            static_cast<uint64_t>(type::v1::URGENCY_NORMAL));
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto urgency = UrgencyOf(bytes.substr(0, size), 64);
    EXPECT_TRUE(!urgency.has_value() || urgency == static_cast<uint64_t>(type::v1::URGENCY_EMERGENCY))
        << size;
  }
}

}  // namespace
}  // namespace hotline
