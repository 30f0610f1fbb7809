"""Where a container's cgroup is among those of systemd, who is in it, and what it shows and forbids."""

import json
import os
from pathlib import Path

import pytest
from conftest import CGROUPS
from functional import inside
from functional.inside import allow, mountinfo, mounts, refused, running, said, without
from functional.mapped import map_ids

KMSG = "mknod /dev/shm/kmsg c 1 11; (: < /dev/shm/kmsg) 2>&1 && echo read; echo made"


def members(cgroup):
    return (CGROUPS / cgroup / "cgroup.procs").read_text().split()


def own_parent():
    """Return the cgroup above the test's own, which systemd made for the service that it runs in."""
    (line,) = Path("/proc/self/cgroup").read_text().splitlines()
    return line.removeprefix("0::/").rpartition("/")[0]


def test_the_hierarchy_is_the_machines_own_and_has_the_controllers():
    """What the other tests here rest upon: no private view, and systemd in the same hierarchy."""
    assert "init.scope" in os.listdir(CGROUPS)
    assert {"cpuset", "cpu", "io", "memory", "pids"} <= set((CGROUPS / "cgroup.controllers").read_text().split())


def test_an_absolute_path_begins_at_the_top(bundle, runtime, containers):
    bundle.config["linux"]["cgroupsPath"] = "/system.slice/box"
    pid = running(bundle, runtime, containers)
    assert members("system.slice/box") == [str(pid)]
    assert Path(f"/proc/{pid}/cgroup").read_text() == "0::/system.slice/box\n"


@pytest.mark.parametrize("wish", [None, "below/box"])
def test_a_relative_one_begins_beside_the_caller(bundle, runtime, containers, wish):
    if wish:
        bundle.config["linux"]["cgroupsPath"] = wish
    pid = running(bundle, runtime, containers)
    assert members(f"{own_parent()}/{wish or 'c1'}") == [str(pid)]
    assert runtime("delete", "--force", "c1").returncode == 0
    if wish:
        (CGROUPS / own_parent() / "below").rmdir()


def test_what_the_payload_starts_is_in_it_and_ends_with_delete(bundle, runtime, containers):
    bundle.config["linux"]["cgroupsPath"] = "/system.slice/box"
    running(bundle, runtime, containers, "sleep 1000 & sleep 1000 & echo all; wait")
    assert inside.eventually(lambda: len(members("system.slice/box")) == 3)
    pids = members("system.slice/box")
    assert runtime("delete", "--force", "c1").returncode == 0
    assert not (CGROUPS / "system.slice/box").exists()
    assert [pid for pid in pids if os.path.exists(f"/proc/{pid}/exe")] == []


def test_a_cgroup_namespace_shows_its_own_as_the_root(bundle, runtime):
    script = "cat /proc/self/cgroup; cd /sys/fs/cgroup; head -n 1 cgroup.procs; ls -d init.scope memory.max"
    assert said(bundle, runtime, f"({script}) 2>&1 || true").splitlines() == [
        "0::/", "1", "ls: init.scope: No such file or directory", "memory.max"
    ]  # fmt: skip


def test_without_that_namespace_the_whole_hierarchy_is_shown(bundle, runtime):
    """And the mount of the machine keeps its options, which a new one would take away."""
    before = mounts(mountinfo())["/sys/fs/cgroup"].of_super
    assert {"nsdelegate", "memory_recursiveprot"} <= before
    bundle.config["linux"]["cgroupsPath"] = "/system.slice/box"
    without(bundle, "cgroup")
    script = "cat /proc/self/cgroup; ls -d /sys/fs/cgroup/init.scope"
    assert said(bundle, runtime, script).splitlines() == ["0::/system.slice/box", "/sys/fs/cgroup/init.scope"]
    assert mounts(mountinfo())["/sys/fs/cgroup"].of_super == before


def test_the_files_of_the_cgroup_cannot_be_written_from_inside(bundle, runtime):
    script = "(echo 1 >/sys/fs/cgroup/cgroup.freeze) 2>&1 || true"
    assert "Read-only file system" in said(bundle, runtime, script)


def test_device_rules_hold(bundle, runtime):
    (shm,) = [entry for entry in bundle.config["mounts"] if entry["destination"] == "/dev/shm"]
    shm["options"].remove("nodev")
    allow(bundle, "CAP_MKNOD", "CAP_SYSLOG")
    deny = {"allow": False, "access": "rwm"}
    rule = {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}
    bundle.config["linux"]["resources"] = {"devices": [deny]}
    assert said(bundle, runtime, KMSG) == "sh: can't open /dev/shm/kmsg: Operation not permitted\nmade\n"
    bundle.config["linux"]["resources"] = {"devices": [deny, rule]}
    assert said(bundle, runtime, KMSG) == "read\nmade\n"


def test_a_cgroup_that_is_systemds_is_not_taken(bundle, runtime):
    """The one of a service that runs: its processes would be killed with the container."""
    bundle.config["linux"]["cgroupsPath"] = "/system.slice/dbus.service"
    assert "container's cgroup is not empty: 1 process(es) found" in refused(bundle, runtime)
    assert len(members("system.slice/dbus.service")) == 1


def test_a_user_namespace_has_its_ids_and_a_cgroup(bundle, runtime, containers):
    map_ids(bundle)
    bundle.config["linux"]["cgroupsPath"] = "/system.slice/box"
    pid = running(bundle, runtime, containers)
    assert Path(f"/proc/{pid}/uid_map").read_text().split() == ["0", "100000", "65536"]
    assert os.stat(f"/proc/{pid}").st_uid == 100000
    assert members("system.slice/box") == [str(pid)]


def test_features_tell_what_the_guest_has(runtime):
    told = json.loads(runtime("features").stdout)["linux"]
    assert told["cgroup"]["v2"] is True
    assert told["apparmor"]["enabled"] is True
    assert "user" in told["namespaces"]
