"""The loopback interface of a new network namespace."""

from __future__ import annotations

import fcntl
import posix

from pyruntime.kernel import sockets

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


def raise_loopback() -> None:
    """Bring `lo` up in the present network namespace (netdevice(7)).

    Raises:
        OSError: EPERM without CAP_NET_ADMIN over the namespace.
    """
    control = sockets.network_control()
    try:
        request = b"lo".ljust(16, b"\0") + bytes(24)
        flags = int.from_bytes(
            fcntl.ioctl(control, _SIOCGIFFLAGS, request)[16:18], "little"
        )
        raised = (flags | _IFF_UP).to_bytes(2, "little")
        fcntl.ioctl(control, _SIOCSIFFLAGS, request[:16] + raised + bytes(22))
    finally:
        posix.close(control)
