"""The one door to the kernel: raw system calls that `posix` does not have.

The installed program brings the door with it (native/interpreter.c). Elsewhere it is made of the C
half of ctypes (kernel/ctypesdoor.py). A test holds both to the same answers.
"""

from __future__ import annotations

import posix
import sys

if "_pyruntime" in sys.builtin_module_names:
    import _pyruntime as native
else:
    from pyruntime.kernel import ctypesdoor as native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    Spawn = Callable[[bytes, int, bytes, bytes, bytes], int]
    Argument = int | bytes | bytearray | str | None

MACHINE = posix.uname().machine
ORDER: Literal["little"] = "little"  # of both architectures of the base line

# Calls from 424 upwards have one number on every architecture of the base line.
_COMMON = {
    "pidfd_send_signal": 424,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_open": 434,
    "clone3": 435,
    "close_range": 436,
    "openat2": 437,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
}
_X86_64 = {
    "read": 0, "write": 1, "close": 3, "mmap": 9, "rt_sigaction": 13, "rt_sigprocmask": 14,
    "ioctl": 16, "socket": 41, "connect": 42, "clone": 56, "execve": 59, "exit": 60, "wait4": 61,
    "fcntl": 72,
    "getcwd": 79, "chdir": 80, "fchdir": 81, "umask": 95, "setgroups": 116, "setresuid": 117,
    "setresgid": 119, "capget": 125, "capset": 126, "personality": 135, "statfs": 137,
    "fstatfs": 138, "prctl": 157, "pivot_root": 155, "chroot": 161, "mount": 165, "umount2": 166,
    "sethostname": 170, "setdomainname": 171, "exit_group": 231, "add_key": 248, "keyctl": 250,
    "ioprio_set": 251, "set_mempolicy": 238, "mknodat": 259, "unshare": 272, "dup3": 292,
    "pipe2": 293, "prlimit64": 302, "setns": 308, "sched_setattr": 314, "seccomp": 317,
    "memfd_create": 319, "bpf": 321, "execveat": 322, "statx": 332, "setsid": 112,
    "sched_setaffinity": 203, "fchownat": 260, "getdents64": 217, "ppoll": 271, "getppid": 110,
    "kill": 62, "signalfd4": 289, "rt_sigtimedwait": 128, "socketpair": 53,
}  # fmt: skip
_GENERIC = {
    "getcwd": 17, "dup3": 24, "fcntl": 25, "ioctl": 29, "ioprio_set": 30, "mknodat": 33,
    "umount2": 39, "mount": 40, "pivot_root": 41, "statfs": 43, "fstatfs": 44, "chdir": 49,
    "fchdir": 50, "fchownat": 54, "chroot": 51, "close": 57, "pipe2": 59, "getdents64": 61,
    "read": 63, "write": 64, "ppoll": 73, "capget": 90, "capset": 91, "personality": 92, "exit": 93,
    "exit_group": 94, "unshare": 97, "sched_setaffinity": 122, "kill": 129, "rt_sigaction": 134,
    "rt_sigprocmask": 135, "setresuid": 147, "setresgid": 149, "setsid": 157, "setgroups": 159,
    "sethostname": 161, "setdomainname": 162, "umask": 166, "prctl": 167, "getppid": 173,
    "socket": 198, "connect": 203, "add_key": 217, "keyctl": 219, "clone": 220, "execve": 221,
    "mmap": 222,
    "set_mempolicy": 237, "wait4": 260, "prlimit64": 261, "setns": 268, "sched_setattr": 274,
    "seccomp": 277, "memfd_create": 279, "bpf": 280, "execveat": 281, "statx": 291,
    "signalfd4": 74, "rt_sigtimedwait": 137, "socketpair": 199,
}  # fmt: skip

NUMBER: dict[str, int] = _COMMON | (_X86_64 if MACHINE == "x86_64" else _GENERIC)

_call = native.call


def call(name: str, *arguments: Argument) -> int:
    """Make the system call `name` and return its result.

    Integers are passed as full words, str as its bytes (surrogateescape), bytes as a pointer to
    memory that the kernel only reads, bytearray as memory that it may fill, None as 0.

    Raises:
        OSError: with the errno of the call.
        KeyError: no such call in `NUMBER` (a bug).
    """
    result: int = _call(NUMBER[name], *arguments)
    return result


# Only the installed program has it: clone3 and execveat at once, see spawning.py.
spawn: Spawn | None = getattr(native, "spawn", None)


def address(memory: bytes | bytearray) -> int:
    """Return where the bytes of `memory` lie, for structures that hold pointers.

    The caller keeps `memory` alive until the call is done.
    """
    where: int = native.address(memory)
    return where
