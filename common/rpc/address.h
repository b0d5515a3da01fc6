// `host:port` as configuration writes it.
#ifndef COMMON_RPC_ADDRESS_H_
#define COMMON_RPC_ADDRESS_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace hotline::rpc {

struct Address {
  std::string host;  // without brackets
  int port = 0;      // 0 to 65535
};

// Nothing if `text` is not `name:port`, `1.2.3.4:port` or `[v6]:port`.
std::optional<Address> ParseAddress(std::string_view text);

// `host:port`, with brackets around an IPv6 host.
std::string FormatAddress(std::string_view host, int port);

// True for 127.0.0.0/8, ::1 and `localhost`: what cannot be reached from another machine. `host` is without
// brackets.
bool IsLoopback(std::string_view host);

// That a server cannot listen on `address`, which the configuration has under `key`, and why: what the
// libraries that listen keep to themselves is found out by trying once more. `otherwise` is said if that
// finds nothing. A FAILED_PRECONDITION.
absl::Status CannotListen(std::string_view address, std::string_view key, std::string_view otherwise = "");

}  // namespace hotline::rpc

#endif  // COMMON_RPC_ADDRESS_H_
