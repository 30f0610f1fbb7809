"""A create that is asked to end while it waits undoes itself; one that is left alone does not."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from conftest import CGROUPS
from functional.test_run import appears

LONGEST = 20.0
SLOW = "echo begun > {journal}/begun; exec sleep 1000"
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@pytest.fixture
def journal(tmp_path):
    """Where a hook says that it has begun."""
    path = tmp_path / "journal"
    path.mkdir()
    return path


@pytest.fixture
def creating(launcher, containers, bundle, journal):
    """Callable: begin a create whose hook of that name hangs; returns the process, in the hook."""
    born = []

    def begin(name, **options):
        hook = {"path": "/bin/sh", "args": ["sh", "-c", SLOW.format(journal=journal)]}
        bundle.config["hooks"] = {name: [hook]}
        command = [launcher, "--root", containers.root, "create", "--bundle", bundle.save(), "c1"]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, **options,
        )  # fmt: skip
        born.append(process)
        appears(journal / "begun")
        return process

    yield begin
    for process in born:
        process.kill()
        process.wait(LONGEST)
        process.stderr.close()


@pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)
def test_a_create_that_waits_for_a_hook_undoes_itself(creating, containers, number):
    process = creating("createRuntime")
    process.send_signal(number)
    assert process.wait(LONGEST) == 128 + number
    said = process.stderr.read()
    assert said.count("\n") == 1
    assert f"interrupted by {number.name}" in said
    assert containers.ids() == []


def test_a_create_that_waits_for_its_child_undoes_itself(creating, containers):
    """The hook of createContainer runs in the child, and the parent waits for its word."""
    process = creating("createContainer")
    process.send_signal(signal.SIGTERM)
    assert process.wait(LONGEST) == 128 + signal.SIGTERM
    assert containers.ids() == []


def test_what_the_caller_ignores_interrupts_nothing(creating, runtime):
    """As under nohup(1)."""
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    process = creating("createRuntime", preexec_fn=ignore)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(LONGEST) == 128 + signal.SIGTERM


@pytest.fixture
def neighbour(runtime, bundle, containers):
    """A container that sleeps, in a cgroup that its config names."""
    bundle.config["process"]["args"] = ["sleep", "1000"]
    bundle.config["linux"]["cgroupsPath"] = f"/pyruntime-neighbour-{os.getpid()}"
    assert runtime("create", "--bundle", bundle.save(), "c0").returncode == 0
    return containers.state("c0")


@pytest.mark.parametrize("file", [None, "config.json", "state.json"])
def test_what_a_create_has_only_named_is_not_its_own(neighbour, runtime, containers, file):
    """It was killed before it could see that another container is in that cgroup, or later."""
    entry = containers.root / "c1"
    entry.mkdir()
    for name in ("lock", file) if file else ("lock",):
        (entry / name).touch()
    shutil.copy(containers.root / "c0/traces", entry)
    assert runtime("delete", "--force", "c1").returncode == 0
    assert containers.ids() == ["c0"]
    (here,) = json.loads(runtime("list", "--format", "json").stdout)
    assert here["status"] == ("stopped" if file else "created")


def test_a_create_that_is_killed_is_deleted_and_its_neighbour_lives(
    launcher, neighbour, bundle, runtime, containers
):
    command = [launcher, "--root", containers.root, "create", "--bundle", bundle.path, "c1"]
    for moment in range(24):
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(moment / 1000)
            process.kill()
        assert runtime("delete", "--force", "c1").returncode == 0
        assert containers.ids() == ["c0"]
    assert f'"pid": {neighbour["pid"]}' in runtime("state", "c0").stdout


def test_a_create_that_is_killed_leaves_no_process_and_no_cgroup(launcher, bundle, runtime, containers):
    cgroup = f"/pyruntime-killed-{os.getpid()}"
    bundle.config["process"]["args"] = ["sleep", "1000"]
    bundle.config["linux"]["cgroupsPath"] = cgroup
    command = [launcher, "--root", containers.root, "create", "--bundle", bundle.save(), "c1"]
    for moment in range(24):
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
            time.sleep(moment / 1000)
            process.kill()
        assert runtime("delete", "--force", "c1").returncode == 0
        assert containers.ids() == []
        assert not (CGROUPS / cgroup[1:]).exists()
