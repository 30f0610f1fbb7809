"""The rootfs of a container without a mount namespace: on the host, taken off at the end."""

from __future__ import annotations

import posix

from pyruntime.errors import doing
from pyruntime.feature import rootfs
from pyruntime.kernel import mount, path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.rootfs import RootfsStep


def attach(step: RootfsStep) -> tuple[int, str]:
    """Mount the rootfs onto itself; all that the container mounts lies below this one mount.

    Returns:
        Its descriptor, and `ID DIRECTORY` for `take_off`.

    Raises:
        KernelError: as `rootfs.attach`.
    """
    root = rootfs.attach(step)
    return root, f"{path.mount_id(root)} {step.directory}"


def take_off(mounted: str) -> None:
    """Unmount it with all below, if it is still there; another mount in its place is not ours.

    Raises:
        KernelError: umount2(2) failed.
    """
    number, _, directory = mounted.partition(" ")
    with doing("unmount", directory):
        try:
            top = posix.open(directory, path.O_PATH | path.O_DIRECTORY | path.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            ours = str(path.mount_id(top)) == number
        finally:
            posix.close(top)
        if ours:
            mount.detach(directory)
