// What a desktop sees of a site's WatchHandoffs, kept for a test to look at.
#ifndef TESTS_SUPPORT_WATCH_H_
#define TESTS_SUPPORT_WATCH_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "hotline/dispatch/v1/dispatch_service.grpc.pb.h"
#include "hotline/type/v1/event.pb.h"
#include "tests/support/site.h"

namespace hotline::test {

// Reads on a thread of its own from construction on. Thread-safe.
class HandoffWatch {
 public:
  HandoffWatch(Site* site, int64_t start_sequence, const std::string& order_id = "",
               absl::Duration heartbeat = absl::Seconds(10));
  // Cancels the stream.
  ~HandoffWatch();

  std::vector<type::v1::Event> events() const;
  // Waits until `enough` holds for what has come. False after `timeout`.
  bool WaitFor(const std::function<bool(const std::vector<type::v1::Event>&)>& enough,
               absl::Duration timeout = absl::Seconds(20)) const;
  // Waits for an event with this detail.
  bool WaitForDetail(type::v1::Event::DetailCase detail, absl::Duration timeout = absl::Seconds(20)) const;
  // Waits for a message without events; false if the stream ends before.
  bool WaitForHeartbeat(absl::Duration timeout) const;
  // Waits for the end of the stream and returns how it ended.
  grpc::Status WaitForEnd();

  int64_t watermark() const;
  absl::Time server_time() const;
  bool draining() const;

 private:
  void Read();

  grpc::ClientContext context_;
  std::unique_ptr<dispatch::v1::DispatchService::Stub> stub_;
  std::unique_ptr<grpc::ClientReader<dispatch::v1::WatchHandoffsResponse>> reader_;
  mutable Mutex mu_;
  mutable CondVar changed_;
  std::vector<type::v1::Event> events_ ABSL_GUARDED_BY(mu_);
  dispatch::v1::WatchHandoffsResponse last_ ABSL_GUARDED_BY(mu_);
  int heartbeats_ ABSL_GUARDED_BY(mu_) = 0;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace hotline::test

#endif  // TESTS_SUPPORT_WATCH_H_
