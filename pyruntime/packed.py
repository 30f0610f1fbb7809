"""Load all modules of a command at once from the one file that `packing.py` writes.

The import system spends 35 µs on a module before it runs a line of it, and `create` needs sixty:
put into `sys.modules` by hand, in the order in which they would be done, they cost 2.5 ms less.
Modules that are not in the set come from the tree beside the file, in the ordinary way, as all do
when the file was made for another Python.

    4 bytes   the interpreter's magic number; the launcher uses the tree when it differs
    4 bytes   size of the head, little-endian
    head      marshal of (this module's code, {command: (offset, size)})
    sets      marshal of ((module, is a package, code), …)
"""

from __future__ import annotations

import marshal
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

    Table = dict[str, tuple[int, int]]
    Modules = tuple[tuple[str, bool, CodeType], ...]

_LARGE = 1 << 17


def serve(file: int, base: int, table: Table) -> None:
    """Load the set of the command that the process was called with.

    A word that only looks like the command (the value of an option) costs time, nothing else.

    Args:
        file: descriptor of the one file.
        base: where in it the sets begin.
        table: which set lies where.
    """
    for word in sys.argv[1:]:
        if word in table:
            offset, size = table[word]
            if size > _LARGE:
                import gc

                gc.disable()  # what is loaded stays, and a collection would touch every page
            load(marshal.loads(posix.pread(file, size, base + offset)))  # noqa: S302 - installed
            return


def load(modules: Modules) -> None:
    """Make and run the modules in their order.

    A package gets its `__path__` last: as long as it has none, `from package import module` is a
    look-up of an attribute, else the import system is asked each time.
    """
    loaded, module_type, packages = sys.modules, type(sys), []
    for name, package, code in modules:
        module = loaded[name] = module_type(name)
        scope = module.__dict__
        parent, _, last = name.rpartition(".")
        scope["__file__"] = code.co_filename
        scope["__package__"] = parent
        if package:
            packages.append(module)
            scope["__package__"] = name
        exec(code, scope)  # noqa: S102 - our own installed file
        if parent:
            setattr(loaded[parent], last, module)
    for module in packages:
        module.__path__ = [module.__dict__["__file__"].rpartition("/")[0]]
