"""Limits as far as any machine can have them: by files that every cgroup has, and by errors.

What each controller's limits do is tried in the guest, tests/guest/test_limits.py.
"""

import json
import subprocess
import time
from pathlib import Path

import pytest
from conftest import CGROUPS
from functional import inside


def limited(bundle, resources, *, script="sleep 1000"):
    bundle.config["process"]["args"] = ["sh", "-c", script]
    own = bundle.config["linux"].get("resources", {})
    bundle.config["linux"]["resources"] = {**own, **resources}
    return bundle.save()


@pytest.fixture
def box(runtime, bundle, containers):
    """Callable: make a container of limits; return what reads a file of its cgroup."""

    def make(resources, **more):
        done = runtime("create", "--bundle", limited(bundle, resources, **more), "box")
        assert (done.returncode, done.stderr) == (0, "")
        directory = Path(containers.state("box")["cgroup"])
        return lambda file: (directory / file).read_text().strip()

    return make


@pytest.fixture
def update(runtime):
    def change(resources, *options):
        return runtime("update", *options, "--resources", "-", "box", input=json.dumps(resources))

    return change


def available(controller):
    return controller in (CGROUPS / "cgroup.controllers").read_text().split()


KEYS = {
    "memory": ({"memory": {"limit": 1 << 26}}, "memory.limit", "memory.max", str(1 << 26)),
    "pids": ({"pids": {"limit": 5}}, "pids.limit", "pids.max", "5"),
    "cpu": ({"cpu": {"shares": 1024}}, "cpu.shares", "cpu.weight", "100"),
    "cpuset": ({"cpu": {"cpus": "0"}}, "cpu.cpus", "cpuset.cpus", "0"),
    "hugetlb": ({"hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}]}, "hugepageLimits 2MB",
                "hugetlb.2MB.max", str(4 << 20)),
}  # fmt: skip


@pytest.mark.parametrize("controller", KEYS)
def test_a_limit_is_obeyed_or_its_missing_controller_named(runtime, bundle, containers, controller):
    resources, key, file, text = KEYS[controller]
    done = runtime("create", "--bundle", limited(bundle, resources), "box")
    if available(controller):
        assert (done.returncode, done.stderr) == (0, "")
        assert (Path(containers.state("box")["cgroup"]) / file).read_text().strip() == text
    else:
        assert done.returncode == 1
        assert f"linux.resources.{key}: controller {controller} is not available in" in done.stderr
        assert containers.ids() == []


def test_a_controller_of_version_1_is_named_with_the_cure(runtime, bundle):
    held = [line.split() for line in Path("/proc/cgroups").read_text().splitlines()[1:]]
    hierarchies = {name: number for name, number, _, _ in held}
    done = runtime("create", "--bundle", limited(bundle, {"pids": {"limit": 5}}), "box")
    if hierarchies.get("pids", "0") == "0":
        assert available("pids") == (done.returncode == 0)
        return
    assert done.returncode == 1
    assert f"cgroup v1 holds it (hierarchy {hierarchies['pids']} in /proc/cgroups)" in done.stderr
    assert "(boot with cgroup_no_v1=pids or systemd.unified_cgroup_hierarchy=1)" in done.stderr
    told = runtime("plan", bundle.path).stdout
    assert "write 5 to pids.max [cannot: controller pids is not available: cgroup v1 holds it" in told


def test_what_version_2_has_not_is_warned_of_by_name(runtime, bundle):
    done = runtime("create", "--bundle", limited(bundle, {"memory": {"kernelTCP": 4096}}), "box")
    assert done.returncode == 0
    assert "linux.resources.memory.kernelTCP is ignored: cgroup v2 has no such limit" in done.stderr


NONE = {
    "memory": {"limit": -1, "swap": -1, "disableOOMKiller": False}, "pids": {"limit": -1},
    "cpu": {"shares": 0, "quota": -1, "period": 0, "cpus": ""}, "blockIO": {"weight": 0}, "rdma": {},
    "hugepageLimits": [], "network": {}, "unified": {},
}  # fmt: skip


def test_what_limits_nothing_needs_no_controller(box):
    read = box(NONE)
    assert read("cgroup.events")


def test_a_file_of_every_cgroup_is_written_and_read_back(box):
    read = box({"unified": {"cgroup.max.depth": "3", "cgroup.max.descendants": "7"}})
    assert (read("cgroup.max.depth"), read("cgroup.max.descendants")) == ("3", "7")


def test_a_refused_value_leaves_nothing(runtime, bundle, containers):
    done = runtime("create", "--bundle", limited(bundle, {"unified": {"cgroup.max.depth": "x"}}), "box")
    assert done.returncode == 1
    assert "set linux.resources.unified.cgroup.max.depth: write x to" in done.stderr
    assert "/cgroup.max.depth: invalid argument" in done.stderr
    assert containers.ids() == []


def test_an_update_builds_on_the_one_before(box, update, containers):
    read = box({"unified": {"cgroup.max.depth": "3"}})
    assert update({"unified": {"cgroup.max.depth": "4"}}).returncode == 0
    assert update({"memory": {"limit": -1}}).returncode == 0
    assert read("cgroup.max.depth") == "4"
    kept = json.loads((containers.root / "box" / "resources.json").read_text())
    assert (kept["unified"], kept["memory"]) == ({"cgroup.max.depth": "4"}, {"limit": -1})
    assert kept["devices"]


def test_a_failed_update_puts_the_files_and_the_device_rules_back(box, update, containers):
    read = box({"unified": {"cgroup.max.depth": "3"}})
    cgroup = containers.state("box")["cgroup"]
    before = programs(cgroup)
    rules = [{"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rwm"}]
    done = update({"devices": rules, "unified": {"cgroup.max.depth": "9", "nosuch.max": "1"}})
    assert done.returncode == 1
    assert "linux.resources.unified.nosuch.max: controller nosuch is not available" in done.stderr
    assert read("cgroup.max.depth") == "3"
    assert programs(cgroup) == before
    assert not (containers.root / "box" / "resources.json").exists()


def programs(directory):
    """The ids of the device programs of a cgroup."""
    import os

    from pyruntime.kernel import bpf

    descriptor = os.open(directory, os.O_PATH)
    try:
        return bpf.attached(descriptor)
    finally:
        os.close(descriptor)


def test_rules_that_are_the_same_leave_the_program_alone(box, update, bundle, containers):
    box({})
    cgroup = containers.state("box")["cgroup"]
    before = programs(cgroup)
    assert update({"devices": bundle.config["linux"]["resources"]["devices"]}).returncode == 0
    assert update({"devices": []}).returncode == 0
    assert programs(cgroup) == before


def test_a_device_is_allowed_and_denied_while_the_container_lives(box, update, runtime, bundle):
    bundle.config["linux"]["devices"] = [{"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229}]
    shared = {"destination": "/out", "type": "bind", "source": str(bundle.path), "options": ["bind"]}
    bundle.config["mounts"].append(shared)
    looking = "if (: < /dev/fuse) 2>/dev/null; then echo yes; else echo no; fi"
    box({}, script=f"while :; do {looking} > /out/told; sleep 0.02; done")
    assert runtime("start", "box").returncode == 0

    def wait_for(word, file=bundle.path / "told"):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if file.exists() and file.read_text() == f"{word}\n":
                return True
            time.sleep(0.01)
        return False

    deny = {"allow": False, "access": "rwm"}
    fuse = {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rwm"}
    assert wait_for("no")
    assert update({"devices": [deny, fuse]}).returncode == 0
    assert wait_for("yes")
    assert update({"devices": [deny]}).returncode == 0
    assert wait_for("no")


def test_without_a_cgroup_nothing_is_made_or_limited(runtime, bundle, containers):
    bundle.config["linux"]["namespaces"] = [
        each for each in bundle.config["linux"]["namespaces"] if each["type"] != "cgroup"
    ]
    path = limited(bundle, NONE, script="cat /proc/self/cgroup")
    done = runtime("--cgroup-manager", "disabled", "run", "--bundle", path, "box")
    own = [line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "linux.resources.devices is ignored: there is no cgroup" in done.stderr
    assert own[0] in done.stdout.splitlines()
    told = runtime("--cgroup-manager", "disabled", "plan", path).stdout
    assert "make no cgroup: the container stays in the caller's" in told
    assert "deny all devices" not in told
    assert "make the child by clone3, in new namespaces" in told
    path = limited(bundle, {"pids": {"limit": 5}})
    done = runtime("--cgroup-manager", "disabled", "create", "--bundle", path, "box")
    assert done.returncode == 1
    assert "linux.resources.pids.limit needs a cgroup, and there is none" in done.stderr


def test_a_container_without_a_cgroup_lives_is_told_of_and_cannot_be_updated(runtime, bundle, containers, update):
    path = limited(bundle, {})
    assert runtime("--cgroup-manager=disabled", "create", "--bundle", path, "box").returncode == 0
    assert containers.state("box")["cgroup"] == ""
    assert runtime("start", "box").returncode == 0
    assert json.loads(runtime("state", "box").stdout)["status"] == "running"
    done = update({"unified": {"cgroup.max.depth": "4"}})
    assert (done.returncode, "the container has no cgroup of its own" in done.stderr) == (1, True)
    assert runtime("delete", "--force", "box").returncode == 0


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ('{"memory": {"limit": "5"}}', "invalid resources: /memory/limit: must be an integer"),
        ("[]", "invalid resources: must be an object"),
        ("{", "standard input: line 1 column 2: "),
        ('{"memory": {"limit": 5, "swap": 3}}', "/memory/swap: memory+swap limit should be >="),
        ('{"devices": [{"allow": true}]}', "/devices/0/access: device access at 0 field cannot be empty"),
    ],
)
def test_a_wrong_wish_is_told_with_its_place(box, runtime, containers, wish, told):
    box({})
    done = runtime("update", "--resources", "-", "box", input=wish)
    assert done.returncode == 1
    assert told in done.stderr
    assert not (containers.root / "box" / "resources.json").exists()


def test_who_is_not_there_or_has_ended_cannot_be_updated(runtime, bundle, update):
    assert "container does not exist" in update({}).stderr
    inside.said(bundle, runtime, "true")
    assert runtime("run", "--keep", "--bundle", bundle.save(), "box").returncode == 0
    done = update({"unified": {"cgroup.max.depth": "4"}})
    assert (done.returncode, "container not running" in done.stderr) == (1, True)


def test_resources_come_from_a_file_relative_to_the_caller(box, runtime, tmp_path):
    read = box({})
    (tmp_path / "wish.json").write_text('{"unified": {"cgroup.max.depth": "6"}}')
    done = runtime("update", "-r", "wish.json", "box", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert read("cgroup.max.depth") == "6"


def test_options_that_are_ignored_are_warned_of(box, runtime):
    box({})
    done = runtime("update", "--kernel-memory", "5m", "--kernel-memory-tcp", "5m", "--cpu-rt-period", "5", "box")
    assert done.returncode == 0
    for name in ("--kernel-memory", "--kernel-memory-tcp", "linux.resources.cpu.realtimePeriod"):
        assert f"{name} is ignored: cgroup v2 has no such limit" in done.stderr


def test_below_a_threaded_cgroup_the_new_one_is_threaded_and_memory_is_refused(runtime, bundle, containers):
    top = CGROUPS / "threads-of-a-test"
    (top / "inner").mkdir(parents=True)
    try:
        (top / "inner" / "cgroup.type").write_text("threaded")
        bundle.config["linux"]["cgroupsPath"] = "/threads-of-a-test/inner/box"
        done = runtime("create", "--bundle", limited(bundle, {}), "box")
        assert (done.returncode, done.stderr) == (0, "")
        assert (top / "inner/box/cgroup.type").read_text() == "threaded\n"
        assert runtime("delete", "--force", "box").returncode == 0
        done = runtime("create", "--bundle", limited(bundle, {"memory": {"limit": 1 << 26}}), "box")
        assert done.returncode == 1
        assert "the cgroup is threaded, where only cpu, cpuset, perf_event, pids can be" in done.stderr
    finally:
        subprocess.run(["rmdir", top / "inner", top], check=True)


READ_ONLY = 'mount -o remount,bind,ro /sys/fs/cgroup && exec "$0" "$@"'


def in_vain(launcher, containers, *words):
    """Run a command line where cgroups cannot be made."""
    line = [launcher, "--root", containers.root, *words]
    command = ["unshare", "--mount", "sh", "-c", READ_ONLY, *map(str, line)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_who_may_not_make_a_cgroup_and_needs_none_goes_on_if_rootless(launcher, containers, bundle):
    path = limited(bundle, NONE, script="exit 3")
    done = in_vain(launcher, containers, "run", "-b", path, "box")
    assert done.returncode == 1
    assert "read-only file system (the cgroup file system is mounted read-only)" in done.stderr
    for word, status in (("true", 3), ("false", 1)):
        done = in_vain(launcher, containers, "--rootless", word, "run", "-b", path, "box")
        assert done.returncode == status, done.stderr
    done = in_vain(launcher, containers, "--rootless=true", "run", "-b", limited(bundle, {"pids": {"limit": 5}}), "box")
    assert (done.returncode, "make the cgroup" in done.stderr) == (1, True)
    bundle.config["linux"] |= {"resources": {}, "cgroupsPath": "/box"}
    done = in_vain(launcher, containers, "--rootless=true", "run", "-b", bundle.save(), "box")
    assert (done.returncode, "make the cgroup /sys/fs/cgroup/box" in done.stderr) == (1, True)
