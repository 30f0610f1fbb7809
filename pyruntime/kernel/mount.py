"""Mounting with descriptors: fsopen(2), open_tree(2), mount_setattr(2), move_mount(2)."""

from __future__ import annotations

import errno
import posix

from pyruntime.kernel import door

ATTR_RDONLY = 0x01
ATTR_NOSUID = 0x02
ATTR_NODEV = 0x04
ATTR_NOEXEC = 0x08
ATTR_ATIME_MASK = 0x70
ATTR_NOSYMFOLLOW = 0x00200000
_ATTR_NOATIME, _ATTR_NODIRATIME = 0x10, 0x80

MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_REC = 1 << 14
_MS_MOVE = 1 << 13

PROC_SUPER_MAGIC = 0x9FA0
SYSFS_MAGIC = 0x62656572

AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_AT_EMPTY_PATH = 0x1000
_AT_SYMLINK_NOFOLLOW = 0x100
_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = posix.O_CLOEXEC
_FSOPEN_CLOEXEC = 1
_FSMOUNT_CLOEXEC = 1
_SET_FLAG, _SET_STRING, _SET_FD, _CREATE, _RECONFIGURE = 0, 1, 5, 6, 7
_FSPICK_CLOEXEC, _FSPICK_EMPTY_PATH = 1, 8
_MOVE_F_EMPTY = 0x04
_MOVE_T_EMPTY = 0x40
_MNT_DETACH = 2
_LONGEST_VALUE = 255
# ST_… of statfs(2) and what they say of the mount; ST_RDONLY may be the file system's as well.
_STATFS_FLAGS = (
    (0x1, ATTR_RDONLY), (0x2, ATTR_NOSUID), (0x4, ATTR_NODEV), (0x8, ATTR_NOEXEC),
    (0x400, _ATTR_NOATIME), (0x800, _ATTR_NODIRATIME), (0x2000, ATTR_NOSYMFOLLOW),
)  # fmt: skip


class FileSystemError(OSError):
    """An OSError with `words`, what the file system itself said of the reason."""

    def __init__(self, number: int, words: str) -> None:
        super().__init__(number, words)
        self.words = words


def open_tree(directory: int, path: str, *, recursive: bool = False, follow: bool = True) -> int:
    """Clone the mount at `path` (with the mounts below it if `recursive`) as a detached mount.

    A symbolic link at the end of the path is cloned itself unless `follow`.

    Raises:
        OSError: EINVAL also for a mount of another mount namespace, or for locked children.
    """
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | (0 if path else _AT_EMPTY_PATH)
    flags |= 0 if follow else _AT_SYMLINK_NOFOLLOW
    return door.call("open_tree", directory, path, flags | (_AT_RECURSIVE if recursive else 0))


def frozen(path: str) -> int:
    """Clone the tree at `path`: nothing of it can be written, nor is what is mounted later seen.

    Raises:
        OSError: as `open_tree` and `mount_setattr`.
    """
    tree = open_tree(AT_FDCWD, path, recursive=True)
    mount_setattr(tree, add=ATTR_RDONLY, recursive=True)
    mount_setattr(tree, propagation=MS_PRIVATE, recursive=True)
    return tree


def clone_or_nothing(path: str) -> int:
    """Clone the mount at `path`; where that is not there make an empty one that cannot be written.

    Raises:
        OSError: as the calls give it.
    """
    try:
        return open_tree(AT_FDCWD, path)
    except FileNotFoundError:
        context = fsopen("tmpfs")
    try:
        return fsmount(context, ATTR_RDONLY)
    finally:
        posix.close(context)


def fsopen(kind: str) -> int:
    """Open a context for a new file system of type `kind`.

    Raises:
        OSError: ENODEV for a type that the kernel does not know.
    """
    return door.call("fsopen", kind, _FSOPEN_CLOEXEC)


def fsconfig(context: int, key: str, value: str | None = None) -> None:
    """Set one option of the new file system.

    Raises:
        FileSystemError: with the file system's own words, where it has some.
    """
    command = _SET_FLAG if value is None else _SET_STRING
    try:
        door.call("fsconfig", context, command, key, value, 0)
    except OSError as error:
        raise _explained(context, error) from None


def fsconfig_descriptor(context: int, key: str, descriptor: int) -> None:
    """Set one option of the new file system to an open file.

    Raises:
        OSError: EINVAL where the kernel does not know the key.
    """
    door.call("fsconfig", context, _SET_FD, key, None, descriptor)


def fsmount(context: int, attributes: int = 0) -> int:
    """Make the file system and a detached mount of it with `attributes` (ATTR_…).

    Raises:
        FileSystemError: with the file system's own words, where it has some.
    """
    try:
        door.call("fsconfig", context, _CREATE, None, None, 0)
        return door.call("fsmount", context, _FSMOUNT_CLOEXEC, attributes)
    except OSError as error:
        raise _explained(context, error) from None


def reconfigure(mounted: int, options: list[tuple[str, str | None]]) -> None:
    """Change options of the file system that is mounted at an open node (fspick(2)).

    Raises:
        FileSystemError: with the file system's own words, where it has some.
    """
    context = door.call("fspick", mounted, "", _FSPICK_CLOEXEC | _FSPICK_EMPTY_PATH)
    try:
        for key, value in options:
            fsconfig(context, key, value)
        door.call("fsconfig", context, _RECONFIGURE, None, None, 0)
    except OSError as error:
        raise _explained(context, error) from None
    finally:
        posix.close(context)


def _explained(context: int, error: OSError) -> OSError:
    """Add what the file system wrote to its context; it may have written nothing."""
    try:
        said = posix.read(context, 1024).decode("utf-8", "replace").strip()
    except OSError:
        return error
    return FileSystemError(error.errno or 0, said.partition(" ")[2])  # "e tmpfs: Unknown …"


def legacy(source: str, target: int, kind: str, data: str) -> None:
    """Mount with mount(2) onto an open directory, for options longer than fsconfig(2) takes.

    The directory becomes the working directory for the call, which needs no trust in any /proc.

    Raises:
        OSError: as mount(2) gives it.
    """
    posix.fchdir(target)
    try:
        door.call("mount", source, ".", kind, 0, data)
    finally:
        posix.chdir("/")


def fits(value: str) -> bool:
    """Tell whether fsconfig(2) takes a value of that length."""
    return len(value.encode("utf-8", "surrogateescape")) <= _LONGEST_VALUE


def move_mount(mounted: int, target: int) -> None:
    """Attach a detached mount onto the directory or file `target`.

    Raises:
        OSError: EINVAL for a directory on a file or the reverse, ENOENT for a removed target.
    """
    door.call("move_mount", mounted, "", target, "", _MOVE_F_EMPTY | _MOVE_T_EMPTY)


def mount_setattr(
    mounted: int, *, add: int = 0, clear: int = 0, propagation: int = 0, recursive: bool = False
) -> None:
    """Change the attributes and propagation of a mount, of the whole tree if `recursive`.

    Raises:
        OSError: EPERM for a flag that is locked in a user namespace.
    """
    wish = b"".join(word.to_bytes(8, door.ORDER) for word in (add, clear, propagation, 0))
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    door.call("mount_setattr", mounted, "", flags, wish, len(wish))


def attributes(mounted: int) -> int:
    """Return the attributes (ATTR_…) of the mount that `mounted` lies on (fstatfs(2), f_flags).

    Raises:
        OSError: as fstatfs gives it.
    """
    answer = bytearray(120)
    door.call("fstatfs", mounted, answer)
    flags = int.from_bytes(answer[80:88], door.ORDER)
    return sum(attribute for flag, attribute in _STATFS_FLAGS if flags & flag)


def locked(names: str) -> FileSystemError:
    """Return the error for attributes that a user namespace has locked (mount_namespaces(7))."""
    what = names or "the attributes of access times, or of a mount below,"
    return FileSystemError(
        errno.EPERM,
        f"{what} came from another user namespace and cannot be taken off: leave that option out",
    )


def propagate(path: str, propagation: int) -> None:
    """Set the propagation of the mount at `path` (MS_… with MS_REC for the tree).

    Raises:
        OSError: as mount(2) gives it.
    """
    door.call("mount", None, path, None, propagation, None)


def move(source: str, target: str) -> None:
    """Move a mount (mount(2), MS_MOVE).

    Raises:
        OSError: as mount(2) gives it.
    """
    door.call("mount", source, target, None, _MS_MOVE, None)


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root and put the old root on `old`.

    Raises:
        OSError: EINVAL on an initramfs or where a mount is shared.
    """
    door.call("pivot_root", new, old)


def detach(path: str) -> None:
    """Unmount lazily (umount2(2), MNT_DETACH).

    Raises:
        OSError: as the call gives it.
    """
    door.call("umount2", path, _MNT_DETACH)
