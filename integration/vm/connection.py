"""A command in the guest: its streams, signals and exit status, over one connection.

recipe/attendant/serve.c is the other end and says what goes over it.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

GREETING = b"ATTENDANT-READY\n"
CONNECT_SECONDS = 60.0
# Less than any socket buffer holds, so sending one piece never waits.
PIECE = 16384
LOST = 255
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A signal goes to the command; if that many do not end it, the last ends this program.
SIGNALS_UNTIL_END = 3


def connect(port: int) -> socket.socket:
    """Return a connection to the guest's attendant; OSError when it does not answer."""
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            line = socket.create_connection(("127.0.0.1", port), 10)
            # QEMU accepts before the guest does.
            if line.recv(len(GREETING), socket.MSG_WAITALL) == GREETING:
                line.settimeout(None)
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return line
            line.close()
            raise ConnectionResetError("the guest closed the connection")
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def request(key: str, words: Sequence[str], variables: Sequence[str], directory: str) -> bytes:
    """Return the packed request for a command."""
    strings = [key, directory, str(len(words)), *words, str(len(variables)), *variables]
    packed = b"".join(os.fsencode(string) + b"\0" for string in strings)
    return struct.pack(">I", len(packed)) + packed


class Command:
    """A command that runs in the guest.

    `streams` are our descriptors for its standard input (-1: none), output and error.
    """

    def __init__(self, line: socket.socket, streams: tuple[int, int, int]) -> None:
        """Take a connection over which the request has been sent."""
        self._line = line
        self._input, *self._outputs = streams
        self._polled = selectors.PollSelector()  # unlike epoll it takes regular files
        self._polled.register(line, selectors.EVENT_READ)
        self._received = b""
        self._signals = 0
        if self._input < 0:
            self._send(b"I")
        else:
            self._polled.register(self._input, selectors.EVENT_READ)

    def wait(self) -> int:
        """Carry all streams; return the exit status, 128+N for a signal, 255 when the guest is gone."""
        with self._line, self._polled:
            while True:
                for key, _ in self._polled.select():
                    if key.fileobj is not self._line:
                        self._read_input()
                    elif (status := self._read_line()) is not None:
                        return status

    def signal(self, number: int, _frame: FrameType | None = None) -> None:
        """Send a signal to the command's process group."""
        self._signals += 1
        if self._signals == SIGNALS_UNTIL_END:
            raise SystemExit(128 + number)
        self._send(b"s", struct.pack(">i", number))

    def _send(self, kind: bytes, data: bytes = b"") -> None:
        self._line.sendall(kind + struct.pack(">I", len(data)) + data)

    def _read_input(self) -> None:
        """Send one piece; the next follows when the command has taken it."""
        self._polled.unregister(self._input)
        data = os.read(self._input, PIECE)
        self._send(b"i" if data else b"I", data)

    def _read_line(self) -> int | None:
        data = self._line.recv(1 << 18)
        if not data:
            return LOST
        self._received += data
        for kind, body in self._frames():
            if kind == b"x":
                return struct.unpack(">i", body)[0]
            if kind == b"a":
                self._polled.register(self._input, selectors.EVENT_READ)
            else:
                write_all(self._outputs[kind == b"e"], body)
        return None

    def _frames(self) -> Iterator[tuple[bytes, bytes]]:
        while len(self._received) >= 5:
            end = 5 + struct.unpack_from(">I", self._received, 1)[0]
            if len(self._received) < end:
                return
            frame, self._received = self._received[:end], self._received[end:]
            yield frame[:1], frame[5:]


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of the data."""
    while data:
        data = data[os.write(descriptor, data) :]


@contextlib.contextmanager
def passing_on(command: Command) -> Iterator[None]:
    """Send the signals that would end this program to the command instead."""
    before = [(number, signal.signal(number, command.signal)) for number in PASSED_ON]
    try:
        yield
    finally:
        for number, action in before:
            signal.signal(number, action)
