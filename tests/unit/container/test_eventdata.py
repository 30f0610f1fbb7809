"""Stats in the shape of runc's types/events.go, compared with what runc's own code makes of the same files.

The expected documents were worked out from that code; tests/guest compares with a real runc.
"""

import json

import pytest

from pyruntime.container import eventdata
from pyruntime.feature.cgroup import forms
from pyruntime.feature.cgroup.stats import Stats

MOST = 2**64 - 1
CPUSET = {
    "cpu_exclusive": 0, "mem_hardwall": 0, "mem_exclusive": 0, "memory_migrate": 0,
    "memory_spread_page": 0, "memory_spread_slab": 0, "memory_pressure": 0, "sched_load_balance": 0,
    "sched_relax_domain_level": 0,
}  # fmt: skip
NOTHING = forms.pressure("")


def told(**more):
    made = Stats()
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_without_controllers_there_are_the_keys_and_nothing_in_them():
    assert eventdata.stats(told()) == {
        "cpu": {}, "cpuset": CPUSET, "memory": {}, "pids": {}, "blkio": {}, "hugetlb": {},
        "intel_rdt": {}, "network_interfaces": None,
    }  # fmt: skip


def test_the_keys_stand_in_runcs_order():
    document = eventdata.stats(told(cpuset={"cpus": "0,2-3", "mems": "0"}))
    assert list(document) == [
        "cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces",
    ]  # fmt: skip
    assert list(document["cpuset"])[:4] == ["cpus", "cpu_exclusive", "mems", "mem_hardwall"]
    assert (document["cpuset"]["cpus"], document["cpuset"]["mems"]) == ([0, 2, 3], [0])


def test_times_of_the_processor_are_nanoseconds():
    cpu = {"usage_usec": 7, "user_usec": 4, "system_usec": 3, "nr_periods": 2, "nr_throttled": 1, "throttled_usec": 9}
    assert eventdata.stats(told(cpu=cpu, pressure={"cpu": NOTHING}))["cpu"] == {
        "usage": {"total": 7000, "kernel": 3000, "user": 4000},
        "throttling": {"periods": 2, "throttledPeriods": 1, "throttledTime": 9000},
        "psi": NOTHING,
    }


def test_a_container_that_was_never_throttled_says_nothing_of_it():
    cpu = {"usage_usec": 7, "user_usec": 7, "system_usec": 0, "nr_periods": 0, "throttled_usec": 0}
    assert eventdata.stats(told(cpu=cpu))["cpu"] == {"usage": {"total": 7000, "kernel": 0, "user": 7000}}


@pytest.mark.parametrize(
    ("memory", "usage", "swap"),
    [
        ({"current": 10, "max": None}, {"limit": MOST, "usage": 10}, {"limit": MOST, "usage": 10}),
        (
            {"current": 10, "max": 50, "peak": 20, "swap.current": 5, "swap.max": 7, "swap.peak": 6},
            {"limit": 50, "usage": 10, "max": 20},
            {"limit": 57, "usage": 15},
        ),
        (
            {"current": 10, "max": 50, "swap.current": 0, "swap.max": None},
            {"limit": 50, "usage": 10},
            {"limit": MOST, "usage": 10},
        ),
        (
            {"current": 10, "max": None, "swap.current": 0, "swap.max": 7},
            {"limit": MOST, "usage": 10},
            {"limit": 6, "usage": 10},
        ),
        ({"current": 0, "max": 5}, {"limit": 5}, {"limit": 5}),
    ],
)
def test_swap_means_both_as_in_version_1(memory, usage, swap):
    stat = {"anon": 1, "file": 8}
    document = eventdata.stats(told(memory=memory, memory_stat=stat))["memory"]
    assert document == {
        "cache": 8, "usage": usage | {"failcnt": 0}, "swap": swap | {"failcnt": 0}, "raw": stat,
    }  # fmt: skip
    assert list(document["usage"])[-1] == "failcnt"


@pytest.mark.parametrize(
    ("pids", "document"),
    [
        ({"current": 3, "max": 10}, {"current": 3, "limit": 10}),
        ({"current": 3, "max": None}, {"current": 3}),
        ({"current": 0}, {}),
    ],
)
def test_no_limit_of_pids_is_left_out(pids, document):
    assert eventdata.stats(told(pids=pids))["pids"] == document


def test_transfers_stand_in_two_tables():
    io = {"8:0": {"rbytes": 1, "wbytes": 0, "rios": 3, "wios": 4, "dbytes": 5}, "0:7": {"wbytes": 6}, "odd": {"rios": 1}}
    document = eventdata.stats(told(io=io, pressure={"io": NOTHING}))["blkio"]
    assert document == {
        "ioServiceBytesRecursive": [
            {"major": 8, "op": "Read", "value": 1},
            {"major": 8, "op": "Write"},
            {"minor": 7, "op": "Write", "value": 6},
        ],
        "ioServicedRecursive": [
            {"major": 8, "op": "Read", "value": 3},
            {"major": 8, "op": "Write", "value": 4},
        ],
        "psi": NOTHING,
    }


def test_huge_pages_by_their_size():
    pages = {"2MB": {"current": 20, "max": None, "failed": 5}, "1GB": {"current": 0, "failed": 0}}
    assert eventdata.stats(told(hugetlb=pages))["hugetlb"] == {
        "2MB": {"usage": 20, "failcnt": 5},
        "1GB": {"failcnt": 0},
    }


def test_an_event_has_data_only_for_stats():
    assert json.dumps(eventdata.event("oom", "c")) == '{"type": "oom", "id": "c"}'
    assert list(eventdata.event("stats", "c", {})) == ["type", "id", "data"]
