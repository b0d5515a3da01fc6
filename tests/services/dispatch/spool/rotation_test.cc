// Two sites that only files join change their keys while the emergency lane is idle.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "common/contract/proto_time.h"
#include "services/dispatch/link.h"
#include "tests/services/dispatch/spool/world.h"
#include "tests/support/made_keys.h"
#include "tests/support/partial.h"

namespace hotline::dispatch {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

constexpr exchange::v1::Lane kEmergency = exchange::v1::LANE_EMERGENCY;
const absl::Time kStart = absl::FromUnixSeconds(1'790'000'000);
const absl::Time kNewBegins = kStart + absl::Hours(1);
const absl::Time kOldEnds = kStart + absl::Hours(2);

// Hands out what was committed, and keeps what is acknowledged.
struct Outbox : test::PartialLedger {
  void PullOutbox(const CallContext&, workorder::v1::PullOutboxRequest request,
                  Done<workorder::v1::PullOutboxResponse> done) override {
    acknowledged = std::max(acknowledged, request.receipt().received_through());
    workorder::v1::PullOutboxResponse response;
    response.set_acknowledged_through(acknowledged);
    response.set_outgoing_sequence(static_cast<int64_t>(sender->outbox.size()));
    const int64_t after = request.after_sequence() < 0 ? acknowledged : request.after_sequence();
    for (size_t i = static_cast<size_t>(after); i < sender->outbox.size(); ++i) {
      *response.add_envelopes() = sender->outbox[i];
    }
    const absl::Duration wait = response.envelopes().empty() ? absl::Seconds(1) : absl::ZeroDuration();
    executor->PostAfter(wait, [done = std::move(done), response = std::move(response)]() mutable {
      done(std::move(response));
    });
  }

  const Sender* sender = nullptr;
  Executor* executor = nullptr;
  int64_t acknowledged = 0;
};

// Signs its receipts, as DispatchService does.
struct SigningReceiver : Receiver {
  void Deliver(const CallContext& call, exchange::v1::DeliverRequest request,
               Done<exchange::v1::DeliverResponse> done) override {
    const std::string to = request.from_hotline();
    const exchange::v1::Lane lane = LaneOf(request.lane());
    EXPECT_TRUE(notary->CheckBatch(request, call.now).ok());
    Receiver::Deliver(
        call, std::move(request),
        [this, to, lane,
         done = std::move(done)](absl::StatusOr<exchange::v1::DeliverResponse> response) mutable {
          if (response.ok()) {
            response->mutable_receipt()->set_lane(lane);
            EXPECT_TRUE(notary->SignReceipt(to, response->mutable_receipt(), clock->Now()).ok());
          }
          done(std::move(response));
        });
  }

  const Notary* notary = nullptr;
  const Clock* clock = nullptr;
};

// One site's end, with its emergency lane's link.
class KeyedSide {
 public:
  KeyedSide(const std::string& hotline, const std::string& peer, crypto::SigningKeys own,
            const crypto::KeyRing& ring, test::Steps* steps, test::MemoryFiles* files)
      : steps_(steps),
        files_(files),
        own_(std::move(own)),
        ring_(ring),
        notary_(hotline, own_, ring),
        sealer_(&own_, &ring_, hotline, peer),
        sender(hotline, peer, kEmergency) {
    options_.hotline = hotline;
    options_.peer = peer;
    options_.out_directory = StrCat(hotline, "/out");
    options_.in_directory = StrCat(hotline, "/in");
    options_.sign_receipt = [this, peer](exchange::v1::LinkReceipt* receipt, absl::Time now) {
      return notary_.SignReceipt(peer, receipt, now);
    };
    receiver.notary = &notary_;
    receiver.clock = steps_->clock();
    outbox.sender = &sender;
  }
  ~KeyedSide() { Kill(); }

  void Start() {
    executor_ = std::make_unique<LifeExecutor>(steps_);
    outbox.executor = executor_.get();
    peer = std::make_unique<SpoolPeer>(files_, &sealer_, executor_.get(), steps_->clock(), options_);
    inbox_ = std::make_unique<SpoolInbox>(files_, &sealer_, peer.get(), &receiver, executor_.get(),
                                          steps_->clock(), options_);
    LinkOptions link_options;
    link_options.hotline = options_.hotline;
    link_options.peer = options_.peer;
    link_options.lane = kEmergency;
    link = std::make_unique<Link>(&outbox, peer.get(), &notary_, &way_, executor_.get(), steps_->clock(),
                                  link_options);
    inbox_->Start();
    link->Start();
    steps_->RunDue();
  }
  void Kill() {
    executor_.reset();
    link.reset();
    inbox_.reset();
    peer.reset();
  }
  test::MemoryFiles::Directory& out() { return files_->at(options_.out_directory); }
  test::MemoryFiles::Directory& in() { return files_->at(options_.in_directory); }
  // Those that its newest bundle's receipts are signed with.
  std::vector<std::string> NewestReceiptKeys() {
    std::vector<std::string> keys;
    const exchange::v1::Bundle newest = DecodeFile(out().rbegin()->second).bundle;
    for (const exchange::v1::LinkReceipt& receipt : newest.receipts()) {
      keys.push_back(receipt.signature().key_id());
    }
    return keys;
  }

 private:
  test::Steps* const steps_;
  test::MemoryFiles* const files_;
  const crypto::SigningKeys own_;
  const crypto::KeyRing ring_;
  const Notary notary_;
  const KeySealer sealer_;
  RightOfWay way_{steps_, steps_->clock()};
  SpoolOptions options_;
  std::unique_ptr<LifeExecutor> executor_;
  std::unique_ptr<SpoolInbox> inbox_;

 public:
  Sender sender;
  SigningReceiver receiver;
  Outbox outbox;
  std::unique_ptr<SpoolPeer> peer;
  std::unique_ptr<Link> link;
};

class RotationTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { keys_ = new test::MadeKeys({"--id old 12345 110", "--id new 12345 110"}); }
  static void TearDownTestSuite() { delete keys_; }

  static crypto::Signer Key(const std::string& party, const std::string& id) {
    return keys_->Signer(party, id);
  }
  static crypto::SigningKeys Own(const std::string& party) {
    crypto::SigningKeys keys;
    EXPECT_TRUE(keys.Add(Key(party, "old"), absl::InfinitePast()).ok());
    EXPECT_TRUE(keys.Add(Key(party, "new"), kNewBegins).ok());
    return keys;
  }
  static crypto::KeyRing Ring() {
    crypto::KeyRing ring;
    for (const char* party : {"12345", "110"}) {
      EXPECT_TRUE(
          ring.Add(party, "old", Key(party, "old").public_key(), kStart - absl::Hours(1), kOldEnds).ok());
      EXPECT_TRUE(ring.Add(party, "new", Key(party, "new").public_key(), kStart).ok());
    }
    return ring;
  }

  static void Copy(KeyedSide& from, KeyedSide& to) {
    for (const auto& [name, bytes] : from.out()) {
      if (name[0] != '.') to.in()[name] = bytes;
    }
  }
  void Settle() {
    for (int i = 0; i < 5; ++i) {
      steps_.Advance(absl::Seconds(2));
      Copy(a_, b_);
      Copy(b_, a_);
    }
  }

  static test::MadeKeys* keys_;
  test::Steps steps_{kStart};
  test::MemoryFiles files_;
  KeyedSide a_{"12345", "110", Own("12345"), Ring(), &steps_, &files_};
  KeyedSide b_{"110", "12345", Own("110"), Ring(), &steps_, &files_};
};
test::MadeKeys* RotationTest::keys_ = nullptr;

TEST_F(RotationTest, AnEmergencyLeavesAfterTheKeyOfTheLastReceiptHasEnded) {
  a_.Start();
  b_.Start();
  Settle();
  EXPECT_TRUE(a_.link->health().up);
  EXPECT_THAT(a_.receiver.logs[kEmergency].bodies, SizeIs(0));
  // Nothing is said until the old keys have ended; then one site restarts.
  a_.Kill();
  b_.Kill();
  steps_.Advance(kOldEnds + absl::Hours(1) - steps_.clock()->Now());
  a_.Start();
  steps_.Advance(absl::Seconds(30));
  EXPECT_TRUE(a_.link->health().up) << a_.link->health().last_error;
  a_.sender.Commit("emergency");
  b_.Start();
  Settle();
  EXPECT_THAT(b_.receiver.logs[kEmergency].bodies, ElementsAre("emergency"));
  EXPECT_EQ(a_.outbox.acknowledged, 1);
  EXPECT_TRUE(a_.link->health().up) << a_.link->health().last_error;
}

// A disk that was carried for days: its bundle was taken, and the batch in it refused.
TEST_F(RotationTest, WhatWasWrittenBeforeItsKeyEndedIsTakenAfterwards) {
  a_.Start();
  b_.Start();
  Settle();
  a_.sender.Commit("emergency");
  steps_.Advance(absl::Seconds(2));
  a_.Kill();
  b_.Kill();
  steps_.Advance(kOldEnds + absl::Hours(1) - steps_.clock()->Now());
  Copy(a_, b_);
  b_.Start();
  steps_.Advance(absl::Seconds(2));
  EXPECT_THAT(b_.receiver.logs[kEmergency].bodies, ElementsAre("emergency"));
}

TEST_F(RotationTest, WhatABundleRepeatsIsSignedAnew) {
  a_.Start();
  b_.Start();
  Settle();
  EXPECT_THAT(b_.NewestReceiptKeys(), ElementsAre("old", "old"));
  steps_.Advance(kNewBegins + absl::Minutes(1) - steps_.clock()->Now());
  a_.sender.Commit("emergency");
  Settle();
  EXPECT_THAT(b_.receiver.logs[kEmergency].bodies, ElementsAre("emergency"));
  EXPECT_THAT(b_.NewestReceiptKeys(), ElementsAre("new", "new")) << "also of the lane on which nothing came";
}

}  // namespace
}  // namespace hotline::dispatch
