"""The rules of the block `linux`; see rules.py."""

from __future__ import annotations

from pyruntime import jsonfile
from pyruntime.spec import seccompwords, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.errors import Problem
    from pyruntime.spec.shapes import Config


def namespace(config: Config, kind: str) -> str | None:
    """Return the path of the namespace of type `kind`, "" for a new one, None for the caller's."""
    for entry in config.get("linux", {}).get("namespaces", ()):
        if entry["type"] == kind:
            return entry.get("path", "")
    return None


def namespaces_are_single(config: Config) -> list[Problem]:
    """Each type stands once (config-linux.md, "Namespaces")."""
    found: list[Problem] = []
    seen = set()
    for place, entry in enumerate(config.get("linux", {}).get("namespaces", ())):
        kind = entry["type"]
        if kind in seen:
            path = jsonfile.encode(entry.get("path", ""))
            told = f'malformed spec file: duplicated ns {{"{kind}" {path}}}'
            found.append((f"/linux/namespaces/{place}", told))
        seen.add(kind)
    return found


def masks_have_their_namespace(config: Config) -> list[Problem]:
    """Masks are mounts, and without a mount namespace they would be the host's."""
    linux = config.get("linux", {})
    if namespace(config, "mount") is not None:
        return []
    told = "unable to restrict sys entries without a private MNT namespace"
    names = ("maskedPaths", "readonlyPaths")
    return [(f"/linux/{name}", told) for name in names if linux.get(name)]


def mappings_have_their_namespace(config: Config) -> list[Problem]:
    """A new user namespace needs mappings, and mappings need a user namespace."""
    linux = config.get("linux", {})
    kinds, own = ("uid", "gid"), namespace(config, "user")
    if own is None:
        return [
            (f"/linux/{kind}Mappings", f"{kind} mappings found, but no user namespace")
            for kind in kinds if linux.get(f"{kind}Mappings")
        ]  # fmt: skip
    if own:
        return []
    told = "user namespaces enabled, but no {} mappings found"
    return [
        (f"/linux/{kind}Mappings", told.format(kind))
        for kind in kinds if not linux.get(f"{kind}Mappings")
    ]  # fmt: skip


def mappings_are_ranges(config: Config) -> list[Problem]:
    """The kernel takes no empty, no overlapping and no endless range (user_namespaces(7))."""
    linux = config.get("linux", {})
    if not (linux.get("uidMappings") or linux.get("gidMappings")):
        return []
    from pyruntime.spec import idrules

    return idrules.broken(linux, "/linux")


def time_offsets_have_their_namespace(config: Config) -> list[Problem]:
    """Offsets are those of a new time namespace (time_namespaces(7))."""
    offsets = config.get("linux", {}).get("timeOffsets")
    if not offsets:
        return []
    own = namespace(config, "time")
    if own is None:
        told = "time namespace offsets specified, but time namespace isn't enabled in the config"
        return [("/linux/timeOffsets", told)]
    if own:
        told = "time namespace offsets specified, but the time namespace is one that exists"
        return [("/linux/timeOffsets", told)]
    from pyruntime.spec import processrules

    return processrules.time_offsets(offsets)


def sysctls_have_their_namespace(config: Config) -> list[Problem]:
    """Only parameters of the container's own namespaces may be set (sysctl of runc)."""
    found: list[Problem] = []
    for key in config.get("linux", {}).get("sysctl", ()):
        told = _sysctl_refusal(config, dotted(key))
        if told:
            name = jsonfile.encode(dotted(key))
            found.append(("/linux/sysctl" + jsonfile.step(key), f"sysctl {name} {told}"))
    return found


def _sysctl_refusal(config: Config, key: str) -> str:
    if not {"", "/", "//"}.isdisjoint(key.split(".")):  # as a path: nothing, `.` and `..`
        return "is not a parameter's name"
    if key in words.IPC_SYSCTLS or key.startswith("fs.mqueue."):
        own = namespace(config, "ipc") is not None
        return "" if own else "is not allowed in the hosts ipc namespace"
    if key.startswith("net."):
        own = namespace(config, "network") is not None
        return "" if own else "not allowed in host network namespace"
    if key.startswith("user."):
        own = namespace(config, "user") is not None
        return "" if own else "is not allowed in the hosts user namespace"
    if key == "kernel.hostname":
        return 'is not allowed as it conflicts with the OCI "hostname" field'
    if key == "kernel.domainname" and namespace(config, "uts") is not None:
        return ""
    return "is not in a separate kernel namespace"


def dotted(key: str) -> str:
    """Return a parameter's name with dots between its parts; the first separator decides.

    In net/ipv4/conf/eth0.1/forwarding the dot is part of a name and becomes a slash (sysctl.d(5)).
    """
    dot, slash = key.find("."), key.find("/")
    if slash < 0 or 0 <= dot < slash:
        return key
    return key.translate({ord("."): "/", ord("/"): "."})


def devices_have_numbers(config: Config) -> list[Problem]:
    """Major and minor are required unless the type is p (config-linux.md, "Devices")."""
    found: list[Problem] = []
    for place, device in enumerate(config.get("linux", {}).get("devices", ())):
        numbers = (("major", device.get("major"), 0xFFF), ("minor", device.get("minor"), 0xFFFFF))
        for name, number, highest in numbers:  # of the kernel's dev_t
            where = f"/linux/devices/{place}/{name}"
            if number is not None and not 0 <= number <= highest:
                found.append((where, f"must be from 0 to {highest}"))
            elif number is None and device["type"] != "p":
                found.append((where, f"is missing; a device {device['type']} needs it"))
    return found


def devices_have_their_own_path(config: Config) -> list[Problem]:
    """What exists at the path must be the requested device (config-linux.md, "Devices")."""
    found: list[Problem] = []
    seen: dict[str, tuple[object, ...]] = {}
    for place, device in enumerate(config.get("linux", {}).get("devices", ())):
        kind = "c" if device["type"] == "u" else device["type"]  # u is c, unbuffered (mknod(1))
        wanted = (kind, device.get("major"), device.get("minor"))
        if seen.setdefault(device["path"], wanted) != wanted:
            told = f"{jsonfile.encode(device['path'])} is another device already"
            found.append((f"/linux/devices/{place}/path", told))
    return found


def device_rules_have_access(config: Config) -> list[Problem]:
    """A device rule says what it allows or denies."""
    rules = config.get("linux", {}).get("resources", {}).get("devices", ())
    where = "/linux/resources/devices"
    return [
        (f"{where}/{place}/access", f"device access at {place} field cannot be empty")
        for place, rule in enumerate(rules)
        if not rule.get("access")
    ]


def limits_are_possible(config: Config) -> list[Problem]:
    """Limits go together and are such as cgroup v2 has (config-linux.md, "Control Groups")."""
    resources = config.get("linux", {}).get("resources", {})
    if not resources.keys() - {"devices"}:
        return []
    from pyruntime.spec import resourcerules

    return resourcerules.broken(resources, "/linux/resources")


def limits_of_version_1(config: Config) -> list[str]:
    """Warn of what cgroup v2 has no file for: runc goes on without it, and engines send it."""
    resources = config.get("linux", {}).get("resources", {})
    if not resources.keys() - {"devices", "pids", "unified"}:
        return []
    from pyruntime.spec import resourcerules

    return resourcerules.foreign(resources)


def network_devices_can_move(config: Config) -> list[Problem]:
    """They move into the container's own network namespace, under names the kernel takes."""
    devices = config.get("linux", {}).get("netDevices")
    if not devices:
        return []
    if namespace(config, "network") is None:
        told = "unable to move network devices without a private NET namespace"
        return [("/linux/netDevices", told)]
    from pyruntime.spec import devicenames

    return devicenames.broken(devices)


def memory_policy_is_consistent(config: Config) -> list[Problem]:
    """Some policies need nodes, some forbid them (set_mempolicy(2))."""
    policy = config.get("linux", {}).get("memoryPolicy")
    if policy is None:
        return []
    from pyruntime.spec import processrules

    return processrules.memory_policy(policy)


def personality_has_no_flags(config: Config) -> list[Problem]:
    """No flags are defined (config-linux.md, "Personality"); runc warns, youki refuses."""
    if not config.get("linux", {}).get("personality", {}).get("flags"):
        return []
    return [("/linux/personality/flags", "no flag is supported: the specification defines none")]


def class_of_service_is_a_name(config: Config) -> list[Problem]:
    """The closID names one directory of resctrl, or "/" for the default class."""
    name = config.get("linux", {}).get("intelRdt", {}).get("closID", "")
    if name in (".", "..") or ("/" in name and name != "/"):
        return [("/linux/intelRdt/closID", f"invalid intelRdt.closID {jsonfile.encode(name)}")]
    return []


def errnos_have_an_action(config: Config) -> list[Problem]:
    """An errno is refused for an action that returns none (config-linux.md, "Seccomp")."""
    profile = config.get("linux", {}).get("seccomp")
    if profile is None:
        return []
    told = "an errno is given, but {} returns none"
    found: list[Problem] = []
    takes = seccompwords.NUMBERED_ACTIONS
    action = profile["defaultAction"]
    if "defaultErrnoRet" in profile and action not in takes:
        found.append(("/linux/seccomp/defaultErrnoRet", told.format(action)))
    for place, rule in enumerate(profile.get("syscalls", ())):
        if "errnoRet" in rule and rule["action"] not in takes:
            where = f"/linux/seccomp/syscalls/{place}/errnoRet"
            found.append((where, told.format(rule["action"])))
    return found


def notifications_have_a_listener(config: Config) -> list[Problem]:
    """SCMP_ACT_NOTIFY needs an agent, and never as default nor for write (runc)."""
    profile = config.get("linux", {}).get("seccomp")
    if profile is None:
        return []
    found: list[Problem] = []
    if profile["defaultAction"] == "SCMP_ACT_NOTIFY":
        told = "SCMP_ACT_NOTIFY cannot be used as default action"
        found.append(("/linux/seccomp/defaultAction", told))
    if profile.get("listenerMetadata") and not profile.get("listenerPath"):
        told = "must not be set if listenerPath is not set"
        found.append(("/linux/seccomp/listenerMetadata", told))
    for place, rule in enumerate(profile.get("syscalls", ())):
        if rule["action"] == "SCMP_ACT_NOTIFY":
            where = f"/linux/seccomp/syscalls/{place}"
            if not profile.get("listenerPath"):
                found.append((f"{where}/action", "seccomp listenerPath is not set"))
            if "write" in rule["names"]:
                told = "SCMP_ACT_NOTIFY cannot be used for the write syscall"
                found.append((f"{where}/names", told))
    return found


_NAMESPACES = "/linux/namespaces"
_LIMITS = ("memory", "cpu", "blockIO", "rdma", "unified")
RULES = (
    (namespaces_are_single, (_NAMESPACES,)),
    (masks_have_their_namespace, (_NAMESPACES, "/linux/maskedPaths", "/linux/readonlyPaths")),
    (mappings_have_their_namespace, (_NAMESPACES, "/linux/uidMappings", "/linux/gidMappings")),
    (mappings_are_ranges, ("/linux/uidMappings", "/linux/gidMappings")),
    (time_offsets_have_their_namespace, (_NAMESPACES, "/linux/timeOffsets")),
    (sysctls_have_their_namespace, (_NAMESPACES, "/linux/sysctl")),
    (devices_have_numbers, ("/linux/devices",)),
    (devices_have_their_own_path, ("/linux/devices",)),
    (device_rules_have_access, ("/linux/resources/devices",)),
    (limits_are_possible, tuple(f"/linux/resources/{name}" for name in _LIMITS)),
    (network_devices_can_move, (_NAMESPACES, "/linux/netDevices")),
    (memory_policy_is_consistent, ("/linux/memoryPolicy",)),
    (personality_has_no_flags, ("/linux/personality",)),
    (class_of_service_is_a_name, ("/linux/intelRdt",)),
    (errnos_have_an_action, ("/linux/seccomp",)),
    (notifications_have_a_listener, ("/linux/seccomp",)),
)
WARNINGS = (limits_of_version_1,)
