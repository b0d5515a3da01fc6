// Reads files of orders to push: CSV (RFC 4180) and JSON. Pure; safe on any bytes.
#ifndef SERVICES_HOTLINECTL_CORE_IMPORT_H_
#define SERVICES_HOTLINECTL_CORE_IMPORT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hotline/dispatch/v1/dispatch_service.pb.h"
#include "services/hotlinectl/core/failure.h"
#include "services/hotlinectl/core/text.h"

namespace hotline::hotlinectl {

enum class Format { kCsv, kJson };

inline constexpr size_t kMaxImportBytes = size_t{64} << 20;
inline constexpr int64_t kMaxImportRows = 100'000;
inline constexpr size_t kMaxImportColumns = 64;

// One order of a file.
struct ImportedOrder {
  // Place among the orders of the file, from 1 (a CSV header does not count), and the line it starts on,
  // from 1.
  int64_t row = 0;
  int64_t line = 0;
  // As it stands in the file, without the line break at its end. Points into the bytes given.
  std::string_view raw;
  // Why it cannot be read: INVALID_ARGUMENT with the field's path in the request, or empty path if it is the
  // whole row. Then `request` means nothing.
  absl::Status status;
  // It was in the flat form (order_form.h), which leaves customary fields out, and not in the protobuf form.
  bool flat = true;
  dispatch::v1::PushWorkOrderRequest request;
};

// The orders of a file in its order; `bytes` outlives the result. A byte order mark is skipped.
//
// CSV: UTF-8; the first record names the columns (FindFormField); CR LF or LF; empty cells are not set; empty
// lines are skipped. JSON: one object, an array of them, or any number after one another (JSON lines); an
// object with one of the keys `header`, `content`, `offer`, `receiptWait` is protobuf JSON of
// PushWorkOrderRequest, any other is flat. A row that cannot be read is in the result with its `status` and
// does not stop the others; where the end of a broken row cannot be found, it takes in the rest of the file.
//
// Errors of the whole file, INVALID_ARGUMENT: more than 64 MiB or 100,000 orders; no orders; CSV columns that
// are unknown or doubled, more than 64, a header that is not UTF-8.
absl::StatusOr<std::vector<ImportedOrder>> ParseOrders(std::string_view bytes, Format format);

// The columns, or keys, of `order` in the file that fill `path` of its request, as the file spells them;
// those that would, if it has none. Empty if it is in the protobuf form, or no column fills that.
std::string NamesInFile(std::string_view bytes, Format format, const ImportedOrder& order,
                        std::string_view path, Language language);

// `failure` of a row, in one line, with `names` (NamesInFile) instead of the field's path; if there are none,
// as it is.
std::string FaultInFile(const Failure& failure, std::string_view names, Format format, Language language);

// `1-3, 5` for these rows, which ascend.
std::string RowRanges(const std::vector<int64_t>& rows);

// By the name's ending (.csv, .json, .jsonl, .ndjson), else by the first character.
Format DetectFormat(std::string_view name, std::string_view bytes);

// The id under which row `row` of a file with these bytes is pushed: the same file gives the same ids, so
// that pushing it again answers as the first time. `file_digest` is FileDigest of the file.
std::string RowRequestId(std::string_view file_digest, int64_t row);
std::string FileDigest(std::string_view bytes);

// A file of the rows that `keep` selects, as they stood, that ParseOrders reads again: with the header for
// CSV, as an object a line for JSON.
std::string ExtractRows(std::string_view bytes, Format format, const std::vector<const ImportedOrder*>& keep);

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_IMPORT_H_
