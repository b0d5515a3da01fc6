#include "common/evidence/verify.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_replace.h"
#include "common/base/clock.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/contract/proto_time.h"
#include "common/crypto/statement.h"
#include "common/error/error.h"
#include "common/error/not_understood.h"
#include "common/exchange/chain.h"
#include "hotline/evidence/v1/evidence.pb.h"
#include "hotline/type/v1/event.pb.h"

namespace hotline::evidence {
namespace {

constexpr int kFormatVersion = 1;

// What the events tell of one handoff, as far as it is shown.
struct HandoffStory {
  bool received = false;
  bool understood = false;
  bool accepted = false;
  bool offer = false;  // the envelope of the offer is in the file
  bool ended = false;  // returned, recalled or disputed: the receipts that are missing will not come
};

// `<giver>-<order id>-<attempt>`; empty if it is not such an id.
std::string_view GiverOf(std::string_view handoff_id) {
  for (int i = 0; i < 2; ++i) {
    const size_t dash = handoff_id.rfind('-');
    if (dash == std::string_view::npos) return {};
    handoff_id = handoff_id.substr(0, dash);
  }
  return handoff_id;
}

// What a later release added says nothing to this one, nor what that one makes of it.
template <typename Message>
bool IsSame(Message one, Message other) {
  one.DiscardUnknownFields();
  other.DiscardUnknownFields();
  return one.SerializeAsString() == other.SerializeAsString();
}

bool IsSameTime(const google::protobuf::Timestamp& one, const google::protobuf::Timestamp& other) {
  return FromTimestamp(one) == FromTimestamp(other);
}

// What a site takes down of another's acts, and what it changes of what it was told, is decided in
// services/work_order/core/receive.cc, whose counterpart the following is: the two change together.

// Takes from what `by` told of its act what the site that heard of it does not write down.
void TakeDown(std::string_view by, type::v1::Event* told) {
  switch (told->detail_case()) {
    case type::v1::Event::kReplied:
      told->mutable_replied()->mutable_reply()->clear_internal_reply();
      break;
    case type::v1::Event::kCalledBack:
      told->mutable_called_back()->clear_note();
      break;
    case type::v1::Event::kVoiceConfirmed: {
      type::v1::VoiceConfirmation& voice = *told->mutable_voice_confirmed()->mutable_voice();
      voice.set_by_hotline(std::string(by));
      voice.set_spoken_with(std::string(TruncateCodePoints(voice.spoken_with(), 64)));
      voice.set_note(std::string(TruncateCodePoints(voice.note(), 500)));
      break;
    }
    case type::v1::Event::kSceneRecorded: {
      type::v1::SceneRecord& record = *told->mutable_scene_recorded()->mutable_record();
      record.set_by_hotline(std::string(by));
      type::v1::SceneArrival& arrival = *record.mutable_arrival();
      arrival.set_unit(std::string(TruncateCodePoints(arrival.unit(), 32)));
      arrival.set_note(std::string(TruncateCodePoints(arrival.note(), 500)));
      break;
    }
    default:
      break;
  }
}

// Clears what an event about another's act says of the site's own: its ids, what it measured, and what it did
// at once.
void DropOwn(type::v1::Event* event) {
  switch (event->detail_case()) {
    case type::v1::Event::kAccepted:
      event->mutable_accepted()->clear_handoff_id();
      event->mutable_accepted()->clear_accept_time();
      event->mutable_accepted()->clear_clock_skew();
      event->mutable_accepted()->clear_clock_uncertainty();
      break;
    case type::v1::Event::kVoiceConfirmed:
      event->mutable_voice_confirmed()->clear_handoff_id();
      event->mutable_voice_confirmed()->clear_recall_requested();
      break;
    case type::v1::Event::kSceneRecorded:
      event->mutable_scene_recorded()->clear_handoff_id();
      break;
    case type::v1::Event::kAccused:
      event->mutable_accused()->clear_recused_lead();
      event->mutable_accused()->clear_recused_assists();
      break;
    default:
      break;
  }
}

// What happened, and nothing of where, when and to whom it was told.
std::string DetailOf(type::v1::Event event) {
  event.DiscardUnknownFields();
  const google::protobuf::Reflection& reflection = *event.GetReflection();
  const auto* const detail = event.GetDescriptor()->FindOneofByName("detail");
  const auto* const field = reflection.GetOneofFieldDescriptor(event, detail);
  return field == nullptr ? std::string() : reflection.GetMessage(event, field).SerializeAsString();
}

// Whether `event` is what a site writes down when `by` tells of the act `told`: what happened, and who did
// it.
bool SaysTheSame(type::v1::Event told, type::v1::Event event, const std::string& by) {
  const type::v1::Actor& actor = event.actor();
  if (actor.account() != told.actor().account() || actor.unit() != told.actor().unit()) return false;
  const std::string acting =
      told.actor().acting_hotline().empty() ? told.actor().hotline() : told.actor().acting_hotline();
  // An earlier release did not write it down.
  if (!actor.acting_hotline().empty() &&
      (acting == by || actor.acting_hotline() != TruncateCodePoints(acting, 32))) {
    return false;
  }
  TakeDown(by, &told);
  // Whom the accuser gave the order to instead is not always written down.
  if (event.has_accused() && !event.accused().accusation().has_dispatch()) {
    told.mutable_accused()->mutable_accusation()->clear_dispatch();
  }
  DropOwn(&told);
  DropOwn(&event);
  return DetailOf(std::move(told)) == DetailOf(std::move(event));
}

// The reason that a site of an earlier release wrote down of an offer that was not understood; none if it
// took the body for nothing.
std::optional<std::string> EarlierReturnReason(const std::string& bytes) {
  exchange::v1::NotUnderstoodBody body;
  if (!body.ParseFromString(bytes)) return std::nullopt;
  std::string reason = body.reason();
  for (const std::string* part : {&body.field(), &body.message()}) {
    if (!part->empty()) reason.append(reason.empty() ? "" : ": ").append(*part);
  }
  if (reason.empty()) reason = "NOT_UNDERSTOOD";
  return std::string(TruncateCodePoints(reason, 500));
}

// What the giver says of its handoff when it offers it.
type::v1::Handoff Offered(type::v1::Handoff handoff) {
  if (handoff.kind() == type::v1::HANDOFF_KIND_UNSPECIFIED) {
    handoff.set_kind(type::v1::HANDOFF_KIND_ORDER_PUSH);
  }
  handoff.clear_to_number();
  handoff.clear_link_sequence();
  handoff.clear_receive_time();
  handoff.clear_understand_time();
  handoff.clear_accept_time();
  handoff.clear_end_time();
  handoff.clear_returned();
  handoff.clear_receipt_record();
  handoff.clear_voice();
  handoff.clear_scene_record();
  handoff.clear_late();
  handoff.clear_spoken_code();
  handoff.clear_onward_hotline();
  handoff.clear_onward_handoff_id();
  handoff.clear_origin_handoff_id();
  handoff.clear_dispute_time();
  handoff.clear_danger_first();
  return handoff;
}

// The name by which a site knows an act that it is told of again; 0 if it knows it by none.
uint64_t NameOf(const type::v1::Event& told) {
  if (told.told_key() != 0 || told.order_version() == 0) return told.told_key();
  const std::string hash = Sha256({"hotline.exchange.v1/told", told.SerializeAsString()});
  uint64_t name = 0;
  for (int i = 0; i < 8; ++i) name = name << 8 | static_cast<unsigned char>(hash[i]);
  return std::max<uint64_t>(name, 1);
}

// A lane's envelopes, whose chain was recomputed.
struct Chain {
  struct Link {
    std::string previous_hash;
    std::string hash;
    int64_t run = 0;  // sequence of the first of the stretch without gaps that it is in
    const exchange::v1::Envelope* whole = nullptr;  // missing if only its leaf is there
    bool sent = false;                              // covered by a batch that the sender signed
    std::optional<absl::Time> received;             // as the first receipt, signed, that covers it says
  };
  std::map<int64_t, Link> links;
  bool broken = false;
};

class Verifier {
 public:
  explicit Verifier(const crypto::KeyRing& trusted) : trusted_(trusted) {}

  EvidenceReport Run(std::string_view file) {
    if (ReadFile(file)) {
      ReadKeys();
      CheckExporter();
      CheckEvents();
      for (const v1::EvidenceLane& lane : bundle_.lanes()) CheckLane(lane);
      CheckActs();
      CheckUntold();
      CheckReceipts();
      for (const auto& [id, story] : handoffs_) {
        if (story.offer) continue;
        Gap({"offer", "推送"}, id, {"the envelope that carried it is not there", "缺少推送信封"});
      }
      SayWhoseKeys();
    }
    return std::move(report_);
  }

 private:
  using Event = type::v1::Event;
  // An envelope that another hotline sent to the exporter.
  struct Told {
    const exchange::v1::Envelope* envelope = nullptr;
    bool is_signed = false;
  };
  using ToldKey = std::tuple<std::string, exchange::v1::Lane, int64_t>;  // by whom

  void Say(Verdict verdict, Words what, std::string where, Words why) {
    report_.checks.push_back({verdict, std::move(what), std::move(where), std::move(why)});
  }
  void Ok(Words what, std::string where, Words why) {
    Say(Verdict::kOk, std::move(what), std::move(where), std::move(why));
  }
  void Gap(Words what, std::string where, Words why) {
    Say(Verdict::kGap, std::move(what), std::move(where), std::move(why));
  }
  bool Fail(Words what, std::string where, Words why) {
    Say(Verdict::kFailed, std::move(what), std::move(where), std::move(why));
    return false;
  }

  bool ReadFile(std::string_view file) {
    const Words form = {"form of the file", "文件格式"};
    if (file.size() > kMaxEvidenceBytes) {
      return Fail(form, "", {"it is larger than 64 MiB", "文件超过64 MiB"});
    }
    // Only one sequence of bytes says the same thing, so that no byte can be changed unseen.
    if (!file_.ParseFromArray(file.data(), static_cast<int>(file.size())) ||
        !file_.GetReflection()->GetUnknownFields(file_).empty() ||
        !file_.signature().GetReflection()->GetUnknownFields(file_.signature()).empty() ||
        file_.SerializeAsString() != file) {
      return Fail(form, "", {"it is not a file of evidence, or was altered", "不是证据文件，或已被改动"});
    }
    if (!statement_.ParseFromString(file_.statement())) {
      return Fail(form, "", {"its statement cannot be read", "声明无法解析"});
    }
    if (statement_.format_version() != kFormatVersion) {
      return Fail(form, "",
                  {StrCat("its format has version ", statement_.format_version(), "; this program reads 1"),
                   StrCat("格式版本为", statement_.format_version(), "，本程序只支持1")});
    }
    // First of all: what the exporter did not sign is not worth reading.
    if (statement_.bundle_sha256() != Sha256({file_.bundle()})) {
      return Fail(form, "",
                  {"it was altered: the signed digest is not that of the content",
                   "文件已被改动：签名所含摘要与内容不符"});
    }
    if (!bundle_.ParseFromString(file_.bundle())) {
      return Fail(form, "", {"its content cannot be read", "内容无法解析"});
    }
    report_.hotline = bundle_.hotline();
    report_.order_number = bundle_.order_number();
    report_.export_time = FromTimestamp(bundle_.export_time());
    return true;
  }

  void ReadKeys() {
    for (const v1::EvidenceKey& key : bundle_.keys()) {
      const Words what = {"public key", "公钥"};
      const std::string where = StrCat(key.party(), " ", key.key_id());
      absl::StatusOr<crypto::PublicKey> read = crypto::PublicKey::FromDer(key.public_key());
      if (!read.ok()) {
        Fail(what, where, {"it cannot be read", "无法解析"});
      } else if (!own_keys_.Add(key.party(), key.key_id(), *std::move(read)).ok()) {
        Fail(what, where, {"it is there twice or its id is malformed", "重复，或密钥编号格式错误"});
      }
    }
  }

  // True if `statement` was signed by `party`. `must` is whether it fails if nobody has the key.
  bool CheckSignature(const Words& what, const std::string& where, const std::string& party,
                      std::string_view domain, std::string_view statement,
                      const type::v1::DigitalSignature& signature, absl::Time at, bool must) {
    const crypto::PublicKey* key = own_keys_.Find(party, signature.key_id());
    if (key == nullptr) {
      const Words why = {StrCat("key '", signature.key_id(), "' of ", party, " is not in the file"),
                         StrCat("文件中没有", party, "的公钥", signature.key_id())};
      Say(must ? Verdict::kFailed : Verdict::kGap, what, where, why);
      return false;
    }
    if (trusted_.Knows(party)) {
      if (!trusted_.Holds(party, *key, at)) {
        return Fail(what, where,
                    {StrCat("signed with key '", signature.key_id(), "', which is not one given for ", party),
                     StrCat("签名所用公钥", signature.key_id(), "不在给定的", party, "公钥之列")});
      }
    } else {
      unvouched_[party].insert(signature.key_id());
    }
    const absl::Status status = crypto::VerifyStatement(own_keys_, party, domain, statement, signature, at);
    if (!status.ok()) return Fail(what, where, {std::string(status.message()), error::ChineseOf(status)});
    verified_ = true;
    return true;
  }

  void CheckExporter() {
    const Words what = {"exporter's signature", "导出方签名"};
    const std::string where = StrCat("key ", file_.signature().key_id());
    const bool same = statement_.hotline() == bundle_.hotline() &&
                      statement_.order_number() == bundle_.order_number() &&
                      FromTimestamp(statement_.export_time()) == report_.export_time;
    if (!same) {
      Fail(what, where, {"it was signed for another order or time", "签名针对另一工单或时间"});
      return;
    }
    if (CheckSignature(what, where, bundle_.hotline(), crypto::kEvidenceDomain, file_.statement(),
                       file_.signature(), report_.export_time, /*must=*/true)) {
      Ok(what, where,
         {StrCat(bundle_.hotline(), " signed every byte of the file"),
          StrCat(bundle_.hotline(), "对文件全部内容签名")});
    }
  }

  void CheckEvents() {
    const Words what = {"event", "事件"};
    const size_t failures_before = Failures();
    std::optional<type::v1::Event> before;
    std::string hash_before;
    int64_t version = 0;
    for (const v1::EvidenceEvent& stored : bundle_.events()) {
      const std::string where = StrCat("#", stored.sequence());
      type::v1::Event event;
      if (!event.ParseFromString(stored.event())) {
        Fail(what, where, {"it cannot be read", "无法解析"});
        return;
      }
      if (EventHash(stored.previous_hash(), stored.event()) != stored.hash()) {
        Fail(what, where, {"its hash is not that of its bytes", "哈希与内容不符"});
      }
      if (event.sequence() != stored.sequence() || event.order_id() != bundle_.order_id() ||
          event.order_number() != bundle_.order_number()) {
        Fail(what, where, {"it is about another order or place of the log", "不属于本工单，或序号不符"});
      }
      const int64_t previous = before.has_value() ? before->sequence() : 0;
      if (event.previous_order_sequence() != previous || event.sequence() <= previous ||
          event.order_version() <= version) {
        Fail(what, where, {StrCat("it does not follow #", previous), StrCat("未接续#", previous)});
      }
      if (before.has_value() && event.sequence() == previous + 1 && stored.previous_hash() != hash_before) {
        Fail(what, where, {"it does not continue the log's chain", "与日志哈希链不符"});
      }
      if (before.has_value() && event.state_before() != before->state()) {
        Fail(what, where,
             {"it starts from another state than the one before it ended in", "起始状态与前一事件不符"});
      }
      CheckCustody(before.has_value() ? &before->custody() : nullptr, event.custody(), where);
      Listen(event);
      events_.push_back(event);
      version = event.order_version();
      hash_before = stored.hash();
      before = std::move(event);
    }
    if (!before.has_value()) {
      Fail(what, "", {"there is none", "没有任何事件"});
      return;
    }
    if (bundle_.head_sequence() < before->sequence() ||
        (bundle_.head_sequence() == before->sequence() && bundle_.head_hash() != hash_before)) {
      Fail(what, StrCat("#", bundle_.head_sequence()),
           {"the head of the log is not after the last event", "日志末尾与最后事件不符"});
    }
    if (Failures() > failures_before) return;
    const std::string where = StrCat("#", bundle_.events(0).sequence(), " … #",
                                     bundle_.events(bundle_.events_size() - 1).sequence());
    Ok({"events", "事件"}, where,
       {StrCat(bundle_.events_size(), " events, each with its hash, each following the one before"),
        StrCat("共", bundle_.events_size(), "条，哈希相符，前后相接")});
    Ok({"custody", "责任归属"}, where,
       {StrCat("exactly one holder at each event; ", before->custody().holder(), " at the last, epoch ",
               before->custody().epoch()),
        StrCat("每一事件均只有一个持有方；最后为", before->custody().holder(), "，第",
               before->custody().epoch(), "轮")});
  }

  void CheckCustody(const type::v1::Custody* before, const type::v1::Custody& after,
                    const std::string& where) {
    const Words what = {"custody", "责任归属"};
    if (after.holder().empty()) {
      Fail(what, where, {"nobody holds the order", "没有持有方"});
    } else if (before != nullptr && after.epoch() < before->epoch()) {
      Fail(what, where, {"its epoch goes back", "轮次倒退"});
    } else if (before != nullptr && after.epoch() == before->epoch() && after.holder() != before->holder()) {
      Fail(what, where, {"the holder changes within an epoch", "同一轮内持有方改变"});
    }
  }

  // What an event says the envelopes are about: the handoffs and the content.
  void Listen(const Event& event) {
    const auto registered = [&](const type::v1::RegisteredDetail& detail) {
      if (!detail.content_digest().empty()) content_digest_ = detail.content_digest();
    };
    const auto known = [&](const std::string& id) {
      if (!id.empty()) handoffs_.try_emplace(id);
    };
    known(event.handoff_id());
    if (event.has_registered()) {
      registered(event.registered());
    } else if (event.has_offered()) {
      known(event.offered().handoff().id());
      if (event.offered().has_registered()) registered(event.offered().registered());
    } else if (event.has_understood()) {
      known(event.understood().handoff().id());
      if (event.understood().has_registered()) registered(event.understood().registered());
    }
  }

  // The handoff that the event's detail is about, which may be one between two others; empty for none.
  static const std::string& HandoffOf(const Event& event) {
    switch (event.detail_case()) {
      case Event::kOffered:
        return event.offered().handoff().id();
      case Event::kReceived:
        return event.received().handoff_id();
      case Event::kUnderstood:
        return event.understood().handoff().id();
      case Event::kAccepted:
        return event.accepted().handoff_id();
      case Event::kReturned:
        return event.returned().handoff_id();
      case Event::kRecalled:
        return event.recalled().handoff_id();
      case Event::kDisputed:
        return event.disputed().handoff_id();
      default:
        return event.handoff_id();
    }
  }

  // What the exporter wrote down of others' acts is worth what they signed of them: its log is its own, and
  // nobody else has countersigned it.
  void CheckActs() {
    const Words what = {"event", "事件"};
    std::set<std::string> held = {bundle_.hotline()};  // who has had the order, as far as it is shown
    std::string holder = bundle_.hotline();
    std::set<std::pair<std::string, int64_t>> sources;  // an envelope makes one event
    int shown = 0;
    int others = 0;
    for (const Event& event : events_) {
      const std::optional<std::string> by = ActorToShow(event, holder, held);
      Showing showing = Showing::kShown;
      if (by.has_value()) {
        ++others;
        showing = FindShowing(event, *by, event.custody().holder() != holder);
        const bool again = IsFrom(event, *by) && !sources.emplace(*by, event.received_sequence()).second;
        if (again && showing == Showing::kShown) showing = Showing::kNot;
      }
      holder = event.custody().holder();
      if (showing == Showing::kShown) {
        if (by.has_value()) ++shown;
        held.insert(holder);
        Count(event);
        continue;
      }
      const std::string where = StrCat("#", event.sequence());
      const std::string english = by->empty() ? "another hotline" : *by;
      const std::string chinese = by->empty() ? "对方" : *by;
      if (showing == Showing::kContradicted) {
        Fail(
            what, where,
            {StrCat("what ", english, " sent says something else"), StrCat("与", chinese, "发来的内容不符")});
      } else {
        Gap(what, where,
            {StrCat("nothing signed by ", english, " shows it"),
             StrCat("没有", chinese, "签名的内容能够证明")});
      }
    }
    if (others > 0 && shown == others) {
      Ok({"others' acts", "对方行为"}, "",
         {StrCat(shown, " events tell what others did, each shown by what they signed"),
          StrCat("共", shown, "条事件记录对方行为，均有对方签名的内容证明")});
    }
  }

  // The hotline whose signature has to show the event, empty if the event does not say which; nothing if it
  // is the exporter's own act. `holder` is who had the order before it.
  std::optional<std::string> ActorToShow(const Event& event, const std::string& holder,
                                         const std::set<std::string>& held) const {
    const std::string& own = bundle_.hotline();
    const std::string giver(GiverOf(HandoffOf(event)));
    // A receipt is the taker's to give, whatever the event says of itself.
    const bool receipt =
        event.has_received() || event.has_understood() || event.has_accepted() || event.has_returned();
    if (event.mirrored() || (receipt && giver == own)) {
      return event.actor().hotline() == own ? std::string() : event.actor().hotline();
    }
    // Nobody is made accountable by what another one writes, unless the order goes back to where it was.
    const std::string& now = event.custody().holder();
    if (now == holder || now == own) return std::nullopt;
    if (event.has_understood() && now == giver) return giver;  // by the offer
    const bool gives_back = event.has_disputed() || (event.has_returned() && now == giver) ||
                            ((event.has_redo_demanded() || event.has_reopened()) && held.contains(now));
    if (gives_back) return std::nullopt;
    return now;
  }

  enum class Showing { kShown, kNot, kContradicted };

  // Whether an envelope of `by`, or its receipt, shows the event. `moved`: the holder changed by it.
  Showing FindShowing(const Event& event, const std::string& by, bool moved) const {
    if (event.has_received()) {
      const type::v1::ReceivedDetail& detail = event.received();
      const bool covered = !moved && !NamesSomebody(event) && received_.contains({by, detail.handoff_id()});
      const bool then =
          !detail.has_receive_time() || IsReceiveTime(by, detail.handoff_id(), detail.receive_time());
      return covered && then ? Showing::kShown : Showing::kNot;
    }
    if (event.recovered() && event.received_sequence() == 0) {
      // From this site's own relay, which came back before what it relays: any envelope that says it will do.
      const bool shown = std::any_of(told_.begin(), told_.end(), [&](const auto& entry) {
        return std::get<0>(entry.first) == by && entry.second.is_signed &&
               Compare(event, *entry.second.envelope, by, moved) == Showing::kShown;
      });
      return shown ? Showing::kShown : Showing::kNot;
    }
    for (const exchange::v1::Lane lane : kLanes) {
      const auto it = told_.find({by, lane, event.received_sequence()});
      if (it == told_.end()) continue;
      const Showing showing = Compare(event, *it->second.envelope, by, moved);
      return showing == Showing::kShown && !it->second.is_signed ? Showing::kNot : showing;
    }
    return Showing::kNot;
  }

  // Answers tell of no person.
  static bool NamesSomebody(const Event& event) {
    const type::v1::Actor& actor = event.actor();
    return !actor.unit().empty() || !(actor.account().empty() || actor.account().starts_with("service/"));
  }

  // Whether `by` signed that it had the offer then: with a receipt, or with what it told afterwards.
  bool IsReceiveTime(const std::string& by, const std::string& handoff_id,
                     const google::protobuf::Timestamp& time) const {
    const auto receipts = received_.find({by, handoff_id});
    if (receipts != received_.end() && receipts->second.contains(FromTimestamp(time))) return true;
    // What says only when it registered the offer says that it had it then.
    const auto says = [&](const auto& message) {
      const bool then = message.has_receive_time() || message.has_understand_time();
      return then &&
             IsSameTime(message.has_receive_time() ? message.receive_time() : message.understand_time(),
                        time);
    };
    return std::any_of(told_.begin(), told_.end(), [&](const auto& entry) {
      const exchange::v1::Envelope& envelope = *entry.second.envelope;
      if (std::get<0>(entry.first) != by || !entry.second.is_signed || envelope.handoff_id() != handoff_id) {
        return false;
      }
      if (envelope.kind() == exchange::v1::ENVELOPE_KIND_MIRROR) {
        exchange::v1::MirrorBody body;
        return body.ParseFromString(envelope.body()) && says(body.handoff());
      }
      // One that says neither is dated by whoever hears it.
      exchange::v1::UnderstoodBody body;
      return envelope.kind() == exchange::v1::ENVELOPE_KIND_UNDERSTOOD &&
             body.ParseFromString(envelope.body()) &&
             (says(body) || (!body.has_receive_time() && !body.has_understand_time()));
    });
  }

  // Whether the event is what the envelope, which `by` sent, makes of the order.
  Showing Compare(const Event& event, const exchange::v1::Envelope& envelope, const std::string& by,
                  bool moved) const {
    const auto same = [](bool yes) { return yes ? Showing::kShown : Showing::kContradicted; };
    const bool same_handoff = envelope.handoff_id() == HandoffOf(event);
    if (envelope.kind() == exchange::v1::ENVELOPE_KIND_MIRROR)
      return CompareMirror(event, envelope, by, moved);
    if (envelope.kind() == exchange::v1::ENVELOPE_KIND_OFFER) {
      exchange::v1::OfferBody body;
      return same(event.has_understood() && same_handoff && body.ParseFromString(envelope.body()) &&
                  IsSame(body.custody(), event.custody()) &&
                  IsSame(Offered(body.handoff()), Offered(event.understood().handoff())));
    }
    if (moved || NamesSomebody(event)) return Showing::kContradicted;
    switch (envelope.kind()) {
      case exchange::v1::ENVELOPE_KIND_UNDERSTOOD: {
        exchange::v1::UnderstoodBody body;
        const type::v1::Handoff& handoff = event.understood().handoff();
        if (!event.has_understood() || !same_handoff || !body.ParseFromString(envelope.body()) ||
            body.to_number() != handoff.to_number() ||
            (body.has_understand_time() && !IsSameTime(body.understand_time(), handoff.understand_time()))) {
          return Showing::kContradicted;
        }
        // It may be known from a receipt that was not signed.
        const bool then =
            !handoff.has_receive_time() || IsReceiveTime(by, handoff.id(), handoff.receive_time());
        return then ? Showing::kShown : Showing::kNot;
      }
      case exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD: {
        const exchange::v1::NotUnderstoodBody body = ReadNotUnderstood(envelope.body());
        if (event.has_recall_refused()) return same(body.kind() == exchange::v1::ENVELOPE_KIND_RECALL);
        const type::v1::HandoffReturn& returned = event.returned().handoff_return();
        return same(event.has_returned() && same_handoff && IsOfOffer(body) &&
                    returned.ground() == type::v1::RETURN_GROUND_NOT_UNDERSTOOD &&
                    (returned.reason() == ReturnReason(body) ||
                     returned.reason() == EarlierReturnReason(envelope.body())));
      }
      case exchange::v1::ENVELOPE_KIND_RECALL_REFUSED:
        return same(event.has_recall_refused());
      default:
        return Showing::kContradicted;
    }
  }

  Showing CompareMirror(const Event& event, const exchange::v1::Envelope& envelope, const std::string& by,
                        bool moved) const {
    exchange::v1::MirrorBody body;
    if (!body.ParseFromString(envelope.body())) return Showing::kContradicted;
    if (body.event().detail_case() != event.detail_case()) return Showing::kContradicted;
    if (!SaysTheSame(body.event(), event, by)) return Showing::kContradicted;
    const bool strict = event.has_accepted() || event.has_returned();
    // These are noted on the order as it stands; all else takes over how it stands at the other site. What
    // came back from a loss may have found it further on.
    const bool noted = event.has_voice_confirmed() || event.has_scene_recorded() || event.has_accused();
    const bool installs = !noted && event.received_sequence() != 0;
    if ((strict || moved || installs) && !IsSame(body.custody(), event.custody())) {
      return Showing::kContradicted;
    }
    // A dispute leaves each site's copy in a state of its own.
    if ((strict || installs) && body.state() != event.state() && !body.handoff().has_dispute_time()) {
      return Showing::kContradicted;
    }
    const bool same_handoff = envelope.handoff_id() == HandoffOf(event);
    const bool taken_from_here = same_handoff && GiverOf(envelope.handoff_id()) == bundle_.hotline();
    if (taken_from_here && event.accepted().has_accept_time() && body.handoff().has_accept_time() &&
        !IsSameTime(body.handoff().accept_time(), event.accepted().accept_time())) {
      return Showing::kContradicted;
    }
    // One that is relayed names a handoff further on. It is no proof for another one of this order.
    const bool elsewhere = strict && !same_handoff && handoffs_.contains(HandoffOf(event)) &&
                           GiverOf(HandoffOf(event)) == bundle_.hotline();
    return elsewhere ? Showing::kNot : Showing::kShown;
  }

  // What another hotline signed and the exporter had to write down, and did not: an event left out is not
  // seen otherwise.
  void CheckUntold() {
    std::set<uint64_t> names;
    std::set<std::pair<std::string, int64_t>> sources;
    for (const Event& event : events_) {
      // What is the exporter's own act, as it says, is none that it was told of.
      if (!event.mirrored() && !event.recovered()) continue;
      if (event.told_key() != 0) names.insert(event.told_key());
      if (event.mirrored()) sources.emplace(event.actor().hotline(), event.received_sequence());
    }
    for (const auto& [key, told] : told_) {
      const auto& [by, lane, sequence] = key;
      if (!told.is_signed || sources.contains({by, sequence}) || refused_.contains(key)) continue;
      if (!HadToBeTold(*told.envelope, by, names)) continue;
      Gap({"envelope", "信封"}, StrCat(by, " → ", bundle_.hotline(), " ", LaneName(lane), " #", sequence),
          {StrCat("no event tells what ", by, " signed here"), StrCat("没有事件记录", by, "在此签名的内容")});
    }
  }

  // Whether the envelope of `by` made an event, wherever in the log it came. Nothing is said of those that
  // may rightly have made none: a repeat of one of `names`, what belongs to an earlier handoff or epoch, how
  // an order stands (`resync`), an accusation come back, a record of a scene that nobody was asked to, and
  // what came while a restored site took back what it had lost.
  bool HadToBeTold(const exchange::v1::Envelope& envelope, const std::string& by,
                   const std::set<uint64_t>& names) const {
    if (envelope.kind() == exchange::v1::ENVELOPE_KIND_UNDERSTOOD) return HadToBeUnderstood(envelope, by);
    exchange::v1::MirrorBody body;
    if (envelope.kind() != exchange::v1::ENVELOPE_KIND_MIRROR || !body.ParseFromString(envelope.body())) {
      return false;
    }
    const Event& told = body.event();
    if (body.resync() || told.has_scene_recorded() || told.has_accused() || names.contains(NameOf(told))) {
      return false;
    }
    // The events behind any of which it may have come.
    size_t first = 0;
    while (first < events_.size() && events_[first].handoff_id() != envelope.handoff_id()) ++first;
    size_t end = events_.size();
    for (size_t i = first; i < events_.size(); ++i) {
      if (!IsFrom(events_[i], by)) continue;
      if (events_[i].received_sequence() > envelope.sequence()) {
        end = i;
        break;
      }
      first = i;
    }
    const auto makes_one = [&](const Event& at) {
      if (at.recovered() || at.handoff_id() != envelope.handoff_id()) return false;
      // What is agreed by telephone is noted until the order is filed.
      return told.has_voice_confirmed() ? at.state() != type::v1::ORDER_STATE_ARCHIVED
                                        : at.custody().epoch() <= body.custody().epoch();
    };
    return first < end && std::all_of(events_.begin() + static_cast<std::ptrdiff_t>(first),
                                      events_.begin() + static_cast<std::ptrdiff_t>(end), makes_one);
  }

  // The second receipt makes an event unless the exporter had the taker's number from another one, or from
  // anything else that `by` told before.
  bool HadToBeUnderstood(const exchange::v1::Envelope& envelope, const std::string& by) const {
    const std::string& id = envelope.handoff_id();
    return GiverOf(id) == bundle_.hotline() &&
           std::none_of(events_.begin(), events_.end(), [&](const Event& at) {
             const bool known = at.has_understood() && HandoffOf(at) == id;
             const bool before = IsFrom(at, by) && at.received_sequence() < envelope.sequence();
             return known || before || at.recovered() || at.state() == type::v1::ORDER_STATE_ARCHIVED;
           });
  }

  // An envelope of `by` made the event.
  static bool IsFrom(const Event& event, const std::string& by) {
    return event.mirrored() && event.actor().hotline() == by && event.received_sequence() > 0;
  }

  // What an event that is shown tells of the handoffs.
  void Count(const Event& event) {
    const auto it = handoffs_.find(HandoffOf(event));
    if (it == handoffs_.end()) return;
    HandoffStory& story = it->second;
    switch (event.detail_case()) {
      case Event::kReceived:
        story.received |= event.received().has_receive_time();
        break;
      case Event::kUnderstood:
        story.received |= event.understood().handoff().has_receive_time();
        story.understood |= event.understood().handoff().has_understand_time();
        // Its own acceptance, of an order that it passed on before it had it back.
        story.accepted |= event.understood().handoff().has_accept_time() &&
                          GiverOf(event.understood().handoff().id()) != bundle_.hotline();
        break;
      case Event::kAccepted:
        story.accepted = true;
        break;
      case Event::kReturned:
      case Event::kRecalled:
      case Event::kDisputed:
        story.ended = true;
        break;
      default:
        break;
    }
  }

  void CheckReceipts() {
    const Words what = {"three receipts", "三次回执"};
    for (const auto& [id, story] : handoffs_) {
      std::string english;
      std::string chinese;
      const auto missing = [&](bool there, std::string_view en, std::string_view zh) {
        if (there) return;
        english += StrCat(english.empty() ? "" : ", ", en);
        chinese += StrCat(chinese.empty() ? "" : "、", zh);
      };
      missing(story.received, "received", "接收");
      missing(story.understood, "understood", "登记");
      missing(story.accepted, "accepted", "受理");
      if (english.empty()) {
        Ok(what, id,
           {"received, understood and accepted, with their times", "接收、登记、受理三次回执及时间齐全"});
      } else if (story.ended) {
        Ok(what, id,
           {StrCat("it ended without acceptance; not there: ", english),
            StrCat("未受理即终止，缺：", chinese)});
      } else {
        Gap(what, id, {StrCat("not there: ", english), StrCat("缺：", chinese)});
      }
    }
  }

  void CheckLane(const v1::EvidenceLane& lane) {
    const std::string name =
        StrCat(lane.from_hotline(), " → ", lane.to_hotline(), " ", LaneName(lane.lane()));
    if (lane.from_hotline() != bundle_.hotline() && lane.to_hotline() != bundle_.hotline()) {
      Fail({"link", "链路"}, name, {"it is not one of the exporter's", "不是导出方的链路"});
      return;
    }
    const size_t failures_before = Failures();
    Chain chain = ReadChain(lane, name);
    for (const exchange::v1::SignedBatch& batch : lane.batches()) CheckBatch(lane, batch, name, &chain);
    for (const v1::EvidenceReceipt& receipt : lane.receipts()) CheckReceipt(lane, receipt, name, &chain);
    for (const auto& [sequence, link] : chain.links) {
      if (link.whole == nullptr) continue;
      const std::string where = StrCat(name, " #", sequence);
      // A site keeps what others signed; what it sent is shown by the receipt for it.
      const bool own = lane.from_hotline() == bundle_.hotline();
      const exchange::v1::Envelope& envelope = *link.whole;
      const bool offers = envelope.kind() == exchange::v1::ENVELOPE_KIND_OFFER;
      if (own && link.received.has_value() && offers) {
        received_[{lane.to_hotline(), envelope.handoff_id()}].insert(*link.received);
      }
      if (own && envelope.kind() == exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD) {
        exchange::v1::NotUnderstoodBody body;
        if (body.ParseFromString(envelope.body())) {
          refused_.emplace(lane.to_hotline(), LaneOf(lane.lane()), body.sequence());
        }
      }
      if (!own) {
        Told& told = told_[{lane.from_hotline(), LaneOf(lane.lane()), sequence}];
        if (told.envelope == nullptr || link.sent) told = {.envelope = &envelope, .is_signed = link.sent};
      }
      if (own && !link.received.has_value()) {
        Gap({"receipt", "回执"}, where,
            {StrCat("no receipt signed by ", lane.to_hotline(), " covers it"),
             StrCat("没有", lane.to_hotline(), "签名的回执")});
      } else if (!own && !link.sent) {
        Gap({"batch", "批次"}, where,
            {StrCat("no batch signed by ", lane.from_hotline(), " covers it"),
             StrCat("没有", lane.from_hotline(), "签名的批次")});
      }
    }
    if (Failures() == failures_before) {
      const auto whole = std::count_if(chain.links.begin(), chain.links.end(),
                                       [](const auto& link) { return link.second.whole != nullptr; });
      Ok({"link", "链路"}, name,
         {StrCat(whole, " envelopes of the order, ", chain.links.size() - whole,
                 " leaves of others; every hash recomputed"),
          StrCat("本工单信封", whole, "条，其他叶哈希", chain.links.size() - whole, "条，哈希均相符")});
    }
  }

  Chain ReadChain(const v1::EvidenceLane& lane, const std::string& name) {
    const Words what = {"envelope", "信封"};
    Chain chain;
    int64_t last = 0;
    for (const v1::EvidenceLink& stored : lane.links()) {
      const std::string where = StrCat(name, " #", stored.sequence());
      const auto fail = [&](std::string english, std::string chinese) {
        chain.broken = true;
        Fail(what, where, {std::move(english), std::move(chinese)});
      };
      if (stored.sequence() <= last) {
        fail("it is not in order", "顺序错误");
        return chain;
      }
      const bool joined = stored.sequence() == last + 1 && last > 0;
      if (joined && stored.previous_hash() != chain.links.at(last).hash) {
        fail("it does not continue the chain", "与哈希链不符");
      }
      if (stored.sequence() == 1 && stored.previous_hash() != LaneStart(lane.lane())) {
        fail("it is the first and does not begin the chain", "首条未从链首开始");
      }
      Chain::Link link;
      link.previous_hash = stored.previous_hash();
      link.run = joined ? chain.links.at(last).run : stored.sequence();
      if (stored.has_envelope()) {
        const exchange::v1::Envelope& envelope = stored.envelope();
        link.whole = &envelope;
        link.hash = EnvelopeHash(envelope);
        if (envelope.sequence() != stored.sequence() || envelope.previous_hash() != stored.previous_hash() ||
            envelope.hash() != link.hash) {
          fail("its hash is not that of what it says", "哈希与内容不符");
        }
        if (!handoffs_.contains(envelope.handoff_id())) {
          fail("it is about no handoff of this order", "不属于本工单的移交");
        }
        CheckContent(lane, envelope, where);
      } else if (stored.leaf().size() == kSha256Bytes) {
        link.hash = EnvelopeHash(stored.previous_hash(), stored.sequence(), stored.leaf());
      } else {
        fail("there is neither an envelope nor a leaf", "既无信封也无叶哈希");
      }
      last = stored.sequence();
      chain.links.emplace(last, std::move(link));
    }
    return chain;
  }

  // The content that an offer carried is the one that the log recorded.
  void CheckContent(const v1::EvidenceLane& lane, const exchange::v1::Envelope& envelope,
                    const std::string& where) {
    if (envelope.kind() != exchange::v1::ENVELOPE_KIND_OFFER) return;
    // Only the giver offers.
    if (const auto it = handoffs_.find(envelope.handoff_id()); it != handoffs_.end()) {
      it->second.offer |= GiverOf(envelope.handoff_id()) == lane.from_hotline();
    }
    const Words what = {"content", "工单内容"};
    exchange::v1::OfferBody offer;
    if (!offer.ParseFromString(envelope.body())) {
      Fail(what, where, {"the offer cannot be read", "推送内容无法解析"});
    } else if (content_digest_.empty()) {
      Gap(what, where, {"no event records its digest", "日志中没有内容摘要"});
    } else if (Sha256({offer.content_salt(), offer.content()}) != content_digest_) {
      Fail(what, where, {"it is not what the log recorded at registration", "与登记时日志所记摘要不符"});
    } else {
      Ok(what, where, {"it is what the log recorded at registration", "与登记时日志所记摘要相符"});
    }
  }

  void CheckBatch(const v1::EvidenceLane& lane, const exchange::v1::SignedBatch& batch,
                  const std::string& name, Chain* chain) {
    const Words what = {"batch", "批次"};
    exchange::v1::BatchStatement statement;
    if (!statement.ParseFromString(batch.statement())) {
      Fail(what, name, {"it cannot be read", "无法解析"});
      return;
    }
    const std::string where =
        StrCat(name, " #", statement.first_sequence(), " … #", statement.last_sequence());
    if (!CheckSignature(what, where, lane.from_hotline(), crypto::kBatchDomain, batch.statement(),
                        batch.signature(), FromTimestamp(statement.send_time()), /*must=*/false)) {
      return;
    }
    if (statement.from_hotline() != lane.from_hotline() || statement.to_hotline() != lane.to_hotline() ||
        LaneOf(statement.lane()) != LaneOf(lane.lane())) {
      Fail(what, where, {"it was signed for another link", "签名针对另一链路"});
      return;
    }
    const auto first = chain->links.find(statement.first_sequence());
    const auto last = chain->links.find(statement.last_sequence());
    if (chain->broken || first == chain->links.end() || last == chain->links.end() ||
        first->second.run != last->second.run || first->first > last->first ||
        first->second.previous_hash != statement.previous_hash() ||
        last->second.hash != statement.head_hash()) {
      Fail(what, where,
           {StrCat("the envelopes are not those that ", lane.from_hotline(), " signed"),
            StrCat("信封与", lane.from_hotline(), "签名的批次不符")});
      return;
    }
    for (auto it = first; it != std::next(last); ++it) it->second.sent = true;
    Ok(what, where,
       {StrCat(lane.from_hotline(), " signed it at ", Show(FromTimestamp(statement.send_time()))),
        StrCat(lane.from_hotline(), "于", Show(FromTimestamp(statement.send_time())), "签名")});
  }

  void CheckReceipt(const v1::EvidenceLane& lane, const v1::EvidenceReceipt& receipt, const std::string& name,
                    Chain* chain) {
    const Words what = {"receipt", "回执"};
    exchange::v1::ReceiptStatement statement;
    if (!statement.ParseFromString(receipt.statement())) {
      Fail(what, name, {"it cannot be read", "无法解析"});
      return;
    }
    const std::string where = StrCat(name, " … #", statement.received_through());
    if (!CheckSignature(what, where, lane.to_hotline(), crypto::kReceiptDomain, receipt.statement(),
                        receipt.signature(), FromTimestamp(statement.receive_time()), /*must=*/false)) {
      return;
    }
    if (statement.from_hotline() != lane.to_hotline() || statement.to_hotline() != lane.from_hotline() ||
        LaneOf(statement.lane()) != LaneOf(lane.lane())) {
      Fail(what, where, {"it was signed for another link", "签名针对另一链路"});
      return;
    }
    const auto head = chain->links.find(statement.received_through());
    if (chain->broken || head == chain->links.end() || head->second.hash != statement.head_hash()) {
      Fail(what, where,
           {StrCat("the envelopes are not those that ", lane.to_hotline(), " received"),
            StrCat("信封与", lane.to_hotline(), "回执所收不符")});
      return;
    }
    for (auto it = chain->links.find(head->second.run); it != std::next(head); ++it) {
      std::optional<absl::Time>& received = it->second.received;
      if (!received.has_value()) received = FromTimestamp(statement.receive_time());
    }
    Ok(what, where,
       {StrCat(lane.to_hotline(), " signed that it had it at ",
               Show(FromTimestamp(statement.receive_time()))),
        StrCat(lane.to_hotline(), "于", Show(FromTimestamp(statement.receive_time())), "签名确认收到")});
  }

  void SayWhoseKeys() {
    report_.keys_trusted = verified_ && unvouched_.empty();
    for (const auto& [party, key_ids] : unvouched_) {
      for (const std::string& key_id : key_ids) {
        const std::string fingerprint = own_keys_.Find(party, key_id)->Fingerprint();
        Gap({"KEY NOT CHECKED", "公钥未经核对"}, StrCat(party, " ", key_id),
            {StrCat("it is taken from the file itself, which anybody could have made: compare its "
                    "fingerprint with ",
                    party, " by another way: ", fingerprint),
             StrCat("取自文件本身，任何人都可能伪造：请另行向", party, "核对指纹：", fingerprint)});
      }
    }
  }

  // Beijing time, to the second.
  static std::string Show(absl::Time time) {
    return absl::FormatTime("%Y-%m-%dT%H:%M:%S%Ez", time, Beijing());
  }

  size_t Failures() const {
    return static_cast<size_t>(
        std::count_if(report_.checks.begin(), report_.checks.end(),
                      [](const Check& check) { return check.verdict == Verdict::kFailed; }));
  }

  const crypto::KeyRing& trusted_;
  v1::SignedEvidence file_;
  v1::EvidenceStatement statement_;
  v1::EvidenceBundle bundle_;
  crypto::KeyRing own_keys_;  // from the file
  std::map<std::string, std::set<std::string>>
      unvouched_;  // keys used that `trusted_` says nothing of, by party
  bool verified_ = false;
  std::vector<Event> events_;
  std::map<ToldKey, Told> told_;
  // Offers covered by receipts: by whom, which; and when, as those say.
  std::map<std::pair<std::string, std::string>, std::set<absl::Time>> received_;
  std::set<ToldKey> refused_;  // what the exporter answered that it had not understood
  std::map<std::string, HandoffStory> handoffs_;
  std::string content_digest_;
  EvidenceReport report_;
};

}  // namespace

Verdict EvidenceReport::overall() const {
  Verdict worst = Verdict::kOk;
  for (const Check& check : checks) worst = std::max(worst, check.verdict);
  return worst;
}

EvidenceReport VerifyEvidence(std::string_view file, const crypto::KeyRing& trusted) {
  return Verifier(trusted).Run(file);
}

std::string WhereZh(const std::string& where) {
  if (where.starts_with("key ")) return StrCat("密钥 ", where.substr(4));
  // A lane follows its two hotlines.
  if (where.find(" → ") == std::string::npos) return where;
  return absl::StrReplaceAll(where, {{" ordinary", " 普通"}, {" emergency", " 紧急"}});
}

}  // namespace hotline::evidence
