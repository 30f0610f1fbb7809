"""Session keyrings, keyctl(2)."""

from __future__ import annotations

from pyruntime.kernel import door

_JOIN_SESSION_KEYRING = 1
_SETPERM = 5
_DESCRIBE = 6
USER_SEARCH = 0x00080000


def join_session(name: str) -> int:
    """Join the session keyring `name`, making it where missing; return its serial number.

    Raises:
        OSError: ENOSYS without keyrings, EDQUOT when the user's quota is used up.
    """
    return door.call("keyctl", _JOIN_SESSION_KEYRING, name)


def allow(serial: int, permission: int) -> None:
    """Add bits to the permissions of a key.

    Raises:
        OSError: EACCES without the right to change them.
    """
    told = bytearray(256)
    size = door.call("keyctl", _DESCRIBE, serial, told, len(told))
    present = int(bytes(told[: size - 1]).split(b";")[3], 16)
    door.call("keyctl", _SETPERM, serial, present | permission)
