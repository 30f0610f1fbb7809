"""The rules of the process's rarer attributes: what each refuses, and what passes."""

from __future__ import annotations

import pytest
from unit.spec import configs
from unit.spec.changes import found, with_namespace

from pyruntime.spec import processrules

SCHEDULER, AFFINITY = "/process/scheduler", "/process/execCPUAffinity"
POLICY, OFFSETS = "/linux/memoryPolicy", "/linux/timeOffsets"
DEADLINE = {"policy": "SCHED_DEADLINE", "runtime": 1024, "deadline": 4096, "period": 8192}
TIME = with_namespace("time")


# --- scheduler -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "pointer", "sentence"),
    [
        ({"policy": "SCHED_OTHER", "nice": 20}, "/nice", "invalid scheduler.nice: 20"),
        ({"policy": "SCHED_BATCH", "nice": -21}, "/nice", "invalid scheduler.nice: -21"),
        ({"policy": "SCHED_IDLE", "priority": 1}, "/priority",
         "scheduler.priority can only be specified for SchedFIFO or SchedRR policy"),
        ({"policy": "SCHED_OTHER", "priority": -1}, "/priority",
         "scheduler.priority can only be specified for SchedFIFO or SchedRR policy"),
        ({"policy": "SCHED_FIFO", "priority": 1, "runtime": 1}, "",
         "scheduler runtime/deadline/period can only be specified for SchedDeadline policy"),
        ({"policy": "SCHED_IDLE", "deadline": 1}, "",
         "scheduler runtime/deadline/period can only be specified for SchedDeadline policy"),
        ({"policy": "SCHED_BATCH", "period": 1}, "",
         "scheduler runtime/deadline/period can only be specified for SchedDeadline policy"),
        ({"policy": "SCHED_FIFO"}, "/priority", "SCHED_FIFO needs a priority from 1 to 99"),
        ({"policy": "SCHED_RR", "priority": 100}, "/priority",
         "SCHED_RR needs a priority from 1 to 99"),
        ({"policy": "SCHED_DEADLINE"}, "",
         "SCHED_DEADLINE needs 1024 <= runtime <= deadline <= period, in nanoseconds"),
        (DEADLINE | {"runtime": 1023}, "",
         "SCHED_DEADLINE needs 1024 <= runtime <= deadline <= period, in nanoseconds"),
        (DEADLINE | {"runtime": 4097}, "",
         "SCHED_DEADLINE needs 1024 <= runtime <= deadline <= period, in nanoseconds"),
        (DEADLINE | {"period": 4095}, "",
         "SCHED_DEADLINE needs 1024 <= runtime <= deadline <= period, in nanoseconds"),
    ],
)  # fmt: skip
def test_scheduler_settings_belong_to_their_policy(wish, pointer, sentence):
    assert found(SCHEDULER, wish) == {SCHEDULER + pointer: sentence}


@pytest.mark.parametrize(
    "wish",
    [
        {"policy": "SCHED_OTHER", "nice": -20, "priority": 0, "runtime": 0},
        {"policy": "SCHED_RR", "priority": 99, "nice": 0},
        {"policy": "SCHED_IDLE", "nice": 19},
        {"policy": "SCHED_ISO"},
        DEADLINE,
        DEADLINE | {"period": 0},
        {"policy": "SCHED_FIFO", "flags": ["SCHED_FLAG_KEEP_PARAMS"]},
        {"policy": "SCHED_DEADLINE", "flags": ["SCHED_FLAG_KEEP_POLICY"]},
    ],
)
def test_settings_that_the_kernel_takes_pass(wish):
    assert found(SCHEDULER, wish) == {}


def test_a_deadline_process_cannot_fork_its_hooks():
    base = configs.changed(configs.small(), "/hooks", {"startContainer": [{"path": "/a"}]})
    assert found(SCHEDULER, DEADLINE, base) == {
        f"{SCHEDULER}/flags": "a deadline process can run its startContainer hooks only with "
        "SCHED_FLAG_RESET_ON_FORK"
    }
    assert found(SCHEDULER, DEADLINE | {"flags": ["SCHED_FLAG_RESET_ON_FORK"]}, base) == {}
    assert found(SCHEDULER, {"policy": "SCHED_FIFO", "priority": 1}, base) == {}
    others = configs.changed(configs.small(), "/hooks", {"prestart": [{"path": "/a"}]})
    assert found(SCHEDULER, DEADLINE, others) == {}


# --- lists of processors and nodes ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["initial", "final"])
def test_affinities_are_lists(name):
    for text in ("", "0", "0-3,7", " 1 , 2-3 ,", "65535"):
        assert found(AFFINITY, {name: text}) == {}, text
    for text, sentence in (
        ("3-1", 'the range "3-1" runs backwards'),
        ("1-", '"1-" is neither a number nor a range'),
        ("-", '"-" is neither a number nor a range'),
        ("1 2", '"1 2" is neither a number nor a range'),
        ("1-2-3", '"1-2-3" is neither a number nor a range'),
        (",", '"," names nothing'),
        ("0-65536", '"0-65536" is beyond 65535'),
        ("9" * 5000, f'"{"9" * 5000}" is beyond 65535'),
    ):
        assert found(AFFINITY, {name: text}) == {f"{AFFINITY}/{name}": f"bad CPU affinity: {sentence}"}


def test_memory_policies_have_nodes_where_they_need_them():
    for mode in ("MPOL_DEFAULT", "MPOL_LOCAL"):
        assert found(POLICY, {"mode": mode, "nodes": "0"}) == {
            f"{POLICY}/nodes": f"{mode} takes no nodes"
        }
        assert found(POLICY, {"mode": mode, "nodes": ""}) == {}
    for mode in ("MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE", "MPOL_PREFERRED_MANY"):
        assert found(POLICY, {"mode": mode}) == {f"{POLICY}/nodes": f"{mode} needs at least one node"}
        assert found(POLICY, {"mode": mode, "nodes": "0-3,7"}) == {}
    assert found(POLICY, {"mode": "MPOL_PREFERRED"}) == {}


@pytest.mark.parametrize("nodes", ["0-9876543210", "a", "2-1", ","])
def test_nodes_are_a_list(nodes):
    (problem,) = processrules.memory_policy({"mode": "MPOL_BIND", "nodes": nodes})
    assert problem[0] == f"{POLICY}/nodes"
    assert problem[1].startswith("invalid memory policy node: ")


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"]},
         "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other"),
        ({"mode": "MPOL_PREFERRED", "flags": ["MPOL_F_STATIC_NODES"]}, "MPOL_F_STATIC_NODES needs nodes"),
        ({"mode": "MPOL_LOCAL", "flags": ["MPOL_F_RELATIVE_NODES"]}, "MPOL_F_RELATIVE_NODES needs nodes"),
        ({"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]},
         "MPOL_F_NUMA_BALANCING is for MPOL_BIND and MPOL_PREFERRED_MANY only"),
    ],
)  # fmt: skip
def test_flags_that_the_kernel_refuses_are_refused_with_a_word(wish, sentence):
    assert found(POLICY, wish) == {f"{POLICY}/flags": sentence}


def test_flags_that_the_kernel_takes_pass():
    for flags in (["MPOL_F_STATIC_NODES"], ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES"], []):
        assert found(POLICY, {"mode": "MPOL_BIND", "nodes": "0", "flags": flags}) == {}
    assert found(POLICY, {"mode": "MPOL_DEFAULT", "flags": ["MPOL_F_STATIC_NODES"]}) == {}


# --- time offsets --------------------------------------------------------------------------------


@pytest.mark.parametrize("clock", ["boottime", "monotonic"])
def test_offsets_are_what_the_kernels_clocks_hold(clock):
    limits = "must be from -9223372036 to 9223372036"
    for secs in (-9223372036, 0, 9223372036):
        assert found(OFFSETS, {clock: {"secs": secs, "nanosecs": 999999999}}, TIME) == {}
    for secs in (-9223372037, 9223372037):
        assert found(OFFSETS, {clock: {"secs": secs}}, TIME) == {f"{OFFSETS}/{clock}/secs": limits}
    assert found(OFFSETS, {clock: {"nanosecs": 1000000000}}, TIME) == {
        f"{OFFSETS}/{clock}/nanosecs": "must be below 1000000000"
    }
