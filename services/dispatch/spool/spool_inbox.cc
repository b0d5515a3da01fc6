#include "services/dispatch/spool/spool_inbox.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "common/base/id.h"
#include "common/base/text.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "common/exchange/chain.h"

namespace hotline::dispatch {
namespace {

using error::Reason;
using exchange::v1::BundleAnswer;
using exchange::v1::BundleCall;
using exchange::v1::DeliverRequest;
using exchange::v1::DeliverResponse;
using exchange::v1::LinkReceipt;

constexpr int kMaxListed = 65'536;
constexpr int kMaxHeld = 256;
constexpr int kMaxCalls = 16;
constexpr size_t kMaxApplied = 4096;
constexpr absl::Duration kLocalTimeout = absl::Seconds(20);
// How far the writer's clock may be ahead.
constexpr absl::Duration kMaxSkew = absl::Minutes(5);
constexpr absl::Duration kLongestPause = absl::Seconds(10);
constexpr absl::Duration kPutOffPause = absl::Seconds(2);

// It may go well next time; anything else is refused for good, so that it blocks nothing.
bool MayPass(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kAborted:
      return true;
    case absl::StatusCode::kResourceExhausted:
      // gRPC's own has no reason: the message is too large, and stays so.
      return error::ReasonOf(status) != Reason::ERROR_REASON_UNSPECIFIED;
    default:
      return false;
  }
}

}  // namespace

SpoolInbox::SpoolInbox(SpoolFiles* files, const BundleSealer* sealer, SpoolPeer* peer, Peer* local,
                       Executor* executor, const Clock* clock, SpoolOptions options)
    : files_(files),
      sealer_(sealer),
      peer_(peer),
      local_(local),
      executor_(executor),
      clock_(clock),
      options_(std::move(options)),
      rejected_directory_(StrCat(options_.in_directory, "/rejected")) {}

void SpoolInbox::Start() {
  executor_->Post([this] { Scan(); });
}

void SpoolInbox::Stop() {
  executor_->Post([this] { stopped_ = true; });
}

CallContext SpoolInbox::NewCall() const {
  CallContext call;
  call.now = clock_->Now();
  call.deadline = call.now + kLocalTimeout;
  call.traceparent = NewTraceparent();
  // Its signature says so.
  call.identity = StrCat(options_.peer, "/dispatch");
  return call;
}

absl::Status SpoolInbox::Open() {
  if (absl::Status status = peer_->Open(); !status.ok()) return status;
  if (open_) return absl::OkStatus();
  if (absl::Status status = files_->Make(rejected_directory_); !status.ok()) return status;
  const absl::StatusOr<std::vector<SpoolFile>> kept = files_->List(rejected_directory_, kMaxListed);
  if (!kept.ok()) return kept.status();
  for (const SpoolFile& file : *kept) {
    rejected_.push_back({.name = file.name, .bytes = file.bytes});
    rejected_bytes_ += file.bytes;
  }
  // Their names begin with a number that rises.
  std::sort(rejected_.begin(), rejected_.end(), [](const Kept& a, const Kept& b) { return a.name < b.name; });
  if (!rejected_.empty()) {
    for (const char c : rejected_.back().name) {
      if (c < '0' || c > '9' || rejected_number_ > 100'000'000) break;
      rejected_number_ = rejected_number_ * 10 + (c - '0');
    }
  }
  TrimRejected();
  open_ = true;
  return absl::OkStatus();
}

// ---- A scan
// ------------------------------------------------------------------------------------------------------------------

void SpoolInbox::Later() {
  if (more_ && !postponed_) return executor_->Post([this] { Scan(); });
  absl::Duration pause = options_.scan_interval;
  for (int i = 1; i < failures_ && pause < kLongestPause; ++i) pause *= 2;
  executor_->PostAfter(std::max(options_.scan_interval, std::min(pause, kLongestPause)), [this] { Scan(); });
}

void SpoolInbox::Scan() {
  if (stopped_) return;
  more_ = false;
  postponed_ = false;
  scan_trouble_ = Open();
  if (!scan_trouble_.ok()) {
    postponed_ = true;
    ++failures_;
    return EndScan();
  }
  if (!cursors_known_) return AskCursor(0);
  absl::StatusOr<std::vector<SpoolFile>> listed = files_->List(options_.in_directory, kMaxListed);
  if (!listed.ok()) {
    scan_trouble_ = listed.status();
    return EndScan();
  }
  std::map<std::string, Note> notes;
  std::vector<std::pair<int64_t, SpoolFile>> ready;
  int64_t held = 0;
  for (SpoolFile& file : *listed) {
    if (auto note = notes_.extract(file.name); !note.empty()) {
      if (note.mapped().kind == Note::Kind::kHeld) ++held;
      notes.insert(std::move(note));
    }
  }
  notes_ = std::move(notes);
  peer_->SetIn(static_cast<int64_t>(listed->size()), held);
  for (SpoolFile& file : *listed) {
    if (!Ready(file)) continue;
    const std::optional<BundleName> name = ParseFileName(file.name);
    ready.emplace_back(name.has_value() ? name->number : 0, std::move(file));
  }
  // Lowest number first: mostly, they then need no second look.
  std::sort(ready.begin(), ready.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first, a.second.name) < std::tie(b.first, b.second.name);
  });
  more_ = ready.size() > static_cast<size_t>(options_.scan_limit);
  if (more_) ready.resize(static_cast<size_t>(options_.scan_limit));
  queue_.clear();
  for (auto& [number, file] : ready) queue_.push_back(std::move(file));
  Go();
}

void SpoolInbox::AskCursor(size_t lane) {
  if (lane == std::size(kLanes)) {
    cursors_known_ = true;
    failures_ = 0;
    return Scan();
  }
  DeliverRequest request;
  request.set_protocol_version(options_.supported_versions.front());
  request.set_from_hotline(options_.peer);
  request.set_to_hotline(options_.hotline);
  request.set_lane(kLanes[lane]);
  local_->Deliver(NewCall(), std::move(request), [this, lane](absl::StatusOr<DeliverResponse> response) {
    executor_->Post([this, lane, response = std::move(response)]() mutable {
      if (!response.ok()) {
        postponed_ = true;
        ++failures_;
        return EndScan();
      }
      response->mutable_receipt()->set_lane(kLanes[lane]);
      peer_->OweReceipt(std::move(*response->mutable_receipt()));
      AskCursor(lane + 1);
    });
  });
}

bool SpoolInbox::Ready(const SpoolFile& file) const {
  const auto it = notes_.find(file.name);
  if (it == notes_.end()) return true;
  const Note& note = it->second;
  if (note.bytes != file.bytes) return true;
  if (note.kind == Note::Kind::kHeld) {
    const LinkReceipt* cursor = peer_->Cursor(note.lane);
    return cursor != nullptr && cursor->received_through() + 1 >= note.needed;
  }
  const absl::Duration age = clock_->Now() - note.since;
  const absl::Duration pause = note.kind == Note::Kind::kPutOff ? kPutOffPause : options_.patience;
  return age >= pause || age < absl::ZeroDuration();
}

void SpoolInbox::Go() {
  if (queue_.empty()) TakeHeld();
  while (!stopped_ && !postponed_ && !queue_.empty()) {
    const SpoolFile file = std::move(queue_.front());
    queue_.pop_front();
    if (Read(file)) return Part();
  }
  EndScan();
}

void SpoolInbox::TakeHeld() {
  for (const auto& [name, note] : notes_) {
    const SpoolFile file = {.name = name, .bytes = note.bytes};
    if (note.kind == Note::Kind::kHeld && Ready(file)) queue_.push_back(file);
  }
}

void SpoolInbox::EndScan() {
  queue_.clear();
  if (stopped_) return;
  if (!postponed_) failures_ = 0;
  if (scan_trouble_.code() != trouble_.code() || scan_trouble_.message() != trouble_.message()) {
    trouble_ = scan_trouble_;
    if (options_.on_trouble) options_.on_trouble(trouble_);
  }
  peer_->Tick();
  Later();
}

// ---- A file
// ------------------------------------------------------------------------------------------------------------------

bool SpoolInbox::Read(const SpoolFile& file) {
  if (const auto note = notes_.find(file.name);
      note != notes_.end() && note->second.kind == Note::Kind::kDone && note->second.bytes == file.bytes) {
    Remove(file);
    return false;
  }
  const std::optional<BundleName> name = ParseFileName(file.name);
  if (!name.has_value()) {
    Suspect(file, Reject::kForeign, absl::InvalidArgumentError("its name is not a bundle's"));
    return false;
  }
  if (name->from != options_.peer || name->to != options_.hotline) {
    PutAside(file, Reject::kParty,
             absl::InvalidArgumentError(StrCat("from ", name->from, " for ", name->to)));
    return false;
  }
  if (file.bytes > kMaxBundleFileBytes) {
    PutAside(file, Reject::kTooLarge, absl::InvalidArgumentError(StrCat("has ", file.bytes, " bytes")));
    return false;
  }
  const absl::StatusOr<std::string> bytes =
      files_->Read(options_.in_directory, file.name, kMaxBundleFileBytes);
  if (!bytes.ok()) {
    // Gone again, or not ours to read: another scan may find otherwise.
    if (bytes.status().code() == absl::StatusCode::kNotFound) {
      notes_.erase(file.name);
    } else {
      Suspect(file, Reject::kMalformed, bytes.status());
    }
    return false;
  }
  DecodedFile decoded = DecodeFile(*bytes);
  switch (decoded.fault) {
    case FileFault::kNone:
      break;
    case FileFault::kIncomplete:
      Suspect(file, Reject::kTruncated, absl::InvalidArgumentError("is cut short"));
      return false;
    case FileFault::kForeign:
      Suspect(file, Reject::kForeign, absl::InvalidArgumentError("does not begin as a bundle does"));
      return false;
    case FileFault::kUnknownForm:
      Suspect(file, Reject::kForm, absl::InvalidArgumentError("its form is of a later version"));
      return false;
    case FileFault::kTooLarge:
      Suspect(file, Reject::kTooLarge,
              absl::InvalidArgumentError("says that it is larger than a bundle may be"));
      return false;
    case FileFault::kMalformed:
      Suspect(file, Reject::kMalformed, absl::InvalidArgumentError("does not hold a bundle"));
      return false;
  }
  const exchange::v1::BundleHeader& header = decoded.bundle.header();
  const BundleOrder order = OrderOf(header);
  const bool ours = header.from_hotline() == options_.peer && header.to_hotline() == options_.hotline;
  // By the writer's clock: it may have been on its way for long, and the key was good when it was written.
  if (absl::Status status =
          sealer_->Verify(decoded.signed_bytes, decoded.signature, FromTimestamp(header.create_time()));
      !status.ok()) {
    if (Suspect(file, Reject::kSignature, status) && ours) {
      peer_->OweRefusal(exchange::v1::LANE_UNSPECIFIED, order, status);
    }
    return false;
  }
  if (!ours) {
    PutAside(
        file, Reject::kParty,
        absl::InvalidArgumentError(StrCat("from ", header.from_hotline(), " for ", header.to_hotline())));
    return false;
  }
  if (const std::string_view field = FaultOf(header, clock_->Now()); !field.empty()) {
    PutAside(file, Reject::kMalformed, absl::InvalidArgumentError(StrCat("no header has such a ", field)));
    return false;
  }
  const std::vector<int>& spoken = options_.supported_versions;
  if (std::find(spoken.begin(), spoken.end(), header.protocol_version()) == spoken.end()) {
    const absl::Status status = error::ProtocolVersionUnsupported(
        header.protocol_version(), *std::max_element(spoken.begin(), spoken.end()));
    // What it speaks is worth knowing; what it says is not for us.
    exchange::v1::Bundle only_header;
    *only_header.mutable_header() = header;
    peer_->Learn(&only_header);
    peer_->OweRefusal(exchange::v1::LANE_UNSPECIFIED, order, status);
    PutAside(file, Reject::kVersion, status);
    return false;
  }
  peer_->counters_.bundles_read.fetch_add(1, std::memory_order_relaxed);
  peer_->counters_.bytes_read.fetch_add(file.bytes, std::memory_order_relaxed);
  signature_ = decoded.signature.value();
  if (applied_.contains({order, signature_})) {
    peer_->counters_.bundles_doubled.fetch_add(1, std::memory_order_relaxed);
    Remove(file);
    return false;
  }
  work_ = std::make_unique<Work>();
  work_->file = file;
  work_->bundle = std::move(decoded.bundle);
  work_->order = order;
  work_->written = FromTimestamp(work_->bundle.header().create_time());
  work_->newest = peer_->Learn(&work_->bundle);
  if (work_->newest) peer_->OweRefusal(exchange::v1::LANE_UNSPECIFIED, order, absl::OkStatus());
  return true;
}

void SpoolInbox::Part() {
  while (work_->next_part < work_->bundle.parts_size()) {
    DeliverRequest& part = *work_->bundle.mutable_parts(work_->next_part);
    const Lane lane = LaneOf(part.lane());
    const LinkReceipt* cursor = peer_->Cursor(lane);
    if (cursor == nullptr) {  // a lane that does not exist
      ++work_->next_part;
      continue;
    }
    const PartFit fit = Judge(part, *cursor);
    if (fit == PartFit::kGap) return Hold(lane, part.envelopes(0).sequence());
    // An old bundle cannot prove a fork: what it continued may have been taken back since. Only what the peer
    // says now can, so it alone is handed on whatever it holds.
    if (!work_->newest && fit != PartFit::kContinues) {
      peer_->OweReceipt(*cursor);
      ++work_->next_part;
      continue;
    }
    // As if the peer had called when it wrote the bundle: the key that signed both was good then.
    CallContext call = NewCall();
    call.now = std::min(work_->written, call.now + kMaxSkew);
    local_->Deliver(call, std::move(part), [this, lane](absl::StatusOr<DeliverResponse> response) {
      executor_->Post([this, lane, response = std::move(response)] { OnPart(lane, response); });
    });
    return;
  }
  AnswerCalls();
  Finish();
}

void SpoolInbox::OnPart(Lane lane, const absl::StatusOr<DeliverResponse>& response) {
  if (stopped_) return;
  if (response.ok()) {
    LinkReceipt receipt = response->receipt();
    receipt.set_lane(lane);
    peer_->OweReceipt(std::move(receipt));
    peer_->OweRefusal(lane, work_->order, absl::OkStatus());
    ++work_->next_part;
    return Part();
  }
  if (error::ReasonOf(response.status()) == Reason::ERROR_REASON_LINK_BEHIND) return PutOff();
  if (MayPass(response.status())) return Postpone();
  peer_->OweRefusal(lane, work_->order, response.status());
  PutAside(work_->file, Reject::kRefused, response.status());
  work_.reset();
  Go();
}

template <typename Response>
Done<Response> SpoolInbox::Answering(std::string id, Response* (BundleAnswer::*field)()) {
  ++calls_;
  return [this, id = std::move(id), field](absl::StatusOr<Response> response) mutable {
    executor_->Post([this, id = std::move(id), field, response = std::move(response)]() mutable {
      --calls_;
      BundleAnswer answer;
      answer.set_id(std::move(id));
      if (response.ok()) {
        *(answer.*field)() = *std::move(response);
      } else {
        *answer.mutable_error() = error::ToProto(response.status());
      }
      peer_->OweAnswer(std::move(answer));
    });
  };
}

void SpoolInbox::AnswerCalls() {
  for (BundleCall& call : *work_->bundle.mutable_calls()) {
    if (calls_ >= kMaxCalls) return;  // asked again
    switch (call.request_case()) {
      case BundleCall::kBackfill:
        local_->Backfill(
            NewCall(), std::move(*call.mutable_backfill()),
            Answering<exchange::v1::BackfillResponse>(call.id(), &BundleAnswer::mutable_backfill));
        break;
      case BundleCall::kReconcile:
        local_->Reconcile(
            NewCall(), std::move(*call.mutable_reconcile()),
            Answering<exchange::v1::ReconcileResponse>(call.id(), &BundleAnswer::mutable_reconcile));
        break;
      case BundleCall::kGetLink:
        local_->GetLink(NewCall(), std::move(*call.mutable_get_link()),
                        Answering<exchange::v1::GetLinkResponse>(call.id(), &BundleAnswer::mutable_get_link));
        break;
      case BundleCall::REQUEST_NOT_SET:  // a question of a later version: it waits in vain, as it would for a
                                         // lost one
        break;
    }
  }
}

void SpoolInbox::Finish() {
  std::pair<BundleOrder, std::string> applied = {work_->order, std::move(signature_)};
  if (applied_.insert(applied).second) {
    applied_order_.push_back(std::move(applied));
    if (applied_order_.size() > kMaxApplied) {
      applied_.erase(applied_order_.front());
      applied_order_.pop_front();
    }
  }
  Remove(work_->file);
  work_.reset();
  Go();
}

void SpoolInbox::Hold(Lane lane, int64_t needed) {
  peer_->OweReceipt(*peer_->Cursor(lane));
  const auto held = std::count_if(notes_.begin(), notes_.end(),
                                  [](const auto& entry) { return entry.second.kind == Note::Kind::kHeld; });
  if (held >= kMaxHeld) {
    peer_->counters_.rejected[static_cast<int>(Reject::kEarly)].fetch_add(1, std::memory_order_relaxed);
    Remove(work_->file);
  } else {
    notes_[work_->file.name] = {.kind = Note::Kind::kHeld,
                                .bytes = work_->file.bytes,
                                .since = clock_->Now(),
                                .lane = lane,
                                .needed = needed};
  }
  work_.reset();
  Go();
}

// What recovers this site is in bundles that come later, so they are read meanwhile.
void SpoolInbox::PutOff() {
  notes_[work_->file.name] = {
      .kind = Note::Kind::kPutOff, .bytes = work_->file.bytes, .since = clock_->Now()};
  work_.reset();
  Go();
}

void SpoolInbox::Postpone() {
  postponed_ = true;
  ++failures_;
  work_.reset();
  EndScan();
}

bool SpoolInbox::Suspect(const SpoolFile& file, Reject why, const absl::Status& detail) {
  const absl::Time now = clock_->Now();
  const auto it = notes_.find(file.name);
  if (it == notes_.end() || it->second.kind != Note::Kind::kSuspect || it->second.bytes != file.bytes ||
      it->second.since > now) {
    notes_[file.name] = {.kind = Note::Kind::kSuspect, .bytes = file.bytes, .since = now};
    return false;
  }
  if (now - it->second.since < options_.patience) return false;
  PutAside(file, why, detail);
  return true;
}

void SpoolInbox::PutAside(const SpoolFile& file, Reject why, const absl::Status& detail) {
  peer_->counters_.rejected[static_cast<int>(why)].fetch_add(1, std::memory_order_relaxed);
  if (options_.on_reject) options_.on_reject(file.name, why, detail);
  std::string number = std::to_string(++rejected_number_);
  number.insert(0, 9 - std::min<size_t>(number.size(), 9), '0');
  Kept kept = {.name = StrCat(number, "-", file.name), .bytes = file.bytes};
  if (!files_->Move(options_.in_directory, file.name, rejected_directory_, kept.name).ok()) {
    return Remove(file);
  }
  notes_.erase(file.name);
  rejected_bytes_ += kept.bytes;
  rejected_.push_back(std::move(kept));
  TrimRejected();
}

void SpoolInbox::TrimRejected() {
  while (!rejected_.empty() &&
         (rejected_.size() > kMaxRejectedFiles || rejected_bytes_ > kMaxRejectedBytes)) {
    // If it cannot be removed now, a restart tries again.
    files_->Remove(rejected_directory_, rejected_.front().name).IgnoreError();
    rejected_bytes_ -= rejected_.front().bytes;
    rejected_.pop_front();
  }
}

void SpoolInbox::Remove(const SpoolFile& file) {
  const absl::Status status = files_->Remove(options_.in_directory, file.name);
  if (status.ok() || status.code() == absl::StatusCode::kNotFound) {
    notes_.erase(file.name);
    return;
  }
  notes_[file.name] = {.kind = Note::Kind::kDone, .bytes = file.bytes, .since = clock_->Now()};
  scan_trouble_ = status;
}

}  // namespace hotline::dispatch
