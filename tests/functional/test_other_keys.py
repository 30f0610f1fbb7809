"""Keys that have no file of their own, and those that the specification says to ignore."""

import json
import os
from pathlib import Path

from functional import inside
from functional.inside import running, said

FILE = Path(__file__).resolve().parents[2] / "bundles/podman-like/config.json"
PODMANS = json.loads(FILE.read_text())["linux"]["seccomp"]


def test_the_cgroup_path_is_where_the_container_lives(bundle, runtime):
    """An absolute path is relative to the mount point, and always the same place."""
    inside.without(bundle, "cgroup")
    bundle.config["linux"]["cgroupsPath"] = "/lions"
    script = "grep ^0: /proc/self/cgroup"
    for _ in range(2):
        assert said(bundle, runtime, script) == "0::/lions\n"
    del bundle.config["linux"]["cgroupsPath"]
    assert said(bundle, runtime, script).endswith("/c1\n")


def test_the_default_errno_is_what_denied_calls_return(bundle, runtime):
    names = {name for rule in PODMANS["syscalls"] for name in rule["names"]}
    bundle.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 71,
        "syscalls": [{"names": sorted(names - {"mkdir", "mkdirat"}), "action": "SCMP_ACT_ALLOW"}],
    }
    assert os.strerror(71) in said(bundle, runtime, "mkdir /dev/shm/x 2>&1; true")


def test_the_size_of_no_terminal_is_ignored(bundle, runtime):
    """Runtimes MUST ignore consoleSize if terminal is false or unset (config.md, "Process")."""
    for terminal in ({}, {"terminal": False}):
        bundle.config["process"] |= {"consoleSize": {"height": 7, "width": 9}, **terminal}
        assert said(bundle, runtime, "test -t 0 || echo none") == "none\n"
    bundle.config["process"]["consoleSize"] = {"height": 7}
    assert "/process/consoleSize/width: is missing" in inside.refused(bundle, runtime)


def test_what_is_for_windows_is_ignored(bundle, runtime):
    bundle.config["process"] |= {"commandLine": "no such program"}
    bundle.config["process"]["user"]["username"] = "nobody"
    assert said(bundle, runtime, "id -u") == "0\n"


def test_the_processors_of_exec_are_not_those_of_the_init(bundle, runtime, containers):
    """Not applicable to the container's init process (config.md, "Linux Process")."""
    bundle.config["process"]["execCPUAffinity"] = {"initial": "0", "final": "0"}
    pid = running(bundle, runtime, containers)
    assert os.sched_getaffinity(pid) == os.sched_getaffinity(0)
