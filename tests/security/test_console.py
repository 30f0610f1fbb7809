"""A terminal is the container's own whatever the image says, and nothing of the host becomes one."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from functional.screen import Screen
from functional.test_console_socket import Listener
from security import hostile


@pytest.fixture
def screens():
    opened = []
    yield opened
    for each in opened:
        each.close()


@pytest.fixture
def run(bundle, launcher, containers, screens):
    """Run a script on a terminal; return the screen."""

    def start(script):
        bundle.config["process"] |= {"terminal": True, "args": ["sh", "-c", script]}
        words = [launcher, "--root", containers.root, "run", "--bundle", bundle.save(), "c1"]
        screens.append(Screen(*words))
        return screens[-1]

    return start


@pytest.fixture
def victim(tmp_path):
    """A file of the host that must stay as it is, and onto which nothing may be mounted."""
    file = tmp_path / "victim"
    file.write_text("untouched")
    before = (file.read_bytes(), file.stat())
    mounts = hostile.mountinfo()
    yield file
    known = file.stat()
    assert (file.read_bytes(), known.st_uid, known.st_mode) == (before[0], before[1].st_uid, before[1].st_mode)
    assert hostile.mountinfo() == mounts


def without_dev(bundle):
    """Leave /dev to the image, with a devpts in it."""
    mounts = bundle.config["mounts"]
    mounts[:] = [each for each in mounts if each["destination"] not in ("/dev", "/dev/shm", "/dev/mqueue")]
    bundle.config["root"]["readonly"] = False
    (bundle.rootfs / "dev/pts").mkdir(parents=True, exist_ok=True)


def failed(screen, *words):
    """See that a run failed with these words, in one line."""
    assert screen.ends() == 1
    for word in words:
        assert word in screen.text, screen.text
    assert "internal error" not in screen.text
    assert screen.text.count("\n") == 1


@pytest.mark.parametrize("way", ["absolute", "relative", "procfs"])
def test_cve_2025_52565_the_console_is_bound_onto_no_link(bundle, run, victim, way):
    """CVE-2025-52565: /dev/console of the image leads out of it, or to a file of procfs."""
    without_dev(bundle)
    target = {
        "absolute": str(victim), "relative": f"../../../../../../../../../..{victim}", "procfs": "/proc/sysrq-trigger",
    }[way]  # fmt: skip
    (bundle.rootfs / "dev/console").symlink_to(target)
    failed(run("true"), "bind the terminal on /dev/console: the rootfs has a symbolic link of that name")


def test_cve_2025_52565_a_race_for_the_console_gives_the_terminal_or_an_error(bundle, launcher, containers, tmp_path, victim):
    """CVE-2025-52565: /dev/console is a file and a link to a masked file of procfs in turn."""
    without_dev(bundle)
    dev = bundle.rootfs / "dev"
    (dev / "console").write_text("")
    (dev / "other").symlink_to("/proc/sys/kernel/core_pattern")
    bundle.config["process"] |= {
        "terminal": True,
        "args": ["sh", "-c", "grep -e core_pattern -e ' /etc' /proc/self/mountinfo; stat -c %t /dev/console > /dev/null; exit 0"],
    }
    bundle.save()

    def exchange():
        while True:
            hostile.exchange(dev / "console", dev / "other")

    with hostile.forked(exchange):
        for number in range(20):
            listener = Listener(tmp_path / f"socket{number}")
            words = [launcher, "--root", containers.root, "create", "--bundle", bundle.path, "--console-socket", listener.path, "c1"]
            done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if done.returncode == 0:
                pid = containers.state("c1")["pid"]
                points = [line.split()[4] for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines() if " - devpts " in line]
                assert sorted(points) in (["/dev/console", "/dev/pts"], ["/dev/other", "/dev/pts"]), points
                assert "/proc/sys/kernel/core_pattern" not in points
            else:
                assert "bind the terminal on /dev/console" in done.stderr
            subprocess.run([launcher, "--root", containers.root, "delete", "--force", "c1"], check=True)
            listener.close()


@pytest.mark.parametrize("kind", ["file", "fifo", "device"])
def test_what_else_is_there_is_covered_and_never_opened(bundle, run, kind):
    without_dev(bundle)
    place = bundle.rootfs / "dev/console"
    if kind == "file":
        place.write_text("an image's own")
    elif kind == "fifo":
        os.mkfifo(place)
    else:
        os.mknod(place, 0o600 | stat.S_IFCHR, os.makedev(5, 1))
    screen = run("stat -c '%t:%T' /dev/console; echo seen > /dev/console")
    screen.see(r"88:0\r\nseen\r\n")
    assert screen.ends() == 0
    if kind == "file":
        assert place.read_text() == "an image's own"


def test_a_directory_for_a_console_is_refused(bundle, run):
    without_dev(bundle)
    (bundle.rootfs / "dev/console").mkdir()
    failed(run("true"), "the rootfs has a directory of that name")


def test_an_old_image_without_a_console_gets_an_empty_file_to_bind_onto(bundle, run):
    without_dev(bundle)
    screen = run("stat -c '%t:%T' /dev/console")
    screen.see(r"88:0\r\n")
    assert screen.ends() == 0
    known = (bundle.rootfs / "dev/console").lstat()
    assert stat.S_ISREG(known.st_mode)
    assert (known.st_size, known.st_mode & 0o777) == (0, 0o644)


@pytest.mark.parametrize("planted", ["file", "link", "device"])
def test_the_images_ptmx_is_not_asked(bundle, run, victim, planted):
    """The terminal comes of the devpts at /dev/pts, which no file of the image can stand for."""
    without_dev(bundle)
    place = bundle.rootfs / "dev/ptmx"
    if planted == "file":
        place.write_text("no terminal")
    elif planted == "link":
        place.symlink_to(victim)
    else:
        os.mknod(place, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    screen = run("tty")
    screen.see(r"/dev/pts/0\r\n")
    assert screen.ends() == 0


@pytest.mark.parametrize("planted", ["nothing", "directory", "link to a directory", "file"])
def test_without_a_devpts_there_is_no_terminal(bundle, run, tmp_path, planted):
    """A directory of the image with a file `ptmx`, a link out of the root: none is a devpts."""
    without_dev(bundle)
    mounts = bundle.config["mounts"]
    mounts[:] = [each for each in mounts if each["destination"] != "/dev/pts"]
    place = bundle.rootfs / "dev/pts"
    place.rmdir()
    fake = bundle.rootfs / "fake"
    if planted == "file":
        place.write_text("")
    elif planted != "nothing":
        fake.mkdir()
        os.mknod(fake / "ptmx", 0o666 | stat.S_IFCHR, os.makedev(5, 2))
        place.symlink_to("/fake") if "link" in planted else fake.rename(place)
    failed(run("true"), "/dev/pts", "process.terminal needs")


def test_a_link_to_the_hosts_terminals_leads_nowhere(bundle, run):
    without_dev(bundle)
    mounts = bundle.config["mounts"]
    mounts[:] = [each for each in mounts if each["destination"] != "/dev/pts"]
    (bundle.rootfs / "dev/pts").rmdir()
    (bundle.rootfs / "dev/pts").symlink_to("../../../../../../../../dev/pts")
    failed(run("true"), "open the container's /dev/pts: ")


def test_a_mount_over_ptmx_is_not_opened(bundle, run, tmp_path):
    """The mount list may put a file over the devpts' own; it is no master."""
    (tmp_path / "file").write_text("")
    bundle.config["mounts"].append(
        {"destination": "/dev/pts/ptmx", "type": "bind", "source": str(tmp_path / "file"), "options": ["bind"]}
    )
    failed(run("true"), "open the container's /dev/pts/ptmx: ")


def test_no_terminal_of_the_host_is_left_to_the_payload(bundle, run, containers):
    """The caller's terminal is gone from the container: its descriptors, and its session."""
    screen = run("for n in 0 1 2; do readlink /proc/$$/fd/$n; done; sleep 1000")
    screen.see(r"/dev/pts/0\r\n/dev/pts/0\r\n/dev/pts/0\r\n")
    pid = containers.state("c1")["pid"]
    ours = os.fstat(screen.slave)
    for number in os.listdir(f"/proc/{pid}/fd"):
        theirs = os.stat(f"/proc/{pid}/fd/{number}")
        assert (theirs.st_dev, theirs.st_ino) != (ours.st_dev, ours.st_ino)
        assert number in "012"
    os.kill(pid, 9)
    assert screen.ends() == 137
