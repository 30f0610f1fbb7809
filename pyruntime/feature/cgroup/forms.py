"""The forms that files of a cgroup have (cgroup-v2.rst, "Format"), and psi.rst's; pure.

What a later kernel adds is kept where the form allows it, and passed over where it does not.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Keyed = dict[str, int]
    # {"some": {"avg10": percent, "avg60": …, "avg300": …, "total": microseconds}, "full": …}
    Pressure = dict[str, dict[str, float]]

UNLIMITED = None
_SHARES = ("avg10", "avg60", "avg300")


def number(text: str) -> int | None:
    """Return the one value of a file; None for `max`, no limit.

    Raises:
        ValueError: it is neither.
    """
    word = text.strip()
    return UNLIMITED if word == "max" else int(word)


def keyed(text: str) -> Keyed:
    """Read lines of a name and a number, such as cpu.stat has."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value.isdecimal():
            found[name] = int(value)
    return found


def nested(text: str) -> dict[str, Keyed]:
    """Read lines of a name and pairs, such as io.stat has (`8:0 rbytes=1 wbytes=2`).

    A device may be named without pairs, or share a line with the one before it (Linux 5.14).
    """
    found: dict[str, Keyed] = {}
    inner: Keyed = {}
    for line in text.splitlines():
        for word in line.split():
            name, sign, value = word.partition("=")
            if not sign:
                inner = found.setdefault(name, {})
            elif value.isdecimal():
                inner[name] = int(value)
    return {name: pairs for name, pairs in found.items() if pairs}


def pressure(text: str) -> Pressure:
    """Read a file of pressure stall information; what a line lacks is 0.

    Shares are in percent of the time, the total is in microseconds.
    """
    found: Pressure = {kind: dict.fromkeys((*_SHARES, "total"), 0) for kind in ("some", "full")}
    for line in text.splitlines():
        kind, *pairs = line.split()
        if kind not in found:
            continue
        for name, _, value in (pair.partition("=") for pair in pairs):
            if name in _SHARES:
                share = float(value)
                found[kind][name] = int(share) if share.is_integer() else share
            elif name == "total":
                found[kind][name] = int(value)
    return found
