// What a peer says of an envelope that it could not use (`NotUnderstoodBody`): read so that an offer which
// nobody has is not left hanging for the words with which it was refused. The giver's site and whoever
// verifies its evidence read it alike.
#ifndef COMMON_ERROR_NOT_UNDERSTOOD_H_
#define COMMON_ERROR_NOT_UNDERSTOOD_H_

#include <algorithm>
#include <string>
#include <string_view>

#include "common/base/text.h"
#include "common/base/utf8.h"
#include "hotline/exchange/v1/exchange_service.pb.h"
#include "hotline/type/v1/error_reason.pb.h"

namespace hotline {

// As much of the body as can be read and shown: `reason` has the form of a reason and at most 64 characters,
// or is empty; `field` and `message` are cut to 200 and 500 characters, or empty if they are no text. A body
// that cannot be read says nothing.
inline exchange::v1::NotUnderstoodBody ReadNotUnderstood(const std::string& bytes) {
  exchange::v1::NotUnderstoodBody body;
  if (!body.ParseFromString(bytes)) return {};
  const std::string& reason = body.reason();
  const bool is_reason = reason.size() <= 64 && std::all_of(reason.begin(), reason.end(), [](char c) {
                           return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
                         });
  if (!is_reason) body.clear_reason();
  const auto shown = [](const std::string& text, int64_t max) {
    const bool is_text = CountCodePoints(text).has_value() && !HasControlCharacters(text, true);
    return is_text ? std::string(TruncateCodePoints(text, max)) : std::string();
  };
  body.set_field(shown(body.field(), 200));
  body.set_message(shown(body.message(), 500));
  return body;
}

// Whether it may be about an offer, given that it comes in the handoff of one that has no answer yet: what
// names no kind, or one that this site never sent, is about it unless `sequence` is of something later.
inline bool IsOfOffer(const exchange::v1::NotUnderstoodBody& body) {
  return body.kind() == exchange::v1::ENVELOPE_KIND_OFFER ||
         body.kind() == exchange::v1::ENVELOPE_KIND_UNSPECIFIED ||
         !exchange::v1::EnvelopeKind_IsValid(body.kind());
}

// What is wrong, for the giver's desk. The log has these words, and evidence is verified by them: whoever
// changes one keeps the former for common/evidence/verify.cc.
inline std::string_view FaultZh(const std::string& reason) {
  using type::v1::ErrorReason;
  if (reason.empty()) return "对方未说明原因";
  ErrorReason known = ErrorReason::ERROR_REASON_UNSPECIFIED;
  // A newer peer's is none of these.
  if (!type::v1::ErrorReason_Parse(StrCat("ERROR_REASON_", reason), &known)) return "对方无法识别";
  switch (known) {
    case ErrorReason::ERROR_REASON_FIELD_REQUIRED:
      return "必填";
    case ErrorReason::ERROR_REASON_FIELD_INVALID:
      return "内容不符合要求";
    case ErrorReason::ERROR_REASON_TEXT_TOO_LONG:
      return "文本过长";
    case ErrorReason::ERROR_REASON_TEXT_INVALID:
      return "不是有效的文本";
    case ErrorReason::ERROR_REASON_ENUM_INVALID:
      return "取值无效";
    case ErrorReason::ERROR_REASON_LIST_INVALID:
      return "列表不符合要求";
    case ErrorReason::ERROR_REASON_PHONE_INVALID:
      return "电话号码格式有误";
    case ErrorReason::ERROR_REASON_COORDINATES_INVALID:
      return "坐标有误";
    case ErrorReason::ERROR_REASON_TIME_INVALID:
      return "时间有误";
    case ErrorReason::ERROR_REASON_UNIT_UNKNOWN:
      return "对方没有该单位";
    case ErrorReason::ERROR_REASON_ORDER_NOT_FOUND:
      return "对方没有该工单";
    case ErrorReason::ERROR_REASON_WRONG_STATE:
      return "与对方的工单状态不符";
    default:
      return "对方无法识别";
  }
}

// The reason with which the offer goes back to the giver's desk, at most 500 characters:
// `字段 content.title：必填（FIELD_REQUIRED: is required）`. `body` as ReadNotUnderstood gave it.
inline std::string ReturnReason(const exchange::v1::NotUnderstoodBody& body) {
  const std::string& field = body.field();
  std::string_view message = body.message();
  // The catalogue's messages begin with the path.
  if (!field.empty() && message.starts_with(StrCat(field, ": "))) message.remove_prefix(field.size() + 2);
  const std::string reason = StrCat(field.empty() ? "" : StrCat("字段 ", field, "："), FaultZh(body.reason()),
                                    "（", body.reason().empty() ? "NOT_UNDERSTOOD" : body.reason(),
                                    message.empty() ? "" : ": ", message, "）");
  return std::string(TruncateCodePoints(reason, 500));
}

}  // namespace hotline

#endif  // COMMON_ERROR_NOT_UNDERSTOOD_H_
