#include "services/escalation/directory/store/store.h"

#include <utility>

#include "common/base/text.h"
#include "common/error/error.h"
#include "common/sql/schema.h"

namespace hotline::escalation::directory {
namespace {

constexpr sql::StoreMark kMark = {.file = "directory.db",
                                  .name = "the directory",
                                  .version = sql::kDirectorySchema,
                                  .counter = "directory_version"};

constexpr char kSchema[] = R"sql(
CREATE TABLE IF NOT EXISTS site (
  id {int} PRIMARY KEY,
  schema_version {int} NOT NULL,
  hotline TEXT NOT NULL,
  directory_version {int} NOT NULL
) {rows};
CREATE TABLE IF NOT EXISTS entry (
  entry_key {blob} PRIMARY KEY,
  body {blob} NOT NULL
) {keyed};
CREATE TABLE IF NOT EXISTS change (
  version {int} NOT NULL,
  place {int} NOT NULL,
  unit TEXT NOT NULL,
  body {blob} NOT NULL,
  PRIMARY KEY (version, place)
) {keyed};
CREATE INDEX IF NOT EXISTS change_by_unit ON change (unit, version, place);
CREATE TABLE IF NOT EXISTS request (
  id TEXT PRIMARY KEY,
  digest {blob} NOT NULL,
  response {blob} NOT NULL
) {keyed};
)sql";

absl::Status Translate(const absl::Status& status) {
  if (status.ok()) return status;
  if (absl::IsResourceExhausted(status)) return error::DiskFull();
  return error::StoreFailed(StrCat("directory: ", status.message()));
}

class SqlStore final : public Store {
 public:
  explicit SqlStore(std::unique_ptr<sql::Database> database) : database_(std::move(database)) {}

  absl::Status Init(std::string_view hotline) {
    auto writer = database_->OpenWriter();
    if (!writer.ok()) return writer.status();
    writer_ = *std::move(writer);
    return sql::OpenStore(writer_.get(), kMark, hotline, [&] { return writer_->Execute(kSchema); });
  }

  absl::StatusOr<Directory> Load() override {
    auto entries = Read();
    if (!entries.ok()) return Translate(entries.status());
    return *std::move(entries);
  }

  absl::StatusOr<std::optional<Answered>> FindRequest(std::string_view request_id) override {
    // What that commit wrote this connection may see, and nobody after it.
    if (request_id == in_doubt_)
      return error::OutcomeUnknown(
          Translate(absl::UnavailableError(absl::StrCat("a commit failed; ", ToAbsl(error::kUntilRestart)))));
    auto select = writer_->Prepare("SELECT digest, response FROM request WHERE id = ?1");
    if (!select.ok()) return Translate(select.status());
    sql::ScopedReset reset(select->get());
    (*select)->BindText(1, request_id);
    const auto row = (*select)->Step();
    if (!row.ok()) return Translate(row.status());
    if (!*row) return std::optional<Answered>();
    return std::optional<Answered>(
        Answered{std::string((*select)->Blob(0)), std::string((*select)->Blob(1))});
  }

  absl::Status Commit(const std::vector<v1::DirectoryChange>& changes, int64_t version,
                      std::string_view request_id, const Answered& answered) override {
    absl::Status status = writer_->Begin();
    if (status.ok()) status = Write(changes, version, request_id, answered);
    if (status.ok()) {
      status = writer_->Commit();
      if (!status.ok() && !absl::IsResourceExhausted(status)) in_doubt_ = request_id;
    }
    if (!status.ok()) writer_->Rollback();
    // Who repeats it before the store is opened again is not told that it was not done.
    return request_id == in_doubt_ ? error::OutcomeUnknown(Translate(status)) : Translate(status);
  }

  absl::StatusOr<std::vector<v1::DirectoryChange>> ListChanges(std::string_view unit,
                                                               std::pair<int64_t, int64_t> before,
                                                               int limit) override {
    auto select = writer_->Prepare(
        unit.empty() ? "SELECT body FROM change WHERE (version, place) < (?1, ?2)"
                       " ORDER BY version DESC, place DESC LIMIT ?3"
                     : "SELECT body FROM change WHERE (version, place) < (?1, ?2) AND unit = ?4"
                       " ORDER BY version DESC, place DESC LIMIT ?3");
    if (!select.ok()) return Translate(select.status());
    sql::ScopedReset reset(select->get());
    (*select)->BindInt64(1, before.first);
    (*select)->BindInt64(2, before.second);
    (*select)->BindInt64(3, limit);
    if (!unit.empty()) (*select)->BindText(4, unit);
    std::vector<v1::DirectoryChange> changes;
    while (true) {
      const auto row = (*select)->Step();
      if (!row.ok()) return Translate(row.status());
      if (!*row) return changes;
      const std::string_view body = (*select)->Blob(0);
      if (!changes.emplace_back().ParseFromArray(body.data(), static_cast<int>(body.size()))) {
        return error::StoreFailed("a change of the directory cannot be read");
      }
    }
  }

  absl::Status Checkpoint() override { return Translate(database_->Checkpoint()); }

 private:
  absl::StatusOr<Directory> Read() {
    auto version = writer_->Prepare("SELECT directory_version FROM site WHERE id = 1");
    if (!version.ok()) return version.status();
    sql::ScopedReset reset_version(version->get());
    const auto found = (*version)->Step();
    if (!found.ok()) return found.status();
    auto select = writer_->Prepare("SELECT entry_key, body FROM entry");
    if (!select.ok()) return select.status();
    sql::ScopedReset reset(select->get());
    Directory::Entries entries;
    while (true) {
      const auto row = (*select)->Step();
      if (!row.ok()) return row.status();
      if (!*row) return Directory(std::move(entries), (*version)->Int64(0));
      auto entry = std::make_shared<v1::DirectoryEntry>();
      const std::string_view body = (*select)->Blob(1);
      if (!entry->ParseFromArray(body.data(), static_cast<int>(body.size()))) {
        return absl::DataLossError("an entry cannot be read");
      }
      entries[std::string((*select)->Blob(0))] = std::move(entry);
    }
  }

  absl::Status Write(const std::vector<v1::DirectoryChange>& changes, int64_t version,
                     std::string_view request_id, const Answered& answered) {
    auto put = writer_->Prepare(
        "INSERT INTO entry (entry_key, body) VALUES (?1, ?2) ON CONFLICT (entry_key) DO UPDATE SET body = "
        "excluded.body");
    auto remove = writer_->Prepare("DELETE FROM entry WHERE entry_key = ?1");
    auto append = writer_->Prepare("INSERT INTO change (version, place, unit, body) VALUES (?1, ?2, ?3, ?4)");
    auto answer = writer_->Prepare("INSERT INTO request (id, digest, response) VALUES (?1, ?2, ?3)");
    auto raise = writer_->Prepare("UPDATE site SET directory_version = ?1 WHERE id = 1");
    for (const auto* statement : {&put, &remove, &append, &answer, &raise}) {
      if (!statement->ok()) return statement->status();
    }
    for (const v1::DirectoryChange& change : changes) {
      const v1::DirectoryEntry& entry = change.has_after() ? change.after() : change.before();
      const std::string key = KeyOf(entry);
      const std::string entry_body = entry.SerializeAsString();
      sql::Statement& write = change.has_after() ? **put : **remove;
      write.BindBlob(1, key);
      if (change.has_after()) write.BindBlob(2, entry_body);
      if (absl::Status status = write.Run(); !status.ok()) return status;
      const std::string body = change.SerializeAsString();
      (*append)->BindInt64(1, change.version());
      (*append)->BindInt64(2, change.index());
      (*append)->BindText(3, UnitOf(entry));
      (*append)->BindBlob(4, body);
      if (absl::Status status = (*append)->Run(); !status.ok()) return status;
    }
    (*answer)->BindText(1, request_id);
    (*answer)->BindBlob(2, answered.digest);
    (*answer)->BindBlob(3, answered.response);
    if (absl::Status status = (*answer)->Run(); !status.ok()) return status;
    (*raise)->BindInt64(1, version);
    return (*raise)->Run();
  }

  const std::unique_ptr<sql::Database> database_;
  std::unique_ptr<sql::Connection> writer_;
  std::string in_doubt_;  // the request whose commit failed; nothing is taken after it
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(std::unique_ptr<sql::Database> database,
                                                   std::string_view hotline) {
  auto store = std::make_unique<SqlStore>(std::move(database));
  if (absl::Status status = store->Init(hotline); !status.ok()) return status;
  return store;
}

}  // namespace hotline::escalation::directory
