"""What was meant for cgroup v1 as version 2 has it: values for files and for properties of a unit.

Linux and systemd must be told the same, so both limits.py and properties.py count by these. Pure.
"""

from __future__ import annotations

UNLIMITED = "max"
_MOST_SHARES, _MOST_WEIGHT = 1 << 18, 10_000


def weight(shares: int) -> int:
    """Return cpu.weight for cpu.shares: the ends meet, and so do the defaults, 1024 and 100.

    The exponent is a quadratic function of log2(shares), as in runc, crun and systemd since 2025;
    the straight line of before gave 39 for the default.
    """
    if shares <= 2:
        return 1
    if shares >= _MOST_SHARES:
        return _MOST_WEIGHT
    power = _log2(shares)
    exact: float = 10.0 ** ((power * power + 125 * power) / 612 - 7 / 34)
    return int(exact) + (exact > int(exact))


def _log2(number: int) -> float:
    """Return the logarithm to base 2, bit by bit.

    To import the module math costs a create 2 ms: it finishes the interpreter's start.
    """
    whole = number.bit_length() - 1
    rest, found, bit = number / (1 << whole), float(whole), 0.5
    while bit > 1e-16:
        rest *= rest
        if rest >= 2:
            rest /= 2
            found += bit
        bit /= 2
    return found


def io_weight(weight: int) -> int:
    """Return io.weight, 1 to 10000, for blockIO.weight, 10 to 1000."""
    return 1 + (weight - 10) * 9999 // 990


def beyond_memory(limit: int, swap: int) -> str | None:
    """Return memory.swap.max for memory.limit and memory.swap, None to leave it as it is.

    The latter counted memory and swap together in cgroup v1. That they fit is checked by
    spec/resourcerules.py.
    """
    if swap == 0:
        return UNLIMITED if limit == -1 else None
    if swap == -1:
        return UNLIMITED
    return str(swap if limit == -1 else swap - limit)
