"""What a plan meets here: looked at on this machine, with what the test made."""

from __future__ import annotations

import os

import pytest
from unit.spec import configs

from pyruntime.container import player, surroundings
from pyruntime.container.plan import Plan, Wishes
from pyruntime.container.surroundings import Surroundings
from pyruntime.feature import seccomp, seccomp_cache
from pyruntime.feature.confinement import Modules
from pyruntime.feature.host import Host

HOST = Host(os.geteuid(), "/sys/fs/cgroup", "/", (6, 12), 40)
GONE = "no such file or directory"
PROFILE = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}


def looked(tmp_path, config, cgroup=None):
    wishes = Wishes(no_pivot=False, no_new_keyring=False, preserve=0, waits=True)
    host = Host(0, cgroup or str(tmp_path), "/", (6, 12), 40)
    plan = Plan(config, host, "ID", str(tmp_path), wishes)
    return surroundings.look(plan, HOST, str(tmp_path / "state"))


@pytest.fixture
def built(monkeypatch):
    """The native program counts as built."""
    monkeypatch.setattr(player, "player", lambda: b"")


def test_on_a_machine_with_everything_nothing_is_wrong(tmp_path, built):
    (tmp_path / "rootfs").mkdir()
    around = looked(tmp_path, configs.small())
    assert around.faults == {}
    assert (around.filter, around.kept, around.gid) == (None, False, os.getegid())
    assert list(tmp_path.iterdir()) == [tmp_path / "rootfs"]


def test_what_is_not_there_is_told_by_its_name(tmp_path, built):
    config = configs.small()
    config["mounts"] = [
        {"destination": "/a", "source": "a", "options": ["bind"]},
        {"destination": "/proc", "type": "proc", "source": "nothing"},
    ]
    config["linux"]["namespaces"].append({"type": "time", "path": str(tmp_path / "time")})
    config["linux"]["netDevices"] = {"nosuch0": {}}
    config["hooks"] = {name: [{"path": f"/no/{name}"}] for name in ("prestart", "startContainer")}
    config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": "/no/agent",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}],
    }
    assert looked(tmp_path, config).faults == {
        str(tmp_path / "rootfs"): GONE,
        str(tmp_path / "time"): GONE,
        str(tmp_path / "a"): GONE,
        "/no/prestart": GONE,
        "/no/agent": GONE,
        "nosuch0": "there is no such network device",
    }


def test_a_rootfs_that_is_a_file_is_told(tmp_path, built):
    (tmp_path / "rootfs").touch()
    assert looked(tmp_path, configs.small()).faults == {str(tmp_path / "rootfs"): "not a directory"}


def test_a_native_program_that_was_never_built_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(player, "_NAME", "nosuch")
    (tmp_path / "rootfs").mkdir()
    assert looked(tmp_path, configs.small()).faults == {
        "the native program": "the native program is missing: run make build"
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_is_named(tmp_path, built):
    assert surroundings._unwritable("/proc/1/nosuch/below") == "this user may not write to /proc/1"


def test_the_lowest_directory_that_is_there_decides(tmp_path):
    asked = []
    assert surroundings._unwritable(str(tmp_path / "a" / "b")) == ""

    def access(path, mode, **_more):
        asked.append((path, mode))
        return path == "/" and mode == os.F_OK

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surroundings.posix, "access", access)
        assert surroundings._unwritable("/a/b") == "this user may not write to /"
    assert [path for path, _ in asked] == ["/a/b", "/a", "/"]


def test_the_filter_is_compiled_or_found_and_never_kept(tmp_path, built):
    (tmp_path / "rootfs").mkdir()
    config = configs.small()
    config["linux"]["seccomp"] = PROFILE
    cache = tmp_path / "state" / "@seccomp"
    around = looked(tmp_path, config)
    assert (len(around.filter) % 8, around.kept) == (0, False)
    assert not cache.exists()
    wanted = seccomp.plan(PROFILE)
    assert seccomp.program(wanted, str(cache)).program == around.filter
    assert seccomp_cache.read(str(cache), wanted.key()) == around.filter
    assert (looked(tmp_path, config).filter, looked(tmp_path, config).kept) == (around.filter, True)


def test_a_filter_that_cannot_be_compiled_is_told(tmp_path, built):
    (tmp_path / "rootfs").mkdir()
    config = configs.small()
    rules = [
        {
            "names": ["read"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": number, "op": "SCMP_CMP_EQ"}],
        }
        for number in range(5000)
    ]
    config["linux"]["seccomp"] = PROFILE | {"syscalls": rules}
    around = looked(tmp_path, config)
    assert around.filter is None
    assert "instructions, the kernel takes 4096" in around.faults["the seccomp filter"]


def test_own_limits_are_looked_at_only_when_they_matter(tmp_path, built):
    config = configs.small()
    assert looked(tmp_path, config).limits == {}
    config["process"]["rlimits"] = [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
    import resource

    own = resource.getrlimit(resource.RLIMIT_CORE)[1] & (1 << 64) - 1
    assert looked(tmp_path, config).limits == {"RLIMIT_CORE": own}


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (0, "no capability"),
        (surroundings.EVERYTHING, "all capabilities"),
        (surroundings.EVERYTHING & ~1, "all capabilities but CAP_CHOWN"),
        (0b101, "only CAP_CHOWN CAP_DAC_READ_SEARCH"),
    ],
)
def test_capabilities_are_told_by_what_is_less(mask, told):
    host = Host(0, "/c", "/", (6, 12), 40)
    around = Surroundings(host, capabilities=mask, modules=Modules("x", selinux=False))
    assert around.describe() == f"kernel 6.12, uid 0, cgroup v2 at /c, own cgroup /, {told}, AppArmor"
    assert f"{told} in a user namespace, " in Surroundings(host, capabilities=mask, nested=True).describe()


@pytest.mark.parametrize("text", ["0 0 4294967295\n", "0 1000 1\n"])
def test_a_user_namespace_is_known_by_its_map(text, tmp_path, built, monkeypatch):
    (tmp_path / "rootfs").mkdir()
    real = surroundings.hosts.read
    monkeypatch.setattr(
        surroundings.hosts, "read", lambda path: text if path.endswith("uid_map") else real(path)
    )
    assert looked(tmp_path, configs.small()).nested == ("1000" in text)
