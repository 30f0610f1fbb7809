"""State: what a container is and does, as the spec and runc tell it."""

from __future__ import annotations

from pyruntime.container import status
from pyruntime.container.store import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.store import State


def state(root: str, id: str) -> dict[str, object]:  # noqa: A002
    """Return the state of a container (runtime-spec, runtime.md, "Query State").

    Raises:
        NotFound: there is no such container.
        RuntimeFailure: its state cannot be read.
    """
    entry = Entry(root, id)
    saved = entry.load()
    return told(saved, status.of(entry, saved))


def told(saved: State, word: str) -> dict[str, object]:
    """Return the document with runc's further keys; `pid` is 0 and `owner` empty as there."""
    document: dict[str, object] = {
        "ociVersion": saved["ociVersion"],
        "id": saved["id"],
        "pid": 0 if word == status.STOPPED else saved["pid"],
        "status": word,
        "bundle": saved["bundle"],
        "rootfs": saved["rootfs"],
        "created": saved["created"],
    }
    if saved["annotations"]:
        document["annotations"] = saved["annotations"]
    document["owner"] = ""
    return document
