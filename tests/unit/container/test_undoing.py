"""What is said of a child that its limit of memory has killed."""

from types import SimpleNamespace

import pytest

from pyruntime import errors
from pyruntime.container import undoing

KILLED = "container's init was killed while it was made"


class Place:
    def __init__(self):
        self.left = False

    def let_go(self):
        self.left = True


def birth(directory, memory, done=()):
    """One that came as far as a child, with nothing to undo."""
    config = {"linux": {"resources": {"memory": memory}}}
    return SimpleNamespace(
        pid=1, lock=-1, place=Place(), undoing=[], state={"cgroup": str(directory)},
        plan=SimpleNamespace(config=config), entry=SimpleNamespace(has=set(done).__contains__),
        run_hooks=lambda *_: None,
    )  # fmt: skip


def told(failed, failure):
    """What is said at the end, when `failure` was the reason to undo."""
    with pytest.raises(errors.RuntimeFailure) as caught:
        try:
            raise failure
        except errors.RuntimeFailure:
            undoing.undo(failed)
            raise
    assert failed.place.left
    return caught.value.say()


@pytest.mark.parametrize(
    ("memory", "end"),
    [
        ({"limit": 4096}, "the limit is 4096 bytes, and making a container takes some 2 MiB"),
        ({}, "container init was OOM-killed (memory limit too low?)"),
        ({"limit": -1}, "container init was OOM-killed (memory limit too low?)"),
    ],
)
def test_a_kill_that_the_kernel_has_counted_is_told(tmp_path, memory, end):
    (tmp_path / "memory.events").write_text("oom_kill 1\n")
    said = told(birth(tmp_path, memory), errors.ChildFailed(KILLED))
    assert said.startswith("container init was OOM-killed")
    assert said.endswith(end)


def test_where_the_count_went_with_the_cgroup_the_limit_is_suspected(tmp_path):
    said = told(birth(tmp_path / "gone", {"limit": 4096}), errors.ChildFailed(KILLED))
    assert said == f"{KILLED}: is the limit of memory, 4096 bytes, too low (making a container takes some 2 MiB)?"


def test_what_has_other_reasons_keeps_them(tmp_path):
    failed = errors.ChildFailed(KILLED)
    gone = tmp_path / "gone"
    assert told(birth(gone, {}), failed) == KILLED  # no limit
    assert told(birth(gone, {"limit": 4096}, done=["state.json"]), failed) == KILLED  # it came to be
    assert told(birth("", {"limit": 4096}), failed) == KILLED  # no cgroup
    assert told(birth(gone, {"limit": 4096}), errors.RuntimeFailure("a disk is full")) == "a disk is full"
    (tmp_path / "memory.events").write_text("oom_kill 0\n")
    assert told(birth(tmp_path, {"limit": 4096}), failed) == KILLED  # counted, and none
