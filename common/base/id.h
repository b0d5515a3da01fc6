// Ids of orders: 63-bit integers that grow with time, written as 13 characters of Crockford base32, so that
// text and number sort alike and inserts append to an index.
#ifndef COMMON_BASE_ID_H_
#define COMMON_BASE_ID_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace hotline {

// 13 characters of `0-9 A-Z` without I L O U. `id` is not negative.
std::string FormatOrderId(int64_t id);
// Nothing if `text` is not such an id. Lower case is read too.
std::optional<int64_t> ParseOrderId(std::string_view text);
// The smallest id that an order registered at `time` can have. Ids hold milliseconds since 1970 in their
// upper bits and a counter in the lower 20.
int64_t FirstOrderIdAt(absl::Time time);
// The next id: later than `last`, and of `now` unless the clock went back. In a new millisecond the counter
// starts at `start`, 0 to 2^19 - 1: a program that draws one at random does not give an id a second time when
// its store was set back to an old copy, and the clock with it. Pure.
int64_t NextOrderId(int64_t last, absl::Time now, int64_t start = 0);

// `12345-20261123-000123`: hotline, day in Beijing time, counter of the day (more digits if it is full).
std::string FormatOrderNumber(std::string_view hotline, absl::CivilDay day, int64_t counter);

// Day and counter of such a number of `hotline`; nothing if `text` is not written as one.
std::optional<std::pair<absl::CivilDay, int64_t>> ParseOrderNumber(std::string_view hotline,
                                                                   std::string_view text);

// A new random UUID of version 7 (RFC 9562), time-ordered: 36 characters. Thread-safe.
std::string NewRequestId(absl::Time now);

// A new W3C trace context (`00-<32 hex>-<16 hex>-01`). Thread-safe.
std::string NewTraceparent();
// True if `text` is a version-00 trace context with non-zero ids.
bool IsTraceparent(std::string_view text);
// The 32 hex digits of the trace id; empty if `text` is none.
std::string_view TraceId(std::string_view text);

// `n` bytes from the system's random source.
std::string RandomBytes(size_t n);

}  // namespace hotline

#endif  // COMMON_BASE_ID_H_
