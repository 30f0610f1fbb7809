"""Classes of service for caches and memory bandwidth: linux.intelRdt as a group of resctrl.

A container joins the group that `closID` names, or one of its own that bears its id. Only what the
runtime made for this container alone is removed with it (config-linux.md, "IntelRdt"). Loaded only
for containers that ask for it.
"""

from __future__ import annotations

from pyruntime import errors
from pyruntime.errors import doing
from pyruntime.feature.step import Step
from pyruntime.kernel import resctrl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyruntime.spec.shapes import IntelRdt

_CURES = {
    28: "the processor has no more classes of service or monitors: see num_closids in info",
}
# The parts of the processor without which a key cannot be obeyed, and what they are called.
_PARTS = (
    ("l3CacheSchema", ("L3", "L3CODE"), "cache allocation (CAT)"),
    ("memBwSchema", ("MB",), "memory bandwidth allocation (MBA)"),
    ("enableMonitoring", ("L3_MON", "PERF_PKG_MON"), "monitoring (CMT, MBM)"),
)


class RdtStep(Step):
    """Have the container in the group `name` ("" for the default one).

    Attributes:
        named: whether the config names it; a group that it does not name is the container's own.
        schemata: lines to write, in order; none to leave the group as it is.
        monitor: name of a monitoring group in it, "" for none.
        wanted: the keys that are given.
    """

    __slots__ = ("monitor", "name", "named", "schemata", "wanted")

    def __init__(
        self,
        name: str,
        *,
        named: bool,
        schemata: tuple[str, ...],
        monitor: str,
        wanted: tuple[str, ...],
    ) -> None:
        self.name, self.named, self.schemata = name, named, schemata
        self.monitor, self.wanted = monitor, wanted

    def describe(self) -> str:
        """Name group and lines."""
        lines = "".join(f", {line}" for line in self.schemata)
        monitored = f", monitored as {self.monitor}" if self.monitor else ""
        return f"enter the class of service {self.name or '/'}{lines}{monitored}"

    def group(self, tree: str) -> str:
        """Return the group's directory in the tree that is mounted at `tree`."""
        return f"{tree}/{self.name}" if self.name else tree


def plan(wish: IntelRdt, id: str) -> RdtStep:  # noqa: A002
    """Work out the group of a checked linux.intelRdt for the container `id`."""
    given = (wish.get("l3CacheSchema"), wish.get("memBwSchema"), *wish.get("schemata", ()))
    name = wish.get("closID") or id
    return RdtStep(
        "" if name == "/" else name,
        named=bool(wish.get("closID")),
        schemata=tuple(line for line in given if line),
        monitor=id if wish.get("enableMonitoring") else "",
        wanted=tuple(key for key, _, _ in _PARTS if wish.get(key)),
    )


def find() -> str:
    """Return where resctrl is mounted in the runtime's mount namespace.

    Raises:
        Unsupported: nowhere.
    """
    with doing("read", "/proc/self/mountinfo"):
        tree = resctrl.place(resctrl.read("/proc/self/mountinfo"))
    if not tree:
        raise errors.Unsupported(
            "linux.intelRdt: resctrl is not mounted (mount -t resctrl resctrl /sys/fs/resctrl,"
            " on a processor with resource control and a kernel that has it enabled)"
        )
    return tree


class Made:
    """The groups of one birth: what of it is to be removed, and when.

    Attributes:
        own: groups that are the container's alone, to be removed with it, innermost first.
        shared: the named group if it was made here; it stays, unless the birth fails.
    """

    __slots__ = ("own", "shared", "step", "tree")

    def __init__(self, step: RdtStep, tree: str) -> None:
        self.step, self.tree = step, tree
        self.own: list[str] = []
        self.shared = ""

    def make(self, trace: Callable[[list[str]], object]) -> None:
        """Make what is missing and write the schemata.

        Args:
            trace: called with the container's own groups before the first of them is made, and
                again if that turns out not to be its own.

        Raises:
            Unsupported: the processor lacks what is asked for.
            RuntimeFailure: the named group does not exist, or is another one than the config says.
            KernelError: the kernel refuses; in its own words where it has some.
        """
        step, group = self.step, self.step.group(self.tree)
        require_parts(step, self.tree)
        if step.named and not step.schemata and not resctrl.exists(group):
            raise errors.RuntimeFailure(
                f"linux.intelRdt: the class of service {group} does not exist"
                " (make it first, or give schemata for it)"
            )
        if not resctrl.exists(group):
            self._make_group(group, trace)
        elif step.named:
            _compare(step, group, self.tree)
        else:
            write(step, self.tree)
        if step.monitor:
            self._make_monitor(group, trace)

    def _make_group(self, group: str, trace: Callable[[list[str]], object]) -> None:
        """Make the group; it may be another's by the time."""
        if not self.step.named:
            trace([group])
        with _told(self.tree):
            new = resctrl.make(group)
        if self.step.named:
            self.shared = group if new else ""
        elif new:
            self.own = [group]
        else:
            trace([])
        if new or not self.step.named:
            write(self.step, self.tree)
        else:
            _compare(self.step, group, self.tree)

    def _make_monitor(self, group: str, trace: Callable[[list[str]], object]) -> None:
        """Make the monitoring group; one of that name that exists is another container's."""
        monitor = f"{group}/mon_groups/{self.step.monitor}"
        if resctrl.exists(monitor):
            raise errors.RuntimeFailure(
                f"linux.intelRdt.enableMonitoring: {monitor} exists"
                " (remove it, if its container is gone)"
            )
        trace([monitor, *self.own])
        with _told(self.tree):
            new = resctrl.make(monitor)
        if not new:
            trace(self.own)
            raise errors.RuntimeFailure(f"linux.intelRdt.enableMonitoring: {monitor} exists")
        self.own = [monitor, *self.own]

    def enter(self, pid: int) -> None:
        """Put a process into the groups; its children will be born there.

        Raises:
            KernelError: the kernel refuses.
        """
        group = self.step.group(self.tree)
        groups = [group, f"{group}/mon_groups/{self.step.monitor}"][: 1 + bool(self.step.monitor)]
        for each in groups:
            with _told(self.tree), doing("enter the resctrl group", each):
                resctrl.write(f"{each}/tasks", f"{pid}\n")

    def unmake(self) -> None:
        """Remove what was made, a named group only while nobody else is in it.

        Raises:
            KernelError: it cannot be removed.
        """
        remove(self.own)
        if self.shared and not resctrl.read(f"{self.shared}/tasks").strip():
            resctrl.remove(self.shared)


def write(step: RdtStep, tree: str) -> None:
    """Write the lines of a group, each by itself: a later one may then change an earlier one's.

    Raises:
        KernelError: the kernel refuses one; in its own words where it has some.
    """
    file = f"{step.group(tree)}/schemata"
    for line in step.schemata:
        with _told(tree), doing(f"write the schema {line} to", file):
            resctrl.write(file, f"{line}\n")


def remove(groups: list[str]) -> None:
    """Remove a container's own groups, innermost first.

    Raises:
        KernelError: one of them cannot be removed.
    """
    for group in groups:
        resctrl.remove(group)


def require_parts(step: RdtStep, tree: str) -> None:
    """Refuse what the processor cannot do.

    Raises:
        Unsupported: it lacks a part that a key of the config needs.
    """
    for key, parts, name in _PARTS:
        if key in step.wanted and not any(resctrl.exists(f"{tree}/info/{part}") for part in parts):
            raise errors.Unsupported(
                f"linux.intelRdt.{key}: this host has no {name}: {tree}/info/{parts[0]} is missing"
            )


def _compare(step: RdtStep, group: str, tree: str) -> None:
    """See that an existing group is what the config says it is.

    Raises:
        RuntimeFailure: a line differs.
    """
    if not step.schemata:
        return
    with doing("read", f"{group}/schemata"):
        present = dict(map(_parsed, resctrl.read(f"{group}/schemata").splitlines()))
    wanted: dict[str, dict[str, str]] = {}
    for line in step.schemata:  # a later line changes what an earlier one says
        kind, values = _parsed(line)
        wanted.setdefault(kind, {}).update(values)
    for kind, values in wanted.items():
        found = present.get(kind, {})
        for domain, value in values.items():
            if not _agree(kind, value, found.get(domain, ""), tree):
                raise errors.RuntimeFailure(
                    f"linux.intelRdt: the class of service {group} exists with another schema:"
                    f" {kind}:{domain}={found.get(domain, '(none)')}, wanted"
                    f" {kind}:{domain}={value}"
                )


def _parsed(line: str) -> tuple[str, dict[str, str]]:
    """Read `L3:0=07f;1=1f` as ("L3", {"0": "7f", "1": "1f"})."""
    kind, _, rest = line.partition(":")
    values = {}
    for part in rest.split(";"):
        domain, _, value = part.partition("=")
        values[domain.strip()] = value.strip().lower().lstrip("0") or "0"
    return kind.strip(), values


def _agree(kind: str, wanted: str, found: str, tree: str) -> bool:
    """Tell whether a group has what was written to it: bandwidth is rounded up by the kernel."""
    if wanted == found or kind != "MB":
        return wanted == found
    try:
        step = int(resctrl.read(f"{tree}/info/MB/bandwidth_gran"))
        return -(-int(wanted) // step) * step == int(found)
    except (OSError, ValueError, ZeroDivisionError):
        return False


class _told:  # noqa: N801 - reads as a sentence: with _told(tree):
    """Add to an error of a block what resctrl says of it (info/last_cmd_status)."""

    __slots__ = ("tree",)

    def __init__(self, tree: str) -> None:
        self.tree = tree

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Make the status the cure, where none is known."""
        if not isinstance(error, errors.KernelError):
            return
        try:
            status = resctrl.read(f"{self.tree}/info/last_cmd_status").strip()
        except OSError:
            status = ""
        words = "" if status == "ok" else status
        error.cure = error.cure or words or _CURES.get(error.number, "")
