"""Events: what a container uses, time and again, and whom the OOM killer takes of it."""

from __future__ import annotations

import posix
import select
import time

from pyruntime import errors
from pyruntime.container import eventdata, status
from pyruntime.container.store import Entry
from pyruntime.errors import doing
from pyruntime.feature.cgroup import oom, stats
from pyruntime.kernel import pidfd as pidfds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pyruntime.container.eventdata import Document
    from pyruntime.container.store import State
    from pyruntime.feature.netcounters import Counters

_GONE = (2, 19)  # ENOENT, ENODEV
_LONGEST_MS = (1 << 31) - 1  # that poll(2) waits
_ENDED = "container with id {} is not running"


class Watched:
    """A running container, by descriptors: never a later one of its id."""

    def __init__(self, root: str, id: str, *, network: bool) -> None:  # noqa: A002
        """Begin.

        Args:
            root: directory of all states.
            id: of the container.
            network: whether to count what its network interfaces carry.

        Raises:
            NotFound: there is no such container.
            WrongStatus: it is stopped.
            Unsupported: it has no cgroup of its own, or pyroute2 is missing.
            KernelError: its cgroup cannot be read.
        """
        self.id = id
        entry = Entry(root, id)
        saved = entry.load()
        if status.of(entry, saved) == status.STOPPED:
            raise errors.WrongStatus(_ENDED.format(id))
        if not saved["cgroup"]:
            raise errors.Unsupported(
                f"container {id} has no cgroup of its own, so what it uses is not known"
                " (it was created without one)"
            )
        with doing("open the cgroup", saved["cgroup"]):
            self.cgroup = posix.open(saved["cgroup"], posix.O_RDONLY | posix.O_DIRECTORY)
        self.service = _service(entry)
        self.counters = _counters(saved) if network else None

    def stats(self) -> Document:
        """Return an event of type "stats".

        Raises:
            KernelError: something cannot be read.
        """
        with doing("read the stats of container", self.id):
            told = stats.look(self.cgroup)
        data = eventdata.stats(
            told,
            intel_rdt=_service_stats(self.service, self.id) if self.service else None,
            network=self.counters.read() if self.counters else None,
        )
        return eventdata.event("stats", self.id, data)

    def stream(self, interval: float) -> Iterator[Document]:
        """Yield stats each `interval` seconds, and an event for each OOM kill when it happens.

        Ends when the last process in the cgroup has ended.

        Raises:
            KernelError: something cannot be read.
        """
        with doing("watch the cgroup of container", self.id):
            notices = Notices(self.cgroup)
        killed, due = notices.kills(), time.monotonic() + interval
        while True:
            lives, before, killed = notices.lives(), killed, notices.kills()
            for _ in range(killed - before):
                yield eventdata.event("oom", self.id)
            if not lives:
                return
            left = due - time.monotonic()
            if left > 0:
                notices.wait(left)
            else:
                yield self.stats()
                due = max(due + interval, time.monotonic())


class Notices:
    """The files of a cgroup that tell of life and death, and wake who polls them (POLLPRI).

    Each read takes a notice for read, so these descriptors are read and nothing else.
    """

    def __init__(self, cgroup: int) -> None:
        """Open them.

        Raises:
            OSError: the cgroup is gone.
        """
        self.poll = select.poll()
        self.life = posix.open("cgroup.events", posix.O_RDONLY, dir_fd=cgroup)
        self.poll.register(self.life, select.POLLPRI)
        self.memory, self.known = -1, 0
        try:
            self.memory = posix.open("memory.events", posix.O_RDONLY, dir_fd=cgroup)
            self.poll.register(self.memory, select.POLLPRI)
        except FileNotFoundError:  # no memory controller, so nobody is killed for memory
            pass

    def lives(self) -> bool:
        """Tell whether there is a process in the cgroup or below it."""
        return "populated 1" in _told(self.life)

    def kills(self) -> int:
        """Return how many processes the OOM killer has ended; of a cgroup that is gone the last."""
        if self.memory >= 0:
            self.known = max(self.known, oom.counted(_told(self.memory)))
        return self.known

    def wait(self, seconds: float) -> None:
        """Wait so long, or until something of this has changed; less if it is longer than weeks."""
        self.poll.poll(min(seconds * 1000, _LONGEST_MS))


def _told(descriptor: int) -> str:
    """Read a small file anew, "" when its cgroup is gone."""
    with doing("read", "cgroup.events and memory.events"):
        try:
            return posix.pread(descriptor, 4096, 0).decode("ascii")
        except OSError as error:
            if error.errno in _GONE:
                return ""
            raise


def _service(entry: Entry) -> Any:
    """Return the container's linux.intelRdt, None for most."""
    from pyruntime import jsonfile

    with doing("read", entry.path("config.json")):
        config = jsonfile.decode_bytes(entry.read("config.json"), entry.path("config.json"))
    return (config.get("linux") or {}).get("intelRdt")


def _service_stats(service: Any, id: str) -> Document:  # noqa: A002
    """Return what resctrl tells of the container's class of service."""
    from pyruntime.feature import rdt, rdtstats

    return rdtstats.read(rdt.plan(service, id), rdt.find())


def _counters(saved: State) -> Counters:
    """Return the network counters of the container's namespace.

    Raises:
        WrongStatus: the container has ended meanwhile.
    """
    from pyruntime.feature import netcounters

    place = f"/proc/{saved['pid']}/ns/net"
    with doing("open", place):
        namespace = posix.open(place, posix.O_RDONLY)
    try:
        known = pidfds.stat(saved["pid"])
        if known is None or known[1] != saved["start_time"]:  # it may be another's namespace
            raise errors.WrongStatus(_ENDED.format(saved["id"]))
        return netcounters.Counters(namespace)
    finally:
        posix.close(namespace)
