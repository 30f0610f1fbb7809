"""Why the parent could not do its part for a new user namespace; part of obstacles.py."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.container.plan import Plan
    from pyruntime.container.surroundings import Surroundings


def maps(step: Any, plan: Plan, around: Surroundings) -> str:
    """Judge the id maps: to give away uid 0 of the host is a right of its own, since Linux 5.12.

    A caller that is not root gives its own ids, or has programs give others: see idmaps.py.
    """
    if around.host.euid != 0:
        programs = plan.user.programs.values() if plan.user else ()
        return next((fault for each in programs if (fault := around.faults.get(each))), "")
    root = any(line.split()[1] == "0" for line in step.values["uid_map"].splitlines())
    return around.lacks("CAP_SETUID", "CAP_SETGID", *["CAP_SETFCAP"] * root)


def ownership(_step: Any, _plan: Plan, around: Surroundings) -> str:
    """Judge the gift of the cgroup."""
    return around.lacks("CAP_CHOWN")


def lend(_step: Any, _plan: Plan, around: Surroundings) -> str:
    """Judge the fetching of a source, which others than root do by the user namespace itself."""
    return around.lacks("CAP_SYS_ADMIN", "CAP_SYS_CHROOT") if around.host.euid == 0 else ""
