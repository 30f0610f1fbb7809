"""List: all containers of a root."""

from __future__ import annotations

import posix

from pyruntime import errors, log
from pyruntime.container import state, status, store
from pyruntime.container.store import Entry
from pyruntime.errors import doing


def containers(root: str) -> list[dict[str, object]]:
    """Return the states of all containers below `root`, by id; broken ones are warned of.

    Args:
        root: directory of all states.

    Raises:
        KernelError: the root cannot be listed.
    """
    with doing("list", root):
        names = sorted(name for name in posix.listdir(root) if store.is_id(name))
    found = []
    for name in names:
        entry = Entry(root, name)
        try:
            saved = entry.load()
        except errors.NotFound:
            continue
        except errors.RuntimeFailure as failure:
            log.warning(f"container {name}: {failure.say()}")
            continue
        document = state.told(saved, status.of(entry, saved))
        document["owner"] = _owner(entry)
        found.append(document)
    return found


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
