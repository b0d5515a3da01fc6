#include "common/sql/faulty.h"

#include <atomic>
#include <utility>

namespace hotline::sql {
namespace {

// What the writer and its database share.
struct Shared {
  FaultSchedule schedule;
  std::atomic<int64_t> commits{0};
  std::atomic<int64_t> failures{0};
  std::atomic<bool> poisoned{false};
};

class FaultyWriter : public Connection {
 public:
  FaultyWriter(std::unique_ptr<Connection> real, Shared* shared) : real_(std::move(real)), shared_(shared) {}

  absl::StatusOr<std::unique_ptr<Statement>> Prepare(std::string_view sql) override {
    return real_->Prepare(sql);
  }
  absl::Status Execute(std::string_view script) override { return real_->Execute(script); }
  absl::Status Begin() override {
    if (shared_->poisoned)
      return absl::UnavailableError("injected: a commit failed; the database must be reopened");
    return real_->Begin();
  }
  absl::Status Commit() override {
    switch (shared_->schedule(++shared_->commits)) {
      case Fault::kNone:
        return real_->Commit();
      case Fault::kFailBeforeCommit:
        ++shared_->failures;
        shared_->poisoned = true;
        real_->Rollback();
        return absl::UnavailableError("injected: commit failed");
      case Fault::kFailAfterCommit: {
        const absl::Status committed = real_->Commit();
        ++shared_->failures;
        shared_->poisoned = true;
        return committed.ok() ? absl::UnavailableError("injected: commit failed after it was made")
                              : committed;
      }
      case Fault::kDiskFull:
        ++shared_->failures;
        real_->Rollback();
        return absl::ResourceExhaustedError("injected: disk full");
    }
    return absl::InternalError("unknown fault");
  }
  void Rollback() override { real_->Rollback(); }

 private:
  const std::unique_ptr<Connection> real_;
  Shared* const shared_;
};

class FaultyDatabase : public Database {
 public:
  FaultyDatabase(std::unique_ptr<Database> real, FaultSchedule schedule) : real_(std::move(real)) {
    shared_.schedule = std::move(schedule);
  }

  absl::StatusOr<std::unique_ptr<Connection>> OpenWriter() override {
    if (shared_.poisoned)
      return absl::UnavailableError("injected: a commit failed; the database must be reopened");
    absl::StatusOr<std::unique_ptr<Connection>> writer = real_->OpenWriter();
    if (!writer.ok()) return writer.status();
    return std::make_unique<FaultyWriter>(*std::move(writer), &shared_);
  }
  absl::StatusOr<std::unique_ptr<Connection>> OpenReader() override { return real_->OpenReader(); }
  absl::Status CopyTo(const std::string& path) override { return real_->CopyTo(path); }
  absl::Status Checkpoint() override { return real_->Checkpoint(); }
  void EmptyLog() override { real_->EmptyLog(); }
  Stats stats() const override {
    Stats stats = real_->stats();
    stats.commit_failures += shared_.failures;
    stats.poisoned |= shared_.poisoned;
    return stats;
  }

 private:
  const std::unique_ptr<Database> real_;
  Shared shared_;
};

}  // namespace

std::unique_ptr<Database> MakeFaulty(std::unique_ptr<Database> real, FaultSchedule schedule) {
  return std::make_unique<FaultyDatabase>(std::move(real), std::move(schedule));
}

}  // namespace hotline::sql
