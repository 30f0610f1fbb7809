"""A signal to every process of a cgroup; SIGKILL has a file of its own there (removal.kill)."""

from __future__ import annotations

import posix

from pyruntime.errors import doing
from pyruntime.feature.cgroup import removal
from pyruntime.kernel import pidfd as pidfds

_ROUNDS = 10


def send(directory: str, signal: int, told: set[int]) -> None:
    """Send a signal once to each process of a cgroup and of those below it.

    Those that are forked meanwhile are looked for again; who forks quicker than that can be frozen
    first. A process that the caller's pid namespace does not show cannot be told.

    Args:
        directory: of the cgroup; one that is gone holds nobody.
        signal: its number.
        told: pids that have it already.

    Raises:
        KernelError: not permitted, or no such signal.
    """
    with doing("send a signal to the processes of", directory):
        for _ in range(_ROUNDS):
            new = set(removal.processes(directory)) - told - {0}
            if not new:
                return
            _send_to(directory, signal, new)
            told = told | new


def _send_to(directory: str, signal: int, pids: set[int]) -> None:
    """Send it to those that are still in the cgroup when their pidfd is held, not to later ones."""
    held = {pid: pidfd for pid in sorted(pids) if (pidfd := pidfds.open_any(pid)) is not None}
    try:
        still = set(removal.processes(directory))
        for pid, pidfd in held.items():
            if pid in still:
                _send_one(pidfd, signal)
    finally:
        for pidfd in held.values():
            posix.close(pidfd)


def _send_one(pidfd: int, signal: int) -> None:
    try:
        pidfds.send_signal(pidfd, signal)
    except ProcessLookupError:  # it has ended since
        return
