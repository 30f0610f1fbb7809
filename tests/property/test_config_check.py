"""The quick check agrees with jsonschema, the authority, and every document gets a clear answer.

PYRUNTIME_CASES sets how many cases each test tries (by default 5000 changed configurations).
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from property import documents

from pyruntime import errors
from pyruntime.container import validate
from pyruntime.spec import check, explain, table, walk

CASES = int(os.environ.get("PYRUNTIME_CASES", "5000"))
SCHEMA = documents.SCHEMAS["config"]
OURS = explain.validator(SCHEMA)

quick = settings(
    max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def verdict(config):
    """What the walker says: None, or its refusal."""
    try:
        walk.walk(config, table.CONFIG)
    except walk.Refused as refused:
        return refused
    return None


def answered(config):
    """Check the whole document as create does: it is accepted, or refused in one line."""
    try:
        told = check.check(config)
    except (errors.SpecError, errors.Unsupported) as error:
        assert error.say()
        assert "\n" not in error.say()
    else:
        assert all(isinstance(line, str) for line in told)


@quick
@given(documents.mutations())
def test_the_walker_refuses_exactly_what_jsonschema_refuses(config):
    refused = verdict(config)
    assert (refused is None) == OURS.is_valid(config), refused and refused.pointer
    if refused is not None:
        problems = explain.disagreements(config, SCHEMA)
        assert refused.pointer in [pointer for pointer, _ in problems]
    else:  # the rules have the last word
        answered(config)


@settings(quick, max_examples=CASES // 5)
@given(documents.VALUES["config"])
def test_the_walker_agrees_with_jsonschema_on_any_value(value):
    assert (verdict(value) is None) == OURS.is_valid(value)
    answered(value)


@settings(quick, max_examples=CASES // 10)
@given(st.one_of(documents.mutations(), documents.VALUES["config"]))
def test_validate_reports_what_create_refuses(config):
    """Of any document there is a report, in the same words."""
    told = validate.validate(config, "/bundle")
    try:
        check.check(config)
    except errors.SpecError as refusal:
        assert refusal.problems == [(each.pointer, each.sentence) for each in told.problems]
    except errors.Unsupported:
        assert told.unsupported
    else:
        assert not told.unsupported
