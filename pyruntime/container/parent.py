"""A container's birth, told by the parent: what must exist before the child, and what it asks for.

Everything that is made has its undoing noted in the same breath; a failure at any point undoes in
reverse order, so that nothing is left: no process, cgroup, mount or file.
"""

from __future__ import annotations

import errno
import posix

from pyruntime import errors
from pyruntime.container import activation, claim, init, player, status, talk
from pyruntime.container.gifts import Gifts
from pyruntime.errors import doing
from pyruntime.feature import namespaces
from pyruntime.feature.cgroup import filesystem as cgroup
from pyruntime.kernel import memfd, process
from pyruntime.kernel import pidfd as pidfds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyruntime.container.caller import Caller
    from pyruntime.container.claim import Claim
    from pyruntime.container.endowment import Endowment
    from pyruntime.container.mapping import Mapping
    from pyruntime.container.plan import Plan

_LIMIT_CURES = {errno.EPERM: "raising a hard limit needs CAP_SYS_RESOURCE"}
_SCORE_CURES = {errno.EACCES: "to lower it needs CAP_SYS_RESOURCE"}
_CGROUP_CURES = {
    errno.EACCES: "the cgroup is not delegated to this user",
    errno.EBUSY: "the cgroup has child cgroups with controllers",
    errno.EPERM: "creating containers needs root, or a new user namespace: see spec --rootless",
    errno.ENOSPC: "a limit on the number of namespaces is reached: see /proc/sys/user",
    errno.EAGAIN: "a limit on the number of processes is reached",
    errno.ENOMEM: "has the init of the pid namespace to join ended?",
}


class Birth:
    """The parent's side of one birth: the state that grows and the way back."""

    __slots__ = (
        "caller", "ending", "endowment", "entry", "gifts", "line", "lock", "mapping",
        "pid", "pidfd", "place", "plan", "state", "undoing",
    )  # fmt: skip

    def __init__(
        self, entry: Claim, lock: int, plan: Plan, caller: Caller, ending: int = -1
    ) -> None:
        self.entry, self.lock, self.plan, self.caller = entry, lock, plan, caller
        self.ending = ending
        self.undoing: list[tuple[Callable[[], object], bool]] = []  # and: acts on names
        self.pid = self.pidfd = -1
        self.place = plan.cgroup.place(ending)
        self.state = claim.first_state(plan)
        self.gifts = Gifts(self.state)
        self.gifts.parents += [each for each in (lock, ending) if each >= 0]
        self.line: talk.Line
        self.endowment: Endowment | None = None
        self.mapping: Mapping | None = None

    def happen(self, root: str, raw: bytes) -> None:
        """Bring the container to life up to its native program's wait (or, in run, its execve).

        Args:
            root: of all states.
            raw: the bytes of config.json, kept as they were.

        Raises:
            RuntimeFailure: why it could not; everything is undone.
        """
        try:
            self._prepare(root, raw)
            self._beget()
            self._serve()
        except BaseException:
            self.undo()
            raise

    def _prepare(self, root: str, raw: bytes) -> None:
        """Make what the child is born into: state directory, filter, fifos, cgroup."""
        plan, gifts = self.plan, self.gifts
        self.undoing.append((self.entry.remove, True))
        self.entry.trace(self.state)
        self.undoing.append((self.place.unmake, True))
        self.place.begin()
        if plan.filter:
            from pyruntime.feature import seccomp

            gifts.filter = seccomp.program(plan.filter, f"{root}/@seccomp")
        if plan.asks_for_more():
            from pyruntime.container import endowment

            self.endowment = endowment.Endowment(self)
            self.endowment.prepare()
        if plan.user:
            from pyruntime.container import mapping

            self.mapping = mapping.Mapping(self, plan.user)
        if any(plan.hooks.values()):
            from pyruntime.container import afterlife  # noqa: F401 - the child can load nothing
        gifts.activation += activation.words(self.caller)
        if plan.wishes.waits:
            gifts.go, gifts.result = self.entry.make_fifos()
        gifts.namespaces = namespaces.open_paths(plan.namespaces)
        if plan.sysctls and plan.namespaces.paths:
            from pyruntime.feature import sysctl

            sysctl.refuse_callers(plan.sysctls, plan.namespaces.paths)
        with doing("put the native program into memory"):
            gifts.player = memfd.sealed("pyruntime", player.player(), executable=True)
        self._make_cgroup()
        self.entry.write("config.json", raw)  # which says that the cgroup is ours, see delete.py
        if plan.rootfs.change == "chroot":
            self._mount_on_host()

    def _make_cgroup(self) -> None:
        """Make the cgroup with its limits and device rules, before anything can run in it."""
        plan, place = self.plan, self.place
        place.make()
        cgroup.restrict(plan.cgroup, place.descriptor, plan.device_rules, plan.resources)
        place.make_room()
        if place.descriptor < 0:
            self.state["cgroup"] = ""

    def _mount_on_host(self) -> None:
        """Mount the rootfs of a container without a mount namespace, noted by its mount's id."""
        from pyruntime.feature import hostroot

        self.gifts.root, self.state["mounted"] = hostroot.attach(self.plan.rootfs)
        self.undoing.append((lambda: hostroot.take_off(self.state["mounted"]), False))
        self.entry.trace(self.state)

    def _beget(self) -> None:
        """Make the child; it never returns from here."""
        plan, gifts = self.plan, self.gifts
        if not process.is_single_threaded():
            raise errors.RuntimeFailure("create needs a process with one thread")
        with doing("make a socket pair"):
            self.line, childs_end = talk.pair(self.ending)
        gifts.parents += [each for each in (self.place.descriptor, self.line.fileno()) if each >= 0]
        with doing("create the container's init", "", _CGROUP_CURES):
            clone = self.mapping.clone if self.mapping else process.clone3
            self.pid, self.pidfd = clone(plan.namespaces.clone_flags(), self.place.descriptor)
        if self.pid == 0:
            init.main(plan, childs_end, gifts)
        self.undoing.append((self._end_child, False))
        childs_end.close()
        gifts.let_go()
        self.state["pid"] = self.pid
        self._set_from_outside()
        if self.mapping:
            self.mapping.write()
        if self.endowment and not (self.mapping and plan.network_devices):
            self.endowment.give()

    def _set_from_outside(self) -> None:
        """Set what only the host may: process.oomScoreAdj, and all processors to run on.

        A caller may be pinned to some; with runc a container is not, and its cpuset bounds it all
        the same. The child is busy meanwhile, so that nobody waits for this. It comes before the
        maps, with which the child's files in /proc get another owner.
        """
        try:
            process.allow_every_processor(self.pid)
        except OSError as error:
            from pyruntime import log

            why = errors.reason(error.errno or 0)
            log.warning(f"the container keeps the caller's CPU affinity: sched_setaffinity: {why}")
        wanted = self.plan.config["process"].get("oomScoreAdj")
        if wanted is not None:
            with doing("set oom_score_adj to", str(wanted), _SCORE_CURES):
                process.adjust_oom_score(self.pid, wanted)

    def _serve(self) -> None:
        """Answer the child until it closes its end: the native program waits, or has executed."""
        replies = {"hooks": self._run_hooks, "ready": self._release, "pid": self._adopt}
        expected = self.plan.words()
        if self.endowment:
            replies["listener"] = self.endowment.hand_over
        if self.mapping:
            replies["entered"] = self.mapping.give
        try:
            while (message := self.line.hear()) is not None:
                word, text = message
                if word == "failed":
                    raise errors.ChildFailed(text)
                if word == "source" and self.mapping and "ready" in expected:
                    self.mapping.lend(text)
                    continue
                if expected[:1] != [word]:
                    raise errors.ChildFailed(f"the container's init said {word!r} out of turn")
                del expected[0]
                replies[word](text)
        except BrokenPipeError:
            expected.append("ready")
        self.line.close()
        if expected:
            raise errors.ChildFailed(_silence(expected[0]))
        self._check_alive()

    def _run_hooks(self, _text: str) -> None:
        """Run the hooks of the caller's namespaces."""
        self.run_hooks("prestart", status.CREATED)  # their status is that of runtime-spec 1.0
        self.run_hooks("createRuntime", status.CREATING)
        self.line.say("hooked")

    def settle(self) -> None:
        """Give the lock back: the container exists."""
        lock, self.lock = self.lock, -1
        posix.close(lock)
        if self.endowment:
            self.endowment.settle()

    def run_hooks(self, name: str, word: str) -> None:
        """Run the hooks of one name in the caller's namespaces.

        Raises:
            HookFailed: one of them failed; of poststop hooks it is only warned.
        """
        if self.plan.hooks[name]:
            from pyruntime.container import afterlife

            ending = -1 if word == status.STOPPED else self.ending
            afterlife.run_hooks(self.plan.hooks[name], self.state, word, self.caller, ending)

    def _release(self, _text: str) -> None:
        """Set the limits that only the parent may set, save the state, let the child go on."""
        for step in self.plan.limits:
            with doing("set the limit", step.name, _LIMIT_CURES):
                process.prlimit(self.pid, step.number, step.soft, step.hard)
        if "pid" not in self.plan.namespaces.paths:
            self._schedule()
        self._save()
        self.line.say("proceed")

    def _schedule(self) -> None:
        """Set process.scheduler, when the process has no more to fork: a deadline one could not."""
        if self.plan.scheduler:
            from pyruntime.feature import scheduling

            scheduling.apply(self.plan.scheduler, self.pid)

    def _adopt(self, digits: str) -> None:
        """Take the process in the joined pid namespace for the container's."""
        from pyruntime.container import adopting

        adopting.adopt(self, digits)
        self._schedule()
        self._save()
        self.line.say("proceed")

    def _save(self) -> None:
        """Write state.json, before the payload may run: from now on others can find it."""
        self.place.let_go()
        known = pidfds.stat(self.pid)
        self.state["pid"] = self.pid
        self.state["start_time"] = known[1] if known else 0
        self.entry.save(self.state)

    def _check_alive(self) -> None:
        """End of file also comes when the native program was killed, by its own filter say."""
        if not self.plan.wishes.waits:
            return
        patience = 0 if pidfds.is_ending(self.pid) else posix.WNOHANG
        waiting = posix.waitid(posix.P_PIDFD, self.pidfd, posix.WEXITED | posix.WNOWAIT | patience)
        if waiting is not None:
            raise errors.ChildFailed(
                "the container's init was killed before it could wait for start"
                f" (signal {waiting.si_status}); does the seccomp profile allow read, close,"
                " execve, write and exit_group?"
            )

    def _end_child(self) -> None:
        """Kill the child and all that came of it, and reap it."""
        from pyruntime.container import undoing

        undoing.end_child(self)

    def undo(self) -> None:
        """Undo everything in reverse order; what cannot be undone is said, and the rest goes on."""
        if self.pid < 0:
            self.place.let_go()  # else it is asked yet whom the OOM killer took there
        self.gifts.let_go()
        from pyruntime.container import undoing  # needs a descriptor, of which there may be no more

        undoing.undo(self)


def _silence(word: str) -> str:
    """Say what it means that the child ended before it said `word`."""
    told = "container's init was killed while it was made"
    return told + ("; does the seccomp profile allow write?" if word == "listener" else "")
