// hotline_conformance: see `--help` and README.md beside this file.
#include <grpc/grpc.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <stdio.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/conformance/kit.h"

namespace hotline::conformance {
namespace {

constexpr char kUsage[] = R"(usage: hotline_conformance --target HOST:PORT --as HOTLINE --to HOTLINE [options]

Plays peer against an endpoint of hotline.exchange.v1 and prints one line for each clause of
proto/hotline/exchange/v1/README.md. Use a link of its own for it: it makes orders.

  --target HOST:PORT   the endpoint
  --as HOTLINE         who the kit is: a peer that the target knows
  --to HOTLINE         who the target is
  --listen HOST:PORT   where the target reaches this peer; without, what it sends is not judged
  --key FILE           private key (PEM, Ed25519 or SM2) whose public half the target has for this peer
  --key-id ID          its id (default: kit)
  --peer-key FILE      public key (PEM) of the target
  --peer-key-id ID     its id (default: site)
  --tls-cert FILE --tls-key FILE --tls-ca FILE
                       mutual TLS, as client and as server; the target is known by the URI in its
                       certificate, spiffe://hotline/HOTLINE/dispatch, and not by its host name
  --manual SECONDS     ask a person at the target for what only a desk can do, and wait so long
  --desk HOST:PORT     or let this DispatchService do it, if the target is a site of this project
  --patience SECONDS   longest wait for an envelope that the target owes (default: 10)
  --only REGEX         only clauses whose name matches; some must
  --json               one JSON object a line
  --list               prints the clauses and ends

Exit status: 0 no clause failed, 1 some did, 2 wrong use, or a --key or ids of keys that do not fit, 3 the target
cannot be reached.
)";

bool ReadWhole(const std::string& path, std::string* out) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  *out = text.str();
  return file.good() && !out->empty();
}

// Checks that who answers is the dispatch of `hotline`. By the URI in its certificate alone: that is all that
// X-LINK-5 asks for, so there may be no host name in it.
class TargetVerifier final : public grpc::experimental::ExternalCertificateVerifier {
 public:
  explicit TargetVerifier(const std::string& hotline)
      : identity_(absl::StrCat("spiffe://hotline/", hotline, "/dispatch")) {}

  bool Verify(grpc::experimental::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)> /*callback*/, grpc::Status* sync_status) override {
    std::string names;
    for (const grpc::string_ref& uri : request->uri_names()) {
      const std::string name(uri.data(), uri.size());
      if (name == identity_) {
        *sync_status = grpc::Status::OK;
        return true;  // decided at once
      }
      absl::StrAppend(&names, names.empty() ? "" : ", ", name);
    }
    *sync_status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                                absl::StrCat("the target's certificate names ",
                                             names.empty() ? "nobody by a URI" : names, ", not ", identity_));
    return true;
  }
  void Cancel(grpc::experimental::TlsCustomVerificationCheckRequest*) override {}

 private:
  const std::string identity_;
};

std::shared_ptr<grpc::ChannelCredentials> ClientCredentials(const std::string& authority,
                                                            const std::string& key,
                                                            const std::string& certificate,
                                                            const std::string& hotline) {
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(std::make_shared<grpc::experimental::StaticDataCertificateProvider>(
      authority, std::vector<grpc::experimental::IdentityKeyCertPair>{{key, certificate}}));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_verify_server_certs(true);
  options.set_certificate_verifier(
      grpc::experimental::ExternalCertificateVerifier::Create<TargetVerifier>(hotline));
  options.set_check_call_host(false);
  return grpc::experimental::TlsCredentials(options);
}

int Main(int argc, char** argv) {
  const std::set<std::string> switches = {"json", "list", "help"};
  const std::set<std::string> values = {"target", "as",       "to",          "listen",   "key",
                                        "key-id", "peer-key", "peer-key-id", "tls-cert", "tls-key",
                                        "tls-ca", "manual",   "desk",        "patience", "only"};
  std::map<std::string, std::string> flags;
  const auto misuse = [](const std::string& why) {
    fprintf(stderr, "hotline_conformance: %s\n\n%s", why.c_str(), kUsage);
    return 2;
  };
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const std::string name = flag.substr(0, 2) == "--" ? flag.substr(2) : "";
    if (switches.contains(name)) {
      flags[name] = "1";
    } else if (values.contains(name) && i + 1 < argc) {
      flags[name] = argv[++i];
    } else {
      return misuse(absl::StrCat("what is ", flag, "?"));
    }
  }
  if (flags.contains("help")) {
    printf("%s", kUsage);
    return 0;
  }
  if (flags.contains("list")) {
    for (const Clause& clause : Clauses()) {
      printf("%-14s %s\n", std::string(clause.name).c_str(), std::string(clause.title).c_str());
    }
    return 0;
  }
  for (const char* needed : {"target", "as", "to"}) {
    if (!flags.contains(needed)) return misuse(absl::StrCat("--", needed, " is missing"));
  }

  KitOptions options;
  options.caller.target = flags["target"];
  options.caller.as = flags["as"];
  options.caller.to = flags["to"];
  options.caller.credentials = grpc::InsecureChannelCredentials();
  std::shared_ptr<grpc::ServerCredentials> server = grpc::InsecureServerCredentials();
  if (flags.contains("tls-cert") || flags.contains("tls-key") || flags.contains("tls-ca")) {
    std::string certificate, key, authority;
    if (!ReadWhole(flags["tls-cert"], &certificate) || !ReadWhole(flags["tls-key"], &key) ||
        !ReadWhole(flags["tls-ca"], &authority)) {
      return misuse("--tls-cert, --tls-key and --tls-ca need three files that can be read");
    }
    options.caller.credentials = ClientCredentials(authority, key, certificate, options.caller.to);
    grpc::SslServerCredentialsOptions listening(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    listening.pem_root_certs = authority;
    listening.pem_key_cert_pairs.push_back({key, certificate});
    server = grpc::SslServerCredentials(listening);
  }
  for (const auto& [flag, id, key] : {std::tuple{"key", "kit", &options.caller.key},
                                      std::tuple{"peer-key", "site", &options.caller.target_key}}) {
    if (!flags.contains(flag)) continue;
    const std::string id_flag = absl::StrCat(flag, "-id");
    auto loaded = Key::Load(flags[flag], flags.contains(id_flag) ? flags[id_flag] : id);
    if (!loaded.ok()) return misuse(absl::StrCat("--", flag, ": ", loaded.status().message()));
    *key = *std::move(loaded);
  }
  double seconds = 10;
  if (flags.contains("patience") && (!absl::SimpleAtod(flags["patience"], &seconds) || seconds <= 0)) {
    return misuse("--patience takes a number of seconds");
  }
  options.patience = absl::Seconds(seconds);
  options.caller.timeout = options.patience;
  if (flags.contains("only")) {
    try {
      options.only = std::regex(flags["only"]);
    } catch (const std::regex_error& error) {
      return misuse(absl::StrCat("--only ", flags["only"], " is no regular expression: ", error.what()));
    }
    if (std::none_of(Clauses().begin(), Clauses().end(), [&options](const Clause& clause) {
          return std::regex_search(std::string(clause.name), *options.only);
        })) {
      return misuse(absl::StrCat("--only ", flags["only"], " matches no clause; --list shows them"));
    }
  }

  std::unique_ptr<Listener> listener;
  if (flags.contains("listen")) {
    listener = std::make_unique<Listener>(ListenerOptions{.address = flags["listen"],
                                                          .as = options.caller.as,
                                                          .target = options.caller.to,
                                                          .credentials = server,
                                                          .key = options.caller.key,
                                                          .target_key = options.caller.target_key});
    if (const absl::Status started = listener->Start(); !started.ok()) {
      return misuse(std::string(started.message()));
    }
  }
  std::unique_ptr<Desk> desk;
  if (flags.contains("desk")) {
    desk = NewDispatchDesk(options.caller.as, grpc::CreateChannel(flags["desk"], options.caller.credentials));
  } else if (flags.contains("manual")) {
    double wait = 0;
    if (!absl::SimpleAtod(flags["manual"], &wait) || wait <= 0) {
      return misuse("--manual takes a number of seconds");
    }
    desk = NewManualDesk(options.caller.as, absl::Seconds(wait));
  }
  const bool json = flags.contains("json");
  const auto findings = RunKit(options, listener.get(), desk.get(), [json](const Finding& finding) {
    printf("%s\n", (json ? JsonLine(finding) : Line(finding)).c_str());
    fflush(stdout);
  });
  if (!findings.ok()) {
    fprintf(stderr, "hotline_conformance: %s\n", std::string(findings.status().message()).c_str());
    return absl::IsFailedPrecondition(findings.status()) ? 2 : 3;
  }
  fprintf(json ? stderr : stdout, "%s\n", Summary(*findings).c_str());
  for (const Finding& finding : *findings) {
    if (finding.outcome.verdict == Verdict::kFail) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace hotline::conformance

int main(int argc, char** argv) {
  grpc_init();  // held to the end: gRPC cleans up in a thread that would race with the exit
  return hotline::conformance::Main(argc, argv);
}
