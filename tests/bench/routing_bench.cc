// How well and how fast the model of SuggestRoute answers the labelled set: trained on one part, asked the
// other. No services.
//
//   routing_bench [--catalogue DIR] [--seed N] [--test-batch BATCH] [--cross N] [--set FILE] [--mistakes]
//
// Prints `bench routing key=value …` lines and a confusion table: `test` is the test part of what was written
// as callers speak, `hard` that of what was written to be hard, `second` a batch that no model is trained on
// here, `independent` (with independent=1) what somebody wrote who knew the regulation only and none of the
// examples. `--test-batch` holds out everything that one hand wrote, `--cross` cross-validates in N parts,
// `--set` asks a model that knows all examples the labelled lines of a file, `--mistakes` prints what was
// answered wrongly (the sets hold no personal data).
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/base/text.h"
#include "common/boot/catalogue_file.h"
#include "common/boot/suggest_file.h"
#include "common/suggest/examples.h"

namespace {

using hotline::config::v1::SuggestExample;
using hotline::suggest::Scores;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kSeed = 2024;
constexpr int kTestPercent = 30;
// What one hand wrote after the rest, and nobody looked into while the model was made.
constexpr char kSecondBatch[] = "z";
// The demo's orders, which must arrive: always trained on.
constexpr char kDemoBatch[] = "f";
// All but these was written to be hard: rare words, denials, figures of speech, several matters at once,
// single words, matters of both sides, what a model that had not learnt from it answered wrongly.
bool Hard(const SuggestExample& example) {
  static const std::set<std::string> spoken = {"a", "b", "e", "g"};
  return !spoken.contains(example.batch());
}

double Microseconds(Clock::duration d) { return std::chrono::duration<double, std::micro>(d).count(); }

double Share(int part, int whole) { return whole == 0 ? 0 : static_cast<double>(part) / whole; }

long ResidentKilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::atol(line.c_str() + 6);
  }
  return 0;
}

void Print(const char* part, const Scores& s) {
  std::printf(
      "bench routing part=%s independent=%d examples=%d hotline_right=%.4f clear_right=%.4f item_first=%.4f "
      "item_in_three=%.4f unclear_recognised=%.4f "
      "none_recognised=%.4f emergencies=%d emergencies_missed=%d emergencies_flagged=%.4f false_alarms=%.4f "
      "unit_first=%.4f "
      "calibration_error=%.4f\n",
      part, std::strcmp(part, "independent") == 0, s.examples, Share(s.hotline_right, s.examples),
      Share(s.clear_right, s.clear), Share(s.item_first, s.items), Share(s.item_in_three, s.items),
      Share(s.unclear_right, s.unclear), Share(s.none_right, s.none), s.emergencies, s.emergencies_missed,
      Share(s.emergencies_flagged, s.emergencies), Share(s.false_alarms, s.calm),
      Share(s.unit_first, s.units), s.CalibrationError());
}

void PrintTable(const Scores& s) {
  const char* names[] = {"12345", "110", "unclear", "none"};
  std::printf("%-20s%8s%8s%8s%8s\n", "label \\ answer", names[0], names[1], names[2], names[3]);
  for (const char* label : names) {
    std::printf("%-20s", label);
    for (const char* answer : names) {
      const auto row = s.confusion.find(label);
      const auto cell =
          row == s.confusion.end() ? std::map<std::string, int>::const_iterator{} : row->second.find(answer);
      std::printf("%8d", row == s.confusion.end() || cell == row->second.end() ? 0 : cell->second);
    }
    std::printf("\n");
  }
  std::vector<std::string> mixed;
  for (const auto& [label, row] : s.item_confusion) {
    for (const auto& [answer, count] : row)
      mixed.push_back(hotline::StrCat(label, "→", answer, count > 1 ? hotline::StrCat("×", count) : ""));
  }
  std::string joined;
  for (const std::string& pair : mixed) joined += (joined.empty() ? "" : " ") + pair;
  std::printf("items mistaken: %s\n", joined.c_str());
  std::printf("confidence:");
  for (size_t i = 0; i < s.bins.size(); ++i) {
    const auto& bin = s.bins[i];
    if (bin.answers > 0)
      std::printf(" %.2f→%.2f (%d)", bin.confidence / bin.answers, Share(bin.right, bin.answers),
                  bin.answers);
  }
  std::printf("\n");
}

void PrintMistake(const SuggestExample& example, const hotline::suggest::Suggestion& s,
                  const hotline::catalogue::Catalogue& catalogue) {
  const std::string answer(hotline::suggest::HotlineOf(s.verdict, catalogue));
  const std::string item = s.items.empty() ? "-" : s.items[0].item->code();
  const std::string label = example.items_size() > 0 ? example.items(0) : "-";
  if (answer == example.hotline() && s.emergency == example.emergency() && (label == "-" || item == label))
    return;
  std::printf("mistake %s %s/%s%s answered %s/%s%s danger=%.2f confidence=%.2f | %s\n", example.id().c_str(),
              example.hotline().c_str(), label.c_str(), example.emergency() ? "!" : "", answer.c_str(),
              item.c_str(), s.emergency ? "!" : "", s.danger, s.confidence, example.text().c_str());
}

// Each prefix of each text, as a desktop asks at every keystroke.
void Latency(const hotline::suggest::Suggester& suggester, const std::vector<SuggestExample>& examples) {
  std::vector<double> took;
  for (const SuggestExample& example : examples) {
    const std::string& text = example.text();
    for (size_t end = 1; end <= text.size(); ++end) {
      if (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) continue;
      hotline::suggest::Query query;
      query.text = std::string_view(text).substr(0, end);
      const auto begin = Clock::now();
      const auto suggestion = suggester.Suggest(query);
      took.push_back(Microseconds(Clock::now() - begin));
    }
  }
  std::string longest;
  while (longest.size() < 24000) longest += examples[longest.size() % examples.size()].text() + "，";
  std::vector<double> long_took;
  for (int i = 0; i < 50; ++i) {
    hotline::suggest::Query query;
    query.text = longest;
    const auto begin = Clock::now();
    const auto suggestion = suggester.Suggest(query);
    long_took.push_back(Microseconds(Clock::now() - begin));
  }
  std::sort(took.begin(), took.end());
  std::sort(long_took.begin(), long_took.end());
  const auto at = [](const std::vector<double>& sorted, double q) {
    return sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1))];
  };
  std::printf(
      "bench routing part=latency calls=%zu p50_us=%.1f p99_us=%.1f max_us=%.1f "
      "p50_of_8000_characters_us=%.0f\n",
      took.size(), at(took, 0.5), at(took, 0.99), took.back(), at(long_took, 0.5));
}

// The labelled lines of a file by a model that knows all examples.
absl::Status AnswerSet(const char* part, const std::string& path,
                       const std::shared_ptr<const hotline::catalogue::Catalogue>& catalogue,
                       const hotline::boot::SuggestFiles& files, const hotline::suggest::Observer& observer) {
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in) return absl::NotFoundError(hotline::StrCat("cannot read ", path));
  const auto set = hotline::suggest::ParseExamples(text, path);
  if (!set.ok()) return set.status();
  const auto suggester = hotline::suggest::Suggester::Create(catalogue, files.terms, files.examples);
  if (!suggester.ok()) return suggester.status();
  const Scores scores = hotline::suggest::Evaluate(**suggester, *set, observer);
  Print(part, scores);
  PrintTable(scores);
  return absl::OkStatus();
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "routing_bench: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::string directory = std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue";
  uint64_t seed = kSeed;
  std::string test_batch;
  std::string set;
  int cross = 0;
  bool mistakes = false;
  for (int i = 1; i < argc; ++i) {
    const bool more = i + 1 < argc;
    if (std::strcmp(argv[i], "--catalogue") == 0 && more)
      directory = argv[++i];
    else if (std::strcmp(argv[i], "--seed") == 0 && more)
      seed = std::strtoull(argv[++i], nullptr, 10);
    else if (std::strcmp(argv[i], "--test-batch") == 0 && more)
      test_batch = argv[++i];
    else if (std::strcmp(argv[i], "--cross") == 0 && more)
      cross = std::atoi(argv[++i]);
    else if (std::strcmp(argv[i], "--set") == 0 && more)
      set = argv[++i];
    else if (std::strcmp(argv[i], "--mistakes") == 0)
      mistakes = true;
    else
      return std::fprintf(stderr, "routing_bench: unknown argument %s\n", argv[i]), 2;
  }
  auto catalogue = hotline::boot::LoadCatalogue(directory + "/wuqia.yaml");
  if (!catalogue.ok()) return Fail(catalogue.status());
  auto files = hotline::boot::LoadSuggestFiles(directory);
  if (!files.ok()) return Fail(files.status());
  const hotline::suggest::Observer observer = [&](const SuggestExample& example,
                                                  const hotline::suggest::Suggestion& suggestion) {
    PrintMistake(example, suggestion, **catalogue);
  };

  if (!set.empty()) {
    const absl::Status answered = AnswerSet("set", set, *catalogue, *files, mistakes ? observer : nullptr);
    return answered.ok() ? 0 : Fail(answered);
  }
  if (cross > 1) {
    std::vector<SuggestExample> examples;
    for (const SuggestExample& example : files->examples) {
      if (example.batch() != kSecondBatch) examples.push_back(example);
    }
    const auto scores = hotline::suggest::CrossValidate(*catalogue, files->terms, examples, cross, seed,
                                                        mistakes ? observer : nullptr);
    if (!scores.ok()) return Fail(scores.status());
    Print("cross", *scores);
    PrintTable(*scores);
    return 0;
  }
  std::vector<SuggestExample> train;
  std::vector<SuggestExample> test;
  std::vector<SuggestExample> hard;
  std::vector<SuggestExample> second;
  for (const SuggestExample& example : files->examples) {
    if (example.batch() == kSecondBatch)
      second.push_back(example);
    else if (test_batch.empty() && example.batch() == kDemoBatch)
      train.push_back(example);
    else if (test_batch.empty() ? hotline::suggest::InTestPart(example.id(), seed, kTestPercent)
                                : example.batch() == test_batch)
      (test_batch.empty() && Hard(example) ? hard : test).push_back(example);
    else
      train.push_back(example);
  }
  const long before = ResidentKilobytes();
  const auto begin = Clock::now();
  auto suggester = hotline::suggest::Suggester::Create(*catalogue, files->terms, train);
  if (!suggester.ok()) return Fail(suggester.status());
  const double trained = Microseconds(Clock::now() - begin) / 1000;
  const auto& report = (*suggester)->report();
  std::printf(
      "bench routing part=model trained_on=%zu skipped=%zu features=%zu model_kb=%zu resident_kb=%ld "
      "train_ms=%.0f\n",
      report.examples, report.skipped, report.features, report.bytes / 1024, ResidentKilobytes() - before,
      trained);
  const Scores scores = hotline::suggest::Evaluate(**suggester, test, mistakes ? observer : nullptr);
  Print("test", scores);
  PrintTable(scores);
  if (!hard.empty()) {
    const Scores difficult = hotline::suggest::Evaluate(**suggester, hard, mistakes ? observer : nullptr);
    Print("hard", difficult);
    PrintTable(difficult);
  }
  if (!second.empty()) {
    // By a model that knows all the rest.
    train.insert(train.end(), test.begin(), test.end());
    train.insert(train.end(), hard.begin(), hard.end());
    auto whole = hotline::suggest::Suggester::Create(*catalogue, files->terms, train);
    if (!whole.ok()) return Fail(whole.status());
    const Scores again = hotline::suggest::Evaluate(**whole, second);
    Print("second", again);
    PrintTable(again);
  }
  const absl::Status answered =
      AnswerSet("independent", std::string(HOTLINE_SOURCE_DIR) + "/tests/bench/independent.jsonl", *catalogue,
                *files, mistakes ? observer : nullptr);
  if (!answered.ok()) return Fail(answered);
  Latency(**suggester, test);
  return 0;
}
