"""The native program's script as it would be: composed by script.py, without the image.

What init.py would look up inside the root is left as it is written: the program may be at any of
the places that PATH names, and HOME is missing where config.json does not give it. Descriptors bear
the lowest numbers that they could have.
"""

from __future__ import annotations

from pyruntime import errors
from pyruntime.container import script, steps
from pyruntime.container.obstacles import Deed
from pyruntime.feature import confinement
from pyruntime.kernel import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.plan import Plan
    from pyruntime.container.surroundings import Surroundings
    from pyruntime.feature.confinement import Label, LabelStep

_UMASK = 0o022
_SYNC, _GO, _RESULT, _PROCFS, _PID = range(3, 8)
_APPARMOR_FILE = "attr/apparmor/exec"


def order(plan: Plan, around: Surroundings) -> script.Order:
    """Return what init._last_steps would gather, without the image."""
    process = plan.config["process"]
    user = process.get("user") or {"uid": 0, "gid": 0}
    env = list({word.partition("=")[0]: word for word in process.get("env") or []}.values())
    args = process["args"]
    return script.Order(
        args=args,
        candidates=_candidates(args[0], env, process["cwd"]),
        env=[word for word in env if word != "HOME="],
        cwd=process["cwd"],
        uid=user["uid"],
        gid=user["gid"],
        groups=plan.groups(),
        umask=user.get("umask", _UMASK),
        no_new_privs=process.get("noNewPrivileges", False),
        capabilities=plan.capabilities,
        filter=(around.filter or b"") if plan.filter else None,
        filter_flags=plan.filter.flags if plan.filter else 0,
        listens=plan.filter is not None and plan.filter.agent is not None,
        labels=[label for step in plan.labels for label in _labels(step, around)],
        procfs=_PROCFS if plan.labels else None,
        hooks=plan.hooks["startContainer"],
        sync=_SYNC,
        go=_GO,
        result=_RESULT,
        preserve=plan.wishes.preserve,
        last_capability=plan.host.last_capability,
        joined_pid=_PID if "pid" in plan.namespaces.paths else None,
        terminal=plan.terminal is not None,
        extra=[
            steps.Call(step.said, step.call, step.arguments, step.words) for step in plan.attributes
        ],
    )


def _labels(step: LabelStep, around: Surroundings) -> list[Label]:
    """Return what is to be written for a label; where its module is off, what would be."""
    try:
        return confinement.labels([step], around.modules)
    except errors.Unsupported:
        return confinement.labels([step], confinement.Modules(_APPARMOR_FILE, selinux=True))


def _candidates(name: str, env: list[str], cwd: str) -> list[str]:
    """Return where program.candidates would look."""
    if "/" in name:
        return [path.join(cwd, name)]
    search = next((word[5:] for word in env if word.startswith("PATH=")), "")
    places = search.split(":") if search else []
    return [path.join(path.join(cwd, place or "."), name) for place in places]


def environment(order: script.Order) -> Deed:
    """Tell the payload's environment, as far as that is known."""
    count = len(order.env)
    said = f"give the payload the {count} variable{'s' * (count != 1)} of process.env"
    home = next((word[5:] for word in order.env if word.startswith("HOME=")), "")
    if home:
        return Deed("environment", f"{said}, with HOME={home}", HOME=home)
    found = f"HOME as the image's /etc/passwd has it for uid {order.uid}, or /"
    return Deed("environment", f"{said}, and {found}")


def search(order: script.Order) -> Deed:
    """Tell where the program is looked for."""
    name, found = order.args[0], order.candidates
    if "/" in name:
        return Deed("search", f"see that {found[0]} is there", found=found)
    where = ", ".join(place.rpartition("/")[0] or "/" for place in found)
    return Deed("search", f"look for {name} in {where or 'no directory'}", found=found)


def waiting(operations: list[steps.Operation]) -> int:
    """Return how many operations come before the end of the wait."""
    return 1 + next(
        number
        for number, each in enumerate(operations)
        if isinstance(each, steps.Call) and each.name == "read" and each.arguments[:1] == (_GO,)
    )
