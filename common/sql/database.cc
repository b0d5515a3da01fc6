#include "common/sql/database.h"

#include "absl/strings/str_replace.h"
#include "common/base/utf8.h"

namespace hotline::sql {

std::string Expand(const Dialect& dialect, std::string_view definition) {
  return absl::StrReplaceAll(absl::string_view(definition.data(), definition.size()),
                             {{"{int}", dialect.integer},
                              {"{blob}", dialect.blob},
                              {"{rows}", dialect.rows},
                              {"{keyed}", dialect.keyed},
                              {"{,id}", dialect.and_id}});
}

bool IsText(std::string_view value) {
  return value.find('\0') == std::string_view::npos && CountCodePoints(value).has_value();
}

absl::Status Statement::Run() {
  for (;;) {
    absl::StatusOr<bool> row = Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
  }
}

}  // namespace hotline::sql
