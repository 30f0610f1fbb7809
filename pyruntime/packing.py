"""Write the file that `packed.py` reads, and the stamp that `installation.py` reads.

    python3 -IS -X no_debug_ranges pyruntime/packing.py STAGED TREE

STAGED is the directory that now holds the package, TREE the one that will hold it (they differ by
DESTDIR). Run by `make install`, never by the runtime.
"""

from __future__ import annotations

import json
import marshal
import os
import subprocess
import sys
from importlib.util import MAGIC_NUMBER, find_spec

# The source tree: this file and linking.py are not installed.
sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from pyruntime import installation, libraries, linking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PACKAGE = "pyruntime"
# The interpreter asks for them at the first text that is not UTF-8, whatever its start was.
ENCODINGS = ("encodings", "encodings.aliases", "encodings.utf_8")
EXTENSIONS = ("_json", "_ctypes", "seccomp")
# What each command loads beside its own file, whatever the container is: a module that most could
# do without costs them more than the look-up of its own costs those that need it.
HOT = {
    "create": ("container.caller", "container.create"),
    "run": ("container.caller", "container.run"),
    "exec": ("container.exec", "container.foreground"),
    "start": ("container.start",),
    "state": ("container.state",),
    "kill": ("container.kill",),
    "delete": ("container.delete",),
    "pause": ("container.pause",),
    "resume": ("container.pause",),
}
# Run in a fresh interpreter: import modules, print all of ours in the order in which they are done.
ORDER = """
import sys
sys.path.insert(0, sys.argv[1])
done = []
class Watch:
    def find_spec(self, name, path=None, target=None):
        from _frozen_importlib_external import PathFinder
        ours = name.split(".")[0] == "pyruntime"
        spec = PathFinder.find_spec(name, path, target) if ours else None
        if spec is not None:
            run = spec.loader.exec_module
            spec.loader.exec_module = lambda module: (run(module), done.append(module.__name__))
        return spec
sys.meta_path.insert(0, Watch())
for name in sys.argv[2:]:
    __import__(name)
import json
print(json.dumps(done))
"""


def modules(staged: str, command: str) -> list[str]:
    """Return the modules that `command` needs, each after those that it imports.

    Raises:
        CalledProcessError: one of them cannot be imported.
    """
    roots = ("main", f"command.{command}", "command.roots", *HOT[command])
    words = [sys.executable, "-IS", "-c", ORDER, staged, *(f"{PACKAGE}.{root}" for root in roots)]
    return list(json.loads(subprocess.run(words, check=True, capture_output=True).stdout))


def everything(staged: str) -> list[str]:
    """Return the names of all modules that are installed, packages included."""
    found = []
    for directory, _, files in os.walk(os.path.join(staged, PACKAGE)):
        package = os.path.relpath(directory, staged).replace("/", ".")
        modules = [file.removesuffix(".py") for file in files if file.endswith(".py")]
        found += [f"{package}.{module}".removesuffix(".__init__") for module in modules]
    return sorted(found)


def extensions() -> dict[str, str]:
    """Return the files of the extensions that hot commands need, of those that are not built in."""
    libraries.reach()
    specs = {name: find_spec(name) for name in EXTENSIONS}
    files = {name: spec.origin for name, spec in specs.items() if spec and spec.has_location}
    return {name: file for name, file in files.items() if file and file.endswith(".so")}


def encoding(name: str) -> tuple[str, bool, Any]:
    """Return a module of the standard library as `linking.alone` does."""
    spec: Any = find_spec(name)
    source = spec.loader.get_source(name)
    code = compile(source, spec.origin, "exec", dont_inherit=True, optimize=2)
    return name, spec.submodule_search_locations is not None, code


def pack(staged: str, tree: str) -> bytes:
    """Return the whole file for the running interpreter (its form: `packed.py`)."""
    contents = {name: linking.alone(staged, tree, name) for name in everything(staged)}
    contents |= {name: encoding(name) for name in ENCODINGS}
    rest = b""
    sets, single = {}, {}
    for command in HOT:
        names = modules(staged, command)
        each = marshal.dumps(tuple(linking.linked(staged, tree, name, names) for name in names))
        sets[command] = (len(rest), len(each))
        rest += each
    for name, content in contents.items():
        each = marshal.dumps(content)
        single[name] = (len(rest), len(each))
        rest += each
    head = marshal.dumps((contents[f"{PACKAGE}.packed"][2], (sets, single, extensions())))
    return MAGIC_NUMBER + len(head).to_bytes(4, "little") + head + rest


def main(staged: str, tree: str) -> None:
    """Write both files below `staged`."""
    identity = installation.interpreter(os.path.realpath(sys.executable))
    stamp = " ".join([installation.version(), MAGIC_NUMBER.hex(), *identity])
    write(os.path.join(staged, PACKAGE, installation.STAMP), f"{stamp}\n".encode())
    write(os.path.join(staged, f"{PACKAGE}.code"), pack(staged, tree))


def write(file: str, content: bytes) -> None:
    """Write a file under another name, then rename it: a reader sees the old one or the new one."""
    draft = f"{file}.new"
    with open(draft, "wb") as out:
        out.write(content)
    os.chmod(draft, 0o644)
    os.replace(draft, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
