"""Containers whose cgroup a true systemd makes: what it then says of them, and that nothing is left."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from conftest import CGROUPS
from functional import inside

from pyruntime.feature.cgroup import systemd
from pyruntime.kernel import bpf

SLICE = "test-deep.slice"
PARENT = CGROUPS / "test.slice" / SLICE
PREFIX = "org.systemd.property."


@pytest.fixture(autouse=True)
def slices(containers):
    """Slices stay when their units are gone, as with other runtimes; here they go with the test."""
    yield
    subprocess.run(["systemctl", "kill", "--signal=KILL", "test.slice"], stderr=subprocess.DEVNULL)
    subprocess.run(["systemctl", "stop", "test.slice"], check=True)


@pytest.fixture
def driven(runtime):
    """Run a command line by the driver."""

    def run(*arguments, **options):
        return runtime("--systemd-cgroup", *arguments, **options)

    return run


@pytest.fixture
def box(bundle):
    """A bundle whose container sleeps in the scope box-c1.scope."""
    bundle.config["process"]["args"] = ["sleep", "1000"]
    bundle.config["linux"]["cgroupsPath"] = f"{SLICE}:box:c1"
    bundle.config["linux"].pop("resources", None)
    bundle.save()
    return bundle


def shown(unit, *names):
    """What systemctl shows of a unit, {name: text}."""
    command = ["systemctl", "show", unit, f"--property={','.join(names)}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in told.splitlines())


def loaded(unit):
    """Whether systemd has it; to show it would not tell, as any slice that is asked for is loaded."""
    command = ["systemctl", "list-units", "--all", "--plain", "--no-legend", unit]
    return unit in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def gone(*units):
    return inside.eventually(lambda: not any(map(loaded, units)))


def reload():
    subprocess.run(["systemctl", "daemon-reload"], check=True)


def well(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


def programs(directory):
    """The names of the device programs of a cgroup."""
    descriptor = os.open(directory, os.O_PATH)
    opened = [bpf.open_program(number) for number in bpf.attached(descriptor)]
    names = [bpf.name(each) for each in opened]
    for each in (descriptor, *opened):
        os.close(each)
    return sorted(names)


def test_a_scope_lives_and_dies_with_its_container(driven, runtime, box, containers):
    well(driven("create", "--bundle", box.path, "c1"))
    state = containers.state("c1")
    assert state["cgroup"] == str(PARENT / "box-c1.scope")
    assert (PARENT / "box-c1.scope" / "cgroup.procs").read_text().split() == [str(state["pid"])]
    names = ("ActiveState", "Slice", "ControlGroup", "Delegate", "Transient", "Description", "DevicePolicy",
             "DefaultDependencies", "MemoryAccounting", "TasksAccounting", "IOAccounting", "CollectMode")  # fmt: skip
    assert shown("box-c1.scope", *names) == {
        "ActiveState": "active", "Slice": SLICE, "ControlGroup": f"/test.slice/{SLICE}/box-c1.scope",
        "Delegate": "yes", "Transient": "yes", "Description": "pyruntime container c1",
        "DevicePolicy": "strict", "DefaultDependencies": "no", "MemoryAccounting": "yes",
        "TasksAccounting": "yes", "IOAccounting": "yes", "CollectMode": "inactive-or-failed",
    }  # fmt: skip
    well(runtime("start", "c1"))  # engines leave the option out of the other commands
    assert '"running"' in well(runtime("state", "c1"))
    well(runtime("kill", "c1", "KILL"))
    inside.eventually(lambda: '"stopped"' in runtime("state", "c1").stdout)
    well(runtime("delete", "c1"))
    assert not loaded("box-c1.scope")
    assert not (PARENT / "box-c1.scope").exists()


def test_default_names_and_names_that_need_escaping(driven, box, containers):
    del box.config["linux"]["cgroupsPath"]
    box.save()
    for name, unit in (("c1", "pyruntime-c1.scope"), ("a+b", "pyruntime-a\\x2bb.scope")):
        well(driven("create", "--bundle", box.path, name))
        assert containers.state(name)["cgroup"] == f"{CGROUPS}/system.slice/{unit}"
        assert shown(unit, "ActiveState", "Slice") == {"ActiveState": "active", "Slice": "system.slice"}
        well(driven("delete", "--force", name))
        assert not loaded(unit)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("test-a-b-c.slice:x:y", "test.slice/test-a.slice/test-a-b.slice/test-a-b-c.slice/x-y.scope"),
        ("-.slice:x:y", "x-y.scope"),
        ("system.slice:cpu.x:y", "system.slice/_cpu.x-y.scope"),
        ("system.slice:memory:.", "system.slice/memory-..scope"),
    ],
)
def test_units_are_where_the_plan_says(driven, box, containers, path, place):
    box.config["linux"]["cgroupsPath"] = path
    box.save()
    well(driven("create", "--bundle", box.path, "c1"))
    assert containers.state("c1")["cgroup"] == f"{CGROUPS}/{place}"
    well(driven("delete", "--force", "c1"))


def test_annotations_are_properties_of_the_unit(driven, box):
    box.config["annotations"] = {
        PREFIX + "TimeoutStopUSec": "uint64 123456789",
        PREFIX + "RuntimeMaxSec": "1000",
        PREFIX + "CollectMode": "'inactive'",
        PREFIX + "Documentation": "['man:a(1)', 'man:b(2)']",
        PREFIX + "SendSIGHUP": "true",
    }
    box.save()
    well(driven("create", "--bundle", box.path, "c1"))
    names = ("TimeoutStopUSec", "RuntimeMaxUSec", "CollectMode", "Documentation", "SendSIGHUP")
    assert shown("box-c1.scope", *names) == {
        "TimeoutStopUSec": "2min 3.456789s", "RuntimeMaxUSec": "16min 40s", "CollectMode": "inactive",
        "Documentation": '"man:a(1)" "man:b(2)"', "SendSIGHUP": "yes",
    }  # fmt: skip
    well(driven("delete", "--force", "c1"))


def test_a_property_that_systemd_has_not_is_told_in_its_words(driven, box, containers):
    box.config["annotations"] = {PREFIX + "NoSuchThing": "true"}
    box.save()
    done = driven("create", "--bundle", box.path, "c1")
    assert done.returncode == 1
    assert "start the unit box-c1.scope: Cannot set property NoSuchThing" in done.stderr
    assert containers.ids() == []
    assert not loaded("box-c1.scope")


def test_a_scope_that_systemd_ended_as_failed_is_forgotten_by_delete(driven, runtime, box):
    box.config["annotations"] = {
        PREFIX + "RuntimeMaxSec": "1", PREFIX + "TimeoutStopSec": "1", PREFIX + "CollectMode": "'inactive'",
    }  # fmt: skip
    box.save()
    well(driven("run", "--detach", "--bundle", box.path, "c1"))
    inside.eventually(lambda: '"stopped"' in runtime("state", "c1").stdout)
    inside.eventually(lambda: shown("box-c1.scope", "ActiveState")["ActiveState"] == "failed")
    well(runtime("delete", "c1"))
    assert not loaded("box-c1.scope")


def test_a_second_container_does_not_touch_the_unit_of_the_first(driven, box, containers):
    well(driven("create", "--bundle", box.path, "c1"))
    done = driven("create", "--bundle", box.path, "c2")
    assert done.returncode == 1
    assert "box-c1.scope was already loaded" in done.stderr
    assert containers.ids() == ["c1"]
    assert shown("box-c1.scope", "ActiveState")["ActiveState"] == "active"
    well(driven("delete", "--force", "c1"))


@pytest.fixture
def odd(box):
    """A device that everybody may open whom the rules let, cpu_dma_latency, as /dev/odd."""
    misc = dict(line.split()[::-1] for line in Path("/proc/misc").read_text().splitlines())
    minor = int(misc["cpu_dma_latency"])
    box.config["linux"]["devices"] = [
        {"path": "/dev/odd", "type": "c", "major": 10, "minor": minor, "fileMode": 0o666}
    ]
    box.save()
    return minor


def opened(runtime):
    """Which ways of opening that device the container has."""
    script = "(: < /dev/odd) 2> /dev/null && echo read; (: > /dev/odd) && echo write; : < /dev/zero && echo zero"
    done = runtime("exec", "c1", "sh", "-c", script)
    if "write" not in done.stdout:
        assert "Operation not permitted" in done.stderr
    return done.stdout.split()


def test_a_reload_of_systemd_keeps_the_device_rules(driven, runtime, box, odd):
    well(driven("run", "--detach", "--bundle", box.path, "c1"))
    before = programs(PARENT / "box-c1.scope")
    assert "pyruntime_dev" in before
    assert opened(runtime) == ["zero"]
    reload()
    assert programs(PARENT / "box-c1.scope") == before
    assert opened(runtime) == ["zero"]
    well(driven("delete", "--force", "c1"))


def test_what_the_rules_allow_systemd_allows_across_a_reload(driven, runtime, box, odd):
    box.config["linux"]["resources"] = {
        "devices": [
            {"allow": False, "access": "rwm"},
            {"allow": True, "type": "c", "major": 10, "minor": odd, "access": "r"},
        ]
    }
    box.save()
    well(driven("run", "--detach", "--bundle", box.path, "c1"))
    assert opened(runtime) == ["read", "zero"]
    reload()
    assert opened(runtime) == ["read", "zero"]
    well(driven("delete", "--force", "c1"))


def test_new_values_of_properties_reach_the_unit_and_the_kernel(driven, box, containers):
    well(driven("create", "--bundle", box.path, "c1"))
    told = [("TasksMax", "t", 77, 0), ("MemoryMax", "t", 1 << 26, 0), ("AllowedCPUs", "ay", b"\1", 244)]
    systemd.set_properties(containers.state("c1")["unit"], told)
    assert shown("box-c1.scope", "TasksMax", "MemoryMax", "AllowedCPUs") == {
        "TasksMax": "77", "MemoryMax": str(1 << 26), "AllowedCPUs": "0"
    }  # fmt: skip
    directory = PARENT / "box-c1.scope"
    assert (directory / "pids.max").read_text() == "77\n"
    assert (directory / "memory.max").read_text() == f"{1 << 26}\n"
    assert (directory / "cpuset.cpus").read_text() == "0\n"
    well(driven("delete", "--force", "c1"))


LIMITS = {
    "memory": {"limit": 1 << 26, "swap": 1 << 26, "reservation": 1 << 25},
    "pids": {"limit": 99},
    "cpu": {"shares": 512, "quota": 33333, "period": 50000, "cpus": "0"},
    "unified": {"memory.high": "60000000", "memory.oom.group": "1"},
}
FILES = {
    "memory.max": str(1 << 26), "memory.swap.max": "0", "memory.low": str(1 << 25), "pids.max": "99",
    "cpu.weight": "59", "cpu.max": "33333 50000", "cpuset.cpus": "0", "memory.oom.group": "1",
}  # fmt: skip


def held(directory, names):
    """What the files of a cgroup hold, {name: text}."""
    return {name: (directory / name).read_text().strip() for name in names}


def test_limits_are_in_systemds_book_and_in_the_files_and_outlive_a_reload(driven, box):
    box.config["linux"]["resources"] = LIMITS
    box.save()
    well(driven("create", "--bundle", box.path, "c1"))
    directory = PARENT / "box-c1.scope"
    names = ("MemoryMax", "MemorySwapMax", "MemoryLow", "MemoryHigh", "TasksMax", "CPUWeight", "AllowedCPUs",
             "CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec", "OOMPolicy")  # fmt: skip
    assert shown("box-c1.scope", *names) == {
        "MemoryMax": str(1 << 26), "MemorySwapMax": "0", "MemoryLow": str(1 << 25), "MemoryHigh": "60000000",
        "TasksMax": "99", "CPUWeight": "59", "AllowedCPUs": "0", "CPUQuotaPerSecUSec": "670ms",
        "CPUQuotaPeriodUSec": "50ms", "OOMPolicy": "kill",
    }  # fmt: skip
    assert held(directory, FILES) == FILES
    reload()
    lasting = {name: text for name, text in FILES.items() if name != "cpu.max"}  # systemd rounds that
    assert held(directory, lasting) == lasting
    well(driven("delete", "--force", "c1"))


def test_an_update_reaches_systemd_and_the_files(driven, runtime, box):
    box.config["linux"]["resources"] = LIMITS
    box.save()
    well(driven("create", "--bundle", box.path, "c1"))
    directory = PARENT / "box-c1.scope"
    well(runtime("update", "--pids-limit", "77", "--cpu-quota", "44444", "--memory", str(1 << 25), "c1"))
    assert shown("box-c1.scope", "TasksMax", "MemoryMax", "CPUQuotaPerSecUSec") == {
        "TasksMax": "77", "MemoryMax": str(1 << 25), "CPUQuotaPerSecUSec": "890ms"
    }  # fmt: skip
    wanted = {"pids.max": "77", "memory.max": str(1 << 25), "cpu.max": "44444 50000"}
    assert held(directory, wanted) == wanted
    reload()
    assert held(directory, ["pids.max", "memory.max"]) == {"pids.max": "77", "memory.max": str(1 << 25)}
    well(driven("delete", "--force", "c1"))


def test_a_container_sees_its_scope_as_the_root_of_its_cgroups(driven, box):
    box.config["process"]["args"] = ["sh", "-c", "cat /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs"]
    box.save()
    out = well(driven("run", "--bundle", box.path, "c1")).split()
    assert out[0] == "0::/"
    assert "1" in out[1:]


def test_a_cgroup_below_the_scope_has_all_controllers_and_goes_with_it(driven, box, containers):
    box.config["annotations"] = {"run.oci.systemd.subgroup": "inner"}
    box.save()
    well(driven("create", "--bundle", box.path, "c1"))
    scope = PARENT / "box-c1.scope"
    assert containers.state("c1")["cgroup"] == str(scope / "inner")
    given = (scope / "inner" / "cgroup.controllers").read_text().split()
    assert given == (scope / "cgroup.controllers").read_text().split()
    assert {"cpu", "memory", "pids", "io"} <= set(given)
    well(driven("delete", "--force", "c1"))
    assert not scope.exists()
    assert not loaded("box-c1.scope")


@pytest.mark.parametrize("path", [f"{SLICE}:box:c1", f"{SLICE}::test-deep-c1.slice"])
def test_a_killed_create_leaves_nothing_that_delete_does_not_remove(launcher, driven, box, containers, path):
    box.config["linux"]["cgroupsPath"] = path
    box.save()
    unit = "box-c1.scope" if ":box:" in path else "test-deep-c1.slice"
    words = ["--root", str(containers.root), "--systemd-cgroup", "create", "--bundle", str(box.path), "c1"]
    before = time.monotonic()
    well(driven("create", "--bundle", box.path, "c1"))
    whole = time.monotonic() - before
    well(driven("delete", "--force", "c1"))
    for moment in range(24):
        process = subprocess.Popen([str(launcher), *words], stderr=subprocess.DEVNULL)
        time.sleep(whole * moment / 20)
        process.kill()
        process.wait()
        well(driven("delete", "--force", "c1"))
        gone(unit)
        assert containers.ids() == []
        assert not (PARENT / unit).exists()


def test_a_create_that_is_killed_spares_the_unit_of_another(launcher, driven, runtime, box, containers):
    well(driven("create", "--bundle", box.path, "c0"))
    words = ["--root", str(containers.root), "--systemd-cgroup", "create", "--bundle", str(box.path), "c1"]
    for moment in range(16):
        process = subprocess.Popen([str(launcher), *words], stderr=subprocess.DEVNULL)
        time.sleep(moment / 200)
        process.kill()
        process.wait()
        well(driven("delete", "--force", "c1"))
    assert containers.ids() == ["c0"]
    assert '"created"' in well(runtime("state", "c0"))
    well(driven("delete", "--force", "c0"))


def test_many_containers_at_once_leave_nothing(launcher, box, containers):
    """Each with a unit of its own."""
    del box.config["linux"]["cgroupsPath"]
    box.config["process"]["args"] = ["true"]
    box.save()
    names = [f"many{number}" for number in range(200)]
    begin = [str(launcher), "--root", str(containers.root), "--systemd-cgroup", "run", "--bundle", str(box.path)]
    for at in range(0, len(names), 8):
        running = [subprocess.Popen([*begin, name], stdin=subprocess.DEVNULL) for name in names[at : at + 8]]
        assert [process.wait(timeout=120) for process in running] == [0] * 8
    gone(*(f"pyruntime-{name}.scope" for name in names))
    assert containers.ids() == []
    assert list(CGROUPS.glob("system.slice/pyruntime-*")) == []


def test_where_the_container_may_write_its_cgroups_it_can_divide_them(driven, box):
    for mount in box.config["mounts"]:
        if mount["type"] == "cgroup":
            mount["options"] = ["rw", "nosuid", "noexec", "nodev"]
    script = "cd /sys/fs/cgroup; mkdir a && echo 1 > a/cgroup.procs && echo +pids > cgroup.subtree_control && cat a/pids.max"
    box.config["process"]["args"] = ["sh", "-c", script]
    box.save()
    assert well(driven("run", "--bundle", box.path, "c1")) == "max\n"
    assert not (PARENT / "box-c1.scope").exists()


def test_in_a_user_namespace_the_scope_belongs_to_its_root(driven, box, containers):
    spaces = box.config["linux"]["namespaces"]
    spaces.append({"type": "user"})
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    box.config["linux"] |= {"uidMappings": maps, "gidMappings": maps}
    for mount in box.config["mounts"]:
        if mount["type"] == "cgroup":
            mount["options"] = ["rw", "nosuid", "noexec", "nodev"]
    os.chmod(box.path, 0o755)
    for above in [box.path, *box.path.parents][:4]:
        os.chmod(above, os.stat(above).st_mode | 0o055)
    script = "mkdir /sys/fs/cgroup/a && echo 1 > /sys/fs/cgroup/a/cgroup.procs && echo +pids > /sys/fs/cgroup/cgroup.subtree_control && cat /sys/fs/cgroup/a/pids.max"
    box.config["process"]["args"] = ["sh", "-c", script]
    box.save()
    assert well(driven("run", "--bundle", box.path, "c1")) == "max\n"


@pytest.fixture
def debian(tmp_path):
    """A root file system of the guest's own: its tree below a layer of the test's."""
    upper, work, merged = (tmp_path / name for name in ("upper", "work", "merged"))
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(tmp_path)], check=True)
    for each in (upper, work, merged):
        each.mkdir()
    options = f"lowerdir=/,upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(merged)], check=True)
    yield merged
    subprocess.run(["umount", str(merged)], check=True)
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_systemd_boots_inside(driven, runtime, box, debian, tmp_path_factory):
    path = tmp_path_factory.mktemp("booted")
    box.path = path
    box.config["root"] = {"path": str(debian), "readonly": False}
    process = box.config["process"]
    process["args"] = ["/lib/systemd/systemd", "--unit=basic.target"]
    process["env"] = ["container=oci", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    names = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID",
             "SETPCAP", "SETUID", "SYS_CHROOT"]  # fmt: skip
    held = [f"CAP_{name}" for name in names]
    process["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), held)
    process["noNewPrivileges"] = False
    for mount in box.config["mounts"]:
        if mount["type"] == "cgroup":
            mount["options"] = ["rw", "nosuid", "noexec", "nodev"]
    box.config["mounts"] += [
        {"destination": place, "type": "tmpfs", "source": "tmpfs", "options": ["mode=755", "nosuid", "nodev"]}
        for place in ("/run", "/tmp", "/var/log/journal")
    ]
    box.save()
    well(driven("run", "--detach", "--bundle", path, "c1"))

    def state():
        done = runtime("exec", "c1", "systemctl", "is-system-running")
        return done.stdout.strip()

    inside.eventually(lambda: state() in ("running", "degraded"))
    told = runtime("exec", "c1", "systemctl", "show", "systemd-journald.service", "--property=ControlGroup,ActiveState")
    assert "ActiveState=active" in told.stdout
    assert (PARENT / "box-c1.scope" / "init.scope").is_dir()
    well(driven("delete", "--force", "c1"))
    assert not loaded("box-c1.scope")
    assert not (PARENT / "box-c1.scope").exists()


def test_events_of_the_plan_say_nothing_is_in_the_way(driven, box):
    told = well(driven("plan", box.path))
    (line,) = [each for each in told.splitlines() if "have systemd make" in each]
    assert "the scope box-c1.scope in test-deep.slice" in line
    assert "cannot" not in line
    assert Path("/run/systemd/system").is_dir()
