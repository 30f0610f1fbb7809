"""Load modules from the one file that `packing.py` writes: those of a command all at once.

The import system spends 35 µs on a module before it runs a line of it, and `create` needs sixty:
put into `sys.modules` by hand, in the order in which they would be done, they cost 2.5 ms less.
What is asked for later comes from the same file through a finder, which also knows where the
extensions lie that hot commands need, so that no directory is listed for them.

    4 bytes   the interpreter's magic number; the launcher uses the tree when it differs
    4 bytes   size of the head, little-endian
    head      marshal of (this module's code, table)
    rest      marshal of sets ((module, is a package, code, links), …) and of single modules
              (module, is a package, code), each found by the table

Started by interpreter.c the interpreter has not finished its own start, which costs as much
again as what it has done: then the finder finishes it when somebody asks for what is not here.
"""

from __future__ import annotations

import marshal
import sys
from _frozen_importlib import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, ModuleType
    from typing import Any

    Read = Callable[[int, int], bytes | memoryview]
    Place = tuple[int, int]
    Links = tuple[tuple[str, str, str], ...]
    Modules = tuple[tuple[str, bool, CodeType, Links], ...]
    # What lies where: the set of a command, a module, the file of an extension.
    Table = tuple[dict[str, Place], dict[str, Place], dict[str, str]]

# Content with an interpreter that has not finished its start, where it has them; _signal is not.
_READY = frozenset((*sys.builtin_module_names, "codecs")).intersection((
    "_blake2", "_codecs", "_imp", "_pyruntime", "_socket", "_struct", "codecs", "errno", "fcntl",
    "gc", "posix", "select", "time",
))  # fmt: skip
_SCRIPTS = "pyruntime.kernel.ctypesdoor"


class Finder:
    """The first finder: for modules in the file and for extensions.

    Args:
        read: returns a part of the file, by its offset and size.
        table: what lies where.
        finish: finishes the start of the interpreter; None when that is done.
    """

    def __init__(self, read: Read, table: Table, finish: Callable[[], object] | None) -> None:
        self.read, self.finish = read, finish
        _, self.modules, self.extensions = table

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> ModuleSpec | None:
        """Return the spec of a module in the file or of an extension, None for all others."""
        if name in self.modules:
            return self._packed(name)
        if name in self.extensions:
            loader: Any = Extension
            return ModuleSpec(name, loader, origin=self.extensions[name])
        if self.finish is not None and name not in _READY:
            finish, self.finish = self.finish, None
            finish()
        return None

    def _packed(self, name: str) -> ModuleSpec:
        _, package, code = marshal.loads(self.read(*self.modules[name]))  # noqa: S302 - ours
        file = code.co_filename
        loader: Any = self
        spec = ModuleSpec(name, loader, origin=file, loader_state=code, is_package=package)
        if package:
            spec.submodule_search_locations = [file.rpartition("/")[0]]
        return spec

    def create_module(self, _spec: ModuleSpec) -> None:
        """Leave the making of the module to the import system."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module."""
        spec: Any = module.__spec__
        module.__file__ = spec.origin  # the import system would look for byte-code beside it
        exec(spec.loader_state, module.__dict__)  # noqa: S102 - our own installed file


class Extension:
    """The loader of an extension whose file is known."""

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        """Load the shared object."""
        import _imp

        return _imp.create_dynamic(spec)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Let it fill the module."""
        import _imp

        _imp.exec_dynamic(module)


def serve(read: Read, table: Table, finish: Callable[[], object] | None = None) -> None:
    """Load the set of the command that the process was called with, and stay for later imports.

    A word that only looks like the command (the value of an option) costs time, nothing else.

    Args:
        read: returns a part of the file, by its offset and size.
        table: what lies where.
        finish: what finishes the start of an interpreter that has not done so.
    """
    first: Any = Finder(read, table, finish)
    sys.meta_path.insert(0, first)
    for word in sys.argv[1:]:
        if word in table[0]:
            load(marshal.loads(read(*table[0][word])))  # noqa: S302 - installed
            return


def load(modules: Modules) -> None:
    """Make and run the modules in their order, each with its links in the place of imports.

    A package gets its `__path__` last: as long as it has none, `from package import module` is a
    look-up of an attribute, else the import system is asked each time.
    """
    loaded, module_type, packages = sys.modules, type(sys), []
    # Each import of a module asks its spec whether it is being made; this one answers at once.
    spec = ModuleSpec("pyruntime", None)
    spec._initializing = False  # type: ignore[attr-defined]  # noqa: SLF001 - importlib's own mark
    for name, package, code, links in modules:
        if name == _SCRIPTS and "_pyruntime" in sys.builtin_module_names:
            continue  # the installed program brings its own door to the kernel
        module = loaded[name] = module_type(name)
        scope = module.__dict__
        parent, _, last = name.rpartition(".")
        scope["__file__"] = code.co_filename
        scope["__package__"] = parent
        scope["__spec__"] = spec
        if package:
            packages.append(module)
            scope["__package__"] = name
        for alias, source, attribute in links:
            known = loaded[source]
            scope[alias] = known.__dict__[attribute] if attribute else known
        exec(code, scope)  # noqa: S102 - our own installed file
        if parent:
            setattr(loaded[parent], last, module)
    for module in packages:
        module.__path__ = [module.__dict__["__file__"].rpartition("/")[0]]


def serve_mapped(content: memoryview, table: Table) -> None:
    """Do so in an interpreter that interpreter.c began, which has mapped the file."""
    import _pyruntime

    serve(lambda offset, size: content[offset : offset + size], table, _pyruntime.finish)
