"""Validate: say everything that create would, without a container and without this machine."""

from __future__ import annotations

from pyruntime import errors, jsonfile
from pyruntime.container.plan import Plan, Wishes
from pyruntime.feature import capabilities
from pyruntime.feature.cgroup import filesystem
from pyruntime.feature.host import Host
from pyruntime.spec import explain, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.errors import Problem
    from pyruntime.spec.report import Report

# A machine on which everything is there: what is told is about the configuration alone.
_HOST = Host(0, "/sys/fs/cgroup", "/", (6, 17), max(capabilities.NUMBERS.values()))


def validate(config: Any, bundle: str) -> Report:
    """Report on a configuration of any shape: the schema, the rules, and what the plans refuse.

    Args:
        config: what was read from config.json.
        bundle: its directory, absolute.
    """
    told = report.report(config)
    told.warnings += _strange_capabilities(config)
    if not told.problems:
        _try_plan(config, bundle, told)
    return told


def _try_plan(config: Any, bundle: str, told: Report) -> None:
    """Work out the container as create does; what a plan refuses goes into the report."""
    by_systemd = filesystem.is_unit((config.get("linux") or {}).get("cgroupsPath") or "")
    wishes = Wishes(
        no_pivot=False,
        no_new_keyring=False,
        preserve=0,
        waits=True,
        cgroups="systemd" if by_systemd else "cgroupfs",
    )
    try:
        plan = Plan(config, _HOST, "container", bundle, wishes)
    except errors.SpecError as refusal:
        told.problems += [
            explain.Finding(pointer, sentence, report.shown_at(config, pointer))
            for pointer, sentence in refusal.problems
        ]
    except errors.Unsupported as refusal:
        told.unsupported.append(refusal.say().removesuffix(" is not supported yet"))
    else:  # of unknown capabilities more is told by pointer
        told.warnings += [("", said) for said in plan.warnings if "unknown" not in said]


def _strange_capabilities(config: Any) -> list[Problem]:
    """Warn of names that no kernel of this version's time knows; create goes on without them."""
    process = config.get("process") if isinstance(config, dict) else None
    sets = process.get("capabilities") if isinstance(process, dict) else None
    found: list[Problem] = []
    for kind in capabilities.SETS:
        names = sets.get(kind) if isinstance(sets, dict) else None
        for place, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str) and name not in capabilities.NUMBERS:
                meant = explain.nearest(name, capabilities.known())
                told = f"unknown capability {jsonfile.encode(name)}, ignored"
                told += f'; did you mean "{meant}"?' if meant else ""
                found.append((f"/process/capabilities/{kind}/{place}", told))
    return found
