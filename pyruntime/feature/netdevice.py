"""Network devices of the runtime's namespace that move into the container's: linux.netDevices.

The kernel takes a device down and its addresses away when it changes its namespace, so they are
noted before and given back inside (config-linux.md, "Network Devices"). Routes are not: they are
the business of whoever configures the network. Loaded, and pyroute2 with it, only when asked for.

A device that has moved would end with the container's namespace, virtual ones for good. Until the
container exists, all that fails brings it back under its name, with its addresses and up if it was;
from then on it stays, since "the runtime MUST NOT attempt to move the interface out".
"""

from __future__ import annotations

import errno
import posix

from pyruntime import errors, libraries
from pyruntime.feature.step import Step
from pyruntime.kernel import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyruntime.spec.shapes import NetDevice

_AF_INET6 = 10
_UNIVERSE = 0  # RT_SCOPE_UNIVERSE
_PERMANENT = 0x80  # IFA_F_PERMANENT
# The flags that are somebody's wish, not the kernel's report: NODAD, HOMEADDRESS, MANAGETEMPADDR,
# NOPREFIXROUTE, MCAUTOJOIN.
_WISHED_FLAGS = 0x02 | 0x10 | 0x100 | 0x200 | 0x400
_PARTS = ("address", "local", "broadcast", "rt_priority", "label")
_IFF_UP, _IFF_LOOPBACK = 1, 8
_ANY_NAME = "dev%d"  # the kernel's own for devices whose namespace has ended
_EEXIST = errno.EEXIST
_CURES = {
    errno.EEXIST: "the name is taken there",
    errno.EINVAL: "the kernel keeps devices of this kind in their namespace",
    errno.EPERM: "CAP_NET_ADMIN is needed over both network namespaces",
}


class NetDeviceStep(Step):
    """Move the device `name` into the container, where it is called `inside`."""

    __slots__ = ("inside", "name")

    def __init__(self, name: str, inside: str) -> None:
        self.name, self.inside = name, inside

    def describe(self) -> str:
        """Name the device, outside and inside."""
        return f"move the network device {self.name} into the container as {self.inside}"


def plan(devices: dict[str, NetDevice], euid: int) -> list[NetDeviceStep]:
    """Work out the moves of a checked linux.netDevices, in its order.

    Raises:
        Unsupported: the runtime is not root.
    """
    if euid != 0:
        raise errors.Unsupported("linux.netDevices are not supported for rootless containers")
    return [NetDeviceStep(name, wish.get("name") or name) for name, wish in devices.items()]


class Device:
    """A device on its way: what it was, so that it can be again."""

    __slots__ = ("addresses", "flags", "hardware", "index", "inside", "step")

    def __init__(self, step: NetDeviceStep, link: Any, addresses: list[Any]) -> None:
        self.step, self.addresses = step, addresses
        self.index: int = link["index"]
        self.flags: int = link["flags"]
        self.hardware: object = link.get_attr("IFLA_ADDRESS")
        self.inside = 0  # its index there, once it is there


class Moved:
    """The devices of one birth, and both ends of their way."""

    __slots__ = ("away", "devices", "here", "home", "there")

    def __init__(self, there: int) -> None:
        """Open a netlink socket in either namespace.

        Args:
            there: descriptor of the container's network namespace; ours to close.

        Raises:
            Unsupported: pyroute2 is missing.
            RuntimeFailure: the namespace is the runtime's own.
            KernelError: the namespace cannot be entered.
        """
        connect = _library()
        self.devices: list[Device] = []
        self.there = there
        self.here = posix.open("/proc/self/ns/net", posix.O_RDONLY)
        if posix.fstat(self.here).st_ino == posix.fstat(there).st_ino:
            told = "unable to move network devices without a private NET namespace"
            raise errors.RuntimeFailure(told)
        with _doing("enter the network namespace of the container"):
            self.home: Any = connect()
            process.setns(there, process.CLONE_NEWNET)
            try:
                self.away: Any = connect()
            finally:
                process.setns(self.here, process.CLONE_NEWNET)

    def move(self, step: NetDeviceStep) -> None:
        """Move one device, give it its addresses back and bring it up.

        Raises:
            RuntimeFailure: there is no such device, or the name is taken inside.
            KernelError: the kernel refuses.
        """
        with _doing("look at the network device", step.name):
            device, before = self._found(step), _names(self.away)
        if step.inside in before.values():
            raise errors.RuntimeFailure(
                f'linux.netDevices: "{step.name}" cannot be "{step.inside}" in the container,'
                " the name is taken there"
            )
        self.devices.append(device)
        with _doing("move into the container the network device", step.name):
            self.home.link("set", index=device.index, state="down")
            try:
                _send(self.home, device.index, self.there, step.inside)
            finally:  # of a new name that is refused the kernel tells when the device is there
                device.inside = self._arrived(device, before)
        with _doing("bring up in the container the network device", step.inside):
            _restore(self.away, device, device.inside, step.inside)
            self.away.link("set", index=device.inside, state="up")

    def _found(self, step: NetDeviceStep) -> Device:
        """Note what the device is; the addresses now, since some go as soon as it is down."""
        indexes = self.home.link_lookup(ifname=step.name)
        if not indexes:
            told = f'linux.netDevices: there is no network device "{step.name}" here'
            raise errors.RuntimeFailure(told)
        link = self.home.get_links(indexes[0])[0]
        if link["flags"] & _IFF_LOOPBACK:  # to take it down first would cut the host's own talk
            told = f'linux.netDevices: "{step.name}" is the loopback device, which cannot be moved'
            raise errors.RuntimeFailure(told)
        return Device(step, link, list(self.home.get_addr(index=indexes[0])))

    def _arrived(self, device: Device, before: dict[int, str]) -> int:
        """Return the index that a device has inside, 0 while it is not there.

        It keeps its own where that was free; else it is the new one with the same hardware address.
        """
        links = {link["index"]: link for link in self.away.get_links()}
        if device.index not in before:
            return device.index if device.index in links else 0
        alike = (
            index for index, link in links.items()
            if index not in before and link.get_attr("IFLA_ADDRESS") == device.hardware
        )  # fmt: skip
        return next(alike, 0)

    def bring_back(self) -> None:
        """Bring every device back; nothing is done once they have stayed.

        Raises:
            KernelError: one could not be brought back; the others were.
        """
        failure = None
        while self.devices:
            try:
                self._bring_back(self.devices.pop())
            except errors.KernelError as error:
                failure = error
        self.stay()
        if failure is not None:
            raise failure

    def _bring_back(self, device: Device) -> None:
        """Bring one device back under its name, or another if somebody has that by now."""
        index, name = device.index, device.step.name
        with _doing("bring back from the container the network device", name):
            if device.inside:
                before = _names(self.home)
                self.away.link("set", index=device.inside, state="down")
                _send(
                    self.away, device.inside, self.here,
                    _ANY_NAME if name in before.values() else name,
                )  # fmt: skip
                index = next((each for each in _names(self.home) if each not in before), 0)
            _restore(self.home, device, index, name)
            if device.flags & _IFF_UP:
                self.home.link("set", index=index, state="up")

    def stay(self) -> None:
        """Let go of both namespaces: the devices are the container's now."""
        self.devices.clear()
        if self.there >= 0:
            posix.close(self.there)
            posix.close(self.here)
            self.there = self.here = -1
            self.home.close()
            self.away.close()


def _library() -> Callable[[], Any]:
    """Return what makes a netlink socket in the present namespace.

    Raises:
        Unsupported: pyroute2 is not installed.
    """
    libraries.reach()
    try:
        from pyroute2 import IPRoute
    except ImportError as error:
        told = "linux.netDevices needs the Python package pyroute2 (python3-pyroute2)"
        raise errors.Unsupported(told) from error
    connect: Callable[[], Any] = IPRoute
    return connect


def _names(socket: Any) -> dict[int, str]:
    """Return the names of all devices of a namespace by index."""
    return {link["index"]: link.get_attr("IFLA_IFNAME") for link in socket.get_links()}


def _send(socket: Any, index: int, namespace: int, name: str) -> None:
    """Change namespace and name in one request, so that no name is taken in between."""
    socket.link("set", index=index, net_ns_fd=namespace, ifname=name)


def _restore(socket: Any, device: Device, index: int, name: str) -> None:
    """Give a device the addresses that are permanent and of global scope, unless it has them.

    Those of IPv6 are told the newest first. A label begins with the device's name, by custom.
    """
    wanted = _PARTS if name == device.step.name else _PARTS[:-1]
    fixed = [
        address for address in device.addresses
        if address["scope"] == _UNIVERSE and _flags(address) & _PERMANENT
    ]  # fmt: skip
    old = [address for address in fixed if address["family"] != _AF_INET6]
    for address in old + [each for each in reversed(fixed) if each["family"] == _AF_INET6]:
        parts = {part: address.get_attr(f"IFA_{part.upper()}") for part in wanted}
        given = {part: value for part, value in parts.items() if value is not None}
        with _doing("give to the network device its address", given["address"], passing=_EEXIST):
            socket.addr(
                "add", index=index, family=address["family"], prefixlen=address["prefixlen"],
                flags=_flags(address) & _WISHED_FLAGS, **given,
            )  # fmt: skip


def _flags(address: Any) -> int:
    """Return the flags of an address; the header has room for eight of them only."""
    flags: int | None = address.get_attr("IFA_FLAGS")
    return int(address["flags"]) if flags is None else flags


class _doing:  # noqa: N801 - as errors.doing
    """Give an OSError, or an error of pyroute2, its context; pass over the errno `passing`."""

    __slots__ = ("action", "passing", "target")

    def __init__(self, action: str, target: str = "", passing: int = 0) -> None:
        self.action, self.target, self.passing = action, target, passing

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        """Turn the error into a KernelError."""
        from pyroute2.netlink.exceptions import NetlinkError

        number = getattr(error, "errno" if isinstance(error, OSError) else "code", 0) or 0
        if not isinstance(error, OSError | NetlinkError):
            return False
        if number == self.passing:
            return True
        cure = _CURES.get(number, "")
        raise errors.KernelError(self.action, self.target, number, cure) from error
