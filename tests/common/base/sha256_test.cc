#include "common/base/sha256.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

namespace hotline {
namespace {

// FIPS 180-4 examples.
TEST(Sha256Test, KnownAnswers) {
  EXPECT_EQ(absl::BytesToHexString(Sha256({})),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(absl::BytesToHexString(Sha256({"abc"})),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256({"a", "", "bc"}), Sha256({"abc"}));
}

// RFC 4231, cases 2 and 6 (a key longer than a block).
TEST(Sha256Test, HmacKnownAnswers) {
  EXPECT_EQ(absl::BytesToHexString(HmacSha256("Jefe", {"what do ya want ", "for nothing?"})),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(absl::BytesToHexString(HmacSha256(std::string(131, '\xaa'),
                                              {"Test Using Larger Than Block-Size Key - Hash Key First"})),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Sha256Test, BigEndian) {
  EXPECT_EQ(BigEndian64(0x0102030405060708), "\x01\x02\x03\x04\x05\x06\x07\x08");
  EXPECT_EQ(BigEndian32(0x01020304), "\x01\x02\x03\x04");
  EXPECT_EQ(ChainStart(), std::string(32, '\0'));
}

}  // namespace
}  // namespace hotline
