"""Names that the schema does not know: ignored by create, as they must be, told by `validate`.

A runtime "MUST … ignore" unknown properties (config.md, "Extensibility"), so a misspelt name is
the mistake that nobody hears of.
"""

from __future__ import annotations

from pyruntime import jsonfile
from pyruntime.spec import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pyruntime.errors import Problem

# The other systems of runtime-spec.
_PLATFORMS = ("freebsd", "solaris", "vm", "windows", "zos")


def unknown(config: Any, schema: dict[str, Any]) -> list[Problem]:
    """Return (JSON pointer, sentence) for each name of `config`, of any shape, that is ignored."""
    return list(_names(config, schema, schema, ""))


def _names(
    value: Any, node: dict[str, Any], schema: dict[str, Any], place: str
) -> Iterator[Problem]:
    """Walk a value along its node of the schema; what does not fit is not looked at."""
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
    if isinstance(value, list) and "items" in node:
        for number, item in enumerate(value):
            yield from _names(item, node["items"], schema, f"{place}/{number}")
    elif isinstance(value, dict) and node.get("type") == "object":
        known, other = node.get("properties", {}), node.get("additionalProperties")
        for name, item in value.items():
            below = known.get(name, other)
            if below is None and "propertyNames" in node:
                continue  # the schema refuses it, which is told as a problem
            if below is None:
                yield place + jsonfile.step(name), _ignored(name, known, top=not place)
            elif below.get("description", "").endswith("; ignored"):
                yield place + jsonfile.step(name), f"is {below['description']}"
            else:
                yield from _names(item, below, schema, place + jsonfile.step(name))


def _ignored(name: str, known: dict[str, Any], *, top: bool) -> str:
    """Say that a name is ignored, and which known one may be meant."""
    if top and name in _PLATFORMS:
        return "is not for Linux; ignored"
    meant = explain.nearest(name, known)
    return "unknown key, ignored" + (f'; did you mean "{meant}"?' if meant else "")
