"""Device programs of cgroups: bpf(2).

Program ids can be read by whoever may attach; turning an id into a descriptor takes CAP_SYS_ADMIN.
Every descriptor is close-on-exec, as the kernel makes them.
"""

from __future__ import annotations

from pyruntime.kernel import door

_PROG_LOAD, _PROG_ATTACH, _PROG_DETACH, _PROG_GET_FD_BY_ID, _PROG_QUERY = 5, 8, 9, 13, 16
_OBJ_GET_INFO_BY_FD = 15
_INFO_SIZE, _NAME_AT, _NAME_SIZE = 80, 64, 16  # of struct bpf_prog_info, up to the name
_PROG_TYPE_CGROUP_DEVICE = 15
_CGROUP_DEVICE = 6
_F_ALLOW_MULTI = 2
_F_REPLACE = 4
_INSTRUCTION_SIZE = 8
_MOST_ATTACHED = 64  # BPF_CGROUP_MAX_PROGS

# No helper is called, so the kernel does not ask for a licence that is compatible with its own.
_LICENSE = b"Apache-2.0\0"
_NAME = b"pyruntime_dev"


def _words(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, door.ORDER) for value in values)


def _pointer(memory: bytes | bytearray) -> bytes:
    return door.address(memory).to_bytes(8, door.ORDER)


def _request(command: int, wish: bytes) -> int:
    return door.call("bpf", command, wish, len(wish))


def load_device_program(instructions: bytes) -> int:
    """Load a program that decides on device accesses; return its descriptor.

    Args:
        instructions: eBPF instructions, eight bytes each.

    Raises:
        OSError: EPERM without CAP_BPF and CAP_NET_ADMIN, EINVAL or EACCES from the verifier.
    """
    count = len(instructions) // _INSTRUCTION_SIZE
    program = _words(_PROG_TYPE_CGROUP_DEVICE, count) + _pointer(instructions) + _pointer(_LICENSE)
    log = _words(0, 0) + bytes(8)
    rest = _words(0, 0) + _NAME.ljust(16, b"\0") + _words(0, _CGROUP_DEVICE)
    return _request(_PROG_LOAD, program + log + rest)


def attached(cgroup: int) -> list[int]:
    """Return the ids of the device programs attached to the cgroup itself.

    Args:
        cgroup: descriptor of a cgroup v2 directory; O_PATH will do.

    Raises:
        OSError: EBADF when it is no cgroup v2 directory, EPERM without CAP_NET_ADMIN.
    """
    ids = bytearray(4 * _MOST_ATTACHED)
    room = _pointer(ids) + _words(_MOST_ATTACHED, 0)
    wish = bytearray(_words(cgroup, _CGROUP_DEVICE, 0, 0) + room)
    door.call("bpf", _PROG_QUERY, wish, len(wish))
    count = int.from_bytes(wish[24:28], door.ORDER)
    return [int.from_bytes(ids[at : at + 4], door.ORDER) for at in range(0, 4 * count, 4)]


def open_program(number: int) -> int:
    """Return a descriptor of the loaded program with that id.

    Raises:
        OSError: ENOENT when it is gone, EPERM without CAP_SYS_ADMIN.
    """
    return _request(_PROG_GET_FD_BY_ID, _words(number, 0, 0))


def name(program: int) -> str:
    """Return the name that a program was loaded with, "" for none.

    Args:
        program: descriptor of the program.

    Raises:
        OSError: never in practice.
    """
    told = bytearray(_INFO_SIZE)
    wish = _words(program, len(told)) + _pointer(told)
    door.call("bpf", _OBJ_GET_INFO_BY_FD, wish, len(wish))
    text = bytes(told[_NAME_AT : _NAME_AT + _NAME_SIZE]).rstrip(b"\0")
    return text.decode("ascii", "replace")


def attach(cgroup: int, program: int, replaced: int | None = None) -> None:
    """Attach a device program to a cgroup, beside or in place of another one.

    An access is allowed when every program of the cgroup and of its ancestors allows it.

    Args:
        cgroup: descriptor of a cgroup v2 directory; O_PATH will do.
        program: descriptor of the program.
        replaced: descriptor of an attached program whose place it takes, in one step.

    Raises:
        OSError: EPERM without rights or when an ancestor forbids it, E2BIG after 64 programs.
    """
    flags = _F_ALLOW_MULTI | (0 if replaced is None else _F_REPLACE)
    _request(_PROG_ATTACH, _words(cgroup, program, _CGROUP_DEVICE, flags, replaced or 0))


def detach(cgroup: int, program: int) -> None:
    """Detach a device program from a cgroup.

    Raises:
        OSError: ENOENT when it is not attached.
    """
    _request(_PROG_DETACH, _words(cgroup, program, _CGROUP_DEVICE))
