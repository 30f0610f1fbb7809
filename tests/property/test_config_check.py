"""The quick check agrees with jsonschema, and the project's schema with the official one.

PYRUNTIME_CASES sets how many cases each test tries (800 by default).
"""

from __future__ import annotations

import json
import os
import string
import warnings

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.spec import configs, differences

from pyruntime import errors, jsonfile
from pyruntime.spec import check, explain, table

CASES = int(os.environ.get("PYRUNTIME_CASES", "800"))
SCHEMA = explain.schema("config")
OURS = explain.validator(SCHEMA)
OFFICIAL = configs.official()

quick = settings(
    max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)

BASES = [
    configs.every_key(),
    configs.small(),
    *[json.loads(path.read_text()) for path in configs.documents("config", "good")],
]


def names_and_words(node):
    """All names of properties and all words of enumerations in the schema."""
    if isinstance(node, dict):
        yield from node.get("properties", {})
        yield from node.get("enum", ())
        for part in node.values():
            yield from names_and_words(part)
    elif isinstance(node, list):
        for part in node:
            yield from names_and_words(part)


WORDS = sorted({word for word in names_and_words(SCHEMA) if isinstance(word, str)})
EDGES = sorted(
    {
        edge + step
        for edge in (0, 1 << 16, 1 << 31, 1 << 32, 1 << 63, 1 << 64)
        for step in (-1, 0, 1)
    }
)
TEXTS = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(["", "/", "/a", "a/b", "\n", "a\n", "/a\n", "a\0", "/\0", "0-3,7", "1 \n", "rwm",
                     "1.3.0", "1.0.2-dev", "01.0.0", "1.0", "2MB", "0KB", "2MB\n", "MB:0=1", "-1"]),
    st.text(max_size=6),
    st.text(string.ascii_lowercase + "/-.=", max_size=8),
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.sampled_from(EDGES), st.sampled_from([-x for x in EDGES]),
    st.integers(-5, 10), st.sampled_from([0.0, 1.0, 1.5, 1e300]), TEXTS,
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(TEXTS, below, max_size=3)),
    max_leaves=6,
)


def places(value):
    """Every (container, name) in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in items:
        yield value, name
        if isinstance(item, (dict, list)):
            yield from places(item)


@st.composite
def mutations(draw):
    """A good document with one to three changes."""
    config = configs.copied(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(config))
        if not found:
            break
        holder, name = found[draw(st.integers(0, len(found) - 1))]
        match draw(st.sampled_from(["replace", "replace", "remove", "add", "other"])):
            case "replace":
                holder[name] = draw(VALUES)
            case "remove":
                del holder[name]
            case "add" if isinstance(holder, dict):
                holder[draw(TEXTS)] = draw(VALUES)
            case "add":
                holder.append(draw(VALUES))
            case "other":  # a value that is right somewhere else
                other, key = found[draw(st.integers(0, len(found) - 1))]
                if name in holder if isinstance(holder, dict) else name < len(holder):
                    holder[name] = configs.copied(other[key])
    return config


def verdict(config):
    """What the walker says: None, or its refusal."""
    try:
        check.walk(config, table.CONFIG)
    except check.Refused as refused:
        return refused
    return None


@quick
@given(mutations())
def test_the_walker_refuses_exactly_what_jsonschema_refuses(config):
    refused = verdict(config)
    problems = explain.disagreements(config, SCHEMA)
    assert (refused is None) == (not problems), (refused and refused.pointer, problems)
    if refused is not None:
        assert refused.pointer in [pointer for pointer, _ in problems]


@quick
@given(VALUES)
def test_the_walker_agrees_with_jsonschema_on_any_value(value):
    assert (verdict(value) is None) == OURS.is_valid(value)


@quick
@given(st.one_of(mutations(), mutations(), VALUES))
def test_any_document_gives_a_clear_error_or_none(config):
    try:
        told = check.check(config)
    except (errors.SpecError, errors.Unsupported) as error:
        assert error.say()
        assert "\n" not in error.say()
    else:
        assert all(isinstance(line, str) for line in told)


def official_problems(validator, config):
    return [
        (jsonfile.pointer(error.absolute_path), error.message)
        for error in validator.iter_errors(config)
    ]


def official_validator(directory, name):
    """The official schema, its references resolved in its directory; nothing is fetched."""
    schema = json.loads((directory / name).read_text())
    store = {path.name: json.loads(path.read_text()) for path in directory.glob("*.json")}
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # jsonschema 4.18 has another way as well
        resolver = jsonschema.RefResolver("", schema, store={**store, "": schema})
    return jsonschema.Draft4Validator(schema, resolver=resolver)


@pytest.fixture(scope="module")
def official():
    if OFFICIAL is None:
        pytest.skip("the official schemas of runtime-spec 1.3 are not on this machine")
    return official_validator(OFFICIAL, "config-schema.json")


@quick
@given(config=mutations())
def test_the_schema_differs_from_the_official_one_only_as_listed(official, config):
    ours = explain.disagreements(config, SCHEMA)
    theirs = official_problems(official, config)
    if ours and not theirs:
        for pointer, sentence in ours:
            assert differences.is_intended(differences.STRICTER, pointer, sentence), (
                pointer,
                sentence,
            )
    if theirs and not ours:
        for pointer, message in theirs:
            assert differences.is_intended(differences.LOOSER, pointer), (pointer, message)


@pytest.mark.parametrize("entry", differences.STRICTER, ids=lambda entry: entry[1][:40])
def test_each_listed_strictness_is_real(official, entry):
    config = configs.changed(configs.every_key(), entry[2], entry[3])
    assert not official_problems(official, config)
    assert explain.disagreements(config, SCHEMA)


@pytest.mark.parametrize("entry", differences.LOOSER, ids=lambda entry: entry[1][:40])
def test_each_listed_looseness_is_real(official, entry):
    config = configs.changed(configs.every_key(), entry[2], entry[3])
    assert official_problems(official, config)
    assert not explain.disagreements(config, SCHEMA)
