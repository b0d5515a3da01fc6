#include "common/retention/erase.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "common/base/sha256.h"
#include "common/exchange/chain.h"
#include "hotline/type/v1/event.pb.h"
#include "hotline/type/v1/work_order.pb.h"

namespace hotline::retention {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using testing::IsEmpty;
using type::v1::Event;

// Names of all texts in `message` and in what it can hold.
void Collect(const Descriptor& message, std::set<const Descriptor*>* seen, std::set<std::string>* unlisted,
             std::set<std::string>* names) {
  if (!seen->insert(&message).second) return;
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Collect(*field.message_type(), seen, unlisted, names);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      names->insert(field.name());
      if (FateOf(field.name()) == Fate::kUnlisted) unlisted->insert(field.full_name());
    }
  }
}

TEST(EraseTest, SomebodyHasDecidedAboutEveryText) {
  std::set<const Descriptor*> seen;
  std::set<std::string> unlisted;
  std::set<std::string> names;
  Collect(*Event::descriptor(), &seen, &unlisted, &names);
  // A record to be erased has no content: that is a row of its own, and goes whole.
  seen.insert(type::v1::OrderContent::descriptor());
  Collect(*type::v1::WorkOrder::descriptor(), &seen, &unlisted, &names);
  EXPECT_THAT(unlisted, IsEmpty())
      << "add the name to kKept or to kErased in common/retention/erase.cc: would it "
         "be anybody's business in five years who that was, or what they said?";
}

TEST(EraseTest, WordsGoAndCodesStay) {
  Event event;
  event.set_sequence(7);
  event.mutable_actor()->set_account("1001");
  event.mutable_actor()->set_hotline("110");
  type::v1::Reply& reply = *event.mutable_replied()->mutable_reply();
  reply.set_disposition(type::v1::DISPOSITION_RESOLVED);
  reply.set_public_reply("已修复");
  reply.set_unit("zhujianju");
  EXPECT_TRUE(EraseTexts(&event));
  EXPECT_EQ(event.replied().reply().public_reply(), "");
  EXPECT_EQ(event.replied().reply().unit(), "zhujianju");
  EXPECT_EQ(event.replied().reply().disposition(), type::v1::DISPOSITION_RESOLVED);
  EXPECT_EQ(event.actor().account(), "1001");
  EXPECT_FALSE(EraseTexts(&event)) << "the second time there is nothing";
}

TEST(EraseTest, TheHashOfACallersNumberGoesAndTheDigestOfTheContentStays) {
  Event event;
  event.mutable_offered()->mutable_registered()->set_caller_hash("12345678");
  event.mutable_offered()->mutable_registered()->set_content_digest(std::string(32, 'd'));
  event.mutable_offered()->mutable_handoff()->set_id("12345-1-1");
  EXPECT_TRUE(EraseTexts(&event));
  EXPECT_EQ(event.offered().registered().caller_hash(), "");
  EXPECT_EQ(event.offered().registered().content_digest(), std::string(32, 'd'));
  EXPECT_EQ(event.offered().handoff().id(), "12345-1-1");
}

TEST(EraseTest, WhatALaterReleaseWroteGoesToo) {
  Event event;
  event.mutable_closed()
      ->GetReflection()
      ->MutableUnknownFields(event.mutable_closed())
      ->AddLengthDelimited(9999, "what a later release calls it");
  EXPECT_TRUE(EraseTexts(&event));
  EXPECT_EQ(event.SerializeAsString().find("later"), std::string::npos);
}

TEST(EraseTest, AnEventWithoutTextsIsLeftAsItIs) {
  Event event;
  event.set_sequence(1);
  event.mutable_signed_()->set_unit("zhian");
  EXPECT_EQ(EventWithoutTexts(event.SerializeAsString()), std::nullopt);
  EXPECT_EQ(EventWithoutTexts("\xff\xff"), std::nullopt);
}

// A log of one order: registered, a note, closed with a note, erased, archived.
class ErasureCheckTest : public testing::Test {
 protected:
  ErasureCheckTest() {
    Add([](Event& e) { e.mutable_registered()->set_caller_hash("12345678"); });
    Add([](Event& e) { e.mutable_signed_()->set_unit("zhian"); });
    Add([](Event& e) { e.mutable_progressed()->set_note("去过现场"); });
    Attestation attestation;
    for (StoredEvent& event : log_) {
      if (auto bytes = EventWithoutTexts(event.bytes); bytes.has_value()) {
        event.bytes = *bytes;
        attestation.Add(event.sequence, event.previous_hash, event.hash, event.bytes);
      }
    }
    EXPECT_EQ(attestation.count(), 2);
    Add([&](Event& e) { attestation.Write(e.mutable_erased()); });
    Add([](Event& e) { e.mutable_hold_placed()->set_reference("恰法〔2026〕12号"); });
  }
  template <typename Fill>
  void Add(Fill fill) {
    Event event;
    const auto sequence = static_cast<int64_t>(log_.size()) + 1;
    event.set_sequence(sequence);
    event.set_order_id("a");
    event.set_previous_order_sequence(sequence - 1);
    fill(event);
    StoredEvent stored{.sequence = sequence,
                       .previous_hash = log_.empty() ? ChainStart() : log_.back().hash,
                       .bytes = event.SerializeAsString()};
    stored.hash = EventHash(stored.previous_hash, stored.bytes);
    log_.push_back(std::move(stored));
  }
  // Whether the events that lost their texts are attested: both, and nothing else.
  bool Attests() {
    ErasureCheck check(
        [this](int64_t sequence) -> absl::StatusOr<std::optional<StoredEvent>> {
          if (sequence > static_cast<int64_t>(log_.size())) return std::nullopt;
          return log_[static_cast<size_t>(sequence - 1)];
        },
        [this](const std::string& order) -> absl::StatusOr<int64_t> {
          return order == "a" ? static_cast<int64_t>(log_.size()) : 0;
        });
    const absl::StatusOr<bool> attested = check.Attests("a", 1);
    EXPECT_TRUE(attested.ok()) << attested.status();
    EXPECT_EQ(check.Attests("a", 3).value_or(false), attested.value_or(false));
    // An altered event of another order may say that it is this one's.
    for (const int64_t other : {2, 4, 5, 6, 500}) EXPECT_FALSE(*check.Attests("a", other)) << other;
    EXPECT_FALSE(*check.Attests("b", 1));
    return attested.value_or(false);
  }

  std::vector<StoredEvent> log_;
};

TEST_F(ErasureCheckTest, AttestsWhatIsLeft) { EXPECT_TRUE(Attests()); }

TEST_F(ErasureCheckTest, NotAnotherText) {
  Event event;
  ASSERT_TRUE(event.ParseFromString(log_[2].bytes));
  event.mutable_progressed()->set_note("没去过");
  log_[2].bytes = event.SerializeAsString();
  EXPECT_FALSE(Attests());
}

TEST_F(ErasureCheckTest, NotAnEventThatHadNoTexts) {
  Event event;
  ASSERT_TRUE(event.ParseFromString(log_[1].bytes));
  event.mutable_signed_()->set_unit("jiaojing");
  log_[1].bytes = event.SerializeAsString();
  EXPECT_FALSE(Attests());
}

TEST_F(ErasureCheckTest, NotAnotherHash) {
  log_[0].hash[3] ^= 1;
  EXPECT_FALSE(Attests());
}

TEST_F(ErasureCheckTest, NotWhatCameAfterTheErasure) {
  Event event;
  ASSERT_TRUE(event.ParseFromString(log_[4].bytes));
  event.mutable_hold_placed()->set_reference("恰法〔2026〕13号");
  log_[4].bytes = event.SerializeAsString();
  EXPECT_FALSE(Attests());
}

TEST_F(ErasureCheckTest, NotAnErasureThatWasItselfAltered) {
  Event event;
  ASSERT_TRUE(event.ParseFromString(log_[3].bytes));
  event.mutable_erased()->set_retention_days(3);
  log_[3].bytes = event.SerializeAsString();
  EXPECT_FALSE(Attests());
}

}  // namespace
}  // namespace hotline::retention
