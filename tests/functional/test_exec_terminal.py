"""exec with a terminal, and what it sends to sockets: as `run` and `create`, in a container that runs."""

import json
import os
import select
import signal
import subprocess
from pathlib import Path

import pytest
from functional import inside, mapped
from functional.screen import Screen
from functional.test_console_socket import Listener, read

FAILED = 255


@pytest.fixture
def listener(tmp_path):
    held = Listener(tmp_path / "socket")
    yield held
    held.close()


@pytest.fixture
def held(bundle, runtime, containers):
    """A running container; its pid."""
    return inside.running(bundle, runtime, containers, "sleep 1000")


@pytest.fixture
def attached(launcher, containers):
    """Run `exec --tty` on a terminal; return the screen."""
    opened = []

    def start(script, *flags, **options):
        words = [launcher, "--root", containers.root, "exec", "--tty", *flags, "c1", "sh", "-c", script]
        opened.append(Screen(*words, **options))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_a_process_that_enters_has_a_terminal_of_the_container(held, attached):
    screen = attached("tty; stty size; cut -d' ' -f1,5,6,7,8 /proc/$$/stat; read line; echo got $line; exit 4", rows=20, columns=70)
    before = screen.modes()
    screen.see(r"/dev/pts/0\r\n20 70\r\n")
    pid, group, session, number, foreground = screen.see(r"(\d+) (\d+) (\d+) (\d+) (\d+)\r\n").groups()
    assert pid == group == session == foreground != "1"
    assert number == str(136 << 8)
    assert screen.is_raw()
    screen.type("hello\r")
    screen.see("got hello\r\n")
    assert screen.ends() == 4
    assert screen.modes() == before


def test_its_size_follows_and_ctrl_c_is_its_own(held, attached):
    screen = attached("trap 'stty size' WINCH; trap 'exit 8' INT; echo armed; while :; do sleep 0.05; done")
    screen.see("armed")
    screen.resize(7, 77)
    screen.see("7 77\r\n")
    screen.type("\x03")
    assert screen.ends() == 8


def test_modes_come_back_when_it_is_killed(held, attached):
    screen = attached("echo armed; sleep 1000")
    before = screen.modes()
    screen.see("armed")
    pid = next(
        int(line) for line in Path(f"/proc/{screen.process.pid}/task/{screen.process.pid}/children").read_text().split()
    )
    os.kill(pid, signal.SIGKILL)
    assert screen.ends() == 137
    assert screen.modes() == before


def test_a_program_that_is_missing_leaves_the_terminal_as_it_was(held, launcher, containers):
    screen = Screen(launcher, "--root", containers.root, "exec", "-t", "c1", "/no/such")
    before = screen.modes()
    assert screen.ends() == FAILED
    assert "no such file or directory" in screen.text
    assert screen.modes() == before
    screen.close()


@pytest.mark.parametrize("user", [None, "5:6"])
def test_its_master_is_sent_to_the_console_socket(held, runtime, listener, tmp_path, user):
    flags = ["--user", user] if user else []
    done = runtime(
        "exec", "--detach", "--tty", "--console-socket", listener.path, "--pid-file", tmp_path / "pid", *flags,
        "c1", "sh", "-c", "stat -c '%u %g %a' /dev/pts/0; exec cat",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    text, (master,) = listener.take()
    assert text == b"/dev/pts/ptmx"
    assert read(master, b"5 620\r\n").startswith(b"5 " if user else b"0 ")
    pid = int((tmp_path / "pid").read_text())
    links = {number: os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")}
    assert links == dict.fromkeys("012", "/dev/pts/0")
    pidfd = os.pidfd_open(pid)
    listener.descriptors.remove(master)
    os.close(master)  # nobody else has it: cat is hung up
    assert select.select([pidfd], [], [], 60)[0]
    os.close(pidfd)


def test_in_a_user_namespace_it_belongs_to_the_user_inside(bundle, runtime, containers, attached):
    mapped.map_ids(bundle)
    inside.running(bundle, runtime, containers, "sleep 1000")
    screen = attached("stat -c '%u %g' /dev/pts/0; echo fine > /dev/pts/0", "--user", "7:7")
    screen.see(r"7 5\r\nfine\r\n")
    assert screen.ends() == 0


@pytest.mark.parametrize("flags", [["--detach"], []])
def test_a_pidfd_of_it_is_sent(held, runtime, launcher, containers, listener, flags):
    words = ["exec", *flags, "--pidfd-socket", listener.path, "c1", "sleep", "1000"]
    born = subprocess.Popen([launcher, "--root", containers.root, *words], stdin=subprocess.DEVNULL)
    text, (pidfd,) = listener.take()
    assert text == b"setns"
    told = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    pid = next(int(line.split()[1]) for line in told.splitlines() if line.startswith("Pid:"))
    command = inside.eventually(Path(f"/proc/{pid}/cmdline").read_bytes)  # empty while it is executed
    assert command == b"sleep\x001000\x00"
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    assert born.wait(90) == (0 if flags else 137)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["-d", "-t"], "cannot allocate tty if pyruntime will detach without setting console socket"),
        (["-d", "--console-socket", "x"], "cannot use console socket if pyruntime will not detach or allocate tty"),
        (["-t", "--console-socket", "x"], "cannot use console socket if pyruntime will not detach or allocate tty"),
        (["-t"], "open /dev/tty: no such device or address (process.terminal needs a terminal"),
        (["-d", "-t", "--console-socket", "x"], "connect with the console socket"),
        (["--pidfd-socket", "x"], "connect with the pidfd socket"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(held, runtime, tmp_path, flags, told):
    done = runtime("--log-format", "json", "exec", *flags, "c1", "true", cwd=tmp_path, start_new_session=True)
    assert done.returncode == FAILED
    assert told in json.loads(done.stderr)["msg"]
