"""The page on which a process that enters a container says how that went.

It enters without a descriptor of the runtime's, since whoever watches there could take that from
it. So it has a page of memory instead, shared with the runtime: the kernel writes its pid there,
and the native program a text when something fails (struct answer of native/player.c). The process
itself can be changed by a strong container, hence so can the page: it is read once, as a number
that must be a child's, and a short text.
"""

from __future__ import annotations

import _struct
import fcntl
import posix

from pyruntime.container import memory, steps
from pyruntime.kernel import memfd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.container.steps import Operation

PLACE = 2 * memory.BASE  # free in a static program, also with 39-bit addresses
_HEAD = _struct.Struct("<QQ")  # pid, length of the text
_LONGEST = 4096
_SIZE = 2 * _LONGEST

_PROT_READ_WRITE = 3
_MAP_SHARED_FIXED_NOREPLACE = 0x100001
_F_ADD_SEALS = 1033
_SEAL_SHRINK_GROW = 0x7  # F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW: no access can fault


def page() -> int:
    """Make the page; return its descriptor, close-on-exec.

    Raises:
        OSError: as memfd_create(2) gives it.
    """
    descriptor = memfd.unsealed("answer")
    posix.ftruncate(descriptor, _SIZE)
    fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEAL_SHRINK_GROW)
    return descriptor


def open_page(descriptor: int) -> list[Operation]:
    """Return the operations that begin to report failures there."""
    arguments = (PLACE, _SIZE, _PROT_READ_WRITE, _MAP_SHARED_FIXED_NOREPLACE, descriptor, 0)
    return [
        steps.Call("map the page of answers", "mmap", arguments),
        steps.Report("put failures there", -1, answer=PLACE),
        steps.Call("close it", "close", (descriptor,)),
    ]


def write(descriptor: int, text: str) -> None:
    """Say on the page what failed before there was a native program to do so."""
    told = text.encode("utf-8", "replace")[:_LONGEST]
    posix.pwrite(descriptor, _HEAD.pack(0, len(told)) + told, 0)


def read(descriptor: int) -> tuple[int, str]:
    """Return (pid, text): of the process inside, 0 for none, and what failed, "" for nothing."""
    told = posix.pread(descriptor, _HEAD.size + _LONGEST, 0)
    pid, length = _HEAD.unpack_from(told)
    text = told[_HEAD.size : _HEAD.size + min(length, _LONGEST)]
    return pid & 0x7FFFFFFF, text.decode("utf-8", "replace").replace("\n", " ").strip()
