"""Processes: clone3(2), namespaces, prctl(2), limits."""

from __future__ import annotations

import posix

from pyruntime.kernel import door

CLONE_NEWTIME = 0x00000080
CLONE_FILES = 0x00000400
CLONE_PIDFD = 0x00001000
CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
_CLONE_CLEAR_SIGHAND = 0x100000000
_CLONE_INTO_CGROUP = 0x200000000
_SIGCHLD = 17

_PR_SET_CHILD_SUBREAPER = 36
EVERY_PROCESSOR = b"\xff" * 1024  # as many as any kernel of the base line can have


def clone3(flags: int, cgroup: int | None) -> tuple[int, int]:
    """Make a child in new namespaces and, if given, in another cgroup.

    The child has every handler reset, since pid 1 must not run a Python signal handler.

    Args:
        flags: CLONE_NEW… flags.
        cgroup: descriptor of a cgroup v2 directory, None or -1 to stay in the caller's.

    Returns:
        (pid, pidfd) in the parent, (0, -1) in the child.

    Raises:
        OSError: EBUSY (the cgroup has children with controllers), EACCES, ENOSPC (a limit on
            namespaces), EPERM, EAGAIN.
    """
    pidfd = bytearray(4)
    wish = clone_args(flags, pidfd, cgroup)
    pid = door.call("clone3", wish, len(wish))
    return pid, int.from_bytes(pidfd, door.ORDER) if pid else -1


def clone_args(flags: int, pidfd: bytearray, cgroup: int | None) -> bytes:
    """Return struct clone_args of `clone3`; the kernel writes the pidfd into the four bytes."""
    flags |= CLONE_PIDFD | _CLONE_CLEAR_SIGHAND
    if cgroup is not None and cgroup >= 0:
        flags |= _CLONE_INTO_CGROUP
    words = (flags, door.address(pidfd), 0, 0, _SIGCHLD, 0, 0, 0, 0, 0, max(cgroup or 0, 0))
    return b"".join(word.to_bytes(8, door.ORDER) for word in words)


def clone_sharing_files() -> int:
    """Fork a child that shares the table of descriptors (clone(2), CLONE_FILES).

    Returns:
        The child's pid, 0 in the child.

    Raises:
        OSError: as clone(2) gives it.
    """
    return door.call("clone", CLONE_FILES | _SIGCHLD, 0, 0, 0, 0)


def is_single_threaded() -> bool:
    """Tell whether this process has one thread; a clone of several may hang (gh-84559)."""
    return len(posix.listdir("/proc/self/task")) == 1


def unshare(flags: int) -> None:
    """Leave namespaces for new ones (unshare(2)).

    Raises:
        OSError: as the call gives it.
    """
    door.call("unshare", flags)


def setns(descriptor: int, kind: int = 0) -> None:
    """Join the namespace that `descriptor` refers to; `kind` (CLONE_NEW…) is checked by the kernel.

    Raises:
        OSError: EINVAL where it is a namespace of another type.
    """
    door.call("setns", descriptor, kind)


def set_child_subreaper() -> None:
    """Become the parent of every orphan below this process.

    Raises:
        OSError: never in practice.
    """
    door.call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def prlimit(pid: int, resource: int, soft: int, hard: int) -> None:
    """Set a resource limit of another process (prlimit64(2)).

    Raises:
        OSError: EPERM for raising a hard limit without CAP_SYS_RESOURCE, EINVAL for soft > hard.
    """
    wish = soft.to_bytes(8, door.ORDER) + hard.to_bytes(8, door.ORDER)
    door.call("prlimit64", pid, resource, wish, None)


def allow_every_processor(pid: int) -> None:
    """Let another process run wherever its cpuset allows (sched_setaffinity(2)).

    Raises:
        OSError: EPERM for another user's process without CAP_SYS_NICE.
    """
    door.call("sched_setaffinity", pid, len(EVERY_PROCESSOR), EVERY_PROCESSOR)


def adjust_oom_score(pid: int, score: int) -> None:
    """Set how likely the OOM killer takes another process (proc_pid_oom_score_adj(5)).

    Raises:
        OSError: EACCES for a lower score without CAP_SYS_RESOURCE, EINVAL for an impossible one.
    """
    descriptor = posix.open(f"/proc/{pid}/oom_score_adj", posix.O_WRONLY)
    try:
        posix.write(descriptor, str(score).encode("ascii"))
    finally:
        posix.close(descriptor)


def close_from(first: int) -> None:
    """Close every descriptor from `first` on (close_range(2)).

    Raises:
        OSError: never in practice.
    """
    door.call("close_range", first, 0xFFFFFFFF, 0)
