"""/dev: the nodes and links that every container has, those of linux.devices, and device rules."""

import os
import stat

import pytest
from functional import inside
from functional.inside import refused, said

NODES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
DESCRIBE = "stat -c '%n %F %t:%T %a %u:%g'"  # numbers in hexadecimal


@pytest.fixture
def devices(bundle):
    """A callable that adds an entry to linux.devices."""

    def add(path, kind, major=None, minor=None, **more):
        numbers = {"major": major, "minor": minor} if major is not None else {}
        wish = {"path": path, "type": kind, **numbers, **more}
        bundle.config["linux"].setdefault("devices", []).append(wish)

    return add


@pytest.fixture
def bare(bundle):
    """A bundle whose /dev is the directory of its rootfs."""
    mounts = bundle.config["mounts"]
    mounts[:] = [entry for entry in mounts if not entry["destination"].startswith("/dev")]
    return bundle


def rules(bundle, *wishes):
    """Set the device rules: everything denied but for these."""
    kept = [{"allow": True, **wish} for wish in wishes]
    bundle.config["linux"]["resources"]["devices"] = [{"allow": False, "access": "rwm"}, *kept]


# --- what every container has --------------------------------------------------------------------


def test_the_default_nodes_and_links_are_there_and_no_others(bundle, runtime):
    told = said(bundle, runtime, f"ls -A /dev; cd /dev; {DESCRIBE} {' '.join(NODES)}").splitlines()
    core = {"core"} if os.path.exists("/proc/kcore") else set()
    directories = {"pts", "shm", "mqueue"}
    assert {name for name in told if " " not in name} == {*NODES, *LINKS, *directories} | core
    assert [line for line in told if " " in line] == [
        f"{name} character special file {major:x}:{minor:x} 666 0:0"
        for name, (major, minor) in NODES.items()
    ]


def test_the_links_lead_where_they_should(bundle, runtime):
    told = said(bundle, runtime, f"cd /dev; for name in {' '.join(LINKS)}; do readlink $name; done")
    assert told.splitlines() == list(LINKS.values())


def test_the_default_devices_work_whatever_the_rules_say(bundle, runtime):
    rules(bundle)
    script = """
        echo x > /dev/null && head -c 3 /dev/zero | wc -c && head -c 3 /dev/urandom | wc -c
        echo x 2>/dev/null > /dev/full || echo full
        (echo through > /dev/stdout) | cat
        test -c /dev/ptmx && exec 3<>/dev/ptmx && echo terminal
    """
    assert said(bundle, runtime, script) == "3\n3\nfull\nthrough\nterminal\n"


def test_standard_input_from_the_hosts_null_becomes_the_containers(bundle, runtime):
    def close_input():
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)

    script = "stat -L -c %d:%i /proc/self/fd/0 /dev/null"
    told = said(bundle, runtime, script, preexec_fn=close_input).splitlines()
    known = os.stat("/dev/null")
    assert told[0] == told[1] != f"{known.st_dev}:{known.st_ino}"


# --- linux.devices -------------------------------------------------------------------------------


def test_devices_of_each_type_are_made_as_described(bundle, runtime, devices):
    devices("/dev/zoo/null", "c", 1, 3, fileMode=0o640, uid=1000, gid=1001)
    devices("/dev/unbuffered", "u", 1, 3)
    devices("/dev/loop77", "b", 7, 77, fileMode=0o100660)
    devices("/dev/pipe", "p", fileMode=0o600, uid=5)
    devices("/dev/zero", "c", 1, 5, fileMode=0o600, gid=9)
    devices("/outside-of-dev", "c", 1, 3, fileMode=0o4755)
    inside.writable(bundle)
    names = "zoo/null unbuffered loop77 pipe zero ../outside-of-dev"
    told = said(bundle, runtime, f"cd /dev; umask 077; {DESCRIBE} {names}", umask=0o077)
    assert told.splitlines() == [
        "zoo/null character special file 1:3 640 1000:1001",
        "unbuffered character special file 1:3 666 0:0",
        "loop77 block special file 7:4d 660 0:0",
        "pipe fifo 0:0 600 5:0",
        "zero character special file 1:5 600 0:9",
        "../outside-of-dev character special file 1:3 4755 0:0",
    ]


def test_a_device_called_ptmx_is_left_out(bundle, runtime, devices):
    devices("/dev/ptmx", "c", 5, 2)
    assert said(bundle, runtime, "readlink /dev/ptmx") == "pts/ptmx\n"


def test_a_device_that_exists_already_is_kept_as_it_is(bare, runtime):
    os.mknod(bare.rootfs / "dev/null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    os.chown(bare.rootfs / "dev/null", 7, 8)
    (bare.rootfs / "dev/fd").symlink_to("elsewhere")
    (bare.rootfs / "dev/ptmx").write_text("something else")
    told = said(bare, runtime, f"cd /dev; {DESCRIBE} null; readlink fd; readlink ptmx")
    assert told.splitlines() == ["null character special file 1:3 600 7:8", "elsewhere", "pts/ptmx"]


def lying(where):
    """Ways to have something else in the place of a device."""
    where.parent.mkdir(exist_ok=True)
    return {
        "file": lambda: where.write_text("not null"),
        "directory": where.mkdir,
        "link": lambda: where.symlink_to("/dev/zero"),
        "dangling": lambda: where.symlink_to("/nowhere"),
        "fifo": lambda: os.mkfifo(where),
        "number": lambda: os.mknod(where, 0o666 | stat.S_IFCHR, os.makedev(1, 5)),
        "block": lambda: os.mknod(where, 0o666 | stat.S_IFBLK, os.makedev(1, 3)),
    }


@pytest.mark.parametrize(
    "kind", ["file", "directory", "link", "dangling", "fifo", "number", "block"]
)
@pytest.mark.parametrize("name", ["dev/null", "dev/mine"])
def test_something_else_of_a_devices_name_is_refused_and_left_alone(
    bare, runtime, devices, kind, name
):
    if name == "dev/mine":
        devices("/dev/mine", "c", 1, 3, fileMode=0o777, uid=12)
    where = bare.rootfs / name
    lying(where)[kind]()
    before = os.lstat(where)
    told = refused(bare, runtime)
    assert f"make the device /{name}" in told
    assert "has something else of that name" in told
    after = os.lstat(where)
    assert (after.st_mode, after.st_uid, after.st_rdev) == (before.st_mode, before.st_uid, before.st_rdev)


def test_a_dev_that_is_a_link_is_followed_inside_the_root_only(bare, runtime, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (bare.rootfs / "dev").rmdir()
    (bare.rootfs / "dev").symlink_to(outside)
    assert said(bare, runtime, "test -c /dev/null && echo made") == "made\n"
    assert os.listdir(outside) == []


def test_nothing_is_made_where_dev_itself_is_bound(bare, runtime, devices, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    os.mknod(mine / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.chmod(mine / "null", 0o606)
    bare.config["mounts"].append({"destination": "/dev/", "source": str(mine), "options": ["rbind"]})
    devices("/dev/more", "c", 1, 3)
    assert said(bare, runtime, "ls -A /dev; stat -c %a /dev/null") == "null\n606\n"
    assert os.listdir(mine) == ["null"]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"path": "/dev/x", "type": "z", "major": 1, "minor": 3}, "/linux/devices/0/type"),
        ({"path": "/dev/x", "type": "c"}, "/linux/devices/0/major"),
        ({"path": "/dev/x", "type": "c", "major": 1}, "/linux/devices/0/minor"),
        ({"type": "p"}, "/linux/devices/0/path"),
        ({"path": "/", "type": "p"}, "/"),
        ({"path": "/dev/x", "type": "c", "major": 1 << 40, "minor": 3}, "/linux/devices/0/major"),
        ({"path": "/dev/x", "type": "c", "major": 1, "minor": -1}, "/linux/devices/0/minor"),
    ],
)
def test_impossible_devices_are_refused_with_their_place(bundle, runtime, wish, words):
    bundle.config["linux"]["devices"] = [wish]
    assert words in refused(bundle, runtime)


# --- device rules --------------------------------------------------------------------------------

KMSG = """
    mknod /dev/shm/kmsg c 1 11
    (: > /dev/shm/kmsg) 2>&1 && echo write
    (: < /dev/shm/kmsg) 2>&1 && echo read
    true
"""


def test_what_no_rule_allows_cannot_be_opened_but_made(bundle, runtime):
    (shm,) = [entry for entry in bundle.config["mounts"] if entry["destination"] == "/dev/shm"]
    shm["options"].remove("nodev")
    inside.allow(bundle, "CAP_MKNOD", "CAP_SYSLOG")
    refusal = "sh: can't {} /dev/shm/kmsg: Operation not permitted"
    for wishes, told in {
        (): [refusal.format("create"), refusal.format("open")],
        ("w",): ["write", refusal.format("open")],
        ("rw",): ["write", "read"],
    }.items():
        rules(bundle, *({"type": "c", "major": 1, "minor": 11, "access": each} for each in wishes))
        assert said(bundle, runtime, KMSG).splitlines() == told, wishes
    rules(bundle, {"type": "c", "major": 1, "access": "rwm"})
    assert said(bundle, runtime, KMSG).splitlines() == ["write", "read"]
    rules(bundle, {"type": "a", "access": "rwm"}, {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "r"})
    assert said(bundle, runtime, KMSG).splitlines() == ["write", refusal.format("open")]


def test_without_rules_only_the_default_devices_work(bundle, runtime):
    (shm,) = [entry for entry in bundle.config["mounts"] if entry["destination"] == "/dev/shm"]
    shm["options"].remove("nodev")
    del bundle.config["linux"]["resources"]
    inside.allow(bundle, "CAP_MKNOD", "CAP_SYSLOG")
    assert said(bundle, runtime, KMSG).count("Operation not permitted") == 2


def test_making_nodes_needs_the_capability(bundle, runtime):
    assert said(bundle, runtime, "mknod /dev/x c 1 3 2>&1 || true") == (
        "mknod: /dev/x: Operation not permitted\n"
    )
