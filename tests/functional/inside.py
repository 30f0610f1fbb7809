"""A container for a test: run a script in one and read what it saw, or read why it was refused."""

import subprocess
import time
from pathlib import Path

import pytest

CAPABILITIES = ("bounding", "effective", "inheritable", "permitted", "ambient")


def said(bundle, runtime, script, *flags, **options):
    """Run a shell script as the payload; return its standard output. It must end well."""
    bundle.config["process"]["args"] = ["sh", "-c", script]
    done = runtime("run", "--bundle", bundle.save(), *flags, "c1", **options)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def refused(bundle, runtime, *flags):
    """Run what must be refused; return the one line that says why. Nothing is left of it."""
    done = runtime("run", "--bundle", bundle.save(), *flags, "c1")
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if "level=warning" not in line]
    assert len(lines) == 1, done.stderr
    assert "internal error" not in lines[0]
    assert runtime("state", "c1").returncode == 1
    return lines[0]


def running(bundle, runtime, containers, script="sleep 60", *flags):
    """Create and start a container; return the pid of its first process."""
    bundle.config["process"]["args"] = ["sh", "-c", script]
    done = runtime("run", "--detach", "--bundle", bundle.save(), *flags, "c1")
    assert done.returncode == 0, done.stderr
    return containers.state("c1")["pid"]


def without(bundle, kind):
    """Take a namespace type out of the config."""
    spaces = bundle.config["linux"]["namespaces"]
    spaces[:] = [entry for entry in spaces if entry["type"] != kind]


def at(bundle, kind, path):
    """Have the container join the namespace at `path`."""
    without(bundle, kind)
    bundle.config["linux"]["namespaces"].append({"type": kind, "path": str(path)})


def allow(bundle, *names):
    """Give the payload capabilities, in all sets but the ambient one."""
    sets = bundle.config["process"]["capabilities"]
    for kind in CAPABILITIES[:4]:
        sets[kind] = [*sets.get(kind, []), *names]


def writable(bundle):
    """Let the payload write to its root."""
    bundle.config["root"]["readonly"] = False


class Mounted:
    """One line of mountinfo, proc_pid_mountinfo(5)."""

    def __init__(self, line):
        fields, _, more = line.partition(" - ")
        parts = fields.split(" ")
        self.root, self.point = parts[3], parts[4]
        self.options = set(parts[5].split(","))
        self.peers = {word.partition(":")[0] for word in parts[6:]}
        self.kind, self.source, of_super = more.split(" ", 2)
        self.super_text = of_super
        self.of_super = set(of_super.split(","))


def mounts(text):
    """Return the mounts of a mountinfo by mount point; of several on one point the last."""
    return {each.point: each for each in map(Mounted, text.splitlines())}


def mountinfo(pid="self"):
    """Return the text of a process's mountinfo."""
    return Path(f"/proc/{pid}/mountinfo").read_text()


def mount(*words):
    """Run mount(8) in the test's own mount namespace."""
    subprocess.run(["mount", *map(str, words)], check=True)


def unmount(point):
    """Take a mount and all below it off."""
    subprocess.run(["umount", "--recursive", "--lazy", str(point)], check=True)


def eventually(question, seconds=60.0):
    """Ask until the answer is true; return it."""
    limit = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > limit:
            pytest.fail(f"not within {seconds} s")
        time.sleep(0.01)
    return answer


def pairs(text):
    """Read `name value` lines, such as a script prints them, into a dictionary."""
    return dict(line.split(" ", 1) for line in text.splitlines())


def status(text):
    """Read the fields of /proc/PID/status."""
    return {name: rest.strip() for name, _, rest in (line.partition(":") for line in text.splitlines())}
