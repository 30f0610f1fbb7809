"""The processes of real containers, by the host's ps(1) and as JSON."""

import json
import os
from pathlib import Path

import pytest
from functional import inside

SCRIPT = "sleep 1001 & sleep 1002 & wait"


@pytest.fixture
def container(runtime, bundle, containers):
    """Callable: start a container of three processes; return their pids."""

    def start(script=SCRIPT, processes=3):
        inside.running(bundle, runtime, containers, script)
        members = Path(containers.state("c1")["cgroup"], "cgroup.procs")
        return inside.eventually(
            lambda: len(pids := members.read_text().split()) == processes and sorted(map(int, pids))
        )

    return start


def succeed(done):
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(done, text):
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert text in done.stderr


def test_json_has_the_hosts_pids(runtime, container):
    pids = container()
    assert json.loads(succeed(runtime("ps", "--format", "json", "c1"))) == pids
    assert json.loads(succeed(runtime("ps", "-f", "json", "c1", "-ef"))) == pids


def test_the_table_is_that_of_ps_without_other_processes(runtime, container):
    pids = container()
    heading, *lines = succeed(runtime("ps", "c1")).splitlines()
    assert heading.split()[:3] == ["UID", "PID", "PPID"]
    assert sorted(int(line.split()[1]) for line in lines) == pids
    assert [line.rpartition(" ")[2] for line in lines if "sleep" in line and "sh" not in line] == ["1001", "1002"]


def test_options_of_ps_follow_the_id(runtime, container):
    pids = container()
    heading, *lines = succeed(runtime("ps", "--format", "table", "c1", "-e", "-o", "ppid,pid,args")).splitlines()
    assert heading.split() == ["PPID", "PID", "COMMAND"]
    assert sorted(int(line.split()[1]) for line in lines) == pids
    assert len(succeed(runtime("ps", "c1", "aux")).splitlines()) == 4


def test_engines_that_call_without_a_path_get_the_table(runtime, container):
    container()
    assert len(succeed(runtime("ps", "c1", env={})).splitlines()) == 4


def test_processes_of_cgroups_below_are_the_containers(runtime, container, containers):
    pids = container()
    below = Path(containers.state("c1")["cgroup"], "below")
    below.mkdir()
    (below / "cgroup.procs").write_text(str(pids[1]))
    assert json.loads(succeed(runtime("ps", "-f", "json", "c1"))) == pids


def test_a_cgroup_of_threads_is_passed_over(runtime, container, containers):
    pids = container()
    threaded = Path(containers.state("c1")["cgroup"], "threaded")
    threaded.mkdir()
    (threaded / "cgroup.type").write_text("threaded")
    (threaded / "cgroup.threads").write_text(str(pids[1]))
    with pytest.raises(OSError, match="not supported"):
        (threaded / "cgroup.procs").read_text()
    assert json.loads(succeed(runtime("ps", "-f", "json", "c1"))) == pids
    succeed(runtime("kill", "c1", "KILL"))  # and its end is no other


def test_a_created_container_has_its_waiting_init(runtime, bundle, containers):
    assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 0
    assert json.loads(succeed(runtime("ps", "-f", "json", "c1"))) == [containers.state("c1")["pid"]]


def test_a_stopped_container_has_none(runtime, container):
    container("exec sleep 1000", 1)
    succeed(runtime("kill", "c1", "KILL"))
    inside.eventually(lambda: succeed(runtime("ps", "-f", "json", "c1")) == "null\n")
    assert len(succeed(runtime("ps", "c1")).splitlines()) == 1


def test_what_ps_refuses_is_told_in_its_words(runtime, container):
    container()
    refused(runtime("ps", "c1", "--nosuch"), "ps: exit status 1: error: ")
    refused(runtime("ps", "c1", "-e", "-o", "args"), "couldn't find PID field in ps output")
    refused(runtime("ps", "--format", "xml", "c1"), "invalid format option")
    refused(runtime("ps", "nx"), "container does not exist")


def test_a_container_without_a_cgroup_is_told_so(runtime, container, containers):
    container()
    file = containers.root / "c1" / "state.json"
    saved = file.read_text()
    file.write_text(json.dumps(json.loads(saved) | {"cgroup": ""}))
    refused(runtime("ps", "c1"), "has no cgroup of its own, so its processes are not known")
    file.write_text(saved)


def test_the_callers_own_ps_is_no_shells_business(runtime, container, tmp_path):
    container()
    own = tmp_path / "a b"
    own.mkdir()
    (own / "ps").write_text('#!/bin/sh\necho PID\nfor word; do echo "$word" >&2; done\nexit 3\n')
    (own / "ps").chmod(0o755)
    done = runtime("ps", "c1", "$(id)", ";ls", env={"PATH": f"{own}:{os.environ['PATH']}"})
    refused(done, "ps: exit status 3: PID; $(id); ;ls")


