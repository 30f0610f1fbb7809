"""Create: bring a container to the point at which its program could be executed."""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.container import activation, parent, pidfile
from pyruntime.container.claim import Claim
from pyruntime.container.plan import Plan, Wishes
from pyruntime.errors import doing
from pyruntime.feature import host
from pyruntime.kernel import path, signals
from pyruntime.spec import check, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.caller import Caller
    from pyruntime.spec.shapes import Config


def create(
    root: str,
    id: str,  # noqa: A002
    *,
    caller: Caller,
    bundle: str = ".",
    pid_file: str | None = None,
    no_pivot: bool = False,
    no_new_keyring: bool = False,
    preserve_fds: int = 0,
    console_socket: str | None = None,
    pidfd_socket: str | None = None,
    cgroups: str = "cgroupfs",
    rootless: str = "auto",
) -> None:
    """Create a container that waits for `start` (runtime-spec, runtime.md, "Create").

    Args:
        root: directory of all states.
        id: of the container.
        caller: what the caller handed over.
        bundle: directory that holds config.json.
        pid_file: where to write the pid of the container's init.
        no_pivot: move the root instead of pivot_root(2), for an initramfs.
        no_new_keyring: keep the caller's session keyring.
        preserve_fds: how many descriptors from 3 upwards the payload keeps.
        console_socket: AF_UNIX socket that is sent the master of the container's terminal.
        pidfd_socket: AF_UNIX socket that is sent a pidfd of its init.
        cgroups: who makes the cgroup, see plan.Wishes.
        rootless: whether it may be missing, likewise.

    Raises:
        RuntimeFailure: why it could not; nothing is left behind.
    """
    preserve = activation.kept(caller, preserve_fds)
    wishes = Wishes(
        no_pivot=no_pivot, no_new_keyring=no_new_keyring, preserve=preserve, waits=True,
        cgroups=cgroups, rootless=rootless,
        console_socket=console_socket, pidfd_socket=pidfd_socket,
    )  # fmt: skip
    with doing("watch for signals"):
        ending = signals.watch()
    begin(root, id, caller, bundle, pid_file, wishes, ending)


def begin(
    root: str,
    id: str,  # noqa: A002
    caller: Caller,
    bundle: str,
    pid_file: str | None,
    wishes: Wishes,
    ending: int = -1,
) -> parent.Birth:
    """Do what create and run have in common.

    Args:
        root: directory of all states.
        id: of the container.
        caller: what the caller handed over.
        bundle: directory that holds config.json.
        pid_file: where to write the pid of the container's init.
        wishes: the flags that change the container.
        ending: descriptor that can be read when the runtime is asked to end, -1 for none.

    Raises:
        RuntimeFailure: why it could not; nothing is left behind.
    """
    entry = Claim(root, id)
    if entry.exists():
        raise errors.AlreadyExists
    config, raw = read.read(bundle)
    warnings = check.check(config)
    if (config.get("linux") or {}).get("mountLabel"):
        from pyruntime.feature import mountlabel

        warnings += mountlabel.check(config)
    if b"NOTIFY_SOCKET" in caller.environment:
        config = _notifying(config, caller, entry, wishes)
    plan = Plan(config, host.look(), id, place(bundle), wishes)
    if plan.host.euid != 0 and plan.user is None:
        raise errors.Unsupported(
            "a caller that is not root needs a new user namespace: add one to linux.namespaces,"
            " with its maps, as `pyruntime spec --rootless` does"
        )
    if plan.terminal or wishes.console_socket:
        from pyruntime.container import console

        wanted = plan.terminal is not None
        console.require(terminal=wanted, detached=wishes.detached, socket=wishes.console_socket)
    if warnings or plan.warnings:
        _warn([*warnings, *plan.warnings])
    _check_rootfs(plan)
    entry.make(root)
    try:
        lock = entry.lock()
    except errors.RuntimeFailure:
        entry.remove()
        raise
    birth = parent.Birth(entry, lock, plan, caller, ending)
    birth.happen(root, raw)
    _deliver(birth, pid_file)
    birth.settle()
    return birth


def _notifying(config: Config, caller: Caller, entry: Claim, wishes: Wishes) -> Config:
    """Let the payload talk with the caller's service manager: see notify.py."""
    from pyruntime.container import notify

    wishes.notify = notify.address(caller.environment)
    return notify.mounting(config, entry) if wishes.notify else config


def _deliver(birth: parent.Birth, pid_file: str | None) -> None:
    """Tell the caller of the container's process; a failure undoes all."""
    try:
        if birth.endowment:
            birth.endowment.deliver()
        if pid_file:
            pidfile.write(pid_file, birth.pid)
    except errors.RuntimeFailure:
        birth.undo()
        raise


def _warn(warnings: list[str]) -> None:
    """Log warnings; the log is loaded only then."""
    from pyruntime import log

    for warning in warnings:
        log.warning(warning)


def place(bundle: str) -> str:
    """Return the bundle's path as the kernel knows it: absolute, without links or `..`."""
    with doing("open the bundle", bundle):
        directory = posix.open(bundle, path.O_PATH | path.O_DIRECTORY | path.O_CLOEXEC)
    place = posix.readlink(f"/proc/self/fd/{directory}")
    posix.close(directory)
    return place


def _check_rootfs(plan: Plan) -> None:
    """Say early and plainly when the root directory is not there."""
    directory = plan.rootfs.directory
    try:
        known = posix.stat(directory)
    except OSError as error:
        why = errors.reason(error.errno or 0)
        raise errors.RuntimeFailure(f"invalid rootfs: stat {directory}: {why}") from None
    if known.st_mode & 0o170000 != 0o040000:
        raise errors.RuntimeFailure(f"invalid rootfs: {directory}: not a directory")
