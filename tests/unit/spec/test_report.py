"""The full report: every problem, every warning, every key that is not built, all at once."""

from __future__ import annotations

import json
import sys

import pytest
from unit.spec import configs

from pyruntime import errors
from pyruntime.spec import check, explain, remarks, report, supported, unknown

SCHEMA = explain.schema("config")


def strange(config):
    return dict(unknown.unknown(config, SCHEMA))


def remarked(pointer, value, base=None):
    config = configs.changed(base or configs.small(), pointer, value)
    assert check.check(config) == []
    return dict(remarks.remarks(config, []))


def test_of_a_good_configuration_there_is_nothing_to_say():
    for config in (configs.small(), configs.podman_like()):
        told = report.report(config)
        assert told.problems == told.unsupported == []
        assert {pointer.rpartition("/")[2] for pointer, _ in told.warnings} <= {
            "comment", "includes", "excludes",
        }  # fmt: skip


def test_the_configuration_with_every_key_has_none_that_is_unknown():
    assert strange(configs.every_key()) == {
        "/process/commandLine": "is for Windows; ignored",
        "/process/user/username": "is for Windows; ignored",
    }


def test_unknown_keys_are_told_wherever_they_are_and_with_the_nearest_known_one():
    config = configs.small() | {"proces": {"a": 1}, "windows": {}, "org.example": 1}
    config["mounts"] = [{"destination": "/a", "option": []}]
    config["linux"]["resources"] = {"memory": {"limits": 5}}
    config["annotations"] = {"any": "name"}
    assert strange(config) == {
        "/proces": 'unknown key, ignored; did you mean "process"?',
        "/windows": "is not for Linux; ignored",
        "/org.example": "unknown key, ignored",
        "/mounts/0/option": 'unknown key, ignored; did you mean "options"?',
        "/linux/resources/memory/limits": 'unknown key, ignored; did you mean "limit"?',
    }


def test_a_name_that_is_refused_is_not_called_ignored():
    told = report.report(configs.changed(configs.small(), "/linux/timeOffsets/realtime", {"secs": 1}))
    assert [finding.pointer for finding in told.problems] == ["/linux/timeOffsets/realtime"]
    assert told.warnings == []


@pytest.mark.parametrize("value", [None, 5, [], "a", {"linux": []}, {"mounts": {"a": 1}}])
def test_unknown_keys_of_any_value_can_be_looked_for(value):
    assert strange(value) == {}


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.3.0", ""), ("1.0.0", ""), ("1.0.2-dev", ""), ("1.0.0+of-a-build", ""), ("1.3.0-rc.1", ""),
        ("1.3.1", "newer than 1.3.0"), ("1.10.0", "newer than 1.3.0"),
        ("1.0.0-rc5", "older than 1.0.0"),
    ],
)  # fmt: skip
def test_versions_outside_the_range_of_features_are_remarked(version, words):
    assert remarked("/ociVersion", version).get("/ociVersion", "").startswith(words)
    assert bool(words) == bool(remarked("/ociVersion", version))


def test_a_variable_that_is_set_again_is_remarked():
    assert remarked("/process/env", ["A=1", "B=", "A=2", "A="]) == {
        "/process/env/0": 'without effect: "A" is set again in entry 2',
        "/process/env/2": 'without effect: "A" is set again in entry 3',
    }


def test_the_same_device_twice_is_remarked():
    null = {"type": "c", "path": "/dev/a", "major": 1, "minor": 3}
    fifos = [{"type": "p", "path": "/a"}, {"type": "p", "path": "/b"}]
    same = null | {"path": "/dev/b", "type": "u"}
    assert remarked("/linux/devices", [null, *fifos, same]) == {
        "/linux/devices/3": "is the same device as entry 0"
    }


def test_settings_that_are_ignored_are_remarked():
    assert remarked("/process/consoleSize", {"height": 1, "width": 1}) == {
        "/process/consoleSize": "is ignored without a terminal"
    }
    config = configs.changed(
        configs.small(), "/linux/seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/a"}
    )
    assert list(dict(remarks.remarks(config, []))) == ["/linux/seccomp/listenerPath"]


def test_every_remark_is_listed():
    listed = {remark.__name__ for remark, _ in remarks.REMARKS}
    for name, thing in vars(remarks).items():
        if getattr(thing, "__annotations__", {}).keys() == {"config", "return"}:
            assert name in listed, name


@pytest.fixture
def without_pids(monkeypatch):
    """A version that cannot limit processes: there has to be something that is not built."""

    def wanting(config):
        asked = config.get("linux", {}).get("resources", {}).get("pids")
        return ["linux.resources.pids"] if asked else []

    monkeypatch.setattr(supported, "wanting", wanting)


def wrong():
    config = configs.small() | {"ociVersion": "1.4.0", "hostnam": "a"}
    config["process"] |= {"cwd": "x", "args": []}
    config["process"]["user"]["uid"] = "0"
    config["process"]["scheduler"] = {"policy": "SCHED_FOO"}
    config["linux"]["resources"] = {"pids": {"limit": 5}}
    config["linux"]["rootfsPropagation"] = "slav"
    return config


def test_everything_is_told_at_once(without_pids):
    told = report.report(wrong())
    assert {finding.pointer for finding in told.problems} == {
        "/process/user/uid", "/process/cwd", "/process/scheduler/policy",
        "/linux/rootfsPropagation", "/process/args",
    }  # fmt: skip
    assert dict(told.warnings) == {
        "/ociVersion": "newer than 1.3.0: what it added is ignored",
        "/hostnam": 'unknown key, ignored; did you mean "hostname"?',
    }
    assert told.unsupported == ["linux.resources.pids"]


def test_create_refuses_with_the_same_words():
    with pytest.raises(errors.SpecError) as caught:
        check.check(wrong())
    told = report.report(wrong())
    assert caught.value.problems == [(each.pointer, each.sentence) for each in told.problems]


def test_a_finding_says_what_was_found_what_is_allowed_and_what_may_be_meant():
    found = {finding.pointer: finding for finding in report.report(wrong()).problems}
    uid, spread = found["/process/user/uid"], found["/linux/rootfsPropagation"]
    assert (uid.found, uid.allowed) == ('the string "0"', "an integer from 0 to 4294967295")
    assert (spread.found, spread.meant) == ('the string "slav"', "slave")
    assert spread.allowed.startswith("private, slave, ")
    assert found["/process/args"].found == "a list"


def test_as_json_it_can_be_read_back():
    document = json.loads(report.encoded(report.report(wrong())))
    assert list(document) == ["valid", "problems", "warnings", "unsupported"]
    assert document["valid"] is False
    spread = next(each for each in document["problems"] if "slav" in each["found"])
    assert set(spread) == {"pointer", "sentence", "found", "allowed", "meant"}
    assert json.loads(report.encoded(report.report(configs.small()))) == {
        "valid": True, "problems": [], "warnings": [], "unsupported": [],
    }  # fmt: skip


def test_a_wrong_value_hides_only_what_depends_on_it(without_pids):
    config = configs.small()
    config["linux"] |= {
        "namespaces": [{"type": "ut"}],
        "resources": {"pids": {"limit": 5}},
    }
    config["process"]["env"] = ["A"]
    told = report.report(config | {"hostname": "a"})
    assert [finding.pointer for finding in told.problems] == [
        "/linux/namespaces/0/type", "/process/env/0",
    ]  # fmt: skip
    assert told.unsupported == ["linux.resources.pids"]


@pytest.mark.parametrize("value", [None, [], "a", {}, {"linux": 5, "process": [], "mounts": 1}])
def test_of_any_value_a_report_can_be_made(value):
    assert report.report(value).problems


def test_without_jsonschema_it_says_that_there_may_be_more(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    told = report.report(wrong())
    assert len(told.problems) == 1
    assert [said for _, said in told.warnings if "python3-jsonschema" in said]
    with pytest.raises(errors.SpecError):
        check.check(wrong() | {"linux": {"namespaces": [{}], "seccomp": 5}})
