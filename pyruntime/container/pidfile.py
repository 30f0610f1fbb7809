"""The file in which an engine finds the pid of the process that it asked for."""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.errors import doing


def write(file: str, pid: int) -> None:
    """Write the pid whole or not at all: conmon reads it as soon as the command has ended.

    Args:
        file: absolute path; what is there is replaced.
        pid: in decimal, no newline, as runc writes it.

    Raises:
        KernelError: it cannot be written.
    """
    directory, _, name = file.rpartition("/")
    temporary = f"{directory}/.{name}.{posix.getpid()}"
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        with doing("write the pid file", file):
            descriptor = posix.open(temporary, flags, 0o666)
            posix.write(descriptor, str(pid).encode("ascii"))
            posix.close(descriptor)
            posix.rename(temporary, file)
    except errors.KernelError:
        _forget(temporary)
        raise


def _forget(file: str) -> None:
    """Remove a file that may not be there."""
    try:
        posix.unlink(file)
    except OSError:
        return
