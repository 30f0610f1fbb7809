"""The exit status of a process that is not the caller's child.

waitid(2) is for the parent. A pidfd that was opened before keeps the status when the process has
been reaped (PIDFD_GET_INFO with PIDFD_INFO_EXIT, Linux 6.15, pidfd_open(2)); until it is reaped
/proc/PID/stat has it, to whom ptrace(2) would let look (proc_pid_stat(5), field 52).
"""

from __future__ import annotations

import posix
import select

from pyruntime.kernel import door, pidfd

_GET_INFO = 0xC040FF0B  # _IOWR(0xFF, 11, struct pidfd_info), of the 64 bytes that it had first
_INFO_SIZE = 64
_INFO_EXIT = 1 << 3
_EXIT_CODE = slice(60, 64)
_LAST_FIELD = 49  # field 52, counted behind the name of the program
_REAPED_MS = 1000


def of(process: int, pid: int) -> int | None:
    """Return the wait status (waitpid(2)) of a process that has ended.

    Args:
        process: a pidfd of it that was opened before it was reaped, and that can be read.
        pid: its number then.

    Returns:
        None where nobody tells it: it had been reaped and the kernel is older than 6.15.
    """
    told = _kept(process)
    if told is None:
        told = _of_zombie(process, pid)
    if told is None:  # reaped between the two looks, or about to be
        poll = select.poll()
        poll.register(process, 0)  # only the hang-up, which is the reaping
        poll.poll(_REAPED_MS)
        told = _kept(process)
    return told


def _kept(process: int) -> int | None:
    """Return the status that the pidfd has kept."""
    info = bytearray(_INFO_EXIT.to_bytes(8, door.ORDER) + bytes(_INFO_SIZE - 8))
    try:
        door.call("ioctl", process, _GET_INFO, info)
    except OSError:  # a kernel without it, or a process of another pid namespace
        return None
    if not int.from_bytes(info[:8], door.ORDER) & _INFO_EXIT:
        return None
    return int.from_bytes(info[_EXIT_CODE], door.ORDER)


def _of_zombie(process: int, pid: int) -> int | None:
    """Return the status of a process that is not reaped yet."""
    try:
        posix.readlink(f"/proc/{pid}/exe")
    except FileNotFoundError:  # what a zombie has lost; others than its owner are told EACCES
        pass
    except OSError:
        return None
    try:
        descriptor = posix.open(f"/proc/{pid}/stat", posix.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fields = posix.read(descriptor, 4096).rpartition(b")")[2].split()
    except ProcessLookupError:
        return None
    finally:
        posix.close(descriptor)
    if fields[0].decode("ascii") not in pidfd.DEAD or _is_reaped(process):  # it is a later process
        return None
    return int(fields[_LAST_FIELD])


def _is_reaped(process: int) -> bool:
    """Tell whether the process of a pidfd has been reaped, so that its number may be another's."""
    try:
        pidfd.send_signal(process, 0)
    except ProcessLookupError:
        return True
    return False
