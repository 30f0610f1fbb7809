"""A container's cgroup made by systemd: started with the container, stopped with it.

systemd makes a scope for a process that lives, and the container is to be born into the cgroup with
all its limits. So a process that does nothing holds the place: it is moved into the scope by
systemd and dies before the payload runs, or with the runtime. A scope that nothing is in ends by
itself, so whenever the runtime is killed, nothing remains but what the state directory knows; and
as long as the place is held, the cgroup can be asked what became of a child that has ended.

The first call goes out early (`begin`); systemd works on it while the runtime prepares the rest.
"""

from __future__ import annotations

import errno
import posix

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.feature.cgroup import bus, systemd, tree
from pyruntime.feature.cgroup.bus import Bus
from pyruntime.kernel import door, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.cgroup.unit import ScopeStep

_O_PATH = 0o10000000
_LEAF = _O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC
_SIGKILL = 9
_PR_SET_PDEATHSIG = 1
_FEW = 64  # processes
_NEVER = -1000  # by the OOM killer
_EXISTS = "org.freedesktop.systemd1.UnitExists"


class Scope:
    """The unit of one birth.

    Attributes:
        descriptor: of the cgroup's directory (O_PATH), for CLONE_INTO_CGROUP; -1 for none.
    """

    __slots__ = (
        "_bus", "_call", "_ending", "_holder", "_limit", "_ours", "_unsure",
        "descriptor", "wanted",
    )  # fmt: skip

    def __init__(self, wanted: ScopeStep, ending: int) -> None:
        self.wanted, self._ending = wanted, ending
        self.descriptor = -1
        self._bus: Bus | None = None
        self._holder = 0
        self._call = 0
        self._limit = ""  # of processes, while it is higher
        self._ours = self._unsure = False

    def begin(self) -> None:
        """Ask for the unit, without waiting for it.

        Not for a slice: it does not end by itself, so it is begun when its answer is waited for.

        Raises:
            RuntimeFailure: systemd is not there.
        """
        if why := systemd.missing():
            raise errors.RuntimeFailure(why)
        if self.wanted.name.endswith(".slice"):
            return
        self._holder = _hold(spared=any(each[0] == "MemoryMax" for each in self.wanted.properties))
        with systemd.telling(f"start the unit {self.wanted.name}"):
            try:
                self._ask()
            except bus.Lost:
                self._hang_up()
                self._ask()

    def make(self) -> None:
        """Wait until the unit is there, and open its cgroup.

        Raises:
            RuntimeFailure: systemd does not make it, or elsewhere than planned.
        """
        wanted = self.wanted
        with systemd.telling(f"start the unit {wanted.name}"):
            if not self._holder:
                self._ask()
            self._start()
        if self._holder and (found := self._found()) != self._planned():
            self._ours = False  # in another pid namespace than systemd's the number was another's
            raise errors.RuntimeFailure(
                f"systemd has put the unit {wanted.name} into the cgroup {found or 'none'}"
                f" of version 2, not into {self._planned()}"
            )
        if wanted.subgroup:
            self._divide()
        with doing("open the cgroup", wanted.directory):
            self.descriptor = posix.open(wanted.directory, _LEAF)
        with doing("read", f"{wanted.directory}/cgroup.events"):
            frozen = "frozen 1" in tree.read("cgroup.events", self.descriptor)
        if frozen:
            raise errors.RuntimeFailure("container's cgroup unexpectedly frozen")

    def make_room(self) -> None:
        """Let the child and its hooks in beside the holder, where few processes may be.

        Raises:
            KernelError: the limit cannot be read or written.
        """
        if not self._holder:
            return
        with doing("read", f"{self.wanted.directory}/pids.max"):
            try:
                limit = tree.read("pids.max", self.descriptor).strip()
            except FileNotFoundError:  # nobody counts processes here
                return
        if limit.isdecimal() and int(limit) < _FEW:
            self._limit = limit
            self._admit(str(int(limit) + 1))

    def _admit(self, count: str) -> None:
        with doing("write", f"{self.wanted.directory}/pids.max"):
            tree.write("pids.max", count.encode("ascii"), self.descriptor)

    def _fill(self) -> None:
        """Put the limit back; in an undo the cgroup may be gone."""
        limit, self._limit = self._limit, ""
        try:
            self._admit(limit)
        except errors.KernelError as failure:
            if failure.number not in (errno.ENOENT, errno.ENODEV):
                raise

    def let_go(self) -> None:
        """Let the holder end and close everything: the payload may come; once more does nothing."""
        if self._limit:
            self._fill()
        if self._holder:
            try:
                if posix.waitpid(self._holder, posix.WNOHANG) == (0, 0):
                    posix.kill(self._holder, _SIGKILL)
                    posix.waitpid(self._holder, 0)
            except (ChildProcessError, ProcessLookupError):
                pass  # where SIGCHLD is ignored the kernel reaps; by then the number is another's
            self._holder = 0
        self._hang_up()
        if self.descriptor >= 0:
            posix.close(self.descriptor)
        self.descriptor = -1

    def unmake(self) -> None:
        """Have the unit stopped, if it is ours, and remove what is left of its cgroup.

        One of that name that was there before is another container's. Until systemd has said that
        it makes ours, nothing but the holder can be in that, and it ends with it; a slice has none,
        so one is stopped of which systemd may yet say so, if nothing is in it.

        Raises:
            RuntimeFailure: it does not end.
        """
        from pyruntime.feature.cgroup import removal

        wanted = self.wanted
        if self._ours or (self._unsure and not removal.populated(wanted.directory)):
            systemd.clear(wanted.unit, wanted.directory)

    def _ask(self) -> None:
        self._bus = systemd.reach(self.wanted.manager, self._ending)
        told = systemd.known(self._bus, self.wanted.properties)
        if self._holder:
            told.append(("PIDs", ("au", [self._holder])))
        self._unsure = not self._holder
        types = "ssa(sv)a(sa(sv))"
        self._call = self._bus.send(
            "StartTransientUnit", types, self.wanted.name, systemd.MODE, told, []
        )

    def _start(self) -> None:
        """See the start through, once more over a new connection if this one is lost."""
        try:
            self._wait()
        except bus.Lost:
            if self._found() != self._planned():  # else only the answer was lost
                self._hang_up()
                self._ask()
                self._wait()
        self._hang_up()

    def _wait(self) -> None:
        """Wait for the job; a unit that has failed before is cleared away for it once."""
        assert self._bus  # noqa: S101 - begun
        try:
            job = self._answer()
        except bus.Refused as refusal:
            if refusal.name != _EXISTS:
                raise
            systemd.reset(self._bus, self.wanted.name)
            self._hang_up()
            self._ask()
            job = self._answer()
        self._ours = True
        result = self._bus.result(job)
        if result != "done":
            raise bus.Refused("", f"its job ended as {result}")

    def _answer(self) -> str:
        """Return the job that makes the unit."""
        assert self._bus  # noqa: S101 - begun
        try:
            (job,) = self._bus.answer(self._call)
        except bus.Refused:
            self._unsure = False
            raise
        return str(job)

    def _hang_up(self) -> None:
        if self._bus:
            self._bus.close()
        self._bus = None

    def _planned(self) -> str:
        """Return the path of the unit's cgroup in the hierarchy; all else goes by that."""
        return systemd.top(self.wanted.unit, self.wanted.path)

    def _found(self) -> str:
        """Return the path of the cgroup in which the holder is, "" for none."""
        if not self._holder:
            return ""
        place = f"/proc/{self._holder}/cgroup"
        with doing("read", place):
            told = tree.read(place).splitlines()
        return next((line[3:] for line in told if line.startswith("0::")), "")

    def _divide(self) -> None:
        """Make the cgroup below the unit's, and let it have all controllers.

        A cgroup with processes of its own cannot give any away, so the holder moves first.
        """
        directory = self.wanted.directory
        above = directory.rpartition("/")[0]
        with doing("make the cgroup", directory):
            posix.mkdir(directory, 0o755)
            tree.write(f"{directory}/cgroup.procs", str(self._holder).encode("ascii"))
            names = tree.read(f"{above}/cgroup.controllers").split()
            words = " ".join(f"+{name}" for name in names)
            tree.write(f"{above}/cgroup.subtree_control", words.encode("ascii"))


def _hold(*, spared: bool) -> int:
    """Make the process that holds the place; return its pid.

    It keeps no descriptor, so no lock lives on in it, and ends with the runtime.

    Args:
        spared: have the OOM killer take the child first, where the caller has the right to say so.
    """
    parent = posix.getpid()
    with doing("make a process for the scope"):
        pid, pidfd = process.clone3(0, None)
    if pid:
        posix.close(pidfd)
        return pid
    try:
        door.call("prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        if spared:
            _be_spared()
        process.close_from(0)
        while posix.getppid() == parent:
            door.call("ppoll", None, 0, None, None, 0)
    finally:
        posix._exit(1)  # noqa: SLF001


def _be_spared() -> None:
    try:
        process.adjust_oom_score(posix.getpid(), _NEVER)
    except OSError:  # needs CAP_SYS_RESOURCE
        return
