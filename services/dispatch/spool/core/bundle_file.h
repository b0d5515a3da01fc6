// The form of a bundle's file, and what its name says. Written down for everybody in bundle.proto. Pure.
#ifndef SERVICES_DISPATCH_SPOOL_CORE_BUNDLE_FILE_H_
#define SERVICES_DISPATCH_SPOOL_CORE_BUNDLE_FILE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "hotline/exchange/v1/bundle.pb.h"
#include "hotline/type/v1/signature.pb.h"

namespace hotline::dispatch {

inline constexpr size_t kBundleHeadBytes = 20;
inline constexpr int64_t kMaxBundleBodyBytes = int64_t{64} << 20;
inline constexpr int64_t kMaxBundleTrailerBytes = int64_t{4} << 10;
// Beyond this no file can be a bundle.
inline constexpr int64_t kMaxBundleFileBytes =
    static_cast<int64_t>(kBundleHeadBytes) + kMaxBundleBodyBytes + 4 + kMaxBundleTrailerBytes;
// What a bundle takes beside its parts, receipts included, with room to spare.
inline constexpr int64_t kBundleOverheadBytes = int64_t{64} << 10;

// What precedes the signed bytes, with one zero byte between.
inline constexpr std::string_view kBundleDomain = "hotline.exchange.v1.Bundle";

struct BundleName {
  std::string from;
  std::string to;
  int64_t number = 0;
};
// `12345-110-000000000123.hlb`.
std::string ToFileName(const BundleName& name);
// Nothing if no writer gives such a name.
std::optional<BundleName> ParseFileName(std::string_view name);

// Everything that is signed: head and body.
std::string EncodeSigned(const exchange::v1::Bundle& bundle);
// The whole file.
std::string EncodeFile(std::string signed_bytes, const type::v1::DigitalSignature& signature);

// What is wrong with the header's numbers, by the field's name: no writer gives such, and to go on from them
// would leave no place for what comes after. Empty if nothing is. Clocks may be wrong by decades.
std::string_view FaultOf(const exchange::v1::BundleHeader& header, absl::Time now);
// The highest number that is believed of a peer about one's own bundles: nine times as many are left.
inline constexpr int64_t kMaxBelievedNumber = 100'000'000'000'000'000;

// What keeps a file from being read. The order is that in which it is found.
enum class FileFault {
  kNone,
  kIncomplete,   // shorter than it says: it may still be growing
  kForeign,      // not a bundle at all
  kUnknownForm,  // a later version of the form
  kTooLarge,     // it says so of itself
  kMalformed,    // the right length, but not what it should hold
};
// A file taken apart. `signed_bytes` points into what was decoded.
struct DecodedFile {
  FileFault fault = FileFault::kNone;
  std::string_view signed_bytes;
  type::v1::DigitalSignature signature;
  exchange::v1::Bundle bundle;
};
// `bytes` outlives what is returned. The signature is not verified.
DecodedFile DecodeFile(std::string_view bytes);

// How a batch stands to the cursor of its lane.
enum class PartFit {
  kContinues,    // some of it is new, and it joins what is there
  kKnown,        // nothing of it is new; nothing it shows contradicts what is there
  kGap,          // something is missing before it
  kContradicts,  // it was written for another past than the one that is there
};
// `cursor` is what this site has received in the part's lane.
PartFit Judge(const exchange::v1::DeliverRequest& part, const exchange::v1::LinkReceipt& cursor);

// True if `a` is older than `b`; (0, 0) is older than every bundle.
struct BundleOrder {
  int64_t incarnation = 0;
  int64_t number = 0;
  auto operator<=>(const BundleOrder&) const = default;
};
BundleOrder OrderOf(const exchange::v1::BundleHeader& header);
BundleOrder SeenBy(const exchange::v1::BundleHeader& header);

}  // namespace hotline::dispatch

#endif  // SERVICES_DISPATCH_SPOOL_CORE_BUNDLE_FILE_H_
