"""Reading and walking the cgroup file system.

A container that may write its cgroup mount can nest cgroups as deep as it likes, beyond PATH_MAX
and any recursion limit; so a walk goes by descriptors, one level at a time.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW


def read(path: str, directory: int | None = None) -> str:
    """Return the whole text of a cgroup file, its path taken from `directory`.

    Raises:
        OSError: ENOENT or ENODEV when the cgroup is gone.
    """
    descriptor = posix.open(path, posix.O_RDONLY, dir_fd=directory)
    try:
        told = b""
        while piece := posix.read(descriptor, 1 << 16):
            told += piece
        return told.decode("ascii")
    finally:
        posix.close(descriptor)


def write(path: str, text: bytes, directory: int | None = None) -> None:
    """Write a cgroup file at once.

    Raises:
        OSError: ENOENT when there is no such file, ENODEV when the cgroup is gone, or the
            controller's own refusal.
    """
    descriptor = posix.open(path, posix.O_WRONLY, dir_fd=directory)
    try:
        posix.write(descriptor, text)
    finally:
        posix.close(descriptor)


def below(top: int) -> Iterator[tuple[int, str]]:
    """Yield (descriptor of the parent, name) of every cgroup below `top`, children before parents.

    The descriptor is good until the next step. One level is open at a time, and the way up is
    `..`, which is safe: a cgroup v2 directory cannot be moved.

    Args:
        top: descriptor of a cgroup directory, opened for reading.

    Raises:
        OSError: a directory cannot be opened; one that vanishes meanwhile is passed over.
    """
    here = posix.dup(top)
    waiting, path = [_children(here)], list[str]()
    try:
        while waiting:
            if waiting[-1]:
                lower = _open_child(name := waiting[-1].pop(), here)
                if lower is not None:
                    posix.close(here)
                    here = lower
                    path.append(name)
                    waiting.append(_children(here))
                continue
            waiting.pop()
            if path:
                upper = posix.open("..", _DIRECTORY, dir_fd=here)
                posix.close(here)
                here = upper
                yield here, path.pop()
    finally:
        posix.close(here)


def open_directory(path: str) -> int | None:
    """Open a cgroup directory for reading, None when there is none.

    Raises:
        OSError: any other reason than ENOENT.
    """
    return _open_child(path, None)


def _open_child(name: str, parent: int | None) -> int | None:
    try:
        return posix.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        return None


def _children(directory: int) -> list[str]:
    with posix.scandir(directory) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
