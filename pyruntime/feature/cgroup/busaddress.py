"""Where systemd is reached: the sockets of a message bus, or systemd's own."""

from __future__ import annotations

from pyruntime import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    # the socket's name, and whether systemd itself is at its other end
    Address = tuple[bytes, bool]

_SYSTEM = b"unix:path=/run/dbus/system_bus_socket"


def addresses(manager: str, environment: Mapping[bytes, bytes], euid: int) -> list[Address]:
    """Return where the manager may be reached, the first that answers is taken.

    Like with runc it is a bus (D-Bus specification, "Well-known Message Bus Instances"), and where
    no bus runs systemd's own socket.

    Args:
        manager: "system" or "user".
        environment: of the caller.
        euid: of the caller.

    Raises:
        RuntimeFailure: the environment names no socket, or one of a kind that is not known.
    """
    if manager == "system":
        told = environment.get(b"DBUS_SYSTEM_BUS_ADDRESS", b"")
        found = _read_addresses(told or _SYSTEM)
        return found if told or euid else [*found, (b"/run/systemd/private", True)]
    if told := environment.get(b"DBUS_SESSION_BUS_ADDRESS", b""):
        return _read_addresses(told)
    home = environment.get(b"XDG_RUNTIME_DIR", b"") or b"/run/user/%d" % euid
    return [(home + b"/bus", False), (home + b"/systemd/private", True)]


def _read_addresses(told: bytes) -> list[Address]:
    """Read addresses of sockets in the form `unix:path=/a;unix:abstract=b,guid=c`."""
    found: list[Address] = []
    for each in told.split(b";"):
        kind, _, pairs = each.partition(b":")
        named = dict(pair.partition(b"=")[::2] for pair in pairs.split(b","))
        if kind == b"unix" and b"path" in named:
            found.append((_unescaped(named[b"path"]), False))
        elif kind == b"unix" and b"abstract" in named:
            found.append((b"\0" + _unescaped(named[b"abstract"]), False))
    if not found:
        said = told.decode("utf-8", "replace")
        raise errors.RuntimeFailure(f"no socket in the address of the bus: {said}")
    return found


def _unescaped(value: bytes) -> bytes:
    first, *others = value.split(b"%")
    try:
        return first + b"".join(bytes((int(each[:2], 16),)) + each[2:] for each in others)
    except ValueError:
        return value
