"""Messages of D-Bus as bytes: what the systemd driver writes and reads (D-Bus specification).

Written here, since jeepney, which serves this best, costs a create 13 ms to load and this costs
less than one. It stays the authority: a property test holds both to the same bytes.

Values are those of Python: integers, bool, float, str (also for `o` and `g`), lists for arrays
(bytes for `ay`), dicts for arrays of entries, tuples for structures, (signature, value) for `v`.
"""

from __future__ import annotations

import _struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION = 1, 2, 3, 4, 5, 6
SENDER, SIGNATURE = 7, 8
NO_REPLY_EXPECTED = 1
HEAD = 16  # bytes that tell how long the message is
LONGEST = 1 << 27
_KINDS = {PATH: "o", REPLY_SERIAL: "u", SIGNATURE: "g"}  # of header fields; "s" for the others
_FAULT: type[Exception] = _struct.error  # type: ignore[attr-defined]
_LITTLE, _VERSION = ord("l"), 1
_FIRST = _struct.Struct("<BBBBII")
_LENGTH = _struct.Struct("<I")
_LONGEST_SIGNATURE = 255
_DEEPEST = 64  # levels of types in types
_FIXED = {
    "y": _struct.Struct("<B"),
    "b": _LENGTH,
    "n": _struct.Struct("<h"),
    "q": _struct.Struct("<H"),
    "i": _struct.Struct("<i"),
    "u": _LENGTH,
    "x": _struct.Struct("<q"),
    "t": _struct.Struct("<Q"),
    "d": _struct.Struct("<d"),
}
_ALIGNED = {"(": 8, "{": 8, "g": 1, "v": 1}  # 4 for strings and arrays, their own size for numbers


class Malformed(ValueError):
    """These bytes are no message, or a value is not of its type."""


class Message:
    """One message that was read.

    Attributes:
        kind: CALL, RETURN, ERROR or SIGNAL.
        fields: of the header, by number.
        body: the values.
    """

    __slots__ = ("body", "fields", "kind")

    def __init__(self, kind: int, fields: dict[int, Any], body: list[Any]) -> None:
        self.kind, self.fields, self.body = kind, fields, body


def call(
    serial: int,
    fields: dict[int, Any],
    signature: str = "",
    body: tuple[Any, ...] = (),
    flags: int = 0,
) -> bytes:
    """Return the bytes of a call of a method.

    Args:
        serial: its number, not 0.
        fields: of the header, without the signature.
        signature: types of the body.
        body: the values.
        flags: NO_REPLY_EXPECTED or 0.

    Raises:
        Malformed: a value is not of its type, or out of its range.
    """
    written = bytearray()
    for kind, value in zip(split(signature), body, strict=True):
        _write(written, kind, value)
    named = {**fields, SIGNATURE: signature} if signature else fields
    told = [(number, (_KINDS.get(number, "s"), value)) for number, value in sorted(named.items())]
    head = bytearray(_FIRST.pack(_LITTLE, CALL, flags, _VERSION, len(written), serial))
    _write(head, "a(yv)", told)
    _pad(head, 8)
    return bytes(head + written)


def size(head: bytes) -> int:
    """Return how many bytes the message has that begins with these `HEAD` bytes.

    Raises:
        Malformed: it is no message of this byte order, or too long.
    """
    order, _, _, version, body, _ = _FIRST.unpack_from(head)
    (fields,) = _LENGTH.unpack_from(head, _FIRST.size)
    whole = HEAD + (fields + 7 & ~7) + body
    if order != _LITTLE or version != _VERSION or whole > LONGEST:
        raise Malformed("no message of D-Bus")
    return int(whole)


def read(data: bytes) -> Message:
    """Read one whole message.

    Raises:
        Malformed: it is none.
    """
    try:
        _, kind, _, _, _, _ = _FIRST.unpack_from(data)
        told, at = _read("a(yv)", data, _FIRST.size, 0)
        fields = {number: value for number, (_, value) in told}
        at, body = at + 7 & ~7, []
        for each in split(fields.get(SIGNATURE, "")):
            value, at = _read(each, data, at, 0)
            body.append(value)
    except (_FAULT, IndexError, UnicodeError) as error:
        raise Malformed(str(error)) from None
    return Message(kind, fields, body)


def split(signature: str) -> list[str]:
    """Return the single complete types of a signature.

    Raises:
        Malformed: it is none.
    """
    found, at = [], 0
    while at < len(signature):
        end = _end(signature, at, 0)
        found.append(signature[at:end])
        at = end
    return found


def _end(signature: str, at: int, depth: int) -> int:
    """Return where the type ends that begins at `at`."""
    sign = signature[at : at + 1]
    if depth > _DEEPEST or not sign:
        raise Malformed(f"bad signature {signature!r}")
    if sign == "a":
        return _end(signature, at + 1, depth + 1)
    if sign in "({":
        end, at = (")" if sign == "(" else "}"), at + 1
        if signature[at : at + 1] == end:
            raise Malformed(f"bad signature {signature!r}")
        while signature[at : at + 1] != end:
            at = _end(signature, at, depth + 1)
        return at + 1
    if sign in _FIXED or sign in "sogv":
        return at + 1
    raise Malformed(f"bad signature {signature!r}")


def _alignment(kind: str) -> int:
    if kind[0] in _FIXED:
        return _FIXED[kind[0]].size
    return _ALIGNED.get(kind[0], 4)


def _pad(written: bytearray, boundary: int) -> None:
    written += bytes(-len(written) % boundary)


def _write(written: bytearray, kind: str, value: Any) -> None:
    """Append one value; alignment counts from the beginning of the message's part."""
    sign = kind[0]
    _pad(written, _alignment(kind))
    if sign in _FIXED:
        try:
            written += _FIXED[sign].pack(bool(value) if sign == "b" else value)
        except _FAULT as error:
            raise Malformed(f"{value!r} is not of type {sign}: {error}") from None
    elif sign in "so":
        text = _text(value)
        written += _LENGTH.pack(len(text)) + text + b"\0"
    elif sign == "g":
        text = _text(value)
        if len(text) > _LONGEST_SIGNATURE:
            raise Malformed("a signature that is too long")
        written += bytes((len(text),)) + text + b"\0"
    elif sign == "v":
        _write(written, "g", value[0])
        _write(written, value[0], value[1])
    elif sign == "a":
        _write_array(written, kind[1:], value)
    else:
        for each, part in zip(split(kind[1:-1]), value, strict=True):
            _write(written, each, part)


def _text(value: str) -> bytes:
    try:
        text = value.encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed(f"{value!r} is no text") from None
    if b"\0" in text:
        raise Malformed("a text with a zero byte")
    return text


def _write_array(written: bytearray, kind: str, values: Any) -> None:
    """Append an array: its size in bytes, without the padding before its first element."""
    place = len(written)
    written += bytes(4)
    _pad(written, _alignment(kind))
    begin = len(written)
    if kind == "y":
        written += bytes(values)
    else:
        for each in values.items() if kind[0] == "{" else values:
            _write(written, kind, each)
    written[place : place + 4] = _LENGTH.pack(len(written) - begin)


def _read(kind: str, data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """Return the value at `at`, and where the next begins."""
    if depth > _DEEPEST:
        raise Malformed("types within types without end")
    sign = kind[0]
    at += -at % _alignment(kind)
    if sign in _FIXED:
        (value,) = _FIXED[sign].unpack_from(data, at)
        return (bool(value) if sign == "b" else value), at + _FIXED[sign].size
    if sign in "sog":
        length, at = (
            (data[at], at + 1) if sign == "g" else (_LENGTH.unpack_from(data, at)[0], at + 4)
        )
        if at + length >= len(data):
            raise Malformed("a text that ends behind the message")
        return data[at : at + length].decode("utf-8"), at + length + 1
    if sign == "v":
        held, at = _read("g", data, at, depth)
        if len(split(held)) != 1:
            raise Malformed(f"a variant of {held!r}")
        value, at = _read(held, data, at, depth + 1)
        return (held, value), at
    if sign == "a":
        return _read_array(kind[1:], data, at, depth + 1)
    parts = []
    for each in split(kind[1:-1]):
        part, at = _read(each, data, at, depth + 1)
        parts.append(part)
    return tuple(parts), at


def _read_array(kind: str, data: bytes, at: int, depth: int) -> tuple[Any, int]:
    (length,) = _LENGTH.unpack_from(data, at)
    at += 4
    at += -at % _alignment(kind)
    end = at + length
    if end > len(data):
        raise Malformed("an array that ends behind the message")
    if kind == "y":
        return data[at:end], end
    found = []
    while at < end:
        value, after = _read(kind, data, at, depth)
        if after == at:
            raise Malformed("an element of no size")
        found.append(value)
        at = after
    return (dict(found) if kind[0] == "{" else found), at
