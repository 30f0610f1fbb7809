"""The shapes of the block `linux` as types, for mypy only; see shapes.py, which gives them on."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

Propagation = Literal[
    "private", "slave", "shared", "unbindable",
    "rprivate", "rslave", "rshared", "runbindable",
]  # fmt: skip
NamespaceType = Literal["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"]


class IdMapping(TypedDict):
    """A range of ids."""

    containerID: int
    hostID: int
    size: int


class Namespace(TypedDict):
    """A namespace: joined at `path`, new without one."""

    type: NamespaceType
    path: NotRequired[str]


class TimeOffset(TypedDict, total=False):
    """The offset of one clock."""

    secs: int
    nanosecs: int


class TimeOffsets(TypedDict, total=False):
    """Offsets of the time namespace."""

    boottime: TimeOffset
    monotonic: TimeOffset


class Device(TypedDict):
    """A device node; the numbers are there unless the type is p."""

    type: Literal["c", "b", "u", "p"]
    path: str
    major: NotRequired[int]
    minor: NotRequired[int]
    fileMode: NotRequired[int]
    uid: NotRequired[int]
    gid: NotRequired[int]


class NetDevice(TypedDict, total=False):
    """A network device's name inside."""

    name: str


class DeviceRule(TypedDict):
    """One rule of the device cgroup; what is absent means all."""

    allow: bool
    type: NotRequired[Literal["a", "c", "b", ""]]
    major: NotRequired[int]
    minor: NotRequired[int]
    access: NotRequired[str]


class Memory(TypedDict, total=False):
    """Bytes; -1 is unlimited."""

    limit: int
    reservation: int
    swap: int
    kernel: int
    kernelTCP: int
    swappiness: int
    disableOOMKiller: bool
    useHierarchy: bool
    checkBeforeUpdate: bool


class Cpu(TypedDict, total=False):
    """Times in microseconds."""

    shares: int
    quota: int
    burst: int
    period: int
    realtimeRuntime: int
    realtimePeriod: int
    cpus: str
    mems: str
    idle: int


class Pids(TypedDict, total=False):
    """The limit of processes; -1 is unlimited."""

    limit: int


class WeightDevice(TypedDict):
    """The weight of a block device."""

    major: int
    minor: int
    weight: NotRequired[int]
    leafWeight: NotRequired[int]


class ThrottleDevice(TypedDict):
    """Bytes or operations a second of a block device."""

    major: int
    minor: int
    rate: int


class BlockIo(TypedDict, total=False):
    """Limits of block I/O."""

    weight: int
    leafWeight: int
    weightDevice: list[WeightDevice]
    throttleReadBpsDevice: list[ThrottleDevice]
    throttleWriteBpsDevice: list[ThrottleDevice]
    throttleReadIOPSDevice: list[ThrottleDevice]
    throttleWriteIOPSDevice: list[ThrottleDevice]


class HugepageLimit(TypedDict):
    """The limit of one page size, in bytes."""

    pageSize: str
    limit: int


class InterfacePriority(TypedDict):
    """The priority of a network interface."""

    name: str
    priority: int


class NetworkPriority(TypedDict, total=False):
    """net_cls and net_prio."""

    classID: int
    priorities: list[InterfacePriority]


class Rdma(TypedDict, total=False):
    """Limits of one RDMA device."""

    hcaHandles: int
    hcaObjects: int


class Resources(TypedDict, total=False):
    """Limits of the cgroup."""

    devices: list[DeviceRule]
    memory: Memory
    cpu: Cpu
    pids: Pids
    blockIO: BlockIo
    hugepageLimits: list[HugepageLimit]
    network: NetworkPriority
    rdma: dict[str, Rdma]
    unified: dict[str, str]


class IntelRdt(TypedDict, total=False):
    """The class of service in resctrl."""

    closID: str
    schemata: list[str]
    l3CacheSchema: str
    memBwSchema: str
    enableMonitoring: bool


class MemoryPolicy(TypedDict):
    """Arguments of set_mempolicy(2)."""

    mode: str
    nodes: NotRequired[str]
    flags: NotRequired[list[str]]


class SyscallArgument(TypedDict):
    """A condition on one argument of a system call."""

    index: int
    value: int
    op: str
    valueTwo: NotRequired[int]


class SyscallRule(TypedDict):
    """What happens to some system calls."""

    names: list[str]
    action: str
    errnoRet: NotRequired[int]
    args: NotRequired[list[SyscallArgument]]


class Seccomp(TypedDict):
    """The seccomp profile."""

    defaultAction: str
    defaultErrnoRet: NotRequired[int]
    architectures: NotRequired[list[str]]
    flags: NotRequired[list[str]]
    listenerPath: NotRequired[str]
    listenerMetadata: NotRequired[str]
    syscalls: NotRequired[list[SyscallRule]]


class Personality(TypedDict):
    """The execution domain."""

    domain: Literal["LINUX", "LINUX32"]
    flags: NotRequired[list[str]]


class Linux(TypedDict, total=False):
    """The settings for Linux."""

    namespaces: list[Namespace]
    uidMappings: list[IdMapping]
    gidMappings: list[IdMapping]
    timeOffsets: TimeOffsets
    devices: list[Device]
    netDevices: dict[str, NetDevice]
    cgroupsPath: str
    resources: Resources
    intelRdt: IntelRdt
    memoryPolicy: MemoryPolicy
    sysctl: dict[str, str]
    seccomp: Seccomp
    rootfsPropagation: Propagation
    maskedPaths: list[str]
    readonlyPaths: list[str]
    mountLabel: str
    personality: Personality
