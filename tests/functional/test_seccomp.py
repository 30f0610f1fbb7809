"""Filters loaded into the kernel deny, allow and answer ENOSYS as the profile says."""

import ctypes
import errno
import json
import os
import signal

import pytest

from pyruntime.feature import seccomp
from pyruntime.kernel import door

pytestmark = [pytest.mark.root]
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root loads a filter without no_new_privs")

PR_SET_NO_NEW_PRIVS = 38
SET_MODE_FILTER = 1
X32_BIT = 0x40000000
NEEDED = "read write close openat exit exit_group mmap munmap brk futex rt_sigreturn newfstatat fstat lseek getpid"
PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    if door.MACHINE == "x86_64"
    else ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
    "syscalls": [
        {"names": [*NEEDED.split(), "mount_setattr"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["mkdirat", "mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EXDEV},
        {
            "names": ["personality"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 0xFFFFFFFF, "op": "SCMP_CMP_EQ"}],
        },
    ],
}


def load(filtered, *, privileged):
    """Load a filter into this process, as the native player does."""
    program = ctypes.create_string_buffer(filtered.program, len(filtered.program))
    length = (len(filtered.program) // 8).to_bytes(8, "little")
    wish = length + ctypes.addressof(program).to_bytes(8, "little")
    if not privileged:
        door.call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    door.call("seccomp", SET_MODE_FILTER, filtered.flags, wish)


def call(number, *arguments):
    """Make a raw call; return 0 or the errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    ctypes.set_errno(0)
    words = [
        ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments
    ]
    return ctypes.get_errno() if libc.syscall(ctypes.c_long(number), *words) == -1 else 0


def inside(filtered, act, *, privileged):
    """Run `act` in a child under the filter; return (its result, the wait status)."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            load(filtered, privileged=privileged)
            os.write(writing, json.dumps(act()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        told = file.read()
    return (json.loads(told) if told else None), os.waitpid(pid, 0)[1]


def filter_of(cache, **changes):
    return seccomp.program(seccomp.plan(PROFILE | changes), f"{cache}/cache")


def number(name):
    return {"x86_64": {"mkdirat": 258, "personality": 135, "getpid": 39, "unshare": 272}}.get(
        door.MACHINE, {"mkdirat": 34, "personality": 92, "getpid": 172, "unshare": 97}
    )[name]


def calls():
    return {
        "allowed": call(number("getpid")),
        "its own errno": call(number("mkdirat"), -100, b"/nowhere/at/all", 0o755),
        "the default": call(number("unshare"), 0),
        "the right argument": call(number("personality"), 0xFFFFFFFF),
        "the wrong argument": call(number("personality"), 8),
        "newer": call(500),
        "much newer": call(100000),
    }


EXPECTED = {
    "allowed": 0,
    "its own errno": errno.EXDEV,
    "the default": errno.EPERM,
    "the right argument": 0,
    "the wrong argument": errno.EPERM,
    "newer": errno.ENOSYS,
    "much newer": errno.ENOSYS,
}


@pytest.mark.parametrize("privileged", [pytest.param(True, marks=root), False])
def test_a_filter_does_what_the_profile_says(tmp_path, privileged):
    told, status = inside(filter_of(tmp_path), calls, privileged=privileged)
    assert (told, status) == (EXPECTED, 0)


def test_a_filter_from_the_cache_does_the_same(tmp_path):
    filter_of(tmp_path)
    told, status = inside(filter_of(tmp_path), calls, privileged=False)
    assert (told, status) == (EXPECTED, 0)


@pytest.mark.skipif(door.MACHINE != "x86_64", reason="x32 is an x86_64 thing")
@pytest.mark.parametrize(("architectures", "killed"), [(["SCMP_ARCH_X32"], False), ([], True)])
def test_x32_calls_are_known_or_fatal(tmp_path, architectures, killed):
    def act():
        return [call(X32_BIT + 39), call(X32_BIT + 3000)]

    told, status = inside(filter_of(tmp_path, architectures=architectures), act, privileged=False)
    if killed:  # libseccomp's answer to an architecture that the profile does not have
        assert (told, status & 0x7F) == (None, signal.SIGSYS)
    else:  # getpid gets through to a kernel that may not have x32; the newer call does not
        assert told[0] in (0, errno.ENOSYS)
        assert (told[1], status) == (errno.ENOSYS, 0)


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["SECCOMP_FILTER_FLAG_TSYNC"],
        ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
        ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
    ],
)
def test_the_kernel_takes_every_flag(tmp_path, flags):
    told, status = inside(filter_of(tmp_path, flags=flags), calls, privileged=False)
    assert (told, status) == (EXPECTED, 0)


@pytest.mark.parametrize(
    ("action", "signal_number"),
    [
        ("SCMP_ACT_KILL_PROCESS", signal.SIGSYS),
        ("SCMP_ACT_KILL", signal.SIGSYS),
        ("SCMP_ACT_TRAP", signal.SIGSYS),
    ],
)
def test_a_call_may_be_the_end(tmp_path, action, signal_number):
    rule = {"names": ["unshare"], "action": action}
    filtered = filter_of(tmp_path, defaultAction="SCMP_ACT_ALLOW", syscalls=[rule])
    told, status = inside(filtered, lambda: call(number("unshare"), 0), privileged=False)
    assert (told, status & 0x7F) == (None, signal_number)


def test_logging_and_tracing_without_a_tracer(tmp_path):
    rules = [
        {"names": ["mkdirat"], "action": "SCMP_ACT_LOG"},
        {"names": ["unshare"], "action": "SCMP_ACT_TRACE"},
    ]
    filtered = filter_of(tmp_path, defaultAction="SCMP_ACT_ALLOW", syscalls=rules)
    told, _ = inside(
        filtered,
        lambda: [
            call(number("mkdirat"), -100, b"/nowhere/at/all", 0o755),
            call(number("unshare"), 0),
        ],
        privileged=False,
    )
    assert told == [errno.ENOENT, errno.ENOSYS]
