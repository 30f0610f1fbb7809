"""Containers whose cgroup systemd makes, with a bus and a systemd of the test's own at its other end.

What a true systemd does with it is shown in guest/test_systemd.py.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from fake_systemd import ERRORS, Systemd

CGROUPS = Path("/sys/fs/cgroup")
SCOPE = CGROUPS / "test.slice" / "test-deep.slice" / "box-c1.scope"
EXISTS = (ERRORS + "UnitExists", "s", ("exists",))


@pytest.fixture
def booted(containers):
    """/run/systemd/system, in the test's own view of /run/systemd."""
    place = Path("/run/systemd")
    made = not place.exists()
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(place)], check=True)
    (place / "system").mkdir()
    yield
    subprocess.run(["umount", str(place)], check=True)
    if made:
        place.rmdir()


@pytest.fixture
def systemd(tmp_path, booted):
    """A systemd; it removes its slices, in which by then nothing may be left, at the end."""
    made = Systemd(tmp_path / "bus", root=CGROUPS)
    yield made
    made.close()
    for directory in sorted(CGROUPS.rglob("*.slice"), reverse=True):
        directory.rmdir()


@pytest.fixture
def call(runtime, systemd):
    """Run a command line by the driver."""

    def run(*arguments, **options):
        environment = os.environ | systemd.environment
        return runtime("--systemd-cgroup", *arguments, env=environment, **options)

    return run


@pytest.fixture
def box(bundle):
    """A bundle whose container sleeps in a scope."""
    bundle.config["process"]["args"] = ["sleep", "1000"]
    bundle.config["linux"]["cgroupsPath"] = "test-deep.slice:box:c1"
    bundle.save()
    return bundle


def own_cgroup(pid):
    return Path(f"/proc/{pid}/cgroup").read_text().partition("0::")[2].splitlines()[0]


def success(done):
    assert done.returncode == 0, done.stderr
    return done


def test_a_container_lives_and_dies_in_its_scope(call, systemd, box, containers, runtime):
    success(call("create", "--bundle", box.path, "c1"))
    state = containers.state("c1")
    assert own_cgroup(state["pid"]) == "/test.slice/test-deep.slice/box-c1.scope"
    assert state["cgroup"] == str(SCOPE)
    assert state["unit"] == "system/box-c1.scope"
    assert (SCOPE / "cgroup.procs").read_text().split() == [str(state["pid"])]
    told = systemd.properties()
    assert told["Slice"] == "test-deep.slice"
    assert told["Delegate"] is True
    assert len(told["PIDs"]) == 1
    assert told["PIDs"] != [state["pid"]]
    assert not Path(f"/proc/{told['PIDs'][0]}").exists()
    success(call("start", "c1"))
    success(call("kill", "c1", "KILL"))
    success(runtime("delete", "--force", "c1", env=os.environ | systemd.environment))
    assert systemd.units == {}
    assert systemd.members()[-2:] == ["StopUnit", "ResetFailedUnit"]
    assert not SCOPE.exists()


def test_run_leaves_nothing(call, systemd, box):
    box.config["process"]["args"] = ["sh", "-c", "grep ^0 /proc/self/cgroup; exit 7"]
    box.save()
    done = call("run", "--bundle", box.path, "c1")
    assert (done.returncode, done.stdout) == (7, "0::/\n")
    assert systemd.units == {}
    assert not SCOPE.exists()


def test_the_other_option_and_the_default_names(runtime, systemd, bundle, containers):
    environment = os.environ | systemd.environment
    bundle.config["linux"].pop("cgroupsPath", None)
    bundle.save()
    line = ("--cgroup-manager", "systemd", "create", "--bundle", bundle.path, "c1")
    success(runtime(*line, env=environment))
    assert containers.state("c1")["cgroup"] == f"{CGROUPS}/system.slice/pyruntime-c1.scope"
    success(runtime("delete", "--force", "c1", env=environment))


def test_the_cgroup_of_an_annotation_lies_in_the_units(call, systemd, box, containers):
    box.config["annotations"] = {"run.oci.systemd.subgroup": "inner"}
    box.save()
    success(call("create", "--bundle", box.path, "c1"))
    state = containers.state("c1")
    assert state["cgroup"] == f"{SCOPE}/inner"
    assert own_cgroup(state["pid"]).endswith("box-c1.scope/inner")
    assert (SCOPE / "cgroup.procs").read_text() == ""
    given = (SCOPE / "cgroup.subtree_control").read_text().split()
    assert given == (SCOPE / "cgroup.controllers").read_text().split()
    success(call("delete", "--force", "c1"))
    assert not SCOPE.exists()


@pytest.mark.parametrize("result", ["failed", "canceled", "timeout", "dependency", "skipped"])
def test_a_job_that_does_not_end_well_is_told_and_undone(call, systemd, box, containers, result):
    systemd.results.append(result)
    done = call("create", "--bundle", box.path, "c1")
    assert done.returncode == 1
    assert f"start the unit box-c1.scope: its job ended as {result}" in done.stderr
    assert containers.ids() == []
    assert systemd.units == {}
    assert not SCOPE.exists()


def test_a_scope_that_is_elsewhere_is_told_and_left_alone(call, systemd, box, containers):
    systemd.astray = "other.scope"
    done = call("create", "--bundle", box.path, "c1")
    assert done.returncode == 1
    told = "into the cgroup /test.slice/test-deep.slice/other.scope of version 2, not into"
    assert told in done.stderr
    assert containers.ids() == []
    assert "StopUnit" not in systemd.members()
    (SCOPE.parent / "other.scope").rmdir()


def test_an_error_of_systemd_is_told_in_its_words(call, systemd, box, containers):
    systemd.refuse["StartTransientUnit"] = [
        ("org.freedesktop.DBus.Error.PropertyReadOnly", "s", ("Cannot set property Foo",))
    ]
    done = call("create", "--bundle", box.path, "c1")
    assert done.returncode == 1
    assert "start the unit box-c1.scope: Cannot set property Foo" in done.stderr
    assert containers.ids() == []
    assert "StopUnit" not in systemd.members()


def test_a_unit_that_has_failed_before_gives_way(call, systemd, box, containers):
    systemd.refuse["StartTransientUnit"] = [EXISTS]
    success(call("create", "--bundle", box.path, "c1"))
    asked = [member for member in systemd.members() if member not in ("Hello", "AddMatch")]
    assert asked == ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"]
    success(call("delete", "--force", "c1"))


def test_the_unit_of_another_container_is_left_alone(call, systemd, box, containers):
    success(call("create", "--bundle", box.path, "c1"))
    done = call("create", "--bundle", box.path, "c2")
    assert done.returncode == 1
    assert "UnitExists" in done.stderr
    assert containers.ids() == ["c1"]
    assert "StopUnit" not in systemd.members()
    assert own_cgroup(containers.state("c1")["pid"]).endswith("box-c1.scope")
    success(call("delete", "--force", "c1"))


@pytest.mark.parametrize("member", ["Hello", "StartTransientUnit"])
def test_a_connection_that_is_lost_is_made_anew(call, systemd, box, containers, member):
    systemd.cut[member] = 1
    success(call("create", "--bundle", box.path, "c1"))
    success(call("delete", "--force", "c1"))


def test_without_a_connection_nothing_is_left(call, systemd, box, containers):
    systemd.cut["Hello"] = 9
    done = call("create", "--bundle", box.path, "c1")
    assert done.returncode == 1
    assert "start the unit box-c1.scope: " in done.stderr
    assert containers.ids() == []


def test_without_a_bus_and_without_a_systemd_there_is_the_cure(runtime, booted, box, containers):
    environment = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nosuch"}
    line = ("--systemd-cgroup", "create", "--bundle", box.path, "c1")
    done = runtime(*line, env=environment)
    assert done.returncode == 1
    assert "systemd cannot be reached: connect to /nosuch: no such file or directory" in done.stderr
    Path("/run/systemd/system").rmdir()
    done = runtime(*line)
    assert done.returncode == 1
    assert "systemd does not run here" in done.stderr
    assert "--cgroup-manager cgroupfs" in done.stderr
    assert containers.ids() == []


def test_a_create_that_is_asked_to_end_undoes_itself(launcher, systemd, box, containers):
    systemd.mute.add("StartTransientUnit")
    words = ["--root", str(containers.root), "--systemd-cgroup", "create", "--bundle", str(box.path), "c1"]
    process = subprocess.Popen(
        [str(launcher), *words], env=os.environ | systemd.environment, stderr=subprocess.PIPE, text=True
    )
    holder = waited_for(systemd)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "interrupted by SIGTERM" in said
    assert not Path(f"/proc/{holder}").exists()
    assert containers.ids() == []


def test_a_killed_create_leaves_what_delete_force_removes(launcher, call, systemd, box, containers):
    systemd.mute.add("StartTransientUnit")
    words = ["--root", str(containers.root), "--systemd-cgroup", "create", "--bundle", str(box.path), "c1"]
    process = subprocess.Popen([str(launcher), *words], env=os.environ | systemd.environment)
    holder = waited_for(systemd)
    process.kill()
    process.wait()
    ended(holder)
    systemd.mute.clear()
    systemd.units["box-c1.scope"] = None  # that systemd had got so far
    success(call("delete", "--force", "c1"))
    assert containers.ids() == []
    assert systemd.units == {}


def waited_for(systemd):
    """The pid of the process that holds the place, once systemd has been asked."""
    deadline = time.monotonic() + 60
    while "StartTransientUnit" not in systemd.members():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return systemd.properties()["PIDs"][0]


def ended(pid):
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("content", ["", "{", '{"format": 99}'])
def test_a_damaged_state_does_not_keep_the_unit(call, systemd, box, containers, content):
    success(call("create", "--bundle", box.path, "c1"))
    pid = containers.state("c1")["pid"]
    (containers.root / "c1" / "state.json").write_text(content)
    success(call("delete", "--force", "c1"))
    assert systemd.units == {}
    assert not SCOPE.exists()
    ended(pid)


def test_where_systemd_is_gone_delete_warns_and_removes_the_rest(call, runtime, systemd, box, containers):
    success(call("create", "--bundle", box.path, "c1"))
    environment = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nosuch"}
    done = success(runtime("delete", "--force", "c1", env=environment))
    assert "stop the unit box-c1.scope: systemd cannot be reached" in done.stderr
    assert containers.ids() == []
    assert not SCOPE.exists()


def test_a_later_failure_has_the_unit_stopped(call, systemd, box, containers):
    box.config["process"]["args"] = ["/no/such/program"]
    box.save()
    done = call("create", "--bundle", box.path, "c1")
    assert done.returncode == 1
    assert "no such file or directory" in done.stderr
    assert systemd.units == {}
    assert containers.ids() == []
    assert not SCOPE.exists()


def test_an_older_systemd_is_not_told_what_it_does_not_know(call, systemd, box):
    systemd.version = "249.11"
    box.config["annotations"] = {"org.systemd.property.TimeoutStopSec": "5"}
    box.save()
    success(call("create", "--bundle", box.path, "c1"))
    assert systemd.properties()["TimeoutStopUSec"] == 5_000_000
    assert "Get" not in systemd.members()
    success(call("delete", "--force", "c1"))


def test_hooks_find_the_cgroup_already_made(call, systemd, box, tmp_path):
    out = tmp_path / "said"
    box.config["hooks"] = {
        "createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"ls -d {SCOPE} > {out}"]}]
    }
    box.save()
    success(call("create", "--bundle", box.path, "c1"))
    assert out.read_text().strip() == str(SCOPE)
    document = json.loads(call("state", "c1").stdout)
    assert document["status"] == "created"
    success(call("delete", "--force", "c1"))
