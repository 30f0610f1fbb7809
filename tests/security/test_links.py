"""Links of an image lead nowhere but inside it."""

import os
import stat
import subprocess

import pytest
from functional import inside
from security import hostile

ROUNDS = int(os.environ.get("PYRUNTIME_CASES", "50"))


def listing(directory):
    """Return everything below a directory with what would show that it was touched."""
    found = {}
    for place, _, names in os.walk(directory):
        for name in [".", *names]:
            known = os.lstat(os.path.join(place, name))
            found[os.path.join(place, name)] = (known.st_mode, known.st_uid, known.st_gid, known.st_size)
    return found


@pytest.fixture
def outside(tmp_path):
    """A directory of the host, beside the bundle, that must stay as it is."""
    directory = tmp_path / "outside"
    (directory / "etc").mkdir(parents=True)
    (directory / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    before = listing(directory)
    yield directory
    assert listing(directory) == before


def no_mount_on_dev(bundle):
    """Take /dev and all below it off the mount list."""
    mounts = bundle.config["mounts"]
    mounts[:] = [each for each in mounts if not each["destination"].startswith("/dev")]
    bundle.config["root"]["readonly"] = False


@pytest.mark.parametrize("out", ["absolute", "relative", "chain"])
@pytest.mark.parametrize("kind", ["tmpfs", "directory", "file"])
def test_cve_2019_18837_destinations_stay_in_the_root(bundle, runtime, outside, out, kind):
    """CVE-2019-18837: the image's /etc and /mnt are links to directories of the host."""
    (bundle.rootfs / "step").symlink_to(f"../../../../../../../..{outside}")
    target = {
        "absolute": str(outside), "relative": f"../../{outside.name}", "chain": "step",
    }[out]  # fmt: skip
    (bundle.rootfs / "mnt").symlink_to(target)
    source = outside / "etc/passwd" if kind == "file" else outside / "etc"
    entry = {"destination": "/mnt/etc/passwd" if kind == "file" else "/mnt/etc/d"}
    if kind == "tmpfs":
        entry |= {"type": "tmpfs", "source": "tmpfs"}
    else:
        entry |= {"type": "bind", "source": str(source), "options": ["bind", "ro"]}
    bundle.config["mounts"].append(entry)
    before = hostile.mountinfo()
    done = runtime("run", "--bundle", bundle.save(), "c1")
    assert "internal error" not in done.stderr
    assert hostile.mountinfo() == before


def test_cve_2019_18837_the_working_directory_stays_in_the_root(bundle, runtime, outside):
    """CVE-2019-18837: process.cwd below a link to the host is made inside."""
    (bundle.rootfs / "mnt").symlink_to(outside)
    bundle.config["root"]["readonly"] = False
    bundle.config["process"] |= {"cwd": "/mnt/new/deep", "args": ["pwd"]}
    done = runtime("run", "--bundle", bundle.save(), "c1")
    assert done.returncode == 0, done.stderr
    assert (bundle.rootfs / str(outside)[1:] / "new/deep").is_dir()


@pytest.mark.parametrize("target", ["../../outside", "/../../../outside", "outside"])
def test_cve_2026_41579_devices_are_made_inside_the_root(bundle, runtime, tmp_path, outside, target):
    """CVE-2026-41579, CVE-2026-47766: the image's /dev is a link, and nothing is mounted there."""
    (bundle.rootfs / "dev").rmdir()
    (bundle.rootfs / "dev").symlink_to(target if target != "outside" else str(outside))
    no_mount_on_dev(bundle)
    script = "for name in null zero full random urandom tty; do test -c /dev/$name || echo no $name; done"
    assert inside.said(bundle, runtime, script) == ""
    assert sorted(os.listdir(tmp_path)) == ["bundle", "outside", "state"]


@pytest.mark.parametrize("name", ["null", "tty", "kvm", "sub/node"])
def test_cve_2026_41579_nor_through_a_link_in_the_place_of_a_node(bundle, runtime, outside, name):
    """CVE-2026-41579: the mode of a file of the host is not changed through a planted link."""
    victim = outside / "etc/passwd"
    (bundle.rootfs / "dev" / name).parent.mkdir(exist_ok=True)
    (bundle.rootfs / "dev" / name).symlink_to(victim)
    no_mount_on_dev(bundle)
    bundle.config["linux"]["devices"] = [
        {"path": f"/dev/{name}", "type": "c", "major": 1, "minor": 3, "fileMode": 0o777, "uid": 7}
    ]
    assert "something else" in inside.refused(bundle, runtime)


@pytest.mark.parametrize("what", ["link", "dangling", "file", "directory", "other device", "fifo"])
@pytest.mark.parametrize("volume", [False, True])
def test_cve_2025_31133_dev_null_is_the_real_one_or_none(bundle, runtime, tmp_path, what, volume):
    """CVE-2025-31133, CVE-2025-62161: else a masked file shows what the image's /dev/null is."""
    directory = tmp_path / "volume" if volume else bundle.rootfs / "dev"
    directory.mkdir(exist_ok=True)
    null = directory / "null"
    {
        "link": lambda: null.symlink_to("/proc/sys/kernel/core_pattern"),
        "dangling": lambda: null.symlink_to("/nowhere/at/all"),
        "file": lambda: null.write_text("not masked"),
        "directory": null.mkdir,
        "other device": lambda: os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 5)),
        "fifo": lambda: os.mkfifo(null),
    }[what]()
    no_mount_on_dev(bundle)
    if volume:  # of which the runtime makes nothing, since it is somebody else's
        hostile.share(bundle, directory, "/dev")
    line = inside.refused(bundle, runtime)
    assert "/dev/null" in line
    if what == "file":
        assert null.read_text() == "not masked"


def test_cve_2025_31133_masked_paths_show_nothing_and_take_nothing(bundle, runtime):
    """CVE-2025-31133: a masked file is the null device, a masked directory is empty and read-only."""
    (bundle.rootfs / "etc/secret").write_text("secret")
    (bundle.rootfs / "etc/secrets").mkdir()
    (bundle.rootfs / "etc/secrets/one").write_text("secret")
    (bundle.rootfs / "etc/alias").symlink_to("secret")
    bundle.config["root"]["readonly"] = False
    bundle.config["linux"]["maskedPaths"] += ["/etc/alias", "/etc/secrets", "/nowhere"]
    script = "cat /etc/secret /proc/keys; ls /etc/secrets; touch /etc/secrets/x 2>&1; echo $?"
    told = inside.said(bundle, runtime, script)
    assert "secret\n" not in told and "one" not in told
    assert told.splitlines()[-1] == "1"


def racing(volume, outside):
    """Exchange vol/shared with a link to the host, and move and remove what is made in it."""
    shared, link, aside = volume / "shared", volume / "link", volume / "aside"
    shared.mkdir()
    link.symlink_to(outside)

    def attack():
        while True:
            hostile.exchange(shared, link)
            hostile.exchange(shared, link)
            try:
                os.rename(shared, aside)
                os.rename(aside, shared)
                (shared / "made").unlink()
            except OSError:
                pass
            try:
                (shared / "made").rmdir()
            except OSError:
                pass

    return attack


@pytest.mark.parametrize("kind", ["tmpfs", "file"])
def test_cve_2021_30465_a_raced_volume_lets_nothing_out(bundle, runtime, tmp_path, outside, kind):
    """CVE-2021-30465, CVE-2024-45310: links of a shared volume are exchanged during hundreds of births.

    Neither a mount nor a new file or directory lands outside; each container lives or fails clean.
    """
    volume = tmp_path / "volume"
    volume.mkdir()
    hostile.share(bundle, volume)
    entry = {"destination": "/vol/shared/made", "type": "tmpfs", "source": "tmpfs"}
    if kind == "file":
        entry |= {"type": "bind", "source": str(bundle.rootfs / "etc/passwd"), "options": ["bind", "ro"]}
    bundle.config["mounts"].append(entry)
    bundle.config["root"]["readonly"] = False
    bundle.save()
    before, outcomes = hostile.mountinfo(), {}
    with hostile.forked(racing(volume, outside)):
        for _ in range(ROUNDS):
            done = runtime("run", "--bundle", bundle.path, "c1")
            assert "internal error" not in done.stderr
            outcomes[done.returncode] = outcomes.get(done.returncode, 0) + 1
            assert hostile.mountinfo() == before
    assert outcomes.get(0), outcomes
    assert outcomes.keys() <= {0, 1}, outcomes


def test_cve_2021_30465_a_container_can_be_the_attacker(bundle, runtime, tmp_path, containers, outside):
    """CVE-2021-30465: as it was found, from a container that shares the volume."""
    volume = tmp_path / "volume"
    (volume / "shared").mkdir(parents=True)
    (volume / "link").symlink_to(outside)
    hostile.share(bundle, volume)
    attacker = tmp_path / "attacker"
    subprocess.run(["cp", "-a", bundle.path, attacker], check=True)
    victim = bundle.config
    bundle.config = {**victim, "mounts": list(victim["mounts"]), "process": {**victim["process"]}}
    bundle.path, bundle.rootfs = attacker, attacker / "rootfs"
    hostile.lend_python(bundle)
    swap = "call(316, -100, b'/vol/shared', -100, b'/vol/link', 2)"  # renameat2
    bundle.config["process"]["args"] = hostile.python(
        f"print('attacking', flush=True)\nwhile True:\n  {swap}\n"
    )
    done = runtime("run", "--detach", "--bundle", bundle.save(), "attacker")
    assert done.returncode == 0, done.stderr
    bundle.path, bundle.config = tmp_path / "bundle", victim
    bundle.config["mounts"].append(
        {"destination": "/vol/shared/made", "type": "tmpfs", "source": "tmpfs"}
    )
    bundle.config["root"]["readonly"] = False
    bundle.save()
    before, outcomes = hostile.mountinfo(), {}
    for _ in range(ROUNDS // 2):
        done = runtime("run", "--bundle", bundle.path, "c1")
        outcomes[done.returncode] = outcomes.get(done.returncode, 0) + 1
        assert hostile.mountinfo() == before
    assert runtime("state", "attacker").stdout.count('"running"') == 1
    assert outcomes.keys() <= {0, 1} and outcomes.get(0), outcomes
