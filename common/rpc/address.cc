#include "common/rpc/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "absl/strings/ascii.h"
#include "common/base/text.h"

namespace hotline::rpc {
namespace {

bool IsName(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  for (const char c : host) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '.' && c != '_') return false;
  }
  return true;
}

// Why nobody can listen there; empty if that can be done.
std::string WhyNotFree(const Address& address) {
  const addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  if (const int failure =
          getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
      failure != 0) {
    return StrCat("name not found (", gai_strerror(failure), ")");
  }
  // As servers do: what is left of connections that have ended keeps no port.
  const int one = 1;
  int failure = 0;
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
      bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1) != 0) {
    failure = errno;
  }
  if (fd >= 0) close(fd);
  freeaddrinfo(found);
  switch (failure) {
    case 0:
      return "";
    case EADDRINUSE:
      return "address already in use (`ss -ltnp` shows by whom)";
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return StrCat(address.host, " is no address of this machine (`ip addr` shows those)");
    default:
      return strerror(failure);
  }
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

absl::Status CannotListen(std::string_view address, std::string_view key, std::string_view otherwise) {
  const std::optional<Address> parsed = ParseAddress(address);
  std::string why = parsed.has_value() ? WhyNotFree(*parsed) : "it is not host:port";
  if (why.empty()) why = otherwise;
  return absl::FailedPreconditionError(
      ToAbsl(StrCat("cannot listen on ", address, " (", key, ")", why.empty() ? "" : ": ", why)));
}

}  // namespace hotline::rpc
