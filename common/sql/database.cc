#include "common/sql/database.h"

#include "absl/strings/str_replace.h"

namespace hotline::sql {

std::string Expand(const Dialect& dialect, std::string_view definition) {
  return absl::StrReplaceAll(absl::string_view(definition.data(), definition.size()),
                             {{"{int}", dialect.integer},
                              {"{blob}", dialect.blob},
                              {"{rows}", dialect.rows},
                              {"{keyed}", dialect.keyed},
                              {"{,id}", dialect.and_id}});
}

absl::Status Statement::Run() {
  for (;;) {
    absl::StatusOr<bool> row = Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
  }
}

}  // namespace hotline::sql
