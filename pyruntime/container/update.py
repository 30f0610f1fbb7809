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
    from pyruntime.feature.cgroup.devices import DeviceStep
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
        steps = _steps(present, merged, wish)
        change = changing.Change(_cgroup(saved)) if steps else None
        try:
            if change:
                change.make(steps)
                if "unit" in saved:
                    _tell_systemd(saved["unit"], merged, steps, change)
            if l3_cache_schema or mem_bw_schema:
                _change_class(entry, saved, config, (l3_cache_schema, mem_bw_schema), change)
        finally:
            if change:
                change.close()
        entry.write(_PRESENT, jsonfile.encode(merged).encode("utf-8"))
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


def _steps(present: Resources, merged: Resources, wish: Resources) -> list[Any]:
    """Plan what is to be written; a device program only where the rules have become others.

    Engines send all limits with each change, those of devices as well; to attach the same rules
    again would take away what others have allowed since (runc never changes devices for that).
    """
    rules = None
    if wish.get("devices"):
        wanted = _rules(merged)
        rules = wanted if wanted != _rules(present) else None
    return limits.plan(merging.asked(merged, wish), rules)


def _tell_systemd(unit: str, merged: Resources, steps: list[Any], change: changing.Change) -> None:
    """Have systemd note the new limits, too, then write them again: it rounds some of them.

    Raises:
        RuntimeFailure: it refuses one; the limits are as they were.
    """
    from pyruntime.feature.cgroup import properties, systemd

    told = properties.of_limits(merged)
    for each in steps:
        if isinstance(each, device_rules.DeviceStep):
            told += properties.of_devices(each)
    try:
        systemd.set_properties(unit, told)
    except errors.RuntimeFailure:
        change.undo()
        raise
    written = [each for each in steps if isinstance(each, limits.WriteStep)]
    limits.apply(written, change.directory, change.cgroup)


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
    entry: Claim,
    saved: State,
    config: Any,
    lines: tuple[str, str],
    change: changing.Change | None,
) -> None:
    """Change the class of service; a failure puts the other limits back as well.

    Raises:
        RuntimeFailure: it cannot be changed.
    """
    from pyruntime.container import reclassing

    try:
        reclassing.change(entry, saved, (config.get("linux") or {}).get("intelRdt"), lines)
    except errors.RuntimeFailure:
        if change:
            change.undo()
        raise
