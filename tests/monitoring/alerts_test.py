#!/usr/bin/python3
"""Provokes three alerts for real: two sites of real processes, a real Prometheus with deploy/prometheus/alerts.yaml, a real
Alertmanager, and a webhook that must be told. Then the cause is mended, and the webhook must be told that too.

  alerts_test.py BIN_DIR        (BIN_DIR/services/<program>/<program>)

Rules wait up to minutes (`for`); here they wait a second, and what is scraped each 15 s is scraped each second. Nothing else of
the rules is changed. Everything listens on loopback, on free ports, in a folder of its own. Exit status 77: Prometheus or
Alertmanager is not installed.
"""
import http.server
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from sites import ROOT, SERVICES, WAIT_S, Prometheus, await_true, end, fail, free_ports, programs_of, skip, two_sites
from traffic import import_people

told = {}  # alert name -> list of (status, labels, annotations)
told_changed = threading.Condition()


class Webhook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with told_changed:
            for alert in body["alerts"]:
                told.setdefault(alert["labels"]["alertname"], []).append((alert["status"], alert["labels"], alert["annotations"]))
            told_changed.notify_all()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def await_told(name, status, labels):
    """The alert with these labels was told with this status; fails after WAIT_S."""
    give_up = time.monotonic() + WAIT_S
    with told_changed:
        while True:
            for was, got, annotations in told.get(name, []):
                if was == status and all(got.get(k) == v for k, v in labels.items()):
                    print(f"    ok: {status} {name} {labels}", flush=True)
                    return annotations
            left = give_up - time.monotonic()
            if left <= 0:
                fail(f"the webhook was not told: {status} {name} {labels}; it was told {sorted(told)}")
            told_changed.wait(left)


def check_inhibition(port):
    """Posts alerts of a hotline that nothing here is: work_order that is down hides what it is the cause of, dispatch hides nothing."""
    names = ("HotlineEscalationStale", "HotlineReceiptLate", "HotlineReconcileOverdue")
    alerts = [{"labels": {"alertname": "HotlineServiceDown", "severity": "critical", "hotline": f"down-{down}", "service": down}}
              for down in SERVICES]
    alerts += [{"labels": {"alertname": name, "severity": "warning", "hotline": f"down-{down}"}} for down in SERVICES for name in names]
    url = f"http://127.0.0.1:{port}/api/v2/alerts"
    body = json.dumps([dict(alert, annotations={"runbook": "none"}) for alert in alerts]).encode()
    urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=10).close()

    def hidden():
        got = json.load(urllib.request.urlopen(url + "?silenced=false", timeout=10))
        return {(alert["labels"]["hotline"], alert["labels"]["alertname"]): bool(alert["status"]["inhibitedBy"])
                for alert in got if alert["labels"]["hotline"].startswith("down-") and alert["labels"]["alertname"] in names
                and alert["status"]["state"] != "unprocessed"}

    await_true("Alertmanager has judged what was posted", lambda: len(hidden()) == len(SERVICES) * len(names))
    for (hotline, name), is_hidden in hidden().items():
        if is_hidden != (hotline == "down-work_order"):
            fail(f"{name} of {hotline} is {'hidden' if is_hidden else 'told'}")
    print("    ok: only work_order that is down hides what others say of it", flush=True)


def main():
    programs = programs_of(sys.argv[1])
    prometheus, alertmanager = shutil.which("prometheus"), shutil.which("prometheus-alertmanager")
    if not prometheus or not alertmanager:
        skip("prometheus or prometheus-alertmanager is not installed")
    with tempfile.TemporaryDirectory(prefix="hotline-alerts-") as folder:
        webhook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
        threading.Thread(target=webhook.serve_forever, daemon=True).start()
        a, b = two_sites(folder)
        others = []
        try:
            for site in (a, b):
                for service in SERVICES:
                    site.start(programs, service)
            manager_port, = free_ports(1)
            manager = open(f"{ROOT}/deploy/alertmanager/alertmanager.yaml", encoding="utf-8").read()
            manager = manager.replace("127.0.0.1:9099", f"127.0.0.1:{webhook.server_port}").replace("group_interval: 5m", "group_interval: 1s")
            open(f"{folder}/alertmanager.yaml", "w", encoding="utf-8").write(manager)
            others.append(subprocess.Popen(
                [alertmanager, f"--config.file={folder}/alertmanager.yaml", f"--storage.path={folder}/am",
                 f"--web.listen-address=127.0.0.1:{manager_port}", "--cluster.listen-address="],
                stdout=open(f"{folder}/am.log", "w"), stderr=subprocess.STDOUT))
            prometheus = Prometheus(prometheus, folder, (a, b), manager_port)
            others.append(prometheus.process)
            query = prometheus.query

            await_true("Prometheus scrapes all six services", lambda: len(query("up == 1")) == 6)
            await_true("the links are up", lambda: len(query("hotline_link_up == 1")) == 4)
            print("    ok: six targets scraped, links up", flush=True)
            # Without people every rung reaches nobody, which is an alert itself.
            import_people(programs, (a, b))
            await_true("every rung reaches somebody", lambda: len(query("hotline_directory_unreachable_rungs == 0")) == 2)
            await_true("no alert fires when all is well", lambda: not query('ALERTS{alertstate="firing"}'))
            check_inhibition(manager_port)

            b.kill("escalation")
            notes = await_told("HotlineServiceDown", "firing", {"hotline": "110", "service": "escalation"})
            anchor = notes["runbook"].split("#")[1]
            headings = [line[3:].strip().lower() for line in open(f"{ROOT}/deploy/prometheus/runbooks.md", encoding="utf-8") if line.startswith("## ")]
            if anchor not in headings:
                fail(f"no runbook {anchor}")
            b.kill("dispatch")
            await_told("HotlineLinkDown", "firing", {"hotline": "12345", "peer": "110"})
            pushed = a.ctl(programs, "push", "--to", "110", "--type", "help", "--urgency", "emergency",
                           "--title", "alert test", "--text", "alert test", "--anonymous")
            if pushed.returncode != 8:
                fail(f"an emergency to a dead peer must end with 8 (telephone): {pushed.returncode} {pushed.stderr}")
            await_told("HotlineTelephoneRequired", "firing", {"hotline": "12345"})
            await_told("HotlineEmergencyWaiting", "firing", {"hotline": "12345", "lane": "emergency"})

            b.start(programs, "dispatch")
            b.start(programs, "escalation")
            await_told("HotlineServiceDown", "resolved", {"hotline": "110", "service": "escalation"})
            await_told("HotlineLinkDown", "resolved", {"hotline": "12345", "peer": "110"})
            await_true("the emergency arrives", lambda: query('hotline_link_lag_envelopes{hotline="12345",lane="emergency"} == 0'))
            print("    ok: the emergency arrived", flush=True)
        finally:
            end(others + [p for s in (a, b) for p in s.processes.values()])
            webhook.shutdown()
    print("passed: alerts reach a webhook, and their end too")
    return 0


if __name__ == "__main__":
    sys.exit(main())
