"""Wait: until a container has ended, and how it did."""

from __future__ import annotations

import posix
import select

from pyruntime.container.store import Entry
from pyruntime.kernel import exitstatus
from pyruntime.kernel import pidfd as pidfds


def wait(root: str, id: str) -> int | None:  # noqa: A002
    """Wait until the init of a container has ended; one that is created has yet to begin.

    Args:
        root: directory of all states.
        id: of the container.

    Returns:
        Its exit status as a shell has it, 128 + N for a signal; None where it is not known: the
        container had stopped before, or the kernel tells it to the parent only.

    Raises:
        NotFound: there is no such container.
    """
    saved = Entry(root, id).load()
    pid = saved["pid"]
    process = pidfds.open_any(pid) if pid else None
    if process is None:
        return None
    known = pidfds.stat(pid)
    if known is not None and known[1] != saved["start_time"]:
        return None
    poll = select.poll()
    poll.register(process, select.POLLIN)
    poll.poll()
    ended = exitstatus.of(process, pid)
    posix.close(process)
    if ended is None:
        return None
    code = posix.waitstatus_to_exitcode(ended)
    return code if code >= 0 else 128 - code
