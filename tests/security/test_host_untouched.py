"""What is the host's stays as it is, whatever the image, a neighbour or a name says."""

import os
import stat
import subprocess

import pytest
from functional import inside
from security import hostile


def mounted(point):
    """Return how many mounts lie on a directory."""
    return sum(line.split(" ")[4] == str(point) for line in hostile.mountinfo().splitlines())


@pytest.fixture
def scene(tmp_path):
    """A file system that is mounted for the test; gone at the end with all below."""
    point = tmp_path / "scene"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", point], check=True)
    yield point
    while mounted(point):
        subprocess.run(["umount", "--recursive", "--lazy", point], check=True)


def without_mount_namespace(bundle):
    inside.without(bundle, "mount")
    for key in ("maskedPaths", "readonlyPaths"):
        bundle.config["linux"].pop(key)
    bundle.config["root"]["readonly"] = False


@pytest.mark.parametrize("failing", ["before the rootfs is mounted", "after"])
def test_a_failed_birth_takes_off_no_mount_of_the_user(bundle, runtime, scene, failing):
    """Without a mount namespace the rootfs is mounted on the host; what lay there before stays."""
    subprocess.run(["cp", "-a", f"{bundle.rootfs}/.", scene], check=True)
    without_mount_namespace(bundle)
    bundle.config["root"]["path"] = str(scene)
    if failing == "after":
        bundle.config["process"]["args"] = ["nothing"]
    else:
        bundle.config["hostname"] = "h" * 65
    before = hostile.mountinfo()
    inside.refused(bundle, runtime)
    assert mounted(scene) == 1
    assert hostile.mountinfo() == before


def test_a_delete_takes_off_no_mount_of_the_user(bundle, runtime, containers, scene):
    """After the container's own mount is gone, by a reboot or by hand."""
    subprocess.run(["cp", "-a", f"{bundle.rootfs}/.", scene], check=True)
    without_mount_namespace(bundle)
    bundle.config["root"]["path"] = str(scene)
    bundle.config["process"]["args"] = ["sleep", "60"]
    assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 0
    subprocess.run(["umount", "--lazy", scene], check=True)
    assert mounted(scene) == 1
    runtime("delete", "--force", "c1")
    assert mounted(scene) == 1


def test_a_container_without_a_mount_namespace_leaves_nothing_on_a_shared_mount(bundle, runtime, scene):
    """There what is mounted below the rootfs would also appear where the host sees it."""
    subprocess.run(["mount", "--make-shared", scene], check=True)
    subprocess.run(["cp", "-a", bundle.path, scene], check=True)
    without_mount_namespace(bundle)
    bundle.path = scene / "bundle"
    before = hostile.mountinfo()
    inside.said(bundle, runtime, "mount >/dev/null")
    assert hostile.mountinfo() == before


@pytest.mark.parametrize("odd", ["new\nline", "feed\x0c", "separator\u2028", "back\\slash", "spa ce"])
def test_an_oddly_named_bundle_leaves_nothing_when_its_state_is_lost(bundle, runtime, containers, scene, odd):
    """What the state directory notes for that case is read back as it was written."""
    bundle.path = scene / odd / "bundle"
    bundle.path.parent.mkdir()
    subprocess.run(["cp", "-a", bundle.rootfs.parent, bundle.path], check=True)
    without_mount_namespace(bundle)
    bundle.config["process"]["args"] = ["sleep", "60"]
    before = hostile.mountinfo()
    done = runtime("create", "--bundle", bundle.save(), "c1")
    assert done.returncode == 0, done.stderr
    (containers.root / "c1/state.json").write_text("{")
    done = runtime("delete", "--force", "c1")
    assert done.returncode == 0, done.stderr
    assert hostile.mountinfo() == before


@pytest.mark.parametrize("sign", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
@pytest.mark.parametrize("way", ["shared", "no pivot"])
def test_a_mount_point_with_an_odd_name_stops_no_container(bundle, runtime, scene, sign, way):
    """Users can make such (FUSE); the kernel does not escape these signs in mountinfo."""
    (scene / f"odd{sign}name").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", scene / f"odd{sign}name"], check=True)
    if way == "shared":
        bundle.config["linux"]["rootfsPropagation"] = "shared"
    flags = ["--no-pivot"] if way == "no pivot" else []
    assert inside.said(bundle, runtime, "echo lives", *flags) == "lives\n"


def test_a_rootfs_on_a_mount_with_a_newline_in_its_name_is_made_private(bundle, runtime, scene):
    """rootfsPropagation shared: else what the container mounts appears on the host."""
    point = scene / "new\nline"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", point], check=True)
    subprocess.run(["mount", "--make-shared", point], check=True)
    subprocess.run(["cp", "-a", bundle.path, point], check=True)
    bundle.path = point / "bundle"
    bundle.config["linux"]["rootfsPropagation"] = "shared"
    before = hostile.mountinfo()
    inside.said(bundle, runtime, "echo lives")
    assert hostile.mountinfo() == before


@pytest.mark.parametrize("listed", [False, True])
def test_a_node_of_the_host_keeps_its_mode_and_owner(bundle, runtime, tmp_path, listed):
    """A device that is bound into the container is the host's; only what is made is ours to change."""
    node = tmp_path / "null"
    os.mknod(node, stat.S_IFCHR | 0o640, os.makedev(1, 3))
    os.chown(node, 5, 6)
    os.chmod(node, 0o640)
    name = "mine" if listed else "null"
    if listed:
        bundle.config["linux"]["devices"] = [
            {"path": f"/dev/{name}", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666, "uid": 7}
        ]
    bundle.config["mounts"].append(
        {"destination": f"/dev/{name}", "type": "bind", "source": str(node), "options": ["bind"]}
    )
    done = runtime("run", "--bundle", bundle.save(), "c1")
    assert "internal error" not in done.stderr
    known = node.stat()
    assert (stat.S_IMODE(known.st_mode), known.st_uid, known.st_gid) == (0o640, 5, 6)


@pytest.mark.parametrize("kernel", ["this", "old"])
def test_a_hostile_proc_in_a_joined_mount_namespace_turns_no_write_elsewhere(
    bundle, runtime, tmp_path, kernel
):
    """Its /proc/self/fd/N are links to a file that the joiner may change and the attacker may not."""
    victim = tmp_path / "victim"
    victim.write_text("secret")
    victim.chmod(0o600)
    bundle.config["mounts"] = [each for each in bundle.config["mounts"] if not each["destination"].startswith("/dev")]
    os.mknod(bundle.rootfs / "dev/null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.chmod(bundle.rootfs / "dev/null", 0o600)
    bundle.config["root"]["readonly"] = False
    bundle.config["linux"]["devices"] = [
        {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666, "uid": 7, "gid": 7}
    ]

    def prepare():
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/proc"], check=True)
        os.makedirs("/proc/self/fd")
        for number in range(100):
            os.symlink(victim, f"/proc/self/fd/{number}")

    old = hostile.old_kernel(hostile.NO_FCHMODAT2) if kernel == "old" else None
    with hostile.mount_namespace(prepare) as path:
        inside.at(bundle, "mount", path)
        runtime("run", "--bundle", bundle.save(), "c1", preexec_fn=old)
    known = victim.stat()
    assert (stat.S_IMODE(known.st_mode), known.st_uid) == (0o600, 0)


def test_home_tells_nothing_of_the_runtime(bundle, runtime):
    """The image's passwd is a link to /proc/self/environ, which while it is read is the runtime's."""
    (bundle.rootfs / "etc/passwd").unlink()
    (bundle.rootfs / "etc/passwd").symlink_to("/proc/self/environ")
    env = os.environ | {"LAST": "\nx:x:0:0:x:secret:x\n"}
    assert "secret" not in inside.said(bundle, runtime, "echo $HOME", env=env)


@pytest.mark.parametrize("what", ["/proc/kmsg", "/dev/zero", "/dev/tty", "fifo", "/proc/self/mem", "/"])
def test_a_passwd_that_is_no_file_neither_stops_nor_feeds_the_runtime(bundle, runtime, what):
    (bundle.rootfs / "etc/passwd").unlink()
    if what == "fifo":
        os.mkfifo(bundle.rootfs / "etc/passwd")
    else:
        (bundle.rootfs / "etc/passwd").symlink_to(what)
    assert inside.said(bundle, runtime, "echo $HOME") == "/\n"


@pytest.mark.parametrize("wanted", ["/../../x", "a/../../../x", "../x", "..", "/", "./.", "x/../.."])
def test_a_cgroup_path_does_not_climb(bundle, runtime, containers, wanted):
    """`..` of cgroupsPath ends at the root of the hierarchy, which itself is refused."""
    bundle.config["linux"]["cgroupsPath"] = wanted
    bundle.config["process"]["args"] = ["sleep", "60"]
    done = runtime("create", "--bundle", bundle.save(), "c1")
    if done.returncode == 0:
        assert containers.state("c1")["cgroup"] == "/sys/fs/cgroup/x"
    else:
        assert "root of the hierarchy" in done.stderr


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/etc", "a\nb", "@seccomp", "a b", "", "\u00e4"])
def test_an_id_is_no_path(bundle, runtime, containers, name):
    done = runtime("create", "--bundle", bundle.save(), name)
    assert done.returncode != 0
    assert containers.ids() == []


def test_a_pid_file_does_not_follow_a_planted_link(bundle, runtime, tmp_path):
    """It is written beside and renamed: what has the name is replaced, its target is not written."""
    victim, link = tmp_path / "victim", tmp_path / "pid"
    victim.write_text("precious")
    link.symlink_to(victim)
    done = runtime("run", "--pid-file", link, "--bundle", bundle.save(), "c1")
    assert done.returncode == 0, done.stderr
    assert victim.read_text() == "precious"
    assert not link.is_symlink() and link.read_text().isdigit()


def test_a_state_directory_that_is_a_link_is_not_taken(bundle, runtime, containers, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").write_text("precious")
    containers.root.mkdir(mode=0o700)
    (containers.root / "c1").symlink_to(victim)
    try:
        assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 1
        runtime("delete", "c1")
        runtime("delete", "--force", "c1")
        assert (victim / "precious").read_text() == "precious"
        assert sorted(os.listdir(victim)) == ["precious"]
    finally:
        if (containers.root / "c1").is_symlink():
            (containers.root / "c1").unlink()
