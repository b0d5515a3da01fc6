// The C++ client that this repository gives away, against a service that is played here: when it tries again.
#include "hotline/client.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "hotline/dispatch/v1/dispatch_service.grpc.pb.h"

namespace hotline::client {
namespace {

using dispatch::v1::DispatchService;
using dispatch::v1::PushWorkOrderRequest;
using dispatch::v1::PushWorkOrderResponse;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Refuses the first call with RetryInfo and takes every other.
class BusyService final : public DispatchService::Service {
 public:
  explicit BusyService(milliseconds retry_delay) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(retry_delay.count() / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(retry_delay.count() % 1000 * 1'000'000));
    google::rpc::Status status;
    status.set_code(grpc::StatusCode::RESOURCE_EXHAUSTED);
    status.add_details()->PackFrom(retry);
    busy_ = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "busy", status.SerializeAsString());
  }

  grpc::Status PushWorkOrder(grpc::ServerContext*, const PushWorkOrderRequest* request,
                             PushWorkOrderResponse*) override {
    MutexLock lock(&mu_);
    ids_.push_back(request->header().request_id());
    times_.push_back(steady_clock::now());
    return times_.size() == 1 ? busy_ : grpc::Status::OK;
  }

  std::vector<std::string> ids() {
    MutexLock lock(&mu_);
    return ids_;
  }
  std::vector<steady_clock::time_point> times() {
    MutexLock lock(&mu_);
    return times_;
  }

 private:
  grpc::Status busy_;
  Mutex mu_;
  std::vector<std::string> ids_ ABSL_GUARDED_BY(mu_);
  std::vector<steady_clock::time_point> times_ ABSL_GUARDED_BY(mu_);
};

// Pushes once, by a client whose library does not try again by itself.
grpc::Status PushTo(BusyService* service) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  Client client({.dispatch = "127.0.0.1:" + std::to_string(port), .service_config = "{}"});
  PushWorkOrderResponse response;
  return client.Push({}, &response);
}

TEST(GivenClient, TriesAgainWithTheSameIdWhenTheServiceSaysSo) {
  // Of its own accord it would wait for 200 ms.
  BusyService service(milliseconds(500));
  EXPECT_TRUE(PushTo(&service).ok());
  const auto times = service.times();
  ASSERT_EQ(times.size(), 2u);
  EXPECT_GE(times[1] - times[0], milliseconds(490));
  EXPECT_EQ(service.ids()[0], service.ids()[1]);
}

TEST(GivenClient, AWaitBeyondItsTimeoutIsAnAnswer) {
  BusyService service(milliseconds(60'000));
  EXPECT_EQ(PushTo(&service).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(service.times().size(), 1u);
}

}  // namespace
}  // namespace hotline::client
