"""The end of a container's cgroup: its processes found and killed, its directories removed."""

from __future__ import annotations

import errno
import posix
import time

from pyruntime import errors
from pyruntime.feature.cgroup import tree

_SIGKILL = 9
_ROUNDS = 10
_NAMED = 8  # so many processes are named in an error
_FIRST_PAUSE = 0.001  # seconds, doubled every round: one second in all
_GONE = (errno.ENOENT, errno.ENODEV)
# A threaded cgroup names no processes: those of its threads are named above it (cgroup-v2.rst).
_NAMELESS = (*_GONE, errno.EOPNOTSUPP)


def frozen(directory: str) -> bool:
    """Tell whether every process of the cgroup is frozen, by itself or by a cgroup above it.

    A cgroup that does not exist is not frozen.

    Raises:
        KernelError: cgroup.events cannot be read for another reason.
    """
    return "frozen 1" in _events(directory)


def populated(directory: str) -> bool:
    """Tell whether there are processes in the cgroup, or in one below it.

    Raises:
        KernelError: cgroup.events cannot be read, but for want of such a cgroup.
    """
    return "populated 1" in _events(directory)


def _events(directory: str) -> list[str]:
    """Return the lines of cgroup.events, none where there is no such cgroup."""
    try:
        with errors.doing("read", f"{directory}/cgroup.events"):
            return tree.read(f"{directory}/cgroup.events").splitlines()
    except errors.KernelError as error:
        if error.number in _GONE:
            return []
        raise


def processes(directory: str) -> list[int]:
    """Return the pids in the cgroup and in all cgroups below it, none when it does not exist.

    A process that is not visible in the caller's pid namespace is told as 0.

    Raises:
        KernelError: a list cannot be read.
    """
    with errors.doing("read the processes of", directory):
        top = tree.open_directory(directory)
        if top is None:
            return []
        try:
            found = _pids("cgroup.procs", top)
            for parent, name in tree.below(top):
                found += _pids(f"{name}/cgroup.procs", parent)
            return found
        finally:
            posix.close(top)


def _pids(path: str, directory: int) -> list[int]:
    try:
        return [int(line) for line in tree.read(path, directory).split()]
    except OSError as error:
        if error.errno in _NAMELESS:
            return []
        raise


def kill(directory: str) -> None:
    """Send SIGKILL to every process in the cgroup and below it (cgroup.kill of cgroup v2).

    Frozen processes die too. Does not wait for their end; a missing cgroup is no error.

    Raises:
        KernelError: not permitted.
    """
    with errors.doing("kill the processes of", directory):
        try:
            tree.write(f"{directory}/cgroup.kill", b"1")
        except OSError as error:
            if error.errno not in _GONE:
                raise
            _kill_each(directory)


def _kill_each(directory: str) -> None:
    """Kill by pid where there is no cgroup.kill, in rounds, since processes may fork meanwhile."""
    for attempt in range(_ROUNDS):
        # A 0 is a process of another pid namespace; kill(0) would end the runtime's own group.
        pids = [pid for pid in processes(directory) if pid]
        if not pids:
            return
        for pid in pids:
            try:
                posix.kill(pid, _SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(_FIRST_PAUSE * 2**attempt)


def remove(directory: str) -> None:
    """Remove the cgroup and all cgroups below it; one that does not exist is no error.

    Killed processes need a moment to go, so a busy cgroup is tried again for one second.

    Raises:
        KernelError: EBUSY when processes remain.
    """
    with errors.doing("remove the cgroup", directory):
        for attempt in range(_ROUNDS):
            if _is_removed(directory):
                return
            if not _remove_below(directory):
                time.sleep(_FIRST_PAUSE * 2**attempt)
        if _is_removed(directory):
            return
    raise errors.KernelError("remove the cgroup", directory, errno.EBUSY, _inmates(directory))


def _is_removed(directory: str) -> bool:
    """Try to remove it; tell whether it is gone, False while it is busy."""
    try:
        posix.rmdir(directory)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def _inmates(directory: str) -> str:
    """Say who is in the way, as far as it can be seen."""
    pids = ", ".join(str(pid) for pid in processes(directory)[:_NAMED] if pid)
    return f"still in it: {pids}" if pids else ""


def _remove_below(directory: str) -> bool:
    """Remove the cgroups below, as far as they are empty; tell whether any was removed."""
    removed = False
    top = tree.open_directory(directory)
    if top is None:
        return False
    try:
        for parent, name in tree.below(top):
            try:
                posix.rmdir(name, dir_fd=parent)
            except OSError as error:
                if error.errno not in (errno.EBUSY, errno.ENOENT):
                    raise
            else:
                removed = True
    finally:
        posix.close(top)
    return removed
