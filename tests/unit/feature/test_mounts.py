"""Planning the mount list: options sorted by what they need, and the text for people."""

import pytest

from pyruntime.feature import mounts
from pyruntime.kernel import mount
from pyruntime.spec import words


def planned(*options, destination="/d", kind="tmpfs", source="s", bundle="/bundle"):
    """Return the step of one entry."""
    entry = {"destination": destination, "type": kind, "source": source, "options": list(options)}
    (step,) = mounts.plan({"mounts": [entry]}, bundle)
    return step


def test_no_list_and_an_empty_one_plan_nothing():
    assert mounts.plan({}, "/b") == mounts.plan({"mounts": []}, "/b") == []


def test_entries_keep_their_order():
    entries = [{"destination": f"/{name}", "type": "tmpfs", "source": "s"} for name in "cab"]
    assert [step.destination for step in mounts.plan({"mounts": entries}, "/b")] == ["/c", "/a", "/b"]


def test_an_entry_without_options_has_no_wishes():
    (step,) = mounts.plan({"mounts": [{"destination": "/d", "type": "tmpfs", "source": "s"}]}, "/b")
    assert (step.add, step.clear, step.tree_add, step.tree_clear) == (0, 0, 0, 0)
    assert (step.options, step.propagation) == ([], [])
    assert not step.late
    assert not step.remount


@pytest.mark.parametrize(
    ("destination", "clean"),
    [("/a/b", "/a/b"), ("a", "/a"), ("//a/./b/", "/a/b"), ("/../a/../b", "/b"), ("/a b", "/a b")],
)
def test_destinations_are_absolute_and_clean(destination, clean):
    assert planned(destination=destination).destination == clean


@pytest.mark.parametrize(
    ("source", "bound"),
    [("/x", "/x"), ("x", "/bundle/x"), ("./x/../y", "/bundle/y"), ("../x", "/x"), ("/a/../b", "/b")],
)
def test_a_relative_source_is_below_the_bundle_for_binds_only(source, bound):
    assert planned("bind", source=source).source == bound
    assert planned(source=source).source == source


def test_a_bind_is_what_has_the_option_whatever_its_type():
    assert planned("bind", kind="tmpfs").kind == planned("rbind", kind="").kind == "bind"
    assert not planned("bind").recursive
    assert planned("bind", "rbind").recursive
    assert planned("rbind", "bind").recursive


def test_a_source_that_is_missing_is_the_type():
    (step,) = mounts.plan({"mounts": [{"destination": "/d", "type": "sysfs"}]}, "/b")
    assert (step.kind, step.source) == ("sysfs", "sysfs")


def test_cgroup_means_the_second_version():
    assert planned(kind="cgroup", source="cgroup").kind == "cgroup2"
    assert planned(kind="cgroup", source="cgroup").source == "cgroup"


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("one", "other"),
    [("ro", "rw"), ("nosuid", "suid"), ("nodev", "dev"), ("noexec", "exec"), ("noatime", "atime"),
     ("noatime", "strictatime"), ("noatime", "relatime"), ("nodiratime", "diratime"),
     ("nosymfollow", "symfollow"), ("strictatime", "nostrictatime")],
)  # fmt: skip
@pytest.mark.parametrize("prefix", ["", "r"])
def test_the_later_of_two_options_counts(one, other, prefix, order):
    both = (f"{prefix}{one}", f"{prefix}{other}")[::order]
    alone, after = planned("bind", both[1]), planned("bind", *both)
    kept = {"": ("add",), "r": ("tree_add",)}[prefix]
    assert [getattr(after, name) for name in kept] == [getattr(alone, name) for name in kept]


def test_no_bit_is_both_set_and_kept_clear_but_those_of_the_access_time():
    for option in words.MOUNT_OPTIONS:
        step = planned("bind", option)
        assert not step.add & step.clear & ~mount.ATTR_ATIME_MASK, option
        assert not step.tree_add & step.tree_clear & ~mount.ATTR_ATIME_MASK, option
        for bits in ((step.add, step.clear), (step.tree_add, step.tree_clear)):
            if bits[0] & mount.ATTR_ATIME_MASK:  # the kernel wants all of them cleared then
                assert bits[1] & mount.ATTR_ATIME_MASK == mount.ATTR_ATIME_MASK, option


def test_recursive_and_plain_options_stay_apart():
    step = planned("rbind", "ro", "rnosuid", "rrw")
    assert (step.add, step.tree_add) == (mount.ATTR_RDONLY, mount.ATTR_NOSUID)
    assert step.tree_clear & mount.ATTR_RDONLY


def test_propagation_keeps_its_order():
    step = planned("rbind", "rprivate", "shared", "runbindable")
    assert step.propagation == [
        (mount.MS_PRIVATE, True), (mount.MS_SHARED, False), (mount.MS_UNBINDABLE, True)
    ]  # fmt: skip


def test_what_the_table_does_not_know_is_the_file_systems():
    step = planned("size=64k", "nosuid", "huge", "context=a=b", "mode=755", "empty=")
    assert step.options == [
        ("size", "64k"), ("huge", None), ("context", "a=b"), ("mode", "755"), ("empty", "")
    ]  # fmt: skip


def test_flags_of_the_super_block_are_for_new_file_systems_only():
    assert planned("sync", "lazytime").options == [("sync", None), ("lazytime", None)]
    assert planned("bind", "sync", "lazytime").options == []


@pytest.mark.parametrize("option", ["defaults", "silent", "loud", "iversion", "noiversion", "norelatime"])
def test_options_without_effect_vanish(option):
    assert planned(option) == planned()


def test_only_a_tmpfs_becomes_readonly_late():
    late, soon = planned("ro"), planned("ro", kind="sysfs")
    assert (late.late, late.add) == (True, 0)
    assert (soon.late, soon.add) == (False, mount.ATTR_RDONLY)
    assert not planned("ro", "rw").late
    assert not planned("bind", "ro").late


def test_a_remount_is_marked_and_not_put_off():
    step = planned("remount", "ro", "size=1k")
    assert step.remount
    assert step.options == [("size", "1k")]
    assert step.add == mount.ATTR_RDONLY


@pytest.mark.parametrize("kind", ["cgroup", "cgroup2"])
def test_where_cgroups_cannot_be_mounted_the_directory_given_is_bound(kind):
    entry = {"destination": "/c", "type": kind, "source": "cgroup"}
    (step,) = mounts.plan({"mounts": [entry]}, "/b", "/sys/fs/cgroup/x")
    assert step.instead == "/sys/fs/cgroup/x"


def test_sysfs_is_replaced_only_where_it_is_read_only_anyway():
    assert planned("ro", kind="sysfs").instead == "/sys"
    assert planned("nosuid", kind="sysfs").instead == planned("ro", "rw", kind="sysfs").instead == ""
    assert planned("ro").instead == planned("bind", "ro", kind="sysfs").instead == ""


@pytest.mark.parametrize("option", ["tmpcopyup", "copy-symlink", "src-nofollow", "dest-nofollow"])
def test_what_the_runtime_does_itself_goes_the_other_way(option):
    step = planned(option, *(["bind"] if option != "tmpcopyup" else []))
    assert step.extensions == [(option, None)]
    assert step.options == []
    assert mounts.is_odd(step)


def test_ordinary_mounts_go_the_straight_way():
    for step in (planned("size=1k", "ro"), planned("rbind", "ro"), planned(kind="proc"), planned(kind="overlay")):
        assert not mounts.is_odd(step)


@pytest.mark.parametrize(
    ("options", "kind", "told"),
    [
        ((), "tmpfs", "mount tmpfs on /d"),
        (("size=64k", "nosuid", "noexec", "huge"), "tmpfs", "mount tmpfs on /d (size=64k, huge, nosuid, noexec)"),
        (("ro",), "sysfs", "mount sysfs on /d (ro)"),
        ((), "cgroup", "mount cgroup2 on /d"),
        (("bind", "ro"), "none", "bind /bundle/s on /d (ro)"),
        (("rbind", "rro", "nodev"), "none", "bind /bundle/s on /d (nodev, rro, recursive)"),
        (("remount", "nosuid"), "tmpfs", "remount on /d (nosuid)"),
        (("tmpcopyup", "size=1k"), "tmpfs", "mount tmpfs on /d (size=1k, tmpcopyup)"),
        (("bind", "copy-symlink"), "none", "bind /bundle/s on /d (copy-symlink)"),
        (("bind", "rw", "exec", "rprivate", "slave"), "none", "bind /bundle/s on /d (rw, exec, rprivate, slave)"),
        (("ro", "strictatime"), "tmpfs", "mount tmpfs on /d (strictatime, ro at last)"),
    ],
)
def test_a_step_says_itself_as_mount_would_be_asked(options, kind, told):
    assert planned(*options, kind=kind).describe() == told


def test_equal_entries_make_equal_steps():
    assert planned("ro", "size=1k") == planned("ro", "size=1k")
    assert planned("ro") != planned("nosuid")
    assert len({planned("ro"), planned("ro"), planned("nodev")}) == 2
