"""Update: change the limits of a container that lives.

The limits that a container has are those of the config that was saved at create, or, once it has
been updated, those of `resources.json` beside it, which is written when all has been done.
"""

from __future__ import annotations

import posix

from pyruntime import errors, jsonfile
from pyruntime.container import status
from pyruntime.container.claim import Claim
from pyruntime.feature import host
from pyruntime.feature.cgroup import changing, limits
from pyruntime.feature.cgroup import devices as device_rules
from pyruntime.feature.cgroup.filesystem import CgroupStep
from pyruntime.spec import merging, resourcerules, table, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.container.store import State
    from pyruntime.container.unitbook import Book
    from pyruntime.feature.cgroup.devices import DeviceStep
    from pyruntime.feature.step import Step
    from pyruntime.spec.shapes import DeviceRule, Resources

_PRESENT = "resources.json"
# A start whose hooks take long holds the lock; an update of the same container goes on after this.
_PATIENCE_S = 10


def update(
    root: str,
    id: str,  # noqa: A002
    wish: Any,
    *,
    l3_cache_schema: str = "",
    mem_bw_schema: str = "",
) -> list[str]:
    """Change the limits; where that fails they are as they were.

    Args:
        root: directory of all states.
        id: of the container.
        wish: linux.resources, of any shape.
        l3_cache_schema: line for resctrl, "" to leave it.
        mem_bw_schema: likewise.

    Returns:
        What was wished for and is ignored, for the log.

    Raises:
        NotFound: there is no such container.
        WrongStatus: it has stopped.
        UsageError: the wish is wrong, by itself or with what the container has.
        RuntimeFailure: a limit cannot be set; all are as they were.
    """
    _check(wish)
    entry = Claim(root, id)
    lock = entry.lock(_PATIENCE_S)
    try:
        saved = entry.load()
        status.require("update", entry, saved)
        present, config = _present(entry)
        merged = merging.merge(present, wish)
        _refuse(resourcerules.broken(merged, ""))
        asked = merging.asked(merged, wish)
        steps = limits.plan(asked, _new_rules(present, merged, wish))
        book = _book(saved["unit"], asked, steps, present) if "unit" in saved else None
        text = jsonfile.encode(merged).encode("utf-8")
        lines = (l3_cache_schema, mem_bw_schema)
        with _Changed(saved, steps, book):
            if any(lines):
                _change_class(entry, saved, config, lines, text)
            else:
                entry.write(_PRESENT, text)
    finally:
        posix.close(lock)
    return resourcerules.foreign(wish)


def _check(wish: Any) -> None:
    """Check the shape of the wish.

    Raises:
        UsageError: it is wrong; the first wrong value with its place.
    """
    try:
        walk.walk(wish, table.RESOURCES)
    except walk.Refused as refused:
        _refuse([(refused.pointer, refused.sentence)])


def _refuse(problems: list[tuple[str, str]]) -> None:
    """Raise a UsageError of what is wrong, if anything is."""
    told = "; ".join(f"{place}: {said}" if place else said for place, said in problems)
    if told:
        raise errors.UsageError(f"invalid resources: {told}")


def _present(entry: Claim) -> tuple[Resources, Any]:
    """Return the limits that the container has, and the configuration that it was made from."""
    with errors.doing("read", entry.path("config.json")):
        config: Any = jsonfile.decode_bytes(entry.read("config.json"), "config.json")
    present: Any = (config.get("linux") or {}).get("resources") or {}
    if entry.has(_PRESENT):
        with errors.doing("read", entry.path(_PRESENT)):
            present = jsonfile.decode_bytes(entry.read(_PRESENT), _PRESENT)
    return present, config


def _new_rules(present: Resources, merged: Resources, wish: Resources) -> DeviceStep | None:
    """Plan a device program only where the rules have become others.

    Engines send all limits with each change, those of devices as well; to attach the same rules
    again would take away what others have allowed since (runc never changes devices for that).
    """
    if not wish.get("devices"):
        return None
    wanted = _rules(merged)
    return wanted if wanted != _rules(present) else None


def _book(unit: str, asked: Resources, steps: list[Step], present: Resources) -> Book:
    """Prepare what systemd is told.

    Raises:
        UsageError: it cannot be told a limit.
    """
    from pyruntime.container import unitbook

    try:
        return unitbook.Book(unit, asked, steps, present=present, rules=_rules(present))
    except errors.SpecError as failure:
        _refuse([(at.removeprefix("/linux/resources"), told) for at, told in failure.problems])
        raise


class _Changed:
    """The limits changed, in the files and in systemd's book; as they were if what follows fails.

    Raises:
        RuntimeFailure: the kernel or systemd refuses one.
    """

    __slots__ = ("book", "change", "steps")

    def __init__(self, saved: State, steps: list[Step], book: Book | None) -> None:
        self.steps, self.book = steps, book
        self.change = changing.Change(_cgroup(saved)) if steps else None

    def __enter__(self) -> None:
        """Write them; after systemd has written them its way, once more."""
        if not self.change:
            return
        if self.book:
            self.change.note(*self.book.files())
        self.change.make(self.steps)
        if self.book:
            try:
                self.book.tell()
                written = [each for each in self.steps if isinstance(each, limits.WriteStep)]
                limits.apply(written, self.change.directory, self.change.cgroup)
                self.change.keep(written)
            except errors.RuntimeFailure:
                self._take_back()
                raise

    def __exit__(self, _kind: object, failure: BaseException | None, _trace: object) -> None:
        """Put them back after a failure."""
        if failure:
            self._take_back()
        if self.change:
            self.change.close()

    def _take_back(self) -> None:
        """Put them back; by systemd first, which rounds what it writes."""
        if self.book:
            self.book.take_back()
        if self.change:
            self.change.undo()


def _rules(resources: Resources) -> DeviceStep:
    listed: list[DeviceRule] = resources.get("devices") or []
    _refuse(
        [
            (f"/devices/{place}/access", f"device access at {place} field cannot be empty")
            for place, rule in enumerate(listed)
            if not rule.get("access")
        ]
    )
    return device_rules.plan(listed)


def _cgroup(saved: State) -> CgroupStep:
    """Return the container's cgroup.

    Raises:
        RuntimeFailure: it has none.
    """
    root, directory = host.look().cgroup_root, saved["cgroup"]
    if not directory or not directory.startswith(f"{root}/"):
        raise errors.RuntimeFailure("the container has no cgroup of its own, nothing can limit it")
    return CgroupStep(directory.removeprefix(root), root)


def _change_class(
    entry: Claim, saved: State, config: Any, lines: tuple[str, str], text: bytes
) -> None:
    """Change the class of service, and write the present limits.

    Raises:
        RuntimeFailure: one of both cannot be done; the class is as it was.
    """
    from pyruntime.container import reclassing

    with reclassing.Change(entry, saved, (config.get("linux") or {}).get("intelRdt"), lines):
        entry.write(_PRESENT, text)
