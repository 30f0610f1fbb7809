"""The line to systemd: where it is looked for, what is asked, and what happens when it breaks."""

import os
import signal

import pytest
from fake_systemd import ERRORS, PLACE, Systemd

from pyruntime.feature.cgroup import bus, busaddress, systemd
from pyruntime.kernel import signals

SYSTEM = (b"/run/dbus/system_bus_socket", False)
PRIVATE = (b"/run/systemd/private", True)


@pytest.fixture
def server(tmp_path, monkeypatch):
    made = Systemd(tmp_path / "bus")
    monkeypatch.setattr(systemd.posix, "environ", {
        name.encode(): value.encode() for name, value in made.environment.items()
    })  # fmt: skip
    yield made
    made.close()


@pytest.fixture
def line(server):
    opened = systemd.reach("system")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("manager", "environment", "euid", "found"),
    [
        ("system", {}, 0, [SYSTEM, PRIVATE]),
        ("system", {}, 5, [SYSTEM]),
        ("system", {b"DBUS_SYSTEM_BUS_ADDRESS": b"unix:path=/a%20b,guid=1"}, 0, [(b"/a b", False)]),
        (
            "system", {b"DBUS_SYSTEM_BUS_ADDRESS": b"tcp:host=a;unix:abstract=x;unix:path=/y"}, 0,
            [(b"\0x", False), (b"/y", False)],
        ),
        ("user", {b"DBUS_SESSION_BUS_ADDRESS": b"unix:path=/s"}, 5, [(b"/s", False)]),
        (
            "user", {b"XDG_RUNTIME_DIR": b"/x"}, 5,
            [(b"/x/bus", False), (b"/x/systemd/private", True)],
        ),
        ("user", {}, 5, [(b"/run/user/5/bus", False), (b"/run/user/5/systemd/private", True)]),
    ],
)  # fmt: skip
def test_a_manager_is_looked_for_where_engines_and_systemctl_find_it(manager, environment, euid, found):
    assert busaddress.addresses(manager, environment, euid) == found


@pytest.mark.parametrize("told", [b"tcp:host=a", b"unix:", b"x", b"unix:tmpdir=/tmp"])
def test_an_address_without_a_socket_is_refused_by_its_words(told):
    with pytest.raises(bus.errors.RuntimeFailure) as caught:
        busaddress.addresses("system", {b"DBUS_SYSTEM_BUS_ADDRESS": told}, 0)
    assert told.decode() in caught.value.say()


def test_nobody_there_is_told_with_the_place(tmp_path):
    places = [(str(tmp_path / name).encode(), False) for name in ("one", "two")]
    with pytest.raises(bus.Lost) as caught:
        bus.Bus(places)
    place = tmp_path / "one"
    assert caught.value.say() == f"systemd cannot be reached: connect to {place}: no such file or directory"


def test_the_second_place_is_taken_where_nobody_is_at_the_first(server, tmp_path):
    line = bus.Bus([(b"/nosuch", False), (server.path.encode(), False)])
    assert line.version() == 257
    line.close()
    line.close()


def test_on_the_bus_we_greet_and_ask_for_the_ends_of_jobs_only(server, line):
    assert line.version() == 257
    assert line.version() == 257
    assert server.members() == ["Hello", "AddMatch", "Get"]
    assert "member='JobRemoved'" in server.arguments("AddMatch")[0]
    assert server.arguments("Get") == ("org.freedesktop.systemd1.Manager", "Version")


def test_systemd_itself_is_not_greeted(server):
    line = bus.Bus([(server.path.encode(), True)])
    line.version()
    line.close()
    assert server.members() == ["Get"]


@pytest.mark.parametrize(("told", "number"), [("252.1-1", 252), ("v249", 249), ("255~rc1", 255), ("x", 0)])
def test_versions_are_read_as_distributions_write_them(server, line, told, number):
    server.version = told
    assert line.version() == number


@pytest.mark.parametrize("result", ["done", "failed", "canceled", "timeout", "dependency", "skipped"])
def test_the_end_of_a_job_is_heard_although_it_comes_before_the_answer(server, line, result):
    server.units["a.scope"] = None
    server.results.append(result)
    (job,) = line.ask("StopUnit", "ss", "a.scope", "replace")
    assert line.result(job) == result


@pytest.mark.parametrize(
    ("signature", "body"),
    [("uoss", (1, f"{PLACE}/job/1", "a.scope", "done")), ("s", ("nonsense",)), (None, ()), ("uosv", (1, "/", "", ("s", "")))],
)  # fmt: skip
def test_what_another_on_the_bus_says_of_a_job_is_not_believed(server, line, signature, body):
    """Everybody may send a signal to everybody there."""
    server.units["a.scope"] = None
    server.results.append("failed")
    server.strangers.append((signature, body))
    (job,) = line.ask("StopUnit", "ss", "a.scope", "replace")
    assert line.result(job) == "failed"


def test_an_error_is_told_with_its_words_and_its_name(line):
    with pytest.raises(bus.Refused) as caught:
        line.ask("StopUnit", "ss", "a.scope", "replace")
    assert caught.value.name == ERRORS + "NoSuchUnit"
    assert caught.value.say() == f"Unit a.scope not loaded. ({ERRORS}NoSuchUnit)"


def test_a_connection_that_ends_is_told(server, line):
    server.cut["StopUnit"] = 1
    with pytest.raises(bus.Lost, match="was closed|broke"):
        line.ask("StopUnit", "ss", "a.scope", "replace")


@pytest.mark.parametrize("said", [b"REJECTED EXTERNAL\r\n", b"\0" * 20000, b"ERROR\r\n"])
def test_a_bus_that_refuses_us_or_is_none_is_told(server, said):
    server.said = said
    line = systemd.reach("system")
    with pytest.raises(bus.Lost, match=r"refuses this user|does not speak D-Bus"):
        line.version()
    line.close()


def test_what_is_no_message_is_told(server):
    server.said = b"OK 0\r\n" + b"nonsense" * 4
    line = systemd.reach("system")
    with pytest.raises(bus.Lost, match="cannot be read"):
        line.version()
    line.close()


def test_a_systemd_that_never_answers_is_given_up(server, line, monkeypatch):
    server.mute.add("StopUnit")
    monkeypatch.setattr(bus, "PATIENCE_S", 0.05)
    with pytest.raises(bus.Lost, match="no answer"):
        line.ask("StopUnit", "ss", "a.scope", "replace")


def test_a_signal_that_asks_to_end_ends_the_wait(server):
    server.mute.add("StopUnit")
    reading, writing = os.pipe()
    os.write(writing, bytes((signal.SIGTERM, *[0] * 127)))
    line = systemd.reach("system", reading)
    with pytest.raises(signals.Interrupted):
        line.ask("StopUnit", "ss", "a.scope", "replace")
    line.close()
    os.close(reading)
    os.close(writing)


def test_stopping_a_unit_waits_and_lets_systemd_forget_it(server):
    server.units["a.scope"] = None
    systemd.stop("system/a.scope")
    assert server.members()[2:] == ["StopUnit", "ResetFailedUnit"]
    assert server.arguments("StopUnit") == ("a.scope", "replace")


def test_a_unit_that_is_gone_need_not_be_stopped(server):
    systemd.stop("system/a.scope")
    assert server.members()[2:] == ["StopUnit"]


def test_a_unit_that_cannot_be_stopped_is_told_and_its_cgroup_removed_all_the_same(
    server, tmp_path, capfd
):
    server.refuse["StopUnit"] = [("org.freedesktop.DBus.Error.AccessDenied", "s", ("no",))]
    directory = tmp_path / "system.slice" / "a.scope"
    directory.mkdir(parents=True)
    with pytest.raises(bus.errors.RuntimeFailure, match="stop the unit a.scope: no"):
        systemd.stop("system/a.scope")
    server.refuse["StopUnit"] = [("org.freedesktop.DBus.Error.AccessDenied", "s", ("no",))]
    systemd.clear("system/a.scope", str(directory))
    assert "stop the unit a.scope: no" in capfd.readouterr().err
    assert not directory.exists()


def test_new_values_are_set_for_a_unit_that_runs(server):
    told = [("MemoryMax", "t", 1 << 30, 0), ("CPUQuotaPeriodUSec", "t", 5, 242), ("Novel", "b", True, 999),
            ("OOMPolicy", "s", "kill", 253)]  # fmt: skip
    systemd.set_properties("system/a.scope", told)
    name, runtime, properties = server.arguments("SetUnitProperties")
    assert (name, runtime) == ("a.scope", True)
    assert properties == [("MemoryMax", ("t", 1 << 30)), ("CPUQuotaPeriodUSec", ("t", 5))]


def test_the_version_is_asked_only_where_it_matters(server):
    systemd.set_properties("system/a.scope", [("MemoryMax", "t", 1, 0)])
    assert "Get" not in server.members()


def test_the_directory_of_a_unit_is_found_above_a_cgroup_in_it():
    assert systemd.top("system/a.scope", "/s/x.slice/a.scope") == "/s/x.slice/a.scope"
    assert systemd.top("system/a.scope", "/s/x.slice/a.scope/box") == "/s/x.slice/a.scope"
    assert systemd.top("system/a.scope", "/s/a.scope/a.scope") == "/s/a.scope"
    assert systemd.top("system/cpu.scope", "/s/_cpu.scope/box") == "/s/_cpu.scope"
