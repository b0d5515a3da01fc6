// The details of a failed call, as a client that only knows google.rpc reads them.
#ifndef TESTS_SUPPORT_RICH_ERROR_H_
#define TESTS_SUPPORT_RICH_ERROR_H_

#include <grpcpp/grpcpp.h>

#include <string>

#include "absl/time/time.h"
#include "google/rpc/status.pb.h"

namespace hotline::test {

struct RichError {
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string reason;  // ErrorInfo
  std::string domain;
  std::string field;        // first field violation
  std::string description;  // its description
  std::string locale;       // LocalizedMessage
  std::string chinese;
  absl::Duration retry_after;  // RetryInfo
};

// Of a call. `reason` is empty if the status carries no details.
RichError Rich(const grpc::Status& status);
// Of an outcome in a batch.
RichError Rich(const google::rpc::Status& status);

}  // namespace hotline::test

#endif  // TESTS_SUPPORT_RICH_ERROR_H_
