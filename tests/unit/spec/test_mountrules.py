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
    ("path", "cleaned"),
    [("/a/../b//./c/", "/b/c"), ("../../a", "/a"), ("", "/"), ("/..", "/"), ("a\n", "/a\n")],
)
def test_paths_are_cleaned_as_the_kernel_would_walk_them(path, cleaned):
    assert mountrules.clean(path) == cleaned
