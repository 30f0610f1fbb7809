"""sd_notify(3) heard by a real systemd: the service is up when the payload says so, and is its pid.

Run inside the guest as root under systemd.
"""

import os
import subprocess

import pytest
from security import hostile

UNIT = f"pyruntime-notify-{os.getpid()}.service"
SPEAKER = """
import os, socket, time
speaker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
speaker.sendto(b"STATUS=from inside\\nREADY=1", os.environ["NOTIFY_SOCKET"])
time.sleep(1000)
"""


@pytest.mark.parametrize("flags", [[], ["--detach"]], ids=["foreground", "detached"])
def test_a_service_of_type_notify_runs_when_its_container_is_ready(bundle, launcher, containers, flags):
    hostile.lend_python(bundle)
    bundle.config["process"]["args"] = ["/usr/bin/python3", "-IS", "-c", SPEAKER]
    words = [launcher, "--root", containers.root, "run", *flags, "--bundle", bundle.save(), "c1"]
    service = ["systemd-run", f"--unit={UNIT}", "-p", "Type=notify", "-p", "NotifyAccess=all", "-p", "TimeoutStopSec=1"]
    try:
        subprocess.run([*service, *map(str, words)], check=True, timeout=300)  # returns when it is up
        told = subprocess.run(
            ["systemctl", "show", UNIT, "-p", "ActiveState,MainPID,StatusText"],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        assert set(told.split("\n")) >= {
            "ActiveState=active", f"MainPID={containers.state('c1')['pid']}", "StatusText=from inside"
        }  # fmt: skip
    finally:
        subprocess.run(["systemctl", "kill", "--signal=KILL", UNIT], check=False)
        subprocess.run(["systemctl", "stop", UNIT], check=False)
        subprocess.run(["systemctl", "reset-failed", UNIT], check=False, stderr=subprocess.DEVNULL)
