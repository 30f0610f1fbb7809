"""The names of linux.netDevices; loaded only for configurations that have some."""

from __future__ import annotations

from pyruntime import jsonfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.errors import Problem
    from pyruntime.spec.shapes import NetDevice

_IFNAMSIZ = 16
# Where the kernel puts the first number that is free (config-linux.md, "Network Devices").
_TEMPLATE = "%d"


def broken(devices: dict[str, NetDevice]) -> list[Problem]:
    """Return the names that no device can have, and those that two would have inside."""
    found: list[Problem] = []
    inside: dict[str, str] = {}
    for name, device in devices.items():
        place = "/linux/netDevices" + jsonfile.step(name)
        told = "invalid network device name "
        if not is_device_name(name):
            found.append((place, told + jsonfile.encode(name)))
        wanted = device.get("name") or name
        if device.get("name") and not is_template(wanted) and not is_device_name(wanted):
            found.append((f"{place}/name", told + jsonfile.encode(wanted)))
        elif wanted in inside and not is_template(wanted):
            told = f"{jsonfile.encode(inside[wanted])} has the same name inside"
            found.append((f"{place}/name" if device.get("name") else place, told))
        inside.setdefault(wanted, name)
    return found


def is_device_name(name: str) -> bool:
    """Tell whether the kernel could give a network device this name (dev_valid_name())."""
    if not 0 < len(name.encode("utf-8", "replace")) < _IFNAMSIZ or name in (".", ".."):
        return False
    return not any(character in "/:%" or character.isspace() for character in name)


def is_template(name: str) -> bool:
    """Tell whether the kernel can make a device's name of this: it has one `%d`, and no other."""
    short = len(name.encode("utf-8", "replace")) < _IFNAMSIZ
    return short and name.count(_TEMPLATE) == 1 and is_device_name(name.replace(_TEMPLATE, "0"))
