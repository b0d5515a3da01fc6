#include "common/rpc/certificate.h"

#include <openssl/pem.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace hotline::rpc {

absl::StatusOr<FilePtr> OpenFile(const std::string& path) {
  FilePtr file(BIO_new_file(path.c_str(), "r"));
  if (file == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("cannot read ", path, ": ", strerror(errno)));
  }
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

}  // namespace hotline::rpc
