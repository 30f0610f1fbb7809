"""The state directory: ROOT/ID and what lies in it.

    ROOT/ID/            0700; made by create, its existence is the claim on the id
      state.json        written whole to another name and renamed, before the payload may run
      config.json       the bundle's, as it was at create; written as soon as the cgroup that is
                        noted has been made, or found to be free
      resources.json    linux.resources as the last `update` left them; missing before the first
      traces            what outside of the directory is the container's: [cgroup, unit of
                        systemd, host mount, groups of resctrl...]; all but the mount are noted
                        before they are made, that one as soon as it has its id, so that nothing
                        is lost if all else is
      notify/           only where NOTIFY_SOCKET was set: seen by the container (notify.py)
      exec.fifo         `start` writes the go here; exists while the container is created
      exec.result       the native program tells `start` here how it ended
      lock              held (flock) by create, start, update and delete, never by state or kill,
                        since hooks may take long; made by create

The root itself is 0700 and ours, so no component of these paths is under somebody else's control.
"""

from __future__ import annotations

import posix

from pyruntime import errors, plainjson
from pyruntime.errors import doing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]

FORMAT = 1
_KINDS = {
    "ociVersion": str,
    "id": str,
    "pid": int,
    "start_time": int,
    "bundle": str,
    "rootfs": str,
    "created": str,
    "annotations": dict,
    "cgroup": str,
    "mounted": str,
    "private_pid": bool,
    "hooks": dict,
}
GO, RESULT = "exec.fifo", "exec.result"
_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-")
_CLOEXEC = posix.O_CLOEXEC
_LONGEST_NAME = 255


def check_id(id: str) -> None:  # noqa: A002 - the spec's word
    """Check that an id is a plain file name of letters, digits and `_+.-`.

    Raises:
        UsageError: it is not.
    """
    if not is_id(id):
        raise errors.UsageError("invalid container ID format")


def is_id(name: str) -> bool:
    """Tell whether a name can be a container's id."""
    plain = bool(name) and _ALLOWED.issuperset(name) and len(name) <= _LONGEST_NAME
    return plain and name not in (".", "..")


class Entry:
    """The directory of one container."""

    __slots__ = ("directory", "id")

    def __init__(self, root: str, id: str) -> None:  # noqa: A002
        check_id(id)
        self.id = id
        self.directory = f"{root}/{id}"

    def path(self, name: str) -> str:
        """Return the path of a file in the directory."""
        return f"{self.directory}/{name}"

    def exists(self) -> bool:
        """Tell whether the directory is there."""
        try:
            posix.stat(self.directory)
        except OSError:
            return False
        return True

    def lock(self, patience: float | None = None) -> int:
        """Wait for the lock of the container; closing the descriptor gives it back.

        Args:
            patience: seconds after which to go on without it, None to wait for ever.

        Raises:
            NotFound: there is no such container.
        """
        while True:
            flags = posix.O_RDWR | posix.O_NOFOLLOW | _CLOEXEC
            with doing("lock", self.directory):
                try:
                    descriptor = posix.open(self.path("lock"), flags)
                except (FileNotFoundError, NotADirectoryError):
                    raise errors.NotFound from None
            _flock(descriptor, patience)
            if posix.fstat(descriptor).st_nlink:
                return descriptor
            posix.close(descriptor)  # deleted while we waited; the id may be a new container's

    def read(self, name: str) -> bytes:
        """Read a file of the directory.

        Raises:
            OSError: it is not there or not readable.
        """
        descriptor = posix.open(self.path(name), posix.O_RDONLY | posix.O_NOFOLLOW | _CLOEXEC)
        try:
            content = b""
            while piece := posix.read(descriptor, 1 << 16):
                content += piece
            return content
        finally:
            posix.close(descriptor)

    def load(self) -> State:
        """Read state.json.

        Raises:
            NotFound: there is no such container.
            RuntimeFailure: the file is damaged.
        """
        with doing("read", self.path("state.json")):
            try:
                content = self.read("state.json")
            except (FileNotFoundError, NotADirectoryError):
                raise errors.NotFound from None
        text = content.decode("utf-8", "surrogateescape")
        state: Any = plainjson.read(text)
        if state is None:
            from pyruntime import jsonfile

            state = jsonfile.decode(text, self.path("state.json"))
        if not _is_whole(state):
            cure = f"use delete --force {self.id}"
            raise errors.RuntimeFailure(f"{self.path('state.json')} is not a state of ours; {cure}")
        saved: State = state
        return saved

    def traces(self) -> tuple[str, str, str, list[str]]:
        """Return what `trace` noted: cgroup, unit, host mount ("" for none), groups of resctrl."""
        try:
            from pyruntime import jsonfile

            told = jsonfile.decode(self.read("traces").decode("utf-8", "replace"), "traces")
            cgroup, unit, mounted, *groups = told
        except (OSError, errors.RuntimeFailure, TypeError, ValueError):
            return "", "", "", []
        return str(cgroup), str(unit), str(mounted), [str(group) for group in groups]

    def has(self, name: str) -> bool:
        """Tell whether a file of the directory exists."""
        try:
            posix.lstat(self.path(name))
        except OSError:
            return False
        return True

    def forget(self, name: str) -> None:
        """Remove a file of the directory, if it is there."""
        try:
            posix.unlink(self.path(name))
        except FileNotFoundError:
            return

    def remove(self) -> None:
        """Remove the directory and what is in it; an id that is gone is no error.

        Raises:
            KernelError: something cannot be removed.
        """
        with doing("remove the state directory", self.directory):
            try:
                flags = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | _CLOEXEC
                directory = posix.open(self.directory, flags)
            except FileNotFoundError:
                return
            try:
                _empty(directory)
                posix.rmdir(self.directory)
            except FileNotFoundError:
                return
            finally:
                posix.close(directory)


def _empty(directory: int) -> None:
    """Remove what lies in an open directory; of others there is only that of notify.py."""
    for name in posix.listdir(directory):
        try:
            posix.unlink(name, dir_fd=directory)
        except IsADirectoryError:
            flags = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | _CLOEXEC
            below = posix.open(name, flags, dir_fd=directory)
            try:
                _empty(below)
            finally:
                posix.close(below)
            posix.rmdir(name, dir_fd=directory)


def _is_whole(state: object) -> bool:
    """Tell whether this is a state of ours with all that others rely on."""
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        return False
    return all(isinstance(state.get(key), kind) for key, kind in _KINDS.items())


def _flock(descriptor: int, patience: float | None) -> None:
    """Take the lock, or stop waiting for it after `patience` seconds."""
    import fcntl

    if patience is None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    import time

    limit = time.monotonic() + patience
    while time.monotonic() < limit:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        else:
            return
