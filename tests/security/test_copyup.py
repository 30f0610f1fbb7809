"""What an image can do to the runtime that copies it into a tmpfs, and to its host: nothing."""

import os
import stat
import subprocess

import pytest
from functional import inside
from security import hostile

ROUNDS = int(os.environ.get("PYRUNTIME_CASES", "40")) // 2
COPYUP = {"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "size=8m"]}
SECRET = "secret of the host\n"


@pytest.fixture
def outside(tmp_path):
    """A directory of the host that must not be read, nor changed."""
    top = tmp_path / "outside"
    (top / "below").mkdir(parents=True)
    (top / "secret").write_text(SECRET)
    (top / "below/secret").write_text(SECRET)
    before = sorted((str(path), path.lstat().st_mode, path.lstat().st_uid) for path in top.rglob("*"))
    yield top
    assert sorted((str(path), path.lstat().st_mode, path.lstat().st_uid) for path in top.rglob("*")) == before


@pytest.fixture
def image(bundle):
    """The directory of the image that is copied up."""
    bundle.config["mounts"].append(dict(COPYUP))
    inside.writable(bundle)
    (bundle.rootfs / "data").mkdir()
    return bundle.rootfs / "data"


def test_links_are_copied_and_never_followed(bundle, runtime, image, outside):
    (image / "absolute").symlink_to(outside)
    (image / "upward").symlink_to("../../../../../../../../.." + str(outside / "secret"))
    (image / "magic").symlink_to("/proc/self/root/etc/shadow")
    (image / "loop").symlink_to("loop")
    script = "cd /data; for name in *; do test -L $name && readlink $name; done; cat */secret upward magic 2>/dev/null; true"
    told = inside.said(bundle, runtime, script)
    assert told.splitlines() == [
        str(outside), "loop", "/proc/self/root/etc/shadow", "../../../../../../../../.." + str(outside / "secret")
    ]  # fmt: skip


@pytest.mark.parametrize("target", ["{}", "../../..{}", "step"])
def test_a_destination_that_is_a_link_copies_from_inside_the_root(bundle, runtime, image, outside, target):
    image.rmdir()
    image.symlink_to(target.format(outside))
    (bundle.rootfs / "step").symlink_to(outside)
    told = inside.said(bundle, runtime, f"ls -A /data {outside}; cat {outside}/secret 2>/dev/null; true")
    assert SECRET not in told


@pytest.mark.parametrize("leads", ["/proc", "/sys/kernel", "/sys/firmware", "/proc/sys"])
def test_no_link_has_procfs_or_sysfs_copied(bundle, runtime, image, leads):
    """Else a copy would show what a mask hides at its own place only."""
    image.rmdir()
    image.symlink_to(leads)
    told = inside.refused(bundle, runtime)
    if os.path.isdir(leads):
        assert "tmpcopyup copies from the image, and the destination leads into procfs or sysfs" in told


@pytest.mark.parametrize("target", ["/", ".", "../.."])
def test_no_link_has_the_whole_image_copied(bundle, runtime, image, target):
    image.rmdir()
    image.symlink_to(target)
    (bundle.rootfs / "large").write_bytes(b"x" * (9 << 20))  # to copy this would fail otherwise
    assert "the mountpoint is on the top of rootfs" in inside.refused(bundle, runtime)


def test_devices_of_an_image_are_copied_and_not_opened(bundle, runtime, containers, image):
    """To open a watchdog starts it, to open a tape rewinds it; a fifo would hold the runtime."""
    numbers = {"watchdog": (10, 130), "kmsg": (1, 11), "tty": (4, 64), "random": (1, 8)}
    for name, number in numbers.items():
        os.mknod(image / name, 0o600 | stat.S_IFCHR, os.makedev(*number))
    os.mkfifo(image / "fifo")
    done = runtime("create", "--bundle", bundle.save(), "c1")
    assert done.returncode == 0, done.stderr
    copy = f"/proc/{containers.state('c1')['pid']}/root/data"
    made = {name: os.lstat(f"{copy}/{name}") for name in numbers}
    assert {name: os.major(known.st_rdev) for name, known in made.items()} == {
        name: number[0] for name, number in numbers.items()
    }
    assert stat.S_ISFIFO(os.lstat(f"{copy}/fifo").st_mode)


def test_no_device_is_opened_even_where_it_is_exchanged_for_a_file(bundle, runtime, image, launcher, containers, tmp_path):
    """The image's mount is read through a clone without devices: the kernel refuses, whatever races."""
    file, node = image / "file", bundle.rootfs / "node"
    file.write_text("x")
    os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 8))  # random: endless to read
    with hostile.forked(lambda: exchanging(file, node)):
        for _ in range(ROUNDS):
            done = runtime("run", "--bundle", bundle.save(), "c1")
            assert "internal error" not in done.stderr
            assert done.returncode == 0 or "copy up /data/file" in done.stderr, done.stderr
    assert runtime("state", "c1").returncode == 1


def exchanging(one, other):
    """Exchange two names for ever."""
    while True:
        hostile.exchange(one, other)


@pytest.mark.parametrize("what", ["link", "directory link", "fifo", "top"])
def test_a_raced_image_shows_nothing_of_the_host(bundle, runtime, image, outside, what):
    """What is copied is exchanged with links to the host during births: none is followed."""
    aside = bundle.rootfs / "aside"
    if what == "link":
        (image / "secret").write_text("of the image\n")
        aside.symlink_to(outside / "secret")
        pair = image / "secret", aside
    elif what == "directory link":
        (image / "below").mkdir()
        (image / "below/secret").write_text("of the image\n")
        aside.symlink_to(outside / "below")
        pair = image / "below", aside
    elif what == "fifo":
        (image / "secret").write_text("of the image\n")
        os.mkfifo(aside)
        pair = image / "secret", aside
    else:
        (image / "secret").write_text("of the image\n")
        aside.symlink_to(outside)
        pair = image, aside
    script = "for file in /data/secret /data/below/secret; do test -f $file && test ! -L $file && cat $file; done; true"
    bundle.config["process"]["args"] = ["sh", "-c", script]
    bundle.save()
    before, outcomes = hostile.mountinfo(), {}
    with hostile.forked(lambda: exchanging(*pair)):
        for _ in range(ROUNDS):
            done = runtime("run", "--bundle", bundle.path, "c1")
            outcomes[done.returncode] = outcomes.get(done.returncode, 0) + 1
            assert "secret of the host" not in done.stdout
            assert "internal error" not in done.stderr
            assert hostile.mountinfo() == before
    assert outcomes.keys() <= {0, 1} and outcomes.get(0), outcomes


def test_entries_that_come_and_go_are_no_error(bundle, runtime, image):
    def churn():
        while True:
            for number in range(20):
                (image / f"{number}").touch()
            for number in range(20):
                (image / f"{number}").unlink()

    bundle.config["process"]["args"] = ["true"]
    bundle.save()
    with hostile.forked(churn):
        for _ in range(ROUNDS):
            done = runtime("run", "--bundle", bundle.path, "c1")
            assert done.returncode == 0, done.stderr


def test_an_image_without_end_is_stopped_by_the_size_of_the_tmpfs(bundle, runtime, image):
    with open(image / "large", "wb") as file:
        file.write(b"x" * (9 << 20))
    told = inside.refused(bundle, runtime)
    assert "copy up /data/large: no space left on device" in told


@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="strace is not installed")
def test_nothing_of_the_image_is_opened_but_through_descriptors(
    bundle, runtime, image, launcher, containers, tmp_path
):
    """Every look at what is copied begins at the clone and may leave it by no link and no mount."""
    (image / "deep").mkdir()
    (image / "deep/file").write_text("x")
    bundle.config["process"]["args"] = ["true"]
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-qq", "-o", trace, "-e", "trace=open,openat,openat2,open_tree"]
    command += [launcher, "--root", containers.root, "run", "--bundle", bundle.save(), "c1"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
    looks = [line for line in trace.read_text().splitlines() if 'deep"' in line or '"file"' in line]
    reads = [line for line in looks if " openat(" not in line]  # by that the copies are made
    assert len(reads) == 4, looks  # each as a node, then for reading
    assert all("RESOLVE_NO_XDEV|RESOLVE_NO_MAGICLINKS|RESOLVE_BENEATH" in line for line in reads)
    assert all("O_NOFOLLOW" in line for line in reads)
