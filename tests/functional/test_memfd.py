"""Files in memory that nobody can change, and the programs executed from them."""

import os
from pathlib import Path

import pytest

from pyruntime.kernel import memfd, process


def test_with_memfd_noexec_2_the_program_runs_from_a_closed_tmpfs(program):
    if not Path("/proc/sys/vm/memfd_noexec").exists():
        pytest.skip("this kernel has no vm.memfd_noexec")
    middle = os.fork()
    if middle == 0:
        try:
            process.unshare(process.CLONE_NEWNS | process.CLONE_NEWPID)
            pid = os.fork()
            if pid == 0:
                _run_under_noexec(program)
            os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(middle, 0)[1]) == 127


def _run_under_noexec(program):
    """End with 127 if the program ran (it has no script) and cannot be written."""
    try:
        Path("/proc/sys/vm/memfd_noexec").write_text("2")
        with pytest.raises(PermissionError):
            os.memfd_create("x", 0x10)
        descriptor = memfd.sealed("x", program, executable=True)
        with pytest.raises(OSError, match="Read-only file system"):
            os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR)
        memfd.execute(descriptor, ["x"], [])
    finally:
        os._exit(2)


def test_what_is_sealed_stays_as_it_is():
    for executable in (False, True):
        descriptor = memfd.sealed("x", b"content", executable=executable)
        assert os.pread(descriptor, 99, 0) == b"content"
        assert not os.get_inheritable(descriptor)
        with pytest.raises(PermissionError):
            os.pwrite(descriptor, b"x", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, 0)
        os.close(descriptor)
