"""What each operation does in each status of a real container, and what two at a time do."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from functional import inside

LONGEST = 60.0
FOREVER = ["sleep", "1000"]


@pytest.fixture
def created(runtime, bundle):
    """Callable: make the container `name` whose process sleeps; return its pid."""
    bundle.config["process"]["args"] = FOREVER
    bundle.save()

    def create(name="c1"):
        succeed(runtime("create", "--bundle", bundle.path, name))
        return told(runtime, name)["pid"]

    return create


@pytest.fixture
def running(runtime, created):
    """Callable: the same, started."""

    def run(name="c1"):
        pid = created(name)
        succeed(runtime("start", name))
        return pid

    return run


@pytest.fixture
def stopped(runtime, running):
    """Callable: the same, ended."""

    def stop(name="c1"):
        pid = running(name)
        succeed(runtime("kill", name, "KILL"))
        wait_for_status(runtime, name, "stopped")
        return pid

    return stop


def succeed(done):
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(done, text):
    """Assert that a command failed with one line that holds the text, and printed nothing."""
    assert done.returncode == 1
    assert text in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def told(runtime, name):
    return json.loads(succeed(runtime("state", name)))


def wait_for_status(runtime, name, status):
    deadline = time.monotonic() + LONGEST
    while told(runtime, name)["status"] != status:
        assert time.monotonic() < deadline, f"never {status}"


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def freeze(containers, name):
    directory = Path(containers.state(name)["cgroup"])
    (directory / "cgroup.freeze").write_text("1")
    deadline = time.monotonic() + LONGEST
    while "frozen 1" not in (directory / "cgroup.events").read_text():
        assert time.monotonic() < deadline, "never frozen"


def test_a_container_lives_from_create_to_delete(runtime, bundle, containers):
    bundle.config["process"]["args"] = FOREVER
    assert succeed(runtime("create", "--bundle", bundle.save(), "c1")) == ""
    waiting = told(runtime, "c1")
    assert waiting["status"] == "created"
    assert is_alive(waiting["pid"])
    assert succeed(runtime("start", "c1")) == ""
    assert told(runtime, "c1") == waiting | {"status": "running"}
    command = inside.eventually(Path(f"/proc/{waiting['pid']}/cmdline").read_bytes)
    assert command == b"sleep\0001000\0"  # it was empty for a moment within execve
    assert succeed(runtime("kill", "c1", "KILL")) == ""
    wait_for_status(runtime, "c1", "stopped")
    assert told(runtime, "c1") == waiting | {"status": "stopped", "pid": 0}
    assert succeed(runtime("delete", "c1")) == ""
    refused(runtime("state", "c1"), "container does not exist")
    assert containers.ids() == []


def test_the_id_can_be_used_again_after_delete(runtime, stopped):
    first = stopped()
    succeed(runtime("delete", "c1"))
    assert stopped() != first


def test_a_waiting_init_shows_nothing_of_python_and_is_small(created):
    pid = created()
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"pyruntime\0init\0"
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    assert int(status["VmRSS"].split()[0]) <= 64
    assert status["Threads"] == "1"
    assert "python" not in os.readlink(f"/proc/{pid}/exe")
    assert "python" not in Path(f"/proc/{pid}/maps").read_text()


def test_a_created_container_runs_nothing_before_start(runtime, bundle):
    bundle.config["process"]["args"] = ["touch", "/ran"]
    bundle.config["root"]["readonly"] = False
    succeed(runtime("create", "--bundle", bundle.save(), "c1"))
    time.sleep(0.05)
    assert not (bundle.rootfs / "ran").exists()
    succeed(runtime("start", "c1"))
    wait_for_status(runtime, "c1", "stopped")
    assert (bundle.rootfs / "ran").exists()


def test_a_second_start_is_refused(runtime, running):
    running()
    refused(runtime("start", "c1"), "cannot start an already running container")
    assert told(runtime, "c1")["status"] == "running"


def test_a_stopped_container_cannot_be_started(runtime, stopped):
    stopped()
    refused(runtime("start", "c1"), "cannot start a container that has stopped")


def test_a_container_killed_before_start_cannot_be_started(runtime, created):
    created()
    succeed(runtime("kill", "c1", "KILL"))
    wait_for_status(runtime, "c1", "stopped")
    refused(runtime("start", "c1"), "cannot start a container that has stopped")


def test_a_running_container_cannot_be_deleted(runtime, running):
    pid = running()
    refused(runtime("delete", "c1"), "cannot delete container c1 that is not stopped: running")
    assert is_alive(pid)
    assert told(runtime, "c1")["status"] == "running"


@pytest.mark.parametrize("flags", [[], ["--force"], ["-f"]])
def test_a_created_container_can_be_deleted(runtime, created, containers, flags):
    pid = created()
    succeed(runtime("delete", *flags, "c1"))
    assert not is_alive(pid)
    assert containers.ids() == []


def test_force_deletes_a_running_container(runtime, running, containers):
    pid = running()
    succeed(runtime("delete", "--force", "c1"))
    assert not is_alive(pid)
    assert containers.ids() == []


def test_force_deletes_a_stopped_container(runtime, stopped, containers):
    stopped()
    succeed(runtime("delete", "--force", "c1"))
    assert containers.ids() == []


def test_force_finds_nothing_wrong_with_an_unknown_id(runtime):
    succeed(runtime("delete", "--force", "nx"))
    refused(runtime("delete", "nx"), "container does not exist")


@pytest.mark.parametrize(
    "words", [["state"], ["start"], ["kill"], ["delete"]], ids=lambda words: words[0]
)
def test_an_unknown_id_does_not_exist(runtime, words):
    refused(runtime(*words, "nx"), "container does not exist")


def test_kill_takes_names_in_any_case_and_numbers(runtime, bundle):
    words = {"TERM": ["TERM", "SIGTERM", "term", "sigterm", "15", None], "USR1": ["USR1", "SigUsr1", "10"]}
    traps = "; ".join(f"trap 'echo {name} >> /told' {name}" for name in words)
    script = f"{traps}; echo ready >> /told; sleep 1000 & while :; do wait; done"
    bundle.config["process"]["args"] = ["sh", "-c", script]
    bundle.config["root"]["readonly"] = False
    heard = bundle.rootfs / "told"
    succeed(runtime("create", "--bundle", bundle.save(), "c1"))
    succeed(runtime("start", "c1"))
    expected = ["ready"]
    wait_for_lines(heard, expected)
    for name, spellings in words.items():
        for spelling in spellings:
            succeed(runtime("kill", "c1", *([spelling] if spelling else [])))
            expected.append(name)
            wait_for_lines(heard, expected)
    succeed(runtime("kill", "c1", "0"))
    time.sleep(0.02)
    assert heard.read_text().split() == expected


def wait_for_lines(file, expected):
    deadline = time.monotonic() + LONGEST
    while (lines := file.read_text().split() if file.exists() else []) != expected:
        assert time.monotonic() < deadline, lines


def test_a_stopped_container_is_killed_only_with_all(runtime, stopped):
    stopped()
    refused(runtime("kill", "c1", "KILL"), "container not running")
    refused(runtime("kill", "c1", "0"), "container not running")
    succeed(runtime("kill", "--all", "c1", "KILL"))
    succeed(runtime("kill", "-a", "c1"))


def test_kill_ends_a_created_container(runtime, created):
    pid = created()
    succeed(runtime("kill", "c1", "9"))
    wait_for_status(runtime, "c1", "stopped")
    assert not is_alive(pid)
    succeed(runtime("delete", "c1"))


def test_kill_ends_every_process_where_the_pid_namespace_is_shared(runtime, bundle, containers):
    spaces = bundle.config["linux"]["namespaces"]
    bundle.config["linux"]["namespaces"] = [each for each in spaces if each["type"] != "pid"]
    bundle.config["process"]["args"] = ["sh", "-c", "sleep 1000 & sleep 1000 & wait"]
    bundle.save()
    for _ in range(8):  # the init may be dead before kill has come to it
        succeed(runtime("run", "--detach", "--bundle", bundle.path, "c1"))
        members = Path(containers.state("c1")["cgroup"], "cgroup.procs")
        deadline = time.monotonic() + LONGEST
        while len(pids := members.read_text().split()) < 3:
            assert time.monotonic() < deadline
        succeed(runtime("kill", "c1", "KILL"))
        wait_for_status(runtime, "c1", "stopped")
        while any(map(is_alive, pids)):
            assert time.monotonic() < deadline
        succeed(runtime("delete", "c1"))


def test_a_paused_container_is_not_started_but_killed(runtime, created, containers):
    created()
    freeze(containers, "c1")
    assert told(runtime, "c1")["status"] == "paused"
    refused(runtime("start", "c1"), "cannot start a container in the paused state")
    refused(runtime("delete", "c1"), "cannot delete container c1 that is not stopped: paused")
    succeed(runtime("kill", "c1", "KILL"))
    wait_for_status(runtime, "c1", "stopped")
    succeed(runtime("delete", "c1"))


def test_force_deletes_a_paused_container(runtime, running, containers):
    pid = running()
    freeze(containers, "c1")
    assert told(runtime, "c1")["status"] == "paused"
    succeed(runtime("delete", "-f", "c1"))
    assert not is_alive(pid)
    assert containers.ids() == []


def test_of_many_starts_exactly_one_wins(launcher, created, containers, runtime):
    created()
    outcomes = at_once(launcher, containers.root, 8, "start", "c1")
    assert [status for status, _ in outcomes].count(0) == 1
    for status, text in outcomes:
        assert status == 0 or "cannot start an already running container" in text
    assert told(runtime, "c1")["status"] == "running"


def test_of_many_creates_of_one_id_exactly_one_wins(launcher, bundle, containers, runtime):
    bundle.config["process"]["args"] = FOREVER
    bundle.save()
    outcomes = at_once(launcher, containers.root, 8, "create", "--bundle", str(bundle.path), "c1")
    assert [status for status, _ in outcomes].count(0) == 1
    for status, text in outcomes:
        assert status == 0 or "container with given ID already exists" in text
    assert told(runtime, "c1")["status"] == "created"
    succeed(runtime("start", "c1"))
    assert told(runtime, "c1")["status"] == "running"


def at_once(launcher, root, count, *words):
    """Start `count` equal command lines at the same time; return (status, stderr) of each."""
    command = [str(launcher), "--root", str(root), *words]
    texts = [Path(f"{root}.{number}") for number in range(count)]
    born = []
    for text in texts:
        with text.open("w") as out:
            born.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out))
    statuses = [each.wait(LONGEST) for each in born]
    return list(zip(statuses, (text.read_text() for text in texts), strict=True))
