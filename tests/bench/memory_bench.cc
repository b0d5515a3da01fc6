// Memory of each service of a site with many orders in store, all of them pushed and none acknowledged, so
// that every outbox row and every clock is there too.
//   --orders N --in_flight BATCHES
#include <filesystem>

#include "absl/strings/str_format.h"
#include "tests/bench/load.h"
#include "tests/support/orders.h"

namespace hotline::bench {
namespace {

constexpr int kBatch = 256;

int64_t FolderMib(const std::string& folder) {
  int64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += static_cast<int64_t>(entry.file_size());
  }
  return bytes >> 20;
}

int Main(int argc, char** argv) {
  const int64_t orders = static_cast<int64_t>(FlagOr(argc, argv, "orders", 1e6));
  const int in_flight = static_cast<int>(FlagOr(argc, argv, "in_flight", 4));

  test::TemporaryFolder folder;
  test::Ports ports;
  test::Site site("12345", &ports, folder.path() + "/12345");
  site.AddPeer("110", absl::StrCat("127.0.0.1:", ports.Take()));
  Check(site.StartAll());
  const auto memory_mib = [&](test::Service service) {
    return site.process(service).ReadUsage().rss_kib >> 10;
  };
  std::string empty;
  for (const test::Service service : test::kServices) {
    absl::StrAppend(&empty, " ", test::NameOf(service), "_empty_mib=", memory_mib(service));
  }

  const auto stub = dispatch::v1::DispatchService::NewStub(site.NewChannelTo(test::Service::kDispatch));
  std::atomic<int64_t> next{0};
  std::atomic<int64_t> stored{0};
  ClosedLoop<dispatch::v1::BatchPushWorkOrdersRequest, dispatch::v1::BatchPushWorkOrdersResponse> loop(
      in_flight,
      [&](int, grpc::ClientContext* context, const auto* request, auto* response, auto done) {
        stub->async()->BatchPushWorkOrders(context, request, response, std::move(done));
      },
      [&](dispatch::v1::BatchPushWorkOrdersRequest* request, int) {
        if (request->requests_size() == 0) {
          for (int i = 0; i < kBatch; ++i) *request->add_requests() = test::MakePush(i, "110");
        }
        for (dispatch::v1::PushWorkOrderRequest& push : *request->mutable_requests()) {
          test::NextRequestId(push.mutable_header()->mutable_request_id());
          test::PhoneOf(next.fetch_add(1, std::memory_order_relaxed),
                        push.mutable_content()->mutable_caller()->mutable_phone());
        }
      },
      [&](const dispatch::v1::BatchPushWorkOrdersResponse& response) {
        for (const dispatch::v1::BatchPushResult& result : response.results()) {
          if (result.has_error()) return false;
          stored.fetch_add(1, std::memory_order_relaxed);
        }
        return true;
      });
  const absl::Time begin = absl::Now();
  while (stored < orders) {
    const LoadResult result = loop.Run(absl::Seconds(1));
    if (result.failed > 0) Fail(absl::StrCat(result.failed, " batches failed: ", result.first_error));
  }
  const double stored_s = absl::ToDoubleSeconds(absl::Now() - begin);

  // escalation follows; with the log behind it its clocks are all armed.
  const bool followed = test::Eventually(
      [&] {
        escalation::v1::ListDeadlinesRequest request;
        request.set_page_size(1);
        escalation::v1::ListDeadlinesResponse response;
        test::Call call;
        return site.escalation().ListDeadlines(&call, request, &response).ok() &&
               response.watermark() >= stored;
      },
      absl::Minutes(15));
  if (!followed) Fail("escalation did not catch up");
  const double followed_s = absl::ToDoubleSeconds(absl::Now() - begin);
  std::string full;
  for (const test::Service service : test::kServices) {
    absl::StrAppend(&full, " ", test::NameOf(service), "_mib=", memory_mib(service));
  }
  absl::PrintF(
      "bench memory orders=%d%s%s store_mib=%d clocks_mib=%d rate=%.0f followed_after_s=%.1f "
      "stored_after_s=%.1f\n",
      stored.load(), full, empty, FolderMib(site.config().work_order().data_dir()),
      FolderMib(site.config().escalation().data_dir()), static_cast<double>(stored) / stored_s, followed_s,
      stored_s);
  return 0;
}

}  // namespace
}  // namespace hotline::bench

int main(int argc, char** argv) { return hotline::bench::Main(argc, argv); }
