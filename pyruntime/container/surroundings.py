"""What a plan meets on this machine and in this caller: looked at, never changed.

Beside the host's facts, which shape the plan itself, this is what only tells whether its steps
could be taken. `look` is the one function that touches anything; tests make their own.
"""

from __future__ import annotations

import posix

from pyruntime import errors, libraries
from pyruntime.container import closed, player
from pyruntime.feature import capabilities, confinement, idmaps, seccomp_cache
from pyruntime.feature import host as hosts
from pyruntime.feature.cgroup import systemd
from pyruntime.feature.host import Host
from pyruntime.feature.step import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyruntime.container.plan import Plan
    from pyruntime.feature.confinement import Modules
    from pyruntime.feature.seccomp import FilterStep

EVERYTHING = (1 << 64) - 1
# Those of which the kernel asks for the host's, whoever has made a user namespace.
_OF_THE_HOST = ("CAP_MKNOD", "CAP_SYS_NICE", "CAP_SYS_RESOURCE")
_ALL_USERS = ["0", "0", "4294967295"]  # the map of the first user namespace, user_namespaces(7)


class Surroundings(Step):
    """Facts about one plan here and now.

    Attributes:
        host: the machine as it is; the plan may have been made for one that has more.
        gid: effective group id of the runtime.
        capabilities: its effective set as a mask.
        closed: paths of the plan to which root of its new user namespace cannot walk.
        faults: why something that the plan names cannot be used, by its name: a path, a network
            device, a file of the cgroup, newuidmap, "resctrl", "the native program", "the rootfs
            inside", "the seccomp filter".
        filter: the compiled seccomp program, None for none.
        kept: whether that came from the cache.
        limits: hard limits of the runtime, by name.
        oom_score: its own oom_score_adj.
        modules: which security modules are on.
        nested: whether the runtime is in a user namespace, whose capabilities are good for what
            belongs to that.
        selinux: whether file systems can be labelled.
    """

    __slots__ = (
        "capabilities", "closed", "faults", "filter", "gid", "host", "kept", "limits", "modules",
        "nested", "oom_score", "selinux",
    )  # fmt: skip

    def __init__(
        self,
        host: Host,
        *,
        gid: int = 0,
        capabilities: int = EVERYTHING,
        closed: list[str] | None = None,
        faults: dict[str, str] | None = None,
        filter: bytes | None = None,  # noqa: A002 - the kernel's word
        kept: bool = False,
        limits: dict[str, int] | None = None,
        oom_score: int = 0,
        modules: Modules | None = None,
        nested: bool = False,
        selinux: bool = False,
    ) -> None:
        self.host, self.gid, self.capabilities = host, gid, capabilities
        self.closed = closed or []
        self.faults, self.filter, self.kept = faults or {}, filter, kept
        self.limits, self.oom_score = limits or {}, oom_score
        self.modules = modules or confinement.Modules("", selinux=False)
        self.nested, self.selinux = nested, selinux

    def describe(self) -> str:
        """Say the facts in one line."""
        held = self._held() + (" in a user namespace" if self.nested else "")
        return f"{self.host.describe()}, {held}, {self.modules.describe()}"

    def _held(self) -> str:
        """Say the capabilities, by what is not there where that is less."""
        known = (2 << self.host.last_capability) - 1
        held = capabilities.members(self.capabilities & known)
        missing = capabilities.members(~self.capabilities & known)
        if not held:
            return "no capability"
        if len(missing) > len(held):
            return "only " + " ".join(map(capabilities.name, held))
        but = " ".join(map(capabilities.name, missing))
        return f"all capabilities but {but}" if but else "all capabilities"

    def lacks(self, *names: str) -> str:
        """Say which of these capabilities are needed and not there, "" for none."""
        numbers = capabilities.NUMBERS
        missing = [name for name in names if not self.capabilities >> numbers[name] & 1]
        if self.nested and not missing:
            first = [name for name in names if name in _OF_THE_HOST]
            return f"needs {' and '.join(first)} in the first user namespace" if first else ""
        return f"needs {' and '.join(missing)}" if missing else ""

    def inside(self) -> Surroundings:
        """Return the same as root of a new user namespace finds it: it may do all with its own."""
        host = self.host
        own = Host(0, host.cgroup_root, host.cgroup_own, host.release, host.last_capability)
        return Surroundings(
            own, faults=self.faults, filter=self.filter, modules=self.modules, nested=True
        )


def look(plan: Plan, host: Host, root: str) -> Surroundings:
    """Look at all that the plan will need.

    Args:
        plan: of the container.
        host: the machine's facts.
        root: directory of all states.

    Raises:
        KernelError: /proc cannot be read.
    """
    faults = dict(_faults(plan, root))
    found, kept, fault = _filter(plan.filter, f"{root}/@seccomp")
    if fault:
        faults["the seccomp filter"] = fault
    return Surroundings(
        host,
        gid=posix.getegid(),
        capabilities=_effective(),
        closed=closed.ways(plan),
        faults=faults,
        filter=found,
        kept=kept,
        limits=_limits(plan),
        oom_score=int(hosts.read("/proc/self/oom_score_adj")),
        modules=confinement.look(),
        nested=hosts.read("/proc/self/uid_map").split() != _ALL_USERS,
        selinux=hosts.selinux_enabled(),
    )


def _effective() -> int:
    """Return the effective capabilities of this process (proc_pid_status(5))."""
    line = next(each for each in hosts.read("/proc/self/status").splitlines() if "CapEff" in each)
    return int(line.partition(":")[2], 16)


def _limits(plan: Plan) -> dict[str, int]:
    """Return this process's own hard limits of the kinds that the plan sets."""
    if not plan.limits:
        return {}
    libraries.reach()
    import resource

    unlimited = (1 << 64) - 1
    return {step.name: resource.getrlimit(step.number)[1] & unlimited for step in plan.limits}


def _filter(wanted: FilterStep | None, directory: str) -> tuple[bytes | None, bool, str]:
    """Return the compiled program, whether it was in the cache, and why there is none."""
    if wanted is None:
        return None, False, ""
    if (code := seccomp_cache.read(directory, wanted.key())) is not None:
        return code, True, ""
    from pyruntime.feature import seccomp_compile

    try:
        return seccomp_compile.compiled(wanted), False, ""
    except errors.RuntimeFailure as failure:
        return None, False, failure.say()


def _faults(plan: Plan, root: str) -> Iterator[tuple[str, str]]:
    """Yield what cannot be used, and why."""
    yield from _rootfs(plan)
    for path in dict.fromkeys(_paths(plan)):
        if fault := _absent(path):
            yield path, fault
    if fault := _unwritable(root):
        yield root, fault
    where = plan.cgroup.directory
    fault = systemd.missing() if plan.cgroup.unit else where and _unwritable(where)
    if fault:
        yield where, fault
    for device in plan.network_devices:
        if not posix.access(f"/sys/class/net/{device.name}", posix.F_OK):
            yield device.name, "there is no such network device"
    yield from _programs(plan)
    try:
        player.player()
    except errors.RuntimeFailure as failure:
        yield "the native program", failure.say()
    yield from _limits_out_of_reach(plan)
    if plan.rdt and (fault := _without_resctrl(plan)):
        yield "resctrl", fault


def _programs(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the programs that are to write id maps and are not there."""
    for program in plan.user.programs.values() if plan.user else ():
        if not idmaps.find(program, posix.environ):
            yield program, idmaps.missing(program)


def _limits_out_of_reach(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the cgroup's files that are to limit something and could not be there."""
    if plan.resources and plan.cgroup.path:
        from pyruntime.feature.cgroup import controllers, filesystem
        from pyruntime.feature.cgroup.limits import WriteStep

        wanted = (each for each in plan.resources if isinstance(each, WriteStep) and not each.free)
        for file in dict.fromkeys(each.file for each in wanted):
            if fault := controllers.foreseen(filesystem.located(plan.cgroup), file):
                yield file, fault


def _rootfs(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield what is the matter with the rootfs, for the runtime or for the container's root."""
    if fault := _absent(f"{plan.rootfs.directory}/."):
        yield plan.rootfs.directory, fault
    elif fault := closed.rootfs(plan):
        yield "the rootfs inside", fault


def _absent(path: str) -> str:
    """Say why a path leads to nothing."""
    try:
        posix.stat(path)
    except OSError as error:
        return errors.reason(error.errno or 0)
    return ""


def _paths(plan: Plan) -> Iterator[str]:
    """Yield the files of the host that must be there."""
    yield from plan.namespaces.paths.values()
    yield from (step.source for step in plan.mounts if step.kind == "bind" and not step.remount)
    for name, steps in plan.hooks.items():
        yield from (step.path for step in steps if name != "startContainer")
    if plan.filter and plan.filter.agent:
        yield plan.filter.agent[0]


def _unwritable(path: str) -> str:
    """Say why a directory cannot be made at `path`: the lowest one above that is there decides."""
    while path and not posix.access(path, posix.F_OK):
        path = path.rpartition("/")[0]
    path = path or "/"
    if posix.access(path, posix.W_OK | posix.X_OK, effective_ids=True):
        return ""
    return f"this user may not write to {path}"


def _without_resctrl(plan: Plan) -> str:
    """Say why a class of service cannot be had."""
    from pyruntime.feature import rdt

    try:
        if plan.rdt:
            rdt.require_parts(plan.rdt, rdt.find())
    except errors.RuntimeFailure as failure:
        return failure.say()
    return ""
