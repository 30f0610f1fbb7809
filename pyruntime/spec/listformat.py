"""Lists of processors and memory nodes such as 0-3,7 (cpuset(7), "List format")."""

from __future__ import annotations

HIGHEST = 65535  # far beyond what any kernel counts to; a mask of it has 8 KiB


def ranges(text: str) -> list[tuple[int, int]]:
    """Return (first, last) of each part, in the order given; parts may be empty, as with runc.

    Raises:
        ValueError: a sentence about the first part that is no number and no range.
    """
    found = []
    for part in text.split(","):
        if stripped := part.strip(" "):
            first, dash, last = stripped.partition("-")
            low = _number(first, stripped)
            high = _number(last, stripped) if dash else low
            if low > high:
                raise ValueError(f'the range "{stripped}" runs backwards')
            found.append((low, high))
    return found


def _number(digits: str, part: str) -> int:
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f'"{part}" is neither a number nor a range')
    if len(digits) > len(str(HIGHEST)) or int(digits) > HIGHEST:
        raise ValueError(f'"{part}" is beyond {HIGHEST}')
    return int(digits)


def fault(text: str) -> str:
    """Return what is wrong with a list that is not empty, "" for nothing."""
    try:
        return "" if ranges(text) or not text else f'"{text}" names nothing'
    except ValueError as error:
        return str(error)


def mask(text: str) -> int:
    """Return the list as a number with one bit for each member.

    Raises:
        ValueError: as of `ranges`.
    """
    made = 0
    for low, high in ranges(text):
        made |= (1 << high + 1) - (1 << low)
    return made
