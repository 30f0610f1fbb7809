"""Events of real containers; what needs controllers is in tests/guest/test_events.py."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from functional import inside

KEYS = ["cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces"]


def succeed(done):
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(done, text):
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert text in done.stderr


@pytest.fixture
def sleeper(runtime, bundle, containers):
    """A running container that does nothing; its pid."""
    return inside.running(bundle, runtime, containers, "exec sleep 1000")


@pytest.fixture
def streaming(launcher, containers):
    """Callable: start `events c1` with options; return the Popen object."""
    started = []

    def start(*options):
        command = [str(launcher), "--root", str(containers.root), "events", *options, "c1"]
        each = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(each)
        return each

    yield start
    for each in started:
        each.kill()
        each.communicate()


def test_stats_once_are_one_line(runtime, sleeper, containers):
    text = succeed(runtime("events", "--stats", "c1"))
    assert text.count("\n") == 1
    event = json.loads(text)
    assert list(event) == ["type", "id", "data"]
    assert (event["type"], event["id"]) == ("stats", "c1")
    data = event["data"]
    assert list(data) == KEYS
    assert (data["intel_rdt"], data["network_interfaces"]) == ({}, None)
    assert data["pids"]["current"] == 1
    assert data["cpu"]["usage"]["total"] > 0
    assert set(data["cpu"]["usage"]) == {"total", "kernel", "user"}
    cgroup = Path(containers.state("c1")["cgroup"])
    pages = {name.split(".")[1] for name in os.listdir(cgroup) if name.startswith("hugetlb")}
    assert data["hugetlb"] == {size: {"failcnt": 0} for size in pages}


def test_a_created_and_a_paused_container_have_stats_a_stopped_one_has_none(runtime, bundle):
    bundle.config["process"]["args"] = ["sleep", "1000"]
    succeed(runtime("create", "--bundle", bundle.save(), "c1"))
    succeed(runtime("events", "--stats", "c1"))
    succeed(runtime("pause", "c1"))
    succeed(runtime("events", "--stats", "c1"))
    succeed(runtime("kill", "c1", "KILL"))
    inside.eventually(lambda: json.loads(runtime("state", "c1").stdout)["status"] == "stopped")
    refused(runtime("events", "--stats", "c1"), "container with id c1 is not running")
    refused(runtime("events", "c1"), "container with id c1 is not running")


def test_the_stream_goes_on_until_the_container_ends(runtime, sleeper, streaming):
    stream = streaming("--interval=10ms")
    first, second = (json.loads(stream.stdout.readline()) for _ in range(2))
    assert first["type"] == second["type"] == "stats"
    assert second["data"]["cpu"]["usage"]["total"] >= first["data"]["cpu"]["usage"]["total"]
    succeed(runtime("kill", "c1", "KILL"))
    rest, err = stream.communicate(timeout=90)
    assert (stream.returncode, err) == (0, "")
    assert all(json.loads(line)["type"] == "stats" for line in rest.splitlines())


@pytest.mark.parametrize("interval", ["100h", "2562047h"])
def test_the_end_is_noticed_at_once_whatever_the_interval(runtime, sleeper, streaming, interval):
    stream = streaming("--interval", interval)
    inside.eventually(lambda: watches(stream.pid))
    succeed(runtime("delete", "--force", "c1"))
    assert stream.communicate(timeout=60) == ("", "")
    assert stream.returncode == 0


def watches(pid):
    """Tell whether a process has opened a cgroup's events."""
    try:
        targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    except FileNotFoundError:
        return False
    return any(target.endswith("/cgroup.events") for target in targets)


def test_a_pause_is_no_end(runtime, sleeper, streaming):
    stream = streaming("--interval", "20ms")
    stream.stdout.readline()
    succeed(runtime("pause", "c1"))
    for _ in range(3):
        assert json.loads(stream.stdout.readline())["type"] == "stats"
    assert stream.poll() is None


def test_a_reader_that_goes_away_ends_the_stream(sleeper, streaming):
    stream = streaming("--interval", "10ms")
    stream.stdout.readline()
    stream.stdout.close()
    assert stream.wait(timeout=60) == 141
    assert stream.stderr.read() == ""


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ("5", r"time: missing unit in duration \"5\""),
        ("x", r"time: invalid duration \"x\""),
        ("0", "duration interval must be greater than 0"),
        ("-1s", "duration interval must be greater than 0"),
    ],
)
def test_an_interval_that_is_none_is_refused(runtime, sleeper, interval, text):
    refused(runtime("events", f"--interval={interval}", "c1"), text)


def test_an_unknown_id_does_not_exist(runtime):
    refused(runtime("events", "--stats", "nx"), "container does not exist")


def test_a_container_without_a_cgroup_is_told_so(runtime, sleeper, containers):
    file = containers.root / "c1" / "state.json"
    saved = file.read_text()
    file.write_text(json.dumps(json.loads(saved) | {"cgroup": ""}))
    refused(runtime("events", "c1"), "has no cgroup of its own, so what it uses is not known")
    file.write_text(saved)


def test_network_counters_are_those_of_the_containers_namespace(runtime, bundle, containers):
    inside.allow(bundle, "CAP_NET_RAW", "CAP_NET_ADMIN")
    inside.writable(bundle)
    inside.running(bundle, runtime, containers, "ping -c 3 127.0.0.1 && touch /done; exec sleep 1000")
    inside.eventually((bundle.rootfs / "done").exists)
    own = os.readlink("/proc/self/ns/net")
    data = json.loads(succeed(runtime("events", "--stats", "--network", "c1")))["data"]
    (interface,) = [each for each in data["network_interfaces"] if each["Name"] == "lo"]
    assert interface["RxBytes"] == interface["TxBytes"] >= 3 * 84
    assert interface["RxPackets"] >= 6
    assert os.readlink("/proc/self/ns/net") == own
