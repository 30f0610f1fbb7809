"""What a process that enters a container is given and given away: its terminal, its pidfd.

The terminal is of the container's own devpts, as with `run`.

The parent opens it, through the root of the container's init, and the native program takes the open
slave; the console stays that of the container. Loaded only where the process has a terminal, or the
caller a socket for one or for a pidfd.
"""

from __future__ import annotations

import posix

from pyruntime.container import console
from pyruntime.errors import doing
from pyruntime.feature import terminal as terminals
from pyruntime.feature.terminal import TerminalStep
from pyruntime.kernel import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from pyruntime.container.entering import Order
    from pyruntime.container.entrance import Entrance
    from pyruntime.container.exec import Wishes
    from pyruntime.spec.shapes import Process

_OVERFLOW = 65534  # who owns what a user namespace does not know
_LONGEST_MAP = 4096


def offer(
    order: Order, way: Entrance, asked: Process, wishes: Wishes
) -> tuple[int | None, _socket.socket | None]:
    """Open the terminal that was asked for, and connect with who is to be sent a pidfd.

    Returns:
        The master if this process attends the terminal, and the connection; None each for none.

    Raises:
        RuntimeFailure: as `allocate`, or nobody listens for a pidfd.
    """
    listener = None
    if wishes.pidfd_socket:
        from pyruntime.container import pidfdsocket

        listener = pidfdsocket.connect(wishes.pidfd_socket)
    master, order.slave = allocate(way, asked, wishes)
    return master, listener


def allocate(way: Entrance, asked: Process, wishes: Wishes) -> tuple[int | None, int | None]:
    """Open the terminal, and send its master to the caller's socket if there is one.

    Returns:
        The master if this process is to attend it, and the slave; None each for none.

    Raises:
        UsageError: the flags and the process do not go together.
        RuntimeFailure: it cannot be opened, or nobody takes it.
    """
    wanted, socket = bool(asked.get("terminal")), wishes.console_socket
    console.require(terminal=wanted, detached=wishes.detach, socket=socket)
    if not wanted:
        return None, None
    step = terminals.plan(asked)
    connection = console.connect(socket) if socket else -1
    if not socket:
        with console.callers() as caller:
            step = console.fitted(step, caller)
    if way.kinds & process.CLONE_NEWUSER:
        step = TerminalStep(outside(step.uid, way.saved["pid"]), step.height, step.width)
    master, slave = terminals.allocate(step, way.root)
    if not socket:
        return master, slave
    console.send(connection, master)
    return None, slave


def outside(uid: int, pid: int) -> int:
    """Return the host's id of a user of the container (user_namespaces(7), uid_map).

    Args:
        uid: as the container knows it.
        pid: of the container's init.

    Raises:
        KernelError: /proc cannot be read.
    """
    with doing("read", f"/proc/{pid}/uid_map"):
        descriptor = posix.open(f"/proc/{pid}/uid_map", posix.O_RDONLY | posix.O_CLOEXEC)
        text = posix.read(descriptor, _LONGEST_MAP)
        posix.close(descriptor)
    for line in text.splitlines():
        inside, first, count = (int(word) for word in line.split())
        if inside <= uid < inside + count:
            return first + uid - inside
    return _OVERFLOW
