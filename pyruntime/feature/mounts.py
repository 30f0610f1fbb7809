"""The mount list: `plan` reads an entry's options, `apply` makes the mount and attaches it.

Each mount is made detached, gets its attributes, and is then moved onto a descriptor that was
resolved inside the root, so that there is no moment in which it lies somewhere with other flags
(CVE-2021-30465, CVE-2023-27561).
"""

from __future__ import annotations

import errno
import posix

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.feature.step import Step
from pyruntime.kernel import attach, mount, path
from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.spec.shapes import Config, Mount

    Option = tuple[str, str | None]

_OVER_PROC = frozenset(words.MOUNTABLE_IN_PROC)


class MountStep(Step):
    """One entry of the list, its options sorted by what they need.

    Slots:
        destination: absolute, clean, as the container sees it.
        kind: "bind" or a file system type.
        source: absolute path of a bind, else the name that mountinfo shows.
        recursive: a bind takes the mounts below its source along.
        add, clear: attributes (mount.ATTR_…) of the mount itself.
        tree_add, tree_clear: attributes of all mounts of the tree.
        propagation: (mount.MS_…, recursive) in the order given.
        options: of the file system, (key, value or None).
        late: read-only only after everything below was mounted and made (tmpfs).
        remount: change an existing mount instead of making one.
    """

    __slots__ = (
        "add", "clear", "destination", "kind", "late", "options", "propagation", "recursive",
        "remount", "source", "tree_add", "tree_clear",
    )  # fmt: skip

    def __init__(self, destination: str, kind: str, source: str) -> None:
        self.destination, self.kind, self.source = destination, kind, source
        self.add = self.clear = self.tree_add = self.tree_clear = 0
        self.recursive = self.late = self.remount = False
        self.propagation: list[tuple[int, bool]] = []
        self.options: list[Option] = []

    def describe(self) -> str:
        """Say it as mount(8) would be asked."""
        told = [key if value is None else f"{key}={value}" for key, value in self.options]
        told += [word for bit, word in words.ATTRIBUTE_NAMES if self.add & bit]
        told += ["r" + word for bit, word in words.ATTRIBUTE_NAMES if self.tree_add & bit]
        told += ["recursive"] if self.recursive else []
        verb = (
            "remount" if self.remount else "bind" if self.kind == "bind" else f"mount {self.kind}"
        )
        source = f" {self.source}" if self.kind == "bind" else ""
        return f"{verb}{source} on {self.destination}" + (f" ({', '.join(told)})" if told else "")


def plan(config: Config, bundle: str) -> list[MountStep]:
    """Work out the mounts of a checked config; a relative bind source is below the bundle."""
    steps = [_read(entry, bundle) for entry in config.get("mounts") or []]
    if any(is_odd(step) for step in steps):
        from pyruntime.feature import oddmounts  # noqa: F401 - the child can load nothing
    return steps


def is_odd(step: MountStep) -> bool:
    """Tell whether a mount goes other ways: a remount, or a value too long for fsconfig(2)."""
    if step.remount or step.kind in ("proc", "sysfs", "tmpfs"):  # these have no long values
        return step.remount
    return not all(mount.fits(value or "") for _, value in step.options)


def _read(entry: Mount, bundle: str) -> MountStep:
    """Sort the options of one entry."""
    options = entry.get("options") or []
    bound = "bind" in options or "rbind" in options
    kind = "bind" if bound else entry.get("type", "none")
    source = entry.get("source", "") or kind
    step = MountStep(
        "/" + path.clean(entry["destination"]),
        "cgroup2" if kind == "cgroup" else kind,
        "/" + path.clean(path.join(bundle, source)) if bound else source,
    )
    for option in options:
        for word in _words(option):
            _sort(step, word)
    if kind == "tmpfs" and step.add & mount.ATTR_RDONLY and not step.remount:
        step.add &= ~mount.ATTR_RDONLY
        step.late = True
    return step


def _words(option: str) -> list[str]:
    """Take an option apart at its commas, as mount(2) does; backslash and quotes keep one."""
    if "," not in option or option in words.MOUNT_OPTIONS:
        return [option]
    found, quoted = [""], False
    for place, character in enumerate(option):
        quoted ^= character == '"'
        if character == "," and not quoted and option[place - 1 : place] != "\\":
            found.append("")
        else:
            found[-1] += character
    return [word for word in found if word]


def _sort(step: MountStep, option: str) -> None:
    """Put one option where it belongs; an unknown one is the file system's."""
    kind, add, clear = words.MOUNT_OPTIONS.get(option, ("data", 0, 0))
    if kind == "attribute":
        step.clear = step.clear & ~add | clear
        step.add = step.add & ~clear | add
    elif kind == "recursive":
        step.tree_clear = step.tree_clear & ~add | clear
        step.tree_add = step.tree_add & ~clear | add
    elif kind == "propagation":
        step.propagation.append((add & ~mount.MS_REC, bool(add & mount.MS_REC)))
    elif kind == "bind":
        step.recursive = step.recursive or option == "rbind"
    elif kind == "remount":
        step.remount = True
    elif kind == "superblock" and step.kind != "bind":
        step.options.append((option, None))
    elif kind == "data" and step.kind != "bind":
        key, separator, value = option.partition("=")
        step.options.append((key, value if separator else None))


def apply(step: MountStep, root: int, pid_namespace: int | None) -> int | None:
    """Make one mount and attach it inside `root`.

    Args:
        step: the mount.
        root: descriptor of the container's root.
        pid_namespace: descriptor of the one that a procfs shall show; None for the present one.

    Returns:
        The descriptor of a tmpfs that is to become read-only late, and of proc and sysfs, whose
        masks are to come; else None.

    Raises:
        KernelError: what could not be mounted where, with the file system's own words.
        RuntimeFailure: the destination leads to where nothing may be mounted.
    """
    with doing(f"mount {step.source} on", step.destination, _cures(step)):
        if is_odd(step):
            from pyruntime.feature import oddmounts  # loaded by plan: the child can load nothing

            oddmounts.apply(step, root)
            return None
        made = _bind(step) if step.kind == "bind" else _create(step, root, pid_namespace)
        try:
            decorate(step, made)
            _attach(step, root, made)
        except BaseException:
            posix.close(made)
            raise
    if step.late or _has_masks(step, made):
        return made
    posix.close(made)
    return None


def _has_masks(step: MountStep, made: int) -> bool:
    """Tell whether this is proc or sysfs, new or bound."""
    if step.kind == "bind":
        return path.magic(made) in (mount.PROC_SUPER_MAGIC, mount.SYSFS_MAGIC)
    return step.kind in ("proc", "sysfs")


def _cures(step: MountStep) -> dict[int, str]:
    """Return hints for the usual mistakes."""
    return {
        errno.ENODEV: f"the kernel knows no file system {step.kind}",
        errno.ENOTDIR: "is a directory mounted onto a file or a file onto a directory?",
    }


def _bind(step: MountStep) -> int:
    """Clone the source; a bind never creates what it binds."""
    try:
        return mount.open_tree(mount.AT_FDCWD, step.source, recursive=step.recursive)
    except FileNotFoundError:
        raise errors.RuntimeFailure(
            f"mount {step.source} on {step.destination}: the bind source does not exist:"
            " no such file or directory"
        ) from None


def _create(step: MountStep, root: int, pid_namespace: int | None) -> int:
    """Make a new file system, detached."""
    _refuse_link(step, root)
    if step.kind == "proc" and pid_namespace is not None:
        from pyruntime.feature import procfs  # loaded by the container's plan

        return procfs.of_namespace(pid_namespace, step.options)
    context = mount.fsopen(step.kind)
    try:
        mount.fsconfig(context, "source", step.source)
        if step.add & mount.ATTR_RDONLY:  # as mount(2): the file system and the mount of it
            mount.fsconfig(context, "ro")
        for key, value in [*_inherited_mode(step, root), *step.options]:
            mount.fsconfig(context, key, value)
        return mount.fsmount(context)
    finally:
        posix.close(context)


def _refuse_link(step: MountStep, root: int) -> None:
    """Refuse proc and sysfs on anything but a real directory (CVE-2019-19921, CVE-2023-27561)."""
    if step.kind not in ("proc", "sysfs"):
        return
    try:
        node = path.resolve(root, step.destination, path.O_PATH | path.O_NOFOLLOW)
    except FileNotFoundError:
        return
    ordinary = attach.is_directory(node)
    posix.close(node)
    if not ordinary:
        raise errors.RuntimeFailure(
            f'filesystem "{step.kind}" must be mounted on ordinary directory: {step.destination}'
        )


def _inherited_mode(step: MountStep, root: int) -> list[Option]:
    """Give a tmpfs the mode of the directory that it covers; an explicit mode comes later, wins."""
    if step.kind != "tmpfs":
        return []
    try:
        covered = path.resolve(root, step.destination)
    except FileNotFoundError:
        return []
    mode = posix.fstat(covered).st_mode & 0o7777
    posix.close(covered)
    return [("mode", f"{mode:04o}")]


def decorate(step: MountStep, made: int) -> None:
    """Set attributes and propagation, one wish a call, so that an error names the wish."""
    if step.add or step.clear:
        mount.mount_setattr(made, add=step.add, clear=step.clear)
    if step.tree_add or step.tree_clear:
        mount.mount_setattr(made, add=step.tree_add, clear=step.tree_clear, recursive=True)
    for propagation, recursive in step.propagation:
        mount.mount_setattr(made, propagation=propagation, recursive=recursive)


def _attach(step: MountStep, root: int, made: int) -> None:
    """Attach onto the destination, made where missing, unless it lies in /proc."""
    directory = attach.is_directory(made)
    place = path.make_directory if directory else path.make_file
    target = place(root, step.destination)
    try:
        keep_out_of_proc(step, target, procfs=path.magic(made) == mount.PROC_SUPER_MAGIC)
    except BaseException:
        posix.close(target)
        raise
    attach.onto_present(root, step.destination, made, target)


def keep_out_of_proc(step: MountStep, target: int, *, procfs: bool) -> None:
    """Let only procfs be /proc, and only a few harmless files lie in it.

    The destination's spelling is not enough: a link of the image may lead into /proc.

    Raises:
        RuntimeFailure: it is neither.
    """
    where = f'"{step.destination}" cannot be mounted because it is'
    if step.destination == "/proc":
        if not procfs:
            raise errors.RuntimeFailure(f"{where} not of type proc")
    elif path.magic(target) == mount.PROC_SUPER_MAGIC and step.destination not in _OVER_PROC:
        raise errors.RuntimeFailure(f"{where} inside /proc")


def make_readonly(step: MountStep, mounted: int) -> None:
    """Make a tmpfs read-only at last, and close it.

    Raises:
        KernelError: mount_setattr(2) failed.
    """
    with doing("make read-only", step.destination):
        try:
            mount.mount_setattr(mounted, add=mount.ATTR_RDONLY)
        finally:
            posix.close(mounted)
