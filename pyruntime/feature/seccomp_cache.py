"""Compiled filters, kept by the content of their profile.

A file is named by the digest of the profile (FilterStep.key) and holds one line of text and the
program. The line has the program's digest and, for each file that took part in making it (the
Python binding, libseccomp), path, time of change in ns and size: when one of them is no longer the
same, as after an update of libseccomp, the program is compiled anew. So the version of libseccomp
is known without loading it.

A program decides what a container may do, so nothing is believed that another user could have
written: the directory and the file must belong to the effective user and be closed to all others.
"""

from __future__ import annotations

import _blake2
import posix
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_CAPACITY = 1 << 20  # bytes of all programs together
_INSTRUCTION_SIZE = 8
_KIND, _REGULAR, _PERMISSIONS, _OTHERS = 0o170000, 0o100000, 0o7777, 0o077
_PRIVATE_FILE, _PRIVATE_DIRECTORY = 0o600, 0o700
_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW
_READ = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK
_NEW = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW


def read(directory: str, key: str) -> bytes | None:
    """Return the program kept under `key`, None when there is none that can be trusted."""
    try:
        kept = _open_directory(directory)
        try:
            whole = _read_private(key, kept)
        finally:
            posix.close(kept)
        return _checked(whole)
    except (OSError, ValueError):
        return None


def write(directory: str, key: str, program: bytes, makers: Sequence[str]) -> None:
    """Keep a program; warn when that is not possible.

    Args:
        directory: the cache, made with mode 0700 when missing.
        key: what the program will be asked for by.
        program: the filter.
        makers: the files that took part in making it.
    """
    try:
        head = "\t".join([_digest(program), *[_known_by(path) for path in makers]])
        _make_directory(directory)
        kept = _open_directory(directory)
        try:
            _write_private(key, kept, head.encode("utf-8", "surrogateescape") + b"\n" + program)
            _evict(kept)
        finally:
            posix.close(kept)
    except (OSError, ValueError) as error:
        from pyruntime import log

        log.warning(f"the compiled seccomp filter is not kept in {directory}: {error}")


def _digest(program: bytes) -> str:
    digest: str = _blake2.blake2b(program, digest_size=16).hexdigest()
    return digest


def _known_by(path: str) -> str:
    """Return what tells a file from a later one of the same name."""
    if "\t" in path or "\n" in path:
        raise ValueError(f"the name {path!r} cannot be noted")
    status = posix.stat(path)
    return f"{path}\t{status.st_mtime_ns}\t{status.st_size}"


def _checked(whole: bytes) -> bytes | None:
    """Return the program if it is whole and its makers are what they were."""
    line, _, program = whole.partition(b"\n")
    head = line.decode("utf-8", "surrogateescape").split("\t")
    if not program or len(program) % _INSTRUCTION_SIZE or head[0] != _digest(program):
        return None
    noted = ["\t".join(head[at : at + 3]) for at in range(1, len(head), 3)]
    same = all(_known_by(each.partition("\t")[0]) == each for each in noted)
    return program if same and noted else None


def _open_directory(path: str) -> int:
    """Open the cache, if it belongs to this user alone.

    Raises:
        OSError: there is none.
        ValueError: it is open to others.
    """
    descriptor = posix.open(path, _DIRECTORY)
    status = posix.fstat(descriptor)
    if status.st_uid != posix.geteuid() or status.st_mode & _OTHERS:
        posix.close(descriptor)
        raise ValueError("the directory is not this user's alone")
    return descriptor


def _read_private(name: str, directory: int) -> bytes:
    """Read a file, if it belongs to this user alone.

    Raises:
        OSError: it cannot be opened.
        ValueError: another user could have written it.
    """
    descriptor = posix.open(name, _READ, dir_fd=directory)
    try:
        status = posix.fstat(descriptor)
        private = status.st_mode & _PERMISSIONS == _PRIVATE_FILE
        if status.st_mode & _KIND != _REGULAR or status.st_uid != posix.geteuid() or not private:
            raise ValueError("the file is not this user's alone")
        return posix.read(descriptor, _CAPACITY)
    finally:
        posix.close(descriptor)


def _make_directory(path: str) -> None:
    """Make the directory and those above it that are missing, closed to others."""
    for at in [at for at, sign in enumerate(path) if sign == "/" and at] + [len(path)]:
        try:
            posix.mkdir(path[:at], _PRIVATE_DIRECTORY)
        except FileExistsError:
            continue


def _write_private(name: str, directory: int, content: bytes) -> None:
    """Write a file under a name of its own and give it its true one when it is whole."""
    temporary = f".{posix.getpid()}.{time.monotonic_ns()}"
    descriptor = posix.open(temporary, _NEW, _PRIVATE_FILE, dir_fd=directory)
    try:
        posix.fchmod(descriptor, _PRIVATE_FILE)  # whatever the umask
        _write_whole(descriptor, content)
        posix.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except (OSError, ValueError):
        posix.unlink(temporary, dir_fd=directory)
        raise
    finally:
        posix.close(descriptor)


def _write_whole(descriptor: int, content: bytes) -> None:
    if posix.write(descriptor, content) != len(content):
        raise ValueError("the disk is full")


def _evict(directory: int) -> None:
    """Remove the oldest files until the rest is within the capacity."""
    ages = []
    for name in posix.listdir(directory):
        try:
            status = posix.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:  # another runtime has renamed or evicted it
            continue
        ages.append((status.st_mtime_ns, name, status.st_size))
    excess = sum(size for _, _, size in ages) - _CAPACITY
    for _, name, size in sorted(ages):
        if excess <= 0:
            return
        try:
            posix.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            continue
        excess -= size
