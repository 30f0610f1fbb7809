"""What is asked of systemd about a unit: to stop it, to forget it, to take new values for it."""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.feature.cgroup import bus, busaddress, unit
from pyruntime.feature.cgroup.bus import Bus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyruntime.feature.cgroup.properties import Property

MODE = "replace"  # of jobs: it takes the place of one that waits
_BOOTED = "/run/systemd/system"  # sd_booted(3)
_AT_START = ("OOMPolicy",)  # cannot be changed later
_UNKNOWN = "org.freedesktop.systemd1.NoSuchUnit"


def missing() -> str:
    """Say why there is no systemd to ask, "" when there is."""
    if posix.access(_BOOTED, posix.F_OK):
        return ""
    return (
        f"systemd does not run here ({_BOOTED} is missing):"
        " leave out --systemd-cgroup, or use --cgroup-manager cgroupfs"
    )


class telling:  # noqa: N801 - reads as a sentence, like errors.doing
    """Give a failure of systemd its context: what was asked of it."""

    __slots__ = ("action",)

    def __init__(self, action: str) -> None:
        self.action = action

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Put the context before the words of the failure."""
        if isinstance(error, (bus.Refused, bus.Lost)):
            raise errors.RuntimeFailure(f"{self.action}: {error.say()}") from error


def reach(manager: str, ending: int = -1) -> Bus:
    """Return a connection to a manager.

    Args:
        manager: "system" or "user".
        ending: descriptor that can be read when the runtime is asked to end, -1 for none.

    Raises:
        Lost: nobody is there.
    """
    return Bus(busaddress.addresses(manager, posix.environ, posix.geteuid()), ending)


def known(line: Bus, told: list[Property]) -> list[tuple[str, tuple[str, Any]]]:
    """Return the properties that this systemd knows; its version is asked only where it matters."""
    if any(least for _, _, _, least in told):
        version = line.version()
        told = [each for each in told if each[3] <= version]
    return [(name, (kind, value)) for name, kind, value, _ in told]


def reset(line: Bus, name: str) -> None:
    """Have systemd forget a unit that has failed; one that has not is left alone.

    Raises:
        Lost: the connection ended.
    """
    try:
        line.ask("ResetFailedUnit", "s", name)
    except bus.Refused:
        return


def stop(recorded: str) -> None:
    """Have the unit stopped and forgotten; one that is gone is no error.

    Args:
        recorded: what `ScopeStep.unit` said.

    Raises:
        RuntimeFailure: systemd cannot be reached, or does not stop it.
    """
    manager, name = unit.name_of(recorded)
    with telling(f"stop the unit {name}"):
        line = reach(manager)
        try:
            try:
                (job,) = line.ask("StopUnit", "ss", name, MODE)
                line.result(str(job))
            except bus.Refused as refusal:
                if refusal.name != _UNKNOWN:
                    raise
                return
            reset(line, name)
        finally:
            line.close()


def clear(recorded: str, directory: str, *, leftovers: bool = False) -> None:
    """Have the unit stopped and remove its cgroup, with all that may be left in it.

    Where systemd cannot be asked any more, the cgroup is removed all the same: an empty scope ends
    by itself.

    Args:
        recorded: what `ScopeStep.unit` said.
        directory: of the container's cgroup, the unit's or one below it.
        leftovers: kill what still runs in it first.

    Raises:
        KernelError: processes remain in it.
    """
    from pyruntime.feature.cgroup import removal

    if leftovers:
        removal.kill(directory)
    try:
        stop(recorded)
    except errors.RuntimeFailure as failure:
        from pyruntime import log

        log.warning(failure.say())
    removal.remove(top(recorded, directory))


def top(recorded: str, directory: str) -> str:
    """Return the directory of the unit, which may be above the container's; or likewise paths."""
    own = unit.escaped(unit.name_of(recorded)[1])
    above = directory.rpartition("/")[0]
    return above if above.rpartition("/")[2] == own else directory


def set_properties(recorded: str, told: list[Property]) -> None:
    """Tell systemd new values for a unit that runs, until the next boot.

    When it returns they are in the cgroup's files, so that others can be written after them:
    systemd answers first, but does what it has promised before it takes the next call.

    Args:
        recorded: what `ScopeStep.unit` said.
        told: the properties, as properties.py makes them of linux.resources.

    Raises:
        RuntimeFailure: systemd cannot be reached, or refuses one.
    """
    manager, name = unit.name_of(recorded)
    with telling(f"set properties of the unit {name}"):
        line = reach(manager)
        try:
            values = [each for each in told if each[0] not in _AT_START]
            line.ask("SetUnitProperties", "sba(sv)", name, True, known(line, values))  # noqa: FBT003
            line.ask("GetUnit", "s", name)
        finally:
            line.close()
