// Files that hold several certificates: an authority that takes over from another, and a chain.
#include "common/boot/certificates.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

namespace hotline::boot {
namespace {

namespace fs = std::filesystem;

class CertificatesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "hotline-certs-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern + "/";
    Make("old", 30);
    Make("new", 20);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // An authority of ten years and a certificate of `days`, of its own folder.
  void Make(const std::string& name, int days) {
    const std::string command = std::string(HOTLINE_SOURCE_DIR "/deploy/certs/make --role dispatch --days ") +
                                std::to_string(days) + " --dir " + folder_ + name + " 110";
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  std::string Authority(const std::string& name) { return folder_ + name + "/ca.crt"; }
  std::string Own(const std::string& name) { return folder_ + name + "/110/dispatch.crt"; }
  // The files' bytes, one after the other.
  std::string Joined(const std::string& one, const std::string& other) {
    const std::string path = folder_ + "joined.crt";
    std::ofstream out(path, std::ios::binary);
    for (const std::string& from : {one, other}) out << std::ifstream(from, std::ios::binary).rdbuf();
    return path;
  }

  std::string folder_;
};

TEST_F(CertificatesTest, AnyAuthorityOfAFileMayHaveIssued) {
  for (const auto& [one, other] : {std::pair("old", "new"), {"new", "old"}}) {
    const std::string both = Joined(Authority(one), Authority(other));
    EXPECT_EQ(*IsIssuedBy(Own("old"), both), true);
    EXPECT_EQ(*IsIssuedBy(Own("new"), both), true);
  }
  EXPECT_EQ(*IsIssuedBy(Own("old"), Authority("new")), false);
  EXPECT_FALSE(IsIssuedBy(Own("old"), folder_ + "none").ok());
}

TEST_F(CertificatesTest, TheOneThatEndsFirstCounts) {
  const absl::Time before = *EarliestExpiry(Own("new"));
  EXPECT_LT(before, *EarliestExpiry(Own("old")));
  EXPECT_EQ(*EarliestExpiry(Joined(Own("old"), Own("new"))), before);
  EXPECT_EQ(ReadCertificates(Joined(Own("old"), Own("new")))->size(), 2u);
  // openssl's own word for when it ends is the truth here.
  const int64_t left = absl::ToInt64Seconds(before - absl::Now());
  const auto ends_within = [&](int64_t seconds) {
    const std::string command =
        "openssl x509 -in " + Own("new") + " -noout -checkend " + std::to_string(seconds) + " > /dev/null";
    return std::system(command.c_str()) != 0;
  };
  EXPECT_FALSE(ends_within(left - 60));
  EXPECT_TRUE(ends_within(left + 60));
}

TEST_F(CertificatesTest, TheFirstAndTheLastStartAreKnown) {
  // Issued years before the others, and for years ahead.
  const auto issue = [&](const std::string& name, const std::string& times) {
    const std::string command = "openssl ca -batch -notext " + times + " -in " + folder_ + name +
                                ".csr -out " + folder_ + name + ".crt -config " + folder_ +
                                "ca.cnf >/dev/null 2>&1";
    ASSERT_EQ(
        std::system(("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + name +
                     " -keyout " + folder_ + name + ".key -out " + folder_ + name + ".csr 2>/dev/null")
                        .c_str()),
        0);
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  };
  std::ofstream(folder_ + "index.txt").flush();
  std::ofstream(folder_ + "ca.cnf") << "[ca]\ndefault_ca = a\n[a]\ndatabase = " << folder_
                                    << "index.txt\nnew_certs_dir = " << folder_
                                    << "\nrand_serial = yes\ndefault_md = sha256\npolicy = p\ncertificate = "
                                    << Authority("old") << "\nprivate_key = " << folder_
                                    << "old/ca.key\n[p]\ncommonName = supplied\n";
  issue("past", "-startdate 20200101000000Z -enddate 20400101000000Z");
  issue("ahead", "-startdate 20390101000000Z -enddate 20400101000000Z");
  const absl::StatusOr<Starts> starts = StartsOf(Joined(folder_ + "ahead.crt", folder_ + "past.crt"));
  ASSERT_TRUE(starts.ok()) << starts.status();
  EXPECT_EQ(absl::FormatTime("%Y-%m-%d", starts->first, absl::UTCTimeZone()), "2020-01-01");
  EXPECT_EQ(absl::FormatTime("%Y-%m-%d", starts->last, absl::UTCTimeZone()), "2039-01-01");
  EXPECT_FALSE(StartsOf(folder_ + "none").ok());
}

TEST_F(CertificatesTest, WhatIsWrongIsFoundDaysBeforeTheEnd) {
  Make("long", 60);
  const std::string own = Own("long");
  const absl::Time end = *EarliestExpiry(own);
  const auto faults = [&](absl::Time now, const std::string& authority = "long") {
    return FaultsOf(own, Authority(authority), now);
  };
  EXPECT_TRUE(faults(absl::Now()).empty());
  EXPECT_TRUE(faults(end - absl::Hours(24 * 30) - absl::Seconds(1)).empty());
  const std::string when = absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", end, absl::UTCTimeZone());
  ASSERT_EQ(faults(end - absl::Hours(24 * 30)).size(), 1u);
  EXPECT_EQ(faults(end - absl::Seconds(1))[0].find(own + " ends on " + when + ": have it issued anew"), 0u);
  EXPECT_EQ(faults(end)[0].find(own + " ended on " + when + ", or this machine's clock is ahead"), 0u);
  // Neither has begun.
  ASSERT_EQ(faults(absl::Now() - absl::Hours(24 * 365)).size(), 2u);
  EXPECT_NE(faults(absl::Now() - absl::Hours(24 * 365))[0].find("is not valid before"), std::string::npos);
  ASSERT_EQ(faults(absl::Now(), "new").size(), 1u);
  EXPECT_EQ(faults(absl::Now(), "new")[0],
            own + " is not issued by " + Authority("new") + ": others would refuse it");
  EXPECT_TRUE(FaultsOf(folder_ + "none", folder_ + "none", absl::Now()).empty()) << "who needs it says so";
}

TEST_F(CertificatesTest, AFileThatIsDamagedFurtherDownIsNotRead) {
  std::ofstream(folder_ + "damaged") << "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_FALSE(ReadCertificates(Joined(Own("old"), folder_ + "damaged")).ok());
  std::ofstream(folder_ + "text") << "no certificate\n";
  EXPECT_FALSE(ReadCertificates(folder_ + "text").ok());
  EXPECT_EQ(ReadCertificates(Joined(Own("old"), folder_ + "text"))->size(), 1u)
      << "remarks stand in such files";
}

TEST_F(CertificatesTest, AKeyIsItsOwnersAlone) {
  const std::string key = folder_ + "old/110/dispatch.key";
  EXPECT_TRUE(CheckPrivate(key).ok()) << "as deploy/certs/make leaves it";
  fs::permissions(key, fs::perms::group_read, fs::perm_options::add);
  EXPECT_TRUE(CheckPrivate(key).ok()) << "a group may read it, as it may a signing key";
  fs::permissions(key, fs::perms::others_read, fs::perm_options::add);
  EXPECT_EQ(std::string(CheckPrivate(key).message()),
            key + ": a private key must not be open to everybody: chmod o= it");
}

}  // namespace
}  // namespace hotline::boot
