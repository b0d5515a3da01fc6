#include "services/escalation/directory/service.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <type_traits>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/error/error.h"
#include "services/escalation/directory/core/csv.h"

namespace hotline::escalation::directory {
namespace {

using error::Reason;

constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 500;
constexpr int kMaxEdits = 1000;
// Of the gaps in one answer, about: clients take gRPC's 4 MiB.
constexpr size_t kMaxGapBytes = 3 << 20;

google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp proto;
  const int64_t nanos = absl::ToUnixNanos(time);
  proto.set_seconds(nanos / 1'000'000'000);
  proto.set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  return proto;
}

// The instant in `proto`, on the second: the directory's grain.
absl::StatusOr<absl::Time> ReadTime(std::string_view field, bool set,
                                    const google::protobuf::Timestamp& proto, absl::Time now) {
  if (!set) return absl::FromUnixSeconds(absl::ToUnixSeconds(now));
  if (proto.seconds() < 0 || proto.seconds() > 7'258'118'400 || proto.nanos() < 0 ||
      proto.nanos() >= 1'000'000'000) {
    return error::BadField(Reason::ERROR_REASON_TIME_INVALID, field, "is not a time from 1970 to 2199",
                           "不是1970至2199年间的时间");
  }
  return absl::FromUnixSeconds(proto.seconds());
}

bool IsRequestId(std::string_view id) {
  return id.size() >= 8 && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
                  c == '_' || c == '/' || c == '-';
         });
}

absl::Status CheckText(std::string_view field, const std::string& text, int64_t max, bool required) {
  const std::optional<int64_t> length = CountCodePoints(text);
  if (!length.has_value() || HasControlCharacters(text, false)) return error::BadText(field);
  if (*length > max) return error::TooLong(field, max);
  if (required && *length == 0) return error::Required(field);
  return absl::OkStatus();
}

absl::Status CheckHeader(const v1::DirectoryChangeHeader& header, absl::Time now) {
  if (!IsRequestId(header.request_id())) {
    return error::BadField(Reason::ERROR_REASON_REQUEST_ID_INVALID, "header.request_id",
                           "must be 8 to 64 of A-Z a-z 0-9 . _ / -", "须为8至64个字母、数字或 . _ / -");
  }
  for (const absl::Status& status : {CheckText("header.account", header.account(), 64, true),
                                     CheckText("header.reported_by", header.reported_by(), 64, true),
                                     CheckText("header.reference", header.reference(), 200, false)}) {
    if (!status.ok()) return status;
  }
  const auto reported = ReadTime("header.report_time", header.has_report_time(), header.report_time(), now);
  if (!reported.ok()) return reported.status();
  if (*reported > now + absl::Minutes(1)) {
    return error::BadField(Reason::ERROR_REASON_TIME_INVALID, "header.report_time", "is in the future",
                           "报备时间不能晚于现在");
  }
  return absl::OkStatus();
}

absl::StatusOr<int> PageSize(int32_t wanted) {
  if (wanted < 0 || wanted > kMaxPageSize) {
    return error::BadField(Reason::ERROR_REASON_PAGE_SIZE_INVALID, "page_size", "must be between 0 and 500",
                           "应在0至500之间");
  }
  return wanted == 0 ? kDefaultPageSize : wanted;
}

absl::Status BadToken() {
  return error::BadField(Reason::ERROR_REASON_PAGE_TOKEN_INVALID, "page_token",
                         "is not one that this service gave for this filter",
                         "不是本服务为该筛选条件给出的分页标记");
}

// A token holds the place to go on and a mark of the filter, as it is not to be used with another.
template <typename Request>
std::string MarkOf(Request filter) {
  filter.clear_page_size();
  filter.clear_page_token();
  return Sha256({filter.SerializeAsString()}).substr(0, 8);
}

std::string WriteToken(const std::string& mark, std::string_view place) {
  return absl::WebSafeBase64Escape(ToAbsl(StrCat(mark, place)));
}

std::optional<std::string> ReadToken(const std::string& token, const std::string& mark) {
  std::string text;
  if (!absl::WebSafeBase64Unescape(token, &text) || !text.starts_with(mark)) return std::nullopt;
  return text.substr(mark.size());
}

}  // namespace

Service::Service(Executor* executor, const Clock* clock, std::unique_ptr<Store> store, Reach reach,
                 Listener* listener)
    : executor_(executor),
      clock_(clock),
      store_(std::move(store)),
      reach_(std::move(reach)),
      listener_(listener) {}

std::shared_ptr<const Directory> Service::snapshot() const {
  MutexLock lock(&mu_);
  return directory_;
}

absl::Status Service::Open(const config::v1::UnitList& units,
                           const std::vector<std::pair<std::string, std::string>>& hotlines) {
  auto loaded = store_->Load();
  if (!loaded.ok()) return loaded.status();
  const auto directory = std::make_shared<const Directory>(*std::move(loaded));
  {
    MutexLock lock(&mu_);
    directory_ = directory;
  }
  v1::ChangeDirectoryRequest request;
  // As the clocks take a unit that names no calendar.
  constexpr std::string_view kOffice = "office";
  const std::string_view calendar = reach_.hours->Knows(kOffice) ? kOffice : std::string_view();
  for (v1::DirectoryEdit& edit : Seed(*directory, units, calendar, hotlines))
    *request.add_edits() = std::move(edit);
  if (request.edits().empty()) return absl::OkStatus();
  v1::DirectoryChangeHeader& header = *request.mutable_header();
  const absl::Time now = clock_->Now();
  // One for each directory and content: a start that was killed within it does it again.
  header.set_request_id(StrCat("seed/", directory->version(), "/",
                               absl::BytesToHexString(Sha256({request.SerializeAsString()}).substr(0, 16))));
  header.set_account("service/escalation");
  header.set_reported_by("units_file");
  header.set_reference(units.version());
  const std::vector<v1::DirectoryEdit> edits(request.edits().begin(), request.edits().end());
  const auto seeded = Apply<v1::ChangeDirectoryResponse>(
      now, request, edits, {}, [](const Outcome&, const auto&) { return v1::ChangeDirectoryResponse(); });
  // A list that clashes with what people entered is theirs to mend; the directory serves as it is.
  if (!seeded.ok() && !absl::IsUnavailable(seeded.status())) {
    listener_->OnSeedFailed(seeded.status());
    return absl::OkStatus();
  }
  return seeded.status();
}

void Service::Start() {
  started_ = true;
  executor_->Post([this] { LookAhead(); });
}

void Service::LookAhead() {
  Look();
  executor_->PostAfter(kLookEvery, [this] { LookAhead(); });
}

void Service::Look() {
  const std::shared_ptr<const Directory> directory = snapshot();
  const absl::Time start = absl::FromUnixSeconds(absl::ToUnixSeconds(clock_->Now()));
  PreflightSummary summary;
  std::set<std::pair<std::string, int>> rungs;
  std::set<std::string> units;
  for (const Gap& gap : directory::Preflight(*directory, reach_, start, start + kLookAhead)) {
    if (rungs.empty()) summary.first_unit = gap.unit, summary.first_rung = gap.rung;
    rungs.insert({gap.unit, gap.rung});
    units.insert(gap.unit);
  }
  summary.unreachable_rungs = static_cast<int32_t>(rungs.size());
  summary.units = static_cast<int32_t>(units.size());
  summary.unit_count = static_cast<int32_t>(directory->Units().size());
  listener_->OnPreflight(summary);
  // Changes are rare and this comes after each of them.
  NoteStore(store_->Checkpoint());
}

void Service::NoteStore(const absl::Status& status) {
  if (!status.ok()) {
    store_failed_ = true;
    listener_->OnStoreFailed(status);
  } else if (store_failed_ && !commit_failed_) {
    store_failed_ = false;
    listener_->OnStoreWorks();
  }
}

absl::StatusOr<std::string> Service::CodeOf(std::string_view field, const std::string& name) const {
  const std::shared_ptr<const Directory> directory = snapshot();
  const v1::DirectoryUnit* unit = directory->FindUnit(name);
  if (unit == nullptr) {
    return error::DirectoryUnknown(field, "unit", "单位", TruncateCodePoints(name, 64));
  }
  return unit->code();
}

void Service::ListDirectory(const CallContext&, v1::ListDirectoryRequest request,
                            Done<v1::ListDirectoryResponse> done) {
  executor_->Post(
      [this, request = std::move(request), done = std::move(done)]() mutable { done(List(request)); });
}

absl::StatusOr<v1::ListDirectoryResponse> Service::List(const v1::ListDirectoryRequest& request) {
  const auto size = PageSize(request.page_size());
  if (!size.ok()) return size.status();
  std::string unit;
  if (!request.unit().empty()) {
    auto code = CodeOf("unit", request.unit());
    if (!code.ok()) return code.status();
    unit = *std::move(code);
  }
  const auto at = ReadTime("at_time", request.has_at_time(), request.at_time(), clock_->Now());
  if (!at.ok()) return at.status();
  const std::string mark = MarkOf(request);
  std::string after;
  if (!request.page_token().empty()) {
    auto place = ReadToken(request.page_token(), mark);
    if (!place.has_value()) return BadToken();
    after = *std::move(place);
  }
  const std::shared_ptr<const Directory> directory = snapshot();
  v1::ListDirectoryResponse response;
  response.set_version(directory->version());
  std::string last;
  for (auto it = directory->entries().upper_bound(after); it != directory->entries().end(); ++it) {
    const v1::DirectoryEntry& entry = *it->second;
    if (!unit.empty() && UnitOf(entry) != unit) continue;
    if (request.has_at_time() && !PeriodOf(ValidityOf(entry)).Holds(*at)) continue;
    if (response.entries_size() == *size) {
      response.set_next_page_token(WriteToken(mark, last));
      break;
    }
    *response.add_entries() = entry;
    last = it->first;
  }
  return response;
}

void Service::ChangeDirectory(const CallContext& call, v1::ChangeDirectoryRequest request,
                              Done<v1::ChangeDirectoryResponse> done) {
  executor_->Post([this, now = call.now, request = std::move(request), done = std::move(done)]() mutable {
    done(Change(now, std::move(request)));
  });
}

template <typename Response, typename Request, typename Respond>
absl::StatusOr<Response> Service::Apply(absl::Time now, const Request& request,
                                        const std::vector<v1::DirectoryEdit>& edits,
                                        const std::vector<std::string>& places, Respond respond) {
  const v1::DirectoryChangeHeader& header = request.header();
  const std::string digest = Sha256({request.GetDescriptor()->name(), request.SerializeAsString()});
  if (!request.validate_only()) {
    auto known = store_->FindRequest(header.request_id());
    if (!known.ok()) {
      NoteStore(known.status());
      return known.status();
    }
    if (known->has_value()) {
      Response response;
      if ((*known)->digest != digest || !response.ParseFromString((*known)->response)) {
        return error::RequestIdReused(header.request_id());
      }
      return response;
    }
  }
  const std::shared_ptr<const Directory> before = snapshot();
  if (header.expected_version() != 0 && header.expected_version() != before->version()) {
    return error::DirectoryStale(header.expected_version(), before->version());
  }
  Outcome outcome =
      Judge(*before, edits,
            {.now = now, .allow_missing_roles = request.allow_missing_roles(), .hours = reach_.hours});
  if constexpr (std::is_same_v<Request, v1::ImportDirectoryRequest>) {
    for (Problem& problem : outcome.problems) {
      // Of the whole: what a request has as edits, a file is.
      problem.field = problem.field == "edits" ? "csv" : ColumnOf(problem.field);
    }
  }
  if (!outcome.problems.empty()) return ToStatus(outcome.problems, places);
  std::vector<v1::DirectoryChange> changes;
  for (const directory::Change& one : outcome.changes) {
    v1::DirectoryChange& change = changes.emplace_back();
    change.set_version(outcome.after.version());
    change.set_index(static_cast<int32_t>(changes.size()) - 1);
    if (one.before != nullptr) *change.mutable_before() = *one.before;
    if (one.after != nullptr) *change.mutable_after() = *one.after;
    *change.mutable_header() = header;
    if (!header.has_report_time()) *change.mutable_header()->mutable_report_time() = ToProto(now);
    *change.mutable_commit_time() = ToProto(now);
  }
  Response response = respond(outcome, changes);
  response.set_version(outcome.after.version());
  if (request.validate_only()) return response;
  const absl::Status committed = store_->Commit(changes, outcome.after.version(), header.request_id(),
                                                {digest, response.SerializeAsString()});
  commit_failed_ = !committed.ok() && !absl::IsResourceExhausted(committed);
  NoteStore(committed);
  if (!committed.ok()) return committed;
  {
    MutexLock lock(&mu_);
    directory_ = std::make_shared<const Directory>(std::move(outcome.after));
  }
  if (!changes.empty() && started_) executor_->Post([this] { Look(); });
  return response;
}

absl::StatusOr<v1::ChangeDirectoryResponse> Service::Change(absl::Time now,
                                                            v1::ChangeDirectoryRequest request) {
  if (absl::Status status = CheckHeader(request.header(), now); !status.ok()) return status;
  if (request.edits().empty()) return error::Required("edits");
  if (request.edits_size() > kMaxEdits) {
    return error::BadField(Reason::ERROR_REASON_LIST_INVALID, "edits", "has more than 1000 entries",
                           "超过1000项");
  }
  std::vector<v1::DirectoryEdit> edits(request.edits().begin(), request.edits().end());
  std::vector<std::string> places;
  for (size_t i = 0; i < edits.size(); ++i) {
    static constexpr const char* kKinds[] = {"", ".unit", ".person", ".role", ".duty"};
    v1::DirectoryEdit& edit = edits[i];
    const bool remove = edit.has_remove();
    if (!remove && !edit.has_put()) return error::Required(StrCat("edits[", i, "]"));
    const int kind = remove ? edit.remove().entry_case() : edit.put().entry_case();
    places.push_back(StrCat("edits[", i, "].", remove ? "remove" : "put", kKinds[kind]));
    // Whoever puts a unit takes it over from the list it came from.
    if (edit.put().has_unit()) edit.mutable_put()->mutable_unit()->clear_units_version();
  }
  return Apply<v1::ChangeDirectoryResponse>(
      now, request, edits, places, [](const Outcome&, const auto& changes) {
        v1::ChangeDirectoryResponse response;
        response.mutable_changes()->Assign(changes.begin(), changes.end());
        return response;
      });
}

void Service::ImportDirectory(const CallContext& call, v1::ImportDirectoryRequest request,
                              Done<v1::ImportDirectoryResponse> done) {
  executor_->Post([this, now = call.now, request = std::move(request), done = std::move(done)]() mutable {
    done(Import(now, std::move(request)));
  });
}

absl::StatusOr<v1::ImportDirectoryResponse> Service::Import(absl::Time now,
                                                            v1::ImportDirectoryRequest request) {
  if (absl::Status status = CheckHeader(request.header(), now); !status.ok()) return status;
  CsvFile file = ReadCsv(request.csv());
  if (!file.problems.empty()) {
    std::vector<std::string> places;
    for (size_t i = 0; i < file.problems.size(); ++i) {
      places.push_back(file.problems[i].edit == 0 ? "csv" : StrCat("rows[", file.problems[i].edit, "]"));
      file.problems[i].edit = static_cast<int>(i);
    }
    return ToStatus(file.problems, places);
  }
  const std::shared_ptr<const Directory> before = snapshot();
  std::vector<v1::DirectoryEdit> edits;
  std::vector<std::string> places;
  std::set<std::string> kept;
  for (CsvRow& row : file.rows) {
    places.push_back(StrCat("rows[", row.line, "]"));
    if (row.entry.has_unit()) {
      // A file says nothing of the list that a unit came from; unchanged, it stays the list's.
      const v1::DirectoryUnit* known = before->FindUnit(row.entry.unit().code());
      if (known != nullptr) {
        v1::DirectoryUnit same = *known;
        same.clear_units_version();
        if (same.SerializeAsString() == row.entry.unit().SerializeAsString())
          *row.entry.mutable_unit() = *known;
      }
    }
    kept.insert(KeyOf(row.entry));
    *edits.emplace_back().mutable_put() = std::move(row.entry);
  }
  if (request.replace()) {
    for (const auto& [key, entry] : before->entries()) {
      // An exported file does not have them.
      if (kept.contains(key) || directory::HasEnded(*entry, now)) continue;
      places.push_back("rows");
      *edits.emplace_back().mutable_remove() = *entry;
    }
  }
  absl::StatusOr<v1::ImportDirectoryResponse> response = Apply<v1::ImportDirectoryResponse>(
      now, request, edits, places, [&file](const Outcome& outcome, const auto&) {
        v1::ImportDirectoryResponse response;
        response.set_row_count(static_cast<int32_t>(file.rows.size()));
        for (const directory::Change& change : outcome.changes) {
          if (change.before == nullptr) {
            response.set_added_count(response.added_count() + 1);
          } else if (change.after == nullptr) {
            response.set_removed_count(response.removed_count() + 1);
          } else {
            response.set_changed_count(response.changed_count() + 1);
          }
        }
        return response;
      });
  return response;
}

void Service::ExportDirectory(const CallContext&, v1::ExportDirectoryRequest request,
                              Done<v1::ExportDirectoryResponse> done) {
  executor_->Post([this, request = std::move(request), done = std::move(done)]() mutable {
    const std::shared_ptr<const Directory> directory = snapshot();
    v1::ExportDirectoryResponse response;
    response.set_csv(WriteCsv(*directory, request.chinese(), request.byte_order_mark(), clock_->Now()));
    response.set_version(directory->version());
    done(std::move(response));
  });
}

void Service::ListDirectoryChanges(const CallContext&, v1::ListDirectoryChangesRequest request,
                                   Done<v1::ListDirectoryChangesResponse> done) {
  executor_->Post(
      [this, request = std::move(request), done = std::move(done)]() mutable { done(ListChanges(request)); });
}

absl::StatusOr<v1::ListDirectoryChangesResponse> Service::ListChanges(
    const v1::ListDirectoryChangesRequest& request) {
  const auto size = PageSize(request.page_size());
  if (!size.ok()) return size.status();
  // The store would refuse another text as if it had failed itself.
  if (!CountCodePoints(request.unit()).has_value() || HasControlCharacters(request.unit(), false)) {
    return error::BadText("unit");
  }
  std::string unit;
  if (!request.unit().empty()) {
    // A unit that was removed still has its history.
    const std::shared_ptr<const Directory> directory = snapshot();
    const v1::DirectoryUnit* known = directory->FindUnit(request.unit());
    unit = known == nullptr ? request.unit() : known->code();
  }
  const std::string mark = MarkOf(request);
  std::pair<int64_t, int64_t> before = {std::numeric_limits<int64_t>::max(), 0};
  if (!request.page_token().empty()) {
    const auto place = ReadToken(request.page_token(), mark);
    const size_t comma = place.has_value() ? place->find(',') : std::string::npos;
    if (comma == std::string::npos || !absl::SimpleAtoi(place->substr(0, comma), &before.first) ||
        !absl::SimpleAtoi(place->substr(comma + 1), &before.second)) {
      return BadToken();
    }
  }
  auto changes = store_->ListChanges(unit, before, *size + 1);
  if (!changes.ok()) return changes.status();
  v1::ListDirectoryChangesResponse response;
  for (v1::DirectoryChange& change : *changes) {
    if (response.changes_size() == *size) {
      const v1::DirectoryChange& last = response.changes(*size - 1);
      response.set_next_page_token(WriteToken(mark, StrCat(last.version(), ",", last.index())));
      break;
    }
    *response.add_changes() = std::move(change);
  }
  return response;
}

void Service::ResolveRecipients(const CallContext& call, v1::ResolveRecipientsRequest request,
                                Done<v1::ResolveRecipientsResponse> done) {
  executor_->Post([this, now = call.now, request = std::move(request), done = std::move(done)]() mutable {
    done(Resolve(now, request));
  });
}

absl::StatusOr<v1::ResolveRecipientsResponse> Service::Resolve(absl::Time now,
                                                               const v1::ResolveRecipientsRequest& request) {
  if (request.unit().empty()) return error::Required("unit");
  const std::vector<type::v1::Rung>& rungs = Rungs();
  if (std::find(rungs.begin(), rungs.end(), request.rung()) == rungs.end()) {
    return error::BadEnum("rung", request.rung());
  }
  const auto at = ReadTime("at_time", request.has_at_time(), request.at_time(), now);
  if (!at.ok()) return at.status();
  Query query{.unit = {}, .rung = request.rung(), .at = *at};
  auto unit = CodeOf("unit", request.unit());
  if (!unit.ok()) return unit.status();
  query.unit = *std::move(unit);
  if (!request.accused_unit().empty()) {
    auto accused = CodeOf("accused_unit", request.accused_unit());
    if (!accused.ok()) return accused.status();
    query.accused_units.push_back(*std::move(accused));
  }
  const std::shared_ptr<const Directory> directory = snapshot();
  Answer answer = directory::Resolve(*directory, reach_, query);
  v1::ResolveRecipientsResponse response;
  for (v1::Recipient& one : answer.recipients) *response.add_recipients() = std::move(one);
  for (const PassedOver& one : answer.passed_over) {
    response.add_passed_over(one.english);
    response.add_passed_over_zh(one.chinese);
  }
  response.set_office_hours(answer.office_hours);
  response.set_version(directory->version());
  return response;
}

void Service::RunPreflight(const CallContext& call, v1::RunPreflightRequest request,
                           Done<v1::RunPreflightResponse> done) {
  executor_->Post([this, now = call.now, request = std::move(request), done = std::move(done)]() mutable {
    done(Preflight(now, request));
  });
}

absl::StatusOr<v1::RunPreflightResponse> Service::Preflight(absl::Time now,
                                                            const v1::RunPreflightRequest& request) {
  if (request.days() < 0 || request.days() > 31) {
    return error::BadField(Reason::ERROR_REASON_FIELD_INVALID, "days", "must be from 0 to 31",
                           "应在0至31之间");
  }
  const auto start = ReadTime("start_time", request.has_start_time(), request.start_time(), now);
  if (!start.ok()) return start.status();
  std::string unit;
  if (!request.unit().empty()) {
    auto code = CodeOf("unit", request.unit());
    if (!code.ok()) return code.status();
    unit = *std::move(code);
  }
  const absl::Time end = *start + absl::Hours(24 * (request.days() == 0 ? 7 : request.days()));
  const std::shared_ptr<const Directory> directory = snapshot();
  v1::RunPreflightResponse response;
  std::map<std::pair<std::string, int>, size_t> rungs;
  std::vector<v1::PreflightGap> gaps;
  size_t bytes = 0;
  for (Gap& gap : directory::Preflight(*directory, reach_, *start, end, unit)) {
    rungs[{gap.unit, gap.rung}] = 0;
    v1::PreflightGap& one = gaps.emplace_back();
    one.set_unit(gap.unit);
    one.set_display_name(directory->FindUnit(gap.unit)->display_name());
    one.set_rung(gap.rung);
    *one.mutable_start_time() = ToProto(gap.start);
    *one.mutable_end_time() = ToProto(gap.end);
    one.set_reason(std::move(gap.reason.english));
    one.set_reason_zh(std::move(gap.reason.chinese));
    bytes += one.ByteSizeLong();
  }
  // What is left out is not another unit's or rung's, of which something has to be done today, but later gaps
  // of each.
  const size_t fit = bytes <= kMaxGapBytes ? gaps.size() : gaps.size() * kMaxGapBytes / bytes;
  const size_t each = bytes <= kMaxGapBytes ? fit : std::max<size_t>(1, fit / rungs.size());
  for (v1::PreflightGap& gap : gaps) {
    if (static_cast<size_t>(response.gaps_size()) == fit) break;
    if (++rungs[{gap.unit(), gap.rung()}] <= each) *response.add_gaps() = std::move(gap);
  }
  response.set_unit_count(unit.empty() ? static_cast<int32_t>(directory->Units().size()) : 1);
  response.set_unreachable_rungs(static_cast<int32_t>(rungs.size()));
  *response.mutable_start_time() = ToProto(*start);
  *response.mutable_end_time() = ToProto(end);
  response.set_version(directory->version());
  return response;
}

}  // namespace hotline::escalation::directory
