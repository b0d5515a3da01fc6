// What retention erases of an order's records and events, and how a log from which texts were erased is still
// checked. Pure.
//
// What a person wrote in words of their own is erased, with the keyed hash of the caller's number and the
// salt of the content's digest. What stays says what happened, when, and which offices and accounts did it:
// codes, numbers, times, grounds by name, legal references.
//
// An event that said such words is stored without them under its old hash, so the chain goes on from it but
// its bytes do not give that hash any more. The event that records the erasure (`Erased`) attests them: it
// lies in the chain and holds a digest over their places, hashes and remaining bytes. So whatever is altered
// afterwards is found, as anywhere in the log; what was written is gone.
#ifndef COMMON_RETENTION_ERASE_H_
#define COMMON_RETENTION_ERASE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "hotline/type/v1/command.pb.h"

namespace hotline::retention {

// What becomes of a text (a `string` or `bytes` field) of an order's record or events.
enum class Fate { kKept, kErased, kUnlisted };
// By the field's name, whichever message it is in. Every name that occurs is listed, one way or the other.
Fate FateOf(std::string_view field_name);

// Clears all texts in `message` and in what it holds, however deep, but those that are kept: one that is not
// listed is cleared too. True if there were any.
bool EraseTexts(google::protobuf::Message* message);

// The bytes of the stored event without its texts. Nothing if it has none, or cannot be read.
std::optional<std::string> EventWithoutTexts(std::string_view event_bytes);

// Sums up the rewritten events of an order, in their order, for `Erasure`.
class Attestation {
 public:
  void Add(int64_t sequence, std::string_view previous_hash, std::string_view hash, std::string_view bytes);
  int32_t count() const { return count_; }
  // Into `rewritten_event_count` and `rewritten_digest`.
  void Write(type::v1::Erasure* erasure) const;
  bool Is(const type::v1::Erasure& erasure) const;

 private:
  int32_t count_ = 0;
  std::string digest_;
};

// An event as it is stored.
struct StoredEvent {
  int64_t sequence = 0;
  std::string previous_hash;  // of the event before it in the log
  std::string hash;
  std::string bytes;
};

// Tells whether events whose bytes do not give their hash are those that an erasure attests. Reads all events
// of an order once for each order that it is asked about.
class ErasureCheck {
 public:
  // One event; nothing if there is none.
  using Read = std::function<absl::StatusOr<std::optional<StoredEvent>>(int64_t sequence)>;
  // Sequence of the order's latest event; 0 if the order is not known.
  using Last = std::function<absl::StatusOr<int64_t>(const std::string& order_id)>;
  ErasureCheck(Read read, Last last) : read_(std::move(read)), last_(std::move(last)) {}

  // Whether event `sequence`, whose bytes do not give its hash and say that it is the order's, is among those
  // that the order's erasure attests. Errors: those of reading.
  absl::StatusOr<bool> Attests(const std::string& order_id, int64_t sequence);

 private:
  // Sequences of the attested events of the order.
  absl::StatusOr<std::set<int64_t>> Look(const std::string& order_id) const;

  const Read read_;
  const Last last_;
  std::map<std::string, std::set<int64_t>> known_;
};

}  // namespace hotline::retention

#endif  // COMMON_RETENTION_ERASE_H_
