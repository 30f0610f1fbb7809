"""The five capability sets, worked out from the config."""

from pathlib import Path

import pytest

from pyruntime.feature import capabilities

KINDS = ("effective", "bounding", "inheritable", "permitted", "ambient")


def test_each_number_has_one_name_and_none_is_left_out():
    assert sorted(capabilities.NUMBERS.values()) == list(range(41))
    assert capabilities.known()[0] == "CAP_CHOWN"
    assert capabilities.known()[-1] == "CAP_CHECKPOINT_RESTORE"


def test_the_names_agree_with_the_kernels_header():
    header = Path("/usr/include/linux/capability.h")
    if not header.exists():
        pytest.skip("no kernel headers here")
    words = [line.split() for line in header.read_text().splitlines()]
    told = {
        line[1]: int(line[2])
        for line in words
        if len(line) > 2
        and line[0] == "#define"
        and line[1].startswith("CAP_")
        and line[2].isdigit()
    }
    assert {name: told[name] for name in capabilities.NUMBERS if name in told} == {
        name: number for name, number in capabilities.NUMBERS.items() if name in told
    }
    assert len(told) > 30


def test_no_object_leaves_the_capabilities_as_they_are():
    assert capabilities.plan(None, 40) == (None, [])


def test_an_empty_object_takes_everything():
    step, warnings = capabilities.plan({}, 40)
    assert step.fields() == (0, 0, 0, 0, 0)
    assert warnings == []


def test_each_list_becomes_its_own_mask():
    sizes = {"effective": 1, "inheritable": 2, "permitted": 3, "bounding": 4}
    config = {kind: capabilities.known()[:size] for kind, size in sizes.items()}
    step, warnings = capabilities.plan(config, 40)
    assert {kind: getattr(step, kind) for kind in sizes} == {
        kind: (1 << size) - 1 for kind, size in sizes.items()
    }
    assert step.ambient == 0
    assert warnings == []


def test_a_list_that_is_null_is_an_empty_one():
    step, _ = capabilities.plan({"bounding": None, "permitted": ["CAP_KILL"]}, 40)
    assert (step.bounding, step.permitted) == (0, 1 << 5)


def test_unknown_names_give_one_warning_and_go():
    step, warnings = capabilities.plan(
        {"bounding": ["CAP_KILL", "CAP_ZOO", "cap_chown"], "permitted": ["CAP_FOO", "CAP_ZOO"]}, 40
    )
    assert step.bounding == 1 << 5
    assert warnings == ["ignoring unknown or unavailable capabilities: [CAP_FOO CAP_ZOO cap_chown]"]


def test_a_name_that_the_kernel_lacks_is_unavailable():
    step, warnings = capabilities.plan({"bounding": ["CAP_BPF", "CAP_AUDIT_READ"]}, 37)
    assert step.bounding == 1 << 37
    assert warnings == ["ignoring unknown or unavailable capabilities: [CAP_BPF]"]


def test_ambient_needs_permitted_and_inheritable():
    both = ["CAP_KILL", "CAP_CHOWN"]
    step, warnings = capabilities.plan(
        {"bounding": both, "ambient": both, "permitted": both, "inheritable": ["CAP_KILL"]}, 40
    )
    assert step.ambient == 1 << 5
    assert warnings == ["can't raise ambient capability CAP_CHOWN: operation not permitted"]


def test_what_cannot_be_granted_is_left_out_with_a_warning():
    """Runtimes SHOULD NOT fail … capabilities that cannot be granted (config.md)."""
    config = {"effective": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL"],
              "inheritable": ["CAP_KILL"], "bounding": []}  # fmt: skip
    step, warnings = capabilities.plan(config, 40)
    assert (step.effective, step.permitted, step.inheritable) == (1 << 5, 1 << 5, 0)
    assert warnings == [
        "can't make capability CAP_CHOWN effective: it is not permitted",
        "can't make capability CAP_KILL inheritable: it is not in the bounding set",
    ]


def test_the_step_names_what_is_kept():
    step, _ = capabilities.plan({"bounding": ["CAP_KILL", "CAP_CHOWN"]}, 40)
    assert step.describe() == (
        "limit the capabilities to: bounding CAP_CHOWN, CAP_KILL;"
        " effective, inheritable, permitted and ambient none"
    )
    step, _ = capabilities.plan({"bounding": list(capabilities.NUMBERS)}, 40)
    assert "bounding all 41 up to CAP_CHECKPOINT_RESTORE; effective" in step.describe()


def test_a_capability_newer_than_the_table_has_a_number():
    assert capabilities.name(63) == "capability 63"
    assert capabilities.members(1 << 63 | 1) == [0, 63]
