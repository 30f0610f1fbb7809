"""Run: create, start and, in the foreground, stay until the end."""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.container import activation, create, delete, status
from pyruntime.container.plan import Wishes
from pyruntime.kernel import pidfd as pidfds
from pyruntime.kernel import process, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container import parent
    from pyruntime.container.caller import Caller

_EVERYTHING = tuple(range(1, signals.LAST + 1))
# Not for the payload: what cannot be caught, what tells of children, what Go programs poke with.
_KEPT = frozenset((signals.KILL, signals.STOP, signals.CHLD, signals.URG))


def run(
    root: str,
    id: str,  # noqa: A002
    *,
    caller: Caller,
    bundle: str = ".",
    pid_file: str | None = None,
    no_pivot: bool = False,
    no_new_keyring: bool = False,
    preserve_fds: int = 0,
    console_socket: str | None = None,
    pidfd_socket: str | None = None,
    cgroups: str = "cgroupfs",
    rootless: str = "auto",
    detach: bool = False,
    keep: bool = False,
    no_subreaper: bool = False,
) -> int:
    """Create and start a container.

    The arguments are those of `create.create`, and: `detach` returns when the payload runs, `keep`
    leaves the stopped container for `delete`, `no_subreaper` adopts no orphans of the container.

    Returns:
        The exit status of the payload, 128 and the signal's number when one ended it; 0 detached.

    Raises:
        RuntimeFailure: it could not be created or started; nothing is left behind.
    """
    create.refuse(console_socket=console_socket, pidfd_socket=pidfd_socket)
    if not detach and not no_subreaper:
        process.set_child_subreaper()
    preserve = activation.kept(caller, preserve_fds)
    wishes = Wishes(
        no_pivot=no_pivot,
        no_new_keyring=no_new_keyring,
        preserve=preserve,
        waits=False,
        cgroups=cgroups,
        rootless=rootless,
    )
    signals.block(_EVERYTHING)  # for good: the status is the payload's
    birth = create.begin(root, id, caller, bundle, pid_file, wishes)
    _run_poststart(birth)
    if detach:
        return 0
    code = attend(birth.pid, birth.pidfd)
    if not keep:
        _remove(birth)
    return code


def _remove(birth: parent.Birth) -> None:
    """Remove the container, unless a delete was quicker and the id is gone, or another's by now."""
    try:
        lock = birth.entry.lock()
        saved = birth.entry.load()
    except errors.NotFound:
        return
    if all(saved[key] == birth.state[key] for key in ("pid", "start_time", "created")):
        delete.remove(birth.entry, birth.state, birth.caller)
    posix.close(lock)


def _run_poststart(birth: parent.Birth) -> None:
    """Run the poststart hooks; a failure undoes the whole run.

    Raises:
        HookFailed: one of them failed.
    """
    try:
        birth.run_hooks("poststart", status.RUNNING)
    except errors.HookFailed:
        birth.undo()
        raise


def attend(pid: int, pidfd: int) -> int:
    """Pass signals on and reap children until the payload has ended; return its status.

    All signals are blocked and taken one at a time, so none is lost between looking and waiting.
    """
    while True:
        ended = _reap(pid)
        if ended is not None:
            code = posix.waitstatus_to_exitcode(ended)
            return code if code >= 0 else 128 - code
        number = signals.take(_EVERYTHING)
        if number not in _KEPT:
            _forward(pidfd, number)


def _reap(pid: int) -> int | None:
    """Reap every child that has ended; return the wait status of `pid` once it has."""
    while True:
        try:
            ended, how = posix.waitpid(-1, posix.WNOHANG)
        except ChildProcessError:
            return None
        if ended == pid:
            return how
        if ended == 0:
            return None


def _forward(pidfd: int, number: int) -> None:
    """Send a signal on; a payload that has just ended is no error."""
    try:
        pidfds.send_signal(pidfd, number)
    except ProcessLookupError:
        return
