#include "services/hotlinectl/core/text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/error/error.h"
#include "hotline/config/v1/catalogue.pb.h"
#include "hotline/dispatch/v1/dispatch_service.pb.h"
#include "hotline/escalation/v1/escalation_service.pb.h"
#include "hotline/escalation/v1/meeting_service.pb.h"
#include "hotline/escalation/v1/report_service.pb.h"
#include "hotline/type/v1/command.pb.h"
#include "hotline/type/v1/event.pb.h"
#include "hotline/type/v1/order_state.pb.h"
#include "hotline/type/v1/routing.pb.h"
#include "hotline/type/v1/work_order.pb.h"
#include "hotline/workorder/v1/work_order_service.pb.h"
#include "services/hotlinectl/core/arguments.h"
#include "services/hotlinectl/core/order_form.h"
#include "services/hotlinectl/core/text_people.h"

namespace hotline::hotlinectl {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::GetEnumDescriptor;

// That every phrase has both languages, with the same placeholders, is checked by the compiler; what is left
// is that the sides were not mixed up.
bool HoldsChinese(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0xe3) return true;
  }
  return false;
}

std::vector<const EnumDescriptor*> ShownEnums() {
  return {GetEnumDescriptor<type::v1::OrderState>(),
          GetEnumDescriptor<type::v1::OrderType>(),
          GetEnumDescriptor<type::v1::Channel>(),
          GetEnumDescriptor<type::v1::Urgency>(),
          GetEnumDescriptor<type::v1::HandoffKind>(),
          GetEnumDescriptor<type::v1::ReturnGround>(),
          GetEnumDescriptor<type::v1::Disposition>(),
          GetEnumDescriptor<type::v1::ClockKind>(),
          GetEnumDescriptor<type::v1::Rung>(),
          GetEnumDescriptor<type::v1::VoiceOutcome>(),
          GetEnumDescriptor<type::v1::AlarmKind>(),
          GetEnumDescriptor<type::v1::SceneRequest>(),
          GetEnumDescriptor<type::v1::SceneOutcome>(),
          GetEnumDescriptor<type::v1::DisclosureKind>(),
          GetEnumDescriptor<type::v1::DoubtAction>(),
          GetEnumDescriptor<escalation::v1::Lamp>(),
          GetEnumDescriptor<escalation::v1::ClockState>(),
          GetEnumDescriptor<escalation::v1::DocumentKind>(),
          GetEnumDescriptor<escalation::v1::DocketState>(),
          GetEnumDescriptor<workorder::v1::CustodyCondition>(),
          GetEnumDescriptor<type::v1::Answer>(),
          GetEnumDescriptor<type::v1::AgreementState>(),
          GetEnumDescriptor<type::v1::LadderRule>(),
          GetEnumDescriptor<config::v1::UnitRule>(),
          GetEnumDescriptor<config::v1::UnitRole>(),
          GetEnumDescriptor<config::v1::ExclusionKind>(),
          GetEnumDescriptor<dispatch::v1::DeliveryStatus>()};
}

TEST(TextTest, EveryValueOfTheContractHasAChineseWord) {
  for (const EnumDescriptor* type : ShownEnums()) {
    for (int i = 0; i < type->value_count(); ++i) {
      if (type->value(i)->number() == 0) continue;
      EXPECT_TRUE(HoldsChinese(EnumWordZh(*type->value(i)))) << type->value(i)->name();
    }
  }
}

TEST(TextTest, WordsReadBackInBothLanguages) {
  for (const EnumDescriptor* type : ShownEnums()) {
    for (int i = 0; i < type->value_count(); ++i) {
      const auto& value = *type->value(i);
      if (value.number() == 0) {
        EXPECT_EQ(ParseEnumWord(*type, value.name()), std::nullopt);
        EXPECT_EQ(EnumLabel(Language::kChinese, *type, 0), "-");
        continue;
      }
      EXPECT_EQ(ParseEnumWord(*type, EnumWord(value)), value.number());
      EXPECT_EQ(ParseEnumWord(*type, EnumWordZh(value)), value.number()) << value.name();
      EXPECT_EQ(ParseEnumWord(*type, value.name()), value.number());
    }
    EXPECT_EQ(ParseEnumWord(*type, ""), std::nullopt);
    EXPECT_EQ(ParseEnumWord(*type, "nosuch"), std::nullopt);
  }
}

// Lists and errors call a state the same, at either site.
TEST(TextTest, StatesAreCalledAsErrorsCallThem) {
  const EnumDescriptor& states = *GetEnumDescriptor<type::v1::OrderState>();
  for (int i = 0; i < states.value_count(); ++i) {
    if (states.value(i)->number() == 0) continue;
    const auto state = static_cast<type::v1::OrderState>(states.value(i)->number());
    EXPECT_EQ(EnumWordZh(*states.value(i)), error::StateNameZh(state)) << states.value(i)->name();
  }
}

TEST(TextTest, WordsAreShort) {
  EXPECT_EQ(EnumLabel(Language::kEnglish, type::v1::HANDOFF_KIND_LIVE_CALL_TO_POLICE), "live-call-to-police");
  EXPECT_EQ(EnumLabel(Language::kChinese, type::v1::ORDER_STATE_IN_PROGRESS), "办理中");
  // A value of a later version is shown as its number.
  EXPECT_EQ(EnumLabel(Language::kChinese, static_cast<type::v1::OrderState>(99)), "99");
  EXPECT_EQ(ParseEnumWord(*type::v1::OrderState_descriptor(), " In_Progress "),
            type::v1::ORDER_STATE_IN_PROGRESS);
}

TEST(TextTest, EveryCommandAndFlagIsExplainedInBothLanguages) {
  const auto check = [](std::string_view what, const Phrase& phrase) {
    EXPECT_TRUE(HoldsChinese(phrase.zh)) << what;
    EXPECT_FALSE(phrase.en.empty()) << what;
  };
  for (const CommandSpec& command : Commands()) {
    check(command.name, command.help);
    for (const FlagSpec& flag : command.flags) check(flag.name, flag.help);
  }
  for (const FlagSpec& flag : GlobalFlags()) check(flag.name, flag.help);
  for (const FormField& field : FormFields()) EXPECT_TRUE(HoldsChinese(field.zh)) << field.flag.name;
}

TEST(TextTest, Substitutes) {
  EXPECT_EQ(Substitute("$1 $0 $1", {"a", "b"}), "b a b");
  EXPECT_EQ(Substitute("$2 $HOME $", {"a"}), "$2 $HOME $");
  // What is put in is not looked at again.
  EXPECT_EQ(Substitute("$0$1", {"$1", "x"}), "$1x");
  EXPECT_EQ(Say(Language::kChinese, say::kUnknownCommand, "x"), "没有命令“x”");
}

// Of the rungs only 督办 comes early, and none need be next.
TEST(TextTest, ARungThatReachesNobodyPromisesNoOther) {
  const std::string en(Say(Language::kEnglish, say::kNobodyTold));
  const std::string zh(Say(Language::kChinese, say::kNobodyTold));
  EXPECT_EQ(en, "nobody can be told; 督办 would come at once if it is next");
  EXPECT_NE(zh.find("如果下一级是督办"), std::string::npos) << zh;
}

TEST(TextTest, NamesAreNormalized) {
  EXPECT_EQ(Dashed(" Occur_Time\t"), "occur-time");
  EXPECT_EQ(Trim(" \r\n a b \n"), "a b");
  EXPECT_EQ(Trim(" \t "), "");
}

}  // namespace
}  // namespace hotline::hotlinectl
