#include "tests/year/plan.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/sim/dice.h"
#include "tests/year/office.h"

namespace hotline::year {
namespace {

using type::v1::Channel;
using type::v1::ClockKind;
using type::v1::OrderType;
using type::v1::Urgency;

const absl::TimeZone kBeijing = absl::FixedTimeZone(8 * 3600);
constexpr int kYear = 2025;

absl::Time DayStart(int day) { return absl::FromCivil(absl::CivilDay(kYear, 1, 1) + day, kBeijing); }

// How a unit goes about its orders, in percent.
struct Unit {
  const char* code;
  int late_sign = 4;
  int late_finish = 6;
  int extends = 4;
  int last_minute = 20;  // of the extensions
  int redone = 4;        // of the results
  int suspends = 2;
  int stuck = 0;  // never answered
  int returns = 2;
};

// One that signs late, one that asks for more time at the last minute, one whose work is not good enough, one
// that stalls, and others.
constexpr Unit kUnits[] = {
    {"zhujianju", 22, 18, 10, 50, 9, 5, 2, 14},
    {"rensheju", 3, 5, 22, 70, 4, 4, 0},
    {"shijianju", 5, 6, 6, 20, 16, 2, 0},
    {"jiaotongju", 35, 12, 5, 20, 5, 2, 1},
    {"huanjingju", 6, 30, 8, 40, 6, 3, 3},
    {"minzhengju"},
    {"nongyeju"},
    {"weijianwei"},
    {"wenlvju"},
    {"yancaoju"},
    {"sifaju"},
    {"ziranju", 8, 15, 12, 30, 5, 6, 1},
    {"xinfangju", 10, 20, 15, 50, 8, 3, 1, 25},
    {"yingjiju"},
    {"dianli", 2, 2, 2, 10, 2, 1, 0},
    {"gongpaishui", 4, 8, 3, 20, 8, 2, 0},
    {"gongre", 6, 12, 3, 20, 10, 2, 0},
    {"tianranqi"},
    {"wuqiazhen", 9, 10, 5, 30, 6, 2, 1},
    {"tuoyunxiang", 15, 12, 5, 30, 5, 2, 1},
};

struct Item {
  const char* code;
  std::array<const char*, 4> units;
  int weight;
};
constexpr Item kItems[] = {
    {"A1", {"zhujianju"}, 16},
    {"A2", {"rensheju"}, 9},
    {"A3", {"shijianju"}, 9},
    {"A4", {"jiaotongju"}, 6},
    {"A5", {"shijianju"}, 3},
    {"A6", {"huanjingju"}, 5},
    {"A7", {"minzhengju", "wuqiazhen"}, 6},
    {"A9", {"nongyeju"}, 1},
    {"A10", {"weijianwei"}, 2},
    {"A11", {"wenlvju"}, 2},
    {"A12", {"yancaoju"}, 1},
    {"A13", {"sifaju"}, 4},
    {"A14", {"ziranju"}, 4},
    {"A15", {"zhujianju"}, 4},
    {"A16", {"xinfangju"}, 3},
    {"A18", {"dianli", "gongpaishui", "gongre", "tianranqi"}, 15},
    {"A19", {"sifaju", "wuqiazhen"}, 4},
    {"A20", {"yingjiju"}, 3},
    {"A22", {"wuqiazhen", "tuoyunxiang"}, 3},
};

struct Township {
  const char* code;
  int weight;
};
constexpr Township kTownships[] = {{"653024100", 46}, {"653024101", 10}, {"653024102", 7}, {"653024200", 6},
                                   {"653024201", 4},  {"653024202", 5},  {"653024203", 9}, {"653024204", 4},
                                   {"653024205", 3},  {"653024207", 3},  {"653024208", 2}, {"653024501", 1}};

// Days on which one thing went wrong for many: so many times the calls, of one item.
struct Surge {
  int day;
  int times;
  const char* item;
};
constexpr Surge kSurges[] = {{9, 4, "A18"},   {10, 6, "A18"}, {38, 3, "A2"},
                             {160, 4, "A18"}, {203, 5, "A1"}, {316, 8, "A18"}};

bool WorksAlways(std::string_view party) {
  constexpr std::string_view kAlways[] = {"12345", "110", "dianli", "gongpaishui", "tianranqi", "gongre"};
  return std::find(std::begin(kAlways), std::end(kAlways), party) != std::end(kAlways);
}

// When a duty that begins at `start` is due, as the table of deadlines says (what is urgent goes by the
// clock).
absl::Time DueOf(ClockKind clock, std::string_view party, Urgency urgency, OrderType type, absl::Time start) {
  const int u = urgency - type::v1::URGENCY_NORMAL;
  const bool always = WorksAlways(party);
  switch (clock) {
    case type::v1::CLOCK_KIND_PEER_ACCEPTANCE:
      if (u == 0) return AddWorked(start, 2 * 3600, /*always=*/false);
      return start + (u == 1 ? absl::Minutes(30) : absl::Minutes(3));
    case type::v1::CLOCK_KIND_SIGN:
      if (u == 0) return CloseAfter(start, 1, always);
      return start + (u == 1 ? absl::Minutes(30) : absl::Minutes(10));
    case type::v1::CLOCK_KIND_FIRST_CONTACT:
      if (u == 0) return CloseAfter(start, 1, always);
      return start + (u == 1 ? absl::Hours(2) : absl::Minutes(30));
    case type::v1::CLOCK_KIND_CALL_BACK:
      return CloseAfter(start, 1, /*always=*/false);
    default:
      break;
  }
  if (u > 0) return start + (u == 1 ? absl::Hours(24) : absl::Hours(2));
  switch (type) {
    case type::v1::ORDER_TYPE_CONSULTATION:
      return CloseAfter(start, 2, always);
    case type::v1::ORDER_TYPE_COMPLAINT:
    case type::v1::ORDER_TYPE_REPORT:
      return CloseAfter(start, 10, always);
    default:
      return CloseAfter(start, 5, always);
  }
}

// Plans, and adds up.
class Author {
 public:
  explicit Author(const Options& options) : options_(options), dice_(options.seed) {
    plan_.start = DayStart(0);
    plan_.end = DayStart(options.days);
    MakePeriods();
  }

  Plan Write() {
    const double per_day = static_cast<double>(options_.orders) / 365;
    for (int day = 0; day < options_.days; ++day) {
      int64_t count = std::max<int64_t>(
          1, static_cast<int64_t>(per_day * static_cast<double>(dice_.Between(80, 112)) / 100));
      const char* surge_item = nullptr;
      for (const Surge& surge : kSurges) {
        if (surge.day != day) continue;
        count *= surge.times;
        surge_item = surge.item;
      }
      for (int64_t i = 0; i < count; ++i) {
        // Between eight and eleven at night.
        Order(DayStart(day) + absl::Hours(8) + absl::Seconds(dice_.Below(15 * 3600)),
              surge_item != nullptr && dice_.Percent(70) ? surge_item : nullptr);
      }
    }
    std::stable_sort(plan_.steps.begin(), plan_.steps.end(),
                     [](const Step& a, const Step& b) { return a.at < b.at; });
    return std::move(plan_);
  }

 private:
  // What is fixed of an order when it comes in.
  struct Matter {
    int order = 0;
    type::v1::OrderContent content;
    const Unit* unit = nullptr;
    const Unit* helper = nullptr;  // assists it
    OrderType type() const { return content.type(); }
    Urgency urgency() const { return content.urgency(); }
    int moves = 0;
    bool returned = false;  // by a unit, once
    bool anonymous() const { return content.caller().anonymous(); }
    absl::Time Due(ClockKind clock, std::string_view party, absl::Time start) const {
      return DueOf(clock, party, urgency(), type(), start);
    }
  };

  void MakePeriods() {
    // Only those that are over when the last orders are done.
    const auto add = [&](std::string name, absl::CivilDay first, absl::CivilDay after) {
      const absl::Time start = absl::FromCivil(first, kBeijing);
      const absl::Time end = absl::FromCivil(after, kBeijing);
      if (start >= plan_.end || end > plan_.end + absl::Hours(24 * 45)) return;
      plan_.periods.push_back({.name = std::move(name), .start = start, .end = end});
    };
    add(absl::StrCat(kYear), absl::CivilDay(kYear, 1, 1), absl::CivilDay(kYear + 1, 1, 1));
    for (int quarter = 0; quarter < 4; ++quarter) {
      add(absl::StrCat(kYear, "-Q", quarter + 1), absl::CivilDay(kYear, quarter * 3 + 1, 1),
          absl::CivilDay(kYear, quarter * 3 + 4, 1));
    }
    for (int month = 1; month <= 12; ++month) {
      add(absl::StrFormat("%d-%02d", kYear, month), absl::CivilDay(kYear, month, 1),
          absl::CivilDay(kYear, month + 1, 1));
    }
    // 6 January 2025 is a Monday, of the year's second week.
    add("2025-W02", absl::CivilDay(kYear, 1, 6), absl::CivilDay(kYear, 1, 13));
    add("2025-01-05..2025-01-11", absl::CivilDay(kYear, 1, 5), absl::CivilDay(kYear, 1, 12));
  }

  // Adding up.

  template <typename Fn>
  void In(absl::Time at, const std::string& party, Fn fn) {
    for (PeriodTruth& period : plan_.periods) {
      if (at < period.start || at >= period.end) continue;
      fn(period.cards[party]);
      fn(period.cards[""]);
    }
  }
  template <typename Fn>
  void InPeriod(absl::Time at, Fn fn) {
    for (PeriodTruth& period : plan_.periods) {
      if (at >= period.start && at < period.end) fn(period);
    }
  }
  static void Count(Share& share, bool hit) {
    ++share.denominator;
    share.numerator += hit;
  }
  void Assigned(const std::string& party, absl::Time at) {
    In(at, party, [](Card& card) { ++card.assigned; });
  }
  // A duty that began, was due, and was fulfilled (or not), or was taken away at `stop`.
  void Duty(const std::string& party, ClockKind clock, absl::Time due, std::optional<absl::Time> fulfilled,
            absl::Time stop = absl::InfiniteFuture(), bool assists = false) {
    if (fulfilled.has_value()) stop = *fulfilled;
    if (fulfilled.has_value() && *fulfilled < due) {
      return In(*fulfilled, party, [&](Card& card) {
        Count(card.clocks[clock], true);
        if (assists) Count(card.assist_clocks[clock], true);
      });
    }
    if (stop < due) return;
    In(due, party, [&](Card& card) {
      Count(card.clocks[clock], false);
      if (assists) Count(card.assist_clocks[clock], false);
      ++card.missed;
    });
    InPeriod(due, [&](PeriodTruth& period) {
      if (stop >= period.end) ++period.still_open[party];
    });
  }
  // The same of an assisting unit.
  void Assistance(const std::string& party, ClockKind clock, absl::Time due,
                  std::optional<absl::Time> fulfilled, absl::Time stop = absl::InfiniteFuture()) {
    Duty(party, clock, due, fulfilled, stop, /*assists=*/true);
  }
  void Result(const std::string& party, bool unit, absl::Time at, absl::Duration worked, bool extended) {
    In(at, party, [&](Card& card) {
      card.minutes.push_back(absl::ToInt64Minutes(worked));
      Count(card.extended, extended);
      if (unit) Count(card.returns, false);
    });
  }
  void Verdict(const std::string& party, absl::Time at, bool redo) {
    In(at, party, [&](Card& card) { Count(card.redos, redo); });
  }
  void Closing(const std::string& party, absl::Time at, int moves) {
    In(at, party, [&](Card& card) {
      ++card.moves.denominator;
      card.moves.numerator += moves;
    });
  }
  void Answered(const std::string& party, absl::Time at, bool returned) {
    In(at, party, [&](Card& card) { Count(card.returns, returned); });
  }

  // Planning.

  type::v1::Command& Do(absl::Time at, int site, const Matter& matter) {
    plan_.steps.push_back({.at = at, .site = site, .order = matter.order});
    return plan_.steps.back().command;
  }
  absl::Duration Minutes(int64_t low, int64_t high) {
    return absl::Seconds(dice_.Between(low * 60, high * 60));
  }
  // `start` and a part of `length`, in percent.
  absl::Time Part(absl::Time start, absl::Duration length, int low, int high) {
    return start + absl::Seconds(absl::ToInt64Seconds(length) * dice_.Between(low, high) / 100);
  }
  // Whether something came before or after its deadline must not hang on how long a message travels; nor must
  // the period.
  static absl::Time Clear(absl::Time at, absl::Time due) {
    if (absl::AbsDuration(at - due) < absl::Minutes(3)) at = due + absl::Minutes(3);
    const absl::TimeZone::CivilInfo civil = kBeijing.At(at);
    const int minute = civil.cs.hour() * 60 + civil.cs.minute();
    return minute < 2 || minute >= 24 * 60 - 2 ? at + absl::Minutes(5) : at;
  }

  Matter NewMatter(const char* forced_item, bool police) {
    Matter matter;
    matter.order = plan_.order_count++;
    type::v1::OrderContent& content = matter.content;
    const int64_t type = dice_.Below(100);
    content.set_type(type < 34   ? type::v1::ORDER_TYPE_CONSULTATION
                     : type < 64 ? type::v1::ORDER_TYPE_HELP
                     : type < 82 ? type::v1::ORDER_TYPE_COMPLAINT
                     : type < 91 ? type::v1::ORDER_TYPE_REPORT
                     : type < 97 ? type::v1::ORDER_TYPE_SUGGESTION
                     : type < 99 ? type::v1::ORDER_TYPE_PRAISE
                                 : type::v1::ORDER_TYPE_OTHER);
    const int64_t channel = dice_.Below(100);
    content.set_channel(channel < 72   ? type::v1::CHANNEL_PHONE
                        : channel < 88 ? type::v1::CHANNEL_WEB
                        : channel < 95 ? type::v1::CHANNEL_SMS
                                       : type::v1::CHANNEL_ON_SCENE);
    const int64_t urgency = dice_.Below(200);
    content.set_urgency(urgency < 186   ? type::v1::URGENCY_NORMAL
                        : urgency < 198 ? type::v1::URGENCY_URGENT
                                        : type::v1::URGENCY_EMERGENCY);
    content.set_title(absl::StrCat("诉求", matter.order));
    content.set_text("全年模拟");
    // A few call again and again.
    if (dice_.Percent(8)) {
      content.mutable_caller()->set_anonymous(true);
    } else {
      const int64_t pool = std::max(50, options_.orders / 4);
      const int64_t caller =
          dice_.Percent(12) ? dice_.Below(std::max<int64_t>(5, pool / 80)) : dice_.Below(pool);
      content.mutable_caller()->set_phone(absl::StrFormat("139%08d", caller));
    }
    int64_t at_township = dice_.Below(100);
    for (const Township& township : kTownships) {
      content.mutable_place()->set_township_code(township.code);
      if ((at_township -= township.weight) < 0) break;
    }
    if (police) {
      content.mutable_catalogue()->set_item(absl::StrCat("B", dice_.Between(2, 6)));
    } else {
      int64_t total = 0;
      for (const Item& item : kItems) total += item.weight;
      int64_t left = dice_.Below(total);
      for (const Item& item : kItems) {
        left -= item.weight;
        if (forced_item != nullptr ? item.code != std::string_view(forced_item) : left >= 0) continue;
        content.mutable_catalogue()->set_item(item.code);
        size_t units = 0;
        while (units < item.units.size() && item.units[units] != nullptr) ++units;
        const std::string_view code = item.units[dice_.Below(static_cast<int64_t>(units))];
        for (const Unit& unit : kUnits) {
          if (unit.code == code) matter.unit = &unit;
        }
        break;
      }
    }
    content.mutable_catalogue()->set_version("wuqia-2024-6");
    return matter;
  }

  void Registered(const Matter& matter, absl::Time at, bool from_peer) {
    InPeriod(at, [&](PeriodTruth& period) {
      ++period.registered;
      period.from_peers += from_peer;
      const std::string& item = matter.content.catalogue().item();
      ++period.items[item];
      const absl::CivilDay day(kBeijing.At(at).cs);
      const int number = static_cast<int>(day - absl::CivilDay(1970, 1, 1));
      // 1 January 1970 was a Thursday.
      ++period.spots[{item, matter.content.place().township_code(), number - (number + 3) % 7}];
      if (!matter.content.caller().anonymous()) ++period.callers[matter.content.caller().phone()];
    });
  }

  void Order(absl::Time at, const char* item) {
    const int64_t draw = dice_.Below(2000);
    at = Clear(at, absl::InfinitePast());
    if (draw < 140) return From110(NewMatter(item, false), at);
    if (draw < 150) return To110(NewMatter(nullptr, true), at);
    Matter matter = NewMatter(item, false);
    *Do(at, k12345, matter).mutable_registration()->mutable_content() = matter.content;
    Registered(matter, at, false);
    const absl::Time accepted = Clear(at + absl::Seconds(dice_.Between(20, 240)), absl::InfinitePast());
    if (dice_.Percent(2)) {  // registered in error
      Do(accepted, k12345, matter).mutable_cancellation()->set_reason("登记有误");
      return;
    }
    Do(accepted, k12345, matter).mutable_acceptance();
    Assigned("12345", accepted);
    const bool answered_at_once = matter.type() == type::v1::ORDER_TYPE_PRAISE ||
                                  (matter.type() == type::v1::ORDER_TYPE_CONSULTATION && dice_.Percent(45));
    if (answered_at_once) {
      const absl::Time replied = accepted + Minutes(2, 20);
      Reply(matter, k12345, replied);
      DeskEnds(matter, accepted, replied, /*by_result=*/true);
      Result("12345", false, replied, replied - accepted, false);
      return Finish(matter, k12345, "12345", nullptr, replied);
    }
    const absl::Time dispatched = DispatchTime(matter, accepted);
    DeskEnds(matter, accepted, dispatched, /*by_result=*/false);
    Work(matter, k12345, dispatched);
  }

  absl::Time DispatchTime(const Matter& matter, absl::Time accepted) {
    return Clear(accepted + (matter.urgency() == type::v1::URGENCY_NORMAL ? Minutes(4, 90) : Minutes(1, 3)),
                 absl::InfinitePast());
  }

  // The hotline had the order itself from `begin` to `end`: its result, or the dispatch to a unit.
  void DeskEnds(const Matter& matter, absl::Time begin, absl::Time end, bool by_result) {
    Duty("12345", type::v1::CLOCK_KIND_FINISH, matter.Due(type::v1::CLOCK_KIND_FINISH, "12345", begin),
         by_result ? std::optional(end) : std::nullopt, end);
    Uncontacted(matter, "12345", begin, end);
  }
  // Nobody called the caller while the party had the order.
  void Uncontacted(const Matter& matter, const std::string& party, absl::Time begin, absl::Time end) {
    if (matter.anonymous()) return;
    Duty(party, type::v1::CLOCK_KIND_FIRST_CONTACT,
         matter.Due(type::v1::CLOCK_KIND_FIRST_CONTACT, party, begin), std::nullopt, end);
  }

  void Reply(const Matter& matter, int site, absl::Time at) {
    type::v1::Reply& reply = *Do(at, site, matter).mutable_completion()->mutable_reply();
    reply.set_disposition(type::v1::DISPOSITION_RESOLVED);
    reply.set_public_reply("已办理");
  }

  // A unit of 12345's works on it from the dispatch on; `origin` calls back and closes.
  void Work(Matter& matter, int origin, absl::Time dispatched) {
    const Unit& unit = *matter.unit;
    const bool always = WorksAlways(unit.code);
    matter.helper = nullptr;
    if (matter.urgency() == type::v1::URGENCY_NORMAL && dice_.Percent(8)) {
      // By the same hours, so that both have the same deadlines.
      do {
        matter.helper = &kUnits[dice_.Below(std::size(kUnits))];
      } while (matter.helper == &unit || WorksAlways(matter.helper->code) != always);
    }
    type::v1::UnitDispatch& dispatch = *Do(dispatched, k12345, matter).mutable_unit_dispatch();
    dispatch.set_lead_unit(unit.code);
    if (matter.helper != nullptr) {
      dispatch.add_assist_units(matter.helper->code);
      In(dispatched, matter.helper->code, [](Card& card) { ++card.assisted; });
    }
    ++matter.moves;
    Assigned(unit.code, dispatched);
    const absl::Time sign_due = matter.Due(type::v1::CLOCK_KIND_SIGN, unit.code, dispatched);
    const absl::Duration sign_limit = sign_due - dispatched;
    if (matter.urgency() == type::v1::URGENCY_NORMAL && !matter.returned && dice_.Percent(unit.returns)) {
      // Not ours: back to the desk, which finds another unit before anything is due.
      const absl::Time back = Clear(Part(dispatched, sign_limit, 3, 50), sign_due);
      type::v1::UnitReturn& unit_return = *Do(back, k12345, matter).mutable_unit_return();
      unit_return.set_unit(unit.code);
      unit_return.set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
      unit_return.set_reason("不属本单位职责");
      In(back, unit.code, [](Card& card) { Count(card.returns, true); });
      ++matter.moves;
      matter.returned = true;
      do {
        matter.unit = &kUnits[dice_.Below(std::size(kUnits))];
      } while (matter.unit == &unit);
      const absl::Time again = Clear(back + Minutes(5, 60), sign_due);
      Duty(unit.code, type::v1::CLOCK_KIND_FINISH,
           matter.Due(type::v1::CLOCK_KIND_FINISH, unit.code, dispatched), std::nullopt, again);
      Uncontacted(matter, unit.code, dispatched, again);
      if (matter.helper != nullptr) {
        // Nothing is left to assist in.
        Assistance(matter.helper->code, type::v1::CLOCK_KIND_SIGN, sign_due, std::nullopt, back);
        Assistance(matter.helper->code, type::v1::CLOCK_KIND_FINISH,
                   matter.Due(type::v1::CLOCK_KIND_FINISH, matter.helper->code, dispatched), std::nullopt,
                   back);
      }
      return Work(matter, origin, again);
    }
    const bool late_sign = dice_.Percent(unit.late_sign);
    const absl::Time signed_at = Clear(
        late_sign ? Part(sign_due, sign_limit, 10, 150) : Part(dispatched, sign_limit, 5, 75), sign_due);
    absl::Time due = matter.Due(type::v1::CLOCK_KIND_FINISH, unit.code, dispatched);
    const absl::Duration limit = due - dispatched;
    Do(signed_at, k12345, matter).mutable_signature()->set_unit(unit.code);
    Duty(unit.code, type::v1::CLOCK_KIND_SIGN, sign_due, signed_at);

    absl::Duration paused;
    int64_t paused_work = 0;
    bool extended = false;
    absl::Time at = signed_at;  // of the latest step
    // A few never call; they answer all the same.
    const absl::Time contact_due = matter.Due(type::v1::CLOCK_KIND_FIRST_CONTACT, unit.code, dispatched);
    const bool contacts = !dice_.Percent(5);
    if (contacts) {
      at = Clear(signed_at + Minutes(4, 40), contact_due);
      Do(at, k12345, matter).mutable_caller_contact()->set_reached(true);
      if (!matter.anonymous()) Duty(unit.code, type::v1::CLOCK_KIND_FIRST_CONTACT, contact_due, at);
    }
    // Whoever signed after the deadline for the whole asks for nothing any more.
    const bool room = contacts && due - at > limit / 3 && matter.helper == nullptr;
    const bool by_days = matter.urgency() == type::v1::URGENCY_NORMAL;
    if (room && dice_.Percent(unit.suspends)) {
      const absl::Time suspend = Clear(std::max(Part(at, due - at, 10, 50), at + absl::Minutes(5)), due);
      const absl::Time resume = Clear(suspend + Minutes(6 * 60, 72 * 60), due);
      const absl::Time review = resume + absl::Hours(24);
      type::v1::Suspension& suspension = *Do(suspend, k12345, matter).mutable_suspension();
      suspension.set_reason("等待群众补充材料");
      suspension.set_approved_by("9001");
      suspension.mutable_review_time()->set_seconds(absl::ToUnixSeconds(review));
      Do(resume, k12345, matter).mutable_resumption();
      Duty("12345", type::v1::CLOCK_KIND_SUSPENSION_REVIEW, review, resume);
      // What was left is left: in seconds of work where the limit is in days of work.
      due = by_days ? AddWorked(resume, Worked(suspend, due, always), always) : resume + (due - suspend);
      paused = resume - suspend;
      paused_work = Worked(suspend, resume, always);
      at = resume;
    } else if (room && by_days && dice_.Percent(unit.extends)) {
      const absl::Time last_tenth = SubtractWorked(due, Worked(dispatched, due, always) / 10, always);
      const bool last_minute = dice_.Percent(unit.last_minute);
      absl::Time asked =
          last_minute ? Part(last_tenth, due - last_tenth, 10, 70) : Part(dispatched, limit, 40, 80);
      asked = Clear(std::max(asked, at + absl::Minutes(10)), last_tenth);
      if (asked < due - absl::Minutes(30)) {
        const bool late = asked >= last_tenth;
        const absl::Time until = due + absl::Hours(dice_.Between(24, 120));
        type::v1::ExtensionRequest& request = *Do(asked, k12345, matter).mutable_extension_request();
        request.mutable_until_time()->set_seconds(absl::ToUnixSeconds(until));
        request.set_ground("情况复杂");
        at = asked + absl::Minutes(10);
        type::v1::ExtensionDecision& decision = *Do(at, k12345, matter).mutable_extension_decision();
        decision.set_approved(true);
        decision.mutable_until_time()->set_seconds(absl::ToUnixSeconds(until));
        decision.set_caller_told(true);
        In(asked, unit.code, [&](Card& card) { Count(card.last_minute, late); });
        extended = true;
        due = until;
      }
    }
    if (dice_.Percent(unit.stuck)) {
      if (matter.helper != nullptr)
        Assist(matter, dispatched, signed_at, sign_due, due, absl::InfiniteFuture());
      Duty(unit.code, type::v1::CLOCK_KIND_FINISH, due, std::nullopt);
      if (!contacts) Uncontacted(matter, unit.code, dispatched, absl::InfiniteFuture());
      return;
    }
    const bool late = dice_.Percent(unit.late_finish);
    absl::Time replied =
        late || at >= due ? Part(std::max(at, due), limit, 8, 120) : Part(at, due - at, 15, 85);
    replied = Clear(std::max(replied, at + absl::Minutes(5)), due);
    if (!contacts && !matter.anonymous()) replied = Clear(replied, contact_due);
    Do(Part(at, replied - at, 40, 60), k12345, matter).mutable_progress()->set_note("已到现场核实");
    Reply(matter, k12345, replied);
    if (!contacts) Uncontacted(matter, unit.code, dispatched, replied);
    if (matter.helper != nullptr) Assist(matter, dispatched, signed_at, sign_due, due, replied);
    Duty(unit.code, type::v1::CLOCK_KIND_FINISH, due, replied);
    const absl::Duration worked = always ? replied - dispatched - paused
                                         : absl::Seconds(Worked(dispatched, replied, false) - paused_work);
    Result(unit.code, true, replied, worked, extended);
    Finish(matter, origin, unit.code, &unit, replied);
  }

  // What the assisting unit does until the lead unit replies: it signs, and mostly says when its part is
  // done.
  void Assist(const Matter& matter, absl::Time dispatched, absl::Time lead_signed, absl::Time sign_due,
              absl::Time due, absl::Time replied) {
    const Unit& helper = *matter.helper;
    const absl::Duration sign_limit = sign_due - dispatched;
    const absl::Time signed_at = Clear(dice_.Percent(helper.late_sign) ? Part(sign_due, sign_limit, 10, 100)
                                                                       : Part(dispatched, sign_limit, 5, 75),
                                       sign_due);
    const absl::Duration length =
        (replied == absl::InfiniteFuture() ? due : replied) - std::max(signed_at, lead_signed);
    const bool reports = dice_.Percent(75) && length > absl::Minutes(30);
    const absl::Time done = Clear(std::max(signed_at, lead_signed) + absl::Minutes(6) +
                                      absl::Seconds(absl::ToInt64Seconds(std::max(length, absl::Minutes(1))) *
                                                    dice_.Between(5, 80) / 100),
                                  due);
    if (signed_at + absl::Minutes(5) >= replied) {
      // The lead unit was faster than that.
      Assistance(helper.code, type::v1::CLOCK_KIND_SIGN, sign_due, std::nullopt, replied);
      return Assistance(helper.code, type::v1::CLOCK_KIND_FINISH, due, replied);
    }
    Do(signed_at, k12345, matter).mutable_signature()->set_unit(helper.code);
    Assistance(helper.code, type::v1::CLOCK_KIND_SIGN, sign_due, signed_at);
    if (reports && done + absl::Minutes(5) < replied) {
      type::v1::Progress& progress = *Do(done, k12345, matter).mutable_progress();
      progress.set_unit(helper.code);
      progress.set_part_done(true);
      progress.set_note("协办事项已完成");
      return Assistance(helper.code, type::v1::CLOCK_KIND_FINISH, due, done);
    }
    // The reply is that of both.
    const bool ever = replied != absl::InfiniteFuture();
    Assistance(helper.code, type::v1::CLOCK_KIND_FINISH, due, ever ? std::optional(replied) : std::nullopt);
  }

  // The origin calls back, and closes or demands that it be done again.
  void Finish(Matter& matter, int origin, const std::string& replier, const Unit* unit, absl::Time replied) {
    const absl::Time call_due = matter.Due(type::v1::CLOCK_KIND_CALL_BACK, "12345", replied);
    const absl::Time called = Clear(replied + Minutes(60, 26 * 60), call_due);
    const bool redo = unit != nullptr && dice_.Percent(unit->redone);
    type::v1::CallBack& call = *Do(called, origin, matter).mutable_call_back_record()->mutable_call_back();
    call.set_reached(true);
    call.set_settled(!redo);
    call.set_satisfaction(redo ? 2 : 5);
    if (origin == k110) {
      // The result was back at 110 in a moment.
      Duty("12345", type::v1::CLOCK_KIND_RESULT_BACK, absl::InfiniteFuture(), called);
    } else if (!matter.anonymous()) {
      Duty("12345", type::v1::CLOCK_KIND_CALL_BACK, call_due, called);
    }
    const absl::Time decided = called + absl::Minutes(10);
    if (!redo) {
      Do(decided, origin, matter).mutable_closure();
      Verdict(replier, decided, false);
      Closing(replier, decided, matter.moves);
      return;
    }
    Do(decided, origin, matter).mutable_redo_demand()->set_reason("群众不认可");
    Verdict(replier, decided, true);
    const absl::Time due = matter.Due(type::v1::CLOCK_KIND_FINISH, replier, decided);
    absl::Time again = Clear(Part(decided, due - decided, 10, dice_.Percent(15) ? 140 : 80), due);
    if (!matter.anonymous()) {
      again = Clear(again, matter.Due(type::v1::CLOCK_KIND_FIRST_CONTACT, replier, decided));
    }
    // Half a minute away from a whole one: the demand may have come from the other site, some milliseconds
    // later.
    again = decided + absl::Floor(again - decided, absl::Minutes(1)) + absl::Seconds(30);
    Reply(matter, k12345, again);
    Uncontacted(matter, replier, decided, again);
    Duty(replier, type::v1::CLOCK_KIND_FINISH, due, again);
    if (matter.helper != nullptr) Assistance(matter.helper->code, type::v1::CLOCK_KIND_FINISH, due, again);
    const bool always = WorksAlways(replier);
    Result(replier, true, again, always ? again - decided : absl::Seconds(Worked(decided, again, false)),
           false);
    const absl::Time second_due = matter.Due(type::v1::CLOCK_KIND_CALL_BACK, "12345", again);
    const absl::Time closed = Clear(again + Minutes(60, 20 * 60), second_due);
    Do(closed, origin, matter).mutable_closure();
    if (origin == k110) {
      Duty("12345", type::v1::CLOCK_KIND_RESULT_BACK, absl::InfiniteFuture(), closed);
    } else if (!matter.anonymous()) {
      Duty("12345", type::v1::CLOCK_KIND_CALL_BACK, second_due, std::nullopt, closed);
    }
    Verdict(replier, closed, false);
    Closing(replier, closed, matter.moves);
  }

  // When a peer answers an offer of `at`: in any case before the giver asks for it back.
  absl::Time AnswerTime(const Matter& matter, absl::Time at, absl::Time due, int late) {
    switch (matter.urgency()) {
      case type::v1::URGENCY_EMERGENCY:
        return at + absl::Seconds(dice_.Between(20, 150));
      case type::v1::URGENCY_URGENT:
        return at + Minutes(2, 25);
      default:
        break;
    }
    const absl::Time answered = Clear(at + (dice_.Percent(late) ? Minutes(125, 210) : Minutes(4, 100)), due);
    // Nor at the instant at which the giver begins to doubt.
    return Clear(answered, at + absl::Hours(2));
  }

  // Registered at 110 and pushed to 12345.
  void From110(Matter matter, absl::Time at) {
    ++plan_.from_110;
    type::v1::Command& push = Do(at, k110, matter);
    *push.mutable_registration()->mutable_content() = matter.content;
    push.mutable_offer()->set_to_hotline("12345");
    Registered(matter, at, true);
    Assigned("12345", at);
    const absl::Time due = matter.Due(type::v1::CLOCK_KIND_PEER_ACCEPTANCE, "12345", at);
    const absl::Time answered = AnswerTime(matter, at, due, 6);
    Duty("12345", type::v1::CLOCK_KIND_PEER_ACCEPTANCE, due, answered);
    if (matter.urgency() == type::v1::URGENCY_NORMAL && dice_.Percent(8)) {
      Answered("12345", answered, true);
      type::v1::HandoffReturn& back = *Do(answered, k12345, matter).mutable_handoff_return();
      back.set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
      back.set_reason("涉及治安，不属政务");
      const absl::Time next = Clear(answered + Minutes(20, 60), absl::InfinitePast());
      if (dice_.Percent(25)) {
        ++plan_.disputes;
        Do(next, k110, matter).mutable_dispute()->set_reason("不涉及警情");
        InPeriod(next, [](PeriodTruth& period) { ++period.disputes; });
      } else {
        Do(next, k110, matter).mutable_acceptance();
      }
      const absl::Time done = next + Minutes(60, 1200);
      Reply(matter, k110, done);
      Do(done + Minutes(30, 600), k110, matter).mutable_closure();
      return;
    }
    Answered("12345", answered, false);
    ++matter.moves;
    Do(answered, k12345, matter).mutable_acceptance();
    const absl::Time dispatched = DispatchTime(matter, answered);
    DeskEnds(matter, answered, dispatched, /*by_result=*/false);
    Work(matter, k110, dispatched);
  }

  // Registered at 12345 and pushed to 110.
  void To110(Matter matter, absl::Time at) {
    ++plan_.to_110;
    type::v1::Command& push = Do(at, k12345, matter);
    *push.mutable_registration()->mutable_content() = matter.content;
    push.mutable_offer()->set_to_hotline("110");
    Registered(matter, at, false);
    InPeriod(at, [](PeriodTruth& period) { ++period.to_peers; });
    Assigned("110", at);
    Duty("110", type::v1::CLOCK_KIND_PEER_RECEIPT, at + absl::Hours(1), at);
    const absl::Time due = matter.Due(type::v1::CLOCK_KIND_PEER_ACCEPTANCE, "110", at);
    const absl::Time answered = AnswerTime(matter, at, due, 10);
    Duty("110", type::v1::CLOCK_KIND_PEER_ACCEPTANCE, due, answered);
    // In doubt meanwhile, once the peer's working time was over: the desk had two hours from then on to
    // telephone.
    const absl::Time doubted = std::max(due, at + absl::Hours(2));
    if (answered > doubted) {
      Duty("12345", type::v1::CLOCK_KIND_VOICE, doubted + absl::Hours(2), answered);
    }
    if (matter.urgency() == type::v1::URGENCY_NORMAL && dice_.Percent(12)) {
      Answered("110", answered, true);
      type::v1::HandoffReturn& back = *Do(answered, k110, matter).mutable_handoff_return();
      back.set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
      back.set_reason("不涉及警情");
      ++matter.moves;
      const absl::Time disputed = Clear(answered + Minutes(20, 60), absl::InfinitePast());
      ++plan_.disputes;
      Do(disputed, k12345, matter).mutable_dispute()->set_reason("涉及治安，不属政务");
      InPeriod(disputed, [](PeriodTruth& period) { ++period.disputes; });
      const absl::Time ruled = Clear(disputed + Minutes(24 * 60, 12 * 24 * 60), absl::InfinitePast());
      type::v1::Ruling& ruling = *Do(ruled, k12345, matter).mutable_ruling();
      matter.unit = &kUnits[0];
      ruling.set_unit(matter.unit->code);
      ruling.set_ground("权责清单");
      ruling.set_reference("联席〔2025〕1号");
      ruling.set_ruled_by("联席会议");
      InPeriod(ruled, [](PeriodTruth& period) { ++period.rulings; });
      const absl::Time dispatched = Clear(ruled + Minutes(10, 60), absl::InfinitePast());
      DeskEnds(matter, disputed, dispatched, /*by_result=*/false);
      matter.returned = true;  // after a ruling there is no return
      return Work(matter, k12345, dispatched);
    }
    Answered("110", answered, false);
    ++matter.moves;
    Do(answered, k110, matter).mutable_acceptance();
    const absl::Time dispatched = answered + absl::Minutes(1);
    Do(dispatched, k110, matter).mutable_unit_dispatch()->set_lead_unit("zhian");
    ++matter.moves;
    Do(dispatched + absl::Minutes(2), k110, matter).mutable_signature()->set_unit("zhian");
    const absl::Time finish_due = matter.Due(type::v1::CLOCK_KIND_FINISH, "110", dispatched);
    absl::Time replied =
        Clear(Part(dispatched, finish_due - dispatched, 5, dice_.Percent(15) ? 130 : 70), finish_due);
    // What is mirrored comes some milliseconds later: half a minute is far from the next whole one.
    replied = answered + absl::Floor(replied - answered, absl::Minutes(1)) + absl::Seconds(30);
    Reply(matter, k110, replied);
    Duty("110", type::v1::CLOCK_KIND_FINISH, finish_due, replied);
    Result("110", false, replied, replied - answered, false);
    Finish(matter, k12345, "110", nullptr, replied);
  }

  const Options options_;
  sim::Dice dice_;
  Plan plan_;
};

}  // namespace

Plan MakePlan(const Options& options) { return Author(options).Write(); }

}  // namespace hotline::year
