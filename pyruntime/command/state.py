"""`state ID`: print what a container is doing (runtime-spec runtime.md, query state)."""

from __future__ import annotations

from pyruntime import jsonfile
from pyruntime.container import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Line


def perform(line: Line, root: str) -> str:
    """Return the state as JSON, two spaces a level and no newline at the end, as runc's."""
    return jsonfile.encode_indented(state.state(root, line.words[0]), "  ")
