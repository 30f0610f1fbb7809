"""A container in a cgroup of our own, below which every controller can be had."""

import os

import pytest

# Waits for /go, then has one process take memory until it is killed.
GREEDY = """
while [ ! -e /go ]; do sleep 0.1; done
sh -c 'echo 1000 > /proc/self/oom_score_adj; exec tail /dev/zero' > /dev/null
"""


def spared(bundle):
    """Have the OOM killer take only who asks for it: one that dies holds its memory for a while yet,
    so another of the container's could be taken, too."""
    bundle.config["process"]["oomScoreAdj"] = -1000


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
