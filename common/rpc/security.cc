#include "common/rpc/security.h"

#include <grpc/grpc.h>
#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/text.h"
#include "common/rpc/access.h"
#include "common/rpc/address.h"
#include "common/rpc/certificate.h"

namespace hotline::rpc {
namespace {

template <typename T, void (*Free)(T*)>
struct Freer {
  void operator()(T* object) const { Free(object); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES, GENERAL_NAMES_free>>;

// What a verifier says, and gRPC hands on in the status of the calls, before the party's URI.
constexpr std::string_view kOtherParty = "the server's certificate names another party: ";

// The URI names by which a certificate says whose it is.
std::vector<std::string> IdentitiesOf(X509* certificate) {
  std::vector<std::string> identities;
  const NamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (names == nullptr) return identities;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                     static_cast<size_t>(ASN1_STRING_length(uri)));
    if (ParseSpiffeId(text)) identities.push_back(std::move(text));
  }
  return identities;
}

// gRPC itself is silent about bad files and then refuses every handshake, so they are looked at before. The
// URI that the certificate names first, which is the one that servers go by.
absl::StatusOr<std::string> CheckFiles(const SecurityOptions& options) {
  absl::StatusOr<CertificatePtr> certificate = ReadCertificate(options.certificate_file);
  if (!certificate.ok()) return certificate.status();
  const std::vector<std::string> identities = IdentitiesOf(certificate->get());
  if (identities.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the certificate in ", options.certificate_file,
                     " has no URI name of the form spiffe://hotline/<hotline>/<role>"));
  }
  if (!options.identity.empty() &&
      std::find(identities.begin(), identities.end(), options.identity) == identities.end()) {
    return absl::FailedPreconditionError(absl::StrCat("the certificate in ", options.certificate_file,
                                                      " names ", identities.front(), ", not ",
                                                      options.identity, ": others would refuse it"));
  }
  absl::StatusOr<FilePtr> key_file = OpenFile(options.key_file);
  if (!key_file.ok()) return key_file.status();
  const KeyPtr key(PEM_read_bio_PrivateKey(key_file->get(), nullptr, NoPassPhrase, nullptr));
  if (key == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("no PEM private key in ", options.key_file));
  }
  if (X509_check_private_key(certificate->get(), key.get()) != 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("the key in ", options.key_file, " does not belong to ", options.certificate_file));
  }
  if (absl::Status status = ReadCertificate(options.ca_file).status(); !status.ok()) return status;
  return identities.front();
}

// Checks that a server is the part of the hotline that was meant. Its host name does not matter: sites are
// known by their identity, not by what a name server says.
class IdentityVerifier final : public grpc::experimental::ExternalCertificateVerifier {
 public:
  IdentityVerifier(std::string hotline, std::string role)
      : hotline_(std::move(hotline)), role_(std::move(role)) {}

  bool Verify(grpc::experimental::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)> /*callback*/, grpc::Status* sync_status) override {
    std::string shown;
    for (const grpc::string_ref& uri : request->uri_names()) {
      const std::optional<Identity> identity = ParseSpiffeId({uri.data(), uri.size()});
      if (!identity.has_value()) continue;
      if ((hotline_.empty() || identity->hotline == hotline_) && (role_.empty() || identity->role == role_)) {
        *sync_status = grpc::Status::OK;
        return true;  // decided at once
      }
      if (shown.empty()) shown.assign(uri.data(), uri.size());
    }
    *sync_status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                                StrCat(kOtherParty, shown.empty() ? std::string("-") : shown));
    return true;
  }
  void Cancel(grpc::experimental::TlsCustomVerificationCheckRequest*) override {}

 private:
  const std::string hotline_;
  const std::string role_;
};

}  // namespace

std::optional<std::string> OtherPartyOf(const absl::Status& status) {
  if (!absl::IsUnavailable(status)) return std::nullopt;
  std::string_view text = ToStd(status.message());
  const size_t at = text.find(kOtherParty);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + kOtherParty.size());
  return std::string(text.substr(0, text.find_first_of(" ,;")));
}

Security::Security(SecurityOptions options) : options_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<Security>> Security::Create(SecurityOptions options) {
  // gRPC 1.51 cleans up in a thread of its own when its last user goes, which races with the destructors at
  // exit and then aborts the process. Holding it for the process's life leaves nothing to clean up. Here,
  // because whoever uses gRPC comes here first, and not earlier, because its threads must inherit the signal
  // mask of main.
  [[maybe_unused]] static const bool held = (grpc_init(), true);
  const bool any = !options.certificate_file.empty() || !options.key_file.empty() || !options.ca_file.empty();
  std::unique_ptr<Security> security(new Security(std::move(options)));
  if (!any) return security;
  const SecurityOptions& files = security->options_;
  const absl::StatusOr<std::string> identity = CheckFiles(files);
  if (!identity.ok()) return identity.status();
  security->hotline_ = ParseSpiffeId(*identity)->hotline;
  const int64_t refresh_seconds = std::max<int64_t>(1, absl::ToInt64Seconds(files.refresh));
  security->provider_ = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      files.key_file, files.certificate_file, files.ca_file, static_cast<unsigned int>(refresh_seconds));
  return security;
}

absl::Status Security::AllowPlainText(std::string_view address) const {
  const std::optional<Address> parsed = ParseAddress(address);
  if (!parsed.has_value()) {
    return absl::FailedPreconditionError("\"" + std::string(address) + "\" is not host:port");
  }
  if (IsLoopback(parsed->host) || options_.insecure_beyond_loopback) return absl::OkStatus();
  return absl::FailedPreconditionError(
      std::string(address) +
      " is not on loopback and tls is not configured: plain text would be readable on the network");
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> Security::ForServer(std::string_view address) const {
  if (!tls()) {
    if (absl::Status status = AllowPlainText(address); !status.ok()) return status;
    return grpc::InsecureServerCredentials();
  }
  grpc::experimental::TlsServerCredentialsOptions options(provider_);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  // The handshake verifies the chain; the access table looks at the identity, call by call, and can say why
  // it refuses.
  options.set_certificate_verifier(std::make_shared<grpc::experimental::NoOpCertificateVerifier>());
  options.set_check_call_host(false);
  return grpc::experimental::TlsServerCredentials(options);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Security::NewChannel(std::string_view target,
                                                                    const ChannelOptions& options) const {
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  if (tls()) {
    grpc::experimental::TlsChannelCredentialsOptions tls_options;
    tls_options.set_certificate_provider(provider_);
    tls_options.watch_root_certs();
    tls_options.watch_identity_key_cert_pairs();
    tls_options.set_verify_server_certs(true);
    tls_options.set_certificate_verifier(
        grpc::experimental::ExternalCertificateVerifier::Create<IdentityVerifier>(options.expected_hotline,
                                                                                  options.expected_role));
    tls_options.set_check_call_host(false);
    credentials = grpc::experimental::TlsCredentials(tls_options);
  } else {
    if (absl::Status status = AllowPlainText(target); !status.ok()) return status;
    credentials = grpc::InsecureChannelCredentials();
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(options.max_message_bytes);
  arguments.SetMaxSendMessageSize(options.max_message_bytes);
  // Channels to one target would share a connection otherwise.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
                   static_cast<int>(options.backoff_min / absl::Milliseconds(1)));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                   static_cast<int>(options.backoff_max / absl::Milliseconds(1)));
  // This is also how long one attempt to connect may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);
  return grpc::CreateCustomChannel(std::string(target), credentials, arguments);
}

}  // namespace hotline::rpc
