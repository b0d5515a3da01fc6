#include "services/work_order/core/validate.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/error/error.h"
#include "google/protobuf/message.h"
#include "services/work_order/core/order.h"

namespace hotline::work_order {
namespace {

using error::Reason;
using google::protobuf::Timestamp;
using type::v1::Command;
using type::v1::OrderContent;

constexpr absl::Duration kClockSkew = absl::Minutes(1);
constexpr int kMaxAssistUnits = 16;
constexpr int kMaxPartners = 16;
constexpr int kMaxAttachments = 32;
constexpr int kMaxTags = 8;
constexpr int kMaxNotices = 64;
constexpr absl::Duration kMaxAcknowledgement = absl::Hours(31 * 24);
// Of what a desk may put off: a suspension, a deadline. Later than that is never, as nobody would look at it
// again.
constexpr int kMaxDaysAhead = 366;
constexpr int64_t kMaxAttachmentBytes = int64_t{1} << 40;
constexpr size_t kMaxCode = 32;
constexpr size_t kMaxForeignText = 32'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool AreDigits(std::string_view text) { return std::all_of(text.begin(), text.end(), IsDigit); }

// What was blank before Unicode was looked at. Peers are held to this: what one of an earlier release let
// pass, and what the log has of it, goes on passing.
bool IsAsciiBlank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// 3 to 20 characters: digits with single `-` between them, after an optional `+`.
bool IsPhone(std::string_view phone) {
  if (phone.size() < 3 || phone.size() > 20) return false;
  if (phone.front() == '+') phone.remove_prefix(1);
  char before = '-';
  for (const char c : phone) {
    if (!IsDigit(c) && (c != '-' || before == '-')) return false;
    before = c;
  }
  return before != '-';
}

// An absolute URI by its outer form (RFC 3986): a scheme, a colon, and something without blanks.
bool IsAbsoluteUri(std::string_view uri) {
  const size_t colon = uri.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == uri.size() || !IsLetter(uri[0]))
    return false;
  const std::string_view scheme = uri.substr(0, colon);
  return std::all_of(scheme.begin(), scheme.end(),
                     [](char c) { return IsLetter(c) || IsDigit(c) || c == '+' || c == '-' || c == '.'; }) &&
         std::all_of(uri.begin(), uri.end(), [](char c) { return static_cast<unsigned char>(c) > ' '; });
}

// An item of a catalogue: a letter and a number of up to five digits, as A1 … A22 of the regulation's annex.
// Which items there are is the catalogue's affair, which dispatch knows: each place has its own list.
bool IsCatalogueItem(std::string_view item) {
  return item.size() >= 2 && item.size() <= 6 && item[0] >= 'A' && item[0] <= 'Z' && item[1] != '0' &&
         AreDigits(item.substr(1));
}

bool IsUnitCode(std::string_view code) {
  return !code.empty() && code.size() <= kMaxCode && std::all_of(code.begin(), code.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || IsDigit(c) || c == '_' || c == '-';
  });
}

bool IsLanguageTag(std::string_view tag) {
  return std::all_of(tag.begin(), tag.end(), [](char c) { return IsLetter(c) || IsDigit(c) || c == '-'; });
}

bool IsRequestId(std::string_view id) {
  return id.size() >= 8 && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
           return IsLetter(c) || IsDigit(c) || c == '.' || c == '_' || c == '/' || c == '-';
         });
}

enum class Need { kOptional, kRequired };
enum class Lines { kOne, kMany };
enum class When { kAny, kPast, kFuture };

// Whom a check trusts. Desks are held to this site's lists and clock; peers to form alone.
struct Context {
  const Site* site;
  absl::Time now;
  bool peer;
};

// A run of checks that keeps the first fault. Paths are put together only for a fault, so that good input
// costs nothing.
class Checks {
 public:
  Checks(const Context& context, const char* name) : context_(context), name_(name) {}

  Checks& Text(const char* field, std::string_view text, int64_t max, Need need, Lines lines) {
    if (!status_.ok()) return *this;
    if (text.empty() && need == Need::kOptional) return *this;
    // A code point has at most four bytes, so longer ones need no scan.
    const bool huge = text.size() > static_cast<size_t>(max) * 4;
    const std::optional<int64_t> count = huge ? max + 1 : CountCodePoints(text);
    if (!count.has_value()) {
      status_ = error::BadText(Path(field));
    } else if (*count > max) {
      status_ = error::TooLong(Path(field), max);
    } else if (need == Need::kRequired && (context_.peer ? IsAsciiBlank(text) : IsBlank(text))) {
      status_ = error::Required(Path(field));
    } else if (HasControlCharacters(text, lines == Lines::kMany) ||
               (lines == Lines::kOne && !context_.peer && HasLineSeparators(text))) {
      status_ = error::BadText(Path(field));
    }
    return *this;
  }

  // `known` is the enum's generated check. Zero is a field that was left out.
  Checks& Enum(const char* field, int value, bool (*known)(int)) {
    if (!status_.ok()) return *this;
    if (value == 0) {
      status_ = error::Required(Path(field));
    } else if (!known(value) && !context_.peer) {
      status_ = error::BadEnum(Path(field), value);
    }
    return *this;
  }

  Checks& Time(const char* field, bool has, const Timestamp& time, When when) {
    if (!status_.ok() || !has) return *this;
    if (!IsValidTime(time)) {
      return That(false, Reason::ERROR_REASON_TIME_INVALID, field, "is not a valid time", "不是有效的时间");
    }
    if (when == When::kPast && !context_.peer) {
      That(FromProto(time) <= context_.now + kClockSkew, Reason::ERROR_REASON_TIME_INVALID, field,
           "lies in the future", "不能晚于当前时间");
    } else if (when == When::kFuture) {
      That(FromProto(time) > context_.now, Reason::ERROR_REASON_TIME_INVALID, field, "must be later than now",
           "必须晚于当前时间");
    }
    return *this;
  }

  Checks& Present(const char* field, bool has) {
    if (status_.ok() && !has) status_ = error::Required(Path(field));
    return *this;
  }

  Checks& Phone(const char* field, const std::string& phone) {
    return That(phone.empty() || IsPhone(phone), Reason::ERROR_REASON_PHONE_INVALID, field,
                "must be 3 to 20 digits with an optional leading + and - between digits",
                "应为3至20位数字，可以+开头，可用-分隔");
  }

  Checks& Unit(const char* field, const std::string& unit, Need need) {
    if (!status_.ok()) return *this;
    if (unit.empty() && need == Need::kRequired) {
      status_ = error::Required(Path(field));
    } else if (!unit.empty()) {
      CheckUnit(field, unit);
    }
    return *this;
  }

  // Units beside `lead`, which may be empty.
  Checks& OtherUnits(const char* field, const google::protobuf::RepeatedPtrField<std::string>& units,
                     const std::string& lead) {
    if (!status_.ok()) return *this;
    if (units.size() > kMaxAssistUnits) {
      return That(false, Reason::ERROR_REASON_LIST_INVALID, field, "has more than 16 units", "超过16个单位");
    }
    for (int i = 0; i < units.size() && status_.ok(); ++i) {
      CheckUnit(field, units[i], i);
      const bool doubled =
          units[i] == lead || std::find(units.begin(), units.begin() + i, units[i]) != units.begin() + i;
      if (status_.ok() && doubled) {
        status_ = error::BadField(Reason::ERROR_REASON_LIST_INVALID, Path(field, i), "names a unit twice",
                                  "单位重复");
      }
    }
    return *this;
  }

  // Configured peers.
  Checks& Hotlines(const char* field, const google::protobuf::RepeatedPtrField<std::string>& hotlines) {
    That(!hotlines.empty(), Reason::ERROR_REASON_FIELD_REQUIRED, field, "is required", "必填");
    That(hotlines.size() <= kMaxPartners, Reason::ERROR_REASON_LIST_INVALID, field,
         "has more than 16 hotlines", "超过16个平台");
    for (int i = 0; i < hotlines.size() && status_.ok(); ++i) {
      if (!context_.site->peers.contains(hotlines[i])) {
        status_ = error::BadField(Reason::ERROR_REASON_TARGET_UNKNOWN, Path(field, i),
                                  "is not a configured peer of this site", "不是本平台已配置的联动平台");
      } else if (std::find(hotlines.begin(), hotlines.begin() + i, hotlines[i]) != hotlines.begin() + i) {
        status_ = error::BadField(Reason::ERROR_REASON_LIST_INVALID, Path(field, i), "names a hotline twice",
                                  "平台重复");
      }
    }
    return *this;
  }

  Checks& That(bool holds, error::Reason reason, const char* field, const char* english,
               const char* chinese) {
    if (status_.ok() && !holds) status_ = error::BadField(reason, Path(field), english, chinese);
    return *this;
  }
  Checks& Rule(bool holds, const char* field, const char* english, const char* chinese) {
    return That(holds, Reason::ERROR_REASON_FIELD_INVALID, field, english, chinese);
  }

  // Goes on inside `field` (its element `index`, if not negative), if nothing was wrong so far. `check` takes
  // a Checks.
  template <typename Check>
  Checks& Inside(const char* field, Check check, int index = -1) {
    if (!status_.ok()) return *this;
    Checks inner(context_, field, this, index);
    check(inner);
    status_ = std::move(inner.status_);
    return *this;
  }

  bool ok() const { return status_.ok(); }
  absl::Status Take() { return std::move(status_); }

 private:
  Checks(const Context& context, const char* name, const Checks* parent, int index)
      : context_(context), name_(name), parent_(parent), index_(index) {}

  void CheckUnit(const char* field, const std::string& unit, int index = -1) {
    if (context_.peer || context_.site->units.empty()) {
      if (!IsUnitCode(unit)) {
        status_ = error::BadField(Reason::ERROR_REASON_FIELD_INVALID, Path(field, index),
                                  "must be a unit's code: 1 to 32 of a-z 0-9 _ -",
                                  "应为单位代码：1至32位a-z、0-9、_、-");
      }
    } else if (!context_.site->units.contains(unit)) {
      status_ = error::BadField(Reason::ERROR_REASON_UNIT_UNKNOWN, Path(field, index),
                                "is not in this site's list of units", "不在本平台的单位名录中");
    }
  }

  std::string Path(const char* field, int index = -1) const {
    std::string path = parent_ == nullptr ? std::string(name_) : parent_->Path(name_, index_);
    if (!path.empty()) path += '.';
    path += field;
    if (index >= 0) path.append("[").append(std::to_string(index)).append("]");
    return path;
  }

  const Context context_;
  const char* const name_;
  const Checks* const parent_ = nullptr;
  const int index_ = -1;
  absl::Status status_;
};

void CheckCoordinates(const char* field, bool has, const type::v1::Coordinates& at, Checks& checks) {
  // Not-a-number fails both comparisons.
  const bool on_earth = std::abs(at.latitude()) <= 90 && std::abs(at.longitude()) <= 180;
  checks.That(!has || on_earth, Reason::ERROR_REASON_COORDINATES_INVALID, field,
              "must be degrees: latitude -90 to 90, longitude -180 to 180",
              "应为度数：纬度-90至90，经度-180至180");
}

void CheckCaller(const type::v1::Caller& caller, Checks& checks) {
  checks.Text("name", caller.name(), 64, Need::kOptional, Lines::kOne)
      .Rule(!caller.anonymous() || caller.name().empty(), "name",
            "must be empty when the caller is anonymous", "匿名时应为空")
      .Phone("phone", caller.phone())
      .Rule(!caller.anonymous() || caller.phone().empty(), "phone",
            "must be empty when the caller is anonymous", "匿名时应为空")
      .Phone("contact_phone", caller.contact_phone())
      .Text("language", caller.language(), 16, Need::kOptional, Lines::kOne)
      .Rule(IsLanguageTag(caller.language()), "language", "must be a BCP 47 tag", "应为BCP 47语言代码");
}

void CheckPlace(const type::v1::Place& place, Checks& checks) {
  const std::string& code = place.township_code();
  checks
      .Rule(code.empty() || (code.size() == 9 && AreDigits(code)), "township_code", "must be 9 digits",
            "应为9位数字")
      .Text("address", place.address(), 200, Need::kOptional, Lines::kOne);
  CheckCoordinates("automatic_coordinates", place.has_automatic_coordinates(), place.automatic_coordinates(),
                   checks);
  CheckCoordinates("manual_coordinates", place.has_manual_coordinates(), place.manual_coordinates(), checks);
}

void CheckCall(const type::v1::CallReference& call, Checks& checks) {
  checks.Text("call_id", call.call_id(), 128, Need::kOptional, Lines::kOne)
      .Text("recording_id", call.recording_id(), 128, Need::kOptional, Lines::kOne)
      .Text("seat", call.seat(), 32, Need::kOptional, Lines::kOne)
      .Time("ring_time", call.has_ring_time(), call.ring_time(), When::kPast)
      .Time("answer_time", call.has_answer_time(), call.answer_time(), When::kPast)
      .Time("end_time", call.has_end_time(), call.end_time(), When::kPast);
}

void CheckAttachment(const type::v1::Attachment& attachment, Checks& checks) {
  checks.Text("uri", attachment.uri(), 512, Need::kRequired, Lines::kOne)
      .Rule(IsAbsoluteUri(attachment.uri()), "uri", "must be an absolute URI", "应为绝对URI")
      .Text("display_name", attachment.display_name(), 128, Need::kOptional, Lines::kOne)
      .Text("media_type", attachment.media_type(), 64, Need::kOptional, Lines::kOne)
      .Rule(attachment.size_bytes() >= 0 && attachment.size_bytes() <= kMaxAttachmentBytes, "size_bytes",
            "must be 0 to 2^40", "应在0至2^40之间")
      .Rule(attachment.sha256().size() == 32, "sha256", "must be 32 bytes", "应为32字节");
}

void CheckPolice(const type::v1::PoliceRecord& police, Checks& checks) {
  const std::string& code = police.incident_code();
  checks
      .Rule(code.empty() || (code.size() == 6 && AreDigits(code)), "incident_code", "must be 6 digits",
            "应为6位数字")
      .Text("related_number", police.related_number(), 64, Need::kOptional, Lines::kOne)
      .Time("arrive_time", police.has_arrive_time(), police.arrive_time(), When::kPast)
      .Text("action", police.action(), 2000, Need::kOptional, Lines::kMany);
}

void CheckContent(const OrderContent& content, bool peer, Checks& checks) {
  checks.Enum("type", content.type(), type::v1::OrderType_IsValid)
      .Enum("channel", content.channel(), type::v1::Channel_IsValid)
      .Enum("urgency", content.urgency(), type::v1::Urgency_IsValid)
      .Text("title", content.title(), 100, Need::kRequired, Lines::kOne)
      .Text("text", content.text(), 8000, Need::kRequired, Lines::kMany)
      .Present("caller", content.has_caller())
      .Inside("caller", [&](Checks& inner) { CheckCaller(content.caller(), inner); });
  if (content.has_place()) {
    checks.Inside("place", [&](Checks& inner) { CheckPlace(content.place(), inner); });
  }
  if (content.has_catalogue()) {
    checks.Inside("catalogue", [&](Checks& inner) {
      inner.Text("item", content.catalogue().item(), 64, Need::kRequired, Lines::kOne)
          .Rule(peer || IsCatalogueItem(content.catalogue().item()), "item",
                "must be a letter and a number, like A1", "应为字母加数字，如A1")
          .Text("version", content.catalogue().version(), 64, Need::kOptional, Lines::kOne);
    });
  }
  checks.Unit("lead_unit", content.lead_unit(), Need::kOptional)
      .OtherUnits("assist_units", content.assist_units(), content.lead_unit())
      .OtherUnits("accused_units", content.accused_units(), /*lead=*/"");
  if (content.has_call()) {
    checks.Inside("call", [&](Checks& inner) { CheckCall(content.call(), inner); });
  }
  checks.That(content.attachments_size() <= kMaxAttachments, Reason::ERROR_REASON_LIST_INVALID, "attachments",
              "has more than 32 entries", "超过32个");
  for (int i = 0; i < content.attachments_size() && checks.ok(); ++i) {
    checks.Inside(
        "attachments", [&](Checks& inner) { CheckAttachment(content.attachments(i), inner); }, i);
  }
  checks.That(content.tags_size() <= kMaxTags, Reason::ERROR_REASON_LIST_INVALID, "tags",
              "has more than 8 entries", "超过8个");
  for (int i = 0; i < content.tags_size() && checks.ok(); ++i) {
    const auto begin = content.tags().begin();
    const bool doubled = std::find(begin, begin + i, content.tags(i)) != begin + i;
    checks.Rule(IsUnitCode(content.tags(i)) && !doubled, "tags",
                "must be different words: 1 to 32 of a-z 0-9 _ -",
                "应为互不相同的标记：1至32位a-z、0-9、_、-");
  }
  if (content.has_police()) {
    checks.Inside("police", [&](Checks& inner) { CheckPolice(content.police(), inner); });
  }
  checks.Time("occur_time", content.has_occur_time(), content.occur_time(), When::kPast);
}

void CheckReturn(const type::v1::HandoffReturn& returned, Checks& checks) {
  checks.Enum("ground", returned.ground(), type::v1::ReturnGround_IsValid)
      .Text("reason", returned.reason(), 500, Need::kRequired, Lines::kMany)
      .Text("legal_basis", returned.legal_basis(), 200, Need::kOptional, Lines::kOne)
      // A unit of the giver's, whose list is not known here.
      .Text("proposed_unit", returned.proposed_unit(), kMaxCode, Need::kOptional, Lines::kOne)
      .Text("proposed_hotline", returned.proposed_hotline(), 16, Need::kOptional, Lines::kOne)
      .Rule(std::all_of(returned.proposed_hotline().begin(), returned.proposed_hotline().end(),
                        [](char c) { return IsDigit(c) || IsLetter(c); }),
            "proposed_hotline", "must be letters and digits", "应为字母或数字")
      .Rule(returned.returned_by_unit().empty(), "returned_by_unit", "is filled in from the actor's unit",
            "由操作人单位自动填写")
      .Rule(returned.proposed_item().empty() || IsCatalogueItem(returned.proposed_item()), "proposed_item",
            "must be a letter and a number, like A1", "应为字母加数字，如A1");
}

void CheckReply(const type::v1::Reply& reply, Checks& checks) {
  const bool unresolved = reply.disposition() == type::v1::DISPOSITION_UNRESOLVED;
  checks.Enum("disposition", reply.disposition(), type::v1::Disposition_IsValid)
      .Text("public_reply", reply.public_reply(), 2000, Need::kRequired, Lines::kMany)
      .Text("internal_reply", reply.internal_reply(), 4000, Need::kOptional, Lines::kMany)
      .Time("contact_time", reply.has_contact_time(), reply.contact_time(), When::kPast)
      .Text("unresolved_reason", reply.unresolved_reason(), 500,
            unresolved ? Need::kRequired : Need::kOptional, Lines::kMany)
      .Unit("unit", reply.unit(), Need::kOptional);
}

void CheckCallBack(const type::v1::CallBack& call_back, Checks& checks) {
  checks
      .Rule(call_back.satisfaction() >= 0 && call_back.satisfaction() <= 5, "satisfaction", "must be 0 to 5",
            "应在0至5之间")
      // 未接通: who was not spoken to has said nothing.
      .Rule(call_back.reached() || !call_back.settled(), "settled", "goes only with reached",
            "仅在已接通时填写")
      .Rule(call_back.reached() || call_back.satisfaction() == 0, "satisfaction", "goes only with reached",
            "仅在已接通时填写")
      .Text("note", call_back.note(), 500, Need::kOptional, Lines::kMany)
      .Time("record_time", call_back.has_record_time(), call_back.record_time(), When::kPast);
}

void CheckEscalation(const type::v1::Escalation& escalation, Checks& checks) {
  checks.Enum("clock", escalation.clock(), type::v1::ClockKind_IsValid)
      .Enum("rung", escalation.rung(), type::v1::Rung_IsValid)
      .Rule((escalation.rung() == type::v1::RUNG_DOUBT) ==
                    (escalation.clock() == type::v1::CLOCK_KIND_CONFIRM) &&
                (escalation.rung() == type::v1::RUNG_KEEP) ==
                    (escalation.clock() == type::v1::CLOCK_KIND_VOICE),
            "rung", "is not one of this clock", "与时限种类不符")
      .Rule(escalation.armed_by_sequence() >= 1, "armed_by_sequence", "must be 1 or more", "应大于等于1")
      .Present("due_time", escalation.has_due_time())
      .Time("due_time", escalation.has_due_time(), escalation.due_time(), When::kAny)
      .Rule((escalation.rung() == type::v1::RUNG_CLOSE_RETURN) ==
                (escalation.clock() == type::v1::CLOCK_KIND_UNIT_RETURN),
            "rung", "is not one of this clock", "与时限种类不符")
      .Text("duty_party", escalation.duty_party(), 64, Need::kRequired, Lines::kOne)
      .Text("assist_unit", escalation.assist_unit(), 64, Need::kOptional, Lines::kOne)
      .Time("rung_time", escalation.has_rung_time(), escalation.rung_time(), When::kAny)
      .Time("last_tenth_time", escalation.has_last_tenth_time(), escalation.last_tenth_time(), When::kAny)
      .Text("policy_version", escalation.policy_version(), 128, Need::kOptional, Lines::kOne)
      .Text("calendar_version", escalation.calendar_version(), 512, Need::kOptional, Lines::kOne);
}

void CheckConfirmByVoice(const type::v1::ConfirmByVoice& spoken, Checks& checks) {
  checks.Text("code", spoken.code(), 16, Need::kRequired, Lines::kOne)
      .Enum("outcome", spoken.outcome(), type::v1::VoiceOutcome_IsValid)
      .Text("spoken_with", spoken.spoken_with(), 64, Need::kRequired, Lines::kOne)
      .Text("note", spoken.note(), 500, Need::kOptional, Lines::kMany);
}

void CheckAlarm(const type::v1::Alarm& alarm, Checks& checks) {
  checks.Enum("kind", alarm.kind(), type::v1::AlarmKind_IsValid)
      .Present("offer_time", alarm.has_offer_time())
      .Time("offer_time", alarm.has_offer_time(), alarm.offer_time(), When::kAny);
}

void CheckPartnerCall(const type::v1::PartnerCall& call, Checks& checks) {
  checks.Hotlines("to_hotlines", call.to_hotlines())
      .Rule(call.kind() == type::v1::HANDOFF_KIND_UNSPECIFIED ||
                call.kind() == type::v1::HANDOFF_KIND_PARTNER_FANOUT ||
                call.kind() == type::v1::HANDOFF_KIND_POLICE_ASSIST,
            "kind", "must be PARTNER_FANOUT or POLICE_ASSIST", "应为多方联动或公安协助")
      .Text("note", call.note(), 500, Need::kOptional, Lines::kMany);
}

void CheckScene(const type::v1::SceneReferral& scene, Checks& checks) {
  const bool waits = scene.request() == type::v1::SCENE_REQUEST_BRING_UNIT;
  checks.Enum("request", scene.request(), type::v1::SceneRequest_IsValid)
      .Text("guidance", scene.guidance(), 500, Need::kRequired, Lines::kMany)
      .Text("asked_of", scene.asked_of(), 64, Need::kOptional, Lines::kOne)
      // A unit of the other hotline's, whose list is not known here.
      .Text("wanted_unit", scene.wanted_unit(), kMaxCode, Need::kOptional, Lines::kOne)
      .Rule(waits || scene.asked_of().empty(), "asked_of", "goes only with BRING_UNIT",
            "仅在请求协调到场时填写")
      .Rule(waits || scene.wanted_unit().empty(), "wanted_unit", "goes only with BRING_UNIT",
            "仅在请求协调到场时填写");
}

void CheckSceneArrival(const type::v1::SceneArrival& arrival, Checks& checks) {
  const bool arrived = arrival.outcome() == type::v1::SCENE_OUTCOME_ARRIVED;
  checks.Enum("outcome", arrival.outcome(), type::v1::SceneOutcome_IsValid)
      .Text("unit", arrival.unit(), kMaxCode, Need::kOptional, Lines::kOne)
      .Rule(arrived || !arrival.has_arrive_time(), "arrive_time", "goes only with ARRIVED",
            "仅在已到场时填写")
      .Time("arrive_time", arrival.has_arrive_time(), arrival.arrive_time(), When::kPast)
      .Text("note", arrival.note(), 500, arrived ? Need::kOptional : Need::kRequired, Lines::kMany);
}

void CheckOffer(const type::v1::Offer& offer, const Site& site, Checks& checks) {
  checks.Text("to_hotline", offer.to_hotline(), kMaxCode, Need::kRequired, Lines::kOne)
      .That(site.peers.contains(offer.to_hotline()), Reason::ERROR_REASON_TARGET_UNKNOWN, "to_hotline",
            "is not a configured peer of this site", "不是本平台已配置的联动平台")
      .Text("note", offer.note(), 500, Need::kOptional, Lines::kMany);
  if (offer.kind() != type::v1::HANDOFF_KIND_UNSPECIFIED) {
    checks.Enum("kind", offer.kind(), type::v1::HandoffKind_IsValid);
  }
  if (offer.has_scene()) {
    checks
        .Rule(offer.kind() == type::v1::HANDOFF_KIND_UNSPECIFIED ||
                  offer.kind() == type::v1::HANDOFF_KIND_ON_SCENE_REFERRAL,
              "kind", "must be ON_SCENE_REFERRAL", "应为现场引导移交")
        .Inside("scene", [&](Checks& inner) { CheckScene(offer.scene(), inner); });
  }
}

bool HasPlace(const type::v1::Place& place) {
  return !place.township_code().empty() || !IsBlank(place.address()) || place.has_automatic_coordinates() ||
         place.has_manual_coordinates();
}

void CheckRuling(const type::v1::Ruling& ruling, Checks& checks) {
  const bool named = !ruling.to_hotline().empty() || !ruling.unit().empty();
  checks
      .That(named, Reason::ERROR_REASON_FIELD_REQUIRED, "to_hotline", "is required where `unit` is empty",
            "与 unit 须至少填写一项")
      .Text("to_hotline", ruling.to_hotline(), 16, Need::kOptional, Lines::kOne)
      // A unit of another hotline's, perhaps.
      .Text("unit", ruling.unit(), kMaxCode, Need::kOptional, Lines::kOne)
      .Text("ground", ruling.ground(), 500, Need::kRequired, Lines::kMany)
      .Text("reference", ruling.reference(), 200, Need::kRequired, Lines::kOne)
      .Text("ruled_by", ruling.ruled_by(), 64, Need::kRequired, Lines::kOne);
}

void CheckUnitDispatch(const type::v1::UnitDispatch& dispatch, Checks& checks) {
  checks.Unit("lead_unit", dispatch.lead_unit(), Need::kRequired)
      .OtherUnits("assist_units", dispatch.assist_units(), dispatch.lead_unit())
      .Text("note", dispatch.note(), 500, Need::kOptional, Lines::kMany)
      .Rule(dispatch.recused_units().empty(), "recused_units", "is filled in from the order's accused units",
            "由工单的被反映单位自动填写");
}

// `time`, if there is one, is well formed and lies ahead, but no further than that.
void CheckAhead(const char* field, bool has, const Timestamp& time, absl::Time now, Checks& checks) {
  checks.Time(field, has, time, When::kFuture);
  if (!checks.ok() || !has) return;
  const absl::Time latest = now + kMaxDaysAhead * absl::Hours(24);
  if (FromProto(time) <= latest) return;
  const std::string shown = absl::FormatTime("%Y-%m-%d %H:%M", latest, Beijing());
  checks.That(false, Reason::ERROR_REASON_TIME_INVALID, field,
              StrCat("is more than ", kMaxDaysAhead, " days from now: at the latest ", shown).c_str(),
              StrCat("不得超过", kMaxDaysAhead, "天，最晚为", shown).c_str());
}

void CheckExtension(const type::v1::Extension& extension, absl::Time now, Checks& checks) {
  checks.Present("until_time", extension.has_until_time());
  CheckAhead("until_time", extension.has_until_time(), extension.until_time(), now, checks);
  checks.Text("ground", extension.ground(), 200, Need::kRequired, Lines::kOne)
      .Text("approved_by", extension.approved_by(), 64, Need::kRequired, Lines::kOne);
}

void CheckSuspension(const type::v1::Suspension& suspension, absl::Time now, Checks& checks) {
  checks.Text("reason", suspension.reason(), 500, Need::kRequired, Lines::kMany)
      .Present("review_time", suspension.has_review_time());
  CheckAhead("review_time", suspension.has_review_time(), suspension.review_time(), now, checks);
  checks.Text("approved_by", suspension.approved_by(), 64, Need::kRequired, Lines::kOne);
}

void CheckNote(const std::string& note, Checks& checks) {
  checks.Text("note", note, 500, Need::kOptional, Lines::kMany);
}

void CheckReason(const std::string& reason, Checks& checks) {
  checks.Text("reason", reason, 500, Need::kRequired, Lines::kMany);
}

void CheckCallerContact(const type::v1::CallerContact& contact, Checks& checks) {
  checks.Time("contact_time", contact.has_contact_time(), contact.contact_time(), When::kPast)
      .Text("note", contact.note(), 500, Need::kOptional, Lines::kMany)
      .Unit("unit", contact.unit(), Need::kOptional);
}

void CheckExtensionRequest(const type::v1::ExtensionRequest& request, absl::Time now, Checks& checks) {
  const type::v1::TimeAmount& length = request.length();
  const bool days =
      length.kind() == type::v1::TIME_KIND_WORKING_DAYS || length.kind() == type::v1::TIME_KIND_NATURAL_DAYS;
  checks.Present("until_time", request.has_until_time() || request.has_length())
      .Rule(!(request.has_until_time() && request.has_length()), "length",
            "must not be given together with until_time", "不能与截止时间同时填写");
  CheckAhead("until_time", request.has_until_time(), request.until_time(), now, checks);
  if (request.has_length()) {
    checks.Inside("length", [&](Checks& inner) {
      inner.Enum("kind", length.kind(), type::v1::TimeKind_IsValid)
          .Rule(length.value() >= 1 && length.value() <= (days ? kMaxDaysAhead : kMaxDaysAhead * 86'400),
                "value", "must be from 1 to a year", "应为1至一年");
    });
  }
  checks.Text("ground", request.ground(), 200, Need::kRequired, Lines::kOne)
      .Rule(!request.has_request_time() && request.account().empty() && request.unit().empty() &&
                !request.last_minute(),
            "request_time", "is filled in by the service, with account, unit and last_minute",
            "申请时间、账号、单位和临期标记由系统填写");
}

void CheckExtensionDecision(const type::v1::ExtensionDecision& decision, absl::Time now, Checks& checks) {
  checks.Rule(decision.approved() || !decision.has_until_time(), "until_time", "is only for an approval",
              "仅适用于同意延期");
  CheckAhead("until_time", decision.has_until_time(), decision.until_time(), now, checks);
  checks.Text("note", decision.note(), 500, decision.approved() ? Need::kOptional : Need::kRequired,
              Lines::kMany);
}

void CheckUnitReturn(const type::v1::UnitReturn& returned, Checks& checks) {
  // Whether the unit is at work on the order is the order's to say.
  checks.Text("unit", returned.unit(), kMaxCode, Need::kOptional, Lines::kOne)
      .Enum("ground", returned.ground(), type::v1::ReturnGround_IsValid)
      .Text("reason", returned.reason(), 500, Need::kRequired, Lines::kMany)
      .Text("legal_basis", returned.legal_basis(), 200, Need::kOptional, Lines::kOne)
      .Unit("proposed_unit", returned.proposed_unit(), Need::kOptional);
}

void CheckUnitReassignment(const type::v1::UnitReassignment& reassignment, Checks& checks) {
  checks.Present("dispatch", reassignment.has_dispatch())
      .Inside("dispatch", [&](Checks& inner) { CheckUnitDispatch(reassignment.dispatch(), inner); })
      .Text("reason", reassignment.reason(), 500, Need::kRequired, Lines::kMany);
}

void CheckAccusation(const type::v1::Accusation& accusation, Checks& checks) {
  checks.Present("units", !accusation.units().empty())
      .OtherUnits("units", accusation.units(), /*lead=*/"")
      .Text("reason", accusation.reason(), 500, Need::kRequired, Lines::kMany);
  if (!accusation.has_dispatch()) return;
  checks.Inside("dispatch", [&](Checks& inner) { CheckUnitDispatch(accusation.dispatch(), inner); });
}

void CheckDeadlineMove(const type::v1::DeadlineMove& move, Checks& checks) {
  checks.Enum("clock", move.clock(), type::v1::ClockKind_IsValid)
      .Rule(move.armed_by_sequence() >= 1, "armed_by_sequence", "must be 1 or more", "应大于等于1")
      .Present("old_due_time", move.has_old_due_time())
      .Time("old_due_time", move.has_old_due_time(), move.old_due_time(), When::kAny)
      .Present("new_due_time", move.has_new_due_time())
      .Time("new_due_time", move.has_new_due_time(), move.new_due_time(), When::kAny)
      .Enum("reason", move.reason(), type::v1::DeadlineMoveReason_IsValid)
      .Text("note", move.note(), 500, Need::kOptional, Lines::kMany)
      .Text("policy_version", move.policy_version(), 128, Need::kOptional, Lines::kOne)
      .Text("calendar_version", move.calendar_version(), 512, Need::kOptional, Lines::kOne)
      .Text("duty_party", move.duty_party(), 64, Need::kRequired, Lines::kOne)
      .Text("assist_unit", move.assist_unit(), 64, Need::kOptional, Lines::kOne)
      .Rule(move.publication() >= 1, "publication", "must be 1 or more", "应大于等于1");
}

void CheckRungAcknowledgement(const type::v1::RungAcknowledgement& acknowledgement, absl::Time now,
                              Checks& checks) {
  checks.Enum("clock", acknowledgement.clock(), type::v1::ClockKind_IsValid)
      .Enum("rung", acknowledgement.rung(), type::v1::Rung_IsValid)
      .Rule(acknowledgement.armed_by_sequence() >= 0, "armed_by_sequence", "must not be negative",
            "不能为负数")
      .Present("until_time", acknowledgement.has_until_time())
      .Time("until_time", acknowledgement.has_until_time(), acknowledgement.until_time(), When::kFuture);
  if (!checks.ok()) return;
  checks
      .That(FromProto(acknowledgement.until_time()) <= now + kMaxAcknowledgement,
            Reason::ERROR_REASON_TIME_INVALID, "until_time", "is more than 31 days from now", "不得超过31天")
      .Text("note", acknowledgement.note(), 500, Need::kOptional, Lines::kMany)
      .Text("assist_unit", acknowledgement.assist_unit(), 64, Need::kOptional, Lines::kOne);
}

void CheckNotificationReport(const type::v1::NotificationReport& report, Checks& checks) {
  checks.Enum("clock", report.clock(), type::v1::ClockKind_IsValid)
      .Enum("rung", report.rung(), type::v1::Rung_IsValid)
      .Rule(report.armed_by_sequence() >= 1, "armed_by_sequence", "must be 1 or more", "应大于等于1")
      .Rule(report.round() >= 1, "round", "must be 1 or more", "应大于等于1")
      .Text("assist_unit", report.assist_unit(), 64, Need::kOptional, Lines::kOne)
      .That(report.notices_size() <= kMaxNotices, Reason::ERROR_REASON_LIST_INVALID, "notices",
            "has more than 64 entries", "超过64个");
  for (int i = 0; i < report.notices_size() && checks.ok(); ++i) {
    const type::v1::Notice& notice = report.notices(i);
    const bool nobody = notice.result() == type::v1::NOTIFICATION_RESULT_NOBODY;
    checks.Inside(
        "notices",
        [&](Checks& inner) {
          inner
              .Text("person_id", notice.person_id(), 64, nobody ? Need::kOptional : Need::kRequired,
                    Lines::kOne)
              // A directory id has a letter, a telephone number has none: numbers do not get into the log.
              .Rule(notice.person_id().empty() ||
                        std::any_of(notice.person_id().begin(), notice.person_id().end(), IsLetter) ||
                        notice.person_id().size() < 7,
                    "person_id", "must be a directory's id, not a telephone number",
                    "应为人员编号，不能是电话号码")
              .Text("role", notice.role(), 32, nobody ? Need::kOptional : Need::kRequired, Lines::kOne)
              .Text("channel", notice.channel(), 32, Need::kOptional, Lines::kOne)
              .Enum("result", notice.result(), type::v1::NotificationResult_IsValid)
              .Text("unit", notice.unit(), kMaxCode, Need::kOptional, Lines::kOne);
        },
        i);
  }
}

// Number of actions set. A registration with an offer is one.
int CountActions(const Command& command) {
  return (command.has_registration() || command.has_offer() ? 1 : 0) +
         (command.action_case() != Command::ACTION_NOT_SET ? 1 : 0);
}

// The first malformed string or time in `message`.
absl::Status ForeignFault(const google::protobuf::Message& message, const std::string& path) {
  using google::protobuf::FieldDescriptor;
  if (message.GetDescriptor() == Timestamp::descriptor()) {
    if (IsValidTime(static_cast<const Timestamp&>(message))) return absl::OkStatus();
    return error::BadField(Reason::ERROR_REASON_TIME_INVALID, path, "is not a valid time", "不是有效的时间");
  }
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const auto inner_path = [&] { return path.empty() ? field->name() : path + "." + field->name(); };
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->type() == FieldDescriptor::TYPE_MESSAGE) {
        const google::protobuf::Message& inner = field->is_repeated()
                                                     ? reflection.GetRepeatedMessage(message, field, i)
                                                     : reflection.GetMessage(message, field);
        if (absl::Status status = ForeignFault(inner, inner_path()); !status.ok()) return status;
      } else if (field->type() == FieldDescriptor::TYPE_STRING) {
        std::string scratch;
        const std::string& text = field->is_repeated()
                                      ? reflection.GetRepeatedStringReference(message, field, i, &scratch)
                                      : reflection.GetStringReference(message, field, &scratch);
        if (text.size() > kMaxForeignText) return error::TooLong(inner_path(), kMaxForeignText);
        if (!CountCodePoints(text).has_value() || HasControlCharacters(text, true)) {
          return error::BadText(inner_path());
        }
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateContent(const OrderContent& content, const Site& site, absl::Time now,
                             const char* path) {
  Checks checks({.site = &site, .now = now, .peer = false}, path);
  CheckContent(content, /*peer=*/false, checks);
  return checks.Take();
}

absl::Status ValidateKnownContent(const OrderContent& content, absl::Time now) {
  Checks checks({.site = nullptr, .now = now, .peer = false}, "content");
  checks.Text("title", content.title(), 100, Need::kOptional, Lines::kOne)
      .Text("text", content.text(), 8000, Need::kOptional, Lines::kMany)
      .Inside("caller", [&](Checks& inner) { inner.Phone("phone", content.caller().phone()); })
      .Inside("place", [&](Checks& inner) { CheckPlace(content.place(), inner); })
      .Time("occur_time", content.has_occur_time(), content.occur_time(), When::kPast);
  return checks.Take();
}

absl::Status ValidateOfferedContent(const OrderContent& content) {
  Checks checks({.site = nullptr, .now = absl::InfiniteFuture(), .peer = true}, "content");
  CheckContent(content, /*peer=*/true, checks);
  return checks.Take();
}

absl::Status ValidateHeader(const type::v1::CommandHeader& header) {
  Checks checks({.site = nullptr, .now = absl::InfiniteFuture(), .peer = false}, "header");
  checks
      .That(IsRequestId(header.request_id()), Reason::ERROR_REASON_REQUEST_ID_INVALID, "request_id",
            "must be 8 to 64 characters of A-Z a-z 0-9 . _ / -", "应为8至64位A-Z、a-z、0-9、.、_、/、-")
      .Text("order_id", header.order_id(), 128, Need::kOptional, Lines::kOne)
      .Rule(header.expected_version() >= 0, "expected_version", "must not be negative", "不能为负数")
      .Inside("actor", [&](Checks& inner) {
        inner.Text("account", header.actor().account(), 64, Need::kRequired, Lines::kOne)
            .Text("unit", header.actor().unit(), kMaxCode, Need::kOptional, Lines::kOne)
            .Text("seat", header.actor().seat(), 32, Need::kOptional, Lines::kOne);
      });
  return checks.Take();
}

const char* ContentPath(const Command& command) {
  return command.has_offer() ? "content" : "registration.content";
}

absl::Status ValidateAction(const Command& command, const Site& site, absl::Time now) {
  Checks checks({.site = &site, .now = now, .peer = false}, "");
  checks.That(CountActions(command) == 1, Reason::ERROR_REASON_ACTION_INVALID, "action",
              "must be exactly one", "必须且只能有一个操作");
  if (!checks.ok()) return checks.Take();
  if (command.has_registration()) {
    const type::v1::Registration& registration = command.registration();
    checks.Inside("registration", [&](Checks& inner) {
      inner.Text("parent_order_id", registration.parent_order_id(), 64, Need::kOptional, Lines::kOne);
      // Dispatch fills it in from its catalogue; these are the client's words, and the log keeps them.
      inner.Inside("route", [&](Checks& route) {
        route.Text("reason", registration.route().reason(), 500, Need::kOptional, Lines::kMany);
      });
    });
    const char* const path = ContentPath(command);
    checks.Present(path, registration.has_content() || !registration.parent_order_id().empty());
    if (checks.ok() && registration.has_content()) {
      if (absl::Status status = ValidateContent(registration.content(), site, now, path); !status.ok()) {
        return status;
      }
    }
  }
  if (command.offer().has_scene() && command.registration().has_content()) {
    checks.Inside("content", [&](Checks& inner) {
      inner.Present("place", HasPlace(command.registration().content().place()));
    });
  }
  if (command.has_offer()) {
    checks.Inside("offer", [&](Checks& inner) { CheckOffer(command.offer(), site, inner); });
  }
  switch (command.action_case()) {
    case Command::kAcceptance:
      checks.Inside("acceptance", [&](Checks& inner) { CheckNote(command.acceptance().note(), inner); });
      break;
    case Command::kHandoffReturn:
      checks.Inside("handoff_return", [&](Checks& inner) { CheckReturn(command.handoff_return(), inner); });
      break;
    case Command::kRecall:
      checks.Inside("recall", [&](Checks& inner) { CheckReason(command.recall().reason(), inner); });
      break;
    case Command::kUnitDispatch:
      checks.Inside("unit_dispatch",
                    [&](Checks& inner) { CheckUnitDispatch(command.unit_dispatch(), inner); });
      break;
    case Command::kSignature:
      // Whether the unit is at work on the order is the order's to say.
      checks.Inside("signature", [&](Checks& inner) {
        inner.Text("unit", command.signature().unit(), kMaxCode, Need::kOptional, Lines::kOne);
      });
      break;
    case Command::kProgress:
      checks.Inside("progress", [&](Checks& inner) {
        inner.Text("note", command.progress().note(), 2000, Need::kRequired, Lines::kMany)
            .Text("unit", command.progress().unit(), kMaxCode, Need::kOptional, Lines::kOne);
      });
      break;
    case Command::kExtension:
      checks.Inside("extension", [&](Checks& inner) { CheckExtension(command.extension(), now, inner); });
      break;
    case Command::kSuspension:
      checks.Inside("suspension", [&](Checks& inner) { CheckSuspension(command.suspension(), now, inner); });
      break;
    case Command::kResumption:
      checks.Inside("resumption", [&](Checks& inner) { CheckNote(command.resumption().note(), inner); });
      break;
    case Command::kCompletion:
      checks.Inside("completion", [&](Checks& inner) {
        inner.Present("reply", command.completion().has_reply()).Inside("reply", [&](Checks& reply) {
          CheckReply(command.completion().reply(), reply);
        });
      });
      break;
    case Command::kCallBackRecord:
      checks.Inside("call_back_record", [&](Checks& inner) {
        inner.Present("call_back", command.call_back_record().has_call_back())
            .Inside("call_back",
                    [&](Checks& record) { CheckCallBack(command.call_back_record().call_back(), record); });
      });
      break;
    case Command::kRedoDemand:
      checks.Inside("redo_demand",
                    [&](Checks& inner) { CheckReason(command.redo_demand().reason(), inner); });
      break;
    case Command::kClosure:
      checks.Inside("closure", [&](Checks& inner) {
        CheckNote(command.closure().note(), inner);
        inner.Rule(command.closure().unanswered_numbers().empty(), "unanswered_numbers",
                   "is filled in by the service", "由系统自动填写");
      });
      break;
    case Command::kCancellation:
      checks.Inside("cancellation",
                    [&](Checks& inner) { CheckReason(command.cancellation().reason(), inner); });
      break;
    case Command::kArchival:
      checks.Inside("archival", [&](Checks& inner) { CheckNote(command.archival().note(), inner); });
      break;
    case Command::kEscalation:
      checks.Inside("escalation", [&](Checks& inner) { CheckEscalation(command.escalation(), inner); });
      break;
    case Command::kConfirmByVoice:
      checks.Inside("confirm_by_voice",
                    [&](Checks& inner) { CheckConfirmByVoice(command.confirm_by_voice(), inner); });
      break;
    case Command::kAlarm:
      checks.Inside("alarm", [&](Checks& inner) { CheckAlarm(command.alarm(), inner); });
      break;
    case Command::kPartnerCall:
      checks.Inside("partner_call", [&](Checks& inner) { CheckPartnerCall(command.partner_call(), inner); });
      break;
    case Command::kDispute:
      checks.Inside("dispute", [&](Checks& inner) { CheckReason(command.dispute().reason(), inner); });
      break;
    case Command::kRuling:
      checks.Inside("ruling", [&](Checks& inner) { CheckRuling(command.ruling(), inner); });
      break;
    case Command::kDisclosure:
      checks.Inside("disclosure", [&](Checks& inner) {
        inner.Enum("kind", command.disclosure().kind(), type::v1::DisclosureKind_IsValid)
            .Text("role", command.disclosure().role(), 32, Need::kOptional, Lines::kOne);
      });
      break;
    case Command::kMerger:
      checks.Inside("merger", [&](Checks& inner) {
        inner.Text("into_order_id", command.merger().into_order_id(), 64, Need::kRequired, Lines::kOne);
        CheckReason(command.merger().reason(), inner);
      });
      break;
    case Command::kSeparation:
      checks.Inside("separation", [&](Checks& inner) { CheckReason(command.separation().reason(), inner); });
      break;
    case Command::kSceneArrival:
      checks.Inside("scene_arrival",
                    [&](Checks& inner) { CheckSceneArrival(command.scene_arrival(), inner); });
      break;
    case Command::kReopening:
      checks.Inside("reopening", [&](Checks& inner) { CheckReason(command.reopening().reason(), inner); });
      break;
    case Command::kCallerContact:
      checks.Inside("caller_contact",
                    [&](Checks& inner) { CheckCallerContact(command.caller_contact(), inner); });
      break;
    case Command::kExtensionRequest:
      checks.Inside("extension_request",
                    [&](Checks& inner) { CheckExtensionRequest(command.extension_request(), now, inner); });
      break;
    case Command::kExtensionDecision:
      checks.Inside("extension_decision",
                    [&](Checks& inner) { CheckExtensionDecision(command.extension_decision(), now, inner); });
      break;
    case Command::kUnitReturn:
      checks.Inside("unit_return", [&](Checks& inner) { CheckUnitReturn(command.unit_return(), inner); });
      break;
    case Command::kAccusation:
      checks.Inside("accusation", [&](Checks& inner) { CheckAccusation(command.accusation(), inner); });
      break;
    case Command::kUnitReassignment:
      checks.Inside("unit_reassignment",
                    [&](Checks& inner) { CheckUnitReassignment(command.unit_reassignment(), inner); });
      break;
    case Command::kDeadlineMove:
      checks.Inside("deadline_move",
                    [&](Checks& inner) { CheckDeadlineMove(command.deadline_move(), inner); });
      break;
    case Command::kRungAcknowledgement:
      checks.Inside("rung_acknowledgement", [&](Checks& inner) {
        CheckRungAcknowledgement(command.rung_acknowledgement(), now, inner);
      });
      break;
    case Command::kHoldPlacement:
      checks.Inside("hold_placement", [&](Checks& inner) {
        CheckReason(command.hold_placement().reason(), inner);
        inner.Text("reference", command.hold_placement().reference(), 200, Need::kRequired, Lines::kOne);
      });
      break;
    case Command::kHoldRelease:
      checks.Inside("hold_release",
                    [&](Checks& inner) { CheckReason(command.hold_release().reason(), inner); });
      break;
    case Command::kErasure:
      checks.Inside("erasure", [&](Checks& inner) {
        inner.Present("unchanged_since_time", command.erasure().has_unchanged_since_time())
            .Time("unchanged_since_time", command.erasure().has_unchanged_since_time(),
                  command.erasure().unchanged_since_time(), When::kAny);
      });
      break;
    case Command::kNotificationReport:
      checks.Inside("notification_report",
                    [&](Checks& inner) { CheckNotificationReport(command.notification_report(), inner); });
      break;
    case Command::ACTION_NOT_SET:
      break;
  }
  return checks.Take();
}

absl::Status ValidateText(std::string_view field, std::string_view text, int64_t max, bool required,
                          bool multi_line) {
  Checks checks({.site = nullptr, .now = absl::InfiniteFuture(), .peer = false}, "");
  checks.Text(std::string(field).c_str(), text, max, required ? Need::kRequired : Need::kOptional,
              multi_line ? Lines::kMany : Lines::kOne);
  return checks.Take();
}

absl::Status ValidatePhone(std::string_view field, const std::string& phone) {
  Checks checks({.site = nullptr, .now = absl::InfiniteFuture(), .peer = false}, "");
  checks.Phone(std::string(field).c_str(), phone);
  return checks.Take();
}

absl::Status ValidateTime(std::string_view field, bool has, const Timestamp& time) {
  Checks checks({.site = nullptr, .now = absl::InfiniteFuture(), .peer = false}, "");
  checks.Time(std::string(field).c_str(), has, time, When::kAny);
  return checks.Take();
}

absl::Status ValidateForeign(const google::protobuf::Message& message) { return ForeignFault(message, ""); }

std::string NormalizePhone(std::string_view phone) {
  std::string number;
  number.reserve(phone.size());
  std::copy_if(phone.begin(), phone.end(), std::back_inserter(number), [](char c) { return c != '-'; });
  return number;
}

}  // namespace hotline::work_order
