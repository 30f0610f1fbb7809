"""`ps [--format table|json] ID [PS-OPTION]...`: the processes of a container.

The table is what the host's ps(1) prints with the options, without the lines of other processes.
"""

from __future__ import annotations

import posix

from pyruntime import errors, jsonfile, libraries
from pyruntime.container import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyruntime.command.grammar import Line

_DEFAULT = ("-ef",)
# Engines call without $PATH.
_DIRECTORIES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def perform(line: Line, root: str) -> str:
    """Return the table, or the ids as one JSON array (null for none, as Go has it).

    Raises:
        UsageError: no such format.
        RuntimeFailure: ps(1) is missing or refuses its options.
    """
    form = line.options.get("format", "table")
    if form not in ("table", "json"):
        raise errors.UsageError("invalid format option")
    pids = processes.processes(root, line.words[0])
    if form == "json":
        return jsonfile.encode(pids or None) + "\n"
    return selected(_listed(line.words[1:] or _DEFAULT), pids)


def selected(table: str, pids: Iterable[int]) -> str:
    """Return the heading of a table of ps(1) and those lines whose column PID names one of `pids`.

    Raises:
        RuntimeFailure: there is no such column, or something else than a number stands in it.
    """
    heading, *lines = table.split("\n")
    columns = heading.split()
    if "PID" not in columns:
        raise errors.RuntimeFailure("couldn't find PID field in ps output")
    at, wanted = columns.index("PID"), set(pids)
    kept = [text for text in lines if text and _number(text, at) in wanted]
    return "".join(f"{text}\n" for text in (heading, *kept))


def _number(text: str, at: int) -> int:
    """Return the number in one column; a wide value before it may have moved it."""
    words = text.split()
    if at >= len(words) or not words[at].isdecimal():
        raise errors.RuntimeFailure(
            f"unable to parse pid: no number in column {at + 1} of {text.strip()!r}"
            " (name the pid first: -o pid,...)"
        )
    return int(words[at])


def _listed(options: Iterable[str]) -> str:
    """Return what ps(1) prints with these options.

    Raises:
        RuntimeFailure: it fails; in its own words.
    """
    program = _program()
    libraries.reach()
    import subprocess

    with errors.doing("run", program):
        done = subprocess.run(
            [program, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    told = done.stdout.decode("utf-8", "surrogateescape")
    if done.returncode:
        words = "; ".join(text.strip() for text in told.splitlines() if text.strip())
        raise errors.RuntimeFailure(f"ps: exit status {done.returncode}: {words}")
    return told


def _program() -> str:
    """Return the absolute path of ps(1).

    Raises:
        RuntimeFailure: there is none.
    """
    path = posix.environ.get(b"PATH", b"").decode("utf-8", "surrogateescape")
    for directory in f"{path}:{_DIRECTORIES}".split(":"):
        file = f"{directory}/ps"
        if directory[:1] == "/" and posix.access(file, posix.X_OK):
            return file
    raise errors.RuntimeFailure(
        'exec: "ps": executable file not found in $PATH (apt install procps)'
    )
