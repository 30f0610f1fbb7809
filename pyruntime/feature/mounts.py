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
from pyruntime.feature import rootfs
from pyruntime.feature.step import Step
from pyruntime.kernel import attach, mount, path
from pyruntime.spec import mountrules, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyruntime.spec.shapes import Config, Mount

    Option = tuple[str, str | None]
    Bind = Callable[["MountStep"], int]


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
        extensions: what the runtime itself does for the mount, (name, value or None).
        instead: what is bound where the kernel refuses to make the file system anew, "" for none.
        late: read-only only after everything below was mounted and made (tmpfs).
        remount: change an existing mount instead of making one.
    """

    __slots__ = (
        "add", "clear", "destination", "extensions", "instead", "kind", "late", "options",
        "propagation", "recursive", "remount", "source", "tree_add", "tree_clear",
    )  # fmt: skip

    def __init__(self, destination: str, kind: str, source: str) -> None:
        self.destination, self.kind, self.source = destination, kind, source
        self.add = self.clear = self.tree_add = self.tree_clear = 0
        self.recursive = self.late = self.remount = False
        self.propagation: list[tuple[int, bool]] = []
        self.options: list[Option] = []
        self.extensions: list[Option] = []
        self.instead = ""

    def describe(self) -> str:
        """Say it as mount(8) would be asked."""
        from pyruntime.feature import mounttext

        return mounttext.said(self)


def plan(config: Config, bundle: str, cgroup: str = "") -> list[MountStep]:
    """Work out the mounts of a checked config; a relative bind source is below the bundle.

    `cgroup` is the directory that shows the container its cgroups where they cannot be mounted.
    """
    steps = [_read(entry, bundle, cgroup) for entry in config.get("mounts") or []]
    label = (config.get("linux") or {}).get("mountLabel")
    if label:
        from pyruntime.feature import mountlabel

        mountlabel.plan(steps, label)
    if any(is_odd(step) for step in steps):
        from pyruntime.feature import oddmounts

        oddmounts.load(steps)  # the child can load nothing
    return steps


def is_odd(step: MountStep) -> bool:
    """Tell whether a mount goes other ways: a change, an extension, a value for mount(2) only."""
    if step.remount or step.extensions:
        return True
    short = step.kind in ("proc", "sysfs", "tmpfs")  # these have no long values
    return not (short or all(mount.fits(value or "") for _, value in step.options))


def _read(entry: Mount, bundle: str, cgroup: str) -> MountStep:
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
        for word in mountrules.taken_apart(option):
            _sort(step, word)
    if step.kind == "cgroup2":
        step.instead = cgroup
    elif kind == "sysfs" and step.add & mount.ATTR_RDONLY:
        step.instead = "/sys"
    if kind == "tmpfs" and step.add & mount.ATTR_RDONLY and not step.remount:
        step.add &= ~mount.ATTR_RDONLY
        step.late = True
    return step


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
    elif kind == "extension":
        step.extensions.append((option, None))


def bind(step: MountStep) -> int:
    """Clone the source; a bind never creates what it binds.

    Raises:
        OSError: as open_tree(2) gives it.
        RuntimeFailure: there is no source.
    """
    follow = ("src-nofollow", None) not in step.extensions
    try:
        return mount.open_tree(mount.AT_FDCWD, step.source, recursive=step.recursive, follow=follow)
    except FileNotFoundError:
        why = "the bind source does not exist: no such file or directory"
        raise errors.RuntimeFailure(f"mount {step.source} on {step.destination}: {why}") from None


def apply(step: MountStep, root: int, pid_namespace: int | None, bind: Bind = bind) -> int | None:
    """Make one mount and attach it inside `root`.

    Args:
        step: the mount.
        root: descriptor of the container's root.
        pid_namespace: descriptor of the one that a procfs shall show; None for the present one.
        bind: clones the source of a bind; another one where some cannot be reached (mapping.py).

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

            return oddmounts.apply(step, root, bind)
        made = bind(step) if step.kind == "bind" else create(step, root, pid_namespace)
        return place(step, root, made)


def place(step: MountStep, root: int, made: int) -> int | None:
    """Give a detached mount its attributes and attach it; return as `apply` does.

    Raises:
        OSError: as the calls give it.
        RuntimeFailure: as `apply`.
    """
    try:
        decorate(step, made)
        _attach(step, root, made)
    except BaseException:
        posix.close(made)
        raise
    return kept(step, made)


def kept(step: MountStep, made: int) -> int | None:
    """Close the descriptor of a mount that is done; return it where something is to come."""
    if step.kind == "bind":
        wanted = path.magic(made) in (mount.PROC_SUPER_MAGIC, mount.SYSFS_MAGIC)
    else:
        wanted = step.late or step.kind in ("proc", "sysfs")
    if wanted:
        return made
    posix.close(made)
    return None


def _cures(step: MountStep) -> dict[int, str]:
    """Return hints for the usual mistakes."""
    return {
        errno.ENODEV: f"the kernel knows no file system {step.kind}",
        errno.EPERM: words.SHOWN_NAMESPACES.get(step.kind, ""),
        errno.ENOTDIR: "is a directory mounted onto a file or a file onto a directory?",
    }


def create(step: MountStep, root: int, pid_namespace: int | None = None) -> int:
    """Make a new file system, detached.

    Raises:
        OSError: as the calls give it.
        RuntimeFailure: proc or sysfs on a link.
    """
    if step.kind in ("proc", "sysfs"):
        rootfs.refuse_link(root, step.destination, step.kind)
    if step.kind == "proc" and pid_namespace is not None:
        from pyruntime.feature import procfs  # loaded by the container's plan

        return procfs.of_namespace(pid_namespace, step.options)
    try:
        return _make(step, root)
    except OSError as error:
        if not step.instead or error.errno not in (errno.EPERM, errno.EBUSY):
            raise
    if step.kind == "sysfs":  # of a network namespace that the user namespace does not own
        return mount.frozen(step.instead)
    return mount.clone_or_nothing(step.instead)


def _make(step: MountStep, root: int) -> int:
    """Tell a new file system its options and make it."""
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
    """Set attributes and propagation, one wish a call, so that an error names the wish.

    Raises:
        OSError: as mount_setattr(2) gives it; EPERM names what a user namespace has locked.
    """
    try:
        if step.add or step.clear:
            mount.mount_setattr(made, add=step.add, clear=step.clear)
        if step.tree_add or step.tree_clear:
            mount.mount_setattr(made, add=step.tree_add, clear=step.tree_clear, recursive=True)
    except PermissionError:
        present = mount.attributes(made) & (step.clear | step.tree_clear)
        names = [word for bit, word in words.ATTRIBUTE_NAMES if present & bit]
        raise mount.locked(", ".join(names)) from None
    for propagation, recursive in step.propagation:
        mount.mount_setattr(made, propagation=propagation, recursive=recursive)


def _attach(step: MountStep, root: int, made: int) -> None:
    """Attach onto the destination, made where missing, unless it lies in /proc."""
    make = attach.make_place if attach.is_directory(made) else path.make_file
    target = make(root, step.destination)
    try:
        procfs = path.magic(made) == mount.PROC_SUPER_MAGIC
        rootfs.keep_out_of_proc(step.destination, target, procfs=procfs)
    except BaseException:
        posix.close(target)
        raise
    attach.onto_present(root, step.destination, made, target)
