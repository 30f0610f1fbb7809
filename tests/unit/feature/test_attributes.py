"""Attributes of the process: the system calls that they become."""

import pytest

from pyruntime.container import script, steps
from pyruntime.feature import attributes


def planned(process=None, **linux):
    """Return (description, call, arguments, words of a failure) of each attribute."""
    found = attributes.plan({"process": process or {}, "linux": linux})
    return [(step.describe(), step.call, step.arguments, step.words) for step in found]


def test_without_wishes_there_is_nothing():
    assert attributes.plan({"process": {}}) == []
    assert planned({"ioPriority": None}, personality=None, memoryPolicy=None) == []


@pytest.mark.parametrize(
    ("kind", "priority", "value"),
    [("RT", 0, 0x2000), ("BE", 7, 0x4007), ("IDLE", 3, 0x6003)],
)
def test_an_io_priority_is_for_the_process_group(kind, priority, value):
    (found,) = planned({"ioPriority": {"class": f"IOPRIO_CLASS_{kind}", "priority": priority}})
    assert found[:3] == (f"set the I/O priority IOPRIO_CLASS_{kind} {priority}", "ioprio_set", (1, 0, value))
    assert ("CAP_SYS_NICE" in found[3]) == (kind == "RT")


def test_personalities_are_set_whole():
    assert planned(personality={"domain": "LINUX"}) == [
        ("set the personality LINUX", "personality", (0,), "set the personality LINUX")
    ]
    (found,) = planned(personality={"domain": "LINUX32", "flags": []})
    assert found[1:3] == ("personality", (8,))
    assert found[3] == "set the personality LINUX32 (can the processor run 32-bit programs?)"


@pytest.mark.parametrize(
    ("nodes", "bits", "count"),
    [
        ("0", b"\1" + bytes(7), 65),
        ("0-1,63", b"\3" + bytes(6) + b"\x80", 65),
        ("64", bytes(8) + b"\1" + bytes(7), 129),
        (" 3 , 1-2,", b"\x0e" + bytes(7), 65),
    ],
)
def test_a_memory_policy_has_its_nodes_as_bits(nodes, bits, count):
    (found,) = planned(memoryPolicy={"mode": "MPOL_BIND", "nodes": nodes})
    assert found[:3] == (
        f"set the memory policy MPOL_BIND on the nodes {nodes}", "set_mempolicy", (2, bits, count)
    )  # fmt: skip
    assert found[3].endswith("(nodes must have memory and be in the cpuset)")


@pytest.mark.parametrize("nodes", [{}, {"nodes": ""}])
def test_a_memory_policy_without_nodes_has_no_mask(nodes):
    for mode, number in (("MPOL_DEFAULT", 0), ("MPOL_PREFERRED", 1), ("MPOL_LOCAL", 4)):
        (found,) = planned(memoryPolicy={"mode": mode, **nodes})
        assert found[:3] == (f"set the memory policy {mode}", "set_mempolicy", (number, 0, 0))


def test_flags_are_added_to_the_mode_once():
    flags = ["MPOL_F_STATIC_NODES", "MPOL_F_NUMA_BALANCING", "MPOL_F_STATIC_NODES"]
    (found,) = planned(memoryPolicy={"mode": "MPOL_BIND", "nodes": "0", "flags": flags})
    assert found[2][0] == 2 | 1 << 15 | 1 << 13
    assert found[0] == (
        "set the memory policy MPOL_BIND MPOL_F_NUMA_BALANCING MPOL_F_STATIC_NODES on the nodes 0"
    )


def test_features_names_modes_and_flags():
    assert attributes.known_memory_policies() == {
        "modes": ["MPOL_BIND", "MPOL_DEFAULT", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED",
                  "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE"],
        "flags": ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"],
    }  # fmt: skip


def test_the_player_can_be_told_all_of_them():
    found = attributes.plan({
        "process": {"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 1}},
        "linux": {"personality": {"domain": "LINUX"}, "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "64"}},
    })  # fmt: skip
    calls = [steps.Call(step.said, step.call, step.arguments, step.words) for step in found]
    flat = script.encode([*calls, steps.Execute(["/a"], ["a"], [])])
    assert bytes(8) + b"\1" + bytes(7) in flat
