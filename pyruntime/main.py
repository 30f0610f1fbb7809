"""From argv to exit code: read the line, call the command, say what went wrong.

The only catcher of errors. A failure is logged once (to --log when given) and told in one line on
standard error; its class knows the exit code. Modules are loaded as the line needs them, since
each costs about as much as a system call costs a C program.
"""

from __future__ import annotations

import posix
import sys

from pyruntime import errors
from pyruntime.command import fast, grammar, paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyruntime.command.grammar import Values

    Answer = int | str | tuple[str, int] | Iterable[str]

# They make the process that inherits what the caller handed over.
_MAKERS = ("create", "run")
_PREFIXED = (*_MAKERS, "exec")  # their failures name them
# They never warn, so the log is opened only for a failure.
_SILENT = ("state", "kill", "pause", "resume")
_FORMATS = ("text", "json")
_DRIVERS = ("cgroupfs", "systemd", "disabled")
_ROOTLESS = ("", "1", "t", "true", "0", "f", "false", "auto")
_INTERRUPTED = 130
_EXEC_FAILED = 255  # runc(8)
_PIPE_BROKEN = 141  # 128 + SIGPIPE, as the shell sees a program that the signal ended


def launched() -> None:
    """Run the command line of this process and end it; everything is written by then."""
    posix._exit(main(sys.argv[1:]))  # noqa: SLF001 - its one name


def main(argv: list[str]) -> int:
    """Run one command line (without the program's name); return the exit code."""
    settings: Values = {}
    try:
        _fill_standard_descriptors()
        line = _read(argv)
        if not isinstance(line, grammar.Line):
            return line
        settings = line.settings
        return _perform(line)
    except errors.RuntimeFailure as failure:
        return _report(failure, getattr(failure, "settings", settings))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a bug of ours must be one line too
        return _report(error, settings)


def _report(error: Exception, settings: Values, prefix: str = "") -> int:
    """Log a failure once and tell it on standard error; return its exit code."""
    from pyruntime.command import failing

    return failing.report(error, settings, prefix)


def write(descriptor: int, text: str) -> None:
    """Write all of a text (sys.stdout would keep some of it, and launched() ends without it).

    Raises:
        OSError: it cannot be written.
    """
    left = text.encode("utf-8", "surrogateescape")
    while left:
        try:
            left = left[posix.write(descriptor, left) :]
        except BlockingIOError:  # the caller gave us a pipe that does not block: wait for room
            import select

            select.select((), (descriptor,), ())


def _fill_standard_descriptors() -> None:
    """Put /dev/null where the caller closed 0, 1 or 2; else the next file opened lands there."""
    for number in range(3):
        try:
            posix.fstat(number)
        except OSError:
            with errors.doing("open", "/dev/null"):
                posix.set_inheritable(posix.open("/dev/null", posix.O_RDWR), True)  # noqa: FBT003


def _read(argv: list[str]) -> grammar.Line | int:
    """Read the line exactly, or have click do it."""
    line = None
    if grammar.COMPLETION.encode() not in posix.environ:
        line = fast.read(argv)
    if line is None:
        from pyruntime.command import full

        return full.read(argv)
    return line


def _perform(line: grammar.Line) -> int:
    """Call the command; print what it returns if that is text, or texts that come one by one."""
    more = {}
    if line.command in _MAKERS:
        from pyruntime.container import caller

        more["caller"] = caller.note()
    _check(line)
    root = _root(line)
    command = __import__(f"pyruntime.command.{line.command}", fromlist=["perform"])
    try:
        answer: Answer = command.perform(line, root, **more)
    except Exception as failure:
        known = isinstance(failure, errors.RuntimeFailure)
        if line.command != "exec" and not (known and line.command in _PREFIXED):
            raise
        return _failed(failure, line)
    if isinstance(answer, int):
        return answer
    if isinstance(answer, tuple):
        return _answer(*answer)
    return _answer(answer) if isinstance(answer, str) else _stream(answer)


def _failed(failure: Exception, line: grammar.Line) -> int:
    """Report why no process could be made; the exit status of exec is else the process's own."""
    if line.command == "exec":
        _report(failure, line.settings, "exec failed: ")
        return _EXEC_FAILED
    return _report(failure, line.settings, f"{grammar.NAME} {line.command} failed: ")


def _check(line: grammar.Line) -> None:
    """Make paths absolute, open the log and refuse global options with impossible values."""
    paths.make_absolute(line.settings, grammar.GLOBAL)
    if line.command in grammar.COMMANDS:
        paths.make_absolute(line.options, grammar.COMMANDS[line.command][5])
    settings = line.settings
    if _wants_log(line):
        from pyruntime.command import failing

        failing.open_log(settings)
    if settings.get("cgroup_manager", "cgroupfs") not in _DRIVERS:
        raise errors.UsageError(f"invalid cgroup-manager: {settings['cgroup_manager']}")
    if str(settings.get("rootless", "")).lower() not in _ROOTLESS:
        raise errors.UsageError(f"invalid rootless: {settings['rootless']}")


def _root(line: grammar.Line) -> str:
    """Return the state root."""
    if "root" in line.settings:
        root = paths.absolute(str(line.settings["root"]))
        if paths.is_top(root):
            raise errors.UsageError("Option --root argument should not be set to /")
        return root
    from pyruntime.command import roots

    root = roots.default(posix.environ)
    if line.command in _MAKERS:
        roots.prepare(root)
    return root


def _wants_log(line: grammar.Line) -> bool:
    """Tell whether the log has to be opened before the command begins."""
    if line.command in _SILENT:
        odd = line.settings.get("log_format", "text") not in _FORMATS
        return odd or "log_level" in line.settings
    return not grammar.LOGGED.isdisjoint(line.settings)


def _stream(texts: Iterable[str]) -> int:
    """Print texts as they come; return the exit code."""
    for text in texts:
        code = _answer(text)
        if code:
            return code
    return 0


def _answer(text: str, code: int = 0) -> int:
    """Print what a command returned; return its exit code."""
    try:
        with errors.doing("write", "standard output"):
            write(1, text)
    except errors.KernelError as failure:
        if isinstance(failure.__cause__, BrokenPipeError):
            return _PIPE_BROKEN
        raise
    return code
