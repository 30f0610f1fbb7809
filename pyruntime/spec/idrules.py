"""The rules of id mappings; loaded only for a configuration that has some. See rules.py."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.errors import Problem
    from pyruntime.spec.shapes import Config, IdMapping

_IDS = 1 << 32
_MOST = 340  # UID_GID_MAP_MAX_EXTENTS
_SIDES = ("containerID", "hostID")
_KINDS = ("uid", "gid")
# File systems that a user namespace may make and whose options uid and gid are ids inside.
_OWNED = ("tmpfs", "devpts", "proc")


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


def unmapped(config: Config) -> list[Problem]:
    """Return the ids that the container shall have or use, and that its maps do not hold.

    Args:
        config: whose user namespace is new, and has both maps.
    """
    linux: Any = config["linux"]
    if broken(linux, "/linux"):
        return []
    found = [
        (f"/linux/{kind}Mappings", f"maps no container {kind} 0, by which the container is made")
        for kind in _KINDS if not _holds(linux, kind, 0)
    ]  # fmt: skip
    user: Any = config.get("process", {}).get("user") or {}
    wished = [(f"/process/user/{kind}", kind, user.get(kind, 0)) for kind in _KINDS]
    groups = enumerate(user.get("additionalGids") or ())
    wished += [(f"/process/user/additionalGids/{place}", "gid", group) for place, group in groups]
    wished += _owners(config)
    told = "{0} {1} is not mapped: no range of linux.{0}Mappings holds it"
    return found + [
        (where, told.format(kind, number))
        for where, kind, number in wished if number and not _holds(linux, kind, number)
    ]  # fmt: skip


def _holds(linux: Any, kind: str, number: int) -> bool:
    """Tell whether a container id is mapped."""
    return any(
        each["containerID"] <= number < each["containerID"] + each["size"]
        for each in linux[f"{kind}Mappings"]
    )


def _owners(config: Config) -> list[tuple[str, str, int]]:
    """Return (pointer, kind, id) of the owners that file systems made inside shall have."""
    found = []
    for place, mount in enumerate(config.get("mounts") or ()):
        options = mount.get("options") or ()
        if mount.get("type") in _OWNED and not {"bind", "rbind"} & set(options):
            for number, option in enumerate(options):
                kind, _, value = option.partition("=")
                if kind in _KINDS and value.isdecimal():
                    found.append((f"/mounts/{place}/options/{number}", kind, int(value)))
    return found
