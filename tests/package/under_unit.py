#!/usr/bin/python3
"""Runs a command as a systemd unit would: as its user, with its umask and environment, and with its SystemCallFilter= in force.

    under_unit.py [--user NAME] UNIT_FILE ROOT ExecStart | ExecStartPre | COMMAND…

For a system in ROOT (`/`: this one) in which no systemd runs; as NAME where the unit's user is not there. The sets of calls (@system-service and so on) are those of this machine's systemd-analyze.
As in systemd the first line of the filter decides that what is not named is denied, and each later one adds or takes away; a call that is
denied kills the process with SIGSYS, unless SystemCallErrorNumber= names an error. Needs root and libseccomp.
"""
import ctypes
import errno
import os
import pwd
import subprocess
import sys

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def read_unit(path):
    """Name → its values, in their order."""
    settings = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if "=" in line and not line.startswith("#"):
                name, value = line.rstrip("\n").split("=", 1)
                settings.setdefault(name, []).append(value)
    return settings


def read_sets():
    """@set → the calls and sets in it."""
    text = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"], check=True, capture_output=True, text=True).stdout
    sets, name = {}, None
    for line in text.splitlines():
        if line.startswith("@"):
            name = line.strip()
            sets[name] = []
        elif not line.startswith(" "):
            name = None  # what is in no set
        elif name and line.strip() and not line.strip().startswith("#"):
            sets[name].append(line.strip())
    return sets


def expand(sets, name):
    return {name} if not name.startswith("@") else {call for part in sets[name] for call in expand(sets, part)}


def allowed_calls(sets, lines):
    if not lines or lines[0].startswith("~"):
        raise SystemExit("a filter that begins with what it allows is wanted")
    allowed = expand(sets, "@default") | {"execve"}
    for line in lines:
        calls = {call for name in line.lstrip("~").split() for call in expand(sets, name)}
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


def make_filter(library, allowed, known, denied):
    """A filter that is ready to be loaded. What systemd does not know is answered as by a kernel that has not got it."""
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(ERRNO | errno.ENOSYS)))
    if not context:
        raise SystemExit("seccomp_init failed")
    for call in sorted(allowed | known):
        number = library.seccomp_syscall_resolve_name(call.encode())
        # Below 0: not of this machine's kind.
        if number >= 0:
            status = library.seccomp_rule_add_array(context, ctypes.c_uint32(ALLOW if call in allowed else denied), number, 0, None)
            if status:
                raise SystemExit(f"{call}: {os.strerror(-status)}")
    return context


def main():
    arguments, name = sys.argv[1:], None
    if arguments[0] == "--user":
        name, arguments = arguments[1], arguments[2:]
    path, root, *command = arguments
    unit, sets = read_unit(path), read_sets()
    library = ctypes.CDLL("libseccomp.so.2")
    denied = ERRNO | getattr(errno, unit["SystemCallErrorNumber"][0]) if "SystemCallErrorNumber" in unit else KILL
    context = make_filter(library, allowed_calls(sets, unit["SystemCallFilter"]), expand(sets, "@known"), denied)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    for line in unit.get("Environment", []):
        environment.update(pair.split("=", 1) for pair in line.split())
    if command[0] in ("ExecStart", "ExecStartPre"):
        command = [word for word in unit[command[0]][0].split() if not word.startswith("$") or environment.get(word[1:])]
    os.chroot(root)
    os.chdir("/")
    user = pwd.getpwnam(name or unit["User"][0])
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.umask(int(unit["UMask"][0], 8))
    # Last, and with it no_new_privs: nothing above is subject to it.
    status = library.seccomp_load(context)
    if status:
        raise SystemExit(f"seccomp_load: {os.strerror(-status)}")
    os.execvpe(command[0], command, environment)


if __name__ == "__main__":
    main()
