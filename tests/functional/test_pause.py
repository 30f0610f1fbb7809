"""Pause and resume of real containers, and what the other operations do with a paused one."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from functional import inside

TICKING = "while :; do echo . >> /ticks; done"


@pytest.fixture
def container(runtime, bundle, containers):
    """Callable: start a container that writes to /ticks all the time; return the file."""
    inside.writable(bundle)
    ticks = bundle.rootfs / "ticks"

    def start(script=TICKING):
        inside.running(bundle, runtime, containers, script)
        return ticks

    return start


def succeed(done):
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(done, text):
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert text in done.stderr


def status(runtime, name="c1"):
    return json.loads(succeed(runtime("state", name)))["status"]


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def cgroup(containers):
    return Path(containers.state("c1")["cgroup"])


def is_frozen(containers):
    return "frozen 1" in (cgroup(containers) / "cgroup.events").read_text()


def test_a_paused_container_stands_still_until_it_is_resumed(runtime, container, containers):
    ticks = container()
    inside.eventually(lambda: ticks.exists() and ticks.stat().st_size)
    assert succeed(runtime("pause", "c1")) == ""
    assert is_frozen(containers)  # at once: pause waits for it
    size = ticks.stat().st_size
    assert status(runtime) == "paused"
    assert json.loads(succeed(runtime("list", "--format", "json")))[0]["status"] == "paused"
    assert ticks.stat().st_size == size
    assert succeed(runtime("resume", "c1")) == ""
    assert status(runtime) == "running"
    inside.eventually(lambda: ticks.stat().st_size > size)


def test_processes_in_cgroups_below_stand_still_too(runtime, container, containers):
    pid = (container(), containers.state("c1")["pid"])[1]
    below = cgroup(containers) / "below"
    below.mkdir()
    (below / "cgroup.procs").write_text(str(pid))
    succeed(runtime("pause", "c1"))
    assert "frozen 1" in (below / "cgroup.events").read_text()
    succeed(runtime("resume", "c1"))
    assert "frozen 0" in (below / "cgroup.events").read_text()


def test_a_created_container_can_be_paused_and_is_created_again(runtime, bundle):
    succeed(runtime("create", "--bundle", bundle.save(), "c1"))
    succeed(runtime("pause", "c1"))
    assert status(runtime) == "paused"
    refused(runtime("start", "c1"), "cannot start a container in the paused state")
    succeed(runtime("resume", "c1"))
    assert status(runtime) == "created"
    succeed(runtime("start", "c1"))


def test_what_is_not_running_is_not_paused(runtime, container, containers):
    container("exec sleep 1000")
    succeed(runtime("pause", "c1"))
    refused(runtime("pause", "c1"), "container not running")
    succeed(runtime("resume", "c1"))
    refused(runtime("resume", "c1"), "container not paused")
    succeed(runtime("kill", "c1", "KILL"))
    inside.eventually(lambda: status(runtime) == "stopped")
    refused(runtime("pause", "c1"), "container not running")
    refused(runtime("resume", "c1"), "container not paused")


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_an_unknown_id_does_not_exist(runtime, command):
    refused(runtime(command, "nx"), "container does not exist")


def test_a_container_without_a_cgroup_is_told_so(runtime, container, containers):
    container("exec sleep 1000")
    file = containers.root / "c1" / "state.json"
    saved = file.read_text()
    file.write_text(json.dumps(json.loads(saved) | {"cgroup": ""}))
    refused(runtime("pause", "c1"), "has no cgroup of its own, so it cannot be paused")
    refused(runtime("resume", "c1"), "container not paused")
    file.write_text(saved)


def test_only_sigkill_reaches_a_paused_container(runtime, container, containers):
    ticks = container("trap 'echo told > /ticks; exit' TERM; echo ready > /ticks; while :; do :; done")
    pid = containers.state("c1")["pid"]
    inside.eventually(lambda: ticks.exists() and ticks.read_text() == "ready\n")
    succeed(runtime("pause", "c1"))
    succeed(runtime("kill", "c1", "TERM"))
    pending = inside.status(Path(f"/proc/{pid}/status").read_text())
    assert int(pending["ShdPnd"], 16) & 1 << 14  # it waits
    assert status(runtime) == "paused"
    succeed(runtime("resume", "c1"))
    inside.eventually(lambda: ticks.read_text() == "told\n")


def test_sigkill_ends_a_paused_container(runtime, container, containers):
    container("exec sleep 1000")
    pid = containers.state("c1")["pid"]
    succeed(runtime("pause", "c1"))
    succeed(runtime("kill", "c1", "KILL"))
    inside.eventually(lambda: status(runtime) == "stopped")
    assert not is_alive(pid)
    succeed(runtime("delete", "c1"))


def test_a_paused_container_is_deleted_by_force_only(runtime, container, containers):
    container("exec sleep 1000")
    pid = containers.state("c1")["pid"]
    succeed(runtime("pause", "c1"))
    refused(runtime("delete", "c1"), "cannot delete container c1 that is not stopped: paused")
    succeed(runtime("delete", "--force", "c1"))
    assert not is_alive(pid)
    assert containers.ids() == []


def test_of_many_pauses_and_resumes_none_leaves_a_container_between(
    launcher, runtime, container, containers
):
    container()
    command = [str(launcher), "--root", str(containers.root)]
    allowed = ("container not running", "container not paused", "another thawed it meanwhile")
    waiting = [
        subprocess.Popen([*command, word, "c1"], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        for word in ("pause", "resume") * 6
    ]
    for each in waiting:
        told = each.communicate(timeout=90)[1]
        assert each.returncode == 0 or any(text in told for text in allowed), told
    if status(runtime) == "paused":
        inside.eventually(lambda: is_frozen(containers))
        succeed(runtime("resume", "c1"))
    assert status(runtime) == "running"
    assert not is_frozen(containers)


def test_a_pause_during_which_the_container_ends_ends_too(runtime, container, containers, launcher):
    container("exec sleep 1000")
    command = [str(launcher), "--root", str(containers.root), "pause", "c1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as paused:
        os.kill(containers.state("c1")["pid"], 9)
        told = paused.communicate(timeout=90)[1]
    assert paused.returncode == 0 or "container not running" in told
    inside.eventually(lambda: status(runtime) == "stopped")
