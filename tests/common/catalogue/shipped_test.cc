// The shipped catalogue against the regulation's own text, and against the facts of the trade.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "common/boot/catalogue_file.h"
#include "common/boot/config.h"
#include "hotline/config/v1/site.pb.h"

namespace hotline::catalogue {
namespace {

using config::v1::CatalogueItem;
using ::testing::ElementsAre;

std::string Deploy(const std::string& file) { return std::string(HOTLINE_SOURCE_DIR) + "/deploy/" + file; }

const Catalogue& Shipped() {
  static const std::shared_ptr<const Catalogue> shipped = [] {
    auto loaded = boot::LoadCatalogue(Deploy("catalogue/wuqia.yaml"));
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    return loaded.ok() ? *loaded : nullptr;
  }();
  return *shipped;
}

std::string Document() {
  std::ifstream file(Deploy("catalogue/wuqia-2024-6.txt"));
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct AnnexItem {
  std::string text;
  std::string units;
};

// The annex as the document prints it: `（1） text；` and, in the first part, `责任单位：units`.
std::map<std::string, AnnexItem> Annex() {
  std::map<std::string, AnnexItem> items;
  std::istringstream lines(Document());
  std::string part, last;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("一、110报警服务台接转", 0) == 0) part = "A";
    if (line.rfind("二、12345政务热线接转", 0) == 0) part = "B";
    const std::string open = "（", close = "）", units = "责任单位：";
    if (part.empty()) continue;
    if (line.rfind(units, 0) == 0) {
      items[last].units = line.substr(units.size());
    } else if (line.rfind(open, 0) == 0) {
      const size_t end = line.find(close);
      last = part + line.substr(open.size(), end - open.size());
      std::string text = line.substr(end + close.size());
      text.erase(0, text.find_first_not_of(' '));
      for (const std::string mark : {"；", "。"}) {
        if (text.size() >= mark.size() && text.compare(text.size() - mark.size(), mark.size(), mark) == 0) {
          text.resize(text.size() - mark.size());
        }
      }
      items[last].text = text;
    }
  }
  return items;
}

std::vector<std::string> UnitsOf(const CatalogueItem& item) {
  std::vector<std::string> units;
  for (const config::v1::ItemUnit& unit : item.units())
    units.push_back(unit.township() ? "township" : unit.unit());
  return units;
}

TEST(ShippedCatalogueTest, SaysWhatTheAnnexSaysWordForWord) {
  const std::map<std::string, AnnexItem> annex = Annex();
  ASSERT_EQ(annex.size(), 31u);
  EXPECT_EQ(Shipped().message().items_size(), 31);
  for (const auto& [code, printed] : annex) {
    const CatalogueItem* item = Shipped().FindItem(code);
    ASSERT_NE(item, nullptr) << code;
    EXPECT_EQ(item->text(), printed.text) << code;
    EXPECT_EQ(item->units_text(), printed.units) << code;
    EXPECT_EQ(item->to_hotline(), code[0] == 'A' ? "12345" : "110") << code;
  }
}

TEST(ShippedCatalogueTest, QuotesArticlesWordForWord) {
  const std::string document = Document();
  for (const config::v1::CatalogueArticle& article : Shipped().message().articles()) {
    if (article.summary()) continue;
    EXPECT_NE(document.find(article.text()), std::string::npos) << article.code();
  }
}

// The units that the annex prints are those of the item, by name or alias; 行业主管部门 and its like are
// nobody.
TEST(ShippedCatalogueTest, NamesTheUnitsThatTheAnnexNames) {
  for (const auto& [code, printed] : Annex()) {
    const CatalogueItem* item = Shipped().FindItem(code);
    ASSERT_NE(item, nullptr);
    std::vector<std::string> wanted;
    bool open = printed.units.empty();
    std::istringstream names(printed.units);
    const std::string comma = "、";
    std::string rest = printed.units;
    while (!rest.empty()) {
      const size_t end = rest.find(comma);
      const std::string name = rest.substr(0, end);
      rest = end == std::string::npos ? "" : rest.substr(end + comma.size());
      if (name == "辖区乡镇人民政府") {
        wanted.push_back("township");
      } else if (const config::v1::CatalogueUnit* unit = Shipped().FindUnitByName(name)) {
        wanted.push_back(unit->code());
      } else {
        open = true;
      }
    }
    if (open) {
      EXPECT_TRUE(wanted.empty()) << code;
      EXPECT_EQ(item->unit_rule(),
                code[0] == 'A' ? config::v1::UNIT_RULE_TO_BE_DECIDED : config::v1::UNIT_RULE_RECEIVER_DECIDES)
          << code;
    } else {
      EXPECT_EQ(UnitsOf(*item), wanted) << code;
    }
  }
}

TEST(ShippedCatalogueTest, TrapsOfTheAnnexHold) {
  for (const char* code : {"A8", "A16", "A17", "A19", "A20", "A21", "A22"}) {
    EXPECT_EQ(Shipped().FindItem(code)->unit_rule(), config::v1::UNIT_RULE_TO_BE_DECIDED) << code;
    EXPECT_FALSE(Shipped().FindItem(code)->question().empty()) << code;
  }
  EXPECT_EQ(Shipped().FindItem("A6")->unit_rule(), config::v1::UNIT_RULE_LEAD_ASSIST);
  EXPECT_EQ(Shipped().FindItem("A7")->unit_rule(), config::v1::UNIT_RULE_LEAD_ASSIST);
  EXPECT_EQ(Shipped().FindItem("A18")->unit_rule(), config::v1::UNIT_RULE_ONE_OF);
  EXPECT_EQ(Shipped().FindUnitByName("市监局"), Shipped().FindUnitByName("市场监督管理局"));
  EXPECT_EQ(Shipped().FindUnitByName("供热公司")->kind(), config::v1::UNIT_KIND_COMPANY);
  EXPECT_EQ(Shipped().FindUnit(Shipped().FindTownship("653024501")->unit())->kind(),
            config::v1::UNIT_KIND_EXTERNAL);
  std::vector<std::string> townships;
  for (const config::v1::Township& township : Shipped().message().townships())
    townships.push_back(township.code());
  EXPECT_THAT(townships,
              ElementsAre("653024100", "653024101", "653024102", "653024200", "653024201", "653024202",
                          "653024203", "653024204", "653024205", "653024207", "653024208", "653024501"));
}

TEST(ShippedCatalogueTest, AgreesWithTheSitesListOfUnits) {
  config::v1::UnitList units;
  ASSERT_TRUE(boot::LoadYaml(Deploy("units/wuqia.yaml"), &units).ok());
  std::map<std::string, std::string> names;
  for (const config::v1::Unit& unit : units.units()) names[unit.code()] = unit.display_name();
  for (const config::v1::CatalogueUnit& unit : Shipped().message().units()) {
    EXPECT_EQ(names[unit.code()], unit.display_name());
  }
}

TEST(ShippedCatalogueTest, IsInForceFromTheDayOfTheDocument) {
  const auto set = boot::LoadCatalogues(Deploy("catalogue"));
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ((*set)->InForce(absl::CivilDay(2024, 4, 15)), nullptr);
  ASSERT_NE((*set)->InForce(absl::CivilDay(2024, 4, 16)), nullptr);
  EXPECT_EQ((*set)->InForce(absl::CivilDay(2026, 11, 27))->version(), "wuqia-2024-6");
  EXPECT_EQ((*set)->Find("wuqia-2024-6"), (*set)->InForce(absl::CivilDay(2026, 11, 27)));
  EXPECT_EQ((*set)->Find("wuqia-2023"), nullptr);
}

TEST(ShippedCatalogueTest, CitesTheItemWithItsNumber) {
  EXPECT_EQ(Shipped().LegalBasis(*Shipped().FindItem("A2")),
            "恰政办发〔2024〕6号 附件一(2)；恰政办发〔2024〕6号 二(三)；恰政办发〔2024〕6号 二(二)");
}

}  // namespace
}  // namespace hotline::catalogue
