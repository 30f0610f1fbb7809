"""Limits, devices and annotations as properties of a unit."""

import pytest

from pyruntime import errors
from pyruntime.feature.cgroup import devices, properties

INFINITY = properties.INFINITY
WILD = [{"allow": True, "access": "rwm"}]
PERIOD = ("CPUQuotaPeriodUSec", "t", 50000, 242)


def short(found):
    return [(name, value) for name, _, value, _ in found]


@pytest.mark.parametrize(
    ("resources", "found"),
    [
        ({}, []),
        ({"memory": {"limit": 4096}}, [("MemoryMax", 4096)]),
        ({"memory": {"limit": 0, "reservation": 0, "swap": 0}}, []),
        ({"memory": {"limit": -1}}, [("MemoryMax", INFINITY), ("MemorySwapMax", INFINITY)]),
        ({"memory": {"limit": 100, "swap": 100}}, [("MemoryMax", 100), ("MemorySwapMax", 0)]),
        ({"memory": {"limit": 100, "swap": 150}}, [("MemoryMax", 100), ("MemorySwapMax", 50)]),
        ({"memory": {"limit": 100, "swap": -1}}, [("MemoryMax", 100), ("MemorySwapMax", INFINITY)]),
        ({"memory": {"limit": -1, "swap": 7}}, [("MemoryMax", INFINITY), ("MemorySwapMax", 7)]),
        ({"memory": {"reservation": 9}}, [("MemoryLow", 9)]),
        ({"pids": {"limit": 5}}, [("TasksMax", 5)]),
        ({"pids": {"limit": 0}}, [("TasksMax", 1)]),
        ({"pids": {"limit": -1}}, [("TasksMax", INFINITY)]),
        ({"cpu": {"shares": 1024}}, [("CPUWeight", 100)]),
        ({"cpu": {"shares": 0}}, []),
        ({"cpu": {"shares": 1024, "idle": 1}}, [("CPUWeight", 0)]),
        ({"cpu": {"quota": 50000}}, [("CPUQuotaPerSecUSec", 500000)]),
        ({"cpu": {"quota": 1, "period": 50000}}, [PERIOD[::2], ("CPUQuotaPerSecUSec", 10000)]),
        ({"cpu": {"quota": 33333, "period": 50000}}, [PERIOD[::2], ("CPUQuotaPerSecUSec", 670000)]),
        ({"cpu": {"quota": -1}}, [("CPUQuotaPerSecUSec", INFINITY)]),
        ({"cpu": {"quota": (1 << 63) - 1}}, [("CPUQuotaPerSecUSec", INFINITY)]),
        ({"cpu": {"idle": 0}}, [("CPUWeight", INFINITY)]),
        ({"cpu": {"idle": 0, "shares": 2}}, [("CPUWeight", INFINITY), ("CPUWeight", 1)]),
        ({"unified": {"cpu.weight": "7", "cpu.idle": "0"}}, [("CPUWeight", INFINITY), ("CPUWeight", 7)]),
        ({"cpu": {"cpus": "1,,0,"}}, [("AllowedCPUs", b"\3")]),
        ({"cpu": {"period": 50000}}, [PERIOD[::2], ("CPUQuotaPerSecUSec", INFINITY)]),
        ({"cpu": {"cpus": "0-1,9", "mems": "0"}}, [("AllowedCPUs", b"\3\2"), ("AllowedMemoryNodes", b"\1")]),
        ({"blockIO": {"weight": 10}}, [("IOWeight", 1)]),
        ({"blockIO": {"weight": 1000}}, [("IOWeight", 10000)]),
        ({"unified": {"memory.high": "max", "memory.min": "5\n"}}, [("MemoryHigh", INFINITY), ("MemoryMin", 5)]),
        ({"unified": {"cpu.max": "50000 100000"}},
         [("CPUQuotaPeriodUSec", 100000), ("CPUQuotaPerSecUSec", 500000)]),
        ({"unified": {"cpu.max": "max"}},
         [("CPUQuotaPeriodUSec", 100000), ("CPUQuotaPerSecUSec", INFINITY)]),
        ({"unified": {"cpu.idle": "1", "cpu.weight": "7"}}, [("CPUWeight", 0), ("CPUWeight", 7)]),
        ({"unified": {"cpuset.cpus": "3", "cpuset.mems": ""}}, [("AllowedCPUs", b"\10")]),
        ({"unified": {"memory.oom.group": "1"}}, [("OOMPolicy", "kill")]),
        ({"unified": {"memory.oom.group": "0"}}, [("OOMPolicy", "continue")]),
        ({"unified": {"hugetlb.2MB.max": "0", "memory.swap.max": "0"}}, [("MemorySwapMax", 0)]),
    ],
)  # fmt: skip
def test_each_limit_that_systemd_knows_is_told(resources, found):
    assert short(properties.of_limits(resources)) == [tuple(each) for each in found]


def test_newer_properties_say_since_when_they_are_known():
    resources = {"cpu": {"period": 50000, "cpus": "0", "idle": 1}, "unified": {"memory.oom.group": "1"}}
    found = {(name, least) for name, _, _, least in properties.of_limits(resources)}
    assert found == {
        ("CPUQuotaPeriodUSec", 242), ("CPUQuotaPerSecUSec", 0), ("AllowedCPUs", 244), ("CPUWeight", 252),
        ("OOMPolicy", 253),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("resources", "place"),
    [
        ({"cpu": {"cpus": "a"}}, "/linux/resources/cpu/cpus"),
        ({"cpu": {"mems": "3-1"}}, "/linux/resources/cpu/mems"),
        ({"cpu": {"cpus": "0-99999999"}}, "/linux/resources/cpu/cpus"),
        ({"cpu": {"cpus": "1-"}}, "/linux/resources/cpu/cpus"),
        ({"cpu": {"cpus": "-1"}}, "/linux/resources/cpu/cpus"),
        ({"cpu": {"cpus": "9" * 5000}}, "/linux/resources/cpu/cpus"),
        ({"unified": {"memory.max": "9" * 5000}}, "/linux/resources/unified/memory.max"),
        ({"unified": {"memory.max": "-5"}}, "/linux/resources/unified/memory.max"),
        ({"unified": {"cpu.max": "a b"}}, "/linux/resources/unified/cpu.max"),
        ({"unified": {"pids.max": "9" * 30}}, "/linux/resources/unified/pids.max"),
    ],
)
def test_what_cannot_be_told_is_refused_with_its_place(resources, place):
    with pytest.raises(errors.SpecError) as caught:
        properties.of_limits(resources)
    assert caught.value.problems[0][0] == place


def test_what_was_told_can_be_taken_back_to_what_was_before():
    told = properties.of_limits({
        "memory": {"limit": 9, "reservation": 5}, "cpu": {"cpus": "0", "quota": 5000, "shares": 5},
        "unified": {"memory.min": "7"},
    }) + properties.of_devices(devices.plan([]))  # fmt: skip
    before = {"memory": {"limit": 7}, "unified": {"cpu.weight": "3"}, "pids": {"limit": 6}}
    assert dict(short(properties.before(told, before, devices.plan(WILD)))) == {
        "MemoryMax": 7, "MemoryLow": 0, "MemoryMin": 0, "AllowedCPUs": b"", "CPUWeight": 3,
        "CPUQuotaPerSecUSec": INFINITY, "DevicePolicy": "auto", "DeviceAllow": [],
    }  # fmt: skip


def test_the_allowed_devices_are_told_in_systemds_names():
    rules = devices.plan([
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "b", "major": 8, "minor": 0, "access": "r"},
        {"allow": True, "type": "c", "major": 226, "access": "rw"},
    ])  # fmt: skip
    policy, (name, kind, allowed, _) = properties.of_devices(rules)
    assert policy == ("DevicePolicy", "s", "strict", 0)
    assert (name, kind) == ("DeviceAllow", "a(ss)")
    assert {("/dev/block/8:0", "r"), ("char-226", "rw"), ("char-*", "m"), ("/dev/char/1:3", "rwm")} <= set(allowed)


def test_where_all_is_allowed_systemd_allows_all():
    rules = devices.plan([{"allow": True, "access": "rwm"}])
    assert short(properties.of_devices(rules)) == [("DevicePolicy", "auto"), ("DeviceAllow", [])]


PREFIX = "org.systemd.property."


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("TimeoutStopUSec", "uint64 123456789", ("TimeoutStopUSec", "t", 123456789)),
        ("CollectMode", "'inactive-or-failed'", ("CollectMode", "s", "inactive-or-failed")),
        ("SendSIGHUP", "true", ("SendSIGHUP", "b", True)),
        ("After", "['a.service', 'b.service']", ("After", "as", ["a.service", "b.service"])),
        ("RuntimeMaxSec", "2", ("RuntimeMaxUSec", "t", 2000000)),
        ("TimeoutStopSec", "uint64 90", ("TimeoutStopUSec", "t", 90000000)),
        ("RuntimeMaxSec", "1.5", ("RuntimeMaxUSec", "t", 1500000)),
    ],
)
def test_annotations_are_properties(name, text, found):
    told = properties.of_annotations({PREFIX + name: text, "org.other": "x"})
    assert told == [(*found, 0)]


@pytest.mark.parametrize(
    ("name", "text"),
    [("ab", "true"), ("", "true"), ("A_b_c", "true"), ("Übung", "true"), ("Delegate", "yes"), ("Delegate", ""),
     ("RuntimeMaxSec", "'x'"), ("RuntimeMaxSec", "-1"), ("RuntimeMaxSec", "true"), ("After", "[]"),
     ("Description", "'\\u0000'"), ("Description", "'\udcff'")],
)  # fmt: skip
def test_annotations_that_are_none_are_refused_by_their_key(name, text):
    with pytest.raises(errors.SpecError) as caught:
        properties.of_annotations({PREFIX + name: text})
    assert caught.value.problems[0][0] == f"/annotations/{PREFIX}{name}"
