"""The shapes of config.json as types, for mypy only: nothing imports this at run time.

The configuration itself stays a plain dict (60 classes would cost 10 ms). A test compares keys,
required keys and kinds with schema/config.json.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from pyruntime.spec.linuxshapes import BlockIo as BlockIo
from pyruntime.spec.linuxshapes import Cpu as Cpu
from pyruntime.spec.linuxshapes import Device as Device
from pyruntime.spec.linuxshapes import DeviceRule as DeviceRule
from pyruntime.spec.linuxshapes import HugepageLimit as HugepageLimit
from pyruntime.spec.linuxshapes import IdMapping as IdMapping
from pyruntime.spec.linuxshapes import IntelRdt as IntelRdt
from pyruntime.spec.linuxshapes import InterfacePriority as InterfacePriority
from pyruntime.spec.linuxshapes import Linux as Linux
from pyruntime.spec.linuxshapes import Memory as Memory
from pyruntime.spec.linuxshapes import MemoryPolicy as MemoryPolicy
from pyruntime.spec.linuxshapes import Namespace as Namespace
from pyruntime.spec.linuxshapes import NamespaceType as NamespaceType
from pyruntime.spec.linuxshapes import NetDevice as NetDevice
from pyruntime.spec.linuxshapes import NetworkPriority as NetworkPriority
from pyruntime.spec.linuxshapes import Personality as Personality
from pyruntime.spec.linuxshapes import Pids as Pids
from pyruntime.spec.linuxshapes import Propagation as Propagation
from pyruntime.spec.linuxshapes import Rdma as Rdma
from pyruntime.spec.linuxshapes import Resources as Resources
from pyruntime.spec.linuxshapes import Seccomp as Seccomp
from pyruntime.spec.linuxshapes import SyscallArgument as SyscallArgument
from pyruntime.spec.linuxshapes import SyscallRule as SyscallRule
from pyruntime.spec.linuxshapes import ThrottleDevice as ThrottleDevice
from pyruntime.spec.linuxshapes import TimeOffset as TimeOffset
from pyruntime.spec.linuxshapes import TimeOffsets as TimeOffsets
from pyruntime.spec.linuxshapes import WeightDevice as WeightDevice


class Root(TypedDict):
    """The root file system."""

    path: str
    readonly: NotRequired[bool]


class ConsoleSize(TypedDict):
    """Size of the terminal in characters."""

    height: int
    width: int


class User(TypedDict):
    """Ids inside the container."""

    uid: int
    gid: int
    umask: NotRequired[int]
    additionalGids: NotRequired[list[int]]
    username: NotRequired[str]


class Rlimit(TypedDict):
    """One resource limit."""

    type: str
    soft: int
    hard: int


class Capabilities(TypedDict, total=False):
    """The five sets, by names such as CAP_KILL."""

    bounding: list[str]
    effective: list[str]
    inheritable: list[str]
    permitted: list[str]
    ambient: list[str]


class Scheduler(TypedDict):
    """Arguments of sched_setattr(2)."""

    policy: str
    nice: NotRequired[int]
    priority: NotRequired[int]
    flags: NotRequired[list[str]]
    runtime: NotRequired[int]
    deadline: NotRequired[int]
    period: NotRequired[int]


IoPriority = TypedDict("IoPriority", {"class": str, "priority": int})


class ExecCpuAffinity(TypedDict, total=False):
    """Processors of exec, as lists such as 0-3,7."""

    initial: str
    final: str


class Process(TypedDict):
    """The container's process."""

    cwd: str
    terminal: NotRequired[bool]
    consoleSize: NotRequired[ConsoleSize]
    env: NotRequired[list[str]]
    args: NotRequired[list[str]]
    commandLine: NotRequired[str]
    user: NotRequired[User]
    rlimits: NotRequired[list[Rlimit]]
    capabilities: NotRequired[Capabilities]
    noNewPrivileges: NotRequired[bool]
    apparmorProfile: NotRequired[str]
    selinuxLabel: NotRequired[str]
    oomScoreAdj: NotRequired[int]
    scheduler: NotRequired[Scheduler]
    ioPriority: NotRequired[IoPriority]
    execCPUAffinity: NotRequired[ExecCpuAffinity]


class Mount(TypedDict):
    """One mount of the list."""

    destination: str
    type: NotRequired[str]
    source: NotRequired[str]
    options: NotRequired[list[str]]
    uidMappings: NotRequired[list[IdMapping]]
    gidMappings: NotRequired[list[IdMapping]]


class Hook(TypedDict):
    """One hook; timeout in seconds."""

    path: str
    args: NotRequired[list[str]]
    env: NotRequired[list[str]]
    timeout: NotRequired[int]


class Hooks(TypedDict, total=False):
    """The six lists of hooks."""

    prestart: list[Hook]
    createRuntime: list[Hook]
    createContainer: list[Hook]
    startContainer: list[Hook]
    poststart: list[Hook]
    poststop: list[Hook]


class Config(TypedDict):
    """config.json after check(): process and root are there."""

    ociVersion: str
    root: Root
    process: Process
    hostname: NotRequired[str]
    domainname: NotRequired[str]
    mounts: NotRequired[list[Mount]]
    hooks: NotRequired[Hooks]
    annotations: NotRequired[dict[str, str]]
    linux: NotRequired[Linux]
