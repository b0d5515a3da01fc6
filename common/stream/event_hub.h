// Serves a site's log to many watchers: ordered, gap-free, resumable, with heartbeats, each message encoded
// once for all watchers that stand at the same place. Recent events come from memory; older ones are fetched.
//
// The messages are those of WatchWorkOrdersResponse and WatchHandoffsResponse, which have the same fields.
#ifndef COMMON_STREAM_EVENT_HUB_H_
#define COMMON_STREAM_EVENT_HUB_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/loop.h"
#include "common/contract/stream.h"

namespace hotline {

class EventHub {
 public:
  // One event of the log.
  struct Item {
    int64_t sequence = 0;
    std::string order_id;
    int64_t previous = 0;     // sequence of the order's event before this one; 0: none, or not known
    bool shown = true;        // false: moves the watermark but is not sent
    bool restricted = false;  // sent only to who is cleared
    bool veiled = false;      // sent without what was written to who may not know the caller
    bool echo = false;        // says that a watch showed the order: to show it needs no record of its own
    bool erases = false;      // says that what was written about the order was erased, in earlier events too
    SharedMessage bytes;      // serialized hotline.type.v1.Event; if it is another message it is not veiled
  };
  using Items = std::vector<Item>;

  // The order that a client wants to watch, as items name it: `text` is its id, in either case, or empty for
  // all. What names no order, such as a number, is refused: a watch of it would be silent for ever.
  static absl::StatusOr<std::string> OrderOf(std::string_view text);
  // What `ring`, whose sequences have no gap, keeps of the order of its last item holds for that order's
  // earlier ones, from before the order was restricted or veiled, too; if it says that what was written about
  // the order was erased, they are left without it, as in the store. Returns by how many bytes they shrank.
  static size_t KeepLikewise(std::deque<Item>* ring);

  // Who watches.
  struct Viewer {
    bool cleared = false;  // sees restricted orders
    bool whole = false;    // sees who the callers are
    // Records that restricted orders are shown, and calls `then` with what became of it, from any thread:
    // what is shown waits for it, and a failure ends the stream. Called on the executor, once for each order;
    // null: nothing is recorded. Not called after the hub is gone.
    absl::AnyInvocable<void(std::vector<std::string> order_ids, absl::AnyInvocable<void(absl::Status)> then)>
        record;
  };
  // Reads at most `limit` consecutive events from `start` on and calls back from any thread;
  // SEQUENCE_OUT_OF_RANGE if `start` lies beyond the log's head and the one after it. Called on the executor.
  using Fetch = absl::AnyInvocable<void(int64_t start, int limit,
                                        absl::AnyInvocable<void(absl::StatusOr<Items>)> done)>;

  struct Options {
    size_t ring_items = 32768;                      // recent events kept
    size_t ring_bytes = 32 << 20;                   // and their size
    int batch_items = 256;                          // most events in one message
    size_t batch_bytes = 1 << 20;                   // and their size, unless one alone is larger
    absl::Duration tick = absl::Milliseconds(500);  // grain of heartbeats
  };

  // `executor` and `clock` outlive the hub; the executor is stopped before the hub is destroyed.
  EventHub(Executor* executor, const Clock* clock, Fetch fetch, Options options);
  ~EventHub();

  // The log's head when serving begins. Streams opened before wait for it. Thread-safe.
  void SetHead(int64_t head);
  // The log was set back: ends every stream with `why`, forgets what was published, and waits for SetHead
  // anew. Thread-safe; keeps its place among calls of Publish and SetHead from the same thread.
  void Reset(absl::Status why);
  // Appends what was committed: consecutive, beginning at head + 1. Thread-safe; calls from one thread keep
  // their order.
  void Publish(Items items);
  // Opens a stream from `start` on (0: from the next event on), of one order or of all (`order_id` empty), as
  // `viewer` may see it, that is silent for no longer than `heartbeat` (a multiple of the tick is used). Its
  // first word comes within a tick of the head's being known, so that whoever asked for what comes from now
  // on knows where to resume before anything is missed. A start beyond the log's head ends it with
  // SEQUENCE_OUT_OF_RANGE. Thread-safe.
  std::unique_ptr<MessageStream> Open(int64_t start, std::string order_id, absl::Duration heartbeat,
                                      Viewer viewer);
  // The same for a log whose items are not veiled and whose showing is not recorded.
  std::unique_ptr<MessageStream> Open(int64_t start, std::string order_id, absl::Duration heartbeat,
                                      bool cleared = false) {
    return Open(start, std::move(order_id), heartbeat, Viewer{.cleared = cleared, .whole = cleared});
  }
  // Ends every stream with a message that says `draining`. Thread-safe.
  void Drain();
  // Last event published; -1 before SetHead. Thread-safe.
  int64_t head() const;
  // Streams open now. Thread-safe.
  int64_t open_streams() const;

 private:
  class State;
  class Stream;
  const std::shared_ptr<State> state_;
};

}  // namespace hotline

#endif  // COMMON_STREAM_EVENT_HUB_H_
