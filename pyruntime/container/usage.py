"""Usage: what all containers of a root, or some of them, use at a moment."""

from __future__ import annotations

import time

from pyruntime import errors
from pyruntime.container import listing
from pyruntime.container.store import Entry
from pyruntime.feature.cgroup import stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyruntime.container.store import State
    from pyruntime.feature.cgroup.stats import Stats

_GONE = (2, 19)  # ENOENT, ENODEV


class Usage:
    """What one container uses at a moment.

    Attributes:
        id: of the container.
        status: what it is doing, in the spec's word or "paused".
        stats: of its cgroup, None for one that has none, or has none any more.
        birth: when it was created; an id may be a later container's.
        moment: of the reading, in seconds of the monotonic clock.
    """

    __slots__ = ("birth", "id", "moment", "stats", "status")

    def __init__(self, id: str, status: str, birth: str, told: Stats | None, moment: float) -> None:  # noqa: A002
        self.id, self.status, self.birth, self.stats, self.moment = id, status, birth, told, moment


def read(root: str, ids: Sequence[str] = ()) -> list[Usage]:
    """Return what the containers use, by id.

    Args:
        root: directory of all states.
        ids: of the containers, in the order wanted; none for all.

    Raises:
        RuntimeFailure: one of `ids` does not exist, or its state cannot be read.
        KernelError: the root cannot be listed.
    """
    named = _named(root, ids) if ids else listing.found(root)
    return [_read(saved, word) for _, saved, word in named]


def _named(root: str, ids: Iterable[str]) -> Iterable[tuple[Entry, State, str]]:
    for id in dict.fromkeys(ids):  # noqa: A001 - the spec's word
        try:
            yield listing.look(Entry(root, id))
        except errors.NotFound:
            told = f"container {id} does not exist"
            raise errors.RuntimeFailure(told) from None


def _read(saved: State, word: str) -> Usage:
    told = None
    moment = time.monotonic()
    if saved["cgroup"]:
        try:
            told = stats.read(saved["cgroup"])
        except errors.KernelError as failure:  # the cgroup ends with the container
            if failure.number not in _GONE:
                raise
    return Usage(saved["id"], word, saved["created"], told, moment)


def percent(before: Usage | None, after: Usage) -> float | None:
    """Return how much of one processor a container used between two readings.

    Returns:
        Percent, more than 100 for several processors; None where it cannot be said.
    """
    if before is None or before.birth != after.birth or not before.stats or not after.stats:
        return None
    seconds = after.moment - before.moment
    used = after.stats.cpu.get("usage_usec", 0) - before.stats.cpu.get("usage_usec", 0)
    return used / seconds / 10**4 if seconds > 0 else None
