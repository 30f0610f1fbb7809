"""Write table.py, the quick check's view of schema/config.json.

    python3 -m pyruntime.spec.compile_table

The schema is the only source. A node of the table is a tuple whose first member is the Python type
that the value must have, exactly (so true is no integer):

    (bool,)
    (int, least, greatest)
    (str, words or None, form or None)      a tuple of the allowed words; a function of forms.py
    (list, node of the items, least number of items)
    (dict, {name: node}, required names, node of other names or None, node of the names or None)
"""

from __future__ import annotations

import textwrap

from pyruntime.spec import explain, forms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NOTES = {"title", "description", "refusal", "$comment", "$schema", "$defs", "$ref", "type"}
WORDS: dict[str, set[str]] = {
    "boolean": set(),
    "integer": {"minimum", "maximum"},
    "string": {"enum", "pattern", "minLength"},
    "array": {"items", "minItems"},
    "object": {"properties", "required", "additionalProperties", "propertyNames"},
}
HEAD = '''\
"""The schema of config.json as the quick check walks it. Written by compile_table.py.

A node is (type, ...): see compile_table.py. Do not edit; change schema/config.json and run
`python3 -m pyruntime.spec.compile_table`.
"""
# fmt: off

from __future__ import annotations

from pyruntime.spec import forms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Node = tuple[Any, ...]
'''


class _Name:
    """A name that stands unquoted in the written file."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


def compiled(schema: dict[str, Any]) -> str:
    """Return the text of table.py for `schema`; raises ValueError for a keyword it cannot hold."""
    definitions = schema["$defs"]
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for other in _referred(definitions[name]):
                visit(other)
            order.append(name)

    for name in definitions:
        visit(name)
    parts = [_assignment(name, definitions[name]) for name in order]
    return "".join([HEAD, "\n", *parts, _assignment("Config", schema)])


def _referred(node: Any) -> list[str]:
    """Return the definitions that `node` names."""
    if isinstance(node, dict):
        own = [_target(node)] if isinstance(node.get("$ref"), str) else []
        return own + [name for part in node.values() for name in _referred(part)]
    return []


def _target(node: dict[str, Any]) -> str:
    return str(node["$ref"]).removeprefix("#/$defs/")


def _assignment(name: str, node: dict[str, Any]) -> str:
    body = repr(_node(node)).replace("'", '"')
    line = f"{_constant(name)}: Node = {body}"
    return textwrap.fill(line, 98, subsequent_indent="    ", break_on_hyphens=False) + "\n"


def _constant(name: str) -> str:
    """Return `SyscallRule` as `SYSCALL_RULE`."""
    return "".join("_" + c if c.isupper() and i else c for i, c in enumerate(name)).upper()


def _node(node: dict[str, Any]) -> Any:
    """Return the table's tuple for one schema node."""
    if "$ref" in node:
        if set(node) - {"$ref", "title", "description", "refusal"}:
            raise ValueError(f"only notes may stand beside $ref: {sorted(node)}")
        return _Name(_constant(_target(node)))
    kind = node["type"]
    unknown = set(node) - NOTES - WORDS[kind]
    if unknown:
        raise ValueError(f"the quick check does not know {sorted(unknown)} of a {kind}")
    return {"boolean": _flag, "integer": _integer, "string": _string, "array": _list,
            "object": _object}[kind](node)  # fmt: skip


def _flag(_node: dict[str, Any]) -> Any:
    return (_Name("bool"),)


def _integer(node: dict[str, Any]) -> Any:
    return (_Name("int"), node["minimum"], node["maximum"])


def _string(node: dict[str, Any]) -> Any:
    words = tuple(node["enum"]) if "enum" in node else None
    form = forms.BY_PATTERN[node["pattern"]] if "pattern" in node else None
    if node.get("minLength", 0) == 1:
        form = forms.not_empty
    return (_Name("str"), words, form and _Name(f"forms.{form.__name__}"))


def _list(node: dict[str, Any]) -> Any:
    return (_Name("list"), _node(node["items"]), node.get("minItems", 0))


def _object(node: dict[str, Any]) -> Any:
    properties = {name: _node(part) for name, part in node.get("properties", {}).items()}
    other, names = node.get("additionalProperties"), node.get("propertyNames")
    return (
        _Name("dict"), properties, tuple(node.get("required", ())),
        other and _node(other), names and _node(names),
    )  # fmt: skip


def main() -> None:
    """Write table.py anew."""
    text = compiled(explain.schema("config"))
    with open(__file__.replace("compile_table", "table"), "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
