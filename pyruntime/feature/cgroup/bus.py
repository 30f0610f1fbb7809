"""The line to systemd: a connection to a message bus, calls on the manager, and its jobs.

One connection serves one command. Nothing is awaited that need not be: the authentication, the
greeting of the bus and the first call go out together.
"""

from __future__ import annotations

import posix
import time

from pyruntime import errors
from pyruntime.feature.cgroup import message
from pyruntime.kernel import signals, sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.feature.cgroup.busaddress import Address
    from pyruntime.feature.cgroup.message import Message

PATIENCE_S = 30
_MANAGER = (
    "org.freedesktop.systemd1",
    "/org/freedesktop/systemd1",
    "org.freedesktop.systemd1.Manager",
)
_BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
_PROPERTIES = (*_MANAGER[:2], "org.freedesktop.DBus.Properties")
_OF_JOBS = (
    f"type='signal',sender='{_MANAGER[0]}',path='{_MANAGER[1]}',interface='{_MANAGER[2]}',"
    "member='JobRemoved'"
)
# The kernel says who we are; the uid in digits would be another's in a user namespace.
_GREETING = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"
_ACCEPTED, _ASKED = b"OK ", b"DATA"
_LONGEST_LINE = 16384
_PIECE = 1 << 16

class Refused(errors.RuntimeFailure):
    """The other side answered with an error: its name and its words."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, text)
        self.name, self.text = name, text

    def say(self) -> str:
        """Return its words."""
        if self.text and self.name:
            return f"{self.text} ({self.name})"
        return self.text or self.name


class Lost(errors.RuntimeFailure):
    """The connection ended, or nobody answered."""


class Bus:
    """One connection.

    Args:
        found: what `busaddress.addresses` returned.
        ending: descriptor that can be read when the runtime is asked to end, -1 for none.

    Raises:
        Lost: nobody is there.
    """

    __slots__ = (
        "_accepted",
        "_buffer",
        "_known_version",
        "_manager",
        "_results",
        "_serial",
        "descriptor",
        "direct",
        "ending",
    )

    def __init__(self, found: list[Address], ending: int = -1) -> None:
        self.ending = ending
        self.descriptor, self.direct = _connect(found)
        self._buffer = bytearray()
        self._accepted = False
        self._serial = 0
        self._results: dict[tuple[str, str], str] = {}  # by (who says so, job)
        self._manager = ""  # name of the manager on this bus, known by its answers
        self._known_version = 0
        begin = bytearray(_GREETING)
        if not self.direct:
            begin += self._call(_BUS, "Hello", "", ())
            begin += self._call(_BUS, "AddMatch", "s", (_OF_JOBS,), message.NO_REPLY_EXPECTED)
        self._write(bytes(begin))

    def ask(self, member: str, signature: str, *arguments: Any) -> list[Any]:
        """Call a method of the manager; return what it answers.

        Raises:
            Refused: it answers with an error.
            Lost: the connection ended, or there was no answer for `PATIENCE_S`.
            Malformed: an argument is not of its type.
        """
        return self.answer(self.send(member, signature, *arguments))

    def send(self, member: str, signature: str, *arguments: Any) -> int:
        """Call a method of the manager without waiting; return the number of the call.

        Raises:
            Lost, Malformed: as `ask`.
        """
        self._write(self._call(_MANAGER, member, signature, arguments))
        return self._serial

    def answer(self, serial: int) -> list[Any]:
        """Wait for the answer to a call.

        Raises:
            Refused, Lost: as `ask`.
        """
        limit = time.monotonic() + PATIENCE_S
        while True:
            told = self._receive(limit)
            if told.fields.get(message.REPLY_SERIAL) == serial:
                break
        self._manager = told.fields.get(message.SENDER, "")
        if told.kind == message.ERROR:
            text = told.body[0] if told.body and isinstance(told.body[0], str) else ""
            raise Refused(str(told.fields.get(message.ERROR_NAME, "")), text)
        return told.body

    def result(self, job: str) -> str:
        """Wait until a job is done, of which an answer has told; return its result.

        That is done, canceled, timeout, failed, dependency or skipped. It counts if the manager
        says so: anybody on a bus may send a signal to anybody.

        Raises:
            Lost: the connection ended, or the job does not end.
        """
        limit = time.monotonic() + PATIENCE_S
        while (told := (self._manager, job)) not in self._results:
            self._receive(limit)
        return self._results.pop(told)

    def version(self) -> int:
        """Return the version of systemd, asked for once; 0 where it tells none.

        Raises:
            Refused, Lost: as `ask`.
        """
        if not self._known_version:
            self._write(self._call(_PROPERTIES, "Get", "ss", (_MANAGER[2], "Version")))
            ((_, told),) = self.answer(self._serial)
            text = str(told).lstrip("v")
            digits = text[
                : next((at for at, sign in enumerate(text) if not sign.isdigit()), len(text))
            ]
            self._known_version = int(digits or 0)
        return self._known_version

    def close(self) -> None:
        """Close the connection; once more does nothing."""
        if self.descriptor >= 0:
            posix.close(self.descriptor)
        self.descriptor = -1

    def _call(
        self,
        whom: tuple[str, str, str],
        member: str,
        signature: str,
        arguments: tuple[Any, ...],
        flags: int = 0,
    ) -> bytes:
        self._serial += 1
        fields = {
            message.PATH: whom[1],
            message.INTERFACE: whom[2],
            message.MEMBER: member,
            message.DESTINATION: whom[0],
        }
        return message.call(self._serial, fields, signature, arguments, flags)

    def _write(self, packet: bytes) -> None:
        try:
            while packet:
                packet = packet[posix.write(self.descriptor, packet) :]
        except OSError as error:
            raise _lost(error) from None

    def _receive(self, limit: float) -> Message:
        """Read the next message; results of jobs are noted besides."""
        if not self._accepted:
            self._hear_acceptance(limit)
        self._fill(message.HEAD, limit)
        try:
            size = message.size(bytes(self._buffer[: message.HEAD]))
            self._fill(size, limit)
            told = message.read(bytes(self._buffer[:size]))
        except message.Malformed as error:
            raise Lost(f"systemd's message cannot be read: {error}") from None
        del self._buffer[:size]
        fields = told.fields
        named = fields.get(message.MEMBER), fields.get(message.SIGNATURE)
        if told.kind == message.SIGNAL and named == ("JobRemoved", "uoss"):
            _, job, _, result = told.body
            self._results[fields.get(message.SENDER, ""), job] = result
        return told

    def _hear_acceptance(self, limit: float) -> None:
        """Hear that we may begin; messages follow in the same stream."""
        while not self._accepted:
            while b"\r\n" not in self._buffer:
                if len(self._buffer) > _LONGEST_LINE:
                    raise Lost("the bus does not speak D-Bus")
                self._fill(len(self._buffer) + 1, limit)
            line, _, rest = self._buffer.partition(b"\r\n")
            self._buffer = bytearray(rest)
            self._accepted = line.startswith(_ACCEPTED)
            if not self._accepted and line != _ASKED:
                raise Lost(f"the bus refuses this user: {line.decode('utf-8', 'replace')}")

    def _fill(self, size: int, limit: float) -> None:
        """Read until so many bytes are there."""
        while len(self._buffer) < size:
            left = limit - time.monotonic()
            if left <= 0 or not signals.wait_readable(self.descriptor, self.ending, left):
                raise Lost(f"systemd gave no answer within {PATIENCE_S} s")
            try:
                piece = posix.read(self.descriptor, _PIECE)
            except OSError as error:
                raise _lost(error) from None
            if not piece:
                raise Lost("the connection to systemd was closed")
            self._buffer += piece


def _lost(error: OSError) -> Lost:
    return Lost(f"the connection to systemd broke: {errors.reason(error.errno or 0)}")


def _connect(found: list[Address]) -> tuple[int, bool]:
    """Connect to the first that is there."""
    failure = ""
    for name, direct in found:
        try:
            return sockets.connected(name), direct
        except OSError as error:
            said = name.decode("utf-8", "replace").replace("\0", "@")
            failure = failure or f"connect to {said}: {errors.reason(error.errno or 0)}"
    raise Lost(f"systemd cannot be reached: {failure}")
