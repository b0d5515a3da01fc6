#!/usr/bin/python3
"""Asks a real Prometheus every query of the dashboards in deploy/grafana, while two sites of real processes serve scripted traffic:
each must be answered, have data, have the labels that its legend names, and be of the unit that its panel says.

  dashboards_test.py BIN_DIR [--seconds N] [--pictures DIR]

What is scraped each 15 s is scraped each second here, and deadlines are seconds (traffic.py), so that minutes show what days do; the
week before is written into Prometheus by promtool. --pictures draws each dashboard from the answers, as a PNG (needs matplotlib).
Exit status 77: Prometheus is not installed.
"""
import argparse
import glob
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from sites import ROOT, SERVICES, Beside, Prometheus, await_true, end, fail, programs_of, skip, two_sites
from traffic import MORE, POLICY, Traffic, import_people

WEEK_S = 7 * 86400
VARIABLES = {"$__rate_interval": "20s", "$site": ".*", "$unit": ".*", "$item": ".*"}


def write_last_week(folder, begun):
    """Handoffs of the same hours a week ago, as blocks of Prometheus: a day in which they came and went."""
    lines = ["# TYPE hotline_handoffs counter"]
    for hotline, first, mean in (("12345", 400, 0.01), ("110", 900, 0.04)):
        for direction, share in (("out", 1.0), ("in", 0.4)):
            total = first
            for n in range(0, 26 * 3600, 15):
                at = int(begun) - WEEK_S - 25 * 3600 + n
                total += 15 * share * mean * (1 + 0.6 * math.sin(n / 120))
                lines.append(f'hotline_handoffs_total{{hotline="{hotline}",service="escalation",job="hotline",direction="{direction}",'
                             f'item="none"}} {total:.3f} {at}')
    path = os.path.join(folder, "last-week.txt")
    with open(path, "w", encoding="utf-8") as file:
        # OpenMetrics wants the samples of a series together, and an end.
        file.write("\n".join(lines) + "\n# EOF\n")
    done = subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", path, os.path.join(folder, "tsdb")],
                          capture_output=True, text=True)
    if done.returncode:
        fail("promtool cannot write the week before: " + done.stderr[-500:])


def put_variables(text):
    for name, value in VARIABLES.items():
        text = text.replace(name, value)
    left = re.search(r"\$\w+", text)
    if left:
        fail(f"unknown variable {left.group()} in {text}")
    return text


def label_values(prometheus, definition):
    selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", definition).groups()
    return prometheus.get(f"label/{label}/values", **{"match[]": put_variables(selector)})


def legend(target, labels):
    return re.sub(r"{{(\w+)}}", lambda m: labels.get(m.group(1), ""), target["legendFormat"])


def values_of(series):
    points = series.get("values") or [series["value"]]
    return [(float(t), float(v)) for t, v in points]


def unit_fault(expr, unit, values):
    """What is wrong with the panel's unit, judged by the metrics' names and by the values; None if nothing is."""
    names = set(re.findall(r"\b(?:hotline|grpc|process)_\w+", expr))
    share = bool(re.search(r"/ \(", expr))
    wanted = None
    if any(n.endswith("_bytes") for n in names):
        wanted = "bytes"
    elif any(n.endswith("_time_seconds") for n in names) and not expr.startswith("time() - "):
        wanted = "dateTimeAsIso"
    elif any(re.search(r"_seconds(_bucket|_sum|_total)?$", n) and n != "process_cpu_seconds_total" for n in names):
        wanted = "s"
    elif share and any("code" in n or n.endswith("_total") for n in names):
        wanted = "percentunit"
    elif re.match(r"(sum by \([^)]*\) \()?rate\(", expr) and "grpc_server" in expr:
        wanted = "reqps"
    if wanted and unit != wanted:
        return f"the unit is {unit}, and the metrics say {wanted}"
    if unit == "percentunit" and not all(-0.001 <= v <= 1.001 for v in values):
        return "a share is not between 0 and 1"
    if unit == "s" and not all(-60 <= v <= 1e5 for v in values):
        return "a duration is not one"
    if unit == "dateTimeAsIso" and not all(v > 1.5e12 for v in values):
        return "a time is not milliseconds since 1970"
    return None


def ask(prometheus, panel, target, begun, now):
    """The series of one query; fails if there is none."""
    expr = put_variables(target["expr"])
    where = f"{panel['title']}: {expr}"
    if target["range"]:
        result = prometheus.get("query_range", query=expr, start=begun, end=now, step=max(1, int((now - begun) / 200)))["result"]
    else:
        result = prometheus.get("query", query=expr, time=now)["result"]
    series = [(legend(target, one["metric"]), [p for p in values_of(one) if math.isfinite(p[1])], one["metric"]) for one in result]
    series = [one for one in series if one[1]]
    if not series:
        fail(f"no data: {where}")
    for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
        if not all(label in metric for _, _, metric in series):
            fail(f"the legend names {label}, which the answer has not: {where}")
    names = [name for name, _, _ in series]
    if len(set(names)) != len(names):
        fail(f"two series have one name: {where}: {sorted(names)}")
    fault = unit_fault(expr, panel["fieldConfig"]["defaults"]["unit"], [v for _, points, _ in series for _, v in points])
    if fault:
        fail(f"{fault}: {where}")
    return [(name, points) for name, points, _ in series]


def check_dashboard(dashboard, path):
    """What Grafana would stumble over, and what readers expect."""
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(set(ids)) != len(ids) or not dashboard["uid"] or dashboard["schemaVersion"] < 39:
        fail(f"{path}: ids, uid or schemaVersion")
    taken = {}
    for panel in dashboard["panels"]:
        g = panel["gridPos"]
        if g["x"] + g["w"] > 24:
            fail(f"{path}: {panel['title']} leaves the grid")
        for cell in ((x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])):
            if cell in taken:
                fail(f"{path}: {panel['title']} covers {taken[cell]}")
            taken[cell] = panel["title"]
        if not re.search(r"[\u4e00-\u9fff]", panel["title"]) or re.search(r"^[^A-Za-z0-9]", panel["description"]):
            fail(f"{path}: {panel['title']}: a Chinese title and an English description are wanted")
    for name in ("site", "unit", "item"):
        if name not in [v["name"] for v in dashboard["templating"]["list"]]:
            fail(f"{path}: no variable {name}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--pictures")
    arguments = parser.parse_args()
    programs, program = programs_of(arguments.programs), shutil.which("prometheus")
    if not program or not shutil.which("promtool"):
        skip("prometheus is not installed")
    if subprocess.run([f"{ROOT}/deploy/grafana/make", "--check"]).returncode:
        fail("deploy/grafana/dashboards is stale")
    dashboards = []
    for path in sorted(glob.glob(f"{ROOT}/deploy/grafana/dashboards/*.json")):
        with open(path, encoding="utf-8") as file:
            dashboards.append(json.load(file))
        check_dashboard(dashboards[-1], path)
    uids = {d["uid"] for d in dashboards}
    for link in re.findall(r"/d/([\w-]+)", json.dumps(dashboards)):
        if link not in uids:
            fail(f"a link goes to {link}, which is no dashboard")
    print(f"    ok: {len(dashboards)} dashboards are well formed and are what deploy/grafana/make describes", flush=True)

    with tempfile.TemporaryDirectory(prefix="hotline-dashboards-") as folder:
        with open(f"{folder}/policy.yaml", "w", encoding="utf-8") as file:
            file.write(POLICY)
        a, b = two_sites(folder, policy=f"{folder}/policy.yaml", more=MORE)
        others = []
        try:
            for site in (a, b):
                for service in SERVICES:
                    site.start(programs, service)
            write_last_week(folder, time.time())
            prometheus = Prometheus(program, folder, (a, b))
            others.append(prometheus.process)
            await_true("Prometheus scrapes all six services", lambda: len(prometheus.query("up == 1")) == 6)
            import_people(programs, (a, b))
            begun = time.time()
            traffic = Traffic((a, b), per_second=0.8)
            # In the middle of it 110's front door dies, and a call-taker of 12345 has an emergency.
            share = arguments.seconds / 3

            def outage():
                b.kill("dispatch")
                try:
                    pushed = a.ctl(programs, "push", "--to", "110", "--type", "help", "--urgency", "emergency", "--title", "断线测试",
                                   "--text", "断线时的特急工单", "--anonymous")
                    if pushed.returncode != 8:
                        fail(f"an emergency to a dead peer must end with 8 (telephone): {pushed.returncode} {pushed.stderr}")
                    traffic.ended.wait(min(20, share / 2))
                finally:
                    b.start(programs, "dispatch")

            traffic.run(share)
            breaker = Beside(outage)
            breaker.start()
            try:
                traffic.run(share)
            finally:
                # Not left behind: it starts what the end of the test has to end.
                breaker.join()
            traffic.run(share)
            await_true("alerts stand in Prometheus", lambda: prometheus.query('ALERTS{alertstate="firing"}'))
            # The last samples of what was just done.
            await_true("a sample after the traffic", lambda: prometheus.query(f"max(timestamp(up)) > {time.time() - 2}"))
            now = time.time()
            asked, drawn = 0, {}
            for dashboard in dashboards:
                for variable in dashboard["templating"]["list"]:
                    if variable["type"] == "query" and not label_values(prometheus, variable["query"]["query"]):
                        fail(f"{dashboard['title']}: variable {variable['name']} has no value")
                for annotation in dashboard["annotations"]["list"]:
                    if not prometheus.get("query_range", query=put_variables(annotation["expr"]), start=begun, end=now, step=1)["result"]:
                        fail(f"{dashboard['title']}: no annotation")
                for panel in dashboard["panels"]:
                    answers = [ask(prometheus, panel, target, begun, now) for target in panel["targets"]]
                    asked += len(answers)
                    drawn[dashboard["uid"], panel["id"]] = [one for answer in answers for one in answer]
            done = traffic.finish(20)
            print(f"    ok: {asked} queries of {sum(len(d['panels']) for d in dashboards)} panels have data, labels and units; "
                  f"{len(traffic.journeys)} orders pushed, {done} at their ends", flush=True)
            if arguments.pictures:
                import pictures
                os.makedirs(arguments.pictures, exist_ok=True)
                alerts = prometheus.get("query_range", query='max by (alertname) (ALERTS{alertstate="firing"})', start=begun, end=now, step=1)["result"]
                begins = sorted({(float(one["values"][0][0]), one["metric"]["alertname"]) for one in alerts})
                for dashboard in dashboards:
                    path = os.path.join(arguments.pictures, dashboard["uid"].removeprefix("hotline-") + ".png")
                    pictures.draw(dashboard, drawn, begins, begun, now, path)
                    print(f"    {path}: {os.path.getsize(path) // 1024} KiB", flush=True)
        finally:
            end(others + [p for s in (a, b) for p in s.processes.values()])
    print("passed: every query of every dashboard was answered by a real Prometheus")
    return 0


if __name__ == "__main__":
    sys.exit(main())
