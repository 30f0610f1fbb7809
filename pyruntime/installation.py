"""What `make install` left behind, and whether it still fits the interpreter that runs it.

Byte-code serves one minor version of Python. After an upgrade of the distribution nothing fails,
but each `create` takes 28 ms more. And the compiled program holds the interpreter of the day when
it was made, without the corrections that came since. `--version` says so with the words of
`stale()`.
"""

from __future__ import annotations

import posix
import sys
from _frozen_importlib_external import MAGIC_NUMBER

# Beside this file, written by packing.py: "3.11 a70d0d0a 6831736 1733356800", version, magic
# number, and size and time of the interpreter's file.
STAMP = "made-for"
_PYTHON = "/usr/bin/python3"


def stale() -> str | None:
    """Return one line when the installed files were made for another Python, else None.

    A source tree has no stamp and keeps its byte-code fresh by itself.
    """
    path = f"{__file__.rpartition('/')[0]}/{STAMP}"
    try:
        stamp = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        told = posix.read(stamp, 64).decode("ascii", "replace").split()
    finally:
        posix.close(stamp)
    made, magic, *identity = told if len(told) > 1 else ("another Python", "")
    if magic != MAGIC_NUMBER.hex():
        return f"byte-code: made for {made}, none for {version()}: run make install"
    if identity and identity != interpreter(_PYTHON):
        return f"interpreter: {_PYTHON} has changed since the installation: run make install"
    return None


def interpreter(path: str) -> list[str]:
    """Return size and time of an interpreter's file, which change with every upgrade."""
    try:
        known = posix.stat(path)
    except OSError:
        return []
    return [str(known.st_size), str(int(known.st_mtime))]


def version() -> str:
    """Return the running interpreter's major and minor version, as byte-code files are named by."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"
