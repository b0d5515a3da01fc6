#include "services/escalation/directory/core/csv.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/base/utf8.h"

namespace hotline::escalation::directory {
namespace {

using type::v1::ERROR_REASON_FIELD_INVALID;
using type::v1::ERROR_REASON_FIELD_REQUIRED;
using type::v1::ERROR_REASON_LIST_INVALID;
using type::v1::ERROR_REASON_TEXT_INVALID;
using type::v1::ERROR_REASON_TIME_INVALID;

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr size_t kMaxRowProblems = 200;

enum Column {
  kKind,
  kUnit,
  kName,
  kAliases,
  kParent,
  kCalendar,
  kPerson,
  kTitle,
  kAccount,
  kWebhooks,
  kRole,
  kFrom,
  kUntil,
  kColumns
};

struct ColumnName {
  std::string_view en, zh;
};
constexpr ColumnName kNames[kColumns] = {{"kind", "类别"},       {"unit", "单位"},   {"display_name", "名称"},
                                         {"aliases", "别名"},    {"parent", "上级"}, {"calendar", "日历"},
                                         {"person", "人员编号"}, {"title", "职务"},  {"account", "账号"},
                                         {"webhooks", "网关"},   {"role", "角色"},   {"from", "起"},
                                         {"until", "止"}};

struct Word {
  int value;
  std::string_view en, zh;
};
constexpr Word kKinds[] = {{v1::DirectoryEntry::kUnit, "unit", "单位"},
                           {v1::DirectoryEntry::kPerson, "person", "人员"},
                           {v1::DirectoryEntry::kRole, "role", "角色"},
                           {v1::DirectoryEntry::kDuty, "duty", "值班"}};
constexpr Word kRoles[] = {{v1::STAFF_ROLE_LEADER, "leader", "分管领导"},
                           {v1::STAFF_ROLE_HANDLER, "handler", "具体负责干部"},
                           {v1::STAFF_ROLE_DEPUTY, "deputy", "副手"},
                           {v1::STAFF_ROLE_SUPERVISOR, "supervisor", "热线督办员"}};

// Columns that a row of a kind may fill, `kind` aside.
bool Belongs(int kind, int column) {
  switch (kind) {
    case v1::DirectoryEntry::kUnit:
      return column == kUnit || column == kName || column == kAliases || column == kParent ||
             column == kCalendar || column == kFrom || column == kUntil;
    case v1::DirectoryEntry::kPerson:
      return column == kUnit || column == kName || column == kPerson || column == kTitle ||
             column == kAccount || column == kWebhooks || column == kFrom || column == kUntil;
    case v1::DirectoryEntry::kRole:
      return column == kUnit || column == kPerson || column == kRole || column == kFrom || column == kUntil;
    default:
      return column == kUnit || column == kPerson || column == kFrom || column == kUntil;
  }
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

template <size_t n>
std::optional<int> WordOf(const Word (&words)[n], std::string_view text) {
  for (const Word& word : words) {
    if (text == word.en || text == word.zh) return word.value;
  }
  return std::nullopt;
}

template <size_t n>
std::string_view TextOf(const Word (&words)[n], int value, bool chinese) {
  for (const Word& word : words) {
    if (word.value == value) return chinese ? word.zh : word.en;
  }
  return {};
}

std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const size_t end = text.find(';');
    const std::string_view part = Trim(text.substr(0, end));
    if (!part.empty()) parts.emplace_back(part);
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Records of RFC 4180.
class Records {
 public:
  explicit Records(std::string_view bytes) : bytes_(bytes) {}

  struct Record {
    int line = 0;
    std::vector<std::string> cells;
    std::string_view fault, fault_zh;
  };

  // The next record that is not empty; nothing at the end.
  std::optional<Record> Next() {
    while (at_ < bytes_.size()) {
      Record record = Read();
      if (record.cells.size() > 1 || !Trim(record.cells.front()).empty()) return record;
    }
    return std::nullopt;
  }

 private:
  Record Read() {
    Record record{.line = line_};
    while (true) {
      record.cells.push_back(Cell(&record));
      if (at_ < bytes_.size() && bytes_[at_] == ',') {
        ++at_;
        continue;
      }
      break;
    }
    if (at_ < bytes_.size()) ++at_, ++line_;  // the line feed
    return record;
  }

  // Leaves `at_` on the comma, the line feed or the end.
  std::string Cell(Record* record) {
    std::string cell;
    if (at_ < bytes_.size() && bytes_[at_] == '"') {
      ++at_;
      while (true) {
        if (at_ >= bytes_.size()) {
          record->fault = "a quote is not closed";
          record->fault_zh = "引号未闭合";
          return cell;
        }
        const char c = bytes_[at_++];
        if (c == '"') {
          if (at_ >= bytes_.size() || bytes_[at_] != '"') break;
          ++at_;
        }
        if (c == '\n') ++line_;
        cell += c;
      }
      if (at_ < bytes_.size() && bytes_[at_] != ',' && bytes_[at_] != '\n' && bytes_[at_] != '\r') {
        record->fault = "text after a closing quote";
        record->fault_zh = "结束引号后还有内容";
      }
    }
    const size_t start = at_;
    while (at_ < bytes_.size() && bytes_[at_] != ',' && bytes_[at_] != '\n') {
      if (bytes_[at_] == '"') {
        record->fault = "a quote stands within a cell that does not begin with one";
        record->fault_zh = "单元格中间出现引号";
      }
      ++at_;
    }
    cell += bytes_.substr(start, at_ - start);
    return cell;
  }

  const std::string_view bytes_;
  size_t at_ = 0;
  int line_ = 1;
};

// `2026-12-01`, `2026/12/1 8:00`, `… 08:00:30`. `end_of_day`: a bare date means the day after it.
std::optional<absl::Time> ParseTime(std::string_view text, bool end_of_day) {
  std::array<int, 6> parts = {};
  constexpr std::string_view kSeparators = "-- ::";
  size_t count = 0;
  while (true) {
    size_t digits = 0;
    int value = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9' && digits < 4) {
      value = value * 10 + (text[digits++] - '0');
    }
    if (digits == 0 || (count > 0 && digits > 2)) return std::nullopt;
    parts[count++] = value;
    text.remove_prefix(digits);
    if (text.empty()) break;
    if (count == parts.size()) return std::nullopt;
    const char wanted = kSeparators[count - 1];
    const bool fits =
        text[0] == wanted || (wanted == '-' && text[0] == '/') || (wanted == ' ' && text[0] == 'T');
    if (!fits) return std::nullopt;
    text.remove_prefix(1);
  }
  if (count != 3 && count < 5) return std::nullopt;
  const absl::CivilSecond civil(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]);
  if (civil.year() != parts[0] || civil.month() != parts[1] || civil.day() != parts[2] ||
      civil.hour() != parts[3] || civil.minute() != parts[4] || civil.second() != parts[5]) {
    return std::nullopt;
  }
  const absl::Time time = absl::FromCivil(civil, Beijing());
  return count == 3 && end_of_day ? time + absl::Hours(24) : time;
}

std::string WriteTime(absl::Time time, bool end_of_day) {
  const absl::TimeZone beijing = Beijing();
  const bool midnight =
      absl::ToCivilSecond(time, beijing) == absl::CivilSecond(absl::ToCivilDay(time, beijing));
  if (!midnight) return absl::FormatTime("%Y-%m-%d %H:%M:%S", time, beijing);
  return absl::FormatTime("%Y-%m-%d", end_of_day ? time - absl::Hours(24) : time, beijing);
}

class FileReader {
 public:
  CsvFile Read(std::string_view bytes) {
    if (bytes.size() > kMaxCsvBytes) {
      Blame(0, "", ERROR_REASON_LIST_INVALID, "the file is larger than 4 MiB", "文件超过4 MiB");
      return std::move(file_);
    }
    if (!CountCodePoints(bytes).has_value()) {
      Blame(BadLine(bytes), "", ERROR_REASON_TEXT_INVALID, "is not UTF-8: save the file as CSV UTF-8",
            "不是UTF-8编码，请另存为“CSV UTF-8”");
      return std::move(file_);
    }
    if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
    Records records(bytes);
    const auto header = records.Next();
    if (!header.has_value()) {
      Blame(1, "", ERROR_REASON_FIELD_REQUIRED, "the file is empty", "文件是空的");
      return std::move(file_);
    }
    if (!ReadHeader(*header)) return std::move(file_);
    while (const auto record = records.Next()) {
      if (file_.rows.size() >= kMaxEntries) {
        Blame(record->line, "", ERROR_REASON_LIST_INVALID, "the file has more than 20000 rows",
              "超过20000行");
        break;
      }
      if (file_.problems.size() >= kMaxRowProblems) break;
      ReadRow(*record);
    }
    return std::move(file_);
  }

 private:
  void Blame(int line, std::string_view column, type::v1::ErrorReason reason, std::string english,
             std::string chinese) {
    file_.problems.push_back({line, std::string(column), reason, std::move(english), std::move(chinese)});
  }

  static int BadLine(std::string_view bytes) {
    int line = 1;
    while (true) {
      const size_t end = bytes.find('\n');
      if (end == std::string_view::npos || !CountCodePoints(bytes.substr(0, end)).has_value()) return line;
      bytes.remove_prefix(end + 1);
      ++line;
    }
  }

  bool ReadHeader(const Records::Record& header) {
    if (!header.fault.empty()) {
      Blame(header.line, "", ERROR_REASON_FIELD_INVALID, std::string(header.fault),
            std::string(header.fault_zh));
      return false;
    }
    std::fill(std::begin(place_), std::end(place_), -1);
    for (size_t i = 0; i < header.cells.size(); ++i) {
      const std::string_view name = Trim(header.cells[i]);
      const auto it = std::find_if(std::begin(kNames), std::end(kNames),
                                   [&](const ColumnName& one) { return name == one.en || name == one.zh; });
      if (it == std::end(kNames)) {
        const std::string shown(TruncateCodePoints(name, 40));
        Blame(header.line, "", ERROR_REASON_FIELD_INVALID, StrCat("there is no column \"", shown, "\""),
              StrCat("没有名为“", shown, "”的列"));
        return false;
      }
      int& place = place_[it - std::begin(kNames)];
      if (place >= 0) {
        Blame(header.line, it->en, ERROR_REASON_LIST_INVALID, "the column is there twice", "该列重复");
        return false;
      }
      place = static_cast<int>(i);
    }
    width_ = header.cells.size();
    if (place_[kKind] < 0)
      Blame(header.line, "kind", ERROR_REASON_FIELD_REQUIRED, "the column is missing", "缺少该列");
    return place_[kKind] >= 0;
  }

  std::string_view Cell(const Records::Record& record, Column column) const {
    return place_[column] < 0 ? std::string_view() : Trim(record.cells[place_[column]]);
  }

  void ReadRow(const Records::Record& record) {
    const size_t known = file_.problems.size();
    const auto blame = [&](Column column, type::v1::ErrorReason reason, std::string english,
                           std::string chinese) {
      Blame(record.line, kNames[column].en, reason, std::move(english), std::move(chinese));
    };
    if (!record.fault.empty()) {
      return Blame(record.line, "", ERROR_REASON_FIELD_INVALID, std::string(record.fault),
                   std::string(record.fault_zh));
    }
    if (record.cells.size() != width_) {
      return Blame(record.line, "", ERROR_REASON_LIST_INVALID,
                   StrCat("has ", record.cells.size(), " cells, the first row ", width_),
                   StrCat("有", record.cells.size(), "个单元格，首行有", width_, "个"));
    }
    const std::optional<int> kind = WordOf(kKinds, Cell(record, kKind));
    if (!kind.has_value()) {
      return blame(kKind, ERROR_REASON_FIELD_INVALID, "must be unit, person, role or duty",
                   "须为单位、人员、角色或值班");
    }
    for (int column = kUnit; column < kColumns; ++column) {
      if (Belongs(*kind, column) || Cell(record, static_cast<Column>(column)).empty()) continue;
      blame(static_cast<Column>(column), ERROR_REASON_FIELD_INVALID,
            StrCat("does not belong to a ", TextOf(kKinds, *kind, false)),
            StrCat("“", TextOf(kKinds, *kind, true), "”行不应填写此列"));
    }
    CsvRow row{.line = record.line, .entry = {}};
    const std::string unit(Cell(record, kUnit));
    const std::string person(Cell(record, kPerson));
    v1::Validity validity;
    for (const auto& [column, end] : {std::pair(kFrom, false), std::pair(kUntil, true)}) {
      const std::string_view text = Cell(record, column);
      if (text.empty()) continue;
      const auto time = ParseTime(text, end);
      if (!time.has_value()) {
        blame(column, ERROR_REASON_TIME_INVALID, "is not a time like 2026-12-01 or 2026-12-01 08:00",
              "不是“2026-12-01”或“2026-12-01 08:00”这样的时间");
        continue;
      }
      (end ? validity.mutable_until_time() : validity.mutable_from_time())
          ->set_seconds(absl::ToUnixSeconds(*time));
    }
    switch (*kind) {
      case v1::DirectoryEntry::kUnit: {
        v1::DirectoryUnit& entry = *row.entry.mutable_unit();
        entry.set_code(unit);
        entry.set_display_name(std::string(Cell(record, kName)));
        for (std::string& alias : Split(Cell(record, kAliases))) entry.add_aliases(std::move(alias));
        entry.set_parent(std::string(Cell(record, kParent)));
        entry.set_calendar(std::string(Cell(record, kCalendar)));
        if (validity.ByteSizeLong() > 0) *entry.mutable_validity() = validity;
        break;
      }
      case v1::DirectoryEntry::kPerson: {
        v1::Person& entry = *row.entry.mutable_person();
        entry.set_id(person);
        entry.set_display_name(std::string(Cell(record, kName)));
        entry.set_title(std::string(Cell(record, kTitle)));
        entry.set_unit(unit);
        for (std::string& account : Split(Cell(record, kAccount))) {
          v1::Contact& contact = *entry.add_contacts();
          contact.set_channel(v1::CONTACT_CHANNEL_DESKTOP);
          contact.set_target(std::move(account));
        }
        for (const std::string& webhook : Split(Cell(record, kWebhooks))) {
          const size_t equals = webhook.find('=');
          if (equals == std::string::npos) {
            blame(kWebhooks, ERROR_REASON_FIELD_INVALID, "must be name=recipient, several separated by ;",
                  "须为“网关=接收人”，多个以;分隔");
            continue;
          }
          v1::Contact& contact = *entry.add_contacts();
          contact.set_channel(v1::CONTACT_CHANNEL_WEBHOOK);
          contact.set_webhook(std::string(Trim(std::string_view(webhook).substr(0, equals))));
          contact.set_target(std::string(Trim(std::string_view(webhook).substr(equals + 1))));
        }
        if (validity.ByteSizeLong() > 0) *entry.mutable_validity() = validity;
        break;
      }
      case v1::DirectoryEntry::kRole: {
        v1::RoleAssignment& entry = *row.entry.mutable_role();
        entry.set_unit(unit);
        entry.set_person(person);
        if (const auto role = WordOf(kRoles, Cell(record, kRole))) {
          entry.set_role(static_cast<v1::StaffRole>(*role));
        } else {
          blame(kRole, ERROR_REASON_FIELD_INVALID, "must be leader, handler, deputy or supervisor",
                "须为分管领导、具体负责干部、副手或热线督办员");
        }
        if (validity.ByteSizeLong() > 0) *entry.mutable_validity() = validity;
        break;
      }
      default: {
        v1::DutyShift& entry = *row.entry.mutable_duty();
        entry.set_unit(unit);
        entry.set_person(person);
        if (validity.ByteSizeLong() > 0) *entry.mutable_validity() = validity;
        break;
      }
    }
    if (file_.problems.size() == known) file_.rows.push_back(std::move(row));
  }

  CsvFile file_;
  int place_[kColumns];
  size_t width_ = 0;
};

std::string Quoted(std::string_view cell) {
  if (cell.find_first_of(",\"\r\n") == std::string_view::npos && cell == Trim(cell)) return std::string(cell);
  std::string quoted = "\"";
  for (const char c : cell) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::string Join(const std::vector<std::string>& parts) {
  std::string joined;
  for (const std::string& part : parts) joined += StrCat(joined.empty() ? "" : ";", part);
  return joined;
}

}  // namespace

CsvFile ReadCsv(std::string_view bytes) { return FileReader().Read(bytes); }

std::string ColumnOf(std::string_view field) {
  if (field == "code") return "unit";
  if (field == "id") return "person";
  if (field.starts_with("contacts")) return "webhooks";
  if (field == "validity.from_time") return "from";
  if (field.starts_with("validity")) return "until";
  return std::string(field);
}

std::string WriteCsv(const Directory& directory, bool chinese, bool byte_order_mark, absl::Time now) {
  std::string text(byte_order_mark ? kByteOrderMark : std::string_view());
  const auto write = [&](const std::array<std::string, kColumns>& cells) {
    for (int i = 0; i < kColumns; ++i) text += StrCat(i == 0 ? "" : ",", Quoted(cells[i]));
    text += "\r\n";
  };
  std::array<std::string, kColumns> cells;
  for (int i = 0; i < kColumns; ++i) cells[i] = std::string(chinese ? kNames[i].zh : kNames[i].en);
  write(cells);
  for (const auto& [key, entry] : directory.entries()) {
    if (HasEnded(*entry, now)) continue;
    cells = {};
    cells[kKind] = std::string(TextOf(kKinds, entry->entry_case(), chinese));
    cells[kUnit] = UnitOf(*entry);
    if (entry->has_unit()) {
      const v1::DirectoryUnit& unit = entry->unit();
      cells[kName] = unit.display_name();
      cells[kAliases] = Join({unit.aliases().begin(), unit.aliases().end()});
      cells[kParent] = unit.parent();
      cells[kCalendar] = unit.calendar();
    } else if (entry->has_person()) {
      const v1::Person& person = entry->person();
      cells[kName] = person.display_name();
      cells[kPerson] = person.id();
      cells[kTitle] = person.title();
      std::vector<std::string> accounts;
      std::vector<std::string> webhooks;
      for (const v1::Contact& contact : person.contacts()) {
        if (contact.channel() == v1::CONTACT_CHANNEL_DESKTOP) {
          accounts.push_back(contact.target());
        } else {
          webhooks.push_back(StrCat(contact.webhook(), "=", contact.target()));
        }
      }
      cells[kAccount] = Join(accounts);
      cells[kWebhooks] = Join(webhooks);
    } else if (entry->has_role()) {
      cells[kPerson] = entry->role().person();
      cells[kRole] = std::string(TextOf(kRoles, entry->role().role(), chinese));
    } else {
      cells[kPerson] = entry->duty().person();
    }
    const v1::Validity& validity = ValidityOf(*entry);
    const Period period = PeriodOf(validity);
    if (validity.has_from_time()) cells[kFrom] = WriteTime(period.from, false);
    if (validity.has_until_time()) cells[kUntil] = WriteTime(period.until, true);
    write(cells);
  }
  return text;
}

}  // namespace hotline::escalation::directory
