"""The native program while it waits, and what it lets go of before the payload."""

import errno
import os
import signal
import time
from pathlib import Path

import pytest
from functional import inside
from functional.played import fields, shell

from pyruntime.feature import capabilities, confinement
from pyruntime.kernel import mount, process


def caps_of_a_box():
    mask = 0xA80425FB
    return capabilities.Capabilities(
        effective=mask, bounding=mask, inheritable=0, permitted=mask, ambient=0
    )


def nothing_but(count):
    """A filter of `count` instructions that allows everything."""
    return b"\x06\0\0\0\0\0\xff\x7f" * count


# ---- the start protocol ----


def test_created_is_the_end_of_the_socket_and_the_payload_waits_for_the_go(play):
    player = play(**shell("echo ran"))
    assert player.heard() == ""
    inside.eventually(lambda: player.fields()["State"] == "S (sleeping)")
    time.sleep(0.1)
    assert (player.said(), player.fields()["State"]) == ("", "S (sleeping)")
    player.start()
    assert (player.ended(), player.said(), player.told()) == (0, "ran\n", "")


def test_the_result_fifo_is_closed_by_the_execution(play):
    player = play(**shell("sleep 30"))
    assert player.heard() == ""
    for name in ("go", "result"):
        os.close(getattr(player, name))
    player.go = os.open(player.directory / "go", os.O_WRONLY | os.O_NONBLOCK)
    player.result = os.open(player.directory / "result", os.O_RDONLY | os.O_NONBLOCK)
    player.start()
    os.set_blocking(player.result, True)
    assert os.read(player.result, 4096) == b""
    assert player.proc("comm") in (b"sh\n", b"sleep\n")


def test_a_late_failure_goes_to_start_and_to_stderr(play):
    player = play(args=["gone"], candidates=["/bin/gone"])
    assert player.heard() == ""
    player.start()
    told = 'exec: "gone": executable file not found in $PATH'
    assert (player.ended(), player.told(), player.said("err")) == (1, told, f"{told}\n")


def test_run_waits_for_nothing_and_closes_the_socket_by_execution(play):
    player = play(waits=False, **shell("echo ran; ls /proc/self/fd"))
    assert player.heard() == ""
    assert (player.ended(), player.said()) == (0, "ran\n0\n1\n2\n3\n")


def test_a_message_is_cut_and_not_lost(play):
    name = "n" * 3000
    player = play(cwd=f"/{name}/{name}")
    told = player.heard()
    assert len(told) == 4095
    assert told.startswith('chdir to cwd ("/nnn')


# ---- what can be seen and taken ----


def test_nothing_of_the_payload_shows_while_it_waits(play):
    player = play(args=["sh", "-c", "echo secret"], env=["PASSWORD=secret"])
    assert player.heard() == ""
    assert player.proc("cmdline") == b"pyruntime\0init\0"
    assert player.proc("environ").rstrip(b"\0").isdigit()
    assert player.proc("comm") == b"sh\n"


def test_the_name_is_cut_to_15_bytes(play):
    player = play(args=["/bin/a-name-that-is-too-long"], candidates=["/bin/true"])
    assert player.heard() == ""
    assert player.proc("comm") == b"a-name-that-is-\n"


def test_the_program_cannot_be_written_or_replaced(play):
    """CVE-2019-5736."""
    player = play()
    assert player.heard() == ""
    exe = f"/proc/{player.pid}/exe"
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
        with pytest.raises(OSError, match="Text file busy") as caught:
            os.open(exe, flags)
        assert caught.value.errno == errno.ETXTBSY
    assert os.readlink(exe) == "/memfd:pyruntime (deleted)"
    kept = os.open(exe, os.O_RDONLY)
    player.start()
    player.ended()
    reopened = os.open(f"/proc/self/fd/{kept}", os.O_RDWR)  # idle now, but sealed
    with pytest.raises(PermissionError):
        os.write(reopened, b"x")
    with pytest.raises(PermissionError):
        os.ftruncate(reopened, 0)
    os.close(kept)
    os.close(reopened)


@pytest.mark.parametrize("uid", [0, 1000])
def test_the_waiting_process_is_closed_to_tracers(play, uid):
    player = play(uid=uid, gid=uid, capabilities=caps_of_a_box())
    assert player.heard() == ""
    # The files of a process that is not dumpable belong to root.
    assert Path(f"/proc/{player.pid}/environ").stat().st_uid == 0
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(1000, 1000, 1000)
            os.setresuid(1000, 1000, 1000)
            Path(f"/proc/{player.pid}/environ").read_bytes()
        except PermissionError:
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("instructions", [1, 2000])
def test_a_waiting_container_is_small(play, instructions):
    player = play(
        capabilities=caps_of_a_box(), uid=1000, groups=[1, 2], no_new_privs=True,
        filter=nothing_but(instructions), env=[f"NAME{n}=value" for n in range(40)],
    )  # fmt: skip
    assert player.heard() == ""
    assert int(player.fields()["VmRSS"].split()[0]) < (40 if instructions == 1 else 64)


def test_descriptors_are_closed_in_every_gap(play):
    def prepare():
        for number in (12, 30, 200):
            os.dup2(0, number)

    player = play(prepare=prepare)
    assert player.heard() == ""
    held = sorted(int(name) for name in os.listdir(f"/proc/{player.pid}/fd"))
    names = [os.readlink(f"/proc/{player.pid}/fd/{number}") for number in held[3:]]
    assert held[:3] == [0, 1, 2]
    assert names == [str(player.directory / name) for name in ("go", "result")]


def test_preserved_descriptors_reach_the_payload_and_no_other_does(play):
    def prepare():
        for number in (3, 4, 5):  # two of the caller's, and a leak
            os.dup2(0, number)

    player = play(**shell("ls /proc/$$/fd; true"), preserve=2, prepare=prepare)
    assert player.payload().split() == ["0", "1", "2", "3", "4"]


def test_signals_are_as_after_a_fresh_start(play):
    def prepare():
        for number in (signal.SIGPIPE, signal.SIGHUP, signal.SIGXFSZ, signal.SIGRTMAX):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

    player = play(**shell("cat /proc/self/status"), prepare=prepare)
    assert player.heard() == ""
    waiting = player.fields()
    player.start()
    assert player.ended() == 0
    for told in (waiting, fields(player.said())):
        assert (told["SigIgn"], told["SigBlk"]) == ("0" * 16, "0" * 16)


# ---- the label ----


def private_procfs():
    context = mount.fsopen("proc")
    mount.fsconfig(context, "subset", "pid")
    return mount.fsmount(context)


def test_a_label_is_written_through_the_private_procfs(play):
    def prepare():
        label = confinement.Label("thread-self/comm", "labelled", "label it")
        return {"procfs": private_procfs(), "labels": [label]}

    player = play(prepare=prepare)
    assert player.heard() == ""
    assert player.proc("comm") == b"labelled\n"
    assert len(os.listdir(f"/proc/{player.pid}/fd")) == 5


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("sysrq-trigger", "no such file or directory"),
        ("thread-self/cwd/x", "too many levels of symbolic links"),
        ("../etc/passwd", "invalid cross-device link"),
    ],
)
def test_a_label_goes_nowhere_else(play, path, reason):
    """CVE-2019-16884, CVE-2025-52881."""
    labels = [confinement.Label(path, "x", "unable to label it")]
    player = play(prepare=lambda: {"procfs": private_procfs(), "labels": labels})
    assert player.heard() == f"unable to label it: {reason}"


def test_a_label_that_no_module_takes_fails_in_the_words_of_its_key(play):
    """The file is there whatever modules the kernel has; no policy of any knows this label."""
    (label,) = confinement.labels(
        [confinement.LabelStep("process.apparmorProfile", "no such profile")],
        confinement.Modules("attr/exec", selinux=False),
    )
    player = play(prepare=lambda: {"procfs": private_procfs(), "labels": [label]})
    told, _, reason = player.heard().rpartition(": ")
    assert told == (
        'unable to apply the profile "no such profile" of process.apparmorProfile (is it loaded?)'
    )
    assert reason in {
        "invalid argument", "no such file or directory", "permission denied", "operation not permitted",
    }  # fmt: skip


# ---- a shared pid namespace ----


@pytest.fixture
def shared():
    """The first process of a pid namespace, for others to join."""
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        process.unshare(process.CLONE_NEWPID)
        first = os.fork()
        if first == 0:
            signal.pause()
        os.write(writer, str(first).encode())
        os._exit(0)
    os.waitpid(middle, 0)
    first = int(os.read(reader, 20))
    yield first
    os.kill(first, signal.SIGKILL)
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("late_filter", [False, True])
def test_a_shared_pid_namespace_is_joined_by_a_child(play, shared, late_filter):
    space = os.open(f"/proc/{shared}/ns/pid", os.O_RDONLY)
    player = play(
        **shell("echo $$; exec cat /proc/self/status"), joined_pid=space, no_new_privs=late_filter,
        filter=nothing_but(1), uid=1000, capabilities=caps_of_a_box(),
    )  # fmt: skip
    outside = player.pid
    within = int(player.heard().removeprefix("pid "))
    assert player.ended() == 0  # the middle one is gone
    assert within != outside
    player.pid, player.status = within, None
    assert os.readlink(f"/proc/{within}/ns/pid") == os.readlink(f"/proc/{shared}/ns/pid")
    told = player.fields()
    assert (told["PPid"], told["Uid"].split()[0]) == (str(os.getpid()), "1000")
    player.here.send(b"proceed")
    assert player.heard() == ""
    told = player.fields()
    assert (told["NSsid"].split()[-1], told["Seccomp"]) == (told["NSpid"].split()[-1], "2")
    player.start()
    assert player.ended() == 0
    assert player.said().splitlines()[0] == told["NSpid"].split()[-1]
    os.close(space)


def test_the_child_in_a_shared_pid_namespace_ends_with_the_runtime(play, shared):
    space = os.open(f"/proc/{shared}/ns/pid", os.O_RDONLY)
    player = play(joined_pid=space)
    within = int(player.heard().removeprefix("pid "))
    assert player.ended() == 0
    player.pid, player.status = within, None
    player.here.close()
    assert player.ended() in (1, -signal.SIGPIPE)
    assert player.said() == ""
    os.close(space)


def test_a_namespace_of_another_kind_is_refused(play):
    space = os.open("/proc/self/ns/net", os.O_RDONLY)
    player = play(joined_pid=space)
    assert player.heard() == "join the pid namespace: invalid argument"
    os.close(space)
