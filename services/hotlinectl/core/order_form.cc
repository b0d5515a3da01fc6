#include "services/hotlinectl/core/order_form.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/base/text.h"
#include "common/error/error.h"
#include "services/hotlinectl/core/text_catalogue.h"

namespace hotline::hotlinectl {
namespace {

using Request = dispatch::v1::PushWorkOrderRequest;

absl::Status Bad(error::Reason reason, const FormField& field, const Phrase& phrase) {
  return error::BadField(reason, field.path, phrase.en, phrase.zh);
}

using Setter = decltype(FormField::set);

template <typename Set>
Setter Text(Set set) {
  return [set](const FormField&, std::string_view value, Request& request) {
    set(request, std::string(value));
    return absl::OkStatus();
  };
}

template <typename Enum, typename Set>
Setter Word(Set set) {
  return [set](const FormField& field, std::string_view value, Request& request) {
    const auto number = ParseEnumWord(*google::protobuf::GetEnumDescriptor<Enum>(), value);
    if (!number) {
      const auto message = [&](Language language) {
        return Say(language, say::kBadValueWord, ShownFlagWords(field.flag, ", ", language));
      };
      return error::BadField(type::v1::ERROR_REASON_ENUM_INVALID, field.path, message(Language::kEnglish),
                             message(Language::kChinese));
    }
    set(request, static_cast<Enum>(*number));
    return absl::OkStatus();
  };
}

template <typename Set>
Setter Switch(Set set) {
  return [set](const FormField& field, std::string_view value, Request& request) {
    const auto boolean = ParseBoolean(value);
    if (!boolean) return Bad(type::v1::ERROR_REASON_FIELD_INVALID, field, say::kBadValueBoolean);
    set(request, *boolean);
    return absl::OkStatus();
  };
}

template <typename Set>
Setter Degrees(Set set) {
  return [set](const FormField& field, std::string_view value, Request& request) {
    const auto number = ParseNumber(Trim(value));
    if (!number) return Bad(type::v1::ERROR_REASON_COORDINATES_INVALID, field, say::kBadValueNumber);
    set(*request.mutable_content()->mutable_place()->mutable_manual_coordinates(), *number);
    return absl::OkStatus();
  };
}

absl::Status SetAssistUnits(const FormField&, std::string_view value, Request& request) {
  for (std::string& unit : SplitUnits(value)) request.mutable_content()->add_assist_units(std::move(unit));
  return absl::OkStatus();
}

absl::Status SetAccusedUnits(const FormField& field, std::string_view value, Request& request) {
  Request units;
  if (absl::Status status = SetAssistUnits(field, value, units); !status.ok()) return status;
  request.mutable_content()->mutable_accused_units()->MergeFrom(units.content().assist_units());
  return absl::OkStatus();
}

absl::Status SetOccurTime(const FormField& field, std::string_view value, Request& request) {
  const auto time = ParseTime(value, std::nullopt);
  if (!time) return Bad(type::v1::ERROR_REASON_TIME_INVALID, field, say::kBadValueTime);
  *request.mutable_content()->mutable_occur_time() = ToTimestamp(*time);
  return absl::OkStatus();
}

absl::Status SetReceiptWait(const FormField& field, std::string_view value, Request& request) {
  const auto wait = ParseDuration(value);
  if (!wait) return Bad(type::v1::ERROR_REASON_FIELD_INVALID, field, say::kBadValueDuration);
  request.mutable_receipt_wait()->set_seconds(absl::ToInt64Seconds(*wait));
  request.mutable_receipt_wait()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(*wait - absl::Trunc(*wait, absl::Seconds(1)))));
  return absl::OkStatus();
}

template <typename Enum>
const google::protobuf::EnumDescriptor* WordsOf() {
  return google::protobuf::GetEnumDescriptor<Enum>();
}

std::vector<FormField> MakeFields() {
  using S = std::string;
  using R = Request;
  using Point = type::v1::Coordinates;
  using type::v1::Channel;
  using type::v1::HandoffKind;
  using type::v1::OrderType;
  using type::v1::Urgency;
  return {
      {{"title", ValueKind::kText, say::kFlagTitle}, "标题", "content.title", false, Text([](R& r, S v) {
         r.mutable_content()->set_title(std::move(v));
       })},
      {{"text", ValueKind::kText, say::kFlagText}, "内容", "content.text", false, Text([](R& r, S v) {
         r.mutable_content()->set_text(std::move(v));
       })},
      {{"type", ValueKind::kWord, say::kFlagType, WordsOf<OrderType>},
       "类型",
       "content.type",
       false,
       Word<OrderType>([](R& r, OrderType v) { r.mutable_content()->set_type(v); })},
      {{"channel", ValueKind::kWord, say::kFlagChannel, WordsOf<Channel>},
       "渠道",
       "content.channel",
       false,
       Word<Channel>([](R& r, Channel v) { r.mutable_content()->set_channel(v); })},
      {{"urgency", ValueKind::kWord, say::kFlagUrgency, WordsOf<Urgency>},
       "紧急程度",
       "content.urgency",
       false,
       Word<Urgency>([](R& r, Urgency v) { r.mutable_content()->set_urgency(v); })},
      {{"phone", ValueKind::kText, say::kFlagPhone},
       "来电号码",
       "content.caller.phone",
       false,
       Text([](R& r, S v) { r.mutable_content()->mutable_caller()->set_phone(std::move(v)); })},
      {{"contact-phone", ValueKind::kText, say::kFlagContactPhone},
       "联系电话",
       "content.caller.contact_phone",
       false,
       Text([](R& r, S v) { r.mutable_content()->mutable_caller()->set_contact_phone(std::move(v)); })},
      {{"name", ValueKind::kText, say::kFlagName}, "姓名", "content.caller.name", false, Text([](R& r, S v) {
         r.mutable_content()->mutable_caller()->set_name(std::move(v));
       })},
      {{"anonymous", ValueKind::kSwitch, say::kFlagAnonymous},
       "匿名",
       "content.caller.anonymous",
       false,
       Switch([](R& r, bool v) { r.mutable_content()->mutable_caller()->set_anonymous(v); })},
      {{"secret", ValueKind::kSwitch, say::kFlagSecret},
       "保密",
       "content.caller.secret",
       false,
       Switch([](R& r, bool v) { r.mutable_content()->mutable_caller()->set_secret(v); })},
      {{"language", ValueKind::kText, say::kFlagLanguage},
       "语言",
       "content.caller.language",
       false,
       Text([](R& r, S v) { r.mutable_content()->mutable_caller()->set_language(std::move(v)); })},
      {{"township", ValueKind::kText, say::kFlagTownship},
       "乡镇代码",
       "content.place.township_code",
       false,
       Text([](R& r, S v) { r.mutable_content()->mutable_place()->set_township_code(std::move(v)); })},
      {{"address", ValueKind::kText, say::kFlagAddress},
       "地址",
       "content.place.address",
       false,
       Text([](R& r, S v) { r.mutable_content()->mutable_place()->set_address(std::move(v)); })},
      {{"lat", ValueKind::kNumber, say::kFlagLat},
       "纬度",
       "content.place.manual_coordinates.latitude",
       false,
       Degrees([](Point& p, double v) { p.set_latitude(v); })},
      {{"lon", ValueKind::kNumber, say::kFlagLon},
       "经度",
       "content.place.manual_coordinates.longitude",
       false,
       Degrees([](Point& p, double v) { p.set_longitude(v); })},
      {{"item", ValueKind::kText, say::kFlagItem},
       "清单事项",
       "content.catalogue.item",
       false,
       Text([](R& r, S v) { r.mutable_content()->mutable_catalogue()->set_item(std::move(v)); })},
      {{"item-version", ValueKind::kText, say::kFlagItemVersion},
       "清单版本",
       "content.catalogue.version",
       false,
       Text([](R& r, S v) { r.mutable_content()->mutable_catalogue()->set_version(std::move(v)); })},
      {{"unit", ValueKind::kText, say::kFlagUnit},
       "主办单位",
       "content.lead_unit",
       false,
       Text([](R& r, S v) { r.mutable_content()->set_lead_unit(std::move(v)); })},
      {{.name = "assist", .kind = ValueKind::kList, .help = say::kFlagAssist, .repeated = true},
       "协办单位",
       "content.assist_units",
       false,
       SetAssistUnits},
      {{.name = "accused", .kind = ValueKind::kList, .help = say::kFlagAccused, .repeated = true},
       "被反映单位",
       "content.accused_units",
       false,
       SetAccusedUnits},
      {{"occur-time", ValueKind::kTime, say::kFlagOccurTime},
       "事发时间",
       "content.occur_time",
       false,
       SetOccurTime},
      {{"to", ValueKind::kText, say::kFlagTo}, "推送至", "offer.to_hotline", false, Text([](R& r, S v) {
         r.mutable_offer()->set_to_hotline(std::move(v));
       })},
      {{"kind", ValueKind::kWord, say::kFlagKind, WordsOf<HandoffKind>},
       "移交依据",
       "offer.kind",
       false,
       Word<HandoffKind>([](R& r, HandoffKind v) { r.mutable_offer()->set_kind(v); })},
      {{"note", ValueKind::kText, say::kFlagPushNote}, "备注", "offer.note", false, Text([](R& r, S v) {
         r.mutable_offer()->set_note(std::move(v));
       })},
      {{"danger", ValueKind::kWord, say::kFlagDanger, WordsOf<type::v1::Answer>},
       "有无危险",
       "facts.danger",
       false,
       Word<type::v1::Answer>([](R& r, type::v1::Answer v) { r.mutable_facts()->set_danger(v); })},
      {{"clue", ValueKind::kWord, say::kFlagClue, WordsOf<type::v1::Answer>},
       "是否涉稳",
       "facts.stability_clue",
       false,
       Word<type::v1::Answer>([](R& r, type::v1::Answer v) { r.mutable_facts()->set_stability_clue(v); })},
      {{"belongs-to", ValueKind::kText, say::kFlagBelongsTo},
       "归属热线",
       "facts.belongs_to",
       false,
       Text([](R& r, S v) { r.mutable_facts()->set_belongs_to(std::move(v)); })},
      {{"agreement", ValueKind::kWord, say::kFlagAgreement, WordsOf<type::v1::AgreementState>},
       "商定结果",
       "facts.agreement",
       false,
       Word<type::v1::AgreementState>(
           [](R& r, type::v1::AgreementState v) { r.mutable_facts()->set_agreement(v); })},
      {{"agreed-hotline", ValueKind::kText, say::kFlagAgreedHotline},
       "商定热线",
       "facts.agreed_hotline",
       false,
       Text([](R& r, S v) { r.mutable_facts()->set_agreed_hotline(std::move(v)); })},
      {{"agreed-by", ValueKind::kText, say::kFlagAgreedBy},
       "商定人",
       "facts.agreed_by",
       false,
       Text([](R& r, S v) { r.mutable_facts()->set_agreed_by(std::move(v)); })},
      {{"agreement-reason", ValueKind::kText, say::kFlagAgreementReason},
       "商定理由",
       "facts.agreement_reason",
       false,
       Text([](R& r, S v) { r.mutable_facts()->set_agreement_reason(std::move(v)); })},
      {{"first-received-by", ValueKind::kText, say::kFlagFirstReceived},
       "首接热线",
       "facts.first_received_by",
       false,
       Text([](R& r, S v) { r.mutable_facts()->set_first_received_by(std::move(v)); })},
      {{"route-reason", ValueKind::kText, say::kFlagRouteReason},
       "不采纳建议的理由",
       "route_reason",
       false,
       Text([](R& r, S v) { r.set_route_reason(std::move(v)); })},
      {{"wait", ValueKind::kDuration, say::kFlagWait}, "等待回执", "receipt_wait", false, SetReceiptWait},
      {{"request-id", ValueKind::kText, say::kFlagRequestId},
       "请求号",
       "header.request_id",
       false,
       Text([](R& r, S v) { r.mutable_header()->set_request_id(std::move(v)); })},
      {{"order", ValueKind::kText, say::kColNumber}, "工单", "header.order_id", true, Text([](R& r, S v) {
         r.mutable_header()->set_order_id(std::move(v));
       })},
  };
}

// What the checks of the other commands name, and the flag that fills it. Of a list, its elements too.
constexpr std::pair<std::string_view, std::string_view> kFlagsOfChanges[] = {
    {"acceptance.note", "note"},
    {"handoff_return.ground", "ground"},
    {"handoff_return.reason", "reason"},
    {"handoff_return.legal_basis", "basis"},
    {"handoff_return.proposed_unit", "proposed-unit"},
    {"handoff_return.proposed_item", "proposed-item"},
    {"handoff_return.proposed_hotline", "proposed-hotline"},
    {"recall.reason", "reason"},
    {"confirm_by_voice.code", "code"},
    {"confirm_by_voice.outcome", "outcome"},
    {"confirm_by_voice.spoken_with", "spoken-with"},
    {"confirm_by_voice.note", "note"},
    {"offer.scene.request", "request"},
    {"offer.scene.guidance", "guidance"},
    {"offer.scene.asked_of", "asked-of"},
    {"offer.scene.wanted_unit", "wanted-unit"},
    {"scene_arrival.outcome", "outcome"},
    {"scene_arrival.unit", "unit"},
    {"scene_arrival.arrive_time", "time"},
    {"scene_arrival.note", "note"},
    {"partner_call.to_hotlines", "to"},
    {"partner_call.kind", "kind"},
    {"partner_call.note", "note"},
    {"unit_dispatch.lead_unit", "unit"},
    {"unit_dispatch.assist_units", "assist"},
    {"unit_dispatch.note", "note"},
    {"signature.unit", "unit"},
    {"progress.note", "note"},
    {"progress.unit", "unit"},
    {"completion.reply.disposition", "disposition"},
    {"completion.reply.public_reply", "reply"},
    {"completion.reply.internal_reply", "internal"},
    {"completion.reply.contact_time", "contact-time"},
    {"completion.reply.unresolved_reason", "unresolved-reason"},
    {"completion.reply.unit", "unit"},
    {"call_back_record.call_back.settled", "settled"},
    {"call_back_record.call_back.satisfaction", "satisfaction"},
    {"call_back_record.call_back.note", "note"},
    {"redo_demand.reason", "reason"},
    {"closure.note", "note"},
    {"merger.into_order_id", "into"},
    {"merger.reason", "reason"},
    {"separation.reason", "reason"},
    {"cancellation.reason", "reason"},
    {"suspension.reason", "reason"},
    {"suspension.review_time", "review"},
    {"suspension.approved_by", "approved-by"},
    {"resumption.note", "note"},
    {"extension.until_time", "until"},
    {"extension.ground", "ground"},
    {"extension.approved_by", "approved-by"},
    {"archival.note", "note"},
    {"dispute.reason", "reason"},
    {"ruling.to_hotline", "to"},
    {"ruling.unit", "unit"},
    {"ruling.ground", "ground"},
    {"ruling.reference", "reference"},
    {"ruling.ruled_by", "ruled-by"},
    {"reopening.reason", "reason"},
    {"caller_contact.contact_time", "time"},
    {"caller_contact.unit", "unit"},
    {"caller_contact.note", "note"},
    {"extension_request.until_time", "until"},
    {"extension_request.ground", "ground"},
    {"extension_decision.until_time", "until"},
    {"extension_decision.note", "note"},
    {"unit_return.unit", "unit"},
    {"unit_return.ground", "ground"},
    {"unit_return.reason", "reason"},
    {"unit_return.legal_basis", "basis"},
    {"unit_return.proposed_unit", "proposed-unit"},
    {"unit_reassignment.dispatch.lead_unit", "unit"},
    {"unit_reassignment.dispatch.assist_units", "assist"},
    {"unit_reassignment.dispatch.note", "note"},
    {"unit_reassignment.reason", "reason"},
    {"accusation.units", "unit"},
    {"accusation.reason", "reason"},
    {"accusation.dispatch", "to"},
    {"accusation.dispatch.lead_unit", "to"},
    {"accusation.dispatch.assist_units", "assist"},
    {"accusation.dispatch.note", "note"},
    {"rung_acknowledgement.clock", "clock"},
    {"rung_acknowledgement.rung", "rung"},
    {"rung_acknowledgement.until_time", "until"},
    {"rung_acknowledgement.note", "note"},
    {"hold_placement.reason", "reason"},
    {"hold_placement.reference", "reference"},
    {"hold_release.reason", "reason"},
    {"header.expected_version", "version"},
    {"header.actor.account", "account"},
    {"header.actor.unit", "for-unit"},
    {"filter.states", "state"},
    {"filter.type", "type"},
    {"filter.urgency", "urgency"},
    {"filter.unit", "unit"},
    {"filter.hotline", "hotline"},
    {"filter.caller_phone", "phone"},
    {"filter.parent_id", "parent"},
    {"filter.register_start_time", "from"},
    {"filter.register_end_time", "to"},
    {"party", "unit"},
    {"duty_party", "party"},
};

}  // namespace

const std::vector<FormField>& FormFields() {
  static const std::vector<FormField>* const fields = new std::vector<FormField>(MakeFields());
  return *fields;
}

const FormField* FindFormField(std::string_view name) {
  name = Trim(name);
  const std::string dashed = Dashed(name);
  for (const FormField& field : FormFields()) {
    if (dashed == field.flag.name || name == field.zh) return &field;
  }
  return nullptr;
}

std::string_view PathInPush(std::string_view path) {
  if (!path.starts_with("requests[")) return path;
  const size_t end = path.find("].");
  return end == std::string_view::npos ? path : path.substr(end + 2);
}

std::vector<const FormField*> FormFieldsOf(std::string_view path) {
  path = PathInPush(path);
  path = path.substr(0, path.find('['));
  std::vector<const FormField*> found;
  for (const FormField& field : FormFields()) {
    if (field.path == path) return {&field};
    if (!path.empty() && field.path.starts_with(StrCat(path, "."))) found.push_back(&field);
  }
  return found;
}

std::string FormFieldNames(Language language) {
  const bool chinese = language == Language::kChinese;
  std::string names;
  for (const FormField& field : FormFields()) {
    names += StrCat(names.empty() ? "" : chinese ? "、" : ", ", chinese ? field.zh : field.flag.name);
  }
  return names;
}

std::vector<std::string> SplitUnits(std::string_view value) {
  const std::string normal =
      absl::StrReplaceAll(ToAbsl(value), {{"，", ","}, {"、", ","}, {"；", ","}, {";", ","}});
  std::vector<std::string> units;
  for (absl::string_view part : absl::StrSplit(normal, ',')) {
    if (const std::string_view unit = Trim(ToStd(part)); !unit.empty()) units.emplace_back(unit);
  }
  return units;
}

std::string UnitAt(const Request& request, std::string_view path) {
  path = PathInPush(path);
  if (path == "content.lead_unit") return request.content().lead_unit();
  if (path == "header.actor.unit") return request.header().actor().unit();
  const size_t bracket = path.find('[');
  if (bracket == std::string_view::npos || !path.ends_with(']')) return "";
  const auto index = ParseInteger(path.substr(bracket + 1, path.size() - bracket - 2));
  const std::string_view list = path.substr(0, bracket);
  const bool accused = list == "content.accused_units";
  if (!index || (!accused && list != "content.assist_units")) return "";
  const auto& units = accused ? request.content().accused_units() : request.content().assist_units();
  return *index < units.size() ? units[static_cast<int>(*index)] : "";
}

std::string_view FlagForPath(std::string_view path) {
  if (path.empty()) return {};
  // What is only registered has its content there.
  constexpr std::string_view kRegistration = "registration.";
  if (path.starts_with(kRegistration)) path.remove_prefix(kRegistration.size());
  for (const FormField& field : FormFields()) {
    if (!field.file_only && field.path == path) return field.flag.name;
  }
  for (const auto& [field, flag] : kFlagsOfChanges) {
    if (field == path) return flag;
  }
  for (const FormField& field : FormFields()) {
    if (!field.file_only && field.path.starts_with(StrCat(path, "."))) return field.flag.name;
  }
  // An element of a list: `content.assist_units[2]`.
  const size_t bracket = path.find('[');
  return bracket == std::string_view::npos ? std::string_view() : FlagForPath(path.substr(0, bracket));
}

absl::Status SetFormField(const FormField& field, std::string_view value, Request& request) {
  return field.set(field, value, request);
}

absl::Status CheckFormFields(const std::set<std::string_view>& names) {
  if (names.contains("lat") == names.contains("lon")) return absl::OkStatus();
  return Bad(type::v1::ERROR_REASON_COORDINATES_INVALID,
             *FindFormField(names.contains("lat") ? "lon" : "lat"), say::kOneCoordinate);
}

void ApplyFormDefaults(Request& request) {
  if (!request.header().order_id().empty()) return;
  auto& content = *request.mutable_content();
  if (content.channel() == type::v1::CHANNEL_UNSPECIFIED) content.set_channel(type::v1::CHANNEL_PHONE);
}

Request MergeForms(const Request& defaults, const Request& row) {
  Request merged = defaults;
  if (!row.content().assist_units().empty()) merged.mutable_content()->clear_assist_units();
  // An order that exists keeps its content, so a default for new ones does not apply to it.
  if (!row.header().order_id().empty()) merged.clear_content();
  merged.MergeFrom(row);
  return merged;
}

bool NeedsTelephone(const Request& request) {
  return request.content().urgency() == type::v1::URGENCY_EMERGENCY ||
         request.facts().danger() == type::v1::ANSWER_YES ||
         request.facts().stability_clue() == type::v1::ANSWER_YES ||
         request.offer().kind() == type::v1::HANDOFF_KIND_STABILITY_CLUE ||
         request.offer().scene().request() == type::v1::SCENE_REQUEST_BRING_UNIT;
}

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  const int64_t seconds = absl::ToUnixSeconds(time);  // rounds down
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return timestamp;
}

}  // namespace hotline::hotlinectl
