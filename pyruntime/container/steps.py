"""The operations of the native player: plain data that can say itself and lay itself down."""

from __future__ import annotations

from pyruntime.container import memory as memories
from pyruntime.feature import step
from pyruntime.kernel import door

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.memory import Argument, Memory, Result, Scratch

_LONGEST = (1 << 63) - 1  # ms, of a hook's time
_CALL, _EXPECT, _SKIP, _REPORT, _TELL, _HOOK, _EXECUTE = range(1, 8)


class Operation(step.Step):
    """One record of the script; `said` is what `describe()` returns."""

    __slots__ = ("said",)

    said: str

    def describe(self) -> str:
        """Return the operation in one line."""
        return self.said

    def record(self, memory: Memory) -> bytes:
        """Return the record, with what it points to laid down in `memory`."""
        raise NotImplementedError(type(self).__name__)


def _packed(
    memory: Memory, verb: int, arguments: tuple[Argument, ...], words: str = "",
    *, number: int = 0, again: bool = False, times: int = 1, climbs: int = 0,
    tolerated: tuple[int, ...] = (),
) -> bytes:  # fmt: skip
    """Pack one record."""
    placed = [memory.argument(each) for each in arguments]
    indirect = sum(1 << n for n, (_, points) in enumerate(placed) if points)
    six = [word for word, _ in placed] + [0] * (6 - len(placed))
    said = memory.text(words) if words else 0
    return memories.RECORD.pack(
        verb, indirect, again, times, climbs, number, *six,
        bytes(tolerated).ljust(8, b"\0"), said, 0,
    )  # fmt: skip


class Call(Operation):
    """A system call.

    Args:
        said: the step for people.
        name: of the call, as in kernel/door.py.
        arguments: at most six; str is a pointer to a text, bytes a pointer to these bytes.
        words: what the failure is called; the errno's text is added.
        tolerated: errnos that are no failure (at most eight).
        again: repeat the call when a signal interrupted it.
        times: make the call so often, argument `climbs` one higher each time.
        climbs: its place, from 0.
    """

    __slots__ = (  # noqa: RUF023
        "said", "name", "arguments", "words", "tolerated", "again", "times", "climbs",
    )  # fmt: skip

    def __init__(
        self, said: str, name: str, arguments: tuple[Argument, ...], words: str = "",
        *, tolerated: tuple[int, ...] = (), again: bool = False, times: int = 1, climbs: int = 0,
    ) -> None:  # fmt: skip
        self.said, self.name, self.arguments, self.words = said, name, arguments, words or said
        self.tolerated, self.again, self.times, self.climbs = tolerated, again, times, climbs

    def record(self, memory: Memory) -> bytes:
        """Return the record."""
        return _packed(
            memory, _CALL, self.arguments, self.words, number=door.NUMBER[self.name],
            tolerated=self.tolerated, again=self.again, times=self.times, climbs=self.climbs,
        )  # fmt: skip


class Expect(Operation):
    """Fail with `words` unless the first byte of the scratch memory, or of a result, is `byte`."""

    __slots__ = ("said", "place", "byte", "words")  # noqa: RUF023

    def __init__(self, said: str, place: Result | Scratch, byte: int, words: str) -> None:
        self.said, self.place, self.byte, self.words = said, place, byte, words

    def record(self, memory: Memory) -> bytes:
        """Return the record; of a result, the place itself is looked at."""
        where: Argument = self.place
        if isinstance(where, memories.Result):
            where = memory.argument(where)[0]
        return _packed(memory, _EXPECT, (where, self.byte), self.words)


class Skip(Operation):
    """Leave the next `count` operations out if the result is 0."""

    __slots__ = ("said", "result", "count")  # noqa: RUF023

    def __init__(self, said: str, result: Result, count: int) -> None:
        self.said, self.result, self.count = said, result, count

    def record(self, memory: Memory) -> bytes:
        """Return the record."""
        return _packed(memory, _SKIP, (self.result, self.count))


class Report(Operation):
    """Write failures to `packet` bare and to `line` with a newline from now on; -1: nowhere.

    `answer` is the address of a page to put them into, 0 for none: see answer.py.
    """

    __slots__ = ("said", "packet", "line", "answer")  # noqa: RUF023

    def __init__(self, said: str, packet: int, line: int = -1, answer: int = 0) -> None:
        self.said, self.packet, self.line, self.answer = said, packet, line, answer

    def record(self, memory: Memory) -> bytes:
        """Return the record."""
        return _packed(memory, _REPORT, (self.packet, self.line, self.answer))


class Tell(Operation):
    """Write `word`, a space and a result in decimal to a descriptor."""

    __slots__ = ("said", "descriptor", "word", "result")  # noqa: RUF023

    def __init__(self, said: str, descriptor: int, word: str, result: Result) -> None:
        self.said, self.descriptor, self.word, self.result = said, descriptor, word, result

    def record(self, memory: Memory) -> bytes:
        """Return the record."""
        return _packed(memory, _TELL, (self.descriptor, self.result), f"{self.word} ")


class Hook(Operation):
    """Run a startContainer hook with the state document on its standard input.

    `timeout` is in seconds, None for no limit; `number` counts the hooks of the list from 0.
    """

    __slots__ = ("number", "path", "args", "env", "timeout", "document")  # noqa: RUF023

    def __init__(
        self, number: int, path: str, args: list[str], env: list[str], timeout: float | None,
        document: str,
    ) -> None:  # fmt: skip
        self.number, self.path, self.args, self.env = number, path, args, env
        self.timeout, self.document = timeout, document

    def describe(self) -> str:
        """Name the program and its limit."""
        limit = "" if self.timeout is None else f" within {self.timeout:g} s"
        from pyruntime.feature import hooks

        return f"run startContainer hook #{self.number}: {hooks.line(self.path, self.args)}{limit}"

    def record(self, memory: Memory) -> bytes:
        """Return the record; the words are runc's."""
        late = f"hook ran past specified timeout of {self.timeout or 0:.1f}s"
        texts = (f"fork/exec {self.path}", late, "exit status ", "signal: ", " (core dumped)",
                 ", stdout: ", ", stderr: ")  # fmt: skip
        document = self.document.encode("utf-8", "surrogateescape")
        block = memory.words(
            memory.text(self.path), memory.row(self.args), memory.row(self.env),
            memory.lay(document), len(document), min(int((self.timeout or 0) * 1000), _LONGEST),
            *(memory.text(text) for text in texts), memory.lay(memories.signal_texts()),
        )  # fmt: skip
        words = f"error running startContainer hook #{self.number}: "
        return _packed(memory, _HOOK, (block,), words)


class Execute(Operation):
    """Become the payload: the first of the candidates that can be executed."""

    __slots__ = ("candidates", "args", "env")  # noqa: RUF023

    def __init__(self, candidates: list[str], args: list[str], env: list[str]) -> None:
        self.candidates, self.args, self.env = candidates, args, env

    def describe(self) -> str:
        """Name the program, or where it will be looked for, and its words."""
        return f"execute {' or '.join(self.candidates) or self.args[0]} as: {_line(self.args)}"

    def record(self, memory: Memory) -> bytes:
        """Return the record; a name that was looked for in PATH has its own words."""
        name = self.args[0]
        nowhere = "" if "/" in name else f'exec: "{name}": executable file not found in $PATH'
        row = memory.row
        arguments = (row(self.candidates), row(self.args), row(self.env), "exec ")
        return _packed(memory, _EXECUTE, arguments, nowhere)


def _line(words: list[str]) -> str:
    """Return a command line in which each word can be told from the next."""
    from pyruntime import jsonfile

    return " ".join(word if word and " " not in word else jsonfile.encode(word) for word in words)


def flat(operations: list[Operation], base: int) -> bytes:
    """Lay the whole script down for the address `base`."""
    memory = memories.Memory(operations, base)
    records = b"".join(each.record(memory) for each in operations)
    header = memories.HEADER.pack(memories.MAGIC, 0, -1, -1, 0)
    return header + records + bytes(memory.content)
