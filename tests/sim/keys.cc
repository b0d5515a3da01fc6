#include "tests/sim/keys.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/sha256.h"

namespace hotline::sim {
namespace {

// Good for nothing but this: PKCS#8, Ed25519.
constexpr const char* kKeys[] = {
    "MC4CAQAwBQYDK2VwBCIEICTPswIXEUlVBZZ5r2wCWvM/X+0KiT1R3OamlNQMO40r",
    "MC4CAQAwBQYDK2VwBCIEIHxynbXhktHnkDATpJVju75L7qYbR1E/ASj+gTdD4xX0",
    "MC4CAQAwBQYDK2VwBCIEIJts3hfm2e2Z70JJ+6oAx3E4GL4KSzR47+MMpXWPhC2X",
    "MC4CAQAwBQYDK2VwBCIEIL918QOfsOxR8mP8NmqV79Qn0h6kLHQ+v9L7C++WrhbC",
};

class KeyedHash : public crypto::KeyProvider {
 public:
  explicit KeyedHash(std::string key) : key_(std::move(key)) {}
  absl::StatusOr<std::string> Sign(std::string_view bytes) const override {
    const std::string half = Sha256({key_, bytes});
    return half + half;  // as long as an Ed25519 signature
  }
  bool Verify(std::string_view bytes, std::string_view signature) const override {
    return signature == *Sign(bytes);
  }

 private:
  const std::string key_;
};

// A signer reads its key from a file and nowhere else.
std::vector<crypto::Signer> LoadAll() {
  std::string pattern = (std::filesystem::temp_directory_path() / "hotline-sim-keys-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) abort();
  std::vector<crypto::Signer> signers;
  for (const char* key : kKeys) {
    const std::string file = pattern + "/key.pem";
    std::ofstream(file) << "-----BEGIN PRIVATE KEY-----\n" << key << "\n-----END PRIVATE KEY-----\n";
    chmod(file.c_str(), 0600);
    absl::StatusOr<crypto::Signer> signer = crypto::Signer::Load("sim", file);
    if (!signer.ok()) abort();
    signers.push_back(*std::move(signer));
    std::filesystem::remove(file);
  }
  std::filesystem::remove_all(pattern);
  return signers;
}

}  // namespace

const crypto::Signer& SignerOf(int index, bool quick) {
  static const auto* const real = new std::vector<crypto::Signer>(LoadAll());
  static const auto* const hashed = [] {
    auto* const signers = new std::vector<crypto::Signer>();
    for (const crypto::Signer& signer : *real) {
      signers->push_back(signer.ProvidedBy(std::make_shared<KeyedHash>(signer.public_key().der())));
    }
    return signers;
  }();
  return (*(quick ? hashed : real))[static_cast<size_t>(index)];
}

}  // namespace hotline::sim
