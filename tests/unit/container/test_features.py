"""`features` tells what the code obeys, in the form of runtime-spec, features.md."""

import json

import jsonschema
import pytest
from property.test_schemas import official_validator
from unit.spec import configs

import pyruntime
from pyruntime.command import version
from pyruntime.container import claim, features
from pyruntime.feature import hooks, namespaces, seccomp
from pyruntime.spec import check, explain, sample, supported, table, words

LINUX = features.features()["linux"]


def test_the_document_is_one_of_the_specification():
    assert explain.disagreements(features.features(), explain.schema("features")) == []


def test_the_official_schema_says_so_too():
    directory = configs.official()
    if directory is None or not (directory / "features-schema.json").exists():
        pytest.skip("the official schemas of runtime-spec 1.3 are not on this machine")
    official_validator(directory, "features-schema.json").validate(features.features())
    with pytest.raises(jsonschema.ValidationError):
        official_validator(directory, "features-schema.json").validate({"ociVersionMin": "1.0.0"})


def test_it_has_every_member_that_the_specification_defines():
    """Absent is only memoryPolicy, and only while no policy is obeyed."""
    known = explain.schema("features")
    document = features.features()
    assert set(document) == set(known["properties"])
    missing = set(known["$defs"]["Linux"]["properties"]) - set(LINUX)
    assert missing == ({"memoryPolicy"} if not built("memoryPolicy", {"mode": "MPOL_LOCAL"}) else set())
    for name, node in known["$defs"]["Linux"]["properties"].items():
        if name in LINUX and "properties" in node:
            assert set(LINUX[name]) == set(node["properties"]), name


def test_only_options_that_are_obeyed_are_told():
    told = features.features()["mountOptions"]
    assert told == sorted(told)
    for option in told:
        config = {"ociVersion": "1.0.0", "mounts": [{"destination": "/a", "options": [option]}]}
        assert supported.wanting(config) == [], option
    must = "async atime bind defaults dev diratime dirsync exec iversion lazytime loud noatime nodev"
    must += " nodiratime noexec noiversion nolazytime norelatime nostrictatime nosuid private rbind"
    must += " relatime remount ro rprivate rshared rslave runbindable rw shared silent slave"
    assert set(must.split()) | {"strictatime", "suid", "sync", "unbindable"} <= set(told)
    for option in set(words.MOUNT_OPTIONS) - set(told):
        config = configs.small()
        config["mounts"] = [{"destination": "/a", "source": "/b", "options": ["bind", option]}]
        with pytest.raises((check.errors.Unsupported, check.errors.SpecError)):
            check.check(config)


def test_hooks_namespaces_and_versions_are_those_that_can_be_had():
    document = features.features()
    assert document["hooks"] == hooks.known() == list(words.HOOKS)
    assert LINUX["namespaces"] == namespaces.known()
    assert LINUX["seccomp"] == seccomp.known()
    assert (document["ociVersionMin"], document["ociVersionMax"]) == ("1.0.0", "1.3.0")
    for end in words.VERSIONS:
        assert check.check(configs.small() | {"ociVersion": end}) == []


def test_there_is_one_version_of_the_specification():
    newest = words.VERSIONS[1]
    assert newest == version.SPEC == claim._OCI_VERSION
    assert json.loads(sample.sample(False, 0, 0))["ociVersion"] == newest


def built(name, wish):
    """Whether create accepts a wish of the block linux."""
    config = configs.small()
    config["linux"][name] = wish
    return supported.wanting(config) == []


def test_flags_follow_what_create_refuses(monkeypatch):
    assert LINUX["netDevices"]["enabled"] == built("netDevices", {"eth0": {}})
    assert LINUX["intelRdt"]["enabled"] == built("intelRdt", {"closID": "a"})
    assert LINUX["selinux"]["enabled"] == built("mountLabel", "a:b:c:s0")
    assert LINUX["cgroup"]["systemd"] == built("cgroupsPath", "system.slice:a:b")
    monkeypatch.setattr(supported, "wanting", lambda config: [])
    everything = features.features()["linux"]
    flags = ("apparmor", "selinux", "netDevices", "intelRdt")
    assert {name: everything[name]["enabled"] for name in flags} == dict.fromkeys(flags, True)
    assert everything["intelRdt"] == {"enabled": True, "schemata": True, "monitoring": True}
    assert everything["mountExtensions"] == {"idmap": {"enabled": True}}
    assert everything["cgroup"]["rdma"] is True
    assert everything["memoryPolicy"]["modes"] == list(table.MEMORY_POLICY[1]["mode"][1])
    monkeypatch.setattr(supported, "wanting", lambda config: ["all"])
    nothing = features.features()
    assert nothing["mountOptions"] == []
    assert "memoryPolicy" not in nothing["linux"]
    assert not any(nothing["linux"][name]["enabled"] for name in flags)


def test_annotations_tell_the_runtime_and_the_runc_that_it_follows():
    told = features.features()["annotations"]
    assert told == {
        "io.github.pyruntime.version": pyruntime.__version__,
        "org.opencontainers.runc.checkpoint.enabled": "false",
        "org.opencontainers.runc.version": "1.5.1",
    }
