"""Signals: their names, blocking them, taking them one at a time, and waiting in spite of them.

Without the module _signal, which an interpreter has only after the whole of its start. The numbers
are those of both architectures of the base line; a test compares them with the library's.
"""

from __future__ import annotations

import _struct
import posix

from pyruntime import errors
from pyruntime.kernel import door

HUP, INT, QUIT, KILL, TERM, CHLD, CONT, STOP = 1, 2, 3, 9, 15, 17, 18, 19
TTIN, TTOU, URG, WINCH = 21, 22, 23, 28
LAST = 64
EVERYTHING = tuple(range(1, LAST + 1))
# Two are the C library's own.
RTMIN, RTMAX = 34, 64
NAMES = (
    "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU",
    "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
)  # fmt: skip
ALSO = {"IOT": 6, "CLD": 17, "POLL": 29, "RTMIN": RTMIN, "RTMAX": RTMAX}

_SIG_BLOCK, _SIG_UNBLOCK, _SIG_SETMASK = 0, 1, 2
_SIG_IGN = 1
_MASK_SIZE = 8
_ACTION_SIZE = 32  # of the kernel's struct sigaction; all zero is SIG_DFL
_SFD_CLOEXEC = 0o2000000
_INFO_SIZE = 128  # of siginfo_t and of signalfd_siginfo
_POLL = _struct.Struct("<ihhihh")  # two of struct pollfd
_POLLIN = 1
_TIME = _struct.Struct("<qq")  # struct timespec
# What asks a program to end: what was made is undone then.
_ENDING = (HUP, INT, QUIT, TERM)


class Interrupted(errors.RuntimeFailure):
    """A signal asked the runtime to end while it waited; its exit status is the shell's."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by SIG{NAMES[number]}")
        self.code = 128 + number


def _mask(numbers: tuple[int, ...]) -> bytes:
    return sum(1 << number - 1 for number in numbers).to_bytes(_MASK_SIZE, door.ORDER)


def block(numbers: tuple[int, ...]) -> None:
    """Block signals, for good; children that execute something reset the mask.

    Args:
        numbers: of the signals, 1 to `LAST`.
    """
    door.call("rt_sigprocmask", _SIG_BLOCK, _mask(numbers), None, _MASK_SIZE)


def unblock(numbers: tuple[int, ...]) -> None:
    """Let signals do again what they do."""
    door.call("rt_sigprocmask", _SIG_UNBLOCK, _mask(numbers), None, _MASK_SIZE)


def descriptor(numbers: tuple[int, ...]) -> int:
    """Return a descriptor that can be read when one of these (blocked) signals has come.

    Raises:
        OSError: no descriptors left.
    """
    return door.call("signalfd4", -1, _mask(numbers), _MASK_SIZE, _SFD_CLOEXEC)


def told(source: int) -> int:
    """Read the number of a signal from what `descriptor` returned; waits for one."""
    return posix.read(source, _INFO_SIZE)[0]


def watch() -> int:
    """Block what asks a program to end, and return a descriptor that can be read when it has come.

    What the caller ignores, as under nohup(1), asks nothing.

    Raises:
        OSError: no descriptors left.
    """
    asking = tuple(number for number in _ENDING if not _is_ignored(number))
    block(asking)
    return descriptor(asking)


def _is_ignored(number: int) -> bool:
    action = bytearray(_ACTION_SIZE)
    door.call("rt_sigaction", number, None, action, _MASK_SIZE)
    return int.from_bytes(action[:8], door.ORDER) == _SIG_IGN


def unblock_all() -> None:
    """Block none, whatever the caller blocked."""
    door.call("rt_sigprocmask", _SIG_SETMASK, bytes(_MASK_SIZE), None, _MASK_SIZE)


def reset(number: int) -> None:
    """Give a signal its default action.

    Raises:
        OSError: EINVAL for SIGKILL and SIGSTOP.
    """
    door.call("rt_sigaction", number, bytes(_ACTION_SIZE), None, _MASK_SIZE)


def take(numbers: tuple[int, ...]) -> int:
    """Wait for one of these (blocked) signals and return its number."""
    while True:
        try:
            return door.call("rt_sigtimedwait", _mask(numbers), None, None, _MASK_SIZE)
        except InterruptedError:  # stopped and continued
            continue


def wait_readable(descriptor: int, ending: int, patience: float | None = None) -> bool:
    """Wait until a descriptor can be read or has ended.

    Args:
        descriptor: what to wait for.
        ending: what `watch` returned, -1 for nothing.
        patience: seconds after which to give up, None to wait for ever.

    Returns:
        Whether it can be read.

    Raises:
        Interrupted: a signal that asks to end came first.
    """
    wish = bytearray(_POLL.pack(descriptor, _POLLIN, 0, ending, _POLLIN, 0))
    limit = None
    if patience is not None:
        limit = bytearray(_TIME.pack(int(patience), int(patience % 1 * 1_000_000_000)))
    while True:
        try:
            door.call("ppoll", wish, 2, limit, None, 0)
            break
        except InterruptedError:  # stopped and continued; what is left of the time is in `limit`
            continue
    _, _, ready, _, _, told = _POLL.unpack(wish)
    if told and not ready:
        raise interruption(ending)
    return bool(ready)


def interruption(ending: int) -> Interrupted:
    """Return what to raise for the signal that can be read from `ending`."""
    return Interrupted(told(ending))
