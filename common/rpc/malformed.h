// Why a message could not be parsed. protobuf only says that it could not.
#ifndef COMMON_RPC_MALFORMED_H_
#define COMMON_RPC_MALFORMED_H_

#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/descriptor.h"

namespace hotline::rpc {

// `bytes` is what could not be parsed as `type`. TEXT_INVALID with the path of the first string field that is
// not UTF-8
// (`content.text`, `requests[3].content.title`); FIELD_INVALID of the innermost message that is cut short
// otherwise. Pure.
absl::Status WhyMalformed(std::string_view bytes, const google::protobuf::Descriptor& type);

}  // namespace hotline::rpc

#endif  // COMMON_RPC_MALFORMED_H_
