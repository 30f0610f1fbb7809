"""Each rule beyond the schema: what it refuses, in which words, and what it lets pass."""

from __future__ import annotations

import pytest

from pyruntime import errors
from pyruntime.spec import check, explain, linuxrules, mountrules, rules
from unit.spec import configs

KINDS = ("pid", "mount", "uts", "ipc", "network")


def found(pointer, value, base=None):
    """The problems of a small configuration with one change, by pointer."""
    config = configs.changed(base or configs.small(), pointer, value)
    assert explain.disagreements(config, explain.schema("config")) == []
    return dict(rules.broken(config))


def without(kind):
    config = configs.small()
    config["linux"]["namespaces"] = [{"type": other} for other in KINDS if other != kind]
    return config


def with_namespace(kind, **more):
    config = configs.small()
    config["linux"]["namespaces"].append({"type": kind, **more})
    return config


def removed(key):
    config = configs.small()
    del config[key]
    return dict(rules.broken(config))


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


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"policy": "SCHED_OTHER", "nice": 20}, "/process/scheduler/nice"),
        ({"policy": "SCHED_BATCH", "nice": -21}, "/process/scheduler/nice"),
        ({"policy": "SCHED_IDLE", "priority": 1}, "/process/scheduler/priority"),
        ({"policy": "SCHED_FIFO", "runtime": 1}, "/process/scheduler"),
    ],
)
def test_scheduler_settings_belong_to_their_policy(wish, pointer):
    assert list(found("/process/scheduler", wish)) == [pointer]
    assert found("/process/scheduler", {"policy": "SCHED_RR", "priority": 5, "nice": 0}) == {}


@pytest.mark.parametrize("name", ["hostname", "domainname"])
def test_names_need_a_uts_namespace(name):
    assert found(f"/{name}", "a", without("uts")) == {
        f"/{name}": f"unable to set {name} without a private UTS namespace"
    }
    assert found(f"/{name}", "", without("uts")) == {}
    assert found(f"/{name}", "a", configs.small()) == {}


def test_without_a_block_linux_a_hostname_has_no_namespace():
    config = configs.small() | {"hostname": "a"}
    del config["linux"]
    assert list(dict(rules.broken(config))) == ["/hostname"]


def test_a_namespace_stands_once():
    assert dict(rules.broken(with_namespace("pid"))) == {
        "/linux/namespaces/5": 'malformed spec file: duplicated ns {"pid" ""}'
    }


def test_masks_need_a_mount_namespace():
    for name in ("maskedPaths", "readonlyPaths"):
        assert found(f"/linux/{name}", ["/proc/kcore"], without("mount")) == {
            f"/linux/{name}": "unable to restrict sys entries without a private MNT namespace"
        }
        assert found(f"/linux/{name}", [], without("mount")) == {}


def test_mappings_and_user_namespace_need_each_other():
    ids = [{"containerID": 0, "hostID": 1, "size": 1}]
    assert dict(rules.broken(with_namespace("user"))) == {
        "/linux/uidMappings": "user namespaces enabled, but no uid mappings found",
        "/linux/gidMappings": "user namespaces enabled, but no gid mappings found",
    }
    assert dict(rules.broken(with_namespace("user", path="/ns"))) == {}
    assert list(found("/linux/uidMappings", ids)) == ["/linux/uidMappings"]


def test_time_offsets_need_a_new_time_namespace():
    offsets = {"boottime": {"secs": 1}}
    assert found("/linux/timeOffsets", offsets) == {
        "/linux/timeOffsets": "time namespace offsets specified, but time namespace isn't enabled "
        "in the config"
    }
    assert list(found("/linux/timeOffsets", offsets, with_namespace("time", path="/ns")))
    assert found("/linux/timeOffsets", offsets, with_namespace("time")) == {}


@pytest.mark.parametrize(
    ("key", "namespace", "sentence"),
    [
        ("vm.swappiness", "", "is not in a separate kernel namespace"),
        ("kernel.hostname", "", 'is not allowed as it conflicts with the OCI "hostname" field'),
        ("kernel.msgmax", "ipc", "is not allowed in the hosts ipc namespace"),
        ("fs.mqueue.msg_max", "ipc", "is not allowed in the hosts ipc namespace"),
        ("net.ipv4.ip_forward", "network", "not allowed in host network namespace"),
        ("net/ipv4/ip_forward", "network", "not allowed in host network namespace"),
        ("kernel.domainname", "uts", "is not in a separate kernel namespace"),
    ],
)
def test_only_parameters_of_own_namespaces_may_be_set(key, namespace, sentence):
    pointer = "/linux/sysctl/" + key.replace("/", "~1")
    assert found("/linux/sysctl", {key: "1"}, without(namespace)) == {
        pointer: f'sysctl "{linuxrules.dotted(key)}" {sentence}'
    }
    if namespace:
        assert found("/linux/sysctl", {key: "1"}) == {}


def test_parameters_of_the_user_namespace_need_one():
    assert found("/linux/sysctl", {"user.max_mnt_namespaces": "1"})
    base = with_namespace("user", path="/ns")
    assert found("/linux/sysctl", {"user.max_mnt_namespaces": "1"}, base) == {}


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("net.ipv4.ip_forward", "net.ipv4.ip_forward"),
        ("net/ipv4/conf/eth0.1/forwarding", "net.ipv4.conf.eth0/1.forwarding"),
        ("net.ipv4.conf.eth0/1.forwarding", "net.ipv4.conf.eth0/1.forwarding"),
        ("plain", "plain"),
    ],
)
def test_the_first_separator_of_a_parameter_decides(key, told):
    assert linuxrules.dotted(key) == told


def test_a_device_has_its_numbers_unless_it_is_a_pipe():
    assert list(found("/linux/devices", [{"type": "c", "path": "/dev/a", "major": 1}])) == [
        "/linux/devices/0/minor"
    ]
    assert found("/linux/devices", [{"type": "p", "path": "/dev/a"}]) == {}


@pytest.mark.parametrize("rule", [{"allow": True}, {"allow": False, "access": ""}])
def test_a_device_rule_has_an_access(rule):
    assert found("/linux/resources", {"devices": [rule]}) == {
        "/linux/resources/devices/0/access": "device access at 0 field cannot be empty"
    }


def test_weights_and_rdma_limits_are_given():
    device = {"major": 8, "minor": 0}
    assert found("/linux/resources/blockIO", {"weightDevice": [device]})
    assert found("/linux/resources/blockIO", {"weightDevice": [device | {"leafWeight": 1}]}) == {}
    assert list(found("/linux/resources/rdma", {"a/b": {}})) == ["/linux/resources/rdma/a~1b"]
    assert found("/linux/resources/rdma", {"a": {"hcaObjects": 1}}) == {}


def test_network_devices_need_a_namespace_and_possible_names():
    devices = {"eth0": {"name": "a/b"}, "a b": {}, "eth1": {"name": "sixteen_letters_"}, "eth2": {}}
    assert list(found("/linux/netDevices", devices)) == [
        "/linux/netDevices/eth0/name", "/linux/netDevices/a b", "/linux/netDevices/eth1/name",
    ]  # fmt: skip
    assert found("/linux/netDevices", {"eth0": {}}, without("network")) == {
        "/linux/netDevices": "unable to move network devices without a private NET namespace"
    }


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a:b", "a b", "a\tb", "é" * 8])
def test_names_that_no_network_device_can_have(name):
    assert not linuxrules.is_device_name(name)
    assert linuxrules.is_device_name("fifteen_letters")


def test_memory_policies_have_nodes_where_they_need_them():
    for mode in ("MPOL_DEFAULT", "MPOL_LOCAL"):
        assert found("/linux/memoryPolicy", {"mode": mode, "nodes": "0"})
        assert found("/linux/memoryPolicy", {"mode": mode}) == {}
    for mode in ("MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE", "MPOL_PREFERRED_MANY"):
        assert found("/linux/memoryPolicy", {"mode": mode})
        assert found("/linux/memoryPolicy", {"mode": mode, "nodes": "0"}) == {}
    assert found("/linux/memoryPolicy", {"mode": "MPOL_PREFERRED"}) == {}


@pytest.mark.parametrize(("name", "good"), [("/", True), ("a", True), ("a/b", False), ("..", False)])
def test_a_class_of_service_is_a_name(name, good):
    assert (found("/linux/intelRdt", {"closID": name}) == {}) == good


def test_an_errno_needs_an_action_that_returns_one():
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1,
        "syscalls": [
            {"names": ["a"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
            {"names": ["a"], "action": "SCMP_ACT_KILL", "errnoRet": 1},
        ],
    }  # fmt: skip
    assert found("/linux/seccomp", profile) == {
        "/linux/seccomp/defaultErrnoRet": "an errno is given, but SCMP_ACT_ALLOW returns none",
        "/linux/seccomp/syscalls/1/errnoRet": "an errno is given, but SCMP_ACT_KILL returns none",
    }


def test_notifications_need_a_listener_and_never_stop_write():
    rule = {"names": ["read", "write"], "action": "SCMP_ACT_NOTIFY"}
    profile = {"defaultAction": "SCMP_ACT_NOTIFY", "listenerMetadata": "a", "syscalls": [rule]}
    assert found("/linux/seccomp", profile) == {
        "/linux/seccomp/defaultAction": "SCMP_ACT_NOTIFY cannot be used as default action",
        "/linux/seccomp/listenerMetadata": "must not be set if listenerPath is not set",
        "/linux/seccomp/syscalls/0/action": "seccomp listenerPath is not set",
        "/linux/seccomp/syscalls/0/names": "SCMP_ACT_NOTIFY cannot be used for the write syscall",
    }


@pytest.mark.parametrize(
    ("mount", "sentence"),
    [
        ({"destination": "/", "type": "tmpfs"}, 'mountpoint "/" is on the top of rootfs'),
        ({"destination": "a/..", "type": "tmpfs"}, 'mountpoint "a/.." is on the top of rootfs'),
        ({"destination": "/proc", "type": "tmpfs"},
         '"/proc" cannot be mounted because it is not of type proc'),
        ({"destination": "/proc/sys", "type": "tmpfs"},
         '"/proc/sys" cannot be mounted because it is inside /proc'),
        ({"destination": "/a/..//proc/./1", "type": "proc"},
         '"/proc/1" cannot be mounted because it is inside /proc'),
    ],
)  # fmt: skip
def test_destinations_that_nothing_may_cover(mount, sentence):
    assert found("/mounts", [mount]) == {"/mounts/0/destination": sentence}


@pytest.mark.parametrize(
    "mount",
    [
        {"destination": "/proc", "type": "proc"},
        {"destination": "/proc", "source": "/proc", "options": ["rbind"]},
        {"destination": "/proc/meminfo", "source": "/a", "options": ["bind"]},
        {"destination": "/process", "type": "tmpfs"},
    ],
)
def test_destinations_that_may_be_covered(mount):
    assert found("/mounts", [mount]) == {}


def test_binds_have_no_options_of_a_file_system():
    told = "bind mounts cannot have any filesystem-specific options applied"
    mount = {"destination": "/a", "source": "/b", "options": ["rbind", "ro", "size=5"]}
    assert found("/mounts", [mount]) == {"/mounts/0/options": f'{told}: "size=5"'}
    assert found("/mounts", [mount | {"options": ["bind", "defaults", "rw"]}]) == {}
    assert found("/mounts", [mount | {"options": ["size=5"], "type": "tmpfs"}]) == {}


def test_id_mapped_mounts_are_binds_with_both_mappings():
    ids = [{"containerID": 0, "hostID": 1, "size": 1}]
    bind = {"destination": "/a", "source": "/b", "options": ["bind", "idmap"]}
    told = "id-mapped mounts must have both uid and gid mappings specified"
    assert found("/mounts", [bind]) == {"/mounts/0": told}
    assert found("/mounts", [bind], with_namespace("user", path="/ns")) == {}
    assert found("/mounts", [bind | {"uidMappings": ids}]) == {"/mounts/0": told}
    assert found("/mounts", [bind | {"uidMappings": ids, "gidMappings": ids}]) == {}
    other = {"destination": "/a", "type": "tmpfs", "uidMappings": ids, "gidMappings": ids}
    assert found("/mounts", [other]) == {"/mounts/0": "id-mapped mounts must be bind mounts"}


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [("/a/../b//./c/", "/b/c"), ("../../a", "/a"), ("", "/"), ("/..", "/"), ("a\n", "/a\n")],
)
def test_paths_are_cleaned_as_the_kernel_would_walk_them(path, cleaned):
    assert mountrules.clean(path) == cleaned


def test_warnings_are_for_the_log_and_refuse_nothing():
    config = configs.small()
    config["mounts"] = [{"destination": "data", "type": "tmpfs"}]
    config["process"]["capabilities"] = {"bounding": ["CAP_KILL", "CAP_KILL"], "future": [[], []]}
    assert check.check(config) == [
        'process.capabilities.bounding names "CAP_KILL" twice',
        'mount destination "data" is relative; it is taken from /',
    ]
    config["linux"]["personality"] = {"domain": "LINUX", "flags": ["A"]}
    assert rules.warnings(config)[1].startswith("linux.personality.flags are ignored")


def test_every_rule_is_listed():
    listed = {rule.__name__ for rule, _ in rules.RULES} | {rule.__name__ for rule in rules.WARNINGS}
    for module in (rules, mountrules, linuxrules):
        for name, thing in vars(module).items():
            if getattr(thing, "__annotations__", {}).keys() == {"config", "return"}:
                assert name in listed or thing is rules.warnings, name


def test_a_broken_rule_refuses_the_configuration():
    with pytest.raises(errors.SpecError, match="root must be specified"):
        check.check({"ociVersion": "1.0.0", "process": {"cwd": "/", "args": ["a"]}})
