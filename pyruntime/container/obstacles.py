"""Why a step of a plan could not be taken by this caller on this machine, as far as can be seen.

Capabilities, missing files and missing parts of the kernel. What only the kernel can tell when it
is asked (a locked flag, a full disk, a value that is refused) is not foreseen.
"""

from __future__ import annotations

from pyruntime import errors
from pyruntime.container import awaited, steps
from pyruntime.container import obstacles_mapping as mapping
from pyruntime.container.plan import NameStep
from pyruntime.feature import (
    capabilities,
    clocks,
    confinement,
    devices,
    hooks,
    listener,
    masks,
    mounts,
    namespaces,
    netdevice,
    rdt,
    rootfs,
    scheduling,
    seccomp,
    sysctl,
)
from pyruntime.feature.cgroup import devices as device_rules
from pyruntime.feature.cgroup import filesystem as cgroup
from pyruntime.feature.cgroup import unit
from pyruntime.feature.cgroup.limits import WriteStep
from pyruntime.feature.rlimits import LimitStep
from pyruntime.feature.step import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyruntime.container.plan import Plan
    from pyruntime.container.surroundings import Surroundings

_PR_CAPBSET_DROP = 24
_IOPRIO_CLASS_SHIFT, _IOPRIO_CLASS_RT = 13, 1
_WISHED_FOR_REALTIME = ("SCHED_DEADLINE", "SCHED_FIFO", "SCHED_RR")


class Deed(Step):
    """Something that create does and that is no step of the plan: its kind, words and values."""

    __slots__ = ("kind", "said", "values")

    def __init__(self, kind: str, said: str, **values: Any) -> None:
        self.kind, self.said, self.values = kind, said, values

    def describe(self) -> str:
        """Return the sentence."""
        return self.said


def of(step: Step, plan: Plan, around: Surroundings) -> str:
    """Return why a step could not be taken, "" if nothing is in the way."""
    judge = _DEEDS.get(step.kind) if isinstance(step, Deed) else _STEPS.get(type(step))
    return judge(step, plan, around) if judge else ""


def _lacks(around: Surroundings, *names: str) -> str:
    return around.lacks(*names)


def _administration(_step: Any, _plan: Plan, around: Surroundings) -> str:
    return _lacks(around, "CAP_SYS_ADMIN")


def _fault(step: Any, _plan: Plan, around: Surroundings) -> str:
    """Say what is wrong with the path of a step."""
    where = step.values["path"] if isinstance(step, Deed) else step.path
    return around.faults.get(where, "")


def _attach(step: Any, plan: Plan, around: Surroundings) -> str:
    return _fault(step, plan, around) or _lacks(around, "CAP_SYS_ADMIN")


def _named(name: str) -> Callable[[Any, Plan, Surroundings], str]:
    """Return a judge of what the surroundings know by a name."""
    return lambda _step, _plan, around: around.faults.get(name, "")


def _clone(_step: Any, plan: Plan, around: Surroundings) -> str:
    needed = plan.namespaces.new and not plan.user  # user_namespaces(7): nobody needs any for that
    return _lacks(around, "CAP_SYS_ADMIN") if needed else ""


def _namespaces(step: Any, _plan: Plan, around: Surroundings) -> str:
    needed = ["CAP_SYS_ADMIN"] * bool(step.new or step.paths)
    return _lacks(around, *needed, *["CAP_SYS_CHROOT"] * ("mount" in step.paths))


def _cgroup(step: Any, _plan: Plan, around: Surroundings) -> str:
    missing = "no cgroup v2 hierarchy is mounted at /sys/fs/cgroup or below it"
    fault = around.faults.get(step.directory, "") if around.host.cgroup_root else missing
    spared = getattr(step, "spare", "") == "rootless" and (around.host.euid or around.nested)
    return f"{fault}: create goes on without a cgroup" if fault and spared else fault


def _device_rules(step: Any, _plan: Plan, around: Surroundings) -> str:
    """Judge the device program; some do without: see device_rules.apply."""
    spared = around.nested or around.host.euid != 0
    if not step.required or spared or not _lacks(around, "CAP_SYS_ADMIN"):
        return ""
    return _lacks(around, "CAP_BPF", "CAP_NET_ADMIN")


def _mount(step: Any, _plan: Plan, around: Surroundings) -> str:
    missing = around.faults.get(step.source, "") if step.kind == "bind" else ""
    return missing or _lacks(around, "CAP_SYS_ADMIN")


def _device(step: Any, _plan: Plan, around: Surroundings) -> str:
    """Judge a node; where it may not be made the host's is bound."""
    if _lacks(around, "CAP_MKNOD") and _lacks(around, "CAP_SYS_ADMIN"):
        return "needs CAP_MKNOD"
    return _lacks(around, "CAP_CHOWN") if step.owner != (0, 0) else ""


def _root(step: Any, _plan: Plan, around: Surroundings) -> str:
    needed = {"pivot": ("CAP_SYS_ADMIN",), "move": ("CAP_SYS_ADMIN", "CAP_SYS_CHROOT")}
    return _lacks(around, *needed.get(step.change, ("CAP_SYS_CHROOT",)))


def _sysctl(step: Any, _plan: Plan, around: Surroundings) -> str:
    if around.host.euid == 0:
        return ""
    return _lacks(around, "CAP_NET_ADMIN") if step.file.startswith("sys/net/") else "needs root"


def _hook(step: Any, plan: Plan, around: Surroundings) -> str:
    return _fault(step, plan, around) if step.name != "startContainer" else ""


def _limit(step: Any, _plan: Plan, around: Surroundings) -> str:
    raised = step.hard > around.limits.get(step.name, step.hard)
    return _lacks(around, "CAP_SYS_RESOURCE") if raised else ""


def _oom(step: Any, _plan: Plan, around: Surroundings) -> str:
    lowered = step.values["value"] < around.oom_score
    return _lacks(around, "CAP_SYS_RESOURCE") if lowered else ""


def _scheduler(step: Any, _plan: Plan, around: Surroundings) -> str:
    raised = step.policy in _WISHED_FOR_REALTIME or step.nice < 0
    return _lacks(around, "CAP_SYS_NICE") if raised else ""


def _network_device(step: Any, _plan: Plan, around: Surroundings) -> str:
    if around.host.euid != 0:
        return "linux.netDevices are not supported for rootless containers"
    return around.faults.get(step.name, "") or _lacks(around, "CAP_NET_ADMIN")


def _module(step: Any, _plan: Plan, around: Surroundings) -> str:
    try:
        confinement.labels([step.values["label"]], around.modules)
    except errors.Unsupported as refusal:
        return refusal.say().removeprefix(f"{step.values['label'].key}: ")
    return ""


def _selinux(_step: Any, _plan: Plan, around: Surroundings) -> str:
    told = "SELinux is off on this host: create warns of it, and the mounts bear no label"
    return "" if around.selinux else told


def _filter(step: Any, _plan: Plan, around: Surroundings) -> str:
    """Judge a profile: it must be compiled, and a listener's flags must be known here."""
    if step.agent is not None:
        try:
            listener.require_flags(step, around.host.release)
        except errors.Unsupported as refusal:
            return refusal.say()
    return around.faults.get("the seccomp filter", "")


def _call(step: Any, plan: Plan, around: Surroundings) -> str:
    """Judge a system call of the native program."""
    judge = _CALLS.get(step.name)
    return judge(step, plan, around) if judge else ""


def _become(name: str, kind: str) -> Callable[[Any, Plan, Surroundings], str]:
    """Return a judge of a change of ids, which are free where they are the caller's already."""

    def judge(step: Any, _plan: Plan, around: Surroundings) -> str:
        own = around.host.euid if kind == "uid" else around.gid
        return "" if step.arguments[0] == own else _lacks(around, name)

    return judge


def _load(_step: Any, plan: Plan, around: Surroundings) -> str:
    late = plan.config["process"].get("noNewPrivileges", False)
    needed = "" if late else _lacks(around, "CAP_SYS_ADMIN")
    return around.faults.get("the seccomp filter", "") or needed


def _prctl(step: Any, _plan: Plan, around: Surroundings) -> str:
    return _lacks(around, "CAP_SETPCAP") if step.arguments[0] == _PR_CAPBSET_DROP else ""


def _capset(_step: Any, plan: Plan, around: Surroundings) -> str:
    """Judge the sets: nobody may give what he does not have."""
    missing = (plan.capabilities.permitted if plan.capabilities else 0) & ~around.capabilities
    return _lacks(around, *map(capabilities.name, capabilities.members(missing)))


def _ioprio(step: Any, _plan: Plan, around: Surroundings) -> str:
    realtime = step.arguments[2] >> _IOPRIO_CLASS_SHIFT == _IOPRIO_CLASS_RT
    if realtime and (around.nested or _lacks(around, "CAP_SYS_ADMIN")):
        return _lacks(around, "CAP_SYS_NICE")
    return ""


def _execute(step: Any, _plan: Plan, _around: Surroundings) -> str:
    if step.candidates:
        return ""
    return f'exec: "{step.args[0]}": executable file not found in $PATH, which config.json lacks'


def _agent(step: Any, _plan: Plan, around: Surroundings) -> str:
    return around.faults.get(step.values["path"], "") or _lacks(around, "CAP_SYS_PTRACE")


_CALLS: dict[str, Callable[[Any, Plan, Surroundings], str]] = {
    "setgroups": lambda _step, _plan, around: _lacks(around, "CAP_SETGID"),
    "setresgid": _become("CAP_SETGID", "gid"),
    "setresuid": _become("CAP_SETUID", "uid"),
    "seccomp": _load,
    "prctl": _prctl,
    "capset": _capset,
    "setns": _administration,
    "ioprio_set": _ioprio,
}
_MOUNTING = ("isolate", "procfs", "console", "readonly", "propagation")
_DEEDS: dict[str, Callable[[Any, Plan, Surroundings], str]] = {
    **dict.fromkeys(_MOUNTING, _administration),
    "selinux": _selinux,
    "rootfs": _fault,
    "claim": _fault,
    "program": _named("the seccomp filter"),
    "module": _module,
    "namespace": _fault,
    "player": _named("the native program"),
    "attach": lambda *known: _named("the rootfs inside")(*known) or _attach(*known),
    "clone": _clone,
    "join": _attach,
    "lend": mapping.lend,
    "maps": mapping.maps,
    "ownership": mapping.ownership,
    "oom": _oom,
    "loopback": lambda _step, _plan, around: _lacks(around, "CAP_NET_ADMIN"),
    "agent": _agent,
}
_STEPS: dict[type, Callable[[Any, Plan, Surroundings], str]] = {
    awaited.AwaitedStep: lambda _step, _plan, _around: awaited.NOT_YET,
    LimitStep: _limit,
    NameStep: _administration,
    cgroup.CgroupStep: _cgroup,
    clocks.ClocksStep: _administration,
    device_rules.DeviceStep: _device_rules,
    devices.DeviceStep: _device,
    hooks.HookStep: _hook,
    WriteStep: lambda step, _plan, around: around.faults.get(step.file, ""),
    masks.MaskStep: _administration,
    masks.ReadonlyPathStep: _administration,
    mounts.MountStep: _mount,
    namespaces.NamespacesStep: _namespaces,
    netdevice.NetDeviceStep: _network_device,
    rdt.RdtStep: _named("resctrl"),
    rootfs.RootfsStep: _root,
    scheduling.SchedulerStep: _scheduler,
    seccomp.FilterStep: _filter,
    steps.Call: _call,
    steps.Execute: _execute,
    sysctl.SysctlStep: _sysctl,
    unit.ScopeStep: _cgroup,
}
