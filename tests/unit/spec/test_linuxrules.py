"""The rules of the block `linux`: what each refuses, in which words, and what passes."""

from __future__ import annotations

import pytest
from unit.spec.changes import found, with_namespace, without

from pyruntime.spec import devicenames, linuxrules, rules


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


def test_a_template_lets_the_kernel_choose_the_name_inside():
    for name in ("eth%d", "%d", "a%db"):
        assert found("/linux/netDevices", {"eth0": {"name": name}, "eth1": {"name": name}}) == {}
    for name in ("eth%", "eth%s", "%d%d", "%%d", "a/%d", "fourteen_lett%d" + "x"):
        assert list(found("/linux/netDevices", {"eth0": {"name": name}})) == [
            "/linux/netDevices/eth0/name"
        ]
    assert list(found("/linux/netDevices", {"eth%d": {}})) == ["/linux/netDevices/eth%d"]


def test_two_network_devices_have_two_names_inside():
    for devices in ({"a": {"name": "c"}, "b": {"name": "c"}}, {"c": {}, "b": {"name": "c"}}):
        first, second = devices
        assert found("/linux/netDevices", devices) == {
            f"/linux/netDevices/{second}/name": f'"{first}" has the same name inside'
        }
    assert found("/linux/netDevices", {"a": {"name": "b"}, "b": {"name": "a"}}) == {}


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a:b", "a b", "a\tb", "a%d", "é" * 8])
def test_names_that_no_network_device_can_have(name):
    assert not devicenames.is_device_name(name)
    assert devicenames.is_device_name("fifteen_letters")


def test_a_personality_has_no_flags():
    assert found("/linux/personality", {"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]}) == {
        "/linux/personality/flags": "no flag is supported: the specification defines none"
    }
    assert found("/linux/personality", {"domain": "LINUX32", "flags": []}) == {}


@pytest.mark.parametrize(
    ("name", "good"), [("/", True), ("a", True), ("a/b", False), ("..", False)]
)
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


def test_two_devices_at_one_path_are_one_device():
    null = {"type": "c", "path": "/dev/a", "major": 1, "minor": 3}
    assert found("/linux/devices", [null, null | {"type": "u"}]) == {}
    assert found("/linux/devices", [null, null | {"minor": 5}]) == {
        "/linux/devices/1/path": '"/dev/a" is another device already'
    }


@pytest.mark.parametrize(
    ("mappings", "pointer", "words"),
    [
        ([(0, 0, 0)], "/0/size", "maps no id"),
        ([(1, 0, 0xFFFFFFFF)], "/0", "containerID and size go beyond the last id, 4294967294"),
        ([(0, 1, 0xFFFFFFFF)], "/0", "hostID and size go beyond"),
        ([(0, 1000, 10), (9, 5000, 1)], "/1/containerID", "overlaps the containerID range of mapping 0"),
        ([(0, 1000, 10), (10, 1009, 5)], "/1/hostID", "overlaps the hostID range of mapping 0"),
    ],
)
def test_mappings_are_ranges_of_ids(mappings, pointer, words):
    """A range that the kernel refuses (user_namespaces(7)); 0 0 4294967295 is that of the host."""
    config = with_namespace("user")
    good = [{"containerID": 0, "hostID": 0, "size": 0xFFFFFFFF}]
    config["linux"] |= {"uidMappings": good, "gidMappings": good}
    assert dict(rules.broken(config)) == {}
    names = ("containerID", "hostID", "size")
    wrong = [dict(zip(names, mapping, strict=True)) for mapping in mappings]
    problems = found("/linux/gidMappings", wrong, config)
    assert list(problems) == [f"/linux/gidMappings{pointer}"]
    assert problems[f"/linux/gidMappings{pointer}"].startswith(words)


def test_a_map_has_at_most_340_ranges():
    config = with_namespace("user")
    one = [{"containerID": 0, "hostID": 0, "size": 1}]
    many = [{"containerID": number, "hostID": number, "size": 1} for number in range(341)]
    config["linux"] |= {"uidMappings": many[:340], "gidMappings": one}
    assert dict(rules.broken(config)) == {}
    config["linux"]["uidMappings"] = many
    assert dict(rules.broken(config)) == {
        "/linux/uidMappings": "has 341 ranges, the kernel takes 340"
    }
