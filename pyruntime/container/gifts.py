"""What the child takes with it from the parent: open descriptors and prepared data."""

from __future__ import annotations

import posix

from pyruntime.container import activation, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.store import State
    from pyruntime.feature.confinement import Label
    from pyruntime.feature.seccomp import Filter
    from pyruntime.feature.terminal import TerminalStep


class Gifts:
    """What the child takes along.

    parents: descriptors that are only the parent's: its end of the talk, the lock, the cgroup.
    namespaces: those to join, open, by type.
    player: the native program, a sealed memfd.
    filter: the compiled seccomp program.
    labels: what is to be written to have the payload labelled.
    root: the rootfs where the parent has mounted it, on the host; else None.
    go, result: the fifos of the start protocol; None in `run`.
    activation: words of the environment that tell of sockets (activation.py).
    console: who is to get the master of the terminal; None without one.
    state: what state.json will say.
    terminal: the terminal that is to be opened; None for none.
    """

    __slots__ = (
        "activation",
        "console",
        "filter",
        "go",
        "labels",
        "namespaces",
        "parents",
        "player",
        "result",
        "root",
        "state",
        "terminal",
    )

    def __init__(self, state: State) -> None:
        self.state = state
        self.parents: list[int] = []
        self.namespaces: dict[str, int] = {}
        self.player = -1
        self.root: int | None = None
        self.filter: Filter | None = None
        self.labels: list[Label] = []
        self.go: int | None = None
        self.result: int | None = None
        self.activation: list[str] = []
        self.console: int | None = None
        self.terminal: TerminalStep | None = None

    def leave_to_parent(self) -> None:
        """Close what the child must not hold; a lock shared with it would outlive the command."""
        for descriptor in self.parents:
            posix.close(descriptor)

    def let_go(self) -> None:
        """Close what the child has by now, or will not need any more; once more does nothing."""
        mine = (self.player, self.go, self.result, self.root, self.console)
        for descriptor in (*mine, *self.namespaces.values()):
            if descriptor is not None and descriptor >= 0:
                posix.close(descriptor)
        self.player = -1
        self.go = self.result = self.root = self.console = None
        self.namespaces = {}

    def words(self) -> list[str]:
        """Return what the runtime adds to the payload's environment; called in the child.

        Its pid is that of the payload, but in a joined pid namespace.
        """
        pid = 1 if "pid" in self.namespaces else posix.getpid()
        return activation.addressed(self.activation, pid)

    def document(self, word: str) -> str:
        """Return the state document for hooks that run in the container, with the pid seen there.

        In a joined pid namespace the container's process does not exist yet, and none is told.
        """
        return status.encoded(self.state, word, 0 if "pid" in self.namespaces else posix.getpid())
