"""This project's tests in a new guest, in which this tree has been installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import connection
import machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT = Path(__file__).resolve().parents[2]
THERE = "/tmp/pyruntime"
LEFT_OUT = (".git", "./build", "./dist", "__pycache__", ".*_cache", ".hypothesis", "waiting_init")
INSTALL = """
make --silent install PREFIX=/usr
install -D -m 644 pyruntime/data/engines/podman.conf /etc/containers/containers.conf.d/50-pyruntime.conf
"""
PYTEST = ("/usr/bin/python3", "-m", "pytest", "-rs", "--durations=5")
NOTHING_COLLECTED = 5


def run(image: Path, arguments: Sequence[str]) -> int:
    """Run tests as root, and as a user those marked `delegated`; return 0 when all passed.

    Both at once: each sees its own processes, mounts and cgroups only.
    """
    asked = list(arguments) or ["tests/guest"]
    with machine.running(image, "systemd") as guest, tempfile.TemporaryFile() as told:
        brought(guest)
        if guest.call(["sh", "-ec", INSTALL], directory=THERE, streams=(-1, 1, 2)):
            raise SystemExit("vm: this tree could not be installed in the guest")
        by_user = tests(guest, [*asked, "-m", "delegated"], "user", told.fileno())
        with ThreadPoolExecutor() as thread:
            waited = thread.submit(by_user.wait)
            print("vm: pytest as root", file=sys.stderr)
            by_root = tests(guest, [*asked, "-m", "not delegated"], "", 1)
            with connection.passing_on(by_root):
                statuses = [by_root.wait()]
            print("vm: pytest as user", file=sys.stderr)
            statuses.append(waited.result())
        told.seek(0)
        connection.write_all(1, told.read())
    if statuses == [NOTHING_COLLECTED] * 2:
        return NOTHING_COLLECTED
    return next((status for status in statuses if status not in (0, NOTHING_COLLECTED)), 0)


def brought(guest: machine.Machine) -> None:
    """Copy the tree into the guest's memory: a share would hold no fifos and no sockets."""
    with tempfile.TemporaryFile() as archive:
        left_out = [f"--exclude={pattern}" for pattern in LEFT_OUT]
        subprocess.run(["tar", "-c", *left_out, "."], cwd=PROJECT, stdout=archive, check=True)
        archive.seek(0)
        script = f"mkdir -m 755 {THERE} && tar -x --no-same-owner -f - -C {THERE}"
        if guest.call(["sh", "-c", script], streams=(archive.fileno(), 1, 2)):
            raise SystemExit("vm: this tree could not be copied into the guest")


def tests(guest: machine.Machine, arguments: Sequence[str], user: str, output: int) -> connection.Command:
    """Start pytest in the guest."""
    carried = [f"{name}={os.environ[name]}" for name in ("CI", "PYRUNTIME_CASES") if name in os.environ]
    return guest.begin(
        [*PYTEST, *arguments], variables=[*carried, "PYTHONDONTWRITEBYTECODE=1"],
        directory=THERE, user=user, streams=(-1, output, output),
    )  # fmt: skip
