// The part of unary.h and server_stream.h that does not depend on a message's type.
#include <grpcpp/security/auth_context.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "common/base/id.h"
#include "common/base/mutex.h"
#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/error/error.h"
#include "common/rpc/access.h"
#include "common/rpc/client.h"
#include "common/rpc/malformed.h"
#include "common/rpc/server_stream.h"
#include "common/rpc/unary.h"

namespace hotline::rpc::internal {
namespace {

int64_t SteadyNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string Traceparent(const grpc::CallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  if (const auto it = metadata.find(kTraceparentKey); it != metadata.end()) {
    const std::string_view text(it->second.data(), it->second.size());
    if (IsTraceparent(text)) return std::string(text);
  }
  return NewTraceparent();
}

// What the caller says of itself under `key`, in either form. What is too long to be a name, or no UTF-8, is
// nobody's.
std::string Named(const grpc::CallbackServerContext& context, const std::string& key) {
  constexpr size_t kMaxName = 256;  // 64 characters, at most four bytes each
  const auto& metadata = context.client_metadata();
  for (const std::string& form : {key, BinaryKey(key)}) {
    const auto it = metadata.find(form);
    if (it == metadata.end() || it->second.size() > kMaxName) continue;
    // It goes into messages: one that is no UTF-8 would spoil whatever travels with it.
    const std::string_view name(it->second.data(), it->second.size());
    if (CountCodePoints(name).has_value()) return std::string(name);
  }
  return {};
}

// The certificate was verified in the handshake; this reads who it names.
std::optional<Identity> CallerOf(const grpc::CallbackServerContext& context) {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  if (auth == nullptr) return std::nullopt;
  for (const char* property : {"peer_spiffe_id", "x509_uri"}) {
    for (const grpc::string_ref& value : auth->FindPropertyValues(property)) {
      if (auto identity = ParseSpiffeId({value.data(), value.size()})) return identity;
    }
  }
  return std::nullopt;
}

// For whom `caller` asks: see kRoleKey.
Identity AskedFor(const Identity& caller, const AccessPolicy& policy,
                  const grpc::CallbackServerContext& context) {
  if (caller.hotline != policy.hotline || (caller.role != "dispatch" && caller.role != "escalation"))
    return caller;
  return ParseSpiffeId("spiffe://hotline/" + caller.hotline + "/" + Named(context, kRoleKey))
      .value_or(caller);
}

// Fills what is known of the caller. Errors: ROLE_FORBIDDEN, PEER_UNKNOWN.
absl::Status Admit(Method& method, const grpc::CallbackServerContext& server_context, CallContext* context) {
  const HostOptions& options = method.host().options();
  context->now = options.clock->Now();
  context->deadline = absl::FromChrono(server_context.deadline());
  context->traceparent = Traceparent(server_context);
  context->account = Named(server_context, kAccountKey);
  context->unit = Named(server_context, kUnitKey);
  if (!options.tls) return absl::OkStatus();
  const std::optional<Identity> caller = CallerOf(server_context);
  if (!caller.has_value()) return error::RoleForbidden("", method.service() + "/" + method.name());
  context->identity = FormatIdentity(AskedFor(*caller, options.access, server_context));
  return CheckAccess(options.access, *caller, method.service(), method.name());
}

// For a failure that asks its caller to wait for a while, or not to try again at all before somebody has
// acted: a library would else try again by its own reckoning.
void TellWhenToRetry(const absl::Status& status, absl::Duration delay,
                     grpc::CallbackServerContext* server_context) {
  if (delay <= absl::ZeroDuration()) {
    if (absl::IsUnavailable(status) && error::ReasonOf(status) == error::Reason::ERROR_REASON_STORE_FAILED) {
      server_context->AddTrailingMetadata(kRetryPushbackKey, "-1");
    }
    return;
  }
  int tries_before = 0;
  const auto& metadata = server_context->client_metadata();
  if (const auto it = metadata.find(kPreviousTriesKey); it != metadata.end()) {
    const absl::string_view text(it->second.data(), it->second.size());
    if (!absl::SimpleAtoi(text, &tries_before)) tries_before = 0;
  }
  server_context->AddTrailingMetadata(kRetryPushbackKey, StrCat(RetryPushbackMs(delay, tries_before)));
}

}  // namespace

absl::Status Parse(const grpc::ByteBuffer& buffer, google::protobuf::Message* message) {
  grpc::ByteBuffer copy(buffer);  // another reference to the same bytes
  {
    grpc::ProtoBufferReader reader(&copy);
    if (reader.status().ok() && message->ParseFromZeroCopyStream(&reader)) return absl::OkStatus();
  }
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (buffer.Dump(&slices).ok()) {
    for (const grpc::Slice& slice : slices)
      bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return WhyMalformed(bytes, *message->GetDescriptor());
}

std::unique_ptr<UnaryCall> UnaryCall::Begin(Method& method, grpc::CallbackServerContext* server_context,
                                            grpc::ServerUnaryReactor* reactor, CallContext* context) {
  const int64_t start = SteadyNanos();
  method.Started();
  absl::Status status = Admit(method, *server_context, context);
  context->deadline = std::min(context->deadline, context->now + method.max_deadline());
  if (status.ok()) status = method.host().EnterCall();
  if (!status.ok()) {
    method.Handled(status, absl::Nanoseconds(SteadyNanos() - start), TraceId(context->traceparent));
    TellWhenToRetry(status, error::RetryDelayOf(status), server_context);
    reactor->Finish(ToGrpc(status));
    return nullptr;
  }
  std::unique_ptr<UnaryCall> call(new UnaryCall(method, server_context, reactor));
  call->start_nanos_ = start;
  const std::string_view trace_id = TraceId(context->traceparent);
  std::memcpy(call->trace_id_.data(), trace_id.data(), std::min(trace_id.size(), call->trace_id_.size()));
  return call;
}

UnaryCall::~UnaryCall() {
  if (reactor_ != nullptr) Finish(error::Draining());
}

void UnaryCall::Finish(const absl::Status& status) {
  if (status.ok()) return End(status, grpc::Status(), absl::ZeroDuration());
  End(status, ToGrpc(status), error::RetryDelayOf(status));
}

void UnaryCall::Refuse(const Refusal& refusal) { End(refusal.status, refusal.wire, refusal.retry_delay); }

void UnaryCall::End(const absl::Status& status, const grpc::Status& wire, absl::Duration retry_delay) {
  // Counted before it is answered: who has an answer finds it in the metrics, and finds its place free.
  method_.Handled(status, absl::Nanoseconds(SteadyNanos() - start_nanos_),
                  std::string_view(trace_id_.data(), trace_id_.size()));
  method_.host().LeaveCall();
  TellWhenToRetry(status, retry_delay, server_context_);
  std::exchange(reactor_, nullptr)->Finish(wire);
}

namespace {

// Bytes for gRPC that keep `message` alive instead of copying it.
grpc::ByteBuffer Share(SharedMessage message) {
  auto* const owner = new SharedMessage(std::move(message));
  const grpc::Slice slice(
      const_cast<char*>((*owner)->data()), (*owner)->size(),
      [](void* owner) { delete static_cast<SharedMessage*>(owner); }, owner);
  return grpc::ByteBuffer(&slice, 1);
}

// Pulls from a MessageStream and pushes to gRPC. gRPC's events and the producer's answers come from different
// threads, and the last event (OnDone) may come while an answer is still being handed in: so each answer
// holds the reactor. The stream is called and destroyed without the lock, because it has one of its own.
class StreamReactor final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  StreamReactor(Method& method, grpc::CallbackServerContext* server_context)
      : method_(method), server_context_(server_context), start_nanos_(SteadyNanos()) {
    method_.Started();
  }

  // Ends a call that never had a stream.
  void Refuse(const absl::Status& status, std::string_view traceparent) {
    self_.reset(this);
    trace_id_ = TraceId(traceparent);
    MutexLock lock(&mu_);
    End(status);
  }

  void Run(std::unique_ptr<MessageStream> stream, std::string_view traceparent) {
    self_.reset(this);
    trace_id_ = TraceId(traceparent);
    entered_ = true;
    stream_ = std::move(stream);
    Pull();
  }

  void OnWriteDone(bool ok) override {
    {
      MutexLock lock(&mu_);
      writing_ = false;
      buffer_.Clear();
      if (ended_) {
        // Cancelled meanwhile: gRPC wants no Finish beside a write, so it was left to us.
        Finish(grpc::Status::CANCELLED);
        return;
      }
      if (!ok) {
        End(absl::CancelledError("the client went away"));
        return;
      }
    }
    Pull();
  }

  void OnCancel() override {
    MutexLock lock(&mu_);
    if (!ended_) End(absl::CancelledError("the client went away"));
  }

  void OnDone() override {
    stream_.reset();
    if (entered_) method_.host().LeaveStream();
    const std::shared_ptr<StreamReactor> last = std::move(self_);
  }

 private:
  void Pull() {
    stream_->Next([self = self_](absl::StatusOr<SharedMessage> message) { self->Push(std::move(message)); });
  }

  void Push(absl::StatusOr<SharedMessage> message) {
    MutexLock lock(&mu_);
    if (ended_) return;
    if (!message.ok()) {
      End(message.status());
    } else if (*message == nullptr) {
      End(absl::OkStatus());
    } else {
      buffer_ = Share(*std::move(message));
      writing_ = true;
      StartWrite(&buffer_);
    }
  }

  void End(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    ended_ = true;
    method_.Handled(status, absl::Nanoseconds(SteadyNanos() - start_nanos_), trace_id_);
    if (writing_) return;
    if (!status.ok()) TellWhenToRetry(status, error::RetryDelayOf(status), server_context_);
    Finish(ToGrpc(status));
  }

  Method& method_;
  grpc::CallbackServerContext* const server_context_;  // lives until OnDone
  const int64_t start_nanos_;
  std::string trace_id_;
  bool entered_ = false;
  std::unique_ptr<MessageStream> stream_;
  std::shared_ptr<StreamReactor> self_;  // until OnDone

  Mutex mu_;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  grpc::ByteBuffer buffer_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* Serve(grpc::CallbackServerContext* server_context,
                                                  const grpc::ByteBuffer& request,
                                                  google::protobuf::Message* parsed, Method& method,
                                                  OpenStream open) {
  auto* const reactor = new StreamReactor(method, server_context);
  CallContext context;
  absl::Status status = Admit(method, *server_context, &context);
  if (status.ok()) status = Parse(request, parsed);
  if (status.ok()) status = method.host().EnterStream();
  if (!status.ok()) {
    reactor->Refuse(status, context.traceparent);
    return reactor;
  }
  absl::StatusOr<std::unique_ptr<MessageStream>> stream = open(context);
  if (!stream.ok()) {
    method.host().LeaveStream();
    reactor->Refuse(stream.status(), context.traceparent);
    return reactor;
  }
  reactor->Run(*std::move(stream), context.traceparent);
  return reactor;
}

}  // namespace hotline::rpc::internal
