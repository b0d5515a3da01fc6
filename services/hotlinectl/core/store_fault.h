// Why a check of a store did not end well, by what it said. Pure.
#ifndef SERVICES_HOTLINECTL_CORE_STORE_FAULT_H_
#define SERVICES_HOTLINECTL_CORE_STORE_FAULT_H_

#include <string_view>

namespace hotline::hotlinectl {

// All but kDamaged lie in the machine: the store was not looked at, and may be whole.
enum class StoreFault { kDamaged, kDiskFull, kReadOnly, kDenied, kTooManyFiles, kNotRead };

// `why` is what a backup::Check found in English. What names neither SQLite's code nor a cause of the
// system's is what the check itself found: damage.
StoreFault StoreFaultOf(std::string_view why);

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_STORE_FAULT_H_
