"""What the specification and the kernel demand beyond the shape: one small rule each.

A rule looks at a configuration whose shape is right and returns what is wrong, as (JSON pointer,
sentence). `RULES` names for each the parts that it reads: where the shape of such a part is wrong,
the rule is left out, so that one mistake is told once. The sentences are runc's where runc has one
(engines and people know them).
"""

from __future__ import annotations

from pyruntime import jsonfile
from pyruntime.spec import linuxrules, mountrules, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pyruntime.errors import Problem
    from pyruntime.spec.shapes import Config


_NO_ID = 0xFFFFFFFF
_LONGEST_NAME = 64  # __NEW_UTS_LEN
_USER_NAMESPACE = ("/linux/namespaces", "/linux/uidMappings", "/linux/gidMappings")


def version_is_known(config: Config) -> list[Problem]:
    """Only 1.x is understood (config.md, "Specification version")."""
    version = config["ociVersion"]
    if version.startswith("1."):
        return []
    return [("/ociVersion", f"found {jsonfile.encode(version)}; only versions 1.x are understood")]


def process_is_present(config: Config) -> list[Problem]:
    """A container without a process could never be started (config.md, "Process")."""
    return [] if "process" in set(config) else [("/process", "process property must not be empty")]


def root_is_present(config: Config) -> list[Problem]:
    """On Linux the root is required (config.md, "Root")."""
    return [] if "root" in set(config) else [("/root", "root must be specified")]


def arguments_are_present(config: Config) -> list[Problem]:
    """At least one entry is required (config.md, "Process")."""
    if "process" not in set(config) or config["process"].get("args"):
        return []
    return [("/process/args", "args must not be empty")]


def environment_is_assignments(config: Config) -> list[Problem]:
    """Every entry is NAME=value (environ(7))."""
    return _no_assignments("/process/env", config.get("process", {}).get("env", ()))


def hook_environments_are_assignments(config: Config) -> list[Problem]:
    """So are those of hooks (config.md, "POSIX-platform Hooks")."""
    found: list[Problem] = []
    for name, hooks in config.get("hooks", {}).items():
        if name in words.HOOKS:
            listed: Any = hooks
            for place, hook in enumerate(listed):
                found += _no_assignments(f"/hooks/{name}/{place}/env", hook.get("env", ()))
    return found


def _no_assignments(where: str, entries: Iterable[str]) -> list[Problem]:
    found: list[Problem] = []
    for place, entry in enumerate(entries):
        if entry.find("=") < 1:
            wrong = "name cannot be empty" if entry[:1] == "=" else "missing '='"
            found.append((f"{where}/{place}", f"invalid environment variable: {wrong}"))
    return found


def ids_are_ids(config: Config) -> list[Problem]:
    """The highest number is -1 to setresuid(2), which leaves the ids of the runtime in place."""
    user: Any = config.get("process", {}).get("user") or {}
    named = [("uid", user.get("uid")), ("gid", user.get("gid"))]
    groups = user.get("additionalGids") or []
    named += [(f"additionalGids/{place}", group) for place, group in enumerate(groups)]
    told = f"{_NO_ID} is no id: to the kernel it means that nothing changes"
    return [(f"/process/user/{name}", told) for name, number in named if number == _NO_ID]


def ids_are_mapped(config: Config) -> list[Problem]:
    """An id without a place in the maps is none in the user namespace (user_namespaces(7))."""
    linux = config.get("linux", {})
    if not (linux.get("uidMappings") and linux.get("gidMappings")):
        return []
    from pyruntime.spec import idrules

    return idrules.unmapped(config) if linuxrules.namespace(config, "user") == "" else []


def limits_are_single(config: Config) -> list[Problem]:
    """Each limit stands once (config.md, "POSIX process")."""
    found: list[Problem] = []
    seen = set()
    for place, limit in enumerate(config.get("process", {}).get("rlimits", ())):
        if limit["type"] in seen:
            found.append((f"/process/rlimits/{place}", f"rlimit {limit['type']} is given twice"))
        seen.add(limit["type"])
    return found


def limits_are_ordered(config: Config) -> list[Problem]:
    """The hard limit is the ceiling of the soft one (setrlimit(2): EINVAL)."""
    return [
        (
            f"/process/rlimits/{place}/soft",
            f"{limit['type']}: {limit['soft']} is above the hard limit {limit['hard']}",
        )
        for place, limit in enumerate(config.get("process", {}).get("rlimits", ()))
        if limit["soft"] > limit["hard"]
    ]


def scheduler_is_consistent(config: Config) -> list[Problem]:
    """Each policy has its own settings (sched_setattr(2))."""
    wish = config.get("process", {}).get("scheduler")
    if wish is None:
        return []
    from pyruntime.spec import processrules

    hooks = config.get("hooks", {}).get("startContainer")
    return processrules.scheduler(wish, start_hooks=bool(hooks))


def affinity_is_lists(config: Config) -> list[Problem]:
    """Processors are listed as in cpuset(7) (config.md, "Linux Process")."""
    wish = config.get("process", {}).get("execCPUAffinity")
    if not wish:
        return []
    from pyruntime.spec import processrules

    return processrules.affinity(wish)


def names_have_their_namespace(config: Config) -> list[Problem]:
    """A host name is set only where it is the container's own."""
    if linuxrules.namespace(config, "uts") is not None:
        return []
    found: list[Problem] = []
    if config.get("hostname"):
        found.append(("/hostname", "unable to set hostname without a private UTS namespace"))
    if config.get("domainname"):
        found.append(("/domainname", "unable to set domainname without a private UTS namespace"))
    return found


def names_are_short(config: Config) -> list[Problem]:
    """The kernel keeps 64 bytes of each (sethostname(2): EINVAL)."""
    found: list[Problem] = []
    names = {"hostname": config.get("hostname"), "domainname": config.get("domainname")}
    for name, value in names.items():
        length = len(value.encode("utf-8", "replace")) if value else 0
        if length > _LONGEST_NAME:
            told = f"the {name} has {length} bytes, the kernel takes {_LONGEST_NAME}"
            found.append((f"/{name}", told))
    return found


def capabilities_named_twice(config: Config) -> list[str]:
    """Warn of repetitions; they do no harm."""
    told = []
    sets: Any = config.get("process", {}).get("capabilities", {})
    for kind in ("bounding", "effective", "inheritable", "permitted", "ambient"):
        named = sets.get(kind, ())
        if len(set(named)) < len(named):
            twice = sorted({name for name in named if named.count(name) > 1})
            names = ", ".join(map(jsonfile.encode, twice))
            told.append(f"process.capabilities.{kind} names {names} twice")
    return told


RULES = (
    (version_is_known, ("/ociVersion",)),
    (root_is_present, ("/root",)),
    (process_is_present, ("/process",)),
    (arguments_are_present, ("/process/args",)),
    (environment_is_assignments, ("/process/env",)),
    (hook_environments_are_assignments, ("/hooks",)),
    (ids_are_ids, ("/process/user",)),
    (ids_are_mapped, ("/process/user", "/mounts", *_USER_NAMESPACE)),
    (limits_are_single, ("/process/rlimits",)),
    (limits_are_ordered, ("/process/rlimits",)),
    (scheduler_is_consistent, ("/process/scheduler", "/hooks/startContainer")),
    (affinity_is_lists, ("/process/execCPUAffinity",)),
    (names_have_their_namespace, ("/hostname", "/domainname", "/linux/namespaces")),
    (names_are_short, ("/hostname", "/domainname")),
    *mountrules.RULES,
    *linuxrules.RULES,
)
WARNINGS = (capabilities_named_twice, *mountrules.WARNINGS)


def broken(config: Config, except_near: Iterable[str] = ()) -> list[Problem]:
    """Return what every rule finds, in the order of RULES.

    Args:
        config: a configuration whose shape is right, but for what is at `except_near`.
        except_near: JSON pointers; rules that read something at, above or below them are left out.
    """
    found: list[Problem] = []
    pointers = list(except_near)
    for rule, parts in RULES:
        if not pointers or may_read(parts, pointers):
            found += rule(config)
    return found


def may_read(parts: Iterable[str], wrong: list[str]) -> bool:
    """Tell whether none of the `parts` that a rule reads is near a place that is wrong."""
    return not any(_meet(part, pointer) for part in parts for pointer in wrong)


def _meet(one: str, other: str) -> bool:
    """Tell whether one of two JSON pointers lies at or below the other."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def warnings(config: Config) -> list[str]:
    """Return what the log should hear of a configuration that is right."""
    return [told for warning in WARNINGS for told in warning(config)]
