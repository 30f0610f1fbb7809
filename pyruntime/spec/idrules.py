"""The rules of id mappings; loaded only for a configuration that has some. See rules.py."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.errors import Problem
    from pyruntime.spec.shapes import IdMapping

_IDS = 1 << 32
_MOST = 340  # UID_GID_MAP_MAX_EXTENTS
_SIDES = ("containerID", "hostID")


def broken(block: Any, where: str) -> list[Problem]:
    """Return what is wrong with the two lists of a block.

    Args:
        block: linux or a mount.
        where: JSON pointer to it.
    """
    found: list[Problem] = []
    for name in ("uidMappings", "gidMappings"):
        found += _ranges(block.get(name) or [], f"{where}/{name}")
    return found


def _ranges(mappings: list[IdMapping], where: str) -> list[Problem]:
    """Check each range, and each against those before it, on both sides (user_namespaces(7))."""
    if len(mappings) > _MOST:
        return [(where, f"has {len(mappings)} ranges, the kernel takes {_MOST}")]
    found: list[Problem] = []
    for place, one in enumerate(mappings):
        if not one["size"]:
            found.append((f"{where}/{place}/size", "maps no id; the kernel refuses an empty range"))
        for side in _SIDES:
            if one[side] + one["size"] > _IDS - 1:  # type: ignore[literal-required]
                told = f"{side} and size go beyond the last id, {_IDS - 2}"
                found.append((f"{where}/{place}", told))
        for number, other in enumerate(mappings[:place]):
            found += [
                (f"{where}/{place}/{side}", f"overlaps the {side} range of mapping {number}")
                for side in _SIDES
                if _overlap(one, other, side)
            ]
    return found


def _overlap(one: Any, other: Any, side: str) -> bool:
    """Tell whether two ranges share an id."""
    first, second = one[side], other[side]
    return bool(first < second + other["size"] and second < first + one["size"])
