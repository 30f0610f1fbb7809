"""The status of a container is derived from its process, cgroup and fifo; what each allows."""

import json
import os
import signal
import subprocess

import pytest

from pyruntime import errors
from pyruntime.container import status
from pyruntime.container.claim import Claim
from pyruntime.kernel import pidfd


@pytest.fixture
def entry(tmp_path):
    made = Claim(str(tmp_path / "root"), "c1")
    made.make(str(tmp_path / "root"))
    return made


@pytest.fixture
def sleeper():
    """A child that sleeps until the test is over."""
    child = subprocess.Popen(["sleep", "1000"])
    yield child
    child.kill()
    child.wait()


def state(pid, **more):
    known = pidfd.stat(pid)
    start = known[1] if known else 0
    return {"pid": pid, "start_time": start, "cgroup": "", **more}


def test_a_living_process_runs(entry, sleeper):
    assert status.of(entry, state(sleeper.pid)) == "running"


def test_a_fifo_means_created(entry, sleeper):
    os.mkfifo(entry.path("exec.fifo"))
    assert status.of(entry, state(sleeper.pid)) == "created"


@pytest.mark.parametrize(("text", "expected"), [("1\n", "paused"), ("0\n", "created"), (None, "created")])
def test_a_frozen_cgroup_means_paused_even_before_the_start(entry, sleeper, tmp_path, text, expected):
    os.mkfifo(entry.path("exec.fifo"))
    if text:
        (tmp_path / "cgroup.freeze").write_text(text)
    assert status.of(entry, state(sleeper.pid, cgroup=str(tmp_path))) == expected


@pytest.mark.parametrize("difference", [-1, 1])
def test_another_start_time_means_stopped(entry, sleeper, difference):
    saved = state(sleeper.pid)
    saved["start_time"] += difference
    assert status.of(entry, saved) == "stopped"


def test_a_dead_process_means_stopped_whatever_else_there_is(entry, sleeper, tmp_path):
    saved = state(sleeper.pid, cgroup=str(tmp_path))
    os.mkfifo(entry.path("exec.fifo"))
    (tmp_path / "cgroup.freeze").write_text("1\n")
    sleeper.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert status.of(entry, saved) == "stopped"  # a zombie
    sleeper.wait()
    assert status.of(entry, saved) == "stopped"
    assert status.of(entry, saved | {"pid": 0}) == "stopped"


REFUSED = {
    ("start", "running"): "cannot start an already running container",
    ("start", "stopped"): "cannot start a container that has stopped",
    ("start", "paused"): "cannot start a container in the paused state",
    ("kill", "stopped"): "container not running",
    ("delete", "running"): "cannot delete container c1 that is not stopped: running",
    ("delete", "paused"): "cannot delete container c1 that is not stopped: paused",
}


@pytest.mark.parametrize("word", ["created", "running", "paused", "stopped"])
@pytest.mark.parametrize("operation", ["start", "kill", "delete"])
def test_each_status_allows_some_operations(entry, monkeypatch, operation, word):
    monkeypatch.setattr(status, "of", lambda *_: word)
    if (operation, word) not in REFUSED:
        assert status.require(operation, entry, {}) == word
        return
    with pytest.raises(errors.WrongStatus) as refusal:
        status.require(operation, entry, {})
    assert refusal.value.say() == REFUSED[operation, word]
    assert refusal.value.code == 1


def test_the_document_is_that_of_the_spec():
    saved = {"ociVersion": "1.3.0", "id": "c1", "bundle": "/b", "annotations": {"a": "é"}}
    expected = {"ociVersion": "1.3.0", "id": "c1", "status": "creating", "pid": 7, "bundle": "/b"}
    text = status.encoded(saved, "creating", 7)
    assert json.loads(text) == expected | {"annotations": {"a": "é"}}
    del expected["pid"]
    assert status.document(saved | {"annotations": {}}, "creating", 0) == expected
