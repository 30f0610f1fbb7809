"""Counting what the OOM killer took."""

import pytest

from pyruntime import errors
from pyruntime.feature.cgroup import oom

EVENTS = "low 0\nhigh 3\nmax 17\noom 5\noom_kill 4\noom_group_kill 1\n"


@pytest.mark.parametrize(
    ("text", "count"), [(EVENTS, 4), ("", 0), ("oom 5\noom_group_kill 2\n", 0), ("oom_kill 0\n", 0)]
)
def test_only_kills_are_counted(text, count):
    assert oom.counted(text) == count


def test_the_file_of_the_cgroup_is_read(tmp_path):
    (tmp_path / "memory.events").write_text(EVENTS)
    assert oom.oom_kills(str(tmp_path)) == 4


@pytest.mark.parametrize("place", ["", "/nosuch/cgroup"])
def test_where_there_is_nothing_nothing_was_killed(place):
    assert oom.oom_kills(place) == 0


def test_whether_it_counts_is_told_by_the_file(tmp_path):
    assert not oom.is_counted(str(tmp_path))
    assert not oom.is_counted("/nosuch/cgroup")
    (tmp_path / "memory.events").write_text("oom_kill 0\n")
    assert oom.is_counted(str(tmp_path))


def test_a_cgroup_without_the_controller_counts_none(tmp_path):
    assert oom.oom_kills(str(tmp_path)) == 0


def test_what_cannot_be_read_is_told(tmp_path):
    (tmp_path / "memory.events").mkdir()
    with pytest.raises(errors.KernelError, match="memory.events"):
        oom.oom_kills(str(tmp_path))
