"""Limits of a living cgroup changed and put back, on a tree of plain files."""

import errno

import pytest

from pyruntime import errors, log
from pyruntime.feature.cgroup import changing, limits
from pyruntime.feature.cgroup.filesystem import CgroupStep

OLD = {
    "cgroup.controllers": "cpu memory pids io",
    "pids.max": "10\n",
    "memory.max": "1000\n",
    "memory.swap.max": "max\n",
    "cpu.idle": "0\n",
    "cpu.weight": "59\n",
    "cpu.max": "20000 100000\n",
    "cpu.max.burst": "10000\n",
    "io.max": "8:0 rbps=5 wbps=max riops=max wiops=max\n",
}


class Kernel:
    """The files of a cgroup as a dict: whole texts, but for io.max, which takes one line at a time."""

    def __init__(self, monkeypatch, refuse=()):
        self.files, self.refuse, self.written = dict(OLD), dict(refuse), []
        monkeypatch.setattr(limits, "write", self.write)
        monkeypatch.setattr(changing.tree, "read", self.read)

    def write(self, _directory, file, text):
        if file not in self.files:
            raise FileNotFoundError(errno.ENOENT, "")
        if self.refuse.get(file) == text.strip():
            raise OSError(errno.EINVAL, "")
        self.written.append((file, text.strip()))
        if file == "io.max":
            lines = dict(line.split(" ", 1) for line in self.files[file].splitlines())
            device, rest = text.strip().split(" ", 1)
            values = dict(pair.split("=") for pair in lines.get(device, "rbps=max wbps=max riops=max wiops=max").split())
            values |= dict(pair.split("=") for pair in rest.split())
            lines[device] = " ".join(f"{name}={value}" for name, value in values.items())
            limited = {name: line for name, line in lines.items() if set(line.split("=")[1:]) and any(
                not pair.endswith("=max") for pair in line.split())}  # fmt: skip
            self.files[file] = "".join(f"{name} {line}\n" for name, line in limited.items())
        else:
            self.files[file] = text.strip() + "\n"

    def read(self, path, directory=None):
        try:
            return self.files[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "") from None


@pytest.fixture
def change(tmp_path):
    made = changing.Change(CgroupStep(f"/{tmp_path.name}", str(tmp_path.parent)))
    yield made
    made.close()


WISH = {
    "pids": {"limit": 5},
    "memory": {"limit": 3000, "swap": 4000},
    "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 9}, {"major": 8, "minor": 16, "rate": 7}]},
    "cpu": {"idle": 1, "quota": 30000, "burst": 20000},
}


def test_all_is_written_in_order(monkeypatch, change):
    kernel = Kernel(monkeypatch)
    change.make(limits.plan(WISH))
    assert [file for file, _ in kernel.written] == [
        "pids.max", "memory.swap.max", "memory.max", "io.max", "io.max", "cpu.idle", "cpu.max.burst", "cpu.max",
    ]  # fmt: skip


def test_if_a_later_write_fails_every_file_has_its_old_text(monkeypatch, change):
    kernel = Kernel(monkeypatch, refuse={"cpu.max": "30000 100000"})
    with pytest.raises(errors.KernelError, match="cpu.max"):
        change.make(limits.plan(WISH))
    assert kernel.files == OLD
    assert ("io.max", "8:16 rbps=max wbps=max riops=max wiops=max") in kernel.written


def test_nothing_is_written_twice_that_was_not_changed(monkeypatch, change):
    kernel = Kernel(monkeypatch, refuse={"memory.swap.max": "1000"})
    with pytest.raises(errors.KernelError):
        change.make(limits.plan(WISH))
    assert kernel.written == [("pids.max", "5"), ("pids.max", "10")]


def test_what_cannot_be_put_back_is_warned_of(monkeypatch, change):
    told = []
    monkeypatch.setattr(log, "warning", told.append)
    kernel = Kernel(monkeypatch, refuse={"memory.max": "3000", "pids.max": "10"})
    with pytest.raises(errors.KernelError):
        change.make(limits.plan(WISH))
    assert kernel.files["pids.max"] == "5\n"
    assert [text.partition(" of ")[0] for text in told] == ["pids.max"]


def test_a_limit_below_what_cannot_be_reclaimed_is_refused_before_anything_is_written(monkeypatch, change):
    kernel = Kernel(monkeypatch)
    kernel.files |= {
        "memory.stat": "anon 2000\nfile 5000\nkernel_stack 100\n", "/proc/swaps": "Filename\n",
    }  # fmt: skip
    monkeypatch.setattr(changing, "amount", lambda _directory, file: {"memory.current": 7200}.get(file, 0))
    monkeypatch.setattr(changing.refused, "amount", lambda _directory, file: 7200 if "current" in file else 7300)
    with pytest.raises(errors.RuntimeFailure) as caught:
        change.make(limits.plan({"pids": {"limit": 5}, "memory": {"limit": 2000}}))
    assert caught.value.say() == (
        "unable to set memory limit to 2000 (current usage: 7200, peak usage: 7300):"
        " 2100 bytes of that cannot be reclaimed, so processes would be killed"
    )
    assert kernel.written == []
    change.make(limits.plan({"memory": {"limit": 2200}}))
    kernel.files["/proc/swaps"] = "Filename\n/dev/sda2\n"
    change.make(limits.plan({"memory": {"limit": 2000}}))
    assert kernel.written == [("memory.max", "2200"), ("memory.max", "2000")]


def test_what_another_writes_beside_is_put_back(monkeypatch, change):
    kernel = Kernel(monkeypatch)
    change.note("cpu.max", "pids.max", "nosuch.max")
    steps = limits.plan({"pids": {"limit": 5}})
    change.make(steps)
    kernel.files |= {"cpu.max": "1 2\n", "memory.max": "7\n"}
    change.keep(steps)
    assert kernel.files == OLD | {"pids.max": "5\n", "memory.max": "7\n"}


def test_what_is_written_to_another_file_for_want_of_one_is_kept(monkeypatch, change):
    kernel = Kernel(monkeypatch)
    kernel.files["io.weight"] = "default 100\n"
    change.note("io.weight", "io.bfq.weight")
    steps = limits.plan({"blockIO": {"weight": 1000}})
    kernel.files["io.weight"] = "default 10000\n"
    change.keep(steps)
    assert kernel.files["io.weight"] == "default 10000\n"


def test_an_amount_in_the_kernels_own_words_is_the_kernels_to_read(monkeypatch, change):
    """As 64M is: of `unified` any text may come."""
    kernel = Kernel(monkeypatch)
    monkeypatch.setattr(changing, "amount", lambda _directory, _file: 7200)
    change.make(limits.plan({"unified": {"memory.max": "64M", "pids.max": "5"}}))
    assert kernel.written == [("memory.max", "64M"), ("pids.max", "5")]
    change.make(limits.plan({"unified": {"memory.max": "9" * 5000}}))
    assert kernel.written[2:] == [("memory.max", "9" * 5000)]


@pytest.mark.parametrize(
    ("file", "old", "now", "lines"),
    [
        ("pids.max", "5\n", "6\n", ["5"]),
        ("cpuset.cpus", "\n", "0\n", [""]),
        ("rdma.max", "a hca_handle=max\nb hca_handle=3\n", "", ["a hca_handle=max", "b hca_handle=3"]),
        ("io.weight", "default 100\n", "default 200\n8:0 50\n", ["8:0 default", "default 100"]),
        ("io.max", "", "8:0 rbps=5 wbps=max\n", ["8:0 rbps=max wbps=max riops=max wiops=max"]),
        ("cgroup.subtree_control", "pids\n", "cpu pids\n", ["-cpu +pids"]),
    ],
)  # fmt: skip
def test_a_file_is_put_back_line_by_line(file, old, now, lines):
    assert changing.restoring(file, old, now) == lines


def test_of_an_idle_cgroup_the_weight_is_not_put_back(monkeypatch, change):
    kernel = Kernel(monkeypatch, refuse={"cpu.max": "5000 100000"})
    kernel.files |= {"cpu.idle": "1\n", "cpu.weight": "0\n"}
    before = dict(kernel.files)
    with pytest.raises(errors.KernelError):
        change.make(limits.plan({"cpu": {"idle": 0, "shares": 1024, "quota": 5000}}))
    assert kernel.files == before | {"cpu.weight": "100\n"}
    assert kernel.written[-1] == ("cpu.idle", "1")
