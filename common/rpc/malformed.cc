#include "common/rpc/malformed.h"

#include <map>
#include <string>

#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/error/error.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace hotline::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

// As deep as protobuf itself parses.
constexpr int kMaxDepth = 100;

absl::Status Walk(std::string_view bytes, const Descriptor& type, const std::string& prefix, int depth) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  std::map<int, int> seen;  // elements of each repeated field so far
  while (const uint32_t tag = in.ReadTag()) {
    const FieldDescriptor* const field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
    const bool has_text =
        field != nullptr &&
        WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED &&
        (field->type() == FieldDescriptor::TYPE_STRING || field->type() == FieldDescriptor::TYPE_MESSAGE);
    if (!has_text) {
      if (!WireFormatLite::SkipField(&in, tag)) break;
      continue;
    }
    uint32_t length = 0;
    if (!in.ReadVarint32(&length)) break;
    const size_t begin = static_cast<size_t>(in.CurrentPosition());
    if (length > bytes.size() - begin || !in.Skip(static_cast<int>(length))) break;
    std::string path = StrCat(prefix, field->name());
    if (field->is_repeated()) path = StrCat(path, "[", seen[field->number()]++, "]");
    const std::string_view value = bytes.substr(begin, length);
    if (field->type() == FieldDescriptor::TYPE_STRING) {
      if (!CountCodePoints(value).has_value()) return error::BadText(path);
    } else if (depth < kMaxDepth) {
      if (absl::Status status = Walk(value, *field->message_type(), path + ".", depth + 1); !status.ok()) {
        return status;
      }
    }
  }
  if (in.ConsumedEntireMessage()) return absl::OkStatus();
  const std::string path = prefix.empty() ? "request" : prefix.substr(0, prefix.size() - 1);
  return error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, path,
                         "is cut short or not a protobuf message", "不完整，或不是有效的protobuf消息");
}

}  // namespace

absl::Status WhyMalformed(std::string_view bytes, const Descriptor& type) {
  if (absl::Status status = Walk(bytes, type, "", 0); !status.ok()) return status;
  return error::BadField(error::Reason::ERROR_REASON_FIELD_INVALID, "request", "cannot be parsed",
                         "无法解析");
}

}  // namespace hotline::rpc
