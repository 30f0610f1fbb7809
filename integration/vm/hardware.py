"""The machine that QEMU plays: a saved state fits only the one that it was saved with.

There is no KVM in it: what one machine emulates another does too, and where machines are virtual
themselves KVM is often absent or broken.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
