#include "common/base/loop.h"

#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace hotline {
namespace {

TEST(LoopTest, RunsInTheOrderPosted) {
  Loop loop("test");
  std::vector<int> order;
  std::promise<void> done;
  for (int i = 0; i < 1000; ++i) loop.Post([&order, i] { order.push_back(i); });
  loop.Post([&done] { done.set_value(); });
  done.get_future().wait();
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(LoopTest, TimersRunByTheirTimeAndNotBefore) {
  Loop loop("test");
  std::vector<int> order;
  std::promise<void> done;
  loop.PostAfter(absl::Milliseconds(20), [&] {
    order.push_back(2);
    done.set_value();
  });
  loop.PostAfter(absl::Milliseconds(5), [&] { order.push_back(1); });
  done.get_future().wait();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(LoopTest, StopDropsWhatHasNotBegun) {
  auto loop = std::make_unique<Loop>("test");
  auto kept = std::make_shared<int>(0);
  loop->PostAfter(absl::Hours(1), [kept] {});
  loop->Stop();
  EXPECT_EQ(kept.use_count(), 1);
  loop->Post([kept] { ADD_FAILURE(); });
  loop.reset();
}

}  // namespace
}  // namespace hotline
