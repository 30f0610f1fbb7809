"""Processes: which a container has."""

from __future__ import annotations

from pyruntime import errors
from pyruntime.container.store import Entry
from pyruntime.feature.cgroup import removal


def processes(root: str, id: str) -> list[int]:  # noqa: A002
    """Return the pids of a container's processes as the caller sees them, none when it is stopped.

    They are those of its cgroup and of all cgroups below it, so also what `exec` brought there and
    what has left the container's namespaces.

    Args:
        root: directory of all states.
        id: of the container.

    Raises:
        NotFound: there is no such container.
        Unsupported: it has no cgroup of its own.
        KernelError: its cgroup cannot be read.
    """
    saved = Entry(root, id).load()
    if not saved["cgroup"]:
        raise errors.Unsupported(
            f"container {id} has no cgroup of its own, so its processes are not known"
            " (it was created without one)"
        )
    # A process of another pid namespace than the caller's is told as 0.
    return sorted({pid for pid in removal.processes(saved["cgroup"]) if pid})
