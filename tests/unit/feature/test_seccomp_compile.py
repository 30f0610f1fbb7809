"""What libseccomp is told, and the stub before its program."""

import sys

import pytest

from pyruntime import errors, log
from pyruntime.feature import seccomp, seccomp_cache, seccomp_compile

ENOSYS = 38
X86_64, X86, X32, AARCH64 = 0xC000003E, 0x40000003, 0x4000003E, 0xC00000B7
ALLOW_ALL = {"defaultAction": "SCMP_ACT_ALLOW"}


def words(program):
    """Disassemble: (code, then, otherwise, value)."""
    found = []
    for at in range(0, len(program), 8):
        word = int.from_bytes(program[at : at + 8], "little")
        found.append((word & 0xFFFF, word >> 16 & 0xFF, word >> 24 & 0xFF, word >> 32))
    return found


def answer(stub, arch, number):
    """Tell whether the stub answers ENOSYS, or leaves the call to the filter."""
    code, at, accumulator = words(stub), 0, 0
    while at < len(code):
        operation, then, otherwise, value = code[at]
        at += 1
        if operation == 0x20:
            accumulator = {0: number, 4: arch}[value]
        elif operation == 0x06:
            assert value == 0x50000 | ENOSYS
            return True
        else:
            met = {
                0x15: accumulator == value,
                0x25: accumulator > value,
                0x35: accumulator >= value,
            }
            at += then if met[operation] else otherwise
    assert at == len(code), "a jump beyond the filter's beginning"
    return False


@pytest.mark.parametrize(
    ("newest", "arch", "number", "unknown"),
    [
        ({X86_64: 450}, X86_64, 450, False),
        ({X86_64: 450}, X86_64, 451, True),
        ({X86_64: 450}, X86_64, 0x3FFFFFFF, True),
        ({X86_64: 450}, X86_64, 0x40000001, False),
        ({X86_64: 450}, X86_64, 0x400001F4, False),
        ({X86_64: 450}, X86_64, 0xFFFFFFFF, False),
        ({X86_64: 450}, X86, 451, False),
        ({X86_64: 450, X86: 440}, X86, 441, True),
        ({X86_64: 450, X86: 440}, X86, 440, False),
        ({X86_64: 450, X86: 440}, X86_64, 441, False),
        ({X86_64: 450, X86: 440}, AARCH64, 500, False),
        ({X86_64: 450, X32: 0x40000220}, X86_64, 451, True),
        ({X86_64: 450, X32: 0x40000220}, X86_64, 450, False),
        ({X86_64: 450, X32: 0x40000220}, X86_64, 0x40000220, False),
        ({X86_64: 450, X32: 0x40000220}, X86_64, 0x40000221, True),
        ({X32: 0x40000220}, X86_64, 0x40000221, True),
        ({X32: 0x40000220}, X86_64, 500, False),
        ({X32: 0x40000220, X86_64: 450, AARCH64: 400, X86: 440}, X86_64, 451, True),
        ({X32: 0x40000220, X86_64: 450, AARCH64: 400, X86: 440}, AARCH64, 401, True),
        ({X32: 0x40000220, X86_64: 450, AARCH64: 400, X86: 440}, X86, 440, False),
        ({}, X86_64, 100000, False),
    ],
)
def test_the_stub_knows_the_newest_call_of_each_architecture(newest, arch, number, unknown):
    assert answer(seccomp_compile.stub(newest), arch, number) == unknown


def test_the_stub_reaches_over_more_architectures_than_there_are():
    stub = seccomp_compile.stub({0x100 + arch: arch for arch in range(30)})
    for arch in range(30):
        assert not answer(stub, 0x100 + arch, arch)
        assert answer(stub, 0x100 + arch, arch + 1)


def has_stub(profile):
    step = seccomp.plan(profile)
    program = seccomp_compile.compiled(step)
    library = seccomp_compile._library()
    plain = seccomp_compile._exported(
        seccomp_compile._filter(library, step, seccomp_compile._tokens(library, step.architectures))
    )
    assert program.endswith(plain)
    return program != plain


@pytest.mark.parametrize(
    ("default", "stubbed"),
    [
        ({"defaultAction": "SCMP_ACT_ERRNO"}, True),
        ({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1}, True),
        ({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": ENOSYS}, False),
        ({"defaultAction": "SCMP_ACT_KILL_PROCESS"}, True),
        ({"defaultAction": "SCMP_ACT_TRAP"}, True),
        ({"defaultAction": "SCMP_ACT_ALLOW"}, False),
        ({"defaultAction": "SCMP_ACT_LOG"}, False),
        ({"defaultAction": "SCMP_ACT_TRACE"}, False),
    ],
)
def test_the_stub_stands_only_where_the_default_would_mislead(default, stubbed):
    rules = [{"names": ["mount"], "action": "SCMP_ACT_KILL"}]
    assert has_stub(default | {"syscalls": rules}) == stubbed


def test_without_any_known_call_there_is_no_stub():
    rules = [{"names": ["no_such_call"], "action": "SCMP_ACT_ALLOW"}]
    assert not has_stub({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules})


def test_an_unknown_call_changes_nothing():
    known = {"names": ["read"], "action": "SCMP_ACT_ERRNO"}
    more = {"names": ["no_such_call", "read"], "action": "SCMP_ACT_ERRNO"}
    plans = [seccomp.plan(ALLOW_ALL | {"syscalls": [rule]}) for rule in (known, more)]
    assert seccomp_compile.compiled(plans[0]) == seccomp_compile.compiled(plans[1])


def test_a_rule_that_says_what_the_default_says_is_left_out():
    rule = {"names": ["read"], "action": "SCMP_ACT_ALLOW"}
    plans = [seccomp.plan(ALLOW_ALL), seccomp.plan(ALLOW_ALL | {"syscalls": [rule]})]
    assert seccomp_compile.compiled(plans[0]) == seccomp_compile.compiled(plans[1])


def test_the_native_architecture_may_be_named():
    named = {"SCMP_ARCH_X86_64": X86_64, "SCMP_ARCH_AARCH64": AARCH64}
    native = seccomp_compile._library().system_arch() & 0xFFFFFFFF
    name = next(name for name, token in named.items() if token == native)
    rule = {"names": ["read"], "action": "SCMP_ACT_ERRNO"}
    plain = seccomp.plan(ALLOW_ALL | {"syscalls": [rule]})
    twice = seccomp.plan(ALLOW_ALL | {"syscalls": [rule], "architectures": [name, name]})
    assert seccomp_compile.compiled(plain) == seccomp_compile.compiled(twice)


def test_an_architecture_that_libseccomp_does_not_know_is_named():
    with pytest.raises(errors.Unsupported, match="this libseccomp does not know SCMP_ARCH_SHEB"):
        seccomp_compile.compiled(seccomp.plan(ALLOW_ALL | {"architectures": ["SCMP_ARCH_SHEB"]}))


def test_two_conditions_on_one_argument_are_two_rules():
    low, high = (0, 4, 1, 0), (0, 4, 2, 0)
    other = (1, 4, 1, 0)
    assert seccomp_compile._alternatives((low, other)) == [(low, other)]
    assert seccomp_compile._alternatives((low, other, high)) == [(low,), (other,), (high,)]
    assert seccomp_compile._alternatives(()) == [()]


def test_rules_that_contradict_each_other_name_the_call():
    same = [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]
    actions = ("SCMP_ACT_KILL", "SCMP_ACT_TRAP")
    rules = [{"names": ["read"], "action": action, "args": same} for action in actions]
    with pytest.raises(errors.RuntimeFailure, match="error adding seccomp rule for syscall read: "):
        seccomp_compile.compiled(seccomp.plan(ALLOW_ALL | {"syscalls": rules}))


def conditions(count):
    """Return a profile whose program grows with `count`."""
    arguments = [
        {"index": 0, "value": value << 33 | value, "op": "SCMP_CMP_EQ"} for value in range(count)
    ]
    return ALLOW_ALL | {
        "syscalls": [{"names": ["read"], "action": "SCMP_ACT_KILL", "args": arguments}]
    }


def test_a_program_larger_than_the_kernel_takes_is_refused():
    with pytest.raises(errors.Unsupported, match=r"needs \d+ instructions, the kernel takes 4096"):
        seccomp_compile.compiled(seccomp.plan(conditions(3000)))


def steps(program, arch, number):
    """Run a program on a call with arguments of 0; return (instructions executed, answer)."""
    code, at, accumulator, count = words(program), 0, 0, 0
    while True:
        operation, then, otherwise, value = code[at]
        at, count = at + 1, count + 1
        if operation == 0x20:
            accumulator = {0: number, 4: arch}.get(value, 0)
        elif operation == 0x05:
            at += value
        elif operation == 0x06:
            return count, value
        else:
            met = {
                0x15: accumulator == value,
                0x25: accumulator > value,
                0x35: accumulator >= value,
            }
            at += then if met[operation] else otherwise


def test_calls_are_looked_up_in_a_tree():
    library = seccomp_compile._library()
    names = []
    for number in range(200):
        found = library.resolve_syscall(library.Arch.NATIVE, number)
        names.append(found if isinstance(found, str) else found.decode())
    rule = {"names": names, "action": "SCMP_ACT_ERRNO"}
    program = seccomp_compile.compiled(seccomp.plan(ALLOW_ALL | {"syscalls": [rule]}))
    native = library.system_arch() & 0xFFFFFFFF
    assert {steps(program, native, number)[1] for number in range(200)} == {0x50001}
    assert max(steps(program, native, number)[0] for number in range(200)) < 30


def test_a_call_that_an_architecture_lacks_does_not_spoil_the_others():
    """libseccomp 2.5.4 forgets to load the number after such a call, unless it makes a tree."""
    condition = {"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}
    rules = [
        {"names": ["open"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [condition]},
    ]
    profile = {
        "defaultAction": "SCMP_ACT_KILL",
        "architectures": ["SCMP_ARCH_AARCH64"],
        "syscalls": rules,
    }
    program = seccomp_compile.compiled(seccomp.plan(profile))
    assert steps(program, AARCH64, 63)[1] == 0x7FFF0000


def test_the_makers_are_the_binding_and_libseccomp():
    makers = seccomp_compile.makers()
    assert seccomp_compile._library().__file__ in makers
    assert all("seccomp" in path.rpartition("/")[2] for path in makers)


def test_without_a_binding_the_message_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "seccomp", None)
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    with pytest.raises(errors.Unsupported, match="python3-seccomp or pyseccomp"):
        seccomp_compile.compiled(seccomp.plan(ALLOW_ALL))


def test_a_cached_program_needs_no_binding(tmp_path, monkeypatch):
    step = seccomp.plan(ALLOW_ALL)
    first = seccomp.program(step, f"{tmp_path}/cache")
    monkeypatch.setitem(sys.modules, "seccomp", None)
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    again = seccomp.program(step, f"{tmp_path}/cache")
    assert (again.program, again.flags) == (first.program, first.flags)


def test_a_filter_is_made_although_it_cannot_be_kept(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(log, "warning", told.append)
    (tmp_path / "cache").write_text("")
    made = seccomp.program(seccomp.plan(ALLOW_ALL), f"{tmp_path}/cache")
    assert made.program == seccomp_compile.compiled(seccomp.plan(ALLOW_ALL))
    assert len(told) == 1
    assert seccomp_cache.read(f"{tmp_path}/cache", seccomp.plan(ALLOW_ALL).key()) is None
