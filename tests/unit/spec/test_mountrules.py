"""The rules of the mount list: what each refuses, in which words, and what passes."""

from __future__ import annotations

import pytest
from unit.spec.changes import found, with_namespace

from pyruntime.spec import mountrules, rules


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


def warned(mount):
    return rules.warnings({"ociVersion": "1.0.0", "mounts": [mount]})


def test_binds_have_no_options_of_a_file_system():
    told = "mount /a: bind mounts cannot have any filesystem-specific options applied"
    mount = {"destination": "/a", "source": "/b", "options": ["rbind", "ro", "size=5"]}
    assert warned(mount) == [f'{told}: "size=5" is ignored']
    assert warned(mount | {"options": ["bind", "defaults", "rw"]}) == []
    assert warned(mount | {"options": ["size=5"], "type": "tmpfs"}) == []


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
    ("mount", "sentence"),
    [
        ({"type": "bind"}, 'no such device: type "bind" needs the option bind or rbind'),
        ({"type": "bind", "options": ["ro"]},
         'no such device: type "bind" needs the option bind or rbind'),
        ({}, "no such device: neither a file system nor the option bind is given"),
        ({"type": ""}, "no such device: neither a file system nor the option bind is given"),
        ({"type": "none", "options": ["ro"]},
         "no such device: neither a file system nor the option bind is given"),
    ],
)  # fmt: skip
def test_a_mount_that_is_neither_a_bind_nor_of_a_file_system(mount, sentence):
    assert found("/mounts", [{"destination": "/a", **mount}]) == {"/mounts/0/type": sentence}


@pytest.mark.parametrize(
    "mount",
    [{"type": "tmpfs"}, {"type": "none", "options": ["remount", "ro"]}, {"options": ["remount"]},
     {"type": "bind", "options": ["rbind"]}, {"options": ["bind"]}],
)  # fmt: skip
def test_mounts_that_say_what_they_are(mount):
    assert found("/mounts", [{"destination": "/a", **mount}]) == {}


TMPFS = {"destination": "/a", "type": "tmpfs"}
BIND = {"destination": "/a", "source": "/b"}


@pytest.mark.parametrize(
    ("mount", "option", "sentence"),
    [
        (BIND | {"options": ["bind", "tmpcopyup"]}, 1, "tmpcopyup can be used only with tmpfs"),
        (TMPFS | {"options": ["tmpcopyup", "rbind"]}, 0, "tmpcopyup can be used only with tmpfs"),
        (TMPFS | {"type": "ramfs", "options": ["tmpcopyup"]}, 0, "tmpcopyup can be used only with tmpfs"),
        (TMPFS | {"options": ["tmpcopyup", "remount"]}, 0, "tmpcopyup is for new mounts only"),
        (BIND | {"options": ["remount", "bind", "src-nofollow"]}, 2, "src-nofollow is for new mounts only"),
        (TMPFS | {"options": ["copy-symlink"]}, 0, "copy-symlink can be used only with bind mounts"),
        (TMPFS | {"options": ["ro", "src-nofollow"]}, 1, "src-nofollow can be used only with bind mounts"),
        (TMPFS | {"options": ["dest-nofollow"]}, 0, "dest-nofollow can be used only with bind mounts"),
        (BIND | {"options": ["src-nofollow", "copy-symlink", "bind"]}, 1,
         "copy-symlink is mutually exclusive with src-nofollow and dest-nofollow"),
        (TMPFS | {"options": ["size=1k,tmpcopyup"]}, 0, '"tmpcopyup" must be an option of its own'),
        (BIND | {"options": ["bind", "ro,idmap=uids=0-1-2"]}, 1,
         '"idmap=uids=0-1-2" must be an option of its own'),
        (TMPFS | {"options": ["ro,remount"]}, 0, '"remount" must be an option of its own'),
        (TMPFS | {"options": ["ro,rsync"]}, 0, '"rsync" must be an option of its own'),
        (TMPFS | {"options": ["rmand"]}, 0,
         ("rmand is impossible: mand is of a file system, and no system call changes it for a tree of"
          " mounts; give each mount the option mand")),
    ],
)  # fmt: skip
def test_options_that_cannot_be_obeyed(mount, option, sentence):
    assert found("/mounts", [mount]) == {f"/mounts/0/options/{option}": sentence}


@pytest.mark.parametrize(
    "mount",
    [
        TMPFS | {"options": ["tmpcopyup", "ro", "size=1k,mode=755"]},
        BIND | {"options": ["bind", "copy-symlink"]},
        BIND | {"options": ["src-nofollow", "rbind", "dest-nofollow"]},
        TMPFS | {"options": ['context="a:b:c:s0:c1,remount"', "size=1k"]},
        TMPFS | {"options": ["ro,nosuid"]},
    ],
)
def test_options_that_can(mount):
    assert found("/mounts", [mount]) == {}


@pytest.mark.parametrize(
    ("option", "parts"),
    [
        ("ro", ["ro"]), ("size=1k,mode=755", ["size=1k", "mode=755"]), (",a,,b,", ["a", "b"]),
        ('context="a,b",ro', ['context="a,b"', "ro"]), ("lowerdir=a\\,b", ["lowerdir=a\\,b"]),
    ],
)  # fmt: skip
def test_an_option_is_taken_apart_as_mount_does(option, parts):
    assert mountrules.taken_apart(option) == parts


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [("/a/../b//./c/", "/b/c"), ("../../a", "/a"), ("", "/"), ("/..", "/"), ("a\n", "/a\n")],
)
def test_paths_are_cleaned_as_the_kernel_would_walk_them(path, cleaned):
    assert mountrules.clean(path) == cleaned
