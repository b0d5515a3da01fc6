// Pushes one order to the other hotline and tells what becomes of it until it is accepted or comes back.
//   push HOST:PORT TARGET TITLE TEXT
#include <hotline/client.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "push HOST:PORT TARGET TITLE TEXT\n";
    return 2;
  }
  hotline::client::Client client({.dispatch = argv[1], .account = "1001"});

  hotline::dispatch::v1::PushWorkOrderRequest request;
  request.mutable_header()->set_request_id(hotline::client::NewRequestId());
  request.mutable_header()->mutable_actor()->set_account("1001");
  request.mutable_offer()->set_to_hotline(argv[2]);
  request.mutable_receipt_wait()->set_seconds(2);
  auto& content = *request.mutable_content();
  content.set_type(hotline::type::v1::ORDER_TYPE_HELP);
  content.set_channel(hotline::type::v1::CHANNEL_PHONE);
  content.set_urgency(hotline::type::v1::URGENCY_NORMAL);
  content.set_title(argv[3]);
  content.set_text(argv[4]);
  content.mutable_caller()->set_anonymous(true);

  hotline::dispatch::v1::PushWorkOrderResponse response;
  if (const grpc::Status status = client.Push(request, &response); !status.ok()) {
    std::cerr << status.error_message() << "\n";
    return 1;
  }
  const auto& order = response.order();
  std::cout << order.number() << " pushed" << std::endl;
  const auto status = client.Watch(1, [&](const hotline::type::v1::Event& event) {
    if (event.order_id() != order.id()) return true;
    std::cout << event.order_number() << " " << hotline::type::v1::OrderState_Name(event.state())
              << std::endl;
    return event.state() != hotline::type::v1::ORDER_STATE_ACCEPTED &&
           event.state() != hotline::type::v1::ORDER_STATE_RETURNED;
  });
  return status.ok() ? 0 : 1;
}
