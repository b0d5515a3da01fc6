#include "services/hotlinectl/core/import.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/error/error.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "services/hotlinectl/core/order_form.h"
#include "services/hotlinectl/core/table.h"
#include "services/hotlinectl/core/text.h"

namespace hotline::hotlinectl {
namespace {

constexpr std::string_view kDelimiters = ",{}[]\" \t\r\n";
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
// As deep as the protobuf parser goes.
constexpr size_t kMaxJsonDepth = 100;
// A column's name may be anything; a message repeats no more than this of it.
constexpr int kShownNameWidth = 40;

absl::Status Fault(error::Reason reason, std::string_view field, const Phrase& phrase) {
  return error::BadField(reason, field, phrase.en, phrase.zh);
}
absl::Status RowFault(const Phrase& phrase, std::string_view field = "") {
  return Fault(type::v1::ERROR_REASON_FIELD_INVALID, field, phrase);
}
// A name that no field has, with those that there are.
absl::Status UnknownName(const Phrase& phrase, std::string_view name) {
  const auto message = [&](Language language) { return Say(language, phrase, FormFieldNames(language)); };
  return error::BadField(type::v1::ERROR_REASON_FIELD_INVALID, name, message(Language::kEnglish),
                         message(Language::kChinese));
}
absl::Status NotUtf8(std::string_view field) {
  return Fault(type::v1::ERROR_REASON_TEXT_INVALID, field, say::kNotUtf8);
}

bool IsUtf8(std::string_view text) { return CountCodePoints(text).has_value(); }

std::string ShownName(std::string_view name) {
  return TruncateToWidth(Printable(name, false), kShownNameWidth);
}

// Appends `order` unless the file has too many.
absl::Status Append(ImportedOrder order, std::vector<ImportedOrder>& orders) {
  if (static_cast<int64_t>(orders.size()) >= kMaxImportRows) {
    return Fault(type::v1::ERROR_REASON_LIST_INVALID, "file", say::kTooManyRows);
  }
  order.row = static_cast<int64_t>(orders.size()) + 1;
  orders.push_back(std::move(order));
  return absl::OkStatus();
}

// Reads records one by one.
class CsvReader {
 public:
  struct Record {
    int64_t line = 0;
    std::string_view raw;
    std::vector<std::string> fields;  // at most kMaxImportColumns + 1
    absl::Status status;
  };

  explicit CsvReader(std::string_view bytes) : bytes_(bytes) {}

  // The next record that is not an empty line; nothing at the end.
  std::optional<Record> Next() {
    while (at_ < bytes_.size()) {
      Record record = ReadRecord();
      if (!record.raw.empty()) return record;
    }
    return std::nullopt;
  }

 private:
  bool AtLineEnd() const {
    return at_ >= bytes_.size() || bytes_[at_] == '\n' ||
           (bytes_[at_] == '\r' && (at_ + 1 >= bytes_.size() || bytes_[at_ + 1] == '\n'));
  }

  Record ReadRecord() {
    Record record;
    record.line = line_;
    const size_t start = at_;
    while (true) {
      std::string field = ReadField(record);
      if (record.fields.size() <= kMaxImportColumns) record.fields.push_back(std::move(field));
      if (at_ < bytes_.size() && bytes_[at_] == ',') {
        ++at_;
        continue;
      }
      break;
    }
    record.raw = bytes_.substr(start, at_ - start);
    if (at_ < bytes_.size()) {
      at_ = std::min(bytes_.size(), at_ + (bytes_[at_] == '\r' ? 2 : 1));
      ++line_;
    }
    return record;
  }

  // Leaves `at_` on the comma, the line's end or the end of all.
  std::string ReadField(Record& record) {
    std::string field;
    if (at_ < bytes_.size() && bytes_[at_] == '"') {
      ++at_;
      while (true) {
        if (at_ >= bytes_.size()) {
          Blame(record, say::kOpenQuote);
          return field;
        }
        const char c = bytes_[at_++];
        if (c == '"') {
          if (at_ >= bytes_.size() || bytes_[at_] != '"') break;
          ++at_;
        }
        if (c == '\n') ++line_;
        field += c;
      }
      if (!AtLineEnd() && bytes_[at_] != ',') Blame(record, say::kTextAfterQuote);
    }
    while (!AtLineEnd() && bytes_[at_] != ',') {
      if (bytes_[at_] == '"') Blame(record, say::kQuoteInField);
      field += bytes_[at_++];
    }
    return field;
  }

  static void Blame(Record& record, const Phrase& phrase) {
    if (record.status.ok()) record.status = RowFault(phrase);
  }

  const std::string_view bytes_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

absl::StatusOr<std::vector<const FormField*>> ReadHeader(const CsvReader::Record& record) {
  if (!IsUtf8(record.raw)) return NotUtf8("file");
  if (!record.status.ok()) return record.status;
  if (record.fields.size() > kMaxImportColumns) {
    return Fault(type::v1::ERROR_REASON_LIST_INVALID, "file", say::kTooManyColumns);
  }
  std::vector<const FormField*> columns;
  for (const std::string& name : record.fields) {
    const FormField* field = FindFormField(name);
    if (field == nullptr) return UnknownName(say::kUnknownColumn, ShownName(name));
    if (absl::c_linear_search(columns, field)) return RowFault(say::kDoubleColumn, ShownName(name));
    columns.push_back(field);
  }
  return columns;
}

absl::Status FillFromCsv(const std::vector<const FormField*>& columns, const CsvReader::Record& record,
                         ImportedOrder& order) {
  if (!record.status.ok()) return record.status;
  if (record.fields.size() != columns.size()) {
    // Beyond the bound fields are not counted.
    const auto message = [&](Language language) {
      return Say(language, say::kFieldCount, record.fields.size(), columns.size());
    };
    return error::BadField(type::v1::ERROR_REASON_LIST_INVALID, "", message(Language::kEnglish),
                           message(Language::kChinese));
  }
  std::set<std::string_view> names;
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::string& value = record.fields[i];
    if (Trim(value).empty()) continue;
    if (!IsUtf8(value)) return NotUtf8(columns[i]->path);
    if (absl::Status status = SetFormField(*columns[i], value, order.request); !status.ok()) return status;
    names.insert(columns[i]->flag.name);
  }
  return CheckFormFields(names);
}

absl::StatusOr<std::vector<ImportedOrder>> ParseCsv(std::string_view bytes) {
  CsvReader reader(bytes);
  std::vector<ImportedOrder> orders;
  const auto header = reader.Next();
  if (!header) return orders;
  const auto columns = ReadHeader(*header);
  if (!columns.ok()) return columns.status();
  while (const auto record = reader.Next()) {
    ImportedOrder order{.line = record->line, .raw = record->raw};
    order.status = FillFromCsv(*columns, *record, order);
    if (absl::Status status = Append(std::move(order), orders); !status.ok()) return status;
  }
  return orders;
}

// Finds where values end, without caring whether they are right inside; the protobuf parser does. Copyable,
// so that a caller can go back.
class JsonScanner {
 public:
  explicit JsonScanner(std::string_view bytes) : bytes_(bytes) {}

  size_t at() const { return at_; }
  int64_t line() const { return line_; }
  bool AtEnd() const { return at_ >= bytes_.size(); }
  bool At(char c) const { return !AtEnd() && bytes_[at_] == c; }

  void Step() {
    if (bytes_[at_] == '\n') ++line_;
    ++at_;
  }
  void SkipSpace() {
    while (!AtEnd() && absl::ascii_isspace(bytes_[at_])) Step();
  }
  void SkipLine() {
    while (!AtEnd() && !At('\n')) Step();
  }
  void SkipAll() {
    while (!AtEnd()) Step();
  }
  // To the next line that starts with `{`, or to the end.
  void SkipToObjectLine() {
    do {
      SkipLine();
      if (!AtEnd()) Step();
    } while (!AtEnd() && !At('{'));
  }

  // Moves behind the object, array or string that starts here, or behind a bare word. Not at the end. Errors:
  // not balanced, too deep, cut off.
  absl::Status SkipValue() {
    std::vector<char> open;
    do {
      if (AtEnd()) return RowFault(say::kJsonSyntax);
      const char c = bytes_[at_];
      if (c == '"') {
        if (absl::Status status = SkipString(); !status.ok()) return status;
        continue;
      }
      // The protobuf parser takes these as quotes, JSON does not.
      if (c == '\'') return RowFault(say::kJsonSyntax);
      Step();
      if (c == '{' || c == '[') {
        if (open.size() >= kMaxJsonDepth) return RowFault(say::kJsonDepth);
        open.push_back(c == '{' ? '}' : ']');
      } else if (c == '}' || c == ']') {
        if (open.empty() || open.back() != c) return RowFault(say::kJsonSyntax);
        open.pop_back();
      } else if (open.empty()) {
        while (!AtEnd() && kDelimiters.find(bytes_[at_]) == std::string_view::npos) Step();
      }
    } while (!open.empty());
    return absl::OkStatus();
  }

 private:
  absl::Status SkipString() {
    Step();
    // A line feed is not allowed in a string, so at one it was left open.
    while (!AtEnd() && !At('\n')) {
      const char c = bytes_[at_];
      Step();
      if (c == '"') return absl::OkStatus();
      if (c == '\\' && !AtEnd() && !At('\n')) Step();
    }
    return RowFault(say::kJsonSyntax);
  }

  std::string_view bytes_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

// The protobuf parser names the field, if it got that far, as `(content.type): …`. What else it says may
// quote the order, so it is not repeated.
std::string FieldInParserMessage(std::string_view message) {
  const size_t open = message.find('(');
  if (open == std::string_view::npos) return "";
  const size_t close = message.find("):", open);
  if (close == std::string_view::npos) return "";
  const std::string_view path = message.substr(open + 1, close - open - 1);
  const bool is_path = !path.empty() && std::all_of(path.begin(), path.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '[' || c == ']';
  });
  return is_path ? std::string(path) : "";
}

// A key's value as the text that a CSV cell would have; nothing if it cannot be one.
std::optional<std::string> FlatValue(const google::protobuf::Value& value, bool list_allowed) {
  using google::protobuf::Value;
  switch (value.kind_case()) {
    case Value::kStringValue:
      return value.string_value();
    case Value::kBoolValue:
      return value.bool_value() ? "true" : "false";
    case Value::kNumberValue: {
      // A phone number that a spreadsheet made a number keeps its digits.
      const double number = value.number_value();
      if (std::floor(number) == number && std::abs(number) < 1e15) return absl::StrFormat("%.0f", number);
      return absl::StrFormat("%.17g", number);
    }
    case Value::kListValue: {
      if (!list_allowed) return std::nullopt;
      std::vector<std::string> items;
      for (const Value& item : value.list_value().values()) {
        auto text = FlatValue(item, /*list_allowed=*/false);
        if (!text) return std::nullopt;
        items.push_back(*std::move(text));
      }
      return absl::StrJoin(items, ",");
    }
    case Value::kNullValue:
    case Value::KIND_NOT_SET:
      return "";
    case Value::kStructValue:
      return std::nullopt;
  }
  return std::nullopt;
}

absl::Status FillFromFlatJson(const google::protobuf::Struct& object,
                              dispatch::v1::PushWorkOrderRequest& request) {
  // Sorted, so that the same file always gets the same message.
  std::map<std::string, const google::protobuf::Value*> members;
  for (const auto& [key, value] : object.fields()) members.emplace(key, &value);
  std::set<std::string_view> names;
  for (const auto& [key, value] : members) {
    const FormField* field = FindFormField(key);
    if (field == nullptr) return UnknownName(say::kUnknownKey, ShownName(key));
    const auto text = FlatValue(*value, field->flag.kind == ValueKind::kList);
    if (!text) return RowFault(say::kBadValueText, field->path);
    if (Trim(*text).empty()) continue;
    if (!names.insert(field->flag.name).second) return RowFault(say::kDoubleColumn, ShownName(key));
    if (absl::Status status = SetFormField(*field, *text, request); !status.ok()) return status;
  }
  return CheckFormFields(names);
}

absl::Status FillFromJson(ImportedOrder& order) {
  if (!IsUtf8(order.raw)) return NotUtf8("");
  if (order.raw.empty() || order.raw.front() != '{') return RowFault(say::kJsonNotObject);
  google::protobuf::Struct object;
  const google::protobuf::StringPiece raw(order.raw.data(), order.raw.size());
  if (!google::protobuf::util::JsonStringToMessage(raw, &object).ok()) return RowFault(say::kJsonSyntax);
  constexpr std::array<const char*, 5> kProtobufKeys = {"header", "content", "offer", "receiptWait",
                                                        "receipt_wait"};
  order.flat = std::none_of(kProtobufKeys.begin(), kProtobufKeys.end(),
                            [&](const char* key) { return object.fields().contains(key); });
  if (order.flat) return FillFromFlatJson(object, order.request);
  const auto status = google::protobuf::util::JsonStringToMessage(raw, &order.request);
  if (!status.ok()) return RowFault(say::kJsonField, FieldInParserMessage(std::string(status.message())));
  return absl::OkStatus();
}

// `[` has been read. Where a broken element ends cannot be told, so it takes in the rest.
absl::Status ParseJsonArray(std::string_view bytes, JsonScanner& scanner,
                            std::vector<ImportedOrder>& orders) {
  const auto broken_rest = [&](size_t start, int64_t line, const Phrase& phrase) {
    scanner.SkipAll();
    return Append({.line = line, .raw = bytes.substr(start), .status = RowFault(phrase)}, orders);
  };
  scanner.SkipSpace();
  for (bool more = !scanner.At(']'); more;) {
    scanner.SkipSpace();
    ImportedOrder order{.line = scanner.line()};
    const size_t start = scanner.at();
    if (scanner.AtEnd()) return broken_rest(start, order.line, say::kJsonSyntax);
    order.status = scanner.SkipValue();
    if (!order.status.ok()) scanner.SkipAll();
    order.raw = bytes.substr(start, scanner.at() - start);
    if (order.status.ok()) order.status = FillFromJson(order);
    if (absl::Status status = Append(std::move(order), orders); !status.ok()) return status;
    scanner.SkipSpace();
    more = scanner.At(',');
    if (more) scanner.Step();
    if (!more && !scanner.At(']')) {
      // A broken element has said so already.
      if (scanner.AtEnd() && !orders.back().status.ok()) return absl::OkStatus();
      return broken_rest(scanner.at(), scanner.line(), say::kJsonSyntax);
    }
  }
  scanner.Step();
  scanner.SkipSpace();
  if (!scanner.AtEnd()) return broken_rest(scanner.at(), scanner.line(), say::kJsonTrailing);
  return absl::OkStatus();
}

// Objects after one another. Behind a broken one it goes on at the next line that starts with `{`.
absl::Status ParseJsonSequence(std::string_view bytes, JsonScanner& scanner,
                               std::vector<ImportedOrder>& orders) {
  for (scanner.SkipSpace(); !scanner.AtEnd(); scanner.SkipSpace()) {
    const JsonScanner before = scanner;
    const bool object = scanner.At('{');
    ImportedOrder order{.line = before.line()};
    if (!object) {
      order.status = RowFault(say::kJsonNotObject);
      scanner.SkipLine();
    } else if (order.status = scanner.SkipValue(); !order.status.ok()) {
      scanner = before;
      scanner.SkipToObjectLine();
    }
    order.raw = Trim(bytes.substr(before.at(), scanner.at() - before.at()));
    if (order.status.ok()) order.status = FillFromJson(order);
    if (absl::Status status = Append(std::move(order), orders); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ImportedOrder>> ParseJson(std::string_view bytes) {
  std::vector<ImportedOrder> orders;
  JsonScanner scanner(bytes);
  scanner.SkipSpace();
  absl::Status status;
  if (scanner.At('[')) {
    scanner.Step();
    status = ParseJsonArray(bytes, scanner, orders);
  } else {
    status = ParseJsonSequence(bytes, scanner, orders);
  }
  if (!status.ok()) return status;
  return orders;
}

std::string_view WithoutByteOrderMark(std::string_view bytes) {
  if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
  return bytes;
}

}  // namespace

absl::StatusOr<std::vector<ImportedOrder>> ParseOrders(std::string_view bytes, Format format) {
  if (bytes.size() > kMaxImportBytes) {
    return Fault(type::v1::ERROR_REASON_FIELD_INVALID, "file", say::kFileTooLarge);
  }
  bytes = WithoutByteOrderMark(bytes);
  auto orders = format == Format::kCsv ? ParseCsv(bytes) : ParseJson(bytes);
  if (orders.ok() && orders->empty())
    return Fault(type::v1::ERROR_REASON_FIELD_REQUIRED, "file", say::kNoRows);
  return orders;
}

std::string NamesInFile(std::string_view bytes, Format format, const ImportedOrder& order,
                        std::string_view path, Language language) {
  if (!order.flat) return "";
  const std::vector<const FormField*> fields = FormFieldsOf(path);
  if (fields.empty()) return "";
  std::vector<std::string> spelt;
  if (format == Format::kCsv) {
    if (auto header = CsvReader(WithoutByteOrderMark(bytes)).Next()) spelt = std::move(header->fields);
  } else {
    google::protobuf::Struct object;
    const google::protobuf::StringPiece raw(order.raw.data(), order.raw.size());
    // One that cannot be read names nothing.
    if (google::protobuf::util::JsonStringToMessage(raw, &object).ok()) {
      for (const auto& [key, value] : object.fields()) spelt.push_back(key);
      absl::c_sort(spelt);
    }
  }
  std::vector<std::string> names;
  for (const std::string& name : spelt) {
    if (absl::c_linear_search(fields, FindFormField(name))) names.push_back(ShownName(Trim(name)));
  }
  const bool chinese = language == Language::kChinese;
  if (names.empty()) {
    for (const FormField* field : fields) names.emplace_back(chinese ? field->zh : field->flag.name);
  }
  return absl::StrJoin(names, chinese ? "、" : ", ");
}

std::string FaultInFile(const Failure& failure, std::string_view names, Format format, Language language) {
  std::string message = FailureMessage(failure, language);
  if (names.empty()) return message;
  // The path stands before what is wrong with it.
  const std::string path = error::FieldOf(failure.status);
  std::string_view rest = message;
  for (const std::string& lead : {StrCat(path, ": "), StrCat("字段 ", path, "："),
                                  StrCat(PathInPush(path), ": "), StrCat("字段 ", PathInPush(path), "：")}) {
    if (!rest.starts_with(lead)) continue;
    rest.remove_prefix(lead.size());
    break;
  }
  return Say(language, format == Format::kCsv ? say::kAtColumn : say::kAtKey, names, rest);
}

std::string RowRanges(const std::vector<int64_t>& rows) {
  std::string text;
  for (size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    for (end = begin + 1; end < rows.size() && rows[end] == rows[end - 1] + 1;) ++end;
    text += StrCat(text.empty() ? "" : ", ", rows[begin]);
    if (end - begin > 1) text += StrCat("-", rows[end - 1]);
  }
  return text;
}

Format DetectFormat(std::string_view name, std::string_view bytes) {
  const std::string lower = Dashed(name);
  if (lower.ends_with(".csv")) return Format::kCsv;
  for (const char* ending : {".json", ".jsonl", ".ndjson"}) {
    if (lower.ends_with(ending)) return Format::kJson;
  }
  const std::string_view text = Trim(WithoutByteOrderMark(bytes));
  return !text.empty() && (text.front() == '{' || text.front() == '[') ? Format::kJson : Format::kCsv;
}

std::string FileDigest(std::string_view bytes) { return absl::BytesToHexString(Sha256({bytes})); }

std::string RowRequestId(std::string_view file_digest, int64_t row) {
  // 128 bits of the digest: no two files meet.
  return StrCat("file-", file_digest.substr(0, 32), "-", row);
}

std::string ExtractRows(std::string_view bytes, Format format,
                        const std::vector<const ImportedOrder*>& keep) {
  std::string out;
  // A lone carriage return may end a row's last cell; a bare line feed after it would swallow it.
  const std::string_view end = format == Format::kCsv ? "\r\n" : "\n";
  if (format == Format::kCsv) {
    const auto header = CsvReader(WithoutByteOrderMark(bytes)).Next();
    if (header) out = StrCat(kByteOrderMark, header->raw, end);
  }
  for (const ImportedOrder* order : keep) {
    std::string raw(order->raw);
    // An object a line. Outside strings a line feed is only a space, and inside them it is not allowed.
    if (format == Format::kJson) std::replace(raw.begin(), raw.end(), '\n', ' ');
    out += StrCat(raw, end);
  }
  return out;
}

}  // namespace hotline::hotlinectl
