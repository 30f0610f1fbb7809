"""What the specification and the kernel demand beyond the shape: one small rule each.

A rule looks at a configuration whose shape is right and returns what is wrong, as (JSON pointer,
sentence). `RULES` names for each the parts that it reads: where the shape of such a part is wrong,
the rule is left out, so that one mistake is told once. The sentences are runc's where runc has one
(engines and people know them).
"""

from __future__ import annotations

from pyruntime import jsonfile
from pyruntime.spec import linuxrules, mountrules, processes, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pyruntime.errors import Problem
    from pyruntime.spec.shapes import Config


_LONGEST_NAME = 64  # __NEW_UTS_LEN


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


def hook_environments_are_assignments(config: Config) -> list[Problem]:
    """So are those of hooks (config.md, "POSIX-platform Hooks")."""
    found: list[Problem] = []
    for name, hooks in config.get("hooks", {}).items():
        if name in words.HOOKS:
            listed: Any = hooks
            for place, hook in enumerate(listed):
                found += processes.no_assignments(f"/hooks/{name}/{place}/env", hook.get("env", ()))
    return found


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


RULES = (
    (version_is_known, ("/ociVersion",)),
    (root_is_present, ("/root",)),
    (process_is_present, ("/process",)),
    *processes.RULES,
    (hook_environments_are_assignments, ("/hooks",)),
    (names_have_their_namespace, ("/hostname", "/domainname", "/linux/namespaces")),
    (names_are_short, ("/hostname", "/domainname")),
    *mountrules.RULES,
    *linuxrules.RULES,
)
WARNINGS = (*processes.WARNINGS, *mountrules.WARNINGS, *linuxrules.WARNINGS)


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
