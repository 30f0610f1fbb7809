"""A running guest: QEMU, what it is told, and commands in it.

There is no KVM in it: what one machine emulates another does too, and where machines are virtual
themselves KVM is often absent or broken. Its state was saved after booting (saved.py), so it is
ready in a second or two.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import connection
from monitor import Monitor, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

QEMU = "qemu-system-x86_64"
INIT = {"bare": "/opt/attendant/attendant", "systemd": "/sbin/init"}
MODES = tuple(INIT)
MEBIBYTES = 4096
# A saved state fits only the devices that it was saved with, so there is always room for so many.
MOST_SHARES = 4
KERNEL_WORDS = (
    "console=ttyS0 quiet panic=-1 reboot=t mitigations=off nokaslr net.ifnames=0 random.trust_cpu=on"
    " audit=0 systemd.show_status=false apparmor=1 security=apparmor"
)
END_SECONDS = 10.0
# The session of a user, with cgroups that systemd has delegated to it.
AS_USER = (
    "systemd-run --user --pipe --wait --collect --quiet --property=Delegate=yes --setenv=LANG=C.UTF-8"
)


@dataclass(frozen=True)
class Share:
    """A directory of this machine that the guest has too, at an absolute path."""

    here: str
    there: str
    read_only: bool


def version() -> str:
    """Return what QEMU says of itself; SystemExit without it."""
    if os.uname().machine != "x86_64":
        raise SystemExit("vm: the guest is for x86_64 only")
    if shutil.which(QEMU) is None:
        raise SystemExit(f"vm: {QEMU} is missing: integration/setup vm")
    return subprocess.run([QEMU, "--version"], check=True, capture_output=True, text=True).stdout


def command_line(image: Path, mode: str, disk: str, shares: Sequence[Share], run: Path) -> list[str]:
    """Return QEMU's words but for the state to resume."""
    empty = run / "empty"
    empty.mkdir()
    words = [
        QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
        "-accel", "tcg,thread=multi,tb-size=512", "-machine", "pc,usb=off", "-cpu", "max",
        "-smp", "2", "-m", str(MEBIBYTES),
        "-kernel", f"{image}/vmlinux", "-initrd", f"{image}/initrd",
        "-append", f"{KERNEL_WORDS} guest.init={INIT[mode]}",
        "-serial", f"file:{run}/console", "-qmp", f"unix:{run}/monitor,server=on,wait=off",
        "-drive", f"id=disk,if=none,cache=unsafe,discard=unmap,{disk}",
        "-device", "virtio-blk-pci,drive=disk",
        "-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-10.0.2.15:1023",
        "-device", "virtio-net-pci,romfile=,netdev=net",
        "-object", "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=random",
    ]  # fmt: skip
    spare = [Share(str(empty), "", read_only=True)] * (MOST_SHARES - len(shares))
    for number, share in enumerate([*shares, *spare]):
        path = share.here.replace(",", ",,")
        only = ",readonly=on" if share.read_only else ""
        words += ["-fsdev", f"local,id=s{number},path={path},security_model=passthrough,multidevs=remap{only}"]
        words += ["-device", f"virtio-9p-pci,fsdev=s{number},mount_tag=s{number}"]
    return words


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

    def call(
        self, words: Sequence[str], *, variables: Sequence[str] = (), directory: str = "",
        user: str = "", streams: tuple[int, int, int] = (0, 1, 2),
    ) -> int:  # fmt: skip
        """Run a command in the guest, as root or as a user in a session of its; return its exit status."""
        if user:
            session = [*AS_USER.split(), f"--machine={user}@.host"]
            session += [f"--setenv={variable}" for variable in variables]
            session += [f"--working-directory={directory}"] * bool(directory)
            words, variables, directory = [*session, "--", *words], (), ""
        line = connection.connect(self.port)
        line.sendall(connection.request(self.key, words, variables, directory))
        command = connection.Command(line, streams)
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
    if len(shares) > MOST_SHARES:
        raise SystemExit(f"vm: at most {MOST_SHARES} directories can be shared")
    state = image / mode
    words = command_line(image, mode, f"file={state}/disk.qcow2,format=qcow2,snapshot=on", shares, run)
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
