// DirectoryService: answers from a snapshot, changes one commit at a time, and looks ahead every hour whether
// somebody can be told of every rung.
#ifndef SERVICES_ESCALATION_DIRECTORY_SERVICE_H_
#define SERVICES_ESCALATION_DIRECTORY_SERVICE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/base/mutex.h"
#include "common/contract/call.h"
#include "hotline/config/v1/site.pb.h"
#include "hotline/escalation/v1/directory_service.pb.h"
#include "services/escalation/directory/core/resolve.h"
#include "services/escalation/directory/store/store.h"

namespace hotline::escalation::directory {

// What the look ahead found.
struct PreflightSummary {
  int32_t unreachable_rungs = 0;  // units and rungs with a gap
  int32_t units = 0;              // units with a gap
  int32_t unit_count = 0;         // units looked at
  std::string first_unit;         // code of the first with a gap, and its rung
  type::v1::Rung first_rung = type::v1::RUNG_UNSPECIFIED;
};

// What others are told. Called on the service's executor.
class Listener {
 public:
  virtual ~Listener() = default;
  // At the start, every hour, and after each change.
  virtual void OnPreflight(const PreflightSummary& summary) = 0;
  // The units of the site's list could not be brought in.
  virtual void OnSeedFailed(const absl::Status& status) = 0;
  // A change or a checkpoint could not reach the store.
  virtual void OnStoreFailed(const absl::Status& status) = 0;
  // One has reached it since. A checkpoint proves nothing after a commit that failed for another reason than
  // a full disk: changes are refused then until the process is started again.
  virtual void OnStoreWorks() = 0;
};

// Thread-safe. Promises and errors of the methods are in directory_service.proto.
class Service {
 public:
  static constexpr absl::Duration kLookAhead = absl::Hours(7 * 24);
  static constexpr absl::Duration kLookEvery = absl::Hours(1);

  // `executor` is the service's own, stopped before it is destroyed; `store` is used on it only. What
  // `reach.hours` points to, and `listener`, outlive both.
  Service(Executor* executor, const Clock* clock, std::unique_ptr<Store> store, Reach reach,
          Listener* listener);

  // Reads the store and brings in the site's units. Before anything else, on the caller's thread.
  absl::Status Open(const config::v1::UnitList& units,
                    const std::vector<std::pair<std::string, std::string>>& hotlines);
  // Begins to look ahead.
  void Start();

  void ListDirectory(const CallContext& call, v1::ListDirectoryRequest request,
                     Done<v1::ListDirectoryResponse> done);
  void ChangeDirectory(const CallContext& call, v1::ChangeDirectoryRequest request,
                       Done<v1::ChangeDirectoryResponse> done);
  void ListDirectoryChanges(const CallContext& call, v1::ListDirectoryChangesRequest request,
                            Done<v1::ListDirectoryChangesResponse> done);
  void ResolveRecipients(const CallContext& call, v1::ResolveRecipientsRequest request,
                         Done<v1::ResolveRecipientsResponse> done);
  void RunPreflight(const CallContext& call, v1::RunPreflightRequest request,
                    Done<v1::RunPreflightResponse> done);
  void ImportDirectory(const CallContext& call, v1::ImportDirectoryRequest request,
                       Done<v1::ImportDirectoryResponse> done);
  void ExportDirectory(const CallContext& call, v1::ExportDirectoryRequest request,
                       Done<v1::ExportDirectoryResponse> done);

  // The directory as it stands.
  std::shared_ptr<const Directory> snapshot() const;
  const Reach& reach() const { return reach_; }

 private:
  absl::StatusOr<v1::ListDirectoryResponse> List(const v1::ListDirectoryRequest& request);
  absl::StatusOr<v1::ChangeDirectoryResponse> Change(absl::Time now, v1::ChangeDirectoryRequest request);
  absl::StatusOr<v1::ListDirectoryChangesResponse> ListChanges(
      const v1::ListDirectoryChangesRequest& request);
  absl::StatusOr<v1::ResolveRecipientsResponse> Resolve(absl::Time now,
                                                        const v1::ResolveRecipientsRequest& request);
  absl::StatusOr<v1::RunPreflightResponse> Preflight(absl::Time now, const v1::RunPreflightRequest& request);
  absl::StatusOr<v1::ImportDirectoryResponse> Import(absl::Time now, v1::ImportDirectoryRequest request);

  // Commits what `edits` come to. `respond(outcome, changes)` makes the answer.
  template <typename Response, typename Request, typename Respond>
  absl::StatusOr<Response> Apply(absl::Time now, const Request& request,
                                 const std::vector<v1::DirectoryEdit>& edits,
                                 const std::vector<std::string>& places, Respond respond);
  // The code of the unit that `name` stands for. NOT_FOUND (DIRECTORY_ENTRY_UNKNOWN).
  absl::StatusOr<std::string> CodeOf(std::string_view field, const std::string& name) const;
  void LookAhead();
  void Look();
  // How the store took a commit or a checkpoint.
  void NoteStore(const absl::Status& status);

  Executor* const executor_;
  const Clock* const clock_;
  const std::unique_ptr<Store> store_;
  const Reach reach_;
  Listener* const listener_;
  bool started_ = false;        // set before there are tasks
  bool store_failed_ = false;   // as the listener was told
  bool commit_failed_ = false;  // the last one, and not for a full disk
  mutable Mutex mu_;
  std::shared_ptr<const Directory> directory_ ABSL_GUARDED_BY(mu_) = std::make_shared<const Directory>();
};

}  // namespace hotline::escalation::directory

#endif  // SERVICES_ESCALATION_DIRECTORY_SERVICE_H_
