"""Device nodes and the links of /dev."""

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

    Owner = tuple[int, int]

# runtime-spec, runtime-linux.md, "Dev symbolic links".
LINKS = (
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
)
_CORE = ("/dev/core", "/proc/kcore")
_PTMX = ("/dev/ptmx", "pts/ptmx")

_TYPES = {"c": 0o020000, "u": 0o020000, "b": 0o060000, "p": 0o010000}
_FORMAT = 0o170000


class DeviceStep(Step):
    """Make the node `path` of a type (file mode bits) with device numbers, mode and owner."""

    __slots__ = ("major", "minor", "mode", "owner", "path", "type")

    def __init__(
        self, where: str, kind: int, number: tuple[int, int], mode: int, owner: Owner
    ) -> None:
        self.path, self.type, self.mode, self.owner = where, kind, mode, owner
        self.major, self.minor = number

    def describe(self) -> str:
        """Say it as mknod(1) does."""
        letter = {0o020000: "c", 0o060000: "b", 0o010000: "p"}[self.type]
        owner = "" if self.owner == (0, 0) else f" owned by {self.owner[0]}:{self.owner[1]}"
        number = f"{self.major}:{self.minor}"
        return f"make device {self.path} {letter} {number} mode {self.mode:04o}{owner}"


class LinkStep(Step):
    """Make the symbolic link `path` to `target`; an existing one is kept unless `forced`."""

    __slots__ = ("forced", "path", "target")

    def __init__(self, where: str, target: str, *, forced: bool) -> None:
        self.path, self.target, self.forced = where, target, forced

    def describe(self) -> str:
        """Say it as ls(1) shows it."""
        told = f"link {self.path} -> {self.target}"
        return f"{told}, if the kernel has that" if self.path == _CORE[0] else told


def plan(config: Config) -> list[Step]:
    """Work out the nodes and links of a checked config.

    Where /dev itself is a bind mount it is somebody else's and nothing is made in it (as runc).
    """
    if any(_binds_dev(entry) for entry in config.get("mounts") or []):
        return []
    nodes = {entry[0]: _default(*entry) for entry in words.DEFAULT_DEVICES}
    for wish in config.get("linux", {}).get("devices") or []:
        where = "/" + path.clean(wish["path"])
        if where == _PTMX[0]:
            continue
        number = (wish.get("major", 0), wish.get("minor", 0))
        mode = wish.get("fileMode")
        owner = (wish.get("uid") or 0, wish.get("gid") or 0)
        mode = 0o666 if mode is None else mode & 0o7777
        nodes[where] = DeviceStep(where, _TYPES[wish["type"]], number, mode, owner)
    links = [LinkStep(where, target, forced=False) for where, target in (*LINKS, _CORE)]
    return [*nodes.values(), *links, LinkStep(*_PTMX, forced=True)]


def _default(where: str, kind: str, major: int, minor: int) -> DeviceStep:
    """Return the step of a default device: everybody may use it."""
    return DeviceStep(where, _TYPES[kind], (major, minor), 0o666, (0, 0))


def _binds_dev(entry: Mount) -> bool:
    """Tell whether a mount entry binds something onto /dev."""
    options = entry.get("options") or []
    bound = "bind" in options or "rbind" in options
    return bound and path.clean(entry["destination"]) == "dev"


def apply(step: Step, root: int) -> None:
    """Make one node or link inside `root`.

    Raises:
        KernelError: mknod or symlink failed, or something else has the name.
    """
    if isinstance(step, DeviceStep):
        with doing("make the device", step.path):
            _make(step, root)
    elif isinstance(step, LinkStep) and (step.path != _CORE[0] or _exists(_CORE[1])):
        with doing("make the link", step.path):
            _link(step, root)


def _exists(where: str) -> bool:
    """Tell whether the kernel offers a file of the host's own /proc."""
    try:
        posix.stat(where)
    except OSError:
        return False
    return True


def _make(step: DeviceStep, root: int) -> None:
    """Make the node, or bind the host's where mknod is not allowed; then verify what is there.

    CVE-2026-41579: the owner is set through the verified descriptor, never by path; and only of
    what was made, since what lies there may be the host's, bound by the mount list.
    """
    directory, name = path.open_parent(root, step.path)
    try:
        try:
            number = posix.makedev(step.major, step.minor)
            posix.mknod(name, step.type | step.mode, number, dir_fd=directory)
            made = True
        except FileExistsError:
            made = False
        except PermissionError:
            _bind(step, root)
            return
        node = path.openat2(directory, name, path.O_PATH | path.O_NOFOLLOW, path.RESOLVE_BENEATH)
    finally:
        posix.close(directory)
    try:
        verify(node, step)
        if made and step.owner != (0, 0):
            path.chown(node, *step.owner)
    finally:
        posix.close(node)


def _bind(step: DeviceStep, root: int) -> None:
    """Bind the host's node onto an empty file, verified on both sides."""
    try:
        cloned = mount.open_tree(mount.AT_FDCWD, step.path)
    except FileNotFoundError as error:
        told = "where mknod is not allowed the host's node is bound, and the host has none"
        raise mount.FileSystemError(error.errno or 0, told) from None
    try:
        verify(cloned, step, "the host")
        mount.mount_setattr(cloned, add=mount.ATTR_NOSUID | mount.ATTR_NOEXEC)
        attach.onto_file(root, step.path, cloned)
    finally:
        posix.close(cloned)


def verify(node: int, step: DeviceStep, keeper: str = "the rootfs") -> None:
    """Check that an open node is the device of a step; `keeper` is who has it, for the error.

    The spec: a runtime MUST fail where something else has the name (CVE-2025-31133).

    Raises:
        RuntimeFailure: it is something else.
    """
    known = posix.fstat(node)
    number = (posix.major(known.st_rdev), posix.minor(known.st_rdev))
    if known.st_mode & _FORMAT != step.type or (
        step.type != _TYPES["p"] and number != (step.major, step.minor)
    ):
        told = f"make the device {step.path}: {keeper} has something else of that name"
        if keeper == "the rootfs":
            told += "; remove it from the image or mount a tmpfs on /dev"
        raise errors.RuntimeFailure(told)


def _link(step: LinkStep, root: int) -> None:
    """Make the link; `forced` replaces what has the name."""
    directory, name = path.open_parent(root, step.path)
    try:
        if step.forced:
            try:
                posix.unlink(name, dir_fd=directory)
            except FileNotFoundError:
                pass
        posix.symlink(step.target, name, dir_fd=directory)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
    finally:
        posix.close(directory)


def open_null(root: int) -> int:
    """Open (O_PATH) the container's /dev/null, verified to be the real one.

    CVE-2025-31133: an image's link in its place would turn masks into gifts.

    Raises:
        KernelError: there is none.
        RuntimeFailure: it is something else.
    """
    null = _default(*words.DEFAULT_DEVICES[0])
    with doing("open the container's", null.path):
        node = path.resolve(root, null.path, path.O_PATH | path.O_NOFOLLOW)
    verify(node, null)
    return node


def verify_null(node: int) -> None:
    """Check that an open node is the null device.

    Raises:
        RuntimeFailure: it is something else.
    """
    verify(node, _default(*words.DEFAULT_DEVICES[0]))


def replace_null(root: int) -> None:
    """Put the container's /dev/null in the place of the caller's on descriptors 0 to 2.

    An open file of the caller's /dev would keep a way to a mount of the host.

    Raises:
        KernelError: it cannot be opened.
        RuntimeFailure: it is something else.
    """
    for number in range(3):
        try:
            known = posix.fstat(number)
        except OSError:
            continue
        is_device = known.st_mode & _FORMAT == _TYPES["c"]
        if is_device and known.st_rdev == posix.makedev(1, 3):
            posix.close(open_null(root))
            with doing("open the container's", "/dev/null"):
                null = path.resolve(root, "/dev/null", posix.O_RDWR | posix.O_NOFOLLOW)
                verify_null(null)  # it may have been exchanged since the look at it
                posix.dup2(null, number)
                posix.close(null)
