"""The rules of the process's rarer attributes, loaded where a configuration has one; see rules.py.

Each takes the attribute, of the right shape, and returns what is wrong with it.
"""

from __future__ import annotations

from pyruntime.spec import listformat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.errors import Problem
    from pyruntime.spec.shapes import ExecCpuAffinity, MemoryPolicy, Scheduler, TimeOffsets

_SCHEDULER = "/process/scheduler"
_NICE = range(-20, 20)
_REAL_TIME = range(1, 100)  # sched(7)
_REAL_TIME_POLICIES = ("SCHED_FIFO", "SCHED_RR")
_KEEPING = {"SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS"}
_SHORTEST_RUNTIME = 1024  # ns; __checkparam_dl() of the kernel

_POLICY = "/linux/memoryPolicy"
_BALANCED = ("MPOL_BIND", "MPOL_PREFERRED_MANY")
_PLACING = ("MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES")

_LONGEST_OFFSET = 9223372036  # s; what the kernel's 64 bits of nanoseconds hold
_SECOND = 1_000_000_000  # ns


def scheduler(wish: Scheduler, *, start_hooks: bool) -> list[Problem]:
    """Each policy has its own settings (sched_setattr(2)).

    Args:
        wish: process.scheduler.
        start_hooks: whether the process will run startContainer hooks.
    """
    found: list[Problem] = []
    policy, flags = wish["policy"], wish.get("flags", [])
    if policy in ("SCHED_OTHER", "SCHED_BATCH") and wish.get("nice", 0) not in _NICE:
        found.append((f"{_SCHEDULER}/nice", f"invalid scheduler.nice: {wish['nice']}"))
    if wish.get("priority") and policy not in _REAL_TIME_POLICIES:
        told = "scheduler.priority can only be specified for SchedFIFO or SchedRR policy"
        found.append((f"{_SCHEDULER}/priority", told))
    timed = wish.get("runtime") or wish.get("deadline") or wish.get("period")
    if timed and policy != "SCHED_DEADLINE":
        told = "scheduler runtime/deadline/period can only be specified for SchedDeadline policy"
        found.append((_SCHEDULER, told))
    if policy == "SCHED_DEADLINE" and start_hooks and "SCHED_FLAG_RESET_ON_FORK" not in flags:
        told = "a deadline process can run its startContainer hooks only with"
        found.append((f"{_SCHEDULER}/flags", f"{told} SCHED_FLAG_RESET_ON_FORK"))
    return found or ([] if _KEEPING.intersection(flags) else _settings(wish))


def _settings(wish: Scheduler) -> list[Problem]:
    """Look at what the policy demands, unless the flags say that what was before is kept."""
    policy = wish["policy"]
    if policy in _REAL_TIME_POLICIES and wish.get("priority", 0) not in _REAL_TIME:
        return [(f"{_SCHEDULER}/priority", f"{policy} needs a priority from 1 to 99")]
    if policy == "SCHED_DEADLINE":
        runtime, deadline = wish.get("runtime", 0), wish.get("deadline", 0)
        period = wish.get("period") or deadline
        if not _SHORTEST_RUNTIME <= runtime <= deadline <= period:
            told = f"needs {_SHORTEST_RUNTIME} <= runtime <= deadline <= period, in nanoseconds"
            return [(_SCHEDULER, f"{policy} {told}")]
    return []


def affinity(wish: ExecCpuAffinity) -> list[Problem]:
    """Processors are listed as in cpuset(7); `exec` obeys them, from the saved config."""
    lists = (("initial", wish.get("initial", "")), ("final", wish.get("final", "")))
    return [
        (f"/process/execCPUAffinity/{name}", f"bad CPU affinity: {fault}")
        for name, text in lists if (fault := listformat.fault(text))
    ]  # fmt: skip


def memory_policy(wish: MemoryPolicy) -> list[Problem]:
    """Some policies need nodes, some forbid them (set_mempolicy(2)), and some flags exclude others.

    What the kernel refuses with EINVAL, without a word.
    """
    mode, nodes, flags = wish["mode"], wish.get("nodes", ""), wish.get("flags", [])
    if fault := listformat.fault(nodes):
        return [(f"{_POLICY}/nodes", f"invalid memory policy node: {fault}")]
    if mode in ("MPOL_DEFAULT", "MPOL_LOCAL") and nodes:
        return [(f"{_POLICY}/nodes", f"{mode} takes no nodes")]
    if mode not in ("MPOL_DEFAULT", "MPOL_LOCAL", "MPOL_PREFERRED") and not nodes:
        return [(f"{_POLICY}/nodes", f"{mode} needs at least one node")]
    placing = [flag for flag in _PLACING if flag in flags]
    if len(placing) > 1:
        return [(f"{_POLICY}/flags", f"{' and '.join(placing)} exclude each other")]
    if placing and not nodes and mode != "MPOL_DEFAULT":
        return [(f"{_POLICY}/flags", f"{placing[0]} needs nodes")]
    if "MPOL_F_NUMA_BALANCING" in flags and mode not in _BALANCED:
        told = f"MPOL_F_NUMA_BALANCING is for {' and '.join(_BALANCED)} only"
        return [(f"{_POLICY}/flags", told)]
    return []


def time_offsets(wish: TimeOffsets) -> list[Problem]:
    """Offsets lie within what the kernel's time can hold (time_namespaces(7))."""
    where = "/linux/timeOffsets"
    found: list[Problem] = []
    offsets: dict[str, Any] = dict(wish)
    for name, offset in offsets.items():
        if not -_LONGEST_OFFSET <= offset.get("secs", 0) <= _LONGEST_OFFSET:
            told = f"must be from {-_LONGEST_OFFSET} to {_LONGEST_OFFSET}"
            found.append((f"{where}/{name}/secs", told))
        if offset.get("nanosecs", 0) >= _SECOND:
            found.append((f"{where}/{name}/nanosecs", f"must be below {_SECOND}"))
    return found
