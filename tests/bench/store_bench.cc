// What a committed push costs in the store alone: order with content and indexes, event, outbox envelope and
// request, in transactions of 1 and of 128, on an empty store and on one that holds `--rows` orders already;
// and what the first receipt (an update and an event) costs after it.
//
//   store_bench [--rows N] [--pushes N] [--directory D]
//
// Prints `bench store rows=… batch=… rate=… cpu_us=… …`. `cpu_us` is the committing thread's,
// `process_cpu_us` has the checkpoints in it. The store is made in a new folder in D (default: the current
// one) and removed.
#include <sys/resource.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/id.h"
#include "common/base/sha256.h"
#include "hotline/workorder/v1/ledger_service.pb.h"
#include "services/work_order/store/store.h"

namespace hotline::work_order {
namespace {

constexpr std::string_view kHotline = "12345";
constexpr std::string_view kPeer = "110";

double CpuSeconds(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "store_bench: %s\n", status.ToString().c_str());
  std::exit(1);
}

// Pushes as the engine writes them, one after another.
class Pusher {
 public:
  explicit Pusher(Store* store) : store_(store), random_(RandomBytes(10)) {
    const absl::StatusOr<Heads> heads = store->reader().ReadHeads();
    Check(heads.status());
    heads_ = *heads;
    link_ = LinkRow::New({std::string(kPeer)});

    type::v1::OrderContent content;
    content.set_type(type::v1::ORDER_TYPE_COMPLAINT);
    content.set_channel(type::v1::CHANNEL_PHONE);
    content.set_urgency(type::v1::URGENCY_NORMAL);
    content.set_title("楼下烧烤店深夜噪音扰民");
    for (int i = 0; i < 6; ++i) {
      absl::StrAppend(content.mutable_text(),
                      "来电人反映小区楼下烧烤店每天营业到凌晨三点，噪音很大，老人孩子无法休息。");
    }
    content.mutable_caller()->set_name("阿依古丽");
    content.mutable_caller()->set_phone("13800000000");
    content.mutable_place()->set_township_code("653024100");
    content.mutable_place()->set_address("光明路12号");
    content.set_lead_unit("public_security");
    content_ = content.SerializeAsString();

    order_.set_origin_hotline(std::string(kHotline));
    order_.set_version(1);
    order_.mutable_custody()->set_holder(std::string(kHotline));
    order_.mutable_custody()->set_epoch(1);
    order_.mutable_facts();
    order_.set_title(content.title());
    order_.set_type(content.type());
    order_.set_urgency(content.urgency());
    order_.set_content_salt(std::string(16, 's'));
    order_.set_content_digest(std::string(32, 'd'));
    type::v1::Handoff& handoff = *order_.mutable_handoff();
    handoff.set_from_hotline(std::string(kHotline));
    handoff.set_to_hotline(std::string(kPeer));
    handoff.set_kind(type::v1::HANDOFF_KIND_ORDER_PUSH);
    handoff.set_attempt(1);
    event_.mutable_actor()->set_account("1024");
    event_.set_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    event_.set_state(type::v1::ORDER_STATE_OFFERED);
  }

  // `count` pushes in one transaction.
  void Push(int count) {
    Check(store_->Begin());
    for (int i = 0; i < count; ++i) PushOne();
    Check(store_->PutLink(link_));
    Check(store_->Commit());
  }

  // The first receipt on the `count` orders that were pushed last.
  void Receive(int count) {
    Check(store_->Begin());
    for (int i = 0; i < count; ++i) {
      const int64_t id = heads_.last_order_id - (count - 1 - i);
      absl::StatusOr<std::optional<type::v1::WorkOrder>> order = store_->reader().FindOrder(id);
      Check(order.status());
      (*order)->set_state(type::v1::ORDER_STATE_RECEIVED);
      (*order)->set_version(2);
      Stamp((*order)->mutable_handoff()->mutable_receive_time());
      Check(store_->UpdateOrder(id, **order));
      AppendEvent(**order);
    }
    Check(store_->PutLink(link_));
    Check(store_->Commit());
  }

 private:
  static void Stamp(google::protobuf::Timestamp* time) {
    time->set_seconds(1'790'000'000), time->set_nanos(123'456'789);
  }

  void AppendEvent(const type::v1::WorkOrder& order) {
    event_.set_sequence(heads_.event_sequence + 1);
    event_.set_order_id(order.id());
    event_.set_order_number(order.number());
    event_.set_order_version(order.version());
    Stamp(event_.mutable_commit_time());
    *event_.mutable_custody() = order.custody();
    *event_.mutable_offered()->mutable_handoff() = order.handoff();
    event_.SerializeToString(&bytes_);
    heads_.event_hash = Sha256({heads_.event_hash, bytes_});
    Check(store_->AppendEvent(++heads_.event_sequence, bytes_, heads_.event_hash));
  }

  void PushOne() {
    const int64_t id = ++heads_.last_order_id;
    order_.set_id(FormatOrderId(id));
    // A million and a half a day, so that numbers and days move on as they would.
    ++pushed_;
    const absl::CivilDay day = absl::CivilDay(2026, 1, 1) + pushed_ / 1'500'000;
    order_.set_number(FormatOrderNumber(kHotline, day, pushed_ % 1'500'000 + 1));
    order_.set_state(type::v1::ORDER_STATE_OFFERED);
    type::v1::Handoff& handoff = *order_.mutable_handoff();
    handoff.set_id(absl::StrCat(std::string(kHotline), "-", order_.id(), "-1"));
    handoff.set_from_number(order_.number());
    Stamp(handoff.mutable_offer_time());
    Stamp(handoff.mutable_confirm_by_time());
    Stamp(order_.mutable_register_time());
    Stamp(order_.mutable_update_time());
    handoff.set_link_sequence(++link_.outgoing_sequence);
    order_.set_last_event_sequence(heads_.event_sequence + 1);
    const std::string phone =
        absl::StrCat(13'000'000'000 + static_cast<int64_t>(pushed_ * 2'654'435'761 % 1'000'000'000));
    Check(store_->InsertOrder(id, order_, content_, store_->CallerHash(phone)));
    AppendEvent(order_);

    exchange::v1::OfferBody body;
    *body.mutable_handoff() = handoff;
    body.set_content_salt(order_.content_salt());
    *body.mutable_custody() = order_.custody();
    exchange::v1::Envelope envelope;
    envelope.set_sequence(link_.outgoing_sequence);
    envelope.set_handoff_id(handoff.id());
    envelope.set_kind(exchange::v1::ENVELOPE_KIND_OFFER);
    envelope.set_body(OfferBodyWithContent(body.SerializeAsString(), content_));
    envelope.set_traceparent(event_.traceparent());
    envelope.set_previous_hash(link_.outgoing_hash);
    envelope.set_hash(EnvelopeHash(envelope));
    link_.outgoing_hash = envelope.hash();
    Check(store_->AppendOutbox(link_.key, {.envelope = std::move(envelope), .order_id = id}, content_));

    workorder::v1::CommandResult result;
    *result.mutable_order() = order_;
    result.mutable_order()->clear_title();
    result.mutable_order()->clear_content_digest();
    result.mutable_order()->clear_content_salt();
    result.set_event_sequence(heads_.event_sequence);
    // In the order of the engine: first whether the id is known.
    const std::string request_id = RequestId();
    Check(store_->reader().FindRequest(request_id).status());
    Check(store_->InsertRequest(
        request_id, {.fingerprint = heads_.event_hash, .result = result.SerializeAsString()}, id));
  }

  // As a client's UUIDv7: milliseconds, then noise.
  std::string RequestId() {
    const std::string noise = Sha256({random_, BigEndian64(static_cast<uint64_t>(pushed_))});
    const std::string time = BigEndian64(static_cast<uint64_t>(1'767'225'600'000 + pushed_ / 20));
    std::string id;
    for (int i = 2; i < 8; ++i)
      absl::StrAppend(&id, absl::Hex(static_cast<unsigned char>(time[i]), absl::kZeroPad2));
    for (int i = 0; i < 10; ++i)
      absl::StrAppend(&id, absl::Hex(static_cast<unsigned char>(noise[i]), absl::kZeroPad2));
    for (size_t dash : {8, 13, 18, 23}) id.insert(dash, "-");
    return id;
  }

  Store* const store_;
  const std::string random_;
  Heads heads_;
  LinkRow link_;
  std::string content_;
  type::v1::WorkOrder order_;
  type::v1::Event event_;
  std::string bytes_;
  int64_t pushed_ = 0;
};

class Measure {
 public:
  explicit Measure(const Store& store) : store_(store), stats_(store.stats()) {}
  void Print(std::string_view what, int64_t rows, int batch, int64_t count) {
    const double wall = WallSeconds() - wall_;
    const double thread = CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - thread_;
    const double process = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - process_;
    const sql::Stats stats = store_.stats();
    const auto each = [count](double seconds) { return seconds * 1e6 / static_cast<double>(count); };
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    std::printf(
        "bench store what=%.*s rows=%lld batch=%d rate=%.0f cpu_us=%.1f process_cpu_us=%.1f commit_us=%.0f "
        "checkpoints=%lld wal_mb=%.0f database_mb=%.0f rss_mb=%ld\n",
        static_cast<int>(what.size()), what.data(), static_cast<long long>(rows), batch,
        static_cast<double>(count) / wall, each(thread), each(process),
        (stats.commit_seconds_sum - stats_.commit_seconds_sum) * 1e6 /
            static_cast<double>(stats.commits - stats_.commits),
        static_cast<long long>(stats.checkpoints + stats.checkpoints_partial - stats_.checkpoints -
                               stats_.checkpoints_partial),
        static_cast<double>(stats.wal_bytes) / 1e6, static_cast<double>(stats.database_bytes) / 1e6,
        usage.ru_maxrss / 1024);
    std::fflush(stdout);
  }

 private:
  const Store& store_;
  const sql::Stats stats_;
  const double wall_ = WallSeconds();
  const double thread_ = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
  const double process_ = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
};

void Run(int64_t rows, int64_t pushes, const std::string& directory) {
  absl::StatusOr<std::unique_ptr<Store>> store =
      Store::Open({.directory = directory, .hotline = std::string(kHotline)});
  Check(store.status());
  std::atomic<bool> stop{false};
  std::thread checkpoints([&] {
    while (!stop) {
      Check((*store)->Checkpoint());
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
  });
  Pusher pusher(store->get());
  const auto measure = [&](int64_t at) {
    for (int batch : {1, 128}) {
      const int64_t count = batch == 1 ? pushes / 10 : pushes / batch * batch;
      {
        Measure measured(**store);
        for (int64_t i = 0; i < count; i += batch) pusher.Push(batch);
        measured.Print("push", at, batch, count);
      }
      // One batch is what is pushed last; it alone is received, again and again pushed anew.
      double cpu = 0;
      int64_t received = 0;
      for (int i = 0; i < 100; ++i) {
        pusher.Push(batch);
        const double start = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
        pusher.Receive(batch);
        cpu += CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - start;
        received += batch;
      }
      std::printf("bench store what=receive rows=%lld batch=%d cpu_us=%.1f\n", static_cast<long long>(at),
                  batch, cpu * 1e6 / static_cast<double>(received));
    }
  };
  measure(0);
  if (rows > 0) {
    for (int64_t i = 0; i < rows; i += 1000) pusher.Push(1000);
    measure(rows);
  }
  stop = true;
  checkpoints.join();
}

}  // namespace
}  // namespace hotline::work_order

int main(int argc, char** argv) {
  int64_t rows = 0;
  int64_t pushes = 50'000;
  std::string directory = ".";
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    bool good = true;
    if (flag == "--rows") {
      good = absl::SimpleAtoi(argv[i + 1], &rows);
    } else if (flag == "--pushes") {
      good = absl::SimpleAtoi(argv[i + 1], &pushes) && pushes >= 1280;
    } else if (flag == "--directory") {
      directory = argv[i + 1];
    } else {
      good = false;
    }
    if (!good) {
      std::fprintf(stderr, "usage: store_bench [--rows N] [--pushes N] [--directory D]\n");
      return 2;
    }
  }
  directory += "/store_bench_XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) {
    std::perror("store_bench");
    return 1;
  }
  hotline::work_order::Run(rows, pushes, directory);
  std::filesystem::remove_all(directory);
  return 0;
}
