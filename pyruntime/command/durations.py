"""Durations as Go's time.ParseDuration reads them, in its words: `5s`, `1m30s`, `500ms`, `1.5h`."""

from __future__ import annotations

from pyruntime import errors, log

_UNITS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6,
    "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
_LONGEST = (1 << 63) - 1
_MOST_DIGITS = 19  # of what fits into 64 bits; of a fraction the rest is less than a nanosecond


def nanoseconds(text: str) -> int:
    """Return the length of a duration; one may have a sign, several units, and fractions.

    Raises:
        UsageError: it is none, or longer than 292 years.
    """
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    total, rest = _part(rest, text)
    while rest:
        length, rest = _part(rest, text)
        total += length
    if total > _LONGEST:
        raise errors.UsageError(f"time: invalid duration {log.quoted(text)}")
    return sign * total


def _part(rest: str, text: str) -> tuple[int, str]:
    """Read a number and its unit; return the length and what follows."""
    whole, rest = _digits(rest)
    fraction = ""
    if rest[:1] == ".":
        fraction, rest = _digits(rest[1:])
    if not (whole or fraction) or len(whole.lstrip("0")) > _MOST_DIGITS:
        raise errors.UsageError(f"time: invalid duration {log.quoted(text)}")
    end = next((at for at, sign in enumerate(rest) if sign in ".0123456789"), len(rest))
    unit, rest = rest[:end], rest[end:]
    if not unit:
        raise errors.UsageError(f"time: missing unit in duration {log.quoted(text)}")
    if unit not in _UNITS:
        told = f"unknown unit {log.quoted(unit)} in duration {log.quoted(text)}"
        raise errors.UsageError(f"time: {told}")
    scale = _UNITS[unit]
    fraction = fraction[:_MOST_DIGITS] or "0"
    part = int(fraction) * scale // 10 ** len(fraction)
    return int(whole.lstrip("0") or 0) * scale + part, rest


def _digits(text: str) -> tuple[str, str]:
    end = next((at for at, sign in enumerate(text) if sign not in "0123456789"), len(text))
    return text[:end], text[end:]
