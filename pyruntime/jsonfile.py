"""Reading and writing JSON, with errors that name line and column.

The package `json` costs 5.8 ms because its Python half needs `re`; the work is done by the C half,
`_json`, which is used here directly. Where a Python lacks that private form, `json` itself is
used; a test feeds both the same texts. What is wrong with a broken document is told by
`jsonfault`, which is loaded only then.

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
encode_basestring: Text = half.encode_basestring
encode_basestring_ascii: Text = half.encode_basestring_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn

    Scan = Callable[[str, int], tuple[Any, int]]
    Text = Callable[[str], str]

_SPACE = " \t\n\r"
_INFINITY = float("inf")


def _constant(text: str) -> NoReturn:
    raise ValueError(text)  # NaN, Infinity, -Infinity


def _fraction(text: str) -> float:
    number = float(text)
    if number in (_INFINITY, -_INFINITY):
        raise ValueError(text)
    return number


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


def _scanner() -> Scan:
    """Return the scanner that this Python has."""
    if make_scanner is not None:
        return private_scanner(int)
    from pyruntime import jsonfault

    return jsonfault.public_scanner(int)


_scan = _scanner()


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
        from pyruntime import jsonfault

        raise jsonfault.trailing(text, where, rest)
    return value


def _refusal(text: str, where: str, start: int) -> errors.RuntimeFailure:
    """Have it explained; a sealed init cannot import, and its peer sends no broken JSON."""
    try:
        from pyruntime import jsonfault
    except ImportError:
        return errors.RuntimeFailure(f"{where}: not a JSON document")
    return jsonfault.refusal(text, where, start)


def decode_bytes(data: bytes, where: str) -> Any:
    """Return the value of a UTF-8 document; the errors are those of `decode`."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        from pyruntime import jsonfault

        raise jsonfault.not_unicode(data, where, error.start) from None
    return decode(text, where)


def _foreign(value: object) -> NoReturn:
    raise TypeError(f"JSON has no form for a {type(value).__name__}")


def private_encoder(text: Text, *, sort: bool = False) -> Callable[[Any], str]:
    """Return the C encoder; `text` writes the strings."""
    # …, skipkeys, allow_nan; no markers: what is written here has no circles.
    parts = make_encoder(None, _foreign, text, None, ":", ",", sort, False, False)  # noqa: FBT003
    return lambda value: "".join(parts(value, 0))


def encoder(text: Text, *, sort: bool = False) -> Callable[[Any], str]:
    """Return the encoder that this Python has; `text` writes the strings."""
    if make_encoder is not None:
        return private_encoder(text, sort=sort)
    from pyruntime import jsonfault

    return jsonfault.public_encoder(text, sort=sort)


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
    # Without an exception, for which an interpreter looks up a codec: a sealed init has none.
    return text.isascii() or text.encode("utf-8", "ignore") == text.encode("utf-8", "surrogatepass")


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
