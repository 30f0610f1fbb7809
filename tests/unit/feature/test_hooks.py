"""Hooks: their plan, and how they are run, fed, listened to and ended."""

import os
import signal
import time

import pytest

from pyruntime import errors
from pyruntime.feature import hookrun, hooks

STATE = '{"ociVersion":"1.3.0","id":"ä"}'


def planned(name="prestart", **wish):
    """Return the step of one hook."""
    (step,) = hooks.plan({"hooks": {name: [{"path": "/bin/sh", **wish}]}}, name)
    return step


def script(text, **wish):
    """Return a hook that runs a shell script."""
    return planned(args=["sh", "-c", text], **wish)


def run(*steps, directory="/", environment=None, umask=0o022, state=STATE):
    hookrun.run(steps, state, directory=directory, environment=environment or {}, umask=umask)


def failure(*steps, **more):
    with pytest.raises(errors.HookFailed) as caught:
        run(*steps, **more)
    return caught.value.say()


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No descriptor stays open and no child unreaped."""
    before = sorted(os.listdir("/proc/self/fd"))
    yield
    assert sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


# --- the plan ------------------------------------------------------------------------------------


def test_hooks_are_planned_in_order_with_their_numbers():
    config = {"hooks": {"poststop": [{"path": "/a"}, {"path": "/b", "args": ["b", "x y"], "timeout": 3}]}}
    steps = hooks.plan(config, "poststop")
    assert [step.describe() for step in steps] == [
        "run poststop hook #0: /a", "run poststop hook #1: /b x y within 3 s"
    ]  # fmt: skip
    config = {"hooks": {"prestart": [{"path": "/proc/1/exe", "args": ["setkey", "a"]}]}}
    (other,) = hooks.plan(config, "prestart")
    assert other.describe() == "run prestart hook #0: /proc/1/exe as setkey a"
    assert (steps[0].args, steps[0].env, steps[0].timeout) == (["/a"], None, None)


@pytest.mark.parametrize("config", [{}, {"hooks": {}}, {"hooks": {"prestart": []}}, {"hooks": None}])
def test_without_hooks_nothing_is_planned(config):
    assert hooks.plan(config, "prestart") == []


def test_an_empty_environment_is_not_a_missing_one():
    assert planned(env=[]).env == []
    assert planned().env is None


def test_features_names_all_six():
    assert hooks.known() == [
        "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"
    ]  # fmt: skip


# --- running -------------------------------------------------------------------------------------


def test_a_hook_reads_the_state_to_its_end(tmp_path):
    run(script(f"cat > {tmp_path}/state"))
    assert (tmp_path / "state").read_text() == STATE


def test_a_state_larger_than_a_pipe_is_fed_whole(tmp_path):
    large = "x" * 1_000_000
    run(script(f"sleep 0.05; wc -c > {tmp_path}/size"), state=large)
    assert int((tmp_path / "size").read_text()) == len(large)


def test_a_hook_that_reads_nothing_is_no_failure():
    run(script("exec <&-; true"), state="x" * 1_000_000)


def test_arguments_directory_and_umask_are_those_wished(tmp_path):
    text = f'echo "$0 $1" > {tmp_path}/told; pwd >> {tmp_path}/told; umask >> {tmp_path}/told'
    run(planned(args=["odd name", "-c", text, "zero", "one"]), directory=str(tmp_path), umask=0o027)
    assert (tmp_path / "told").read_text() == f"zero one\n{tmp_path}\n0027\n"


def test_the_directory_may_be_a_descriptor(tmp_path):
    descriptor = os.open(tmp_path, os.O_PATH)
    try:
        run(script("pwd > told"), directory=descriptor)
    finally:
        os.close(descriptor)
    assert (tmp_path / "told").read_text() == f"{tmp_path}\n"


def test_the_environment_is_the_hooks_own_or_the_one_given(tmp_path):
    text = f"/usr/bin/env > {tmp_path}/told"
    known = ("A=", "B=")

    def told():
        return sorted(line for line in (tmp_path / "told").read_text().split() if line[:2] in known)

    run(script(text), environment={b"A": b"given"})
    assert told() == ["A=given"]
    run(script(text, env=["B=1", "B=2"]), environment={b"A": b"given"})
    assert told() == ["B=2"]
    run(script(text, env=[]), environment={b"A": b"given"})
    assert told() == []


def test_descriptors_signals_and_masks_do_not_reach_a_hook(tmp_path):
    leak = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leak, True)
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    run(script(f"ls /proc/self/fd > {tmp_path}/fds; grep ^Sig /proc/self/status > {tmp_path}/signals"))
    signal.pthread_sigmask(signal.SIG_SETMASK, old)
    os.close(leak)
    assert set((tmp_path / "fds").read_text().split()) <= {"0", "1", "2", "3"}
    told = dict(line.split(":\t") for line in (tmp_path / "signals").read_text().splitlines())
    assert (told["SigBlk"], told["SigIgn"]) == ("0" * 16, "0" * 16)


def test_hooks_run_one_after_the_other_until_one_fails(tmp_path):
    steps = [script(f"echo {number} >> {tmp_path}/told; exit {number == 1:d}") for number in range(3)]
    failure(*steps)
    assert (tmp_path / "told").read_text() == "0\n1\n"


# --- failing -------------------------------------------------------------------------------------


def test_a_failure_tells_status_and_both_outputs():
    told = failure(script("echo out; echo err >&2; exit 3", timeout=90))
    assert told == "error running prestart hook #0: exit status 3, stdout: out, stderr: err"


def test_a_signal_is_told_as_one():
    assert "signal: killed, stdout: , stderr: " in failure(script("kill -9 $$"))


def test_a_hook_that_is_not_there_is_named():
    told = failure(planned("poststart", path="/no/such"))
    assert told.startswith("error running poststart hook #0: ")
    assert "/no/such: no such file or directory" in told


def test_a_hook_that_takes_too_long_is_killed(tmp_path):
    began = time.monotonic()
    told = failure(script(f"sleep 300; touch {tmp_path}/late", timeout=1))
    assert "hook ran past specified timeout of 1.0s" in told
    assert 0.9 < time.monotonic() - began < 60
    assert not (tmp_path / "late").exists()


@pytest.mark.parametrize("seconds", [3_000_000, (1 << 63) - 1])
def test_a_hook_may_have_more_time_than_one_poll_takes(seconds):
    run(script("true", timeout=seconds))


def test_a_wait_that_is_cut_short_goes_on(monkeypatch):
    monkeypatch.setattr(hookrun, "_LONGEST_POLL", 5)
    run(script("sleep 0.1", timeout=90))
    assert "specified timeout of 1.0s" in failure(script("sleep 300", timeout=1))


def test_a_talkative_hook_neither_hangs_nor_fills_the_memory():
    told = failure(script("head -c 3000000 /dev/zero | tr '\\0' x; exit 1"))
    assert "exit status 1" in told
    assert len(told) < 20_000


def test_output_that_is_no_text_is_told_all_the_same():
    assert "exit status 1" in failure(script("printf '\\377\\000a'; exit 1"))


def test_a_daemon_that_keeps_the_pipes_does_not_hold_the_hook(tmp_path):
    began = time.monotonic()
    run(script(f"sleep 300 & echo $! > {tmp_path}/pid"))
    assert time.monotonic() - began < 60
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_hook_may_close_its_outputs_and_go_on(tmp_path):
    run(script(f"exec >&- 2>&-; sleep 0.1; touch {tmp_path}/done"))
    assert (tmp_path / "done").exists()
