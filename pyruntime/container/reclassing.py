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


def change(entry: Claim, saved: State, present: Any, lines: tuple[str, str]) -> None:
    """Write the lines to the group that the container is in; one that it has not got is made.

    Args:
        entry: of the container.
        saved: its state, to which a new group is added.
        present: linux.intelRdt of its configuration, None for none.
        lines: l3CacheSchema and memBwSchema, "" to leave one as it is.

    Raises:
        Unsupported: resctrl is not mounted, or the processor has no such part.
        RuntimeFailure: a line is refused; the group is as it was.
    """
    named = {"l3CacheSchema": lines[0], "memBwSchema": lines[1]}
    given = {name: line for name, line in named.items() if line}
    _check(given)
    wish: Any = {"closID": (present or {}).get("closID", ""), **given}
    step, tree = rdt.plan(wish, entry.id), rdt.find()
    rdt.require_parts(step, tree)
    group = step.group(tree)
    if present is None and group not in saved.get("resctrl", ()):
        _make(entry, saved, step, tree)
        return
    with doing("read", f"{group}/schemata"):
        old = resctrl.read(f"{group}/schemata")
    try:
        rdt.write(step, tree)
    except errors.RuntimeFailure:
        for line in old.splitlines():
            resctrl.write(f"{group}/schemata", f"{line.strip()}\n")
        raise


def _check(given: dict[str, str]) -> None:
    """Check the lines.

    Raises:
        UsageError: one is no line, or not of its part.
    """
    try:
        walk.walk(given, table.INTEL_RDT)
    except walk.Refused as refused:
        raise errors.UsageError(f"invalid schema: {refused.pointer}: {refused.sentence}") from None


def _make(entry: Claim, saved: State, step: rdt.RdtStep, tree: str) -> None:
    """Make a group of the container's own and put all its processes there."""
    made = rdt.Made(step, tree)

    def note(groups: list[str]) -> None:
        saved["resctrl"] = groups
        entry.trace(saved)

    try:
        made.make(note)
        for thread in _threads(saved):
            made.enter(thread)
        entry.save(saved)
    except errors.RuntimeFailure:
        made.unmake()
        note([])
        raise


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
