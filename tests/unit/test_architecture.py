"""The house rules that a reader would check by hand: floors, sizes, names, docstrings, imports."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "pyruntime"
FLOORS = {"kernel": 0, "spec": 1, "feature": 2, "container": 3, "command": 4}
# Usable from every floor; they may use each other only.
GROUND = {"errors", "log", "jsonfile", "jsonfault", "libraries"}
ROOF = {"main", "__main__"}
# Not loaded by any command, or only when people rather than engines are at the other end.
COLD = {
    "command.full",
    "native.build",
    "native.build_launcher",
    "packing",
    "linking",
    "spec.compile_table",
    "spec.explain",
    "spec.shapes",
    "spec.linuxshapes",
}
LIBRARIES = {"click", "jsonschema", "pyroute2", "prctl", "rich", "seccomp", "pyseccomp"}
CHEAP = {
    "__future__", "_blake2", "_frozen_importlib", "_frozen_importlib_external",
    "_socket", "_struct", "errno", "fcntl", "gc", "grp", "marshal", "posix", "pwd", "select", "sys", "time",
}  # fmt: skip
DOORS = {"_json": "jsonfile", "_ctypes": "kernel.ctypesdoor", "_pyruntime": "kernel.door"}
LONGEST_FUNCTION, LONGEST_FILE = 60, 300
UNNAMED = re.compile(r"(^|_)(utils?|helpers?|managers?|handlers?|impl|do)(_|$)", re.IGNORECASE)
CAMEL = re.compile(r"(Util|Helper|Manager|Handler|Impl)")


def name_of(path):
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
# A data file in the form of a module: no floor limits its length.
TABLES = {"spec.table"}


def parsed(name):
    return ast.parse(MODULES[name].read_text(), filename=name)


def typing_only(node):
    """Tell whether a statement is `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def statements(body):
    """Yield all statements below `body` that can run, those of functions included."""
    for node in body:
        if typing_only(node):
            yield from statements(node.orelse)
            continue
        yield node
        for field in ("body", "orelse", "finalbody"):
            yield from statements(getattr(node, field, []) or [])
        for part in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
            yield from statements(part.body)


def at_the_head(body):
    """Yield the statements that run when the module is imported and nothing is missing."""
    for node in body:
        if typing_only(node):
            continue
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):  # an except clause is a fallback
            yield from at_the_head([*node.body, *getattr(node, "orelse", [])])


def imported(nodes):
    """Yield (module, line) for each import statement, `from pyruntime.a import b` as a.b."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((each.name, node.lineno) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            for each in node.names:
                inner = f"{node.module}.{each.name}".removeprefix("pyruntime.")
                ours = (node.module or "").split(".")[0] == "pyruntime"
                whole = f"pyruntime.{inner}" if ours and inner in MODULES else node.module
                yield whole, node.lineno


def level(name):
    """Return the floor of a module of ours: -1 for those that all may use."""
    top = name.split(".")[0]
    if top in FLOORS:
        return FLOORS[top]
    return len(FLOORS) if top in ROOF else -1


def may_import(name, other):
    """Tell whether module `name` may import `other`, both without `pyruntime.`."""
    if name.split(".")[0] in GROUND:
        return other.split(".")[0] in GROUND
    if level(name) == FLOORS["spec"] and level(other) == FLOORS["kernel"]:
        return False  # what the user asked for does not depend on what the kernel can
    return level(other) <= level(name)


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_downward_only(name):
    wrong = []
    for module, line in imported(statements(parsed(name).body)):
        other = module.removeprefix("pyruntime").lstrip(".")
        if module.split(".")[0] == "pyruntime" and other and not may_import(name, other):
            wrong.append(f"{MODULES[name]}:{line}: {name} imports {other}")
    assert wrong == []


def test_the_floor_rule_itself_refuses_what_it_should():
    assert may_import("container.create", "kernel.mount")
    assert may_import("feature.mounts", "errors")
    assert not may_import("kernel.mount", "spec.words")
    assert not may_import("spec.check", "kernel.door")
    assert not may_import("feature.mounts", "container.store")
    assert not may_import("errors", "kernel.door")
    assert not may_import("command.state", "main")


@pytest.mark.parametrize("name", sorted(set(MODULES) - COLD))
def test_hot_modules_import_only_what_costs_nothing(name):
    wrong = []
    for module, line in imported(at_the_head(parsed(name).body)):
        allowed = module.split(".")[0] == "pyruntime" or module in CHEAP
        if not allowed and DOORS.get(module) != name:
            wrong.append(f"{MODULES[name]}:{line}: {module}")
    assert wrong == []


@pytest.mark.parametrize("name", MODULES)
def test_the_declared_packages_are_imported_inside_functions_only(name):
    heads = {module.split(".")[0] for module, _ in imported(at_the_head(parsed(name).body))}
    assert heads & LIBRARIES <= ({"click"} if name == "command.full" else set())


def functions():
    for name in MODULES:
        for node in ast.walk(parsed(name)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.end_lineno - node.lineno + 1, f"{name}.{node.name}"


def test_no_function_is_longer_than_a_screen():
    longest = sorted(functions(), reverse=True)[:3]
    assert longest[0][0] <= LONGEST_FUNCTION, f"the longest: {longest}"


def test_no_file_is_longer_than_a_sitting():
    lengths = ((len(MODULES[name].read_text().splitlines()), name) for name in set(MODULES) - TABLES)
    longest = sorted(lengths, reverse=True)[:3]
    assert longest[0][0] <= LONGEST_FILE, f"the longest: {longest}"


def named(name):
    """Yield every name that the module gives: its own, its functions', its classes'."""
    yield name.rpartition(".")[2]
    for node in ast.walk(parsed(name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


@pytest.mark.parametrize("name", MODULES)
def test_names_are_words_of_the_subject(name):
    assert [each for each in named(name) if UNNAMED.search(each) or CAMEL.search(each)] == []


def undocumented(body, where):
    """Yield the public functions, classes and methods without a docstring."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None:
            yield f"{where}.{node.name}"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node.body, f"{where}.{node.name}")


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_says_what_it_is(name):
    tree = parsed(name)
    assert ast.get_docstring(tree), f"{name} has no docstring"
    assert list(undocumented(tree.body, name)) == []


def test_typing_is_never_loaded_at_run_time():
    wrong = [
        name
        for name in set(MODULES) - COLD
        for module, _ in imported(statements(parsed(name).body))
        if module == "typing"
    ]
    assert wrong == []
