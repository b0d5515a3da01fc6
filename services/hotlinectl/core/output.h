// Writes files that hold what people said, or who they are.
#ifndef SERVICES_HOTLINECTL_CORE_OUTPUT_H_
#define SERVICES_HOTLINECTL_CORE_OUTPUT_H_

#include <string>
#include <string_view>

namespace hotline::hotlinectl {

enum class IfExists { kRefuse, kReplace };

// `bytes` into the file `path`, readable for its owner alone whatever the umask allows; a file that is
// replaced is closed to others before anything is in it. What is no file (a pipe, /dev/stdout) is written to
// as it is. False, with errno, if it cannot be written, or is there and may not be replaced: then half a file
// is not left behind, unless there was one before.
bool WritePrivate(const std::string& path, std::string_view bytes, IfExists if_exists);

}  // namespace hotline::hotlinectl

#endif  // SERVICES_HOTLINECTL_CORE_OUTPUT_H_
