"""What a cgroup has used, read from trees of plain files; tests/guest reads real ones."""

import os

import pytest

from pyruntime import errors
from pyruntime.feature.cgroup import forms, stats

IO = "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n7:1 7:2 rbytes=5 cost.usage=x\n254:0\n"
PRESSURE = (
    "some avg10=1.50 avg60=0.00 avg300=100.00 total=12345\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=7\n"
)
FILES = {
    "cpu.stat": "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 4\nnr_throttled 3\nthrottled_usec 2\n",
    "cpu.pressure": PRESSURE,
    "memory.current": "4096\n",
    "memory.max": "max\n",
    "memory.peak": "8192\n",
    "memory.swap.current": "100\n",
    "memory.swap.max": "200\n",
    "memory.stat": "anon 1\nfile 2\nworkingset_refault_anon 0\n",
    "memory.events": "low 0\noom 2\noom_kill 1\n",
    "io.stat": IO,
    "pids.current": "3\n",
    "pids.max": "10\n",
    "cpuset.cpus": "0-1\n",
    "cpuset.mems": "\n",
    "hugetlb.2MB.current": "10\n",
    "hugetlb.2MB.max": "max\n",
    "hugetlb.2MB.rsvd.current": "20\n",
    "hugetlb.2MB.rsvd.max": "30\n",
    "hugetlb.2MB.events": "max 5\n",
    "hugetlb.2MB.events.local": "max 4\n",
    "hugetlb.1GB.current": "0\n",
    "hugetlb.1GB.events": "max 0\n",
    "cgroup.procs": "1\n2\n",
}


@pytest.fixture
def tree(tmp_path):
    def make(files=FILES):
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        return str(tmp_path)

    return make


@pytest.mark.parametrize(("text", "value"), [("0\n", 0), ("12", 12), ("max\n", None)])
def test_a_single_value_may_be_no_limit(text, value):
    assert forms.number(text) == value


@pytest.mark.parametrize("text", ["", "x", "1 2"])
def test_what_is_neither_a_number_nor_max_is_a_fault(text):
    with pytest.raises(ValueError, match="invalid literal"):
        forms.number(text)


def test_keyed_lines_are_read_and_others_passed_over():
    assert forms.keyed("a 1\nb 22\n\nc max\nd\ne 1 2\n") == {"a": 1, "b": 22}


def test_nested_lines_are_read_even_where_the_kernel_joins_two():
    assert forms.nested(IO) == {
        "8:0": {"rbytes": 10, "wbytes": 20, "rios": 1, "wios": 2, "dbytes": 0, "dios": 0},
        "7:2": {"rbytes": 5},
    }


def test_pressure_is_read_and_whole_numbers_stay_whole():
    found = forms.pressure(PRESSURE + "more avg10=9 total=1\n")
    assert found == {
        "some": {"avg10": 1.5, "avg60": 0, "avg300": 100, "total": 12345},
        "full": {"avg10": 0.25, "avg60": 0, "avg300": 0, "total": 7},
    }
    assert isinstance(found["some"]["avg300"], int)


def test_pressure_of_an_old_kernel_has_no_full():
    assert forms.pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n")["full"]["total"] == 0


def test_every_controller_is_read(tree):
    found = stats.read(tree())
    assert found.cpu["usage_usec"] == 1500
    assert found.memory == {"current": 4096, "max": None, "peak": 8192, "swap.current": 100, "swap.max": 200}
    assert found.memory_stat["file"] == 2
    assert found.memory_events == {"low": 0, "oom": 2, "oom_kill": 1}
    assert found.io["8:0"]["wbytes"] == 20
    assert found.pids == {"current": 3, "max": 10}
    assert set(found.pressure) == {"cpu"}
    assert found.cpuset == {"cpus": "0-1", "mems": ""}
    assert found.hugetlb == {
        "1GB": {"current": 0, "failed": 0},
        "2MB": {"current": 20, "max": 30, "failed": 5},
    }


def test_without_controllers_there_are_the_processes_and_their_time(tree):
    found = stats.read(tree({"cpu.stat": "usage_usec 7\n", "cgroup.procs": "12\n13\n"}))
    assert (found.cpu, found.pids) == ({"usage_usec": 7}, {"current": 2})
    assert not any((found.memory, found.memory_stat, found.io, found.hugetlb, found.pressure))


def test_a_threaded_cgroup_counts_threads(tree):
    assert stats.read(tree({"cgroup.threads": "1\n2\n3\n"})).pids == {"current": 3}


def test_a_cgroup_that_is_not_there_is_told():
    with pytest.raises(errors.KernelError, match="nosuch") as failure:
        stats.read("/nosuch/cgroup")
    assert "no such file or directory" in failure.value.say()


def test_what_cannot_be_read_is_told_and_no_descriptor_stays(tree, tmp_path):
    directory = tree()
    (tmp_path / "io.stat").unlink()
    (tmp_path / "io.stat").mkdir()
    before = os.listdir("/proc/self/fd")
    with pytest.raises(errors.KernelError, match="stats of the cgroup"):
        stats.read(directory)
    assert os.listdir("/proc/self/fd") == before
