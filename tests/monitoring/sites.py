"""Two sites of real processes on free loopback ports, for the tests of what watches them."""
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "deploy", "lib"))
from free_ports import free_ports  # noqa: E402

SERVICES = ("work_order", "dispatch", "escalation")
WAIT_S = 120


def fail(what):
    raise SystemExit("FAILED: " + what)


class Beside(threading.Thread):
    """A thread whose failure is the test's: what ended it before its time, `fail` too, which Python drops without a word in any thread
    but the first, is raised by `join`."""

    def __init__(self, what):
        super().__init__(target=what, daemon=True)
        self.fault = None

    def run(self):
        try:
            super().run()
        except BaseException as fault:
            self.fault = fault

    def join(self, timeout=None):
        super().join(timeout)
        if self.fault:
            raise self.fault


def await_true(what, check, wait_s=WAIT_S):
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        try:
            if check():
                return
        except OSError:
            pass
        threading.Event().wait(0.2)
    fail(what)


class Site:
    """One site. `policy` is a file of deadlines; `more` are lines for sections of its configuration, by section."""

    def __init__(self, folder, hotline, ports, peer, peer_ports, policy=None, more=None):
        self.hotline, self.ports, self.folder, self.processes = hotline, ports, folder, {}
        self.config = os.path.join(folder, f"{hotline}.yaml")
        more = more or {}
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'hotline: "{hotline}"\npeers:\n  - {{hotline: "{peer}", address: "127.0.0.1:{peer_ports["dispatch"]}"}}\n')
            file.write(f"units_file: {ROOT}/deploy/units/wuqia.yaml\n" + more.get("site", ""))
            for service in SERVICES:
                file.write(f'{service}:\n  listen: {{address: "127.0.0.1:{ports[service]}", metrics_address: "127.0.0.1:{ports[service + "_metrics"]}"}}\n')
                if service != "dispatch":
                    file.write(f"  data_dir: {folder}/{hotline}-{service}\n")
                else:
                    file.write(f"  emergency_receipt_s: 1\n  catalogue_dir: {ROOT}/deploy/catalogue\n")
                if service == "escalation":
                    policy = policy or f"{ROOT}/deploy/policy/wuqia.yaml"
                    file.write(f"  policy_file: {policy}\n  calendars_file: {ROOT}/deploy/calendars/wuqia.yaml\n")
                file.write(more.get(service, ""))

    def address(self, service):
        return f"127.0.0.1:{self.ports[service]}"

    def metrics(self, service):
        url = f"http://127.0.0.1:{self.ports[service + '_metrics']}/metrics"
        return urllib.request.urlopen(url, timeout=10).read().decode()

    def start(self, programs, service):
        log = open(os.path.join(self.folder, f"{self.hotline}-{service}.log"), "a", encoding="utf-8")
        self.processes[service] = subprocess.Popen(
            [f"{programs}/services/{service}/{service}", "--config", self.config], stdout=log, stderr=log)

    def kill(self, service):
        self.processes[service].send_signal(signal.SIGKILL)
        self.processes.pop(service).wait()

    def ctl(self, programs, *arguments):
        return subprocess.run(
            [f"{programs}/services/hotlinectl/hotlinectl", "--dispatch", self.address("dispatch"), "--work-order",
             self.address("work_order"), "--escalation", self.address("escalation"), *arguments], capture_output=True, text=True)


def ports_of_site():
    names = [service + kind for service in SERVICES for kind in ("", "_metrics")]
    return dict(zip(names, free_ports(len(names))))


def two_sites(folder, **options):
    """12345 and 110, peers of each other; nothing runs yet."""
    ports = {hotline: ports_of_site() for hotline in ("12345", "110")}
    return (Site(folder, "12345", ports["12345"], "110", ports["110"], **options),
            Site(folder, "110", ports["110"], "12345", ports["12345"], **options))


def end(processes):
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()


def hasten(text, pattern, replacement):
    changed, count = re.subn(pattern, replacement, text, flags=re.M)
    if not count:
        fail(f"nothing to hasten: {pattern}")
    return changed


class Prometheus:
    """A real one with the rules and the configuration of deploy/prometheus, hastened: it scrapes the two sites each second, and what
    rules wait for (`for`) is a second. `alertmanager` is a port, or None."""

    def __init__(self, program, folder, sites, alertmanager=None):
        with open(f"{ROOT}/deploy/prometheus/alerts.yaml", encoding="utf-8") as file:
            rules = hasten(file.read(), r"^(\s+for:) .*$", r"\1 1s")
        with open(f"{folder}/alerts.yaml", "w", encoding="utf-8") as file:
            file.write(rules)
        with open(f"{ROOT}/deploy/prometheus/prometheus.yaml", encoding="utf-8") as file:
            config = hasten(file.read(), "15s", "1s")
        # The other hotline of the same machine, which stands there as a comment.
        config = hasten(config, r"# (- {targets: )", r"\1")
        self.port, nobody = free_ports(2)
        config = config.replace("127.0.0.1:9093", f"127.0.0.1:{alertmanager or nobody}")
        for site in sites:
            first = 12311 if site.hotline == "12345" else 11011
            for n, service in enumerate(("dispatch", "work_order", "escalation")):
                config = config.replace(f"127.0.0.1:{first + n}", f"127.0.0.1:{site.ports[service + '_metrics']}")
        with open(f"{folder}/prometheus.yaml", "w", encoding="utf-8") as file:
            file.write(config)
        self.process = subprocess.Popen(
            [program, f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=open(f"{folder}/prometheus.log", "w", encoding="utf-8"), stderr=subprocess.STDOUT)

    def get(self, path, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}"
        try:
            return json.load(urllib.request.urlopen(url, timeout=30))["data"]
        except urllib.error.HTTPError as error:
            # It listens before it is ready, and says so; who waits for something asks again.
            if error.code == 503:
                raise
            fail(f"{parameters}: {json.load(error).get('error')}")

    def query(self, expression):
        return self.get("query", query=expression)["result"]


def programs_of(argument):
    programs = os.path.abspath(argument)
    for name in SERVICES + ("hotlinectl",):
        if not os.path.exists(f"{programs}/services/{name}/{name}"):
            fail(f"no program {programs}/services/{name}/{name}")
    return programs


def skip(why):
    print("SKIPPED: " + why)
    sys.exit(77)
