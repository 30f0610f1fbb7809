"""Paths hidden from the container, and what it may only read."""

from __future__ import annotations

import errno
import posix

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.feature import devices
from pyruntime.feature.step import Step
from pyruntime.kernel import attach, mount, path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.spec.shapes import Config


# To skip it would be to show it to those who may look.
_CURES = {errno.EACCES: "the runtime may not look there; leave the path out if nobody may"}


class ReadonlyPathStep(Step):
    """Make `path` read-only; other mounts below it stay as they are, as with runc."""

    __slots__ = ("path",)

    def __init__(self, where: str) -> None:
        self.path = where

    def describe(self) -> str:
        """Name the path."""
        return f"make {self.path} read-only"


class MaskStep(Step):
    """Hide `path`: a file behind /dev/null, a directory behind an empty one."""

    __slots__ = ("path",)

    def __init__(self, where: str) -> None:
        self.path = where

    def describe(self) -> str:
        """Name the path."""
        return f"hide {self.path}"


def plan(config: Config) -> list[Step]:
    """Work out both lists, without repetitions; the read-only ones first, as runc does.

    Raises:
        SpecError: the whole root is asked for.
    """
    linux = config.get("linux", {})
    readonly = dict.fromkeys(map(_absolute, linux.get("readonlyPaths") or []))
    masked = dict.fromkeys(map(_absolute, linux.get("maskedPaths") or []))
    if "/" in readonly:
        raise _whole_root("readonlyPaths", "made read-only here: use root.readonly")
    if "/" in masked:
        raise _whole_root("maskedPaths", "masked")
    return [
        *(ReadonlyPathStep(where) for where in readonly),
        *(MaskStep(where) for where in masked),
    ]


def _absolute(where: str) -> str:
    return "/" + path.clean(where)


def _whole_root(name: str, what: str) -> errors.SpecError:
    return errors.SpecError([(f"/linux/{name}", f"the root itself cannot be {what}")])


def apply(steps: list[Step], root: int, anchors: dict[str, int], label: str = "") -> None:
    """Hide and protect the paths inside `root`; those that are missing are left out.

    Args:
        steps: what to do.
        root: descriptor of the container's root.
        anchors: descriptors of its proc and sysfs mounts, by destination. What lies in these is
            looked up from there: who shares the rootfs can rename the directory `proc` with the
            mount on it, and a path from the root would then be missing (CVE-2023-28642).
        label: SELinux context of the empty directory, "" for none.

    Raises:
        KernelError: a mount call failed.
    """
    cover = _Cover(root, label)
    try:
        for step in steps:
            if isinstance(step, ReadonlyPathStep):
                with doing("make read-only", step.path, _CURES):
                    _protect(*_anchored(step.path, root, anchors))
            elif isinstance(step, MaskStep):
                with doing("mask the path", step.path, _CURES):
                    cover.hide(*_anchored(step.path, root, anchors))
    finally:
        cover.close()


def _anchored(where: str, root: int, anchors: dict[str, int]) -> tuple[int, str]:
    """Return the directory to look a path up from, and the path from there."""
    for destination, mounted in anchors.items():
        if where.startswith(destination + "/"):
            return mounted, where[len(destination) + 1 :]
    return root, where


def _protect(root: int, where: str) -> None:
    """Mount a read-only clone of the tree at `where` onto itself."""
    try:
        target = path.resolve(root, where)
    except FileNotFoundError:
        return
    tree = mount.open_tree(target, "", recursive=True)
    try:
        mount.mount_setattr(tree, add=mount.ATTR_RDONLY)
        attach.onto_present(root, where, tree, target)
    finally:
        posix.close(tree)


class _Cover:
    """What is laid over masked paths: one /dev/null and one empty directory for all of them."""

    __slots__ = ("empty", "label", "null", "root")

    def __init__(self, root: int, label: str) -> None:
        self.root, self.label, self.null, self.empty = root, label, -1, -1

    def hide(self, anchor: int, where: str) -> None:
        """Cover one path, seen from `anchor`, unless it is missing."""
        try:
            target = path.resolve(anchor, where)
        except FileNotFoundError:
            return
        cover = self._directory() if attach.is_directory(target) else self._file()
        try:
            attach.onto_present(anchor, where, cover, target)
        finally:
            if cover != self.empty:
                posix.close(cover)

    def _file(self) -> int:
        """Clone a mount of the container's verified /dev/null."""
        if self.null < 0:
            self.null = devices.open_null(self.root)
        return mount.open_tree(self.null, "")

    def _directory(self) -> int:
        """Make the empty read-only directory, or clone it where it is mounted already.

        One superblock serves all: each costs the kernel some 20 µs and memory (runc#5275).
        """
        if self.empty >= 0:
            return mount.open_tree(self.empty, "")
        self.empty = _make_empty(self.label)
        return self.empty

    def close(self) -> None:
        """Let go of both."""
        for descriptor in (self.null, self.empty):
            if descriptor >= 0:
                posix.close(descriptor)


def _make_empty(label: str) -> int:
    """Make a tmpfs that holds nothing and takes nothing."""
    for inodes in ("1", "2"):  # the root directory needs one more on some kernels
        context = mount.fsopen("tmpfs")
        try:
            mount.fsconfig(context, "source", "tmpfs")
            mount.fsconfig(context, "nr_blocks", "1")
            mount.fsconfig(context, "nr_inodes", inodes)
            if label:
                mount.fsconfig(context, "context", label)
            mount.fsconfig(context, "ro")
            return mount.fsmount(context, mount.ATTR_RDONLY)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EINVAL) or inodes == "2":
                raise
        finally:
            posix.close(context)
    raise AssertionError  # the loop returns or raises


def make_readonly(destination: str, mounted: int) -> None:
    """Make a tmpfs read-only at last, and close it.

    Raises:
        KernelError: mount_setattr(2) failed.
    """
    with doing("make read-only", destination):
        try:
            mount.mount_setattr(mounted, add=mount.ATTR_RDONLY)
        finally:
            posix.close(mounted)
