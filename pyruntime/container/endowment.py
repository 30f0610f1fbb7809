"""What the parent gives to the few containers that ask for more than the ordinary.

Labels of security modules, a class of service, network devices, a seccomp agent, a terminal; and
to its caller a pidfd, to a service manager what the payload says. The modules that the child needs
for its part are loaded here, before it is made: it can load nothing itself.
"""

from __future__ import annotations

import posix

from pyruntime import jsonfile
from pyruntime.container import status
from pyruntime.errors import doing
from pyruntime.kernel import namespace, path, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from pyruntime.container.notify import Notices
    from pyruntime.container.parent import Birth
    from pyruntime.feature.netdevice import Moved
    from pyruntime.feature.rdt import Made
    from pyruntime.feature.terminal import TerminalStep


class Endowment:
    """What one birth was given."""

    __slots__ = ("agent", "birth", "groups", "listener", "master", "network", "notices")

    def __init__(self, birth: Birth) -> None:
        self.birth = birth
        self.agent = birth.plan.filter.agent if birth.plan.filter else None
        self.groups: Made | None = None
        self.network: Moved | None = None
        self.listener: _socket.socket | None = None
        self.master = -1
        self.notices: Notices | None = None

    def prepare(self) -> None:
        """Make what must exist before the child, and refuse what this host cannot give.

        Raises:
            RuntimeFailure: what is missing, with the key of the config that asks for it.
        """
        plan, gifts = self.birth.plan, self.birth.gifts
        if plan.terminal:
            self._open_console(plan.terminal)
        if plan.wishes.pidfd_socket:
            from pyruntime.container import pidfdsocket

            self.listener = pidfdsocket.connect(plan.wishes.pidfd_socket)
        if plan.wishes.notify:
            self._listen(plan.wishes.notify)
        if plan.labels:
            from pyruntime.container import labelling  # noqa: F401 - the child can load nothing
            from pyruntime.feature import confinement, procfs  # noqa: F401

            gifts.labels = confinement.labels(plan.labels, confinement.look())
        if plan.filter and self.agent:
            from pyruntime.container import listening  # noqa: F401 - the child can load nothing
            from pyruntime.feature import listener

            listener.require_flags(plan.filter, plan.host.release)
        if plan.rdt:
            from pyruntime.feature import rdt

            self.groups = rdt.Made(plan.rdt, rdt.find())
            self.birth.undoing.append((self.groups.unmake, True))
            self.groups.make(self._trace)
            self._trace(self.groups.own)

    def _open_console(self, step: TerminalStep) -> None:
        """Connect whoever is to have the master with the child, and say what that is to open.

        In the foreground it is this process, and the size is that of the caller's terminal.
        """
        from pyruntime.container import console

        gifts, wishes = self.birth.gifts, self.birth.plan.wishes
        gifts.terminal = step
        if wishes.console_socket:
            gifts.console = console.connect(wishes.console_socket)
            return
        with console.callers() as terminal:
            gifts.terminal = console.fitted(step, terminal)
        self.master, gifts.console = console.pair()
        gifts.parents.append(self.master)

    def _listen(self, manager: str) -> None:
        """Make the directory of the socket for sd_notify(3); `start` listens for itself."""
        from pyruntime.container import notify

        birth = self.birth
        notify.make_directory(birth.entry)
        birth.gifts.activation.append(notify.word())
        if not birth.plan.wishes.waits:
            self.notices = notify.Notices(birth.entry, manager)
            birth.gifts.parents.append(self.notices.socket.fileno())

    def _trace(self, groups: list[str]) -> None:
        """Note groups of resctrl for delete, before they are made."""
        state = self.birth.state
        if groups != state.get("resctrl", []):
            state["resctrl"] = groups
            self.birth.entry.trace(state)

    def give(self) -> None:
        """Give the child what it must have before it does anything of its own.

        Raises:
            RuntimeFailure: why that cannot be.
        """
        birth = self.birth
        if self.groups:
            self.groups.enter(birth.pid)
        if birth.plan.network_devices:
            from pyruntime.feature import netdevice

            self.network = netdevice.Moved(self._network_namespace())
            birth.undoing.append((self.network.bring_back, False))  # while the child lives
            for step in birth.plan.network_devices:
                self.network.move(step)
            birth.line.let_go_on("given")

    def _network_namespace(self) -> int:
        """Open the network namespace of the container, in which the child may not be yet."""
        joined = self.birth.plan.namespaces.paths.get("network")
        place = joined or f"/proc/{self.birth.pid}/ns/net"
        with doing("open the network namespace", place):
            return namespace.open_typed(place, process.CLONE_NEWNET)

    def hand_over(self, digits: str) -> None:
        """Give the listener of the filter to the seccomp agent, then let the child go on.

        The order is the point: from here on the child may wait for what the agent answers. In a
        joined pid namespace a filter that is loaded early belongs to the maker of the container's
        process, and its pid is told: the process itself cannot be made before the agent is there.

        Raises:
            RuntimeFailure: it cannot be taken, or nobody takes it.
        """
        from pyruntime.feature import listener

        birth, (agent, metadata) = self.birth, self.agent or ("", "")
        told: dict[str, object] = {
            "ociVersion": birth.state["ociVersion"],
            "fds": [listener.NAME],
            "pid": birth.pid,
            "state": status.document(birth.state, status.CREATING, birth.pid),
        }
        if metadata:
            told["metadata"] = metadata
        taken = listener.take(birth.pidfd, digits)
        try:
            listener.send(path.join(birth.plan.bundle, agent), jsonfile.encode(told), taken)
        finally:
            posix.close(taken)  # a copy of ours would outlive the agent
        birth.line.say("proceed")

    def deliver(self) -> None:
        """Send what the container's process is known by, and take what it sent.

        Raises:
            RuntimeFailure: nobody takes it, or nothing was sent.
        """
        if self.listener is not None:
            from pyruntime.container import pidfdsocket

            pidfdsocket.send(self.listener, self.birth.pidfd)
        if self.master >= 0:
            from pyruntime.container import console

            self.master = console.receive(self.master)

    def settle(self) -> None:
        """Let the container keep its network devices: from now on it exists."""
        if self.network is not None:
            self.network.stay()
