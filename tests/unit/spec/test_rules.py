"""The rules beyond the schema: what each refuses, in which words, and what passes."""

from __future__ import annotations

import pytest
from unit.spec import configs
from unit.spec.changes import found, removed, without

from pyruntime import errors
from pyruntime.spec import check, linuxrules, mountrules, rules


def test_a_small_and_a_full_configuration_break_no_rule():
    assert rules.broken(configs.small()) == []
    assert rules.broken(configs.every_key()) == []


@pytest.mark.parametrize("version", ["2.0.0", "0.5.0-dev"])
def test_only_versions_1_are_understood(version):
    assert found("/ociVersion", version) == {
        "/ociVersion": f'found "{version}"; only versions 1.x are understood'
    }
    assert found("/ociVersion", "1.99.0+x") == {}


def test_process_and_root_and_arguments_must_be_there():
    assert removed("process") == {"/process": "process property must not be empty"}
    assert removed("root") == {"/root": "root must be specified"}
    assert found("/process/args", []) == {"/process/args": "args must not be empty"}
    config = configs.small()
    del config["process"]["args"]
    assert dict(rules.broken(config)) == {"/process/args": "args must not be empty"}


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("FOO", "invalid environment variable: missing '='"),
        ("", "invalid environment variable: missing '='"),
        ("=a", "invalid environment variable: name cannot be empty"),
    ],
)
def test_environment_entries_are_assignments(entry, sentence):
    assert found("/process/env", ["A=", entry]) == {"/process/env/1": sentence}


def test_a_limit_stands_once():
    limit = {"type": "RLIMIT_CPU", "soft": 1, "hard": 1}
    assert found("/process/rlimits", [limit, limit]) == {
        "/process/rlimits/1": "rlimit RLIMIT_CPU is given twice"
    }


def test_environment_entries_of_hooks_are_assignments():
    hooks = {
        "prestart": [{"path": "/a", "env": ["A=", "B"]}],
        "poststop": [{"path": "/a"}, {"path": "/b", "env": ["=a"]}],
        "unknown": 5,
    }
    assert found("/hooks", hooks) == {
        "/hooks/prestart/0/env/1": "invalid environment variable: missing '='",
        "/hooks/poststop/1/env/0": "invalid environment variable: name cannot be empty",
    }


def test_a_limit_is_not_above_its_ceiling():
    limits = [
        {"type": "RLIMIT_CPU", "soft": 1, "hard": 1},
        {"type": "RLIMIT_AS", "soft": 2, "hard": 1},
    ]
    assert found("/process/rlimits", limits) == {
        "/process/rlimits/1/soft": "RLIMIT_AS: 2 is above the hard limit 1"
    }


@pytest.mark.parametrize("name", ["hostname", "domainname"])
def test_names_need_a_uts_namespace(name):
    assert found(f"/{name}", "a", without("uts")) == {
        f"/{name}": f"unable to set {name} without a private UTS namespace"
    }
    assert found(f"/{name}", "", without("uts")) == {}
    assert found(f"/{name}", "a", configs.small()) == {}


@pytest.mark.parametrize("name", ["hostname", "domainname"])
def test_names_have_at_most_64_bytes(name):
    assert found(f"/{name}", "é" * 32) == {}
    assert found(f"/{name}", "é" * 32 + "x") == {
        f"/{name}": f"the {name} has 65 bytes, the kernel takes 64"
    }


def test_without_a_block_linux_a_hostname_has_no_namespace():
    config = configs.small() | {"hostname": "a"}
    del config["linux"]
    assert list(dict(rules.broken(config))) == ["/hostname"]


def test_warnings_are_for_the_log_and_refuse_nothing():
    config = configs.small()
    config["mounts"] = [{"destination": "data", "type": "tmpfs"}]
    config["process"]["capabilities"] = {"bounding": ["CAP_KILL", "CAP_KILL"], "future": [[], []]}
    assert check.check(config) == [
        'process.capabilities.bounding names "CAP_KILL" twice',
        'mount destination "data" is relative; it is taken from /',
    ]


def test_every_rule_is_listed():
    listed = {rule.__name__ for rule, _ in rules.RULES} | {rule.__name__ for rule in rules.WARNINGS}
    for module in (rules, mountrules, linuxrules):
        for name, thing in vars(module).items():
            if getattr(thing, "__annotations__", {}).keys() == {"config", "return"}:
                assert name in listed or thing is rules.warnings, name


def test_a_broken_rule_refuses_the_configuration():
    with pytest.raises(errors.SpecError, match="root must be specified"):
        check.check({"ociVersion": "1.0.0", "process": {"cwd": "/", "args": ["a"]}})
