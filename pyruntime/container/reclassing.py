"""The class of service of a container that lives: `update` with schemata for resctrl."""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.feature import rdt
from pyruntime.feature.cgroup import removal
from pyruntime.kernel import resctrl
from pyruntime.spec import table, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.container.claim import Claim
    from pyruntime.container.store import State


class Change:
    """The lines written to the group that the container is in; one that it has not got is made.

    As a context: where what is done in it fails, the group is as it was.

    Args:
        entry: of the container.
        saved: its state, to which a new group is added.
        present: linux.intelRdt of its configuration, None for none.
        lines: l3CacheSchema and memBwSchema, "" to leave one as it is.

    Raises:
        Unsupported: resctrl is not mounted, or the processor has no such part.
        RuntimeFailure: a line is refused; the group is as it was.
    """

    __slots__ = ("_entry", "_file", "_made", "_old", "_saved", "_step", "_tree")

    def __init__(self, entry: Claim, saved: State, present: Any, lines: tuple[str, str]) -> None:
        named = {"l3CacheSchema": lines[0], "memBwSchema": lines[1]}
        given = {name: line for name, line in named.items() if line}
        _check(given)
        wish: Any = {"closID": (present or {}).get("closID", ""), **given}
        self._entry, self._saved = entry, saved
        self._step, self._tree = rdt.plan(wish, entry.id), rdt.find()
        rdt.require_parts(self._step, self._tree)
        group = self._step.group(self._tree)
        self._file, self._old = f"{group}/schemata", ""
        missing = present is None and group not in saved.get("resctrl", ())
        self._made = rdt.Made(self._step, self._tree) if missing else None

    def __enter__(self) -> None:
        """Write the lines."""
        try:
            if self._made:
                self._make(self._made)
                return
            with doing("read", self._file):
                self._old = resctrl.read(self._file)
            rdt.write(self._step, self._tree)
        except errors.RuntimeFailure:
            self._take_back()
            raise

    def __exit__(self, _kind: object, failure: BaseException | None, _trace: object) -> None:
        """Put them back after a failure."""
        if failure:
            self._take_back()

    def _make(self, made: rdt.Made) -> None:
        """Make a group of the container's own and put all its processes there."""
        made.make(self._note)
        for thread in _threads(self._saved):
            made.enter(thread)
        self._entry.save(self._saved)

    def _note(self, groups: list[str]) -> None:
        self._saved["resctrl"] = groups
        self._entry.trace(self._saved)

    def _take_back(self) -> None:
        """Remove the group that was made, or write its old lines to the one that was there."""
        if self._made:
            self._made.unmake()
            self._note([])
            self._entry.save(self._saved)
        for line in self._old.splitlines():
            with doing("put back", self._file):
                resctrl.write(self._file, f"{line.strip()}\n")


def _check(given: dict[str, str]) -> None:
    """Check the lines.

    Raises:
        UsageError: one is no line, or not of its part.
    """
    try:
        walk.walk(given, table.INTEL_RDT)
    except walk.Refused as refused:
        raise errors.UsageError(f"invalid schema: {refused.pointer}: {refused.sentence}") from None


def _threads(saved: State) -> list[int]:
    """Return the threads of all processes of the container; resctrl knows nothing larger."""
    pids = removal.processes(saved["cgroup"]) if saved["cgroup"] else [saved["pid"]]
    found: list[int] = []
    for pid in pids:
        try:
            found += map(int, posix.listdir(f"/proc/{pid}/task"))
        except OSError:  # it has ended
            continue
    return found
