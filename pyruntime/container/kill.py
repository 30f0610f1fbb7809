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
    """Send `signal` to a container that is created, running or paused (runtime.md, "Kill").

    A paused one takes SIGKILL at once and any other signal when it is resumed.

    Args:
        root: directory of all states.
        id: of the container.
        signal: its number.
        everything: send it to all processes of its cgroup; a stopped container is then no error.

    Raises:
        NotFound: there is no such container.
        WrongStatus: it is stopped (without `everything`).
        KernelError: the number is no signal.
    """
    entry = Entry(root, id)
    saved = entry.load()
    if everything:
        _send_to_all(saved, signal)
        return
    status.require("kill", entry, saved)
    if not send(saved, signal):
        raise errors.WrongStatus(status.NOT_RUNNING)


def _send_to_all(saved: State, signal: int) -> None:
    """Send the signal to the init and to all others in the cgroup.

    An init of a pid namespace of its own takes all others with it, so that of a stopped container
    nobody is left; what would be found in the cgroup then is somebody else's.
    """
    alive = send(saved, signal)
    if not saved["cgroup"] or (saved["private_pid"] and not alive):
        return
    from pyruntime.feature.cgroup import removal, signalling

    if signal == SIGKILL:
        removal.kill(saved["cgroup"])
    else:
        signalling.send(saved["cgroup"], signal, {saved["pid"]} if alive else set())


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
