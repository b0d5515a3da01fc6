// Keys of parties, made by deploy/keys/make in a folder of their own while this lives.
#ifndef TESTS_SUPPORT_MADE_KEYS_H_
#define TESTS_SUPPORT_MADE_KEYS_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <vector>

#include "common/base/text.h"
#include "common/crypto/signature.h"
#include "tests/support/sql_scratch.h"

namespace hotline::test {

class MadeKeys {
 public:
  // The arguments of each call beside the folder: `--id a 12345 110`.
  explicit MadeKeys(const std::vector<std::string>& calls) {
    for (const std::string& arguments : calls) {
      const std::string command = StrCat(HOTLINE_SOURCE_DIR "/deploy/keys/make --dir ", folder_.path(), " ",
                                         arguments, " >> ", folder_.path(), "/log 2>&1");
      EXPECT_EQ(system(command.c_str()), 0) << command;
    }
  }
  std::string PrivateFile(const std::string& party, const std::string& id) const {
    return StrCat(folder_.path(), "/", party, "/", id, ".key");
  }
  crypto::Signer Signer(const std::string& party, const std::string& id) const {
    auto signer = crypto::Signer::Load(id, PrivateFile(party, id));
    EXPECT_TRUE(signer.ok()) << signer.status();
    return *signer;
  }

 private:
  const ScratchFolder folder_;
};

}  // namespace hotline::test

#endif  // TESTS_SUPPORT_MADE_KEYS_H_
