"""The demo's orders and units: whole, well-formed, and nobody's real data."""

import collections
import json
import os
import re
import sys
import unittest

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "deploy", "lib"))
sys.dont_write_bytecode = True
from hotline_client import Protos  # noqa: E402
from journey import STATES, VERBS  # noqa: E402

# The annex of 恰政办发〔2024〕6号: items that name their units. The lead unit of an order must be one of them.
NAMED = {
    "A1": ["住建局"], "A2": ["人社局"], "A3": ["市场监督管理局"], "A4": ["交通运输局"], "A5": ["市场监督管理局"],
    "A6": ["市场监督管理局", "生态环境局"], "A7": ["民政局"], "A9": ["农业农村局"], "A10": ["卫健委"], "A11": ["文旅局"],
    "A12": ["烟草专卖局"], "A13": ["司法局"], "A14": ["自然资源局"], "A15": ["住建局"],
    "A18": ["卫健委", "电力公司", "移动公司", "联通公司", "电信公司", "人社局", "民政局", "生态环境局", "住建局", "供排水公司",
            "天然气公司", "供热公司"],
}
TOWNSHIPS = {"653024%d" % code for code in (100, 101, 102, 200, 201, 202, 203, 204, 205, 207, 208, 501)}


class DataTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.protos = Protos()
        with open(os.path.join(ROOT, "deploy", "demo-orders.jsonl"), encoding="utf-8") as file:
            cls.orders = [json.loads(line) for line in file]
        with open(os.path.join(ROOT, "deploy", "units", "wuqia.yaml"), encoding="utf-8") as file:
            cls.units = {unit["code"]: unit for unit in yaml.safe_load(file)["units"]}

    def each(self):
        for order in self.orders:
            with self.subTest(order["item"] + " " + order["content"]["title"]):
                yield order

    def test_every_item_of_the_annex_has_an_order(self):
        have = {order["item"] for order in self.orders}
        self.assertEqual(have, {"A%d" % i for i in range(1, 23)} | {"B%d" % i for i in range(1, 10)})

    def test_direction_follows_the_item(self):
        for order in self.each():
            self.assertEqual((order["from"], order["to"]), ("110", "12345") if order["item"][0] == "A" else ("12345", "110"))
            # Orders are pushed by their text; only who overrules the advice names an item.
            if "catalogue" in order["content"]:
                self.assertEqual(order["content"]["catalogue"], {"item": order["item"]})
                self.assertTrue(order["offer"])
            self.assertNotIn("leadUnit", order["content"])

    def test_orders_are_what_the_contract_says(self):
        for order in self.each():
            content = self.protos.new("hotline.type.v1.OrderContent", order["content"])
            # An urgency that the desk leaves open is told beside the order: what routing should make of its text.
            self.assertTrue(content.type and content.channel and bool(content.urgency) != ("urgency" in order))
            self.assertLessEqual(len(content.title), 100)
            self.assertTrue(20 <= len(content.text) <= 8000)
            self.assertIn(content.place.township_code, TOWNSHIPS)
            self.assertFalse(content.caller.anonymous and (content.caller.name or content.caller.phone))
            self.protos.new("hotline.type.v1.Offer", dict(order["offer"], kind=order["kind"]))

    def test_units_are_known_and_those_of_the_annex(self):
        for order in self.each():
            named = [order["lead"]] + order["assist"]
            self.assertEqual(len(named), len(set(named)))
            for unit in named + [order.get("lead_after_return", named[0])]:
                self.assertIn(unit, self.units)
            if order["item"] in NAMED:
                self.assertIn(self.units[named[0]]["display_name"], NAMED[order["item"]])
            # What routing names is what the annex names; what it leaves open, the receiving desk decides.
            if order["unit"]:
                self.assertEqual(order["unit"], order["lead"])
                self.assertIn(order["item"], NAMED)

    def test_callers_are_invented(self):
        for order in self.each():
            phone = order["content"]["caller"].get("phone")
            if phone:
                self.assertRegex(phone, r"^0908-000-0\d{3}$")
            self.assertIsNone(re.search(r"(?<!\d)1[3-9]\d{9}(?!\d)|\d{17}[\dXx]", json.dumps(order, ensure_ascii=False)))

    def test_people_of_the_county_are_heard(self):
        languages = {order["content"]["caller"]["language"] for order in self.orders}
        self.assertEqual(languages, {"zh", "ug", "ky"})
        for order in self.each():
            if order["content"]["caller"]["language"] != "zh":
                self.assertRegex(order["content"]["text"], "[\u0620-\u06ff]{3}")

    def test_a_text_says_how_urgent_it_is(self):
        self.assertIn("URGENCY_EMERGENCY", {order.get("urgency") for order in self.orders})

    def test_danger_is_an_emergency(self):
        for order in self.each():
            urgent = order.get("urgency", order["content"].get("urgency")) == "URGENCY_EMERGENCY"
            if order["item"] in ("B3", "B4", "B5", "B6", "B7", "B9"):
                self.assertTrue(urgent)
            if order["item"][0] == "A":
                self.assertFalse(urgent, "an emergency is never the government's alone")

    def test_scripts_can_be_played(self):
        for order in self.each():
            verbs = collections.Counter(order["script"])
            self.assertLessEqual(set(verbs), set(VERBS))
            self.assertEqual(verbs["progress"], len(order.get("progress", [])))
            self.assertEqual(verbs["finish"], len(order.get("reply", [])))
            self.assertEqual(verbs["call_back"], len(order.get("satisfaction", [])))
            for verb in ("return", "recall", "redo", "cancel", "extend", "suspend", "resume"):
                self.assertEqual(verb in verbs, verb in order, verb)
            self.assertIn(order["expect"][len("ORDER_STATE_"):], STATES)
            for reply in order.get("reply", []):
                self.protos.new("hotline.type.v1.Reply", reply)
            if "return" in order:
                self.protos.new("hotline.type.v1.HandoffReturn", order["return"])

    def test_every_kind_of_end_is_shown(self):
        ends = {order["expect"] for order in self.orders}
        self.assertEqual(ends, {"ORDER_STATE_CLOSED", "ORDER_STATE_RECALLED", "ORDER_STATE_CANCELLED"})
        verbs = {verb for order in self.orders for verb in order["script"]}
        self.assertEqual(verbs, set(VERBS))

    def test_units_are_named_once(self):
        names = [name for unit in self.units.values() for name in [unit["code"], unit["display_name"]] + unit["aliases"]]
        self.assertEqual([name for name, count in collections.Counter(names).items() if count > 1], [])
        for code in self.units:
            self.assertRegex(code, r"^[a-z0-9_-]{1,32}$")


if __name__ == "__main__":
    unittest.main()
