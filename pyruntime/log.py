"""The log that engines read: one entry a line, text or JSON, as runc (logrus) writes it.

    {"level":"error","msg":"…","time":"2026-01-02T03:04:05+01:00"}
    time="2026-01-02T03:04:05+01:00" level=error msg="…"
    ERRO[0000] …                                            (text, standard error is a terminal)

containerd takes the last line of level error and needs every `time` to parse as RFC 3339; podman
wants the whole file to be one JSON object. Each entry is one write(2) to a descriptor opened with
O_APPEND, so writers of one file do not cut each other's lines.
"""

from __future__ import annotations

import posix
import time

from pyruntime import errors

_LEVELS = ("debug", "info", "warning", "error")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n"}
_ESCAPES.update({"\r": "\\r", "\t": "\\t", "\v": "\\v"})
_STDERR = 2
_ASCII_END, _BMP_END = 0x80, 0x10000
_BYTES, _BYTES_END = 0xDC80, 0xDD00  # PEP 383

_began = time.monotonic()
_descriptor = _STDERR
_json = False
_least = 1


def open(path: str | None, form: str = "text", debug: bool = False, level: str = "") -> None:  # noqa: A001, FBT001, FBT002
    """Choose where entries go.

    Args:
        path: file to append to (made with mode 0644); None or "" for standard error.
        form: "text" or "json".
        debug: log from level debug upwards.
        level: least level ("debug", "info", "warning", "error"); "" for info.

    Raises:
        UsageError: no such format or level.
        KernelError: the file cannot be opened.
    """
    global _descriptor, _json, _least  # noqa: PLW0603 - one process has one log
    close()
    if path:
        with errors.doing("open", path):
            flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_SYNC
            _descriptor = posix.open(path, flags, 0o644)
    if form not in ("text", "json"):
        raise errors.UsageError(f"invalid log-format: {form}")
    level = {"": "info", "warn": "warning"}.get(level, level)
    if level not in _LEVELS:
        raise errors.UsageError(f"invalid log-level: {level}")
    _json = form == "json"
    _least = 0 if debug else _LEVELS.index(level)


def close() -> None:
    """Go back to text on standard error."""
    global _descriptor, _json, _least  # as above
    if _descriptor != _STDERR:
        posix.close(_descriptor)
    _descriptor, _json, _least = _STDERR, False, 1


def apart() -> bool:
    """Tell whether entries go to a file, so that a person does not see them."""
    return _descriptor != _STDERR


def error(message: str) -> None:
    """Log why the command failed."""
    _enter("error", message)


def warning(message: str) -> None:
    """Log what the caller should know although the command goes on."""
    _enter("warning", message)


def info(message: str) -> None:
    """Log what happens."""
    _enter("info", message)


def debug(message: str) -> None:
    """Log what helps to find a fault (only with --debug)."""
    _enter("debug", message)


def moment(seconds: float) -> str:
    """Return seconds since the epoch as RFC 3339 in local time, "Z" for UTC as Go has it."""
    local = time.localtime(seconds)
    east = local.tm_gmtoff
    hours, minutes = divmod(abs(east) // 60, 60)
    zone = f"{'-' if east < 0 else '+'}{hours:02}:{minutes:02}" if east else "Z"
    return time.strftime("%Y-%m-%dT%H:%M:%S", local) + zone


def quoted(text: str) -> str:
    r"""Return text in double quotes as Go's %q: \n, \x1b, \u200b; what can be seen stays."""
    return '"' + "".join(_escaped(sign) for sign in text) + '"'


def _escaped(sign: str) -> str:
    number = ord(sign)
    if sign in _ESCAPES:
        return _ESCAPES[sign]
    if sign.isprintable():
        return sign
    if _BYTES <= number < _BYTES_END:  # a byte that is no UTF-8, as Python carries it
        return f"\\x{number & 0xFF:02x}"
    if number < _ASCII_END:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < _BMP_END else f"\\U{number:08x}"


def _enter(level: str, message: str) -> None:
    if _LEVELS.index(level) < _least:
        return
    line = _json_line(level, message) if _json else _text_line(level, message)
    try:
        posix.write(_descriptor, line.encode("utf-8", "backslashreplace"))
    except OSError:  # a full disk or a reader that left must not change what the command does
        return


def _json_line(level: str, message: str) -> str:
    from pyruntime import jsonfile

    whole = message.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return jsonfile.encode({"level": level, "msg": whole, "time": moment(time.time())}) + "\n"


def _text_line(level: str, message: str) -> str:
    if _descriptor == _STDERR and posix.isatty(_STDERR):
        return f"{level[:4].upper()}[{int(time.monotonic() - _began):04}] {message}\n"
    plain = message.isascii() and message.translate(_PLAIN).isalnum()
    what = message if plain else quoted(message)
    return f'time="{moment(time.time())}" level={level} msg={what}\n'


# logrus leaves a text without quotes when it has letters, digits and these only.
_PLAIN = {ord(sign): "x" for sign in "-._/@^+"}
