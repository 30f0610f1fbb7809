"""systemd's book of a container that lives: `update` tells it what is new, or takes that back.

Whatever it is told, systemd writes all that it knows of to the files anew, and rounds some of it.
So only what is wished for is told, and the caller sees to it that `files` are as they should be.
"""

from __future__ import annotations

from pyruntime import errors
from pyruntime.feature.cgroup import devices, properties, systemd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyruntime.feature.cgroup.devices import DeviceStep
    from pyruntime.feature.step import Step
    from pyruntime.spec.shapes import Resources


_FILES = (
    "cpu.idle", "cpu.weight", "cpu.max", "cpuset.cpus", "cpuset.mems", "io.weight", "io.bfq.weight",
    "io.max", "memory.min", "memory.low", "memory.high", "memory.max", "memory.swap.max",
    "memory.oom.group", "pids.max",
)  # fmt: skip


class Book:
    """What systemd is told of one unit, and what it knew before.

    Args:
        unit: what the state keeps, manager and name.
        asked: the limits that are written.
        steps: that write them, perhaps with device rules.
        present: the limits of before.
        rules: the device rules of before.

    Raises:
        SpecError: a limit that systemd has a property for cannot be told to it.
    """

    __slots__ = ("_before", "_is_told", "_told", "unit")

    def __init__(
        self,
        unit: str,
        asked: Resources,
        steps: Iterable[Step],
        *,
        present: Resources,
        rules: DeviceStep,
    ) -> None:
        self.unit = unit
        self._told = properties.of_limits(asked)
        for each in steps:
            if isinstance(each, devices.DeviceStep):
                self._told += properties.of_devices(each)
        self._before = properties.before(self._told, present, rules)
        self._is_told = False

    def files(self) -> tuple[str, ...]:
        """Return the files that systemd may write when it is told."""
        return _FILES if self._told else ()

    def tell(self) -> None:
        """Tell what is new.

        Raises:
            RuntimeFailure: systemd cannot be reached, or refuses something.
        """
        if self._told:
            self._is_told = True
            systemd.set_properties(self.unit, self._told)

    def take_back(self) -> None:
        """Tell what was before, if anything was told; a failure is warned of."""
        if not self._is_told:
            return
        try:
            systemd.set_properties(self.unit, self._before)
        except errors.RuntimeFailure as failure:
            from pyruntime import log

            log.warning(f"systemd may keep the new limits: {failure.say()}")
