"""Limits that few containers have: block I/O, huge pages, RDMA, files by their own names.

Part of limits.py, loaded for containers that have one of them.
"""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.feature import step
from pyruntime.feature.cgroup.formulas import UNLIMITED, io_weight
from pyruntime.feature.cgroup.limits import WriteStep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pyruntime.spec.shapes import BlockIo, Resources, ThrottleDevice, WeightDevice

_BFQ, _IO = "io.bfq.weight", "io.weight"
# The keys of blockIO that are rates, and what io.max calls them.
_RATES = (
    ("throttleReadBpsDevice", "rbps"),
    ("throttleWriteBpsDevice", "wbps"),
    ("throttleReadIOPSDevice", "riops"),
    ("throttleWriteIOPSDevice", "wiops"),
)


class UsageStep(step.Step):
    """See that less is used than the limits, in bytes, 0 for none (memory.checkBeforeUpdate)."""

    __slots__ = ("limit", "swap")

    def __init__(self, limit: int, swap: int) -> None:
        self.limit, self.swap = limit, swap

    def describe(self) -> str:
        """Name the limits."""
        limits = (("memory", self.limit), ("memory and swap", self.swap))
        told = ", and of ".join(f"{what} {most} bytes" for what, most in limits if most > 0)
        return f"see that the cgroup uses less of {told}"


def check_usage(wanted: Any, directory: int) -> None:
    """Take a UsageStep; where the usage cannot be read there is nothing to be said against it.

    Raises:
        RuntimeFailure: a limit is at or below the usage.
    """
    used = amount(directory, "memory.current")
    both = used + amount(directory, "memory.swap.current")
    for what, most, now in (("", wanted.limit, used), ("+swap", wanted.swap, both)):
        if 0 < most <= now:
            raise errors.RuntimeFailure(
                f"rejecting memory{what} limit {most} <= usage {now}"
                " (linux.resources.memory.checkBeforeUpdate)"
            )


def amount(directory: int, file: str) -> int:
    """Return the number in a file of a cgroup, 0 where there is none."""
    try:
        descriptor = posix.open(file, posix.O_RDONLY | posix.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return 0
    try:
        told = posix.read(descriptor, 64).strip()
        return int(told) if told.isdigit() else 0
    except OSError:
        return 0
    finally:
        posix.close(descriptor)


def block_io(wish: BlockIo) -> list[step.Step]:
    """Plan weights, then rates, one write each."""
    steps: list[step.Step] = []
    if wish.get("weight"):
        steps.append(_weight("blockIO.weight", "", wish["weight"]))
    steps += [
        _weight("blockIO.weightDevice", _numbers(device), device["weight"])
        for device in wish.get("weightDevice") or ()
        if device.get("weight")
    ]
    lists: dict[str, Any] = dict(wish)
    steps += [
        _rate(f"blockIO.{key}", rate, device)
        for key, rate in _RATES
        for device in lists.get(key) or ()
    ]
    return steps


def _rate(key: str, name: str, device: ThrottleDevice) -> WriteStep:
    """Plan a rate: 0 is none, as it was in cgroup v1, for which the kernel has another word now."""
    text = f"{_numbers(device)}{name}={device['rate'] or UNLIMITED}"
    return WriteStep(key, "io.max", text, free=not device["rate"])


def _numbers(device: WeightDevice | ThrottleDevice) -> str:
    return f"{device['major']}:{device['minor']} "


def _weight(key: str, device: str, weight: int) -> WriteStep:
    """Plan a weight for the BFQ scheduler, where that is in use, else for io.cost."""
    return WriteStep(key, _BFQ, f"{device}{weight}", instead=(_IO, f"{device}{io_weight(weight)}"))


def others(resources: Resources) -> list[step.Step]:
    """Plan huge pages, RDMA, and last, so that they decide, the files of `unified`."""
    return [*_huge_pages(resources), *_rdma(resources), *_unified(resources.get("unified") or {})]


def _huge_pages(resources: Resources) -> Iterable[WriteStep]:
    """Plan two files for each size: pages in use, and those reserved for mappings (where known)."""
    for limit in resources.get("hugepageLimits") or ():
        key, size = f"hugepageLimits {limit['pageSize']}", limit["pageSize"]
        yield WriteStep(key, f"hugetlb.{size}.max", str(limit["limit"]))
        yield WriteStep(key, f"hugetlb.{size}.rsvd.max", str(limit["limit"]), free=True)


def _rdma(resources: Resources) -> Iterable[WriteStep]:
    for device, limits in (resources.get("rdma") or {}).items():
        named = (("hca_handle", limits.get("hcaHandles")), ("hca_object", limits.get("hcaObjects")))
        text = "".join(f" {name}={most}" for name, most in named if most is not None)
        yield WriteStep(f"rdma.{device}", "rdma.max", f"{device}{text}")


def _unified(files: dict[str, str]) -> Iterable[WriteStep]:
    """Plan the files line by line: a file of several lines takes one at a time."""
    for file, text in files.items():
        for line in text.splitlines():
            yield WriteStep(f"unified.{file}", file, line)
