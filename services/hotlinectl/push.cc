// push and register: orders from flags, or many from a file.
#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_format.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/text.h"
#include "common/contract/proto_time.h"
#include "common/error/error.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/core/import.h"
#include "services/hotlinectl/core/input.h"
#include "services/hotlinectl/core/order_form.h"
#include "services/hotlinectl/core/output.h"
#include "services/hotlinectl/core/render.h"

namespace hotline::hotlinectl {
namespace {

using dispatch::v1::BatchPushWorkOrdersRequest;
using dispatch::v1::BatchPushWorkOrdersResponse;
using dispatch::v1::PushWorkOrderRequest;
using dispatch::v1::PushWorkOrderResponse;

constexpr int kMaxBatchOrders = 64;
// Well below the message limit of the services.
constexpr size_t kMaxBatchBytes = size_t{2} << 20;
// A row that the service was too busy for is tried this often.
constexpr int kMaxRowAttempts = 6;
// Lines about failed rows that a person can still read.
constexpr int64_t kMaxShownFailures = 100;
// Whoever is to use the telephone waits no longer for why.
constexpr absl::Duration kUrgencyTimeout = absl::Seconds(2);
// How long the site is asked for its time: an emergency in a later row waits for it.
constexpr absl::Duration kSiteTimeTimeout = absl::Seconds(2);

constexpr Phrase kFaultAndAdvice{"$0; $1", "$0；$1"};

// How long to wait for the answer to a push that itself waits for a receipt.
absl::Duration PushTimeout(const PushWorkOrderRequest& request) {
  constexpr absl::Duration kMargin = absl::Seconds(5);
  return std::max(Client::kDefaultTimeout, absl::Seconds(request.receipt_wait().seconds()) + kMargin);
}

// Somebody can be answered, or was said to want no name; an empty number or cell is neither.
bool HasCaller(const type::v1::OrderContent& content) {
  const type::v1::Caller& caller = content.caller();
  return caller.anonymous() || !Trim(caller.phone()).empty() || !Trim(caller.contact_phone()).empty() ||
         !Trim(caller.name()).empty();
}

// Pushes one and waits for a receipt if the request says so.
std::optional<Failure> PushAlone(Session& session, const PushWorkOrderRequest& request,
                                 PushWorkOrderResponse* response) {
  return session.client.Call(&DispatchService::StubInterface::PushWorkOrder, request, response,
                             PushTimeout(request));
}

int PushOne(Session& session) {
  Console& console = session.console;
  auto request = FromFlags(session);
  if (!request.ok()) return console.Fail({.status = request.status()});
  const bool exists = !session.arguments.operand.empty();
  if (!exists && !HasCaller(request->content())) return console.Fail(Misuse(say::kNeedsCaller));
  if (!exists) ApplyFormDefaults(*request);
  *request->mutable_header() = MakeHeader(session);
  request->mutable_offer()->set_confirm_bounce(session.arguments.Has("confirm-bounce"));
  request->set_find_similar(session.arguments.Has("similar"));
  PushWorkOrderResponse response;
  if (auto failure = PushAlone(session, *request, &response); failure) {
    // What cannot wait must not wait for a retry where nobody can say whether it left.
    failure->telephone_required =
        IsUnsure(*failure) &&
        (NeedsTelephone(*request) || (exists && MayBeEmergency(session, session.arguments.operand)));
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else {
    const auto& handoff = response.order().handoff();
    console.OutLine(Say(console.language(), say::kPushed, response.order().number(), handoff.from_hotline(),
                        handoff.to_hotline(), EnumLabel(console.language(), response.status())));
    if (response.has_similar()) PrintSimilar(session, response.similar());
    if (response.telephone_required())
      console.ErrLine(Say(console.language(), say::kTelephone), Colour::kRed);
    if (!response.advice().empty() && console.language() == Language::kChinese) {
      console.ErrLine(Printable(response.advice(), /*keep_lines=*/true));
    }
  }
  return response.telephone_required() ? kExitTelephone : kExitOk;
}

// Pushes the orders of a file, batch after batch, and keeps the count.
class FilePush {
 public:
  FilePush(Session& session, std::string bytes, Format format, std::vector<ImportedOrder> orders)
      : session_(session),
        console_(session.console),
        bytes_(std::move(bytes)),
        format_(format),
        orders_(std::move(orders)),
        start_(SystemClock()->Now()) {}

  // `orders` point into `bytes`, which this keeps: so both are made by it.
  static absl::StatusOr<std::unique_ptr<FilePush>> Open(Session& session, std::string bytes) {
    const Arguments& arguments = session.arguments;
    Format format = DetectFormat(arguments.Text("file"), bytes);
    if (arguments.Has("format")) format = arguments.Text("format") == "csv" ? Format::kCsv : Format::kJson;
    auto push = std::make_unique<FilePush>(session, std::move(bytes), format, std::vector<ImportedOrder>());
    auto orders = ParseOrders(push->bytes_, format);
    if (!orders.ok()) return orders.status();
    push->orders_ = *std::move(orders);
    return push;
  }

  int Run() {
    auto defaults = FromFlags(session_);
    if (!defaults.ok()) return console_.Fail({.status = defaults.status()});
    for (Row& row : MakeRows(*defaults)) waiting_.push_back(std::move(row));
    ShowProgress();
    absl::InsecureBitGen random;
    Backoff backoff(absl::Milliseconds(200), absl::Seconds(2));
    while (!waiting_.empty() && !stopped_) {
      pause_ = absl::ZeroDuration();
      if (NeedsTelephone(waiting_.front().request)) {
        // Its outcome must not hang on that of a batch.
        PushAwaited();
      } else {
        PushBatch();
      }
      ShowProgress();
      if (pause_ > absl::ZeroDuration()) {
        Pause(std::max(pause_, backoff.Next(random)));
      } else {
        backoff.Reset();
      }
    }
    console_.EndProgress();
    return Summarize();
  }

 private:
  struct Row {
    const ImportedOrder* order;
    PushWorkOrderRequest request;
    int attempts = 0;
  };

  std::vector<Row> MakeRows(const PushWorkOrderRequest& defaults) {
    const std::string digest = FileDigest(bytes_);
    std::vector<Row> rows;
    for (const ImportedOrder& order : orders_) {
      if (!order.status.ok()) {
        RowFailed(order, "", order.status);
        continue;
      }
      Row row{.order = &order, .request = MergeForms(defaults, order.request)};
      if (order.flat) ApplyFormDefaults(row.request);
      auto& header = *row.request.mutable_header();
      if (header.order_id().empty() && !HasCaller(row.request.content())) {
        RowFailed(order, "",
                  error::BadField(type::v1::ERROR_REASON_FIELD_REQUIRED, "content.caller",
                                  say::kNeedsCaller.en, say::kNeedsCaller.zh));
        continue;
      }
      if (header.request_id().empty()) header.set_request_id(RowRequestId(digest, order.row));
      // What the row leaves out of who acts.
      type::v1::Actor actor = ActorOf(session_.arguments);
      actor.MergeFrom(header.actor());
      *header.mutable_actor() = std::move(actor);
      rows.push_back(std::move(row));
    }
    return rows;
  }

  void PushAwaited() {
    Row row = std::move(waiting_.front());
    waiting_.pop_front();
    PushWorkOrderResponse response;
    if (auto failure = PushAlone(session_, row.request, &response); failure) {
      failure->telephone_required = IsUnsure(*failure);
      telephone_ = telephone_ || failure->telephone_required;
      Stop(*failure, {&row, 1});
      return;
    }
    RowPushed(row, response);
  }

  void PushBatch() {
    std::vector<Row> batch;
    size_t size = 0;
    while (!waiting_.empty() && batch.size() < kMaxBatchOrders && !NeedsTelephone(waiting_.front().request)) {
      size += waiting_.front().request.ByteSizeLong();
      if (!batch.empty() && size > kMaxBatchBytes) break;
      batch.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    BatchPushWorkOrdersRequest request;
    for (const Row& row : batch) *request.add_requests() = row.request;
    BatchPushWorkOrdersResponse response;
    if (auto failure =
            session_.client.Call(&DispatchService::StubInterface::BatchPushWorkOrders, request, &response);
        failure) {
      Stop(*failure, batch);
      return;
    }
    for (size_t i = 0; i < batch.size(); ++i) {
      if (i >= static_cast<size_t>(response.results_size())) {
        RowFailed(*batch[i].order, batch[i].request.header().request_id(),
                  error::Internal("no answer for the row"));
        continue;
      }
      const auto& result = response.results(static_cast<int>(i));
      if (result.has_response()) {
        RowPushed(batch[i], result.response());
        continue;
      }
      const absl::Status status = error::FromProto(result.error());
      if (IsWorthRetrying(status) && ++batch[i].attempts < kMaxRowAttempts) {
        pause_ = std::max({pause_, error::RetryDelayOf(status), absl::Milliseconds(1)});
        waiting_.push_back(std::move(batch[i]));
        continue;
      }
      RowFailed(*batch[i].order, batch[i].request.header().request_id(), status);
    }
  }

  // The call itself failed, after its own retries. What stands against one batch (it is too large for the
  // service, say) is told of its rows; what stands against all of them ends the run.
  void Stop(const Failure& failure, absl::Span<const Row> rows) {
    for (const Row& row : rows)
      RowFailed(*row.order, row.request.header().request_id(), failure.status, &failure);
    const ExitCode code = ExitCodeOf(failure.status);
    stopped_ = failure.usage || code == kExitUnreachable || code == kExitTryLater ||
               absl::IsPermissionDenied(failure.status) || absl::IsUnauthenticated(failure.status) ||
               absl::IsUnimplemented(failure.status) || failure.advice != nullptr;
  }

  // When this run began, by the site's clock, or earlier: its machine may not have the time of this one.
  // Where it cannot be asked, nothing is taken for an earlier run's.
  absl::Time BeganThere() {
    if (began_there_.has_value()) return *began_there_;
    began_there_ = absl::InfinitePast();
    // Counts alone: a list would show orders, and that would be recorded.
    escalation::v1::ListLampsResponse lamps;
    if (!session_.client.Call(&ReportService::StubInterface::ListLamps, escalation::v1::ListLampsRequest(),
                              &lamps, kSiteTimeTimeout, kSiteTimeTimeout) &&
        lamps.has_server_time()) {
      // Said before now: so that what this run pushed is never taken for an earlier one's.
      *began_there_ = start_ + (FromTimestamp(lamps.server_time()) - SystemClock()->Now());
    } else {
      knows_known_ = false;
    }
    return *began_there_;
  }

  // The site answered as it did the first time. It does not say so, but the offer is older than this run.
  bool IsKnown(const PushWorkOrderResponse& response) {
    const type::v1::WorkOrder& order = response.order();
    if (!order.handoff().has_offer_time() && !order.has_register_time()) return false;
    return FromTimestamp(order.handoff().has_offer_time() ? order.handoff().offer_time()
                                                          : order.register_time()) < BeganThere();
  }

  void RowPushed(const Row& row, const PushWorkOrderResponse& response) {
    // Before anything that may take time.
    if (response.telephone_required() && !console_.json()) Shout(*row.order, say::kTelephone);
    const bool known = IsKnown(response);
    if (known) {
      known_.push_back(row.order->row);
    } else {
      ++pushed_;
    }
    telephone_ = telephone_ || response.telephone_required();
    if (console_.json()) {
      console_.OutLine(StrCat("{\"row\":", row.order->row, ",\"line\":", row.order->line,
                              ",\"requestId\":", JsonString(row.request.header().request_id()),
                              known ? ",\"known\":true" : "", ",\"response\":", ToJson(response), "}"));
    }
  }

  void RowFailed(const ImportedOrder& order, const std::string& request_id, const absl::Status& status,
                 const Failure* call = nullptr) {
    Failure failure = call != nullptr ? *call : Failure{.status = status};
    failure.request_id = request_id;
    const std::string field = error::FieldOf(status);
    session_.client.ExplainUnit(UnitAt(order.request, field), &failure);
    ++failed_;
    const ExitCode code = ExitCodeOf(failure);
    if (first_code_ == kExitOk) first_code_ = code;
    // Of the others it is not sure that they were refused; the same file again settles that.
    if (code == kExitInvalid || code == kExitNotFound || code == kExitConflict) rejects_.push_back(&order);
    if (console_.json()) {
      const std::string names = NamesInFile(bytes_, format_, order, field, console_.language());
      console_.OutLine(StrCat("{\"row\":", order.row, ",\"line\":", order.line,
                              names.empty() ? "" : ",\"column\":", names.empty() ? "" : JsonString(names),
                              ",\"error\":", FailureJson(failure), "}"));
      return;
    }
    if (failure.telephone_required) Shout(order, say::kTelephoneUnsure);
    if (failed_ > kMaxShownFailures) {
      if (failed_ == kMaxShownFailures + 1) console_.ErrLine(Say(console_.language(), say::kMoreFailures));
      return;
    }
    const Language language = console_.language();
    std::string message = Printable(
        FaultInFile(failure, NamesInFile(bytes_, format_, order, field, language), format_, language), false);
    if (!failure.unit_code.empty())
      message = Say(language, kFaultAndAdvice, message, FailureAdvice(failure, language));
    console_.ErrLine(Say(language, say::kRowError, order.row, order.line, message), Colour::kRed);
  }

  // About what needs the telephone: never left out, however many failures there are.
  void Shout(const ImportedOrder& order, const Phrase& phrase) {
    const Language language = console_.language();
    console_.ErrLine(Say(language, say::kRowError, order.row, order.line, Say(language, phrase)),
                     Colour::kRed);
  }

  void ShowProgress() {
    if (!console_.shows_progress()) return;
    constexpr size_t kBarWidth = 24;
    const size_t done = static_cast<size_t>(pushed_ + failed_) + known_.size();
    const size_t filled = orders_.empty() ? 0 : done * kBarWidth / orders_.size();
    console_.Progress(Say(console_.language(), say::kImportProgress,
                          StrCat("[", std::string(filled, '#'), std::string(kBarWidth - filled, '-'), "]"),
                          done, orders_.size(), pushed_, known_.size(), failed_));
  }

  int Summarize() {
    const Language language = console_.language();
    const int64_t total = static_cast<int64_t>(orders_.size());
    const int64_t known = static_cast<int64_t>(known_.size());
    const int64_t untried = total - pushed_ - known - failed_;
    const double seconds = absl::ToDoubleSeconds(SystemClock()->Now() - start_);
    const std::string& rejects = session_.arguments.Text("rejects");
    // What was not tried is not on its way.
    for (const Row& row : waiting_) {
      if (!NeedsTelephone(row.request)) continue;
      telephone_ = true;
      if (console_.json()) {
        console_.OutLine(StrCat("{\"row\":", row.order->row, ",\"line\":", row.order->line,
                                ",\"requestId\":", JsonString(row.request.header().request_id()),
                                ",\"notTried\":true,\"telephoneRequired\":true}"));
      } else {
        Shout(*row.order, say::kTelephoneUnsure);
      }
    }
    bool written = true;
    if (!rejects.empty() && !rejects_.empty()) {
      std::sort(rejects_.begin(), rejects_.end(),
                [](const auto* a, const auto* b) { return a->row < b->row; });
      written = WritePrivate(rejects, ExtractRows(bytes_, format_, rejects_), IfExists::kReplace);
    }
    if (console_.json()) {
      console_.OutLine(StrCat("{\"summary\":{\"orders\":", total, ",\"pushed\":", pushed_,
                              ",\"known\":", knows_known_ ? StrCat(known) : "null", ",\"failed\":", failed_,
                              ",\"notTried\":", untried, "}}"));
    } else {
      // Those that were retried came later.
      std::sort(known_.begin(), known_.end());
      if (known > 0) console_.ErrLine(Say(language, say::kRowsKnown, RowRanges(known_)), Colour::kYellow);
      console_.OutLine(
          Say(language, say::kImportDone, total, pushed_, known, failed_, untried,
              absl::StrFormat("%.1f", seconds),
              absl::StrFormat("%.0f", seconds > 0 ? static_cast<double>(pushed_ + known) / seconds : 0.0)));
      if (!knows_known_) console_.ErrLine(Say(language, say::kKnownUnknown), Colour::kYellow);
      if (stopped_) console_.ErrLine(Say(language, say::kImportStopped), Colour::kYellow);
      if (!rejects.empty() && written && !rejects_.empty()) {
        console_.ErrLine(Say(language, say::kRejectsWritten, rejects_.size(), rejects));
      }
    }
    int code = first_code_;
    if (!written) {
      code = console_.Fail({.status = absl::UnknownError(Say(language, say::kCannotWrite, rejects))});
    }
    return telephone_ ? static_cast<int>(kExitTelephone) : code;
  }

  Session& session_;
  Console& console_;
  const std::string bytes_;
  const Format format_;
  std::vector<ImportedOrder> orders_;
  const absl::Time start_;
  std::deque<Row> waiting_;
  // Before the next batch, because rows asked to come back.
  absl::Duration pause_;
  std::optional<absl::Time> began_there_;
  bool knows_known_ = true;  // rows of an earlier run can be told from others
  int64_t pushed_ = 0;
  std::vector<int64_t> known_;  // rows that an earlier run pushed
  int64_t failed_ = 0;
  ExitCode first_code_ = kExitOk;
  bool telephone_ = false;
  bool stopped_ = false;
  std::vector<const ImportedOrder*> rejects_;
};

}  // namespace

absl::StatusOr<PushWorkOrderRequest> FromFlags(const Session& session) {
  PushWorkOrderRequest request;
  for (const FormField& field : FormFields()) {
    if (field.file_only) continue;
    for (const std::string& text : session.arguments.All(field.flag.name)) {
      // On the command line times may be relative to now.
      const auto time = field.flag.kind == ValueKind::kTime ? ParseTime(text, session.now) : std::nullopt;
      const std::string value = time ? absl::FormatTime(absl::RFC3339_full, *time, Beijing()) : text;
      if (absl::Status status = SetFormField(field, value, request); !status.ok()) return status;
    }
  }
  return request;
}

bool MayBeEmergency(Session& session, const std::string& order_id) {
  workorder::v1::GetWorkOrderRequest request;
  request.set_order_id(order_id);
  workorder::v1::GetWorkOrderResponse response;
  const auto failure = session.client.Call(&WorkOrderService::StubInterface::GetWorkOrder, request, &response,
                                           kUrgencyTimeout, kUrgencyTimeout);
  return failure.has_value() || response.order().urgency() == type::v1::URGENCY_EMERGENCY;
}

int Push(Session& session) {
  if (!session.arguments.Has("file")) return PushOne(session);
  std::string bytes;
  if (auto failure = ReadInput(session.arguments.Text("file"), kMaxImportBytes, &bytes); failure) {
    return session.console.Fail(*failure);
  }
  auto push = FilePush::Open(session, std::move(bytes));
  return push.ok() ? (*push)->Run() : session.console.Fail({.status = push.status()});
}

int Register(Session& session) {
  Console& console = session.console;
  auto form = FromFlags(session);
  if (!form.ok()) return console.Fail({.status = form.status()});
  if (!HasCaller(form->content())) return console.Fail(Misuse(say::kNeedsCaller));
  ApplyFormDefaults(*form);
  workorder::v1::CreateWorkOrderRequest request;
  *request.mutable_header() = MakeHeader(session);
  type::v1::OrderContent& content = *request.mutable_registration()->mutable_content();
  content = std::move(*form->mutable_content());
  // What is only registered, nobody routes.
  if (content.urgency() == type::v1::URGENCY_UNSPECIFIED) content.set_urgency(type::v1::URGENCY_NORMAL);
  workorder::v1::CreateWorkOrderResponse response;
  if (auto failure =
          session.client.Call(&WorkOrderService::StubInterface::CreateWorkOrder, request, &response);
      failure) {
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else {
    console.OutLine(Say(console.language(), say::kRegistered, response.order().number(),
                        EnumLabel(console.language(), response.order().state())));
  }
  return kExitOk;
}

}  // namespace hotline::hotlinectl
