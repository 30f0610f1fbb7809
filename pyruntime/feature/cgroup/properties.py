"""What systemd is told of a container's limits and devices: properties of its unit.

systemd writes the cgroup's files from its own book whenever it looks at the unit again, as in a
daemon-reload; a limit that only the file knows would be lost then. So each limit that systemd has
a property for is told, beside being written to its file (systemd.resource-control(5)). Limits of
single devices (io.max) are not: systemd leaves those alone of which it knows nothing, and it
would take a partition for its disk.
"""

from __future__ import annotations

from pyruntime import errors
from pyruntime.feature.cgroup import devices as device_rules
from pyruntime.feature.cgroup import formulas
from pyruntime.feature.cgroup.message import Malformed, call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.feature.cgroup.devices import DeviceStep

    # name, signature, value, the first version of systemd that knows it (0: all of the base line)
    Property = tuple[str, str, Any, int]

INFINITY = (1 << 64) - 1
_PREFIX = "org.systemd.property."
_SHORTEST = 3
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_SECOND_US = 1_000_000
_STEP_US = 10_000  # systemd keeps a quota in hundredths of a processor
_PERIOD_US = 100_000  # of the kernel where none is given
_DIGITS = 20  # of 2^64
_KNOWS_PERIOD, _KNOWS_CPUSET, _KNOWS_IDLE, _KNOWS_OOM_OF_SCOPES = 242, 244, 252, 253


def of_limits(resources: Any) -> list[Property]:
    """Return the properties for linux.resources, those of devices aside.

    Args:
        resources: the block of the configuration.

    Raises:
        SpecError: a value of `unified`, or a list of processors, that is none.
    """
    found = [
        *_awake(resources),
        *_memory(resources.get("memory") or {}),
        *_cpu(resources.get("cpu") or {}),
        *_cpuset(resources.get("cpu") or {}, "/linux/resources/cpu"),
    ]
    limit = (resources.get("pids") or {}).get("limit")
    if limit is not None:
        found.append(("TasksMax", "t", INFINITY if limit < 0 else max(limit, 1), 0))
    weight = (resources.get("blockIO") or {}).get("weight")
    if weight:
        found.append(("IOWeight", "t", formulas.io_weight(weight), 0))
    return found + _unified(resources.get("unified") or {})


def _awake(resources: Any) -> list[Property]:
    """Return what says that a cgroup is not idle any more; a weight that is told later decides."""
    cpu, unified = resources.get("cpu") or {}, resources.get("unified") or {}
    awake = cpu.get("idle") == 0 or unified.get("cpu.idle", "").strip() == "0"
    return [("CPUWeight", "t", INFINITY, 0)] if awake else []


def _memory(memory: Any) -> list[Property]:
    limit, low = memory.get("limit", 0), memory.get("reservation", 0)
    found: list[Property] = []
    if limit:
        found.append(("MemoryMax", "t", _amount(limit), 0))
    if low:
        found.append(("MemoryLow", "t", _amount(low), 0))
    beyond = formulas.beyond_memory(limit, memory.get("swap", 0))
    if beyond is not None:
        swap = INFINITY if beyond == formulas.UNLIMITED else int(beyond)
        found.append(("MemorySwapMax", "t", swap, 0))
    return found


def _amount(value: int) -> int:
    return INFINITY if value < 0 else value


def _cpu(cpu: Any) -> list[Property]:
    found: list[Property] = []
    if cpu.get("idle") == 1:
        found.append(("CPUWeight", "t", 0, _KNOWS_IDLE))
    elif cpu.get("shares"):
        found.append(("CPUWeight", "t", formulas.weight(cpu["shares"]), 0))
    return found + _quota(cpu.get("quota") or 0, cpu.get("period") or 0)


def _quota(quota: int, period: int) -> list[Property]:
    """Return what says so many microseconds in each period; rounded up, never below the wish."""
    found: list[Property] = []
    if period:
        found.append(("CPUQuotaPeriodUSec", "t", period, _KNOWS_PERIOD))
    if quota or period:
        each = INFINITY
        if quota > 0:
            each = quota * _SECOND_US // (period or _PERIOD_US)
            each = min(each + -each % _STEP_US, INFINITY)  # the kernel will refuse what is more
        found.append(("CPUQuotaPerSecUSec", "t", each, 0))
    return found


def _cpuset(cpu: Any, place: str) -> list[Property]:
    names = (("cpus", "AllowedCPUs"), ("mems", "AllowedMemoryNodes"))
    return [
        (name, "ay", _members(cpu[key], f"{place}/{key}"), _KNOWS_CPUSET)
        for key, name in names
        if cpu.get(key)
    ]


def _members(told: str, place: str) -> bytes:
    """Return a list as the kernel writes it ("0-3,7") as bits, the lowest number first."""
    from pyruntime.spec import listformat  # few containers have a cpuset

    try:
        bits = listformat.mask(told.strip())
    except ValueError as error:
        raise errors.SpecError([(place, f"is no list of numbers as in 0-3,7: {error}")]) from None
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def _unified(unified: dict[str, str]) -> list[Property]:
    """Return what systemd knows of the files of linux.resources.unified."""
    found: list[Property] = []
    for name, value in unified.items():
        place = f"/linux/resources/unified/{name}"
        if name in _AMOUNTS:
            found.append((_AMOUNTS[name], "t", _number(value, place), 0))
        elif name == "cpu.max":
            quota, _, period = value.strip().partition(" ")
            told = _number(quota, place), _number(period or "0", place)
            found += _quota(-1 if told[0] == INFINITY else told[0], told[1] or _PERIOD_US)
        elif name == "cpu.idle" and value.strip() == "1":
            found.append(("CPUWeight", "t", 0, _KNOWS_IDLE))
        elif name in ("cpuset.cpus", "cpuset.mems") and value.strip():
            key = name.partition(".")[2]
            own = _members(value, place)
            kind = "AllowedCPUs" if key == "cpus" else "AllowedMemoryNodes"
            found.append((kind, "ay", own, _KNOWS_CPUSET))
        elif name == "memory.oom.group":
            told_kill = value.strip() == "1"
            policy = "kill" if told_kill else "continue"
            found.append(("OOMPolicy", "s", policy, _KNOWS_OOM_OF_SCOPES))
    return found


def before(told: list[Property], resources: Any, rules: DeviceStep) -> list[Property]:
    """Return what takes back properties, to those of the limits and device rules of before.

    Args:
        told: of_limits and of_devices of what is new.
        resources: the limits of before.
        rules: the device rules of before.
    """
    old = {each[0]: each for each in of_limits(resources) + of_devices(rules)}
    nothing = {"t": INFINITY, "ay": b""}
    return [
        old.get(name, (name, kind, 0 if name in _PROTECTING else nothing.get(kind), least))
        for name, kind, _, least in told
    ]


_PROTECTING = ("MemoryLow", "MemoryMin")
_AMOUNTS = {
    "cpu.weight": "CPUWeight",
    "memory.high": "MemoryHigh",
    "memory.low": "MemoryLow",
    "memory.max": "MemoryMax",
    "memory.min": "MemoryMin",
    "memory.swap.max": "MemorySwapMax",
    "pids.max": "TasksMax",
}


def _number(value: str, place: str) -> int:
    told = value.strip()
    if told == "max":
        return INFINITY
    plain = told.isascii() and told.isdigit() and len(told) <= _DIGITS
    if not plain or int(told) > INFINITY:
        raise errors.SpecError([(place, f"{value!r} is neither a number nor max")])
    return int(told)


def of_devices(rules: DeviceStep) -> list[Property]:
    """Return the properties for the device rules; systemd can only tell a list of what is allowed.

    The kernel asks both systemd's program and ours, so what cannot be told is left to ours.
    """
    if rules.allow:
        return [("DevicePolicy", "s", "auto", 0), ("DeviceAllow", "a(ss)", [], 0)]
    allowed = [(_node(*devices), _letters(access)) for devices, access in rules.exceptions]
    return [("DevicePolicy", "s", "strict", 0), ("DeviceAllow", "a(ss)", allowed, 0)]


def _node(kind: str, major: int, minor: int) -> str:
    """Return devices as systemd names them (systemd.resource-control(5), DeviceAllow)."""
    group = "char" if kind == "c" else "block"
    if major == device_rules.ANY:
        return f"{group}-*"
    if minor == device_rules.ANY:
        return f"{group}-{major}"
    return f"/dev/{group}/{major}:{minor}"


def _letters(access: int) -> str:
    bits = (("r", device_rules.READ), ("w", device_rules.WRITE), ("m", device_rules.MKNOD))
    return "".join(letter for letter, bit in bits if access & bit)


def of_annotations(annotations: dict[str, str]) -> list[Property]:
    """Return the properties that annotations `org.systemd.property.NAME` ask for.

    A time may be told in seconds by its name for people: `RuntimeMaxSec` becomes `RuntimeMaxUSec`.

    Raises:
        SpecError: a name that is none of a property, or a value that cannot be read.
    """
    found: list[Property] = []
    for key, text in annotations.items():
        if not key.startswith(_PREFIX):
            continue
        place = "/annotations/" + key.replace("~", "~0").replace("/", "~1")
        name = key[len(_PREFIX) :]
        if len(name) < _SHORTEST or not _LETTERS.issuperset(name):
            raise errors.SpecError([(place, f"{name!r} is no name of a property of systemd")])
        try:
            found.append(_asked(name, text))
        except Malformed as error:
            raise errors.SpecError([(place, f"{text}: {error}")]) from None
    return found


def _asked(name: str, text: str) -> Property:
    """Return one of these, of which it is sure that it can be sent."""
    from pyruntime.feature.cgroup import variant  # few containers have such annotations

    kind, value = variant.read(text)
    call(1, {}, kind, (value,))
    if name.endswith("Sec") and not name.endswith("USec"):
        return f"{name[:-3]}USec", "t", _microseconds(kind, value), 0
    return name, kind, value, 0


def _microseconds(kind: str, value: Any) -> int:
    if kind not in tuple("ynqiuxtd") or not 0 <= value * _SECOND_US <= INFINITY:
        raise Malformed("no number of seconds")
    return int(value * _SECOND_US)
