"""Compiled filters against a plain model of the profile, and cached ones against fresh ones."""

import itertools
import os
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from pyruntime.feature import seccomp, seccomp_compile
from pyruntime.spec import seccompwords

CASES = int(os.environ.get("PYRUNTIME_CASES", "2000"))
ENOSYS = 38
X32_BIT = 0x40000000
KILL, ALLOW, LOG, TRACE = 0, 0x7FFF0000, 0x7FFC0000, 0x7FF00000

LIBRARY = seccomp_compile._library()
NATIVE = LIBRARY.system_arch() & 0xFFFFFFFF
TOKENS = {
    "SCMP_ARCH_X86_64": 0xC000003E,
    "SCMP_ARCH_X86": 0x40000003,
    "SCMP_ARCH_X32": 0x4000003E,
    "SCMP_ARCH_AARCH64": 0xC00000B7,
    "SCMP_ARCH_ARM": 0x40000028,
}
X86_64, X32 = TOKENS["SCMP_ARCH_X86_64"], TOKENS["SCMP_ARCH_X32"]
WIDE = (X86_64, TOKENS["SCMP_ARCH_AARCH64"])  # architectures whose arguments have 64 bits

# None of these is multiplexed (ipc, socketcall) or rewritten on any of the architectures.
NAMES = (
    "read write open openat close stat fstat lstat mmap mprotect munmap brk rt_sigaction ioctl access pipe "
    "sched_yield dup dup2 pause nanosleep getpid sendfile clone fork vfork execve exit wait4 kill uname fcntl "
    "flock fsync truncate getcwd chdir rename mkdir rmdir creat link unlink symlink readlink chmod chown umask "
    "gettimeofday getrlimit ptrace syslog setuid personality mount umount2 swapon reboot init_module futex "
    "epoll_create1 unshare setns renameat2 seccomp bpf execveat statx clone3 close_range openat2 _newselect "
    "arch_prctl riscv_flush_icache no_such_call"
).split()
VALUES = st.sampled_from([0, 1, 2, 8, 0x7F, 0x7FFFFFFF])
WORDS = st.sampled_from([0, 1, 2, 3, 8, 9, 0x7F, 0x80, 0x7FFFFFFE, 0x7FFFFFFF, 0x80000000])
LONG = st.sampled_from([0x100000001, 0xFFFFFFFFFFFFFFFF, 1 << 63])
ACTIONS = st.one_of(
    st.tuples(st.sampled_from(["ALLOW", "KILL", "KILL_PROCESS", "LOG", "TRAP"]), st.none()),
    st.tuples(st.sampled_from(["ERRNO", "TRACE"]), st.sampled_from([None, 0, 1, ENOSYS])),
)
# As default it is refused: nothing could be told to the agent.
RULE_ACTIONS = st.one_of(ACTIONS, st.tuples(st.just("NOTIFY"), st.none()))
CONDITIONS = st.fixed_dictionaries(
    {
        "index": st.integers(0, 5),
        "value": VALUES,
        "op": st.sampled_from(sorted(seccompwords.OPERATORS)),
    },
    optional={"valueTwo": VALUES},
)


@st.composite
def profiles(draw):
    """Draw a profile in which each name stands once, so that no rule hides another."""
    action, number = draw(ACTIONS)
    profile = {"defaultAction": f"SCMP_ACT_{action}"}
    if number is not None:
        profile["defaultErrnoRet"] = number
    profile["architectures"] = draw(st.lists(st.sampled_from(sorted(TOKENS)), max_size=4))
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=60))
    profile["listenerPath"] = "/agent"
    profile["syscalls"] = []
    while names:
        count = draw(st.integers(1, len(names)))
        group, names = names[:count], names[count:]
        action, number = draw(RULE_ACTIONS)
        rule = {"names": group, "action": f"SCMP_ACT_{action}"}
        if number is not None:
            rule["errnoRet"] = number
        if draw(st.integers(0, 2)) == 0:
            rule["args"] = draw(st.lists(CONDITIONS, min_size=1, max_size=3))
        profile["syscalls"].append(rule)
    return profile


def numbered(token, name):
    return LIBRARY.resolve_syscall(token - (1 << 32) if token >> 31 else token, name)


def word(action, number):
    base = seccompwords.ACTIONS[action]
    return (
        base | (1 if number is None else number)
        if action in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
        else base
    )


def met(condition, arguments):
    """Compare one argument as the specification says."""
    value, other = arguments[condition["index"]], condition["value"]
    return {
        "SCMP_CMP_NE": value != other,
        "SCMP_CMP_LT": value < other,
        "SCMP_CMP_LE": value <= other,
        "SCMP_CMP_EQ": value == other,
        "SCMP_CMP_GE": value >= other,
        "SCMP_CMP_GT": value > other,
        "SCMP_CMP_MASKED_EQ": value & other == condition.get("valueTwo", 0) & other,
    }[condition["op"]]


def matches(rule, arguments):
    conditions = rule.get("args", [])
    indexes = [condition["index"] for condition in conditions]
    if len(set(indexes)) < len(indexes):  # two on one argument: each is a rule
        return any(met(condition, arguments) for condition in conditions)
    return all(met(condition, arguments) for condition in conditions)


class Model:
    """What the profile says, read anew for every call."""

    def __init__(self, profile):
        self.profile = profile
        self.tokens = {NATIVE, *(TOKENS[name] for name in profile["architectures"])}
        self.default = word(profile["defaultAction"], profile.get("defaultErrnoRet"))
        names = [name for rule in profile["syscalls"] for name in rule["names"]]
        self.newest = {
            token: max([0, *(numbered(token, name) for name in names)]) for token in self.tokens
        }

    def answer(self, arch, number, arguments):
        token = X32 if arch == X86_64 and number & X32_BIT else arch
        if token not in self.tokens:
            return KILL
        misleads = self.default & 0xFFFF0000 not in (ALLOW, LOG, TRACE)
        if misleads and self.newest[token] and number > self.newest[token]:
            return 0x50000 | ENOSYS
        for rule in self.profile["syscalls"]:
            action = word(rule["action"], rule.get("errnoRet"))
            for name in rule["names"]:
                if numbered(token, name) == number and matches(rule, arguments):
                    return action
        return self.default


def run(program, arch, number, arguments):
    """Interpret the classic BPF operations that libseccomp and the stub use."""
    data = number.to_bytes(4, "little") + arch.to_bytes(4, "little") + bytes(8)
    data += b"".join(argument.to_bytes(8, "little") for argument in arguments)
    at = accumulator = 0
    while True:
        whole = int.from_bytes(program[8 * at : 8 * at + 8], "little")
        operation, then, otherwise, value = (
            whole & 0xFFFF,
            whole >> 16 & 0xFF,
            whole >> 24 & 0xFF,
            whole >> 32,
        )
        at += 1
        if operation == 0x20:  # load a word
            accumulator = int.from_bytes(data[value : value + 4], "little")
        elif operation == 0x54:  # and
            accumulator &= value
        elif operation == 0x05:  # jump
            at += value
        elif operation == 0x15:
            at += then if accumulator == value else otherwise
        elif operation == 0x25:
            at += then if accumulator > value else otherwise
        elif operation == 0x35:
            at += then if accumulator >= value else otherwise
        elif operation == 0x45:
            at += then if accumulator & value else otherwise
        elif operation == 0x06:
            return value
        else:
            raise AssertionError(f"unknown operation {operation:#x}")


@given(profiles(), st.lists(WORDS, min_size=6, max_size=6), st.lists(LONG, min_size=6, max_size=6))
@settings(max_examples=CASES, deadline=None)
def test_the_program_answers_as_the_profile_says(profile, words, long):
    model = Model(profile)
    program = seccomp_compile.compiled(seccomp.plan(profile))
    names = [name for rule in profile["syscalls"] for name in rule["names"]][:8]
    for token in TOKENS.values():
        arch = X86_64 if token == X32 else token
        known = {numbered(token, name) for name in names} - {-1}
        newest = model.newest.get(token, 0)
        for number in {0, 1, newest, newest + 1, *known} | ({X32_BIT} if token == X32 else set()):
            if number < 0:
                continue
            for arguments in (words, long) if token in WIDE else (words,):
                assert run(program, arch, number, arguments) == model.answer(
                    arch, number, arguments
                ), (
                    hex(token),
                    number,
                )


@given(profiles())
@settings(max_examples=CASES // 20, deadline=None)
def test_a_cached_program_is_what_libseccomp_made(profile):
    step = seccomp.plan(profile)
    fresh = seccomp_compile.compiled(step)
    with tempfile.TemporaryDirectory() as directory:
        first = seccomp.program(step, f"{directory}/cache")
        seen = os.listdir(f"{directory}/cache")
        second = seccomp.program(seccomp.plan(profile), f"{directory}/cache")
    assert first.program == second.program == fresh
    assert seen == [step.key()]


@given(st.lists(profiles(), min_size=2, max_size=2))
@settings(max_examples=CASES // 20, deadline=None)
def test_profiles_with_one_key_have_one_program(pair):
    first, second = (seccomp.plan(profile) for profile in pair)
    if first.key() == second.key():
        assert seccomp_compile.compiled(first) == seccomp_compile.compiled(second)
    asked = [(step.default, step.architectures, step.rules) for step in (first, second)]
    assert (first.key() == second.key()) == (asked[0] == asked[1])


def test_every_name_of_the_universe_resolves_alike_on_its_architectures():
    """The model stands on these names being neither multiplexed nor rewritten."""
    for token, name in itertools.product(TOKENS.values(), NAMES):
        number = numbered(token, name)
        assert number < 0 or LIBRARY.resolve_syscall(
            token - (1 << 32) if token >> 31 else token, number
        ) in (name, name.encode())
