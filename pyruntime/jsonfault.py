"""What is wrong with a JSON document, in plain words; and `json` as jsonfile's authority."""

from __future__ import annotations

from pyruntime import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from pyruntime.jsonfile import Scan, Text

_SENTENCES = (
    ("Unterminated string", "the string that begins here has no end"),
    ("Invalid control", "a line end, tab or other control character stands inside a string"),
    ("Invalid \\", "a backslash in a string is followed by something that is no escape"),
    ("Expecting ','", "found {} where a comma or a closing bracket should be"),
    ("Expecting ':'", "found {} where a colon should be"),
    ("Expecting property name", 'found {} where a name in double quotes ("name") should be'),
)
_SPACE = " \t\n\r"
_MARK = "\ufeff"
_INFINITY = float("inf")


class _Literal(ValueError):
    """A word or number that cannot be taken: `text` as written, `sentence` about it."""

    def __init__(self, text: str, sentence: str) -> None:
        super().__init__(text)
        self.text, self.sentence = text, sentence


def _constant(text: str) -> NoReturn:
    raise _Literal(text, f"{text} is not a JSON value")


def _fraction(text: str) -> float:
    number = float(text)
    if number in (_INFINITY, -_INFINITY):
        raise _Literal(text, "the number is too large")
    return number


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _Literal(text, f"the number is too large ({len(text)} digits)") from None


def public_scanner(whole: Callable[[str], int]) -> Scan:
    """Return the scanner of the package `json`, the documented road to the same."""
    from json import JSONDecoder

    decoder = JSONDecoder(parse_float=_fraction, parse_int=whole, parse_constant=_constant)
    scan: Scan = decoder.scan_once  # type: ignore[attr-defined]
    return scan


def public_encoder(text: Text, *, sort: bool = False) -> Callable[[Any], str]:
    """Return the encoder of the package `json`, the documented road to the same."""
    from json import JSONEncoder

    from pyruntime import jsonfile

    return JSONEncoder(
        ensure_ascii=text is jsonfile.encode_basestring_ascii, check_circular=False,
        allow_nan=False, sort_keys=sort, separators=(",", ":"),
    ).encode  # fmt: skip


def refusal(text: str, where: str, start: int) -> errors.RuntimeFailure:
    """Read `text` again by the package `json`, which can say what is wrong.

    The C half alone cannot: it looks up json's error class among the loaded modules, and without
    it fails with a SystemError. A sealed init cannot import, and its peer sends no broken JSON.
    """
    try:
        public_scanner(_whole)(text, start)
    except StopIteration as stop:
        return _broken(text, where, stop.value, "")
    except _Literal as literal:
        return _failure(text, where, _outside_strings(text, literal.text), literal.sentence)
    except ValueError as error:
        return _broken(text, where, getattr(error, "pos", 0), str(getattr(error, "msg", "")))
    except RecursionError:
        return errors.RuntimeFailure(f"{where}: nested too deeply")
    except ImportError:
        pass
    return errors.RuntimeFailure(f"{where}: not a JSON document")


def _outside_strings(text: str, word: str) -> int:
    """Return where `word` first stands outside a string; the text before it is known to be good."""
    start = 0
    while True:
        quote = text.find('"', start)
        found = text.find(word, start, len(text) if quote < 0 else quote)
        if found >= 0 or quote < 0:
            return max(found, 0)
        start = quote + 1
        while text[start] != '"':
            start += 2 if text[start] == "\\" else 1
        start += 1


def _broken(text: str, where: str, position: int, message: str) -> errors.RuntimeFailure:
    """Say in plain words what is wrong; `message` is the scanner's, "" where it found no value."""
    if text.startswith(_MARK):
        return _failure(text, where, 0, "begins with a byte order mark; save it as UTF-8 without")
    if message.startswith("Illegal trailing comma"):  # Python 3.13 points at the comma itself
        position += 1
    rest = text[position:]
    if not message.startswith(("Unterminated", "Invalid")):
        rest = rest.lstrip(_SPACE)
        position = len(text) - len(rest)
    form = "found {} where a value should begin"
    if rest[:1] in ("}", "]") and text[:position].rstrip(_SPACE).endswith(","):
        form = "a comma stands before {}"
    else:
        form = next((own for start, own in _SENTENCES if message.startswith(start)), form)
    found = _shown(rest[0]) if rest else "the end of the document"
    return _failure(text, where, position, form.format(found))


def _shown(character: str) -> str:
    return repr(character) if character.isprintable() else f"the character U+{ord(character):04X}"


def _failure(text: str, where: str, position: int, sentence: str) -> errors.RuntimeFailure:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return errors.RuntimeFailure(f"{where}: line {line} column {column}: {sentence}")


def trailing(text: str, where: str, rest: str) -> errors.RuntimeFailure:
    """Say what stands after the end of the document."""
    position = len(text) - len(rest)
    return _failure(text, where, position, f"found {_shown(rest[0])} after the end of the document")


def not_unicode(data: bytes, where: str, start: int) -> errors.RuntimeFailure:
    """Name the byte that is not UTF-8."""
    before = data[:start].decode()
    return _failure(before, where, len(before), f"byte 0x{data[start]:02x} is not valid UTF-8")
