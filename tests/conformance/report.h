// What the kit found, clause by clause of proto/hotline/exchange/v1/README.md.
#ifndef TESTS_CONFORMANCE_REPORT_H_
#define TESTS_CONFORMANCE_REPORT_H_

#include <string>
#include <string_view>
#include <vector>

namespace hotline::conformance {

struct Clause {
  std::string_view name;   // `X-CHAIN-2`
  std::string_view title;  // what is asked for, in a line
};

// The clauses that the kit judges, in the order of the document.
const std::vector<Clause>& Clauses();

enum class Verdict { kPass, kFail, kSkipped };

struct Outcome {
  Verdict verdict = Verdict::kPass;
  std::string expected;  // kFail
  std::string seen;      // kFail; why, for kSkipped
};

inline Outcome Pass() { return {}; }
inline Outcome Fail(std::string expected, std::string seen) {
  return {Verdict::kFail, std::move(expected), std::move(seen)};
}
inline Outcome Skip(std::string why) { return {Verdict::kSkipped, "", std::move(why)}; }

struct Finding {
  Clause clause;
  Outcome outcome;
};

// One line: `pass     X-CHAIN-2    a wrong hash is refused`; a failure says what was expected and seen.
std::string Line(const Finding& finding);
// The same as one JSON object: clause, title, verdict, expected, seen.
std::string JsonLine(const Finding& finding);
// `71 clauses: 60 passed, 1 failed, 10 skipped`.
std::string Summary(const std::vector<Finding>& findings);

}  // namespace hotline::conformance

#endif  // TESTS_CONFORMANCE_REPORT_H_
