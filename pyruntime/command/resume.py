"""`resume ID`: let a paused container go on."""

from __future__ import annotations

from pyruntime.container import pause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Line


def perform(line: Line, root: str) -> int:
    """Resume the container."""
    pause.resume(root, line.words[0])
    return 0
