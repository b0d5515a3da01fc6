// The tables of the directory, in a file of their own beside the clocks': what is in them is nowhere else, so
// they are no projection and are to be backed up. The only code that writes them; holds no rule of the trade.
//
// Tables: site (whose it is, and the directory's version), entry (each as it stands), change (the history,
// appended to only), request (what each request id was answered).
#ifndef SERVICES_ESCALATION_DIRECTORY_STORE_STORE_H_
#define SERVICES_ESCALATION_DIRECTORY_STORE_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/sql/database.h"
#include "services/escalation/directory/core/directory.h"

namespace hotline::escalation::directory {

// How a request was answered.
struct Answered {
  std::string digest;    // of its body
  std::string response;  // serialized
};

// Used by one thread at a time. Errors: STORE_FAILED (after a failed commit everything is refused until the
// store is opened again), DISK_FULL (nothing was done; may be tried again).
class Store {
 public:
  virtual ~Store() = default;
  // Takes `database` over; creates the tables if they are missing. Errors: FAILED_PRECONDITION if it belongs
  // to another hotline or was written by a newer version.
  static absl::StatusOr<std::unique_ptr<Store>> Open(std::unique_ptr<sql::Database> database,
                                                     std::string_view hotline);

  virtual absl::StatusOr<Directory> Load() = 0;
  // Of the request whose commit failed it says, as Commit does, that the outcome is unknown.
  virtual absl::StatusOr<std::optional<Answered>> FindRequest(std::string_view request_id) = 0;
  // One commit: the entries that `changes` touch, the history, the version and the answer. When it failed for
  // another reason than a full disk, this and the same request again say that the outcome is unknown.
  virtual absl::Status Commit(const std::vector<v1::DirectoryChange>& changes, int64_t version,
                              std::string_view request_id, const Answered& answered) = 0;
  // At most `limit` changes before (version, index), the latest first; `unit` (a code): only those about it.
  virtual absl::StatusOr<std::vector<v1::DirectoryChange>> ListChanges(std::string_view unit,
                                                                       std::pair<int64_t, int64_t> before,
                                                                       int limit) = 0;
  // See sql::Database. Thread-safe.
  virtual absl::Status Checkpoint() = 0;
};

}  // namespace hotline::escalation::directory

#endif  // SERVICES_ESCALATION_DIRECTORY_STORE_STORE_H_
