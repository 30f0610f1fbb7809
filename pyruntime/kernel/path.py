"""Paths below a root that its owner may be changing under our hands.

Every path of the container goes through `resolve`, `make_directory` or `make_file`: openat2(2)
with RESOLVE_IN_ROOT, so that no symbolic link, `..` or rename race leads out (CVE-2019-18837,
CVE-2021-30465, CVE-2024-45310, CVE-2026-47766), and RESOLVE_NO_MAGICLINKS, so that nothing jumps
through procfs.
"""

from __future__ import annotations

import errno
import posix

from pyruntime.kernel import door

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

O_PATH = posix.O_PATH
O_DIRECTORY = posix.O_DIRECTORY
O_NOFOLLOW = posix.O_NOFOLLOW
O_CLOEXEC = posix.O_CLOEXEC

_AT_EMPTY_PATH = 0x1000
_STATX_MNT_ID = 0x1000
_RESOLVE_ATTEMPTS = 128
_MAKE_ROUNDS = 64
_PROC_SUPER_MAGIC = 0x9FA0

# struct open_how, as laid out before: a create asks the same few things eighty times.
_statx = bytearray(256)
_hows: dict[tuple[int, int, int], bytes] = {}


def openat2(directory: int, path: str | bytes, flags: int, resolve: int, mode: int = 0) -> int:
    """Make the call of that name: open `path`, close-on-exec.

    Raises:
        OSError: as the call gives it; EAGAIN (a `..` raced with a rename) is tried again.
    """
    wish = (flags | O_CLOEXEC, mode, resolve)
    how = _hows.get(wish)
    if how is None:
        how = _hows[wish] = b"".join(word.to_bytes(8, door.ORDER) for word in wish)
    for _ in range(_RESOLVE_ATTEMPTS):
        try:
            return door.call("openat2", directory, path or ".", how, len(how))
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
    raise OSError(errno.ELOOP, "the path keeps changing", path)


def resolve(root: int, path: str, flags: int = O_PATH) -> int:
    """Open `path` inside the directory `root`, which it can never leave.

    Raises:
        OSError: ENOENT, ENOTDIR, ELOOP (a magic link, or a path that keeps changing).
    """
    return openat2(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)


def clean(path: str) -> str:
    """Drop `.`, `..` and double slashes lexically; the result is relative to the root."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts[-1:] = []
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def join(directory: str, path: str) -> str:
    """Put `path` below `directory` unless it is absolute."""
    return path if path.startswith("/") else f"{directory.rstrip('/')}/{path}"


def make_directory(root: int, path: str, mode: int = 0o755, *, follow: bool = True) -> int:
    """Open the directory `path` inside `root`, making it and its parents where missing.

    Args:
        root: descriptor of the root directory.
        path: as the container sees it.
        mode: of the directories that are made (the umask applies).
        follow: a link at the end of the path will do, too.

    Raises:
        OSError: ENOTDIR where something else is in the way, ELOOP where links never end.
    """
    wanted = clean(path)
    flags = O_PATH | O_DIRECTORY | (0 if follow else O_NOFOLLOW)
    for _ in range(_MAKE_ROUNDS):
        try:
            return resolve(root, wanted, flags)
        except FileNotFoundError:
            wanted = _make_missing(root, wanted, mode)
    raise OSError(errno.ELOOP, "the path keeps changing", path)


def _make_missing(root: int, path: str, mode: int) -> str:
    """Make the first missing part of `path`; return the path to try next.

    Each prefix is opened anew from the root: a descriptor kept from an earlier step may meanwhile
    have been moved elsewhere. A dangling link is followed by hand, since its target is to be made.
    """
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        prefix = "/".join(parts[:count])
        try:
            posix.close(resolve(root, prefix))
        except FileNotFoundError:
            link = _make_part(root, "/".join(parts[: count - 1]), parts[count - 1], mode)
            if link is not None:
                return _spliced(parts, count, link)
            return path
    return path


def _make_part(root: int, parent: str, name: str, mode: int) -> str | None:
    """Make the directory `name` in `parent`; return the target when it is a dangling link."""
    try:
        directory = resolve(root, parent, O_PATH | O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        posix.mkdir(name, mode, dir_fd=directory)
    except FileExistsError:
        try:
            return posix.readlink(name, dir_fd=directory)
        except OSError:
            return None
    except FileNotFoundError:
        return None
    finally:
        posix.close(directory)
    return None


def _spliced(parts: list[str], count: int, link: str) -> str:
    """Put a link's target in the place of the part that is the link."""
    before = [] if link.startswith("/") else parts[: count - 1]
    return clean("/".join([*before, link, *parts[count:]]))


def make_file(root: int, path: str, mode: int = 0o644) -> int:
    """Open (O_PATH) the node `path` inside `root`, making an empty file where nothing is.

    An existing node is never opened for reading or writing: it may be a fifo or a device.

    Raises:
        OSError: ELOOP, ENOTDIR, EISDIR as the file system gives them.
    """
    wanted = clean(path)
    for _ in range(_MAKE_ROUNDS):
        try:
            return resolve(root, wanted)
        except FileNotFoundError:
            wanted = _make_missing_file(root, wanted, mode)
    raise OSError(errno.ELOOP, "the path keeps changing", path)


def _make_missing_file(root: int, path: str, mode: int) -> str:
    """Make the file `path`; return the path to try next (a dangling link's target is spliced)."""
    parent, _, name = path.rpartition("/")
    directory = make_directory(root, parent)
    flags = posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_NONBLOCK | O_CLOEXEC
    try:
        posix.close(posix.open(name, flags, mode, dir_fd=directory))
    except FileExistsError:
        try:
            link = posix.readlink(name, dir_fd=directory)
        except OSError:
            return path
        return _spliced(path.split("/"), path.count("/") + 1, link)
    except FileNotFoundError:
        return path
    finally:
        posix.close(directory)
    return path


def open_parent(root: int, path: str) -> tuple[int, str]:
    """Open the parent directory of `path` inside `root`, making it where missing.

    Returns:
        The directory's descriptor and the last name of the path.

    Raises:
        OSError: as `make_directory`; EINVAL for the root itself.
    """
    parent, _, name = clean(path).rpartition("/")
    if not name:
        raise OSError(errno.EINVAL, "the root has no parent", path)
    return make_directory(root, parent), name


def mount_id(descriptor: int) -> int:
    """Return the id of the mount that `descriptor` lies on (statx(2), STATX_MNT_ID).

    Raises:
        OSError: as statx gives it.
    """
    door.call("statx", descriptor, b"", _AT_EMPTY_PATH, _STATX_MNT_ID, _statx)
    return int.from_bytes(_statx[0x90:0x98], door.ORDER)


def magic(descriptor: int) -> int:
    """Return the magic number of the file system that `descriptor` lies on (fstatfs(2)).

    Raises:
        OSError: as fstatfs gives it.
    """
    answer = bytearray(120)
    door.call("fstatfs", descriptor, answer)
    return int.from_bytes(answer[:8], door.ORDER)


def chown(node: int, uid: int, gid: int) -> None:
    """Change the owner of an open (O_PATH) node.

    Raises:
        OSError: as fchownat(2) gives it.
    """
    door.call("fchownat", node, "", uid, gid, _AT_EMPTY_PATH)


def read_file(root: int, path: str, limit: int) -> bytes:
    """Read a small regular file inside `root`.

    O_NONBLOCK and the check keep a planted fifo or device from holding or feeding the runtime; a
    link into procfs would tell of the runtime itself.

    Raises:
        OSError: EINVAL where it is no regular file, EFBIG over `limit` bytes, else as open gives.
    """
    descriptor = resolve(root, path, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_NOCTTY)
    try:
        regular = posix.fstat(descriptor).st_mode & 0o170000 == 0o100000
        if not regular or magic(descriptor) == _PROC_SUPER_MAGIC:
            raise OSError(errno.EINVAL, "not a regular file", path)
        content = b""
        while piece := posix.read(descriptor, limit + 1 - len(content)):
            content += piece
            if len(content) > limit:
                raise OSError(errno.EFBIG, "file too large", path)
        return content
    finally:
        posix.close(descriptor)
