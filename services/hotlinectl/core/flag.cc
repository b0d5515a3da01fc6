#include "services/hotlinectl/core/flag.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/base/clock.h"
#include "common/base/text.h"

namespace hotline::hotlinectl {
namespace {

// What a plausible client asks for; keeps arithmetic with it far from overflow.
constexpr absl::Duration kMaxDuration = absl::Hours(24 * 366 * 100);

bool AllDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

}  // namespace

std::string FlagWords(const FlagSpec& flag, std::string_view separator) {
  if (flag.words != nullptr) return EnumWords(*flag.words(), separator);
  return absl::StrReplaceAll(ToAbsl(flag.choices), {{"|", ToAbsl(separator)}});
}

std::string ShownFlagWords(const FlagSpec& flag, std::string_view separator, Language language) {
  const bool pairs = flag.words != nullptr && language == Language::kChinese;
  return pairs ? EnumWordPairs(*flag.words(), separator) : FlagWords(flag, separator);
}

std::string FlagFault(const FlagSpec& flag, std::string_view shown, std::string_view value,
                      Language language) {
  switch (flag.kind) {
    case ValueKind::kSwitch:
    case ValueKind::kText:
    case ValueKind::kList:
    case ValueKind::kFile:
    case ValueKind::kAddress:
      return "";
    case ValueKind::kInteger:
      return ParseInteger(value) ? "" : Say(language, say::kBadInteger, shown);
    case ValueKind::kNumber:
      return ParseNumber(value) ? "" : Say(language, say::kBadNumber, shown);
    case ValueKind::kDuration:
      return ParseDuration(value) ? "" : Say(language, say::kBadDuration, shown);
    case ValueKind::kTime:
      return ParseTime(value, absl::UnixEpoch()) ? "" : Say(language, say::kBadTime, shown);
    case ValueKind::kWord:
      break;
  }
  bool known = false;
  if (flag.words != nullptr) {
    known = ParseEnumWord(*flag.words(), value).has_value();
  } else {
    for (absl::string_view choice : absl::StrSplit(ToAbsl(flag.choices), '|'))
      known = known || ToStd(choice) == value;
  }
  return known ? "" : Say(language, say::kBadWord, shown, ShownFlagWords(flag, ", ", language));
}

std::optional<int64_t> ParseInteger(std::string_view text) {
  int64_t value = 0;
  if (!AllDigits(text) || !absl::SimpleAtoi(ToAbsl(text), &value)) return std::nullopt;
  return value;
}

std::optional<double> ParseNumber(std::string_view text) {
  double value = 0;
  if (!absl::SimpleAtod(ToAbsl(text), &value) || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<absl::Duration> ParseDuration(std::string_view text) {
  const std::string_view stripped = Trim(text);
  const std::string with_unit = AllDigits(stripped) ? StrCat(stripped, "s") : std::string(stripped);
  absl::Duration duration;
  int64_t days = 0;
  if (stripped.ends_with('d') && AllDigits(stripped.substr(0, stripped.size() - 1)) &&
      absl::SimpleAtoi(ToAbsl(stripped.substr(0, stripped.size() - 1)), &days) && days <= 36'600) {
    duration = absl::Hours(24 * days);
  } else if (!absl::ParseDuration(with_unit, &duration)) {
    return std::nullopt;
  }
  if (duration < absl::ZeroDuration() || duration > kMaxDuration) return std::nullopt;
  return duration;
}

std::optional<absl::Time> ParseTime(std::string_view text, std::optional<absl::Time> now) {
  text = Trim(text);
  if (now && text.size() > 2 && (text[0] == '+' || text[0] == '-')) {
    std::string_view distance = text.substr(1);
    absl::Duration duration;
    int64_t days = 0;
    if (distance.ends_with('d')) {
      distance.remove_suffix(1);
      constexpr int64_t kMaxDays = 36'600;
      if (!AllDigits(distance) || !absl::SimpleAtoi(ToAbsl(distance), &days) || days > kMaxDays)
        return std::nullopt;
      duration = absl::Hours(24 * days);
    } else {
      const auto parsed = ParseDuration(distance);
      if (!parsed) return std::nullopt;
      duration = *parsed;
    }
    return text[0] == '+' ? *now + duration : *now - duration;
  }
  absl::Time time;
  // absl also reads `infinite-past` and years beyond what a Timestamp can hold.
  const auto in_range = [&] {
    return time >= absl::FromUnixSeconds(-62135596800) && time < absl::FromUnixSeconds(253402300800);
  };
  std::string error;
  for (const char* format : {"%Y-%m-%d%ET%H:%M:%E*S%Ez", "%Y-%m-%d %H:%M:%E*S%Ez"}) {
    if (absl::ParseTime(format, ToAbsl(text), &time, &error)) {
      return in_range() ? std::optional(time) : std::nullopt;
    }
  }
  for (const char* format :
       {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d%ET%H:%M", "%Y-%m-%d%ET%H:%M:%E*S"}) {
    if (absl::ParseTime(format, ToAbsl(text), Beijing(), &time, &error)) {
      return in_range() ? std::optional(time) : std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<bool> ParseBoolean(std::string_view text) {
  text = Trim(text);
  bool value = false;
  if (absl::SimpleAtob(ToAbsl(text), &value)) return value;
  if (text == "是") return true;
  if (text == "否") return false;
  return std::nullopt;
}

}  // namespace hotline::hotlinectl
