"""Paths of the command line, as the caller meant them."""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.command import grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Option, Values


def absolute(path: str) -> str:
    """Return a path as seen from the caller's directory; `..` is left to the kernel.

    Taking `..` out by its letters would go astray behind a symbolic link.

    Raises:
        KernelError: the directory of the caller is gone.
    """
    if path[:1] != "/":
        with errors.doing("getcwd"):
            path = f"{posix.getcwd()}/{path}"
    if "//" in path or "/." in path or path[-1:] == "/":
        path = "/" + "/".join(part for part in path.split("/") if part not in ("", "."))
    return path


def make_absolute(values: Values, options: tuple[Option, ...]) -> None:
    """Make the values of options that are paths absolute, in their place."""
    for option in options:
        name = grammar.key(option)
        if option[1] == "path" and values.get(name):
            values[name] = absolute(str(values[name]))


def is_top(path: str) -> bool:
    """Tell whether an absolute path is / by its letters (//, /., /a/..)."""
    depth = 0
    for part in path.split("/"):
        if part == "..":
            depth = max(depth - 1, 0)
        elif part not in ("", "."):
            depth += 1
    return depth == 0
