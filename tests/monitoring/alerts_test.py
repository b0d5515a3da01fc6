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
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
WAIT_S = 120
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


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Site:
    def __init__(self, folder, hotline, ports, peer, peer_ports):
        self.hotline, self.ports, self.folder, self.processes = hotline, ports, folder, {}
        self.config = os.path.join(folder, f"{hotline}.yaml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'hotline: "{hotline}"\npeers:\n  - {{hotline: "{peer}", address: "127.0.0.1:{peer_ports["dispatch"]}"}}\n')
            for service in ("work_order", "dispatch", "escalation"):
                file.write(f'{service}:\n  listen: {{address: "127.0.0.1:{ports[service]}", metrics_address: "127.0.0.1:{ports[service + "_metrics"]}"}}\n')
                if service != "dispatch":
                    file.write(f"  data_dir: {folder}/{hotline}-{service}\n")
                else:
                    file.write("  emergency_receipt_s: 1\n")
                if service == "escalation":
                    file.write(f"  policy_file: {ROOT}/deploy/policy/wuqia.yaml\n  calendars_file: {ROOT}/deploy/calendars/wuqia.yaml\n")

    def start(self, programs, service):
        log = open(os.path.join(self.folder, f"{self.hotline}-{service}.log"), "a", encoding="utf-8")
        self.processes[service] = subprocess.Popen(
            [f"{programs}/services/{service}/{service}", "--config", self.config], stdout=log, stderr=log)

    def kill(self, service):
        self.processes[service].send_signal(signal.SIGKILL)
        self.processes.pop(service).wait()


def await_told(name, status, labels):
    """The alert with these labels was told with this status; fails after WAIT_S."""
    end = time.monotonic() + WAIT_S
    with told_changed:
        while True:
            for was, got, annotations in told.get(name, []):
                if was == status and all(got.get(k) == v for k, v in labels.items()):
                    print(f"    ok: {status} {name} {labels}", flush=True)
                    return annotations
            left = end - time.monotonic()
            if left <= 0:
                raise SystemExit(f"FAILED: the webhook was not told: {status} {name} {labels}; it was told {sorted(told)}")
            told_changed.wait(left)


def await_true(what, check):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            if check():
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"FAILED: {what}")


def main():
    programs = os.path.abspath(sys.argv[1])
    prometheus, alertmanager = shutil.which("prometheus"), shutil.which("prometheus-alertmanager")
    if not prometheus or not alertmanager:
        print("SKIPPED: prometheus or prometheus-alertmanager is not installed")
        return 77
    names = [s + m for s in ("work_order", "dispatch", "escalation") for m in ("", "_metrics")]
    ports = {h: {n: free_port() for n in names} for h in ("12345", "110")}
    with tempfile.TemporaryDirectory(prefix="hotline-alerts-") as folder:
        webhook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
        threading.Thread(target=webhook.serve_forever, daemon=True).start()
        a = Site(folder, "12345", ports["12345"], "110", ports["110"])
        b = Site(folder, "110", ports["110"], "12345", ports["12345"])
        others = []
        try:
            for site in (a, b):
                for service in ("work_order", "dispatch", "escalation"):
                    site.start(programs, service)
            rules = open(f"{ROOT}/deploy/prometheus/alerts.yaml", encoding="utf-8").read()
            with open(f"{folder}/alerts.yaml", "w", encoding="utf-8") as file:
                file.write(re.sub(r"^(\s+for:) .*$", r"\1 1s", rules, flags=re.M))
            config = open(f"{ROOT}/deploy/prometheus/prometheus.yaml", encoding="utf-8").read()
            config = config.replace("15s", "1s")
            manager_port, prometheus_port = free_port(), free_port()
            config = config.replace("127.0.0.1:9093", f"127.0.0.1:{manager_port}")
            for hotline, first in (("12345", 12311), ("110", 11011)):
                for n, service in enumerate(("dispatch", "work_order", "escalation")):
                    config = config.replace(f"127.0.0.1:{first + n}", f"127.0.0.1:{ports[hotline][service + '_metrics']}")
            open(f"{folder}/prometheus.yaml", "w", encoding="utf-8").write(config)
            manager = open(f"{ROOT}/deploy/alertmanager/alertmanager.yaml", encoding="utf-8").read()
            manager = manager.replace("127.0.0.1:9099", f"127.0.0.1:{webhook.server_port}").replace("group_interval: 5m", "group_interval: 1s")
            open(f"{folder}/alertmanager.yaml", "w", encoding="utf-8").write(manager)
            others.append(subprocess.Popen(
                [alertmanager, f"--config.file={folder}/alertmanager.yaml", f"--storage.path={folder}/am",
                 f"--web.listen-address=127.0.0.1:{manager_port}", "--cluster.listen-address="],
                stdout=open(f"{folder}/am.log", "w"), stderr=subprocess.STDOUT))
            others.append(subprocess.Popen(
                [prometheus, f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/tsdb",
                 f"--web.listen-address=127.0.0.1:{prometheus_port}"],
                stdout=open(f"{folder}/prometheus.log", "w"), stderr=subprocess.STDOUT))

            def query(expression):
                url = f"http://127.0.0.1:{prometheus_port}/api/v1/query?query={urllib.request.quote(expression)}"
                return json.load(urllib.request.urlopen(url, timeout=5))["data"]["result"]

            await_true("Prometheus scrapes all six services", lambda: len(query("up == 1")) == 6)
            await_true("the links are up", lambda: len(query("hotline_link_up == 1")) == 4)
            print("    ok: six targets scraped, links up", flush=True)
            firing = [r["metric"]["alertname"] for r in query('ALERTS{alertstate="firing"}')]
            if firing:
                raise SystemExit(f"FAILED: alerts though all is well: {firing}")

            b.kill("escalation")
            notes = await_told("HotlineServiceDown", "firing", {"hotline": "110", "service": "escalation"})
            anchor = notes["runbook"].split("#")[1]
            headings = [line[3:].strip().lower() for line in open(f"{ROOT}/deploy/prometheus/runbooks.md", encoding="utf-8") if line.startswith("## ")]
            if anchor not in headings:
                raise SystemExit(f"FAILED: no runbook {anchor}")
            b.kill("dispatch")
            await_told("HotlineLinkDown", "firing", {"hotline": "12345", "peer": "110"})
            pushed = subprocess.run(
                [f"{programs}/services/hotlinectl/hotlinectl", "--dispatch", f"127.0.0.1:{ports['12345']['dispatch']}",
                 "--work-order", f"127.0.0.1:{ports['12345']['work_order']}", "push", "--to", "110", "--type", "help", "--urgency", "emergency",
                 "--title", "alert test", "--text", "alert test", "--anonymous"], capture_output=True, text=True)
            if pushed.returncode != 8:
                raise SystemExit(f"FAILED: an emergency to a dead peer must end with 8 (telephone): {pushed.returncode} {pushed.stderr}")
            await_told("HotlineTelephoneRequired", "firing", {"hotline": "12345"})
            await_told("HotlineEmergencyWaiting", "firing", {"hotline": "12345", "lane": "emergency"})

            b.start(programs, "dispatch")
            b.start(programs, "escalation")
            await_told("HotlineServiceDown", "resolved", {"hotline": "110", "service": "escalation"})
            await_told("HotlineLinkDown", "resolved", {"hotline": "12345", "peer": "110"})
            await_true("the emergency arrives", lambda: query('hotline_link_lag_envelopes{hotline="12345",lane="emergency"} == 0'))
            print("    ok: the emergency arrived", flush=True)
        finally:
            for process in others + [p for s in (a, b) for p in s.processes.values()]:
                process.terminate()
            for process in others + [p for s in (a, b) for p in s.processes.values()]:
                process.wait()
            webhook.shutdown()
    print("passed: alerts reach a webhook, and their end too")
    return 0


if __name__ == "__main__":
    sys.exit(main())
