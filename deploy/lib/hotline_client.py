"""A client of the hotline services in Python, written from the protos alone.

It compiles the protos to a descriptor set when it starts and builds messages from that: no generated code. Needs protoc and
Debian's python3-grpcio and python3-protobuf.
"""

import os
import subprocess
import threading
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RPC_PROTOS = "/usr/share/gocode/src/github.com/gogo/googleapis"


class Protos:
    """All messages and methods of proto/."""

    def __init__(self):
        protos = os.path.join(ROOT, "proto")
        files = [os.path.join(folder, name) for folder, _, names in os.walk(os.path.join(protos, "hotline"))
                 for name in names if name.endswith(".proto")]
        files += [RPC_PROTOS + "/google/rpc/error_details.proto", RPC_PROTOS + "/google/rpc/status.proto"]
        data = subprocess.run(
            ["protoc", "-I" + protos, "-I" + RPC_PROTOS, "--include_imports", "--descriptor_set_out=/dev/stdout"] + files,
            check=True, stdout=subprocess.PIPE).stdout
        self.pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
            self.pool.Add(file)
        self.factory = message_factory.MessageFactory(self.pool)

    def cls(self, name):
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName(name))

    def new(self, name, fields=None):
        """Message `name` from a dict in the canonical JSON form of protobuf."""
        message = self.cls(name)()
        return json_format.ParseDict(fields, message, descriptor_pool=self.pool) if fields else message

    def enum_name(self, enum, number):
        value = self.pool.FindEnumTypeByName(enum).values_by_number.get(number)
        return value.name if value else str(number)

    def method(self, path):
        """Descriptor of `package.Service/Method`."""
        service, name = path.split("/")
        return self.pool.FindServiceByName(service).methods_by_name[name]


class Failure(Exception):
    """A call that failed: `code` of gRPC, `reason` of the catalogue, and a sentence in Chinese if there is one; not to be tried again
    before `retry_s` have passed."""

    def __init__(self, path, code, text, reason="", chinese="", field="", retry_s=0):
        self.code, self.reason, self.chinese, self.field, self.retry_s = code, reason, chinese, field, retry_s
        super().__init__("%s: %s %s%s %s" % (path.rsplit("/", 1)[-1], code.name, reason,
                                             " (%s)" % field if field else "", chinese or text))


class Client:
    """Calls of one service address. Thread-safe."""

    # Codes after which the same request is worth sending again. Nobody cancels a call here: CANCELLED is a server that went down.
    RETRY = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED,
             grpc.StatusCode.CANCELLED}

    def __init__(self, protos, address, account=""):
        """`account`: who asks. What is restricted or secret is shown to those only who need to know."""
        self.protos = protos
        self.metadata = (("hotline-account", account),) if account else ()
        self.channel = grpc.insecure_channel(
            address, options=[("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000)])

    def failure(self, path, error):
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                reason, chinese, field, retry_s = "", "", "", 0
                for detail in self.protos.cls("google.rpc.Status").FromString(value).details:
                    if detail.Is(self.protos.cls("google.rpc.ErrorInfo").DESCRIPTOR):
                        reason = self.protos.cls("google.rpc.ErrorInfo").FromString(detail.value).reason
                    elif detail.Is(self.protos.cls("google.rpc.LocalizedMessage").DESCRIPTOR):
                        chinese = self.protos.cls("google.rpc.LocalizedMessage").FromString(detail.value).message
                    elif detail.Is(self.protos.cls("google.rpc.BadRequest").DESCRIPTOR):
                        violations = self.protos.cls("google.rpc.BadRequest").FromString(detail.value).field_violations
                        field = violations[0].field if violations else ""
                    elif detail.Is(self.protos.cls("google.rpc.RetryInfo").DESCRIPTOR):
                        delay = self.protos.cls("google.rpc.RetryInfo").FromString(detail.value).retry_delay
                        retry_s = delay.seconds + delay.nanos / 1e9
                return Failure(path, error.code(), error.details(), reason, chinese, field, retry_s)
        return Failure(path, error.code(), error.details())

    def call(self, path, fields=None, timeout=5, patience=0):
        """One answer. Codes of RETRY are tried again, with the same request and so the same request id, for `patience` s, and not
        before the service says so. RESOURCE_EXHAUSTED without details is an answer: the message is too large."""
        method = self.protos.method(path)
        request = self.protos.new(method.input_type.full_name, fields)
        invoke = self.channel.unary_unary("/" + path, request_serializer=lambda message: message.SerializeToString(),
                                          response_deserializer=self.protos.cls(method.output_type.full_name).FromString)
        give_up = time.monotonic() + patience
        pause = 0.1
        while True:
            try:
                return invoke(request, timeout=timeout, metadata=self.metadata)
            except grpc.RpcError as error:
                failure = self.failure(path, error)
                told = any(key == "grpc-status-details-bin" for key, _ in error.trailing_metadata() or ())
                too_large = error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and not told
                if error.code() not in self.RETRY or too_large or time.monotonic() + failure.retry_s > give_up:
                    raise failure from None
            threading.Event().wait(max(pause, failure.retry_s))
            pause = min(2 * pause, 1)

    def stream(self, path, fields):
        method = self.protos.method(path)
        return self.channel.unary_stream("/" + path, request_serializer=lambda message: message.SerializeToString(),
                                         response_deserializer=self.protos.cls(method.output_type.full_name).FromString)(
                                             self.protos.new(method.input_type.full_name, fields), metadata=self.metadata)
