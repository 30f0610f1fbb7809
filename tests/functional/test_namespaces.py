"""Namespaces: new, joined by path, or the caller's."""

import os
import subprocess
from pathlib import Path

import pytest
from functional import inside
from functional.inside import refused, running, said

from pyruntime.feature import procfs

# type: the name below /proc/PID/ns, and unshare(1)'s option
NAMES = {
    "pid": ("pid", "--pid"),
    "network": ("net", "--net"),
    "mount": ("mnt", "--mount"),
    "ipc": ("ipc", "--ipc"),
    "uts": ("uts", "--uts"),
    "cgroup": ("cgroup", "--cgroup"),
    "time": ("time", "--time"),
}
JOINED = ("network", "ipc", "uts", "cgroup", "time")
OWN = "for name in pid net mnt ipc uts cgroup time; do echo $name $(readlink /proc/self/ns/$name); done"


def own(kind, pid="self"):
    """Return the name of a process's namespace, such as net:[4026531840]."""
    return os.readlink(f"/proc/{pid}/ns/{NAMES[kind][0]}")


def inner(bundle, runtime):
    """Run the container; return the names of its namespaces."""
    told = inside.pairs(said(bundle, runtime, OWN))
    return {kind: told[name] for kind, (name, _) in NAMES.items()}


@pytest.fixture
def holder(containers):
    """Callable: make a process with new namespaces of some types; return its directory below /proc.

    Of a new pid namespace it is process 1.
    """
    made = []

    def hold(*kinds):
        options = [NAMES[kind][1] for kind in kinds]
        command = ["unshare", *options, "--fork", "--kill-child", "sleep", "600"]
        made.append(outer := subprocess.Popen(command, stdin=subprocess.DEVNULL))
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        (pid,) = inside.eventually(lambda: children.read_text().split())
        inside.eventually(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
        return Path("/proc", pid)

    yield hold
    for outer in made:
        outer.kill()
        outer.wait()


# --- new, or the caller's ------------------------------------------------------------------------


def test_every_type_can_be_new(bundle, runtime):
    bundle.config["linux"]["namespaces"].append({"type": "time"})
    found = inner(bundle, runtime)
    assert set(found) == set(NAMES)
    assert not [kind for kind in NAMES if found[kind] == own(kind)]


@pytest.mark.parametrize("kind", [kind for kind in NAMES if kind not in ("time", "mount")])
def test_a_type_that_is_not_named_is_the_callers(bundle, runtime, kind):
    inside.without(bundle, kind)
    if kind == "uts":
        del bundle.config["hostname"]
    found = inner(bundle, runtime)
    assert [each for each in NAMES if found[each] == own(each)] == [
        each for each in NAMES if each in (kind, "time")
    ]


def test_the_names_are_set_in_the_new_uts_namespace_only(bundle, runtime):
    bundle.config["domainname"] = "zoo.example"
    bundle.config["hostname"] = "lion"
    before = os.uname()
    told = said(bundle, runtime, "hostname; cat /proc/sys/kernel/domainname")
    assert told == "lion\nzoo.example\n"
    assert os.uname().nodename == before.nodename != "lion"


def test_loopback_is_up_in_a_new_network_and_nothing_else_is_there(bundle, runtime):
    told = said(bundle, runtime, "ls /sys/class/net; ip -o addr show lo; ip link show lo").splitlines()
    assert told[0] == "lo"
    assert "127.0.0.1/8" in told[1]
    assert "LOOPBACK,UP" in told[-2]


def test_a_new_cgroup_namespace_shows_the_containers_cgroup_as_its_root(bundle, runtime, containers):
    pid = running(bundle, runtime, containers, "cat /proc/self/cgroup > /dev/shm/told; sleep 60")
    told = Path(f"/proc/{pid}/root/dev/shm/told")
    inside.eventually(lambda: told.exists() and told.read_text())
    assert "0::/\n" in told.read_text()
    outside = Path(f"/proc/{pid}/cgroup").read_text()
    assert "0::/\n" not in outside
    assert "c1" in outside


def test_in_the_callers_cgroup_namespace_the_path_is_whole(bundle, runtime):
    inside.without(bundle, "cgroup")
    (line,) = [row for row in said(bundle, runtime, "cat /proc/self/cgroup").splitlines() if row[:3] == "0::"]
    assert line.endswith("c1")


def test_the_payload_is_process_one_of_a_new_pid_namespace(bundle, runtime):
    told = said(bundle, runtime, "echo $$; ls -d /proc/[0-9]*; ls -d /proc/self/ns")
    assert told.splitlines()[:2] == ["1", "/proc/1"]


def test_in_the_callers_pid_namespace_proc_shows_the_host(bundle, runtime, containers):
    inside.without(bundle, "pid")
    pid = running(bundle, runtime, containers, "echo $$ > /dev/shm/pid; sleep 60")
    told = Path(f"/proc/{pid}/root/dev/shm/pid")
    inside.eventually(lambda: told.exists() and told.read_text())
    assert int(told.read_text()) == pid
    assert Path(f"/proc/{pid}/root/proc/{os.getpid()}/stat").exists()


def test_a_time_namespace_has_no_offsets_unless_wished(bundle, runtime):
    bundle.config["linux"]["namespaces"].append({"type": "time"})
    told = said(bundle, runtime, "cat /proc/self/timens_offsets; cut -d. -f1 /proc/uptime").split()
    assert told[:6] == ["monotonic", "0", "0", "boottime", "0", "0"]
    with open("/proc/uptime") as file:
        assert abs(int(told[6]) - float(file.read().split()[0])) < 60


# --- joined --------------------------------------------------------------------------------------


def test_namespaces_are_joined_by_path(bundle, runtime, holder):
    held = holder(*JOINED)
    for kind in JOINED:
        inside.at(bundle, kind, held / "ns" / NAMES[kind][0])
    found = inner(bundle, runtime)
    for kind in JOINED:
        assert found[kind] == own(kind, held.name) != own(kind), kind
    assert found["mount"] not in (own("mount"), own("mount", held.name))


@pytest.mark.parametrize("kind", JOINED)
def test_a_type_is_joined_alone(bundle, runtime, holder, kind):
    held = holder(kind)
    inside.at(bundle, kind, held / "ns" / NAMES[kind][0])
    found = inner(bundle, runtime)
    assert found[kind] == own(kind, held.name)
    assert [each for each in NAMES if found[each] == own(each)] == ["time"] * (kind != "time")


def test_a_joined_network_is_taken_as_it_is(bundle, runtime, holder):
    held = holder("network")
    inside.at(bundle, "network", held / "ns/net")
    assert ",UP" not in said(bundle, runtime, "ip link show lo")


def test_a_host_name_is_set_in_a_joined_uts_namespace(bundle, runtime, holder):
    held = holder("uts")
    inside.at(bundle, "uts", held / "ns/uts")
    bundle.config["hostname"] = "tiger"
    assert said(bundle, runtime, "hostname") == "tiger\n"
    shown = subprocess.check_output(["nsenter", f"--uts={held}/ns/uts", "uname", "-n"], text=True)
    assert shown == "tiger\n" != os.uname().nodename


def test_a_mount_namespace_can_be_joined(bundle, runtime, holder):
    held = holder("mount")
    inside.at(bundle, "mount", held / "ns/mnt")
    found = inner(bundle, runtime)
    assert found["mount"] == own("mount", held.name) != own("mount")


# --- a joined pid namespace ----------------------------------------------------------------------


@pytest.fixture
def shared(bundle, holder):
    """A bundle that joins the pid namespace of another process; `holder` is that one's /proc."""
    bundle.holder = holder("pid")
    inside.at(bundle, "pid", bundle.holder / "ns/pid")
    return bundle


def test_proc_of_a_joined_pid_namespace_shows_its_processes(shared, runtime):
    script = "readlink /proc/self/ns/pid; cat /proc/1/comm; echo $$; grep NSpid /proc/self/status"
    told = said(shared, runtime, script).splitlines()
    assert told[:2] == [own("pid", shared.holder.name), "sleep"]
    assert int(told[2]) > 1
    assert len(told[3].split()) == 2  # the procfs knows this namespace and none above it


def test_killing_a_container_that_shares_its_pid_namespace_is_no_error(shared, runtime, containers):
    """Its other processes are killed too; the order must not make its own end look like an old one."""
    for _ in range(5):
        running(shared, runtime, containers)
        killed = runtime("kill", "c1", "KILL")
        assert (killed.returncode, killed.stderr) == (0, "")
        inside.eventually(lambda: runtime("delete", "c1").returncode == 0)


@pytest.mark.parametrize(("script", "status"), [("exit 7", 7), ("kill -9 $$", 137), ("true", 0)])
def test_run_returns_the_status_from_a_joined_pid_namespace(shared, runtime, script, status):
    shared.config["process"]["args"] = ["sh", "-c", script]
    assert runtime("run", "--bundle", shared.save(), "c1").returncode == status


def test_a_container_in_a_joined_pid_namespace_is_created_started_and_deleted(
    shared, runtime, containers
):
    shared.config["process"]["args"] = ["sh", "-c", "sleep 501 & sleep 502 & echo $$ > /dev/shm/pid; wait"]
    assert runtime("create", "--bundle", shared.save(), "--pid-file", shared.path / "pid", "c1").returncode == 0
    state = containers.state("c1")
    assert int((shared.path / "pid").read_text()) == state["pid"]
    assert own("pid", state["pid"]) == own("pid", shared.holder.name)
    assert runtime("start", "c1").returncode == 0
    told = Path(f"/proc/{state['pid']}/root/dev/shm/pid")
    inside.eventually(lambda: told.exists() and told.read_text())
    assert told.read_text().strip() == Path(f"/proc/{state['pid']}/status").read_text().partition(
        "NSpid:"
    )[2].split("\n")[0].split()[-1]
    assert runtime("delete", "c1").returncode == 1
    assert runtime("kill", "c1", "KILL").returncode == 0
    inside.eventually(lambda: '"stopped"' in runtime("state", "c1").stdout)
    assert runtime("delete", "c1").returncode == 0
    assert Path(shared.holder, "stat").exists()


def alive(pid):
    """Tell whether a process runs; nobody reaps the orphans of that namespace."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_the_payload_leaves_behind_in_a_joined_pid_namespace_is_killed_by_delete(
    shared, runtime, containers
):
    pid = running(shared, runtime, containers, "sleep 503 & sleep 504 & echo > /dev/shm/done; sleep 60")
    root = Path(f"/proc/{pid}/root/dev/shm/done")
    inside.eventually(root.exists)
    cgroup = Path(containers.state("c1")["cgroup"])
    os.kill(pid, 9)
    inside.eventually(lambda: '"stopped"' in runtime("state", "c1").stdout)
    left = (cgroup / "cgroup.procs").read_text().split()
    assert len([each for each in left if alive(each)]) == 2
    assert runtime("delete", "c1").returncode == 0
    assert not cgroup.exists()
    inside.eventually(lambda: not [each for each in left if alive(each)])


def test_joining_a_pid_namespace_whose_init_has_ended_is_explained(bundle, runtime, holder):
    held = holder("pid")
    kept = os.open(held / "ns/pid", os.O_RDONLY)
    os.kill(int(held.name), 9)
    inside.eventually(lambda: not held.exists())
    inside.at(bundle, "pid", f"/proc/{os.getpid()}/fd/{kept}")
    told = refused(bundle, runtime)
    os.close(kept)
    assert "cannot allocate memory" in told


def pids(directory):
    """Return the numbers that a procfs shows."""
    names = os.listdir(f"/proc/self/fd/{directory}")
    return sorted(int(name) for name in names if name.isdigit())


@pytest.mark.parametrize("make", [procfs.of_namespace, procfs._made_inside])
def test_a_procfs_of_another_pid_namespace_shows_that_one(holder, make):
    """Both ways: the option of newer kernels, and the child that goes there."""
    held = holder("pid")
    present = os.readlink("/proc/self/ns/pid_for_children")
    before = sorted(os.listdir("/proc/self/fd"))
    namespace = os.open(held / "ns/pid", os.O_RDONLY)
    made = make(namespace, [("hidepid", "0")])
    try:
        assert pids(made) == [1]
        comm = os.open("1/comm", os.O_RDONLY, dir_fd=made)
        assert os.read(comm, 99) == b"sleep\n"
        os.close(comm)
    finally:
        os.close(made)
        os.close(namespace)
    assert os.readlink("/proc/self/ns/pid_for_children") == present
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_the_child_that_makes_a_procfs_tells_the_kernels_refusal(holder):
    held = holder("pid")
    namespace = os.open(held / "ns/pid", os.O_RDONLY)
    with pytest.raises(OSError, match="Invalid argument"):
        procfs._made_inside(namespace, [("nosuchoption", None)])
    os.close(namespace)
    assert os.readlink("/proc/self/ns/pid_for_children") == own("pid")


# --- what cannot be joined -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", NAMES)
def test_a_namespace_of_another_type_is_refused(bundle, runtime, kind):
    other = "ipc" if kind != "ipc" else "uts"
    inside.at(bundle, kind, f"/proc/self/ns/{other}")
    told = refused(bundle, runtime)
    assert f"join the {kind} namespace /proc/self/ns/{other}" in told
    assert f"the file is not a namespace of type {kind}" in told


@pytest.mark.parametrize("place", ["missing", "file", "directory", "fifo"])
def test_a_path_that_is_no_namespace_is_refused(bundle, runtime, tmp_path, place):
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    inside.at(bundle, "network", tmp_path / place)
    told = refused(bundle, runtime)
    assert f"join the network namespace {tmp_path / place}" in told
    assert ("no such file or directory" if place == "missing" else "is not a namespace") in told


@pytest.mark.parametrize("path", ["proc/self/ns/net", "./net"])
def test_a_relative_path_is_refused(bundle, runtime, path):
    inside.at(bundle, "network", path)
    assert "/linux/namespaces/5/path" in refused(bundle, runtime)


def test_a_type_that_stands_twice_is_refused(bundle, runtime):
    bundle.config["linux"]["namespaces"].append({"type": "pid"})
    assert "duplicated ns" in refused(bundle, runtime)


@pytest.mark.parametrize(("kind", "words"), [("foo", "/linux/namespaces/6/type"), ("user", "not supported yet")])
def test_types_that_cannot_be_made_are_refused(bundle, runtime, kind, words):
    bundle.config["linux"]["namespaces"].append({"type": kind})
    if kind == "user":
        bundle.config["linux"]["namespaces"][-1]["path"] = "/proc/self/ns/user"
    assert words in refused(bundle, runtime)


def test_names_need_a_uts_namespace(bundle, runtime):
    inside.without(bundle, "uts")
    before = os.uname().nodename
    assert "unable to set hostname without a private UTS namespace" in refused(bundle, runtime)
    assert os.uname().nodename == before
