"""Saying what went wrong, once in the log and once on standard error; loaded only then."""

from __future__ import annotations

import posix

from pyruntime import errors, log
from pyruntime.command import grammar, paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Values


def open_log(settings: Values) -> None:
    """Open the log that the global options ask for.

    Raises:
        RuntimeFailure: it cannot be opened, or the options make no sense.
    """
    form = str(settings.get("log_format", "text"))
    path = str(settings.get("log", "")) or None
    log.open(path, form, "debug" in settings, str(settings.get("log_level", "")))


def report(error: Exception, settings: Values, prefix: str) -> int:
    """Log a failure and tell it; return its exit code.

    Args:
        error: one of ours, or any other: a bug.
        settings: the global options, as far as they were read.
        prefix: what to put before the text.
    """
    if isinstance(error, errors.RuntimeFailure):
        text, code = prefix + error.say(), error.code
    else:
        text, code = _bug(error, debug="debug" in settings), 1
    try:
        paths.make_absolute(settings, grammar.GLOBAL)
        if not grammar.LOGGED.isdisjoint(settings):
            open_log(settings)
    except errors.RuntimeFailure as second:  # most often it is the very failure to tell
        if second.say() not in text:
            text += f" (and the log: {second.say()})"
    log.error(text)
    if log.apart():
        _tell(text + "\n")
    return code


def _tell(text: str) -> None:
    """Write to standard error; where nobody listens there is nothing more to do."""
    try:
        posix.write(2, text.encode("utf-8", "surrogateescape"))
    except OSError:
        return


def _bug(error: Exception, *, debug: bool) -> str:
    """Return the line for an error that is ours, with the innermost place in our code."""
    place, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "/pyruntime/" in file:
            place = f"pyruntime/{file.rpartition('/pyruntime/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    if debug:
        import traceback

        _tell("".join(traceback.format_exception(error)))
    return f"internal error: {type(error).__name__}: {error} at {place}; please report it"
