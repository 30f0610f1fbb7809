"""Shut the interpreter before it stands among the container's files.

Two attacks made this file. After the root has changed, Python resolves every name in the
**image**: an uncaught exception imports `traceback`, a text in an unusual codec imports
`encodings.…`, `warnings` opens source files, and each of these is then code or data of the
attacker run or read with the privileges of the runtime. And `/proc/PID/exe` of anything that the
container can see is a way to the host's interpreter (CVE-2019-5736).

Against the first, `seal` leaves nothing to find: no path, no finder, no hook. What the child
needs is loaded before clone3; what is missing fails loudly here instead of being fetched there.
Against the second, the child shows itself to no process of the container before it has become the
native program (the own pid namespace is empty but for it, a joined one is entered by
the native program).
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import NoReturn

# The finders are put aside, not freed: to free them would copy every page that they lie on.
_kept: list[object] = []


class _Sealed:
    """The only finder left."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> NoReturn:
        """Refuse."""
        raise ImportError(name)


def seal(report: Callable[[str], object]) -> None:
    """Make every later import fail and every uncaught error end in one line to `report`.

    Args:
        report: called with the line; must import nothing.
    """
    # An interpreter that has not finished its start has only some of them.
    _kept.extend(
        vars(sys).get(name)
        for name in ("path", "path_hooks", "path_importer_cache", "meta_path")
    )
    sys.path, sys.path_hooks, sys.path_importer_cache = [], [], {}
    sys.meta_path = [_Sealed]  # an empty list would make Python want to warn

    def uncaught(
        kind: type[BaseException], error: BaseException, _trace: TracebackType | None
    ) -> None:
        report(f"internal error: {kind.__name__}: {error}")

    def unraisable(_what: object) -> None:
        """Say nothing: Python would print a traceback, for which it opens files."""

    sys.excepthook = uncaught
    sys.unraisablehook = unraisable
