"""The way of sd_notify(3) out of the container: what the payload says reaches the service manager.

    container                        runtime                             service manager
    /run/notify/notify.sock ──▶ ROOT/ID/notify/notify.sock ──▶ $NOTIFY_SOCKET of the caller

The manager would not know a pid that the container tells, nor take a word of a process that is not
the service's. So the runtime listens, and says in its own name: READY=1 together with MAINPID, the
container's pid as the manager sees it, then BARRIER=1, for whose end a command waits that is about
to end itself. `run` listens as long as it stays, `run --detach` and `start` until READY=1 has come,
and `create` makes the directory only, in which `start` will listen.

What comes out is anybody's: one datagram in 50 ms at most is read, its first 4096 bytes count,
descriptors that come with it are dropped by the kernel, and only words that change nothing for
other services are passed on, each with a value of its own kind.

Loaded only where NOTIFY_SOCKET is set.
"""

from __future__ import annotations

import _socket
import posix
import select
import time

from pyruntime import errors, log
from pyruntime.errors import doing
from pyruntime.kernel import unixsockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.container.store import Entry

VARIABLE = b"NOTIFY_SOCKET"
_NAME, _INSIDE = "notify.sock", "/run/notify"
_LONGEST = 4096
_LONGEST_VALUE = 1024
_LONGEST_ADDRESS = 107
_PAUSE_S = 0.05
_PATIENCE_S = 30  # with runc a manager has as long for the barrier
_SWITCHES = ("READY", "RELOADING", "STOPPING", "WATCHDOG")
_NUMBERS = ("ERRNO", "MONOTONIC_USEC", "EXTEND_TIMEOUT_USEC", "WATCHDOG_USEC")
_READY = b"READY=1"


def address(environment: dict[bytes, bytes]) -> str:
    """Return where the caller's service manager listens, "" where there is none.

    Raises:
        UsageError: an address of a kind that is not known here.
    """
    told = environment.get(VARIABLE, b"").decode("utf-8", "surrogateescape")
    if told and (told[0] not in "/@" or len(told) > _LONGEST_ADDRESS):
        raise errors.UsageError(f"NOTIFY_SOCKET={told}: neither a path nor an abstract name")
    return told


def word() -> str:
    """Return the word of the payload's environment that leads to the socket."""
    return f"NOTIFY_SOCKET={_INSIDE}/{_NAME}"


def mounting(config: Any, entry: Entry) -> Any:
    """Return a config that shows the container the directory of the socket, and no more of it."""
    options = ["bind", "nosuid", "noexec", "nodev", "ro"]
    ours = {"destination": _INSIDE, "source": entry.path("notify"), "options": options}
    return {**config, "mounts": [*(config.get("mounts") or []), ours]}


def make_directory(entry: Entry) -> None:
    """Make the directory in which the socket will be, before it is mounted.

    Raises:
        KernelError: it cannot be made.
    """
    with doing("make the directory", entry.path("notify")):
        posix.mkdir(entry.path("notify"), 0o700)
        posix.chmod(entry.path("notify"), 0o755)


def heard(entry: Entry, manager: str) -> Notices | None:
    """Listen for a container that was created, None where that has no way out."""
    return Notices(entry, manager) if entry.has("notify") else None


class Notices:
    """The socket of one container, and how far it has come.

    Args:
        entry: of the container, with the directory.
        manager: the address of the service manager.

    Raises:
        KernelError: the socket cannot be made.
    """

    __slots__ = ("barrier", "manager", "next", "ready", "socket")

    def __init__(self, entry: Entry, manager: str) -> None:
        self.manager = f"\0{manager[1:]}" if manager[0] == "@" else manager
        self.ready, self.barrier, self.next = False, -1, 0.0
        self.socket = _datagrams()
        with doing("listen at", entry.path(f"notify/{_NAME}")):
            flags = posix.O_PATH | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
            directory = posix.open(entry.path("notify"), flags)
            try:
                self._bind(directory)
            finally:
                posix.close(directory)

    def _bind(self, directory: int) -> None:
        """Bind by descriptor, since the path may be too long; anybody inside may write."""
        try:
            posix.unlink(_NAME, dir_fd=directory)
        except FileNotFoundError:
            pass
        self.socket.bind(f"/proc/self/fd/{directory}/{_NAME}")
        posix.chmod(_NAME, 0o777, dir_fd=directory)

    def descriptors(self) -> list[int]:
        """Return what to wait for: that it can be read."""
        listening = [self.socket.fileno()] if self.pause() == 0 else []
        return listening + ([self.barrier] if self.barrier >= 0 else [])

    def pause(self) -> int:
        """Return for how many ms nothing is read."""
        return max(0, int((self.next - time.monotonic()) * 1000 + 1)) if self.next else 0

    def serve(self, ready: dict[int, int], pid: int) -> None:
        """Pass on what has come.

        Args:
            ready: what can be read.
            pid: of the container.
        """
        if self.barrier in ready:
            self._lift()
        if self.socket.fileno() in ready:
            self._pass_on(pid)

    def _pass_on(self, pid: int) -> None:
        self.next = time.monotonic() + _PAUSE_S
        try:
            lines = passed(self.socket.recv(_LONGEST, _socket.MSG_DONTWAIT))
        except BlockingIOError:
            return
        if _READY in lines and not self.ready:
            self.ready = True
            lines.insert(0, f"MAINPID={pid}".encode("ascii"))
            self._say(lines)
            self._raise_barrier()
        elif lines:
            self._say(lines, _socket.MSG_DONTWAIT)

    def _say(self, lines: list[bytes], flags: int = 0, rights: Any = ()) -> None:
        """Say lines to the manager; one that does not listen is only warned of."""
        speaking = _datagrams()
        try:
            with doing("notify the service manager at", self.manager.replace("\0", "@")):
                unixsockets.set_patience(speaking, _PATIENCE_S)
                to = self.manager.encode("utf-8", "surrogateescape")
                told = b"\n".join(lines)
                speaking.sendmsg([told], rights, flags | _socket.MSG_NOSIGNAL, to)
        except errors.KernelError as failure:
            if not flags:
                log.warning(failure.say())
        finally:
            speaking.close()

    def _raise_barrier(self) -> None:
        """Give the manager a descriptor that it closes when it has read all of before."""
        self.barrier, theirs = posix.pipe2(posix.O_CLOEXEC)
        told = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, theirs.to_bytes(4, "little"))
        self._say([b"BARRIER=1"], 0, [told])
        posix.close(theirs)

    def _lift(self) -> None:
        posix.close(self.barrier)
        self.barrier = -1

    def wait(self, pid: int, pidfd: int) -> None:
        """Stay until the payload is ready and the manager knows it, or it has ended."""
        while not self.ready:
            poll = select.poll()
            for descriptor in (pidfd, *self.descriptors()):
                poll.register(descriptor, select.POLLIN)
            ready = dict(poll.poll(self.pause() or None))
            self.serve(ready, pid)
            if pidfd in ready:
                break
        if self.barrier >= 0:
            poll = select.poll()
            poll.register(self.barrier, select.POLLIN)
            if not poll.poll(_PATIENCE_S * 1000):
                log.warning(f"the service manager answers nothing within {_PATIENCE_S} s")
            self._lift()
        self.socket.close()


def passed(datagram: bytes) -> list[bytes]:
    """Return the lines of a datagram that may be passed on."""
    return [line for line in datagram.split(b"\n") if _is_harmless(line)]


def _is_harmless(line: bytes) -> bool:
    """Tell whether a line has a known name and a value of its kind."""
    try:
        name, _, value = line.decode("utf-8").partition("=")
    except UnicodeDecodeError:
        return False
    if len(value) > _LONGEST_VALUE or not value.isprintable():
        return False
    if name in _NUMBERS:
        return value.isascii() and value.isdigit()
    return value == "1" if name in _SWITCHES else name == "STATUS"


def _datagrams() -> _socket.socket:
    return _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
