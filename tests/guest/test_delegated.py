"""What a user can do to whom systemd delegates cgroups."""

import os
import subprocess
from pathlib import Path

import pytest
from conftest import CGROUPS
from functional.inside import refused

pytestmark = pytest.mark.delegated


def own_cgroup():
    (line,) = Path("/proc/self/cgroup").read_text().splitlines()
    return CGROUPS / line.removeprefix("0::/")


def test_the_session_is_what_a_login_gives():
    """What all tests here rest upon."""
    assert os.getuid() == 1000
    assert os.environ["XDG_RUNTIME_DIR"] == "/run/user/1000"
    assert {"cpu", "memory", "pids"} <= set((own_cgroup() / "cgroup.controllers").read_text().split())
    assert own_cgroup().stat().st_uid == 1000
    told = subprocess.run(["systemctl", "--user", "is-system-running"], capture_output=True, text=True)
    assert told.stdout == "running\n"


def test_plan_and_validate_need_no_root(bundle, runtime):
    assert runtime("validate", bundle.save()).returncode == 0
    done = runtime("plan", bundle.path)
    assert done.returncode == 0
    assert "cgroup" in done.stdout


def test_what_only_root_may_do_is_refused_in_one_line(bundle, runtime):
    assert "operation not permitted" in refused(bundle, runtime)
