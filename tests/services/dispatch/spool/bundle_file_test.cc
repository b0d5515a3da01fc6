// The form of a bundle's file.
#include "services/dispatch/spool/core/bundle_file.h"

#include <gtest/gtest.h>

#include <limits>

#include "common/base/sha256.h"
#include "common/base/text.h"

namespace hotline::dispatch {
namespace {

using exchange::v1::Bundle;
using exchange::v1::DeliverRequest;
using exchange::v1::LinkReceipt;

Bundle SampleBundle() {
  Bundle bundle;
  bundle.mutable_header()->set_from_hotline("12345");
  bundle.mutable_header()->set_to_hotline("110");
  bundle.mutable_header()->set_number(123);
  exchange::v1::Envelope& envelope = *bundle.add_parts()->add_envelopes();
  envelope.set_sequence(1);
  envelope.set_body(std::string(300, 'x'));
  return bundle;
}

std::string SampleFile() {
  type::v1::DigitalSignature signature;
  signature.set_key_id("k");
  signature.set_value("signature");
  return EncodeFile(EncodeSigned(SampleBundle()), signature);
}

TEST(BundleFileTest, NamesAreReadAsTheyAreWritten) {
  EXPECT_EQ(ToFileName({.from = "12345", .to = "110", .number = 123}), "12345-110-000000000123.hlb");
  for (const int64_t number : {int64_t{1}, int64_t{999'999'999'999}, int64_t{1'000'000'000'000}}) {
    const auto name = ParseFileName(ToFileName({.from = "12345", .to = "110", .number = number}));
    ASSERT_TRUE(name.has_value()) << number;
    EXPECT_EQ(name->from, "12345");
    EXPECT_EQ(name->to, "110");
    EXPECT_EQ(name->number, number);
  }
  for (const char* foreign :
       {"", ".hlb", "a.hlb", "12345-110.hlb", "12345-110-1.hlb", "12345-110-000000000000.hlb",
        "12345-110-0000000000123.hlb", "12345-110-00000000012x.hlb", "12345-110-000000000123.hlb.part",
        "12345-110-000000000123.HLB", "-110-000000000123.hlb", "12345--000000000123.hlb",
        "12345-110-9999999999999999999.hlb", "1 2-110-000000000123.hlb", "12345-110-000000000123 (1).hlb",
        "12345-110-3-000000000123.hlb", ".tmp-12345-110-000000000123.hlb"}) {
    EXPECT_FALSE(ParseFileName(foreign).has_value()) << foreign;
  }
}

TEST(BundleFileTest, WhatWasWrittenIsRead) {
  const std::string file = SampleFile();
  const DecodedFile decoded = DecodeFile(file);
  ASSERT_EQ(decoded.fault, FileFault::kNone);
  EXPECT_EQ(decoded.bundle.SerializeAsString(), SampleBundle().SerializeAsString());
  EXPECT_EQ(decoded.signature.value(), "signature");
  EXPECT_EQ(decoded.signed_bytes, EncodeSigned(SampleBundle()));
}

TEST(BundleFileTest, EveryShorterFileIsIncomplete) {
  const std::string file = SampleFile();
  for (size_t length = 0; length < file.size(); ++length) {
    EXPECT_EQ(DecodeFile(std::string_view(file).substr(0, length)).fault, FileFault::kIncomplete) << length;
  }
}

TEST(BundleFileTest, WhatIsNoBundleIsTold) {
  const std::string file = SampleFile();
  EXPECT_EQ(DecodeFile("hello").fault, FileFault::kForeign);
  EXPECT_EQ(DecodeFile(file + "x").fault, FileFault::kMalformed);
  std::string later = file;
  later[11] = 2;
  EXPECT_EQ(DecodeFile(later).fault, FileFault::kUnknownForm);
  std::string huge = file;
  huge[12] = 1;
  EXPECT_EQ(DecodeFile(huge).fault, FileFault::kTooLarge);
  std::string garbage = "HLBUNDLE" + BigEndian32(1) + BigEndian64(3) + "\xff\xff\xff" + BigEndian32(0);
  EXPECT_EQ(DecodeFile(garbage).fault, FileFault::kMalformed);
  std::string long_trailer = "HLBUNDLE" + BigEndian32(1) + BigEndian64(0) + BigEndian32(1 << 20);
  EXPECT_EQ(DecodeFile(long_trailer).fault, FileFault::kTooLarge);
}

DeliverRequest Part(int64_t first, int64_t last, const std::string& past) {
  DeliverRequest part;
  for (int64_t i = first; i <= last; ++i) {
    exchange::v1::Envelope& envelope = *part.add_envelopes();
    envelope.set_sequence(i);
    envelope.set_previous_hash(StrCat(past, i - 1));
    envelope.set_hash(StrCat(past, i));
  }
  return part;
}

TEST(BundleFileTest, NumbersThatLeaveNoPlaceForMoreAreFaults) {
  const absl::Time now = absl::FromUnixSeconds(1'790'000'000);
  exchange::v1::BundleHeader good;
  good.set_number(7);
  good.set_incarnation(absl::ToUnixMicros(now));
  EXPECT_EQ(FaultOf(good, now), "");
  EXPECT_EQ(FaultOf(good, absl::UnixEpoch()), "") << "a clock that has stood still since its battery died";
  for (const int64_t number :
       {int64_t{-1}, int64_t{999'999'999'999'999'999}, std::numeric_limits<int64_t>::max()}) {
    exchange::v1::BundleHeader header = good;
    header.set_number(number);
    EXPECT_EQ(FaultOf(header, now), "number") << number;
    header = good;
    header.set_seen_number(number);
    EXPECT_EQ(FaultOf(header, now), "seen_number") << number;
  }
  for (const int64_t incarnation : {int64_t{-1}, absl::ToUnixMicros(now + absl::Hours(24 * 365 * 101)),
                                    std::numeric_limits<int64_t>::max()}) {
    exchange::v1::BundleHeader header = good;
    header.set_incarnation(incarnation);
    EXPECT_EQ(FaultOf(header, now), "incarnation") << incarnation;
    header = good;
    header.set_seen_incarnation(incarnation);
    EXPECT_EQ(FaultOf(header, now), "seen_incarnation") << incarnation;
  }
}

TEST(BundleFileTest, APartIsJudgedByTheCursor) {
  LinkReceipt cursor;
  cursor.set_received_through(10);
  cursor.set_head_hash("h10");
  EXPECT_EQ(Judge(Part(11, 20, "h"), cursor), PartFit::kContinues);
  EXPECT_EQ(Judge(Part(5, 20, "h"), cursor), PartFit::kContinues);
  EXPECT_EQ(Judge(Part(12, 20, "h"), cursor), PartFit::kGap);
  EXPECT_EQ(Judge(Part(1, 10, "h"), cursor), PartFit::kKnown);
  EXPECT_EQ(Judge(Part(1, 3, "h"), cursor), PartFit::kKnown);
  EXPECT_EQ(Judge(DeliverRequest(), cursor), PartFit::kKnown);
  EXPECT_EQ(Judge(Part(11, 20, "g"), cursor), PartFit::kContradicts);
  EXPECT_EQ(Judge(Part(5, 20, "g"), cursor), PartFit::kContradicts);
  EXPECT_EQ(Judge(Part(5, 10, "g"), cursor), PartFit::kContradicts);
}

}  // namespace
}  // namespace hotline::dispatch
