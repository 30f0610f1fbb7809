"""Write the file that `packed.py` reads, and the stamp that `installation.py` reads.

    python3 -IS -X no_debug_ranges pyruntime/packing.py STAGED TREE

STAGED is the directory that now holds the package, TREE the one that will hold it (they differ by
DESTDIR). Run by `make install`, never by the runtime.
"""

from __future__ import annotations

import ast
import json
import marshal
import os
import subprocess
import sys
from importlib.util import MAGIC_NUMBER, find_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PACKAGE = "pyruntime"
# The interpreter asks for them at the first text that is not UTF-8, whatever its start was.
ENCODINGS = ("encodings", "encodings.aliases", "encodings.utf_8")
EXTENSIONS = ("_json", "_ctypes", "seccomp")
# What engines' containers have beside the plain ones: a filter, compiled or cached, and sysctls.
_OFTEN = (
    "feature.procfs",
    "feature.seccomp",
    "feature.seccomp_compile",
    "feature.sysctl",
    "libraries",
)
# What each command loads beside its own file, without warnings, hooks and errors.
HOT = {
    "create": ("container.caller", "container.create", *_OFTEN),
    "run": ("container.caller", "container.run", *_OFTEN),
    "start": ("container.start",),
    "state": ("container.state",),
    "kill": ("container.kill",),
    "delete": ("container.delete",),
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


class Bare(ast.NodeTransformer):
    """Take out what only type checkers read: a tenth of the code, and as much of its time."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Drop the annotation of the result."""
        self.generic_visit(node)
        node.returns = None
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Drop the annotation of an argument."""
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Make a plain assignment of it, or nothing."""
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)

    def visit_If(self, node: ast.If) -> ast.AST:
        """Drop the imports for type checkers."""
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        """Drop the import that concerned annotations."""
        return ast.copy_location(ast.Pass(), node) if node.module == "__future__" else node


def compiled(staged: str, tree: str, name: str) -> tuple[str, bool, Any]:
    """Return a module's name, whether it is a package, and its code without docstrings.

    The file name in the code is the one that it will have below `tree`, for error reports.
    """
    path = name.replace(".", "/")
    package = os.path.isdir(os.path.join(staged, path))
    path += "/__init__.py" if package else ".py"
    with open(os.path.join(staged, path), "rb") as source:
        bare = ast.fix_missing_locations(Bare().visit(ast.parse(source.read())))
    file = os.path.join(tree, path)
    return name, package, compile(bare, file, "exec", dont_inherit=True, optimize=2)


def everything(staged: str) -> list[str]:
    """Return the names of all modules that are installed, packages included."""
    found = []
    for directory, _, files in os.walk(os.path.join(staged, PACKAGE)):
        package = os.path.relpath(directory, staged).replace("/", ".")
        modules = [file.removesuffix(".py") for file in files if file.endswith(".py")]
        found += [f"{package}.{module}".removesuffix(".__init__") for module in modules]
    return sorted(found)


def extensions(staged: str) -> dict[str, str]:
    """Return the files of the extensions that hot commands need, of those that are not built in."""
    sys.path.append(staged)
    from pyruntime import libraries

    libraries.reach()
    specs = {name: find_spec(name) for name in EXTENSIONS}
    files = {name: spec.origin for name, spec in specs.items() if spec and spec.has_location}
    return {name: file for name, file in files.items() if file and file.endswith(".so")}


def encoding(name: str) -> tuple[str, bool, Any]:
    """Return a module of the standard library as `compiled` does."""
    spec: Any = find_spec(name)
    source = spec.loader.get_source(name)
    code = compile(source, spec.origin, "exec", dont_inherit=True, optimize=2)
    return name, spec.submodule_search_locations is not None, code


def pack(staged: str, tree: str) -> bytes:
    """Return the whole file for the running interpreter (its form: `packed.py`)."""
    contents = {each: compiled(staged, tree, each) for each in everything(staged)}
    contents |= {name: encoding(name) for name in ENCODINGS}
    rest = b""
    sets, single = {}, {}
    for command in HOT:
        each = marshal.dumps(tuple(contents[name] for name in modules(staged, command)))
        sets[command] = (len(rest), len(each))
        rest += each
    for name, content in contents.items():
        each = marshal.dumps((content,))
        single[name] = (len(rest), len(each))
        rest += each
    head = marshal.dumps((contents[f"{PACKAGE}.packed"][2], (sets, single, extensions(staged))))
    return MAGIC_NUMBER + len(head).to_bytes(4, "little") + head + rest


def main(staged: str, tree: str) -> None:
    """Write both files below `staged`."""
    stamp = f"{sys.version_info[0]}.{sys.version_info[1]} {MAGIC_NUMBER.hex()}\n"
    write(os.path.join(staged, PACKAGE, "made-for"), stamp.encode())
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
