"""The id maps of a new user namespace: written by the runtime, or by newuidmap and newgidmap.

Root writes any. Another user may give one id, its own; and its own group only where setgroups(2) is
denied first, since groups can also keep their members out of files (user_namespaces(7);
CVE-2014-8989). What is more than that is given by two programs that have rights of their own, to
those to whom /etc/subuid and /etc/subgid grant it (newuidmap(1), newgidmap(1)).
"""

from __future__ import annotations

import errno
import posix

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.kernel import path, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.usernamespace import UserNamespaceStep

    Environment = dict[bytes, bytes]

_USUAL = b"/usr/bin"
_GRANTS = {"newuidmap": "/etc/subuid", "newgidmap": "/etc/subgid"}
_PACKAGES = "the package uidmap of Debian, shadow-utils of others"
_CURES = {
    errno.EPERM: "a host id is not the runtime's to give, or CAP_SETUID or CAP_SETGID is missing",
    errno.EINVAL: "the kernel takes no more text at once than fits into a page",
}
_USERS_CURES = {
    errno.EPERM: "does a security module forbid it (kernel.apparmor_restrict_unprivileged_userns)?"
}
_LONGEST = 4096
_FORMAT, _REGULAR = 0o170000, 0o100000
_PIPE, _XFSZ = 13, 25  # which Python ignores


def write(step: UserNamespaceStep, pid: int, environment: Environment, ending: int = -1) -> None:
    """Write both maps of the child `pid`, each in one call as the kernel demands.

    Args:
        step: the namespace.
        pid: of the process in it; a child of ours that is not reaped.
        environment: of the caller, for its PATH.
        ending: descriptor that can be read when the runtime is asked to end, -1 for none.

    Raises:
        KernelError: the kernel refuses a map.
        RuntimeFailure: one of the programs is missing, or refuses.
        Interrupted: the runtime is asked to end.
    """
    cures = _USERS_CURES if step.alone else _CURES
    for name, text in (("uid_map", step.uid_map), ("gid_map", step.gid_map)):
        key = f"linux.{name[:3]}Mappings"
        if program := step.programs.get(name):
            with doing(f"have {program} write", key):
                _call(program, _required(program, key, environment), pid, text, ending)
            continue
        if name == "gid_map" and step.alone:
            _write(f"/proc/{pid}/setgroups", "deny", "write deny to", cures)
        _write(f"/proc/{pid}/{name}", text, f"write {key} to", cures)


def _write(place: str, text: str, action: str, cures: dict[int, str]) -> None:
    with doing(action, place, cures):
        file = posix.open(place, posix.O_WRONLY | posix.O_CLOEXEC)
        try:
            posix.write(file, text.encode("ascii"))
        finally:
            posix.close(file)


def find(program: str, environment: Environment) -> str:
    """Return where a program is, in PATH or in /usr/bin; "" for nowhere."""
    for directory in [*environment.get(b"PATH", b"").split(b":"), _USUAL]:
        place = path.join(directory.decode("utf-8", "surrogateescape"), program)
        if not directory.startswith(b"/") or not posix.access(place, posix.X_OK):
            continue
        if posix.stat(place).st_mode & _FORMAT == _REGULAR:
            return place
    return ""


def missing(program: str) -> str:
    """Say what it means that a program is not there."""
    return f"{program} is neither in PATH nor in {_USUAL.decode()}: install {_PACKAGES}"


def _required(program: str, key: str, environment: Environment) -> str:
    """Return where the program is.

    Raises:
        Unsupported: it is nowhere.
    """
    if found := find(program, environment):
        return found
    told = f"{key}: more than the caller's own id is given by newuidmap and newgidmap; "
    raise errors.Unsupported(told + missing(program))


def _call(program: str, place: str, pid: int, text: str, ending: int) -> None:
    """Run the program with no environment.

    Raises:
        RuntimeFailure: it failed, in its own words.
        OSError: it could not be run.
    """
    reader, writer = posix.pipe2(posix.O_CLOEXEC)
    try:
        streams = [
            (posix.POSIX_SPAWN_OPEN, 0, "/dev/null", posix.O_RDONLY, 0),
            (posix.POSIX_SPAWN_DUP2, writer, 1),
            (posix.POSIX_SPAWN_DUP2, writer, 2),
        ]
        child = posix.posix_spawn(
            place, [program, str(pid), *text.split()], {},
            file_actions=streams, setsigmask=(), setsigdef=(_PIPE, _XFSZ),
        )  # fmt: skip
    finally:
        posix.close(writer)
    told, status = _heard(child, reader, ending)
    if status:
        raise errors.RuntimeFailure(
            f"{program} gave no ids: {told or f'it ended with status {status}'}"
            f" ({_GRANTS[program]} must grant these to this user: {_wished(text)})"
        )


def _heard(child: int, reader: int, ending: int) -> tuple[str, int]:
    """Wait for the end of the program; return its words in one line, and its exit status."""
    said = b""
    try:
        while True:
            if ending >= 0:
                signals.wait_readable(reader, ending)
            if not (piece := posix.read(reader, _LONGEST)):
                break
            said = (said + piece)[:_LONGEST]
    except BaseException:
        posix.kill(child, signals.KILL)
        raise
    finally:
        posix.close(reader)
        status = posix.waitpid(child, 0)[1]
    told = "; ".join(said.decode("utf-8", "replace").split("\n")).strip("; ")
    return told, posix.waitstatus_to_exitcode(status)


def _wished(text: str) -> str:
    """Say the host's ids of a map."""
    ranges = (line.split()[1:] for line in text.splitlines())
    return ", ".join(first if count == "1" else f"{count} from {first}" for first, count in ranges)


def said(step: UserNamespaceStep) -> str:
    """Say who writes the maps."""
    writers = " and ".join(step.programs.values())
    if len(step.programs) == len(_GRANTS):
        return f"have {writers} write the child's uid_map and gid_map"
    if step.alone:
        uid = f"have {writers} write" if writers else "write"
        return f"{uid} the child's uid_map; deny it setgroups, and write its gid_map"
    if writers:
        return f"write the child's uid_map, and have {writers} write its gid_map"
    return "write the child's uid_map and gid_map"
