"""Groups of resctrl, the file system of cache and memory bandwidth allocation.

Documentation/filesystems/resctrl.rst. Making a directory makes a group with its files; removing it
gives its tasks back to the group above.
"""

from __future__ import annotations

import posix

from pyruntime.errors import doing

_LARGEST = 1 << 20


def place(mountinfo: str) -> str:
    """Return where resctrl is mounted, "" for nowhere.

    Args:
        mountinfo: the text of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
    """
    for line in mountinfo.splitlines():
        fields, _, more = line.partition(" - ")
        if more.startswith("resctrl "):
            return _unescaped(fields.split(" ")[4])
    return ""


def _unescaped(text: str) -> str:
    """Undo the octal escapes of mountinfo: blank, tab, line end and backslash."""
    for code in ("040", "011", "012", "134"):
        text = text.replace("\\" + code, chr(int(code, 8)))
    return text


def make(group: str) -> bool:
    """Make a group; tell whether it is new.

    Raises:
        KernelError: ENOSPC where the processor has no more classes or monitors.
    """
    with doing("make the resctrl group", group):
        try:
            posix.mkdir(group, 0o755)
        except FileExistsError:
            return False
    return True


def remove(group: str) -> None:
    """Remove a group; one that is gone is no error.

    Raises:
        KernelError: it cannot be removed.
    """
    with doing("remove the resctrl group", group):
        try:
            posix.rmdir(group)
        except FileNotFoundError:
            return


def read(file: str) -> str:
    """Return the text of a file of a group or of `info`.

    Raises:
        OSError: as open(2) gives it.
    """
    descriptor = posix.open(file, posix.O_RDONLY)
    try:
        content = b""
        while piece := posix.read(descriptor, _LARGEST):
            content += piece
        return content.decode("utf-8", "replace")
    finally:
        posix.close(descriptor)


def write(file: str, line: str) -> None:
    """Write one line to a file of a group.

    Raises:
        OSError: as write(2) gives it; the reason in words stands in info/last_cmd_status.
    """
    descriptor = posix.open(file, posix.O_WRONLY)
    try:
        posix.write(descriptor, line.encode("utf-8", "surrogateescape"))
    finally:
        posix.close(descriptor)


def exists(name: str) -> bool:
    """Tell whether a group, or a directory of `info`, is there."""
    return posix.access(name, posix.F_OK)
