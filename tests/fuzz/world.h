// Orders in every state of their life at two sites, for fuzz targets to throw bytes at; and the laws that
// hold whatever comes.
#ifndef TESTS_FUZZ_WORLD_H_
#define TESTS_FUZZ_WORLD_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "hotline/exchange/v1/exchange_service.pb.h"
#include "hotline/type/v1/command.pb.h"
#include "hotline/type/v1/work_order.pb.h"
#include "services/work_order/core/decide.h"

namespace hotline::fuzz {

// An order as one site has it.
struct Snapshot {
  const work_order::Site* site;
  std::string peer;
  type::v1::WorkOrder order;
};

// Made once; the same each time.
const std::vector<Snapshot>& Snapshots();
// Sites 12345 and 110, with a few units.
const work_order::Site& SiteOf(const std::string& hotline);
absl::Time Now();
work_order::NewOrder FreshOrder();
type::v1::OrderContent GoodContent();
type::v1::CommandHeader GoodHeader();

// Ends the program with a message if `change` of `before` (null: a new order) breaks a law of the core.
void CheckChange(const type::v1::WorkOrder* before, const work_order::Change& change,
                 const work_order::Site& site);
// Ends the program with a message unless `holds`.
void Law(bool holds, const std::string& what);

}  // namespace hotline::fuzz

#endif  // TESTS_FUZZ_WORLD_H_
