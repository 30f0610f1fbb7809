"""Values of D-Bus as text: what annotations `org.systemd.property.NAME` hold.

The grammar is that of GVariant's text format (docs.gtk.org/glib, "GVariant Text Format"), as runc
and crun read it: `true`, `'text'`, `5` (an int32), `uint64 5`, `@t 5`, `1.5`, `b'bytes'`,
`['a', 'b']`, `(1, 'a')`, `{'key': <5>}`.
"""

from __future__ import annotations

from pyruntime.feature.cgroup import message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # (signature, value), as message.py takes them
    Typed = tuple[str, Any]

_TYPES = {
    "byte": "y", "boolean": "b", "int16": "n", "uint16": "q", "int32": "i", "uint32": "u",
    "int64": "x", "uint64": "t", "double": "d", "string": "s", "objectpath": "o", "signature": "g",
}  # fmt: skip
_RANGES = {
    "y": (0, 255), "n": (-(1 << 15), (1 << 15) - 1), "q": (0, (1 << 16) - 1),
    "i": (-(1 << 31), (1 << 31) - 1), "u": (0, (1 << 32) - 1),
    "x": (-(1 << 63), (1 << 63) - 1), "t": (0, (1 << 64) - 1),
}  # fmt: skip
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\n": ""}
_LONG_ESCAPES = {"u": 4, "U": 8}
_SIGNS = frozenset("ybnqiuxtdsogva(){}")
_ENDS = "[](){}<>,:'\""
_DEEPEST = 32


class Unreadable(message.Malformed):
    """The text is no value; says what is wrong with it."""


def read(text: str) -> Typed:
    """Return the signature and the value of a text.

    Raises:
        Unreadable: it is none.
    """
    reader = _Reader(text)
    found = reader.value("", 0)
    if reader.sign():
        raise Unreadable(f"nothing may follow the value, here {reader.text[reader.at :]!r} does")
    return found


class _Reader:
    """A text and the place up to which it has been read."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def sign(self) -> str:
        """Return the next sign that is no space, without taking it; "" at the end."""
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def take(self, sign: str) -> bool:
        """Take this sign if it comes next."""
        if self.sign() != sign:
            return False
        self.at += 1
        return True

    def demand(self, sign: str) -> None:
        if not self.take(sign):
            found = self.sign()
            raise Unreadable(f"{sign!r} expected, " + (f"found {found!r}" if found else "it ends"))

    def value(self, kind: str, depth: int) -> Typed:
        """Read one value, of a type that is given or, where it is "", told by the value itself."""
        sign = self.sign()
        if depth > _DEEPEST:
            raise Unreadable("too deep")
        if not sign:
            raise Unreadable("a value is missing")
        if sign in "'\"":
            return self._string(kind)
        if sign in "[({<":
            self.at += 1
            read = {"[": self._array, "(": self._tuple, "{": self._dictionary, "<": self._variant}
            return read[sign](kind, depth + 1)
        return self._word(kind, depth)

    def _word(self, kind: str, depth: int) -> Typed:
        """Read what begins without a bracket or a quote: a name, a type, a number."""
        if self.take("@"):
            return self._typed(self._while(_SIGNS.__contains__), kind, depth)
        word = self._while(lambda sign: not sign.isspace() and sign not in _ENDS)
        if word == "b" and self.text[self.at : self.at + 1] in ("'", '"'):
            return _of("ay", kind, self._quoted(octets=True).encode("latin-1") + b"\0")
        if word in ("true", "false"):
            return _of("b", kind, word == "true")
        if word in _TYPES:
            return self._typed(_TYPES[word], kind, depth)
        return _number(word, kind)

    def _while(self, fits: Callable[[str], bool]) -> str:
        begin = self.at
        while self.at < len(self.text) and fits(self.text[self.at]):
            self.at += 1
        return self.text[begin : self.at]

    def _typed(self, told: str, kind: str, depth: int) -> Typed:
        """Read the value of a type that stands before it."""
        try:
            known = len(message.split(told)) == 1
        except message.Malformed:
            known = False
        if not known or kind not in ("", told):
            raise Unreadable(f"type {told!r} in the wrong place")
        return self.value(told, depth + 1)

    def _string(self, kind: str) -> Typed:
        return (kind if kind in ("o", "g") else _same("s", kind)), self._quoted()

    def _quoted(self, *, octets: bool = False) -> str:
        """Read a text between quotes; the escapes of octets are those of C."""
        quote, found = self.text[self.at], ""
        self.at += 1
        while (sign := self.text[self.at : self.at + 1]) != quote:
            self.at += 1
            if not sign:
                raise Unreadable("a text without its second quote")
            found += self._escape(octets=octets) if sign == "\\" else sign
        self.at += 1
        if octets and any(ord(sign) > 255 for sign in found):
            raise Unreadable("no byte")
        return found

    def _escape(self, *, octets: bool) -> str:
        sign = self.text[self.at : self.at + 1]
        self.at += 1
        if octets and sign in ("x", "0", "1", "2", "3"):
            return self._code(2, 16) if sign == "x" else self._code(3, 8, back=1)
        if not octets and sign in _LONG_ESCAPES:
            return self._code(_LONG_ESCAPES[sign], 16)
        return _ESCAPES.get(sign, sign)

    def _code(self, digits: int, base: int, back: int = 0) -> str:
        self.at -= back
        told = self.text[self.at : self.at + digits]
        self.at += digits
        try:
            return chr(int(told, base))
        except (ValueError, OverflowError):
            raise Unreadable(f"bad escape {told!r}") from None

    def _array(self, kind: str, depth: int) -> Typed:
        element = _element(kind, "a")
        found: list[Any] = []
        while not self.take("]"):
            if found:
                self.demand(",")
            element, value = self.value(element, depth)
            found.append(value)
        if not element:
            raise Unreadable("an empty array needs a type, as in @as []")
        return f"a{element}", bytes(found) if element == "y" else found

    def _tuple(self, kind: str, depth: int) -> Typed:
        _element(kind, "(")
        kinds = message.split(kind[1:-1]) if kind else []
        types: list[str] = []
        found: list[Any] = []
        while not self.take(")"):
            if found:
                self.demand(",")
                if self.take(")"):  # (1,)
                    break
            told, value = self.value(kinds[len(found)] if len(found) < len(kinds) else "", depth)
            types.append(told)
            found.append(value)
        return _of(f"({''.join(types)})", kind, tuple(found))

    def _dictionary(self, kind: str, depth: int) -> Typed:
        inner = _element(kind, "a{")
        key, held = inner[1:2], inner[2:-1]
        found: dict[Any, Any] = {}
        while not self.take("}"):
            if found:
                self.demand(",")
            key, name = self.value(key, depth)
            self.demand(":")
            held, value = self.value(held, depth)
            if len(key) != 1 or key == "v":
                raise Unreadable("a key of a dictionary is a plain value")
            found[name] = value
        if not key:
            raise Unreadable("an empty dictionary needs a type, as in @a{sv} {}")
        return f"a{{{key}{held}}}", found

    def _variant(self, kind: str, depth: int) -> Typed:
        held = self.value("", depth)
        self.demand(">")
        return _of("v", kind, held)


def _same(told: str, wanted: str) -> str:
    """Return the type of a value, if it is the one that was asked for or none was."""
    if wanted not in ("", told):
        raise Unreadable(f"a value of type {told} in the place of one of type {wanted}")
    return told


def _of(told: str, wanted: str, value: Any) -> Typed:
    return _same(told, wanted), value


def _element(kind: str, begin: str) -> str:
    """Return the type of the elements of an array, "" for one to be told by these."""
    if kind and not kind.startswith(begin):
        raise Unreadable(f"no value of type {kind}")
    return kind[1:]


def _number(word: str, kind: str) -> Typed:
    """Read a number; without a type it is an int32, or a double when it has a point."""
    try:
        if kind == "d" or (not kind and word[:2] != "0x" and set(word) & set(".eE")):
            return "d", float(word)
        digits = word.lstrip("+-")
        base = 16 if digits[:2] == "0x" else 8 if digits[:1] == "0" and len(digits) > 1 else 10
        number = int(word, base)
    except ValueError:
        raise Unreadable(f"{word or 'nothing'!r} is no value") from None
    if (kind or "i") not in _RANGES:
        raise Unreadable(f"a number in the place of a value of type {kind}")
    least, most = _RANGES[kind or "i"]
    if not least <= number <= most:
        raise Unreadable(f"{word} is out of the range of its type (as in uint64 {word})")
    return kind or "i", number
