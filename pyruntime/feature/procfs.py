"""procfs of the right pid namespace, and a private handle that nothing can be mounted over."""

from __future__ import annotations

import errno
import posix

from pyruntime.kernel import mount, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    Option = tuple[str, str | None]


def private() -> int:
    """Make a detached procfs of the present namespaces for the runtime's own writes.

    Raises:
        OSError: fsmount(2) refuses.
    """
    return _make([], None)


def own_processes() -> int:
    """Make a detached procfs of the present namespaces that holds processes and nothing else.

    So whoever got hold of it could not reach kernel parameters by it (`subset=pid`, Linux 5.8).

    Raises:
        OSError: fsmount(2) refuses.
    """
    return _make([("subset", "pid")], None)


def of_namespace(namespace: int, options: list[Option]) -> int:
    """Make a detached procfs that shows the processes of the pid namespace `namespace`.

    Newer kernels take the namespace as an option (6.17). Before, procfs shows the namespace of
    its maker, so a child goes there; it shares the descriptors and is gone when this returns.

    Raises:
        OSError: fsmount(2) refuses, or the namespace has no init (ENOMEM).
    """
    try:
        return _make(options, namespace)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return _made_inside(namespace, options)


def _make(options: list[Option], namespace: int | None) -> int:
    """Make a procfs with the given options."""
    context = mount.fsopen("proc")
    try:
        mount.fsconfig(context, "source", "proc")
        if namespace is not None:
            mount.fsconfig_descriptor(context, "pidns", namespace)
        for key, value in options:
            mount.fsconfig(context, key, value)
        return mount.fsmount(context)
    finally:
        posix.close(context)


def _made_inside(namespace: int, options: list[Option]) -> int:
    """Let a child in the namespace make it; the descriptor's number comes through a pipe."""
    own = posix.pidfd_open(posix.getpid(), 0)
    reader, writer = posix.pipe2(posix.O_CLOEXEC)
    process.setns(namespace, process.CLONE_NEWPID)
    try:
        pid = process.clone_sharing_files()
        if pid == 0:
            _make_and_leave(writer, options)
        posix.waitpid(pid, 0)
        posix.close(writer)
        told = int(posix.read(reader, 16) or b"-5")
    finally:
        process.setns(own, process.CLONE_NEWPID)
        posix.close(reader)
        posix.close(own)
    if told < 0:
        raise OSError(-told, posix.strerror(-told))
    return told


def _make_and_leave(writer: int, options: list[Option]) -> None:
    """Make the procfs, tell its number or the errno, and end."""
    try:
        told = _make(options, None)
    except OSError as error:
        told = -(error.errno or errno.EIO)
    posix.write(writer, str(told).encode("ascii"))
    posix._exit(0)  # noqa: SLF001
