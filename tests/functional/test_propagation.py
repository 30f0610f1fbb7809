"""linux.rootfsPropagation: who sees whose mounts afterwards, on a rootfs that the host shares.

config-linux.md, "Rootfs Mount Propagation". Each test looks from both sides.
"""

import os

import pytest
from functional import inside
from functional.inside import Mounted, mounts, refused, said

FORMS = (None, "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable")
# Those with which the root receives what the host mounts; the default is runc's, rslave.
RECEIVING = (None, "slave", "rslave")
# Those that take the volumes in as well.
FIRM = ("rprivate", "runbindable")


@pytest.fixture
def shared(bundle, containers, tmp_path):
    """The bundle on a mount that is shared with the host, and a volume on another one."""
    volume = tmp_path / "volume"
    for place in (bundle.path, volume):
        place.mkdir(exist_ok=True)
        inside.mount("--bind", place, place)
        inside.mount("--make-shared", place)
    (bundle.rootfs / "late").mkdir()
    (volume / "late").mkdir()
    inside.writable(bundle)
    yield volume
    for place in (volume, bundle.path):
        inside.unmount(place)


def wish(bundle, propagation):
    """Set the propagation of the root; None leaves it out."""
    linux = bundle.config["linux"]
    linux.pop("rootfsPropagation", None)
    if propagation:
        linux["rootfsPropagation"] = propagation


def bind(bundle, volume, *options):
    """Give the container the volume."""
    bundle.config["mounts"].append(
        {"destination": "/volume", "source": str(volume), "options": ["rbind", *options]}
    )


@pytest.mark.parametrize("propagation", FORMS)
def test_the_root_receives_mounts_of_the_host_only_as_a_slave(
    bundle, runtime, containers, shared, propagation
):
    """slave: "receives propagation events from the host but not the other way around"."""
    wish(bundle, propagation)
    pid = inside.running(bundle, runtime, containers)
    assert ("master" in mounts(inside.mountinfo(pid))["/"].peers) == (propagation in RECEIVING)
    inside.mount("-t", "tmpfs", "late", bundle.rootfs / "late")
    assert ("/late" in mounts(inside.mountinfo(pid))) == (propagation in RECEIVING)


@pytest.mark.parametrize("propagation", FORMS)
def test_no_form_hands_mounts_of_the_container_to_the_host(
    bundle, runtime, containers, shared, propagation
):
    wish(bundle, propagation)
    inside.allow(bundle, "CAP_SYS_ADMIN")
    before = inside.mountinfo()
    script = "mount -t tmpfs inner /late && touch /late/done && sleep 60"
    pid = inside.running(bundle, runtime, containers, script)
    inside.eventually(lambda: "/late" in mounts(inside.mountinfo(pid)))
    assert inside.mountinfo() == before
    assert os.listdir(bundle.rootfs / "late") == []


@pytest.mark.parametrize("propagation", FORMS)
def test_a_volume_that_is_a_slave_receives_mounts_of_the_host_whatever_the_root_does(
    bundle, runtime, containers, shared, propagation
):
    """The recursive forms that cut off are the exception: they speak of all mounts."""
    wish(bundle, propagation)
    bind(bundle, shared, "rslave")
    pid = inside.running(bundle, runtime, containers)
    inside.mount("-t", "tmpfs", "late", shared / "late")
    assert ("/volume/late" in mounts(inside.mountinfo(pid))) == (propagation not in FIRM)


@pytest.mark.parametrize("propagation", ["shared", "rshared"])
def test_a_shared_root_is_a_new_peer_group_that_the_host_is_not_in(
    bundle, runtime, containers, shared, propagation
):
    """shared: "the rootfs mount belongs to a new peer group"."""
    wish(bundle, propagation)
    inside.allow(bundle, "CAP_SYS_ADMIN")
    script = """
        mkdir /copy && mount --bind / /copy && mount -t tmpfs nested /late
        cat /proc/self/mountinfo"""
    found = mounts(said(bundle, runtime, script))
    assert found["/"].peers == {"shared"}
    assert found["/copy/late"].source == "nested"
    groups = {word for line in inside.mountinfo().splitlines() for word in line.split() if "shared:" in word}
    own = {word for line in said(bundle, runtime, "cat /proc/self/mountinfo").splitlines()
           if Mounted(line).point == "/" for word in line.split() if "shared:" in word}  # fmt: skip
    assert own and not own & groups


@pytest.mark.parametrize("propagation", ["private", "slave", "rslave", "rprivate"])
def test_a_root_that_is_not_shared_hands_nothing_to_its_own_binds(
    bundle, runtime, shared, propagation
):
    wish(bundle, propagation)
    inside.allow(bundle, "CAP_SYS_ADMIN")
    script = "mkdir /copy && mount --bind / /copy && mount -t tmpfs nested /late; cat /proc/self/mountinfo"
    found = mounts(said(bundle, runtime, script))
    assert "/late" in found
    assert "/copy/late" not in found


@pytest.mark.parametrize("propagation", ["unbindable", "runbindable"])
def test_an_unbindable_root_cannot_be_bound(bundle, runtime, shared, propagation):
    """unbindable: "the rootfs mount is a private mount that cannot be bind-mounted"."""
    wish(bundle, propagation)
    inside.allow(bundle, "CAP_SYS_ADMIN")
    script = """mkdir /copy
        mount --bind / /copy 2>/dev/null || echo "not the root"
        mount --bind /dev/shm /copy 2>/dev/null || echo "nor what is mounted in it"
        true"""
    told = said(bundle, runtime, script).splitlines()
    assert told == ["not the root", "nor what is mounted in it"][: 1 + (propagation[0] == "r")]


def test_the_recursive_forms_take_all_mounts_in(bundle, runtime, shared):
    inside.mount("-t", "tmpfs", "below", bundle.rootfs / "late")
    inside.mount("--make-shared", bundle.rootfs / "late")
    bind(bundle, shared)
    expected = {
        "private": ("master", "master"), "rprivate": ("", ""), "slave": ("master", "master"),
        "rslave": ("master", "master"), "unbindable": ("master", "master"),
        "runbindable": ("unbindable", "unbindable"),
    }  # fmt: skip
    for propagation, peers in expected.items():
        wish(bundle, propagation)
        found = mounts(said(bundle, runtime, "cat /proc/self/mountinfo"))
        told = tuple("".join(found[point].peers) for point in ("/late", "/volume"))
        assert told == peers, propagation


@pytest.mark.parametrize("propagation", ["shared", "rshared"])
@pytest.mark.parametrize("own", [False, True])
def test_a_shared_root_behind_a_link_hands_nothing_to_the_host(
    bundle, runtime, containers, shared, tmp_path, propagation, own
):
    """The mount to part from the host is known by its id: the path's spelling names another."""
    if own:  # as engines have it: an overlay of its own
        inside.mount("--bind", bundle.rootfs, bundle.rootfs)
        inside.mount("--make-shared", bundle.rootfs)
    (tmp_path / "link").symlink_to(bundle.path)
    bundle.config["root"]["path"] = str(tmp_path / "link/rootfs")
    wish(bundle, propagation)
    before = inside.mountinfo()
    inside.running(bundle, runtime, containers)
    assert inside.mountinfo() == before


# --- without pivot_root, and without a mount namespace --------------------------------------------


@pytest.mark.parametrize("propagation", ["private", "rprivate"])
def test_a_private_root_needs_pivot_root(bundle, runtime, propagation):
    wish(bundle, propagation)
    told = refused(bundle, runtime, "--no-pivot")
    assert "/linux/rootfsPropagation: rootfsPropagation of [r]private is not safe without pivot_root" in told


@pytest.mark.parametrize(
    ("propagation", "peers"),
    [(None, "master"), ("slave", "master"), ("rslave", "master"), ("shared", "shared"),
     ("rshared", "shared"), ("unbindable", "unbindable"), ("runbindable", "unbindable")],
)  # fmt: skip
def test_the_other_forms_are_had_without_pivot_root_as_well(
    bundle, runtime, containers, shared, propagation, peers
):
    wish(bundle, propagation)
    before = inside.mountinfo()
    done = [Mounted(line) for line in said(bundle, runtime, "cat /proc/self/mountinfo", "--no-pivot").splitlines()]
    assert done[-1].point != "/"
    (root,) = [each for each in done if each.point == "/" and each.root.endswith("/rootfs")]
    assert root.peers == {peers}
    assert inside.mountinfo() == before


def test_an_unknown_form_is_refused_with_its_place(bundle, runtime):
    wish(bundle, "foo")
    told = refused(bundle, runtime)
    assert "/linux/rootfsPropagation" in told
    assert "foo" in told


@pytest.mark.parametrize("propagation", ["shared", "slave", "private", "unbindable"])
def test_without_a_mount_namespace_it_is_of_the_rootfs_alone(bundle, runtime, containers, propagation):
    inside.without(bundle, "mount")
    bundle.config["linux"] |= {"maskedPaths": [], "readonlyPaths": []}
    wish(bundle, propagation)
    before = inside.mountinfo()
    inside.running(bundle, runtime, containers)
    now = inside.mountinfo()
    assert set(before.splitlines()) <= set(now.splitlines())  # none of the caller's has changed
    expected = {"shared": {"shared"}, "unbindable": {"unbindable"}}.get(propagation, set())
    assert mounts(now)[str(bundle.rootfs)].peers == expected
