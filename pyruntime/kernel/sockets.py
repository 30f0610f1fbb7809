"""Sockets without the module _socket, whose five hundred constants cost every create and run."""

from __future__ import annotations

import errno
import posix

from pyruntime.kernel import door

_AF_UNIX, _AF_INET = 1, 2
_SOCK_STREAM, _SOCK_DGRAM, _SOCK_SEQPACKET, _SOCK_CLOEXEC = 1, 2, 5, 0o2000000
_LONGEST_NAME = 107  # bytes of sun_path before its end, unix(7)


def packet_pair() -> tuple[int, int]:
    """Make two connected sockets that keep packets apart, close-on-exec (socketpair(2)).

    Raises:
        OSError: no descriptors left.
    """
    both = bytearray(8)
    door.call("socketpair", _AF_UNIX, _SOCK_SEQPACKET | _SOCK_CLOEXEC, 0, both)
    return int.from_bytes(both[:4], door.ORDER), int.from_bytes(both[4:], door.ORDER)


def network_control() -> int:
    """Make a socket for ioctls on network interfaces (netdevice(7)).

    Raises:
        OSError: no descriptors left.
    """
    return door.call("socket", _AF_INET, _SOCK_DGRAM | _SOCK_CLOEXEC, 0)


def connected(name: bytes) -> int:
    """Make a socket of bytes that is connected to a local one (unix(7)), close-on-exec.

    Args:
        name: its path, or a zero byte and its abstract name.

    Raises:
        OSError: ENOENT, ECONNREFUSED, EACCES; ENAMETOOLONG.
    """
    if len(name) > _LONGEST_NAME:
        raise OSError(errno.ENAMETOOLONG, posix.strerror(errno.ENAMETOOLONG))
    descriptor = door.call("socket", _AF_UNIX, _SOCK_STREAM | _SOCK_CLOEXEC, 0)
    address = _AF_UNIX.to_bytes(2, door.ORDER) + name + (b"" if name[:1] == b"\0" else b"\0")
    try:
        door.call("connect", descriptor, address, len(address))
    except OSError:
        posix.close(descriptor)
        raise
    return descriptor
