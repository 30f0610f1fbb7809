"""What real containers use, in a pipe and on a terminal."""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from importlib.util import find_spec

import pytest
from functional import inside


def succeed(done):
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(done, text):
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert text in done.stderr


@pytest.fixture
def three(runtime, bundle):
    """Containers a (running), b (created) and c (stopped)."""
    bundle.config["process"]["args"] = ["sleep", "1000"]
    bundle.save()
    for name in "abc":
        bundle.config["linux"]["cgroupsPath"] = f"/stats-{os.getpid()}-{name}"
        succeed(runtime("create", "--bundle", bundle.save(), name))
    succeed(runtime("start", "a"))
    succeed(runtime("kill", "c", "KILL"))
    inside.eventually(lambda: json.loads(runtime("state", "c").stdout)["status"] == "stopped")


def test_the_table_has_a_row_for_each_container(runtime, three):
    heading, *rows = succeed(runtime("stats")).splitlines()
    assert heading.split()[:3] == ["ID", "STATUS", "CPU"]
    assert [row.split()[:2] for row in rows] == [["a", "running"], ["b", "created"], ["c", "stopped"]]


def test_those_that_are_named_are_shown_in_that_order_and_once(runtime, three):
    rows = succeed(runtime("stats", "b", "a", "b")).splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["b", "a"]
    refused(runtime("stats", "a", "nx"), "container nx does not exist")


def test_json_is_one_array(runtime, three):
    first, second, third = json.loads(succeed(runtime("stats", "-f", "json")))
    assert first["pids"]["current"] == 1
    assert first["cpu"]["usage_usec"] > 0
    assert "cpu_percent" not in first
    assert (second["status"], third["status"]) == ("created", "stopped")


def test_with_an_interval_the_share_of_the_processor_is_told(runtime, bundle, containers):
    inside.running(bundle, runtime, containers, "while :; do :; done")
    (found,) = json.loads(succeed(runtime("stats", "--interval", "200ms", "--format=json")))
    assert found["cpu_percent"] > 0
    row = succeed(runtime("stats", "--interval", "200ms")).splitlines()[1]
    assert row.split()[2].endswith("%")


def test_prometheus_text_has_all_that_is_told(runtime, three):
    text = succeed(runtime("stats", "--format", "prometheus"))
    assert 'pyruntime_container_status{id="a",status="running"} 1\n' in text
    assert "# TYPE pyruntime_container_cpu_usage_seconds_total counter\n" in text
    assert 'pyruntime_container_processes{id="b"} 1\n' in text


def test_without_containers_there_is_the_heading(runtime, containers):
    containers.root.mkdir()
    assert succeed(runtime("stats")).count("\n") == 1
    assert succeed(runtime("stats", "-f", "json")) == "[]\n"
    assert succeed(runtime("stats", "-f", "prometheus")) == ""


def test_watching_in_a_pipe_is_table_after_table_without_escapes(launcher, containers, three):
    command = [str(launcher), "--root", str(containers.root), "stats", "-w", "--interval", "10ms"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as watching:
        lines = [watching.stdout.readline() for _ in range(10)]
        watching.stdout.close()
        assert watching.wait(timeout=60) == 141
    assert lines[4] == lines[9] == "\n"
    assert lines[0] == lines[5]
    assert not any("\x1b" in line for line in lines)


def test_watching_json_is_a_line_each_time(launcher, containers, three):
    command = [str(launcher), "--root", str(containers.root), "stats", "-w", "--interval", "10ms", "-f", "json"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as watching:
        for _ in range(2):
            assert [each["id"] for each in json.loads(watching.stdout.readline())] == ["a", "b", "c"]
        watching.terminate()


class Terminal:
    """A program on a terminal of 200 columns; what it draws."""

    def __init__(self, command, env=None):
        self.here, there = pty.openpty()
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("4H", 40, 200, 0, 0))
        environment = {"PATH": os.environ["PATH"], "TERM": "xterm", **(env or {})}
        self.process = subprocess.Popen(
            command, stdin=there, stdout=there, stderr=there, env=environment, start_new_session=True
        )
        os.close(there)
        self.drawn = ""

    def read_until(self, *words):
        deadline = time.monotonic() + 60
        while not all(word in self.drawn for word in words):
            assert time.monotonic() < deadline, self.drawn
            if select.select([self.here], [], [], 1)[0]:
                self.drawn += os.read(self.here, 65536).decode()

    def end(self, number=signal.SIGINT):
        """Interrupt it; return its status and all that it drew."""
        self.process.send_signal(number)
        while True:
            try:
                piece = os.read(self.here, 65536)
            except OSError:  # EIO: nobody has the other end any more
                break
            self.drawn += piece.decode()
        os.close(self.here)
        return self.process.wait(60)


@pytest.fixture
def terminal():
    """Callable: start a program on a terminal; it ends with the test, however that ends."""
    started = []

    def start(command):
        started.append(Terminal(command))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


@pytest.fixture
def rich():
    """Skip where rich is not installed; in continuous integration it must be."""
    if find_spec("rich") is None:
        assert "CI" not in os.environ, "continuous integration must have rich"
        pytest.skip("rich is missing: apt-get install python3-rich")


@pytest.fixture
def watched(launcher, containers, three):
    return [str(launcher), "--root", str(containers.root), "stats", "--watch", "--interval", "20ms"]


def test_on_a_terminal_that_is_left_by_sigterm_the_cursor_is_back(rich, watched, terminal):
    screen = terminal(watched)
    screen.read_until("PRESSURE", "running")
    assert screen.end(signal.SIGTERM) == 143
    assert screen.drawn.count("\x1b[?25l") == screen.drawn.count("\x1b[?25h") == 1
    assert "interrupted by SIGTERM" in screen.drawn


def test_on_a_terminal_rich_draws_one_table_in_its_place(rich, watched, terminal, runtime):
    screen = terminal(watched)
    screen.read_until("PRESSURE", "running", "\x1b[1A")  # it goes up to draw again
    succeed(runtime("pause", "a"))
    screen.read_until("paused")
    assert screen.end() == 130
    assert screen.drawn.count("\x1b[?25l") == screen.drawn.count("\x1b[?25h") == 1  # the cursor


def test_on_a_terminal_without_rich_the_table_is_drawn_plainly(watched, terminal, runtime):
    hidden = "import sys; sys.modules['rich'] = sys.modules['rich.live'] = None\n"
    place = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = f"{hidden}sys.path.insert(0, {place!r}); from pyruntime.main import launched; launched()"
    screen = terminal(["/usr/bin/python3", "-IS", "-c", code, *watched[1:]])
    screen.read_until("PRESSURE", "running")
    succeed(runtime("pause", "a"))
    screen.read_until("paused")
    assert screen.end() == 130
    assert "\x1b[H\x1b[2J" in screen.drawn
    assert "Traceback" not in screen.drawn
