"""Write the file that `packed.py` reads, and the stamp that `installation.py` reads.

    python3 -IS pyruntime/packing.py STAGED TREE

STAGED is the directory that now holds the package, TREE the one that will hold it (they differ by
DESTDIR). Run by `make install`, never by the runtime.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import sys
from importlib.util import MAGIC_NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

PACKAGE = "pyruntime"
BUILDERS = {f"{PACKAGE}.packing", f"{PACKAGE}.native.build"}  # these serve before installation only


def modules(staged: str) -> Iterator[tuple[str, str, bool]]:
    """Yield (module, source file below `staged`, is package) for each module, in order of names."""
    for directory, below, files in os.walk(os.path.join(staged, PACKAGE)):
        below[:] = sorted(name for name in below if name != "__pycache__")
        for file in sorted(files):
            path = os.path.relpath(os.path.join(directory, file), staged)
            name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            if file.endswith(".py") and name not in BUILDERS:
                yield name, path, file == "__init__.py"


def code(staged: str, tree: str, path: str) -> bytes:
    """Return a module's marshalled code; its file name is the one it will have below `tree`."""
    with open(os.path.join(staged, path), "rb") as source:
        text = source.read()
    return marshal.dumps(compile(text, os.path.join(tree, path), "exec", dont_inherit=True))


def pack(staged: str, tree: str) -> bytes:
    """Return the whole file for the running interpreter (its form: `packed.py`).

    Raises SyntaxError for a module that does not compile.
    """
    codes = [(name, code(staged, tree, path), package) for name, path, package in modules(staged)]
    mark = hashlib.blake2b(b"".join(each for _, each, _ in codes), digest_size=8).digest()
    table, records = {}, b""
    for name, each, package in codes:
        table[name] = (len(records), len(mark) + len(each), package)
        records += mark + each
    finder = compile_finder(staged, tree)
    head = marshal.dumps((finder, mark, table))
    return MAGIC_NUMBER + len(head).to_bytes(4, "little") + head + records


def compile_finder(staged: str, tree: str) -> CodeType:
    """Return the code object of `packed.py`."""
    finder: CodeType = marshal.loads(code(staged, tree, f"{PACKAGE}/packed.py"))  # noqa: S302 - made just now
    return finder


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
