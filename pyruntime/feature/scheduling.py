"""How the process is scheduled, from process.scheduler. Loaded only where that is given.

The parent sets it from outside, when it sets the limits (parent.py): raising it is a right of the
host, CAP_SYS_NICE in the first user namespace; and what Python does in the child, slowly under a
small share, is nearly done then. A deadline process cannot fork, so what forks comes before.
"""

from __future__ import annotations

import errno

from pyruntime.errors import doing
from pyruntime.feature.step import Step
from pyruntime.kernel import scheduler
from pyruntime.spec import processwords

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.spec.shapes import Config

_CURES = {
    errno.EINVAL: "see sched_setattr(2) for what the policy allows",
    errno.EBUSY: "deadline processes have been promised all the processor time there is for them",
    errno.EOPNOTSUPP: "this kernel was built without utilization clamping",
}
_ALL_PROCESSORS = (
    "process scheduler can't be used together with AllowedCPUs: a deadline process needs all"
    " processors, linux.resources.cpu.cpus leaves it some"
)
_DENIED = {
    "SCHED_DEADLINE": "it needs CAP_SYS_NICE, and a cpuset of all processors",
    "SCHED_FIFO": "it needs CAP_SYS_NICE, and a cgroup with real-time bandwidth",
    "SCHED_RR": "it needs CAP_SYS_NICE, and a cgroup with real-time bandwidth",
}


class SchedulerStep(Step):
    """Schedule the process by `policy`; `times` are runtime, deadline, period in nanoseconds.

    `flags` is the sum of SCHED_FLAG_…; `confined` tells whether the container has a cpuset.
    """

    __slots__ = ("confined", "flags", "nice", "policy", "priority", "times")

    def __init__(
        self,
        policy: str,
        *,
        nice: int,
        priority: int,
        flags: int,
        times: tuple[int, int, int],
        confined: bool,
    ) -> None:
        self.policy, self.nice, self.priority = policy, nice, priority
        self.flags, self.times, self.confined = flags, times, confined

    def describe(self) -> str:
        """Name the policy and what it is given."""
        told = [f"nice {self.nice}"] if self.nice else []
        told += [f"priority {self.priority}"] if self.priority else []
        if any(self.times):
            told.append("runtime {} deadline {} period {} ns".format(*self.times))
        words = processwords.SCHEDULER_FLAGS.items()
        told += [name for name, flag in words if self.flags & flag]
        return ", ".join([f"schedule by {self.policy}", *told])


def plan(config: Config) -> SchedulerStep:
    """Work out process.scheduler of a checked config that has it; what is not set is 0."""
    wish = config["process"]["scheduler"]
    resources = config.get("linux", {}).get("resources", {})
    return SchedulerStep(
        wish["policy"],
        nice=wish.get("nice", 0),
        priority=wish.get("priority", 0),
        flags=sum({processwords.SCHEDULER_FLAGS[name] for name in wish.get("flags", ())}),
        times=(wish.get("runtime", 0), wish.get("deadline", 0), wish.get("period", 0)),
        confined=bool(resources.get("cpu", {}).get("cpus")),
    )


def cures(step: SchedulerStep) -> dict[int, str]:
    """Return what each errno means for this wish."""
    denied = _DENIED.get(step.policy, "a lower nice value needs CAP_SYS_NICE")
    if step.confined and step.policy == "SCHED_DEADLINE":
        denied = _ALL_PROCESSORS
    invalid = {errno.EINVAL: "Linux has no such policy"} if step.policy == "SCHED_ISO" else {}
    return _CURES | {errno.EPERM: denied} | invalid


def apply(step: SchedulerStep, pid: int) -> None:
    """Schedule the process `pid` so.

    Raises:
        KernelError: the kernel refuses, with the cure where it is known.
    """
    with doing("schedule the process by", step.policy, cures(step)):
        scheduler.set_attributes(pid, **_attributes(step))


def packed(step: SchedulerStep) -> bytes:
    """Return the wish as sched_setattr(2) takes it, for a process that sets it on itself."""
    return scheduler.packed(**_attributes(step))


def _attributes(step: SchedulerStep) -> Any:
    return {
        "policy": processwords.POLICIES[step.policy],
        "flags": step.flags,
        "nice": step.nice,
        "priority": step.priority,
        "times": step.times,
    }
