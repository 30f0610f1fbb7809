"""What a container is doing, derived each time and never believed, and what that allows.

In this order: an init that is gone, a zombie or a later process of the same pid means stopped; a
frozen cgroup means paused; a fifo that `start` has not taken means created; else it runs.
"""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.kernel import pidfd as pidfds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.store import Entry, State

CREATING, CREATED, RUNNING, PAUSED, STOPPED = "creating", "created", "running", "paused", "stopped"

# The texts are runc's: containerd and CRI-O look for "container not running".
NOT_RUNNING, _NOT_PAUSED = "container not running", "container not paused"
_REFUSALS = {
    ("start", RUNNING): "cannot start an already running container",
    ("start", STOPPED): "cannot start a container that has stopped",
    ("start", PAUSED): "cannot start a container in the paused state",
    ("kill", STOPPED): NOT_RUNNING,
    ("pause", STOPPED): NOT_RUNNING,
    ("pause", PAUSED): NOT_RUNNING,
    ("resume", CREATED): _NOT_PAUSED,
    ("resume", RUNNING): _NOT_PAUSED,
    ("resume", STOPPED): _NOT_PAUSED,
    ("update", STOPPED): NOT_RUNNING,
    ("delete", RUNNING): "cannot delete container {id} that is not stopped: running",
    ("delete", PAUSED): "cannot delete container {id} that is not stopped: paused",
}


def of(entry: Entry, state: State) -> str:
    """Return the status of a container."""
    known = pidfds.stat(state["pid"]) if state["pid"] else None
    if known is None or known[0] in pidfds.DEAD or known[1] != state["start_time"]:
        return STOPPED
    if state["cgroup"] and _is_frozen(state["cgroup"]):
        return PAUSED
    return CREATED if entry.has("exec.fifo") else RUNNING


def _is_frozen(directory: str) -> bool:
    """Tell whether a cgroup is frozen, or being frozen; one that is gone is not."""
    try:
        descriptor = posix.open(f"{directory}/cgroup.freeze", posix.O_RDONLY)
    except OSError:
        return False
    try:
        return posix.read(descriptor, 8).strip() == b"1"
    except OSError:  # removed since it was opened
        return False
    finally:
        posix.close(descriptor)


def require(operation: str, entry: Entry, state: State) -> str:
    """Return the status if it allows the operation.

    Raises:
        WrongStatus: it does not.
    """
    status = of(entry, state)
    refusal = _REFUSALS.get((operation, status))
    if refusal:
        raise errors.WrongStatus(refusal.format(id=entry.id))
    return status


def document(state: State, status: str, pid: int) -> dict[str, object]:
    """Return the state as the spec defines it (runtime.md, "State"), for hooks and `state`."""
    told: dict[str, object] = {
        "ociVersion": state["ociVersion"],
        "id": state["id"],
        "status": status,
    }
    if pid:
        told["pid"] = pid
    told["bundle"] = state["bundle"]
    if state["annotations"]:
        told["annotations"] = state["annotations"]
    return told


def encoded(state: State, status: str, pid: int) -> str:
    """Return the state document as the text that hooks read.

    Raises:
        TypeError: never, the state is JSON.
    """
    from pyruntime import jsonfile

    return jsonfile.encode(document(state, status, pid))
