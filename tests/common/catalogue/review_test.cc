#include "common/catalogue/review.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/boot/catalogue_file.h"
#include "common/boot/config.h"
#include "common/error/error.h"

namespace hotline::catalogue {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string Deploy(const std::string& file) { return std::string(HOTLINE_SOURCE_DIR) + "/deploy/" + file; }

config::v1::Catalogue Message() {
  static const config::v1::Catalogue message =
      (*boot::LoadCatalogue(Deploy("catalogue/wuqia.yaml")))->message();
  return message;
}

std::vector<std::string> Findings(config::v1::Catalogue message, const ReviewOptions& options = {}) {
  const auto catalogue = Catalogue::Create(std::move(message));
  EXPECT_TRUE(catalogue.ok()) << catalogue.status();
  std::vector<std::string> found;
  for (const Problem& problem : Review(**catalogue, options)) {
    EXPECT_NE(problem.chinese, "");
    found.push_back(problem.path + ": " + problem.english);
  }
  return found;
}

TEST(ReviewTest, TheShippedCatalogueHasNoFindings) {
  ReviewOptions options;
  options.units.emplace();
  ASSERT_TRUE(boot::LoadYaml(Deploy("units/wuqia.yaml"), &*options.units).ok());
  EXPECT_THAT(Findings(Message(), options), IsEmpty());
}

TEST(ReviewTest, UnitsThatOrdersWouldBeRoutedToAreTheSites) {
  config::v1::UnitList units;
  ASSERT_TRUE(boot::LoadYaml(Deploy("units/wuqia.yaml"), &units).ok());
  config::v1::Catalogue former = Message();
  former.set_version("former");
  former.set_first_date("2020-01-01");
  const auto set_of = [](const std::vector<config::v1::Catalogue>& messages) {
    std::vector<std::shared_ptr<const Catalogue>> versions;
    for (const config::v1::Catalogue& message : messages) {
      auto version = Catalogue::Create(message);
      EXPECT_TRUE(version.ok()) << version.status();
      versions.push_back(*std::move(version));
    }
    return *CatalogueSet::Create(std::move(versions));
  };
  const absl::CivilDay today(2026, 1, 1);
  EXPECT_TRUE(CheckNeededUnits(*set_of({former, Message()}), units, today).ok());
  // A unit that is proposed by its duty alone may be missing.
  const auto without = [&units](const std::string& code) {
    config::v1::UnitList fewer;
    for (const config::v1::Unit& unit : units.units()) {
      if (unit.code() != code) *fewer.add_units() = unit;
    }
    return fewer;
  };
  EXPECT_TRUE(CheckNeededUnits(*set_of({Message()}), without("fagaiwei"), today).ok());
  const absl::Status lacking = CheckNeededUnits(*set_of({former, Message()}), without("chengguan"), today);
  EXPECT_EQ(error::ReasonOf(lacking), error::Reason::ERROR_REASON_FIELD_INVALID);
  EXPECT_THAT(std::string(lacking.message()), HasSubstr("wuqia-2024-6: not in units_file: chengguan"));
  EXPECT_THAT(error::ChineseOf(lacking), HasSubstr("chengguan"));
  EXPECT_TRUE(CheckNeededUnits(*set_of({Message()}), {}, today).ok()) << "any unit is accepted";
  // What is over may name a unit that is no more; what comes may not name one that is not there.
  for (const bool over : {true, false}) {
    config::v1::Catalogue other = Message();
    other.set_version("other");
    other.set_first_date(over ? "2020-01-01" : "2030-01-01");
    config::v1::CatalogueUnit& unit = *other.add_units();
    unit.set_code("gone");
    unit.set_display_name("已撤销的乡");
    unit.set_kind(config::v1::UNIT_KIND_TOWNSHIP);
    other.mutable_townships(0)->set_unit("gone");
    EXPECT_EQ(CheckNeededUnits(*set_of({Message(), other}), units, today).ok(), over);
  }
}

TEST(ReviewTest, OneUnitUnderTwoNames) {
  config::v1::Catalogue message = Message();
  for (config::v1::CatalogueUnit& unit : *message.mutable_units()) {
    if (unit.code() == "shijianju") unit.clear_aliases();
  }
  config::v1::CatalogueUnit* twin = message.add_units();
  twin->set_code("shijianju2");
  twin->set_display_name("市监局");
  twin->set_kind(config::v1::UNIT_KIND_OFFICE);
  EXPECT_THAT(Findings(message),
              Contains(HasSubstr("\"市监局\" reads as the short form of a name of shijianju")));

  ReviewOptions options;
  options.units.emplace();
  config::v1::Unit* unit = options.units->add_units();
  unit->set_code("mzj");
  unit->set_display_name("民政局");
  EXPECT_THAT(Findings(Message(), options), Contains(HasSubstr("\"民政局\" is unit mzj in the site's list")));
  EXPECT_THAT(Findings(Message(), options), Contains(HasSubstr("minzhengju is not in the site's list")));
}

// The county before a name, and spaces, make no other unit of it.
TEST(ReviewTest, OneUnitUnderTwoNamesHoweverItIsWritten) {
  for (const char* name : {"乌恰县市监局", "市监局 ", "乌恰县 市场监督管理局"}) {
    config::v1::Catalogue message = Message();
    for (config::v1::CatalogueUnit& unit : *message.mutable_units()) {
      if (unit.code() == "shijianju") {
        unit.clear_aliases();
        unit.add_aliases("县市监局");
      }
    }
    config::v1::CatalogueUnit* twin = message.add_units();
    twin->set_code("shijianju2");
    twin->set_display_name(name);
    twin->set_kind(config::v1::UNIT_KIND_OFFICE);
    EXPECT_THAT(Findings(message), Contains(HasSubstr("a name of shijianju"))) << name;
  }
}

TEST(ReviewTest, DutyWordsAreAFew) {
  config::v1::Catalogue message = Message();
  config::v1::CatalogueUnit* unit = message.mutable_units(0);
  unit->clear_duty_words();
  for (int i = 0; i < 64; ++i) unit->add_duty_words("职责" + std::to_string(i));
  EXPECT_THAT(CheckCatalogue(message), IsEmpty());
  unit->add_duty_words("职责64");
  ASSERT_THAT(CheckCatalogue(message), testing::SizeIs(1));
  EXPECT_EQ(CheckCatalogue(message)[0].path, "units[0].duty_words");
}

TEST(ReviewTest, WhatIsReferredToHoldsAsLongAsWhatRefersToIt) {
  config::v1::Catalogue message = Message();
  const auto item = [&](const std::string& code) -> config::v1::CatalogueItem& {
    for (config::v1::CatalogueItem& one : *message.mutable_items()) {
      if (one.code() == code) return one;
    }
    ADD_FAILURE() << code;
    return *message.mutable_items(0);
  };
  // Complaints about police go to B8, which has ended; A16 has not.
  item("B8").set_last_date("2026-12-31");
  EXPECT_THAT(Findings(message),
              Contains(AllOf(HasSubstr(".exclusions[0].instead_item"), HasSubstr("B8 does not hold"))));
  item("A16").set_last_date("2026-12-31");
  EXPECT_THAT(Findings(message), IsEmpty());
  item("A16").set_last_date("2027-01-01");
  EXPECT_THAT(Findings(message), testing::SizeIs(1));
  // Threats are B7's.
  message = Message();
  item("B7").set_last_date("2026-12-31");
  EXPECT_THAT(Findings(message), Contains(AllOf(HasSubstr("signs["), HasSubstr("B7 does not hold"))));
  message.set_last_date("2026-12-31");
  EXPECT_THAT(Findings(message), IsEmpty());
}

TEST(ReviewTest, AUnitWithoutLiaison) {
  ReviewOptions options;
  options.liaisons.emplace();
  const config::v1::Catalogue message = Message();
  for (const config::v1::CatalogueUnit& unit : message.units()) options.liaisons->insert(unit.code());
  EXPECT_THAT(Findings(Message(), options), IsEmpty());
  options.liaisons->erase("yancaoju");
  options.liaisons->erase("jigenxiang");
  EXPECT_THAT(Findings(Message(), options),
              ElementsAre(HasSubstr("jigenxiang has no liaison"), HasSubstr("yancaoju has no liaison")));
}

TEST(ReviewTest, OverlappingPhrases) {
  config::v1::Catalogue message = Message();
  message.mutable_items(0)->add_phrases("拖欠");
  EXPECT_THAT(Findings(message), ElementsAre(HasSubstr("\"拖欠\" lies within \"拖欠工资\" of A2")));
}

TEST(ReviewTest, UnreachableItems) {
  config::v1::Catalogue message = Message();
  message.mutable_items(8)->set_last_date("2020-01-01");
  EXPECT_THAT(CheckCatalogue(message), testing::SizeIs(1));  // before it begins
  message.mutable_items(8)->set_first_date("2019-01-01");
  EXPECT_THAT(Findings(message), ElementsAre(HasSubstr("A9 never holds")));
  message = Message();
  config::v1::CatalogueItem* item = message.mutable_items(11);
  item->mutable_phrases()->Clear();
  for (const char* phrase : {"卖假烟的被偷了", "假烟摊打起来", "假烟仓库着火"}) item->add_phrases(phrase);
  EXPECT_THAT(Findings(message), Contains(HasSubstr("A12 is unreachable")));
}

TEST(DiffTest, TellsWhatCameWentAndChanged) {
  const config::v1::Catalogue before = Message();
  config::v1::Catalogue after = before;
  EXPECT_THAT(Diff(before, after), IsEmpty());
  // The order of entries is nothing.
  after.mutable_items()->SwapElements(0, 5);
  EXPECT_THAT(Diff(before, after), IsEmpty());
  after = before;
  after.set_version("wuqia-2027-1");
  after.mutable_items(1)->set_urgency(type::v1::URGENCY_URGENT);
  after.mutable_items(1)->add_phrases("老板欠钱");
  after.mutable_items()->RemoveLast();
  after.mutable_units(0)->mutable_aliases()->RemoveLast();
  const std::vector<Change> changes = Diff(before, after);
  std::vector<std::string> told;
  for (const Change& change : changes) {
    told.push_back(change.entry + "/" + change.field + ": " + change.before + " -> " + change.after);
  }
  EXPECT_THAT(told, ElementsAre("catalogue/version: wuqia-2024-6 -> wuqia-2027-1",
                                "units zhujianju/aliases: 县住建局 -> ", "A2/phrases:  -> 老板欠钱",
                                "A2/urgency: URGENCY_NORMAL -> URGENCY_URGENT", "B9/:  -> "));
  EXPECT_EQ(changes.back().difference, Difference::kRemoved);
}

}  // namespace
}  // namespace hotline::catalogue
