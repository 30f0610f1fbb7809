"""What `make install` left behind, and whether it still fits the interpreter that runs it.

Byte-code serves one minor version of Python. After an upgrade of the distribution nothing fails,
but each `create` takes 28 ms more; `--version` says so with the words of `stale()`.
"""

from __future__ import annotations

import posix
import sys
from _frozen_importlib_external import MAGIC_NUMBER

STAMP = "made-for"  # beside this file, written by packing.py: "3.11 a70d0d0a"


def stale() -> str | None:
    """Return one line when the installed byte-code was made for another Python, else None.

    A source tree has no stamp and keeps its byte-code fresh by itself.
    """
    path = f"{__file__.rpartition('/')[0]}/{STAMP}"
    try:
        stamp = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        made, _, magic = posix.read(stamp, 64).decode("ascii", "replace").strip().partition(" ")
    finally:
        posix.close(stamp)
    if magic == MAGIC_NUMBER.hex():
        return None
    return f"byte-code: made for {made}, none for {version()}: run make install"


def version() -> str:
    """Return the running interpreter's major and minor version, as byte-code files are named by."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"
