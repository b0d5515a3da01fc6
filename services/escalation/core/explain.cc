#include "services/escalation/core/explain.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/text.h"
#include "hotline/escalation/v1/clock_history.pb.h"

namespace hotline::escalation {
namespace {

using type::v1::TimeKind;

// `amount` from `from` on, by the calendar of `rule`, with its rules up to `until`, too; clock time and
// natural days need none.
absl::StatusOr<v1::DeadlineDerivation> Derive(const Deadlines& deadlines, RuleRef rule, std::string_view duty,
                                              absl::Time from, Amount amount,
                                              absl::Time until = absl::InfinitePast()) {
  if (const calendar::Calendar* calendar = deadlines.CalendarOf(rule, duty); calendar != nullptr) {
    return calendar->Derive(from, amount.value, amount.kind, until);
  }
  // Around the clock.
  return calendar::DeriveClockTime(from, absl::ToInt64Seconds(ClockLength(amount)));
}

// In which what is left of such a limit is kept.
TimeKind LeftKind(const calendar::Calendar* counted_by) {
  return counted_by != nullptr ? type::v1::TIME_KIND_WORKING_HOURS : type::v1::TIME_KIND_CLOCK_TIME;
}

std::string TimeZh(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y年%m月%d日%H:%M:%S", FromProto(time), Beijing());
}
std::string DateZh(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%m月%d日", FromProto(time), Beijing());
}

std::string SecondsZh(int64_t seconds) {
  std::string text;
  if (seconds >= 86'400 && seconds % 86'400 == 0) return StrCat(seconds / 86'400, "天");
  if (seconds >= 3600) text += StrCat(seconds / 3600, "小时");
  if (seconds % 3600 >= 60) text += StrCat(seconds % 3600 / 60, "分钟");
  if (seconds % 60 != 0 || seconds == 0) text += StrCat(seconds % 60, "秒");
  return text;
}

// What is left after a step in which a clock stands still before its deadline.
std::string LeftZh(const v1::DerivationStep& step) {
  const bool work = step.derivation().amount().kind() == type::v1::TIME_KIND_WORKING_HOURS;
  return SecondsZh(step.left_seconds()) + (work ? "工作时间" : "");
}

std::string AmountZh(const type::v1::TimeAmount& amount) {
  switch (amount.kind()) {
    case type::v1::TIME_KIND_WORKING_DAYS:
      return StrCat(amount.value(), "个工作日");
    case type::v1::TIME_KIND_WORKING_HOURS:
      return SecondsZh(amount.value()) + "工作时间";
    case type::v1::TIME_KIND_NATURAL_DAYS:
      return StrCat(amount.value(), "个自然日");
    default:
      return SecondsZh(amount.value());
  }
}

std::string ReasonZh(const v1::DerivationSegment& segment) {
  const std::string& name = segment.day_rule().name();
  switch (segment.reason()) {
    case v1::SEGMENT_REASON_START_DAY:
      return "起算当日不计";
    case v1::SEGMENT_REASON_WORKING_DAY:
      return "工作日";
    case v1::SEGMENT_REASON_WORKING_DATE:
      return name.empty() ? "调休上班" : name + "调休上班";
    case v1::SEGMENT_REASON_WEEKLY_REST:
      return "周休息日";
    case v1::SEGMENT_REASON_DATE_OFF:
      return name.empty() ? "放假" : name + "放假";
    default:
      return "";
  }
}

// What each day of `derivation` was, days of one reason and document together.
void AddDays(const v1::DeadlineDerivation& derivation, std::string* text) {
  struct Run {
    std::string reason;
    std::string document;
    std::string first;
    std::string last;
    bool counted = false;
    int64_t seconds = 0;
    int days = 0;
  };
  std::vector<Run> runs;
  std::string date_before;
  for (const v1::DerivationSegment& segment : derivation.segments()) {
    // Hours off within a day that is worked say nothing of the day.
    if (segment.reason() == v1::SEGMENT_REASON_OFF_HOURS ||
        segment.reason() == v1::SEGMENT_REASON_CLOCK_TIME ||
        segment.reason() == v1::SEGMENT_REASON_NATURAL_DAY) {
      continue;
    }
    const std::string date = DateZh(segment.begin_time());
    const int64_t seconds =
        segment.counted() ? segment.end_time().seconds() - segment.begin_time().seconds() : 0;
    const std::string reason = ReasonZh(segment);
    if (!runs.empty() && runs.back().reason == reason && runs.back().counted == segment.counted() &&
        runs.back().document == segment.day_rule().document()) {
      if (date != date_before) ++runs.back().days;
      runs.back().last = date;
      runs.back().seconds += seconds;
    } else {
      runs.push_back({reason, segment.day_rule().document(), date, date, segment.counted(), seconds, 1});
    }
    date_before = date;
  }
  for (const Run& run : runs) {
    *text += StrCat("    ", run.first, run.first == run.last ? "" : "至" + run.last, "：", run.reason);
    if (run.counted) {
      *text += derivation.amount().kind() == type::v1::TIME_KIND_WORKING_DAYS
                   ? StrCat("，计", run.days, "个工作日")
                   : StrCat("，计", SecondsZh(run.seconds));
    } else if (run.reason != "起算当日不计") {
      *text += "，不计";
    }
    if (!run.document.empty()) *text += StrCat("（", run.document, "）");
    *text += "\n";
  }
  for (const v1::CalendarGap& gap : derivation.gaps()) {
    *text += StrCat("    注意：", gap.first_date(), "至", gap.last_date(), "的", gap.layer(),
                    "放假安排未收录，结果可能调整\n");
  }
}

}  // namespace

std::string ClockNameZh(type::v1::ClockKind kind) {
  switch (kind) {
    case type::v1::CLOCK_KIND_PEER_RECEIPT:
      return "对方接收";
    case type::v1::CLOCK_KIND_PEER_ACCEPTANCE:
      return "对方受理";
    case type::v1::CLOCK_KIND_SIGN:
      return "签收";
    case type::v1::CLOCK_KIND_FINISH:
      return "办结";
    case type::v1::CLOCK_KIND_CONFIRM:
      return "确认";
    case type::v1::CLOCK_KIND_VOICE:
      return "电话确认";
    case type::v1::CLOCK_KIND_FIRST_CONTACT:
      return "首次联系群众";
    case type::v1::CLOCK_KIND_RESULT_BACK:
      return "结果反馈";
    case type::v1::CLOCK_KIND_CALL_BACK:
      return "回访";
    case type::v1::CLOCK_KIND_SUSPENSION_REVIEW:
      return "挂起复核";
    case type::v1::CLOCK_KIND_SCENE_ARRIVAL:
      return "到场";
    case type::v1::CLOCK_KIND_UNIT_RETURN:
      return "退单";
    default:
      return "其他";
  }
}

absl::StatusOr<v1::ClockDerivation> Explain(const OrderClocks& order, const OrderClock& clock,
                                            const Deadlines& deadlines) {
  v1::ClockDerivation derivation;
  derivation.set_order_id(FormatOrderId(order.id));
  derivation.set_order_number(order.number);
  derivation.set_clock(clock.kind);
  derivation.set_duty_party(clock.duty_party);
  derivation.set_armed_by_sequence(clock.armed_by);
  derivation.set_assist_unit(clock.assist_unit);
  *derivation.mutable_start_time() = ToProto(clock.start);
  derivation.set_publication(clock.rule.publication);
  derivation.set_policy_version(deadlines.VersionOf(clock.rule));
  derivation.set_document(deadlines.DocumentOf(clock.rule));
  derivation.set_breached(clock.breached);
  if (!clock.live()) *derivation.mutable_stop_time() = ToProto(clock.stop);

  v1::ClockHistory history;
  history.ParseFromString(clock.history);
  const RuleRef rule = clock.rule;
  std::string_view duty = DutyAt(history, 0, clock.duty_party);
  const calendar::Calendar* counted_by = deadlines.WorkCalendarOf(rule, duty);
  bool provisional = false;
  absl::Time due;
  absl::Duration left = absl::ZeroDuration();
  if (deadlines.Limit(rule).value > 0) {
    auto limit = Derive(deadlines, rule, duty, clock.start, deadlines.Limit(rule));
    if (!limit.ok()) return limit.status();
    due = FromProto(limit->result_time());
    provisional = limit->provisional() || limit->gaps_size() > 0;
    *derivation.mutable_limit() = *std::move(limit);
  } else {
    due = history.has_carried_time() ? FromProto(history.carried_time()) : clock.due;
    *derivation.mutable_carried_time() = ToProto(due);
  }
  bool paused = false;
  // What is left when it runs on.
  const auto left_amount = [&] {
    return Amount{LeftKind(counted_by), left == Deadlines::kNoWorkLeft ? 1 : absl::ToInt64Seconds(left)};
  };
  const auto run_again = [&](absl::Time at, v1::DerivationStep* step) -> absl::Status {
    if (left > absl::ZeroDuration()) {
      auto part = Derive(deadlines, rule, duty, at, left_amount());
      if (!part.ok()) return part.status();
      provisional |= part->provisional() || part->gaps_size() > 0;
      *step->mutable_derivation() = *std::move(part);
    }
    due = deadlines.Resume(rule, duty, at, left).time;
    left = absl::ZeroDuration();
    paused = false;
    return absl::OkStatus();
  };
  for (int i = 0; i < history.adjustments_size(); ++i) {
    const v1::ClockAdjustment& adjustment = history.adjustments(i);
    v1::DerivationStep& step = *derivation.add_steps();
    step.set_sequence(adjustment.sequence());
    *step.mutable_time() = adjustment.time();
    const absl::Time at = FromProto(adjustment.time());
    const auto derive = [&](absl::Time from, Amount amount, absl::Time until) -> absl::Status {
      auto part = Derive(deadlines, rule, duty, from, amount, until);
      if (!part.ok()) return part.status();
      provisional |= part->provisional() || part->gaps_size() > 0;
      *step.mutable_derivation() = *std::move(part);
      return absl::OkStatus();
    };
    const auto derive_left = [&]() -> absl::Status {
      left = deadlines.Keep(rule, duty, at, due);
      if (due <= SecondUp(at)) return absl::OkStatus();
      return derive(at, {LeftKind(counted_by), absl::ToInt64Seconds(left)}, due);
    };
    absl::Status status;
    switch (adjustment.change_case()) {
      case v1::ClockAdjustment::kPause:
        step.set_kind(v1::DERIVATION_STEP_KIND_PAUSED);
        paused = true;
        status = derive_left();
        break;
      case v1::ClockAdjustment::kResume:
        step.set_kind(v1::DERIVATION_STEP_KIND_RESUMED);
        status = run_again(at, &step);
        break;
      case v1::ClockAdjustment::kUntilTime:
        step.set_kind(v1::DERIVATION_STEP_KIND_EXTENDED_UNTIL);
        *step.mutable_until_time() = adjustment.until_time();
        due = SecondUp(FromProto(adjustment.until_time()));
        provisional = false;
        if (paused) status = derive_left();
        break;
      case v1::ClockAdjustment::kPassed:
        step.set_kind(v1::DERIVATION_STEP_KIND_PASSED);
        step.set_duty_party(adjustment.passed().to_party());
        *step.mutable_until_time() = adjustment.passed().until_time();
        if (paused && left > absl::ZeroDuration()) {
          auto standing = Derive(deadlines, rule, duty, at, left_amount());
          if (!standing.ok()) return standing.status();
          *step.mutable_standing() = *std::move(standing);
        }
        duty = DutyAt(history, i + 1, clock.duty_party);
        counted_by = deadlines.WorkCalendarOf(rule, duty);
        if (counted_by != nullptr) step.set_calendar(counted_by->version());
        due = SecondUp(FromProto(adjustment.passed().until_time()));
        provisional = false;
        if (paused) status = derive_left();
        break;
      case v1::ClockAdjustment::kMore: {
        step.set_kind(v1::DERIVATION_STEP_KIND_EXTENDED_BY);
        const absl::Time before = due;
        const Amount more{adjustment.more().kind(), adjustment.more().value()};
        const bool by_calendar = deadlines.CalendarOf(rule, duty) != nullptr;
        status = derive(by_calendar ? MoreFrom(before, more.kind) : before, more, absl::InfinitePast());
        due = deadlines.AddToDue(rule, duty, before, more).time;
        if (paused) left = deadlines.KeepMore(rule, duty, left, before, due);
        break;
      }
      case v1::ClockAdjustment::kPublication:
        step.set_kind(v1::DERIVATION_STEP_KIND_MOVED);
        step.set_publication(adjustment.publication());
        break;
      case v1::ClockAdjustment::kAwaited: {
        step.set_kind(v1::DERIVATION_STEP_KIND_AWAITED);
        const v1::AwaitedAdjustment& awaited = adjustment.awaited();
        step.set_duty_party(awaited.duty_party());
        step.set_publication(awaited.publication());
        const RuleRef theirs{static_cast<int32_t>(awaited.publication()), awaited.rule()};
        auto part = Derive(deadlines, theirs, awaited.duty_party(), FromProto(awaited.start_time()),
                           deadlines.Limit(theirs));
        if (!part.ok()) return part.status();
        const absl::Time carried = FromProto(history.carried_time());
        due = std::max(carried, FromProto(part->result_time()));
        provisional = due > carried && (part->provisional() || part->gaps_size() > 0);
        *step.mutable_derivation() = *std::move(part);
        break;
      }
      case v1::ClockAdjustment::CHANGE_NOT_SET:
        break;
    }
    if (!status.ok()) return status;
    *step.mutable_due_time() = ToProto(due);
    if (paused) step.set_left_seconds(absl::ToInt64Seconds(left));
  }
  if (paused && !clock.live()) {
    v1::DerivationStep& step = *derivation.add_steps();
    step.set_kind(v1::DERIVATION_STEP_KIND_STOPPED);
    *step.mutable_time() = ToProto(clock.stop);
    if (absl::Status status = run_again(clock.stop, &step); !status.ok()) return status;
    *step.mutable_due_time() = ToProto(due);
  }
  *derivation.mutable_result_time() = ToProto(due);
  derivation.set_paused(paused);
  if (paused) derivation.set_left_seconds(absl::ToInt64Seconds(left));
  derivation.set_provisional(provisional);
  return derivation;
}

std::string ExplainInChinese(const v1::ClockDerivation& derivation) {
  std::string text =
      StrCat("工单", derivation.order_number(), "“", ClockNameZh(derivation.clock()), "”时限，责任方",
             derivation.duty_party(), derivation.assist_unit().empty() ? "。\n" : "（协办）。\n");
  // A limit counts from the next whole second: else its two ends would lie up to a second more apart than it.
  const google::protobuf::Timestamp& start =
      derivation.has_limit() ? derivation.limit().start_time() : derivation.start_time();
  text += StrCat("一、起算：", TimeZh(start), "（事件#", derivation.armed_by_sequence(), "）。\n");
  if (derivation.has_limit()) {
    const v1::DeadlineDerivation& limit = derivation.limit();
    text += StrCat("二、时限：", AmountZh(limit.amount()), "，依据时限规则", derivation.policy_version());
    if (!derivation.document().empty()) text += StrCat("（", derivation.document(), "）");
    text +=
        limit.calendar().empty() ? "，按自然时间计算" : StrCat("，按工作日历 ", limit.calendar(), " 计算");
    text += StrCat("，至", TimeZh(limit.result_time()), "届满。\n");
    AddDays(limit, &text);
  } else {
    text += StrCat("二、时限由工单自身载明：", TimeZh(derivation.carried_time()), "。\n");
  }
  int number = 1;
  for (const v1::DerivationStep& step : derivation.steps()) {
    if (number == 1) text += "三、此后的变动：\n";
    text += StrCat("  ", number++, ". ", TimeZh(step.time()));
    text += step.sequence() == 0 ? "，" : StrCat("（事件#", step.sequence(), "）");
    switch (step.kind()) {
      case v1::DERIVATION_STEP_KIND_PAUSED:
        text += step.has_derivation() ? StrCat("挂起，剩余", LeftZh(step), "，停止计时。\n")
                                      : "挂起，此时已超过时限。\n";
        break;
      case v1::DERIVATION_STEP_KIND_RESUMED:
        text += StrCat("恢复计时，时限顺延至", TimeZh(step.due_time()), "。\n");
        break;
      case v1::DERIVATION_STEP_KIND_EXTENDED_UNTIL:
        text += StrCat("批准延期至", TimeZh(step.until_time()), "。\n");
        break;
      case v1::DERIVATION_STEP_KIND_EXTENDED_BY:
        text += StrCat("批准延期", AmountZh(step.derivation().amount()), "，时限至", TimeZh(step.due_time()),
                       "。\n");
        break;
      case v1::DERIVATION_STEP_KIND_MOVED:
        text += StrCat("改按第", step.publication(), "次发布的规则和日历计算。\n");
        break;
      case v1::DERIVATION_STEP_KIND_PASSED:
        text += StrCat(
            "责任转由", step.duty_party(), "，时限不变，",
            step.has_derivation() ? StrCat("剩余", LeftZh(step)) : "仍为" + TimeZh(step.due_time()), "。\n");
        break;
      case v1::DERIVATION_STEP_KIND_AWAITED:
        text += StrCat("对方", step.duty_party(), "已阅知，其受理时限（",
                       AmountZh(step.derivation().amount()), "）至", TimeZh(step.derivation().result_time()),
                       "届满，此前不作存疑或收回，本时限为", TimeZh(step.due_time()), "。\n");
        break;
      case v1::DERIVATION_STEP_KIND_STOPPED:
        text += StrCat("挂起中终止，如此时恢复，时限为", TimeZh(step.due_time()), "。\n");
        break;
      default:
        text += "。\n";
    }
    if (step.has_derivation()) AddDays(step.derivation(), &text);
  }
  text += derivation.paused() ? StrCat("结论：现处于挂起状态，恢复后尚余",
                                       SecondsZh(std::max<int64_t>(0, derivation.left_seconds())), "。\n")
                              : StrCat("结论：时限为", TimeZh(derivation.result_time()), "。\n");
  if (derivation.has_stop_time()) text += StrCat("该时限已于", TimeZh(derivation.stop_time()), "终止。\n");
  if (derivation.breached()) text += "该时限曾被超过，记录永久保留。\n";
  if (derivation.provisional()) text += "所涉日期的放假安排尚未全部公布，公布后可能调整。\n";
  return text;
}

}  // namespace hotline::escalation
