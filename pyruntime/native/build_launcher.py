"""Compile the launcher for the running interpreter: `python3 build_launcher.py OUT TREE`.

    OUT/pyruntime       the program that engines call
    OUT/interpreter.so  only where libpython cannot be linked into it whole: what it loads

TREE is the directory in which the package and interpreter.so will be. It needs the headers of this
Python and its library, static or shared; where they are missing, or this Python lacks the private
half of the start that interpreter.c tells of, it says so and ends with status 3, and the script
takes the program's place. INTERPRETER=shared in the environment leaves the static one aside.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import sysconfig
from importlib.util import MAGIC_NUMBER
from pathlib import Path

HERE = Path(__file__).resolve().parent
IMPOSSIBLE = 3

FLAGS = (
    "-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden",
    "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2",
    "-Wl,-z,relro,-z,noexecstack,--build-id=none,--as-needed", "-s",
)  # fmt: skip
# Beside these two libpython needs the C library alone; what can be static is.
STATIC = (
    "-Wl,-Bstatic", "-lexpat", "-lz", "-Wl,-Bdynamic", "-lm", "-ldl", "-Wl,--export-dynamic",
    "-Wl,--wrap=_Py_Deepfreeze_Init",  # interpreter.c tells what for
)  # fmt: skip


def say(text: str) -> None:
    """Tell why the program cannot be compiled."""
    sys.stderr.write(f"launcher: {text}\n")


def literal(text: str) -> str:
    """Return a text as a literal of C."""
    return json.dumps(text)


def definitions(tree: str) -> list[str]:
    """Return what the sources want to know of this Python and of the installation."""
    known = {
        "TREE": tree,
        "STDLIB": sysconfig.get_path("stdlib"),
        "DYNLOAD": sysconfig.get_config_var("DESTSHARED"),
        "EXECUTABLE": os.path.realpath(sys.executable),
        "PREFIX": sys.base_prefix,
    }
    words = [f"-D{name}={literal(str(text))}" for name, text in known.items()]
    magic = "".join(f"\\x{byte:02x}" for byte in MAGIC_NUMBER)
    return [*words, f'-DMAGIC="{magic}"']


def static_library() -> Path:
    """Return where this Python's static library is, if it is there."""
    directory, name = sysconfig.get_config_vars("LIBPL", "LIBRARY")
    return Path(str(directory), str(name))


def shared_library() -> list[str]:
    """Return what the linker needs; the library's full name, since -dev packages hold the short."""
    directory = sysconfig.get_config_var("LIBDIR")
    return [f"-L{directory}", f"-l:{sysconfig.get_config_var('INSTSONAME')}"]


def compiled(words: list[str], *, quietly: bool = False) -> bool:
    """Run the compiler; say why it failed if it did, unless another way is left."""
    try:
        done = subprocess.run(words, check=False, stderr=subprocess.PIPE, text=True)
    except OSError as error:
        say(f"{words[0]}: {error.strerror}")
        return False
    if done.returncode and not quietly:
        say(f"{shlex.join(words)}\n{done.stderr.rstrip()}")
    return done.returncode == 0


def missing() -> str:
    """Say what this Python lacks, or nothing."""
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        return f"{header} (Debian: libpython3-dev)"
    if not static_library().exists() and not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        return "static or shared library of this Python"
    return ""


def main(out: str, tree: str) -> int:
    """Compile the program; return the exit status."""
    lacking = missing()
    if lacking:
        say(f"no {lacking}")
        return IMPOSSIBLE
    compiler = [*(shlex.split(os.environ.get("CC", "")) or ["cc"]), *FLAGS, *definitions(tree)]
    include = f"-I{sysconfig.get_path('include')}"
    launcher, interpreter = str(HERE / "launcher.c"), str(HERE / "interpreter.c")
    whole = [*compiler, "-DINTERPRETER_INSIDE", "-fno-pie", "-no-pie", include]
    whole += [launcher, interpreter, "-o", f"{out}/pyruntime", str(static_library()), *STATIC]
    inside = os.environ.get("INTERPRETER") != "shared" and static_library().exists()
    if inside and compiled(whole, quietly=True):
        return 0
    program = [*compiler, "-pie", "-fPIE", launcher, "-o", f"{out}/pyruntime"]
    shared = [*compiler, "-shared", "-fPIC", include, interpreter]
    shared += ["-o", f"{out}/interpreter.so", *shared_library()]
    return 0 if compiled(program) and compiled(shared) else IMPOSSIBLE


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: build_launcher.py OUT TREE")
    raise SystemExit(main(*sys.argv[1:]))
