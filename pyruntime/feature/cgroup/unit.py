"""The unit of systemd whose cgroup a container gets: its name, its place, what systemd is told.

`linux.cgroupsPath` is then `slice:prefix:name`, as engines write it for runc and crun: the scope
prefix-name.scope in that slice. Pure: what talks to systemd is scope.py.
"""

from __future__ import annotations

from pyruntime import errors
from pyruntime.feature import step
from pyruntime.feature.cgroup import properties

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.feature.cgroup.devices import DeviceStep
    from pyruntime.feature.cgroup.properties import Property
    from pyruntime.feature.cgroup.scope import Scope
    from pyruntime.feature.host import Host
    from pyruntime.spec.shapes import Config

SYSTEM, USER = "system", "user"  # managers: of the machine, and of one user's session
_PREFIX = "pyruntime"
_SUBGROUP = "run.oci.systemd.subgroup"
_LONGEST_NAME = 255
_TOLD = ("Description", "Slice", "Wants")  # not said once more
_ALLOWED = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@"
)  # systemd.unit(5)
# Directories of these names could be taken for files of a controller, so systemd puts a _ before.
_CONTROLLERS = frozenset((
    "cgroup", "cpu", "cpuacct", "cpuset", "io", "blkio", "memory", "devices", "pids",
    "bpf-firewall", "bpf-devices", "bpf-foreign", "bpf-socket-bind",
    "bpf-restrict-network-interfaces",
))  # fmt: skip


class ScopeStep(step.Step):
    """The unit to have made.

    Attributes:
        manager: whose systemd: SYSTEM or USER.
        name: of the unit, a scope or, where the name says so, a slice.
        slice: the slice that it belongs to.
        path: of the container's cgroup in the hierarchy; the unit's, or one below that.
        root: where the hierarchy is mounted; hence `directory`.
        subgroup: name of the cgroup below the unit's that the container gets, "" for none.
        properties: what systemd is told beside name and slice, in order.
    """

    __slots__ = ("directory", "manager", "name", "path", "properties", "root", "slice", "subgroup")

    def __init__(
        self, manager: str, name: str, within: str, *, base: str, root: str, subgroup: str,
        told: list[Property],
    ) -> None:  # fmt: skip
        self.manager, self.name, self.slice, self.root = manager, name, within, root
        self.subgroup, self.properties = subgroup, told
        own = "" if name.endswith(".slice") else f"/{escaped(name)}"
        self.path = base + expanded(name if not own else within) + own
        self.path += f"/{subgroup}" if subgroup else ""
        self.directory = root + self.path

    @property
    def unit(self) -> str:
        """What the state keeps: manager and name."""
        return f"{self.manager}/{self.name}"

    def parts(self) -> tuple[list[step.Step], list[step.Step]]:
        """Return what is done early, and what in its place."""
        return [self], [AwaitStep(self.name, self.subgroup)]

    @property
    def removal(self) -> str:
        """What delete does."""
        return f"have systemd stop {self.name}, remove its cgroup"

    def place(self, ending: int = -1) -> Scope:
        """Return what has the unit made.

        Args:
            ending: descriptor that can be read when the runtime is asked to end, -1 for none.
        """
        from pyruntime.feature.cgroup import scope

        return scope.Scope(self, ending)

    def describe(self) -> str:
        """Say unit, slice and properties."""
        kind = "slice" if self.name.endswith(".slice") else "scope"
        told = f"have systemd make the {kind} {self.name} in {self.slice} ({self.directory})"
        said = [_spelled(each) for each in self.properties if each[0] not in _TOLD]
        return f"{told}, with {', '.join(said)}"


class AwaitStep(step.Step):
    """Wait for the unit `name`, and make the cgroup `subgroup` in its own."""

    __slots__ = ("name", "subgroup")

    def __init__(self, name: str, subgroup: str) -> None:
        self.name, self.subgroup = name, subgroup

    def describe(self) -> str:
        """Say so."""
        told = f"wait until systemd has made {self.name}"
        return told + (f", and make the cgroup {self.subgroup} in it" if self.subgroup else "")


def _spelled(each: Property) -> str:
    """Say a property as `systemctl show` does."""
    name, kind, value, _ = each
    if kind == "b":
        return f"{name}={'yes' if value else 'no'}"
    if kind == "ay":
        return f"{name}=0x{int.from_bytes(value, 'little'):x}"
    if kind == "a(ss)":
        return f"{name} of {len(value)} entries"
    return f"{name}={'infinity' if value == properties.INFINITY else value}"


def plan(config: Config, host: Host, container: str, devices: DeviceStep) -> ScopeStep:
    """Name the unit and gather what systemd is told of it.

    Args:
        config: the container's configuration.
        host: facts of the machine.
        container: its id.
        devices: its device rules.

    Raises:
        Unsupported: there is no cgroup v2 hierarchy.
        SpecError: cgroupsPath is no slice:prefix:name, a name cannot be a unit's, or an annotation
            is no property.
    """
    if not host.cgroup_root:
        raise errors.Unsupported("no cgroup v2 hierarchy is mounted at /sys/fs/cgroup or below it")
    manager = SYSTEM if host.euid == 0 else USER
    linux, annotations = config.get("linux") or {}, config.get("annotations") or {}
    within, name = _named(linux.get("cgroupsPath") or "", manager, container)
    told = _always(name, within, container)
    asked = properties.of_annotations(annotations)
    names = {each[0] for each in asked}
    told = [each for each in told if each[0] not in names] + asked
    told += properties.of_limits(linux.get("resources") or {}) + properties.of_devices(devices)
    return ScopeStep(
        manager,
        name,
        within,
        base=_base(host) if manager == USER else "",
        root=host.cgroup_root,
        subgroup=_subgroup(annotations, name),
        told=told,
    )


def _always(name: str, within: str, container: str) -> list[Property]:
    """Return what each unit is told: it is ours to divide, and gone as soon as it is empty."""
    made: list[Property] = [("Description", "s", f"pyruntime container {container}", 0)]
    if name.endswith(".slice"):
        made.append(("Wants", "as", [within], 0))
    else:
        made += [("Slice", "s", within, 0), ("Delegate", "b", True, 0)]
    accounting = [f"{kind}Accounting" for kind in ("Memory", "CPU", "IO", "Tasks")]
    made += [(each, "b", True, 0) for each in accounting]
    made.append(("DefaultDependencies", "b", False, 0))
    made.append(("CollectMode", "s", "inactive-or-failed", 0))
    return made


def _named(wanted: str, manager: str, container: str) -> tuple[str, str]:
    """Return the slice and the name of the unit."""
    default = "system.slice" if manager == SYSTEM else "user.slice"
    parts = wanted.split(":") if wanted else ["", _PREFIX, container]
    if len(parts) != len(("slice", "prefix", "name")):
        _refuse(
            'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups,'
            f' got "{wanted}" instead'
        )
    within, prefix, own = parts[0] or default, parts[1], parts[2] or container
    expanded(within)
    if not own.endswith(".slice"):
        own = _allowed(f"{prefix}-{own}" if prefix else own) + ".scope"
    else:
        expanded(own)
    if len(own) > _LONGEST_NAME:
        _refuse(f"{own} is too long for the name of a unit")
    return within, own


def _allowed(name: str) -> str:
    """Write signs that no unit's name may have in hexadecimal, as systemd-escape(1) does."""
    return "".join(
        sign
        if sign in _ALLOWED
        else "".join(f"\\x{octet:02x}" for octet in sign.encode("utf-8", "surrogateescape"))
        for sign in name
    )


def _refuse(why: str) -> None:
    raise errors.SpecError([("/linux/cgroupsPath", why)])


def expanded(name: str) -> str:
    """Return the cgroup of a slice: `a-b.slice` lies in `a.slice` (systemd.slice(5)).

    Raises:
        SpecError: it is no name of a slice.
    """
    stem = name.removesuffix(".slice")
    parts = stem.split("-")
    if stem == "-" and name != stem:
        return ""
    if stem == name or not _ALLOWED.issuperset(stem) or not all(parts) or len(name) > _LONGEST_NAME:
        _refuse(f"{name} is no name of a slice")
    levels = ["-".join(parts[: count + 1]) for count in range(len(parts))]
    return "".join(f"/{escaped(level)}.slice" for level in levels)


def escaped(name: str) -> str:
    """Return the name of a unit's directory."""
    plain = name[:1] not in ("_", ".") and name.partition(".")[0] not in _CONTROLLERS
    return name if plain else f"_{name}"


def _base(host: Host) -> str:
    """Return the cgroup of the user's manager, which is the runtime's own or a usual one."""
    mark = f"/user@{host.euid}.service"
    before, found, _ = host.cgroup_own.partition(f"{mark}/")
    return before + mark if found else f"/user.slice/user-{host.euid}.slice{mark}"


def _subgroup(annotations: dict[str, str], unit: str) -> str:
    """Return the sub-cgroup that an annotation of crun's asks for.

    Raises:
        SpecError: it is no single name, or the unit is a slice.
    """
    wanted = annotations.get(_SUBGROUP, "")
    bad = "/" in wanted or wanted in (".", "..") or "\0" in wanted or len(wanted) > _LONGEST_NAME
    if bad or (wanted and unit.endswith(".slice")):
        raise errors.SpecError(
            [(f"/annotations/{_SUBGROUP}", f"{wanted!r} is no name of a cgroup")]
        )
    return wanted


def name_of(unit: str) -> tuple[str, str]:
    """Return manager and name of what `ScopeStep.unit` said."""
    manager, _, name = unit.partition("/")
    return manager, name
