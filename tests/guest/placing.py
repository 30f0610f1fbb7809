"""A container in a cgroup of our own, below which every controller can be had."""

import os

import pytest


def limited(containers, **limits):
    """Write limits of a running container's cgroup by hand."""
    cgroup = containers.state("c1")["cgroup"]
    for name, value in limits.items():
        with open(f"{cgroup}/{name.replace('_', '.')}", "w") as file:
            file.write(value)
    return cgroup


@pytest.fixture
def placed(bundle, runtime):
    """The bundle, in a cgroup below one of our own, which may hand controllers down."""
    bundle.config["linux"]["cgroupsPath"] = f"/pyruntime-events-{os.getpid()}/c1"
    top = f"/sys/fs/cgroup/pyruntime-events-{os.getpid()}"
    os.mkdir(top)
    for above in ("/sys/fs/cgroup", top):
        with open(f"{above}/cgroup.subtree_control", "w") as control:
            control.write("+cpu +memory +io +pids +cpuset +hugetlb")
    yield bundle
    runtime("delete", "--force", "c1")
    os.rmdir(top)
