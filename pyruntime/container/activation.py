"""Descriptors that the caller hands on to the payload: socket activation and --preserve-fds."""

from __future__ import annotations

import posix

from pyruntime import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.caller import Caller

_FIRST = 3


def listening(caller: Caller) -> int:
    """Return how many sockets the service manager passed (sd_listen_fds(3)).

    They count only when LISTEN_PID names this process: else they were somebody else's.
    """
    told = caller.environment
    if told.get(b"LISTEN_PID") != str(posix.getpid()).encode("ascii"):
        return 0
    count = told.get(b"LISTEN_FDS", b"")
    return int(count) if count.isdigit() else 0


def words(caller: Caller) -> list[str]:
    """Return the environment words that tell the payload of its sockets, by the caller's names.

    sd_listen_fds(3) wants LISTEN_PID as well, which who makes the process knows: see `addressed`.
    """
    count = listening(caller)
    if not count:
        return []
    names = caller.environment.get(b"LISTEN_FDNAMES", b"").decode("utf-8", "surrogateescape")
    return [f"LISTEN_FDS={count}", *([f"LISTEN_FDNAMES={names}"] if names else [])]


def addressed(words: list[str], pid: int = 1) -> list[str]:
    """Return such words with LISTEN_PID, if they tell of sockets.

    Args:
        words: of the environment.
        pid: of the payload as it sees itself; 1 where that is not known yet, as runc tells it.
    """
    told = any(word.startswith("LISTEN_FDS=") for word in words)
    return [*words, f"LISTEN_PID={pid}"] if told else words


def kept(caller: Caller, preserve: int) -> int:
    """Return how many descriptors from 3 upwards the payload keeps.

    Args:
        caller: with the descriptors that were open before the runtime opened any.
        preserve: the number given by --preserve-fds, counted after the sockets.

    Raises:
        UsageError: one of them is not open; what the runtime opened since is never handed over.
    """
    count = listening(caller) + preserve
    wanted = range(_FIRST, _FIRST + count)
    missing = next((number for number in wanted if number not in caller.descriptors), None)
    if missing is not None:
        listened = missing < _FIRST + count - preserve
        said = f"LISTEN_FDS={count - preserve}" if listened else f"--preserve-fds {preserve}"
        raise errors.UsageError(f"{said}: the caller has no open descriptor {missing}")
    return count
