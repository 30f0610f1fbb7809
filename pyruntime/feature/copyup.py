"""tmpcopyup: a new tmpfs begins with what the image has in the directory that it will cover.

The image is hostile, and whoever shares it may change it meanwhile. So it is read through a clone
of its mount that is nobody else's: no device can be opened through it, no link of it is followed,
and no mount below it shows, neither procfs nor a volume. The tmpfs is filled before it is attached:
until then nobody else can reach it.

Copied are content with its holes, modes, owners, times, extended attributes that a tmpfs takes,
links (symbolic and hard), devices, fifos and sockets. Names stay bytes: what they mean in the
caller's locale is no matter.
"""

from __future__ import annotations

import errno
import posix
import sys

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.kernel import attach, mount, path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.mounts import MountStep

_FORMAT, _DIRECTORY, _FILE, _LINK = 0o170000, 0o040000, 0o100000, 0o120000
_HARMLESS = (
    mount.ATTR_RDONLY | mount.ATTR_NOSUID | mount.ATTR_NODEV | mount.ATTR_NOEXEC
    | mount.ATTR_NOSYMFOLLOW
)  # fmt: skip
_INSIDE = path.RESOLVE_BENEATH | path.RESOLVE_NO_XDEV | path.RESOLVE_NO_MAGICLINKS
_READ = posix.O_RDONLY | path.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_NOCTTY | path.O_CLOEXEC
_READ_DIRECTORY = posix.O_RDONLY | path.O_NOFOLLOW | path.O_DIRECTORY | path.O_CLOEXEC
_WRITE = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | path.O_CLOEXEC
_SEEK_SET = 0
_PIECE = 1 << 30
_CURES = {
    errno.ENOSPC: "the options size and nr_inodes of the mount limit what it holds",
    errno.ESTALE: "the image was changed meanwhile",
}
# Of extended attributes: what the tmpfs of this kernel does not know, and what went meanwhile.
_LEFT_OUT = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENODATA)


def fill(step: MountStep, root: int, made: int) -> None:
    """Copy the directory at the destination of `step` inside `root` into the tmpfs `made`.

    Where that is missing it is made, and there is nothing to copy.

    Raises:
        KernelError: what could not be copied.
        OSError: the destination is no directory, or the root itself.
        RuntimeFailure: the destination leads into procfs or sysfs.
    """
    covered = attach.make_place(root, step.destination)
    try:
        _refuse_views_of_the_kernel(step, covered)
        image = mount.open_tree(covered, "")
    finally:
        posix.close(covered)
    try:
        mount.mount_setattr(image, add=_HARMLESS)
        _Copy(step, image, made).run()
    finally:
        posix.close(image)


def _refuse_views_of_the_kernel(step: MountStep, covered: int) -> None:
    """Refuse to copy what masks hide at its own place only: a link may lead to it."""
    if path.magic(covered) in (mount.PROC_SUPER_MAGIC, mount.SYSFS_MAGIC):
        raise errors.RuntimeFailure(
            f"mount {step.source} on {step.destination}: tmpcopyup copies from the image, and the"
            " destination leads into procfs or sysfs"
        )


class _Copy:
    """One copy under way.

    Slots:
        image, made: the tops of both trees.
        destination: of the mount, for errors.
        owned: the mount's options say who owns the top directory.
        waiting: directories that are made but not filled, by their path from the top; each is
            opened from there, so the depth of an image costs no descriptors.
        places: where the first of several hard links was put, by device and inode.
    """

    __slots__ = ("destination", "image", "made", "owned", "places", "waiting")

    def __init__(self, step: MountStep, image: int, made: int) -> None:
        self.image, self.made, self.destination = image, made, step.destination
        self.owned = any(key in ("uid", "gid") for key, _ in step.options)
        self.waiting = [b"."]
        self.places: dict[tuple[int, int], bytes] = {}

    def run(self) -> None:
        """Copy everything."""
        while self.waiting:
            below = self.waiting.pop()
            with doing("copy up", self._said(below), _CURES):
                try:
                    source = path.openat2(self.image, below, _READ_DIRECTORY, _INSIDE)
                except FileNotFoundError:  # it went meanwhile
                    continue
            try:
                target = posix.open(below, _READ_DIRECTORY, dir_fd=self.made)
                try:
                    self._fill(below, source, target)
                finally:
                    posix.close(target)
            finally:
                posix.close(source)

    def _said(self, below: bytes) -> str:
        where = path.clean(below.decode("utf-8", "surrogateescape"))
        return f"{self.destination}/{where}" if where else self.destination

    def _fill(self, below: bytes, source: int, target: int) -> None:
        """Copy the entries of one directory, then what it is itself."""
        for text in posix.listdir(source):
            name = text.encode(sys.getfilesystemencoding(), "surrogateescape")
            place = below + b"/" + name
            with doing("copy up", self._said(place), _CURES):
                try:
                    self._entry(place, name, source, target)
                except (FileNotFoundError, FileExistsError):  # it went, or was listed twice
                    continue
        with doing("copy up", self._said(below), _CURES):
            top = below == b"."  # its mode came with the options of the mount
            _dress(source, target, owner=not (top and self.owned), mode=not top)

    def _entry(self, place: bytes, name: bytes, source: int, target: int) -> None:
        """Copy one entry of a directory; what is in a directory waits."""
        node = path.openat2(source, name, path.O_PATH | path.O_NOFOLLOW, _INSIDE)
        try:
            known = posix.fstat(node)
            kind = known.st_mode & _FORMAT
            first = self.places.get((known.st_dev, known.st_ino))
            if first is not None:
                posix.link(first, name, src_dir_fd=self.made, dst_dir_fd=target)
            elif kind == _DIRECTORY:
                posix.mkdir(name, 0o700, dir_fd=target)
                self.waiting.append(place)
            elif kind == _FILE:
                _copy_file(name, source, target)
            else:
                _copy_node(node, name, known, target)
        finally:
            posix.close(node)
        if first is None and kind != _DIRECTORY and known.st_nlink > 1:
            self.places[known.st_dev, known.st_ino] = place


def _copy_file(name: bytes, directory: int, target: int) -> None:
    """Copy a regular file; it is opened by its name, so it is looked at again."""
    source = path.openat2(directory, name, _READ, _INSIDE)
    try:
        known = posix.fstat(source)
        if known.st_mode & _FORMAT != _FILE:
            raise OSError(errno.ESTALE, "the file was exchanged", name)
        copy = posix.open(name, _WRITE, 0o600, dir_fd=target)
        try:
            _copy_content(source, copy, known.st_size)
            _dress(source, copy, owner=True, mode=True)
        finally:
            posix.close(copy)
    finally:
        posix.close(source)


def _copy_content(source: int, copy: int, size: int) -> None:
    """Copy what is written of a file of `size` bytes; its holes stay holes (lseek(2))."""
    posix.ftruncate(copy, size)
    at = 0
    while at < size:
        try:
            at = posix.lseek(source, at, posix.SEEK_DATA)
            end = min(size, posix.lseek(source, at, posix.SEEK_HOLE))
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            raise
        posix.lseek(copy, at, _SEEK_SET)
        while at < end:
            count = posix.sendfile(copy, source, at, min(end - at, _PIECE))
            if count == 0:  # it was cut meanwhile
                return
            at += count


def _dress(source: int, copy: int, *, owner: bool, mode: bool) -> None:
    """Give an open copy the owner, mode, extended attributes and times of its source.

    In this order: a change of the owner takes the set-id bits and file capabilities away.
    """
    known = posix.fstat(source)
    if owner:
        posix.chown(copy, known.st_uid, known.st_gid)
    if mode:
        posix.chmod(copy, known.st_mode & 0o7777)
    _copy_attributes(source, copy)
    posix.utime(copy, ns=(known.st_atime_ns, known.st_mtime_ns))


def _copy_attributes(source: int, copy: int) -> None:
    """Copy the extended attributes that a tmpfs takes."""
    try:
        names = posix.listxattr(source)
    except OSError as error:
        if error.errno in _LEFT_OUT:
            return
        raise
    for name in names:
        try:
            posix.setxattr(copy, name, posix.getxattr(source, name))
        except OSError as error:
            if error.errno not in _LEFT_OUT:
                raise


def _copy_node(node: int, name: bytes, known: posix.stat_result, target: int) -> None:
    """Copy a symbolic link, device, fifo or socket."""
    if known.st_mode & _FORMAT == _LINK:
        posix.symlink(posix.readlink(b"", dir_fd=node), name, dir_fd=target)
    else:
        posix.mknod(name, known.st_mode, known.st_rdev, dir_fd=target)
    posix.chown(name, known.st_uid, known.st_gid, dir_fd=target, follow_symlinks=False)
    times = (known.st_atime_ns, known.st_mtime_ns)
    posix.utime(name, ns=times, dir_fd=target, follow_symlinks=False)
