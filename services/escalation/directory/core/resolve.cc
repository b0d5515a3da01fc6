#include "services/escalation/directory/core/resolve.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "common/base/text.h"

namespace hotline::escalation::directory {
namespace {

using type::v1::Rung;

struct Name {
  std::string_view en, zh;
};

Name NameOf(v1::RecipientVia via) {
  switch (via) {
    case v1::RECIPIENT_VIA_LEADER:
      return {"leader", "分管领导"};
    case v1::RECIPIENT_VIA_HANDLER:
      return {"handler", "具体负责干部"};
    case v1::RECIPIENT_VIA_DEPUTY:
      return {"deputy", "副手"};
    case v1::RECIPIENT_VIA_DUTY:
      return {"person on duty", "值班人员"};
    case v1::RECIPIENT_VIA_SUPERVISOR:
      return {"supervisor", "热线督办员"};
    case v1::RECIPIENT_VIA_PARENT:
      return {"leader", "分管领导"};
    default:
      return {"person", "人员"};
  }
}

class Resolver {
 public:
  Resolver(const Directory& directory, const Reach& reach, const Query& query)
      : directory_(directory), reach_(reach), query_(query) {
    const v1::DirectoryUnit* unit = directory.FindUnit(query.unit);
    answer_.office_hours = unit == nullptr || reach.hours->IsOpen(unit->calendar(), query.at);
  }

  Answer Run() {
    using enum v1::RecipientCapacity;
    switch (query_.rung) {
      case type::v1::RUNG_REMIND:
      case type::v1::RUNG_DOUBT:
        Add(Handler(), RECIPIENT_CAPACITY_TO);
        break;
      case type::v1::RUNG_URGE:
      case type::v1::RUNG_KEEP:
        Add(Handler(), RECIPIENT_CAPACITY_TO);
        Add(Leader(), RECIPIENT_CAPACITY_COPY);
        break;
      case type::v1::RUNG_SUPERVISE:
        Add(Leader(), RECIPIENT_CAPACITY_TO);
        Add(Handler(), RECIPIENT_CAPACITY_COPY);
        Add(Supervisors(), RECIPIENT_CAPACITY_COPY);
        break;
      case type::v1::RUNG_CIRCULATE:
      case type::v1::RUNG_DISCIPLINE:
        Add(Supervisors(), RECIPIENT_CAPACITY_TO);
        Add(ByRole(reach_.hotline, v1::STAFF_ROLE_LEADER, v1::RECIPIENT_VIA_LEADER, false),
            RECIPIENT_CAPACITY_COPY);
        break;
      default:
        break;
    }
    const bool anybody = std::any_of(answer_.recipients.begin(), answer_.recipients.end(),
                                     [](const auto& one) { return one.capacity() == RECIPIENT_CAPACITY_TO; });
    if (!anybody) answer_.recipients.clear();
    return std::move(answer_);
  }

 private:
  using Found = std::vector<v1::Recipient>;

  Found Handler() {
    if (Accused(query_.unit)) return Supervisors();
    const std::string& unit = query_.unit;
    if (answer_.office_hours) {
      return First({[&] { return ByRole(unit, v1::STAFF_ROLE_HANDLER, v1::RECIPIENT_VIA_HANDLER, false); },
                    [&] { return ByRole(unit, v1::STAFF_ROLE_DEPUTY, v1::RECIPIENT_VIA_DEPUTY, false); },
                    [&] { return OnDuty(unit); }});
    }
    return First({[&] { return OnDuty(unit); },
                  [&] { return ByRole(unit, v1::STAFF_ROLE_HANDLER, v1::RECIPIENT_VIA_HANDLER, false); },
                  [&] { return ByRole(unit, v1::STAFF_ROLE_DEPUTY, v1::RECIPIENT_VIA_DEPUTY, false); }});
  }

  Found Leader() {
    if (Accused(query_.unit)) return Supervisors();
    const std::string& unit = query_.unit;
    Found found =
        First({[&] { return ByRole(unit, v1::STAFF_ROLE_LEADER, v1::RECIPIENT_VIA_LEADER, false); },
               [&] { return answer_.office_hours ? Found() : OnDuty(unit); },
               [&] { return ByRole(unit, v1::STAFF_ROLE_DEPUTY, v1::RECIPIENT_VIA_DEPUTY, false); }});
    const v1::DirectoryUnit* below = directory_.FindUnit(unit);
    while (found.empty() && below != nullptr && !below->parent().empty()) {
      found = ByRole(below->parent(), v1::STAFF_ROLE_LEADER, v1::RECIPIENT_VIA_PARENT, false);
      below = directory_.FindUnit(below->parent());
    }
    return found;
  }

  Found Supervisors() {
    const std::string& own = reach_.hotline;
    return First({[&] { return ByRole(own, v1::STAFF_ROLE_SUPERVISOR, v1::RECIPIENT_VIA_SUPERVISOR, true); },
                  [&] { return ByRole(own, v1::STAFF_ROLE_LEADER, v1::RECIPIENT_VIA_LEADER, false); },
                  [&] { return ByRole(own, v1::STAFF_ROLE_DEPUTY, v1::RECIPIENT_VIA_DEPUTY, false); }});
  }

  template <size_t n>
  static Found First(std::function<Found()> const (&choices)[n]) {
    for (const auto& choice : choices) {
      if (Found found = choice(); !found.empty()) return found;
    }
    return {};
  }

  // Those who have the role now and can be reached, in the order of their ids: all, or the first.
  Found ByRole(const std::string& unit, v1::StaffRole role, v1::RecipientVia via, bool all) {
    Found found;
    bool any = false;
    for (const v1::RoleAssignment* one : directory_.RolesAt(unit)) {
      if (one->role() != role || !PeriodOf(one->validity()).Holds(query_.at)) continue;
      any = true;
      if (all || found.empty()) Consider(one->person(), unit, via, &found);
    }
    if (!any) Nobody(unit, via);
    return found;
  }

  Found OnDuty(const std::string& unit) {
    Found found;
    bool any = false;
    for (const v1::DutyShift* one : directory_.DutiesAt(unit)) {
      if (!PeriodOf(one->validity()).Holds(query_.at)) continue;
      any = true;
      Consider(one->person(), unit, v1::RECIPIENT_VIA_DUTY, &found);
    }
    if (!any) Nobody(unit, v1::RECIPIENT_VIA_DUTY);
    return found;
  }

  void Consider(const std::string& id, const std::string& unit, v1::RecipientVia via, Found* found) {
    const v1::Person* person = directory_.FindPerson(id);
    const Name name = NameOf(via);
    const auto pass = [&](std::string_view english, std::string_view chinese) {
      Pass(StrCat(name.en, " ", id, " of ", unit, " ", english), StrCat(unit, "的", name.zh, id, chinese));
    };
    if (person == nullptr || !PeriodOf(person->validity()).Holds(query_.at)) {
      return pass("is not there then", "届时不在任");
    }
    if (Accused(unit) || Accused(person->unit())) return pass("is of the accused unit", "属于被投诉单位");
    v1::Recipient recipient;
    *recipient.mutable_person() = *person;
    recipient.mutable_person()->clear_contacts();
    for (const v1::Contact& contact : person->contacts()) {
      const bool usable =
          contact.channel() == v1::CONTACT_CHANNEL_DESKTOP ||
          (contact.channel() == v1::CONTACT_CHANNEL_WEBHOOK && reach_.webhooks.contains(contact.webhook()));
      if (usable) *recipient.mutable_person()->add_contacts() = contact;
    }
    if (recipient.person().contacts().empty()) {
      return pass("has no contact that this site can use", "没有本平台可用的联系方式");
    }
    recipient.set_via(via);
    recipient.set_unit(unit);
    found->push_back(std::move(recipient));
  }

  void Nobody(const std::string& unit, v1::RecipientVia via) {
    const Name name = NameOf(via);
    Pass(StrCat(unit, " has no ", name.en, " then"), StrCat(unit, "届时没有", name.zh));
  }
  void Pass(std::string english, std::string chinese) {
    for (const PassedOver& known : answer_.passed_over) {
      if (known.english == english) return;
    }
    answer_.passed_over.push_back({std::move(english), std::move(chinese)});
  }

  bool Accused(std::string_view unit) const {
    return std::any_of(query_.accused_units.begin(), query_.accused_units.end(),
                       [&](const std::string& accused) { return directory_.IsWithin(unit, accused); });
  }

  void Add(Found found, v1::RecipientCapacity capacity) {
    for (v1::Recipient& one : found) {
      const bool known =
          std::any_of(answer_.recipients.begin(), answer_.recipients.end(),
                      [&](const auto& other) { return other.person().id() == one.person().id(); });
      if (known) continue;
      one.set_capacity(capacity);
      answer_.recipients.push_back(std::move(one));
    }
  }

  const Directory& directory_;
  const Reach& reach_;
  const Query& query_;
  Answer answer_;
};

void AddTimes(const v1::Validity& validity, std::set<absl::Time>* times) {
  const Period period = PeriodOf(validity);
  times->insert({period.from, period.until});
}

// The instants within [start, end) at which an answer for `unit` can change, and `start`.
std::vector<absl::Time> Changes(const Directory& directory, const Reach& reach, const v1::DirectoryUnit& unit,
                                absl::Time start, absl::Time end) {
  std::set<absl::Time> times;
  std::set<std::string> units = {unit.code(), reach.hotline};
  for (const v1::DirectoryUnit* above = &unit; above != nullptr && !above->parent().empty();) {
    units.insert(above->parent());
    above = directory.FindUnit(above->parent());
  }
  AddTimes(unit.validity(), &times);
  for (const std::string& code : units) {
    const auto person = [&](const std::string& id) {
      if (const v1::Person* found = directory.FindPerson(id); found != nullptr)
        AddTimes(found->validity(), &times);
    };
    for (const v1::RoleAssignment* role : directory.RolesAt(code)) {
      AddTimes(role->validity(), &times);
      person(role->person());
    }
    for (const v1::DutyShift* duty : directory.DutiesAt(code)) {
      AddTimes(duty->validity(), &times);
      person(duty->person());
    }
  }
  for (absl::Time at = reach.hours->NextChange(unit.calendar(), start); at < end;
       at = reach.hours->NextChange(unit.calendar(), at)) {
    times.insert(at);
  }
  std::vector<absl::Time> within = {start};
  for (const absl::Time at : times) {
    if (at > start && at < end) within.push_back(at);
  }
  return within;
}

PassedOver Join(const std::vector<PassedOver>& all) {
  PassedOver joined;
  for (const PassedOver& one : all) {
    joined.english += StrCat(joined.english.empty() ? "" : "; ", one.english);
    joined.chinese += StrCat(joined.chinese.empty() ? "" : "；", one.chinese);
  }
  return joined;
}

}  // namespace

const std::vector<Rung>& Rungs() {
  static const auto* const kRungs = new std::vector<Rung>{
      type::v1::RUNG_REMIND,     type::v1::RUNG_URGE,  type::v1::RUNG_SUPERVISE, type::v1::RUNG_CIRCULATE,
      type::v1::RUNG_DISCIPLINE, type::v1::RUNG_DOUBT, type::v1::RUNG_KEEP};
  return *kRungs;
}

Answer Resolve(const Directory& directory, const Reach& reach, const Query& query) {
  return Resolver(directory, reach, query).Run();
}

std::vector<Gap> Preflight(const Directory& directory, const Reach& reach, absl::Time start, absl::Time end,
                           std::string_view only) {
  std::vector<Gap> gaps;
  if (start >= end) return gaps;
  for (const v1::DirectoryUnit* unit : directory.Units()) {
    if (!only.empty() && unit->code() != only) continue;
    const std::vector<absl::Time> changes = Changes(directory, reach, *unit, start, end);
    const Period exists = PeriodOf(unit->validity());
    for (const Rung rung : Rungs()) {
      // Offers in doubt are the hotline's own affair.
      const bool of_offers = rung == type::v1::RUNG_DOUBT || rung == type::v1::RUNG_KEEP;
      if (of_offers && unit->code() != reach.hotline) continue;
      const size_t first = gaps.size();
      for (size_t i = 0; i < changes.size(); ++i) {
        const absl::Time from = changes[i];
        const absl::Time until = i + 1 < changes.size() ? changes[i + 1] : end;
        if (!exists.Holds(from)) continue;
        const Answer answer = Resolve(directory, reach, {.unit = unit->code(), .rung = rung, .at = from});
        if (!answer.recipients.empty()) continue;
        PassedOver reason = Join(answer.passed_over);
        if (gaps.size() > first && gaps.back().end == from && gaps.back().reason.english == reason.english) {
          gaps.back().end = until;
        } else {
          gaps.push_back({unit->code(), rung, from, until, std::move(reason)});
        }
      }
    }
  }
  return gaps;
}

}  // namespace hotline::escalation::directory
