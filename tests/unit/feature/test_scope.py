"""What having a unit made leaves when the birth fails, at a systemd of the test's own."""

import os
import signal
import time

import pytest
from fake_systemd import Systemd

from pyruntime.feature.cgroup import removal, systemd
from pyruntime.feature.cgroup.unit import ScopeStep


@pytest.fixture
def server(tmp_path, monkeypatch):
    made = Systemd(tmp_path / "bus")
    address = made.environment["DBUS_SYSTEM_BUS_ADDRESS"].encode()
    monkeypatch.setattr(systemd.posix, "environ", {b"DBUS_SYSTEM_BUS_ADDRESS": address})
    monkeypatch.setattr(systemd, "_BOOTED", str(tmp_path))
    yield made
    made.close()


def place(name, tmp_path):
    return ScopeStep("system", name, "a.slice", base="", root=str(tmp_path), subgroup="", told=[]).place()


def test_a_slice_of_a_birth_that_fails_early_is_not_left(server, tmp_path):
    """Nothing is in a slice, so unlike a scope it does not end by itself."""
    made = place("a-box.slice", tmp_path)
    made.begin()
    time.sleep(0.2)  # for a call that is under way
    made.let_go()
    made.unmake()
    assert server.units == {}


def test_a_slice_is_begun_when_it_is_waited_for(server, tmp_path):
    made = place("a-box.slice", tmp_path)
    directory = tmp_path / "a.slice" / "a-box.slice"
    directory.mkdir(parents=True)
    (directory / "cgroup.events").write_text("populated 0\nfrozen 0\n")
    made.begin()
    made.make()
    assert list(server.units) == ["a-box.slice"]
    assert os.readlink(f"/proc/self/fd/{made.descriptor}") == str(directory)
    made.let_go()


def test_a_holder_that_is_gone_is_no_error(server, tmp_path):
    """The caller may have its children reaped by the kernel, and another may have ended it."""
    made = place("box.scope", tmp_path)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        made.begin()
        ((_, pids),) = server_told(server)
        os.kill(pids[0], signal.SIGKILL)
        while os.path.exists(f"/proc/{pids[0]}"):
            time.sleep(0.01)
        made.let_go()
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert made.descriptor == -1


def server_told(server):
    """The property PIDs of the unit that was started."""
    limit = time.monotonic() + 10
    while "StartTransientUnit" not in server.members() and time.monotonic() < limit:
        time.sleep(0.01)
    return [value for name, value in server.arguments("StartTransientUnit")[2] if name == "PIDs"]


def test_a_slice_of_which_systemd_has_not_said_whose_it_is_is_stopped_while_it_is_empty(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr(removal, "remove", lambda _directory: None)  # which is no true cgroup
    server.mute.add("StartTransientUnit")
    directory = tmp_path / "a.slice" / "a-box.slice"
    directory.mkdir(parents=True)
    for told, left in (("populated 1", ["a-box.slice"]), ("populated 0", [])):
        (directory / "cgroup.events").write_text(f"{told}\n")
        interrupted = place("a-box.slice", tmp_path)
        interrupted.begin()
        interrupted._ask()
        server_told(server)
        server.units["a-box.slice"] = None
        interrupted.let_go()
        interrupted.unmake()
        assert list(server.units) == left
        server.calls.clear()


@pytest.mark.parametrize(("limit", "while_held"), [("1", "2"), ("63", "64"), ("64", "64"), ("max", "max")])
def test_who_holds_the_place_takes_none_away(server, tmp_path, limit, while_held):
    made = place("box.scope", tmp_path)
    directory = tmp_path / "a.slice" / "box.scope"
    directory.mkdir(parents=True)
    made.begin()
    made.descriptor = os.open(directory, os.O_PATH)
    file = directory / "pids.max"
    file.write_text(limit)
    made.make_room()
    assert file.read_text() == while_held
    made.let_go()
    assert file.read_text() == limit
