#include "common/rpc/malformed.h"

#include <gtest/gtest.h>

#include "common/error/error.h"
#include "hotline/dispatch/v1/dispatch_service.pb.h"

namespace hotline::rpc {
namespace {

using dispatch::v1::BatchPushWorkOrdersRequest;
using dispatch::v1::PushWorkOrderRequest;

// Replaces the placeholder in serialized bytes, keeping its length.
std::string Spoil(std::string bytes, const std::string& placeholder) {
  return bytes.replace(bytes.find(placeholder), 1, "\xff");
}

TEST(WhyMalformedTest, NamesTheTextThatIsNotUtf8) {
  PushWorkOrderRequest request;
  request.mutable_content()->set_title("灯");
  request.mutable_content()->set_text("PLACEHOLDER");
  const absl::Status status =
      WhyMalformed(Spoil(request.SerializeAsString(), "PLACEHOLDER"), *PushWorkOrderRequest::descriptor());
  EXPECT_EQ(error::ReasonOf(status), error::Reason::ERROR_REASON_TEXT_INVALID);
  EXPECT_EQ(error::FieldOf(status), "content.text");
}

TEST(WhyMalformedTest, CountsElements) {
  BatchPushWorkOrdersRequest request;
  request.add_requests()->mutable_content()->set_title("灯");
  request.add_requests()->mutable_content()->mutable_caller()->set_name("PLACEHOLDER");
  const absl::Status status = WhyMalformed(Spoil(request.SerializeAsString(), "PLACEHOLDER"),
                                           *BatchPushWorkOrdersRequest::descriptor());
  EXPECT_EQ(error::FieldOf(status), "requests[1].content.caller.name");
  request.clear_requests();
  request.add_requests()->mutable_content()->add_assist_units("a");
  request.mutable_requests(0)->mutable_content()->add_assist_units("PLACEHOLDER");
  EXPECT_EQ(error::FieldOf(WhyMalformed(Spoil(request.SerializeAsString(), "PLACEHOLDER"),
                                        *BatchPushWorkOrdersRequest::descriptor())),
            "requests[0].content.assist_units[1]");
}

TEST(WhyMalformedTest, EveryCutIsAnError) {
  PushWorkOrderRequest request;
  request.mutable_header()->set_request_id("request-1");
  request.mutable_content()->mutable_caller()->set_phone("0908-0000001");
  const std::string bytes = request.SerializeAsString();
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(WhyMalformed(bytes.substr(0, length), *PushWorkOrderRequest::descriptor()).ok());
  }
  EXPECT_EQ(error::ReasonOf(WhyMalformed("\xff\xff\xff", *PushWorkOrderRequest::descriptor())),
            error::Reason::ERROR_REASON_FIELD_INVALID);
}

}  // namespace
}  // namespace hotline::rpc
