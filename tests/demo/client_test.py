"""The demo's client tries again when the service says so, and not before."""

import os
import sys
import time
import unittest
from concurrent import futures

import grpc

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "deploy", "lib"))
sys.dont_write_bytecode = True
from hotline_client import Client, Failure, Protos  # noqa: E402

METHOD = "hotline.workorder.v1.WorkOrderService/GetWorkOrder"


class ClientTest(unittest.TestCase, grpc.GenericRpcHandler):

    @classmethod
    def setUpClass(cls):
        cls.protos = Protos()

    def setUp(self):
        self.answers = []  # (code, seconds of RetryInfo; None: no details) of the failures that come first
        self.calls = []  # when they came
        self.requests = []  # and with what
        self.server = grpc.server(futures.ThreadPoolExecutor(1), handlers=(self,))
        self.client = Client(self.protos, "127.0.0.1:%d" % self.server.add_insecure_port("127.0.0.1:0"))
        self.server.start()

    def tearDown(self):
        self.client.channel.close()
        self.server.stop(None).wait()

    def service(self, _details):
        return grpc.unary_unary_rpc_method_handler(self.answer)

    def answer(self, request, context):
        self.calls.append(time.monotonic())
        self.requests.append(request)
        if not self.answers:
            return b""
        code, seconds = self.answers.pop(0)
        if seconds is None:
            context.abort(code, "too large")
        status = self.protos.new("google.rpc.Status", {"code": code.value[0]})
        retry = self.protos.new("google.rpc.RetryInfo", {"retryDelay": "%.3fs" % seconds})
        status.details.add().Pack(retry)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, "busy")

    def test_it_waits_as_long_as_it_is_told(self):
        self.answers = [(grpc.StatusCode.RESOURCE_EXHAUSTED, 0.6)]
        self.client.call(METHOD, patience=30)
        self.assertEqual(len(self.calls), 2)
        self.assertGreaterEqual(self.calls[1] - self.calls[0], 0.59)

    def test_a_server_that_goes_down_with_the_call_is_asked_again(self):
        self.answers = [(grpc.StatusCode.CANCELLED, 0)]
        self.client.call(METHOD, patience=30)
        self.assertEqual(len(self.calls), 2)

    def test_what_became_of_a_push_is_asked_with_the_same_request(self):
        self.answers = [(grpc.StatusCode.DEADLINE_EXCEEDED, 0)]
        self.client.call("hotline.dispatch.v1.DispatchService/PushWorkOrder", {"header": {"requestId": "one-and-the-same"}}, patience=30)
        self.assertEqual(len(self.requests), 2)
        self.assertEqual(self.requests[0], self.requests[1])
        self.assertIn(b"one-and-the-same", self.requests[0])

    def test_a_message_that_is_too_large_is_not_sent_again(self):
        self.answers = [(grpc.StatusCode.RESOURCE_EXHAUSTED, None)]
        with self.assertRaises(Failure):
            self.client.call(METHOD, patience=30)
        self.assertEqual(len(self.calls), 1)

    def test_a_wait_beyond_its_patience_is_the_callers(self):
        self.answers = [(grpc.StatusCode.RESOURCE_EXHAUSTED, 60)]
        with self.assertRaises(Failure) as failed:
            self.client.call(METHOD, patience=30)
        self.assertEqual(failed.exception.retry_s, 60)
        self.assertEqual(len(self.calls), 1)


if __name__ == "__main__":
    unittest.main()
