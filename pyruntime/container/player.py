"""The native program that plays a script: where it lies."""

from __future__ import annotations

import posix

import pyruntime
from pyruntime import errors

_NAME = "waiting_init"


def player() -> bytes:
    """Return the native program.

    It lies in the package (built tree, wheel) or beside it (`make install`).

    Raises:
        Unsupported: it was never built.
    """
    package = pyruntime.__path__[0]
    for path in (f"{package}/native/{_NAME}", f"{package}/../{_NAME}"):
        try:
            descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            return posix.read(descriptor, posix.fstat(descriptor).st_size)
        finally:
            posix.close(descriptor)
    raise errors.Unsupported("the native program is missing: run make build")
