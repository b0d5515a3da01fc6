#include "tests/sim/world.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"

namespace hotline::sim {
namespace {

constexpr const char* kHotlines[kMaxSites] = {"12345", "110", "119", "120"};
// Within this much simulated time after healing all must be quiet.
constexpr absl::Duration kHealBound = absl::Seconds(40);
// One world in so many signs as in production, the others with a keyed hash.
constexpr uint64_t kEd25519Every = 8;
constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kSecond = 1'000'000'000;

config::v1::Policy DrawPolicy(Dice& dice) {
  config::v1::Policy policy;
  policy.set_version("sim-1");
  // A ladder that is climbed within a run, all of it or some.
  config::v1::Ladder& ladder = *policy.add_ladders();
  ladder.set_code("sim");
  int64_t after = 0;
  for (const auto rung : {type::v1::RUNG_SUPERVISE, type::v1::RUNG_CIRCULATE, type::v1::RUNG_DISCIPLINE}) {
    if (dice.Percent(30)) break;
    config::v1::LadderStep& step = *ladder.add_steps();
    step.set_rung(rung);
    after += dice.Between(1, 10);
    step.mutable_after()->set_seconds(after);
  }
  for (const auto clock :
       {type::v1::CLOCK_KIND_PEER_RECEIPT, type::v1::CLOCK_KIND_PEER_ACCEPTANCE, type::v1::CLOCK_KIND_SIGN,
        type::v1::CLOCK_KIND_FINISH, type::v1::CLOCK_KIND_FIRST_CONTACT, type::v1::CLOCK_KIND_RESULT_BACK,
        type::v1::CLOCK_KIND_CALL_BACK}) {
    if (dice.Percent(15)) continue;  // this clock is not kept
    config::v1::DeadlineRule& rule = *policy.add_rules();
    rule.set_clock(clock);
    if (dice.Percent(50)) rule.set_ladder("sim");
    rule.set_limit_s(dice.Between(1, 30));
    rule.set_remind_before_s(dice.Percent(60) ? dice.Below(rule.limit_s()) : 0);
  }
  return policy;
}

}  // namespace

World::World(uint64_t seed, const WorldOptions& options)
    : seed_(seed), dice_(seed), options_(options), desk_(&kernel_, &dice_, &witness_) {
  if (options_.mutant != nullptr) options_.mutant->Begin(&dice_);
  Build();
}

World::~World() {
  watchers_.clear();
  carriers_.clear();
  sites_.clear();
  kernel_.Clear();
}

void World::Build() {
  // What worlds can have beside what they all have is drawn apart, so that those without it stay as they are.
  Dice more(seed_ ^ 0x5b00'1f11e5ull);
  const bool wanted = options_.chain > 0           ? true
                      : options_.mutant == nullptr ? more.Percent(60)
                                                   : options_.mutant->in_full_worlds();
  const bool full = wanted && !options_.plain;
  const bool spooled = full && more.Percent(45);
  const int64_t size = dice_.Below(100);
  const int count = options_.chain > 0 ? options_.chain : size < 60 ? 2 : size < 85 ? 3 : 4;
  climate_ = {.rough_paths = dice_.Percent(70),
              .late_messages = dice_.Percent(30),
              .partitions = dice_.Percent(50),
              .kills = dice_.Percent(60),
              .disk_kills = dice_.Percent(40),
              .power_losses = dice_.Percent(40),
              .disk_errors = dice_.Percent(30),
              .full_disks = dice_.Percent(20),
              .slow_disks = dice_.Percent(20),
              .clock_jumps = dice_.Percent(40),
              .lost_projections = dice_.Percent(15),
              .old_backups = dice_.Percent(options_.old_backups_percent)};
  const bool skewed = dice_.Percent(50);
  const bool signs = climate_.old_backups || dice_.Percent(10) || spooled;
  climate_.spool_trouble = spooled && more.Percent(40);
  climate_.partners = full && count > 2;
  const bool units = full && !options_.without_units;
  desk_.set_repertoire(units ? Repertoire::kUnits : full ? Repertoire::kAll : Repertoire::kCommon);
  if (options_.mutant != nullptr) desk_.set_favours(options_.mutant->favours());
  if (options_.chain > 0) desk_.set_favours({"accept", "pass on"});
  Dice unit_dice(seed_ ^ 0x0c10'5e0fu);
  // Offers fall into doubt within the run, or never.
  const bool doubts = full && more.Percent(60);
  bool spools[kMaxSites][kMaxSites] = {};
  for (int i = 0; i < count && spooled; ++i) {
    for (int j = 0; j < i; ++j) spools[i][j] = spools[j][i] = more.Percent(60);
  }
  for (int i = 0; i < count; ++i) {
    Setup setup;
    setup.hotline = kHotlines[i];
    setup.index = i;
    const int sizes[] = {1, 2, 8, 64};
    setup.ring_items = sizes[dice_.Between(1, 3)];
    setup.cached_orders = sizes[dice_.Between(1, 3)];
    setup.commit_batch = sizes[dice_.Between(0, 3)];
    setup.delivery_batch = sizes[dice_.Between(0, 3)];
    if (dice_.Percent(10)) setup.queue_limit = 3;
    if (dice_.Percent(20)) setup.cache_bytes = 16 << 10;
    if (dice_.Percent(50)) setup.wal_limit_bytes = 32 << 10;
    setup.clock_offset_nanos = skewed ? dice_.Between(-60, 60) * kSecond : 0;
    setup.clock_drift_ppm = skewed ? dice_.Between(-200, 200) : 0;
    setup.policy = DrawPolicy(dice_);
    if (units && unit_dice.Percent(80)) {
      config::v1::DeadlineRule& rule = *setup.policy.add_rules();
      rule.set_clock(type::v1::CLOCK_KIND_UNIT_RETURN);
      rule.set_limit_s(unit_dice.Between(1, 4));
    }
    setup.fresh_disks = dice_.Percent(3);
    setup.signs = signs;
    setup.quick_keys = seed_ % kEd25519Every != 0;
    for (int j = 0; j < count; ++j) {
      if (spools[i][j]) setup.spools.insert(kHotlines[j]);
    }
    if (doubts) {
      setup.confirm_within = absl::Seconds(more.Between(2, 15));
      setup.keep_after = absl::Seconds(more.Between(1, 15));
    }
    setup.dispatches_first = full && i == 1;  // the police
    witness_.AddSite(setup.hotline);
    sites_.push_back(
        std::make_unique<Site>(std::move(setup), &kernel_, &dice_, &paths_, &witness_, options_.mutant));
  }
  // All pairs, or a chain.
  const bool chain = count > 2 && (options_.chain > 0 || dice_.Percent(30));
  for (int i = 0; i < count; ++i) {
    for (int j = 0; j < count; ++j) {
      if (i == j || (chain && std::abs(i - j) != 1)) continue;
      sites_[static_cast<size_t>(i)]->LinkTo(sites_[static_cast<size_t>(j)].get());
    }
  }
  for (const auto& site : sites_) {
    for (Site* peer : site->peers()) {
      if (!site->spools_to(*peer)) continue;
      carriers_.push_back(std::make_unique<Carrier>(Route{.from = site.get(),
                                                          .to = peer,
                                                          .kernel = &kernel_,
                                                          .dice = &dice_,
                                                          .paths = &paths_,
                                                          .witness = &witness_}));
      carriers_.back()->Start();
    }
  }
  const bool watched = dice_.Percent(30);
  for (const auto& site : sites_) {
    if (watched) watchers_.push_back(std::make_unique<Watcher>(site.get(), &kernel_, &witness_));
    for (Part part : kParts) Restart(site.get(), part);
  }
}

Site* World::AnySpooled() {
  std::vector<Site*> spooled;
  for (const auto& site : sites_) {
    for (const Site* peer : site->peers()) {
      if (!site->spools_to(*peer)) continue;
      spooled.push_back(site.get());
      break;
    }
  }
  return spooled.empty() ? nullptr
                         : spooled[static_cast<size_t>(dice_.Below(static_cast<int64_t>(spooled.size())))];
}

Site& World::AnySite() {
  return *sites_[static_cast<size_t>(dice_.Below(static_cast<int64_t>(sites_.size())))];
}

void World::Say(const std::function<std::string()>& line) {
  if (!options_.traced) return;
  trace_.push_back(StrCat(kernel_.now() / kMillisecond, " ms: ", line()));
}

std::string World::Trace(size_t lines) const {
  std::string text;
  for (size_t i = trace_.size() - std::min(lines, trace_.size()); i < trace_.size(); ++i) {
    text.append(trace_[i]).append("\n");
  }
  return text;
}

uint64_t World::Digest() const {
  uint64_t digest = 14695981039346656037ull;
  const auto mix = [&digest](int64_t value) {
    digest = (digest ^ static_cast<uint64_t>(value)) * 1099511628211ull;
  };
  for (size_t i = 0; i < sites_.size(); ++i) {
    for (const OrderView& order : witness_.orders(static_cast<int>(i))) {
      mix(order.last_sequence);
      mix(order.state);
      mix(order.epoch);
    }
  }
  mix(tasks_);
  mix(kernel_.now());
  mix(desk_.done());
  return digest;
}

int64_t World::disk_faults() {
  int64_t faults = 0;
  for (const auto& site : sites_) {
    faults += site->disk(Part::kWorkOrder).faults() + site->disk(Part::kEscalation).faults();
  }
  return faults;
}

// ---- Processes
// -------------------------------------------------------------------------------------------------

void World::Restart(Site* site, Part part) {
  if (site->up(part)) return;
  const bool started = site->Start(part);
  Say([&] { return StrCat(site->hotline(), ": ", NameOf(part), started ? " starts" : " does not start"); });
  if (!started) ReviveLater(site, part);
}

void World::ReviveLater(Site* site, Part part) {
  kernel_.PostAfter(absl::Milliseconds(dice_.Between(1, 1'500)), [this, site, part] { Restart(site, part); });
}

// What has died since the last look is taken away and started again later.
void World::Supervise() {
  for (const auto& site : sites_) {
    if (!site->has_dead()) continue;
    std::vector<Part> dead;
    for (Part part : kParts) {
      if (!site->up(part)) dead.push_back(part);
    }
    if (!site->Bury()) continue;
    for (Part part : dead) {
      ++deaths_;
      Say([&] { return StrCat(site->hotline(), ": ", NameOf(part), " died of its disk"); });
      ReviveLater(site.get(), part);
    }
  }
}

void World::AfterTask() {
  ++tasks_;
  Supervise();
  if (kill_after_ < 0 || kill_after_-- > 0) return;
  if (!victim_->up(victim_part_)) return;
  Say([&] { return StrCat(victim_->hotline(), ": ", NameOf(victim_part_), " is killed"); });
  ++deaths_;
  victim_->Kill(victim_part_);
  ReviveLater(victim_, victim_part_);
}

void World::Pass(absl::Duration time) {
  const int64_t end = kernel_.now() + absl::ToInt64Nanoseconds(time);
  while (witness_.content() && kernel_.RunOne(end)) AfterTask();
}

// ---- Steps
// ------------------------------------------------------------------------------------------------------------

struct World::Move {
  const char* name;
  int weight;
  bool Climate::*needs;  // null: in every climate
  void (*make)(World& world);
};

const World::Move World::kMoves[] = {
    {"push", 22, nullptr,
     [](World& world) {
       world.desk_.Push(world.AnySite());
       world.Say([&] { return world.desk_.last(); });
     }},
    {"act", 45, nullptr,
     [](World& world) {
       world.desk_.Act(world.AnySite());
       world.Say([&] { return world.desk_.last(); });
     }},
    {"ask again", 10, nullptr,
     [](World& world) {
       world.desk_.AskAgain();
       world.Say([&] { return world.desk_.last(); });
     }},
    {"partners", 3, &Climate::partners,
     [](World& world) {
       world.desk_.CallPartners(world.AnySite());
       world.Say([&] { return world.desk_.last(); });
     }},
    {"misuse", 1, nullptr,
     [](World& world) {
       world.desk_.Misuse(world.AnySite());
       world.Say([&] { return world.desk_.last(); });
     }},
    {"checkpoint", 4, nullptr,
     [](World& world) {
       Site& site = world.AnySite();
       const Part part = world.dice_.Percent(70) ? Part::kWorkOrder : Part::kEscalation;
       world.Say([&] { return StrCat(site.hotline(), ": checkpoint of ", NameOf(part)); });
       site.Checkpoint(part);
       world.Supervise();
     }},
    {"restart", 2, nullptr,
     [](World& world) {
       Site& site = world.AnySite();
       const Part part = world.AnyPart();
       if (!site.up(part)) return;
       world.Say([&] { return StrCat(site.hotline(), ": ", NameOf(part), " is to stop"); });
       site.Drain(part);
       ++world.stopping_;
       world.kernel_.PostAfter(
           absl::Milliseconds(world.dice_.Below(200)), [&world, &site, part, life = site.life(part)] {
             --world.stopping_;
             if (life.expired()) return;
             world.Say([&] { return StrCat(site.hotline(), ": ", NameOf(part), " is stopped"); });
             site.Stop(part);
             world.ReviveLater(&site, part);
           });
     }},
    {"cure", 6, nullptr,
     [](World& world) {
       // What refuses until it is started again is started again.
       for (const auto& site : world.sites_) {
         for (Part part : kParts) {
           if (!site->sick(part)) continue;
           world.Say([&] { return StrCat(site->hotline(), ": ", NameOf(part), " is sick and restarted"); });
           site->Stop(part);
           world.Supervise();
           world.ReviveLater(site.get(), part);
         }
       }
     }},
    {"weather", 5, &Climate::rough_paths,
     [](World& world) {
       Dice& dice = world.dice_;
       Path& path = world.paths_[static_cast<size_t>(world.AnySite().index())]
                                [static_cast<size_t>(world.AnySite().index())];
       path.lost = dice.Percent(60) ? static_cast<int>(dice.Below(40)) : 0;
       path.doubled = dice.Percent(60) ? static_cast<int>(dice.Below(40)) : 0;
       path.late = world.climate_.late_messages && dice.Percent(60) ? static_cast<int>(dice.Below(20)) : 0;
       path.max_delay_us = dice.Percent(50) ? 2'000 : dice.Between(100, 80'000);
     }},
    {"partition", 3, &Climate::partitions,
     [](World& world) {
       Site& from = world.AnySite();
       Site& to = world.AnySite();
       const bool cut = world.dice_.Percent(60);
       const bool both = world.dice_.Percent(50);
       const size_t a = static_cast<size_t>(from.index());
       const size_t b = static_cast<size_t>(to.index());
       world.Say([&] {
         return StrCat(from.hotline(), both ? " and " : " to ", to.hotline(), cut ? ": cut" : ": not cut");
       });
       world.paths_[a][b].cut = cut;
       if (both) world.paths_[b][a].cut = cut;
     }},
    {"kill", 4, &Climate::kills,
     [](World& world) {
       world.victim_ = &world.AnySite();
       world.victim_part_ = world.AnyPart();
       world.kill_after_ = world.dice_.Below(60);
     }},
    {"disk kills", 3, &Climate::disk_kills,
     [](World& world) {
       Site& site = world.AnySite();
       const Part part = world.dice_.Percent(75) ? Part::kWorkOrder : Part::kEscalation;
       world.Say([&] { return StrCat(site.hotline(), ": the disk of ", NameOf(part), " will kill"); });
       site.disk(part).Arm(Disk::Fault::kKill, world.dice_.Below(60));
     }},
    {"power loss", 2, &Climate::power_losses,
     [](World& world) {
       Site& site = world.AnySite();
       if (world.dice_.Percent(70)) {
         world.Say([&] { return StrCat(site.hotline(), ": power will be lost in a write"); });
         site.disk(Part::kWorkOrder).Arm(Disk::Fault::kPowerLoss, world.dice_.Below(60));
         return;
       }
       world.Say([&] { return StrCat(site.hotline(), ": power lost"); });
       site.LosePower();
       for (Part part : kParts) {
         ++world.deaths_;
         world.ReviveLater(&site, part);
       }
     }},
    {"disk error", 4, &Climate::disk_errors,
     [](World& world) {
       constexpr Disk::Fault kFaults[] = {Disk::Fault::kSyncFails, Disk::Fault::kSyncLies,
                                          Disk::Fault::kWriteFails, Disk::Fault::kReadFails};
       Site& site = world.AnySite();
       const Part part = world.dice_.Percent(75) ? Part::kWorkOrder : Part::kEscalation;
       const Disk::Fault fault = kFaults[world.dice_.Below(4)];
       world.Say([&] {
         return StrCat(site.hotline(), ": the disk of ", NameOf(part), " will have fault ",
                       static_cast<int>(fault));
       });
       site.disk(part).Arm(fault, world.dice_.Below(30));
     }},
    {"full disk", 3, &Climate::full_disks,
     [](World& world) {
       Site& site = world.AnySite();
       Disk& disk = site.disk(world.dice_.Percent(75) ? Part::kWorkOrder : Part::kEscalation);
       const bool full = world.dice_.Percent(50);
       world.Say([&] { return StrCat(site.hotline(), full ? ": a disk fills up" : ": disks have room"); });
       if (full) {
         disk.set_capacity(disk.used() + world.dice_.Below(20'000));
       } else {
         for (Part part : {Part::kWorkOrder, Part::kEscalation}) site.disk(part).set_capacity(INT64_MAX);
       }
     }},
    {"slow disk", 3, &Climate::slow_disks,
     [](World& world) {
       Site& site = world.AnySite();
       const int64_t delay = world.dice_.Percent(50) ? 1'000 : world.dice_.Between(10'000, 1'500'000);
       world.Say([&] { return StrCat(site.hotline(), ": a commit may take ", delay, " us"); });
       site.set_commit_delay_us(delay);
     }},
    {"clock jump", 3, &Climate::clock_jumps,
     [](World& world) {
       Site& site = world.AnySite();
       const int64_t most = world.dice_.Percent(70) ? 10 : 7'200;
       const int64_t seconds = world.dice_.Between(-most, most);
       world.Say([&] { return StrCat(site.hotline(), ": the clock jumps by ", seconds, " s"); });
       site.clock()->Jump(seconds * kSecond);
     }},
    {"backup", 4, &Climate::old_backups,
     [](World& world) {
       // Of one site only: what two sites have both forgotten nobody can give back.
       if (world.backed_up_ == nullptr) world.backed_up_ = &world.AnySite();
       world.Say([&] { return StrCat(world.backed_up_->hotline(), ": backup"); });
       world.backup_ = world.backed_up_->disk(Part::kWorkOrder).Snapshot();
     }},
    {"restore", 1, &Climate::old_backups,
     [](World& world) {
       if (world.backed_up_ == nullptr) return;
       Site& site = *world.backed_up_;
       world.Say([&] { return StrCat(site.hotline(), ": an old backup is restored"); });
       for (Part part : kParts) {
         site.Kill(part);
         world.ReviveLater(&site, part);
       }
       site.Restore(world.backup_);
       for (Site* peer : site.peers()) peer->spool_disk().at(SpoolIn(site.hotline())).clear();
       world.witness_.Rewound(site.index());
       world.desk_.Forget(site);
       for (const auto& watcher : world.watchers_) {
         if (watcher->site() == site.index()) watcher->Rewind();
       }
     }},
    {"spool trouble", 4, &Climate::spool_trouble,
     [](World& world) {
       Site* const site = world.AnySpooled();
       if (site == nullptr) return;
       test::MemoryFiles& disk = site->spool_disk();
       const Site& peer =
           *site->peers()[static_cast<size_t>(world.dice_.Below(static_cast<int64_t>(site->peers().size())))];
       const std::string directory =
           world.dice_.Percent(50) ? SpoolOut(peer.hotline()) : SpoolIn(peer.hotline());
       const int64_t kind = world.dice_.Below(6);
       world.Say([&] { return StrCat(site->hotline(), ": trouble ", kind, " of the spool's ", directory); });
       switch (kind) {
         case 0:
           return disk.Break(directory);
         case 1:
           return disk.Pin(directory, true);
         case 2:
           return disk.SetCapacity(world.dice_.Below(100'000));
         case 3:
           return disk.TearNextWrite();
         default:
           return world.MendSpool(site);
       }
     }},
    {"lost projection", 1, &Climate::lost_projections,
     [](World& world) {
       Site& site = world.AnySite();
       world.Say([&] { return StrCat(site.hotline(), ": escalation's store is lost"); });
       site.Kill(Part::kEscalation);
       site.ForgetEscalation();
       world.ReviveLater(&site, Part::kEscalation);
     }},
};

void World::Step() {
  ++steps_;
  witness_.Look(sites_);
  int64_t total = 0;
  for (const Move& move : kMoves) total += move.needs == nullptr || climate_.*move.needs ? move.weight : 0;
  int64_t at = dice_.Below(total);
  for (const Move& move : kMoves) {
    if (move.needs != nullptr && !(climate_.*move.needs)) continue;
    if ((at -= move.weight) >= 0) continue;
    move.make(*this);
    break;
  }
  const int64_t pace = dice_.Below(100);
  Pass(pace < 60   ? absl::Microseconds(dice_.Below(8'000))
       : pace < 95 ? absl::Milliseconds(dice_.Below(60))
                   : absl::Milliseconds(dice_.Between(100, 3'000)));
  desk_.CheckEmergencies();
}

void World::Run(int steps) {
  if (steps == 0) steps = static_cast<int>(dice_.Between(100, 140));
  for (int i = 0; i < steps && witness_.content(); ++i) Step();
  if (witness_.content()) Heal();
  // Before anything is repaired.
  if (witness_.content()) witness_.InspectTold(sites_);
  if (witness_.content()) Reconcile();
  if (witness_.content()) Verify();
  // Time has passed: an offer may have fallen into doubt, and its recall be under way.
  if (witness_.content()) AwaitQuiet();
  if (witness_.content()) witness_.Inspect(sites_, desk_.acknowledged());
  if (!witness_.content()) {
    Say([&] { return StrCat("BROKEN ", witness_.violation().invariant, ": ", witness_.violation().what); });
  }
}

// ---- Healing
// ---------------------------------------------------------------------------------------------------

void World::MendSpool(Site* site) {
  test::MemoryFiles& disk = site->spool_disk();
  disk.SetCapacity(INT64_MAX);
  // A write that was to be torn is used up.
  disk.Write("scratch", "scratch", "").IgnoreError();
  for (const Site* peer : site->peers()) {
    for (const std::string& directory : {SpoolOut(peer->hotline()), SpoolIn(peer->hotline())}) {
      disk.Mend(directory);
      disk.Pin(directory, false);
    }
  }
}

void World::CalmDown() {
  paths_ = {};
  kill_after_ = -1;
  for (const auto& site : sites_) {
    site->set_commit_delay_us(1'000);
    MendSpool(site.get());
    for (Part part : {Part::kWorkOrder, Part::kEscalation}) {
      site->disk(part).Arm(Disk::Fault::kNone, 0);
      site->disk(part).set_capacity(INT64_MAX);
    }
  }
  for (const auto& site : sites_) {
    for (Part part : kParts) {
      if (site->sick(part)) site->Stop(part);
      Restart(site.get(), part);
    }
  }
}

void World::Heal() {
  Say([] { return "all is healed"; });
  CalmDown();
  AwaitQuiet();
}

bool World::AllUp() const {
  for (const auto& site : sites_) {
    for (Part part : kParts) {
      if (!site->up(part) || site->sick(part)) return false;
    }
  }
  return true;
}

void World::AwaitQuiet() {
  const int64_t bound = kernel_.now() + absl::ToInt64Nanoseconds(kHealBound);
  const int64_t compare = kernel_.now() + absl::ToInt64Nanoseconds(kHealBound) / 2;
  int64_t ask = 0;
  bool compared = !climate_.old_backups;
  while (witness_.content() && kernel_.now() < bound) {
    // Where nobody has anything to say any more, a site restored to an empty spool hears what it lacks with
    // the comparison that every site makes on a schedule.
    if (!compared && kernel_.now() > compare && AllUp()) {
      compared = true;
      bool in_motion = false;
      CompareAll(/*repair=*/false, &in_motion);
    }
    if (kernel_.now() >= ask) {
      desk_.AskAllAgain();
      ask = kernel_.now() + 2 * kSecond;
    }
    Pass(absl::Milliseconds(50));
    desk_.CheckEmergencies();
    if (IsQuiet()) return;
  }
  if (!witness_.content()) return;
  // What was lost between two sites is the better reason.
  witness_.InspectTold(sites_);
  std::string what = StrCat(desk_.waiting(), " commands without an answer");
  for (const auto& site : sites_) {
    for (Part part : kParts) {
      if (!site->up(part)) what += StrCat("; ", site->hotline(), "'s ", NameOf(part), " is down");
    }
    if (!site->up(Part::kWorkOrder) || !site->up(Part::kEscalation)) continue;
    what +=
        StrCat("; ", site->hotline(), " has ", site->engine()->head_sequence(), " events, ",
               site->follower()->stats().cursor, " followed", site->sick(Part::kEscalation) ? " (sick)" : "");
    auto links = site->engine()->store().reader().Links();
    if (!links.ok()) continue;
    for (const auto& link : *links) {
      what += StrCat(", for ", link.key.peer, " ", LaneName(link.key.lane), " ", link.outgoing_sequence,
                     " of which acknowledged ", link.acknowledged_sequence);
    }
    if (!site->up(Part::kDispatch)) continue;
    for (const auto& [key, link] : site->dispatch()->links()) {
      what += StrCat(" (", key.peer, " ", LaneName(key.lane), ": ",
                     ToStd(link->health().last_error.message()), ")");
    }
  }
  witness_.Violate("quiet",
                   StrCat("not quiet ", absl::ToInt64Seconds(kHealBound), " s after healing: ", what));
}

bool World::IsQuiet() {
  if (desk_.waiting() > 0 || stopping_ > 0) return false;
  for (const auto& watcher : watchers_) {
    if (watcher->watermark() < static_cast<int64_t>(witness_.log(watcher->site()).size())) return false;
  }
  if (!AllUp()) return false;
  for (const auto& site : sites_) {
    const escalation::Follower::Stats stats = site->follower()->stats();
    if (!stats.fresh || stats.cursor != site->engine()->head_sequence()) return false;
    if (site->engine()->counters().queue_length > 0) return false;
    for (const auto lane : {escalation::FireLane::kUrgent, escalation::FireLane::kOrdinary}) {
      auto next = site->escalation_store()->NextDue(lane);
      if (!next.ok() || *next <= site->clock()->Now()) return false;
    }
    auto links = site->engine()->store().reader().Links();
    if (!links.ok()) return false;
    for (const auto& link : *links) {
      if (link.acknowledged_sequence != link.outgoing_sequence || link.replaying()) return false;
      // What a site had acknowledged before an old backup was restored it gets once more.
      for (Site* peer : site->peers()) {
        if (peer->hotline() != link.key.peer) continue;
        if (!peer->up(Part::kWorkOrder)) return false;
        auto theirs = peer->engine()->store().reader().Links();
        if (!theirs.ok()) return false;
        // Without a row where the backup is of before the first envelope.
        int64_t sent = 0;
        int64_t received = 0;
        for (const auto& other : *theirs) {
          if (other.key != LaneKey{site->hotline(), link.key.lane}) continue;
          sent = other.outgoing_sequence;
          received = other.incoming_sequence;
        }
        if (sent != link.incoming_sequence || received != link.outgoing_sequence) return false;
      }
    }
  }
  return true;
}

// Every site compares with each of its peers what they share, by production's own reconciliation. Where all
// have kept their memory there is nothing to find; else what is found is repaired once, and then there is
// nothing.
void World::Reconcile() {
  std::string differences = CompareAtRest(/*repair=*/climate_.old_backups);
  if (climate_.old_backups && !differences.empty() && witness_.content()) {
    Say([&] { return StrCat("to be repaired:", differences); });
    AwaitQuiet();
    differences = CompareAtRest(/*repair=*/false);
  }
  if (!differences.empty()) witness_.Violate("reconciled", StrCat("the sites differ:", differences));
}

// What is under way while the sites compare may differ without fault: then they compare once more.
std::string World::CompareAtRest(bool repair) {
  constexpr int kTries = 5;
  std::string differences;
  for (int i = 0; i < kTries && witness_.content(); ++i) {
    bool in_motion = false;
    differences = CompareAll(repair, &in_motion);
    if (!in_motion) break;
    AwaitQuiet();
  }
  return differences;
}

// What differs at which site, for people to read; empty if nothing does.
std::string World::CompareAll(bool repair, bool* in_motion) {
  struct Answers {
    int waiting = 0;
    bool in_motion = false;
    std::string differences;
  };
  const auto answers = std::make_shared<Answers>();
  for (const auto& site : sites_) {
    for (const Site* peer : site->peers()) {
      dispatch::v1::ReconcileLinkRequest request;
      request.set_peer(peer->hotline());
      request.set_repair(repair);
      CallContext call;
      call.now = site->clock()->Now();
      call.deadline = call.now + absl::Seconds(30);
      ++answers->waiting;
      site->dispatch()->ReconcileLink(
          call, std::move(request),
          [answers, here = site->hotline(),
           there = peer->hotline()](absl::StatusOr<dispatch::v1::ReconcileLinkResponse> response) {
            --answers->waiting;
            std::string& found = answers->differences;
            if (!response.ok()) {
              found += StrCat("\n", here, " with ", there, ": ", ToStd(response.status().message()));
              return;
            }
            for (const dispatch::v1::HandoffDifference& one : response->differences()) {
              answers->in_motion |= one.in_motion();
              found += StrCat("\n", here, ": [", one.view_here(), "] ", there, ": [", one.view_there(), "] ",
                              one.handoff_id(), one.in_motion() ? " in motion" : "",
                              one.resent() ? " resent" : "", one.repaired() ? " repaired" : "");
            }
          });
    }
  }
  for (int i = 0; i < 2'000 && answers->waiting > 0 && witness_.content(); ++i) Pass(absl::Milliseconds(10));
  if (answers->waiting > 0) answers->differences += "\na comparison does not end";
  *in_motion = answers->in_motion;
  return answers->differences;
}

// By production's own check.
void World::Verify() {
  for (const auto& site : sites_) {
    std::string fault = "no answer";
    CallContext call;
    call.now = site->clock()->Now();
    call.deadline = call.now + absl::Seconds(30);
    site->orders()->VerifyLog(call, {}, [&fault](absl::StatusOr<workorder::v1::VerifyLogResponse> response) {
      fault = response.ok() ? response->fault() : std::string(response.status().message());
    });
    for (int i = 0; i < 100 && fault == "no answer"; ++i) Pass(absl::Milliseconds(1));
    if (!fault.empty()) witness_.Violate("verified", StrCat(site->hotline(), ": ", fault));
  }
}

}  // namespace hotline::sim
