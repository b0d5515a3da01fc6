#!/usr/bin/python3
"""Holds the table of metrics in README.md to what really running services serve, and to the alerts.

  metrics_test.py BIN_DIR

Every metric that is served stands in the table with its type and its labels, and every metric of the table is served by the programs
it names; `promtool check metrics` finds nothing on any page; labels are few and hold nobody's data; every alert has a runbook in both
languages and a case in rules_test.yaml, uses metrics that exist, and stands beside them in the table. Exit status 77: promtool is not
installed.
"""
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

from sites import ROOT, SERVICES, Site, await_true, end, fail, free_ports, ports_of_site, programs_of, skip, two_sites
from traffic import MORE, POLICY, Traffic, await_served, import_people

Row = collections.namedtuple("Row", "kind labels programs alerts")
# Most values that one label may have on one page, and most series of a page.
MOST_VALUES, MOST_SERIES = 200, 5000


def read_table():
    """Name → Row, from the section Metrics of README.md."""
    with open(f"{ROOT}/README.md", encoding="utf-8") as file:
        section = file.read().split("\n## Metrics\n")[1].split("\n## ")[0]
    rows = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("| `") or len(cells) != 6:
            continue
        names, kind, labels, programs, _, alerts = cells
        for name in re.findall(r"`(\w+)`", names):
            if name in rows:
                fail(f"README.md names {name} twice")
            rows[name] = Row(kind, set(re.findall(r"`(\w+)`", labels)), set(re.findall(r"\w+", programs)), set(re.findall(r"Hotline\w+", alerts)))
    if len(rows) < 50:
        fail("README.md has no table of metrics that this test understands")
    return rows


def read_page(text):
    """Name → (type, labels, {label: values}), and how many series there are."""
    families, series = {}, 0
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            families[name] = (kind, set(), collections.defaultdict(set))
        elif line and not line.startswith("#"):
            series += 1
            name, labels = re.fullmatch(r"(\w+)(?:{(.*)})? \S+(?: \d+)?", line).groups()
            base = name if name in families else re.sub(r"_(bucket|sum|count)$", "", name)
            for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or ""):
                if label not in ("le", "quantile"):
                    families[base][1].add(label)
                    families[base][2][label].add(value)
    return families, series


def read_alerts():
    """Name of an alert → metrics of its expression."""
    with open(f"{ROOT}/deploy/prometheus/alerts.yaml", encoding="utf-8") as file:
        rules = yaml.safe_load(file)["groups"][0]["rules"]
    with open(f"{ROOT}/tests/monitoring/rules_test.yaml", encoding="utf-8") as file:
        cases = {test["alertname"] for one in yaml.safe_load(file)["tests"] for test in one["alert_rule_test"] if test.get("exp_alerts")}
    with open(f"{ROOT}/deploy/prometheus/runbooks.md", encoding="utf-8") as file:
        books = dict(zip(*[iter(re.split(r"^## (\w+)\n", file.read(), flags=re.M)[1:])] * 2))
    alerts = {}
    for rule in rules:
        name = rule["alert"]
        # Names of labels stand in braces and after `by`.
        expr = re.sub(r"{[^}]*}|\bby \([^)]*\)", "", rule["expr"])
        alerts[name] = {re.sub(r"_bucket$", "", m) for m in re.findall(r"\b(?:hotline|grpc|process)_\w+", expr)}
        if name not in cases:
            fail(f"{name} has no case in rules_test.yaml in which it fires")
        if not all(part in books.get(name, "") for part in ("**含义**", "**处置**", "**Meaning**", "**What to do**")):
            fail(f"{name} has no runbook in both languages")
        if not re.search(r"[\u4e00-\u9fff]", rule["annotations"]["summary"]):
            fail(f"{name} has no Chinese summary")
        if rule["annotations"]["runbook"] != f"deploy/prometheus/runbooks.md#{name.lower()}":
            fail(f"{name} names a wrong runbook")
    return alerts


def special_site(folder):
    """A site with all that the other two have not: TLS, a peer behind a spool with signatures, a webhook, backups."""
    subprocess.run([f"{ROOT}/deploy/certs/make", "--dir", f"{folder}/tls", "119"], check=True)
    subprocess.run([f"{ROOT}/deploy/keys/make", "--dir", f"{folder}/keys", "--id", "k1", "119", "120"], check=True, capture_output=True)
    for name in ("out", "in"):
        os.mkdir(f"{folder}/{name}")
    with open(f"{folder}/secret", "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write("0123456789abcdef0123456789abcdef")
    peer, webhook = free_ports(2)
    site = Site(folder, "119", ports_of_site(), "120", {"dispatch": peer}, more={
        "site": f"tls: {{certificate_file: '{folder}/tls/119/{{role}}.crt', key_file: '{folder}/tls/119/{{role}}.key', ca_file: '{folder}/tls/ca.crt'}}\n"
                f"signing: {{keys: [{{key_id: k1, private_key_file: '{folder}/keys/119/k1.key'}}]}}\n"
                f"backup: {{directory: '{folder}/backups'}}\n",
        "escalation": f"  notify:\n    webhooks:\n      - {{name: sms, url: 'http://127.0.0.1:{webhook}/', insecure_allow_http: true, allow_private_network: true,\n"
                      f"         secrets: [{{key_id: s1, file: '{folder}/secret'}}]}}\n"})
    with open(site.config, encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"address: \"127[^}]*}", f"spool: {{out_directory: '{folder}/out', in_directory: '{folder}/in'}}, "
                  f"public_keys: [{{key_id: k1, file: '{folder}/keys/120/k1.pub'}}]}}", text, count=1)
    with open(site.config, "w", encoding="utf-8") as file:
        file.write(text)
    return site


def main():
    programs = programs_of(sys.argv[1])
    if not shutil.which("promtool"):
        skip("promtool is not installed (Debian: prometheus)")
    table, alerts = read_table(), read_alerts()
    with tempfile.TemporaryDirectory(prefix="hotline-metrics-") as folder:
        with open(f"{folder}/policy.yaml", "w", encoding="utf-8") as file:
            file.write(POLICY)
        a, b = two_sites(folder, policy=f"{folder}/policy.yaml", more=MORE)
        c = special_site(folder)
        try:
            for site in (a, b, c):
                for service in SERVICES:
                    site.start(programs, service)
            await_served((a, b, c))
            import_people(programs, (a, b))
            traffic = Traffic((a, b), per_second=2)
            traffic.run(8)
            traffic.finish(60)
            # Deadlines are seconds, so some are missed, and the ladder does something about it.
            await_true("a deadline is missed", lambda: "hotline_deadlines_breached_total{" in a.metrics("escalation") + b.metrics("escalation"))
            await_true("deadlines are counted", lambda: "hotline_deadlines{" in a.metrics("escalation") + b.metrics("escalation"))
            pages = {(site.hotline, service): site.metrics(service) for site in (a, b, c) for service in SERVICES}
        finally:
            end([p for s in (a, b, c) for p in s.processes.values()])

        served = collections.defaultdict(lambda: [set(), set(), set()])  # name → types, labels, services
        for (hotline, service), text in pages.items():
            checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
            if checked.returncode or checked.stderr.strip():
                fail(f"promtool on {service} of {hotline}: {checked.stderr}")
            families, series = read_page(text)
            if series > MOST_SERIES:
                fail(f"{service} of {hotline} serves {series} series")
            for name, (kind, labels, values) in families.items():
                served[name][0].add(kind)
                served[name][1] |= labels
                served[name][2].add(service)
                for label, found in values.items():
                    if len(found) > MOST_VALUES:
                        fail(f"{name} has {len(found)} values of {label}")
        print(f"    ok: promtool finds nothing on {len(pages)} pages; {len(served)} metrics", flush=True)
        # Texts and persons of the orders that were pushed: none of it on any page.
        everything = "\n".join(pages.values())
        for order in traffic.orders:
            content = order["content"]
            caller = content.get("caller", {})
            for personal in (content["title"], content["text"], caller.get("name"), caller.get("phone"), content.get("place", {}).get("address")):
                if personal and personal in everything:
                    fail("a page holds what a caller said or is called")

    faults = []
    for name, (kinds, labels, services) in sorted(served.items()):
        row = table.get(name)
        if row is None:
            faults.append(f"README.md does not name {name} ({'/'.join(kinds)}, {sorted(labels)}, {sorted(services)})")
            continue
        if kinds != {row.kind}:
            faults.append(f"{name} is a {'/'.join(kinds)}, README.md says {row.kind}")
        if labels != row.labels:
            faults.append(f"{name} has the labels {sorted(labels)}, README.md says {sorted(row.labels)}")
        wanted = set(SERVICES) if row.programs == {"all"} else row.programs
        if services != wanted:
            faults.append(f"{name} is served by {sorted(services)}, README.md says {sorted(wanted)}")
    faults += [f"README.md names {name}, which nobody serves" for name in sorted(set(table) - set(served))]
    for name, row in table.items():
        wanted = {alert for alert, metrics in alerts.items() if name in metrics}
        if row.alerts != wanted:
            faults.append(f"{name}: README.md names the alerts {sorted(row.alerts)}, alerts.yaml uses it in {sorted(wanted)}")
    for alert, metrics in alerts.items():
        faults += [f"{alert} uses {metric}, which is not served" for metric in metrics - set(table)]
    if os.environ.get("HOTLINE_METRICS_DUMP"):
        with open(os.environ["HOTLINE_METRICS_DUMP"], "w", encoding="utf-8") as file:
            json.dump({name: [sorted(part) for part in parts] for name, parts in served.items()}, file)
    if faults:
        fail("\n".join(faults))
    print(f"    ok: the table of README.md has all {len(table)} metrics as they are served, and {len(alerts)} alerts", flush=True)
    print("passed: metrics, their table and their alerts agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
