"""Scheduling policy and priority of a process: sched_setattr(2)."""

from __future__ import annotations

import _struct

from pyruntime.kernel import door

# struct sched_attr with the two values of utilization clamping, which are 0 here.
_ATTRIBUTES = _struct.Struct("<IIQiIQQQII")


def set_attributes(
    pid: int, *, policy: int, flags: int, nice: int, priority: int, times: tuple[int, int, int]
) -> None:
    """Set how the process `pid` is scheduled.

    Args:
        pid: of a process with one thread.
        policy: SCHED_….
        flags: SCHED_FLAG_….
        nice: -20 to 19.
        priority: 1 to 99 for the real-time policies, else 0.
        times: runtime, deadline and period in nanoseconds.

    Raises:
        OSError: EPERM (CAP_SYS_NICE, or a deadline process that may not run on all processors),
            EINVAL, EBUSY (no bandwidth is left), EOPNOTSUPP (no utilization clamping).
    """
    wish = packed(policy=policy, flags=flags, nice=nice, priority=priority, times=times)
    door.call("sched_setattr", pid, wish, 0)


def packed(
    *, policy: int, flags: int, nice: int, priority: int, times: tuple[int, int, int]
) -> bytes:
    """Return struct sched_attr with what `set_attributes` describes."""
    size = _ATTRIBUTES.size
    return _ATTRIBUTES.pack(size, policy, flags, nice, priority, *times, 0, 0)
