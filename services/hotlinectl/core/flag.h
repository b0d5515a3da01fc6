// What a flag of the command line is, and how its value is read. The same rules read the columns and keys of
// files.
#ifndef SERVICES_HOTLINECTL_CORE_FLAG_H_
#define SERVICES_HOTLINECTL_CORE_FLAG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "services/hotlinectl/core/text.h"

namespace hotline::hotlinectl {

enum class ValueKind {
  kSwitch,    // present or not; in files true or false
  kText,      // anything
  kList,      // texts separated by commas
  kInteger,   // 0 or more
  kNumber,    // a decimal
  kDuration,  // 500ms, 10s, 2m
  kTime,      // see ParseTime
  kWord,      // one of the words of an enum or of `choices`
  kAddress,   // host:port; checked when it is connected to
  kFile,      // a path
};

struct FlagSpec {
  // Without the dashes.
  std::string_view name;
  ValueKind kind = ValueKind::kText;
  Phrase help;
  // For kWord: the enum whose words it takes …
  const google::protobuf::EnumDescriptor* (*words)() = nullptr;
  // … or the words themselves, separated by `|`.
  std::string_view choices = {};
  // The command cannot do without it.
  bool required = false;
  // May be given several times.
  bool repeated = false;
};

// The words a kWord flag takes, `a|b|c`. Empty for other kinds.
std::string FlagWords(const FlagSpec& flag, std::string_view separator = "|");

// The same as help and faults list them: in Chinese with the Chinese word beside each (`help/求助`).
std::string ShownFlagWords(const FlagSpec& flag, std::string_view separator, Language language);

// Why `value` does not fit `flag`, in `language`; empty if it fits. `shown` is how to call the flag.
std::string FlagFault(const FlagSpec& flag, std::string_view shown, std::string_view value,
                      Language language);

// Whole numbers from 0 on, digits only.
std::optional<int64_t> ParseInteger(std::string_view text);
// Finite decimals.
std::optional<double> ParseNumber(std::string_view text);
// Longer than or equal to zero, with a unit; a bare number is seconds.
std::optional<absl::Duration> ParseDuration(std::string_view text);
// RFC 3339, or `YYYY-MM-DD`, `YYYY-MM-DD HH:MM`, `YYYY-MM-DD HH:MM:SS` in Beijing time, or, when `now` is
// given, a distance from it: `+2h`, `-30m`, `-3d`.
std::optional<absl::Time> ParseTime(std::string_view text, std::optional<absl::Time> now);
// true, false, yes, no, 1, 0, 是, 否, in any case.
std::optional<bool> ParseBoolean(std::string_view text);

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_FLAG_H_
