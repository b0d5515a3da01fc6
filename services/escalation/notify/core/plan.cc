#include "services/escalation/notify/core/plan.h"

#include <algorithm>
#include <map>

#include "absl/strings/escaping.h"
#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/request_id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "services/escalation/core/clocks.h"

namespace hotline::escalation::notify {
namespace {

using type::v1::Rung;
using type::v1::Urgency;

constexpr size_t kListedOrders = 5;

void Fill(const config::v1::UrgencySeconds& seconds,
          std::array<absl::Duration, type::v1::Urgency_ARRAYSIZE>* times) {
  (*times)[type::v1::URGENCY_UNSPECIFIED] = absl::Seconds(seconds.normal());
  (*times)[type::v1::URGENCY_NORMAL] = absl::Seconds(seconds.normal());
  (*times)[type::v1::URGENCY_URGENT] = absl::Seconds(seconds.urgent());
  (*times)[type::v1::URGENCY_EMERGENCY] = absl::Seconds(seconds.emergency());
}

std::string Digest(std::string_view text) {
  return absl::BytesToHexString(ToAbsl(std::string_view(Sha256({text})).substr(0, 12)));
}

struct Words {
  std::string_view en, zh;
};

Words WordsOf(Rung rung) {
  switch (rung) {
    case type::v1::RUNG_REMIND:
      return {"reminder", "提醒"};
    case type::v1::RUNG_URGE:
      return {"urged", "催办"};
    case type::v1::RUNG_SUPERVISE:
      return {"supervised", "督办"};
    case type::v1::RUNG_CIRCULATE:
      return {"circular to be signed", "通报批评待签发"};
    case type::v1::RUNG_DISCIPLINE:
      return {"letter to the discipline office to be signed", "移交派驻纪检组待签发"};
    case type::v1::RUNG_DOUBT:
      return {"offer in doubt", "推送存疑"};
    case type::v1::RUNG_KEEP:
      return {"offer taken back", "推送收回"};
    default:
      return {"notice", "通知"};
  }
}

Words WordsOf(type::v1::ClockKind clock) {
  switch (clock) {
    case type::v1::CLOCK_KIND_PEER_RECEIPT:
      return {"receipt by the peer", "对方接收"};
    case type::v1::CLOCK_KIND_PEER_ACCEPTANCE:
      return {"acceptance by the peer", "对方受理"};
    case type::v1::CLOCK_KIND_SIGN:
      return {"signing", "签收"};
    case type::v1::CLOCK_KIND_FINISH:
      return {"finishing", "办结"};
    case type::v1::CLOCK_KIND_CONFIRM:
      return {"confirmation", "对方确认"};
    case type::v1::CLOCK_KIND_VOICE:
      return {"confirmation by voice", "电话确认"};
    case type::v1::CLOCK_KIND_FIRST_CONTACT:
      return {"first contact", "首次联系"};
    case type::v1::CLOCK_KIND_RESULT_BACK:
      return {"result back", "结果反馈"};
    case type::v1::CLOCK_KIND_CALL_BACK:
      return {"call-back", "回访"};
    case type::v1::CLOCK_KIND_SUSPENSION_REVIEW:
      return {"review of the suspension", "挂起复核"};
    case type::v1::CLOCK_KIND_SCENE_ARRIVAL:
      return {"arrival at the scene", "到场"};
    case type::v1::CLOCK_KIND_UNIT_RETURN:
      return {"time for a return", "退单"};
    default:
      return {"deadline", "办理"};
  }
}

// In request ids, which are durable. What this does not know has its number: two clocks that one event armed
// stay apart.
std::string ClockWord(type::v1::ClockKind clock) {
  static constexpr const char* kWords[] = {"none",    "peer_receipt", "peer_acceptance", "sign", "finish",
                                           "confirm", "voice"};
  const auto index = static_cast<size_t>(clock);
  return index < std::size(kWords) ? kWords[index] : StrCat(index);
}

const char* RungWord(Rung rung) {
  switch (rung) {
    case type::v1::RUNG_REMIND:
      return "remind";
    case type::v1::RUNG_URGE:
      return "urge";
    case type::v1::RUNG_SUPERVISE:
      return "supervise";
    case type::v1::RUNG_CIRCULATE:
      return "circulate";
    case type::v1::RUNG_DISCIPLINE:
      return "discipline";
    case type::v1::RUNG_DOUBT:
      return "doubt";
    case type::v1::RUNG_KEEP:
      return "keep";
    default:
      return "none";
  }
}

type::v1::Command MakeCommand(int64_t order_id, std::string request_id) {
  type::v1::Command command;
  type::v1::CommandHeader& header = *command.mutable_header();
  header.set_order_id(FormatOrderId(order_id));
  header.set_request_id(std::move(request_id));
  header.mutable_actor()->set_account("service/escalation");
  const std::string trace = absl::BytesToHexString(Sha256({header.request_id()}));
  command.set_traceparent(StrCat("00-", trace.substr(0, 32), "-", trace.substr(32, 16), "-01"));
  return command;
}

bool Failed(v1::DeliveryState state) {
  return state == v1::DELIVERY_STATE_NOT_REACHED || state == v1::DELIVERY_STATE_DEAD ||
         state == v1::DELIVERY_STATE_CANCELLED || state == v1::DELIVERY_STATE_UNSPECIFIED;
}

}  // namespace

bool Covers(const Acknowledgement& acknowledgement, const RungRef& rung, int64_t sequence) {
  const RungRef& known = acknowledgement.ref;
  return sequence < acknowledgement.sequence && rung.order_id == known.order_id &&
         rung.clock == known.clock && rung.rung <= known.rung && rung.assist_unit == known.assist_unit &&
         (known.armed_by == 0 || rung.armed_by == known.armed_by);
}

int ParseMinute(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() != 5 || text[2] != ':' || !digit(text[0]) || !digit(text[1]) || !digit(text[3]) ||
      !digit(text[4])) {
    return -1;
  }
  const int hour = (text[0] - '0') * 10 + (text[1] - '0');
  const int minute = (text[3] - '0') * 10 + (text[4] - '0');
  return hour < 24 && minute < 60 ? hour * 60 + minute : -1;
}

Policy::Policy(const config::v1::NotifyConfig& config)
    : quiet_from_(ParseMinute(config.quiet_from())),
      quiet_until_(ParseMinute(config.quiet_until())),
      rounds_(std::max(1, config.rounds())) {
  Fill(config.group_window_s(), &window_);
  // An emergency waits for nobody.
  window_[type::v1::URGENCY_EMERGENCY] = absl::ZeroDuration();
  Fill(config.repeat_after_s(), &repeat_after_);
  Fill(config.acknowledged_for_s(), &acknowledged_for_);
}

bool Policy::IsQuiet(absl::Time t, Urgency urgency, Rung rung) const {
  if (urgency == type::v1::URGENCY_URGENT || urgency == type::v1::URGENCY_EMERGENCY) return false;
  if (rung == type::v1::RUNG_DOUBT || rung == type::v1::RUNG_KEEP) return false;
  const absl::CivilSecond civil = absl::ToCivilSecond(t, Beijing());
  const int minute = civil.hour() * 60 + civil.minute();
  if (quiet_from_ <= quiet_until_) return minute >= quiet_from_ && minute < quiet_until_;
  return minute >= quiet_from_ || minute < quiet_until_;
}

absl::Time Policy::SendTime(absl::Time t, Urgency urgency, Rung rung) const {
  if (IsQuiet(t, urgency, rung)) {
    const absl::CivilDay day = absl::ToCivilDay(t, Beijing());
    absl::Time morning = absl::FromCivil(day, Beijing()) + absl::Minutes(quiet_until_);
    if (morning <= t) morning += absl::Hours(24);
    return morning;
  }
  const absl::Time later = t + window_[urgency];
  return IsQuiet(later, urgency, rung) ? t : later;
}

bool NeedsRunningClock(Rung rung) {
  return rung == type::v1::RUNG_REMIND || rung == type::v1::RUNG_URGE || rung == type::v1::RUNG_SUPERVISE;
}

int Policy::Rounds(Rung rung) const {
  return rung == type::v1::RUNG_URGE || rung == type::v1::RUNG_SUPERVISE ? rounds_ : 1;
}

std::string NoticeId(const RungRef& rung, int round, const v1::Recipient& recipient,
                     const v1::Contact& contact) {
  return Digest(StrCat("notice\n", rung.order_id, "\n", rung.armed_by, "\n", static_cast<int>(rung.clock),
                       "\n", static_cast<int>(rung.rung), "\n", round, "\n", recipient.person().id(), "\n",
                       contact.webhook(), "\n", contact.target(), rung.assist_unit.empty() ? "" : "\n",
                       rung.assist_unit));
}

std::string NotificationId(const std::vector<std::string>& notice_ids) {
  std::string text = "notification";
  for (const std::string& id : notice_ids) text += StrCat("\n", id);
  return Digest(text);
}

std::string CapacityWord(v1::RecipientCapacity capacity) {
  return capacity == v1::RECIPIENT_CAPACITY_COPY ? "copy" : "to";
}

std::string RoleWord(v1::RecipientVia via) {
  switch (via) {
    case v1::RECIPIENT_VIA_LEADER:
      return "leader";
    case v1::RECIPIENT_VIA_HANDLER:
      return "handler";
    case v1::RECIPIENT_VIA_DEPUTY:
      return "deputy";
    case v1::RECIPIENT_VIA_DUTY:
      return "duty";
    case v1::RECIPIENT_VIA_SUPERVISOR:
      return "supervisor";
    case v1::RECIPIENT_VIA_PARENT:
      return "parent";
    default:
      return "other";
  }
}

std::string ChannelWord(const v1::Contact& contact) {
  return contact.channel() == v1::CONTACT_CHANNEL_WEBHOOK ? contact.webhook() : "desktop";
}

void WriteTexts(const std::string& unit_name, v1::Notification* notification) {
  const Words rung = WordsOf(notification->rung());
  const bool copy = notification->capacity() == "copy";
  const size_t count = static_cast<size_t>(notification->orders_size());
  std::string listed_zh;
  std::string listed_en;
  for (size_t i = 0; i < count && i < kListedOrders; ++i) {
    const v1::NotifiedOrder& order = notification->orders(static_cast<int>(i));
    const Words clock = WordsOf(order.clock());
    if (order.restricted()) {
      listed_zh += StrCat(i == 0 ? "" : "、", "限制知悉工单（", clock.zh, "时限）");
      listed_en += StrCat(i == 0 ? "" : ", ", "a restricted order (", clock.en, ")");
      continue;
    }
    const std::string due =
        absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixSeconds(order.due_time().seconds()), Beijing());
    listed_zh += StrCat(i == 0 ? "" : "、", order.order_number(), "（", clock.zh, "时限", due, "）");
    listed_en += StrCat(i == 0 ? "" : ", ", order.order_number(), " (", clock.en, " due ", due, ")");
  }
  if (count > kListedOrders) {
    listed_zh += "等";
    listed_en += " and others";
  }
  const char* document = notification->rung() == type::v1::RUNG_CIRCULATE    ? "circulate"
                         : notification->rung() == type::v1::RUNG_DISCIPLINE ? "discipline"
                                                                             : nullptr;
  const bool due = notification->rung() != type::v1::RUNG_REMIND;
  const bool own =
      notification->rung() == type::v1::RUNG_DOUBT || notification->rung() == type::v1::RUNG_KEEP;
  std::string draft_zh;
  std::string draft_en;
  if (document != nullptr) {
    draft_zh = StrCat("。草稿见 hotlinectl document 工单编号 --kind ", document);
    draft_en = StrCat(" The draft: hotlinectl document NUMBER --kind ", document);
  }
  const std::string_view state_zh = document != nullptr ? "请审核并决定是否签发"
                                    : own               ? "请核实处理"
                                    : due               ? "已超时限，请立即办理"
                                                        : "即将到期，请及时办理";
  const std::string_view state_en = document != nullptr ? "please review and decide on signing"
                                    : own               ? "please look into it"
                                    : due               ? "overdue, please act now"
                                                        : "due soon";
  notification->set_text_zh(StrCat("【", rung.zh, copy ? "·抄送" : "", "】", unit_name, "：工单",
                                   count > 1 ? StrCat("共", count, "件，") : "", listed_zh, "，", state_zh,
                                   draft_zh, "。"));
  notification->set_text_en(StrCat("[", rung.en, copy ? ", copy" : "", "] ", unit_name, ": ", count,
                                   count > 1 ? " orders, " : " order, ", listed_en, ": ", state_en, ".",
                                   draft_en));
}

bool IsSettled(const std::vector<Outcome>& outcomes) {
  std::map<std::string, std::pair<bool, bool>> persons;  // reached, undecided
  for (const Outcome& outcome : outcomes) {
    auto& [reached, undecided] = persons[outcome.person];
    reached |= outcome.state == v1::DELIVERY_STATE_REACHED;
    undecided |= !Failed(outcome.state) && outcome.state != v1::DELIVERY_STATE_REACHED;
  }
  return std::all_of(persons.begin(), persons.end(),
                     [](const auto& one) { return one.second.first || !one.second.second; });
}

type::v1::NotificationReport MakeReport(const RungRef& rung, int round, const std::vector<Outcome>& outcomes,
                                        bool over, bool last) {
  type::v1::NotificationReport report;
  report.set_clock(rung.clock);
  report.set_armed_by_sequence(rung.armed_by);
  report.set_rung(rung.rung);
  report.set_assist_unit(rung.assist_unit);
  report.set_round(round);
  bool reached = false;
  bool undecided = false;
  for (const Outcome& outcome : outcomes) {
    const bool failed = Failed(outcome.state);
    const bool good = outcome.state == v1::DELIVERY_STATE_REACHED;
    reached |= good;
    undecided |= !failed && !good;
    if (!failed && !good && !over) continue;
    if (report.notices_size() >= static_cast<int>(kMaxNotices)) continue;
    type::v1::Notice& notice = *report.add_notices();
    notice.set_person_id(outcome.person);
    notice.set_role(outcome.role);
    notice.set_channel(outcome.channel);
    notice.set_unit(outcome.unit);
    notice.set_result(good                     ? type::v1::NOTIFICATION_RESULT_REACHED
                      : outcome.person.empty() ? type::v1::NOTIFICATION_RESULT_NOBODY
                                               : type::v1::NOTIFICATION_RESULT_NOT_REACHED);
  }
  // A desktop that is not looked at yet may be in the next round; only silence to the end is unreachable.
  report.set_unreachable(!reached && (!undecided || last));
  return report;
}

type::v1::Command ReportCommand(type::v1::NotificationReport report, int64_t order_id) {
  type::v1::Command command =
      MakeCommand(order_id, StrCat(kNotificationIds, FormatOrderId(order_id), "/", ClockWord(report.clock()),
                                   "/", ArmingName(report.armed_by_sequence(), report.assist_unit()), "/",
                                   RungWord(report.rung()), "/", report.round()));
  *command.mutable_notification_report() = std::move(report);
  return command;
}

type::v1::Command AcknowledgeCommand(const RungRef& rung, std::string_view notification_id, absl::Time until,
                                     std::string_view account, std::string_view note) {
  type::v1::Command command =
      MakeCommand(rung.order_id, StrCat(kAcknowledgementIds, notification_id, "/",
                                        ArmingName(rung.armed_by, rung.assist_unit), "/",
                                        static_cast<int>(rung.clock), "/", static_cast<int>(rung.rung)));
  command.mutable_header()->mutable_actor()->set_account(std::string(account));
  type::v1::RungAcknowledgement& acknowledgement = *command.mutable_rung_acknowledgement();
  acknowledgement.set_clock(rung.clock);
  acknowledgement.set_rung(rung.rung);
  acknowledgement.set_armed_by_sequence(rung.armed_by);
  acknowledgement.set_assist_unit(rung.assist_unit);
  acknowledgement.mutable_until_time()->set_seconds(absl::ToUnixSeconds(until));
  acknowledgement.set_note(std::string(note));
  return command;
}

}  // namespace hotline::escalation::notify
