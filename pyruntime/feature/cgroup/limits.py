"""Limits of a container's cgroup: linux.resources as files of cgroup v2, devices aside.

`plan` says which file gets which text, in the order in which runc writes them; formulas.py turns
what was meant for cgroup v1 into what version 2 has (config-linux.md, "Control Groups"; kernel
documentation, admin-guide/cgroup-v2.rst). `apply` writes. Loaded only for containers with limits;
what few of these have is planned by limits_rare.py, and what goes wrong is told by refused.py.
"""

from __future__ import annotations

import posix

from pyruntime.feature import step
from pyruntime.feature.cgroup.formulas import UNLIMITED, beyond_memory, weight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyruntime.feature.cgroup.devices import DeviceStep
    from pyruntime.feature.cgroup.filesystem import CgroupStep
    from pyruntime.spec.shapes import Cpu, Memory, Resources

_ENOENT, _EINVAL = 2, 22
_RARE = ("blockIO", "hugepageLimits", "rdma", "unified")
_USUAL_PERIOD = 100_000  # microseconds


class WriteStep(step.Step):
    """Write `text` to the file `file` of the cgroup.

    Attributes:
        key: that asks for it, below linux.resources.
        free: whether nothing is limited by it, so that a missing file is no error.
        instead: (file, text) for where the file is missing, ("", "") for none.
        after: name of a file after which it is tried again, where the kernel first finds it
            invalid, "" for none.
    """

    __slots__ = ("after", "file", "free", "instead", "key", "text")

    def __init__(
        self,
        key: str,
        file: str,
        text: str,
        *,
        free: bool = False,
        instead: tuple[str, str] = ("", ""),
        after: str = "",
    ) -> None:
        self.key, self.file, self.text = key, file, text
        self.free, self.instead, self.after = free, instead, after

    def describe(self) -> str:
        """Name file and text."""
        said = f"write {self.text} to {self.file}"
        if self.instead[0]:
            said += f", or {self.instead[1]} to {self.instead[0]} where that is missing"
        if self.after:
            said += f" (after {self.after}, if that has to grow first)"
        return said


def plan(resources: Resources, rules: DeviceStep | None = None) -> list[step.Step]:
    """Work out the writes of linux.resources, checked, in order; `rules` has its place in it.

    Args:
        resources: limits.
        rules: the step of the device program, None to leave that out.
    """
    rare = _rare(resources) if any(resources.get(name) for name in _RARE) else ([], [])
    cpu = resources.get("cpu") or {}
    return [
        *_pids((resources.get("pids") or {}).get("limit")),
        *_memory(resources.get("memory") or {}),
        *rare[0],
        *_cpu(cpu),
        *([rules] if rules is not None else []),
        *_cpuset(cpu),
        *rare[1],
    ]


def _rare(resources: Resources) -> tuple[Sequence[step.Step], Sequence[step.Step]]:
    """Plan what few containers have: (before the processors' limits, behind them)."""
    from pyruntime.feature.cgroup import limits_rare

    return limits_rare.block_io(resources.get("blockIO") or {}), limits_rare.others(resources)


def _pids(limit: int | None) -> Iterable[WriteStep]:
    """Plan the number of processes: at least the one that is there, below 0 is unlimited."""
    if limit is not None:
        text = UNLIMITED if limit < 0 else str(limit or 1)
        yield WriteStep("pids.limit", "pids.max", text, free=limit < 0)


def _memory(wish: Memory) -> Iterable[step.Step]:
    """Plan memory: 0 is unset, -1 is unlimited."""
    limit, swap, low = (wish.get("limit"), wish.get("swap"), wish.get("reservation"))
    if wish.get("checkBeforeUpdate") and ((limit or 0) > 0 or (swap or 0) > 0):
        from pyruntime.feature.cgroup import limits_rare

        yield limits_rare.UsageStep(limit or 0, swap or 0)
    beyond = beyond_memory(limit or 0, swap or 0)
    if beyond is not None:
        yield WriteStep("memory.swap", "memory.swap.max", beyond, free=beyond == UNLIMITED)
    for key, amount in (("limit", limit), ("reservation", low)):
        if amount:
            file = "memory.max" if key == "limit" else "memory.low"
            yield WriteStep(f"memory.{key}", file, _bytes(amount), free=amount == -1)


def _bytes(amount: int) -> str:
    return UNLIMITED if amount == -1 else str(amount)


def _cpu(wish: Cpu) -> Iterable[WriteStep]:
    """Plan processor time; idle comes first, since a weight given with it decides."""
    idle, shares, burst = wish.get("idle"), wish.get("shares"), wish.get("burst")
    quota, period = wish.get("quota") or 0, wish.get("period") or 0
    if idle is not None:
        yield WriteStep("cpu.idle", "cpu.idle", str(idle), free=idle == 0)
    if shares:
        yield WriteStep("cpu.shares", "cpu.weight", str(weight(shares)))
    if burst is not None:
        after = "cpu.max" if quota or period else ""
        yield WriteStep("cpu.burst", "cpu.max.burst", str(burst), free=burst == 0, after=after)
    if quota or period:
        most = str(quota) if quota > 0 else UNLIMITED
        text = f"{most} {period or _USUAL_PERIOD}"
        key = "cpu.quota" if quota else "cpu.period"
        yield WriteStep(key, "cpu.max", text, free=quota <= 0)


def _cpuset(wish: Cpu) -> Iterable[WriteStep]:
    for key in ("cpus", "mems"):
        listed = wish.get(key)
        if listed:
            yield WriteStep(f"cpu.{key}", f"cpuset.{key}", str(listed))


def write(directory: int, file: str, text: str) -> None:
    """Write a file of a cgroup at once.

    Raises:
        OSError: ENOENT when there is no such file, or the controller's refusal.
    """
    descriptor = posix.open(file, posix.O_WRONLY | posix.O_CLOEXEC, dir_fd=directory)
    try:
        posix.write(descriptor, text.encode("utf-8", "surrogateescape"))
    finally:
        posix.close(descriptor)


def apply(steps: Iterable[step.Step], directory: int, cgroup: CgroupStep) -> None:
    """Take the steps in order.

    Args:
        steps: of `plan`.
        directory: descriptor of the cgroup's directory; O_PATH will do.
        cgroup: which it is, for the controllers above it and for what is said of it.

    Raises:
        Unsupported: a controller is missing, with the place where and the cure.
        RuntimeFailure: a value is refused; with the file and the kernel's reason.
    """
    late: list[WriteStep] = []
    for each in steps:
        if not isinstance(each, WriteStep):
            _apply_other(each, directory)
            continue
        if set_one(each, directory, cgroup, may_wait=bool(each.after)):
            for waiting in late:
                set_one(waiting, directory, cgroup)
            late = []
        else:
            late = [each]


def set_one(
    wanted: WriteStep, directory: int, cgroup: CgroupStep, *, may_wait: bool = False
) -> bool:
    """Take one step; tell whether it was taken, which one that may wait is not if it is invalid.

    Raises:
        RuntimeFailure: as `apply`.
    """
    try:
        write(directory, wanted.file, wanted.text)
    except OSError as error:
        if may_wait and error.errno == _EINVAL:
            return False
        if wanted.free and error.errno == _ENOENT:
            return True
        from pyruntime.feature.cgroup import refused

        refused.settle(wanted, error.errno or 0, directory, cgroup)
    return True


def _apply_other(other: step.Step, directory: int) -> None:
    """Attach the device program, or look at the usage of memory."""
    from pyruntime.feature.cgroup import devices

    if isinstance(other, devices.DeviceStep):
        devices.apply(other, directory)
        return
    from pyruntime.feature.cgroup import limits_rare

    limits_rare.check_usage(other, directory)
