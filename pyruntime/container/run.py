"""Run: create, start and, in the foreground, stay until the end."""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.container import activation, create, delete, foreground, status
from pyruntime.container.plan import Wishes
from pyruntime.kernel import process, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container import parent
    from pyruntime.container.caller import Caller


def run(
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
    detach: bool = False,
    keep: bool = False,
    no_subreaper: bool = False,
) -> int:
    """Create and start a container.

    The arguments are those of `create.create`, and: `detach` returns when the payload runs, `keep`
    leaves the stopped container for `delete`, `no_subreaper` adopts no orphans of the container.

    Returns:
        The exit status of the payload, 128 and the signal's number when one ended it; 0 detached.

    Raises:
        RuntimeFailure: it could not be created or started; nothing is left behind.
    """
    if not detach and not no_subreaper:
        process.set_child_subreaper()
    preserve = activation.kept(caller, preserve_fds)
    wishes = Wishes(
        no_pivot=no_pivot, no_new_keyring=no_new_keyring, preserve=preserve, waits=False,
        cgroups=cgroups, rootless=rootless, detached=detach,
        console_socket=console_socket, pidfd_socket=pidfd_socket,
    )  # fmt: skip
    signals.block(signals.EVERYTHING)  # for good: the status is the payload's
    birth = create.begin(root, id, caller, bundle, pid_file, wishes)
    _run_poststart(birth)
    if detach:
        _wait_until_ready(birth)
        return 0
    code = _attend(birth)
    if not keep:
        _remove(birth)
    return code


def _wait_until_ready(birth: parent.Birth) -> None:
    """Stay until the service manager knows that the payload is ready, where there is one.

    Who does not want to wait may end this process; the container stays.
    """
    if birth.endowment and birth.endowment.notices:
        signals.unblock_all()
        birth.endowment.notices.wait(birth.pid, birth.pidfd)


def _attend(birth: parent.Birth) -> int:
    """Stay until the payload has ended; return its status.

    Raises:
        KernelError: the caller's terminal cannot be used; the container is undone.
    """
    given = birth.endowment
    if given is None:
        return foreground.attend(birth.pid, birth.pidfd)
    master = given.master if given.master >= 0 else None
    try:
        return foreground.attend(birth.pid, birth.pidfd, master, given.notices)
    except errors.KernelError:
        birth.undo()
        raise


def _remove(birth: parent.Birth) -> None:
    """Remove the container, unless a delete was quicker and the id is gone, or another's by now."""
    try:
        lock = birth.entry.lock()
        saved = birth.entry.load()
    except errors.NotFound:
        return
    if all(saved[key] == birth.state[key] for key in ("pid", "start_time", "created")):
        delete.remove(birth.entry, birth.state, birth.caller)
    posix.close(lock)


def _run_poststart(birth: parent.Birth) -> None:
    """Run the poststart hooks; a failure undoes the whole run.

    Raises:
        HookFailed: one of them failed.
    """
    try:
        birth.run_hooks("poststart", status.RUNNING)
    except errors.HookFailed:
        birth.undo()
        raise
