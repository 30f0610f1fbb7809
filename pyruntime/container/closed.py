"""What of the host is closed to root of a new user namespace, seen by the modes of directories.

Access control lists and security modules are not looked at. For `plan`, which says with it what the
runtime would have to fetch for the container's root, and whether that could use its rootfs.
"""

from __future__ import annotations

import posix

from pyruntime import libraries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyruntime.container.plan import Plan
    from pyruntime.feature.usernamespace import UserNamespaceStep

_SEARCH = 0o100  # of the owner, three bits further down for each of the others


def ways(plan: Plan) -> list[str]:
    """Return the rootfs and the sources of binds to which root inside cannot walk."""
    if plan.user is None:
        return []
    places = [step.source for step in plan.mounts if step.kind == "bind" and not step.remount]
    places.insert(0, plan.rootfs.directory)
    root = _Root(plan.user)
    return [place for place in dict.fromkeys(places) if not all(map(root.enters, _above(place)))]


def rootfs(plan: Plan) -> str:
    """Say why root inside could not use its rootfs, "" where it can: it is fetched, not opened."""
    if plan.user is None or _Root(plan.user).enters(plan.rootfs.directory):
        return ""
    return f"it is closed to the container's root, which is uid {plan.user.outside(0)} of the host"


def _above(place: str) -> Iterator[str]:
    """Yield the directories on the way to a path, links followed."""
    libraries.reach()
    from os.path import realpath

    way = realpath(place)
    while way != "/":
        way = way.rpartition("/")[0] or "/"
        yield way


class _Root:
    """Root inside, as the host sees it."""

    __slots__ = ("gid", "gids", "uid", "uids")

    def __init__(self, step: UserNamespaceStep) -> None:
        self.uids, self.gids = _ranges(step.uid_map), _ranges(step.gid_map)
        self.uid, self.gid = _outside(self.uids), _outside(self.gids)

    def enters(self, directory: str) -> bool:
        """Tell whether it may search a directory; one that is not there is in nobody's way.

        What belongs to mapped ids only is under its capabilities (capabilities(7)).
        """
        try:
            known = posix.stat(directory)
        except OSError:
            return True
        if _holds(self.uids, known.st_uid) and _holds(self.gids, known.st_gid):
            return True
        if known.st_uid == self.uid:
            return bool(known.st_mode & _SEARCH)
        return bool(known.st_mode & (_SEARCH >> 3 if known.st_gid == self.gid else _SEARCH >> 6))


def _ranges(text: str) -> list[tuple[int, int, int]]:
    """Return the lines of a map: first id inside, first outside, count."""
    lines = (map(int, line.split()) for line in text.splitlines())
    return [(inside, outside, count) for inside, outside, count in lines]


def _outside(ranges: list[tuple[int, int, int]]) -> int:
    """Return what id 0 is outside, -1 where it is not mapped."""
    return next((host - first for first, host, count in ranges if first <= 0 < first + count), -1)


def _holds(ranges: list[tuple[int, int, int]], number: int) -> bool:
    """Tell whether an id of the host is mapped."""
    return any(host <= number < host + count for _, host, count in ranges)
