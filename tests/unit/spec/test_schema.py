"""The project's own schemas accept and refuse what the official ones do."""

from __future__ import annotations

import json

import jsonschema
import pytest
from unit.spec import configs

from pyruntime import jsonfile
from pyruntime.spec import explain, rules, sample, table, walk

KINDS = ("config", "state", "features")


def shipped(kind, quality):
    found = configs.documents(kind, quality)
    return found or [pytest.param(None, marks=pytest.mark.skip("no official documents here"))]


def problems(kind, path):
    document = json.loads(path.read_text())
    return explain.disagreements(document, explain.schema(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_a_schema(kind):
    jsonschema.Draft202012Validator.check_schema(explain.schema(kind))


def untitled(node, place=""):
    """Places of nodes with a type or an enumeration that have no title to be told in errors."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if not isinstance(node, dict):
        return
    valued = isinstance(node.get("type"), (str, list)) or isinstance(node.get("enum"), list)
    if valued and "title" not in node:
        yield place
    for name, below in node.items():
        if name not in ("if", "then"):  # conditions, which no value is shown with
            yield from untitled(below, f"{place}/{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_value_has_a_title_that_errors_can_tell(kind):
    assert list(untitled(explain.schema(kind))) == []


@pytest.mark.parametrize("path", shipped("config", "good"), ids=str)
def test_official_good_configurations_are_accepted(path):
    assert problems("config", path) == []
    walk.walk(json.loads(path.read_text()), table.CONFIG)


@pytest.mark.parametrize(
    "path", [path for path in shipped("config", "bad") if "linux" in str(path)] or [None], ids=str
)
def test_official_bad_configurations_for_linux_are_refused(path):
    if path is None:
        pytest.skip("no official documents here")
    assert problems("config", path)


@pytest.mark.parametrize("kind", ["state", "features"])
def test_official_good_and_bad_documents_are_told_apart(kind):
    if not configs.documents(kind, "good"):
        pytest.skip("no official documents here")
    for path in configs.documents(kind, "good"):
        assert problems(kind, path) == [], path
    for path in configs.documents(kind, "bad"):
        try:
            json.loads(path.read_text())
        except ValueError:
            continue
        assert problems(kind, path), path


def test_the_configuration_with_every_key_is_valid():
    config = configs.every_key()
    assert explain.disagreements(config, explain.schema("config")) == []
    assert rules.broken(config) == []


def used(value, node, definitions, found):
    """Collect the ids of the property nodes that a document uses."""
    while "$ref" in node:
        node = definitions[node["$ref"].removeprefix("#/$defs/")]
    if isinstance(value, dict):
        for name, item in value.items():
            below = node.get("properties", {}).get(name, node.get("additionalProperties"))
            if name in node.get("properties", {}):
                found.add((node["title"], name))
            used(item, below, definitions, found)
    elif isinstance(value, list):
        for item in value:
            used(item, node["items"], definitions, found)


def test_the_configuration_with_every_key_has_every_key():
    schema = explain.schema("config")
    found = set()
    used(configs.every_key(), schema, schema["$defs"], found)
    nodes = [schema, *schema["$defs"].values()]
    nodes += [schema["$defs"]["NetDevices"]["additionalProperties"]]
    nodes += [schema["$defs"]["Resources"]["properties"]["pids"]]
    assert {(node["title"], name) for node in nodes for name in node.get("properties", {})} == found


def keys(node, base, found, place=""):
    """Collect the places of properties that an official schema names."""
    if "$ref" in node:
        name, _, part = node["$ref"].partition("#")
        target = json.loads((base[0] / name).read_text()) if name else base[1]
        within = target
        for step in part.strip("/").split("/"):
            within = within[step]
        keys(within, (base[0], target), found, place)
    for name, below in node.get("properties", {}).items():
        found.add(f"{place}/{name}")
        keys(below, base, found, f"{place}/{name}")
    if isinstance(node.get("items"), dict):
        keys(node["items"], base, found, place)
    for below in node.get("allOf", []) + node.get("anyOf", []):
        keys(below, base, found, place)
    if isinstance(node.get("additionalProperties"), dict):
        keys(node["additionalProperties"], base, found, f"{place}/*")


def own_keys(node, definitions, found, place=""):
    while "$ref" in node:
        node = definitions[node["$ref"].removeprefix("#/$defs/")]
    for name, below in node.get("properties", {}).items():
        found.add(f"{place}/{name}")
        own_keys(below, definitions, found, f"{place}/{name}")
    if "items" in node:
        own_keys(node["items"], definitions, found, place)
    if "additionalProperties" in node:
        own_keys(node["additionalProperties"], definitions, found, f"{place}/*")


@pytest.mark.parametrize(
    ("kind", "name"), [("config", "config-schema"), ("features", "features-schema")]
)
def test_every_key_of_the_official_schema_is_known(kind, name):
    directory = configs.official()
    if directory is None:
        pytest.skip("the official schemas of runtime-spec 1.3 are not on this machine")
    document = json.loads((directory / f"{name}.json").read_text())
    theirs, ours = set(), set()
    keys(document, (directory, document), theirs)
    schema = explain.schema(kind)
    own_keys(schema, schema["$defs"], ours)
    foreign = ("/vm", "/windows", "/solaris", "/zos", "/freebsd")
    theirs = {key for key in theirs if not key.startswith(foreign)}
    assert theirs <= ours
    more = {"/linux/memoryPolicy", "/linux/memoryPolicy/modes", "/linux/memoryPolicy/flags",
            "/linux/intelRdt/schemata", "/linux/intelRdt/monitoring"}  # fmt: skip
    assert ours - theirs == (more if kind == "features" else set())


def test_the_features_schema_knows_the_words_of_the_config_schema():
    own, config = explain.schema("features")["$defs"], explain.schema("config")["$defs"]
    linux = own["Linux"]["properties"]
    seccomp = linux["seccomp"]["properties"]
    assert seccomp["actions"]["items"]["enum"] == config["SeccompAction"]["enum"]
    assert seccomp["archs"]["items"]["enum"] == config["SeccompArch"]["enum"]
    operators = config["SyscallArgument"]["properties"]["op"]["enum"]
    assert seccomp["operators"]["items"]["enum"] == operators
    flags = config["Seccomp"]["properties"]["flags"]["items"]["enum"]
    assert own["SeccompFlags"]["items"]["enum"] == flags
    policy = config["MemoryPolicy"]["properties"]
    memory = linux["memoryPolicy"]["properties"]
    assert memory["modes"]["items"]["enum"] == policy["mode"]["enum"]
    assert memory["flags"]["items"]["enum"] == policy["flags"]["items"]["enum"]
    kinds = config["Namespace"]["properties"]["type"]["enum"]
    assert linux["namespaces"]["items"]["enum"] == kinds


@pytest.mark.parametrize("status", ["creating", "created", "running", "stopped", "paused"])
def test_a_state_has_a_pid_where_the_specification_wants_one(status):
    document = {"ociVersion": "1.3.0", "id": "a", "status": status, "bundle": "/b"}
    wanted = status in ("created", "running")
    assert bool(explain.disagreements(document, explain.schema("state"))) == wanted
    assert not explain.disagreements(document | {"pid": 1}, explain.schema("state"))


def test_what_spec_writes_is_valid_by_both_schemas():
    for rootless in (False, True):
        config = jsonfile.decode(sample.sample(rootless, 1000, 1000), "config.json")
        assert explain.disagreements(config, explain.schema("config")) == []
        assert rules.broken(config) == []
