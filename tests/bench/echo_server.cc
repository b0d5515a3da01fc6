// A gRPC server that does nothing but echo: prints `READY host:port` and runs until it is ended.
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <stdio.h>

#include "absl/strings/str_cat.h"
#include "tests/bench/echo.grpc.pb.h"

namespace {

class EchoImpl : public hotline::bench::v1::EchoService::CallbackService {
  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context,
                                 const hotline::dispatch::v1::PushWorkOrderRequest* request,
                                 hotline::dispatch::v1::PushWorkOrderRequest* response) override {
    *response = *request;
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

}  // namespace

int main() {
  EchoImpl service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  printf("READY 127.0.0.1:%d\n", port);
  fflush(stdout);
  server->Wait();
  return 0;
}
