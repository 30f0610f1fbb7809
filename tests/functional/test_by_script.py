"""Where the program cannot be compiled, the script beside it does the same work."""

import os

import conftest
import pytest


@pytest.fixture
def by_script(launcher, containers):
    """Callable: run a command line by the script that is installed beside the program."""
    script = launcher.parents[1] / "lib/pyruntime/launcher"
    if launcher.name == "launcher":  # all tests run by the script now
        script = launcher
    assert script.read_bytes().startswith(b"#!/usr/bin/python3 -IS\n")

    def run(*words, **options):
        return conftest.call(script, containers.root, *words, **options)

    return run


def test_a_life(by_script, bundle, runtime):
    bundle.config["process"]["args"] = ["sleep", "1000"]
    assert by_script("create", "--bundle", bundle.save(), "c1").returncode == 0
    assert '"status": "created"' in runtime("state", "c1").stdout  # both read the same state
    assert by_script("start", "c1").returncode == 0
    assert '"status": "running"' in by_script("state", "c1").stdout
    assert by_script("kill", "c1", "KILL").returncode == 0
    assert by_script("delete", "--force", "c1").returncode == 0


def test_a_run_with_hooks_and_a_filter(by_script, bundle):
    bundle.config["process"]["args"] = ["sh", "-c", "echo said; mkdir /tmp/x; exit 5"]
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "exit 0"]}
    bundle.config["hooks"] = {name: [hook] for name in ("createRuntime", "createContainer", "poststop")}
    refused = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}
    bundle.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refused]}
    done = by_script("run", "--bundle", bundle.save(), "c1")
    assert (done.returncode, done.stdout) == (5, "said\n")
    assert "No space left on device" in done.stderr


def test_an_error_is_told_in_one_line(by_script, bundle, containers):
    bundle.config["process"]["args"] = ["no-such-program"]
    done = by_script("run", "--bundle", bundle.save(), "c1")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "executable file not found in $PATH" in done.stderr
    assert containers.ids() == []


@pytest.mark.parametrize("closed", [(0,), (1,), (0, 1, 2)], ids=str)
def test_closed_standard_files_become_null(by_script, bundle, tmp_path, closed):
    """The one file stays open meanwhile, and must not lie in their place."""
    journal = tmp_path / "journal"
    journal.mkdir()
    bundle.config["mounts"].append({"destination": "/journal", "source": str(journal), "options": ["bind"]})
    script = "for each in 0 1 2; do readlink /proc/self/fd/$each; done > /journal/files"
    bundle.config["process"]["args"] = ["sh", "-c", script]
    close = lambda: [os.close(number) for number in closed]  # noqa: E731
    by_script("run", "--bundle", bundle.save(), "c1", preexec_fn=close)
    files = (journal / "files").read_text().split()
    # Number 1 is where the shell itself writes.
    assert [files[number] for number in closed if number != 1] == ["/dev/null"] * len(set(closed) - {1})
    assert not any("pyruntime.code" in file for file in files)
