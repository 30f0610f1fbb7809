"""The rules of linux.resources, for create and for `update`; loaded only where there are limits.

What is wrong is told as (JSON pointer, sentence), as in rules.py. Bounds are the kernel's own
(kernel/sched/core.c, tg_set_cfs_bandwidth), which would say no more than "invalid argument".
"""

from __future__ import annotations

from pyruntime import jsonfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pyruntime.errors import Problem
    from pyruntime.spec.shapes import BlockIo, Cpu, Memory, Rdma, Resources

_PERIODS = (1000, 1_000_000)  # microseconds
_WEIGHTS = (10, 1000)
# What would stop the container before it is made, or move processes of the host.
_NO_LIMITS = ("cgroup.freeze", "cgroup.kill", "cgroup.procs", "cgroup.threads")
_SPACE = " \t\n\r\v\f"


def broken(resources: Resources, where: str) -> list[Problem]:
    """Return what is wrong in a linux.resources whose shape is right.

    Args:
        resources: the block.
        where: JSON pointer to it, "" where it is a document of its own.
    """
    return [
        (f"{where}{place}", told)
        for place, told in (
            *_memory(resources.get("memory", {})),
            *_cpu(resources.get("cpu", {})),
            *_block_io(resources.get("blockIO", {})),
            *_rdma(resources.get("rdma", {})),
            *_unified(resources.get("unified", {})),
        )
    ]


def _memory(wish: Memory) -> Iterator[Problem]:
    """Amounts are -1 or more; swap counts memory and swap together, so it is no less than limit."""
    limit, swap, low = wish.get("limit", 0), wish.get("swap", 0), wish.get("reservation", 0)
    amounts = (("limit", limit), ("swap", swap), ("reservation", low))
    negative = [name for name, amount in amounts if amount < -1]
    for name in negative:
        yield f"/memory/{name}", "must be -1, for no limit, or a number of bytes"
    if negative or swap in (0, -1) or limit == -1:
        return
    if limit == 0:
        yield "/memory/swap", "unable to set swap limit without memory limit"
    elif swap < limit:
        yield "/memory/swap", "memory+swap limit should be >= memory limit"


def _cpu(wish: Cpu) -> Iterator[Problem]:
    quota, period, idle = wish.get("quota", 0), wish.get("period", 0), wish.get("idle", 0)
    least, most = _PERIODS
    if period and not least <= period <= most:
        yield "/cpu/period", f"must be from {least} to {most} microseconds"
    if 0 < quota < least:
        yield "/cpu/quota", f"must be at least {least} microseconds, or -1 for no limit"
    if 0 < quota < wish.get("burst", 0):
        yield "/cpu/burst", "must not be above the quota"
    if idle not in (0, 1):
        yield "/cpu/idle", "must be 0 or 1"
    if idle == 1 and wish.get("shares"):
        yield "/cpu/shares", "a cgroup that is idle (idle 1) can have no shares"


def _block_io(wish: BlockIo) -> Iterator[Problem]:
    """An entry has weight, leafWeight or both (config-linux.md, "Block IO")."""
    least, most = _WEIGHTS
    told = f"must be from {least} to {most}, or 0 for none"
    if wish.get("weight") and not least <= wish["weight"] <= most:
        yield "/blockIO/weight", told
    for place, entry in enumerate(wish.get("weightDevice", ())):
        where = f"/blockIO/weightDevice/{place}"
        if "weight" not in entry and "leafWeight" not in entry:
            yield where, "needs weight or leafWeight"
        elif entry.get("weight") and not least <= entry["weight"] <= most:
            yield f"{where}/weight", told


def _rdma(wish: dict[str, Rdma]) -> Iterator[Problem]:
    """An entry has hcaHandles, hcaObjects or both (config-linux.md, "RDMA")."""
    for name, entry in wish.items():
        where = "/rdma" + jsonfile.step(name)
        if "hcaHandles" not in entry and "hcaObjects" not in entry:
            yield where, "needs hcaHandles or hcaObjects"
        if not name or not set(_SPACE).isdisjoint(name):
            yield where, "is not the name of a device"


def _unified(wish: dict[str, str]) -> Iterator[Problem]:
    for name in wish:
        where = "/unified" + jsonfile.step(name)
        controller, _, parameter = name.partition(".")
        if not controller or not parameter:
            told = f"unified resource {jsonfile.encode(name)} must be in the form"
            yield where, f"{told} CONTROLLER.PARAMETER"
        elif name in _NO_LIMITS:
            yield where, "is no limit, but acts on processes"


def foreign(resources: Resources) -> list[str]:
    """Name what is asked for and cgroup v2 has no file for.

    With runc all of it is ignored, memory.kernel and kernelTCP with a warning; crun refuses it.
    Engines fill these in from what they did with version 1, so to refuse them would be too much.
    """
    devices = resources.get("blockIO", {}).get("weightDevice", ())
    asked: dict[str, Any] = {
        "memory.kernel": resources.get("memory", {}).get("kernel", -1) not in (0, -1),
        "memory.kernelTCP": resources.get("memory", {}).get("kernelTCP", -1) not in (0, -1),
        "memory.swappiness": "swappiness" in resources.get("memory", {}),
        "memory.disableOOMKiller": resources.get("memory", {}).get("disableOOMKiller"),
        "cpu.realtimeRuntime": resources.get("cpu", {}).get("realtimeRuntime"),
        "cpu.realtimePeriod": resources.get("cpu", {}).get("realtimePeriod"),
        "blockIO.leafWeight": resources.get("blockIO", {}).get("leafWeight"),
        "blockIO.weightDevice.leafWeight": any(each.get("leafWeight") for each in devices),
        "network.classID": resources.get("network", {}).get("classID"),
        "network.priorities": resources.get("network", {}).get("priorities"),
    }
    told = "is ignored: cgroup v2 has no such limit"
    return [f"linux.resources.{name} {told}" for name, wish in asked.items() if wish]
