"""The door to the kernel where the interpreter was not started by the installed program.

Importing `ctypes` costs 2.5 ms and the calls themselves nothing, so this file builds the one
function pointer it needs from the C half, `_ctypes`, and falls back to `ctypes` where a Python
lacks that private form. A test compares both.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.kernel.door import Argument

# The private half's names are unknown to type checkers.
try:
    ctypes: Any = __import__("_ctypes")

    class Word(ctypes._SimpleCData):  # type: ignore[misc]  # noqa: SLF001
        """One machine word."""

        _type_ = "l"

    class Text(ctypes._SimpleCData):  # type: ignore[misc]  # noqa: SLF001
        """A pointer to the bytes of a bytes object."""

        _type_ = "z"

    class Octet(ctypes._SimpleCData):  # type: ignore[misc]  # noqa: SLF001
        """One byte, the element of a buffer that the kernel fills."""

        _type_ = "B"

    class Syscall(ctypes.CFuncPtr):  # type: ignore[misc]
        """The type of syscall(2): machine words in, a machine word out, errno kept."""

        _flags_ = ctypes.FUNCFLAG_CDECL | ctypes.FUNCFLAG_USE_ERRNO
        _restype_ = Word

    _syscall: Any = Syscall(ctypes.dlsym(ctypes.dlopen(None, 0), "syscall"))
except (ImportError, AttributeError, TypeError):  # a Python without that half
    import ctypes

    Word, Text, Octet = ctypes.c_long, ctypes.c_char_p, ctypes.c_ubyte  # type: ignore[misc]
    _syscall = ctypes.CDLL(None, use_errno=True).syscall
    _syscall.restype = ctypes.c_long

_INT = 1 << 31
_NULL = Word(0)
_arrays: dict[int, type] = {}


def _buffer(memory: bytearray) -> object:
    """View a bytearray as memory that the kernel may fill."""
    size = len(memory)
    if size not in _arrays:
        _arrays[size] = type("Buffer", (ctypes.Array,), {"_type_": Octet, "_length_": size})
    return _arrays[size].from_buffer(memory)  # type: ignore[attr-defined]


def _word(argument: Argument) -> object:
    """Turn one Python value into what syscall(2) takes.

    A bare integer is passed as a C int, which libffi widens with its sign; larger ones need a Word.
    """
    if isinstance(argument, int):
        return argument if -_INT <= argument < _INT else Word(argument)
    if argument is None:
        return _NULL
    if isinstance(argument, str):
        if "\0" in argument:
            raise OSError(22, "Invalid argument", argument)
        return argument.encode("utf-8", "surrogateescape")
    if isinstance(argument, bytearray):
        return _buffer(argument)
    return argument


def call(number: int, *arguments: Argument) -> int:
    """Make a system call and return its result; the arguments are those of `door.call`.

    Raises:
        OSError: with the errno of the call.
    """
    result: int = _syscall(number, *map(_word, arguments))
    if result == -1 and (number := ctypes.get_errno()):
        raise OSError(number, posix.strerror(number))
    return result


def address(memory: bytes | bytearray) -> int:
    """Return where the bytes of `memory` lie."""
    if isinstance(memory, bytearray):
        return int(ctypes.addressof(_buffer(memory)))
    return int(Word.from_buffer(Text(memory)).value)
