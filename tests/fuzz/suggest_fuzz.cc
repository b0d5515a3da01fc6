// Any bytes as what a caller says, and as lines of examples.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "common/suggest/examples.h"

namespace {

using namespace hotline;

void Law(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "law broken: %s\n", what);
  abort();
}

// A catalogue of two items, so that training takes no time.
const suggest::Suggester& Model() {
  static const auto model = [] {
    config::v1::Catalogue message;
    message.set_version("fuzz");
    message.set_document("x");
    message.set_first_date("2024-01-01");
    message.set_police_hotline("110");
    message.set_government_hotline("12345");
    auto& article = *message.add_articles();
    article.set_code("x");
    article.set_text("x");
    auto& unit = *message.add_units();
    unit.set_code("u");
    unit.set_display_name("u");
    unit.set_kind(config::v1::UNIT_KIND_OFFICE);
    const auto add = [&](const char* code, const char* hotline, std::vector<std::string> phrases) {
      auto& item = *message.add_items();
      item.set_code(code);
      item.set_title(code);
      item.set_text(code);
      item.set_to_hotline(hotline);
      item.set_unit_rule(config::v1::UNIT_RULE_LEAD_ASSIST);
      auto& part = *item.add_units();
      part.set_unit("u");
      part.set_role(config::v1::UNIT_ROLE_LEAD);
      item.set_urgency(type::v1::URGENCY_NORMAL);
      item.add_legal_basis("x");
      for (auto& phrase : phrases) item.add_phrases(phrase);
    };
    add("A1", "12345", {"停水了", "没有水", "水管坏了"});
    add("B1", "110", {"着火了", "打人了", "抢劫"});
    config::v1::SuggestTerms terms;
    terms.set_version("1");
    auto& rewrite = *terms.add_rewrites();
    rewrite.set_from("gz");
    rewrite.set_to("工资");
    const auto concept_of = [&](const char* code, config::v1::SuggestConceptKind kind, const char* term) {
      auto& entry = *terms.add_concepts();
      entry.set_code(code);
      entry.set_kind(kind);
      entry.add_terms(term);
    };
    concept_of("fire", config::v1::SUGGEST_CONCEPT_KIND_CERTAIN, "着火");
    concept_of("no", config::v1::SUGGEST_CONCEPT_KIND_NEGATION, "没");
    concept_of("figure", config::v1::SUGGEST_CONCEPT_KIND_FIGURE, "着火点");
    auto catalogue = catalogue::Catalogue::Create(message);
    Law(catalogue.ok(), "the catalogue");
    auto made = suggest::Suggester::Create(*catalogue, terms, {});
    Law(made.ok(), "the model");
    return *made;
  }();
  return *model;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  suggest::Query query;
  query.text = text;
  const suggest::Suggestion suggestion = Model().Suggest(query);
  Law(suggestion.confidence >= 0 && suggestion.confidence <= 1, "confidence");
  Law(!suggestion.emergency || suggestion.verdict == suggest::Verdict::kPolice,
      "an emergency goes to the police");
  for (const suggest::Reason& reason : suggestion.reasons)
    Law(text.find(reason.text) != std::string_view::npos, "a reason stands in the text");
  const auto examples = suggest::ParseExamples(text, "fuzz");
  Law(examples.ok() || examples.status().code() == absl::StatusCode::kInvalidArgument,
      "another code than INVALID_ARGUMENT");
  suggest::MaskPersonal(text);
  return 0;
}
