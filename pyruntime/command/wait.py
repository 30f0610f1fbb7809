"""`wait ID`: wait until a container has ended; print its exit status and end with it."""

from __future__ import annotations

from pyruntime import errors
from pyruntime.container import wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Line


class StatusUnknown(errors.RuntimeFailure):
    """The container has ended, and nobody can say how; CRI-O has this number for that too."""

    code = 255


def perform(line: Line, root: str) -> tuple[str, int]:
    """Wait; return the status for standard output and for the caller.

    Raises:
        StatusUnknown: it had stopped before, or this kernel does not tell.
    """
    status = wait.wait(root, line.words[0])
    if status is None:
        raise StatusUnknown(
            f"container {line.words[0]} has stopped, but its exit status is not known"
            " (only who waits before it stops is told, by Linux 6.15 or newer)"
        )
    return f"{status}\n", status
