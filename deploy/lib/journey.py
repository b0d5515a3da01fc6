"""Plays both desks for the orders of deploy/demo-orders.jsonl against two running sites, and draws what happens.

    journey.py --ready FILE… [--orders FILE] [--pace SECONDS] [--timeout SECONDS]

A ready file holds the line `READY <service> <hotline> grpc=<host:port> metrics=<host:port>` that a service printed. Everything
drawn comes from the two sites' WatchHandoffs streams; the answers to commands only tell the desks whether to go on. The desks push
orders by their text: where they go, by which item of the annex, on which ground and to which unit is for the site to say, unless an
order's `offer` says that the person at the desk knows better. What the site asks, the person answers. Status 0 means that every order landed where the annex says, with item,
version and unit, and came to its expected end at both sites, both logs verify, and every order has exactly one holder.
"""

import argparse
import json
import os
import random
import re
import shutil
import sys
import threading
import time
import unicodedata

import grpc
import yaml

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hotline_client import ROOT, Client, Failure, Protos  # noqa: E402

STATES = {  # name: (Chinese, column of the table)
    "REGISTERED": ("已登记", None), "OFFERED": ("已推送", "推送"), "RECEIVED": ("对方已接收", "接收"),
    "UNDERSTOOD": ("待受理", "登记"), "ACCEPTED": ("已受理", "受理"), "RETURNED": ("已退回", "退撤"),
    "RECALLED": ("已撤回", "退撤"), "DISPATCHED": ("已派单", "派单"), "SIGNED": ("已签收", "签收"),
    "IN_PROGRESS": ("办理中", "办理"), "REPLIED": ("已答复", "答复"), "CALLED_BACK": ("已回访", "回访"),
    "REDO": ("重办", "重办"), "CLOSED": ("已办结", "办结"), "CANCELLED": ("已作废", "办结"), "ARCHIVED": ("已归档", None),
}
STEPS = ["推送", "接收", "登记", "退撤", "受理", "派单", "签收", "办理", "答复", "重办", "回访", "办结"]
# Each verb of a script: who acts (giver, taker, or worker: whoever holds it), and the states it waits for there.
VERBS = {
    "accept": ("taker", {"UNDERSTOOD"}), "return": ("taker", {"UNDERSTOOD"}), "keep": ("giver", {"RETURNED", "RECALLED"}),
    "push_again": ("giver", {"RETURNED", "RECALLED"}), "recall": ("giver", {"UNDERSTOOD"}), "cancel": ("giver", {"RECALLED", "RETURNED"}),
    "dispatch": ("worker", {"ACCEPTED"}), "sign": ("worker", {"DISPATCHED", "REDO"}),
    "assist_sign": ("worker", {"DISPATCHED", "SIGNED", "IN_PROGRESS"}),
    "progress": ("worker", {"ACCEPTED", "SIGNED", "IN_PROGRESS", "REDO"}), "extend": ("worker", {"SIGNED", "IN_PROGRESS"}),
    "suspend": ("worker", {"SIGNED", "IN_PROGRESS"}), "resume": ("worker", {"SIGNED", "IN_PROGRESS"}),
    "finish": ("worker", {"ACCEPTED", "SIGNED", "IN_PROGRESS", "REDO"}),
    "call_back": ("giver", {"REPLIED"}), "redo": ("giver", {"REPLIED", "CALLED_BACK"}), "close": ("giver", {"REPLIED", "CALLED_BACK"}),
}


def stamp(seconds_from_now):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds_from_now))


def request_id():
    """Time-ordered, as the stores like them."""
    return "demo-%012x-%016x" % (int(time.time() * 1000), random.getrandbits(64))


class View:
    """An order as one site's stream has told it."""

    def __init__(self):
        self.state, self.number, self.holder = "", "", ""
        self.times = {}  # state → when it was last entered, in seconds by the site's clock
        self.offered = None  # when it was first offered


class Board:
    """What the streams said so far. Guarded by `changed`."""

    def __init__(self):
        self.changed = threading.Condition()
        self.began = time.monotonic()
        self.views = {}       # (hotline, order id) → View
        self.by_handoff = {}  # (hotline, handoff id) → order id
        self.news = []        # (seconds, hotline, order id, state) not yet printed

    def apply(self, protos, hotline, event):
        state = protos.enum_name("hotline.type.v1.OrderState", event.state)[len("ORDER_STATE_"):]
        with self.changed:
            view = self.views.setdefault((hotline, event.order_id), View())
            if state != view.state:
                view.times[state] = event.commit_time.seconds + event.commit_time.nanos / 1e9
                if state == "OFFERED" and view.offered is None:
                    view.offered = view.times[state]
                self.news.append((time.monotonic() - self.began, hotline, event.order_id, state))
            view.state, view.number, view.holder = state, event.order_number, event.custody.holder
            for detail in ("offered", "understood"):
                if event.HasField(detail):
                    self.by_handoff[hotline, getattr(event, detail).handoff.id] = event.order_id
            self.changed.notify_all()

    def state(self, hotline, order_id):
        view = self.views.get((hotline, order_id))
        return view.state if view else ""


class Site:
    """A site's addresses, and the thread that follows its stream: resumed where it broke off."""

    def __init__(self, protos, board, hotline, addresses):
        self.protos, self.board, self.hotline = protos, board, hotline
        self.dispatch = Client(protos, addresses["dispatch"], "desk-" + hotline)
        self.work_order = Client(protos, addresses["work_order"], "desk-" + hotline)
        self.next_sequence = self.work_order.call(
            "hotline.workorder.v1.WorkOrderService/VerifyLog", patience=20).head_sequence + 1
        self.resumed = 0
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        while True:
            pause = 0.2
            try:
                for message in self.dispatch.stream("hotline.dispatch.v1.DispatchService/WatchHandoffs",
                                                    {"startSequence": self.next_sequence, "heartbeatInterval": "2s"}):
                    for event in message.events:
                        self.board.apply(self.protos, self.hotline, event)
                    self.next_sequence = max(self.next_sequence, message.watermark + 1)
            except grpc.RpcError as error:
                failure = self.dispatch.failure("WatchHandoffs", error)
                pause = max(pause, failure.retry_s)
                if error.code() not in Client.RETRY:
                    print("WatchHandoffs of %s: %s" % (self.hotline, failure), file=sys.stderr)
            self.resumed += 1
            threading.Event().wait(pause)


def await_links(sites, seconds):
    """A site that started before its peer finds the link down at first, and would rightly send emergencies to the telephone."""
    give_up = time.monotonic() + seconds
    for site in sites.values():
        while True:
            links = site.dispatch.call("hotline.dispatch.v1.DispatchService/ListLinks", patience=10).links
            down = [link for link in links if not link.up]
            if not down:
                break
            if time.monotonic() > give_up:
                raise RuntimeError("%s → %s 链路未通：%s" % (site.hotline, down[0].peer, down[0].last_error))
            threading.Event().wait(0.05)


def await_models(sites, seconds):
    """A dispatch makes the model of its advice after its start, seconds of work, and minutes on a loaded machine; an order pushed by
    its text waits for that, longer than a desk does."""
    print("等待各平台的派单建议模型就绪……", flush=True)
    begin = time.monotonic()
    for site in sites.values():
        site.dispatch.call("hotline.dispatch.v1.DispatchService/SuggestRoute", {"text": "路灯坏了"}, timeout=15,
                           patience=max(0, begin + seconds - time.monotonic()))
    print("已就绪（%.1f 秒）" % (time.monotonic() - begin), flush=True)


class Journey:
    """One order and the desks that handle it."""

    def __init__(self, data, sites, board, units, timeout, pace):
        self.data, self.sites, self.board, self.units = data, sites, board, units
        self.timeout, self.pace = timeout, pace
        self.title = data["content"]["title"]
        # What the order should get, where the desk leaves it to the text.
        self.urgency = data.get("urgency") or data["content"]["urgency"]
        self.giver, self.taker = data["from"], data["to"]
        self.worker = self.taker
        self.lead, self.assist = data["lead"], data["assist"]
        self.giver_id = self.handoff_id = self.error = ""
        self.done = self.telephone = self.asked = False
        self.texts = {key: list(value) for key, value in data.items() if key in ("progress", "reply", "satisfaction")}

    # What the streams know.
    def id_at(self, hotline):
        return self.giver_id if hotline == self.giver else self.board.by_handoff.get((hotline, self.handoff_id), "")

    def state_at(self, hotline):
        return self.board.state(hotline, self.id_at(hotline))

    def await_state(self, hotline, states, why):
        with self.board.changed:
            if not self.board.changed.wait_for(lambda: self.state_at(hotline) in states, self.timeout):
                raise RuntimeError("%s: %s 等待 %s，仍是 %s" % (
                    why, hotline, "/".join(STATES[s][0] for s in sorted(states)), self.state_at(hotline) or "未到达"))

    # What the desks do.
    def header(self, hotline, unit=""):
        account = "handler-" + unit if unit else "desk-" + hotline
        return {"requestId": request_id(), "orderId": self.id_at(hotline), "actor": {"account": account, "unit": unit}}

    def desk(self, hotline, service, method, fields, unit=""):
        site = self.sites[hotline]
        client = site.dispatch if service == "dispatch" else site.work_order
        path = {"dispatch": "hotline.dispatch.v1.DispatchService/",
                "work_order": "hotline.workorder.v1.WorkOrderService/"}[service] + method
        # 15 s: an emergency push waits up to the site's limit of 10 s for the receipt.
        return client.call(path, dict(fields, header=self.header(hotline, unit)), timeout=15, patience=self.timeout)

    def push(self, content=None):
        if content:
            fields = {"content": content, "offer": dict(self.data["offer"], note=self.data.get("note", ""))}
            if "route_reason" in self.data:
                fields["routeReason"] = self.data["route_reason"]
        else:
            # It came back from there, and is meant to go there again.
            fields = {"offer": {"toHotline": self.taker, "kind": self.data["kind"], "note": self.data.get("push_note", ""),
                                "confirmBounce": True}}
        try:
            answer = self.desk(self.giver, "dispatch", "PushWorkOrder", fields)
        except Failure as failure:
            if failure.reason not in ("ROUTE_UNDECIDED", "OWN_MATTER") or not content:
                raise
            # The text does not tell; the person, who hears the caller, says what it is.
            self.asked = True
            danger = self.urgency == "URGENCY_EMERGENCY"
            fields["facts"] = {"danger": "ANSWER_YES" if danger else "ANSWER_NO", "belongsTo": self.taker}
            if self.data["kind"] == "HANDOFF_KIND_STABILITY_CLUE":
                fields["facts"]["stabilityClue"] = "ANSWER_YES"
            fields["content"] = dict(content, catalogue={"item": self.data["item"]})
            answer = self.desk(self.giver, "dispatch", "PushWorkOrder", fields)
        with self.board.changed:
            self.giver_id, self.handoff_id = answer.order.id, answer.order.handoff.id
            self.telephone = answer.telephone_required
            self.board.changed.notify_all()

    def act(self, verb):
        data, across = self.data, self.worker == self.taker
        if verb == "accept":
            self.desk(self.taker, "dispatch", "AcceptHandoff", {"acceptance": {"note": "收到，马上办。"}})
        elif verb == "return":
            self.desk(self.taker, "dispatch", "ReturnHandoff", {"handoffReturn": data["return"]})
        elif verb == "keep":
            self.worker, self.lead = self.giver, data.get("lead_after_return", self.lead)
            self.desk(self.giver, "work_order", "AcceptWorkOrder", {"acceptance": {"note": "由本平台办理。"}})
        elif verb == "push_again":
            self.push()
        elif verb == "recall":
            self.desk(self.giver, "dispatch", "RecallHandoff", {"recall": {"reason": data["recall"]}})
        elif verb == "cancel":
            self.desk(self.giver, "work_order", "CancelWorkOrder", {"cancellation": {"reason": data["cancel"]}})
        elif verb == "dispatch":
            assist = self.assist if across else []
            self.desk(self.worker, "work_order", "DispatchWorkOrder",
                      {"unitDispatch": {"leadUnit": self.lead, "assistUnits": assist}})
        elif verb == "sign":
            self.desk(self.worker, "work_order", "SignWorkOrder", {"signature": {}}, unit=self.lead)
        elif verb == "assist_sign":
            for unit in self.assist:
                self.desk(self.worker, "work_order", "SignWorkOrder", {"signature": {"unit": unit}}, unit=unit)
        elif verb == "progress":
            fields = {"progress": {"note": self.texts["progress"].pop(0)}}
            if across:
                self.desk(self.worker, "dispatch", "ReportHandoffProgress", fields, unit=self.lead)
            else:
                self.desk(self.worker, "work_order", "ReportProgress", fields)
        elif verb == "extend":
            self.desk(self.worker, "work_order", "ExtendWorkOrder",
                      {"extension": {"untilTime": stamp(15 * 86400), "ground": data["extend"], "approvedBy": "supervisor-1"}})
        elif verb == "suspend":
            self.desk(self.worker, "work_order", "SuspendWorkOrder",
                      {"suspension": {"reason": data["suspend"], "reviewTime": stamp(5 * 86400), "approvedBy": "supervisor-1"}})
        elif verb == "resume":
            self.desk(self.worker, "work_order", "ResumeWorkOrder", {"resumption": {"note": data["resume"]}})
        elif verb == "finish":
            reply = dict(self.texts["reply"].pop(0), callerContacted=True, contactTime=stamp(0), internalReply="已核实，材料归档。")
            # A unit may give the reply only where one was dispatched.
            if "dispatch" in data["script"]:
                reply["unit"] = self.lead
            service, method = ("dispatch", "FinishHandoff") if across else ("work_order", "FinishWorkOrder")
            self.desk(self.worker, service, method, {"completion": {"reply": reply}}, unit=reply.get("unit", ""))
        elif verb == "call_back":
            score = self.texts["satisfaction"].pop(0)
            self.desk(self.giver, "work_order", "RecordCallBack", {"callBackRecord": {"callBack": {
                "reached": True, "settled": score >= 4, "satisfaction": score, "note": "回访记录"}}})
        elif verb == "redo":
            self.desk(self.giver, "work_order", "RedoWorkOrder", {"redoDemand": {"reason": data["redo"]}})
        elif verb == "close":
            self.desk(self.giver, "work_order", "CloseWorkOrder", {"closure": {"note": "来电人已知晓。"}})

    def rest(self):
        if self.pace:
            threading.Event().wait(self.pace * random.uniform(0.5, 1.5))

    def run(self):
        try:
            content = dict(self.data["content"], occurTime=stamp(-60 * self.data["occurred_minutes_ago"]))
            self.rest()
            self.push(content)
            for verb in self.data["script"]:
                side, states = VERBS[verb]
                self.await_state(getattr(self, side), states, verb)
                self.rest()
                self.act(verb)
            expected = self.data["expect"][len("ORDER_STATE_"):]
            self.await_state(self.giver, {expected}, "结果")
            # Where the handoff itself ended, the other side's copy ends there; otherwise it ends where the giver's does.
            last = [verb for verb in self.data["script"] if verb in ("accept", "return", "recall")][-1]
            self.await_state(self.taker, {{"accept": expected, "return": "RETURNED", "recall": "RECALLED"}[last]}, "对方结果")
            if self.telephone:
                raise RuntimeError("特急工单未及时收到对方回执")
        except (Failure, RuntimeError) as error:
            self.error = str(error)
        # Whatever else ends it, a script without its text or an answer that is none, is no end as expected either.
        except Exception as error:
            self.error = repr(error)
        with self.board.changed:
            self.done = True
            self.board.changed.notify_all()

    # What is drawn.
    def seen(self):
        """Step → seconds after the first push, as the giver's log has it. What the taker's alone knows is filled in."""
        views = [self.board.views.get((hotline, self.id_at(hotline))) for hotline in (self.giver, self.taker)]
        begin = views[0].offered if views[0] else None
        if begin is None:
            return {}
        found = {"推送": begin}
        for view in filter(None, views):
            for state, at in view.times.items():
                if STATES[state][1]:
                    found.setdefault(STATES[state][1], at)
        return {step: at - begin for step, at in found.items()}

    def unit_name(self):
        return self.units.get(self.lead, self.lead)


def width(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text, columns):
    """`text` cut or padded to exactly `columns` of a terminal."""
    if width(text) > columns:
        while width(text) > columns - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (columns - width(text))


class Screen:
    """Draws the table: in place on a terminal, as lines of news elsewhere."""

    def __init__(self, journeys, board):
        self.journeys, self.board = journeys, board
        self.live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")
        self.drawn = 0
        self.ended = set()  # journeys whose end has been printed as a line

    def paint(self, text, journey):
        if not (self.live or sys.stdout.isatty()):
            return text
        colour = 31 if journey.error else 32 if journey.done else 33 if journey.giver_id else 90
        return "\x1b[%dm%s\x1b[0m" % (colour, text)

    @staticmethod
    def title_columns(columns):
        return max(10, min(34, columns - 61))

    def row(self, journey, columns):
        state = journey.state_at(journey.giver)
        urgency = {"URGENT": "急", "EMERGENCY": "特急"}.get(journey.urgency[len("URGENCY_"):], "")
        cells = [fit(journey.data["item"], 4), fit("%s→%s" % (journey.giver, journey.taker), 10), fit(urgency, 4),
                 fit(journey.title, self.title_columns(columns)),
                 fit(journey.unit_name(), 16)]
        mark = "✗" if journey.error else "✓" if journey.done else " "
        cells.append(self.paint(fit(mark + " " + (STATES[state][0] if state else "…"), 13), journey))
        seen = journey.seen()
        # Twelve step columns need 6 each; a narrower terminal shows the total only.
        if columns >= 165:
            cells += ["%6s" % ("%.3f" % seen[step] if step in seen else "") for step in STEPS]
        else:
            cells.append("%7s" % ("%.3f" % max(seen.values()) if seen else ""))
        return " ".join(cells).rstrip()

    def head(self, columns):
        cells = [fit("事项", 4), fit("方向", 10), fit("", 4), fit("标题", self.title_columns(columns)),
                 fit("主办单位", 16), fit("  现状", 13)]
        cells += [" " * (6 - width(step)) + step for step in STEPS] if columns >= 165 else ["     秒"]
        return " ".join(cells)

    def summary(self):
        done = sum(journey.done and not journey.error for journey in self.journeys)
        failed = sum(bool(journey.error) for journey in self.journeys)
        total = len(self.journeys)
        bar = "█" * (30 * (done + failed) // total)
        return "[%-30s] %d/%d 件到达预期终点，%d 件失败，%.1f 秒" % (
            bar.ljust(30, "░"), done, total, failed, time.monotonic() - self.board.began)

    def table(self, columns):
        """The rows for a table of `columns`; the caller holds the board's lock."""
        return [self.head(columns)] + [self.row(journey, columns) for journey in self.journeys]

    def draw(self):
        with self.board.changed:
            news, self.board.news = self.board.news, []
            if self.live:
                size = shutil.get_terminal_size((120, 40))
                room = max(size.lines - 4, 5)
                # What still moves comes first if not everything fits.
                order = self.journeys
                if len(order) > room:
                    order = sorted(order, key=lambda j: (j.done and not j.error, not j.giver_id))[:room]
                lines = [self.head(size.columns)] + [self.row(j, size.columns) for j in order] + [self.summary()]
            else:
                by_id = {(j.giver, j.giver_id): j for j in self.journeys if j.giver_id}
                lines = []
                left = []
                for entry in news:
                    at, hotline, order_id, state = entry
                    journey = by_id.get((hotline, order_id))
                    if journey:
                        if state == journey.data["expect"][len("ORDER_STATE_"):]:
                            self.ended.add(journey)
                        lines.append("%7.2f s  [%2d/%d] %-3s %s→%s  %s  %s" % (
                            at, len(self.ended), len(self.journeys), journey.data["item"], journey.giver, journey.taker,
                            fit(journey.title, 36), STATES[state][0]))
                    elif not all(j.giver_id for j in self.journeys):
                        left.append(entry)  # its push has not been answered yet
                self.board.news = left + self.board.news
        if self.live:
            up = "\x1b[%dA" % self.drawn if self.drawn else ""
            sys.stdout.write(up + "".join("\x1b[2K" + line + "\n" for line in lines) + "\x1b[J")
            self.drawn = len(lines)
        elif lines:
            sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    def finish(self):
        self.draw()
        with self.board.changed:
            lines = self.table(200)
        # The terminal holds only part of the table; the whole of it is printed once, for scrolling back.
        columns = shutil.get_terminal_size((200, 40)).columns
        if self.live:
            sys.stdout.write("\x1b[%dA\x1b[J" % self.drawn)
            if columns < 165:
                with self.board.changed:
                    lines = self.table(columns)
        print("\n".join(lines) + "\n" + self.summary())


def check_route(journey, sites):
    """That the order landed where the annex says: what differs, as text; and how many a person sent against the advice."""
    data = journey.data
    client = sites[journey.giver].work_order
    order = client.call("hotline.workorder.v1.WorkOrderService/GetWorkOrder", {"orderId": journey.giver_id}, patience=10).order
    first = client.call("hotline.workorder.v1.WorkOrderService/ListOrderEvents", {"orderId": journey.giver_id}, patience=10).events[0]
    route, handoff = first.offered.registered.route, first.offered.handoff
    kind = order.DESCRIPTOR.fields_by_name["handoff"].message_type.fields_by_name["kind"].enum_type
    urgency = order.DESCRIPTOR.fields_by_name["urgency"].enum_type
    wanted = {
        "平台": (data["to"], handoff.to_hotline), "依据": (data["kind"], kind.values_by_number[handoff.kind].name),
        "事项": (data["item"], order.content.catalogue.item), "版本": (True, bool(order.content.catalogue.version)),
        "主办单位": (data["unit"], order.content.lead_unit),
        "紧急程度": (journey.urgency, urgency.values_by_number[order.urgency].name),
        "由人指定": ("toHotline" in data["offer"], route.chosen_by_person), "法律依据": (True, bool(route.advice.legal_basis)),
    }
    return ["%s应为%s，实为%s" % (name, want, got) for name, (want, got) in wanted.items() if want != got], route.against_advice


def check_sites(journeys, sites):
    """Everything that must hold at the end; a list of faults."""
    faults = ["%s %s：%s" % (j.data["item"], j.title, j.error or "没有走完") for j in journeys if j.error or not j.done]
    for site in sites.values():
        answer = site.work_order.call("hotline.workorder.v1.WorkOrderService/VerifyLog", timeout=25, patience=10)
        if answer.intact:
            print("%-6s 日志完整：%d 条事件、%d 个信封、%d 件工单，每件恰有一个责任方；链头 %s" % (
                site.hotline, answer.event_count, answer.envelope_count, answer.order_count, answer.head_hash.hex()[:16]))
        else:
            faults.append("%s 日志有误：%s" % (site.hotline, answer.fault_zh or answer.fault))
        if site.resumed:
            print("%-6s 事件流中断后续传 %d 次" % (site.hotline, site.resumed))
    routed = overruled = 0
    for journey in journeys:
        if journey.error or not journey.done:
            continue
        holders = {}
        for hotline in (journey.giver, journey.taker):
            order = sites[hotline].work_order.call("hotline.workorder.v1.WorkOrderService/GetWorkOrder",
                                                   {"orderId": journey.id_at(hotline)}, patience=10).order
            holders[hotline] = order.custody.holder
        if not all(holders.values()) or len(set(holders.values())) != 1:
            faults.append("%s %s：责任方不一致 %s" % (journey.data["item"], journey.title, holders))
        wrong, against = check_route(journey, sites)
        faults += ["%s %s：%s" % (journey.data["item"], journey.title, text) for text in wrong]
        routed += not wrong
        overruled += against
    asked = sum(journey.asked for journey in journeys)
    print("按内容派单：%d/%d 件到达清单所定平台、事项、单位；其中 %d 件由坐席问明后推送；%d 件由人不采纳建议，均已记录" % (
        routed, len(journeys), asked, overruled))
    if asked > len(journeys) // 6:
        faults.append("%d 件须由坐席问明，过多" % asked)
    return faults


def main():
    parser = argparse.ArgumentParser(description="plays both desks of the demo")
    parser.add_argument("--ready", nargs="+", required=True, help="files with the services' READY lines")
    parser.add_argument("--orders", default=os.path.join(ROOT, "deploy", "demo-orders.jsonl"))
    parser.add_argument("--units", default=os.path.join(ROOT, "deploy", "units", "wuqia.yaml"))
    parser.add_argument("--pace", type=float, default=0.0, help="mean pause between two steps of an order, seconds")
    parser.add_argument("--timeout", type=float, default=20.0, help="longest wait for one step, seconds")
    options = parser.parse_args()

    addresses = {}
    for name in options.ready:
        with open(name, encoding="utf-8") as file:
            found = re.search(r"^READY (\S+) (\S+) grpc=(\S+)", file.read(), re.M)
        addresses.setdefault(found[2], {})[found[1]] = found[3]
    protos = Protos()
    board = Board()
    sites = {hotline: Site(protos, board, hotline, of) for hotline, of in addresses.items()}
    with open(options.units, encoding="utf-8") as file:
        units = {unit["code"]: unit["display_name"] for unit in yaml.safe_load(file)["units"]}
    with open(options.orders, encoding="utf-8") as file:
        journeys = [Journey(json.loads(line), sites, board, units, options.timeout, options.pace) for line in file if line.strip()]

    await_models(sites, 120)
    await_links(sites, 15)
    board.began = time.monotonic()
    threads = [threading.Thread(target=journey.run, daemon=True) for journey in journeys]
    for thread in threads:
        thread.start()
    screen = Screen(journeys, board)
    while any(thread.is_alive() for thread in threads):
        with board.changed:
            board.changed.wait(0.1)
        screen.draw()
        threading.Event().wait(0.05)
    screen.finish()

    faults = check_sites(journeys, sites)
    for fault in faults:
        print("✗ " + fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (Failure, RuntimeError) as failure:
        sys.exit("✗ %s" % failure)
