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


def onto_present(root: int, destination: str, mounted: int, target: int) -> None:
    """Attach `mounted` onto `target`, which the caller resolved from `destination`, and close it.

    Raises:
        OSError: as `onto_directory`.
    """
    _attach(root, destination, mounted, target)


def _attach(root: int, destination: str, mounted: int, target: int) -> None:
    """Move the mount onto the descriptor, then look again where the path leads."""
    try:
        mount.move_mount(mounted, target)
    finally:
        posix.close(target)
    again = path.resolve(root, destination)
    try:
        if path.mount_id(again) != path.mount_id(mounted):
            raise OSError(errno.ESTALE, "the destination was exchanged", destination)
    finally:
        posix.close(again)


def is_directory(descriptor: int) -> bool:
    """Tell whether an open node is a directory.

    Raises:
        OSError: as fstat(2) gives it.
    """
    return posix.fstat(descriptor).st_mode & 0o170000 == 0o040000
