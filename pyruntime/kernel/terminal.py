"""Pseudo-terminals: what pts(4) and ioctl_tty(2) can do with an open one."""

from __future__ import annotations

import posix

from pyruntime.kernel import door, path

DEVPTS_SUPER_MAGIC = 0x1CD1
TIOCSCTTY = 0x540E
PTMX = (5, 2)
LARGEST = 0xFFFF  # lines or columns: the kernel's struct winsize has 16 bits for each

_TIOCSWINSZ = 0x5414
_TIOCGPTPEER = 0x5441
_TIOCSPTLCK = 0x40045431
_SLAVES = range(136, 144)  # majors, linux/major.h
_CHARACTER = 0o020000


def peer(master: int) -> int:
    """Open the slave of a master, whatever any path says (TIOCGPTPEER), close-on-exec.

    It does not become the controlling terminal of this process.

    Raises:
        OSError: EIO where the master's own devpts cannot be told.
    """
    door.call("ioctl", master, _TIOCSPTLCK, bytes(4))
    flags = posix.O_RDWR | posix.O_NOCTTY | posix.O_CLOEXEC
    return door.call("ioctl", master, _TIOCGPTPEER, flags)


def resize(master: int, height: int, width: int) -> None:
    """Set the size in lines and columns; who reads from the slave is sent SIGWINCH.

    Raises:
        OSError: it is no terminal.
    """
    size = height.to_bytes(2, door.ORDER) + width.to_bytes(2, door.ORDER) + bytes(4)
    door.call("ioctl", master, _TIOCSWINSZ, size)


def control(slave: int) -> None:
    """Make a terminal the controlling one of this session, whose leader this process is.

    Raises:
        OSError: EPERM where it is another session's, or this process leads none.
    """
    door.call("ioctl", slave, TIOCSCTTY, 0)


def is_master(descriptor: int) -> bool:
    """Tell whether an open file is a master of a devpts, and not what a path made look so."""
    known = posix.fstat(descriptor)
    number = (posix.major(known.st_rdev), posix.minor(known.st_rdev))
    return _is_device(known.st_mode) and number == PTMX and _is_on_devpts(descriptor)


def is_slave(descriptor: int, master: int) -> bool:
    """Tell whether an open file is a slave of the devpts of `master`."""
    known = posix.fstat(descriptor)
    ours = known.st_dev == posix.fstat(master).st_dev
    numbered = _is_device(known.st_mode) and posix.major(known.st_rdev) in _SLAVES
    return ours and numbered and _is_on_devpts(descriptor)


def _is_device(mode: int) -> bool:
    return mode & 0o170000 == _CHARACTER


def _is_on_devpts(descriptor: int) -> bool:
    return path.magic(descriptor) == DEVPTS_SUPER_MAGIC
