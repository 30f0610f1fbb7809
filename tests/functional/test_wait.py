"""Waiting for real containers, and the exit status of those that are nobody's children here."""

import json
import os
import signal
import subprocess
import sys

import pytest
from functional import inside

from pyruntime.kernel import exitstatus
from pyruntime.kernel import pidfd as pidfds


def kernel():
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])


kept = pytest.mark.skipif(kernel() < (6, 15), reason="Linux 6.15 tells the status to others than the parent")


@pytest.fixture
def waiting(launcher, containers):
    """Callable: start `wait c1`; return the Popen object once it waits."""
    started = []

    def start():
        command = [str(launcher), "--root", str(containers.root), "wait", "c1"]
        each = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(each)
        inside.eventually(lambda: is_polling(each.pid))
        return each

    yield start
    for each in started:
        each.kill()
        each.communicate()


def is_polling(pid):
    """Tell whether a process sleeps while it holds a pidfd."""
    try:
        targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    except FileNotFoundError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return any("pidfd" in target for target in targets) and ") S " in file.read()


def ended(process):
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err


@kept
@pytest.mark.parametrize(
    ("script", "status"), [("read x < /go; exit 0", 0), ("read x < /go; exit 42", 42), ("read x < /go; exit 255", 255)]
)
def test_the_exit_status_is_printed_and_returned(runtime, bundle, containers, waiting, script, status):
    os.mkfifo(bundle.rootfs / "go")
    inside.running(bundle, runtime, containers, script)
    waiter, other = waiting(), waiting()
    (bundle.rootfs / "go").write_text("on\n")
    assert ended(waiter) == (status, f"{status}\n", "")
    assert ended(other) == (status, f"{status}\n", "")


@kept
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGUSR1])
def test_a_signal_is_told_as_a_shell_does(runtime, bundle, containers, waiting, number):
    inside.without(bundle, "pid")  # no init of a pid namespace, so that any signal ends it
    inside.running(bundle, runtime, containers, "exec sleep 1000")
    waiter = waiting()
    assert runtime("kill", "c1", str(int(number))).returncode == 0
    assert ended(waiter) == (128 + number, f"{128 + number}\n", "")


@kept
def test_a_container_that_has_yet_to_be_started_is_waited_for(runtime, bundle, waiting):
    bundle.config["process"]["args"] = ["sh", "-c", "exit 7"]
    assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 0
    waiter = waiting()
    assert runtime("start", "c1").returncode == 0
    assert ended(waiter) == (7, "7\n", "")


@kept
def test_delete_ends_the_waiting(runtime, bundle, containers, waiting):
    inside.running(bundle, runtime, containers, "exec sleep 1000")
    waiter = waiting()
    assert runtime("delete", "--force", "c1").returncode == 0
    assert ended(waiter) == (137, "137\n", "")


def test_of_what_stopped_before_the_status_is_not_known(runtime, bundle, containers):
    inside.running(bundle, runtime, containers, "exit 3")
    inside.eventually(lambda: json.loads(runtime("state", "c1").stdout)["status"] == "stopped")
    inside.eventually(lambda: not os.path.exists(f"/proc/{containers.state('c1')['pid']}"))
    done = runtime("wait", "c1")
    assert (done.returncode, done.stdout) == (255, "")
    assert "container c1 has stopped, but its exit status is not known" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unknown_id_does_not_exist(runtime):
    done = runtime("wait", "nx")
    assert done.returncode == 1
    assert "container does not exist" in done.stderr


def test_an_interrupt_ends_the_waiting_and_not_the_container(runtime, bundle, containers, waiting):
    inside.running(bundle, runtime, containers, "exec sleep 1000")
    waiter = waiting()
    waiter.send_signal(signal.SIGINT)
    status, out, _ = ended(waiter)
    assert status in (-signal.SIGINT, 128 + signal.SIGINT)
    assert out == ""
    assert json.loads(runtime("state", "c1").stdout)["status"] == "running"


@pytest.mark.parametrize(("code", "status"), [("exit(9)", 9 << 8), ("kill(0, 15)", 15)])
def test_the_status_of_a_zombie_is_read_on_every_kernel(code, status):
    program = f"import os, signal\nos.setpgid(0, 0)\nos.{code.replace('exit', '_exit')}"
    child = subprocess.Popen([sys.executable, "-c", program])
    process = os.pidfd_open(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert exitstatus.of(process, child.pid) == status
    child.wait()
    os.close(process)


@kept
def test_the_status_is_kept_when_the_process_is_reaped():
    child = subprocess.Popen(["sh", "-c", "exit 5"])
    process = pidfds.open_any(child.pid)
    child.wait()
    assert exitstatus.of(process, child.pid) == 5 << 8
    os.close(process)


def test_what_was_never_seen_is_not_made_up(monkeypatch):
    child = subprocess.Popen(["sh", "-c", "exit 5"])
    process = pidfds.open_any(child.pid)
    child.wait()
    monkeypatch.setattr(exitstatus, "_GET_INFO", 0)  # as a kernel without it
    assert exitstatus.of(process, child.pid) is None
    os.close(process)
