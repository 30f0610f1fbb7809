"""Keys that are right but not built are refused by name, all at once, and empty ones are not."""

from __future__ import annotations

import pytest
from unit.spec import configs

from pyruntime import errors
from pyruntime.spec import check, supported

IDS = [{"containerID": 0, "hostID": 1000, "size": 1}]
BIND = {"destination": "/a", "source": "/b"}


@pytest.mark.parametrize(
    ("pointer", "value", "name"),
    [
        ("/mounts", [BIND | {"options": ["bind"], "uidMappings": IDS, "gidMappings": IDS}],
         "mounts[].uidMappings is not supported yet; mounts[].gidMappings"),
    ],
)  # fmt: skip
def test_a_key_that_is_not_built_is_refused_by_name(pointer, value, name):
    config = configs.changed(configs.small(), pointer, value)
    with pytest.raises(errors.Unsupported) as caught:
        check.check(config)
    assert caught.value.say() == f"{name} is not supported yet"


@pytest.mark.parametrize(
    ("path", "wanting"), [({}, []), ({"path": ""}, []), ({"path": "/a"}, ["linux.namespaces type user with a path"])]
)
def test_a_user_namespace_is_refused_by_name_where_it_is_joined(path, wanting):
    config = configs.small()
    config["linux"]["namespaces"].append({"type": "user", **path})
    config["linux"] |= {"uidMappings": IDS, "gidMappings": IDS}
    config["mounts"] = [BIND | {"options": ["bind", option]} for option in ("idmap", "ridmap")]
    assert supported.wanting(config) == ["mount option idmap", "mount option ridmap", *wanting]


def test_all_of_them_are_told_in_one_line(monkeypatch):
    monkeypatch.setattr(supported, "wanting", lambda _config: ["process.one", "linux.other"])
    with pytest.raises(errors.Unsupported) as caught:
        check.check(configs.small())
    assert caught.value.say() == (
        "process.one is not supported yet; linux.other is not supported yet"
    )


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/process/terminal", False),
        ("/process/terminal", True),
        ("/process/consoleSize", {"height": 1, "width": 2}),
        ("/process/execCPUAffinity", {"initial": "0", "final": "1"}),
        ("/process/apparmorProfile", "a"),
        ("/process/selinuxLabel", "a:b:c:s0"),
        ("/linux/resources", {"memory": {}, "cpu": {}, "pids": {}, "blockIO": {}, "network": {}}),
        ("/linux/resources", {"hugepageLimits": [], "rdma": {}, "unified": {}}),
        ("/linux/resources", {"memory": {"limit": -1, "swap": 0, "disableOOMKiller": False}}),
        (
            "/linux/resources",
            {"cpu": {"shares": 0, "quota": -1, "cpus": ""}, "pids": {"limit": -1}},
        ),
        ("/linux/resources", {"network": {"classID": 0, "priorities": []}}),
        ("/linux/resources", {"memory": {"limit": 4096}, "pids": {"limit": 0}}),
        ("/linux/resources", {"cpu": {"shares": 1, "cpus": "0"}, "blockIO": {"weight": 10}}),
        ("/linux/resources", {"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}),
        ("/linux/resources", {"rdma": {"a": {"hcaObjects": 5}}, "unified": {"memory.max": "1"}}),
        ("/linux/cgroupsPath", "/a:b:c"),
        ("/linux/cgroupsPath", "relative/path"),
        ("/process/commandLine", "cmd.exe /c dir"),
        ("/process/scheduler", {"policy": "SCHED_IDLE"}),
        ("/process/ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 1}),
        ("/linux/memoryPolicy", {"mode": "MPOL_LOCAL"}),
        ("/linux/personality", {"domain": "LINUX32", "flags": []}),
        ("/linux/timeOffsets", {}),
        ("/linux/netDevices", {}),
        ("/linux/netDevices", {"eth0": {}}),
        ("/linux/intelRdt", {}),
        ("/linux/seccomp", {"defaultAction": "SCMP_ACT_LOG", "listenerPath": "/a"}),
        ("/linux/uidMappings", []),
        ("/linux/rootfsPropagation", "rslave"),
        ("/linux/mountLabel", "system_u:object_r:container_file_t:s0"),
        ("/mounts", [{"destination": "/a", "type": "tmpfs", "options": ["tmpcopyup"]}]),
        ("/mounts", [BIND | {"options": ["bind", "copy-symlink"]}]),
        ("/mounts", [BIND | {"options": ["bind", "src-nofollow", "dest-nofollow"]}]),
    ],
)
def test_what_asks_for_nothing_or_is_built_passes(pointer, value):
    assert check.check(configs.changed(configs.small(), pointer, value)) == []
