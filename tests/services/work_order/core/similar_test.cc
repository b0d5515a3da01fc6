// What is found to be alike: measured on pairs as two callers would tell them,
// and the index' own promises.
#include "services/work_order/core/similar.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hotline::work_order {
namespace {

using testing::IsEmpty;

type::v1::OrderContent Matter(const std::string& township, const std::string& item, const std::string& text) {
  type::v1::OrderContent content;
  content.mutable_place()->set_township_code(township);
  content.mutable_catalogue()->set_item(item);
  content.set_text(text);
  return content;
}

struct Pair {
  bool same = false;
  type::v1::OrderContent first, second;
  absl::Duration apart;
};

std::vector<Pair> ReadPairs() {
  std::ifstream file(HOTLINE_SOURCE_DIR "/tests/services/work_order/core/similar_pairs.tsv");
  std::vector<Pair> pairs;
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> cells = absl::StrSplit(line, '\t');
    if (cells.size() != 8) continue;
    int hours = 0;
    EXPECT_TRUE(absl::SimpleAtoi(cells[7], &hours)) << line;
    pairs.push_back({.same = cells[0] == "same",
                     .first = Matter(cells[1], cells[2], cells[3]),
                     .second = Matter(cells[4], cells[5], cells[6]),
                     .apart = absl::Hours(hours)});
  }
  return pairs;
}

const absl::Time kNow = absl::FromUnixSeconds(1'795'000'000);

TEST(SimilarTest, PairsOfTheLabelledSet) {
  const std::vector<Pair> pairs = ReadPairs();
  ASSERT_GE(pairs.size(), 60u);
  SimilarIndex index;
  for (size_t i = 0; i < pairs.size(); ++i)
    index.Put(static_cast<int64_t>(i) + 1, SketchOf(pairs[i].first, kNow));
  int same = 0, likely_same = 0, likely_different = 0, among_three = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const std::vector<Likeness> found = index.Find(SketchOf(pairs[i].second, kNow + pairs[i].apart), 0, 10);
    double score = 0;
    bool among = false;
    for (size_t at = 0; at < found.size(); ++at) {
      const type::v1::OrderContent& other = pairs[static_cast<size_t>(found[at].id) - 1].first;
      if (other.text() != pairs[i].first.text()) continue;
      among |= at < 3;
      if (found[at].id == static_cast<int64_t>(i) + 1) score = found[at].score;
    }
    same += pairs[i].same ? 1 : 0;
    among_three += pairs[i].same && among ? 1 : 0;
    if (score >= kLikely) ++(pairs[i].same ? likely_same : likely_different);
  }
  const double recall = static_cast<double>(likely_same) / same;
  const double precision = static_cast<double>(likely_same) / (likely_same + likely_different);
  std::cout << absl::StrCat("similar pairs=", pairs.size(), " same=", same, " recall=", recall,
                            " precision=", precision,
                            " among_three=", static_cast<double>(among_three) / same, "\n");
  EXPECT_GE(recall, 0.85);
  EXPECT_GE(precision, 0.85);
  EXPECT_GE(among_three, same * 9 / 10);
}

TEST(SimilarTest, AnotherPlaceIsAnotherMatter) {
  type::v1::OrderContent here = Matter("653024100", "", "路口自来水管爆裂，路面积水");
  SimilarIndex index;
  index.Put(1, SketchOf(here, kNow));
  EXPECT_GE(index.Find(SketchOf(here, kNow), 0, 5).at(0).score, 0.9);
  type::v1::OrderContent there = Matter("653024101", "", here.text());
  EXPECT_THAT(index.Find(SketchOf(there, kNow), 0, 5), IsEmpty());
  here.mutable_place()->mutable_manual_coordinates()->set_latitude(39.72);
  here.mutable_place()->mutable_manual_coordinates()->set_longitude(75.25);
  index.Put(2, SketchOf(here, kNow));
  here.mutable_place()->mutable_manual_coordinates()->set_latitude(39.82);
  const std::vector<Likeness> far = index.Find(SketchOf(here, kNow), 1, 5);
  EXPECT_THAT(far, IsEmpty()) << "eleven kilometres away";
  here.mutable_place()->mutable_manual_coordinates()->set_latitude(39.7205);
  const std::vector<Likeness> near = index.Find(SketchOf(here, kNow), 1, 5);
  ASSERT_EQ(near.size(), 1u);
  EXPECT_NEAR(*near[0].distance_m, 56, 2);
}

TEST(SimilarTest, WhatEndedIsGoneAndTheOldestGoFirst) {
  SimilarIndex index(100);
  const Sketch sketch = SketchOf(Matter("653024100", "", "路口自来水管爆裂"), kNow);
  for (int64_t id = 1; id <= 5000; ++id) index.Put(id, sketch);
  EXPECT_EQ(index.size(), 100u);
  const std::vector<Likeness> found = index.Find(sketch, 4999, 3);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].id, 5000);
  EXPECT_EQ(found[1].id, 4998) << "without the one that is asked about";
  for (int64_t id = 4901; id <= 5000; ++id) index.Remove(id);
  index.Remove(1);
  EXPECT_EQ(index.size(), 0u);
  EXPECT_THAT(index.Find(sketch, 0, 3), IsEmpty());
}

// A fifth of as many orders as may be kept could take what the whole service
// may have.
TEST(SimilarTest, LongTextsStayUnderABoundOfBytes) {
  constexpr size_t kMaxBytes = size_t{2} << 20;
  SimilarIndex index(200'000, kMaxBytes);
  const auto sketch = [](int64_t id) {
    Sketch made = SketchOf(Matter("653024100", "", "路口自来水管爆裂"), kNow);
    // Each order's own, as of words that no other has.
    for (uint32_t i = 0; i < 500; ++i) made.grams.push_back(static_cast<uint32_t>(id * 500 + i) << 1);
    std::sort(made.grams.begin(), made.grams.end());
    made.grams.erase(std::unique(made.grams.begin(), made.grams.end()), made.grams.end());
    return made;
  };
  for (int64_t id = 1; id <= 1000; ++id) {
    index.Put(id, sketch(id));
    ASSERT_LE(index.bytes(), kMaxBytes) << id;
  }
  EXPECT_GE(index.size(), 15u);
  EXPECT_LE(index.size(), 1000u / 5);
  ASSERT_FALSE(index.Find(sketch(1000), 0, 1).empty());
  EXPECT_EQ(index.Find(sketch(1000), 0, 1)[0].id, 1000) << "the oldest went";
  SimilarIndex tiny(200'000, 1);
  for (int64_t id = 1; id <= 3; ++id) tiny.Put(id, sketch(id));
  EXPECT_EQ(tiny.size(), 1u) << "of one alone there is always room";
}

// What nearly all have is counted, not kept.
TEST(SimilarTest, WhatEndedAndWhatAllHaveTakesNoMemory) {
  SimilarIndex index;
  const Sketch sketch = SketchOf(Matter("653024100", "", "路口自来水管爆裂"), kNow);
  for (int64_t id = 1; id <= 20'000; ++id) index.Put(id, sketch);
  EXPECT_LE(index.bytes(), 20'000 * BytesOf(sketch) + (size_t{1} << 20));
  EXPECT_THAT(index.Find(sketch, 0, 3), IsEmpty()) << "it tells nothing";
  for (int64_t id = 1; id <= 19'000; ++id) index.Remove(id);
  EXPECT_EQ(index.Find(sketch, 0, 3).size(), 3u) << "it does again";
  EXPECT_LE(index.bytes(), 20'000 * BytesOf(sketch) / 4);
  for (int64_t id = 19'001; id <= 20'000; ++id) index.Remove(id);
  EXPECT_LE(index.bytes(), size_t{1} << 20);
}

TEST(SimilarTest, AnyBytesAreTextOfSomeKind) {
  SimilarIndex index;
  for (const char* text : {"", "   ", "ABC-12 路", "ＡＢＣ", "\xe4\xb8", "ئەسسالامۇ", "的了是"}) {
    const Sketch sketch = SketchOf(Matter("", "", text), kNow);
    index.Put(static_cast<int64_t>(index.size()) + 1, sketch);
    (void)index.Find(sketch, 0, 5);
  }
  EXPECT_EQ(SketchOf(Matter("", "", "ABC12"), kNow).grams,
            SketchOf(Matter("", "", "ａｂｃ１２"), kNow).grams);
}

// Bounded, however many orders are open and however alike they are.
TEST(SimilarTest, AnAnswerIsQuickAmongManyOrders) {
  SimilarIndex index;
  for (int64_t id = 1; id <= 20'000; ++id) {
    index.Put(id,
              SketchOf(Matter(absl::StrCat(653024100 + id % 8), "",
                              absl::StrCat("第", id, "号楼停水", id % 97, "天，", id % 89, "路口水管漏水")),
                       kNow));
  }
  const Sketch query = SketchOf(Matter("653024100", "", "停水三天，路口水管漏水，77号楼"), kNow);
  absl::Duration best = absl::InfiniteDuration();
  for (int i = 0; i < 5; ++i) {
    const absl::Time start = absl::Now();
    EXPECT_LE(index.Find(query, 0, 10).size(), 10u);
    best = std::min(best, absl::Now() - start);
  }
  std::cout << "similar orders=20000 find_us=" << absl::ToInt64Microseconds(best) << "\n";
  EXPECT_LT(best, absl::Milliseconds(250)) << "a slow machine has tens of times what it takes";
}

}  // namespace
}  // namespace hotline::work_order
