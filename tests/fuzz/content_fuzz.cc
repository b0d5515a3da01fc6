// Bytes of an OrderContent, as a desktop sends them: validated, and pushed if valid.
#include <cstddef>
#include <cstdint>

#include "common/error/error.h"
#include "services/work_order/core/validate.h"
#include "tests/fuzz/world.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hotline;
  type::v1::OrderContent content;
  if (!content.ParseFromArray(data, static_cast<int>(size))) return 0;
  const work_order::Site& site = fuzz::SiteOf("12345");
  const absl::Status valid = work_order::ValidateContent(content, site, fuzz::Now());
  type::v1::Command command;
  *command.mutable_header() = fuzz::GoodHeader();
  *command.mutable_registration()->mutable_content() = content;
  command.mutable_offer()->set_to_hotline("110");
  const auto change = work_order::Decide(nullptr, command, fuzz::FreshOrder(), site, fuzz::Now());
  fuzz::Law(change.ok() == valid.ok(), "the decision does not follow the validation");
  if (!valid.ok()) {
    fuzz::Law(valid.code() == absl::StatusCode::kInvalidArgument, "another code than INVALID_ARGUMENT");
    fuzz::Law(!error::FieldOf(valid).empty(), "an error without a field");
    fuzz::Law(!error::ChineseOf(valid).empty(), "an error without Chinese");
    return 0;
  }
  fuzz::CheckChange(nullptr, *change, site);
  type::v1::OrderContent kept;
  fuzz::Law(kept.ParseFromString(change->content), "the stored content does not parse");
  fuzz::Law(kept.SerializeAsString() == content.SerializeAsString(), "the stored content is another");
  return 0;
}
