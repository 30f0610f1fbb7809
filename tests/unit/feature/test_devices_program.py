"""How device rules are reduced, and how they are said."""

import pytest

from pyruntime import errors
from pyruntime.feature.cgroup import devices

DENY_ALL = {"allow": False, "access": "rwm"}
DEFAULTS = (
    "c *:* m, b *:* m, c 1:3 rwm, c 1:5 rwm, c 1:7 rwm, c 1:8 rwm, c 1:9 rwm, "
    "c 5:0 rwm, c 136:* rwm, c 5:2 rwm, c 10:200 rwm"
)


def rule(allow, kind, major, minor, access):
    return {"allow": allow, "type": kind, "major": major, "minor": minor, "access": access}


def test_without_rules_only_the_default_devices_may_be_used():
    step = devices.plan([])
    assert step.describe() == f"deny all devices but {DEFAULTS}"
    assert step.required


def test_what_the_spec_template_writes_is_the_same():
    assert devices.plan([DENY_ALL]) == devices.plan([])


def test_a_privileged_container_has_no_exceptions():
    step = devices.plan([DENY_ALL, {"allow": True, "access": "rwm"}])
    assert step.describe() == "allow all devices"
    assert (
        step.required
    )  # the deny rule: the same program must also be loaded where it is not needed


def test_only_allowing_everything_makes_a_refusal_of_the_kernel_bearable():
    assert not devices.plan([{"allow": True, "access": "mwr"}]).required
    assert devices.plan([{"allow": True, "access": "rw"}]).required
    assert devices.plan([{"allow": True, "access": "rwm"}, rule(False, "c", 1, 1, "r")]).required


def test_rules_for_the_same_devices_become_one():
    step = devices.plan([DENY_ALL, rule(True, "b", 8, 0, "r"), rule(True, "b", 8, 0, "w")])
    assert (("b", 8, 0), devices.READ | devices.WRITE) in step.exceptions


def test_a_rule_within_a_wider_one_is_left_out():
    step = devices.plan([DENY_ALL, rule(True, "c", 1, None, "rwm"), rule(True, "c", 250, 7, "m")])
    assert [spot for spot, _ in step.exceptions if spot[1] == 1] == [("c", 1, devices.ANY)]
    assert ("c", 250, 7) not in dict(step.exceptions)


def test_what_several_wider_ones_deny_together_is_left_out():
    """Under "allow" any part of an access that is denied denies it; under "deny" one must allow all."""
    wider = [rule(False, "b", 8, None, "r"), rule(False, "b", None, 1, "w")]
    step = devices.plan([{"allow": True, "access": "rwm"}, rule(False, "b", 8, 1, "rw"), *wider])
    assert [spot for spot, _ in step.exceptions] == [("b", 8, devices.ANY), ("b", devices.ANY, 1)]
    allowed = [each | {"allow": True} for each in (rule(True, "b", 8, 1, "rw"), *wider)]
    assert ("b", 8, 1) in dict(devices.plan([DENY_ALL, *allowed]).exceptions)


def test_a_later_deny_takes_an_earlier_allow_away():
    step = devices.plan([DENY_ALL, rule(True, "b", 8, 0, "rw"), rule(False, "b", 8, 0, "w")])
    assert dict(step.exceptions)["b", 8, 0] == devices.READ


def test_default_devices_cannot_be_denied():
    step = devices.plan(
        [
            {"allow": True, "access": "rwm"},
            rule(False, "c", 1, 3, "rwm"),
            rule(False, "b", 8, 0, "r"),
        ]
    )
    assert step.describe() == "allow all devices but b 8:0 r"


def test_minus_one_and_absence_mean_every_number():
    assert devices.plan([rule(True, "c", -1, -1, "r")]) == devices.plan(
        [{"allow": True, "type": "c", "access": "r"}]
    )


def test_a_hole_in_a_wider_exception_is_refused():
    """cgroup v1 ignores such a rule silently; runc refuses it."""
    with pytest.raises(errors.SpecError) as caught:
        devices.plan([DENY_ALL, rule(True, "c", 10, None, "rw"), rule(False, "c", 10, 5, "w")])
    assert caught.value.problems == [
        (
            "/linux/resources/devices/2",
            "requested rule [c 10:5 w] cannot punch hole in existing wildcard rule [c 10:* rw]",
        )
    ]


@pytest.mark.parametrize(("name", "value"), [("major", 1 << 32), ("minor", -2)])
def test_a_number_that_no_device_has_is_refused(name, value):
    with pytest.raises(errors.SpecError) as caught:
        devices.plan([rule(True, "c", 1, 1, "r") | {name: value}])
    assert caught.value.problems == [
        (f"/linux/resources/devices/0/{name}", f"device number {value} is out of range")
    ]


def test_instructions_are_whole():
    program = devices.program(devices.plan([]))
    assert len(program) % 8 == 0
    assert program[-8:] == bytes([0x95, 0, 0, 0, 0, 0, 0, 0])  # exit
