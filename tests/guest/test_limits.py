"""Limits of a container's cgroup as the kernel reads them back, and what they do.

By cgroupfs; what each row and each option comes to, by systemd, too. Run in the guest as root: every
controller of cgroup v2 is there.
"""

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from guest.rows import AT, DISK, MIB, ROWS

CGROUPS = Path("/sys/fs/cgroup")


def limited(bundle, resources, *, script="sleep 1000", path=None):
    """Give a bundle limits beside its device rules."""
    bundle.config["process"]["args"] = ["sh", "-c", script]
    own = bundle.config["linux"].get("resources", {})
    bundle.config["linux"]["resources"] = {**own, **resources}
    if path:
        bundle.config["linux"]["cgroupsPath"] = path
    return bundle.save()


BOTH = pytest.mark.parametrize("manager", ["cgroupfs", "systemd"])


@pytest.fixture
def manager():
    """Who makes the cgroup."""
    return "cgroupfs"


@pytest.fixture
def box(runtime, bundle, containers, manager):
    """Callable: make a container of limits; return what reads a file of its cgroup."""

    def make(resources, **more):
        words = ["--cgroup-manager", manager, "create", "--bundle"]
        done = runtime(*words, limited(bundle, resources, **more), "box")
        assert (done.returncode, done.stderr) == (0, "")
        directory = Path(containers.state("box")["cgroup"])
        return lambda file: (directory / file).read_text().strip()

    return make


@pytest.fixture
def update(runtime):
    """Callable: update the container, by options or by JSON."""

    def change(*options, resources=None):
        if resources is None:
            return runtime("update", *options, "box")
        return runtime("update", *options, "--resources", "-", "box", input=json.dumps(resources))

    return change


@BOTH
@pytest.mark.parametrize(("resources", "files"), ROWS, ids=lambda row: next(iter(row)))
def test_a_limit_reads_back_from_the_kernel(box, resources, files):
    read = box(resources)
    assert {file: read(file) for file in files} == files


def test_what_version_2_has_not_is_warned_of_by_name_and_the_rest_obeyed(runtime, bundle, containers):
    ignored = {
        "memory": {"limit": 64 * MIB, "swappiness": 10, "kernel": MIB, "kernelTCP": MIB,
                   "disableOOMKiller": True, "useHierarchy": True},
        "cpu": {"shares": 1024, "realtimeRuntime": 1000, "realtimePeriod": 100000},
        "blockIO": {"leafWeight": 100, "weightDevice": [AT | {"leafWeight": 100}]},
        "network": {"classID": 1, "priorities": [{"name": "lo", "priority": 1}]},
    }  # fmt: skip
    done = runtime("create", "--bundle", limited(bundle, ignored), "box")
    assert done.returncode == 0
    names = [line.split("linux.resources.")[1].split()[0] for line in done.stderr.splitlines()]
    assert names == [
        "memory.kernel", "memory.kernelTCP", "memory.swappiness", "memory.disableOOMKiller",
        "cpu.realtimeRuntime", "cpu.realtimePeriod", "blockIO.leafWeight",
        "blockIO.weightDevice.leafWeight", "network.classID", "network.priorities",
    ]  # fmt: skip
    directory = Path(containers.state("box")["cgroup"])
    assert (directory / "memory.max").read_text() == f"{64 * MIB}\n"


def test_every_level_above_gives_all_controllers_on(box, runtime):
    top = f"/limits-{os.getpid()}"
    try:
        read = box({"pids": {"limit": 5}}, path=f"{top}/a/b")
        assert read("pids.max") == "5"
        for level in (top, f"{top}/a"):
            had, given = (
                set((CGROUPS / level[1:] / f"cgroup.{file}").read_text().split())
                for file in ("controllers", "subtree_control")
            )
            assert given == had >= {"cpu", "cpuset", "io", "memory", "pids"}
    finally:
        runtime("delete", "--force", "box")
        for level in (f"{top}/a/b", f"{top}/a", top):
            with contextlib.suppress(FileNotFoundError):
                (CGROUPS / level[1:]).rmdir()


@contextlib.contextmanager
def cgroup(name):
    """A cgroup of the test's own."""
    directory = CGROUPS / f"limits-{os.getpid()}-{name}"
    directory.mkdir()
    yield directory
    for below in sorted(directory.rglob("*"), reverse=True):
        if below.is_dir():
            below.rmdir()
    directory.rmdir()


def test_a_cgroup_with_processes_above_is_named_with_the_cure(runtime, bundle):
    with cgroup("busy") as directory:
        sleeper = subprocess.Popen(["sleep", "1000"])
        (directory / "cgroup.procs").write_text(str(sleeper.pid))
        path = limited(bundle, {"memory": {"limit": 64 * MIB}}, path=f"/{directory.name}/box")
        done = runtime("create", "--bundle", path, "box")
        sleeper.kill()
        sleeper.wait()
    assert done.returncode == 1
    assert "linux.resources.memory.limit: controller memory is not available in" in done.stderr
    assert f"{directory} does not give it on in cgroup.subtree_control" in done.stderr
    assert "since it holds processes itself (move them into a cgroup below it" in done.stderr


def test_no_swap_holds_below_a_cgroup_that_has_given_nothing_on_yet(runtime, bundle, containers):
    with cgroup("bare") as directory:
        below = f"/{directory.name}/box"
        wish = {"memory": {"limit": 64 * MIB, "swap": 64 * MIB}}
        done = runtime("create", "--bundle", limited(bundle, wish, path=below), "box")
        assert (done.returncode, done.stderr) == (0, "")
        assert (CGROUPS / below[1:] / "memory.swap.max").read_text() == "0\n"
        assert runtime("delete", "--force", "box").returncode == 0


def test_below_a_threaded_cgroup_processors_can_be_limited_and_memory_cannot(runtime, bundle, containers):
    with cgroup("threaded") as directory:
        (directory / "inner").mkdir()
        (directory / "inner" / "cgroup.type").write_text("threaded")
        below = f"/{directory.name}/inner/box"
        done = runtime("create", "--bundle", limited(bundle, {"pids": {"limit": 9}}, path=below), "box")
        assert (done.returncode, done.stderr) == (0, "")
        assert (CGROUPS / below[1:] / "cgroup.type").read_text() == "threaded\n"
        assert (CGROUPS / below[1:] / "pids.max").read_text() == "9\n"
        assert runtime("delete", "--force", "box").returncode == 0
        done = runtime("create", "--bundle", limited(bundle, {"memory": {"limit": MIB}}), "box")
    assert done.returncode == 1
    assert "linux.resources.memory.limit: controller memory is not available in" in done.stderr
    assert "the cgroup is threaded" in done.stderr


def test_a_page_size_that_is_not_there_is_told_with_those_that_are(runtime, bundle):
    path = limited(bundle, {"hugepageLimits": [{"pageSize": "3MB", "limit": 4 * MIB}]})
    done = runtime("create", "--bundle", path, "box")
    assert done.returncode == 1
    assert "hugepageLimits 3MB: this machine has no huge pages of 3MB (it has 1GB, 2MB)" in done.stderr


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        ({"blockIO": {"throttleReadBpsDevice": [{"major": 99, "minor": 9, "rate": 5}]}},
         "blockIO.throttleReadBpsDevice: write 99:9 rbps=5 to"),
        ({"cpu": {"cpus": "x"}}, "cpu.cpus: write x to"),
        ({"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10}}},
         "rdma.mlx5_1: write mlx5_1 hca_handle=3 hca_object=10 to"),
        ({"unified": {"memory.nosuch": "1"}}, "unified.memory.nosuch: "),
        ({"unified": {"nosuch.max": "1"}}, "unified.nosuch.max: controller nosuch is not available"),
    ],
)  # fmt: skip
def test_a_value_that_the_kernel_refuses_is_told_with_its_key_and_nothing_is_left(
    runtime, bundle, containers, resources, told
):
    done = runtime("create", "--bundle", limited(bundle, resources), "box")
    assert done.returncode == 1
    assert f"linux.resources.{told}" in done.stderr
    assert containers.ids() == []


def test_a_device_has_a_weight_where_io_cost_is_on(box, runtime, bundle):
    resources = {"blockIO": {"weightDevice": [AT | {"weight": 1000}]}}
    done = runtime("create", "--bundle", limited(bundle, resources), "box")
    assert done.returncode == 1
    assert "io.cost is not on for it: see io.cost.qos of the root" in done.stderr
    model = CGROUPS / "io.cost.qos"
    model.write_text(f"{DISK} enable=1")
    try:
        assert box(resources)("io.weight") == f"default 100\n{DISK} 10000"
    finally:
        model.write_text(f"{DISK} enable=0")


def test_weights_go_to_bfq_where_that_is_in_use(box):
    scheduler = Path("/sys/block/vda/queue/scheduler")
    before = scheduler.read_text().split("[")[1].split("]")[0]
    subprocess.run(["modprobe", "bfq"], check=True)
    scheduler.write_text("bfq")
    try:
        read = box({"blockIO": {"weight": 500, "weightDevice": [AT | {"weight": 300}]}})
        assert read("io.bfq.weight") == f"default 500\n{DISK} 300"
    finally:
        scheduler.write_text(before)
        subprocess.run(["modprobe", "--remove", "bfq"], check=True)


# --- what limits do ---


def test_a_fork_bomb_stops_at_the_limit_of_processes(runtime, bundle):
    script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 60 & done; echo all"
    done = runtime("run", "--bundle", limited(bundle, {"pids": {"limit": 5}}, script=script), "box")
    assert done.returncode != 0
    assert "can't fork" in done.stderr
    assert "all" not in done.stdout


def test_a_payload_that_uses_too_much_memory_is_killed(runtime, bundle):
    resources = {"memory": {"limit": 32 * MIB, "swap": 32 * MIB}}
    done = runtime("run", "--bundle", limited(bundle, resources, script="exec tail /dev/zero"), "box")
    assert done.returncode == 137


@BOTH
def test_a_limit_of_memory_in_which_no_container_can_be_made_is_named(runtime, bundle, containers, manager):
    path = limited(bundle, {"memory": {"limit": 4096}})
    done = runtime("--cgroup-manager", manager, "create", "--bundle", path, "box")
    assert done.returncode == 1
    assert "container init was OOM-killed (memory limit too low?): the limit is 4096 bytes" in done.stderr
    assert containers.ids() == []


def test_a_small_limit_of_memory_is_enough(box):
    read = box({"memory": {"limit": 2 * MIB, "swap": 2 * MIB}})
    assert int(read("memory.peak")) <= 2 * MIB


def test_a_quota_of_processor_time_throttles(box, runtime):
    read = box({"cpu": {"quota": 5000, "period": 50000}}, script="while :; do :; done")
    runtime("start", "box")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        told = dict(line.split() for line in read("cpu.stat").splitlines())
        if int(told["nr_throttled"]) > 3:
            break
        time.sleep(0.2)
    assert int(told["nr_throttled"]) > 3
    assert int(told["usage_usec"]) < int(told["nr_periods"]) * 50000


def test_without_a_cgroup_nothing_is_made_joined_or_limited(runtime, bundle, containers, tmp_path):
    own = Path("/proc/self/cgroup").read_text()
    bundle.config["linux"]["namespaces"] = [
        each for each in bundle.config["linux"]["namespaces"] if each["type"] != "cgroup"
    ]
    bundle.config["mounts"] = [
        each for each in bundle.config["mounts"] if each["type"] != "cgroup"
    ]  # which would set the options of the host's
    path = limited(bundle, {}, script="cat /proc/self/cgroup")
    done = runtime("--cgroup-manager", "disabled", "run", "--bundle", path, "box")
    assert (done.returncode, done.stdout) == (0, own)
    path = limited(bundle, {"pids": {"limit": 5}})
    done = runtime("--cgroup-manager", "disabled", "create", "--bundle", path, "box")
    assert done.returncode == 1
    assert "linux.resources.pids.limit needs a cgroup, and there is none" in done.stderr


# --- update ---

OPTIONS = [
    (("--pids-limit", "20"), {"pids.max": "20"}),
    (("--pids-limit=-1",), {"pids.max": "max"}),
    (("--memory", "96m", "--memory-swap", "128m", "--memory-reservation", "8388608"),
     {"memory.max": str(96 * MIB), "memory.swap.max": str(32 * MIB), "memory.low": str(8 * MIB)}),
    (("--memory", "96m"), {"memory.max": str(96 * MIB), "memory.swap.max": str(16 * MIB)}),
    (("--memory=-1",), {"memory.max": "max", "memory.swap.max": "max"}),
    (("--memory-swap", "65m"), {"memory.max": str(64 * MIB), "memory.swap.max": str(MIB)}),
    (("--cpu-share", "2048"), {"cpu.weight": "174", "cpu.max": "20000 100000"}),
    (("--cpu-quota", "30000"), {"cpu.max": "30000 100000"}),
    (("--cpu-period", "50000"), {"cpu.max": "20000 50000"}),
    (("--cpu-quota=-1",), {"cpu.max": "max 100000"}),
    (("--cpu-quota", "90000", "--cpu-burst", "80000"),
     {"cpu.max": "90000 100000", "cpu.max.burst": "80000"}),
    (("--cpu-idle", "1"), {"cpu.idle": "1"}),
    (("--cpuset-cpus", "0", "--cpuset-mems", "0"), {"cpuset.cpus": "0", "cpuset.mems": "0"}),
    (("--blkio-weight", "1000"), {"io.weight": "default 10000"}),
]  # fmt: skip
FIRST = {
    "memory": {"limit": 64 * MIB, "swap": 80 * MIB},
    "cpu": {"shares": 512, "quota": 20000, "period": 100000, "burst": 10000},
    "pids": {"limit": 10},
}


@BOTH
@pytest.mark.parametrize(("options", "files"), OPTIONS, ids=lambda row: next(iter(row)))
def test_an_option_changes_its_limit_and_keeps_the_others(box, update, options, files, manager):
    read = box(FIRST)
    done = update(*options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    kept = {"pids.max": "10", "memory.max": str(64 * MIB), "cpu.max": "20000 100000"}
    assert {file: read(file) for file in {**kept, **files}} == {**kept, **files}


def test_a_later_update_builds_on_an_earlier_one(box, update):
    read = box(FIRST)
    for options in (("--cpu-quota", "50000"), ("--cpu-period", "200000"), ("--memory", "128m")):
        assert update(*options).returncode == 0
    assert read("cpu.max") == "50000 200000"
    assert update("--memory-swap", "130m").returncode == 0
    assert (read("memory.max"), read("memory.swap.max")) == (str(128 * MIB), str(2 * MIB))


def test_json_wins_over_options_and_unknown_keys_are_ignored(box, update):
    read = box(FIRST)
    done = update("--pids-limit", "77", resources={"cpu": {"shares": 1024}, "strange": 1})
    assert (done.returncode, done.stderr) == (0, "")
    assert (read("pids.max"), read("cpu.weight")) == ("10", "100")


def test_lists_are_changed_by_device_and_page_size(box, update):
    read = box({"blockIO": {"throttleReadBpsDevice": [AT | {"rate": MIB}]}})
    more = {
        "blockIO": {"throttleWriteIOPSDevice": [AT | {"rate": 9}]},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 2 * MIB}],
        "unified": {"memory.high": str(64 * MIB)},
    }
    assert update(resources=more).returncode == 0
    assert read("io.max") == f"{DISK} rbps={MIB} wbps=max riops=max wiops=9"
    assert read("hugetlb.2MB.max") == str(2 * MIB)
    assert read("memory.high") == str(64 * MIB)


def test_a_failed_update_puts_everything_back(box, update, containers):
    first = {**FIRST, "blockIO": {"throttleReadBpsDevice": [AT | {"rate": MIB}]}}
    read = box(first)
    files = ["pids.max", "memory.max", "memory.swap.max", "cpu.weight", "cpu.max", "cpu.max.burst",
             "cpu.idle", "io.max", "io.weight"]  # fmt: skip
    before = {file: read(file) for file in files}
    wish = {
        "pids": {"limit": 55},
        "memory": {"limit": 65 * MIB, "swap": 70 * MIB},
        "cpu": {"idle": 1, "quota": 5000, "burst": 1000},
        "blockIO": {"weight": 200, "throttleWriteBpsDevice": [AT | {"rate": 5}]},
        "devices": [{"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rwm"}],
        "unified": {"memory.nosuch": "1"},
    }
    done = update(resources=wish)
    assert done.returncode == 1
    assert "linux.resources.unified.memory.nosuch" in done.stderr
    assert "could not be put back" not in done.stderr
    assert {file: read(file) for file in files} == before
    assert update("--cpu-period", "50000").returncode == 0  # the old quota counts, not the refused one
    assert read("cpu.max") == "20000 50000"


def test_a_limit_below_what_is_in_use_is_refused_and_nobody_killed(box, update, runtime, containers):
    script = "x=$(head -c 20000000 /dev/zero | tr '\\0' a); echo ready > /tmp/ready; sleep 1000; echo ${#x}"
    read = box({"memory": {"limit": 200 * MIB, "swap": 200 * MIB}}, script=script)
    runtime("start", "box")
    deadline = time.monotonic() + 60
    while int(read("memory.current")) < 18 * MIB and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)
    done = update("--memory", "4m", "--memory-swap", "4m")
    assert done.returncode == 1
    assert "unable to set memory limit to 4194304 (current usage: " in done.stderr
    assert read("memory.max") == str(200 * MIB)
    assert "oom_kill 0" in read("memory.events")
    checked = {"memory": {"limit": 5 * MIB, "checkBeforeUpdate": True, "swap": 5 * MIB}}
    done = update(resources=checked)
    assert "memory limit 5242880 <= usage" in done.stderr


def test_a_device_that_was_denied_is_allowed_by_an_update(box, update, runtime, bundle):
    bundle.config["linux"]["devices"] = [{"type": "c", "path": "/dev/kmsg", "major": 1, "minor": 11}]
    bundle.config["mounts"].append(
        {"destination": "/out", "type": "bind", "source": str(bundle.path), "options": ["bind"]}
    )
    bundle.config["root"]["readonly"] = False
    trying = "if (: > /dev/kmsg) 2>/dev/null; then echo yes; else echo no; fi"
    script = f"while :; do {trying} > /out/told; sleep 0.2; done"
    box({}, script=script)
    runtime("start", "box")
    told = bundle.path / "told"

    def wait_for(word):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if told.exists() and told.read_text().strip() == word:
                return True
            time.sleep(0.1)
        return False

    assert wait_for("no")
    rules = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rwm"},
    ]
    done = update(resources={"devices": rules})
    assert (done.returncode, done.stderr) == (0, "")
    assert wait_for("yes")
    assert update(resources={"devices": rules[:1]}).returncode == 0
    told.unlink()
    assert wait_for("no")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--memory", "x"), "invalid value for memory: "),
        (("--cpu-quota", "1.5"), "invalid value for cpu-quota: "),
        (("--cpu-quota", "5"), "invalid resources: /cpu/quota: must be at least 1000"),
        (("--memory-swap", "1m"), "invalid resources: /memory/swap: memory+swap limit should be >="),
        (("--cpu-idle", "1", "--cpu-share", "5"), "invalid resources: /cpu/shares: "),
        (("--l3-cache-schema", "L3:0=f"), "resctrl is not mounted"),
        (("--resources", "/no/such"), "read /no/such: no such file or directory"),
    ],
)
def test_a_wrong_wish_is_told_and_changes_nothing(box, update, options, told):
    read = box(FIRST)
    done = update(*options)
    assert done.returncode == 1
    assert told in done.stderr
    assert (read("memory.max"), read("cpu.max")) == (str(64 * MIB), "20000 100000")


def test_a_stopped_container_and_one_that_is_not_there_cannot_be_updated(box, update, runtime):
    assert "container does not exist" in update("--pids-limit", "5").stderr
    box(FIRST, script="true")
    runtime("start", "box")
    deadline = time.monotonic() + 60
    while json.loads(runtime("state", "box").stdout)["status"] != "stopped" and time.monotonic() < deadline:
        time.sleep(0.1)
    done = update("--pids-limit", "5")
    assert (done.returncode, "container not running" in done.stderr) == (1, True)
