"""`make install`: what it puts where, and that the launcher runs the code it should."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyruntime import __version__, installation

TREE = Path(__file__).resolve().parents[2]
REPLACED = "print('from the tree')\ndef launched(): raise SystemExit(77)\n"
# The end of a launcher that tells what it has loaded so far.
TELL = """
import json

print(json.dumps({name: each.__file__ for name, each in sys.modules.items() if "pyruntime" in name}))
"""
COMMANDS = ("create", "start", "state", "kill", "delete", "run")

pytestmark = pytest.mark.anyone


class Installed:
    """A prefix that `make install` filled."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.launcher = prefix / "bin/pyruntime"
        self.tree = prefix / "lib/pyruntime"
        self.package = self.tree / "pyruntime"
        self.code = self.tree / "pyruntime.code"

    def call(self, *arguments, **options):
        """Run the launcher itself, by its first line."""
        return subprocess.run(
            [self.launcher, *arguments], capture_output=True, text=True, timeout=20, **options
        )


def make_install(prefix, **variables):
    words = [f"{name}={value}" for name, value in {"PREFIX": prefix, **variables}.items()]
    done = subprocess.run(["make", "-s", "install", *words], cwd=TREE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def installed(tmp_path):
    make_install(tmp_path / "prefix")
    return Installed(tmp_path / "prefix")


def test_the_launcher_tells_its_version(installed):
    done = installed.call("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == f"pyruntime version {__version__}"
    assert "byte-code" not in done.stdout


def test_the_launcher_says_that_a_container_does_not_exist(installed, tmp_path):
    done = installed.call("--root", tmp_path / "none", "state", "nosuch")
    assert (done.returncode, done.stdout) == (1, "")
    assert "container does not exist" in done.stderr


def test_help_finds_click_although_site_was_left_out(installed):
    done = installed.call("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "create" in done.stdout


def test_a_symbolic_link_to_the_launcher_works_with_an_empty_environment(installed, tmp_path):
    link = tmp_path / "runtime"
    link.symlink_to(installed.launcher)
    done = subprocess.run([link, "--version"], env={}, cwd="/", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_environment_cannot_put_code_into_the_runtime(installed, tmp_path):
    (tmp_path / "posix.py").write_text("raise SystemExit(76)")
    (tmp_path / "pyruntime.py").write_text("raise SystemExit(76)")
    hostile = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": str(tmp_path), "PYTHONINSPECT": "1"}
    done = installed.call("--version", env=os.environ | hostile, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def replace(module):
    """Put other code in place of an installed module, its byte-code included."""
    module.write_text(REPLACED)
    for cached in (module.parent / "__pycache__").glob(f"{module.stem}.*.pyc"):
        cached.unlink()


def test_the_one_file_is_used_rather_than_the_tree(installed, tmp_path):
    replace(installed.package / "main.py")
    done = installed.call("--root", tmp_path / "none", "state", "nosuch")
    assert (done.returncode, done.stdout) == (1, "")
    assert "container does not exist" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_each_short_command_is_loaded_whole_from_the_one_file(installed, command):
    served = set(installed.package.rglob("*.py"))
    for path in served:
        replace(path)
    serving, _, _ = installed.launcher.read_text().partition("from pyruntime.main")
    installed.launcher.write_text(serving + TELL)
    done = installed.call("--debug", command, "c1")
    assert (done.returncode, done.stderr) == (0, "")
    loaded = json.loads(done.stdout)
    assert {"pyruntime.main", f"pyruntime.command.{command}"} <= set(loaded)
    assert {Path(file) for file in loaded.values()} <= served


def test_other_commands_come_from_the_tree(installed):
    replace(installed.package / "main.py")
    assert installed.call("list").returncode == 77


def test_the_tree_is_used_when_the_one_file_is_for_another_python(installed):
    replace(installed.package / "main.py")
    content = installed.code.read_bytes()
    installed.code.write_bytes(b"\0\0\r\n" + content[4:])
    assert installed.call("state", "c1").returncode == 77


def test_the_tree_is_used_when_the_one_file_is_missing(installed):
    replace(installed.package / "main.py")
    installed.code.unlink()
    assert installed.call("state", "c1").returncode == 77


def test_code_from_the_one_file_names_its_source_for_error_reports(installed):
    text = installed.launcher.read_text()
    tell = "print(launched.__code__.co_filename, launched.__code__.co_firstlineno)"
    installed.launcher.write_text(text.replace("launched()", tell))
    file, line = installed.call("state").stdout.split()
    assert file == str(installed.package / "main.py")
    assert "def launched" in Path(file).read_text().splitlines()[int(line) - 1]


def test_staging_leaves_no_trace_of_the_staging_place(tmp_path):
    make_install("/opt/elsewhere", DESTDIR=tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert tmp_path / "opt/elsewhere/bin/pyruntime" in files
    assert [path for path in files if os.fsencode(tmp_path) in path.read_bytes()] == []


def test_installing_again_removes_what_is_no_longer_there(installed):
    (installed.package / "gone.py").write_text("")
    make_install(installed.prefix)
    assert not (installed.package / "gone.py").exists()


def test_uninstall_removes_all_of_it(installed):
    command = ["make", "-s", "uninstall", f"PREFIX={installed.prefix}"]
    assert subprocess.run(command, cwd=TREE).returncode == 0
    assert [path for path in installed.prefix.rglob("*") if not path.is_dir()] == []


def test_the_byte_code_needs_no_look_at_the_source(installed):
    for cached in installed.package.rglob("*.pyc"):
        flags = int.from_bytes(cached.read_bytes()[4:8], "little")
        assert flags == 0b01, f"{cached} is not of the unchecked-hash form"


def test_version_notices_byte_code_made_for_another_python(installed):
    stamp = installed.package / installation.STAMP
    assert stamp.read_text() == f"{installation.version()} {importlib.util.MAGIC_NUMBER.hex()}\n"
    stamp.write_text("3.10 6f0d0d0a\n")
    lines = installed.call("--version").stdout.splitlines()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"byte-code: made for 3.10, none for {version}: run make install" in lines


def test_an_edited_source_tree_is_what_runs(tmp_path, launcher):
    tree = tmp_path / "tree"
    left = shutil.ignore_patterns("__pycache__")
    shutil.copytree(TREE / "pyruntime", tree / "pyruntime", ignore=left)
    program = tmp_path / "pyruntime"
    program.write_text(launcher.read_text().replace(f'"{TREE}"', f'"{tree}"'))
    program.chmod(0o755)
    for version in ("0.0.1", "0.0.2"):
        (tree / "pyruntime/__init__.py").write_text(f'"""x"""\n__version__ = "{version}"\n')
        # Byte-code is compared by the source's time in seconds and its size.
        os.utime(tree / "pyruntime/__init__.py", (0, int(version[-1])))
        done = subprocess.run([program, "--version"], capture_output=True, text=True)
        assert done.stdout.splitlines()[0] == f"pyruntime version {version}"
