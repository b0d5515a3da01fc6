#include "common/backup/verify.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "common/backup/backup.h"
#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/exchange/chain.h"
#include "common/retention/erase.h"
#include "common/sql/schema.h"
#include "common/sql/sqlite.h"
#include "hotline/type/v1/event.pb.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline::backup {
namespace {

namespace fs = std::filesystem;
using operation::v1::BackupFile;
using operation::v1::BackupManifest;

constexpr int kSequenceBits = 44;  // of a place in the outbox, below the number of its lane
constexpr int kMostFaults = 20;    // of one database that are told

// A store by the name of its file.
struct StoreKind {
  std::string_view file;
  Words name;
  int64_t schema;
  // Reads one text: the schema version.
  std::string_view version_sql;
  // Reads one number: how far the store has read work_order's log. Empty: it follows no log.
  std::string_view cursor_sql;
};

constexpr std::string_view kSiteVersion = "SELECT CAST(schema_version AS TEXT) FROM site WHERE id = 1";

const std::array<StoreKind, 5>& Kinds() {
  static const auto* const kinds = new std::array<StoreKind, 5>{{
      {"work_order.db",
       {"orders and log", "工单与日志"},
       sql::kWorkOrderSchema,
       "SELECT CAST(value AS TEXT) FROM meta WHERE name = 'schema_version'",
       ""},
      {"escalation.db",
       {"clocks", "时限"},
       sql::kClocksSchema,
       kSiteVersion,
       "SELECT log_cursor FROM progress WHERE id = 1"},
      {"report.db",
       {"figures", "统计"},
       sql::kReportSchema,
       kSiteVersion,
       "SELECT log_cursor FROM progress WHERE id = 1"},
      {"notify.db",
       {"notifications", "通知"},
       sql::kNotifySchema,
       kSiteVersion,
       "SELECT planned FROM site WHERE id = 1"},
      {"directory.db", {"directory of people", "人员名录"}, sql::kDirectorySchema, kSiteVersion, ""},
  }};
  return *kinds;
}

const StoreKind* KindOf(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  const auto kind =
      std::find_if(Kinds().begin(), Kinds().end(), [&](const StoreKind& one) { return one.file == name; });
  return kind == Kinds().end() ? nullptr : &*kind;
}

class Checks {
 public:
  Checks(std::string where, std::vector<Check>* checks) : where_(std::move(where)), checks_(checks) {}
  void Good(Words what, Words why = {}) {
    checks_->push_back({true, std::move(what), where_, std::move(why)});
  }
  void Bad(Words what, Words why) { checks_->push_back({false, std::move(what), where_, std::move(why)}); }
  void Newer(Words what, Words why) {
    Bad(std::move(what), std::move(why));
    checks_->back().newer = true;
  }
  // What a driver or the system said is said in its own words.
  void Bad(Words what, const absl::Status& status) {
    const std::string text(status.message());
    Bad(std::move(what), {text, text});
  }

 private:
  const std::string where_;
  std::vector<Check>* const checks_;
};

// The first column of the first row. Nothing if there is no row.
absl::StatusOr<std::optional<std::string>> ReadText(sql::Connection& reader, std::string_view sql) {
  auto statement = reader.Prepare(sql);
  if (!statement.ok()) return statement.status();
  const sql::ScopedReset reset(statement->get());
  absl::StatusOr<bool> row = (*statement)->Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  return std::string((*statement)->Text(0));
}

absl::StatusOr<int64_t> ReadNumber(sql::Connection& reader, std::string_view sql) {
  auto statement = reader.Prepare(sql);
  if (!statement.ok()) return statement.status();
  const sql::ScopedReset reset(statement->get());
  absl::StatusOr<bool> row = (*statement)->Step();
  if (!row.ok()) return row.status();
  return *row ? (*statement)->Int64(0) : 0;
}

// False: it is not known to this release, so nothing else of it is looked at.
bool CheckVersion(sql::Connection& reader, const StoreKind& kind, Checks& checks) {
  const Words what = {"schema version", "数据结构版本"};
  absl::StatusOr<std::optional<std::string>> text = ReadText(reader, kind.version_sql);
  if (!text.ok()) {
    checks.Bad(what, text.status());
    return false;
  }
  int64_t version = 0;
  if (!text->has_value() || !absl::SimpleAtoi(**text, &version) || version < 1) {
    checks.Bad(what, {"this is none of this software's stores", "不是本软件的数据库"});
    return false;
  }
  if (version > kind.schema) {
    checks.Newer(what, {StrCat(version, " of a newer release; this release knows ", kind.schema, " at most"),
                        StrCat("版本", version, "由更新的软件写入，本版本最高支持", kind.schema)});
    return false;
  }
  checks.Good(what, {StrCat(version, version < kind.schema ? ", brought forward when it is opened" : ""),
                     StrCat(version, version < kind.schema ? "，打开时自动升级" : "")});
  return true;
}

void CheckIntegrity(sql::Connection& reader, Checks& checks) {
  const Words what = {"database integrity", "数据库完整性"};
  auto statement = reader.Prepare("PRAGMA integrity_check");
  if (!statement.ok()) return checks.Bad(what, statement.status());
  std::string faults;
  const sql::ScopedReset reset(statement->get());
  for (int i = 0; i < kMostFaults; ++i) {
    absl::StatusOr<bool> row = (*statement)->Step();
    if (!row.ok()) return checks.Bad(what, row.status());
    if (!*row) break;
    if ((*statement)->Text(0) != "ok") faults += StrCat(faults.empty() ? "" : "; ", (*statement)->Text(0));
  }
  if (!faults.empty()) return checks.Bad(what, {faults, faults});
  checks.Good(what);
}

absl::StatusOr<std::optional<retention::StoredEvent>> ReadEvent(sql::Connection& reader, int64_t sequence) {
  auto statement = reader.Prepare(
      "SELECT sequence, bytes, hash FROM event WHERE sequence IN (?1 - 1, ?1) ORDER BY sequence");
  if (!statement.ok()) return statement.status();
  const sql::ScopedReset reset(statement->get());
  (*statement)->BindInt64(1, sequence);
  retention::StoredEvent event = {.previous_hash = ChainStart()};
  for (;;) {
    absl::StatusOr<bool> row = (*statement)->Step();
    if (!row.ok()) return row.status();
    if (!*row) return std::nullopt;
    if ((*statement)->Int64(0) == sequence) break;
    event.previous_hash = std::string((*statement)->Blob(2));
  }
  event.sequence = sequence;
  event.bytes = std::string((*statement)->Blob(1));
  event.hash = std::string((*statement)->Blob(2));
  return event;
}

// 0 if the order is not there.
absl::StatusOr<int64_t> LastEventOf(sql::Connection& reader, const std::string& order_id) {
  auto statement = reader.Prepare("SELECT record FROM work_order WHERE id = ?1");
  if (!statement.ok()) return statement.status();
  const sql::ScopedReset reset(statement->get());
  (*statement)->BindInt64(1, ParseOrderId(order_id).value_or(0));
  absl::StatusOr<bool> row = (*statement)->Step();
  if (!row.ok()) return row.status();
  if (!*row) return 0;
  type::v1::WorkOrder order;
  const std::string_view record = (*statement)->Blob(0);
  return order.ParseFromArray(record.data(), static_cast<int>(record.size())) ? order.last_event_sequence()
                                                                              : 0;
}

// The last sequence of an unbroken chain; nothing, after saying so, if it is broken.
std::optional<int64_t> CheckLog(sql::Connection& reader, Checks& checks) {
  const Words what = {"hash chain of the log", "日志哈希链"};
  auto statement = reader.Prepare("SELECT sequence, bytes, hash FROM event ORDER BY sequence");
  if (!statement.ok()) {
    checks.Bad(what, statement.status());
    return std::nullopt;
  }
  const sql::ScopedReset reset(statement->get());
  retention::ErasureCheck erasures(
      [&](int64_t at) { return ReadEvent(reader, at); },
      [&](const std::string& order_id) { return LastEventOf(reader, order_id); });
  int64_t sequence = 0;
  std::string hash = ChainStart();
  for (;;) {
    absl::StatusOr<bool> row = (*statement)->Step();
    if (!row.ok()) {
      checks.Bad(what, row.status());
      return std::nullopt;
    }
    if (!*row) break;
    ++sequence;
    type::v1::Event event;
    const std::string_view bytes = (*statement)->Blob(1);
    bool fits = (*statement)->Int64(0) == sequence &&
                event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) &&
                event.sequence() == sequence;
    if (fits && EventHash(hash, bytes) != (*statement)->Blob(2)) {
      // Without its texts, or altered.
      const absl::StatusOr<bool> attested = erasures.Attests(event.order_id(), sequence);
      if (!attested.ok()) {
        checks.Bad(what, attested.status());
        return std::nullopt;
      }
      fits = *attested;
    }
    hash = std::string((*statement)->Blob(2));
    if (!fits) {
      checks.Bad(what, {StrCat("broken at event ", sequence), StrCat("在第", sequence, "条事件处断开")});
      return std::nullopt;
    }
  }
  checks.Good(what, {StrCat(sequence, " events"), StrCat(sequence, "条事件")});
  return sequence;
}

// What each lane says of its own last envelope, and the envelope.
void CheckLinks(sql::Connection& reader, Checks& checks) {
  const Words what = {"cursors of the links", "链路游标"};
  auto links = reader.Prepare(
      "SELECT peer, number, outgoing_sequence, outgoing_hash, incoming_sequence, incoming_hash FROM link");
  auto out = reader.Prepare("SELECT hash FROM outbox WHERE place = ?1");
  auto in = reader.Prepare("SELECT hash FROM inbox WHERE place = ?1");
  for (const auto* statement : {&links, &out, &in}) {
    if (!statement->ok()) return checks.Bad(what, statement->status());
  }
  int lanes = 0;
  const sql::ScopedReset reset(links->get());
  for (;;) {
    absl::StatusOr<bool> row = (*links)->Step();
    if (!row.ok()) return checks.Bad(what, row.status());
    if (!*row) break;
    ++lanes;
    for (const auto& [statement, column] : {std::pair(out->get(), 2), std::pair(in->get(), 4)}) {
      const int64_t sequence = (*links)->Int64(column);
      if (sequence == 0) continue;
      const sql::ScopedReset reset_envelope(statement);
      statement->BindInt64(1, ((*links)->Int64(1) << kSequenceBits) + sequence);
      absl::StatusOr<bool> found = statement->Step();
      if (!found.ok()) return checks.Bad(what, found.status());
      if (!*found || statement->Blob(0) != (*links)->Blob(column + 1)) {
        return checks.Bad(
            what, {StrCat("the link with ", (*links)->Text(0), " does not end with envelope ", sequence),
                   StrCat("与", (*links)->Text(0), "的链路末尾不是第", sequence, "个信封")});
      }
    }
  }
  checks.Good(what, {StrCat(lanes, " lanes"), StrCat(lanes, "条通道")});
}

// One database. `head`: of work_order's log, if this is it; `cursor`: how far a follower has read it.
void CheckDatabase(const std::string& path, bool still, bool deep, Checks& checks, int64_t* head,
                   std::optional<int64_t>* cursor) {
  const StoreKind* const kind = KindOf(path);
  if (kind == nullptr) {
    return checks.Bad({"database", "数据库"},
                      {"no store of this software has this name", "不是本软件的数据库"});
  }
  auto reader = sql::OpenSqliteToRead(path, still);
  if (!reader.ok()) return checks.Bad(kind->name, reader.status());
  if (!CheckVersion(**reader, *kind, checks)) return;
  if (!kind->cursor_sql.empty()) {
    absl::StatusOr<int64_t> read = ReadNumber(**reader, kind->cursor_sql);
    if (!read.ok()) return checks.Bad(kind->name, read.status());
    *cursor = *read;
  }
  if (!deep) return;
  CheckIntegrity(**reader, checks);
  if (kind->file != "work_order.db") return;
  // One snapshot: another process may commit between the chain and the links.
  if (absl::Status status = (*reader)->Begin(); !status.ok()) return checks.Bad(kind->name, status);
  if (const std::optional<int64_t> last = CheckLog(**reader, checks); last.has_value()) *head = *last;
  CheckLinks(**reader, checks);
}

void CheckFiles(const std::string& folder, const BackupManifest& manifest, Checks& checks) {
  const Words what = {"files and digests", "文件与摘要"};
  std::set<std::string> named = {kManifest};
  for (const BackupFile& file : manifest.files()) {
    named.insert(file.path());
    const std::string path = folder + "/" + file.path();
    std::error_code code;
    const auto size = fs::file_size(path, code);
    if (code) {
      return checks.Bad(what, {StrCat(file.path(), " is missing"), StrCat("缺少文件", file.path())});
    }
    absl::StatusOr<std::string> digest = DigestFile(path);
    if (!digest.ok()) return checks.Bad(what, digest.status());
    if (static_cast<int64_t>(size) != file.bytes() || *digest != file.sha256()) {
      return checks.Bad(what, {StrCat(file.path(), " was altered"), StrCat("文件", file.path(), "已被改动")});
    }
  }
  std::error_code code;
  for (fs::recursive_directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
    if (it->is_directory()) continue;
    const std::string path = fs::relative(it->path(), folder).generic_string();
    if (!named.contains(path)) {
      return checks.Bad(what, {StrCat(path, " is not in the manifest"), StrCat("清单中没有文件", path)});
    }
  }
  checks.Good(what, {StrCat(manifest.files_size(), " files"), StrCat(manifest.files_size(), "个文件")});
}

}  // namespace

bool Report::ok() const {
  return std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.ok; });
}

Report Verify(const std::string& folder, std::string_view only) {
  Report report;
  std::vector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
    const std::string name = it->path().filename().string();
    if (it->is_directory() && (only.empty() || name == only)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  std::map<std::string, int64_t> cursors;  // by part and file
  bool has_log = false;
  for (const std::string& name : names) {
    const std::string part = folder + "/" + name;
    Checks checks(name, &report.checks);
    absl::StatusOr<BackupManifest> manifest = ReadManifest(part);
    if (!manifest.ok()) {
      checks.Bad({"manifest", "清单"}, manifest.status());
      continue;
    }
    if (manifest->service() != name) {
      checks.Bad({"manifest", "清单"},
                 {StrCat("is of ", manifest->service()), StrCat("属于", manifest->service())});
      continue;
    }
    const std::optional<std::vector<std::string>> lacking = Lacking(*manifest);
    if (!lacking.has_value()) {
      checks.Bad({"manifest", "清单"},
                 {"no service of this name has a store", "没有这一名称且带有数据库的服务"});
      continue;
    }
    for (const std::string& file : *lacking) {
      checks.Bad({"databases", "数据库"},
                 {StrCat("the manifest does not name ", file), StrCat("清单中没有", file)});
    }
    CheckFiles(part, *manifest, checks);
    for (const BackupFile& file : manifest->files()) {
      if (!file.database()) continue;
      Checks inner(StrCat(name, "/", file.path()), &report.checks);
      std::optional<int64_t> cursor;
      CheckDatabase(part + "/" + file.path(), /*still=*/true, /*deep=*/true, inner, &report.head_sequence,
                    &cursor);
      if (cursor.has_value()) cursors[StrCat(name, "/", file.path())] = *cursor;
      has_log |= file.path() == "work_order.db";
    }
    report.parts.push_back(*std::move(manifest));
  }
  Checks whole("", &report.checks);
  if (report.parts.empty()) {
    whole.Bad({"backup", "备份"}, {StrCat("there is none in ", folder), StrCat(folder, "中没有备份")});
    return report;
  }
  if (only.empty() && std::none_of(report.parts.begin(), report.parts.end(), [](const BackupManifest& part) {
        return part.service() == "work_order";
      })) {
    whole.Bad({"backup", "备份"}, {"it has no part of work_order, which holds the orders and the log",
                                   "缺少存放工单与日志的work_order部分"});
  }
  const bool one = std::all_of(report.parts.begin(), report.parts.end(), [&](const BackupManifest& part) {
    return part.hotline() == report.parts.front().hotline() && part.name() == report.parts.front().name();
  });
  const Words together = {"parts fit together", "各部分相互一致"};
  if (!one) {
    whole.Bad(together, {"they are of different sites or backups", "属于不同平台或不同备份"});
    return report;
  }
  for (const auto& [where, cursor] : cursors) {
    if (has_log && cursor > report.head_sequence) {
      whole.Bad(together, {StrCat(where, " has read the log up to ", cursor, ", which ends at ",
                                  report.head_sequence, ": remove it, it is rebuilt"),
                           StrCat(where, "已读到日志第", cursor, "条，而日志止于第", report.head_sequence,
                                  "条：请删除该文件，将自动重建")});
      return report;
    }
  }
  whole.Good(together);
  return report;
}

std::vector<Check> VerifyStore(const std::string& path, bool still, bool deep) {
  std::vector<Check> found;
  Checks checks(path, &found);
  int64_t head = 0;
  std::optional<int64_t> cursor;
  CheckDatabase(path, still, deep, checks, &head, &cursor);
  return found;
}

std::string HotlineOfStore(const std::string& path, bool still) {
  const StoreKind* const kind = KindOf(path);
  if (kind == nullptr) return "";
  auto reader = sql::OpenSqliteToRead(path, still);
  if (!reader.ok()) return "";
  const absl::StatusOr<std::optional<std::string>> hotline = ReadText(
      **reader, kind->file == "work_order.db" ? "SELECT CAST(value AS TEXT) FROM meta WHERE name = 'hotline'"
                                              : "SELECT hotline FROM site WHERE id = 1");
  return hotline.ok() ? hotline->value_or("") : "";
}

}  // namespace hotline::backup
