#!/usr/bin/python3
"""The three programs as their units start them: not as root, with the unit's umask, and killed by a system call that its filter denies.

    units_test.py BUILD_DIR

A site with a spool, from ready to the end of a drain. What the rest of a unit forbids (folders, addresses) needs a systemd: tests/package/run
looks at more, in a Debian of its own. Exits with 77 where it may not or cannot: it needs root, systemd-analyze and libseccomp.
"""
import ctypes
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
USER = "nobody"
PATIENCE_S = 60

SITE = """hotline: "12345"
peers:
  - hotline: "110"
    spool: {{out_directory: spool/out, in_directory: spool/in, scan_interval_ms: 100}}
    public_keys: [{{key_id: k, file: keys/110/k.pub}}]
signing: {{keys: [{{key_id: k, private_key_file: keys/12345/k.key}}]}}
units_file: units/wuqia.yaml
work_order: {{listen: {{address: "127.0.0.1:0"}}, data_dir: data/work_order, address: "{work_order}"}}
dispatch: {{listen: {{address: "127.0.0.1:0"}}, catalogue_dir: catalogue}}
escalation: {{listen: {{address: "127.0.0.1:0"}}, data_dir: data/escalation, policy_file: policy/wuqia.yaml, calendars_file: calendars/wuqia.yaml}}
log: {{file: "log/{{role}}.log"}}
"""


def skip(why):
    print("skipped:", why)
    sys.exit(77)


class Service:
    """One program under its unit; `address` is where it serves."""

    def __init__(self, folder, name):
        self.name = name
        self.log = os.path.join(folder, name + ".out")
        unit = os.path.join(ROOT, "deploy/systemd", f"hotline-{name.replace('_', '-')}.service")
        command = [os.path.join(ROOT, "tests/package/under_unit.py"), "--user", USER, unit, "/", os.path.join(folder, name), "--config",
                   os.path.join(folder, "site.yaml")]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            self.address = self.await_ready()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def said(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def await_ready(self):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            for line in self.said().splitlines():
                if line.startswith("READY "):
                    return line.split("grpc=")[1].split()[0]
            status = self.process.poll()
            if status is not None:
                why = "a system call that its unit denies" if status == -signal.SIGSYS else f"status {status}"
                raise SystemExit(f"{self.name} ended before it served: {why}\n{self.said()[-2000:]}")
            time.sleep(0.05)
        raise SystemExit(f"{self.name} did not serve\n{self.said()[-2000:]}")

    def drain(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE_S)
        if status != 0:
            raise SystemExit(f"{self.name} did not drain: status {status}\n{self.said()[-2000:]}")


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def await_files(folder, suffix):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(suffix)] if os.path.isdir(folder) else []
        if found:
            return found
        time.sleep(0.05)
    raise SystemExit(f"no {suffix} in {folder}")


def expect(what, right):
    if not right:
        raise SystemExit(f"failed: {what}")
    print("ok:", what)


def run(build, folder, services):
    for name in ("units", "policy", "calendars", "catalogue"):
        shutil.copytree(os.path.join(ROOT, "deploy", name), os.path.join(folder, name))
    for name in ("work_order", "dispatch", "escalation"):
        shutil.copy(os.path.join(build, "services", name, name), folder)
    subprocess.run([os.path.join(ROOT, "deploy/keys/make"), "--dir", os.path.join(folder, "keys"), "--id", "k", "12345", "110"], check=True,
                   stdout=subprocess.DEVNULL)
    user = pwd.getpwnam(USER)
    for path, folders, files in os.walk(folder):
        for name in [path] + [os.path.join(path, one) for one in folders + files]:
            os.chown(name, user.pw_uid, user.pw_gid)

    def write(work_order):
        with open(os.path.join(folder, "site.yaml"), "w", encoding="utf-8") as file:
            file.write(SITE.format(work_order=work_order))
        os.chmod(file.name, 0o644)

    # Until work_order has a port.
    write("127.0.0.1:1")
    services["work_order"] = Service(folder, "work_order")
    write(services["work_order"].address)
    for name in ("dispatch", "escalation"):
        services[name] = Service(folder, name)
    print("ok: each program serves under the filter of its unit")

    ctl = [os.path.join(build, "services/hotlinectl/hotlinectl"), "--timeout", "60s"]
    for name, service in services.items():
        ctl += ["--" + name.replace("_", "-"), service.address]
    pushed = subprocess.run(ctl + ["push", "--to", "110", "--type", "help", "--title", "路灯不亮", "--text", "街口路灯不亮三天了", "--anonymous"],
                            capture_output=True, text=True)
    expect(f"an order is pushed: {pushed.stderr.strip()[-300:]}" if pushed.returncode else "an order is pushed", pushed.returncode == 0)
    for bundle in await_files(os.path.join(folder, "spool/out"), ".hlb"):
        expect("the group may copy a bundle, others may not read it", mode_of(bundle) == 0o640)
    expect("the group may copy out of the folder", mode_of(os.path.join(folder, "spool/out")) == 0o750)
    for name, service in services.items():
        expect(f"the group may read the log of {name}", mode_of(os.path.join(folder, "log", name + ".log")) == 0o640)
    stores = [os.path.join(path, name) for path, _, files in os.walk(os.path.join(folder, "data")) for name in files if ".db" in name]
    expect("there are stores", len(stores) >= 3)
    for store in stores:
        expect(f"{os.path.basename(store)} is for nobody else", mode_of(store) == 0o600)
    for name in ("dispatch", "escalation", "work_order"):
        services[name].drain()
        del services[name]
    print("ok: each drains and ends with 0")


def main():
    build = os.path.abspath(sys.argv[1])
    if os.geteuid() != 0:
        skip("only root can become another user")
    if shutil.which("systemd-analyze") is None:
        skip("no systemd-analyze: what @system-service is, is not known")
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError as error:
        skip(error)
    services = {}
    with tempfile.TemporaryDirectory(prefix="hotline-units-") as folder:
        try:
            run(build, folder, services)
        finally:
            for service in services.values():
                service.process.kill()
                service.process.wait()


if __name__ == "__main__":
    main()
