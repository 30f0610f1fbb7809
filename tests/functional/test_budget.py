"""Which modules each hot command loads, in a fresh process started as the launcher starts it.

Lint sees what a module imports at its head; only this sees what is loaded in the end. `budget.json`
lists what each command may load, besides what a bare `-IS` interpreter has. After a wanted change:

    /usr/bin/python3 tests/in_view.py /usr/bin/python3 tests/functional/test_budget.py

prints the lists as they are now; put them into budget.json and look at the difference.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "bundles"))

import busybox  # noqa: E402 - needs the path above

BUDGET = Path(__file__).with_name("budget.json")
PYTHON = ["/usr/bin/python3", "-IS"]
PAYLOADS = {"sleep": ["sleep", "1000"], "true": ["true"]}
# Ends as launched() does; the child that becomes the container's init never comes here.
NOTING = """
import posix, sys
sys.path.insert(0, {tree!r})
bare = set(sys.modules)
from pyruntime.main import main
first = posix.getpid()
status = main({arguments!r})
if posix.getpid() == first:
    loaded = "\\n".join(sorted(set(sys.modules) - bare))
    file = posix.open({note!r}, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC)
    posix.write(file, loaded.encode())
posix._exit(status)
"""


class Measured:
    """A life of containers, command by command, each noting what it loaded."""

    def __init__(self, root, scratch):
        self.root, self.scratch = root, scratch
        self.loaded = {}

    def note(self, title, *arguments):
        """Run a command line; keep the modules that it loaded under `title`."""
        note = f"{self.scratch}/note"
        words = ["--root", str(self.root), *map(str, arguments)]
        text = NOTING.format(tree=str(TREE), arguments=words, note=note)
        with tempfile.TemporaryFile() as out:
            command = [*PYTHON, "-c", text]
            status = subprocess.call(
                command, cwd=self.scratch, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=90
            )
            out.seek(0)
            said = out.read().decode()
        assert status == 0, f"{title}: {said}"
        self.loaded[title] = Path(note).read_text().split()

    def life(self, kind):
        """Let a container of a bundle live and die."""
        name = f"c-{kind}"
        for payload, args in PAYLOADS.items():
            busybox.bundle(kind, f"{self.scratch}/{kind}-{payload}", args)
        self.note(f"create {kind}", "create", "--bundle", f"{kind}-sleep", name)
        for command in ("state", "start", "exec", "pause", "resume", "kill", "delete"):
            words = [command, *(["--force"] if command == "delete" else []), name]
            words += {"kill": ["KILL"], "exec": ["true"]}.get(command, [])
            self.note(f"{command} {kind}", *words)
        self.note(f"run {kind}", "run", "--bundle", f"{kind}-true", f"r-{kind}")

    def all(self):
        """Do every hot command; the first filter is compiled by `create podman-like`, then cached.

        Return {title: modules}.
        """
        for kind in busybox.KINDS:
            self.life(kind)
        for command in ("list", "spec", "features", "--version"):
            self.note(command, command)
        return self.loaded


@pytest.fixture
def loaded(tmp_path, containers):
    (tmp_path / "scratch").mkdir()
    return Measured(containers.root, tmp_path / "scratch").all()


def test_no_hot_command_loads_more_than_its_list(loaded):
    allowed = json.loads(BUDGET.read_text())
    assert set(loaded) == set(allowed)
    more = {title: sorted(set(loaded[title]) - set(allowed[title])) for title in loaded}
    assert {title: names for title, names in more.items() if names} == {}


def test_the_lists_name_nothing_dear():
    dear = {"argparse", "click", "contextlib", "ctypes", "dataclasses", "enum", "functools", "json"}
    dear |= {"jsonschema", "logging", "os", "pathlib", "prctl", "pyroute2", "re", "seccomp", "signal"}
    dear |= {"socket", "subprocess", "typing"}
    allowed = json.loads(BUDGET.read_text())
    hot = {title for title in allowed if " " in title} - {"create podman-like"}
    assert len(hot) == 17
    foreseen = {"run plain": {"prctl"}, "run podman-like": {"prctl"}}
    found = {title: sorted(dear & set(allowed[title]) - foreseen.get(title, set())) for title in hot}
    assert {title: names for title, names in found.items() if names} == {}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(Measured(f"{place}/state", place).all(), indent=1))
