"""The steps that take privileges away: filter, ids, capabilities; pieces of container/script.py."""

from __future__ import annotations

import _struct

from pyruntime.container import memory, steps
from pyruntime.feature import capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.script import Order
    from pyruntime.container.steps import Operation

_EINVAL = 22

_PR_SET_DUMPABLE = 4
_PR_SET_KEEPCAPS = 8
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_RAISED = (47, 2)  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE
_CLEARED = (47, 4)  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL
_CAPABILITY_VERSION_3 = 0x20080522
_SECCOMP_SET_MODE_FILTER = 1


def prctl(
    said: str, option: int, *arguments: int | str, tolerated: tuple[int, ...] = ()
) -> Operation:
    """Make one operation of that call; what is left out is 0, as the newer options demand."""
    return steps.Call(said, "prctl", (option, *arguments), tolerated=tolerated)


def non_dumpable() -> Operation:
    """Close the process to ptrace(2) and its /proc files to all but their owner's root."""
    return prctl("be closed to tracers (not dumpable)", _PR_SET_DUMPABLE, 0)


def load_filter(order: Order) -> list[Operation]:
    """Load the seccomp filter (seccomp(2)); it is inherited by the payload and the hooks.

    A listener goes to its agent at once.
    """
    if order.filter is None:
        return []
    program = memory.Program(order.filter)
    said = f"load the seccomp filter ({program.describe()})"
    words = "unable to init seccomp: error loading seccomp filter into kernel"
    arguments = (_SECCOMP_SET_MODE_FILTER, order.filter_flags, program)
    load = steps.Call(said, "seccomp", arguments, words)
    if not order.listens:
        return [load]
    from pyruntime.container import listening  # loaded by the parent

    return [load, *listening.give(order, load)]


def bounding_set(order: Order) -> list[Operation]:
    """Drop from the bounding set what the config does not name."""
    if order.capabilities is None:
        return []
    found: list[Operation] = []
    for first, count in _runs(~order.capabilities.bounding & (2 << order.last_capability) - 1):
        names = capabilities.name(first)
        names += f" to {capabilities.name(first + count - 1)}" if count > 1 else ""
        said = f"drop {names} from the bounding set"
        found.append(
            steps.Call(said, "prctl", (_PR_CAPBSET_DROP, first, 0, 0, 0), times=count, climbs=1)
        )
    return found


def _runs(mask: int) -> list[tuple[int, int]]:
    """Return (first, count) of each run of ones in a mask."""
    found, first = [], 0
    while mask >> first:
        first += (mask >> first & -(mask >> first)).bit_length() - 1
        count = (~(mask >> first) & (mask >> first) + 1).bit_length() - 1
        found.append((first, count))
        first += count
    return found


def ids(order: Order) -> list[Operation]:
    """Become the user; another uid makes the process what /proc/sys/fs/suid_dumpable says."""
    found: list[Operation] = []
    if order.capabilities is not None:
        found.append(prctl("keep the capabilities while the ids change", _PR_SET_KEEPCAPS, 1))
    if order.groups is not None:
        listed = _struct.pack(f"<{len(order.groups)}I", *order.groups)
        named = " ".join(map(str, order.groups))
        said = f"have the supplementary groups {named}" if named else "have no supplementary groups"
        found.append(steps.Call(said, "setgroups", (len(order.groups), listed), "setgroups"))
    gids, uids = (order.gid,) * 3, (order.uid,) * 3
    return [
        *found,
        steps.Call(f"become gid {order.gid}", "setresgid", gids, f"setresgid {order.gid}"),
        steps.Call(f"become uid {order.uid}", "setresuid", uids, f"setresuid {order.uid}"),
        non_dumpable(),
    ]


def capability_sets(order: Order) -> list[Operation]:
    """Set the sets; for a root payload without no_new_privs the bounding set decides."""
    sets = order.capabilities
    if sets is None:
        return []
    header = _struct.pack("<Ii", _CAPABILITY_VERSION_3, 0)
    three = (sets.effective, sets.permitted, sets.inheritable)
    low, high = [each & 0xFFFFFFFF for each in three], [each >> 32 for each in three]
    data = _struct.pack("<6I", *low, *high)
    return [
        steps.Call(sets.describe(), "capset", (header, data), "unable to apply caps"),
        prctl("clear the ambient set", *_CLEARED, tolerated=(_EINVAL,)),
        *(
            prctl(f"make {capabilities.name(each)} ambient", *_RAISED, each)
            for each in capabilities.members(sets.ambient)
        ),
    ]


def no_new_privs(order: Order) -> list[Operation]:
    """Set the bit, where the config says so."""
    if not order.no_new_privs:
        return []
    return [prctl("never gain privileges by execution", _PR_SET_NO_NEW_PRIVS, 1)]
