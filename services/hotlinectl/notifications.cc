// notifications: who was told of which rung, what waits for gateways and desktops, and the word that it was
// read.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/random/random.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/core/render.h"
#include "services/hotlinectl/core/text_people.h"

namespace hotline::hotlinectl {
namespace {

using namespace escalation::v1;  // NOLINT(google-build-using-namespace): the notifier's messages
using Notifications = NotificationService::StubInterface;

// A stream is opened anew after so long at the latest, so that a dead connection is noticed; nothing is lost
// by it.
constexpr absl::Duration kStreamLife = absl::Seconds(60);

std::string NumberOf(Language language, const NotifiedOrder& order) {
  return order.restricted() ? std::string(Say(language, say::kRestrictedOrder)) : order.order_number();
}

std::string OrdersText(Language language, const Notification& notification) {
  if (notification.orders().empty()) return "";
  const std::string first = NumberOf(language, notification.orders(0));
  return notification.orders_size() == 1 ? first : StrCat(first, " +", notification.orders_size() - 1);
}

Cell StateOf(Language language, DeliveryState state) {
  const Colour colour = state == DELIVERY_STATE_REACHED ? Colour::kGreen
                        : state == DELIVERY_STATE_DEAD || state == DELIVERY_STATE_NOT_REACHED || state == 0
                            ? Colour::kRed
                            : Colour::kNone;
  return Cell(EnumLabel(language, state), colour);
}

// As whom somebody was told, which a notice says in the English word.
std::string RoleOf(Language language, const Notice& notice) {
  const auto via = ParseEnumWord(*RecipientVia_descriptor(), notice.role());
  const std::string role = via ? EnumLabel(language, static_cast<RecipientVia>(*via)) : notice.role();
  return notice.capacity() == "copy" ? Say(language, say::kCopied, role) : role;
}

// A gateway by its own name; none is the desktop.
std::string ChannelOf(Language language, const std::string& channel) {
  return channel.empty() || channel == "desktop" ? std::string(Say(language, say::kDesktop)) : channel;
}

void Finish(Session& session, const Table& table, bool more) {
  Console& console = session.console;
  if (!console.json()) {
    if (table.empty()) return console.ErrLine(Say(console.language(), say::kNothing));
    console.Out(table.Render(console.style()));
  }
  if (more) console.ErrLine(Say(console.language(), say::kMore), Colour::kDim);
}

int List(Session& session) {
  Console& console = session.console;
  const Language language = console.language();
  ListNotificationsRequest request;
  request.set_order_id(session.arguments.operand);
  request.set_unit(session.arguments.Text("unit"));
  request.set_person_id(session.arguments.Text("person"));
  request.set_page_size(session.arguments.PageLimit(50));
  ListNotificationsResponse response;
  if (auto failure = session.client.Call(&Notifications::ListNotifications, request, &response); failure) {
    return console.Fail(*failure);
  }
  Table table({{.heading = std::string(Say(language, say::kHeadSent))},
               {.heading = std::string(Say(language, say::kHeadOrderNumber))},
               {.heading = std::string(Say(language, say::kHeadRungName))},
               {.heading = std::string(Say(language, say::kHeadRound)), .right_aligned = true},
               {.heading = std::string(Say(language, say::kHeadUnitName))},
               {.heading = std::string(Say(language, say::kHeadPerson))},
               {.heading = std::string(Say(language, say::kHeadVia))},
               {.heading = std::string(Say(language, say::kHeadChannel))},
               {.heading = std::string(Say(language, say::kHeadState))},
               {.heading = std::string(Say(language, say::kHeadMessage))}});
  for (const Notice& notice : response.notices()) {
    if (console.json()) {
      console.OutLine(ToJson(notice));
      continue;
    }
    const bool nobody = notice.person_id().empty();
    table.AddRow({TimeText(notice.send_time()), NumberOf(console.language(), notice.order()),
                  EnumLabel(language, notice.rung()), StrCat(notice.order().round()), notice.unit(),
                  nobody ? Cell(Say(language, say::kNobody), Colour::kRed) : Cell(notice.person_id()),
                  nobody ? std::string() : RoleOf(language, notice),
                  nobody ? std::string() : ChannelOf(language, notice.channel()),
                  nobody ? Cell("") : StateOf(language, notice.state()), notice.notification_id()});
  }
  Finish(session, table, !response.next_page_token().empty());
  return kExitOk;
}

Table MessageTable(Language language) {
  return Table({{.heading = std::string(Say(language, say::kHeadMessage)), .min_width = 24},
                {.heading = std::string(Say(language, say::kHeadSent)), .min_width = 19},
                {.heading = std::string(Say(language, say::kHeadChannel)), .min_width = 8},
                {.heading = std::string(Say(language, say::kHeadPerson)), .min_width = 16},
                {.heading = std::string(Say(language, say::kHeadRungName)), .min_width = 8},
                {.heading = std::string(Say(language, say::kHeadWhat)), .shrinks = true}});
}

int Deliveries(Session& session) {
  Console& console = session.console;
  const Language language = console.language();
  ListDeliveriesRequest request;
  request.set_webhook(session.arguments.Text("channel"));
  request.set_state(session.arguments.Word<DeliveryState>("state"));
  request.set_page_size(session.arguments.PageLimit(50));
  ListDeliveriesResponse response;
  if (auto failure = session.client.Call(&Notifications::ListDeliveries, request, &response); failure) {
    return console.Fail(*failure);
  }
  Table table({{.heading = std::string(Say(language, say::kHeadMessage))},
               {.heading = std::string(Say(language, say::kHeadSent))},
               {.heading = std::string(Say(language, say::kHeadChannel))},
               {.heading = std::string(Say(language, say::kHeadPerson))},
               {.heading = std::string(Say(language, say::kHeadRungName))},
               {.heading = std::string(Say(language, say::kHeadOrders)), .shrinks = true},
               {.heading = std::string(Say(language, say::kHeadState))},
               {.heading = std::string(Say(language, say::kHeadAttempts)), .right_aligned = true},
               {.heading = std::string(Say(language, say::kHeadNextTry))},
               {.heading = std::string(Say(language, say::kHeadWhy)), .shrinks = true}});
  for (const Delivery& delivery : response.deliveries()) {
    if (console.json()) {
      console.OutLine(ToJson(delivery));
      continue;
    }
    const Notification& message = delivery.notification();
    table.AddRow({message.id(), TimeText(message.create_time()), ChannelOf(language, message.webhook()),
                  message.person_id(), EnumLabel(language, message.rung()), OrdersText(language, message),
                  StateOf(language, delivery.state()), StrCat(delivery.attempt_count()),
                  delivery.has_next_attempt_time() ? TimeText(delivery.next_attempt_time()) : std::string(),
                  delivery.acknowledged_by().empty()
                      ? delivery.last_error()
                      : Say(language, say::kReadBy, delivery.acknowledged_by())});
  }
  Finish(session, table, !response.next_page_token().empty());
  return kExitOk;
}

int Follow(Session& session) {
  Console& console = session.console;
  const Language language = console.language();
  Table table = MessageTable(language);
  if (!console.json()) console.Out(table.Render(console.style()));
  int64_t next = session.arguments.Integer("from", 0);
  int64_t left = session.arguments.Integer("count", 0);
  absl::InsecureBitGen random;
  Backoff backoff(absl::Milliseconds(100), absl::Seconds(10));
  bool told = false;
  while (!console.failed()) {
    std::unique_ptr<Notifications> stub;
    if (auto failure = session.client.Stub(&stub); failure) return console.Fail(*failure);
    WatchNotificationsRequest request;
    request.set_start_sequence(next);
    request.set_account(session.arguments.Text("to-account"));
    request.set_unit(session.arguments.Text("unit"));
    request.mutable_heartbeat_interval()->set_seconds(5);
    grpc::ClientContext context;
    session.client.Trace(&context);
    context.set_deadline(absl::ToChronoTime(SystemClock()->Now() + kStreamLife));
    const auto reader = stub->WatchNotifications(&context, request);
    WatchNotificationsResponse response;
    bool heard = false;
    while (reader->Read(&response)) {
      heard = true;
      told = false;
      backoff.Reset();
      for (const Notification& message : response.notifications()) {
        if (message.sequence() < next) continue;
        next = message.sequence() + 1;
        if (console.json()) {
          console.OutLine(ToJson(message));
        } else {
          table.ClearRows();
          table.AddRow({message.id(), TimeText(message.create_time()), ChannelOf(language, ""),
                        message.person_id(), EnumLabel(language, message.rung()),
                        language == Language::kChinese ? message.text_zh() : message.text_en()});
          console.Out(table.RenderRows(console.style()));
        }
        if (console.failed() || (left > 0 && --left == 0)) {
          context.TryCancel();
          reader->Finish();
          return kExitOk;
        }
      }
      next = std::max(next, response.watermark() + 1);
    }
    const grpc::Status status = reader->Finish();
    // Its time was up, or the service goes down and comes back.
    if (heard && (status.ok() || status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)) continue;
    const Failure failure = session.client.Describe(Target::kEscalation, status);
    // Another service at the address will not become this one.
    const ExitCode code = ExitCodeOf(failure.status);
    if (!status.ok() && code != kExitUnreachable && code != kExitTryLater) return console.Fail(failure);
    const absl::Duration pause = backoff.Next(random);
    if (!told) {
      console.ErrLine(Say(language, say::kReconnectingNow, FailureMessage(failure, language),
                          absl::FormatDuration(absl::Trunc(pause, absl::Milliseconds(1)))),
                      Colour::kYellow);
    }
    told = true;
    Pause(pause);
  }
  return kExitOk;  // what was lost is told at the end
}

// Prints how the delivery stands after a change.
int Show(Session& session, const google::protobuf::Message& response, const Delivery& delivery) {
  Console& console = session.console;
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else {
    console.OutLine(Say(console.language(), say::kDeliveryStands, delivery.notification().id(),
                        EnumLabel(console.language(), delivery.state())));
  }
  return kExitOk;
}

int Acknowledge(Session& session) {
  AcknowledgeNotificationRequest request;
  request.set_notification_id(session.arguments.operand);
  request.set_account(session.arguments.account);
  request.set_note(session.arguments.Text("note"));
  AcknowledgeNotificationResponse response;
  if (auto failure = session.client.Call(&Notifications::AcknowledgeNotification, request, &response);
      failure) {
    return session.console.Fail(*failure);
  }
  return Show(session, response, response.delivery());
}

int Redeliver(Session& session) {
  RedeliverDeliveryRequest request;
  request.set_notification_id(session.arguments.operand);
  RedeliverDeliveryResponse response;
  if (auto failure = session.client.Call(&Notifications::RedeliverDelivery, request, &response); failure) {
    return session.console.Fail(*failure);
  }
  return Show(session, response, response.delivery());
}

int ReportOutcome(Session& session) {
  ReportDeliveryRequest request;
  request.set_notification_id(session.arguments.operand);
  request.set_state(session.arguments.Word<DeliveryState>("state"));
  ReportDeliveryResponse response;
  if (auto failure = session.client.Call(&Notifications::ReportDelivery, request, &response); failure) {
    return session.console.Fail(*failure);
  }
  return Show(session, response, response.delivery());
}

}  // namespace

int NotificationsCommand(Session& session) {
  const std::string& action = session.arguments.action;
  if (action == "watch") return Follow(session);
  if (action == "ack") return Acknowledge(session);
  if (action == "deliveries") return Deliveries(session);
  if (action == "redeliver") return Redeliver(session);
  if (action == "report") return ReportOutcome(session);
  return List(session);
}

}  // namespace hotline::hotlinectl
