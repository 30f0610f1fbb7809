"""What the caller handed over with execve(2): descriptors and environment, unspoilt.

The interpreter leaves traces in its own process before the first line of ours runs, and the
container's process must not inherit them:

* With no locale set it puts LC_CTYPE=C.UTF-8 into the environment (PEP 538); `note` takes that
  out again, or puts the caller's own LC_CTYPE back.
* Every descriptor it opens is close-on-exec (PEP 446), and none that a caller hands over can be:
  that is how `note` tells them apart.
* It ignores SIGPIPE and SIGXFSZ. What the caller had set can no longer be read, so there is no
  note of it: hooks and the container's process get the default for both, which is what a shell,
  conmon and containerd's shim start with.
"""

from __future__ import annotations

import fcntl
import posix

from pyruntime import errors
from pyruntime.kernel import signals

_LC_CTYPE = b"LC_CTYPE"
_FIRST = 3
_CHUNK = 1 << 16


class Caller:
    """What the caller handed over.

    Args:
        descriptors: open descriptors from 3 upwards, in order.
        environment: the environment block as execve(2) received it.
    """

    __slots__ = ("descriptors", "environment")

    def __init__(self, descriptors: tuple[int, ...], environment: dict[bytes, bytes]) -> None:
        self.descriptors, self.environment = descriptors, environment


def note() -> Caller:
    """Note what the caller handed over; to be called before anything is opened to stay open.

    Raises:
        KernelError: /proc cannot be read.
    """
    # A caller that ignores SIGCHLD would take our children's exit statuses away, wait(2).
    signals.reset(signals.CHLD)
    with errors.doing("read", "/proc/self/fd"):
        numbers = sorted(int(name) for name in posix.listdir("/proc/self/fd"))
    descriptors = tuple(number for number in numbers if number >= _FIRST and _inherited(number))
    return Caller(descriptors, _environment(dict(posix.environ)))


def _inherited(descriptor: int) -> bool:
    """Tell whether a descriptor came through execve(2); the one that listed them is closed."""
    try:
        return not fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    except OSError:
        return False


def _environment(own: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Undo what the interpreter did to LC_CTYPE."""
    if _LC_CTYPE not in own:
        return own
    del own[_LC_CTYPE]
    for entry in _block().split(b"\0"):
        name, equals, value = entry.partition(b"=")
        if equals and name == _LC_CTYPE:
            own[_LC_CTYPE] = value
    return own


def _block() -> bytes:
    """Return the environment block that execve(2) received."""
    with errors.doing("read", "/proc/self/environ"):
        descriptor = posix.open("/proc/self/environ", posix.O_RDONLY)
        try:
            block = b""
            while chunk := posix.read(descriptor, _CHUNK):
                block += chunk
            return block
        finally:
            posix.close(descriptor)
