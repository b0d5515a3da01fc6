// When a rung is told, to what it adds up, and what is said: pure decisions of the notifier.
#ifndef SERVICES_ESCALATION_NOTIFY_CORE_PLAN_H_
#define SERVICES_ESCALATION_NOTIFY_CORE_PLAN_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "hotline/config/v1/site.pb.h"
#include "hotline/escalation/v1/directory_service.pb.h"
#include "hotline/escalation/v1/notification_service.pb.h"
#include "hotline/type/v1/command.pb.h"

namespace hotline::escalation::notify {

// A rung of one clock of one order.
struct RungRef {
  int64_t order_id = 0;
  int64_t armed_by = 0;
  type::v1::ClockKind clock = type::v1::CLOCK_KIND_UNSPECIFIED;
  type::v1::Rung rung = type::v1::RUNG_UNSPECIFIED;
  std::string assist_unit = {};  // as in OrderClock
  friend auto operator<=>(const RungRef&, const RungRef&) = default;
};

// The log says that a person has taken note of a rung, and of those below it: none of them is told before
// `until`.
struct Acknowledgement {
  RungRef ref;           // `armed_by` 0: of any clock of the kind
  int64_t sequence = 0;  // of its event in the log
  absl::Time until;
};
// It is about `rung` too, which event `sequence` of the log recorded. Of what was taken after it nobody has
// taken note.
bool Covers(const Acknowledgement& acknowledgement, const RungRef& rung, int64_t sequence);

// `escalation.notify` of the configuration, by type::v1::Urgency where times differ.
class Policy {
 public:
  // `config` keeps the rules written beside its fields, with defaults filled in.
  explicit Policy(const config::v1::NotifyConfig& config);

  // Ordinary orders are not told of at `t`, but in the morning. Nothing holds up what is urgent, nor the
  // hotline's own offers in doubt.
  bool IsQuiet(absl::Time t, type::v1::Urgency urgency, type::v1::Rung rung) const;
  // When a rung that is to be told at `t` is: a group of the same unit's orders waits a little for more of
  // them, and never into the quiet hours.
  absl::Time SendTime(absl::Time t, type::v1::Urgency urgency, type::v1::Rung rung) const;
  absl::Duration Window(type::v1::Urgency urgency) const { return window_[urgency]; }
  // How long a round waits for an acknowledgement, and how long one keeps the next round away.
  absl::Duration RoundTime(type::v1::Urgency urgency) const { return repeat_after_[urgency]; }
  absl::Duration AcknowledgedFor(type::v1::Urgency urgency) const { return acknowledged_for_[urgency]; }
  // Rounds that `rung` is told in at most: 提醒 and drafts once.
  int Rounds(type::v1::Rung rung) const;

 private:
  int quiet_from_ = 0;  // minutes of the day in Beijing; equal: no quiet hours
  int quiet_until_ = 0;
  std::array<absl::Duration, type::v1::Urgency_ARRAYSIZE> window_;
  std::array<absl::Duration, type::v1::Urgency_ARRAYSIZE> repeat_after_;
  std::array<absl::Duration, type::v1::Urgency_ARRAYSIZE> acknowledged_for_;
  int rounds_ = 1;
};

// Told only while its clock runs: the duty is then still to be done. Drafts and the hotline's own offers are
// told in any case.
bool NeedsRunningClock(type::v1::Rung rung);

// `22:00` → 1,320; -1 if it is no time of the day.
int ParseMinute(std::string_view text);

// Ids: 24 hex digits, derived, so that a plan made again has the same.
std::string NoticeId(const RungRef& rung, int round, const v1::Recipient& recipient,
                     const v1::Contact& contact);
std::string NotificationId(const std::vector<std::string>& notice_ids);

// `to` or `copy`; `handler`, `leader` …; `desktop` or the webhook's name.
std::string CapacityWord(v1::RecipientCapacity capacity);
std::string RoleWord(v1::RecipientVia via);
std::string ChannelWord(const v1::Contact& contact);

// The texts of a notification whose orders are set; a restricted order is not named. `unit_name` is for
// people. A draft to be signed names the command that prints it.
void WriteTexts(const std::string& unit_name, v1::Notification* notification);

// What has become of a notice so far.
struct Outcome {
  std::string person, role, channel, unit, capacity;
  v1::DeliveryState state = v1::DELIVERY_STATE_UNSPECIFIED;  // UNSPECIFIED: nobody could be told
};

// A round is settled when for every person one contact has reached him, or all have failed.
bool IsSettled(const std::vector<Outcome>& outcomes);
// Most notices in a report; the rest of a round with more is left out.
inline constexpr size_t kMaxNotices = 64;
// The report of a round; what is not decided yet is left out, unless the round is over: then it was not
// reached. `last`: no round follows, so that silence is no longer waited for.
type::v1::NotificationReport MakeReport(const RungRef& rung, int round, const std::vector<Outcome>& outcomes,
                                        bool over, bool last);
// The command that records it: the same bytes each time it is made.
type::v1::Command ReportCommand(type::v1::NotificationReport report, int64_t order_id);
type::v1::Command AcknowledgeCommand(const RungRef& rung, std::string_view notification_id, absl::Time until,
                                     std::string_view account, std::string_view note);

}  // namespace hotline::escalation::notify

#endif  // SERVICES_ESCALATION_NOTIFY_CORE_PLAN_H_
