#include "common/catalogue/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/catalogue/shipped.h"

namespace hotline::catalogue {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

UnitChoice Choose(std::string_view item, std::string_view text, std::string_view township = "",
                  std::set<std::string> accused = {}) {
  return ChooseUnits(Shipped(), *Shipped().FindItem(item), Shipped().FindTownship(township), text, accused);
}

TEST(UnitsTest, OneUnitLeads) {
  const UnitChoice choice = Choose("A2", "工资没发");
  EXPECT_EQ(choice.lead, "rensheju");
  EXPECT_FALSE(choice.ask);
  EXPECT_THAT(choice.assists, IsEmpty());
}

TEST(UnitsTest, SeveralUnitsAreOneLeadAndItsHelpers) {
  EXPECT_EQ(Choose("A6", "粉尘").lead, "huanjingju");
  EXPECT_THAT(Choose("A6", "粉尘").assists, ElementsAre("shijianju"));
  const UnitChoice poor = Choose("A7", "没钱看病", "653024205");
  EXPECT_EQ(poor.lead, "minzhengju");
  EXPECT_THAT(poor.assists, ElementsAre("tieliekexiang"));
  EXPECT_EQ(poor.question, "");
}

TEST(UnitsTest, ATownshipThatIsNotKnownIsAskedAndNotGuessed) {
  const UnitChoice choice = Choose("A7", "没钱看病");
  EXPECT_EQ(choice.lead, "minzhengju");
  EXPECT_THAT(choice.assists, IsEmpty());
  EXPECT_FALSE(choice.ask);
  EXPECT_NE(choice.question, "");
}

TEST(UnitsTest, TheCorpsFarmIsProposedAndNotOrdered) {
  const UnitChoice choice = Choose("A7", "没钱看病", "653024501");
  EXPECT_EQ(choice.lead, "minzhengju");
  EXPECT_THAT(choice.assists, IsEmpty());
  EXPECT_THAT(choice.proposed, ElementsAre("tuoyunmuchang"));
  EXPECT_NE(choice.question.find("函商"), std::string::npos);
}

TEST(UnitsTest, AUnitHasOnePartInAnOrder) {
  config::v1::CatalogueItem item = *Shipped().FindItem("A7");
  const config::v1::Township& township = *Shipped().FindTownship("653024205");
  // Its government leads wherever the matter is, and the township's own assists.
  item.mutable_units(0)->set_unit(township.unit());
  UnitChoice choice = ChooseUnits(Shipped(), item, &township, "没钱看病", {});
  EXPECT_EQ(choice.lead, township.unit());
  EXPECT_THAT(choice.assists, IsEmpty());
  item.mutable_units()->SwapElements(0, 1);
  choice = ChooseUnits(Shipped(), item, &township, "没钱看病", {});
  EXPECT_EQ(choice.lead, township.unit());
  EXPECT_THAT(choice.assists, IsEmpty());
  // Twice an assistant.
  item.mutable_units(1)->set_role(config::v1::UNIT_ROLE_ASSIST);
  EXPECT_THAT(ChooseUnits(Shipped(), item, &township, "没钱看病", {}).assists, ElementsAre(township.unit()));
}

TEST(UnitsTest, ATownshipThatLeadsIsRefusedBesideAnyTownship) {
  config::v1::Catalogue message = Shipped().message();
  for (config::v1::CatalogueItem& item : *message.mutable_items()) {
    if (item.code() == "A7") item.mutable_units(0)->set_unit("tieliekexiang");
  }
  const std::vector<Problem> problems = CheckCatalogue(message);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].english.find("township: true"), std::string::npos) << problems[0].english;
}

TEST(UnitsTest, OneOfIsChosenByTheMatterOrAsked) {
  EXPECT_EQ(Choose("A18", "我们村停电了").lead, "dianli");
  EXPECT_EQ(Choose("A18", "水管爆了").lead, "gongpaishui");
  EXPECT_EQ(Choose("A18", "暖气片是冰的").lead, "gongre");
  EXPECT_EQ(Choose("A18", "电信宽带断了").lead, "dianxin");
  // Whose broadband is not said: a person asks.
  const UnitChoice broadband = Choose("A18", "宽带断了三天");
  EXPECT_EQ(broadband.lead, "");
  EXPECT_TRUE(broadband.ask);
  EXPECT_NE(broadband.question, "");
}

TEST(UnitsTest, WhatTheAnnexLeavesOpenIsProposedAndAskedNeverDefaulted) {
  for (const char* item : {"A8", "A16", "A17", "A19", "A20", "A21", "A22"}) {
    const UnitChoice choice = Choose(item, "工地上有人没系安全绳，也有草场纠纷，水渠，路灯，医保");
    EXPECT_EQ(choice.lead, "") << item;
    EXPECT_THAT(choice.assists, IsEmpty()) << item;
    EXPECT_TRUE(choice.ask) << item;
    EXPECT_NE(choice.question, "") << item;
    EXPECT_FALSE(choice.proposed.empty()) << item;
  }
  EXPECT_EQ(Choose("A8", "工地上没系安全绳").proposed.front(), "zhujianju");
  EXPECT_EQ(Choose("A8", "矿洞没支护").proposed.front(), "yingjiju");
  EXPECT_EQ(Choose("A17", "医保异地就医怎么报").proposed.front(), "yibaoju");
}

TEST(UnitsTest, ThePoliceSendTheirOwn) {
  const UnitChoice choice = Choose("B3", "追尾了");
  EXPECT_EQ(choice.lead, "");
  EXPECT_FALSE(choice.ask);
  EXPECT_THAT(choice.proposed, ElementsAre("jiaojing"));
}

// A7: the civil affairs office leads, the township assists, and which one is not known.
TEST(UnitsTest, WhoLeadsInsteadOfAnAccusedUnitIsAskedBeforeWhereItIs) {
  const UnitChoice choice = Choose("A7", "没钱看病", "", {"minzhengju"});
  EXPECT_TRUE(choice.ask);
  EXPECT_NE(choice.question.find("回避"), std::string::npos) << choice.question;
  const UnitChoice farm = Choose("A7", "没钱看病", "653024501", {"minzhengju"});
  EXPECT_NE(farm.question.find("回避"), std::string::npos) << farm.question;
  EXPECT_THAT(farm.proposed, Contains("tuoyunmuchang"));
}

TEST(UnitsTest, AnAccusedUnitIsRecusedAndAPersonSaysWhoInstead) {
  const UnitChoice choice = Choose("A4", "出租车拒载，交通局的人不管", "", {"jiaotongju"});
  EXPECT_EQ(choice.lead, "");
  EXPECT_TRUE(choice.ask);
  EXPECT_THAT(choice.recused, ElementsAre("jiaotongju"));
  EXPECT_THAT(choice.proposed, testing::Not(Contains("jiaotongju")));
  EXPECT_NE(choice.question.find("回避"), std::string::npos);
  const UnitChoice power = Choose("A18", "停电，供电公司的人态度差", "", {"dianli"});
  EXPECT_EQ(power.lead, "");
  EXPECT_TRUE(power.ask);
  EXPECT_THAT(power.proposed, testing::Not(Contains("dianli")));
}

}  // namespace
}  // namespace hotline::catalogue
