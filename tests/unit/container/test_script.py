"""The last steps: their order, their words, and the form in which they are laid down."""

import re
import struct
from pathlib import Path

import pytest

from pyruntime import errors
from pyruntime.container import memory, player, script, steps
from pyruntime.feature import capabilities, confinement, hooks
from pyruntime.kernel import door

NATIVE = Path(__file__).resolve().parents[3] / "pyruntime" / "native"
RECORD = struct.Struct("<5BxH6Q8sQq")
PR_CAPBSET_DROP = 24
HEADER = struct.Struct("<QQqqQ")

SETS = (
    "limit the capabilities to: bounding CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, "
    "CAP_FOWNER, CAP_KILL; effective, inheritable and ambient none; permitted CAP_CHOWN"
)
FILTER = struct.pack("<HBBI", 6, 0, 0, 0x7FFF0000) * 3


def order(**more):
    wishes = {
        "args": ["sh", "-c", "true"],
        "candidates": ["/bin/sh"],
        "env": ["A=b"],
        "cwd": "/work",
        "sync": 7,
        "go": 8,
        "result": 9,
        "last_capability": 5,
    }
    return script.Order(**wishes | more)


def sets(**masks):
    return capabilities.Capabilities(
        **dict.fromkeys(("effective", "bounding", "inheritable", "permitted", "ambient"), 0) | masks
    )


def said(**more):
    return [step.describe() for step in script.compose(order(**more))]


def decoded(flat):
    """Return the records of a script, each with its strings looked up."""
    magic, *_ = HEADER.unpack_from(flat)
    assert magic == memory.MAGIC
    found = []
    at = HEADER.size
    while True:
        verb, indirect, again, times, climbs, number, *rest = RECORD.unpack_from(flat, at)
        assert climbs == (1 if number == door.NUMBER["prctl"] and rest[0] == PR_CAPBSET_DROP else 0)
        found.append((verb, indirect, again, times, number, rest[:6], rest[6], rest[7]))
        at += RECORD.size
        if verb == 7:
            return found


def text(flat, pointer):
    at = pointer - script.BASE
    return flat[at : flat.index(b"\0", at)].decode()


def row(flat, pointer):
    at, found = pointer - script.BASE, []
    while word := int.from_bytes(flat[at : at + 8], "little"):
        found.append(text(flat, word))
        at += 8
    return found


def test_everything_in_its_order_with_no_new_privs():
    told = said(
        no_new_privs=True, filter=FILTER, capabilities=sets(bounding=0b101111, permitted=1),
        uid=1000, gid=100, groups=[5, 6], procfs=4,
        labels=[confinement.Label("thread-self/attr/exec", "box", "cannot label it")],
        hooks=[hooks.HookStep("startContainer", 0, {"path": "/h"})],
        extra=[steps.Call("run with priority 3", "prctl", (0,))],
    )  # fmt: skip
    assert told == [
        "report failures to the parent",
        "be closed to tracers (not dumpable)",
        "close the socket to the parent on execution",
        "close the fifo of the go on execution",
        "close the fifo of results on execution",
        'take the name "sh"',
        "open thread-self/attr/exec",
        'label the payload "box"',
        "close thread-self/attr/exec",
        "close the private procfs",
        "run with priority 3",
        "set the umask to 0022",
        "set signals 1 to 64 to their defaults",
        "block no signal",
        "go to /work",
        "ask where that is",
        "see that the working directory is inside",
        "close descriptors 3 to 6",
        "close descriptors 10 to the last",
        "drop CAP_FSETID from the bounding set",
        "keep the capabilities while the ids change",
        "have the supplementary groups 5 6",
        "become gid 100",
        "become uid 1000",
        "be closed to tracers (not dumpable)",
        "if going to /work was refused before:",
        "go to /work as the user",
        "ask where that is",
        "see that the working directory is inside",
        SETS,
        "clear the ambient set",
        "never gain privileges by execution",
        "load the seccomp filter (3 instructions)",
        "report failures to start, and on stderr",
        "say that the container is created",
        "wait for the go",
        "go on if it is one byte",
        "run startContainer hook #0: /h",
        "execute /bin/sh as: sh -c true",
    ]


def test_without_no_new_privs_the_filter_comes_before_the_ids():
    told = said(filter=FILTER, capabilities=sets(), uid=5, groups=[])
    at = told.index("load the seccomp filter (3 instructions)")
    assert told[at - 1] == "close descriptors 10 to the last"
    assert told[at + 1] == "drop CAP_CHOWN to CAP_KILL from the bounding set"
    assert "never gain privileges by execution" not in told


GIVEN = [
    "load the seccomp filter (3 instructions)",
    "tell its number to the parent",
    "wait until the agent has it",
    "go on if it was",
    "close the listener",
]


@pytest.mark.parametrize("late", [True, False])
def test_a_listener_is_told_of_before_anything_else_is_asked_of_the_kernel(late):
    """Every other call may be one that waits for the agent; see container/listening.py."""
    told = said(filter=FILTER, listens=True, no_new_privs=late, uid=5)
    at = told.index(GIVEN[0])
    assert told[at : at + 5] == GIVEN
    behind = told[at + 5]
    assert behind == ("report failures to start, and on stderr" if late else "become gid 0")
    assert "tell its number" not in " ".join(said(filter=FILTER, no_new_privs=late))


@pytest.mark.parametrize("late", [True, False])
def test_in_a_shared_pid_namespace_the_words_come_in_the_order_that_the_parent_expects(late):
    told = said(filter=FILTER, listens=True, no_new_privs=late, joined_pid=20)
    words = [line for line in told if line.startswith("tell its")]
    number, pid = "tell its number to the parent", "tell its pid to the parent"
    assert words == ([pid, number] if late else [number, pid])


def test_without_a_procfs_nothing_is_labelled():
    label = confinement.Label("thread-self/attr/exec", "box", "cannot label it")
    assert not [line for line in said(labels=[label]) if "label" in line]


def test_each_run_of_dropped_capabilities_is_one_record():
    kept = 1 << 1 | 1 << 4
    records = decoded(script.encode(script.compose(order(capabilities=sets(bounding=kept)))))
    drops = [each for each in records if each[5][0] == PR_CAPBSET_DROP]
    assert [(each[5][1], each[3]) for each in drops] == [(0, 1), (2, 2), (5, 1)]


def test_run_waits_for_nothing_and_keeps_its_way_to_the_parent():
    told = said(go=None, result=None)
    assert not [line for line in told if "created" in line or "go" in line.split()[-1:]]
    assert "close descriptors 8 to the last" in told
    assert told[-1] == "execute /bin/sh as: sh -c true"


def test_capabilities_that_are_not_named_are_left():
    assert not [line for line in said(uid=5) if "capabilit" in line or "bounding" in line]


def test_groups_and_umask_that_are_not_named_are_left():
    told = said(groups=None, umask=None)
    assert not [line for line in told if "groups" in line or "umask" in line]
    assert "have no supplementary groups" in said(groups=[])


def test_a_shared_pid_namespace_is_entered_last():
    told = said(joined_pid=12, no_new_privs=True, filter=FILTER)
    assert told.index("join the pid namespace") < told.index("become uid 0")
    at = told.index("make the process inside the pid namespace")
    assert told[at - 1] == "never gain privileges by execution"
    assert told.index("close descriptors 10 to the last") < at
    assert told[at + 1 : at + 8] == [
        "outside:",
        "tell its pid to the parent",
        "be gone",
        "inside: lead a session",
        "wait for the parent",
        "go on if it sent a byte",
        "load the seccomp filter (3 instructions)",
    ]


@pytest.mark.parametrize(
    ("first", "kept", "ranges"),
    [
        (3, [], [(3, 0xFFFFFFFF)]),
        (3, [3], [(4, 0xFFFFFFFF)]),
        (3, [9, 4, 5], [(3, 3), (6, 8), (10, 0xFFFFFFFF)]),
        (6, [4, 7, 7], [(6, 6), (8, 0xFFFFFFFF)]),
    ],
)
def test_the_gaps_leave_out_exactly_what_is_kept(first, kept, ranges):
    assert script.gaps(first, kept) == ranges


def test_the_descriptors_for_the_player_are_all_named():
    assert order(preserve=2, procfs=20, joined_pid=21).descriptors() == [3, 4, 7, 8, 9, 20, 21]
    assert order(go=None, result=None).descriptors() == [7]


def test_a_script_is_laid_down_with_absolute_pointers():
    flat = script.encode(script.compose(order(umask=0o27)))
    records = decoded(flat)
    umask = next(each for each in records if each[4] == door.NUMBER["umask"])
    assert umask[0] == 1
    assert umask[5][0] == 0o27
    chdir = next(each for each in records if each[4] == door.NUMBER["chdir"])
    assert text(flat, chdir[5][0]) == "/work"
    assert chdir[6] == bytes([1, 13, 0, 0, 0, 0, 0, 0])
    assert text(flat, chdir[7]) == 'chdir to cwd ("/work") set in config.json failed'
    execute = records[-1]
    assert [row(flat, pointer) for pointer in execute[5][:3]] == [
        ["/bin/sh"], ["sh", "-c", "true"], ["A=b"],
    ]  # fmt: skip
    assert text(flat, execute[7]) == 'exec: "sh": executable file not found in $PATH'


def test_the_result_of_a_call_is_an_argument_of_a_later_one():
    operations = script.compose(order())
    flat = script.encode(operations)
    records = decoded(flat)
    chdir = next(n for n, each in enumerate(records) if each[4] == door.NUMBER["chdir"])
    skip = next(each for each in records if each[0] == 3)
    place = script.BASE + HEADER.size + RECORD.size * (chdir + 1) - 8
    assert (skip[1], skip[5][:2]) == (0b1, [place, 3])


def test_signals_are_one_record_played_64_times():
    records = decoded(script.encode(script.compose(order())))
    action = next(each for each in records if each[4] == door.NUMBER["rt_sigaction"])
    assert (action[3], action[5][0], action[6][0]) == (64, 1, 22)


def test_equal_texts_lie_there_once():
    flat = script.encode(script.compose(order(args=["/bin/sh"], env=["/bin/sh", "/bin/sh"])))
    assert flat.count(b"/bin/sh\0") == 1


def test_bytes_that_are_no_utf_8_travel_unchanged():
    flat = script.encode(
        script.compose(order(args=["sh", b"\xff\xfe".decode("utf-8", "surrogateescape")]))
    )
    assert b"\xff\xfe\0" in flat


def test_a_text_with_a_nul_is_refused_and_not_cut():
    with pytest.raises(errors.RuntimeFailure, match="contains a NUL byte"):
        script.encode(script.compose(order(args=["sh", "a\0b"])))


def test_a_hook_lies_there_whole():
    wish = {"path": "/h", "args": ["h", "x"], "env": ["K=V"], "timeout": 2}
    step = hooks.HookStep("startContainer", 0, wish)
    flat = script.encode(script.compose(order(hooks=[step], hook_state='{"id":"a"}')))
    records = decoded(flat)
    hook = records[-2]
    assert hook[0] == 6
    assert text(flat, hook[7]) == "error running startContainer hook #0: "
    words = struct.unpack_from("<14Q", flat, hook[5][0] - script.BASE)
    assert text(flat, words[0]) == "/h"
    assert [row(flat, pointer) for pointer in words[1:3]] == [["h", "x"], ["K=V"]]
    at = words[3] - script.BASE
    assert flat[at : at + words[4]] == b'{"id":"a"}'
    assert words[5] == 2000
    assert text(flat, words[7]) == "hook ran past specified timeout of 2.0s"


def test_the_time_of_a_hook_may_be_as_long_as_the_specification_allows():
    step = hooks.HookStep("startContainer", 0, {"path": "/h", "timeout": (1 << 63) - 1})
    flat = script.encode(script.compose(order(hooks=[step])))
    records = decoded(flat)
    words = struct.unpack_from("<14Q", flat, records[-2][5][0] - script.BASE)
    assert words[5] == (1 << 63) - 1


def test_a_hook_without_an_environment_has_the_containers():
    step = hooks.HookStep("startContainer", 0, {"path": "/h"})
    (hook,) = [each for each in script.compose(order(hooks=[step])) if isinstance(each, steps.Hook)]
    assert (hook.args, hook.env) == (["/h"], ["A=b"])
    step = hooks.HookStep("startContainer", 0, {"path": "/h", "env": []})
    (hook,) = [each for each in script.compose(order(hooks=[step])) if isinstance(each, steps.Hook)]
    assert hook.env == []


def test_a_plain_script_stays_small():
    assert (
        len(script.encode(script.compose(order(capabilities=sets(), last_capability=40)))) < 16384
    )


def test_both_sides_agree_on_the_form():
    """The C and the Python half say the same numbers."""
    source = (NATIVE / "player.c").read_text()
    assert int(re.search(r"#define BASE (0x\w+)UL", source)[1], 16) == script.BASE
    assert int(re.search(r"#define MAGIC (0x\w+)UL", source)[1], 16) == memory.MAGIC
    assert "CALL = 1, EXPECT, SKIP, REPORT, TELL, HOOK, EXECUTE" in source
    assert RECORD.size == memory.RECORD.size == 80


def test_a_player_that_was_never_built_is_said_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr("pyruntime.__path__", [str(tmp_path / "pyruntime")])
    (tmp_path / "pyruntime").mkdir()
    with pytest.raises(
        errors.Unsupported, match=r"^the native program is missing: run make build$"
    ):
        player.player()


@pytest.mark.parametrize("place", ["pyruntime/native", "."])
def test_the_player_is_found_in_the_package_or_beside_it(monkeypatch, tmp_path, place):
    monkeypatch.setattr("pyruntime.__path__", [str(tmp_path / "pyruntime")])
    (tmp_path / "pyruntime" / "native").mkdir(parents=True)
    (tmp_path / place / "waiting_init").write_bytes(b"\x7fELF")
    assert player.player() == b"\x7fELF"
