#include "services/dispatch/spool/spool_peer.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "common/exchange/chain.h"
#include "hotline/dispatch/v1/spool_state.pb.h"

namespace hotline::dispatch {
namespace {

using error::Reason;
using exchange::v1::Bundle;
using exchange::v1::BundleAnswer;
using exchange::v1::BundleCall;
using exchange::v1::BundleHeader;
using exchange::v1::BundleRefusal;
using exchange::v1::DeliverRequest;
using exchange::v1::LinkReceipt;

// For emergencies there is room for as many more, and for what holds no batch for as many more again.
constexpr int kMaxOutFiles = 50'000;
constexpr int kMoreFiles = 1'000;
constexpr int64_t kMoreBundles = 2;
constexpr int kMaxListed = 65'536;
constexpr int64_t kMaxStateBytes = int64_t{1} << 20;
constexpr size_t kMaxQuestions = 64;
constexpr size_t kMaxAnswers = 64;
constexpr int kMaxCapabilities = 64;
constexpr absl::Duration kLongestQuestion = absl::Hours(24 * 70);
constexpr absl::Duration kRetryWhenFull = absl::Seconds(10);

absl::Status ToCatalogue(const absl::Status& status) {
  if (status.ok() || error::ReasonOf(status) != Reason::ERROR_REASON_UNSPECIFIED) return status;
  if (status.code() == absl::StatusCode::kResourceExhausted) return error::DiskFull();
  return error::SpoolFailed(ToStd(status.message()));
}

absl::Status TooLargeForABundle(std::string_view field) {
  return error::BadField(Reason::ERROR_REASON_BATCH_TOO_LARGE, field, "does not fit into one bundle",
                         "超过单个交换文件的大小上限");
}

// What a message takes in a bundle, with its tag and length.
int64_t BytesIn(const google::protobuf::Message& message) {
  return static_cast<int64_t>(message.ByteSizeLong()) + 8;
}

}  // namespace

SpoolPeer::SpoolPeer(SpoolFiles* files, const BundleSealer* sealer, Executor* executor, const Clock* clock,
                     SpoolOptions options)
    : files_(files), sealer_(sealer), executor_(executor), clock_(clock), options_(std::move(options)) {}

SpoolStatus SpoolPeer::status() const {
  MutexLock lock(&mu_);
  return status_;
}

// ---- Peer
// ----------------------------------------------------------------------------------------------------------------

void SpoolPeer::Deliver(const CallContext&, DeliverRequest request,
                        Done<exchange::v1::DeliverResponse> done) {
  executor_->Post([this, request = std::move(request), done = std::move(done)]() mutable {
    if (absl::Status status = Open(); !status.ok()) return done(status);
    const Lane lane = LaneOf(request.lane());
    if (const auto refusal = pending_refusals_.find(lane); refusal != pending_refusals_.end()) {
      const absl::Status why = std::move(refusal->second);
      pending_refusals_.erase(refusal);
      return done(why);
    }
    const absl::Status status = request.envelopes().empty() ? Probe(lane) : Write(&request);
    if (!status.ok()) return done(status);
    exchange::v1::DeliverResponse response;
    if (const auto known = peer_receipts_.find(lane); known != peer_receipts_.end()) {
      *response.mutable_receipt() = known->second;
    }
    done(std::move(response));
  });
}

void SpoolPeer::GetLink(const CallContext&, exchange::v1::GetLinkRequest request,
                        Done<exchange::v1::GetLinkResponse> done) {
  executor_->Post([this, request = std::move(request), done = std::move(done)]() mutable {
    if (absl::Status status = Open(); !status.ok()) return done(status);
    exchange::v1::GetLinkResponse response;
    int common = request.protocol_version();
    if (heard_) {
      std::vector<int> ours(request.supported_versions().begin(), request.supported_versions().end());
      if (ours.empty()) ours.push_back(request.protocol_version());
      std::vector<int> theirs(newest_.supported_versions().begin(), newest_.supported_versions().end());
      if (theirs.empty()) theirs.push_back(newest_.protocol_version());
      common = 0;
      for (const int version : theirs) {
        if (std::find(ours.begin(), ours.end(), version) != ours.end()) common = std::max(common, version);
      }
      if (common == 0) {
        return done(error::ProtocolVersionUnsupported(*std::max_element(theirs.begin(), theirs.end()),
                                                      *std::max_element(ours.begin(), ours.end())));
      }
      for (const int version : theirs) response.add_supported_versions(version);
      *response.mutable_capabilities() = newest_.capabilities();
    } else {
      response.add_supported_versions(common);
    }
    response.set_protocol_version(common);
    for (const Lane lane : kLanes) {
      exchange::v1::LanePosition& position = *response.add_lanes();
      position.set_lane(lane);
      if (const auto receipt = peer_receipts_.find(lane); receipt != peer_receipts_.end()) {
        *position.mutable_incoming() = receipt->second;
      }
      if (const auto last = peer_last_.find(lane); last != peer_last_.end()) {
        position.set_outgoing_sequence(last->second);
      }
      if (lane != exchange::v1::LANE_ORDINARY) continue;
      if (position.has_incoming()) *response.mutable_incoming() = position.incoming();
      response.set_outgoing_sequence(position.outgoing_sequence());
    }
    done(std::move(response));
  });
}

void SpoolPeer::Backfill(const CallContext& call, exchange::v1::BackfillRequest request,
                         Done<exchange::v1::BackfillResponse> done) {
  BundleCall question;
  *question.mutable_backfill() = std::move(request);
  Ask(call, std::move(question), [done = std::move(done)](absl::StatusOr<BundleAnswer> answer) mutable {
    if (!answer.ok()) return done(answer.status());
    if (!answer->has_backfill()) return done(error::Internal("the peer answered another question"));
    done(std::move(*answer->mutable_backfill()));
  });
}

void SpoolPeer::Reconcile(const CallContext& call, exchange::v1::ReconcileRequest request,
                          Done<exchange::v1::ReconcileResponse> done) {
  BundleCall question;
  *question.mutable_reconcile() = std::move(request);
  Ask(call, std::move(question), [done = std::move(done)](absl::StatusOr<BundleAnswer> answer) mutable {
    if (!answer.ok()) return done(answer.status());
    if (!answer->has_reconcile()) return done(error::Internal("the peer answered another question"));
    done(std::move(*answer->mutable_reconcile()));
  });
}

void SpoolPeer::OnReceipt(Lane lane, std::function<void(LinkReceipt)> told) {
  MutexLock lock(&mu_);
  on_receipt_[lane] = std::move(told);
}

void SpoolPeer::Ask(const CallContext& call, BundleCall question, Done<BundleAnswer> done) {
  executor_->Post([this, deadline = call.deadline, question = std::move(question),
                   done = std::move(done)]() mutable {
    if (absl::Status status = Open(); !status.ok()) return done(status);
    if (questions_.size() >= kMaxQuestions)
      return done(error::Overloaded("questions to the peer", kRetryWhenFull));
    const std::string id = StrCat(own_.incarnation, "-", ++asked_);
    question.set_id(id);
    if (BytesIn(question) > Room()) return done(TooLargeForABundle("request"));
    questions_.emplace(id, Question{.call = std::move(question), .done = std::move(done)});
    executor_->PostAfter(std::clamp(deadline - clock_->Now(), 2 * options_.resend_after, kLongestQuestion),
                         [this, id] { Expire(id); });
    if (absl::Status status = Write(nullptr); !status.ok()) {
      const auto it = questions_.find(id);
      Done<BundleAnswer> tell = std::move(it->second.done);
      questions_.erase(it);
      tell(status);
    }
  });
}

void SpoolPeer::Expire(const std::string& id) {
  const auto it = questions_.find(id);
  if (it == questions_.end()) return;
  Done<BundleAnswer> done = std::move(it->second.done);
  questions_.erase(it);
  done(absl::DeadlineExceededError(StrCat("no bundle of ", options_.peer, " answered in time")));
}

// ---- What the inbox tells
// ----------------------------------------------------------------------------------------------------

bool SpoolPeer::Learn(Bundle* bundle) {
  BundleHeader& header = *bundle->mutable_header();
  const bool newest = !heard_ || OrderOf(header) >= OrderOf(newest_);
  for (const DeliverRequest& part : bundle->parts()) {
    if (part.envelopes().empty() || !IsLane(part.lane())) continue;
    int64_t& last = peer_last_[LaneOf(part.lane())];
    last = std::max(last, part.envelopes(part.envelopes_size() - 1).sequence());
  }
  if (newest) {
    for (LinkReceipt& receipt : *bundle->mutable_receipts()) {
      if (IsLane(receipt.lane())) LearnReceipt(std::move(receipt));
    }
    for (const BundleRefusal& refusal : bundle->refusals()) {
      if (!IsLane(refusal.lane())) continue;
      std::string bytes = refusal.SerializeAsString();
      std::string& told = told_refusals_[refusal.lane()];
      if (told == bytes) continue;
      told = std::move(bytes);
      absl::Status status = error::FromProto(refusal.error());
      if (status.ok()) continue;
      // What is refused for no lane of its own, such as a signature, is refused for both.
      for (const Lane lane : {exchange::v1::LANE_ORDINARY, exchange::v1::LANE_EMERGENCY}) {
        if (refusal.lane() == exchange::v1::LANE_UNSPECIFIED || refusal.lane() == lane) {
          pending_refusals_[lane] = status;
        }
      }
    }
    newest_ = std::move(header);
    if (newest_.capabilities_size() > kMaxCapabilities) newest_.clear_capabilities();
    heard_ = true;
    changed_ = true;
    // The peer has read what this site does not know to have written: its disk was set back.
    const BundleOrder seen = SeenBy(newest_);
    if (seen > own_) {
      own_.incarnation = seen.incarnation + 1;
      receipt_due_ = true;
    }
    own_.number = std::max(own_.number, std::min(seen.number, kMaxBelievedNumber));
    MutexLock lock(&mu_);
    status_.known_time = FromTimestamp(newest_.create_time());
  }
  for (BundleAnswer& answer : *bundle->mutable_answers()) {
    const auto it = questions_.find(answer.id());
    if (it == questions_.end()) continue;
    Done<BundleAnswer> done = std::move(it->second.done);
    questions_.erase(it);
    if (!answer.has_error()) {
      done(std::move(answer));
      continue;
    }
    const absl::Status status = error::FromProto(answer.error());
    done(status.ok() ? error::Internal("the peer refused without an error") : status);
  }
  return newest;
}

// Told before the bundle's parts are handed on: who waits for a receipt does not wait for those too.
void SpoolPeer::LearnReceipt(LinkReceipt receipt) {
  const Lane lane = LaneOf(receipt.lane());
  LinkReceipt& known = peer_receipts_[lane];
  const bool news = known.received_through() != receipt.received_through();
  known = std::move(receipt);
  if (!news) return;
  std::function<void(LinkReceipt)> told;
  {
    MutexLock lock(&mu_);
    told = on_receipt_[lane];
  }
  if (told) told(known);
}

void SpoolPeer::OweReceipt(LinkReceipt receipt) {
  const Lane lane = receipt.lane();
  receipts_[lane] = std::move(receipt);
  receipt_due_ = true;
}

void SpoolPeer::OweRefusal(Lane lane, const BundleOrder& bundle, const absl::Status& status) {
  if (status.ok()) {
    refusals_.erase(lane);
    return;
  }
  BundleRefusal& refusal = refusals_[lane];
  refusal.set_lane(lane);
  refusal.set_incarnation(bundle.incarnation);
  refusal.set_number(bundle.number);
  *refusal.mutable_refuse_time() = ToTimestamp(clock_->Now());
  *refusal.mutable_error() = error::ToProto(status);
  receipt_due_ = true;
}

void SpoolPeer::OweAnswer(BundleAnswer answer) {
  // The peer asks again.
  if (answers_.size() >= kMaxAnswers) return;
  if (BytesIn(answer) > Room()) {
    *answer.mutable_error() = error::ToProto(TooLargeForABundle("response"));
  }
  answers_.push_back(std::move(answer));
  // Later, so that answers that come together leave together.
  if (std::exchange(flush_posted_, true)) return;
  executor_->Post([this] {
    flush_posted_ = false;
    Flush();
  });
}

void SpoolPeer::Tick() {
  absl::Status status = Open();
  if (status.ok()) status = Refresh();
  if (status.ok()) {
    Settle(false);
    Flush();
    if (changed_) status = SaveState();
  }
  if (status.ok()) return;
  write_failed_ = true;
  Report(ToCatalogue(status));
}

void SpoolPeer::SetIn(int64_t files, int64_t held) {
  MutexLock lock(&mu_);
  status_.in_files = files;
  status_.held_files = held;
}

const LinkReceipt* SpoolPeer::Cursor(Lane lane) const {
  const auto it = receipts_.find(LaneOf(lane));
  return it == receipts_.end() ? nullptr : &it->second;
}

// ---- Writing
// -----------------------------------------------------------------------------------------------------------------

std::string SpoolPeer::StateName() const { return StrCat(".state-", options_.hotline, "-", options_.peer); }

absl::Status SpoolPeer::Open() {
  if (open_) return absl::OkStatus();
  const std::string& directory = options_.out_directory;
  absl::Status status = files_->Make(directory);
  if (status.ok()) status = files_->DropUnfinished(directory);
  if (!status.ok()) return ToCatalogue(status);
  const absl::StatusOr<std::string> bytes = files_->Read(directory, StateName(), kMaxStateBytes);
  if (!bytes.ok() && bytes.status().code() != absl::StatusCode::kNotFound) return ToCatalogue(bytes.status());
  v1::SpoolState state;
  // A state that cannot be read is as good as none.
  if (bytes.ok() && state.ParseFromString(*bytes)) {
    own_ = {.incarnation = state.incarnation(), .number = state.number()};
    if (state.has_peer_header()) {
      heard_ = true;
      newest_ = std::move(*state.mutable_peer_header());
      MutexLock lock(&mu_);
      status_.known_time = FromTimestamp(newest_.create_time());
    }
    for (LinkReceipt& receipt : *state.mutable_peer_receipts()) {
      peer_receipts_[LaneOf(receipt.lane())] = std::move(receipt);
    }
  }
  if (status = Refresh(); !status.ok()) return ToCatalogue(status);
  for (const auto& [name, file] : out_) {
    own_.incarnation = std::max(own_.incarnation, file.order.incarnation);
    own_.number = std::max(own_.number, file.order.number);
  }
  own_.incarnation = std::max(own_.incarnation + 1, absl::ToUnixMicros(clock_->Now()));
  open_ = true;
  return absl::OkStatus();
}

absl::Status SpoolPeer::SaveState() {
  v1::SpoolState state;
  state.set_incarnation(own_.incarnation);
  state.set_number(own_.number);
  if (heard_) *state.mutable_peer_header() = newest_;
  for (const auto& [lane, receipt] : peer_receipts_) {
    *state.add_peer_receipts() = receipt;
    state.mutable_peer_receipts(state.peer_receipts_size() - 1)->set_lane(lane);
  }
  if (absl::Status status = files_->Write(options_.out_directory, StateName(), state.SerializeAsString());
      !status.ok()) {
    return status;
  }
  changed_ = false;
  return absl::OkStatus();
}

absl::Status SpoolPeer::Probe(Lane lane) {
  if (const auto refused = refused_bytes_.find(lane); refused != refused_bytes_.end()) {
    if (absl::Status status = Reserve(refused->second, lane); !status.ok()) return status;
    refused_bytes_.erase(lane);
  }
  return receipt_due_ || write_failed_ ? Write(nullptr) : absl::OkStatus();
}

absl::Status SpoolPeer::Write(DeliverRequest* part) {
  const absl::Status status = ToCatalogue(WriteNow(part));
  const Reason reason = error::ReasonOf(status);
  write_failed_ = !status.ok() && reason != Reason::ERROR_REASON_OVERLOADED &&
                  reason != Reason::ERROR_REASON_BATCH_TOO_LARGE;
  if (status.ok() || write_failed_) Report(status);
  return status;
}

absl::Status SpoolPeer::WriteNow(DeliverRequest* part) {
  const absl::Time now = clock_->Now();
  const Lane lane = part == nullptr ? exchange::v1::LANE_UNSPECIFIED : LaneOf(part->lane());
  Bundle bundle;
  BundleHeader& header = *bundle.mutable_header();
  header.set_protocol_version(part == nullptr ? options_.supported_versions.front()
                                              : part->protocol_version());
  for (const int version : options_.supported_versions) header.add_supported_versions(version);
  for (const std::string& capability : options_.capabilities) header.add_capabilities(capability);
  header.set_from_hotline(options_.hotline);
  header.set_to_hotline(options_.peer);
  *header.mutable_create_time() = ToTimestamp(now);
  if (heard_) {
    header.set_seen_incarnation(newest_.incarnation());
    header.set_seen_number(newest_.number());
  }
  for (const auto& [of_lane, receipt] : receipts_) {
    LinkReceipt* const told = bundle.add_receipts();
    *told = receipt;
    if (!options_.sign_receipt) continue;
    if (absl::Status status = options_.sign_receipt(told, now); !status.ok()) return status;
  }
  for (const auto& [of_lane, refusal] : refusals_) *bundle.add_refusals() = refusal;

  int64_t room = Room();
  const auto fits = [&room](const google::protobuf::Message& message) {
    const int64_t bytes = BytesIn(message);
    if (bytes > room) return false;
    room -= bytes;
    return true;
  };
  if (part != nullptr) {
    if (!fits(*part)) return TooLargeForABundle("envelopes");
    *bundle.add_parts() = std::move(*part);
  }
  std::vector<Question*> asked;
  for (auto& [id, question] : questions_) {
    if (!Due(question) || !fits(question.call)) continue;
    *bundle.add_calls() = question.call;
    asked.push_back(&question);
  }
  size_t answered = 0;
  while (answered < answers_.size() && fits(answers_[answered])) *bundle.add_answers() = answers_[answered++];

  // What this number and the kept state say of each other: a number is never used twice, whatever takes the
  // files away.
  const BundleOrder order = {.incarnation = own_.incarnation, .number = own_.number + 1};
  header.set_incarnation(order.incarnation);
  header.set_number(order.number);
  std::string signed_bytes = EncodeSigned(bundle);
  const absl::StatusOr<type::v1::DigitalSignature> signature = sealer_->Seal(signed_bytes, now);
  if (!signature.ok()) return signature.status();
  const std::string file = EncodeFile(std::move(signed_bytes), *signature);
  const int64_t bytes = static_cast<int64_t>(file.size());
  if (absl::Status status = Reserve(bytes, lane); !status.ok()) {
    if (part != nullptr) refused_bytes_[lane] = bytes;
    return status;
  }
  own_ = order;
  if (absl::Status status = SaveState(); !status.ok()) return status;
  const std::string name =
      ToFileName({.from = options_.hotline, .to = options_.peer, .number = order.number});
  if (absl::Status status = files_->Write(options_.out_directory, name, file); !status.ok()) return status;

  refused_bytes_.erase(lane);
  receipt_due_ = false;
  for (Question* question : asked) question->write_time = now;
  answers_.erase(answers_.begin(), answers_.begin() + static_cast<std::ptrdiff_t>(answered));
  counters_.bundles_written.fetch_add(1, std::memory_order_relaxed);
  counters_.bytes_written.fetch_add(bytes, std::memory_order_relaxed);
  OutFile written = Describe(bytes, bundle);
  const Range* range = written.ranges.empty() ? nullptr : written.ranges.data();
  for (auto& [other, older] : out_) {
    if (older.superseded_time == absl::InfiniteFuture() && Superseded(older, range)) {
      older.superseded_time = now;
    }
  }
  out_bytes_ += bytes;
  out_[name] = std::move(written);
  return absl::OkStatus();
}

absl::Status SpoolPeer::Reserve(int64_t bytes, Lane lane) {
  const int beyond = lane == exchange::v1::LANE_ORDINARY ? 0 : lane == exchange::v1::LANE_EMERGENCY ? 1 : 2;
  const int64_t limit = options_.quota_bytes + beyond * kMoreBundles * options_.max_bundle_bytes;
  const int files = kMaxOutFiles + beyond * kMoreFiles;
  const auto room = [&] { return out_bytes_ + bytes <= limit && static_cast<int>(out_.size()) < files; };
  if (room()) return absl::OkStatus();
  if (absl::Status status = Refresh(); !status.ok()) return status;
  Settle(/*in_need=*/true);
  if (room()) return absl::OkStatus();
  return error::Overloaded(StrCat("the spool for ", options_.peer), kRetryWhenFull);
}

bool SpoolPeer::Recent(absl::Time time) const {
  const absl::Duration age = clock_->Now() - time;
  return age >= absl::ZeroDuration() && age < options_.resend_after;
}

bool SpoolPeer::Due(const Question& question) const { return !Recent(question.write_time); }

bool SpoolPeer::Owes() const {
  return receipt_due_ || !answers_.empty() ||
         std::any_of(questions_.begin(), questions_.end(),
                     [this](const auto& entry) { return Due(entry.second); });
}

void SpoolPeer::Flush() {
  while (Owes()) {
    if (!Write(nullptr).ok()) return;
  }
}

absl::Status SpoolPeer::Refresh() {
  const absl::StatusOr<std::vector<SpoolFile>> listed = files_->List(options_.out_directory, kMaxListed);
  if (!listed.ok()) return listed.status();
  std::map<std::string, OutFile> here;
  out_bytes_ = 0;
  for (const SpoolFile& file : *listed) {
    out_bytes_ += file.bytes;
    if (auto known = out_.extract(file.name); !known.empty()) {
      here.insert(std::move(known));
      continue;
    }
    const std::optional<BundleName> name = ParseFileName(file.name);
    if (!name.has_value() || name->from != options_.hotline || name->to != options_.peer) continue;
    // From an earlier life of this process.
    const absl::StatusOr<std::string> bytes =
        files_->Read(options_.out_directory, file.name, kMaxBundleFileBytes);
    if (!bytes.ok()) continue;
    const DecodedFile decoded = DecodeFile(*bytes);
    OutFile entry = Describe(file.bytes, decoded.bundle);
    entry.order.number = name->number;
    here.emplace(file.name, std::move(entry));
  }
  out_ = std::move(here);
  SpoolStatus shown;
  shown.out_files = static_cast<int64_t>(listed->size());
  for (const auto& [name, file] : out_) {
    shown.oldest_out_time = std::min(shown.oldest_out_time, file.create_time);
  }
  MutexLock lock(&mu_);
  status_.out_files = shown.out_files;
  status_.out_bytes = out_bytes_;
  status_.oldest_out_time = shown.oldest_out_time;
  return absl::OkStatus();
}

SpoolPeer::OutFile SpoolPeer::Describe(int64_t bytes, const Bundle& bundle) const {
  OutFile file;
  file.bytes = bytes;
  file.order = OrderOf(bundle.header());
  file.create_time = FromTimestamp(bundle.header().create_time());
  for (const DeliverRequest& part : bundle.parts()) {
    if (part.envelopes().empty()) continue;
    file.ranges.push_back({.lane = LaneOf(part.lane()),
                           .first = part.envelopes(0).sequence(),
                           .last = part.envelopes(part.envelopes_size() - 1).sequence()});
  }
  for (const BundleCall& call : bundle.calls()) file.calls.push_back(call.id());
  file.answers = !bundle.answers().empty();
  return file;
}

bool SpoolPeer::Acknowledged(const Range& range) const {
  const auto receipt = peer_receipts_.find(range.lane);
  return receipt != peer_receipts_.end() && receipt->second.received_through() >= range.last;
}

bool SpoolPeer::Superseded(const OutFile& file, const Range* part) const {
  // Whoever waits for an answer has asked again by then.
  if (file.answers && Recent(file.create_time)) return false;
  return std::all_of(file.ranges.begin(), file.ranges.end(),
                     [&](const Range& range) {
                       return Acknowledged(range) || (part != nullptr && part->lane == range.lane &&
                                                      part->first <= range.first && range.last <= part->last);
                     }) &&
         std::none_of(file.calls.begin(), file.calls.end(),
                      [this](const std::string& id) { return questions_.contains(id); });
}

void SpoolPeer::Settle(bool in_need) {
  const absl::Time now = clock_->Now();
  const BundleOrder seen = heard_ ? SeenBy(newest_) : BundleOrder();
  BundleOrder latest;
  for (const auto& [name, file] : out_) latest = std::max(latest, file.order);
  for (auto it = out_.begin(); it != out_.end();) {
    OutFile& file = it->second;
    const bool acknowledged = std::all_of(file.ranges.begin(), file.ranges.end(),
                                          [this](const Range& range) { return Acknowledged(range); });
    if (acknowledged && file.order <= seen) {
      RemoveOut(&it);
      continue;
    }
    if (file.superseded_time == absl::InfiniteFuture() && file.order < latest && Superseded(file, nullptr)) {
      file.superseded_time = now;
    }
    if (file.superseded_time != absl::InfiniteFuture() && (in_need || !Recent(file.superseded_time))) {
      RemoveOut(&it);
      continue;
    }
    ++it;
  }
}

void SpoolPeer::RemoveOut(std::map<std::string, OutFile>::iterator* file) {
  const absl::Status status = files_->Remove(options_.out_directory, (*file)->first);
  if (!status.ok() && status.code() != absl::StatusCode::kNotFound) {
    ++*file;  // tried again at the next scan
    return;
  }
  out_bytes_ -= (*file)->second.bytes;
  *file = out_.erase(*file);
}

void SpoolPeer::Report(const absl::Status& trouble) {
  if (trouble.code() == trouble_.code() && trouble.message() == trouble_.message()) return;
  trouble_ = trouble;
  if (options_.on_trouble) options_.on_trouble(trouble);
}

}  // namespace hotline::dispatch
