// A client of one site's dispatch, for desktops and for platforms that hand orders over: calls that may be
// repeated safely, and a watch that goes on after every break. Needs gRPC and the generated messages of
// proto/, and nothing else of this project.
//
//   hotline::client::Client client({.dispatch = "127.0.0.1:11001", .account = "1001"});
//   hotline::dispatch::v1::PushWorkOrderResponse response;
//   grpc::Status status = client.Push(request, &response);
#ifndef DEPLOY_CLIENTS_CPP_HOTLINE_CLIENT_H_
#define DEPLOY_CLIENTS_CPP_HOTLINE_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>

#include "hotline/dispatch/v1/dispatch_service.grpc.pb.h"

namespace hotline::client {

struct Options {
  std::string dispatch;  // `host:port`
  // Mutual TLS (PEM files), or plain text if all are empty. Read once.
  std::string ca_file, certificate_file, key_file;
  // Who asks, at most 64 bytes, and for which unit: its code, at most 32 characters; in UTF-8. May be empty.
  // A request that names no unit itself is that unit's.
  std::string account, unit;
  // Of a call with all its repetitions. A push that waits for the peer's receipt needs more than its
  // `receipt_wait`.
  std::chrono::milliseconds timeout{15'000};
  // gRPC service config (JSON) instead of the one that is built in, deploy/clients/service-config.json.
  std::string service_config;
};

// A UUID of version 7: grows with time, which keeps the site's store fast. Draw one for each intended change
// and keep it until there is an answer, over restarts too: then a change is made once however often it is
// sent.
std::string NewRequestId();

// Thread-safe.
class Client {
 public:
  using Stub = hotline::dispatch::v1::DispatchService::Stub;

  // Connects when first used. Throws std::runtime_error if a file cannot be read.
  explicit Client(Options options);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Calls a method of DispatchService: `client.Call(&Client::Stub::AcceptHandoff, request, &response)`. A
  // change without a request id gets one. UNAVAILABLE, CANCELLED and RESOURCE_EXHAUSTED (with details:
  // without, the message is too large) are tried again, with the same id and not before RetryInfo says, until
  // `timeout` has passed; other failures are answers.
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    std::type_identity_t<Request> request, Response* response) {
    if constexpr (requires { request.mutable_header()->mutable_request_id(); }) {
      if (request.header().request_id().empty()) request.mutable_header()->set_request_id(NewRequestId());
    }
    return Repeat([&](grpc::ClientContext* context) {
      response->Clear();
      return ((*stub_).*method)(context, request, response);
    });
  }

  grpc::Status Push(hotline::dispatch::v1::PushWorkOrderRequest request,
                    hotline::dispatch::v1::PushWorkOrderResponse* response) {
    return Call(&Stub::PushWorkOrder, std::move(request), response);
  }

  // Calls `on_event` for each event of the site's log from `start` on (0: from the next one), in order and
  // each once, until it returns false (then OK) or Stop is called (then CANCELLED). A stream that breaks,
  // drains or is silent for half a minute is begun again behind what was seen. Where the log ends before that
  // (OUT_OF_RANGE: the site was restored from a backup) it is begun again at 1, and what is told of an order
  // then takes the place of what was known. Other failures are answers.
  grpc::Status Watch(int64_t start, const std::function<bool(const hotline::type::v1::Event&)>& on_event);
  // Ends every Watch, now and later.
  void Stop();

  // For services that have no method here.
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  void Prepare(grpc::ClientContext* context) const;
  grpc::Status Repeat(const std::function<grpc::Status(grpc::ClientContext*)>& call);
  // False if Stop was called.
  bool Pause(std::chrono::milliseconds pause);

  const Options options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<Stub> stub_;
  std::mutex mu_;
  std::condition_variable stopping_;
  bool stopped_ = false;
  grpc::ClientContext* watching_ = nullptr;  // of the stream that is open
};

}  // namespace hotline::client

#endif  // DEPLOY_CLIENTS_CPP_HOTLINE_CLIENT_H_
