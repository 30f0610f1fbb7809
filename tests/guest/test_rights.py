"""What the host's root may do in the guest and not in every machine that runs tests: limits, scores, labels."""

import resource
import subprocess

import pytest
from functional.inside import said

PROFILE = "pyruntime-test"
# It takes nothing away but the reading of one file.
POLICY = f"""
abi <abi/4.0>,
profile {PROFILE} flags=(attach_disconnected,mediate_deleted) {{
  file,
  capability,
  network,
  mount,
  umount,
  signal,
  ptrace,
  deny /etc/group r,
}}
"""


def lowered():
    """Give the runtime the limits of somebody who has few rights."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))


def test_a_limit_is_raised_above_the_callers(bundle, runtime):
    bundle.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 3000, "hard": 4000}]
    assert said(bundle, runtime, "ulimit -Sn; ulimit -Hn", preexec_fn=lowered) == "3000\n4000\n"


def test_a_limit_that_is_not_given_stays_the_callers(bundle, runtime):
    bundle.config["process"]["rlimits"] = []
    assert said(bundle, runtime, "ulimit -Hn", preexec_fn=lowered) == "256\n"


@pytest.mark.parametrize("score", [-1000, -500])
def test_the_score_of_the_oom_killer_is_lowered(bundle, runtime, score):
    bundle.config["process"]["oomScoreAdj"] = score
    assert said(bundle, runtime, "cat /proc/self/oom_score_adj") == f"{score}\n"


@pytest.fixture
def profile():
    """A profile of AppArmor's that the kernel has loaded."""
    subprocess.run(["apparmor_parser", "--replace", "--skip-cache"], input=POLICY, text=True, check=True)
    yield PROFILE
    subprocess.run(["apparmor_parser", "--remove"], input=POLICY, text=True, check=True)


@pytest.mark.parametrize("no_new_privs", [True, False])
@pytest.mark.parametrize("uid", [0, 7])
def test_the_payload_is_confined_by_the_profile(bundle, runtime, profile, no_new_privs, uid):
    bundle.config["process"] |= {"apparmorProfile": profile, "noNewPrivileges": no_new_privs}
    bundle.config["process"]["user"] = {"uid": uid, "gid": uid}
    script = "cat /proc/self/attr/current; cat /etc/passwd >/dev/null && echo passwd; cat /etc/group 2>&1; true"
    told = said(bundle, runtime, script).replace("\0", "")
    assert told.splitlines() == [
        f"{PROFILE} (enforce)", "passwd", "cat: can't open '/etc/group': Permission denied"
    ]  # fmt: skip


def test_without_a_profile_the_payload_is_not_confined(bundle, runtime, profile):
    assert said(bundle, runtime, "cat /proc/self/attr/current").strip("\0\n") == "unconfined"
