"""The container's own clocks: a new time namespace, and what its clocks are ahead of the host's.

Loaded by the plan of containers that have one, since the child can load nothing.
"""

from __future__ import annotations

import errno
import posix

from pyruntime.errors import doing
from pyruntime.feature import procfs
from pyruntime.feature.step import Step
from pyruntime.kernel import path, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.spec.shapes import Config

_MAKE_CURES = {errno.EINVAL: "this kernel was built without time namespaces"}
_WRITE_CURES = {errno.ERANGE: "a clock would be below 0 or beyond 146 years"}


class ClocksStep(Step):
    """Make a time namespace; `offsets` is what its timens_offsets will say, "" for no offsets."""

    __slots__ = ("offsets",)

    def __init__(self, offsets: str) -> None:
        self.offsets = offsets

    def describe(self) -> str:
        """Name the clocks and what is added to them, in seconds and nanoseconds."""
        told = self.told()
        return "enter a new time namespace" + (f", offsets {told}" if told else "")

    def told(self) -> str:
        """Return the offsets in one line."""
        return ", ".join(self.offsets.splitlines())


def plan(config: Config) -> ClocksStep:
    """Work out the offsets of a checked config whose time namespace is new."""
    offsets = config.get("linux", {}).get("timeOffsets") or {}
    clocks = (("monotonic", offsets.get("monotonic")), ("boottime", offsets.get("boottime")))
    return ClocksStep(
        "".join(
            f"{name} {offset.get('secs', 0)} {offset.get('nanosecs', 0)}\n"
            for name, offset in clocks if offset
        )
    )  # fmt: skip


def enter(step: ClocksStep) -> None:
    """Make the namespace, set its clocks and go into it; called in the child.

    clone3(2) could make it, but offsets freeze when the first process enters, so unshare(2), which
    makes it for children, comes before the write and setns(2) after. All goes through a procfs of
    our own, on which nothing can be mounted.

    Raises:
        KernelError: no such namespaces, or a clock that cannot be so far off (ERANGE).
    """
    with doing("make a private procfs"):
        own = procfs.private()
    try:
        with doing("make a time namespace", "", _MAKE_CURES):
            process.unshare(process.CLONE_NEWTIME)
        if step.offsets:
            with doing("set the time namespace's offsets", step.told(), _WRITE_CURES):
                _write(own, step.offsets)
        with doing("enter the new time namespace"):
            born = posix.open("self/ns/time_for_children", posix.O_RDONLY, dir_fd=own)
            process.setns(born, process.CLONE_NEWTIME)
            posix.close(born)
    finally:
        posix.close(own)


def _write(own: int, offsets: str) -> None:
    """Write all clocks in one call: the kernel takes all or none."""
    beneath = path.RESOLVE_BENEATH | path.RESOLVE_NO_XDEV | path.RESOLVE_NO_MAGICLINKS
    file = path.openat2(own, "self/timens_offsets", posix.O_WRONLY, beneath)
    try:
        posix.write(file, offsets.encode("ascii"))
    finally:
        posix.close(file)
