"""What few processes of `exec` are given: labels, a seccomp agent, scheduling, processors.

Loaded where the process or the container's config asks for one of these.
"""

from __future__ import annotations

import _struct
import posix

from pyruntime import jsonfile
from pyruntime.container import memory, status, steps, talk
from pyruntime.errors import doing
from pyruntime.kernel import door, path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.container.entering import Order
    from pyruntime.container.entrance import Entrance
    from pyruntime.container.steps import Operation
    from pyruntime.feature.scheduling import SchedulerStep
    from pyruntime.feature.seccomp import FilterStep
    from pyruntime.spec.shapes import Config, Process

_EPERM = 1
_SCORE = "/proc/self/oom_score_adj"
_AT_FDCWD = -100
_O_WRONLY_CLOEXEC = posix.O_WRONLY | posix.O_CLOEXEC
_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC
# A child of the maker would lose the policy, or could not be made.
_NOT_INHERITED = 0x01  # SCHED_FLAG_RESET_ON_FORK


class Gifts:
    """What one process is given.

    Attributes:
        scheduler: how the process is scheduled, where its maker cannot hand that on; else None.
    """

    __slots__ = ("scheduler",)

    def __init__(self, config: Config, asked: Process, order: Order) -> None:
        """Work out what is asked for and put it into the order.

        Raises:
            RuntimeFailure: what this host cannot give, with the key that asks for it.
        """
        whole: Any = {**config, "process": asked}
        self.scheduler: SchedulerStep | None = None
        if asked.get("scheduler"):
            self._schedule(whole, order)
        if (score := asked.get("oomScoreAdj")) is not None:
            order.early += _score(score)
        self._attributes(whole, asked, order)
        if asked.get("apparmorProfile") or asked.get("selinuxLabel"):
            self._labels(asked, order)

    def _schedule(self, whole: Config, order: Order) -> None:
        """Have the maker schedule itself, which the process inherits, or note it for later."""
        from pyruntime.feature import scheduling

        step = scheduling.plan(whole)
        if step.policy == "SCHED_DEADLINE" or step.flags & _NOT_INHERITED:
            self.scheduler = step
            return
        cure = scheduling.cures(step)[_EPERM]
        words = f"schedule the process by {step.policy} ({cure})"
        wish = (0, scheduling.packed(step), 0)
        order.early.append(steps.Call(step.describe(), "sched_setattr", wish, words))

    def _attributes(self, whole: Config, asked: Process, order: Order) -> None:
        """Put what a process sets on itself before the joins."""
        from pyruntime.feature import attributes

        order.extra = [
            steps.Call(step.said, step.call, step.arguments, step.words)
            for step in attributes.plan(whole)
        ]
        affinity: Any = asked.get("execCPUAffinity") or {}
        if affinity.get("initial"):
            with doing("run on the processors", affinity["initial"]):
                mask = _mask(affinity["initial"])
                door.call("sched_setaffinity", 0, len(mask), mask)
        if affinity.get("final"):
            order.processors = _mask(affinity["final"])

    def _labels(self, asked: Process, order: Order) -> None:
        """Put the labels; they are written through the caller's procfs, before the joins."""
        from pyruntime.feature import confinement

        order.labels = confinement.labels(confinement.plan(asked), confinement.look())
        with doing("open", "/proc"):
            order.procfs = posix.open("/proc", _DIRECTORY)

    def give_late(self, pid: int) -> None:
        """Schedule the process itself, where its maker could not hand that on.

        Raises:
            KernelError: the kernel refuses.
        """
        if self.scheduler:
            from pyruntime.feature import scheduling

            scheduling.apply(self.scheduler, pid)


def _score(score: int) -> list[Operation]:
    """Return the operations that set oom_score_adj, by the caller's procfs and before the joins."""
    words = f"set oom_score_adj to {score} (a lower one needs CAP_SYS_RESOURCE)"
    how = _struct.pack("<QQQ", _O_WRONLY_CLOEXEC, 0, 0)
    opened = steps.Call(
        "open its oom_score_adj", "openat2", (_AT_FDCWD, _SCORE, how, len(how)), words
    )
    file, text = memory.Result(opened), str(score).encode("ascii")
    return [
        opened,
        steps.Call(f"set oom_score_adj to {score}", "write", (file, text, len(text)), words),
        steps.Call("close it", "close", (file,)),
    ]


def _mask(text: str) -> bytes:
    """Return a list of processors as sched_setaffinity(2) takes it."""
    from pyruntime.spec import listformat

    mask = listformat.mask(text)
    return mask.to_bytes(-(-mask.bit_length() // 64) * 8, door.ORDER)


class Agent:
    """The seccomp agent that shall have the listener of this process's filter, and the talk of it.

    The maker of the process loads the filter, since it can tell its descriptor's number; so its pid
    is told: the process itself cannot be made before the agent is there.
    """

    __slots__ = ("line", "makers_end", "metadata", "place", "state")

    def __init__(self, step: FilterStep, way: Entrance, order: Order) -> None:
        """Prepare it.

        Raises:
            Unsupported: this kernel does not know a flag of the filter.
        """
        from pyruntime.feature import host, listener

        listener.require_flags(step, host.look().release)
        self.place, self.metadata = step.agent or ("", "")
        self.state = way.saved
        self.line, self.makers_end = talk.pair()
        order.listens, order.sync = True, self.makers_end.fileno()

    def serve(self, pid: int, pidfd: int) -> None:
        """Give the agent the listener, if the maker comes so far; then let the maker go on.

        Raises:
            RuntimeFailure: nobody takes it.
        """
        self.makers_end.close()
        try:
            message = self.line.hear()
            if message is not None and message[0] == "listener":
                self._hand_over(pid, pidfd, message[1])
        finally:
            self.line.close()  # a maker that still waits ends by that

    def _hand_over(self, pid: int, pidfd: int, digits: str) -> None:
        from pyruntime.feature import listener

        told: dict[str, object] = {
            "ociVersion": self.state["ociVersion"],
            "fds": [listener.NAME],
            "pid": pid,
            "state": status.document(self.state, status.RUNNING, self.state["pid"]),
        }
        if self.metadata:
            told["metadata"] = self.metadata
        taken = listener.take(pidfd, digits)
        try:
            agent = path.join(self.state["bundle"], self.place)
            listener.send(agent, jsonfile.encode(told), taken)
        finally:
            posix.close(taken)  # a copy of ours would outlive the agent
        self.line.say("proceed")
