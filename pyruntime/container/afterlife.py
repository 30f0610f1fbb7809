"""Hooks that run in the caller's namespaces, with the state on their standard input."""

from __future__ import annotations

import posix

from pyruntime import errors, log
from pyruntime.container import status
from pyruntime.feature import hookrun, hooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.caller import Caller
    from pyruntime.container.store import State
    from pyruntime.feature.hooks import HookStep


def saved(state: State, name: str) -> list[HookStep]:
    """Return the hooks `name` that state.json remembers."""
    return [
        hooks.HookStep(name, number, wish)
        for number, wish in enumerate(state["hooks"].get(name, []))
    ]


def run_hooks(
    steps: list[HookStep], state: State, word: str, caller: Caller, ending: int = -1
) -> None:
    """Run hooks of one name in the caller's namespaces.

    Args:
        steps: the hooks, not empty.
        state: of the container.
        word: the status that they are told.
        caller: whose environment is for hooks that give none.
        ending: descriptor that can be read when the runtime is asked to end.

    Raises:
        HookFailed: one of them failed and the rest is not run. Of poststop hooks each is run and
            of a failure it is only warned (runtime-spec, runtime.md, "Lifecycle").
    """
    document = status.encoded(state, word, 0 if word == status.STOPPED else state["pid"])
    directory = state["bundle"] if _is_there(state["bundle"]) else "/"
    umask = posix.umask(0)
    posix.umask(umask)
    for step in steps:
        try:
            hookrun.run(
                [step],
                document,
                directory=directory,
                environment=caller.environment,
                umask=umask,
                ending=ending,
            )
        except errors.HookFailed as failure:
            if step.name != "poststop":
                raise
            log.warning(failure.say())


def _is_there(directory: str) -> bool:
    """Tell whether the bundle still exists; poststop may run after it was removed."""
    try:
        return posix.stat(directory).st_mode & 0o170000 == 0o040000
    except OSError:
        return False
