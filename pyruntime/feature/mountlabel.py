"""linux.mountLabel: the SELinux context of all that lies in the container's own file systems.

A file system gets its label as the option `context`, once and for all. Those whose nodes the policy
labels by itself get none (proc, sysfs, cgroups), nor does a bind, whose file system is another's.
mqueue takes no context: its root directory gets the label as an attribute.
"""

from __future__ import annotations

import posix

from pyruntime.feature import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.mounts import MountStep
    from pyruntime.spec.shapes import Config

_UNLABELLED = ("bind", "proc", "sysfs", "cgroup2")
_CONTEXTS = ("context", "fscontext", "defcontext", "rootcontext")
_ATTRIBUTE = "security.selinux"


def plan(steps: list[MountStep], label: str) -> None:
    """Put the label to each new file system that takes one and has none of its own."""
    for step in steps:
        if step.remount or step.kind in _UNLABELLED:
            continue
        if step.kind == "mqueue":
            step.extensions.append(("label", label))
        elif not any(key in _CONTEXTS for key, _ in step.options):
            step.options.append(("context", label))


def check(config: Config) -> list[str]:
    """Leave the label out of `config` where no SELinux reads it; return the warning of that.

    Nothing is lost by going on: a label of files keeps out nobody where nobody looks at it. A label
    of the process is an error there, since the confinement that it asks for would be missing
    (confinement.py).
    """
    if host.selinux_enabled():
        return []
    del config["linux"]["mountLabel"]
    return ["linux.mountLabel: SELinux is off on this host, the mounts bear no label"]


def apply(mounted: int, label: str) -> None:
    """Label the root directory of a detached mount.

    Raises:
        OSError: EOPNOTSUPP, EACCES, EINVAL for a context that the policy does not know.
    """
    top = posix.open(".", posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC, dir_fd=mounted)
    try:
        posix.setxattr(top, _ATTRIBUTE, label.encode("utf-8", "surrogateescape"))
    finally:
        posix.close(top)
