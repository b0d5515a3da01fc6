#include "common/rpc/address.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstdint>

#include "absl/strings/ascii.h"

namespace hotline::rpc {
namespace {

bool IsName(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  for (const char c : host) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '.' && c != '_') return false;
  }
  return true;
}

}  // namespace

std::optional<Address> ParseAddress(std::string_view text) {
  Address address;
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    const size_t end = text.find("]:");
    if (end == std::string_view::npos) return std::nullopt;
    address.host = text.substr(1, end - 1);
    in6_addr ignored;
    if (inet_pton(AF_INET6, address.host.c_str(), &ignored) != 1) return std::nullopt;
    port = text.substr(end + 2);
  } else {
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    address.host = text.substr(0, colon);
    if (!IsName(address.host)) return std::nullopt;
    port = text.substr(colon + 1);
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size() || port.front() == '-' ||
      address.port > 65535) {
    return std::nullopt;
  }
  return address;
}

std::string FormatAddress(std::string_view host, int port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  return (v6 ? "[" + std::string(host) + "]" : std::string(host)) + ":" + std::to_string(port);
}

bool IsLoopback(std::string_view host) {
  const std::string text(host);
  if (absl::AsciiStrToLower(text) == "localhost") return true;
  in_addr v4;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6;
  return inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace hotline::rpc
