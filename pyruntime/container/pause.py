"""Pause and resume: freeze all processes of a container, and let them go on."""

from __future__ import annotations

from pyruntime import errors
from pyruntime.container import status
from pyruntime.container.store import Entry
from pyruntime.feature.cgroup import freezer


def pause(root: str, id: str) -> None:  # noqa: A002
    """Freeze a container that is created or running, and return when it stands still.

    Without the lock: a hook of `start`, which holds it, may pause its container.

    Args:
        root: directory of all states.
        id: of the container.

    Raises:
        NotFound: there is no such container.
        WrongStatus: it is stopped, or paused already.
        Unsupported: it has no cgroup of its own.
        RuntimeFailure: it does not stand still; it goes on then.
    """
    entry = Entry(root, id)
    saved = entry.load()
    status.require("pause", entry, saved)
    if not saved["cgroup"]:
        raise errors.Unsupported(
            f"container {id} has no cgroup of its own, so it cannot be paused"
            " (it was created without one)"
        )
    if not freezer.freeze(saved["cgroup"]):
        raise errors.WrongStatus(status.NOT_RUNNING)


def resume(root: str, id: str) -> None:  # noqa: A002
    """Let a paused container go on.

    Raises:
        NotFound: there is no such container.
        WrongStatus: it is not paused.
        KernelError: its cgroup cannot be written.
    """
    entry = Entry(root, id)
    saved = entry.load()
    status.require("resume", entry, saved)
    freezer.thaw(saved["cgroup"])
