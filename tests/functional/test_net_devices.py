"""linux.netDevices: devices move in with their addresses, and come back when create fails.

Each test has a network namespace of its own, so it touches nothing of the machine's network.
"""

import contextlib
import json
import os
import subprocess

import pytest
from functional import inside
from functional.inside import refused, said

from pyruntime.kernel import process

FIXED = {  # of one device, all kinds that must survive
    "10.1.2.3/24 brd 10.1.2.255": ("10.1.2.3", 24),
    "10.1.2.4/24": ("10.1.2.4", 24),
    "10.9.9.1 peer 10.9.9.2/30": ("10.9.9.1", 30),
    "fd00::1/64 nodad": ("fd00::1", 64),
    "fd00::2/64 nodad": ("fd00::2", 64),
}
FLEETING = (
    "10.3.3.3/24 valid_lft 1000 preferred_lft 500", "169.254.1.1/16 scope link",
    "fd01::1/64 valid_lft 1000 preferred_lft 500",
)  # fmt: skip


@pytest.fixture(autouse=True)
def network():
    """A network namespace for the test, with a pair of devices, v0 and v1."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    process.unshare(process.CLONE_NEWNET)
    ip("link", "set", "lo", "up")
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
    yield
    process.setns(own, process.CLONE_NEWNET)
    os.close(own)


def ip(*words):
    """Run ip(8) and return what it says."""
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def links(*within):
    """Return what ip(8) tells of each device, by name."""
    told = json.loads(ip("-j", *within, "addr"))
    return {link["ifname"]: link for link in told if link}


def fixed(link):
    """Return the addresses that are permanent and of global scope."""
    return [
        (each["local"], each["prefixlen"])
        for each in link["addr_info"]
        if each["scope"] == "global" and not each.get("dynamic")
    ]


def addressed():
    """Give v0 addresses of all kinds."""
    ip("link", "set", "v0", "up")
    ip("link", "set", "v1", "up")
    for words in (*FIXED, *FLEETING):
        ip("addr", "add", *words.split(), "dev", "v0")


def moving(bundle, **devices):
    """Have devices moved; name=inside, None for the same name."""
    bundle.config["linux"]["netDevices"] = {
        name: {"name": new} if new else {} for name, new in devices.items()
    }


def within(pid, *words):
    """Ask ip(8) inside the network namespace of a process."""
    told = subprocess.run(
        ["nsenter", "--net", "-t", str(pid), "ip", "-j", *(words or ("addr",))],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return {link["ifname"]: link for link in json.loads(told) if link}


@pytest.fixture(params=["create", "run"])
def born(request, bundle, runtime, containers):
    """Callable: make c1 of the bundle; return the pid of its init."""

    def born():
        bundle.config["process"]["args"] = ["sleep", "60"]
        words = ["create"] if request.param == "create" else ["run", "--detach"]
        done = runtime(*words, "--bundle", bundle.save(), "c1")
        assert (done.returncode, done.stderr) == (0, "")
        return containers.state("c1")["pid"]

    return born


@pytest.mark.parametrize("name", [None, "v0", "fifteen_letters"])
def test_a_device_moves_with_its_addresses_and_is_up(bundle, born, name):
    addressed()
    before = links()["v0"]
    moving(bundle, v0=name)
    there = within(born())
    assert "v0" not in links()
    moved = there[name or "v0"]
    assert set(there) == {"lo", name or "v0"}
    assert "UP" in moved["flags"]
    assert moved["address"] == before["address"]
    assert moved["mtu"] == before["mtu"]
    assert sorted(fixed(moved)) == sorted(FIXED.values())
    known = {each["local"]: each for each in moved["addr_info"]}
    assert {"10.3.3.3", "169.254.1.1", "fd01::1"}.isdisjoint(known)
    assert known["10.1.2.3"]["broadcast"] == "10.1.2.255"
    assert known["10.9.9.1"]["address"] == "10.9.9.2"
    assert known["fd00::1"].get("nodad")
    assert (known["10.1.2.4"].get("secondary"), known["10.1.2.3"].get("secondary")) == (True, None)


def test_the_order_of_addresses_is_kept(bundle, born):
    addressed()
    before = fixed(links()["v0"])
    moving(bundle, v0="inner")
    assert fixed(within(born())["inner"]) == before


def test_label_and_flags_of_an_address_are_kept(bundle, born):
    ip("addr", "add", "10.1.1.1/24", "dev", "v0", "label", "v0:web", "noprefixroute")
    moving(bundle, v0=None)
    (told,) = (each for each in within(born())["v0"]["addr_info"] if each["family"] == "inet")
    assert (told["label"], told["noprefixroute"]) == ("v0:web", True)


def test_a_label_of_the_old_name_does_not_stay_on_the_new_one(bundle, born):
    ip("addr", "add", "10.1.1.1/24", "dev", "v0", "label", "v0:web")
    moving(bundle, v0="inner")
    (told,) = (each for each in within(born())["inner"]["addr_info"] if each["family"] == "inet")
    assert told["label"] == "inner"


def test_many_devices_swap_their_names(bundle, born):
    ip("link", "add", "w0", "type", "veth", "peer", "name", "w1")
    hardware = {name: link["address"] for name, link in links().items()}
    moving(bundle, v0="w0", w0="v0")
    there = within(born())
    assert {name: there[name]["address"] for name in ("v0", "w0")} == {
        "v0": hardware["w0"], "w0": hardware["v0"],
    }  # fmt: skip
    assert set(links()) == {"lo", "v1", "w1"}


def test_the_kernel_fills_a_template(bundle, born):
    ip("link", "add", "w0", "type", "veth", "peer", "name", "w1")
    ip("addr", "add", "10.1.1.1/24", "dev", "w0")
    moving(bundle, v0="net%d", w0="net%d")
    there = within(born())
    assert set(there) == {"lo", "net0", "net1"}
    assert fixed(there["net1"]) == [("10.1.1.1", 24)]


def test_hooks_and_payload_see_it(bundle, runtime, tmp_path):
    moving(bundle, v0="inner")
    words = (
        f"nsenter --net -t $(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/') ip -o link > {tmp_path}/seen"
    )
    bundle.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", words]}]}
    assert "inner" in said(bundle, runtime, "ip -o link show inner")
    assert "inner" in (tmp_path / "seen").read_text()


def test_the_foreground_run_does_not_keep_the_namespace(bundle, runtime):
    """A device that has moved ends with the container's namespace, and its peer with it."""
    moving(bundle, v0="inner")
    said(bundle, runtime, "true")
    inside.eventually(lambda: set(links()) == {"lo"})


def test_a_foreground_run_lets_go_of_the_namespace_while_it_attends(bundle, launcher, containers):
    moving(bundle, v0="inner")
    bundle.config["process"]["args"] = ["sleep", "60"]
    words = [launcher, "--root", containers.root, "run", "--bundle"]
    with subprocess.Popen([*map(str, words), str(bundle.save()), "c1"]) as running:
        pid = inside.eventually(lambda: state(containers))
        space = os.stat(f"/proc/{pid}/ns/net").st_ino
        inside.eventually(lambda: space not in opened(running.pid))
        os.kill(pid, 9)


def opened(pid):
    """Return the inodes that a process has open."""
    found = set()
    for each in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # it is closed by now
            found.add(os.stat(f"/proc/{pid}/fd/{each}").st_ino)
    return found


def state(containers):
    """Return the pid in the state of c1, 0 while there is none."""
    try:
        return containers.state("c1")["pid"]
    except (FileNotFoundError, json.JSONDecodeError):
        return 0


@pytest.fixture
def joined(bundle):
    """A network namespace that the bundle joins, with a device `taken` and another of index 3."""
    with subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE) as held:
        own = os.stat("/proc/self/ns/net").st_ino
        inside.eventually(lambda: os.stat(f"/proc/{held.pid}/ns/net").st_ino != own)
        for words in (["taken", "type", "veth", "peer", "name", "other"], ["w8", "type", "veth"]):
            subprocess.run(
                ["nsenter", "--net", "-t", str(held.pid), "ip", "link", "add", *words], check=True
            )
        inside.at(bundle, "network", f"/proc/{held.pid}/ns/net")
        yield held.pid
        held.stdin.close()


def test_a_device_moves_into_a_joined_namespace_whatever_its_index(bundle, born, joined):
    addressed()
    before = links()["v0"]
    assert before["ifindex"] in {link["ifindex"] for link in within(joined).values()}
    moving(bundle, v0="inner")
    born()
    there = within(joined)["inner"]
    assert there["address"] == before["address"]
    assert sorted(fixed(there)) == sorted(FIXED.values())
    assert "UP" in there["flags"]


# ---- what goes wrong ----


def unchanged(before):
    """Assert that all devices are what they were, but for their indexes and fleeting addresses."""
    now = links()
    assert set(now) == set(before)
    for name, link in before.items():
        assert now[name]["address"] == link["address"]
        assert ("UP" in now[name]["flags"]) == ("UP" in link["flags"]), name
        assert sorted(fixed(now[name])) == sorted(fixed(link)), name


@pytest.mark.parametrize("name", ["taken", "lo"])
def test_a_name_that_is_taken_inside_is_refused(bundle, runtime, joined, name):
    addressed()
    before = links()
    moving(bundle, v0=name)
    assert f'"v0\\" cannot be \\"{name}\\" in the container' in refused(bundle, runtime)
    unchanged(before)


def test_another_name_of_a_device_inside_is_taken_too(bundle, runtime, joined):
    subprocess.run(
        ["nsenter", "--net", "-t", str(joined), "ip", "link", "property", "add", "dev", "taken",
         "altname", "alias"], check=True,
    )  # fmt: skip
    addressed()
    before = links()
    moving(bundle, v0="alias")
    assert "v0: file exists (the name is taken there)" in refused(bundle, runtime)
    unchanged(before)
    assert set(within(joined)) >= {"taken", "other"}
    assert "v0" not in within(joined)


def test_a_device_that_is_not_there_is_named(bundle, runtime):
    addressed()
    before = links()
    moving(bundle, v0="inner", nx=None)
    assert 'there is no network device \\"nx\\" here' in refused(bundle, runtime)
    unchanged(before)


def test_the_loopback_is_not_even_taken_down(bundle, runtime):
    before = links()
    moving(bundle, lo="inner")
    with subprocess.Popen(["ip", "monitor", "link"], stdout=subprocess.PIPE, text=True) as watch:
        assert '\\"lo\\" is the loopback device, which cannot be moved' in refused(bundle, runtime)
        watch.terminate()
        assert watch.stdout.read() == ""
    unchanged(before)


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize(
    "failure",
    [
        {"args": ["/no/such"]},
        {"hooks": {"createRuntime": [{"path": "/bin/false"}]}},
        {"hooks": {"createContainer": [{"path": "/bin/false"}]}},
        {"mounts": [{"destination": "/x", "type": "nofs", "source": "x"}]},
    ],
    ids=lambda failure: next(iter(failure)),
)
def test_what_was_moved_is_brought_back_when_create_fails(bundle, runtime, failure, up):
    """Else a virtual device would end with the namespace of the container that never was."""
    addressed()
    if not up:
        ip("link", "set", "v0", "down")
    before = links()
    moving(bundle, v0="inner")
    bundle.config["process"]["args"] = failure.get("args", ["true"])
    bundle.config["hooks"] = failure.get("hooks", {})
    bundle.config["mounts"] += failure.get("mounts", [])
    refused(bundle, runtime)
    unchanged(before)


def test_what_was_moved_is_brought_back_when_the_pid_file_cannot_be_written(bundle, runtime):
    addressed()
    before = links()
    moving(bundle, v0="inner")
    bundle.config["process"]["args"] = ["sleep", "60"]
    assert "pid file" in refused(bundle, runtime, "--pid-file", "/no/such/file")
    unchanged(before)


def test_a_name_that_is_taken_meanwhile_does_not_lose_the_device(bundle, runtime):
    addressed()
    before = links()["v0"]
    moving(bundle, v0="inner")
    words = "ip link set v1 down; ip link set v1 name v0; exit 1"
    bundle.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", words]}]}
    bundle.config["hooks"]["createRuntime"][0]["env"] = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    refused(bundle, runtime)
    assert links()["dev0"]["address"] == before["address"]


def test_without_a_namespace_of_its_own_nothing_moves(bundle, runtime):
    before = links()
    moving(bundle, v0="inner")
    told = "unable to move network devices without a private NET namespace"
    inside.without(bundle, "network")
    assert told in refused(bundle, runtime)
    inside.at(bundle, "network", "/proc/self/ns/net")
    assert told in refused(bundle, runtime)
    unchanged(before)


@pytest.mark.parametrize("name", ["a/b", "a b", "a:b", "..", "sixteen_letters_", "%s", "%d%d"])
def test_names_that_no_device_can_have(bundle, runtime, name):
    moving(bundle, v0=name)
    assert "/linux/netDevices/v0/name: invalid network device name" in refused(bundle, runtime)


def test_the_package_is_named_where_it_is_missing(bundle, runtime, launcher, containers):
    """A Python that looks nowhere for packages."""
    before = links()
    moving(bundle, v0="inner")
    words = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pyruntime import libraries, main\n"
        "libraries.reach = lambda: None; raise SystemExit(main.main(sys.argv[2:]))"
    )
    tree = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    line = ["--root", str(containers.root), "create", "--bundle", str(bundle.save()), "c1"]
    done = subprocess.run(
        ["/usr/bin/python3", "-IS", "-c", words, tree, *line], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "linux.netDevices needs the Python package pyroute2 (python3-pyroute2)" in done.stderr
    assert containers.ids() == []
    unchanged(before)
