"""What the caller handed over, as the children of this process get it."""

import json
import os
import subprocess
import sys

from pyruntime.container import caller

SHOW = """
import sys
sys.path.insert(0, sys.argv[1])
from pyruntime.container import caller
found = caller.note()
print([list(found.descriptors), {k.decode(): v.decode() for k, v in found.environment.items()}])
"""


def noted(environment, pass_fds=()):
    root = caller.__file__.removesuffix("/pyruntime/container/caller.py")
    done = subprocess.run(
        [sys.executable, "-IS", "-c", SHOW, root],
        env=environment, pass_fds=pass_fds, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.replace("'", '"'))


def test_no_descriptor_of_the_interpreters_is_noted():
    assert noted({})[0] == []


def test_the_callers_descriptors_are_noted_in_order():
    given = [os.open("/dev/null", os.O_RDONLY) for _ in range(3)]
    try:
        assert noted({}, pass_fds=given)[0] == sorted(given)
    finally:
        for descriptor in given:
            os.close(descriptor)


def test_the_locale_that_the_interpreter_added_is_taken_out():
    assert noted({"XDG_RUNTIME_DIR": "/x"})[1] == {"XDG_RUNTIME_DIR": "/x"}
    assert noted({})[1] == {}


def test_the_callers_own_locale_is_kept():
    for value in ("C", "POSIX", "C.UTF-8", "de_DE.UTF-8", ""):
        assert noted({"LC_CTYPE": value, "A": "b=c"})[1] == {"LC_CTYPE": value, "A": "b=c"}


def test_a_descriptor_that_closes_on_exec_is_not_the_callers():
    own = os.open("/dev/null", os.O_RDONLY)
    handed = os.dup(own)
    os.set_inheritable(handed, True)
    try:
        found = caller.note().descriptors
        assert handed in found
        assert own not in found
    finally:
        os.close(own)
        os.close(handed)
