"""The way to the packages that the interpreter's start left out.

The launchers start Python as `-S` does, which saves 2 ms and leaves the directories of installed
packages off `sys.path`. Whoever needs click, jsonschema, seccomp, prctl or pyroute2 calls `reach()`
first, inside the function that imports it, never at the head of a module. Importing `site` instead
would cost the 2 ms again.
"""

from __future__ import annotations

import posix
import sys


def reach() -> None:
    """Append the directories of installed packages to `sys.path`; calling it again does nothing.

    They are those of `site.getsitepackages()` that exist, on Debian's and on a self-built Python
    (tests compare the two). They are appended: a package can never stand in for a standard module.
    A Python started with `site`, as in a virtual environment, has its own and is left alone.
    """
    if "_pyruntime" in sys.builtin_module_names:
        import _pyruntime

        _pyruntime.finish()  # it began with half of its start: native/interpreter.c
    if not sys.flags.no_site:
        return
    for directory in _directories():
        if directory not in sys.path and posix.access(directory, posix.F_OK):
            sys.path.append(directory)


def _directories() -> list[str]:
    """Return where Debian, Fedora and CPython itself keep packages, in the order of `site`."""
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    parts = (sys.platlibdir, "lib")
    own = [f"{sys.prefix}/{part}/{python}/site-packages" for part in parts]
    if sys.prefix != "/usr":  # built by somebody, who did not look into the distribution's places
        return own
    return [
        f"/usr/local/lib/{python}/dist-packages",
        "/usr/lib/python3/dist-packages",
        *[f"/usr/local/{part}/{python}/site-packages" for part in parts],
        *own,
    ]
