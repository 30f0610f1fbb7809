"""Kill: send a signal to a container's init, or to all its processes."""

from __future__ import annotations

from pyruntime import errors
from pyruntime.container import status
from pyruntime.container.store import Entry
from pyruntime.errors import doing
from pyruntime.kernel import pidfd as pidfds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.store import State

SIGKILL = 9


def kill(root: str, id: str, signal: int, everything: bool) -> None:  # noqa: A002, FBT001
    """Send `signal` to a container that is created or running (runtime.md, "Kill").

    Args:
        root: directory of all states.
        id: of the container.
        signal: its number.
        everything: accepted for engines; a stopped container is then no error.

    Raises:
        NotFound: there is no such container.
        WrongStatus: it is stopped.
        KernelError: the number is no signal.
    """
    entry = Entry(root, id)
    saved = entry.load()
    try:
        status.require("kill", entry, saved)
        if not send(saved, signal):
            raise errors.WrongStatus(status.NOT_RUNNING)
    except errors.WrongStatus:
        if not everything:
            raise


def send(saved: State, signal: int) -> bool:
    """Send the signal to the init; SIGKILL also to the rest, where its end would not end them.

    Returns:
        False when the init was gone.
    """
    pidfd = pidfds.open_process(saved["pid"], saved["start_time"])
    if pidfd is None:
        return False
    if signal == SIGKILL and not saved["private_pid"] and saved["cgroup"]:
        from pyruntime.feature.cgroup import removal

        removal.kill(saved["cgroup"])
    with doing("send signal", str(signal)):
        try:
            pidfds.send_signal(pidfd, signal)
        except ProcessLookupError:
            return signal == SIGKILL
    return True
