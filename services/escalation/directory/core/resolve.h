// Who is told of a rung, and where nobody could be: pure functions of the directory and an instant.
//
// | rung | to act | to know |
// | --- | --- | --- |
// | 提醒 | handler's seat | |
// | 催办 | handler's seat | leader's seat |
// | 督办 | leader's seat | handler's seat, hotline's supervisors |
// | 通报批评, 移交派驻纪检组 (drafts to be signed) | hotline's supervisors | hotline's leader |
// | 存疑, 收回 (of an offer) | handler's seat | leader's seat, for 收回 |
//
// A seat is filled by the first who is there and can be reached:
//
// | seat | filled by |
// | --- | --- |
// | handler's, in office hours | handler, deputies, who is on duty |
// | handler's, out of hours | who is on duty (all of them), handler, deputies |
// | leader's | leader, who is on duty (out of hours), deputies, then the unit above, and so on up |
// | supervisors' | all supervisors of the hotline's own unit, else its leader, else its deputies |
//
// Of an accused unit, and of the units below it, nobody is told; the hotline's supervisors are told in place
// of its handler and its leader. If nobody is there to act, nobody is told at all: the rung is empty.
#ifndef SERVICES_ESCALATION_DIRECTORY_CORE_RESOLVE_H_
#define SERVICES_ESCALATION_DIRECTORY_CORE_RESOLVE_H_

#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/escalation/directory/core/directory.h"

namespace hotline::escalation::directory {

// What a site is, as far as telling people goes.
struct Reach {
  std::string hotline;                          // code of its own unit
  std::set<std::string, std::less<>> webhooks;  // those that are configured
  const OfficeHours* hours = nullptr;           // required
};

// Rungs that somebody has to be told of, lowest first.
const std::vector<type::v1::Rung>& Rungs();

struct Query {
  std::string unit;  // a code
  type::v1::Rung rung = type::v1::RUNG_UNSPECIFIED;
  absl::Time at;
  std::vector<std::string> accused_units = {};  // codes
};

// Why somebody was passed over. By ids and codes: no names.
struct PassedOver {
  std::string english;
  std::string chinese;
};

struct Answer {
  std::vector<v1::Recipient> recipients;  // those to act first; none is there twice
  std::vector<PassedOver> passed_over;
  bool office_hours = false;
};

// Total: an unknown unit has nobody.
Answer Resolve(const Directory& directory, const Reach& reach, const Query& query);

struct Gap {
  std::string unit;
  type::v1::Rung rung;
  absl::Time start, end;
  PassedOver reason;
};

// Every interval from `start` to `end` in which a rung of a unit that then exists is empty. Exact: computed
// at each instant at which anything changes, none in between. By unit, rung, time. `unit` (a code): only that
// one; empty: all.
std::vector<Gap> Preflight(const Directory& directory, const Reach& reach, absl::Time start, absl::Time end,
                           std::string_view unit = {});

}  // namespace hotline::escalation::directory

#endif  // SERVICES_ESCALATION_DIRECTORY_CORE_RESOLVE_H_
