#include "common/rpc/certificate.h"

#include <openssl/asn1.h>
#include <openssl/pem.h>

#include <ctime>

#include "absl/strings/str_cat.h"

namespace hotline::rpc {

absl::StatusOr<FilePtr> OpenFile(const std::string& path) {
  FilePtr file(BIO_new_file(path.c_str(), "r"));
  if (file == nullptr) return absl::FailedPreconditionError(absl::StrCat("cannot read ", path));
  return file;
}

int NoPassPhrase(char*, int, int, void*) { return -1; }

absl::StatusOr<CertificatePtr> ReadCertificate(const std::string& path) {
  absl::StatusOr<FilePtr> file = OpenFile(path);
  if (!file.ok()) return file.status();
  CertificatePtr certificate(PEM_read_bio_X509(file->get(), nullptr, NoPassPhrase, nullptr));
  if (certificate == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("no PEM certificate in ", path));
  }
  return certificate;
}

absl::StatusOr<absl::Time> CertificateExpiry(const std::string& path) {
  const absl::StatusOr<CertificatePtr> certificate = ReadCertificate(path);
  if (!certificate.ok()) return certificate.status();
  std::tm expiry = {};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate->get()), &expiry) != 1) {
    return absl::FailedPreconditionError(absl::StrCat("the certificate in ", path, " has no readable end"));
  }
  return absl::FromTM(expiry, absl::UTCTimeZone());
}

}  // namespace hotline::rpc
