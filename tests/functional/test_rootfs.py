"""The root file system: how it becomes the root, what it lets through, and what is left of it."""

import os

import pytest
from functional import inside
from functional.inside import Mounted, mounts, refused, said

INFO = "cat /proc/self/mountinfo"
PRIVATE_MOUNTS = ("proc", "sys", "dev", "dev/pts", "dev/shm", "dev/mqueue", "sys/fs/cgroup")


@pytest.mark.parametrize("flags", [(), ("--no-pivot",)])
def test_the_root_is_readonly_only_when_wished(bundle, runtime, flags):
    script = f"touch /x 2>&1; touch /dev/shm/x; {INFO}"
    told = said(bundle, runtime, script, *flags).splitlines()
    assert told[0] == "touch: /x: Read-only file system"
    assert "ro" in mounts("\n".join(told[1:]))["/"].options
    bundle.config["root"]["readonly"] = False
    said(bundle, runtime, "touch /x", *flags)
    assert (bundle.rootfs / "x").exists()


def test_nothing_of_the_host_is_left_after_pivot_root(bundle, runtime):
    told = [Mounted(line) for line in said(bundle, runtime, INFO).splitlines()]
    assert told[0].point == "/"
    assert told[0].root == str(bundle.rootfs) or told[0].root.endswith(str(bundle.rootfs))
    assert len([each for each in told if each.point == "/"]) == 1
    assert {each.point for each in told} >= {f"/{name}" for name in PRIVATE_MOUNTS}
    assert not [each.point for each in told if "bundle" in each.point]


def test_the_parent_of_the_root_is_the_root(bundle, runtime):
    inside.allow(bundle, "CAP_SYS_CHROOT")
    assert said(bundle, runtime, "ls -d /../../../bin/busybox; cd ..; pwd") == (
        "/../../../bin/busybox\n/\n"
    )


def test_without_pivot_no_full_procfs_or_sysfs_of_the_host_is_left(bundle, runtime):
    told = said(bundle, runtime, f"ls /; {INFO}", "--no-pivot").splitlines()
    assert "bin" in told
    found = [Mounted(line) for line in told if " - " in line]
    assert sorted(each.point for each in found if each.kind == "proc" and each.root == "/") == ["/proc"]
    assert sorted(each.point for each in found if each.kind == "sysfs" and each.root == "/") == ["/sys"]


def test_mounts_below_the_rootfs_come_along(bundle, runtime, containers):
    (bundle.rootfs / "below").mkdir()
    inside.mount("-t", "tmpfs", "below", bundle.rootfs / "below")
    (bundle.rootfs / "below/file").write_text("below\n")
    try:
        assert said(bundle, runtime, "cat /below/file") == "below\n"
    finally:
        inside.unmount(bundle.rootfs / "below")


@pytest.mark.parametrize(
    ("propagation", "peers"),
    [
        (None, set()),
        ("private", set()),
        ("rprivate", set()),
        ("slave", set()),  # a slave needs a master, and the rootfs has none
        ("rslave", set()),
        ("shared", {"shared"}),
        ("rshared", {"shared"}),
        ("unbindable", {"unbindable"}),
        ("runbindable", {"unbindable"}),
    ],
)
def test_the_propagation_of_the_root_is_the_one_wished(bundle, runtime, propagation, peers):
    if propagation:
        bundle.config["linux"]["rootfsPropagation"] = propagation
    found = mounts(said(bundle, runtime, INFO))
    assert found["/"].peers == peers
    recursive = propagation is not None and propagation.startswith("r")
    assert found["/dev/shm"].peers == (peers if recursive else set())


def test_a_rootfs_on_a_shared_mount_stays_apart_from_the_host(bundle, runtime, containers, tmp_path):
    """Each form of propagation: what the container mounts never reaches the host."""
    inside.mount("--bind", tmp_path, tmp_path)
    inside.mount("--make-shared", tmp_path)
    try:
        present = inside.mountinfo()
        for propagation in ("", "slave", "private", "shared", "unbindable", "rshared"):
            bundle.config["linux"]["rootfsPropagation"] = propagation or "rslave"
            peers = mounts(said(bundle, runtime, INFO))["/"].peers
            assert peers <= {"shared", "master", "unbindable"}
            inside.running(bundle, runtime, containers)
            assert inside.mountinfo() == present, propagation
            assert runtime("delete", "--force", "c1").returncode == 0
        inside.allow(bundle, "CAP_SYS_ADMIN")
        said(bundle, runtime, "mount -t tmpfs late /tmp")
        assert inside.mountinfo() == present
    finally:
        inside.unmount(tmp_path)


# --- no mount namespace of its own ---------------------------------------------------------------


@pytest.fixture
def chrooted(bundle):
    """A bundle whose container shares the caller's mounts."""
    inside.without(bundle, "mount")
    linux = bundle.config["linux"]
    linux["maskedPaths"] = linux["readonlyPaths"] = []
    return bundle


def test_without_a_mount_namespace_the_container_has_a_changed_root_all_the_same(chrooted, runtime):
    script = "ls -d /bin/busybox /dev/null /proc/self; readlink /proc/self/ns/mnt"
    told = said(chrooted, runtime, script).splitlines()
    assert told == ["/bin/busybox", "/dev/null", "/proc/self", os.readlink("/proc/self/ns/mnt")]


def test_a_container_in_the_hosts_mounts_takes_them_along_when_deleted(
    chrooted, runtime, containers
):
    inside.running(chrooted, runtime, containers)
    present = inside.mountinfo()
    found = mounts(present)
    assert {str(chrooted.rootfs / name) for name in PRIVATE_MOUNTS} <= set(found)
    assert containers.state("c1")["mounted"].endswith(f" {chrooted.rootfs}")
    assert runtime("delete", "--force", "c1").returncode == 0
    left = mounts(inside.mountinfo())
    assert not [point for point in left if point.startswith(str(chrooted.rootfs))]


def test_a_created_container_in_the_hosts_mounts_leaves_none_when_it_fails(chrooted, runtime):
    chrooted.config["mounts"].append({"destination": "/x", "type": "nofs", "source": "nofs"})
    refused(chrooted, runtime)  # the fixture `containers` looks for mounts that are left


@pytest.mark.parametrize("name", ["maskedPaths", "readonlyPaths"])
def test_masks_need_a_mount_namespace(chrooted, runtime, name):
    chrooted.config["linux"][name] = ["/proc/kcore"]
    told = refused(chrooted, runtime)
    assert "unable to restrict sys entries without a private MNT namespace" in told
    assert f"/linux/{name}" in told


# --- what is no root -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing", "stat {}/missing: no such file or directory"),
        ("config.json", "{}/config.json: not a directory"),
        ("rootfs/etc/passwd", "{}/rootfs/etc/passwd: not a directory"),
        ("rootfs/etc/passwd/x", "stat {}/rootfs/etc/passwd/x: not a directory"),
    ],
)
def test_a_rootfs_that_is_no_directory_is_refused(bundle, runtime, path, words):
    bundle.config["root"]["path"] = path
    told = refused(bundle, runtime)
    assert f"invalid rootfs: {words.format(bundle.path)}" in told


def test_a_rootfs_may_be_given_by_an_absolute_path_or_through_a_link(bundle, runtime, tmp_path):
    bundle.config["root"]["path"] = str(bundle.rootfs)
    assert said(bundle, runtime, "echo here") == "here\n"
    (tmp_path / "link").symlink_to(bundle.path)
    bundle.config["root"]["path"] = str(tmp_path / "link/rootfs")
    assert said(bundle, runtime, "ls -d /bin/busybox") == "/bin/busybox\n"


def test_the_dot_is_a_path_as_others(bundle, runtime):
    bundle.config["root"]["path"] = "./x/../rootfs/"
    assert said(bundle, runtime, "ls -d /bin/busybox") == "/bin/busybox\n"


def test_no_root_at_all_is_refused(bundle, runtime):
    del bundle.config["root"]
    assert "root must be specified" in refused(bundle, runtime)
