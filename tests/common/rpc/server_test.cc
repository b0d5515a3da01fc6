// Unary and stream adapters with the clients, over a real server on loopback.
#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/id.h"
#include "common/base/mutex.h"
#include "common/error/error.h"
#include "common/rpc/client.h"
#include "common/rpc/ledger_client.h"
#include "common/rpc/peer_client.h"
#include "common/rpc/security.h"
#include "common/rpc/server_stream.h"
#include "common/rpc/unary.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "hotline/exchange/v1/exchange_service.grpc.pb.h"
#include "hotline/workorder/v1/ledger_service.grpc.pb.h"
#include "hotline/workorder/v1/work_order_service.grpc.pb.h"
#include "tests/support/partial.h"

namespace hotline::rpc {
namespace {

using exchange::v1::DeliverRequest;
using exchange::v1::DeliverResponse;
using exchange::v1::ExchangeService;
using exchange::v1::GetLinkRequest;
using exchange::v1::GetLinkResponse;
using workorder::v1::LedgerService;
using workorder::v1::WatchWorkOrdersRequest;
using workorder::v1::WatchWorkOrdersResponse;
using workorder::v1::WorkOrderService;

constexpr char kTraceparent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

// Long enough for a loaded machine; nothing waits for it when all is well.
absl::Time Soon() { return absl::Now() + absl::Seconds(30); }

// A value that another thread brings. Copies share it, so that who brings it may outlive who waits.
template <typename T>
class Slot {
 public:
  void Set(T value) const {
    MutexLock lock(&state_->mu);
    state_->value.emplace(std::move(value));
    state_->set.NotifyAll();
  }
  T Get() const {
    MutexLock lock(&state_->mu);
    while (!state_->value.has_value()) state_->set.Wait(&state_->mu);
    return *std::move(state_->value);
  }

 private:
  struct State {
    Mutex mu;
    CondVar set;
    std::optional<T> value ABSL_GUARDED_BY(mu);
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

// A peer whose answers the test decides.
class FakePeer : public test::PartialPeer {
 public:
  using Handler = std::function<void(const CallContext&, DeliverRequest, Done<DeliverResponse>)>;
  explicit FakePeer(Handler handler) : handler_(std::move(handler)) {}
  void Deliver(const CallContext& call, DeliverRequest request, Done<DeliverResponse> done) override {
    handler_(call, std::move(request), std::move(done));
  }
  void GetLink(const CallContext&, GetLinkRequest, Done<GetLinkResponse> done) override {
    GetLinkResponse response;
    response.set_protocol_version(1);
    done(std::move(response));
  }

 private:
  const Handler handler_;
};

using OpenWatch = std::function<absl::StatusOr<std::unique_ptr<MessageStream>>(
    const CallContext&, const WatchWorkOrdersRequest&)>;

// As a service's edge is written.
class ExchangeEdge final : public ExchangeService::WithRawCallbackMethod_Deliver<
                               ExchangeService::WithRawCallbackMethod_GetLink<ExchangeService::Service>> {
 public:
  ExchangeEdge(Host* host, Peer* peer)
      : peer_(peer),
        deliver_(host, ExchangeService::service_full_name(), "Deliver"),
        get_link_(host, ExchangeService::service_full_name(), "GetLink") {}
  grpc::ServerUnaryReactor* Deliver(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override {
    return Unary<DeliverRequest, DeliverResponse>(
        context, request, response, deliver_,
        [this](const CallContext& call, DeliverRequest&& request, Done<DeliverResponse> done) {
          peer_->Deliver(call, std::move(request), std::move(done));
        });
  }
  grpc::ServerUnaryReactor* GetLink(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) override {
    return Unary<GetLinkRequest, GetLinkResponse>(
        context, request, response, get_link_,
        [this](const CallContext& call, const GetLinkRequest& request, Done<GetLinkResponse> done) {
          peer_->GetLink(call, request, std::move(done));
        });
  }

 private:
  Peer* const peer_;
  Method deliver_;
  Method get_link_;
};

class WatchEdge final
    : public WorkOrderService::WithRawCallbackMethod_WatchWorkOrders<WorkOrderService::CallbackService> {
 public:
  WatchEdge(Host* host, OpenWatch open)
      : open_(std::move(open)),
        watch_(host, WorkOrderService::service_full_name(), "WatchWorkOrders", MethodType::kServerStream) {}
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchWorkOrders(grpc::CallbackServerContext* context,
                                                              const grpc::ByteBuffer* request) override {
    return ServerStream<WatchWorkOrdersRequest>(context, request, watch_, open_);
  }

 private:
  const OpenWatch open_;
  Method watch_;
};

// What the streams of a test send, and what becomes of them.
class Hub {
 public:
  using Next = absl::AnyInvocable<void(absl::StatusOr<SharedMessage>)>;

  std::unique_ptr<MessageStream> Open() {
    MutexLock lock(&mu_);
    ++open_;
    changed_.NotifyAll();
    return std::make_unique<Stream>(this);
  }

  // Gives the next message to each of `streams` streams once all have asked.
  void Send(absl::StatusOr<SharedMessage> message, size_t streams) {
    std::vector<Next> waiting;
    {
      MutexLock lock(&mu_);
      while (waiting_.size() < streams) changed_.Wait(&mu_);
      for (auto& [stream, next] : waiting_) waiting.push_back(std::move(next));
      waiting_.clear();
    }
    for (Next& next : waiting) next(message);
  }

  void WaitUntilOpen(int count) {
    MutexLock lock(&mu_);
    while (open_ != count) changed_.Wait(&mu_);
  }

 private:
  class Stream final : public MessageStream {
   public:
    explicit Stream(Hub* hub) : hub_(hub) {}
    ~Stream() override {
      Hub::Next dropped;
      MutexLock lock(&hub_->mu_);
      if (const auto it = hub_->waiting_.find(this); it != hub_->waiting_.end()) {
        dropped = std::move(it->second);
        hub_->waiting_.erase(it);
      }
      --hub_->open_;
      hub_->changed_.NotifyAll();
    }
    void Next(Hub::Next next) override {
      MutexLock lock(&hub_->mu_);
      hub_->waiting_[this] = std::move(next);
      hub_->changed_.NotifyAll();
    }

   private:
    Hub* const hub_;
  };

  Mutex mu_;
  CondVar changed_;
  int open_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<Stream*, Next> waiting_ ABSL_GUARDED_BY(mu_);
};

class ServerTest : public ::testing::Test {
 protected:
  void TearDown() override { Stop(); }

  void Start(FakePeer::Handler deliver, OpenWatch watch = nullptr, HostOptions options = {}) {
    options.clock = &clock_;
    options.registry = &registry_;
    host_ = std::make_unique<Host>(std::move(options));
    peer_ = std::make_unique<FakePeer>(std::move(deliver));
    exchange_ = std::make_unique<ExchangeEdge>(host_.get(), peer_.get());
    watch_ = std::make_unique<WatchEdge>(host_.get(), std::move(watch));
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(exchange_.get());
    builder.RegisterService(watch_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    address_ = "127.0.0.1:" + std::to_string(port);
    security_ = *Security::Create({});
    channel_ = *security_->NewChannel(address_);
    client_ = std::make_unique<RpcPeer>(channel_);
  }

  void Stop() {
    client_.reset();
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }

  // Delivers and waits.
  absl::StatusOr<DeliverResponse> Deliver(DeliverRequest request = {},
                                          CallContext call = {.deadline = Soon()}) {
    Slot<absl::StatusOr<DeliverResponse>> answer;
    client_->Deliver(call, std::move(request),
                     [answer](absl::StatusOr<DeliverResponse> response) { answer.Set(std::move(response)); });
    return answer.Get();
  }

  std::string Metrics() { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  Hub hub_;  // before the server: its streams look at it to their end
  ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  prometheus::Registry registry_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<FakePeer> peer_;
  std::unique_ptr<ExchangeEdge> exchange_;
  std::unique_ptr<WatchEdge> watch_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  std::unique_ptr<Security> security_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<RpcPeer> client_;
};

TEST_F(ServerTest, CarriesRequestAnswerAndContext) {
  std::optional<CallContext> seen;
  Start([&](const CallContext& call, DeliverRequest request, Done<DeliverResponse> done) {
    seen = call;
    DeliverResponse response;
    response.mutable_receipt()->set_received_through(request.envelopes(0).sequence());
    response.mutable_receipt()->set_head_hash(std::move(*request.mutable_envelopes(0)->mutable_hash()));
    done(std::move(response));
  });
  DeliverRequest request;
  request.add_envelopes()->set_sequence(7);
  request.mutable_envelopes(0)->set_hash(std::string(100'000, 'h'));
  const auto response = Deliver(request, {.deadline = Soon(), .traceparent = kTraceparent});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->receipt().received_through(), 7);
  EXPECT_EQ(response->receipt().head_hash().size(), 100'000u);
  EXPECT_EQ(seen->now, clock_.Now());
  EXPECT_EQ(seen->traceparent, kTraceparent);
  EXPECT_EQ(seen->identity, "");
}

// A push whose actor.unit was Chinese took the whole dispatch with it: gRPC aborts over such a plain value.
TEST_F(ServerTest, NamesArriveWhateverTheyAreWrittenIn) {
  std::optional<CallContext> seen;
  Start([&](const CallContext& call, DeliverRequest, Done<DeliverResponse> done) {
    seen = call;
    done(DeliverResponse());
  });
  std::string longest;
  for (int i = 0; i < 32; ++i) longest += "局";
  for (const std::string& unit : {std::string("district-3"), std::string("市监局"), longest,
                                  std::string("two words"), std::string("line\nbreak")}) {
    ASSERT_TRUE(Deliver({}, {.deadline = Soon(), .account = "张三", .unit = unit}).ok()) << unit;
    EXPECT_EQ(seen->account, "张三");
    EXPECT_EQ(seen->unit, unit);
  }
  ASSERT_TRUE(Deliver({}, {.deadline = Soon(), .account = std::string(257, 'a')}).ok());
  EXPECT_EQ(seen->account, "") << "no name is that long";
  // In a message it would spoil whatever is sent with it.
  ASSERT_TRUE(Deliver({}, {.deadline = Soon(), .account = "\xff\xfe", .unit = "\xb9\xab"}).ok());
  EXPECT_EQ(seen->account, "");
  EXPECT_EQ(seen->unit, "");
}

TEST_F(ServerTest, ClampsTheDeadline) {
  std::vector<absl::Duration> left;
  HostOptions options;
  options.max_deadline = absl::Seconds(5);
  Start(
      [&](const CallContext& call, DeliverRequest, Done<DeliverResponse> done) {
        left.push_back(call.deadline - call.now);
        done(DeliverResponse());
      },
      nullptr, options);
  // The server's clock stands still at a time of its own, so set it to that of the client.
  clock_.Set(absl::Now());
  ASSERT_TRUE(Deliver({}, {}).ok());
  ASSERT_TRUE(Deliver({}, {.deadline = absl::Now() + absl::Hours(1)}).ok());
  ASSERT_TRUE(Deliver({}, {.deadline = clock_.Now() + absl::Seconds(4)}).ok());
  ASSERT_EQ(left.size(), 3u);
  EXPECT_EQ(left[0], absl::Seconds(5));
  EXPECT_EQ(left[1], absl::Seconds(5));
  EXPECT_LE(left[2], absl::Seconds(4) + absl::Milliseconds(100));
  EXPECT_GT(left[2], absl::Seconds(3));
}

TEST_F(ServerTest, AMethodMayHaveABoundOfItsOwn) {
  HostOptions options;
  options.max_deadline = absl::Milliseconds(100);
  options.registry = &registry_;
  Host host(std::move(options));
  EXPECT_EQ(Method(&host, "S", "Quick").max_deadline(), absl::Milliseconds(100));
  EXPECT_EQ(Method(&host, "S", "Slow", MethodType::kUnary, absl::Minutes(10)).max_deadline(),
            absl::Minutes(10));
}

TEST_F(ServerTest, MakesATraceWhenTheCallerHasNone) {
  std::vector<std::string> seen;
  Start([&](const CallContext& call, DeliverRequest, Done<DeliverResponse> done) {
    seen.push_back(call.traceparent);
    done(DeliverResponse());
  });
  ASSERT_TRUE(Deliver().ok());
  ASSERT_TRUE(Deliver({}, {.deadline = Soon(), .traceparent = "00-garbage"}).ok());
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_TRUE(IsTraceparent(seen[0]));
  EXPECT_TRUE(IsTraceparent(seen[1]));
  EXPECT_NE(seen[0], seen[1]);
}

TEST_F(ServerTest, RichErrorsArriveWhole) {
  std::vector<absl::Status> errors = {
      error::BadField(type::v1::ERROR_REASON_PHONE_INVALID, "content.caller.phone", "not a number",
                      "号码格式错误"),
      error::StaleVersion(3, 4),
      error::Overloaded("queue", absl::Milliseconds(250)),
      error::LinkForked("110", 42),
      absl::InternalError("without details"),
  };
  size_t next = 0;
  Start([&](const CallContext&, DeliverRequest, Done<DeliverResponse> done) { done(errors[next]); });
  for (next = 0; next < errors.size(); ++next) {
    const absl::Status status = Deliver().status();
    const absl::Status& sent = errors[next];
    EXPECT_EQ(status.code(), sent.code());
    EXPECT_EQ(status.message(), sent.message());
    EXPECT_EQ(error::ReasonOf(status), error::ReasonOf(sent));
    EXPECT_EQ(error::FieldOf(status), error::FieldOf(sent));
    EXPECT_EQ(error::ChineseOf(status), error::ChineseOf(sent));
    EXPECT_EQ(error::RetryDelayOf(status), error::RetryDelayOf(sent));
  }
}

// What a gRPC library is told of when to try again; empty: nothing.
std::string PushbackOf(const grpc::ClientContext& context) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto it = trailers.find(kRetryPushbackKey);
  return it == trailers.end() ? std::string() : std::string(it->second.data(), it->second.size());
}

TEST_F(ServerTest, GrpcLibrariesAreToldWhenToTryAgain) {
  absl::Status answer;
  Start([&](const CallContext&, DeliverRequest, Done<DeliverResponse> done) { done(answer); },
        [&](const CallContext&, const WatchWorkOrdersRequest&) { return hub_.Open(); });
  const auto stub = ExchangeService::NewStub(channel_);
  const auto told = [&](absl::Status status) {
    answer = std::move(status);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(Soon()));
    DeliverResponse response;
    EXPECT_FALSE(stub->Deliver(&context, {}, &response).ok());
    return PushbackOf(context);
  };
  EXPECT_EQ(told(error::Overloaded("queue", absl::Milliseconds(250))), "250");
  EXPECT_EQ(told(error::DiskFull()), "-1") << "RetryInfo says 10 s: whoever waits should know now";
  EXPECT_EQ(told(error::StaleVersion(3, 4)), "") << "the same request would fail again";
  host_->BeginDrain();
  EXPECT_EQ(told(absl::OkStatus()), "1000");
  grpc::ClientContext context;
  const auto stream = WorkOrderService::NewStub(channel_)->WatchWorkOrders(&context, {});
  WatchWorkOrdersResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(error::ReasonOf(FromGrpc(stream->Finish())), type::v1::ERROR_REASON_DRAINING);
  EXPECT_EQ(PushbackOf(context), "1000");
}

TEST(RetryPushback, GrowsWithTheTriesAndNeverSaysLessThanRetryInfo) {
  const absl::Duration delay = absl::Milliseconds(250);
  EXPECT_EQ(RetryPushbackMs(delay, 0), 250);
  EXPECT_EQ(RetryPushbackMs(delay, 1), 500);
  EXPECT_EQ(RetryPushbackMs(delay, 2), 1000);
  EXPECT_EQ(RetryPushbackMs(delay, 3), 2000);
  EXPECT_EQ(RetryPushbackMs(delay, 2'000'000'000), 2000) << "whatever a client says";
  EXPECT_EQ(RetryPushbackMs(delay, -1), 250);
  EXPECT_EQ(RetryPushbackMs(absl::Microseconds(1500), 0), 2);
  EXPECT_EQ(RetryPushbackMs(absl::Seconds(2), 5), 2000);
  EXPECT_EQ(RetryPushbackMs(absl::Seconds(2) + absl::Nanoseconds(1), 0), -1);
}

TEST_F(ServerTest, AGrpcLibraryTriesAgainWhenItWasTold) {
  std::atomic<int> calls = 0;
  Start([&](const CallContext&, DeliverRequest, Done<DeliverResponse> done) {
    if (++calls <= 2) return done(error::Overloaded("queue", absl::Milliseconds(50)));
    done(DeliverResponse());
  });
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(R"({"methodConfig": [{
      "name": [{"service": "hotline.exchange.v1.ExchangeService"}],
      "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.001s", "maxBackoff": "0.001s",
                      "backoffMultiplier": 1, "retryableStatusCodes": ["RESOURCE_EXHAUSTED"]}}]})");
  const auto stub = ExchangeService::NewStub(
      grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(Soon()));
  DeliverResponse response;
  const auto begun = std::chrono::steady_clock::now();
  const grpc::Status status = stub->Deliver(&context, {}, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(calls, 3);
  // 50 ms and then 100; of its own accord it would have waited for 1 ms each.
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(140));
}

TEST_F(ServerTest, AnOversizedErrorKeepsItsCode) {
  Start([&](const CallContext&, DeliverRequest, Done<DeliverResponse> done) {
    std::string text;
    for (int i = 0; i < 5000; ++i) text += "长";
    done(error::Internal(text));
  });
  EXPECT_EQ(Deliver().status().code(), absl::StatusCode::kInternal);
}

// A catalogue with a word misspelt in many places was refused without a reason.
TEST_F(ServerTest, AnOversizedErrorKeepsItsReasonAndWhatItIsAbout) {
  std::string text;
  for (int i = 0; i < 3500; ++i) text += "长";
  absl::Status sent;
  Start([&](const CallContext&, DeliverRequest, Done<DeliverResponse> done) { done(sent); });
  sent = error::BadField(type::v1::ERROR_REASON_TEXT_TOO_LONG, "content.text", text, text);
  const absl::Status bad = Deliver().status();
  EXPECT_EQ(bad.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error::ReasonOf(bad), type::v1::ERROR_REASON_TEXT_TOO_LONG);
  EXPECT_EQ(error::FieldOf(bad), "content.text");
  EXPECT_EQ(error::ChineseOf(bad).find("字段 content.text：长"), 0u);
  EXPECT_TRUE(error::ChineseOf(bad).ends_with("长…")) << error::ChineseOf(bad);
  EXPECT_TRUE(bad.message().find("content.text: 长") == 0) << bad;
  sent = error::CatalogueVersionUnknown(std::string(2100, 'x'));
  const absl::Status unknown = Deliver().status();
  EXPECT_EQ(error::ReasonOf(unknown), type::v1::ERROR_REASON_CATALOGUE_VERSION_UNKNOWN);
  EXPECT_NE(error::ChineseOf(unknown), "");
}

// One text in GBK made the list of all links unreadable.
TEST(FromGrpcTest, ATextThatIsNotUtf8IsNotHandedOn) {
  const std::string gbk = "busy: \xcf\xb5\xcd\xb3\xb7\xb1\xc3\xa6";
  const absl::Status plain = FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, gbk));
  EXPECT_EQ(plain.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(std::string(plain.message()), "busy: ????????");
  EXPECT_EQ(std::string(FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "系统繁忙")).message()),
            "系统繁忙");
  // Of details the reason is left.
  google::rpc::Status proto = error::ToProto(error::Overloaded("queue", absl::Seconds(3)));
  for (google::protobuf::Any& any : *proto.mutable_details()) {
    if (any.Is<google::rpc::LocalizedMessage>()) any.set_value("\x12\x02\xb5\xcf");
  }
  const absl::Status rich =
      FromGrpc(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, gbk, proto.SerializeAsString()));
  EXPECT_EQ(error::ReasonOf(rich), type::v1::ERROR_REASON_OVERLOADED);
  EXPECT_EQ(error::RetryDelayOf(rich), absl::Seconds(3));
  EXPECT_EQ(error::ChineseOf(rich), "");
  EXPECT_EQ(error::ToProto(rich).details_size(), proto.details_size() - 1);
}

TEST_F(ServerTest, CallsBeyondTheBoundAreToldToWait) {
  Mutex mu;
  CondVar arrived;
  std::vector<Done<DeliverResponse>> waiting;
  HostOptions options;
  options.max_calls = 2;
  Start(
      [&](const CallContext&, DeliverRequest, Done<DeliverResponse> done) {
        MutexLock lock(&mu);
        waiting.push_back(std::move(done));
        arrived.NotifyAll();
      },
      nullptr, options);
  std::vector<std::future<absl::StatusOr<DeliverResponse>>> answers;
  for (int i = 0; i < 2; ++i) answers.push_back(std::async(std::launch::async, [&] { return Deliver(); }));
  {
    MutexLock lock(&mu);
    while (waiting.size() < 2) arrived.Wait(&mu);
  }
  EXPECT_EQ(host_->calls_in_flight(), 2);
  const absl::Status refused = Deliver().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(error::ReasonOf(refused), type::v1::ERROR_REASON_OVERLOADED);
  EXPECT_GT(error::RetryDelayOf(refused), absl::ZeroDuration());
  std::thread answering([&] {
    MutexLock lock(&mu);
    for (auto& done : waiting) done(DeliverResponse());
    waiting.clear();
  });
  for (auto& answer : answers) EXPECT_TRUE(answer.get().ok());
  answering.join();
  EXPECT_EQ(host_->calls_in_flight(), 0);
}

TEST_F(ServerTest, ADroppedDoneIsAnswered) {
  Start([](const CallContext&, DeliverRequest, Done<DeliverResponse>) {});
  EXPECT_EQ(error::ReasonOf(Deliver().status()), type::v1::ERROR_REASON_DRAINING);
  EXPECT_EQ(host_->calls_in_flight(), 0);
}

TEST_F(ServerTest, AnsweringACancelledCallIsHarmless) {
  Slot<Done<DeliverResponse>> server_side;
  Start([server_side](const CallContext&, DeliverRequest, Done<DeliverResponse> done) {
    server_side.Set(std::move(done));
  });
  Slot<absl::Status> client_side;
  client_->Deliver({.deadline = Soon()}, {}, [client_side](absl::StatusOr<DeliverResponse> response) {
    client_side.Set(response.status());
  });
  Done<DeliverResponse> done = server_side.Get();
  client_->Cancel();
  EXPECT_EQ(client_side.Get().code(), absl::StatusCode::kCancelled);
  DeliverResponse response;
  response.mutable_receipt()->set_head_hash(std::string(1000, 'h'));
  done(std::move(response));
}

TEST_F(ServerTest, DestroyingAClientAnswersItsCalls) {
  Slot<Done<DeliverResponse>> server_side;
  Start([server_side](const CallContext&, DeliverRequest, Done<DeliverResponse> done) {
    server_side.Set(std::move(done));
  });
  std::atomic<int> answered = 0;
  client_->Deliver({.deadline = Soon()}, {}, [&](absl::StatusOr<DeliverResponse>) { ++answered; });
  Done<DeliverResponse> done = server_side.Get();
  client_.reset();
  EXPECT_EQ(answered, 1);
  done(DeliverResponse());
}

TEST_F(ServerTest, ACancelledClientStartsNothing) {
  std::atomic<int> calls = 0;
  Start([&](const CallContext&, DeliverRequest, Done<DeliverResponse> done) {
    ++calls;
    done(DeliverResponse());
  });
  client_->Cancel();
  EXPECT_EQ(Deliver().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(calls, 0);
}

TEST_F(ServerTest, DrainingRefusesNewCallsAndFinishesOld) {
  Slot<Done<DeliverResponse>> server_side;
  Start([server_side](const CallContext&, DeliverRequest, Done<DeliverResponse> done) {
    server_side.Set(std::move(done));
  });
  auto first = std::async(std::launch::async, [&] { return Deliver(); });
  Done<DeliverResponse> done = server_side.Get();
  host_->BeginDrain();
  const absl::Status refused = Deliver().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(error::ReasonOf(refused), type::v1::ERROR_REASON_DRAINING);
  done(DeliverResponse());
  EXPECT_TRUE(first.get().ok());
}

TEST_F(ServerTest, CountsCallsByCode) {
  bool fail = false;
  Start([&](const CallContext&, DeliverRequest, Done<DeliverResponse> done) {
    if (fail) {
      done(error::PeerUnknown("911"));
    } else {
      done(DeliverResponse());
    }
  });
  ASSERT_TRUE(Deliver().ok());
  ASSERT_TRUE(Deliver().ok());
  fail = true;
  ASSERT_FALSE(Deliver().ok());
  const std::string labels =
      "grpc_method=\"Deliver\",grpc_service=\"hotline.exchange.v1.ExchangeService\",grpc_type=\"unary\"}";
  const std::string text = Metrics();
  EXPECT_NE(text.find("grpc_server_started_total{" + labels + " 3"), std::string::npos) << text;
  EXPECT_NE(text.find("grpc_server_handled_total{grpc_code=\"OK\"," + labels + " 2"), std::string::npos);
  EXPECT_NE(text.find("grpc_server_handled_total{grpc_code=\"PERMISSION_DENIED\"," + labels + " 1"),
            std::string::npos);
  EXPECT_NE(text.find("grpc_server_handling_seconds_count{" + labels + " 3"), std::string::npos);
}

TEST_F(ServerTest, ReportsFailuresThatAPersonShouldSeeAndNotTooMany) {
  Mutex mu;
  std::vector<std::string> reported;
  HostOptions options;
  options.on_failure = [&](const CallFailure& failure) {
    MutexLock lock(&mu);
    reported.push_back(std::string(failure.method) + " " + std::string(failure.code) + " " +
                       std::string(failure.reason) + " " + std::string(failure.trace_id));
  };
  absl::Status answer = error::StoreFailed("sync");
  Start([&](const CallContext&, DeliverRequest, Done<DeliverResponse> done) { done(answer); }, nullptr,
        options);
  EXPECT_FALSE(Deliver({}, {.deadline = Soon(), .traceparent = kTraceparent}).ok());
  ASSERT_EQ(reported.size(), 1u);
  EXPECT_EQ(reported[0], "Deliver UNAVAILABLE STORE_FAILED 4bf92f3577b34da6a3ce929d0e0e4736");
  answer = error::StaleVersion(1, 2);  // the caller's business
  EXPECT_FALSE(Deliver().ok());
  EXPECT_EQ(reported.size(), 1u);
  answer = error::Internal("broken");
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(Deliver().ok());
  EXPECT_LT(reported.size(), 51u);
  EXPECT_GT(reported.size(), 1u);
}

TEST_F(ServerTest, ReportsARefusedSignatureOnceAnHourForEachKey) {
  Mutex mu;
  std::vector<std::string> reported;
  HostOptions options;
  options.on_failure = [&](const CallFailure& failure) {
    MutexLock lock(&mu);
    reported.push_back(std::string(failure.reason) + " " + std::string(failure.message));
  };
  absl::Status answer = error::SignatureInvalid("110", "k2", "the key is not known here", "本平台没有该公钥");
  Start([&](const CallContext&, DeliverRequest, Done<DeliverResponse> done) { done(answer); }, nullptr,
        options);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(Deliver().ok());
  ASSERT_EQ(reported.size(), 1u);
  EXPECT_EQ(reported[0],
            "SIGNATURE_INVALID the signature by key 'k2' of 110 is not good: the key is not known here");
  answer = error::SignatureInvalid("110", "k3", "the key is not known here", "本平台没有该公钥");
  EXPECT_FALSE(Deliver().ok());
  EXPECT_EQ(reported.size(), 2u) << "another key";
  clock_.Advance(absl::Minutes(59));
  EXPECT_FALSE(Deliver().ok());
  EXPECT_EQ(reported.size(), 2u);
  clock_.Advance(absl::Minutes(1));
  EXPECT_FALSE(Deliver().ok());
  EXPECT_EQ(reported.size(), 3u);
  answer = error::NoSigningKey();  // the caller's business
  EXPECT_FALSE(Deliver().ok());
  EXPECT_EQ(reported.size(), 3u);
  // Key ids are what the peer writes: they fill neither the memory nor the log.
  for (int i = 0; i < 200; ++i) {
    answer = error::SignatureMissing(std::to_string(i));
    EXPECT_FALSE(Deliver().ok());
  }
  EXPECT_LT(reported.size(), 70u);
}

TEST_F(ServerTest, LedgerErrorsTellTheTransportFromTheService) {
  // Nobody listens: a port that was taken and given back.
  Start([](const CallContext&, DeliverRequest, Done<DeliverResponse> done) { done(DeliverResponse()); });
  RpcLedger ledger(channel_, channel_);
  const auto execute = [&] {
    Slot<absl::Status> answer;
    ledger.Execute(
        {.deadline = Soon()}, {},
        [answer](absl::StatusOr<workorder::v1::ExecuteResponse> response) { answer.Set(response.status()); });
    return answer.Get();
  };
  EXPECT_EQ(execute().code(), absl::StatusCode::kUnimplemented);
  Stop();
  const absl::Status status = execute();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(error::ReasonOf(status), type::v1::ERROR_REASON_WORK_ORDER_UNREACHABLE);
}

SharedMessage Serialized(int64_t watermark, size_t padding = 0) {
  WatchWorkOrdersResponse response;
  response.set_watermark(watermark);
  if (padding > 0) response.add_events()->set_order_id(std::string(padding, 'x'));
  return std::make_shared<const std::string>(response.SerializeAsString());
}

FakePeer::Handler Unused() {
  return [](const CallContext&, DeliverRequest, Done<DeliverResponse> done) { done(DeliverResponse()); };
}

// One client stream, read to its end.
class Watcher final : public grpc::ClientReadReactor<WatchWorkOrdersResponse> {
 public:
  explicit Watcher(WorkOrderService::Stub* stub, int64_t start_sequence = 1) {
    context_.set_deadline(absl::ToChronoTime(Soon()));
    request_.set_start_sequence(start_sequence);
    stub->async()->WatchWorkOrders(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    {
      MutexLock lock(&mu_);
      watermarks_.push_back(response_.watermark());
      changed_.NotifyAll();
    }
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    MutexLock lock(&mu_);
    status_ = FromGrpc(status);
    changed_.NotifyAll();
  }
  void Cancel() { context_.TryCancel(); }
  void WaitForMessages(size_t count) {
    MutexLock lock(&mu_);
    while (watermarks_.size() < count && !status_.has_value()) changed_.Wait(&mu_);
  }
  absl::Status Wait() {
    MutexLock lock(&mu_);
    while (!status_.has_value()) changed_.Wait(&mu_);
    return *status_;
  }
  std::vector<int64_t> watermarks() {
    MutexLock lock(&mu_);
    return watermarks_;
  }

 private:
  grpc::ClientContext context_;
  WatchWorkOrdersRequest request_;
  WatchWorkOrdersResponse response_;
  Mutex mu_;
  CondVar changed_;
  std::vector<int64_t> watermarks_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Status> status_ ABSL_GUARDED_BY(mu_);
};

TEST_F(ServerTest, ManyStreamsShareOneMessage) {
  constexpr size_t kStreams = 200;
  Start(Unused(), [&](const CallContext&, const WatchWorkOrdersRequest&) { return hub_.Open(); });
  const auto stub = WorkOrderService::NewStub(channel_);
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (size_t i = 0; i < kStreams; ++i) watchers.push_back(std::make_unique<Watcher>(stub.get()));
  const SharedMessage first = Serialized(1, 5000);
  const SharedMessage second = Serialized(2);
  hub_.Send(first, kStreams);
  hub_.Send(second, kStreams);
  hub_.Send(SharedMessage(), kStreams);
  for (auto& watcher : watchers) {
    EXPECT_TRUE(watcher->Wait().ok());
    EXPECT_EQ(watcher->watermarks(), (std::vector<int64_t>{1, 2}));
  }
  hub_.WaitUntilOpen(0);
  Stop();
  EXPECT_EQ(host_->streams_open(), 0);
  // Every stream gave its share back.
  EXPECT_EQ(first.use_count(), 1);
  EXPECT_EQ(second.use_count(), 1);
}

TEST_F(ServerTest, AStreamSeesItsRequestAndTrace) {
  std::optional<CallContext> seen;
  int64_t start = 0;
  Start(Unused(), [&](const CallContext& call, const WatchWorkOrdersRequest& request) {
    seen = call;
    start = request.start_sequence();
    return hub_.Open();
  });
  const auto stub = WorkOrderService::NewStub(channel_);
  Watcher watcher(stub.get(), 41);
  hub_.Send(SharedMessage(), 1);
  EXPECT_TRUE(watcher.Wait().ok());
  EXPECT_EQ(start, 41);
  EXPECT_TRUE(IsTraceparent(seen->traceparent));
  EXPECT_EQ(seen->now, clock_.Now());
}

TEST_F(ServerTest, AStreamThatFailsTellsWhy) {
  Start(Unused(),
        [&](const CallContext&,
            const WatchWorkOrdersRequest& request) -> absl::StatusOr<std::unique_ptr<MessageStream>> {
          if (request.start_sequence() > 100) return error::SequenceOutOfRange(request.start_sequence(), 100);
          return hub_.Open();
        });
  const auto stub = WorkOrderService::NewStub(channel_);
  Watcher refused(stub.get(), 101);
  EXPECT_EQ(error::ReasonOf(refused.Wait()), type::v1::ERROR_REASON_SEQUENCE_OUT_OF_RANGE);
  Watcher broken(stub.get());
  hub_.Send(Serialized(1), 1);
  hub_.Send(error::StoreFailed("read"), 1);
  EXPECT_EQ(error::ReasonOf(broken.Wait()), type::v1::ERROR_REASON_STORE_FAILED);
  EXPECT_EQ(broken.watermarks(), (std::vector<int64_t>{1}));
  hub_.WaitUntilOpen(0);
}

TEST_F(ServerTest, ACancelledStreamLetsGoOfItsProducer) {
  Start(Unused(), [&](const CallContext&, const WatchWorkOrdersRequest&) { return hub_.Open(); });
  const auto stub = WorkOrderService::NewStub(channel_);
  Watcher waiting(stub.get());
  Watcher other(stub.get());
  hub_.Send(Serialized(1), 2);
  waiting.WaitForMessages(1);
  waiting.Cancel();
  EXPECT_EQ(waiting.Wait().code(), absl::StatusCode::kCancelled);
  hub_.WaitUntilOpen(1);
  hub_.Send(SharedMessage(), 1);
  EXPECT_TRUE(other.Wait().ok());
  hub_.WaitUntilOpen(0);
}

// Sends without end, and counts.
class Endless final : public MessageStream {
 public:
  Endless(SharedMessage message, std::atomic<int>* sent, std::atomic<int>* open)
      : message_(std::move(message)), sent_(sent), open_(open) {
    ++*open_;
  }
  ~Endless() override { --*open_; }
  void Next(absl::AnyInvocable<void(absl::StatusOr<SharedMessage>)> next) override {
    ++*sent_;
    next(message_);
  }

 private:
  const SharedMessage message_;
  std::atomic<int>* const sent_;
  std::atomic<int>* const open_;
};

TEST_F(ServerTest, CancellingWhileSendingIsSafe) {
  std::atomic<int> sent = 0;
  std::atomic<int> open = 0;
  const SharedMessage message = Serialized(1, 1000);
  Start(Unused(), [&](const CallContext&, const WatchWorkOrdersRequest&) {
    return std::make_unique<Endless>(message, &sent, &open);
  });
  const auto stub = WorkOrderService::NewStub(channel_);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::unique_ptr<Watcher>> watchers;
    for (int i = 0; i < 5; ++i) watchers.push_back(std::make_unique<Watcher>(stub.get()));
    watchers.back()->WaitForMessages(static_cast<size_t>(round));
    for (auto& watcher : watchers) watcher->Cancel();
    for (auto& watcher : watchers) EXPECT_EQ(watcher->Wait().code(), absl::StatusCode::kCancelled);
  }
  Stop();
  EXPECT_EQ(open, 0);
  EXPECT_EQ(message.use_count(), 1);
}

TEST_F(ServerTest, ASlowReaderHoldsUpItsOwnStreamOnlyAndIsCutOffAtTheEnd) {
  std::atomic<int> sent = 0;
  std::atomic<int> open = 0;
  Start(Unused(), [&](const CallContext&, const WatchWorkOrdersRequest&) {
    return std::make_unique<Endless>(Serialized(1, 1'000'000), &sent, &open);
  });
  const auto stub = WorkOrderService::NewStub(channel_);
  grpc::ClientContext context;
  const auto reader = stub->WatchWorkOrders(&context, {});
  WatchWorkOrdersResponse response;
  ASSERT_TRUE(reader->Read(&response));  // and no more
  ASSERT_TRUE(Deliver().ok());
  client_.reset();
  server_->Shutdown(std::chrono::system_clock::now());
  EXPECT_EQ(open, 0);
  // Flow control let a few megabytes through, not all that could be had.
  EXPECT_LT(sent, 100);
}

TEST_F(ServerTest, StreamsBeyondTheBoundAreToldToWait) {
  HostOptions options;
  options.max_streams = 1;
  Start(
      Unused(), [&](const CallContext&, const WatchWorkOrdersRequest&) { return hub_.Open(); }, options);
  const auto stub = WorkOrderService::NewStub(channel_);
  Watcher first(stub.get());
  hub_.WaitUntilOpen(1);
  Watcher second(stub.get());
  const absl::Status refused = second.Wait();
  EXPECT_EQ(error::ReasonOf(refused), type::v1::ERROR_REASON_OVERLOADED);
  EXPECT_GT(error::RetryDelayOf(refused), absl::ZeroDuration());
  host_->BeginDrain();
  Watcher third(stub.get());
  EXPECT_EQ(error::ReasonOf(third.Wait()), type::v1::ERROR_REASON_DRAINING);
  hub_.Send(Serialized(9), 1);
  hub_.Send(SharedMessage(), 1);
  EXPECT_TRUE(first.Wait().ok());
  EXPECT_EQ(first.watermarks(), (std::vector<int64_t>{9}));
}

TEST_F(ServerTest, AStreamRequestThatIsNoMessageIsRefused) {
  Start(Unused(), [&](const CallContext&, const WatchWorkOrdersRequest&) { return hub_.Open(); });
  const auto refusal = [&](const std::string& bytes) {
    grpc::ClientContext context;
    grpc::internal::RpcMethod method("/hotline.workorder.v1.WorkOrderService/WatchWorkOrders",
                                     grpc::internal::RpcMethod::SERVER_STREAMING);
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    const std::unique_ptr<grpc::ClientReader<grpc::ByteBuffer>> reader(
        grpc::internal::ClientReaderFactory<grpc::ByteBuffer>::Create(channel_.get(), method, &context,
                                                                      request));
    grpc::ByteBuffer response;
    EXPECT_FALSE(reader->Read(&response));
    const absl::Status status = FromGrpc(reader->Finish());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return status;
  };
  EXPECT_EQ(error::ReasonOf(refusal("\x0a\xff")), type::v1::ERROR_REASON_FIELD_INVALID);
  // As unary calls do, it names the text that is not UTF-8.
  const absl::Status status = refusal("\x12\x01\xff");
  EXPECT_EQ(error::ReasonOf(status), type::v1::ERROR_REASON_TEXT_INVALID);
  EXPECT_EQ(error::FieldOf(status), "order_id");
}

}  // namespace
}  // namespace hotline::rpc
