"""Start: let the program of a created container run, and learn whether it did."""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.container import status
from pyruntime.container.store import GO, RESULT, Entry
from pyruntime.kernel import pidfd as pidfds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.notify import Notices
    from pyruntime.container.store import State

_CLOEXEC = posix.O_CLOEXEC
_LONGEST_RESULT = 4096


def start(root: str, id: str) -> None:  # noqa: A002
    """Start a created container (runtime-spec, runtime.md, "Start").

    Args:
        root: directory of all states.
        id: of the container.

    Raises:
        NotFound: there is no such container.
        WrongStatus: it is not created.
        ChildFailed: a startContainer hook or execve(2) failed, in the native program's words.
        HookFailed: a poststart hook failed; the container is killed (spec 1.3).
    """
    entry = Entry(root, id)
    lock = entry.lock()
    state = entry.load()
    status.require("start", entry, state)
    notices = _listen(entry) if b"NOTIFY_SOCKET" in posix.environ else None
    release(entry, state)
    if "poststart" in state["hooks"]:
        _run_poststart(state)
    posix.close(lock)
    if notices is not None:
        _wait_until_ready(notices, state)


def _listen(entry: Entry) -> Notices | None:
    """Listen for what the payload has to say to the caller's service manager.

    Raises:
        RuntimeFailure: the address of the manager is unknown, or the socket cannot be made.
    """
    from pyruntime.container import notify

    manager = notify.address(posix.environ)
    return notify.heard(entry, manager) if manager else None


def _wait_until_ready(notices: Notices, state: State) -> None:
    """Stay until the payload is ready or has ended, as runc does."""
    pidfd = pidfds.open_process(state["pid"], state["start_time"])
    if pidfd is not None:
        notices.wait(state["pid"], pidfd)


def release(entry: Entry, state: State) -> None:
    """Write the go and wait for the result.

    Unlinking the fifo is the commit: of two starts the second finds it gone. The native program
    closes its end of the result by execve, or writes there why it could not.

    Raises:
        WrongStatus, ChildFailed: as `start`.
    """
    pidfd = pidfds.open_process(state["pid"], state["start_time"])
    try:
        go = posix.open(entry.path(GO), posix.O_WRONLY | posix.O_NONBLOCK | _CLOEXEC)
        result = posix.open(entry.path(RESULT), posix.O_RDONLY | posix.O_NONBLOCK | _CLOEXEC)
        posix.unlink(entry.path(GO))
        posix.write(go, b"0")
    except OSError:
        # The init has ended meanwhile (ENXIO), or another start was quicker (ENOENT).
        status.require("start", entry, state)
        raise errors.WrongStatus("cannot start a container that has stopped") from None
    posix.close(go)
    told = _read_to_end(result, pidfd)
    posix.close(result)
    entry.forget(RESULT)
    if told:
        raise errors.ChildFailed(told.decode("utf-8", "replace").strip())


def _read_to_end(result: int, pidfd: int | None) -> bytes:
    """Read until the native program has closed its end, by execve or by its own end."""
    import select

    poll = select.poll()
    poll.register(result, select.POLLIN)
    if pidfd is not None:
        poll.register(pidfd, select.POLLIN)
    told = b""
    while True:
        ready = dict(poll.poll())
        if pidfd in ready:  # what it said before its end has arrived: look again
            ready = dict(poll.poll())
        if ready.get(result, 0) & select.POLLIN:
            told += posix.read(result, _LONGEST_RESULT)
            if len(told) >= _LONGEST_RESULT:  # more than the native program says: somebody else
                return told[:_LONGEST_RESULT]
        elif ready.get(result, 0) & select.POLLHUP or pidfd in ready:
            return told


def _run_poststart(state: State) -> None:
    """Run the poststart hooks; on failure kill the container, which then waits for delete.

    Raises:
        HookFailed: one of them failed.
    """
    from pyruntime.container import afterlife, caller  # load much, and few containers have hooks

    try:
        hooks = afterlife.saved(state, "poststart")
        afterlife.run_hooks(hooks, state, status.RUNNING, caller.note())
    except errors.HookFailed:
        pidfd = pidfds.open_process(state["pid"], state["start_time"])
        if pidfd is not None:
            pidfds.send_signal(pidfd, 9)
        raise
