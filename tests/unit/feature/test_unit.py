"""Units of systemd: how cgroupsPath names them, where their cgroups are, what systemd is told."""

import pytest

from pyruntime import errors
from pyruntime.feature.cgroup import devices, filesystem, unit
from pyruntime.feature.host import Host

RULES = devices.plan([])


def machine(euid=0, own="/init"):
    return Host(euid, "/sys/fs/cgroup", own, (6, 12), 40)


def planned(path="", container="c1", *, annotations=None, host=None, **resources):
    config = {"linux": {"cgroupsPath": path, "resources": resources}, "annotations": annotations or {}}
    return unit.plan(config, host or machine(), container, RULES)


def told(step):
    return {name: value for name, _, value, _ in step.properties}


@pytest.mark.parametrize(
    ("path", "name", "within", "place"),
    [
        ("", "pyruntime-c1.scope", "system.slice", "/system.slice/pyruntime-c1.scope"),
        ("machine.slice:libpod:abc", "libpod-abc.scope", "machine.slice", "/machine.slice/libpod-abc.scope"),
        ("a-b-c.slice:x:y", "x-y.scope", "a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice/x-y.scope"),
        ("-.slice:x:y", "x-y.scope", "-.slice", "/x-y.scope"),
        (":x:y", "x-y.scope", "system.slice", "/system.slice/x-y.scope"),
        ("a.slice::y", "y.scope", "a.slice", "/a.slice/y.scope"),
        ("a.slice:x:", "x-c1.scope", "a.slice", "/a.slice/x-c1.scope"),
        ("::", "c1.scope", "system.slice", "/system.slice/c1.scope"),
        ("a.slice:x:a-y.slice", "a-y.slice", "a.slice", "/a.slice/a-y.slice"),
        ("a.slice:cpu.x:y", "cpu.x-y.scope", "a.slice", "/a.slice/_cpu.x-y.scope"),
        ("memory.slice:x:y", "x-y.scope", "memory.slice", "/_memory.slice/x-y.scope"),
        ("a.slice:_x:y", "_x-y.scope", "a.slice", "/a.slice/__x-y.scope"),
    ],
)
def test_slice_prefix_and_name_name_a_unit_and_its_cgroup(path, name, within, place):
    step = planned(path)
    assert (step.name, step.slice, step.path) == (name, within, place)
    assert step.directory == "/sys/fs/cgroup" + place
    assert step.unit == f"system/{name}"
    assert unit.name_of(step.unit) == ("system", name)


def test_signs_that_no_unit_may_have_are_written_as_systemd_escape_does():
    assert planned(container="a+b").name == "pyruntime-a\\x2bb.scope"
    assert planned("a.slice:ü:b").name == "\\xc3\\xbc-b.scope"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/a/b", 'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "/a/b" instead'),
        ("a.slice:b", 'got "a.slice:b" instead'),
        ("a.slice:b:c:d", 'got "a.slice:b:c:d" instead'),
        ("a:b:c", "a is no name of a slice"),
        ("a--b.slice:b:c", "a--b.slice is no name of a slice"),
        ("-a.slice:b:c", "-a.slice is no name of a slice"),
        (".slice:b:c", ".slice is no name of a slice"),
        ("../a.slice:b:c", "../a.slice is no name of a slice"),
        ("a.slice:b:-c.slice", "-c.slice is no name of a slice"),
        ("a.slice:b:" + "c" * 250, "too long"),
    ],
)
def test_what_names_no_unit_is_refused_with_its_place(path, why):
    with pytest.raises(errors.SpecError) as caught:
        planned(path)
    assert why in caught.value.say()
    assert caught.value.problems[0][0] == "/linux/cgroupsPath"


def test_without_systemd_a_unit_is_refused_with_the_cure():
    config = {"linux": {"cgroupsPath": "a.slice:b:c"}}
    with pytest.raises(errors.SpecError, match="--systemd-cgroup is needed"):
        filesystem.plan(config, machine(), "c1")
    assert not filesystem.is_unit("/a:b:c")
    assert not filesystem.is_unit("a:b")


def test_without_cgroup_v2_there_is_no_unit():
    with pytest.raises(errors.Unsupported, match="no cgroup v2"):
        planned(host=Host(0, "", "", (6, 12), 40))


@pytest.mark.parametrize(
    ("own", "base"),
    [
        (
            "/user.slice/user-5.slice/user@5.service/app.slice/x.scope",
            "/user.slice/user-5.slice/user@5.service",
        ),
        ("/nest/user@5.service/app.slice", "/nest/user@5.service"),
        ("/user.slice/user-5.slice/session-1.scope", "/user.slice/user-5.slice/user@5.service"),
    ],
)
def test_a_users_units_lie_below_the_users_manager(own, base):
    step = planned(host=machine(5, own))
    assert step.unit == "user/pyruntime-c1.scope"
    assert step.path == f"{base}/user.slice/pyruntime-c1.scope"


def test_a_scope_is_told_to_be_ours_and_accounted_and_gone_when_it_is_empty():
    known = told(planned())
    wanted = {
        "Description": "pyruntime container c1", "Slice": "system.slice", "Delegate": True,
        "MemoryAccounting": True, "CPUAccounting": True, "IOAccounting": True, "TasksAccounting": True,
        "DefaultDependencies": False, "CollectMode": "inactive-or-failed", "DevicePolicy": "strict",
    }  # fmt: skip
    assert {name: known[name] for name in wanted} == wanted


def test_a_slice_wants_the_one_above_and_is_not_delegated():
    known = told(planned("a.slice:x:a-y.slice"))
    assert known["Wants"] == ["a.slice"]
    assert "Delegate" not in known
    assert "Slice" not in known


def test_an_annotation_takes_the_place_of_what_is_told_always_and_limits_come_last():
    annotations = {"org.systemd.property.CollectMode": "'inactive'", "other": "x"}
    step = planned(annotations=annotations, pids={"limit": 5})
    names = [name for name, _, _, _ in step.properties]
    assert names.count("CollectMode") == 1
    assert told(step)["CollectMode"] == "inactive"
    assert names.index("CollectMode") < names.index("TasksMax") < names.index("DevicePolicy")


def test_a_cgroup_below_the_units_can_be_asked_for():
    step = planned(annotations={"run.oci.systemd.subgroup": "box"})
    assert step.path == "/system.slice/pyruntime-c1.scope/box"
    assert step.subgroup == "box"
    assert [each.describe() for each in step.parts()[1]] == [
        "wait until systemd has made pyruntime-c1.scope, and make the cgroup box in it"
    ]
    assert planned(annotations={"run.oci.systemd.subgroup": ""}).subgroup == ""


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../../x", "a\0b", "a" * 256])
def test_a_cgroup_elsewhere_is_refused(name):
    with pytest.raises(errors.SpecError, match="is no name of a cgroup"):
        planned(annotations={"run.oci.systemd.subgroup": name})


def test_a_slice_has_no_cgroup_of_ours_below_it():
    with pytest.raises(errors.SpecError, match="is no name of a cgroup"):
        planned("a.slice:x:a-y.slice", annotations={"run.oci.systemd.subgroup": "box"})


def test_a_unit_says_itself_in_one_line():
    step = planned("a-b.slice:x:y", memory={"limit": -1}, cpu={"cpus": "0,2"})
    assert step.describe() == (
        "have systemd make the scope x-y.scope in a-b.slice (/sys/fs/cgroup/a.slice/a-b.slice/x-y.scope),"
        " with Delegate=yes, MemoryAccounting=yes, CPUAccounting=yes, IOAccounting=yes,"
        " TasksAccounting=yes, DefaultDependencies=no, CollectMode=inactive-or-failed,"
        " MemoryMax=infinity, MemorySwapMax=infinity, AllowedCPUs=0x5, DevicePolicy=strict,"
        " DeviceAllow of 11 entries"
    )
