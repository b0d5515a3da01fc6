#include "common/boot/yaml_text.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
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

// What ParseYaml says; `{}` is what it says it of, in the same order in both. The first that fits holds.
struct Phrase {
  std::string_view english;
  std::string_view chinese;
};
constexpr Phrase kPhrases[] = {
    {"unknown key \"{}\" in {}; did you mean \"{}\"?", "未知的键“{}”（{}），是否应为“{}”？"},
    {"unknown key \"{}\" in {}; known are {}", "未知的键“{}”（{}），可用：{}"},
    {"unknown key \"{}\" in {}", "未知的键“{}”（{}）"},
    {"key \"{}\" is written twice", "键“{}”重复"},
    {"a key must be a name", "键须为名称"},
    {"\"{}\" has no value \"{}\" in {}; did you mean \"{}\"?", "“{}”的值“{}”无效（{}），是否应为“{}”？"},
    {"\"{}\" has no value \"{}\" in {}; known are {}", "“{}”的值“{}”无效（{}），可用：{}"},
    {"\"{}\" has no value \"{}\" in {}", "“{}”的值“{}”无效（{}）"},
    {"\"{}\" has no value", "“{}”没有填写"},
    {"\"{}\" must be a list", "“{}”须为列表"},
    {"the file must be a map of fields of {}", "文件须由{}的各字段组成"},
    {"\"{}\" must be a map of fields of {}", "“{}”须由{}的各字段组成"},
    {"\"{}\" must be from {} to {}, not {}", "“{}”须在{}到{}之间，现为{}"},
    {"\"{}\" must be a whole number, not \"{}\"", "“{}”须为整数，现为“{}”"},
    {"\"{}\" must be a number, not \"{}\"", "“{}”须为数字，现为“{}”"},
    {"\"{}\" must be true or false, not \"{}\"", "“{}”须为true或false，现为“{}”"},
    {"\"{}\" must be a whole number", "“{}”须为整数"},
    {"\"{}\" must be a number", "“{}”须为数字"},
    {"\"{}\" must be true or false", "“{}”须为true或false"},
    {"\"{}\" must be text", "“{}”须为文本"},
    {"\"{}\" must be a name", "“{}”须为名称"},
    {"\"{}\" cannot be written in YAML", "“{}”不能写在YAML文件中"},
    {"anchors and aliases are not allowed", "不允许使用锚点和别名"},
    {"tags are not allowed", "不允许使用标签"},
    {"nested too deep", "嵌套过深"},
    {"the file is empty", "文件为空"},
    {"the file holds more than one document", "文件含有多个文档"},
    {"this line is not UTF-8 text without control characters", "本行不是UTF-8文本，或含有控制字符"},
    {"larger than 1 MiB", "超过1MiB"},
    {"cannot read {}", "无法读取{}"},
    {"and {} more", "另有{}处"},
};

constexpr std::string_view kHole = "{}";

// What stands in the holes of `pattern`, if `text` fits it.
std::optional<std::vector<std::string_view>> Match(std::string_view text, std::string_view pattern) {
  std::vector<std::string_view> holes;
  for (bool first = true;; first = false) {
    const size_t hole = pattern.find(kHole);
    const std::string_view literal = pattern.substr(0, hole);
    const bool last = hole == std::string_view::npos;
    size_t at = first ? 0 : text.find(literal);
    if (!first && last) at = text.size() - std::min(text.size(), literal.size());
    if (at == std::string_view::npos || text.substr(at, literal.size()) != literal) return std::nullopt;
    if (!first) holes.push_back(text.substr(0, at));
    text.remove_prefix(at + literal.size());
    if (last) break;
    pattern.remove_prefix(hole + kHole.size());
  }
  return text.empty() ? std::make_optional(std::move(holes)) : std::nullopt;
}

// Empty if nothing fits.
std::string Chinese(std::string_view english) {
  for (const Phrase& phrase : kPhrases) {
    const std::optional<std::vector<std::string_view>> holes = Match(english, phrase.english);
    if (!holes.has_value()) continue;
    std::string out;
    std::string_view rest = phrase.chinese;
    for (const std::string_view hole : *holes) {
      const size_t at = rest.find(kHole);
      out.append(rest.substr(0, at)).append(hole);
      rest.remove_prefix(at + kHole.size());
    }
    return out.append(rest);
  }
  return {};
}

// Takes digits and a colon from the front of `text`; empty if they are not there.
std::string_view TakeNumber(std::string_view* text) {
  const size_t end = text->find_first_not_of("0123456789");
  if (end == 0 || end == std::string_view::npos || (*text)[end] != ':') return {};
  const std::string_view number = text->substr(0, end);
  text->remove_prefix(end + 1);
  return number;
}

std::string LineZh(std::string_view line, std::string_view name) {
  std::string place;
  std::string_view rest = line;
  if (!name.empty() && rest.starts_with(name) && rest.substr(name.size()).starts_with(":")) {
    rest.remove_prefix(name.size() + 1);
    place = name;
    const std::string_view at = TakeNumber(&rest);
    const std::string_view column = at.empty() ? at : TakeNumber(&rest);
    if (!column.empty()) place += fmt::format("第{}行第{}列", at, column);
    place += "：";
    if (rest.starts_with(" ")) rest.remove_prefix(1);
  }
  const std::string chinese = Chinese(rest);
  if (!chinese.empty()) return place + chinese;
  return place.empty() ? std::string(line) : fmt::format("{}YAML格式有误：{}", place, rest);
}

}  // namespace

std::string YamlFaultsZh(std::string_view faults, std::string_view name) {
  std::string out;
  while (true) {
    const size_t end = faults.find('\n');
    out += LineZh(faults.substr(0, end), name);
    if (end == std::string_view::npos) return out;
    out += '\n';
    faults.remove_prefix(end + 1);
  }
}

std::string ToYaml(const Message& message) {
  std::string out;
  Write(message, "", "", &out);
  return out.empty() ? "{}\n" : out;
}

}  // namespace hotline::boot
