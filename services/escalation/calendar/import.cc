#include "services/escalation/calendar/import.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/error/error.h"
#include "services/escalation/calendar/civil.h"
#include "services/escalation/calendar/layer.h"

namespace hotline::escalation::calendar {
namespace {

using config::v1::DayRule;
using error::Reason;

using Days = std::vector<DayRule>;

// Problems of one file.
class Source {
 public:
  explicit Source(std::string_view name) : name_(name) {}

  absl::Status Bad(int line, std::string_view field, std::string_view english, std::string_view chinese,
                   Reason reason = Reason::ERROR_REASON_FIELD_INVALID) const {
    return error::BadField(reason, field, StrCat(name_, ":", line, ": ", english),
                           StrCat(name_, "第", line, "行：", chinese));
  }

  absl::Status CheckSize(std::string_view text) const {
    if (text.size() <= kMaxImportBytes) return absl::OkStatus();
    return Bad(1, "file", "is larger than 1 MiB", "超过1MiB", Reason::ERROR_REASON_LIST_INVALID);
  }

  // `line` is that of the file on which `text` begins.
  absl::Status CheckUtf8(int line, std::string_view text) const {
    for (std::string_view rest = text; !rest.empty(); ++line) {
      const size_t end = rest.find('\n');
      if (!CountCodePoints(rest.substr(0, end)).has_value()) {
        return Bad(line, "file", "is not UTF-8 text", "不是UTF-8文本");
      }
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
    return absl::OkStatus();
  }

  // A name that a single day may have.
  absl::Status CheckName(int line, std::string_view field, std::string_view name) const {
    const bool control =
        std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
    const int64_t length = CountCodePoints(name).value_or(-1);
    if (length >= 1 && length <= kMaxTextCodePoints && !control) return absl::OkStatus();
    return Bad(line, field,
               StrCat("must name the day in 1 to ", kMaxTextCodePoints, " characters without line breaks"),
               StrCat("须为1至", kMaxTextCodePoints, "个字符的节日名称，且不含换行"));
  }

  absl::Status TooMany(int line) const {
    return Bad(line, "file", StrCat("has more than ", kMaxImportDays, " entries"),
               StrCat("超过", kMaxImportDays, "项"), Reason::ERROR_REASON_LIST_INVALID);
  }
  absl::Status Nothing() const {
    return Bad(1, "file", "has no days", "没有任何日期", Reason::ERROR_REASON_LIST_INVALID);
  }

 private:
  const std::string_view name_;
};

std::string_view WithoutByteOrderMark(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return text;
}

// The holiday list and no other JSON: small enough to keep the line of everything.
class HolidayReader {
 public:
  HolidayReader(std::string_view text, std::string_view name, std::string_view document)
      : rest_(text), source_(name), document_(document) {}

  absl::StatusOr<Days> Run() {
    if (absl::Status status = source_.CheckSize(rest_); !status.ok()) return status;
    if (absl::Status status = source_.CheckUtf8(line_, rest_); !status.ok()) return status;
    rest_ = WithoutByteOrderMark(rest_);
    if (!Take('[')) return Expected("file", "a list in [ ]", "以[ ]括起的列表");
    if (!Take(']')) {
      do {
        if (days_.size() >= kMaxImportDays) return source_.TooMany(line_);
        if (absl::Status status = ReadDay(); !status.ok()) return status;
      } while (Take(','));
      if (!Take(']')) return Expected("file", "`,` or `]`", "“,”或“]”");
    }
    Skip();
    if (!rest_.empty()) return Expected("file", "nothing more", "文件结尾");
    if (days_.empty()) return source_.Nothing();
    return std::move(days_);
  }

 private:
  void Skip() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == '\r' ||
                              rest_.front() == '\n')) {
      if (rest_.front() == '\n') ++line_;
      rest_.remove_prefix(1);
    }
  }
  bool Take(char c) {
    Skip();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool TakeWord(std::string_view word) {
    Skip();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  absl::Status Expected(std::string_view field, std::string_view english, std::string_view chinese) {
    Skip();
    return source_.Bad(line_, field, StrCat("must be ", english), StrCat("此处应为", chinese));
  }

  absl::Status ReadDay() {
    if (!Take('{')) return Expected("file", "a day in { }", "以{ }括起的日期");
    const int line = line_;
    DayRule rule;
    rule.set_document(std::string(document_));
    std::set<std::string> seen;
    do {
      const std::optional<std::string> key = String();
      if (!key.has_value()) return Expected("key", "a text in quotes", "带引号的键名");
      const int at = line_;
      if (*key != "date" && *key != "off" && *key != "name") {
        return source_.Bad(at, "key", "must be date, off or name", "只能是 date、off 或 name");
      }
      if (!seen.insert(*key).second) return source_.Bad(at, *key, "is there twice", "重复");
      if (!Take(':')) return Expected(*key, "followed by `:`", "“:”");
      if (*key == "off") {
        if (TakeWord("true")) {
          rule.set_kind(config::v1::DAY_KIND_OFF);
        } else if (TakeWord("false")) {
          rule.set_kind(config::v1::DAY_KIND_WORKING);
        } else {
          return Expected(*key, "true or false", "true 或 false");
        }
        continue;
      }
      const std::optional<std::string> value = String();
      if (!value.has_value()) return Expected(*key, "a text in quotes", "带引号的文本");
      if (*key == "name") {
        if (absl::Status status = source_.CheckName(line_, "name", *value); !status.ok()) return status;
        rule.set_name(*value);
        continue;
      }
      const std::optional<Day> day = ParseDate(*value);
      if (!day.has_value()) {
        return source_.Bad(line_, "date", "must be a date YYYY-MM-DD from 1970 to 2199",
                           "须为1970年至2199年间真实存在的日期，格式为YYYY-MM-DD");
      }
      if (!dates_.insert(*day).second) {
        return source_.Bad(line_, "date", StrCat(*value, " is there twice"), StrCat(*value, "重复"));
      }
      rule.set_first_date(*value);
    } while (Take(','));
    if (!Take('}')) return Expected("file", "`,` or `}`", "“,”或“}”");
    for (const char* key : {"date", "off", "name"}) {
      if (!seen.contains(key)) {
        return source_.Bad(line, key, "is required", "必填", Reason::ERROR_REASON_FIELD_REQUIRED);
      }
    }
    days_.push_back(std::move(rule));
    return absl::OkStatus();
  }

  // A JSON string; nothing if there is none here or it is malformed.
  std::optional<std::string> String() {
    if (!Take('"')) return std::nullopt;
    std::string out;
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) return std::nullopt;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (rest_.empty()) return std::nullopt;
      const char escape = rest_.front();
      rest_.remove_prefix(1);
      constexpr std::string_view kEscapes = "\"\\/bfnrt";
      constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
      if (escape != 'u') {
        const size_t which = kEscapes.find(escape);
        if (which == std::string_view::npos) return std::nullopt;
        out += kMeant[which];
        continue;
      }
      std::optional<uint32_t> code = Unit();
      if (!code.has_value() || (*code >= 0xdc00 && *code < 0xe000)) return std::nullopt;
      if (*code >= 0xd800 && *code < 0xdc00) {
        if (!rest_.starts_with("\\u")) return std::nullopt;
        rest_.remove_prefix(2);
        const std::optional<uint32_t> low = Unit();
        if (!low.has_value() || *low < 0xdc00 || *low >= 0xe000) return std::nullopt;
        code = 0x10000 + ((*code - 0xd800) << 10) + (*low - 0xdc00);
      }
      AppendCodePoint(*code, &out);
    }
    return std::nullopt;
  }

  // Four hexadecimal digits.
  std::optional<uint32_t> Unit() {
    if (rest_.size() < 4) return std::nullopt;
    uint32_t value = 0;
    for (const char c : rest_.substr(0, 4)) {
      if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return std::nullopt;
      const char low = absl::ascii_tolower(static_cast<unsigned char>(c));
      value = value * 16 + static_cast<uint32_t>(low <= '9' ? low - '0' : low - 'a' + 10);
    }
    rest_.remove_prefix(4);
    return value;
  }

  static void AppendCodePoint(uint32_t code, std::string* out) {
    const auto tail = [&](int shift) { *out += static_cast<char>(0x80 | (code >> shift & 0x3f)); };
    if (code < 0x80) {
      *out += static_cast<char>(code);
    } else if (code < 0x800) {
      *out += static_cast<char>(0xc0 | code >> 6);
      tail(0);
    } else if (code < 0x10000) {
      *out += static_cast<char>(0xe0 | code >> 12);
      tail(6);
      tail(0);
    } else {
      *out += static_cast<char>(0xf0 | code >> 18);
      tail(12);
      tail(6);
      tail(0);
    }
  }

  std::string_view rest_;
  const Source source_;
  const std::string_view document_;
  int line_ = 1;
  Days days_;
  std::set<Day> dates_;
};

// A content line, unfolded, with the line of the file it begins on.
struct ContentLine {
  int line = 0;
  std::string name;  // upper case
  std::vector<std::pair<std::string, std::string>> parameters;
  std::string value;
};

// What has no bearing on which days are meant.
bool MayBePassedOver(const std::string& property) {
  static const std::set<std::string> names = {
      "UID",           "DTSTAMP",    "DESCRIPTION", "CLASS",    "TRANSP",  "SEQUENCE", "CREATED",
      "LAST-MODIFIED", "CATEGORIES", "URL",         "LOCATION", "COMMENT", "PRIORITY", "REFRESH-INTERVAL"};
  return names.contains(property) || property.starts_with("X-");
}

struct Mark {
  std::string_view text;
  config::v1::DayKind kind;
};
constexpr std::array<Mark, 4> kMarks = {{{"（休）", config::v1::DAY_KIND_OFF},
                                         {"（班）", config::v1::DAY_KIND_WORKING},
                                         {"(休)", config::v1::DAY_KIND_OFF},
                                         {"(班)", config::v1::DAY_KIND_WORKING}}};

class ICalendarReader {
 public:
  ICalendarReader(std::string_view text, std::string_view name, std::string_view document)
      : rest_(text), source_(name), document_(document) {}

  absl::StatusOr<Days> Run() {
    if (absl::Status status = source_.CheckSize(rest_); !status.ok()) return status;
    rest_ = WithoutByteOrderMark(rest_);
    ContentLine line;
    while (true) {
      absl::StatusOr<bool> more = Next(&line);
      if (!more.ok()) return more.status();
      if (!*more) break;
      if (absl::Status status = Use(line); !status.ok()) return status;
    }
    if (!open_.empty()) {
      return source_.Bad(next_line_, open_.back(), "has no END", "缺少END");
    }
    if (!ended_) return source_.Bad(1, "BEGIN", "must be VCALENDAR", "须为VCALENDAR");
    if (days_.empty()) return source_.Nothing();
    return std::move(days_);
  }

 private:
  struct Event {
    int line = 0;
    std::optional<Day> start;
    std::optional<Day> end;
    int end_line = 0;
    std::string summary;
    int summary_line = 0;
    config::v1::DayKind special = config::v1::DAY_KIND_UNSPECIFIED;
    std::vector<std::string> hours;
    int hours_line = 0;
  };

  // A line of the file without its end, which is LF, CR LF, or what careless copying makes of them: CR alone,
  // or several before the LF. False at the end of the file.
  bool Physical(std::string_view* line) {
    if (rest_.empty()) return false;
    const size_t end = std::min(rest_.find_first_of("\r\n"), rest_.size());
    *line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(rest_.find_first_not_of('\r', end), rest_.size()));
    if (rest_.starts_with('\n')) rest_.remove_prefix(1);
    ++next_line_;
    return true;
  }

  absl::StatusOr<bool> Next(ContentLine* out) {
    std::string_view physical;
    do {
      if (!Physical(&physical)) return false;
    } while (physical.empty());
    *out = {.line = next_line_ - 1};
    std::string text(physical);
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) {
      Physical(&physical);
      text += physical.substr(1);
    }
    // Not before: a line may be folded within a character (RFC 5545, 3.1).
    if (absl::Status status = source_.CheckUtf8(out->line, text); !status.ok()) return status;
    return Split(text, out);
  }

  // NAME *(";" PARAM "=" VALUE) ":" VALUE
  absl::StatusOr<bool> Split(std::string_view text, ContentLine* out) {
    const auto malformed = [&] {
      return source_.Bad(out->line, "line", "is no content line NAME;PARAMETER=…:VALUE",
                         "不符合“属性名;参数=…:值”的格式");
    };
    size_t at = 0;
    const auto token = [&] {
      const size_t begin = at;
      while (at < text.size() &&
             (absl::ascii_isalnum(static_cast<unsigned char>(text[at])) || text[at] == '-')) {
        ++at;
      }
      return absl::AsciiStrToUpper(ToAbsl(text.substr(begin, at - begin)));
    };
    out->name = token();
    if (out->name.empty()) return malformed();
    while (at < text.size() && text[at] == ';') {
      ++at;
      std::string key = token();
      if (key.empty() || at >= text.size() || text[at] != '=') return malformed();
      ++at;
      std::string value;
      bool quoted = false;
      for (; at < text.size() && (quoted || (text[at] != ';' && text[at] != ':')); ++at) {
        if (text[at] == '"') {
          quoted = !quoted;
        } else {
          value += text[at];
        }
      }
      if (quoted) return malformed();
      out->parameters.emplace_back(std::move(key), std::move(value));
    }
    if (at >= text.size() || text[at] != ':') return malformed();
    out->value = std::string(text.substr(at + 1));
    return true;
  }

  absl::Status NotUnderstood(const ContentLine& line) {
    return source_.Bad(line.line, line.name, "is not understood here: days may be meant that it changes",
                       "无法识别，可能影响日期，已拒绝导入");
  }

  absl::Status Use(const ContentLine& line) {
    if (line.name == "BEGIN") return Begin(line);
    if (line.name == "END") return End(line);
    if (open_.empty())
      return source_.Bad(line.line, line.name, "stands outside VCALENDAR", "位于VCALENDAR之外");
    // Of components that are passed over as a whole.
    if (open_.back() != "VCALENDAR" && open_.back() != "VEVENT") return absl::OkStatus();
    if (open_.back() == "VCALENDAR") {
      if (line.name == "VERSION") {
        if (line.value != "2.0") return source_.Bad(line.line, "VERSION", "must be 2.0", "须为2.0");
        version_ = true;
      } else if (line.name == "CALSCALE") {
        if (!absl::EqualsIgnoreCase(line.value, "GREGORIAN")) {
          return source_.Bad(line.line, "CALSCALE", "must be GREGORIAN", "须为GREGORIAN（公历）");
        }
      } else if (line.name == "METHOD") {
        // Others take days back, or only talk of them.
        if (!absl::EqualsIgnoreCase(line.value, "PUBLISH") &&
            !absl::EqualsIgnoreCase(line.value, "REQUEST")) {
          return source_.Bad(line.line, "METHOD", "must be PUBLISH or REQUEST", "须为PUBLISH或REQUEST");
        }
      } else if (line.name != "PRODID" && line.name != "NAME" && !MayBePassedOver(line.name)) {
        return NotUnderstood(line);
      }
      return absl::OkStatus();
    }
    return UseInEvent(line);
  }

  absl::Status Begin(const ContentLine& line) {
    const std::string name = absl::AsciiStrToUpper(line.value);
    const std::string outer = open_.empty() ? "" : open_.back();
    const bool passed_over =
        outer == "VTIMEZONE" || outer == "VALARM" || outer == "STANDARD" || outer == "DAYLIGHT";
    const bool good = (outer.empty() && name == "VCALENDAR" && !ended_) ||
                      (outer == "VCALENDAR" && (name == "VEVENT" || name == "VTIMEZONE")) ||
                      (outer == "VEVENT" && name == "VALARM") ||
                      (passed_over && outer == "VTIMEZONE" && (name == "STANDARD" || name == "DAYLIGHT"));
    if (!good) {
      return source_.Bad(line.line, "BEGIN", "opens a component that is not understood here",
                         "此处的组件无法识别");
    }
    open_.push_back(name);
    if (name == "VEVENT") event_ = {.line = line.line};
    return absl::OkStatus();
  }

  absl::Status End(const ContentLine& line) {
    const std::string name = absl::AsciiStrToUpper(line.value);
    if (open_.empty() || open_.back() != name) {
      return source_.Bad(line.line, "END", "does not close the component that is open", "与BEGIN不对应");
    }
    open_.pop_back();
    if (name == "VEVENT") return Finish();
    if (name == "VCALENDAR") {
      ended_ = true;
      if (!version_) return source_.Bad(line.line, "VERSION", "is required", "必填");
    }
    return absl::OkStatus();
  }

  absl::Status UseInEvent(const ContentLine& line) {
    const auto twice = [&] { return source_.Bad(line.line, line.name, "is there twice", "重复"); };
    if (line.name == "DTSTART" || line.name == "DTEND") {
      std::optional<Day>& day = line.name == "DTSTART" ? event_.start : event_.end;
      if (day.has_value()) return twice();
      bool date = false;
      for (const auto& [key, value] : line.parameters) {
        if (key == "VALUE") {
          date = absl::EqualsIgnoreCase(value, "DATE");
        } else if (!key.starts_with("X-")) {
          return source_.Bad(line.line, line.name,
                             StrCat("has the parameter ", key, ", only VALUE=DATE may be"),
                             StrCat("参数", key, "无法识别，只能为VALUE=DATE"));
        }
      }
      day = date ? ParseBasicDate(line.value) : std::nullopt;
      // The end is excluded, so it may lie a day beyond all dates.
      if (date && line.name == "DTEND" && line.value == "22000101") day = DayOfDate(2200, 1, 1);
      if (!day.has_value()) {
        return source_.Bad(line.line, line.name, "must be ;VALUE=DATE:YYYYMMDD, a date from 1970 to 2199",
                           "须为;VALUE=DATE:YYYYMMDD形式的整日，且在1970年至2199年间真实存在");
      }
      if (line.name == "DTEND") event_.end_line = line.line;
      return absl::OkStatus();
    }
    if (line.name == "SUMMARY") {
      if (event_.summary_line != 0) return twice();
      event_.summary_line = line.line;
      if (!Unescape(line.value, &event_.summary)) {
        return source_.Bad(line.line, "SUMMARY", "has an escape that is not \\\\ \\; \\, or \\n",
                           "转义只能为\\\\、\\;、\\,或\\n");
      }
      return absl::OkStatus();
    }
    if (line.name == "STATUS") {
      if (absl::EqualsIgnoreCase(line.value, "CONFIRMED")) return absl::OkStatus();
      return source_.Bad(line.line, "STATUS", "must be CONFIRMED", "须为CONFIRMED");
    }
    if (line.name == "X-APPLE-SPECIAL-DAY") {
      if (line.value == "WORK-HOLIDAY") {
        event_.special = config::v1::DAY_KIND_OFF;
      } else if (line.value == "ALTERNATE-WORKDAY") {
        event_.special = config::v1::DAY_KIND_WORKING;
      } else {
        return source_.Bad(line.line, line.name, "must be WORK-HOLIDAY or ALTERNATE-WORKDAY",
                           "须为WORK-HOLIDAY或ALTERNATE-WORKDAY");
      }
      return absl::OkStatus();
    }
    if (line.name == "X-HOTLINE-HOURS") {
      if (event_.hours_line != 0) return twice();
      event_.hours_line = line.line;
      int32_t end = 0;
      for (const absl::string_view part : absl::StrSplit(line.value, ',')) {
        const std::optional<Segment> segment = ParseSegment(ToStd(part));
        if (!segment.has_value() || segment->open < end || event_.hours.size() >= kMaxSegments) {
          return source_.Bad(line.line, line.name,
                             "must be HH:MM-HH:MM, up to 8, in order, with commas between",
                             "须为HH:MM-HH:MM，以逗号分隔，最多8段，不重叠且按先后排列");
        }
        end = segment->close;
        event_.hours.emplace_back(part);
      }
      return absl::OkStatus();
    }
    if (MayBePassedOver(line.name)) return absl::OkStatus();
    return NotUnderstood(line);
  }

  static bool Unescape(std::string_view text, std::string* out) {
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        *out += text[i];
        continue;
      }
      if (++i == text.size()) return false;
      if (text[i] == 'n' || text[i] == 'N') {
        *out += '\n';
      } else if (text[i] == '\\' || text[i] == ';' || text[i] == ',') {
        *out += text[i];
      } else {
        return false;
      }
    }
    return true;
  }

  absl::Status Finish() {
    if (days_.size() >= kMaxImportDays) return source_.TooMany(event_.line);
    if (!event_.start.has_value()) {
      return source_.Bad(event_.line, "DTSTART", "is required", "必填", Reason::ERROR_REASON_FIELD_REQUIRED);
    }
    if (event_.summary_line == 0) {
      return source_.Bad(event_.line, "SUMMARY", "is required", "必填", Reason::ERROR_REASON_FIELD_REQUIRED);
    }
    const Day end = event_.end.value_or(*event_.start + 1);
    if (end <= *event_.start || end - *event_.start > kMaxRangeDays) {
      return source_.Bad(event_.end_line, "DTEND",
                         StrCat("must be 1 to ", kMaxRangeDays, " days after DTSTART; it is excluded"),
                         StrCat("须比DTSTART晚1至", kMaxRangeDays, "天（不含当日）"));
    }
    std::string_view name = event_.summary;
    config::v1::DayKind kind = config::v1::DAY_KIND_UNSPECIFIED;
    for (const Mark& mark : kMarks) {
      if (!name.ends_with(mark.text)) continue;
      name.remove_suffix(mark.text.size());
      kind = mark.kind;
      break;
    }
    if (kind == config::v1::DAY_KIND_UNSPECIFIED) kind = event_.special;
    if (kind == config::v1::DAY_KIND_UNSPECIFIED ||
        (event_.special != config::v1::DAY_KIND_UNSPECIFIED && event_.special != kind)) {
      return source_.Bad(event_.summary_line, "SUMMARY",
                         "must end in （休） or （班）, and agree with X-APPLE-SPECIAL-DAY",
                         "须以“（休）”或“（班）”结尾，且与X-APPLE-SPECIAL-DAY一致");
    }
    if (absl::Status status = source_.CheckName(event_.summary_line, "SUMMARY", name); !status.ok()) {
      return status;
    }
    if (kind == config::v1::DAY_KIND_OFF && event_.hours_line != 0) {
      return source_.Bad(event_.hours_line, "X-HOTLINE-HOURS", "is only for working days",
                         "仅用于上班的日期");
    }
    DayRule rule;
    rule.set_document(std::string(document_));
    rule.set_first_date(FormatDate(*event_.start));
    if (end - *event_.start > 1) rule.set_last_date(FormatDate(end - 1));
    rule.set_kind(kind);
    rule.set_name(std::string(name));
    for (const std::string& hours : event_.hours) rule.add_segments(hours);
    days_.push_back(std::move(rule));
    return absl::OkStatus();
  }

  std::string_view rest_;
  const Source source_;
  const std::string_view document_;
  int next_line_ = 1;
  std::vector<std::string> open_;
  bool ended_ = false;
  bool version_ = false;
  Event event_;
  Days days_;
};

// Appends a content line, folded at 75 bytes without cutting a character.
void AppendLine(std::string_view line, std::string* out) {
  size_t room = 75;
  while (line.size() > room) {
    size_t cut = room;
    while (cut > 1 && (static_cast<unsigned char>(line[cut]) & 0xc0) == 0x80) --cut;
    out->append(line.substr(0, cut));
    out->append("\r\n ");
    line.remove_prefix(cut);
    room = 74;
  }
  out->append(line);
  out->append("\r\n");
}

std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == ';' || c == ',') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

absl::StatusOr<Days> ParseHolidayJson(std::string_view text, std::string_view name,
                                      std::string_view document) {
  return HolidayReader(text, name, document).Run();
}

absl::StatusOr<Days> ParseICalendar(std::string_view text, std::string_view name, std::string_view document) {
  return ICalendarReader(text, name, document).Run();
}

std::string WriteICalendar(const Days& days, absl::Time stamp) {
  std::string out;
  AppendLine("BEGIN:VCALENDAR", &out);
  AppendLine("VERSION:2.0", &out);
  AppendLine("PRODID:-//hotline//calendar//ZH", &out);
  AppendLine("CALSCALE:GREGORIAN", &out);
  const std::string made = absl::FormatTime("%Y%m%dT%H%M%SZ", stamp, absl::UTCTimeZone());
  for (const DayRule& rule : days) {
    const Day first = ParseDate(rule.first_date()).value_or(0);
    const Day last = ParseDate(rule.last_date()).value_or(first);
    const bool off = rule.kind() == config::v1::DAY_KIND_OFF;
    AppendLine("BEGIN:VEVENT", &out);
    AppendLine(StrCat("UID:", FormatBasicDate(first), "-", FormatBasicDate(last), "@hotline"), &out);
    AppendLine(StrCat("DTSTAMP:", made), &out);
    AppendLine(StrCat("DTSTART;VALUE=DATE:", FormatBasicDate(first)), &out);
    AppendLine(StrCat("DTEND;VALUE=DATE:", FormatBasicDate(last + 1)), &out);
    AppendLine(StrCat("SUMMARY:", Escape(rule.name()), off ? "（休）" : "（班）"), &out);
    if (!rule.segments().empty()) {
      std::string hours;
      for (const std::string& segment : rule.segments()) {
        if (!hours.empty()) hours += ',';
        hours += segment;
      }
      AppendLine(StrCat("X-HOTLINE-HOURS:", hours), &out);
    }
    AppendLine("END:VEVENT", &out);
  }
  AppendLine("END:VCALENDAR", &out);
  return out;
}

}  // namespace hotline::escalation::calendar
