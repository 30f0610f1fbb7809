"""Everything that there is to say of a configuration: what `validate` tells.

Cold: it asks jsonschema and looks at every name. The words about wrong values are those with which
create and run refuse them (explain.py, rules.py).
"""

from __future__ import annotations

from pyruntime import jsonfile
from pyruntime.spec import explain, remarks, rules, supported, table, unknown, walk
from pyruntime.spec.explain import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.errors import Problem

_ALONE = (
    "only the first wrong value is told: the Python package jsonschema is missing"
    " (apt install python3-jsonschema)"
)


class Report:
    """What was found in a configuration.

    Attributes:
        problems: what create refuses.
        warnings: (JSON pointer or "", sentence) of what it accepts.
        unsupported: names of valid keys that this version cannot obey; create refuses these too.
    """

    __slots__ = ("problems", "unsupported", "warnings")

    def __init__(self) -> None:
        self.problems: list[Finding] = []
        self.warnings: list[Problem] = []
        self.unsupported: list[str] = []


def report(config: Any) -> Report:
    """Look at a configuration of any shape."""
    told = Report()
    unsafe: list[str] = []
    try:
        walk.walk(config, table.CONFIG)
    except walk.Refused as refused:
        told.problems, unsafe = explain.wrong_values(config, refused)
    told.problems += [
        Finding(pointer, sentence, shown_at(config, pointer))
        for pointer, sentence in rules.broken(config, except_near=unsafe)
    ]
    told.warnings = unknown.unknown(config, explain.schema("config"))
    told.warnings += remarks.remarks(config, unsafe)
    told.warnings += [("", _ALONE)] if unsafe == [""] and told.problems[0].pointer else []
    sound: Any = _without(config, unsafe)
    told.warnings += [("", sentence) for sentence in rules.warnings(sound)]
    told.unsupported = supported.wanting(sound)
    return told


def shown_at(config: Any, pointer: str) -> str:
    """Return the value at a pointer in words, "" where there is none."""
    value = config
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return ""
    return explain.shown(value)


def _without(config: Any, wrong: list[str]) -> dict[str, Any]:
    """Return the configuration without those of its blocks, or of their members, that are wrong."""
    if "" in wrong:
        return {}
    sound = dict(config)
    for pointer in wrong:
        block, _, below = pointer[1:].partition("/")
        member = below.partition("/")[0]
        inner = sound.get(block)
        if member and isinstance(inner, dict):
            sound[block] = {name: item for name, item in inner.items() if name != member}
        else:
            sound.pop(block, None)
    return sound


def encoded(told: Report) -> str:
    """Return a report as one JSON document; the form is told in command/validate.py."""
    document = {
        "valid": not told.problems,
        "problems": [_object(finding) for finding in told.problems],
        "warnings": [{"pointer": place, "sentence": said} for place, said in told.warnings],
        "unsupported": told.unsupported,
    }
    return jsonfile.encode_indented(document, "  ")


def _object(finding: Finding) -> dict[str, str]:
    known = {slot: getattr(finding, slot) for slot in ("found", "allowed", "meant")}
    told = {name: text for name, text in known.items() if text}
    return {"pointer": finding.pointer, "sentence": finding.sentence, **told}
