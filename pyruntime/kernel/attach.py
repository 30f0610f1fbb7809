"""Attach a detached mount below a root that may be changing, and know that it landed there."""

from __future__ import annotations

import errno
import posix

from pyruntime.kernel import mount, path


def onto_directory(root: int, destination: str, mounted: int) -> None:
    """Attach `mounted` onto the directory `destination` inside `root`, making it where missing.

    Raises:
        OSError: as `path.make_directory` and move_mount(2) give it; ESTALE when the destination
            was exchanged meanwhile, so that the mount is not where it was wished.
    """
    _attach(root, destination, mounted, path.make_directory(root, destination))


def onto_file(root: int, destination: str, mounted: int) -> None:
    """Attach `mounted`, which is no directory, onto the file `destination` inside `root`.

    Raises:
        OSError: as `onto_directory`.
    """
    _attach(root, destination, mounted, path.make_file(root, destination))


def onto_present(
    root: int, destination: str, mounted: int, target: int, *, follow: bool = True
) -> None:
    """Attach `mounted` onto `target`, which the caller resolved from `destination`, and close it.

    Where not `follow`, the mount or its place is a symbolic link, which is looked at itself.

    Raises:
        OSError: as `onto_directory`.
    """
    _attach(root, destination, mounted, target, path.O_PATH | (0 if follow else path.O_NOFOLLOW))


def _attach(
    root: int, destination: str, mounted: int, target: int, flags: int = path.O_PATH
) -> None:
    """Move the mount onto the descriptor, then look again where the path leads."""
    try:
        mount.move_mount(mounted, target)
    finally:
        posix.close(target)
    again = path.resolve(root, destination, flags)
    try:
        if path.mount_id(again) != path.mount_id(mounted):
            raise exchanged()
    finally:
        posix.close(again)


def make_place(root: int, destination: str) -> int:
    """Open the directory `destination` inside `root`, made where missing, to mount onto.

    Only a link at the end can lead to the root itself, above which nothing may lie: paths begin
    beneath it, but for `..`.

    Raises:
        OSError: as `path.make_directory`; EBUSY for the root itself.
    """
    try:
        return path.make_directory(root, destination, follow=False)
    except NotADirectoryError:  # a link, or no directory at all
        target = path.make_directory(root, destination)
    here, top = posix.fstat(target), posix.fstat(root)
    if here.st_ino == top.st_ino and path.mount_id(target) == path.mount_id(root):
        posix.close(target)
        raise mount.FileSystemError(
            errno.EBUSY, "the mountpoint is on the top of rootfs: a link of the image leads there"
        )
    return target


def exchanged() -> mount.FileSystemError:
    """Return the error for a path that no longer leads to what was mounted there."""
    return mount.FileSystemError(errno.ESTALE, "the destination was exchanged meanwhile")


def is_directory(descriptor: int) -> bool:
    """Tell whether an open node is a directory.

    Raises:
        OSError: as fstat(2) gives it.
    """
    return posix.fstat(descriptor).st_mode & 0o170000 == 0o040000
