// A message as the YAML that ParseYaml reads back to the same message.
#ifndef COMMON_BOOT_YAML_TEXT_H_
#define COMMON_BOOT_YAML_TEXT_H_

#include <string>

#include "google/protobuf/message.h"

namespace hotline::boot {

// Fields that are set, in the order of their schema; texts quoted, short lists of texts on one line. Maps and
// bytes, which cannot be written in YAML here, are left out. Pure.
std::string ToYaml(const google::protobuf::Message& message);

}  // namespace hotline::boot

#endif  // COMMON_BOOT_YAML_TEXT_H_
