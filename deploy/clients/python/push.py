#!/usr/bin/python3
"""Pushes one order to the other hotline and tells what becomes of it until it is accepted or comes back.

    push.py HOST:PORT TARGET TITLE TEXT

Needs Debian's python3-grpcio and python3-protobuf, and modules that protoc makes of proto/ (HOTLINE_PB names their folder) and of
google/rpc (RPC_PROTO_DIR; here that of Debian's golang-github-gogo-googleapis-dev). From the top of the repository:

    export HOTLINE_PB=/tmp/hotline-pb RPC_PROTO_DIR=/usr/share/gocode/src/github.com/gogo/googleapis
    mkdir -p $HOTLINE_PB
    protoc -Iproto -I$RPC_PROTO_DIR --python_out=$HOTLINE_PB $(cd proto && find hotline -name '*.proto') \
        google/rpc/status.proto google/rpc/error_details.proto
    deploy/clients/python/push.py 127.0.0.1:11001 12345 "拖欠工资" "老板拖欠三个月工资"
"""
import os
import sys
import time
import uuid

if len(sys.argv) != 5 or 'HOTLINE_PB' not in os.environ:
    print(__doc__, file=sys.stderr)
    sys.exit(2)

import grpc  # noqa: E402

sys.path.insert(0, os.environ['HOTLINE_PB'])
import google  # noqa: E402

google.__path__.append(os.path.join(os.environ['HOTLINE_PB'], 'google'))
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from hotline.dispatch.v1 import dispatch_service_pb2 as dispatch  # noqa: E402
from hotline.type.v1 import order_state_pb2, work_order_pb2 as orders  # noqa: E402

SERVICE = '/hotline.dispatch.v1.DispatchService/'
CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'service-config.json')
TRY_LATER = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED)


def connect(address):
    """Calls are tried again by the service config, and wait for a service that is being restarted. Pings find a connection that is lost
    without a word, on which a watch would wait for good."""
    with open(CONFIG, encoding='utf-8') as file:
        options = [('grpc.service_config', file.read()), ('grpc.enable_retries', 1),
                   ('grpc.initial_reconnect_backoff_ms', 100), ('grpc.max_reconnect_backoff_ms', 1000),
                   ('grpc.keepalive_time_ms', 20000), ('grpc.keepalive_timeout_ms', 5000)]
    # With certificates: grpc.secure_channel(address, grpc.ssl_channel_credentials(ca, key, certificate), options)
    return grpc.insecure_channel(address, options)


def push(channel, request):
    call = channel.unary_unary(SERVICE + 'PushWorkOrder', dispatch.PushWorkOrderRequest.SerializeToString,
                               dispatch.PushWorkOrderResponse.FromString)
    return call(request, timeout=15, metadata=(('hotline-account', '1001'),))


def watch(channel, start):
    """Every event from `start` on, once, over breaks of the stream; all of them anew where the site was restored from a backup."""
    call = channel.unary_stream(SERVICE + 'WatchHandoffs', dispatch.WatchHandoffsRequest.SerializeToString,
                                dispatch.WatchHandoffsResponse.FromString)
    while True:
        pause = 0.2
        try:
            for message in call(dispatch.WatchHandoffsRequest(start_sequence=start)):
                yield from message.events
                start = max(start, message.watermark + 1)
                if message.draining:
                    break
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.OUT_OF_RANGE and start > 1:
                start = 1  # The log ends before what was seen: it is another one by now.
            elif not is_worth_repeating(error):
                raise
            pause = max(pause, asked_pause(error))
        time.sleep(pause)


def is_worth_repeating(error):
    """Without details it was not the service that is short of something: the message is larger than may be."""
    told = any(key == 'grpc-status-details-bin' for key, _ in error.trailing_metadata() or ())
    return error.code() in TRY_LATER and (told or error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED)


def detail_of(error, message):
    """Fills `message` with the detail of its type that came with a failure; as it is if none did."""
    for key, value in error.trailing_metadata() or ():
        if key == 'grpc-status-details-bin':
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(message):
                    break
    return message


def asked_pause(error):
    """For how many seconds the service asks to be left alone. Calls that the service config tries again heed it by themselves."""
    delay = detail_of(error, error_details_pb2.RetryInfo()).retry_delay
    return delay.seconds + delay.nanos / 1e9


def explain(error):
    """The sentence in Chinese that came with a failure."""
    return detail_of(error, error_details_pb2.LocalizedMessage()).message or error.details()


def main():
    address, target, title, text = sys.argv[1:]
    channel = connect(address)
    request = dispatch.PushWorkOrderRequest()
    request.header.request_id = str(uuid.uuid4())  # kept until there is an answer
    request.header.actor.account = '1001'
    request.offer.to_hotline = target
    request.receipt_wait.seconds = 2
    content = request.content
    content.type, content.channel = orders.ORDER_TYPE_HELP, orders.CHANNEL_PHONE
    content.urgency, content.title, content.text = orders.URGENCY_NORMAL, title, text
    content.caller.anonymous = True
    try:
        order = push(channel, request).order
    except grpc.RpcError as error:
        sys.exit(explain(error))
    print(order.number, 'pushed', flush=True)
    for event in watch(channel, 1):
        if event.order_id != order.id:
            continue
        print(event.order_number, order_state_pb2.OrderState.Name(event.state), flush=True)
        if event.state in (order_state_pb2.ORDER_STATE_ACCEPTED, order_state_pb2.ORDER_STATE_RETURNED):
            break


if __name__ == '__main__':
    main()
