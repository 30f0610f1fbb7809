"""Usage in the text exposition format of Prometheus, version 0.0.4; pure.

All samples of a metric stand together below its HELP and TYPE; units are seconds and bytes, as the
format's conventions ask for. What a container does not tell has no sample.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyruntime.container.usage import Usage
    from pyruntime.feature.cgroup.stats import Stats

    Labels = tuple[tuple[str, str], ...]
    Sample = tuple[Labels, float | None]
    Metric = tuple[str, str, str, Callable[[Stats], Iterable[Sample]]]

_MICROSECONDS = 10**6
_PREFIX = "pyruntime_container_"
_OPERATIONS = (("read", "r"), ("write", "w"))


def _one(part: str, key: str, scale: int = 1) -> Callable[[Stats], Iterable[Sample]]:
    """Return what takes one value out of a part of the stats."""

    def samples(told: Stats) -> Iterable[Sample]:
        value = getattr(told, part).get(key)
        yield (), value if value is None or scale == 1 else value / scale

    return samples


def _transfers(unit: str) -> Callable[[Stats], Iterable[Sample]]:
    """Return what takes the transfers of each device: `unit` is "bytes" or "ios"."""

    def samples(told: Stats) -> Iterable[Sample]:
        for device, pairs in told.io.items():
            for operation, letter in _OPERATIONS:
                labels = (("device", device), ("operation", operation))
                yield labels, pairs.get(letter + unit)

    return samples


def _stalls(told: Stats) -> Iterable[Sample]:
    for resource, kinds in told.pressure.items():
        for kind, values in kinds.items():
            yield (("resource", resource), ("kind", kind)), values["total"] / _MICROSECONDS


_METRICS: tuple[Metric, ...] = (
    ("cpu_usage_seconds_total", "counter", "Processor time used.",
     _one("cpu", "usage_usec", _MICROSECONDS)),
    ("cpu_user_seconds_total", "counter", "Processor time used in user mode.",
     _one("cpu", "user_usec", _MICROSECONDS)),
    ("cpu_system_seconds_total", "counter", "Processor time used by the kernel.",
     _one("cpu", "system_usec", _MICROSECONDS)),
    ("cpu_periods_total", "counter", "Periods of the processor limit that have passed.",
     _one("cpu", "nr_periods")),
    ("cpu_throttled_periods_total", "counter", "Periods in which the limit was reached.",
     _one("cpu", "nr_throttled")),
    ("cpu_throttled_seconds_total", "counter", "Time for which the limit held processes back.",
     _one("cpu", "throttled_usec", _MICROSECONDS)),
    ("memory_usage_bytes", "gauge", "Memory charged now.", _one("memory", "current")),
    ("memory_peak_bytes", "gauge", "Most memory ever charged.", _one("memory", "peak")),
    ("memory_limit_bytes", "gauge", "Limit of memory, if there is one.", _one("memory", "max")),
    ("memory_swap_bytes", "gauge", "Swap used now.", _one("memory", "swap.current")),
    ("memory_oom_kills_total", "counter", "Processes that the OOM killer has ended.",
     _one("memory_events", "oom_kill")),
    ("io_bytes_total", "counter", "Bytes transferred, by block device.", _transfers("bytes")),
    ("io_operations_total", "counter", "Transfers, by block device.", _transfers("ios")),
    ("processes", "gauge", "Processes and threads now.", _one("pids", "current")),
    ("processes_limit", "gauge", "Limit of these, if there is one.", _one("pids", "max")),
    ("pressure_stalled_seconds_total", "counter",
     "Time for which some or all processes waited for a resource.", _stalls),
)  # fmt: skip


def text(usages: Iterable[Usage]) -> str:
    """Return the exposition of these containers; a metric that none of them has is left out."""
    read = list(usages)
    lines = _family(
        "status", "gauge", "What the container is doing: 1 for its status.",
        [(((("id", each.id), ("status", each.status))), 1) for each in read],
    )  # fmt: skip
    for name, kind, meaning, samples in _METRICS:
        found = [
            ((("id", each.id), *labels), value)
            for each in read
            if each.stats is not None
            for labels, value in samples(each.stats)
        ]
        lines += _family(name, kind, meaning, found)
    return "".join(f"{line}\n" for line in lines)


def _family(name: str, kind: str, meaning: str, samples: Iterable[Sample]) -> list[str]:
    """Return the lines of one metric, none without a sample."""
    told = [
        f"{_PREFIX}{name}{{{_labels(labels)}}} {value}"
        for labels, value in samples
        if value is not None
    ]
    help_line = f"# HELP {_PREFIX}{name} {_escaped(meaning)}"
    return [help_line, f"# TYPE {_PREFIX}{name} {kind}", *told] if told else []


def _labels(labels: Labels) -> str:
    return ",".join(f'{name}="{_quotable(value)}"' for name, value in labels)


def _escaped(words: str) -> str:
    """Escape what may not stand in a line: backslash and line end."""
    return words.replace("\\", "\\\\").replace("\n", "\\n")


def _quotable(words: str) -> str:
    """Escape what may not stand in a label's value: these and the quote."""
    return _escaped(words).replace('"', '\\"')
