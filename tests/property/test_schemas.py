"""The project's schemas differ from the official ones only as unit/spec/differences.py lists.

The official ones are those of runtime-spec 1.3 and the distribution's, which are older.
PYRUNTIME_CASES sets how many changed documents each test tries (5000 configurations by default).
"""

from __future__ import annotations

import json
import os
import re
import warnings

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from property import documents
from unit.spec import configs, differences

from pyruntime import jsonfile
from pyruntime.spec import explain

CASES = int(os.environ.get("PYRUNTIME_CASES", "5000"))
FILES = {kind: f"{kind}-schema.json" for kind in documents.KINDS}
OURS = {kind: explain.validator(schema) for kind, schema in documents.SCHEMAS.items()}
NEWEST, DEBIAN = configs.official(), configs.OFFICIAL[1]

quick = settings(
    max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def official_validator(directory, name):
    """An official schema, its references resolved in its directory; nothing is fetched."""
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
    """The validators of runtime-spec 1.3, by kind of document."""
    if NEWEST is None:
        pytest.skip("the official schemas of runtime-spec 1.3 are not on this machine")
    return {kind: official_validator(NEWEST, name) for kind, name in FILES.items()}


@pytest.fixture(scope="module")
def older():
    """The distribution's validator of config.json."""
    if not (DEBIAN / FILES["config"]).exists():
        pytest.skip("golang-github-opencontainers-specs-dev is not installed")
    return official_validator(DEBIAN, FILES["config"])


def compare(kind, validator, document, later=()):
    """Assert that each verdict that only one of the two schemas gives is listed."""
    ours, theirs = OURS[kind].is_valid(document), validator.is_valid(document)
    if theirs and not ours:
        for pointer, sentence in explain.disagreements(document, documents.SCHEMAS[kind]):
            listed = differences.is_intended(differences.STRICTER[kind], pointer, sentence)
            assert listed or is_later(later, pointer), (pointer, sentence)
    if ours and not theirs:
        for error in validator.iter_errors(document):
            pointer = jsonfile.pointer(error.absolute_path)
            listed = differences.is_intended(differences.LOOSER[kind], pointer)
            assert listed or is_later(later, pointer), (pointer, error.message)
            assert kind != "features" or error.instance is None, (pointer, error.message)


def is_later(later, pointer):
    return any(re.match(pattern, pointer, re.DOTALL) for pattern in later)


@quick
@given(document=documents.mutations())
def test_config_differs_from_the_official_schema_only_as_listed(official, document):
    compare("config", official["config"], document)


@settings(quick, max_examples=CASES // 5)
@given(document=documents.mutations("state"))
def test_state_differs_from_the_official_schema_only_as_listed(official, document):
    compare("state", official["state"], document)


@settings(quick, max_examples=CASES // 5)
@given(document=documents.mutations("features"))
def test_features_differs_from_the_official_schema_only_as_listed(official, document):
    compare("features", official["features"], document)


@settings(quick, max_examples=CASES // 5)
@given(document=documents.mutations())
def test_config_differs_from_the_distributions_schema_only_as_listed(older, document):
    compare("config", older, document, differences.LATER)


def listed(differing):
    return [
        pytest.param(kind, *entry[2:], id=f"{kind} {entry[1][:40]}")
        for kind, entries in differing.items()
        for entry in entries
    ]


def shown(kind, pointer, value):
    """A good document of a kind in which one value shows a difference."""
    return configs.changed(documents.BASES[kind][0], pointer, value)


@pytest.mark.parametrize(("kind", "pointer", "value"), listed(differences.STRICTER))
def test_each_listed_strictness_is_real(official, kind, pointer, value):
    document = shown(kind, pointer, value)
    assert official[kind].is_valid(document)
    assert not OURS[kind].is_valid(document)


@pytest.mark.parametrize(("kind", "pointer", "value"), listed(differences.LOOSER))
def test_each_listed_looseness_is_real(official, kind, pointer, value):
    document = shown(kind, pointer, value)
    assert not official[kind].is_valid(document)
    assert OURS[kind].is_valid(document)


@pytest.mark.parametrize("kind", documents.KINDS)
@pytest.mark.parametrize("quality", ["good", "bad"])
def test_shipped_documents_are_judged_as_the_official_schema_judges_them(official, kind, quality):
    seen = 0
    for path in configs.documents(kind, quality):
        if path.stem.partition("-")[0] in ("freebsd", "zos", "windows", "vm", "solaris"):
            continue  # other systems' blocks are not looked at
        try:
            document = json.loads(path.read_text())
        except ValueError:
            continue
        seen += 1
        assert official[kind].is_valid(document) == (quality == "good"), path
        assert OURS[kind].is_valid(document) == (quality == "good"), path
    assert seen or (kind, quality) == ("state", "bad"), "no such documents"
