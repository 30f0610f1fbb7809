"""`update ID`: change the limits of a container that lives.

Limits come from options, or as JSON of linux.resources from a file or standard input, for which
every other option but those of resctrl is ignored (runc update(8)).
"""

from __future__ import annotations

import posix

from pyruntime import errors, jsonfile, log
from pyruntime.container import update

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.command.grammar import Line

# option: where its value goes, and how it is read
_PLACES = (
    ("blkio_weight", "blockIO", "weight", "number"),
    ("cpu_period", "cpu", "period", "number"),
    ("cpu_quota", "cpu", "quota", "number"),
    ("cpu_burst", "cpu", "burst", "number"),
    ("cpu_share", "cpu", "shares", "number"),
    ("cpu_rt_period", "cpu", "realtimePeriod", "number"),
    ("cpu_rt_runtime", "cpu", "realtimeRuntime", "number"),
    ("cpu_idle", "cpu", "idle", "number"),
    ("cpuset_cpus", "cpu", "cpus", "text"),
    ("cpuset_mems", "cpu", "mems", "text"),
    ("memory", "memory", "limit", "amount"),
    ("memory_reservation", "memory", "reservation", "amount"),
    ("memory_swap", "memory", "swap", "amount"),
    ("pids_limit", "pids", "limit", "number"),
)
_OBSOLETE = ("kernel_memory", "kernel_memory_tcp")
_DIGITS = 20  # of 2^64
_LETTERS = "kmgtp"
_LARGEST = 1 << 24  # bytes of JSON


def perform(line: Line, root: str) -> int:
    """Change the limits.

    Raises:
        UsageError: an option's value, or the JSON, is wrong.
    """
    source = str(line.options.get("resources", ""))
    wish = _read(source) if source else wished(line)
    for name in _OBSOLETE:
        if name in line.options and not source:
            log.warning(f"--{name.replace('_', '-')} is ignored: cgroup v2 has no such limit")
    ignored = update.update(
        root,
        line.words[0],
        wish,
        l3_cache_schema=str(line.options.get("l3_cache_schema", "")),
        mem_bw_schema=str(line.options.get("mem_bw_schema", "")),
    )
    for told in ignored:
        log.warning(told)
    return 0


def wished(line: Line) -> dict[str, Any]:
    """Return the limits that the options ask for, as linux.resources.

    Raises:
        UsageError: a value is no number, or no amount of memory.
    """
    wish: dict[str, dict[str, Any]] = {}
    for option, block, key, kind in _PLACES:
        text = str(line.options.get(option, ""))
        if not text:
            continue
        value = text if kind == "text" else amount(text) if kind == "amount" else _number(text)
        if value is None:
            told = f"invalid value for {option.replace('_', '-')}: {log.quoted(text)}"
            raise errors.UsageError(told)
        wish.setdefault(block, {})[key] = value
    return wish


def _number(text: str) -> int | None:
    """Return a whole number in decimal digits, None for what is none."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    plain = digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS
    return int(text) if plain else None


def amount(text: str) -> int | None:
    """Return an amount of memory in bytes, None for what is none.

    -1, or a number that may have a fraction and a suffix of k, m, g, t or p, each 1024 times the
    one before, that b or ib may follow (go-units, RAMInBytes).
    """
    if text == "-1":
        return -1
    number = text.lower().rstrip()
    if number.endswith("b"):
        number = number[:-1].removesuffix("i")
    power = _LETTERS.find(number[-1:]) + 1 if number[-1:] else 0
    number = (number[:-1] if power else number).rstrip(" ")
    whole, _, fraction = number.partition(".")
    digits = whole + fraction
    if not (whole and digits.isascii() and digits.isdigit()) or len(digits) > _DIGITS:
        return None
    size: int = int(digits) * 1024**power // 10 ** len(fraction)
    return size


def _read(source: str) -> Any:
    """Return the JSON of a file, or of standard input for `-`.

    Raises:
        RuntimeFailure: it cannot be read, or is none.
    """
    name = "standard input" if source == "-" else source
    with errors.doing("read", name):
        file = 0 if source == "-" else posix.open(source, posix.O_RDONLY | posix.O_CLOEXEC)
        told = b""
        while piece := posix.read(file, 1 << 16):
            told += piece
            if len(told) > _LARGEST:
                raise errors.UsageError(f"{name} is larger than {_LARGEST >> 20} MiB")
    return jsonfile.decode_bytes(told, name)
