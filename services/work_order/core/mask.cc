#include "services/work_order/core/mask.h"

#include <string>
#include <string_view>
#include <vector>

#include "services/work_order/core/validate.h"

namespace hotline::work_order {
namespace {

constexpr std::string_view kHidden = "＊＊＊";
// A name of one character stands in too many words to be taken out of them.
constexpr size_t kMinNameBytes = 4;
constexpr size_t kMinNumberBytes = 3;

void Replace(const std::string& what, std::string* text) {
  for (size_t at = text->find(what); at != std::string::npos; at = text->find(what, at + kHidden.size())) {
    text->replace(at, what.size(), kHidden);
  }
}

}  // namespace

void MaskCaller(type::v1::WorkOrder* order) {
  type::v1::OrderContent* content = order->mutable_content();
  const type::v1::Caller caller = content->caller();
  std::vector<std::string> words;
  if (caller.name().size() >= kMinNameBytes) words.push_back(caller.name());
  for (const std::string* number : {&caller.phone(), &caller.contact_phone()}) {
    if (number->size() < kMinNumberBytes) continue;
    words.push_back(*number);
    if (std::string plain = NormalizePhone(*number); plain != *number) words.push_back(std::move(plain));
  }
  for (const std::string& word : words) {
    Replace(word, order->mutable_title());
    Replace(word, content->mutable_title());
    Replace(word, content->mutable_text());
    if (order->has_reply()) {
      Replace(word, order->mutable_reply()->mutable_public_reply());
      Replace(word, order->mutable_reply()->mutable_internal_reply());
    }
    if (order->has_call_back()) Replace(word, order->mutable_call_back()->mutable_note());
  }
  content->mutable_caller()->Clear();
  content->mutable_caller()->set_secret(caller.secret());
  content->mutable_caller()->set_language(caller.language());
  content->clear_call();
  // What a newer peer sent and this version does not know could be anything.
  content->DiscardUnknownFields();
  order->clear_content_salt();
}

}  // namespace hotline::work_order
