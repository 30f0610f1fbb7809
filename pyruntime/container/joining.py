"""The steps into a pid namespace that has processes in it; pieces of container/script.py."""

from __future__ import annotations

from pyruntime.container import memory, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.script import Order
    from pyruntime.container.steps import Operation

_CLONE_NEWPID = 0x20000000
_CLONE_PARENT = 0x00008000
_TIOCSCTTY = 0x540E


def join(order: Order) -> list[Operation]:
    """Join a pid namespace for the children; this process stays outside and unseen."""
    if order.joined_pid is None:
        return []
    joined = (order.joined_pid, _CLONE_NEWPID)
    return [
        steps.Call("join the pid namespace", "setns", joined),
        steps.Call("close the pid namespace", "close", (order.joined_pid,)),
    ]


def fork(order: Order) -> list[Operation]:
    """Make the process inside the joined pid namespace, a child of the parent as this one is.

    Its pid is told; it goes on when the parent has noted that and sent a byte.
    """
    if order.joined_pid is None:
        return []
    said = "make the process inside the pid namespace"
    clone = steps.Call(said, "clone", (_CLONE_PARENT, 0, 0, 0, 0))
    pid, scratch = memory.Result(clone), memory.Scratch()
    control = steps.Call("inside: take the terminal for it", "ioctl", (0, _TIOCSCTTY, 0))
    read = steps.Call("wait for the parent", "read", (order.sync, scratch, 1), again=True)
    return [
        clone,
        steps.Skip("outside:", pid, 2),
        steps.Tell("tell its pid to the parent", order.sync, "pid", pid),
        steps.Call("be gone", "exit_group", (0,)),
        steps.Call("inside: lead a session", "setsid", ()),
        *([control] if order.terminal else []),
        read,
        steps.Expect("go on if it sent a byte", memory.Result(read), 1, "the runtime is gone"),
    ]
