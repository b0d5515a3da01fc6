#include "services/hotlinectl/core/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"

namespace hotline::hotlinectl {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

type::v1::WorkOrder Order() {
  type::v1::WorkOrder order;
  order.set_id("0ABCDEFGHJKMN");
  order.set_number("12345-20261123-000123");
  order.set_state(type::v1::ORDER_STATE_IN_PROGRESS);
  order.mutable_custody()->set_holder("110");
  order.set_type(type::v1::ORDER_TYPE_REPORT);
  order.set_urgency(type::v1::URGENCY_EMERGENCY);
  order.set_title("天山路口\x1b[31m两车相撞");
  order.mutable_register_time()->set_seconds(1'795'397'400);  // 2026-11-23 09:30 in Beijing
  order.mutable_facts()->set_overdue(true);
  order.mutable_facts()->set_urge_count(2);
  return order;
}

TEST(RenderTest, OrdersInATable) {
  Table table = OrderTable(Language::kChinese);
  AddOrder(Language::kChinese, Order(), table);
  const std::string text = table.Render({});
  EXPECT_THAT(text, HasSubstr("12345-20261123-000123  办理中  110"));
  EXPECT_THAT(text, HasSubstr("举报"));
  EXPECT_THAT(text, HasSubstr("特急"));
  EXPECT_THAT(text, HasSubstr("超期 催办×2"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(RenderTest, ALinksNoteSaysWhoseWordsItGives) {
  dispatch::v1::LinkStatus link;
  link.set_peer("110");
  link.set_transport(dispatch::v1::LINK_TRANSPORT_GRPC);
  link.set_last_error("the disk is full; nothing was done");
  Table list = LinkTable(Language::kChinese);
  AddLink(Language::kChinese, link, list);
  EXPECT_THAT(list.Render({}), HasSubstr("110 答复：其磁盘已满"));
  Table status = LinkStatusTable(Language::kEnglish);
  AddLinkStatus(Language::kEnglish, link, absl::UnixEpoch(), status);
  EXPECT_THAT(status.Render({}), HasSubstr("110 says: its disk is full"));
}

TEST(RenderTest, TimesAreOfBeijing) {
  google::protobuf::Timestamp time;
  EXPECT_EQ(TimeText(time), "-");
  time.set_seconds(1'795'397'400);
  EXPECT_EQ(TimeText(time), "2026-11-23 09:30:00");
}

TEST(RenderTest, AnOrderOnItsSheet) {
  type::v1::WorkOrder order = Order();
  auto& content = *order.mutable_content();
  content.set_text("第一行\n第二行");
  content.mutable_caller()->set_anonymous(true);
  content.mutable_place()->mutable_manual_coordinates()->set_latitude(39.7);
  auto& unit = *order.add_units();
  unit.set_unit("jiaojing");
  unit.set_lead(true);
  const std::string zh = OrderSheet(Language::kChinese, order, {});
  EXPECT_THAT(zh, HasSubstr("诉求人    匿名\n"));
  EXPECT_THAT(zh, HasSubstr("承办单位  jiaojing（主办）\n"));
  EXPECT_THAT(zh, HasSubstr("内容      第一行\n          第二行\n"));
  EXPECT_THAT(zh, Not(HasSubstr("\x1b")));
  EXPECT_THAT(OrderSheet(Language::kEnglish, order, {}), HasSubstr("jiaojing (lead)"));
}

TEST(RenderTest, ThreeReceiptsShowBothClocks) {
  type::v1::WorkOrder order = Order();
  order.set_state(type::v1::ORDER_STATE_UNDERSTOOD);
  order.mutable_facts()->set_in_doubt(true);
  order.mutable_facts()->set_voice_confirmation_required(true);
  auto& handoff = *order.mutable_handoff();
  handoff.set_from_hotline("12345");
  handoff.set_to_hotline("110");
  handoff.set_spoken_code("0815");
  handoff.mutable_receive_time()->set_seconds(1'795'397'400);
  handoff.mutable_understand_time()->set_seconds(1'795'397'400);
  auto& record = *handoff.mutable_receipt_record();
  record.mutable_receive_record_time()->set_seconds(1'795'397'402);
  record.mutable_clock_skew()->set_seconds(-1);
  record.mutable_clock_skew()->set_nanos(-500'000'000);
  record.mutable_clock_uncertainty()->set_nanos(20'000'000);
  const std::string zh = OrderSheet(Language::kChinese, order, {});
  EXPECT_THAT(zh, HasSubstr("110 时钟 2026-11-23 09:30:00；12345 记录于 2026-11-23 09:30:02"));
  EXPECT_THAT(zh, HasSubstr("二收 登记"));
  EXPECT_THAT(zh, Not(HasSubstr("三收")));
  EXPECT_THAT(zh, HasSubstr("110 时钟减 12345 时钟：-1.5s ± 20ms"));
  EXPECT_THAT(zh, HasSubstr("0815"));
  EXPECT_THAT(zh, HasSubstr("存疑 待电话确认"));
  EXPECT_THAT(OrderSheet(Language::kEnglish, order, {}), HasSubstr("recorded at 12345: 2026-11-23 09:30:02"));
  order.set_state(type::v1::ORDER_STATE_ACCEPTED);
  EXPECT_THAT(OrderSheet(Language::kChinese, order, {}), Not(HasSubstr("0815"))) << "of no use any more";
}

// Once it is understood, an ordinary offer's end is what `deadlines` says, and the sheet named an earlier
// one.
TEST(RenderTest, ADeadlineIsShownWhileItHolds) {
  type::v1::WorkOrder order = Order();
  order.mutable_handoff()->mutable_confirm_by_time()->set_seconds(1'795'397'400);
  const auto shows = [&](type::v1::OrderState state, type::v1::Urgency urgency) {
    order.set_state(state);
    order.set_urgency(urgency);
    return OrderSheet(Language::kChinese, order, {}).find("确认期限") != std::string::npos;
  };
  for (const auto urgency :
       {type::v1::URGENCY_NORMAL, type::v1::URGENCY_URGENT, type::v1::URGENCY_EMERGENCY}) {
    EXPECT_TRUE(shows(type::v1::ORDER_STATE_OFFERED, urgency));
    EXPECT_TRUE(shows(type::v1::ORDER_STATE_RECEIVED, urgency));
    EXPECT_EQ(shows(type::v1::ORDER_STATE_UNDERSTOOD, urgency), urgency != type::v1::URGENCY_NORMAL);
    EXPECT_FALSE(shows(type::v1::ORDER_STATE_ACCEPTED, urgency));
  }
}

TEST(RenderTest, EveryKindOfEventHasANameAndShows) {
  const auto* descriptor = type::v1::Event::descriptor();
  const auto* detail = descriptor->FindOneofByName("detail");
  ASSERT_NE(detail, nullptr);
  for (int i = 0; i < detail->field_count(); ++i) {
    type::v1::Event event;
    event.set_sequence(7);
    event.GetReflection()->MutableMessage(&event, detail->field(i));
    EXPECT_NE(EventName(Language::kEnglish, event), say::kEvUnknown.en) << detail->field(i)->name();
    EXPECT_NE(EventName(Language::kChinese, event), EventName(Language::kEnglish, event));
    Table table = EventTable(Language::kEnglish, /*numbers=*/true, /*titles=*/false);
    AddEvent(Language::kEnglish, event, /*numbers=*/true, nullptr, table);
    EXPECT_THAT(table.RenderRows({}), HasSubstr("7"));
  }
  EXPECT_EQ(EventName(Language::kEnglish, type::v1::Event()), say::kEvUnknown.en);
}

TEST(RenderTest, EventsTellTheirParticulars) {
  type::v1::Event event;
  auto& returned = *event.mutable_returned()->mutable_handoff_return();
  returned.set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
  returned.set_reason("属交通局");
  returned.set_proposed_unit("jiaotong");
  EXPECT_EQ(EventDetail(Language::kChinese, event), "不属于本单位职责: 属交通局; → jiaotong");
  auto& offered = *event.mutable_offered()->mutable_handoff();
  offered.set_from_hotline("12345");
  offered.set_to_hotline("110");
  offered.set_kind(type::v1::HANDOFF_KIND_ORDER_PUSH);
  EXPECT_EQ(EventDetail(Language::kEnglish, event), "12345 → 110  order-push");
}

// The contract counts hours in seconds.
TEST(RenderTest, AnExtensionIsToldInTheUnitItWasAskedIn) {
  type::v1::Event event;
  type::v1::TimeAmount& length = *event.mutable_extension_requested()->mutable_length();
  const auto told = [&](type::v1::TimeKind kind, int64_t value, Language language) {
    length.set_kind(kind);
    length.set_value(value);
    return EventDetail(language, event);
  };
  using type::v1::TIME_KIND_CLOCK_TIME;
  using type::v1::TIME_KIND_WORKING_HOURS;
  EXPECT_EQ(told(TIME_KIND_WORKING_HOURS, 10'800, Language::kEnglish), "+3 working hours");
  EXPECT_EQ(told(TIME_KIND_WORKING_HOURS, 10'800, Language::kChinese), "+3 工作小时");
  EXPECT_EQ(told(TIME_KIND_WORKING_HOURS, 5'400, Language::kEnglish), "+90 working minutes");
  EXPECT_EQ(told(TIME_KIND_WORKING_HOURS, 5'400, Language::kChinese), "+90 工作分钟");
  EXPECT_EQ(told(TIME_KIND_CLOCK_TIME, 7'200, Language::kEnglish), "+2 hours");
  EXPECT_EQ(told(TIME_KIND_CLOCK_TIME, 1'800, Language::kChinese), "+30 分钟");
  EXPECT_EQ(told(TIME_KIND_CLOCK_TIME, 61, Language::kEnglish), "+61 seconds");
  EXPECT_EQ(told(type::v1::TIME_KIND_WORKING_DAYS, 2, Language::kChinese), "+2 工作日");
}

// The times of a log have fractions of a second: what is shown adds up all the same.
TEST(RenderTest, ALedgersLinesAddUpToItsTotal) {
  escalation::v1::TimeLedger ledger;
  int64_t now_ms = 1'795'397'400'900;
  const auto set = [](int64_t ms, google::protobuf::Timestamp* time) {
    time->set_seconds(ms / 1000);
    time->set_nanos(static_cast<int32_t>(ms % 1000 * 1'000'000));
  };
  const auto stretch = [&](const char* party, escalation::v1::TimeUse use, int64_t ms, int64_t off_ms) {
    auto& made = *ledger.add_stretches();
    made.set_party(party);
    made.set_use(use);
    set(now_ms, made.mutable_begin_time());
    set(now_ms += ms, made.mutable_end_time());
    made.mutable_off_hours()->set_seconds(off_ms / 1000);
    made.mutable_off_hours()->set_nanos(static_cast<int32_t>(off_ms % 1000 * 1'000'000));
  };
  const auto sum = [&](const char* party, escalation::v1::TimeUse use, int64_t ms) {
    auto& made = *ledger.add_sums();
    made.set_party(party);
    made.set_use(use);
    made.mutable_length()->set_seconds(ms / 1000);
    made.mutable_length()->set_nanos(static_cast<int32_t>(ms % 1000 * 1'000'000));
  };
  set(now_ms, ledger.mutable_begin_time());
  stretch("110", escalation::v1::TIME_USE_IN_TRANSIT, 9'700, 0);
  stretch("chengguan", escalation::v1::TIME_USE_WORKING, 10'900, 0);
  stretch("12345", escalation::v1::TIME_USE_WORKING, 10'900, 10'900);
  stretch("chengguan", escalation::v1::TIME_USE_WORKING, 10'900, 5'500);
  set(now_ms, ledger.mutable_end_time());
  sum("110", escalation::v1::TIME_USE_IN_TRANSIT, 9'700);
  sum("chengguan", escalation::v1::TIME_USE_WORKING, 16'300);
  sum("12345", escalation::v1::TIME_USE_OFF_HOURS, 10'900);
  sum("chengguan", escalation::v1::TIME_USE_OFF_HOURS, 5'500);
  // The seconds after each `0:00:`.
  const auto seconds = [](const std::string& text) {
    std::vector<int> all;
    for (size_t at = text.find("0:00:"); at != std::string::npos; at = text.find("0:00:", at + 1)) {
      all.push_back(std::atoi(text.c_str() + at + 5));
    }
    return all;
  };
  EXPECT_THAT(seconds(SumTable(Language::kEnglish, ledger).Render({})), ElementsAre(10, 17, 11, 5, 43));
  // The same stretch by stretch: length, and what of it was off hours.
  std::string stretches;
  for (const auto& one : ledger.stretches()) {
    escalation::v1::TimeLedger alone;
    *alone.add_stretches() = one;
    const std::string text = StretchTable(Language::kEnglish, alone).RenderRows({});
    stretches += text.substr(text.find(one.party()));
  }
  EXPECT_THAT(seconds(stretches), ElementsAre(10, 11, 11, 11, 11, 5));
}

TEST(RenderTest, DeadlinesTellTheTimeLeft) {
  escalation::v1::Deadline deadline;
  deadline.set_lamp(escalation::v1::LAMP_RED);
  deadline.set_clock(type::v1::CLOCK_KIND_SIGN);
  deadline.set_clock_state(escalation::v1::CLOCK_STATE_RUNNING);
  deadline.mutable_due_time()->set_seconds(1'795'397'400);
  Table table = DeadlineTable(Language::kChinese);
  AddDeadline(Language::kChinese, deadline, absl::FromUnixSeconds(1'795'397'400 + 90), table);
  EXPECT_THAT(table.Render({}), HasSubstr("红灯"));
  EXPECT_THAT(table.Render({}), HasSubstr("-1m30s"));
}

TEST(RenderTest, CustodyShowsATenureOnceAndEachOfItsConditions) {
  workorder::v1::CustodyTenure tenure;
  tenure.set_holder("12345");
  tenure.set_epoch(3);
  tenure.set_event_kind("returned");
  tenure.set_event_sequence(17);
  tenure.mutable_actor()->set_account("1001");
  auto* interval = tenure.add_intervals();
  interval->set_condition(workorder::v1::CUSTODY_CONDITION_HELD);
  interval->mutable_from_time()->set_seconds(1'795'397'400);
  interval->mutable_until_time()->set_seconds(1'795'397'460);
  interval = tenure.add_intervals();
  interval->set_condition(workorder::v1::CUSTODY_CONDITION_DISPUTED);
  interval->mutable_from_time()->set_seconds(1'795'397'460);
  interval->set_peer("110");
  Table table = CustodyTable(Language::kChinese);
  AddTenure(Language::kChinese, tenure, table);
  const std::string zh = table.RenderRows({});
  EXPECT_THAT(zh, HasSubstr("退回"));
  EXPECT_THAT(zh, HasSubstr("争议"));
  EXPECT_THAT(zh, HasSubstr("至今"));
  EXPECT_EQ(zh.find("1001"), zh.rfind("1001"));
  tenure.set_event_kind("of a later version");
  AddTenure(Language::kEnglish, tenure, table);
  EXPECT_THAT(table.RenderRows({}), HasSubstr("unknown event"));
}

TEST(RenderTest, APreviewTellsWhatIsLeftAndTheWay) {
  workorder::v1::PreviewReturnResponse preview;
  preview.set_reason("RETURN_LIMIT");
  preview.set_message_zh("退单次数已用完");
  preview.set_message("used up");
  preview.set_ruling_required(true);
  preview.set_bounce(true);
  auto* hop = preview.add_hops();
  hop->set_from_hotline("12345");
  hop->set_to_hotline("110");
  hop->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
  const std::string zh = PreviewSheet(Language::kChinese, preview, {});
  EXPECT_THAT(zh, HasSubstr("不能退回：退单次数已用完"));
  EXPECT_THAT(zh, HasSubstr("退单拉锯"));
  EXPECT_THAT(zh, HasSubstr("12345 → 110"));
  EXPECT_THAT(zh, HasSubstr("退回: 不属于本单位职责"));
  const std::string en = PreviewSheet(Language::kEnglish, preview, {});
  EXPECT_THAT(en, HasSubstr("not possible: used up"));
  EXPECT_THAT(en, HasSubstr("Free returns left: 0 of this unit, 0 of this order."));
}

TEST(RenderTest, JsonIsOneLineWithDefaults) {
  const std::string json = ToJson(Order());
  EXPECT_THAT(json, Not(HasSubstr("\n")));
  EXPECT_THAT(json, HasSubstr("\"version\":\"0\""));
  google::protobuf::Struct object;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &object).ok());
  EXPECT_EQ(object.fields().at("state").string_value(), "ORDER_STATE_IN_PROGRESS");
}

TEST(RenderTest, OfAClockThatIsOffOnlyWhatIsCertainIsShown) {
  dispatch::v1::LinkStatus link;
  link.mutable_clock_skew()->set_seconds(-90);
  link.mutable_clock_uncertainty()->set_nanos(10'000'000);
  const auto row = [&link] {
    Table table = LinkStatusTable(Language::kEnglish);
    AddLinkStatus(Language::kEnglish, link, absl::UnixEpoch(), table);
    return table.RenderRows({});
  };
  EXPECT_THAT(row(), HasSubstr("-1m29.99s"));
  // A batch that was 9 s on its way.
  link.mutable_clock_skew()->set_seconds(4);
  link.mutable_clock_uncertainty()->set_seconds(4);
  EXPECT_THAT(row(), Not(HasSubstr("4s")));
}

TEST(RenderTest, WhatALinkMetIsSaidInTheReadersLanguage) {
  dispatch::v1::LinkStatus link;
  link.set_last_error(
      "failed to connect to all addresses; last error: UNKNOWN: ipv4:192.0.2.1:1: Failed to connect to "
      "remote "
      "host: Connection refused");
  Table status = LinkStatusTable(Language::kChinese);
  AddLinkStatus(Language::kChinese, link, absl::UnixEpoch(), status);
  Table links = LinkTable(Language::kChinese);
  AddLink(Language::kChinese, link, links);
  for (const std::string& rows : {status.RenderRows({}), links.RenderRows({})}) {
    EXPECT_THAT(rows, HasSubstr("192.0.2.1:1 无程序监听（连接被拒绝）"));
    EXPECT_THAT(rows, Not(HasSubstr("failed to connect")));
  }
}

TEST(RenderTest, TheLanesOfALinkAreToldApart) {
  dispatch::v1::LinkStatus ordinary;
  ordinary.set_peer("110");
  ordinary.set_lane(exchange::v1::LANE_ORDINARY);
  ordinary.set_up(true);
  dispatch::v1::LinkStatus emergency = ordinary;
  emergency.set_lane(exchange::v1::LANE_EMERGENCY);
  emergency.set_up(false);
  EXPECT_EQ(LinkPart(ordinary), "peer/110");
  EXPECT_EQ(LinkPart(emergency), "peer/110/emergency");
  const auto row = [](const dispatch::v1::LinkStatus& link) {
    Table table = LinkTable(Language::kEnglish);
    AddLink(Language::kEnglish, link, table);
    return table.RenderRows({});
  };
  const auto lane = [](const Phrase& phrase) { return std::string(Say(Language::kEnglish, phrase)); };
  EXPECT_THAT(row(ordinary), AllOf(HasSubstr(lane(say::kOrdinaryLane)), HasSubstr(lane(say::kUp))));
  EXPECT_THAT(row(emergency), AllOf(HasSubstr(lane(say::kEmergencyLane)), HasSubstr(lane(say::kDown))));
}

}  // namespace
}  // namespace hotline::hotlinectl
