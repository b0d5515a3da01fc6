// Reads what a peer's spool brings: looks at the directory in, and hands what is whole, signed and meant for
// this site to DispatchService as if the peer had called it. What is none of that is put aside in `rejected/`
// there, which keeps the last few.
#ifndef SERVICES_DISPATCH_SPOOL_SPOOL_INBOX_H_
#define SERVICES_DISPATCH_SPOOL_SPOOL_INBOX_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/dispatch/spool/spool_peer.h"

namespace hotline::dispatch {

// The directory `rejected` keeps at most this much; the oldest go first.
inline constexpr int kMaxRejectedFiles = 64;
inline constexpr int64_t kMaxRejectedBytes = int64_t{256} << 20;

// Works on `peer`'s executor, one file at a time, and writes receipts through `peer`. `local` answers every
// call before this is destroyed; the executor is stopped before.
class SpoolInbox {
 public:
  SpoolInbox(SpoolFiles* files, const BundleSealer* sealer, SpoolPeer* peer, Peer* local, Executor* executor,
             const Clock* clock, SpoolOptions options);

  void Start();
  // Begins no further file.
  void Stop();

 private:
  using Lane = exchange::v1::Lane;
  // A file that was looked at and is still there.
  struct Note {
    enum class Kind {
      kSuspect,  // not whole, or no bundle: it may still be growing
      kHeld,     // waits for envelope `needed` of `lane`
      kPutOff,   // waits while this site recovers its history from the peer
      kDone,     // cannot be removed, and is not read again
    } kind;
    int64_t bytes = 0;
    absl::Time since;
    Lane lane = exchange::v1::LANE_UNSPECIFIED;
    int64_t needed = 0;
  };
  // The bundle under way.
  struct Work {
    SpoolFile file;
    exchange::v1::Bundle bundle;
    BundleOrder order;
    bool newest = false;
    absl::Time written;  // by the writer's clock
    int next_part = 0;
  };
  struct Kept {
    std::string name;
    int64_t bytes;
  };

  void Scan();
  // Learns from `local` how far this site has received.
  void AskCursor(size_t lane);
  // The next file of the scan, until one has to be waited for.
  void Go();
  // Queues the bundles whose turn has come since they were put off.
  void TakeHeld();
  void EndScan();
  // False if it is done with `file` already.
  bool Read(const SpoolFile& file);
  // The next part of the bundle under way, or its end.
  void Part();
  void OnPart(Lane lane, const absl::StatusOr<exchange::v1::DeliverResponse>& response);
  void AnswerCalls();
  void Finish();
  void Hold(Lane lane, int64_t needed);
  void PutOff();
  // The bundle stays where it is, and so does all after it, until a later scan.
  void Postpone();
  // True if it was put aside, false if it may still be growing.
  bool Suspect(const SpoolFile& file, Reject why, const absl::Status& detail);
  void PutAside(const SpoolFile& file, Reject why, const absl::Status& detail);
  void Remove(const SpoolFile& file);
  void TrimRejected();
  absl::Status Open();
  bool Ready(const SpoolFile& file) const;
  void Later();
  CallContext NewCall() const;
  template <typename Response>
  Done<Response> Answering(std::string id, Response* (exchange::v1::BundleAnswer::*field)());

  SpoolFiles* const files_;
  const BundleSealer* const sealer_;
  SpoolPeer* const peer_;
  Peer* const local_;
  Executor* const executor_;
  const Clock* const clock_;
  const SpoolOptions options_;
  const std::string rejected_directory_;

  // Touched on the executor only.
  bool stopped_ = false;
  bool open_ = false;
  bool cursors_known_ = false;
  bool more_ = false;       // the scan left files for the next
  bool postponed_ = false;  // this scan
  int failures_ = 0;        // scans in a row that were postponed
  std::map<std::string, Note> notes_;
  std::deque<SpoolFile> queue_;
  std::unique_ptr<Work> work_;
  int calls_ = 0;  // under way at `local`
  // Bundles applied lately, by their signatures, so that a tool which repeats everything costs little.
  std::set<std::pair<BundleOrder, std::string>> applied_;
  std::deque<std::pair<BundleOrder, std::string>> applied_order_;
  std::string signature_;  // of the bundle under way
  std::deque<Kept> rejected_;
  int64_t rejected_bytes_ = 0;
  int64_t rejected_number_ = 0;
  absl::Status scan_trouble_;
  absl::Status trouble_;  // as last told
};

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_SPOOL_SPOOL_INBOX_H_
