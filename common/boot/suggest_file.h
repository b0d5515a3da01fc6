// What the model of SuggestRoute is made from (see config.v1.SuggestTerms), from files.
#ifndef COMMON_BOOT_SUGGEST_FILE_H_
#define COMMON_BOOT_SUGGEST_FILE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/catalogue/catalogue.h"
#include "common/suggest/suggester.h"

namespace hotline::boot {

struct SuggestFiles {
  config::v1::SuggestTerms terms;
  std::vector<config::v1::SuggestExample> examples;
};

// Reads `directory`/suggest/terms.yaml, and `examples.jsonl` and every `examples-*.jsonl` beside it in the
// order of their names, of which at least one has to be there: what a site adds of its own stays apart from
// what was delivered. Errors: NOT_FOUND only where `suggest` does not exist, so that there is to be no model;
// INVALID_ARGUMENT with file and line of what is wrong, and with what cannot be read.
absl::StatusOr<SuggestFiles> LoadSuggestFiles(const std::string& directory);

}  // namespace hotline::boot

#endif  // COMMON_BOOT_SUGGEST_FILE_H_
