// How long work_order's methods may take.
#include "services/work_order/edge.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <deque>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "common/sql/sqlite.h"
#include "hotline/workorder/v1/work_order_service.grpc.pb.h"
#include "tests/support/sql_scratch.h"
#include "tests/support/steps.h"

namespace hotline::work_order {
namespace {

namespace v1 = workorder::v1;

// Runs what calls post when the test says so.
class Held final : public Executor {
 public:
  void Post(Task task) override {
    MutexLock lock(&mu_);
    tasks_.push_back(std::move(task));
    posted_.NotifyAll();
  }
  void PostAfter(absl::Duration /*delay*/, Task task) override { Post(std::move(task)); }
  // For the first. False if none comes.
  bool Wait() {
    const absl::Time until = absl::Now() + absl::Seconds(20);
    MutexLock lock(&mu_);
    while (tasks_.empty()) {
      const absl::Duration left = until - absl::Now();
      if (left <= absl::ZeroDuration()) return false;
      posted_.WaitFor(&mu_, absl::ToChronoNanoseconds(left));
    }
    return true;
  }
  void RunAll() {
    for (;;) {
      Task task;
      {
        MutexLock lock(&mu_);
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

 private:
  Mutex mu_;
  CondVar posted_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mu_);
};

class EdgeTest : public testing::Test {
 protected:
  EdgeTest() {
    auto database = sql::OpenSqlite({.path = folder_.path() + "/work_order.db"});
    EXPECT_TRUE(database.ok()) << database.status();
    auto store = Store::OpenOn(*std::move(database), "12345");
    EXPECT_TRUE(store.ok()) << store.status();
    auto reader = (*store)->NewReader();
    EngineOptions options;
    options.site.hotline = "12345";
    options.draw_salt = [] { return std::string(16, 's'); };
    engine_ = *Engine::Create(*std::move(store), std::move(options), steps_.clock(), &steps_);
    service_ = std::make_unique<WorkOrderService>(engine_.get(), *std::move(reader), &readers_, &steps_,
                                                  steps_.clock());
    rpc::HostOptions host;
    host.clock = steps_.clock();
    host.registry = &registry_;
    host.max_deadline = absl::Milliseconds(100);
    host_ = std::make_unique<rpc::Host>(std::move(host));
    edge_ = NewWorkOrderEdge(service_.get(), host_.get());
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(edge_.get());
    server_ = builder.BuildAndStart();
    stub_ = v1::WorkOrderService::NewStub(
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
  }

  // Answers a call for which the client would wait for ever when it has been under way for `took`.
  template <typename Request, typename Response>
  grpc::Status CallFor(absl::Duration took,
                       grpc::Status (v1::WorkOrderService::Stub::*method)(grpc::ClientContext*,
                                                                          const Request&, Response*),
                       Response* response) {
    grpc::ClientContext context;
    auto answered =
        std::async(std::launch::async, [&] { return (stub_.get()->*method)(&context, Request(), response); });
    if (!readers_.Wait()) {
      ADD_FAILURE() << "nothing was posted";
      context.TryCancel();
    }
    steps_.clock()->Advance(took);
    readers_.RunAll();
    return answered.get();
  }

  ScratchFolder folder_;
  test::Steps steps_{absl::FromUnixSeconds(1'796'000'000)};
  Held readers_;
  prometheus::Registry registry_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<WorkOrderService> service_;
  std::unique_ptr<rpc::Host> host_;
  std::unique_ptr<grpc::Service> edge_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::WorkOrderService::Stub> stub_;
};

TEST_F(EdgeTest, AVerificationMayTakeMinutesWhateverOtherCallsMay) {
  using Stub = v1::WorkOrderService::Stub;
  v1::VerifyLogResponse verified;
  const grpc::Status slow = CallFor(absl::Minutes(9), &Stub::VerifyLog, &verified);
  EXPECT_TRUE(slow.ok()) << slow.error_message();
  EXPECT_TRUE(verified.intact());
  EXPECT_EQ(CallFor(absl::Minutes(11), &Stub::VerifyLog, &verified).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  v1::ListWorkOrdersResponse listed;
  EXPECT_TRUE(CallFor(absl::Milliseconds(50), &Stub::ListWorkOrders, &listed).ok());
  EXPECT_EQ(CallFor(absl::Milliseconds(150), &Stub::ListWorkOrders, &listed).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
}

}  // namespace
}  // namespace hotline::work_order
