"""JSON of flat objects with plain strings, read and written without the C half of `json`.

Loading that half costs as much as the rest of a short command; the states of most containers need
none of it. What is not plain gives None, and `jsonfile`, the authority, is asked instead: a
property test holds the two to the same answers.
"""

from __future__ import annotations

_WORDS = {"true": True, "false": False, "{}": {}}
_LONGEST_NUMBER = 18


def write(document: dict[str, object]) -> str | None:
    """Return an object, a member a line; None unless all of it is plain."""
    return _laid_out(document, '"', '":')


def indented(document: dict[str, object]) -> str | None:
    """Return an object as Go's MarshalIndent with two spaces; None unless all of it is plain."""
    return _laid_out(document, '  "', '": ') if document else "{}"


def _laid_out(document: dict[str, object], before: str, after: str) -> str | None:
    """Return an object with what is to stand before and after each name."""
    lines = []
    for name, value in document.items():
        text = _written(value)
        if text is None or not _is_plain(name):
            return None
        lines.append(before + name + after + text)
    return "{\n" + ",\n".join(lines) + "\n}"


def read(text: str) -> dict[str, object] | None:
    """Return the object that `write` laid down; None for any other text."""
    if text[:2] != "{\n" or text[-2:] != "\n}":
        return None
    document: dict[str, object] = {}
    for line in text[2:-2].split(",\n"):
        name, colon, value = line[1:].partition('":')
        if line[:1] != '"' or not colon or not _is_plain(name):
            return None
        inner = value[1:-1]
        if value[:1] == '"' and value[-1:] == '"' and len(value) > 1 and _is_plain(inner):
            document[name] = inner
        elif value in _WORDS:
            document[name] = {} if value == "{}" else _WORDS[value]
        elif _is_number(value):
            document[name] = int(value)
        else:
            return None
    return document


def _written(value: object) -> str | None:
    """Return a plain value's text."""
    if isinstance(value, str):
        return f'"{value}"' if _is_plain(value) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        text = str(value)
        return text if _is_number(text) else None
    return "{}" if value == {} else None


def _is_plain(text: str) -> bool:
    """Tell whether a string stands for itself between quotes, and on one line of ours."""
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


def _is_number(text: str) -> bool:
    """Tell whether this is a whole number without a sign, as JSON has it."""
    digits = text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    return digits and (text[0] != "0" or text == "0")
