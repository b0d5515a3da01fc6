#include "services/escalation/directory/core/directory.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/error/error.h"

namespace hotline::escalation::directory {
namespace {

using Reason = type::v1::ErrorReason;
using type::v1::ERROR_REASON_DIRECTORY_ENTRY_IN_USE;
using type::v1::ERROR_REASON_DIRECTORY_ENTRY_UNKNOWN;
using type::v1::ERROR_REASON_DIRECTORY_ROLE_MISSING;
using type::v1::ERROR_REASON_DIRECTORY_ROLE_OVERLAP;
using type::v1::ERROR_REASON_ENUM_INVALID;
using type::v1::ERROR_REASON_FIELD_INVALID;
using type::v1::ERROR_REASON_FIELD_REQUIRED;
using type::v1::ERROR_REASON_LIST_INVALID;
using type::v1::ERROR_REASON_TEXT_INVALID;
using type::v1::ERROR_REASON_TEXT_TOO_LONG;
using type::v1::ERROR_REASON_TIME_INVALID;

constexpr char kSeparator = '\x1f';
constexpr size_t kMaxProblems = 20;
constexpr int64_t kMaxName = 64;
// The year 2200: later ends are slips.
constexpr int64_t kLastSecond = 7'258'118'400;
constexpr absl::Duration kLongestShift = absl::Hours(31 * 24);

bool IsCode(std::string_view code) {
  return !code.empty() && code.size() <= 32 && std::all_of(code.begin(), code.end(), [](char c) {
    // Hotlines, whose codes may have capitals, are units too.
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
  });
}

bool IsPersonId(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
  });
}

// So that keys sort by time: an open beginning first.
std::string StartKey(const v1::Validity& validity) {
  if (!validity.has_from_time()) return "";
  std::string digits = StrCat(validity.from_time().seconds());
  return std::string(digits.size() < 12 ? 12 - digits.size() : 0, '0') + digits;
}

std::string RoleZh(v1::StaffRole role) {
  switch (role) {
    case v1::STAFF_ROLE_LEADER:
      return "分管领导";
    case v1::STAFF_ROLE_HANDLER:
      return "具体负责干部";
    case v1::STAFF_ROLE_DEPUTY:
      return "副手";
    case v1::STAFF_ROLE_SUPERVISOR:
      return "热线督办员";
    default:
      return "人员";
  }
}

std::string RoleEn(v1::StaffRole role) {
  switch (role) {
    case v1::STAFF_ROLE_LEADER:
      return "leader";
    case v1::STAFF_ROLE_HANDLER:
      return "handler";
    case v1::STAFF_ROLE_DEPUTY:
      return "deputy";
    case v1::STAFF_ROLE_SUPERVISOR:
      return "supervisor";
    default:
      return "role";
  }
}

std::string When(absl::Time t) {
  if (t == absl::InfinitePast() || t == absl::InfiniteFuture()) return "…";
  const absl::TimeZone beijing = Beijing();
  const bool whole_day = absl::ToCivilSecond(t, beijing) == absl::CivilSecond(absl::ToCivilDay(t, beijing));
  return absl::FormatTime(whole_day ? "%Y-%m-%d" : "%Y-%m-%d %H:%M:%S", t, beijing);
}

// Collects what is wrong with one entry.
class EntryCheck {
 public:
  EntryCheck(int edit, std::vector<Problem>* problems) : edit_(edit), problems_(problems) {}

  void Add(std::string field, Reason reason, std::string english, std::string chinese) {
    problems_->push_back({edit_, std::move(field), reason, std::move(english), std::move(chinese)});
  }
  void Required(const char* field) { Add(field, ERROR_REASON_FIELD_REQUIRED, "is required", "必填"); }
  void Text(const std::string& field, const std::string& text, int64_t max, bool required) {
    const std::optional<int64_t> length = CountCodePoints(text);
    if (!length.has_value() || HasControlCharacters(text, false)) {
      Add(field, ERROR_REASON_TEXT_INVALID, "is not valid UTF-8 or has control characters",
          "不是有效的UTF-8文本，或含有控制字符");
    } else if (*length > max) {
      Add(field, ERROR_REASON_TEXT_TOO_LONG, StrCat("is longer than ", max, " characters"),
          StrCat("超过", max, "个字符"));
    } else if (required && *length == 0) {
      Required(field.c_str());
    } else if (!text.empty() && (text.front() == ' ' || text.back() == ' ')) {
      Add(field, ERROR_REASON_FIELD_INVALID, "begins or ends with a space", "首尾不应有空格");
    }
  }
  // Something that stands in a list of a file, separated by `;`.
  void Item(const std::string& field, const std::string& text, int64_t max) {
    Text(field, text, max, true);
    if (text.find(';') != std::string::npos) {
      Add(field, ERROR_REASON_FIELD_INVALID, "must not hold a semicolon", "不应含有分号");
    }
  }
  void Time(const char* field, const google::protobuf::Timestamp& time) {
    if (time.nanos() != 0 || time.seconds() < 0 || time.seconds() > kLastSecond) {
      Add(field, ERROR_REASON_TIME_INVALID, "must be in whole seconds, from 1970 to 2199",
          "须精确到秒，且在1970至2199年之间");
    }
  }
  void Valid(const v1::Validity& validity) {
    if (validity.has_from_time()) Time("validity.from_time", validity.from_time());
    if (validity.has_until_time()) Time("validity.until_time", validity.until_time());
    const Period period = PeriodOf(validity);
    if (period.from >= period.until) {
      Add("validity.until_time", ERROR_REASON_TIME_INVALID, "must be after the beginning", "须晚于开始时间");
    }
  }

  void Check(const v1::DirectoryEntry& entry, const OfficeHours& hours) {
    switch (entry.entry_case()) {
      case v1::DirectoryEntry::kUnit:
        return Check(entry.unit(), hours);
      case v1::DirectoryEntry::kPerson:
        return Check(entry.person());
      case v1::DirectoryEntry::kRole:
        return Check(entry.role());
      case v1::DirectoryEntry::kDuty:
        return Check(entry.duty());
      case v1::DirectoryEntry::ENTRY_NOT_SET:
        Required("");
    }
  }

 private:
  void Check(const v1::DirectoryUnit& unit, const OfficeHours& hours) {
    if (!IsCode(unit.code())) {
      Add("code", ERROR_REASON_FIELD_INVALID, "must be 1 to 32 of A-Z a-z 0-9 _ -",
          "须为1至32个字母、数字、下划线或连字符");
    }
    Text("display_name", unit.display_name(), kMaxName, true);
    if (unit.aliases_size() > 16) {
      Add("aliases", ERROR_REASON_LIST_INVALID, "has more than 16 entries", "超过16项");
    }
    for (const std::string& alias : unit.aliases()) Item("aliases", alias, kMaxName);
    if (!unit.calendar().empty() && !hours.Knows(unit.calendar())) {
      Add("calendar", ERROR_REASON_FIELD_INVALID, "is not a calendar of this site",
          "不是本平台配置的工作日历");
    }
    Valid(unit.validity());
  }

  void Check(const v1::Person& person) {
    if (!IsPersonId(person.id())) {
      Add("id", ERROR_REASON_FIELD_INVALID, "must be 1 to 64 of A-Z a-z 0-9 . _ -",
          "须为1至64个字母、数字或 . _ -");
    }
    Text("display_name", person.display_name(), kMaxName, true);
    Text("title", person.title(), kMaxName, false);
    if (person.unit().empty()) Required("unit");
    if (person.contacts_size() > 8) {
      Add("contacts", ERROR_REASON_LIST_INVALID, "has more than 8 entries", "超过8项");
    }
    std::set<std::string> seen;
    for (const v1::Contact& contact : person.contacts()) {
      const bool webhook = contact.channel() == v1::CONTACT_CHANNEL_WEBHOOK;
      if (!webhook && contact.channel() != v1::CONTACT_CHANNEL_DESKTOP) {
        Add("contacts.channel", ERROR_REASON_ENUM_INVALID, "must be DESKTOP or WEBHOOK", "渠道无效");
      }
      if (webhook != !contact.webhook().empty() || (webhook && !IsCode(contact.webhook()))) {
        Add("contacts.webhook", ERROR_REASON_FIELD_INVALID,
            "is the webhook's name, 1 to 32 of A-Z a-z 0-9 _ -, for WEBHOOK only",
            "网关名称须为1至32个字母、数字、_ 或 -，且仅用于网关渠道");
      }
      Item("contacts.target", contact.target(), 128);
      if (!seen.insert(contact.SerializeAsString()).second) {
        Add("contacts", ERROR_REASON_LIST_INVALID, "names a contact twice", "联系方式重复");
      }
    }
    Valid(person.validity());
  }

  void Check(const v1::RoleAssignment& role) {
    if (role.unit().empty()) Required("unit");
    if (role.person().empty()) Required("person");
    if (role.role() == v1::STAFF_ROLE_UNSPECIFIED || !v1::StaffRole_IsValid(role.role())) {
      Add("role", ERROR_REASON_ENUM_INVALID, "must be LEADER, HANDLER, DEPUTY or SUPERVISOR", "角色无效");
    }
    Valid(role.validity());
  }

  void Check(const v1::DutyShift& duty) {
    if (duty.unit().empty()) Required("unit");
    if (duty.person().empty()) Required("person");
    Valid(duty.validity());
    if (!duty.validity().has_from_time()) Required("validity.from_time");
    if (!duty.validity().has_until_time()) Required("validity.until_time");
    const Period period = PeriodOf(duty.validity());
    if (duty.validity().has_from_time() && duty.validity().has_until_time() &&
        period.until - period.from > kLongestShift) {
      Add("validity.until_time", ERROR_REASON_TIME_INVALID, "a shift is at most 31 days", "值班时段最长31天");
    }
  }

  const int edit_;
  std::vector<Problem>* const problems_;
};

Directory::Entry Share(v1::DirectoryEntry entry) {
  return std::make_shared<const v1::DirectoryEntry>(std::move(entry));
}

// A change in the making.
class Draft {
 public:
  Draft(const Directory& before, const JudgeOptions& options)
      : before_(before), options_(options), entries_(before.entries()) {}

  void Apply(const std::vector<v1::DirectoryEdit>& edits) {
    for (size_t i = 0; i < edits.size(); ++i) Apply(static_cast<int>(i), edits[i]);
  }

  Outcome Finish() {
    Outcome outcome;
    if (problems_.empty()) {
      Resolve();
      CheckWhole();
    }
    outcome.problems = std::move(problems_);
    if (!outcome.problems.empty()) return outcome;
    for (const std::string& key : touched_) {
      const auto before = before_.entries().find(key);
      const auto after = entries_.find(key);
      Change change;
      if (before != before_.entries().end()) change.before = before->second;
      if (after != entries_.end()) change.after = after->second;
      if (change.before == nullptr && change.after == nullptr) continue;
      if (change.before != nullptr && change.after != nullptr &&
          change.before->SerializeAsString() == change.after->SerializeAsString()) {
        continue;
      }
      outcome.changes.push_back(std::move(change));
    }
    outcome.after = Directory(std::move(entries_), before_.version() + (outcome.changes.empty() ? 0 : 1));
    return outcome;
  }

 private:
  void Add(int edit, std::string field, Reason reason, std::string english, std::string chinese) {
    problems_.push_back({edit, std::move(field), reason, std::move(english), std::move(chinese)});
  }

  void Apply(int edit, const v1::DirectoryEdit& step) {
    if (step.has_remove()) {
      const std::string key = KeyOf(step.remove());
      if (entries_.erase(key) == 0) {
        Add(edit, "", ERROR_REASON_DIRECTORY_ENTRY_UNKNOWN, "there is no such entry", "没有该条目");
      }
      touched_.insert(key);
      return;
    }
    v1::DirectoryEntry entry = step.put();
    EntryCheck check(edit, &problems_);
    const size_t known = problems_.size();
    check.Check(entry, *options_.hours);
    if (problems_.size() != known) return;
    if (entry.has_person()) {
      // Desktops first, as a file has them.
      std::stable_sort(entry.mutable_person()->mutable_contacts()->begin(),
                       entry.mutable_person()->mutable_contacts()->end(),
                       [](const v1::Contact& a, const v1::Contact& b) { return a.channel() < b.channel(); });
    }
    // Open at both ends is the same as no period at all.
    if (ValidityOf(entry).ByteSizeLong() == 0) {
      if (entry.has_unit()) entry.mutable_unit()->clear_validity();
      if (entry.has_person()) entry.mutable_person()->clear_validity();
      if (entry.has_role()) entry.mutable_role()->clear_validity();
    }
    const std::string key = KeyOf(entry);
    if (edit_of_.contains(key)) {
      return Add(edit, "", ERROR_REASON_LIST_INVALID, "is the same entry as an earlier one",
                 "与前面的条目重复");
    }
    if (step.supersede()) {
      if (entry.role().role() != v1::STAFF_ROLE_LEADER && entry.role().role() != v1::STAFF_ROLE_HANDLER) {
        return Add(edit, "supersede", ERROR_REASON_FIELD_INVALID, "is for leaders and handlers",
                   "仅用于分管领导和具体负责干部");
      }
      Supersede(entry.role(), key);
    }
    entries_[key] = Share(std::move(entry));
    touched_.insert(key);
    edit_of_[key] = edit;
  }

  // Whoever has the role when `role` begins ends then.
  void Supersede(const v1::RoleAssignment& role, const std::string& own_key) {
    const absl::Time from = PeriodOf(role.validity()).from;
    std::vector<std::string> ended;
    for (const auto& [key, entry] : entries_) {
      if (!entry->has_role() || key == own_key || entry->role().role() != role.role()) continue;
      if (entry->role().unit() != role.unit() && CodeOf(role.unit()) != entry->role().unit()) continue;
      if (PeriodOf(entry->role().validity()).Holds(from)) ended.push_back(key);
    }
    for (const std::string& key : ended) {
      touched_.insert(key);
      v1::DirectoryEntry entry = *entries_[key];
      Period period = PeriodOf(entry.role().validity());
      period.until = from;
      if (period.from >= period.until) {
        entries_.erase(key);
        continue;
      }
      *entry.mutable_role()->mutable_validity() = ToValidity(period);
      entries_[key] = Share(std::move(entry));
    }
  }

  // The code that `name` stands for; `name` itself if it stands for none.
  std::string CodeOf(const std::string& name) const {
    if (entries_.contains(UnitKey(name))) return name;
    const auto it = codes_.find(name);
    if (it != codes_.end()) return it->second;
    const v1::DirectoryUnit* unit = before_.FindUnit(name);
    return unit == nullptr ? name : unit->code();
  }

  static std::string UnitKey(const std::string& code) {
    v1::DirectoryEntry entry;
    entry.mutable_unit()->set_code(code);
    return KeyOf(entry);
  }

  // Writes codes where entries that were put name units otherwise. Keys may change by it.
  void Resolve() {
    for (const auto& [key, entry] : entries_) {
      if (!entry->has_unit()) break;
      codes_[entry->unit().display_name()] = entry->unit().code();
      for (const std::string& alias : entry->unit().aliases()) codes_[alias] = entry->unit().code();
    }
    for (const auto& [key, edit] : std::map(edit_of_)) {
      const auto it = entries_.find(key);
      if (it == entries_.end()) continue;
      v1::DirectoryEntry entry = *it->second;
      std::string* name = nullptr;
      switch (entry.entry_case()) {
        case v1::DirectoryEntry::kUnit:
          name = entry.mutable_unit()->mutable_parent();
          break;
        case v1::DirectoryEntry::kPerson:
          name = entry.mutable_person()->mutable_unit();
          break;
        case v1::DirectoryEntry::kRole:
          name = entry.mutable_role()->mutable_unit();
          break;
        case v1::DirectoryEntry::kDuty:
          name = entry.mutable_duty()->mutable_unit();
          break;
        case v1::DirectoryEntry::ENTRY_NOT_SET:
          continue;
      }
      const std::string code = CodeOf(*name);
      if (code == *name) continue;
      *name = code;
      entries_.erase(it);
      edit_of_.erase(key);
      const std::string renamed = KeyOf(entry);
      if (edit_of_.contains(renamed)) {
        Add(edit, "", ERROR_REASON_LIST_INVALID, "is the same entry as another one", "与另一条目重复");
      }
      entries_[renamed] = Share(std::move(entry));
      touched_.insert(renamed);
      edit_of_[renamed] = edit;
    }
  }

  int EditOf(const std::string& key) const {
    const auto it = edit_of_.find(key);
    return it == edit_of_.end() ? -1 : it->second;
  }

  void CheckWhole() {
    const auto ended = std::count_if(entries_.begin(), entries_.end(),
                                     [this](const auto& one) { return HasEnded(*one.second, options_.now); });
    if (entries_.size() - static_cast<size_t>(ended) > kMaxEntries) {
      return Add(-1, "edits", ERROR_REASON_LIST_INVALID,
                 StrCat("the directory would have more than ", kMaxEntries,
                        " entries, shifts that have ended not counted"),
                 StrCat("通讯录超过", kMaxEntries, "条（已结束的值班不计）"));
    }
    if (entries_.size() > kMaxEntriesEver) {
      return Add(-1, "edits", ERROR_REASON_LIST_INVALID,
                 StrCat("the directory would have more than ", kMaxEntriesEver,
                        " entries: remove shifts that ended long ago"),
                 StrCat("通讯录超过", kMaxEntriesEver, "条，请删除早已结束的值班"));
    }
    CheckNames();
    CheckReferences();
    if (!problems_.empty()) return;
    CheckHierarchy();
    CheckRoles();
  }

  void CheckNames() {
    std::map<std::string, std::string> taken;  // name → code
    for (const auto& [key, entry] : entries_) {
      if (!entry->has_unit()) break;
      const v1::DirectoryUnit& unit = entry->unit();
      std::set<std::string> own = {unit.code(), unit.display_name()};
      own.insert(unit.aliases().begin(), unit.aliases().end());
      if (unit.aliases_size() > 0 && own.size() != static_cast<size_t>(unit.aliases_size()) +
                                                       (unit.code() == unit.display_name() ? 1 : 2)) {
        Add(EditOf(key), "aliases", ERROR_REASON_LIST_INVALID,
            StrCat("unit ", unit.code(), " names itself twice"),
            StrCat("单位", unit.code(), "的名称或别名重复"));
      }
      for (const std::string& name : own) {
        const auto [it, fresh] = taken.try_emplace(name, unit.code());
        if (fresh) continue;
        Add(std::max(EditOf(key), EditOf(UnitKey(it->second))),
            name == unit.display_name() ? "display_name" : "aliases", ERROR_REASON_LIST_INVALID,
            StrCat("\"", name, "\" is a name of unit ", it->second, " too"),
            StrCat("“", name, "”已是单位", it->second, "的名称或别名"));
      }
    }
  }

  void NeedUnit(const std::string& key, const char* field, const std::string& code) {
    if (entries_.contains(UnitKey(code))) return;
    Missing(key, field, "unit", "单位", code, before_.FindUnit(code) != nullptr);
  }
  void NeedPerson(const std::string& key, const char* field, const std::string& id) {
    v1::DirectoryEntry entry;
    entry.mutable_person()->set_id(id);
    if (entries_.contains(KeyOf(entry))) return;
    Missing(key, field, "person", "人员", id, before_.FindPerson(id) != nullptr);
  }
  void Missing(const std::string& key, const char* field, std::string_view what, std::string_view what_zh,
               const std::string& name, bool removed) {
    if (removed) {
      Add(EditOf(key), field, ERROR_REASON_DIRECTORY_ENTRY_IN_USE,
          StrCat(what, " ", name, " is removed, but other entries refer to it"),
          StrCat(what_zh, name, "仍被其他条目引用，不能删除"));
    } else {
      Add(EditOf(key), field, ERROR_REASON_DIRECTORY_ENTRY_UNKNOWN,
          StrCat("the directory has no ", what, " '", name, "'"),
          StrCat("通讯录中没有该", what_zh, "：", name));
    }
  }

  void CheckReferences() {
    for (const auto& [key, entry] : entries_) {
      switch (entry->entry_case()) {
        case v1::DirectoryEntry::kUnit:
          if (!entry->unit().parent().empty()) NeedUnit(key, "parent", entry->unit().parent());
          break;
        case v1::DirectoryEntry::kPerson:
          NeedUnit(key, "unit", entry->person().unit());
          break;
        case v1::DirectoryEntry::kRole:
          NeedUnit(key, "unit", entry->role().unit());
          NeedPerson(key, "person", entry->role().person());
          break;
        case v1::DirectoryEntry::kDuty:
          NeedUnit(key, "unit", entry->duty().unit());
          NeedPerson(key, "person", entry->duty().person());
          break;
        case v1::DirectoryEntry::ENTRY_NOT_SET:
          break;
      }
    }
  }

  void CheckHierarchy() {
    for (const auto& [key, entry] : entries_) {
      if (!entry->has_unit()) break;
      std::set<std::string> seen = {entry->unit().code()};
      std::string above = entry->unit().parent();
      while (!above.empty()) {
        if (!seen.insert(above).second) {
          Add(EditOf(key), "parent", ERROR_REASON_FIELD_INVALID,
              StrCat("unit ", entry->unit().code(), " would be above itself"),
              StrCat("单位", entry->unit().code(), "的上级形成循环"));
          break;
        }
        above = entries_[UnitKey(above)]->unit().parent();
      }
    }
  }

  struct Held {
    std::string key;
    Period period;
    std::string person;
    v1::StaffRole role;
  };

  void CheckRoles() {
    std::map<std::string, std::vector<Held>> by_unit;
    std::map<std::string, std::vector<Held>> duties;  // by unit and person
    for (const auto& [key, entry] : entries_) {
      if (entry->has_role()) {
        by_unit[entry->role().unit()].push_back(
            {key, PeriodOf(entry->role().validity()), entry->role().person(), entry->role().role()});
      } else if (entry->has_duty()) {
        duties[StrCat(entry->duty().unit(), " ", entry->duty().person())].push_back(
            {key, PeriodOf(entry->duty().validity()), entry->duty().person(), v1::STAFF_ROLE_UNSPECIFIED});
      }
    }
    for (auto& [unit, held] : by_unit) {
      std::map<std::string, std::vector<Held>> by_seat;
      for (const Held& one : held) {
        // Leaders and handlers exclude each other; of the others each person excludes himself.
        const bool single = one.role == v1::STAFF_ROLE_LEADER || one.role == v1::STAFF_ROLE_HANDLER;
        by_seat[StrCat(static_cast<int>(one.role), " ", single ? "" : one.person)].push_back(one);
      }
      for (auto& [seat, ones] : by_seat) CheckOverlap(unit, &ones);
      if (!options_.allow_missing_roles) CheckMissing(unit, held);
    }
    for (auto& [who, ones] : duties) CheckOverlap(entries_[ones.front().key]->duty().unit(), &ones);
  }

  void CheckOverlap(const std::string& unit, std::vector<Held>* ones) {
    std::sort(ones->begin(), ones->end(), [](const Held& a, const Held& b) {
      return a.period.from != b.period.from ? a.period.from < b.period.from : a.key < b.key;
    });
    // The one before that lasts longest: neighbours alone would miss one that lies within an earlier one.
    const Held* longest = &ones->front();
    for (size_t i = 1; i < ones->size(); ++i) {
      const Held& one = (*ones)[i];
      if (longest->period.Overlaps(one.period)) {
        const std::string en = one.role == v1::STAFF_ROLE_UNSPECIFIED ? "duty" : RoleEn(one.role);
        const std::string zh = one.role == v1::STAFF_ROLE_UNSPECIFIED ? "值班" : RoleZh(one.role);
        const absl::Time until = std::min(longest->period.until, one.period.until);
        Add(std::max(EditOf(one.key), EditOf(longest->key)), "validity", ERROR_REASON_DIRECTORY_ROLE_OVERLAP,
            StrCat(en, " of ", unit, ": ", longest->person, " and ", one.person, " both from ",
                   When(one.period.from), " until ", When(until)),
            StrCat("单位", unit, "的", zh, "重叠：", longest->person, "与", one.person, "自",
                   When(one.period.from), "至", When(until), "同时在任"));
      }
      if (one.period.until > longest->period.until) longest = &one;
    }
  }

  // From now on, whenever a unit has anybody, it has a leader and a handler.
  void CheckMissing(const std::string& unit, const std::vector<Held>& held) {
    if (!Touched(unit)) return;
    std::set<absl::Time> starts = {options_.now};
    for (const Held& one : held) {
      for (const absl::Time at : {one.period.from, one.period.until}) {
        if (at > options_.now && at != absl::InfiniteFuture()) starts.insert(at);
      }
    }
    for (const absl::Time at : starts) {
      bool leader = false;
      bool handler = false;
      bool any = false;
      for (const Held& one : held) {
        if (!one.period.Holds(at)) continue;
        any = true;
        leader |= one.role == v1::STAFF_ROLE_LEADER;
        handler |= one.role == v1::STAFF_ROLE_HANDLER;
      }
      if (!any || (leader && handler)) continue;
      const v1::StaffRole role = leader ? v1::STAFF_ROLE_HANDLER : v1::STAFF_ROLE_LEADER;
      Add(LastEditOf(held), "", ERROR_REASON_DIRECTORY_ROLE_MISSING,
          StrCat(unit, " has people, but no ", RoleEn(role), " from ", When(at),
                 " on; name one, or say that roles may be missing"),
          StrCat("单位", unit, "自", When(at), "起没有", RoleZh(role), "；请补报，或确认允许空缺"));
      return;
    }
  }

  // A change of other units need not mend this one.
  bool Touched(const std::string& unit) const {
    return std::any_of(touched_.begin(), touched_.end(), [&](const std::string& key) {
      const auto after = entries_.find(key);
      if (after != entries_.end()) return after->second->has_role() && after->second->role().unit() == unit;
      const auto before = before_.entries().find(key);
      return before != before_.entries().end() && before->second->has_role() &&
             before->second->role().unit() == unit;
    });
  }

  int LastEditOf(const std::vector<Held>& held) const {
    int last = -1;
    for (const Held& one : held) last = std::max(last, EditOf(one.key));
    return last;
  }

  const Directory& before_;
  const JudgeOptions& options_;
  Directory::Entries entries_;
  std::set<std::string> touched_;
  std::map<std::string, int> edit_of_;
  std::map<std::string, std::string> codes_;  // names of units after the change
  std::vector<Problem> problems_;
};

}  // namespace

Period PeriodOf(const v1::Validity& validity) {
  Period period;
  if (validity.has_from_time()) period.from = absl::FromUnixSeconds(validity.from_time().seconds());
  if (validity.has_until_time()) period.until = absl::FromUnixSeconds(validity.until_time().seconds());
  return period;
}

v1::Validity ToValidity(const Period& period) {
  v1::Validity validity;
  if (period.from != absl::InfinitePast()) {
    validity.mutable_from_time()->set_seconds(absl::ToUnixSeconds(period.from));
  }
  if (period.until != absl::InfiniteFuture()) {
    validity.mutable_until_time()->set_seconds(absl::ToUnixSeconds(period.until));
  }
  return validity;
}

std::string KeyOf(const v1::DirectoryEntry& entry) {
  std::string key = StrCat(static_cast<int>(entry.entry_case()));
  const auto add = [&](std::string_view part) { key += kSeparator, key += part; };
  switch (entry.entry_case()) {
    case v1::DirectoryEntry::kUnit:
      add(entry.unit().code());
      break;
    case v1::DirectoryEntry::kPerson:
      add(entry.person().id());
      break;
    case v1::DirectoryEntry::kRole:
      add(entry.role().unit());
      add(StrCat(static_cast<int>(entry.role().role())));
      add(entry.role().person());
      add(StartKey(entry.role().validity()));
      break;
    case v1::DirectoryEntry::kDuty:
      add(entry.duty().unit());
      add(StartKey(entry.duty().validity()));
      add(entry.duty().person());
      break;
    case v1::DirectoryEntry::ENTRY_NOT_SET:
      break;
  }
  return key;
}

const std::string& UnitOf(const v1::DirectoryEntry& entry) {
  switch (entry.entry_case()) {
    case v1::DirectoryEntry::kUnit:
      return entry.unit().code();
    case v1::DirectoryEntry::kPerson:
      return entry.person().unit();
    case v1::DirectoryEntry::kDuty:
      return entry.duty().unit();
    default:
      return entry.role().unit();
  }
}

const v1::Validity& ValidityOf(const v1::DirectoryEntry& entry) {
  switch (entry.entry_case()) {
    case v1::DirectoryEntry::kUnit:
      return entry.unit().validity();
    case v1::DirectoryEntry::kPerson:
      return entry.person().validity();
    case v1::DirectoryEntry::kDuty:
      return entry.duty().validity();
    default:
      return entry.role().validity();
  }
}

bool HasEnded(const v1::DirectoryEntry& entry, absl::Time now) {
  return entry.has_duty() && PeriodOf(entry.duty().validity()).until <= now;
}

Directory::Directory(Entries entries, int64_t version) : entries_(std::move(entries)), version_(version) {
  for (const auto& [key, entry] : entries_) {
    switch (entry->entry_case()) {
      case v1::DirectoryEntry::kUnit: {
        const v1::DirectoryUnit* unit = &entry->unit();
        units_by_name_[unit->code()] = unit;
        units_by_name_.try_emplace(unit->display_name(), unit);
        for (const std::string& alias : unit->aliases()) units_by_name_.try_emplace(alias, unit);
        break;
      }
      case v1::DirectoryEntry::kPerson:
        persons_[entry->person().id()] = &entry->person();
        break;
      case v1::DirectoryEntry::kRole:
        roles_[entry->role().unit()].push_back(&entry->role());
        break;
      case v1::DirectoryEntry::kDuty:
        duties_[entry->duty().unit()].push_back(&entry->duty());
        break;
      case v1::DirectoryEntry::ENTRY_NOT_SET:
        break;
    }
  }
}

const v1::DirectoryUnit* Directory::FindUnit(std::string_view name) const {
  const auto it = units_by_name_.find(name);
  return it == units_by_name_.end() ? nullptr : it->second;
}

const v1::Person* Directory::FindPerson(std::string_view id) const {
  const auto it = persons_.find(id);
  return it == persons_.end() ? nullptr : it->second;
}

const std::vector<const v1::RoleAssignment*>& Directory::RolesAt(std::string_view unit) const {
  static const auto* const kNone = new std::vector<const v1::RoleAssignment*>();
  const auto it = roles_.find(unit);
  return it == roles_.end() ? *kNone : it->second;
}

const std::vector<const v1::DutyShift*>& Directory::DutiesAt(std::string_view unit) const {
  static const auto* const kNone = new std::vector<const v1::DutyShift*>();
  const auto it = duties_.find(unit);
  return it == duties_.end() ? *kNone : it->second;
}

bool Directory::IsWithin(std::string_view unit, std::string_view above) const {
  std::string code(unit);
  while (!code.empty()) {
    if (code == above) return true;
    const auto it = units_by_name_.find(code);
    if (it == units_by_name_.end()) return false;
    code = it->second->parent();
  }
  return false;
}

std::vector<const v1::DirectoryUnit*> Directory::Units() const {
  std::vector<const v1::DirectoryUnit*> units;
  for (const auto& [key, entry] : entries_) {
    if (!entry->has_unit()) break;
    units.push_back(&entry->unit());
  }
  return units;
}

Outcome Judge(const Directory& before, const std::vector<v1::DirectoryEdit>& edits,
              const JudgeOptions& options) {
  Draft draft(before, options);
  draft.Apply(edits);
  return draft.Finish();
}

absl::Status ToStatus(const std::vector<Problem>& problems, const std::vector<std::string>& places) {
  const auto path = [&](const Problem& problem) {
    std::string path = problem.edit < 0 || problem.edit >= static_cast<int>(places.size())
                           ? std::string()
                           : places[problem.edit];
    if (!problem.field.empty()) path += StrCat(path.empty() ? "" : ".", problem.field);
    return path;
  };
  std::string english;
  std::string chinese;
  for (size_t i = 0; i < problems.size() && i < kMaxProblems; ++i) {
    const std::string at = path(problems[i]);
    if (i > 0) {
      english += "\n";
      chinese += "\n";
      if (!at.empty()) english += StrCat(at, ": "), chinese += StrCat("字段 ", at, "：");
    }
    english += problems[i].english;
    chinese += problems[i].chinese;
  }
  if (problems.size() > kMaxProblems) {
    english += StrCat("\nand ", problems.size() - kMaxProblems, " more");
    chinese += StrCat("\n另有", problems.size() - kMaxProblems, "处");
  }
  const Problem& first = problems.front();
  const std::string at = path(first);
  switch (first.reason) {
    case ERROR_REASON_DIRECTORY_ENTRY_IN_USE:
    case ERROR_REASON_DIRECTORY_ROLE_MISSING:
    case ERROR_REASON_DIRECTORY_ROLE_OVERLAP:
      if (!at.empty()) {
        english = StrCat(at, ": ", english);
        chinese = StrCat("字段 ", at, "：", chinese);
      }
      return error::DirectoryRefused(first.reason, at, english, chinese);
    default:
      return error::BadField(first.reason, at, english, chinese);
  }
}

std::vector<v1::DirectoryEdit> Seed(const Directory& before, const config::v1::UnitList& units,
                                    std::string_view calendar,
                                    const std::vector<std::pair<std::string, std::string>>& hotlines) {
  std::vector<v1::DirectoryEdit> edits;
  std::set<std::string> names;  // of units that are there already under another code
  const auto put = [&](v1::DirectoryUnit unit) {
    const v1::DirectoryUnit* known = before.FindUnit(unit.code());
    if (known != nullptr && known->code() == unit.code()) {
      if (known->units_version().empty() || known->units_version() == unit.units_version()) return;
      unit.set_parent(known->parent());
      unit.set_calendar(known->calendar());
      *unit.mutable_validity() = known->validity();
    } else if (before.FindUnit(unit.display_name()) != nullptr) {
      return;
    }
    google::protobuf::RepeatedPtrField<std::string> aliases;
    for (const std::string& alias : unit.aliases()) {
      const v1::DirectoryUnit* other = before.FindUnit(alias);
      if ((other == nullptr || other->code() == unit.code()) && names.insert(alias).second) {
        *aliases.Add() = alias;
      }
    }
    *unit.mutable_aliases() = std::move(aliases);
    names.insert({unit.code(), unit.display_name()});
    *edits.emplace_back().mutable_put()->mutable_unit() = std::move(unit);
  };
  // The list first: its names are a person's choice.
  for (const config::v1::Unit& one : units.units()) {
    names.insert({one.code(), one.display_name()});
  }
  for (const config::v1::Unit& one : units.units()) {
    v1::DirectoryUnit unit;
    unit.set_code(one.code());
    unit.set_display_name(one.display_name());
    *unit.mutable_aliases() = one.aliases();
    unit.set_calendar(one.calendar().empty() ? std::string(calendar) : one.calendar());
    unit.set_units_version(units.version().empty() ? "units_file" : units.version());
    put(std::move(unit));
  }
  for (const auto& [code, name] : hotlines) {
    if (names.contains(code) || before.FindUnit(code) != nullptr) continue;
    v1::DirectoryUnit unit;
    unit.set_code(code);
    unit.set_display_name(name.empty() || names.contains(name) ? StrCat("热线", code) : name);
    unit.set_units_version("site");
    put(std::move(unit));
  }
  return edits;
}

}  // namespace hotline::escalation::directory
