"""What the standard files of a container are, told as console.py does it; part of forecast.py."""

from __future__ import annotations

from pyruntime.container.obstacles import Deed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyruntime.container.plan import Plan
    from pyruntime.feature.step import Step


def connect(plan: Plan) -> Iterator[Step]:
    """Tell what Endowment does for a terminal, in the parent."""
    if plan.terminal:
        yield Deed("socket", "connect with the socket that --console-socket names, for the child")


def take(plan: Plan) -> Iterator[Step]:
    """Tell what console.take or devices.replace_null does, in the child."""
    if plan.terminal is None:
        said = "where the caller's /dev/null is descriptor 0, 1 or 2"
        yield Deed("null", f"{said}, put the container's in its place")
        return
    yield plan.terminal
    yield Deed("console", "bind it on /dev/console, which is made if it is not there")
    yield Deed("master", "send its master over that socket")
    said = "make it descriptors 0, 1 and 2"
    if "pid" not in plan.namespaces.paths:
        said += " and the controlling terminal of the session"
    yield Deed("standard files", said)
