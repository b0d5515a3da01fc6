#include "services/work_order/core/mask.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/retention/erase.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "services/work_order/core/validate.h"

namespace hotline::work_order {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::string_view kHidden = "＊＊＊";
// A name of one character stands in too many words to be taken out of them.
constexpr size_t kMinNameBytes = 4;
constexpr size_t kMinNumberBytes = 3;

void Replace(const std::string& what, std::string* text) {
  for (size_t at = text->find(what); at != std::string::npos; at = text->find(what, at + kHidden.size())) {
    text->replace(at, what.size(), kHidden);
  }
}

// In what people wrote, wherever it stands: the texts that retention erases.
void ReplaceInTexts(const std::vector<std::string>& words, Message* message) {
  const google::protobuf::Reflection& reflection = *message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      const int count = field->is_repeated() ? reflection.FieldSize(*message, field) : 1;
      for (int i = 0; i < count; ++i) {
        ReplaceInTexts(words, field->is_repeated() ? reflection.MutableRepeatedMessage(message, field, i)
                                                   : reflection.MutableMessage(message, field));
      }
      continue;
    }
    if (field->type() != FieldDescriptor::TYPE_STRING ||
        retention::FateOf(field->name()) != retention::Fate::kErased) {
      continue;
    }
    const int count = field->is_repeated() ? reflection.FieldSize(*message, field) : 1;
    for (int i = 0; i < count; ++i) {
      std::string text = field->is_repeated() ? reflection.GetRepeatedString(*message, field, i)
                                              : reflection.GetString(*message, field);
      for (const std::string& word : words) Replace(word, &text);
      if (field->is_repeated()) {
        reflection.SetRepeatedString(message, field, i, std::move(text));
      } else {
        reflection.SetString(message, field, std::move(text));
      }
    }
  }
}

// What the caller is called and reached by.
std::vector<std::string> WordsOf(const type::v1::Caller& caller) {
  std::vector<std::string> words;
  if (caller.name().size() >= kMinNameBytes) words.push_back(caller.name());
  for (const std::string* number : {&caller.phone(), &caller.contact_phone()}) {
    if (number->size() < kMinNumberBytes) continue;
    words.push_back(*number);
    if (std::string plain = NormalizePhone(*number); plain != *number) words.push_back(std::move(plain));
  }
  return words;
}

type::v1::RegisteredDetail* RegistrationIn(type::v1::Event* event) {
  if (event->has_registered()) return event->mutable_registered();
  if (event->offered().has_registered()) return event->mutable_offered()->mutable_registered();
  if (event->understood().has_registered()) return event->mutable_understood()->mutable_registered();
  return nullptr;
}

}  // namespace

void MaskCaller(type::v1::WorkOrder* order) {
  type::v1::OrderContent* content = order->mutable_content();
  const type::v1::Caller caller = content->caller();
  const std::vector<std::string> words = WordsOf(caller);
  ReplaceInTexts(words, order);
  // Retention deletes a content whole, so that its text is not among those.
  for (const std::string& word : words) Replace(word, content->mutable_text());
  content->mutable_caller()->Clear();
  content->mutable_caller()->set_secret(caller.secret());
  content->mutable_caller()->set_language(caller.language());
  content->clear_call();
  // Whom the desk spoke to, and on which number, is in its own words.
  if (order->has_last_contact()) order->mutable_last_contact()->clear_note();
  // What a newer peer sent and this version does not know could be anything.
  order->DiscardUnknownFields();
  order->clear_content_salt();
}

void MaskEvent(const type::v1::OrderContent* content, type::v1::Event* event) {
  if (content == nullptr) {
    retention::EraseTexts(event);
    return;
  }
  ReplaceInTexts(WordsOf(content->caller()), event);
  // Other orders of the same number have the same.
  if (auto* registered = RegistrationIn(event); registered != nullptr) registered->clear_caller_hash();
  event->DiscardUnknownFields();
}

}  // namespace hotline::work_order
