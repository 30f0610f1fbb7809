"""Usage as the cells of a table, for people; pure."""

from __future__ import annotations

from pyruntime.container import usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyruntime.container.usage import Usage
    from pyruntime.feature.cgroup.stats import Stats

HEADER = (
    "ID", "STATUS", "CPU", "MEMORY", "LIMIT", "PEAK", "READ", "WRITTEN", "PIDS", "THROTTLED",
    "OOM KILLS", "PRESSURE (CPU MEM IO)",
)  # fmt: skip
WORDS = HEADER[:2]
_UNKNOWN = "-"
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_PRESSED = ("cpu", "memory", "io")
_BYTES = ("rbytes", "wbytes")


def rows(
    usages: Iterable[Usage], before: Mapping[str, Usage] | None = None
) -> list[tuple[str, ...]]:
    """Return a row for each container.

    Args:
        usages: of now.
        before: an earlier reading by id, for the share of the processor since then; without it
            the processor time that was used in all is told.
    """
    return [_row(each, before) for each in usages]


def _row(each: Usage, before: Mapping[str, Usage] | None) -> tuple[str, ...]:
    told = each.stats
    if told is None:
        return (each.id, each.status, *[_UNKNOWN] * (len(HEADER) - 2))
    transferred = [sum(pairs.get(key, 0) for pairs in told.io.values()) for key in _BYTES]
    return (
        each.id,
        each.status,
        _processor(each, told, before),
        size(told.memory.get("current")),
        _limit(told),
        size(told.memory.get("peak")),
        *[size(count) if told.io else _UNKNOWN for count in transferred],
        _count(told.pids.get("current")),
        seconds(told.cpu["throttled_usec"]) if "throttled_usec" in told.cpu else _UNKNOWN,
        _count(told.memory_events.get("oom_kill")),
        " ".join(_pressure(told, resource) for resource in _PRESSED),
    )


def _processor(each: Usage, told: Stats, before: Mapping[str, Usage] | None) -> str:
    if before is None:
        return seconds(told.cpu.get("usage_usec", 0))
    share = usage.percent(before.get(each.id), each)
    return _UNKNOWN if share is None else f"{share:.1f}%"


def _limit(told: Stats) -> str:
    if "max" not in told.memory:
        return _UNKNOWN
    limit = told.memory["max"]
    return "none" if limit is None else size(limit)


def _pressure(told: Stats, resource: str) -> str:
    """Return the share of the last ten seconds in which some process waited for a resource."""
    if resource not in told.pressure:
        return _UNKNOWN
    return f"{told.pressure[resource]['some']['avg10']:.1f}%"


def _count(value: int | None) -> str:
    return _UNKNOWN if value is None else str(value)


def size(count: int | None) -> str:
    """Return a number of bytes for people: 512B, 1.5MiB."""
    if count is None:
        return _UNKNOWN
    value, unit = float(count), 0
    while round(value, 1) >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f}{_UNITS[unit]}" if unit else f"{count}B"


def seconds(microseconds: int) -> str:
    """Return a length of time for people: 12.34s, 5m06s, 3h00m."""
    whole = microseconds // 10**6
    if whole < 60:
        return f"{microseconds / 10**6:.2f}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole // 60 % 60:02}m"
