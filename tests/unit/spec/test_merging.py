"""What update makes of present and wished limits."""

import pytest

from pyruntime.spec import merging

DEVICE = {"major": 8, "minor": 0}


def merged(part, old, new):
    return merging.merge({part: old} if old is not None else {}, {part: new})[part]


@pytest.mark.parametrize(
    ("old", "new", "result"),
    [
        ({"limit": 100}, {"limit": 0, "swap": 0}, {"limit": 100}),
        ({"limit": 100, "swap": 150}, {"limit": 200}, {"limit": 200, "swap": 250}),
        ({"limit": 100, "swap": 150}, {"limit": 50}, {"limit": 50, "swap": 100}),
        ({"limit": 100, "swap": -1}, {"limit": 200}, {"limit": 200, "swap": -1}),
        ({"limit": 100, "swap": 150}, {"limit": -1}, {"limit": -1, "swap": -1}),
        ({"limit": -1, "swap": 70}, {"limit": 200}, {"limit": 200, "swap": 270}),
        ({"limit": 100}, {"swap": 120}, {"limit": 100, "swap": 120}),
        ({"limit": 100, "swap": 150}, {"limit": 200, "swap": 210}, {"limit": 200, "swap": 210}),
        (None, {"reservation": 5}, {"reservation": 5}),
        ({"checkBeforeUpdate": True}, {"limit": 5}, {"checkBeforeUpdate": True, "limit": 5}),
    ],
)
def test_memory(old, new, result):
    assert merged("memory", old, new) == result


@pytest.mark.parametrize(
    ("old", "new", "result"),
    [
        ({"quota": 5, "period": 9}, {"quota": 6}, {"quota": 6, "period": 9}),
        ({"quota": 5, "period": 9}, {"period": 8}, {"quota": 5, "period": 8}),
        ({"quota": 5, "period": 9}, {"quota": 0, "period": 0}, {"quota": 5, "period": 9}),
        ({"quota": 5}, {"quota": -1}, {"quota": -1}),
        ({"shares": 5}, {"idle": 1}, {"idle": 1}),
        ({"shares": 5}, {"idle": 0}, {"idle": 0}),
        ({"shares": 5}, {"idle": 0, "shares": 7}, {"idle": 0, "shares": 7}),
        ({"idle": 0}, {"shares": 7}, {"idle": 0, "shares": 7}),
        ({"cpus": "0", "mems": "0"}, {"cpus": "1"}, {"cpus": "1", "mems": "0"}),
        ({"burst": 5}, {"burst": 0}, {"burst": 0}),
    ],
)
def test_processors(old, new, result):
    assert merged("cpu", old, new) == result


def test_lists_are_changed_by_device_and_size():
    old = {"weight": 100, "weightDevice": [DEVICE | {"weight": 10}, DEVICE | {"minor": 16, "weight": 20}],
           "throttleReadBpsDevice": [DEVICE | {"rate": 5}]}  # fmt: skip
    new = {"weight": 0, "weightDevice": [DEVICE | {"weight": 30}], "throttleWriteBpsDevice": [DEVICE | {"rate": 6}]}
    assert merged("blockIO", old, new) == {
        "weight": 100,
        "weightDevice": [DEVICE | {"weight": 30}, DEVICE | {"minor": 16, "weight": 20}],
        "throttleReadBpsDevice": [DEVICE | {"rate": 5}],
        "throttleWriteBpsDevice": [DEVICE | {"rate": 6}],
    }
    sizes = [{"pageSize": "2MB", "limit": 1}, {"pageSize": "1GB", "limit": 2}]
    assert merged("hugepageLimits", sizes, [{"pageSize": "1GB", "limit": 3}]) == [
        {"pageSize": "2MB", "limit": 1}, {"pageSize": "1GB", "limit": 3},
    ]  # fmt: skip
    assert merged("rdma", {"a": {"hcaHandles": 1}}, {"a": {"hcaObjects": 2}, "b": {"hcaHandles": 3}}) == {
        "a": {"hcaHandles": 1, "hcaObjects": 2}, "b": {"hcaHandles": 3},
    }  # fmt: skip


def test_other_parts_take_the_place_of_the_old_and_the_rest_stays():
    present = {"pids": {"limit": 5}, "unified": {"a.b": "1"}, "devices": [{"allow": True, "access": "r"}]}
    wish = {"pids": {"limit": 6}, "unified": {"c.d": "2"}, "devices": []}
    assert merging.merge(present, wish) == {**wish, "devices": present["devices"]}
    assert present["pids"] == {"limit": 5}, "what is given is not changed"


@pytest.mark.parametrize(
    ("present", "wish", "asked"),
    [
        ({"memory": {"limit": 100, "swap": 150, "reservation": 5}}, {"memory": {"limit": 200}}, {"memory": {"limit": 200}}),
        ({"memory": {"limit": 100, "swap": 150}}, {"memory": {"swap": 160}}, {"memory": {"limit": 100, "swap": 160}}),
        ({"memory": {"limit": 100, "swap": 150}}, {"memory": {"limit": -1}}, {"memory": {"limit": -1, "swap": -1}}),
        ({"memory": {"limit": 100}}, {"memory": {"reservation": 5}}, {"memory": {"reservation": 5}}),
        ({"cpu": {"quota": 5, "cpus": "0"}, "pids": {"limit": 3}}, {"cpu": {"period": 9}},
         {"cpu": {"quota": 5, "period": 9, "cpus": None, "mems": None}}),
    ],
)  # fmt: skip
def test_only_what_a_wish_concerns_is_written(present, wish, asked):
    assert merging.asked(merging.merge(present, wish), wish) == asked
