"""Kernel parameters: set in the container's namespaces, and in no other."""

import os
from pathlib import Path

import pytest
from functional import inside
from functional.inside import refused, said

FORWARD = "/proc/sys/net/ipv4/ip_forward"


@pytest.fixture
def sysctl(bundle):
    """The config's linux.sysctl."""
    return bundle.config["linux"].setdefault("sysctl", {})


def test_parameters_are_set_in_the_container_and_not_outside(bundle, runtime, sysctl):
    sysctl |= {
        "net.ipv4.ip_default_ttl": "77",
        "net/ipv4/conf/lo/forwarding": "1",
        "kernel.msgmax": "4242",
        "kernel/sem": "111 222 33 44",
        "fs.mqueue.msg_max": "7",
        "kernel.shm_rmid_forced": "1",
    }
    files = ["/proc/sys/" + name.replace(".", "/") for name in sysctl]
    before = [Path(file).read_text() for file in files]
    told = said(bundle, runtime, f"cat {' '.join(files)}").splitlines()
    assert [line.split() for line in told] == [value.split() for value in sysctl.values()]
    assert [Path(file).read_text() for file in files] == before


def test_the_domain_name_is_one_of_the_uts_namespace(bundle, runtime, sysctl):
    sysctl["kernel.domainname"] = "zoo"
    before = Path("/proc/sys/kernel/domainname").read_text()
    assert said(bundle, runtime, "cat /proc/sys/kernel/domainname") == "zoo\n"
    assert Path("/proc/sys/kernel/domainname").read_text() == before != "zoo\n"


def test_a_joined_network_gets_the_parameters(bundle, runtime, sysctl, containers):
    pid = inside.running(bundle, runtime, containers)
    before = Path(FORWARD).read_text()
    inside.at(bundle, "network", f"/proc/{pid}/ns/net")
    sysctl["net.ipv4.ip_forward"] = "1"
    bundle.config["process"]["args"] = ["cat", FORWARD]
    done = runtime("run", "--bundle", bundle.save(), "c2")
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    assert Path(FORWARD).read_text() == before


@pytest.mark.parametrize(
    ("missing", "key", "words"),
    [
        (None, "vm.swappiness", 'sysctl \\"vm.swappiness\\" is not in a separate kernel namespace'),
        (None, "kernel.hostname", 'conflicts with the OCI \\"hostname\\" field'),
        (None, "kernel/hostname", 'conflicts with the OCI \\"hostname\\" field'),
        (None, "kernel.pid_max", "is not in a separate kernel namespace"),
        (None, "kernel.shmmaxx", "is not in a separate kernel namespace"),
        (None, "user.max_user_namespaces", "is not allowed in the hosts user namespace"),
        (None, "", 'sysctl \\"\\" is not'),
        ("network", "net.ipv4.ip_forward", "not allowed in host network namespace"),
        ("network", "net/ipv4/ip_forward", "not allowed in host network namespace"),
        ("ipc", "kernel.shmmax", "is not allowed in the hosts ipc namespace"),
        ("ipc", "fs/mqueue/msg_max", "is not allowed in the hosts ipc namespace"),
        ("uts", "kernel.domainname", "is not in a separate kernel namespace"),
    ],
)
def test_parameters_of_the_host_are_refused(bundle, runtime, sysctl, missing, key, words):
    if missing:
        inside.without(bundle, missing)
    if missing == "uts":
        del bundle.config["hostname"]
    sysctl[key] = "1"
    told = refused(bundle, runtime)
    assert words in told
    assert "/linux/sysctl/" in told


@pytest.mark.parametrize("path", ["/proc/self/ns/net", "/proc/{pid}/ns/net"])
def test_the_hosts_own_network_joined_by_path_is_the_hosts_all_the_same(bundle, runtime, sysctl, path):
    inside.at(bundle, "network", path.format(pid=os.getpid()))
    sysctl["net.ipv4.ip_forward"] = Path(FORWARD).read_text().strip()  # no harm if it is written
    assert "not allowed in host network namespace" in refused(bundle, runtime)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("net.no.such.parameter", "1", "no such file or directory"),
        ("net.ipv4", "1", "is a directory"),
        ("net.ipv4.ip_forward", "many", "invalid argument"),
        ("fs.mqueue.msg_max", "-1", "invalid argument"),
    ],
)
def test_what_the_kernel_refuses_is_told(bundle, runtime, sysctl, key, value, words):
    sysctl[key] = value
    told = refused(bundle, runtime)
    assert words in told
    assert key in told


@pytest.mark.parametrize(
    "key",
    ["net/../vm/laptop_mode", "net.//.vm.laptop_mode", "net/./../vm/laptop_mode",
     "fs.mqueue.//.//.vm.laptop_mode", "fs/mqueue/../../vm/laptop_mode",
     "net/../../../../../../tmp/x", "net.//.//.//.tmp.x"],
)  # fmt: skip
def test_no_dots_lead_from_an_allowed_parameter_to_one_of_the_host(bundle, runtime, sysctl, key):
    sysctl[key] = Path("/proc/sys/vm/laptop_mode").read_text().strip()  # no harm if it is written
    assert "sysctl" in refused(bundle, runtime)


def test_a_mount_over_proc_sys_does_not_turn_the_write_elsewhere(bundle, runtime, sysctl):
    """CVE-2025-52881: the runtime writes through a procfs of its own."""
    bundle.config["mounts"][0] = {"destination": "/proc", "source": "/proc", "options": ["rbind"]}
    sysctl["net.ipv4.ip_default_ttl"] = "33"
    before = Path("/proc/sys/net/ipv4/ip_default_ttl").read_text()
    said(bundle, runtime, "true")
    assert Path("/proc/sys/net/ipv4/ip_default_ttl").read_text() == before
