"""Compile modules for the one file: alone, or linked with those that are loaded with them.

An import statement costs 3 µs even when the module is there, and a set of sixty modules has two
hundred of them. Linked modules have none for each other: the loader puts the names into their
scope, as a linker does (packed.py). Run by packing.py, never by the runtime.
"""

from __future__ import annotations

import ast
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType

    # A name in the module's scope, the module that has it, and its name there; "" for that module.
    Link = tuple[str, str, str]


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


def linked(
    staged: str, tree: str, name: str, names: Sequence[str]
) -> tuple[str, bool, CodeType, tuple[Link, ...]]:
    """Return a module's name, whether it is a package, its code, and the links in place of imports.

    Args:
        staged: the directory that holds the package now.
        tree: the one that will hold it; the code names its files there, for error reports.
        name: of the module.
        names: of all modules that are loaded with it.
    """
    module, file, package = _parsed(staged, tree, name)
    links: list[Link] = []
    kept = []
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module in names:
            links += [
                (each.asname or each.name, *_source(node.module, each.name, names))
                for each in node.names
            ]
        else:
            kept.append(node)
    module.body = kept
    return name, package, _code(module, file), tuple(links)


def alone(staged: str, tree: str, name: str) -> tuple[str, bool, CodeType]:
    """Return a module's name, whether it is a package, and its code with all its imports."""
    module, file, package = _parsed(staged, tree, name)
    return name, package, _code(module, file)


def _source(module: str, name: str, names: Sequence[str]) -> tuple[str, str]:
    """Return where the name is: an attribute of the module, or a module below it."""
    below = f"{module}.{name}"
    return (below, "") if below in names else (module, name)


def _parsed(staged: str, tree: str, name: str) -> tuple[ast.Module, str, bool]:
    """Return what a module's file holds, without what only type checkers read."""
    path = name.replace(".", "/")
    package = os.path.isdir(os.path.join(staged, path))
    path += "/__init__.py" if package else ".py"
    with open(os.path.join(staged, path), "rb") as source:
        module = Bare().visit(ast.parse(source.read()))
    return module, os.path.join(tree, path), package


def _code(module: ast.Module, file: str) -> CodeType:
    """Compile without docstrings."""
    fixed = ast.fix_missing_locations(module)
    code: CodeType = compile(fixed, file, "exec", dont_inherit=True, optimize=2)
    return code
