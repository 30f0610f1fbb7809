"""The container's cgroup given to a user, so that it can have cgroups of its own below.

Only what the kernel itself names goes along; limits stay the host's (config-linux.md, "Cgroup
ownership"). Loaded only for containers that may have it.
"""

from __future__ import annotations

import posix

from pyruntime.errors import doing
from pyruntime.kernel import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.spec.shapes import Config

# Why a process may not be put into a cgroup (cgroups(7), "Cgroups delegation").
CURE = (
    "a user must own cgroup.procs of the cgroup and of the one above both it and the caller's:"
    " run this in a delegated unit, as systemd-run --user --pty -p Delegate=yes makes"
)
_LIST = "/sys/kernel/cgroup/delegate"
# Where the kernel has no list (cgroups(7), "Cgroups delegation").
_USUAL = ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"]
_CGROUPS = "sys/fs/cgroup"


def is_wished(config: Config) -> bool:
    """Tell whether the container can write to its cgroup file system, by a mount of its own."""
    return any(
        path.clean(mount["destination"]) == _CGROUPS
        and mount.get("type") in ("cgroup", "cgroup2")
        and not {"ro", "rro", "bind", "rbind"} & set(mount.get("options") or ())
        for mount in config.get("mounts") or ()
    )


def give(directory: str, uid: int) -> None:
    """Give the cgroup and the files of the kernel's list to a user of the host.

    Args:
        directory: of the cgroup.
        uid: of the host.

    Raises:
        KernelError: the owner cannot be changed; files that are missing are left out.
    """
    with doing(f"give to uid {uid} the cgroup", directory):
        posix.chown(directory, uid, -1)
        for name in _names():
            try:
                posix.chown(f"{directory}/{name}", uid, -1)
            except FileNotFoundError:
                continue


def _names() -> list[str]:
    """Return the names of the files."""
    try:
        descriptor = posix.open(_LIST, posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError:
        return _USUAL
    try:
        return posix.read(descriptor, 4096).decode("ascii").split()
    finally:
        posix.close(descriptor)
