"""Play scripts for real: a forked child in its own namespaces becomes the native program."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from pyruntime.container import script
from pyruntime.kernel import memfd, process

NATIVE = Path(__file__).resolve().parents[2] / "pyruntime" / "native"
APART = process.CLONE_NEWNS | process.CLONE_NEWUTS | process.CLONE_NEWIPC


def built(out):
    """Compile the native program and return its bytes."""
    subprocess.run([sys.executable, str(NATIVE / "build.py"), str(out)], check=True)
    return out.read_bytes()


def compiled(directory, source):
    """Compile a freestanding payload that needs no other system call than those it makes."""
    text, out = directory / "payload.c", directory / "payload"
    text.write_text(source)
    flags = ["-Os", "-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pie"]
    subprocess.run(["cc", *flags, "-o", str(out), str(text)], check=True)
    return str(out)


class Played:
    """A script that is being played; `prepare` runs in the child before, with all privileges."""

    def __init__(self, program, directory, *, waits=True, prepare=None, **wishes):
        self.directory = directory
        self.here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.here.settimeout(90)
        self.go = self.result = None
        if waits:
            self.go, self.result = (self._fifo(name) for name in ("go", "result"))
        wishes = {
            "args": ["sh", "-c", "exit 0"],
            "candidates": ["/bin/sh"],
            "env": ["PATH=/usr/bin:/bin"],
            "cwd": "/",
            "last_capability": int(Path("/proc/sys/kernel/cap_last_cap").read_text()),
        } | wishes
        self.pid = os.fork()
        if self.pid == 0:
            self._live(program, there, prepare, wishes)
        there.close()
        self.status = None

    def _fifo(self, name):
        """Make a fifo and open it as create does."""
        os.mkfifo(self.directory / name)
        return os.open(self.directory / name, os.O_RDWR | os.O_CLOEXEC)

    def _live(self, program, there, prepare, wishes):
        """Be the child."""
        try:
            self.here.close()
            for number, name in ((1, "out"), (2, "err")):
                file = os.open(self.directory / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o666)
                os.dup2(file, number)
                os.close(file)
            os.dup2(os.open("/dev/null", os.O_RDWR), 0)
            process.unshare(APART)
            sync, go, result = (_moved_up(each) for each in (there.fileno(), self.go, self.result))
            wishes |= (prepare() if prepare else None) or {}
            order = script.Order(sync=sync, go=go, result=result, **wishes)
            text = memfd.sealed("script", script.encode(script.compose(order)), executable=False)
            executable = memfd.sealed("pyruntime", program, executable=True)
            for descriptor in (text, *order.descriptors()):
                os.set_inheritable(descriptor, True)
            memfd.execute(executable, ["pyruntime", "init"], [str(text)])
        except BaseException as error:
            there.send(f"python: {error!r}".encode())
        finally:
            os._exit(99)

    def heard(self):
        """Return the next packet; nothing means that the player closed the socket."""
        return self.here.recv(65536).decode()

    def start(self):
        """Give the go, as start does."""
        os.write(self.go, b"0")

    def told(self):
        """Return what the result fifo holds after the end."""
        os.set_blocking(self.result, False)
        try:
            return os.read(self.result, 65536).decode()
        except BlockingIOError:
            return ""

    def ended(self):
        """Wait for the end; return the exit status, negative for a signal."""
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def said(self, name="out"):
        """Return what was written to stdout (`out`) or stderr (`err`)."""
        return (self.directory / name).read_text(errors="replace")

    def proc(self, name):
        """Return a file of /proc/PID."""
        return Path(f"/proc/{self.pid}/{name}").read_bytes()

    def fields(self):
        """Return /proc/PID/status as a dictionary."""
        return fields(self.proc("status").decode())

    def payload(self):
        """Play to the end without a word of failure; return what the payload wrote."""
        failure = self.heard()
        assert failure == ""
        if self.go is not None:
            self.start()
        status = self.ended()
        assert (status, self.said("err")) == (0, "")
        return self.said()

    def close(self):
        """End whatever is left."""
        if self.status is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
                self.ended()
            except (ProcessLookupError, ChildProcessError):
                pass
        self.here.close()
        for descriptor in (self.go, self.result):
            if descriptor is not None:
                os.close(descriptor)


def _moved_up(descriptor):
    """Return a copy of the descriptor above those that tests put somewhere."""
    return None if descriptor is None else fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 50)


def fields(status):
    """Return the lines of a /proc/PID/status as a dictionary."""
    parts = (line.partition(":") for line in status.splitlines())
    return {name: value.strip() for name, _, value in parts}


def shell(script_text):
    """Return the wishes for a shell that runs this."""
    return {"args": ["sh", "-c", script_text], "candidates": ["/bin/sh"]}
