"""copy-symlink, src-nofollow, dest-nofollow: binds that look at symbolic links themselves, as crun's."""

import os

import pytest
from functional import inside
from functional.inside import mounts, refused, said


@pytest.fixture
def source(tmp_path):
    """A directory of the host with a link, what it leads to, and a file."""
    top = tmp_path / "source"
    top.mkdir()
    (top / "target").write_text("of the host\n")
    (top / "link").symlink_to("target")
    (top / "wide").symlink_to("/etc/passwd")
    (top / "dangling").symlink_to("/no/such")
    return top


def bind(bundle, source, destination, *options):
    bundle.config["mounts"].append(
        {"destination": destination, "source": str(source), "options": ["bind", *options]}
    )


# --- copy-symlink --------------------------------------------------------------------------------


def test_a_link_is_made_anew_in_place_of_a_mount(bundle, runtime, source):
    bind(bundle, source / "link", "/made/deep/link", "copy-symlink", "ro")
    bind(bundle, source / "dangling", "/dangling", "copy-symlink")
    both = "readlink /made/deep/link; readlink /dangling"
    told = said(bundle, runtime, f"{both}; cat /proc/self/mountinfo").splitlines()
    assert told[:2] == ["target", "/no/such"]
    assert not {"/made/deep/link", "/dangling"} & set(mounts("\n".join(told[2:])))
    assert os.readlink(bundle.rootfs / "made/deep/link") == "target"


def test_the_same_link_may_be_there_already(bundle, runtime, source):
    bind(bundle, source / "link", "/link", "copy-symlink")
    for _ in range(2):
        assert said(bundle, runtime, "readlink /link") == "target\n"


@pytest.mark.parametrize("what", ["file", "directory", "another link"])
def test_something_else_in_the_links_place_is_an_error(bundle, runtime, source, what):
    place = bundle.rootfs / "link"
    {"file": place.touch, "directory": place.mkdir, "another link": lambda: place.symlink_to("x")}[what]()
    bind(bundle, source / "link", "/link", "copy-symlink")
    assert "/link already exists with a different content" in refused(bundle, runtime)


def test_what_is_no_link_is_bound_as_ever(bundle, runtime, source):
    bind(bundle, source / "target", "/file", "copy-symlink", "ro")
    bind(bundle, source, "/directory", "copy-symlink")
    told = said(bundle, runtime, "cat /file /directory/target; (echo x > /file) 2>&1; true")
    assert told == "of the host\n" * 2 + "sh: can't create /file: Read-only file system\n"


def test_a_source_that_is_missing_is_named(bundle, runtime, source):
    for option in ("copy-symlink", "src-nofollow", "dest-nofollow"):
        bundle.config["mounts"] = bundle.config["mounts"][:7]
        bind(bundle, source / "missing", "/x", option)
        told = refused(bundle, runtime)
        assert f"{source}/missing" in told, option
        assert "no such file or directory" in told, option


# --- src-nofollow --------------------------------------------------------------------------------


@pytest.mark.parametrize("present", [False, True])
def test_a_link_itself_is_bound(bundle, runtime, source, present):
    if present:
        (bundle.rootfs / "place").write_text("of the image\n")
    bind(bundle, source / "wide", "/place", "src-nofollow")
    told = said(bundle, runtime, "readlink /place; cat /proc/self/mountinfo").splitlines()
    assert told[0] == "/etc/passwd"  # that of the image, when it is followed inside
    assert mounts("\n".join(told[1:]))["/place"].root.endswith("/source/wide")
    assert (bundle.rootfs / "place").read_text() == ("of the image\n" if present else "")


def test_a_link_that_is_the_destination_is_followed_all_the_same(bundle, runtime, source):
    (bundle.rootfs / "real").write_text("real\n")
    (bundle.rootfs / "step").symlink_to("../../real")
    (bundle.rootfs / "place").symlink_to("/step")
    bind(bundle, source / "link", "/place", "src-nofollow")
    assert said(bundle, runtime, "readlink /real; readlink /place") == "target\n/step\n"


def test_a_source_that_is_no_link_is_bound_as_ever(bundle, runtime, source):
    bind(bundle, source / "target", "/file", "src-nofollow", "nosuid")
    bind(bundle, source, "/directory", "src-nofollow")
    told = said(bundle, runtime, "cat /file /directory/target; cat /proc/self/mountinfo").splitlines()
    assert told[:2] == ["of the host"] * 2
    assert "nosuid" in mounts("\n".join(told[2:]))["/file"].options


def test_a_link_is_not_bound_onto_a_directory(bundle, runtime, source):
    bind(bundle, source / "link", "/tmp", "src-nofollow")
    assert f"mount {source}/link on /tmp: invalid argument" in refused(bundle, runtime)


# --- dest-nofollow -------------------------------------------------------------------------------


def test_a_file_is_bound_onto_a_link_itself(bundle, runtime, source):
    (bundle.rootfs / "real").write_text("real\n")
    (bundle.rootfs / "link").symlink_to("real")
    bind(bundle, source / "target", "/link", "dest-nofollow", "ro")
    told = said(bundle, runtime, "cat /link /real; (echo x > /link) 2>&1; cat /proc/self/mountinfo")
    told = told.splitlines()
    assert told[:3] == ["of the host", "real", "sh: can't create /link: Read-only file system"]
    assert "ro" in mounts("\n".join(told[3:]))["/link"].options


def test_a_link_is_bound_onto_a_link(bundle, runtime, source):
    (bundle.rootfs / "link").symlink_to("/no/such")
    bind(bundle, source / "wide", "/link", "src-nofollow", "dest-nofollow")
    assert said(bundle, runtime, "readlink /link; head -c 4 /link") == "/etc/passwd\nroot"
    assert os.readlink(bundle.rootfs / "link") == "/no/such"


def test_a_destination_that_is_no_link_is_mounted_onto_as_ever(bundle, runtime, source):
    (bundle.rootfs / "place").mkdir()
    bind(bundle, source, "/place", "dest-nofollow")
    assert said(bundle, runtime, "cat /place/target") == "of the host\n"


def test_a_destination_must_be_there(bundle, runtime, source):
    bind(bundle, source / "target", "/place", "dest-nofollow")
    told = refused(bundle, runtime)
    assert "dest-nofollow mounts onto what is there, and nothing is" in told
    assert not (bundle.rootfs / "place").exists()


def test_a_directory_is_not_bound_onto_a_link(bundle, runtime, source):
    (bundle.rootfs / "link").symlink_to("tmp")
    bind(bundle, source, "/link", "dest-nofollow")
    assert f"mount {source} on /link: invalid argument" in refused(bundle, runtime)


@pytest.mark.parametrize("destination", ["/proc/uptime", "/sys/kernel/profiling", "/dev/pts/ptmx"])
def test_what_the_kernel_shows_is_not_overridden(bundle, runtime, source, destination):
    bind(bundle, source / "target", destination, "dest-nofollow")
    assert f"override of {destination} is not allowed" in refused(bundle, runtime)


def test_masks_are_found_under_a_bound_sysfs(bundle, runtime):
    """Binds of /proc and /sys keep their descriptors for the masks, with these options too."""
    (entry,) = [each for each in bundle.config["mounts"] if each["destination"] == "/sys"]
    entry |= {"source": "/sys", "options": ["rbind", "rro", "dest-nofollow"]}
    bundle.config["mounts"] = [
        each for each in bundle.config["mounts"] if each["destination"] != "/sys/fs/cgroup"
    ]
    bundle.config["linux"]["maskedPaths"] = ["/sys/kernel"]
    assert said(bundle, runtime, "ls -A /sys/kernel; ls -d /sys/class") == "/sys/class\n"


# --- wishes that contradict each other -----------------------------------------------------------


@pytest.mark.parametrize("option", ["src-nofollow", "dest-nofollow"])
def test_copying_excludes_the_others(bundle, runtime, source, option):
    bind(bundle, source / "link", "/x", "copy-symlink", option)
    told = refused(bundle, runtime)
    assert "/options/1: copy-symlink is mutually exclusive with src-nofollow and dest-nofollow" in told


@pytest.mark.parametrize("option", ["copy-symlink", "src-nofollow", "dest-nofollow"])
def test_they_are_for_binds_only(bundle, runtime, option):
    bundle.config["mounts"].append(
        {"destination": "/x", "type": "tmpfs", "source": "tmpfs", "options": [option]}
    )
    assert f"/options/0: {option} can be used only with bind mounts" in refused(bundle, runtime)


# --- hostile images ------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["copy-symlink", "src-nofollow"])
def test_links_on_the_way_to_the_destination_stay_inside_the_root(
    bundle, runtime, source, tmp_path, option
):
    outside = tmp_path / "outside"
    outside.mkdir()
    (bundle.rootfs / "way").symlink_to(f"../../../../../..{outside}")
    bind(bundle, source / "wide", "/way/place", option)
    before = inside.mountinfo()
    said(bundle, runtime, f"readlink {outside}/place")
    assert os.listdir(outside) == []
    assert inside.mountinfo() == before


@pytest.mark.parametrize("option", ["src-nofollow", "dest-nofollow"])
def test_no_link_leads_such_a_bind_into_proc(bundle, runtime, source, option):
    (bundle.rootfs / "way").symlink_to("/proc/sys/kernel")
    bind(bundle, source / "target", "/way/core_pattern", option)
    told = refused(bundle, runtime)
    assert "is not allowed" in told or "because it is inside /proc" in told


def test_a_link_is_not_bound_into_proc_by_a_link(bundle, runtime, source):
    (bundle.rootfs / "place").symlink_to("/proc/sys/kernel/core_pattern")
    bind(bundle, source / "wide", "/place", "src-nofollow")
    assert "cannot be mounted because it is inside /proc" in refused(bundle, runtime)
