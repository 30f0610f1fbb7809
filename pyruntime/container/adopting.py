"""A container in a joined pid namespace: its process is told by its maker, and taken by the parent.

Loaded only for these containers.
"""

from __future__ import annotations

import posix

from pyruntime import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.parent import Birth

_LONGEST_PID = 10


def adopt(birth: Birth, digits: str) -> None:
    """Take the process of that number for the container's, and reap its maker.

    It is our child by CLONE_PARENT, and its maker, which was our first child, ends now. The
    number may have been forged by whoever got hold of the socket: only a child is taken.

    Raises:
        ChildFailed: it is no child.
    """
    pid = int(digits[:_LONGEST_PID])
    try:
        posix.waitid(posix.P_PID, pid, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT)
    except (OSError, OverflowError):
        raise errors.ChildFailed(f"process {pid} is not the container's") from None
    maker = birth.pid
    posix.close(birth.pidfd)
    birth.pid, birth.pidfd = pid, posix.pidfd_open(pid, 0)
    if maker != pid:
        posix.waitpid(maker, 0)
