#include "services/dispatch/spool/core/bundle_file.h"

#include <algorithm>

#include "common/base/sha256.h"
#include "common/base/text.h"

namespace hotline::dispatch {
namespace {

using exchange::v1::Bundle;
using exchange::v1::BundleHeader;
using exchange::v1::DeliverRequest;
using exchange::v1::Envelope;
using exchange::v1::LinkReceipt;

constexpr std::string_view kMagic = "HLBUNDLE";
constexpr uint32_t kForm = 1;
constexpr std::string_view kSuffix = ".hlb";
constexpr size_t kNumberDigits = 12;
constexpr size_t kMaxNumberDigits = 18;  // fits 63 bits
constexpr size_t kMaxHotline = 16;
constexpr int64_t kMaxNumber = 999'999'999'999'999'998;  // the next one still fits a name
constexpr absl::Duration kMaxAhead = absl::Hours(24 * 36'525);

uint64_t ReadBigEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

bool IsHotline(std::string_view code) {
  return !code.empty() && code.size() <= kMaxHotline && std::all_of(code.begin(), code.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  });
}

}  // namespace

std::string ToFileName(const BundleName& name) {
  std::string number = std::to_string(name.number);
  if (number.size() < kNumberDigits) number.insert(0, kNumberDigits - number.size(), '0');
  return StrCat(name.from, "-", name.to, "-", number, kSuffix);
}

std::optional<BundleName> ParseFileName(std::string_view name) {
  if (name.size() <= kSuffix.size() || name.substr(name.size() - kSuffix.size()) != kSuffix)
    return std::nullopt;
  const std::string_view stem = name.substr(0, name.size() - kSuffix.size());
  const size_t first = stem.find('-');
  const size_t second = first == std::string_view::npos ? first : stem.find('-', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const std::string_view from = stem.substr(0, first);
  const std::string_view to = stem.substr(first + 1, second - first - 1);
  const std::string_view number = stem.substr(second + 1);
  if (!IsHotline(from) || !IsHotline(to)) return std::nullopt;
  if (number.size() < kNumberDigits || number.size() > kMaxNumberDigits) return std::nullopt;
  BundleName parsed{.from = std::string(from), .to = std::string(to)};
  for (const char c : number) {
    if (c < '0' || c > '9') return std::nullopt;
    parsed.number = parsed.number * 10 + (c - '0');
  }
  // One name for one number.
  if (parsed.number < 1 || ToFileName(parsed) != name) return std::nullopt;
  return parsed;
}

std::string EncodeSigned(const Bundle& bundle) {
  const size_t size = bundle.ByteSizeLong();
  std::string bytes;
  bytes.reserve(kBundleHeadBytes + size + 4 + static_cast<size_t>(kMaxBundleTrailerBytes));
  bytes += kMagic;
  bytes += BigEndian32(kForm);
  bytes += BigEndian64(size);
  bundle.AppendToString(&bytes);
  return bytes;
}

std::string EncodeFile(std::string signed_bytes, const type::v1::DigitalSignature& signature) {
  std::string file = std::move(signed_bytes);
  file += BigEndian32(static_cast<uint32_t>(signature.ByteSizeLong()));
  signature.AppendToString(&file);
  return file;
}

std::string_view FaultOf(const BundleHeader& header, absl::Time now) {
  const int64_t latest = absl::ToUnixMicros(now + kMaxAhead);
  if (header.number() < 0 || header.number() > kMaxNumber) return "number";
  if (header.incarnation() < 0 || header.incarnation() > latest) return "incarnation";
  if (header.seen_number() < 0 || header.seen_number() > kMaxNumber) return "seen_number";
  if (header.seen_incarnation() < 0 || header.seen_incarnation() > latest) return "seen_incarnation";
  return {};
}

DecodedFile DecodeFile(std::string_view bytes) {
  DecodedFile file;
  const auto fault = [&file](FileFault what) {
    file.fault = what;
    return std::move(file);
  };
  if (bytes.substr(0, kMagic.size()) != kMagic.substr(0, bytes.size())) return fault(FileFault::kForeign);
  if (bytes.size() < kMagic.size() + 4) return fault(FileFault::kIncomplete);
  if (ReadBigEndian(bytes.substr(kMagic.size(), 4)) != kForm) return fault(FileFault::kUnknownForm);
  if (bytes.size() < kBundleHeadBytes) return fault(FileFault::kIncomplete);
  const uint64_t body = ReadBigEndian(bytes.substr(kMagic.size() + 4, 8));
  if (body > static_cast<uint64_t>(kMaxBundleBodyBytes)) return fault(FileFault::kTooLarge);
  const size_t trailer_at = kBundleHeadBytes + static_cast<size_t>(body) + 4;
  if (bytes.size() < trailer_at) return fault(FileFault::kIncomplete);
  const uint64_t trailer = ReadBigEndian(bytes.substr(trailer_at - 4, 4));
  if (trailer > static_cast<uint64_t>(kMaxBundleTrailerBytes)) return fault(FileFault::kTooLarge);
  if (bytes.size() < trailer_at + trailer) return fault(FileFault::kIncomplete);
  if (bytes.size() > trailer_at + trailer) return fault(FileFault::kMalformed);
  file.signed_bytes = bytes.substr(0, trailer_at - 4);
  if (!file.signature.ParseFromArray(bytes.data() + trailer_at, static_cast<int>(trailer)) ||
      !file.bundle.ParseFromArray(bytes.data() + kBundleHeadBytes, static_cast<int>(body))) {
    return fault(FileFault::kMalformed);
  }
  return file;
}

PartFit Judge(const DeliverRequest& part, const LinkReceipt& cursor) {
  if (part.envelopes().empty()) return PartFit::kKnown;
  const int64_t through = cursor.received_through();
  if (part.envelopes(0).sequence() > through + 1) return PartFit::kGap;
  bool news = false;
  for (const Envelope& envelope : part.envelopes()) {
    if (envelope.sequence() == through && envelope.hash() != cursor.head_hash()) return PartFit::kContradicts;
    if (envelope.sequence() == through + 1) {
      if (envelope.previous_hash() != cursor.head_hash()) return PartFit::kContradicts;
      news = true;
    }
  }
  return news ? PartFit::kContinues : PartFit::kKnown;
}

BundleOrder OrderOf(const BundleHeader& header) {
  return {.incarnation = header.incarnation(), .number = header.number()};
}

BundleOrder SeenBy(const BundleHeader& header) {
  return {.incarnation = header.seen_incarnation(), .number = header.seen_number()};
}

}  // namespace hotline::dispatch
