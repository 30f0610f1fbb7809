"""The state of a guest that has booted, saved so that none has to boot again."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

import hardware
import machine
from monitor import Monitor

READY = b"ATTENDANT-READY"
BOOT_SECONDS = 300.0
# The page cache would only make the state larger.
SETTLE = {
    "bare": "sync",
    "systemd": "systemctl is-system-running --wait >/dev/null; sync; echo 3 >/proc/sys/vm/drop_caches",
}


def save(image: Path, mode: str) -> None:
    """Boot a new guest and save its state below the image; SystemExit when it does not come up."""
    state = image / mode
    state.mkdir()
    disk = f"{state}/disk.qcow2"
    # By a relative name, since the image will be renamed.
    backing = ["-b", "../disk.img", "-F", "raw"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, disk], check=True)
    with tempfile.TemporaryDirectory(prefix="pyruntime-vm-") as directory:
        run = Path(directory)
        words = hardware.command_line(image, mode, f"file={disk},format=qcow2", [], run)
        pid = machine.started(words, image, run, tied=True)
        guest = machine.Machine(run, pid, 0, "")
        try:
            await_boot(run, pid)
            write(image, guest, SETTLE[mode], state / "state")
        finally:
            guest.end()


def await_boot(run: Path, pid: int) -> None:
    """Wait for the attendant's word on the console; SystemExit with its last lines."""
    deadline = time.monotonic() + BOOT_SECONDS
    console = run / "console"
    while not (console.exists() and READY in console.read_bytes()):
        if machine.ended(pid, 0) or time.monotonic() > deadline:
            told = (run / "qemu").read_text(errors="replace")
            told += console.read_text(errors="replace") if console.exists() else ""
            raise SystemExit(f"vm: the guest did not boot:\n{told[-2000:]}")
        time.sleep(0.05)


def write(image: Path, guest: machine.Machine, settle: str, state: Path) -> None:
    """Stop the guest when it has settled, and write its state to a file."""
    with contextlib.closing(Monitor(f"{guest.run}/monitor")) as monitor:
        port = machine.forwarded_port(monitor)
    key = (image / "key").read_text(encoding="ascii")
    machine.Machine(guest.run, guest.pid, port, key).call(["sh", "-c", settle], streams=(-1, 2, 2))
    with contextlib.closing(Monitor(f"{guest.run}/monitor")) as monitor:
        monitor("stop")
        monitor("migrate", uri=f"exec:cat >{shlex.quote(str(state))}")
        if monitor.wait_for("query-migrate", "completed", "failed") == "failed":
            raise SystemExit("vm: QEMU could not save the guest's state")
