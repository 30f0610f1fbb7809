"""What this machine is: the facts that plans depend on, looked at once."""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.feature import step
from pyruntime.kernel import door, namespace

_OLDEST_KERNEL = (5, 14)
_CGROUP2_SUPER_MAGIC = 0x63677270
_MOUNT_POINTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
_SELINUX_MAGIC = 0xF97CFF8C
_SELINUX_MOUNT_POINT = "/sys/fs/selinux"
_ST_RDONLY = 1
_STATFS_SIZE = 120


class Host(step.Step):
    """Facts about the machine and the caller; plain data, so that tests can make their own.

    Attributes:
        euid: effective user id of the runtime.
        cgroup_root: where the cgroup v2 hierarchy is mounted, "" for nowhere.
        cgroup_own: the runtime's own cgroup in that hierarchy ("/" for its root), "" for none.
        release: major and minor number of the kernel.
        last_capability: number of the last capability that the kernel knows.
        egid: effective group id of the runtime.
        setgroups: whether setgroups(2) is allowed where it is, see user_namespaces(7).
    """

    __slots__ = (
        "cgroup_own", "cgroup_root", "egid", "euid", "last_capability", "release", "setgroups",
    )  # fmt: skip

    def __init__(
        self,
        euid: int,
        cgroup_root: str,
        cgroup_own: str,
        release: tuple[int, int],
        last_capability: int,
        *,
        egid: int = 0,
        setgroups: bool = True,
    ) -> None:
        self.euid = euid
        self.cgroup_root = cgroup_root
        self.cgroup_own = cgroup_own
        self.release = release
        self.last_capability = last_capability
        self.egid, self.setgroups = egid, setgroups

    def describe(self) -> str:
        """Say the facts in one line."""
        kernel = f"{self.release[0]}.{self.release[1]}"
        own = self.cgroup_own or "none"
        where = f"cgroup v2 at {self.cgroup_root}, own cgroup {own}" if self.cgroup_root else ""
        return f"kernel {kernel}, uid {self.euid}, {where or 'no cgroup v2'}"


def look() -> Host:
    """Look at the machine (well under 0.2 ms).

    Raises:
        Unsupported: the kernel is older than 5.14.
        KernelError: /proc is not mounted.
    """
    release = _release(posix.uname().release)
    if release < _OLDEST_KERNEL:
        oldest = f"{_OLDEST_KERNEL[0]}.{_OLDEST_KERNEL[1]}"
        raise errors.Unsupported(
            f"Linux {oldest} or newer is needed, this is {release[0]}.{release[1]}"
        )
    root = next((path for path in _MOUNT_POINTS if _is_cgroup2(path)), "")
    own = _own_cgroup(read("/proc/self/cgroup"))
    last = int(read("/proc/sys/kernel/cap_last_cap"))
    groups = namespace.sets_groups()
    return Host(posix.geteuid(), root, own, release, last, egid=posix.getegid(), setgroups=groups)


def read(path: str) -> str:
    """Return what a small file of the kernel says.

    Raises:
        KernelError: it cannot be read.
    """
    with errors.doing("read", path):
        descriptor = posix.open(path, posix.O_RDONLY)
        try:
            return posix.read(descriptor, 1 << 16).decode("utf-8", "surrogateescape")
        finally:
            posix.close(descriptor)


def _release(text: str) -> tuple[int, int]:
    """Read "6.18.0-rc1+" as (6, 18)."""
    major, _, rest = text.partition(".")
    minor = rest[: next((at for at, sign in enumerate(rest) if not sign.isdigit()), len(rest))]
    return int(major), int(minor or 0)


def selinux_enabled() -> bool:
    """Tell whether SELinux labels can be given, whether it enforces its policy or only logs.

    Its file system is mounted then, and not read-only, as in a container that shall take SELinux
    for off (is_selinux_enabled(3)).
    """
    kind, flags = _statfs(_SELINUX_MOUNT_POINT)
    return kind == _SELINUX_MAGIC and not flags & _ST_RDONLY


def _is_cgroup2(path: str) -> bool:
    """Tell whether `path` lies on a cgroup v2 file system."""
    return _statfs(path)[0] == _CGROUP2_SUPER_MAGIC


def _statfs(path: str) -> tuple[int, int]:
    """Return f_type and f_flags of the file system at `path` (statfs(2)), zeros where none is."""
    told = bytearray(_STATFS_SIZE)
    try:
        door.call("statfs", path, told)
    except OSError:
        return 0, 0
    return int.from_bytes(told[:8], door.ORDER), int.from_bytes(told[80:88], door.ORDER)


def _own_cgroup(text: str) -> str:
    """Return the path on the line of hierarchy 0, which is version 2 (cgroups(7))."""
    for line in text.splitlines():
        if line.startswith("0::"):
            return line[3:].removesuffix(" (deleted)")
    return ""
