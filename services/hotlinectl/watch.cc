// watch: follows a site's log through disconnects, without a gap.
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/random/random.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/core/render.h"
#include "services/hotlinectl/core/silence.h"

namespace hotline::hotlinectl {
namespace {

constexpr absl::Duration kHeartbeat = absl::Seconds(5);
// A stream that is silent for longer is dead, whatever the connection looks like.
constexpr absl::Duration kLongestSilence = absl::Seconds(15);
// As deploy/clients: a desk is to see soon that the service is back.
constexpr absl::Duration kLongestPause = absl::Seconds(2);
constexpr absl::Duration kTitleTimeout = absl::Seconds(2);
constexpr size_t kMaxTitles = 10'000;

class Watcher {
 public:
  Watcher(Session& session, std::string order_id)
      : session_(session),
        console_(session.console),
        order_id_(std::move(order_id)),
        titles_(session.arguments.Has("titles") && !session.console.json()),
        table_(EventTable(session.console.language(), /*numbers=*/true, titles_)),
        next_(session.arguments.Integer("from", 0)),
        left_(session.arguments.Integer("count", 0)),
        until_(session.arguments.Word<type::v1::OrderState>("until")) {}

  // Follows until there is no more to see, or a failure that trying again does not mend.
  template <typename Interface, typename Request, typename Response>
  int Run(std::unique_ptr<grpc::ClientReaderInterface<Response>> (Interface::*watch)(grpc::ClientContext*,
                                                                                     const Request&),
          Target target) {
    if (!console_.json()) console_.Out(table_.Render(console_.style()));
    absl::InsecureBitGen random;
    Backoff backoff(absl::Milliseconds(100), kLongestPause);
    bool disconnected = false;
    while (!console_.failed()) {
      std::unique_ptr<Interface> stub;
      if (auto failure = session_.client.Stub(&stub); failure) return console_.Fail(*failure);
      Request request;
      request.set_start_sequence(next_);
      request.set_order_id(order_id_);
      request.mutable_heartbeat_interval()->set_seconds(absl::ToInt64Seconds(kHeartbeat));
      grpc::ClientContext context;
      session_.client.Trace(&context);
      std::string why;
      grpc::Status status;
      {
        const auto reader = (stub.get()->*watch)(&context, request);
        SilenceGuard guard(std::make_unique<Loop>("watch-silence"), kLongestSilence,
                           [&context] { context.TryCancel(); });
        Response response;
        bool draining = false;
        while (reader->Read(&response)) {
          guard.Heard();
          if (disconnected) console_.ErrLine(Say(console_.language(), say::kConnected), Colour::kDim);
          disconnected = false;
          backoff.Reset();
          if (!Show(response)) {
            context.TryCancel();
            reader->Finish();
            return kExitOk;
          }
          draining = response.draining();
        }
        status = reader->Finish();
        if (draining) why = Say(console_.language(), say::kDrainedWord);
        if (status.ok() && why.empty()) why = Say(console_.language(), say::kEndedWord);
        if (guard.cancelled()) status = grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "");
      }
      if (why.empty()) {
        const Failure failure = session_.client.Describe(target, status);
        // Another service at the address will not become this one.
        const ExitCode code = ExitCodeOf(failure.status);
        if (code != kExitUnreachable && code != kExitTryLater) return console_.Fail(failure);
        why = FailureMessage(failure, console_.language());
      }
      const absl::Duration pause = backoff.Next(random);
      const std::string in = absl::FormatDuration(absl::Trunc(pause, absl::Milliseconds(1)));
      // Once for each time it is lost, not for each try.
      if (!disconnected) {
        console_.ErrLine(next_ > 0 ? Say(console_.language(), say::kReconnecting, why, next_, in)
                                   : Say(console_.language(), say::kReconnectingNow, why, in),
                         Colour::kYellow);
      }
      disconnected = true;
      Pause(pause);
    }
    return kExitOk;  // what was lost is told at the end
  }

 private:
  // False: that was the last event wanted, or nobody sees the next.
  template <typename Response>
  bool Show(const Response& response) {
    for (const auto& event : response.events()) {
      // After a reconnection nothing is shown twice.
      if (event.sequence() < next_) continue;
      next_ = event.sequence() + 1;
      Print(event);
      if (console_.failed()) return false;
      if (left_ > 0 && --left_ == 0) return false;
      if (until_ != type::v1::ORDER_STATE_UNSPECIFIED && event.state() == until_) return false;
    }
    next_ = std::max(next_, response.watermark() + 1);
    return true;
  }

  void Print(const type::v1::Event& event) {
    if (console_.json()) {
      console_.OutLine(ToJson(event));
      return;
    }
    table_.ClearRows();
    AddEvent(console_.language(), event, /*numbers=*/true, titles_ ? &TitleOf(event.order_id()) : nullptr,
             table_);
    console_.Out(table_.RenderRows(console_.style()));
  }

  // Titles are not in the log, which holds no personal data; they are asked for once. A title that cannot be
  // had is empty: the events matter more.
  const std::string& TitleOf(const std::string& order_id) {
    if (title_of_.size() >= kMaxTitles) title_of_.clear();
    const auto [it, inserted] = title_of_.try_emplace(order_id);
    if (inserted) {
      workorder::v1::GetWorkOrderRequest request;
      request.set_order_id(order_id);
      workorder::v1::GetWorkOrderResponse response;
      if (!session_.client.Call(&WorkOrderService::StubInterface::GetWorkOrder, request, &response,
                                kTitleTimeout)) {
        it->second = response.order().title();
      }
    }
    return it->second;
  }

  Session& session_;
  Console& console_;
  const std::string order_id_;
  const bool titles_;
  Table table_;
  int64_t next_;  // 0: from the next event on
  int64_t left_;  // 0: no limit
  const type::v1::OrderState until_;
  std::map<std::string, std::string> title_of_;
};

}  // namespace

int Watch(Session& session) {
  std::string order_id = session.arguments.operand;
  if (!order_id.empty()) {
    // Known at once if there is no such order; and a stream over years does not hang on a number.
    workorder::v1::GetWorkOrderRequest request;
    request.set_order_id(order_id);
    workorder::v1::GetWorkOrderResponse response;
    if (auto failure =
            session.client.Call(&WorkOrderService::StubInterface::GetWorkOrder, request, &response);
        failure) {
      return session.console.Fail(*failure);
    }
    order_id = response.order().id();
  }
  Watcher watcher(session, order_id);
  if (session.arguments.Has("handoffs")) {
    return watcher.Run<DispatchService::StubInterface, dispatch::v1::WatchHandoffsRequest,
                       dispatch::v1::WatchHandoffsResponse>(&DispatchService::StubInterface::WatchHandoffs,
                                                            Target::kDispatch);
  }
  return watcher.Run<WorkOrderService::StubInterface, workorder::v1::WatchWorkOrdersRequest,
                     workorder::v1::WatchWorkOrdersResponse>(
      &WorkOrderService::StubInterface::WatchWorkOrders, Target::kWorkOrder);
}

}  // namespace hotline::hotlinectl
