// A service's gRPC face, a line for each unary method. The class that uses these has `host_` (rpc::Host*) and
// a static `service_full_name()`; each line defines the method and the rpc::Method that counts it.
#ifndef COMMON_RPC_FORWARD_H_
#define COMMON_RPC_FORWARD_H_

#include <utility>

#include "common/rpc/unary.h"
#include "hotline/type/v1/command.pb.h"
#include "hotline/workorder/v1/ledger_service.pb.h"

namespace hotline::rpc {

// A generated service with the raw form of the methods named: RawService<v1::S::Service,
// v1::S::WithRawCallbackMethod_A, …>.
template <typename Base, template <typename> class... Methods>
struct RawServiceOf {
  using Type = Base;
};
template <typename Base, template <typename> class First, template <typename> class... Rest>
struct RawServiceOf<Base, First, Rest...> {
  using Type = First<typename RawServiceOf<Base, Rest...>::Type>;
};
template <typename Base, template <typename> class... Methods>
using RawService = typename RawServiceOf<Base, Methods...>::Type;

}  // namespace hotline::rpc

// `ns::Name##Request` has a header and one action: they become a type.v1.Command for
// `target->Execute(call, command, Done<CommandResult>)`, and its result becomes `ns::Name##Response`.
#define HOTLINE_COMMAND(ns, target, Name, action)                                                       \
  grpc::ServerUnaryReactor* Name(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request, \
                                 grpc::ByteBuffer* response) override {                                 \
    return ::hotline::rpc::Unary<ns::Name##Request, ns::Name##Response>(                                \
        context, request, response, Name##_method_,                                                     \
        [this](const ::hotline::CallContext& call, ns::Name##Request&& request,                         \
               ::hotline::Done<ns::Name##Response> done) {                                              \
          ::hotline::type::v1::Command command;                                                         \
          *command.mutable_header() = std::move(*request.mutable_header());                             \
          *command.mutable_##action() = std::move(*request.mutable_##action());                         \
          target->Execute(call, std::move(command),                                                     \
                          [done = std::move(done)](                                                     \
                              absl::StatusOr<::hotline::workorder::v1::CommandResult> result) mutable { \
                            if (!result.ok()) return done(result.status());                             \
                            ns::Name##Response response;                                                \
                            *response.mutable_order() = std::move(*result->mutable_order());            \
                            response.set_event_sequence(result->event_sequence());                      \
                            done(std::move(response));                                                  \
                          });                                                                           \
        });                                                                                             \
  }                                                                                                     \
  ::hotline::rpc::Method Name##_method_{host_, service_full_name(), #Name};

// `target->Name(call, request, done)` has the contract's own shape. What follows is the rpc::Method's.
#define HOTLINE_FORWARD(ns, Name, target, ...)                                                          \
  grpc::ServerUnaryReactor* Name(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request, \
                                 grpc::ByteBuffer* response) override {                                 \
    return ::hotline::rpc::Unary<ns::Name##Request, ns::Name##Response>(                                \
        context, request, response, Name##_method_,                                                     \
        [this](const ::hotline::CallContext& call, ns::Name##Request&& request,                         \
               ::hotline::Done<ns::Name##Response> done) {                                              \
          target->Name(call, std::move(request), std::move(done));                                      \
        });                                                                                             \
  }                                                                                                     \
  ::hotline::rpc::Method Name##_method_{host_, service_full_name(), #Name __VA_OPT__(, ) __VA_ARGS__};

#endif  // COMMON_RPC_FORWARD_H_
