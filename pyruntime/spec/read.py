"""Reading a bundle's config.json."""

from __future__ import annotations

import posix

from pyruntime import errors, jsonfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyruntime.spec.shapes import Config

NAME = "config.json"
LARGEST = 64 << 20
_FORMAT, _REGULAR = 0o170000, 0o100000
_CHUNK = 1 << 20
_O_PATH = 0o10000000


def read(bundle: str) -> tuple[Config, bytes]:
    """Read `bundle`/config.json.

    Returns:
        The document, of any shape but an object at the top, and its bytes as they were.

    Raises:
        errors.RuntimeFailure: no bundle, no file, no JSON, with line and column.
        errors.KernelError: the file cannot be read.
    """
    data = content(bundle)
    return document(data), data


def document(data: bytes) -> Config:
    """Return the document in the bytes of a config.json, of any shape but an object at the top.

    Raises:
        errors.RuntimeFailure: no JSON, with line and column, or no object.
    """
    config = jsonfile.decode_bytes(data, NAME)
    if type(config) is not dict:
        raise errors.RuntimeFailure(f"{NAME}: the document must be an object {{…}}")
    if b"\\ud" in data.lower() and not jsonfile.is_unicode(config):
        told = r"holds half a surrogate pair (an escape \ud800 to \udfff without its partner)"
        raise errors.RuntimeFailure(f"{NAME}: {told}")
    return config  # type: ignore[return-value] # check.py looks at its shape


def content(bundle: str) -> bytes:
    """Return the bytes of `bundle`/config.json.

    Raises:
        errors.RuntimeFailure: no bundle, no file, or no regular one.
        errors.KernelError: the file cannot be read.
    """
    flags = posix.O_RDONLY | posix.O_NONBLOCK | posix.O_NOCTTY  # close-on-exec comes by itself
    with errors.doing("bundle", bundle):
        directory = posix.open(bundle, _O_PATH | posix.O_DIRECTORY)
    try:
        with errors.doing("open", f"{bundle}/{NAME}"):
            try:
                file = posix.open(NAME, flags, dir_fd=directory)
            except FileNotFoundError:
                told = f"JSON specification file {NAME} not found"
                raise errors.RuntimeFailure(told) from None
    finally:
        posix.close(directory)
    try:
        with errors.doing("read", f"{bundle}/{NAME}"):
            return _all(file)
    finally:
        posix.close(file)


def _all(file: int) -> bytes:
    """Return everything in a regular file that is not larger than any sensible configuration."""
    if posix.fstat(file).st_mode & _FORMAT != _REGULAR:
        raise errors.RuntimeFailure(f"{NAME} is not a regular file")
    chunks: list[bytes] = []
    size = 0
    while chunk := posix.read(file, _CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > LARGEST:
            raise errors.RuntimeFailure(f"{NAME} is larger than {LARGEST >> 20} MiB")
    return b"".join(chunks)
