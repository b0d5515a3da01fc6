// A reader whose model takes seconds to train, in a process that may go down meanwhile.
#include "services/dispatch/lazy_reader.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <time.h>

#include <future>
#include <thread>

#include "absl/time/time.h"
#include "common/boot/catalogue_file.h"
#include "common/boot/suggest_file.h"

namespace hotline::dispatch {
namespace {

const std::string kDirectory = std::string(HOTLINE_SOURCE_DIR) + "/deploy/catalogue";

TEST(LazyReaderTest, AStopEndsTraining) {
  const auto version = boot::LoadCatalogue(kDirectory + "/wuqia.yaml");
  ASSERT_TRUE(version.ok()) << version.status();
  auto files = boot::LoadSuggestFiles(kDirectory);
  ASSERT_TRUE(files.ok()) << files.status();
  const auto stop = std::make_shared<std::atomic<bool>>(false);
  const auto material = std::make_shared<const LazyReader::Material>(LazyReader::Material{
      .terms = std::move(files->terms), .examples = std::move(files->examples), .stop = stop});
  const auto reader = LazyReader::Create(*version, material);
  ASSERT_TRUE(reader.ok()) << reader.status();
  std::promise<clockid_t> begun;
  std::thread trainer([&] {
    clockid_t own = 0;
    pthread_getcpuclockid(pthread_self(), &own);
    begun.set_value(own);
    (*reader)->Prepare();
  });
  // It has begun to learn; the whole takes some seconds of its processor's time.
  const clockid_t clock = begun.get_future().get();
  timespec time{};
  while (clock_gettime(clock, &time) == 0 && absl::DurationFromTimespec(time) < absl::Milliseconds(300)) {
    std::this_thread::yield();
  }
  *stop = true;
  trainer.join();
  EXPECT_FALSE((*reader)->IsPrepared());
  // Nor is it begun again, and the phrases serve.
  (*reader)->Prepare();
  EXPECT_FALSE((*reader)->IsPrepared());
  const routing::Reading reading =
      (*reader)->Read(**version, absl::CivilDay(2026, 11, 27), {.text = "包工头跑了，工资没发"});
  ASSERT_FALSE(reading.items.empty());
  EXPECT_EQ(reading.items[0].code, "A2");
}

TEST(LazyReaderTest, SaysWhatItIsMadeFrom) {
  const auto version = boot::LoadCatalogue(kDirectory + "/wuqia.yaml");
  ASSERT_TRUE(version.ok()) << version.status();
  const auto digest = [](std::shared_ptr<const catalogue::Catalogue> version, bool one_less) {
    auto files = boot::LoadSuggestFiles(kDirectory);
    if (one_less) files->examples.pop_back();
    const auto reader = LazyReader::Create(
        std::move(version),
        std::make_shared<const LazyReader::Material>(LazyReader::Material{
            .terms = std::move(files->terms), .examples = std::move(files->examples), .stop = nullptr}));
    return reader.ok() ? (*reader)->MadeFrom() : reader.status().ToString();
  };
  const std::string made_from = digest(*version, false);
  EXPECT_EQ(made_from.size(), 32u);
  EXPECT_EQ(digest(*boot::LoadCatalogue(kDirectory + "/wuqia.yaml"), false), made_from) << "read anew";
  EXPECT_NE(digest(*version, true), made_from);
  config::v1::Catalogue edited = (*version)->message();
  edited.mutable_items(0)->add_phrases("工地夜里太吵");
  EXPECT_NE(digest(*catalogue::Catalogue::Create(std::move(edited)), false), made_from);
}

}  // namespace
}  // namespace hotline::dispatch
