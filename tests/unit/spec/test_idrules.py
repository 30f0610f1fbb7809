"""Ids that a container in a user namespace shall have or use must be mapped."""

import pytest
from unit.spec import configs

from pyruntime.spec import rules

LOW = [{"containerID": 0, "hostID": 1000, "size": 10}, {"containerID": 50, "hostID": 5000, "size": 1}]


def mapped(uids=LOW, gids=LOW, **process):
    """Return a small configuration with a new user namespace."""
    config = configs.small()
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"] |= {"uidMappings": uids, "gidMappings": gids}
    config["process"] |= process
    return config


def user(uid=0, gid=0, *groups):
    return {"user": {"uid": uid, "gid": gid, "additionalGids": list(groups)}}


@pytest.mark.parametrize("process", [{}, user(), user(9, 50), user(50, 9, 0, 9, 50)])
def test_mapped_ids_pass(process):
    assert rules.broken(mapped(**process)) == []


@pytest.mark.parametrize(
    ("process", "where", "told"),
    [
        (user(10), "/process/user/uid", "uid 10 is not mapped: no range of linux.uidMappings holds it"),
        (user(49), "/process/user/uid", "uid 49 is not mapped: no range of linux.uidMappings holds it"),
        (user(0, 51), "/process/user/gid", "gid 51 is not mapped: no range of linux.gidMappings holds it"),
        (user(0, 0, 1, 10), "/process/user/additionalGids/1",
         "gid 10 is not mapped: no range of linux.gidMappings holds it"),
    ],
)  # fmt: skip
def test_an_id_that_is_not_mapped_is_told_with_its_place(process, where, told):
    assert rules.broken(mapped(**process)) == [(where, told)]


def test_each_map_counts_for_its_kind():
    one = [{"containerID": 0, "hostID": 0, "size": 1}]
    assert dict(rules.broken(mapped(uids=one, **user(5, 5)))).keys() == {"/process/user/uid"}
    assert dict(rules.broken(mapped(gids=one, **user(5, 5)))).keys() == {"/process/user/gid"}


def test_root_must_be_mapped_and_that_is_told_once():
    high = [{"containerID": 1, "hostID": 1, "size": 9}]
    assert rules.broken(mapped(uids=high, **user(0, 1))) == [
        ("/linux/uidMappings", "maps no container uid 0, by which the container is made")
    ]


@pytest.mark.parametrize(
    ("kind", "options", "where"),
    [
        ("devpts", ["newinstance", "gid=5"], []),
        ("devpts", ["gid=10"], ["/mounts/0/options/0"]),
        ("tmpfs", ["uid=9", "uid=11", "gid=12"], ["/mounts/0/options/1", "/mounts/0/options/2"]),
        ("proc", ["gid=49"], ["/mounts/0/options/0"]),
        ("tmpfs", ["uid=x"], []),
        ("tmpfs", ["mode=700", "nouid=77"], []),
        ("9p", ["uid=77"], []),
    ],
)
def test_owners_of_file_systems_that_are_made_inside_are_ids_inside(kind, options, where):
    config = mapped()
    config["mounts"] = [{"destination": "/a", "type": kind, "source": "a", "options": options}]
    assert [pointer for pointer, _ in rules.broken(config)] == where


def test_where_the_ranges_are_wrong_only_that_is_told():
    found = dict(rules.broken(mapped(uids=[*LOW, LOW[0]], **user(77))))
    assert {pointer.rpartition("/")[0] for pointer in found} == {"/linux/uidMappings/2"}


def test_the_maps_of_a_namespace_that_is_joined_are_not_known():
    config = mapped(**user(77))
    config["linux"]["namespaces"][-1]["path"] = "/a"
    assert rules.broken(config) == []
