"""`validate` says what create would say, and what only a plan can find."""

from __future__ import annotations

import pytest
from unit.spec import configs

from pyruntime.container import validate
from pyruntime.spec import supported


def told(pointer, value):
    return validate.validate(configs.changed(configs.small(), pointer, value), "/bundle")


def test_a_good_configuration_is_valid():
    report = validate.validate(configs.small(), "/bundle")
    assert (report.problems, report.warnings, report.unsupported) == ([], [], [])


def test_unknown_capabilities_are_warned_of_with_the_nearest_known_one():
    report = told("/process/capabilities", {"bounding": ["CAP_KILL", "CAP_KIL"], "ambient": ["FOO"]})
    assert report.problems == []
    assert report.warnings == [
        (
            "/process/capabilities/bounding/1",
            'unknown capability "CAP_KIL", ignored; did you mean "CAP_KILL"?',
        ),
        ("/process/capabilities/ambient/0", 'unknown capability "FOO", ignored'),
    ]


def test_capabilities_that_cannot_be_granted_are_warned_of():
    report = told("/process/capabilities", {"effective": ["CAP_KILL"]})
    assert report.warnings == [
        ("", "can't make capability CAP_KILL effective: it is not permitted")
    ]


@pytest.mark.parametrize("value", [5, {"bounding": 5}, {"bounding": [5, "FOO"]}])
def test_capabilities_of_any_shape_can_be_looked_at(value):
    assert told("/process/capabilities", value).problems


@pytest.mark.parametrize(
    ("pointer", "value", "where"),
    [
        (
            "/linux/seccomp",
            {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1 << 16},
            "/linux/seccomp",
        ),
        ("/linux/cgroupsPath", "/", "/linux/cgroupsPath"),
        (
            "/linux/resources",
            {"devices": [{"allow": True, "major": 1 << 40, "access": "r"}]},
            "/linux/resources/devices/0",
        ),
    ],
)
def test_what_a_plan_refuses_is_a_problem(pointer, value, where):
    problems = told(pointer, value).problems
    assert len(problems) == 1
    assert problems[0].pointer.startswith(where)


def test_keys_that_are_not_built_leave_it_valid(monkeypatch):
    monkeypatch.setattr(supported, "wanting", lambda config: [*config["linux"]["resources"]])
    report = told("/linux/resources", {"pids": {"limit": 5}})
    assert (report.problems, report.unsupported) == ([], ["pids"])
