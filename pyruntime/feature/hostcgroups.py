"""The cgroup file system of a container without a cgroup namespace: the host's, bound.

Made anew from the first cgroup namespace it would take nsdelegate and memory_recursiveprot away
from the host's mount, whose file system is the same (Linux, kernel/cgroup/cgroup.c,
apply_cgroup_root_flags). Loaded for such containers only.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.mounts import MountStep


def bind(steps: list[MountStep]) -> None:
    """Turn each new cgroup file system into a bind of what it would show."""
    for step in steps:
        if step.kind == "cgroup2" and not step.remount:
            step.kind, step.source, step.options = "bind", step.instead, []
