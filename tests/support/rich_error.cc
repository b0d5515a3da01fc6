#include "tests/support/rich_error.h"

#include <grpc/grpc.h>
#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"

namespace hotline::test {
namespace {

// gRPC 1.51 cleans up in a thread of its own when its last user goes, which races with the destructors at
// exit and then aborts the process. Holding it for the process's life leaves nothing to clean up.
// Not at load: gRPC is linked into the program, and its own start-up comes after ours.
class HoldGrpc : public testing::Environment {
 public:
  void SetUp() override { grpc_init(); }
};
[[maybe_unused]] const testing::Environment* const kHoldGrpc =
    testing::AddGlobalTestEnvironment(new HoldGrpc);

}  // namespace

RichError Rich(const google::rpc::Status& status) {
  RichError error;
  error.code = static_cast<grpc::StatusCode>(status.code());
  for (const google::protobuf::Any& detail : status.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    google::rpc::RetryInfo retry;
    google::rpc::LocalizedMessage localized;
    if (detail.UnpackTo(&info)) {
      error.reason = info.reason();
      error.domain = info.domain();
    } else if (detail.UnpackTo(&bad) && bad.field_violations_size() > 0) {
      error.field = bad.field_violations(0).field();
      error.description = bad.field_violations(0).description();
    } else if (detail.UnpackTo(&retry)) {
      error.retry_after =
          absl::Seconds(retry.retry_delay().seconds()) + absl::Nanoseconds(retry.retry_delay().nanos());
    } else if (detail.UnpackTo(&localized)) {
      error.locale = localized.locale();
      error.chinese = localized.message();
    }
  }
  return error;
}

RichError Rich(const grpc::Status& status) {
  google::rpc::Status details;
  RichError error;
  if (details.ParseFromString(status.error_details())) error = Rich(details);
  error.code = status.error_code();
  return error;
}

}  // namespace hotline::test
