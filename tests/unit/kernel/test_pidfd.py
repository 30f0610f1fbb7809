"""Processes held by a descriptor, and what tells them from others."""

import os
import subprocess
import sys
import threading

import pytest

from pyruntime.kernel import pidfd as pidfds

# Its first thread ends, as pthread_exit(3) has it; the process lives on in the other.
HEADLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
print("ready", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.fixture
def thread():
    """The id of a thread that is no process."""
    done = threading.Event()
    started = threading.Thread(target=done.wait)
    started.start()
    yield started.native_id
    done.set()
    started.join()


def test_the_id_of_a_thread_is_no_process(thread):
    assert pidfds.open_any(thread) is None
    assert pidfds.open_process(thread, pidfds.stat(thread)[1]) is None


def test_a_pid_that_nobody_has_is_no_process():
    child = subprocess.Popen(["true"])
    child.wait()
    assert pidfds.open_any(child.pid) is None
    assert pidfds.stat(child.pid) is None


def test_a_zombie_can_be_held_but_is_no_living_process():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    letter, start = pidfds.stat(child.pid)
    assert letter == "Z"
    assert pidfds.open_process(child.pid, start) is None
    held = pidfds.open_any(child.pid)
    assert not os.get_inheritable(held)
    os.close(held)
    child.wait()


def test_a_process_whose_first_thread_has_ended_lives():
    command = [sys.executable, "-c", HEADLESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        while b"Z" not in first_letter(child.pid):
            pass
        letter, start = pidfds.stat(child.pid)
        assert letter == "S"
        os.close(pidfds.open_process(child.pid, start))
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert pidfds.stat(child.pid)[0] == "Z"


def first_letter(pid):
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0]
