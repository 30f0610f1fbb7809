"""What a cgroup has used: read from its files, in the kernel's own names and units.

A controller that is not enabled has no files, so what it would tell is missing here too. All is
read below one descriptor of the directory: another cgroup of the same path is never mixed in.
"""

from __future__ import annotations

import errno
import posix

from pyruntime.errors import doing
from pyruntime.feature.cgroup import forms, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from pyruntime.feature.cgroup.forms import Keyed, Pressure

    Read = TypeVar("Read")
    # None stands for no limit; a name is missing where there is no such file.
    Values = dict[str, int | None]

# No controller, or turned off: PSI answers EOPNOTSUPP, a cgroup that is being removed ENODEV.
_ABSENT = (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP)
_PRESSED = ("cpu", "memory", "io")
_MEMORY = ("current", "max", "peak", "swap.current", "swap.max", "swap.peak")


class Stats:
    """A reading of all that a cgroup tells.

    Attributes:
        cpu: cpu.stat; the usage is there without the controller, times in microseconds.
        memory: memory.NAME by name ("current", "max", "peak", "swap.current" …) in bytes.
        memory_stat: memory.stat.
        memory_events: memory.events, as "oom_kill".
        io: io.stat by device ("8:0").
        pids: pids.current and pids.max by "current" and "max"; without the controller the former
            alone, the number of processes in the cgroup itself.
        hugetlb: by size of the pages ("2MB"), "current", "max" and "failed" (times).
        pressure: of "cpu", "memory" and "io".
        cpuset: the lists "cpus" and "mems" as the kernel writes them, "" for none of its own.
    """

    __slots__ = (
        "cpu", "cpuset", "hugetlb", "io", "memory", "memory_events", "memory_stat", "pids",
        "pressure",
    )  # fmt: skip

    def __init__(self) -> None:
        self.cpu: Keyed = {}
        self.memory: Values = {}
        self.memory_stat: Keyed = {}
        self.memory_events: Keyed = {}
        self.io: dict[str, Keyed] = {}
        self.pids: Values = {}
        self.hugetlb: dict[str, Values] = {}
        self.pressure: dict[str, Pressure] = {}
        self.cpuset: dict[str, str] = {}


def read(directory: str) -> Stats:
    """Read the stats of a cgroup.

    Raises:
        KernelError: ENOENT where there is no such cgroup, or a file cannot be read.
    """
    with doing("read the stats of the cgroup", directory):
        descriptor = posix.open(directory, posix.O_RDONLY | posix.O_DIRECTORY)
        try:
            return look(descriptor)
        finally:
            posix.close(descriptor)


def look(directory: int) -> Stats:
    """Read the stats of the cgroup of a descriptor.

    Raises:
        OSError: a file cannot be read for another reason than being absent.
    """
    found = Stats()
    found.cpu = _told(directory, "cpu.stat", forms.keyed, {})
    found.memory = _values(directory, "memory.", _MEMORY)
    found.memory_stat = _told(directory, "memory.stat", forms.keyed, {})
    found.memory_events = _told(directory, "memory.events", forms.keyed, {})
    found.io = _told(directory, "io.stat", forms.nested, {})
    found.pids = _values(directory, "pids.", ("current", "max")) or _counted(directory)
    found.hugetlb = _huge_pages(directory)
    for name in _PRESSED:
        pressure = _told(directory, f"{name}.pressure", forms.pressure, None)
        if pressure is not None:
            found.pressure[name] = pressure
    for name in ("cpus", "mems"):
        found.cpuset[name] = _told(directory, f"cpuset.{name}", str.strip, "")
    return found


def _told(directory: int, name: str, form: Callable[[str], Read], absent: Read) -> Read:
    """Read one file by its form."""
    try:
        return form(tree.read(name, directory))
    except OSError as error:
        if error.errno in _ABSENT:
            return absent
        raise


def _values(directory: int, prefix: str, names: tuple[str, ...]) -> Values:
    """Read files of one value each, those that are there."""
    found: Values = {}
    for name in names:
        text = _told(directory, prefix + name, str, "")
        if text:
            found[name] = forms.number(text)
    return found


def _counted(directory: int) -> Values:
    """Count what is in the cgroup itself; a threaded one has no processes, but threads."""
    lines = _told(directory, "cgroup.procs", str, "") or _told(directory, "cgroup.threads", str, "")
    return {"current": lines.count("\n")}


def _huge_pages(directory: int) -> dict[str, Values]:
    """Read what is used of huge pages, by their size.

    Reservations count where the kernel tells them (Linux 5.7), as a limit on them is one on use.
    """
    found: dict[str, Values] = {}
    for file in sorted(posix.listdir(directory)):
        kind, _, rest = file.partition(".")
        size, _, name = rest.partition(".")
        if kind != "hugetlb" or name != "events":
            continue
        reserved = _values(directory, f"hugetlb.{size}.rsvd.", ("current", "max"))
        values = reserved or _values(directory, f"hugetlb.{size}.", ("current", "max"))
        events: Keyed = _told(directory, f"hugetlb.{size}.events", forms.keyed, {})
        found[size] = {**values, "failed": events.get("max", 0)}
    return found
