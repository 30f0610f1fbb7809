"""`features`: what this runtime can do (runtime-spec features.md)."""

from __future__ import annotations

from pyruntime import jsonfile
from pyruntime.container import features

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Line


def perform(line: Line, root: str) -> str:
    """Return the JSON; engines read standard output as one document."""
    del line, root
    return jsonfile.encode_indented(features.features(), "    ") + "\n"
