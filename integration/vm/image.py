"""The guest's image: built once for each recipe, kept in the cache, removed when it grows old.

An image is a directory below the cache's, named by a hash of all that it is made from. It appears
under that name when it is complete, so a build that was ended leaves none; what it leaves under
other names the next build removes. One build runs at a time, others wait for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import hardware
import machine
import saved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
RECIPE = HERE / "recipe"
# What the saved states depend on.
STATES = (HERE / "hardware.py", HERE / "saved.py")
KEPT = 2
UNFINISHED = "building-"
# With these the tree's mounts and all processes of the build end when its first process does.
PRIVATELY = (
    "setpriv --pdeathsig KILL unshare --mount --propagation private --pid --mount-proc --fork --kill-child"
)


def cache() -> Path:
    """Return the directory of all images, made if it is not there."""
    above = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(above) / "pyruntime-vm"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def name() -> str:
    """Return the name of the image that this tree's recipe makes with this machine's QEMU."""
    told = hashlib.sha256(hardware.version().encode())
    for path in [*sorted(RECIPE.rglob("*")), *STATES]:
        if path.is_file() and "__pycache__" not in path.parts:
            told.update(f"{path.relative_to(HERE)}\0{path.stat().st_mode:o}\0".encode())
            told.update(path.read_bytes())
    return told.hexdigest()[:16]


def built() -> Path:
    """Return the image's directory, building it first where it is missing."""
    image = cache() / name()
    if not image.exists():
        with alone():
            if not image.exists():
                build(image)
                remove_old(image)
    os.utime(image)
    return image


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the cache's lock; the processes of a build inherit it, so it lasts until all have ended."""
    with open(cache() / "lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("vm: waiting for another build", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock.fileno(), True)
        yield


def build(image: Path) -> None:
    """Build the image and its saved states; SystemExit in one line when it fails."""
    if os.geteuid() != 0:
        raise SystemExit("vm: building the guest needs root")
    print(
        f"vm: building the guest: Debian with systemd and engines, in which tests run on real cgroups. "
        f"It takes about two minutes and stays in {image}",
        file=sys.stderr,
    )
    for left in cache().glob(f"{UNFINISHED}*"):
        remove(left)
    scratch = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=cache()))
    made = scratch / "image"
    made.mkdir(0o700)  # the disk holds the key
    try:
        command = [*PRIVATELY.split(), str(RECIPE / "build"), str(scratch), str(made)]
        if subprocess.run(command, stdin=subprocess.DEVNULL, close_fds=False).returncode:
            raise SystemExit("vm: the guest could not be built")
        for mode in hardware.MODES:
            print(f"vm: saving the state of a guest that has booted: {mode}", file=sys.stderr)
            saved.save(made, mode)
        made.rename(image)
    finally:
        remove(scratch)


def remove_old(newest: Path) -> None:
    """Remove all images but those used last, and those that a guest runs from."""
    images = [path for path in cache().iterdir() if (path / "disk.img").exists()]
    images.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for image in images[KEPT:]:
        if image != newest and not machine.in_use(image):
            remove(image)


def remove(directory: Path) -> None:
    """Remove a tree in which nothing is mounted; SystemExit where something is."""
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        inside = [line.split()[4] for line in table if line.split()[4].startswith(f"{directory}/")]
    if inside:
        raise SystemExit(f"vm: unmount {inside[0]} first: {directory} is to be removed")
    shutil.rmtree(directory)
