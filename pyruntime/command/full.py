"""The command line for people: help, errors, suggestions and completion, by click.

The commands are built from the same tables as the exact reader (grammar.py). Cold: loaded only
when the exact reader stood aside.
"""

from __future__ import annotations

import difflib
import posix
import sys

from pyruntime import errors, libraries
from pyruntime.command import grammar, respell

libraries.reach()

try:
    import click
except ModuleNotFoundError:
    raise errors.UsageError(
        f"the Python package click is missing for {sys.executable or 'this Python'} "
        "(apt install python3-click); without it only exact command lines are read"
    ) from None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.command.grammar import Option, Values


class Misread(errors.UsageError):
    """The line is wrong; `settings` are the global options that were read before that."""

    def __init__(self, text: str, settings: Values, code: int = 1) -> None:
        super().__init__(text)
        self.settings, self.code = settings, code


class _WrongNumber(click.UsageError):
    """Too many or too few positionals."""


def read(argv: list[str]) -> grammar.Line | int:
    """Read a command line without the program's name.

    Returns:
        the line; or an exit status if click has answered itself (help, completion).

    Raises:
        Misread: the line is wrong; the help is on standard output already, as runc prints it.
    """
    completing = grammar.COMPLETION.encode() in posix.environ
    try:
        args, texts = (argv, {}) if completing else respell.line(argv)
    except respell.NoSuchCommand as problem:
        raise Misread(_no_topic(str(problem)), _settings(problem.settings), problem.code) from None
    except respell.Misspelt as problem:
        _show_help(f"Incorrect Usage: {problem}", _context(problem.command))
        raise Misread(str(problem), _settings(problem.settings)) from None
    if args == ["--version"]:
        return grammar.Line(_settings(texts), "version", {}, ())
    try:
        answer = program().main(
            args, prog_name=grammar.NAME, complete_var=grammar.COMPLETION, standalone_mode=False
        )
    except click.UsageError as problem:
        raise _misread(problem, _settings(texts)) from None
    except click.Abort:
        raise KeyboardInterrupt from None
    except SystemExit as end:  # the end of a completion, or nobody reads our help any more
        return end.code if isinstance(end.code, int) else 1
    return answer if isinstance(answer, grammar.Line) else 0


def program() -> click.Group:
    """Return the whole command line as click has it (also the source of completions)."""
    commands = {name: _command(name) for name in grammar.COMMANDS}
    return click.Group(
        grammar.NAME,
        commands=commands,
        params=[_param(option) for option in grammar.GLOBAL],
        callback=lambda **_values: None,
        no_args_is_help=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Run containers as the OCI runtime specification describes them.",
    )


def _no_topic(word: str) -> str:
    """Return runc's text for an unknown command, with a guess where one is near."""
    near = difflib.get_close_matches(word, grammar.COMMANDS, 1)
    return f"No help topic for '{word}'" + (f" (did you mean {near[0]}?)" if near else "")


def _command(name: str) -> click.Command:
    """Build one command from the grammar."""
    positionals, least, most, _, sentence, options = grammar.COMMANDS[name]

    def line(words: tuple[str, ...], **values: Any) -> grammar.Line:
        ctx = click.get_current_context()
        _check_number(ctx, least, most, len(words))
        before = ctx.parent.params if ctx.parent else {}
        return grammar.Line(_given(before), name, _given(values), tuple(words))

    words = click.Argument(
        ["words"], nargs=-1, type=click.UNPROCESSED, metavar=positionals or " ", required=False
    )
    help_text = sentence[:1].upper() + sentence[1:] + "."
    return click.Command(name, callback=line, params=[*map(_param, options), words], help=help_text)


def _param(option: Option) -> click.Option:
    """Build one option from the grammar."""
    names, kind, word, sentence = option
    dashed = [("--" if len(name) > 1 else "-") + name for name in names]
    if kind == "flag":
        return click.Option([*dashed, grammar.key(option)], is_flag=True, help=sentence)
    what = click.INT if kind == "number" else click.STRING
    many = kind == "texts"
    return click.Option(
        [*dashed, grammar.key(option)],
        type=what, default=None, multiple=many, metavar=word, help=sentence,
        hidden=grammar.key(option) in grammar.HIDDEN,
    )  # fmt: skip


def _given(values: dict[str, Any]) -> Values:
    """Leave out what the line does not say; click gives all values of an option as a tuple."""
    said = {name: list(each) if type(each) is tuple else each for name, each in values.items()}
    unsaid: tuple[object, ...] = (None, [])
    return {name: each for name, each in said.items() if each not in unsaid and each is not False}


def _settings(texts: dict[str, str]) -> Values:
    """Return the global options as the readers give them, from their texts by name."""
    found: dict[str, Any] = {}
    for option in grammar.GLOBAL:
        text = texts.get(option[0][0])
        found[grammar.key(option)] = text == "true" if option[1] == "flag" else text
    return _given(found)


def _check_number(ctx: click.Context, least: int, most: int, number: int) -> None:
    """Refuse a wrong number of positionals in runc's words."""
    if least <= number <= most:
        return
    if least == most:
        limit = f"exactly {least}"
    else:
        limit = f"a minimum of {least}" if number < least else f"a maximum of {most}"
    raise _WrongNumber(f'{grammar.NAME}: "{ctx.info_name}" requires {limit} argument(s)', ctx)


def _misread(problem: click.UsageError, settings: Values) -> Misread:
    """Print the help that belongs to `problem` and return it in runc's words."""
    text = problem.format_message()
    if isinstance(problem, click.NoSuchOption):
        text = f"flag provided but not defined: -{problem.option_name.lstrip('-')}"
        if problem.possibilities:
            text += f" (did you mean {' or '.join(sorted(problem.possibilities))}?)"
    short = isinstance(problem, _WrongNumber)
    _show_help("Incorrect Usage." if short else f"Incorrect Usage: {text}", problem.ctx)
    return Misread(text, settings)


def _context(command: str) -> click.Context:
    """Return the context in which the help of `command` ("" for the program) is shown."""
    whole = program()
    top = click.Context(whole, info_name=grammar.NAME)
    return click.Context(whole.commands[command], top, command) if command else top


def _show_help(sentence: str, ctx: click.Context | None) -> None:
    """Print a sentence and the help on standard output."""
    click.echo(f"{sentence}\n\n{ctx.get_help() if ctx else ''}")
