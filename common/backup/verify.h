// Whether a backup, or a store at rest, is whole and fits together. Needs no service.
#ifndef COMMON_BACKUP_VERIFY_H_
#define COMMON_BACKUP_VERIFY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hotline/operation/v1/backup_service.pb.h"

namespace hotline::backup {

// What is said to people, in both languages.
struct Words {
  std::string english;
  std::string chinese;
};

struct Check {
  bool ok = false;
  Words what;         // what was looked at
  std::string where;  // part and file
  Words why;          // what was found
  // Not ok, as a newer release wrote it: it may be whole.
  bool newer = false;
};

struct Report {
  std::vector<operation::v1::BackupManifest> parts;
  std::vector<Check> checks;
  // Of work_order's log in it; 0 if it has none.
  int64_t head_sequence = 0;
  bool ok() const;
};

// Looks at every part in `folder`, and reads every byte: sizes and digests by the manifest; nothing that it
// does not name; the databases' own integrity; schema versions that this release knows; one hotline; the hash
// chain of work_order's log from its first event to its last; the heads of the links' chains; and that no
// store of escalation's has read beyond that log. Fails without a part of work_order, and with a part that
// lacks a database of its service. Whether a part of escalation must be there, the site's configuration
// knows.
// `only`: looks at this service's part alone, as if there were no other.
Report Verify(const std::string& folder, std::string_view only = {});

// Looks at the store `file` (`work_order.db` …, by its name) of a `data_dir`: schema version; with `deep`
// also its integrity and, of work_order, the log's chain, which takes as long as reading all of it. `still`:
// nobody writes to it meanwhile.
std::vector<Check> VerifyStore(const std::string& path, bool still, bool deep);

// The hotline that the store `path` belongs to; empty if it cannot be read, of which VerifyStore says why.
// `still`: as there.
std::string HotlineOfStore(const std::string& path, bool still);

}  // namespace hotline::backup

#endif  // COMMON_BACKUP_VERIFY_H_
