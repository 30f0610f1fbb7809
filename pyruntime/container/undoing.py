"""The way back from a birth that failed, taken by the parent; loaded only then."""

from __future__ import annotations

import posix

from pyruntime import errors, log
from pyruntime.container import status
from pyruntime.feature.cgroup import removal
from pyruntime.kernel import pidfd as pidfds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.parent import Birth


def undo(birth: Birth) -> None:
    """Undo everything in reverse order; what cannot be undone is said, and the rest goes on."""
    born, ours = birth.pid > 0, _is_ours(birth)
    while birth.undoing:
        action, named = birth.undoing.pop()
        try:
            if ours or not named:
                action()
        except (errors.RuntimeFailure, OSError) as error:
            said = error.say() if isinstance(error, errors.RuntimeFailure) else str(error)
            log.warning(f"while undoing: {said}")
    if born:
        birth.run_hooks("poststop", status.STOPPED)


def end_child(birth: Birth) -> None:
    """Kill the child and all that came of it, and reap it.

    Raises:
        RuntimeFailure: what is in the cgroup does not end.
    """
    try:
        pidfds.send_signal(birth.pidfd, 9)
    except ProcessLookupError:
        pass
    if _is_ours(birth):
        removal.kill(birth.plan.cgroup.directory)
    try:
        posix.waitpid(birth.pid, 0)
    except ChildProcessError:
        pass


def _is_ours(birth: Birth) -> bool:
    """Tell whether id, directory and cgroup still are: a delete --force may have freed them."""
    return birth.lock < 0 or posix.fstat(birth.lock).st_nlink > 0
