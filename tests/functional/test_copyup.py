"""tmpcopyup: a tmpfs begins with what the image has where it lies."""

import os
import shutil
import stat
import subprocess

import pytest
from functional import inside
from functional.inside import mounts, refused, running, said

NS = 1_000_000_000
FILE_CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")  # cap_net_bind_service=ep


@pytest.fixture
def image(bundle):
    """The directory /data of the image; a tmpfs with tmpcopyup covers it."""
    bundle.config["mounts"].append(entry())
    (bundle.rootfs / "data").mkdir()
    return bundle.rootfs / "data"


def entry(*options, destination="/data"):
    return {
        "destination": destination, "type": "tmpfs", "source": "tmpfs",
        "options": ["tmpcopyup", "nosuid", *options],
    }  # fmt: skip


def copied(bundle, runtime, containers):
    """Start the container; return a path of this side to what it sees in /data."""
    return f"/proc/{running(bundle, runtime, containers)}/root/data"


def known(path):
    """Return what a copy must have of its original."""
    found = os.lstat(path)
    facts = [found.st_mode, found.st_uid, found.st_gid, found.st_rdev, found.st_mtime_ns]
    if stat.S_ISLNK(found.st_mode):
        facts.append(os.readlink(path))
    elif stat.S_ISREG(found.st_mode):
        with open(path, "rb") as file:
            facts += [found.st_size, found.st_nlink, file.read()]
    if stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode):
        facts.append({name: os.getxattr(path, name) for name in os.listxattr(path)})
    return facts


def grow(top):
    """Make one of everything that an image can have."""
    (top / "file").write_bytes(os.urandom(3_000_000))
    (top / "empty").touch()
    (top / "setuid").write_text("setuid")
    (top / "with capability").write_text("ping")
    (top / "one").write_text("linked\n")
    os.link(top / "one", top / "two")
    (top / "deep/er").mkdir(parents=True)
    os.link(top / "one", top / "deep/three")
    (top / "deep/er/file").write_text("deep\n")
    (top / "link").symlink_to("deep/er")
    (top / "outward").symlink_to("/etc/passwd")
    (top / "dangling").symlink_to("/no/such")
    os.mkfifo(top / "fifo", 0o640)
    os.mknod(top / "socket", 0o600 | stat.S_IFSOCK)
    os.mknod(top / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(top / "disk", 0o660 | stat.S_IFBLK, os.makedev(7, 200))
    os.makedirs(os.fsencode(top) + b"/odd \xff\n name")
    (top / "closed").mkdir(mode=0o000)
    (top / "closed/inner").write_text("inner")
    for number, name in enumerate(sorted(os.listdir(top))):
        os.chown(top / name, 1000 + number, 2000 + number, follow_symlinks=False)
        os.utime(top / name, ns=(NS, (number + 1) * NS + number), follow_symlinks=False)
    (top / "setuid").chmod(0o6755)
    (top / "deep").chmod(0o3775)
    os.setxattr(top / "with capability", "security.capability", FILE_CAPABILITY)
    os.setxattr(top / "file", "trusted.note", b"of a file")
    os.setxattr(top / "deep/er", "trusted.note", b"of a directory\0binary")
    os.utime(top / "deep/er", ns=(NS, 77 * NS))
    os.utime(top / "deep", ns=(NS, 78 * NS))


def everything(top):
    """Return what is known of all below a directory, by path."""
    found = {}
    for place, directories, files in os.walk(os.fsencode(top)):
        for name in directories + files:
            path = os.path.join(place, name)
            found[os.path.relpath(path, os.fsencode(top))] = known(path)
    return found


def test_all_that_the_image_has_is_copied_with_all_that_it_is(bundle, runtime, containers, image):
    grow(image)
    before = everything(image)
    copy = copied(bundle, runtime, containers)
    assert everything(copy) == before
    assert len(before) == 20
    assert os.lstat(f"{copy}/one").st_ino == os.lstat(f"{copy}/deep/three").st_ino
    assert mounts(inside.mountinfo(copy.split("/")[2]))["/data"].kind == "tmpfs"


def test_the_image_stays_as_it_is_whatever_the_container_writes(bundle, runtime, image):
    grow(image)
    before = everything(image)
    inside.allow(bundle, "CAP_DAC_OVERRIDE", "CAP_FOWNER")
    told = said(bundle, runtime, "rm -r /data/*; echo new > /data/new; ls /data; cat /data/new")
    assert told == "new\nnew\n"
    assert everything(image) == before


def test_the_top_directory_is_that_of_the_image(bundle, runtime, image):
    os.chown(image, 33, 34)
    image.chmod(0o2750)
    os.setxattr(image, "trusted.note", b"top")
    script = "stat -c '%a %u %g' /data"
    assert said(bundle, runtime, script) == "2750 33 34\n"
    bundle.config["mounts"][-1] = entry("mode=1700", "uid=5", "gid=6")
    assert said(bundle, runtime, script) == "1700 5 6\n"
    bundle.config["mounts"][-1] = entry("gid=6")
    assert said(bundle, runtime, script) == "2750 0 6\n"


def test_a_sparse_file_stays_sparse_and_its_data_stays_in_its_place(bundle, runtime, containers, image):
    """A file of a terabyte that holds a few bytes must fit into a tmpfs of a megabyte."""
    with open(image / "sparse", "wb") as file:
        file.write(b"head")
        file.seek(1 << 36)
        file.write(b"middle")
        file.truncate(1 << 40)
    (image / "hole").touch()
    os.truncate(image / "hole", 1 << 40)
    bundle.config["mounts"][-1] = entry("size=1m")
    copy = copied(bundle, runtime, containers)
    for name in ("sparse", "hole"):
        assert os.stat(f"{copy}/{name}").st_size == 1 << 40
        assert os.stat(f"{copy}/{name}").st_blocks * 512 < 1 << 20
    with open(f"{copy}/sparse", "rb") as file:
        assert file.read(6) == b"head\0\0"
        file.seek((1 << 36) - 2)
        assert file.read(10) == b"\0\0middle\0\0"


def test_a_tmpfs_that_is_too_small_is_told_with_the_cure(bundle, runtime, image):
    (image / "large").write_bytes(b"x" * 200_000)
    bundle.config["mounts"][-1] = entry("size=64k")
    told = refused(bundle, runtime)
    assert "copy up /data/large: no space left on device" in told
    assert "size and nr_inodes" in told
    bundle.config["mounts"][-1] = entry("nr_inodes=3")
    for number in range(5):
        (image / f"{number}").touch()
    assert "no space left on device" in refused(bundle, runtime)


def test_what_could_not_be_copied_is_named_however_odd_its_name(bundle, runtime, image):
    with open(os.fsencode(image) + b"/\xff\n\xc3\xa4", "wb") as file:
        file.write(b"x" * 200_000)
    bundle.config["mounts"][-1] = entry("size=64k")
    told = refused(bundle, runtime)
    assert "copy up /data/" in told
    assert "\u00e4: no space left on device" in told or "ä: no space left on device" in told


@pytest.mark.skipif(not shutil.which("localedef"), reason="localedef is not installed")
def test_names_are_copied_as_they_are_in_every_locale_of_the_caller(
    bundle, runtime, containers, image, tmp_path
):
    """Python would take the bytes for characters of ISO 8859-1, and the kernel gets UTF-8."""
    made = ["localedef", "-i", "POSIX", "-f", "ISO-8859-1", "--no-archive", "-c", tmp_path / "latin"]
    subprocess.run(made, capture_output=True, check=False)  # it warns of what POSIX leaves out
    if not (tmp_path / "latin/LC_CTYPE").exists():
        pytest.skip("the sources of locales are not installed")
    names = sorted([b"\xc3\xa4", b"\xff\xfe", b"plain", b"\xe2\x82\xac"])
    for name in names:
        os.mkdir(os.fsencode(image) + b"/" + name)
        os.symlink(name, os.fsencode(image) + b"/" + name + b"/" + name)
    bundle.config["process"]["args"] = ["sleep", "60"]
    environment = os.environ | {"LOCPATH": str(tmp_path), "LC_ALL": "latin"}
    done = runtime("create", "--bundle", bundle.save(), "c1", env=environment)
    assert done.returncode == 0, done.stderr
    copy = f"/proc/{containers.state('c1')['pid']}/root/data".encode()
    assert sorted(os.listdir(copy)) == names
    for name in names:
        assert os.readlink(copy + b"/" + name + b"/" + name) == name


def test_a_missing_destination_is_made_and_empty(bundle, runtime):
    bundle.config["mounts"].append(entry(destination="/new/place"))
    assert said(bundle, runtime, "ls -A /new/place; stat -c %F /new/place") == "directory\n"
    assert (bundle.rootfs / "new/place").is_dir()


def test_a_destination_that_is_a_file_is_refused(bundle, runtime):
    bundle.config["mounts"].append(entry(destination="/etc/passwd"))
    assert "mount tmpfs on /etc/passwd: not a directory" in refused(bundle, runtime)


def test_a_readonly_tmpfs_is_filled_first(bundle, runtime, image):
    (image / "file").write_text("file\n")
    for options in (["ro"], ["rro"]):
        bundle.config["mounts"][-1] = entry(*options)
        script = "cat /data/file; touch /data/x 2>&1; true"
        assert said(bundle, runtime, script) == "file\ntouch: /data/x: Read-only file system\n"


def test_other_options_hold_as_for_every_tmpfs(bundle, runtime, image):
    (image / "program").write_text("#!/bin/sh\necho ran\n")
    (image / "program").chmod(0o755)
    bundle.config["mounts"][-1] = entry("noexec", "nodev", "size=128k", "rprivate")
    told = said(bundle, runtime, "/data/program 2>/dev/null; cat /proc/self/mountinfo")
    found = mounts(told)["/data"]
    assert found.options == {"rw", "nosuid", "nodev", "noexec", "relatime"}
    assert "size=128k" in found.of_super
    assert "ran" not in told.splitlines()


def test_an_image_deeper_than_descriptors_and_frames_last_is_copied(bundle, runtime, image):
    here = os.open(image, os.O_RDONLY)
    depth = 1200
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    try:
        bottom = f"/data/{'d/' * depth}bottom"
        assert said(bundle, runtime, f"test -f {bottom} && echo there") == "there\n"
    finally:  # pytest's own way to remove it has no more frames than that
        subprocess.run(["rm", "-r", image / "d"], check=True)


def test_many_entries_are_copied(bundle, runtime, image):
    for number in range(3000):
        (image / f"{number:04}").write_text(f"{number}")
    assert said(bundle, runtime, "ls /data | wc -l; cat /data/2999") == "3000\n2999"


def test_what_is_mounted_below_the_destination_is_not_copied(bundle, runtime, image, tmp_path):
    (image / "volume").mkdir()
    (image / "volume/of the image").touch()
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume/of the host").touch()
    bundle.config["mounts"].insert(
        -1, {"destination": "/data/volume", "source": str(tmp_path / "volume"), "options": ["bind"]}
    )
    assert said(bundle, runtime, "ls /data/volume") == "of the image\n"


def test_what_is_mounted_at_the_destination_is_what_is_copied(bundle, runtime, image, tmp_path):
    (image / "of the image").touch()
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume/of the host").touch()
    bundle.config["mounts"].insert(
        -1, {"destination": "/data", "source": str(tmp_path / "volume"), "options": ["bind"]}
    )
    assert said(bundle, runtime, "ls /data; rm /data/*; ls /data") == "of the host\n"
    assert os.listdir(tmp_path / "volume") == ["of the host"]


@pytest.mark.parametrize("kind", ["tmpfs", "ramfs"])
def test_masks_hold_on_what_was_copied(bundle, runtime, image, kind):
    (image / "secret").write_text("secret\n")
    bundle.config["linux"]["maskedPaths"].append("/data/secret")
    assert said(bundle, runtime, "cat /data/secret") == ""
    if kind == "ramfs":
        bundle.config["mounts"][-1]["type"] = kind
        assert "/options/0: tmpcopyup can be used only with tmpfs" in refused(bundle, runtime)


def test_it_is_for_a_new_tmpfs_only(bundle, runtime, image, tmp_path):
    bundle.config["mounts"][-1] |= {"source": str(tmp_path), "options": ["bind", "tmpcopyup"]}
    assert "/options/1: tmpcopyup can be used only with tmpfs" in refused(bundle, runtime)
    bundle.config["mounts"][-1] = entry("remount")
    assert "/options/0: tmpcopyup is for new mounts only" in refused(bundle, runtime)
