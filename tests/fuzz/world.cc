#include "tests/fuzz/world.h"

#include <stdio.h>
#include <stdlib.h>

#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/stubs/logging.h"

namespace hotline::fuzz {
namespace {

using exchange::v1::Envelope;
using type::v1::Command;
using type::v1::WorkOrder;
using work_order::Change;
using work_order::EnvelopeDraft;
using work_order::Site;

// Protobuf would print a line for each invalid text, which costs more than what is tested.
google::protobuf::LogHandler* const kQuiet = google::protobuf::SetLogHandler(nullptr);

Site MakeSite(const std::string& hotline, const std::string& peer) {
  Site site;
  site.hotline = hotline;
  site.peers = {peer};
  site.units = {"water", "market", "police_station_1"};
  return site;
}

const Site& Government() {
  static const Site* const site = new Site(MakeSite("12345", "110"));
  return *site;
}

const Site& Police() {
  static const Site* const site = new Site(MakeSite("110", "12345"));
  return *site;
}

// Two sites and one order that passes between them; every state it comes to is kept.
class Pair {
 public:
  explicit Pair(std::vector<Snapshot>* snapshots) : snapshots_(snapshots) {}

  void Do(const Site& site, Command command) {
    WorkOrder& order = OrderAt(site);
    const bool is_new = order.id().empty();
    *command.mutable_header() = GoodHeader();
    if (!is_new) command.mutable_header()->set_order_id(order.id());
    auto change = work_order::Decide(is_new ? nullptr : &order, command, FreshOrder(), site, Now());
    Law(change.ok(), absl::StrCat("the walk is not legal: ", change.status().ToString()));
    Install(site, *change);
    Deliver(site, change->envelopes);
  }

  void Receipt() {
    const auto received =
        work_order::DecideReceipt(government_, government_.handoff().id(), Now(), Government(), Now());
    Law(received.changes, "the receipt changes nothing");
    Install(Government(), received.change);
  }

  // Envelopes wait until then.
  void Exchange() {
    while (!wire_.empty()) {
      auto [to, envelope] = std::move(wire_.front());
      wire_.pop_front();
      WorkOrder& order = OrderAt(*to);
      const Site& from = to == &Government() ? Police() : Government();
      const auto received = work_order::DecideEnvelope(order.id().empty() ? nullptr : &order, envelope,
                                                       from.hotline, FreshOrder(), *to, Now());
      if (received.changes) Install(*to, received.change);
      std::vector<EnvelopeDraft> answers = received.envelopes;
      answers.insert(answers.end(), received.change.envelopes.begin(), received.change.envelopes.end());
      Deliver(*to, answers);
    }
  }

 private:
  WorkOrder& OrderAt(const Site& site) { return &site == &Government() ? government_ : police_; }

  void Install(const Site& site, const Change& change) {
    OrderAt(site) = change.after;
    snapshots_->push_back({&site, &site == &Government() ? "110" : "12345", change.after});
  }

  void Deliver(const Site& from, const std::vector<EnvelopeDraft>& drafts) {
    const Site* to = &from == &Government() ? &Police() : &Government();
    for (const EnvelopeDraft& draft : drafts) {
      Envelope envelope;
      envelope.set_sequence(1);
      envelope.set_handoff_id(draft.handoff_id);
      envelope.set_kind(draft.kind);
      envelope.set_body(draft.body);
      if (draft.kind == exchange::v1::ENVELOPE_KIND_OFFER) {
        exchange::v1::OfferBody body;
        Law(body.ParseFromString(draft.body), "an offer does not parse");
        body.set_content(GoodContent().SerializeAsString());
        envelope.set_body(body.SerializeAsString());
      }
      wire_.emplace_back(to, std::move(envelope));
    }
  }

  std::vector<Snapshot>* const snapshots_;
  WorkOrder government_;
  WorkOrder police_;
  std::deque<std::pair<const Site*, Envelope>> wire_;
};

Command PushNew() {
  Command command;
  *command.mutable_registration()->mutable_content() = GoodContent();
  command.mutable_offer()->set_to_hotline("110");
  return command;
}

std::vector<Snapshot> Walk() {
  std::vector<Snapshot> snapshots;
  const auto reply = [](Command* command) {
    command->mutable_completion()->mutable_reply()->set_disposition(type::v1::DISPOSITION_RESOLVED);
    command->mutable_completion()->mutable_reply()->set_public_reply("已处理");
  };
  {
    // Handed over, worked, redone, closed, archived.
    Pair pair(&snapshots);
    Command command;
    *command.mutable_registration()->mutable_content() = GoodContent();
    pair.Do(Government(), command);
    command.Clear();
    command.mutable_offer()->set_to_hotline("110");
    pair.Do(Government(), command);
    pair.Receipt();
    pair.Exchange();
    command.Clear();
    command.mutable_acceptance();
    pair.Do(Police(), command);
    pair.Exchange();
    command.Clear();
    command.mutable_unit_dispatch()->set_lead_unit("police_station_1");
    command.mutable_unit_dispatch()->add_assist_units("water");
    pair.Do(Police(), command);
    pair.Exchange();
    command.Clear();
    command.mutable_signature();
    pair.Do(Police(), command);
    command.Clear();
    command.mutable_suspension()->set_reason("等待鉴定");
    command.mutable_suspension()->mutable_review_time()->set_seconds(absl::ToUnixSeconds(Now()) + 86400);
    command.mutable_suspension()->set_approved_by("2001");
    pair.Do(Police(), command);
    pair.Exchange();
    command.Clear();
    command.mutable_resumption();
    pair.Do(Police(), command);
    command.Clear();
    command.mutable_progress()->set_note("已到场");
    pair.Do(Police(), command);
    command.Clear();
    reply(&command);
    pair.Do(Police(), command);
    pair.Exchange();
    command.Clear();
    command.mutable_redo_demand()->set_reason("未解决");
    pair.Do(Government(), command);
    pair.Exchange();
    command.Clear();
    reply(&command);
    pair.Do(Police(), command);
    pair.Exchange();
    command.Clear();
    command.mutable_call_back_record()->mutable_call_back()->set_reached(true);
    pair.Do(Government(), command);
    command.Clear();
    command.mutable_closure();
    pair.Do(Government(), command);
    pair.Exchange();
    command.Clear();
    command.mutable_archival();
    pair.Do(Government(), command);
  }
  {
    // Returned, kept by the giver, cancelled.
    Pair pair(&snapshots);
    pair.Do(Government(), PushNew());
    pair.Exchange();
    Command command;
    command.mutable_handoff_return()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
    command.mutable_handoff_return()->set_reason("不属于");
    pair.Do(Police(), command);
    pair.Exchange();
    command.Clear();
    command.mutable_acceptance();
    pair.Do(Government(), command);
    command.Clear();
    command.mutable_cancellation()->set_reason("重复登记");
    pair.Do(Government(), command);
  }
  {
    // Recalled.
    Pair pair(&snapshots);
    pair.Do(Government(), PushNew());
    pair.Exchange();
    Command command;
    command.mutable_recall()->set_reason("误推");
    pair.Do(Government(), command);
    pair.Exchange();
  }
  return snapshots;
}

}  // namespace

const std::vector<Snapshot>& Snapshots() {
  (void)kQuiet;
  static const auto* const snapshots = new std::vector<Snapshot>(Walk());
  return *snapshots;
}

const Site& SiteOf(const std::string& hotline) { return hotline == "12345" ? Government() : Police(); }

absl::Time Now() { return absl::FromUnixSeconds(1'790'000'000); }

work_order::NewOrder FreshOrder() {
  return {.id = "1M84FKSJJ0000", .number = "12345-20260921-000001", .content_salt = std::string(16, 's')};
}

type::v1::OrderContent GoodContent() {
  type::v1::OrderContent content;
  content.set_type(type::v1::ORDER_TYPE_HELP);
  content.set_channel(type::v1::CHANNEL_PHONE);
  content.set_urgency(type::v1::URGENCY_NORMAL);
  content.set_title("路灯不亮");
  content.set_text("村口路灯一周不亮");
  content.mutable_caller()->set_anonymous(true);
  content.set_lead_unit("water");
  return content;
}

type::v1::CommandHeader GoodHeader() {
  type::v1::CommandHeader header;
  header.set_request_id("0192f0c1-0000-7000-8000-000000000001");
  header.mutable_actor()->set_account("1001");
  return header;
}

void Law(bool holds, const std::string& what) {
  if (holds) return;
  fprintf(stderr, "law broken: %s\n", what.c_str());
  abort();
}

void CheckChange(const WorkOrder* before, const Change& change, const Site& site) {
  const std::string unsound = work_order::Unsound(change.after, site);
  Law(unsound.empty(), "unsound order: " + unsound);
  Law(change.after.version() == (before == nullptr ? 1 : before->version() + 1),
      "the version does not grow by one");
  Law(!change.after.has_content(), "content in the record");
  // A peer of a later version may report what this one has no word for.
  Law(change.event.mirrored() || change.event.detail_case() != type::v1::Event::DETAIL_NOT_SET,
      "an event that says nothing");
  Law(change.event.state() == change.after.state(), "the event says another state");
  Law(change.event.custody().holder() == change.after.custody().holder(), "the event says another holder");
  Law(change.creates == (before == nullptr), "created twice, or not at all");
  if (before != nullptr) {
    Law(change.after.id() == before->id(), "another id");
    Law(change.after.custody().epoch() >= before->custody().epoch(), "custody went back");
    Law(change.after.custody().holder() == before->custody().holder() ||
            change.after.custody().epoch() > before->custody().epoch(),
        "the holder moved without a new epoch");
    Law(!before->facts().overdue() || change.after.facts().overdue(), "a breach was taken back");
  }
  for (const EnvelopeDraft& draft : change.envelopes) {
    Law(site.peers.contains(draft.peer), "an envelope to nobody");
    Law(draft.kind != exchange::v1::ENVELOPE_KIND_UNSPECIFIED, "an envelope of no kind");
  }
}

}  // namespace hotline::fuzz
