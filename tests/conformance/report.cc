#include "tests/conformance/report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace hotline::conformance {
namespace {

const char* Word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "pass";
    case Verdict::kFail:
      return "FAIL";
    default:
      return "skipped";
  }
}

std::string Quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&out, "\\u%04x", c);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

const std::vector<Clause>& Clauses() {
  static const auto* const kClauses = new std::vector<Clause>{
      {"X-LINK-1", "a caller that is no peer is refused"},
      {"X-LINK-2", "a call meant for another hotline is refused"},
      {"X-LINK-3", "GetLink tells where both lanes stand"},
      {"X-LINK-4", "a peer that starts anew goes on from what GetLink says"},
      {"X-VERSION-1", "a delivery in an unknown major version is refused, and nothing of it applied"},
      {"X-VERSION-2", "GetLink chooses the highest version that both speak"},
      {"X-VERSION-3", "without a common version GetLink is refused, and says which versions there are"},
      {"X-VERSION-4", "unknown capabilities are ignored"},
      {"X-VERSION-5", "GetLink tells all versions the site speaks"},
      {"X-VERSION-6", "a sender that was refused for its version keeps its envelopes and goes on later"},
      {"X-LANE-1", "lanes are numbered independently"},
      {"X-LANE-2", "an unspecified lane is the ordinary one"},
      {"X-LANE-3", "trouble in one lane does not stop the other"},
      {"X-LANE-4", "all envelopes about one handoff are in one lane"},
      {"X-LANE-5", "an unknown lane is refused"},
      {"X-CHAIN-1", "a lane from which nothing came stands at its start"},
      {"X-CHAIN-2", "a wrong hash is refused"},
      {"X-CHAIN-3", "an envelope that does not continue the chain is refused"},
      {"X-CHAIN-4", "other bytes under the sequence of the head are refused: a fork"},
      {"X-CHAIN-5", "a refusal for the chain names the first sequence at fault"},
      {"X-CHAIN-6", "a refusal leaves the cursor, and the true continuation is taken"},
      {"X-CHAIN-7", "what the site sends is a chain without gaps"},
      {"X-CHAIN-8", "envelopes tell what their sender had seen of the other side's log"},
      {"X-BATCH-1", "a batch is applied in order, to its end"},
      {"X-BATCH-2", "a repeated batch changes nothing"},
      {"X-BATCH-3", "of an overlapping batch only what is new is applied"},
      {"X-BATCH-4", "a batch behind a gap changes nothing and is answered with the cursor"},
      {"X-BATCH-5", "a batch with a gap inside is applied up to the gap"},
      {"X-BATCH-6", "batches that came in the wrong order are taken when sent again in the right one"},
      {"X-BATCH-7", "an empty batch is answered with the receipt"},
      {"X-BATCH-8", "a batch of more than 512 envelopes is refused"},
      {"X-BATCH-9", "batches that the site sends are consecutive and within the limits"},
      {"X-BATCH-10", "a batch of 4 MiB is taken"},
      {"X-RECEIPT-1", "a receipt is never ahead of what was sent"},
      {"X-RECEIPT-2", "a receipt never goes back"},
      {"X-RECEIPT-3", "a receipt carries the hash of the envelope it names"},
      {"X-RECEIPT-4", "what a receipt acknowledged survives a crash"},
      {"X-RECEIPT-5", "a receipt names its lane and its time"},
      {"X-TIME-1", "answers to deliveries carry both times"},
      {"X-TIME-2", "a sender's clock that is wrong does not stop a link"},
      {"X-TIME-3", "an offer whose times are a day off is understood"},
      {"X-SIGN-1", "an unsigned batch is refused"},
      {"X-SIGN-2", "a badly signed batch is refused"},
      {"X-SIGN-3", "a signed statement about another batch is refused"},
      {"X-SIGN-4", "receipts are signed, those in GetLink too"},
      {"X-SIGN-5", "batches that the site sends are signed"},
      {"X-SIGN-6", "a signature by an unknown key is refused"},
      {"X-SIGN-7", "a statement with unknown fields is verified as it came"},
      {"X-OFFER-1", "a valid offer is answered with UNDERSTOOD and a number"},
      {"X-OFFER-2", "an unreadable offer is answered with NOT_UNDERSTOOD, and the link goes on"},
      {"X-OFFER-3", "an offer that breaks a rule is answered with NOT_UNDERSTOOD"},
      {"X-OFFER-4", "a body of more than 256 KiB is answered with NOT_UNDERSTOOD"},
      {"X-OFFER-5", "the same handoff offered again makes no second order"},
      {"X-OFFER-6", "a repeated envelope is not answered again"},
      {"X-OFFER-7", "the site's own offers are complete"},
      {"X-KIND-1", "an unknown kind is acknowledged and answered with NOT_UNDERSTOOD"},
      {"X-KIND-2", "an envelope about an unknown handoff is answered with NOT_UNDERSTOOD"},
      {"X-KIND-3", "NOT_UNDERSTOOD is never answered"},
      {"X-RECALL-1", "a recall before acceptance gives the order back"},
      {"X-RECALL-2", "a recall of what was given back is refused with the state"},
      {"X-RECALL-3", "a recall after acceptance is refused with the state"},
      {"X-RECALL-4", "the site recalls, and may offer again under a later attempt"},
      {"X-CUSTODY-1", "an acceptance is mirrored: the taker holds, in the next epoch"},
      {"X-CUSTODY-2", "a return is mirrored with its ground: the giver holds"},
      {"X-CUSTODY-3", "a mirror of an older epoch changes nothing"},
      {"X-CUSTODY-4", "a mirror that names another holder in the same epoch is not understood"},
      {"X-CUSTODY-5", "a reply is mirrored, and a demand to redo gives the order back to the taker"},
      {"X-UNKNOWN-1", "unknown fields around an envelope are ignored"},
      {"X-UNKNOWN-2", "unknown fields and enum values in an offer are no fault"},
      {"X-UNKNOWN-3", "unknown fields of a handoff come back in its mirrors"},
      {"X-SEND-1", "a site asks GetLink before it sends"},
      {"X-SEND-2", "after a lost answer the same bytes are sent again"},
      {"X-SEND-3", "a slow answer loses and doubles nothing"},
      {"X-SEND-4", "after a refusal the site tries again, no sooner than RetryInfo says"},
      {"X-SEND-5", "a site sends again from where its peer's receipt stands"},
      {"X-SEND-6", "a site goes on when its peer was gone and is back"},
      {"X-BACKFILL-1", "backfill hands back what was received, byte for byte"},
      {"X-BACKFILL-2", "backfill beyond the cursor is refused"},
      {"X-BACKFILL-3", "backfill keeps to its limit"},
      {"X-BACKFILL-4", "backfill hands back the signed batches"},
      {"X-RECONCILE-1", "a range counts the handoffs that were given"},
      {"X-RECONCILE-2", "the parts and items of a range add up to it"},
      {"X-RECONCILE-3", "a range that is not aligned is refused"},
      {"X-ERROR-1", "every refusal carries a reason of the catalogue"},
  };
  return *kClauses;
}

std::string Line(const Finding& finding) {
  std::string line = absl::StrFormat("%-8s %-14s %s", Word(finding.outcome.verdict),
                                     View(finding.clause.name), View(finding.clause.title));
  if (finding.outcome.verdict == Verdict::kFail) {
    absl::StrAppend(&line, "\n           expected: ", finding.outcome.expected,
                    "\n           seen:     ", finding.outcome.seen);
  } else if (finding.outcome.verdict == Verdict::kSkipped) {
    absl::StrAppend(&line, "  [", finding.outcome.seen, "]");
  }
  return line;
}

std::string JsonLine(const Finding& finding) {
  std::string line = absl::StrCat("{\"clause\":", Quote(finding.clause.name),
                                  ",\"title\":", Quote(finding.clause.title), ",\"verdict\":\"");
  switch (finding.outcome.verdict) {
    case Verdict::kPass:
      return line + "pass\"}";
    case Verdict::kFail:
      return absl::StrCat(line, "fail\",\"expected\":", Quote(finding.outcome.expected),
                          ",\"seen\":", Quote(finding.outcome.seen), "}");
    default:
      return absl::StrCat(line, "skipped\",\"why\":", Quote(finding.outcome.seen), "}");
  }
}

std::string Summary(const std::vector<Finding>& findings) {
  int counts[3] = {};
  for (const Finding& finding : findings) ++counts[static_cast<int>(finding.outcome.verdict)];
  return absl::StrCat(findings.size(), " clauses: ", counts[0], " passed, ", counts[1], " failed, ",
                      counts[2], " skipped");
}

}  // namespace hotline::conformance
