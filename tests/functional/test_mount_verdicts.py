"""What is said of odd mounts, roots and masks, case by case, where other runtimes differ.

The cases are those in which runc and crun were seen to refuse, to accept in silence, or to disagree.
What the specification forbids is refused with its place in the configuration.
"""

import os
import stat

import pytest
from functional import inside
from functional.inside import mounts, refused, said

BIND = {"destination": "/x", "source": "rootfs/etc", "options": ["bind"]}
TMPFS = {"destination": "/x", "type": "tmpfs", "source": "tmpfs"}
MAPPING = [{"containerID": 0, "hostID": 1000, "size": 1}]
NUMBER = 7  # of the added mount: the sample has seven

# case: (entry, words of the error); what is in runc, crun stands in the comment.
REFUSED = {
    "tmpfs option foo":  # refused; refused
        (TMPFS | {"options": ["foo"]}, "mount tmpfs on /x: invalid argument"),
    "type bind alone":  # no such device; no such device
        (BIND | {"type": "bind", "options": ["ro"]}, f"/mounts/{NUMBER}/type: no such device"),
    "no type":  # no such device; invalid mount type
        ({"destination": "/x", "source": "x"}, f"/mounts/{NUMBER}/type: no such device"),
    "type none alone":
        (BIND | {"type": "none", "options": ["ro"]}, f"/mounts/{NUMBER}/type: no such device"),
    "missing source":  # refused; refused
        (BIND | {"source": "/nosuch"}, "/nosuch on /x: the bind source does not exist: no such file"),
    "the root":  # refused; refused
        (TMPFS | {"destination": "/"}, f"/mounts/{NUMBER}/destination"),
    "inside proc":  # refused; accepted
        (TMPFS | {"destination": "/proc/sys"}, f"/mounts/{NUMBER}/destination"),
    "proc itself":  # refused; accepted
        (TMPFS | {"destination": "/proc"}, f"/mounts/{NUMBER}/destination"),
    "unknown file system":  # no such device; no such device
        (TMPFS | {"type": "nofs"}, "mount tmpfs on /x: no such device"),
    "idmap without maps":  # refused; accepted
        (BIND | {"options": ["bind", "idmap"]}, f"/mounts/{NUMBER}: id-mapped mounts must have both"),
    "mappings of a mount":  # made; made
        (BIND | {"uidMappings": MAPPING, "gidMappings": MAPPING}, "mounts[].uidMappings is not supported yet"),
    "tmpcopyup of a bind":  # ignored; refused
        (BIND | {"options": ["bind", "tmpcopyup"]}, f"/mounts/{NUMBER}/options/1"),
    "src-nofollow of a tmpfs":  # refused; ignored
        (TMPFS | {"options": ["src-nofollow"]}, f"/mounts/{NUMBER}/options/0"),
    "a bind hidden in an option":  # no such device; no such device
        (TMPFS | {"options": ["ro,rbind"]}, f"/mounts/{NUMBER}/options/0"),
    "an id map hidden in an option":
        (BIND | {"options": ["bind", "ro,idmap"]}, f"/mounts/{NUMBER}/options/1"),
    "NUL in a source":
        (BIND | {"source": "/etc\0x"}, f"/mounts/{NUMBER}/source"),
    "NUL in an option":
        (TMPFS | {"options": ["size=1k\0"]}, f"/mounts/{NUMBER}/options/0"),
}  # fmt: skip
# crun takes these without effect; runc takes them for options of the file system.
IMPOSSIBLE = ("rsync", "rasync", "rdirsync", "rmand", "rnomand")


def add(bundle, entry):
    """Put an entry at the end of the mount list."""
    assert len(bundle.config["mounts"]) == NUMBER
    bundle.config["mounts"].append(entry)


@pytest.mark.parametrize("case", REFUSED)
def test_a_mount_that_is_refused(bundle, runtime, case):
    entry, words = REFUSED[case]
    add(bundle, entry)
    assert words in refused(bundle, runtime)


@pytest.mark.parametrize("option", IMPOSSIBLE)
@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
def test_an_option_that_no_system_call_obeys_is_refused(bundle, runtime, option, kind):
    add(bundle, (BIND | {"options": ["rbind", option]}) if kind == "bind" else TMPFS | {"options": ["ro", option]})
    told = refused(bundle, runtime)
    assert f"/mounts/{NUMBER}/options/1: {option} is impossible: {option[1:]} is of a file system" in told


def test_all_mistakes_are_told_at_once(bundle, runtime):
    add(bundle, TMPFS | {"destination": "/proc/sys", "options": ["rsync", "copy-symlink"]})
    told = refused(bundle, runtime)
    for place in ("destination", "options/0", "options/1"):
        assert f"/mounts/{NUMBER}/{place}" in told


def test_defaults_mean_nothing(bundle, runtime):
    """runc gives the word to the file system, which refuses it, and refuses it for binds."""
    add(bundle, TMPFS | {"options": ["defaults", "size=64k"]})
    bundle.config["mounts"].append(BIND | {"destination": "/y", "options": ["bind", "defaults"]})
    done = runtime("run", "--bundle", bundle.save(), "c1")
    assert (done.returncode, done.stderr) == (0, "")


def test_data_of_a_bind_and_relative_destinations_are_warned_of(bundle, runtime):
    """runc refuses the former, crun is silent; both are made, since a validation suite has them."""
    add(bundle, BIND | {"options": ["bind", "mode=700", "ro"]})
    bundle.config["mounts"].append(TMPFS | {"destination": "relative/place"})
    bundle.config["process"]["args"] = ["cat", "/proc/self/mountinfo"]
    done = runtime("run", "--bundle", bundle.save(), "c1")
    assert done.returncode == 0
    assert done.stderr.count("level=warning") == 2
    assert "bind mounts cannot have any filesystem-specific options applied" in done.stderr
    assert "is relative; it is taken from /" in done.stderr
    found = mounts(done.stdout)
    assert "ro" in found["/x"].options
    assert found["/relative/place"].kind == "tmpfs"


@pytest.mark.parametrize("target", ["/", ".", "..", "/etc/..", "../../.."])
@pytest.mark.parametrize("kind", ["tmpfs", "directory", "long"])
def test_no_link_of_the_image_has_the_root_covered(bundle, runtime, tmp_path, target, kind):
    (bundle.rootfs / "link").symlink_to(target)
    entry = {"destination": "/link", "type": "tmpfs", "source": "tmpfs"}
    if kind == "directory":
        entry = {"destination": "/link", "source": str(tmp_path), "options": ["bind"]}
    elif kind == "long":
        for name in ("a" * 200, "b" * 200):
            (tmp_path / name).mkdir()
        layers = f"lowerdir={tmp_path}/{'a' * 200}:{tmp_path}/{'b' * 200}"
        entry = {"destination": "/link", "type": "overlay", "source": "overlay", "options": [layers]}
    add(bundle, entry)
    told = refused(bundle, runtime)
    assert "on /link: device or resource busy (the mountpoint is on the top of rootfs" in told


# --- roots ---------------------------------------------------------------------------------------


def test_a_rootfs_that_is_a_link_to_a_directory_is_one(bundle, runtime):
    """runc refuses it; the specification asks for a directory at the path, and there is one."""
    (bundle.path / "link").symlink_to("rootfs")
    bundle.config["root"]["path"] = "link"
    assert said(bundle, runtime, "ls -d /bin/busybox") == "/bin/busybox\n"


def test_a_rootfs_that_is_a_link_to_nothing_is_refused(bundle, runtime):
    (bundle.path / "link").symlink_to("nosuch")
    bundle.config["root"]["path"] = "link"
    assert f"invalid rootfs: stat {bundle.path}/link: no such file or directory" in refused(bundle, runtime)


@pytest.mark.parametrize("name", ["proc", "sys"])
@pytest.mark.parametrize("target", ["/tmp", "../outside"])
def test_proc_and_sys_that_are_links_are_refused(bundle, runtime, name, target):
    (bundle.rootfs / name).rmdir()
    (bundle.rootfs / name).symlink_to(target)
    assert "must be mounted on ordinary directory" in refused(bundle, runtime)


def test_a_dev_that_is_a_link_out_of_the_root_is_made_inside(bundle, runtime, tmp_path):
    """crun does not find it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (bundle.rootfs / "dev").rmdir()
    (bundle.rootfs / "dev").symlink_to(f"../../../../../..{outside}")
    assert said(bundle, runtime, "test -c /dev/null && stat -f -c %T /dev/") == "tmpfs\n"
    assert os.listdir(outside) == []


@pytest.mark.parametrize("what", ["link", "file"])
def test_a_dev_null_that_is_another_is_refused_where_nothing_covers_it(bundle, runtime, what):
    """crun accepts a regular file."""
    bundle.config["mounts"] = [
        each for each in bundle.config["mounts"] if not each["destination"].startswith("/dev")
    ]
    inside.writable(bundle)
    null = bundle.rootfs / "dev/null"
    null.symlink_to("/etc/passwd") if what == "link" else null.write_text("x")
    assert "/dev/null" in refused(bundle, runtime)


def test_a_device_over_an_existing_file_is_refused(bundle, runtime):
    """The specification demands it; runc and crun take the file."""
    inside.writable(bundle)
    (bundle.rootfs / "node").write_text("not a device")
    bundle.config["linux"]["devices"] = [{"path": "/node", "type": "c", "major": 1, "minor": 3}]
    assert "make the device /node: the rootfs has something else of that name" in refused(bundle, runtime)
    assert stat.S_ISREG((bundle.rootfs / "node").stat().st_mode)


@pytest.mark.parametrize("leads", ["inside", "outside"])
def test_a_mount_below_a_link_lies_inside_the_root(bundle, runtime, tmp_path, leads):
    """crun does not find the latter."""
    (tmp_path / "outside").mkdir()
    (bundle.rootfs / "real").mkdir()
    (bundle.rootfs / "link").symlink_to("real" if leads == "inside" else f"../../../../..{tmp_path}/outside")
    add(bundle, TMPFS | {"destination": "/link/point"})
    found = mounts(said(bundle, runtime, "cat /proc/self/mountinfo"))
    assert ("/real/point" if leads == "inside" else f"{tmp_path}/outside/point") in found
    assert os.listdir(tmp_path / "outside") == []


def test_a_file_bound_over_a_dangling_link_is_made_where_the_link_leads_inside(bundle, runtime, tmp_path):
    (tmp_path / "file").write_text("bound\n")
    (bundle.rootfs / "link").symlink_to("../../x")
    add(bundle, BIND | {"destination": "/link", "source": str(tmp_path / "file")})
    assert said(bundle, runtime, "cat /x /link") == "bound\n" * 2
    assert (bundle.rootfs / "x").read_text() == ""


# --- masks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["maskedPaths", "readonlyPaths"])
def test_masks_without_a_mount_namespace_are_refused(bundle, runtime, name):
    """crun masks the host's."""
    inside.without(bundle, "mount")
    bundle.config["linux"] |= {"maskedPaths": [], "readonlyPaths": []}
    bundle.config["linux"][name] = ["/etc"]
    assert f"/linux/{name}" in refused(bundle, runtime)


@pytest.mark.parametrize("name", ["maskedPaths", "readonlyPaths"])
@pytest.mark.parametrize("path", ["/", "//", "/.", "/etc/.."])
def test_the_root_itself_is_neither_masked_nor_protected_by_a_path(bundle, runtime, name, path):
    bundle.config["linux"][name] = ["/etc", path]
    assert f"/linux/{name}: the root itself cannot be" in refused(bundle, runtime)
