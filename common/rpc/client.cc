#include "common/rpc/client.h"

#include <algorithm>

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "common/contract/clearance.h"
#include "common/error/error.h"
#include "google/rpc/status.pb.h"

namespace hotline::rpc {
namespace {

// Trailing metadata is bounded (8 KiB by default); a status that would not fit arrives as nothing at all.
constexpr size_t kMaxDetailsBytes = 4096;
constexpr size_t kMaxMessageBytes = 1024;

constexpr absl::Duration kLongestPushback = absl::Seconds(2);

// gRPC aborts the process over a plain value that is not printable ASCII: any other travels in binary.
void Add(std::string_view key, std::string_view value, grpc::ClientContext* context) {
  if (value.empty()) return;
  const bool ascii = std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  context->AddMetadata(ascii ? std::string(key) : BinaryKey(key), std::string(value));
}

}  // namespace

std::string BinaryKey(std::string_view key) { return std::string(key) + "-bin"; }

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status();
  const auto code = static_cast<grpc::StatusCode>(status.code());
  std::string_view message(status.message().data(), status.message().size());
  if (message.size() > kMaxMessageBytes) {
    size_t end = kMaxMessageBytes;
    while (end > 0 && (message[end] & 0xC0) == 0x80) --end;  // not within a character
    message = message.substr(0, end);
  }
  std::string details = error::ToProto(status).SerializeAsString();
  if (details.size() > kMaxDetailsBytes) details.clear();
  return grpc::Status(code, std::string(message), std::move(details));
}

Refusal::Refusal(absl::Status why)
    : status(std::move(why)), wire(ToGrpc(status)), retry_delay(error::RetryDelayOf(status)) {}

int64_t RetryPushbackMs(absl::Duration delay, int tries_before) {
  if (delay > kLongestPushback) return -1;
  for (; tries_before > 0 && delay < kLongestPushback; --tries_before) delay *= 2;
  return absl::ToInt64Milliseconds(absl::Ceil(std::min(delay, kLongestPushback), absl::Milliseconds(1)));
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  if (const std::string details = status.error_details(); !details.empty()) {
    google::rpc::Status proto;
    if (proto.ParseFromString(details) && proto.code() == status.error_code()) return error::FromProto(proto);
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

void Propagate(const CallContext& call, grpc::ClientContext* context) {
  Add(kTraceparentKey, call.traceparent, context);
  Add(kAccountKey, call.account, context);
  Add(kUnitKey, call.unit, context);
  Add(kRoleKey, Clearance::RoleOf(call), context);
  if (call.deadline != absl::InfiniteFuture()) context->set_deadline(absl::ToChronoTime(call.deadline));
}

Calls::~Calls() {
  Cancel();
  MutexLock lock(&mu_);
  while (!contexts_.empty()) empty_.Wait(&mu_);
}

void Calls::Cancel() {
  MutexLock lock(&mu_);
  cancelled_ = true;
  for (grpc::ClientContext* context : contexts_) context->TryCancel();
}

void Calls::Add(grpc::ClientContext* context) {
  MutexLock lock(&mu_);
  contexts_.insert(context);
  // Of a call that is not begun yet: it is then cancelled when it begins.
  if (cancelled_) context->TryCancel();
}

void Calls::Remove(grpc::ClientContext* context) {
  MutexLock lock(&mu_);
  contexts_.erase(context);
  if (contexts_.empty()) empty_.NotifyAll();
}

}  // namespace hotline::rpc
