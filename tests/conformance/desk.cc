#include "tests/conformance/desk.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/id.h"
#include "hotline/dispatch/v1/dispatch_service.grpc.pb.h"

namespace hotline::conformance {
namespace {

constexpr absl::Duration kCall = absl::Seconds(10);

class ManualDesk final : public Desk {
 public:
  ManualDesk(std::string kit, absl::Duration wait) : kit_(std::move(kit)), wait_(wait) {}

  absl::Status Accept(const std::string& number) override {
    return Ask(absl::StrCat("accept (受理) the order ", number));
  }
  absl::Status Return(const std::string& number) override {
    return Ask(absl::StrCat("return (退回) the order ", number, " with a ground and a reason"));
  }
  absl::Status Finish(const std::string& number) override {
    return Ask(absl::StrCat("answer (办结答复) the order ", number, " with a public and an internal text"));
  }
  absl::Status Push() override {
    return Ask(absl::StrCat("register any order that is not an emergency, and offer (推送) it to ", kit_));
  }
  absl::Status PushAgain(const std::string& number) override {
    return Ask(absl::StrCat("offer the order ", number, " to ", kit_, " once more"));
  }
  absl::Status Recall(const std::string& number) override {
    return Ask(absl::StrCat("recall (撤回) the order ", number));
  }
  absl::Status Restart() override {
    return Ask("kill the platform's programs (kill -9, or cut the power) and start them again");
  }

 private:
  absl::Status Ask(const std::string& what) {
    fprintf(stderr, ">> At the target, please %s. Then press Enter here (%s).\n", what.c_str(),
            absl::FormatDuration(wait_).c_str());
    pollfd input = {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    if (poll(&input, 1, static_cast<int>(absl::ToInt64Milliseconds(wait_))) != 1) {
      return absl::UnimplementedError("nobody did it in time");
    }
    char line[256];
    if (read(STDIN_FILENO, line, sizeof(line)) <= 0) return absl::UnimplementedError("nobody is there");
    return absl::OkStatus();
  }

  const std::string kit_;
  const absl::Duration wait_;
};

class DispatchDesk final : public Desk {
 public:
  DispatchDesk(std::string kit, std::shared_ptr<grpc::Channel> channel)
      : kit_(std::move(kit)), stub_(dispatch::v1::DispatchService::NewStub(std::move(channel))) {}

  absl::Status Accept(const std::string& number) override {
    return Command<dispatch::v1::AcceptHandoffRequest, dispatch::v1::AcceptHandoffResponse>(
        number, &Stub::AcceptHandoff, [](auto*) {});
  }
  absl::Status Return(const std::string& number) override {
    return Command<dispatch::v1::ReturnHandoffRequest, dispatch::v1::ReturnHandoffResponse>(
        number, &Stub::ReturnHandoff, [](auto* request) {
          request->mutable_handoff_return()->set_ground(type::v1::RETURN_GROUND_NOT_OUR_DUTY);
          request->mutable_handoff_return()->set_reason("协议一致性测试：退回");
        });
  }
  absl::Status Finish(const std::string& number) override {
    return Command<dispatch::v1::FinishHandoffRequest, dispatch::v1::FinishHandoffResponse>(
        number, &Stub::FinishHandoff, [](auto* request) {
          type::v1::Reply* reply = request->mutable_completion()->mutable_reply();
          reply->set_disposition(type::v1::DISPOSITION_RESOLVED);
          reply->set_public_reply("协议一致性测试：公开答复");
          reply->set_internal_reply("协议一致性测试：内部办理情况");
        });
  }
  absl::Status Push() override {
    return Command<dispatch::v1::PushWorkOrderRequest, dispatch::v1::PushWorkOrderResponse>(
        "", &Stub::PushWorkOrder, [this](auto* request) {
          type::v1::OrderContent* content = request->mutable_content();
          content->set_type(type::v1::ORDER_TYPE_HELP);
          content->set_channel(type::v1::CHANNEL_PHONE);
          content->set_urgency(type::v1::URGENCY_NORMAL);
          content->set_title("协议一致性测试");
          content->set_text("由协议一致性测试程序产生，请勿处理。");
          content->mutable_caller()->set_anonymous(true);
          request->mutable_offer()->set_to_hotline(kit_);
        });
  }
  absl::Status PushAgain(const std::string& number) override {
    return Command<dispatch::v1::PushWorkOrderRequest, dispatch::v1::PushWorkOrderResponse>(
        number, &Stub::PushWorkOrder,
        [this](auto* request) { request->mutable_offer()->set_to_hotline(kit_); });
  }
  absl::Status Recall(const std::string& number) override {
    return Command<dispatch::v1::RecallHandoffRequest, dispatch::v1::RecallHandoffResponse>(
        number, &Stub::RecallHandoff,
        [](auto* request) { request->mutable_recall()->set_reason("协议一致性测试：撤回"); });
  }
  absl::Status Restart() override { return absl::UnimplementedError("the kit does not start this target"); }

 private:
  using Stub = dispatch::v1::DispatchService::Stub;

  template <typename Request, typename Response, typename Fill>
  absl::Status Command(const std::string& number,
                       grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                       const Fill& fill) {
    Request request;
    request.mutable_header()->set_request_id(NewRequestId(absl::Now()));
    request.mutable_header()->set_order_id(number);
    request.mutable_header()->mutable_actor()->set_account("conformance");
    fill(&request);
    Response response;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kCall));
    const grpc::Status status = ((*stub_).*method)(&context, request, &response);
    if (status.ok()) return absl::OkStatus();
    return absl::UnknownError(absl::StrCat("the desk's command failed: ", status.error_message()));
  }

  const std::string kit_;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace

std::unique_ptr<Desk> NewManualDesk(std::string kit, absl::Duration wait) {
  return std::make_unique<ManualDesk>(std::move(kit), wait);
}

std::unique_ptr<Desk> NewDispatchDesk(std::string kit, std::shared_ptr<grpc::Channel> channel) {
  return std::make_unique<DispatchDesk>(std::move(kit), std::move(channel));
}

}  // namespace hotline::conformance
