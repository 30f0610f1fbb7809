"""A cgroup frozen and thawed: cgroup.freeze of cgroup v2 (cgroup-v2.rst, "Core Interface Files").

The kernel freezes on its own time: the write returns at once, and cgroup.events says `frozen 1`
when the last process stands still. A process in an uninterruptible wait never does before that
wait is over.
"""

from __future__ import annotations

import posix
import select
import time

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.feature.cgroup import tree

_PATIENCE_S = 10.0
# A thaw by somebody else that comes before the last process stood still changes no event.
_LOOK_AGAIN_S = 0.5
_NOT_OURS = "this user may not write there: a delegated cgroup is needed"
_CURES = {1: _NOT_OURS, 13: _NOT_OURS, 30: "the cgroup file system is mounted read-only"}
_GONE = (2, 19)  # ENOENT, ENODEV


def freeze(directory: str, patience: float = _PATIENCE_S) -> bool:
    """Freeze every process in a cgroup and below it; return when all of them stand still.

    Args:
        directory: of the cgroup.
        patience: seconds to wait for that.

    Returns:
        False when no process is left there, or no cgroup.

    Raises:
        RuntimeFailure: they do not stand still, so they go on; or another thawed them meanwhile.
        KernelError: the cgroup cannot be written.
    """
    if not _write(directory, b"1", "freeze"):
        return False
    try:
        return _wait(directory, time.monotonic() + patience)
    except BaseException:
        thaw(directory)
        raise


def thaw(directory: str) -> None:
    """Let every process of a frozen cgroup go on; a cgroup that is gone is no error.

    Raises:
        KernelError: the cgroup cannot be written.
    """
    _write(directory, b"0", "thaw")


def _write(directory: str, wish: bytes, verb: str) -> bool:
    """Write cgroup.freeze; False when there is no such cgroup."""
    with doing(f"{verb} the cgroup", directory, _CURES):
        try:
            tree.write(f"{directory}/cgroup.freeze", wish)
        except OSError as error:
            if error.errno in _GONE:
                return False
            raise
    return True


def _wait(directory: str, limit: float) -> bool:
    """Wait for `frozen 1`; False when the last process has ended instead."""
    with doing("read the events of", directory):
        try:
            events = posix.open(f"{directory}/cgroup.events", posix.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return _watch(events, directory, limit)
        except OSError as error:
            if error.errno in _GONE:
                return False
            raise
        finally:
            posix.close(events)


def _watch(events: int, directory: str, limit: float) -> bool:
    poll = select.poll()
    poll.register(events, select.POLLPRI)
    while True:
        told = posix.pread(events, 4096, 0).splitlines()
        if b"frozen 1" in told:
            return True
        if b"populated 0" in told:
            return False
        thawed = tree.read(f"{directory}/cgroup.freeze").strip() == "0"
        left = limit - time.monotonic()
        if thawed or left <= 0:
            raise errors.RuntimeFailure(_refusal(directory, thawed=thawed))
        poll.poll(min(left, _LOOK_AGAIN_S) * 1000)


def _refusal(directory: str, *, thawed: bool) -> str:
    if thawed:
        return f"freeze the cgroup {directory}: another thawed it meanwhile"
    return (
        f"freeze the cgroup {directory}: not all of its processes stood still in time, so all go on"
        " (one in an uninterruptible wait, as for a server of files, cannot be frozen)"
    )
