"""`start ID`: let a created container run its process."""

from __future__ import annotations

from pyruntime.container import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Line


def perform(line: Line, root: str) -> int:
    """Start the container."""
    start.start(root, line.words[0])
    return 0
