"""The state directory: what an id may be, that files are whole, that the lock is one, what is removed."""

import fcntl
import json
import os
import threading
import time

import pytest

from pyruntime import errors
from pyruntime.container import store
from pyruntime.container.claim import Claim

SAVED = {
    "format": store.FORMAT, "ociVersion": "1.3.0", "id": "c1", "pid": 1, "start_time": 2,
    "bundle": "/b", "rootfs": "/b/rootfs", "created": "2026-01-01T00:00:00.0Z",
    "annotations": {"name": "\udcff é"}, "cgroup": "", "mounted": "", "private_pid": True,
    "hooks": {"poststart": [], "poststop": []},
}  # fmt: skip


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "deep" / "root")


@pytest.fixture
def claim(root):
    made = Claim(root, "c1")
    made.make(root)
    return made


@pytest.mark.parametrize("name", ["a", "A-b_c.d+9", "x" * 255, "-", "...", ".hidden"])
def test_letters_digits_and_some_signs_are_an_id(name):
    assert store.Entry("/r", name).directory == f"/r/{name}"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a b", "x" * 256, "é", "a\0", "@seccomp", "a\n"])
def test_anything_else_is_no_id(name):
    with pytest.raises(errors.UsageError, match="^invalid container ID format$"):
        store.Entry("/r", name)


def test_an_id_is_claimed_once(claim, root):
    assert claim.exists()
    with pytest.raises(errors.AlreadyExists, match="^container with given ID already exists$"):
        Claim(root, "c1").make(root)


def test_root_and_directory_are_private(claim, root):
    assert os.stat(root).st_mode & 0o777 == 0o700
    assert os.stat(claim.directory).st_mode & 0o777 == 0o700


def test_a_state_is_read_as_it_was_saved(claim):
    claim.save(SAVED)
    assert claim.load() == SAVED
    assert os.stat(claim.path("state.json")).st_mode & 0o777 == 0o600
    assert "state.json.new" not in os.listdir(claim.directory)


def test_a_reader_sees_the_old_state_or_the_new_one(claim):
    claim.save(SAVED)
    with open(claim.path("state.json")) as old:
        claim.save(SAVED | {"pid": 99})
        assert json.load(old)["pid"] == 1
    assert claim.load()["pid"] == 99


def test_a_file_that_cannot_be_written_is_named(claim):
    os.mkdir(claim.path("config.json"))
    with pytest.raises(errors.KernelError) as failure:
        claim.write("config.json", b"x")
    assert "config.json" in failure.value.say()


def test_a_link_in_the_way_is_not_followed(claim, tmp_path):
    target = tmp_path / "target"
    target.write_text("kept")
    os.symlink(target, claim.path("state.json.new"))
    with pytest.raises(errors.KernelError):
        claim.save(SAVED)
    assert target.read_text() == "kept"


def test_what_is_not_there_does_not_exist(root):
    entry = store.Entry(root, "nx")
    assert not entry.exists()
    for ask in (entry.load, entry.lock):
        with pytest.raises(errors.NotFound, match="^container does not exist$"):
            ask()
    entry.remove()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": 2}', b'{"format": 1}', b'{"format": "1"}'],
)
def test_a_damaged_state_is_named(claim, content):
    claim.write("state.json", content)
    with pytest.raises(errors.RuntimeFailure) as failure:
        claim.load()
    assert "state.json" in failure.value.say()


def test_a_state_that_lacks_a_key_or_has_another_type_there_is_damaged(claim):
    for key in SAVED:
        for wrong in ({name: SAVED[name] for name in SAVED if name != key}, SAVED | {key: None}):
            claim.save(wrong)
            with pytest.raises(errors.RuntimeFailure, match=r"state\.json"):
                claim.load()


def test_traces_survive_the_state(claim):
    assert claim.traces() == ("", "", "", [])
    claim.trace({"cgroup": "/sys/fs/cgroup/c1", "mounted": ""})
    assert claim.traces() == ("/sys/fs/cgroup/c1", "", "", [])
    groups = ["/sys/fs/resctrl/c1/mon_groups/c1", "/sys/fs/resctrl/c1"]
    claim.trace({"cgroup": "/sys/fs/cgroup/\udcff", "mounted": "/b/rootfs", "resctrl": groups})
    assert claim.traces() == ("/sys/fs/cgroup/\udcff", "", "/b/rootfs", groups)
    claim.trace({"cgroup": "/sys/fs/cgroup/a.slice/c.scope", "mounted": "", "unit": "system/c.scope"})
    assert claim.traces() == ("/sys/fs/cgroup/a.slice/c.scope", "system/c.scope", "", [])
    with open(claim.path("traces"), "w") as file:
        file.write("cut")
    assert claim.traces() == ("", "", "", [])


def test_the_fifos_are_open_at_both_ends_and_private(claim):
    for descriptor, name in zip(claim.make_fifos(), (store.GO, store.RESULT), strict=True):
        os.write(descriptor, b"0")
        assert os.read(descriptor, 2) == b"0"
        assert os.stat(claim.path(name)).st_mode == 0o010600
        assert not os.get_inheritable(descriptor)
        os.close(descriptor)


def test_the_lock_is_held_by_one_at_a_time(claim):
    first = claim.lock()
    order = []

    def second():
        descriptor = claim.lock()
        order.append("second")
        os.close(descriptor)

    waiting = threading.Thread(target=second)
    waiting.start()
    time.sleep(0.03)
    order.append("first")
    os.close(first)
    waiting.join(60)
    assert order == ["first", "second"]


def test_patience_ends(claim):
    first = claim.lock()
    began = time.monotonic()
    os.close(claim.lock(0.05))
    assert 0.05 <= time.monotonic() - began < 60
    with pytest.raises(BlockingIOError):
        other = os.open(claim.path("lock"), os.O_RDWR)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(other)
    os.close(first)


def test_the_lock_does_not_reach_other_programs(claim):
    descriptor = claim.lock()
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_a_file_can_be_forgotten_twice(claim):
    claim.write("x", b"")
    assert claim.has("x")
    claim.forget("x")
    claim.forget("x")
    assert not claim.has("x")


def test_all_is_removed(claim, root):
    claim.save(SAVED)
    claim.trace(SAVED)
    os.symlink("/etc", claim.path("link"))
    for descriptor in claim.make_fifos():
        os.close(descriptor)
    claim.remove()
    claim.remove()
    assert os.listdir(root) == []
    assert os.path.isdir("/etc")
