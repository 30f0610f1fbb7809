"""Where a container's cgroup is, and what is done without the kernel's help."""

import errno
import signal
import subprocess

import pytest

from pyruntime import errors
from pyruntime.feature import host
from pyruntime.feature.cgroup import devices, filesystem, removal, without


def machine(own="/user.slice/session.scope", root="/sys/fs/cgroup"):
    return host.Host(0, root, own, (6, 1), 40)


@pytest.mark.parametrize(
    ("wanted", "own", "path"),
    [
        ("/a/b", "/x/y", "/a/b"),
        ("/a/./b//", "/x/y", "/a/b"),
        ("/../../a", "/x/y", "/a"),
        ("/a/../../../b", "/x/y", "/b"),
        ("a/b", "/x/y", "/x/a/b"),
        ("../../a", "/x/y", "/x/a"),
        ("a", "/", "/a"),
        ("a", "/../other", "/a"),
        ("a", "", "/a"),
        (None, "/x/y", "/x/box"),
        ("", "/x/y/z", "/x/y/box"),
    ],
)
def test_cgroups_path(wanted, own, path):
    """'the runtime MUST take the path to be relative to the cgroups mount point' and, if relative, 'MAY interpret'."""
    config = {"linux": {"cgroupsPath": wanted}} if wanted is not None else {}
    step = filesystem.plan(config, machine(own), "box")
    assert (step.path, step.directory) == (path, "/sys/fs/cgroup" + path)


def test_the_same_value_gives_the_same_path():
    config = {"linux": {"cgroupsPath": "a/b"}}
    assert filesystem.plan(config, machine(), "one") == filesystem.plan(config, machine(), "two")


@pytest.mark.parametrize("wanted", ["/", "/..", "/a/.."])
def test_the_root_of_the_hierarchy_is_refused(wanted):
    with pytest.raises(errors.SpecError) as caught:
        filesystem.plan({"linux": {"cgroupsPath": wanted}}, machine(), "box")
    assert (
        caught.value.say()
        == f"invalid config.json: /linux/cgroupsPath: {wanted} is the root of the hierarchy"
    )


def test_a_machine_without_cgroup_v2_is_refused():
    with pytest.raises(errors.Unsupported, match="no cgroup v2 hierarchy is mounted"):
        filesystem.plan({}, machine(root=""), "box")


def test_a_step_says_itself():
    assert (
        filesystem.plan({}, machine("/"), "box").describe()
        == "make the cgroup /box (/sys/fs/cgroup/box)"
    )


def test_nothing_is_in_a_cgroup_that_is_not_there(tmp_path):
    missing = str(tmp_path / "missing")
    assert removal.processes(missing) == []
    assert not removal.frozen(missing)
    removal.kill(missing)
    removal.remove(missing)


def test_processes_are_listed_of_all_levels(tmp_path):
    (tmp_path / "cgroup.procs").write_text("1\n0\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "cgroup.procs").write_text("2\n")
    (tmp_path / "a" / "b" / "cgroup.procs").write_text("3\n")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "cgroup.procs").write_text("")
    assert sorted(removal.processes(str(tmp_path))) == [0, 1, 2, 3]


def test_processes_are_killed_by_pid_where_there_is_no_cgroup_kill(tmp_path, monkeypatch):
    child = subprocess.Popen(["sleep", "60"])
    rounds = [[0, child.pid], [child.pid], []]
    monkeypatch.setattr(removal, "processes", lambda directory: rounds.pop(0))
    removal.kill(str(tmp_path))
    assert child.wait(10) == -signal.SIGKILL
    assert not rounds


def test_an_unreadable_cgroup_names_itself(tmp_path):
    (tmp_path / "cgroup.procs").mkdir()
    with pytest.raises(errors.KernelError) as caught:
        removal.processes(str(tmp_path))
    assert caught.value.say() == f"read the processes of {tmp_path}: is a directory"


@pytest.mark.parametrize(
    ("spare", "euid", "inside", "number", "made"),
    [
        ("always", 0, False, errno.EROFS, False),
        ("rootless", 1000, False, errno.EACCES, False),
        ("rootless", 0, True, errno.EPERM, False),
        ("rootless", 0, False, errno.EACCES, None),
        ("never", 1000, True, errno.EACCES, None),
        ("always", 0, False, errno.ENOSPC, None),
    ],
)
def test_who_may_not_make_a_cgroup_goes_on_only_where_it_is_to_spare(
    tmp_path, monkeypatch, spare, euid, inside, number, made
):
    def refuse(_wanted, _made):
        raise OSError(number, "")

    monkeypatch.setattr(filesystem, "_make_levels", refuse)
    monkeypatch.setattr(devices, "in_user_namespace", lambda: inside)
    monkeypatch.setattr(without.posix, "geteuid", lambda: euid)
    step = filesystem.CgroupStep("/box", str(tmp_path), spare)
    if made is None:
        with pytest.raises(errors.KernelError, match=r"^\('make the cgroup', "):
            filesystem.make(step)
    else:
        assert filesystem.make(step) == (-1, [])


def test_only_the_containers_id_as_its_place_can_be_to_spare():
    assert filesystem.plan({}, machine(), "box", "always").spare == "always"
    given = {"linux": {"cgroupsPath": "/a"}}
    assert filesystem.plan(given, machine(), "box", "always").spare == "never"


def test_of_no_cgroup_nothing_is_made_restricted_or_shown():
    step = filesystem.CgroupStep("", "/sys/fs/cgroup")
    assert filesystem.make(step) == (-1, [])
    filesystem.unmake(step, [])
    filesystem.restrict(step, -1, devices.plan([]), [])
    assert filesystem.shown({"linux": {"namespaces": [{"type": "cgroup"}]}}, step) == "/sys/fs/cgroup"
