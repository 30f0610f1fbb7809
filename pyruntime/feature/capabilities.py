"""Capabilities: the five sets of a process (capabilities(7), runtime-spec process.capabilities)."""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.feature import step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SETS = ("effective", "bounding", "inheritable", "permitted", "ambient")
NUMBERS = {
    "CAP_CHOWN": 0,
    "CAP_DAC_OVERRIDE": 1,
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_FOWNER": 3,
    "CAP_FSETID": 4,
    "CAP_KILL": 5,
    "CAP_SETGID": 6,
    "CAP_SETUID": 7,
    "CAP_SETPCAP": 8,
    "CAP_LINUX_IMMUTABLE": 9,
    "CAP_NET_BIND_SERVICE": 10,
    "CAP_NET_BROADCAST": 11,
    "CAP_NET_ADMIN": 12,
    "CAP_NET_RAW": 13,
    "CAP_IPC_LOCK": 14,
    "CAP_IPC_OWNER": 15,
    "CAP_SYS_MODULE": 16,
    "CAP_SYS_RAWIO": 17,
    "CAP_SYS_CHROOT": 18,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_PACCT": 20,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_BOOT": 22,
    "CAP_SYS_NICE": 23,
    "CAP_SYS_RESOURCE": 24,
    "CAP_SYS_TIME": 25,
    "CAP_SYS_TTY_CONFIG": 26,
    "CAP_MKNOD": 27,
    "CAP_LEASE": 28,
    "CAP_AUDIT_WRITE": 29,
    "CAP_AUDIT_CONTROL": 30,
    "CAP_SETFCAP": 31,
    "CAP_MAC_OVERRIDE": 32,
    "CAP_MAC_ADMIN": 33,
    "CAP_SYSLOG": 34,
    "CAP_WAKE_ALARM": 35,
    "CAP_BLOCK_SUSPEND": 36,
    "CAP_AUDIT_READ": 37,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
    "CAP_CHECKPOINT_RESTORE": 40,
}

# What capset(2) would refuse as a whole, with EPERM: (set, the one it must lie in, why).
_WITHIN = (
    ("effective", "permitted", "it is not permitted"),
    ("inheritable", "bounding", "it is not in the bounding set"),
)
_MANY = 1 << 30
_LAST = "/proc/sys/kernel/cap_last_cap"
NAMES = {number: name for name, number in NUMBERS.items()}


def known() -> list[str]:
    """Return the names this runtime knows, in the order of their numbers."""
    return list(NUMBERS)


def name(number: int) -> str:
    """Return the name of a capability, `capability N` for one that is newer than this table."""
    return NAMES.get(number, f"capability {number}")


class Capabilities(step.Step):
    """The five sets as bit masks: bit N stands for the capability of number N."""

    __slots__ = ("ambient", "bounding", "effective", "inheritable", "permitted")

    def __init__(
        self, *, effective: int, bounding: int, inheritable: int, permitted: int, ambient: int
    ) -> None:
        self.effective = effective
        self.bounding = bounding
        self.inheritable = inheritable
        self.permitted = permitted
        self.ambient = ambient

    def describe(self) -> str:
        """Name the sets, equal ones together; a root payload ends up with the bounding set."""
        alike: dict[int, list[str]] = {}
        for kind in ("bounding", "effective", "inheritable", "permitted", "ambient"):
            alike.setdefault(getattr(self, kind), []).append(kind)
        told = (f"{_series(kinds)} {_listed(mask)}" for mask, kinds in alike.items())
        return f"limit the capabilities to: {'; '.join(told)}"


def plan(config: Any, last: int) -> tuple[Capabilities | None, list[str]]:
    """Work the five sets out.

    The specification asks that what cannot be mapped or granted be a warning, not an error.

    Args:
        config: process.capabilities; None leaves the capabilities as inherited.
        last: the highest number the running kernel knows (/proc/sys/kernel/cap_last_cap).

    Returns:
        The sets, and warnings for what was left out.
    """
    if config is None:
        return None, []
    unknown: set[str] = set()
    masks = {kind: _mask(config.get(kind) or [], last, unknown) for kind in SETS}
    warnings = []
    if unknown:
        listed = " ".join(sorted(unknown))
        warnings.append(f"ignoring unknown or unavailable capabilities: [{listed}]")
    for kind, within, why in _WITHIN:
        warnings += [
            f"can't make capability {name(number)} {kind}: {why}"
            for number in members(masks[kind] & ~masks[within])
        ]
        masks[kind] &= masks[within]
    raisable = masks["permitted"] & masks["inheritable"]  # all that the kernel lets be ambient
    warnings += [
        f"can't raise ambient capability {name(number)}: operation not permitted"
        for number in members(masks["ambient"] & ~raisable)
    ]
    masks["ambient"] &= raisable
    return Capabilities(**masks), warnings


def last() -> int:
    """Return the number of the last capability that the running kernel knows.

    Raises:
        KernelError: /proc is not mounted.
    """
    with errors.doing("read", _LAST):
        descriptor = posix.open(_LAST, posix.O_RDONLY | posix.O_CLOEXEC)
        number = int(posix.read(descriptor, 16))
        posix.close(descriptor)
    return number


def members(mask: int) -> list[int]:
    """Return the numbers of the capabilities in a mask."""
    return [number for number in range(mask.bit_length()) if mask >> number & 1]


def _mask(names: list[str], last: int, unknown: set[str]) -> int:
    """Turn names into bits; those that this table or the kernel lacks go to `unknown`."""
    mask = 0
    for each in names:
        number = NUMBERS.get(each)
        if number is None or number > last:
            unknown.add(each)
        else:
            mask |= 1 << number
    return mask


def _series(words: list[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _listed(mask: int) -> str:
    """Return the names of the members of a mask; nobody reads a row of all of them."""
    if mask > _MANY and not mask & mask + 1:
        count = mask.bit_length()
        return f"all {count} up to {name(count - 1)}"
    return ", ".join(name(number) for number in members(mask)) or "none"
