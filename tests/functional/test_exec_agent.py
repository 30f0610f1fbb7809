"""exec into a container whose seccomp filter notifies: the agent gets a listener for each process."""

import json
import shutil
from pathlib import Path

import pytest
from functional import inside
from functional.test_exec import failing
from functional.test_seccomp_agent import (  # noqa: F401 - fixtures
    LAST_STEPS,
    MKDIR,
    REFUSED,
    agents,
    both,
    notify,
)

SCRIPT = "mkdir /dev/shm/x 2>&1; ls -d /dev/shm/x 2>/dev/null; true"


def test_the_agent_decides_for_the_process(both, runtime, containers, agents, tmp_path):
    agent = agents(answer=REFUSED)
    notify(both, tmp_path / "agent", *MKDIR, listenerMetadata="told")
    both.config["annotations"] = {"org.example": "here"}
    pid = inside.running(both, runtime, containers)
    done = runtime("exec", "c1", "sh", "-c", SCRIPT)
    assert done.returncode == 0, done.stderr
    assert "No medium found" in done.stdout
    state = inside.eventually(lambda: agent.states[1:])[0]
    assert state["metadata"] == "told"
    assert state["fds"] == ["seccompFd"]
    assert state["pid"] != pid
    assert state["state"]["pid"] == pid
    assert state["state"]["status"] == "running"
    assert state["state"]["annotations"] == {"org.example": "here"}
    assert agent.rights[1] == ["anon_inode:seccomp notify"]


def test_every_call_on_the_way_in_can_be_notified_of(both, runtime, containers, agents, tmp_path):
    """Each waits for the agent, which is there before the first of them."""
    agent = agents()
    notify(both, tmp_path / "agent", *LAST_STEPS, "ioctl", "close_range", "umask", "rt_sigaction")
    inside.running(both, runtime, containers)
    before = len(agent.seen)
    done = runtime("exec", "c1", "echo", "in")
    assert (done.returncode, done.stdout) == (0, "in\n"), done.stderr
    assert len(agent.seen) > before


def test_no_agent_no_process(both, runtime, containers, agents, tmp_path):
    agents()
    notify(both, tmp_path / "agent", *MKDIR)
    inside.running(both, runtime, containers)
    procs = Path(containers.state("c1")["cgroup"], "cgroup.procs")
    before = procs.read_text()
    shutil.move(tmp_path / "agent", tmp_path / "elsewhere")
    told = failing(runtime, "c1", "true")
    assert told.startswith(f"connect with the seccomp agent {tmp_path}/agent: no such file or directory")
    inside.eventually(lambda: procs.read_text() == before)
    assert json.loads(runtime("state", "c1").stdout)["status"] == "running"


@pytest.mark.parametrize("words", [["nosuch"], ["/etc"]])
def test_a_program_that_is_missing_needs_no_agent(both, runtime, containers, agents, tmp_path, words):
    agents()
    notify(both, tmp_path / "agent", *MKDIR)
    inside.running(both, runtime, containers)
    assert failing(runtime, "c1", *words).startswith("exec: ")
