"""A child that executes a program in memory without ever being a copy of this process.

It borrows this process's memory until then (CLONE_VM, CLONE_VFORK), which saves the copy of all
page tables and of each page that either touches. Only the installed program can do that, since the
child may not run Python (native/spawn.h); elsewhere the caller forks.
"""

from __future__ import annotations

import errno

from pyruntime.kernel import door, memfd, process

_CLONE_VM, _CLONE_VFORK = 0x00000100, 0x00004000


def can() -> bool:
    """Tell whether this process can."""
    return door.spawn is not None


def spawn(
    cgroup: int | None, program: int, argv: list[str], env: list[str], kept: list[int]
) -> tuple[int, int]:
    """Make the child; return its pid and a pidfd when it has executed the program.

    Args:
        cgroup: descriptor of a cgroup v2 directory to be born into, None for the caller's.
        program: descriptor of the program.
        argv: its arguments.
        env: its environment block, string by string.
        kept: descriptors that shall be open in it.

    Raises:
        OSError: as clone3(2) or execveat(2) gives it; ENOSYS where `can` says no.
    """
    pidfd = bytearray(4)
    wish = process.clone_args(_CLONE_VM | _CLONE_VFORK, pidfd, cgroup)
    words = memfd.texts(argv), memfd.texts(env)  # they must live until the call is made
    rows = [memfd.row(texts) for texts in words]
    numbers = b"".join(each.to_bytes(4, door.ORDER) for each in kept)
    if door.spawn is None:
        raise OSError(errno.ENOSYS, "only the installed program can")
    pid = door.spawn(wish, program, rows[0], rows[1], numbers)
    return pid, int.from_bytes(pidfd, door.ORDER)
