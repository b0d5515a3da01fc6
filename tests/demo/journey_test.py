"""The demo says that all went well only if it did: its desks against sites that are played here, without a service."""

import contextlib
import io
import json
import os
import sys
import tempfile
import types
import unittest
from unittest import mock

import grpc

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "deploy", "lib"))
sys.dont_write_bytecode = True
import journey  # noqa: E402

# What each command makes of the one order, at both sites.
STATES = {"PushWorkOrder": "UNDERSTOOD", "AcceptHandoff": "ACCEPTED", "DispatchWorkOrder": "DISPATCHED", "SignWorkOrder": "SIGNED",
          "ReportHandoffProgress": "IN_PROGRESS", "FinishHandoff": "REPLIED", "CloseWorkOrder": "CLOSED"}
ORDER = {
    "item": "A5", "from": "110", "to": "12345", "lead": "unit", "assist": [], "occurred_minutes_ago": 5, "kind": "HANDOFF_KIND_TRANSFER",
    "content": {"title": "标题", "urgency": "URGENCY_NORMAL"}, "offer": {},
    "script": ["accept", "dispatch", "sign", "progress", "finish", "close"], "progress": ["已到现场"], "reply": [{"publicReply": "已处理"}],
    "expect": "ORDER_STATE_CLOSED",
}


class PlayedSite:
    """Takes every command, and the stream tells of it at once."""

    called = []  # (hotline, method, patience) of every call, in their order
    failures = {}  # method → what it fails with

    def __init__(self, _protos, board, hotline, _addresses):
        self.board, self.hotline, self.resumed = board, hotline, 0
        self.dispatch = self.work_order = self

    def call(self, path, _fields=None, patience=0, **_):
        name = path.rsplit("/", 1)[1]
        self.called.append((self.hotline, name, patience))
        if name in self.failures:
            raise self.failures[name]
        if name == "ListLinks":
            return types.SimpleNamespace(links=[])
        if name == "VerifyLog":
            return types.SimpleNamespace(intact=True, event_count=1, envelope_count=1, order_count=1, head_hash=b"")
        order = types.SimpleNamespace(id="order", handoff=types.SimpleNamespace(id="handoff"), custody=types.SimpleNamespace(holder="12345"))
        if name in STATES:
            with self.board.changed:
                for hotline in ("12345", "110"):
                    self.board.by_handoff[hotline, "handoff"] = "order"
                    self.board.views.setdefault((hotline, "order"), journey.View()).state = STATES[name]
                self.board.changed.notify_all()
        return types.SimpleNamespace(order=order, telephone_required=False)


class JourneyTest(unittest.TestCase):

    def play(self, **changes):
        """The demo's status for one order, and what it printed of faults. A change to None leaves the field out."""
        order = {key: value for key, value in dict(ORDER, **changes).items() if value is not None}
        with tempfile.TemporaryDirectory() as folder:
            ready = []
            for hotline in ("12345", "110"):
                ready.append(os.path.join(folder, hotline))
                with open(ready[-1], "w", encoding="utf-8") as file:
                    file.write("READY dispatch %s grpc=127.0.0.1:1 metrics=127.0.0.1:2\n" % hotline)
            orders = os.path.join(folder, "orders.jsonl")
            with open(orders, "w", encoding="utf-8") as file:
                file.write(json.dumps(order) + "\n")
            faults = io.StringIO()
            with mock.patch.object(journey, "Site", PlayedSite), mock.patch.object(journey, "Protos", lambda: None), \
                    mock.patch.object(journey, "check_route", lambda *_: ([], False)), \
                    mock.patch.object(sys, "argv", ["journey.py", "--ready", *ready, "--orders", orders, "--timeout", "0.1"]), \
                    contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(faults):
                return journey.main(), faults.getvalue()

    def test_a_whole_order_is_a_success(self):
        self.assertEqual(self.play(), (0, ""))

    def test_an_order_that_cannot_be_played_to_its_end_is_a_failure(self):
        for what, changes in {"no text is left": {"progress": []}, "no texts at all": {"reply": None},
                              "no handoff in the script": {"script": ["dispatch", "sign", "finish", "close"]},
                              "a verb that is none": {"script": ["accept", "dance"]},
                              "another end": {"expect": "ORDER_STATE_CANCELLED"}}.items():
            with self.subTest(what):
                status, faults = self.play(**changes)
                self.assertEqual(status, 1)
                self.assertIn("✗ A5 标题：", faults)

    def test_the_desks_wait_until_every_site_can_advise(self):
        PlayedSite.called.clear()
        self.assertEqual(self.play(), (0, ""))
        first_push = [name for _, name, _ in PlayedSite.called].index("PushWorkOrder")
        asked = [call for call in PlayedSite.called[:first_push] if call[1] == "SuggestRoute"]
        self.assertEqual([hotline for hotline, _, _ in asked], ["12345", "110"])
        for _, _, patience in asked:
            self.assertTrue(60 < patience <= 120, patience)

    def test_a_model_that_never_comes_ends_the_demo(self):
        late = journey.Failure("SuggestRoute", grpc.StatusCode.DEADLINE_EXCEEDED, "")
        with mock.patch.dict(PlayedSite.failures, {"SuggestRoute": late}), self.assertRaises(journey.Failure):
            self.play()

    def test_an_order_that_nobody_played_is_a_failure(self):
        board = journey.Board()
        sites = {hotline: PlayedSite(None, board, hotline, None) for hotline in ("12345", "110")}
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(len(journey.check_sites([journey.Journey(ORDER, sites, board, {}, 1, 0)], sites)), 1)


if __name__ == "__main__":
    unittest.main()
