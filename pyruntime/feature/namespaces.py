"""Namespaces: made new with the child, or joined by path."""

from __future__ import annotations

from pyruntime.errors import doing
from pyruntime.feature.step import Step
from pyruntime.kernel import namespace, network, process
from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.spec.shapes import Config

# The mount namespace comes last: joining it changes where paths lead.
_JOIN_ORDER = ("ipc", "uts", "network", "cgroup", "time", "mount")
# In a new user namespace these are made by its root, whose they are then (usernamespace.py).
_LATER = ("ipc", "uts", "network")


class NamespacesStep(Step):
    """Which namespaces the container has: `new` types, and `paths` of those that it joins."""

    __slots__ = ("new", "paths")

    def __init__(self, new: tuple[str, ...], paths: dict[str, str]) -> None:
        self.new, self.paths = new, paths

    def describe(self) -> str:
        """Name the new ones and the joined ones."""
        told = [f"new {kind}" for kind in self.new]
        told += [f"{kind} of {path}" for kind, path in self.paths.items()]
        return "enter namespaces: " + (", ".join(told) or "none, all are the caller's")

    def has(self, kind: str) -> bool:
        """Tell whether the container's namespace of that type is not simply inherited."""
        return kind in self.new or kind in self.paths

    def clone_flags(self) -> int:
        """Return the clone3(2) flags that make the new ones.

        A new time namespace made by clone3 has frozen offsets; the child makes it (clocks.py).
        """
        flags = 0
        for kind in self.new:
            flags |= words.NAMESPACES[kind] if kind != "time" else 0
        return flags & ~self.later_flags() if "user" in self.new else flags

    def later_flags(self) -> int:
        """Return the flags of those that the root of a new user namespace makes."""
        return sum(words.NAMESPACES[kind] for kind in _LATER if kind in self.new)


def known() -> list[str]:
    """Return the namespace types for `features`."""
    return sorted(words.NAMESPACES)


def plan(config: Config) -> NamespacesStep:
    """Work out the namespaces of a checked config."""
    wanted = config.get("linux", {}).get("namespaces") or []
    new = tuple(wish["type"] for wish in wanted if not wish.get("path"))
    return NamespacesStep(new, {w["type"]: w["path"] for w in wanted if w.get("path")})


def open_paths(step: NamespacesStep) -> dict[str, int]:
    """Open the namespaces to join, in the runtime's own view, and verify their types.

    Raises:
        KernelError: a path that is missing or leads to something else.
    """
    opened: dict[str, int] = {}
    for kind, path in step.paths.items():
        cures = {22: f"the file is not a namespace of type {kind}"}
        with doing(f"join the {kind} namespace", path, cures):
            opened[kind] = namespace.open_typed(path, words.NAMESPACES[kind])
    return opened


def enter(step: NamespacesStep, opened: dict[str, int]) -> None:
    """Join the opened namespaces; called in the child.

    The pid namespace is left out: Python never enters one that has processes in it.

    Raises:
        KernelError: setns(2) failed.
    """
    for kind in _JOIN_ORDER:
        if kind in opened:
            with doing(f"join the {kind} namespace", step.paths[kind]):
                process.setns(opened[kind], words.NAMESPACES[kind])
    if "network" in step.new:
        with doing("bring up the loopback interface"):
            network.raise_loopback()
