"""The container's /proc and /sys are procfs and sysfs, where the config says, and masked."""

import os
import subprocess

import pytest
from functional import inside
from functional.labelled import claiming as claiming
from security import hostile

ROUNDS = int(os.environ.get("PYRUNTIME_CASES", "40"))


def fake_proc(directory):
    """Make a directory that looks enough like procfs for a careless runtime."""
    for name in ("self/attr", "thread-self/attr", "sys/net/ipv4", "1"):
        (directory / name).mkdir(parents=True)
    for name in ("self/attr/exec", "thread-self/attr/exec", "sys/net/ipv4/ip_forward", "sysrq-trigger"):
        (directory / name).write_text("")
    return directory


def bind(source, destination, *options):
    return {
        "destination": destination, "type": "bind", "source": str(source),
        "options": ["rbind", *options],
    }  # fmt: skip


@pytest.mark.parametrize("place", ["alone", "before", "after"])
def test_cve_2019_16884_a_volume_cannot_be_proc(bundle, runtime, tmp_path, place):
    """CVE-2019-16884: a directory with attr/exec in it, mounted on /proc instead of procfs."""
    volume = bind(fake_proc(tmp_path / "volume"), "/proc")
    mounts = bundle.config["mounts"]
    mounts[:] = {"alone": [volume, *mounts[1:]], "before": [volume, *mounts], "after": [*mounts, volume]}[place]
    assert "/proc" in inside.refused(bundle, runtime)
    assert (tmp_path / "volume/self/attr/exec").read_text() == ""


@pytest.mark.parametrize("link", ["/../proc/../proc", "/alias", "/deep/alias"])
def test_cve_2019_16884_a_volume_cannot_be_proc_by_another_name(bundle, runtime, tmp_path, link):
    """CVE-2019-16884: the destination is spelled otherwise, or is a link to /proc."""
    (bundle.rootfs / "alias").symlink_to("proc")
    (bundle.rootfs / "deep").mkdir()
    (bundle.rootfs / "deep/alias").symlink_to("/../../proc")
    mounts = bundle.config["mounts"]
    mounts[:] = [mounts[0], bind(fake_proc(tmp_path / "volume"), link), *mounts[1:]]
    assert "/proc" in inside.refused(bundle, runtime)


@pytest.mark.parametrize(
    "below", ["self/attr", "self/attr/exec", "thread-self", "sys", "sys/net", "1/attr", "sysrq-trigger", "."]
)
def test_cve_2025_52881_nothing_is_mounted_below_proc(bundle, runtime, tmp_path, below):
    """CVE-2025-52881: binds over /proc/self/attr and /proc/sys, plainly and through links."""
    volume = fake_proc(tmp_path / "volume")
    (bundle.rootfs / "alias").symlink_to(f"proc/{below}")
    source = volume / below if (volume / below).exists() else volume
    original = list(bundle.config["mounts"])
    for destination in (f"/proc/{below}", "/alias", f"/tmp/../proc/{below}"):
        bundle.config["mounts"] = [*original, bind(source, destination)]
        inside.refused(bundle, runtime)


def test_cve_2025_52881_nothing_that_takes_long_options_is_mounted_below_proc(
    bundle, runtime, tmp_path
):
    """CVE-2025-52881: nor by the older way to mount, taken for options of more than 255 bytes."""
    layers = [tmp_path / f"{number}-{'x' * 100}" for number in range(4)]
    for layer in layers:
        layer.mkdir()
    (bundle.rootfs / "alias").symlink_to("proc/sys/kernel")
    options = ["lowerdir=" + ":".join(map(str, layers))]
    bundle.config["mounts"].append(
        {"destination": "/alias", "type": "overlay", "source": "overlay", "options": options}
    )
    inside.refused(bundle, runtime)


def test_cve_2025_52881_a_sysctl_lands_in_the_kernels_own_file(bundle, runtime, tmp_path):
    """CVE-2025-52881: /proc is a bind of a procfs that has a decoy mounted over its /proc/sys."""
    decoy = fake_proc(tmp_path / "decoy") / "sys"
    lent = tmp_path / "lent"
    lent.mkdir()
    forwarding = "/proc/sys/net/ipv4/ip_forward"
    with open(forwarding) as file:
        before = file.read()
    subprocess.run(["mount", "-t", "proc", "proc", lent], check=True)
    try:
        subprocess.run(["mount", "--bind", decoy, lent / "sys"], check=True)
        bundle.config["mounts"][0] = bind(lent, "/proc")
        bundle.config["linux"] |= {
            "sysctl": {"net.ipv4.ip_forward": "1"}, "maskedPaths": [], "readonlyPaths": [],
        }  # fmt: skip
        # The decoy is what the payload sees at /proc/sys; another procfs shows what was set.
        bundle.config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
        hostile.strengthen(bundle)
        script = f"cat {forwarding}; mkdir /tmp/p; mount -t proc proc /tmp/p; cat /tmp/p{forwarding[5:]}"
        assert inside.said(bundle, runtime, script) == "1\n"
    finally:
        subprocess.run(["umount", "--recursive", lent], check=True)
    assert (decoy / "net/ipv4/ip_forward").read_text() == ""
    with open(forwarding) as file:
        assert file.read() == before


def test_cve_2025_62596_a_label_lands_in_the_kernels_own_file(
    bundle, containers, claiming, tmp_path
):
    """CVE-2025-62596, CVE-2025-52881, CVE-2019-16884: /proc is a procfs of another namespace.

    Who looked his files up there would not find himself. The name of a task stands in for its
    label, which only a policy would take.
    """
    lent = tmp_path / "lent"
    lent.mkdir()
    words = ["unshare", "--fork", "--pid", "mount", "-t", "proc", "proc", str(lent)]
    subprocess.run(words, check=True)
    try:
        assert not (lent / "thread-self/comm").exists()
        bundle.config["mounts"][0] = bind(lent, "/proc")
        bundle.config["linux"] |= {"maskedPaths": [], "readonlyPaths": []}
        bundle.config["process"] |= {"apparmorProfile": "box", "args": ["sleep", "60"]}
        assert claiming("comm") == (0, "")
        pid = containers.state("c1")["pid"]
        with open(f"/proc/{pid}/comm") as file:
            assert file.read() == "exec box\n"
    finally:
        subprocess.run(["umount", "--recursive", "--lazy", lent], check=True)


ESCAPES = [
    "net/../kernel/domainname",
    "net.//.kernel.domainname",
    "net/ipv4/../../kernel/domainname",
    "net.ipv4.//.//.kernel.domainname",
    "net//../kernel/domainname",
    "net/./../kernel/domainname",
    "fs/mqueue/../../kernel/domainname",
    "fs.mqueue.//.//.kernel.domainname",
    "net/../../sys/kernel/domainname",
]


@pytest.mark.parametrize("key", ESCAPES)
def test_a_sysctl_of_a_namespace_does_not_lead_to_one_of_the_host(bundle, runtime, key):
    """Engines let their users set net.*; `..` must not make core_pattern of it (CVE-2025-52881).

    The name here is one of the container's own, so that nothing happens to the machine if it does.
    """
    bundle.config["linux"]["sysctl"] = {key: "stolen"}
    line = inside.refused(bundle, runtime)
    assert "sysctl" in line


@pytest.mark.parametrize("name", ["proc", "sys"])
@pytest.mark.parametrize("target", ["/tmp/x", "..", "../../../../tmp", "tmp", "nowhere", "/proc", "self"])
def test_cve_2019_19921_proc_and_sys_are_no_links(bundle, runtime, name, target):
    """CVE-2019-19921, CVE-2023-27561, CVE-2025-54867: an image's /proc or /sys is a link."""
    (bundle.rootfs / name).rmdir()
    (bundle.rootfs / name).symlink_to(target)
    before = hostile.mountinfo()
    line = inside.refused(bundle, runtime)
    assert "must be mounted on ordinary directory" in line
    assert hostile.mountinfo() == before
    assert os.readlink(bundle.rootfs / name) == target


@pytest.mark.parametrize("kind", ["proc", "sysfs"])
def test_cve_2019_19921_nor_is_the_way_to_them_a_link_out(bundle, runtime, tmp_path, kind):
    """CVE-2019-19921: a link above the mount point stays inside the root."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (bundle.rootfs / "way").symlink_to(f"../../{outside.name}")
    bundle.config["mounts"].append({"destination": "/way/p", "type": kind, "source": kind})
    bundle.config["root"]["readonly"] = False
    done = runtime("run", "--bundle", bundle.save(), "c1")
    assert done.returncode in (0, 1)
    assert os.listdir(outside) == []


def exposed(table):
    """Return the procfs of a mount table whose /proc/sys can be written: core_pattern is there.

    Told by the ids of mounts, since an attacker renames while the kernel writes the table.
    """
    lines = [line.split(" ") for line in table.splitlines()]
    procs = [fields for fields in lines if fields[fields.index("-", 6) + 1] == "proc"]
    protected = {
        parent for _, parent, _, root, _, options, *_ in procs
        if root == "/sys" and "ro" in options.split(",")
    }  # fmt: skip
    return [fields[4] for fields in procs if fields[3] == "/" and fields[0] not in protected]


def test_the_search_for_an_exposed_procfs_finds_one():
    plain = "5 1 0:3 / /tmp/proc rw - proc proc rw"
    elsewhere = "6 4 0:3 /sys /proc/sys ro - proc proc rw"
    writable = "6 5 0:3 /sys /tmp/proc/sys rw - proc proc rw"
    good = "6 5 0:3 /sys /tmp/proc/sys ro - proc proc rw"
    for table in (plain, f"{plain}\n{elsewhere}", f"{plain}\n{writable}"):
        assert exposed(table) == ["/tmp/proc"]
    assert exposed(f"{plain}\n{good}") == []


@pytest.mark.parametrize("way", ["link", "directory"])
def test_cve_2023_28642_a_raced_proc_is_never_left_without_masks(
    bundle, runtime, containers, way
):
    """CVE-2023-28642, CVE-2023-27561: rootfs/proc is exchanged for another while it is mounted.

    Two containers on one rootfs, or a volume above it: the attacker may rename what is in it. A
    container may fail; one that comes to life has no procfs on which the masks were not laid.
    """
    other = bundle.rootfs / "other"
    if way == "link":
        (bundle.rootfs / "vol").mkdir()
        other.symlink_to("vol")
    else:
        (other / "sys").mkdir(parents=True)

    def attack():
        while True:
            hostile.exchange(bundle.rootfs / "proc", other)

    bundle.config["process"]["args"] = ["sleep", "60"]
    bundle.save()
    outcomes, shown = {}, []
    with hostile.forked(attack):
        for _ in range(ROUNDS):
            done = runtime("create", "--bundle", bundle.path, "c1")
            outcomes[done.returncode] = outcomes.get(done.returncode, 0) + 1
            if done.returncode == 0:
                shown += exposed(hostile.mountinfo(containers.state("c1")["pid"]))
                assert runtime("delete", "--force", "c1").returncode == 0
    assert outcomes.keys() <= {0, 1}
    assert shown == [], f"{len(shown)} of {outcomes}"


def test_an_unraced_container_exposes_nothing(bundle, runtime, containers):
    """What the race is measured by holds where nobody races."""
    pid = inside.running(bundle, runtime, containers)
    table = hostile.mountinfo(pid)
    assert " - proc proc " in table
    assert exposed(table) == []
