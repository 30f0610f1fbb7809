"""Processes known by a descriptor, and told from later ones of the same pid.

The door to raw system calls is opened only to send a signal: `state` and `start` need none.
"""

from __future__ import annotations

import posix

from pyruntime.errors import doing

_PF_EXITING = 0x4
# ESRCH; or no leader of a thread group has this number, which is ENOENT since Linux 6.15.
_GONE = (3, 22, 2)
DEAD = ("Z", "X", "x")


def stat(pid: int) -> tuple[str, int] | None:
    """Return the state letter and the start time of a process, None when there is none.

    The start time (field 22 of /proc/PID/stat, clock ticks since boot) tells a process from a
    later one that was given the same pid. The letter is that of the first thread; where that has
    ended and others live on (field 20), the process is no zombie but asleep.

    Raises:
        KernelError: it cannot be opened.
    """
    with doing("read", f"/proc/{pid}/stat"):
        try:
            descriptor = posix.open(f"/proc/{pid}/stat", posix.O_RDONLY)
        except FileNotFoundError:
            return None
    try:
        fields = posix.read(descriptor, 1024).rpartition(b")")[2].split()
    except ProcessLookupError:
        return None
    finally:
        posix.close(descriptor)
    letter = "S" if fields[0] == b"Z" and fields[17] != b"1" else fields[0].decode("ascii")
    return letter, int(fields[19])


def is_ending(pid: int) -> bool:
    """Tell whether a process has begun to end: its files close before waitid(2) can see it.

    The flag PF_EXITING in field 9 of /proc/PID/stat (linux/sched.h).
    """
    try:
        descriptor = posix.open(f"/proc/{pid}/stat", posix.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        flags = posix.read(descriptor, 1024).rpartition(b")")[2].split()[6]
    except ProcessLookupError:
        return True
    finally:
        posix.close(descriptor)
    return bool(int(flags) & _PF_EXITING)


def open_any(pid: int) -> int | None:
    """Open a pidfd of the process that has this pid now, be it a zombie; None when none has it.

    Raises:
        KernelError: pidfd_open(2) fails for another reason than ESRCH or the id of a mere thread.
    """
    with doing("open a pidfd of the process", str(pid)):
        try:
            return posix.pidfd_open(pid, 0)
        except OSError as error:
            if error.errno not in _GONE:
                raise
    return None


def open_process(pid: int, start_time: int) -> int | None:
    """Open a pidfd of the process that started at `start_time`, None when that one is gone.

    The descriptor is taken first and the time compared after it, so a recycled pid is never used.

    Raises:
        KernelError: pidfd_open(2) fails for another reason.
    """
    pidfd = open_any(pid)
    if pidfd is None:
        return None
    known = stat(pid)
    if known is None or known[0] in DEAD or known[1] != start_time:
        posix.close(pidfd)
        return None
    return pidfd


def send_signal(pidfd: int, signal: int) -> None:
    """Send a signal to the process of a pidfd.

    Raises:
        OSError: ESRCH when it is gone, EINVAL for a number that is no signal.
    """
    from pyruntime.kernel import door

    door.call("pidfd_send_signal", pidfd, signal, None, 0)
