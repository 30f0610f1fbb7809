"""startContainer hooks as the native program runs them."""

import os
import resource
import time

import pytest
from functional.played import shell

from pyruntime.feature.hooks import HookStep

RAN = shell("echo ran")


def hook(script_text, number=0, **more):
    wish = {"path": "/bin/sh", "args": ["sh", "-c", script_text], **more}
    return HookStep("startContainer", number, wish)


def failed(player, text):
    """Start, and expect exactly this on the result fifo and on stderr."""
    assert player.heard() == ""
    player.start()
    assert player.ended() == 1
    assert player.told() == f"error running startContainer hook #{text}"
    assert player.said("err") == f"error running startContainer hook #{text}\n"
    assert player.said() == ""


def test_hooks_run_after_the_go_in_their_order(play, tmp_path):
    log = tmp_path / "log"
    player = play(**RAN, hooks=[hook(f"echo a >> {log}"), hook(f"echo b >> {log}", 1)])
    assert player.heard() == ""
    time.sleep(0.1)
    assert not log.exists()
    player.start()
    assert (player.ended(), player.told(), player.said()) == (0, "", "ran\n")
    assert log.read_text() == "a\nb\n"


def test_a_hook_reads_the_state_and_then_the_end(play, tmp_path):
    log = tmp_path / "log"
    state = '{"id":"box","status":"created"}'
    play(**RAN, hooks=[hook(f"cat > {log}")], hook_state=state).payload()
    assert log.read_text() == state


def test_a_long_state_arrives_whole(play, tmp_path):
    log = tmp_path / "log"
    state = "".join(f"{n:07d} " for n in range(40000))
    play(**RAN, hooks=[hook(f"sleep 0.1; cat > {log}")], hook_state=state).payload()
    assert log.read_text() == state


@pytest.mark.parametrize("start", ["exec 0<&-; sleep 0.2", "head -c 1 > /dev/null", "true"])
def test_a_hook_that_does_not_read_on_is_no_failure(play, start):
    assert play(**RAN, hooks=[hook(start)], hook_state="x" * 300_000).payload() == "ran\n"


def test_a_hook_has_the_containers_environment_unless_it_names_one(play, tmp_path):
    log = tmp_path / "log"
    wishes = ({}, {"env": ["B=c", "PATH=/bin"]}, {"env": []})
    hooks = [HookStep("startContainer", n, {
        "path": "/bin/sh", "args": ["sh", "-c", f"/usr/bin/tr '\\0' ' ' < /proc/$$/environ >> {log}; echo >> {log}"],
        **wish,
    }) for n, wish in enumerate(wishes)]  # fmt: skip
    play(**RAN, env=["A=b", "PATH=/bin"], hooks=hooks).payload()
    assert log.read_text() == "A=b PATH=/bin \nB=c PATH=/bin \n\n"


def test_a_hook_stands_in_the_root_directory_and_the_payload_where_it_should(play, tmp_path):
    log = tmp_path / "log"
    player = play(**shell("pwd"), cwd="/usr", hooks=[hook(f"pwd > {log}")])
    assert player.payload() == "/usr\n"
    assert log.read_text() == "/\n"


def test_a_hook_holds_three_descriptors_and_no_odd_signals(play):
    """Descriptor 3 is the directory that ls(1) opens itself, so that a leak would show as a 4."""
    player = play(**RAN, hooks=[hook("ls /proc/self/fd; grep Sig[IB] /proc/self/status; exit 1")])
    signals = f"SigBlk:\t{'0' * 16}\nSigIgn:\t{'0' * 16}\n"
    failed(player, f"0: exit status 1, stdout: 0\n1\n2\n3\n{signals}, stderr: ")


def test_a_failing_hook_is_told_with_its_output(play, tmp_path):
    log = tmp_path / "log"
    player = play(**RAN, hooks=[hook("echo one; echo two >&2; exit 3"), hook(f"touch {log}", 1)])
    failed(player, "0: exit status 3, stdout: one\n, stderr: two\n")
    assert not log.exists()


def test_the_number_is_that_of_the_hook(play):
    failed(
        play(**RAN, hooks=[hook("true"), hook("exit 255", 1)]),
        "1: exit status 255, stdout: , stderr: ",
    )


@pytest.mark.parametrize(
    ("number", "told"),
    [(9, "killed"), (15, "terminated"), (13, "broken pipe"), (24, "signal 24"), (64, "signal 64")],
)
def test_a_killed_hook_is_told_with_the_signal(play, number, told):
    failed(
        play(**RAN, hooks=[hook(f"kill -{number} $$")]), f"0: signal: {told}, stdout: , stderr: "
    )


def test_a_hook_that_takes_too_long_is_killed(play, tmp_path):
    began = time.monotonic()
    pid = tmp_path / "pid"
    player = play(**RAN, hooks=[hook(f"echo $$ > {pid}; echo x; exec sleep 90", timeout=3)])
    failed(player, "0: hook ran past specified timeout of 3.0s")
    assert 2.9 < time.monotonic() - began < 60
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_output_does_not_stop_the_clock(play):
    began = time.monotonic()
    failed(
        play(**RAN, hooks=[hook("while :; do echo x; done", timeout=1)]),
        "0: hook ran past specified timeout of 1.0s",
    )
    assert time.monotonic() - began < 60


def test_a_hook_that_closed_its_output_is_still_waited_for(play, tmp_path):
    log = tmp_path / "log"
    play(
        **RAN, hooks=[hook(f"exec >&- 2>&- <&-; /bin/sleep 0.3; echo done > {log}", timeout=90)]
    ).payload()
    assert log.read_text() == "done\n"


def test_a_daemon_that_keeps_the_output_open_does_not_hang_the_start(play):
    began = time.monotonic()
    player = play(**RAN, hooks=[hook("/bin/sleep 300 & echo $! >&2; exit 4")])
    assert player.heard() == ""
    player.start()
    assert player.ended() == 1
    assert time.monotonic() - began < 60
    told = player.told()
    assert told.startswith(
        "error running startContainer hook #0: exit status 4, stdout: , stderr: "
    )
    os.kill(int(told.rsplit(" ", 1)[1]), 9)


def test_much_output_is_read_and_cut(play):
    player = play(**RAN, hooks=[hook("seq 1 100000; seq 1 100000 >&2; exit 1")])
    assert player.heard() == ""
    player.start()
    assert player.ended() == 1
    told = player.told()
    assert 3800 < len(told) < 4096
    assert "exit status 1, stdout: 1\n2\n3\n" in told
    assert ", stderr: 1\n2\n3\n" in told


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/no/such", "no such file or directory"), ("/etc/passwd", "permission denied")],
)
def test_a_hook_that_cannot_be_started(play, path, reason):
    step = HookStep("startContainer", 0, {"path": path})
    failed(play(**RAN, hooks=[step]), f"0: fork/exec {path}: {reason}")


def test_many_hooks_under_a_small_limit_of_descriptors(play):
    def prepare():
        # Room for one hook's pipes above what earlier tests of this process left open.
        few = 16 + max(int(name) for name in os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, few))

    player = play(**RAN, hooks=[hook("true", n) for n in range(20)], prepare=prepare)
    assert player.payload() == "ran\n"


def test_a_hook_is_the_user_that_the_payload_will_be(play):
    player = play(**RAN, uid=1000, gid=1000, groups=[], hooks=[hook("id -u; exit 1")])
    failed(player, "0: exit status 1, stdout: 1000\n, stderr: ")


def test_run_tells_a_failed_hook_to_the_parent_alone(play):
    player = play(waits=False, **RAN, hooks=[hook("exit 2")])
    assert (
        player.heard() == "error running startContainer hook #0: exit status 2, stdout: , stderr: "
    )
    assert (player.ended(), player.said("err"), player.said()) == (1, "", "")
