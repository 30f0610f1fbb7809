"""Where the state of containers is kept when --root does not say it (runc's rule)."""

from __future__ import annotations

import posix
import sys

from pyruntime import errors

SYSTEM = "/run/pyruntime"
_STICKY = 0o1000
_WHOLE = b"0 0 4294967295"  # the id map of the first user namespace, user_namespaces(7)


def default(environment: dict[bytes, bytes]) -> str:
    """Return the state root: /run/pyruntime, or a directory in $XDG_RUNTIME_DIR for users."""
    runtime = environment.get(b"XDG_RUNTIME_DIR", b"")
    if runtime and _belongs_to_user(environment):
        return runtime.decode(sys.getfilesystemencoding(), "surrogateescape") + "/pyruntime"
    return SYSTEM


def prepare(root: str) -> None:
    """Make the default state root of a user; sticky, so that nothing prunes it (XDG base dirs).

    Raises:
        KernelError: it cannot be made.
    """
    if root == SYSTEM:
        return
    cure = "the path in $XDG_RUNTIME_DIR must be writable by the user"
    with errors.doing("make the state root", root, {13: cure, 30: cure}):  # EACCES, EROFS
        _make(root)
        posix.chmod(root, 0o700 | _STICKY)


def _make(path: str) -> None:
    try:
        posix.mkdir(path, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        parent = path.rpartition("/")[0]
        if not parent:
            raise
        _make(parent)
        posix.mkdir(path, 0o700)


def _belongs_to_user(environment: dict[bytes, bytes]) -> bool:
    """Tell whether the caller is a user, or root only inside a user namespace of one.

    Root of the machine keeps /run/pyruntime although /run/user/0 may exist. USER=root inside a
    user namespace means a container of root's, which has a /run of its own.
    """
    if posix.geteuid() != 0:
        return True
    return _in_user_namespace() and environment.get(b"USER") != b"root"


def _in_user_namespace() -> bool:
    try:
        descriptor = posix.open("/proc/self/uid_map", posix.O_RDONLY)
    except OSError:
        return False
    try:
        return b" ".join(posix.read(descriptor, 4096).split()) != _WHOLE
    finally:
        posix.close(descriptor)
