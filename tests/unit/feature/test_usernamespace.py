"""Planning a new user namespace: its maps, what is made later, and who may not have one."""

import pytest

from pyruntime import errors
from pyruntime.feature import namespaces, usernamespace
from pyruntime.feature.host import Host
from pyruntime.kernel import process

WRITABLE = {"destination": "/sys/fs/cgroup/", "type": "cgroup", "source": "cgroup", "options": ["nosuid"]}
MAPS = {
    "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}, {"containerID": 1, "hostID": 5, "size": 7}],
    "gidMappings": [{"containerID": 3, "hostID": 9, "size": 2}, {"containerID": 0, "hostID": 2, "size": 1}],
}


ROOT = Host(0, "/sys/fs/cgroup", "/", (6, 1), 40)


def planned(*spaces):
    """Return the step of (type, path) pairs."""
    wishes = [{"type": kind, **({"path": path} if path else {})} for kind, path in spaces]
    config = {"linux": {"namespaces": wishes, **MAPS}}
    return usernamespace.plan(config, namespaces.plan(config), ROOT)


def of_user(uids, gids, *, groups=(), euid=1000, egid=1001, setgroups=True):
    """Return the step of a caller that is not root, for maps of (first inside, outside, count)."""
    names = ("containerID", "hostID", "size")
    maps = [[dict(zip(names, each, strict=True)) for each in ranges] for ranges in (uids, gids)]
    config = {
        "process": {"user": {"uid": 0, "gid": 0, "additionalGids": list(groups)}},
        "linux": {
            "namespaces": [{"type": "user"}, {"type": "mount"}, {"type": "cgroup"}],
            "uidMappings": maps[0], "gidMappings": maps[1],
        },
        "mounts": [WRITABLE],
    }  # fmt: skip
    host = Host(euid, "/sys/fs/cgroup", "/", (6, 1), 40, egid=egid, setgroups=setgroups)
    return usernamespace.plan(config, namespaces.plan(config), host)


def test_the_maps_are_the_ranges_of_the_config_in_its_order():
    step = planned(("user", ""), ("mount", ""))
    assert step.uid_map == "0 1000 1\n1 5 7\n"
    assert step.gid_map == "3 9 2\n0 2 1\n"
    assert step.later == 0
    assert [step.outside(uid) for uid in (0, 1, 7)] == [1000, 5, 11]
    assert step.describe() == "enter a new user namespace, uids 0 1000 1, 1 5 7, gids 3 9 2, 0 2 1"


def test_what_bears_owners_is_made_later():
    step = planned(*((kind, "") for kind in ("user", "mount", "network", "ipc", "uts", "pid", "cgroup", "time")))
    assert step.later == process.CLONE_NEWNET | process.CLONE_NEWIPC | process.CLONE_NEWUTS


@pytest.mark.parametrize(
    ("change", "kind", "owner"),
    [
        ({}, "cgroup", 11),
        ({"type": "cgroup2"}, "cgroup", 11),
        ({}, "ipc", None),
        ({"options": ["nosuid", "ro"]}, "cgroup", None),
        ({"options": ["rbind"]}, "cgroup", None),
        ({"destination": "/c"}, "cgroup", None),
        ({"type": "tmpfs"}, "cgroup", None),
    ],
)
def test_the_cgroup_is_given_away_only_where_it_can_be_written_from_inside(change, kind, owner):
    """config-linux.md, "Cgroup ownership": a namespace of its own, and a mount that is not read-only."""
    config = {
        "process": {"user": {"uid": 7, "gid": 0}},
        "linux": {"namespaces": [{"type": each} for each in ("user", "mount", kind)], **MAPS},
        "mounts": [WRITABLE | change],
    }
    step = usernamespace.plan(config, namespaces.plan(config), ROOT)
    assert step.cgroup_owner == owner
    assert step.describe().endswith("its cgroup is for uid 11 of the host") == (owner is not None)


@pytest.mark.parametrize("kind", usernamespace.JOINABLE)
def test_some_namespaces_can_be_joined(kind):
    assert planned(("user", ""), ("mount", ""), (kind, "/x")).later == 0


@pytest.mark.parametrize("kind", ["pid", "cgroup"])
def test_others_are_refused_by_name(kind):
    with pytest.raises(errors.Unsupported) as caught:
        planned(("user", ""), ("mount", ""), (kind, "/x"))
    assert caught.value.say() == (
        f"linux.namespaces type {kind} with a path beside a new user namespace is not supported yet"
    )


@pytest.mark.parametrize("spaces", [[], [("mount", "/x")]])
def test_without_a_mount_namespace_of_its_own_nothing_could_be_mounted(spaces):
    with pytest.raises(errors.SpecError) as caught:
        planned(("user", ""), *spaces)
    assert caught.value.problems[0][0] == "/linux/namespaces"


OWN_UID, OWN_GID = (0, 1000, 1), (0, 1001, 1)


@pytest.mark.parametrize(
    ("uids", "gids", "programs", "alone"),
    [
        ([OWN_UID], [OWN_GID], {}, True),
        ([OWN_UID, (1, 100_000, 9)], [OWN_GID], {"uid_map": "newuidmap"}, True),
        ([OWN_UID], [OWN_GID, (1, 100_000, 9)], {"gid_map": "newgidmap"}, False),
        ([(0, 100_000, 9)], [(0, 100_000, 9)], {"uid_map": "newuidmap", "gid_map": "newgidmap"}, False),
        ([(0, 1000, 2)], [(0, 1001, 2)], {"uid_map": "newuidmap", "gid_map": "newgidmap"}, False),
        ([(0, 1001, 1)], [(0, 1000, 1)], {"uid_map": "newuidmap", "gid_map": "newgidmap"}, False),
    ],
)
def test_a_caller_that_is_not_root_gives_its_own_ids_and_has_programs_give_others(uids, gids, programs, alone):
    step = of_user(uids, gids)
    assert (step.programs, step.alone, step.sets_groups) == (programs, alone, not alone)
    assert step.cgroup_owner is None


def test_root_writes_all_maps_itself_and_sets_groups():
    step = of_user([(0, 0, 1)], [(0, 0, 1)], euid=0, egid=0)
    assert (step.programs, step.alone, step.sets_groups) == ({}, False, True)
    assert not of_user([(0, 0, 1)], [(0, 0, 1)], euid=0, egid=0, setgroups=False).sets_groups


def test_groups_that_may_not_be_had_are_refused_to_who_is_not_root():
    with pytest.raises(errors.SpecError) as caught:
        of_user([OWN_UID], [OWN_GID], groups=[0])
    assert caught.value.problems[0][0] == "/process/user/additionalGids"
    assert of_user([OWN_UID], [(0, 1001, 1), (1, 100_000, 9)], groups=[5]).sets_groups
