"""A birth into a new user namespace: what parent and child do differently then.

The parent makes the child, writes the id maps and says so; later it lends what the child's root may
not reach (sources.py). Loaded by the parent for such containers, since the child can load nothing.
"""

from __future__ import annotations

import _socket
import errno
import posix

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.feature import idmaps, mounts, rootfs, sources, usernamespace
from pyruntime.feature.cgroup import ownership
from pyruntime.kernel import mount, path, process
from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.parent import Birth
    from pyruntime.container.plan import Plan
    from pyruntime.container.talk import Line
    from pyruntime.feature.mounts import Bind, MountStep
    from pyruntime.feature.usernamespace import UserNamespaceStep

_ROOTFS = "rootfs"
_FILES = {"ipc": "ipc", "uts": "uts", "network": "net", "time": "time"}  # below /proc/self/ns
_CURES = {
    errno.EINVAL: "this kernel was built without user namespaces",
    errno.EACCES: ownership.CURE,
    errno.EPERM: "not from within a chroot, nor where a security module or sysctl forbids it",
    errno.ENOSPC: "a limit on the number of namespaces is reached: see /proc/sys/user",
    errno.EUSERS: "32 user namespaces are nested already",
}
_JOIN_CURES = {errno.EPERM: "only root may join namespaces beside a new user namespace"}
_DESCRIPTOR = 4  # bytes
_ROOM = 8  # bytes, for "lent"; digits, for the number of a mount


class Mapping:
    """The parent's side of one such birth."""

    __slots__ = ("birth", "step")

    def __init__(self, birth: Birth, step: UserNamespaceStep) -> None:
        self.birth, self.step = birth, step

    def clone(self, flags: int, cgroup: int) -> tuple[int, int]:
        """Make the child as `process.clone3` does, in the namespaces that it is to join.

        The runtime is in these itself for the moment of the call, and for that alone.

        Raises:
            OSError: as clone3(2) gives it.
            KernelError: a namespace cannot be joined, or user namespaces cannot be made.
        """
        birth, joined = self.birth, self.birth.gifts.namespaces
        paths = birth.plan.namespaces.paths
        own = {kind: f"/proc/self/ns/{_FILES[kind]}" for kind in joined}
        home = {kind: posix.open(place, posix.O_RDONLY) for kind, place in own.items()}
        pid, pidfd = -1, -1
        try:
            for kind, descriptor in joined.items():
                with doing(f"join the {kind} namespace", paths[kind], _JOIN_CURES):
                    process.setns(descriptor, words.NAMESPACES[kind])
            with doing("create the container's init in a user namespace", "", _CURES):
                pid, pidfd = process.clone3(flags, cgroup)
        finally:
            for kind, descriptor in home.items():
                if pid:  # the child stays, and has nothing more to join
                    process.setns(descriptor, words.NAMESPACES[kind])
                else:
                    posix.close(joined.pop(kind))
                posix.close(descriptor)
        return pid, pidfd

    def write(self) -> None:
        """Have both maps written and let the child go on.

        The cgroup goes to its owner with them, where it has one.

        Raises:
            RuntimeFailure: a map is refused, or that owner.
        """
        birth = self.birth
        idmaps.write(self.step, birth.pid, birth.caller.environment, birth.ending)
        if self.step.cgroup_owner is not None and self.birth.state["cgroup"]:
            ownership.give(self.birth.plan.cgroup.directory, self.step.cgroup_owner)
        self.birth.line.let_go_on("mapped")

    def give(self, _text: str) -> None:
        """Give what belongs into the child's other namespaces, which are there now.

        Raises:
            RuntimeFailure: as `Endowment.give`.
        """
        if self.birth.endowment:
            self.birth.endowment.give()

    def lend(self, wish: str) -> None:
        """Fetch a mount's source for the child, known by its place in the list, or the rootfs.

        Raises:
            KernelError: the source cannot be cloned with the runtime's rights either.
            ChildFailed: there is no such mount.
        """
        plan, pidfd = self.birth.plan, self.birth.pidfd
        if wish == _ROOTFS:
            with doing("mount the rootfs", plan.rootfs.directory):
                part = plan.rootfs.propagation.endswith("shared")
                lent = sources.tree_and_place(pidfd, plan.rootfs.directory, part=part)
        else:
            step = _bind(plan, wish)
            firm = ("src-nofollow", "copy-symlink")
            follow = not any(name in firm for name, _ in step.extensions)
            with doing(f"mount {step.source} on", step.destination):
                lent = sources.tree(pidfd, step.source, recursive=step.recursive, follow=follow)
        try:
            rights = b"".join(each.to_bytes(_DESCRIPTOR, "little") for each in lent)
            told = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)]
            _send(self.birth.line, told)
        finally:
            for each in lent:
                posix.close(each)


def _send(line: Line, rights: list[tuple[int, int, bytes]]) -> None:
    """Send descriptors along with the word that the child waits for."""
    socket = _socket.socket(fileno=line.fileno())
    try:
        socket.sendmsg([b"lent"], rights)
    finally:
        socket.detach()  # the descriptor is the line's


def _bind(plan: Plan, digits: str) -> MountStep:
    """Return the bind of that number in the mount list."""
    known = digits.isascii() and digits.isdigit() and len(digits) < _ROOM
    number = int(digits) if known else len(plan.mounts)
    if number >= len(plan.mounts) or plan.mounts[number].kind != "bind":
        raise errors.ChildFailed("the container's init asked for a mount that the config has not")
    return plan.mounts[number]


def enter(plan: Plan, step: UserNamespaceStep, line: Line) -> None:
    """Wait for the maps, then take the namespace and what goes with it; called in the child.

    Raises:
        RuntimeFailure: a call failed, or the runtime is gone.
    """
    line.expect("mapped")
    usernamespace.enter(step)
    if plan.network_devices:
        line.say("entered")
        line.expect("given")


def attach_root(plan: Plan, step: UserNamespaceStep, line: Line) -> int:
    """Isolate and mount the rootfs, with the parent's help where it cannot be reached.

    Raises:
        RuntimeFailure: it cannot be mounted, or is closed to the container's root.
    """
    wanted = plan.rootfs
    try:
        rootfs.isolate(wanted)
        tree = rootfs.attach(wanted)
    except errors.KernelError as failure:
        if failure.number != errno.EACCES:
            raise
        tree, place = _borrow(line, _ROOTFS)
        with doing("mount the rootfs", wanted.directory):
            mount.move_mount(tree, place)
            posix.close(place)
    try:
        posix.close(path.resolve(tree, "."))
    except PermissionError:
        raise errors.RuntimeFailure(
            f"the rootfs {wanted.directory} is closed to the container's root, which is uid"
            f" {step.outside(0)} of the host: permission denied (chown it, or let others search it)"
        ) from None
    return tree


def binder(plan: Plan, line: Line) -> Bind:
    """Return what clones the source of a bind, with the parent's help where that is closed."""

    def bind(step: MountStep) -> int:
        try:
            return mounts.bind(step)
        except PermissionError as error:
            if error.errno != errno.EACCES:
                raise
        return _borrow(line, str(plan.mounts.index(step)))[0]

    return bind


def _borrow(line: Line, wish: str) -> list[int]:
    """Ask the parent for descriptors.

    Raises:
        ChildFailed: the parent is gone.
    """
    line.say("source", wish)
    room, flags = _socket.CMSG_SPACE(2 * _DESCRIPTOR), _socket.MSG_CMSG_CLOEXEC
    socket = _socket.socket(fileno=line.fileno())
    try:
        packet, told, _, _ = socket.recvmsg(_ROOM, room, flags)
    finally:
        socket.detach()  # the descriptor is the line's
    if packet != b"lent" or not told:
        raise errors.ChildFailed("the runtime went away")
    rights = told[0][2]
    return [
        int.from_bytes(rights[at : at + _DESCRIPTOR], "little")
        for at in range(0, len(rights), _DESCRIPTOR)
    ]
