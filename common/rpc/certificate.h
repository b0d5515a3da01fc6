// Certificates in PEM files, as far as this project looks into them itself.
#ifndef COMMON_RPC_CERTIFICATE_H_
#define COMMON_RPC_CERTIFICATE_H_

#include <openssl/bio.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace hotline::rpc {

struct FreeBio {
  void operator()(BIO* file) const { BIO_free_all(file); }
};
using FilePtr = std::unique_ptr<BIO, FreeBio>;
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using CertificatePtr = std::unique_ptr<X509, FreeCertificate>;

// Errors: FAILED_PRECONDITION naming the file and why.
absl::StatusOr<FilePtr> OpenFile(const std::string& path);

// For OpenSSL's readers: no pass phrase is ever asked for, as a service starts without a person.
int NoPassPhrase(char* buffer, int size, int writing, void* data);

// The first certificate in `path`. Errors: FAILED_PRECONDITION naming the file.
absl::StatusOr<CertificatePtr> ReadCertificate(const std::string& path);

}  // namespace hotline::rpc

#endif  // COMMON_RPC_CERTIFICATE_H_
