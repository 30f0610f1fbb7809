"""The root file system: attached first, entered last; and what may be mounted where in it.

Before anything is mounted the caller's tree becomes a slave, so nothing that the container mounts
reaches the host, while a volume that asks for it still sees what the host mounts later. What the
spec asks for the root itself is set on `/` after the root has changed.
"""

from __future__ import annotations

import errno
import posix

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.feature.step import Step
from pyruntime.kernel import attach as attaching
from pyruntime.kernel import mount, path
from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.spec.shapes import Config

_OVER_PROC = frozenset(words.MOUNTABLE_IN_PROC)


class RootfsStep(Step):
    """Make `directory` the root by `change` ("pivot", "move" or "chroot")."""

    __slots__ = ("change", "directory", "propagation", "readonly")

    def __init__(self, directory: str, change: str, propagation: str, *, readonly: bool) -> None:
        self.directory, self.change, self.readonly = directory, change, readonly
        self.propagation = propagation

    def describe(self) -> str:
        """Say which directory, how, and what it lets through."""
        how = {"pivot": "pivot_root", "move": "a moved mount and chroot", "chroot": "chroot"}
        told = f"make {self.directory} the root by {how[self.change]}"
        told += f", propagation {self.propagation}" if self.propagation else ""
        return told + (", read-only" if self.readonly else "")


def plan(config: Config, bundle: str, *, mount_namespace: bool, no_pivot: bool) -> RootfsStep:
    """Work out the root of a checked config; a relative path is below the bundle.

    Raises:
        SpecError: a private root cannot be had without pivot_root.
    """
    root = config["root"]
    change = "chroot" if not mount_namespace else "move" if no_pivot else "pivot"
    propagation = config.get("linux", {}).get("rootfsPropagation", "")
    if change == "move" and propagation.endswith("private"):
        told = (
            "rootfsPropagation of [r]private is not safe without pivot_root: leave --no-pivot out"
        )
        raise errors.SpecError([("/linux/rootfsPropagation", told)])
    directory = "/" + path.clean(path.join(bundle, root["path"]))
    if change == "move" or "shared" in propagation:
        from pyruntime.feature import oldroot  # noqa: F401 - the child can load nothing
    return RootfsStep(directory, change, propagation, readonly=root.get("readonly", False))


def isolate(step: RootfsStep) -> None:
    """Stop mounts from reaching the caller's mount namespace; the first act in a new one.

    `shared` keeps the peers of the host, as volumes with `rshared` need; the mount that holds the
    rootfs is then made private, without which pivot_root refuses and our mounts would be seen.
    `rprivate` and `runbindable` take the whole tree in, volumes as well.

    Raises:
        KernelError: mount(2) failed.
    """
    with doing("make mounts private to the container", "/"):
        if step.propagation.endswith("shared"):
            mount.propagate("/", words.PROPAGATIONS[step.propagation])
            from pyruntime.feature import oldroot  # loaded by plan: the child can load nothing

            oldroot.part(step.directory)
        else:
            firm = step.propagation in ("rprivate", "runbindable")
            mount.propagate("/", (mount.MS_PRIVATE if firm else mount.MS_SLAVE) | mount.MS_REC)


def attach(step: RootfsStep) -> int:
    """Mount the root directory, with the mounts below it, onto itself.

    Returns:
        A descriptor of the root of the new mount.

    Raises:
        KernelError: the directory is missing or cannot be cloned.
    """
    with doing("mount the rootfs", step.directory):
        tree = mount.open_tree(mount.AT_FDCWD, step.directory, recursive=True)
        target = posix.open(step.directory, path.O_PATH | path.O_DIRECTORY | path.O_CLOEXEC)
        mount.move_mount(tree, target)
        posix.close(target)
    return tree


def refuse_link(root: int, destination: str, kind: str) -> None:
    """Refuse proc and sysfs on anything but a real directory (CVE-2019-19921, CVE-2023-27561).

    Raises:
        RuntimeFailure: something else is at the destination.
    """
    try:
        node = path.resolve(root, destination, path.O_PATH | path.O_NOFOLLOW)
    except FileNotFoundError:
        return
    ordinary = attaching.is_directory(node)
    posix.close(node)
    if not ordinary:
        raise errors.RuntimeFailure(
            f'filesystem "{kind}" must be mounted on ordinary directory: {destination}'
        )


def keep_out_of_proc(destination: str, target: int, *, procfs: bool) -> None:
    """Let only procfs be /proc, and only a few harmless files lie in it.

    The destination's spelling is not enough: a link of the image may lead into /proc.

    Raises:
        RuntimeFailure: it is neither.
    """
    where = f'"{destination}" cannot be mounted because it is'
    if destination == "/proc":
        if not procfs:
            raise errors.RuntimeFailure(f"{where} not of type proc")
    elif path.magic(target) == mount.PROC_SUPER_MAGIC and destination not in _OVER_PROC:
        raise errors.RuntimeFailure(f"{where} inside /proc")


def enter(step: RootfsStep, root: int) -> None:
    """Change the root of the process to `root` and let go of the old one.

    Raises:
        KernelError: pivot_root(2) or chroot(2) failed.
    """
    cures = {errno.EINVAL: "on an initramfs use --no-pivot"}
    with doing("change the root to", step.directory, cures):
        if step.change == "pivot":
            _pivot(root)
        elif step.change == "move":
            from pyruntime.feature import oldroot  # loaded by plan

            oldroot.move(step.directory, root)
        else:
            posix.fchdir(root)
            posix.chroot(".")
        posix.chdir("/")


def _pivot(root: int) -> None:
    """Change places with the old root and drop it; no directory of the rootfs is needed for it.

    The old root lands on top of the new one at `.`, is made a slave so that its unmounting stays
    here, and goes.
    """
    old = posix.open("/", path.O_DIRECTORY | path.O_CLOEXEC)
    posix.fchdir(root)
    mount.pivot_root(".", ".")
    posix.fchdir(old)
    posix.close(old)
    mount.propagate(".", mount.MS_SLAVE | mount.MS_REC)
    mount.detach(".")


def finish(step: RootfsStep) -> None:
    """Set the propagation and the read-only state of `/`, the last acts on the root.

    Raises:
        KernelError: a mount call failed.
    """
    if step.propagation:
        with doing("set the propagation of", "/"):
            mount.propagate("/", words.PROPAGATIONS[step.propagation])
    if step.readonly:
        with doing("make read-only", "/"):
            top = posix.open("/", path.O_PATH | path.O_DIRECTORY | path.O_CLOEXEC)
            mount.mount_setattr(top, add=mount.ATTR_RDONLY)
            posix.close(top)
