// Ends early what takes as long as a disk does.
#ifndef COMMON_BASE_STOP_H_
#define COMMON_BASE_STOP_H_

#include <functional>
#include <utility>

namespace hotline {

// While one lives, what copies on its thread (Database::CopyTo, backup::Source) asks it before each piece,
// and ends with CANCELLED once the answer is true. One at a time.
class ScopedStop {
 public:
  explicit ScopedStop(std::function<bool()> asked) : asked_(std::move(asked)) { current_ = this; }
  ScopedStop(const ScopedStop&) = delete;
  ScopedStop& operator=(const ScopedStop&) = delete;
  ~ScopedStop() { current_ = nullptr; }

  // By the one of this thread, if there is one.
  static bool IsAsked() { return current_ != nullptr && current_->asked_(); }

 private:
  static inline thread_local const ScopedStop* current_ = nullptr;
  const std::function<bool()> asked_;
};

}  // namespace hotline

#endif  // COMMON_BASE_STOP_H_
