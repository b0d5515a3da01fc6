// A site between peers of other versions: what it does not know survives it, and a peer that shares no
// version is refused in words on both sides. The peers are fakes of tests/conformance.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/id.h"
#include "tests/conformance/caller.h"
#include "tests/conformance/listener.h"
#include "tests/support/desk.h"

namespace hotline::test {
namespace {

using conformance::Arrived;
using dispatch::v1::DispatchService;
using exchange::v1::Envelope;
using exchange::v1::LANE_ORDINARY;
using google::protobuf::Message;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using workorder::v1::WorkOrderService;

constexpr int kForeignField = 9999;
constexpr int kForeignValue = 77;
constexpr absl::Duration kPatience = absl::Seconds(20);

// Puts a field into `message` that this version does not have.
void Extend(Message* message, const std::string& value) {
  message->GetReflection()->MutableUnknownFields(message)->AddLengthDelimited(kForeignField, value);
}

// What such fields of `message` say.
std::vector<std::string> ForeignIn(const Message& message) {
  std::vector<std::string> found;
  const auto& unknown = message.GetReflection()->GetUnknownFields(message);
  for (int i = 0; i < unknown.field_count(); ++i) {
    if (unknown.field(i).number() == kForeignField) found.push_back(unknown.field(i).length_delimited());
  }
  return found;
}

// Site 110, and a peer 990 of a later version.
class VersionTest : public testing::Test {
 protected:
  VersionTest() : site_("110", &ports_, folder_.path() + "/110") {
    const std::string address = absl::StrCat("127.0.0.1:", ports_.Take());
    site_.AddPeer("990", address);
    listener_ = std::make_unique<conformance::Listener>(conformance::ListenerOptions{
        .address = address, .as = "990", .target = "110", .credentials = grpc::InsecureServerCredentials()});
  }

  void Start() {
    ASSERT_TRUE(listener_->Start().ok());
    const absl::Status started = site_.StartAll();
    ASSERT_TRUE(started.ok()) << started.message();
    caller_ = std::make_unique<conformance::Caller>(
        conformance::CallerOptions{.target = site_.address(Service::kDispatch),
                                   .as = "990",
                                   .to = "110",
                                   .credentials = grpc::InsecureChannelCredentials()});
    ASSERT_TRUE(caller_->Resume());
  }

  void Deliver(exchange::v1::EnvelopeKind kind, const std::string& handoff_id, const Message& body) {
    const auto answer = caller_->Deliver(
        LANE_ORDINARY, {caller_->Make(LANE_ORDINARY, kind, handoff_id, body.SerializeAsString())});
    ASSERT_TRUE(answer.ok()) << answer.refusal.Describe();
  }

  // The `times`-th envelope of a kind about a handoff.
  Envelope Await(exchange::v1::EnvelopeKind kind, const std::string& handoff_id, int times = 1) {
    int count = 0;
    const auto arrived = listener_->Await(
        [&](const Arrived& one) {
          return one.envelope.kind() == kind && one.envelope.handoff_id() == handoff_id && ++count == times;
        },
        kPatience);
    EXPECT_TRUE(arrived.has_value()) << "no " << exchange::v1::EnvelopeKind_Name(kind);
    return arrived.has_value() ? arrived->envelope : Envelope();
  }

  // Both lanes of the link with 990.
  std::vector<dispatch::v1::LinkStatus> Links() {
    const auto links = Must(site_.dispatch(), &DispatchService::Stub::ListLinks, {});
    return {links.links().begin(), links.links().end()};
  }

  TemporaryFolder folder_;
  Ports ports_;
  Site site_;
  std::unique_ptr<conformance::Listener> listener_;
  std::unique_ptr<conformance::Caller> caller_;
};

TEST_F(VersionTest, WhatALaterVersionAddsSurvives) {
  Start();
  exchange::v1::OfferBody offer = conformance::NewOffer("990", "110", FirstOrderIdAt(absl::Now()));
  const std::string id = offer.handoff().id();
  type::v1::OrderContent content;
  ASSERT_TRUE(content.ParseFromString(offer.content()));
  content.set_type(static_cast<type::v1::OrderType>(kForeignValue));
  content.set_channel(static_cast<type::v1::Channel>(kForeignValue));
  Extend(&content, "content");
  Extend(content.mutable_caller(), "caller");
  offer.set_content(content.SerializeAsString());
  offer.mutable_handoff()->set_kind(static_cast<type::v1::HandoffKind>(kForeignValue));
  Extend(&offer, "offer");
  Extend(offer.mutable_handoff(), "handoff");
  Extend(offer.mutable_custody(), "custody");
  Deliver(exchange::v1::ENVELOPE_KIND_OFFER, id, offer);

  exchange::v1::UnderstoodBody understood;
  ASSERT_TRUE(understood.ParseFromString(Await(exchange::v1::ENVELOPE_KIND_UNDERSTOOD, id).body()));
  const type::v1::WorkOrder offered = Get(site_, understood.to_number());
  EXPECT_EQ(offered.content().SerializeAsString(), offer.content()) << "byte for byte";
  EXPECT_EQ(offered.type(), kForeignValue);
  EXPECT_EQ(offered.handoff().kind(), kForeignValue);
  EXPECT_THAT(ForeignIn(offered.handoff()), ElementsAre("handoff"));
  EXPECT_THAT(ForeignIn(offered.custody()), ElementsAre("custody"));

  Accept(site_, offered.id());
  exchange::v1::MirrorBody accepted;
  ASSERT_TRUE(accepted.ParseFromString(Await(exchange::v1::ENVELOPE_KIND_MIRROR, id).body()));
  EXPECT_THAT(ForeignIn(accepted.handoff()), ElementsAre("handoff")) << "an older taker loses nothing";
  EXPECT_EQ(accepted.handoff().from_hotline(), "990");

  auto finish = For<dispatch::v1::FinishHandoffRequest>(offered.id());
  finish.mutable_completion()->mutable_reply()->set_disposition(type::v1::DISPOSITION_RESOLVED);
  finish.mutable_completion()->mutable_reply()->set_public_reply("已处理");
  Must(site_.dispatch(), &DispatchService::Stub::FinishHandoff, finish);
  exchange::v1::MirrorBody move;
  ASSERT_TRUE(move.ParseFromString(Await(exchange::v1::ENVELOPE_KIND_MIRROR, id, 2).body()));

  // The origin demands a redo, with more that this version does not know.
  move.set_state(type::v1::ORDER_STATE_REDO);
  move.mutable_facts()->set_redo_count(1);
  move.clear_event();
  move.mutable_event()->set_state(type::v1::ORDER_STATE_REDO);
  move.mutable_event()->mutable_actor()->set_account("9901");
  move.mutable_event()->mutable_redo_demanded()->set_reason("未解决");
  Extend(&move, "mirror");
  Extend(move.mutable_event(), "event");
  Extend(move.mutable_event()->mutable_redo_demanded(), "detail");
  Extend(move.mutable_facts(), "facts");
  Extend(move.mutable_reply(), "reply");
  move.mutable_handoff()->GetReflection()->MutableUnknownFields(move.mutable_handoff())->Clear();
  Extend(move.mutable_handoff(), "handoff, second");
  Deliver(exchange::v1::ENVELOPE_KIND_MIRROR, id, move);
  const type::v1::WorkOrder redo = Get(site_, offered.id());
  EXPECT_EQ(redo.state(), type::v1::ORDER_STATE_REDO);
  EXPECT_THAT(ForeignIn(redo.handoff()), ElementsAre("handoff, second"));
  EXPECT_THAT(ForeignIn(redo.facts()), ElementsAre("facts"));
  EXPECT_THAT(ForeignIn(redo.reply()), ElementsAre("reply"));

  // And the log keeps the event as it came.
  workorder::v1::ReadEventsRequest read;
  read.set_start_sequence(redo.last_event_sequence());
  read.set_limit(1);
  const auto events = Must(site_.ledger(), &workorder::v1::LedgerService::Stub::ReadEvents, read);
  ASSERT_EQ(events.events_size(), 1);
  type::v1::Event event;
  ASSERT_TRUE(event.ParseFromString(events.events(0)));
  EXPECT_TRUE(event.mirrored());
  EXPECT_THAT(ForeignIn(event), ElementsAre("event"));
  EXPECT_THAT(ForeignIn(event.redo_demanded()), ElementsAre("detail"));
  EXPECT_TRUE(Verify(site_).intact()) << Verify(site_).fault();
}

TEST_F(VersionTest, UnknownKindIsAnsweredAndTheLinkGoesOn) {
  Start();
  const exchange::v1::OfferBody offer = conformance::NewOffer("990", "110", FirstOrderIdAt(absl::Now()));
  const std::string id = offer.handoff().id();
  Deliver(static_cast<exchange::v1::EnvelopeKind>(kForeignValue), id, offer);
  exchange::v1::NotUnderstoodBody answer;
  ASSERT_TRUE(answer.ParseFromString(Await(exchange::v1::ENVELOPE_KIND_NOT_UNDERSTOOD, id).body()));
  EXPECT_EQ(answer.kind(), kForeignValue);
  EXPECT_EQ(answer.sequence(), 1);
  Deliver(exchange::v1::ENVELOPE_KIND_OFFER, id, offer);
  Await(exchange::v1::ENVELOPE_KIND_UNDERSTOOD, id);
}

TEST_F(VersionTest, LinkNegotiatesAtItsStart) {
  Start();
  // We as a newer peer: the highest version that both speak.
  auto request = caller_->LinkRequest();
  request.set_protocol_version(3);
  request.add_supported_versions(2);
  request.add_supported_versions(3);
  request.add_capabilities("teleport");
  const auto link = caller_->GetLink(request);
  ASSERT_TRUE(link.ok()) << link.refusal.Describe();
  EXPECT_EQ(link.response.protocol_version(), 1);
  EXPECT_THAT(link.response.supported_versions(), ElementsAre(1));
  EXPECT_THAT(link.response.capabilities(), AllOf(Contains("backfill"), Contains("reconcile")));
  // And what the site learned of us.
  ASSERT_TRUE(Eventually([&] {
    bool all = true;
    for (const dispatch::v1::LinkStatus& link : Links()) all = all && link.up();
    return all;
  }));
  for (const dispatch::v1::LinkStatus& link : Links()) {
    EXPECT_EQ(link.protocol_version(), 1);
    EXPECT_THAT(link.peer_capabilities(), ElementsAre("backfill"));
  }
}

TEST_F(VersionTest, PeerWithoutACommonVersionIsRefusedOnBothSides) {
  listener_->SetForeignVersion(true);
  Start();
  Push(site_, MakePush(1, "990"));

  // The site is refused, says so to its operator, and keeps what it owes.
  ASSERT_TRUE(Eventually([&] {
    for (const dispatch::v1::LinkStatus& link : Links()) {
      if (link.up() || link.last_error().empty()) return false;
    }
    return true;
  }));
  for (const dispatch::v1::LinkStatus& link : Links()) {
    EXPECT_THAT(link.last_error(), HasSubstr("version"));
    EXPECT_EQ(link.acknowledged_sequence(), 0);
  }
  auto shown = Process::Start({absl::StrCat(BuildFolder(), "/services/hotlinectl/hotlinectl"), "--dispatch",
                               site_.address(Service::kDispatch), "--json", "links"},
                              folder_.path() + "/hotlinectl.log");
  ASSERT_TRUE(shown.ok()) << shown.status().ToString();
  const auto line = (*shown)->WaitForLine("{", absl::Seconds(20));
  ASSERT_TRUE(line.ok()) << line.status().ToString();
  EXPECT_THAT(*line, HasSubstr("version"));
  EXPECT_EQ((*shown)->Wait(absl::Seconds(20)), 6) << "a link is down";

  // The other way: we, who speak version 2 only, are refused, and hear what would be understood.
  auto request = caller_->LinkRequest();
  request.set_protocol_version(2);
  request.clear_supported_versions();
  request.add_supported_versions(2);
  const auto link = caller_->GetLink(request);
  EXPECT_EQ(link.refusal.code, grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(link.refusal.reason, "PROTOCOL_VERSION_UNSUPPORTED");
  EXPECT_EQ(link.refusal.metadata.at("supported"), "1");
  exchange::v1::DeliverRequest batch =
      caller_->Batch(LANE_ORDINARY, {caller_->Make(LANE_ORDINARY, exchange::v1::ENVELOPE_KIND_OFFER,
                                                   "990-0000000000001-1", "of version 2")});
  batch.set_protocol_version(2);
  const auto delivered = caller_->Send(batch);
  EXPECT_EQ(delivered.refusal.reason, "PROTOCOL_VERSION_UNSUPPORTED");
  EXPECT_EQ(delivered.refusal.metadata.at("supported"), "1");
  EXPECT_EQ(caller_->Position(LANE_ORDINARY)->sequence, 0) << "nothing of it was applied";

  // An upgrade, or a downgrade, later: it goes on by itself.
  listener_->SetForeignVersion(false);
  EXPECT_TRUE(
      listener_
          ->Await([](const Arrived& one) { return one.envelope.kind() == exchange::v1::ENVELOPE_KIND_OFFER; },
                  kPatience)
          .has_value());
}

}  // namespace
}  // namespace hotline::test
