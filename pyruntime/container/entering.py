"""The steps of a process that enters a running container: what the native player plays for `exec`.

Two processes play it, and Python is neither. The first, M, begins in the caller's namespaces, in
the container's cgroup, with all privileges. It joins the namespaces by one call, gives everything
up, closes everything, and makes the second, F, which is seen in the container's pid namespace:

    M   limits, label · joins · session keyring · user, capabilities · closes all · clone ── ends
    F                                                     leads a session · filter · execve

M is never seen there, for it stays in the pid namespace of the caller. F holds nothing that its
payload will not hold: no descriptor of the runtime's, no directory, no privilege. It is a copy of M
and no thread of it (no CLONE_VM): a container with CAP_SYS_PTRACE may write into the memory of F,
and M could still signal and trace every process of the host that its user may.

M waits for F's execve (CLONE_VFORK), so that its end tells the runtime that the payload runs; what
fails is said on a shared page (answer.py). F is a child of the runtime (CLONE_PARENT), as M is.
"""

from __future__ import annotations

import _struct

from pyruntime.container import answer, credentials, memory, script, steps
from pyruntime.kernel import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pyruntime.container.steps import Operation
    from pyruntime.feature.rlimits import LimitStep

_ENOSYS = 38
_CLONE_PARENT, _CLONE_VFORK, _CLONE_PARENT_SETTID = 0x8000, 0x4000, 0x100000
_JOIN_SESSION_KEYRING = 1
_TIOCSCTTY = 0x540E


class Order(script.Order):
    """All that these steps need to know, beside what every container's last steps do.

    Args:
        answer: descriptor of the page of answers; closed by the script.
        container: pidfd of the container's init; closed by the script.
        kinds: the namespaces to join, CLONE_NEW… together.
        early: more operations, done in the caller's namespaces.
        processors: that it may run on, as sched_setaffinity(2) takes them.
        user: whether a user namespace is among them.
        root: directory of the container without a mount namespace, else None; closed too.
        keyring: name of the container's session keyring, "" for none.
        rlimits: resource limits to set.
        slave: descriptor of the terminal that becomes its standard streams, else None.
        more: of `script.Order`; without a seccomp agent `sync` is -1.
    """

    __slots__ = (
        "answer", "container", "early", "keyring", "kinds", "processors", "rlimits", "root",
        "slave", "user",
    )  # fmt: skip

    def __init__(
        self, *, answer: int, container: int, kinds: int, user: bool, root: int | None,
        keyring: str, rlimits: Sequence[LimitStep], slave: int | None, **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(**more)
        self.answer, self.container, self.kinds, self.user = answer, container, kinds, user
        self.root, self.keyring, self.rlimits, self.slave = root, keyring, rlimits, slave
        self.processors = process.EVERY_PROCESSOR
        self.early: list[Operation] = []

    def descriptors(self) -> list[int]:
        """Return all that must survive the execution of the player, the script's own aside."""
        mine = (self.sync, self.answer, self.container, self.procfs, self.root, self.slave)
        held = [each for each in mine if each is not None and each >= 0]
        return [*range(3, 3 + self.preserve), *held]


def compose(order: Order) -> list[Operation]:
    """Put the steps in their order."""
    # As in script.compose; an agent must have the listener before F is made, whatever the bit says.
    late = order.no_new_privs and not order.listens
    early = not order.no_new_privs
    there = script.chdir(order)
    return [
        credentials.non_dumpable(),
        *answer.open_page(order.answer),
        script.name(order),
        _spread(order),
        *order.early,
        *script.label(order),
        *_limit(order),
        *_join(order),
        *_join_keyring(order),
        *order.extra,
        *script.umask(order),
        *script.signals(),
        *_take_terminal(order),
        there,
        *script.inside(),
        *script.close(order.preserve, [order.sync] if order.listens else []),
        *(credentials.load_filter(order) if early else []),
        *credentials.bounding_set(order),
        *credentials.ids(order),
        *script.chdir_again(order, there),
        *credentials.capability_sets(order),
        *credentials.no_new_privs(order),
        *(credentials.load_filter(order) if not early and not late else []),
        *_leave_talk(order),
        *_fork(order),
        *(credentials.load_filter(order) if late else []),
        steps.Execute(order.candidates, order.args, order.env),
    ]


def _spread(order: Order) -> Operation:
    """Run on the processors that were asked for, on all unless some were: not on the caller's."""
    processors = (0, len(order.processors), order.processors)
    return steps.Call("run on its processors", "sched_setaffinity", processors)


def _limit(order: Order) -> list[Operation]:
    """Set the limits, as only the host's root may raise them."""
    return [
        steps.Call(
            each.describe(), "prlimit64",
            (0, each.number, _struct.pack("<QQ", each.soft, each.hard), 0),
            f"set the limit {each.name} (raising a hard limit needs CAP_SYS_RESOURCE)",
        )
        for each in order.rlimits
    ]  # fmt: skip


def _join(order: Order) -> list[Operation]:
    """Join the namespaces, all at once and by the process, so that no name is looked up."""
    found: list[Operation] = []
    if order.kinds:
        joined = (order.container, order.kinds)
        found.append(steps.Call("join the namespaces of the container", "setns", joined))
    if order.root is not None:  # it has the caller's mount namespace, and a root of its own in it
        found += [
            steps.Call("go to the root of the container", "fchdir", (order.root,)),
            steps.Call("make it the root", "chroot", (".",)),
        ]
    if order.user:
        found += [
            steps.Call("become gid 0 of the user namespace", "setresgid", (0, 0, 0)),
            steps.Call("become uid 0 of the user namespace", "setresuid", (0, 0, 0)),
            credentials.non_dumpable(),
        ]
    return found


def _join_keyring(order: Order) -> list[Operation]:
    """Join the session keyring of the container; its name is looked up in the user namespace."""
    if not order.keyring:
        return []
    said = f"join the session keyring {order.keyring}"
    arguments = (_JOIN_SESSION_KEYRING, order.keyring)
    return [steps.Call(said, "keyctl", arguments, tolerated=(_ENOSYS,))]


def _take_terminal(order: Order) -> list[Operation]:
    """Put the terminal in the place of the standard streams."""
    if order.slave is None:
        return []
    return [
        steps.Call("use the terminal as", "dup3", (order.slave, 0, 0), times=3, climbs=1)
    ]


def _leave_talk(order: Order) -> list[Operation]:
    """Close the socket on which the seccomp agent's listener was told of."""
    return [steps.Call("close the socket", "close", (order.sync,))] if order.listens else []


def _fork(order: Order) -> list[Operation]:
    """Make the process inside, and end when it has executed the payload."""
    flags = _CLONE_PARENT | _CLONE_VFORK | _CLONE_PARENT_SETTID
    said = "make the process inside the container"
    words = f"{said} (is a limit of processes reached, pids.max of its cgroup?)"
    clone = steps.Call(said, "clone", (flags, 0, answer.PLACE, 0, 0), words)
    control = steps.Call("make the terminal the session's", "ioctl", (0, _TIOCSCTTY, 0))
    return [
        clone,
        steps.Skip("outside:", memory.Result(clone), 1),
        steps.Call("be gone", "exit_group", (0,)),
        steps.Call("inside: lead a session", "setsid", ()),
        *([control] if order.slave is not None else []),
    ]
