"""What create would do: every step of the plan once, in its order, by whom and when."""

from __future__ import annotations

import copy
import os

import pytest
from unit.spec import configs

from pyruntime.command import plan as plans
from pyruntime.container import awaited, forecast, program, rehearsal, script
from pyruntime.container.plan import Plan, Wishes
from pyruntime.container.surroundings import Surroundings
from pyruntime.feature.host import Host
from pyruntime.feature.step import Step

HOST = Host(0, "/sys/fs/cgroup", "/user", (6, 12), 40)
PROGRAM = bytes(80)


def rich():
    """Every key that is built, with a shared pid namespace and a filter that notifies."""
    config = configs.every_key()
    config["linux"]["namespaces"] = [
        {"type": kind} for kind in ("ipc", "network", "mount", "uts", "time")
    ] + [{"type": "pid", "path": "/proc/1/ns/pid"}]
    config["linux"]["seccomp"]["syscalls"].append(
        {"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}
    )
    config["mounts"].append({"destination": "/t", "type": "tmpfs", "options": ["ro"]})
    return config


def mapped():
    """Every key that is built, in a new user namespace and a network namespace that is there."""
    config = configs.every_key()
    spaces = [{"type": kind} for kind in ("user", "mount", "pid", "cgroup", "uts", "ipc", "time")]
    config["linux"]["namespaces"] = [*spaces, {"type": "network", "path": "/proc/1/ns/net"}]
    ids = [{"containerID": 0, "hostID": 7, "size": 70}]
    config["linux"] |= {"uidMappings": ids, "gidMappings": ids}
    config["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"})
    return config


def foretold(config, *, cgroups="cgroupfs", **there):
    waiting = awaited.plan(config)
    wishes = Wishes(no_pivot=False, no_new_keyring=False, preserve=0, waits=True, cgroups=cgroups)
    plan = Plan(awaited.without(config, waiting), HOST, "ID", "/bundle", wishes)
    around = Surroundings(HOST, **{"filter": PROGRAM} | there)
    return plan, forecast.Forecast(plan, around, waiting, "/run").acts()


def said(acts, *phases):
    return [act.step.describe() for act in acts if not phases or act.phase in phases]


@pytest.mark.parametrize("config", [configs.small(), configs.podman_like(), rich(), mapped()])
def test_every_step_of_the_plan_is_told_once_and_in_order(config):
    plan, acts = foretold(config)
    told = said(acts)
    labels = {label.describe() for label in plan.labels}
    before = -1
    phases = {}
    for step in plan.steps():
        sentence = step.describe()
        if sentence in labels:  # told with the look whether its module is on
            assert [line for line in told if line.endswith(sentence)]
            continue
        assert told.count(sentence) == 1 or step in plan.mounts, sentence
        phases[sentence] = told.index(sentence)
    filtered = plan.filter.describe() if plan.filter else ""
    moved = {step.describe() for step in plan.network_devices}  # while the child is busy
    moved |= {filtered}  # compiled before all
    moved |= {step.describe() for step in [plan.clocks, plan.namespaces] if step}
    moved |= {step.describe() for step in [plan.scheduler] if step}  # after the last fork
    for sentence, at in phases.items():
        if sentence not in moved:
            assert at > before, sentence
            before = at


def test_the_script_is_told_whole_and_in_order():
    plan, acts = foretold(rich())
    order = rehearsal.order(plan, Surroundings(HOST, filter=PROGRAM))
    told = [act.step.describe() for act in acts if act.actor == forecast.NATIVE]
    assert told == [step.describe() for step in script.compose(order)]
    assert said(acts, "shed")[-1] == "wait for the go"


def test_phases_come_one_after_the_other_and_each_has_its_heading():
    _, acts = foretold(rich())
    phases = [act.phase for act in acts]
    assert list(dict.fromkeys(phases)) == list(plans._HEADINGS)
    assert phases == sorted(phases, key=list(plans._HEADINGS).index)


def test_the_parent_answers_what_the_native_program_tells():
    _, acts = foretold(rich())
    told = said(acts, "shed")
    for word, answer in (
        ("tell its number to the parent", "give the listener to the agent at /run/agent"),
        ("tell its pid to the parent", "take that process for the container's, write state.json"),
    ):
        at = told.index(word)
        assert told[at + 1] == answer
        assert acts[[act.phase for act in acts].index("shed") + at + 1].actor == forecast.PARENT
    schedule = next(line for line in told if line.startswith("schedule by "))
    assert told.index(schedule) == told.index("take that process for the container's, write state.json") + 1


def test_hooks_are_told_by_whom_and_when():
    _, acts = foretold(rich())
    told = [(act.phase, act.actor, act.step.describe().split()[1]) for act in acts if " hook #0" in act.step.describe()]
    assert told == [
        ("build", "parent", "prestart"),
        ("build", "parent", "createRuntime"),
        ("build", "child", "createContainer"),
        ("start", "native program", "startContainer"),
        ("start", "start", "poststart"),
        ("delete", "delete", "poststop"),
    ]


def test_what_becomes_read_only_late_is_told_again():
    config = rich()
    config["root"]["readonly"] = True
    _, acts = foretold(config)
    told = said(acts, "finish")
    at = told.index("now make /t read-only")
    assert told[at : at + 3] == ["now make /t read-only", "now make / slave", "now make / read-only"]


def test_a_unit_of_systemd_stands_in_the_place_of_the_cgroup():
    config = configs.small()
    config["linux"]["cgroupsPath"] = "a.slice:b:c"
    where = "/sys/fs/cgroup/a.slice/b-c.scope"
    _, acts = foretold(config, cgroups="systemd", faults={where: "no systemd"})
    told = said(acts)
    assert not [line for line in told if line.startswith("make the cgroup")]
    asked = next(at for at, line in enumerate(told) if line.startswith("have systemd make the scope"))
    waited = told.index("wait until systemd has made b-c.scope")
    assert told[asked - 1].startswith("claim the id") and asked < waited
    assert told[waited + 1].startswith("deny all devices")
    assert [act.cannot for act in acts if where in act.step.describe()] == ["no systemd"]
    assert told[-1].startswith("have systemd stop b-c.scope, remove its cgroup and /run/ID")


def test_without_a_mount_namespace_the_rootfs_is_mounted_by_the_parent():
    config = configs.small()
    config["linux"]["namespaces"] = []
    _, acts = foretold(config)
    (mounted,) = [act for act in acts if "mount /bundle/rootfs" in act.step.describe()]
    assert (mounted.phase, mounted.actor) == ("prepare", "parent")
    assert "make the child by clone3, in the cgroup" in said(acts)


@pytest.mark.parametrize(
    ("env", "home"),
    [
        (["HOME=/h"], ", with HOME=/h"),
        (["HOME=/a", "HOME=/b"], ", with HOME=/b"),
        (["HOME="], ", and HOME as the image's /etc/passwd has it for uid 0, or /"),
        ([], ", and HOME as the image's /etc/passwd has it for uid 0, or /"),
    ],
)
def test_home_is_told_as_far_as_it_is_known(env, home):
    config = configs.small()
    config["process"]["env"] = ["A=1", "A=2", *env]
    told = said(foretold(config)[1])
    count = 1 + bool(home.startswith(", with"))
    variables = "1 variable" if count == 1 else "2 variables"
    assert f"give the payload the {variables} of process.env{home}" in told


@pytest.mark.parametrize(
    ("name", "env", "cwd", "sought", "executed"),
    [
        ("sh", ["PATH=/bin:/x"], "/", "look for sh in /bin, /x", "execute /bin/sh or /x/sh as: sh"),
        ("sh", ["PATH=:b"], "/w", "look for sh in /w/., /w/b", "execute /w/./sh or /w/b/sh as: sh"),
        ("./sh", [], "/w", "see that /w/./sh is there", "execute /w/./sh as: ./sh"),
        ("sh", [], "/", "look for sh in no directory", "execute sh as: sh"),
    ],
)
def test_the_places_of_the_program_are_told_without_the_image(name, env, cwd, sought, executed):
    config = configs.small()
    config["process"] |= {"args": [name], "env": env, "cwd": cwd}
    _, acts = foretold(config)
    assert sought in said(acts)
    (last,) = [act for act in acts if act.step.describe() == executed]
    lost = 'exec: "sh": executable file not found in $PATH, which config.json lacks'
    assert last.cannot == (lost if "no directory" in sought else "")


@pytest.mark.parametrize("name", ["sh", "./sh", "/bin/sh"])
def test_the_places_are_those_where_create_looks(name, tmp_path):
    """Where the program is at every place, create finds all that were told."""
    process = {"args": [name], "cwd": "/w", "env": ["PATH=/bin:/x:b::", "A=1", "HOME=", "A=2", "HOME=/h"]}
    for place in ("bin", "x", "w/b", "w"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "sh").touch(0o755)
    config = configs.small()
    config["process"] |= process
    order = rehearsal.order(foretold(config)[0], Surroundings(HOST))
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        env = program.environment(process["env"], 0, root)
        found = program.candidates(name, env, process["cwd"], root)
    finally:
        os.close(root)
    assert order.env == env
    assert list(dict.fromkeys(order.candidates)) == found


def test_foretelling_changes_nothing_and_is_repeatable():
    config = rich()
    before = copy.deepcopy(config)
    first, second = (foretold(config)[1] for _ in range(2))
    assert config == before
    assert [(act.step, act.cannot) for act in first] == [(act.step, act.cannot) for act in second]
    assert all(isinstance(act.step, Step) for act in first)


def test_a_new_user_namespace_is_entered_between_the_two():
    plan, acts = foretold(mapped(), closed=["/bundle/rootfs", "/bundle/data", "/other"])
    assert [(act.actor, act.step.describe()) for act in acts if act.phase == "birth"] == [
        ("parent", "join the network namespace /proc/1/ns/net for a moment, so that the child is born in it"),
        ("parent", "make the child by clone3, in the cgroup and in new namespaces: mount, cgroup, user, pid"),
        ("parent", "go back to its own namespaces: network"),
        ("parent", "let the child run on every processor, whatever the caller is bound to"),
        ("parent", "set oom_score_adj to -5"),
        ("parent", "write the child's uid_map and gid_map"),
        ("parent", "give the cgroup to uid 8 of the host, with those of its files that the kernel names for that"),
        ("parent", "let the child go on, which waits for its maps"),
    ]
    built = [(act.actor, act.step.describe()) for act in acts if act.phase == "build"]
    at = built.index(("child", plan.user.describe()))
    assert at == 1
    assert built[at + 1 : at + 8] == [
        ("child", "become uid and gid 0 there, with no group of the caller"),
        ("child", "make what shall be that root's own, new namespaces: uts, ipc"),
        ("child", "say that it is there, and wait for its network devices"),
        ("parent", "put the child into the class of service"),
        *(("parent", step.describe()) for step in plan.network_devices),
        ("child", "enter a new time namespace, " + plan.clocks.describe().partition(", ")[2]),
    ]
    told = [line for _, line in built]
    for what, before in (("the rootfs", "mount /bundle/rootfs onto"), ("/bundle/data", "bind /bundle/data on")):
        (lent,) = [place for place, line in enumerate(told) if line.startswith(f"fetch {what}, to which uid 7 ")]
        assert built[lent][0] == "parent"
        assert told[lent + 1].startswith(before)
    first = next(place for place, line in enumerate(told) if line.startswith("make device "))
    assert told[first - 1].startswith("bind the host's own node")


def test_what_a_user_namespace_does_not_ask_for_is_not_told():
    config = configs.small()
    config["linux"]["namespaces"] = [{"type": "user"}, {"type": "mount"}]
    config["linux"] |= {"uidMappings": [{"containerID": 0, "hostID": 7, "size": 1}]}
    config["linux"]["gidMappings"] = config["linux"]["uidMappings"]
    kinds = {plans._kind(act.step) for act in foretold(config)[1]}
    assert {"maps", "mapped", "root", "bind"} <= kinds
    assert not {"join", "leave", "ownership", "unshare", "entered", "lend", "class"} & kinds
    assert not {"maps", "root", "bind"} & {plans._kind(act.step) for act in foretold(rich())[1]}
