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
# The end of a launcher that imports everything; cold modules import libraries at their heads.
LOAD_ALL = """
from pyruntime import libraries

libraries.reach()
files = []
for name in {names!r}:
    __import__(name)
    files.append(sys.modules[name].__file__)
import json

print(json.dumps(files))
"""

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


def test_the_one_file_is_used_rather_than_the_tree(installed):
    replace(installed.package / "main.py")
    assert installed.call("--version").returncode == 0


def test_all_modules_can_be_loaded_from_the_one_file(installed):
    served = set(installed.package.rglob("*.py"))
    names = {".".join(path.relative_to(installed.tree).with_suffix("").parts) for path in served}
    names = sorted({name.removesuffix(".__init__") for name in names} - {"pyruntime.__main__"})
    for path in served:
        path.write_text(REPLACED)
    shutil.rmtree(installed.package / "__pycache__")
    serving, _, _ = installed.launcher.read_text().partition("from pyruntime.main")
    installed.launcher.write_text(serving + LOAD_ALL.format(names=names))
    done = installed.call()
    assert (done.returncode, done.stderr) == (0, "")
    files = json.loads(done.stdout)
    assert len(files) == len(names) > 30
    assert {Path(file) for file in files} <= served


def test_the_tree_is_used_when_the_one_file_is_for_another_python(installed):
    replace(installed.package / "main.py")
    content = installed.code.read_bytes()
    installed.code.write_bytes(b"\0\0\r\n" + content[4:])
    assert installed.call("--version").returncode == 77


def test_the_tree_is_used_when_the_one_file_is_missing(installed):
    replace(installed.package / "main.py")
    installed.code.unlink()
    assert installed.call("--version").returncode == 77


def test_a_one_file_replaced_while_a_command_runs_is_not_read_at_old_places(installed):
    from pyruntime.packed import Packed

    content = installed.code.read_bytes()
    size = int.from_bytes(content[4:8], "little")
    import marshal

    _, mark, table = marshal.loads(content[8 : 8 + size])
    old = Packed(str(installed.code), str(installed.tree), 8 + size, mark, table)
    assert old.find_spec("pyruntime.main").loader is old
    installed.code.write_bytes(content.replace(mark, b"renewed!"))
    assert old.find_spec("pyruntime.main") is None


def test_tracebacks_name_the_installed_file_and_line(installed):
    text = installed.launcher.read_text()
    installed.launcher.write_text(text.replace("launched()", "launched(1)"))
    done = installed.call("--version")
    assert done.returncode == 1
    assert "TypeError" in done.stderr
    spec = installed.launcher.read_text().replace("launched(1)", "print(launched.__code__.co_filename)")
    installed.launcher.write_text(spec)
    assert installed.call().stdout.strip() == str(installed.package / "main.py")


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
