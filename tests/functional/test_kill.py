"""Signals to all processes of a container, and the corners of `kill` and `delete`."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from functional import inside

# Its main thread ends; the process goes on.
HEADLESS = """
#include <pthread.h>
#include <unistd.h>
static void *stay(void *nothing) { for (;;) pause(); return nothing; }
int main(void) { pthread_t other; pthread_create(&other, 0, stay, 0); pthread_exit(0); }
"""
TRAPPING = "trap 'echo told >> /told' TERM; echo ready >> /told; while :; do sleep 1000 & wait $!; done"


def succeed(done):
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(done, text):
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert text in done.stderr


def status(runtime):
    return json.loads(succeed(runtime("state", "c1")))["status"]


def letter(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def is_alive(pid):
    return letter(pid) not in "ZX"


def members(containers):
    return [int(pid) for pid in Path(containers.state("c1")["cgroup"], "cgroup.procs").read_text().split()]


@pytest.fixture
def container(runtime, bundle, containers):
    """Callable: start a container of so many processes; return their pids."""
    inside.writable(bundle)

    def start(script, processes=1):
        inside.running(bundle, runtime, containers, script)
        return inside.eventually(lambda: len(pids := members(containers)) == processes and pids)

    return start


@pytest.fixture
def shared(bundle):
    """The bundle without a pid namespace."""
    inside.without(bundle, "pid")
    return bundle


def test_all_means_every_process_whatever_the_signal(runtime, bundle, container):
    pids = container(f"sh -c '{TRAPPING.replace(chr(39), chr(34))}' & {TRAPPING}", 4)
    told = bundle.rootfs / "told"
    inside.eventually(lambda: told.exists() and told.read_text().count("ready") == 2)
    succeed(runtime("kill", "--all", "c1", "TERM"))
    inside.eventually(lambda: told.read_text().count("told") == 2)
    assert sum(map(is_alive, pids)) == 2  # sleep has no trap


def test_without_all_the_signal_is_for_the_init_alone(runtime, bundle, container):
    pids = container(f"sleep 1000 & {TRAPPING}", 3)
    told = bundle.rootfs / "told"
    inside.eventually(lambda: told.exists() and "ready" in told.read_text())
    succeed(runtime("kill", "c1", "TERM"))
    inside.eventually(lambda: "told" in told.read_text())
    assert sum(map(is_alive, pids)) == 3


def test_all_reaches_cgroups_below(runtime, bundle, container, containers):
    pids = container("sleep 1000 & wait", 2)
    below = Path(containers.state("c1")["cgroup"], "below")
    below.mkdir()
    (below / "cgroup.procs").write_text(str(pids[1]))
    succeed(runtime("kill", "-a", "c1", "SIGRTMIN+3"))  # nobody handles it: it ends who is no init
    inside.eventually(lambda: not is_alive(pids[1]))


@pytest.mark.parametrize("signal", ["0", "URG"])
def test_a_signal_that_does_nothing_leaves_all_alive(runtime, container, signal):
    pids = container("sleep 1000 & wait", 2)
    succeed(runtime("kill", "--all", "c1", signal))
    assert all(map(is_alive, pids))


def test_all_reaches_who_outlived_the_init_of_a_shared_pid_namespace(runtime, shared, container, containers):
    pids = container("sleep 1000 & sleep 1000 & wait", 3)
    os.kill(containers.state("c1")["pid"], 9)
    inside.eventually(lambda: status(runtime) == "stopped")
    left = [pid for pid in pids if is_alive(pid)]
    assert len(left) == 2
    refused(runtime("kill", "c1", "TERM"), "container not running")
    succeed(runtime("kill", "--all", "c1", "0"))
    assert all(map(is_alive, left))
    succeed(runtime("kill", "--all", "c1", "9"))
    inside.eventually(lambda: not any(map(is_alive, left)))
    succeed(runtime("delete", "c1"))


def test_all_is_no_error_where_nothing_is_left(runtime, container):
    container("exec sleep 1000")
    succeed(runtime("kill", "c1", "KILL"))
    inside.eventually(lambda: status(runtime) == "stopped")
    for signal in ("TERM", "KILL", "0"):
        succeed(runtime("kill", "--all", "c1", signal))
    refused(runtime("kill", "--all", "nx", "KILL"), "container does not exist")
    refused(runtime("kill", "--all", "c1", "NOSUCH"), "unknown signal")


def test_all_in_a_stopped_container_spares_who_came_into_its_cgroup_later(runtime, container, containers):
    container("exec sleep 1000")
    succeed(runtime("kill", "c1", "KILL"))
    inside.eventually(lambda: status(runtime) == "stopped")
    with subprocess.Popen(["sleep", "1000"]) as other:
        Path(containers.state("c1")["cgroup"], "cgroup.procs").write_text(str(other.pid))
        succeed(runtime("kill", "--all", "c1", "KILL"))
        refused(runtime("delete", "c1"), f"device or resource busy (still in it: {other.pid})")
        assert other.poll() is None
        other.kill()
    succeed(runtime("delete", "c1"))  # nothing of it was lost by the refusal


def test_all_reaches_a_paused_container_when_it_is_resumed(runtime, bundle, container):
    container(f"sleep 1000 & {TRAPPING}", 3)
    told = bundle.rootfs / "told"
    inside.eventually(lambda: told.exists() and "ready" in told.read_text())
    succeed(runtime("pause", "c1"))
    succeed(runtime("kill", "--all", "c1"))
    assert "told" not in told.read_text()
    assert status(runtime) == "paused"
    succeed(runtime("resume", "c1"))
    inside.eventually(lambda: "told" in told.read_text())


@pytest.mark.parametrize("words", [["c1", "-9"], ["c1", "--all"], ["c1", "9", ""]])
def test_what_is_no_signal_is_refused(runtime, container, words):
    pids = container("exec sleep 1000")
    done = runtime("kill", *words)
    assert done.returncode == 1
    assert "unknown signal" in done.stderr or "maximum of 2" in done.stderr
    assert all(map(is_alive, pids))


def test_a_created_container_takes_a_signal_and_sigkill(runtime, bundle, containers):
    succeed(runtime("create", "--bundle", bundle.save(), "c1"))
    pid = containers.state("c1")["pid"]
    succeed(runtime("kill", "c1", "0"))
    assert is_alive(pid)
    succeed(runtime("kill", "--all", "c1", "KILL"))
    inside.eventually(lambda: status(runtime) == "stopped")


def test_an_init_whose_first_thread_has_ended_runs_on_and_is_killed(
    runtime, bundle, container, containers, tmp_path
):
    (tmp_path / "headless.c").write_text(HEADLESS)
    program = bundle.rootfs / "headless"
    subprocess.run(["cc", "-static", "-pthread", "-o", program, tmp_path / "headless.c"], check=True)
    (pid,) = container("exec /headless")
    inside.eventually(lambda: letter(pid) == "Z")
    assert status(runtime) == "running"
    refused(runtime("delete", "c1"), "that is not stopped: running")
    succeed(runtime("kill", "c1", "KILL"))
    inside.eventually(lambda: status(runtime) == "stopped")
    succeed(runtime("delete", "c1"))


def test_force_ends_an_init_whose_first_thread_has_ended(runtime, bundle, container, containers, tmp_path):
    (tmp_path / "headless.c").write_text(HEADLESS)
    program = bundle.rootfs / "headless"
    subprocess.run(["cc", "-static", "-pthread", "-o", program, tmp_path / "headless.c"], check=True)
    (pid,) = container("exec /headless")
    inside.eventually(lambda: letter(pid) == "Z")
    succeed(runtime("delete", "--force", "c1"))
    assert containers.ids() == []


def test_force_ends_all_in_frozen_cgroups_of_a_shared_pid_namespace(runtime, shared, container, containers):
    pids = container("sleep 1000 & sleep 1000 & wait", 3)
    below = Path(containers.state("c1")["cgroup"], "a/b")
    below.mkdir(parents=True)
    (below / "cgroup.procs").write_text(str(pids[1]))
    (below / "cgroup.freeze").write_text("1")
    succeed(runtime("delete", "--force", "c1"))
    inside.eventually(lambda: not any(map(is_alive, pids)))
    assert not below.exists()


@pytest.mark.parametrize("flags", [[], ["--force"]])
def test_of_many_deletes_one_deletes_and_none_fails_oddly(launcher, runtime, bundle, containers, flags):
    succeed(runtime("create", "--bundle", bundle.save(), "c1"))
    command = [str(launcher), "--root", str(containers.root), "delete", *flags, "c1"]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    told = [(each.communicate(timeout=90)[1], each.returncode) for each in started]
    assert sum(status == 0 for _, status in told) == (6 if flags else 1), told
    assert {text.count("container does not exist") for text, status in told if status} <= {1}
    assert containers.ids() == []


def test_a_directory_without_a_state_is_removed_whether_forced_or_not(runtime, containers):
    for flags in ([], ["--force"]):
        (containers.root / "left").mkdir(parents=True)
        done = runtime("delete", *flags, "left")
        if flags:
            succeed(done)
        else:
            refused(done, "container does not exist")
        assert containers.ids() == []
