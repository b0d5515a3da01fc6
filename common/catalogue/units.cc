#include "common/catalogue/units.h"

#include <algorithm>
#include <map>
#include <utility>

namespace hotline::catalogue {
namespace {

using config::v1::CatalogueUnit;
using config::v1::ItemUnit;

constexpr size_t kMaxProposed = 5;
// Of a long text its beginning and its end are looked through, so many bytes of each: all words of all units
// are looked for.
constexpr size_t kEndBytes = 3000;

// `text` without what is in the middle of it. The cut may fall into a character, which is then no word's.
std::string Ends(std::string_view text) {
  if (text.size() <= 2 * kEndBytes) return std::string(text);
  return std::string(text.substr(0, kEndBytes)) + '\n' + std::string(text.substr(text.size() - kEndBytes));
}

// Heaviest first; of equals the one that stands first in the catalogue.
struct Candidate {
  std::string unit;
  size_t weight;
};
void Sort(std::vector<Candidate>* candidates) {
  std::stable_sort(candidates->begin(), candidates->end(),
                   [](const Candidate& a, const Candidate& b) { return a.weight > b.weight; });
}

class Chooser {
 public:
  Chooser(const Catalogue& catalogue, const config::v1::CatalogueItem& item,
          const config::v1::Township* township, std::string_view text, const std::set<std::string>& accused)
      : catalogue_(catalogue),
        item_(item),
        township_(township),
        text_(Normalize(Ends(text))),
        accused_(accused) {}

  UnitChoice Choose() {
    switch (item_.unit_rule()) {
      case config::v1::UNIT_RULE_LEAD_ASSIST:
      case config::v1::UNIT_RULE_ALL_OF:
        Assign();
        break;
      case config::v1::UNIT_RULE_ONE_OF:
        PickOne();
        break;
      case config::v1::UNIT_RULE_RECEIVER_DECIDES:
        ProposeOwn();
        break;
      default:
        AskWhich(item_.question());
        ProposeOwn();
        ProposeByDuty();
    }
    return std::move(choice_);
  }

 private:
  // How much of the text the words are: longer words say more.
  size_t Weight(const google::protobuf::RepeatedPtrField<std::string>& words) const {
    size_t weight = 0;
    for (const std::string& word : words) {
      const std::string wanted = catalogue_.NormalOf(word);
      if (!wanted.empty() && text_.find(wanted) != std::string::npos) weight += wanted.size();
    }
    return weight;
  }
  void AskWhich(const std::string& question) {
    choice_.ask = true;
    choice_.question = question;
  }
  // About one of several units. Who leads is asked first: what is asked about one that assists does not
  // replace it.
  void AskAbout(bool lead, const std::string& question) {
    if (lead || !choice_.ask) choice_.question = question;
    choice_.ask |= lead;
  }
  void Propose(const std::string& unit) {
    const bool known =
        std::find(choice_.proposed.begin(), choice_.proposed.end(), unit) != choice_.proposed.end();
    if (!known && !accused_.contains(unit) && choice_.proposed.size() < kMaxProposed)
      choice_.proposed.push_back(unit);
  }
  // The unit that `part` means; empty if the township is not known.
  std::string Resolve(const ItemUnit& part) const {
    if (!part.township()) return part.unit();
    return township_ == nullptr ? std::string() : township_->unit();
  }

  void Assign() {
    for (const ItemUnit& part : item_.units()) {
      const bool lead = part.role() == config::v1::UNIT_ROLE_LEAD;
      const std::string unit = Resolve(part);
      const CatalogueUnit* const known = catalogue_.FindUnit(unit);
      if (known == nullptr) {
        AskAbout(lead, "在哪个乡镇、哪个村？");
      } else if (accused_.contains(unit)) {
        choice_.recused.push_back(unit);
        if (lead) AskWhich(known->display_name() + "被反映，须回避，请定由谁主办");
      } else if (known->kind() == config::v1::UNIT_KIND_EXTERNAL) {
        Propose(unit);
        AskAbout(lead, "该地属" + known->display_name() + "（外部单位），请函商其协助");
      } else if (lead) {
        choice_.lead = unit;
        // The township's own government may have been named before as the one that assists.
        std::erase(choice_.assists, unit);
      } else if (unit != choice_.lead &&
                 std::find(choice_.assists.begin(), choice_.assists.end(), unit) == choice_.assists.end()) {
        choice_.assists.push_back(unit);
      }
    }
    if (!choice_.lead.empty()) return;
    for (const std::string& assist : choice_.assists) Propose(assist);
    ProposeByDuty();
  }

  void PickOne() {
    std::vector<Candidate> candidates;
    for (const ItemUnit& part : item_.units()) {
      const std::string unit = Resolve(part);
      if (unit.empty()) continue;
      const size_t weight = Weight(part.words());
      if (accused_.contains(unit)) {
        if (weight > 0) choice_.recused.push_back(unit);
        continue;
      }
      candidates.push_back({unit, weight});
    }
    Sort(&candidates);
    // The words have to say it, and to say it of one unit more than of any other.
    if (choice_.recused.empty() && !candidates.empty() && candidates[0].weight > 0 &&
        (candidates.size() == 1 || candidates[0].weight > candidates[1].weight)) {
      choice_.lead = candidates[0].unit;
      return;
    }
    AskWhich(item_.question());
    for (const Candidate& candidate : candidates) {
      if (candidate.weight > 0) Propose(candidate.unit);
    }
    ProposeByDuty();
  }

  void ProposeOwn() {
    std::vector<Candidate> candidates;
    for (const ItemUnit& part : item_.units()) {
      const size_t weight = Weight(part.words());
      if (weight > 0) candidates.push_back({Resolve(part), weight});
    }
    Sort(&candidates);
    for (const Candidate& candidate : candidates) Propose(candidate.unit);
  }

  void ProposeByDuty() {
    std::vector<Candidate> candidates;
    for (const CatalogueUnit& unit : catalogue_.message().units()) {
      if (const size_t weight = Weight(unit.duty_words()); weight > 0) {
        candidates.push_back({unit.code(), weight});
      }
    }
    Sort(&candidates);
    for (const Candidate& candidate : candidates) Propose(candidate.unit);
  }

  const Catalogue& catalogue_;
  const config::v1::CatalogueItem& item_;
  const config::v1::Township* const township_;
  const std::string text_;
  const std::set<std::string>& accused_;
  UnitChoice choice_;
};

}  // namespace

UnitChoice ChooseUnits(const Catalogue& catalogue, const config::v1::CatalogueItem& item,
                       const config::v1::Township* township, std::string_view text,
                       const std::set<std::string>& accused) {
  return Chooser(catalogue, item, township, text, accused).Choose();
}

}  // namespace hotline::catalogue
