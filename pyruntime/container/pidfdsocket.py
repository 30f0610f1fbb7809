"""`--pidfd-socket`: who made the container is given a pidfd of its process (pidfd_open(2)).

Loaded only where the flag is given.
"""

from __future__ import annotations

from pyruntime.errors import doing
from pyruntime.kernel import unixsockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

_PATIENCE_S = 10
# runc's words for what a process is: a container's first, or one that entered it.
FIRST, ENTERED = b"standard", b"setns"
_ENOENT, _EAGAIN, _ECONNREFUSED = 2, 11, 111
_UNREACHED = {
    _ENOENT: "is the caller of --pidfd-socket listening?",
    _ECONNREFUSED: "nobody listens there",
    _EAGAIN: f"the listener did not take it within {_PATIENCE_S} s",
}


def connect(place: str) -> _socket.socket:
    """Connect with the caller's socket, before anything is made.

    Raises:
        KernelError: nobody listens there.
    """
    with doing("connect with the pidfd socket", place, _UNREACHED):
        return unixsockets.connect(place, _PATIENCE_S)


def send(connection: _socket.socket, pidfd: int, kind: bytes = FIRST) -> None:
    """Send a pidfd, and close the connection.

    Args:
        connection: with the caller.
        pidfd: of the process.
        kind: what the process is.

    Raises:
        KernelError: nobody takes it.
    """
    try:
        with doing("send the pidfd to the pidfd socket", "", _UNREACHED):
            unixsockets.send(connection, kind, pidfd)
    finally:
        connection.close()
