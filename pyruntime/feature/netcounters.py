"""What the network interfaces of a container have carried; pyroute2 asks the kernel.

Loaded, and the package with it, only when the counters are asked for.
"""

from __future__ import annotations

import posix

from pyruntime import errors, libraries
from pyruntime.errors import doing
from pyruntime.kernel import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_KINDS = ("bytes", "packets", "errors", "dropped")


class Counters:
    """A netlink socket in a network namespace, for as long as it is asked."""

    def __init__(self, namespace: int) -> None:
        """Open it.

        Args:
            namespace: descriptor of the network namespace.

        Raises:
            Unsupported: pyroute2 is missing.
            KernelError: the namespace cannot be entered.
        """
        libraries.reach()
        try:
            from pyroute2 import IPRoute
        except ImportError as error:
            told = "network counters need the Python package pyroute2 (python3-pyroute2)"
            raise errors.Unsupported(told) from error
        with doing("enter the network namespace of the container"):
            home = posix.open("/proc/self/ns/net", posix.O_RDONLY)
            try:
                process.setns(namespace, process.CLONE_NEWNET)
                try:
                    self.socket: Any = IPRoute()
                finally:
                    process.setns(home, process.CLONE_NEWNET)
            finally:
                posix.close(home)

    def read(self) -> list[dict[str, str | int]]:
        """Return the counters of each interface in the order of their indexes, as runc names them.

        Raises:
            KernelError: the kernel does not answer.
        """
        with doing("read the network counters of the container"):
            return told(self.socket.get_links())

    def close(self) -> None:
        """Let go of the socket, and of the namespace with it."""
        self.socket.close()


def told(links: Iterable[Any]) -> list[dict[str, str | int]]:
    """Return what links of rtnetlink(7) say of their traffic, by runc's types.NetworkInterface."""
    found = []
    for link in sorted(links, key=lambda each: int(each["index"])):
        counts = link.get_attr("IFLA_STATS64") or {}
        interface: dict[str, str | int] = {"Name": link.get_attr("IFLA_IFNAME")}
        for way in ("rx", "tx"):
            for kind in _KINDS:
                interface[f"{way.title()}{kind.title()}"] = int(counts.get(f"{way}_{kind}", 0))
        found.append(interface)
    return found
