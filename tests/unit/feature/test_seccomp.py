"""linux.seccomp put into the kernel's words."""

import pytest

from pyruntime import errors
from pyruntime.feature import seccomp
from pyruntime.kernel import door

PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "architectures": ["SCMP_ARCH_X86"],
    "syscalls": [
        {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
        {
            "names": ["personality"],
            "action": "SCMP_ACT_TRACE",
            "errnoRet": 7,
            "args": [{"index": 0, "value": 8, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}],
        },
    ],
}


def test_a_profile_is_put_into_numbers():
    step = seccomp.plan(PROFILE)
    assert step.default == 0x50001
    assert step.architectures == ("SCMP_ARCH_X86",)
    assert step.rules == (
        (("read", "write"), 0x7FFF0000, ()),
        (("personality",), 0x7FF00007, ((0, 7, 8, 3),)),
    )
    assert step.describe() == "filter system calls: 3 names, otherwise SCMP_ACT_ERRNO 1 (operation not permitted)"


def test_neighbours_that_say_the_same_become_one_rule():
    """Engines write an entry for each name."""
    allow = [{"names": [name], "action": "SCMP_ACT_ALLOW"} for name in ("read", "write")]
    assert seccomp.plan(PROFILE | {"syscalls": [*allow, PROFILE["syscalls"][1]]}) == seccomp.plan(
        PROFILE
    )


@pytest.mark.parametrize(
    "difference",
    [
        {"action": "SCMP_ACT_LOG"},
        {"errnoRet": 2},
        {"args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}]},
    ],
)
def test_neighbours_that_differ_stay_apart(difference):
    first = {"names": ["read"], "action": "SCMP_ACT_ERRNO"}
    second = {"names": ["write"], "action": "SCMP_ACT_ERRNO"} | difference
    step = seccomp.plan({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [first, second, first]})
    assert [names for names, _, _ in step.rules] == [("read",), ("write",), ("read",)]


@pytest.mark.parametrize(
    ("action", "number", "word"),
    [
        ("SCMP_ACT_ALLOW", None, 0x7FFF0000),
        ("SCMP_ACT_ERRNO", None, 0x50001),
        ("SCMP_ACT_ERRNO", 38, 0x50026),
        ("SCMP_ACT_ERRNO", 0, 0x50000),
        ("SCMP_ACT_KILL", None, 0),
        ("SCMP_ACT_KILL_THREAD", None, 0),
        ("SCMP_ACT_KILL_PROCESS", None, 0x80000000),
        ("SCMP_ACT_LOG", None, 0x7FFC0000),
        ("SCMP_ACT_TRACE", None, 0x7FF00001),
        ("SCMP_ACT_TRACE", 0xFFFF, 0x7FF0FFFF),
        ("SCMP_ACT_TRAP", None, 0x30000),
    ],
)
def test_actions_are_those_of_the_kernel(action, number, word):
    profile = {"defaultAction": action} | ({} if number is None else {"defaultErrnoRet": number})
    assert seccomp.plan(profile).default == word


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        ({}, 4),
        ({"flags": []}, 0),
        ({"flags": ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG"]}, 3),
        ({"flags": ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]}, 4),
        ({"flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}, 0),
    ],
)
def test_flags(flags, word):
    """Silence means SPEC_ALLOW, an empty list means none; without a listener none waits killably."""
    assert seccomp.plan(PROFILE | flags).flags == word


def test_a_profile_without_action_and_calls_asks_for_nothing():
    assert seccomp.plan({}) is None
    assert seccomp.plan({"syscalls": [], "architectures": ["SCMP_ARCH_X86"]}) is None


NOTIFIED = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "listenerPath": "/run/agent",
    "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}],
}


def test_a_notifying_filter_has_an_agent():
    step = seccomp.plan(NOTIFIED | {"listenerMetadata": "data"})
    assert step.agent == ("/run/agent", "data")
    assert step.rules == ((("mkdir",), 0x7FC00000, ()),)
    told = "filter system calls: 1 names, otherwise SCMP_ACT_ALLOW, notifying the agent at /run/agent"
    assert step.describe() == told
    assert seccomp.plan(NOTIFIED).agent == ("/run/agent", "")


def test_an_agent_that_nothing_notifies_is_ignored():
    """config-linux.md: "If the SCMP_ACT_NOTIFY action is not used this value is ignored"."""
    step = seccomp.plan(PROFILE | {"listenerPath": "/run/agent", "listenerMetadata": "data"})
    assert step == seccomp.plan(PROFILE)
    assert step.agent is None


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        ({}, 8 | 4),
        ({"flags": []}, 8),
        ({"flags": ["SECCOMP_FILTER_FLAG_LOG"]}, 8 | 2),
        ({"flags": ["SECCOMP_FILTER_FLAG_TSYNC"]}, 8 | 1 | 16),
        ({"flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}, 8 | 32),
    ],
)
def test_flags_of_a_filter_with_a_listener(flags, word):
    """TSYNC and a listener go together only with TSYNC_ESRCH (seccomp(2))."""
    assert seccomp.plan(NOTIFIED | flags).flags == word


def test_agent_and_flags_do_not_change_the_program():
    other = NOTIFIED | {"listenerPath": "/other", "listenerMetadata": "x", "flags": []}
    assert seccomp.plan(other).key() == seccomp.plan(NOTIFIED).key()


def test_an_error_number_that_cannot_be_returned_is_refused():
    rule = {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 65536}
    with pytest.raises(errors.SpecError) as caught:
        seccomp.plan({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})
    assert caught.value.problems == [
        ("/linux/seccomp/syscalls/0", "error number 65536 is larger than 65535")
    ]


def test_a_seventh_argument_is_refused():
    argument = {"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}
    rule = {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "args": [argument]}
    with pytest.raises(errors.SpecError) as caught:
        seccomp.plan({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]})
    assert caught.value.problems == [
        ("/linux/seccomp/syscalls/0/args", "a system call has arguments 0 to 5, not 6")
    ]


def test_features_know_every_word_that_a_plan_takes():
    known = seccomp.known()
    for action in known["actions"]:
        assert seccomp.plan(NOTIFIED | {"syscalls": [{"names": ["mkdir"], "action": action}]})
    for flag in known["supportedFlags"]:
        assert seccomp.plan(NOTIFIED | {"flags": [flag]}).flags & ~8
    for operator in known["operators"]:
        argument = {"index": 0, "value": 0, "op": operator}
        rule = {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "args": [argument]}
        assert seccomp.plan(PROFILE | {"syscalls": [rule]}).rules[0][2]
    assert known["supportedFlags"] == known["knownFlags"]


def step(**changes):
    return seccomp.plan(PROFILE | changes)


def test_equal_profiles_have_one_key_however_they_were_read():
    built = {"names": ["".join(["re", "ad"]), "".join(["wri", "te"])], "action": "SCMP_ACT_ALLOW"}
    again = step(syscalls=[built, PROFILE["syscalls"][1]])
    assert again == step()
    assert again.key() == step().key()


def test_flags_do_not_change_the_program():
    assert step(flags=[]).key() == step().key()


@pytest.mark.parametrize(
    "changes",
    [
        {"defaultAction": "SCMP_ACT_KILL"},
        {"defaultErrnoRet": 2},
        {"architectures": []},
        {"syscalls": PROFILE["syscalls"][:1]},
        {"syscalls": PROFILE["syscalls"][::-1]},
        {
            "syscalls": [
                {"names": ["read", "writ", "e"], "action": "SCMP_ACT_ALLOW"},
                PROFILE["syscalls"][1],
            ]
        },
    ],
)
def test_another_profile_has_another_key(changes):
    assert step(**changes).key() != step().key()


def test_another_machine_and_another_compiler_have_another_key(monkeypatch):
    here = step().key()
    monkeypatch.setattr(door, "MACHINE", "another")
    there = step().key()
    monkeypatch.setattr(seccomp, "_COMPILER", -1)
    assert len({here, there, step().key()}) == 3
