// A server stream as its producer sees it: the edge pulls the next message when it can send it, so a slow
// client holds up nobody and needs no queue of its own.
#ifndef COMMON_CONTRACT_STREAM_H_
#define COMMON_CONTRACT_STREAM_H_

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"

namespace hotline {

// A serialized message, shared by all streams that send the same. Null: the stream has ended well.
using SharedMessage = std::shared_ptr<const std::string>;

class MessageStream {
 public:
  // Ends it: a pending `next` is answered with CANCELLED or dropped. Not called from within `next`.
  virtual ~MessageStream() = default;
  // Asks for the next message; one request at a time. `next` is called once, from any thread, perhaps before
  // Next returns; an error ends the stream.
  virtual void Next(absl::AnyInvocable<void(absl::StatusOr<SharedMessage>)> next) = 0;
};

}  // namespace hotline

#endif  // COMMON_CONTRACT_STREAM_H_
