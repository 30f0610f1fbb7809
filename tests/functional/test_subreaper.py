"""The one prctl(2) of `run`, by the door; python-prctl is the authority on what it did."""

import os

import prctl
import pytest

from pyruntime.kernel import process


@pytest.mark.anyone
def test_the_door_makes_a_subreaper_as_the_library_sees_it():
    pid = os.fork()
    if pid == 0:
        before = prctl.get_child_subreaper()
        prctl.set_child_subreaper(0)
        process.set_child_subreaper()
        os._exit(0 if prctl.get_child_subreaper() == 1 and before in (0, 1) else 1)
    assert os.waitpid(pid, 0)[1] == 0
