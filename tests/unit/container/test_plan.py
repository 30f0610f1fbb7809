"""The whole of a container worked out: pure, in order, and sayable."""

import copy
import json

import busybox
import pytest
from unit.spec import configs

from pyruntime import errors
from pyruntime.container.plan import Plan, Wishes
from pyruntime.feature.host import Host

HOST = Host(0, "/sys/fs/cgroup", "/user", (6, 1), 40)


def wishes(**more):
    return Wishes(**{"no_pivot": False, "no_new_keyring": False, "preserve": 0, "waits": True} | more)


def planned(change=None, **more):
    """Plan the sample's container after `change` was made to its config."""
    config = busybox.configuration("plain")
    config["process"]["terminal"] = False
    if change:
        change(config)
    return Plan(config, HOST, "c1", "/bundle", wishes(**more))


def said(plan):
    return [step.describe() for step in plan.steps()]


def test_the_steps_of_the_sample_are_told_in_their_order():
    assert said(planned()) == [
        "make the cgroup /c1 (/sys/fs/cgroup/c1)",
        planned().device_rules.describe(),
        "enter namespaces: new pid, new network, new ipc, new uts, new mount, new cgroup",
        "set the host name to pyruntime",
        "mount proc on /proc",
        "mount tmpfs on /dev (mode=755, size=65536k, nosuid, strictatime)",
        "mount devpts on /dev/pts (newinstance, ptmxmode=0666, mode=0620, gid=5, nosuid, noexec)",
        "mount tmpfs on /dev/shm (mode=1777, size=65536k, nosuid, nodev, noexec)",
        "mount mqueue on /dev/mqueue (nosuid, nodev, noexec)",
        "mount sysfs on /sys (ro, nosuid, nodev, noexec)",
        "mount cgroup2 on /sys/fs/cgroup (ro, nosuid, nodev, noexec)",
        "make device /dev/null c 1:3 mode 0666",
        "make device /dev/zero c 1:5 mode 0666",
        "make device /dev/full c 1:7 mode 0666",
        "make device /dev/random c 1:8 mode 0666",
        "make device /dev/urandom c 1:9 mode 0666",
        "make device /dev/tty c 5:0 mode 0666",
        "link /dev/fd -> /proc/self/fd",
        "link /dev/stdin -> /proc/self/fd/0",
        "link /dev/stdout -> /proc/self/fd/1",
        "link /dev/stderr -> /proc/self/fd/2",
        "link /dev/core -> /proc/kcore, if the kernel has that",
        "link /dev/ptmx -> pts/ptmx",
        "make /bundle/rootfs the root by pivot_root, read-only",
        "make /proc/bus read-only",
        "make /proc/fs read-only",
        "make /proc/irq read-only",
        "make /proc/sys read-only",
        "make /proc/sysrq-trigger read-only",
        "hide /proc/acpi",
        "hide /proc/asound",
        "hide /proc/kcore",
        "hide /proc/keys",
        "hide /proc/latency_stats",
        "hide /proc/timer_list",
        "hide /proc/timer_stats",
        "hide /proc/sched_debug",
        "hide /sys/firmware",
        "hide /proc/scsi",
        "set RLIMIT_NOFILE to 1024",
    ]


def test_planning_changes_nothing_and_is_repeatable():
    config = configs.podman_like()
    before = copy.deepcopy(config)
    plans = [Plan(config, HOST, "c1", "/bundle", wishes()) for _ in range(2)]
    assert config == before
    assert plans[0].steps() == plans[1].steps()
    assert json.dumps(said(plans[0])) == json.dumps(said(plans[1]))


def test_every_step_says_itself_in_one_line_and_compares_by_what_it_is():
    steps = Plan(configs.podman_like(), HOST, "c1", "/bundle", wishes()).steps()
    assert len(steps) > 50
    for step in steps:
        assert "\n" not in step.describe()
        assert step.describe().strip() == step.describe() != ""
        assert step == copy.copy(step)
        assert hash(step) == hash(copy.copy(step))
        assert step != object()
        assert repr(step).startswith(type(step).__name__ + "(")


def test_hooks_of_the_callers_namespaces_come_before_those_of_the_containers():
    def change(config):
        config["hooks"] = {
            name: [{"path": f"/{name}"}]
            for name in ("createContainer", "poststop", "createRuntime", "startContainer", "prestart")
        }

    told = [line for line in said(planned(change)) if " hook " in line]
    assert told == [
        "run prestart hook #0: /prestart",
        "run createRuntime hook #0: /createRuntime",
        "run createContainer hook #0: /createContainer",
    ]
    assert [step.path for step in planned(change).hooks["poststop"]] == ["/poststop"]


@pytest.mark.parametrize(
    ("change", "flags", "told"),
    [
        (None, {}, "make /bundle/rootfs the root by pivot_root, read-only"),
        (None, {"no_pivot": True}, "make /bundle/rootfs the root by a moved mount and chroot, read-only"),
        ("chroot", {}, "make /bundle/rootfs the root by chroot, read-only"),
        ("chroot", {"no_pivot": True}, "make /bundle/rootfs the root by chroot, read-only"),
        ("shared", {}, "make /bundle/rootfs the root by pivot_root, propagation shared, read-only"),
        ("absolute", {}, "make /x/y the root by pivot_root"),
        ("upward", {}, "make /x the root by pivot_root"),
    ],
)
def test_the_root_is_changed_as_flags_and_namespaces_ask(change, flags, told):
    def changed(config):
        spaces = config["linux"]["namespaces"]
        if change == "chroot":
            spaces[:] = [entry for entry in spaces if entry["type"] != "mount"]
        elif change == "shared":
            config["linux"]["rootfsPropagation"] = "shared"
        elif change:
            config["root"] = {"path": {"absolute": "/x//y/", "upward": "./../x"}[change]}

    assert planned(changed, **flags).rootfs.describe() == told


def test_the_keyring_bears_the_id_unless_it_is_not_wished():
    assert planned().keyring == "_ses.c1"
    assert planned(no_new_keyring=True).keyring == ""


def test_names_are_set_only_when_given():
    def change(config):
        config["hostname"] = ""
        config["domainname"] = "zoo"

    assert [step.describe() for step in planned(change).names] == ["set the domain name to zoo"]


def test_limits_are_those_of_the_list():
    def change(config):
        config["process"]["rlimits"] = [
            {"type": "RLIMIT_CORE", "soft": 0, "hard": (1 << 64) - 1},
            {"type": "RLIMIT_RTTIME", "soft": 1, "hard": 2},
        ]

    found = [(step.name, step.number, step.soft, step.hard) for step in planned(change).limits]
    assert found == [("RLIMIT_CORE", 4, 0, (1 << 64) - 1), ("RLIMIT_RTTIME", 15, 1, 2)]
    assert said(planned(change))[-2:] == [
        "set RLIMIT_CORE to 0, at most unlimited",
        "set RLIMIT_RTTIME to 1, at most 2",
    ]


def test_attributes_are_planned_only_where_they_are_wished():
    def change(config):
        config["process"] |= {
            "scheduler": {"policy": "SCHED_BATCH"},
            "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 0},
        }
        config["linux"] |= {"personality": {"domain": "LINUX"}, "memoryPolicy": {"mode": "MPOL_LOCAL"}}
        config["linux"]["namespaces"].append({"type": "time"})
        config["linux"]["timeOffsets"] = {"boottime": {"secs": 1}}

    plain = planned()
    assert (plain.scheduler, plain.clocks, plain.attributes) == (None, None, [])
    told = said(planned(change))
    entered = told.index("enter a new time namespace, offsets boottime 1 0")
    assert told[entered + 1].startswith("enter namespaces: ")  # a joined mount namespace comes later
    assert told[-4:] == [
        "schedule by SCHED_BATCH",
        "set the I/O priority IOPRIO_CLASS_IDLE 0",
        "set the personality LINUX",
        "set the memory policy MPOL_LOCAL",
    ]


def test_a_time_namespace_that_is_joined_is_not_made():
    def change(config):
        config["linux"]["namespaces"].append({"type": "time", "path": "/proc/1/ns/time"})

    assert planned(change).clocks is None


def test_unknown_capabilities_are_warnings_of_the_plan():
    def change(config):
        config["process"]["capabilities"]["permitted"].append("CAP_ZOO")

    assert planned().warnings == []
    (warning,) = planned(change).warnings
    assert "CAP_ZOO" in warning


def test_a_filter_is_planned_only_when_there_is_one():
    def change(config):
        config["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [{"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"}],
        }

    assert planned().filter is None
    plan = planned(change)
    assert said(plan)[-1] == plan.filter.describe() == (
        "filter system calls: 2 names, otherwise SCMP_ACT_ERRNO 1 (operation not permitted)"
    )


def test_a_config_without_linux_is_planned_too():
    config = {"ociVersion": "1.0.0", "root": {"path": "r"}, "process": {"args": ["x"], "cwd": "/"}}
    plan = Plan(config, HOST, "c1", "/b", wishes())
    assert plan.namespaces.new == ()
    assert plan.rootfs.change == "chroot"
    assert plan.capabilities is None
    assert (plan.masks, plan.sysctls, plan.names, plan.limits, plan.mounts) == ([], [], [], [], [])


def test_what_few_containers_ask_for_is_planned_only_then():
    plan = planned()
    assert (plan.labels, plan.network_devices, plan.rdt) == ([], [], None)
    assert not plan.asks_for_more()


@pytest.mark.parametrize(
    ("place", "wish", "told"),
    [
        ("process", {"apparmorProfile": "p"}, "run the payload under the AppArmor profile p"),
        ("process", {"selinuxLabel": "l"}, "run the payload under the SELinux label l"),
        ("linux", {"netDevices": {"a": {"name": "b"}}},
         "move the network device a into the container as b"),
        ("linux", {"netDevices": {"a": {}}}, "move the network device a into the container as a"),
        ("linux", {"intelRdt": {}}, "enter the class of service c1"),
    ],
)  # fmt: skip
def test_what_few_containers_ask_for_is_told(place, wish, told):
    plan = planned(lambda config: config[place].update(wish))
    assert told in said(plan)
    assert plan.asks_for_more()


def _mapped(config):
    ids = [{"containerID": 0, "hostID": 1000, "size": 10}]
    config["linux"]["namespaces"] += [{"type": "user"}, {"type": "time"}]
    config["linux"] |= {"uidMappings": ids, "gidMappings": ids}


def test_the_user_namespace_comes_before_all_that_its_root_makes():
    told = said(planned(_mapped))
    entered = told.index("enter a new user namespace, uids 0 1000 10, gids 0 1000 10")
    assert told[entered + 1] == "enter a new time namespace"
    assert told[entered + 2].startswith("enter namespaces: ")
    assert planned().user is None


@pytest.mark.parametrize("devices", [True, False])
@pytest.mark.parametrize("user", [True, False])
def test_only_with_both_the_child_tells_that_its_namespaces_are_there(devices, user):
    def change(config):
        config["linux"]["netDevices"] = {"a": {}} if devices else {}
        if user:
            _mapped(config)

    assert planned(change).words() == ["entered"] * (devices and user) + ["ready"]


def test_network_devices_are_a_matter_of_root():
    def change(config):
        config["linux"]["netDevices"] = {"a": {}}

    config = busybox.configuration("plain")
    config["process"]["terminal"] = False
    change(config)
    with pytest.raises(errors.Unsupported, match="rootless"):
        Plan(config, Host(1000, "/sys/fs/cgroup", "/user", (6, 1), 40), "c1", "/bundle", wishes())


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("hooked", [True, False])
@pytest.mark.parametrize("notified", [True, False])
def test_the_child_is_expected_to_say_its_words_in_order(late, joined, hooked, notified):
    def change(config):
        config["process"]["noNewPrivileges"] = late
        config["hooks"] = {"createRuntime" if hooked else "poststop": [{"path": "/h"}]}
        rule = {"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY" if notified else "SCMP_ACT_ERRNO"}
        config["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/a", "syscalls": [rule],
        }  # fmt: skip
        for space in config["linux"]["namespaces"]:
            if space["type"] == "pid" and joined:
                space["path"] = "/ns"

    last = ["pid"] * joined + ["listener"] * notified
    expected = ["hooks"] * hooked + ["ready", *(last if late else last[::-1])]
    assert planned(change).words() == expected


def limited(resources, **more):
    config = configs.changed(configs.small(), "/linux/resources", resources)
    return Plan(config, HOST, "c1", "/b", wishes(**more))


def test_limits_and_device_rules_are_one_row_of_steps():
    made = limited({"pids": {"limit": 5}, "cpu": {"cpus": "0"}})
    told = [getattr(step, "file", type(step).__name__) for step in made.restrictions()]
    assert told == ["pids.max", "DeviceStep", "cpuset.cpus"]
    assert made.steps()[1:4] == made.restrictions()
    assert limited({}).restrictions() == [limited({}).device_rules]


@pytest.mark.parametrize("resources", [{}, {"memory": {}, "cpu": {}, "pids": {}}, {"memory": {"limit": 0}}])
def test_where_nothing_is_limited_there_are_no_steps(resources):
    assert limited(resources).resources == []


def test_without_a_cgroup_there_are_no_restrictions_and_a_warning():
    made = limited({"devices": [{"allow": False, "access": "rwm"}], "pids": {"limit": -1}}, cgroups="disabled")
    assert (made.cgroup.path, made.restrictions()) == ("", [])
    assert made.warnings[-1:] == ["linux.resources.devices is ignored: there is no cgroup"]
    with pytest.raises(errors.Unsupported, match="needs a cgroup"):
        limited({"pids": {"limit": 5}}, cgroups="disabled")


@pytest.mark.parametrize(
    ("resources", "rootless", "spare"),
    [({}, "auto", "rootless"), ({}, "", "rootless"), ({}, "true", "always"), ({}, "false", "never"),
     ({"pids": {"limit": -1}}, "true", "always"), ({"pids": {"limit": 5}}, "true", "never")],
)  # fmt: skip
def test_a_cgroup_is_to_spare_unless_it_limits_something(resources, rootless, spare):
    assert limited(resources, rootless=rootless).cgroup.spare == spare
