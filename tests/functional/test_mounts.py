"""The mount list, seen from inside: every type, option and destination."""

import os
import stat

import pytest
from functional import inside
from functional.inside import mounts, refused, said

from pyruntime.spec import words

INFO = "cat /proc/self/mountinfo"
FLAGS = {"ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow"}

# option: what a new tmpfs then shows. Without any it shows rw and relatime.
SETS = {
    "ro": {"ro", "relatime"},
    "nosuid": {"rw", "relatime", "nosuid"},
    "nodev": {"rw", "relatime", "nodev"},
    "noexec": {"rw", "relatime", "noexec"},
    "noatime": {"rw", "noatime"},
    "strictatime": {"rw"},
    "nodiratime": {"rw", "relatime", "nodiratime"},
    "nosymfollow": {"rw", "relatime", "nosymfollow"},
}
# option: what a bind of a mount that has all of FLAGS then shows besides the rest of them.
CLEARS = {
    "rw": (FLAGS - {"ro"}) | {"rw"},
    "suid": FLAGS - {"nosuid"},
    "dev": FLAGS - {"nodev"},
    "exec": FLAGS - {"noexec"},
    "atime": (FLAGS - {"noatime"}) | {"relatime"},
    "relatime": (FLAGS - {"noatime"}) | {"relatime"},
    "nostrictatime": (FLAGS - {"noatime"}) | {"relatime"},
    "strictatime": FLAGS - {"noatime"},
    "diratime": FLAGS - {"nodiratime"},
    "symfollow": FLAGS - {"nosymfollow"},
    "norelatime": FLAGS,
}
# options of the file system itself: what mountinfo's last field then has, and has not.
SUPERBLOCK = {
    ("sync",): ({"sync"}, set()),
    ("sync", "async"): (set(), {"sync"}),
    ("dirsync",): ({"dirsync"}, set()),
    ("lazytime",): ({"lazytime"}, set()),
    ("lazytime", "nolazytime"): (set(), {"lazytime"}),
    ("mand",): ({"mand"}, set()),
    ("mand", "nomand"): (set(), {"mand"}),
}
QUIET = ("silent", "loud", "iversion", "noiversion", "defaults")


@pytest.fixture
def tree(containers, tmp_path):
    """A callable that makes a tmpfs with another one at `sub`, both with the options given."""
    made = []

    def grow(*options, propagation="private"):
        top = tmp_path / f"tree{len(made)}"
        top.mkdir()
        made.append(top)
        inside.mount("-t", "tmpfs", "tmpfs", top)
        (top / "sub").mkdir()
        inside.mount("-t", "tmpfs", "tmpfs", top / "sub")
        (top / "file").write_text("top\n")
        (top / "sub/file").write_text("below\n")
        for place in (top / "sub", top):
            inside.mount(f"--make-{propagation}", place)
            if options:
                inside.mount("-o", ",".join(("remount", "bind", *options)), place)
        return top

    yield grow
    for top in made:
        inside.unmount(top)


def add(bundle, destination, *options, kind="tmpfs", source="tmpfs"):
    """Put an entry at the end of the mount list."""
    entry = {"destination": destination, "type": kind, "source": str(source), "options": list(options)}
    bundle.config["mounts"].append(entry)


def seen(bundle, runtime, *flags):
    """Run the container; return its mounts by mount point."""
    return mounts(said(bundle, runtime, INFO, *flags))


def test_every_option_of_the_table_is_tried_in_this_file():
    tried = {*SETS, *CLEARS, *QUIET, "bind", "rbind", "remount"}
    tried |= {f"r{option}" for option in (*SETS, *CLEARS)}
    tried |= {option for options in SUPERBLOCK for option in options}
    tried |= set(words.PROPAGATIONS)
    other = ("extension", "idmap", "impossible")  # test_copyup, test_link_binds, test_mount_verdicts
    here = {name for name, (kind, _, _) in words.MOUNT_OPTIONS.items() if kind not in other}
    assert here == tried


# --- types --------------------------------------------------------------------------------------


def test_each_type_of_file_system_can_be_mounted(bundle, runtime):
    add(bundle, "/t/proc2", kind="proc", source="proc")
    add(bundle, "/t/cgroup2", "ro", kind="cgroup2", source="cgroup")
    add(bundle, "/t/ramfs", kind="ramfs", source="none")
    found = seen(bundle, runtime)
    kinds = {point: found[point].kind for point in ("/proc", "/sys", "/dev", "/dev/pts")}
    assert kinds == {"/proc": "proc", "/sys": "sysfs", "/dev": "tmpfs", "/dev/pts": "devpts"}
    assert found["/dev/mqueue"].kind == "mqueue"
    assert found["/sys/fs/cgroup"].kind == found["/t/cgroup2"].kind == "cgroup2"
    assert found["/sys/fs/cgroup"].source == "cgroup"
    assert found["/t/proc2"].kind == "proc"
    assert found["/t/ramfs"].kind == "ramfs"
    assert found["/dev/pts"].of_super == {"rw", "gid=5", "mode=620", "ptmxmode=666"}
    assert found["/dev"].of_super >= {"size=65536k", "mode=755"}


def test_a_directory_and_a_file_can_be_bound(bundle, runtime, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").write_text("hello\n")
    add(bundle, "/etc/motd", "bind", kind="none", source=tmp_path / "there/file")
    add(bundle, "/there", "rbind", "ro", kind="none", source=tmp_path / "there")
    script = f"cat /etc/motd /there/file; touch /there/x 2>/dev/null || echo refused; {INFO}"
    told = said(bundle, runtime, script).splitlines()
    assert told[:3] == ["hello", "hello", "refused"]
    found = mounts("\n".join(told[3:]))
    assert found["/there"].options >= {"ro"}
    assert (bundle.rootfs / "etc/motd").read_text() == ""  # the mount point that was made


def test_a_bind_takes_mounts_below_along_only_when_recursive(bundle, runtime, tree):
    top = tree()
    add(bundle, "/flat", "bind", source=top)
    add(bundle, "/deep", "rbind", source=top)
    assert said(bundle, runtime, "ls /flat/sub; cat /flat/file /deep/file /deep/sub/file") == (
        "top\ntop\nbelow\n"
    )


def test_the_source_of_a_bind_without_a_type_is_bound(bundle, runtime, tmp_path):
    (tmp_path / "x").write_text("x\n")
    bundle.config["mounts"].append(
        {"destination": "/x", "source": str(tmp_path / "x"), "options": ["bind"]}
    )
    assert said(bundle, runtime, "cat /x") == "x\n"


def test_type_bind_alone_is_no_bind(bundle, runtime, tmp_path):
    (tmp_path / "x").mkdir()
    add(bundle, "/x", kind="bind", source=tmp_path / "x")
    assert "no such device" in refused(bundle, runtime)


def test_an_overlay_shows_its_layers(bundle, runtime, tmp_path):
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower/below").write_text("below\n")
    options = [f"{name}dir={tmp_path / name}" for name in ("lower", "upper", "work")]
    add(bundle, "/o", *options, kind="overlay", source="overlay")
    assert said(bundle, runtime, "cat /o/below; echo new > /o/new; rm /o/below") == "below\n"
    assert (tmp_path / "upper/new").read_text() == "new\n"
    assert (tmp_path / "lower/below").exists()


def stacked(bundle, tmp_path, count, destination="/o"):
    """Add an overlay of so many layers, each with a path of some 180 bytes."""
    places = []
    for number in range(count):
        place = tmp_path / ("l" * 100) / f"{number:03}"
        place.mkdir(parents=True)
        (place / f"file{number}").write_text(f"{number}\n")
        (place / "same").write_text(f"{number}\n")
        places.append(str(place))
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    layers = ":".join(places)
    options = [f"lowerdir={layers}", f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work"]
    add(bundle, destination, *options, "nosuid", "ro", kind="overlay", source="overlay")
    return len(layers)


def test_a_list_of_layers_may_be_longer_than_one_option_of_the_new_mount_api(
    bundle, runtime, tmp_path
):
    assert 255 < stacked(bundle, tmp_path, 12) < 3000
    told = said(bundle, runtime, f"cat /o/file11 /o/same; {INFO}").splitlines()
    assert told[:2] == ["11", "0"]
    assert mounts("\n".join(told[2:]))["/o"].options == {"nosuid", "ro", "relatime"}


def test_no_layer_is_lost_where_the_list_is_longer_than_a_page(bundle, runtime, tmp_path):
    """mount(2) cuts its data off at 4095 bytes and says nothing."""
    assert stacked(bundle, tmp_path, 40) > 4096
    bundle.config["process"]["args"] = ["cat", "/o/file39", "/o/same"]
    done = runtime("run", "--bundle", bundle.save(), "c1")
    if done.returncode:
        assert "4095 bytes" in done.stderr
    else:
        assert done.stdout == "39\n0\n"


def test_no_link_leads_a_mount_with_long_options_into_proc(bundle, runtime, tmp_path):
    (bundle.rootfs / "link").symlink_to("/proc/sys")
    stacked(bundle, tmp_path, 12, "/link")
    assert "cannot be mounted because it is inside /proc" in refused(bundle, runtime)


# --- options ------------------------------------------------------------------------------------


def test_every_option_that_sets_a_flag_sets_it(bundle, runtime):
    for option in SETS:
        add(bundle, f"/m/{option}", option)
    found = seen(bundle, runtime)
    assert {option: found[f"/m/{option}"].options for option in SETS} == SETS


def test_every_option_that_clears_a_flag_clears_it_and_no_other(bundle, runtime, tree):
    top = tree(*FLAGS)
    for option in CLEARS:
        add(bundle, f"/m/{option}", "bind", option, source=top)
    found = seen(bundle, runtime)
    assert {option: found[f"/m/{option}"].options for option in CLEARS} == CLEARS


def test_a_bind_without_options_keeps_the_flags_of_its_source(bundle, runtime, tree):
    add(bundle, "/m", "rbind", source=tree("nosuid", "noexec"))
    found = seen(bundle, runtime)
    assert found["/m"].options == found["/m/sub"].options == {"rw", "relatime", "nosuid", "noexec"}


def test_of_options_that_contradict_each_other_the_later_counts(bundle, runtime):
    add(bundle, "/a", "ro", "rw", "nosuid", "suid", "noatime", "strictatime")
    add(bundle, "/b", "rw", "ro", "suid", "nosuid", "strictatime", "noatime")
    found = seen(bundle, runtime)
    assert found["/a"].options == {"rw"}
    assert found["/b"].options == {"ro", "nosuid", "noatime"}


def test_options_of_the_file_system_reach_it(bundle, runtime):
    for number, options in enumerate(SUPERBLOCK):
        add(bundle, f"/m/{number}", *options)
    found = seen(bundle, runtime)
    for number, (options, (present, absent)) in enumerate(SUPERBLOCK.items()):
        shown = found[f"/m/{number}"].of_super
        assert shown >= present, options
        assert not shown & absent, options


def test_options_without_effect_are_accepted_for_every_kind(bundle, runtime, tmp_path):
    add(bundle, "/m/new", *QUIET)
    add(bundle, "/m/bound", "bind", *QUIET, source=tmp_path)
    found = seen(bundle, runtime)
    assert found["/m/new"].options == {"rw", "relatime"}
    assert not found["/m/new"].of_super & set(QUIET)


def test_options_of_a_tmpfs_reach_it_as_they_are(bundle, runtime):
    add(bundle, "/t", "size=128k", "nr_inodes=77", "uid=5", "gid=6", "mode=1700")
    found = seen(bundle, runtime)
    assert found["/t"].of_super >= {"size=128k", "nr_inodes=77", "uid=5", "gid=6", "mode=1700"}


def test_several_options_in_one_word_are_taken_apart_as_mount_does(bundle, runtime):
    add(bundle, "/t", "size=128k,mode=1700")
    assert seen(bundle, runtime)["/t"].of_super >= {"size=128k", "mode=1700"}


@pytest.mark.parametrize("option", sorted(SETS))
def test_recursive_options_set_flags_in_the_whole_tree(bundle, runtime, tree, option):
    top = tree()
    add(bundle, "/all", "rbind", f"r{option}", source=top)
    add(bundle, "/top", "rbind", option, source=top)
    found = seen(bundle, runtime)
    assert found["/all"].options == found["/all/sub"].options == SETS[option]
    assert found["/top"].options == SETS[option]
    assert found["/top/sub"].options == {"rw", "relatime"}


def test_recursive_options_clear_flags_in_the_whole_tree(bundle, runtime, tree):
    top = tree(*FLAGS)
    for option in CLEARS:
        add(bundle, f"/all/{option}", "rbind", f"r{option}", source=top)
        add(bundle, f"/top/{option}", "rbind", option, source=top)
    found = seen(bundle, runtime)
    for option, left in CLEARS.items():
        assert found[f"/all/{option}"].options == found[f"/all/{option}/sub"].options == left, option
        assert found[f"/top/{option}/sub"].options == FLAGS, option


def test_a_recursive_option_may_be_relaxed_for_the_top_only(bundle, runtime, tree):
    add(bundle, "/m", "rbind", "rnosuid", "rro", "rrw", source=tree())
    found = seen(bundle, runtime)
    assert found["/m"].options == found["/m/sub"].options == {"rw", "relatime", "nosuid"}


# --- propagation --------------------------------------------------------------------------------

# option: what mountinfo tells of the top and of what lies below, for a source that is shared.
OF_SHARED = {
    "none": ({"shared"}, {"shared"}),
    "private": (set(), {"shared"}),
    "rprivate": (set(), set()),
    "slave": ({"master"}, {"shared"}),
    "rslave": ({"master"}, {"master"}),
    "unbindable": ({"unbindable"}, {"shared"}),
    "runbindable": ({"unbindable"}, {"unbindable"}),
    "shared": ({"shared"}, {"shared"}),
}
OF_PRIVATE = {"shared": ({"shared"}, set()), "rshared": ({"shared"}, {"shared"})}


@pytest.mark.parametrize(("propagation", "table"), [("shared", OF_SHARED), ("private", OF_PRIVATE)])
def test_every_propagation_option_is_applied(bundle, runtime, tree, propagation, table):
    bundle.config["linux"]["rootfsPropagation"] = "shared"  # else the source is a slave already
    top = tree(propagation=propagation)
    for option in table:
        add(bundle, f"/{option}", "rbind", *[option] * (option != "none"), source=top)
    found = seen(bundle, runtime)
    told = {option: (found[f"/{option}"].peers, found[f"/{option}/sub"].peers) for option in table}
    assert told == table


def test_propagation_options_are_applied_in_the_order_given(bundle, runtime, tree):
    top = tree()
    add(bundle, "/a", "rbind", "rshared", "private", source=top)
    add(bundle, "/b", "rbind", "private", "rshared", source=top)
    found = seen(bundle, runtime)
    assert (found["/a"].peers, found["/a/sub"].peers) == (set(), {"shared"})
    assert (found["/b"].peers, found["/b/sub"].peers) == ({"shared"}, {"shared"})


def test_a_slave_sees_later_mounts_of_the_host_and_a_private_bind_does_not(
    bundle, runtime, containers, tree
):
    top = tree(propagation="shared")
    (top / "late").mkdir()
    add(bundle, "/slave", "rbind", "rslave", source=top)
    add(bundle, "/private", "rbind", "rprivate", source=top)
    pid = inside.running(bundle, runtime, containers)
    inside.mount("-t", "tmpfs", "tmpfs", top / "late")
    found = mounts(inside.mountinfo(pid))
    assert "/slave/late" in found
    assert "/private/late" not in found


def test_a_shared_bind_hands_mounts_of_the_container_to_the_host(bundle, runtime, containers, tree):
    top = tree(propagation="shared")
    (top / "late").mkdir()
    bundle.config["linux"]["rootfsPropagation"] = "shared"
    add(bundle, "/volume", "rbind", "rshared", source=top)
    inside.allow(bundle, "CAP_SYS_ADMIN")
    script = "mount -t tmpfs tmpfs /volume/late && touch /volume/late/x && sleep 60"
    inside.running(bundle, runtime, containers, script)
    inside.eventually((top / "late/x").exists)


# --- tmpfs --------------------------------------------------------------------------------------


def test_a_readonly_tmpfs_still_takes_the_mount_points_below_it(bundle, runtime, tmp_path):
    (tmp_path / "file").write_text("file\n")
    add(bundle, "/t", "ro", "size=64k")
    add(bundle, "/t/inner")
    add(bundle, "/t/deep/file", "bind", source=tmp_path / "file")
    bundle.config["process"]["cwd"] = "/t/cwd"
    script = f"touch /t/inner/x && touch /t/x 2>&1; cat /t/deep/file; pwd; {INFO}"
    told = said(bundle, runtime, script).splitlines()
    assert told[:3] == ["touch: /t/x: Read-only file system", "file", "/t/cwd"]
    found = mounts("\n".join(told[3:]))
    assert found["/t"].options == {"ro", "relatime"}
    assert found["/t/inner"].options == {"rw", "relatime"}


def test_a_readonly_dev_still_gets_its_devices(bundle, runtime):
    (dev,) = [entry for entry in bundle.config["mounts"] if entry["destination"] == "/dev"]
    dev["options"].append("ro")
    script = "test -c /dev/null && test -L /dev/fd && touch /dev/x 2>&1; true"
    assert said(bundle, runtime, script) == "touch: /dev/x: Read-only file system\n"


def test_a_tmpfs_takes_the_mode_of_the_directory_that_it_covers(bundle, runtime):
    for name, mode in (("covered", 0o2710), ("told", 0o710)):
        (bundle.rootfs / name).mkdir()
        (bundle.rootfs / name).chmod(mode)
    add(bundle, "/covered")
    add(bundle, "/told", "mode=1750")
    add(bundle, "/missing")
    assert said(bundle, runtime, "stat -c '%n %a' /covered /told /missing") == (
        "/covered 2710\n/told 1750\n/missing 1777\n"
    )


# --- destinations -------------------------------------------------------------------------------


def test_missing_mount_points_are_made(bundle, runtime, tmp_path):
    (tmp_path / "file").write_text("file\n")
    add(bundle, "/made/deep/dir")
    add(bundle, "/made/deep/file", "bind", source=tmp_path / "file")
    assert said(bundle, runtime, "cat /made/deep/file", umask=0o077) == "file\n"
    modes = {
        name: oct(stat.S_IMODE((bundle.rootfs / name).stat().st_mode))
        for name in ("made", "made/deep", "made/deep/dir", "made/deep/file")
    }
    assert modes == {
        "made": "0o755", "made/deep": "0o755", "made/deep/dir": "0o755", "made/deep/file": "0o644"
    }  # fmt: skip


def test_what_is_relative_is_taken_from_the_bundle_or_the_root(bundle, runtime):
    (bundle.path / "data").mkdir()
    (bundle.path / "data/file").write_text("of the bundle\n")
    add(bundle, "data", "bind", source="data")
    add(bundle, "../escape/../up", "bind", source="./data/../data")
    bundle.config["process"]["args"] = ["cat", "/data/file", "/up/file"]
    done = runtime("run", "--bundle", bundle.save(), "c1", cwd="/")
    assert (done.returncode, done.stdout) == (0, "of the bundle\n" * 2), done.stderr
    assert done.stderr.count("level=warning") == 2
    assert 'mount destination \\"data\\" is relative' in done.stderr


def test_links_in_a_destination_stay_inside_the_root(bundle, runtime, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (bundle.rootfs / "real").mkdir()
    for name, target in {
        "inner": "real",
        "absolute": "/real",
        "upward": "../../../../real",
        "dangling": "/to/be/made",
        "hostile": str(outside),
        "chain": "absolute",
    }.items():
        (bundle.rootfs / name).symlink_to(target)
        add(bundle, f"/{name}/{name}-point")
    found = seen(bundle, runtime)
    assert {point for point in found if point.endswith("-point")} == {
        "/real/inner-point", "/real/absolute-point", "/real/upward-point", "/real/chain-point",
        "/to/be/made/dangling-point", f"{outside}/hostile-point",
    }  # fmt: skip
    assert os.listdir(outside) == []


def test_a_link_that_is_the_destination_itself_is_followed_inside(bundle, runtime, tmp_path):
    (tmp_path / "source").write_text("bound\n")
    (tmp_path / "victim").write_text("host\n")
    (bundle.rootfs / "etc/resolv.conf").symlink_to(f"..{tmp_path}/victim")
    add(bundle, "/etc/resolv.conf", "bind", source=tmp_path / "source")
    assert said(bundle, runtime, "cat /etc/resolv.conf") == "bound\n"
    assert (tmp_path / "victim").read_text() == "host\n"


def test_links_that_never_end_are_refused(bundle, runtime):
    (bundle.rootfs / "a").symlink_to("b")
    (bundle.rootfs / "b").symlink_to("a")
    add(bundle, "/a/x")
    assert "too many levels of symbolic links" in refused(bundle, runtime)


def test_mounts_are_made_in_order(bundle, runtime, tmp_path):
    (tmp_path / "file").write_text("file\n")
    add(bundle, "/o", "size=64k", source="first")
    add(bundle, "/o/under")
    add(bundle, "/o", "size=128k", source="second")
    add(bundle, "/o/file", "bind", source=tmp_path / "file")
    told = said(bundle, runtime, f"ls /o; {INFO}").splitlines()
    assert told[0] == "file"
    order = [(each.point, each.source) for each in map(inside.Mounted, told[1:])]
    assert [pair for pair in order if pair[0] == "/o"] == [("/o", "first"), ("/o", "second")]
    assert not (bundle.rootfs / "o/under").exists()


@pytest.mark.parametrize("destination", ["/", "/.", "/x/..", "//"])
def test_nothing_covers_the_root(bundle, runtime, destination):
    add(bundle, destination)
    assert "is on the top of rootfs" in refused(bundle, runtime)


def test_a_directory_is_not_mounted_on_a_file(bundle, runtime):
    add(bundle, "/etc/passwd")
    assert "not a directory" in refused(bundle, runtime)


# --- remount ------------------------------------------------------------------------------------


def test_a_remount_changes_what_is_there(bundle, runtime):
    add(bundle, "/r", "size=64k")
    add(bundle, "/r", "remount", "bind", "ro", "nosuid", kind="none")
    add(bundle, "/s", "size=64k", "noexec")
    add(bundle, "/s", "remount", "size=128k", "nodev")
    add(bundle, "/t")
    add(bundle, "/t", "remount", "ro")
    found = seen(bundle, runtime)
    assert found["/r"].options == {"ro", "relatime", "nosuid"}
    assert found["/r"].of_super >= {"rw", "size=64k"}
    assert found["/s"].options >= {"nodev"}
    assert found["/s"].of_super >= {"size=128k"}
    assert "ro" in found["/t"].options


# --- /proc --------------------------------------------------------------------------------------


@pytest.mark.parametrize("destination", ["/proc/sys", "/proc/./x/../sys", "/proc/self", "/proc/acpi"])
def test_nothing_is_mounted_below_proc(bundle, runtime, destination):
    add(bundle, destination)
    assert "cannot be mounted because it is inside /proc" in refused(bundle, runtime)


@pytest.mark.parametrize("kind", ["tmpfs", "bind", "file"])
def test_no_link_leads_a_mount_into_proc(bundle, runtime, tmp_path, kind):
    (tmp_path / "file").touch()
    (bundle.rootfs / "link").symlink_to("/proc/sys" if kind != "file" else "/proc/sys/kernel/core_pattern")
    options = [] if kind == "tmpfs" else ["bind"]
    source = {"tmpfs": "tmpfs", "bind": tmp_path, "file": tmp_path / "file"}[kind]
    add(bundle, "/link", *options, source=source)
    assert "cannot be mounted because it is inside /proc" in refused(bundle, runtime)


def test_a_few_files_of_proc_may_be_covered_as_lxcfs_does(bundle, runtime, tmp_path):
    (tmp_path / "uptime").write_text("1.00 1.00\n")
    for name in ("uptime", "meminfo", "stat", "loadavg"):
        add(bundle, f"/proc/{name}", "bind", source=tmp_path / "uptime")
    names = "/proc/uptime /proc/meminfo /proc/stat /proc/loadavg"
    assert said(bundle, runtime, f"cat {names}") == "1.00 1.00\n" * 4


def test_proc_itself_is_covered_by_procfs_only(bundle, runtime):
    add(bundle, "/proc")
    assert "cannot be mounted because it is not of type proc" in refused(bundle, runtime)


@pytest.mark.parametrize("option", ["bind", "rbind"])
def test_a_directory_that_is_no_procfs_is_not_bound_over_proc(bundle, runtime, tmp_path, option):
    bundle.config["mounts"][0] = {"destination": "/proc", "source": str(tmp_path), "options": [option]}
    assert "cannot be mounted because it is not of type proc" in refused(bundle, runtime)


def test_the_procfs_of_the_host_may_be_bound_over_proc(bundle, runtime):
    bundle.config["mounts"][0] = {"destination": "/proc", "source": "/proc", "options": ["bind"]}
    bundle.config["linux"]["maskedPaths"] = bundle.config["linux"]["readonlyPaths"] = []
    assert int(said(bundle, runtime, "ls -d /proc/[0-9]* | wc -l")) > 2


@pytest.mark.parametrize("name", ["proc", "sys"])
@pytest.mark.parametrize("target", ["/tmp", "../../tmp", "dangling"])
def test_proc_and_sysfs_go_on_ordinary_directories_only(bundle, runtime, name, target):
    (bundle.rootfs / name).rmdir()
    (bundle.rootfs / name).symlink_to(target)
    kind = {"proc": "proc", "sys": "sysfs"}[name]
    told = f'filesystem \\"{kind}\\" must be mounted on ordinary directory'
    assert told in refused(bundle, runtime)


# --- what cannot be -----------------------------------------------------------------------------


def test_an_unknown_file_system_is_said_so(bundle, runtime):
    add(bundle, "/x", kind="nofs", source="nofs")
    told = refused(bundle, runtime)
    assert "mount nofs on /x: no such device" in told
    assert "the kernel knows no file system nofs" in told


@pytest.mark.parametrize("option", ["foo", "foo=bar", "size=lots"])
def test_an_unknown_option_is_told_in_the_file_systems_own_words(bundle, runtime, option):
    add(bundle, "/x", option)
    told = refused(bundle, runtime)
    assert "mount tmpfs on /x: invalid argument" in told
    assert option.partition("=")[0] in told


def test_a_bind_takes_no_options_of_a_file_system(bundle, runtime, tmp_path):
    add(bundle, "/x", "bind", "size=64k", "nosuid", source=tmp_path)
    bundle.config["process"]["args"] = ["cat", "/proc/self/mountinfo"]
    done = runtime("run", "--bundle", bundle.save(), "c1")
    assert done.returncode == 0, done.stderr
    assert "bind mounts cannot have any filesystem-specific options applied" in done.stderr
    assert "level=warning" in done.stderr
    assert "nosuid" in mounts(done.stdout)["/x"].options


def test_a_missing_bind_source_is_named(bundle, runtime, tmp_path):
    add(bundle, "/x", "bind", source=tmp_path / "missing")
    told = refused(bundle, runtime)
    assert f"{tmp_path}/missing" in told
    assert "no such file or directory" in told


@pytest.mark.parametrize("option", ["idmap", "ridmap"])
def test_options_that_are_not_built_are_refused_by_name(bundle, runtime, tmp_path, option):
    mappings = [{"containerID": 0, "hostID": 1000, "size": 1}]
    add(bundle, "/x", "bind", option, source=tmp_path)
    bundle.config["mounts"][-1] |= {"uidMappings": mappings, "gidMappings": mappings}
    assert f"mount option {option} is not supported yet" in refused(bundle, runtime)
