// What a site signs for its peer, and what the peer refuses though it is signed well.
#include "services/dispatch/notary.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "common/base/text.h"
#include "common/contract/proto_time.h"
#include "common/crypto/statement.h"
#include "common/error/error.h"
#include "services/dispatch/link.h"
#include "tests/support/made_keys.h"

namespace hotline::dispatch {
namespace {

using error::Reason;
using exchange::v1::BatchStatement;
using exchange::v1::ReceiptStatement;

constexpr exchange::v1::Lane kLane = exchange::v1::LANE_ORDINARY;

class NotaryTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { keys_ = new test::MadeKeys({"--id a 110"}); }
  static void TearDownTestSuite() { delete keys_; }

  static crypto::Signer Key() { return keys_->Signer("110", "a"); }
  Notary Theirs() const {
    crypto::SigningKeys keys;
    EXPECT_TRUE(keys.Add(key_, absl::InfinitePast()).ok());
    return Notary("110", std::move(keys), {});
  }
  // This site, which holds the peer's key as good until `not_after`.
  Notary Ours(absl::Time not_after = absl::InfiniteFuture()) const {
    crypto::KeyRing ring;
    EXPECT_TRUE(ring.Add("110", "a", key_.public_key(), absl::InfinitePast(), not_after).ok());
    return Notary("12345", {}, std::move(ring));
  }

  exchange::v1::DeliverRequest Batch() const {
    exchange::v1::DeliverRequest request;
    request.set_protocol_version(kProtocolVersion);
    request.set_from_hotline("110");
    request.set_to_hotline("12345");
    request.set_lane(kLane);
    *request.mutable_send_time() = ToTimestamp(now_);
    for (int i = 0; i < 2; ++i) {
      exchange::v1::Envelope& envelope = *request.add_envelopes();
      envelope.set_sequence(7 + i);
      envelope.set_previous_hash(StrCat("hash ", 6 + i));
      envelope.set_hash(StrCat("hash ", 7 + i));
    }
    EXPECT_TRUE(Theirs().SignBatch(&request, now_).ok());
    return request;
  }
  exchange::v1::LinkReceipt Receipt() const {
    exchange::v1::LinkReceipt receipt;
    receipt.set_lane(kLane);
    receipt.set_received_through(7);
    receipt.set_head_hash("hash 7");
    *receipt.mutable_receive_time() = ToTimestamp(now_);
    EXPECT_TRUE(Theirs().SignReceipt("12345", &receipt, now_).ok());
    return receipt;
  }

  static test::MadeKeys* keys_;
  const crypto::Signer key_ = Key();
  const absl::Time now_ = absl::FromUnixSeconds(1'795'000'000);
};
test::MadeKeys* NotaryTest::keys_ = nullptr;

TEST_F(NotaryTest, ABatchIsRefusedIfItsStatementIsAboutAnother) {
  const Notary ours = Ours();
  const exchange::v1::DeliverRequest good = Batch();
  EXPECT_TRUE(ours.CheckBatch(good, now_).ok());
  const std::function<void(BatchStatement*)> changes[] = {
      [](auto* s) { s->set_protocol_version(kProtocolVersion + 1); },
      [](auto* s) { s->clear_protocol_version(); },
      [](auto* s) { s->set_from_hotline("119"); },
      [](auto* s) { s->set_to_hotline("119"); },
      [](auto* s) { s->set_lane(exchange::v1::LANE_EMERGENCY); },
      [](auto* s) { s->set_first_sequence(6); },
      [](auto* s) { s->set_last_sequence(9); },
      [](auto* s) { s->set_previous_hash("hash 5"); },
      [](auto* s) { s->set_head_hash("hash 9"); },
  };
  for (size_t i = 0; i < std::size(changes); ++i) {
    exchange::v1::DeliverRequest request = good;
    BatchStatement statement;
    ASSERT_TRUE(statement.ParseFromString(request.statement()));
    changes[i](&statement);
    request.set_statement(statement.SerializeAsString());
    *request.mutable_signature() = *crypto::SignStatement(key_, crypto::kBatchDomain, request.statement());
    EXPECT_EQ(error::ReasonOf(ours.CheckBatch(request, now_)), Reason::ERROR_REASON_SIGNATURE_INVALID) << i;
  }
}

TEST_F(NotaryTest, AReceiptIsRefusedIfItsStatementIsAboutAnother) {
  const Notary ours = Ours();
  const exchange::v1::LinkReceipt good = Receipt();
  EXPECT_TRUE(ours.CheckReceipt("110", kLane, good, now_).ok());
  const std::function<void(ReceiptStatement*)> changes[] = {
      [](auto* s) { s->set_protocol_version(kProtocolVersion + 1); },
      [](auto* s) { s->clear_protocol_version(); },
      [](auto* s) { s->set_from_hotline("119"); },
      [](auto* s) { s->set_to_hotline("119"); },
      [](auto* s) { s->set_lane(exchange::v1::LANE_EMERGENCY); },
      [](auto* s) { s->set_received_through(8); },
      [](auto* s) { s->set_head_hash("hash 8"); },
      [](auto* s) { s->mutable_receive_time()->set_seconds(1); },
  };
  for (size_t i = 0; i < std::size(changes); ++i) {
    exchange::v1::LinkReceipt receipt = good;
    ReceiptStatement statement;
    ASSERT_TRUE(statement.ParseFromString(receipt.statement()));
    changes[i](&statement);
    receipt.set_statement(statement.SerializeAsString());
    *receipt.mutable_signature() = *crypto::SignStatement(key_, crypto::kReceiptDomain, receipt.statement());
    EXPECT_EQ(error::ReasonOf(ours.CheckReceipt("110", kLane, receipt, now_)),
              Reason::ERROR_REASON_SIGNATURE_INVALID)
        << i;
    EXPECT_FALSE(ours.IsByFormerKey("110", receipt, now_)) << i;
  }
}

TEST_F(NotaryTest, ASiteSaysThatItSignsWithWhatItHas) {
  EXPECT_EQ(Capabilities(Theirs().signer(now_)),
            (std::vector<std::string>{"backfill", "reconcile", "sign:ed25519"}));
  EXPECT_EQ(Capabilities(Ours().signer(now_)), (std::vector<std::string>{"backfill", "reconcile"}));
  // A key that has yet to begin.
  crypto::SigningKeys keys;
  ASSERT_TRUE(keys.Add(key_, now_ + absl::Hours(1)).ok());
  const Notary later("110", std::move(keys), {});
  EXPECT_EQ(later.signer(now_), nullptr);
  EXPECT_NE(later.signer(now_ + absl::Hours(1)), nullptr);
}

TEST_F(NotaryTest, AFormerKeyIsToldFromABadSignature) {
  const exchange::v1::LinkReceipt good = Receipt();
  EXPECT_FALSE(Ours().IsByFormerKey("110", good, now_)) << "it is good now";
  const Notary later = Ours(/*not_after=*/now_);
  EXPECT_FALSE(later.CheckReceipt("110", kLane, good, now_).ok());
  EXPECT_TRUE(later.IsByFormerKey("110", good, now_));
  exchange::v1::LinkReceipt altered = good;
  altered.mutable_statement()->back() ^= 1;
  EXPECT_FALSE(later.IsByFormerKey("110", altered, now_));
  exchange::v1::LinkReceipt unknown = good;
  unknown.mutable_signature()->set_key_id("b");
  EXPECT_TRUE(Ours().IsByFormerKey("110", unknown, now_)) << "its public half was taken out";
  exchange::v1::LinkReceipt missing = good;
  missing.clear_signature();
  EXPECT_FALSE(Ours().IsByFormerKey("110", missing, now_));
}

}  // namespace
}  // namespace hotline::dispatch
