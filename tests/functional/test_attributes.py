"""Attributes of the process: clocks, scheduling, I/O priority, personality, memory policy, affinity."""

import ctypes
import json
import os
import resource
import subprocess
from pathlib import Path

import pytest
from functional import inside
from functional.inside import refused, running, said, status
from functional.test_namespaces import holder, shared

from pyruntime.kernel import door

__all__ = ["holder", "shared"]  # fixtures

SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}[door.MACHINE]
RESET_ON_FORK = os.SCHED_RESET_ON_FORK
SCHED_DEADLINE = 6
CAP_SYS_NICE, PR_CAPBSET_DROP = 23, 24
ADDR_NO_RANDOMIZE = 0x0040000
LIBC = ctypes.CDLL(None, use_errno=True)
DEADLINE = {"policy": "SCHED_DEADLINE", "runtime": 4200000, "deadline": 10000000, "period": 20000000}
# nice, policy: proc_pid_stat(5); the name of cut has no blank. Only OTHER and BATCH set the former.
SCHEDULED = "cut -d' ' -f19,41 /proc/self/stat"
needs_numa = pytest.mark.skipif(
    not Path("/proc/self/numa_maps").exists(), reason="this kernel was built without NUMA"
)


@pytest.fixture
def process(bundle):
    """The config's process."""
    return bundle.config["process"]


@pytest.fixture
def linux(bundle):
    """The config's block linux."""
    return bundle.config["linux"]


def attributes(pid):
    """Return policy, flags, nice, priority, runtime, deadline, period of a process."""
    memory = bytearray(48)
    view = (ctypes.c_char * len(memory)).from_buffer(memory)
    assert LIBC.syscall(SCHED_GETATTR, pid, view, len(memory), 0) == 0, ctypes.get_errno()
    fields = (4, 4, 8, 4, 4, 8, 8, 8)
    found, at = [], 0
    for size in fields:
        found.append(int.from_bytes(memory[at : at + size], "little"))
        at += size
    return tuple(found[1:])


def without_nice():
    """Take CAP_SYS_NICE from a program that is about to be executed, and the limits that replace it."""
    assert LIBC.prctl(PR_CAPBSET_DROP, CAP_SYS_NICE, 0, 0, 0) == 0
    for limit in (resource.RLIMIT_RTPRIO, resource.RLIMIT_NICE):
        resource.setrlimit(limit, (0, 0))


# --- clocks --------------------------------------------------------------------------------------


def offset(linux, **offsets):
    linux["namespaces"].append({"type": "time"})
    linux["timeOffsets"] = offsets


def uptime():
    return float(Path("/proc/uptime").read_text().split()[0])


CLOCKS = "cat /proc/self/timens_offsets; cut -d. -f1 /proc/uptime"


def test_the_clocks_of_a_container_can_be_off(bundle, runtime, linux):
    offset(linux, boottime={"secs": 1337000, "nanosecs": 3141519}, monotonic={"secs": -1, "nanosecs": 7})
    told = said(bundle, runtime, CLOCKS).split()
    assert told[:6] == ["monotonic", "-1", "7", "boottime", "1337000", "3141519"]
    assert abs(int(told[6]) - uptime() - 1337000) < 60


def test_one_clock_can_be_off_alone(bundle, runtime, linux):
    offset(linux, boottime={"secs": 5}, monotonic={})
    told = said(bundle, runtime, CLOCKS).split()
    assert told[:6] == ["monotonic", "0", "0", "boottime", "5", "0"]


def test_clocks_are_off_in_a_joined_pid_namespace_too(shared, runtime):
    offset(shared.config["linux"], boottime={"secs": 1000000})
    assert said(shared, runtime, CLOCKS).split()[3:6] == ["boottime", "1000000", "0"]


def test_hooks_of_the_caller_keep_its_clocks(bundle, runtime, linux, tmp_path):
    offset(linux, boottime={"secs": 1000000})
    for name in ("createRuntime", "createContainer"):
        script = f"cut -d. -f1 /proc/uptime > {tmp_path}/{name}"
        bundle.config.setdefault("hooks", {})[name] = [{"path": "/bin/sh", "args": ["sh", "-c", script]}]
    said(bundle, runtime, "true")
    assert int((tmp_path / "createRuntime").read_text()) < uptime() + 60
    assert int((tmp_path / "createContainer").read_text()) > 1000000


def test_the_clocks_are_never_set_through_the_proc_of_a_joined_mount_namespace(
    bundle, runtime, linux, holder
):
    """Its /proc may be anything: here a tmpfs in which the offsets are a file and the namespace a link."""
    held = holder("mount")
    script = (
        "mount -t tmpfs proc /proc && mkdir -p /proc/self/ns && echo none > /proc/self/timens_offsets"
        " && ln -s /dev/null /proc/self/ns/time_for_children"
    )
    subprocess.run(["nsenter", f"--mount={held}/ns/mnt", "sh", "-c", script], check=True)
    inside.at(bundle, "mount", held / "ns/mnt")
    offset(linux, boottime={"secs": 1000000})
    assert said(bundle, runtime, CLOCKS).split()[3:6] == ["boottime", "1000000", "0"]


@pytest.mark.parametrize("clock", ["boottime", "monotonic"])
@pytest.mark.parametrize("secs", [-4000000000, 4611686019])
def test_a_clock_that_would_be_impossible_is_refused(bundle, runtime, linux, clock, secs):
    offset(linux, **{clock: {"secs": secs}})
    assert (
        f"set the time namespace's offsets {clock} {secs} 0: numerical result out of range"
        " (a clock would be below 0 or beyond 146 years)"
    ) in refused(bundle, runtime)


def test_offsets_need_a_new_time_namespace(bundle, runtime, linux, holder):
    linux["timeOffsets"] = {"boottime": {"secs": 1}}
    told = "time namespace offsets specified, but time namespace isn't enabled in the config"
    assert f"/linux/timeOffsets: {told}" in refused(bundle, runtime)
    inside.at(bundle, "time", holder("time") / "ns/time")
    told = "time namespace offsets specified, but the time namespace is one that exists"
    assert f"/linux/timeOffsets: {told}" in refused(bundle, runtime)


def test_offsets_that_no_clock_holds_are_refused_by_their_place(bundle, runtime, linux):
    offset(linux, boottime={"nanosecs": 1000000000})
    told = refused(bundle, runtime)
    assert "/linux/timeOffsets/boottime/nanosecs: must be below 1000000000" in told
    linux["timeOffsets"] = {"realtime": {"secs": 1}}
    told = refused(bundle, runtime)
    assert "/linux/timeOffsets/realtime: only boottime and monotonic can have offsets" in told


# --- scheduling ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        ({"policy": "SCHED_OTHER", "nice": 7}, "7 0"),
        ({"policy": "SCHED_OTHER", "nice": -9}, "-9 0"),
        ({"policy": "SCHED_BATCH", "nice": 19}, "19 3"),
        ({"policy": "SCHED_BATCH"}, "0 3"),
        ({"policy": "SCHED_IDLE"}, f"{os.nice(0)} 5"),
        ({"policy": "SCHED_FIFO", "priority": 3}, f"{os.nice(0)} 1"),
        ({"policy": "SCHED_RR", "priority": 99}, f"{os.nice(0)} 2"),
        ({"policy": "SCHED_FIFO", "flags": ["SCHED_FLAG_KEEP_POLICY"]}, "0 0"),
    ],
)
@pytest.mark.parametrize("flow", ["run", "create"])
def test_the_payload_is_scheduled_as_wished(bundle, runtime, process, wish, found, flow):
    process["scheduler"] = wish
    if flow == "run":
        assert said(bundle, runtime, SCHEDULED).strip() == found
        return
    process["args"] = ["sh", "-c", f"{SCHEDULED} > /dev/shm/told; sleep 60"]
    assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 0
    assert runtime("start", "c1").returncode == 0
    pid = json.loads(runtime("state", "c1").stdout)["pid"]
    told = Path(f"/proc/{pid}/root/dev/shm/told")
    assert inside.eventually(lambda: told.exists() and told.read_text()).strip() == found


def test_priority_and_flags_reach_the_kernel(bundle, runtime, containers, process):
    process["scheduler"] = {"policy": "SCHED_RR", "priority": 7, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}
    assert attributes(running(bundle, runtime, containers, "exec sleep 60"))[:4] == (2, 1, 0, 7)


def test_without_a_wish_the_callers_scheduling_is_inherited(bundle, runtime):
    assert said(bundle, runtime, SCHEDULED, preexec_fn=lambda: os.nice(5)).strip() == f"{min(os.nice(0) + 5, 19)} 0"


def test_a_nice_value_that_is_not_set_is_zero(bundle, runtime, process):
    process["scheduler"] = {"policy": "SCHED_OTHER"}
    assert said(bundle, runtime, SCHEDULED, preexec_fn=lambda: os.nice(5)).strip() == "0 0"


@pytest.mark.parametrize("pinned", [False, True])
@pytest.mark.parametrize("flow", ["run", "create"])
def test_a_deadline_process_comes_to_life(bundle, runtime, containers, process, flow, pinned):
    """The kernel wants it on all processors, so that a pinned caller would be in its way."""
    process |= {"scheduler": DEADLINE, "args": ["sleep", "60"]}
    first = {min(os.sched_getaffinity(0))}
    options = {"preexec_fn": lambda: os.sched_setaffinity(0, first)} if pinned else {}
    words = ["run", "--detach"] if flow == "run" else ["create"]
    done = runtime(*words, "--bundle", bundle.save(), "c1", **options)
    assert (done.returncode, done.stderr) == (0, "")
    if flow == "create":
        assert attributes(containers.state("c1")["pid"])[0] == SCHED_DEADLINE
        assert runtime("start", "c1").returncode == 0
    pid = containers.state("c1")["pid"]
    # It is empty for a moment within execve.
    command = inside.eventually(Path(f"/proc/{pid}/cmdline").read_bytes)
    assert command == b"sleep\x0060\0"
    assert attributes(pid) == (SCHED_DEADLINE, 0, 0, 0, 4200000, 10000000, 20000000)


def test_a_deadline_process_comes_to_life_in_a_joined_pid_namespace(shared, runtime, containers):
    """It is made by a fork, which a deadline process may not do: it becomes one after that."""
    shared.config["process"] |= {"scheduler": DEADLINE, "args": ["sleep", "60"]}
    done = runtime("run", "--detach", "--bundle", shared.save(), "c1")
    assert (done.returncode, done.stderr) == (0, "")
    assert attributes(containers.state("c1")["pid"])[0] == SCHED_DEADLINE


def test_hooks_of_a_deadline_process_must_not_be_deadline_processes(bundle, runtime, containers, process):
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"{SCHEDULED} > /dev/shm/told"]}
    bundle.config["hooks"] = {"startContainer": [hook]}
    process |= {"scheduler": dict(DEADLINE), "args": ["sleep", "60"]}
    told = "a deadline process can run its startContainer hooks only with SCHED_FLAG_RESET_ON_FORK"
    assert f"/process/scheduler/flags: {told}" in refused(bundle, runtime)
    process["scheduler"]["flags"] = ["SCHED_FLAG_RESET_ON_FORK"]
    assert runtime("run", "--detach", "--bundle", bundle.save(), "c1").returncode == 0
    pid = containers.state("c1")["pid"]
    assert Path(f"/proc/{pid}/root/dev/shm/told").read_text() == "0 0\n"
    assert attributes(pid)[:2] == (SCHED_DEADLINE, 1)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"policy": "SCHED_OTHER", "nice": -1},
         "SCHED_OTHER: operation not permitted (a lower nice value needs CAP_SYS_NICE)"),
        ({"policy": "SCHED_FIFO", "priority": 1}, "SCHED_FIFO: operation not permitted (it needs CAP_SYS_NICE"),
        (DEADLINE, "SCHED_DEADLINE: operation not permitted (it needs CAP_SYS_NICE"),
    ],
)  # fmt: skip
def test_a_right_that_is_missing_is_named(bundle, runtime, process, wish, told):
    process["scheduler"] = wish
    done = runtime("run", "--bundle", bundle.save(), "c1", preexec_fn=without_nice)
    assert done.returncode == 1
    assert f"schedule the process by {told}" in done.stderr
    assert runtime("state", "c1").returncode == 1


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"policy": "SCHED_ISO"}, "schedule the process by SCHED_ISO: invalid argument (Linux has no such"),
        ({"policy": "SCHED_FIFO"}, "/process/scheduler/priority: SCHED_FIFO needs a priority from 1 to 99"),
        ({"policy": "SCHED_OTHER", "nice": 20}, "/process/scheduler/nice: invalid scheduler.nice: 20"),
        ({"policy": "SCHED_FOO"}, "/process/scheduler/policy"),
        ({"policy": "SCHED_IDLE", "flags": ["SCHED_FLAG_FOO"]}, "/process/scheduler/flags/0"),
        ({"nice": 1}, "/process/scheduler"),
        (DEADLINE | {"period": 1 << 63}, "schedule the process by SCHED_DEADLINE: invalid argument (see sched"),
    ],
)
def test_impossible_scheduling_is_refused(bundle, runtime, process, wish, told):
    process["scheduler"] = wish
    assert told in refused(bundle, runtime)


# --- I/O priority --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "priority", "told"),
    [("RT", 2, "realtime: prio 2"), ("BE", 0, "best-effort: prio 0"), ("BE", 7, "best-effort: prio 7"),
     ("IDLE", 5, "idle")],
)  # fmt: skip
@pytest.mark.parametrize("uid", [0, 1000])
def test_the_io_priority_is_the_one_of_the_config(bundle, runtime, process, kind, priority, told, uid):
    process["user"] = {"uid": uid, "gid": uid}
    process["ioPriority"] = {"class": f"IOPRIO_CLASS_{kind}", "priority": priority}
    assert said(bundle, runtime, "ionice").strip() == told


def test_the_io_priority_holds_in_a_joined_pid_namespace(shared, runtime):
    shared.config["process"]["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 6}
    assert said(shared, runtime, "ionice").strip() == "best-effort: prio 6"


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"class": "IOPRIO_CLASS_BE", "priority": 8}, "/process/ioPriority/priority"),
        ({"class": "IOPRIO_CLASS_NONE", "priority": 1}, "/process/ioPriority/class"),
        ({"class": "IOPRIO_CLASS_BE"}, "/process/ioPriority"),
        ({"priority": 1}, "/process/ioPriority"),
    ],
)
def test_impossible_io_priorities_are_refused(bundle, runtime, process, wish, told):
    process["ioPriority"] = wish
    assert told in refused(bundle, runtime)


# --- personality ---------------------------------------------------------------------------------


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("no_new_privs", [False, True])
def test_the_personality_is_the_one_of_the_config(bundle, runtime, linux, process, filtered, no_new_privs):
    """Also where the filter forbids the call (runc#4900)."""
    process["noNewPrivileges"] = no_new_privs
    if filtered:
        linux["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["personality"], "action": "SCMP_ACT_ERRNO"}],
        }
    script = "cat /proc/self/personality; uname -m"
    machine = {"x86_64": "i686", "aarch64": "armv8l"}[door.MACHINE]
    linux["personality"] = {"domain": "LINUX32"}
    assert said(bundle, runtime, script).split() == ["00000008", machine]
    linux["personality"] = {"domain": "LINUX", "flags": []}
    assert said(bundle, runtime, script).split() == ["00000000", door.MACHINE]


def test_the_callers_personality_is_inherited_unless_one_is_wished(bundle, runtime, linux):
    def prepare():
        LIBC.personality(ADDR_NO_RANDOMIZE)

    script = "cat /proc/self/personality"
    assert int(said(bundle, runtime, script, preexec_fn=prepare), 16) == ADDR_NO_RANDOMIZE
    linux["personality"] = {"domain": "LINUX"}
    assert int(said(bundle, runtime, script, preexec_fn=prepare), 16) == 0


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"domain": "BSD"}, "/linux/personality/domain"),
        ({}, "/linux/personality"),
        ({"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]},
         "/linux/personality/flags: no flag is supported: the specification defines none"),
    ],
)  # fmt: skip
def test_impossible_personalities_are_refused(bundle, runtime, linux, wish, told):
    linux["personality"] = wish
    assert told in refused(bundle, runtime)


# --- memory policy -------------------------------------------------------------------------------

MAPS = "head -n 1 /proc/self/numa_maps | cut -d' ' -f2"


@needs_numa
@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"mode": "MPOL_DEFAULT"}, "default"),
        ({"mode": "MPOL_LOCAL"}, "local"),
        ({"mode": "MPOL_PREFERRED"}, "local"),
        ({"mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}, "prefer=relative:0"),
        ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "bind=static:0"),
        ({"mode": "MPOL_BIND", "nodes": " 0 ,"}, "bind:0"),
        ({"mode": "MPOL_INTERLEAVE", "nodes": "0"}, "interleave:0"),
    ],
)
def test_memory_comes_from_where_the_config_says(bundle, runtime, linux, wish, told):
    linux["memoryPolicy"] = wish
    assert said(bundle, runtime, MAPS).strip() == told


@needs_numa
def test_the_policy_is_set_although_the_filter_forbids_the_call(bundle, runtime, linux):
    linux["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0"}
    linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["set_mempolicy"], "action": "SCMP_ACT_KILL_PROCESS"}],
    }
    assert said(bundle, runtime, MAPS).strip() == "bind:0"


@needs_numa
@pytest.mark.parametrize("nodes", ["1000", "60000"])
def test_nodes_that_are_not_there_are_named(bundle, runtime, linux, nodes):
    linux["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": nodes}
    assert (
        f"set the memory policy MPOL_BIND on the nodes {nodes}"
        " (nodes must have memory and be in the cpuset): invalid argument"
    ) in refused(bundle, runtime)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({}, "/linux/memoryPolicy"),
        ({"mode": "INTERLEAVE"}, "/linux/memoryPolicy/mode"),
        ({"mode": "MPOL_DEFAULT", "nodes": "0-7"}, "/linux/memoryPolicy/nodes: MPOL_DEFAULT takes no nodes"),
        ({"mode": "MPOL_BIND"}, "/linux/memoryPolicy/nodes: MPOL_BIND needs at least one node"),
        ({"mode": "MPOL_BIND", "nodes": "0-9876543210"}, "invalid memory policy node: "),
        ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["badflag"]}, "/linux/memoryPolicy/flags/0"),
    ],
)
def test_impossible_memory_policies_are_refused(bundle, runtime, linux, wish, told):
    linux["memoryPolicy"] = wish
    assert told in refused(bundle, runtime)


# --- affinity ------------------------------------------------------------------------------------

needs_processors = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="the machine has one processor"
)
ALLOWED = "grep Cpus_allowed_list /proc/self/status"


@needs_processors
def test_a_container_of_a_pinned_caller_is_not_pinned(bundle, runtime):
    """runc resets it for init; without that a daemon's own affinity would be that of all containers."""
    first = {min(os.sched_getaffinity(0))}
    mine = status(Path("/proc/self/status").read_text())["Cpus_allowed_list"]
    told = said(bundle, runtime, ALLOWED, preexec_fn=lambda: os.sched_setaffinity(0, first))
    assert told.split()[1] == mine


@needs_processors
def test_where_affinity_cannot_be_reset_it_is_warned_of(bundle, runtime):
    seccomp = pytest.importorskip("seccomp", reason="libseccomp's binding is not installed")
    first = {min(os.sched_getaffinity(0))}

    def prepare():
        os.sched_setaffinity(0, first)
        forbidding = seccomp.SyscallFilter(seccomp.ALLOW)
        forbidding.add_rule(seccomp.ERRNO(1), "sched_setaffinity")
        forbidding.load()

    bundle.config["process"]["args"] = ["sh", "-c", ALLOWED]
    done = runtime("run", "--bundle", bundle.save(), "c1", preexec_fn=prepare)
    assert done.returncode == 0
    assert done.stdout.split()[1] == str(*first)
    told = "the container keeps the caller's CPU affinity: sched_setaffinity: operation not permitted"
    assert "level=warning" in done.stderr
    assert told in done.stderr


def test_the_affinity_of_exec_is_not_that_of_the_first_process(bundle, runtime, containers, process):
    process["execCPUAffinity"] = {"initial": "0", "final": "0"}
    pid = running(bundle, runtime, containers)
    mine = status(Path("/proc/self/status").read_text())["Cpus_allowed_list"]
    assert status(Path(f"/proc/{pid}/status").read_text())["Cpus_allowed_list"] == mine
    saved = json.loads((containers.root / "c1" / "config.json").read_text())
    assert saved["process"]["execCPUAffinity"] == {"initial": "0", "final": "0"}


@pytest.mark.parametrize(
    ("text", "told"),
    [("3-1", 'bad CPU affinity: the range \\"3-1\\" runs backwards'), ("1-", "neither a number nor a range"),
     ("70000", "is beyond 65535"), ("a", "/process/execCPUAffinity/final")],
)  # fmt: skip
def test_what_is_no_list_of_processors_is_refused(bundle, runtime, process, text, told):
    process["execCPUAffinity"] = {"final": text}
    line = refused(bundle, runtime)
    assert "/process/execCPUAffinity/final: " in line
    assert told in line


# --- for other systems ---------------------------------------------------------------------------


def test_what_is_for_terminals_and_for_windows_is_ignored(bundle, runtime, process):
    process |= {"consoleSize": {"height": 25, "width": 80}, "commandLine": "cmd.exe /c dir"}
    assert said(bundle, runtime, "echo $0 here") == "sh here\n"
