"""Many containers leave the machine as it was."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

COUNT, AT_ONCE = 200, 8
ENTRIES, ENTERING_AT_ONCE = 1000, 4
SECONDS = 60.0


def family():
    """Return the processes of the private view: those below the parent of this process.

    Orphans come to that parent. Zombies do not count, it is about to reap them.
    """
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in "ZX":
            parents[int(entry.name)] = int(parent)
    return {pid for pid in parents if os.getppid() in above(pid, parents)}


def above(pid, parents):
    """Return a process's parent, that one's, and so on."""
    found = []
    while pid := parents.get(pid, 0):
        found.append(pid)
    return found


def machine(root):
    """Return what may not change, each kind counted."""
    cgroups = [path for path in Path("/sys/fs/cgroup").rglob("*") if path.is_dir()]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    keys = Path("/proc/keys").read_text().splitlines() if Path("/proc/keys").exists() else []
    return {
        "mounts": sorted(mounts),
        "cgroups": sorted(cgroups),
        "processes": family(),
        "states": sorted(os.listdir(root)),
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "keyrings": sum("_ses.many-" in line for line in keys),
    }


def test_two_hundred_containers_leave_nothing(runtime, bundle, containers):
    bundle.config["process"]["args"] = ["sleep", "1000"]
    bundle.save()

    def live(number):
        name = f"many-{number}"
        told = []
        for words in (
            ["create", "--bundle", bundle.path, name],
            ["start", name],
            ["kill", name, "KILL"],
            ["delete", "--force", name],
        ):
            done = runtime(*words)
            told.append((done.returncode, done.stdout, done.stderr))
        return told

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: None, range(AT_ONCE)))  # its threads are there before counting
        assert live(0) == [(0, "", "")] * 4
        before = machine(containers.root) | {"keyrings": 0}  # of many-0 it may be there yet
        outcomes = list(pool.map(live, range(1, COUNT + 1)))
    wrong = [outcome for outcome in outcomes if outcome != [(0, "", "")] * 4]
    assert wrong == []
    deadline = time.monotonic() + SECONDS  # the kernel takes its time to forget keyrings
    while machine(containers.root) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert machine(containers.root) == before


def test_a_thousand_processes_that_enter_leave_nothing(runtime, bundle, containers):
    bundle.config["process"]["args"] = ["sleep", "1000"]
    assert runtime("run", "--detach", "--bundle", bundle.save(), "c1").returncode == 0
    files = os.listdir(containers.root / "c1")

    def enter(number):
        done = runtime("exec", "c1", "sh", "-c", f"exit {number % 3}")
        return done.returncode == number % 3, done.stdout, done.stderr

    with ThreadPoolExecutor(ENTERING_AT_ONCE) as pool:
        list(pool.map(lambda _: None, range(ENTERING_AT_ONCE)))
        assert enter(0) == (True, "", "")
        before = machine(containers.root)
        outcomes = set(pool.map(enter, range(ENTRIES)))
    assert outcomes == {(True, "", "")}
    assert sorted(os.listdir(containers.root / "c1")) == sorted(files)
    deadline = time.monotonic() + SECONDS
    while machine(containers.root) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert machine(containers.root) == before
