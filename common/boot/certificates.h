// All certificates of a PEM file: an authority's file holds two while one takes over from the other.
#ifndef COMMON_BOOT_CERTIFICATES_H_
#define COMMON_BOOT_CERTIFICATES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc/certificate.h"

namespace hotline::boot {

// In the order of the file, at least one. Errors: FAILED_PRECONDITION naming the file.
absl::StatusOr<std::vector<rpc::CertificatePtr>> ReadCertificates(const std::string& path);

// The first and the last instant at which one of them is no longer valid. Errors: as ReadCertificates.
struct Ends {
  absl::Time first;
  absl::Time last;
};
absl::StatusOr<Ends> EndsOf(const std::string& path);
absl::StatusOr<absl::Time> EarliestExpiry(const std::string& path);

// The first and the last instant at which one of them becomes valid. Errors: as ReadCertificates.
struct Starts {
  absl::Time first;
  absl::Time last;
};
absl::StatusOr<Starts> StartsOf(const std::string& path);

// Whether the first certificate of `file` leads, through the others in it, to any of `authority_file`; when
// they end is not looked at. Errors: as ReadCertificates.
absl::StatusOr<bool> IsIssuedBy(const std::string& file, const std::string& authority_file);

// What is wrong with a party's certificate and the authorities that it trusts, or will be within 30 days, in
// plain words: an end, a start that is not yet, another authority. Nothing of a file that cannot be read: who
// needs it says so.
std::vector<std::string> FaultsOf(const std::string& certificate_file, const std::string& ca_file,
                                  absl::Time now);

// The rule of signing keys, for the key of a certificate. OK if the file cannot be looked at: who reads it
// says so. Errors: FAILED_PRECONDITION naming the file.
absl::Status CheckPrivate(const std::string& key_file);

}  // namespace hotline::boot

#endif  // COMMON_BOOT_CERTIFICATES_H_
