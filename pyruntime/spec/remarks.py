"""What is allowed, but is hardly what its writer wants: told by `validate` only.

A remark looks at a configuration whose shape is right, as a rule does (rules.py), and refuses
nothing. What every create should warn of stands in rules.WARNINGS instead.
"""

from __future__ import annotations

from pyruntime import jsonfile
from pyruntime.spec import rules, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.errors import Problem
    from pyruntime.spec.shapes import Config


def version_is_of_another_time(config: Config) -> list[Problem]:
    """Versions outside the range of `features` are accepted: what they add or lack is unknown."""
    oldest, newest = map(_numbers, words.VERSIONS)
    version = config["ociVersion"].partition("+")[0]
    mine = _numbers(version)
    if mine > newest:
        return [("/ociVersion", f"newer than {words.VERSIONS[1]}: what it added is ignored")]
    if mine < oldest or (mine == oldest and "-" in version):
        return [("/ociVersion", f"older than {words.VERSIONS[0]}, which may read it differently")]
    return []


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.partition("-")[0].split(".")))


def variables_stand_once(config: Config) -> list[Problem]:
    """Of a variable that is given twice the last counts."""
    found: list[Problem] = []
    last: dict[str, int] = {}
    for place, entry in enumerate(config.get("process", {}).get("env", ())):
        name = entry.partition("=")[0]
        if name in last:
            told = f"without effect: {jsonfile.encode(name)} is set again in entry {place}"
            found.append((f"/process/env/{last[name]}", told))
        last[name] = place
    return found


def devices_stand_once(config: Config) -> list[Problem]:
    """type, major and minor SHOULD NOT be used for multiple devices (config-linux.md)."""
    found: list[Problem] = []
    seen: dict[tuple[object, ...], int] = {}
    for place, device in enumerate(config.get("linux", {}).get("devices", ())):
        if device["type"] == "p":
            continue
        kind = "c" if device["type"] == "u" else device["type"]
        first = seen.setdefault((kind, device.get("major"), device.get("minor")), place)
        if first != place:
            found.append((f"/linux/devices/{place}", f"is the same device as entry {first}"))
    return found


def terminal_has_a_size(config: Config) -> list[Problem]:
    """Without a terminal its size is ignored (config.md, "Process")."""
    process = config.get("process", {})
    if "consoleSize" in process and not process.get("terminal"):
        return [("/process/consoleSize", "is ignored without a terminal")]
    return []


def listener_is_used(config: Config) -> list[Problem]:
    """Without SCMP_ACT_NOTIFY the listener is ignored (config-linux.md, "Seccomp")."""
    profile = config.get("linux", {}).get("seccomp")
    if profile is None or not profile.get("listenerPath"):
        return []
    if any(rule["action"] == "SCMP_ACT_NOTIFY" for rule in profile.get("syscalls", ())):
        return []
    return [("/linux/seccomp/listenerPath", "is ignored: no rule has the action SCMP_ACT_NOTIFY")]


REMARKS = (
    (version_is_of_another_time, ("/ociVersion",)),
    (variables_stand_once, ("/process/env",)),
    (devices_stand_once, ("/linux/devices",)),
    (terminal_has_a_size, ("/process/consoleSize", "/process/terminal")),
    (listener_is_used, ("/linux/seccomp",)),
)


def remarks(config: Config, except_near: list[str]) -> list[Problem]:
    """Return every remark, as (JSON pointer, sentence).

    Args:
        config: a configuration whose shape is right, but for what is at `except_near`.
        except_near: JSON pointers; remarks that read something near them are left out.
    """
    found: list[Problem] = []
    for remark, parts in REMARKS:
        if rules.may_read(parts, except_near):
            found += remark(config)
    return found
