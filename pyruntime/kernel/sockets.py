"""Sockets without the module _socket, whose five hundred constants cost every create and run."""

from __future__ import annotations

from pyruntime.kernel import door

_AF_UNIX, _AF_INET = 1, 2
_SOCK_DGRAM, _SOCK_SEQPACKET, _SOCK_CLOEXEC = 2, 5, 0o2000000


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
