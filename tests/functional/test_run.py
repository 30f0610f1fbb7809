"""Run: create and start in one, stay for the payload's life, hand its end on."""

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from functional import inside

LONGEST = 60.0


@pytest.fixture
def shared_pids(bundle):
    """Let the container keep the caller's pid namespace; /journal is writable in it."""
    linux = bundle.config["linux"]
    linux["namespaces"] = [each for each in linux["namespaces"] if each["type"] != "pid"]
    return bundle


@pytest.fixture
def journal(bundle, tmp_path):
    """A directory that the payload writes to as /journal."""
    path = tmp_path / "journal"
    path.mkdir()
    bundle.config["mounts"].append(
        {"destination": "/journal", "type": "bind", "source": str(path), "options": ["bind"]}
    )
    return path


@pytest.fixture
def foreground(launcher, containers, bundle):
    """Callable: start `run` of a shell script without waiting for its end; ends with the test."""
    born = []

    def start(script, *flags):
        bundle.config["process"]["args"] = ["sh", "-c", script]
        root = ["--root", str(containers.root)]
        words = ["run", *flags, "--bundle", str(bundle.save()), "c1"]
        command = [str(launcher), *root, *words]
        with (containers.root.parent / "errors").open("w") as errors:
            born.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors))
        return born[-1]

    yield start
    for each in born:
        if each.poll() is None:
            each.kill()
            each.wait()


def run(runtime, bundle, script, *flags, **options):
    """Run a shell script in c1 to its end."""
    bundle.config["process"]["args"] = ["sh", "-c", script]
    return runtime("run", *flags, "--bundle", bundle.save(), "c1", **options)


def appears(path, lines=1):
    """Wait until a file has so many lines; return its words."""
    deadline = time.monotonic() + LONGEST
    while not path.exists() or path.read_text().count("\n") < lines:
        assert time.monotonic() < deadline, f"{path}: {path.exists() and path.read_text()}"
        time.sleep(0.002)
    return path.read_text().split()


def proc_status(pid, key):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{key}:"))


def is_alive(pid):
    try:
        return proc_status(pid, "State") not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("status", [0, 1, 7, 127, 128, 255])
def test_the_status_of_the_payload_is_returned(runtime, bundle, containers, status):
    done = run(runtime, bundle, f"exit {status}")
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")
    assert containers.ids() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGUSR2])
def test_a_payload_ended_by_a_signal_gives_128_and_its_number(
    runtime, shared_pids, containers, number
):
    shared_pids.config["process"]["rlimits"] = [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
    done = run(runtime, shared_pids, f"kill -{int(number)} $$; sleep 1000")
    assert (done.returncode, done.stderr) == (128 + number, "")
    assert containers.ids() == []


def test_kill_ends_a_run_in_the_foreground(runtime, foreground, journal, containers):
    born = foreground("echo ready > /journal/ready; sleep 1000")
    appears(journal / "ready")
    assert runtime("kill", "c1", "KILL").returncode == 0
    assert born.wait(LONGEST) == 137
    assert containers.ids() == []


def test_the_payload_has_the_standard_files_of_the_caller(runtime, bundle):
    done = run(runtime, bundle, "cat; echo wailed >&2", input="given")
    assert (done.returncode, done.stdout, done.stderr) == (0, "given", "wailed\n")


def test_signals_are_passed_on(foreground, journal, containers):
    names = ("HUP", "INT", "QUIT", "USR1", "USR2", "CONT", "WINCH", "PIPE", "ALRM", "TERM")
    traps = "".join(f"trap 'echo {name} >> /journal/heard' {name};" for name in names)
    ending = "while read -r word; do [ $word = TERM ] && exit 5; done < /journal/heard"
    born = foreground(
        f"touch /journal/heard; {traps} sleep 1000 & echo > /journal/ready;"
        f" while :; do wait; {ending}; done"
    )
    appears(journal / "ready")
    for count, name in enumerate(names, start=1):
        born.send_signal(getattr(signal, f"SIG{name}"))
        assert appears(journal / "heard", count) == list(names[:count])
    assert born.wait(LONGEST) == 5
    assert containers.ids() == []


def test_some_signals_are_not_the_payloads_business(foreground, journal, runtime):
    """SIGCHLD is about the runtime's own children, and SIGURG is Go's own in runc."""
    traps = "".join(f"trap 'echo {name} >> /journal/heard' {name};" for name in ("URG", "USR1"))
    born = foreground(f"{traps} sleep 1000 & echo > /journal/ready; while :; do wait; done")
    appears(journal / "ready")
    for name in ("URG", "CHLD", "USR1"):
        born.send_signal(getattr(signal, f"SIG{name}"))
    assert appears(journal / "heard") == ["USR1"]
    assert runtime("delete", "--force", "c1").returncode == 0
    assert born.wait(LONGEST) == 137


def test_signals_that_come_early_do_not_end_the_runtime_alone(foreground, containers):
    """They are held back while the container is made, and end its payload then."""
    born = foreground("trap 'exit 9' TERM; sleep 1000 & while :; do wait; done")
    while not (containers.root / "c1").exists():
        assert born.poll() is None
    deadline = time.monotonic() + LONGEST
    while born.poll() is None:  # pid 1 does not hear of a signal before it has set its trap
        assert time.monotonic() < deadline
        born.send_signal(signal.SIGTERM)
        time.sleep(0.002)
    assert born.returncode == 9
    assert containers.ids() == []


def test_orphans_become_children_of_the_runtime_and_are_reaped(foreground, shared_pids, journal):
    born = foreground(
        "(until [ -e /journal/end ]; do sleep 0.01; done & echo $! > /journal/orphan);"
        " echo > /journal/ready; sleep 1000"
    )
    appears(journal / "ready")
    orphan = appears(journal / "orphan")[0]
    assert proc_status(orphan, "PPid") == str(born.pid)
    (journal / "end").touch()
    deadline = time.monotonic() + LONGEST
    while Path(f"/proc/{orphan}").exists():
        assert time.monotonic() < deadline, "a zombie"
        time.sleep(0.002)
    assert born.poll() is None
    born.send_signal(signal.SIGTERM)
    assert born.wait(LONGEST) == 143
    assert shared_pids.config["process"]["args"][0] == "sh"


def test_without_subreaper_orphans_go_elsewhere(foreground, shared_pids, journal):
    born = foreground(
        "(sleep 1000 & echo $! > /journal/orphan); echo > /journal/ready; sleep 1000",
        "--no-subreaper",
    )
    appears(journal / "ready")
    orphan = appears(journal / "orphan")[0]
    assert proc_status(orphan, "PPid") != str(born.pid)
    born.send_signal(signal.SIGTERM)
    assert born.wait(LONGEST) == 143
    assert not is_alive(orphan)
    assert shared_pids.config["process"]["args"][0] == "sh"


def test_the_end_of_the_payload_is_the_end_of_all(runtime, shared_pids, journal, containers):
    script = "sleep 1000 & echo $! > /journal/other; (setsid sleep 1000 &); exit 3"
    assert run(runtime, shared_pids, script).returncode == 3
    assert not is_alive(appears(journal / "other")[0])
    assert containers.ids() == []


def test_detach_returns_when_the_payload_runs(runtime, bundle, containers):
    done = run(runtime, bundle, "exec sleep 1000", "--detach")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    state = json.loads(runtime("state", "c1").stdout)
    assert state["status"] == "running"
    command = inside.eventually(Path(f"/proc/{state['pid']}/cmdline").read_bytes)
    assert command.split(b"\0")[0] in (b"sh", b"sleep")
    assert runtime("delete", "-f", "c1").returncode == 0
    assert run(runtime, bundle, "exit 3", "-d").returncode == 0
    assert containers.ids() == ["c1"]


def test_keep_leaves_the_container_for_delete(runtime, bundle, containers):
    assert run(runtime, bundle, "exit 4", "--keep").returncode == 4
    assert containers.ids() == ["c1"]
    assert json.loads(runtime("state", "c1").stdout)["status"] == "stopped"
    assert runtime("delete", "c1").returncode == 0


@pytest.mark.parametrize("command", [["create"], ["run", "--detach"]], ids=["create", "run"])
def test_the_pid_file_holds_the_pid_and_nothing_else(runtime, bundle, tmp_path, command):
    bundle.config["process"]["args"] = ["sleep", "1000"]
    file = tmp_path / "pids" / "pid"
    file.parent.mkdir()
    file.write_text("old")
    with file.open() as old:  # whoever has it open sees the old text, never a half of the new one
        bundle.save()
        done = runtime(*command, "--pid-file", "pids/pid", "-b", "bundle", "c1", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert old.read() == "old"
    assert file.read_text() == str(json.loads(runtime("state", "c1").stdout)["pid"])
    assert os.listdir(file.parent) == ["pid"]
    assert file.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("command", ["create", "run"])
def test_a_pid_file_that_cannot_be_written_undoes_all(
    runtime, bundle, containers, tmp_path, command
):
    bundle.config["process"]["args"] = ["sleep", "1000"]
    bundle.save()
    done = runtime(command, "--pid-file", tmp_path / "no" / "pid", "-b", bundle.path, "c1")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(tmp_path / "no" / "pid") in done.stderr
    assert containers.ids() == []


def test_a_run_that_fails_writes_no_pid_file(runtime, bundle, tmp_path):
    bundle.config["process"]["args"] = ["/no/such"]
    bundle.save()
    done = runtime("run", "--pid-file", tmp_path / "pid", "--bundle", bundle.path, "c1")
    assert done.returncode == 1
    assert not (tmp_path / "pid").exists()


def test_the_state_exists_while_the_payload_runs(runtime, foreground, journal):
    born = foreground("echo > /journal/ready; sleep 1000")
    appears(journal / "ready")
    state = json.loads(runtime("state", "c1").stdout)
    assert (state["status"], runtime("list", "-q").stdout) == ("running", "c1\n")
    assert proc_status(state["pid"], "PPid") == str(born.pid)
    assert "cannot start an already running container" in runtime("start", "c1").stderr
    assert runtime("kill", "c1", "KILL").returncode == 0
    assert born.wait(LONGEST) == 137


def test_two_runs_of_one_id_do_not_disturb_each_other(runtime, foreground, journal, bundle):
    born = foreground("echo > /journal/ready; sleep 1000")
    appears(journal / "ready")
    done = runtime("run", "--bundle", bundle.path, "c1")
    assert done.returncode == 1
    assert "container with given ID already exists" in done.stderr
    assert json.loads(runtime("state", "c1").stdout)["status"] == "running"
    assert runtime("delete", "--force", "c1").returncode == 0
    assert born.wait(LONGEST) == 137


def test_delete_force_and_the_end_of_a_run_do_not_disturb_each_other(
    runtime, foreground, journal, bundle, tmp_path
):
    """Engines delete while the runtime that waits is still there to delete by itself."""
    script = f"echo poststop >> {journal}/after"
    bundle.config["hooks"] = {"poststop": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    for number in range(1, 21):
        born = foreground("echo > /journal/ready; sleep 1000")
        appears(journal / "ready")
        with ThreadPoolExecutor(2) as pool:
            both = pool.map(lambda _: runtime("delete", "--force", "c1"), range(2))
            assert [(done.returncode, done.stderr) for done in both] == [(0, "")] * 2
        assert (born.wait(LONGEST), (tmp_path / "errors").read_text()) == (137, "")
        assert (journal / "after").read_text() == "poststop\n" * number
        (journal / "ready").unlink()


def test_a_signal_after_the_end_of_the_payload_does_not_change_the_status(runtime, bundle):
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "kill -TERM $PPID"]}
    bundle.config["hooks"] = {"poststop": [hook]}
    assert run(runtime, bundle, "exit 9").returncode == 9
