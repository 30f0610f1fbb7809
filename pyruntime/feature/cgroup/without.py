"""A container without a cgroup of its own: it stays in the caller's, and nothing limits it.

Made so by `--cgroup-manager disabled`, and for a caller who may not make a cgroup and asks for no
limits: one without root, or root in a user namespace (with runc, "rootless cgroups").
"""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.feature.cgroup import devices
from pyruntime.feature.cgroup.filesystem import CgroupStep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyruntime.feature.host import Host
    from pyruntime.feature.step import Step


def plan(host: Host, limits: Iterable[Step]) -> CgroupStep:
    """Plan no cgroup.

    Args:
        host: facts of the machine.
        limits: the steps of limits.plan.

    Raises:
        Unsupported: a limit needs a cgroup.
    """
    for each in limits:
        key = getattr(each, "key", "")
        if key and not getattr(each, "free", False):
            told = "needs a cgroup, and there is none with --cgroup-manager disabled"
            raise errors.Unsupported(f"linux.resources.{key} {told}")
    return CgroupStep("", host.cgroup_root)


def is_possible(wanted: CgroupStep) -> bool:
    """Tell whether the caller, who may not make this cgroup, can go on without it."""
    if wanted.spare == "rootless":
        return posix.geteuid() != 0 or devices.in_user_namespace()
    return wanted.spare == "always"
