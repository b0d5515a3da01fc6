#include "services/hotlinectl/core/failure.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "services/hotlinectl/core/order_form.h"
#include "services/hotlinectl/core/table.h"
#include "services/hotlinectl/core/text_catalogue.h"

namespace hotline::hotlinectl {
namespace {

// The transport says only that there is nobody, nobody in time, or nobody any more; who and where is what
// helps.
bool IsTransportFailure(const Failure& failure) {
  return !failure.service.empty() && error::ReasonOf(failure.status) == type::v1::ERROR_REASON_UNSPECIFIED &&
         (absl::IsUnavailable(failure.status) || absl::IsDeadlineExceeded(failure.status) ||
          absl::IsCancelled(failure.status));
}

// Whatever is there does not know the call: another service, or an older release.
bool IsOtherService(const Failure& failure) {
  return !failure.service.empty() && absl::IsUnimplemented(failure.status) &&
         error::ReasonOf(failure.status) == type::v1::ERROR_REASON_UNSPECIFIED;
}

// Refused as the order is now, which its sheet shows.
bool LiesInTheOrder(error::Reason reason) {
  switch (reason) {
    case type::v1::ERROR_REASON_WRONG_STATE:
    case type::v1::ERROR_REASON_NOT_HOLDER:
    case type::v1::ERROR_REASON_UNIT_NOT_ASSIGNED:
    case type::v1::ERROR_REASON_STALE_VERSION:
    case type::v1::ERROR_REASON_NO_BREACH:
    case type::v1::ERROR_REASON_RULED:
    case type::v1::ERROR_REASON_EXTENSION_TOO_LATE:
    case type::v1::ERROR_REASON_EXTENSION_LIMIT:
    case type::v1::ERROR_REASON_EXTENSION_PENDING:
    case type::v1::ERROR_REASON_UNIT_RECUSED:
    case type::v1::ERROR_REASON_LEGAL_HOLD:
    case type::v1::ERROR_REASON_NOT_HELD:
    case type::v1::ERROR_REASON_CONTENT_ERASED:
    case type::v1::ERROR_REASON_RETENTION_RUNNING:
      return true;
    default:
      return false;
  }
}

const Phrase& TransportMessage(const absl::Status& status) {
  if (absl::IsUnavailable(status)) return say::kPlainUnreachable;
  return absl::IsCancelled(status) ? say::kPlainWentDown : say::kPlainTimeout;
}

std::string StatusMessage(const absl::Status& status) { return std::string(ToStd(status.message())); }

std::string DurationText(absl::Duration duration) {
  return absl::FormatDuration(absl::Ceil(duration, absl::Milliseconds(1)));
}

// The flag of `calendar` that fills in a field of the notice; empty if it is another field.
std::string_view FlagOfNotice(std::string_view path) {
  constexpr std::pair<std::string_view, std::string_view> kFlags[] = {
      {"calendar_notice.document", "document"},
      {"calendar_notice.title", "title"},
      {"calendar_notice.issue_date", "issued"},
      {"calendar_notice.layer", "layer"},
      {"calendar_notice.first_date", "from"},
      {"calendar_notice.last_date", "until"},
      {"calendar_notice.only_its_days", "only-its-days"},
      {"calendar_notice.version", "version"}};
  for (const auto& [field, flag] : kFlags) {
    if (path == field) return flag;
  }
  return {};
}

// What gRPC met where it could not connect, by its words; no phrase if they are not gRPC's.
struct Met {
  const Phrase* phrase = nullptr;
  std::string address;      // empty if it does not say
  std::string_view detail;  // within the error
};

Met WhatWasMet(std::string_view error) {
  constexpr std::string_view kConnect = "failed to connect to all addresses";
  constexpr std::string_view kName = "DNS resolution failed for ";
  const bool no_name = error.starts_with(kName);
  if (!no_name && !error.starts_with(kConnect)) return {};
  Met met;
  // `…; last error: UNKNOWN: ipv4:192.0.2.1:12301: what was met`
  std::string_view rest = error;
  if (no_name) {
    rest.remove_prefix(kName.size());
  } else {
    rest.remove_prefix(kConnect.size());
    constexpr std::string_view kLast = "last error: ";
    if (const size_t last = rest.find(kLast); last != std::string_view::npos)
      rest.remove_prefix(last + kLast.size());
  }
  std::string& address = met.address;
  const auto take_address = [&](size_t at, size_t scheme) {
    const size_t end = std::min(rest.find(": ", at), rest.size());
    // Brackets are escaped there as in a URI.
    address = absl::StrReplaceAll(ToAbsl(rest.substr(at + scheme, end - at - scheme)),
                                  {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}});
    rest.remove_prefix(std::min(rest.size(), end + 2));
  };
  if (no_name) {
    take_address(0, 0);
  } else {
    for (const std::string_view scheme : {"ipv4:", "ipv6:", "unix:"}) {
      if (const size_t at = rest.find(scheme); at != std::string_view::npos && address.empty())
        take_address(at, scheme.size());
    }
  }
  const auto tells = [&](std::initializer_list<std::string_view> words) {
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view word) { return rest.find(word) != std::string_view::npos; });
  };
  const auto is = [&](const Phrase& phrase, std::string_view detail = {}) {
    met.phrase = &phrase;
    met.detail = detail;
    return met;
  };
  if (no_name || tells({"DNS resolution failed", "Domain name not found"})) return is(say::kLinkNoName);
  if (tells({"Connection refused"})) return is(say::kLinkRefused);
  if (tells({"No route to host", "Network is unreachable"})) return is(say::kLinkNoRoute);
  constexpr std::string_view kOtherParty = "certificate names another party: ";
  if (const size_t at = rest.find(kOtherParty); at != std::string_view::npos)
    return is(say::kLinkOtherParty, rest.substr(at + kOtherParty.size()));
  // Before the closed connection, which a handshake ends in too.
  constexpr std::string_view kHandshake = "handshake failed: ";
  if (const size_t at = rest.find(kHandshake); at != std::string_view::npos)
    return is(say::kLinkHandshake, rest.substr(at + kHandshake.size()));
  // Whether by a side that went down or by one that does not trust the other is not said.
  if (tells({"handshaker shutdown"})) return is(say::kLinkBrokenOff);
  if (tells({"andshake"})) return is(say::kLinkHandshake, rest);
  if (tells({"timed out", "Timeout"})) return is(say::kLinkTimeout);
  if (tells({"http1.x server"})) return is(say::kLinkNotOurs);
  // The last is what a certificate that the other side refuses ends in.
  if (tells({"Socket closed", "Connection reset", "Broken pipe", "Endpoint read failed"}))
    return is(say::kLinkClosed);
  // Behind an address that was found stands what was met there; else all that there is.
  return is(say::kLinkOther, rest.empty() ? error : rest);
}

// In the words of error::DiskFull: a link tells its last error without the reason.
bool IsFullDisk(std::string_view error) { return error.starts_with("the disk is full"); }

// Of a peer that is called. Files are this site's to write, or the peer's to take: that is not told apart.
bool IsPeersFullDisk(const dispatch::v1::LinkStatus& link) {
  return IsFullDisk(link.last_error()) && link.transport() != dispatch::v1::LINK_TRANSPORT_SPOOL;
}

// In the words of error::SignatureInvalid.
struct RefusedSignature {
  std::string_view key;
  std::string_view party;  // who signed
  std::string_view why;
  bool unknown_key = false;
};

std::optional<RefusedSignature> RefusedSignatureIn(std::string_view error) {
  constexpr std::string_view kBy = "the signature by key '";
  constexpr std::string_view kOf = "' of ";
  constexpr std::string_view kBad = " is not good: ";
  if (!error.starts_with(kBy)) return std::nullopt;
  const size_t of = error.find(kOf, kBy.size());
  const size_t bad = error.find(kBad, of);
  if (of == std::string_view::npos || bad == std::string_view::npos) return std::nullopt;
  const size_t party = of + kOf.size();
  RefusedSignature refused = {.key = error.substr(kBy.size(), of - kBy.size()),
                              .party = error.substr(party, bad - party),
                              .why = error.substr(bad + kBad.size())};
  refused.unknown_key = refused.why == "the key is not known here";
  return refused;
}

}  // namespace

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return kExitInvalid;
    case absl::StatusCode::kNotFound:
      return kExitNotFound;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kExitConflict;
    case absl::StatusCode::kUnavailable: {
      // The service is there, but cannot take it now.
      const error::Reason reason = error::ReasonOf(status);
      return reason == type::v1::ERROR_REASON_DRAINING || reason == type::v1::ERROR_REASON_STORE_FAILED
                 ? kExitTryLater
                 : kExitUnreachable;
    }
    case absl::StatusCode::kDeadlineExceeded:
      return kExitUnreachable;
    case absl::StatusCode::kResourceExhausted:
    // Nobody cancels here: a server went down with the call in its hands.
    case absl::StatusCode::kCancelled:
      return kExitTryLater;
    default:
      return kExitInternal;
  }
}

ExitCode ExitCodeOf(const Failure& failure) {
  if (failure.telephone_required) return kExitTelephone;
  if (failure.usage) return kExitUsage;
  return IsOtherService(failure) ? kExitUnreachable : ExitCodeOf(failure.status);
}

bool IsUnsure(const Failure& failure) {
  const ExitCode code = ExitCodeOf(failure);
  return code == kExitUnreachable || code == kExitTryLater || code == kExitInternal;
}

bool IsWorthRetrying(const absl::Status& status) {
  // A store that only a restart of its service mends does not say when to come back.
  if (error::ReasonOf(status) == type::v1::ERROR_REASON_STORE_FAILED &&
      error::RetryDelayOf(status) == absl::ZeroDuration()) {
    return false;
  }
  return absl::IsUnavailable(status) || absl::IsCancelled(status) ||
         (absl::IsResourceExhausted(status) && error::RetryDelayOf(status) > absl::ZeroDuration());
}

std::string FailureMessage(const Failure& failure, Language language) {
  if (IsTransportFailure(failure)) {
    return Say(language, TransportMessage(failure.status), failure.service, failure.address);
  }
  if (IsOtherService(failure)) {
    return Say(language, say::kPlainOtherService, failure.service, failure.address);
  }
  std::string chinese = error::ChineseOf(failure.status);
  if (chinese.empty()) chinese = failure.chinese;
  return language == Language::kChinese && !chinese.empty() ? chinese : StatusMessage(failure.status);
}

std::string FailureAdvice(const Failure& failure, Language language) {
  const auto text = [&](const Phrase& phrase) { return std::string(Say(language, phrase)); };
  if (failure.advice != nullptr) return text(*failure.advice);
  if (IsOtherService(failure)) return text(say::kDoAddress);
  switch (error::ReasonOf(failure.status)) {
    case type::v1::ERROR_REASON_REQUEST_ID_REUSED:
      return text(say::kDoNewRequestId);
    case type::v1::ERROR_REASON_SEQUENCE_OUT_OF_RANGE:
      return text(say::kDoSequence);
    case type::v1::ERROR_REASON_SUSPENDED:
      return text(say::kDoResume);
    case type::v1::ERROR_REASON_NO_SIGNING_KEY:
      return text(say::kDoSigningKey);
    case type::v1::ERROR_REASON_RETURN_LIMIT:
    case type::v1::ERROR_REASON_DISPUTED:
      return text(say::kDoRuling);
    case type::v1::ERROR_REASON_RETURN_WINDOW_OVER:
      return text(say::kDoReassign);
    case type::v1::ERROR_REASON_MERGED:
      return text(say::kDoMerged);
    case type::v1::ERROR_REASON_UNANSWERED_CALLERS:
      return text(say::kDoAnswer);
    case type::v1::ERROR_REASON_PREVIEW_STALE:
      return text(say::kDoPreview);
    case type::v1::ERROR_REASON_BOUNCE:
      return text(say::kDoBounce);
    case type::v1::ERROR_REASON_ROUTE_UNDECIDED:
      return text(say::kDoAnswerQuestion);
    case type::v1::ERROR_REASON_OWN_MATTER:
      return text(say::kDoKeep);
    case type::v1::ERROR_REASON_DANGER_FIRST:
      return text(say::kDoAct);
    case type::v1::ERROR_REASON_DOCKET_ITEM_NOT_FOUND:
    case type::v1::ERROR_REASON_DOCKET_SETTLED:
    case type::v1::ERROR_REASON_NOT_RULED:
      return text(say::kDoSeeDocket);
    case type::v1::ERROR_REASON_NOTIFICATION_UNKNOWN:
    case type::v1::ERROR_REASON_DELIVERY_NOT_DEAD:
      return text(say::kDoSeeNotifications);
    case type::v1::ERROR_REASON_BACKUP_EXISTS:
      return text(say::kDoOtherBackupName);
    case type::v1::ERROR_REASON_DISK_FULL:
      return text(say::kDoMakeRoom);
    case type::v1::ERROR_REASON_STORE_FAILED:
      // What does not say when to come back does not heal by itself.
      if (error::RetryDelayOf(failure.status) > absl::ZeroDuration()) break;
      return Say(language, say::kDoRestart,
                 failure.service == "escalation" ? "hotline-escalation" : "hotline-work-order");
    case type::v1::ERROR_REASON_BACKUP_RUNNING:
    case type::v1::ERROR_REASON_PUBLICATION_RUNNING:
      return text(say::kDoLater);
    case type::v1::ERROR_REASON_ORDER_NOT_FOUND:
      return text(say::kDoCheckId);
    case type::v1::ERROR_REASON_UNIT_UNKNOWN:
      if (failure.unit_code.empty()) return text(say::kDoUnitCode);
      return Say(language, say::kDoUnitCodeIs, failure.unit_name, failure.unit_code);
    case type::v1::ERROR_REASON_PEER_UNREACHABLE:
      return text(say::kDoPeerUnreachable);
    case type::v1::ERROR_REASON_PEER_UNKNOWN:
      return text(say::kDoPeerCode);
    case type::v1::ERROR_REASON_TARGET_UNKNOWN:
      return text(say::kDoTargetCode);
    case type::v1::ERROR_REASON_DIRECTORY_ROLE_OVERLAP:
      return text(say::kDoSupersede);
    case type::v1::ERROR_REASON_NOT_HOLDER:
      if (error::NeededOf(failure.status) == "receiver") return text(say::kDoWait);
      break;
    default:
      break;
  }
  if (absl::IsPermissionDenied(failure.status) || absl::IsUnauthenticated(failure.status)) {
    return text(say::kDoPermission);
  }
  if (absl::IsDeadlineExceeded(failure.status)) return text(say::kDoTimeout);
  switch (ExitCodeOf(failure.status)) {
    case kExitInvalid:
      return text(say::kDoFix);
    case kExitNotFound:
      return text(say::kDoCheckName);
    case kExitConflict:
      return text(LiesInTheOrder(error::ReasonOf(failure.status)) ? say::kDoReadAgain : say::kDoCause);
    case kExitUnreachable:
      return text(say::kDoUnreachable);
    case kExitTryLater: {
      const absl::Duration delay = error::RetryDelayOf(failure.status);
      if (delay <= absl::ZeroDuration()) return text(say::kDoLater);
      return Say(language, say::kDoLaterIn, DurationText(delay));
    }
    default:
      return text(say::kDoCallUs);
  }
}

std::string PlainLinkError(std::string_view error, Language language) {
  const Met met = WhatWasMet(error);
  if (met.phrase == nullptr) return std::string(error);
  return Say(language, *met.phrase,
             met.address.empty() ? std::string(Say(language, say::kThePeer)) : met.address, met.detail);
}

bool IsTlsFault(std::string_view error) {
  const Phrase* const met = WhatWasMet(error).phrase;
  return met == &say::kLinkHandshake || met == &say::kLinkBrokenOff || met == &say::kLinkClosed ||
         met == &say::kLinkNotOurs;
}

std::string LinkErrorText(const dispatch::v1::LinkStatus& link, Language language) {
  const std::string& error = link.last_error();
  if (IsPeersFullDisk(link)) return Say(language, say::kLinkPeerFull, link.peer());
  if (IsFullDisk(error)) return std::string(Say(language, say::kLinkFull));
  const std::optional<RefusedSignature> refused = RefusedSignatureIn(error);
  if (!refused.has_value()) return PlainLinkError(error, language);
  const std::string why =
      refused->unknown_key ? In(language, say::kLinkKeyUnknown) : std::string(refused->why);
  const std::string said = Say(language, say::kLinkSignature, refused->party, refused->key, why);
  // What this site refuses of the peer's, it says itself.
  return refused->party == link.peer() ? said : Say(language, say::kLinkPeerSays, link.peer(), said);
}

std::string LinkErrorAdvice(const dispatch::v1::LinkStatus& link, Language language) {
  if (IsPeersFullDisk(link)) return Say(language, say::kDoPeerFull, link.peer());
  if (IsFullDisk(link.last_error())) return Say(language, say::kDoSpoolFull, link.peer());
  const std::optional<RefusedSignature> refused = RefusedSignatureIn(link.last_error());
  if (!refused.has_value()) return "";
  const bool ours = refused->party != link.peer();
  if (!refused->unknown_key) return Say(language, say::kDoCompareKeys, refused->key, refused->party);
  return Say(language, ours ? say::kDoPeerAddsKey : say::kDoAddPeersKey, link.peer(), refused->key);
}

std::string DescribeFailure(const Failure& failure, Language language) {
  std::string out =
      StrCat(Say(language, say::kError, Printable(FailureMessage(failure, language), true)), "\n");
  if (failure.usage) return out;
  if (const error::Reason reason = error::ReasonOf(failure.status);
      reason != type::v1::ERROR_REASON_UNSPECIFIED) {
    out += StrCat(Say(language, say::kErrorReason, error::ReasonName(reason)), "\n");
  }
  if (const std::string field = Printable(error::FieldOf(failure.status), false); !field.empty()) {
    const std::string_view own = FlagOfNotice(field);
    const std::string_view flag = own.empty() ? FlagForPath(field) : own;
    out += StrCat(flag.empty() ? Say(language, say::kErrorField, field)
                               : Say(language, say::kErrorFieldFlag, field, flag),
                  "\n");
  }
  out += StrCat(Say(language, say::kErrorAdvice, FailureAdvice(failure, language)), "\n");
  // Only where the outcome is unknown does repeating need the id.
  const bool unknown = ExitCodeOf(failure.status) == kExitUnreachable || absl::IsCancelled(failure.status) ||
                       error::ReasonOf(failure.status) == type::v1::ERROR_REASON_STORE_FAILED;
  if (!failure.request_id.empty() && unknown) {
    out += StrCat(Say(language, say::kErrorRequestId, failure.request_id), "\n");
  }
  if (failure.telephone_required) out += StrCat(Say(language, say::kTelephoneUnsure), "\n");
  return out;
}

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += absl::StrFormat("\\u%04x", c);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string FailureJson(const Failure& failure) {
  const error::Reason reason = error::ReasonOf(failure.status);
  const absl::Duration delay = error::RetryDelayOf(failure.status);
  std::string out = StrCat("{\"code\":", JsonString(absl::StatusCodeToString(failure.status.code())));
  const auto add = [&](std::string_view key, std::string_view value) {
    if (!value.empty()) out += StrCat(",\"", key, "\":", JsonString(Printable(value, true)));
  };
  if (reason != type::v1::ERROR_REASON_UNSPECIFIED) add("reason", error::ReasonName(reason));
  add("field", error::FieldOf(failure.status));
  add("message", FailureMessage(failure, Language::kEnglish));
  add("messageZh", FailureMessage(failure, Language::kChinese));
  if (delay > absl::ZeroDuration()) add("retryDelay", absl::StrFormat("%gs", absl::ToDoubleSeconds(delay)));
  add("requestId", failure.request_id);
  add("unitCode", failure.unit_code);
  if (failure.telephone_required) out += ",\"telephoneRequired\":true";
  return StrCat(out, ",\"exit\":", static_cast<int>(ExitCodeOf(failure)), "}");
}

}  // namespace hotline::hotlinectl
