"""The configuration that `spec` writes to start from."""

from __future__ import annotations

from pyruntime import jsonfile
from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CAPABILITIES = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
_HARMLESS = ("nosuid", "noexec", "nodev")


def sample(rootless: bool, uid: int, gid: int) -> str:  # noqa: FBT001 - the command's flag
    """Return the text of a config.json laid out as runc's, without a line end after it.

    Args:
        rootless: for a caller without privileges: a user namespace, the host's network and sysfs.
        uid: of the caller; a rootless container's root is mapped to it.
        gid: likewise.
    """
    config = {
        "ociVersion": words.VERSIONS[1],
        "process": _process(),
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "pyruntime",
        "mounts": _mounts(rootless=rootless),
        "linux": _linux(uid, gid, rootless=rootless),
    }
    return jsonfile.encode_indented(config, "\t")


def _process() -> dict[str, Any]:
    return {
        "terminal": True,
        "user": {"uid": 0, "gid": 0},
        "args": ["sh"],
        "env": [f"PATH={_PATH}", "TERM=xterm"],
        "cwd": "/",
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), _CAPABILITIES),
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": True,
    }


def _mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"destination": destination, "type": kind, "source": source}
    return entry | {"options": options} if options else entry


def _mounts(*, rootless: bool) -> list[dict[str, Any]]:
    """A new sysfs needs a network namespace, and gid 5 (tty) is mapped only for root."""
    terminals: tuple[str, ...] = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")
    system = _mount("/sys", "sysfs", "sysfs", *_HARMLESS, "ro")
    if rootless:
        system = _mount("/sys", "none", "/sys", "rbind", *_HARMLESS, "ro")
    else:
        terminals += ("gid=5",)
    return [
        _mount("/proc", "proc", "proc"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "devpts", *terminals),
        _mount("/dev/shm", "tmpfs", "shm", *_HARMLESS, "mode=1777", "size=65536k"),  # noqa: S108
        _mount("/dev/mqueue", "mqueue", "mqueue", *_HARMLESS),
        system,
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", *_HARMLESS, "relatime", "ro"),
    ]


def _linux(uid: int, gid: int, *, rootless: bool) -> dict[str, Any]:
    rest = {"maskedPaths": words.MASKED_PATHS, "readonlyPaths": words.READONLY_PATHS}
    if not rootless:
        kinds = ("pid", "network", "ipc", "uts", "mount", "cgroup")
        rules = {"devices": [{"allow": False, "access": "rwm"}]}
        return {"resources": rules, "namespaces": [{"type": kind} for kind in kinds], **rest}
    kinds = ("pid", "ipc", "uts", "mount", "cgroup", "user")
    return {
        "uidMappings": [{"containerID": 0, "hostID": uid, "size": 1}],
        "gidMappings": [{"containerID": 0, "hostID": gid, "size": 1}],
        "namespaces": [{"type": kind} for kind in kinds],
        **rest,
    }
