"""A command in the guest, seen from this end of the line: the other end is played here."""

import os
import signal
import socket
import struct
import sys
import threading
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[3] / "integration/vm"
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))

import connection  # noqa: E402 - needs the path above

LARGE = os.urandom(100_000)


def frame(kind, data=b""):
    return kind + struct.pack(">I", len(data)) + data


def received(line):
    """Return the next frame, (kind, data)."""
    kind, length = struct.unpack(">cI", line.recv(5, socket.MSG_WAITALL))
    return kind, line.recv(length, socket.MSG_WAITALL) if length else b""


@pytest.fixture
def guest():
    """Callable: play the guest's end by a function of its socket, and return what wait() gives."""
    threads = []

    def played(play, streams=(-1, 1, 2)):
        ours, theirs = socket.socketpair()

        def end():
            with theirs:
                play(theirs)

        threads.append(threading.Thread(target=end))
        command = connection.Command(ours, streams)
        threads[-1].start()
        return command.wait()

    yield played
    for each in threads:
        each.join(60)


@pytest.fixture
def files(tmp_path):
    """Descriptors of a standard input that holds LARGE, an output and an error; and their files."""
    (tmp_path / "in").write_bytes(LARGE)
    opened = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("in", "out", "err")]
    yield opened, tmp_path
    for each in opened:
        os.close(each)


def test_streams_and_status_are_carried(guest, files):
    (_, out, err), place = files

    def play(line):
        assert received(line) == (b"I", b"")
        whole = frame(b"o", LARGE[:60000]) + frame(b"e", b"why") + frame(b"o", LARGE[60000:]) + frame(b"x", b"\0\0\0\x07")
        for start in range(0, len(whole), 999):  # frames are cut anywhere
            line.sendall(whole[start : start + 999])

    assert guest(play, (-1, out, err)) == 7
    assert (place / "out").read_bytes() == LARGE
    assert (place / "err").read_bytes() == b"why"


def test_input_goes_a_piece_at_a_time_when_the_one_before_was_taken(guest, files):
    streams, _ = files
    took = []

    def play(line):
        while True:
            kind, data = received(line)
            if kind == b"I":
                break
            took.append(data)
            line.settimeout(0.05)
            with pytest.raises(TimeoutError):
                line.recv(1)
            line.settimeout(None)
            line.sendall(frame(b"a"))
        line.sendall(frame(b"x", b"\0\0\0\0"))

    assert guest(play, tuple(streams)) == 0
    assert b"".join(took) == LARGE
    assert max(map(len, took)) == connection.PIECE


def test_a_line_that_ends_without_a_status_is_told(guest):
    assert guest(received) == connection.LOST


def test_signals_go_to_the_command_and_the_third_ends_this_program():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = connection.Command(ours, (-1, 1, 2))
        assert received(theirs) == (b"I", b"")
        with connection.passing_on(command):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
                assert received(theirs) == (b"s", struct.pack(">i", signal.SIGTERM))
            with pytest.raises(SystemExit) as ended:
                os.kill(os.getpid(), signal.SIGTERM)
        assert ended.value.code == 128 + signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_request_is_the_key_the_place_the_words_and_the_variables():
    packed = connection.request("key", ["echo", "a b"], ["A=é"], "/tmp")
    assert packed[4:] == b"key\0/tmp\0002\0echo\0a b\0001\0A=\xc3\xa9\0"
    assert struct.unpack(">I", packed[:4]) == (len(packed) - 4,)
