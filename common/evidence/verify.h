// Checks a file of evidence with nothing else than public keys. Pure: no service, no clock.
#ifndef COMMON_EVIDENCE_VERIFY_H_
#define COMMON_EVIDENCE_VERIFY_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "common/crypto/signature.h"

namespace hotline::evidence {

inline constexpr size_t kMaxEvidenceBytes = 64 << 20;

enum class Verdict {
  kOk,      // checked and good
  kGap,     // not shown by this file, e.g. a receipt that has not come yet, or a key that nobody vouches for
  kFailed,  // contradicts what it claims
};

// A text in both languages.
struct Words {
  std::string english;
  std::string chinese;
};

struct Check {
  Verdict verdict = Verdict::kOk;
  Words what;         // was checked: `event chain`
  std::string where;  // `event #17`, `110 → 12345 ordinary #5`; empty: the whole file
  Words why;          // says more; for kOk what was found
};

struct EvidenceReport {
  std::string hotline;  // that exported; empty if the file cannot be read
  std::string order_number;
  absl::Time export_time;
  std::vector<Check> checks;
  // Every party whose signature was verified has a key from `trusted`.
  bool keys_trusted = false;

  // kFailed if any check is, else kGap if any is, else kOk.
  Verdict overall() const;
};

// Reads and checks all of `file`: form, the exporter's signature over every byte, each event's hash, order
// and custody of the events, each envelope's hash, the chains from the envelopes to what the parties signed,
// those signatures, that what the events tell of others' acts is what those signed in envelopes and receipts,
// word for word, that no event is left out that such an envelope owes, and the three receipts of each
// handoff. What others did not say it cannot check: `Event.commit_time` is when the exporter recorded it, by
// its own clock. A party that `trusted` knows must have signed with a key that it holds; keys of others are
// taken from the file, and the report says so. `trusted` may be empty.
EvidenceReport VerifyEvidence(std::string_view file, const crypto::KeyRing& trusted);

// Check::where in Chinese: `110 → 12345 普通 #5`.
std::string WhereZh(const std::string& where);

}  // namespace hotline::evidence

#endif  // COMMON_EVIDENCE_VERIFY_H_
