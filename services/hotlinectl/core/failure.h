// Failures in plain words, and the exit codes that scripts rely on. Pure.
#ifndef SERVICES_HOTLINECTL_CORE_FAILURE_H_
#define SERVICES_HOTLINECTL_CORE_FAILURE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/base/text.h"
#include "hotline/dispatch/v1/dispatch_service.pb.h"
#include "services/hotlinectl/core/text.h"

namespace hotline::hotlinectl {

// Part of the contract with scripts: see `hotlinectl help`.
enum ExitCode : int {
  kExitOk = 0,
  kExitInternal = 1,
  kExitUsage = 2,
  kExitInvalid = 3,
  kExitNotFound = 4,
  kExitConflict = 5,
  kExitUnreachable = 6,
  kExitTryLater = 7,
  kExitTelephone = 8,
  kExitVerifyFailed = 9,
};

// What a phrase is filled with: texts, whole numbers, and other phrases.
inline std::string In(Language language, const Phrase& phrase) { return std::string(Say(language, phrase)); }
template <typename Argument>
std::string In(Language /*language*/, const Argument& argument) {
  return StrCat(argument);
}

// A call that failed, with what a person needs to make sense of it.
struct Failure {
  absl::Status status;
  // `dispatch`, `work_order` or `escalation`; empty if nothing was called.
  std::string service;
  std::string address;
  // Of the change that was tried; empty for reads.
  std::string request_id;
  // A choice of the command line's, not of a service.
  bool usage = false;
  // The peer was to know of it at once, and nobody can say whether it was pushed.
  bool telephone_required = false;
  // The status's message in Chinese, if the status itself has none and its message is in English.
  std::string chinese = {};
  // What to do about it, where the status alone says too little.
  const Phrase* advice = nullptr;
  // The unit was called by a name or alias of this code. Empty: by neither, or that is not known.
  std::string unit_name = {};
  std::string unit_code = {};
};

// Wrong use of the command line, told in both languages.
template <typename... Arguments>
Failure Misuse(const Phrase& phrase, const Arguments&... arguments) {
  Failure failure;
  failure.status = absl::InvalidArgumentError(
      ToAbsl(Substitute(Say(Language::kEnglish, phrase), {In(Language::kEnglish, arguments)...})));
  failure.usage = true;
  failure.chinese = Substitute(Say(Language::kChinese, phrase), {In(Language::kChinese, arguments)...});
  return failure;
}

ExitCode ExitCodeOf(const absl::Status& status);
// Of a service that was not found at its address: UNREACHABLE, though something answered there.
ExitCode ExitCodeOf(const Failure& failure);

// It may have been done or not, or may be later: in any case nobody has confirmed it.
bool IsUnsure(const Failure& failure);

// The same request may be sent again soon: the server could not be reached, went down with it (CANCELLED), or
// asked to come back.
bool IsWorthRetrying(const absl::Status& status);

// What went wrong, in one line, without reason and field.
std::string FailureMessage(const Failure& failure, Language language);
// What the user can do about it.
std::string FailureAdvice(const Failure& failure, Language language);
// What the last error of a link means, in one line: of gRPC's own about a connection that fails, what it met
// at which address, with gRPC's words only where they say more. Any other is given back as it is.
std::string PlainLinkError(std::string_view error, Language language);
// Of the same: something answered there, and TLS may be why nothing came of it.
bool IsTlsFault(std::string_view error);
// The last error of `link` as PlainLinkError tells it; of what the peer refused, whose words these are.
std::string LinkErrorText(const dispatch::v1::LinkStatus& link, Language language);
// What to do about it where it is no matter of the connection; else empty.
std::string LinkErrorAdvice(const dispatch::v1::LinkStatus& link, Language language);
// Message, reason, field with the flag that fills it, advice: several lines, each ended by a line feed.
std::string DescribeFailure(const Failure& failure, Language language);
// The same for scripts, on one line: {"code":…,"reason":…,"field":…,"message":…,"messageZh":…,"retryDelay":…,
// "requestId":…,"unitCode":…,"telephoneRequired":true,"exit":…}, without what does not apply.
std::string FailureJson(const Failure& failure);

// `text` as a JSON string, quotes included.
std::string JsonString(std::string_view text);

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_FAILURE_H_
