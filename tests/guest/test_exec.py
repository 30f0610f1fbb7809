"""exec where all controllers, systemd and AppArmor are."""

from pathlib import Path

import pytest
from functional import inside
from guest.test_rights import PROFILE, profile  # noqa: F401 - a fixture


@pytest.mark.parametrize("manager", ["cgroupfs", "systemd"])
def test_an_init_that_has_moved_below_its_cgroup_is_followed(bundle, runtime, containers, manager):
    """A cgroup with controllers for its children takes no process: EBUSY."""
    bundle.config["process"]["args"] = ["sleep", "1000"]
    flags = ["--cgroup-manager", manager]
    assert runtime(*flags, "run", "--detach", "--bundle", bundle.save(), "c1").returncode == 0
    top = Path(containers.state("c1")["cgroup"])
    (top / "moved").mkdir()
    for each in (top / "cgroup.procs").read_text().split():
        (top / "moved/cgroup.procs").write_text(each)
    (top / "cgroup.subtree_control").write_text("+pids +memory")
    done = runtime("exec", "c1", "cat", "/proc/self/cgroup")
    assert (done.returncode, done.stdout.strip()[-6:]) == (0, "/moved"), done.stderr


@pytest.mark.parametrize("manager", ["cgroupfs", "systemd"])
def test_the_containers_limits_hold_for_what_enters(bundle, runtime, manager):
    bundle.config["process"]["args"] = ["sleep", "1000"]
    bundle.config["linux"]["resources"] = {"pids": {"limit": 6}}
    flags = ["--cgroup-manager", manager]
    assert runtime(*flags, "run", "--detach", "--bundle", bundle.save(), "c1").returncode == 0
    script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait"
    done = runtime("exec", "c1", "sh", "-c", script)
    assert "can't fork" in done.stderr


def test_where_no_process_fits_any_more_it_is_said(bundle, runtime):
    bundle.config["process"]["args"] = ["sleep", "1000"]
    bundle.config["linux"]["resources"] = {"pids": {"limit": 1}}
    assert runtime("run", "--detach", "--bundle", bundle.save(), "c1").returncode == 0
    done = runtime("exec", "c1", "true")
    assert done.returncode == 255
    assert "resource temporarily unavailable" in done.stderr
    assert "pids.max" in done.stderr
    assert runtime("state", "c1").returncode == 0


def test_the_second_process_that_does_not_fit_is_said_too(bundle, runtime):
    """The maker fits in, what it makes does not."""
    bundle.config["process"]["args"] = ["sleep", "1000"]
    bundle.config["linux"]["resources"] = {"pids": {"limit": 2}}
    assert runtime("run", "--detach", "--bundle", bundle.save(), "c1").returncode == 0
    done = runtime("exec", "c1", "true")
    assert done.returncode == 255
    assert "make the process inside the container (is a limit of processes reached" in done.stderr


@pytest.mark.parametrize("flags", [[], ["--apparmor", PROFILE]], ids=["by the config", "by a flag"])
def test_what_enters_is_confined_by_a_profile(bundle, runtime, profile, flags):
    bundle.config["process"]["args"] = ["sleep", "1000"]
    if not flags:
        bundle.config["process"]["apparmorProfile"] = profile
    assert runtime("run", "--detach", "--bundle", bundle.save(), "c1").returncode == 0
    done = runtime("exec", *flags, "c1", "cat", "/proc/self/attr/current", "/etc/group")
    assert done.stdout.strip("\0\n") == f"{PROFILE} (enforce)", done.stderr
    assert "can't open '/etc/group': Permission denied" in done.stderr


def test_a_profile_that_is_not_loaded_is_named(bundle, runtime, containers, profile):
    inside.running(bundle, runtime, containers)
    done = runtime("exec", "--apparmor", "nosuch", "c1", "true")
    assert done.returncode == 255
    told = done.stderr.replace("\\", "")
    assert 'unable to apply the profile "nosuch" of process.apparmorProfile (is it loaded?)' in told
