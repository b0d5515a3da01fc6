// Who calls, and which role may call which method. Pure.
#ifndef COMMON_RPC_ACCESS_H_
#define COMMON_RPC_ACCESS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace hotline::rpc {

// A party, from the URI SAN of its certificate: `spiffe://hotline/<hotline>/<role>`.
struct Identity {
  std::string hotline;  // e.g. `12345`
  std::string role;     // e.g. `dispatch`
};

// Nothing if `uri` is not of that form. A hotline is 1 to 16 characters of `0-9 A-Z a-z`, a role 1 to 32 of
// `a-z _`.
std::optional<Identity> ParseSpiffeId(std::string_view uri);
// `<hotline>/<role>`, as in `CallContext::identity`.
std::string FormatIdentity(const Identity& identity);
// The hotline in a `CallContext::identity`; empty if there is none.
std::string_view HotlineOf(std::string_view identity);

// What a site must know to judge a caller.
struct AccessPolicy {
  std::string hotline;             // this site's own
  std::vector<std::string> peers;  // hotlines that may exchange with it
};

// May `identity` call `method` of `service` (its full name)? A service that the table does not name is
// refused. Errors: ROLE_FORBIDDEN, which names who may; PEER_UNKNOWN for ExchangeService when the caller's
// hotline is not a peer. The caller of an exchange must also be the `from_hotline` of its request: whoever
// reads the request checks that.
absl::Status CheckAccess(const AccessPolicy& policy, const Identity& identity, std::string_view service,
                         std::string_view method);

}  // namespace hotline::rpc

#endif  // COMMON_RPC_ACCESS_H_
