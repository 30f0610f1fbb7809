"""Whom the OOM killer took: asked when a process ended that should not have."""

from __future__ import annotations

from pyruntime.errors import doing
from pyruntime.feature.cgroup import tree

_ABSENT = (2, 19)  # ENOENT: no memory controller, or no cgroup; ENODEV: it is being removed


def oom_kills(directory: str) -> int:
    """Return how many processes of a cgroup, and of those below it, the OOM killer has ended.

    The key oom_kill of memory.events (cgroup-v2.rst, "Memory Interface Files"). It counts from the
    making of the cgroup, so after a failed create any number but 0 tells of this container.

    Args:
        directory: of the cgroup; "" for none of its own.

    Returns:
        0 also where there is no memory controller or no such cgroup.

    Raises:
        KernelError: the file is there and cannot be read.
    """
    return counted(_events(directory)) if directory else 0


def is_counted(directory: str) -> bool:
    """Tell whether the OOM killer's deeds in a cgroup can be known: it is there, so is its count.

    Raises:
        KernelError: as `oom_kills`.
    """
    return bool(_events(directory))


def _events(directory: str) -> str:
    """Return the text of memory.events, "" where there is none."""
    place = f"{directory}/memory.events"
    with doing("read", place):
        try:
            return tree.read(place)
        except OSError as error:
            if error.errno in _ABSENT:
                return ""
            raise


def counted(events: str) -> int:
    """Return the count of OOM kills in the text of memory.events, 0 if it names none."""
    for line in events.splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return 0
