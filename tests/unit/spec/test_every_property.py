"""No property of the official schemas is ignored in silence: each is tested or refused by name."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from unit.spec import configs, obeyed
from unit.spec.test_schema import keys, own_keys

from pyruntime.spec import explain, supported

TESTS = Path(__file__).resolve().parents[2]
SCHEMA = explain.schema("config")
TABLES = {"TESTED": obeyed.TESTED, "WAITING": obeyed.WAITING, "IGNORED": obeyed.IGNORED}
FOREIGN = ("/vm", "/windows", "/solaris", "/zos", "/freebsd")


def properties():
    """Every property for Linux: of the official schema where it is at hand, else of ours."""
    found = set()
    directory = configs.official()
    if directory is None:
        own_keys(SCHEMA, SCHEMA["$defs"], found)
        return found
    document = json.loads((directory / "config-schema.json").read_text())
    keys(document, (directory, document), found)
    return {pointer for pointer in found if not pointer.startswith(FOREIGN)}


def test_every_property_stands_in_one_table():
    named = [pointer for table in TABLES.values() for pointer in table]
    assert sorted(properties() - set(named)) == [], "in no table of obeyed.py"
    assert sorted(set(named) - properties()) == [], "no such property"
    assert len(named) == len(set(named)), "in more than one table of obeyed.py"


def functions(file):
    return {
        node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("test", sorted({*obeyed.TESTED.values(), *obeyed.IGNORED.values()}))
def test_every_named_test_exists(test):
    file, _, name = test.partition("::")
    assert file.startswith(("functional/", "security/", "guest/")), "a test of a real container is wanted"
    assert name in functions(TESTS / f"{file}.py")


def has(value, way):
    """Whether a property is in a value, in some item of each list."""
    if not way:
        return True
    if isinstance(value, list):
        return any(has(item, way) for item in value)
    return any(has(value[name], way[1:]) for name in value if way[0] in (name, "*"))


def part(value, node, way):
    """What leads to one property in a value: the way there, and what is required beside it."""
    while "$ref" in node:
        node = SCHEMA["$defs"][node["$ref"].removeprefix("#/$defs/")]
    if not way:
        return value
    if isinstance(value, list):
        leading = (item for item in value if has(item, way))
        return [part(next(leading), node["items"], way)]
    name = next(iter(value)) if way[0] == "*" else way[0]
    below = node.get("properties", {}).get(name, node.get("additionalProperties"))
    kept = {key: value[key] for key in node.get("required", ()) if key in value}
    return {**kept, name: part(value[name], below, way[1:])}


def alone(pointer):
    """A configuration with one property, and a value that asks for something."""
    whole = configs.every_key()
    if pointer in obeyed.ASKING:
        whole = configs.changed(whole, pointer, obeyed.ASKING[pointer])
    return part(whole, SCHEMA, pointer.split("/")[1:])


@pytest.mark.parametrize("pointer", sorted(obeyed.WAITING))
def test_what_waits_is_refused_by_name(pointer):
    wanting = supported.wanting(alone(pointer))
    assert obeyed.WAITING[pointer] in wanting, "it is obeyed now: name its test in obeyed.TESTED"


@pytest.mark.parametrize("pointer", sorted({*obeyed.TESTED, *obeyed.IGNORED}))
def test_what_is_tested_is_not_refused(pointer):
    """But for what waits below it, as mounts[].uidMappings does below mounts."""
    waiting = {name for place, name in obeyed.WAITING.items() if place.startswith(f"{pointer}/")}
    assert set(supported.wanting(alone(pointer))) <= waiting | obeyed.WAITING_WORDS


def test_one_property_is_taken_out_with_what_it_needs():
    assert alone("/linux/resources/cpu/idle") == {
        "ociVersion": "1.3.0", "linux": {"resources": {"cpu": {"idle": 0}}},
    }  # fmt: skip
    assert alone("/linux/resources/rdma/*/hcaHandles")["linux"] == {
        "resources": {"rdma": {"mlx5_1": {"hcaHandles": 3}}}
    }
    assert alone("/process/rlimits/soft")["process"] == {
        "cwd": "/", "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20}],
    }  # fmt: skip
