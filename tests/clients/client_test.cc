// The C++ client that this repository gives away, against a service that is played here: when it tries again.
#include "hotline/client.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
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
grpc::Status PushTo(DispatchService::Service* service) {
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

// As gRPC itself refuses what is larger than may be.
class SmallService final : public DispatchService::Service {
 public:
  grpc::Status PushWorkOrder(grpc::ServerContext*, const PushWorkOrderRequest*,
                             PushWorkOrderResponse*) override {
    ++calls;
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, "Received message larger than max"};
  }
  std::atomic<int> calls = 0;
};

TEST(GivenClient, DoesNotSendAgainWhatIsTooLarge) {
  SmallService service;
  EXPECT_EQ(PushTo(&service).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(service.calls, 1);
}

// Its log ends at 3: it was restored from a backup.
class RestoredService final : public DispatchService::Service {
 public:
  grpc::Status WatchHandoffs(grpc::ServerContext*, const dispatch::v1::WatchHandoffsRequest* request,
                             grpc::ServerWriter<dispatch::v1::WatchHandoffsResponse>* writer) override {
    if (request->start_sequence() > 4) return {grpc::StatusCode::OUT_OF_RANGE, "the head is 3"};
    dispatch::v1::WatchHandoffsResponse response;
    for (int64_t sequence = request->start_sequence(); sequence <= 3; ++sequence) {
      response.add_events()->set_sequence(sequence);
    }
    response.set_watermark(3);
    writer->Write(response);
    return grpc::Status::OK;
  }
};

TEST(GivenClient, AWatchBeginsAnewAfterARestore) {
  RestoredService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  Client client({.dispatch = "127.0.0.1:" + std::to_string(port), .service_config = "{}"});
  std::vector<int64_t> seen;
  const grpc::Status status = client.Watch(6959, [&](const type::v1::Event& event) {
    seen.push_back(event.sequence());
    return event.sequence() < 3;
  });
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(seen, (std::vector<int64_t>{1, 2, 3}));
}

}  // namespace
}  // namespace hotline::client
