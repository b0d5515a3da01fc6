#include "common/base/edit_distance.h"

#include <gtest/gtest.h>

#include <string>

namespace hotline {
namespace {

TEST(EditDistanceTest, CountsSlips) {
  const struct {
    std::string a;
    std::string b;
    int distance;
  } kCases[] = {
      {"", "", 0},
      {"push", "push", 0},
      {"", "abc", 3},
      {"push", "pushh", 1},
      {"push", "pus", 1},
      {"push", "pish", 1},
      {"push", "psuh", 1},
      {"push", "upsh", 1},
      {"push", "puhs", 1},
      {"push", "hsup", 3},
      {"titel", "title", 1},
      {"kitten", "sitting", 3},
      // Neighbours that were swapped are not edited again: it is not 2.
      {"ca", "abc", 3},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(EditDistance(c.a, c.b), c.distance) << c.a << " " << c.b;
    EXPECT_EQ(EditDistance(c.b, c.a), c.distance) << c.b << " " << c.a;
  }
}

}  // namespace
}  // namespace hotline
