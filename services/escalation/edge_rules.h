// Policies and calendars from files, and the publications that escalation keeps as files beside its store.
#ifndef SERVICES_ESCALATION_EDGE_RULES_H_
#define SERVICES_ESCALATION_EDGE_RULES_H_

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "hotline/config/v1/site.pb.h"
#include "services/escalation/core/deadlines.h"
#include "services/escalation/core/rules_change.h"

namespace hotline::escalation {

// Reads the calendars file of `config` and its policy file, or `policy_yaml` in its place if that is not
// empty, and checks both, that they fit each other, and that the calendars that `units` name are there.
// `number` and `time` are left to the caller. Errors: INVALID_ARGUMENT (FIELD_INVALID) with
// `file:line:column` of each fault, of a unit's calendar `units[3].calendar`, in English and Chinese; of the
// field `policy_yaml`, if that was given and is at fault.
absl::StatusOr<Publication> LoadRules(const config::v1::EscalationConfig& config,
                                      std::string_view policy_yaml, const config::v1::UnitList& units = {});

// What a start does otherwise than somebody who asks for the configured files.
struct StartFindings {
  // Error of CheckVersions: the configured calendars are taken all the same, as it keeps no start from it.
  absl::Status unversioned;
  // What the calendars that hold rest on and the configured ones do not (as DocumentsOf), where they were
  // published from elsewhere. An edit, or a newer package, may know nothing of a notice that was published
  // since, so what holds is kept; the files stay new and are taken when somebody publishes them.
  std::set<std::string> not_in_files;
  // What holds does not fit the rest of what is configured: the files were taken without those documents.
  // That is told at this start alone, as the files are what holds then.
  bool dropped = false;
};

// What comes after `published`, of which there is one at least. What `change` holds is taken, and the rest
// stays as it holds; who works by which calendar always does. An empty change takes the configured policy and
// calendars, each if it is another than when it was last taken (a policy: or replaced): what was published
// from elsewhere stands until somebody changes the file; calendars of files that were edited before that, and
// not taken yet, are still to be taken. Checked as above, and with the errors of above, of ChangeCalendars
// and of CheckVersions; configured files that are not needed may be faulty. With `start` it is as a start
// takes them, and that is where it says what it found.
absl::StatusOr<Publication> NextRules(const config::v1::EscalationConfig& config,
                                      const std::vector<Publication>& published, const RulesChange& change,
                                      const config::v1::UnitList& units = {}, StartFindings* start = nullptr);

// SHA-256, in hexadecimal, of what a publication holds: its policy, every rule of its calendars and who works
// by which of them.
std::string DigestOf(const Publication& publication);

// Who works by which calendar, as configured.
Parties PartiesOf(const config::v1::SiteConfig& site, const config::v1::UnitList& units);

// The publications in a folder, a file each (`000001.publication`), written whole or not at all.
class PublicationFiles {
 public:
  explicit PublicationFiles(std::string folder) : folder_(std::move(folder)) {}
  // Oldest first. Errors: FAILED_PRECONDITION if one is missing in between or cannot be read.
  absl::StatusOr<std::vector<Publication>> Load() const;
  // Durable when it returns. A publication with the same number and content is there already: OK.
  absl::Status Keep(const Publication& publication) const;
  // Takes note of what the configured files hold by now, as `next` (by NextRules, with an empty change) says:
  // if nothing else is new, it is kept with `*latest`, which then says so too. Without it, files that are
  // edited into what holds, and put back later, would seem never to have been changed. Errors: those of Keep.
  absl::Status Note(const Publication& next, Publication* latest) const;

 private:
  const std::string folder_;
};

// What holds after a start at `now`, oldest first: what `files` keep, and behind it, if the configuration
// (the policy, the calendars, who works by which of them) is another than when it was last taken, what it
// says now; but calendars that were published stay while the configured ones lack a document of theirs, with
// a warning at each start; where they do not fit the rest of the configuration, the configured ones are taken
// without it, with a warning at that start. That holds for clocks that are armed from `now` on; the first
// start's is there from the beginning. Publications of a release that did not keep who works by which
// calendar take what is configured now, and keep it from then on. Errors: those of NextRules and of
// PublicationFiles.
absl::StatusOr<std::vector<Publication>> RulesAtStart(const PublicationFiles& files,
                                                      const config::v1::SiteConfig& site,
                                                      const config::v1::UnitList& units, absl::Time now);

// What a start would find wrong with the rules: in the configured files, or, where rules were published, in
// what holds then. Writes nothing. Errors: those of PublicationFiles::Load, LoadRules and NextRules.
absl::Status CheckRulesInForce(const config::v1::EscalationConfig& config, const config::v1::UnitList& units);

}  // namespace hotline::escalation

#endif  // SERVICES_ESCALATION_EDGE_RULES_H_
