"""A container's life in the guest: the commands in their order, on a real cgroup v2 under systemd."""

import json
from pathlib import Path

from functional import inside


def test_each_command_does_its_part(bundle, runtime, containers):
    bundle.config["process"]["args"] = ["sleep", "1000"]
    bundle.config["linux"]["cgroupsPath"] = "/pyruntime/box"
    assert runtime("create", "--bundle", bundle.save(), "c1").returncode == 0
    told = json.loads(runtime("state", "c1").stdout)
    assert told["status"] == "created"
    cgroup = Path("/sys/fs/cgroup/pyruntime/box")
    assert (cgroup / "cgroup.procs").read_text().split() == [str(told["pid"])]
    assert runtime("start", "c1").returncode == 0
    inside.eventually(lambda: Path(f"/proc/{told['pid']}/comm").read_text() == "sleep\n")
    assert json.loads(runtime("state", "c1").stdout)["status"] == "running"
    assert runtime("kill", "c1", "KILL").returncode == 0
    inside.eventually(lambda: json.loads(runtime("state", "c1").stdout)["status"] == "stopped")
    assert runtime("delete", "c1").returncode == 0
    assert not cgroup.exists()
    cgroup.parent.rmdir()
    assert containers.ids() == []


def test_run_gives_the_status_of_the_payload(bundle, runtime):
    bundle.config["process"]["args"] = ["sh", "-c", "echo here; exit 3"]
    done = runtime("run", "--bundle", bundle.save(), "c1")
    assert (done.returncode, done.stdout, done.stderr) == (3, "here\n", "")
