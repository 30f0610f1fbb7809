"""What the wheel, the sdist and `make install` hold: each file, by comparison with the source tree.

Hatchling is called as it stands, without a build environment of its own, so no network is needed.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
VENV = TREE / "build/venv/bin/python"
BUILDERS = {"native/build.py", "native/build_launcher.py", "packing.py", "linking.py", "data/launcher"}
PROGRAM = "native/waiting_init"
BESIDE = ("launcher", "pyruntime.code")
SDIST_DIRECTORIES = ("pyruntime", "tests", "bundles", "integration")
SDIST_FILES = {"Makefile", "README.md", "LICENSE", "pyproject.toml", ".gitignore", "PKG-INFO"}


def pythons_with_hatchling():
    for python in (str(VENV), sys.executable):
        command = [python, "-c", "import hatchling"]
        if os.path.exists(python) and subprocess.run(command, capture_output=True).returncode == 0:
            yield python


def ours(directory, tree):
    """Return the files below a directory of the tree that are source, not made by anything."""
    return {
        str(path.relative_to(tree))
        for path in (tree / directory).rglob("*")
        if path.is_file()
        and path.suffix != ".pyc"
        and not {"__pycache__", "rootfs", ".hypothesis"} & set(path.parts)
        and path.name != "waiting_init"
    }


def served(tree):
    """Return the package's files that are of use after installation, below `pyruntime`."""
    files = {file.removeprefix("pyruntime/") for file in ours("pyruntime", tree)}
    return {file for file in files - BUILDERS if not file.endswith((".c", ".h"))}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the sources, so that a build neither disturbs nor is disturbed."""
    copy = tmp_path_factory.mktemp("tree")
    left = shutil.ignore_patterns("__pycache__", ".git", "build", "dist", ".*_cache", ".hypothesis")
    shutil.copytree(TREE, copy, ignore=left, dirs_exist_ok=True)
    # A stale program must not find its way into the sdist.
    (copy / "pyruntime" / PROGRAM).write_text("stale")
    return copy


@pytest.fixture(scope="module")
def built(tree, tmp_path_factory):
    python = next(pythons_with_hatchling(), None)
    if python is None:
        assert "CI" not in os.environ, "continuous integration must have hatchling"
        pytest.skip("hatchling is missing: apt-get install python3-hatchling, or make check")
    out = tmp_path_factory.mktemp("dist")
    command = [python, "-m", "hatchling", "build", "-d", str(out)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_the_wheel_holds_the_package_and_the_program_and_nothing_else(built, tree):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = {name.partition(".dist-info/")[2] for name in archive.namelist()} - {""}
        program = archive.getinfo(f"pyruntime/{PROGRAM}")
        content = archive.read(program)
    assert files == {f"pyruntime/{name}" for name in served(tree) | {PROGRAM}}
    assert {"METADATA", "WHEEL", "RECORD", "entry_points.txt"} <= metadata
    assert any(name.endswith("LICENSE") for name in metadata)
    assert content[:4] == b"\x7fELF"
    assert program.external_attr >> 16 & 0o111 == 0o111


def test_the_wheel_is_for_one_machine_and_every_python(built):
    (wheel,) = built.glob("*.whl")
    machine = os.uname().machine
    tag = f"py3-none-manylinux_2_17_{machine}.musllinux_1_1_{machine}"
    assert wheel.name.endswith(f"-{tag}.whl")


def test_the_sdist_holds_all_sources_and_no_program(built, tree):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    sources = set().union(*(ours(directory, tree) for directory in SDIST_DIRECTORIES))
    assert files == sources | SDIST_FILES


def test_the_declared_packages_are_the_five():
    project = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=]", each)[0] for each in project["dependencies"]}
    assert names == {"click", "jsonschema", "pyroute2", "python-prctl", "pyseccomp"}
    assert project["requires-python"] == ">=3.11"


def test_make_install_puts_the_same_files_as_the_wheel(tree, tmp_path):
    (tree / "pyruntime" / PROGRAM).unlink(missing_ok=True)
    command = ["make", "-s", "install", "PREFIX=/opt/p", f"DESTDIR={tmp_path}"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    files = {str(path.relative_to(tmp_path / "opt/p")) for path in tmp_path.rglob("*") if path.is_file()}
    cached = {name for name in files if "__pycache__" in name}
    package = "lib/pyruntime/pyruntime"
    beside = {"bin/pyruntime", *(f"lib/pyruntime/{name}" for name in BESIDE)}
    written = {f"{package}/made-for", f"{package}/_commit"}
    files.discard("lib/pyruntime/interpreter.so")  # there where libpython cannot be linked in whole
    assert files - cached - beside - written == {
        f"{package}/{name}" for name in served(tree) | {PROGRAM}
    }
    assert len(cached) == len([name for name in served(tree) if name.endswith(".py")])
    assert beside | written <= files
