"""A private view of the machine for the suites here: own cgroup2 at /sys/fs/cgroup, own orphans.

What is measured or tested runs in a child process that has its own mount and cgroup namespaces and
a cgroup2 at /sys/fs/cgroup whose root is a directory of its own, so the machine's own hierarchies
and mounts stay as they are, whatever a runtime leaves behind; and which reaps its orphans itself,
because some machines' process 1 does so only every few seconds. Needs root.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
PR_SET_CHILD_SUBREAPER = 36
CAP_SYS_RESOURCE = 24
CGROUPS = "/sys/fs/cgroup"
KILL_SECONDS = 60.0

# crun 1.8.1 gives up when it may not lift RLIMIT_MEMLOCK, which Linux has not needed for BPF since
# 5.11. Every other limit keeps its real result.
LENIENT_SETRLIMIT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/resource.h>
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    int (*real)(__rlimit_resource_t, const struct rlimit *) = dlsym(RTLD_NEXT, "setrlimit");
    return resource == RLIMIT_MEMLOCK ? 0 : real(resource, limit);
}
"""

_libc = ctypes.CDLL(None, use_errno=True)


def inside(work: Callable[[str], int]) -> int:
    """Run `work` in a child process with a private view; return its result, the exit status.

    `work` is given the path of an empty directory for whatever it writes. Afterwards no process, no
    cgroup and no file of it is left, also when it fails or when this process is told to end by
    SIGINT, SIGTERM or SIGHUP. Raises OSError when the view cannot be made.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    with tempfile.TemporaryDirectory(prefix="pyruntime-view-") as scratch:
        os.chmod(scratch, 0o755)  # containers with a user namespace must reach their bundles
        cgroup = tempfile.mkdtemp(prefix="pyruntime-view-", dir=own_cgroup())
        try:
            child = os.fork()
            if child == 0:
                _work_and_exit(cgroup, work, scratch)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        finally:
            remove_cgroups(cgroup)


def _leave(number: int, _frame: FrameType | None) -> None:
    """Turn a signal into an exception, so that what was made is removed."""
    raise SystemExit(128 + number)


def _work_and_exit(cgroup: str, work: Callable[[str], int], scratch: str) -> None:
    """In the child: never return into the parent's frames, which would remove what it uses."""
    status = 1
    try:
        _enter(cgroup)
        status = work(scratch)
        sys.stdout.flush()
    except (KeyboardInterrupt, SystemExit):
        pass  # the parent was told the same
    except BaseException:  # noqa: BLE001
        status = 1
        traceback.print_exc()
    finally:
        os._exit(status)


def own_cgroup() -> str:
    """Return this process's directory in the cgroup2 hierarchy; RuntimeError without one."""
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        points = [line.split()[4] for line in table if " - cgroup2 " in line]
    with open("/proc/self/cgroup", encoding="utf-8") as memberships:
        paths = [line[3:].rstrip("\n") for line in memberships if line.startswith("0::")]
    for point in points:
        directory = point + paths[0].rstrip("/")
        if os.path.isfile(f"{directory}/cgroup.procs"):
            return directory
    raise RuntimeError("no cgroup2 hierarchy is mounted")


def _enter(cgroup: str) -> None:
    """Give the calling process the view, with the root of its cgroups at `cgroup`."""
    _join(cgroup)
    _checked("unshare", _libc.unshare(CLONE_NEWNS | CLONE_NEWCGROUP))
    _checked("mount /", _libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    target = CGROUPS.encode()
    _checked("unmount " + CGROUPS, _libc.umount2(target, MNT_DETACH))
    _checked("mount " + CGROUPS, _libc.mount(b"cgroup2", target, b"cgroup2", 0, None))
    # Not in the root of the view: only a cgroup without processes can hand controllers down.
    os.mkdir(f"{CGROUPS}/init")
    _join(f"{CGROUPS}/init")
    _checked("prctl", _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def _join(cgroup: str) -> None:
    with open(f"{cgroup}/cgroup.procs", "w", encoding="ascii") as members:
        members.write("0")


def _checked(what: str, result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def remove_cgroups(cgroup: str) -> None:
    """Kill every process in the directory `cgroup` and below, and remove all of it.

    Raises OSError (EBUSY) when that takes more than `KILL_SECONDS`.
    """
    Path(cgroup, "cgroup.kill").write_text("1", encoding="ascii")
    deadline = time.monotonic() + KILL_SECONDS
    for directory in _deepest_first(cgroup):
        while True:
            try:
                os.rmdir(directory)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                reap()
                time.sleep(0.01)


def _deepest_first(cgroup: str) -> Iterator[str]:
    for directory, _, _ in os.walk(cgroup, topdown=False):
        yield directory


def tidy(directory: str) -> None:
    """In a view, end what a runtime left: its processes, its cgroups and mounts below `directory`.

    Mounts have to go before the directory is removed, or what they show would be removed.
    """
    for entry in os.scandir(CGROUPS):
        if entry.is_dir() and entry.name != "init":
            remove_cgroups(entry.path)
    reap()
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        points = [line.split()[4] for line in table]
    for point in reversed(points):
        if point.startswith(directory + "/"):
            _checked("unmount " + point, _libc.umount2(point.encode(), MNT_DETACH))


def reap() -> None:
    """Wait for every child that has ended, without blocking."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def may_raise_limits() -> bool:
    """Tell whether this process has CAP_SYS_RESOURCE."""
    with open("/proc/self/status", encoding="ascii") as status:
        effective = next(line.split()[1] for line in status if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> CAP_SYS_RESOURCE & 1)


def lenient_setrlimit(directory: str) -> str:
    """Build the library that lets old crun work without CAP_SYS_RESOURCE; return its path.

    For LD_PRELOAD. Raises CalledProcessError when the C compiler fails.
    """
    import subprocess

    source = Path(directory, "setrlimit.c")
    source.write_text(LENIENT_SETRLIMIT, encoding="ascii")
    library = str(source.with_suffix(".so"))
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    return library
