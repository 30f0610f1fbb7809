"""Binds that look at symbolic links themselves: copy-symlink, src-nofollow, dest-nofollow (crun.1).

The links of the host are the caller's, those of the root are hostile: what lies there is opened
inside the root and a mount is attached to the descriptor, as for every mount. What links hold stays
bytes, whatever the caller's locale.
"""

from __future__ import annotations

import errno
import posix

from pyruntime import errors
from pyruntime.feature import mounts, rootfs
from pyruntime.kernel import attach, mount, path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.mounts import Bind, MountStep

_DEVPTS_MAGIC = 0x1CD1
# What a bind with dest-nofollow must not override (crun).
_KERNELS_OWN = (mount.PROC_SUPER_MAGIC, mount.SYSFS_MAGIC, _DEVPTS_MAGIC)


def apply(step: MountStep, root: int, bind: Bind) -> int | None:
    """Make one bind inside `root`, or the link in its place; as `mounts.apply` does.

    Raises:
        OSError: as the calls give it.
        RuntimeFailure: something else has the link's name, or nothing is there to mount onto.
    """
    wishes = [name for name, _ in step.extensions]
    link = _link(step, bind) if "copy-symlink" in wishes else None
    if link is not None:
        _copy(step, root, link)
        return None
    made = bind(step)
    bare = "dest-nofollow" in wishes
    if not bare and not _is_link(made):
        return mounts.place(step, root, made)
    try:
        mounts.decorate(step, made)
        _attach(step, root, made, bare=bare)
    except BaseException:
        posix.close(made)
        raise
    return mounts.kept(step, made)


def _link(step: MountStep, bind: Bind) -> bytes | None:
    """Return the target of the symbolic link that is the source; None for no link or nothing.

    Where the link cannot be reached, a bind of it can be read (readlinkat(2), empty path).
    """
    try:
        return posix.readlink(_bytes(step.source))
    except PermissionError:
        made = bind(step)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR):
            raise
        return None
    try:
        return posix.readlink(b"", dir_fd=made) if _is_link(made) else None
    finally:
        posix.close(made)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _is_link(node: int) -> bool:
    return posix.fstat(node).st_mode & 0o170000 == 0o120000


def _copy(step: MountStep, root: int, link: bytes) -> None:
    """Make the link at the destination; the same link may be there already."""
    directory, name = path.open_parent(root, step.destination)
    try:
        posix.symlink(link, _bytes(name), dir_fd=directory)
    except FileExistsError:
        try:
            present = posix.readlink(_bytes(name), dir_fd=directory)
        except OSError:
            present = None
        if present != link:
            raise errors.RuntimeFailure(
                f"copy the link {step.source}: {step.destination} already exists with a different"
                " content"
            ) from None
    finally:
        posix.close(directory)


def _attach(step: MountStep, root: int, made: int, *, bare: bool) -> None:
    """Attach where the mount or its place is a link, which no path may follow."""
    target = _present(step, root) if bare else path.make_file(root, step.destination)
    try:
        where = step.destination if bare else _where(root, target)
        rootfs.keep_out_of_proc(step.destination, target, procfs=False)
    except BaseException:
        posix.close(target)
        raise
    attach.onto_present(root, where, made, target, follow=False)


def _present(step: MountStep, root: int) -> int:
    """Open what is at the destination, a link itself; nothing is made."""
    try:
        target = path.resolve(root, step.destination, path.O_PATH | path.O_NOFOLLOW)
    except FileNotFoundError:
        raise errors.RuntimeFailure(
            f"mount {step.source} on {step.destination}: dest-nofollow mounts onto what is there,"
            " and nothing is: no such file or directory"
        ) from None
    if path.magic(target) in _KERNELS_OWN:
        posix.close(target)
        raise errors.RuntimeFailure(f"override of {step.destination} is not allowed")
    return target


def _where(root: int, target: int) -> str:
    """Return the path of an open node from the root, without links.

    /proc may be another's in a mount namespace that was joined: the answer is only where to look,
    and `attach` compares what is found there.
    """
    top, place = (posix.readlink(b"/proc/self/fd/%d" % each) for each in (root, target))
    if not place.startswith(top + b"/"):
        raise attach.exchanged()
    return place[len(top) :].decode("utf-8", "surrogateescape")
