// A message as the YAML that ParseYaml reads back to the same message, and what it finds wrong, in Chinese.
#ifndef COMMON_BOOT_YAML_TEXT_H_
#define COMMON_BOOT_YAML_TEXT_H_

#include <string>
#include <string_view>

#include "google/protobuf/message.h"

namespace hotline::boot {

// Fields that are set, in the order of their schema; texts quoted, short lists of texts on one line. Maps and
// bytes, which cannot be written in YAML here, are left out. Pure.
std::string ToYaml(const google::protobuf::Message& message);

// What ParseYaml or LoadYaml told of the file that it called `name`, a line each, for whoever wrote it. What
// the YAML parser itself said stays as it is behind its place. Pure.
std::string YamlFaultsZh(std::string_view faults, std::string_view name);

}  // namespace hotline::boot

#endif  // COMMON_BOOT_YAML_TEXT_H_
