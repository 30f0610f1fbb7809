"""The command that stays until a process of a container has ended: `run`, and `exec` likewise.

The process hears the signals that come to the command, but for those that concern the command
alone. With a terminal, what is typed and what is shown goes through the command (relay.py), and a
change of the terminal's size is the container's, too; what the payload says to a service manager
comes out here as well (notify.py). What few have is loaded only for these.

SIGTSTP is passed on like others: it is Ctrl-Z where there is no terminal, and stops the command no
more than with runc. The first process of a pid namespace that has no handler for it hears nothing.
"""

from __future__ import annotations

import posix

from pyruntime.kernel import pidfd as pidfds
from pyruntime.kernel import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.notify import Notices
    from pyruntime.container.relay import Relay

# Not for the payload: what cannot be caught, what tells of children, what Go programs poke with.
_KEPT = frozenset((signals.KILL, signals.STOP, signals.CHLD, signals.URG))
_ENDING = frozenset((signals.HUP, signals.INT, signals.QUIT, signals.TERM))
# With a terminal they stop this process, as any that is not in the foreground of its terminal.
_JOBS = (signals.TTIN, signals.TTOU)


def attend(pid: int, pidfd: int, master: int | None = None, notices: Notices | None = None) -> int:
    """Pass signals on and reap children until a process has ended.

    All signals are blocked (by the caller, before the process was made) and taken one
    at a time, so none is lost between looking and waiting.

    Args:
        pid: of the process, a child of this one.
        pidfd: of the same.
        master: of its terminal, closed at the end; None for none.
        notices: what it says to a service manager; None for nothing.

    Returns:
        Its exit status, 128 and the signal's number when one ended it.

    Raises:
        KernelError: the caller's terminal cannot be used.
    """
    if master is not None:
        how = _with_terminal(pid, pidfd, master, notices)
    elif notices is not None:
        how = _busy(pid, pidfd, None, notices)
    else:
        how = _idle(pid, pidfd)
    code = posix.waitstatus_to_exitcode(how)
    return code if code >= 0 else 128 - code


def _idle(pid: int, pidfd: int) -> int:
    """Wait with nothing else to do; return the wait status."""
    while (how := _reap(pid)) is None:
        _hear(signals.take(signals.EVERYTHING), pidfd, None)
    return how


def _with_terminal(pid: int, pidfd: int, master: int, notices: Notices | None) -> int:
    """Wait with the caller's terminal in raw mode, which it never keeps."""
    from pyruntime.container import relay

    carrying = relay.Relay(master)
    signals.unblock(_JOBS)
    try:
        carrying.begin()
        return _busy(pid, pidfd, carrying, notices)
    finally:
        signals.block(_JOBS)
        carrying.end()


def _busy(pid: int, pidfd: int, carrying: Relay | None, notices: Notices | None) -> int:
    """Wait, and carry meanwhile; what the process has written last is shown after its end.

    Nobody has to wait for a terminal that takes nothing: who asks the command to end then is heard.
    """
    source = signals.descriptor(signals.EVERYTHING)
    how: int | None = None
    while True:
        how = _reap(pid) if how is None else how
        if how is not None and not (carrying and carrying.has_left()):
            break
        ready = _ready(source, carrying, notices)
        if source in ready:
            number = signals.told(source)
            if how is not None and number in _ENDING:
                break
            _hear(number, pidfd, carrying)
        if carrying:
            carrying.serve(ready)
        if notices:
            notices.serve(ready, pid)
    posix.close(source)
    return how


def _ready(source: int, carrying: Relay | None, notices: Notices | None) -> dict[int, int]:
    """Wait until something can be done; return descriptors with what poll(2) says of them."""
    import select

    poll = select.poll()
    poll.register(source, select.POLLIN)
    for descriptor, events in carrying.wishes() if carrying else ():
        poll.register(descriptor, events)
    for descriptor in notices.descriptors() if notices else ():
        poll.register(descriptor, select.POLLIN)
    return dict(poll.poll((notices.pause() if notices else 0) or None))


def _hear(number: int, pidfd: int, carrying: Relay | None) -> None:
    """Pass a signal on, or do here what it asks for; a process that has ended is no error."""
    if number in _KEPT:
        return
    if carrying and number in (signals.WINCH, signals.CONT):
        carrying.adjust(again=number == signals.CONT)
        if number == signals.WINCH:  # the kernel tells those in the container's terminal
            return
    try:
        pidfds.send_signal(pidfd, number)
    except ProcessLookupError:
        return


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
