"""The compiled interpreter: its door to the kernel, and the half of its start that comes later.

The program runs whatever the head of the one file holds, so a test puts its own code there.
"""

import marshal
import subprocess
from importlib.util import MAGIC_NUMBER

import pytest
from functional.test_install import Installed, make_install

from pyruntime.kernel.door import NUMBER

pytestmark = pytest.mark.anyone

# What each piece runs in; its output is written by the system call.
FRAME = """
import posix, sys
def serve_mapped(content, table):
    import _pyruntime
    from _pyruntime import address, call
    def say(*words): posix.write(1, " ".join(map(str, words)).encode() + b"\\n")
    def fails(*given):
        try: return call(*given)
        except Exception as error: return f"{type(error).__name__}: {error}"
    PIECE
    posix._exit(0)
"""
READ, WRITE, GETPPID, OPENAT2 = (NUMBER[name] for name in ("read", "write", "getppid", "openat2"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("interpreter") / "prefix"
    make_install(prefix)
    return Installed(prefix)


@pytest.fixture
def said(installed):
    """Callable: run lines of code in the program; returns what they said."""

    def run(*lines):
        piece = "\n    ".join(lines)
        code = compile(FRAME.replace("PIECE", piece), "piece", "exec", dont_inherit=True)
        head = marshal.dumps((code, ()))
        installed.code.write_bytes(MAGIC_NUMBER + len(head).to_bytes(4, "little") + head + b"rest")
        done = subprocess.run([installed.launcher, "one", b"\xfftwo"], capture_output=True, timeout=90)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode().splitlines()

    return run


def test_it_is_the_python_of_the_machine(said):
    version = subprocess.check_output(["/usr/bin/python3", "-c", "import sys; print(sys.version)"], text=True)
    assert "\n".join(said("say(sys.version)")) == version.strip()


def test_the_arguments_are_those_of_the_command_line(said):
    assert said("say(len(sys.argv), sys.argv[1], ascii(sys.argv[2]))") == ["3 one '\\udcfftwo'"]


def test_integers_are_passed_as_full_words(said):
    """As a 32-bit int the size would be 0: EINVAL; one above 2**63 is a word too."""
    lines = said(
        f"say(fails({OPENAT2}, -100, '/', bytes(24), 1 << 40))",
        f"say(fails({OPENAT2}, -100, '/', bytes(24), (1 << 64) - 1))",
        f"say(fails({OPENAT2}, -100, '/', bytes(24), 1 << 64))",
        f"say(fails({OPENAT2}, -100, '/', bytes(24), -1 << 64))",
    )
    kinds = [line.partition(":")[0] for line in lines]
    assert kinds == ["OSError", "OSError", "OverflowError", "OverflowError"]
    assert "Argument list too long" in lines[0]


def test_bytes_are_read_and_a_bytearray_is_filled(said):
    lines = said(
        "memory = bytearray(16)",
        "ends = posix.pipe()",
        f"say(call({WRITE}, ends[1], b'twelve bytes', 12), call({READ}, ends[0], memory, 16))",
        "say(bytes(memory[:12]).decode())",
        f"say(address(memory) > 4096, address(b'x') > 4096, call({GETPPID}) == posix.getppid())",
    )
    assert lines == ["12 12", "twelve bytes", "True True True"]


def test_an_error_carries_errno_and_text(said):
    (line,) = said(f"say(fails({OPENAT2}, -100, '/nosuch', bytes(24), 24))")
    assert line == "FileNotFoundError: [Errno 2] No such file or directory"


def test_what_has_no_form_for_the_kernel_never_reaches_it(said):
    lines = said(
        f"say(fails({OPENAT2}, -100, '/etc\\0/passwd', bytes(24), 24))",
        f"say(fails({GETPPID}, 1.5))",
        f"say(fails({GETPPID}, 1, 2, 3, 4, 5, 6, 7))",
        "say(fails())",
    )
    assert lines[0] == "OSError: [Errno 22] Invalid argument"
    assert [line.partition(":")[0] for line in lines[1:]] == ["TypeError"] * 3


def test_the_rest_of_the_start_comes_when_it_is_asked_for(said):
    lines = said(
        "say(hasattr(sys, 'path'), 'encodings' in sys.modules, hasattr(sys, 'stdout'))",
        "_pyruntime.finish(); _pyruntime.finish()",
        "say(hasattr(sys, 'path'), 'encodings' in sys.modules, hasattr(sys, 'stdout'))",
        "import json, signal",
        "say(json.dumps([len(sys.argv)]), sys.flags.isolated, sys.flags.no_site)",
        "print('by print', flush=True)",
    )
    assert lines == ["False False False", "True True True", "[3] 1 1", "by print"]


def test_an_error_of_the_code_itself_is_told(installed, said):
    said("say(1)")
    code = compile("raise ValueError('broken')", "piece", "exec", dont_inherit=True)
    head = marshal.dumps((code, ()))
    installed.code.write_bytes(MAGIC_NUMBER + len(head).to_bytes(4, "little") + head + b"rest")
    done = subprocess.run([installed.launcher, "state"], capture_output=True, text=True, timeout=90)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("ValueError: broken\n")
