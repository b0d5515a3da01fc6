// Configuration: YAML against a typed schema, which is the protobuf message it is read into.
//
// YAML is read strictly: keys are field names; unknown and doubled keys, values of the wrong type or out of
// range, unknown enum values, anchors, aliases, tags and second documents are errors. A plain or quoted
// scalar may be text; numbers and booleans are plain. Enum values are written with or without their prefix
// (`LOG_LEVEL_WARN`, `WARN`), in either case. Fields that are maps or bytes cannot be written. All problems
// of a file are reported together, a line each:
//   site.yaml:12:3: unknown key "adress" in PeerConfig; did you mean "address"?
// Errors are INVALID_ARGUMENT for people at a terminal (never sent on a wire), NOT_FOUND for a file that
// cannot be read.
#ifndef COMMON_BOOT_CONFIG_H_
#define COMMON_BOOT_CONFIG_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/contract/clearance.h"
#include "common/crypto/signature.h"
#include "google/protobuf/message.h"
#include "hotline/config/v1/policy.pb.h"
#include "hotline/config/v1/site.pb.h"

namespace hotline::boot {

inline constexpr size_t kMaxConfigBytes = 1 << 20;

// A place in a file, both from 1.
struct Position {
  int line = 0;
  int column = 0;
};
// Where each field was written, by path (`peers[1].address`).
using Positions = std::map<std::string, Position, std::less<>>;

// Reads `text` into `*message`, which is cleared before. `name` is what problems are reported of. Pure.
absl::Status ParseYaml(std::string_view text, std::string_view name, google::protobuf::Message* message,
                       Positions* positions = nullptr);
// The same of a file of at most 1 MiB.
absl::Status LoadYaml(const std::string& path, google::protobuf::Message* message,
                      Positions* positions = nullptr);

// A rule that a well-formed configuration breaks.
struct Problem {
  std::string path;  // of the field: `dispatch.listen.address`
  std::string message;
};

struct CheckOptions {
  // Service or program that reads the file: `dispatch`, `work_order`, `escalation` need their own section,
  // the first and the last also an address of work_order; others (`desktop`, `admin`) only use addresses.
  // Empty: as for `admin`.
  std::string role;
  // Plain text beyond loopback is allowed; for metrics alone, which are never anything else.
  bool insecure_listen = false;
  bool insecure_metrics = false;
};

// The rules written beside each field of SiteConfig. Pure.
std::vector<Problem> CheckSite(const config::v1::SiteConfig& site, const CheckOptions& options = {});
// Codes well-formed; codes, names and aliases each once.
std::vector<Problem> CheckUnits(const config::v1::UnitList& units);
// Version, clocks, limits; no rule that an earlier one hides entirely.
std::vector<Problem> CheckPolicy(const config::v1::Policy& policy);

// Who is shown what is restricted or secret, defaults filled in.
Clearance ClearanceOf(const config::v1::SiteConfig& site);

// Fills in what 0 and empty mean, e.g. `max_message_bytes` and `work_order.address`.
void ResolveDefaults(config::v1::SiteConfig* site);

// A site's configuration, whole: read, checked, with defaults filled in, and relative paths made relative to
// the working directory instead of to the file.
struct LoadedSite {
  config::v1::SiteConfig site;
  // Read for work_order and escalation, which need it, and for dispatch with a catalogue, which can do
  // without. Empty for others, and if the site names no file.
  config::v1::UnitList units;
  // The same for escalation, and for dispatch with a catalogue. Empty if there is no escalation section.
  config::v1::Policy policy;
  // Of what the role goes on without: what is missing then, and why, with file and place.
  std::vector<std::string> warnings;
  // Both are read for dispatch and work_order only: no other program has business with a private key. The
  // ring holds this site's own public keys too, under its own code.
  crypto::SigningKeys signing;
  crypto::KeyRing keys;
  // What requests to each webhook are signed with, by key id; for escalation only.
  std::map<std::string, std::vector<std::pair<std::string, std::string>>> webhook_secrets;
  // For work_order only: see `work_order.caller_key_file`. Empty if the site names none.
  std::string caller_key;
};
// `{role}` in the paths of `tls` and in `log.file` stands for `options.role`.
absl::StatusOr<LoadedSite> LoadSite(const std::string& path, const CheckOptions& options);

}  // namespace hotline::boot

#endif  // COMMON_BOOT_CONFIG_H_
