"""Exec: run another process in a container. Read `enter` from top to bottom.

Python never enters: the native program does (entering.py). It begins as a child of ours in the
caller's namespaces, with all that the caller may, and the payload that it makes is our child too.
"""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.container import (
    answer,
    entering,
    entrance,
    pidfile,
    player,
    program,
    script,
    status,
    store,
)
from pyruntime.errors import doing
from pyruntime.feature import capabilities, rlimits
from pyruntime.kernel import memfd, process, signals, spawning
from pyruntime.spec import execprocess, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable
    from typing import Any, NoReturn

    from pyruntime.container.entering import Order
    from pyruntime.container.entrance import Entrance
    from pyruntime.container.execgifts import Agent, Gifts
    from pyruntime.spec.shapes import Config, Process

_ARGV = ["pyruntime", "exec"]
_EBUSY = 16
# Keys of the process and of linux for which execgifts.py is loaded.
_RARE = frozenset((
    "apparmorProfile", "execCPUAffinity", "ioPriority", "memoryPolicy", "oomScoreAdj",
    "personality", "scheduler", "selinuxLabel",
))  # fmt: skip
_CURES = {
    11: "a limit on the number of processes is reached: see pids.max of its cgroup",  # EAGAIN
    13: "its cgroup and the one above both it and the caller's must be delegated to this user",
}


class Wishes:
    """How the process shall run: the options of exec that are not of the process itself."""

    __slots__ = (
        "activation", "cgroup", "console_socket", "detach", "ignore_paused", "pid_file",
        "pidfd_socket", "preserve",
    )  # fmt: skip

    def __init__(
        self, *, cgroup: str = "", console_socket: str | None = None, detach: bool = False,
        ignore_paused: bool = False, pid_file: str | None = None, pidfd_socket: str | None = None,
        preserve: int = 0, activation: list[str],
    ) -> None:  # fmt: skip
        self.cgroup, self.detach, self.ignore_paused = cgroup, detach, ignore_paused
        self.console_socket, self.pidfd_socket = console_socket, pidfd_socket
        self.pid_file, self.preserve, self.activation = pid_file, preserve, activation


def enter(
    root: str,
    id: str,  # noqa: A002
    wishes: Wishes,
    wanted: Callable[[Process], Process],
    file: str = "",
) -> int:
    """Run a process in a container that is created or running.

    Args:
        root: directory of all states.
        id: of the container.
        wishes: how the process shall run.
        wanted: makes the process of the container's own one.
        file: from which it comes, "" for none.

    Returns:
        The exit status of the process, 128 and the signal's number when one ended it; 0 detached.

    Raises:
        NotFound: there is no such container.
        WrongStatus: it is stopped, or paused.
        RuntimeFailure: why the process could not be run; nothing of it is left.
    """
    signals.reset(signals.CHLD)  # a caller that ignores it would take the statuses away, wait(2)
    entry = store.Entry(root, id)
    saved = entry.load()
    entrance.require(status.of(entry, saved), ignore_paused=wishes.ignore_paused)
    config = read.document(entry.read("config.json"))
    asked = wanted(config["process"])
    for warning in execprocess.checked(asked, config, file):
        _warn(warning)
    way = entrance.Entrance(saved, config)
    order = _gather(way, asked, wishes)
    gifts, agent = _add(order, way, config, asked, f"{root}/@seccomp")
    signals.block(signals.EVERYTHING)  # for good: the status is the payload's
    master = listener = None
    try:
        if asked.get("terminal") or wishes.console_socket or wishes.pidfd_socket:
            from pyruntime.container import execterminal

            master, listener = execterminal.offer(order, way, asked, wishes)
        pid = _begin(way, order, wishes, agent)
    except errors.RuntimeFailure as failure:
        raise way.explain(failure) from None
    try:
        with doing("open a pidfd of the process", str(pid)):
            pidfd = posix.pidfd_open(pid, 0)
        if gifts:
            gifts.give_late(pid)
        _announce(pid, pidfd, wishes, listener)
    except BaseException:
        _end(pid)
        raise
    return 0 if wishes.detach else _attend(pid, pidfd, master)


def _warn(warning: str) -> None:
    """Log a warning; the log is loaded only then."""
    from pyruntime import log

    log.warning(warning)


def _gather(way: Entrance, asked: Process, wishes: Wishes) -> Order:
    """Look the program up in the container and gather what the native program is to do."""
    user = asked.get("user") or {"uid": 0, "gid": 0}
    env = (asked.get("env") or []) + wishes.activation
    env = program.environment(env, user["uid"], way.root)
    args = asked["args"]
    last = capabilities.last()
    sets, warnings = capabilities.plan(asked.get("capabilities"), last)
    for warning in warnings:
        _warn(warning)
    return entering.Order(
        args=args,
        candidates=program.candidates(args[0], env, asked["cwd"], way.root),
        env=env,
        cwd=asked["cwd"],
        uid=user["uid"],
        gid=user["gid"],
        groups=way.groups(user.get("additionalGids") or []),
        umask=user.get("umask"),
        no_new_privs=asked.get("noNewPrivileges", False),
        capabilities=sets,
        preserve=wishes.preserve,
        last_capability=last,
        sync=-1,
        answer=answer.page(),
        container=way.container,
        kinds=way.kinds,
        user=bool(way.kinds & process.CLONE_NEWUSER),
        root=way.root if way.is_rooted else None,
        keyring=way.saved.get("keyring", ""),
        rlimits=rlimits.plan(asked),
        slave=None,
    )


def _add(
    order: Order, way: Entrance, config: Config, asked: Process, cache: str
) -> tuple[Gifts | None, Agent | None]:
    """Add what not every process has: a seccomp filter with its agent, and rarer gifts."""
    profile: Any = (config.get("linux") or {}).get("seccomp")
    agent = _add_filter(order, way, profile, cache) if profile else None
    if not _RARE.isdisjoint(asked) or not _RARE.isdisjoint(config.get("linux") or ()):
        from pyruntime.container import execgifts

        return execgifts.Gifts(config, asked, order), agent
    return None, agent


def _add_filter(order: Order, way: Entrance, profile: Any, cache: str) -> Agent | None:
    """Have the filter loaded; return who serves its agent, None without one."""
    from pyruntime.feature import seccomp

    step = seccomp.plan(profile)
    if step is None:
        return None
    compiled = seccomp.program(step, cache)
    order.filter, order.filter_flags = compiled.program, compiled.flags
    if step.agent is None:
        return None
    from pyruntime.container import execgifts

    return execgifts.Agent(step, way, order)


def _begin(way: Entrance, order: Order, wishes: Wishes, agent: Agent | None) -> int:
    """Have the process made; return its pid when the payload has been executed.

    Raises:
        RuntimeFailure: why not; nothing of it is left.
    """
    content = script.encode(entering.compose(order))
    with doing("write the script of the native program"):
        written = memfd.sealed("script", content, executable=False)
        native = memfd.sealed("pyruntime", player.player(), executable=True)
    maker, pidfd = _make(way, wishes, lambda cgroup: _enter(cgroup, native, written, order))
    try:
        if agent:
            agent.serve(maker, pidfd)
    finally:
        posix.waitid(posix.P_PIDFD, pidfd, posix.WEXITED)
    pid, text = answer.read(order.answer)
    if text or not pid:
        _reap(pid)
        raise errors.ChildFailed(text or "the native program was killed before it could say why")
    try:
        posix.waitid(posix.P_PID, pid, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT)
    except ChildProcessError:  # the container wrote on the page
        raise errors.ChildFailed(f"process {pid} is not the one that was made") from None
    return pid


def _make(
    way: Entrance, wishes: Wishes, make: Callable[[int | None], tuple[int, int]]
) -> tuple[int, int]:
    """Make a child in the cgroup of the container, or in that to which its init has moved."""
    cgroup = way.cgroup(wishes.cgroup)
    with doing("make a process in the container's cgroup", way.saved["cgroup"], _CURES):
        try:
            return make(cgroup)
        except OSError as error:
            if error.errno != _EBUSY or wishes.cgroup:
                raise
        return make(way.own_cgroup())


def _enter(cgroup: int | None, native: int, written: int, order: Order) -> tuple[int, int]:
    """Make the child that is the native program; return its pid and a pidfd."""
    if spawning.can():
        kept = [written, *order.descriptors()]
        return spawning.spawn(cgroup, native, _ARGV, [str(written)], kept)
    pid, pidfd = process.clone3(0, cgroup)
    if pid == 0:
        _become_native(native, written, order)
    return pid, pidfd


def _become_native(native: int, written: int, order: Order) -> NoReturn:
    """Execute the native program with its script: all that the child does in Python."""
    try:
        for descriptor in (written, *order.descriptors()):
            posix.set_inheritable(descriptor, True)  # noqa: FBT003 - its one form
        with doing("execute the native program"):
            memfd.execute(native, _ARGV, [str(written)])
    except errors.RuntimeFailure as failure:
        answer.write(order.answer, failure.say())
    finally:
        posix._exit(1)  # noqa: SLF001


def _reap(pid: int) -> None:
    """Reap the process inside that has failed; the page may name one that is no child, or lives."""
    try:
        if pid:
            posix.waitid(posix.P_PID, pid, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT)
            _end(pid)
    except ChildProcessError:
        return


def _announce(pid: int, pidfd: int, wishes: Wishes, listener: _socket.socket | None) -> None:
    """Tell the engine of the process."""
    if listener is not None:
        from pyruntime.container import pidfdsocket

        pidfdsocket.send(listener, pidfd, pidfdsocket.ENTERED)
    if wishes.pid_file:
        pidfile.write(wishes.pid_file, pid)


def _end(pid: int) -> None:
    """End the process: it could not be given all that was asked for, or not be told of.

    It is a child, so nobody else has its pid before it is reaped here.
    """
    posix.kill(pid, signals.KILL)
    posix.waitpid(pid, 0)


def _attend(pid: int, pidfd: int, master: int | None) -> int:
    """Stay until the process has ended; one whose terminal nobody can attend is ended."""
    from pyruntime.container import foreground

    try:
        return foreground.attend(pid, pidfd, master)
    except BaseException:
        _end(pid)
        raise
