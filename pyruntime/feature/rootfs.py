"""The root file system: attached first, entered last.

Propagation follows runc: the caller's tree becomes a slave (or what the config asks) before
anything is mounted, so nothing that the container mounts reaches the host; what the spec calls a
"new peer group" is set on `/` after the root has changed.
"""

from __future__ import annotations

import errno
import posix

from pyruntime.errors import doing
from pyruntime.feature.step import Step
from pyruntime.kernel import mount, path
from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.spec.shapes import Config


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
    """Work out the root of a checked config; a relative path is below the bundle."""
    root = config["root"]
    change = "chroot" if not mount_namespace else "move" if no_pivot else "pivot"
    propagation = config.get("linux", {}).get("rootfsPropagation", "")
    directory = "/" + path.clean(path.join(bundle, root["path"]))
    if change == "move" or "shared" in propagation:
        from pyruntime.feature import oldroot  # noqa: F401 - the child can load nothing
    return RootfsStep(directory, change, propagation, readonly=root.get("readonly", False))


def isolate(step: RootfsStep) -> None:
    """Stop mounts from reaching the caller's mount namespace; the first act in a new one.

    `shared` keeps the peers of the host, as volumes with `rshared` need; the mount that holds the
    rootfs is then made private, without which pivot_root refuses and our mounts would be seen.

    Raises:
        KernelError: mount(2) failed.
    """
    kind = step.propagation.removeprefix("r")
    with doing("make mounts private to the container", "/"):
        if kind == "shared":
            mount.propagate("/", words.PROPAGATIONS[step.propagation])
            from pyruntime.feature import oldroot  # loaded by plan: the child can load nothing

            mount.propagate(oldroot.mount_of(step.directory), mount.MS_PRIVATE)
        else:
            firm = kind in ("private", "unbindable")
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
