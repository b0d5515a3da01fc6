// A peer behind a spool: what Link hands over is written into bundles, and what the peer's bundles brought is
// told from memory. Bundles are described in bundle.proto; SpoolInbox reads the peer's.
//
//   Link ──Deliver──► SpoolPeer ──bundle──► out directory ═ any tool ═► the peer's in directory
//                        ▲ receipts, answers, seen
//   DispatchService ◄── SpoolInbox ◄──bundle── in directory ◄═ any tool ═ the peer's out directory
#ifndef SERVICES_DISPATCH_SPOOL_SPOOL_PEER_H_
#define SERVICES_DISPATCH_SPOOL_SPOOL_PEER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/base/mutex.h"
#include "common/contract/peer.h"
#include "hotline/exchange/v1/bundle.pb.h"
#include "services/dispatch/spool/core/bundle_file.h"
#include "services/dispatch/spool/files.h"
#include "services/dispatch/spool/sealer.h"

namespace hotline::dispatch {

// Why SpoolInbox put a file aside. `kRejectNames` has their names for metrics and logs.
enum class Reject {
  kForeign,    // no bundle by its name or its first bytes
  kForm,       // a later version of the file's form
  kTooLarge,   // more than any bundle may have
  kTruncated,  // shorter than it says, and did not grow
  kMalformed,  // cannot be read
  kSignature,  // not the peer's, or altered
  kParty,      // from or for somebody else
  kVersion,    // a version of the protocol that is not spoken here
  kRefused,    // this site refused one of its parts
  kEarly,      // too many before it are missing; not kept, as the peer sends it again
};
inline constexpr int kRejects = 10;
inline constexpr std::string_view kRejectNames[kRejects] = {
    "foreign",   "form",  "too_large", "truncated", "malformed",
    "signature", "party", "version",   "refused",   "early"};

struct SpoolOptions {
  std::string hotline;  // this site
  std::string peer;
  // One of each for each peer. Made if missing.
  std::string out_directory;
  std::string in_directory;
  // A bundle with a batch of 4 MiB must fit.
  int64_t max_bundle_bytes = int64_t{8} << 20;
  // Of all files in the directory out. Emergencies may go beyond it by two bundles, so that they pass what
  // nobody fetches; and what holds no batch by four, so that two sites whose directories are both full can
  // still tell each other what may be removed.
  int64_t quota_bytes = int64_t{1} << 30;
  absl::Duration scan_interval = absl::Milliseconds(500);
  // Questions without an answer are written again after this; files that a later one has made unnecessary are
  // left this long to a tool that may be copying them.
  absl::Duration resend_after = absl::Seconds(60);
  // A file that is not whole, or not a bundle, is put aside when it has not grown for this long.
  absl::Duration patience = absl::Seconds(30);
  int scan_limit = 64;  // files read before the receipts for them are written
  // Versions of the exchange protocol spoken here, and what this site can do beyond the least.
  std::vector<int> supported_versions = {1};
  std::vector<std::string> capabilities;
  // Signs a receipt as of now, so that what an idle lane repeats is not by a key that has ended. Empty: as it
  // was given.
  std::function<absl::Status(exchange::v1::LinkReceipt* receipt, absl::Time now)> sign_receipt;
  // Told of each file that is put aside. May be empty.
  std::function<void(const std::string& name, Reject why, const absl::Status& detail)> on_reject;
  // Told when a directory cannot be used, and (OK) when it can again. May be empty.
  std::function<void(const absl::Status& trouble)> on_trouble;
};

// What is counted. Thread-safe to read.
struct SpoolCounters {
  std::atomic<int64_t> bundles_written{0};
  std::atomic<int64_t> bytes_written{0};
  std::atomic<int64_t> bundles_read{0};  // valid ones, repeats included
  std::atomic<int64_t> bytes_read{0};
  std::atomic<int64_t> bundles_doubled{0};
  std::atomic<int64_t> rejected[kRejects] = {};
};

// How a spool stands, as of its last scan.
struct SpoolStatus {
  int64_t out_files = 0;
  int64_t out_bytes = 0;
  absl::Time oldest_out_time = absl::InfiniteFuture();  // when the oldest of them was written
  int64_t in_files = 0;
  int64_t held_files = 0;  // of those, bundles that wait for an earlier one
  absl::Time known_time = absl::InfinitePast();
};

// The Peer methods, `counters` and `status` are thread-safe; all else happens on the executor, whose tasks
// may block on the disk. What is passed outlives this; the executor is stopped before.
class SpoolPeer final : public Peer {
 public:
  SpoolPeer(SpoolFiles* files, const BundleSealer* sealer, Executor* executor, const Clock* clock,
            SpoolOptions options);

  // Errors beside those of the contract: OVERLOADED when the directory out is over its quota, DISK_FULL,
  // STORE_FAILED; and, a while after the batch, whatever the peer refused it for.
  void Deliver(const CallContext& call, exchange::v1::DeliverRequest request,
               Done<exchange::v1::DeliverResponse> done) override;
  // Answered from the peer's newest bundle. Before the first it says that the peer speaks what is asked for,
  // and of both lanes nothing (no `incoming`).
  void GetLink(const CallContext& call, exchange::v1::GetLinkRequest request,
               Done<exchange::v1::GetLinkResponse> done) override;
  // Asked until the call's deadline, then DEADLINE_EXCEEDED. Who allows for a connection only is given twice
  // `resend_after`, and nobody more than ten weeks.
  void Backfill(const CallContext& call, exchange::v1::BackfillRequest request,
                Done<exchange::v1::BackfillResponse> done) override;
  void Reconcile(const CallContext& call, exchange::v1::ReconcileRequest request,
                 Done<exchange::v1::ReconcileResponse> done) override;
  bool store_and_forward() const override { return true; }
  void OnReceipt(exchange::v1::Lane lane, std::function<void(exchange::v1::LinkReceipt)> told) override;
  absl::Time known_time() const override { return status().known_time; }

  const SpoolCounters& counters() const { return counters_; }
  SpoolStatus status() const;

 private:
  friend class SpoolInbox;

  using Lane = exchange::v1::Lane;
  struct Range {
    Lane lane;
    int64_t first;
    int64_t last;
  };
  // A file in the directory out.
  struct OutFile {
    int64_t bytes = 0;
    BundleOrder order;
    absl::Time create_time;
    std::vector<Range> ranges;
    std::vector<std::string> calls;
    bool answers = false;
    absl::Time superseded_time = absl::InfiniteFuture();
  };
  struct Question {
    exchange::v1::BundleCall call;
    absl::Time write_time = absl::InfinitePast();
    Done<exchange::v1::BundleAnswer> done;
  };

  // ---- For SpoolInbox.

  // Takes what the bundle says of the peer. True if no newer one was read before.
  bool Learn(exchange::v1::Bundle* bundle);
  void LearnReceipt(exchange::v1::LinkReceipt receipt);
  void OweReceipt(exchange::v1::LinkReceipt receipt);
  // `status` OK: nothing is refused any more. Lane UNSPECIFIED: the bundle as a whole.
  void OweRefusal(Lane lane, const BundleOrder& bundle, const absl::Status& status);
  void OweAnswer(exchange::v1::BundleAnswer answer);
  // Writes what is owed, asks again, and tidies up. Once a scan.
  void Tick();
  void SetIn(int64_t files, int64_t held);
  // What this site has received in a lane, as last told by OweReceipt.
  const exchange::v1::LinkReceipt* Cursor(Lane lane) const;

  // ---- Writing.

  // Reads what is kept, once. Everything else comes after it.
  absl::Status Open();
  std::string StateName() const;
  absl::Status SaveState();
  // OK if a batch of the lane could be written now; writes a receipt that is due.
  absl::Status Probe(Lane lane);
  // One bundle with `part`, if not null, and of what is owed whatever has room.
  absl::Status Write(exchange::v1::DeliverRequest* part);
  absl::Status WriteNow(exchange::v1::DeliverRequest* part);
  // What parts, questions and answers may take together in one bundle.
  int64_t Room() const { return options_.max_bundle_bytes - kBundleOverheadBytes; }
  // Makes room for `bytes` in the directory: for a batch of `lane`, or for what holds none (UNSPECIFIED).
  absl::Status Reserve(int64_t bytes, Lane lane);
  // Everything owed, in as many bundles as it takes.
  void Flush();
  bool Owes() const;
  // Less than `resend_after` ago. What lies in the future does not: the clock was set back.
  bool Recent(absl::Time time) const;
  bool Due(const Question& question) const;
  // Follows what others did in the directory out.
  absl::Status Refresh();
  OutFile Describe(int64_t bytes, const exchange::v1::Bundle& bundle) const;
  // Removes own files that are of no more use.
  void Settle(bool in_need);
  bool Acknowledged(const Range& range) const;
  // A later bundle says all that this one does. `part` is the later one's batch, or null.
  bool Superseded(const OutFile& file, const Range* part) const;
  void RemoveOut(std::map<std::string, OutFile>::iterator* file);
  void Report(const absl::Status& trouble);

  // ---- Asking.

  void Ask(const CallContext& call, exchange::v1::BundleCall question, Done<exchange::v1::BundleAnswer> done);
  void Expire(const std::string& id);

  SpoolFiles* const files_;
  const BundleSealer* const sealer_;
  Executor* const executor_;
  const Clock* const clock_;
  const SpoolOptions options_;
  SpoolCounters counters_;

  mutable Mutex mu_;
  SpoolStatus status_ ABSL_GUARDED_BY(mu_);
  std::map<Lane, std::function<void(exchange::v1::LinkReceipt)>> on_receipt_ ABSL_GUARDED_BY(mu_);

  // Touched on the executor only.
  bool open_ = false;
  bool changed_ = false;  // the kept state is behind
  BundleOrder own_;       // the latest written, or tried
  exchange::v1::BundleHeader newest_;
  bool heard_ = false;  // newest_ is there
  std::map<Lane, exchange::v1::LinkReceipt> peer_receipts_;
  std::map<Lane, int64_t> peer_last_;  // last envelope seen in a bundle
  std::map<Lane, exchange::v1::LinkReceipt> receipts_;
  bool receipt_due_ = false;
  std::map<Lane, exchange::v1::BundleRefusal> refusals_;
  std::map<Lane, std::string> told_refusals_;      // serialized, so that each is told once
  std::map<Lane, absl::Status> pending_refusals_;  // for the next Deliver
  std::map<std::string, Question> questions_;
  int64_t asked_ = 0;
  std::deque<exchange::v1::BundleAnswer> answers_;
  std::map<std::string, OutFile> out_;
  int64_t out_bytes_ = 0;
  std::map<Lane, int64_t> refused_bytes_;  // size of the lane's batch that did not fit the quota
  bool write_failed_ = false;              // the last one, for another reason
  bool flush_posted_ = false;
  absl::Status trouble_;
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_SPOOL_SPOOL_PEER_H_
