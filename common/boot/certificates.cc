#include "common/boot/certificates.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <utility>

#include "common/base/text.h"

namespace hotline::boot {
namespace {

template <typename T, void (*Free)(T*)>
struct Freer {
  void operator()(T* object) const { Free(object); }
};
using StorePtr = std::unique_ptr<X509_STORE, Freer<X509_STORE, X509_STORE_free>>;
using ContextPtr = std::unique_ptr<X509_STORE_CTX, Freer<X509_STORE_CTX, X509_STORE_CTX_free>>;

// Does not own what is on it.
void FreeStack(STACK_OF(X509) * stack) { sk_X509_free(stack); }
using StackPtr = std::unique_ptr<STACK_OF(X509), Freer<STACK_OF(X509), FreeStack>>;

absl::Status BadFile(const std::string& file, std::string_view what) {
  return absl::FailedPreconditionError(StrCat(file, ": ", what));
}

}  // namespace

absl::StatusOr<std::vector<rpc::CertificatePtr>> ReadCertificates(const std::string& path) {
  absl::StatusOr<rpc::FilePtr> file = rpc::OpenFile(path);
  if (!file.ok()) return file.status();
  std::vector<rpc::CertificatePtr> certificates;
  ERR_clear_error();
  for (;;) {
    rpc::CertificatePtr one(PEM_read_bio_X509(file->get(), nullptr, rpc::NoPassPhrase, nullptr));
    if (one == nullptr) break;
    certificates.push_back(std::move(one));
  }
  // At the end of a good file there is just no further one.
  const bool whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (certificates.empty()) return absl::FailedPreconditionError(StrCat("no PEM certificate in ", path));
  if (!whole) return BadFile(path, StrCat("certificate ", certificates.size() + 1, " in it cannot be read"));
  return certificates;
}

absl::StatusOr<Ends> EndsOf(const std::string& path) {
  const absl::StatusOr<std::vector<rpc::CertificatePtr>> certificates = ReadCertificates(path);
  if (!certificates.ok()) return certificates.status();
  Ends ends = {.first = absl::InfiniteFuture(), .last = absl::InfinitePast()};
  for (const rpc::CertificatePtr& certificate : *certificates) {
    std::tm expiry = {};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &expiry) != 1) {
      return absl::FailedPreconditionError(StrCat("a certificate in ", path, " has no readable end"));
    }
    const absl::Time end = absl::FromTM(expiry, absl::UTCTimeZone());
    ends.first = std::min(ends.first, end);
    ends.last = std::max(ends.last, end);
  }
  return ends;
}

absl::StatusOr<absl::Time> EarliestExpiry(const std::string& path) {
  const absl::StatusOr<Ends> ends = EndsOf(path);
  if (!ends.ok()) return ends.status();
  return ends->first;
}

absl::StatusOr<Starts> StartsOf(const std::string& path) {
  const absl::StatusOr<std::vector<rpc::CertificatePtr>> certificates = ReadCertificates(path);
  if (!certificates.ok()) return certificates.status();
  Starts starts = {.first = absl::InfiniteFuture(), .last = absl::InfinitePast()};
  for (const rpc::CertificatePtr& certificate : *certificates) {
    std::tm start = {};
    if (ASN1_TIME_to_tm(X509_get0_notBefore(certificate.get()), &start) != 1) {
      return absl::FailedPreconditionError(StrCat("a certificate in ", path, " has no readable start"));
    }
    const absl::Time time = absl::FromTM(start, absl::UTCTimeZone());
    starts.first = std::min(starts.first, time);
    starts.last = std::max(starts.last, time);
  }
  return starts;
}

absl::StatusOr<bool> IsIssuedBy(const std::string& file, const std::string& authority_file) {
  const absl::StatusOr<std::vector<rpc::CertificatePtr>> chain = ReadCertificates(file);
  if (!chain.ok()) return chain.status();
  const absl::StatusOr<std::vector<rpc::CertificatePtr>> authorities = ReadCertificates(authority_file);
  if (!authorities.ok()) return authorities.status();
  const StorePtr store(X509_STORE_new());
  const StackPtr between(sk_X509_new_null());
  const ContextPtr context(X509_STORE_CTX_new());
  if (store == nullptr || between == nullptr || context == nullptr) {
    return absl::InternalError("no memory for certificates");
  }
  for (const rpc::CertificatePtr& authority : *authorities) X509_STORE_add_cert(store.get(), authority.get());
  for (size_t i = 1; i < chain->size(); ++i) sk_X509_push(between.get(), (*chain)[i].get());
  // As gRPC does, an authority below the root is trusted by itself.
  X509_STORE_set_flags(store.get(),
                       X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_NO_CHECK_TIME);
  if (X509_STORE_CTX_init(context.get(), store.get(), chain->front().get(), between.get()) != 1) {
    return absl::InternalError("no memory for certificates");
  }
  const bool issued = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  return issued;
}

std::vector<std::string> FaultsOf(const std::string& certificate_file, const std::string& ca_file,
                                  absl::Time now) {
  constexpr absl::Duration kSoon = absl::Hours(24 * 30);
  constexpr std::string_view kRenew = "have it issued anew and put in its place, it is read again by itself";
  const auto when = [](absl::Time time) {
    return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
  };
  std::vector<std::string> faults;
  const auto look = [&](const std::string& file, absl::Time Starts::*which, absl::Time Ends::*end_of) {
    if (const absl::StatusOr<Starts> starts = StartsOf(file); starts.ok() && (*starts).*which > now) {
      faults.push_back(StrCat(file, " is not valid before ", when((*starts).*which),
                              ", or this machine's clock is behind"));
    }
    const absl::StatusOr<Ends> ends = EndsOf(file);
    if (!ends.ok()) return;
    const absl::Time end = (*ends).*end_of;
    if (end > now + kSoon) return;
    faults.push_back(end <= now ? StrCat(file, " ended on ", when(end),
                                         ", or this machine's clock is ahead: others refuse it; ", kRenew)
                                : StrCat(file, " ends on ", when(end), ": ", kRenew));
  };
  look(certificate_file, &Starts::last, &Ends::first);
  // Of several authorities, as while one takes over from another, one that holds is enough.
  look(ca_file, &Starts::first, &Ends::last);
  if (const absl::StatusOr<bool> issued = IsIssuedBy(certificate_file, ca_file); issued.ok() && !*issued) {
    faults.push_back(StrCat(certificate_file, " is not issued by ", ca_file, ": others would refuse it"));
  }
  return faults;
}

absl::Status CheckPrivate(const std::string& key_file) {
  struct stat info = {};
  if (stat(key_file.c_str(), &info) != 0 || (info.st_mode & S_IRWXO) == 0) return absl::OkStatus();
  return BadFile(key_file, "a private key must not be open to everybody: chmod o= it");
}

}  // namespace hotline::boot
