"""linux.resources as writes to cgroup files: every formula, the order, and a tree of plain files."""

import errno
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyruntime import errors
from pyruntime.feature.cgroup import (
    controllers,
    devices,
    formulas,
    limits,
    limits_rare,
    refused,
    without,
)
from pyruntime.feature.cgroup.filesystem import CgroupStep
from pyruntime.feature.host import Host

ROOT = str(Path(__file__).resolve().parents[3])


def writes(**resources):
    """What a plan writes: {file: text}, or a list where a file is written more than once."""
    steps = [step for step in limits.plan(resources) if isinstance(step, limits.WriteStep)]
    return [(step.file, step.text) for step in steps]


# --- formulas ---


@pytest.mark.parametrize(("limit", "text"), [(5, "5"), (0, "1"), (-1, "max"), (-7, "max")])
def test_the_limit_of_processes(limit, text):
    assert writes(pids={"limit": limit}) == [("pids.max", text)]


@pytest.mark.parametrize(
    ("limit", "swap", "text"),
    [
        (-1, 0, "max"), (100, -1, "max"), (0, -1, "max"), (-1, -1, "max"), (100, 0, None), (0, 0, None),
        (-1, 70, "70"), (100, 150, "50"), (100, 100, "0"),
    ],
)  # fmt: skip
def test_the_swap_is_what_goes_beyond_memory(limit, swap, text):
    assert formulas.beyond_memory(limit, swap) == text


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ({}, []),
        ({"limit": 0, "swap": 0, "reservation": 0}, []),
        ({"limit": 100}, [("memory.max", "100")]),
        ({"limit": -1}, [("memory.swap.max", "max"), ("memory.max", "max")]),
        ({"limit": 9, "swap": 12, "reservation": 3},
         [("memory.swap.max", "3"), ("memory.max", "9"), ("memory.low", "3")]),
        ({"reservation": -1}, [("memory.low", "max")]),
    ],
)  # fmt: skip
def test_memory(memory, expected):
    assert writes(memory=memory) == expected


@pytest.mark.parametrize(
    ("shares", "weight"),
    [(1, 1), (2, 1), (3, 2), (10, 4), (100, 17), (102, 17), (512, 59), (1000, 99), (1024, 100),
     (2048, 174), (10240, 639), (262143, 10000), (262144, 10000), (1 << 40, 10000)],
)  # fmt: skip
def test_shares_become_a_weight_by_the_newer_formula(shares, weight):
    assert formulas.weight(shares) == weight


def test_more_shares_are_never_less_weight():
    weights = [formulas.weight(shares) for shares in range(2, 1 << 18, 97)]
    assert weights == sorted(weights)
    assert (weights[0], weights[-1] >= 9999) == (1, True)


def test_the_weight_is_the_formulas_for_all_shares():
    for shares in [*range(3, 5000), *range(5000, 1 << 18, 997)]:
        power = math.log2(shares)
        assert formulas.weight(shares) == math.ceil(10 ** ((power * power + 125 * power) / 612 - 7 / 34))


def test_limits_load_no_module_that_would_finish_the_interpreters_start():
    """As math does, although it is built in: 2 ms of a create."""
    program = "import sys; from pyruntime.feature.cgroup import limits; bare = set(sys.modules)\n"
    program += "limits.plan({'cpu': {'shares': 1000, 'quota': 5000}, 'memory': {'limit': 5, 'swap': 7}})\n"
    program += "print(*set(sys.modules) - bare)"
    done = subprocess.run([sys.executable, "-IS", "-c", f"import sys; sys.path.insert(0, {ROOT!r})\n{program}"],
                          stdout=subprocess.PIPE, text=True, check=True)  # fmt: skip
    assert done.stdout == "\n"


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        ({"shares": 0, "quota": 0, "period": 0, "cpus": "", "mems": ""}, []),
        ({"quota": 5000}, [("cpu.max", "5000 100000")]),
        ({"quota": 5000, "period": 20000}, [("cpu.max", "5000 20000")]),
        ({"period": 20000}, [("cpu.max", "max 20000")]),
        ({"quota": -1, "period": 20000}, [("cpu.max", "max 20000")]),
        ({"idle": 0, "shares": 1024}, [("cpu.idle", "0"), ("cpu.weight", "100")]),
        ({"idle": 1}, [("cpu.idle", "1")]),
        ({"burst": 0}, [("cpu.max.burst", "0")]),
        ({"burst": 700, "quota": 5000}, [("cpu.max.burst", "700"), ("cpu.max", "5000 100000")]),
        ({"cpus": "0-3,7", "mems": "0"}, [("cpuset.cpus", "0-3,7"), ("cpuset.mems", "0")]),
        ({"realtimeRuntime": 5, "realtimePeriod": 6}, []),
    ],
)  # fmt: skip
def test_processors(cpu, expected):
    assert writes(cpu=cpu) == expected


@pytest.mark.parametrize(
    ("weight", "text"), [(10, 1), (11, 11), (100, 910), (500, 4950), (999, 9989), (1000, 10000)]
)
def test_the_weight_of_block_io(weight, text):
    assert formulas.io_weight(weight) == text == 1 + (weight - 10) * 9999 // 990


def test_block_io_is_one_write_for_each_device_and_rate():
    device = {"major": 8, "minor": 16}
    settings = {
        "weight": 100, "leafWeight": 5, "weightDevice": [device | {"weight": 500}, device | {"leafWeight": 5}],
        "throttleReadBpsDevice": [device | {"rate": 1}, {"major": 9, "minor": 0, "rate": 2}],
        "throttleWriteBpsDevice": [device | {"rate": 3}],
        "throttleReadIOPSDevice": [device | {"rate": 4}],
        "throttleWriteIOPSDevice": [device | {"rate": 0}],
    }  # fmt: skip
    assert writes(blockIO=settings) == [
        ("io.bfq.weight", "100"), ("io.bfq.weight", "8:16 500"), ("io.max", "8:16 rbps=1"),
        ("io.max", "9:0 rbps=2"), ("io.max", "8:16 wbps=3"), ("io.max", "8:16 riops=4"),
        ("io.max", "8:16 wiops=max"),
    ]  # fmt: skip
    steps = limits.plan({"blockIO": settings})
    assert [step.instead for step in steps[:2]] == [("io.weight", "910"), ("io.weight", "8:16 4950")]
    assert writes(blockIO={"weight": 0}) == []


def test_huge_pages_rdma_and_files_by_name():
    assert writes(
        hugepageLimits=[{"pageSize": "2MB", "limit": 9}, {"pageSize": "64KB", "limit": 0}],
        rdma={"a": {"hcaHandles": 3, "hcaObjects": 0}, "b": {"hcaObjects": 4}},
        unified={"io.max": "8:0 rbps=1\n8:16 rbps=2\n", "memory.high": "5", "cpuset.cpus": ""},
    ) == [
        ("hugetlb.2MB.max", "9"), ("hugetlb.2MB.rsvd.max", "9"),
        ("hugetlb.64KB.max", "0"), ("hugetlb.64KB.rsvd.max", "0"),
        ("rdma.max", "a hca_handle=3 hca_object=0"), ("rdma.max", "b hca_object=4"),
        ("io.max", "8:0 rbps=1"), ("io.max", "8:16 rbps=2"), ("memory.high", "5"),
    ]  # fmt: skip


# --- the plan ---

ALL = {
    "unified": {"pids.max": "7"},
    "rdma": {"a": {"hcaHandles": 1}},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 1}],
    "cpu": {"shares": 5, "cpus": "0", "quota": 5000},
    "blockIO": {"weight": 10},
    "memory": {"limit": 5, "checkBeforeUpdate": True},
    "pids": {"limit": 1},
}


def test_the_order_is_runcs_with_the_device_rules_in_their_place():
    steps = limits.plan(ALL, devices.plan([]))
    told = [getattr(step, "file", type(step).__name__) for step in steps]
    assert told == [
        "pids.max", "UsageStep", "memory.max", "io.bfq.weight", "cpu.weight", "cpu.max", "DeviceStep",
        "cpuset.cpus", "hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "rdma.max", "pids.max",
    ]  # fmt: skip


def test_what_limits_nothing_does_not_need_its_file():
    free = {
        "pids": {"limit": -1},
        "memory": {"limit": -1, "reservation": -1},
        "cpu": {"quota": -1, "burst": 0, "idle": 0},
    }
    assert {step.free for step in limits.plan(free)} == {True}
    bound = {"pids": {"limit": 0}, "memory": {"limit": 5}, "cpu": {"quota": 5000, "burst": 1, "idle": 1}}
    assert {step.free for step in limits.plan(bound)} == {False}
    assert not limits.plan({"memory": {"limit": 5, "swap": 5}})[0].free, "no swap is a limit"


def test_each_step_says_itself():
    resources = {"memory": {"limit": 5, "swap": 8, "checkBeforeUpdate": True},
                 "cpu": {"burst": 5, "quota": 5000}, "blockIO": {"weight": 100}}  # fmt: skip
    assert [step.describe() for step in limits.plan(resources)] == [
        "see that the cgroup uses less of memory 5 bytes, and of memory and swap 8 bytes",
        "write 3 to memory.swap.max",
        "write 5 to memory.max",
        "write 100 to io.bfq.weight, or 910 to io.weight where that is missing",
        "write 5 to cpu.max.burst (after cpu.max, if that has to grow first)",
        "write 5000 100000 to cpu.max",
    ]


def test_without_a_cgroup_a_limit_is_refused_and_no_limit_is_not():
    host = Host(0, "/sys/fs/cgroup", "/", (6, 1), 40)
    step = without.plan(host, limits.plan({"memory": {"limit": -1}}, devices.plan([])))
    assert (step.path, step.directory) == ("", "")
    assert step.describe() == "make no cgroup: the container stays in the caller's"
    with pytest.raises(errors.Unsupported, match=r"^linux.resources.pids.limit needs a cgroup, and"):
        without.plan(host, limits.plan({"pids": {"limit": 5}}))


# --- a tree of plain files ---

FILES = ("memory.max", "memory.swap.max", "pids.max", "cpu.max", "cpu.max.burst", "cpu.weight")
CONTROLLERS = "cpu memory pids hugetlb"


@pytest.fixture
def tree(tmp_path):
    """A hierarchy: the root gives its controllers on to `a`, and that to `a/box`."""
    for path in ("", "a", "a/box"):
        directory = tmp_path / path
        directory.mkdir(exist_ok=True)
        (directory / "cgroup.controllers").write_text(CONTROLLERS)
        (directory / "cgroup.subtree_control").write_text(CONTROLLERS if path != "a/box" else "")
        if path:
            (directory / "cgroup.type").write_text("domain\n")
    for file in FILES:
        (tmp_path / "a/box" / file).write_text("old")
    return tmp_path


@pytest.fixture
def box(tree):
    """(cgroup, descriptor) of the lowest."""
    step = CgroupStep("/a/box", str(tree))
    descriptor = os.open(step.directory, os.O_PATH)
    yield step, descriptor
    os.close(descriptor)


def take(box, **resources):
    step, descriptor = box
    limits.apply(limits.plan(resources), descriptor, step)


def refusal(box, **resources):
    with pytest.raises(errors.RuntimeFailure) as caught:
        take(box, **resources)
    return caught.value.say()


def test_files_are_written_relative_to_the_descriptor(tree, box):
    take(box, pids={"limit": 5}, memory={"limit": 100, "swap": 150})
    told = {file: (tree / "a/box" / file).read_text() for file in FILES}
    assert told["pids.max"][:1] == "5"
    assert told["memory.max"] == "100"
    assert told["memory.swap.max"][:2] == "50"
    assert told["cpu.max"] == "old"


def test_a_missing_file_without_a_limit_is_passed_over(tree, box):
    (tree / "a/box/memory.swap.max").unlink()
    (tree / "a/box/memory.max").unlink()
    take(box, memory={"limit": -1, "swap": 0})
    assert not (tree / "a/box/memory.max").exists()


def test_the_other_file_is_written_where_the_first_is_missing(tree, box):
    (tree / "a/box/io.weight").write_text("default 100")
    take(box, blockIO={"weight": 500})
    assert (tree / "a/box/io.weight").read_text().startswith("4950")
    (tree / "a/box/io.bfq.weight").write_text("")
    take(box, blockIO={"weight": 500})
    assert (tree / "a/box/io.bfq.weight").read_text() == "500"


def test_the_controllers_are_given_on_by_all_above_in_one_write(tree, box, monkeypatch):
    for path in ("", "a"):
        (tree / path / "cgroup.subtree_control").write_text("pids")
    (tree / "a/box/memory.max").unlink()
    written = []

    def write(path, text, directory=None):
        written.append((os.path.relpath(path, tree), text))
        if len(written) == 2:  # the kernel makes the files then
            (tree / "a/box/memory.max").write_text("max")

    monkeypatch.setattr(controllers.tree, "write", write)
    take(box, memory={"limit": 9})
    assert written == [
        ("cgroup.subtree_control", b"+cpu +memory +hugetlb"),
        ("a/cgroup.subtree_control", b"+cpu +memory +hugetlb"),
    ]
    assert (tree / "a/box/memory.max").read_text()[:1] == "9"


def test_no_swap_is_obeyed_where_the_controller_has_to_be_given_on_first(tree, box, monkeypatch):
    """And where there is a controller and no such file, there is no swap to be used."""
    own = [tree / "a/box" / file for file in ("memory.swap.max", "memory.max")]
    for swapping in (True, False):
        for file in own:
            file.unlink(missing_ok=True)
        made = own if swapping else own[1:]
        monkeypatch.setattr(controllers, "enable", lambda _, made=made: [file.write_text("") for file in made] and {})
        take(box, memory={"limit": 100, "swap": 100})
        assert [file.read_text() for file in made] == ["0", "100"][-len(made) :]


@pytest.mark.parametrize(
    ("number", "each", "why"),
    [
        (errno.EBUSY, [], "it holds processes itself (move them into a cgroup below it, or set"),
        (errno.EACCES, [b"+cpu", b"+memory", b"+hugetlb"], "this user may not write there (a delegated"),
        (errno.EOPNOTSUPP, [b"+cpu", b"+memory", b"+hugetlb"], "it is threaded (set linux.cgroupsPath"),
    ],
)
def test_where_that_fails_they_are_given_on_one_by_one(tree, box, monkeypatch, number, each, why):
    """But not by a cgroup with processes, which would become the root of a threaded subtree."""
    (tree / "a/cgroup.subtree_control").write_text("pids")
    (tree / "a/box/memory.max").unlink()
    written = []

    def write(path, text, directory=None):
        written.append(text)
        if b"memory" in text:
            raise OSError(number, "")

    monkeypatch.setattr(controllers.tree, "write", write)
    said = refusal(box, memory={"limit": 9})
    assert written == [b"+cpu +memory +hugetlb", *each]
    assert said.startswith(
        f"linux.resources.memory.limit: controller memory is not available in {tree}/a/box:"
        f" {tree}/a does not give it on in cgroup.subtree_control, since {why}"
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("blkio\t7\t3\t1",
         "(hierarchy 7 in /proc/cgroups) (boot with cgroup_no_v1=blkio or systemd.unified_cgroup_hierarchy=1)"),
        ("blkio\t0\t3\t0", "the kernel was started with cgroup_disable=blkio (start it without that)"),
        ("cpu\t0\t3\t1", "this kernel has not got it"),
    ],
)  # fmt: skip
def test_a_controller_that_the_root_has_not_is_told_with_who_holds_it(tree, box, monkeypatch, line, told):
    real = controllers.tree.read

    def read(path, directory=None):
        return f"#subsys_name\thierarchy\n{line}\n".replace("#subsys_name\thierarchy\n", "") if path == (
            "/proc/cgroups") else real(path, directory)

    monkeypatch.setattr(controllers.tree, "read", read)
    said = refusal(box, blockIO={"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 5}]})
    assert said.startswith("linux.resources.blockIO.throttleReadBpsDevice: controller io is not available in")
    assert said.endswith(told)


def test_in_a_part_of_a_hierarchy_the_controller_was_not_delegated(tree, box, monkeypatch):
    (tree / "cgroup.type").write_text("domain\n")
    said = refusal(box, unified={"misc.max": "res_a 5"})
    assert "it was not delegated to what is seen there (have it delegated" in said


def test_a_threaded_cgroup_has_no_limits_of_memory(tree, box):
    (tree / "a/box/cgroup.type").write_text("threaded\n")
    (tree / "a/box/memory.max").unlink()
    assert "the cgroup is threaded, where only cpu, cpuset, perf_event, pids can be" in refusal(
        box, memory={"limit": 5}
    )


def test_a_missing_page_size_is_told_with_those_that_are_there(tree, box):
    (tree / "a/box/hugetlb.2MB.max").write_text("max")
    assert refusal(box, hugepageLimits=[{"pageSize": "3MB", "limit": 5}]) == (
        "linux.resources.hugepageLimits 3MB: this machine has no huge pages of 3MB (it has 2MB)"
    )


def test_a_file_that_the_kernel_has_not_is_told(tree, box):
    assert f"{tree}/a/box has no cpu.nosuch: this kernel" in refusal(box, unified={"cpu.nosuch": "1"})
    assert "this kernel has no such file" in refusal(box, unified={"cgroup.nosuch": "1"})


class Refusing:
    """Writes that fail as told, and a note of all that were tried."""

    def __init__(self, monkeypatch, failures):
        self.failures, self.tried = failures, []
        monkeypatch.setattr(limits, "write", self.write)

    def write(self, _directory, file, text):
        self.tried.append((file, text))
        for each in list(self.failures):
            if each[0] == file:
                self.failures.remove(each)
                raise OSError(each[1], "")


def test_a_burst_above_the_old_quota_is_tried_again_behind_the_new_one(box, monkeypatch):
    refusing = Refusing(monkeypatch, [("cpu.max.burst", errno.EINVAL)])
    take(box, cpu={"burst": 700, "quota": 5000})
    burst, quota = ("cpu.max.burst", "700"), ("cpu.max", "5000 100000")
    assert refusing.tried == [burst, quota, burst]


def test_a_burst_that_is_never_valid_is_refused(box, monkeypatch):
    Refusing(monkeypatch, [("cpu.max.burst", errno.EINVAL)] * 2)
    assert refusal(box, cpu={"burst": 700, "quota": 5000}).endswith(
        "cpu.max.burst: invalid argument (the burst must not be above the quota)"
    )
    Refusing(monkeypatch, [("cpu.max.burst", errno.EINVAL)])
    assert "cpu.max.burst: invalid argument" in refusal(box, cpu={"burst": 700})


def test_a_refused_value_is_told_with_key_text_file_reason_and_cure(tree, box, monkeypatch):
    Refusing(monkeypatch, [("cpu.weight", errno.EINVAL)])
    assert refusal(box, cpu={"shares": 1024}) == (
        f"set linux.resources.cpu.shares: write 100 to {tree}/a/box/cpu.weight: invalid argument"
        " (cpu.idle is 1, and such a cgroup can have no shares)"
    )
    Refusing(monkeypatch, [("pids.max", errno.EACCES)])
    assert refusal(box, pids={"limit": 5}).endswith(
        "permission denied (this user may not write there: a delegated cgroup is needed)"
    )


def test_a_limit_that_the_kernel_finds_too_small_is_told_in_runcs_words(tree, box, monkeypatch):
    (tree / "a/box/memory.current").write_text("8192\n")
    (tree / "a/box/memory.peak").write_text("9000\n")
    Refusing(monkeypatch, [("memory.max", errno.EBUSY)])
    assert refusal(box, memory={"limit": 4096}) == (
        "unable to set memory limit to 4096 (current usage: 8192, peak usage: 9000)"
    )


@pytest.mark.parametrize(
    ("limit", "swap", "told"),
    [(8192, 0, "memory limit 8192 <= usage 8192"), (9000, 9192, "memory+swap limit 9192 <= usage 9192"),
     (9000, 9193, "")],
)  # fmt: skip
def test_limits_are_held_against_the_usage_when_that_is_asked_for(tree, box, limit, swap, told):
    (tree / "a/box/memory.current").write_text("8192\n")
    (tree / "a/box/memory.swap.current").write_text("1000\n")
    wish = {"limit": limit, "swap": swap, "checkBeforeUpdate": True}
    if told:
        assert told in refusal(box, memory=wish)
        assert (tree / "a/box/memory.max").read_text() == "old"
    else:
        take(box, memory=wish)


def test_what_cannot_be_read_is_no_usage(tmp_path):
    descriptor = os.open(tmp_path, os.O_PATH)
    (tmp_path / "memory.current").write_text("max\n")
    assert limits_rare.amount(descriptor, "memory.current") == 0
    assert limits_rare.amount(descriptor, "memory.nosuch") == 0
    assert refused.too_small("5", descriptor).say() == (
        "unable to set memory limit to 5 (current usage: 0, peak usage: 0)"
    )
    os.close(descriptor)


def test_what_is_out_of_reach_is_foreseen(tree):
    step = CgroupStep("/a/new", str(tree))
    assert controllers.foreseen(step, "memory.max") == ""
    assert controllers.foreseen(step, "cgroup.max.depth") == ""
    assert controllers.foreseen(step, "strange.max").startswith("controller strange is not available: ")
    (tree / "a/cgroup.subtree_control").write_text("pids")
    assert controllers.foreseen(step, "memory.max") == ""
    (tree / "a/cgroup.procs").write_text("5\n")
    assert controllers.foreseen(step, "memory.max").startswith(f"{tree}/a cannot give the controller memory on")
