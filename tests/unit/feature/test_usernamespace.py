"""Planning a new user namespace: its maps, what is made later, and who may not have one."""

import pytest

from pyruntime import errors
from pyruntime.feature import namespaces, usernamespace
from pyruntime.kernel import process

WRITABLE = {"destination": "/sys/fs/cgroup/", "type": "cgroup", "source": "cgroup", "options": ["nosuid"]}
MAPS = {
    "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}, {"containerID": 1, "hostID": 5, "size": 7}],
    "gidMappings": [{"containerID": 3, "hostID": 9, "size": 2}, {"containerID": 0, "hostID": 2, "size": 1}],
}


def planned(*spaces, euid=0):
    """Return the step of (type, path) pairs."""
    wishes = [{"type": kind, **({"path": path} if path else {})} for kind, path in spaces]
    config = {"linux": {"namespaces": wishes, **MAPS}}
    return usernamespace.plan(config, namespaces.plan(config), euid)


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
    step = usernamespace.plan(config, namespaces.plan(config), 0)
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


def test_a_caller_without_privileges_is_refused_by_name():
    with pytest.raises(errors.Unsupported) as caught:
        planned(("user", ""), ("mount", ""), euid=1000)
    assert caught.value.say() == (
        "linux.namespaces type user for a caller that is not root (rootless containers)"
        " is not supported yet"
    )
