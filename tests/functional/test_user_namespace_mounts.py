"""What the kernel refuses in a user namespace: what is bound instead, and which flags are locked.

A child of the test enters a user namespace of its own and applies the planned mounts there, as the
container's init does.
"""

import ctypes
import os

import pytest
from functional import inside
from functional.inside import mounts as by_point

from pyruntime import errors
from pyruntime.feature import masks, mounts
from pyruntime.kernel import mount

NEW_USER, NEW_MOUNT, NEW_NETWORK, NEW_CGROUP = 0x10000000, 0x00020000, 0x40000000, 0x02000000
LIBC = ctypes.CDLL(None, use_errno=True)
CGROUPS = "/sys/fs/cgroup"


@pytest.fixture
def root(tmp_path, containers):
    """An empty directory to be the root."""
    top = tmp_path / "root"
    top.mkdir()
    return top


@pytest.fixture
def locked(tmp_path, containers):
    """A mount of the host that has every flag there is to lock."""
    top = tmp_path / "locked"
    top.mkdir()
    inside.mount("-t", "tmpfs", "-o", "nosuid,nodev,noexec,noatime,nodiratime", "tmpfs", top)
    (top / "file").write_text("host\n")
    inside.mount("-o", "remount,ro", top)
    yield top
    inside.unmount(top)


def there(work, more=0, ids="0 0 65536"):
    """Do `work` in a new user and mount namespace; return the text that it returns or fails with."""
    ready, told = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            assert LIBC.unshare(NEW_USER | NEW_MOUNT | more) == 0
            os.write(told[1], b"!")
            os.read(ready[0], 1)
            text = work()
        except errors.RuntimeFailure as failure:
            text = failure.say()
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        finally:
            os.write(told[1], text.encode())
            os._exit(0)
    os.close(told[1])
    assert os.read(told[0], 1) == b"!"
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as file:
            file.write(ids)
    os.write(ready[1], b"!")
    with os.fdopen(told[0]) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    for descriptor in ready:
        os.close(descriptor)
    return text


def applied(root, entries, cgroup="", more=0):
    """Apply a mount list in there; return its mounts below the root by point, or the failure."""

    def work():
        mount.propagate("/", mount.MS_SLAVE | mount.MS_REC)
        tree = mount.open_tree(mount.AT_FDCWD, str(root), recursive=True)
        target = os.open(root, os.O_PATH)
        mount.move_mount(tree, target)
        for step in mounts.plan({"mounts": entries}, str(root), cgroup):
            mounts.apply(step, tree, None)
        return inside.mountinfo()

    text = there(work, more)
    if " - " not in text:
        return text
    return {
        point.removeprefix(str(root)): found
        for point, found in by_point(text).items()
        if point.startswith(str(root) + "/")
    }


# --- cgroups -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cgroup", "cgroup2"])
def test_where_cgroups_cannot_be_mounted_the_hierarchy_is_bound(root, kind):
    entry = {"destination": "/c", "type": kind, "source": "cgroup", "options": ["ro", "nosuid", "noexec"]}
    found = applied(root, [entry], CGROUPS)
    assert (found["/c"].kind, found["/c"].root) == ("cgroup2", by_point(inside.mountinfo())[CGROUPS].root)
    assert found["/c"].options >= {"ro", "nosuid", "noexec"}


def test_or_the_containers_own_cgroup_where_it_has_a_namespace_of_them(root):
    own = f"{CGROUPS}/test-of-mounts"
    os.mkdir(own)
    try:
        entry = {"destination": "/c", "type": "cgroup", "source": "cgroup"}
        found = applied(root, [entry], own)
    finally:
        os.rmdir(own)
    assert found["/c"].root.endswith("/test-of-mounts")


def test_with_a_namespace_of_its_own_it_is_mounted(root):
    entry = {"destination": "/c", "type": "cgroup", "source": "name"}
    found = applied(root, [entry], "/nowhere", NEW_CGROUP)
    assert (found["/c"].kind, found["/c"].source) == ("cgroup2", "name")


# --- sysfs ---------------------------------------------------------------------------------------


def test_where_sysfs_cannot_be_mounted_all_of_sys_is_bound_and_read_only(root):
    entry = {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro", "nosuid"]}
    found = applied(root, [entry])
    assert {"/sys", "/sys/fs/cgroup"} <= set(found)
    assert found["/sys"].kind == "sysfs"
    assert "nosuid" in found["/sys"].options
    assert all("ro" in each.options for each in found.values())
    assert all(each.peers == set() for each in found.values())


def test_only_one_that_is_wished_read_only_can_be_replaced(root):
    entry = {"destination": "/sys", "type": "sysfs", "source": "sysfs"}
    told = applied(root, [entry])
    assert "mount sysfs on /sys: operation not permitted" in told
    assert "the option ro" in told


def test_with_a_network_of_its_own_it_is_mounted(root):
    entry = {"destination": "/sys", "type": "sysfs", "source": "own", "options": ["ro"]}
    found = applied(root, [entry], more=NEW_NETWORK)
    assert found["/sys"].source == "own"
    assert "/sys/fs/cgroup" not in found


# --- locked flags --------------------------------------------------------------------------------


def test_flags_that_are_locked_stay_and_more_can_be_had(root, locked):
    """runc sets all flags at once and has to try again with those of the source."""
    for number, options in enumerate(([], ["nosuid"], ["ro", "nosymfollow"], ["rnodev", "noatime"])):
        entry = {"destination": f"/{number}", "source": str(locked), "options": ["rbind", *options]}
        found = applied(root, [entry])
        assert found[f"/{number}"].options >= {"ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime"}
        assert ("nosymfollow" in found[f"/{number}"].options) == ("nosymfollow" in options)


@pytest.mark.parametrize(
    ("option", "names"),
    [("rw", "ro"), ("suid", "nosuid"), ("dev", "nodev"), ("exec", "noexec"), ("diratime", "nodiratime"),
     ("atime", "noatime"), ("relatime", "noatime"), ("strictatime", "noatime"), ("rrw", "ro"),
     ("rsuid", "nosuid")],
)  # fmt: skip
def test_a_locked_flag_that_shall_go_is_named_with_the_cure(root, locked, option, names):
    entry = {"destination": "/x", "source": str(locked), "options": ["rbind", "nosuid", option]}
    if "suid" in option:
        entry["options"].remove("nosuid")
    told = applied(root, [entry])
    assert told.startswith(f"mount {locked} on /x: operation not permitted ({names} came from another")
    assert "leave that option out" in told


def test_a_mode_of_access_times_that_is_locked_cannot_become_another(root, tmp_path, containers):
    top = tmp_path / "relatime"
    top.mkdir()
    inside.mount("-t", "tmpfs", "tmpfs", top)
    try:
        same = {"destination": "/x", "source": str(top), "options": ["bind", "relatime"]}
        assert "relatime" in applied(root, [same])["/x"].options
        other = same | {"options": ["bind", "noatime"]}
        told = applied(root, [other])
    finally:
        inside.unmount(top)
    assert "operation not permitted (the attributes of access times" in told


def test_a_remount_cannot_take_a_locked_flag_off_either(root, locked):
    entries = [
        {"destination": "/x", "source": str(locked), "options": ["bind"]},
        {"destination": "/x", "options": ["remount", "bind", "rw"]},
    ]
    assert "ro came from another user namespace" in applied(root, entries)


# --- masks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["maskedPaths", "readonlyPaths"])
def test_a_path_that_the_runtime_may_not_look_at_is_an_error(root, name):
    """crun leaves it out; then those who may look there would see it."""
    (root / "closed/secret").mkdir(parents=True)
    os.chown(root / "closed", 70000, 70000)
    (root / "closed").chmod(0o700)

    def work():
        top = os.open(root, os.O_PATH)
        masks.apply(masks.plan({"linux": {name: ["/closed/secret"]}}), top, {})
        return "done"

    told = there(work)
    assert "/closed/secret: permission denied (the runtime may not look there" in told
