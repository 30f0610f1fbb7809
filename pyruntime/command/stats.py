"""`stats [--format table|json|prometheus] [--watch] [--interval DURATION] [ID]...`: who uses what.

Once, or time and again: with --watch a table that stays in its place on a terminal, and one after
the other elsewhere.
"""

from __future__ import annotations

import posix
import time

from pyruntime import errors, jsonfile
from pyruntime.command import durations, prometheus, usagetable
from pyruntime.container import usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pyruntime.command.grammar import Line
    from pyruntime.container.usage import Usage

    Reading = tuple[list[Usage], dict[str, Usage] | None]

_FORMATS = ("table", "json", "prometheus")
_INTERVAL = "2s"
_CLEAR = "\x1b[H\x1b[2J"
_ENOENT = 2


def perform(line: Line, root: str) -> int | Iterator[str]:
    """Show the usage.

    Raises:
        UsageError: no such format, an interval that is none, or --watch without use.
        RuntimeFailure: a container does not exist.
    """
    form, watch = str(line.options.get("format", "table")), "watch" in line.options
    if form not in _FORMATS:
        raise errors.UsageError("invalid format option")
    if form == "prometheus" and watch:
        raise errors.UsageError("--watch: a scraper of Prometheus asks anew each time")
    interval = durations.nanoseconds(str(line.options.get("interval", _INTERVAL)))
    if interval <= 0:
        raise errors.UsageError("duration interval must be greater than 0")
    sampled = watch or "interval" in line.options
    readings = _readings(root, line, interval / 10**9 if sampled else None)
    if form == "table" and watch and posix.isatty(1):
        return _live(readings)
    return _texts(readings, form, apart=watch)


def _readings(root: str, line: Line, interval: float | None) -> Iterator[Reading]:
    """Yield (usage now, usage before by id): once, or with --watch for ever.

    With an interval (seconds) each has one before it, the first of which is not shown itself.
    """
    now = _read(root, line)
    if interval is None:
        yield now, None
        return
    while True:
        before = {each.id: each for each in now}
        time.sleep(interval)
        now = _read(root, line)
        yield now, before
        if "watch" not in line.options:
            return


def _read(root: str, line: Line) -> list[Usage]:
    """Read once; a default root that is not there yet holds no container."""
    try:
        return usage.read(root, line.words)
    except errors.KernelError as failure:
        if failure.number == _ENOENT and "root" not in line.settings:
            return []
        raise


def _texts(readings: Iterator[Reading], form: str, *, apart: bool) -> Iterator[str]:
    """Yield each reading in a form; tables are set `apart` by an empty line."""
    for now, before in readings:
        if form == "prometheus":
            yield prometheus.text(now)
        elif form == "json":
            yield jsonfile.encode([document(each, before) for each in now]) + "\n"
        else:
            yield _table(now, before) + ("\n" if apart else "")


def _table(now: list[Usage], before: dict[str, Usage] | None) -> str:
    from pyruntime.command.list import table

    return table([usagetable.HEADER, *usagetable.rows(now, before)])


def _live(readings: Iterator[Reading]) -> int:
    """Draw one table in its place until somebody ends it: by rich, or plainly where that is not.

    Raises:
        KernelError: the terminal is gone.
        Interrupted: SIGTERM.
    """
    from pyruntime import libraries

    libraries.reach()
    with errors.doing("write", "standard output"):
        try:
            from rich.live import Live
        except ImportError:
            for now, before in readings:
                posix.write(1, (_CLEAR + _table(now, before)).encode())
            return 0
        _raise_at_end()
        with Live(auto_refresh=False) as live:  # it gives the cursor back, whatever ends it
            for now, before in readings:
                live.update(_drawn(now, before), refresh=True)
    return 0


def _raise_at_end() -> None:
    """Have SIGTERM raise, as SIGINT does."""
    import signal

    from pyruntime.kernel import signals

    def end(number: int, _frame: object) -> None:
        raise signals.Interrupted(number)

    signal.signal(signal.SIGTERM, end)


def _drawn(now: list[Usage], before: dict[str, Usage] | None) -> Any:
    """Return rich's table."""
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for title in usagetable.HEADER:
        words = title in usagetable.WORDS
        drawn.add_column(title, justify="left" if words else "right", no_wrap=True)
    for cells in usagetable.rows(now, before):
        drawn.add_row(*cells)
    return drawn


def document(each: Usage, before: dict[str, Usage] | None) -> dict[str, object]:
    """Return the usage of one container as JSON has it: in the kernel's names and units."""
    told = each.stats
    shown: dict[str, object] = {"id": each.id, "status": each.status}
    if told is None:
        return shown
    if before is not None:
        share = usage.percent(before.get(each.id), each)
        shown["cpu_percent"] = None if share is None else round(share, 2)
    return shown | {
        "cpu": told.cpu,
        "memory": told.memory,
        "memory_events": told.memory_events,
        "io": told.io,
        "pids": told.pids,
        "hugetlb": told.hugetlb,
        "pressure": told.pressure,
    }
