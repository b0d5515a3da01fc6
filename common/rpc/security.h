// Credentials and channels: mutual TLS with SPIFFE-style identities, or plain text on loopback.
#ifndef COMMON_RPC_SECURITY_H_
#define COMMON_RPC_SECURITY_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace grpc {
class Channel;
class ServerCredentials;
namespace experimental {
class CertificateProviderInterface;
}
}  // namespace grpc

namespace hotline::rpc {

// The largest answer of a site's services: a file of evidence (64 MiB), and what is around it. All others
// have bounds of their own, far below.
inline constexpr int kMaxAnswerBytes = 65 << 20;

// PEM files. All three, or none for plain text.
struct SecurityOptions {
  std::string certificate_file;  // this party's chain; its URI SAN says who it is
  std::string key_file;
  std::string ca_file;  // authorities whose certificates are trusted
  // URI that the certificate must have when it is first read; empty: any that says who it is.
  std::string identity;
  // Plain text is allowed beyond loopback. Anyone on the network can read and forge everything then.
  bool insecure_beyond_loopback = false;
  // How often the files are looked at. At least 1 s.
  absl::Duration refresh = absl::Seconds(5);
};

struct ChannelOptions {
  // Hotline that the server's certificate must name; empty: any trusted certificate with an identity. Ignored
  // without TLS.
  std::string expected_hotline;
  // Role that it must name for that hotline; empty: any. Ignored without TLS.
  std::string expected_role;
  // Largest message sent or received.
  int max_message_bytes = 16 << 20;
  // After a connection was lost or refused: first and longest pause before the next attempt.
  absl::Duration backoff_min = absl::Milliseconds(50);
  absl::Duration backoff_max = absl::Seconds(2);
};

// Whose certificate the server showed, as a URI, if that is why a call could not be made: it was not whom
// ChannelOptions expected. `-` if it named nobody.
std::optional<std::string> OtherPartyOf(const absl::Status& status);

// Thread-safe. The files are read again while it is used: a new certificate serves new connections without a
// restart.
class Security {
 public:
  // Errors: FAILED_PRECONDITION naming the file that is missing or is not what it should be.
  static absl::StatusOr<std::unique_ptr<Security>> Create(SecurityOptions options);

  bool tls() const { return provider_ != nullptr; }

  // What this party's certificate named when it was first read. Empty without TLS.
  const std::string& hotline() const { return hotline_; }

  // For a server at `address` (`host:port`). With TLS a client must show a certificate that the authorities
  // signed. Errors: FAILED_PRECONDITION for plain text beyond loopback.
  absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ForServer(std::string_view address) const;

  // A channel with a connection of its own to `target` (`host:port`); it connects when first used, and again
  // after losses. Errors: FAILED_PRECONDITION for plain text beyond loopback.
  absl::StatusOr<std::shared_ptr<grpc::Channel>> NewChannel(std::string_view target,
                                                            const ChannelOptions& options = {}) const;

 private:
  explicit Security(SecurityOptions options);
  absl::Status AllowPlainText(std::string_view address) const;

  const SecurityOptions options_;
  std::string hotline_;                                                         // set by Create alone
  std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider_;  // null: plain text
};

}  // namespace hotline::rpc

#endif  // COMMON_RPC_SECURITY_H_
