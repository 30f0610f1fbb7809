"""`--console-socket` and `--pidfd-socket`: descriptors for who makes the container."""

import array
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from functional import inside, mapped

COMMANDS = [["create"], ["run", "--detach"]]
both = pytest.mark.parametrize("command", COMMANDS, ids=["create", "run"])


class Listener:
    """A socket as an engine's: it takes one message and counts the descriptors in it."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX)
        here = os.open(path.parent, os.O_PATH)  # the path may be too long for an address
        self.socket.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)
        self.socket.listen(1)
        self.socket.settimeout(60)
        self.descriptors = []

    def take(self):
        """Return the text of the message and its descriptors; nothing may follow."""
        connection, _ = self.socket.accept()
        connection.settimeout(60)
        text, told, flags, _ = connection.recvmsg(4096, socket.CMSG_SPACE(64))
        assert flags & socket.MSG_CTRUNC == 0
        found = array.array("i")
        for level, kind, content in told:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            found.frombytes(content)
        self.descriptors += found
        assert connection.recv(1) == b""
        connection.close()
        return text, list(found)

    def close(self):
        self.socket.close()
        for descriptor in self.descriptors:
            os.close(descriptor)


@pytest.fixture
def listener(tmp_path):
    held = Listener(tmp_path / "socket")
    yield held
    held.close()


@pytest.fixture
def shell(bundle):
    bundle.config["process"] |= {"terminal": True, "args": ["cat"]}
    return bundle


@pytest.fixture
def made(shell, runtime, listener):
    """Make and start a container; return the master of its terminal."""

    def make(command, *flags):
        done = runtime(*command, "--bundle", shell.save(), "--console-socket", listener.path, *flags, "c1")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        text, descriptors = listener.take()
        assert text == b"/dev/pts/ptmx"
        (master,) = descriptors
        if command == ["create"]:
            assert runtime("start", "c1").returncode == 0
        return master

    return make


def read(master, wanted):
    """Read from a master until a text has come."""
    found = b""
    while wanted not in found:
        ready, _, _ = select.select([master], [], [], 60)
        assert ready, found
        found += os.read(master, 4096)
    return found


@both
def test_the_master_is_sent_alone_and_talks_with_the_payload(made, runtime, containers, command):
    master = made(command)
    os.write(master, b"hello\n")
    assert read(master, b"hello\r\nhello\r\n")
    pid = containers.state("c1")["pid"]
    held = {number: os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")}
    assert held == dict.fromkeys("012", "/dev/pts/0")
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[4] == str(136 << 8)
    assert runtime("kill", "c1", "KILL").returncode == 0


@both
def test_nobody_but_the_caller_keeps_the_master(made, runtime, containers, listener, command):
    """When the caller closes it the container is hung up, so no process has another copy."""
    master = made(command)
    pid = containers.state("c1")["pid"]
    pidfd = os.pidfd_open(pid)
    listener.descriptors.remove(master)
    os.close(master)
    assert select.select([pidfd], [], [], 60)[0], "cat has not seen the end of its terminal"
    os.close(pidfd)


@both
def test_the_size_is_set_before_the_master_is_sent(shell, made, runtime, command):
    shell.config["process"] |= {"consoleSize": {"height": 33, "width": 101}, "args": ["sh", "-c", "stty size; sleep 1000"]}
    master = made(command)
    size = fcntl.ioctl(master, termios.TIOCGWINSZ, bytes(8))
    assert struct.unpack("HHHH", size)[:2] == (33, 101)
    assert read(master, b"33 101\r\n")


def test_half_a_size_is_none(shell, made):
    shell.config["process"]["consoleSize"] = {"height": 0, "width": 101}
    size = fcntl.ioctl(made(["create"]), termios.TIOCGWINSZ, bytes(8))
    assert size == bytes(8)


def test_a_size_that_no_terminal_can_have_is_refused(shell, runtime, listener, containers):
    shell.config["process"]["consoleSize"] = {"height": 65536, "width": 80}
    done = runtime("create", "--bundle", shell.save(), "--console-socket", listener.path, "c1")
    assert done.returncode == 1
    assert "/process/consoleSize/height: a terminal has at most 65535" in done.stderr
    assert containers.ids() == []


@both
def test_a_terminal_without_a_socket_is_refused(shell, runtime, containers, command):
    done = runtime(*command, "--bundle", shell.save(), "c1")
    assert done.returncode == 1
    assert "cannot allocate tty if pyruntime will detach without setting console socket" in done.stderr
    assert containers.ids() == []


@pytest.mark.parametrize(
    ("command", "terminal"),
    [(["create"], False), (["run", "--detach"], False), (["run"], True), (["run"], False)],
)
def test_a_socket_without_a_terminal_for_it_is_refused(bundle, runtime, listener, containers, command, terminal):
    bundle.config["process"]["terminal"] = terminal
    done = runtime(*command, "--bundle", bundle.save(), "--console-socket", listener.path, "c1")
    assert done.returncode == 1
    assert "cannot use console socket if pyruntime will not detach or allocate tty" in done.stderr
    assert containers.ids() == []


@pytest.mark.parametrize("flag", ["--console-socket", "--pidfd-socket"])
@pytest.mark.parametrize(("kind", "told"), [("missing", "no such file or directory"), ("file", "connection refused"), ("deaf", "connection refused")])
def test_a_socket_where_nobody_listens_is_named_and_nothing_is_made(bundle, runtime, containers, tmp_path, flag, kind, told):
    bundle.config["process"]["terminal"] = flag == "--console-socket"
    place = tmp_path / "there"
    if kind == "file":
        place.write_text("")
    elif kind == "deaf":
        Listener(place).close()
    done = runtime("create", "--bundle", bundle.save(), flag, place, "c1")
    assert done.returncode == 1
    assert str(place) in done.stderr
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert containers.ids() == []


def test_a_relative_path_is_the_callers(shell, runtime, listener, tmp_path):
    shell.save()
    done = runtime("create", "--bundle", shell.path, "--console-socket", listener.path.name, "c1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(listener.take()[1]) == 1


def test_in_a_new_user_namespace_too(shell, made, containers):
    mapped.map_ids(shell)
    shell.config["process"] |= {"user": {"uid": 5, "gid": 5}, "args": ["sh", "-c", "stat -c '%u %g' /dev/console; exec cat"]}
    master = made(["create"])
    assert read(master, b"5 5\r\n")


def test_a_failed_create_gives_the_socket_back(shell, runtime, listener, containers):
    shell.config["process"]["args"] = ["/no/such"]
    done = runtime("create", "--bundle", shell.save(), "--console-socket", listener.path, "c1")
    assert done.returncode == 1
    connection, _ = listener.socket.accept()
    connection.settimeout(60)
    while connection.recvmsg(4096)[0]:  # a message may have come; then the end
        continue
    connection.close()
    assert containers.ids() == []


@pytest.mark.parametrize("command", [*COMMANDS, ["run"]], ids=["create", "detached", "foreground"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_pidfd_of_the_containers_process_is_sent(bundle, runtime, listener, launcher, containers, command, shared):
    if shared:
        inside.at(bundle, "pid", "/proc/self/ns/pid")
    bundle.config["process"]["args"] = ["sleep", "1000"]
    words = [*command, "--bundle", bundle.save(), "--pidfd-socket", listener.path, "c1"]
    born = subprocess.Popen([launcher, "--root", containers.root, *words], stdin=subprocess.DEVNULL)
    text, descriptors = listener.take()
    assert text == b"standard"
    (pidfd,) = descriptors
    if command != ["run"]:
        assert born.wait(90) == 0
    entry = json.loads((containers.root / "c1/state.json").read_text())
    told = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    assert f"Pid:\t{entry['pid']}\n" in told
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    assert select.select([pidfd], [], [], 60)[0]
    if command == ["run"]:
        assert born.wait(90) == 137


def test_a_pidfd_that_nobody_takes_undoes_the_container(bundle, launcher, listener, containers, tmp_path):
    script = f"touch {tmp_path}/reached; until [ -e {tmp_path}/go ]; do sleep 0.01; done"
    bundle.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    words = ["create", "--bundle", bundle.save(), "--pidfd-socket", listener.path, "c1"]
    born = subprocess.Popen(
        [launcher, "--root", containers.root, *words],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    inside.eventually((tmp_path / "reached").exists)
    listener.socket.accept()[0].close()
    (tmp_path / "go").touch()
    _, told = born.communicate(timeout=90)
    assert born.returncode == 1
    assert "send the pidfd to the pidfd socket: broken pipe" in told
    assert containers.ids() == []
