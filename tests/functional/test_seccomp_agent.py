"""SCMP_ACT_NOTIFY: the agent gets the listener before anything waits for it, or all is undone."""

import errno
import json
import os
import socket
import subprocess
import time

import pytest
from functional import inside
from functional.agent import Agent
from functional.inside import refused, said

from pyruntime import errors
from pyruntime.feature import listener, seccomp
from pyruntime.kernel import door

NUMBER = {
    "mkdir": 83, "chown": 92, "mkdirat": 258, "getpid": 39, "poll": 7, "lseek": 8,
} if door.MACHINE == "x86_64" else {"mkdirat": 34, "getpid": 172, "lseek": 62}  # fmt: skip
MKDIR = [name for name in ("mkdir", "mkdirat") if name in NUMBER]
REFUSED = {NUMBER[name]: errno.ENOMEDIUM for name in MKDIR}
# Every call that the native program makes between the filter and the payload, but write.
LAST_STEPS = (
    "prctl", "setgroups", "setresgid", "setresuid", "capset", "chdir", "getcwd", "read", "close",
    "execve", "clone", "pipe2", "dup3", "ppoll", "wait4", "setsid", "exit_group",
)  # fmt: skip


@pytest.fixture
def agents(tmp_path):
    """Callable: start an agent; all end with the test."""
    started = []

    def start(name="agent", answer=None, **more):
        started.append(Agent(str(tmp_path / name), answer, **more))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture(params=[True, False], ids=["no_new_privs", "privileged"])
def both(request, bundle):
    """A bundle whose filter is loaded late or early."""
    bundle.config["process"]["noNewPrivileges"] = request.param
    return bundle


def notify(bundle, path, *names, **more):
    """Have calls notified to the agent at `path`."""
    bundle.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": str(path),
        "syscalls": [{"names": list(names), "action": "SCMP_ACT_NOTIFY"}],
        **more,
    }


SCRIPT = "mkdir /dev/shm/x 2>&1; ls -d /dev/shm/x 2>/dev/null; true"


def test_the_agent_decides(both, runtime, agents, tmp_path):
    agents("no", REFUSED)
    agents("yes")
    notify(both, tmp_path / "no", *MKDIR)
    assert os.strerror(errno.ENOMEDIUM) in said(both, runtime, SCRIPT)
    notify(both, tmp_path / "yes", *MKDIR)
    assert said(both, runtime, SCRIPT) == "/dev/shm/x\n"


@pytest.mark.parametrize("metadata", ["", "opaque é"])
def test_the_agent_is_told_of_the_container(both, runtime, containers, agents, tmp_path, metadata):
    agent = agents(answer=REFUSED)
    notify(both, tmp_path / "agent", *MKDIR, **({"listenerMetadata": metadata} if metadata else {}))
    both.config["annotations"] = {"org.example": "here"}
    both.config["process"]["args"] = ["sh", "-c", SCRIPT + "; sleep 60"]
    assert runtime("create", "--bundle", both.save(), "c1").returncode == 0
    pid = containers.state("c1")["pid"]
    inside.eventually(lambda: agent.rights)  # `create` has sent it; the agent may not have read it
    assert agent.rights == [["anon_inode:seccomp notify"]]
    assert agent.states == [
        {
            "ociVersion": "1.3.0", "fds": ["seccompFd"], "pid": pid,
            **({"metadata": metadata} if metadata else {}),
            "state": {
                "ociVersion": "1.3.0", "id": "c1", "status": "creating", "pid": pid,
                "bundle": str(both.path), "annotations": {"org.example": "here"},
            },
        }
    ]  # fmt: skip
    assert [os.readlink(f"/proc/{pid}/fd/{each}") for each in os.listdir(f"/proc/{pid}/fd")].count(
        "anon_inode:seccomp notify"
    ) == 0
    assert agent.seen == []
    assert runtime("start", "c1").returncode == 0
    inside.eventually(lambda: agent.seen)
    assert {number for _, number in agent.seen} <= set(REFUSED)


@pytest.mark.parametrize("flow", ["create", "run"])
def test_nothing_of_the_last_steps_waits_for_an_agent_that_is_not_served_yet(
    both, runtime, agents, tmp_path, flow
):
    """Each of these calls waits for the agent; that it gets the listener must wait for none."""
    agent = agents()
    notify(both, tmp_path / "agent", *LAST_STEPS)
    both.config["process"]["user"] = {"uid": 7, "gid": 8, "additionalGids": [9]}
    both.config["hooks"] = {"startContainer": [{"path": "/bin/true"}]}
    both.config["process"]["args"] = ["true"]
    assert runtime(flow, "--bundle", both.save(), "c1").returncode == 0
    if flow == "create":
        assert runtime("start", "c1").returncode == 0
        inside.eventually(lambda: runtime("delete", "c1").returncode == 0)
    numbers = {number for _, number in agent.seen}
    assert {door.NUMBER[name] for name in ("read", "close", "execve")} <= numbers
    early = not both.config["process"]["noNewPrivileges"]
    assert (door.NUMBER["setresuid"] in numbers) == early


def test_what_the_agent_refuses_the_runtime_fails_create(bundle, runtime, agents, tmp_path):
    agents(answer={door.NUMBER["setresuid"]: errno.ENOMEDIUM})
    notify(bundle, tmp_path / "agent", "setresuid")
    bundle.config["process"]["noNewPrivileges"] = False
    assert "setresuid 0: no medium found" in refused(bundle, runtime)


@pytest.mark.parametrize(
    "flags",
    [[], ["TSYNC"], ["LOG"], ["SPEC_ALLOW"], ["WAIT_KILLABLE_RECV"],
     ["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"]],
    ids=lambda flags: "+".join(flags) or "none",
)  # fmt: skip
def test_the_agent_is_served_with_every_flag(both, runtime, agents, tmp_path, flags):
    agents(answer=REFUSED)
    words = [f"SECCOMP_FILTER_FLAG_{flag}" for flag in flags]
    notify(both, tmp_path / "agent", *MKDIR, flags=words)
    assert os.strerror(errno.ENOMEDIUM) in said(both, runtime, SCRIPT)


def test_the_kept_filter_notifies_too(bundle, runtime, containers, agents, tmp_path):
    """The compiled program does not depend on who is notified."""
    agents("no", REFUSED)
    agents("yes")
    for name, told in (
        ("no", os.strerror(errno.ENOMEDIUM)),
        ("yes", "/dev/shm/x"),
        ("no", "medium"),
    ):
        notify(bundle, tmp_path / name, *MKDIR)
        assert told in said(bundle, runtime, SCRIPT)
        (kept,) = (containers.root / "@seccomp").iterdir()
        known = kept.stat()
        assert known.st_mtime_ns == getattr(bundle, "kept", known.st_mtime_ns)
        bundle.kept = known.st_mtime_ns


def test_an_agent_with_a_long_or_a_relative_path(bundle, runtime, agents, tmp_path):
    """An address of AF_UNIX holds 107 bytes."""
    (tmp_path / ("d" * 200)).mkdir()
    agents("d" * 200 + "/agent", REFUSED)
    notify(bundle, tmp_path / ("d" * 200) / "agent", *MKDIR)
    assert "No medium found" in said(bundle, runtime, SCRIPT)
    notify(bundle, "../" + "d" * 200 + "/agent", *MKDIR)
    assert "No medium found" in said(bundle, runtime, SCRIPT)


def test_a_joined_pid_namespace_and_an_agent(both, runtime, agents, tmp_path, holder):
    inside.at(both, "pid", holder)
    agent = agents(answer=REFUSED)
    notify(both, tmp_path / "agent", *MKDIR, "read", "setsid", "clone")
    assert os.strerror(errno.ENOMEDIUM) in said(both, runtime, SCRIPT)
    assert len(agent.states) == 1


@pytest.fixture
def holder():
    """The path of a pid namespace with a process in it."""
    reader, writer = os.pipe()
    held = subprocess.Popen(["unshare", "--fork", "--pid", "--kill-child", "cat"], stdin=reader)
    os.close(reader)
    link = f"/proc/{held.pid}/ns/pid_for_children"
    own = os.stat("/proc/self/ns/pid").st_ino
    inside.eventually(lambda: os.path.exists(link) and os.stat(link).st_ino != own)
    yield link
    os.close(writer)
    held.wait()


# ---- what goes wrong ----


@pytest.fixture
def fails(both, runtime, containers):
    """Callable: both create and run fail in one line with these words, and leave nothing."""

    def fails(*words):
        both.config["process"]["args"] = ["true"]
        for flow in ("create", "run"):
            done = runtime(flow, "--bundle", both.save(), "c1")
            assert done.returncode == 1
            assert done.stderr.count("\n") == 1
            assert [word for word in words if word not in done.stderr] == [], done.stderr
            assert containers.ids() == []

    return fails


def test_an_absent_agent(fails, both, tmp_path):
    notify(both, tmp_path / "nobody", *MKDIR)
    fails("connect with the seccomp agent", "nobody: no such file or directory", "running?")


def test_an_agent_that_listens_no_more(fails, both, tmp_path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "left"))
    notify(both, tmp_path / "left", *MKDIR)
    fails("left: connection refused", "nobody listens there")


def test_a_file_for_an_agent(fails, both):
    notify(both, both.path / "config.json", *MKDIR)
    fails("config.json: connection refused")


def test_an_absent_agent_while_the_last_steps_wait(fails, both, tmp_path):
    """The init waits in a call that nobody will answer; it is ended all the same."""
    notify(both, tmp_path / "nobody", *LAST_STEPS)
    began = time.monotonic()
    fails("nobody: no such file or directory")
    assert time.monotonic() - began < listener._PATIENCE_S


def test_an_agent_that_lets_go_of_the_listener(bundle, runtime, agents, tmp_path):
    """The runtime keeps no copy: nobody answers any more, and the kernel says so."""
    agents(deaf=True)
    notify(bundle, tmp_path / "agent", *MKDIR)
    assert "Function not implemented" in said(bundle, runtime, SCRIPT)


def test_an_agent_that_nobody_needs_is_not_asked_for(both, runtime, tmp_path):
    notify(both, tmp_path / "nobody", *MKDIR)
    both.config["linux"]["seccomp"]["syscalls"][0]["action"] = "SCMP_ACT_ERRNO"
    assert "not permitted" in said(both, runtime, SCRIPT)


@pytest.mark.parametrize("names", [(), LAST_STEPS], ids=["mkdir", "last steps"])
def test_a_filter_that_forbids_to_tell_of_its_listener(fails, both, agents, tmp_path, names):
    """Even exit_group would wait for the agent, which never comes: the init ends without a call."""
    agents()
    notify(both, tmp_path / "agent", *MKDIR, *names)
    both.config["linux"]["seccomp"]["syscalls"].append(
        {"names": ["write"], "action": "SCMP_ACT_ERRNO"}
    )
    began = time.monotonic()
    fails("does the seccomp profile allow write?")
    assert time.monotonic() - began < listener._PATIENCE_S


def test_an_agent_that_goes_before_the_last_steps_are_done(bundle, runtime, agents, tmp_path):
    """What is notified fails with ENOSYS then; exit_group too, and the init ends without it."""
    agents(deaf=True)
    bundle.config["process"]["noNewPrivileges"] = False
    notify(bundle, tmp_path / "agent", "setresuid", "exit_group")
    assert "setresuid 0: function not implemented" in refused(bundle, runtime)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"listenerPath": ""}, "/linux/seccomp/syscalls/0/action: seccomp listenerPath is not set"),
        ({"listenerPath": "", "listenerMetadata": "x"}, "/linux/seccomp/listenerMetadata"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "SCMP_ACT_NOTIFY cannot be used as default action"),
        ({"syscalls": [{"names": ["write"], "action": "SCMP_ACT_NOTIFY"}]},
         "SCMP_ACT_NOTIFY cannot be used for the write syscall"),
    ],
)  # fmt: skip
def test_profiles_that_could_not_be_served(fails, both, tmp_path, change, words):
    notify(both, tmp_path / "agent", *MKDIR, **change)
    fails(words)


def test_features_tell_of_it(runtime):
    told = json.loads(runtime("features").stdout)["linux"]["seccomp"]
    assert "SCMP_ACT_NOTIFY" in told["actions"]
    assert told["supportedFlags"] == told["knownFlags"]


def test_a_state_that_is_sent_in_pieces(bundle, runtime, agents, tmp_path):
    """config-linux.md: the descriptors come with the first piece only."""
    agent = agents(answer=REFUSED)
    notify(bundle, tmp_path / "agent", *MKDIR)
    bundle.config["annotations"] = {"long": "x" * 3_000_000}
    assert "No medium found" in said(bundle, runtime, SCRIPT)
    assert agent.rights == [["anon_inode:seccomp notify"]]
    assert agent.states[0]["state"]["annotations"] == bundle.config["annotations"]


@pytest.mark.parametrize("told", ["pipe", "9999", "x", "", "-1"])
def test_a_forged_listener_is_not_passed_on(told):
    """The number comes from a process that may be in other hands by then."""
    reader, writer = os.pipe()
    pidfd = os.pidfd_open(os.getpid())
    with pytest.raises(errors.RuntimeFailure, match="seccomp listener"):
        listener.take(pidfd, str(reader) if told == "pipe" else told)
    for each in (reader, writer, pidfd):
        os.close(each)


def test_an_agent_that_takes_nothing_is_not_waited_for(monkeypatch, tmp_path):
    monkeypatch.setattr(listener, "_PATIENCE_S", 1)
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(str(tmp_path / "busy"))
        busy.listen(0)
        first.connect(str(tmp_path / "busy"))
        began = time.monotonic()
        with pytest.raises(errors.KernelError) as failure:
            listener.send(str(tmp_path / "busy"), "{}", 0)
        assert 0.9 < time.monotonic() - began < 30
    assert "the agent did not take it" in failure.value.say()


def test_a_kernel_that_does_not_know_how_to_wait_is_named():
    step = seccomp.plan(
        {
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/a",
            "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
            "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}],
        }
    )  # fmt: skip
    listener.require_flags(step, (5, 19))
    with pytest.raises(errors.Unsupported, match="needs Linux 5.19"):
        listener.require_flags(step, (5, 18))
