// Reads single fields of a serialized message without parsing the rest of it: for what only passes by.
#ifndef COMMON_CONTRACT_PEEK_H_
#define COMMON_CONTRACT_PEEK_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "google/protobuf/io/zero_copy_stream.h"

namespace hotline {

// The string, bytes or message of field `number`: the last one, as a parser takes it. Nothing if there is
// none, or if the fields beside it cannot be told apart. Points into `message`.
std::optional<std::string_view> PeekBytes(std::string_view message, int number);
// The same of an integer or enum.
std::optional<uint64_t> PeekVarint(std::string_view message, int number);
// The last integer or enum at `path`, of which all fields but the last are messages. Fields behind it may not
// have been looked at if they cannot be read.
std::optional<uint64_t> PeekVarint(google::protobuf::io::ZeroCopyInputStream& message,
                                   std::span<const int> path);

}  // namespace hotline

#endif  // COMMON_CONTRACT_PEEK_H_
