// Retention, on both sites and in every file: after an order's time nothing that anybody wrote about it is
// left in any store, byte for byte, and everything still verifies; what is held or open is all there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/backup/verify.h"
#include "common/boot/config.h"
#include "common/error/error.h"
#include "services/escalation/edge_rules.h"
#include "tests/support/sql_scratch.h"
#include "tests/year/town.h"

namespace hotline::year {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;
using type::v1::Command;

constexpr absl::Duration kDay = absl::Hours(24);

// What somebody wrote about one matter: each text once in the world.
class Pen {
 public:
  explicit Pen(int matter) : matter_(matter) {}
  std::string Write(std::string_view what) {
    texts_.push_back(absl::StrFormat("%s笔迹%02d%03d止", std::string(what), matter_, texts_.size()));
    return texts_.back();
  }
  std::string Phone() {
    texts_.push_back(absl::StrFormat("1397%02d%05d", matter_, texts_.size()));
    return texts_.back();
  }
  // Each as it can be told from the others: from 笔迹 on.
  std::set<std::string> marks() const {
    std::set<std::string> marks;
    for (const std::string& text : texts_) {
      const size_t begin = text.find("笔迹");
      marks.insert(begin == std::string::npos ? text : text.substr(begin));
    }
    return marks;
  }

 private:
  const int matter_;
  std::vector<std::string> texts_;
};

class ErasureTest : public testing::Test {
 protected:
  void SetUp() override {
    config::v1::SiteConfig site;
    site.set_hotline("12345");
    site.add_peers()->set_hotline("110");
    site.mutable_escalation()->set_policy_file(HOTLINE_SOURCE_DIR "/deploy/policy/wuqia.yaml");
    site.mutable_escalation()->set_calendars_file(HOTLINE_SOURCE_DIR "/deploy/calendars/wuqia.yaml");
    config::v1::UnitList units;
    ASSERT_TRUE(boot::LoadYaml(HOTLINE_SOURCE_DIR "/deploy/units/wuqia.yaml", &units).ok());
    auto rules = escalation::LoadRules(site.escalation(), "");
    ASSERT_TRUE(rules.ok()) << rules.status();
    rules->parties = escalation::PartiesOf(site, units);
    escalation::Publication police = *rules;
    police.parties.site = "110";
    police.parties.peers = {"12345"};
    const escalation::Deadlines at_110(std::vector<escalation::Publication>{std::move(police)});
    const escalation::Deadlines deadlines(std::vector<escalation::Publication>{*std::move(rules)});
    town_.emplace(folder_.path(),
                  absl::FromCivil(absl::CivilHour(2026, 3, 2, 10), absl::FixedTimeZone(8 * 3600)), deadlines,
                  at_110);
    ASSERT_TRUE(town_->Open().ok());
  }

  void Pass(absl::Duration time) { town_->RunUntil(town_->clock().Now() + time); }
  // Half a year, without each of its moments.
  void HalfAYear() {
    town_->clock().Jump(kDay * 181);
    Pass(absl::Hours(1));
  }

  // The order's id at `site`; the test fails if the service refuses.
  std::string Do(int site, const std::string& order, Command command) {
    type::v1::CommandHeader& header = *command.mutable_header();
    header.set_request_id(absl::StrCat("erasure-test-", ++requests_));
    header.mutable_actor()->set_account("8001");
    header.set_order_id(order);
    const bool pushes = command.has_offer() && command.has_registration();
    std::string id;
    absl::Status status = absl::UnknownError("no answer");
    if (pushes) {
      town_->site(site).Push(std::move(command), [&](auto response) {
        status = response.status();
        if (response.ok()) id = response->order().id();
      });
    } else {
      town_->site(site).Act(std::move(command), [&](auto result) {
        status = result.status();
        if (status.ok() && result->has_error()) status = error::FromProto(result->error());
        if (status.ok()) id = result->order().id();
      });
    }
    Pass(absl::Minutes(2));
    EXPECT_TRUE(status.ok()) << status;
    return id;
  }
  // A hold, or its release.
  void Hold(int site, const std::string& order, Command command) {
    command.mutable_header()->set_order_id(order);
    command.mutable_header()->set_request_id(absl::StrCat("erasure-test-", ++requests_));
    command.mutable_header()->mutable_actor()->set_account("9001");
    absl::Status status = absl::UnknownError("no answer");
    town_->site(site).retention().Execute({.now = town_->clock().Now()}, std::move(command),
                                          [&](auto result) { status = result.status(); });
    Pass(absl::Minutes(1));
    EXPECT_TRUE(status.ok()) << status;
  }

  static type::v1::OrderContent Content(Pen& pen) {
    type::v1::OrderContent content;
    content.set_type(type::v1::ORDER_TYPE_HELP);
    content.set_channel(type::v1::CHANNEL_PHONE);
    content.set_urgency(type::v1::URGENCY_NORMAL);
    content.set_title(pen.Write("标题"));
    content.set_text(pen.Write("正文"));
    content.mutable_caller()->set_name(pen.Write("姓名"));
    content.mutable_caller()->set_phone(pen.Phone());
    content.mutable_caller()->set_contact_phone(pen.Phone());
    content.mutable_place()->set_address(pen.Write("地址"));
    content.mutable_place()->set_township_code("653024100");
    content.mutable_call()->set_recording_id(pen.Write("录音"));
    type::v1::Attachment& attachment = *content.add_attachments();
    attachment.set_uri("https://files.example/1");
    attachment.set_display_name(pen.Write("附件"));
    attachment.set_media_type("image/jpeg");
    attachment.set_size_bytes(10);
    attachment.set_sha256(std::string(32, 'a'));
    return content;
  }
  static type::v1::Reply Reply(Pen& pen, const std::string& unit) {
    type::v1::Reply reply;
    reply.set_disposition(type::v1::DISPOSITION_UNRESOLVED);
    reply.set_public_reply(pen.Write("答复"));
    reply.set_internal_reply(pen.Write("内部答复"));
    reply.set_unresolved_reason(pen.Write("未解决原因"));
    reply.set_unit(unit);
    return reply;
  }

  // A matter of 12345's caller that 110 handles: pushed, worked on, answered, called back, closed. Ids at
  // both.
  std::pair<std::string, std::string> Handed(Pen& pen) {
    Command push;
    *push.mutable_registration()->mutable_content() = Content(pen);
    push.mutable_offer()->set_to_hotline("110");
    push.mutable_offer()->set_note(pen.Write("移交说明"));
    const std::string here = Do(k12345, "", push);
    const std::string there = town_->site(k110).arrived().at(here);
    Command accept;
    accept.mutable_acceptance()->set_note(pen.Write("受理说明"));
    Do(k110, there, accept);
    Command dispatch;
    dispatch.mutable_unit_dispatch()->set_lead_unit("zhian");
    dispatch.mutable_unit_dispatch()->set_note(pen.Write("派单说明"));
    Do(k110, there, dispatch);
    Command sign;
    sign.mutable_signature()->set_unit("zhian");
    Do(k110, there, sign);
    Command contact;
    contact.mutable_caller_contact()->set_reached(true);
    contact.mutable_caller_contact()->set_note(pen.Write("联系记录"));
    Do(k110, there, contact);
    Command progress;
    progress.mutable_progress()->set_note(pen.Write("办理进展"));
    Do(k110, there, progress);
    Command done;
    *done.mutable_completion()->mutable_reply() = Reply(pen, "zhian");
    Do(k110, there, done);
    Command call;
    call.mutable_call_back_record()->mutable_call_back()->set_reached(true);
    call.mutable_call_back_record()->mutable_call_back()->set_satisfaction(3);
    call.mutable_call_back_record()->mutable_call_back()->set_note(pen.Write("回访记录"));
    Do(k12345, here, call);
    Command redo;
    redo.mutable_redo_demand()->set_reason(pen.Write("重办原因"));
    Do(k12345, here, redo);
    *done.mutable_completion()->mutable_reply() = Reply(pen, "zhian");
    Do(k110, there, done);
    Command close;
    close.mutable_closure()->set_note(pen.Write("办结说明"));
    Do(k12345, here, close);
    return {here, there};
  }
  // One that 110 gives back, and that 12345 then cancels.
  void Returned(Pen& pen) {
    Command push;
    *push.mutable_registration()->mutable_content() = Content(pen);
    push.mutable_offer()->set_to_hotline("110");
    const std::string here = Do(k12345, "", push);
    Command back;
    type::v1::HandoffReturn& handoff_return = *back.mutable_handoff_return();
    handoff_return.set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
    handoff_return.set_reason(pen.Write("退回原因"));
    Do(k110, town_->site(k110).arrived().at(here), back);
    Command cancel;
    cancel.mutable_cancellation()->set_reason(pen.Write("作废原因"));
    Do(k12345, here, cancel);
  }
  // One that stays at its own desk.
  std::string Registered(Pen& pen) {
    Command command;
    *command.mutable_registration()->mutable_content() = Content(pen);
    return Do(k12345, "", command);
  }

  // The marks that some file of the site's stores holds.
  std::set<std::string> Found(int site, const std::set<std::string>& marks) {
    Pass(absl::Hours(1));
    town_->site(site).Checkpoint();
    std::set<std::string> found;
    int files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(town_->site(site).folder())) {
      if (!entry.is_regular_file()) continue;
      ++files;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
      for (const std::string& mark : marks) {
        if (bytes.find(mark) != std::string::npos) found.insert(mark);
      }
    }
    EXPECT_GE(files, 3) << "work_order.db, escalation.db, report.db";
    return found;
  }

  operation::v1::RunRetentionResponse RunRetention(int site) {
    operation::v1::RunRetentionResponse answer;
    town_->site(site).retention().RunRetention(
        {.now = town_->clock().Now(), .deadline = town_->clock().Now() + absl::Hours(1)}, {},
        [&](auto response) {
          EXPECT_TRUE(response.ok()) << response.status();
          if (response.ok()) answer = *response;
        });
    Pass(absl::Minutes(5));
    EXPECT_TRUE(answer.done());
    return answer;
  }

  // Of both logs, every link and every order; by the service and by what looks at a store at rest.
  std::string Fault(int site, int64_t start = 0) {
    std::string fault = "no answer";
    workorder::v1::VerifyLogRequest request;
    request.set_start_sequence(start);
    town_->site(site).orders().VerifyLog(
        {.now = town_->clock().Now(), .deadline = absl::InfiniteFuture()}, request, [&](auto response) {
          fault = response.ok() ? response->fault() : std::string(response.status().message());
        });
    Pass(absl::Minutes(1));
    return fault;
  }
  std::vector<std::string> FaultsAtRest(int site) {
    std::vector<std::string> faults;
    for (const backup::Check& check :
         backup::VerifyStore(town_->site(site).folder() + "/work_order/work_order.db", /*still=*/false,
                             /*deep=*/true)) {
      if (!check.ok) faults.push_back(check.why.english);
    }
    return faults;
  }
  // Runs SQL on the site's store behind its back.
  void Tamper(int site, const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((town_->site(site).folder() + "/work_order/work_order.db").c_str(), &db),
              SQLITE_OK);
    char* text = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &text), SQLITE_OK) << (text ? text : "");
    EXPECT_GT(sqlite3_changes(db), 0);
    sqlite3_close(db);
  }

  ScratchFolder folder_;
  std::optional<Town> town_;
  int requests_ = 0;
};

TEST_F(ErasureTest, NothingThatWasWrittenIsLeftAndEverythingVerifies) {
  Pen handed(1), returned(2), own(3), held(4), open(5);
  Handed(handed);
  Returned(returned);
  const std::string cancelled = Registered(own);
  Command cancel;
  cancel.mutable_cancellation()->set_reason(own.Write("作废原因"));
  Do(k12345, cancelled, cancel);
  const auto [held_here, held_there] = Handed(held);
  Command hold;
  hold.mutable_hold_placement()->set_reason("行政复议");
  hold.mutable_hold_placement()->set_reference("恰法〔2026〕12号");
  Hold(k12345, held_here, hold);
  Registered(open);

  std::set<std::string> over = handed.marks();
  over.merge(returned.marks());
  std::set<std::string> own_marks = own.marks();
  // What a unit told its own hotline alone does not travel.
  std::set<std::string> before = Found(k12345, over);
  before.merge(Found(k110, over));
  ASSERT_EQ(before, over) << "a search that finds nothing would prove nothing";
  ASSERT_EQ(Found(k12345, own_marks), own_marks);
  const std::set<std::string> of_held = Found(k12345, held.marks());
  ASSERT_GT(of_held.size(), 10u);
  ASSERT_EQ(Fault(k12345), "");
  ASSERT_EQ(Fault(k110), "");

  HalfAYear();
  EXPECT_EQ(RunRetention(k12345).erased_count(), 3);
  EXPECT_EQ(RunRetention(k110).erased_count(), 3) << "the hold is 12345's own";
  over.merge(own_marks);
  EXPECT_THAT(Found(k12345, over), IsEmpty());
  EXPECT_THAT(Found(k110, over), IsEmpty());
  EXPECT_EQ(Found(k12345, held.marks()), of_held) << "all that ever was here";
  EXPECT_EQ(Found(k12345, open.marks()), open.marks());

  for (const int site : {k12345, k110}) {
    SCOPED_TRACE(site);
    EXPECT_EQ(Fault(site), "");
    EXPECT_EQ(Fault(site, 7), "") << "from the midst of an erased order's events";
    EXPECT_THAT(FaultsAtRest(site), IsEmpty());
  }
  // Both sites still hold the same of what they shared, though only one of them has a hold.
  dispatch::v1::ReconcileLinkRequest request;
  request.set_peer("110");
  std::optional<dispatch::v1::ReconcileLinkResponse> compared;
  town_->site(k12345).dispatch().ReconcileLink(
      {.now = town_->clock().Now(), .deadline = town_->clock().Now() + absl::Minutes(1)}, request,
      [&](auto response) {
        EXPECT_TRUE(response.ok()) << response.status();
        if (response.ok()) compared = *response;
      });
  Pass(absl::Minutes(2));
  ASSERT_TRUE(compared.has_value());
  EXPECT_EQ(compared->differences_size(), 0) << compared->ShortDebugString();
}

TEST_F(ErasureTest, WhatIsAlteredAfterAnErasureIsFound) {
  Pen pen(1);
  Handed(pen);
  HalfAYear();
  ASSERT_EQ(RunRetention(k12345).erased_count(), 1);
  ASSERT_EQ(Fault(k12345), "");
  // Somebody else registered it: the event can be read, and has the same length.
  Tamper(k12345,
         "UPDATE event SET bytes = CAST(replace(CAST(bytes AS TEXT), '8001', '8002') AS BLOB) WHERE sequence "
         "= 1");
  EXPECT_NE(Fault(k12345), "");
  EXPECT_THAT(FaultsAtRest(k12345), testing::Not(IsEmpty()));
}

TEST_F(ErasureTest, AnAlteredLeafIsFound) {
  Pen pen(1);
  Handed(pen);
  HalfAYear();
  ASSERT_EQ(RunRetention(k12345).erased_count(), 1);
  Tamper(k12345, "UPDATE outbox SET body = zeroblob(32) WHERE joined = 2");
  EXPECT_THAT(Fault(k12345), testing::HasSubstr("does not continue its chain"));
}

TEST_F(ErasureTest, AReleasedHoldLetsGo) {
  Pen pen(1);
  const auto [here, there] = Handed(pen);
  Command hold;
  hold.mutable_hold_placement()->set_reason(pen.Write("保全原因"));
  hold.mutable_hold_placement()->set_reference("恰法〔2026〕12号");
  Hold(k12345, here, hold);
  HalfAYear();
  EXPECT_EQ(RunRetention(k12345).erased_count(), 0);
  Command release;
  release.mutable_hold_release()->set_reason(pen.Write("解除原因"));
  Hold(k12345, here, release);
  HalfAYear();
  EXPECT_EQ(RunRetention(k12345).erased_count(), 1);
  EXPECT_THAT(Found(k12345, pen.marks()), IsEmpty());
  EXPECT_EQ(Fault(k12345), "");
}

}  // namespace
}  // namespace hotline::year
