"""The types for mypy say what the schema says."""

from __future__ import annotations

import typing

from pyruntime.spec import explain, shapes

SCHEMA = explain.schema("config")
DEFINITIONS = SCHEMA["$defs"]
# What check() adds to the schema: rules refuse a configuration without these.
RULED = {"root", "process"}
PLAIN = {"boolean": bool, "integer": int, "string": str}


def resolved(node):
    while "$ref" in node:
        node = DEFINITIONS[node["$ref"].removeprefix("#/$defs/")]
    return node


def is_required(shape, hint):
    return shape.__total__ and typing.get_origin(hint) is not typing.NotRequired


def compare(shape, node, place, seen):
    """Compare one type with one node of the schema, and all below them."""
    node = resolved(node)
    origin, arguments = typing.get_origin(shape), typing.get_args(shape)
    if origin is typing.NotRequired:
        compare(arguments[0], node, place, seen)
    elif origin is typing.Literal:
        assert set(arguments) == set(node["enum"]), place
    elif origin is list:
        assert node["type"] == "array", place
        compare(arguments[0], node["items"], f"{place}[]", seen)
    elif origin is dict:
        assert arguments[0] is str, place
        assert not node.get("properties"), place
        compare(arguments[1], node["additionalProperties"], f"{place}.*", seen)
    elif typing.is_typeddict(shape):
        seen.add(shape)
        hints = typing.get_type_hints(shape, include_extras=True)
        assert set(hints) == set(node["properties"]), place
        ruled = RULED if place == "config" else set()
        wanted = {name for name, hint in hints.items() if is_required(shape, hint)}
        assert wanted == set(node.get("required", ())) | ruled, place
        for name, below in hints.items():
            compare(below, node["properties"][name], f"{place}.{name}", seen)
    else:
        assert shape is PLAIN[node["type"]], place


def test_keys_required_keys_and_kinds_are_those_of_the_schema():
    seen = set()
    compare(shapes.Config, SCHEMA, "config", seen)
    every = {thing for thing in vars(shapes).values() if typing.is_typeddict(thing)}
    assert seen == every
