"""The steps that give a seccomp listener away; pieces of container/script.py.

From the moment that the filter is loaded, every call of this process may be one that it notifies,
and waits then until somebody answers. Nobody can before the agent has the listener. So the only
call on the way there is write(2), which no filter may notify (spec/linuxrules.py, as in runc): it
tells the parent the listener's number, and the parent takes the descriptor by pidfd_getfd(2), for
which this process need do nothing, and serves the agent before it answers. sendmsg(2), the obvious
way to pass a descriptor, could itself be notified, with the listener in the message that waits.

What is left: until it is closed here the listener lives, whoever else has it. So an agent that
takes it and dies at once makes `create` wait, if the filter notifies read(2) or close(2), as with
runc.

Loaded by the parent for containers that have an agent, since the child can load nothing.
"""

from __future__ import annotations

from pyruntime.container import memory, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.script import Order
    from pyruntime.container.steps import Operation

_EPERM, _EACCES, _ENOSYS = 1, 13, 38


def give(order: Order, load: Operation) -> list[Operation]:
    """Tell the number of the listener that `load` returns, wait until it was taken, close it.

    It must not stay: a listener that the container held itself would outlive its agent, and what
    is notified would wait for ever instead of failing with ENOSYS.
    """
    listener, scratch = memory.Result(load), memory.Scratch()
    read = steps.Call(
        "wait until the agent has it", "read", (order.sync, scratch, 1), again=True,
        words="wait for the seccomp agent to be given its listener",
    )  # fmt: skip
    return [
        steps.Tell("tell its number to the parent", order.sync, "listener", listener),
        read,
        steps.Expect("go on if it was", memory.Result(read), 1, "the runtime is gone"),
        # Where the filter forbids it, execve(2) closes it.
        steps.Call(
            "close the listener", "close", (listener,), tolerated=(_EPERM, _EACCES, _ENOSYS)
        ),
    ]
