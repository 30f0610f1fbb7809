"""Events where all controllers are: real limits, real OOM kills, and runc beside us.

Run inside the guest as root under systemd, with Debian's runc.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

from functional import inside
from guest.placing import GREEDY, limited, placed, spared

__all__ = ["placed"]  # a fixture

# What of runc's document may differ from ours: measured at another moment, in another process.
KEYS_ONLY = ("total", "kernel", "user", "usage", "max", "value", "raw", "cache", "current", "avg10", "avg60", "avg300")
CACHING = "head -c 1m /dev/zero > /dev/shm/x; exec sleep 1000"


def succeed(done):
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def events(launcher, containers, *options):
    command = [str(launcher), "--root", str(containers.root), "events", *options, "c1"]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def test_every_controller_is_told(runtime, placed, containers):
    inside.running(placed, runtime, containers, "exec sleep 1000")
    cgroup = limited(
        containers, memory_max="67108864", pids_max="77", cpu_max="50000 100000", cpuset_cpus="0"
    )
    data = json.loads(succeed(runtime("events", "--stats", "c1")))["data"]
    assert data["memory"]["usage"]["limit"] == 64 << 20
    assert data["memory"]["usage"]["usage"] > 0
    assert data["memory"]["raw"].keys() == {
        line.split()[0] for line in Path(cgroup, "memory.stat").read_text().splitlines()
    }
    assert data["pids"] == {"current": 1, "limit": 77}
    assert data["cpuset"]["cpus"] == [0]
    for part in ("cpu", "memory", "blkio"):
        assert set(data[part]["psi"]) == {"some", "full"}


def test_a_throttled_container_says_so(runtime, placed, containers):
    inside.running(placed, runtime, containers, "while :; do :; done")
    limited(containers, cpu_max="1000 100000")

    def throttled():
        data = json.loads(succeed(runtime("events", "--stats", "c1")))["data"]
        return data["cpu"].get("throttling", {}).get("throttledTime")

    assert inside.eventually(throttled) > 0


def test_an_oom_kill_is_told_when_it_happens(launcher, runtime, placed, containers):
    inside.writable(placed)
    spared(placed)
    inside.running(placed, runtime, containers, f"{GREEDY}exec sleep 1000")
    limited(containers, memory_max="33554432", memory_swap_max="0")
    stream = events(launcher, containers, "--interval", "100h")
    inside.eventually(lambda: watches(stream.pid))
    (placed.rootfs / "go").touch()
    assert json.loads(stream.stdout.readline()) == {"type": "oom", "id": "c1"}
    succeed(runtime("kill", "c1", "KILL"))
    assert stream.communicate(timeout=120)[0] == ""
    assert stream.returncode == 0


def test_the_oom_kill_that_ends_the_container_is_told_before_the_end(launcher, runtime, placed, containers):
    script = "while [ ! -e /go ]; do sleep 0.1; done; exec tail /dev/zero"
    inside.writable(placed)
    inside.running(placed, runtime, containers, script)
    limited(containers, memory_max="33554432", memory_swap_max="0")
    stream = events(launcher, containers, "--interval", "100h")
    inside.eventually(lambda: watches(stream.pid))
    (placed.rootfs / "go").touch()
    told = [json.loads(line) for line in stream.communicate(timeout=240)[0].splitlines()]
    assert told == [{"type": "oom", "id": "c1"}]
    assert stream.returncode == 0


def watches(pid):
    try:
        targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    except FileNotFoundError:
        return False
    return any(target.endswith("/memory.events") for target in targets)


def shape(document):
    """Return a document with those of its values that may differ replaced by their kind."""
    if isinstance(document, dict):
        return {key: type(value).__name__ if key in KEYS_ONLY and not isinstance(value, dict) else shape(value)
                for key, value in document.items()}  # fmt: skip
    if isinstance(document, list):
        return [shape(each) for each in document]
    return "number" if isinstance(document, float) else document


def test_runc_tells_the_same_of_the_same_cgroup(runtime, placed, containers, tmp_path):
    runc = shutil.which("runc-sid") or shutil.which("runc")
    assert runc, "the guest has runc"
    inside.running(placed, runtime, containers, CACHING)
    inside.eventually(lambda: b"sleep" in Path(f"/proc/{containers.state('c1')['pid']}/cmdline").read_bytes())
    cgroup = limited(containers, memory_max="67108864", pids_max="77", cpu_max="50000 100000")
    ours = json.loads(succeed(runtime("events", "--stats", "c1")))["data"]
    theirs = as_runc(runc, tmp_path, placed, cgroup)
    missing = {part: sorted(set(theirs[part] or ()) - set(ours[part] or ())) for part in theirs}
    empty = {"memory": ["kernel", "kernelTCP"], "cpu": ["throttling"]}  # runc before 1.4 shows what is zero
    if not Path(cgroup, "io.stat").read_text().strip():  # nothing went to a disk; runc itself came from one
        empty["blkio"] = ["ioServiceBytesRecursive", "ioServicedRecursive"]
    assert {part: [key for key in keys if key not in empty.get(part, ())] for part, keys in missing.items()} == {
        part: [] for part in theirs
    }
    assert list(theirs) == list(ours)
    assert shape(ours["pids"]) == shape(theirs["pids"])
    assert ours["cpuset"] == theirs["cpuset"]
    assert ours["memory"]["usage"]["limit"] == theirs["memory"]["usage"]["limit"]
    assert ours["memory"]["swap"]["limit"] == theirs["memory"]["swap"]["limit"]
    assert set(ours["memory"]["raw"]) == set(theirs["memory"]["raw"])
    for size, told in theirs["hugetlb"].items():  # what the cgroup above gives on, if it does
        assert told.get("usage") == ours["hugetlb"][size].get("usage")


def caches(cgroup):
    text = Path(f"/sys/fs/cgroup{cgroup}/memory.stat").read_text()
    return int(text.partition("\nfile ")[2].split()[0]) >= 1 << 20


def as_runc(runc, tmp_path, bundle, cgroup):
    """Return what runc tells of a container of its own with the same limits."""
    config = json.loads((bundle.path / "config.json").read_text())
    config["process"]["args"] = ["sh", "-c", CACHING]
    config["linux"]["cgroupsPath"] = bundle.config["linux"]["cgroupsPath"] + "-runc"
    quota, period = Path(cgroup, "cpu.max").read_text().split()
    config["linux"]["resources"] = {
        "memory": {"limit": 64 << 20},
        "pids": {"limit": 77},
        "cpu": {"quota": int(quota), "period": int(period)},
    }
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/config.json").write_text(json.dumps(config))
    os.symlink(bundle.rootfs, tmp_path / "theirs/rootfs")
    config["root"]["path"] = str(bundle.rootfs)
    (tmp_path / "theirs/config.json").write_text(json.dumps(config))
    root = ["--root", str(tmp_path / "runc")]
    common = {"stdin": subprocess.DEVNULL, "check": True}
    subprocess.run([runc, *root, "run", "-d", "-b", str(tmp_path / "theirs"), "r1"], stdout=subprocess.DEVNULL, **common)
    try:
        inside.eventually(lambda: caches(config["linux"]["cgroupsPath"]))
        done = subprocess.run([runc, *root, "events", "--stats", "r1"], stdout=subprocess.PIPE, text=True, **common)
    finally:
        subprocess.run([runc, *root, "delete", "--force", "r1"], **common)
    return json.loads(done.stdout)["data"]
