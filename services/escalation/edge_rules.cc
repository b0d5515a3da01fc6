#include "services/escalation/edge_rules.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/base/sha256.h"
#include "common/base/text.h"
#include "common/boot/config.h"
#include "common/boot/log.h"
#include "common/boot/yaml_text.h"
#include "common/error/error.h"
#include "hotline/escalation/v1/stored_publication.pb.h"
#include "services/escalation/core/clocks.h"
#include "services/escalation/edge_calendar.h"

namespace hotline::escalation {
namespace {

constexpr char kSuffix[] = ".publication";
constexpr char kPolicyField[] = "policy_yaml";

// `field` is where the request has them; empty for what is in this site's own files.
absl::Status Bad(std::string_view field, const std::string& english, const std::string& chinese) {
  return error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, field, english,
                         StrCat("时限规则有误：", chinese));
}

boot::Position PlaceOf(const boot::Positions& positions, std::string path) {
  while (true) {
    if (const auto it = positions.find(path); it != positions.end()) return it->second;
    if (path.empty()) return {1, 1};
    const size_t end = path.find_last_of(".[");
    path.resize(end == std::string::npos ? 0 : end);
  }
}

bool CountsWork(const config::v1::Span& span) {
  return span.working_days() != 0 || span.working_hours() != 0 || span.working_minutes() != 0;
}

constexpr std::string_view kNoCalendar = " is not in escalation.calendars_file";
constexpr std::string_view kNeedsCalendar = "is in working time, which needs escalation.calendars_file";

// What CheckCalendars says, in Chinese; of other faults only the place is.
std::string FaultZh(const std::string& fault) {
  if (fault.ends_with(kNoCalendar))
    return StrCat("工作日历“", fault.substr(0, fault.size() - kNoCalendar.size()), "”不存在");
  if (fault == kNeedsCalendar) return "按工作时间计算，须配置escalation.calendars_file";
  return fault;
}

// Calendars that rules name and that are not there.
void CheckCalendars(const config::v1::Policy& policy, const std::string& prefix, const Calendars* calendars,
                    std::vector<boot::Problem>* problems) {
  const auto known = [&](const std::string& code) {
    return calendars != nullptr && calendars->contains(code);
  };
  const auto check = [&](const std::string& path,
                         const google::protobuf::RepeatedPtrField<config::v1::DeadlineRule>& rules) {
    for (int i = 0; i < rules.size(); ++i) {
      const config::v1::DeadlineRule& rule = rules[i];
      const std::string at = StrCat(path, "[", i, "]");
      if (!rule.calendar().empty() && rule.calendar() != "unit" && !known(rule.calendar())) {
        problems->push_back({at + ".calendar", StrCat(rule.calendar(), kNoCalendar)});
      }
      if (CountsWork(rule.limit()) && calendars == nullptr) {
        problems->push_back({at + ".limit", std::string(kNeedsCalendar)});
      }
    }
  };
  check(prefix + "rules", policy.rules());
  for (int i = 0; i < policy.temporary_size(); ++i) {
    check(StrCat(prefix, "temporary[", i, "].rules"), policy.temporary(i).rules());
  }
  for (int i = 0; i < policy.versions_size(); ++i) {
    CheckCalendars(policy.versions(i), StrCat(prefix, "versions[", i, "]."), calendars, problems);
  }
}

// Calendars that units work by and that are not there: such a unit would work around the clock, and nobody
// would see it. Without a file of calendars all do.
void CheckUnitCalendars(const config::v1::UnitList& units, const Calendars* calendars, std::string* english,
                        std::string* chinese) {
  if (calendars == nullptr) return;
  for (int i = 0; i < units.units_size(); ++i) {
    const config::v1::Unit& unit = units.units(i);
    if (unit.calendar().empty() || calendars->contains(unit.calendar())) continue;
    const std::string at = StrCat(english->empty() ? "" : "\n", "units[", i, "].calendar");
    *english += StrCat(at, ": ", unit.calendar(), " (of ", unit.code(),
                       ") is not in escalation.calendars_file, or in the calendars published since");
    *chinese += StrCat(at, "：单位", unit.code(), "的工作日历“", unit.calendar(), "”不在现有工作日历中");
  }
}

v1::StoredPublication ToStored(const Publication& publication) {
  v1::StoredPublication stored;
  *stored.mutable_policy() = publication.policy;
  if (publication.calendars != nullptr) {
    for (const auto& [code, calendar] : *publication.calendars) {
      v1::StoredCalendar* one = stored.add_calendars();
      one->set_code(code);
      for (config::v1::CalendarLayer& layer : calendar.layers()) *one->add_layers() = std::move(layer);
    }
  }
  return stored;
}

v1::StoredPublication ToStored(const Parties& parties) {
  v1::StoredPublication stored;
  stored.set_hotline(parties.site);
  for (const std::string& peer : parties.peers) stored.add_peers(peer);
  for (const auto& [code, calendar] : parties.units) {
    v1::StoredUnit* unit = stored.add_units();
    unit->set_code(code);
    unit->set_calendar(calendar);
  }
  return stored;
}

std::string DigestBytes(const v1::StoredPublication& content) {
  return Sha256({content.SerializeAsString()});
}

std::string PolicyDigest(const config::v1::Policy& policy) {
  return DigestBytes(ToStored({.policy = policy}));
}

std::string CalendarsDigest(const Calendars* calendars) {
  return DigestBytes(
      ToStored({.calendars = std::shared_ptr<const Calendars>(std::shared_ptr<void>(), calendars)}));
}

// A policy with what its problems are reported of.
struct PolicyText {
  std::string name;
  config::v1::Policy policy;
  boot::Positions positions;
};

absl::StatusOr<PolicyText> ParsePolicy(std::string_view yaml) {
  PolicyText text{.name = kPolicyField};
  const absl::Status read = boot::ParseYaml(yaml, text.name, &text.policy, &text.positions);
  const std::string faults(read.message());
  if (!read.ok()) return Bad(text.name, faults, boot::YamlFaultsZh(faults, text.name));
  return text;
}

absl::StatusOr<PolicyText> ConfiguredPolicy(const config::v1::EscalationConfig& config) {
  PolicyText text{.name = config.policy_file()};
  const absl::Status read = boot::LoadYaml(text.name, &text.policy, &text.positions);
  const std::string faults(read.message());
  if (!read.ok()) return Bad("", faults, boot::YamlFaultsZh(faults, text.name));
  return text;
}

// Null if there is no file of them.
absl::StatusOr<std::shared_ptr<const Calendars>> ConfiguredCalendars(
    const config::v1::EscalationConfig& config) {
  if (config.calendars_file().empty()) return std::shared_ptr<const Calendars>();
  absl::StatusOr<LoadedCalendars> loaded = LoadCalendars(config.calendars_file());
  if (!loaded.ok()) {
    if (absl::IsInvalidArgument(loaded.status())) return loaded.status();
    const std::string fault(loaded.status().message());
    return Bad("", fault, boot::YamlFaultsZh(fault, config.calendars_file()));
  }
  return std::make_shared<const Calendars>(std::move(loaded->by_code));
}

// `field` is what of the request brought these together.
absl::Status CheckRules(const PolicyText& text, const Calendars* calendars, const config::v1::UnitList& units,
                        std::string_view field) {
  std::vector<boot::Problem> problems = boot::CheckPolicy(text.policy);
  CheckCalendars(text.policy, "", calendars, &problems);
  std::string english;
  std::string chinese;
  for (const boot::Problem& problem : problems) {
    if (!english.empty()) english += "\n", chinese += "\n";
    if (text.positions.empty()) {
      english += StrCat(text.name, ": ", problem.path, ": ", problem.message);
      chinese += StrCat("现行规则“", problem.path, "”：", FaultZh(problem.message));
    } else {
      const boot::Position at = PlaceOf(text.positions, problem.path);
      english += StrCat(text.name, ":", at.line, ":", at.column, ": ", problem.path, ": ", problem.message);
      chinese += StrCat(text.name, "第", at.line, "行第", at.column, "列“", problem.path, "”：",
                        FaultZh(problem.message));
    }
  }
  // Beside a policy, the units and their calendars are the site's own.
  const std::string_view at_fault = english.empty() && field == kPolicyField ? std::string_view() : field;
  CheckUnitCalendars(units, calendars, &english, &chinese);
  return english.empty() ? absl::OkStatus() : Bad(at_fault, english, chinese);
}

// Whether a configured file, whose part of the rules has `digest`, says what it said when the latest was
// published. `known` is what that was; publications of older releases do not tell: then what any of them held
// is known.
template <typename DigestOfPart>
bool IsUnchanged(const std::string& digest, const std::vector<Publication>& published,
                 const std::string& known, DigestOfPart digest_of) {
  if (!known.empty()) return digest == known;
  return std::any_of(published.begin(), published.end(),
                     [&](const Publication& one) { return digest_of(one) == digest; });
}

// Documents of the latest calendars that the configured ones lack, and that were published from elsewhere:
// whoever takes one out of the files that had it means it.
std::set<std::string> NotInFiles(const std::vector<Publication>& published, const Calendars* configured) {
  const Publication& latest = published.back();
  std::set<std::string> documents = DocumentsOf(latest.calendars.get());
  const auto leave_out = [&](const Calendars* calendars) {
    for (const std::string& one : DocumentsOf(calendars)) documents.erase(one);
  };
  leave_out(configured);
  for (const Publication& one : published) {
    if (CalendarsDigest(one.calendars.get()) == latest.configured_calendars) leave_out(one.calendars.get());
  }
  return documents;
}

absl::StatusOr<Publication> FromStored(const v1::StoredPublication& stored) {
  v1::StoredPublication content;
  *content.mutable_policy() = stored.policy();
  *content.mutable_calendars() = stored.calendars();
  if (DigestBytes(content) != stored.digest()) {
    return absl::FailedPreconditionError("does not hold what was published: its digest is another");
  }
  Publication publication;
  publication.parties.site = stored.hotline();
  publication.parties.peers = {stored.peers().begin(), stored.peers().end()};
  for (const v1::StoredUnit& unit : stored.units()) {
    publication.parties.units.emplace(unit.code(), unit.calendar());
  }
  // Of a release that did not keep them there is nothing to be checked.
  if (!stored.parties_digest().empty() &&
      DigestBytes(ToStored(publication.parties)) != stored.parties_digest()) {
    return absl::FailedPreconditionError("does not hold who worked by which calendar: its digest is another");
  }
  publication.number = stored.number();
  if (stored.has_publish_time()) publication.time = FromProto(stored.publish_time());
  publication.policy = stored.policy();
  publication.note = stored.note();
  publication.account = stored.account();
  publication.moves_open = stored.moves_open();
  publication.configured_policy = stored.configured_policy_digest();
  publication.configured_calendars = stored.configured_calendars_digest();
  if (stored.calendars_size() > 0) {
    auto calendars = std::make_shared<Calendars>();
    for (const v1::StoredCalendar& one : stored.calendars()) {
      auto made = calendar::Calendar::Create(one.code(), {one.layers().begin(), one.layers().end()});
      if (!made.ok()) return made.status();
      calendars->emplace(one.code(), *std::move(made));
    }
    publication.calendars = std::move(calendars);
  }
  return publication;
}

absl::Status WriteDurably(const std::string& path, const std::string& bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (file < 0) return absl::UnavailableError(ToAbsl(StrCat("cannot write ", path)));
  size_t done = 0;
  bool good = true;
  while (good && done < bytes.size()) {
    const ssize_t wrote = write(file, bytes.data() + done, bytes.size() - done);
    good = wrote > 0;
    if (good) done += static_cast<size_t>(wrote);
  }
  good = good && fsync(file) == 0;
  close(file);
  return good ? absl::OkStatus() : absl::UnavailableError(ToAbsl(StrCat("cannot write ", path)));
}

void SyncFolder(const std::string& folder) {
  const int file = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  fsync(file);
  close(file);
}

}  // namespace

absl::StatusOr<Publication> LoadRules(const config::v1::EscalationConfig& config,
                                      std::string_view policy_yaml, const config::v1::UnitList& units) {
  absl::StatusOr<PolicyText> policy =
      policy_yaml.empty() ? ConfiguredPolicy(config) : ParsePolicy(policy_yaml);
  if (!policy.ok()) return policy.status();
  auto calendars = ConfiguredCalendars(config);
  if (!calendars.ok()) return calendars.status();
  Publication publication;
  publication.configured_calendars = CalendarsDigest(calendars->get());
  publication.calendars = *std::move(calendars);
  if (absl::Status status =
          CheckRules(*policy, publication.calendars.get(), units, policy_yaml.empty() ? "" : kPolicyField);
      !status.ok()) {
    return status;
  }
  publication.policy = std::move(policy->policy);
  publication.configured_policy = PolicyDigest(publication.policy);
  return publication;
}

absl::StatusOr<Publication> NextRules(const config::v1::EscalationConfig& config,
                                      const std::vector<Publication>& published, const RulesChange& change,
                                      const config::v1::UnitList& units, StartFindings* start) {
  const Publication& latest = published.back();
  const bool by_files = change.policy_yaml.empty() && change.calendar_files.empty();
  if (change.calendar_files.empty() && change.calendar_notice.ByteSizeLong() != 0) {
    return error::Required("calendar_files");
  }
  Publication next;
  next.parties = latest.parties;
  PolicyText policy{.name = "the policy that holds", .policy = latest.policy};
  next.configured_policy = latest.configured_policy;
  if (by_files || !change.policy_yaml.empty()) {
    absl::StatusOr<PolicyText> configured = ConfiguredPolicy(config);
    if (configured.ok()) next.configured_policy = PolicyDigest(configured->policy);
    if (by_files && !configured.ok()) return configured.status();
    if (!by_files) {
      absl::StatusOr<PolicyText> given = ParsePolicy(change.policy_yaml);
      if (!given.ok()) return given.status();
      policy = *std::move(given);
    } else if (!IsUnchanged(next.configured_policy, published, latest.configured_policy,
                            [](const Publication& one) { return PolicyDigest(one.policy); })) {
      policy = *std::move(configured);
    }
  }
  next.calendars = latest.calendars;
  next.configured_calendars = latest.configured_calendars;
  if (by_files || !change.calendar_files.empty()) {
    auto configured = ConfiguredCalendars(config);
    if (configured.ok()) next.configured_calendars = CalendarsDigest(configured->get());
    if (by_files && !configured.ok()) return configured.status();
    const bool unchanged =
        IsUnchanged(next.configured_calendars, published, latest.configured_calendars,
                    [](const Publication& one) { return CalendarsDigest(one.calendars.get()); });
    if (!by_files) {
      absl::StatusOr<Calendars> changed =
          ChangeCalendars(latest.calendars.get(), change.calendar_files, change.calendar_notice);
      if (!changed.ok()) return changed.status();
      next.calendars = std::make_shared<const Calendars>(*std::move(changed));
      // Files that are not taken yet, or kept back for a notice, are not forgotten over another one.
      if (!unchanged && CalendarsDigest(next.calendars.get()) != next.configured_calendars) {
        next.configured_calendars = latest.configured_calendars;
      }
    } else if (!unchanged) {
      if (start != nullptr) start->not_in_files = NotInFiles(published, configured->get());
      const bool kept = start != nullptr && !start->not_in_files.empty() &&
                        CheckRules(policy, latest.calendars.get(), units, "").ok();
      if (kept) {
        // Still another than what was taken: somebody who asks for the files gets them.
        next.configured_calendars = latest.configured_calendars;
      } else {
        next.calendars = *std::move(configured);
        if (start != nullptr) start->dropped = !start->not_in_files.empty();
        absl::Status versions;
        if (next.calendars != nullptr) {
          versions = CheckVersions(latest.calendars.get(), *next.calendars, "escalation.calendars_file");
        }
        if (start != nullptr) {
          start->unversioned = versions;
        } else if (!versions.ok()) {
          return versions;
        }
      }
    }
  }
  const std::string_view field =
      by_files ? "" : (change.policy_yaml.empty() ? "calendar_files" : kPolicyField);
  if (absl::Status status = CheckRules(policy, next.calendars.get(), units, field); !status.ok()) {
    return status;
  }
  next.policy = std::move(policy.policy);
  return next;
}

std::string DigestOf(const Publication& publication) {
  v1::StoredPublication content = ToStored(publication);
  content.MergeFrom(ToStored(publication.parties));
  return absl::BytesToHexString(DigestBytes(content));
}

Parties PartiesOf(const config::v1::SiteConfig& site, const config::v1::UnitList& units) {
  Parties parties;
  for (const config::v1::Unit& unit : units.units()) {
    // As it would without being named: such a unit can come and go, and the rules are the same.
    if (unit.calendar().empty() || unit.calendar() == "office") continue;
    parties.units.emplace(unit.code(), unit.calendar());
  }
  parties.site = site.hotline();
  for (const config::v1::PeerConfig& peer : site.peers()) parties.peers.insert(peer.hotline());
  return parties;
}

absl::StatusOr<std::vector<Publication>> PublicationFiles::Load() const {
  std::vector<std::string> paths;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, failure)) {
    // Whatever else may lie there, a folder is none.
    if (entry.path().extension() == kSuffix && !entry.is_directory(failure)) {
      paths.push_back(entry.path().string());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Publication> publications;
  for (const std::string& path : paths) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    v1::StoredPublication stored;
    if (!file || !stored.ParseFromString(bytes)) {
      return absl::FailedPreconditionError(ToAbsl(StrCat("cannot read ", path)));
    }
    auto publication = FromStored(stored);
    if (!publication.ok()) {
      return absl::FailedPreconditionError(
          ToAbsl(StrCat(path, ": ", std::string(publication.status().message()))));
    }
    if (publication->number != static_cast<int64_t>(publications.size()) + 1) {
      return absl::FailedPreconditionError(
          ToAbsl(StrCat(path, ": publication ", publications.size() + 1, " is missing")));
    }
    publications.push_back(*std::move(publication));
  }
  return publications;
}

absl::Status PublicationFiles::Keep(const Publication& publication) const {
  std::error_code failure;
  std::filesystem::create_directories(folder_, failure);
  if (failure) return absl::UnavailableError(ToAbsl(StrCat("cannot create the folder ", folder_)));
  v1::StoredPublication stored = ToStored(publication);
  // Two digests, so that the release before this one, which knows the first alone, still reads what it knows.
  stored.set_digest(DigestBytes(stored));
  const v1::StoredPublication parties = ToStored(publication.parties);
  stored.MergeFrom(parties);
  stored.set_parties_digest(DigestBytes(parties));
  stored.set_number(publication.number);
  if (publication.time != absl::InfinitePast()) *stored.mutable_publish_time() = ToProto(publication.time);
  stored.set_note(publication.note);
  stored.set_account(publication.account);
  stored.set_moves_open(publication.moves_open);
  stored.set_configured_policy_digest(publication.configured_policy);
  stored.set_configured_calendars_digest(publication.configured_calendars);
  const std::string path = StrCat(folder_, "/", absl::StrFormat("%06d", publication.number), kSuffix);
  const std::string draft = path + ".new";
  if (absl::Status status = WriteDurably(draft, stored.SerializeAsString()); !status.ok()) return status;
  std::filesystem::rename(draft, path, failure);
  if (failure) return absl::UnavailableError(ToAbsl(StrCat("cannot write ", path)));
  SyncFolder(folder_);
  return absl::OkStatus();
}

absl::Status PublicationFiles::Note(const Publication& next, Publication* latest) const {
  const bool known = next.configured_policy == latest->configured_policy &&
                     next.configured_calendars == latest->configured_calendars;
  if (known || DigestOf(next) != DigestOf(*latest)) return absl::OkStatus();
  Publication noted = *latest;
  noted.configured_policy = next.configured_policy;
  noted.configured_calendars = next.configured_calendars;
  if (absl::Status status = Keep(noted); !status.ok()) return status;
  *latest = std::move(noted);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Publication>> RulesAtStart(const PublicationFiles& files,
                                                      const config::v1::SiteConfig& site,
                                                      const config::v1::UnitList& units, absl::Time now) {
  absl::StatusOr<std::vector<Publication>> publications = files.Load();
  if (!publications.ok()) return publications.status();
  StartFindings found;
  absl::StatusOr<Publication> next = publications->empty()
                                         ? LoadRules(site.escalation(), "", units)
                                         : NextRules(site.escalation(), *publications, {}, units, &found);
  if (!next.ok()) return next.status();
  next->parties = PartiesOf(site, units);
  for (Publication& publication : *publications) {
    if (!publication.parties.site.empty()) continue;
    publication.parties = next->parties;
    if (absl::Status status = files.Keep(publication); !status.ok()) return status;
  }
  if (!found.unversioned.ok()) {
    log::Warn(
        "the configured calendars were changed without a new version: deadlines name one version for two",
        {{"error", std::string(found.unversioned.message())}});
  }
  if (!found.not_in_files.empty()) {
    log::Warn(found.dropped
                  ? "the configured calendars were taken without documents that were published, as what was "
                    "published does not fit the rest of the configuration: publish them again with "
                    "`hotlinectl calendar publish`"
                  : "the configured calendars have been changed and lack documents that were published, so "
                    "what was published still holds: add the documents to the files, or put the files into "
                    "force with `hotlinectl policy publish` and the documents again with `hotlinectl "
                    "calendar publish`",
              {{"documents", absl::StrJoin(found.not_in_files, ", ")}});
  }
  if (!publications->empty() && DigestOf(*next) == DigestOf(publications->back())) {
    if (absl::Status status = files.Note(*next, &publications->back()); !status.ok()) return status;
    return publications;
  }
  next->number = static_cast<int64_t>(publications->size()) + 1;
  if (!publications->empty()) {
    next->time = std::max(now, publications->back().time + absl::Nanoseconds(1));
    next->moves_open = false;
    log::Warn(
        "the configured rules have been changed since: clocks armed from now on go by them; `hotlinectl "
        "policy publish` moves the open ones too",
        {{"publication", next->number}});
  }
  if (absl::Status status = files.Keep(*next); !status.ok()) return status;
  publications->push_back(*std::move(next));
  return publications;
}

absl::Status CheckRulesInForce(const config::v1::EscalationConfig& config,
                               const config::v1::UnitList& units) {
  const absl::StatusOr<std::vector<Publication>> published =
      PublicationFiles(StrCat(config.data_dir(), "/publications")).Load();
  if (!published.ok()) return published.status();
  if (published->empty()) return LoadRules(config, "", units).status();
  StartFindings found;
  return NextRules(config, *published, {}, units, &found).status();
}

}  // namespace hotline::escalation
