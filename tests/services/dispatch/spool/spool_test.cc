// Two sites that only files join: what each kind of bad copying does, and what it must not do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/contract/proto_time.h"
#include "hotline/dispatch/v1/spool_state.pb.h"
#include "services/dispatch/link.h"
#include "services/dispatch/notary.h"
#include "services/dispatch/right_of_way.h"
#include "tests/services/dispatch/fakes.h"
#include "tests/services/dispatch/spool/world.h"

namespace hotline::dispatch {
namespace {

using error::Reason;
using exchange::v1::Bundle;
using exchange::v1::DeliverRequest;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

constexpr absl::Duration kPatience = absl::Seconds(31);

std::vector<std::string> Numbered(int from, int to) {
  std::vector<std::string> bodies;
  for (int i = from; i <= to; ++i) bodies.push_back(StrCat("order ", i));
  return bodies;
}
// Commits envelopes and hands each over in a bundle of its own.
void CommitEach(Side& side, int from, int to) {
  for (int i = from; i <= to; ++i) {
    side.sender().Commit(StrCat("order ", i));
    side.Pump();
  }
}
Bundle BundleIn(const std::string& file) { return DecodeFile(file).bundle; }
// Signed by `side`, whatever it holds.
std::string FileBy(const std::string& hotline, const Bundle& bundle) {
  const SecretSealer sealer(hotline, "");
  std::string bytes = EncodeSigned(bundle);
  const auto signature = sealer.Seal(bytes, absl::Time());
  return EncodeFile(std::move(bytes), *signature);
}
Bundle HeaderFor(const std::string& from, const std::string& to, int64_t number) {
  Bundle bundle;
  bundle.mutable_header()->set_protocol_version(1);
  bundle.mutable_header()->set_from_hotline(from);
  bundle.mutable_header()->set_to_hotline(to);
  bundle.mutable_header()->set_incarnation(1);
  bundle.mutable_header()->set_number(number);
  return bundle;
}
// Only the bundles that carry a batch.
std::vector<std::string> Parts(Side& side) {
  std::vector<std::string> names;
  for (const std::string& name : side.OutNames()) {
    if (BundleIn(side.out()[name]).parts_size() > 0) names.push_back(name);
  }
  return names;
}

TEST(SpoolTest, ABatchTravelsAndItsReceiptComesBack) {
  World world;
  world.Start();
  world.a.sender().Commit("ordinary");
  world.a.sender(exchange::v1::LANE_EMERGENCY).Commit("emergency");
  world.Settle();
  EXPECT_THAT(world.b.log().bodies, ElementsAre("ordinary"));
  EXPECT_THAT(world.b.log(exchange::v1::LANE_EMERGENCY).bodies, ElementsAre("emergency"));
  EXPECT_EQ(world.a.sender().acknowledged, 1);
  EXPECT_EQ(world.a.sender(exchange::v1::LANE_EMERGENCY).acknowledged, 1);
  EXPECT_THAT(world.a.rejects, IsEmpty());
  EXPECT_THAT(world.b.rejects, IsEmpty());
  EXPECT_THAT(world.b.in(), IsEmpty());
}

// The receipt lay there, and the call-taker was told to telephone: nobody looked until work_order's long poll
// came back.
TEST(SpoolTest, AReceiptThatWasReadIsToldAtOnce) {
  World world;
  world.Start();
  FakeLedger ledger;
  const Notary notary("12345", {}, {});
  RightOfWay way(&world.steps, &world.wall);
  LinkOptions options;
  options.hotline = "12345";
  options.peer = "110";
  options.lane = exchange::v1::LANE_EMERGENCY;
  Link link(&ledger, world.a.peer.get(), &notary, &way, &world.steps, &world.wall, options);
  link.Start();
  world.steps.RunDue();
  Sender& emergencies = world.a.sender(exchange::v1::LANE_EMERGENCY);
  emergencies.Commit("emergency");
  workorder::v1::PullOutboxResponse offer;
  *offer.add_envelopes() = emergencies.outbox.front();
  offer.set_outgoing_sequence(1);
  ASSERT_THAT(ledger.pulls, SizeIs(1));
  Take(ledger.pulls).done(std::move(offer));
  std::optional<ReceiptOutcome> outcome;
  link.AwaitReceipt(1, world.wall.Now() + absl::Seconds(10), true, [&](ReceiptOutcome o) { outcome = o; });
  world.steps.RunDue();
  ASSERT_THAT(ledger.pulls, SizeIs(1)) << "the long poll, which nothing answers";
  World::Copy(world.a, world.b);
  world.Pass(world.b.options.scan_interval);
  EXPECT_THAT(world.b.log(exchange::v1::LANE_EMERGENCY).bodies, ElementsAre("emergency"));
  World::Copy(world.b, world.a);
  world.Pass(world.a.options.scan_interval);
  ASSERT_THAT(ledger.pulls, SizeIs(2));
  EXPECT_EQ(ledger.pulls.back().request.receipt().received_through(), 1);
  workorder::v1::PullOutboxResponse recorded;
  recorded.set_acknowledged_through(1);
  recorded.set_outgoing_sequence(1);
  ledger.pulls.back().done(std::move(recorded));
  EXPECT_EQ(outcome, ReceiptOutcome::kReceived);
  EXPECT_EQ(link.health().acknowledged, 1);
  world.steps.Clear();
}

TEST(SpoolTest, DeliverAnswersAtOnceWithWhatIsKnown) {
  World world;
  world.Start();
  world.a.sender().Commit("x");
  absl::StatusOr<exchange::v1::DeliverResponse> answer = absl::UnknownError("not answered");
  world.a.peer->Deliver(CallContext(), world.a.sender().Batch(1, 1),
                        [&](auto response) { answer = response; });
  world.steps.RunDue();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_FALSE(answer->has_receipt()) << "nothing is known yet";
  EXPECT_TRUE(world.a.peer->store_and_forward());
  EXPECT_EQ(world.a.peer->known_time(), absl::InfinitePast());
  world.Settle();
  world.a.peer->Deliver(CallContext(), DeliverRequest(), [&](auto response) { answer = response; });
  world.steps.RunDue();
  EXPECT_EQ(answer->receipt().received_through(), 1);
  EXPECT_GT(world.a.peer->known_time(), absl::FromUnixSeconds(1'790'000'000) - absl::Seconds(1));
}

TEST(SpoolTest, ABundleSaysWhoWroteIt) {
  World world;
  world.a.options.capabilities = {"backfill"};
  world.Start();
  world.a.sender().Commit("x");
  world.a.Pump();
  const std::vector<std::string> names = Parts(world.a);
  ASSERT_THAT(names, SizeIs(1));
  const Bundle bundle = BundleIn(world.a.out()[names[0]]);
  const BundleName name = *ParseFileName(names[0]);
  EXPECT_EQ(name.from, "12345");
  EXPECT_EQ(name.to, "110");
  EXPECT_EQ(bundle.header().number(), name.number);
  EXPECT_EQ(bundle.header().protocol_version(), 1);
  EXPECT_THAT(bundle.header().supported_versions(), ElementsAre(1));
  EXPECT_THAT(bundle.header().capabilities(), ElementsAre("backfill"));
  EXPECT_EQ(FromTimestamp(bundle.header().create_time()), world.steps.clock()->Now());
  EXPECT_THAT(bundle.receipts(), SizeIs(2));
}

TEST(SpoolTest, AnEmptyDeliverWritesNothing) {
  World world;
  world.Start();
  world.Settle();
  const int64_t before = world.a.peer->counters().bundles_written;
  for (int i = 0; i < 100; ++i) {
    world.a.Pump();
    world.Pass(absl::Seconds(1));
  }
  EXPECT_EQ(world.a.peer->counters().bundles_written, before);
}

TEST(SpoolTest, QuietSitesWriteNothing) {
  World world;
  world.Start();
  world.a.sender().Commit("x");
  world.Settle(5);
  const int64_t before = world.a.peer->counters().bundles_written + world.b.peer->counters().bundles_written;
  world.Settle(100);
  EXPECT_EQ(world.a.peer->counters().bundles_written + world.b.peer->counters().bundles_written, before)
      << "receipts must not answer receipts";
}

TEST(SpoolTest, OneBundleHoldsTheReceiptsForMany) {
  World world;
  world.Start();
  world.Settle();
  const int64_t before = world.b.peer->counters().bundles_written;
  CommitEach(world.a, 1, 50);
  World::Copy(world.a, world.b);
  world.Pass(absl::Seconds(2));
  EXPECT_THAT(world.b.log().bodies, SizeIs(50));
  EXPECT_EQ(world.b.peer->counters().bundles_written, before + 1);
}

TEST(SpoolTest, LostBundlesAreWrittenAgain) {
  World world;
  world.Start();
  world.Settle();
  CommitEach(world.a, 1, 10);
  for (const std::string& name : Parts(world.a)) {
    if (ParseFileName(name)->number % 2 == 0) world.a.out().erase(name);
  }
  World::Carry(world.a, world.b);
  world.Pass(absl::Seconds(2));
  EXPECT_LT(world.b.log().bodies.size(), 10u);
  World::Copy(world.b, world.a);
  world.Pass(world.a.options.resend_after);
  world.Settle();
  EXPECT_EQ(world.b.log().bodies, Numbered(1, 10));
  EXPECT_EQ(world.a.sender().acknowledged, 10);
}

TEST(SpoolTest, DoubledBundlesChangeNothing) {
  World world;
  world.Start();
  CommitEach(world.a, 1, 5);
  test::MemoryFiles::Directory copies = world.a.out();
  std::erase_if(copies, [](const auto& file) { return file.first[0] == '.'; });
  for (int round = 0; round < 5; ++round) {
    for (const auto& [name, bytes] : copies) world.b.in()[name] = bytes;
    world.Pass(absl::Seconds(2));
  }
  EXPECT_EQ(world.b.log().bodies, Numbered(1, 5));
  EXPECT_GE(world.b.peer->counters().bundles_doubled, 20);
  EXPECT_THAT(world.b.rejects, IsEmpty());
  EXPECT_THAT(world.b.in(), IsEmpty());
  // Also after a restart, which forgets what was read.
  world.b.Kill();
  for (const auto& [name, bytes] : copies) world.b.in()[name] = bytes;
  world.b.Start();
  world.Pass(absl::Seconds(2));
  EXPECT_EQ(world.b.log().bodies, Numbered(1, 5));
  EXPECT_THAT(world.b.rejects, IsEmpty());
}

TEST(SpoolTest, ReorderedBundlesNeedNoRepeating) {
  World world;
  world.Start();
  world.Settle();
  CommitEach(world.a, 1, 8);
  std::vector<std::string> names = Parts(world.a);
  ASSERT_THAT(names, SizeIs(8));
  std::reverse(names.begin(), names.end());
  for (const std::string& name : names) {
    world.b.in()[name] = world.a.out()[name];
    world.Pass(absl::Seconds(1));
  }
  world.Pass(absl::Seconds(1));
  EXPECT_EQ(world.b.log().bodies, Numbered(1, 8));
  EXPECT_THAT(world.b.in(), IsEmpty());
  EXPECT_EQ(world.b.peer->status().held_files, 0);
}

TEST(SpoolTest, OnlySoManyBundlesWaitForAnEarlierOne) {
  World world;
  world.Start();
  world.Settle();
  CommitEach(world.a, 1, 300);
  const std::vector<std::string> names = Parts(world.a);
  ASSERT_THAT(names, SizeIs(300));
  for (size_t i = 1; i < names.size(); ++i) world.b.in()[names[i]] = world.a.out()[names[i]];
  world.Pass(absl::Seconds(10));
  EXPECT_THAT(world.b.in(), SizeIs(256));
  EXPECT_EQ(world.b.peer->counters().rejected[static_cast<int>(Reject::kEarly)], 299 - 256);
  world.Settle();
  world.Pass(world.a.options.resend_after);
  world.Settle();
  EXPECT_EQ(world.b.log().bodies, Numbered(1, 300));
  EXPECT_THAT(world.b.in(), IsEmpty());
}

TEST(SpoolTest, AFileThatIsStillGrowingIsWaitedFor) {
  World world;
  world.Start();
  world.Settle();
  world.a.sender().Commit("order 1");
  world.a.Pump();
  const std::string name = Parts(world.a).at(0);
  const std::string whole = world.a.out()[name];
  // A slow tool that writes under the final name: longer in all than patience lasts.
  for (size_t length = 0; length < whole.size(); length += whole.size() / 10) {
    world.b.in()[name] = whole.substr(0, length);
    world.Pass(absl::Seconds(20));
    EXPECT_THAT(world.b.log().bodies, IsEmpty());
    EXPECT_THAT(world.b.rejects, IsEmpty());
  }
  world.b.in()[name] = whole;
  world.Pass(absl::Seconds(1));
  EXPECT_THAT(world.b.log().bodies, SizeIs(1));
}

TEST(SpoolTest, AFileCutShortAnywhereIsPutAsideAndBlocksNothing) {
  World world;
  world.Start();
  world.Settle();
  CommitEach(world.a, 1, 2);
  const std::vector<std::string> names = Parts(world.a);
  const std::string whole = world.a.out()[names.at(0)];
  size_t rejects = 0;
  for (size_t length = 0; length < whole.size(); ++length) {
    world.b.in()[names[0]] = whole.substr(0, length);
    world.Pass(absl::Seconds(1) + 2 * kPatience);
    ASSERT_THAT(world.b.log().bodies, IsEmpty()) << length;
    ASSERT_THAT(world.b.rejects, SizeIs(++rejects)) << length;
    ASSERT_THAT(world.b.rejects.back(), Pair(names[0], Reject::kTruncated)) << length;
  }
  EXPECT_LE(world.b.rejected().size(), static_cast<size_t>(kMaxRejectedFiles));
  world.b.in()[names[0]] = whole.substr(0, 100);
  world.Pass(absl::Seconds(1));
  World::Copy(world.a, world.b);
  world.Pass(absl::Seconds(2));
  EXPECT_EQ(world.b.log().bodies, Numbered(1, 2));
}

TEST(SpoolTest, EveryAlteredByteIsNoticed) {
  World world;
  world.Start();
  world.Settle();
  world.a.sender().Commit("order 1");
  world.a.Pump();
  const std::string name = Parts(world.a).at(0);
  const std::string whole = world.a.out()[name];
  for (size_t i = 0; i < whole.size(); i += 3) {
    std::string altered = whole;
    altered[i] = static_cast<char>(altered[i] ^ 0x20);
    // The key's name is not signed: it only says which key to try.
    if (DecodeFile(altered).fault == FileFault::kNone &&
        DecodeFile(altered).signed_bytes == DecodeFile(whole).signed_bytes &&
        DecodeFile(altered).signature.value() == DecodeFile(whole).signature.value()) {
      continue;
    }
    world.b.in()[name] = altered;
    const size_t before = world.b.rejects.size();
    world.Pass(absl::Seconds(1) + 2 * kPatience);
    ASSERT_THAT(world.b.log().bodies, IsEmpty()) << i;
    ASSERT_THAT(world.b.rejects, SizeIs(before + 1)) << i;
  }
}

TEST(SpoolTest, AWrongSignatureIsRefusedAndTheWriterIsTold) {
  World world;
  world.Start();
  world.Settle();
  world.a.sender().Commit("order 1");
  world.a.Pump();
  const std::string name = Parts(world.a).at(0);
  world.b.in()[name] = FileBy("somebody else", BundleIn(world.a.out()[name]));
  world.Pass(absl::Seconds(1));
  EXPECT_THAT(world.b.rejects, IsEmpty()) << "it may have been allocated first and be filled later";
  world.Pass(2 * kPatience);
  EXPECT_THAT(world.b.rejects, ElementsAre(Pair(name, Reject::kSignature)));
  EXPECT_THAT(world.b.log().bodies, IsEmpty());
  EXPECT_THAT(world.b.rejected(), SizeIs(1));
  World::Copy(world.b, world.a);
  world.Pass(absl::Seconds(1));
  world.a.Pump();
  // Whose bundle it was is not known, nor what was in it: both lanes hear of it.
  for (const auto& [lane, sender] : world.a.senders) {
    EXPECT_EQ(error::ReasonOf(sender.last_status), Reason::ERROR_REASON_SIGNATURE_INVALID) << lane;
  }
  // Once only, and what is right passes.
  world.Settle();
  for (const auto& [lane, sender] : world.a.senders)
    EXPECT_TRUE(sender.last_status.ok()) << sender.last_status;
  EXPECT_THAT(world.b.log().bodies, SizeIs(1));
}

TEST(SpoolTest, ForeignFilesAreLeftAWhileAndThenPutAside) {
  World world;
  world.Start();
  world.b.in()["readme.txt"] = "hello";
  world.b.in()["12345-110-000000000009.hlb"] = "not a bundle";
  world.b.in()["12345-110-000000000007.hlb.part"] = "a tool's own name";
  world.Pass(absl::Seconds(20));
  EXPECT_THAT(world.b.in(), SizeIs(3));
  world.Settle();
  world.Pass(2 * kPatience);
  EXPECT_THAT(world.b.in(), IsEmpty());
  EXPECT_THAT(world.b.rejects,
              testing::UnorderedElementsAre(Pair("readme.txt", Reject::kForeign),
                                            Pair("12345-110-000000000009.hlb", Reject::kForeign),
                                            Pair("12345-110-000000000007.hlb.part", Reject::kForeign)));
  EXPECT_THAT(world.b.rejected(), SizeIs(3));
  EXPECT_EQ(world.b.peer->counters().rejected[static_cast<int>(Reject::kForeign)], 3);
}

TEST(SpoolTest, TemporaryNamesAreNeverRead) {
  World world;
  world.Start();
  world.Settle();
  world.a.sender().Commit("order 1");
  world.a.Pump();
  const std::string name = Parts(world.a).at(0);
  world.b.in()[".tmp-" + name] = world.a.out()[name];
  world.Pass(2 * kPatience);
  EXPECT_THAT(world.b.log().bodies, IsEmpty());
  EXPECT_THAT(world.b.in(), SizeIs(1));
  // Renamed late.
  world.b.in()[name] = world.b.in()[".tmp-" + name];
  world.b.in().erase(".tmp-" + name);
  world.Pass(absl::Seconds(1));
  EXPECT_THAT(world.b.log().bodies, SizeIs(1));
}

TEST(SpoolTest, AnotherPeersBundlesAreRefused) {
  World world;
  world.Start();
  // By its name, by its header alone, and one of our own that came back.
  world.b.in()["119-110-000000000001.hlb"] = FileBy("12345", HeaderFor("119", "110", 1));
  world.b.in()["12345-110-000000000002.hlb"] = FileBy("12345", HeaderFor("119", "110", 2));
  world.b.in()["12345-110-000000000003.hlb"] = FileBy("12345", HeaderFor("12345", "119", 3));
  world.b.in()["110-12345-000000000001.hlb"] = FileBy("110", HeaderFor("110", "12345", 1));
  world.Pass(absl::Seconds(1));
  EXPECT_THAT(world.b.rejects, SizeIs(4));
  for (const auto& [name, why] : world.b.rejects) EXPECT_EQ(why, Reject::kParty) << name;
}

// One bundle that claimed to have seen the last number there is stopped the site's own bundles for good.
TEST(SpoolTest, WhatAPeerClaimsToHaveSeenLeavesPlaceForMore) {
  World world;
  world.Start();
  world.Settle();
  Bundle bundle = HeaderFor("12345", "110", 1);
  bundle.mutable_header()->set_incarnation(absl::ToUnixMicros(world.wall.Now()));
  bundle.mutable_header()->set_seen_incarnation(std::numeric_limits<int64_t>::max());
  world.b.in()["12345-110-000000000901.hlb"] = FileBy("12345", bundle);
  bundle.mutable_header()->set_seen_incarnation(1);
  bundle.mutable_header()->set_seen_number(-1);
  world.b.in()["12345-110-000000000902.hlb"] = FileBy("12345", bundle);
  world.Pass(absl::Seconds(1));
  ASSERT_THAT(world.b.rejects, SizeIs(2));
  for (const auto& [name, why] : world.b.rejects) EXPECT_EQ(why, Reject::kMalformed) << name;
  // Read as the newest there is, though nobody has written so many.
  bundle.mutable_header()->set_seen_number(999'999'999'999'999'998);
  world.b.in()["12345-110-000000000903.hlb"] = FileBy("12345", bundle);
  world.Pass(absl::Seconds(1));
  EXPECT_THAT(world.b.rejects, SizeIs(2));
  CommitEach(world.b, 1, 3);
  world.Settle(10);
  EXPECT_EQ(world.a.log().bodies, Numbered(1, 3));
}

TEST(SpoolTest, LanesThatDoNotExistAreNotRemembered) {
  World world;
  world.Start();
  world.Settle();
  Bundle bundle = HeaderFor("12345", "110", 1);
  bundle.mutable_header()->set_incarnation(absl::ToUnixMicros(world.wall.Now()) + 1'000'000);
  for (int lane = 1; lane < 100; ++lane) bundle.add_receipts()->set_lane(static_cast<Lane>(lane));
  world.b.in()["12345-110-000000000901.hlb"] = FileBy("12345", bundle);
  world.Pass(absl::Seconds(2));
  EXPECT_THAT(world.b.in(), IsEmpty());
  v1::SpoolState state;
  ASSERT_TRUE(state.ParseFromString(world.b.out()[".state-110-12345"]));
  EXPECT_EQ(state.peer_receipts_size(), 2);
}

TEST(SpoolTest, AFutureVersionIsRefusedAndBothSidesSaySo) {
  World world;
  world.a.options.supported_versions = {2};
  world.Start();
  world.Settle();
  EXPECT_THAT(world.b.rejects, SizeIs(testing::Ge(1)));
  for (const auto& [name, why] : world.b.rejects) EXPECT_EQ(why, Reject::kVersion) << name;
  absl::Status at_b;
  exchange::v1::GetLinkRequest request;
  request.set_protocol_version(1);
  request.add_supported_versions(1);
  world.b.peer->GetLink(CallContext(), request, [&](auto response) { at_b = response.status(); });
  world.steps.RunDue();
  EXPECT_EQ(error::ReasonOf(at_b), Reason::ERROR_REASON_PROTOCOL_VERSION_UNSUPPORTED) << at_b;
  // 12345 speaks version 2 only, so what it hears from 110 is refused there; its next question says why.
  absl::Status at_a;
  request.set_protocol_version(2);
  request.clear_supported_versions();
  world.a.peer->GetLink(CallContext(), request, [&](auto response) { at_a = response.status(); });
  world.steps.RunDue();
  EXPECT_EQ(error::ReasonOf(at_a), Reason::ERROR_REASON_PROTOCOL_VERSION_UNSUPPORTED) << at_a;
}

TEST(SpoolTest, AFutureFormIsPutAside) {
  World world;
  world.Start();
  world.Settle();
  std::string file = FileBy("12345", HeaderFor("12345", "110", 50));
  file[11] = 9;
  world.b.in()["12345-110-000000000050.hlb"] = file;
  world.Pass(2 * kPatience);
  EXPECT_THAT(world.b.rejects, ElementsAre(Pair("12345-110-000000000050.hlb", Reject::kForm)));
}

TEST(SpoolTest, AHugeFileIsNotRead) {
  World world;
  world.Start();
  world.Settle();
  world.b.in()["12345-110-000000000050.hlb"] = std::string(kMaxBundleFileBytes + 1, 'x');
  const int64_t reads = world.files.reads();
  world.Pass(absl::Milliseconds(600));
  EXPECT_THAT(world.b.rejects, ElementsAre(Pair("12345-110-000000000050.hlb", Reject::kTooLarge)));
  EXPECT_LE(world.files.reads(), reads + 2);
}

TEST(SpoolTest, WhatIsPutAsideIsBounded) {
  World world;
  world.Start();
  for (int i = 0; i < 200; ++i) {
    world.b.in()[StrCat("119-110-", 100'000'000'000 + i, ".hlb")] = "x";
    world.Pass(absl::Seconds(1));
  }
  EXPECT_THAT(world.b.rejects, SizeIs(200));
  EXPECT_THAT(world.b.rejected(), SizeIs(kMaxRejectedFiles));
  const std::string oldest = world.b.rejected().begin()->first;
  // Counted on after a restart.
  world.b.Kill();
  world.b.Start();
  world.b.in()["119-110-000000000001.hlb"] = "x";
  world.Pass(absl::Seconds(1));
  EXPECT_THAT(world.b.rejected(), SizeIs(kMaxRejectedFiles));
  EXPECT_FALSE(world.b.rejected().contains(oldest));
}

TEST(SpoolTest, AnUnreadableDirectoryIsToldAndMended) {
  World world;
  world.Start();
  world.Settle();
  world.files.Break(world.b.options.in_directory);
  world.a.sender().Commit("order 1");
  world.Settle();
  EXPECT_THAT(world.b.log().bodies, IsEmpty());
  ASSERT_THAT(world.b.troubles, SizeIs(1));
  EXPECT_FALSE(world.b.troubles[0].ok());
  world.files.Mend(world.b.options.in_directory);
  world.Settle();
  EXPECT_THAT(world.b.log().bodies, SizeIs(1));
  ASSERT_THAT(world.b.troubles, SizeIs(2));
  EXPECT_TRUE(world.b.troubles[1].ok());
}

TEST(SpoolTest, ABrokenOutDirectoryFailsDeliverUntilItIsMended) {
  World world;
  world.Start();
  world.Settle();
  world.files.Break(world.a.options.out_directory);
  world.a.sender().Commit("order 1");
  world.a.Pump();
  EXPECT_EQ(error::ReasonOf(world.a.sender().last_status), Reason::ERROR_REASON_STORE_FAILED);
  EXPECT_EQ(world.a.sender().handed, 0);
  // Asking fails as well: a link that cannot write is not up.
  world.a.sender().handed = 1;
  world.a.Pump();
  EXPECT_EQ(error::ReasonOf(world.a.sender().last_status), Reason::ERROR_REASON_STORE_FAILED);
  world.a.sender().handed = 0;
  world.files.Mend(world.a.options.out_directory);
  world.Settle();
  EXPECT_THAT(world.b.log().bodies, SizeIs(1));
  EXPECT_TRUE(world.a.sender().last_status.ok());
}

TEST(SpoolTest, ADirectoryThatIsBrokenAtStartIsWaitedFor) {
  World world;
  world.files.Break(world.a.options.out_directory);
  world.files.Break(world.b.options.in_directory + "/rejected");
  world.Start();
  world.a.sender().Commit("order 1");
  world.Settle();
  EXPECT_FALSE(world.a.sender().last_status.ok());
  world.files.Mend(world.a.options.out_directory);
  world.files.Mend(world.b.options.in_directory + "/rejected");
  world.Pass(absl::Seconds(20));
  world.Settle();
  EXPECT_THAT(world.b.log().bodies, SizeIs(1));
}

TEST(SpoolTest, AFullDiskIsAnAnswerAndNothingIsLost) {
  World world;
  world.Start();
  world.Settle();
  world.files.SetCapacity(1);
  world.a.sender().Commit("order 1");
  world.a.Pump();
  EXPECT_EQ(error::ReasonOf(world.a.sender().last_status), Reason::ERROR_REASON_DISK_FULL);
  world.a.sender().handed = 1;
  world.a.Pump();
  EXPECT_EQ(error::ReasonOf(world.a.sender().last_status), Reason::ERROR_REASON_DISK_FULL);
  world.a.sender().handed = 0;
  world.files.SetCapacity(1 << 30);
  world.Settle();
  EXPECT_THAT(world.b.log().bodies, SizeIs(1));
}

TEST(SpoolTest, OverQuotaTheLinkIsToldAndGoesOnWhenFilesAreGone) {
  World world;
  world.a.options.quota_bytes = 200'000;
  world.Start();
  world.Settle();
  int written = 0;
  for (int i = 1; i <= 10; ++i) {
    world.a.sender().Commit(std::string(50'000, 'x'));
    world.a.Pump();
    if (!world.a.sender().last_status.ok()) break;
    ++written;
  }
  EXPECT_EQ(written, 3);
  EXPECT_EQ(error::ReasonOf(world.a.sender().last_status), Reason::ERROR_REASON_OVERLOADED);
  EXPECT_GT(error::RetryDelayOf(world.a.sender().last_status), absl::ZeroDuration());
  // Asking says the same, so that the link does not flap.
  world.a.sender().handed = 4;
  world.a.Pump();
  EXPECT_EQ(error::ReasonOf(world.a.sender().last_status), Reason::ERROR_REASON_OVERLOADED);
  world.a.sender().handed = 3;
  World::Carry(world.a, world.b);
  world.Settle();
  EXPECT_THAT(world.b.log().bodies, SizeIs(4));
  EXPECT_TRUE(world.a.sender().last_status.ok());
}

TEST(SpoolTest, AnEmergencyPassesAFullSpool) {
  World world;
  world.a.options.quota_bytes = 200'000;
  world.Start();
  world.Settle();
  for (int i = 1; i <= 10; ++i) {
    world.a.sender().Commit(std::string(50'000, 'x'));
    world.a.Pump();
  }
  Sender& emergencies = world.a.sender(exchange::v1::LANE_EMERGENCY);
  EXPECT_TRUE(emergencies.last_status.ok()) << "asking says of each lane what holds for it";
  emergencies.Commit("emergency");
  world.a.Pump();
  EXPECT_TRUE(emergencies.last_status.ok()) << emergencies.last_status;
  EXPECT_EQ(error::ReasonOf(world.a.sender().last_status), Reason::ERROR_REASON_OVERLOADED);
  World::Copy(world.a, world.b);
  world.Pass(absl::Seconds(1));
  EXPECT_THAT(world.b.log(exchange::v1::LANE_EMERGENCY).bodies, ElementsAre("emergency"));
}

TEST(SpoolTest, EmergenciesLeaveRoomForReceipts) {
  World world;
  for (Side* side : {&world.a, &world.b}) {
    side->options.quota_bytes = 120'000;
    side->options.max_bundle_bytes = 100'000;
  }
  world.Start();
  for (int i = 1; i <= 10; ++i) {
    for (Side* side : {&world.a, &world.b}) {
      for (const Lane lane : kLanes) side->sender(lane).Commit(std::string(30'000, 'x'));
      side->Pump(/*limit=*/1);
    }
  }
  for (Side* side : {&world.a, &world.b}) {
    for (const Lane lane : kLanes) {
      EXPECT_EQ(error::ReasonOf(side->sender(lane).last_status), Reason::ERROR_REASON_OVERLOADED);
    }
    EXPECT_LE(side->peer->status().out_bytes, 320'000);
  }
  world.Settle(40, /*limit=*/1);
  for (Side* side : {&world.a, &world.b}) {
    for (const Lane lane : kLanes) EXPECT_THAT(side->log(lane).bodies, SizeIs(10));
  }
}

TEST(SpoolTest, TwoFullSitesStillExchangeReceipts) {
  World world;
  for (Side* side : {&world.a, &world.b}) side->options.quota_bytes = 200'000;
  world.Start();
  for (int i = 1; i <= 10; ++i) {
    for (Side* side : {&world.a, &world.b}) {
      side->sender().Commit(std::string(50'000, 'x'));
      side->Pump();
    }
  }
  EXPECT_FALSE(world.a.sender().last_status.ok());
  EXPECT_FALSE(world.b.sender().last_status.ok());
  // A tool that copies and never removes.
  world.Settle(20, /*limit=*/1);
  EXPECT_EQ(world.a.log().bodies.size(), 10u);
  EXPECT_EQ(world.b.log().bodies.size(), 10u);
}

TEST(SpoolTest, FilesGoWhenThePeerHasWhatTheyHold) {
  World world;
  world.Start();
  CommitEach(world.a, 1, 20);
  EXPECT_THAT(world.a.OutNames(), SizeIs(testing::Ge(20)));
  world.Settle(5);
  EXPECT_THAT(world.a.OutNames(), SizeIs(testing::Le(2)));
  EXPECT_THAT(world.b.OutNames(), SizeIs(testing::Le(2)));
  EXPECT_LT(world.a.peer->status().out_bytes, 2000);
}

TEST(SpoolTest, WhatIsWrittenAgainReplacesWhatNobodyFetched) {
  World world;
  world.Start();
  CommitEach(world.a, 1, 5);
  for (int hour = 0; hour < 60; ++hour) {
    world.Pass(world.a.options.resend_after);
    world.a.Pump();
  }
  // Two generations at most.
  EXPECT_THAT(world.a.OutNames(), SizeIs(testing::Le(8)));
  world.Settle();
  EXPECT_EQ(world.b.log().bodies, Numbered(1, 5));
}

TEST(SpoolTest, NumbersGoOnAfterARestart) {
  World world;
  world.Start();
  CommitEach(world.a, 1, 3);
  const int64_t last = ParseFileName(world.a.OutNames().back())->number;
  world.a.Kill();
  // Whether the files are still there or not.
  for (const bool taken : {false, true}) {
    if (taken) World::Carry(world.a, world.b);
    world.a.Start();
    world.a.sender().handed = 0;
    world.a.Pump();
    for (const std::string& name : world.a.OutNames()) {
      if (taken) {
        EXPECT_GT(ParseFileName(name)->number, last) << name;
      }
    }
    world.a.Kill();
  }
  // And without the kept state, by the directory alone.
  const int64_t highest = ParseFileName(world.a.OutNames().back())->number;
  world.a.out().erase(".state-12345-110");
  world.a.Start();
  world.a.Pump();
  EXPECT_GT(ParseFileName(world.a.OutNames().back())->number, highest);
  world.Settle();
  EXPECT_EQ(world.b.log().bodies, Numbered(1, 3));
}

TEST(SpoolTest, WhatThePeerAcknowledgedIsKnownAfterARestart) {
  World world;
  world.Start();
  CommitEach(world.a, 1, 3);
  world.Settle();
  world.a.Kill();
  world.a.Start();
  absl::StatusOr<exchange::v1::DeliverResponse> answer = absl::UnknownError("not answered");
  world.a.peer->Deliver(CallContext(), DeliverRequest(), [&](auto response) { answer = response; });
  world.steps.RunDue();
  EXPECT_EQ(answer->receipt().received_through(), 3);
  EXPECT_GT(world.a.peer->known_time(), absl::InfinitePast());
}

TEST(SpoolTest, ADirectorySetBackIsNoticedByThePeersBundles) {
  World world;
  world.Start();
  CommitEach(world.a, 1, 3);
  world.Settle();
  const int64_t number = world.a.peer->counters().bundles_written;
  // Everything is gone, and the clock is years behind.
  world.a.Kill();
  world.a.out().clear();
  world.wall.shift = -absl::Hours(24 * 3650);
  world.a.Start();
  world.wall.shift = absl::ZeroDuration();
  CommitEach(world.a, 4, 6);
  world.Settle(10);
  world.Pass(world.a.options.resend_after);
  world.Settle(10);
  EXPECT_EQ(world.b.log().bodies, Numbered(1, 6));
  EXPECT_EQ(world.a.sender().acknowledged, 6);
  world.b.sender().Commit("back");
  world.Settle(10);
  EXPECT_EQ(world.b.sender().acknowledged, 1) << "110 must believe the receipts of the new life";
  EXPECT_GT(ParseFileName(world.a.OutNames().back())->number, number);
}

TEST(SpoolTest, ATornWriteLeavesNothingToRead) {
  World world;
  world.Start();
  world.Settle();
  world.files.TearNextWrite();
  world.a.sender().Commit("order 1");
  world.a.Pump();
  EXPECT_FALSE(world.a.sender().last_status.ok());
  world.Settle();
  EXPECT_THAT(world.b.log().bodies, SizeIs(1));
  world.a.Kill();
  world.a.Start();
  for (const auto& [name, bytes] : world.a.out()) EXPECT_FALSE(name.starts_with(kTemporaryPrefix)) << name;
}

TEST(SpoolTest, WhenWorkOrderIsAwayBundlesWait) {
  World world;
  world.Start();
  world.Settle();
  world.b.receiver.fail = error::WorkOrderUnreachable("test");
  CommitEach(world.a, 1, 3);
  World::Carry(world.a, world.b);
  world.Pass(absl::Minutes(5));
  EXPECT_THAT(world.b.in(), SizeIs(testing::Ge(3)));
  EXPECT_THAT(world.b.rejects, IsEmpty());
  EXPECT_LT(world.b.receiver.deliveries, 60) << "it pauses longer and longer";
  world.b.receiver.fail = absl::OkStatus();
  world.Pass(absl::Seconds(15));
  EXPECT_EQ(world.b.log().bodies, Numbered(1, 3));
  EXPECT_THAT(world.b.in(), IsEmpty());
}

TEST(SpoolTest, ARefusedBatchIsToldToItsSenderOnceForEachTry) {
  World world;
  world.Start();
  world.Settle();
  world.b.receiver.fail = error::LinkForked("12345", 1);
  world.a.sender().Commit("order 1");
  world.a.Pump();
  const std::string name = Parts(world.a).at(0);
  World::Carry(world.a, world.b);
  world.Pass(absl::Seconds(1));
  EXPECT_THAT(world.b.rejects, ElementsAre(Pair(name, Reject::kRefused)));
  World::Copy(world.b, world.a);
  world.Pass(absl::Seconds(1));
  world.a.Pump();
  EXPECT_EQ(error::ReasonOf(world.a.sender().last_status), Reason::ERROR_REASON_LINK_FORKED);
  EXPECT_TRUE(world.a.sender(exchange::v1::LANE_EMERGENCY).last_status.ok()) << "the other lane goes on";
  world.b.receiver.fail = absl::OkStatus();
  world.Pass(world.a.options.resend_after);
  world.Settle();
  EXPECT_THAT(world.b.log().bodies, SizeIs(1));
  EXPECT_TRUE(world.a.sender().last_status.ok());
}

// gRPC says so of itself, without a reason: the message stays too large, and nothing is to wait behind it.
TEST(SpoolTest, ABatchThatIsTooLargeForWorkOrderIsRefused) {
  World world;
  world.Start();
  world.Settle();
  world.b.receiver.fail = absl::ResourceExhaustedError("Received message larger than max (70000 vs. 65536)");
  world.a.sender().Commit("order 1");
  world.a.Pump();
  World::Carry(world.a, world.b);
  world.Pass(absl::Seconds(1));
  EXPECT_THAT(world.b.rejects, SizeIs(1));
  EXPECT_THAT(world.b.in(), IsEmpty());
  World::Copy(world.b, world.a);
  world.Pass(absl::Seconds(1));
  world.a.Pump();
  EXPECT_EQ(world.a.sender().last_status.code(), absl::StatusCode::kResourceExhausted);
}

TEST(SpoolTest, AnOldBundleCannotMakeAFork) {
  World world;
  world.Start();
  world.a.sender().Commit("taken back");
  world.a.Pump();
  const std::string old_name = Parts(world.a).at(0);
  const std::string old = world.a.out()[old_name];
  world.a.out().erase(old_name);
  // The site took it back before anyone had it, and began anew.
  world.a.sender().outbox.clear();
  world.a.sender().handed = 0;
  CommitEach(world.a, 1, 3);
  world.Settle();
  EXPECT_THAT(world.b.log().bodies, SizeIs(3));
  world.b.in()[old_name] = old;
  const int deliveries = world.b.receiver.deliveries;
  world.Pass(absl::Seconds(1));
  EXPECT_THAT(world.b.in(), IsEmpty());
  EXPECT_THAT(world.b.rejects, IsEmpty());
  EXPECT_EQ(world.b.receiver.deliveries, deliveries);
  EXPECT_EQ(world.b.log().bodies, Numbered(1, 3));
}

TEST(SpoolTest, AForkInTheNewestBundleIsSeen) {
  World world;
  world.Start();
  CommitEach(world.a, 1, 3);
  world.Settle();
  world.a.sender().outbox.clear();
  world.a.sender().handed = 0;
  world.a.sender().acknowledged = 0;
  for (int i = 1; i <= 3; ++i) world.a.sender().Commit("other");
  world.a.Pump();
  World::Carry(world.a, world.b);
  world.Pass(absl::Seconds(1));
  ASSERT_THAT(world.b.rejects, SizeIs(1));
  EXPECT_EQ(world.b.rejects[0].second, Reject::kRefused);
}

TEST(SpoolTest, OldReceiptsDoNotUndoNewOnes) {
  World world;
  world.Start();
  CommitEach(world.a, 1, 1);
  World::Copy(world.a, world.b);
  world.Pass(absl::Seconds(1));
  const test::MemoryFiles::Directory early = world.b.out();
  CommitEach(world.a, 2, 5);
  world.Settle();
  EXPECT_EQ(world.a.sender().acknowledged, 5);
  for (const auto& [name, bytes] : early) {
    if (name[0] != '.') world.a.in()[name] = bytes;
  }
  world.Pass(absl::Seconds(1));
  absl::StatusOr<exchange::v1::DeliverResponse> answer = absl::UnknownError("not answered");
  world.a.peer->Deliver(CallContext(), DeliverRequest(), [&](auto response) { answer = response; });
  world.steps.RunDue();
  EXPECT_EQ(answer->receipt().received_through(), 5);
}

TEST(SpoolTest, APeerThatWasSetBackIsBelieved) {
  World world;
  world.Start();
  CommitEach(world.a, 1, 5);
  world.Settle();
  // 110 comes back from a backup that has two of them.
  world.b.Kill();
  world.b.log().bodies.resize(2);
  world.b.log().hashes.resize(2);
  world.b.Start();
  World::Copy(world.b, world.a);
  world.Pass(absl::Seconds(1));
  absl::StatusOr<exchange::v1::DeliverResponse> answer = absl::UnknownError("not answered");
  world.a.peer->Deliver(CallContext(), DeliverRequest(), [&](auto response) { answer = response; });
  world.steps.RunDue();
  EXPECT_EQ(answer->receipt().received_through(), 2);
}

TEST(SpoolTest, ReceiptsThatWereLostAreWrittenAgain) {
  World world;
  world.Start();
  world.Settle();
  CommitEach(world.a, 1, 3);
  World::Carry(world.a, world.b);
  world.Pass(absl::Seconds(1));
  for (const std::string& name : world.b.OutNames()) world.b.out().erase(name);
  world.Pass(world.a.options.resend_after);
  world.Settle();
  EXPECT_EQ(world.a.sender().acknowledged, 3);
  EXPECT_EQ(world.b.log().bodies, Numbered(1, 3));
}

TEST(SpoolTest, QuestionsAreAnsweredByBundles) {
  World world;
  world.Start();
  CommitEach(world.a, 1, 4);
  world.Settle();
  CallContext call;
  call.deadline = world.steps.clock()->Now() + absl::Minutes(1);
  exchange::v1::BackfillRequest request;
  request.set_lane(exchange::v1::LANE_ORDINARY);
  request.set_after_sequence(1);
  request.set_limit(2);
  absl::StatusOr<exchange::v1::BackfillResponse> backfill = absl::UnknownError("not answered");
  absl::StatusOr<exchange::v1::ReconcileResponse> reconcile = absl::UnknownError("not answered");
  world.a.peer->Backfill(call, request, [&](auto response) { backfill = std::move(response); });
  exchange::v1::ReconcileRequest ranges;
  ranges.add_ranges();
  world.a.peer->Reconcile(call, ranges, [&](auto response) { reconcile = std::move(response); });
  world.Settle();
  ASSERT_TRUE(backfill.ok()) << backfill.status();
  ASSERT_THAT(backfill->envelopes(), SizeIs(2));
  EXPECT_EQ(backfill->envelopes(0).body(), "order 2");
  ASSERT_TRUE(reconcile.ok()) << reconcile.status();
  EXPECT_THAT(reconcile->answers(), SizeIs(1));
  EXPECT_EQ(world.b.receiver.backfills, 1);
}

TEST(SpoolTest, ASiteThatRecoversReadsTheAnswersItNeeds) {
  World world;
  world.Start();
  world.Settle();
  CommitEach(world.a, 1, 3);
  world.b.receiver.behind = true;
  World::Carry(world.a, world.b);
  world.Pass(absl::Seconds(1));
  CallContext call;
  call.deadline = world.steps.clock()->Now() + absl::Minutes(1);
  absl::StatusOr<exchange::v1::BackfillResponse> answer = absl::UnknownError("not answered");
  world.b.peer->Backfill(call, {}, [&](auto response) { answer = std::move(response); });
  world.Settle();
  EXPECT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(world.b.log().bodies, IsEmpty());
  EXPECT_THAT(world.b.rejects, IsEmpty());
  world.b.receiver.behind = false;
  world.Pass(absl::Seconds(5));
  EXPECT_EQ(world.b.log().bodies, Numbered(1, 3));
}

TEST(SpoolTest, AQuestionIsAskedAgainUntilItsDeadline) {
  World world;
  world.Start();
  world.Settle();
  CallContext call;
  call.deadline = world.steps.clock()->Now() + absl::Minutes(10);
  absl::StatusOr<exchange::v1::BackfillResponse> answer = absl::UnknownError("not answered");
  world.a.peer->Backfill(call, {}, [&](auto response) { answer = std::move(response); });
  world.steps.RunDue();
  for (const std::string& name : world.a.OutNames()) world.a.out().erase(name);
  world.Settle();
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kUnknown);
  world.Pass(world.a.options.resend_after);
  world.Settle();
  EXPECT_TRUE(answer.ok()) << answer.status();

  // Who allows for a connection only is given time for carrying.
  answer = absl::UnknownError("not answered");
  call.deadline = world.steps.clock()->Now() + absl::Seconds(10);
  world.a.peer->Backfill(call, {}, [&](auto response) { answer = std::move(response); });
  world.Pass(2 * world.a.options.resend_after - absl::Seconds(1));
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kUnknown);
  world.Pass(absl::Seconds(2));
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kDeadlineExceeded);
  // Its answer comes too late and hurts nobody.
  world.Settle();
}

TEST(SpoolTest, AClockThatIsSetBackStopsNothing) {
  World world;
  world.a.options.quota_bytes = 200'000;
  world.Start();
  world.Settle();
  for (int i = 1; i <= 3; ++i) {
    world.a.sender().Commit(std::string(50'000, 'x'));
    world.a.Pump();
  }
  CallContext call;
  call.deadline = world.steps.clock()->Now() + absl::Hours(1);
  absl::StatusOr<exchange::v1::BackfillResponse> answer = absl::UnknownError("not answered");
  world.a.peer->Backfill(call, {}, [&](auto response) { answer = std::move(response); });
  world.steps.RunDue();
  for (const std::string& name : world.a.OutNames()) world.a.out().erase(name);
  // All that was handed over is lost, is handed over again, and is superseded; then the clock loses ten
  // years.
  world.a.sender().handed = 0;
  world.a.Pump(1);
  world.a.sender().handed = 0;
  world.a.Pump(1);
  world.wall.shift = -absl::Hours(24 * 3650);
  world.a.sender().handed = 0;
  for (int i = 0; i < 3; ++i) world.a.Pump(1);
  world.Settle(10, /*limit=*/1);
  EXPECT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(world.b.log().bodies.size(), 3u);
}

TEST(SpoolTest, AQuestionThatIsRefusedComesBackAsItsError) {
  World world;
  world.Start();
  world.Settle();
  world.b.receiver.fail = error::SequenceOutOfRange(9, 3);
  CallContext call;
  call.deadline = world.steps.clock()->Now() + absl::Minutes(10);
  absl::StatusOr<exchange::v1::BackfillResponse> answer = absl::UnknownError("not answered");
  world.a.peer->Backfill(call, {}, [&](auto response) { answer = std::move(response); });
  world.Settle();
  EXPECT_EQ(error::ReasonOf(answer.status()), Reason::ERROR_REASON_SEQUENCE_OUT_OF_RANGE);
}

TEST(SpoolTest, AnAnswerThatFitsNoBundleIsAnError) {
  World world;
  world.b.options.max_bundle_bytes = 1 << 20;
  world.b.receiver.answer_bytes = 2 << 20;
  world.Start();
  world.Settle();
  CallContext call;
  call.deadline = world.steps.clock()->Now() + absl::Minutes(10);
  exchange::v1::ReconcileRequest ranges;
  ranges.add_ranges();
  absl::StatusOr<exchange::v1::ReconcileResponse> answer = absl::UnknownError("not answered");
  world.a.peer->Reconcile(call, ranges, [&](auto response) { answer = std::move(response); });
  world.Settle();
  EXPECT_EQ(error::ReasonOf(answer.status()), Reason::ERROR_REASON_BATCH_TOO_LARGE) << answer.status();
}

TEST(SpoolTest, NoBundleIsLargerThanConfigured) {
  World world;
  world.b.options.max_bundle_bytes = 1 << 20;
  world.b.receiver.answer_bytes = 400'000;
  world.Start();
  world.Settle();
  CallContext call;
  call.deadline = world.steps.clock()->Now() + absl::Minutes(10);
  exchange::v1::ReconcileRequest ranges;
  ranges.add_ranges();
  int answered = 0;
  for (int i = 0; i < 10; ++i) {
    world.a.peer->Reconcile(call, ranges, [&](auto response) { answered += response.ok() ? 1 : 0; });
  }
  world.steps.RunDue();
  World::Copy(world.a, world.b);
  world.Pass(absl::Seconds(1));
  EXPECT_THAT(world.b.OutNames(), SizeIs(testing::Ge(5)));
  for (const std::string& name : world.b.OutNames()) EXPECT_LE(world.b.out()[name].size(), 1u << 20);
  world.Settle();
  EXPECT_EQ(answered, 10);

  DeliverRequest batch;
  batch.set_protocol_version(1);
  batch.add_envelopes()->set_body(std::string(1 << 20, 'x'));
  absl::Status status;
  world.b.peer->Deliver(CallContext(), batch, [&](auto response) { status = response.status(); });
  world.steps.RunDue();
  EXPECT_EQ(error::ReasonOf(status), Reason::ERROR_REASON_BATCH_TOO_LARGE);
}

TEST(SpoolTest, GetLinkTellsWhatTheNewestBundleSaid) {
  World world;
  world.b.options.supported_versions = {1, 2};
  world.b.options.capabilities = {"backfill", "sign:ed25519"};
  world.Start();
  exchange::v1::GetLinkRequest request;
  request.set_protocol_version(1);
  absl::StatusOr<exchange::v1::GetLinkResponse> answer = absl::UnknownError("not answered");
  world.a.peer->GetLink(CallContext(), request, [&](auto response) { answer = std::move(response); });
  world.steps.RunDue();
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->protocol_version(), 1);
  ASSERT_THAT(answer->lanes(), SizeIs(2));
  EXPECT_FALSE(answer->lanes(0).has_incoming());
  CommitEach(world.a, 1, 2);
  CommitEach(world.b, 1, 4);
  world.Settle();
  world.a.peer->GetLink(CallContext(), request, [&](auto response) { answer = std::move(response); });
  world.steps.RunDue();
  EXPECT_EQ(answer->protocol_version(), 1);
  EXPECT_THAT(answer->supported_versions(), ElementsAre(1, 2));
  EXPECT_THAT(answer->capabilities(), ElementsAre("backfill", "sign:ed25519"));
  EXPECT_EQ(answer->incoming().received_through(), 2);
  EXPECT_EQ(answer->outgoing_sequence(), 4);
  EXPECT_THAT(answer->lanes(), SizeIs(2));
}

TEST(SpoolTest, AFileThatCannotBeRemovedIsAppliedOnce) {
  World world;
  world.Start();
  world.Settle();
  world.files.Pin(world.b.options.in_directory, true);
  CommitEach(world.a, 1, 2);
  World::Copy(world.a, world.b);
  world.Pass(absl::Seconds(1));
  const int deliveries = world.b.receiver.deliveries;
  const size_t troubles = world.b.troubles.size();
  EXPECT_FALSE(world.b.troubles.empty());
  const int64_t reads = world.files.reads();
  world.Pass(absl::Seconds(20));
  EXPECT_EQ(world.b.receiver.deliveries, deliveries);
  EXPECT_EQ(world.files.reads(), reads);
  EXPECT_LE(world.b.troubles.size(), troubles + 1);
  world.files.Pin(world.b.options.in_directory, false);
  world.Pass(2 * kPatience);
  EXPECT_THAT(world.b.in(), IsEmpty());
}

TEST(SpoolTest, ALongQueueIsReadWithoutWaiting) {
  World world;
  world.Start();
  world.Settle();
  CommitEach(world.a, 1, 500);
  World::Copy(world.a, world.b);
  world.Pass(world.b.options.scan_interval);
  EXPECT_THAT(world.b.log().bodies, SizeIs(500));
}

TEST(SpoolTest, StatusAndCountersFollow) {
  World world;
  world.Start();
  world.Settle();
  const absl::Time written = world.steps.clock()->Now();
  CommitEach(world.a, 1, 3);
  world.Pass(absl::Minutes(2));
  const SpoolStatus waiting = world.a.peer->status();
  EXPECT_GE(waiting.out_files, 3);
  EXPECT_GT(waiting.out_bytes, 500);
  EXPECT_LE(waiting.oldest_out_time, written);
  world.Settle();
  EXPECT_GE(world.b.peer->counters().bundles_read, 3);
  EXPECT_GT(world.b.peer->counters().bytes_read, 500);
  EXPECT_GE(world.a.peer->counters().bundles_written, 3);
  EXPECT_GE(world.a.peer->status().known_time, written);
}

TEST(SpoolTest, StoppedItReadsNoFurther) {
  World world;
  world.Start();
  world.Settle();
  world.b.inbox->Stop();
  world.steps.RunDue();
  CommitEach(world.a, 1, 1);
  World::Copy(world.a, world.b);
  world.Pass(absl::Minutes(1));
  EXPECT_THAT(world.b.log().bodies, IsEmpty());
}

}  // namespace
}  // namespace hotline::dispatch
