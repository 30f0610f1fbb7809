"""The seccomp agent: it is given the listener of a container's filter (config-linux.md, "Seccomp").

Loaded only when a filter notifies.
"""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.kernel import descriptor, unixsockets
from pyruntime.spec import seccompwords

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.seccomp import FilterStep

NAME = "seccompFd"
_KIND = "anon_inode:seccomp notify"
_WAITS = seccompwords.FLAGS["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]
_WAITS_SINCE = (5, 19)
_PATIENCE_S = 10
_LONGEST_NUMBER = 10
_EPERM, _ENOENT, _EAGAIN, _ECONNREFUSED = 1, 2, 11, 111
_UNTAKEN = {
    _EPERM: "taking it needs CAP_SYS_PTRACE, and kernel.yama.ptrace_scope below 3",
}
_UNREACHED = {
    _ENOENT: "is the agent of linux.seccomp.listenerPath running?",
    _ECONNREFUSED: "nobody listens there: is the agent of linux.seccomp.listenerPath running?",
    _EAGAIN: f"the agent did not take it within {_PATIENCE_S} s",
}


def require_flags(filter: FilterStep, release: tuple[int, int]) -> None:  # noqa: A002
    """See that this kernel knows the flags of a filter with a listener.

    Raises:
        Unsupported: it is too old for WAIT_KILLABLE_RECV.
    """
    if filter.flags & _WAITS and release < _WAITS_SINCE:
        raise errors.Unsupported(
            "linux.seccomp.flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs Linux 5.19"
        )


def take(pidfd: int, digits: str) -> int:
    """Return our own copy of a container's listener, close-on-exec.

    Args:
        pidfd: of the process that has loaded the filter.
        digits: the number of its descriptor, as it told it.

    Raises:
        ChildFailed: it is no listener; whoever got hold of the talk may have forged the number.
        KernelError: it cannot be taken.
    """
    number = int(digits[:_LONGEST_NUMBER]) if digits.isdigit() else -1
    with doing("take the seccomp listener of the container", "", _UNTAKEN):
        taken = descriptor.taken(pidfd, number)
    if posix.readlink(f"/proc/self/fd/{taken}") != _KIND:
        posix.close(taken)
        raise errors.ChildFailed("the container's init told of a seccomp listener that is none")
    return taken


def send(agent: str, document: str, listener: int) -> None:
    """Give a listener to the agent, on a connection of its own that ends with it.

    Args:
        agent: path of its socket, in the runtime's mount namespace.
        document: the container process state (config-linux.md, "The Container Process State").
        listener: the descriptor.

    Raises:
        KernelError: nobody listens there, or nobody takes it in time.
    """
    content = document.encode("utf-8", "surrogateescape")
    with doing("connect with the seccomp agent", agent, _UNREACHED):
        connection = unixsockets.connect(agent, _PATIENCE_S)
    try:
        with doing("send the listener to the seccomp agent", agent, _UNREACHED):
            unixsockets.send(connection, content, listener)
    finally:
        connection.close()
