#include "hotline/client.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "hotline/service_config.h"

namespace hotline::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

constexpr milliseconds kFirstPause{200};
constexpr milliseconds kLongestPause{2'000};
// A watch hears something at least so often, and is given up after thrice that.
constexpr std::chrono::seconds kHeartbeat{10};
constexpr std::chrono::seconds kSilence{30};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) throw std::runtime_error("cannot read " + path);
  return text.str();
}

std::shared_ptr<grpc::Channel> NewChannel(const Options& options) {
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (!options.ca_file.empty()) {
    credentials = grpc::SslCredentials({.pem_root_certs = ReadFile(options.ca_file),
                                        .pem_private_key = ReadFile(options.key_file),
                                        .pem_cert_chain = ReadFile(options.certificate_file)});
  }
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(options.service_config.empty() ? kServiceConfig : options.service_config);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(options.dispatch, credentials, arguments);
}

// Nobody cancels a call here: CANCELLED is a server that went down while it had the call. RESOURCE_EXHAUSTED
// without details is not the service's: the message is larger than may be, and will be.
bool IsWorthRepeating(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::CANCELLED ||
         status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED && !status.error_details().empty());
}

// How long the service asks to be left alone (RetryInfo), rounded up, an hour at most; zero if it does not.
milliseconds AskedPause(const grpc::Status& status) {
  google::rpc::Status rich;
  google::rpc::RetryInfo retry;
  if (rich.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& detail : rich.details()) {
      if (detail.UnpackTo(&retry)) break;
    }
  }
  const std::chrono::seconds whole(std::clamp<int64_t>(retry.retry_delay().seconds(), 0, 3600));
  return std::chrono::ceil<milliseconds>(whole + std::chrono::nanoseconds(retry.retry_delay().nanos()));
}

}  // namespace

std::string NewRequestId() {
  thread_local std::mt19937_64 random(std::random_device{}() ^
                                      (static_cast<uint64_t>(std::random_device{}()) << 32));
  const auto now = std::chrono::duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
  const uint64_t high = static_cast<uint64_t>(now) << 16 | 0x7000 | (random() & 0xfff);
  const uint64_t low = (random() >> 2) | 0x8000'0000'0000'0000;
  std::array<char, 37> text;
  std::snprintf(text.data(), text.size(), "%08llx-%04llx-%04llx-%04llx-%012llx",
                static_cast<unsigned long long>(high >> 32),
                static_cast<unsigned long long>(high >> 16 & 0xffff),
                static_cast<unsigned long long>(high & 0xffff), static_cast<unsigned long long>(low >> 48),
                static_cast<unsigned long long>(low & 0xffff'ffff'ffff));
  return text.data();
}

Client::Client(Options options)
    : options_(std::move(options)),
      channel_(NewChannel(options_)),
      stub_(hotline::dispatch::v1::DispatchService::NewStub(channel_)) {}

namespace {

// A value that is not printable ASCII goes under the key with `-bin`: gRPC ends the program for it otherwise.
void AddName(const std::string& key, const std::string& value, grpc::ClientContext* context) {
  if (value.empty()) return;
  const bool ascii = std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; });
  context->AddMetadata(ascii ? key : key + "-bin", value);
}

}  // namespace

void Client::Prepare(grpc::ClientContext* context) const {
  AddName("hotline-account", options_.account, context);
  AddName("hotline-unit", options_.unit, context);
}

bool Client::Pause(milliseconds pause) {
  std::unique_lock<std::mutex> lock(mu_);
  return !stopping_.wait_for(lock, pause, [this] { return stopped_; });
}

grpc::Status Client::Repeat(const std::function<grpc::Status(grpc::ClientContext*)>& call) {
  const auto end = steady_clock::now() + options_.timeout;
  milliseconds pause = kFirstPause;
  for (;;) {
    grpc::ClientContext context;
    Prepare(&context);
    context.set_deadline(system_clock::now() +
                         std::chrono::duration_cast<milliseconds>(end - steady_clock::now()));
    const grpc::Status status = call(&context);
    const milliseconds wait = std::max(pause, AskedPause(status));
    if (!IsWorthRepeating(status) || steady_clock::now() + wait >= end) return status;
    Pause(wait);
    pause = std::min(2 * pause, kLongestPause);
  }
}

grpc::Status Client::Watch(int64_t start,
                           const std::function<bool(const hotline::type::v1::Event&)>& on_event) {
  milliseconds pause = kFirstPause;
  for (;;) {
    // Each message moves the end of the stream further away: silence ends it.
    grpc::ClientContext context;
    Prepare(&context);
    {
      std::lock_guard<std::mutex> lock(mu_);
      if (stopped_) return grpc::Status::CANCELLED;
      watching_ = &context;
    }
    hotline::dispatch::v1::WatchHandoffsRequest request;
    request.set_start_sequence(start);
    request.mutable_heartbeat_interval()->set_seconds(kHeartbeat.count());
    hotline::dispatch::v1::WatchHandoffsResponse response;
    auto stream = stub_->WatchHandoffs(&context, request);
    bool wanted = true;
    // A connection that is gone without a word is noticed by the heartbeat's absence.
    std::mutex heard_mu;
    std::condition_variable heard;
    bool over = false;
    steady_clock::time_point last = steady_clock::now();
    std::thread guard([&] {
      std::unique_lock<std::mutex> lock(heard_mu);
      while (!over) {
        if (heard.wait_until(lock, last + kSilence) == std::cv_status::timeout && !over &&
            steady_clock::now() >= last + kSilence) {
          context.TryCancel();
          return;
        }
      }
    });
    while (wanted && stream->Read(&response)) {
      {
        std::lock_guard<std::mutex> lock(heard_mu);
        last = steady_clock::now();
      }
      for (const hotline::type::v1::Event& event : response.events()) {
        start = event.sequence() + 1;
        wanted = on_event(event);
        if (!wanted) break;
      }
      if (wanted) start = std::max(start, response.watermark() + 1);
      pause = kFirstPause;
      if (response.draining()) break;
    }
    // Not where the service ended it: the call would forget why.
    if (!wanted || response.draining()) context.TryCancel();
    const grpc::Status status = stream->Finish();
    {
      std::lock_guard<std::mutex> lock(heard_mu);
      over = true;
      heard.notify_all();
    }
    guard.join();
    {
      std::lock_guard<std::mutex> lock(mu_);
      watching_ = nullptr;
      if (stopped_) return grpc::Status::CANCELLED;
    }
    if (!wanted) return grpc::Status::OK;
    if (status.error_code() == grpc::StatusCode::OUT_OF_RANGE && start > 1) {
      // The log ends before what was seen: it is another one by now.
      start = 1;
    } else if (!status.ok() && !IsWorthRepeating(status)) {
      // CANCELLED may be our own doing, too: silence.
      return status;
    }
    if (!Pause(std::max(pause, AskedPause(status)))) return grpc::Status::CANCELLED;
    pause = std::min(2 * pause, kLongestPause);
  }
}

void Client::Stop() {
  std::lock_guard<std::mutex> lock(mu_);
  stopped_ = true;
  if (watching_ != nullptr) watching_->TryCancel();
  stopping_.notify_all();
}

}  // namespace hotline::client
