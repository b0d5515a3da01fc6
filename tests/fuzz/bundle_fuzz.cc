// A file that somebody put into a spool's directory in.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "services/dispatch/spool/core/bundle_file.h"

namespace {

void Law(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "law broken: %s\n", what);
  abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hotline::dispatch;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto name = ParseFileName(bytes); name.has_value()) {
    Law(ToFileName(*name) == bytes, "a name is read that no writer gives");
  }
  const DecodedFile file = DecodeFile(bytes);
  if (file.fault != FileFault::kNone) return 0;
  Law(file.signed_bytes.data() == bytes.data() && file.signed_bytes.size() < bytes.size(),
      "what is signed is not the beginning of the file");
  Law(DecodeFile(bytes.substr(0, size - 1)).fault == FileFault::kIncomplete,
      "a file that lacks its last byte is whole");
  const std::string again = EncodeFile(EncodeSigned(file.bundle), file.signature);
  Law(DecodeFile(again).fault == FileFault::kNone, "what was read cannot be written");
  for (const auto& part : file.bundle.parts()) {
    for (const auto& receipt : file.bundle.receipts()) Judge(part, receipt);
  }
  return 0;
}
