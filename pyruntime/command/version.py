"""`--version`: one item a line, in the form that moby, go-runc and CRI-O parse."""

from __future__ import annotations

import posix
import sys

import pyruntime
from pyruntime import installation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Line

SPEC = "1.3.0"
_LIBRARY = "libseccomp.so.2"


def perform(line: Line, root: str) -> str:
    """Return the lines."""
    del line, root
    lines = [f"pyruntime version {pyruntime.__version__}"]
    if known := commit():
        lines.append(f"commit: {known}")
    lines += [f"spec: {SPEC}", "python: {}.{}.{}".format(*sys.version_info[:3])]
    if library := libseccomp():
        lines.append(f"libseccomp: {library}")
    if stale := installation.stale():
        lines.append(stale)
    return "".join(text + "\n" for text in lines)


def commit() -> str:
    """Return the commit that `make install` wrote down, "" when it is not known."""
    path = f"{pyruntime.__path__[0]}/_commit"
    try:
        descriptor = posix.open(path, posix.O_RDONLY)
    except OSError:
        return ""
    try:
        return posix.read(descriptor, 128).decode("ascii", "replace").strip()
    finally:
        posix.close(descriptor)


def libseccomp() -> str:
    """Return the version of libseccomp, "" when it is not there (seccomp_version(3))."""
    import ctypes

    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        return ""
    library.seccomp_version.restype = ctypes.POINTER(ctypes.c_uint * 3)
    found = library.seccomp_version()
    return ".".join(str(part) for part in found.contents) if found else ""
