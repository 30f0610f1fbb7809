"""What `look` says of this machine, and how it reads the files of other ones."""

import os

import pytest

from pyruntime import errors
from pyruntime.feature import host


def test_the_facts_are_those_of_this_machine():
    seen = host.look()
    assert seen.euid == os.geteuid()
    assert list(seen.release) == [int(part) for part in os.uname().release.split(".")[:2]]
    with open("/proc/sys/kernel/cap_last_cap") as file:
        assert seen.last_capability == int(file.read())


def test_the_hierarchy_is_where_cgroup2_is_mounted():
    with open("/proc/self/mounts") as file:
        mounted = [line.split()[1] for line in file if line.split()[2] == "cgroup2"]
    seen = host.look()
    assert seen.cgroup_root in mounted or (not seen.cgroup_root and not mounted)


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("6.18.0", (6, 18)),
        ("6.1.0-9-amd64", (6, 1)),
        ("5.14.0-503.el9", (5, 14)),
        ("7.0-rc1", (7, 0)),
        ("6.19rc2", (6, 19)),
    ],
)
def test_a_release_is_read_whatever_follows_it(text, release):
    assert host._release(text) == release


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("0::/user.slice/a.scope\n", "/user.slice/a.scope"),
        ("4:memory:/x\n1:name=systemd:/\n0::/\n", "/"),
        ("0::/a (deleted)\n", "/a"),
        ("3:cpu:/x\n", ""),
    ],
)
def test_the_own_cgroup_is_that_of_hierarchy_0(text, own):
    assert host._own_cgroup(text) == own


def test_an_old_kernel_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(
        host.posix, "uname", lambda: os.uname_result(("Linux", "n", "5.10.0-8", "v", "x86_64"))
    )
    with pytest.raises(errors.Unsupported, match=r"^Linux 5.14 or newer is needed, this is 5.10$"):
        host.look()


def test_a_host_says_itself():
    made = host.Host(0, "/sys/fs/cgroup", "/a", (6, 1), 40)
    assert made.describe() == "kernel 6.1, uid 0, cgroup v2 at /sys/fs/cgroup, own cgroup /a"
    assert host.Host(5, "", "", (6, 1), 40).describe() == "kernel 6.1, uid 5, no cgroup v2"
