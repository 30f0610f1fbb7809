"""The time namespace: the offsets that are written, and in which order it is made."""

import pytest

from pyruntime import errors
from pyruntime.feature import clocks


def planned(offsets=None):
    return clocks.plan({"linux": {"timeOffsets": offsets}} if offsets is not None else {"linux": {}})


@pytest.mark.parametrize("offsets", [None, {}, {"boottime": {}}])
def test_without_offsets_nothing_is_written(offsets):
    step = planned(offsets)
    assert step.offsets == ""
    assert step.describe() == "enter a new time namespace"


def test_offsets_are_lines_of_timens_offsets():
    step = planned({"boottime": {"secs": -7, "nanosecs": 9}, "monotonic": {"nanosecs": 3}})
    assert step.offsets == "monotonic 0 3\nboottime -7 9\n"
    assert step.describe() == "enter a new time namespace, offsets monotonic 0 3, boottime -7 9"
    assert planned({"boottime": {"secs": 5}}).offsets == "boottime 5 0\n"


def test_what_fails_is_said_and_the_procfs_is_closed(monkeypatch):
    closed = []
    monkeypatch.setattr("pyruntime.feature.procfs.private", lambda: 77)
    monkeypatch.setattr("posix.close", closed.append)

    def refuse(_flags):
        raise OSError(22, "no")

    monkeypatch.setattr("pyruntime.kernel.process.unshare", refuse)
    with pytest.raises(errors.KernelError) as caught:
        clocks.enter(planned())
    assert caught.value.say() == (
        "make a time namespace: invalid argument (this kernel was built without time namespaces)"
    )
    assert closed == [77]
