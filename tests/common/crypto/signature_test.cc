#include "common/crypto/signature.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/text.h"
#include "common/crypto/statement.h"
#include "common/error/error.h"

namespace hotline::crypto {
namespace {

constexpr std::string_view kDomain = "hotline.test.v1.Thing";

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

std::string Base64(std::string_view bytes) {
  static constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t k = 0; k < 3; ++k) {
      three = three << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0);
    }
    for (size_t k = 0; k < 4; ++k) {
      text += i + k > bytes.size() ? '=' : kLetters[three >> (18 - 6 * k) & 63];
    }
  }
  return text;
}

std::string PrivatePem(std::string_view hex) {
  return "-----BEGIN PRIVATE KEY-----\n" + Base64(FromHex(hex)) + "\n-----END PRIVATE KEY-----\n";
}

std::string Text(const absl::Status& status) { return std::string(status.message()); }

bool Contains(const absl::Status& status, std::string_view part) {
  return Text(status).find(part) != std::string::npos;
}

// A folder with key pairs as deploy/keys/make makes them: 12345/a and 110/a of Ed25519, 12345/s of SM2.
class SignatureTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hotline-keys-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = new std::string(pattern);
    const std::string make = HOTLINE_SOURCE_DIR "/deploy/keys/make --dir " + pattern;
    ASSERT_EQ(system((make + " --id a 12345 110 > " + pattern + "/log 2>&1").c_str()), 0);
    ASSERT_EQ(system((make + " --id s --sm2 12345 >> " + pattern + "/log 2>&1").c_str()), 0);
  }
  static void TearDownTestSuite() {
    std::filesystem::remove_all(*folder_);
    delete folder_;
  }

  static std::string Path(const std::string& name) { return *folder_ + "/" + name; }
  static std::string Put(const std::string& name, const std::string& text, mode_t mode = 0600) {
    std::ofstream(Path(name)) << text;
    chmod(Path(name).c_str(), mode);
    return Path(name);
  }
  static Signer Load(const std::string& name) {
    absl::StatusOr<Signer> signer = Signer::Load("k", Path(name + ".key"));
    EXPECT_TRUE(signer.ok()) << signer.status();
    return *signer;
  }
  static PublicKey LoadPublic(const std::string& name) {
    absl::StatusOr<PublicKey> key = PublicKey::Load(Path(name + ".pub"));
    EXPECT_TRUE(key.ok()) << key.status();
    return *key;
  }

  static std::string* folder_;
};
std::string* SignatureTest::folder_ = nullptr;

// RFC 8032, 7.1, TEST 1024. Its message holds a zero byte, so that what is before it can be the domain.
constexpr std::string_view kRfcMessage =
    "08b8b2b733424243760fe426a4b54908632110a66c2f6591eabd3345e3e4eb98fa6e264bf09efe12ee50f8f54e9f77b1"
    "e355f6c50544e23fb1433ddf73be84d879de7c0046dc4996d9e773f4bc9efe5738829adb26c81b37c93a1b270b20329d"
    "658675fc6ea534e0810a4432826bf58c941efb65d57a338bbd2e26640f89ffbc1a858efcb8550ee3a5e1998bd177e93a"
    "7363c344fe6b199ee5d02e82d522c4feba15452f80288a821a579116ec6dad2b3b310da903401aa62100ab5d1a36553e"
    "06203b33890cc9b832f79ef80560ccb9a39ce767967ed628c6ad573cb116dbefefd75499da96bd68a8a97b928a8bbc10"
    "3b6621fcde2beca1231d206be6cd9ec7aff6f6c94fcd7204ed3455c68c83f4a41da4af2b74ef5c53f1d8ac70bdcb7ed1"
    "85ce81bd84359d44254d95629e9855a94a7c1958d1f8ada5d0532ed8a5aa3fb2d17ba70eb6248e594e1a2297acbbb39d"
    "502f1a8c6eb6f1ce22b3de1a1f40cc24554119a831a9aad6079cad88425de6bde1a9187ebb6092cf67bf2b13fd65f270"
    "88d78b7e883c8759d2c4f5c65adb7553878ad575f9fad878e80a0c9ba63bcbcc2732e69485bbc9c90bfbd62481d9089b"
    "eccf80cfe2df16a2cf65bd92dd597b0707e0917af48bbb75fed413d238f5555a7a569d80c3414a8d0859dc65a46128ba"
    "b27af87a71314f318c782b23ebfe808b82b0ce26401d2e22f04d83d1255dc51addd3b75a2b1ae0784504df543af8969b"
    "e3ea7082ff7fc9888c144da2af58429ec96031dbcad3dad9af0dcbaaaf268cb8fcffead94f3c7ca495e056a9b47acdb7"
    "51fb73e666c6c655ade8297297d07ad1ba5e43f1bca32301651339e22904cc8c42f58c30c04aafdb038dda0847dd988d"
    "cda6f3bfd15c4b4c4525004aa06eeff8ca61783aacec57fb3d1f92b0fe2fd1a85f6724517b65e614ad6808d6f6ee34df"
    "f7310fdc82aebfd904b01e1dc54b2927094b2db68d6f903b68401adebf5a7e08d78ff4ef5d63653a65040cf9bfd4aca7"
    "984a74d37145986780fc0b16ac451649de6188a7dbdf191f64b5fc5e2ab47b57f7f7276cd419c17a3ca8e1b939ae49e4"
    "88acba6b965610b5480109c8b17b80e1b7b750dfc7598d5d5011fd2dcc5600a32ef5b52a1ecc820e308aa342721aac09"
    "43bf6686b64b2579376504ccc493d97e6aed3fb0f9cd71a43dd497f01f17c0e2cb3797aa2a2f256656168e6c496afc5f"
    "b93246f6b1116398a346f1a641f3b041e989f7914f90cc2c7fff357876e506b50d334ba77c225bc307ba537152f3f161"
    "0e4eafe595f6d9d90d11faa933a15ef1369546868a7f3a45a96768d40fd9d03412c091c6315cf4fde7cb68606937380d"
    "b2eaaa707b4c4185c32eddcdd306705e4dc1ffc872eeee475a64dfac86aba41c0618983f8741c5ef68d3a101e8a3b8ca"
    "c60c905c15fc910840b94c00a0b9d0";

TEST_F(SignatureTest, Ed25519SignsAsRfc8032Does) {
  const std::string file = Put("rfc.key", PrivatePem("302e020100300506032b657004220420"
                                                     "f5e5767cf153319517630f226876b86c"
                                                     "8160cc583bc013744c6bf255f5cc0ee5"));
  const absl::StatusOr<Signer> signer = Signer::Load("rfc-8032", file);
  ASSERT_TRUE(signer.ok()) << signer.status();
  EXPECT_EQ(signer->public_key().der(), FromHex("302a300506032b6570032100"
                                                "278117fc144c72340f67d0f2316e8386"
                                                "ceffbf2b2428c9c51fef7c597f1d426e"));
  const std::string whole = FromHex(kRfcMessage);
  ASSERT_EQ(whole.size(), 1023u);
  const size_t zero = whole.find('\0');
  ASSERT_NE(zero, std::string::npos);
  const std::string_view domain = std::string_view(whole).substr(0, zero);
  const std::string_view message = std::string_view(whole).substr(zero + 1);
  const absl::StatusOr<std::string> signature = signer->Sign(domain, message);
  ASSERT_TRUE(signature.ok()) << signature.status();
  EXPECT_EQ(*signature, FromHex("0aab4c900501b3e24d7cdf4663326a3a87df5e4843b2cbdb67cbf6e460fec350"
                                "aa5371b1508f9f4528ecea23c436d94b5e8fcd4f681e30a6ac00a9704a188a03"));
  EXPECT_TRUE(signer->public_key().Verify(domain, message, *signature));
}

// The key is that of GB/T 32918.5, A.2. The signature was made over `hotline.test`, a zero byte and `message
// digest` by another program, written after the standard, which also gives the standard's own example.
TEST_F(SignatureTest, Sm2VerifiesWhatAnotherProgramSigned) {
  const absl::StatusOr<PublicKey> key =
      PublicKey::FromDer(FromHex("3059301306072a8648ce3d020106082a811ccf5501822d03420004"
                                 "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
                                 "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"));
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->algorithm(), Algorithm::kSm2Sm3);
  const std::string signature = FromHex(
      "30440220054b763ad98c3a7e941e98c4e6bd606c56ee98a2a29f71cc9684d69c258b0287"
      "022005aca5967062385893bf2254587f4c82c074df775141521a49ebf6cd963b62d7");
  EXPECT_TRUE(key->Verify("hotline.test", "message digest", signature));
  EXPECT_FALSE(key->Verify("hotline.test", "message digesu", signature));
  EXPECT_FALSE(key->Verify("hotline.tesu", "message digest", signature));
}

TEST_F(SignatureTest, OpensslVerifiesWhatWeSign) {
  std::ofstream(Path("message")) << kDomain << '\0' << "text";
  for (const std::string name : {"12345/a", "12345/s"}) {
    const Signer signer = Load(name);
    std::ofstream(Path("signature")) << *signer.Sign(kDomain, "text");
    const std::string sm2 =
        signer.algorithm() == Algorithm::kSm2Sm3 ? " -digest sm3 -pkeyopt distid:1234567812345678" : "";
    EXPECT_EQ(system(StrCat("openssl pkeyutl -verify -rawin", sm2, " -pubin -inkey ", Path(name), ".pub -in ",
                            Path("message"), " -sigfile ", Path("signature"), " > ", Path("log"), " 2>&1")
                         .c_str()),
              0)
        << name;
  }
}

TEST_F(SignatureTest, AlgorithmFollowsTheKey) {
  EXPECT_EQ(AlgorithmName(Load("12345/a").algorithm()), "ed25519");
  EXPECT_EQ(AlgorithmName(Load("12345/s").algorithm()), "sm2-sm3");
  EXPECT_EQ(LoadPublic("12345/s").der(), Load("12345/s").public_key().der());
  EXPECT_EQ(LoadPublic("12345/a").Fingerprint().size(), 64u);
}

// A device that keeps the private half to itself: here it forwards to the key, and counts.
class Device : public KeyProvider {
 public:
  explicit Device(Signer signer) : signer_(std::move(signer)) {}
  absl::StatusOr<std::string> Sign(std::string_view bytes) const override {
    ++signed_;
    return signer_.Sign(bytes.substr(0, bytes.find('\0')), bytes.substr(bytes.find('\0') + 1));
  }
  bool Verify(std::string_view bytes, std::string_view signature) const override {
    ++verified_;
    return signer_.public_key().Verify(bytes.substr(0, bytes.find('\0')), bytes.substr(bytes.find('\0') + 1),
                                       signature);
  }
  mutable int signed_ = 0;
  mutable int verified_ = 0;

 private:
  const Signer signer_;
};

TEST_F(SignatureTest, AProviderSignsAndVerifiesForTheKey) {
  const Signer signer = Load("12345/a");
  const auto device = std::make_shared<const Device>(signer);
  const Signer provided = signer.ProvidedBy(device);
  EXPECT_EQ(provided.key_id(), signer.key_id());
  EXPECT_EQ(provided.public_key().der(), signer.public_key().der());
  const std::string message("a\0b", 3);
  const absl::StatusOr<std::string> signature = provided.Sign(kDomain, message);
  ASSERT_TRUE(signature.ok()) << signature.status();
  EXPECT_EQ(device->signed_, 1);
  EXPECT_EQ(*signature, *signer.Sign(kDomain, message));
  EXPECT_TRUE(provided.public_key().Verify(kDomain, message, *signature));
  EXPECT_FALSE(provided.public_key().Verify(kDomain, "another", *signature));
  EXPECT_EQ(device->verified_, 2);
  EXPECT_TRUE(signer.public_key().Verify(kDomain, message, *signature));
  EXPECT_EQ(device->verified_, 2);
}

TEST_F(SignatureTest, NoBitMayChange) {
  const std::vector<Signer> signers = {Load("12345/a"), Load("12345/s")};
  EXPECT_TRUE(rc::check("a changed bit of domain, message or signature is seen", [&] {
    const Signer& signer = signers[*rc::gen::inRange<size_t>(0, signers.size())];
    std::string parts[3] = {std::string(kDomain), *rc::gen::nonEmpty<std::string>(), ""};
    parts[2] = *signer.Sign(parts[0], parts[1]);
    RC_ASSERT(signer.public_key().Verify(parts[0], parts[1], parts[2]));
    std::string& changed = parts[*rc::gen::inRange(0, 3)];
    const size_t at = *rc::gen::inRange<size_t>(0, changed.size());
    changed[at] = static_cast<char>(changed[at] ^ 1 << *rc::gen::inRange(0, 8));
    RC_ASSERT(!signer.public_key().Verify(parts[0], parts[1], parts[2]));
  }));
}

TEST_F(SignatureTest, NeitherShorterNorLongerNorMovedVerifies) {
  for (const std::string name : {"12345/a", "12345/s"}) {
    const Signer signer = Load(name);
    const PublicKey& key = signer.public_key();
    const std::string signature = *signer.Sign(kDomain, "text");
    EXPECT_TRUE(key.Verify(kDomain, "text", signature));
    EXPECT_FALSE(key.Verify(kDomain, "text", signature.substr(0, signature.size() - 1))) << name;
    EXPECT_FALSE(key.Verify(kDomain, "text", signature + '\0')) << name;
    EXPECT_FALSE(key.Verify(kDomain, "text", "")) << name;
    EXPECT_FALSE(key.Verify(kDomain, "text", std::string(4096, 'x'))) << name;
    // A letter moved from the domain to the message is another thing signed.
    EXPECT_FALSE(key.Verify(kDomain.substr(0, kDomain.size() - 1), "gtext", signature)) << name;
    EXPECT_FALSE(LoadPublic("110/a").Verify(kDomain, "text", signature)) << name;
  }
}

TEST_F(SignatureTest, BadFilesAreNamedWithWhatIsWrong) {
  const std::string good = Path("12345/a.key");
  struct Case {
    std::string file;
    const char* part;
  };
  std::string text;
  std::getline(std::ifstream(good), text, '\0');
  ASSERT_EQ(system(StrCat("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ",
                          Path("p256.key"), " > ", Path("log"), " 2>&1 && chmod 600 ", Path("p256.key"),
                          " && openssl pkey -in ", Path("12345/s.key"), " -aes128 -passout pass:x -out ",
                          Path("locked.key"), " && chmod 600 ", Path("locked.key"))
                       .c_str()),
            0);
  const Case cases[] = {
      {Path("none.key"), "cannot read it: No such file"},
      {*folder_, "is not a file"},
      {Put("open.key", text, 0604), "must not be open to everybody"},
      {Put("empty.key", ""), "no PEM private key"},
      {Put("cut.key", text.substr(0, text.size() / 2)), "no PEM private key"},
      {Put("large.key", std::string(70'000, 'x')), "too large"},
      {Path("12345/a.pub"), "open to everybody"},
      {Path("p256.key"), "neither Ed25519 nor SM2"},
      {Path("locked.key"), "without a pass phrase"},
  };
  for (const Case& c : cases) {
    const absl::Status status = Signer::Load("k", c.file).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << c.file;
    EXPECT_TRUE(Contains(status, c.part)) << c.file << ": " << status;
    EXPECT_TRUE(Contains(status, c.file)) << status;
  }
  EXPECT_TRUE(Signer::Load("k", Put("group.key", text, 0640)).ok());
  EXPECT_TRUE(Contains(PublicKey::Load(good).status(), "no PEM public key"));
  EXPECT_TRUE(Contains(PublicKey::Load(Path("none.pub")).status(), "none.pub: cannot read it"));
  for (const std::string id : {"", "a b", "a/b", "钥"}) {
    EXPECT_EQ(Signer::Load(id, good).status().code(), absl::StatusCode::kInvalidArgument) << id;
  }
  EXPECT_FALSE(IsKeyId(std::string(65, 'a')));
  EXPECT_TRUE(IsKeyId(std::string(64, 'a')));
}

TEST_F(SignatureTest, APublicKeyHasOneForm) {
  for (const std::string name : {"12345/a", "12345/s"}) {
    const std::string der = LoadPublic(name).der();
    EXPECT_TRUE(PublicKey::FromDer(der).ok());
    EXPECT_FALSE(PublicKey::FromDer(der + '\0').ok());
    EXPECT_FALSE(PublicKey::FromDer(der.substr(0, der.size() - 1)).ok());
    // A changed byte is either no key or another key, never the same.
    for (size_t i = 0; i < der.size() * 8; ++i) {
      std::string changed = der;
      changed[i / 8] = static_cast<char>(changed[i / 8] ^ 1 << i % 8);
      const absl::StatusOr<PublicKey> key = PublicKey::FromDer(changed);
      EXPECT_TRUE(!key.ok() || key->der() == changed) << i;
    }
  }
  EXPECT_FALSE(PublicKey::FromDer("").ok());
}

TEST_F(SignatureTest, TheRingSaysWhyItRefuses) {
  const absl::Time day = absl::FromUnixSeconds(1'795'000'000);
  KeyRing ring;
  EXPECT_TRUE(ring.empty());
  ASSERT_TRUE(ring.Add("12345", "a", LoadPublic("12345/a"), day, day + absl::Hours(24)).ok());
  ASSERT_TRUE(ring.Add("110", "a", LoadPublic("110/a")).ok());
  EXPECT_TRUE(ring.Knows("12345"));
  EXPECT_TRUE(ring.Knows("110"));
  for (const char* party : {"", "1", "11", "1100", "1234", "123456", "119"}) EXPECT_FALSE(ring.Knows(party));
  EXPECT_EQ(ring.Add("110", "a", LoadPublic("110/a")).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ring.Add("110", "b c", LoadPublic("110/a")).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ring.Add("110", "b", LoadPublic("110/a"), day, day).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ring.Find("110", "b"), nullptr);
  EXPECT_NE(ring.Find("110", "a"), nullptr);

  const std::string signature = *Load("12345/a").Sign(kDomain, "text");
  const auto verify = [&](std::string_view party, std::string_view key, Algorithm algorithm,
                          std::string_view domain, absl::Time at) {
    return ring.Verify(party, key, algorithm, domain, "text", signature, at);
  };
  const auto ed = Algorithm::kEd25519;
  EXPECT_TRUE(verify("12345", "a", ed, kDomain, day).ok());
  EXPECT_TRUE(verify("12345", "a", ed, kDomain, day + absl::Hours(24) - absl::Nanoseconds(1)).ok());
  struct Case {
    absl::Status status;
    const char* part;
  };
  const Case cases[] = {
      {verify("12345", "a", ed, kDomain, day - absl::Nanoseconds(1)), "not valid yet"},
      {verify("12345", "a", ed, kDomain, day + absl::Hours(24)), "has expired"},
      {verify("12345", "b", ed, kDomain, day), "not known"},
      {verify("119", "a", ed, kDomain, day), "not known"},
      {verify("110", "a", ed, kDomain, day), "not by this key"},
      {verify("12345", "a", Algorithm::kSm2Sm3, kDomain, day), "is for ed25519, not for sm2-sm3"},
      {verify("12345", "a", ed, "hotline.test.v1.Other", day), "not by this key"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(error::ReasonOf(c.status), error::Reason::ERROR_REASON_SIGNATURE_INVALID) << c.status;
    EXPECT_TRUE(Contains(c.status, c.part)) << c.status;
    EXPECT_FALSE(error::ChineseOf(c.status).empty());
  }
}

TEST_F(SignatureTest, KeysRotateWithOverlap) {
  const absl::Time change = absl::FromUnixSeconds(1'795'000'000);
  const auto named = [](const char* id, const char* file) { return *Signer::Load(id, Path(file)); };
  SigningKeys own;
  EXPECT_TRUE(own.empty());
  EXPECT_EQ(own.At(change), nullptr);
  ASSERT_TRUE(own.Add(named("new", "12345/s.key"), change).ok());
  EXPECT_EQ(own.At(change - absl::Seconds(1)), nullptr);
  ASSERT_TRUE(own.Add(named("old", "12345/a.key"), absl::InfinitePast()).ok());
  EXPECT_EQ(own.Add(named("old", "110/a.key"), change + absl::Hours(1)).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(own.Add(named("third", "110/a.key"), change).code(), absl::StatusCode::kAlreadyExists);

  // The peer trusts the old key an hour longer, for what was under way.
  KeyRing peer;
  ASSERT_TRUE(
      peer.Add("12345", "old", LoadPublic("12345/a"), absl::InfinitePast(), change + absl::Hours(1)).ok());
  ASSERT_TRUE(peer.Add("12345", "new", LoadPublic("12345/s"), change - absl::Hours(1)).ok());
  const auto check = [&](const Signer& signer, absl::Time at) {
    return peer.Verify("12345", signer.key_id(), signer.algorithm(), kDomain, "text",
                       *signer.Sign(kDomain, "text"), at);
  };
  for (int minute = -120; minute <= 120; minute += 30) {
    const absl::Time now = change + absl::Minutes(minute);
    const Signer* signer = own.At(now);
    ASSERT_NE(signer, nullptr);
    EXPECT_EQ(signer->key_id(), minute < 0 ? "old" : "new");
    EXPECT_TRUE(check(*signer, now).ok()) << minute;
  }
  const Signer old = named("old", "12345/a.key");
  EXPECT_TRUE(check(old, change + absl::Minutes(59)).ok());
  EXPECT_FALSE(check(old, change + absl::Minutes(60)).ok());
}

TEST_F(SignatureTest, StatementsTravelWithTheirSignature) {
  KeyRing ring;
  ASSERT_TRUE(ring.Add("12345", "k", LoadPublic("12345/s")).ok());
  const absl::Time now = absl::FromUnixSeconds(1'795'000'000);
  const Signer signer = *Signer::Load("k", Path("12345/s.key"));
  const type::v1::DigitalSignature good = *SignStatement(signer, kBatchDomain, "statement");
  EXPECT_EQ(good.algorithm(), type::v1::SIGNATURE_ALGORITHM_SM2_SM3);
  EXPECT_TRUE(VerifyStatement(ring, "12345", kBatchDomain, "statement", good, now).ok());
  const auto reason = [&](std::string_view domain, const type::v1::DigitalSignature& signature) {
    return error::ReasonOf(VerifyStatement(ring, "12345", domain, "statement", signature, now));
  };
  const auto invalid = error::Reason::ERROR_REASON_SIGNATURE_INVALID;
  EXPECT_EQ(reason(kReceiptDomain, good), invalid);
  EXPECT_EQ(reason(kBatchDomain, {}), error::Reason::ERROR_REASON_SIGNATURE_MISSING);
  type::v1::DigitalSignature bad = good;
  bad.set_algorithm(static_cast<type::v1::SignatureAlgorithm>(99));
  EXPECT_EQ(reason(kBatchDomain, bad), invalid);
  bad = good;
  bad.set_key_id("../k");
  EXPECT_EQ(reason(kBatchDomain, bad), invalid);
}

TEST_F(SignatureTest, ManyThreadsShareKeys) {
  const Signer signers[] = {Load("12345/a"), Load("12345/s")};
  KeyRing ring;
  ASSERT_TRUE(ring.Add("12345", "0", signers[0].public_key()).ok());
  ASSERT_TRUE(ring.Add("12345", "1", signers[1].public_key()).ok());
  std::atomic<int> failed = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const Signer& signer = signers[(t + i) % 2];
        const std::string message = StrCat(t, ":", i);
        const absl::StatusOr<std::string> signature = signer.Sign(kDomain, message);
        if (!signature.ok() || !ring.Verify("12345", StrCat((t + i) % 2), signer.algorithm(), kDomain,
                                            message, *signature, absl::FromUnixSeconds(0))
                                    .ok()) {
          ++failed;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
}

}  // namespace
}  // namespace hotline::crypto
