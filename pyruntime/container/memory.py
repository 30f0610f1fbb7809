"""The memory of the native player's script: what the arguments of its operations point to.

The form of a script, all little-endian, all pointers absolute (native/player.c has the same as C):

    header      magic, (set by the player) scratch, descriptors and page of failures
    operations  records of one size, played one after the other
    memory      texts, arrays and structures; equal things lie there once
"""

from __future__ import annotations

import _struct

from pyruntime import errors
from pyruntime.feature import step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Argument: TypeAlias = "int | str | bytes | Program | Result | Scratch"

BASE = 0x1000000000
MAGIC = 0x32746E6972637370
HEADER = _struct.Struct("<QQqqQ")
RECORD = _struct.Struct("<5BxH6Q8sQq")
_SCRATCH_AT = 8  # in the header
_RESULT_AT = RECORD.size - 8
_WORD = (1 << 64) - 1


def signal_texts() -> bytes:
    """Return what the player says for each signal, one text behind the other, number 0 first."""
    from pyruntime.feature import hookrun  # loaded by the parent where there are hooks

    return "".join(f"{hookrun.signal_name(number)}\0" for number in range(65)).encode() + b"\0"


class Memory:
    """What the pointers of a script point to."""

    __slots__ = ("base", "content", "known", "results", "start")

    def __init__(self, operations: Sequence[step.Step], base: int) -> None:
        self.base = base
        self.start = base + HEADER.size + RECORD.size * len(operations)
        self.content = bytearray()
        self.known: dict[bytes, int] = {}
        first = base + HEADER.size + _RESULT_AT
        self.results = {id(each): first + RECORD.size * n for n, each in enumerate(operations)}

    def lay(self, content: bytes) -> int:
        """Put bytes on a boundary of 8, once, and return where they lie."""
        at = self.known.get(content)
        if at is None:
            self.content += bytes(-(self.start + len(self.content)) % 8)
            at = self.known[content] = self.start + len(self.content)
            self.content += content
        return at

    def text(self, text: str) -> int:
        """Put a text and its NUL and return where they lie.

        Raises:
            RuntimeFailure: a NUL inside, which would cut the text short.
        """
        if "\0" in text:
            raise errors.RuntimeFailure(f"{text!r} contains a NUL byte")
        return self.lay(text.encode("utf-8", "surrogateescape") + b"\0")

    def row(self, texts: list[str]) -> int:
        """Put an array of pointers to texts, ended by a null pointer."""
        return self.words(*(self.text(text) for text in texts), 0)

    def words(self, *words: int) -> int:
        """Put machine words."""
        return self.lay(_struct.pack(f"<{len(words)}Q", *words))

    def argument(self, argument: Argument) -> tuple[int, bool]:
        """Return the word for an argument, and whether the value lies where it points."""
        if isinstance(argument, int):
            return argument if argument >= 0 else argument & _WORD, False
        if isinstance(argument, str):
            return self.text(argument), False
        if isinstance(argument, bytes):
            return self.lay(argument), False
        if isinstance(argument, Program):
            code = argument.code
            return self.words(len(code) // 8, self.lay(code)), False
        if isinstance(argument, Result):
            return self.results[id(argument.operation)], True
        return self.base + _SCRATCH_AT, True


class Result(step.Step):
    """An argument: the result of an operation that was played before."""

    __slots__ = ("operation",)

    def __init__(self, operation: step.Step) -> None:
        self.operation = operation

    def describe(self) -> str:
        """Say whose result."""
        return f"the result of: {self.operation.describe()}"


class Scratch(step.Step):
    """An argument: 4096 bytes for results."""

    __slots__ = ()

    def describe(self) -> str:
        """Say so."""
        return "scratch memory"


class Program(step.Step):
    """An argument: a BPF program (struct sock_fprog)."""

    __slots__ = ("code",)

    def __init__(self, code: bytes) -> None:
        self.code = code

    def describe(self) -> str:
        """Tell its length."""
        return f"{len(self.code) // 8} instructions"
