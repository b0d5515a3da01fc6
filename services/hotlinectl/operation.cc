// backup, hold, retention: keeping what a site has, and erasing what is over.
#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "common/backup/backup.h"
#include "common/backup/verify.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/boot/config.h"
#include "common/contract/proto_time.h"
#include "hotline/operation/v1/backup_service.grpc.pb.h"
#include "hotline/operation/v1/retention_service.grpc.pb.h"
#include "services/hotlinectl/commands.h"
#include "services/hotlinectl/core/render.h"
#include "services/hotlinectl/core/text_operation.h"

namespace hotline::hotlinectl {
namespace {

using operation::v1::BackupManifest;
using Backups = BackupService::StubInterface;
using Retentions = RetentionService::StubInterface;

constexpr char kDefaultConfig[] = "/etc/hotline-handoff/site.yaml";
// A store of many gigabytes takes minutes to copy, longer than a call may last.
constexpr absl::Duration kLongestCopy = absl::Hours(6);
constexpr absl::Duration kLookEvery = absl::Seconds(1);
constexpr int kMostLostLooks = 30;

using Parts = std::vector<std::pair<Target, std::string_view>>;
// Escalation's stores follow work_order's log, so they are copied first: see BackupService.
const Parts& AllParts() {
  static const auto* const parts =
      new Parts{{Target::kEscalation, "escalation"}, {Target::kWorkOrder, "work_order"}};
  return *parts;
}

std::string TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", FromTimestamp(time), Beijing());
}

int64_t BytesOf(const BackupManifest& manifest) {
  int64_t bytes = 0;
  for (const auto& file : manifest.files()) bytes += file.bytes();
  return bytes;
}

// The manifest of the part that `target` made under `name`, however long that takes.
std::optional<Failure> CreatePart(Session& session, Target target, std::string_view service,
                                  const std::string& name, operation::v1::CreateBackupResponse* response) {
  operation::v1::CreateBackupRequest request;
  request.set_name(name);
  auto failure = session.client.CallAt(target, &Backups::CreateBackup, request, response);
  if (!failure || !absl::IsDeadlineExceeded(failure->status)) return failure;
  // The copy goes on without the call; a service that goes away meanwhile makes none.
  const absl::Time end = session.now + kLongestCopy;
  int lost = 0;
  while (SystemClock()->Now() < end) {
    session.console.Progress(Say(session.console.language(), say::kBackupGoesOn, name, service));
    Pause(kLookEvery);
    operation::v1::ListBackupsResponse list;
    if (auto unlisted = session.client.CallAt(target, &Backups::ListBackups, {}, &list); unlisted) {
      if (++lost > kMostLostLooks) return unlisted;
      continue;
    }
    for (BackupManifest& part : *list.mutable_backups()) {
      if (part.name() != name) continue;
      response->set_folder(StrCat(list.directory(), "/", name, "/", service));
      *response->mutable_manifest() = std::move(part);
      return std::nullopt;
    }
    if (list.running() != name) {
      const std::string text = Say(session.console.language(), say::kBackupLost, service, name);
      return Failure{.status = absl::UnavailableError(text)};
    }
  }
  return failure;
}

int CreateBackup(Session& session, const Parts& parts) {
  Console& console = session.console;
  const Language language = console.language();
  std::string name = session.arguments.operand;
  if (name.empty()) name = absl::FormatTime("%Y%m%d-%H%M%S", session.now, Beijing());
  // Before the first copies: one part without the other is half a backup.
  std::map<std::string_view, operation::v1::CreateBackupResponse> made;
  for (const auto& [target, service] : parts) {
    operation::v1::CreateBackupRequest request;
    request.set_name(name);
    request.set_validate_only(true);
    operation::v1::CreateBackupResponse response;
    if (auto failure = session.client.CallAt(target, &Backups::CreateBackup, request, &response); failure) {
      return console.Fail(*failure);
    }
    // By a release that does not know the question.
    if (response.has_manifest()) made[service] = std::move(response);
  }
  for (const auto& [target, service] : parts) {
    operation::v1::CreateBackupResponse response;
    if (const auto before = made.find(service); before != made.end()) {
      response = before->second;
    } else if (auto failure = CreatePart(session, target, service, name, &response); failure) {
      return console.Fail(*failure);
    }
    console.EndProgress();
    if (console.json()) {
      console.OutLine(ToJson(response));
    } else {
      console.OutLine(Say(language, say::kBackupMade, name, service, response.manifest().files_size(),
                          BytesOf(response.manifest()), response.folder()));
    }
  }
  if (!console.json()) console.OutLine(Say(language, say::kBackupWhole, name));
  return kExitOk;
}

int ListBackups(Session& session, const Parts& services) {
  Console& console = session.console;
  const Language language = console.language();
  Table table({{.heading = std::string(Say(language, say::kColBackup))},
               {.heading = std::string(Say(language, say::kColService))},
               {.heading = std::string(Say(language, say::kColMade))},
               {.heading = std::string(Say(language, say::kColFiles)), .right_aligned = true},
               {.heading = std::string(Say(language, say::kColBytes)), .right_aligned = true}});
  std::vector<BackupManifest> parts;
  for (const auto& [target, service] : services) {
    operation::v1::ListBackupsResponse response;
    if (auto failure = session.client.CallAt(target, &Backups::ListBackups, {}, &response); failure) {
      return console.Fail(*failure);
    }
    for (BackupManifest& part : *response.mutable_backups()) parts.push_back(std::move(part));
  }
  // The newest backup first, the parts of each together.
  std::map<std::string, absl::Time> ends;
  for (const BackupManifest& part : parts) {
    absl::Time& end = ends.try_emplace(part.name(), absl::InfinitePast()).first->second;
    end = std::max(end, FromTimestamp(part.end_time()));
  }
  std::stable_sort(parts.begin(), parts.end(), [&](const auto& one, const auto& other) {
    return std::pair(ends[one.name()], one.name()) > std::pair(ends[other.name()], other.name());
  });
  for (const BackupManifest& part : parts) {
    if (console.json()) {
      console.OutLine(ToJson(part));
      continue;
    }
    table.AddRow({Cell(part.name()), Cell(part.service()), Cell(TimeOf(part.end_time())),
                  Cell(StrCat(part.files_size())), Cell(StrCat(BytesOf(part)))});
  }
  if (!console.json()) console.Out(table.Render(console.style()));
  return kExitOk;
}

void PrintChecks(Session& session, const std::vector<backup::Check>& checks) {
  Console& console = session.console;
  const Language language = console.language();
  const auto words = [&](const backup::Words& both) {
    return language == Language::kChinese ? both.chinese : both.english;
  };
  Table table({{.heading = std::string(Say(language, say::kColVerdict))},
               {.heading = std::string(Say(language, say::kColCheck))},
               {.heading = std::string(Say(language, say::kColWhere))},
               {.heading = std::string(Say(language, say::kColDetail))}});
  for (const backup::Check& check : checks) {
    if (console.json()) {
      console.OutLine(StrCat(
          "{\"ok\":", check.ok ? "true" : "false", ",\"what\":", JsonString(check.what.english),
          ",\"whatZh\":", JsonString(check.what.chinese), ",\"where\":", JsonString(check.where),
          ",\"why\":", JsonString(check.why.english), ",\"whyZh\":", JsonString(check.why.chinese), "}"));
      continue;
    }
    table.AddRow({Cell(Say(language, check.ok ? say::kVerdictOk : say::kVerdictFailed),
                       check.ok ? Colour::kGreen : Colour::kRed),
                  Cell(words(check.what)), Cell(check.where), Cell(words(check.why))});
  }
  if (!console.json()) console.Out(table.Render(console.style()));
}

bool HasPart(const backup::Report& report, std::string_view service) {
  return std::any_of(report.parts.begin(), report.parts.end(),
                     [&](const BackupManifest& part) { return part.service() == service; });
}

// The data_dir of each service that has one by the configuration, by its name.
std::map<std::string, std::string> DataDirsOf(const config::v1::SiteConfig& site) {
  std::map<std::string, std::string> folders = {{"work_order", site.work_order().data_dir()},
                                                {"escalation", site.escalation().data_dir()}};
  std::erase_if(folders, [](const auto& one) { return one.second.empty(); });
  return folders;
}

// What was given as the folder of a backup: a folder, or the name of one in the site's backup.directory.
std::string FolderOf(const std::string& given, const config::v1::SiteConfig& site) {
  std::error_code code;
  const std::string named = StrCat(site.backup().directory(), "/", given);
  const bool is_name = !site.backup().directory().empty() && given.find('/') == std::string::npos &&
                       !std::filesystem::exists(given, code) && std::filesystem::is_directory(named, code);
  return is_name ? named : given;
}

// Whether the backup can be relied on, after saying what was found. With `site` it must be of its hotline,
// and have a part for each store that this has. `only`: of this service's part alone.
bool VerifyAndTell(Session& session, const std::string& folder, const config::v1::SiteConfig* site,
                   backup::Report* report, std::string_view only = {}) {
  *report = backup::Verify(folder, only);
  bool lacks = false;
  int others = 0;
  if (site != nullptr) {
    // A backup whose parts are of several hotlines is told of as such.
    const auto other = std::find_if(report->parts.begin(), report->parts.end(),
                                    [&](const auto& part) { return part.hotline() != site->hotline(); });
    if (other != report->parts.end()) {
      ++others;
      report->checks.push_back(
          {false,
           {"backup", "备份"},
           "",
           {Say(Language::kEnglish, say::kBackupOfOther, other->hotline(), site->hotline()),
            Say(Language::kChinese, say::kBackupOfOther, other->hotline(), site->hotline())}});
    }
  }
  if (site != nullptr && only.empty() && !report->parts.empty()) {
    for (const auto& [service, data_dir] : DataDirsOf(*site)) {
      if (HasPart(*report, service)) continue;
      lacks = true;
      report->checks.push_back(
          {false,
           {"backup", "备份"},
           "",
           {StrCat("it has no part of ", service, ", whose data_dir the site configures: ", data_dir),
            StrCat("缺少", service, "部分，而平台配置了其data_dir：", data_dir)}});
    }
  }
  PrintChecks(session, report->checks);
  Console& console = session.console;
  if (site == nullptr && only.empty() && report->ok() && !HasPart(*report, "escalation")) {
    console.ErrLine(Say(console.language(), say::kBackupOneOfTwo, folder), Colour::kYellow);
  }
  if (std::error_code code; report->parts.empty() && !std::filesystem::exists(folder, code)) {
    console.ErrLine(Say(console.language(), say::kBackupNeedsFolder), Colour::kYellow);
  }
  if (lacks && session.arguments.action == "restore") {
    console.ErrLine(Say(console.language(), say::kOnlyAdvice, report->parts.front().service()),
                    Colour::kYellow);
  }
  if (!console.json()) {
    // Who reads the last line alone must not throw a good backup away.
    const bool only_other = others == 1 && std::count_if(report->checks.begin(), report->checks.end(),
                                                         [](const auto& check) { return !check.ok; }) == 1;
    console.OutLine(Paint(
        report->ok()
            ? Say(console.language(), say::kBackupSound, folder, report->head_sequence)
            : Say(console.language(), only_other ? say::kBackupOfOtherSite : say::kBackupDamaged, folder),
        report->ok() ? Colour::kGreen : Colour::kRed, console.style().colour));
  }
  return report->ok();
}

// Of this machine, by `--config`.
absl::StatusOr<boot::LoadedSite> LoadOwnSite(const Session& session) {
  const std::string config =
      session.arguments.Has("config") ? session.arguments.Text("config") : kDefaultConfig;
  return boot::LoadSite(config, {.role = "admin", .insecure_listen = true});
}

int RestoreBackup(Session& session) {
  Console& console = session.console;
  const Language language = console.language();
  const std::string& only = session.arguments.Text("only");
  absl::StatusOr<boot::LoadedSite> site = LoadOwnSite(session);
  if (!site.ok()) return session.console.FailUsage(std::string(site.status().message()));
  const std::string folder = FolderOf(session.arguments.operand, site->site);
  backup::Report report;
  if (!only.empty() && absl::IsNotFound(backup::ReadManifest(StrCat(folder, "/", only)).status())) {
    return console.Fail(Misuse(say::kNoSuchPart, folder, only));
  }
  if (!VerifyAndTell(session, folder, &site->site, &report, only)) return kExitVerifyFailed;
  const auto data_dir_of = [&](const BackupManifest& part) {
    return part.service() == "work_order" ? site->site.work_order().data_dir()
                                          : site->site.escalation().data_dir();
  };
  const auto refuse = [&](const absl::Status& status) {
    const std::string text(status.message());
    if (absl::IsResourceExhausted(status)) {
      return console.Fail(
          {.status = absl::ResourceExhaustedError(Say(Language::kEnglish, say::kRestoreFull, text)),
           .chinese = Say(Language::kChinese, say::kRestoreFull, text),
           .advice = &say::kDoMakeRoomToRestore});
    }
    if (absl::IsAborted(status)) {
      return console.Fail(
          {.status = absl::FailedPreconditionError(Say(Language::kEnglish, say::kRestoreInUse, text)),
           .chinese = Say(Language::kChinese, say::kRestoreInUse, text),
           .advice = &say::kDoStopServices});
    }
    if (!absl::IsFailedPrecondition(status)) return console.Fail({.status = status});
    return console.Fail(
        {.status = absl::FailedPreconditionError(Say(Language::kEnglish, say::kRestoreRefused, text)),
         .chinese = Say(Language::kChinese, say::kRestoreRefused, text),
         .advice = &say::kDoMoveAway});
  };
  std::vector<backup::Placement> placements;
  for (const BackupManifest& part : report.parts) {
    std::string data_dir = data_dir_of(part);
    if (data_dir.empty()) {
      console.ErrLine(Say(language, say::kPartSkipped, part.service()), Colour::kYellow);
      continue;
    }
    placements.push_back({.manifest = part, .data_dir = std::move(data_dir)});
  }
  if (absl::Status status = backup::RestoreAll(folder, placements); !status.ok()) return refuse(status);
  for (const backup::Placement& part : placements) {
    const std::string& service = part.manifest.service();
    if (console.json()) {
      console.OutLine(
          StrCat("{\"restored\":", JsonString(service), ",\"dataDir\":", JsonString(part.data_dir), "}"));
    } else {
      console.OutLine(Say(language, say::kPartRestored, service, part.data_dir));
    }
  }
  if (only == "work_order" && !site->site.escalation().data_dir().empty()) {
    console.ErrLine(Say(language, say::kOnlyOrdersNext), Colour::kYellow);
  }
  if (!console.json()) console.OutLine(Say(language, say::kRestoredNext));
  return kExitOk;
}

int ListHolds(Session& session) {
  Console& console = session.console;
  const Language language = console.language();
  operation::v1::ListHoldsResponse response;
  if (auto failure = session.client.Call(&Retentions::ListHolds, {}, &response); failure) {
    return console.Fail(*failure);
  }
  Table table({{.heading = std::string(Say(language, say::kColHeldOrder))},
               {.heading = std::string(Say(language, say::kColReference))},
               {.heading = std::string(Say(language, say::kColHeldBy))},
               {.heading = std::string(Say(language, say::kColHeldAt))},
               {.heading = std::string(Say(language, say::kColHoldReason)), .shrinks = true}});
  for (const type::v1::WorkOrder& order : response.orders()) {
    if (console.json()) {
      console.OutLine(ToJson(order));
      continue;
    }
    const type::v1::LegalHold& hold = order.legal_hold();
    table.AddRow({Cell(order.number()), Cell(hold.reference()), Cell(hold.account()),
                  Cell(TimeOf(hold.place_time())), Cell(hold.reason())});
  }
  if (!console.json()) console.Out(table.Render(console.style()));
  return kExitOk;
}

template <typename Request, typename Response>
int ChangeHold(Session& session,
               grpc::Status (Retentions::*method)(grpc::ClientContext*, const Request&, Response*),
               Request request, const Phrase& said) {
  Console& console = session.console;
  *request.mutable_header() = MakeHeader(session);
  Response response;
  if (auto failure = session.client.Call(method, request, &response); failure) return console.Fail(*failure);
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else {
    console.OutLine(Say(console.language(), said, response.order().number()));
  }
  return kExitOk;
}

}  // namespace

int Backup(Session& session) {
  const std::string& action = session.arguments.action;
  if (action == "restore") return RestoreBackup(session);
  if (!session.arguments.Has("config")) {
    if (action == "create") return CreateBackup(session, AllParts());
    if (action == "list") return ListBackups(session, AllParts());
    backup::Report report;
    return VerifyAndTell(session, session.arguments.operand, nullptr, &report) ? kExitOk : kExitVerifyFailed;
  }
  const absl::StatusOr<boot::LoadedSite> site = LoadOwnSite(session);
  if (!site.ok()) return session.console.FailUsage(std::string(site.status().message()));
  if (action == "verify") {
    backup::Report report;
    const std::string folder = FolderOf(session.arguments.operand, site->site);
    return VerifyAndTell(session, folder, &site->site, &report) ? kExitOk : kExitVerifyFailed;
  }
  const Arguments arguments = AtSite(session.arguments, site->site);
  Client client(arguments);
  Session own{arguments, session.console, client, session.now};
  Parts parts = AllParts();
  std::erase_if(parts, [&](const auto& part) {
    return part.first == Target::kEscalation ? !site->site.has_escalation() : !site->site.has_work_order();
  });
  return action == "create" ? CreateBackup(own, parts) : ListBackups(own, parts);
}

int Hold(Session& session) {
  const Arguments& arguments = session.arguments;
  if (arguments.action == "list") return ListHolds(session);
  if (arguments.action == "place") {
    operation::v1::PlaceHoldRequest request;
    request.mutable_hold_placement()->set_reason(arguments.Text("reason"));
    request.mutable_hold_placement()->set_reference(arguments.Text("reference"));
    return ChangeHold(session, &Retentions::PlaceHold, std::move(request), say::kHoldPlaced);
  }
  operation::v1::ReleaseHoldRequest request;
  request.mutable_hold_release()->set_reason(arguments.Text("reason"));
  return ChangeHold(session, &Retentions::ReleaseHold, std::move(request), say::kHoldReleased);
}

int RetentionCommand(Session& session) {
  Console& console = session.console;
  const Language language = console.language();
  if (session.arguments.action == "run") {
    operation::v1::RunRetentionResponse response;
    if (auto failure = session.client.Call(&Retentions::RunRetention, {}, &response); failure) {
      return console.Fail(*failure);
    }
    if (console.json()) {
      console.OutLine(ToJson(response));
      return kExitOk;
    }
    console.OutLine(Say(language, say::kRetentionRan, response.erased_count()));
    if (response.failed_count() > 0) {
      console.OutLine(Say(language, say::kRetentionFailed, response.failed_count()));
    }
    if (!response.done()) console.OutLine(Say(language, say::kRetentionMore));
    return kExitOk;
  }
  operation::v1::GetRetentionResponse response;
  if (auto failure = session.client.Call(&Retentions::GetRetention, {}, &response); failure) {
    return console.Fail(*failure);
  }
  if (console.json()) {
    console.OutLine(ToJson(response));
  } else if (response.content_days() < 0) {
    console.OutLine(Say(language, say::kRetentionForGood, response.hold_count()));
  } else {
    console.OutLine(Say(language, say::kRetentionDays, response.content_days(), response.due_count(),
                        response.hold_count()));
  }
  return kExitOk;
}

}  // namespace hotline::hotlinectl
