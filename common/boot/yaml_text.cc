#include "common/boot/yaml_text.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <vector>

namespace hotline::boot {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      out += c;
    }
  }
  return out + '"';
}

// `LOG_LEVEL_WARN` → `WARN`: the zero's name tells the prefix.
std::string EnumName(const google::protobuf::EnumValueDescriptor& value) {
  std::string prefix = value.type()->FindValueByNumber(0)->name();
  constexpr std::string_view kZero = "UNSPECIFIED";
  if (!prefix.ends_with(kZero)) return value.name();
  prefix.resize(prefix.size() - kZero.size());
  return value.name().starts_with(prefix) ? value.name().substr(prefix.size()) : value.name();
}

// A value that is no message; `index` is -1 for a field that is not repeated.
std::string Scalar(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return Quoted(one ? reflection.GetString(message, &field)
                        : reflection.GetRepeatedString(message, &field, index));
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumName(
          *(one ? reflection.GetEnum(message, &field) : reflection.GetRepeatedEnum(message, &field, index)));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (one ? reflection.GetBool(message, &field) : reflection.GetRepeatedBool(message, &field, index))
                 ? "true"
                 : "false";
    case FieldDescriptor::CPPTYPE_INT32:
      return fmt::format("{}", one ? reflection.GetInt32(message, &field)
                                   : reflection.GetRepeatedInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_INT64:
      return fmt::format("{}", one ? reflection.GetInt64(message, &field)
                                   : reflection.GetRepeatedInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_UINT32:
      return fmt::format("{}", one ? reflection.GetUInt32(message, &field)
                                   : reflection.GetRepeatedUInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_UINT64:
      return fmt::format("{}", one ? reflection.GetUInt64(message, &field)
                                   : reflection.GetRepeatedUInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return fmt::format("{}", one ? reflection.GetFloat(message, &field)
                                   : reflection.GetRepeatedFloat(message, &field, index));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return fmt::format("{}", one ? reflection.GetDouble(message, &field)
                                   : reflection.GetRepeatedDouble(message, &field, index));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return {};
}

// `first` stands before the first key, `rest` before all others.
void Write(const Message& message, std::string_view first, std::string_view rest, std::string* out) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  std::string_view indent = first;
  for (const FieldDescriptor* field : fields) {
    if (field->is_map() || field->type() == FieldDescriptor::TYPE_BYTES) continue;
    *out += fmt::format("{}{}:", indent, field->name());
    indent = rest;
    const bool inner = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    const std::string deeper = fmt::format("{}  ", rest);
    if (!field->is_repeated()) {
      if (!inner) {
        *out += fmt::format(" {}\n", Scalar(message, *field, -1));
      } else if (const Message& value = reflection.GetMessage(message, field); value.ByteSizeLong() == 0) {
        *out += " {}\n";
      } else {
        *out += '\n';
        Write(value, deeper, deeper, out);
      }
      continue;
    }
    const int count = reflection.FieldSize(message, field);
    if (!inner) {
      for (int i = 0; i < count; ++i)
        *out += fmt::format("{}{}", i == 0 ? " [" : ", ", Scalar(message, *field, i));
      *out += "]\n";
      continue;
    }
    *out += '\n';
    for (int i = 0; i < count; ++i) {
      const Message& value = reflection.GetRepeatedMessage(message, field, i);
      if (value.ByteSizeLong() == 0) {
        *out += fmt::format("{}- {{}}\n", deeper);
      } else {
        Write(value, deeper + "- ", deeper + "  ", out);
      }
    }
  }
}

}  // namespace

std::string ToYaml(const Message& message) {
  std::string out;
  Write(message, "", "", &out);
  return out.empty() ? "{}\n" : out;
}

}  // namespace hotline::boot
