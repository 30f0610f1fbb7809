"""Where the master of a container's terminal goes, and how it gets there.

The child opens the terminal, after its root has changed, and sends the master over a socket that
the parent opened before there was a child: no path of the host is looked up by then. That socket is
connected with the caller's (`--console-socket`), or it is one end of a pair whose other end is the
parent's, which stays in the foreground. What comes out of the pair is looked at: it is the one
descriptor that the runtime takes from a child.

Loaded only for containers that have a terminal, before the child is made, which can load nothing.
"""

from __future__ import annotations

import _socket
import posix

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.feature import terminal as terminals
from pyruntime.kernel import sockets, terminal, unixsockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.terminal import TerminalStep

_PATIENCE_S = 10
_NAME = b"/dev/pts/ptmx"  # runc's words; readers want any text
_ENOENT, _EAGAIN, _ECONNREFUSED, _ENXIO = 2, 11, 111, 6
_UNREACHED = {
    _ENOENT: "is the caller of --console-socket listening?",
    _ECONNREFUSED: "nobody listens there",
    _EAGAIN: f"the listener did not take it within {_PATIENCE_S} s",
}
_NO_TERMINAL = {_ENXIO: "process.terminal needs a terminal, or --detach and --console-socket"}


def require(*, terminal: bool, detached: bool, socket: str | None) -> None:
    """See that a terminal has somebody to go to, and that a socket for one gets one.

    Args:
        terminal: the process has one.
        detached: the command does not stay.
        socket: what --console-socket names, None for none.

    Raises:
        UsageError: the flags and the config do not go together.
    """
    if terminal and detached and not socket:
        raise errors.UsageError(
            "cannot allocate tty if pyruntime will detach without setting console socket"
        )
    if socket and not (terminal and detached):
        raise errors.UsageError(
            "cannot use console socket if pyruntime will not detach or allocate tty"
        )


def connect(place: str) -> int:
    """Connect with the caller's console socket.

    Returns:
        The connection, for the child.

    Raises:
        KernelError: nobody listens there.
    """
    with doing("connect with the console socket", place, _UNREACHED):
        return unixsockets.connect(place, _PATIENCE_S).detach()


def pair() -> tuple[int, int]:
    """Make the private pair of a container in the foreground: the parent's end and the child's.

    Raises:
        KernelError: no descriptors left.
    """
    with doing("make a socket pair"):
        return sockets.packet_pair()


def receive(end: int) -> int:
    """Take the master from the parent's end of the pair, and close that.

    Raises:
        ChildFailed: what came is no master of a devpts.
    """
    line = _socket.socket(fileno=end)
    try:
        _, found = unixsockets.receive(line)
    finally:
        line.close()
    if len(found) == 1 and terminal.is_master(found[0]):
        return found[0]
    for each in found:
        posix.close(each)
    raise errors.ChildFailed("the container's init sent no terminal")


def send(connection: int, master: int) -> None:
    """Send the master, in one message, and close both.

    Raises:
        KernelError: nobody takes it.
    """
    line = _socket.socket(fileno=connection)
    try:
        with doing("send the terminal to the console socket", "", _UNREACHED):
            unixsockets.send(line, _NAME, master)
    finally:
        line.close()
        posix.close(master)


def take(step: TerminalStep, root: int, connection: int, *, controls: bool) -> None:
    """Give this process a terminal of its root: descriptors 0 to 2 and /dev/console.

    Args:
        step: the terminal.
        root: descriptor of the container's root.
        connection: who gets the master; closed.
        controls: it becomes the controlling terminal of this process's session.

    Raises:
        RuntimeFailure: what could not be done.
    """
    master, slave = terminals.allocate(step, root)
    terminals.bind_console(root, slave)
    send(connection, master)
    for number in range(3):
        posix.dup2(slave, number)
    posix.close(slave)
    if controls:
        with doing("make the terminal the controlling one"):
            terminal.control(0)


class callers:  # noqa: N801 - reads as a sentence: with console.callers() as terminal:
    """The caller's terminal for a moment: what `find` returns, closed if it was opened for that."""

    __slots__ = ("found",)

    def __enter__(self) -> int:
        """Find it."""
        self.found = find()
        return self.found

    def __exit__(self, *_told: object) -> None:
        """Let go of it."""
        if self.found not in range(3):
            posix.close(self.found)


def find() -> int:
    """Return the caller's terminal: the first of the standard files that is one, or /dev/tty.

    Raises:
        KernelError: the caller has none.
    """
    for number in range(3):
        if posix.isatty(number):
            return number
    with doing("open", "/dev/tty", _NO_TERMINAL):
        return posix.open("/dev/tty", posix.O_RDWR | posix.O_NOCTTY | posix.O_CLOEXEC)


def fitted(step: TerminalStep, caller: int) -> TerminalStep:
    """Return the step with the size of the caller's terminal, where that has one."""
    try:
        width, height = posix.get_terminal_size(caller)
    except OSError:
        return step
    return terminals.TerminalStep(step.uid, height, width) if height and width else step
