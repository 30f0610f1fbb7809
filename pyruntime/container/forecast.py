"""What create would do, act by act, in the order and by the hands that would do it.

The steps are those of the plan (plan.py) and of the native program's script (script.py), the same
objects that create takes. What create does beside them, in parent.py and init.py, is said here by
deeds: who changes the order there changes it here, and a test holds the two to each other.

Nothing is done and nothing is looked at: `acts` is a pure function, and what it cannot know without
the root file system it says in words.
"""

from __future__ import annotations

from pyruntime.container import forecast_mapping as mapping
from pyruntime.container import forecast_terminal as terminal
from pyruntime.container import obstacles, rehearsal, script, steps, store
from pyruntime.container.obstacles import Deed
from pyruntime.kernel import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyruntime.container.awaited import AwaitedStep
    from pyruntime.container.plan import Plan
    from pyruntime.container.surroundings import Surroundings
    from pyruntime.feature.step import Step

    Told = Iterator[tuple[str, Step]]

PARENT, CHILD, NATIVE, START, DELETE = "parent", "child", "native program", "start", "delete"
_FIRM = ("rprivate", "runbindable")


class Act:
    """One step, taken by `actor` in `phase`; `cannot` is why it could not be, "" if it could."""

    __slots__ = ("actor", "cannot", "phase", "step")

    def __init__(self, phase: str, actor: str, step: Step, cannot: str) -> None:
        self.phase, self.actor, self.step, self.cannot = phase, actor, step, cannot


class Forecast:
    """All that the telling of one plan needs: what is planned, what is awaited, what is there."""

    __slots__ = ("around", "awaited", "inside", "order", "plan", "root")

    def __init__(
        self, plan: Plan, around: Surroundings, awaited: list[AwaitedStep], root: str
    ) -> None:
        self.plan, self.around, self.awaited, self.root = plan, around, awaited, root
        self.order = rehearsal.order(plan, around)
        self.inside = around.inside() if plan.user else around

    def acts(self) -> list[Act]:
        """Return everything in order."""
        return [
            Act(phase, actor, step, obstacles.of(step, self.plan, self._seen(actor, step)))
            for phase, tell in _PHASES
            for actor, step in tell(self)
        ]

    def _seen(self, actor: str, step: Step) -> Surroundings:
        """Return the surroundings in which a step is taken: root of a user namespace has others."""
        within = actor in (CHILD, NATIVE) and step is not self.plan.user
        return self.inside if within else self.around

    def wait_for(self, place: str, actor: str = PARENT) -> Told:
        """Return the keys that will be obeyed at this point one day."""
        return ((actor, step) for step in self.awaited if step.place == place)

    def lend(self, place: str) -> Told:
        """Return what the parent must fetch for the child."""
        return ((PARENT, step) for step in mapping.lend(self.plan, self.around, place))

    def hooks(self, *names: str) -> list[Step]:
        """Return the hooks of these names, in order."""
        return [step for name in names for step in self.plan.hooks[name]]


def _prepare(told: Forecast) -> Told:
    """Tell what parent.Birth._prepare does, and the claim before it."""
    plan, rootfs = told.plan, told.plan.rootfs.directory
    yield from told.wait_for("first")
    yield PARENT, Deed("rootfs", f"see that {rootfs} is a directory", path=rootfs)
    if plan.mount_label:
        said = f"see that SELinux is on, to label mounts {plan.mount_label}"
        yield PARENT, Deed("selinux", said)
    said = (
        f"claim the id by the directory {told.root}/{plan.id}, lock it and copy config.json there"
    )
    yield PARENT, Deed("claim", said, path=told.root)
    yield from ((PARENT, step) for step in plan.cgroup.parts()[0])
    if plan.filter:
        yield PARENT, plan.filter
        yield PARENT, _program(told)
    for label in plan.labels:
        module = "AppArmor" if label.key.endswith("apparmorProfile") else "SELinux"
        said = f"see that {module} is on, to {label.describe()}"
        yield PARENT, Deed("module", said, label=label)
    if plan.rdt:
        yield PARENT, plan.rdt
    yield from ((PARENT, step) for step in terminal.connect(plan))
    fifos = f"make the fifos {store.GO} and {store.RESULT} there, by which start will be heard"
    yield PARENT, Deed("fifos", fifos)
    for kind, where in plan.namespaces.paths.items():
        said = f"open the {kind} namespace {where}, to be joined"
        yield PARENT, Deed("namespace", said, path=where)
    yield PARENT, Deed("player", "put the native program into a sealed memory file")
    yield from ((PARENT, step) for step in plan.cgroup.parts()[1])
    yield from ((PARENT, step) for step in plan.restrictions())
    if plan.rootfs.change == "chroot":
        yield PARENT, _attach(plan, "on the host, ")


def _program(told: Forecast) -> Step:
    """Tell where the filter's program comes from and how large it is."""
    assert told.plan.filter is not None  # noqa: S101 - asked by the caller
    kept = f"{told.root}/@seccomp/{told.plan.filter.key()}"
    code = told.around.filter or b""
    size = f"{len(code) // 8} instructions, {len(code)} bytes"
    said = f"compile it and keep it as {kept}"
    if told.around.kept:
        said = f"take its program from {kept}"
    return Deed("program", f"{said} ({size})" if code else said, path=kept, bytes=len(code))


def _attach(plan: Plan, where: str) -> Step:
    said = f"{where}mount {plan.rootfs.directory} onto itself, with all mounts below it"
    return Deed("attach", said, path=plan.rootfs.directory)


def _bear(told: Forecast) -> Told:
    """Tell what parent.Birth._beget does."""
    plan = told.plan
    yield from told.wait_for("namespaces")
    yield from ((PARENT, step) for step in mapping.clone(plan))
    said = "let the child run on every processor, whatever the caller is bound to"
    yield PARENT, Deed("affinity", said)
    wanted = plan.config["process"].get("oomScoreAdj")
    if wanted is not None:
        yield PARENT, Deed("oom", f"set oom_score_adj to {wanted}", value=wanted)
    yield from ((PARENT, step) for step in mapping.write(plan))
    if not (plan.user and plan.network_devices):
        yield from _give(plan)


def _give(plan: Plan) -> Told:
    """Tell what endowment.give does; in a user namespace network devices wait for the child's."""
    if plan.rdt:
        yield PARENT, Deed("class", "put the child into the class of service")
    for step in plan.network_devices:
        yield PARENT, step


def _build(told: Forecast) -> Told:
    """Tell what init.main does up to the change of the root."""
    plan = told.plan
    yield CHILD, Deed("seal", "lead a session of its own, and load no more code from here on")
    if plan.user:
        yield from ((CHILD, step) for step in mapping.enter(plan))
        yield from _give(plan) if plan.network_devices else ()
    if plan.clocks:
        yield CHILD, plan.clocks
    yield CHILD, plan.namespaces
    if "network" in plan.namespaces.new:
        yield CHILD, Deed("loopback", "bring up the loopback interface")
    for name in plan.names:
        yield CHILD, name
    if plan.rootfs.change != "chroot":
        yield CHILD, _isolate(plan)
        yield from told.lend(plan.rootfs.directory)
        yield CHILD, _attach(plan, "")
    yield from _mount(told)
    for device in (*mapping.bind_devices(plan), *plan.devices):
        yield CHILD, device
    yield from _settle(told)


def _mount(told: Forecast) -> Told:
    """Tell the mount list."""
    for number, mount in enumerate(told.plan.mounts):
        yield from told.lend(mount.source if mount.kind == "bind" else "")
        yield CHILD, mount
        yield from told.wait_for(f"mount {number}", CHILD)


def _settle(told: Forecast) -> Told:
    """Tell the rest of it: what must be done while the old root is there."""
    plan = told.plan
    cwd = plan.config["process"]["cwd"]
    if cwd != "/":
        yield CHILD, Deed("cwd", f"make the directory {cwd}, if it is not there")
    if plan.sysctls or plan.labels:
        yield CHILD, Deed("procfs", "make a private procfs, over which nothing can be mounted")
    for hook in told.hooks("prestart", "createRuntime"):
        yield PARENT, hook
    for hook in told.hooks("createContainer"):
        yield CHILD, hook


def _isolate(plan: Plan) -> Step:
    wish = plan.rootfs.propagation
    kind = "private" if wish in _FIRM else "slaves, so that none reaches the host"
    said = f"make all mounts {kind}"
    if wish.endswith("shared"):
        said = f"make all mounts {wish}, but the one that holds the rootfs private"
    return Deed("isolate", said)


def _finish(told: Forecast) -> Told:
    """Tell what init.main does after the change of the root."""
    plan = told.plan
    yield CHILD, plan.rootfs
    yield from ((CHILD, step) for step in terminal.take(plan))
    for step in (*plan.sysctls, *plan.masks):
        yield CHILD, step
    for mount in plan.mounts:
        if mount.late:
            yield CHILD, Deed("readonly", f"now make {mount.destination} read-only")
    if plan.rootfs.propagation:
        yield CHILD, Deed("propagation", f"now make / {plan.rootfs.propagation}")
    if plan.rootfs.readonly:
        yield CHILD, Deed("readonly", "now make / read-only")
    if plan.keyring:
        yield CHILD, Deed("keyring", f"join a session keyring of its own, {plan.keyring}")
    yield CHILD, rehearsal.environment(told.order)
    yield CHILD, rehearsal.search(told.order)
    yield CHILD, Deed("script", "write the script of the native program, and say that it is ready")


def _release(told: Forecast) -> Told:
    """Tell what parent.Birth._release does."""
    for step in told.plan.limits:
        yield PARENT, step
    if "pid" not in told.plan.namespaces.paths:
        yield from _schedule(told)
    yield PARENT, Deed("state", "write state.json: from now on others can find the container")
    yield PARENT, Deed("proceed", "let the child go on")


def _schedule(told: Forecast) -> Told:
    if told.plan.scheduler:
        yield PARENT, told.plan.scheduler


def _shed(told: Forecast) -> Told:
    """Tell the script up to the wait, and what the parent does when it is told something."""
    yield CHILD, Deed("native", "become the native program, with its script")
    operations = script.compose(told.order)
    for operation in operations[: rehearsal.waiting(operations)]:
        yield NATIVE, operation
        if isinstance(operation, steps.Tell) and operation.word == "listener":
            agent = told.plan.filter.agent if told.plan.filter else None
            where = path.join(told.plan.bundle, agent[0]) if agent else ""
            yield PARENT, Deed("agent", f"give the listener to the agent at {where}", path=where)
        elif isinstance(operation, steps.Tell):
            yield PARENT, Deed("adopt", "take that process for the container's, write state.json")
            yield from _schedule(told)


def _end(_told: Forecast) -> Told:
    """Tell how the command ends."""
    yield PARENT, Deed("pid file", "write the pid file, if --pid-file asks for one, and end")


def _start(told: Forecast) -> Told:
    """Tell the rest of the script, and what start does."""
    yield START, Deed("go", f"remove {store.GO} and write one byte to it")
    operations = script.compose(told.order)
    for operation in operations[rehearsal.waiting(operations) :]:
        yield NATIVE, operation
    yield START, Deed("fate", f"hear by the end of {store.RESULT} that the payload runs")
    for hook in told.hooks("poststart"):
        yield START, hook


def _delete(told: Forecast) -> Told:
    """Tell what delete.remove does."""
    said = f"{told.plan.cgroup.removal} and {told.root}/{told.plan.id}"
    yield DELETE, Deed("remove", f"{said}, with all that is left in them")
    for hook in told.hooks("poststop"):
        yield DELETE, hook


_PHASES: tuple[tuple[str, Callable[[Forecast], Told]], ...] = (
    ("prepare", _prepare),
    ("birth", _bear),
    ("build", _build),
    ("finish", _finish),
    ("ready", _release),
    ("shed", _shed),
    ("created", _end),
    ("start", _start),
    ("delete", _delete),
)
