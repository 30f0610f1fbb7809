"""`plan [BUNDLE]`: say what create would do with a bundle, step by step, and do none of it.

It needs no root and changes nothing. The container's id, which create is given, is ID here. Keys
that this version does not support yet, for which create refuses a bundle, are left out of the plan
and named at the point at which they will be obeyed. What this user or this machine could not do is
marked with the reason, as far as that can be seen without doing it.

The exit status is 0 when there is a plan, whether it could be carried out or not. A configuration
that is wrong gives the report of `validate`, in the same format, and the status 1.

With `--format json` standard output is one document:

    bundle       its directory
    root         directory of the containers' state
    host         what the machine and the caller are, in one line
    warnings     a list of texts
    steps        a list of objects, in the order of the steps:

        phase    prepare   before there is a child      shed     privileges are given up
                 birth     the child is made            created  the end of create
                 build     up to the change of the root start    after the command start
                 finish    after that                   delete   after the command delete
                 ready     the child has told that all is done
        actor    "parent" (the command create), "child", "native program", or the command
                 "start" or "delete"
        does     the step in plain words
        kind     its type in the source, "feature.mounts.MountStep", or one word for what is no type
        fields   an object with its values; its names may change with the type
        cannot   why it could not be done, null if nothing is in the way; "not supported yet"
"""

from __future__ import annotations

from pyruntime import jsonfile
from pyruntime.command import create, validate
from pyruntime.container import awaited, forecast, steps, surroundings
from pyruntime.container import create as creation
from pyruntime.container.obstacles import Deed
from pyruntime.container.plan import Plan, Wishes
from pyruntime.feature import capabilities
from pyruntime.feature import host as hosts
from pyruntime.feature.host import Host
from pyruntime.feature.step import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyruntime.command.grammar import Line
    from pyruntime.container.forecast import Act
    from pyruntime.container.surroundings import Surroundings

ID = "ID"
_CGROUPS = "/sys/fs/cgroup"
# What each phase is called, and whose it is: what others do in it bears their name.
_HEADINGS = {
    "prepare": ("The parent, before there is a child, would", forecast.PARENT),
    "birth": ("The parent, to make the child, would", forecast.PARENT),
    "build": ("The child, before its root changes, would", forecast.CHILD),
    "finish": ("The child, after its root has changed, would", forecast.CHILD),
    "ready": ("The parent, when the child is ready, would", forecast.PARENT),
    "shed": ("The native program, before it waits, would", forecast.NATIVE),
    "created": ("The parent, when the native program waits, would", forecast.PARENT),
    "start": ("The native program, after start, would", forecast.NATIVE),
    "delete": ("The command delete, in the end, would", forecast.DELETE),
}


class Prospect:
    """A plan and all that is told of it."""

    __slots__ = ("acts", "around", "plan", "root", "warnings")

    def __init__(self, plan: Plan, around: Surroundings, acts: list[Act], root: str) -> None:
        self.plan, self.around, self.acts, self.root = plan, around, acts, root
        self.warnings: list[str] = []


def perform(line: Line, root: str) -> tuple[str, int]:
    """Return the plan, or the report on a configuration that is wrong, and the exit status.

    Raises:
        UsageError: no such format.
        RuntimeFailure: the bundle or its config.json cannot be read, or its keys do not go together
            (a user namespace that is new and a pid namespace by path): what create says of it.
    """
    form = validate.form(line)
    bundle = line.words[0] if line.words else "."
    config, report = validate.look(bundle)
    if report.problems:
        return validate.told(report, form), 1
    place, wishes = creation.place(bundle), _wishes(line)
    made = prospect(config, place, root, hosts.look(), wishes=wishes)
    made.warnings = [validate.placed(*warning) for warning in report.warnings]
    made.warnings += [
        said for said in made.plan.warnings if said not in made.warnings and not _is_known(said)
    ]
    return encoded(made) if form == "json" else text(made), 0


def _is_known(warning: str) -> bool:
    """Tell whether a plan's warning is of unknown capabilities only; validate has named these."""
    listed = warning.partition("unavailable capabilities: [")[2].rstrip("]").split()
    return bool(listed) and not any(name in capabilities.NUMBERS for name in listed)


def _wishes(line: Line) -> Wishes:
    """Return the wishes of a create with the same global options."""
    cgroups, _ = create.drivers(line)
    return Wishes(no_pivot=False, no_new_keyring=False, preserve=0, waits=True, cgroups=cgroups)


def prospect(
    config: Any,
    bundle: str,
    root: str,
    host: Host,
    look: Callable[[Plan, Host, str], Surroundings] = surroundings.look,
    *,
    wishes: Wishes,
) -> Prospect:
    """Work out a valid configuration, and what would be in the way.

    Args:
        config: of any valid shape.
        bundle: its directory, absolute.
        root: directory of the containers' state.
        host: the machine's facts.
        look: what looks at the rest of the machine.
        wishes: the flags of the create.
    """
    waiting = awaited.plan(config)
    moving = bool((config.get("linux") or {}).get("netDevices"))
    able = _able(host, 0 if moving else host.euid)
    plan = Plan(awaited.without(config, waiting), able, ID, bundle, wishes)
    around = look(plan, host, root)
    acts = forecast.Forecast(plan, around, waiting, root).acts()
    return Prospect(plan, around, acts, root)


def _able(host: Host, euid: int) -> Host:
    """Return the host with that without which there would be no plan; it is marked instead."""
    return Host(
        euid, host.cgroup_root or _CGROUPS, host.cgroup_own, host.release, host.last_capability,
        egid=host.egid, setgroups=host.setgroups,
    )  # fmt: skip


def text(made: Prospect) -> str:
    """Lay a plan out for people: a step a line, under who takes them and when."""
    lines = [
        f"What create would do with {made.plan.bundle}, for a container called {ID}",
        f"(state below {made.root}; {made.around.describe()})",
        *(f"warning: {warning}" for warning in made.warnings),
    ]
    phase, guarded = "", 0
    for act in made.acts:
        heading, actor = _HEADINGS[act.phase]
        if act.phase != phase:
            phase = act.phase
            lines += ["", f"{heading}:"]
        lines.append(("    " if guarded else "  ") + _said(act, actor))
        if isinstance(act.step, steps.Skip):
            guarded = act.step.count
        elif act.actor == actor:
            guarded = max(guarded - 1, 0)
    return "".join(f"{_visible(each)}\n" for each in [*lines, "", *_verdict(made.acts)])


def _said(act: Act, actor: str) -> str:
    """Say an act under the heading of `actor`."""
    whose = "" if act.actor == actor else f"(the {_called(act.actor)}) "
    mark = f" [{_marked(act.cannot)}]" if act.cannot else ""
    return f"{whose}{act.step.describe()}{mark}"


def _called(actor: str) -> str:
    return f"command {actor}" if actor in (forecast.START, forecast.DELETE) else actor


def _marked(cannot: str) -> str:
    return cannot if cannot == awaited.NOT_YET else f"cannot: {cannot}"


def _visible(line: str) -> str:
    """Return a line in which nothing can move a terminal's cursor or break the line."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in line
    )


def _verdict(acts: list[Act]) -> list[str]:
    """Sum up what is in the way, the most frequent reason first."""
    counts: dict[str, int] = {}
    for act in acts:
        counts[act.cannot] = counts.get(act.cannot, 0) + 1
    fine, waiting = counts.pop("", 0), counts.pop(awaited.NOT_YET, 0)
    lines = [f"These are {_steps(fine + sum(counts.values()))}; none was taken."]
    if waiting:
        keys = dict.fromkeys(_key(act.step) for act in acts if act.cannot == awaited.NOT_YET)
        lines.append(
            f"create would refuse the bundle, since these are {awaited.NOT_YET}: {', '.join(keys)}."
        )
    for reason, count in sorted(counts.items(), key=lambda pair: -pair[1]):
        lines.append(f"{_steps(count)} could not be taken here: {reason}.")
    if not waiting and not counts:
        lines.append("As far as can be seen, nothing is in the way of it.")
    return lines


def _key(step: Step) -> str:
    return step.key if isinstance(step, awaited.AwaitedStep) else ""


def _steps(count: int) -> str:
    return f"{count} step" + ("s" if count != 1 else "")


def encoded(made: Prospect) -> str:
    """Return a plan as one JSON document."""
    document = {
        "bundle": made.plan.bundle,
        "root": made.root,
        "host": made.around.describe(),
        "warnings": made.warnings,
        "steps": [_object(act) for act in made.acts],
    }
    return jsonfile.encode_indented(document, "  ") + "\n"


def _object(act: Act) -> dict[str, object]:
    return {
        "phase": act.phase,
        "actor": act.actor,
        "does": act.step.describe(),
        "kind": _kind(act.step),
        "fields": _fields(act.step),
        "cannot": act.cannot or None,
    }


def _kind(step: Step) -> str:
    if isinstance(step, Deed):
        return step.kind
    return f"{type(step).__module__.removeprefix('pyruntime.')}.{type(step).__name__}"


def _fields(step: Step) -> dict[str, object]:
    """Return the values of a step by name; the sentence is told already."""
    if isinstance(step, Deed):
        return {name: _plain(each) for name, each in step.values.items()}
    names = [name for kind in type(step).__mro__ for name in getattr(kind, "__slots__", ())]
    told = {name: getattr(step, name) for name in dict.fromkeys(names) if name != "said"}
    return {name: _plain(each) for name, each in told.items()}


def _plain(value: object) -> object:
    """Return a value as JSON has it; bytes in hexadecimal digits, steps by their sentence."""
    if isinstance(value, Step):
        return value.describe()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    return value
