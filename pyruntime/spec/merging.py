"""What `update` makes of the present limits of a container and the wished ones: pure.

Both are linux.resources whose shape is right. What is not wished stays, with these rules of runc:
0 wishes for nothing in memory, shares, quota, period and weight; quota and period keep each other;
a limit of memory of -1 frees the swap, too; idle without shares takes the shares away; lists are
changed by device or page size; what `unified` and `devices` say takes the place of what they said,
but no device rules are no wish.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyruntime.spec.shapes import Resources

    Block = dict[str, Any]

_RATES = tuple(f"throttle{way}Device" for way in ("ReadBps", "WriteBps", "ReadIOPS", "WriteIOPS"))
_NOTHING_AT_0 = ("limit", "swap", "reservation", "kernel", "kernelTCP", "shares", "quota", "period")


def merge(present: Resources, wish: Resources) -> Resources:
    """Return the limits that the container has after the update."""
    merged: Any = dict(present)
    new: Block = dict(wish)
    for part, value in new.items():
        if part != "devices" or value:
            merged[part] = _PARTS.get(part, _replaced)(merged.get(part), value)
    whole: Resources = merged
    return whole


def asked(merged: Resources, wish: Resources) -> Resources:
    """Return what of the merged limits is to be written: what the wish names and depends on.

    The swap is not, if only the limit of memory is wished: memory.swap.max counts swap alone, and
    its wish stands. Nor are the lists of processors and nodes, which others may have changed.
    """
    parts: Any = dict(wish)
    if "memory" in parts:
        parts["memory"] = dict(merged["memory"])
        given = _given(wish["memory"])
        if "swap" not in given and given.get("limit") != -1:
            parts["memory"].pop("swap", None)
        if not given.keys() & {"limit", "swap"}:
            parts["memory"].pop("limit", None)
        if "reservation" not in given:
            parts["memory"].pop("reservation", None)
    if "cpu" in parts:
        listed = {name: wish["cpu"].get(name) for name in ("cpus", "mems")}
        parts["cpu"] = {**merged["cpu"], **listed}
    asked_for: Resources = parts
    return asked_for


def _given(block: Any) -> Block:
    """Return a block without what wishes for nothing."""
    return {
        name: value
        for name, value in (block or {}).items()
        if value is not None and not (name in _NOTHING_AT_0 and value == 0)
    }


def _replaced(_old: Any, new: Any) -> Any:
    return new


def _memory(old: Any, new: Any) -> Block:
    """Merge memory; `swap` counts memory and swap together, and swap alone is what stays."""
    before, given = _given(old), _given(new)
    merged = {**before, **given}
    limit = given.get("limit")
    if limit is not None and "swap" not in given and "swap" in before:
        held = before.get("limit", 0)
        if limit == -1:
            merged["swap"] = -1
        elif before["swap"] > 0 and held > 0:
            merged["swap"] = limit + before["swap"] - held
        elif before["swap"] > 0:  # of unlimited memory: it counted swap alone
            merged["swap"] = limit + before["swap"]
    return merged


def _cpu(old: Any, new: Any) -> Block:
    given = _given(new)
    merged = {**_given(old), **given}
    if "idle" in given and "shares" not in given:
        merged.pop("shares", None)
    return merged


def _pids(old: Any, new: Any) -> Block:
    return {**(old or {}), **new}


def _block_io(old: Any, new: Any) -> Block:
    merged = {**(old or {})}
    for name, value in new.items():
        if name == "weightDevice" or name in _RATES:
            merged[name] = _changed(merged.get(name) or [], value, ("major", "minor"))
        elif value:
            merged[name] = value
    return merged


def _huge_pages(old: Any, new: Any) -> list[Block]:
    return _changed(old or [], new, ("pageSize",))


def _changed(old: list[Block], new: list[Block], keys: tuple[str, ...]) -> list[Block]:
    """Return a list in which new entries take the place of those with the same keys."""
    entries = {tuple(each[key] for key in keys): each for each in old}
    for each in new:
        place = tuple(each[key] for key in keys)
        entries[place] = {**entries.get(place, {}), **each}
    return list(entries.values())


def _rdma(old: Any, new: Any) -> Block:
    return {**(old or {}), **{name: {**(old or {}).get(name, {}), **new[name]} for name in new}}


_PARTS: dict[str, Callable[[Any, Any], Any]] = {
    "memory": _memory,
    "cpu": _cpu,
    "pids": _pids,
    "blockIO": _block_io,
    "hugepageLimits": _huge_pages,
    "rdma": _rdma,
}
