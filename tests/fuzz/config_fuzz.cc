// YAML of a configuration, of a policy and of a list of units.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/boot/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hotline;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  config::v1::SiteConfig site;
  boot::Positions positions;
  if (boot::ParseYaml(text, "fuzz.yaml", &site, &positions).ok()) {
    for (const char* role : {"work_order", "dispatch", "escalation", "desktop", ""}) {
      boot::CheckSite(site, {.role = role});
    }
    boot::ResolveDefaults(&site);
  }
  config::v1::Policy policy;
  if (boot::ParseYaml(text, "fuzz.yaml", &policy).ok()) boot::CheckPolicy(policy);
  config::v1::UnitList units;
  if (boot::ParseYaml(text, "fuzz.yaml", &units).ok()) boot::CheckUnits(units);
  return 0;
}
