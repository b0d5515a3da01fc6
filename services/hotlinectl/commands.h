// What each command does. All print through the console and return the exit code.
#ifndef SERVICES_HOTLINECTL_COMMANDS_H_
#define SERVICES_HOTLINECTL_COMMANDS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hotline/dispatch/v1/dispatch_service.pb.h"
#include "hotline/type/v1/command.pb.h"
#include "hotline/workorder/v1/work_order_service.pb.h"
#include "services/hotlinectl/client.h"
#include "services/hotlinectl/console.h"
#include "services/hotlinectl/core/arguments.h"

namespace hotline::hotlinectl {

struct Session {
  const Arguments& arguments;
  Console& console;
  Client& client;
  // Stamped once, when the command began.
  absl::Time now;
};

// The command that `session.arguments` names.
int Run(Session& session);

// push, with flags or with a file; register.
int Push(Session& session);
int Register(Session& session);
// Earlier orders by the same number, and those that may be of the same matter; nothing if there are none.
void PrintSimilar(Session& session, const workorder::v1::FindSimilarOrdersResponse& response);
// refer-from-scene.
int ReferFromScene(Session& session);
// partners push, partners list.
int Partners(Session& session);
// watch.
int Watch(Session& session);
// evidence.
int Evidence(Session& session);
// notifications.
int NotificationsCommand(Session& session);
// directory.
int DirectoryCommand(Session& session);
// scorecard, lamps, overdue, due-soon, document, meeting.
int Report(Session& session);
// suggest.
int SuggestCommand(Session& session);
// catalogue.
int CatalogueCommand(Session& session);
// backup, hold, retention.
int Backup(Session& session);
int Hold(Session& session);
int RetentionCommand(Session& session);
// doctor.
int Doctor(Session& session);
// The commands that move an order that exists.
int Change(Session& session);

// The order that the flags describe. Errors: INVALID_ARGUMENT naming the field.
absl::StatusOr<dispatch::v1::PushWorkOrderRequest> FromFlags(const Session& session);

// Whether an order that exists may be an emergency, of which dispatch said nothing: false only if work_order
// says that it is none.
bool MayBeEmergency(Session& session, const std::string& order_id);

// explain, ledger, policy, calendar.
int ExplainDeadline(Session& session);
int ShowTimeLedger(Session& session);
int Policy(Session& session);
int CalendarCommand(Session& session);

// Who acts, on what, under which request id: one of its own unless `--request-id` was given.
type::v1::CommandHeader MakeHeader(const Session& session);

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_COMMANDS_H_
