"""The way into a running container: its init, root, namespaces and cgroup, opened and verified.

What is below belongs to the container, which may be changing it: processes are taken by descriptor
and compared with the start time that was saved, paths go through the in-root resolver.
"""

from __future__ import annotations

import errno
import posix

from pyruntime import errors
from pyruntime.container import status
from pyruntime.errors import doing
from pyruntime.kernel import namespace, path, process
from pyruntime.kernel import pidfd as pidfds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.container.store import State
    from pyruntime.spec.shapes import Config

_KINDS = {
    "user": process.CLONE_NEWUSER, "mnt": process.CLONE_NEWNS, "pid": process.CLONE_NEWPID,
    "net": process.CLONE_NEWNET, "ipc": process.CLONE_NEWIPC, "uts": process.CLONE_NEWUTS,
    "cgroup": process.CLONE_NEWCGROUP, "time": process.CLONE_NEWTIME,
}  # fmt: skip
_BENEATH = path.RESOLVE_BENEATH | path.RESOLVE_NO_MAGICLINKS
_DIRECTORY = path.O_PATH | path.O_DIRECTORY | path.O_CLOEXEC
_CURES = {errno.EACCES: "it belongs to another user, or runs a program that this one may not read"}
_STOPPED = "cannot exec in a stopped container"


class Entrance:
    """What leads into one container.

    Attributes:
        container: pidfd of its init.
        root: descriptor of its root directory.
        kinds: CLONE_NEW… of the namespaces that it does not share with the caller.
        is_rooted: it shares the mount namespace, and has its own root directory in it.
        sets_groups: whether setgroups(2) is allowed in its user namespace.
    """

    __slots__ = ("container", "is_rooted", "kinds", "root", "saved", "sets_groups")

    def __init__(self, saved: State, config: Config) -> None:
        """Open it.

        Args:
            saved: its state.
            config: its own. Without a user namespace in it, one of the init is what that has made,
                with maps of its choice, and is not entered.

        Raises:
            WrongStatus: the init has ended.
            KernelError: something of it cannot be opened.
        """
        self.saved = saved
        pid = saved["pid"]
        container = pidfds.open_process(pid, saved["start_time"]) if pid else None
        if container is None:
            raise errors.WrongStatus(_STOPPED)
        self.container = container
        with doing("look into the container's init", str(pid), _CURES):
            try:
                self.root = posix.open(f"/proc/{pid}/root", _DIRECTORY)
                self.kinds = _unlike(pid)
                self.sets_groups = namespace.sets_groups(pid)
                # All of that was opened by number: the number is still that of the init.
                pidfds.send_signal(container, 0)
            except (FileNotFoundError, ProcessLookupError):
                raise errors.WrongStatus(_STOPPED) from None
        spaces: Any = (config.get("linux") or {}).get("namespaces") or ()
        if not any(each["type"] == "user" for each in spaces):
            self.kinds &= ~process.CLONE_NEWUSER
        self.is_rooted = not self.kinds & process.CLONE_NEWNS

    def groups(self, asked: list[int]) -> list[int] | None:
        """Return the supplementary groups to set, None where they may not be set: they stay.

        Raises:
            Unsupported: a caller that is not root asks for some there.
        """
        if self.sets_groups:
            return asked
        if asked and posix.geteuid() != 0:
            raise errors.Unsupported("additional groups may not be set in this container")
        return None

    def cgroup(self, below: str) -> int | None:
        """Open the cgroup for the new process, None where the container has none of its own.

        Args:
            below: path below the container's cgroup ("" for that itself).

        Raises:
            KernelError: there is no such cgroup.
        """
        directory = self.saved["cgroup"]
        if not directory:
            return None
        with doing("open the cgroup", directory):
            top = posix.open(directory, _DIRECTORY)
        if not below.strip("/"):
            return top
        with doing("open the cgroup", f"{directory}/{below.strip('/')}"):
            return path.openat2(top, below.strip("/"), _DIRECTORY, _BENEATH)

    def own_cgroup(self) -> int:
        """Open the cgroup in which the init is by now: it may have moved below its own.

        Raises:
            KernelError: it is outside of the container's, or gone.
        """
        top = self.saved["cgroup"]
        place = f"/proc/{self.saved['pid']}/cgroup"
        with doing("open the cgroup of the container's init", top):
            descriptor = posix.open(place, posix.O_RDONLY | posix.O_CLOEXEC)
            lines = posix.read(descriptor, 1 << 16).decode("utf-8", "surrogateescape").splitlines()
            posix.close(descriptor)
            own = next((line[3:] for line in lines if line.startswith("0::")), "")
            _, found, below = f"{own}/".partition(f"/{top.rpartition('/')[2]}/")
            if not found:
                raise OSError(errno.ENOENT, "outside of the container's cgroup")
            directory = posix.open(top, _DIRECTORY)
            return path.openat2(directory, below.strip("/"), _DIRECTORY, _BENEATH)

    def explain(self, failure: errors.RuntimeFailure) -> errors.RuntimeFailure:
        """Return what to say of a failure: of a container that has stopped meanwhile, just that."""
        known = pidfds.stat(self.saved["pid"])
        gone = known is None or known[0] in pidfds.DEAD or known[1] != self.saved["start_time"]
        return errors.WrongStatus(_STOPPED) if gone else failure


def require(saved_status: str, *, ignore_paused: bool) -> None:
    """See that a process may be run in a container of that status.

    Raises:
        WrongStatus: it may not, in runc's words.
    """
    if saved_status == status.STOPPED:
        raise errors.WrongStatus(_STOPPED)
    if saved_status == status.PAUSED and not ignore_paused:
        raise errors.WrongStatus(
            "cannot exec in a paused container (use --ignore-paused to override)"
        )


def _unlike(pid: int) -> int:
    """Return the kinds of namespaces in which a process differs from this one."""
    found = 0
    for name, kind in _KINDS.items():
        theirs, ours = f"/proc/{pid}/ns/{name}", f"/proc/self/ns/{name}"
        if namespace.identity(theirs) != namespace.identity(ours):
            found |= kind
    return found
