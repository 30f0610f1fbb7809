"""`kill [--all] ID [SIGNAL]`: send a signal; SIGTERM unless said otherwise."""

from __future__ import annotations

from pyruntime import errors
from pyruntime.container import kill
from pyruntime.kernel import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Line


def perform(line: Line, root: str) -> int:
    """Send the signal."""
    number = signal_number(line.words[1]) if len(line.words) > 1 else signals.TERM
    kill.kill(root, line.words[0], number, "all" in line.options)
    return 0


def signal_number(text: str) -> int:
    """Return the signal named by a decimal number, or a name in any case with or without SIG.

    0 is a signal (it only asks whether one could be sent, kill(2)); SIGRTMIN+N and SIGRTMAX-N
    count as names: systemd in a container is controlled by them.

    Raises:
        UsageError: there is no such signal.
    """
    digits = text.removeprefix("+")
    if digits.isascii() and digits.isdigit():
        number = int(digits[-9:]) if len(digits.lstrip("0")) < 9 else -1
    else:
        number = _named(text.upper().removeprefix("SIG"))
    if not 0 <= number <= signals.LAST:
        from pyruntime import log

        raise errors.UsageError(f"unknown signal {log.quoted(text)}")
    return number


def _named(name: str) -> int:
    """Return the number of a signal by its name without SIG, -1 if there is none."""
    base, sign, distance = name[:5], name[5:6], name[6:]
    if base in ("RTMIN", "RTMAX") and sign and sign == ("+" if base == "RTMIN" else "-"):
        if not (distance.isascii() and distance.isdigit()) or len(distance) > 2:
            return -1
        number = _named(base) + int(sign + distance)
        return number if signals.RTMIN <= number <= signals.RTMAX else -1
    if name and name in signals.NAMES:
        return signals.NAMES.index(name)
    return signals.ALSO.get(name, -1)
