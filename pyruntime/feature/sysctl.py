"""Kernel parameters of the container's own namespaces."""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.feature.step import Step
from pyruntime.kernel import namespace, path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.spec.shapes import Config


# Whose parameters these are: the type, and its name below /proc/self/ns.
_OWNERS = (
    ("sys/net/", "network", "net"),
    ("sys/kernel/domainname", "uts", "uts"),
    ("sys/user/", "user", "user"),
    ("sys/", "ipc", "ipc"),
)


class SysctlStep(Step):
    """Write `value` to the parameter `key`; `file` is its path below /proc."""

    __slots__ = ("file", "key", "value")

    def __init__(self, key: str, value: str) -> None:
        self.key, self.value = key, value
        self.file = "sys/" + spelled_as_path(key)

    def describe(self) -> str:
        """Say it as sysctl(8) does."""
        return f"set sysctl {self.key} = {self.value}"


def spelled_as_path(key: str) -> str:
    """Turn `net.ipv4.conf.eth0/1.forwarding` into its path; the first separator decides.

    With dots as separators a slash stands for a dot in a name, and the other way round
    (sysctl.d(5)).
    """
    dot, slash = key.find("."), key.find("/")
    if dot >= 0 and (slash < 0 or dot < slash):
        return "/".join(part.replace("/", ".") for part in key.split("."))
    return key


def plan(config: Config) -> list[SysctlStep]:
    """Work out the parameters of a checked config, in its order."""
    wanted = config.get("linux", {}).get("sysctl") or {}
    return [SysctlStep(key, value) for key, value in wanted.items()]


def refuse_callers(steps: list[SysctlStep], paths: dict[str, str]) -> None:
    """Refuse parameters of a namespace that is joined by path but is the caller's own, as runc.

    Raises:
        RuntimeFailure: the parameter, and the type of its namespace.
    """
    for step in steps:
        kind, name = next(owner[1:] for owner in _OWNERS if step.file.startswith(owner[0]))
        own = namespace.identity(f"/proc/self/ns/{name}")
        if kind in paths and namespace.identity(paths[kind]) == own:
            raise errors.RuntimeFailure(f'sysctl "{step.key}" not allowed in host {kind} namespace')


def apply(step: SysctlStep, procfs: int) -> None:
    """Write one parameter through a private procfs handle, where nothing can be mounted over it.

    CVE-2025-52881: a bind mount over /proc/sys must not turn the write elsewhere.

    Raises:
        KernelError: no such parameter, or the kernel refuses the value.
    """
    flags = posix.O_WRONLY
    beneath = path.RESOLVE_BENEATH | path.RESOLVE_NO_XDEV | path.RESOLVE_NO_MAGICLINKS
    with doing("set sysctl", f"{step.key}={step.value}"):
        descriptor = path.openat2(procfs, step.file, flags, beneath)
        try:
            posix.write(descriptor, step.value.encode("utf-8", "surrogateescape"))
        finally:
            posix.close(descriptor)
