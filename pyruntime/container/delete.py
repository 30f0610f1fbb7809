"""Delete: remove what is left of a container."""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.container import kill, status
from pyruntime.container.store import Entry
from pyruntime.kernel import pidfd as pidfds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.caller import Caller
    from pyruntime.container.store import State

# A start whose hook hangs holds the lock; delete --force ends its container and goes on.
_PATIENCE_S = 10


def delete(root: str, id: str, force: bool) -> None:  # noqa: A002, FBT001
    """Delete a container that is stopped or only created; with `force` any (runtime.md, "Delete").

    A container whose state cannot be read is found by its traces and deleted with `force` too.

    Args:
        root: directory of all states.
        id: of the container.
        force: kill it first; an id that does not exist is then no error.

    Raises:
        NotFound: there is no such container (without `force`).
        WrongStatus: it is running (without `force`).
        RuntimeFailure: something cannot be removed.
    """
    entry = Entry(root, id)
    if force:
        _end_if_known(entry)
    try:
        lock = entry.lock(_PATIENCE_S if force else None)
        saved = entry.load()
    except errors.RuntimeFailure as failure:
        if not force and not isinstance(failure, errors.NotFound):
            raise
        remove_traces(entry)
        if not force:
            raise
        return
    if not force:
        status.require("delete", entry, saved)
    end(saved)
    remove(entry, saved)
    posix.close(lock)


def _end_if_known(entry: Entry) -> None:
    """Kill the init of a container whose state can be read, before anybody's lock is waited for."""
    try:
        saved = entry.load()
    except errors.RuntimeFailure:
        return
    end(saved)


def end(saved: State) -> None:
    """Kill the init and wait for its end.

    Raises:
        RuntimeFailure: it does not end, stuck in the kernel.
    """
    pidfd = pidfds.open_process(saved["pid"], saved["start_time"]) if saved["pid"] else None
    if pidfd is None:
        return
    kill.send(saved, kill.SIGKILL)
    import select

    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if not poll.poll(_PATIENCE_S * 1000):
        raise errors.RuntimeFailure(f"container init {saved['pid']} is still running after SIGKILL")
    posix.close(pidfd)


def remove(entry: Entry, saved: State, by: Caller | None = None) -> None:
    """Remove everything of a container whose init has ended, then run its poststop hooks.

    Raises:
        RuntimeFailure: something cannot be removed; the state stays, so that it can be tried again.
    """
    unit = saved.get("unit", "")
    _clear(saved["cgroup"], unit, saved["mounted"], leftovers=not saved["private_pid"])
    if "resctrl" in saved:
        _remove_groups(saved["resctrl"])
    entry.remove()
    if "poststop" in saved["hooks"]:
        from pyruntime.container import afterlife, caller  # load much, few containers have hooks

        hooks = afterlife.saved(saved, "poststop")
        afterlife.run_hooks(hooks, saved, status.STOPPED, by or caller.note())


def remove_traces(entry: Entry) -> None:
    """Remove a container without its state: kill by the cgroup that was noted before it was made.

    A create that was killed before it could see whose the cgroup is has put nothing into it, so
    what runs there is another container's.

    Raises:
        RuntimeFailure: something cannot be removed.
    """
    directory, unit, mounted, groups = entry.traces()
    ours = entry.has("config.json") or entry.has("state.json")
    if ours or not _is_populated(directory):
        _clear(directory, unit, mounted, leftovers=ours)
    if groups:
        _remove_groups(groups)
    entry.remove()


def _is_populated(directory: str) -> bool:
    from pyruntime.feature.cgroup import removal

    return bool(directory) and removal.populated(directory)


def _remove_groups(groups: list[str]) -> None:
    """Remove the groups of resctrl that are the container's own."""
    from pyruntime.feature import rdt

    rdt.remove(groups)


def _was_removed(directory: str) -> bool:
    """Remove a cgroup that nothing is in and nothing is below, the usual case, at once."""
    try:
        posix.rmdir(directory)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _clear(directory: str, unit: str, mounted: str, *, leftovers: bool) -> None:
    """End what runs in the cgroup, remove it, take off what was mounted on the host."""
    if unit:
        from pyruntime.feature.cgroup import systemd

        systemd.clear(unit, directory, leftovers=leftovers)
    elif directory and not _was_removed(directory):
        from pyruntime.feature.cgroup import removal

        if leftovers:
            removal.kill(directory)
        else:  # what an exec has begun ends by itself, but not where it is frozen
            from pyruntime.feature.cgroup import freezer

            freezer.thaw(directory)
        removal.remove(directory)
    if mounted:
        from pyruntime.feature import hostroot

        hostroot.take_off(mounted)
