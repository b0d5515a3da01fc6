// A file of orders, as CSV and as JSON.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "services/hotlinectl/core/import.h"

namespace {

void Law(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "law broken: %s\n", what);
  abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hotline::hotlinectl;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  DetectFormat("orders", bytes);
  for (const Format format : {Format::kCsv, Format::kJson}) {
    const auto orders = ParseOrders(bytes, format);
    if (!orders.ok()) {
      Law(orders.status().code() == absl::StatusCode::kInvalidArgument, "another code than INVALID_ARGUMENT");
      continue;
    }
    Law(!orders->empty(), "no orders and no error");
    std::vector<const ImportedOrder*> good;
    for (const ImportedOrder& order : *orders) {
      Law(order.raw.data() >= bytes.data() &&
              order.raw.data() + order.raw.size() <= bytes.data() + bytes.size(),
          "a row outside its file");
      if (order.status.ok()) good.push_back(&order);
    }
    if (good.empty()) continue;
    const std::string extract = ExtractRows(bytes, format, good);
    const auto again = ParseOrders(extract, format);
    Law(again.ok() && again->size() == good.size(), "extracted rows do not read again");
    for (size_t i = 0; i < good.size(); ++i) {
      Law((*again)[i].request.SerializeAsString() == good[i]->request.SerializeAsString(),
          "an extracted row reads differently");
    }
  }
  return 0;
}
