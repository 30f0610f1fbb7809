"""Reading and writing JSON, with errors that name line and column.

The package `json` costs 5.8 ms because its Python half needs `re`; the work is done by the C half,
`_json`, which is used here directly. Where a Python lacks that private form, `json` itself is
used; a test feeds both the same texts. `json` is also imported to explain a broken document.

A number with a fraction that is too large for a float and the words NaN and Infinity are refused:
RFC 8259 has none of them, and Go's readers refuse them too.
"""

from __future__ import annotations

from pyruntime import errors

try:
    import _json as half

    make_scanner: Any = half.make_scanner
    make_encoder: Any = half.make_encoder
except (ImportError, AttributeError):  # pragma: no cover - a Python without that half
    import json.encoder as half  # type: ignore[no-redef]

    make_scanner = make_encoder = None
encode_basestring: Text = half.encode_basestring  # type: ignore[attr-defined]
encode_basestring_ascii: Text = half.encode_basestring_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn

    Scan = Callable[[str, int], tuple[Any, int]]
    Text = Callable[[str], str]

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


class Context:
    """What the scanner of `_json` asks of its owner; `whole` reads integers."""

    strict = True
    object_hook = object_pairs_hook = array_hook = None  # array_hook: Python 3.15
    parse_float = staticmethod(_fraction)
    parse_constant = staticmethod(_constant)

    def __init__(self, whole: Callable[[str], int]) -> None:
        self.parse_int = whole
        self.memo: dict[str, str] = {}


def private_scanner(whole: Callable[[str], int]) -> Scan:
    """Return the C scanner alone; raises TypeError where `_json` has none."""
    scan: Scan = make_scanner(Context(whole))
    return scan


def public_scanner(whole: Callable[[str], int]) -> Scan:
    """Return the scanner of the package `json`, the documented road to the same."""
    from json import JSONDecoder

    decoder = JSONDecoder(parse_float=_fraction, parse_int=whole, parse_constant=_constant)
    scan: Scan = decoder.scan_once  # type: ignore[attr-defined]
    return scan


_scan = (public_scanner if make_scanner is None else private_scanner)(int)


def decode(text: str, where: str) -> Any:
    """Return the value that `text` holds.

    Of a name given twice in one object the last value counts, as in every common reader.

    Args:
        text: one JSON document, white space around it allowed.
        where: name of the file or message, for errors.

    Raises:
        errors.RuntimeFailure: `where: line L column C: …`, both counted from 1.
    """
    start = len(text) - len(text.lstrip(_SPACE))
    try:
        value, end = _scan(text, start)
    except (StopIteration, ValueError, RecursionError, SystemError):
        raise _refusal(text, where, start) from None
    rest = text[end:].lstrip(_SPACE)
    if rest:
        position = len(text) - len(rest)
        found = _shown(rest[0])
        raise _failure(text, where, position, f"found {found} after the end of the document")
    return value


def decode_bytes(data: bytes, where: str) -> Any:
    """Return the value of a UTF-8 document; the errors are those of `decode`."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        octet = f"byte 0x{data[error.start]:02x}"
        raise _failure(before, where, len(before), f"{octet} is not valid UTF-8") from None
    return decode(text, where)


def _refusal(text: str, where: str, start: int) -> errors.RuntimeFailure:
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


def _foreign(value: object) -> NoReturn:
    raise TypeError(f"JSON has no form for a {type(value).__name__}")


def private_encoder(text: Text, *, sort: bool = False) -> Callable[[Any], str]:
    """Return the C encoder; `text` writes the strings."""
    # …, skipkeys, allow_nan; no markers: what is written here has no circles.
    parts = make_encoder(None, _foreign, text, None, ":", ",", sort, False, False)  # noqa: FBT003
    return lambda value: "".join(parts(value, 0))


def public_encoder(text: Text, *, sort: bool = False) -> Callable[[Any], str]:
    """Return the encoder of the package `json`, the documented road to the same."""
    from json import JSONEncoder

    return JSONEncoder(
        ensure_ascii=text is encode_basestring_ascii, check_circular=False,
        allow_nan=False, sort_keys=sort, separators=(",", ":"),
    ).encode  # fmt: skip


encoder = public_encoder if make_encoder is None else private_encoder


def encode(value: Any, *, sort: bool = False) -> str:
    """Return `value` as JSON without white space.

    The text can always be written as UTF-8: half a surrogate pair, as Python has them for bytes of
    a file name that are not UTF-8, is written as an escape, and `decode` gives it back.
    """
    text = encoder(encode_basestring, sort=sort)(value)
    return text if _is_unicode(text) else encoder(encode_basestring_ascii, sort=sort)(value)


def is_unicode(value: Any) -> bool:
    r"""Tell whether no string in `value` holds half a surrogate pair, as "\ud800" alone gives.

    Raises:
        errors.RuntimeFailure: it is nested too deeply to be looked at.
    """
    try:
        return _is_unicode(encoder(encode_basestring)(value))
    except RecursionError:
        raise errors.RuntimeFailure("nested too deeply") from None


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def pointer(place: Iterable[object]) -> str:
    """Return a JSON pointer (RFC 6901) for people: control characters are escaped."""
    return "".join(map(step, place))


def step(name: object) -> str:
    """Return one step of such a pointer, with its slash."""
    return "/" + encode(str(name))[1:-1].replace("~", "~0").replace("/", "~1")


def encode_indented(value: Any, indent: str) -> str:
    """Return `value` as Go's `json.MarshalIndent(value, "", indent)` lays it out.

    Empty lists and objects stay on their line. Go's HTML escapes of <, > and & are not made.
    """
    return _laid_out(value, "\n", indent)


def _laid_out(value: Any, margin: str, indent: str) -> str:
    """Return `value`; `margin` is the line end and white space of the line that holds it."""
    inner = margin + indent
    if value and isinstance(value, dict):
        lines = [f"{encode(key)}: {_laid_out(item, inner, indent)}" for key, item in value.items()]
        return "{" + inner + f",{inner}".join(lines) + margin + "}"
    if value and isinstance(value, (list, tuple)):
        lines = [_laid_out(item, inner, indent) for item in value]
        return "[" + inner + f",{inner}".join(lines) + margin + "]"
    return encode(value)
