"""The stats of a container in the shape in which runc's `events` tells them; pure.

Names, order and units are those of runc's types/events.go, and so is what of cgroup v2 stands for
the accounts of version 1 that the shape was made for: swap means memory and swap together, a limit
of pids that is none is 0, other limits that are none are 2^64 - 1. Go leaves out what is empty.
"""

from __future__ import annotations

from pyruntime.spec import listformat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.feature.cgroup.stats import Stats, Values

    Document = dict[str, Any]

_NO_LIMIT = (1 << 64) - 1
_NANOSECONDS = 1000
_SHARES_OF_V1 = (
    "cpu_exclusive", "mem_hardwall", "mem_exclusive", "memory_migrate", "memory_spread_page",
    "memory_spread_slab", "memory_pressure", "sched_load_balance", "sched_relax_domain_level",
)  # fmt: skip
_TRANSFERS = (
    ("ioServiceBytesRecursive", (("rbytes", "Read"), ("wbytes", "Write"))),
    ("ioServicedRecursive", (("rios", "Read"), ("wios", "Write"))),
)


def stats(
    told: Stats, *, intel_rdt: Document | None = None, network: list[Document] | None = None
) -> Document:
    """Return the document that stands at `data` of an event of type "stats".

    Args:
        told: what the cgroup tells.
        intel_rdt: what the container's class of service tells, if it has one.
        network: the counters of its network interfaces, if they were asked for.
    """
    return {
        "cpu": _cpu(told),
        "cpuset": _cpuset(told),
        "memory": _memory(told),
        "pids": _given({"current": told.pids.get("current"), "limit": told.pids.get("max")}),
        "blkio": _blkio(told),
        "hugetlb": {size: _huge_pages(values) for size, values in told.hugetlb.items()},
        "intel_rdt": intel_rdt or {},
        "network_interfaces": network,
    }


def event(kind: str, id: str, data: Document | None = None) -> Document:  # noqa: A002
    """Return one event: `kind` is "stats" or "oom", and only the former has data."""
    told: Document = {"type": kind, "id": id}
    return told if data is None else told | {"data": data}


def _given(values: Document) -> Document:
    """Leave out what Go calls empty."""
    return {name: value for name, value in values.items() if value}


def _cpu(told: Stats) -> Document:
    usage = _given({"total": told.cpu.get("usage_usec", 0) * _NANOSECONDS})
    usage["kernel"] = told.cpu.get("system_usec", 0) * _NANOSECONDS
    usage["user"] = told.cpu.get("user_usec", 0) * _NANOSECONDS
    throttling = {
        "periods": told.cpu.get("nr_periods"),
        "throttledPeriods": told.cpu.get("nr_throttled"),
        "throttledTime": told.cpu.get("throttled_usec", 0) * _NANOSECONDS,
    }
    document = _given({"usage": usage if any(usage.values()) else None})
    return document | _given({"throttling": _given(throttling), "psi": told.pressure.get("cpu")})


def _cpuset(told: Stats) -> Document:
    document = {"cpus": _members(told, "cpus"), "cpu_exclusive": 0, "mems": _members(told, "mems")}
    document |= dict.fromkeys(_SHARES_OF_V1, 0)
    return {name: value for name, value in document.items() if value != []}


def _members(told: Stats, name: str) -> list[int]:
    ranges = listformat.ranges(told.cpuset.get(name, ""))
    return [each for low, high in ranges for each in range(low, high + 1)]


def _memory(told: Stats) -> Document:
    document = _given({"cache": told.memory_stat.get("file")})
    if "current" in told.memory:
        usage, limit = told.memory["current"] or 0, told.memory.get("max")
        document["usage"] = _entry(limit, usage, told.memory.get("peak"))
        document |= _given({"swap": _swap(told.memory, usage, limit)})
    return document | _given({"raw": told.memory_stat, "psi": told.pressure.get("memory")})


def _swap(memory: Values, usage: int, limit: int | None) -> Document:
    """Return memory and swap together, as version 1 has it; its peak cannot be known."""
    if "swap.current" not in memory:  # no accounting of swap: memory alone
        return _entry(limit, usage, 0)
    own = memory.get("swap.max")
    # A sum with memory that has no limit is one of 64 bits, in runc as here.
    both = None if own is None else (own + (_NO_LIMIT if limit is None else limit)) & _NO_LIMIT
    return _entry(both, (memory["swap.current"] or 0) + usage, 0)


def _entry(limit: int | None, usage: int, most: int | None) -> Document:
    shown = {"limit": _NO_LIMIT if limit is None else limit}
    return shown | _given({"usage": usage, "max": most}) | {"failcnt": 0}


def _blkio(told: Stats) -> Document:
    document: Document = {}
    for table, columns in _TRANSFERS:
        document[table] = [
            _given({"major": major, "minor": minor}) | {"op": op} | _given({"value": pairs[name]})
            for (major, minor), pairs in _devices(told)
            for name, op in columns
            if name in pairs
        ]
    return _given(document | {"psi": told.pressure.get("io")})


def _devices(told: Stats) -> list[tuple[tuple[int, int], dict[str, int]]]:
    found = []
    for device, pairs in told.io.items():
        major, _, minor = device.partition(":")
        if major.isdecimal() and minor.isdecimal():
            found.append(((int(major), int(minor)), pairs))
    return found


def _huge_pages(values: Values) -> Document:
    return _given({"usage": values.get("current")}) | {"failcnt": values["failed"]}
