// Whatever a tool does to files on their way: once it has copied enough, everything is applied once and in
// order.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "tests/services/dispatch/spool/world.h"

namespace hotline::dispatch {
namespace {

// One thing that happens.
struct Step {
  int kind;
  uint32_t dice;
};
constexpr int kKinds = 14;

// Copies one file in one way or another. What was taken before is in `archive`, from where it may come again.
void Carry(World& world, test::MemoryFiles::Directory* archive, bool there, int how, uint32_t dice) {
  Side& from = there ? world.a : world.b;
  Side& to = there ? world.b : world.a;
  const std::vector<std::string> names = from.OutNames();
  if (names.empty()) return;
  const std::string& name = names[dice % names.size()];
  const std::string bytes = from.out()[name];
  (*archive)[name] = bytes;
  const size_t part = bytes.empty() ? 0 : dice / 7 % bytes.size();
  switch (how) {
    case 0:  // as it should be
      to.in()[name] = bytes;
      break;
    case 1:  // moved
      to.in()[name] = bytes;
      from.out().erase(name);
      break;
    case 2:  // lost
      from.out().erase(name);
      break;
    case 3:  // cut short
      to.in()[name] = bytes.substr(0, part);
      break;
    case 4:  // cut short, and gone at the source
      to.in()[name] = bytes.substr(0, part);
      from.out().erase(name);
      break;
    case 5: {  // altered
      std::string altered = bytes;
      altered[part] = static_cast<char>(altered[part] ^ (1 + dice % 255));
      to.in()[name] = altered;
      break;
    }
    default: {  // one from before, again
      const auto it = std::next(archive->begin(), static_cast<std::ptrdiff_t>(dice % archive->size()));
      const bool ours = it->first.starts_with(StrCat(from.hotline, "-"));
      (ours ? to : from).in()[it->first] = it->second;
    }
  }
}

void Happen(World& world, test::MemoryFiles::Directory* archive, const Step& step, int* committed) {
  Side& side = step.dice % 2 == 0 ? world.a : world.b;
  switch (step.kind) {
    case 0:
    case 1:
      side.sender(kLanes[step.dice / 2 % 2]).Commit(StrCat("envelope ", ++*committed));
      break;
    case 2:
    case 3:
      if (side.up()) side.Pump(1 + static_cast<int>(step.dice / 2 % 3));
      break;
    case 4:
      world.Pass(absl::Milliseconds(step.dice % 3000));
      break;
    case 5:
      world.Pass(absl::Seconds(step.dice % 100));
      break;
    case 6:
      side.up() ? side.Kill() : side.Start();
      break;
    default:
      Carry(world, archive, step.dice % 2 == 0, step.kind - 7, step.dice / 2);
  }
}

RC_GTEST_PROP(SpoolLawTest, EverythingIsAppliedOnceWhateverTheCopierDoes, ()) {
  const auto steps = *rc::gen::container<std::vector<Step>>(rc::gen::apply(
      [](int kind, uint32_t dice) {
        return Step{kind, dice};
      },
      rc::gen::inRange(0, kKinds), rc::gen::arbitrary<uint32_t>()));
  World world;
  // The way back and forth takes less than this once somebody copies.
  for (Side* side : {&world.a, &world.b}) side->options.resend_after = absl::Seconds(20);
  world.Start();
  test::MemoryFiles::Directory archive;
  int committed = 0;
  for (const Step& step : steps) Happen(world, &archive, step, &committed);

  // From now on somebody copies everything, and still a file from before turns up now and then.
  for (Side* side : {&world.a, &world.b}) {
    if (!side->up()) side->Start();
  }
  for (int i = 0; i < 60; ++i) {
    if (!archive.empty() && i < 30) Carry(world, &archive, true, 6, static_cast<uint32_t>(i));
    world.Settle(1);
    world.Pass(absl::Seconds(2));
  }
  for (const auto& [giver, taker] : {std::pair(&world.a, &world.b), std::pair(&world.b, &world.a)}) {
    for (const Lane lane : kLanes) {
      std::vector<std::string> sent;
      for (const exchange::v1::Envelope& envelope : giver->sender(lane).outbox)
        sent.push_back(envelope.body());
      RC_ASSERT(taker->log(lane).bodies == sent);
      RC_ASSERT(giver->sender(lane).acknowledged == static_cast<int64_t>(sent.size()));
    }
    RC_ASSERT(giver->OutNames().size() <= 4u);
    RC_ASSERT(taker->peer->counters().rejected[static_cast<int>(Reject::kRefused)] == 0);
  }
}

}  // namespace
}  // namespace hotline::dispatch
