#include "services/work_order/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/sha256.h"
#include "common/error/error.h"
#include "common/sql/faulty.h"
#include "common/sql/sqlite.h"
#include "tests/support/sql_scratch.h"

namespace hotline::work_order {
namespace {

using exchange::v1::Envelope;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using type::v1::OrderContent;
using type::v1::OrderState;
using type::v1::WorkOrder;
using workorder::v1::ListFilter;

constexpr int kNoLimit = 1'000'000;

// 2026-11-23 08:00 in Beijing.
const absl::Time kMorning = absl::FromUnixSeconds(1'795'392'000);

google::protobuf::Timestamp Stamp(absl::Time time) {
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(absl::ToUnixSeconds(time));
  stamp.set_nanos(
      static_cast<int32_t>((time - absl::FromUnixSeconds(stamp.seconds())) / absl::Nanoseconds(1)));
  return stamp;
}

std::string Bytes(const google::protobuf::MessageLite& message) { return message.SerializeAsString(); }

// What a test order is, apart from what every one is.
struct Sample {
  OrderState state = type::v1::ORDER_STATE_REGISTERED;
  std::string unit;  // named by the content
  std::string phone;
  type::v1::OrderType type = type::v1::ORDER_TYPE_HELP;
  type::v1::Urgency urgency = type::v1::URGENCY_NORMAL;
  std::string peer;   // other party of a handoff
  bool given = true;  // by this site, else by the peer
  absl::Time time = kMorning;
};

class StoreTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }

  void Open() {
    absl::StatusOr<std::unique_ptr<Store>> store =
        Store::Open({.directory = Directory(), .hotline = "12345", .on_remake = [this](bool done) {
                       remade_.push_back(done);
                     }});
    ASSERT_TRUE(store.ok()) << store.status();
    Use(*std::move(store));
  }
  void OpenFaulty(int64_t commit, sql::Fault fault) {
    Close();
    absl::StatusOr<std::unique_ptr<sql::Database>> real =
        sql::OpenSqlite({.path = Directory() + "/work_order.db"});
    ASSERT_TRUE(real.ok()) << real.status();
    // Opening is the first commit.
    auto store = Store::OpenOn(
        sql::MakeFaulty(*std::move(real),
                        [=](int64_t number) { return number == commit + 1 ? fault : sql::Fault::kNone; }),
        "12345");
    ASSERT_TRUE(store.ok()) << store.status();
    Use(*std::move(store));
  }
  void Use(std::unique_ptr<Store> store) {
    store_ = std::move(store);
    absl::StatusOr<std::unique_ptr<Reader>> reader = store_->NewReader();
    ASSERT_TRUE(reader.ok()) << reader.status();
    reader_ = *std::move(reader);
    heads_ = *reader_->ReadHeads();
  }
  void Close() {
    reader_.reset();
    store_.reset();
  }
  void Reopen() {
    Close();
    Open();
  }
  std::string Directory() const { return folder_.path() + "/data/work_order"; }

  WorkOrder Make(int64_t id, const Sample& sample) {
    WorkOrder order;
    order.set_id(FormatOrderId(id));
    order.set_number(FormatOrderNumber("12345", absl::ToCivilDay(sample.time, Beijing()), ++counter_));
    order.set_state(sample.state);
    order.mutable_custody()->set_holder("12345");
    order.mutable_custody()->set_epoch(1);
    order.set_version(1);
    order.set_type(sample.type);
    order.set_urgency(sample.urgency);
    order.set_title("题目");
    *order.mutable_register_time() = Stamp(sample.time);
    if (!sample.peer.empty()) {
      type::v1::Handoff& handoff = *order.mutable_handoff();
      handoff.set_from_hotline(sample.given ? "12345" : sample.peer);
      handoff.set_to_hotline(sample.given ? sample.peer : "12345");
      handoff.set_attempt(1);
      handoff.set_id(sample.given ? absl::StrCat("12345-", order.id(), "-1")
                                  : absl::StrCat(sample.peer, "-", FormatOrderId(id + 12345), "-1"));
    }
    return order;
  }
  static OrderContent ContentOf(const Sample& sample) {
    OrderContent content;
    content.set_type(sample.type);
    content.set_title("题目");
    content.set_text("正文");
    content.mutable_caller()->set_phone(sample.phone);
    content.set_lead_unit(sample.unit);
    return content;
  }
  static std::string Normalized(std::string phone) {
    phone.erase(std::remove(phone.begin(), phone.end(), '-'), phone.end());
    return phone;
  }
  // In a transaction of its own.
  int64_t Add(const Sample& sample) {
    EXPECT_TRUE(store_->Begin().ok());
    const int64_t id = AddUncommitted(sample);
    EXPECT_TRUE(store_->Commit().ok());
    return id;
  }
  int64_t AddUncommitted(const Sample& sample) {
    const int64_t id = NextOrderId(heads_.last_order_id, sample.time);
    heads_.last_order_id = id;
    const std::string phone = Normalized(sample.phone);
    const absl::Status status = store_->InsertOrder(id, Make(id, sample), Bytes(ContentOf(sample)),
                                                    phone.empty() ? "" : store_->CallerHash(phone));
    EXPECT_TRUE(status.ok()) << status;
    return id;
  }
  void Update(int64_t id, const std::function<void(WorkOrder*)>& change) {
    ASSERT_TRUE(store_->Begin().ok());
    WorkOrder order = **store_->reader().FindOrder(id);
    change(&order);
    order.set_version(order.version() + 1);
    const absl::Status status = store_->UpdateOrder(id, order);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_TRUE(store_->Commit().ok());
  }

  // The whole list, page by page; `seen` gets how many pages there were.
  std::vector<int64_t> List(const ListFilter& filter, int limit = 50, int scan_limit = kNoLimit,
                            int* pages = nullptr) {
    std::vector<int64_t> ids;
    int64_t before = 0;
    int count = 0;
    do {
      int64_t next = -1;
      absl::StatusOr<std::vector<WorkOrder>> page =
          reader_->List(filter, before, {.limit = limit, .scan_limit = scan_limit}, &next);
      EXPECT_TRUE(page.ok()) << page.status();
      EXPECT_LE(static_cast<int>(page->size()), limit);
      for (const WorkOrder& order : *page) {
        EXPECT_FALSE(order.has_content());
        ids.push_back(*ParseOrderId(order.id()));
      }
      EXPECT_TRUE(next == 0 || before == 0 || next < before) << "a list must come to its end";
      before = next;
      ++count;
    } while (before != 0);
    if (pages != nullptr) *pages = count;
    return ids;
  }

  const ScratchFolder folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Reader> reader_;
  Heads heads_;
  std::vector<bool> remade_;  // what each Open told of
  int64_t counter_ = 0;
};

TEST_F(StoreTest, EmptyStore) {
  const Heads heads = *reader_->ReadHeads();
  EXPECT_EQ(heads.last_order_id, 0);
  EXPECT_EQ(heads.event_sequence, 0);
  EXPECT_EQ(heads.event_hash, ChainStart());
  EXPECT_EQ(heads.number_day, absl::CivilDay());
  EXPECT_EQ(heads.number_counter, 0);
  EXPECT_FALSE(reader_->FindOrder(1)->has_value());
  EXPECT_FALSE(reader_->FindIdByNumber("12345-20261123-000001")->has_value());
  EXPECT_FALSE(reader_->FindIdByHandoff("110-0000000000001-1")->has_value());
  EXPECT_EQ(*reader_->FindContent(1), "");
  EXPECT_FALSE(reader_->FindRequest("request-1")->has_value());
  EXPECT_THAT(*reader_->ReadEvents(1, 10), IsEmpty());
  EXPECT_THAT(*reader_->ReadOutbox({"110"}, 0, 10), IsEmpty());
  EXPECT_THAT(*reader_->Links(), IsEmpty());
  EXPECT_THAT(*reader_->ScanOrders(0, 10), IsEmpty());
  EXPECT_THAT(List({}), IsEmpty());
  EXPECT_EQ(std::filesystem::status(Directory()).permissions(), std::filesystem::perms::owner_all);
}

TEST_F(StoreTest, OrderIsFoundByItsWays) {
  const Sample sample{.unit = "police", .phone = "+86-138-0000-0001", .peer = "110"};
  const int64_t given = Add(sample);
  const int64_t taken = Add({.peer = "110", .given = false});
  const WorkOrder order = **reader_->FindOrder(given);
  EXPECT_EQ(order.id(), FormatOrderId(given));
  EXPECT_EQ(order.number(), "12345-20261123-000001");
  EXPECT_FALSE(order.has_content());
  EXPECT_EQ(*reader_->FindContent(given), Bytes(ContentOf(sample)));
  EXPECT_EQ(*reader_->FindIdByNumber("12345-20261123-000001"), given);
  EXPECT_EQ(*reader_->FindIdByNumber("12345-20261123-000002"), taken);
  EXPECT_EQ(*reader_->FindIdByHandoff(order.handoff().id()), given);
  EXPECT_EQ(*reader_->FindIdByHandoff((**reader_->FindOrder(taken)).handoff().id()), taken);
  EXPECT_FALSE(reader_->FindIdByHandoff(absl::StrCat("12345-", order.id(), "-2"))->has_value());
  EXPECT_FALSE(reader_->FindIdByHandoff(absl::StrCat("110-", order.id(), "-1"))->has_value());
  EXPECT_THAT(List({}), ElementsAre(taken, given));
  EXPECT_EQ(reader_->ScanOrders(0, 10)->size(), 2u);
  EXPECT_EQ(reader_->ScanOrders(given, 10)->front().id(), FormatOrderId(taken));
  EXPECT_EQ(reader_->ScanOrders(0, 1)->front().id(), FormatOrderId(given));
}

TEST_F(StoreTest, UnknownFieldsOfAnOrderSurvive) {
  ASSERT_TRUE(store_->Begin().ok());
  WorkOrder order = Make(1000, {});
  order.GetReflection()->MutableUnknownFields(&order)->AddVarint(12345, 678);
  ASSERT_TRUE(store_->InsertOrder(1000, order, "\x7a\x01x", "").ok());
  ASSERT_TRUE(store_->Commit().ok());
  EXPECT_EQ(Bytes(**reader_->FindOrder(1000)), Bytes(order));
  EXPECT_EQ(*reader_->FindContent(1000), "\x7a\x01x");
}

TEST_F(StoreTest, NumbersAreReadAsWritten) {
  const int64_t id = Add({});
  for (const char* wrong : {"", "12345", "12345-20261123-", "12345-20261123-00001", "12345-20261123-0000001",
                            "110-20261123-000001", "12345-20261123-00000a", "12345-2026112-0000001",
                            "12345-20261123-00000000000000000001", "12345020261123-000001",
                            "12345-20261123 000001", "12345-20261123-99999999"}) {
    EXPECT_FALSE(reader_->FindIdByNumber(wrong)->has_value()) << wrong;
  }
  EXPECT_EQ(*reader_->FindIdByNumber("12345-20261123-000001"), id);
  counter_ = 1'234'566;
  const int64_t many = Add({});
  EXPECT_EQ(*reader_->FindIdByNumber("12345-20261123-1234567"), many);
}

TEST_F(StoreTest, HeadsAfterRestart) {
  const int64_t first = Add({});
  counter_ = 0;
  const int64_t id = Add({.time = kMorning + absl::Hours(24)});
  EXPECT_GT(id, first);
  ASSERT_TRUE(store_->Begin().ok());
  ASSERT_TRUE(store_->AppendEvent(1, "one", std::string(32, '1')).ok());
  ASSERT_TRUE(store_->AppendEvent(2, "two", std::string(32, '2')).ok());
  EXPECT_EQ(store_->reader().ReadHeads()->event_sequence, 2) << "the writer sees its transaction";
  EXPECT_EQ(reader_->ReadHeads()->event_sequence, 0);
  ASSERT_TRUE(store_->Commit().ok());
  Reopen();
  const Heads heads = *store_->reader().ReadHeads();
  EXPECT_EQ(heads.last_order_id, id);
  EXPECT_EQ(heads.event_sequence, 2);
  EXPECT_EQ(heads.event_hash, std::string(32, '2'));
  EXPECT_EQ(heads.number_day, absl::CivilDay(2026, 11, 24));
  EXPECT_EQ(heads.number_counter, 1);
}

TEST_F(StoreTest, Events) {
  ASSERT_TRUE(store_->Begin().ok());
  for (int64_t sequence = 1; sequence <= 10; ++sequence) {
    ASSERT_TRUE(store_->AppendEvent(sequence, absl::StrCat("event ", sequence), std::string(32, 'h')).ok());
  }
  ASSERT_TRUE(store_->Commit().ok());
  const std::vector<EventRow> rows = *reader_->ReadEvents(4, 3);
  ASSERT_EQ(rows.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(rows[i].sequence, 4 + i);
    EXPECT_EQ(rows[i].bytes, absl::StrCat("event ", 4 + i));
    EXPECT_EQ(rows[i].hash, std::string(32, 'h'));
  }
  EXPECT_EQ(reader_->ReadEvents(9, 100)->size(), 2u);
  EXPECT_THAT(*reader_->ReadEvents(11, 100), IsEmpty());
  ASSERT_TRUE(store_->Begin().ok());
  EXPECT_EQ(error::ReasonOf(store_->AppendEvent(10, "again", "h")), error::Reason::ERROR_REASON_INTERNAL);
  store_->Rollback();
  EXPECT_EQ(reader_->ReadEvents(10, 1)->front().bytes, "event 10");
}

TEST_F(StoreTest, Requests) {
  const int64_t id = Add({});
  ASSERT_TRUE(store_->Begin().ok());
  const RequestRow row{.fingerprint = std::string(32, 'f'), .result = std::string("\0result", 7)};
  ASSERT_TRUE(store_->InsertRequest("request-0001", row, id).ok());
  EXPECT_EQ((**store_->reader().FindRequest("request-0001")).result, row.result);
  EXPECT_FALSE(reader_->FindRequest("request-0001")->has_value());
  ASSERT_TRUE(store_->Commit().ok());
  Reopen();
  EXPECT_EQ((**reader_->FindRequest("request-0001")).fingerprint, row.fingerprint);
  EXPECT_EQ((**reader_->FindRequest("request-0001")).result, row.result);
  EXPECT_FALSE(reader_->FindRequest("request-0002")->has_value());
  ASSERT_TRUE(store_->Begin().ok());
  EXPECT_EQ(error::ReasonOf(store_->InsertRequest("request-0001", row, id)),
            error::Reason::ERROR_REASON_INTERNAL);
  store_->Rollback();
}

TEST_F(StoreTest, Links) {
  const LinkRow link{.key = {"110"},
                     .outgoing_sequence = 7,
                     .outgoing_hash = std::string(32, 'o'),
                     .acknowledged_sequence = 5,
                     .acknowledged_hash = std::string(32, 'a'),
                     .acknowledged_time = kMorning,
                     .incoming_sequence = 3,
                     .incoming_hash = std::string(32, 'i'),
                     .incoming_time = kMorning + absl::Nanoseconds(1)};
  ASSERT_TRUE(store_->Begin().ok());
  ASSERT_TRUE(store_->PutLink(link).ok());
  ASSERT_TRUE(store_->PutLink(LinkRow::New({"119"})).ok());
  ASSERT_TRUE(store_->PutLink(LinkRow::New({"119", exchange::v1::LANE_EMERGENCY})).ok());
  ASSERT_TRUE(store_->Commit().ok());
  ASSERT_TRUE(store_->Begin().ok());
  LinkRow later = link;
  later.acknowledged_sequence = 6;
  ASSERT_TRUE(store_->PutLink(later).ok());
  ASSERT_TRUE(store_->Commit().ok());
  Reopen();
  const std::vector<LinkRow> links = *reader_->Links();
  ASSERT_EQ(links.size(), 3u);
  EXPECT_EQ(links[0].key, LaneKey{"110"});
  EXPECT_EQ(links[0].acknowledged_hash, link.acknowledged_hash);
  EXPECT_EQ(links[0].acknowledged_time, link.acknowledged_time);
  EXPECT_FALSE(links[0].replaying());
  EXPECT_EQ(links[0].outgoing_sequence, 7);
  EXPECT_EQ(links[0].outgoing_hash, link.outgoing_hash);
  EXPECT_EQ(links[0].acknowledged_sequence, 6);
  EXPECT_EQ(links[0].incoming_sequence, 3);
  EXPECT_EQ(links[0].incoming_hash, link.incoming_hash);
  EXPECT_EQ(links[0].incoming_time, link.incoming_time);
  EXPECT_EQ(links[1].key.peer, "119");
  EXPECT_EQ(links[2].outgoing_hash, std::string(32, '\x01'));
  EXPECT_EQ(links[1].incoming_time, absl::UnixEpoch());
}

TEST_F(StoreTest, OfferIsWholeAgainWhenItIsRead) {
  const int64_t id = Add({.phone = "110", .peer = "110"});
  const std::string content = *reader_->FindContent(id);
  exchange::v1::OfferBody body;
  body.set_origin_hotline("12345");
  body.mutable_handoff()->set_id("12345-x-1");
  exchange::v1::OfferBody whole = body;
  whole.set_content(content);
  ASSERT_EQ(OfferBodyWithContent(Bytes(body), content), Bytes(whole)) << "as protobuf itself would write it";
  EXPECT_EQ(OfferBodyWithContent(Bytes(body), ""), Bytes(body));
  const std::string large(300'000, 'c');
  whole.set_content(large);
  EXPECT_EQ(OfferBodyWithContent(Bytes(body), large), Bytes(whole));
  whole.set_content(content);

  ASSERT_TRUE(store_->Begin().ok());
  std::map<std::string, std::vector<Envelope>> sent;
  std::map<std::string, std::string> hash = {{"110", ChainStart()}, {"119", ChainStart()}};
  for (int64_t sequence = 1; sequence <= 6; ++sequence) {
    for (const char* peer : {"110", "119"}) {
      Envelope envelope;
      envelope.set_sequence(sequence);
      envelope.set_handoff_id("12345-x-1");
      const bool offer = sequence % 2 == 1;
      envelope.set_kind(offer ? exchange::v1::ENVELOPE_KIND_OFFER : exchange::v1::ENVELOPE_KIND_MIRROR);
      envelope.set_previous_hash(hash[peer]);
      hash[peer] = Sha256({hash[peer], peer, "next"});
      envelope.set_hash(hash[peer]);
      envelope.set_traceparent(NewTraceparent());
      envelope.set_seen_sequence(sequence / 2);
      envelope.set_body(offer ? Bytes(whole) : "mirror");
      const EnvelopeRow row{.envelope = envelope, .order_id = id, .commit_time = kMorning};
      const absl::Status status = store_->AppendOutbox({peer}, row, offer ? content : "");
      ASSERT_TRUE(status.ok()) << status;
      ASSERT_TRUE(store_->AppendInbox({peer}, row, offer ? content : "").ok());
      sent[peer].push_back(envelope);
    }
  }
  EXPECT_EQ(store_->reader().ReadOutbox({"110"}, 0, 10)->size(), 6u) << "the writer sees its transaction";
  ASSERT_TRUE(store_->Commit().ok());

  for (const bool reopened : {false, true}) {
    if (reopened) Reopen();
    for (const char* peer : {"110", "119"}) {
      for (int64_t after : {0, 1, 3, 5, 6, 7}) {
        for (int limit : {1, 2, 10}) {
          const std::vector<EnvelopeRow> rows = *reader_->ReadOutbox({peer}, after, limit);
          ASSERT_EQ(static_cast<int64_t>(rows.size()), std::clamp<int64_t>(6 - after, 0, limit));
          for (size_t i = 0; i < rows.size(); ++i) {
            EXPECT_EQ(rows[i].order_id, id);
            EXPECT_EQ(rows[i].commit_time, kMorning);
            EXPECT_EQ(Bytes(rows[i].envelope), Bytes(sent[peer][after + i]));
          }
        }
      }
    }
    EXPECT_EQ(Bytes(reader_->ReadInbox({"119"}, 2, 1)->at(0).envelope), Bytes(sent["119"][2]));
    EXPECT_THAT(*reader_->ReadInbox({"119", exchange::v1::LANE_EMERGENCY}, 0, 10), IsEmpty());
    EXPECT_THAT(*reader_->ReadOutbox({"120"}, 0, 10), IsEmpty());
  }
}

TEST_F(StoreTest, WhatPeersSignedIsFoundByTheEnvelope) {
  const LaneKey key{"110", exchange::v1::LANE_EMERGENCY};
  const auto batch = [](const char* statement) {
    exchange::v1::SignedBatch batch;
    batch.set_statement(statement);
    return batch;
  };
  exchange::v1::LinkReceipt receipt;
  receipt.set_received_through(5);
  receipt.set_statement("receipt");
  ASSERT_TRUE(store_->Begin().ok());
  ASSERT_TRUE(store_->PutBatch(key, 1, 4, batch("1-4")).ok());
  ASSERT_TRUE(store_->PutBatch(key, 3, 6, batch("3-6")).ok()) << "sent again, with more";
  ASSERT_TRUE(store_->PutBatch(key, 7, 7, batch("7-7")).ok());
  ASSERT_TRUE(store_->PutBatch(key, 7, 7, batch("again")).ok());
  ASSERT_TRUE(store_->PutReceipt(key, receipt).ok());
  ASSERT_TRUE(store_->Commit().ok());
  Reopen();
  const auto statements = [&](int64_t first, int64_t last) {
    std::string all;
    const auto batches = reader_->ReadBatches(key, first, last);
    for (const auto& one : *batches) absl::StrAppend(&all, one.statement(), " ");
    return all;
  };
  EXPECT_EQ(statements(1, 2), "1-4 ");
  EXPECT_EQ(statements(4, 4), "1-4 3-6 ");
  EXPECT_EQ(statements(5, 9), "3-6 7-7 ");
  EXPECT_EQ(statements(8, 9), "");
  EXPECT_EQ((**reader_->FindReceipt(key, 2)).statement(), "receipt");
  EXPECT_FALSE(reader_->FindReceipt(key, 6)->has_value());
  EXPECT_FALSE(reader_->FindReceipt({"110"}, 2)->has_value());
}

TEST_F(StoreTest, ACutOutboxGrowsAgain) {
  ASSERT_TRUE(store_->Begin().ok());
  Envelope envelope;
  envelope.set_hash(std::string(32, 'h'));
  for (int64_t sequence = 1; sequence <= 4; ++sequence) {
    envelope.set_sequence(sequence);
    for (const char* peer : {"110", "119"}) {
      ASSERT_TRUE(store_->AppendOutbox({peer}, {.envelope = envelope}, "").ok());
    }
  }
  ASSERT_TRUE(store_->TruncateOutbox({"110"}, 2).ok());
  envelope.set_sequence(3);
  envelope.set_handoff_id("another");
  ASSERT_TRUE(store_->AppendOutbox({"110"}, {.envelope = envelope}, "").ok());
  ASSERT_TRUE(store_->Commit().ok());
  ASSERT_EQ(reader_->ReadOutbox({"110"}, 0, 10)->size(), 3u);
  EXPECT_EQ(reader_->ReadOutbox({"110"}, 2, 10)->at(0).envelope.handoff_id(), "another");
  EXPECT_EQ(reader_->ReadOutbox({"119"}, 0, 10)->size(), 4u);
}

TEST_F(StoreTest, RolledBackLinkIsForgotten) {
  Envelope envelope;
  envelope.set_sequence(1);
  envelope.set_hash(std::string(32, 'h'));
  ASSERT_TRUE(store_->Begin().ok());
  ASSERT_TRUE(store_->AppendOutbox({"110"}, {.envelope = envelope}, "").ok());
  store_->Rollback();
  ASSERT_TRUE(store_->Begin().ok());
  ASSERT_TRUE(store_->AppendOutbox({"119"}, {.envelope = envelope}, "").ok());
  ASSERT_TRUE(store_->AppendOutbox({"110"}, {.envelope = envelope}, "").ok());
  ASSERT_TRUE(store_->Commit().ok());
  EXPECT_EQ(reader_->ReadOutbox({"110"}, 0, 10)->size(), 1u);
  EXPECT_EQ(reader_->ReadOutbox({"119"}, 0, 10)->size(), 1u);
  EXPECT_EQ(reader_->Links()->size(), 2u);
}

TEST_F(StoreTest, UpdateMovesAnOrderBetweenLists) {
  const int64_t id = Add({.unit = "water"});
  const int64_t other = Add({.unit = "roads"});
  ListFilter registered;
  registered.add_states(type::v1::ORDER_STATE_REGISTERED);
  ListFilter dispatched;
  dispatched.add_states(type::v1::ORDER_STATE_DISPATCHED);
  ListFilter water;
  water.set_unit("water");
  ListFilter roads;
  roads.set_unit("roads");
  EXPECT_THAT(List(water), ElementsAre(id));
  Update(id, [](WorkOrder* order) { order->set_title("改"); });
  EXPECT_EQ((**reader_->FindOrder(id)).title(), "改");
  EXPECT_EQ((**reader_->FindOrder(id)).version(), 2);
  EXPECT_THAT(List(registered), ElementsAre(other, id));
  Update(id, [](WorkOrder* order) {
    order->set_state(type::v1::ORDER_STATE_DISPATCHED);
    order->add_units()->set_unit("assisting");
    order->add_units()->set_unit("roads");
    order->mutable_units(1)->set_lead(true);
  });
  EXPECT_THAT(List(registered), ElementsAre(other));
  EXPECT_THAT(List(dispatched), ElementsAre(id));
  EXPECT_THAT(List(water), IsEmpty());
  EXPECT_THAT(List(roads), ElementsAre(other, id));
  Update(id, [](WorkOrder* order) {
    order->set_state(type::v1::ORDER_STATE_REGISTERED);
    order->clear_units();
  });
  EXPECT_THAT(List(registered), ElementsAre(other, id));
  EXPECT_THAT(List(roads), ElementsAre(other)) << "it has it no more";
  EXPECT_THAT(List(water), ElementsAre(id)) << "the one that the content names";
  // The engine knows how it was before.
  const auto known = [&](int64_t order_id, const char* unit) {
    ASSERT_TRUE(store_->Begin().ok());
    const WorkOrder before = **store_->reader().FindOrder(order_id);
    WorkOrder after = before;
    after.clear_units();
    if (unit != nullptr) {
      after.add_units()->set_unit(unit);
      after.mutable_units(0)->set_lead(true);
    }
    ASSERT_TRUE(store_->UpdateKnownOrder(order_id, after, before).ok());
    ASSERT_TRUE(store_->Commit().ok());
  };
  const int64_t open = Add({});
  for (const int64_t order_id : {id, open}) {
    known(order_id, "roads");
    EXPECT_THAT(List(roads), ElementsAre(std::max(order_id, other), std::min(order_id, other)));
    known(order_id, nullptr);
    EXPECT_THAT(List(roads), ElementsAre(other));
  }
  EXPECT_THAT(List(water), ElementsAre(id));
}

TEST_F(StoreTest, UpdateLearnsANewHandoff) {
  const int64_t id = Add({.peer = "110", .given = false});
  const std::string first = (**reader_->FindOrder(id)).handoff().id();
  Update(id, [&](WorkOrder* order) {
    *order->add_past_handoffs() = order->handoff();
    order->mutable_handoff()->set_id("119-0000000000ABC-2");
  });
  EXPECT_EQ(*reader_->FindIdByHandoff(first), id);
  EXPECT_EQ(*reader_->FindIdByHandoff("119-0000000000ABC-2"), id);
  // Offered on by this site: found by the id in it.
  const std::string own = absl::StrCat("12345-", FormatOrderId(id), "-3");
  Update(id, [&](WorkOrder* order) {
    *order->add_past_handoffs() = order->handoff();
    order->mutable_handoff()->set_id(own);
  });
  EXPECT_EQ(*reader_->FindIdByHandoff(own), id);
  EXPECT_EQ(*reader_->FindIdByHandoff(first), id);
  // A peer that writes this site's code before another's order.
  const int64_t other = Add({});
  const std::string odd = absl::StrCat("12345-", FormatOrderId(id), "-9");
  Update(other, [&](WorkOrder* order) { order->mutable_handoff()->set_id(odd); });
  EXPECT_EQ(*reader_->FindIdByHandoff(odd), other);
  ASSERT_TRUE(store_->Begin().ok());
  WorkOrder thief = **reader_->FindOrder(other);
  thief.mutable_handoff()->set_id(first);
  EXPECT_EQ(error::ReasonOf(store_->UpdateOrder(other, thief)), error::Reason::ERROR_REASON_INTERNAL);
  store_->Rollback();
}

TEST_F(StoreTest, ListFilters) {
  std::vector<std::pair<int64_t, Sample>> all;
  const OrderState states[] = {type::v1::ORDER_STATE_REGISTERED, type::v1::ORDER_STATE_OFFERED,
                               type::v1::ORDER_STATE_CLOSED, type::v1::ORDER_STATE_ARCHIVED};
  const char* units[] = {"", "water", "roads"};
  const char* peers[] = {"", "110", "119"};
  const char* phones[] = {"", "138-0000-0001", "13800000001", "13800000002"};
  ASSERT_TRUE(store_->Begin().ok());
  for (int i = 0; i < 300; ++i) {
    const Sample sample{.state = states[i % 4],
                        .unit = units[i % 3],
                        .phone = phones[i / 7 % 4],
                        .type = i % 5 == 0 ? type::v1::ORDER_TYPE_PRAISE : type::v1::ORDER_TYPE_HELP,
                        .urgency = i % 6 == 0 ? type::v1::URGENCY_EMERGENCY : type::v1::URGENCY_NORMAL,
                        .peer = peers[i / 3 % 3],
                        .given = i % 2 == 0,
                        .time = kMorning + absl::Minutes(i)};
    all.emplace_back(AddUncommitted(sample), sample);
  }
  ASSERT_TRUE(store_->Commit().ok());
  // Every combination of some conditions against the plain meaning of the words.
  int nonempty = 0;
  for (int mask = 0; mask < 128; ++mask) {
    for (int variant = 0; variant < 3; ++variant) {
      ListFilter filter;
      if (mask & 1) {
        filter.add_states(states[variant]);
        if (variant > 0) filter.add_states(states[3]);
        if (variant > 1) filter.add_states(states[0]);
      }
      if (mask & 2) filter.set_unit(variant == 0 ? "water" : "roads");
      if (mask & 4) filter.set_hotline(variant == 2 ? "12345" : "110");
      if (mask & 8) filter.set_type(type::v1::ORDER_TYPE_PRAISE);
      if (mask & 16) filter.set_urgency(type::v1::URGENCY_EMERGENCY);
      if (mask & 32) {
        *filter.mutable_register_start_time() = Stamp(kMorning + absl::Minutes(50));
        *filter.mutable_register_end_time() = Stamp(kMorning + absl::Minutes(250));
      }
      if (mask & 64) filter.set_caller_phone(variant == 0 ? "138-000-00001" : "13800000002");
      std::vector<int64_t> expected;
      for (auto it = all.rbegin(); it != all.rend(); ++it) {
        const Sample& sample = it->second;
        const auto& wanted = filter.states();
        if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), sample.state) == wanted.end())
          continue;
        if (!filter.unit().empty() && sample.unit != filter.unit()) continue;
        if (filter.hotline() == "110" && sample.peer != "110") continue;
        if ((mask & 8) && sample.type != type::v1::ORDER_TYPE_PRAISE) continue;
        if ((mask & 16) && sample.urgency != type::v1::URGENCY_EMERGENCY) continue;
        if ((mask & 32) &&
            (sample.time < kMorning + absl::Minutes(50) || sample.time >= kMorning + absl::Minutes(250))) {
          continue;
        }
        if ((mask & 64) && Normalized(sample.phone) != Normalized(filter.caller_phone())) continue;
        expected.push_back(it->first);
      }
      nonempty += expected.empty() ? 0 : 1;
      ASSERT_EQ(List(filter), expected) << filter.ShortDebugString();
      ASSERT_EQ(List(filter, 7, 20), expected) << filter.ShortDebugString();
      ASSERT_EQ(List(filter, 1, 1), expected) << filter.ShortDebugString();
    }
  }
  EXPECT_GT(nonempty, 150);
}

// On a busy site they were out of reach within hours.
TEST_F(StoreTest, PartnersAreFoundByTheirIncidentHoweverManyOrdersCameSince) {
  constexpr int kNewer = 4097;
  const int64_t incident = Add({});
  const int64_t partner = Add({});
  const auto bind = [&](WorkOrder* order) { order->set_parent_id(FormatOrderId(incident)); };
  Update(partner, bind);
  ASSERT_TRUE(store_->Begin().ok());
  for (int i = 0; i < kNewer; ++i) AddUncommitted({});
  ASSERT_TRUE(store_->Commit().ok());
  ListFilter filter;
  filter.set_parent_id(FormatOrderId(incident));
  filter.add_states(type::v1::ORDER_STATE_REGISTERED);
  const auto found = [&] {
    std::vector<int64_t> ids;
    int64_t next = 0;
    const auto page = reader_->List(filter, 0, {.limit = 64, .scan_limit = 4096}, &next);
    EXPECT_TRUE(page.ok()) << page.status();
    for (const WorkOrder& order : *page) ids.push_back(*ParseOrderId(order.id()));
    return ids;
  };
  EXPECT_THAT(found(), ElementsAre(partner));
  // Bound when it is made, and when it is known as it was.
  ASSERT_TRUE(store_->Begin().ok());
  const int64_t second = NextOrderId(heads_.last_order_id, kMorning);
  WorkOrder made = Make(second, {});
  bind(&made);
  ASSERT_TRUE(store_->InsertOrder(second, made, "", "").ok());
  const int64_t third = NextOrderId(second, kMorning);
  const WorkOrder before = Make(third, {});
  ASSERT_TRUE(store_->InsertOrder(third, before, "", "").ok());
  WorkOrder after = before;
  bind(&after);
  ASSERT_TRUE(store_->UpdateKnownOrder(third, after, before).ok());
  ASSERT_TRUE(store_->Commit().ok());
  EXPECT_THAT(found(), ElementsAre(third, second, partner));
  // A store of before there was such an index gets one.
  Close();
  {
    auto database = *sql::OpenSqlite({.path = Directory() + "/work_order.db"});
    auto writer = *database->OpenWriter();
    ASSERT_TRUE(writer->Begin().ok());
    ASSERT_TRUE(writer->Execute("DROP TABLE partner; DELETE FROM meta WHERE name = 'partner_index';").ok());
    ASSERT_TRUE(writer->Commit().ok());
  }
  Open();
  EXPECT_THAT(found(), ElementsAre(third, second, partner));
  filter.add_states(type::v1::ORDER_STATE_CLOSED);
  Update(third, [](WorkOrder* order) { order->set_state(type::v1::ORDER_STATE_RETURNED); });
  EXPECT_THAT(found(), ElementsAre(second, partner));
  filter.set_parent_id("none");
  EXPECT_THAT(found(), IsEmpty());
}

// What earlier releases left without: whose the envelopes are that came back before their orders, and which
// orders were registered before the time that their ids say.
TEST_F(StoreTest, AnOlderStoreLearnsWhatIsEarlyAndWhoseWhatCameBackIs) {
  const int64_t erased = Add({.peer = "110", .given = false});
  const int64_t order = Add({.peer = "110", .given = false, .time = kMorning + absl::Hours(24 * 300)});
  const int64_t early = Add({});
  const LaneKey key{.peer = "110", .lane = exchange::v1::LANE_ORDINARY};
  ASSERT_TRUE(store_->Begin().ok());
  LinkRow link = LinkRow::New(key);
  for (const std::string& handoff : {(*reader_->FindOrder(order))->handoff().id(), std::string("110-x-1"),
                                     (*reader_->FindOrder(erased))->handoff().id()}) {
    EnvelopeRow row;
    row.envelope.set_sequence(++link.outgoing_sequence);
    row.envelope.set_handoff_id(handoff);
    row.envelope.set_body("王小明");
    ASSERT_TRUE(store_->AppendOutbox(key, row, "").ok());
  }
  // What came about orders: one that is here, and one that is not.
  for (const int64_t about : {order, early + 1}) {
    EnvelopeRow row;
    row.order_id = about;
    row.envelope.set_sequence(++link.incoming_sequence);
    row.envelope.set_body("王小明");
    ASSERT_TRUE(store_->AppendInbox(key, row, "").ok());
  }
  ASSERT_TRUE(store_->PutLink(link).ok());
  ASSERT_TRUE(store_->Commit().ok());
  Update(erased, [](WorkOrder* record) { *record->mutable_erase_time() = Stamp(kMorning); });
  Close();
  {
    auto database = *sql::OpenSqlite({.path = Directory() + "/work_order.db"});
    auto writer = *database->OpenWriter();
    ASSERT_TRUE(writer->Begin().ok());
    ASSERT_TRUE(
        writer->Execute("DROP TABLE early; UPDATE meta SET value = X'31' WHERE name = 'partner_index';")
            .ok());
    ASSERT_TRUE(writer->Commit().ok());
  }
  EXPECT_THAT(remade_, IsEmpty()) << "a new store is not";
  Open();
  EXPECT_THAT(remade_, ElementsAre(false, true));
  EXPECT_TRUE(store_->stats().empties_log) << "what was erased is not to be read there";
  ASSERT_TRUE(store_->Checkpoint().ok());
  EXPECT_FALSE(store_->stats().empties_log);
  EXPECT_THAT(*reader_->OutboxOrders(key, 0, 10), ElementsAre(order, 0, erased));
  const auto written = *reader_->ReadOutbox(key, 0, 10);
  ASSERT_EQ(written.size(), 3u);
  for (const EnvelopeRow& row : written) {
    EXPECT_EQ(row.envelope.body(), row.order_id == erased ? "" : "王小明");
    EXPECT_EQ(row.erased_leaf.empty(), row.order_id != erased);
  }
  const auto came = *reader_->ReadInbox(key, 0, 10);
  ASSERT_EQ(came.size(), 2u);
  EXPECT_EQ(came[0].order_id, order);
  EXPECT_EQ(came[1].order_id, 0) << "retention finds it";
  ListFilter filter;
  *filter.mutable_register_end_time() = Stamp(kMorning + absl::Hours(1));
  EXPECT_THAT(List(filter), ElementsAre(early, erased));
  Reopen();
  EXPECT_THAT(remade_, SizeIs(2)) << "once";
  EXPECT_FALSE(store_->stats().empties_log);
}

// After the clock had been ahead more than once; recovered ones come in any order.
TEST_F(StoreTest, WhatIsEarlyIsListedInWhateverOrderItCame) {
  const int64_t ahead = FirstOrderIdAt(kMorning + absl::Hours(24 * 300));
  ASSERT_TRUE(store_->Begin().ok());
  for (const int hours : {1, 2, 0, 3}) {
    const int64_t id = ahead - hours;
    const WorkOrder order = Make(id, {.time = kMorning + absl::Hours(hours)});
    ASSERT_TRUE(store_->InsertOrder(id, order, "", "").ok());
  }
  ASSERT_TRUE(store_->Commit().ok());
  const auto before = [this](int hours) {
    ListFilter filter;
    *filter.mutable_register_end_time() = Stamp(kMorning + absl::Hours(hours));
    return List(filter);
  };
  for (const bool anew : {false, true}) {
    EXPECT_THAT(before(1), ElementsAre(ahead)) << anew;
    EXPECT_THAT(before(2), ElementsAre(ahead, ahead - 1)) << anew;
    EXPECT_THAT(before(3), ElementsAre(ahead, ahead - 1, ahead - 2)) << anew;
    EXPECT_THAT(before(4), ElementsAre(ahead, ahead - 1, ahead - 2, ahead - 3)) << anew;
    if (anew) break;
    Close();
    {
      auto database = *sql::OpenSqlite({.path = Directory() + "/work_order.db"});
      auto writer = *database->OpenWriter();
      ASSERT_TRUE(writer->Begin().ok());
      ASSERT_TRUE(writer->Execute("DROP TABLE early; DELETE FROM meta WHERE name = 'partner_index';").ok());
      ASSERT_TRUE(writer->Commit().ok());
    }
    Open();
  }
}

TEST_F(StoreTest, ScanIsBounded) {
  for (int i = 0; i < 200; ++i)
    Add({.type = i == 0 ? type::v1::ORDER_TYPE_PRAISE : type::v1::ORDER_TYPE_HELP});
  ListFilter filter;
  filter.set_type(type::v1::ORDER_TYPE_PRAISE);
  int pages = 0;
  EXPECT_EQ(List(filter, 50, 30, &pages).size(), 1u);
  EXPECT_EQ(pages, 7);
  EXPECT_EQ(List({}, 50, kNoLimit, &pages).size(), 200u);
  EXPECT_LE(pages, 5);
  // Exactly full and nothing after it.
  EXPECT_EQ(List({}, 200, kNoLimit, &pages).size(), 200u);
  EXPECT_LE(pages, 2);
}

// Whether a full page is the last is looked for no further than a page that is not full is.
TEST_F(StoreTest, BehindAFullPageTheScanIsBoundedToo) {
  std::vector<int64_t> ids;
  for (int i = 0; i < 100; ++i) {
    ids.push_back(Add({.type = i % 70 == 29 ? type::v1::ORDER_TYPE_PRAISE : type::v1::ORDER_TYPE_HELP}));
  }
  std::reverse(ids.begin(), ids.end());  // wanted are the first and the one at 70
  ListFilter filter;
  filter.set_type(type::v1::ORDER_TYPE_PRAISE);
  std::vector<int64_t> found;
  int64_t next = 0;
  const auto read = [&](int scan_limit) {
    const auto page = reader_->List(filter, next, {.limit = 1, .scan_limit = scan_limit}, &next);
    ASSERT_TRUE(page.ok()) << page.status();
    found.clear();
    for (const WorkOrder& order : *page) found.push_back(*ParseOrderId(order.id()));
  };
  read(30);
  EXPECT_THAT(found, ElementsAre(ids[0]));
  EXPECT_EQ(next, ids[29]) << "it goes on where the scan ended, not at the order that was found";
  read(30);
  EXPECT_THAT(found, IsEmpty());
  EXPECT_EQ(next, ids[59]);
  read(30);
  EXPECT_THAT(found, ElementsAre(ids[70]));
  EXPECT_EQ(next, ids[89]) << "full, and perhaps there is more";
  read(30);
  EXPECT_THAT(found, IsEmpty());
  EXPECT_EQ(next, 0);
  // Where the next one is near enough, it is the end of the page.
  read(80);
  EXPECT_THAT(found, ElementsAre(ids[0]));
  EXPECT_EQ(next, ids[0]);
  read(1000);
  EXPECT_THAT(found, ElementsAre(ids[70]));
  EXPECT_EQ(next, 0) << "it saw that there is no more";
}

TEST_F(StoreTest, PagingIsStableUnderInserts) {
  std::vector<int64_t> before;
  ASSERT_TRUE(store_->Begin().ok());
  for (int i = 0; i < 100; ++i) before.push_back(AddUncommitted({.unit = "water", .phone = "13800000001"}));
  ASSERT_TRUE(store_->Commit().ok());
  std::reverse(before.begin(), before.end());
  for (int path = 0; path < 4; ++path) {
    ListFilter filter;
    if (path == 1) filter.set_unit("water");
    if (path == 2) filter.add_states(type::v1::ORDER_STATE_REGISTERED);
    if (path == 3) filter.set_caller_phone("13800000001");
    std::vector<int64_t> seen;
    int64_t at = 0;
    do {
      int64_t next = 0;
      const std::vector<WorkOrder> page =
          *reader_->List(filter, at, {.limit = 9, .scan_limit = kNoLimit}, &next);
      for (const WorkOrder& order : page) {
        seen.push_back(*ParseOrderId(order.id()));
      }
      at = next;
      Add({.unit = "water", .phone = "13800000001"});
    } while (at != 0);
    const std::vector<int64_t> tail(seen.end() - static_cast<std::ptrdiff_t>(before.size()), seen.end());
    EXPECT_EQ(tail, before) << "each once, newest first, nothing slips in";
    EXPECT_EQ(std::set<int64_t>(seen.begin(), seen.end()).size(), seen.size());
  }
}

// That a page went on told that there was something behind it, and where it did so told what.
TEST_F(StoreTest, APageTellsNothingOfWhatMayNotBeKnown) {
  std::set<int64_t> hidden;
  std::vector<int64_t> known;
  ASSERT_TRUE(store_->Begin().ok());
  for (int i = 0; i < 60; ++i) {
    const int64_t id = AddUncommitted({.unit = "water", .phone = "13800000001"});
    if (i < 10 || i % 3 == 0) {
      hidden.insert(id);
    } else {
      known.push_back(id);
    }
  }
  ASSERT_TRUE(store_->Commit().ok());
  std::reverse(known.begin(), known.end());
  for (int path = 0; path < 5; ++path) {
    ListFilter filter;
    if (path == 1) filter.set_unit("water");
    if (path == 2) filter.add_states(type::v1::ORDER_STATE_REGISTERED);
    if (path == 3) filter.set_caller_phone("13800000001");
    if (path == 4) filter.set_type(type::v1::ORDER_TYPE_HELP);
    for (const auto& [limit, scan_limit] :
         std::vector<std::pair<int, int>>{{1, kNoLimit}, {4, 12}, {50, 12}, {50, kNoLimit}}) {
      const ListBounds bounds{
          .limit = limit, .scan_limit = scan_limit, .may_know = [&](const WorkOrder& order) {
            return !hidden.contains(*ParseOrderId(order.id()));
          }};
      std::vector<int64_t> seen;
      int64_t at = 0;
      do {
        int64_t next = 0;
        const std::vector<WorkOrder> page = *reader_->List(filter, at, bounds, &next);
        EXPECT_TRUE(scan_limit != kNoLimit || !page.empty()) << "what goes on has something to show";
        for (const WorkOrder& order : page) seen.push_back(*ParseOrderId(order.id()));
        EXPECT_FALSE(hidden.contains(next)) << path << " " << limit;
        at = next;
      } while (at != 0);
      EXPECT_EQ(seen, known) << path << " " << limit;
    }
  }
}

TEST_F(StoreTest, APageEndsByBytes) {
  std::vector<int64_t> all;
  for (int i = 0; i < 5; ++i) all.push_back(Add({}));
  for (const int64_t id : all) {
    Update(id, [](WorkOrder* order) { order->mutable_reply()->set_public_reply(std::string(1000, 'x')); });
  }
  std::reverse(all.begin(), all.end());
  for (const auto& [max_bytes, expected] : std::vector<std::pair<size_t, size_t>>{{2900, 3}, {10, 5}}) {
    std::vector<int64_t> seen;
    size_t pages = 0;
    int64_t at = 0;
    do {
      int64_t next = 0;
      const ListBounds bounds{.limit = 50, .scan_limit = kNoLimit, .max_bytes = max_bytes};
      const auto page = reader_->List({}, at, bounds, &next);
      ASSERT_TRUE(page.ok()) << page.status();
      for (const WorkOrder& order : *page) seen.push_back(*ParseOrderId(order.id()));
      at = next;
      ++pages;
    } while (at != 0);
    EXPECT_EQ(seen, all);
    EXPECT_EQ(pages, expected) << "two fit into a page, and one that fits into none is one";
  }
}

// More orders than a block of the callers' index holds, with restarts and rollbacks between.
TEST_F(StoreTest, CallersAcrossBlocks) {
  std::vector<int64_t> expected;
  for (int batch = 0; batch < 25; ++batch) {
    if (batch % 9 == 5) Reopen();
    ASSERT_TRUE(store_->Begin().ok());
    const Heads saved = heads_;
    const int64_t saved_counter = counter_;
    const bool abandoned = batch % 4 == 3;
    std::vector<int64_t> found;
    for (int i = 0; i < 500; ++i) {
      const bool wanted = i == 250;
      const int64_t id =
          AddUncommitted({.phone = wanted ? "0908-4621234" : absl::StrCat("1390000", batch, "-", i)});
      if (wanted) found.push_back(id);
    }
    if (abandoned) {
      store_->Rollback();
      heads_ = saved;
      counter_ = saved_counter;
    } else {
      ASSERT_TRUE(store_->Commit().ok());
      expected.insert(expected.begin(), found.begin(), found.end());
    }
  }
  ListFilter filter;
  filter.set_caller_phone("0908-462-1234");
  int pages = 0;
  EXPECT_EQ(List(filter, 50, kNoLimit, &pages), expected);
  EXPECT_EQ(pages, 1);
  EXPECT_EQ(List(filter, 3, 2), expected);
  filter.set_caller_phone("0908-462-1235");
  EXPECT_THAT(List(filter), IsEmpty());
}

TEST_F(StoreTest, UsedWrongly) {
  const int64_t id = Add({.phone = "13800000001"});
  const auto reason_of = [&](const std::function<absl::Status()>& write) {
    EXPECT_TRUE(store_->Begin().ok());
    const absl::Status status = write();
    store_->Rollback();
    return error::ReasonOf(status);
  };
  const auto internal = error::Reason::ERROR_REASON_INTERNAL;
  WorkOrder order = Make(id, {});
  EXPECT_EQ(reason_of([&] { return store_->InsertOrder(id, order, "", ""); }), internal) << "the id is there";
  EXPECT_EQ(reason_of([&] { return store_->UpdateOrder(id + 1, order); }), internal) << "no such order";
  order.mutable_content()->set_title("x");
  EXPECT_EQ(reason_of([&] { return store_->UpdateOrder(id, order); }), internal) << "content";
  order = Make(id + 1, {});
  order.set_number("110-20261123-000001");
  EXPECT_EQ(reason_of([&] { return store_->InsertOrder(id + 1, order, "", ""); }), internal) << "number";
  EXPECT_FALSE(store_->UpdateOrder(id, Make(id, {})).ok()) << "outside a transaction";
  EXPECT_EQ((**reader_->FindOrder(id)).version(), 1);
}

TEST_F(StoreTest, ARecoveredOrderIsFoundByItsCallerAmongThoseOfItsTime) {
  const int64_t id = Add({.phone = "13800000001"});
  ASSERT_TRUE(store_->Begin().ok());
  ASSERT_TRUE(store_
                  ->InsertOrder(id - 5, Make(id - 5, {}), Bytes(ContentOf({.phone = "13800000002"})),
                                store_->CallerHash("13800000002"))
                  .ok());
  ASSERT_TRUE(store_->Commit().ok());
  ListFilter filter;
  filter.set_caller_phone("13800000002");
  EXPECT_EQ(List(filter).size(), 1u);
  filter.set_caller_phone("13800000001");
  EXPECT_EQ(List(filter).size(), 1u);
}

TEST_F(StoreTest, RefusesANewerSchemaAndAnotherHotline) {
  Add({});
  Close();
  absl::StatusOr<std::unique_ptr<Store>> store = Store::Open({.directory = Directory(), .hotline = "110"});
  EXPECT_EQ(error::ReasonOf(store.status()), error::Reason::ERROR_REASON_STORE_FAILED);
  EXPECT_THAT(std::string(store.status().message()),
              testing::HasSubstr("belongs to hotline 12345, not to 110"));
  Open();
  Close();
  const auto set_version = [&](std::string_view version) {
    auto database = *sql::OpenSqlite({.path = Directory() + "/work_order.db"});
    auto writer = *database->OpenWriter();
    ASSERT_TRUE(writer->Begin().ok());
    auto update = *writer->Prepare("UPDATE meta SET value = ?1 WHERE name = 'schema_version'");
    update->BindBlob(1, version);
    ASSERT_TRUE(update->Run().ok());
    ASSERT_TRUE(writer->Commit().ok());
  };
  set_version("99");
  store = Store::Open({.directory = Directory(), .hotline = "12345"});
  EXPECT_EQ(error::ReasonOf(store.status()), error::Reason::ERROR_REASON_SCHEMA_NEWER);
  EXPECT_THAT(std::string(store.status().message()), testing::HasSubstr("schema version 99"));
  set_version("x");
  EXPECT_FALSE(Store::Open({.directory = Directory(), .hotline = "12345"}).ok());
  set_version("1");
  store = Store::Open({.directory = Directory(), .hotline = "12345"});
  EXPECT_THAT(std::string(store.status().message()), testing::HasSubstr("start with an empty folder"));
  set_version("2");
  Open();
  EXPECT_EQ(List({}).size(), 1u);
}

// A store of schema 2 found numbers by another hash. Opening it makes the index anew; so does another key.
TEST_F(StoreTest, NumbersAreFoundAfterAMigrationAndWithAnotherKey) {
  for (int i = 0; i < 5000; ++i)
    Add({.phone = i == 77 ? "0908-1234567" : absl::StrCat("138", 10'000'000 + i)});
  const auto found = [&](std::unique_ptr<Store> store) {
    workorder::v1::ListFilter filter;
    filter.set_caller_phone("09081234567");
    int64_t next = 0;
    return store->reader().List(filter, 0, {.limit = 10, .scan_limit = 100'000}, &next)->size();
  };
  Close();
  const auto forget = [&] {
    auto database = *sql::OpenSqlite({.path = Directory() + "/work_order.db"});
    auto writer = *database->OpenWriter();
    ASSERT_TRUE(writer->Begin().ok());
    ASSERT_TRUE(
        writer
            ->Execute("DELETE FROM caller WHERE order_id > 0; DELETE FROM meta WHERE name = 'caller_index';")
            .ok());
    auto update = *writer->Prepare("UPDATE meta SET value = ?1 WHERE name = 'schema_version'");
    update->BindBlob(1, "2");
    ASSERT_TRUE(update->Run().ok());
    ASSERT_TRUE(writer->Commit().ok());
  };
  forget();
  const std::string key(32, 'k'), other(64, 'o');
  EXPECT_EQ(found(*Store::Open({.directory = Directory(), .hotline = "12345"})), 1u);
  EXPECT_EQ(found(*Store::Open({.directory = Directory(), .hotline = "12345", .caller_key = key})), 1u);
  EXPECT_EQ(found(*Store::Open({.directory = Directory(), .hotline = "12345", .caller_key = other})), 1u);
  EXPECT_EQ(found(*Store::Open({.directory = Directory(), .hotline = "12345"})), 1u);
  // New ones join the index that was made anew.
  Open();
  Add({.phone = "09081234567"});
  workorder::v1::ListFilter filter;
  filter.set_caller_phone("0908-123-4567");
  EXPECT_EQ(List(filter).size(), 2u);
}

TEST_F(StoreTest, SecondProcessIsRefused) {
  const absl::Status status = Store::Open({.directory = Directory(), .hotline = "12345"}).status();
  EXPECT_EQ(error::ReasonOf(status), error::Reason::ERROR_REASON_STORE_FAILED);
}

TEST_F(StoreTest, DirectoryThatCannotBe) {
  const absl::Status status = Store::Open({.directory = "/dev/null/store", .hotline = "12345"}).status();
  EXPECT_EQ(error::ReasonOf(status), error::Reason::ERROR_REASON_STORE_FAILED);
}

TEST_F(StoreTest, FullDiskLeavesNothingAndPasses) {
  const int64_t first = Add({});
  OpenFaulty(1, sql::Fault::kDiskFull);
  ASSERT_TRUE(store_->Begin().ok());
  const int64_t id = AddUncommitted({.phone = "13800000001"});
  ASSERT_TRUE(store_->AppendEvent(1, "e", "h").ok());
  const absl::Status status = store_->Commit();
  EXPECT_EQ(error::ReasonOf(status), error::Reason::ERROR_REASON_DISK_FULL);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(List({}), ElementsAre(first));
  EXPECT_EQ(store_->reader().ReadHeads()->last_order_id, first);
  heads_ = *reader_->ReadHeads();
  --counter_;
  EXPECT_EQ(Add({.phone = "13800000001"}), id);
  EXPECT_THAT(List({}), ElementsAre(id, first));
}

TEST_F(StoreTest, RealFullDisk) {
  Close();
  auto database = sql::OpenSqlite({.path = folder_.path() + "/small.db", .max_database_bytes = 1 << 20});
  ASSERT_TRUE(database.ok());
  auto store = Store::OpenOn(*std::move(database), "12345");
  ASSERT_TRUE(store.ok()) << store.status();
  Use(*std::move(store));
  size_t stored = 0;
  absl::Status status;
  while (status.ok() && stored < 10'000) {
    const int64_t id = NextOrderId(heads_.last_order_id, kMorning);
    ASSERT_TRUE(store_->Begin().ok());
    status =
        store_->InsertOrder(id, Make(id, {}), std::string(20'000, 'c'), store_->CallerHash("13800000001"));
    if (status.ok()) status = store_->Commit();
    if (!status.ok()) break;
    heads_.last_order_id = id;
    ++stored;
  }
  store_->Rollback();
  EXPECT_EQ(error::ReasonOf(status), error::Reason::ERROR_REASON_DISK_FULL);
  EXPECT_EQ(List({}).size(), stored);
  EXPECT_FALSE(store_->stats().poisoned);
}

TEST_F(StoreTest, FailedCommitRefusesUntilReopened) {
  const int64_t first = Add({});
  OpenFaulty(1, sql::Fault::kFailBeforeCommit);
  ASSERT_TRUE(store_->Begin().ok());
  AddUncommitted({});
  const absl::Status status = store_->Commit();
  EXPECT_EQ(error::ReasonOf(status), error::Reason::ERROR_REASON_STORE_FAILED);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(error::ReasonOf(store_->Begin()), error::Reason::ERROR_REASON_STORE_FAILED);
  EXPECT_TRUE(store_->stats().poisoned);
  EXPECT_THAT(List({}), ElementsAre(first)) << "reading goes on";
  EXPECT_TRUE(store_->reader().ReadHeads().ok());
  Reopen();
  EXPECT_THAT(List({}), ElementsAre(first));
  Add({});
}

// The worst lie: it is there although the commit failed. Who tries again must find the request id.
TEST_F(StoreTest, CommitThatFailedMayBeThere) {
  OpenFaulty(1, sql::Fault::kFailAfterCommit);
  ASSERT_TRUE(store_->Begin().ok());
  const int64_t id = AddUncommitted({});
  ASSERT_TRUE(store_->InsertRequest("request-0001", {.fingerprint = "f", .result = "r"}, id).ok());
  EXPECT_FALSE(store_->Commit().ok());
  EXPECT_FALSE(store_->Begin().ok());
  Reopen();
  EXPECT_THAT(List({}), ElementsAre(id));
  EXPECT_TRUE(reader_->FindRequest("request-0001")->has_value());
}

TEST_F(StoreTest, CheckpointAndStats) {
  for (int i = 0; i < 10; ++i) Add({});
  EXPECT_GT(store_->stats().wal_bytes, 0);
  EXPECT_TRUE(store_->Checkpoint().ok());
  EXPECT_EQ(store_->stats().commits, 11);
  EXPECT_GE(store_->stats().checkpoints, 1);
  EXPECT_GT(store_->stats().database_bytes, 0);
  EXPECT_EQ(List({}).size(), 10u);
}

}  // namespace
}  // namespace hotline::work_order
