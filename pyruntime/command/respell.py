"""Go's spellings of a command line, turned into the one spelling that click reads.

Engines were written against runc, whose flags are Go's (urfave/cli v3): one dash or two,
`--opt value` or `--opt=value`, `--flag=false`, options behind positionals, the last of a repeated
option wins, global options also behind the command. `line` returns the same wishes as
`[--opt=value …] -- COMMAND [--opt=value …] -- WORD …`. Pure, and without click.
"""

from __future__ import annotations

from pyruntime import errors
from pyruntime.command import grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Option

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
_HELP = ("help", "h")


class Misspelt(errors.UsageError):
    """A line that cannot be respelt; `command` is where ("" for the global part)."""

    def __init__(self, text: str, command: str, settings: dict[str, str]) -> None:
        super().__init__(text)
        self.command, self.settings = command, settings


class NoSuchCommand(Misspelt):
    """The word that stands where a command stands; exit code 3, as runc's library has it."""

    code = 3


class Part:
    """What one stretch of the line gave.

    Args:
        values: text by option name (without dashes); a flag has "true" or "false".
        rows: likewise all texts of an option that may be repeated.
        unknown: names that are no options here.
        words: the positionals.
        help: whether --help stood where an option stands.
    """

    __slots__ = ("help", "rows", "unknown", "values", "words")

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.rows: dict[str, list[str]] = {}
        self.unknown: list[str] = []
        self.words: list[str] = []
        self.help = False

    def spelt(self, options: tuple[Option, ...]) -> list[str]:
        """Return the options of this part that are among `options`, as click reads them."""
        found = [f"--{name}" for name in self.unknown]
        for names, kind, _, _ in options:
            value = self.values.get(names[0])
            found += [f"--{names[0]}={text}" for text in self.rows.get(names[0], ())]
            if kind == "flag":
                found += [f"--{names[0]}"] if value == "true" else []
            elif value is not None:
                found.append(f"--{names[0]}={value}")  # glued: a value may begin with a dash
        return [*found, "--help"] if self.help else found


def line(argv: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the line as click reads it, and the global options' texts by name.

    Raises:
        Misspelt: a value is missing or is none ("flag needs an argument: --root").
        NoSuchCommand: the message is the word.
    """
    first = _part(argv, grammar.GLOBAL, ends_at_word=True, where="", settings={})
    before = first.spelt(grammar.GLOBAL)
    if first.values.get("version") == "true" and not (first.help or first.unknown):
        return ["--version"], first.values
    if first.help or not first.words:
        return before if first.help else [*before, "--help"], first.values
    command, *rest = first.words
    if command in _HELP:  # "help create", and "help" alone
        if not rest:
            return [*before, "--help"], first.values
        command, rest = rest[0], ["--help"]
    if command not in grammar.COMMANDS:
        if first.unknown:  # that comes first
            return before, first.values
        raise NoSuchCommand(command, "", first.values)
    return _behind(command, rest, first), first.values


def _behind(command: str, rest: list[str], first: Part) -> list[str]:
    """Respell what stands behind the command; its global options join those of `first`."""
    _, _, _, stops, _, own = grammar.COMMANDS[command]
    shared = inherited(own)
    second = _part(rest, own + shared, stops=stops, where=command, settings=first.values)
    for names, _, _, _ in shared:
        if names[0] in second.values:
            first.values[names[0]] = second.values[names[0]]
    spelt = [*first.spelt(grammar.GLOBAL), "--", command, *second.spelt(own)]
    return spelt if second.help else [*spelt, "--", *second.words]


def inherited(own: tuple[Option, ...]) -> tuple[Option, ...]:
    """Return the global options that may also stand behind a command with options `own`.

    All but --version and those whose name the command uses itself (spec --rootless), as in runc.
    """
    taken = {name for option in own for name in option[0]} | {"version"}
    return tuple(option for option in grammar.GLOBAL if taken.isdisjoint(option[0]))


def number(text: str) -> int:
    """Read an integer as Go's ParseInt(text, 0, 64): 0x, 0o, 0b, a leading 0 for octal, and _.

    Raises:
        ValueError: it is none.
    """
    sign, digits = ("-", text[1:]) if text[:1] == "-" else ("", text.removeprefix("+"))
    if digits[:1] == "0" and digits[1:2].isdigit():
        digits = "0o" + digits[1:]
    if not text.isascii() or not digits[:1].isdigit() or digits.strip() != digits:
        raise ValueError(text)
    value = int(sign + digits, 0)
    if not -(2**63) <= value < 2**63:
        raise ValueError(text)
    return value


def _part(
    argv: list[str],
    options: tuple[Option, ...],
    *,
    stops: bool = False,
    ends_at_word: bool = False,
    where: str,
    settings: dict[str, str],
) -> Part:
    """Read one stretch: up to its end, or up to its first word (which begins the command)."""
    part = Part()
    at = 0
    while at < len(argv):
        word = argv[at]
        if word == "--":
            part.words += argv[at + 1 :]
            break
        if (part.words and stops) or (word[:1] == "-" and _odd(word)):
            part.words += argv[at:]
            break
        if word[:1] != "-" or word == "-":
            if ends_at_word:
                part.words += argv[at:]
                break
            part.words.append(word)
            at += 1
            continue
        try:
            at = _option(argv, at, options, part)
        except errors.UsageError as problem:
            raise Misspelt(str(problem), where, settings or part.values) from None
        if part.help:
            break
    return part


def _odd(word: str) -> bool:
    """Tell whether `word` is a dash and no letter ("-9"), which ends the options."""
    return len(word) > 1 and word[1] != "-" and not word[1].isalpha()


def _option(argv: list[str], at: int, options: tuple[Option, ...], part: Part) -> int:
    """Read the option at `at`; return the place behind it."""
    word = argv[at]
    name, glued, text = word[2 if word[:2] == "--" else 1 :].partition("=")
    if name in _HELP:
        part.help = True
        return at + 1
    found = [option for option in options if name in option[0]]
    if not name:  # "--=x"; what has no name would look like the end of options to click
        raise errors.UsageError(f"flag provided but not defined: {word}")
    if not found:
        part.unknown.append(name)
        return at + 1
    names, kind, _, _ = found[0]
    if kind != "flag" and not glued:
        at += 1
        if at == len(argv):
            raise errors.UsageError(f"flag needs an argument: {word}")
        text = argv[at]
    if kind == "texts":
        part.rows.setdefault(names[0], []).append(text)
    else:
        part.values[names[0]] = _value(kind, text, names[0])
    return at + 1


def _value(kind: str, text: str, name: str) -> str:
    """Return the one spelling of a value: true or false, or a decimal number."""
    if kind == "flag":
        if text in _TRUE or not text:
            return "true"
        if text in _FALSE:
            return "false"
    elif kind == "number":
        try:
            value = number(text)
        except ValueError:
            value = -1
        if value >= 0:
            return str(value)
    else:
        return text
    raise errors.UsageError(f'invalid value "{text}" for flag -{name}: invalid syntax')
