"""Every problem is told at once, with its place, what was found and what is allowed."""

from __future__ import annotations

import pytest
from unit.spec import configs

from pyruntime import errors
from pyruntime.spec import check, explain


def problems(config):
    with pytest.raises(errors.SpecError) as caught:
        check.check(config)
    return dict(caught.value.problems)


def told(pointer, value):
    return problems(configs.changed(configs.every_key(), pointer, value))[pointer]


def test_all_problems_are_told_at_once_and_in_one_line():
    config = configs.small()
    config["process"] |= {"user": {"uid": "0"}, "args": [], "env": ["A"]}
    config["hostname"] = 5
    config["linux"]["namespaces"][0]["type"] = "pdi"
    found = problems(config)
    assert set(found) == {
        "/process/user/gid", "/process/user/uid", "/hostname", "/linux/namespaces/0/type",
        "/process/args", "/process/env/0",
    }  # fmt: skip
    with pytest.raises(errors.SpecError) as caught:
        check.check(config)
    assert "\n" not in caught.value.say()
    assert caught.value.say().startswith("invalid config.json: /process/")


@pytest.mark.parametrize(
    ("pointer", "value", "sentence"),
    [
        ("/process/user/uid", "0",
         'found the string "0", wanted an integer from 0 to 4294967295'),
        ("/process/user/gid", -1, "found the integer -1, wanted an integer from 0 to 4294967295"),
        ("/process/user/uid", 1.0, "found the fraction 1.0, wanted an integer from 0 to 4294967295"),
        ("/process/terminal", 1, "found the integer 1, wanted true or false"),
        ("/mounts", {}, "found an object, wanted a list of mounts"),
        ("/mounts/0", None, "found null, wanted an object (a mount)"),
        ("/process/cwd", "a", 'Cwd must be an absolute path; found the string "a", wanted an absolute path'),
        ("/linux/rootfsPropagation", "foo",
         ("rootfsPropagation=foo is not supported; allowed are private, slave, shared, unbindable, "
          "rprivate, rslave, rshared, runbindable")),
        ("/linux/devices/0/type", "z", 'invalid device type "z"; allowed are c, b, u, p'),
        ("/linux/timeOffsets/realtime", {},
         "only boottime and monotonic can have offsets; allowed are boottime, monotonic"),
        ("/linux/timeOffsets/boottme", 5,
         ("only boottime and monotonic can have offsets; allowed are boottime, monotonic; "
          'did you mean "boottime"?')),
        ("/linux/seccomp/syscalls/0/names", [], "must not be empty"),
        ("/hostname", "a\0",
         ("contains a NUL byte, which no text given to the kernel can hold; "
          'found the string "a\\u0000", wanted a string without NUL bytes')),
    ],
)  # fmt: skip
def test_a_problem_says_what_was_found_and_what_is_allowed(pointer, value, sentence):
    assert told(pointer, value) == sentence


@pytest.mark.parametrize(
    ("pointer", "value", "start", "end"),
    [
        ("/linux/namespaces/1/type", "foo", 'namespace {"foo" ""} does not exist; allowed', "time"),
        ("/linux/namespaces/0/type", "upc", 'namespace {"upc" "/proc/1/ns/ipc"} does not exist; ',
         'did you mean "ipc"?'),
        ("/linux/seccomp/defaultAction", "SCMP_ACT_ERNO",
         "string SCMP_ACT_ERNO is not a valid action for seccomp; ", 'did you mean "SCMP_ACT_ERRNO"?'),
        ("/process/rlimits/0/type", "rlimit_nofile", "wrong rlimit value: rlimit_nofile; ",
         'did you mean "RLIMIT_NOFILE"?'),
        ("/hooks/poststop/0/path", "true", "the path of a hook must be absolute", "path"),
        ("/hooks/poststop/0/timeout", 0, "the timeout of a hook must be greater than zero", "least 1"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_told_in_runcs_words_and_with_the_nearest_right_one(
    pointer, value, start, end
):
    sentence = told(pointer, value)
    assert sentence.startswith(start)
    assert sentence.endswith(end)


def test_a_missing_name_is_told_with_its_meaning_and_what_may_be_meant_for_it():
    config = configs.small()
    config["process"]["Cwd"] = config["process"].pop("cwd")
    assert problems(config) == {
        "/process/cwd": 'is missing (the working directory, an absolute path); "Cwd" may be meant for it'
    }


def test_a_wrong_name_in_a_map_is_told_at_its_place():
    config = configs.changed(configs.every_key(), "/linux/resources/unified", {"a/b": "1"})
    sentence = problems(config)["/linux/resources/unified/a~1b"]
    assert sentence.startswith('unified resource "a/b" must be a file name (no slashes)')


def test_one_mistake_is_told_once_though_rules_read_the_same_part():
    config = configs.small() | {"hostname": "a"}
    config["linux"]["namespaces"] = "uts"
    assert list(problems(config)) == ["/linux/namespaces"]


def test_long_values_are_cut():
    assert len(told("/process/user/uid", "x" * 100_000)) < 200


def test_nesting_without_end_is_told_and_no_traceback():
    value = []
    for _ in range(50_000):
        value = [value]
    config = configs.small() | {"hostname": value}
    with pytest.raises(errors.SpecError):
        check.check(config)
    value = "end"
    for _ in range(50_000):
        value = {"a": value}
    assert check.check(configs.small() | {"future": value}) == []


def test_the_schemas_are_found_by_name():
    assert explain.schema("state")["title"] == "container state"
