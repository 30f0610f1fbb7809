"""`pause ID`: freeze all processes of a container."""

from __future__ import annotations

from pyruntime.container import pause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Line


def perform(line: Line, root: str) -> int:
    """Pause the container."""
    pause.pause(root, line.words[0])
    return 0
