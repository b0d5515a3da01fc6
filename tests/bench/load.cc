#include "tests/bench/load.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "tests/support/orders.h"

namespace hotline::bench {

double Quantile(std::vector<double> values, double quantile) {
  if (values.empty()) return 0;
  const size_t rank = static_cast<size_t>(std::ceil(quantile * static_cast<double>(values.size())));
  const size_t index = std::min(values.size() - 1, rank == 0 ? 0 : rank - 1);
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(index), values.end());
  return values[index];
}

Echo::Echo(const std::string& log_file) {
  auto server =
      test::Process::Start({absl::StrCat(test::BuildFolder(), "/tests/bench/bench_echo_server")}, log_file);
  Check(server.status());
  server_ = *std::move(server);
  const auto ready = server_->WaitForLine("READY ", absl::Seconds(10));
  Check(ready.status());
  for (int i = 0; i < 4; ++i) {
    stubs_.push_back(
        v1::EchoService::NewStub(test::NewChannel(ready->substr(std::string_view("READY ").size()))));
  }
  loop_ =
      std::make_unique<ClosedLoop<dispatch::v1::PushWorkOrderRequest, dispatch::v1::PushWorkOrderRequest>>(
          64,
          [this](int slot, grpc::ClientContext* context, const auto* request, auto* response, auto done) {
            stubs_[static_cast<size_t>(slot) % stubs_.size()]->async()->Echo(context, request, response,
                                                                             std::move(done));
          },
          [](dispatch::v1::PushWorkOrderRequest* request, int slot) {
            if (request->content().title().empty()) *request = test::MakePush(slot, "110");
            test::NextRequestId(request->mutable_header()->mutable_request_id());
          });
}

double Echo::Measure(absl::Duration duration) {
  const LoadResult result = loop_->Run(duration);
  if (result.failed > 0) Fail("echo: " + result.first_error);
  return result.rate();
}

PushLoad::PushLoad(test::Site* site, std::string to_hotline, int in_flight, int channels,
                   absl::Duration receipt_wait) {
  for (int i = 0; i < channels; ++i) {
    stubs_.push_back(dispatch::v1::DispatchService::NewStub(site->NewChannelTo(test::Service::kDispatch)));
  }
  const bool wait = receipt_wait > absl::ZeroDuration();
  loop_ =
      std::make_unique<ClosedLoop<dispatch::v1::PushWorkOrderRequest, dispatch::v1::PushWorkOrderResponse>>(
          in_flight,
          [this](int slot, grpc::ClientContext* context, const auto* request, auto* response, auto done) {
            stubs_[static_cast<size_t>(slot) % stubs_.size()]->async()->PushWorkOrder(
                context, request, response, std::move(done));
          },
          [this, to_hotline, wait, receipt_wait](dispatch::v1::PushWorkOrderRequest* request, int slot) {
            if (request->content().title().empty()) {
              *request = test::MakePush(slot, to_hotline);
              if (wait) request->mutable_receipt_wait()->set_seconds(absl::ToInt64Seconds(receipt_wait));
            }
            test::NextRequestId(request->mutable_header()->mutable_request_id());
            test::PhoneOf(next_.fetch_add(1, std::memory_order_relaxed),
                          request->mutable_content()->mutable_caller()->mutable_phone());
          },
          [wait](const dispatch::v1::PushWorkOrderResponse& response) {
            return response.status() == (wait ? dispatch::v1::DELIVERY_STATUS_RECEIVED : response.status()) &&
                   !response.order().id().empty();
          });
}

void CpuMeter::Resume() {
  for (Entry& entry : processes_) entry.begin = test::ReadUsage(entry.pid).cpu;
}

void CpuMeter::Pause() {
  for (Entry& entry : processes_) entry.used += test::ReadUsage(entry.pid).cpu - entry.begin;
}

std::string CpuMeter::PerOperation(int64_t operations) const {
  std::string text;
  for (const Entry& entry : processes_) {
    absl::StrAppendFormat(
        &text, " cpu_%s_us=%.1f", entry.name,
        absl::ToDoubleMicroseconds(entry.used) / static_cast<double>(std::max<int64_t>(operations, 1)));
  }
  return text;
}

double FdatasyncMs(const std::string& folder) {
  const std::string path = folder + "/fdatasync.probe";
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) Fail("cannot write " + path);
  const std::string block(4096, 'x');
  std::vector<double> times;
  for (int i = 0; i < 300; ++i) {
    const absl::Time begin = absl::Now();
    if (write(file, block.data(), block.size()) != 4096 || fdatasync(file) != 0) Fail("fdatasync");
    times.push_back(absl::ToDoubleMilliseconds(absl::Now() - begin));
  }
  close(file);
  unlink(path.c_str());
  return Median(std::move(times));
}

void Fail(const std::string& message) {
  fprintf(stderr, "bench: %s\n", message.c_str());
  fflush(stderr);
  // Not exit(): callbacks may still run. Children end with this process.
  _exit(1);
}

void Check(const absl::Status& status) {
  if (!status.ok()) Fail(status.ToString());
}

double FlagOr(int argc, char** argv, const std::string& name, double otherwise) {
  const std::string flag = "--" + name;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    std::string text;
    if (argument == flag) {
      text = i + 1 < argc ? argv[i + 1] : "";
    } else if (argument.starts_with(flag + "=")) {
      text = argument.substr(flag.size() + 1);
    } else {
      continue;
    }
    double value = 0;
    if (!absl::SimpleAtod(text, &value)) Fail(flag + " wants a number");
    return value;
  }
  return otherwise;
}

}  // namespace hotline::bench
