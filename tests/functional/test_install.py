"""`make install`: what it puts where, and that both launchers run the code they should."""

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
        self.script = self.tree / "launcher"
        self.package = self.tree / "pyruntime"
        self.code = self.tree / "pyruntime.code"

    def call(self, *arguments, **options):
        """Run the program that engines call."""
        return self._run(self.launcher, *arguments, **options)

    def by_script(self, *arguments, **options):
        """Run the script, by its first line."""
        return self._run(self.script, *arguments, **options)

    @staticmethod
    def _run(*words, **options):
        return subprocess.run(words, capture_output=True, text=True, timeout=90, **options)


def make_install(prefix, **variables):
    words = [f"{name}={value}" for name, value in {"PREFIX": prefix, **variables}.items()]
    done = subprocess.run(["make", "-s", "install", *words], cwd=TREE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """An installation that no test changes."""
    prefix = tmp_path_factory.mktemp("kept") / "prefix"
    make_install(prefix)
    return Installed(prefix)


@pytest.fixture
def installed(tmp_path):
    make_install(tmp_path / "prefix")
    return Installed(tmp_path / "prefix")


def compiled(installed):
    """The files that the compiler made: with the interpreter inside, or beside it."""
    return [file for file in (installed.launcher, installed.tree / "interpreter.so") if file.exists()]


def test_the_program_is_compiled(kept):
    assert [file.read_bytes()[:4] for file in compiled(kept)] == [b"\x7fELF"] * len(compiled(kept))


def test_no_tool_writes_and_executes_memory_of_the_program(kept):
    for file in compiled(kept):
        told = subprocess.run(["readelf", "-lW", file], capture_output=True, text=True, check=True).stdout
        assert "RWE" not in told
        assert "GNU_RELRO" in told


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
    serving, _, _ = installed.script.read_text().partition("from pyruntime.main")
    installed.script.write_text(serving + TELL)
    done = installed.by_script("--debug", command, "c1")
    assert (done.returncode, done.stderr) == (0, "")
    loaded = json.loads(done.stdout)
    assert {"pyruntime.main", f"pyruntime.command.{command}"} <= set(loaded)
    assert {Path(file) for file in loaded.values()} <= served


def test_other_commands_come_from_the_one_file_too(installed):
    replace(installed.package / "main.py")
    for run in (installed.call, installed.by_script):
        assert run("list").returncode == 0


def test_the_tree_is_used_when_the_one_file_is_for_another_python(installed):
    replace(installed.package / "main.py")
    content = installed.code.read_bytes()
    installed.code.write_bytes(b"\0\0\r\n" + content[4:])
    for run in (installed.call, installed.by_script):
        assert run("state", "c1").returncode == 77


def test_the_tree_is_used_when_the_one_file_is_missing(installed):
    replace(installed.package / "main.py")
    installed.code.unlink()
    for run in (installed.call, installed.by_script):
        assert run("state", "c1").returncode == 77


@pytest.fixture
def shared(tmp_path):
    """An installation whose interpreter lies beside it, as where libpython cannot be linked in."""
    make_install(tmp_path / "prefix", INTERPRETER="shared")
    installed = Installed(tmp_path / "prefix")
    assert (installed.tree / "interpreter.so").exists()
    return installed


@pytest.mark.parametrize("damage", ["none", "missing", "another's", "empty"])
def test_the_script_takes_over_when_the_interpreter_cannot_be_loaded(shared, tmp_path, damage):
    """As after an upgrade that took libpython away."""
    library = shared.tree / "interpreter.so"
    if damage != "none":
        library.unlink()
    if damage == "another's":
        shutil.copy(subprocess.check_output(["cc", "-print-file-name=libm.so.6"], text=True).strip(), library)
    elif damage == "empty":
        library.touch()
    done = shared.call("--root", tmp_path / "none", "state", "nosuch")
    assert (done.returncode, done.stdout) == (1, "")
    assert "container does not exist" in done.stderr


def test_a_program_that_finds_nothing_says_so(installed):
    installed.code.unlink()
    installed.script.unlink()
    done = installed.call("state", "c1")
    assert done.returncode == 127
    assert done.stderr == f"pyruntime: execute {installed.script}: No such file or directory\n"


def test_without_headers_the_script_is_installed(tmp_path):
    make_install(tmp_path / "prefix", CC="false")
    installed = Installed(tmp_path / "prefix")
    assert installed.launcher.resolve() == installed.script
    assert "container does not exist" in installed.call("--root", tmp_path, "state", "c1").stderr


def test_code_from_the_one_file_names_its_source_for_error_reports(installed):
    text = installed.script.read_text()
    tell = "print(launched.__code__.co_filename, launched.__code__.co_firstlineno)"
    installed.script.write_text(text.replace("launched()", tell))
    file, line = installed.by_script("state").stdout.split()
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
    made = f"{installation.version()} {importlib.util.MAGIC_NUMBER.hex()}"
    assert stamp.read_text().startswith(f"{made} ")
    stamp.write_text("")
    assert "byte-code: made for another Python" in installed.call("--version").stdout
    stamp.write_text("3.10 6f0d0d0a 1 1\n")
    lines = installed.call("--version").stdout.splitlines()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"byte-code: made for 3.10, none for {version}: run make install" in lines


def test_version_notices_an_upgrade_of_the_interpreter(installed):
    """The program holds the interpreter of the day when it was made."""
    stamp = installed.package / installation.STAMP
    told = "interpreter: /usr/bin/python3 has changed since the installation: run make install"
    assert told not in installed.call("--version").stdout
    version, magic, size, time = stamp.read_text().split()
    stamp.write_text(f"{version} {magic} {size} {int(time) - 1}\n")
    assert told in installed.call("--version").stdout.splitlines()


def test_an_edited_source_tree_is_what_runs(tmp_path):
    tree = tmp_path / "tree"
    left = shutil.ignore_patterns("__pycache__")
    shutil.copytree(TREE / "pyruntime", tree / "pyruntime", ignore=left)
    program = tmp_path / "pyruntime"
    script = (TREE / "pyruntime/data/launcher").read_text()
    program.write_text(script.replace("@LIBDIR@", str(tree)))
    program.chmod(0o755)
    for version in ("0.0.1", "0.0.2"):
        (tree / "pyruntime/__init__.py").write_text(f'"""x"""\n__version__ = "{version}"\n')
        # Byte-code is compared by the source's time in seconds and its size.
        os.utime(tree / "pyruntime/__init__.py", (0, int(version[-1])))
        done = subprocess.run([program, "--version"], capture_output=True, text=True)
        assert done.stdout.splitlines()[0] == f"pyruntime version {version}"


# All that a command may open before it does its own work; what lies in /proc and the state is its own.
LIBRARIES = ("ld.so.cache", "libc.so.6", "libm.so.6", "libz.so.1", "libexpat.so.1", "interpreter.so", "pyruntime.code")
NO_SUCH_CONTAINER = {"delete": "_json."}  # it looks for traces of a damaged one


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("words", [[each, "c1"] for each in ("state", "kill", "start", "delete")], ids=" ".join)
def test_a_short_command_opens_no_file_of_the_standard_library(kept, tmp_path, words):
    """It begins with half of the interpreter's start: nothing lists or reads a directory of modules."""
    trace = tmp_path / "trace"
    command = ["strace", "-qq", "-o", trace, "-e", "trace=open,openat,stat,newfstatat,readlink,getdents64"]
    line = [*command, kept.launcher, "--root", tmp_path / "none", *words]
    done = subprocess.run(line, capture_output=True, text=True, timeout=90)
    assert "container does not exist" in done.stderr
    opened = [each.split('"')[1] for each in trace.read_text().splitlines() if '"/' in each]
    foreign = [path for path in opened if not path.startswith(str(tmp_path / "none"))]
    foreign = [path for path in foreign if path.rpartition("/")[2] not in LIBRARIES and "libpython" not in path]
    traces = NO_SUCH_CONTAINER.get(words[0], "/etc/localtime")
    assert [path for path in foreign if path != "/etc/localtime" and traces not in path] == []
    assert str(kept.code) in opened


def test_what_needs_all_of_the_interpreter_finishes_its_start(kept):
    """Encodings, streams and the finders for directories come when somebody asks for them."""
    assert "Usage" in kept.call("--help").stdout
    done = kept.call("state", "c1", "--nosuch")
    assert done.returncode != 0
    assert "nosuch" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_text_that_is_not_utf_8_is_no_problem_in_half_a_start(kept, tmp_path):
    (tmp_path / "config.json").write_bytes(b'{"a": "\xff"}')
    done = kept.call("--root", tmp_path / "state", "create", "--bundle", tmp_path, "c1")
    assert done.returncode == 1
    assert "config.json: line 1 column 8" in done.stderr
    odd = kept.call("--root", tmp_path / "none", "state", b"\xff\xfe")
    assert odd.returncode == 1
    assert "Traceback" not in odd.stderr


def test_a_life_by_the_script(kept, tmp_path):
    """The script does the same work with whatever Python there is; all other tests use the program."""
    assert "pyruntime version" in kept.by_script("--version").stdout
    features = [json.loads(run("features").stdout) for run in (kept.call, kept.by_script)]
    assert features[0] == features[1]
