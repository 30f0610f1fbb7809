"""An id that was freed by force and taken again belongs to the new container alone."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from functional import inside


def spawn(launcher, containers, *words):
    return subprocess.Popen(
        [launcher, "--root", containers.root, *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_failed_create_leaves_a_later_container_of_the_id_alone(
    bundle, runtime, launcher, containers, tmp_path
):
    """Its hook outlasts the patience of `delete --force`, which then goes on without the lock."""
    going = tmp_path / "going"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"cat >/dev/null; : >{going}; sleep 14; exit 1"]}
    plain = json.loads(json.dumps(bundle.config))
    bundle.config["hooks"] = {"createRuntime": [hook]}
    bundle.config["process"]["args"] = ["sleep", "100"]
    slow = spawn(launcher, containers, "create", "--bundle", bundle.save(), "c1")
    while not going.exists():
        assert slow.poll() is None
        time.sleep(0.01)
    assert runtime("delete", "--force", "c1").returncode == 0
    bundle.config = plain
    bundle.config["process"]["args"] = ["sleep", "100"]
    assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 0
    assert slow.wait(90) != 0
    assert json.loads(runtime("state", "c1").stdout)["status"] == "created"
    assert runtime("start", "c1").returncode == 0
    assert json.loads(runtime("state", "c1").stdout)["status"] == "running"


def test_the_end_of_a_run_leaves_a_later_container_of_the_id_alone(
    bundle, runtime, launcher, containers
):
    bundle.config["process"]["args"] = ["sleep", "100"]
    bundle.save()
    first = spawn(launcher, containers, "run", "--bundle", bundle.path, "c1")
    while not (containers.root / "c1/state.json").exists():
        assert first.poll() is None
        time.sleep(0.01)
    payload = Path(f"/proc/{containers.state('c1')['pid']}/cmdline")
    inside.eventually(lambda: payload.read_bytes().startswith(b"sleep"))  # its birth is over
    os.kill(first.pid, signal.SIGSTOP)
    assert runtime("delete", "--force", "c1").returncode == 0
    assert runtime("create", "--bundle", bundle.path, "c1").returncode == 0
    os.kill(first.pid, signal.SIGCONT)
    assert first.wait(90) == 128 + signal.SIGKILL
    assert json.loads(runtime("state", "c1").stdout)["status"] == "created"
