"""The native program plays scripts for real: each wish must show in the payload."""

import errno
import os
import signal
import struct
from pathlib import Path

import pytest
from functional import played
from functional.played import fields, shell

from pyruntime.feature import capabilities
from pyruntime.kernel import door, memfd

STATUS = shell("cat /proc/self/status")
BOX = 0xA80425FB  # what docker gives
EXIT_7 = """
#if defined(__x86_64__)
__asm__(".globl _start\\n_start: mov $231, %eax\\nmov $7, %edi\\nsyscall\\n");
#else
__asm__(".globl _start\\n_start: mov x8, #94\\nmov x0, #7\\nsvc #0\\n");
#endif
"""


def allowing(*names, otherwise=0x80000000):
    """Return a filter that allows these calls and kills on all others."""
    numbers = [door.NUMBER[name] for name in names]
    code = [struct.pack("<HBBI", 0x20, 0, 0, 0)]
    for left, number in zip(range(len(numbers), 0, -1), numbers, strict=True):
        code.append(struct.pack("<HBBI", 0x15, left, 0, number))
    return b"".join(
        [*code, struct.pack("<HBBI", 6, 0, 0, otherwise), struct.pack("<HBBI", 6, 0, 0, 0x7FFF0000)]
    )


def sets(mask=0, **more):
    wish = {"effective": mask, "bounding": mask, "inheritable": 0, "permitted": mask, "ambient": 0}
    return capabilities.Capabilities(**wish | more)


def as_user(uid):
    def prepare():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)

    return prepare


# ---- the program file ----


def test_the_elf_file_has_no_writable_code_no_stack_code_and_no_loader(program):
    kind, _, _, entry, table = struct.unpack_from("<HHIQQ", program, 16)
    size, count = struct.unpack_from("<HH", program, 54)
    headers = [struct.unpack_from("<II", program, table + size * n) for n in range(count)]
    assert (program[:5], kind) == (b"\x7fELF\x02", 2)  # EXEC: static and not relocated
    assert entry >= 0x400000
    kinds = [kind for kind, _ in headers]
    assert kinds.count(0x6474E551) == 1  # GNU_STACK
    assert 2 not in kinds  # DYNAMIC
    assert 3 not in kinds  # INTERP
    assert [flags for kind, flags in headers if kind == 1] == [5]  # one LOAD, read and execute
    assert [flags for kind, flags in headers if kind == 0x6474E551] == [6]
    assert len(program) < 8192


@pytest.mark.parametrize("environment", [[], ["0"], ["1000"], ["x"]])
def test_without_a_script_it_just_ends(program, environment):
    pid = os.fork()
    if pid == 0:
        try:
            memfd.execute(memfd.sealed("x", program, executable=True), ["x"], environment)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 127


# ---- who the payload is ----


def test_ids_and_groups(play):
    told = fields(play(**STATUS, uid=1000, gid=100, groups=[5, 6]).payload())
    assert told["Uid"].split() == ["1000"] * 4
    assert told["Gid"].split() == ["100"] * 4
    assert told["Groups"].split() == ["5", "6"]


def test_an_empty_list_clears_the_groups_and_none_keeps_them(play):
    def prepare():
        os.setgroups([11, 12])

    assert fields(play(**STATUS, groups=[], prepare=prepare).payload())["Groups"] == ""
    assert fields(play(**STATUS, groups=None, prepare=prepare).payload())["Groups"] == "11 12"


def test_ids_that_may_not_be_taken_fail_create(play):
    player = play(uid=5, prepare=as_user(1000))
    assert player.heard() == "setresgid 0: operation not permitted"
    assert player.ended() == 1


def masks(told):
    return {
        name: int(told[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    }


def test_root_without_no_new_privs_has_the_bounding_set(play):
    told = masks(fields(play(**STATUS, capabilities=sets(BOX, effective=1, permitted=3)).payload()))
    assert told == {"CapInh": 0, "CapPrm": BOX, "CapEff": BOX, "CapBnd": BOX, "CapAmb": 0}


def test_root_with_no_new_privs_keeps_what_is_permitted(play):
    wish = sets(BOX, effective=1, permitted=3)
    told = fields(play(**STATUS, capabilities=wish, no_new_privs=True).payload())
    assert masks(told) == {"CapInh": 0, "CapPrm": 3, "CapEff": 3, "CapBnd": BOX, "CapAmb": 0}
    assert told["NoNewPrivs"] == "1"


@pytest.mark.parametrize("no_new_privs", [False, True])
def test_a_user_has_exactly_the_ambient_set(play, no_new_privs):
    wish = sets(BOX, inheritable=0x21, ambient=0x20)
    told = fields(play(**STATUS, uid=1000, capabilities=wish, no_new_privs=no_new_privs).payload())
    expected = {"CapInh": 0x21, "CapPrm": 0x20, "CapEff": 0x20, "CapBnd": BOX, "CapAmb": 0x20}
    assert masks(told) == expected


def test_capabilities_not_named_stay_but_for_the_ids(play):
    ours = masks(fields(Path("/proc/self/status").read_text()))
    assert masks(fields(play(**STATUS).payload()))["CapEff"] == ours["CapEff"]
    told = masks(fields(play(**STATUS, uid=1000).payload()))
    assert (told["CapEff"], told["CapBnd"]) == (0, ours["CapBnd"])


def test_the_umask_is_set_or_left(play):
    for wish, told in ((0o27, "0027\n"), (0o22, "0022\n"), (None, "0071\n")):
        player = play(**shell("umask"), umask=wish, prepare=lambda: os.umask(0o71) and None)
        assert player.payload() == told


def test_argv_and_environment_are_exactly_those_given(play):
    odd = b"\xff\xfe".decode("utf-8", "surrogateescape")
    player = play(
        args=["my name", "", "a b", odd],
        candidates=["/bin/cat"],
        env=["A=b", "NOEQUALS", f"C={odd}"],
        extra=[],
    )
    assert player.heard() == ""
    player.start()
    assert player.ended() == 1  # cat finds no file of these names
    assert "a b" in player.said("err")
    told = play(args=["env"], candidates=["/usr/bin/env"], env=["A=b", f"C={odd}"], cwd="/tmp")
    assert told.payload().encode() == b"A=b\nC=\xef\xbf\xbd\xef\xbf\xbd\n"


# ---- seccomp ----

SHED = ("setgroups", "setresgid", "setresuid", "capset", "prctl")


@pytest.mark.parametrize("no_new_privs", [False, True])
def test_a_profile_need_allow_no_more_than_this(play, tmp_path, no_new_privs):
    """INIT: with no_new_privs five calls, without it those that shed privileges too."""
    payload = played.compiled(tmp_path, EXIT_7)
    needed = ("read", "close", "execve", "write", "exit_group", *(() if no_new_privs else SHED))
    player = play(
        args=[payload], candidates=[payload], no_new_privs=no_new_privs, filter=allowing(*needed),
        uid=1000, groups=[], capabilities=sets(BOX),
    )  # fmt: skip
    assert player.heard() == ""
    assert player.fields()["Seccomp"] == "2"
    player.start()
    assert player.ended() == 7


def test_a_filter_that_forbids_the_wait_kills_and_never_runs_the_payload(play):
    player = play(no_new_privs=True, filter=allowing("close", "execve", "write", "exit_group"))
    assert player.heard() == ""
    assert player.ended() == -signal.SIGSYS


def test_a_filter_needs_privileges_or_no_new_privs(play):
    wish = {
        "uid": 1000,
        "gid": 1000,
        "prepare": as_user(1000),
        "filter": allowing(otherwise=0x7FFF0000),
    }
    player = play(**wish)
    assert player.heard() == (
        "unable to init seccomp: error loading seccomp filter into kernel: permission denied"
    )
    assert player.ended() == 1
    assert fields(play(**STATUS, **wish, no_new_privs=True).payload())["Seccomp"] == "2"


def test_a_filter_that_refuses_execve_is_told_to_start(play):
    refused = allowing("read", "close", "write", "exit_group", otherwise=0x00050000 | errno.EPERM)
    player = play(no_new_privs=True, filter=refused)
    assert player.heard() == ""
    player.start()
    assert player.ended() == 1
    assert player.told() == "exec /bin/sh: operation not permitted"
