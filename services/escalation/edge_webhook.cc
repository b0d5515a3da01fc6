#include "services/escalation/edge_webhook.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <deque>
#include <string_view>
#include <thread>
#include <utility>

#include "common/base/mutex.h"
#include "common/base/text.h"
#include "services/escalation/notify/core/address.h"

namespace hotline::escalation {
namespace {

// Of an answer: more is read, so that the connection can be used again, but not kept.
constexpr size_t kMaxAnswer = 4096;
constexpr int kPollMs = 1000;

struct Request {
  notify::Outgoing outgoing;
  absl::AnyInvocable<void(notify::Attempt)> done;
  const WebhookTarget* target = nullptr;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  std::string answer;
  bool refused = false;

  ~Request() {
    if (easy != nullptr) curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
  }
};

bool IsAllowed(const sockaddr* address) {
  const auto bytes = [](const void* data, size_t size) {
    return std::string_view(static_cast<const char*>(data), size);
  };
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    return notify::IsPublicAddress(bytes(&v4->sin_addr, sizeof v4->sin_addr));
  }
  if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    return notify::IsPublicAddress(bytes(&v6->sin6_addr, sizeof v6->sin6_addr));
  }
  return false;
}

curl_socket_t OpenSocket(void* data, curlsocktype, curl_sockaddr* address) {
  auto* request = static_cast<Request*>(data);
  if (!request->target->allow_private_network && !IsAllowed(&address->addr)) {
    request->refused = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

size_t KeepAnswer(char* data, size_t size, size_t count, void* into) {
  auto* answer = static_cast<std::string*>(into);
  answer->append(data, std::min(size * count, kMaxAnswer - std::min(answer->size(), kMaxAnswer)));
  return size * count;
}

class CurlSender final : public WebhookSender {
 public:
  CurlSender(std::map<std::string, WebhookTarget> targets, const Clock* clock, CURLM* multi)
      : targets_(std::move(targets)), clock_(clock), multi_(multi), thread_([this] { Run(); }) {}

  ~CurlSender() override {
    {
      MutexLock lock(&mu_);
      stopped_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
    for (const auto& [easy, request] : running_) curl_multi_remove_handle(multi_, easy);
    running_.clear();
    curl_multi_cleanup(multi_);
  }

  void Send(notify::Outgoing outgoing, absl::AnyInvocable<void(notify::Attempt)> done) override {
    const auto target = targets_.find(outgoing.webhook);
    if (target == targets_.end()) {
      return done({.error = "the webhook is not configured any more",
                   .refused = true,
                   .retry_after = {},
                   .body = {}});
    }
    auto request = std::make_unique<Request>();
    request->outgoing = std::move(outgoing);
    request->done = std::move(done);
    request->target = &target->second;
    {
      MutexLock lock(&mu_);
      queue_.push_back(std::move(request));
    }
    curl_multi_wakeup(multi_);
  }

 private:
  void Run() {
    while (true) {
      std::deque<std::unique_ptr<Request>> fresh;
      {
        MutexLock lock(&mu_);
        if (stopped_) return;
        fresh.swap(queue_);
      }
      for (std::unique_ptr<Request>& request : fresh) Begin(std::move(request));
      int running = 0;
      curl_multi_perform(multi_, &running);
      Collect();
      curl_multi_poll(multi_, nullptr, 0, kPollMs, nullptr);
    }
  }

  void Begin(std::unique_ptr<Request> request) {
    const WebhookTarget& target = *request->target;
    CURL* const easy = curl_easy_init();
    request->easy = easy;
    const absl::Time now = clock_->Now();
    for (const std::string& header :
         {std::string("Content-Type: application/cloudevents+json; charset=utf-8"), std::string("Expect:"),
          StrCat("Hotline-Delivery: ", request->outgoing.id),
          StrCat("Hotline-Timestamp: ", absl::ToUnixSeconds(now)),
          StrCat("Hotline-Signature: ", notify::SignatureHeader(target.secrets, request->outgoing.id, now,
                                                                request->outgoing.body))}) {
      request->headers = curl_slist_append(request->headers, header.c_str());
    }
    const long timeout =
        static_cast<long>(absl::ToInt64Milliseconds(target.timeout));  // NOLINT(google-runtime-int): curl's
    curl_easy_setopt(easy, CURLOPT_URL, target.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, target.allow_http ? "http,https" : "https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NETRC,
                     static_cast<long>(CURL_NETRC_IGNORED));  // NOLINT(google-runtime-int)
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!target.ca_file.empty()) {
      curl_easy_setopt(easy, CURLOPT_CAINFO, target.ca_file.c_str());
      // The library may have been built with a folder of the system's authorities, which it asks as well.
      curl_easy_setopt(easy, CURLOPT_CAPATH, static_cast<char*>(nullptr));
    }
    // A connection to a private address is not to be found by a webhook that may not have one.
    if (target.allow_private_network) curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, OpenSocket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, request.get());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, KeepAnswer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &request->answer);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "hotline-escalation");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request->outgoing.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->outgoing.body.c_str());
    if (curl_multi_add_handle(multi_, easy) != CURLM_OK) {
      return request->done({.error = "the HTTP library failed", .retry_after = {}, .body = {}});
    }
    running_.emplace(easy, std::move(request));
  }

  void Collect() {
    int left = 0;
    while (CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* const easy = message->easy_handle;
      const CURLcode code = message->data.result;
      curl_multi_remove_handle(multi_, easy);
      const std::unique_ptr<Request> request = std::move(running_.extract(easy).mapped());
      notify::Attempt attempt;
      if (code == CURLE_OK) {
        long status = 0;  // NOLINT(google-runtime-int): curl's
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        attempt.status = static_cast<int>(status);
        attempt.body = std::move(request->answer);
        curl_header* header = nullptr;
        if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header) == CURLHE_OK) {
          attempt.retry_after = header->value;
        }
      } else {
        attempt.refused = request->refused || code == CURLE_UNSUPPORTED_PROTOCOL;
        attempt.error = request->refused
                            ? "the name stands for an address of a private network, which is not allowed"
                            : curl_easy_strerror(code);
      }
      request->done(std::move(attempt));
    }
  }

  const std::map<std::string, WebhookTarget> targets_;
  const Clock* const clock_;
  CURLM* const multi_;
  Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<std::unique_ptr<Request>> queue_ ABSL_GUARDED_BY(mu_);
  std::map<CURL*, std::unique_ptr<Request>> running_;  // on the thread
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WebhookSender>> WebhookSender::Create(
    std::map<std::string, WebhookTarget> targets, const Clock* clock) {
  // Once for the process; never undone, as other threads may use it to the end.
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  CURLM* const multi = initialized == CURLE_OK ? curl_multi_init() : nullptr;
  if (multi == nullptr) return absl::FailedPreconditionError("the HTTP library cannot be used");
  return std::unique_ptr<WebhookSender>(new CurlSender(std::move(targets), clock, multi));
}

}  // namespace hotline::escalation
