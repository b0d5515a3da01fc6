#include "common/boot/config.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <sstream>
#include <type_traits>
#include <utility>

#include "absl/strings/ascii.h"
#include "common/base/edit_distance.h"
#include "common/base/utf8.h"

namespace hotline::boot {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kMaxDepth = 32;
constexpr size_t kMaxProblems = 20;

// A YAML value as it was written.
struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  Position at;
  bool quoted = false;
  std::string text;         // of a scalar
  std::vector<Node> items;  // of a list; of a map: key, value, key, value …
};

Position PositionOf(const YAML::Mark& mark) { return {.line = mark.line + 1, .column = mark.column + 1}; }

// Why a text is no plain tree. Thrown through the parser, which has no other way to stop.
class Refused : public std::exception {
 public:
  Refused(Position at, std::string message) : at_(at), message_(std::move(message)) {}
  Position at() const { return at_; }
  const std::string& message() const { return message_; }

 private:
  Position at_;
  std::string message_;
};

// Builds the tree from the parser's events. Aliases are refused, so that a small file cannot mean a large
// tree.
class TreeBuilder final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    throw Refused(PositionOf(mark), "anchors and aliases are not allowed");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused(PositionOf(mark), "anchors and aliases are not allowed");
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    CheckAnchor(mark, anchor);
    Add({.kind = Node::Kind::kNull, .at = PositionOf(mark)});
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckAnchor(mark, anchor);
    // The parser's way to say "quoted" is the tag `!`.
    if (tag != "?" && tag != "!" && !tag.empty()) throw Refused(PositionOf(mark), "tags are not allowed");
    Add({.kind = Node::Kind::kScalar, .at = PositionOf(mark), .quoted = tag == "!", .text = value});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, Node::Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, Node::Kind::kMap);
  }
  void OnMapEnd() override { Close(); }

  // Null node if there was no value.
  Node Take() { return std::move(root_); }

 private:
  static void CheckAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) throw Refused(PositionOf(mark), "anchors and aliases are not allowed");
  }
  void Add(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
    } else {
      open_.back().items.push_back(std::move(node));
    }
  }
  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node::Kind kind) {
    CheckAnchor(mark, anchor);
    if (tag != "?" && tag != "!" && !tag.empty()) throw Refused(PositionOf(mark), "tags are not allowed");
    if (open_.size() >= kMaxDepth) throw Refused(PositionOf(mark), "nested too deep");
    open_.push_back({.kind = kind, .at = PositionOf(mark)});
  }
  void Close() {
    Node node = std::move(open_.back());
    open_.pop_back();
    Add(std::move(node));
  }

  Node root_;
  std::vector<Node> open_;
};

// `; did you mean "…"?`, or the whole choice if nothing is near and it is short.
std::string Propose(std::string_view wrong, const std::vector<std::string>& known) {
  // A key can be anything; names are short.
  if (wrong.size() <= 64) {
    const std::string* nearest = nullptr;
    int least = 1 + static_cast<int>(wrong.size()) / 3;
    for (const std::string& name : known) {
      if (const int distance = EditDistance(wrong, name); distance <= least) {
        if (nearest == nullptr || distance < least) nearest = &name;
        least = distance;
      }
    }
    if (nearest != nullptr) return fmt::format("; did you mean \"{}\"?", *nearest);
  }
  if (known.size() > 16) return "";
  return fmt::format("; known are {}", fmt::join(known, ", "));
}

// A value for a message: whole if short, cut within no character, without control characters.
std::string Show(std::string_view text) {
  std::string shown(TruncateCodePoints(text, 40));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return shown.size() < text.size() ? shown + "…" : shown;
}

// `LogLevel` → `LOG_LEVEL_`.
std::string EnumPrefix(const EnumDescriptor& type) {
  std::string prefix;
  for (const char c : type.name()) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (upper && !prefix.empty()) prefix += '_';
    prefix += upper ? c : static_cast<char>(c - 'a' + 'A');
  }
  return prefix + "_";
}

// Fills a message from a tree; keeps all problems.
class Filler {
 public:
  Filler(std::string_view name, Positions* positions) : name_(name), positions_(positions) {}

  void Fill(const Node& node, const std::string& path, Message* message) {
    const Descriptor& type = *message->GetDescriptor();
    if (positions_ != nullptr) positions_->try_emplace(path, node.at);
    if (node.kind != Node::Kind::kMap) {
      Complain(node.at, fmt::format("{} must be a map of fields of {}",
                                    path.empty() ? "the file" : '"' + path + '"', type.name()));
      return;
    }
    std::vector<const FieldDescriptor*> seen;
    for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
      const Node& key = node.items[i];
      if (key.kind != Node::Kind::kScalar) {
        Complain(key.at, "a key must be a name");
        continue;
      }
      const FieldDescriptor* field = type.FindFieldByName(key.text);
      if (field == nullptr) {
        std::vector<std::string> known;
        for (int f = 0; f < type.field_count(); ++f) known.push_back(type.field(f)->name());
        Complain(key.at, fmt::format("unknown key \"{}\" in {}{}", Show(key.text), type.name(),
                                     Propose(key.text, known)));
        continue;
      }
      if (std::find(seen.begin(), seen.end(), field) != seen.end()) {
        Complain(key.at, fmt::format("key \"{}\" is written twice", key.text));
        continue;
      }
      seen.push_back(field);
      const std::string child = path.empty() ? key.text : path + "." + key.text;
      if (positions_ != nullptr) positions_->insert_or_assign(child, key.at);
      FillField(key, node.items[i + 1], child, *field, message);
    }
  }

  absl::Status status() const {
    if (problems_.empty()) return absl::OkStatus();
    std::string text = fmt::format("{}", fmt::join(problems_, "\n"));
    if (left_out_ > 0) text += fmt::format("\nand {} more", left_out_);
    return absl::InvalidArgumentError(text);
  }

 private:
  void Complain(Position at, std::string_view message) {
    if (problems_.size() >= kMaxProblems) {
      ++left_out_;
      return;
    }
    problems_.push_back(fmt::format("{}:{}:{}: {}", name_, at.line, at.column, message));
  }

  void FillField(const Node& key, const Node& value, const std::string& path, const FieldDescriptor& field,
                 Message* message) {
    if (field.is_map() || field.type() == FieldDescriptor::TYPE_BYTES) {
      Complain(key.at, fmt::format("\"{}\" cannot be written in YAML", path));
      return;
    }
    if (value.kind == Node::Kind::kNull) {
      Complain(key.at, fmt::format("\"{}\" has no value", path));
      return;
    }
    if (!field.is_repeated()) {
      FillValue(value, path, field, message);
      return;
    }
    if (value.kind != Node::Kind::kList) {
      Complain(value.at, fmt::format("\"{}\" must be a list", path));
      return;
    }
    for (size_t i = 0; i < value.items.size(); ++i) {
      const std::string item = fmt::format("{}[{}]", path, i);
      if (positions_ != nullptr) positions_->insert_or_assign(item, value.items[i].at);
      FillValue(value.items[i], item, field, message);
    }
  }

  void FillValue(const Node& value, const std::string& path, const FieldDescriptor& field, Message* message) {
    const Reflection& reflection = *message->GetReflection();
    const bool repeated = field.is_repeated();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Fill(value, path,
           repeated ? reflection.AddMessage(message, &field) : reflection.MutableMessage(message, &field));
      return;
    }
    if (value.kind != Node::Kind::kScalar) {
      Complain(value.at, fmt::format("\"{}\" must be {}", path, Expected(field)));
      return;
    }
    const std::string& text = value.text;
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        if (repeated) {
          reflection.AddString(message, &field, text);
        } else {
          reflection.SetString(message, &field, text);
        }
        return;
      case FieldDescriptor::CPPTYPE_BOOL:
        if (!value.quoted && (text == "true" || text == "false")) {
          if (repeated) {
            reflection.AddBool(message, &field, text == "true");
          } else {
            reflection.SetBool(message, &field, text == "true");
          }
          return;
        }
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        if (const auto number = Number<int32_t>(value, path)) {
          repeated ? reflection.AddInt32(message, &field, *number)
                   : reflection.SetInt32(message, &field, *number);
        }
        return;
      case FieldDescriptor::CPPTYPE_INT64:
        if (const auto number = Number<int64_t>(value, path)) {
          repeated ? reflection.AddInt64(message, &field, *number)
                   : reflection.SetInt64(message, &field, *number);
        }
        return;
      case FieldDescriptor::CPPTYPE_UINT32:
        if (const auto number = Number<uint32_t>(value, path)) {
          repeated ? reflection.AddUInt32(message, &field, *number)
                   : reflection.SetUInt32(message, &field, *number);
        }
        return;
      case FieldDescriptor::CPPTYPE_UINT64:
        if (const auto number = Number<uint64_t>(value, path)) {
          repeated ? reflection.AddUInt64(message, &field, *number)
                   : reflection.SetUInt64(message, &field, *number);
        }
        return;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        if (const auto number = Number<double>(value, path)) {
          repeated ? reflection.AddDouble(message, &field, *number)
                   : reflection.SetDouble(message, &field, *number);
        }
        return;
      case FieldDescriptor::CPPTYPE_FLOAT:
        if (const auto number = Number<float>(value, path)) {
          repeated ? reflection.AddFloat(message, &field, *number)
                   : reflection.SetFloat(message, &field, *number);
        }
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        if (const EnumValueDescriptor* found = EnumValue(value, path, *field.enum_type())) {
          repeated ? reflection.AddEnum(message, &field, found) : reflection.SetEnum(message, &field, found);
        }
        return;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return;  // above
    }
    Complain(value.at, fmt::format("\"{}\" must be {}, not \"{}\"", path, Expected(field), Show(text)));
  }

  static std::string_view Expected(const FieldDescriptor& field) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return "text";
      case FieldDescriptor::CPPTYPE_BOOL:
        return "true or false";
      case FieldDescriptor::CPPTYPE_ENUM:
        return "a name";
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
        return "a number";
      default:
        return "a whole number";
    }
  }

  template <typename T>
  std::optional<T> Number(const Node& value, const std::string& path) {
    constexpr bool kWhole = std::is_integral_v<T>;
    T number = 0;
    const char* const first = value.text.data();
    const char* const last = first + value.text.size();
    const auto [end, error] = std::from_chars(first, last, number);
    const bool number_like = end == last && !value.quoted && !value.text.empty();
    if (number_like && error == std::errc() && std::isfinite(static_cast<double>(number))) return number;
    if constexpr (kWhole) {
      if (number_like && error == std::errc::result_out_of_range) {
        Complain(value.at,
                 fmt::format("\"{}\" must be from {} to {}, not {}", path, std::numeric_limits<T>::min(),
                             std::numeric_limits<T>::max(), Show(value.text)));
        return std::nullopt;
      }
    }
    Complain(value.at, fmt::format("\"{}\" must be a {}, not \"{}\"", path,
                                   kWhole ? "whole number" : "number", Show(value.text)));
    return std::nullopt;
  }

  const EnumValueDescriptor* EnumValue(const Node& value, const std::string& path,
                                       const EnumDescriptor& type) {
    const std::string prefix = EnumPrefix(type);
    // In lower case too, as flags are written.
    const std::string name = absl::AsciiStrToUpper(value.text);
    const EnumValueDescriptor* found = type.FindValueByName(name);
    if (found == nullptr) found = type.FindValueByName(prefix + name);
    // The zero means "not set", which is written by leaving the key out.
    if (found != nullptr && found->number() != 0) return found;
    std::vector<std::string> known;
    for (int i = 0; i < type.value_count(); ++i) {
      std::string_view one = type.value(i)->name();
      if (one.starts_with(prefix)) one.remove_prefix(prefix.size());
      if (type.value(i)->number() != 0) known.emplace_back(one);
    }
    std::string_view wrong = name;
    if (wrong.starts_with(prefix)) wrong.remove_prefix(prefix.size());
    Complain(value.at, fmt::format("\"{}\" has no value \"{}\" in {}{}", path, Show(value.text), type.name(),
                                   Propose(wrong, known)));
    return nullptr;
  }

  const std::string_view name_;
  Positions* const positions_;
  std::vector<std::string> problems_;
  int left_out_ = 0;
};

absl::Status At(std::string_view name, Position at, std::string_view message) {
  return absl::InvalidArgumentError(fmt::format("{}:{}:{}: {}", name, at.line, at.column, message));
}

// Where the first byte is that makes `text` no UTF-8, or a control character that YAML does not allow.
std::optional<Position> FindBadText(std::string_view text) {
  Position at = {.line = 1, .column = 1};
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!CountCodePoints(line).has_value()) return at;
    for (const unsigned char c : line) {
      if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f) return at;
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
    ++at.line;
  }
  return std::nullopt;
}

}  // namespace

absl::Status ParseYaml(std::string_view text, std::string_view name, Message* message, Positions* positions) {
  message->Clear();
  if (positions != nullptr) positions->clear();
  if (text.size() > kMaxConfigBytes) {
    return absl::InvalidArgumentError(fmt::format("{}: larger than 1 MiB", name));
  }
  if (const std::optional<Position> bad = FindBadText(text)) {
    return At(name, *bad, "this line is not UTF-8 text without control characters");
  }
  TreeBuilder builder;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return At(name, {1, 1}, "the file is empty");
    TreeBuilder rest;
    if (parser.HandleNextDocument(rest)) return At(name, {1, 1}, "the file holds more than one document");
  } catch (const Refused& refused) {
    return At(name, refused.at(), refused.message());
  } catch (const YAML::Exception& exception) {
    return At(name, PositionOf(exception.mark), exception.msg);
  }
  Filler filler(name, positions);
  filler.Fill(builder.Take(), "", message);
  return filler.status();
}

absl::Status LoadYaml(const std::string& path, Message* message, Positions* positions) {
  const auto unreadable = [&path] {
    return absl::NotFoundError(fmt::format("cannot read {}: {}", path, strerror(errno)));
  };
  std::ifstream file(path, std::ios::binary);
  if (!file) return unreadable();
  std::string text(kMaxConfigBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return unreadable();
  text.resize(static_cast<size_t>(file.gcount()));
  return ParseYaml(text, path, message, positions);
}

}  // namespace hotline::boot
