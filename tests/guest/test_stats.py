"""Usage where all controllers are, and waiting on a kernel that tells a status to the parent only."""

import json
import os
import subprocess

import pytest
from functional import inside
from guest.placing import GREEDY, limited, placed, spared

__all__ = ["placed"]  # a fixture


def succeed(done):
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def usage(runtime):
    (told,) = json.loads(succeed(runtime("stats", "--format", "json")))
    return told


def test_every_column_is_told(runtime, placed, containers):
    inside.writable(placed)
    spared(placed)
    inside.running(placed, runtime, containers, f"{GREEDY}touch /done; exec sleep 1000")
    limited(containers, memory_max="33554432", memory_swap_max="0", pids_max="50")
    (placed.rootfs / "go").touch()
    inside.eventually((placed.rootfs / "done").exists, 240)
    told = usage(runtime)
    assert told["memory"]["max"] == 32 << 20
    assert 0 < told["memory"]["current"] <= told["memory"]["peak"]
    assert told["memory_events"]["oom_kill"] == 1
    assert told["pids"] == {"current": 1, "max": 50}
    assert set(told["pressure"]) == {"cpu", "memory", "io"}
    _, row = succeed(runtime("stats")).splitlines()
    assert "32.0MiB" in row
    text = succeed(runtime("stats", "--format", "prometheus"))
    assert 'pyruntime_container_memory_oom_kills_total{id="c1"} 1\n' in text
    assert f'pyruntime_container_memory_limit_bytes{{id="c1"}} {32 << 20}\n' in text
    assert 'pyruntime_container_pressure_stalled_seconds_total{id="c1",resource="io",kind="full"}' in text


def test_a_container_stands_still_and_its_memory_stays(runtime, placed, containers):
    inside.running(placed, runtime, containers, "while :; do :; done")
    limited(containers, memory_max="67108864")
    succeed(runtime("pause", "c1"))
    first, second = usage(runtime), usage(runtime)
    assert first["status"] == "paused"
    assert first["cpu"]["user_usec"] == second["cpu"]["user_usec"]
    assert second["memory"]["current"] > 0
    succeed(runtime("resume", "c1"))
    inside.eventually(lambda: usage(runtime)["cpu"]["user_usec"] > second["cpu"]["user_usec"])


def holds_a_pidfd(pid):
    try:
        return any("pidfd" in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("status", [0, 7])
def test_wait_tells_the_status_or_that_it_is_not_known(launcher, runtime, bundle, containers, status):
    os.mkfifo(bundle.rootfs / "go")
    inside.running(bundle, runtime, containers, f"read x < /go; exit {status}")
    command = [str(launcher), "--root", str(containers.root), "wait", "c1"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as waiting:
        inside.eventually(lambda: holds_a_pidfd(waiting.pid))
        (bundle.rootfs / "go").write_text("on\n")
        out, err = waiting.communicate(timeout=240)
    if waiting.returncode == 255:  # systemd was quicker to reap it
        assert out == ""
        assert "its exit status is not known" in err
    else:
        assert (waiting.returncode, out, err) == (status, f"{status}\n", "")
