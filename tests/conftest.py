"""What all tests share: who may run, and a bench to run containers on.

Tests of functional/, security/ and integration/ need root and the private view that in_view.py
makes; `make test` runs all of pytest in it, and a plain `pytest tests/functional` as root starts
itself anew in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
TREE = TESTS.parent
sys.path[:0] = [path for path in (str(TREE), str(TESTS), str(TREE / "bundles")) if path not in sys.path]

import busybox  # noqa: E402 - needs the path above
import in_view  # noqa: E402

CONTAINER_TESTS = {"functional", "security", "integration"}
CGROUPS = Path(in_view.CGROUPS)
# Only what hangs is ended after so long: a busy machine needs much more than a moment for a command.
SECONDS = 90.0
FAILED = pytest.StashKey[bool]()


def pytest_configure():
    """Let no generated test fail for being slow; in CI the same input is tried each time.

    What tests make is for others to read, too, whatever the caller's umask.
    """
    os.umask(0o022)
    with contextlib.suppress(ImportError):  # the tests that need it will say so
        from hypothesis import HealthCheck, settings

        always = bool(os.environ.get("CI"))
        settings.register_profile(
            "pyruntime",
            deadline=None, database=None, derandomize=always, suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        settings.load_profile("pyruntime")


def pytest_collection_modifyitems(items):
    """Mark the tests that need root, and skip them where they cannot run, saying why."""
    view = os.environ.get(in_view.VARIABLE, "" if os.geteuid() == 0 else "needs root")
    for item in items:
        floor = item.path.relative_to(TESTS).parts[0]
        if floor in CONTAINER_TESTS and not item.get_closest_marker("anyone"):
            item.add_marker("root")
        if item.get_closest_marker("root") and view not in ("", "yes"):
            item.add_marker(pytest.mark.skip(reason=view))


def pytest_collection_finish(session):
    """As root, when a test needs the view: replace this process by one that has it."""
    config = session.config
    if in_view.VARIABLE in os.environ or os.geteuid() != 0 or config.option.collectonly:
        return
    if any(item.get_closest_marker("root") for item in session.items):
        config.pluginmanager.getplugin("capturemanager").stop_global_capturing()
        sys.stdout.flush()
        again = [sys.executable, "-m", "pytest", *config.invocation_params.args]
        os.execv(sys.executable, [sys.executable, str(TESTS / "in_view.py"), *again])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Note of each test whether it failed: what it made is kept then."""
    outcome = yield
    if outcome.get_result().failed:
        item.stash[FAILED] = True


@pytest.fixture(autouse=True)
def _room(request):
    """Remove the directory of a test that has passed: bundles would fill gigabytes by the end."""
    yield
    place = request.node.funcargs.get("tmp_path")
    if place is not None and FAILED not in request.node.stash and not mounted_below(place):
        shutil.rmtree(place, ignore_errors=True)


def mounted_below(place):
    """Tell whether something is mounted in a directory; what it shows must not be removed."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return any(point.startswith(f"{place}/") for point in points)


class Bundle:
    """A bundle directory: change `config`, then `save()`."""

    def __init__(self, path):
        self.path = path
        self.rootfs = path / "rootfs"
        self.config = json.loads((path / "config.json").read_text())

    def save(self):
        """Write `config`; return the bundle's path."""
        (self.path / "config.json").write_text(json.dumps(self.config))
        return self.path


class Containers:
    """The containers below a private state root, and what they must not leave."""

    def __init__(self, root):
        self.root = root
        self.before = traces()

    def ids(self):
        """Return the ids of all that exist; @seccomp, the filter cache, is no id."""
        if not self.root.exists():
            return []
        return sorted(path.name for path in self.root.iterdir() if path.name[0] not in ".@")

    def state(self, name):
        """Return the saved state of a container."""
        return json.loads((self.root / name / "state.json").read_text())


def traces():
    """Return what containers make on a machine: mounts, cgroups, and processes in these."""
    cgroups = {str(path) for path in CGROUPS.rglob("*") if path.is_dir()} if in_the_view() else set()
    inside = set()
    for path in cgroups - {str(CGROUPS / "init")}:
        try:
            inside.update(Path(path, "cgroup.procs").read_text().split())
        except OSError:  # it went meanwhile
            continue
    mounts = set(Path("/proc/self/mountinfo").read_text().splitlines())
    return {"mounts": mounts, "cgroups": cgroups, "processes": inside}


def in_the_view():
    """Tell whether this process has the private view."""
    return os.environ.get(in_view.VARIABLE) == "yes"


def leaked(before, seconds=20.0):
    """Return what is there now and was not before, after waiting a moment for dying processes."""
    deadline = time.monotonic() + seconds
    while True:
        now = traces()
        more = {kind: sorted(now[kind] - before[kind]) for kind in now if now[kind] - before[kind]}
        if not more or time.monotonic() > deadline:
            return more
        time.sleep(0.02)


@pytest.fixture(scope="session")
def launcher(tmp_path_factory):
    """The program as `make install` puts it; with PYRUNTIME_LAUNCHER=script the script beside it."""
    return installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="session")
def open_launcher():
    """The same in a directory that every user can walk to, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="installed-", dir="/tmp") as prefix:
        os.chmod(prefix, 0o755)
        yield installed(Path(prefix))


def installed(prefix):
    """Install this tree, for all users whatever the umask; return the program."""
    command = ["make", "-s", "-C", str(TREE), "install", f"PREFIX={prefix}"]
    done = subprocess.run(command, capture_output=True, text=True, umask=0o077)
    assert done.returncode == 0, done.stdout + done.stderr
    by_script = os.environ.get("PYRUNTIME_LAUNCHER") == "script"
    return prefix / ("lib/pyruntime/launcher" if by_script else "bin/pyruntime")


@pytest.fixture
def containers(tmp_path, launcher):
    """The test's state root; at the end all containers are deleted and nothing may be left."""
    held = Containers(tmp_path / "state")
    yield held
    refused = {}
    for name in held.ids():
        done = call(launcher, held.root, "delete", "--force", name)
        if done.returncode:
            refused[name] = done.stderr
    assert not refused, "delete --force failed"
    assert held.ids() == []
    assert leaked(held.before) == {}


@pytest.fixture
def runtime(containers, launcher):
    """Callable: runtime("state", "c1", timeout=…, cwd=…, env=…, input=…) -> CompletedProcess."""

    def run(*arguments, **options):
        return call(launcher, containers.root, *arguments, **options)

    return run


@pytest.fixture
def bundle(tmp_path):
    """A fresh bundle, `plain`, on busybox; its process is `true` until the test says otherwise."""
    path = tmp_path / "bundle"
    busybox.bundle("plain", str(path), ["true"])
    return Bundle(path)


def call(launcher, root, *arguments, timeout=SECONDS, **options):
    """Run one command line of the installed program with a state root; return CompletedProcess.

    Output goes through files: a container that was created keeps the caller's standard output open,
    and a pipe would not end before it does. `input` is text for standard input, else it is empty.
    """
    command = [str(launcher), "--root", str(root), *map(str, arguments)]
    text = options.pop("input", None)
    with tempfile.TemporaryFile("w+") as given, _output() as out, _output() as err:
        given.write(text or "")
        given.seek(0)
        try:
            status = subprocess.call(
                command, stdin=given, stdout=out, stderr=err, timeout=timeout, **options
            )
        except subprocess.TimeoutExpired:
            pytest.fail(f"{' '.join(command)}: no end after {timeout} s\n{_text(out)}{_text(err)}")
        return subprocess.CompletedProcess(command, status, _text(out), _text(err))


def _output():
    return tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogateescape", newline="")


def _text(file):
    file.seek(0)
    return file.read()
