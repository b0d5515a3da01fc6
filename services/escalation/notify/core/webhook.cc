#include "services/escalation/notify/core/webhook.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/sha256.h"
#include "common/base/text.h"

namespace hotline::escalation::notify {
namespace {

constexpr absl::Duration kLongestRetryAfter = absl::Hours(24);

// `URGENCY_NORMAL` → `normal`: the value's name without its enum's prefix.
template <typename Enum>
std::string Word(Enum value) {
  const auto* descriptor = google::protobuf::GetEnumDescriptor<Enum>();
  const auto* found = descriptor->FindValueByNumber(value);
  if (found == nullptr) return absl::StrCat(static_cast<int>(value));
  std::string prefix = descriptor->FindValueByNumber(0)->name();
  prefix.resize(prefix.size() - std::string_view("UNSPECIFIED").size());
  std::string word = found->name().substr(prefix.size());
  std::transform(word.begin(), word.end(), word.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return word;
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(time.seconds()), absl::UTCTimeZone());
}

// Value of the member `result` in a flat object, without reading the rest.
std::string ResultOf(std::string_view body) {
  constexpr std::string_view kKey = "\"result\"";
  size_t at = body.find(kKey);
  if (at == std::string_view::npos) return "";
  at = body.find_first_not_of(" \t\r\n", at + kKey.size());
  if (at == std::string_view::npos || body[at] != ':') return "";
  at = body.find_first_not_of(" \t\r\n", at + 1);
  if (at == std::string_view::npos || body[at] != '"') return "";
  const size_t end = body.find('"', at + 1);
  return end == std::string_view::npos ? "" : std::string(body.substr(at + 1, end - at - 1));
}

}  // namespace

std::string SignatureHeader(const std::vector<Secret>& secrets, std::string_view id, absl::Time timestamp,
                            std::string_view body) {
  const std::string text = StrCat(id, ".", absl::ToUnixSeconds(timestamp), ".", body);
  std::string header;
  for (const Secret& secret : secrets) {
    header += StrCat(header.empty() ? "" : ", ", secret.key_id, "=",
                     absl::BytesToHexString(HmacSha256(secret.bytes, {text})));
  }
  return header;
}

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += absl::StrCat("\\u", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad4));
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

std::string CloudEvent(const v1::Notification& notification, std::string_view hotline) {
  std::string orders;
  for (const v1::NotifiedOrder& order : notification.orders()) {
    const std::string clock = JsonString(Word(order.clock()));
    orders += orders.empty() ? "{" : ",{";
    orders += order.restricted()
                  ? StrCat("\"restricted\":true,\"clock\":", clock)
                  : StrCat("\"id\":", JsonString(order.order_id()),
                           ",\"number\":", JsonString(order.order_number()), ",\"clock\":", clock,
                           ",\"due_time\":", JsonString(TimeText(order.due_time())));
    orders += StrCat(",\"round\":", order.round(), "}");
  }
  return StrCat(
      "{\"specversion\":\"1.0\",\"id\":", JsonString(notification.id()),
      ",\"source\":", JsonString(StrCat("/hotlines/", hotline, "/escalation")),
      ",\"type\":\"hotline.escalation.v1.notification\"",
      ",\"subject\":", JsonString(StrCat(notification.unit(), "/", Word(notification.rung()))),
      ",\"time\":", JsonString(TimeText(notification.create_time())),
      ",\"datacontenttype\":\"application/json\",\"data\":{\"recipient\":", JsonString(notification.target()),
      ",\"person\":", JsonString(notification.person_id()),
      ",\"capacity\":", JsonString(notification.capacity()), ",\"role\":", JsonString(notification.role()),
      ",\"unit\":", JsonString(notification.unit()), ",\"rung\":", JsonString(Word(notification.rung())),
      ",\"urgency\":", JsonString(Word(notification.urgency())),
      ",\"text_zh\":", JsonString(notification.text_zh()),
      ",\"text_en\":", JsonString(notification.text_en()), ",\"orders\":[", orders, "]}}");
}

std::optional<absl::Duration> ParseRetryAfter(std::string_view text, absl::Time now) {
  int64_t seconds = 0;
  if (absl::SimpleAtoi(ToAbsl(text), &seconds)) {
    return seconds < 0 ? std::nullopt : std::optional(absl::Seconds(seconds));
  }
  absl::Time at;
  if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", ToAbsl(text), absl::UTCTimeZone(), &at, nullptr)) {
    return std::nullopt;
  }
  return std::max(absl::ZeroDuration(), at - now);
}

Judged Judge(const Attempt& attempt, absl::Time now) {
  if (attempt.refused) return {Verdict::kDead, attempt.error, absl::ZeroDuration()};
  if (attempt.status == 0) return {Verdict::kRetry, attempt.error, absl::ZeroDuration()};
  if (attempt.status >= 200 && attempt.status < 300) {
    const std::string result = ResultOf(attempt.body);
    if (result == "pending") return {Verdict::kPending, "", absl::ZeroDuration()};
    if (result == "not_reached") return {Verdict::kNotReached, "", absl::ZeroDuration()};
    return {Verdict::kReached, "", absl::ZeroDuration()};
  }
  std::string error = StrCat("HTTP ", attempt.status);
  const bool again =
      attempt.status >= 500 || attempt.status == 408 || attempt.status == 425 || attempt.status == 429;
  if (!again) {
    if (attempt.status >= 300 && attempt.status < 400) error += " (redirects are not followed)";
    return {Verdict::kDead, std::move(error), absl::ZeroDuration()};
  }
  const absl::Duration wait = ParseRetryAfter(attempt.retry_after, now).value_or(absl::ZeroDuration());
  return {Verdict::kRetry, std::move(error), std::min(wait, kLongestRetryAfter)};
}

absl::Duration RetryPause(int attempt, absl::Duration min, absl::Duration max, double draw) {
  absl::Duration pause = min;
  for (int i = 1; i < attempt && pause < max; ++i) pause *= 2;
  return std::min(pause, max) * (0.5 + 0.5 * std::clamp(draw, 0.0, 1.0));
}

}  // namespace hotline::escalation::notify
