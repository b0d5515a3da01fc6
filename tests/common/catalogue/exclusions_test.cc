// The clauses of the annex that take a matter out of an item, as callers' words show them.
#include "common/catalogue/exclusions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "common/catalogue/catalogue.h"
#include "tests/common/catalogue/shipped.h"

namespace hotline::catalogue {
namespace {

using config::v1::ExclusionKind;

struct Case {
  const char* item;
  const char* text;
  ExclusionKind kind;   // UNSPECIFIED: no clause applies
  const char* instead;  // empty: not accepted
};

constexpr Case kCases[] = {
    // 已进入司法程序的纠纷不在受理范围.
    {"A19", "他借我两万不还，我已经起诉了", config::v1::EXCLUSION_KIND_IN_COURT, ""},
    {"A19", "邻居占我家地界，法院还没判呢，你们先来量一下", config::v1::EXCLUSION_KIND_IN_COURT, ""},
    {"A19", "合伙的账扯不清，下个月开庭", config::v1::EXCLUSION_KIND_IN_COURT, ""},
    {"A19", "离婚的事情二审都完了，他还是不给抚养费", config::v1::EXCLUSION_KIND_IN_COURT, ""},
    {"A19", "还没起诉，先找你们调解一下", config::v1::EXCLUSION_KIND_UNSPECIFIED, ""},
    {"A19", "再不给就起诉了，你们能不能先劝劝", config::v1::EXCLUSION_KIND_UNSPECIFIED, ""},
    {"A19", "没有去法院，就想要个说法", config::v1::EXCLUSION_KIND_UNSPECIFIED, ""},
    // 非暴力.
    {"A19", "两家为地界打起来了", config::v1::EXCLUSION_KIND_VIOLENCE, "B2"},
    {"A19", "两家为地界吵，没打起来", config::v1::EXCLUSION_KIND_UNSPECIFIED, ""},
    {"A19", "他也不打我，就是不管娃", config::v1::EXCLUSION_KIND_UNSPECIFIED, ""},
    {"A19", "房东把押金扣了，说打我微信，一直没打", config::v1::EXCLUSION_KIND_UNSPECIFIED, ""},
    // 无现场或非现场.
    {"A2", "工资半年没发，工人把大门围堵了", config::v1::EXCLUSION_KIND_SCENE, "B4"},
    {"A2", "要工资的人拉横幅，来了几十号人", config::v1::EXCLUSION_KIND_SCENE, "B4"},
    {"A2", "老板不给钱还动手打人", config::v1::EXCLUSION_KIND_SCENE, "B2"},
    {"A2", "工资半年没发，我们没堵门，也没拉横幅", config::v1::EXCLUSION_KIND_UNSPECIFIED, ""},
    // A negation does not reach over a mark.
    {"A2", "工资没发，围堵在项目部", config::v1::EXCLUSION_KIND_SCENE, "B4"},
    // 除公安机关以外.
    {"A16", "派出所的人态度差", config::v1::EXCLUSION_KIND_POLICE, "B8"},
    {"A16", "交警乱罚款不给票", config::v1::EXCLUSION_KIND_POLICE, "B8"},
    {"A16", "路口乱收费，交警都看着不管", config::v1::EXCLUSION_KIND_POLICE, "B8"},
    {"A16", "村干部打人，派出所也知道就是不管", config::v1::EXCLUSION_KIND_POLICE, "B8"},
    {"A16", "不是警察，是城管收了我的秤", config::v1::EXCLUSION_KIND_UNSPECIFIED, ""},
    {"A16", "派出所隔壁那个社区的干部骂人", config::v1::EXCLUSION_KIND_UNSPECIFIED, ""},
    {"A16", "窗口的人玩手机", config::v1::EXCLUSION_KIND_UNSPECIFIED, ""},
    // 一般类.
    {"A1", "流浪狗把娃娃咬伤了", config::v1::EXCLUSION_KIND_NOT_ORDINARY, "B2"},
    {"A1", "流浪狗追人，没咬伤人", config::v1::EXCLUSION_KIND_UNSPECIFIED, ""},
    {"A3", "退货的时候店家拿刀出来了", config::v1::EXCLUSION_KIND_NOT_ORDINARY, "B2"},
    {"A5", "买的手机是翻新的，其实是电话诈骗", config::v1::EXCLUSION_KIND_NOT_ORDINARY, "B1"},
    {"A8", "脚手架塌了", config::v1::EXCLUSION_KIND_NOT_ORDINARY, "B6"},
    {"A8", "脚手架晃，怕塌了", config::v1::EXCLUSION_KIND_UNSPECIFIED, ""},
    {"A18", "电表箱冒火花", config::v1::EXCLUSION_KIND_NOT_ORDINARY, "B6"},
    {"A18", "灶打不着火", config::v1::EXCLUSION_KIND_UNSPECIFIED, ""},
    // Nothing of all that, and nothing at all.
    {"A13", "法院判了怎么上诉", config::v1::EXCLUSION_KIND_UNSPECIFIED, ""},
    {"A19", "", config::v1::EXCLUSION_KIND_UNSPECIFIED, ""},
};

TEST(ExclusionsTest, AreReadInCallersWords) {
  for (const Case& one : kCases) {
    const config::v1::CatalogueItem* const item = Shipped().FindItem(one.item);
    ASSERT_NE(item, nullptr) << one.item;
    const FoundExclusion found = FindExclusion(Shipped(), *item, Normalize(one.text));
    if (one.kind == config::v1::EXCLUSION_KIND_UNSPECIFIED) {
      EXPECT_EQ(found.exclusion, nullptr) << one.item << " " << one.text << " by " << found.word;
      continue;
    }
    ASSERT_NE(found.exclusion, nullptr) << one.item << " " << one.text;
    EXPECT_EQ(found.exclusion->kind(), one.kind) << one.text;
    EXPECT_EQ(found.exclusion->instead_item(), one.instead) << one.text;
    EXPECT_THAT(DescribeExclusion(*item, found), testing::HasSubstr(found.exclusion->quote())) << one.text;
  }
}

// Spelled with marks, spaces, full-width letters: as phrases are compared.
TEST(ExclusionsTest, AreFoundInAnySpelling) {
  const config::v1::CatalogueItem& item = *Shipped().FindItem("A19");
  for (const char* text : {"已经 起诉 了", "已经起诉了!!!", "……已经起诉……", "已　经　起　诉"}) {
    EXPECT_NE(FindExclusion(Shipped(), item, Normalize(text)).exclusion, nullptr) << text;
  }
  for (const char* text : {"\xff\xfe", "没", "不", "\xe6", " ", "没没没没没"}) {
    EXPECT_EQ(FindExclusion(Shipped(), item, Normalize(text)).exclusion, nullptr);
  }
}

// Every clause that the annex writes can be met, and no phrase of an item takes the matter out of it.
TEST(ExclusionsTest, EachClauseIsReachableAndNoPhraseExcludesItself) {
  std::set<int> kinds;
  for (const config::v1::CatalogueItem& item : Shipped().message().items()) {
    for (const std::string& phrase : item.phrases()) {
      EXPECT_EQ(FindExclusion(Shipped(), item, Normalize(phrase)).exclusion, nullptr)
          << item.code() << " " << phrase;
    }
    for (const config::v1::Exclusion& exclusion : item.exclusions()) {
      kinds.insert(exclusion.kind());
      for (const std::string& word : exclusion.words()) {
        EXPECT_NE(FindExclusion(Shipped(), item, Normalize(word)).exclusion, nullptr)
            << item.code() << " " << word;
      }
      for (const std::string& denial : exclusion.denials()) {
        EXPECT_EQ(FindExclusion(Shipped(), item, Normalize(denial)).exclusion, nullptr)
            << item.code() << " " << denial;
      }
    }
  }
  EXPECT_EQ(kinds.size(), 5U);
}

}  // namespace
}  // namespace hotline::catalogue
