"""Who this process is: its ids, and whether its /proc files are its own."""

from __future__ import annotations

from pyruntime.kernel import door

_PR_SET_DUMPABLE = 4


def become_root(sets_groups: bool) -> None:  # noqa: FBT001
    """Become uid and gid 0 of the present user namespace.

    Args:
        sets_groups: let go of the groups of before; where that is denied they stay.

    Raises:
        OSError: EINVAL where 0 is not mapped, EPERM without CAP_SETUID and CAP_SETGID.
    """
    if sets_groups:
        door.call("setgroups", 0, None)
    door.call("setresgid", 0, 0, 0)
    door.call("setresuid", 0, 0, 0)


def be_dumpable() -> None:
    """Own one's files in /proc again, which a change of the ids takes away (PR_SET_DUMPABLE).

    Raises:
        OSError: never in practice.
    """
    door.call("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0)
