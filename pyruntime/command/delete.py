"""`delete [--force] ID`: remove a container and all that it holds."""

from __future__ import annotations

from pyruntime.container import delete

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Line


def perform(line: Line, root: str) -> int:
    """Delete the container."""
    delete.delete(root, line.words[0], "force" in line.options)
    return 0
