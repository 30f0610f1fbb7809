"""A bus with a systemd at its other end, for tests of the protocol where none runs.

It speaks by jeepney, so that the runtime's own messages are read by another's hand. Units are kept in
`units`; with a `root`, directories of cgroups are made and removed as systemd does, and the
processes moved. What goes wrong is told beforehand: `refuse` (the next calls of a method fail with
an error), `results` (how the next jobs end), `cut` (calls of a method that end the connection),
`mute` (methods without an answer), `astray` (another name for the directory), `strangers` (what
another on the bus says before and after each end of a job: signature and body).
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

from jeepney import HeaderFields, low_level, wrappers

MANAGER = "org.freedesktop.systemd1.Manager"
PLACE = "/org/freedesktop/systemd1"
ERRORS = "org.freedesktop.systemd1."


class Systemd:
    """A server on a socket at `path`; `close` ends it."""

    def __init__(self, path, root=None, version="257.13-1~deb13u1"):
        self.path, self.root, self.version = str(path), root, version
        self.units, self.calls, self.jobs = {}, [], 0
        self.refuse, self.results, self.cut, self.mute = {}, [], {}, set()
        self.astray, self.strangers = "", []
        self.said = b"DATA\r\nOK 0123456789abcdef0123456789abcdef\r\n"
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen()
        self.faults = []
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    @property
    def environment(self):
        """What leads the runtime here."""
        return {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.path},guid=00"}

    def members(self):
        """The names of the methods that were called, in order."""
        return [member for member, _ in self.calls]

    def arguments(self, member):
        """The arguments of the one call of a method."""
        (found,) = [arguments for name, arguments in self.calls if name == member]
        return found

    def properties(self):
        """The properties of the last unit that was started, without their signatures."""
        started = [arguments for name, arguments in self.calls if name == "StartTransientUnit"]
        return {name: value for name, (_, value) in started[-1][2]}

    def close(self):
        """End; a fault of the server's own fails the test."""
        self.socket.shutdown(socket.SHUT_RDWR)  # or the thread would take up the next one's socket
        self.accepting.join()
        self.socket.close()
        os.unlink(self.path)
        assert self.faults == []

    def _accept(self):
        while True:
            try:
                line, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line):
        try:
            greeting = b""
            while b"BEGIN\r\n" not in greeting:
                greeting += line.recv(4096)
            words, _, rest = greeting.partition(b"BEGIN\r\n")
            assert words == b"\0AUTH EXTERNAL\r\nDATA\r\n"
            line.sendall(self.said)
            parser = low_level.Parser()
            parser.add_data(rest)
            while True:
                told = parser.get_next_message()
                if told is None:
                    if not (piece := line.recv(1 << 16)):
                        return
                    parser.add_data(piece)
                elif not self._take(line, told):
                    return
        except (ConnectionError, BrokenPipeError):
            return
        except Exception as error:
            self.faults.append(repr(error))
            raise
        finally:
            line.close()

    def _take(self, line, told):
        """Do one call; tell whether the connection goes on."""
        fields = {key.name: value for key, value in told.header.fields.items()}
        member = fields["member"]
        self.calls.append((member, told.body))
        if self.cut.get(member, 0):
            self.cut[member] -= 1
            return False
        if member in self.mute or told.header.flags & low_level.MessageFlag.no_reply_expected:
            return True
        reply = wrappers.new_method_return(told)
        job = None
        if self.refuse.get(member):
            reply = wrappers.new_error(told, *self.refuse[member].pop(0))
        elif (do := getattr(self, f"_{member}", None)) is not None:
            answer = do(*told.body)
            if isinstance(answer, tuple):
                reply = wrappers.new_error(told, ERRORS + answer[0], "s", (answer[1],))
            elif answer is not None:
                job = answer
                reply = wrappers.new_method_return(told, "o", (job[0],))
        if member == "Get":
            reply = wrappers.new_method_return(told, "v", (("s", self.version),))
        if job:  # the order that is awkward for the other side: the end comes before the answer
            forged = [self._signal(":1.666", *said) for said in self.strangers]
            line.sendall(b"".join([*forged, self._removed(*job), *forged]))
        reply.header.fields[HeaderFields.sender] = ":1.2"
        line.sendall(reply.serialise(serial=1 + len(self.calls)))
        return True

    def _removed(self, job, unit):
        result = self.results.pop(0) if self.results else "done"
        return self._signal(":1.2", "uoss", (self.jobs, job, unit, result))

    def _signal(self, sender, signature, body):
        emitter = wrappers.DBusAddress(PLACE, interface=MANAGER)
        told = wrappers.new_signal(emitter, "JobRemoved", signature, body)
        told.header.fields[HeaderFields.sender] = sender
        return told.serialise(serial=1 + len(self.calls))

    def _job(self, unit):
        self.jobs += 1
        return [f"{PLACE}/job/{self.jobs}", unit]

    def _StartTransientUnit(self, name, _mode, properties, _aux):  # noqa: N802
        if name in self.units:
            return ("UnitExists", f"Unit {name} was already loaded")
        told = {key: value for key, (_, value) in properties}
        directory = None
        if self.root:
            stem, above = told["Slice"].removesuffix(".slice"), Path(self.root)
            for count in range(1, stem.count("-") + 2):
                above /= "-".join(stem.split("-")[:count]) + ".slice"
                above.mkdir(exist_ok=True)
            directory = above / (self.astray or name)
            directory.mkdir(exist_ok=True)
            for pid in told["PIDs"]:
                (directory / "cgroup.procs").write_text(str(pid))
        self.units[name] = directory
        return self._job(name)

    def _StopUnit(self, name, _mode):  # noqa: N802
        if name not in self.units:
            return ("NoSuchUnit", f"Unit {name} not loaded.")
        if directory := self.units.pop(name):
            _remove(directory)
        return self._job(name)

    def _ResetFailedUnit(self, name):  # noqa: N802
        if name not in self.units:
            return ("NoSuchUnit", f"Unit {name} not loaded.")
        return None


def _remove(directory):
    """Kill what is in a cgroup and remove it with all below it."""
    for top, _, _ in os.walk(directory, topdown=False):
        try:
            for pid in Path(top, "cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            continue
        for _ in range(1000):
            try:
                os.rmdir(top)
                break
            except OSError:
                time.sleep(0.01)
