"""The walk through a configuration, or a part of it, and the table of its shape side by side.

It stops at the first value that the schema would refuse. It may only agree with jsonschema or stand
aside: what it accepts, jsonschema accepts (a property test).
"""

from __future__ import annotations

from pyruntime import jsonfile
from pyruntime.spec import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.spec.table import Node

_KINDS = {
    bool: "true or false", int: "an integer", str: "a string", list: "a list", dict: "an object",
}  # fmt: skip


class Refused(Exception):
    """The first value that does not fit: `pointer` (RFC 6901) to it and a `sentence` about it."""

    def __init__(self, sentence: str, missing: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.pointer = missing and "/" + missing

    def within(self, name: object) -> None:
        """Note on the way up that the value was the member `name`."""
        self.pointer = jsonfile.step(name) + self.pointer


def walk(value: Any, node: Node) -> None:
    """Compare `value` with a node of the table; raise Refused at the first difference."""
    kind = node[0]
    if type(value) is not kind:
        raise Refused(f"must be {_KINDS[kind]}")
    if kind is str:
        words, form = node[1], node[2]
        if words is not None:
            if value not in words:
                raise Refused(f"must be one of {', '.join(words)}")
        elif form is not None and not form(value):
            raise Refused(f"is not a valid {form.__name__.replace('_', ' ')}")
    elif kind is dict:
        _walk_object(value, node)
    elif kind is list:
        _walk_list(value, node)
    elif kind is int and not node[1] <= value <= node[2]:
        raise Refused(f"must be from {node[1]} to {node[2]}")


def _walk_object(value: dict[str, Any], node: Node) -> None:
    _, known, required, other, names = node
    for name in required:
        if name not in value:
            raise Refused("is missing", name)
    name = ""
    try:
        for name, item in value.items():
            below = known.get(name, other)
            if below is not None:
                walk(item, below)
            if names is not None:
                walk(name, names)
    except Refused as refused:
        refused.within(name)
        raise


def _walk_list(value: list[Any], node: Node) -> None:
    _, below, least = node
    if len(value) < least:
        raise Refused("must not be empty")
    if below is table.TEXT:  # the long lists: names of system calls; join looks at all in C
        try:
            if "\0" not in "".join(value):
                return
        except TypeError:
            pass
    place = 0
    try:
        for place, item in enumerate(value):  # noqa: B007 - the place is for the error
            walk(item, below)
    except Refused as refused:
        refused.within(place)
        raise
