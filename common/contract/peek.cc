#include "common/contract/peek.h"

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace hotline {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

uint32_t TagOf(int number, WireFormatLite::WireType type) { return WireFormatLite::MakeTag(number, type); }

CodedInputStream Over(std::string_view message) {
  return CodedInputStream(reinterpret_cast<const uint8_t*>(message.data()), static_cast<int>(message.size()));
}

// False if the rest cannot be read.
bool Find(CodedInputStream& input, std::span<const int> path, std::optional<uint64_t>* found) {
  const bool last = path.size() == 1;
  const uint32_t wanted =
      TagOf(path.front(), last ? WireFormatLite::WIRETYPE_VARINT : WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  while (const uint32_t tag = input.ReadTag()) {
    if (tag != wanted) {
      if (!WireFormatLite::SkipField(&input, tag)) return false;
      continue;
    }
    if (last) {
      uint64_t value = 0;
      if (!input.ReadVarint64(&value)) return false;
      *found = value;
      continue;
    }
    uint32_t size = 0;
    if (!input.ReadVarint32(&size)) return false;
    const CodedInputStream::Limit limit = input.PushLimit(static_cast<int>(size));
    if (!Find(input, path.subspan(1), found)) return false;
    if (input.BytesUntilLimit() != 0) return false;
    input.PopLimit(limit);
  }
  return true;
}

}  // namespace

std::optional<std::string_view> PeekBytes(std::string_view message, int number) {
  CodedInputStream input = Over(message);
  const uint32_t wanted = TagOf(number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  std::optional<std::string_view> found;
  while (const uint32_t tag = input.ReadTag()) {
    if (tag != wanted) {
      if (!WireFormatLite::SkipField(&input, tag)) return std::nullopt;
      continue;
    }
    uint32_t size = 0;
    if (!input.ReadVarint32(&size)) return std::nullopt;
    const auto at = static_cast<size_t>(input.CurrentPosition());
    if (size > message.size() - at || !input.Skip(static_cast<int>(size))) return std::nullopt;
    found = message.substr(at, size);
  }
  // A tag of zero in the middle is no end.
  if (static_cast<size_t>(input.CurrentPosition()) != message.size()) return std::nullopt;
  return found;
}

std::optional<uint64_t> PeekVarint(std::string_view message, int number) {
  CodedInputStream input = Over(message);
  std::optional<uint64_t> found;
  const int path[] = {number};
  if (!Find(input, path, &found) || static_cast<size_t>(input.CurrentPosition()) != message.size()) {
    return std::nullopt;
  }
  return found;
}

std::optional<uint64_t> PeekVarint(google::protobuf::io::ZeroCopyInputStream& message,
                                   std::span<const int> path) {
  CodedInputStream input(&message);
  std::optional<uint64_t> found;
  static_cast<void>(Find(input, path, &found));
  return found;
}

}  // namespace hotline
