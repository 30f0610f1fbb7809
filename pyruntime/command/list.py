"""`list`: the containers under the state root, as a table, as JSON or as bare ids."""

from __future__ import annotations

import posix

from pyruntime import errors, jsonfile
from pyruntime.container import listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyruntime.command.grammar import Line

_HEADER = ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")
_COLUMNS = ("id", "pid", "status", "bundle", "created", "owner")
_WIDTH, _PADDING = 12, 3  # of runc's tabwriter


def perform(line: Line, root: str) -> str:
    """Return the list.

    Raises:
        UsageError: no such format.
        KernelError: --root was given and cannot be read; the default root may be missing.
    """
    found = _containers(root, given="root" in line.settings)
    if "quiet" in line.options:
        return "".join(f"{container['id']}\n" for container in found)
    form = line.options.get("format", "table")
    if form == "table":
        return table([_HEADER, *(tuple(str(c[name]) for name in _COLUMNS) for c in found)])
    if form == "json":  # Go prints an empty list that was never made as null
        return jsonfile.encode(found or None) + "\n"
    raise errors.UsageError("invalid format option")


def _containers(root: str, *, given: bool) -> list[Mapping[str, object]]:
    with errors.doing("open", root):
        try:
            posix.stat(root)
        except FileNotFoundError:
            if given:
                raise
            return []
    return [*listing.containers(root)]


def table(rows: list[tuple[str, ...]]) -> str:
    """Return rows as Go's text/tabwriter lays them out: the last column is not filled up."""
    wide = [max(_WIDTH, *(len(row[i]) + _PADDING for row in rows)) for i in range(len(rows[0]) - 1)]
    lines = ("".join(map(str.ljust, row[:-1], wide)) + row[-1] for row in rows)
    return "".join(text + "\n" for text in lines)
