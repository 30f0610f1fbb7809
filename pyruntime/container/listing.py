"""List: all containers of a root."""

from __future__ import annotations

import posix

from pyruntime import errors, log
from pyruntime.container import state, status, store
from pyruntime.container.store import Entry
from pyruntime.errors import doing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyruntime.container.store import State


def containers(root: str) -> list[dict[str, object]]:
    """Return the states of all containers below `root`, by id; broken ones are warned of.

    Args:
        root: directory of all states.

    Raises:
        KernelError: the root cannot be listed.
    """
    documents = []
    for entry, saved, word in found(root):
        document = state.told(saved, word)
        document["owner"] = _owner(entry)
        documents.append(document)
    return documents


def found(root: str) -> Iterator[tuple[Entry, State, str]]:
    """Yield the entry, the saved state and the status of each container, by id.

    Raises:
        KernelError: the root cannot be listed.
    """
    with doing("list", root):
        names = sorted(name for name in posix.listdir(root) if store.is_id(name))
    for name in names:
        try:
            yield look(Entry(root, name))
        except errors.NotFound:
            continue
        except errors.RuntimeFailure as failure:
            log.warning(f"container {name}: {failure.say()}")


def look(entry: Entry) -> tuple[Entry, State, str]:
    """Return an entry with its saved state and its status.

    Raises:
        NotFound: there is no such container.
        RuntimeFailure: its state cannot be read.
    """
    saved = entry.load()
    return entry, saved, status.of(entry, saved)


def _owner(entry: Entry) -> str:
    """Return the name of the user that the state directory belongs to, `#UID` without one."""
    import pwd

    try:
        uid = posix.stat(entry.directory).st_uid
    except FileNotFoundError:  # deleted since its state was read
        return ""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"
