"""Medians, ratios and goals of a bench, as a table for people and as a document for programs."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import dataclass

from measure import Cost, Waiting

REFERENCE = "runc"
OURS = "pyruntime"
WITH_INIT = "create+init"
UNCACHED = "run uncached"
COMMANDS = ("create", WITH_INIT, "start", "state", "exec", "kill", "delete", "run", UNCACHED)

Costs = dict[tuple[str, str, str], list[Cost]]  # by bundle, command, runtime
Inits = dict[tuple[str, str], list[Waiting]]  # by bundle, runtime


@dataclass(frozen=True)
class Goal:
    """At most `most` times the median `measure` (wall or cpu) of a command of the runtime `of`."""

    bundle: str
    command: str
    measure: str
    most: float
    of: str = REFERENCE


GOALS = (
    Goal("podman-like", WITH_INIT, "cpu", 0.5),
    Goal("podman-like", "run", "cpu", 0.5),
    Goal("podman-like", UNCACHED, "cpu", 1.0),
    Goal("plain", "run", "cpu", 0.7),
    *(
        Goal(bundle, "exec", "cpu", most, of)
        for bundle in ("plain", "podman-like")
        for of, most in ((REFERENCE, 0.5), ("crun", 2.0))
    ),
    *(
        Goal(bundle, command, measure, most)
        for bundle in ("plain", "podman-like")
        for command in ("state", "start", "kill", "delete")
        for measure, most in (("wall", 1.7), ("cpu", 1.5))
    ),
)
MOST_RESIDENT_KB = 64


def median(costs: Costs, bundle: str, command: str, runtime: str, measure: str) -> float | None:
    """Return the median milliseconds of a command, or None when it was not measured."""
    found = costs.get((bundle, command, runtime))
    return statistics.median(getattr(cost, measure) for cost in found) if found else None


def ratio(
    costs: Costs, bundle: str, command: str, runtime: str, measure: str, of: str = REFERENCE
) -> float | None:
    """Return a command's median over that of `of`; an uncached run is held against its run."""
    base = "run" if command == UNCACHED else command
    ours = median(costs, bundle, command, runtime, measure)
    reference = median(costs, bundle, base, of, measure)
    return None if ours is None or reference is None else ours / reference


def table(costs: Costs, inits: Inits) -> str:
    """Write everything as lines for a terminal; times in ms."""
    lines = []
    for bundle in dict.fromkeys(key[0] for key in costs):
        lines += [
            "",
            f"{bundle:26}{'wall, ms':^27}{'cpu, ms':^27}",
            f"{'':26}" + 2 * f"{'median':>8}{'min':>8}{'/runc':>8}   ",
        ]
        for command in COMMANDS:
            lines += _rows(costs, bundle, command)
        for (of, runtime), found in inits.items():
            if of == bundle:
                rss = statistics.median(init.rss for init in found)
                cpu = statistics.median(init.cpu for init in found)
                words = f"{rss:.0f} kB resident, {cpu:.2f} ms cpu"
                lines.append(f"{'waiting init':14}{runtime:12}{words}")
    return "\n".join(line.rstrip() for line in lines)


def _rows(costs: Costs, bundle: str, command: str) -> list[str]:
    rows = []
    for of, name, runtime in costs:
        if (of, name) != (bundle, command):
            continue
        row = f"{command:14}{runtime:12}"
        for measure in ("wall", "cpu"):
            values = [getattr(cost, measure) for cost in costs[bundle, command, runtime]]
            against = ratio(costs, bundle, command, runtime, measure)
            shown = "" if against is None else f"{against:.2f}"
            row += f"{statistics.median(values):8.2f}{min(values):8.2f}{shown:>8}   "
        rows.append(row)
    return rows


def goals(costs: Costs, inits: Inits) -> list[tuple[str, bool]]:
    """Hold our runtime against its goals: each that was measured, in words, and if it is met."""
    found = []
    for goal in GOALS:
        against = ratio(costs, goal.bundle, goal.command, OURS, goal.measure, goal.of)
        if against is not None:
            words = f"{goal.bundle}: {goal.command}, {goal.measure} {against:.2f} of {goal.of}'s"
            found.append((f"{words}, at most {goal.most:g}", against <= goal.most))
    for (bundle, runtime), seen in inits.items():
        if runtime == OURS:
            rss = max(init.rss for init in seen)
            words = f"{bundle}: waiting init {rss} kB resident, at most {MOST_RESIDENT_KB}"
            found.append((words, rss <= MOST_RESIDENT_KB))
    return found


def document(costs: Costs, inits: Inits, versions: dict[str, str]) -> dict[str, object]:
    """Return everything measured, ready for JSON; times in ms, memory in kB."""
    results = []
    for (bundle, command, runtime), found in costs.items():
        result: dict[str, object] = {"bundle": bundle, "command": command, "runtime": runtime}
        for measure in ("wall", "cpu"):
            values = [round(getattr(cost, measure), 3) for cost in found]
            result[measure] = {
                "median": round(statistics.median(values), 3),
                "min": min(values),
                "ratio": ratio(costs, bundle, command, runtime, measure),
                "all": values,
            }
        results.append(result)
    waiting = [
        {
            "bundle": bundle,
            "runtime": runtime,
            "rss": statistics.median(init.rss for init in found),
            "cpu": round(statistics.median(init.cpu for init in found), 3),
        }
        for (bundle, runtime), found in inits.items()
    ]
    return {
        "machine": {
            "kernel": platform.release(),
            "processors": os.cpu_count(),
            "architecture": platform.machine(),
        },
        "versions": versions,
        "reference": REFERENCE,
        "results": results,
        "waiting_init": waiting,
        "goals": [{"goal": words, "met": met} for words, met in goals(costs, inits)],
    }
