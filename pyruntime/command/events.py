"""`events [--interval DURATION] [--stats] [--network] ID`: stats and OOM kills as lines of JSON.

A line is written as soon as there is something to say, and the command ends with the container.
"""

from __future__ import annotations

from pyruntime import errors, jsonfile
from pyruntime.command import durations
from pyruntime.container import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyruntime.command.grammar import Line

_INTERVAL = "5s"


def perform(line: Line, root: str) -> Iterator[str]:
    """Yield the lines.

    Raises:
        UsageError: the interval is no duration, or none that can be waited.
    """
    interval = durations.nanoseconds(str(line.options.get("interval", _INTERVAL)))
    if interval <= 0:
        raise errors.UsageError("duration interval must be greater than 0")
    watched = events.Watched(root, line.words[0], network="network" in line.options)
    once = "stats" in line.options
    for event in [watched.stats()] if once else watched.stream(interval / 10**9):
        yield jsonfile.encode(event) + "\n"
