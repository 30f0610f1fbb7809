"""podman with this runtime: containers as people start them, kept by conmon, on an image of busybox."""

import json
import subprocess

import busybox
import pytest
from functional import inside

IMAGE = "localhost/busybox"
SECONDS = 180
DRIVERS = ["cgroupfs", "systemd"]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The image, imported once; nothing can be pulled in the guest."""
    place = tmp_path_factory.mktemp("image")
    busybox.rootfs(f"{place}/rootfs")
    subprocess.run(["tar", "-cf", "image.tar", "-C", "rootfs", "."], cwd=place, check=True)
    subprocess.run(["podman", "import", "-q", f"{place}/image.tar", IMAGE], check=True, stdout=subprocess.DEVNULL)
    return IMAGE


@pytest.fixture(scope="module", params=DRIVERS)
def podman(request, image):
    """Callable: podman("run", …, given="") -> CompletedProcess; at the end no container may be left."""

    def run(*words, given=""):
        command = ["podman", "--runtime", "pyruntime", "--cgroup-manager", request.param, *words]
        return subprocess.run(command, capture_output=True, text=True, input=given, timeout=SECONDS)

    yield run
    assert run("ps", "--all", "--quiet").stdout == ""


@pytest.fixture
def box(podman):
    """The name of a container that a test makes; it is removed after it."""
    yield "box"
    well(podman("rm", "--force", "--ignore", "--time", "0", "box"))


@pytest.fixture(scope="module")
def sleeping(podman, image):
    """The name of a container that sleeps, for all tests that leave it as it is."""
    well(podman("run", "--detach", "--name", "sleeping", "--network", "none", image, "sleep", "10000"))
    yield "sleeping"
    well(podman("rm", "--force", "--time", "0", "sleeping"))


def well(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


def inspected(podman, name):
    (told,) = json.loads(well(podman("inspect", name)))
    return told


def test_run_gives_output_and_exit_code(podman, image):
    done = podman("run", "--rm", "--network", "none", image, "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_a_program_that_is_missing_gives_127(podman, image):
    done = podman("run", "--rm", "--network", "none", image, "/no/such/program")
    assert done.returncode == 127
    assert "/no/such/program" in done.stderr


def test_a_program_that_may_not_be_executed_gives_126(podman, image):
    assert podman("run", "--rm", "--network", "none", image, "/etc/passwd").returncode == 126


def test_a_container_lives_and_is_stopped_and_removed(podman, image, box):
    script = "trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.1; done"
    name = well(podman("run", "--detach", "--name", box, "--network", "none", image, "sh", "-c", script)).strip()
    inside.eventually(lambda: "ready" in well(podman("logs", box)))
    told = inspected(podman, box)
    assert told["State"]["Status"] == "running"
    assert told["OCIRuntime"] == "pyruntime"
    assert well(podman("ps", "--quiet", "--no-trunc", "--filter", "name=box")).split() == [name]
    well(podman("stop", "--time", "60", box))
    told = inspected(podman, box)["State"]
    assert (told["Status"], told["ExitCode"]) == ("exited", 4)
    assert well(podman("logs", box)) == "ready\nbye\n"
    assert well(podman("wait", box)) == "4\n"
    well(podman("rm", box))
    assert podman("inspect", box).returncode != 0


def test_a_container_is_killed(podman, image, box):
    well(podman("run", "--detach", "--name", box, "--network", "none", image, "sleep", "1000"))
    well(podman("kill", "--signal", "KILL", box))
    assert well(podman("wait", box)) == "137\n"


def test_create_and_start_are_two_steps(podman, image, box):
    well(podman("create", "--name", box, "--network", "none", image, "sh", "-c", "echo started"))
    assert inspected(podman, box)["State"]["Status"] == "created"
    assert well(podman("start", "--attach", box)) == "started\n"


def test_a_network_an_environment_and_volumes_are_there(podman, image, tmp_path):
    (tmp_path / "note").write_text("from outside\n")
    script = "cat /volume/note; echo $WORD; hostname; ip -o link | grep -c ': eth0'; echo back >/volume/answer"
    words = ["--hostname", "box", "--env", "WORD=hello", "--volume", f"{tmp_path}:/volume"]
    assert well(podman("run", "--rm", *words, image, "sh", "-c", script)).splitlines() == [
        "from outside", "hello", "box", "1"
    ]  # fmt: skip
    assert (tmp_path / "answer").read_text() == "back\n"


def test_the_payload_is_as_confined_as_with_podmans_own_runtime(podman, image):
    """The same filter, capabilities and label; crun is what podman would have called."""
    script = "grep -E '^(Cap|Seccomp|NoNewPrivs|Groups)' /proc/self/status; cat /proc/self/attr/current"
    words = ["run", "--rm", "--network", "none", image, "sh", "-c", script]
    ours = well(podman(*words))
    theirs = subprocess.run(["podman", *words], capture_output=True, text=True, timeout=SECONDS)
    assert theirs.returncode == 0, theirs.stderr
    assert ours == theirs.stdout
    assert "Seccomp:\t2" in ours
    assert "containers-default" in ours


def test_a_user_namespace_of_its_own(podman, image):
    words = ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536", "--network", "none"]
    assert well(podman("run", "--rm", *words, image, "cat", "/proc/self/uid_map")).split() == [
        "0", "100000", "65536"
    ]  # fmt: skip


def test_exec_runs_a_further_process_and_gives_its_exit_code(podman, sleeping):
    words = ["--user", "7:8", "--env", "WORD=hello", "--workdir", "/tmp"]
    done = podman("exec", *words, sleeping, "sh", "-c", "id -u; id -g; echo $WORD; pwd; echo err >&2; exit 9")
    assert (done.returncode, done.stdout, done.stderr) == (9, "7\n8\nhello\n/tmp\n", "err\n")


def test_exec_takes_standard_input_and_is_where_the_container_is(podman, sleeping):
    script = "cat; cat /proc/1/comm; cat /proc/self/cgroup"
    done = podman("exec", "--interactive", sleeping, "sh", "-c", script, given="from outside\n")
    assert well(done).splitlines() == ["from outside", "sleep", "0::/"]


def test_exec_of_a_program_that_is_missing_gives_127(podman, sleeping):
    assert podman("exec", sleeping, "/no/such/program").returncode == 127


def test_limits_are_those_of_the_cgroup(podman, image):
    words = ["--memory", "64m", "--pids-limit", "50", "--cpus", "0.5"]
    script = "cd /sys/fs/cgroup; cat memory.max pids.max cpu.max"
    assert well(podman("run", "--rm", *words, "--network", "none", image, "sh", "-c", script)).splitlines() == [
        str(64 << 20), "50", "50000 100000"
    ]  # fmt: skip


def test_pause_update_and_stats_of_one_that_runs(podman, sleeping):
    well(podman("pause", sleeping))
    assert inspected(podman, sleeping)["State"]["Status"] == "paused"
    well(podman("unpause", sleeping))
    well(podman("update", "--pids-limit", "77", sleeping))
    assert well(podman("exec", sleeping, "cat", "/sys/fs/cgroup/pids.max")) == "77\n"
    (told,) = json.loads(well(podman("stats", "--no-stream", "--format", "json", sleeping)))
    assert told["pids"] == "1"
