// What a clause needs done by a person at the target.
#ifndef TESTS_CONFORMANCE_DESK_H_
#define TESTS_CONFORMANCE_DESK_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace hotline::conformance {

// Every action may answer UNIMPLEMENTED: the clauses that need it are skipped. Orders are named by their
// number at the target.
class Desk {
 public:
  virtual ~Desk() = default;
  virtual absl::Status Accept(const std::string& number) = 0;
  virtual absl::Status Return(const std::string& number) = 0;
  // Answers an accepted order: replied, with a public and an internal text.
  virtual absl::Status Finish(const std::string& number) = 0;
  // Registers any order that is not an emergency and offers it to the kit.
  virtual absl::Status Push() = 0;
  // Offers an order that was given back to the kit once more.
  virtual absl::Status PushAgain(const std::string& number) = 0;
  // Recalls what was offered to the kit.
  virtual absl::Status Recall(const std::string& number) = 0;
  // Kills the target's processes and starts them again.
  virtual absl::Status Restart() = 0;
};

// Asks a person: says on standard error what to do, and waits up to `wait` for a line on standard input.
std::unique_ptr<Desk> NewManualDesk(std::string kit, absl::Duration wait);

// A site of this project: drives its DispatchService over `channel`. Cannot Restart.
std::unique_ptr<Desk> NewDispatchDesk(std::string kit, std::shared_ptr<grpc::Channel> channel);

}  // namespace hotline::conformance

#endif  // TESTS_CONFORMANCE_DESK_H_
