#include "services/escalation/notify/core/address.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace hotline::escalation::notify {
namespace {

// The first `length` bits of `bytes` are those of `prefix`.
bool Within(std::string_view bytes, std::initializer_list<uint8_t> prefix, size_t length) {
  size_t i = 0;
  for (const uint8_t wanted : prefix) {
    if (length == 0) return true;
    const size_t bits = std::min<size_t>(length, 8);
    const uint8_t mask = static_cast<uint8_t>(0xff << (8 - bits));
    if ((static_cast<uint8_t>(bytes[i++]) & mask) != (wanted & mask)) return false;
    length -= bits;
  }
  return true;
}

bool IsPublic4(std::string_view a) {
  struct Range {
    std::initializer_list<uint8_t> prefix;
    size_t length;
  };
  for (const auto& [prefix, length] : std::initializer_list<Range>{
           {{0}, 8},              // this network
           {{10}, 8},             // private
           {{100, 64}, 10},       // shared, of carriers
           {{127}, 8},            // loopback
           {{169, 254}, 16},      // link-local
           {{172, 16}, 12},       // private
           {{192, 0, 0}, 24},     // protocol assignments
           {{192, 0, 2}, 24},     // documentation
           {{192, 88, 99}, 24},   // 6to4 relays
           {{192, 168}, 16},      // private
           {{198, 18}, 15},       // benchmarks
           {{198, 51, 100}, 24},  // documentation
           {{203, 0, 113}, 24},   // documentation
           {{224}, 4},            // multicast
           {{240}, 4},            // reserved, broadcast
       }) {
    if (Within(a, prefix, length)) return false;
  }
  return true;
}

}  // namespace

bool IsPublicAddress(std::string_view bytes) {
  if (bytes.size() == 4) return IsPublic4(bytes);
  if (bytes.size() != 16) return false;
  // IPv4 within IPv6.
  if (Within(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96)) return IsPublic4(bytes.substr(12));
  if (Within(bytes, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}, 96)) return IsPublic4(bytes.substr(12));
  if (Within(bytes, {0x20, 0x02}, 16)) return IsPublic4(bytes.substr(2, 4));
  // Only 2000::/3 is given out; of it, protocol assignments (Teredo among them), documentation, segment
  // routing not.
  if (!Within(bytes, {0x20}, 3)) return false;
  return !Within(bytes, {0x20, 0x01, 0x00}, 23) && !Within(bytes, {0x20, 0x01, 0x0d, 0xb8}, 32) &&
         !Within(bytes, {0x3f, 0xff, 0x00}, 20);
}

}  // namespace hotline::escalation::notify
