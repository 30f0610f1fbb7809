"""AF_UNIX sockets by path, and descriptors that are sent over one (unix(7), SCM_RIGHTS).

Loaded only where something is to be sent to somebody: the module _socket is dear.
"""

from __future__ import annotations

import _socket
import posix

from pyruntime.kernel import door, path

_TIMEVAL = 8  # bytes of each half of struct timeval
_DESCRIPTOR = 4  # bytes
_LONGEST_NAME = 4096


def connect(place: str, seconds: int) -> _socket.socket:
    """Connect with the stream socket at a path of any length, close-on-exec.

    By descriptor, since a path of more than 107 bytes does not fit into an address.

    Args:
        place: the path.
        seconds: after which connecting or sending gives up.

    Raises:
        OSError: ENOENT, ECONNREFUSED (nobody listens), EAGAIN (not in time).
    """
    node = posix.open(place, path.O_PATH | path.O_CLOEXEC)
    try:
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            set_patience(connection, seconds)
            connection.connect(f"/proc/self/fd/{node}")
        except OSError:
            connection.close()
            raise
    finally:
        posix.close(node)
    return connection


def set_patience(connection: _socket.socket, seconds: int) -> None:
    """Have sending fail with EAGAIN after so many seconds (SO_SNDTIMEO).

    Raises:
        OSError: never in practice.
    """
    limit = seconds.to_bytes(_TIMEVAL, door.ORDER) + bytes(_TIMEVAL)
    connection.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDTIMEO, limit)


def send(connection: _socket.socket, text: bytes, descriptor: int) -> None:
    """Send a text and one descriptor in one message.

    Raises:
        OSError: EPIPE (nobody is there any more), EAGAIN (not in time).
    """
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptor.to_bytes(_DESCRIPTOR, door.ORDER))
    sent = connection.sendmsg([text], [rights], _socket.MSG_NOSIGNAL)
    if sent < len(text):
        connection.sendall(text[sent:], _socket.MSG_NOSIGNAL)


def receive(connection: _socket.socket) -> tuple[bytes, list[int]]:
    """Receive one message with at most one descriptor, close-on-exec.

    Raises:
        OSError: as recvmsg(2) gives it.
    """
    flags = _socket.MSG_CMSG_CLOEXEC
    text, told, _, _ = connection.recvmsg(_LONGEST_NAME, _socket.CMSG_SPACE(_DESCRIPTOR), flags)
    kind = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS)
    rights = b"".join(each[2] for each in told if each[:2] == kind)
    whole = len(rights) - len(rights) % _DESCRIPTOR
    return text, [
        int.from_bytes(rights[at : at + _DESCRIPTOR], door.ORDER)
        for at in range(0, whole, _DESCRIPTOR)
    ]
