"""Limits that contradict each other or that no kernel takes, and those of cgroup v1."""

import pytest
from unit.spec import configs

from pyruntime.spec import check, resourcerules, rules


@pytest.mark.parametrize(
    ("resources", "place", "told"),
    [
        ({"memory": {"limit": -2}}, "/memory/limit", "must be -1"),
        ({"memory": {"reservation": -9}}, "/memory/reservation", "must be -1"),
        ({"memory": {"swap": 5}}, "/memory/swap", "unable to set swap limit without memory limit"),
        ({"memory": {"limit": 5, "swap": 4}}, "/memory/swap", "memory+swap limit should be >= memory limit"),
        ({"cpu": {"period": 999}}, "/cpu/period", "must be from 1000 to 1000000"),
        ({"cpu": {"period": 1000001}}, "/cpu/period", "must be from 1000 to 1000000"),
        ({"cpu": {"quota": 999}}, "/cpu/quota", "must be at least 1000 microseconds"),
        ({"cpu": {"quota": 1000, "burst": 1001}}, "/cpu/burst", "must not be above the quota"),
        ({"cpu": {"idle": 2}}, "/cpu/idle", "must be 0 or 1"),
        ({"cpu": {"idle": 1, "shares": 2}}, "/cpu/shares", "a cgroup that is idle"),
        ({"blockIO": {"weight": 9}}, "/blockIO/weight", "must be from 10 to 1000"),
        ({"blockIO": {"weightDevice": [{"major": 1, "minor": 1, "weight": 1001}]}},
         "/blockIO/weightDevice/0/weight", "must be from 10 to 1000"),
        ({"rdma": {"a b": {"hcaHandles": 1}}}, "/rdma/a b", "is not the name of a device"),
        ({"unified": {"memory": "1"}}, "/unified/memory", "must be in the form CONTROLLER.PARAMETER"),
        ({"unified": {".": "1"}}, "/unified/.", "must be in the form CONTROLLER.PARAMETER"),
        ({"unified": {"..": "1"}}, "/unified/..", "must be in the form CONTROLLER.PARAMETER"),
        ({"unified": {"cgroup.freeze": "1"}}, "/unified/cgroup.freeze", "is no limit, but acts on processes"),
        ({"unified": {"cgroup.procs": "1"}}, "/unified/cgroup.procs", "is no limit, but acts on processes"),
    ],
)  # fmt: skip
def test_what_no_kernel_takes_is_refused_with_its_place(resources, place, told):
    assert [(where, said.startswith(told) or told in said) for where, said in resourcerules.broken(resources, "")] == [
        (place, True)
    ]
    config = configs.changed(configs.small(), "/linux/resources", resources)
    assert [where for where, _ in rules.broken(config)] == [f"/linux/resources{place}"]


@pytest.mark.parametrize(
    "resources",
    [
        {"memory": {"limit": -1, "swap": 5}},
        {"memory": {"limit": 5, "swap": 5}},
        {"memory": {"swap": -1}},
        {"cpu": {"quota": -1, "period": 1000, "burst": 9}},
        {"cpu": {"quota": 1000, "burst": 1000}},
        {"cpu": {"idle": 0, "shares": 2}},
        {"blockIO": {"weight": 0, "weightDevice": []}},
        {"unified": {"cgroup.max.depth": "1", "memory.high": "max"}},
    ],
)
def test_what_goes_together_passes(resources):
    assert resourcerules.broken(resources, "") == []


def test_what_version_2_has_not_is_warned_of_by_name():
    resources = {
        "memory": {"kernel": 5, "kernelTCP": 5, "swappiness": 0, "disableOOMKiller": True},
        "cpu": {"realtimeRuntime": 5, "realtimePeriod": 5},
        "blockIO": {"leafWeight": 10, "weightDevice": [{"major": 1, "minor": 1, "leafWeight": 10}]},
        "network": {"classID": 5, "priorities": [{"name": "a", "priority": 1}]},
    }
    told = check.check(configs.changed(configs.small(), "/linux/resources", resources))
    end = " is ignored: cgroup v2 has no such limit"
    assert all(each.endswith(end) for each in told)
    assert [each.removesuffix(end).removeprefix("linux.resources.") for each in told] == [
        "memory.kernel", "memory.kernelTCP", "memory.swappiness", "memory.disableOOMKiller",
        "cpu.realtimeRuntime", "cpu.realtimePeriod", "blockIO.leafWeight",
        "blockIO.weightDevice.leafWeight", "network.classID", "network.priorities",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "resources",
    [
        {"memory": {"kernel": -1, "kernelTCP": 0, "disableOOMKiller": False, "useHierarchy": True}},
        {"cpu": {"realtimeRuntime": 0}, "network": {"priorities": []}, "blockIO": {"leafWeight": 0}},
    ],
)
def test_what_engines_send_without_a_wish_is_not(resources):
    assert check.check(configs.changed(configs.small(), "/linux/resources", resources)) == []
