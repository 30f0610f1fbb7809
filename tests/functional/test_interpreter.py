"""The compiled interpreter: its door to the kernel, and the half of its start that comes later.

The program runs whatever the head of the one file holds, so a test puts its own code there.
"""

import errno
import marshal
import os
import subprocess
import sys
from importlib.util import MAGIC_NUMBER

import pytest
from functional.test_install import Installed, make_install
from security import hostile

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
HUGE_PAGE = 2 << 20
PR_SET_NO_NEW_PRIVS = 38
MADVISE = {"x86_64": 28}.get(os.uname().machine, 233)
READ, WRITE, GETPPID, OPENAT2 = (NUMBER[name] for name in ("read", "write", "getppid", "openat2"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("interpreter") / "prefix"
    make_install(prefix)
    return Installed(prefix)


@pytest.fixture
def said(installed):
    """Callable: run lines of code in the program; returns what they said."""

    def run(*lines, **options):
        piece = "\n    ".join(lines)
        code = compile(FRAME.replace("PIECE", piece), "piece", "exec", dont_inherit=True)
        head = marshal.dumps((code, ()))
        installed.code.write_bytes(MAGIC_NUMBER + len(head).to_bytes(4, "little") + head + b"rest")
        words = [installed.launcher, "one", b"\xfftwo"]
        done = subprocess.run(words, capture_output=True, timeout=90, **options)
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


FROZEN_NAMES = (
    "import _frozen_importlib_external",
    "names = _frozen_importlib_external.FileLoader.get_filename.__code__.co_names",
    "interned = [sys.intern(''.join(list(name))) is name for name in names]",
    "say(any(interned), all(interned))",
)


def test_the_names_of_frozen_modules_are_interned_by_then(said):
    """As CPython does at once: a name that is made anew is the one in the frozen code."""
    assert said("_pyruntime.finish()", *FROZEN_NAMES) == ["True True"]


def test_they_are_not_before(installed, said):
    if sys.version_info[:2] != (3, 11) or (installed.tree / "interpreter.so").exists():
        pytest.skip("this interpreter starts as CPython made it")
    assert said(*FROZEN_NAMES)[0].endswith("False")


def test_nothing_is_looked_through_for_garbage(said):
    assert said("import gc; say(gc.isenabled())") == ["False"]


WITH_HUGE_PAGES = os.path.exists("/sys/kernel/mm/transparent_hugepage")


@pytest.mark.skipif(not WITH_HUGE_PAGES, reason="this kernel has no transparent huge pages")
def test_objects_lie_on_a_huge_page(said):
    lines = said(
        "maps = posix.open('/proc/self/smaps', posix.O_RDONLY)",
        "text = b''.join(iter(lambda: posix.read(maps, 1 << 16), b'')).decode()",
        "say(id(object()))",
        "say(text)",
    )
    where, flags, found = int(lines[0]), "", []
    for line in lines[1:]:
        words = line.split()
        if words and "-" in words[0]:
            low, high = (int(each, 16) for each in words[0].split("-"))
        elif words and words[0] == "VmFlags:" and low <= where < high:
            flags, found = words[1:], [low % HUGE_PAGE, high % HUGE_PAGE]
    assert "hg" in flags  # asked for by madvise(2); whether there is one is the kernel's affair
    assert found == [0, 0]


def test_objects_lie_in_ordinary_memory_where_huge_pages_are_refused(said):
    """As by a kernel that was built without them."""

    def refuse():
        hostile.LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        hostile.old_kernel((MADVISE, errno.EINVAL))()

    lines = said(
        f"say(fails({MADVISE}, 0, 0, 0))",
        "say(len([str(number) for number in range(200000)]))",
        preexec_fn=refuse,
    )
    assert lines == ["OSError: [Errno 22] Invalid argument", "200000"]


def test_an_error_of_the_code_itself_is_told(installed, said):
    said("say(1)")
    code = compile("raise ValueError('broken')", "piece", "exec", dont_inherit=True)
    head = marshal.dumps((code, ()))
    installed.code.write_bytes(MAGIC_NUMBER + len(head).to_bytes(4, "little") + head + b"rest")
    done = subprocess.run([installed.launcher, "state"], capture_output=True, text=True, timeout=90)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("ValueError: broken\n")


SPAWN = """
def rows(*texts): return b"".join(address(each).to_bytes(8, "little") for each in texts) + bytes(8)
def spawn(program, kept=(), flags=0x4100):
    words = (flags, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0)
    args = b"".join(word.to_bytes(8, "little") for word in words)
    numbers = b"".join(each.to_bytes(4, "little") for each in kept)
    try: return _pyruntime.spawn(args, program, rows(*WORDS), rows(*ENV), numbers)
    except OSError as error: return error.errno
WORDS, ENV = (b"busybox\\0", b"sh\\0", b"-c\\0", b"ls /proc/self/fd | wc -l; echo $A; exit 3\\0"), (b"A=b\\0",)
shell = posix.open(BUSYBOX, posix.O_PATH | posix.O_CLOEXEC)
null = posix.open("/dev/null", posix.O_RDONLY)
""".strip().splitlines()


def spawning(*lines):
    import busybox

    return [line.replace("BUSYBOX", repr(busybox.busybox())) for line in SPAWN] + list(lines)


def test_a_spawned_child_has_its_words_and_the_descriptors_that_it_keeps(said):
    lines = said(*spawning(
        "pid = spawn(shell)", "say(posix.waitpid(pid, 0)[1] >> 8)",
        "pid = spawn(shell, [shell, null])", "say(posix.waitpid(pid, 0)[1] >> 8)",
        "say(posix.get_inheritable(null), posix.get_inheritable(shell))",
    ))  # fmt: skip
    assert lines == ["4", "b", "3", "6", "b", "3", "False False"]


def test_what_fails_in_the_spawned_child_is_raised_here(said):
    lines = said(*spawning(
        "say(spawn(null))", "say(spawn(99))", "say(spawn(shell, [99]))", "say(spawn(shell, flags=1 << 62))",
        "try: posix.waitpid(-1, 0)", "except ChildProcessError: say('no child is left')",
    ))  # fmt: skip
    assert lines == [*map(str, (errno.EACCES, errno.EBADF, errno.EBADF, errno.EINVAL)), "no child is left"]


def test_a_thousand_spawned_children_do_not_harm_their_parent(said):
    lines = said(*spawning(
        "total = 0",
        "for turn in range(1000): total += posix.waitpid(spawn(shell if turn % 2 else null), 0)[1] >> 8 "
        "if turn % 2 else spawn(null)",
        "say(total)",
    ))  # fmt: skip
    assert lines[-1] == str(500 * 3 + 500 * errno.EACCES)
