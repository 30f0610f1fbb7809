"""From argv to exit code, with stand-ins for the containers."""

import ast
import json
import os
import posix
import re
import signal
import subprocess
import sys

import pytest
from unit.command.planting import Planted

import pyruntime
from pyruntime import errors, log, main
from pyruntime.command import paths
from pyruntime.container.caller import Caller

TOP = os.path.dirname(os.path.dirname(pyruntime.__file__))
START = f"import sys; sys.path.insert(0, {TOP!r}); from pyruntime.main import launched; launched()"
# A module of the container floor that is planted in a fresh process.
PLANT = """
import sys, types, pyruntime.container
sys.dont_write_bytecode = True
def plant(name, **contents):
    module = types.ModuleType(name)
    module.__dict__.update(contents)
    sys.modules["pyruntime.container." + name] = module
    setattr(pyruntime.container, name, module)
"""


@pytest.fixture
def planted(monkeypatch):
    planting = Planted(monkeypatch)
    yield planting
    planting.forget_commands()


@pytest.fixture(autouse=True)
def _fresh(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, before)
    log.close()


def raising(error):
    def operation(*_given, **_named):
        raise error

    return operation


def launch(*argv, code="", before=None, **more):
    """Run the program in a fresh interpreter started as the launcher starts it."""
    start = (
        START if not code else f"import sys; sys.path.insert(0, {TOP!r})\n{PLANT}{code}\n{START}"
    )
    return subprocess.run(
        [sys.executable, "-IS", "-B", "-c", start, *argv],
        check=False, text=True, preexec_fn=before, timeout=60,
        **{"capture_output": True, "env": {}, **more},
    )  # fmt: skip


def test_a_failure_is_one_log_line_on_standard_error(planted, capfd):
    planted("pyruntime.container.start", start=raising(errors.NotFound()))
    assert main.main(["--root", "r", "start", "c"]) == 1
    shown = capfd.readouterr()
    assert re.fullmatch(r'time="\S+" level=error msg="container does not exist"\n', shown.err)
    assert shown.out == ""


@pytest.mark.parametrize("command", ["create", "run"])
def test_a_failure_of_create_and_run_says_so(planted, capfd, command):
    planted(f"pyruntime.container.{command}", **{command: raising(errors.AlreadyExists())})
    assert main.main(["--root", "r", "--log-format", "json", command, "c"]) == 1
    entry = json.loads(capfd.readouterr().err)
    expected = f"pyruntime {command} failed: container with given ID already exists"
    assert entry["msg"] == expected


def test_with_a_log_file_the_message_stands_bare_on_standard_error_as_well(
    planted, capfd, tmp_path
):
    planted("pyruntime.container.kill", kill=raising(errors.WrongStatus("container not running")))
    argv = ["--root", "r", "--log", "log.json", "--log-format", "json", "kill", "c"]
    assert main.main(argv) == 1
    entries = (tmp_path / "log.json").read_text().splitlines()
    assert len(entries) == 1
    assert json.loads(entries[0])["msg"] == "container not running"
    assert capfd.readouterr().err == "container not running\n"


def test_a_wrong_line_is_logged_as_well(capfd, tmp_path):
    argv = ["--log", "log.json", "--log-format", "json", "create", "--bogus", "c"]
    assert main.main(argv) == 1
    entry = json.loads((tmp_path / "log.json").read_text())
    assert entry["msg"] == "flag provided but not defined: -bogus"
    assert capfd.readouterr().err == "flag provided but not defined: -bogus\n"


def test_an_unknown_command_ends_with_3(capfd):
    assert main.main(["nosuch"]) == 3
    assert "No help topic for 'nosuch'" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("--root / list", "Option --root argument should not be set to /"),
        ("--root //./x/.. list", "Option --root argument should not be set to /"),
        ("--log-format xml list", "invalid log-format: xml"),
        ("--log-format xml --root r state c", "invalid log-format: xml"),
        ("--log-level loud list", "invalid log-level: loud"),
        ("--log-level loud state c", "invalid log-level: loud"),
        ("--cgroup-manager magic list", "invalid cgroup-manager: magic"),
        ("--rootless maybe list", "invalid rootless: maybe"),
        ("--log /nosuch/log list", "open /nosuch/log: no such file or directory"),
    ],
)
def test_impossible_global_options_are_refused(line, text, capfd):
    assert main.main(line.split()) == 1
    assert capfd.readouterr().err.endswith(f' level=error msg="{text}"\n')


def test_a_format_that_is_none_is_told_in_the_log_file_as_text(tmp_path, capfd):
    assert main.main(["--log", "log", "--log-format", "xml", "list"]) == 1
    expected = 'level=error msg="invalid log-format: xml"\n'
    assert (tmp_path / "log").read_text().endswith(expected)
    assert capfd.readouterr().err == "invalid log-format: xml\n"


@pytest.mark.parametrize(
    "setting", ["--rootless=true", "--rootless=AUTO", "--criu=x", "--rootless="]
)
def test_settings_for_later_or_for_older_callers_are_taken(planted, setting):
    planted("pyruntime.container.start", start=planted.recorder())
    assert main.main(["--root=r", setting, "--systemd-cgroup", "start", "c"]) == 0


def test_the_code_of_a_failure_is_the_exit_code(planted):
    failure = errors.RuntimeFailure("x")
    failure.code = 255
    planted("pyruntime.container.start", start=raising(failure))
    assert main.main(["--root", "r", "start", "c"]) == 255


def test_the_status_of_run_is_the_exit_code(planted):
    planted("pyruntime.container.run", run=planted.recorder(137))
    assert main.main(["--root", "r", "run", "c"]) == 137
    assert isinstance(planted.calls[0][1]["caller"], Caller)


def test_relative_paths_are_those_of_the_callers_directory(planted, tmp_path):
    planted("pyruntime.container.create", create=planted.recorder())
    argv = "--root r/ create --bundle ./b/../c --pid-file p --console-socket=s --pidfd-socket t c1"
    assert main.main(argv.split()) == 0
    (root, name), wishes = planted.calls[0]
    assert (root, name) == (f"{tmp_path}/r", "c1")
    assert wishes["bundle"] == f"{tmp_path}/b/../c"
    assert wishes["pid_file"] == f"{tmp_path}/p"
    assert wishes["console_socket"] == f"{tmp_path}/s"
    assert wishes["pidfd_socket"] == f"{tmp_path}/t"


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        ("/a/b", "/a/b"),
        ("/a//b/./c/", "/a/b/c"),
        ("/.hidden", "/.hidden"),
        ("/", "/"),
        (".", "{}"),
        ("", "{}"),
        ("./", "{}"),
        ("x", "{}/x"),
        ("../x", "{}/../x"),
        (".x/..y", "{}/.x/..y"),
    ],
)
def test_paths_are_made_absolute_without_asking_the_kernel(path, whole, tmp_path):
    assert paths.absolute(path) == whole.format(tmp_path)


def test_a_caller_in_a_removed_directory_is_told_so(tmp_path, monkeypatch, capfd):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main.main(["--root", "r", "list"]) == 1
    assert "getcwd: no such file or directory" in capfd.readouterr().err


def test_the_default_root_is_used_and_made_for_create_only(planted, monkeypatch, tmp_path):
    root = tmp_path / "run" / "pyruntime"
    planted("pyruntime.container.start", start=planted.recorder())
    planted("pyruntime.container.create", create=planted.recorder())
    monkeypatch.setattr(posix, "geteuid", lambda: 1000)
    monkeypatch.setitem(posix.environ, b"XDG_RUNTIME_DIR", str(root.parent).encode())
    assert main.main(["start", "c"]) == 0
    assert not root.exists()
    assert main.main(["create", "c"]) == 0
    assert root.is_dir()
    assert [given[0] for given, _ in planted.calls] == [str(root)] * 2


def test_a_bug_is_one_line_with_its_place(planted, capfd):
    planted("pyruntime.container.start", start=raising(KeyError("linux")))
    assert main.main(["--root", "r", "start", "c"]) == 1
    shown = capfd.readouterr().err
    assert shown.count("\n") == 1
    where = (
        r"internal error: KeyError: 'linux' at pyruntime/command/start\.py:\d+; please report it"
    )
    assert re.search(where, shown)


def test_a_bug_shows_its_traceback_with_debug(planted, capfd):
    planted("pyruntime.container.start", start=raising(ZeroDivisionError("x")))
    assert main.main(["--root", "r", "--debug", "start", "c"]) == 1
    shown = capfd.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert "internal error: ZeroDivisionError: x" in shown


def test_an_interrupt_ends_with_130_and_without_words(planted, capfd):
    planted("pyruntime.container.start", start=raising(KeyboardInterrupt()))
    assert main.main(["--root", "r", "start", "c"]) == 130
    assert capfd.readouterr().err == ""


def test_what_is_printed_is_complete_and_binary_safe(capfdbinary):
    main.write(1, "ü\udcff" + "x" * 200000)
    assert capfdbinary.readouterr().out == b"\xc3\xbc\xff" + b"x" * 200000


STATE = 'plant("state", state=lambda root, name: {"id": "x" * 300000})'


def test_a_slow_reader_of_a_nonblocking_pipe_gets_everything():
    read, write = os.pipe()
    os.set_blocking(write, False)
    code = f"import sys; sys.path.insert(0, {TOP!r})\n{PLANT}{STATE}\n{START}"
    argv = [sys.executable, "-IS", "-B", "-c", code, "--root=r", "state", "c"]
    with subprocess.Popen(argv, stdout=write, env={}) as child:
        os.close(write)
        with open(read, "rb") as pipe:
            shown = pipe.read()
        assert child.wait(60) == 0
    assert len(json.loads(shown)["id"]) == 300000


def test_a_reader_that_left_ends_the_program_quietly():
    read, write = os.pipe()
    os.close(read)
    try:
        done = launch("--root=r", "state", "c", code=STATE, capture_output=False, stdout=write,
                      stderr=subprocess.PIPE)  # fmt: skip
        assert (done.returncode, done.stderr) == (141, "")
        done = launch("--help", capture_output=False, stdout=write, stderr=subprocess.PIPE)
        assert "Traceback" not in done.stderr
    finally:
        os.close(write)


def test_a_full_disk_behind_standard_output_is_a_failure():
    with open("/dev/full", "w") as full:
        done = launch("--version", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert "write standard output: no space left on device" in done.stderr


FDS = """
import posix
def operation(*given, **named):
    kinds = [posix.readlink(f"/proc/self/fd/{fd}") for fd in range(3)]
    kept = [posix.get_inheritable(fd) for fd in range(3)]
    posix.write(REPORT, repr((kinds, kept, named["caller"].descriptors)).encode())
plant("create", create=operation)
"""


@pytest.mark.parametrize("closed", [(0,), (1, 2), (0, 1, 2)])
def test_closed_standard_descriptors_become_dev_null(closed, tmp_path):
    report = os.open(tmp_path / "report", os.O_CREAT | os.O_WRONLY)

    def close():
        for descriptor in closed:
            os.close(descriptor)

    try:
        launch("--root=r", "create", "c", code=FDS.replace("REPORT", str(report)), before=close,
               pass_fds=[report])  # fmt: skip
    finally:
        os.close(report)
    kinds, kept, descriptors = ast.literal_eval((tmp_path / "report").read_text())
    assert {kinds[number] for number in closed} == {"/dev/null"}
    assert all(kept)
    assert descriptors == (report,)


CHILD = """
import posix
def operation(*given, **more):
    child = posix.fork()
    if not child:
        posix._exit(7)
    posix.write(1, str(posix.waitpid(child, 0)[1] >> 8).encode())
plant("create", create=operation)
"""


def test_a_caller_that_ignores_its_children_does_not_take_ours_away():
    ignore = lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # noqa: E731
    assert launch("--root=r", "create", "c", code=CHILD, before=ignore).stdout == "7"


MODULES = 'plant("state", state=lambda root, name: {"m": sorted(sys.modules)})'


def test_state_loads_what_it_needs_and_no_more():
    argv = [
        "--root=/r",
        "--log",
        "/dev/null",
        "--log-format=json",
        "--systemd-cgroup",
        "state",
        "c",
    ]
    shown = launch(*argv, code="import types\n" + MODULES).stdout
    ours = {name for name in json.loads(shown)["m"] if name.startswith("pyruntime")}
    assert ours == {
        "pyruntime",
        "pyruntime.command",
        "pyruntime.command.fast",
        "pyruntime.command.grammar",
        "pyruntime.command.paths",
        "pyruntime.command.state",
        "pyruntime.container",
        "pyruntime.container.state",
        "pyruntime.errors",
        "pyruntime.plainjson",
        "pyruntime.main",
    }
    assert not {"os", "re", "json", "click", "typing", "enum"} & set(json.loads(shown)["m"])


def test_a_caller_with_nothing_but_xdg_runtime_dir_is_served(tmp_path):
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    done = launch("--root", str(tmp_path), "list", "-f", "json", env=env,
                  code='plant("listing", containers=lambda root: [])')  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "null\n", "")


NO_CLICK = "import pyruntime.libraries; pyruntime.libraries.reach = lambda: None"


def test_without_click_exact_lines_are_read_and_others_say_what_is_missing():
    done = launch("--help", code=NO_CLICK)
    assert done.returncode == 1
    assert "the Python package click is missing for" in done.stderr
    assert "internal error" not in done.stderr
    assert launch("--version", code=NO_CLICK).returncode == 0


def test_the_module_can_be_run():
    done = subprocess.run(
        [sys.executable, "-m", "pyruntime", "--version"],
        cwd=TOP, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout.startswith(f"pyruntime version {pyruntime.__version__}\n")


class Failing:
    """Events that come until something fails."""

    def __init__(self, *_, **__):
        pass

    def stream(self, _interval):
        yield {"first": 1}
        raise errors.RuntimeFailure("the second went wrong")


def test_what_comes_one_by_one_is_printed_before_what_fails(planted, capfd):
    planted("pyruntime.container.events", Watched=Failing)
    assert main.main(["--root", "r", "events", "c"]) == 1
    shown = capfd.readouterr()
    assert shown.out == '{"first":1}\n'
    assert "the second went wrong" in shown.err
