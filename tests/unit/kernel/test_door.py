"""The door to the kernel: arguments go in whole, errors come out as OSError."""

import ctypes
import errno
import os
import subprocess

import pytest

from pyruntime.kernel import door


def test_integers_are_passed_as_full_words():
    with pytest.raises(OSError, match="Argument list too long") as caught:
        door.call("openat2", -100, "/", bytes(24), 1 << 40)
    assert caught.value.errno == errno.E2BIG  # as a 32-bit int the size would be 0: EINVAL


def test_a_buffer_is_filled_by_the_kernel():
    memory = bytearray(4096)
    size = door.call("getcwd", memory, len(memory))
    assert memory[: size - 1].decode() == os.getcwd()


def test_an_error_carries_errno_and_text():
    with pytest.raises(OSError, match="No such file or directory") as caught:
        door.call("openat2", -100, "/nosuch", bytes(24), 24)
    assert caught.value.errno == errno.ENOENT


def test_a_text_with_a_nul_never_reaches_the_kernel():
    with pytest.raises(OSError, match="Invalid argument"):
        door.call("openat2", -100, "/etc\0/passwd", bytes(24), 24)


@pytest.mark.parametrize("memory", [b"some bytes", bytearray(b"other bytes")])
def test_the_address_is_where_the_bytes_lie(memory):
    assert ctypes.string_at(door.address(memory), len(memory)) == bytes(memory)


def test_the_numbers_are_those_of_the_headers():
    source = "".join(
        f"#ifdef __NR_{name}\n{name} __NR_{name}\n#endif\n".replace(f"\n{name} ", f"\nxx_{name} ")
        for name in door.NUMBER
    )
    told = subprocess.run(
        ["cc", "-E", "-P", "-include", "asm/unistd.h", "-x", "c", "-"],
        input=source, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    known = dict(line.split() for line in told.splitlines() if line.startswith("xx_"))
    assert len(known) > 60
    assert {name[3:]: int(number) for name, number in known.items()} == {
        name: door.NUMBER[name] for name in (key[3:] for key in known)
    }


def test_the_public_module_gives_the_same_answers():
    """The private half of ctypes is the fast path; ctypes itself is the authority."""
    code = (
        "import sys; sys.modules['_ctypes_gone'] = None\n"
        "import builtins; real = builtins.__import__\n"
        "def gone(name, *rest):\n"
        "    if name == '_ctypes' and not rest: raise ImportError(name)\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = gone\n"
        "from pyruntime.kernel import ctypesdoor, door\n"
        "memory = bytearray(100); size = door.call('getcwd', memory, 100)\n"
        "assert ctypesdoor.ctypes.__name__ == 'ctypes', ctypesdoor.ctypes\n"
        "try: door.call('openat2', -100, '/nosuch', bytes(24), 24)\n"
        "except OSError as error: print(size, error.errno, door.address(b'x') > 0)\n"
    )
    ran = subprocess.run(
        ["/usr/bin/python3", "-c", code], capture_output=True, text=True, check=False
    )
    assert ran.stdout == f"{len(os.getcwd()) + 1} 2 True\n", ran.stderr
