"""Descriptors of other processes, pidfd_getfd(2)."""

from __future__ import annotations

from pyruntime.kernel import door


def taken(pidfd: int, number: int) -> int:
    """Return a copy of the descriptor `number` of another process, close-on-exec.

    The other process need do nothing for it, and may be waiting in the kernel.

    Raises:
        OSError: EBADF (it has no such descriptor), EPERM (it may not be traced), ESRCH.
    """
    return door.call("pidfd_getfd", pidfd, number, 0)
