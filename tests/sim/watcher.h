// A desktop that watches a site's handoffs, and resumes where it stood whenever its stream ends.
#ifndef TESTS_SIM_WATCHER_H_
#define TESTS_SIM_WATCHER_H_

#include <cstdint>
#include <memory>

#include "common/contract/stream.h"
#include "hotline/dispatch/v1/dispatch_service.pb.h"
#include "tests/sim/kernel.h"
#include "tests/sim/site.h"
#include "tests/sim/witness.h"

namespace hotline::sim {

class Watcher {
 public:
  // All outlive it; it is made before the site's dispatch first starts.
  Watcher(Site* site, Kernel* kernel, Witness* witness);
  ~Watcher();
  // Everything up to here has been seen.
  int64_t watermark() const { return watermark_; }
  // The log begins anew.
  void Rewind() { watermark_ = 0; }
  int site() const { return site_->index(); }

 private:
  void Open();
  void OpenLater();
  void Pull();
  void See(const std::string& message);

  Site* const site_;
  Kernel* const kernel_;
  Witness* const witness_;
  const std::shared_ptr<int> life_ = std::make_shared<int>(0);
  std::unique_ptr<MessageStream> stream_;
  int64_t watermark_ = 0;
};

}  // namespace hotline::sim

#endif  // TESTS_SIM_WATCHER_H_
