"""`spec`: write a config.json to start from."""

from __future__ import annotations

import posix

from pyruntime import errors
from pyruntime.spec import sample

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.command.grammar import Line


def perform(line: Line, root: str) -> int:
    """Write the file into the bundle; one that is there is never overwritten.

    Raises:
        UsageError: the file exists.
        KernelError: it cannot be written.
    """
    del root
    bundle = str(line.options.get("bundle", "")) or "."
    name = str(line.options.get("file", "")) or "config.json"
    text = sample.sample("rootless" in line.options, posix.geteuid(), posix.getegid())
    with errors.doing("open", bundle):
        directory = posix.open(bundle, posix.O_PATH | posix.O_DIRECTORY)
    try:
        _write(directory, name, text.encode())
    finally:
        posix.close(directory)
    return 0


def _write(directory: int, name: str, content: bytes) -> None:
    """Write a new file; leave none behind if the disk is full."""
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL
    with errors.doing("write", name):
        try:
            file = posix.open(name, flags, 0o666, dir_fd=directory)
        except FileExistsError:
            raise errors.UsageError(f"File {name} exists. Remove it first") from None
        try:
            while content:
                content = content[posix.write(file, content) :]
        except OSError:
            posix.unlink(name, dir_fd=directory)
            raise
        finally:
            posix.close(file)
