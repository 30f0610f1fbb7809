"""System call filters in whole containers: with and without no_new_privs, arguments, the cache."""

import errno
import json
import os
from pathlib import Path

import pytest
from functional import inside
from functional.inside import refused, said
from functional.played import compiled

from pyruntime.feature import seccomp, seccomp_cache, seccomp_compile
from pyruntime.kernel import door

ARCHITECTURES = {
    "x86_64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "aarch64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
}[door.MACHINE]
PODMANS = Path(__file__).resolve().parents[2] / "bundles/podman-like/config.json"
# Ends with the errno of the system call that is its first argument's name.
CALLER = """
static long raw(long number, long a) {
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(0), "d"(0)
                     : "rcx", "r11", "memory");
    return result;
#else
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = 0, x2 __asm__("x2") = 0;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#endif
}
void _start(void) {
    long result = raw(NUMBER, ARGUMENT);
    raw(EXIT_GROUP, result < 0 ? -result : 0);
}
"""


@pytest.fixture(params=[True, False], ids=["no_new_privs", "privileged"])
def both(request, bundle):
    """A bundle whose filter is loaded late or early."""
    bundle.config["process"]["noNewPrivileges"] = request.param
    return bundle


@pytest.fixture
def status(bundle, runtime, tmp_path):
    """Callable: make one raw system call in the container; return its errno, 0 for none."""

    def call(number, argument=0):
        text = CALLER.replace("NUMBER", str(number)).replace("ARGUMENT", str(argument))
        text = text.replace("EXIT_GROUP", str(door.NUMBER["exit_group"]))
        os.replace(compiled(tmp_path, text), bundle.rootfs / "bin/caller")
        bundle.config["process"]["args"] = ["caller"]
        done = runtime("run", "--bundle", bundle.save(), "c1")
        assert done.stderr == ""
        return done.returncode

    return call


def profile(bundle, *rules, default="SCMP_ACT_ALLOW", **more):
    """Set the filter."""
    entries = [{"action": "SCMP_ACT_ERRNO", **rule} for rule in rules]
    bundle.config["linux"]["seccomp"] = {"defaultAction": default, "syscalls": entries, **more}


def podmans(bundle):
    """Set the profile that podman gives."""
    bundle.config["linux"]["seccomp"] = json.loads(PODMANS.read_text())["linux"]["seccomp"]


def test_denied_calls_fail_with_the_error_of_the_profile(both, runtime):
    profile(
        both,
        {"names": ["mkdir", "mkdirat"]},
        {"names": ["symlink", "symlinkat"], "errnoRet": errno.EXDEV},
        {"names": ["sethostname", "no_such_call_at_all"], "errnoRet": errno.ENOTTY},
    )
    script = """
        grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status
        mkdir /dev/shm/x 2>&1; ln -s a /dev/shm/l 2>&1; hostname x 2>&1; touch /dev/shm/f && echo made"""
    told = said(both, runtime, script).splitlines()
    flag = int(both.config["process"]["noNewPrivileges"])
    assert [line.split() for line in told[:2]] == [["NoNewPrivs:", str(flag)], ["Seccomp:", "2"]]
    assert [line.rpartition(": ")[2] for line in told[2:]] == [
        "Operation not permitted", os.strerror(errno.EXDEV), os.strerror(errno.ENOTTY), "made"
    ]  # fmt: skip


def test_podmans_profile_lets_a_shell_work_on_every_architecture(both, runtime, containers):
    podmans(both)
    assert both.config["linux"]["seccomp"]["architectures"] == ARCHITECTURES or door.MACHINE != "x86_64"
    script = "ls / | head -n 1; grep Seccomp_filters /proc/self/status; mount -t tmpfs t /tmp 2>&1; true"
    told = said(both, runtime, script).splitlines()
    assert told[0] == "bin"
    assert told[1].split()[1] == "1"
    assert "ermission denied" in told[2] or "not permitted" in told[2]


@pytest.mark.parametrize("no_new_privs", [True, False])
def test_a_filtered_container_is_created_and_started(bundle, runtime, containers, no_new_privs):
    podmans(bundle)
    bundle.config["process"] |= {"noNewPrivileges": no_new_privs, "args": ["true"]}
    bundle.config["hooks"] = {"startContainer": [{"path": "/bin/true"}]}
    assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 0
    done = runtime("start", "c1")
    assert (done.returncode, done.stderr) == (0, "")
    inside.eventually(lambda: runtime("delete", "c1").returncode == 0)


def test_a_call_that_is_newer_than_the_profile_is_not_implemented(bundle, status):
    podmans(bundle)
    assert status(1000) == errno.ENOSYS  # higher than any number that the profile names
    assert status(door.NUMBER["pivot_root"]) == errno.EPERM  # lower, and not allowed


def test_conditions_on_arguments_are_kept(bundle, status):
    argument = {"index": 0, "op": "SCMP_CMP_EQ"}
    profile(
        bundle,
        {"names": ["setns"], "errnoRet": 71, "args": [{**argument, "value": 77}]},
        {"names": ["setns"], "errnoRet": 72, "args": [{**argument, "value": 78}]},
        {"names": ["unshare"], "errnoRet": 73,
         "args": [{"index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": 0xF0, "valueTwo": 0x30}]},
    )  # fmt: skip
    assert status(door.NUMBER["setns"], 77) == 71
    assert status(door.NUMBER["setns"], 78) == 72
    assert status(door.NUMBER["setns"], 79) == errno.EBADF
    assert status(door.NUMBER["unshare"], 0x35) == 73
    assert status(door.NUMBER["unshare"], 0) == 0


def test_a_call_may_be_deadly(bundle, status):
    profile(bundle, {"names": ["setns"], "action": "SCMP_ACT_KILL_PROCESS"})
    assert status(door.NUMBER["setns"]) == 128 + 31


def test_the_second_container_takes_the_filter_of_the_first(bundle, runtime, containers):
    profile(bundle, {"names": ["mkdir", "mkdirat"], "errnoRet": errno.EXDEV})
    script = "mkdir /dev/shm/x 2>&1; true"
    assert "ross-device link" in said(bundle, runtime, script)
    (kept,) = (containers.root / "@seccomp").iterdir()
    assert (kept.stat().st_mode & 0o7777, kept.parent.stat().st_mode & 0o7777) == (0o600, 0o700)
    before = kept.stat()
    assert "ross-device link" in said(bundle, runtime, script)
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert runtime("list", "--quiet").stdout == ""


def test_the_filter_that_is_kept_is_the_one_that_is_used(bundle, runtime, containers):
    """Where the kept program is another one, the container has that one."""
    profile(bundle, {"names": ["mkdir", "mkdirat"], "errnoRet": errno.EXDEV})
    step = seccomp.plan(bundle.config["linux"]["seccomp"])
    profile(bundle, {"names": ["mkdir", "mkdirat"], "errnoRet": errno.ENOTTY})
    other = seccomp_compile.compiled(seccomp.plan(bundle.config["linux"]["seccomp"]))
    profile(bundle, {"names": ["mkdir", "mkdirat"], "errnoRet": errno.EXDEV})
    script = "mkdir /dev/shm/x 2>&1; true"
    said(bundle, runtime, script)
    directory = str(containers.root / "@seccomp")
    seccomp_cache.write(directory, step.key(), other, seccomp_compile.makers())
    assert "Inappropriate ioctl" in said(bundle, runtime, script)


@pytest.mark.parametrize("damage", ["cut", "open", "link", "empty"])
def test_a_kept_filter_that_cannot_be_trusted_is_made_anew(bundle, runtime, containers, damage, tmp_path):
    profile(bundle, {"names": ["mkdir", "mkdirat"], "errnoRet": errno.EXDEV})
    script = "mkdir /dev/shm/x 2>&1; true"
    said(bundle, runtime, script)
    (kept,) = (containers.root / "@seccomp").iterdir()
    whole = kept.read_bytes()
    if damage == "cut":
        kept.write_bytes(whole[:-8])
    elif damage == "open":
        kept.chmod(0o666)
    elif damage == "empty":
        kept.write_bytes(b"")
    else:
        kept.rename(tmp_path / "moved")
        kept.symlink_to(tmp_path / "moved")
    assert "ross-device link" in said(bundle, runtime, script)
    assert kept.read_bytes() == whole
    assert (kept.is_symlink(), kept.stat().st_mode & 0o7777) == (False, 0o600)


def test_an_empty_filter_is_none(bundle, runtime):
    bundle.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    assert said(bundle, runtime, "true") == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"defaultAction": "SCMP_ACT_FOO"}, "/linux/seccomp/defaultAction"),
        ({"defaultErrnoRet": 1}, "/linux/seccomp/defaultErrnoRet"),
        ({"architectures": ["SCMP_ARCH_ZOO"]}, "/linux/seccomp/architectures/0"),
        ({"flags": ["SECCOMP_FILTER_FLAG_ZOO"]}, "/linux/seccomp/flags/0"),
        ({"listenerMetadata": "x"}, "/linux/seccomp/listenerMetadata"),
        ({"syscalls": [{"names": [], "action": "SCMP_ACT_ERRNO"}]}, "/linux/seccomp/syscalls/0/names"),
        (
            {"syscalls": [{"names": ["setns"], "action": "SCMP_ACT_ERRNO",
                           "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}]},
            "/linux/seccomp/syscalls/0/args",
        ),
    ],
)  # fmt: skip
def test_impossible_profiles_are_refused_with_their_place(bundle, runtime, change, words):
    bundle.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", **change}
    assert words in refused(bundle, runtime)


@pytest.mark.parametrize("flow", ["create", "run"])
def test_a_filter_that_forbids_the_runtime_its_last_steps_is_said_so(bundle, runtime, flow):
    bundle.config["process"]["args"] = ["true"]
    profile(bundle, default="SCMP_ACT_KILL_PROCESS")
    done = runtime(flow, "--bundle", bundle.save(), "c1")
    if flow == "create":
        assert done.returncode == 1
        assert "does the seccomp profile allow" in done.stderr
    else:
        assert done.returncode in (1, 128 + 31)
    assert runtime("state", "c1").returncode == 1


def test_a_filter_that_forbids_to_end_does_not_keep_create_waiting(bundle, runtime):
    bundle.config["process"]["noNewPrivileges"] = False
    profile(bundle, {"names": ["exit_group", "setresuid"], "errnoRet": errno.EXDEV})
    assert "setresuid 0: invalid cross-device link" in refused(bundle, runtime)
