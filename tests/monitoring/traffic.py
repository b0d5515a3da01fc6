"""Desks, units and mistakes for two sites: the orders of the demo over and over, in waves, some handled in time, some late and some never."""
import glob
import json
import math
import os
import random
import sys
import threading
import time

from sites import ROOT, SERVICES, fail

sys.path.insert(0, os.path.join(ROOT, "deploy", "lib"))
import journey  # noqa: E402
from hotline_client import Failure, Protos  # noqa: E402

# Deadlines of seconds, so that minutes show what days do: reminder, 催办 at the deadline, 督办 and 通报批评 after it.
POLICY = """version: seconds
ladders:
  - code: normal
    steps: [{rung: URGE}, {rung: SUPERVISE, after: {seconds: 8}}, {rung: CIRCULATE, after: {seconds: 20}}]
rules:
  - {clock: PEER_RECEIPT, limit: {seconds: 4}, calendar: always, ladder: normal}
  - {clock: PEER_ACCEPTANCE, limit: {seconds: 6}, remind_before: {seconds: 3}, calendar: always, ladder: normal}
  - {clock: SIGN, limit: {seconds: 6}, remind_before: {seconds: 3}, calendar: always, ladder: normal}
  - {clock: FIRST_CONTACT, limit: {seconds: 15}, remind_before: {seconds: 8}, calendar: always, ladder: normal}
  - {clock: FINISH, limit: {seconds: 40}, remind_before: {seconds: 33}, calendar: always, ladder: normal}
  - {clock: RESULT_BACK, limit: {seconds: 6}, calendar: always, ladder: normal}
  - {clock: CALL_BACK, limit: {seconds: 6}, remind_before: {seconds: 3}, calendar: always, ladder: normal}
"""
MORE = {"work_order": "  confirm_within_s: {normal: 8, urgent: 8, emergency: 8}\n  keep_after_s: {normal: 60, urgent: 60, emergency: 60}\n"
                      "  dispatches_first: true\n",
        "site": "need_to_know: {accounts: [desk-12345, desk-110, handler-xingzhen, handler-zhian, handler-zhengwuzhongxin]}\n"}


def await_served(sites):
    protos = Protos()
    for site in sites:
        for service in SERVICES:
            give_up = time.monotonic() + 60
            while True:
                try:
                    site.metrics(service)
                    break
                except OSError:
                    if time.monotonic() > give_up:
                        fail(f"{service} of {site.hotline} does not come up")
                    threading.Event().wait(0.1)
    return protos


class Patient(journey.Journey):
    """As the demo's, but its desks wait for the peer's receipt, as call-takers do."""

    def desk(self, hotline, service, method, fields, unit=""):
        if method == "PushWorkOrder":
            fields = dict(fields, receiptWait="2s")
        return super().desk(hotline, service, method, fields, unit)


class Traffic:
    """Runs from `start` until `finish`. Journeys that fail because a test killed something are no failure of the test."""

    def __init__(self, sites, per_second, seed=1):
        self.protos = await_served(sites)
        self.per_second, self.random = per_second, random.Random(seed)
        self.board = journey.Board()
        self.sites = {site.hotline: journey.Site(self.protos, self.board, site.hotline, {s: site.address(s) for s in SERVICES})
                      for site in sites}
        journey.await_links(self.sites, 30)
        with open(os.path.join(ROOT, "deploy", "demo-orders.jsonl"), encoding="utf-8") as file:
            self.orders = [json.loads(line) for line in file if line.strip()]
        self.neglected = self.orders[:12]  # of 12345: dispatched to units
        self.random.shuffle(self.orders)
        self.ended, self.journeys = threading.Event(), []

    def begin(self, data, pace):
        one = Patient(data, self.sites, self.board, {}, 60, pace)
        thread = threading.Thread(target=one.run, daemon=True)
        thread.start()
        self.journeys.append((one, thread))

    def neglect(self, data):
        """An order that is dispatched to a unit, which then does nothing: its deadlines pass, and the ladder goes up."""
        one = Patient(dict(data, script=["accept", "dispatch"]), self.sites, self.board, {}, 60, 0.3)
        threading.Thread(target=one.run, daemon=True).start()

    def mistake(self):
        """What desks get wrong: an empty form, an order that is not there."""
        site = self.random.choice(list(self.sites.values()))
        for path, fields in (("PushWorkOrder", {"content": {"title": ""}, "offer": {"toHotline": "110"}}),
                             ("AcceptHandoff", {"acceptance": {}})):
            try:
                site.dispatch.call("hotline.dispatch.v1.DispatchService/" + path,
                                   dict(fields, header={"requestId": journey.request_id(), "orderId": "0198b9f4-0000-7000-8000-000000000000"}))
            except Failure:
                continue
            fail("a mistake was accepted: " + path)

    def run(self, seconds):
        """Waves of orders for `seconds`; returns while the last ones are still under way."""
        begun, n = time.monotonic(), 0
        while time.monotonic() - begun < seconds:
            wave = 1 + 0.7 * math.sin((time.monotonic() - begun) / 12)
            data = self.orders[n % len(self.orders)]
            # Two of five take their time, and pass deadlines.
            self.begin(data, 2.5 if n % 5 < 2 else 0.3)
            if n % 7 == 0:
                self.mistake()
                self.neglect(self.random.choice(self.neglected))
            n += 1
            self.ended.wait(self.random.expovariate(self.per_second * wave))

    def finish(self, seconds):
        """Waits for those that are under way; how many of all came to their expected ends."""
        give_up = time.monotonic() + seconds
        for _, thread in self.journeys:
            thread.join(max(0, give_up - time.monotonic()))
        return sum(1 for one, thread in self.journeys if not thread.is_alive() and one.done and not one.error)


def import_people(programs, sites):
    for site in sites:
        done = site.ctl(programs, "directory", "import", "--reported-by", "test", "--file", glob.glob(f"{ROOT}/deploy/directory/*.csv")[0])
        if done.returncode:
            fail("directory import: " + done.stderr)
