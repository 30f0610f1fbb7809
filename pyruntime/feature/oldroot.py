"""What has to be known of the caller's own mounts, for the two roots that concern them."""

from __future__ import annotations

import errno
import posix

from pyruntime.kernel import mount, path

# In mountinfo; the backslash itself comes last.
_ESCAPES = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\"))

_EVERY_ID = [b"0", b"0", b"4294967295"]


def part(directory: str) -> None:
    """Make the mount that holds `directory` private, so that what is mounted there is not seen.

    It is known by its id: a link in the path, or a mount over a mount point, leads elsewhere.

    Raises:
        OSError: ENOENT where it cannot be reached by its mount point.
    """
    held = posix.open(directory, path.O_PATH | path.O_DIRECTORY | path.O_CLOEXEC)
    try:
        number = path.mount_id(held)
    finally:
        posix.close(held)
    for line in mountinfo():
        if line[0] == str(number):
            mount.propagate(line[4], mount.MS_PRIVATE)
            top = posix.open(line[4], path.O_PATH | path.O_CLOEXEC)
            try:
                if path.mount_id(top) == number:
                    return
            finally:
                posix.close(top)
    raise mount.FileSystemError(errno.ENOENT, "another mount covers that of the rootfs")


def mountinfo() -> list[list[str]]:
    """Return the fields of each line of /proc/self/mountinfo (proc_pid_mountinfo(5)).

    Raises:
        OSError: it cannot be read.
    """
    descriptor = posix.open("/proc/self/mountinfo", posix.O_RDONLY)
    content = b""
    try:
        while piece := posix.read(descriptor, 1 << 16):
            content += piece
    finally:
        posix.close(descriptor)
    lines = content.decode("utf-8", "surrogateescape").rstrip("\n").split("\n")
    fields = [line.split(" ") for line in lines]
    for line in fields:
        for escape, character in _ESCAPES:
            line[4] = line[4].replace(escape, character)
    return fields


def _take_away(place: str) -> None:
    """Unmount what is there, unless a user namespace has locked it, or closed the way to it.

    There it stays: who may mount inside may take the masks off as well.
    """
    try:
        mount.propagate(place, mount.MS_PRIVATE | mount.MS_REC)
        mount.detach(place)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EACCES) or not _in_user_namespace():
            raise


def _in_user_namespace() -> bool:
    """Tell whether ids here are not simply the machine's (user_namespaces(7))."""
    try:
        descriptor = posix.open("/proc/self/uid_map", posix.O_RDONLY)
    except OSError:
        return False
    try:
        return posix.read(descriptor, 4096).split() != _EVERY_ID
    finally:
        posix.close(descriptor)


def move(directory: str, root: int) -> None:
    """Move the root's mount onto `/`, with no full procfs or sysfs of the host left beneath.

    Where pivot_root cannot work (initramfs) the old root stays below; a container that mounts
    could otherwise use the host's procfs to make its own without the masks.
    """
    for line in mountinfo():
        kind = line[line.index("-") + 1]
        below = (line[4] + "/").startswith(directory + "/")
        if kind in ("proc", "sysfs") and not below:
            _take_away(line[4])
    posix.fchdir(root)
    mount.move(".", "/")
    posix.chroot(".")
