"""Namespaces as descriptors: what they are and which they are."""

from __future__ import annotations

import errno
import fcntl
import posix

_NS_GET_NSTYPE = 0xB703


def open_typed(path: str, flag: int) -> int:
    """Open the namespace file `path` and check that it is of type `flag` (CLONE_NEW…).

    Raises:
        OSError: ENOENT, EACCES; EINVAL for a file that is no namespace or of another type.
    """
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    try:
        found = fcntl.ioctl(descriptor, _NS_GET_NSTYPE)
    except OSError:
        found = 0
    if found != flag:
        posix.close(descriptor)
        raise OSError(errno.EINVAL, "not a namespace of that type", path)
    return descriptor


def identity(path: str) -> tuple[int, int]:
    """Return device and inode of a namespace file: equal means the same namespace.

    Raises:
        OSError: as stat(2) gives it.
    """
    known = posix.stat(path)
    return known.st_dev, known.st_ino


def sets_groups(pid: int | str = "self") -> bool:
    """Tell whether setgroups(2) is allowed in the user namespace of a process.

    Raises:
        OSError: the process may not be looked at.
    """
    try:
        descriptor = posix.open(f"/proc/{pid}/setgroups", posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError:  # this kernel was built without user namespaces
        return True
    try:
        return posix.read(descriptor, 8) != b"deny\n"
    finally:
        posix.close(descriptor)
