"""The container's directory in the cgroup v2 hierarchy, made by the runtime itself (cgroupfs)."""

from __future__ import annotations

import errno
import posix
import time

from pyruntime import errors
from pyruntime.feature import step
from pyruntime.feature.cgroup import tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.host import Host
    from pyruntime.spec.shapes import Config

_SIGKILL = 9
_ROUNDS = 10
_FIRST_PAUSE = 0.001  # seconds, doubled every round: one second in all
_GONE = (errno.ENOENT, errno.ENODEV)
_LEAF = 0o10000000 | posix.O_DIRECTORY  # O_PATH
_NOT_OURS = "this user may not write there: a delegated cgroup is needed"
_CURES = {
    errno.EACCES: _NOT_OURS,
    errno.EPERM: _NOT_OURS,
    errno.EROFS: "the cgroup file system is mounted read-only",
    errno.EAGAIN: "cgroup.max.depth or cgroup.max.descendants of a cgroup above is reached",
}


class CgroupStep(step.Step):
    """The cgroup to make: `path` in the hierarchy that is mounted at `root`, hence `directory`."""

    __slots__ = ("directory", "path", "root")

    def __init__(self, path: str, root: str) -> None:
        self.path = path
        self.root = root
        self.directory = root + path

    def describe(self) -> str:
        """Say which cgroup."""
        return f"make the cgroup {self.path} ({self.directory})"


def plan(config: Config, host: Host, name: str) -> CgroupStep:
    """Choose the container's cgroup (runtime-spec, config-linux, "Cgroups Path").

    An absolute cgroupsPath is taken from the mount point of the hierarchy. A relative one, or for
    want of one the container's id, is taken from the parent of the runtime's own cgroup: the own
    one holds processes, and a cgroup that does cannot give controllers to those below it.

    Args:
        config: the container's configuration.
        host: facts of the machine.
        name: the container's id.

    Raises:
        Unsupported: there is no cgroup v2 hierarchy.
        SpecError: the path is that of the hierarchy's root.
    """
    if not host.cgroup_root:
        raise errors.Unsupported("no cgroup v2 hierarchy is mounted at /sys/fs/cgroup or below it")
    linux = config.get("linux") or {}
    wanted = linux.get("cgroupsPath") or name
    parts = _cleaned(wanted)
    if not parts:
        raise errors.SpecError([("/linux/cgroupsPath", f"{wanted} is the root of the hierarchy")])
    if not wanted.startswith("/"):
        parts = _cleaned(host.cgroup_own)[:-1] + parts
    return CgroupStep("/" + "/".join(parts), host.cgroup_root)


def _cleaned(path: str) -> list[str]:
    """Return the parts of a path whose `.` and `..` are resolved, never leading above its root."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return parts


def make(wanted: CgroupStep) -> tuple[int, list[str]]:
    """Make the cgroup and those above it that are missing.

    Returns:
        (descriptor, made): an O_PATH descriptor of the cgroup, for CLONE_INTO_CGROUP, and the
        directories that were not there before, outermost first, for `unmake`.

    Raises:
        RuntimeFailure: the cgroup holds processes or is frozen, so the container would not be
            alone in it or would never run.
        KernelError: it cannot be made. In both cases what was made is removed again.
    """
    made: list[str] = []
    try:
        with errors.doing("make the cgroup", wanted.directory, _CURES):
            leaf = _make_levels(wanted, made)
    except errors.KernelError:
        unmake(wanted, made)
        raise
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
            remove(directory)
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


def _check_unused(directory: str) -> None:
    """Refuse a cgroup in use, and one frozen from above, where clone3 would succeed for nothing."""
    events = _events(directory)
    if "populated 1" in events:
        count = len(processes(directory))
        raise errors.RuntimeFailure(f"container's cgroup is not empty: {count} process(es) found")
    if "frozen 1" in events:
        raise errors.RuntimeFailure("container's cgroup unexpectedly frozen")


def _events(directory: str) -> list[str]:
    with errors.doing("read", f"{directory}/cgroup.events"):
        return tree.read(f"{directory}/cgroup.events").splitlines()


def frozen(directory: str) -> bool:
    """Tell whether every process of the cgroup is frozen, by itself or by a cgroup above it.

    A cgroup that does not exist is not frozen.

    Raises:
        KernelError: cgroup.events cannot be read for another reason.
    """
    try:
        return "frozen 1" in _events(directory)
    except errors.KernelError as error:
        if error.number in _GONE:
            return False
        raise


def processes(directory: str) -> list[int]:
    """Return the pids in the cgroup and in all cgroups below it, none when it does not exist.

    A process that is not visible in the caller's pid namespace is told as 0.

    Raises:
        KernelError: a list cannot be read.
    """
    with errors.doing("read the processes of", directory):
        top = tree.open_directory(directory)
        if top is None:
            return []
        try:
            found = _pids("cgroup.procs", top)
            for parent, name in tree.below(top):
                found += _pids(f"{name}/cgroup.procs", parent)
            return found
        finally:
            posix.close(top)


def _pids(path: str, directory: int) -> list[int]:
    try:
        return [int(line) for line in tree.read(path, directory).split()]
    except OSError as error:
        if error.errno in _GONE:
            return []
        raise


def kill(directory: str) -> None:
    """Send SIGKILL to every process in the cgroup and below it (cgroup.kill of cgroup v2).

    Frozen processes die too. Does not wait for their end; a missing cgroup is no error.

    Raises:
        KernelError: not permitted.
    """
    with errors.doing("kill the processes of", directory):
        try:
            tree.write(f"{directory}/cgroup.kill", b"1")
        except OSError as error:
            if error.errno not in _GONE:
                raise
            _kill_each(directory)


def _kill_each(directory: str) -> None:
    """Kill by pid where there is no cgroup.kill, in rounds, since processes may fork meanwhile."""
    for attempt in range(_ROUNDS):
        # A 0 is a process of another pid namespace; kill(0) would end the runtime's own group.
        pids = [pid for pid in processes(directory) if pid]
        if not pids:
            return
        for pid in pids:
            try:
                posix.kill(pid, _SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(_FIRST_PAUSE * 2**attempt)


def remove(directory: str) -> None:
    """Remove the cgroup and all cgroups below it; one that does not exist is no error.

    Killed processes need a moment to go, so a busy cgroup is tried again for one second.

    Raises:
        KernelError: EBUSY when processes remain.
    """
    with errors.doing("remove the cgroup", directory):
        for attempt in range(_ROUNDS + 1):
            try:
                posix.rmdir(directory)
            except FileNotFoundError:
                return
            except OSError as error:
                if error.errno != errno.EBUSY or attempt == _ROUNDS:
                    raise
            else:
                return
            if not _remove_below(directory):
                time.sleep(_FIRST_PAUSE * 2**attempt)


def _remove_below(directory: str) -> bool:
    """Remove the cgroups below, as far as they are empty; tell whether any was removed."""
    removed = False
    top = tree.open_directory(directory)
    if top is None:
        return False
    try:
        for parent, name in tree.below(top):
            try:
                posix.rmdir(name, dir_fd=parent)
            except OSError as error:
                if error.errno not in (errno.EBUSY, errno.ENOENT):
                    raise
            else:
                removed = True
    finally:
        posix.close(top)
    return removed
