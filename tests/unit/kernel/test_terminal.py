"""Pseudo-terminals by system calls, held to what the standard library does."""

import fcntl
import os
import re
import struct
import termios
from pathlib import Path

import pytest

from pyruntime.kernel import terminal

TIOCGPTN, TIOCSPTLCK = 0x80045430, 0x40045431
# The devpts' own ptmx may be root's; /dev/ptmx, which os.openpty takes, may lie somewhere else.
root = pytest.mark.root


@pytest.fixture
def pair():
    """A master that was opened at the devpts itself, as the runtime does, and its slave."""
    master = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY)
    number = struct.unpack("i", fcntl.ioctl(master, TIOCGPTN, bytes(4)))[0]
    fcntl.ioctl(master, TIOCSPTLCK, bytes(4))
    slave = os.open(f"/dev/pts/{number}", os.O_RDWR | os.O_NOCTTY)
    yield master, slave
    os.close(master)
    os.close(slave)


@root
def test_a_peer_is_the_slave_and_not_inherited(pair):
    master, slave = pair
    mine = terminal.peer(master)
    assert os.ttyname(mine) == os.ttyname(slave)
    assert not os.get_inheritable(mine)
    assert terminal.is_slave(mine, master)
    os.close(mine)


@root
def test_the_size_is_lines_and_columns(pair):
    master, slave = pair
    terminal.resize(master, 3, 500)
    assert struct.unpack("HHHH", fcntl.ioctl(slave, termios.TIOCGWINSZ, bytes(8))) == (3, 500, 0, 0)


@root
def test_only_a_master_is_one(pair):
    master, slave = pair
    assert terminal.is_master(master)
    assert not terminal.is_master(slave)
    assert not terminal.is_slave(master, master)
    with open("/dev/null") as null, open(__file__) as file:
        for other in (null, file):
            assert not terminal.is_master(other.fileno())
            assert not terminal.is_slave(other.fileno(), master)


def test_the_numbers_are_those_of_the_headers():
    assert terminal.TIOCSCTTY == termios.TIOCSCTTY
    headers = Path("/usr/include/asm-generic/ioctls.h").read_text()
    peer = re.search(r"TIOCGPTPEER\s+_IO\('T', (0x\w+)\)", headers)
    lock = re.search(r"TIOCSPTLCK\s+_IOW\('T', (0x\w+), int\)", headers)
    assert (ord("T") << 8 | int(peer[1], 16)) == 0x5441
    assert (1 << 30 | 4 << 16 | ord("T") << 8 | int(lock[1], 16)) == 0x40045431
    assert int(
        re.search(r"DEVPTS_SUPER_MAGIC\s+(0x\w+)", Path("/usr/include/linux/magic.h").read_text())[1], 16
    ) == terminal.DEVPTS_SUPER_MAGIC
