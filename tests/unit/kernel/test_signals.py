"""Signals by system calls: the library's names and numbers, and what is done to them."""

import os
import signal
import subprocess
import sys

import pytest

from pyruntime.kernel import signals


def test_names_and_numbers_are_the_librarys():
    known = {each.name[3:]: int(each) for each in signal.Signals}
    told = {name: number for number, name in enumerate(signals.NAMES) if name}
    assert told | signals.ALSO == known | {"STKFLT": 16, "IOT": 6, "CLD": 17, "POLL": 29}
    assert (signals.RTMIN, signals.RTMAX, signals.LAST + 1) == (signal.SIGRTMIN, signal.SIGRTMAX, signal.NSIG)


def in_a_process(code):
    """Run code that may block signals for good; return what it printed."""
    frame = f"import os, posix, signal, sys\nsys.path.insert(0, {os.getcwd()!r})\nfrom pyruntime.kernel import signals\n"
    done = subprocess.run([sys.executable, "-c", frame + code], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_blocked_signal_is_taken_when_it_comes():
    code = "signals.block((10, 64))\nos.kill(os.getpid(), 64)\nprint(signals.take((10, 64)))\n"
    code += "print(10 in signal.pthread_sigmask(signal.SIG_BLOCK, ()))\nsignals.unblock_all()\n"
    code += "print(signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set())"
    assert in_a_process(code) == ["64", "True", "True"]


@pytest.mark.parametrize("number", [1, 2, 3, 15])
def test_waiting_ends_with_what_asks_to_end(number):
    code = f"""
ending = signals.watch()
reader, writer = posix.pipe()
posix.write(writer, b"x")
os.kill(os.getpid(), {number})
signals.wait_readable(reader, ending)
print("there was something to read")
posix.read(reader, 1)
try: signals.wait_readable(reader, ending)
except signals.Interrupted as error: print(error.code - 128, error)
"""
    assert in_a_process(code) == [
        *"there was something to read".split(), str(number),
        "interrupted", "by", signal.Signals(number).name,
    ]  # fmt: skip


def test_what_is_ignored_is_not_watched():
    code = "signals.unblock_all()\nsignal.signal(1, signal.SIG_IGN)\nsignals.watch()\n"
    code += "print(sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))))"
    assert in_a_process(code) == ["[2,", "3,", "15]"]


def test_a_signal_gets_its_default_back():
    assert in_a_process("signal.signal(17, signal.SIG_IGN)\nsignals.reset(17)\npid = os.fork()\nif not pid: os._exit(3)\nprint(os.waitpid(pid, 0)[1] >> 8)") == ["3"]
