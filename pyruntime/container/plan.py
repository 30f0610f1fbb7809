"""The whole of a container worked out from (config, host), before anything is done."""

from __future__ import annotations

from pyruntime.feature import (
    capabilities,
    devices,
    hooks,
    masks,
    mounts,
    namespaces,
    rlimits,
    rootfs,
)
from pyruntime.feature.cgroup import devices as device_rules
from pyruntime.feature.cgroup import filesystem as cgroup
from pyruntime.feature.step import Step
from pyruntime.spec import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.attributes import AttributeStep
    from pyruntime.feature.cgroup.devices import DeviceStep
    from pyruntime.feature.cgroup.filesystem import CgroupStep
    from pyruntime.feature.cgroup.unit import ScopeStep
    from pyruntime.feature.clocks import ClocksStep
    from pyruntime.feature.confinement import LabelStep
    from pyruntime.feature.host import Host
    from pyruntime.feature.namespaces import NamespacesStep
    from pyruntime.feature.netdevice import NetDeviceStep
    from pyruntime.feature.rdt import RdtStep
    from pyruntime.feature.scheduling import SchedulerStep
    from pyruntime.feature.seccomp import FilterStep
    from pyruntime.feature.sysctl import SysctlStep
    from pyruntime.feature.terminal import TerminalStep
    from pyruntime.feature.usernamespace import UserNamespaceStep
    from pyruntime.spec.shapes import Config, IntelRdt, NetDevice, Process, Resources, Seccomp

_LIMITS = ("memory", "cpu", "pids", "blockIO", "hugepageLimits", "rdma", "unified")


class NameStep(Step):
    """Set the host name or the domain name."""

    __slots__ = ("call", "name")

    def __init__(self, call: str, name: str) -> None:
        self.call, self.name = call, name

    def describe(self) -> str:
        """Say which name."""
        kind = "host" if self.call == "sethostname" else "domain"
        return f"set the {kind} name to {self.name}"


class Wishes:
    """What the caller asked for beside the config: the flags of create and run.

    `cgroups` is who makes them ("cgroupfs", "systemd", "disabled"), `rootless` whether to go on
    without one that may not be made ("true", "false", else for a caller without root or in a user
    namespace). `notify` is where a service manager listens, "" for none.
    """

    __slots__ = (
        "cgroups", "console_socket", "detached", "no_new_keyring", "no_pivot", "notify",
        "pidfd_socket", "preserve", "rootless", "waits",
    )  # fmt: skip

    def __init__(
        self, *, no_pivot: bool, no_new_keyring: bool, preserve: int, waits: bool,
        detached: bool = True, cgroups: str = "cgroupfs", rootless: str = "auto",
        console_socket: str | None = None, pidfd_socket: str | None = None, notify: str = "",
    ) -> None:  # fmt: skip
        self.no_pivot, self.no_new_keyring = no_pivot, no_new_keyring
        self.preserve, self.waits, self.detached = preserve, waits, detached
        self.cgroups, self.rootless, self.notify = cgroups, rootless, notify
        self.console_socket, self.pidfd_socket = console_socket, pidfd_socket


class Plan:
    """Everything that makes one container, in steps; pure data, shared by parent and child."""

    __slots__ = (
        "attributes", "bundle", "capabilities", "cgroup", "clocks", "config", "device_rules",
        "devices", "filter", "hooks", "host", "id", "keyring", "labels", "limits", "masks",
        "mount_label", "mounts", "names", "namespaces", "network_devices", "rdt", "resources",
        "rootfs", "scheduler", "sysctls", "terminal", "user", "warnings", "wishes",
    )  # fmt: skip

    def __init__(self, config: Config, host: Host, id: str, bundle: str, wishes: Wishes) -> None:  # noqa: A002
        self.id, self.bundle, self.config, self.host, self.wishes = id, bundle, config, host, wishes
        linux = config.get("linux") or {}
        process = config["process"]
        self.namespaces = namespaces.plan(config)
        new_user = "user" in self.namespaces.new
        self.user = _user(config, self.namespaces, host) if new_user else None
        self.clocks = _clocks(config) if "time" in self.namespaces.new else None
        self.rootfs = rootfs.plan(
            config,
            bundle,
            mount_namespace=self.namespaces.has("mount"),
            no_pivot=wishes.no_pivot,
        )
        resources = linux.get("resources") or {}
        self.device_rules = device_rules.plan(resources.get("devices") or [])
        limited = any(resources.get(name) for name in _LIMITS)
        self.resources = _resources(resources, self.device_rules) if limited else []
        self.cgroup = _cgroup(config, host, id, wishes, self.resources, self.device_rules)
        self.mounts = mounts.plan(config, bundle, cgroup.shown(config, self.cgroup))
        if not self.namespaces.has("cgroup"):
            from pyruntime.feature import hostcgroups

            hostcgroups.bind(self.mounts)
        self.mount_label: str = linux.get("mountLabel") or ""
        if "pid" in self.namespaces.paths:
            from pyruntime.feature import procfs  # noqa: F401 - the child can load nothing
        self.devices = devices.plan(config)
        self.masks = masks.plan(config)
        self.sysctls = _sysctls(config) if linux.get("sysctl") else []
        self.filter = _filter(linux["seccomp"]) if linux.get("seccomp") else None
        self.capabilities, self.warnings = capabilities.plan(
            process.get("capabilities"), host.last_capability
        )
        if not self.cgroup.path and resources.get("devices"):
            self.warnings.append("linux.resources.devices is ignored: there is no cgroup")
        labelled = process.get("apparmorProfile") or process.get("selinuxLabel")
        self.labels = _labels(process) if labelled else []
        moving = linux.get("netDevices")
        self.network_devices = _network_devices(moving, host.euid) if moving else []
        self.rdt = _rdt(linux["intelRdt"], id) if "intelRdt" in linux else None
        self.hooks = {name: hooks.plan(config, name) for name in words.HOOKS}
        self.keyring = "" if wishes.no_new_keyring else f"_ses.{id}"
        self.limits = rlimits.plan(process)
        self.scheduler = _scheduler(config) if process.get("scheduler") else None
        own = process.get("ioPriority") or linux.get("personality") or linux.get("memoryPolicy")
        self.attributes = _attributes(config) if own else []
        self.terminal = _terminal(process) if process.get("terminal") else None
        names = (
            ("sethostname", config.get("hostname")),
            ("setdomainname", config.get("domainname")),
        )
        self.names = [NameStep(call, name) for call, name in names if name]

    def asks_for_more(self) -> bool:
        """Tell whether the parent must give what few containers ask for: see endowment.py."""
        agent = self.filter is not None and self.filter.agent is not None
        sent = self.terminal or self.wishes.pidfd_socket or self.wishes.notify
        return bool(agent or self.labels or self.network_devices or self.rdt or sent)

    def groups(self) -> list[int] | None:
        """Return the payload's supplementary groups, None where they may not be set: they stay."""
        allowed = self.user.sets_groups if self.user else self.host.setgroups
        user = self.config["process"].get("user")
        return (user.get("additionalGids") if user else None) or [] if allowed else None

    def restrictions(self) -> list[Step]:
        """Return what the cgroup is given before anything is in it: limits and device rules."""
        return (self.resources or [self.device_rules]) if self.cgroup.path else []

    def words(self) -> list[str]:
        """Return what the child will say, in its order: see talk.py."""
        hooks, joined = self.hooks["prestart"] or self.hooks["createRuntime"], self.namespaces.paths
        told = ["pid"] * ("pid" in joined)
        if self.filter and self.filter.agent:
            late = self.config["process"].get("noNewPrivileges", False)
            told.insert(len(told) if late else 0, "listener")
        early = ["entered"] * (self.user is not None and bool(self.network_devices))
        return early + ["hooks"] * bool(hooks) + ["ready", *told]

    def steps(self) -> list[Step]:
        """Return the steps in the order in which they are taken, the native program's aside."""
        ordered: list[Step] = [self.rdt] if self.rdt else []
        ordered += [self.cgroup, *self.restrictions()]
        ordered += [self.user] if self.user else []
        ordered += [self.clocks] if self.clocks else []
        ordered += [self.namespaces, *self.network_devices, *self.names]
        ordered += [*self.mounts, *self.devices]
        for name in ("prestart", "createRuntime", "createContainer"):
            ordered += self.hooks[name]
        ordered += [self.rootfs, *([self.terminal] if self.terminal else [])]
        ordered += [*self.sysctls, *self.masks, *self.limits]
        ordered += [self.scheduler] if self.scheduler else []
        ordered += [*self.labels, *self.attributes, *([self.filter] if self.filter else [])]
        return ordered


def _resources(resources: Resources, rules: DeviceStep) -> list[Step]:
    """Plan the limits, the device rules among them; nothing where nothing is limited."""
    from pyruntime.feature.cgroup import limits

    steps = limits.plan(resources, rules)
    return steps if len(steps) > 1 else []


def _cgroup(
    config: Config,
    host: Host,
    id: str,  # noqa: A002
    wishes: Wishes,
    resources: list[Step],
    rules: DeviceStep,
) -> CgroupStep | ScopeStep:
    """Plan the cgroup; who has limits cannot spare it."""
    if wishes.cgroups == "systemd":
        from pyruntime.feature.cgroup import unit

        return unit.plan(config, host, id, rules)
    if wishes.cgroups == "disabled":
        from pyruntime.feature.cgroup import without

        return without.plan(host, resources)
    spare = {"true": "always", "false": "never"}.get(wishes.rootless, "rootless")
    bound = any(not getattr(each, "free", True) for each in resources)
    return cgroup.plan(config, host, id, "never" if bound else spare)


def _user(config: Config, spaces: NamespacesStep, host: Host) -> UserNamespaceStep:
    """Plan the user namespace, likewise loaded for containers that have a new one."""
    from pyruntime.feature import usernamespace

    return usernamespace.plan(config, spaces, host)


def _clocks(config: Config) -> ClocksStep:
    """Plan the time namespace, and load what the child will need for it."""
    from pyruntime.feature import clocks

    return clocks.plan(config)


def _scheduler(config: Config) -> SchedulerStep:
    """Plan the scheduling; its module is loaded only for containers that wish for one."""
    from pyruntime.feature import scheduling

    return scheduling.plan(config)


def _attributes(config: Config) -> list[AttributeStep]:
    """Plan what the process sets on itself, likewise."""
    from pyruntime.feature import attributes

    return attributes.plan(config)


def _terminal(process: Process) -> TerminalStep:
    """Plan the terminal, and load what the child will need for it."""
    from pyruntime.feature import terminal

    return terminal.plan(process)


def _sysctls(config: Config) -> list[SysctlStep]:
    """Plan the kernel parameters, and load what the child will need for them."""
    from pyruntime.feature import procfs, sysctl  # noqa: F401 - the child can load nothing

    return sysctl.plan(config)


def _filter(profile: Seccomp) -> FilterStep | None:
    """Plan the seccomp filter; its module is loaded only for containers that have one."""
    from pyruntime.feature import seccomp

    return seccomp.plan(profile)


def _labels(process: Process) -> list[LabelStep]:
    """Plan the labels of security modules."""
    from pyruntime.feature import confinement

    return confinement.plan(process)


def _network_devices(devices: dict[str, NetDevice], euid: int) -> list[NetDeviceStep]:
    """Plan the moves of network devices; pyroute2 is loaded by the first of them."""
    from pyruntime.feature import netdevice

    return netdevice.plan(devices, euid)


def _rdt(wish: IntelRdt, id: str) -> RdtStep:  # noqa: A002
    """Plan the class of service."""
    from pyruntime.feature import rdt

    return rdt.plan(wish, id)
