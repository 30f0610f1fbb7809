"""The rules about a process, that of a container or one of `exec`; see rules.py.

Each takes a whole configuration: some rules look at the namespaces and hooks, too.
"""

from __future__ import annotations

from pyruntime import jsonfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pyruntime.errors import Problem
    from pyruntime.spec.shapes import Config

_NO_ID = 0xFFFFFFFF
_USER_NAMESPACE = ("/linux/namespaces", "/linux/uidMappings", "/linux/gidMappings")


def arguments_are_present(config: Config) -> list[Problem]:
    """At least one entry is required (config.md, "Process")."""
    if "process" not in set(config) or config["process"].get("args"):
        return []
    return [("/process/args", "args must not be empty")]


def environment_is_assignments(config: Config) -> list[Problem]:
    """Every entry is NAME=value (environ(7))."""
    return no_assignments("/process/env", config.get("process", {}).get("env", ()))


def no_assignments(where: str, entries: Iterable[str]) -> list[Problem]:
    """Return what of the entries at a JSON pointer is no NAME=value."""
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
    from pyruntime.spec import idrules, linuxrules

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
    (arguments_are_present, ("/process/args",)),
    (environment_is_assignments, ("/process/env",)),
    (ids_are_ids, ("/process/user",)),
    (ids_are_mapped, ("/process/user", "/mounts", *_USER_NAMESPACE)),
    (limits_are_single, ("/process/rlimits",)),
    (limits_are_ordered, ("/process/rlimits",)),
    (scheduler_is_consistent, ("/process/scheduler", "/hooks/startContainer")),
    (affinity_is_lists, ("/process/execCPUAffinity",)),
)
WARNINGS = (capabilities_named_twice,)


def broken(config: Config) -> list[Problem]:
    """Return what the rules find in a configuration of which only the process counts."""
    return [problem for rule, _ in RULES for problem in rule(config)]
