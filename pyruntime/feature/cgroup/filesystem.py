"""The container's directory in the cgroup v2 hierarchy, made by the runtime itself (cgroupfs).

A planned cgroup gives its `place()`, by which the parent works without knowing the driver: it is
begun early, made before the child, let go of when the child has been born into it, and can be
unmade (scope.py is the other one).

With `--cgroup-manager disabled`, and for a rootless caller that may not make one and needs none,
there is no cgroup: the container stays in the caller's.
"""

from __future__ import annotations

import errno
import posix

from pyruntime import errors
from pyruntime.feature import step
from pyruntime.feature.cgroup import devices
from pyruntime.kernel import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyruntime.feature.cgroup.devices import DeviceStep
    from pyruntime.feature.cgroup.unit import ScopeStep
    from pyruntime.feature.host import Host
    from pyruntime.spec.shapes import Config

_ROUNDS = 10
_LEAF = 0o10000000 | posix.O_DIRECTORY  # O_PATH
_NOT_PERMITTED = (errno.EACCES, errno.EPERM, errno.EROFS)
_NOT_OURS = "this user may not write there: a delegated cgroup is needed"
_CURES = {
    errno.EACCES: _NOT_OURS,
    errno.EPERM: _NOT_OURS,
    errno.EROFS: "the cgroup file system is mounted read-only",
    errno.EAGAIN: "cgroup.max.depth or cgroup.max.descendants of a cgroup above is reached",
}


class CgroupStep(step.Step):
    """The cgroup to make: `path` in the hierarchy that is mounted at `root`, hence `directory`.

    Without a path there is none, and no directory. `spare` tells for whom it is none, too, who may
    not make it: "always", "rootless" for a caller in a user namespace or without root, "never".
    """

    __slots__ = ("directory", "path", "root", "spare")
    unit = ""  # of systemd: none
    removal = "remove the cgroup"  # what delete does

    def __init__(self, path: str, root: str, spare: str = "never") -> None:
        self.path = path
        self.root = root
        self.directory = root + path if path else ""
        self.spare = spare

    def describe(self) -> str:
        """Say which cgroup."""
        if not self.path:
            return "make no cgroup: the container stays in the caller's"
        return f"make the cgroup {self.path} ({self.directory})"

    def parts(self) -> tuple[list[step.Step], list[step.Step]]:
        """Return what is done early, and what in its place."""
        return [], [self]

    def place(self, _ending: int = -1) -> Directory:
        """Return what makes the cgroup."""
        return Directory(self)


class Directory:
    """The cgroup of one birth; `descriptor` is that of its directory (O_PATH), -1 for none."""

    __slots__ = ("descriptor", "made", "wanted")

    def __init__(self, wanted: CgroupStep) -> None:
        self.wanted = wanted
        self.descriptor = -1
        self.made: list[str] = []

    def begin(self) -> None:
        """Do nothing yet: making it takes no time."""

    def make(self) -> None:
        """Make it; raises as the function `make`."""
        self.descriptor, self.made = make(self.wanted)

    def make_room(self) -> None:
        """Do nothing: there is room for the child."""

    def let_go(self) -> None:
        """Close the descriptor: the child is born, or never will be; once more does nothing."""
        if self.descriptor >= 0:
            posix.close(self.descriptor)
        self.descriptor = -1

    def unmake(self) -> None:
        """Take it back; raises as the function `unmake`."""
        unmake(self.wanted, self.made)


def plan(config: Config, host: Host, name: str, spare: str = "never") -> CgroupStep:
    """Choose the container's cgroup (runtime-spec, config-linux, "Cgroups Path").

    An absolute cgroupsPath is taken from the mount point of the hierarchy. A relative one, or for
    want of one the container's id, is taken from the parent of the runtime's own cgroup: the own
    one holds processes, and a cgroup that does cannot give controllers to those below it.

    Args:
        config: the container's configuration.
        host: facts of the machine.
        name: the container's id.
        spare: for whom the cgroup is to spare, where the config has no cgroupsPath.

    Raises:
        Unsupported: there is no cgroup v2 hierarchy.
        SpecError: the path is that of the hierarchy's root, or names a unit of systemd.
    """
    if not host.cgroup_root:
        raise errors.Unsupported("no cgroup v2 hierarchy is mounted at /sys/fs/cgroup or below it")
    linux = config.get("linux") or {}
    given = linux.get("cgroupsPath")
    wanted = given or name
    if is_unit(wanted):
        why = f"{wanted} names a unit of systemd: --systemd-cgroup is needed"
        raise errors.SpecError([("/linux/cgroupsPath", why)])
    parts = _parts(wanted)
    if not parts:
        raise errors.SpecError([("/linux/cgroupsPath", f"{wanted} is the root of the hierarchy")])
    if not wanted.startswith("/"):
        parts = _parts(host.cgroup_own)[:-1] + parts
    return CgroupStep("/" + "/".join(parts), host.cgroup_root, "never" if given else spare)


def shown(config: Config, step: CgroupStep | ScopeStep) -> str:
    """Return the directory that a container sees as its cgroup file system's root."""
    spaces = (config.get("linux") or {}).get("namespaces") or []
    own = step.path and any(each["type"] == "cgroup" for each in spaces)
    return step.directory if own else step.root


def located(wanted: CgroupStep | ScopeStep) -> CgroupStep:
    """Return a cgroup by its place alone, whoever makes it."""
    return wanted if isinstance(wanted, CgroupStep) else CgroupStep(wanted.path, wanted.root)


def is_unit(where: str) -> bool:
    """Tell whether a cgroupsPath has the form slice:prefix:name."""
    return where.count(":") == 2 and "/" not in where


def _parts(where: str) -> list[str]:
    """Return the parts of a path, cleaned of `.` and `..`."""
    return [part for part in path.clean(where).split("/") if part]


def make(wanted: CgroupStep) -> tuple[int, list[str]]:
    """Make the cgroup and those above it that are missing.

    Returns:
        (descriptor, made): an O_PATH descriptor of the cgroup, for CLONE_INTO_CGROUP, -1 for no
        cgroup; and the directories that were not there before, outermost first, for `unmake`.

    Raises:
        RuntimeFailure: the cgroup holds processes or is frozen, so the container would not be
            alone in it or would never run.
        KernelError: it cannot be made. In both cases what was made is removed again.
    """
    made: list[str] = []
    if not wanted.path:
        return -1, made
    try:
        with errors.doing("make the cgroup", wanted.directory, _CURES):
            leaf = _make_levels(wanted, made)
    except errors.KernelError as failure:
        unmake(wanted, made)
        if failure.number in _NOT_PERMITTED and wanted.spare != "never":
            from pyruntime.feature.cgroup import without

            if without.is_possible(wanted):
                return -1, []
        raise
    if len(made) > 1:
        from pyruntime.feature.cgroup import controllers

        for directory in made[:-1]:  # ours to open up: others' statistics need their controllers
            controllers.give_on(directory, {})
    try:
        _check_unused(wanted.directory)
    except errors.RuntimeFailure:
        posix.close(leaf)
        unmake(wanted, made)
        raise
    return leaf, made


def unmake(wanted: CgroupStep, made: list[str]) -> None:
    """Take back what `make` made: the cgroup with all below it, those above only while empty.

    Raises:
        KernelError: EBUSY when processes remain in the cgroup.
    """
    for directory in reversed(made):
        if directory == wanted.directory:
            from pyruntime.feature.cgroup import removal

            removal.remove(directory)
            continue
        try:
            posix.rmdir(directory)
        except OSError:  # another container has moved in, or has cleaned up itself
            return


def _make_levels(wanted: CgroupStep, made: list[str]) -> int:
    """Make each level and open the last; again from the top when one made before is taken away.

    Containers that share a new parent may start and fail at the same time.
    """
    for _ in range(_ROUNDS):
        try:
            for directory in _levels(wanted):
                _make_level(directory, made)
            return posix.open(wanted.directory, _LEAF)
        except FileNotFoundError:
            continue
    return posix.open(wanted.directory, _LEAF)


def _levels(wanted: CgroupStep) -> list[str]:
    parts = wanted.path.split("/")
    return [wanted.root + "/".join(parts[:count]) for count in range(2, len(parts) + 1)]


def _make_level(directory: str, made: list[str]) -> None:
    try:
        posix.mkdir(directory, 0o755)
    except FileExistsError:
        return
    made.append(directory)


def _read(place: str) -> bytes:
    with errors.doing("read", place):
        descriptor = posix.open(place, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            return posix.read(descriptor, 256)
        finally:
            posix.close(descriptor)


def _check_unused(directory: str) -> None:
    """Refuse a cgroup in use, and one frozen from above, where clone3 would succeed for nothing.

    Below a threaded cgroup a new one is invalid until it is threaded, too; limits that cannot be
    in a threaded one are refused when they are set.
    """
    told = _read(f"{directory}/cgroup.events")
    if b"populated 1" in told:
        from pyruntime.feature.cgroup import removal

        count = len(removal.processes(directory))
        raise errors.RuntimeFailure(f"container's cgroup is not empty: {count} process(es) found")
    if b"frozen 1" in told:
        raise errors.RuntimeFailure("container's cgroup unexpectedly frozen")
    if _read(f"{directory}/cgroup.type") == b"domain invalid\n":
        from pyruntime.feature.cgroup import tree

        with errors.doing("make threaded the cgroup", directory):
            tree.write(f"{directory}/cgroup.type", b"threaded")


def restrict(
    wanted: CgroupStep | ScopeStep, leaf: int, rules: DeviceStep, limits: Sequence[step.Step]
) -> None:
    """Set what those in the cgroup may do and use, before anything is in it.

    Args:
        wanted: the cgroup.
        leaf: descriptor of its directory, -1 for no cgroup.
        rules: the device rules.
        limits: the steps of limits.plan, those rules among them; empty for none.

    Raises:
        RuntimeFailure: the kernel refuses one of them, or a controller is missing.
    """
    if leaf < 0:
        return
    if not limits:
        devices.apply(rules, leaf)
        return
    from pyruntime.feature.cgroup import limits as files

    files.apply(limits, leaf, located(wanted))
