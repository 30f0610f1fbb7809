"""Planning kernel parameters: names become paths, values stay as they are."""

import os

import pytest

from pyruntime import errors
from pyruntime.feature import sysctl


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("kernel.shmmax", "kernel/shmmax"),
        ("kernel/shmmax", "kernel/shmmax"),
        ("net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("single", "single"),
        ("", ""),
    ],
)
def test_the_first_separator_decides_what_separates(key, path):
    assert sysctl.spelled_as_path(key) == path
    assert sysctl.SysctlStep(key, "1").file == f"sys/{path}"


def test_parameters_are_planned_in_the_order_of_the_config():
    steps = sysctl.plan({"linux": {"sysctl": {"net.b": "2", "fs/mqueue/a": " 1 2\n"}}})
    assert [(step.key, step.value) for step in steps] == [("net.b", "2"), ("fs/mqueue/a", " 1 2\n")]
    assert steps[0].describe() == "set sysctl net.b = 2"


@pytest.mark.parametrize("config", [{}, {"linux": {}}, {"linux": {"sysctl": {}}}])
def test_without_parameters_nothing_is_planned(config):
    assert sysctl.plan(config) == []


@pytest.fixture
def proc(tmp_path):
    """A directory like /proc, open."""
    (tmp_path / "sys/net").mkdir(parents=True)
    (tmp_path / "sys/net/x").write_text("old")
    descriptor = os.open(tmp_path, os.O_PATH)
    yield descriptor
    os.close(descriptor)


def test_a_parameter_is_written_below_the_handle(proc, tmp_path):
    before = os.listdir("/proc/self/fd")
    sysctl.apply(sysctl.SysctlStep("net.x", "new"), proc)
    assert (tmp_path / "sys/net/x").read_text() == "new"
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_failure_names_parameter_and_value(proc):
    with pytest.raises(errors.KernelError) as caught:
        sysctl.apply(sysctl.SysctlStep("net.missing", "7"), proc)
    assert caught.value.say() == "set sysctl net.missing=7: no such file or directory"


@pytest.mark.parametrize("key", ["net/link/x", "net/../../outside", "net/../../../outside"])
def test_no_path_leads_out_of_the_handle(proc, tmp_path, key):
    (tmp_path.parent / "outside").write_text("safe")
    (tmp_path / "sys/net/link").symlink_to(tmp_path.parent)
    with pytest.raises(errors.KernelError):
        sysctl.apply(sysctl.SysctlStep(key, "new"), proc)
    assert (tmp_path.parent / "outside").read_text() == "safe"
    assert (tmp_path / "sys/net/x").read_text() == "old"
