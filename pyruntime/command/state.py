"""`state ID`: print what a container is doing (runtime-spec runtime.md, query state)."""

from __future__ import annotations

from pyruntime import plainjson
from pyruntime.container import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Line


def perform(line: Line, root: str) -> str:
    """Return the state as JSON, two spaces a level and no newline at the end, as runc's."""
    document = state.state(root, line.words[0])
    text = plainjson.indented(document)
    if text is None:
        from pyruntime import jsonfile

        text = jsonfile.encode_indented(document, "  ")
    return text
