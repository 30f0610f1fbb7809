"""Hooks that run when the container's config is only known from its saved state."""

from __future__ import annotations

import posix

from pyruntime.container import caller as callers
from pyruntime.container import status
from pyruntime.feature import hooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.caller import Caller
    from pyruntime.container.store import Entry, State


def run_hooks(
    entry: Entry, state: State, name: str, word: str, caller: Caller | None = None
) -> None:
    """Run the hooks `name` of the saved state in the caller's namespaces.

    Args:
        entry: the container.
        state: its state.
        name: "poststart" or "poststop".
        word: the status that the hooks are told.
        caller: whose environment is for hooks that give none; noted now where it was not before.

    Raises:
        HookFailed: one of them failed; the rest is not run.
    """
    umask = posix.umask(0)
    posix.umask(umask)
    wishes = state["hooks"][name]
    pid = 0 if word == status.STOPPED else state["pid"]
    hooks.run(
        [hooks.HookStep(name, number, wish) for number, wish in enumerate(wishes)],
        status.encoded(state, word, pid),
        directory=state["bundle"] if _is_there(state["bundle"]) else "/",
        environment=(caller or callers.note()).environment,
        umask=umask,
    )


def _is_there(directory: str) -> bool:
    """Tell whether the bundle still exists; poststop may run after it was removed."""
    try:
        posix.stat(directory)
    except OSError:
        return False
    return True
