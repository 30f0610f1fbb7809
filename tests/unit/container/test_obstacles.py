"""What is in the way of a step: each reason provoked, and nothing where nothing is."""

from __future__ import annotations

import pytest
from unit.container.test_forecast import HOST, PROGRAM, foretold, mapped, rich
from unit.spec import configs

from pyruntime.container import obstacles
from pyruntime.container.obstacles import Deed
from pyruntime.container.surroundings import EVERYTHING, Surroundings
from pyruntime.feature import capabilities
from pyruntime.feature.cgroup.filesystem import CgroupStep
from pyruntime.feature.confinement import Modules
from pyruntime.feature.host import Host

USER = Host(1000, "/sys/fs/cgroup", "/user", (6, 12), 40)
BOTH = {"modules": Modules("attr/apparmor/exec", selinux=True), "selinux": True}


def small():
    """The small configuration, with a PATH in which its program is looked for."""
    config = configs.small()
    config["process"]["env"] = ["PATH=/bin"]
    return config


def without(*names):
    return {"capabilities": EVERYTHING & ~sum(1 << capabilities.NUMBERS[name] for name in names)}


def blocked(config, **there):
    """Return {sentence: reason} of all steps that something is in the way of."""
    host = there.pop("host", HOST)
    plan, acts = foretold(config, **there)
    if host is not HOST:
        around = Surroundings(host, **{"filter": PROGRAM} | there)
        return {
            act.step.describe(): reason
            for act in acts
            if (reason := obstacles.of(act.step, plan, around))
        }
    return {act.step.describe(): act.cannot for act in acts if act.cannot}


def test_nothing_is_in_the_way_of_root_on_a_machine_with_everything():
    waiting = "not supported yet"
    assert set(blocked(rich(), **BOTH).values()) == {waiting}
    assert blocked(small()) == {}


def reason_of(begin, found):
    (reason,) = {reason for sentence, reason in found.items() if sentence.startswith(begin)}
    return reason


@pytest.mark.parametrize(
    ("begin", "capability"),
    [
        ("make the child by clone3", "CAP_SYS_ADMIN"),
        ("enter namespaces", "CAP_SYS_ADMIN"),
        ("enter a new time namespace", "CAP_SYS_ADMIN"),
        ("set the host name", "CAP_SYS_ADMIN"),
        ("make all mounts", "CAP_SYS_ADMIN"),
        ("mount /bundle/rootfs", "CAP_SYS_ADMIN"),
        ("mount proc", "CAP_SYS_ADMIN"),
        ("bind /bundle/data", "CAP_SYS_ADMIN"),
        ("make a private procfs", "CAP_SYS_ADMIN"),
        ("make /bundle/rootfs the root", "CAP_SYS_ADMIN"),
        ("make /proc/sys read-only", "CAP_SYS_ADMIN"),
        ("hide /proc/kcore", "CAP_SYS_ADMIN"),
        ("now make", "CAP_SYS_ADMIN"),
        ("join the pid namespace", "CAP_SYS_ADMIN"),
        ("move the network device", "CAP_NET_ADMIN"),
        ("bring up the loopback interface", "CAP_NET_ADMIN"),
        ("schedule by", "CAP_SYS_NICE"),
        ("give the listener", "CAP_SYS_PTRACE"),
        ("drop ", "CAP_SETPCAP"),
        ("have the supplementary groups", "CAP_SETGID"),
        ("become gid 2", "CAP_SETGID"),
        ("become uid 1", "CAP_SETUID"),
        ("limit the capabilities", "CAP_KILL"),
    ],
)
def test_a_missing_capability_is_named(begin, capability):
    assert reason_of(begin, blocked(rich(), **BOTH | without(capability))) == f"needs {capability}"


def test_the_device_program_needs_one_great_capability_or_two_small_ones():
    begin = "deny all devices"
    assert reason_of(begin, blocked(rich(), **BOTH | without("CAP_SYS_ADMIN", "CAP_BPF"))) == "needs CAP_BPF"
    for missing in (("CAP_SYS_ADMIN",), ("CAP_BPF", "CAP_NET_ADMIN")):
        assert not [line for line in blocked(configs.small(), **without(*missing)) if "devices" in line]
    config = configs.small()
    config["linux"]["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}
    assert "allow all devices" not in blocked(config, **without("CAP_SYS_ADMIN", "CAP_BPF"))


def test_in_a_user_namespace_what_is_the_hosts_needs_more():
    config = small()
    config["process"] |= {"oomScoreAdj": -5, "scheduler": {"policy": "SCHED_FIFO", "priority": 1}}
    first = "in the first user namespace"
    assert blocked(config, nested=True) == {
        "set oom_score_adj to -5": f"needs CAP_SYS_RESOURCE {first}",
        "schedule by SCHED_FIFO, priority 1": f"needs CAP_SYS_NICE {first}",
    }
    assert not [line for line in blocked(small(), nested=True, **without("CAP_SYS_ADMIN", "CAP_BPF"))
                if "devices" in line]  # fmt: skip


def test_a_device_that_may_not_be_made_is_bound():
    line = "make device /dev/null c 1:3 mode 0666"
    assert line not in blocked(configs.small(), **without("CAP_MKNOD"))
    assert blocked(configs.small(), **without("CAP_MKNOD", "CAP_SYS_ADMIN"))[line] == "needs CAP_MKNOD"
    config = configs.small()
    config["linux"]["devices"] = [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "uid": 5}]
    assert reason_of("make device /dev/x", blocked(config, **without("CAP_CHOWN"))) == "needs CAP_CHOWN"


@pytest.mark.parametrize(
    ("fault", "begin"),
    [
        ("/run", "claim the id"),
        ("/sys/fs/cgroup/a/b", "make the cgroup /a/b"),
        ("the native program", "put the native program"),
        ("the seccomp filter", "compile it"),
        ("the seccomp filter", "load the seccomp filter"),
        ("the seccomp filter", "filter system calls"),
        ("/proc/1/ns/pid", "open the pid namespace"),
        ("/bundle/rootfs", "mount /bundle/rootfs onto itself"),
        ("/bundle/data", "bind /bundle/data on /data"),
        ("/bin/true", "run poststop hook"),
        ("/run/agent", "give the listener to the agent at /run/agent"),
        ("eth0", "move the network device eth0"),
        ("resctrl", "enter the class of service"),
    ],
)
def test_what_is_missing_here_is_told_where_it_is_needed(fault, begin):
    found = blocked(rich(), **BOTH, faults={fault: "is missing"})
    assert reason_of(begin, found) == "is missing"


def test_a_hook_inside_is_not_looked_for_outside():
    found = blocked(rich(), **BOTH, faults={"/bin/true": "is missing"})
    assert not [line for line in found if "startContainer" in line]


def test_modules_that_are_off_are_told_with_the_cure():
    found = blocked(rich())
    told = reason_of("see that AppArmor is on, to run the payload under the AppArmor profile profile", found)
    assert told.startswith('"profile" cannot be applied, AppArmor is not enabled on this host')
    assert "SELinux is disabled" in reason_of("see that SELinux is on, to run", found)
    assert "SELinux is off" in reason_of("see that SELinux is on, to label mounts", found)


def test_without_cgroup_v2_there_is_no_cgroup():
    bare = Host(0, "", "", (6, 12), 40)
    told = reason_of("make the cgroup", blocked(rich(), **BOTH, host=bare))
    assert told == "no cgroup v2 hierarchy is mounted at /sys/fs/cgroup or below it"


def test_an_old_kernel_does_not_know_every_flag():
    config = rich()
    config["linux"]["seccomp"]["flags"] = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]
    told = reason_of("filter system calls", blocked(config, **BOTH, host=Host(0, "/c", "/", (5, 15), 40)))
    assert told.endswith("needs Linux 5.19")


def test_limits_and_scores_matter_only_where_they_are_raised():
    config = small()
    config["process"] |= {
        "oomScoreAdj": -5,
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 20}],
    }
    lines = {"set oom_score_adj to -5", "set RLIMIT_NOFILE to 1, at most 20"}
    weak = without("CAP_SYS_RESOURCE")
    assert blocked(config, **weak, oom_score=-5, limits={"RLIMIT_NOFILE": 20}) == {}
    found = blocked(config, **weak, oom_score=0, limits={"RLIMIT_NOFILE": 19})
    assert found == dict.fromkeys(lines, "needs CAP_SYS_RESOURCE")


def test_kernel_parameters_are_a_matter_of_whose_they_are():
    found = blocked(rich(), **BOTH | without("CAP_NET_ADMIN"), host=USER)
    assert reason_of("set sysctl net.ipv4.ip_forward", found) == "needs CAP_NET_ADMIN"
    assert reason_of("set sysctl kernel.msgmax", found) == "needs root"
    assert reason_of("move the network", found) == "linux.netDevices are not supported for rootless containers"


def test_a_filter_before_no_new_privs_needs_more():
    config = configs.small()
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    assert reason_of("load the seccomp filter", blocked(config, **without("CAP_SYS_ADMIN"))) == "needs CAP_SYS_ADMIN"
    config["process"]["noNewPrivileges"] = True
    assert not [line for line in blocked(config, **without("CAP_SYS_ADMIN")) if "seccomp" in line]


def test_an_io_priority_of_real_time_needs_either_of_two():
    config = configs.small()
    config["process"]["ioPriority"] = {"class": "IOPRIO_CLASS_RT", "priority": 0}
    both = without("CAP_SYS_NICE", "CAP_SYS_ADMIN")
    assert reason_of("set the I/O priority", blocked(config, **both)) == "needs CAP_SYS_NICE"
    assert not [line for line in blocked(config, **without("CAP_SYS_NICE")) if "I/O" in line]
    config["process"]["ioPriority"]["class"] = "IOPRIO_CLASS_BE"
    assert not [line for line in blocked(config, **both) if "I/O" in line]


def test_a_deed_of_which_nothing_is_known_can_be_done():
    plan, _ = foretold(configs.small())
    assert obstacles.of(Deed("dance", "dance"), plan, None) == ""


def test_root_of_a_new_user_namespace_needs_nothing_of_the_caller():
    waiting = "not supported yet"
    assert set(blocked(mapped(), **BOTH).values()) == {waiting}
    missing = blocked(mapped(), **BOTH, capabilities=0, closed=["/bundle/data"])
    told = {line.partition(" /")[0].partition(",")[0]: why for line, why in missing.items() if why != waiting}
    assert told == {
        "join the network namespace": "needs CAP_SYS_ADMIN",
        "write the child's uid_map and gid_map": "needs CAP_SETUID and CAP_SETGID",
        "give the cgroup to uid 8 of the host": "needs CAP_CHOWN",
        "fetch": "needs CAP_SYS_ADMIN and CAP_SYS_CHROOT",
        "move the network device eth0 into the container as inside0": "needs CAP_NET_ADMIN",
        "move the network device eth1 into the container as eth1": "needs CAP_NET_ADMIN",
        "deny all devices but c 10:229 rw": "needs CAP_BPF and CAP_NET_ADMIN",
        "set oom_score_adj to -5": "needs CAP_SYS_RESOURCE",
        "schedule by SCHED_DEADLINE": "needs CAP_SYS_NICE",
    }


def test_a_caller_that_is_not_root_needs_programs_for_more_than_its_own_ids():
    plan, _ = foretold(mapped())
    plan.user.programs = {"uid_map": "newuidmap", "gid_map": "newgidmap"}
    step = Deed("maps", "", uid_map="0 0 1\n", gid_map="0 0 1\n")
    assert obstacles.of(step, plan, Surroundings(USER, capabilities=0)) == ""
    missing = {"newgidmap": "not there"}
    assert obstacles.of(step, plan, Surroundings(USER, capabilities=0, faults=missing)) == "not there"


def test_a_caller_that_is_not_root_fetches_by_the_user_namespace_and_may_go_without_a_cgroup():
    plan, _ = foretold(mapped())
    user = Surroundings(USER, capabilities=0, faults={"/c/x": "closed"})
    assert obstacles.of(Deed("lend", "", path="/x"), plan, user) == ""
    told = "closed: create goes on without a cgroup"
    assert obstacles.of(CgroupStep("/x", "/c", "rootless"), plan, user) == told
    assert obstacles.of(CgroupStep("/x", "/c"), plan, user) == "closed"


def test_uid_0_of_the_host_is_given_away_by_a_right_of_its_own():
    config = mapped()
    config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 0, "size": 9}]
    weak = BOTH | without("CAP_SETFCAP")
    assert "write the child's uid_map and gid_map" not in blocked(config, **weak)
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"]
    assert reason_of("write the child's uid_map", blocked(config, **weak)) == "needs CAP_SETFCAP"


def test_a_rootfs_that_is_closed_to_root_inside_cannot_be_mounted():
    found = blocked(mapped(), **BOTH, faults={"the rootfs inside": "it is closed"})
    assert reason_of("mount /bundle/rootfs onto itself", found) == "it is closed"


def test_root_of_a_user_namespace_may_give_no_io_priority_of_real_time():
    config = small()
    config["process"]["ioPriority"] = {"class": "IOPRIO_CLASS_RT", "priority": 0}
    assert reason_of("set the I/O priority", blocked(config, nested=True)).endswith("in the first user namespace")
