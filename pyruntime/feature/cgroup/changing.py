"""The limits of a living cgroup changed, and put back where that fails half-way.

Every file is read before the first is written; what has changed by then is written back, line by
line, since files of several lines take one at a time. Loaded by `update` only.
"""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.feature.cgroup import devices, limits, refused, tree
from pyruntime.feature.cgroup.formulas import UNLIMITED
from pyruntime.feature.cgroup.limits_rare import UsageStep, amount
from pyruntime.kernel import bpf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyruntime.feature.cgroup.filesystem import CgroupStep
    from pyruntime.feature.step import Step

_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC
# What the kernel changes beside the file that is written.
_BESIDE = {"cpu.idle": "cpu.weight", "cpu.max.burst": "cpu.max", "cpu.max": "cpu.max.burst"}
# What a device that a file does not name has, where only others are named.
_DEFAULTS = {
    "io.max": "rbps=max wbps=max riops=max wiops=max",
    "io.weight": "default",
    "io.bfq.weight": "default",
    "io.latency": "target=max",
}
_DIGITS = 20  # of 2^64
# What of memory stays in use however hard the kernel tries, without swap (memory.stat).
_FIRM = ("anon", "shmem", "kernel_stack", "pagetables", "percpu", "sock", "slab_unreclaimable")


class Change:
    """One change of a cgroup's limits.

    Attributes:
        cgroup: whose.
        directory: descriptor of its directory.
        old: the texts of the files before.
    """

    __slots__ = ("_programs", "cgroup", "directory", "old")

    def __init__(self, cgroup: CgroupStep) -> None:
        self.cgroup = cgroup
        with errors.doing("open the cgroup", cgroup.directory):
            self.directory = posix.open(cgroup.directory, _DIRECTORY)
        self.old: dict[str, str] = {}
        self._programs: dict[int, int] | None = None  # id: descriptor

    def make(self, steps: Iterable[Step]) -> None:
        """Take the steps; if one fails, put back what the others have changed.

        Raises:
            RuntimeFailure: as limits.apply; the limits are as they were.
        """
        wanted = list(steps)
        self._note(wanted)
        try:
            self._spare_the_living(wanted)
            limits.apply(wanted, self.directory, self.cgroup)
        except errors.RuntimeFailure:
            self.undo()
            raise

    def note(self, *files: str) -> None:
        """Read what may change; a file that is not there cannot."""
        for file in files:
            if file and file not in self.old and (text := self._read(file)) is not None:
                self.old[file] = text

    def keep(self, steps: Iterable[Step]) -> None:
        """Put back what has changed beside the files of the steps."""
        writes = [each for each in steps if isinstance(each, limits.WriteStep)]
        changed = {file for each in writes for file in (each.file, each.instead[0])}
        changed |= {_BESIDE.get(file, "") for file in changed}
        for file in self.old:
            if file not in changed and not self._put_back(file):
                _warn([file], self.cgroup)

    def _note(self, steps: list[Step]) -> None:
        """Read all that may change by the steps."""
        for each in steps:
            if isinstance(each, limits.WriteStep):
                self.note(each.file, each.instead[0], _BESIDE.get(each.file, ""))
            elif isinstance(each, devices.DeviceStep):
                with errors.doing("read the device program of", self.cgroup.directory):
                    numbers = bpf.attached(self.directory)
                    self._programs = {each: bpf.open_program(each) for each in numbers}

    def _read(self, file: str) -> str | None:
        """Return the text of a file, None where there is none, or none to be read."""
        try:
            return tree.read(file, self.directory)
        except OSError:
            return None

    def _spare_the_living(self, steps: list[Step]) -> None:
        """Refuse a limit that would only have processes killed: what is in use cannot be reclaimed.

        Raises:
            RuntimeFailure: in runc's words.
        """
        new = {each.file: each.text for each in steps if isinstance(each, limits.WriteStep)}
        most = new.get("memory.max", UNLIMITED)
        if any(isinstance(each, UsageStep) for each in steps):  # which asks for more
            return
        if not most.isdecimal() or len(most) > _DIGITS:
            return  # unlimited, or in words that only the kernel reads, as the 64M of `unified`
        if int(most) >= amount(self.directory, "memory.current"):
            return
        firm = sum(self._statistics().get(name, 0) for name in _FIRM)
        swap = new.get("memory.swap.max") or self._read("memory.swap.max") or "0"
        if int(most) < firm and (swap.strip() == "0" or not _has_swap()):
            why = f": {firm} bytes of that cannot be reclaimed, so processes would be killed"
            raise refused.too_small(most, self.directory, why)

    def _statistics(self) -> dict[str, int]:
        lines = (line.split() for line in (self._read("memory.stat") or "").splitlines())
        return {line[0]: int(line[1]) for line in lines}

    def undo(self) -> None:
        """Put back what has changed, in the reverse order; what cannot be is warned of.

        A second round helps where one file bounds another, as the quota its burst.
        """
        left = [*reversed(self.old)]
        for _ in range(2):
            left = [file for file in left if not self._put_back(file)]
        if self._programs is not None:
            with errors.doing("put back the device program of", self.cgroup.directory):
                self._put_back_programs(self._programs)
        if left:
            _warn(left, self.cgroup)

    def _put_back(self, file: str) -> bool:
        """Write the old text of one file, if it is another now; tell whether it has it."""
        old, now = self.old[file], self._read(file)
        if now == old or (file == "cpu.weight" and self.old.get("cpu.idle", "").strip() == "1"):
            return True
        try:
            for line in restoring(file, old, now or ""):
                limits.write(self.directory, file, f"{line}\n")
        except OSError:
            return False
        return True

    def _put_back_programs(self, old: dict[int, int]) -> None:
        """Attach the programs that were there, before those are detached that were not."""
        now = bpf.attached(self.directory)
        for number, program in old.items():
            if number not in now:
                bpf.attach(self.directory, program)
        for number in now:
            if number not in old:
                program = bpf.open_program(number)
                bpf.detach(self.directory, program)
                posix.close(program)

    def close(self) -> None:
        """Close what is open; nothing can be put back any more."""
        for descriptor in (self.directory, *(self._programs or {}).values()):
            posix.close(descriptor)


def _warn(files: list[str], cgroup: CgroupStep) -> None:
    from pyruntime import log

    told = f"of {cgroup.directory} could not be put back"
    log.warning(f"{', '.join(files)} {told}: its limits are neither the old nor the new")


def restoring(file: str, old: str, now: str) -> list[str]:
    """Return the lines that make a file say `old` which says `now`."""
    if file == "cgroup.subtree_control":
        had, has = old.split(), now.split()
        words = [*(f"-{each}" for each in has if each not in had), *(f"+{each}" for each in had)]
        return [" ".join(words)]
    lines = old.splitlines() or [""]
    if file in _DEFAULTS:
        named = {line.partition(" ")[0] for line in lines}
        more = (line.partition(" ")[0] for line in now.splitlines())
        lines = [f"{each} {_DEFAULTS[file]}" for each in more if each not in named] + lines
    return [line for line in lines if line or len(lines) == 1]


def _has_swap() -> bool:
    """Tell whether the machine swaps (proc_swaps(5))."""
    try:
        return len(tree.read("/proc/swaps").splitlines()) > 1
    except OSError:
        return False
