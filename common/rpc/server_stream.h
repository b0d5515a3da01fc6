// Serves a server stream from a MessageStream, with bytes that are serialized once however many streams send
// them:
//
//   class Edge : public
//   DispatchService::WithRawCallbackMethod_WatchHandoffs<DispatchService::CallbackService> {
//     grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchHandoffs(grpc::CallbackServerContext* context,
//                                                               const grpc::ByteBuffer* request) override {
//       return rpc::ServerStream<WatchHandoffsRequest>(
//           context, request, watch_, [this](const CallContext& call, const WatchHandoffsRequest& request) {
//             return hub_->Watch(call, request);  // absl::StatusOr<std::unique_ptr<MessageStream>>
//           });
//     }
#ifndef COMMON_RPC_SERVER_STREAM_H_
#define COMMON_RPC_SERVER_STREAM_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/contract/call.h"
#include "common/contract/stream.h"
#include "common/rpc/host.h"
#include "google/protobuf/message.h"

namespace hotline::rpc {
namespace internal {

using OpenStream = absl::FunctionRef<absl::StatusOr<std::unique_ptr<MessageStream>>(const CallContext&)>;

// Parses `*request` into `*parsed` and pulls from what `open` gives until it ends or the client goes away.
grpc::ServerWriteReactor<grpc::ByteBuffer>* Serve(grpc::CallbackServerContext* server_context,
                                                  const grpc::ByteBuffer& request,
                                                  google::protobuf::Message* parsed, Method& method,
                                                  OpenStream open);

}  // namespace internal

// `open(const CallContext&, const Request&)` returns `absl::StatusOr<std::unique_ptr<MessageStream>>`; it
// must not block. The next message is asked for when gRPC has taken the last, so a slow client is held up by
// flow control alone. The stream is destroyed when the call is over: ended by itself, cancelled, or cut off
// at the end of a drain. Deadlines of streams are the client's; they are not clamped. `method` is of
// MethodType::kServerStream.
template <typename Request, typename Fn>
grpc::ServerWriteReactor<grpc::ByteBuffer>* ServerStream(grpc::CallbackServerContext* server_context,
                                                         const grpc::ByteBuffer* request, Method& method,
                                                         Fn&& open) {
  Request parsed;
  return internal::Serve(server_context, *request, &parsed, method, [&](const CallContext& call) {
    return absl::StatusOr<std::unique_ptr<MessageStream>>(open(call, std::as_const(parsed)));
  });
}

}  // namespace hotline::rpc

#endif  // COMMON_RPC_SERVER_STREAM_H_
