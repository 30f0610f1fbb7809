"""`exec ID COMMAND`: run another process in a container."""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.command import grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyruntime.command.grammar import Line
    from pyruntime.container.exec import Wishes
    from pyruntime.spec.shapes import Process

_LARGEST = 16 << 20  # bytes of a process file


def perform(line: Line, root: str) -> int:
    """Run the process; return its exit status (0 with --detach).

    Raises:
        UsageError: neither a command nor --process, or an option that makes no sense.
    """
    from pyruntime.container import exec as execs

    file = str(line.options.get("process", ""))
    wanted = _from_file(file) if file else _changed(line)
    return execs.enter(root, line.words[0], _wishes(line), wanted, file)


def _text(line: Line, name: str) -> str:
    """Return the text of an option, "" if it was not given."""
    return str(line.options.get(name, ""))


def _wishes(line: Line) -> Wishes:
    from pyruntime.container import exec as execs

    preserve, words = _handed_over(line)
    return execs.Wishes(
        cgroup=_cgroup(grammar.texts(line.options, "cgroup")),
        console_socket=_text(line, "console_socket") or None,
        detach="detach" in line.options,
        ignore_paused="ignore_paused" in line.options,
        pid_file=_text(line, "pid_file") or None,
        pidfd_socket=_text(line, "pidfd_socket") or None,
        preserve=preserve,
        activation=words,
    )


def _handed_over(line: Line) -> tuple[int, list[str]]:
    """Return how many descriptors the process keeps, and the words that tell it of sockets."""
    preserve = grammar.number(line.options, "preserve_fds")
    if not preserve and b"LISTEN_FDS" not in posix.environ:
        return 0, []
    from pyruntime.container import activation, caller

    noted = caller.note()
    return activation.kept(noted, preserve), activation.addressed(activation.words(noted))


def _cgroup(paths: list[str]) -> str:
    """Return the one path of --cgroup; controllers before it are cgroup v1's."""
    if not paths:
        return ""
    if len(paths) > 1 or ":" in paths[0]:
        told = "takes one path; controllers are for cgroup v1, where each had its own tree"
        raise errors.UsageError(f"--cgroup {' '.join(paths)}: cgroup v2 {told}")
    if ".." in paths[0].split("/"):
        raise errors.UsageError(f"--cgroup {paths[0]}: must stay below the container's cgroup")
    return paths[0]


def _from_file(file: str) -> Callable[[Process], Process]:
    """Return what reads the process from a file."""
    from pyruntime.spec import execprocess

    with errors.doing("open", file):
        descriptor = posix.open(file, posix.O_RDONLY)
    content = b""
    with errors.doing("read", file):
        while len(content) < _LARGEST and (piece := posix.read(descriptor, 1 << 16)):
            content += piece
    posix.close(descriptor)
    return lambda own: execprocess.read(content, file, own)


def _changed(line: Line) -> Callable[[Process], Process]:
    """Return what changes the container's process as the options say."""
    from pyruntime.spec import execprocess

    if len(line.words) < 2:
        raise errors.UsageError("process args cannot be empty: exec needs a command or --process")
    options = line.options
    wish = execprocess.Changes(
        list(line.words[1:]),
        cwd=_text(line, "cwd"),
        env=grammar.texts(options, "env"),
        user=_text(line, "user"),
        groups=grammar.texts(options, "additional_gids"),
        caps=grammar.texts(options, "cap"),
        label=_text(line, "process_label"),
        apparmor=_text(line, "apparmor"),
        no_new_privs="no_new_privs" in options,
        terminal="tty" in options,
    )
    return lambda own: execprocess.changed(own, wish)
