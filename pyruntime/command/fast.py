"""The exact reader: reads a well-formed command line or stands aside.

It never reports an error and never guesses: whatever is not plainly right (help, a misspelt
option, `--flag=false`, `--`, a lone dash, a wrong number of positionals) gives None, and click
reads the line instead (command/full.py). A property test holds the two to the same answer.
"""

from __future__ import annotations

from pyruntime.command import grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Option, Values

# More digits than this are click's business, as are the leading zeros that mean octal to Go.
_DIGITS = 9


def read(argv: list[str]) -> grammar.Line | None:
    """Read a command line without the program's name.

    Returns:
        the line, or None if click has to read it.
    """
    settings: Values = {}
    at = _options(argv, 0, grammar.GLOBAL, settings)
    if at >= 0 and "version" in settings:  # engines ask for it at each of their starts
        return grammar.Line(settings, "version", {}, ())
    if at < 0 or at == len(argv):
        return None
    command = argv[at]
    if command not in grammar.COMMANDS:
        return None
    _, least, most, stops, _, options = grammar.COMMANDS[command]
    values: Values = {}
    words = _words(argv, at + 1, options, values, stops=stops)
    if words is None or not least <= len(words) <= most:
        return None
    return grammar.Line(settings, command, values, tuple(words))


def _words(
    argv: list[str], at: int, options: tuple[Option, ...], values: Values, *, stops: bool
) -> list[str] | None:
    """Read options and positionals from `at` to the end; return the positionals."""
    words: list[str] = []
    while True:
        if stops and words:  # all that follows is the container's, but for what click takes out
            return None if argv[at : at + 1] == ["--"] else words + argv[at:]
        at = _options(argv, at, options, values)
        if at < 0:
            return None
        if at == len(argv):
            return words
        if argv[at][:1] == "-":  # an odd positional such as -9
            return None
        words.append(argv[at])
        at += 1


def _options(argv: list[str], at: int, options: tuple[Option, ...], values: Values) -> int:
    """Read the options that stand at `at`; return where they end, -1 to stand aside."""
    while at < len(argv) and argv[at][:1] == "-":
        word = argv[at]
        name, glued, text = word[2 if word[:2] == "--" else 1 :].partition("=")
        option = _named(name, options)
        if option is None:
            return -1
        if option[1] == "flag":
            if glued:
                return -1
            values[grammar.key(option)] = True
        else:
            if not glued:
                at += 1
                if at == len(argv):
                    return -1
                text = argv[at]
            if option[1] == "number":
                if not _plain(text):
                    return -1
                values[grammar.key(option)] = int(text)
            elif option[1] == "texts":
                values[grammar.key(option)] = [*grammar.texts(values, grammar.key(option)), text]
            else:
                values[grammar.key(option)] = text
        at += 1
    return at


def _named(name: str, options: tuple[Option, ...]) -> Option | None:
    for option in options:
        if name in option[0]:
            return option
    return None


def _plain(text: str) -> bool:
    """Tell whether `text` is a number that reads alike in any base rule."""
    if not (text.isascii() and text.isdigit()) or len(text) > _DIGITS:
        return False
    return text == "0" or text[0] != "0"
