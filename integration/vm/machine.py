"""A running guest, and commands in it. It resumes a saved state (saved.py): it is ready in seconds."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import connection
import hardware
from monitor import Monitor, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from hardware import Share

END_SECONDS = 10.0
# The session of a user, with cgroups that systemd has delegated to it.
AS_USER = (
    "systemd-run --user --pipe --wait --collect --quiet --property=Delegate=yes --setenv=LANG=C.UTF-8"
)


def in_use(image: Path) -> bool:
    """Tell whether a guest runs from this image."""
    with open(image / "used", "a", encoding="ascii") as used:
        try:
            fcntl.flock(used, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def started(words: list[str], image: Path, run: Path, *, tied: bool) -> int:
    """Start QEMU, which holds the image while it lives; return its pid.

    Tied it ends with this process.
    """
    tie = ["setpriv", "--pdeathsig", "KILL"] if tied else []
    with open(image / "used", "a", encoding="ascii") as used, open(run / "qemu", "wb") as output:
        fcntl.flock(used, fcntl.LOCK_SH)
        process = subprocess.Popen(
            [*tie, *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, pass_fds=[used.fileno()],
        )  # fmt: skip
    return process.pid


def forwarded_port(monitor: Monitor) -> int:
    """Return the port of this machine that leads to the attendant: the kernel has chosen it."""
    told = monitor("human-monitor-command", **{"command-line": "info usernet"})
    found = re.search(r"HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", str(told))
    if found is None:
        raise SystemExit(f"vm: QEMU forwards no port: {told}")
    return int(found[1])


@dataclass(frozen=True)
class Machine:
    """A guest that is up; `run` is the directory of its monitor and console."""

    run: Path
    pid: int
    port: int
    key: str

    def begin(
        self, words: Sequence[str], *, variables: Sequence[str] = (), directory: str = "",
        user: str = "", streams: tuple[int, int, int] = (0, 1, 2),
    ) -> connection.Command:  # fmt: skip
        """Start a command in the guest, as root or as a user in a session of its."""
        if user:
            session = [*AS_USER.split(), f"--machine={user}@.host"]
            session += [f"--setenv={variable}" for variable in variables]
            session += [f"--working-directory={directory}"] * bool(directory)
            words, variables, directory = [*session, "--", *words], (), ""
        line = connection.connect(self.port)
        line.sendall(connection.request(self.key, words, variables, directory))
        return connection.Command(line, streams)

    def call(self, words: Sequence[str], **how: Any) -> int:
        """Run a command as `begin` starts it, giving it our signals; return its exit status."""
        command = self.begin(words, **how)
        with connection.passing_on(command):
            return command.wait()

    def prepare(self, shares: Sequence[Share]) -> None:
        """Set the clock, which stood still while the state was saved, and mount the shares."""
        script = ["set -e", f"date -s @{time.time():.3f} >/dev/null"]
        for number, share in enumerate(shares):
            there, how = shlex.quote(share.there), "cache=loose,ro" if share.read_only else "cache=mmap"
            script.append(f"mkdir -p {there}")
            script.append(f"mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,{how} s{number} {there}")
        if self.call(["sh", "-c", "\n".join(script)], streams=(-1, 2, 2)):
            raise SystemExit("vm: the guest could not be prepared, see above")

    def end(self) -> None:
        """End the guest; what was written to its disk is gone."""
        with contextlib.suppress(OSError, Refused), contextlib.closing(Monitor(f"{self.run}/monitor", 1.0)) as monitor:
            monitor("quit")
        if not ended(self.pid, END_SECONDS):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, 9)

    def keep(self) -> None:
        """Write down how other processes find this guest."""
        known = {"pid": self.pid, "port": self.port, "key": self.key}
        descriptor = os.open(self.run / "machine", os.O_WRONLY | os.O_CREAT, 0o600)
        with open(descriptor, "w", encoding="ascii") as out:
            json.dump(known, out)


def found(run: Path) -> Machine | None:
    """Return the guest that was kept in a directory; None when it is not up."""
    try:
        with open(run / "machine", encoding="ascii") as known:
            machine = Machine(run, **json.load(known))
    except FileNotFoundError:
        return None
    return None if ended(machine.pid, 0) else machine


def ended(pid: int, seconds: float) -> bool:
    """Wait for the end of a process, a child or not."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        if not os.path.exists(f"/proc/{pid}"):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def resumed(image: Path, mode: str, shares: Sequence[Share], run: Path, *, tied: bool) -> Machine:
    """Resume the saved state of a mode in a directory of the guest's own; return it, ready."""
    if len(shares) > hardware.MOST_SHARES:
        raise SystemExit(f"vm: at most {hardware.MOST_SHARES} directories can be shared")
    state = image / mode
    words = hardware.command_line(image, mode, f"file={state}/disk.qcow2,format=qcow2,snapshot=on", shares, run)
    words += ["-incoming", f"exec:cat {shlex.quote(str(state / 'state'))}"]
    pid = started(words, image, run, tied=tied)
    try:
        with contextlib.closing(Monitor(f"{run}/monitor")) as monitor:
            monitor.wait_for("query-status", "paused", "running")
            monitor("cont")
            port = forwarded_port(monitor)
        machine = Machine(run, pid, port, (image / "key").read_text(encoding="ascii"))
        machine.prepare(shares)
    except BaseException:
        print((run / "qemu").read_text(errors="replace"), end="", file=sys.stderr)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
        raise
    return machine


@contextlib.contextmanager
def running(image: Path, mode: str, shares: Sequence[Share] = ()) -> Iterator[Machine]:
    """Give a guest that ends with the with statement."""
    with tempfile.TemporaryDirectory(prefix="pyruntime-vm-") as run:
        machine = resumed(image, mode, shares, Path(run), tied=True)
        try:
            yield machine
        finally:
            if any(not share.read_only for share in shares):
                machine.call(["sync"], streams=(-1, 2, 2))
            machine.end()
