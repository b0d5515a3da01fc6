#include "common/stream/event_hub.h"

#include <gtest/gtest.h>

#include <optional>
#include <tuple>

#include "common/error/error.h"
#include "hotline/dispatch/v1/dispatch_service.pb.h"
#include "hotline/type/v1/event.pb.h"
#include "hotline/workorder/v1/work_order_service.pb.h"
#include "tests/support/steps.h"

namespace hotline {
namespace {

using Response = workorder::v1::WatchWorkOrdersResponse;

EventHub::Item MakeItem(int64_t sequence, const std::string& order_id, bool shown = true) {
  type::v1::Event event;
  event.set_sequence(sequence);
  event.set_order_id(order_id);
  return {.sequence = sequence,
          .order_id = order_id,
          .shown = shown,
          .bytes = std::make_shared<const std::string>(event.SerializeAsString())};
}

class EventHubTest : public testing::Test {
 protected:
  EventHubTest() : steps_(absl::FromUnixSeconds(1'795'000'000)) {
    EventHub::Options options;
    options.ring_items = 4;
    options.batch_items = 3;
    hub_ = std::make_unique<EventHub>(
        &steps_, steps_.clock(),
        [this](int64_t start, int limit, absl::AnyInvocable<void(absl::StatusOr<EventHub::Items>)> done) {
          ++fetches_;
          if (start > static_cast<int64_t>(log_.size()) + 1) {
            return done(error::SequenceOutOfRange(start, static_cast<int64_t>(log_.size())));
          }
          EventHub::Items items;
          for (const EventHub::Item& item : log_) {
            if (item.sequence >= start && static_cast<int>(items.size()) < limit) items.push_back(item);
          }
          steps_.PostAfter(reading_, [done = std::move(done), items = std::move(items)]() mutable {
            done(std::move(items));
          });
        },
        options);
  }
  ~EventHubTest() override { steps_.Clear(); }

  void Commit(const std::string& order_id, bool shown = true) {
    log_.push_back(MakeItem(static_cast<int64_t>(log_.size()) + 1, order_id, shown));
    hub_->Publish({log_.back()});
    steps_.RunDue();
  }
  // Asks for the next message; nothing if none comes without time passing.
  std::optional<absl::StatusOr<Response>> Next(MessageStream* stream) {
    std::optional<absl::StatusOr<Response>> got;
    auto slot = std::make_shared<std::optional<absl::StatusOr<Response>>*>(&got);
    stream->Next([slot](absl::StatusOr<SharedMessage> message) {
      if (*slot == nullptr) return;
      if (!message.ok()) {
        **slot = message.status();
      } else if (*message == nullptr) {
        **slot = absl::CancelledError("end");
      } else {
        Response response;
        EXPECT_TRUE(response.ParseFromString(**message));
        **slot = response;
      }
    });
    steps_.RunDue();
    if (!got.has_value()) steps_.Advance(waiting_);
    *slot = nullptr;
    return got;
  }
  static std::vector<int64_t> Sequences(const Response& response) {
    std::vector<int64_t> sequences;
    for (const auto& event : response.events()) sequences.push_back(event.sequence());
    return sequences;
  }

  test::Steps steps_;
  std::vector<EventHub::Item> log_;
  int fetches_ = 0;
  absl::Duration reading_ = absl::ZeroDuration();  // what a fetch takes
  absl::Duration waiting_ = absl::ZeroDuration();
  std::unique_ptr<EventHub> hub_;
};

TEST_F(EventHubTest, TheTwoWatchMessagesAreOneOnTheWire) {
  for (const char* name : {"events", "watermark", "server_time", "draining"}) {
    EXPECT_EQ(workorder::v1::WatchWorkOrdersResponse::descriptor()->FindFieldByName(name)->number(),
              dispatch::v1::WatchHandoffsResponse::descriptor()->FindFieldByName(name)->number());
  }
}

TEST_F(EventHubTest, GivesHistoryThenWhatIsNewWithoutGaps) {
  hub_->SetHead(0);
  for (int i = 0; i < 10; ++i) Commit("a");
  const auto stream = hub_->Open(1, "", absl::Seconds(10));
  std::vector<int64_t> seen;
  while (seen.size() < 10) {
    const auto message = Next(stream.get());
    ASSERT_TRUE(message.has_value() && message->ok());
    for (int64_t sequence : Sequences(**message)) seen.push_back(sequence);
    EXPECT_EQ((*message)->watermark(), seen.back());
  }
  EXPECT_GT(fetches_, 0);
  for (int64_t i = 0; i < 10; ++i) EXPECT_EQ(seen[static_cast<size_t>(i)], i + 1);
  EXPECT_FALSE(Next(stream.get()).has_value());
}

TEST_F(EventHubTest, StartsWithTheNextEventWhenAskedFromZero) {
  hub_->SetHead(0);
  Commit("a");
  const auto stream = hub_->Open(0, "", absl::Seconds(10));
  EXPECT_FALSE(Next(stream.get()).has_value());
  const auto second = hub_->Open(0, "", absl::Seconds(10));
  std::optional<Response> got;
  second->Next([&got](absl::StatusOr<SharedMessage> message) {
    got.emplace();
    got->ParseFromString(**message);
  });
  steps_.RunDue();
  Commit("b");
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(Sequences(*got), (std::vector<int64_t>{2}));
}

TEST_F(EventHubTest, WaitsForTheHeadBeforeItServes) {
  const auto stream = hub_->Open(5, "", absl::Seconds(10));
  EXPECT_FALSE(Next(stream.get()).has_value());
  hub_->SetHead(2);
  steps_.RunDue();
  const auto other = hub_->Open(5, "", absl::Seconds(10));
  const auto message = Next(other.get());
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(error::ReasonOf(message->status()), error::Reason::ERROR_REASON_SEQUENCE_OUT_OF_RANGE);
}

TEST_F(EventHubTest, AWatchMayStartAtWhatIsNotPublishedYet) {
  hub_->SetHead(0);
  steps_.RunDue();
  // Committed and told to the client, on its way to the hub.
  log_.push_back(MakeItem(1, "a"));
  log_.push_back(MakeItem(2, "a"));
  const auto stream = hub_->Open(3, "", absl::Seconds(10));
  std::optional<Response> got;
  stream->Next([&got](absl::StatusOr<SharedMessage> message) {
    ASSERT_TRUE(message.ok()) << message.status();
    got.emplace();
    got->ParseFromString(**message);
  });
  steps_.RunDue();
  EXPECT_FALSE(got.has_value());
  hub_->Publish({log_[0], log_[1]});
  Commit("b");
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(Sequences(*got), (std::vector<int64_t>{3}));
}

TEST_F(EventHubTest, FiltersByOrderAndHidesWhatIsNotShown) {
  hub_->SetHead(0);
  Commit("a");
  Commit("b");
  Commit("a", false);
  const auto stream = hub_->Open(1, "a", absl::Seconds(10));
  const auto message = Next(stream.get());
  ASSERT_TRUE(message.has_value() && message->ok());
  EXPECT_EQ(Sequences(**message), (std::vector<int64_t>{1}));
  EXPECT_EQ((*message)->watermark(), 3);
}

// It was silent for as long as it read, so that its client gave up and began again, for ever.
TEST_F(EventHubTest, WhatIsReadInVainBeatsWithAWatermarkThatGrows) {
  hub_->SetHead(0);
  for (int i = 0; i < 100; ++i) Commit("a");
  const auto stream = hub_->Open(1, "b", absl::Seconds(2));
  reading_ = absl::Milliseconds(100);
  waiting_ = absl::Seconds(2);
  for (int64_t watermark = 0; watermark < 100;) {
    const auto message = Next(stream.get());
    ASSERT_TRUE(message.has_value() && message->ok()) << watermark;
    EXPECT_EQ((*message)->events_size(), 0);
    ASSERT_GT((*message)->watermark(), watermark);
    watermark = (*message)->watermark();
  }
  EXPECT_GT(fetches_, 30);
}

// What is read while it beats is not lost, and comes once.
TEST_F(EventHubTest, ASlowReadBeatsAndIsGivenWhenItIsThere) {
  hub_->SetHead(0);
  for (int i = 0; i < 10; ++i) Commit("a");
  const auto stream = hub_->Open(1, "", absl::Seconds(2));
  reading_ = absl::Milliseconds(2200);
  waiting_ = absl::Seconds(2);
  const auto beat = Next(stream.get());
  ASSERT_TRUE(beat.has_value() && beat->ok());
  EXPECT_EQ((*beat)->events_size(), 0);
  EXPECT_EQ((*beat)->watermark(), 0);
  const auto message = Next(stream.get());
  ASSERT_TRUE(message.has_value() && message->ok());
  EXPECT_EQ(Sequences(**message), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(fetches_, 1);
}

// An order that was plain at first.
TEST_F(EventHubTest, WhatIsKeptOfAnOrderIsKeptOfItsEarlierEventsToo) {
  hub_->SetHead(0);
  EventHub::Items items;
  for (const auto& [order, previous, restricted] :
       {std::tuple("a", 0, false), {"b", 0, false}, {"a", 1, false}, {"a", 3, true}}) {
    items.push_back(MakeItem(static_cast<int64_t>(items.size()) + 1, order));
    items.back().previous = previous;
    items.back().restricted = restricted;
  }
  hub_->Publish(items);
  steps_.RunDue();
  const auto everybody = hub_->Open(1, "", absl::Seconds(10));
  const auto message = Next(everybody.get());
  ASSERT_TRUE(message.has_value() && message->ok());
  EXPECT_EQ(Sequences(**message), (std::vector<int64_t>{2}));
  EXPECT_EQ((*message)->watermark(), 4);
  const auto cleared = hub_->Open(1, "", absl::Seconds(10), true);
  std::vector<int64_t> seen;
  while (seen.size() < 4) {
    const auto next = Next(cleared.get());
    ASSERT_TRUE(next.has_value() && next->ok());
    for (int64_t sequence : Sequences(**next)) seen.push_back(sequence);
  }
  EXPECT_EQ(seen, (std::vector<int64_t>{1, 2, 3, 4}));
}

TEST_F(EventHubTest, AVeiledEventIsSentWithoutWhatWasWritten) {
  hub_->SetHead(0);
  type::v1::Event event;
  event.set_sequence(1);
  event.set_order_id("a");
  event.mutable_progressed()->set_note("已电话告知阿依努尔");
  event.mutable_progressed()->set_unit("housing");
  EventHub::Item item = MakeItem(1, "a");
  item.veiled = true;
  item.bytes = std::make_shared<const std::string>(event.SerializeAsString());
  hub_->Publish({item});
  steps_.RunDue();
  for (const auto& [cleared, whole, note] :
       {std::tuple(false, false, ""), {true, false, ""}, {true, true, "已电话告知阿依努尔"}}) {
    const auto stream =
        hub_->Open(1, "", absl::Seconds(10), EventHub::Viewer{.cleared = cleared, .whole = whole});
    const auto message = Next(stream.get());
    ASSERT_TRUE(message.has_value() && message->ok());
    ASSERT_EQ((*message)->events_size(), 1);
    EXPECT_EQ((*message)->events(0).progressed().note(), note) << cleared << whole;
    EXPECT_EQ((*message)->events(0).progressed().unit(), "housing") << "what happened is told";
  }
}

// Retention had erased it from the store alone.
TEST_F(EventHubTest, WhatWasErasedIsNotGivenFromMemory) {
  hub_->SetHead(0);
  const auto publish = [this](int64_t sequence, const std::string& order_id, int64_t previous, bool erases) {
    type::v1::Event event;
    event.set_sequence(sequence);
    event.set_order_id(order_id);
    event.mutable_progressed()->set_unit("housing");
    if (!erases) event.mutable_progressed()->set_note("已电话告知阿依努尔");
    EventHub::Item item = MakeItem(sequence, order_id);
    item.previous = previous;
    item.erases = erases;
    item.bytes = std::make_shared<const std::string>(event.SerializeAsString());
    hub_->Publish({item});
  };
  publish(1, "a", 0, false);
  publish(2, "b", 0, false);
  publish(3, "a", 1, false);
  publish(4, "a", 3, true);
  steps_.RunDue();
  const auto stream = hub_->Open(1, "", absl::Seconds(10), EventHub::Viewer{.cleared = true, .whole = true});
  const auto message = Next(stream.get());
  ASSERT_TRUE(message.has_value() && message->ok());
  ASSERT_EQ((*message)->events_size(), 3);
  EXPECT_EQ(fetches_, 0);
  EXPECT_EQ((*message)->events(0).progressed().note(), "");
  EXPECT_EQ((*message)->events(0).progressed().unit(), "housing") << "what happened is told";
  EXPECT_NE((*message)->events(1).progressed().note(), "") << "another order's";
  EXPECT_EQ((*message)->events(2).progressed().note(), "");
}

TEST_F(EventHubTest, ThatARestrictedOrderIsShownIsRecordedFirstAndOnce) {
  hub_->SetHead(0);
  std::vector<std::string> recorded;
  absl::AnyInvocable<void(absl::Status)> then;
  EventHub::Viewer viewer{.cleared = true, .whole = true};
  viewer.record = [&](const std::vector<std::string>& orders, absl::AnyInvocable<void(absl::Status)> done) {
    recorded.insert(recorded.end(), orders.begin(), orders.end());
    then = std::move(done);
  };
  const auto publish = [&](const std::string& order, bool restricted, bool echo) {
    EventHub::Item item = MakeItem(static_cast<int64_t>(log_.size()) + 1, order);
    item.restricted = restricted;
    item.echo = echo;
    log_.push_back(item);
    hub_->Publish({item});
    steps_.RunDue();
  };
  const auto stream = hub_->Open(1, "", absl::Seconds(10), std::move(viewer));
  publish("open", false, false);
  ASSERT_TRUE(Next(stream.get()).has_value());
  EXPECT_TRUE(recorded.empty());
  publish("a", true, true);
  ASSERT_TRUE(Next(stream.get()).has_value());
  EXPECT_TRUE(recorded.empty()) << "the record of another watch alone is not recorded";
  publish("a", true, false);
  std::vector<int64_t> got;
  stream->Next([&got](absl::StatusOr<SharedMessage> message) {
    ASSERT_TRUE(message.ok());
    Response response;
    response.ParseFromString(**message);
    got = Sequences(response);
  });
  steps_.RunDue();
  EXPECT_EQ(recorded, std::vector<std::string>{"a"});
  EXPECT_TRUE(got.empty()) << "not before it is recorded";
  publish("a", true, true);
  EXPECT_TRUE(got.empty());
  then(absl::OkStatus());
  steps_.RunDue();
  EXPECT_EQ(got, std::vector<int64_t>{3});
  publish("a", true, false);
  const auto rest = Next(stream.get());
  ASSERT_TRUE(rest.has_value() && rest->ok());
  EXPECT_EQ(Sequences(**rest), (std::vector<int64_t>{4, 5}));
  EXPECT_EQ(recorded.size(), 1u) << "once for a stream and an order";
  // What cannot be recorded is not shown.
  publish("b", true, false);
  absl::Status ended;
  stream->Next([&ended](absl::StatusOr<SharedMessage> message) { ended = message.status(); });
  steps_.RunDue();
  then(error::StoreFailed("disk"));
  steps_.RunDue();
  EXPECT_EQ(error::ReasonOf(ended), error::Reason::ERROR_REASON_STORE_FAILED);
}

TEST_F(EventHubTest, BeatsWhenSilentAndTellsTheTime) {
  hub_->SetHead(0);
  Commit("a");
  const auto stream = hub_->Open(0, "", absl::Seconds(2));
  waiting_ = absl::Milliseconds(500);
  ASSERT_TRUE(Next(stream.get()).has_value());
  waiting_ = absl::Seconds(1);
  EXPECT_FALSE(Next(stream.get()).has_value());
  waiting_ = absl::Seconds(2);
  const auto message = Next(stream.get());
  ASSERT_TRUE(message.has_value() && message->ok());
  EXPECT_EQ((*message)->events_size(), 0);
  EXPECT_EQ((*message)->watermark(), 1);
  EXPECT_GT((*message)->server_time().seconds(), 1'795'000'000);
}

// It broke before its first heartbeat, and what happened until it was opened anew, from then on, was lost.
TEST_F(EventHubTest, WhoWatchesFromNowOnIsToldAtOnceWhereToResume) {
  hub_->SetHead(5);
  const auto stream = hub_->Open(0, "", absl::Seconds(60));
  waiting_ = absl::Milliseconds(500);
  const auto message = Next(stream.get());
  ASSERT_TRUE(message.has_value() && message->ok());
  EXPECT_EQ((*message)->events_size(), 0);
  EXPECT_EQ((*message)->watermark(), 5);
  waiting_ = absl::Seconds(30);
  EXPECT_FALSE(Next(stream.get()).has_value()) << "once";
  // Also where the head is not known yet, as soon as it is.
  hub_->Reset(error::SequenceOutOfRange(6, 1));
  const auto early = hub_->Open(0, "", absl::Seconds(60));
  std::optional<Response> got;
  early->Next([&got](absl::StatusOr<SharedMessage> answer) {
    ASSERT_TRUE(answer.ok()) << answer.status();
    got.emplace();
    got->ParseFromString(**answer);
  });
  steps_.Advance(absl::Seconds(5));
  EXPECT_FALSE(got.has_value());
  hub_->SetHead(7);
  steps_.Advance(absl::Milliseconds(500));
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->watermark(), 7);
}

// A watch of what is no order's id was silent for ever.
TEST_F(EventHubTest, AnOrderIsWatchedByItsId) {
  EXPECT_EQ(*EventHub::OrderOf(""), "");
  EXPECT_EQ(*EventHub::OrderOf("01KBX8Q3ZG0W4"), "01KBX8Q3ZG0W4");
  EXPECT_EQ(*EventHub::OrderOf("01kbx8q3zg0w4"), "01KBX8Q3ZG0W4");
  for (const char* text : {"12345-20261127-000001", "12345-01KBX8Q3ZG0W4-1", "nosuch", " 01KBX8Q3ZG0W4"}) {
    const absl::Status refused = EventHub::OrderOf(text).status();
    EXPECT_EQ(error::ReasonOf(refused), error::Reason::ERROR_REASON_FIELD_INVALID) << text;
    EXPECT_EQ(error::FieldOf(refused), "order_id");
    EXPECT_EQ(error::ChineseOf(refused), "字段 order_id：应为工单id，而不是编号");
  }
}

TEST_F(EventHubTest, EncodesOnceForAllAtTheSamePlace) {
  hub_->SetHead(0);
  std::vector<std::unique_ptr<MessageStream>> streams;
  std::vector<SharedMessage> messages;
  for (int i = 0; i < 100; ++i) {
    streams.push_back(hub_->Open(0, "", absl::Seconds(10)));
    streams.back()->Next(
        [&messages](absl::StatusOr<SharedMessage> message) { messages.push_back(*message); });
  }
  steps_.RunDue();
  Commit("a");
  ASSERT_EQ(messages.size(), 100u);
  for (const SharedMessage& message : messages) EXPECT_EQ(message, messages.front());
}

TEST_F(EventHubTest, ALogThatWasSetBackEndsEveryStreamAndIsServedAnew) {
  hub_->SetHead(0);
  for (int i = 0; i < 3; ++i) Commit("a");
  const auto asking = hub_->Open(0, "", absl::Seconds(10));
  std::optional<absl::Status> ended;
  asking->Next([&ended](absl::StatusOr<SharedMessage> message) { ended = message.status(); });
  const auto busy = hub_->Open(1, "", absl::Seconds(10));
  steps_.RunDue();
  hub_->Reset(error::SequenceOutOfRange(4, 1));
  log_.resize(1);
  steps_.RunDue();
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(error::ReasonOf(*ended), error::Reason::ERROR_REASON_SEQUENCE_OUT_OF_RANGE);
  const auto late = Next(busy.get());
  ASSERT_TRUE(late.has_value()) << "also who asks only now";
  EXPECT_EQ(error::ReasonOf(late->status()), error::Reason::ERROR_REASON_SEQUENCE_OUT_OF_RANGE);
  EXPECT_EQ(hub_->head(), -1);
  hub_->SetHead(1);
  Commit("b");
  const auto again = hub_->Open(1, "", absl::Seconds(10));
  const auto message = Next(again.get());
  ASSERT_TRUE(message.has_value() && message->ok());
  ASSERT_EQ((*message)->events_size(), 2) << "nothing of what was there before";
  EXPECT_EQ((*message)->events(1).order_id(), "b");
}

TEST_F(EventHubTest, WhoWaitsForTheLogHearsHeartbeatsAndTheDrain) {
  const auto late = hub_->Open(5, "", absl::Seconds(10));
  waiting_ = absl::Seconds(10);
  const auto beat = Next(late.get());
  ASSERT_TRUE(beat.has_value() && beat->ok()) << "the head of the log is not known";
  EXPECT_EQ((*beat)->watermark(), 4);
  const auto now = hub_->Open(0, "", absl::Seconds(10));
  EXPECT_FALSE(Next(now.get()).has_value()) << "it has no watermark yet";
  waiting_ = absl::ZeroDuration();
  hub_->Drain();
  for (MessageStream* const stream : {late.get(), now.get()}) {
    const auto end = Next(stream);
    ASSERT_TRUE(end.has_value());
    EXPECT_EQ(error::ReasonOf(end->status()), type::v1::ERROR_REASON_DRAINING);
  }
}

TEST_F(EventHubTest, DrainSaysSoThenEnds) {
  hub_->SetHead(0);
  Commit("a");
  const auto stream = hub_->Open(0, "", absl::Seconds(10));
  hub_->Drain();
  const auto message = Next(stream.get());
  ASSERT_TRUE(message.has_value() && message->ok());
  EXPECT_TRUE((*message)->draining());
  EXPECT_EQ((*message)->watermark(), 1);
  const auto end = Next(stream.get());
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->status().message(), "end");
}

TEST_F(EventHubTest, AClosedStreamIsForgotten) {
  hub_->SetHead(0);
  auto stream = hub_->Open(0, "", absl::Seconds(10));
  bool called = false;
  stream->Next([&called](absl::StatusOr<SharedMessage>) { called = true; });
  steps_.RunDue();
  EXPECT_EQ(hub_->open_streams(), 1);
  stream.reset();
  steps_.RunDue();
  EXPECT_EQ(hub_->open_streams(), 0);
  Commit("a");
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace hotline
