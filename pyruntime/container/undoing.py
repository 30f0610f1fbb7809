"""The way back from a birth that failed, taken by the parent; loaded only then."""

from __future__ import annotations

import posix
import sys

from pyruntime import errors, log
from pyruntime.container import status
from pyruntime.feature.cgroup import removal
from pyruntime.kernel import pidfd as pidfds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.parent import Birth

_NEEDED = "making a container takes some 2 MiB"


def undo(birth: Birth) -> None:
    """Undo everything in reverse order; what cannot be undone is said, and the rest goes on.

    Raises:
        ChildFailed: the child did not just fail, but was killed for want of memory.
    """
    born, ours = birth.pid > 0, _is_ours(birth)
    starved = _starved(birth) if born and ours else ""
    birth.place.let_go()
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
    if starved:
        raise errors.ChildFailed(starved)


def _starved(birth: Birth) -> str:
    """Say that a child which failed was killed by its limit of memory, "" where it was not.

    By systemd the cgroup may be gone by now, when the OOM killer took who held the place, too.
    """
    failure, directory = sys.exception(), birth.state["cgroup"]
    if not isinstance(failure, errors.ChildFailed) or not directory:
        return ""
    from pyruntime.feature.cgroup import oom

    limits = ((birth.plan.config.get("linux") or {}).get("resources") or {}).get("memory") or {}
    most = limits.get("limit") or -1
    if oom.oom_kills(directory):
        told = "container init was OOM-killed (memory limit too low?)"
        return told if most < 0 else f"{told}: the limit is {most} bytes, and {_NEEDED}"
    if most < 0 or birth.entry.has("state.json") or oom.is_counted(directory):
        return ""
    return f"{failure.say()}: is the limit of memory, {most} bytes, too low ({_NEEDED})?"


def end_child(birth: Birth) -> None:
    """Kill the child and all that came of it, and reap it.

    Raises:
        RuntimeFailure: what is in the cgroup does not end.
    """
    try:
        pidfds.send_signal(birth.pidfd, 9)
    except ProcessLookupError:
        pass
    if birth.state["cgroup"] and _is_ours(birth):
        removal.kill(birth.plan.cgroup.directory)
    try:
        posix.waitpid(birth.pid, 0)
    except ChildProcessError:
        pass


def _is_ours(birth: Birth) -> bool:
    """Tell whether id, directory and cgroup still are: a delete --force may have freed them."""
    return birth.lock < 0 or posix.fstat(birth.lock).st_nlink > 0
