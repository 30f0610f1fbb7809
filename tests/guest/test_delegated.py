"""What a user can do to whom systemd delegates cgroups: all of a container's life, without root."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from conftest import CGROUPS
from functional.inside import eventually, refused, running, said
from guest.rows import MIB, ROWS

pytestmark = pytest.mark.delegated

FIRST, COUNT = 100_000, 65_536  # of the user in /etc/subuid and /etc/subgid
DRIVERS = {"cgroupfs": [], "systemd": ["--systemd-cgroup"]}


def own_cgroup():
    (line,) = Path("/proc/self/cgroup").read_text().splitlines()
    return CGROUPS / line.removeprefix("0::/")


@pytest.fixture
def rootless(bundle, runtime):
    """A bundle whose config.json is what `spec --rootless` wrote."""
    (bundle.path / "config.json").unlink()
    assert runtime("spec", "--rootless", "--bundle", bundle.path).returncode == 0
    bundle.config = json.loads((bundle.path / "config.json").read_text())
    bundle.config["process"]["terminal"] = False
    return bundle


@pytest.fixture(params=DRIVERS)
def driven(request, rootless, runtime):
    """The same, and the runtime with each driver of cgroups."""

    def run(*arguments, **options):
        return runtime(*DRIVERS[request.param], *arguments, **options)

    return rootless, run


def more_ids(bundle, *, mine):
    """Map all ids that /etc/subuid grants; root inside is the user itself where `mine`."""
    ranges = [(0, FIRST, COUNT)]
    if mine:
        ranges = [(0, os.getuid(), 1), (1, FIRST, COUNT)]
    names = ("containerID", "hostID", "size")
    maps = [dict(zip(names, each, strict=True)) for each in ranges]
    bundle.config["linux"] |= {"uidMappings": maps, "gidMappings": maps}


def limits(containers):
    """Return what limits the container c1, from its cgroup."""
    cgroup = Path(containers.state("c1")["cgroup"])
    files = ("pids.max", "memory.max", "cpu.max")
    return cgroup, [(cgroup / name).read_text().strip() for name in files]


def test_the_session_is_what_a_login_gives():
    """What all tests here rest upon."""
    assert os.getuid() == 1000
    assert os.environ["XDG_RUNTIME_DIR"] == "/run/user/1000"
    assert {"cpu", "cpuset", "io", "memory", "pids"} <= set((own_cgroup() / "cgroup.controllers").read_text().split())
    assert own_cgroup().stat().st_uid == 1000
    told = subprocess.run(["systemctl", "--user", "is-system-running"], capture_output=True, text=True)
    assert told.stdout == "running\n"


def test_plan_and_validate_need_no_root(bundle, runtime):
    assert runtime("validate", bundle.save()).returncode == 0
    done = runtime("plan", bundle.path)
    assert done.returncode == 0
    assert "cgroup" in done.stdout


def test_what_only_root_may_do_is_refused_in_one_line(bundle, runtime):
    assert "a caller that is not root needs a new user namespace" in refused(bundle, runtime)


def test_nothing_is_in_the_way_of_what_spec_writes(rootless, runtime):
    rootless.config["process"]["terminal"] = True
    done = runtime("plan", "--format", "json", rootless.save())
    assert [step for step in json.loads(done.stdout)["steps"] if step["cannot"]] == []


def test_a_life_with_limits_that_are_in_the_files(driven, containers):
    bundle, runtime = driven
    bundle.config["linux"]["resources"] = {
        "pids": {"limit": 20}, "memory": {"limit": 50 * MIB}, "cpu": {"quota": 50_000, "period": 100_000}
    }  # fmt: skip
    pid = running(bundle, runtime, containers)
    cgroup, told = limits(containers)
    assert told == ["20", str(50 * MIB), "50000 100000"]
    assert (cgroup / "cgroup.procs").read_text().split() == [str(pid)]
    done = runtime("update", "--pids-limit", "33", "--memory", "60M", "c1")
    assert (done.returncode, done.stderr) == (0, "")
    assert limits(containers)[1] == ["33", str(60 * MIB), "50000 100000"]
    assert runtime("pause", "c1").returncode == 0
    assert json.loads(runtime("state", "c1").stdout)["status"] == "paused"
    assert runtime("resume", "c1").returncode == 0
    done = runtime("exec", "c1", "sh", "-c", "id -u; cat /proc/self/cgroup; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "0\n0::/\n", "")
    assert json.loads(runtime("ps", "--format", "json", "c1").stdout) == [pid]
    assert runtime("kill", "c1", "KILL").returncode == 0
    eventually(lambda: json.loads(runtime("state", "c1").stdout)["status"] == "stopped")
    assert runtime("delete", "c1").returncode == 0
    assert not cgroup.exists()


@pytest.mark.parametrize(
    ("resources", "files"),
    [row for row in ROWS if "hugepageLimits" not in row[0]],
    ids=lambda row: next(iter(row)),
)
def test_a_limit_reads_back_from_the_kernel(driven, containers, resources, files):
    bundle, runtime = driven
    bundle.config["linux"]["resources"] = resources
    done = runtime("create", "--bundle", bundle.save(), "c1")
    assert (done.returncode, done.stderr) == (0, "")
    cgroup = Path(containers.state("c1")["cgroup"])
    assert {file: (cgroup / file).read_text().strip() for file in files} == files


def test_a_limit_whose_controller_is_not_delegated_is_refused_by_its_name(driven):
    bundle, runtime = driven
    bundle.config["linux"]["resources"] = {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]}
    told = refused(bundle, runtime)
    assert "linux.resources.hugepageLimits 2MB: controller hugetlb is not available in" in told


def test_systemd_of_the_user_keeps_the_scope(rootless, runtime, containers):
    rootless.config["linux"]["resources"] = {"pids": {"limit": 20}}
    rootless.config["linux"]["cgroupsPath"] = "user.slice:own:c1"
    rootless.config["process"]["args"] = ["sleep", "60"]
    done = runtime("--systemd-cgroup", "run", "--detach", "--bundle", rootless.save(), "c1")
    assert done.returncode == 0, done.stderr
    assert containers.state("c1")["unit"] == "user/own-c1.scope"
    words = ["systemctl", "--user", "show", "--property=TasksMax,ActiveState,ControlGroup", "own-c1.scope"]
    told = subprocess.run(words, capture_output=True, text=True).stdout
    assert {"TasksMax=20", "ActiveState=active"} <= set(told.split())
    assert containers.state("c1")["cgroup"].endswith(told.partition("ControlGroup=")[2].split()[0])
    assert runtime("delete", "--force", "c1").returncode == 0
    told = subprocess.run(words, capture_output=True, text=True).stdout
    assert "ActiveState=inactive" in told


def test_a_limit_of_processes_stops_a_fork_bomb(driven, containers):
    bundle, runtime = driven
    bundle.config["linux"]["resources"] = {"pids": {"limit": 12}}
    script = "for n in $(seq 40); do sleep 60 & done; echo over"
    bundle.config["process"]["args"] = ["sh", "-c", script]
    done = runtime("run", "--bundle", bundle.save(), "c1", timeout=300)
    assert "can't fork" in done.stderr
    assert "Resource temporarily unavailable" in done.stderr


def test_limits_outside_of_what_is_delegated_are_refused_with_the_cure(rootless, runtime):
    rootless.config["linux"] |= {"cgroupsPath": "/c1", "resources": {"pids": {"limit": 9}}}
    assert "a delegated cgroup is needed" in refused(rootless, runtime)


def test_more_ids_come_from_the_programs_for_it(rootless, runtime):
    more_ids(rootless, mine=True)
    rootless.config["process"]["user"] = {"uid": 0, "gid": 0, "additionalGids": [7]}
    told = said(rootless, runtime, "cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; id -G")
    own = ["0", "1000", "1", "1", str(FIRST), str(COUNT)]
    assert told.split() == [*own, *own, "allow", "0", "7"]


def test_another_user_inside_is_another_outside(rootless, runtime, containers):
    more_ids(rootless, mine=True)
    rootless.config["process"]["user"] = {"uid": 5, "gid": 6}
    pid = running(rootless, runtime, containers)
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    ids = {line.split()[0]: line.split()[1] for line in lines if line.startswith(("Uid", "Gid"))}
    assert ids == {"Uid:": str(FIRST + 4), "Gid:": str(FIRST + 5)}
    assert runtime("exec", "c1", "id", "-u").stdout == "5\n"
    assert runtime("exec", "--user", "9:8", "--additional-gids", "7", "c1", "id", "-G").stdout == "8 7\n"
    assert runtime("kill", "c1", "KILL").returncode == 0
    eventually(lambda: json.loads(runtime("state", "c1").stdout)["status"] == "stopped")


def test_what_its_root_cannot_reach_is_fetched_with_the_rights_of_the_user(rootless, runtime, tmp_path):
    """Root inside is another user outside, to whom the directories of pytest are closed."""
    more_ids(rootless, mine=False)
    rootless.rootfs.chmod(0o755)
    volume = tmp_path / "volume"
    volume.mkdir(mode=0o755)
    (volume / "file").write_text("of the user\n")
    rootless.config["mounts"].append(
        {"destination": "/mnt", "type": "bind", "source": str(volume), "options": ["rbind", "ro"]}
    )
    (rootless.rootfs / "mnt").mkdir()
    assert (tmp_path.stat().st_mode & 0o001, tmp_path.parent.stat().st_mode & 0o001) != (1, 1)
    told = said(rootless, runtime, "id -u; cat /mnt/file; mount -o remount,rw,bind /mnt 2>&1 || echo locked")
    lines = told.splitlines()
    assert lines[:2] == ["0", "of the user"]
    assert lines[-1] == "locked"


def test_ids_that_are_not_granted_are_refused_with_the_cure(rootless, runtime):
    maps = [{"containerID": 0, "hostID": 1000, "size": 1}, {"containerID": 1, "hostID": 1, "size": 9}]
    rootless.config["linux"]["uidMappings"] = maps
    told = refused(rootless, runtime)
    assert "newuidmap gave no ids: newuidmap: uid range" in told
    assert "/etc/subuid must grant these to this user: 1000, 9 from 1" in told
