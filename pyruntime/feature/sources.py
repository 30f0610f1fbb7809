"""What the container's root may not reach on the host is fetched for it.

A directory above a volume or the rootfs may be closed to the user that the container's root is
outside. It is open to the runtime, but a mount that the runtime clones for itself has no locks:
root inside could take `ro` and `nodev` off again. So a short-lived clone of the runtime enters the
container's mount namespace, where what is cloned is locked, with all its rights on files. It is in
no pid namespace of the container, shares the descriptors, and is gone when this returns.

A runtime that is not root may enter by the container's user namespace only, which is its own. It is
the same user of the host there, so what it could open it still can.
"""

from __future__ import annotations

import errno
import posix

from pyruntime.kernel import mount, path, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn


def tree(pidfd: int, source: str, *, recursive: bool, follow: bool) -> list[int]:
    """Clone the mount at `source`, for a bind, in the mount namespace of the process of `pidfd`.

    Returns:
        Its descriptor, close-on-exec.

    Raises:
        OSError: as open_tree(2) or setns(2) gives it.
    """

    def clone() -> list[int]:
        return [mount.open_tree(mount.AT_FDCWD, source, recursive=recursive, follow=follow)]

    return _fetched(pidfd, clone)


def tree_and_place(pidfd: int, directory: str, *, part: bool) -> list[int]:
    """Clone the tree at `directory`, and open the directory itself to mount it there.

    With `part` the mount that it lies on is made private first, see rootfs.isolate.

    Returns:
        Both descriptors, close-on-exec.

    Raises:
        OSError: as `tree`, or open(2).
    """
    from pyruntime.feature import oldroot  # few containers need it, and a clone loads nothing

    def clone() -> list[int]:
        if part:
            oldroot.part(directory)
        cloned = mount.open_tree(mount.AT_FDCWD, directory, recursive=True)
        flags = path.O_PATH | path.O_DIRECTORY | path.O_CLOEXEC
        return [cloned, posix.open(directory, flags)]

    return _fetched(pidfd, clone)


def _fetched(pidfd: int, fetch: Callable[[], list[int]]) -> list[int]:
    """Have a child there do `fetch`; the numbers of the descriptors come through a pipe."""
    reader, writer = posix.pipe2(posix.O_CLOEXEC)
    try:
        pid = process.clone_sharing_files()
        if pid == 0:
            _fetch_and_leave(pidfd, writer, fetch)
        posix.waitpid(pid, 0)
        posix.close(writer)
        told = [int(number) for number in posix.read(reader, 64).split()] or [-errno.EIO]
    finally:
        posix.close(reader)
    if told[0] < 0:
        raise OSError(-told[0], posix.strerror(-told[0]))
    return told


def _fetch_and_leave(pidfd: int, writer: int, fetch: Callable[[], list[int]]) -> NoReturn:
    """Enter the mount namespace, fetch, tell the numbers or the errno, and end, come what may."""
    told = [-errno.EIO]
    try:
        user = process.CLONE_NEWUSER if posix.geteuid() != 0 else 0
        process.setns(pidfd, user | process.CLONE_NEWNS)
        told = fetch()
    except OSError as error:
        told = [-(error.errno or errno.EIO)]
    finally:
        posix.write(writer, " ".join(map(str, told)).encode("ascii"))
        posix._exit(0)  # noqa: SLF001
