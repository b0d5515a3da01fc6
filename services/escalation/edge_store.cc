#include "services/escalation/edge_store.h"

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace hotline::escalation {

StoreHealth::StoreHealth(const boot::Environment& environment, std::string_view part, std::string_view store)
    : health_(environment.health),
      part_(part),
      // The registry has one family by this name, whoever asks for it first.
      healthy_(prometheus::BuildGauge()
                   .Name("hotline_escalation_store_healthy")
                   .Help("1 while the store works; once 0, what needs it stands still.")
                   .Register(environment.metrics->registry())
                   .Add({{"store", std::string(store)}})) {
  healthy_.Set(1);
}

void StoreHealth::Set(bool works) {
  health_->SetServing(part_, works);
  healthy_.Set(works ? 1 : 0);
}

}  // namespace hotline::escalation
