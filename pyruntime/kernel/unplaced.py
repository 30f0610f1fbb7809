"""A program on a file system that is mounted nowhere, for hosts that forbid executable memfds."""

from __future__ import annotations

import posix

from pyruntime.kernel import memfd, mount


def program(name: str, content: bytes) -> int:
    """Put the program on a tmpfs without a place in the tree and make that read-only."""
    context = mount.fsopen("tmpfs")
    try:
        mounted = mount.fsmount(context)
    finally:
        posix.close(context)
    try:
        flags = posix.O_CREAT | posix.O_EXCL | posix.O_WRONLY | posix.O_CLOEXEC
        descriptor = posix.open(name, flags, 0o500, dir_fd=mounted)
        try:
            memfd.write(descriptor, content)
        finally:
            posix.close(descriptor)  # or the program would be busy
        closed = mount.ATTR_RDONLY | mount.ATTR_NOSUID | mount.ATTR_NODEV
        mount.mount_setattr(mounted, add=closed)
        return posix.open(name, posix.O_RDONLY | posix.O_CLOEXEC, dir_fd=mounted)
    finally:
        posix.close(mounted)
