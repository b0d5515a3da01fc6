// The clauses of the annex that take a matter out of an item (无现场或非现场, 一般类, 除公安机关以外,
// 已进入司法程序的不受理), as read in a caller's words. Pure.
#ifndef COMMON_CATALOGUE_EXCLUSIONS_H_
#define COMMON_CATALOGUE_EXCLUSIONS_H_

#include <string>
#include <string_view>

#include "common/catalogue/catalogue.h"
#include "google/protobuf/repeated_field.h"
#include "hotline/config/v1/catalogue.pb.h"

namespace hotline::catalogue {

// True if `phrase` stands in `text` at a place that lies within none of `denials`. All as Normalize gives
// them, but for the denials.
bool Stands(std::string_view text, std::string_view phrase,
            const google::protobuf::RepeatedPtrField<std::string>& denials);

// A clause that applies.
struct FoundExclusion {
  // Of the item; null: none applies.
  const config::v1::Exclusion* exclusion = nullptr;
  // The word that shows it, as the catalogue has it.
  std::string_view word;
};

// The first exclusion of `item` (of `catalogue`) that `text` (as Normalize gives it) shows: one of its words
// stands there, neither in a denial of the exclusion's nor behind 没, 不, 未, 别 or 怕 in the same clause
// (没打起来, 不是警察). With `no_danger`, as somebody knows who says so, not one that leads to an item of a
// sign of danger.
FoundExclusion FindExclusion(const Catalogue& catalogue, const config::v1::CatalogueItem& item,
                             std::string_view text, bool no_danger = false);

// What it says in one line, in Chinese.
std::string DescribeExclusion(const config::v1::CatalogueItem& item, const FoundExclusion& found);

}  // namespace hotline::catalogue

#endif  // COMMON_CATALOGUE_EXCLUSIONS_H_
