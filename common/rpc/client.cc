#include "common/rpc/client.h"

#include <algorithm>

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "common/base/utf8.h"
#include "common/contract/clearance.h"
#include "common/error/error.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace hotline::rpc {
namespace {

// Trailing metadata is bounded (8 KiB by default); a status that would not fit arrives as nothing at all.
constexpr size_t kMaxDetailsBytes = 4096;
constexpr size_t kMaxMessageBytes = 1024;
constexpr size_t kLeastTextBytes = 32;
// What a message may become on its way, where all but printable ASCII takes three bytes for one.
constexpr size_t kMaxEncodedBytes = 2048;

constexpr absl::Duration kLongestPushback = absl::Seconds(2);

// gRPC aborts the process over a plain value that is not printable ASCII: any other travels in binary.
void Add(std::string_view key, std::string_view value, grpc::ClientContext* context) {
  if (value.empty()) return;
  const bool ascii = std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  context->AddMetadata(ascii ? std::string(key) : BinaryKey(key), std::string(value));
}

// Ends `text` between two characters if it has more bytes than `most`.
void Shorten(size_t most, std::string* text) {
  constexpr std::string_view kCut = "…";
  if (text->size() <= most) return;
  size_t end = most - kCut.size();
  while (end > 0 && ((*text)[end] & 0xC0) == 0x80) --end;
  text->resize(end);
  text->append(kCut);
}

size_t EncodedBytes(std::string_view text) {
  const auto plain =
      std::count_if(text.begin(), text.end(), [](char c) { return c >= ' ' && c < '\x7f' && c != '%'; });
  return 3 * text.size() - 2 * static_cast<size_t>(plain);
}

void ShortenTexts(size_t most, google::rpc::Status* proto) {
  Shorten(most, proto->mutable_message());
  for (google::protobuf::Any& any : *proto->mutable_details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    google::rpc::LocalizedMessage localized;
    if (any.UnpackTo(&info)) {
      for (auto& [key, value] : *info.mutable_metadata()) Shorten(most, &value);
      any.PackFrom(info);
    } else if (any.UnpackTo(&bad)) {
      for (auto& violation : *bad.mutable_field_violations()) {
        Shorten(most, violation.mutable_description());
      }
      any.PackFrom(bad);
    } else if (any.UnpackTo(&localized)) {
      Shorten(most, localized.mutable_message());
      any.PackFrom(localized);
    }
  }
}

// With texts as long as there is room for: reason, field and retry delay are worth more than a long text.
std::string DetailsOf(const absl::Status& status) {
  const google::rpc::Status whole = error::ToProto(status);
  std::string bytes = whole.SerializeAsString();
  for (size_t most = kMaxMessageBytes; bytes.size() > kMaxDetailsBytes && most >= kLeastTextBytes;
       most /= 2) {
    google::rpc::Status shorter = whole;
    ShortenTexts(most, &shorter);
    bytes = shorter.SerializeAsString();
  }
  return bytes.size() > kMaxDetailsBytes ? std::string() : bytes;
}

// A peer's library may send a text in any encoding, which no answer of this site could hold.
std::string InUtf8(std::string text) {
  if (CountCodePoints(text).has_value()) return text;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return text;
}

template <typename Detail>
bool IsBroken(const google::protobuf::Any& any) {
  Detail detail;
  return any.Is<Detail>() && !any.UnpackTo(&detail);
}

// Without the details that cannot be read, as those with such a text.
void DropBroken(google::rpc::Status* proto) {
  auto* const details = proto->mutable_details();
  details->erase(std::remove_if(details->begin(), details->end(),
                                [](const google::protobuf::Any& any) {
                                  return IsBroken<google::rpc::ErrorInfo>(any) ||
                                         IsBroken<google::rpc::BadRequest>(any) ||
                                         IsBroken<google::rpc::LocalizedMessage>(any);
                                }),
                 details->end());
}

}  // namespace

std::string BinaryKey(std::string_view key) { return std::string(key) + "-bin"; }

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status();
  const auto code = static_cast<grpc::StatusCode>(status.code());
  std::string message(status.message().data(), status.message().size());
  size_t most = kMaxMessageBytes;
  Shorten(most, &message);
  while (EncodedBytes(message) > kMaxEncodedBytes) Shorten(most /= 2, &message);
  return grpc::Status(code, message, DetailsOf(status));
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
    if (proto.ParseFromString(details) && proto.code() == status.error_code()) {
      DropBroken(&proto);
      return error::FromProto(proto);
    }
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), InUtf8(status.error_message()));
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
