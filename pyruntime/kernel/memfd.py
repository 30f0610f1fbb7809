"""Files in memory that nobody can change any more, and the execution of one of them."""

from __future__ import annotations

import errno
import fcntl
import posix

from pyruntime.kernel import door

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_MFD_CLOEXEC = 0x01
_MFD_ALLOW_SEALING = 0x02
_MFD_NOEXEC_SEAL = 0x08
_MFD_EXEC = 0x10

_F_ADD_SEALS = 1033
_SEAL_SHRINK_GROW_WRITE = 0x0F  # F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE

_AT_EMPTY_PATH = 0x1000


def sealed(name: str, content: bytes, *, executable: bool) -> int:
    """Make a file in memory that holds `content` and can never be changed.

    A container that reaches the file as /proc/PID/exe cannot write to it (CVE-2019-5736). Where
    the host forbids executable memfds (vm.memfd_noexec=2), the file lies on a read-only tmpfs that
    is mounted nowhere.

    Args:
        name: shown in /proc as `/memfd:NAME (deleted)`.
        content: all of it.
        executable: whether it is a program.

    Returns:
        Its descriptor, close-on-exec.

    Raises:
        OSError: as memfd_create(2) or, for the tmpfs, fsmount(2) gives it.
    """
    kind = _MFD_EXEC if executable else _MFD_NOEXEC_SEAL
    try:
        descriptor = _created(name, kind)
    except PermissionError:
        if not executable:
            raise
        from pyruntime.kernel import unplaced

        return unplaced.program(name, content)
    write(descriptor, content)
    fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEAL_SHRINK_GROW_WRITE)
    return descriptor


def unsealed(name: str) -> int:
    """Make an empty file in memory, close-on-exec, that can be written and sealed.

    Raises:
        OSError: as memfd_create(2) gives it.
    """
    return _created(name, _MFD_NOEXEC_SEAL)


def execute(descriptor: int, argv: list[str], env: list[str]) -> NoReturn:
    """Replace this process by the program that is open at `descriptor` (execveat(2)).

    Args:
        descriptor: of the program; no path is needed, so none can be exchanged.
        argv: its arguments.
        env: its environment block, string by string; they need not contain a `=`.

    Raises:
        OSError: as the call gives it.
    """
    words = texts(argv), texts(env)
    rows = [row(each) for each in words]  # `words` must live until the call is made
    door.call("execveat", descriptor, "", rows[0], rows[1], _AT_EMPTY_PATH)
    raise OSError(errno.ENOEXEC, posix.strerror(errno.ENOEXEC))


def _created(name: str, kind: int) -> int:
    """Create the memfd; kernels before 6.3 know no `kind`."""
    flags = _MFD_CLOEXEC | _MFD_ALLOW_SEALING
    try:
        return posix.memfd_create(name, flags | kind)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return posix.memfd_create(name, flags)


def write(descriptor: int, content: bytes) -> None:
    """Write all of `content`."""
    at = 0
    while at < len(content):
        at += posix.write(descriptor, content[at:] if at else content)


def texts(words: list[str]) -> list[bytes]:
    """Return the bytes of arguments, each with the NUL behind it."""
    return [word.encode("utf-8", "surrogateescape") + b"\0" for word in words]


def row(words: list[bytes]) -> bytes:
    """Return an array of pointers to `words`, ended by a null pointer."""
    return b"".join(door.address(word).to_bytes(8, door.ORDER) for word in words) + bytes(8)
