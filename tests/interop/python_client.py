#!/usr/bin/python3
"""Pushes, watches, accepts and reads a rich error with Debian's python3-grpcio.

Twice: once with messages that protoc makes from the protos, once knowing nothing but what the server's
reflection tells. Skipped (77) where python3-grpcio is not installed.
"""
import glob
import json
import os
import subprocess
import sys
import tempfile
import threading
import uuid

try:
    import grpc
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
except ImportError as missing:
    print(f'SKIPPED: python client: {missing}; install python3-grpcio and python3-protobuf', flush=True)
    sys.exit(77)

PROTO_DIR = os.environ['PROTO_DIR']
RPC_PROTO_DIR = os.environ['RPC_PROTO_DIR']
GRPC_PROTO_DIR = '/usr/share/grpc-proto'
DISPATCH = 'hotline.dispatch.v1.DispatchService'
WORK_ORDER = 'hotline.workorder.v1.WorkOrderService'


class Sites:
    """The sites of site_runner, for a `with`."""

    def __enter__(self):
        self.runner = subprocess.Popen([os.environ['SITE_RUNNER']], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self.runner.stdout.readline()
        assert line, 'the sites did not start'
        return json.loads(line)

    def __exit__(self, *_):
        self.runner.stdin.close()
        self.runner.wait(timeout=30)


class Generated:
    """Message classes that protoc makes from the protos."""

    def __init__(self, folder):
        protos = [os.path.relpath(path, PROTO_DIR) for path in glob.glob(PROTO_DIR + '/hotline/**/*.proto', recursive=True)]
        subprocess.run(['protoc', f'-I{PROTO_DIR}', f'-I{RPC_PROTO_DIR}', f'-I{GRPC_PROTO_DIR}', f'--python_out={folder}',
                        'google/rpc/status.proto', 'google/rpc/error_details.proto',
                        'grpc/reflection/v1alpha/reflection.proto', *protos], check=True)
        sys.path.insert(0, folder)
        import google
        # google/rpc lies beside the installed google/protobuf, grpc/reflection beside the installed grpc.
        google.__path__.append(os.path.join(folder, 'google'))
        grpc.__path__.append(os.path.join(folder, 'grpc'))
        for proto in protos:
            __import__(proto[:-len('.proto')].replace('/', '.') + '_pb2')
        self.pool = descriptor_pool.Default()

    def method(self, service, name):
        return self.pool.FindServiceByName(service).FindMethodByName(name)


class Reflected:
    """Message classes made of what the server says of itself, and of nothing else."""

    def __init__(self, channel, service):
        from grpc.reflection.v1alpha import reflection_pb2
        self.pool = descriptor_pool.DescriptorPool()
        call = channel.stream_stream('/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
                                     request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                                     response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)

        def ask(**what):
            return next(call(iter([reflection_pb2.ServerReflectionRequest(**what)])))

        self.services = [one.name for one in ask(list_services='').list_services_response.service]
        assert service in self.services, self.services
        files = {}

        def fetch(answer):
            for raw in answer.file_descriptor_response.file_descriptor_proto:
                file = descriptor_pb2.FileDescriptorProto.FromString(raw)
                if file.name in files:
                    continue
                files[file.name] = file
                for dependency in file.dependency:
                    if dependency not in files:
                        fetch(ask(file_by_filename=dependency))

        fetch(ask(file_containing_symbol=service))
        added = set()

        def add(name):
            if name in added:
                return
            added.add(name)
            for dependency in files[name].dependency:
                add(dependency)
            self.pool.Add(files[name])

        for name in files:
            add(name)

    def method(self, service, name):
        return self.pool.FindServiceByName(service).FindMethodByName(name)


class Client:
    """Calls methods by name with messages written as dictionaries."""

    def __init__(self, channel, types):
        self.channel = channel
        self.types = types
        self.factory = message_factory.MessageFactory(types.pool)

    def _classes(self, service, method):
        described = self.types.method(service, method)
        return self.factory.GetPrototype(described.input_type), self.factory.GetPrototype(described.output_type)

    def call(self, service, method, request):
        into, out = self._classes(service, method)
        stub = self.channel.unary_unary(f'/{service}/{method}', request_serializer=into.SerializeToString,
                                        response_deserializer=out.FromString)
        return stub(into(**request), timeout=20)

    def stream(self, service, method, request):
        into, out = self._classes(service, method)
        stub = self.channel.unary_stream(f'/{service}/{method}', request_serializer=into.SerializeToString,
                                         response_deserializer=out.FromString)
        return stub(into(**request), timeout=60)


def header(order_id=''):
    return {'request_id': str(uuid.uuid4()), 'order_id': order_id, 'actor': {'account': '1001'}}


def push_request(phone='13900000001'):
    # Enum values by number: reflection and generated code take the same.
    return {
        'header': header(),
        'content': {'type': 2, 'channel': 1, 'urgency': 1, 'title': '路灯连续一周不亮', 'text': '村口路灯不亮，老人出行不便。',
                    'caller': {'name': '测试', 'phone': phone}},
        'offer': {'to_hotline': '110'},
        'receipt_wait': {'seconds': 10},
    }


def journey(sites, types_for):
    with grpc.insecure_channel(sites['12345']['dispatch']) as giver, \
            grpc.insecure_channel(sites['110']['dispatch']) as taker, \
            grpc.insecure_channel(sites['110']['work_order']) as records:
        desk = Client(giver, types_for(giver, DISPATCH))
        peer = Client(taker, types_for(taker, DISPATCH))
        order_of = Client(records, types_for(records, WORK_ORDER))

        pushed = desk.call(DISPATCH, 'PushWorkOrder', push_request())
        assert pushed.status == 2, f'not RECEIVED: {pushed.status}'
        assert pushed.order.number.startswith('12345-')
        handoff = pushed.order.handoff.id

        seen = []
        accepted = threading.Event()

        def watch():
            stream = desk.stream(DISPATCH, 'WatchHandoffs', {'start_sequence': pushed.event_sequence,
                                                             'order_id': pushed.order.id})
            for message in stream:
                for event in message.events:
                    seen.append(event.WhichOneof('detail'))
                    if seen[-1] == 'accepted':
                        accepted.set()
                        stream.cancel()
                        return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        there = None
        for _ in range(200):
            try:
                there = order_of.call(WORK_ORDER, 'GetWorkOrder', {'order_id': handoff}).order
                break
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.NOT_FOUND, error
        assert there is not None and there.content.title == '路灯连续一周不亮'
        peer.call(DISPATCH, 'AcceptHandoff', {'header': header(there.id), 'acceptance': {'note': '已受理'}})
        assert accepted.wait(20), f'acceptance was not seen, only {seen}'
        assert [one for one in seen if one != 'received'] == ['offered', 'understood', 'accepted'], seen

        try:
            desk.call(DISPATCH, 'PushWorkOrder', push_request(phone='12a'))
            raise AssertionError('a bad number was taken')
        except grpc.RpcError as error:
            read_error(error)


def read_error(error):
    from google.rpc import error_details_pb2, status_pb2
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
    trailers = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailers['grpc-status-details-bin'])
    found = {}
    for detail in status.details:
        for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.LocalizedMessage):
            message = kind()
            if detail.Is(message.DESCRIPTOR):
                detail.Unpack(message)
                found[kind.DESCRIPTOR.name] = message
    assert found['ErrorInfo'].reason == 'PHONE_INVALID' and found['ErrorInfo'].domain == 'hotline', found
    assert found['BadRequest'].field_violations[0].field == 'content.caller.phone', found
    assert found['LocalizedMessage'].locale == 'zh-CN' and found['LocalizedMessage'].message, found


def main():
    with tempfile.TemporaryDirectory() as folder, Sites() as sites:
        generated = Generated(folder)
        journey(sites, lambda channel, service: generated)
        print('ok: push, watch, accept and rich error with generated messages')
        journey(sites, Reflected)
        print('ok: the same with nothing but reflection')


if __name__ == '__main__':
    main()
