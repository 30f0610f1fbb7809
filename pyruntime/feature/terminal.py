"""The terminal of a container: a pseudo-terminal of its own devpts (config.md, "process.terminal").

A path of the image tells nothing: `/dev/ptmx` may be a link to a terminal of the host, and
`/dev/pts/N` may be exchanged between being told and being opened (CVE-2025-52565). So the directory
/dev/pts is opened inside the root and must be a devpts, in which only the kernel makes names; the
master is opened from that directory, the slave from the master, and both are looked at again. What
is bound on /dev/console is the open slave, onto an open node that is no link.

Loaded only for containers that have a terminal, and by `exec` for a process that has one.
"""

from __future__ import annotations

import errno
import posix

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.feature.step import Step
from pyruntime.kernel import attach, mount, path, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DIRECTORY, _CONSOLE = "/dev/pts", "/dev/console"
_MODE = 0o644
_KINDS = {0o120000: "a symbolic link", 0o040000: "a directory"}
_NEEDED = "process.terminal needs a devpts there"
_CURES = {errno.ENOENT: _NEEDED, errno.ENOTDIR: _NEEDED}


class TerminalStep(Step):
    """Open a terminal of `height` lines and `width` columns (0: unknown) that belongs to `uid`."""

    __slots__ = ("height", "uid", "width")

    def __init__(self, uid: int, height: int = 0, width: int = 0) -> None:
        self.uid, self.height, self.width = uid, height, width

    def describe(self) -> str:
        """Say where it is from, its size and its owner."""
        size = f" of {self.height} lines and {self.width} columns" if self.height else ""
        owner = f", owned by uid {self.uid}" if self.uid else ""
        return f"open a new terminal{size} of the devpts at {_DIRECTORY}{owner}"


def plan(process: Any) -> TerminalStep:
    """Work out the terminal of a checked process; a size counts when both numbers do.

    Args:
        process: the object `process` of a config, or the one that exec is given.

    Raises:
        SpecError: a size that no terminal can have.
    """
    size = process.get("consoleSize") or {}
    height, width = size.get("height", 0), size.get("width", 0)
    for name, value in (("height", height), ("width", width)):
        if value > terminal.LARGEST:
            place = f"/process/consoleSize/{name}"
            raise errors.SpecError([(place, f"a terminal has at most {terminal.LARGEST}")])
    uid = (process.get("user") or {}).get("uid", 0)
    return TerminalStep(uid, height, width) if height and width else TerminalStep(uid)


def allocate(step: TerminalStep, root: int) -> tuple[int, int]:
    """Open a new terminal of the devpts at /dev/pts inside `root`, with its owner and size.

    Returns:
        Master and slave, close-on-exec, nobody's controlling terminal.

    Raises:
        KernelError: there is no /dev/pts, or no terminal is left.
        RuntimeFailure: it is no devpts.
    """
    master = _open_master(root)
    with doing("open a terminal of", _DIRECTORY):
        slave = terminal.peer(master)
        if not terminal.is_slave(slave, master):
            raise OSError(errno.ENXIO, "not the master's")
        _own(slave, step.uid)
        if step.height:
            terminal.resize(master, step.height, step.width)
    return master, slave


def _open_master(root: int) -> int:
    """Open ptmx in the devpts, where neither a link nor a mount can stand for it."""
    with doing("open the container's", _DIRECTORY, _CURES):
        directory = path.resolve(root, _DIRECTORY, path.O_PATH | path.O_DIRECTORY)
    try:
        if path.magic(directory) != terminal.DEVPTS_SUPER_MAGIC:
            raise errors.RuntimeFailure(
                f"the container's {_DIRECTORY} is no devpts, which process.terminal needs;"
                " mount one there"
            )
        how = path.RESOLVE_BENEATH | path.RESOLVE_NO_XDEV | path.RESOLVE_NO_MAGICLINKS
        with doing("open the container's", f"{_DIRECTORY}/ptmx"):
            flags = posix.O_RDWR | posix.O_NOCTTY | path.O_NOFOLLOW
            master = path.openat2(directory, "ptmx", flags, how)
            if not terminal.is_master(master):
                raise OSError(errno.ENXIO, "not the devpts' own")
    finally:
        posix.close(directory)
    return master


def _own(slave: int, uid: int) -> None:
    """Give the slave to its user; its group and mode are those of the devpts' options.

    A devpts of the host may have a group that a user namespace does not know; then it stays root's,
    which has it open for the payload all the same, as with runc.
    """
    if posix.fstat(slave).st_uid != uid:
        try:
            posix.fchown(slave, uid, -1)
        except PermissionError:
            return


def bind_console(root: int, slave: int) -> None:
    """Bind the terminal on /dev/console inside `root`, by descriptors only (CVE-2025-52565).

    Raises:
        KernelError: it cannot be made or mounted.
        RuntimeFailure: something of the image is there onto which no terminal can be bound.
    """
    with doing("bind the terminal on", _CONSOLE):
        target = _console(root)
        mounted = mount.open_tree(slave, "")
        try:
            attach.onto_present(root, _CONSOLE, mounted, target, follow=False)
        finally:
            posix.close(mounted)


def _console(root: int) -> int:
    """Open (O_PATH) the node /dev/console itself, made where missing; any node but a link will do.

    Raises:
        OSError: as the calls give it.
        RuntimeFailure: it is a link, or a directory.
    """
    directory, name = path.open_parent(root, _CONSOLE)
    try:
        flags = posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | path.O_CLOEXEC
        try:
            posix.close(posix.open(name, flags, _MODE, dir_fd=directory))
        except FileExistsError:
            pass
        node = path.openat2(directory, name, path.O_PATH | path.O_NOFOLLOW, path.RESOLVE_BENEATH)
    finally:
        posix.close(directory)
    kind = _KINDS.get(posix.fstat(node).st_mode & 0o170000)
    if kind:
        posix.close(node)
        raise errors.RuntimeFailure(
            f"bind the terminal on {_CONSOLE}: the rootfs has {kind} of that name;"
            " remove it from the image or mount a tmpfs on /dev"
        )
    return node
